#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Linux guests beside domain 0 come up, die of panic, restart and power-off with their reasons while the others answer, and leave nothing behind; nor does a killed builder.
# seconds: 120
. tests/lib/case.sh
. tests/lib/guests.sh

run_guests 1024 4 10
