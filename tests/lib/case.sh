# SPDX-License-Identifier: GPL-2.0-only
# case.sh - what the shell test cases share; source it first.
# Exit status and reason are the runner's: see tests/run.
set -u
LAB=${LAB:-tests/lab}
tmp=${TMPDIR:-/tmp}

pass() { exit 0; }
fail() { echo "$*"; exit 1; }
skip() { echo "$*"; exit 77; }
error() { echo "$*"; exit 99; }

# equal WHAT EXPECTED SEEN
equal() { [ "$2" = "$3" ] || fail "$1: expected '$2', seen '$3'"; }

# status EXPECTED COMMAND...: run it, output to $tmp/out and $tmp/err
status() {
	local want=$1 got=0
	shift
	echo "+ $*"
	"$@" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ $got = "$want" ] && return
	tail -n 60 "$tmp/out" "$tmp/err"
	fail "status $got, not $want, of: $*"
}

# no_complaints CONSOLE: nothing there that a sound system does not print. Not
# any WARNING: some processor models have their vulnerabilities named so.
no_complaints() {
	grep -aE 'BUG:|WARNING: CPU|Oops|Call Trace|general protection fault.*\[#|\(vmi\) (error|panic)' "$1" &&
		fail "the console has complaints"
	return 0
}
