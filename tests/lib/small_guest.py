#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""small_guest.py OUT MAIN - small guests of domain 0: the lab's user land, whose init runs a script
instead of a shell, with /bin/disk and /bin/wire. As a module, also what tests of two of them share."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cpio import Cpio  # noqa: E402
from machine import COMMON_ARGS, Machine, find  # noqa: E402


def initramfs(out, main):
    archive = Cpio()
    base = find("initramfs")
    archive.seen.update(["bin", "etc", "etc/vmi"])
    archive.file("etc/vmi/main", main, 0o755)
    for name in ("disk", "wire"):
        with open(f"{os.path.dirname(base)}/initramfs/opt/{name}", "rb") as f:
            archive.file(f"bin/{name}", f.read(), 0o755)
    with open(base.replace("initramfs.cpio", "guest.cpio"), "rb") as f:
        base = f.read()
    with open(out, "wb") as f:
        f.write(base + b"\0" * (-len(base) % 4) + archive.bytes())


def run(main, script, timeout, passed):
    """Domain 0 runs a script, which starts guests of /boot/vmlinux and /boot/guest.cpio with COMMON on their command line. A test's status."""
    with tempfile.TemporaryDirectory() as tmp:
        initramfs(f"{tmp}/guest.cpio", main.encode())
        m = Machine(mode="dom0", mem=1024, hv_append="dom0_mem=512M", add=[f"{find('kernel')}:/boot/vmlinux", f"{tmp}/guest.cpio:/boot/guest.cpio"])
        r = m.run(["sh", "-c", script.replace("COMMON", COMMON_ARGS)], timeout=timeout)
    print(r.text.replace("\r", ""), end="")
    if r.status:
        print(f"status {r.status}: {r.reason}")
        print(r.tail())
        return 1
    print(passed)
    return 0


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as f:
        initramfs(sys.argv[1], f.read())
