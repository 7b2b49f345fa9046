#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Domain 0 boots on a machine with 64 GiB, on both sides of the hole below 4 GiB, and gets nearly all of it.
# seconds: 20
. tests/lib/case.sh

# Memory that is never touched costs the host nothing.
status 0 $LAB --mem 65536 --timeout 50 --qemu "-object memory-backend-ram,id=m,size=64G,reserve=off -machine memory-backend=m" \
	-- awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo
total=$(cat "$tmp/out")
[ "$total" -gt 62000 ] || fail "only $total MiB"
pass
