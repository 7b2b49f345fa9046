# SPDX-License-Identifier: GPL-2.0-only
"""suites.py - tests that are not files of tests/cases.

tests() gives rows (name, argv, seconds, what it proves, long, verdicts): one
for each test of the probe guest (pvguest/probe), each suite of unit tests
(tests/unit) and each suite and fuzzer of the tools and of the back ends
(tests/tools, tests/back), as make built them.
"""
import glob
import os
import re

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BUILD = os.environ["BUILD"]
LONG = 90  # seconds from which a probe test is one of the long ones
LONG_STEPS = 4000000  # of random unit tests, in their long runs
PROBE_VERDICTS = {0: "PASS", 1: "FAIL", 2: "SKIP", 3: "ERROR", 4: "CRASH"}


def probes():
    """The probe's build writes its list: name, seconds, flags, summary."""
    path = f"{BUILD}/probe/probe.list"
    if not os.path.exists(path):
        return
    with open(path) as f:
        for line in f:
            name, seconds, _, summary = line.rstrip("\n").split("\t")
            # QEMU's start, and a machine that does something else besides.
            seconds = int(seconds) + 4
            # It gives up just before the runner would: it can say more.
            argv = [f"{TOP}/pvguest/probe/run", "--no-build", "--timeout", str(3 * seconds - 2), name]
            yield f"probe-{name}", argv, seconds, summary, seconds > LONG, PROBE_VERDICTS


def units():
    for path in sorted(glob.glob(f"{TOP}/tests/unit/test_*.c")):
        name = os.path.basename(path)[:-2]
        with open(path) as f:
            text = f.read()
        m = re.search(r"^ \* test_\w+\.c - (.*)$", text, re.M)
        proves = m.group(1) if m else f"The core's {name[5:]}, on this machine under the sanitisers."
        for binary in (name, name + ".smp"):
            path = f"{BUILD}/unit/{binary}"
            test = f"unit-{binary[5:].replace('_', '-').replace('.', '-')}"
            if not os.path.exists(path):
                continue
            yield test, [path], 20, proves
            if "UNIT_STEPS" in text:  # random: the more, the better
                yield f"soak-{test}", ["env", f"UNIT_STEPS={LONG_STEPS}", path], 300, proves, True


def suites_and_fuzzers(folder, prefix, built, before=()):
    """Suites (test_*.c) and fuzzers (fuzz_*.c) of a folder, as its Makefile built them; `before` starts suites."""
    for path in sorted(glob.glob(f"{TOP}/tests/{folder}/*_*.c")):
        name = os.path.basename(path)[:-2]
        if not name.startswith(("test_", "fuzz_")):
            continue
        with open(path) as f:
            text = re.search(rf"^ \* {name}\.c - (.*?)\n \*/", f.read(), re.M | re.S).group(1)
        proves = text.replace("\n *", "")
        if name.startswith("test_"):
            yield f"{prefix}-{name[5:]}", [*before, f"{BUILD}/{built}/{name}"], 20, proves
        else:
            seconds = 4
            yield f"{prefix}-{name.replace('_', '-')}", \
                [f"{TOP}/tests/tools/fuzz", f"{BUILD}/{built}/fuzz/{name}", str(seconds)], \
                seconds + 10, f"For {seconds} s: {proves}"


def tests():
    return [*probes(), *units(), *suites_and_fuzzers("tools", "tools", "tools-test"),
            *suites_and_fuzzers("back", "back", "back-test", ["python3", f"{TOP}/tests/lib/back.py"])]
