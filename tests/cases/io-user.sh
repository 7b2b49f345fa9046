#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A card of the type user: vmi-user-net gives the guest an address and brings it to domain 0 by TCP and UDP, and domain 0 to it at ports that lead there; killed under traffic, as its back end or vmid is, or stopped, it is replaced, and ends with its card; what is missing is said.
# seconds: 90
. tests/lib/case.sh
. tests/lib/domain0.sh
. tests/lib/io.sh

with_libraries "$tmp/net" "$BUILD/dom0-tools/vmi-user-net" libslirp-dev

# Sends to domain 0: its loopback, its name server, an address of its own. A connection is lost with the
# program that had it. Who sends is told so, who waits is not; the next one must pass.
dhcp_guest 'wire serve 7 &
passes() {
	for seconds in 5 10 20 40 80; do
		timeout $seconds wire check "$1" "$2" 32768 && return
	done
	echo "guest: FAIL nothing passes to $1"
}' <<'END'
	passes 10.0.2.2 7
	passes 10.0.2.3 53
	passes 172.16.0.1 7
END
cat >"$tmp/inside" <<'END'
. /inside.sh
# What a time-out is to be found by.
step() { echo "$(cut -d' ' -f1 /proc/uptime) s: $*"; }
# What was on its way may be a round, what is sent then is another.
more_rounds() {
	round=$(says round)
	round=${round##* }
	until_says "round $((${round:-0} + 2))"
}
nets_are() { [ "$(pidof vmi-user-net | wc -w)" = "$1" ]; }
gone() { [ ! -d "/proc/$old" ]; }
ifconfig lo 127.0.0.1 up
ip link add out type veth && ifconfig out 172.16.0.1 netmask 255.255.255.0 up || fail "no address of its own"
echo "nameserver 127.0.0.1" >/etc/resolv.conf
/opt/vmi/wire serve 7 &
/opt/vmi/wire serve 53 &
VMID_OPTIONS="--device-timeout 8" /etc/vmi/domains || fail "vmid does not start"
step "what is missing"
mv /sbin/vmi-user-net /sbin/away
vmi define /guest.xml >/tmp/said 2>&1 && grep -q "install it and libslirp0" /tmp/said || fail "define: $(cat /tmp/said)"
refused "install it and libslirp0" vmi -q start guest
mv /sbin/away /sbin/vmi-user-net
sed "s|<mac|<source dev='out'/><mac|; s|guest<|other<|" /guest.xml >/other
refused "<source> of an .* take it out" vmi create /other
sed "s|'7007'|'53'|; s|guest<|other<|" /guest.xml >/other
refused "tcp port 53 of domain 0 is for root alone" vmi create /other
refused "the type user has no source" vmi attach-interface guest user out --config
vmi -q start guest || fail "the guest does not start"
step "an address"
until_says "address 10.0.2.15"
step "rounds"
more_rounds
step "from outside"
# To its loopback, and to an address of its own.
reached() {
	for host in 127.0.0.1 172.16.0.1; do
		until_ok "nobody reaches the guest at $host" timeout 20 /opt/vmi/wire check $host 7007 32768
	done
}
reached
sed "s|:56'|:57'|; s|guest<|other<|" /guest.xml >/other
refused "tcp port 7007 of domain 0 is in use, by another program or another domain's interface" vmi create /other
vmi list --all | grep -q other && fail "what was refused is there"
user=$(stat -c %u "/proc/$(pidof vmi-user-net)")
[ "$user" -gt 1000000000 ] || fail "vmi-user-net has another user: $user"
for victim in vmi-user-net vmi-back; do
	step "kill $victim"
	old=$(pidof vmi-user-net)
	kill -9 "$(pidof $victim)"
	more_rounds
	gone || fail "killed $victim: vmi-user-net $old goes on"
	reached
done
vmi log --lifecycle guest | grep -q "net0: error: vmi-user-net has ended" || fail "the log does not say that vmi-user-net ended"
# With who keeps it it ends, and with vmid both.
step "kill its parent"
old=$(pidof vmi-user-net)
kill -9 "$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$old/status")"
until_ok "it goes on without its parent" gone
until_ok "it is not started again" nets_are 1
step "kill vmid"
old=$(pidof vmi-user-net)
kill_vmid
until_ok "it goes on without vmid" gone
more_rounds
reached
# Two that hang: a card takes its own along, the other's is replaced.
step "a second card"
vmi -q attach-interface guest user || fail "attach-interface"
until_ok "not one for each card" nets_are 2
mac=52:54:00:12:34:56
vmi domiflist guest
[ "$(vmi domiflist guest | grep -c " user ")" = 2 ] || fail "domiflist"
[ "$(vmi domifstat guest $mac | sed -n 's/.*rx_bytes *//p')" -gt 65536 ] || fail "domifstat: $(vmi domifstat guest $mac)"
other=$(vmi domiflist guest | grep -v $mac | grep -o '..:..:..:..:..:..')
kill -STOP $(pidof vmi-user-net)
vmi -q detach-interface guest user --mac "$other" || fail "detach-interface"
until_ok "it goes on without its card" nets_are 1
step "one that is stopped"
noticed() { vmi log --lifecycle guest | grep -q "net0: error: its vmi-user-net has not answered for 8 s"; }
until_ok "nobody notices that it is stopped" noticed
more_rounds
step "the link, the end"
vmi -q domif-setlink guest $mac down || fail "domif-setlink"
until_says "the link is down"
vmi -q destroy guest || fail "destroy"
until_ok "it goes on without its domain" nets_are 0
until_ok "its port is not free again" vmi -q start guest
step "over"
exit 0
END
guest_with "$tmp/guest.cpio" "$tmp/main"
guest_xml guest 128 /srv/guest.cpio <<'END'
    <interface type='user'>
      <mac address='52:54:00:12:34:56'/>
      <portForward proto='tcp'><range start='7007' to='7'/></portForward>
      <portForward proto='udp'><range start='7007' to='7'/></portForward>
    </interface>
    <console type='pty'/>
END
in_domain0 --add "$tmp/net/usr/bin/vmi-user-net:/sbin/vmi-user-net" --add "$tmp/net/lib:/" --add "$tmp/net/lib64:/" --timeout 260
pass
