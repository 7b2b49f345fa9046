#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: fio verifies what it wrote at random to a guest's disk, at depth 16 in blocks of 4 to 64 KiB, by io_uring and with flushes.
# seconds: 60
. tests/lib/case.sh

command -v fio >/dev/null || error "no fio: run make setup"
# fio and its libraries are a disk of the guest.
mkdir "$tmp/fio"
# shellcheck disable=SC2046	# a list of files
cp -L $(command -v fio) $(ldd "$(command -v fio)" | grep -o '/[^ ]*') "$tmp/fio"
truncate -s 128M "$tmp/image" && mke2fs -q -t ext4 -d "$tmp/fio" "$tmp/image" || error "no file system: install e2fsprogs"
status 0 $LAB --domu --disk "$tmp/image" --disk 32M --console "$tmp/console" -- sh -c '
	mkdir /fio && mount -t ext4 -o ro /dev/vda /fio || exit 1
	run() {
		/fio/ld-linux-x86-64.so.2 --library-path /fio /fio/fio --filename=/dev/vdb --direct=1 --bsrange=4k-64k --iodepth=16 --verify=crc32c \
			--verify_fatal=1 --randrepeat=0 --output-format=terse --minimal "$@" >/tmp/out 2>&1 || { cat /tmp/out; exit 1; }
		echo "fio $*"
	}
	run --name=random --rw=randrw --ioengine=io_uring
	run --name=flushes --rw=randwrite --ioengine=libaio --fdatasync=8 --size=8M
	run --name=again --rw=write --ioengine=io_uring --verify_backlog=64 --trim_percentage=10 --size=16M'
cat "$tmp/out"
no_complaints "$tmp/console"
pass
