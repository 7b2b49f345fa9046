#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: In domain 0 a domain from XML has its disk, card and balloon; a second disk comes and goes under I/O, vmid dies in between; lists and numbers are right.
# seconds: 120
. tests/lib/case.sh
. tests/lib/domain0.sh

guest_xml web 96 <<'END'
    <disk type='file'>
      <driver name='vmi' type='raw'/>
      <source file='/tmp/a.img'/>
      <target dev='vda'/>
      <serial>disk-one</serial>
    </disk>
    <interface type='bridge'>
      <mac address='00:16:3e:00:00:01'/>
      <source bridge='br0'/>
    </interface>
    <memballoon model='virtio'/>
END
cat >"$tmp/inside" <<'END'
domain=web
. /inside.sh
printed() { vmi log web | tr '\r\n' '  ' | grep -q "$1"; }
# guest COMMAND: in the guest's shell, until it has ended; fails as it does
turn=0
guest() {
	turn=$((turn + 1))
	type_in "$1; echo turn-$turn-\$?"
	until_ok "the guest does not end: $1" printed "turn-$turn-[0-9][0-9]* "
	printed "turn-$turn-0 "
}
rounds() { vmi domblkstat web vda | sed -n 's/^vda wr_req //p'; }

brctl addbr br0 && ifconfig br0 10.9.0.1 netmask 255.255.255.0 up || fail "bridge"
dd if=/dev/zero of=/tmp/a.img bs=1M count=16 2>/dev/null
dd if=/dev/zero of=/tmp/b.img bs=1M count=4 2>/dev/null
echo "disk one" | dd of=/tmp/a.img conv=notrunc bs=512 seek=16384 2>/dev/null
echo "disk two" | dd of=/tmp/b.img conv=notrunc 2>/dev/null
/etc/vmi/domains || fail "vmid does not start"

vmi define /web.xml || fail "define"
# What is missing refuses the start, in words; nothing of the domain is left.
mv /tmp/a.img /tmp/hidden
refused "a.img.*No such file" vmi start web
[ "$(vmi domstate web)" = "shut off" ] || fail "half started"
mv /tmp/hidden /tmp/a.img
vmi start web || fail "start"
until_ok "the guest does not come up" printed "This is the domain web"
guest "dd if=/dev/vda bs=512 skip=16384 count=1 2>/dev/null | grep 'disk one'" || fail "the guest reads another disk"
guest "grep disk-one /sys/block/vda/serial" || fail "serial number"
guest "ifconfig eth0 10.9.0.2 up && ping -c 2 10.9.0.1" || fail "the guest does not reach domain 0"
ping -c 2 10.9.0.2 >/dev/null || fail "domain 0 does not reach the guest"

echo "a second disk while the first one works"
guest "(while dd if=/dev/urandom of=/tmp/r bs=64k count=4 && dd if=/tmp/r of=/dev/vda bs=64k conv=fsync && echo 3 >/proc/sys/vm/drop_caches && cmp -n 262144 /tmp/r /dev/vda; do usleep 200000; done 2>/tmp/error; echo BRO'KEN') >/dev/console 2>&1 & true" || fail "load"
vmi attach-disk web /tmp/b.img vdb --cache writeback || fail "attach-disk"
refused "b.img" vmi attach-disk web /tmp/b.img vdc
guest "while [ ! -b /dev/vdb ]; do usleep 100000; done; grep 'disk two' /dev/vdb" || fail "the guest does not see its second disk"
guest "echo written | dd of=/dev/vdb bs=512 seek=100 conv=fsync" || fail "the second disk cannot be written"
[ "$(vmi domblklist web --columns target,source --no-headings | xargs)" = "vda /tmp/a.img vdb /tmp/b.img" ] || fail "domblklist: $(vmi domblklist web)"
[ "$(vmi domblkstat web vdb | sed -n 's/^vdb wr_bytes //p')" -ge 512 ] || fail "domblkstat: $(vmi domblkstat web vdb)"
tap=$(vmi domiflist web --columns interface --no-headings)
[ "$(vmi domifstat web $tap | sed -n 's/^.* rx_packets //p')" -ge 2 ] || fail "domifstat: $(vmi domifstat web $tap)"
vmi domstats web | grep -q "block.1.capacity=4194304" || fail "domstats"

echo "killing vmid"
kill_vmid
[ "$(vmi domblklist web --columns target --no-headings | xargs)" = "vda vdb" ] || fail "the disks are lost: $(vmi domblklist web)"
before=$(rounds)
goes_on() { [ "$(rounds)" -gt $((before + 3)) ]; }
until_ok "the first disk stands still after $before requests" goes_on
guest "dd if=/dev/vdb bs=512 skip=100 count=1 2>/dev/null | grep written" || fail "the second disk stands still"
answers() { ping -c 1 -W 2 10.9.0.2 >/dev/null; }
until_ok "no network after the kill" answers

echo "changes"
vmi domif-setlink web $tap down || fail "domif-setlink"
guest "while [ \$(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 100000; done" || fail "the guest does not see its cable pulled"
vmi domif-setlink web $tap up || fail "domif-setlink"
vmi blockresize web vdb 8M || fail "blockresize"
guest "while [ \$(blockdev --getsize64 /dev/vdb) != 8388608 ]; do usleep 100000; done" || fail "the guest does not see the new size"
vmi setmem web 80M || fail "setmem"
smaller() { [ "$(vmi dommemstat web | sed -n 's/^actual //p')" = 81920 ]; }
until_ok "the balloon does not grow: $(vmi dommemstat web)" smaller
vmi detach-disk web vdb || fail "detach-disk"
guest "[ ! -b /dev/vdb ]" || fail "the guest keeps its second disk"
[ "$(vmi domblklist web --columns target --no-headings | xargs)" = vda ] || fail "domblklist after the detach"
printed BROKEN && fail "the first disk failed meanwhile"
vmi log web --lifecycle | grep -q "device vdb: removed" || fail "no log line"
[ "$(vmi log web --lifecycle | grep -c "device vdb: the guest can see it")" = 1 ] || fail "the log does not say once that vdb came"
# A tap that somebody removes.
[ "$(vmi domiflist web --columns link,carrier --no-headings | xargs)" = "yes yes" ] || fail "domiflist: $(vmi domiflist web -o json)"
ip link del $tap || fail "ip link del"
refused "there is an interface br0 already: choose another target name" vmi attach-interface web bridge br0 --target br0
removed() { vmi log web --lifecycle | grep -q "$tap was removed.*attach it again"; }
until_ok "nobody says that the tap is gone" removed
[ "$(vmi domiflist web --columns link,carrier --no-headings | xargs)" = "yes no" ] || fail "domiflist: $(vmi domiflist web -o json)"
guest "while [ \$(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 100000; done" || fail "the guest's link is up without a tap"
vmi detach-interface web bridge && vmi attach-interface web bridge br0 --mac 00:16:3e:00:00:01 || fail "the interface does not come again"
guest "until ifconfig eth0 10.9.0.2 up && ping -c 1 -W 2 10.9.0.1; do usleep 200000; done" || fail "no network with the new tap"
tap=$(vmi domiflist web --columns interface --no-headings)
vmi destroy web || fail "destroy"
[ "$(dd if=/tmp/b.img bs=512 skip=100 count=1 2>/dev/null | head -n 1)" = written ] || fail "what the guest wrote is not in the image"
no_back_ends() { [ -z "$(pidof vmi-back)" ]; }
until_ok "back ends are left" no_back_ends
[ ! -e /sys/class/net/$tap ] || fail "the tap is left"
END
in_domain0
pass
