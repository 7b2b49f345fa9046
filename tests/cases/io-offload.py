#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: TCP and UDP between two guests and domain 0 arrive unchanged with each offload on and off, MTU 1500 and 9000, and with several pairs of queues.
# seconds: 100
"""Guest a has three pairs by vmi-back, guest b two by vhost-net. Both go through the settings
at the same time, so each meets the other in any of its own. /opt/vmi/wire sends and compares."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import small_guest  # noqa: E402

# What a guest's init runs instead of a shell.
GUEST = """#!/bin/sh
export PATH=/sbin:/bin
word() { sed "s/.*$1=//; s/ .*//" /proc/cmdline; }
name=$(word name) address=$(word address) other=$(word other) pairs=$(word pairs)
fail() { echo "$name: FAIL $*"; exec sleep 1000; }
ifconfig eth0 $address netmask 255.255.255.0 up
wire serve 7 &
# both WHAT MTU BYTES STREAMS: to domain 0 and to the other guest
both() {
	echo "$name: $1, MTU $2"
	wire check 10.9.0.1 7 $3 $4 $2 && wire check $other 7 $3 $4 $2 || fail "$1, MTU $2"
}
for mtu in 9000 1500; do
	ifconfig eth0 mtu $mtu || fail "MTU $mtu"
	for settings in "sg=1 tx=1 tso=1 gro=1 large=1" "tso=0 large=0" "tx=0 gro=0 sg=0"; do
		wire set eth0 $settings || fail "settings $settings"
		both "$settings" $mtu 131072 2
	done
done
[ "$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)" = 1 ] || fail "not one pair at the beginning"
wire set eth0 sg=1 tx=1 tso=1 gro=1 large=1 pairs=$pairs || fail "pairs"
# Which one a connection is given to is chance.
unused() {
	n=0
	while [ $n -lt $pairs ]; do
		for way in input output; do
			[ "$(grep "virtio.-$way.$n\$" /proc/interrupts | awk '{ print $2 }')" -gt 0 ] || echo "$way.$n"
		done
		n=$((n + 1))
	done
}
times=0
until [ $times -gt 0 ] && [ -z "$(unused)" ]; do
	times=$((times + 1))
	[ $times -lt 20 ] || fail "not used: $(unused) $(cat /proc/interrupts)"
	both "$pairs pairs" 1500 65536 4
done
wire set eth0 pairs=1 || fail "one pair"
both "one pair again" 1500 65536 1
grep -q "^0$" /sys/class/net/eth0/statistics/rx_errors || fail "errors were received"
echo "$name: passed"
exec sleep 1000
"""
DOM0 = r"""
die() { echo "FAILED: $*"; tail -n 30 /tmp/a.log /tmp/b.log; exit 1; }
brctl addbr br0
ip link set br0 mtu 9000
ifconfig br0 10.9.0.1 netmask 255.255.255.0 up
/opt/vmi/wire serve 7 &
guest() {
	vmi-boot --kernel /boot/vmlinux --initrd /boot/guest.cpio --memory 160M --name $1 --net br0,mtu=9000,tap=tap$1,queues=$4$5 -- quiet \
		console=hvc0 COMMON name=$1 address=10.9.0.$2 other=10.9.0.$3 pairs=$4 </dev/null >/tmp/$1.log 2>&1 &
}
guest a 2 3 3 ,user
guest b 3 2 2
for g in a b; do
	i=0
	until grep -aq "^$g: passed" /tmp/$g.log; do
		i=$((i + 1))
		! grep -aq "$g: FAIL" /tmp/*.log || die "guest $g"
		[ $i -lt 700 ] || die "guest $g does not come to its end"
		sleep 0.3
	done
done
[ "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -c '^vhost=')" = 2 ] || die "not one of two cards is by vhost-net, with two pairs"
grep -ah passed /tmp/a.log /tmp/b.log
exit 0
"""

sys.exit(small_guest.run(GUEST, DOM0, 400, "what was sent arrived"))
