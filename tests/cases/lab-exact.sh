#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: tests/lab passes arguments and output byte for byte, binary and without a last newline.
# seconds: 25
# args: native dom0
. tests/lib/case.sh

args=('a b' '' "q'\"\$x\\" $'new\nline' 'ü' '*' '--native')
printf '%s|' "${args[@]}" >"$tmp/want"
status 0 $LAB --$1 -- printf '%s|' "${args[@]}"
cmp "$tmp/want" "$tmp/out" || fail "arguments changed on the way"

# All byte values, and more than any buffer on the way.
head -c 200000 /dev/urandom >"$tmp/random"
printf 'no newline: \r\n\n\r\003\021\023\377' >>"$tmp/random"
status 0 $LAB --$1 --add "$tmp/random:/data" -- cat /data
cmp "$tmp/random" "$tmp/out" || fail "binary output changed on the way"

status 0 $LAB --$1 -- true
[ -s "$tmp/out" ] && fail "output where there is none"
status 0 $LAB --$1 -- sh -c 'echo one; echo two >&2; echo three'
equal "standard output and error" $'one\ntwo\nthree' "$(cat "$tmp/out")"
pass
