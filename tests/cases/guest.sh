#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: This program of tests/guest, which checks what programs expect of a kernel, passes there (mode, MiB).
# seconds: 30
# args: ldt-native-256 ports-dom0-256 ldt-dom0-256 signals-native-256 signals-dom0-256 signals-dom0-1024 context-native-256 context-dom0-256 context-dom0-1024 threads-dom0-256 threads-dom0-1024 clock-native-256 clock-dom0-256 clock-dom0-1024 trace-native-256 trace-dom0-256 memory-native-256 memory-dom0-256 memory-dom0-1024 young-native-256 young-dom0-256 signals-domu-128 context-domu-128 threads-domu-128 clock-domu-128 trace-domu-128 memory-domu-256
. tests/lib/case.sh
. tests/lib/guest.sh

IFS=- read -r program mode mem <<<"$1"
# Natively it is the test that is tested: less of it will do.
scale=100
[ "$mode" = native ] && scale=20
guest_program "$program" "$mode" "$mem" --timeout 85 -- --scale $scale
pass
