#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: poweroff in domain 0 turns the machine off, by way of init and by force.
# seconds: 15
. tests/lib/case.sh

for cmd in 'poweroff -f' 'poweroff; sleep 60'; do
	status 0 $LAB --timeout 60 --console "$tmp/console" -- sh -c "$cmd"
	grep -aq 'reboot: Power down' "$tmp/console" || fail "no 'Power down' on the console after: $cmd"
	no_complaints "$tmp/console"
done
pass
