#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Compiler, sqlite, Python, storms of fork and of mmap and archives at once, for ten minutes (VMI_SOAK seconds), give the same results as natively, and the kernel complains of nothing.
# seconds: 1500
# long: yes
. tests/lib/case.sh

seconds=${VMI_SOAK:-600}
seed=$(date +%Y%m%d)
tests/debian/build || error "the user land could not be built; run tests/debian/build"
# The console stays with the log, for a failure's cause may be there.
console=$BUILD/test-logs/soak-mixed.console
# Natively each piece of work once is enough: the table is the same.
for run in native-1 dom0-"$seconds"; do
	mode=${run%-*}
	status 0 $LAB --"$mode" --debian --timeout $((seconds + 3600)) --console "$console" --add tests/debian/soak.py:/soak.py -- \
		python3 /soak.py "${run#*-}" "$seed"
	grep '^rounds' "$tmp/out"
	grep '^result' "$tmp/out" >"$tmp/$mode"
	no_complaints "$console"
done
diff "$tmp/native" "$tmp/dom0" || fail "the results differ from the native ones (lines above)"
pass
