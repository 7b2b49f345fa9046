#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: A machine check in the hypervisor ends in a panic with registers and a backtrace with names, and the lab says the system died.
# seconds: 20
"""Domain 0 sleeps, so that the processor waits in the hypervisor; QEMU's monitor raises the machine check."""
import json
import os
import re
import socket
import subprocess
import sys
import time

tmp = os.environ["TMPDIR"]
path = f"{tmp}/monitor"
lab = subprocess.Popen(["tests/lab", "--timeout", "50", "--qemu", f"-qmp unix:{path},server=on,wait=off",
                        "--", "sh", "-c", "echo asleep; sleep 100"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
if lab.stdout.readline() != b"asleep\n":
    sys.exit("domain 0 did not start")
s = socket.socket(socket.AF_UNIX)
s.connect(path)
monitor = s.makefile("rw")
monitor.readline()


def ask(execute, **arguments):
    monitor.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
    monitor.flush()
    return monitor.readline()


def human(line):
    return ask("human-monitor-command", **{"command-line": line})


ask("qmp_capabilities")
# The processor is stopped in ring 0 when the machine check comes.
for _ in range(500):
    time.sleep(0.02)
    human("stop")
    if re.search(r"CPL=0.*HLT=1", human("info registers")):
        break
    human("cont")
human("mce 0 0 0xbd00000000000000 0xd 0x0 0x0")
human("cont")
_, err = lab.communicate()
log = err.decode(errors="replace")
print(log)
if lab.returncode != 125:
    sys.exit(f"the lab's status is {lab.returncode}, not 125")
for want in (r"\(vmi\) panic: #MC", r"rip ffffffff80[0-9a-f]+  cs 0080", r"at [0-9a-f]{16} \w+\+0x[0-9a-f]+",
             r"called from [0-9a-f]{16} trap_from_guest\+0x[0-9a-f]+", r"called from [0-9a-f]{16} enter_c\+0x[0-9a-f]+"):
    if not re.search(want, log):
        sys.exit(f"the console has nothing like {want}")
