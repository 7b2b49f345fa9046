#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bzimage.py - wrap a vmlinux in as much of a bzImage as the domain builder looks at.

usage: tests/lib/bzimage.py gzip|xz|lzma|zstd|lz4 VMLINUX OUT

A header of boot protocol 2.15, no real mode code, and the payload. zstd and lz4
only store, so that no package is needed.
"""
import gzip
import lzma
import struct
import sys

SECTOR = 512
BLOCK = 1 << 16


def store_zstd(data):
    out = bytearray(struct.pack("<IBQ", 0xFD2FB528, 0xE0, len(data)))  # single segment, eight bytes of size
    for at in range(0, len(data), BLOCK):
        part = data[at:at + BLOCK]
        last = at + BLOCK >= len(data)
        out += struct.pack("<I", len(part) << 3 | last)[:3] + part
    return bytes(out)


def store_lz4(data):
    out = bytearray(struct.pack("<I", 0x184C2102))
    for at in range(0, len(data), 8 << 20):
        part = data[at:at + (8 << 20)]
        n = len(part) - 15
        head = b"\xf0" + b"\xff" * (n // 255) + bytes([n % 255]) if n >= 0 else bytes([len(part) << 4])
        out += struct.pack("<I", len(head) + len(part)) + head + part
    return bytes(out)


# As scripts/xz_wrap.sh of Linux.
XZ = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 32 << 20}]
PACK = {
    "gzip": lambda d: gzip.compress(d, 1, mtime=0),
    "xz": lambda d: lzma.compress(d, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=XZ),
    "lzma": lambda d: lzma.compress(d, lzma.FORMAT_ALONE, preset=1),
    "zstd": store_zstd,
    "lz4": store_lz4,
}


def bzimage(data, how, sectors=27, stub=0x340):
    """Of `sectors` of real mode code, as Linux 6.1, and `stub` bytes before the payload."""
    payload = PACK[how](data)
    if how != "gzip":
        payload += struct.pack("<I", len(data))
    head = bytearray((sectors + 1) * SECTOR + stub)
    struct.pack_into("<B", head, 0x1F1, sectors)
    struct.pack_into("<HH4sH", head, 0x1FE, 0xAA55, 0x6AEB, b"HdrS", 0x20F)
    struct.pack_into("<II", head, 0x248, stub, len(payload))
    return bytes(head) + payload


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in PACK:
        sys.exit(__doc__.split("\n\n")[1])
    with open(sys.argv[2], "rb") as f:
        image = bzimage(f.read(), sys.argv[1])
    with open(sys.argv[3], "wb") as f:
        f.write(image)
