#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Domain 0 boots on this model of processor: Intel's and AMD's vendor strings, with and without FSGSBASE, XSAVE, SMEP and CMPXCHG16B.
# seconds: 20
# args: qemu64 Opteron_G1 core2duo Nehalem IvyBridge Haswell Skylake-Client EPYC
. tests/lib/case.sh

# QEMU emulates hardware virtualization on some models; there is none here.
model=$1
vendor=GenuineIntel
case $model in
qemu64 | EPYC) model=$model,-svm vendor=AuthenticAMD ;;
Opteron_G1) vendor=AuthenticAMD ;;
core2duo | Nehalem) model=$model,-vmx ;;
esac
# Processes, and the GS and FS bases across their switches.
status 0 $LAB --cpu "$model" --console "$tmp/console" -- sh -c \
	'grep -m1 vendor_id /proc/cpuinfo; seq 1 1000 | sort | md5sum | cut -c1-32; /opt/vmi/context >/tmp/o || cat /tmp/o'
equal "what the programs say" "vendor_id : $vendor ffa48930760943ed6ef1c69c5ee835f8" "$(echo $(cat "$tmp/out"))"
no_complaints "$tmp/console"
pass
