#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Several times the usual work of this program, with a seed that differs each day, ends well (MiB).
# seconds: 300
# long: yes
# args: procs-256 memory-256 memory-1024 threads-256 context-256 signals-256 hog-4096
. tests/lib/case.sh
. tests/lib/guest.sh

IFS=- read -r program mem <<<"$1"
# The programs' own limits are for the usual amount: several seeds, not more of one.
for i in 1 2 3 4; do
	[ "$program" = hog ] && [ $i -gt 1 ] && break
	guest_program "$program" dom0 "$mem" --timeout 800 -- --seed "$(date +%Y%m%d)$i"
done
pass
