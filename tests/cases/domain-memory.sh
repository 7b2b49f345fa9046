#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmi setmem takes memory from a running guest, which another domain gets, and gives it back; what is not free is refused.
# seconds: 60
. tests/lib/case.sh

cache=${VMI_CACHE:-$HOME/.cache/vmi}
mkdir "$tmp/xml"
cat >"$tmp/xml/big.xml" <<'END'
<domain type='vmi'>
  <name>big</name>
  <memory unit='MiB'>256</memory>
  <os>
    <type>pv</type>
    <kernel>/boot/vmlinux</kernel>
    <initrd>/boot/guest.cpio.gz</initrd>
    <cmdline>console=hvc0 hostname=big panic=1 quiet</cmdline>
  </os>
  <devices>
    <memballoon model='virtio'/>
  </devices>
</domain>
END
cat >"$tmp/inside" <<'END'
#!/bin/sh
fail() { echo "FAIL $*"; vmi log big | tail -n 30; vmi log big --lifecycle; cat /var/log/vmid.log; exit 1; }
until_ok() {
	what=$1 n=0
	shift
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 150 ] || fail "$what"
		usleep 200000
	done
}
alive() { vmi -q list >/dev/null 2>&1; }
free_kib() { vmi nodememstats | sed -n 's/^free *: *\([0-9]*\) KiB.*/\1/p'; }
freed() { [ $(($(free_kib) - before)) -ge "$1" ]; }
taken() { [ $(($(free_kib) - before)) -le "$1" ]; }

(while :; do vmid 2>>/var/log/vmid.log; usleep 300000; done) &
until_ok "vmid does not start" alive
vmi -q define /xml/big.xml && vmi -q start big || fail "start"
up() { vmi log big | grep -q "This is the domain big"; }
until_ok "the guest does not come up" up
before=$(free_kib)
[ -n "$before" ] || { vmi nodememstats; fail "freecell tells no free memory"; }

vmi setmem big 128M || fail "setmem 128M"
until_ok "128 MiB are not free after setmem: $before KiB before, $(free_kib) now" freed 131072
vmi setmem big 1G 2>/dev/null && fail "more than the domain was created with"

# Somebody else has it now, so it does not come back.
sed 's/>big</>small</; s/>256</>'$(($(free_kib) / 1024 - 40))'</' /xml/big.xml >/tmp/small.xml
vmi -q define /tmp/small.xml && vmi -q start small || fail "the freed memory is not for others"
vmi setmem big 256M 2>/tmp/err && fail "memory that another domain has is given again"
grep -q "too little memory" /tmp/err || { cat /tmp/err; fail "no line says that too little memory is free"; }
vmi -q destroy small || fail "destroy"

vmi setmem big 256M || fail "setmem 256M"
until_ok "the memory is not the guest's again" taken 1024
(usleep 200000; echo "dd if=/dev/zero of=/tmp/fill bs=1M count=90 && echo fill-\$((40 + 2))"; usleep 300000; printf '\035') | vmi console big >/dev/null
filled() { vmi log big | grep -q fill-42; }
until_ok "the guest cannot use its memory again" filled
[ "$(vmi domstate big)" = running ] || [ "$(vmi domstate big)" = idle ] || fail "it is $(vmi domstate big)"
echo PASS
END
chmod +x "$tmp/inside"
$LAB --mem 1024 --hv-append dom0_mem=400M --timeout 100 --add "$tmp/xml:/xml" --add "$tmp/inside:/inside" \
	--add "$cache/build/guest.cpio.gz:/boot/guest.cpio.gz" --add "$cache/linux/vmlinux:/boot/vmlinux" -- /inside >"$tmp/out" 2>&1
grep -q '^PASS' "$tmp/out" || { cat "$tmp/out"; fail "the memory of the guest does not follow"; }
pass
