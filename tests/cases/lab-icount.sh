#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: With --icount two runs of the same machine count the same instructions.
# seconds: 15
. tests/lib/case.sh

for i in 1 2; do
	status 0 $LAB --native --icount -- cat /proc/uptime
	cp "$tmp/out" "$tmp/out$i"
done
cmp "$tmp/out1" "$tmp/out2" || fail "virtual time differs: $(cat "$tmp/out1" "$tmp/out2")"
pass
