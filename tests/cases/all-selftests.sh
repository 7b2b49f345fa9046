#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: All of the kernel's self-tests in tests/selftests/list.txt have the native results in domain 0, or a difference that is explained.
# seconds: 3000
# long: yes
. tests/lib/case.sh

tests/debian/build && tests/selftests/build || error "it could not be built (see the log)"
tests/selftests/run || fail "results differ (see the log)"
pass
