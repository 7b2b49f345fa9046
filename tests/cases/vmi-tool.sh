#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The vmi command prints version, counters and log in domain 0, as tables and JSON, and refuses bad usage in one line.
# seconds: 40
. tests/lib/case.sh

status 0 $LAB -- sh -c 'vmi version && vmi counters && vmi counters -a -o json && vmi counters -d 1 && vmi dmesg'
for want in '^version +1\.' '^hypercalls +[1-9]' '"hc_console_write": [1-9]' '^\(vmi\) domain 0: '; do
	grep -qE "$want" "$tmp/out" || { cat "$tmp/out"; fail "nothing like $want in the output above"; }
done
# The tool's own second costs less than the boot: -d prints a difference.
[ "$(grep -cE '^hypercalls ' "$tmp/out")" = 2 ] || fail "two tables of counters expected"
grep -E '^hypercalls ' "$tmp/out" | awk 'NR == 1 { boot = $2 } NR == 2 && $2 * 2 > boot { exit 1 }' || fail "-d does not show a difference"

for bad in 'nosuch' 'counters -o xml' 'counters -d 0' 'counters -d x' ''; do
	status 2 $LAB -- sh -c "vmi $bad"
	grep -qE '^error: ' "$tmp/out" || fail "vmi $bad: $(cat "$tmp/out")"
done
status 1 $LAB --native -- vmi counters
grep -q 'does not run on the VMI hypervisor' "$tmp/out" || fail "natively: $(cat "$tmp/out")"
pass
