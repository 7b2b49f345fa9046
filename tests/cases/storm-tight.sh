#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: With the smallest shadow pool there may be everything still works, the kernel complains of nothing, and the hypervisor did take shadows back.
# seconds: 60
# args: memory procs threads
. tests/lib/case.sh
. tests/lib/guest.sh

cat >"$tmp/script" <<EOS
/opt/vmi/$1 --scale 10 || exit
grep reclaims /proc/vmi/counters
EOS
status 0 $LAB --mem 256 --hv-append shadow_mem=256K --timeout 170 --console "$tmp/console" --add "$tmp/script:/script" -- sh /script
cat "$tmp/out"
no_complaints "$tmp/console"
reclaims=$(sed -n 's/^reclaims //p' "$tmp/out")
[ "${reclaims:-0}" -gt 50 ] || fail "the pool was not too small: $reclaims reclaims"
pass
