#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab answers bad usage with status 2 and one line that names the remedy.
# seconds: 30
. tests/lib/case.sh

# bad TEXT ARG...: the one line contains TEXT
bad() {
	local text=$1
	shift
	status 2 $LAB "$@"
	equal "lines of: $*" 1 "$(wc -l <"$tmp/err")"
	grep -qF -- "$text" "$tmp/err" || fail "'$text' is not in: $(cat "$tmp/err")"
	[ -s "$tmp/out" ] && fail "output on standard output: $*"
}

bad 'unknown option --bogus; see tests/lab --help' --bogus -- true
bad 'put -- before the command: uname' uname
bad 'leave out -- for a shell' --
bad '--mem' --mem
bad '--mem' --mem lots -- true
bad 'not allowed with' --native --dom0 -- true
bad 'there is no /no/such/file' --native --add /no/such/file:/x -- true
bad 'is not a place for files' --native --add /etc/hosts:/proc/x -- true
bad 'leave out --smp' --native --icount --smp 2 -- true
bad '-cpu help' --native --cpu nonsense -- true
bad 'neither a size' --native --disk lots -- true
bad 'add --domu' --native --net -- true
bad '--console' --native --console /no/such/dir/log -- true
bad '--profile' --native --profile /no/such/dir/table -- true
bad '--profile needs a command' --native --profile /dev/null
bad 'there is no bridge br7: ip link add br7' --domu --boot '--net br7' -- true
VMI_KERNEL=/no/such/kernel bad 'make kernel' --native -- true
VMI_INITRAMFS=/no/such/fs bad 'make initramfs' --native -- true
VMI_HYPERVISOR=/no/such/vmi bad 'make hypervisor' -- true
status 0 $LAB --help
pass
