#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""inside.py - runs the kernel's self-tests of list.txt, in the machine.

usage: inside.py DIR LIST

Prints for each test one line of JSON: name, how it ended, how many of its parts
passed, failed and were skipped, the lines of those that did not pass, what the
kernel complained of meanwhile, and its output's end.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time

HUGE_PAGES = 136
COMPLAINT = re.compile(r"BUG:|WARNING: CPU|Oops|general protection fault.*SMP|Call Trace|soft lockup|hung task")


def read_list(path):
    with open(path) as f:
        for line in f:
            m = re.match(r"(\d+) ([a-z-]+)\t(.+)$", line)
            if m:
                yield int(m.group(1)), m.group(2), m.group(3)


def parts(text):
    """Verdicts of a test's parts: lines of TAP, or of the older [OK] style."""
    passed, skipped, failed = [], [], []
    for line in text.splitlines():
        line = line.strip()
        if re.search(r"^# .*(ok|Totals)|^TAP|^1\.\.", line):
            continue
        if re.match(r"not ok\b|\[(FAIL|WARN)", line) or "[FAILED]" in line:
            failed.append(line)
        elif re.search(r"\[SKIP|^ok\b.*# SKIP", line):
            skipped.append(line)
        elif re.match(r"ok\b|\[(OK|PASS|NOTE)\]", line) or "[OK]" in line or "[PASS]" in line:
            passed.append(line)
    return passed, skipped, failed


def complaints(seen):
    log = subprocess.run(["dmesg"], capture_output=True, text=True, errors="replace").stdout.splitlines()
    bad = [line for line in log[seen:] if COMPLAINT.search(line)]
    return len(log), bad


def prepare(flags):
    if "h" in flags and not os.path.isdir("huge"):
        with open("/proc/sys/vm/nr_hugepages", "w") as f:
            f.write(str(HUGE_PAGES))
        os.mkdir("huge")
        subprocess.run(["mount", "-t", "hugetlbfs", "none", "huge"], check=True)
    if "h" not in flags and os.path.isdir("huge"):
        subprocess.run(["umount", "huge"], check=True)
        os.rmdir("huge")
        with open("/proc/sys/vm/nr_hugepages", "w") as f:
            f.write("0")


def run(seconds, flags, command):
    argv = command.split()
    argv[0] = os.path.abspath(argv[0])
    if "u" in flags:
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         start_new_session=True)
    late = False
    try:
        out, _ = p.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(p.pid, signal.SIGKILL)
        try:
            out, _ = p.communicate(timeout=3)
        except subprocess.TimeoutExpired as e:
            # Something of it cannot be killed, and has its output still open.
            out = e.output or b""
    # Processes that a test leaves behind must not disturb the next.
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    text = out.decode(errors="replace")
    if late:
        return "late", text
    if p.returncode < 0:
        return f"signal {-p.returncode}", text
    return {0: "pass", 4: "skip"}.get(p.returncode, f"fail {p.returncode}"), text


def main(directory, path):
    os.chdir(directory)
    os.environ["LD_LIBRARY_PATH"] = os.path.abspath("rseq")
    seen, _ = complaints(0)
    for seconds, flags, command in read_list(path):
        prepare(flags)
        start = time.monotonic()
        end, text = run(seconds, flags, command)
        passed, skipped, failed = parts(text)
        seen, bad = complaints(seen)
        print(json.dumps({"test": command, "end": end, "passed": len(passed), "skipped": skipped, "failed": failed,
                          "kernel": bad, "seconds": round(time.monotonic() - start, 1), "output": text[-6000:]}), flush=True)


main(*sys.argv[1:])
