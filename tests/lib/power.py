# SPDX-License-Identifier: GPL-2.0-only
"""power.py - a machine is cut off again and again while a guest writes and syncs.

What was acknowledged before a cut has to be on the guest's disk after it. The image is a file
on a journalling file system of domain 0, which has a cache of its own. For io-power and io-many-power.
"""
import os
import subprocess
import sys

from machine import Machine

tmp = os.environ["TMPDIR"]
disk, beside = f"{tmp}/disk", f"{tmp}/beside"
with open(disk, "wb") as f:
    f.truncate(96 << 20)
subprocess.run(["mke2fs", "-q", "-t", "ext4", disk], check=True)
with open(beside, "w") as f:
    f.write("mkdir /img && mount -t ext4 /dev/vda /img\n[ -e /img/disk ] || truncate -s 32M /img/disk\n")
ENOUGH = 400


def machine(cache):
    return Machine(mode="domu", mem=192, beside=beside, boot=f"--disk /img/disk,cache={cache}",
                   qemu=f"-drive if=none,id=img,format=raw,file={disk} -device virtio-blk-pci,drive=img")


def cut_off(cache, before, check, first):
    """Look for the records of before, then write others until there are enough; the last that was acknowledged."""
    m, text = machine(cache), bytearray()

    def sink(data):
        text.extend(data)
        lines = text.split(b"\n")
        if len(lines) > 1 and lines[-2].isdigit() and int(lines[-2]) >= first + ENOUGH:
            m.proc.kill()

    r = m.run(["sh", "-c", f"{before} && {check} && exec /opt/vmi/disk acks /dev/vda {first}"], timeout=100, sink=sink)
    lines = text.decode(errors="replace").split("\n")
    numbers = [int(n) for n in lines[:-1] if n.isdigit()]
    if not numbers or numbers[-1] < first + ENOUGH:
        print(r.tail())
        sys.exit(f"cache={cache}: {' '.join(lines[-3:])} (status {r.status}, {r.reason})")
    print(*[n for n in lines if n and not n.isdigit()], f"cache={cache}: cut off behind {numbers[-1]}", sep="\n")
    return numbers[-1]


# A guest that has no cache asks for no flush: each of its writes has to be safe by itself.
OFF = 'echo "write through" >/sys/block/vda/cache_type && [ "$(cat /sys/block/vda/cache_type)" = "write through" ]'
WAYS = (("writeback", "true"), ("none", "true"), ("writethrough", "true"), ("writeback", OFF))


def power_cuts(n):
    check, first = "true", 1
    for i in range(n):
        cache, before = WAYS[i % len(WAYS)]
        last = cut_off(cache, before, check, first)
        check, first = f"/opt/vmi/disk recover /dev/vda {first} {last}", last + 10000
    r = machine("none").run(["sh", "-c", check], timeout=100)
    print(r.text)
    if r.status:
        print(r.tail())
        sys.exit(f"after the last cut: {r.text.strip()} (status {r.status})")
