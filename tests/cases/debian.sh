#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Commands of a Debian user land (shell, C, sqlite, perl, gdb, 32-bit programs) give the same output natively and in domain 0.
# seconds: 300
. tests/lib/case.sh

tests/debian/build || error "the user land could not be built; run tests/debian/build"
tests/debian/compare --short || fail "the output differs (see the log)"
pass
