#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Domain 0 boots on this model of processor (Intel's and AMD's vendor strings, with and without newer instructions).
# seconds: 10
# args: IvyBridge Haswell Skylake-Client EPYC
. tests/lib/case.sh

# QEMU emulates AMD's virtualization on some models; there is none here.
model=$1
[ "$model" = EPYC ] && model=EPYC,-svm
status 0 $LAB --cpu "$model" -- sh -c 'grep -m1 vendor_id /proc/cpuinfo; seq 1 1000 | sort | md5sum | cut -c1-32'
vendor=GenuineIntel
[ "$1" = EPYC ] && vendor=AuthenticAMD
equal "what the programs say" "vendor_id : $vendor ffa48930760943ed6ef1c69c5ee835f8" "$(echo $(cat "$tmp/out"))"
pass
