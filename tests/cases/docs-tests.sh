#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Every test that docs/classical-problems.md names as evidence exists.
# seconds: 5
. tests/lib/case.sh

tests/run --no-build --list >"$tmp/list" || error "tests/run --list failed"
names=$(sed -n 's/^| \(`[^|]*`\) |.*/\1/p' docs/classical-problems.md | tr -d '`,')
[ -n "$names" ] || fail "docs/classical-problems.md names no test"
for name in $names; do
	grep -q "^$name " "$tmp/list" || fail "docs/classical-problems.md names $name, but there is no such test"
done
pass
