#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A truncated initramfs ends in one line that says so, wherever it is cut.
# seconds: 20
. tests/lib/case.sh

fs=$BUILD/initramfs.cpio.gz
size=$(stat -c %s "$fs")

head -c 200000 "$fs" >"$tmp/part"	# in the middle of busybox
VMI_INITRAMFS=$tmp/part status 125 $LAB --timeout 50 -- true
grep -q 'lab: the system died: Kernel panic' "$tmp/err" || fail "no panic without an init"

# Here init and the shell are whole, and what follows is not.
head -c $((size - 5000)) "$fs" >"$tmp/part"
VMI_INITRAMFS=$tmp/part status 125 $LAB --timeout 50 -- true
grep -q 'vmi: the initramfs is cut short or damaged: build it again' "$tmp/err" || fail "nothing about the initramfs"
pass
