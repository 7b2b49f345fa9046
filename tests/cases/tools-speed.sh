#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: With 20 domains every verb of vmi costs at most 10 million instructions from fork to exit, and the live view under 3 % of a processor.
# seconds: 60
. tests/lib/case.sh

# In instructions, for they do not depend on what else the machine does: one is
# a nanosecond there. 10 million take about 30 ms in QEMU without KVM.
cat >"$tmp/inside" <<'END'
#!/bin/sh
now() { cut -d' ' -f1 /proc/uptime; }
# cost NAME COMMAND...: mean of 20 runs, in thousands of instructions
cost() {
	name=$1
	shift
	start=$(now)
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "$@" >/dev/null 2>&1 || { echo "failed: $*"; exit 1; }; done
	end=$(now)
	awk "BEGIN { printf \"cost %s %d\n\", \"$name\", ($end - $start) * 1000000 / 20 }"
}
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
printf '\177ELF' >/vmlinux
vmid --simulate 2>/dev/null &
vmid=$!
until [ -S /run/vmid/vmid.sock ]; do usleep 100000; done
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do vmi -q run "d$n" --kernel /vmlinux --memory 64M || exit 1; done
vmi dumpxml d1 >/d1.xml
cost true /bin/busybox true
for verb in list "list -o json" "dominfo d3" "domstate d3" "dumpxml d3" domstats nodeinfo "suspend d3" "check /d1.xml" help "define /d1.xml" \
	"setmem d4 60M" "schedinfo d5 --weight 300"; do
	[ "$verb" = "suspend d3" ] && verb="suspend d3;resume d3"
	case $verb in
	*\;*) cost "$verb" sh -c "vmi suspend d3 && vmi resume d3" ;;
	*) cost "$verb" vmi $verb ;;
	esac
done
before=$(ticks $vmid) start=$(now)
vmi top -b -n 10 -d 1 >/dev/null &
top=$!
sleep 9
mine=$(($(ticks $vmid) - before + $(ticks $top)))
awk "BEGIN { printf \"top %.2f\n\", $mine / ($(now) - $start) }"
wait $top
END
chmod +x "$tmp/inside"
status 0 $LAB --icount --add "$tmp/inside:/inside" -- /inside
awk '$1 == "cost" { c = $NF; name = substr($0, 6, length($0) - 6 - length(c)); if (name == "true") base = c
	printf "%8d thousand instructions, %4.1f times true: %s\n", c, c / base, name }
$1 == "top" { printf "top: %s %% of a processor\n", $2 }' "$tmp/out"
awk '$1 == "cost" && $NF > ($0 ~ /;/ ? 20000 : 10000) { print "too dear: " $0; bad = 1 }
$1 == "top" { seen = 1; if ($2 >= 3) { print "top uses " $2 " % of a processor"; bad = 1 } }
END { if (!seen) print "no number of top"; exit bad || !seen }' "$tmp/out" >"$tmp/verdict" || fail "$(tail -n 1 "$tmp/verdict")"
pass
