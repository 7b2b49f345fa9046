#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The Debian root disk of make guest-debian boots as a guest to its login, with an address by DHCP; after each reboot its file system is clean.
# seconds: 900
# long: yes
. tests/lib/case.sh
. tests/lib/domain0.sh

cache=${VMI_CACHE:-$HOME/.cache/vmi}
pvguest/debian/build || fail "the disk cannot be made: see above"
cp --sparse=always "$cache/guest-debian/disk.img" "$tmp/disk.img"
sed "s|type='file' device|type='block' device|; s|<source file=.*|<source dev='/dev/vda'/>|; s|/boot/|/srv/|" docs/examples/debian.xml >"$tmp/debian.xml"
cat >"$tmp/inside" <<'END'
domain=debian
. /inside.sh
logins() { vmi log debian | grep -c "debian login:"; }
login() { [ "$(logins)" -ge "$1" ]; }
printed() { vmi log debian | tr '\r' '\n' | grep -q "^$1"; }

/etc/vmi/domains || fail "vmid does not start"
/etc/vmi/network || fail "no network"
vmi -q define /debian.xml && vmi -q start debian || fail "start"
for round in 1 2 3; do
	until_ok "no login in round $round" login $round
	type_in root
	type_in "systemctl is-system-running --wait; ip -4 -br address show eth0; echo round-$round-\$(systemctl --failed --no-legend | wc -l)"
	until_ok "round $round: units failed, or the shell does not answer" printed "round-$round-0"
	vmi log debian | tr '\r' '\n' | grep -q "eth0 .*10\.77\.0\." || fail "no address by DHCP"
	[ $round = 3 ] || type_in reboot
done
type_in poweroff
until_ok "it does not power off" state_is "shut off"
exit 0
END
in_domain0 --hv-append dom0_mem=400M --timeout 800 --disk "$tmp/disk.img"
e2fsck -fn "$tmp/disk.img" >"$tmp/fsck" 2>&1 || { cat "$tmp/fsck"; fail "the file system is not clean"; }
pass
