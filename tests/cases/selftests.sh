#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The kernel's own self-tests (the short set of tests/selftests/list.txt) have the native results in domain 0, or a difference that is explained.
# seconds: 300
. tests/lib/case.sh

# Both wait where another test builds them at the moment.
echo "+ tests/debian/build, tests/selftests/build"
tests/debian/build && tests/selftests/build || error "it could not be built (see the log)"
tests/selftests/run --short --timeout 420 || fail "results differ (see the log)"
pass
