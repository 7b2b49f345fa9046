#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: With --icount the machine's time follows its instructions: two runs agree within 2 %, whatever this host does.
# seconds: 40
. tests/lib/case.sh

for i in 1 2; do
	status 0 $LAB --native --icount -- cat /proc/uptime
	read -r up _ <"$tmp/out"
	ticks[i]=${up/./}
done
diff=$((10#${ticks[1]} - 10#${ticks[2]}))
[ ${diff#-} -le $((10#${ticks[1]} / 50 + 1)) ] || fail "uptime ${ticks[1]} and ${ticks[2]} hundredths"
pass
