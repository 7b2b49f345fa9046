#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Exceptions, registers, segment bases and ptrace are right on this processor too: qemu64 has no FSGSBASE, EPYC is AMD's.
# seconds: 40
# args: qemu64 EPYC Skylake-Server
. tests/lib/case.sh
. tests/lib/guest.sh

for program in signals context trace; do
	guest_program $program dom0 256 --cpu "$1,-vmx,-svm" --timeout 60 -- --scale 30
done
pass
