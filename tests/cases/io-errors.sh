#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A bad sector, an image without space and one that became smaller give the guest I/O errors and domain 0's log their cause; everything else goes on. Where the policy is enospace the guest waits until there is space, and nothing is lost.
# seconds: 70
. tests/lib/case.sh

# Sector 4096 of domain 0's disk cannot be read. The second image and the fourth lie on 4 MiB for their 16; the third is cut off when the guest says so.
# The fourth gets more room when it has had none for a while.
bad="-drive if=none,id=bad,driver=blkdebug,image.driver=null-co,image.size=16M,image.read-zeroes=on,inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=4096"
cat >"$tmp/beside" <<'END'
mkdir /small && mount -t tmpfs -o size=4M none /small && truncate -s 16M /small/disk
mkdir /tight && mount -t tmpfs -o size=4M none /tight && truncate -s 16M /tight/disk
(until df /tight | grep -q "100%"; do usleep 200000; done
usleep 3000000
mount -o remount,size=32M /tight) &
truncate -s 16M /tmp/shrinks
(until dd if=/tmp/shrinks bs=512 count=1 2>/dev/null | grep -q 'cut here'; do usleep 200000; done
truncate -s 8M /tmp/shrinks) &
END
status 0 $LAB --domu --console "$tmp/console" --beside "$tmp/beside" --qemu "$bad -device virtio-blk-pci,drive=bad" \
	--boot "--disk /dev/vda --disk /small/disk,errors=report --disk /tmp/shrinks --disk /tight/disk" -- sh -c '
	fail() { echo "FAIL $*"; exit 1; }
	get() { dd if=$1 of=/dev/null bs=4k skip=$2 count=$3 iflag=direct 2>&1; }
	put() { dd if=/dev/zero of=$1 bs=4k seek=$2 count=$3 oflag=direct 2>&1; }
	get /dev/vda 512 1 | grep "Input/output error" || fail "the bad sector was read"
	get /dev/vda 500 12 | grep -q "12+0 records in" || fail "the sectors before it are bad, too"
	get /dev/vda 513 100 | grep -q "100+0 records in" || fail "the sectors behind it are bad, too"
	put /dev/vdb 0 512 | grep -q "512+0 records out" || fail "2 MiB do not go into 4"
	put /dev/vdb 512 2000 | grep "Input/output error" || fail "10 MiB go into 4"
	put /dev/vdb 0 512 | grep -q "512+0 records out" || fail "what was there cannot be written again"
	get /dev/vdb 0 4096 | grep -q "4096+0 records in" || fail "what was never written cannot be read"
	get /dev/vdc 4000 1 | grep -q "1+0 records in" || fail "the third disk cannot be read"
	echo "cut here" | dd of=/dev/vdc conv=sync 2>/dev/null && sync
	n=0
	until get /dev/vdc 4000 1 | grep "Input/output error"; do n=$((n + 1)); [ $n -lt 100 ] || fail "what is gone can be read"; usleep 200000; done
	get /dev/vdc 1000 100 | grep -q "100+0 records in" || fail "what is left cannot be read"
	yes "what is written to a full disk" | head -c 8388608 >/tmp/pattern
	dd if=/tmp/pattern of=/dev/vdd bs=64k oflag=direct 2>&1 | grep -q "128+0 records out" || fail "the disk without space did not wait for it"
	dd if=/dev/vdd bs=64k count=128 iflag=direct 2>/dev/null | cmp - /tmp/pattern || fail "what waited is not there"
	echo good'
cat "$tmp/out" "$tmp/err"
no_complaints "$tmp/console"
for line in 'vda: read at sector 4096: Input/output error' 'vdb: write at sector [0-9]*: no space left for the image' \
	'vdc: read at sector 32000: the image ends before; was it made smaller?' \
	'vdd: write at sector [0-9]*: no space left for the image; it is held' 'vdd: .* the disk goes on'; do
	grep -aqE "$line" "$tmp/err" "$tmp/out" "$tmp/console" || fail "nobody says \"$line\""
done
pass
