#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: This storm of processes or of memory (tests/guest) ends with everything in its place (mode, MiB).
# seconds: 90
# args: procs-native-256 procs-dom0-256 procs-dom0-1024 hog-native-256 hog-dom0-256 hog-dom0-1024
. tests/lib/case.sh
. tests/lib/guest.sh

IFS=- read -r program mode mem <<<"$1"
scale=100
[ "$mode" = native ] && scale=20
[ "$program-$mem" = hog-1024 ] && scale=50
guest_program "$program" "$mode" "$mem" --timeout 265 -- --scale $scale
pass
