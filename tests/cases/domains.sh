#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: In domain 0 the example domains start from their XML, answer on their consoles, go on while vmid is killed, and end when told.
# seconds: 90
. tests/lib/case.sh

cache=${VMI_CACHE:-$HOME/.cache/vmi}
cat >"$tmp/inside" <<'END'
domain=hello
. /inside.sh
# until_printed DOMAIN TEXT
printed() { vmi log "$1" | tr '\n' ' ' | grep -q "$2"; }
until_printed() { until_ok "$1 never says \"$2\"" printed "$@"; }
/etc/vmi/domains || fail "start"
[ "$(vmi list --name | sort | xargs)" = "hello server steady" ] || fail "list"
until_printed hello "This is the domain hello"
until_printed steady "This is the domain steady"
until_printed server "This is the domain server"
vmi suspend hello && [ "$(vmi domstate hello)" = paused ] || fail "suspend"
vmi resume hello || fail "resume"
id=$(vmi domid hello)
echo "killing vmid"
kill_vmid
[ "$(vmi domid hello)" = "$id" ] || fail "hello is another one after the kill"
(usleep 300000; echo 'echo answer $((6 * 7))'; sleep 3; printf '\035') | vmi console hello >/tmp/console
grep -q 'answer 42' /tmp/console || { cat /tmp/console; fail "hello does not answer on its console"; }
vmi shutdown hello --timeout 30 || fail "hello does not shut down when it is asked"
# steady starts again when it reboots.
(usleep 300000; echo reboot; sleep 1; printf '\035') | vmi console steady >/dev/null
again() { vmi log steady --lifecycle | grep -q "started again"; }
until_ok "steady does not start again" again
id=$(vmi domid steady)
until_printed steady "This is the domain steady.*This is the domain steady"
vmi reboot steady || fail "reboot"
another() { [ "$(vmi domid steady)" != "$id" ]; }
until_ok "steady does not reboot when it is asked" another
vmi destroy steady || fail "destroy"
vmi destroy server || fail "destroy server"
vmi start hello || fail "start hello again"
vmi destroy hello || fail "destroy hello"
[ "$(vmi list --all -o json | grep -c '"shut off"')" = 3 ] || fail "not all are shut off"
vmi doctor || fail "doctor"
END
status 0 $LAB --mem 1024 --hv-append dom0_mem=512M --add docs/examples:/etc/vmi/examples --add "$BUILD/guest.cpio.gz:/boot/guest.cpio.gz" \
	--add "$cache/linux/vmlinux:/boot/vmlinux" --add tests/lib/inside.sh --add "$tmp/inside" \
	--console "$tmp/console" -- sh /inside
cat "$tmp/out"
no_complaints "$tmp/console"
pass
