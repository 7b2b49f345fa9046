#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: make install puts each program where vmid and the units look for it, with manual pages, completion and units, and installs nothing elsewhere.
# seconds: 3
. tests/lib/case.sh

make -s install DESTDIR="$tmp/root" >"$tmp/said" 2>&1 || { cat "$tmp/said"; fail "make install"; }
# What the sources name, in a system whose /sbin is /usr/sbin.
ln -s usr/sbin "$tmp/root/sbin"
paths=$(grep -hoE '"/s?bin/vmi-[a-z-]+' dom0-tools/broker/*.[ch] | tr -d '"' | sort -u)
[ "$(wc -w <<<"$paths")" = 3 ] || fail "the broker starts other programs: $paths"
for path in $paths $(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' dom0-tools/systemd/*.service) /usr/bin/vmi /usr/sbin/vmi-boot; do
	[ -x "$tmp/root$path" ] || [ "$path" = /sbin/vmi-user-net -a ! -e /usr/include/slirp/libslirp.h ] || fail "$path is not installed"
done
for file in dom0-tools/man/*; do
	[ -s "$tmp/root/usr/share/man/man${file##*.}/$(basename "$file")" ] || fail "$file is not installed"
done
for file in dom0-tools/systemd/*.service dom0-tools/systemd/*.socket; do
	[ -s "$tmp/root/usr/lib/systemd/system/$(basename "$file")" ] || fail "$file is not installed"
done
group=$(sed -n 's/^SocketGroup=//p' dom0-tools/systemd/vmid.socket)
grep -q "^g $group " "$tmp/root/usr/lib/sysusers.d/vmi.conf" || fail "nobody makes the group $group, which a socket has"
equal "folders" "sbin usr" "$(cd "$tmp/root" && echo *)"
pass
