#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Guests on a bridge of domain 0 reach it and one another, and what is sent arrives unchanged.
# seconds: 45
. tests/lib/case.sh

cat >"$tmp/beside" <<'END'
mkdir -p /tmp/www
httpd -h /tmp/www
# An input that does not end, or it would hang up first.
mkfifo /tmp/quiet
(while :; do nc -l -p 7001 <>/tmp/quiet >/tmp/www/up.new && mv /tmp/www/up.new /tmp/www/up; done) &
vmi-boot --kernel /lab/domu/kernel --initrd /lab/domu/initramfs --memory 128M --net br0 --output /dev/null --name second \
	-- $(cat /lab/domu/cmdline) address=10.9.0.3 &
END
status 0 $LAB --domu --net --mem 192 --console "$tmp/console" --beside "$tmp/beside" --hv-append dom0_mem=448M --qemu "-m 1024" -- sh -c '
	fail() { echo "FAIL $*"; exit 1; }
	mkdir /tmp/www && dd if=/dev/urandom of=/tmp/www/data bs=64k count=64 2>/dev/null
	if [ "$address" ]; then
		httpd -h /tmp/www && exec sleep 10000
	fi
	ping -c 3 -W 5 10.9.0.1 || fail "no answer from domain 0"
	timeout 60 nc 10.9.0.1 7001 </tmp/www/data || fail "nothing can be sent to domain 0"
	n=0
	until wget -q -O /tmp/up http://10.9.0.1/up; do n=$((n + 1)); [ $n -lt 20 ] || fail "nothing arrived in domain 0"; sleep 1; done
	cmp /tmp/www/data /tmp/up || fail "what came back is not what was sent"
	n=0
	until ping -c 1 -W 2 10.9.0.3; do n=$((n + 1)); [ $n -lt 40 ] || fail "no answer from the other guest"; done
	until wget -q -O /tmp/a http://10.9.0.3/data; do n=$((n + 1)); [ $n -lt 60 ] || fail "nothing from the other guest"; sleep 1; done
	wget -q -O /tmp/b http://10.9.0.3/data && cmp /tmp/a /tmp/b || fail "two copies differ"
	grep -qx 0 /sys/class/net/eth0/statistics/rx_errors || fail "errors were received"'
cat "$tmp/out"
no_complaints "$tmp/console"
pass
