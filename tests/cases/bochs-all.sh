#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: On Bochs' model of this processor all probe tests that do not count instructions pass, and domain 0 runs its programs.
# seconds: 1200
# long: yes
# args: athlon64_clawhammer p4_prescott_celeron_336 corei7_sandy_bridge_2600k corei7_ivy_bridge_3770k
. tests/lib/case.sh

failed=
while IFS=$'\t' read -r name seconds flags _; do
	options=()
	case $flags in
	# These need what the probe's own runner does: start again where it was stopped, and QEMU's -icount.
	*T_RESUMES* | *T_ICOUNT*) continue ;;
	*T_DOMS*) options=(--mem 384 --hv-append dom0_mem=64M) ;;
	esac
	tests/bochs --cpu "$1" "${options[@]}" --timeout $((120 + 20 * seconds)) --probe "$name"
	case $? in 0 | 2) ;; *) failed+=" $name" ;; esac
done <"$BUILD/probe/probe.list"
for program in context signals; do
	status 0 tests/bochs --cpu "$1" --timeout 600 --console "$tmp/console" -- /opt/vmi/$program
	no_complaints "$tmp/console"
done
[ -z "$failed" ] || fail "these fail:$failed"
pass
