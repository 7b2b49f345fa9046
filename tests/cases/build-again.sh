#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A second build finds nothing to do and changes nothing.
# seconds: 10
. tests/lib/case.sh

before=$(ls -l --time-style=full-iso "$BUILD/hypervisor/vmi.bin" "$BUILD/initramfs.cpio.gz" "$VMI_CACHE/linux/vmlinux")
make setup kernel hypervisor initramfs >"$tmp/out" 2>&1 || fail "make failed: $(tail -n 5 "$tmp/out")"
grep -E '^ +(CC|AS|LD|GEN|CPIO) |^linux: ' "$tmp/out" && fail "it built something again"
equal "files" "$before" "$(ls -l --time-style=full-iso "$BUILD/hypervisor/vmi.bin" "$BUILD/initramfs.cpio.gz" "$VMI_CACHE/linux/vmlinux")"
pass
