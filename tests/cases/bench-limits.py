#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: System calls and user code of domain 0 stay within their instruction limits, and a system call makes no hypercall and no CR3 write.
# seconds: 45
"""Instructions are counted, not timed (--icount), so that the result does not
depend on the machine. The limits are ratios to the same kernel natively."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../bench"))
from machine import Machine
from report import LIMITS

SYSTEM_CALLS = ("getpid", "getppid", "read1")


def fail(why):
    print(why)
    sys.exit(1)


def measure(mode):
    command = ["/opt/vmi/bench", "--reps", "5"]
    for op in sorted({*LIMITS, *SYSTEM_CALLS}):
        command += ["--op", op]
    r = Machine(mode=mode, icount=True).run(command, timeout=100)
    print(r.text)
    if r.status:
        fail(f"{mode}: bench ended with {r.status}: {r.reason or r.tail(5)}")
    lines = [json.loads(line) for line in r.text.splitlines()]
    about = lines.pop(0)
    if not 1 <= about["loop_ticks"] / about["loop_instructions"] < 1.001:
        print(f"{mode}: a tick is not an instruction")
        sys.exit(99)
    return {o["op"]: o for o in lines}


native, dom0 = measure("native"), measure("dom0")
for op, limit in LIMITS.items():
    ratio = dom0[op]["median"] / native[op]["median"]
    print(f"{op}: {dom0[op]['median']:.0f} instructions, natively {native[op]['median']:.0f}, ratio {ratio:.3f} of {limit}")
    if ratio > limit:
        fail(f"{op} costs {ratio:.3f} of native; the limit is {limit}")
for op in SYSTEM_CALLS:
    # In the quietest repetition: in the others the clock interrupted.
    least, n = dom0[op]["counters_least"], dom0[op]["n"]
    if least.get("sys_bounces") != n:
        fail(f"{op}: {least.get('sys_bounces')} system calls counted, {n} made")
    for name, value in least.items():
        if name != "sys_bounces" and value:
            fail(f"{op}: {n} system calls made {value} {name}")
