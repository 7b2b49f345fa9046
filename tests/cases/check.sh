#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Headers compile alone, files carry their licence, nothing is left over, line budgets hold.
# seconds: 20
. tests/lib/case.sh

make check || fail "make check found something (see the log)"
pass
