#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: In domain 0 the clock is read without a system call, and a system call makes no hypercall and no CR3 write.
# seconds: 10
. tests/lib/case.sh

status 0 $LAB -- /opt/vmi/freecalls
cat "$tmp/out"
pass
