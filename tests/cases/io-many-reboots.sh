#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A domain with a disk reboots twenty times: it has its disk again, with what it wrote, and a clean file system each time.
# seconds: 500
# long: yes
. tests/lib/case.sh
. tests/lib/domain0.sh
. tests/lib/io.sh

rebooted 20
pass
