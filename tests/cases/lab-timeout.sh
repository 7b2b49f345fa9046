#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab gives up after --timeout with status 124, and prints what came before.
# seconds: 30
. tests/lib/case.sh

# A busy machine does not boot in five seconds.
for seconds in 5 15 45; do
	status 124 $LAB --native --timeout $seconds -- sh -c 'echo before; sleep 100; echo after'
	grep -q "lab: no end after $seconds seconds" "$tmp/err" || fail "standard error does not say why"
	[ "$(cat "$tmp/out")" = before ] && pass
done
fail "output: expected 'before', seen '$(cat "$tmp/out")'"
