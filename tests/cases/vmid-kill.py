#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: Whatever system call of a verb vmid is killed at, the next vmid shows the domain as before or as after it, and goes on with it.
# seconds: 60
"""Each verb in turn on a domain made for it; at every system call, one after
another, until the verb comes to its end unharmed. A reset replaces the domain
in two steps; the next vmid does the second, so it always ends with one that runs."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vmid import BUILD, VMID, Gone, Refused, Vmid  # noqa: E402

KILLAT = f"{BUILD}/tools-test/killat"
TMP = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"vmid-kill-{os.getpid()}")
failures = []


def state(v, name):
    d = v.domains().get(name)
    if not d:
        return None
    xml = v.call("DumpXML", domain=name)["xml"]
    word = {"idle": "running"}.get(d["state"], d["state"])
    return word, d["persistent"], d["autostart"], xml.split("<memory unit='KiB'>")[1].split("<")[0]


def defined(v):
    v.call("Define", xml=v.xml("d"))


def running(v):
    defined(v)
    v.call("Start", domain="d")


def paused(v):
    defined(v)
    v.call("Start", domain="d", paused=True)


def transient(v):
    v.call("Create", xml=v.xml("d"))


# verb, what is there before, parameters, what may be seen after a kill (None: no domain)
OFF, ON = ("shut off", True, False, "65536"), ("running", True, False, "65536")
PAUSED, AUTO = ("paused", True, False, "65536"), ("shut off", True, True, "65536")
CASES = [
    ("Define", None, lambda v: dict(xml=v.xml("d")), {None, OFF}),
    ("Define", defined, lambda v: dict(xml=v.xml("d").replace(">64<", ">128<")), {OFF, ("shut off", True, False, "131072")}),
    ("Undefine", defined, lambda v: dict(domain="d"), {OFF, None}),
    ("Undefine", running, lambda v: dict(domain="d"), {ON, ("running", False, False, "65536")}),
    ("Create", None, lambda v: dict(xml=v.xml("d")), {None, ("running", False, False, "65536")}),
    ("Start", defined, lambda v: dict(domain="d"), {OFF, ON}),
    ("Destroy", running, lambda v: dict(domain="d"), {ON, OFF}),
    ("Destroy", transient, lambda v: dict(domain="d"), {("running", False, False, "65536"), None}),
    ("Reset", running, lambda v: dict(domain="d"), {ON}),
    ("Reset", paused, lambda v: dict(domain="d"), {PAUSED, ON}),
    ("Reset", transient, lambda v: dict(domain="d"), {("running", False, False, "65536")}),
    ("Autostart", defined, lambda v: dict(domain="d"), {OFF, AUTO}),
    ("Rename", defined, lambda v: dict(domain="d", name="e"), {OFF, None}),
    ("SetMemory", running, lambda v: dict(domain="d", bytes=48 << 20), {ON}),
]


def one(verb, before, params, allowed, n):
    """True: the verb came to its end."""
    shutil.rmtree(TMP, ignore_errors=True)
    v = Vmid(TMP, VMID)
    if before:
        before(v)
    was = state(v, "d")
    v.connect()
    killer = subprocess.Popen([KILLAT, str(v.process.pid), str(n)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if killer.stdout.readline() != "ready\n":
        sys.exit("vmid cannot be followed: " + killer.communicate()[0])
    done = False
    try:
        v.call(verb, **params(v))
        done = True
    except Gone:
        pass
    except Refused as e:
        failures.append(f"{verb}, call {n}: refused: {e}")
        done = True
    survived = done and killer.poll() is None and v.process.poll() is None
    killer.kill()
    killer.wait()
    if v.process.poll() is None:
        v.kill()
    v.process.wait()
    v.start()
    now = state(v, "d")
    if now not in allowed:
        failures.append(f"{verb} of {was}, killed at call {n}: seen {now}")
    if verb == "Rename" and (now is None) != (state(v, "e") == was):
        failures.append(f"Rename, killed at call {n}: d is {now}, e is {state(v, 'e')}")
    # It can still be done with what one does with such a domain.
    try:
        if now and now[0] != "shut off":
            v.call("Destroy", domain="d")
        elif now:
            v.call("Start", domain="d")
    except Refused as e:
        failures.append(f"{verb}, killed at call {n}: then {e}")
    left = [f for f in os.listdir(f"{TMP}/state") if f.endswith(".new")]
    if left:
        failures.append(f"{verb}, killed at call {n}: left {left}")
    v.kill()
    return survived


def main():
    if os.getuid():
        print("only root may follow vmid")
        sys.exit(77)
    total = 0
    for verb, before, params, allowed in CASES:
        n = 0
        while not one(verb, before, params, allowed, n) and n < 200:
            n += 1
        total += n
        if n < 4 or n == 200:
            failures.append(f"{verb}: {n} kills")
    shutil.rmtree(TMP, ignore_errors=True)
    for f in failures:
        print(f)
    print(f"{total} kills in {len(CASES)} verbs")
    sys.exit(f"{len(failures)} failures, the first: {failures[0]}" if failures else 0)


main()
