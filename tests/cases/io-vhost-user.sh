#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A guest's disk is a qcow2 image that qemu-storage-daemon serves in domain 0: data verified, front and server killed under load.
# seconds: 75
. tests/lib/case.sh
. tests/lib/domain0.sh
. tests/lib/io.sh

storage_daemon "$tmp/root"
command -v qemu-img >/dev/null || skip "no qemu-img on this machine: install qemu-utils"
qemu-img create -q -f qcow2 "$tmp/image.qcow2" 16M || error "no image"

cat >"$tmp/main" <<'END'
#!/bin/sh
# The guest's: writes and reads, many at once, while front and server are killed.
export PATH=/sbin:/bin
exec >/dev/hvc0 2>&1
echo "guest: $(cat /sys/block/vda/size) sectors"
/bin/disk verify /dev/vda 20 16 || poweroff -f
echo "guest: done"
poweroff -f
END
cat >"$tmp/inside" <<'END'
. /inside.sh
serve() {
	rm -f /tmp/disk.sock
	/usr/bin/qemu-storage-daemon --blockdev driver=file,filename=/image.qcow2,node-name=f \
		--blockdev driver=qcow2,file=f,node-name=d \
		--export type=vhost-user-blk,id=e,node-name=d,writable=on,writethrough=on,addr.type=unix,addr.path=/tmp/disk.sock &
	until_ok "qemu-storage-daemon does not start" [ -S /tmp/disk.sock ]
	chmod 666 /tmp/disk.sock
}
serve
/etc/vmi/domains || fail "vmid does not start"
vmi -q define /guest.xml && vmi -q start guest || fail "the guest does not start"
until_says "32768 sectors"
deaths=0
until said done; do
	[ $deaths -lt 100 ] && vmi list | grep -q guest || fail "the guest does not say that it is done"
	sleep 1
	[ $((deaths % 3)) = 1 ] || killall -9 vmi-back
	if [ $((deaths % 3)) != 0 ]; then
		kill -9 $!
		wait $!
		# At times it is away for a while.
		[ $((deaths % 2)) = 0 ] || sleep 1
		serve
	fi
	deaths=$((deaths + 1))
done
[ $deaths -ge 4 ] || fail "the guest was done after $deaths deaths"
echo "$deaths deaths, $(grep -c "nobody serves" /var/log/vmid.log) times the server was missed"
grep -q "nobody serves /tmp/disk.sock (.*): what the guest asks of this disk waits" /var/log/vmid.log || fail "nothing said that the server is missing"
exit 0
END
guest_xml guest 128 /srv/guest.cpio <<'END'
    <disk type='vhostuser' device='disk'>
      <driver name='qemu' type='raw'/>
      <source type='unix' path='/tmp/disk.sock'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <console type='pty'/>
END
guest_with "$tmp/guest.cpio" "$tmp/main"
in_domain0 --add "$tmp/root/usr" --add "$tmp/root/lib" --add "$tmp/root/lib64" --add "$tmp/image.qcow2" --timeout 220
pass
