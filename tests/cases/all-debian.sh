#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: All commands of tests/debian/commands.txt, with Python's own tests, give the same output natively and in domain 0.
# seconds: 3000
# long: yes
. tests/lib/case.sh

tests/debian/build || error "the user land could not be built; run tests/debian/build"
tests/debian/compare || fail "the output differs (see the log)"
pass
