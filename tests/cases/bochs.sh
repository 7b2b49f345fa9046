#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: On Bochs' model of this processor, which has no VT-x, the hypervisor passes a probe test and domain 0 runs a command.
# seconds: 120
# args: athlon64_clawhammer
. tests/lib/case.sh

tests/bochs --cpu "$1" --timeout 60 --probe syscall-edges || fail "the probe's test failed on $1"
status 0 tests/bochs --cpu "$1" --timeout 280 --console "$tmp/console" -- sh -c 'seq 1 1000 | md5sum | cut -c1-8'
equal "what the command writes" 53d02512 "$(cat "$tmp/out")"
no_complaints "$tmp/console"
pass
