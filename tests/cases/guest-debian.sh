#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The Debian root disk of make guest-debian boots as a guest to its login, with an address by DHCP; after each reboot its file system is clean.
# seconds: 900
# long: yes
. tests/lib/case.sh

cache=${VMI_CACHE:-$HOME/.cache/vmi}
pvguest/debian/build || fail "the disk cannot be made: see above"
cp --sparse=always "$cache/guest-debian/disk.img" "$tmp/disk.img"
mkdir "$tmp/xml"
sed "s|type='file' device|type='block' device|; s|<source file=.*|<source dev='/dev/vda'/>|" docs/examples/debian.xml >"$tmp/xml/debian.xml"
cat >"$tmp/inside" <<'END'
#!/bin/sh
fail() { echo "FAIL $*"; vmi log debian | tail -n 40; vmi log debian --lifecycle; exit 1; }
until_ok() {
	what=$1 n=0
	shift
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 240 ] || fail "$what"
		sleep 1
	done
}
alive() { vmi -q list >/dev/null 2>&1; }
logins() { vmi log debian | grep -c "debian login:"; }
login() { [ "$(logins)" -ge "$1" ]; }
type_in() { (sleep 1; echo "$1"; sleep 1; printf '\035') | vmi console debian >/dev/null; }
said() { vmi log debian | tr '\r' '\n' | grep -q "^$1"; }

(while :; do vmid 2>>/var/log/vmid.log; usleep 300000; done) &
until_ok "vmid does not start" alive
/etc/vmi/network || fail "no network"
vmi -q define /xml/debian.xml && vmi -q start debian || fail "start"
for round in 1 2 3; do
	until_ok "no login in round $round" login $round
	type_in root
	type_in "systemctl is-system-running --wait; ip -4 -br address show eth0; echo round-$round-\$(systemctl --failed --no-legend | wc -l)"
	until_ok "round $round: units failed, or the shell does not answer" said "round-$round-0"
	vmi log debian | tr '\r' '\n' | grep -q "eth0 .*10\.77\.0\." || fail "no address by DHCP"
	[ $round = 3 ] || type_in reboot
done
type_in poweroff
off() { [ "$(vmi domstate debian)" = "shut off" ]; }
until_ok "it does not power off" off
echo PASS
END
chmod +x "$tmp/inside"
got=0
$LAB --mem 1024 --hv-append dom0_mem=400M --timeout 800 --disk "$tmp/disk.img" --add "$tmp/xml:/xml" --add "$tmp/inside:/inside" \
	--add "$cache/linux/vmlinux:/boot/vmlinux" --console "$tmp/console" -- /inside >"$tmp/out" 2>&1 || got=$?
cat "$tmp/out"
[ $got = 0 ] || fail "$(grep -a '^FAIL' "$tmp/out" || echo "status $got")"
no_complaints "$tmp/console"
e2fsck -fn "$tmp/disk.img" >"$tmp/fsck" 2>&1 || { cat "$tmp/fsck"; fail "the file system is not clean"; }
pass
