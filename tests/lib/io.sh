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

# killed_back_ends TIMES: a guest writes and verifies while its back ends are killed.
killed_back_ends() {
	cat >"$tmp/beside" <<-END
		(n=0
		while [ \$n -lt $1 ]; do
			usleep 1200000
			pid=\$(pidof vmi-back) && kill -9 \$pid && n=\$((n + 1)) && echo "killed back ends, \$n" >/dev/console
		done) &
	END
	ext4_image "$tmp/image" 64M
	status 0 $LAB --domu --disk "$tmp/image" --disk 64M --beside "$tmp/beside" --timeout $((200 + 8 * $1)) --console "$tmp/console" -- \
		sh -c "mkdir /mnt && mount -t ext4 /dev/vda /mnt || exit 1
		/opt/vmi/disk verify /dev/vdb $((8 + 4 * $1)) & disk=\$!
		n=0
		while kill -0 \$disk 2>/dev/null; do
			cp /bin/busybox /mnt/\$((n % 4)) && sync && cmp /bin/busybox /mnt/\$((n % 4)) || exit 1
			n=\$((n + 1))
		done
		wait \$disk && umount /mnt && echo \"copied \$n times\""
	cat "$tmp/out"
	no_complaints "$tmp/console"
	grep -aq "killed back ends, $1" "$tmp/console" || fail "not all of the back ends were killed in time"
	grep -aE 'I/O error|Buffer I/O|EXT4-fs error|EXT4-fs warning' "$tmp/console" && fail "the guest saw errors"
	clean_ext4 "$tmp/image"
}
