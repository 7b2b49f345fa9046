#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: In domain 0 a card's frames pass through the kernel's vhost-net: offloads, link, kills, hostile rings.
# seconds: 60
#
# What tests/cases/back-net.py says of vhost-net, where the kernel has /dev/vhost-net.
. tests/lib/case.sh

tests/debian/build || error "the user land could not be built; run tests/debian/build"
status 0 $LAB --dom0 --debian --console "$tmp/console" --add tests/lib/back.py:/t/lib/ --add tests/cases/back-net.py:/t/cases/ \
	--add "$BUILD/back/vmi-back:/t/" -- sh -c 'export VMI_BACK=/t/vmi-back; cd /t/cases && python3 back-net.py vhost'
cat "$tmp/out"
no_complaints "$tmp/console"
pass
