#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Each queue of a guest's devices has an interrupt of its own; drivers let go of devices and take them again, also while back ends are killed.
# seconds: 50
. tests/lib/case.sh
. tests/lib/io.sh

cat >"$tmp/beside" <<-'END'
	truncate -s 32M /tmp/image
	# It kills when the guest has written its word to the disk.
	(until dd if=/tmp/image bs=1M skip=24 count=1 2>/dev/null | head -c 9 | grep -q "kill them"; do usleep 300000; done
	for n in 1 2 3; do kill -9 $(pidof vmi-back) && echo "killed back ends, $n" >/dev/console; usleep 2000000; done) &
END
status 0 $LAB --domu --net --beside "$tmp/beside" --boot "--disk /tmp/image,cache=writeback --rng" --console "$tmp/console" -- sh -c '
	fail() { echo "FAIL $*"; cat /proc/interrupts; exit 1; }
	device() { basename $(ls -d /sys/bus/virtio/drivers/$1/virtio*); }
	disk=$(device virtio_blk) rng=$(device virtio_rng) net=$(device virtio_net)
	for q in $disk-req.0 $rng-input $net-input.0 $net-output.0; do
		[ "$(grep -c " $q\$" /proc/interrupts)" = 1 ] || fail "no interrupt $q"
	done
	again() { # again DRIVER DEVICE
		echo $2 >/sys/bus/virtio/drivers/$1/unbind || fail "unbind $2"
		grep " $2-" /proc/interrupts && fail "$2 left an interrupt"
		echo $2 >/sys/bus/virtio/drivers/$1/bind || fail "bind $2"
	}
	size=$(stat -c %s /bin/busybox)
	dd if=/bin/busybox of=/dev/vda bs=64k conv=fsync 2>/dev/null
	for n in 1 2 3 4 5 6 7 8; do
		again virtio_blk $disk
		head -c $size /dev/vda | cmp - /bin/busybox || fail "the disk has something else"
		again virtio_rng $rng
		[ "$(head -c 32 /dev/hwrng | wc -c)" = 32 ] || fail "no random bytes"
		again virtio_net $net
		ifconfig eth0 10.9.0.2 up && ping -c 1 -w 20 10.9.0.1 >/dev/null || fail "no answer from the bridge"
		# From here on back ends die, some of them in the middle of a reset.
		[ $n = 3 ] && echo "kill them" | dd of=/dev/vda bs=1M seek=24 conv=fsync 2>/dev/null
	done
	grep " $disk-\| $rng-\| $net-" /proc/interrupts'
cat "$tmp/out"
no_complaints "$tmp/console"
grep -aq "killed back ends, 1" "$tmp/console" || fail "no back end was killed"
pass
