#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: Domain 0 boots to a command on this processor, machine, boot way and memory: a choice that has each value often.
# seconds: 60
# args: 0 1 2 3 4 5 6 7 8 9 10 11
"""One row of ROWS; boot-matrix-all.py runs every combination."""
import os
import sys

sys.path.insert(0, "tests/lib")
from matrix import boot

# Each processor; both machines, three boot ways and three sizes of memory in all pairs.
ROWS = [
    ("qemu64,-svm", "pc", "kernel", 256), ("Opteron_G1", "q35", "kernel", 2048),
    ("core2duo,-vmx", "pc", "kernel", 8192), ("Nehalem,-vmx", "q35", "kernel", 256),
    ("Haswell,-vmx", "q35", "kernel", 8192), ("EPYC,-svm", "pc", "kernel", 2048),
    ("max,-vmx,-svm", "q35", "bios", 8192), ("Opteron_G1", "pc", "bios", 256),
    ("Haswell,-vmx", "pc", "bios", 2048), ("core2duo,-vmx", "q35", "uefi", 256),
    ("Nehalem,-vmx", "pc", "uefi", 2048), ("max,-vmx,-svm", "pc", "uefi", 8192),
]
sys.exit(boot(*ROWS[int(sys.argv[1])], os.environ.get("TMPDIR", "/tmp")))
