#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""commands.py - runs the commands of commands.txt, in the machine.

usage: commands.py LIST PROGRAMS [GROUP]...

Prints one line of JSON for each command: its group, the command, its exit status
and its output, in which addresses, numbers of processes and times are replaced,
for these differ from run to run also on one machine.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

LIMIT = 3600
NORMALIZE = [(re.compile(pattern), to) for pattern, to in [
    (r"0x[0-9a-f]{5,16}\b", "ADDRESS"),
    (r"\b(LWP|process|pid|PID|Thread|thread \d+ \(LWP) \d+", r"\1 N"),
    (r"bash: line \d+: +\d+ ", "bash: line N: "),
    (r"^(\[\d+\]) \d+$", r"\1 N"),
    (r"\b\d+(\.\d+)? ?(ms|us|ns|seconds|sec)\b", "TIME"),
    (r"Ran (\d+) tests? in [0-9.]+s", r"Ran \1 tests"),
    (r"==\d+==", "==N=="),
    (r"si_pid=\d+", "si_pid=N"),
    # openssl: the thread.
    (r"(?m)^[0-9A-F]{16}:error:", "THREAD:error:"),
    # gdb: which of two threads or processes is first.
    (r"(?m)^\[(Detaching after fork|New Thread|Thread .* exited).*\n", ""),
]]


def normalize(text):
    for pattern, to in NORMALIZE:
        text = pattern.sub(to, text)
    return text


def run(command):
    p = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, start_new_session=True)
    try:
        out, _ = p.communicate(timeout=LIMIT)
        status = p.returncode
    except subprocess.TimeoutExpired:
        status = "late"
        os.killpg(p.pid, signal.SIGKILL)
        out, _ = p.communicate()
    return status, out.decode(errors="replace")


def main(path, programs, *groups):
    os.environ.clear()
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME="/root", LC_ALL="C.UTF-8", TERM="dumb", PYTHONHASHSEED="0", TZ="UTC")
    work = "/tmp/work"
    group = None
    with open(path) as f:
        for line in f:
            line = line.rstrip("\n")
            if line.startswith("== "):
                group = line[3:]
                shutil.rmtree(work, ignore_errors=True)
                shutil.copytree(programs, work)
                os.chdir(work)
            elif line and not line.startswith("#") and (not groups or group in groups):
                start = time.monotonic()
                status, out = run(line)
                print(json.dumps({"group": group, "command": line, "status": status, "output": normalize(out),
                                  "seconds": round(time.monotonic() - start, 1)}), flush=True)


main(*sys.argv[1:])
