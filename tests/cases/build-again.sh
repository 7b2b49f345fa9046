#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A second build changes nothing and takes seconds.
# seconds: 10
. tests/lib/case.sh

before=$(ls -l --time-style=full-iso "$BUILD/hypervisor/vmi.bin" "$BUILD/initramfs.cpio.gz" "$VMI_CACHE/linux/vmlinux")
start=$SECONDS
make setup kernel hypervisor initramfs || fail "make failed"
[ $((SECONDS - start)) -le 8 ] || fail "it took $((SECONDS - start)) s"
equal "files" "$before" "$(ls -l --time-style=full-iso "$BUILD/hypervisor/vmi.bin" "$BUILD/initramfs.cpio.gz" "$VMI_CACHE/linux/vmlinux")"
pass
