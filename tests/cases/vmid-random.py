#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: After 500 random sequences of verbs, with vmid killed at random moments, every definition and every domain is as a model says.
# seconds: 60
"""The model knows, for each of a few names, the definition (its memory, whether
it is marked for autostart) and the state; a verb that was under way when vmid
was killed may have happened or not, and the model takes what it then sees, if
it is one of the two. Idle is running here. --seed N repeats a run."""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vmid import SANITIZED, Gone, Refused, Vmid  # noqa: E402

NAMES = ["a", "b", "c"]
SEQUENCES = 500


class Model:
    """memory: of the definition, None without one; state: None when it is unknown to vmid."""

    def __init__(self, memory=None, state=None, auto=False):
        self.memory, self.state, self.auto = memory, state, auto

    def key(self):
        return self.memory, self.state, self.auto

    def __repr__(self):
        return f"(definition {self.memory}, {self.state}, autostart {self.auto})"


def after(m, verb, arg):
    """The model after the verb, or None if it must be refused."""
    exists, active = m.state is not None, m.state not in (None, "off")
    if verb == "define":
        return Model(arg, m.state or "off", m.auto)
    if verb == "create":
        return None if exists else Model(None, "running")
    if verb == "undefine":
        if m.memory is None:
            return None
        return Model(None, m.state if active else None)
    if verb == "start":
        return Model(m.memory, "paused" if arg else "running", m.auto) if m.state == "off" else None
    if verb == "destroy":
        return Model(m.memory, "off" if m.memory else None, m.auto) if active else None
    if verb == "reset":
        return Model(m.memory, "running", m.auto) if active else None
    if verb == "suspend":
        return Model(m.memory, "paused", m.auto) if m.state == "running" else None
    if verb == "resume":
        return Model(m.memory, "running", m.auto) if m.state == "paused" else None
    if verb in ("shutdown", "reboot"):
        if m.state != "running":
            return None
        return Model(m.memory, ("off" if m.memory else None) if verb == "shutdown" else "running", m.auto)
    if verb == "autostart":
        return Model(m.memory, m.state, arg) if m.memory else None
    raise AssertionError(verb)


VERBS = ["define", "create", "undefine", "start", "start", "destroy", "reset", "suspend", "resume", "shutdown", "reboot", "autostart"]


def do(v, name, verb, arg):
    if verb in ("define", "create"):
        memory = arg or 64
        text = v.xml(name).replace(">64<", f">{memory}<")
        v.call(verb.capitalize(), xml=text)
    elif verb == "start":
        v.call("Start", domain=name, paused=arg)
    elif verb == "autostart":
        v.call("Autostart", domain=name, disable=not arg)
    else:
        v.call(verb.capitalize(), domain=name)


def seen(v, name):
    d = v.domains().get(name)
    if not d:
        return Model()
    memory = d["max_memory"] >> 20 if d["persistent"] else None
    if d["persistent"] and d["state"] != "shut off":
        xml = v.call("DumpXML", domain=name, inactive=True)["xml"]
        memory = int(xml.split("<memory unit='KiB'>")[1].split("<")[0]) >> 10
    state = {"idle": "running", "shut off": "off"}.get(d["state"], d["state"])
    return Model(memory, state, d["autostart"])


def settled(v, name, models):
    """What is seen, once it is one of the models: a guest takes a moment to end."""
    deadline = time.monotonic() + 5
    while True:
        s = seen(v, name)
        if any(s.key() == m.key() for m in models):
            return s
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def at_rest(v, name):
    """What is seen, once what the last sequence asked for is over."""
    while True:
        s = seen(v, name)
        if s.state in (None, "off", "running", "paused"):
            return s
        time.sleep(0.002)


def step(v, rng, models, history):
    name, verb = rng.choice(NAMES), rng.choice(VERBS)
    arg = {"define": rng.randrange(32, 128), "start": rng.random() < 0.3, "autostart": rng.random() < 0.5}.get(verb)
    m = models[name]
    new = after(m, verb, arg)
    kill = rng.random() < 0.08
    history.append(f"{verb} {name} {arg}{' KILL' if kill else ''}")
    if kill:
        timer = threading.Timer(rng.random() * 0.003, v.process.kill)
        timer.start()
    outcome = "lost"
    try:
        do(v, name, verb, arg)
        outcome = "done"
    except Refused as e:
        outcome = "refused"
        if new and not kill:
            return f"{verb} {name} on {m} is refused: {e}"
    except Gone:
        if not kill:
            return f"vmid died of {verb} {name}: {v.complaints()}"
    if kill:
        timer.join()
        v.process.wait()
        v.start()
    if outcome == "done" and not new:
        return f"{verb} {name} on {m} is not refused"
    wanted = [new] if outcome == "done" else [m] if outcome == "refused" else [m] + ([new] if new else [])
    s = settled(v, name, wanted)
    if not s:
        return f"after {verb} {name} ({outcome}): seen {seen(v, name)}, expected {' or '.join(map(str, wanted))}"
    models[name] = s
    return None


def sequence(v, rng):
    models = {n: at_rest(v, n) for n in NAMES}
    history = []
    for _ in range(rng.randrange(3, 12)):
        wrong = step(v, rng, models, history)
        if wrong:
            return wrong + "\nafter: " + ", ".join(history)
        extra = set(v.domains()) - {n for n in NAMES if models[n].state is not None}
        if extra:
            return f"there are others too: {extra}\nafter: " + ", ".join(history)
    return None


def main():
    seed = int(sys.argv[2]) if sys.argv[1:2] == ["--seed"] else random.randrange(1 << 30)
    rng = random.Random(seed)
    v = Vmid(os.path.join(os.environ.get("TMPDIR", "/tmp"), f"vmid-random-{os.getpid()}"), SANITIZED)
    wrong = None
    for i in range(SEQUENCES):
        wrong = sequence(v, rng)
        if wrong:
            break
    v.kill()
    if wrong or v.complaints():
        sys.exit(f"{v.complaints()}{wrong}\nsequence {i} of seed {seed}; vmid's log is {v.folder}/vmid.log")
    print(f"{SEQUENCES} sequences, seed {seed}")


main()
