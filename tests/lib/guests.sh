# SPDX-License-Identifier: GPL-2.0-only
# guests.sh - Linux guests of domain 0 in the lab; for test cases, after case.sh.
# Their user land is busybox and an init that takes commands from its console.

# guest_initramfs FILE
guest_initramfs() {
	cat >"$tmp/init" <<-'EOS'
		#!/bin/busybox sh
		/bin/busybox mount -t proc proc /proc
		/bin/busybox mount -t devtmpfs dev /dev
		exec </dev/hvc0 >/dev/hvc0 2>&1
		echo "guest is up"
		while read -r command; do
			case $command in
			panic) echo c >/proc/sysrq-trigger ;;
			reboot) /bin/busybox reboot -f ;;
			off) /bin/busybox poweroff -f ;;
			*) echo "guest answers" ;;
			esac
		done
	EOS
	cat >"$tmp/poweroff" <<-'EOS'
		#!/bin/busybox sh
		exec /bin/busybox poweroff -f
	EOS
	python3 - "$1" "$tmp" <<-'EOS'
		import sys
		sys.path.insert(0, "tests/lib")
		from cpio import Cpio
		out, tmp = sys.argv[1:]
		a = Cpio()
		for d in ("bin", "sbin", "proc", "dev"):
		    a.dir(d)
		a.chardev("dev/console", 5, 1)
		a.file("bin/busybox", open("/bin/busybox", "rb").read(), 0o755)
		a.file("init", open(f"{tmp}/init", "rb").read(), 0o755)
		a.file("sbin/poweroff", open(f"{tmp}/poweroff", "rb").read(), 0o755)
		open(out, "wb").write(a.bytes())
	EOS
}

# run_guests MiB COUNT ROUNDS: the program of that name (tests/guest/domains.c) in a machine of so much memory.
run_guests() {
	local kernel=${VMI_CACHE:-$HOME/.cache/vmi}/linux/vmlinux

	guest_initramfs "$tmp/guest.cpio"
	status 0 $LAB --mem "$1" --hv-append dom0_mem=256M --timeout $((60 + $2 * 20 + $3 * 3)) --console "$tmp/console" \
		--add "$kernel:/vmlinux" --add "$tmp/guest.cpio:/guest.cpio" -- \
		/opt/vmi/domains --kernel /vmlinux --initrd /guest.cpio --count "$2" --rounds "$3"
	cat "$tmp/out"
	no_complaints "$tmp/console"
	pass
}
