#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: The shell on a terminal takes commands, survives Ctrl-C, restarts on reboot, ends with poweroff or Ctrl-A X, and gives the terminal back.
# seconds: 30
# args: native dom0
"""A pseudo-terminal plays the user of `tests/lab` without a command."""
import os
import pty
import select
import sys
import termios
import time

mode = sys.argv[1]
seen = b""


def fail(why):
    sys.stdout.buffer.write(seen)
    print(f"\n{why}")
    sys.exit(1)


def expect(text, seconds=40):
    """Read until text appears; forget everything up to its end."""
    global seen
    end = time.monotonic() + seconds
    while text not in seen:
        if not select.select([master], [], [], max(0, end - time.monotonic()))[0]:
            fail(f"waited {seconds} s for {text!r}")
        try:
            data = os.read(master, 4096)
        except OSError:
            fail(f"the terminal closed before {text!r}")
        seen += data
    seen = seen[seen.index(text) + len(text):]


def send(line):
    os.write(master, line)


def start():
    """A new pseudo-terminal with the lab on it; returns process, terminal and its state before."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv("tests/lab", ["tests/lab", "--" + mode])
    return pid, fd, termios.tcgetattr(fd)


def finish():
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        fail(f"status {os.waitstatus_to_exitcode(status)} at the end")
    if termios.tcgetattr(master)[:4] != before[:4]:
        fail("the terminal is not as it was")
    os.close(master)


prompt = f"{mode}:/root# ".encode()
pid, master, before = start()
expect(b"To leave: poweroff, or Ctrl-A X.")
expect(prompt)
# The echo of the line holds the sum unevaluated.
send(b"echo sum $((40 + 2))\n")
expect(b"sum 42\r")
expect(prompt)
send(b"sleep 100\n")
time.sleep(0.5)
send(b"\x03")
expect(prompt)
send(b"reboot\n")
expect(b"To leave: poweroff, or Ctrl-A X.")
expect(prompt)
send(b"poweroff\n")
expect(b"Power down")
finish()

pid, master, before = start()
expect(b"To leave: poweroff, or Ctrl-A X.")
send(b"\x01x")
finish()
