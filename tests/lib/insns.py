# SPDX-License-Identifier: GPL-2.0-only
"""insns.py - instructions that a machine of tests/lab runs between two marks.

Whatever else this host does, they are the same to about a hundredth: QEMU counts
them (insns.c). A mark is a run of /opt/vmi/mark in the machine.

    with tempfile.NamedTemporaryFile() as f:
        Machine(mode=..., qemu=insns.arguments(f.name)).run(["sh", "-c", "mark; COMMAND; mark"])
        ran = insns.between(f.name)
"""
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD") or (os.environ.get("VMI_CACHE") or os.path.expanduser("~/.cache/vmi")) + "/build"


def arguments(out, blocks=None):
    """QEMU's arguments that have marks written to the file `out`, and to `blocks` what insns_profile.py reads."""
    source, plugin = f"{HERE}/insns.c", f"{BUILD}/insns.so"
    if not os.path.exists(plugin) or os.path.getmtime(plugin) < os.path.getmtime(source):
        os.makedirs(BUILD, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden", "-o", plugin, source], check=True)
    return f"-plugin {plugin},out={out}" + (f",blocks={blocks}" if blocks else "")


def between(out):
    """Instructions from each mark to the next, without those of the mark itself: of the first pair, which has nothing between."""
    with open(out) as f:
        marks = [int(line) for line in f]
    ran = [b - a for a, b in zip(marks, marks[1:])]
    return [max(n - ran[0], 0) for n in ran[1:]]
