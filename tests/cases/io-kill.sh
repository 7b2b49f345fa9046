#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The back ends of a guest's disks are stopped once and killed five times under load: they are replaced, no error in the guest, nothing lost.
# seconds: 75
. tests/lib/case.sh
. tests/lib/io.sh

killed_back_ends 5
pass
