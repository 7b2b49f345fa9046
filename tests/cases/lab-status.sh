#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab exits with the command's status, and 128+n for a signal.
# seconds: 25
. tests/lib/case.sh

status 0 $LAB --native -- true
status 7 $LAB --native -- sh -c 'exit 7'
status 137 $LAB --native -- sh -c 'kill -9 $$'
status 127 $LAB --native -- /no/such/program
grep -q '/no/such/program' "$tmp/out" || fail "the output does not name the missing program"
status 126 $LAB --native -- /etc/hosts
pass
