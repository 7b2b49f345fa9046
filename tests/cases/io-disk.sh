#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A guest mounts ext4 from its disk, what it writes is there, a read-only disk refuses writes, serials are seen; with and without a bounce pool.
# seconds: 50
# args: bounce full
. tests/lib/case.sh
. tests/lib/io.sh

ext4_image "$tmp/image" 64M
echo 'dd if=/dev/zero of=/tmp/ro bs=1M count=1 2>/dev/null' >"$tmp/beside"
status 0 $LAB --domu --disk "$tmp/image" --disk 48M --console "$tmp/console" --beside "$tmp/beside" \
	--boot "--share $1 --rng --disk /tmp/ro,readonly,serial=number-3" -- sh -c '
	fail() { echo "FAIL $*"; exit 1; }
	mkdir /mnt && mount -t ext4 /dev/vda /mnt || fail mount
	cp -r /bin /opt /mnt && sync && echo 3 >/proc/sys/vm/drop_caches
	for f in /bin/busybox /opt/vmi/*; do cmp $f /mnt$f || fail "$f is another one"; done
	umount /mnt || fail umount
	/opt/vmi/disk verify /dev/vdb 4 || exit 1
	[ "$(cat /sys/block/vdc/serial)" = number-3 ] || fail "the serial is $(cat /sys/block/vdc/serial)"
	[ "$(cat /sys/block/vdc/ro)" = 1 ] || fail "vdc is not read-only"
	[ "$(dd if=/dev/hwrng bs=1 count=64 2>/dev/null | wc -c)" = 64 ] || fail "no random bytes"'
cat "$tmp/out"
no_complaints "$tmp/console"
clean_ext4 "$tmp/image"
pass
