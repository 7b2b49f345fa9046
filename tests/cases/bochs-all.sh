#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: On Bochs' model of this processor every short probe test passes and domain 0 runs its programs.
# seconds: 900
# long: yes
# args: athlon64_clawhammer p4_prescott_celeron_336 corei7_sandy_bridge_2600k corei7_ivy_bridge_3770k
. tests/lib/case.sh

failed=
while IFS=$'\t' read -r name seconds flags _; do
	# Interpreted some fifty times slower than here; a test that resumes needs the probe's own runner.
	if [ "$seconds" -gt 5 ] || [[ $flags == *T_RESUMES* ]]; then
		continue
	fi
	tests/bochs --cpu "$1" --timeout 120 --probe "$name"
	case $? in 0 | 2) ;; *) failed+=" $name" ;; esac
done <"$BUILD/probe/probe.list"
for program in context signals; do
	status 0 tests/bochs --cpu "$1" --timeout 600 --console "$tmp/console" -- /opt/vmi/$program
	sed -i '/has no way to turn this machine off/d' "$tmp/console"
	no_complaints "$tmp/console"
done
[ -z "$failed" ] || fail "these fail:$failed"
pass
