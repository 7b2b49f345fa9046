#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A domain with a disk reboots twice: it has its disk again, with what it wrote, and a clean file system each time.
# seconds: 50
. tests/lib/case.sh
. tests/lib/domain0.sh
. tests/lib/io.sh

rebooted 2
pass
