#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The image of `make iso` boots by GRUB from BIOS (pc) and from UEFI (q35) to domain 0's shell, and powers off.
# seconds: 90
. tests/lib/case.sh

command -v grub-mkrescue >/dev/null || skip "no grub-mkrescue"
tests/iso "$tmp/vmi.iso" || fail "tests/iso failed"
boot() {
	local name=$1
	shift
	: >"$tmp/$name.log"
	# Not before the shell is there: GRUB listens, too.
	(for i in $(seq 60); do
		sleep 1
		grep -aqF 'vmi:/root#' "$tmp/$name.log" && break
	done
	sleep 1
	echo 'cat /proc/vmi/version; poweroff -f'
	sleep 5) |
		timeout 120 qemu-system-x86_64 -cpu max,-vmx,-svm -m 512 -accel tcg,thread=single -display none \
			-no-reboot -serial stdio -cdrom "$tmp/vmi.iso" "$@" >"$tmp/$name.log" 2>&1
	local rc=$?
	grep -aq '^version 1\.' "$tmp/$name.log" || { tail -n 40 "$tmp/$name.log"; fail "$name: no shell in domain 0"; }
	[ $rc = 0 ] || fail "$name: the machine did not power off (status $rc)"
}
boot bios -M pc
boot uefi -M q35 -bios /usr/share/ovmf/OVMF.fd
pass
