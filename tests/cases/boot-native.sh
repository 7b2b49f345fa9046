#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The kernel boots without the hypervisor, with 256 MiB and with 4 GiB.
# seconds: 20
. tests/lib/case.sh

for mem in 256 4096; do
	status 0 $LAB --native --mem $mem -- sh -c 'awk "/MemTotal/ { print \$2 }" /proc/meminfo; [ ! -d /proc/vmi ]'
	kib=$(cat "$tmp/out")
	[ "$kib" -gt $((mem * 1024 * 75 / 100)) ] || fail "only $kib KiB of $mem MiB"
done
pass
