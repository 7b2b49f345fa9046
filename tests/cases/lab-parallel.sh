#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Several tests/lab at once do not disturb each other, and a killed one leaves nothing behind.
# seconds: 15
. tests/lib/case.sh

for i in 1 2 3; do
	$LAB --native -- echo "run $i" >"$tmp/out$i" 2>&1 &
done
$LAB --native -- sleep 100 >"$tmp/killed" 2>&1 &
killed=$!
wait %1 %2 %3
for i in 1 2 3; do
	equal "output of run $i" "run $i" "$(cat "$tmp/out$i")"
done

kill -0 $killed || { cat "$tmp/killed"; fail "the one to be killed ended before"; }
dir=$(ls -d "$tmp"/vmi-lab-*)
qemu=$(pgrep -P $killed)
kill -TERM $killed
wait $killed
equal "status after SIGTERM" 143 $?
[ -e "$dir" ] && fail "$dir is still there"
kill -0 "$qemu" 2>/dev/null && fail "QEMU still runs"
pass
