# SPDX-License-Identifier: GPL-2.0-only
"""suites.py - tests that are not files of tests/cases: (name, argv, seconds, what it proves)."""


def tests():
    return []
