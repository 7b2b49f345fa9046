#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: No jump, call or return of the hypervisor is predicted by what ring 1 did before it (rule R26): no indirect branches, each return has its call since the entry, and no more of them are open than the smallest return stack holds; the entry that forgets predictions works.
# seconds: 20
"""Reads the disassembly of vmi.elf: who calls whom, and how deep."""
import os
import re
import subprocess
import sys

ELF = f"{os.environ['BUILD']}/hypervisor/vmi.elf"
RETURN_STACK = 16
# They do not return, or run before there is a ring 1.
END = {"panic", "panic_regs", "fatal"}
BOOT = {"start64"}
# Recursion, and how often at most: the levels of a p2m or of a shadow, which one shares with the other.
RECURSES = {"table_set": 3, "entry_clear": 3, "sh_clear_pages": 2, "table_again": 2}


def read():
    """{function: (those it calls, those it jumps to)}, and indirect branches."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", ELF], capture_output=True, text=True, check=True).stdout
    graph, indirect, name = {}, [], None
    for line in text.splitlines():
        if m := re.match(r"[0-9a-f]+ <(.+)>:", line):
            name = m[1]
            graph[name] = (set(), set())
        elif m := re.search(r"\t(call|j\w+) +[0-9a-f]+ <([^+>]+)(\+0x[0-9a-f]+)?>", line):
            # A call into the middle of a function is half a retpoline, which takes its entry back.
            if m[2] not in END and not m[3] and (m[1] == "call" or m[2] != name):
                graph[name][m[1] != "call"].add(m[2])
        elif re.search(r"\t(call|jmp) +\*", line) and name not in BOOT:
            indirect.append(f"{name}: {line.strip()}")
    return graph, indirect


def hypercalls(graph):
    """The table's entries are called by way of a retpoline. Those for domain 0 alone are left out: it can have the machine anyway."""
    with open("include/vmi/hypercalls.tbl") as f:
        rows = [line.split() for line in f if re.match(r" *\d", line)]
    graph["hypercall"][0].update(f"hc_{row[1]}" for row in rows if row[3] == "any")


def deepest(graph, name, without=(), seen=()):
    """The longest chain of calls from here, as names."""
    if name in seen:
        sys.exit(f"recursion, so no bound: {' > '.join(seen + (name,))}")
    best = ()
    for jump, targets in enumerate(graph.get(name, ((), ()))):
        for target in targets - {name, *without}:
            chain = deepest(graph, target, without, seen + (name,))
            best = max(best, chain[jump:], key=len)
    if name in graph.get(name, ((),))[0] and name not in RECURSES:
        sys.exit(f"recursion, so no bound: {name}")
    again = 0 if set(seen) & set(RECURSES) else RECURSES.get(name, 0)
    return (name,) * (1 + again) + best


def main():
    graph, indirect = read()
    if indirect:
        sys.exit("indirect branches:\n" + "\n".join(indirect))
    hypercalls(graph)
    # An idle processor, too, is interrupted in ring 0; no vCPU runs, so none is aged.
    idle = ("trap_from_guest", "resume_guest", "schedule", "arch_idle")
    for caller, callee in zip(idle, idle[1:]):
        if callee not in graph[caller][0]:
            sys.exit(f"{caller} does not call {callee}: tell this test how the hypervisor comes to be idle")
    failed = False
    for before, entry, without in (((), "trap_from_guest", ()), (idle, "trap_from_hv", ("shadow_age",)), (idle, "trap_ist_from_hv", ())):
        chain = before + deepest(graph, entry, without)
        print(f"{len(chain)} of {RETURN_STACK}: {' > '.join(chain)}")
        failed |= len(chain) > RETURN_STACK
    if failed:
        sys.exit("calls nest deeper than the smallest return stack: the returns of the outermost are predicted by something else")
    # QEMU takes the MSR for one that it does not know, so this runs what processors need that predict returns otherwise.
    if subprocess.run(["tests/lab", "--hv-append", "ibpb=entry", "--timeout", "60", "--", "/opt/vmi/context"]).returncode:
        sys.exit("domain 0 does not run with ibpb=entry")


main()
