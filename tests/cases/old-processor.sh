#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The short probe tests pass also on a processor without XSAVE, FSGSBASE, SMEP and RDTSCP.
# seconds: 120
# long: yes
. tests/lib/case.sh

mapfile -t names < <(awk -F'\t' '$2 < 20 && $3 !~ /T_RESUMES|T_ICOUNT/ { print $1 }' "$BUILD/probe/probe.list")
pvguest/probe/run --no-build --cpu core2duo,-vmx "${names[@]}" || fail "a probe test fails there (see the log)"
pass
