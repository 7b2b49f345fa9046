#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmi-back vhost-user joins a guest to qemu-storage-daemon (qcow2): data verified; either side killed under load; lying servers; those that hang are named.
# seconds: 40
"""The guest is tests/lib/back.py, the server Debian's qemu-storage-daemon, or a
few lines here that lie."""
import json
import mmap
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from back import EVENT_IDX, INDIRECT, NEEDS_RESET, VERSION_1, Failed, Guest, Queue, check, need_io_uring, until  # noqa: E402

TMP = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"back-vhost-user-{os.getpid()}")
FLUSH_F, WCE_F, MQ_F, DISCARD_F = 1 << 9, 1 << 11, 1 << 12, 1 << 13
READ, WRITE, FLUSH, GET_ID, DISCARD = 0, 1, 4, 8, 11
SIZE = 256
BLOCK = 4096
DISK = 64 << 20


class Server:
    """qemu-storage-daemon with one qcow2 image."""
    started = []
    aborted = 0

    def __init__(self, image="disk.qcow2", queues=2, slow=0, writethrough="off"):
        self.image, self.queues, self.slow, self.writethrough = f"{TMP}/{image}", queues, slow, writethrough
        if not os.path.exists(self.image):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.image, str(DISK)], check=True)
        self.start()

    def start(self):
        for name in ("blk", "qmp"):
            if os.path.exists(f"{TMP}/{name}"):
                os.unlink(f"{TMP}/{name}")
        node = "image"
        argv = ["qemu-storage-daemon", "--blockdev", f"driver=file,filename={self.image},node-name=file,discard=unmap",
                "--blockdev", "driver=qcow2,file=file,node-name=image,discard=unmap"]
        if self.slow:
            argv += ["--object", f"throttle-group,id=t,x-iops-total={self.slow}",
                     "--blockdev", "driver=throttle,file=image,throttle-group=t,node-name=slow"]
            node = "slow"
        argv += ["--export", f"type=vhost-user-blk,id=e,node-name={node},writable=on,addr.type=unix,addr.path={TMP}/blk,num-queues={self.queues},"
                 f"writethrough={self.writethrough}",
                 "--chardev", f"socket,id=q,path={TMP}/qmp,server=on,wait=off", "--monitor", "chardev=q"]
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE)
        self.started.append(self.process)
        until(lambda: os.path.exists(f"{TMP}/qmp"), "qemu-storage-daemon does not start")

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(f"{TMP}/blk")
        except ConnectionRefusedError:
            # QEMU 7.2 at times fails an assertion of its own when a front ends with requests in flight: as the manager, start the next one.
            status, said = self.process.wait(10), self.process.stderr.read()
            check(status == -signal.SIGABRT and b"wait_idle" in said, f"qemu-storage-daemon ended with {status}:", said)
            self.aborted += 1
            self.start()
            return self.connect()
        return s

    def qmp(self, *commands):
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{TMP}/qmp")
        f = s.makefile("rw")
        f.readline()
        for command in ({"execute": "qmp_capabilities"}, *commands):
            f.write(json.dumps(command) + "\n")
            f.flush()
            answer = json.loads(f.readline())
            check("error" not in answer, answer)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        check(self.process.wait(10) == 0, "qemu-storage-daemon ended badly:", self.process.stderr.read())


