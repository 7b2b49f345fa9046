#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Disks by XML that qemu-storage-daemon serves, started by vmid: a qcow2 image and its backing file, an NBD export; data verified, servers and vmid killed, disks that cannot be are refused, one comes, is made larger and goes while the guest runs.
# seconds: 75
. tests/lib/case.sh
. tests/lib/domain0.sh
. tests/lib/io.sh

storage_daemon "$tmp/root"
command -v qemu-img >/dev/null || skip "no qemu-img on this machine: install qemu-utils"
mkdir "$tmp/img"
qemu-img create -q -f qcow2 "$tmp/img/base.qcow2" 4M && qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 "$tmp/img/a.qcow2" &&
	qemu-img create -q -f qcow2 "$tmp/img/live.qcow2" 2M && truncate -s 4M "$tmp/img/nbd.raw" || error "no images"

cat >"$tmp/main" <<'END'
#!/bin/sh
# The guest's: writes to both disks, then sees a third one come and go.
export PATH=/sbin:/bin
exec >/dev/hvc0 2>&1
# wait_that COMMAND...
wait_that() {
	n=0
	until "$@"; do n=$((n + 1)); [ $n -lt 600 ] || { echo "guest: FAIL not: $*"; poweroff -f; }; usleep 100000; done
}
lacks() { [ ! -e "$1" ]; }
# verify DISK SECONDS...: all at once
verify() {
	all=
	while [ $# != 0 ]; do
		/bin/disk verify "$1" "$2" &
		all="$all $!"
		shift 2
	done
	for one in $all; do wait "$one" || poweroff -f; done
}
# On a busy machine a server starts later than the kernel waits for its disk.
wait_that [ -e /dev/vda ]
wait_that [ -e /dev/vdb ]
echo "guest: $(cat /sys/block/vda/size) and $(cat /sys/block/vdb/size) sectors"
echo "guest: serial numbers \"$(cat /sys/block/vda/serial)\" and \"$(cat /sys/block/vdb/serial)\""
echo "guest: begins"
verify /dev/vda 8 /dev/vdb 8
echo "guest: idle"
wait_that [ -e /dev/vdc ]
verify /dev/vda 1 /dev/vdb 1 /dev/vdc 1
echo "guest: has more"
wait_that grep -qx 12288 /sys/block/vdc/size
/bin/disk verify /dev/vdc 1 || poweroff -f
echo "guest: has a larger one"
wait_that lacks /dev/vdc
echo "guest: done"
poweroff -f
END
cat >"$tmp/inside" <<'END'
. /inside.sh
# Of our own: what vmid starts has another user.
serve() {
	rm -f /tmp/nbd.sock
	/usr/bin/qemu-storage-daemon --blockdev driver=file,filename=/img/nbd.raw,node-name=n --nbd-server addr.type=unix,addr.path=/tmp/nbd.sock \
		--export type=nbd,id=e,node-name=n,name=data,writable=on &
	own=$!
	until_ok "no NBD server" [ -S /tmp/nbd.sock ]
}
serve
/etc/vmi/domains || fail "vmid does not start"
vmi -q define /guest.xml || fail "define"

sed -e 's/name=.data./name="other"/' -e 's/>guest</>bad</' /guest.xml >/tmp/bad.xml
vmi -q define /tmp/bad.xml 2>/dev/null && refused 'no export "other"' vmi start bad
mv /usr/bin/qemu-storage-daemon /tmp/away
refused 'install qemu-system-common' vmi start guest
mv /tmp/away /usr/bin/qemu-storage-daemon

vmi -q start guest || fail "the guest does not start"
sed -e 's/>guest</>bad</' /guest.xml >/tmp/bad.xml
vmi -q define /tmp/bad.xml 2>/dev/null && refused 'a.qcow2 is in use by another domain' vmi start bad
until_says "8192 and 8192 sectors"
vmi domblklist guest --columns target,source,format,capacity,state
until_says 'serial numbers "served-one" and ""'
until_says begins
for i in 1 2 3; do
	sleep 2
	for p in $(pidof qemu-storage-daemon); do
		[ "$p" = "$own" ] || { echo "killing $p of user $(stat -c %u "/proc/$p")" && kill -9 "$p"; }
	done
done
until_says idle
# Both were written and read, without an error.
for disk in vda vdb; do
	vmi domblkstat guest $disk >/tmp/counted
	for what in rd_req rd_bytes rd_total_times wr_req wr_bytes wr_total_times; do
		grep -q "^$disk $what [1-9]" /tmp/counted || { cat /tmp/counted; fail "$disk: no $what"; }
	done
	grep -q "^$disk errs 0" /tmp/counted || { cat /tmp/counted; fail "$disk: errors"; }
done
vmi domstats guest | grep -q "block.1.wr.bytes=[1-9]" || fail "domstats has no counters"
# Nothing is in flight: the next vmid goes on with servers of its own.
kill_vmid
both_served() { [ "$(vmi log guest --lifecycle | grep -c "vd[ab]: served again")" = 2 ]; }
until_ok "the next vmid does not serve both disks" both_served
# Nor now: the next servers go on, of the image and of the export.
for p in $(pidof qemu-storage-daemon); do kill -9 "$p"; done
serve
vmi attach-disk guest /img/live.qcow2 vdc --subdriver qcow2 || fail "attach-disk"
until_says "has more"
refused 'would be lost' vmi blockresize guest vdc 1M
refused 'where it is served' vmi blockresize guest vdb 8M
vmi blockresize guest vdc 6M || fail "blockresize"
until_says "has a larger one"
vmi domblklist guest --columns target,capacity | grep -q "vdc.*6" || fail "the list has another size: $(vmi domblklist guest --columns target,capacity)"
vmi detach-disk guest vdc || fail "detach-disk"
until_says done
until_ok "it does not end" state_is "shut off"
[ "$(pidof qemu-storage-daemon)" = "$own" ] || fail "a server was left"
[ -z "$(ls /run/vmid/devices)" ] || fail "files were left: $(ls /run/vmid/devices)"
vmi log guest | grep verified
vmi log guest --lifecycle | grep "device vd"
exit 0
END
guest_xml guest 128 /srv/guest.cpio <<'END'
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/img/a.qcow2'/>
      <backingStore type='file'>
        <format type='qcow2'/>
        <source file='/img/base.qcow2'/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
      <serial>served-one</serial>
    </disk>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <source protocol='nbd' name='data'>
        <host transport='unix' socket='/tmp/nbd.sock'/>
      </source>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <console type='pty'/>
END
guest_with "$tmp/guest.cpio" "$tmp/main"
in_domain0 --add "$tmp/root/usr" --add "$tmp/root/lib" --add "$tmp/root/lib64" --add "$tmp/img" --timeout 220
pass
