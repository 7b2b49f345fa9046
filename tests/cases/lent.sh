#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Memory that a domain lends is a file: direct I/O and io_uring work on it (RAM disk; a disk so slow that transfers outlive their domain), no order of killing, closing and destroying loses a frame.
# seconds: 60
# args: ram disk
. tests/lib/case.sh
. tests/lib/guest.sh

options=(--hv-append dom0_mem=512M --timeout 170)
case $1 in
ram) guest_program lent dom0 1024 "${options[@]}" -- ;;
disk)
	truncate -s 16M "$tmp/disk"
	options+=(--qemu "-drive if=none,id=slow,format=raw,file=$tmp/disk,throttling.bps-total=4194304 -device virtio-blk-pci,drive=slow")
	guest_program lent dom0 1024 "${options[@]}" -- --scale 25
	grep -q '^[1-9][0-9]* KiB of .* wait for the disk' "$tmp/out" || fail "no transfer outlived its domain" ;;
esac
pass
