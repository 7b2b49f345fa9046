#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: `tests/lab --profile` tells instructions apart by function: the hypervisor's, both kernels', programs', natively and with guests.
# seconds: 60
import json
import os
import subprocess
import sys

TMP = os.environ.get("TMPDIR", "/tmp")


def profile(*args):
    """{where: {function: instructions}}"""
    path = f"{TMP}/profile.json"
    r = subprocess.run(["tests/lab", "--profile", path, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        sys.exit(f"{' '.join(args)}: status {r.returncode}: {r.stdout[-2000:]}")
    found = {}
    with open(path) as f:
        for row in json.load(f):
            found.setdefault(row["where"], {})[row["function"]] = row["instructions"]
    known = sum(sum(functions.values()) for where, functions in found.items() if where != "other programs")
    total = known + sum(found.get("other programs", {}).values())
    if known < total * 0.95:
        sys.exit(f"{' '.join(args)}: the places of {total - known} of {total} instructions are not known")
    return found


def expect(what, seen, least):
    print(f"{what}: {seen}")
    if seen < least:
        sys.exit(f"{what}: {seen}, expected at least {least}")


GETPID = ["--", "/opt/vmi/bench", "--op", "getpid"]
for mode, kernel in ("--native", "kernel"), ("--dom0", "domain 0's kernel"):
    found = profile(mode, *GETPID)
    # bench says that a repetition is 5,000 calls, and makes nine.
    expect(f"{mode}: getpid", found[kernel]["__x64_sys_getpid"], 45000)
    expect(f"{mode}: bench", found["bench"]["?"], 45000)
    if ("hypervisor" in found) != (mode == "--dom0"):
        sys.exit(f"{mode}: instructions of {list(found)}")
expect("its way through the trampoline", found["hypervisor"]["tramp_lstar"], 45000)

found = profile("--domu", "--disk", "64M", "--", "/opt/vmi/iobench", "disk", "/dev/vda", "16")
for where, function in (("guests' kernels", "virtqueue_add_split"), ("domain 0's kernel", "vmi_mem_io"), ("vmi-back", "ring_gather")):
    expect(f"{where}: {function}", found[where].get(function, 0), 10000)
if "vmi_mem_io" in found["guests' kernels"]:
    sys.exit("domain 0's kernel was taken for a guest's")
