#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab --debian gives a Debian user land: files land there, a program compiles and runs, and it powers off (mode).
# seconds: 60
# args: native dom0 domu
. tests/lib/case.sh

tests/debian/build || error "the user land could not be built; run tests/debian/build"
echo 'int main(void) { return 3; }' >"$tmp/prog.c"
status 3 $LAB --"$1" --debian --console "$tmp/console" --add "$tmp/prog.c:/tmp/" -- \
	sh -c 'cd /tmp && head -n1 /etc/os-release && stat -c %a /tmp && gcc -o prog prog.c && ./prog'
no_complaints "$tmp/console"
equal output 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)" 1777' "$(tr '\n' ' ' <"$tmp/out" | sed 's/ $//')"
pass
