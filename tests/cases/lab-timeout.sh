#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab gives up after --timeout with status 124, and prints what came before.
# seconds: 15
. tests/lib/case.sh

status 124 $LAB --native --timeout 5 -- sh -c 'echo before; sleep 100; echo after'
equal "output" before "$(cat "$tmp/out")"
grep -q 'lab: no end after 5 seconds' "$tmp/err" || fail "standard error does not say why"
pass
