#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: Two guests and domain 0 talk over a bridge, through vmi-back and vhost-net; back ends killed under load, the bridge removed.
# seconds: 100
"""Guest a has its card by vmi-back, guest b by vhost-net. Each of the three has a
web server with a file of its own and its checksum, and runs commands it is sent."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import small_guest  # noqa: E402

SERVER = """
mkdir -p /www/cgi-bin
dd if=/dev/urandom of=/www/f bs=1M count=SIZE 2>/dev/null
md5sum </www/f >/www/f.md5
cat >/www/cgi-bin/run <<'EOS'
#!/bin/sh
echo "Content-Type: text/plain"
echo
head -c "$CONTENT_LENGTH" >/tmp/run.$$
sh /tmp/run.$$ 2>&1
EOS
chmod +x /www/cgi-bin/run
httpd -h /www
"""
# What a guest's init runs instead of a shell.
GUEST = """#!/bin/sh
export PATH=/sbin:/bin
ADDRESS=$(cat /proc/cmdline | sed 's/.*address=//; s/ .*//')
ifconfig eth0 $ADDRESS netmask 255.255.255.0 up
""" + SERVER.replace("SIZE", "2") + """
exec sleep 1000
"""
DOM0 = SERVER.replace("SIZE", "2") + r"""
die() { echo "FAILED: $*"; cat /tmp/a.log /tmp/b.log | grep -a vmi-boot; exit 1; }
run() { timeout 30 wget -q -O - --post-data "$2" http://10.9.0.$1/cgi-bin/run; }
# TO FROM: the file arrives whole.
fetch() {
	run $1 "timeout 30 wget -q -O - http://10.9.0.$2/f | md5sum; timeout 30 wget -q -O - http://10.9.0.$2/f.md5" >/tmp/sums
	[ "$(sort -u /tmp/sums | wc -l)" = 1 ] && [ "$(wc -l </tmp/sums)" = 2 ] || die "$2's file came to $1 as another: $(cat /tmp/sums)"
}
brctl addbr br0
ifconfig br0 10.9.0.1 netmask 255.255.255.0 up
guest() {
	vmi-boot --kernel /boot/vmlinux --initrd /boot/guest.cpio --memory 160M --name $1 --net br0,tap=tap$1$3 -- quiet \
		console=hvc0 COMMON address=10.9.0.$2 </dev/null >/tmp/$1.log 2>&1 &
}
guest a 2 ,user
guest b 3
for n in 2 3; do
	i=0
	until run $n "echo up" 2>/dev/null | grep -q up; do
		i=$((i + 1))
		[ $i -lt 60 ] || { tail -n 5 /tmp/a.log /tmp/b.log; die "guest $n does not answer"; }
		sleep 0.5
	done
done
[ "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -c '^vhost=')" = 1 ] || die "not one of two cards is by vhost-net"
for way in "1 2" "2 1" "1 3" "3 1" "2 3" "3 2"; do fetch $way; done
for n in 2 3; do run $n "ping -c 3 -i 0.2 10.9.0.$((5 - n))" | grep -q " 0% packet loss" || die "ping from $n to the other guest"; done
echo "files and pings pass between all three"



# Back ends are killed, each while its guest is fetching.
for n in 2 3; do
	fetch $n $((5 - n)) &
	job=$!
	for i in 1 2 3 4; do sleep 0.2; killall -9 vmi-back; done
	wait $job || { sed 's/^FAILED/&/' /tmp/sums; die "killed under load"; }
done
fetch 2 1
fetch 3 1
echo "back ends killed under load"

# The bridge goes: both hear of it. It comes back.
BRIDGE
run 2 "poweroff -f" >/dev/null 2>&1 &
run 3 "poweroff -f" >/dev/null 2>&1 &
sleep 1
exit 0
"""
BRIDGE = r"""
carrier() { run $1 "cat /sys/class/net/eth0/carrier_changes"; }
before2=$(carrier 2) before3=$(carrier 3)
ifconfig br0 down
brctl delbr br0
sleep 2
grep -aq "bridge br0" /tmp/a.log && grep -aq "bridge br0" /tmp/b.log || die "nobody says that the bridge is gone"
brctl addbr br0
brctl addif br0 tapa
brctl addif br0 tapb
ifconfig br0 10.9.0.1 netmask 255.255.255.0 up
sleep 2
[ $(carrier 2) -ge $((before2 + 2)) ] || die "the link of 2 was not down"
[ $(carrier 3) -ge $((before3 + 2)) ] || die "the link of 3 was not down"
fetch 2 3
echo "the bridge was removed and came back"
"""

sys.exit(small_guest.run(GUEST, DOM0.replace("BRIDGE", BRIDGE), 300, "the three talk to each other"))
