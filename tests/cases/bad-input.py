#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: Wrong input to the hypervisor ends in one line that names cause and remedy.
# seconds: 15
# args: no-module garbage-kernel pie foreign-elf newer-kernel no-initramfs three-modules little-memory option size shadow-mem no-longmode no-nx
"""Each argument is one mistake, with what the line has to contain."""
import os
import re
import struct
import sys

from machine import DIED, Machine, find

tmp = os.environ["TMPDIR"]


def file(name, data):
    path = f"{tmp}/{name}"
    with open(path, "wb") as f:
        f.write(data)
    return path


def kernel():
    return (find("kernel"), "console=hvc0")


def initramfs():
    return (find("initramfs"), "")


def program(pie):
    """An ELF file that is no guest of ours: a program of this machine, or the lab's static one."""
    return ("/bin/true" if pie else f"{os.environ['BUILD']}/initramfs/lab-agent", "")


def newer_kernel():
    """The kernel, with an ELF note that asks for major version 9 of the VMI."""
    with open(find("kernel"), "rb") as f:
        data = f.read()
    # name size, description size, type (VMI_NOTE_VERSION), name; major and minor follow
    at = data.index(struct.pack("<III4s", 4, 8, 1, b"VMI")) + 16
    return (file("newer", data[:at] + struct.pack("<I", 9) + data[at + 4:]), "console=hvc0")


CASES = {
    # name: (what to boot, what the line says)
    "no-module": (lambda: dict(modules=[]), r"no module.*-initrd"),
    "garbage-kernel": (lambda: dict(modules=[(file("junk", b"\x5a" * 100000), "")]), r"module 1.*ELF"),
    "pie": (lambda: dict(modules=[program(True)]), r"module 1.*ELF file of type 3.*give"),
    "foreign-elf": (lambda: dict(modules=[program(False)]), r"module 1.*VMI"),
    "newer-kernel": (lambda: dict(modules=[newer_kernel(), initramfs()]), r"module 1.*needs VMI 9\.\d.* 1\.\d"),
    "no-initramfs": (lambda: dict(modules=[kernel(), (file("empty", b""), "")]), r"module 2 is empty"),
    "three-modules": (lambda: dict(modules=[kernel(), initramfs(), initramfs()]), r"2 modules.*at most one initramfs"),
    "little-memory": (lambda: dict(mem=32), r"too little memory.*-m"),
    "option": (lambda: dict(hv_append="dom0_mem=128M bogus=1"), r'unknown option "bogus=1": there are'),
    "size": (lambda: dict(hv_append="dom0_mem=lots"), r"dom0_mem=lots.*for example 512M"),
    "shadow-mem": (lambda: dict(hv_append="shadow_mem=252K"), r"shadow_mem=252K.*at least 256K"),
    "no-longmode": (lambda: dict(cpu="qemu32"), r"no long mode.*64-bit CPU"),
    "no-nx": (lambda: dict(cpu="max,-vmx,-svm,-nx"), r"no NX"),
}

name = sys.argv[1]
setup, pattern = CASES[name]
r = Machine(**setup()).run(["true"], timeout=30)
text = r.console.decode(errors="replace").replace("\r", "")
lines = [s for s in text.splitlines() if s.startswith("vmi: ")]
print(r.tail())
if r.status != DIED:
    sys.exit(f"status {r.status}, not {DIED}: the machine has to end by itself")
if len(lines) != 1:
    sys.exit(f"{len(lines)} lines begin with 'vmi: ', not one")
if not re.search(pattern, lines[0]):
    sys.exit(f"/{pattern}/ is not in: {lines[0]}")
