#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmi setmem takes memory from a running guest, which another domain gets, and gives it back; what is not free is refused.
# seconds: 60
. tests/lib/case.sh
. tests/lib/domain0.sh

guest_xml big 256 <<'END'
    <memballoon model='virtio'/>
END
cat >"$tmp/inside" <<'END'
domain=big
. /inside.sh
free_kib() { vmi nodememstats | sed -n 's/^free *: *\([0-9]*\) KiB.*/\1/p'; }
freed() { [ $(($(free_kib) - before)) -ge "$1" ]; }
taken() { [ $(($(free_kib) - before)) -le "$1" ]; }

/etc/vmi/domains || fail "vmid does not start"
vmi -q define /big.xml && vmi -q start big || fail "start"
up() { vmi log big | grep -q "This is the domain big"; }
until_ok "the guest does not come up" up
before=$(free_kib)
[ -n "$before" ] || { vmi nodememstats; fail "freecell tells no free memory"; }

vmi setmem big 128M || fail "setmem 128M"
until_ok "128 MiB are not free after setmem: $before KiB before, $(free_kib) now" freed 131072
refused "more than its maximum" vmi setmem big 1G

# Somebody else has it now, so it does not come back.
sed 's/>big</>small</; s/>256</>'$(($(free_kib) / 1024 - 40))'</' /big.xml >/tmp/small.xml
vmi -q define /tmp/small.xml && vmi -q start small || fail "the freed memory is not for others"
refused "too little memory" vmi setmem big 256M
vmi -q destroy small || fail "destroy"

vmi setmem big 256M || fail "setmem 256M"
until_ok "the memory is not the guest's again" taken 1024
type_in "dd if=/dev/zero of=/tmp/fill bs=1M count=90 && echo fill-\$((40 + 2))"
filled() { vmi log big | grep -q fill-42; }
until_ok "the guest cannot use its memory again" filled
state_is "running\|idle" || fail "it is $(vmi domstate big)"
exit 0
END
in_domain0 --hv-append dom0_mem=400M --timeout 100
pass
