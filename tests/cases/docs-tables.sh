#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: The generated tables of docs/abi.md are up to date.
# seconds: 5
. tests/lib/case.sh

cp docs/abi.md "$tmp/abi.md" || error "there is no docs/abi.md"
hypervisor/tools/abigen include/vmi --doc "$tmp/abi.md" || error "abigen failed"
diff docs/abi.md "$tmp/abi.md" || fail "tables differ (< committed, > generated): run make docs"
pass
