# SPDX-License-Identifier: GPL-2.0-only
"""back.py - vmi-back on this machine, with a guest and a manager that are this program.

Guest is one device's guest: a memory file as the window, a page as the slot,
eventfds as ports. Queue is a virtqueue as a driver has it: EVENT_IDX and
INDIRECT where they were agreed on. Nothing of it needs a machine or the
hypervisor.

usage: back.py COMMAND [ARG]...      run a test that wants io_uring of this machine, or skip it
"""
import ctypes
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import time

BUILD = os.environ.get("BUILD") or os.path.join(os.environ.get("VMI_CACHE", os.path.expanduser("~/.cache/vmi")), "build")
BACK = os.environ.get("VMI_BACK", f"{BUILD}/back/vmi-back")

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET = 1, 2, 4, 8, 64
INDIRECT, EVENT_IDX, VERSION_1, ACCESS_PLATFORM = 1 << 28, 1 << 29, 1 << 32, 1 << 33
NEXT, WRITE, TABLE = 1, 2, 4
PAGE = 4096
QUEUES = 26
STATE_SIZE = 512 + QUEUES * (64 + 16 * 1024)
STATE_STATS = 128           # struct back_state: where its kind's counters begin
GUEST, BACK_LINE, CONFIG, CONFIG_GUEST, QUEUE = 64, 128, 256, 512, 768     # in struct vmi_slot
WAIT = 10

_libc = ctypes.CDLL(None)


IO_URING_SETUP = 425


class Failed(Exception):
    pass


def need_io_uring():
    """Ends with SKIP where a ring cannot be made: containers often forbid it; domain 0, where vmi-back belongs, does not."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(IO_URING_SETUP, 1, ctypes.create_string_buffer(120))
    if fd < 0:
        print(f"this machine gives no io_uring: {os.strerror(ctypes.get_errno())}")
        sys.exit(77)
    os.close(fd)


def check(ok, *why):
    if not ok:
        raise Failed(" ".join(str(w) for w in why))


def until(what, why, seconds=WAIT):
    """Asks again until it is so, or fails."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        check(time.monotonic() < end, why)
        time.sleep(0.005)


class Queue:
    def __init__(self, guest, index, size):
        self.g, self.index, self.size = guest, index, size
        self.desc = guest.alloc(16 * size)
        self.avail = guest.alloc(6 + 2 * size)
        self.used = guest.alloc(6 + 8 * size)
        self.tables = guest.alloc(16 * 32 * size)
        self.free = list(range(size))
        self.taken = {}
        self.seen = self.added = self.kicked = 0
        line = QUEUE + 128 * index + 64
        struct.pack_into("<IIQQQ", guest.slot, line, size, 1, self.desc, self.avail, self.used)

    def put(self, at, index, addr, length, flags, after=0):
        struct.pack_into("<QIHH", self.g.mem, at - self.g.gpa + 16 * index, addr, length, flags, after)

    def add(self, out=(), room=(), indirect=False):
        """A request: out and room are lists of (address, length). Its head; seen by the device at once."""
        parts = [(a, n, 0) for a, n in out] + [(a, n, WRITE) for a, n in room]
        nr = 1 if indirect else len(parts)
        check(len(self.free) >= nr, "the test's queue is full")
        ids = [self.free.pop() for _ in range(nr)]
        if indirect:
            table = self.tables + 16 * 32 * ids[0]
            for i, (a, n, f) in enumerate(parts):
                self.put(table, i, a, n, f | (NEXT if i + 1 < len(parts) else 0), i + 1)
            self.put(self.desc, ids[0], table, 16 * len(parts), TABLE)
        else:
            for i, (a, n, f) in enumerate(parts):
                last = i + 1 == nr
                self.put(self.desc, ids[i], a, n, f | (0 if last else NEXT), 0 if last else ids[i + 1])
        self.taken[ids[0]] = ids
        self.expose(ids[0])
        return ids[0]

    def expose(self, head):
        at = self.avail - self.g.gpa
        struct.pack_into("<H", self.g.mem, at + 4 + 2 * (self.added % self.size), head)
        self.added = (self.added + 1) & 0xffff
        struct.pack_into("<H", self.g.mem, at + 2, self.added)

    def kick(self, always=False):
        """As a driver does: only where the device wants it."""
        _libc.sched_yield()     # an entry into the kernel orders stores before loads
        event, = struct.unpack_from("<H", self.g.mem, self.used - self.g.gpa + 4 + 8 * self.size)
        flags, = struct.unpack_from("<H", self.g.mem, self.used - self.g.gpa)
        if self.g.agreed & EVENT_IDX:
            wanted = (self.added - event - 1) & 0xffff < (self.added - self.kicked) & 0xffff
        else:
            wanted = not flags & 1
        self.kicked = self.added
        if wanted or always:
            os.eventfd_write(self.g.ports[1 + self.index][0], 1)
        return wanted

    def take(self):
        """What the device has given back since last time: [(head, bytes written)]."""
        at, got = self.used - self.g.gpa, []
        idx, = struct.unpack_from("<H", self.g.mem, at + 2)
        while self.seen != idx:
            head, n = struct.unpack_from("<II", self.g.mem, at + 4 + 8 * (self.seen % self.size))
            check(head in self.taken, f"queue {self.index}: head {head} was given back, and is not in flight")
            self.free += self.taken.pop(head)
            self.seen = (self.seen + 1) & 0xffff
            got.append((head, n))
        # Tell me of the next one.
        struct.pack_into("<H", self.g.mem, self.avail - self.g.gpa + 4 + 2 * self.size, self.seen)
        return got

    def wait(self, nr=1, seconds=WAIT):
        """At least so many, woken by the device's doorbell only."""
        got, end = self.take(), time.monotonic() + seconds
        while len(got) < nr:
            left = end - time.monotonic()
            check(left > 0, f"queue {self.index}: {len(got)} of {nr} requests came back in {seconds} s")
            self.g.bell(1 + self.index, left)
            got += self.take()
        return got


