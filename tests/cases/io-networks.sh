#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A guest on the network `default`: its address by DHCP, domain 0 and what is behind that reached through NAT, an isolated network not; vmid killed, the network removed; vmi-network hangs, and vmid does not; what is missing is said.
# seconds: 75
. tests/lib/case.sh
. tests/lib/domain0.sh
. tests/lib/io.sh

nft=$(command -v nft || ls /usr/sbin/nft) || skip "no nft on this machine: install nftables"
mkdir -p "$tmp/nft"
for f in "$nft" $(ldd "$nft" | grep -o '/[^ ]*'); do cp -L "$f" "$tmp/nft/"; done

# Sends to domain 0 and to what is behind it; a transfer waits while the link is down. Before: another network, of guests that are to be by themselves.
dhcp_guest 'nc -w 2 10.78.0.2 9 </dev/null; echo "guest: knocked"' <<'END'
	for to in 10.77.0.1 172.16.0.2; do
		wire check $to 7 65536 || echo "guest: FAIL $to"
	done
END
cat >"$tmp/inside" <<'END'
. /inside.sh
# beyond DEVICE ADDRESS COMMAND: a veth whose far side has a network namespace of its own, and runs COMMAND; /tmp/DEVICE has its process
beyond() {
	ip link add "$1" type veth || fail "no veth"
	peer=$(basename /sys/class/net/veth*)
	export peer
	unshare -n sh -c "echo \$\$ >/tmp/$1; until ifconfig \$peer $2 netmask 255.255.255.0 up 2>/dev/null; do usleep 100000; done; exec $3" &
	until [ -s "/tmp/$1" ]; do usleep 100000; done
	ip link set "$peer" netns "$(cat "/tmp/$1")" || fail "$1 has no far side"
}
# Behind domain 0: what knows no way back to the guests.
beyond out 172.16.0.2 "/opt/vmi/wire serve 7"
ifconfig out 172.16.0.1 netmask 255.255.255.0 up
/opt/vmi/wire serve 7 &
/etc/vmi/domains || fail "vmid does not start"
vmi -q define /guest.xml
refused "there is no network 'default'" vmi start guest
refused "needs <ip address" vmi net-define /bad.xml
refused "no network 'default'" vmi net-start default
vmi net-define /etc/vmi/network.xml || fail "net-define"
refused "net-start default" vmi start guest
vmi net-start default && vmi net-autostart default || fail "net-start"
refused "is active" vmi net-undefine default
refused "active already" vmi net-start default
vmi net-list
vmi net-info default
vmi net-dumpxml default
# An isolated network with somebody on it.
vmi -q net-define /inner.xml && vmi -q net-start inner || fail "the network inner"
beyond inner 10.78.0.2 "sleep 1000"
brctl addif vmibr2 inner && ifconfig inner up || fail "the bridge vmibr2"
segments() { awk '/^Tcp: [0-9]/ { print $11 }' "/proc/$(cat /tmp/inner)/net/snmp"; }
vmi -q start guest || fail "the guest does not start"
# One that hangs holds who asked for it, and no others.
vmi -q net-define /stuck.xml && mv /sbin/vmi-network /sbin/vmi-network.good || fail "the network stuck"
cat >/sbin/vmi-network <<HANGS
#!/bin/sh
[ "\$1" = start ] || exec echo "done"
: >/tmp/hangs
while :; do usleep 200000; done
HANGS
chmod +x /sbin/vmi-network
(vmi net-start stuck >/tmp/stuck 2>&1; echo "status $?" >>/tmp/stuck) &
until_ok "vmi-network is not run" [ -e /tmp/hangs ]
mv /sbin/vmi-network.good /sbin/vmi-network
vmi domstate guest | grep -q running || fail "domstate, while vmi-network hangs"
refused "is being started" vmi net-start stuck
refused "is being started" vmi net-undefine stuck
! grep status /tmp/stuck || fail "vmid waited for vmi-network: $(cat /tmp/stuck)"
vmi dumpxml guest | grep -q "network=.default. bridge=.vmibr0." || fail "the bridge is not in $(vmi dumpxml guest)"
until_says "address 10.77.0.10"
until_says knocked
[ "$(segments)" = 0 ] || fail "what a guest of the network default sent arrived in the isolated one: $(segments) segments"
arrives() { nc -w 2 10.78.0.2 9 </dev/null; [ "$(segments)" -gt 0 ]; }
until_ok "domain 0 does not reach the isolated network" arrives
kill -9 "$(cat /tmp/inner)"
vmi -q net-destroy inner && vmi -q net-undefine inner || fail "the end of the network inner"
until_ok "nobody ends vmi-network" grep -q status /tmp/stuck
grep -q "vmi-network does not end" /tmp/stuck || fail "stuck: $(cat /tmp/stuck)"
vmi -q net-undefine stuck || fail "net-undefine stuck"
until_says "round 2"
# Its address, as udhcpd and the kernel know it.
leased() { vmi domifaddr guest --source lease | grep -q "ipv4 *10.77.0.10/24"; }
until_ok "no lease: $(vmi net-dhcp-leases default)" leased
vmi domifaddr guest --source arp | grep -q "ipv4 *10.77.0.10/" || fail "domifaddr: $(vmi domifaddr guest; cat /proc/net/arp)"
kill_vmid
vmi net-info default | grep -q "Active: *yes" || fail "the next vmid does not know that it is active"
round=$(says round)
until_says "round $((${round##* } + 2))"
vmi domiflist guest
vmi net-destroy default || fail "net-destroy"
until_says "the link is down"
# Started again, it takes the guest back.
vmi net-start default || fail "net-start, with a guest"
round=$(says round)
until_says "round $((${round##* } + 2))"
[ "$(vmi domiflist guest --columns carrier --no-headings)" = yes ] || fail "no carrier: $(vmi -o json domiflist guest)"
vmi net-destroy default || fail "net-destroy, with a guest"
[ -z "$(pidof udhcpd)" ] && [ ! -e /sys/class/net/vmibr0 ] || fail "something is left of it"
[ -z "$(/lib/nft/ld-linux-x86-64.so.2 --library-path /lib/nft /lib/nft/nft list tables)" ] || fail "rules are left"
vmi -q destroy guest
refused "net-start default" vmi start guest
# What is not its own stays; what was ended halfway is made anew.
ip link add vmibr0 type bridge
refused "there is an interface vmibr0 already" vmi net-start default
[ -e /sys/class/net/vmibr0 ] && [ ! -e /run/vmi-network/default.made ] || fail "a bridge of somebody else is gone"
ip link del vmibr0
ifconfig out 10.77.0.200 netmask 255.255.255.252
refused "interface out has addresses of it" vmi net-start default
ifconfig out 172.16.0.1 netmask 255.255.255.0
ip link add vmibr0 type bridge && echo "vmibr0 nat" >/run/vmi-network/default.made
vmi net-start default || fail "after one that was ended"
pidof udhcpd >/dev/null || fail "no udhcpd"
ip link del vmibr0
vmi net-start default || fail "without its bridge"
[ "$(pidof udhcpd | wc -w)" = 1 ] || fail "udhcpd: $(pidof udhcpd)"
vmi net-destroy default && vmi net-undefine default || fail "once more"
[ -z "$(pidof udhcpd)" ] && [ -z "$(ls /run/vmi-network | grep -v leases)" ] || fail "left: $(ls /run/vmi-network)"
[ -z "$(vmi net-list --all --name)" ] && [ -z "$(ls /var/lib/vmid | grep network)" ] || fail "it is not forgotten"
exit 0
END
cat >"$tmp/inner.xml" <<'END'
<network>
  <name>inner</name>
  <bridge name='vmibr2'/>
  <ip address='10.78.0.1' netmask='255.255.255.0'/>
</network>
END
cat >"$tmp/stuck.xml" <<'END'
<network>
  <name>stuck</name>
  <bridge name='vmibr3'/>
</network>
END
cat >"$tmp/bad.xml" <<'END'
<network>
  <name>bad</name>
  <forward mode='nat'/>
  <bridge name='vmibr1'/>
</network>
END
guest_xml guest 128 /srv/guest.cpio <<'END'
    <interface type='network'>
      <mac address='00:16:3e:77:00:10'/>
      <source network='default'/>
    </interface>
    <console type='pty'/>
END
guest_with "$tmp/guest.cpio" "$tmp/main"
in_domain0 --add "$tmp/nft:/lib/" --timeout 180
pass
