#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A truncated initramfs ends in a kernel panic that names it, and tests/lab says so.
# seconds: 15
. tests/lib/case.sh

fs=$BUILD/initramfs.cpio.gz
head -c $(($(stat -c %s "$fs") / 2)) "$fs" >"$tmp/half"
VMI_INITRAMFS=$tmp/half status 125 $LAB --timeout 60 -- true
grep -q 'Kernel panic' "$tmp/err" || fail "no panic in the console's tail"
grep -qiE 'initramfs|init' "$tmp/err" || fail "nothing about the initramfs in the console's tail"
pass
