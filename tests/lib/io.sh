# SPDX-License-Identifier: GPL-2.0-only
# io.sh - what the tests of guests' disks and network share; source it after case.sh.

# ext4_image FILE SIZE
ext4_image() {
	truncate -s "$2" "$1" && mke2fs -q -t ext4 "$1" || error "no file system on $1: install e2fsprogs"
}

# clean_ext4 FILE
clean_ext4() {
	e2fsck -fn "$1" >"$tmp/fsck" 2>&1 || { cat "$tmp/fsck"; fail "the file system is damaged"; }
}

# killed_back_ends TIMES: a guest writes and verifies while its back ends are killed; before that they are stopped once, and noticed.
killed_back_ends() {
	cat >"$tmp/beside" <<-END
		(until [ \$(pidof vmi-back | wc -w) -ge 2 ]; do usleep 200000; done
		usleep 2500000
		kill -STOP \$(pidof vmi-back) && echo "stopped back ends" >/dev/console
		usleep 9000000
		n=0
		while [ \$n -lt $1 ]; do
			usleep 2500000
			pid=\$(pidof vmi-back) && kill -9 \$pid && n=\$((n + 1)) && echo "killed back ends, \$n" >/dev/console
		done) &
	END
	ext4_image "$tmp/image" 64M
	status 0 $LAB --domu --disk "$tmp/image" --disk 64M --beside "$tmp/beside" --timeout $((210 + 9 * $1)) --console "$tmp/console" \
		--boot "--device-timeout 4" -- sh -c "mkdir /mnt && mount -t ext4 /dev/vda /mnt || exit 1
		/opt/vmi/disk verify /dev/vdb $((22 + 5 * $1)) & disk=\$!
		n=0
		while kill -0 \$disk 2>/dev/null; do
			cp /bin/busybox /mnt/\$((n % 4)) && sync && cmp /bin/busybox /mnt/\$((n % 4)) || exit 1
			n=\$((n + 1))
		done
		wait \$disk && umount /mnt && echo \"copied \$n times\""
	cat "$tmp/out"
	no_complaints "$tmp/console"
	grep -aq "killed back ends, $1" "$tmp/console" || fail "not all of the back ends were killed in time"
	for disk in vda vdb; do
		cat "$tmp/out" "$tmp/err" "$tmp/console" | grep -aq "$disk: its back end .* has not answered for 4 s" || fail "nobody noticed that the back end of $disk was stopped"
	done
	grep -aE 'I/O error|Buffer I/O|EXT4-fs error|EXT4-fs warning' "$tmp/console" && fail "the guest saw errors"
	clean_ext4 "$tmp/image"
}

# guest_with FILE MAIN: the initramfs of a small guest that runs MAIN; it has /bin/disk and /bin/wire.
guest_with() {
	python3 tests/lib/small_guest.py "$@" || error "no initramfs for the guest"
}

# dhcp_guest COMMANDS <ROUND: $tmp/main of a guest that asks for an address, runs COMMANDS, then what is on the input
# again and again. It says "address ADDRESS", "round N", "the link is down".
dhcp_guest() {
	cat >"$tmp/main" <<-END
		#!/bin/sh
		export PATH=/sbin:/bin
		exec >/dev/hvc0 2>&1
		ifconfig eth0 up && udhcpc -i eth0 -n -q -t 20 -s /etc/vmi/dhcp 2>/dev/null || echo "guest: FAIL no address"
		echo "guest: address \$(ifconfig eth0 | sed -n 's/.*inet addr:\([0-9.]*\).*/\1/p')"
		(while [ "\$(cat /sys/class/net/eth0/carrier)" = 1 ]; do usleep 200000; done; echo "guest: the link is down") &
		$1
		n=0
		while :; do
		$(cat)
			n=\$((n + 1))
			echo "guest: round \$n"
		done
	END
}

# storage_daemon DIR: qemu-storage-daemon, with_libraries.
storage_daemon() {
	with_libraries "$1" qemu-storage-daemon qemu-system-common
}

# with_libraries DIR PROGRAM PACKAGE: both for --add "DIR/usr" and so on: domain 0's user land has no libraries.
with_libraries() {
	local program
	program=$(command -v "$2") || skip "no $2 on this machine: install $3"
	mkdir -p "$1/usr/bin"
	cp -L "$program" "$1/usr/bin/"
	for f in $(ldd "$program" | grep -o '/[^ ]*'); do
		mkdir -p "$1$(dirname "$f")"
		cp -L "$f" "$1$f"
	done
}

# rebooted TIMES: a domain starts again so often, and its file system is clean each time.
rebooted() {
	cat >"$tmp/main" <<-END
		#!/bin/sh
		export PATH=/sbin:/bin
		exec >/dev/hvc0 2>&1
		mkdir /mnt && mount -t ext4 /dev/vda /mnt || { echo "guest: FAIL mount"; poweroff -f; }
		dmesg | grep -iE "EXT4-fs.*(recover|error|warning)|I/O error" && { echo "guest: FAIL it was not clean"; poweroff -f; }
		n=\$(cat /mnt/count 2>/dev/null || echo 0)
		[ \$n = 0 ] || cmp /bin/busybox /mnt/\$n || { echo "guest: FAIL the file of before"; poweroff -f; }
		n=\$((n + 1))
		echo \$n >/mnt/count && cp /bin/busybox /mnt/\$n && umount /mnt || { echo "guest: FAIL umount"; poweroff -f; }
		# Five within a minute are a loop to vmid.
		[ $1 -gt 5 ] && sleep 13
		[ \$n -le $1 ] && reboot -f
		echo "guest: done"
		poweroff -f
	END
	guest_xml guest 128 /srv/guest.cpio <<-'END'
		    <disk type='block' device='disk'>
		      <driver name='vmi' type='raw'/>
		      <source dev='/dev/vda'/>
		      <target dev='vda' bus='virtio'/>
		    </disk>
		    <console type='pty'/>
	END
	cat >"$tmp/inside" <<-'END'
		. /inside.sh
		/etc/vmi/domains || fail "vmid does not start"
		vmi -q define /guest.xml && vmi -q start guest || fail "the guest does not start"
		until vmi domstate guest | grep -q "shut off"; do sleep 1; done
		vmi log guest | grep "guest: "
		[ "$(says done)" ] || fail "the guest does not say that it is done"
		vmi log guest --lifecycle | grep -c "started again"
	END
	guest_with "$tmp/guest.cpio" "$tmp/main"
	ext4_image "$tmp/image" 64M
	in_domain0 --disk "$tmp/image" --timeout $((60 + 30 * $1))
	equal "starts" "$1" "$(tail -n 1 "$tmp/out")"
	clean_ext4 "$tmp/image"
}
