#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmid is killed, or its helper, while a domain of its writes to its disk: the next one goes on with the same devices, and waits for an image that was moved meanwhile, or a bridge that was removed; a disk and a card come and go while it runs, the disk waits for space until its owner makes some, and the balloon grows; limits are set and changed.
# seconds: 100
. tests/lib/case.sh
. tests/lib/domain0.sh
. tests/lib/io.sh

cat >"$tmp/main" <<'END'
#!/bin/sh
# The guest's: writes while vmid is killed, then sees a disk and a card come and go.
export PATH=/sbin:/bin
exec >/dev/hvc0 2>&1
has() { [ -e "$1" ]; }
lacks() { [ ! -e "$1" ]; }
# wait_that has|lacks FILE
wait_that() {
	n=0
	until "$@"; do n=$((n + 1)); [ $n -lt 600 ] || { echo "guest: FAIL not: $*"; poweroff -f; }; usleep 100000; done
}
echo "guest: begins"
/bin/disk verify /dev/vda 15 || poweroff -f
echo "guest: ready for more"
wait_that has /dev/vdb
wait_that has /sys/class/net/eth0
/bin/disk verify /dev/vdb 1 || poweroff -f
echo "guest: has more"
wait_that lacks /dev/vdb
wait_that lacks /sys/class/net/eth0
/bin/disk verify /dev/vda 1 || poweroff -f
echo "guest: done"
poweroff -f
END
cat >"$tmp/inside" <<'END'
. /inside.sh
dd if=/dev/zero of=/tmp/a bs=1M count=16 2>/dev/null
mkdir /tight && mount -t tmpfs -o size=4k none /tight && truncate -s 16M /tight/b
brctl addbr br0
/etc/vmi/domains || fail "vmid does not start"
vmi -q define /guest.xml && vmi -q start guest || fail "the guest does not start"
until_says begins
served_again() { [ "$(vmi log guest --lifecycle | grep -c "vda: served again")" -ge $i ]; }
# The last one is its helper, without which it ends, too.
for i in 1 2 3; do
	sleep 2
	victim=$(pidof vmid | tr ' ' '\n' | sort -n | if [ $i = 3 ]; then tail -n 1; else head -n 1; fi)
	# Meanwhile somebody moves the image, or puts another one in its place; in the end it is there again.
	case $i in
	1) mv /tmp/a /tmp/moved ;;
	2) mv /tmp/a /tmp/moved && truncate -s 16M /tmp/a ;;
	esac
	# Back ends that are stopped do not notice that there is another vmid.
	[ $i != 2 ] || kill -STOP $(pidof vmi-back)
	echo "killing $(cat "/proc/$victim/comm"), $i"
	kill -9 "$victim"
	[ $i = 3 ] && sleep 1
	until_ok "vmid does not come back" vmid_answers
	case $i in
	1) until_ok "vda is not missed" grep -q "device vda: .*cannot open /tmp/a for writing: No such file" /var/log/vmid.log ;;
	2) until_ok "vda is taken for another file" grep -q "device vda: .*/tmp/a is another file than" /var/log/vmid.log ;;
	esac
	[ $i != 2 ] || vmi log guest --lifecycle | grep "what served its devices before does not end" || fail "stopped back ends are not killed"
	[ ! -e /tmp/moved ] || mv -f /tmp/moved /tmp/a
	until_ok "vda is not served again, $i" served_again
done
until_says "ready for more"
vmi domblkstat guest vda || fail "domblkstat"
vmi blkdeviotune guest vda --total-iops-sec 100000 --total-iops-sec-max 200000 --total-iops-sec-max-length 30 || fail "blkdeviotune"
vmi blkdeviotune guest vda | grep -qx "total_iops_sec_max_length: 30" || fail "blkdeviotune: $(vmi blkdeviotune guest vda)"
vmi domblkerror guest | grep -qx "No errors found" || fail "domblkerror: $(vmi domblkerror guest)"
vmi attach-disk guest /tight/b vdb || fail "attach-disk"
has_tap() { ls /sys/class/net | grep -q "^vif"; }
echo "<interface type='bridge'><source bridge='br0'/><bandwidth><inbound average='1000'/></bandwidth></interface>" >/tmp/card.xml
vmi attach-device guest /tmp/card.xml || fail "attach-device"
refused /tmp/a vmi attach-disk guest /tmp/a vdc
full() { vmi domblkerror guest | grep -qx "vdb: no space"; }
until_ok "vdb does not wait for space" full
vmi domstate --reason guest | grep -q "(I/O error)" || fail "domstate: $(vmi domstate --reason guest)"
grep "vdb: write at sector [0-9]*: no space left for the image; it is held" /var/log/vmid.log || fail "the log does not say so"
# Still there is none: it is tried again, and waits again.
vmi resume guest || fail "resume"
mount -o remount,size=32M /tight
until_says "has more"
vmi domblkerror guest | grep -qx "No errors found" || fail "domblkerror after all: $(vmi domblkerror guest)"
# The bridge is removed while there is no vmid: the card waits for it.
brctl delbr br0 || fail "delbr"
kill_vmid
until_ok "the bridge is not missed" grep -q "cannot be started: .*there is no bridge br0: ip link add" /var/log/vmid.log
has_tap && fail "the tap is there without its bridge"
brctl addbr br0
until_ok "the card does not come back" has_tap
vmi resume guest 2>/dev/null && fail "a domain that waits for nothing was resumed"
vmi setmem guest 96M || fail "setmem"
smaller() { vmi dommemstat guest | grep -qx "actual 98304"; }
until_ok "the balloon does not grow" smaller
vmi domblklist guest
vmi domiflist guest
# Without room to note what is in flight a disk is refused, and nothing else happens.
mount -t tmpfs -o size=8k,mode=0700 none /run/vmid/devices && truncate -s 1M /tmp/d
refused "state file in domain [0-9]* cannot be had: No space left" vmi attach-disk guest /tmp/d vdd
[ -z "$(ls /run/vmid/devices)" ] || fail "something was left: $(ls /run/vmid/devices)"
umount /run/vmid/devices || fail "a refused disk keeps its files"
vmi detach-disk guest vdb || fail "detach-disk"
mac=$(vmi domiflist guest | grep -o '[0-9a-f:]\{17\}')
vmi domiftune guest "$mac" --inbound 2000,4000,500 --outbound 1000 || fail "domiftune"
vmi detach-interface guest bridge --mac "$mac" || fail "detach-interface"
until_says done
until_ok "it does not end" state_is "shut off"
[ -z "$(pidof vmi-back)" ] || fail "a back end was left"
[ -z "$(ls /run/vmid/devices)" ] || fail "files were left: $(ls /run/vmid/devices)"
grep -i "lost" /var/log/vmid.log && fail "devices were lost"
vmi log guest --lifecycle | grep "not understood" && fail "vmid told a back end what that does not know"
exit 0
END
guest_xml guest 128 /srv/guest.cpio <<'END'
    <disk type='file' device='disk'>
      <driver name='vmi' type='raw'/>
      <source file='/tmp/a'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <console type='pty'/>
    <memballoon model='virtio'/>
END
guest_with "$tmp/guest.cpio" "$tmp/main"
in_domain0 --timeout 260
pass
