#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Disks and networks that cannot be are refused with their reason and leave no domain; two domains on one image are, unless they share it.
# seconds: 50
. tests/lib/case.sh

cat >"$tmp/inside" <<'END'
#!/bin/sh
fail() { echo "FAIL $*"; exit 1; }
boot="vmi-boot --kernel /boot/vmlinux --initrd /boot/guest.cpio.gz --memory 96M"
# refused TEXT OPTION...
refused() {
	text=$1
	shift
	$boot "$@" -- console=hvc0 >/tmp/out 2>&1 </dev/null && fail "started: $*"
	cat /tmp/out
	grep -qF -- "$text" /tmp/out || fail "\"$text\" is not the answer to $*"
}
dd if=/dev/zero of=/tmp/image bs=64k count=16 2>/dev/null
dd if=/dev/zero of=/tmp/odd bs=1000 count=1 2>/dev/null
printf 'QFI\373' >/tmp/qcow2
truncate -s 1M /tmp/qcow2
refused "No such file" --disk /tmp/nothing
refused "is a directory" --disk /tmp
refused "whole number of sectors" --disk /tmp/odd
refused "is said to be raw, but is qcow2" --disk /tmp/qcow2
refused "is said to be qcow2, but is raw" --disk /tmp/image,format=qcow2
refused "qemu-img convert -f vmdk" --disk /tmp/image,format=vmdk
refused "are both /tmp/image" --disk /tmp/image --disk /tmp/image
refused "20 are possible" --disk /tmp/image,serial=123456789012345678901
refused "there is no bridge br7: ip link add br7" --net br7
brctl addbr br0
refused "same MAC" --net br0,mac=52:00:00:00:00:01 --net br0,mac=52:00:00:00:00:01
refused "multicast" --net br0,mac=53:00:00:00:00:01
refused "is not known" --disk /tmp/image,chache=none
[ "$(ls /sys/class/net | grep -c vif)" = 0 ] || fail "a tap was left"
# guest NAME OPTION...: in the background; its log is /tmp/NAME
guest() {
	name=$1
	shift
	$boot --name "$name" --output "/tmp/$name" "$@" -- console=hvc0 </dev/null 2>"/tmp/$name.err" &
}
# up NAME
up() {
	n=0
	until grep -q "Run /init" "/tmp/$1" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 300 ] || { cat "/tmp/$1" "/tmp/$1.err"; fail "$1 does not start"; }
		usleep 100000
	done
}
guest first --disk /tmp/image
first=$!
up first
refused "in use by another domain" --disk /tmp/image
refused "in use by another domain" --disk /tmp/image,readonly
kill $first
wait
[ -z "$(pidof vmi-back)" ] || fail "a back end was left"
guest one --disk /tmp/image,shareable
one=$!
guest two --disk /tmp/image,shareable
up one
up two
kill $one $!
wait
END
cache=${VMI_CACHE:-$HOME/.cache/vmi}
status 0 $LAB --mem 1024 --hv-append dom0_mem=512M --add "$BUILD/guest.cpio.gz:/boot/guest.cpio.gz" --add "$cache/linux/vmlinux:/boot/vmlinux" \
	--add "$tmp/inside" --console "$tmp/console" -- sh /inside
cat "$tmp/out"
no_complaints "$tmp/console"
pass
