# SPDX-License-Identifier: GPL-2.0-only
# guest.sh - run a program of tests/guest in the lab; for test cases, after case.sh.

# guest_program PROGRAM MODE MiB [--option of the lab]... [-- argument of the program...]
guest_program() {
	local program=$1 mode=$2 mem=$3 got=0 options=()
	shift 3
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ $# = 0 ] || shift
	$LAB --"$mode" --mem "$mem" --console "$tmp/console" "${options[@]}" -- \
		env VMI_TEST_NOW="$(date +%s)" "/opt/vmi/$program" "$@" >"$tmp/out" || got=$?
	cat "$tmp/out"
	[ $got = 0 ] || fail "$(grep -m1 '^FAIL' "$tmp/out" || echo "$program ended with $got")"
	no_complaints "$tmp/console"
}
