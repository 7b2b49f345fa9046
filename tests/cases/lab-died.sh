#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab exits with 125 and shows the console's tail when the system dies.
# seconds: 10
. tests/lib/case.sh

status 125 $LAB --native -- sh -c 'echo before; sleep 1; echo c >/proc/sysrq-trigger; sleep 100'
equal "output" before "$(cat "$tmp/out")"
grep -q 'lab: the system died: Kernel panic - not syncing: sysrq' "$tmp/err" || fail "standard error does not say why"
[ "$(wc -l <"$tmp/err")" -le 41 ] || fail "the tail is longer than 40 lines"
pass
