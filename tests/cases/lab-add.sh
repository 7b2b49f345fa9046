#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab --add puts files and directories where they belong, with their modes.
# seconds: 10
. tests/lib/case.sh

mkdir -p "$tmp/d/sub"
printf '#!/bin/sh\necho "run with $1"\n' >"$tmp/d/prog"
chmod 755 "$tmp/d/prog"
echo inner >"$tmp/d/sub/file"
ln -s sub/file "$tmp/d/link"
status 0 $LAB --native --add "$tmp/d" --add "$tmp/d/prog" --add "$tmp/d/sub:/root/x/y" --add "$tmp/d/prog:/tmp/" -- \
	sh -c './d/prog 1; ./prog 2; cat /root/x/y/file; /tmp/prog 3; cat d/link; stat -c %a /d/sub/file /tmp'
cat >"$tmp/want" <<EOF
run with 1
run with 2
inner
run with 3
inner
644
1777
EOF
diff "$tmp/want" "$tmp/out" || fail "what arrived differs"
pass
