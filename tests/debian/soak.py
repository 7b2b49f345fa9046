#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""soak.py - a mixed load for some time, in the machine.

usage: soak.py SECONDS SEED

Six processes at once, each of which does one kind of work again and again:
compiles and runs C, sqlite transactions, Python, storms of fork and of mmap
(the programs of tests/guest), archives and ciphers. Each piece of work is one of
a few whose result depends on nothing but its number. A result that differs from
an earlier one of the same number is a failure; at the end the table of results
is printed, to be compared with another machine's.
"""
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import zlib

VARIANTS = 4
# Seconds for one piece of work, and how often their own limits the storms may take:
# the machine's host may be so busy that it gets a tenth of a processor, for six processes.
LIMIT = 1800
PATIENCE = 10


def command(*argv, data=None, cwd=None):
    p = subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, cwd=cwd)
    if p.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {p.returncode}: {p.stdout.decode(errors='replace')[-400:]}")
    return p.stdout


def compile_c(i, where):
    source = f"{where}/prog.c"
    functions = "\n".join(f"static unsigned f{n}(unsigned x) {{ for (int i = 0; i < {n + 5}; i++) x = x * {2 * n + 3}u + (x >> {n % 13 + 1}) + {i}; return x; }}"
                          for n in range(60))
    calls = " ".join(f"x = f{n}(x);" for n in range(60))
    with open(source, "w") as f:
        f.write(f"#include <stdio.h>\n#include <string.h>\n{functions}\n"
                f"int main(void) {{ unsigned x = 1; for (int i = 0; i < 2000; i++) {{ {calls} }} printf(\"%u\\n\", x); return 0; }}\n")
    level = ("-O0", "-O1", "-O2", "-O3")[i]
    assembly = command("gcc", level, "-S", "-o", "-", source)
    command("gcc", level, "-o", f"{where}/prog", source)
    return assembly + command(f"{where}/prog")


def sqlite(i, where):
    path = f"{where}/db"
    for name in os.listdir(where):
        os.unlink(f"{where}/{name}")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = " + ("WAL", "DELETE", "TRUNCATE", "PERSIST")[i])
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, v TEXT)")
    db.execute("CREATE INDEX tk ON t (k)")
    x = i + 1
    for n in range(60):
        db.execute("BEGIN")
        for _ in range(50):
            x = (x * 1103515245 + 12345) & 0x7fffffff
            db.execute("INSERT INTO t (k, v) VALUES (?, ?)", (x % 1000, "v" * (x % 200)))
        db.execute("DELETE FROM t WHERE k % 7 = ?", (n % 7,))
        db.execute("ROLLBACK" if n % 5 == 4 else "COMMIT")
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = db.execute("SELECT k, count(*), sum(length(v)) FROM t GROUP BY k ORDER BY k").fetchall()
    db.close()
    return repr(rows).encode()


def python(i, where):
    """The interpreter's own work: numbers, strings, threads, compression."""
    out = [str(pow(3, 5000 + i)), str(sorted(hash((n, i)) for n in range(5000))[:50])]
    text = " ".join(hashlib.sha256(f"{n}/{i}".encode()).hexdigest() for n in range(3000))
    out.append(str(re.findall(r"([a-f]+)0\1", text)[:100]))
    out.append(hashlib.sha1(zlib.compress(text.encode(), 6)).hexdigest())
    total, lock = [0], threading.Lock()

    def count(k):
        for n in range(2000):
            with lock:
                total[0] += n * k
    threads = [threading.Thread(target=count, args=(k + i,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    out.append(json.dumps({"total": total[0]}))
    out.append(command("python3", "-c", f"import decimal; print(decimal.Decimal(2).sqrt(decimal.Context(prec={200 + i})))").decode())
    return "\n".join(out).encode()


def storm(program, scale):
    def work(i, where):
        out = command(f"/opt/vmi/{program}", "--seed", str(SEED * VARIANTS + i), "--scale", str(scale), "--patience", str(PATIENCE)).decode()
        return "\n".join(line.split()[0] + " " + line.split()[1] for line in out.splitlines() if line.startswith(("PASS", "SKIP"))).encode()
    return work


def archive(i, where):
    tree = f"{where}/tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree("/usr/include/x86_64-linux-gnu/" + ("bits", "sys", "asm", "gnu")[i], tree)
    tar = ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-C", where, "-cf", "-", "tree"]
    pack, unpack = (("gzip", "-nc"), ("gzip", "-dc")) if i & 1 else (("xz", "-0c"), ("xz", "-dc"))
    data = command(*tar)
    packed = command(*pack, data=data)
    assert command(*unpack, data=packed) == data, f"{pack[0]} gave back something else"
    key = "00112233445566778899aabbccddeeff"
    secret = command("openssl", "enc", "-aes-128-ctr", "-K", key, "-iv", key, data=packed)
    assert command("openssl", "enc", "-d", "-aes-128-ctr", "-K", key, "-iv", key, data=secret) == packed, "openssl gave back something else"
    return hashlib.sha256(secret).digest()


WORK = {
    "compile": compile_c,
    "sqlite": sqlite,
    "python": python,
    "fork": storm("procs", 5),
    "mmap": storm("memory", 5),
    "archive": archive,
}


def worker(name, end, results):
    where = f"/tmp/soak/{name}"
    os.makedirs(where)
    seen, n = {}, 0
    # Each variant once, however long it takes.
    while n < VARIANTS or time.monotonic() < end:
        i = n % VARIANTS
        try:
            digest = hashlib.sha256(WORK[name](i, where)).hexdigest()[:16]
        except Exception as e:
            results.put((name, n, None, f"{type(e).__name__}: {e}"))
            return
        if seen.setdefault(i, digest) != digest:
            results.put((name, n, None, f"variant {i} gave {digest}, earlier {seen[i]}"))
            return
        n += 1
    results.put((name, n, seen, None))


def main(seconds):
    start = time.monotonic()
    results = multiprocessing.Queue()
    for name in WORK:
        multiprocessing.Process(target=worker, args=(name, start + seconds, results)).start()
    failed, table, rounds = 0, [], []
    for _ in WORK:
        name, n, seen, why = results.get()
        rounds.append(f"{name} {n}")
        if why:
            print(f"FAIL {name}, round {n}: {why}", flush=True)
            failed = 1
        else:
            table += [f"result {name} {i} {seen[i]}" for i in seen]
    print("\n".join(sorted(table)))
    print(f"rounds: {', '.join(sorted(rounds))}; {time.monotonic() - start:.0f} s")
    return failed


SEED = int(sys.argv[2])
os.environ["PYTHONHASHSEED"] = "0"
sys.exit(main(int(sys.argv[1])))