class Disk:
    """A guest's disk; what it should hold is in `model`."""

    def __init__(self, connect, queues=2, extra=()):
        self.connect, self.queues, self.extra = connect, queues, extra
        self.guest = Guest("vhost-user", queues)
        self.model = {}
        self.start()

    def start(self):
        """The manager connects, and starts it."""
        end = time.monotonic() + 5
        while True:
            s = self.connect()
            self.guest.args = ("device=2", f"socket={s.fileno()}", f"queues={self.queues}", *self.extra)
            self.guest.files = [s.fileno()]
            try:
                return self.guest.start()
            except Failed:
                # A server that still ends the connection of before takes no new one.
                check(time.monotonic() < end, "vmi-back does not start", self.guest.lines)
            finally:
                s.close()

    def up(self, features=EVENT_IDX | INDIRECT | FLUSH_F | MQ_F | DISCARD_F):
        g = self.guest
        g.negotiate(features)
        self.q = [Queue(g, i, SIZE) for i in range(self.queues)]
        self.slots = [g.alloc(BLOCK + 32) for _ in range(160)]
        self.busy = {}
        g.go()
        return self

    def submit(self, what, sector, data=b"", q=0, room=0):
        g = self.guest
        at = self.slots.pop()
        g.write(at, struct.pack("<IIQ", what, 0, sector) + data + bytes([255] * (16 if not data else 1)))
        n = len(data) or room
        status = at + 16 + n
        g.write(status, b"\xff")
        out = [(at, 16)] + ([(at + 16, n)] if data else [])
        inward = ([(at + 16, n)] if room else []) + [(status, 1)]
        head = self.q[q].add(out=out, room=inward, indirect=bool(g.agreed & INDIRECT))
        self.busy[(q, head)] = (at, n, status, what, sector, data)
        return head

    def finish(self, q, got):
        done = []
        for head, _ in got:
            at, n, status, what, sector, data = self.busy.pop((q, head))
            check(self.guest.read(status, 1) == b"\0", f"request {what} of sector {sector} ended with", self.guest.read(status, 1))
            if what == WRITE:
                self.model[sector] = data
            done.append(self.guest.read(at + 16, n))
            check(what != READ or sector not in self.model or done[-1] == self.model[sector], f"sector {sector} has other data")
            self.slots.append(at)
        return done

    def do(self, what, sector, data=b"", q=0, room=0):
        self.submit(what, sector, data, q, room)
        self.q[q].kick()
        return self.finish(q, self.q[q].wait(1))[0]

    def load(self, nr, q=0):
        """So many writes, to sectors that have none under way."""
        under_way = {b[4] for b in self.busy.values()}
        for _ in range(nr):
            sector = random.randrange(DISK // BLOCK) * (BLOCK // 512)
            if sector not in under_way:
                under_way.add(sector)
                self.submit(WRITE, sector, random.randbytes(BLOCK), q)
        self.q[q].kick()

    def settle(self):
        for q in range(self.queues):
            while self.q[q].taken:
                self.finish(q, self.q[q].wait(1))

    def verify(self):
        for sector in self.model:
            self.do(READ, sector, room=BLOCK)


def data():
    """Reads give what was written, on every queue; the image has it, too. Flush, discard."""
    server = Server()
    disk = Disk(server.connect).up()
    g = disk.guest
    capacity, = struct.unpack_from("<Q", g.config(60))
    check(capacity == DISK // 512, "its capacity is", capacity)
    written = 0
    for i in range(40):
        disk.load(20, q=i & 1)
        written += len(disk.busy)
        disk.settle()
    disk.verify()
    rd, rd_bytes, rd_ns, wr, wr_bytes, wr_ns, flush, _, discard, discarded, errors = g.stats(11)
    check((rd, rd_bytes) == (len(disk.model), len(disk.model) * BLOCK) and rd_ns, "counted were reads:", rd, rd_bytes, rd_ns)
    check((wr, wr_bytes) == (written, written * BLOCK) and wr_ns and not flush + discard + errors, "counted were writes:", wr, wr_bytes, wr_ns)
    disk.do(FLUSH, 0)
    check(g.stats(7)[6] == 1, "the flush was not counted")
    check(not g.offered() & WCE_F, "a guest that believes the server's WCE never flushes")
    g.reset()
    disk.up(features=0)
    disk.verify()
    sector = next(iter(disk.model))
    g.reset()
    disk.up()
    disk.do(DISCARD, 0, struct.pack("<QII", sector, BLOCK // 512, 0))
    del disk.model[sector]
    disk.verify()
    check(g.stats(11)[8:] == (1, BLOCK, 0), "counted were discards and errors:", g.stats(11)[8:])
    # Beyond the end.
    head = disk.submit(READ, DISK // 512, room=BLOCK)
    disk.q[0].kick()
    disk.q[0].wait(1)
    at, n, status, *_ = disk.busy.pop((0, head))
    check(g.read(status, 1) == b"\1" and g.stats(11)[10] == 1, "an error was not counted", g.read(status, 1), g.stats(11))
    g.quit()
    server.stop()
    raw = f"{TMP}/raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", server.image, raw], check=True)
    with open(raw, "rb") as f:
        for sector, part in disk.model.items():
            f.seek(sector * 512)
            check(f.read(BLOCK) == part, f"sector {sector} of the image has other data")


def serial():
    """The serial number is the manager's word, also while the server does nothing; without one the server is asked."""
    server = Server("serial.qcow2")
    disk = Disk(server.connect)
    check(disk.up().do(GET_ID, 0, room=20).startswith(b"vhost_user_blk\0"), "the server's is lost")
    disk.guest.quit()
    disk = Disk(server.connect, extra=("serial=12345678901234567890",)).up()
    # One that served a request was told all that it needs.
    disk.do(READ, 0, room=BLOCK)
    server.process.send_signal(signal.SIGSTOP)
    check(disk.do(GET_ID, 0, room=20) == b"12345678901234567890", "the guest reads another")
    # Less room than that is an error.
    disk.submit(GET_ID, 0, room=19)
    disk.q[0].kick()
    (head, n), = disk.q[0].wait(1)
    at, room, status, *_ = disk.busy.pop((0, head))
    check(disk.guest.read(status, 1) == b"\1" and n == 1, "a short one ended with", disk.guest.read(status, 1), n)
    server.process.send_signal(signal.SIGCONT)
    disk.load(20)
    disk.settle()
    disk.verify()
    disk.guest.quit()
    server.stop()


def limits():
    """Writes over a limit wait, while reads pass; who waits survives a front's death, goes with a reset, and goes on without the limit."""
    server = Server("limits.qcow2")
    disk = Disk(server.connect).up()
    disk.load(20)
    disk.settle()
    disk.guest.quit()
    # One write passes, and is paid for in an hour.
    disk.extra = ("limits=0,0,1,0,0,0",)
    disk.start()
    disk.load(10, q=1)
    disk.load(10)
    writes = len(disk.busy)

    def left():
        for q in range(disk.queues):
            disk.finish(q, disk.q[q].take())
        return [b[3] for b in disk.busy.values()]

    for sector in [s for s in disk.model if s not in {b[4] for b in disk.busy.values()}][:5]:
        disk.submit(READ, sector, room=BLOCK)
    disk.submit(FLUSH, 0)
    disk.q[0].kick()
    until(lambda: left() == [WRITE] * (writes - 1), "reads, a flush and the first write wait for the writes' limit")
    disk.guest.kill()
    disk.start()
    disk.guest.tell("limits 0,0,0,0,0,0")
    disk.settle()
    disk.verify()
    disk.guest.tell("limits 0,0,4096,0,0,0")
    disk.load(20)
    disk.guest.reset()
    # What waited was not written, what did not wait may be.
    for at, n, status, what, sector, data in disk.busy.values():
        disk.model.pop(sector, None)
    disk.up()
    disk.guest.tell("limits 0,0,0,0,0,0")
    disk.load(20)
    disk.settle()
    disk.verify()
    # So few, but bursts of as many as there are.
    disk.guest.tell("limits 0,0,0,1,0,0,0,0,0,100000,0,0,0,0,0,0,60,0,0")
    disk.load(20)
    disk.settle()
    disk.verify()
    disk.guest.tell("limits nonsense")
    disk.guest.hear("not understood: limits nonsense")
    disk.guest.quit()
    server.stop()


def front_killed():
    """The front is killed with requests in flight: each is done once, none is lost, and the server lives but for a bug of its own."""
    server = Server("killed.qcow2", writethrough="on")
    disk = Disk(server.connect).up()
    for _ in range(20):
        disk.load(20, q=0)
        disk.load(20, q=1)
        time.sleep(random.random() * 0.002)
        disk.guest.kill()
        disk.start()
        disk.settle()
    disk.verify()
    disk.guest.quit()
    server.stop()
    if server.aborted:
        print(f"qemu-storage-daemon aborted {server.aborted} times")


def reborn(server, disk, both=False):
    """The server dies; the next one and a new front go on."""
    if both:
        disk.guest.kill()
    server.kill()
    if not both:
        disk.guest.hear("requests wait until a server is there again")
        check(disk.guest.process.wait(5) == 1, "the front goes on without a server")
    server.start()
    disk.start()


def server_killed():
    """
    The server is killed with requests in flight, on both queues, and with it the front: all are done in the end.
    Writes that were acknowledged are there: a server with a write cache would lose them with itself.
    """
    server = Server("server.qcow2", slow=1000, writethrough="on")
    disk = Disk(server.connect).up()
    disk.load(20)
    disk.settle()
    reborn(server, disk)
    for i in range(12):
        under_way = {b[4] for b in disk.busy.values()}
        for sector in list(disk.model)[:10]:
            if sector not in under_way:
                disk.submit(READ, sector, q=1, room=BLOCK)
        disk.submit(FLUSH, 0, q=i & 1)
        disk.load(20, q=0)
        disk.load(20, q=1)
        time.sleep(random.random() * 0.03)
        check(any(q.taken for q in disk.q), "nothing was in flight")
        reborn(server, disk, both=i % 4 == 3)
        # At times with the last ones still there.
        if i % 3:
            disk.settle()
    disk.settle()
    disk.verify()
    check(not disk.guest.answer() & NEEDS_RESET, "the device broke")
    # Nobody but the driver ends it.
    server.kill()
    disk.guest.process.wait(5)
    disk.load(5)
    server.start()
    disk.start()
    disk.settle()
    disk.guest.reset()
    disk.up()
    disk.load(5)
    disk.settle()
    disk.guest.quit()
    server.stop()


# ---- a server that lies ----

def message(request, payload=b"", flags=5):
    return struct.pack("<III", request, flags, len(payload)) + payload


class Liar:
    """Answers as a server does, but for what the test wants."""
    answers = {1: struct.pack("<Q", VERSION_1 | EVENT_IDX | INDIRECT | 1 << 30), 15: struct.pack("<Q", 1 | 8 | 32 | 512),
               17: struct.pack("<Q", 1), 24: struct.pack("<III", 0, 60, 0) + struct.pack("<Q", 1000) + bytes(52)}

    def __init__(self, lies):
        self.lies, self.said, self.news, self.fds, self.ring = lies, [], None, {}, None
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(5)

    def read(self, n):
        """n bytes, and the first descriptor that comes with them."""
        data, fds = b"", []
        while len(data) < n:
            part, some, _, _ = socket.recv_fds(self.ours, n - len(data), 8)
            if not part:
                return None, None
            data += part
            fds += some
        return data, fds

    def serve(self):
        """Until the front has the configuration, or has gone."""
        try:
            self.talk()
        except ConnectionError:
            pass

    def talk(self):
        while True:
            head, fds = self.read(12)
            if not head:
                return
            request, flags, size = struct.unpack("<III", head)
            body, _ = self.read(size) if size else (b"", [])
            if request == 21:
                self.news = socket.socket(fileno=fds.pop())
            for old in self.fds.pop(request, []):
                os.close(old)
            self.fds[request] = fds
            if request == 5:
                self.regions = [struct.unpack_from("<QQQQ", body, 8 + 32 * i) for i in range(len(fds))]
            if request == 9:
                self.ring = struct.unpack_from("<QQQ", body, 8)
            self.said.append(request)
            if request in self.lies:
                lie = self.lies[request]
                if lie is None:
                    return
                self.ours.sendall(lie)
            elif request in self.answers:
                self.ours.sendall(message(request, self.answers[request]))
            elif request == 11:
                self.ours.sendall(message(11, body))
            elif flags & 8:
                self.ours.sendall(message(request, bytes(8)))
            if request == 24 and not self.rings:
                return

    # ---- and its rings: those of the front's memory, the last region ----

    rings = False

    def start(self):
        """Serves its socket beside the test."""
        self.rings = True
        self.ours.settimeout(None)
        threading.Thread(target=self.serve, daemon=True).start()

    def begin(self):
        until(lambda: 18 in self.said, "the ring was not started")
        _, size, at, _ = self.regions[-1]
        self.memory = mmap.mmap(self.fds[5][-1], size)
        self.avail, self.used = self.ring[2] - at, self.ring[1] - at
        return self

    def taken(self):
        idx, = struct.unpack_from("<H", self.memory, self.avail + 2)
        return list(struct.unpack_from(f"<{idx}H", self.memory, self.avail + 4))

    def give(self, *back, idx=None):
        for i, (head, n) in enumerate(back):
            struct.pack_into("<II", self.memory, self.used + 4 + 8 * i, head, n)
        struct.pack_into("<H", self.memory, self.used + 2, len(back) if idx is None else idx)
        self.tell(13)

    def tell(self, request):
        os.eventfd_write(self.fds[request][0], 1)


def liars():
    """Each ends in one line that says why, and in no crash."""
    lies = {
        "closes": ({1: None}, "closed"),
        "answers another request": ({1: message(2, bytes(8))}, "answered 2"),
        "answers too much": ({1: message(1, bytes(64))}, "64 bytes"),
        "answers 4 GiB": ({1: struct.pack("<III", 1, 5, 0xffffffff)}, "4294967295 bytes"),
        "answers no reply": ({1: message(1, bytes(8), flags=1)}, "flags"),
        "another version": ({1: message(1, bytes(8), flags=6)}, "flags"),
        "no virtio 1.0": ({1: message(1, bytes(8))}, "no virtio 1.0"),
        "no queues": ({17: message(17, bytes(8))}, "0 queues"),
        "2^64 queues": ({17: message(17, b"\xff" * 8)}, "queues"),
        "refuses windows": ({5: message(5, struct.pack("<Q", 1))}, "refused request 5"),
        "no configuration": ({24: message(24)}, "refused request 24"),
        "garbage": ({15: random.randbytes(100)}, "answered"),
    }
    for what, (lie, why) in lies.items():
        liar = Liar(lie)
        g = Guest("vhost-user", 1, "device=2", f"socket={liar.theirs.fileno()}", files=[liar.theirs.fileno()])
        g.start(wait=False)
        liar.theirs.close()
        liar.serve()
        liar.ours.close()
        err = g.process.communicate(timeout=10)[1]
        check(g.process.returncode == 1 and why in err, f"{what}: {g.process.returncode} {err!r}")


def news():
    """A server that tells of a new size: the guest sees it. One that tells without end is left."""
    liar = Liar({})
    g = Guest("vhost-user", 1, "device=2", f"socket={liar.theirs.fileno()}", files=[liar.theirs.fileno()])
    g.start(wait=False)
    liar.theirs.close()
    liar.serve()
    g.hear("ready")
    liar.answers = {24: struct.pack("<III", 0, 60, 0) + struct.pack("<Q", 2000) + bytes(52)}
    liar.news.sendall(message(2, flags=1))
    liar.serve()
    until(lambda: struct.unpack_from("<Q", g.config(60))[0] == 2000, "the guest does not see the new size")
    liar.news.sendall(message(77, bytes(8), flags=9))
    request, flags, size, result = struct.unpack("<IIIQ", liar.news.recv(20))
    check((request, flags & 4, size) == (77, 4, 8) and result, "an unknown request was obeyed")
    liar.news.sendall(message(2, flags=1) * 100)
    g.hear("talks without end")
    check(g.process.wait(5) == 1, "it goes on with that server")


def lying_rings():
    """What a server writes into its rings breaks neither front nor device: the next server gets the same requests."""
    lies = {
        "of nobody": (lambda s, h: s.give((h ^ 1, 1)), "does not have"),
        "twice": (lambda s, h: s.give((h, 1), (h, 1)), "more requests than it has"),
        "too long": (lambda s, h: s.give((h, 18)), "wrote more than"),
        "no head": (lambda s, h: s.give((0xffffffff, 1)), "does not have"),
        "far ahead": (lambda s, h: s.give(idx=0x8000), "more requests than it has"),
        "an error": (lambda s, h: s.tell(14), "is no ring"),
        "closes": (lambda s, h: s.ours.shutdown(socket.SHUT_RDWR), "closed the connection"),
    }
    g = Guest("vhost-user", 1)
    q = None
    for what, (lie, why) in (*lies.items(), ("nothing", (None, None))):
        liar = Liar({})
        liar.start()
        g.args, g.files = ("device=2", f"socket={liar.theirs.fileno()}"), [liar.theirs.fileno()]
        g.start()
        liar.theirs.close()
        if not q:
            g.negotiate(EVENT_IDX | INDIRECT)
            q = Queue(g, 0, 8)
            at = g.alloc(64)
            g.go()
            head = q.add(out=[(at, 16)], room=[(at + 16, 17)], indirect=True)
            q.kick()
        liar.begin()
        until(liar.taken, f"{what}: nothing was passed on")
        check(liar.taken() == [head], f"{what}: passed on was", liar.taken())
        for size in (0, 1 << 20):
            try:
                os.ftruncate(liar.fds[5][-1], size)
            except PermissionError:
                continue
            raise Failed("a server can make the front's memory smaller or larger")
        if lie:
            lie(liar, head)
            g.hear(why)
            check(g.process.wait(5) == 1, f"{what}: it goes on with that server")
            check(not q.take() and not g.answer() & NEEDS_RESET, f"{what}: the guest sees it")
        else:
            liar.give((head, 17))
            check(q.wait(1) == [(head, 17)], "the honest server's answer was lost")
            g.kill()
        liar.ours.close()


def hangs():
    """Two servers give nothing back: one is stopped, one only waits. Both is said, once, and the end of it; what they had is done."""
    server = Server("hangs.qcow2")
    disk = Disk(server.connect, extra=("patience=12",)).up()
    disk.load(20)
    disk.settle()
    server.process.send_signal(signal.SIGSTOP)
    until(lambda: ") T " in open(f"/proc/{server.process.pid}/stat").read(), "it does not stop")
    disk.load(5)
    liar = Liar({})
    liar.start()
    g = Guest("vhost-user", 1, "device=2", f"socket={liar.theirs.fileno()}", "patience=12", files=[liar.theirs.fileno()])
    g.start()
    liar.theirs.close()
    g.negotiate(EVENT_IDX | INDIRECT)
    q = Queue(g, 0, 8)
    at = g.alloc(64)
    g.go()
    head = q.add(out=[(at, 16)], room=[(at + 16, 17)], indirect=True)
    q.kick()
    liar.begin()
    g.hear("has 1 request and gave none back for 12 s: it answers", 60)
    check(liar.said.count(1) == 2, "it was not asked once:", liar.said)
    liar.give((head, 17))
    check(q.wait(1) == [(head, 17)], "the answer was lost")
    g.hear("gives requests back again", 60)
    g.kill()
    liar.ours.close()
    disk.guest.hear("gave none back for 12 s: it does not answer", 60)
    server.process.send_signal(signal.SIGCONT)
    disk.settle()
    disk.guest.hear("gives requests back again", 60)
    disk.load(20)
    disk.settle()
    disk.verify()
    disk.guest.quit()
    server.stop()


def main():
    for program in ("qemu-storage-daemon", "qemu-img"):
        if not shutil.which(program):
            print(f"no {program} on this machine: install qemu-system-common and qemu-utils")
            return 77
    need_io_uring()
    os.makedirs(TMP)
    random.seed(1)
    try:
        for test in (data, serial, limits, front_killed, server_killed, liars, news, lying_rings, hangs):
            begin = time.monotonic()
            test()
            print(f"{test.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
    except Failed as e:
        print(f"{test.__name__}: {e}")
        return 1
    finally:
        for process in Server.started:
            process.kill()
        shutil.rmtree(TMP)
    print("data is whole")
    return 0


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
sys.exit(main())