class Guest:
    gpa = 0x1000000

    def __init__(self, kind, queues, *args, files=(), share="bounce", size=16 << 20):
        self.kind, self.args, self.files, self.share = kind, args, list(files), share
        self.memfd = os.memfd_create("window")
        os.ftruncate(self.memfd, size)
        self.mem = mmap.mmap(self.memfd, size)
        self.slotfd = os.memfd_create("slot")
        os.ftruncate(self.slotfd, PAGE)
        self.slot = mmap.mmap(self.slotfd, PAGE)
        self.statefd = os.memfd_create("state")
        os.ftruncate(self.statefd, STATE_SIZE)
        self.state = mmap.mmap(self.statefd, STATE_SIZE)
        # What it is told by, what it tells with.
        self.ports = [(os.eventfd(0), os.eventfd(0, os.EFD_NONBLOCK)) for _ in range(1 + queues)]
        self.next = self.gpa
        self.agreed = 0
        self.process = None
        self.lines = []

    # ---- the manager ----

    def start(self, wait=True):
        ours, theirs = socket.socketpair()
        ports = ",".join(f"{20 + i}:{a}/{b}" for i, (a, b) in enumerate(self.ports))
        argv = [BACK, self.kind, f"slot={self.slotfd}", f"mem={self.gpa:#x}:{len(self.mem)}:{self.memfd}", f"ports={ports}",
                f"state={self.statefd}", f"ctl={theirs.fileno()}", f"share={self.share}", *self.args]
        fds = [self.slotfd, self.memfd, self.statefd, theirs.fileno(), *self.files, *(fd for p in self.ports for fd in p)]
        self.process = subprocess.Popen(argv, pass_fds=fds, stderr=subprocess.PIPE, text=True)
        theirs.close()
        self.ctl, self.heard = ours, b""
        if wait:
            self.hear("ready")
        return self

    def hear(self, pattern, seconds=WAIT):
        """Waits for a line that contains it."""
        end = time.monotonic() + seconds
        while True:
            for i, line in enumerate(self.lines):
                if pattern in line:
                    del self.lines[i]
                    return line
            self.ctl.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.ctl.recv(4096)
            except socket.timeout:
                raise Failed(f"vmi-back did not say '{pattern}' in {seconds} s, but {self.lines}")
            if not data:
                self.process.wait(WAIT)
                raise Failed(f"vmi-back ended ({self.process.returncode}): {self.process.stderr.read().strip()} {self.lines}")
            *lines, self.heard = (self.heard + data).split(b"\n")
            self.lines += [line.decode() for line in lines]

    def tell(self, line):
        self.ctl.sendall(line.encode() + b"\n")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.ctl.close()

    def quit(self):
        self.tell("quit")
        status = self.process.wait(WAIT)
        check(status == 0, f"vmi-back ended with {status}: {self.process.stderr.read()}")
        self.ctl.close()

    def stats(self, n):
        return struct.unpack_from(f"<{n}Q", self.state, STATE_STATS)

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # ---- the driver ----

    def bell(self, port, seconds=WAIT):
        """Waits until the device has raised this port (0: its own, then the queues); False: it has not."""
        fd = self.ports[port][1]
        if not select.select([fd], [], [], seconds)[0]:
            return False
        os.eventfd_read(fd)
        return True

    def alloc(self, size, align=PAGE):
        at = (self.next + align - 1) & -align
        self.next = at + size
        check(self.next - self.gpa <= len(self.mem), "the test's window is too small")
        self.mem[at - self.gpa:self.next - self.gpa] = bytes(size)
        return at

    def write(self, gpa, data):
        self.mem[gpa - self.gpa:gpa - self.gpa + len(data)] = data

    def read(self, gpa, n):
        return self.mem[gpa - self.gpa:gpa - self.gpa + n]

    def offered(self):
        return struct.unpack_from("<Q", self.slot, BACK_LINE + 8)[0]

    def answer(self):
        return struct.unpack_from("<I", self.slot, BACK_LINE + 4)[0]

    def config(self, n):
        return self.slot[CONFIG:CONFIG + n]

    def status(self, value):
        struct.pack_into("<I", self.slot, GUEST + 4, value)
        os.eventfd_write(self.ports[0][0], 1)

    def negotiate(self, features):
        """Up to FEATURES_OK; then come the queues, and go()."""
        must = VERSION_1 | (ACCESS_PLATFORM if self.share == "bounce" else 0)
        self.agreed = self.offered() & (features | must)
        self.status(ACKNOWLEDGE | DRIVER)
        struct.pack_into("<Q", self.slot, GUEST + 8, self.agreed)
        self.status(ACKNOWLEDGE | DRIVER | FEATURES_OK)
        until(lambda: self.answer() & FEATURES_OK, "FEATURES_OK was not answered")

    def go(self):
        self.status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)
        until(lambda: self.answer() & DRIVER_OK, "DRIVER_OK was not answered")

    def reset(self):
        self.status(0)
        until(lambda: self.answer() == 0, "the device was not reset")
        for i in range(len(self.ports) - 1):
            struct.pack_into("<I", self.slot, QUEUE + 128 * i + 68, 0)
        self.next = self.gpa


if __name__ == "__main__":
    need_io_uring()
    os.execv(sys.argv[1], sys.argv[1:])
