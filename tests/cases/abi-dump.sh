#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: Sizes, offsets and numbers of the binary interface are those of the committed dump.
# seconds: 5
. tests/lib/case.sh

tests/abi/dump >"$tmp/dump" || error "tests/abi/dump failed"
diff tests/abi/abi.dump "$tmp/dump" || fail "the interface changed (< committed, > now); if that is wanted: make abi-dump, and raise the version"
pass
