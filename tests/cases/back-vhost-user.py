#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmi-back vhost-user joins a guest to qemu-storage-daemon (qcow2): data verified; either side killed under load; lying servers.
# seconds: 20
"""The guest is tests/lib/back.py, the server Debian's qemu-storage-daemon, or a
few lines here that lie."""
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from back import EVENT_IDX, INDIRECT, NEEDS_RESET, VERSION_1, Failed, Guest, Queue, check, need_io_uring, until  # noqa: E402

TMP = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"back-vhost-user-{os.getpid()}")
FLUSH_F, WCE_F, MQ_F, DISCARD_F = 1 << 9, 1 << 11, 1 << 12, 1 << 13
READ, WRITE, FLUSH, DISCARD = 0, 1, 4, 11
SIZE = 256
BLOCK = 4096
DISK = 64 << 20


class Server:
    """qemu-storage-daemon with one qcow2 image."""
    started = []

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
        s.connect(f"{TMP}/blk")
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

    def __init__(self, connect, queues=2):
        self.connect, self.queues = connect, queues
        self.guest = Guest("vhost-user", queues)
        self.model = {}
        self.start()

    def start(self):
        """The manager connects, and starts it."""
        end = time.monotonic() + 5
        while True:
            s = self.connect()
            self.guest.args = ("device=2", f"socket={s.fileno()}", f"queues={self.queues}")
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
        self.slots = [g.alloc(BLOCK + 32) for _ in range(64)]
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
        for sector, data in self.model.items():
            check(self.do(READ, sector, room=BLOCK) == data, f"sector {sector} has other data")


def data():
    """Reads give what was written, on every queue; the image has it, too. Flush, discard."""
    server = Server()
    disk = Disk(server.connect).up()
    g = disk.guest
    capacity, = struct.unpack_from("<Q", g.config(60))
    check(capacity == DISK // 512, "its capacity is", capacity)
    for i in range(40):
        disk.load(20, q=i & 1)
        disk.settle()
    disk.verify()
    disk.do(FLUSH, 0)
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
    g.quit()
    server.stop()
    raw = f"{TMP}/raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", server.image, raw], check=True)
    with open(raw, "rb") as f:
        for sector, part in disk.model.items():
            f.seek(sector * 512)
            check(f.read(BLOCK) == part, f"sector {sector} of the image has other data")


def front_killed():
    """The front is killed with requests in flight: each is done once, none is lost, the server lives."""
    server = Server("killed.qcow2")
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


def server_killed():
    """
    With nothing in flight the next server goes on; with what cannot be told, the device says so. Writes that
    were acknowledged are there: a server with a write cache would lose them with itself.
    """
    server = Server("server.qcow2", slow=2000, writethrough="on")
    disk = Disk(server.connect).up()
    disk.load(20)
    disk.settle()
    server.kill()
    disk.guest.hear("requests wait until the server is there again")
    check(disk.guest.process.wait(5) == 1, "the front goes on without a server")
    disk.load(5)
    server.start()
    disk.start()
    disk.settle()
    disk.verify()
    # A few of the first ones in flight: which, is seen from the ring.
    server.slow = 10
    server.kill()
    disk.guest.process.wait(5)
    server.start()
    disk.start()
    disk.load(10)
    time.sleep(0.15)
    server.kill()
    disk.guest.process.wait(5)
    server.slow = 0
    server.start()
    disk.start()
    disk.settle()
    disk.verify()
    # Many: a ring does not keep so much history.
    for _ in range(30):
        disk.load(20)
        disk.settle()
    server.kill()
    disk.guest.process.wait(5)
    server.slow = 10
    server.start()
    disk.start()
    struct.pack_into("<Q", disk.guest.state, 128 + 8, 0x8000)   # as if it had begun long ago
    disk.load(10)
    server.kill()
    disk.guest.process.wait(5)
    disk.load(10)
    server.slow = 0
    server.start()
    disk.start()
    disk.guest.hear("is not known: the disk stays broken")
    check(disk.guest.answer() & NEEDS_RESET, "the device does not say NEEDS_RESET")
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
        self.lies, self.said, self.news = lies, [], None
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
            for fd in fds:
                os.close(fd)
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
            if request == 24:
                return


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


def main():
    for program in ("qemu-storage-daemon", "qemu-img"):
        if not shutil.which(program):
            print(f"no {program} on this machine: install qemu-system-common and qemu-utils")
            return 77
    need_io_uring()
    os.makedirs(TMP)
    random.seed(1)
    try:
        for test in (data, front_killed, server_killed, liars, news):
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
