#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A guest's disk is a qcow2 image that qemu-storage-daemon serves in domain 0: data verified, front and server killed under load.
# seconds: 75
. tests/lib/case.sh

program=$(command -v qemu-storage-daemon) || skip "no qemu-storage-daemon on this machine: install qemu-system-common"
mkdir -p "$tmp/qsd"
# With its libraries: domain 0's user land has none.
for f in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do cp -L "$f" "$tmp/qsd/"; done
qemu-img create -q -f qcow2 "$tmp/qsd/image.qcow2" 16M || error "no image"

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
#!/bin/sh
fail() { echo "FAIL $*"; vmi list --all; vmi log guest | tail -n 30; grep -v "Log guest" /var/log/vmid.log; exit 1; }
# until_says TEXT
until_says() {
	n=0
	until vmi log guest 2>/dev/null | grep -q "guest: $1"; do
		n=$((n + 1))
		[ $n -lt 400 ] || fail "the guest never says \"$1\""
		usleep 200000
	done
}
serve() {
	rm -f /tmp/disk.sock
	/qsd/ld-linux-x86-64.so.2 --library-path /qsd /qsd/qemu-storage-daemon --blockdev driver=file,filename=/qsd/image.qcow2,node-name=f \
		--blockdev driver=qcow2,file=f,node-name=d \
		--export type=vhost-user-blk,id=e,node-name=d,writable=on,writethrough=on,addr.type=unix,addr.path=/tmp/disk.sock &
	n=0
	until [ -S /tmp/disk.sock ]; do n=$((n + 1)); [ $n -lt 100 ] || fail "qemu-storage-daemon does not start"; usleep 100000; done
	chmod 666 /tmp/disk.sock
}
serve
/etc/vmi/domains || fail "vmid does not start"
vmi -q define /guest.xml && vmi -q start guest || fail "the guest does not start"
until_says "32768 sectors"
deaths=0
until vmi log guest 2>/dev/null | grep -q "guest: done"; do
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
cat >"$tmp/guest.xml" <<'END'
<domain type='vmi'>
  <name>guest</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type>pv</type><kernel>/srv/vmlinux</kernel><initrd>/srv/guest.cpio</initrd><cmdline>console=hvc0</cmdline></os>
  <devices>
    <disk type='vhostuser' device='disk'>
      <driver name='qemu' type='raw'/>
      <source type='unix' path='/tmp/disk.sock'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <console type='pty'/>
  </devices>
</domain>
END
python3 - "$BUILD" "$tmp" <<'END' || error "no initramfs for the guest"
import sys
sys.path.insert(0, "tests/lib")
from cpio import Cpio
build, tmp = sys.argv[1:]
base = open(f"{build}/guest.cpio.gz", "rb").read()
a = Cpio()
a.seen.update(["bin", "etc", "etc/vmi"])
a.file("etc/vmi/main", open(f"{tmp}/main", "rb").read(), 0o755)
a.file("bin/disk", open(f"{build}/initramfs/opt/disk", "rb").read(), 0o755)
open(f"{tmp}/guest.cpio", "wb").write(base + b"\0" * (-len(base) % 4) + a.bytes())
END
cache=${VMI_CACHE:-$HOME/.cache/vmi}
status 0 $LAB --mem 1024 --hv-append dom0_mem=512M --add "$tmp/guest.cpio:/srv/guest.cpio" --add "$cache/linux/vmlinux:/srv/vmlinux" \
	--add "$tmp/qsd:/" --add "$tmp/guest.xml" --add "$tmp/inside" --console "$tmp/console" --timeout 220 -- sh /inside
cat "$tmp/out"
no_complaints "$tmp/console"
pass
