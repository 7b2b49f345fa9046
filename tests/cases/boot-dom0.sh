#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Domain 0 boots on the hypervisor with this many MiB, sees most of them, and runs programs.
# seconds: 20
# args: 256 1024 4096 8192
. tests/lib/case.sh

mem=$1
status 0 $LAB --mem "$mem" --console "$tmp/console" -- sh -c '
	awk "/MemTotal/ { print \$2 }" /proc/meminfo
	[ -d /proc/vmi ] || exit 9
	seq 1 1000 | awk "{ s += \$1 } END { print s }"
	dd if=/dev/zero bs=64k count=64 2>/dev/null | md5sum | cut -c1-32
	uname -n'
{ read -r kib; rest=$(cat); } <"$tmp/out"
equal "what the programs say" "500500 b5cfa9d6c8febd618f91ac2843d50a1c dom0" "$(echo $rest)"
[ "$kib" -gt $((mem * 1024 * 70 / 100)) ] || fail "domain 0 has only $kib KiB of $mem MiB"
grep -aq '(vmi) VMI [0-9.]* on ' "$tmp/console" || fail "the hypervisor did not introduce itself"
no_complaints "$tmp/console"
pass
