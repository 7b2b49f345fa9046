# SPDX-License-Identifier: GPL-2.0-only
# inside.sh - what scripts that run in domain 0 share; in_domain0 (domain0.sh)
# brings it there, and they source /inside.sh. $domain is the one they are about.
domain=${domain:-guest}

fail() {
	why=$*
	ps
	vmi list --all
	vmi log $domain | tail -n 40
	vmi log $domain --lifecycle
	grep -v ': Log' /var/log/vmid.log
	echo "FAIL $why"
	exit 1
}

# until_ok WHAT COMMAND...: 180 s at most, then it fails for WHAT
until_ok() {
	what=$1 n=0
	shift
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 900 ] || fail "$what"
		usleep 200000
	done
}

# until_says TEXT: a line "guest: TEXT..." of the guest's, which may say "guest: FAIL WHY" instead
says() { vmi log $domain 2>/dev/null | tr -d '\r' | grep "^guest: $1" | tail -n 1; }
said() {
	[ -z "$(says FAIL)" ] || fail "$(says FAIL)"
	[ "$(says "$1")" ]
}
until_says() { until_ok "the guest never says \"$1\"" said "$1"; }

# refused WORDS COMMAND...
refused() {
	words=$1
	shift
	"$@" >/tmp/said 2>&1 && fail "accepted: $*"
	grep -q -- "$words" /tmp/said || fail "$*: not \"$words\", but: $(cat /tmp/said)"
}

# type_in COMMAND: into the shell on the domain's console
type_in() { (usleep 300000; echo "$1"; usleep 700000; printf '\035') | vmi console $domain >/dev/null; }

vmid_answers() { timeout 5 vmi -q list >/dev/null 2>&1; }

# kill_vmid: and until there is the next one; its helper is another process of that name
kill_vmid() {
	kill -9 "$(pidof vmid | tr ' ' '\n' | sort -n | head -n 1)"
	until_ok "vmid does not come back" vmid_answers
}
state_is() { vmi domstate $domain | grep -q "$1"; }
