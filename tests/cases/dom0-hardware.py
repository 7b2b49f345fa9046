#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: Linux's own drivers for virtio-blk, AHCI, NVMe, virtio-net, e1000, a PCI serial port and the RTC work in domain 0 on this machine; ext4 survives a restart, clean.
# seconds: 60
# args: pc q35
"""Two boots of domain 0 with the same disks: the first writes, the second reads
what is there. Between and after them the host checks the file system."""
import hashlib
import os
import subprocess
import sys

sys.path.insert(0, "tests/lib")
from machine import Machine  # noqa: E402

TMP = os.environ.get("TMPDIR", "/tmp")
DISKS = {"vda": "virtio-blk-pci", "sda": "ide-hd,bus=ahci.0", "nvme0n1": "nvme,serial=vmi"}
MIB = 8

# Disks appear when they have spun up, which nobody waits for.
READY = r"""
mkdir -p /mnt
for d in vda sda nvme0n1; do
	for try in 1 2 3 4 5 6 7 8 9 10; do
		[ -b /dev/$d ] || sleep 1
	done
	[ -b /dev/$d ] || echo "no $d"
done
"""
FIRST = READY + r"""
for d in sda nvme0n1; do
	dd if=/pattern of=/dev/$d bs=64k conv=fsync 2>/dev/null || echo "$d: write failed"
done
mount -t ext4 /dev/vda /mnt && cp -r /bin /etc /pattern /mnt && sync && (cd /mnt; find . -type f | sort | xargs md5sum) | md5sum
umount /mnt
for n in /sys/class/net/eth*; do
	i=${n##*/}
	ifconfig $i 10.0.2.15 netmask 255.255.255.0 up
	sleep 1
	ping -c 3 -W 5 -I $i 10.0.2.2 >/tmp/ping || cat /tmp/ping
	echo "net $(basename $(readlink $n/device/driver)): $(grep -c 'bytes from' /tmp/ping)"
	ifconfig $i 0.0.0.0 down
done
for t in /sys/class/tty/ttyS*; do
	case $(readlink -f $t/device) in
	*/pci*) echo "serial says this" >/dev/${t##*/} && echo "serial: written" ;;
	esac
done
before=$(awk '/rtc0/ { print $2 }' /proc/interrupts)
echo +2 >/sys/class/rtc/rtc0/wakealarm
s=$(cat /sys/class/rtc/rtc0/since_epoch)
sleep 4
echo "rtc: $(($(cat /sys/class/rtc/rtc0/since_epoch) - s)) s, $(($(awk '/rtc0/ { print $2 }' /proc/interrupts) - before)) alarm"
cat /proc/interrupts
"""
SECOND = READY + r"""
for d in sda nvme0n1; do
	echo "$d: $(dd if=/dev/$d bs=64k count=128 2>/dev/null | md5sum)"
done
mount -t ext4 /dev/vda /mnt && (cd /mnt; find . -type f | sort | xargs md5sum) | md5sum
umount /mnt
"""


def fail(why, *texts):
    print(*texts, sep="\n")
    print(why)
    sys.exit(1)


def boot(machine, script, serial):
    args = f"-M {machine} -device ich9-ahci,id=ahci"
    for name, device in DISKS.items():
        args += f" -drive if=none,id={name},format=raw,file={TMP}/{name} -device {device},drive={name}"
    for i, device in enumerate(("virtio-net-pci", "e1000")):
        args += f" -netdev user,id=n{i},restrict=on -device {device},netdev=n{i}"
    args += f" -chardev file,id=s,path={serial} -device pci-serial,chardev=s"
    r = Machine(mem=256, qemu=args, add=[f"{TMP}/pattern"]).run(["sh", "-c", script], timeout=100)
    for word in ("BUG:", "WARNING: CPU", "Call Trace", "(vmi) error", "(vmi) panic"):
        if word in r.console.decode(errors="replace"):
            fail("the console has complaints", r.tail(80))
    if r.status:
        fail(f"status {r.status}: {r.reason}", r.text, r.tail(80))
    print(r.text)
    return r.text, r.tail(400)


def fsck():
    p = subprocess.run(["/sbin/e2fsck", "-f", "-n", f"{TMP}/vda"], capture_output=True, text=True)
    if p.returncode:
        fail("e2fsck finds damage", p.stdout, p.stderr)


def main(machine):
    pattern = os.urandom(MIB << 20)
    with open(f"{TMP}/pattern", "wb") as f:
        f.write(pattern)
    for name in DISKS:
        with open(f"{TMP}/{name}", "wb") as f:
            f.truncate(64 << 20)
    subprocess.run(["/sbin/mkfs.ext4", "-q", f"{TMP}/vda"], check=True)
    text, log = boot(machine, FIRST, f"{TMP}/serial")
    digest = text.split()[0]
    for want in ("net virtio_net: 3", "net e1000: 3", "serial: written", " 1 alarm"):
        if want not in text:
            fail(f"not seen: {want}", log)
    with open(f"{TMP}/serial") as f:
        if "serial says this" not in f.read():
            fail("nothing came out of the PCI serial port")
    fsck()
    text, log = boot(machine, SECOND, "/dev/null")
    for name in ("sda", "nvme0n1"):
        if f"{name}: {hashlib.md5(pattern).hexdigest()}" not in text:
            fail(f"{name} has not kept its data", log)
    if digest not in text.split("\n")[2]:
        fail(f"ext4: {digest} was written, something else read", log)
    fsck()


main(sys.argv[1])
