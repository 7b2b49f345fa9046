#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: Domain 0 boots to a command on this processor: both machines, three boot ways, three sizes of memory, all combinations.
# seconds: 400
# long: yes
# args: qemu64,-svm Opteron_G1 core2duo,-vmx Nehalem,-vmx Haswell,-vmx EPYC,-svm max,-vmx,-svm
import os
import sys

sys.path.insert(0, "tests/lib")
from matrix import boot

bad = 0
for machine in ("pc", "q35"):
    for way in ("kernel", "bios", "uefi"):
        for mem in (256, 2048, 8192):
            bad |= boot(sys.argv[1], machine, way, mem, os.environ.get("TMPDIR", "/tmp"))
sys.exit(bad)
