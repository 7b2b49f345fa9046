#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmi-back net moves frames both ways through a real tap, whole, with and without offloads; kills, full rings, link, limits and a removed tap.
# seconds: 7
"""In a network namespace of its own. The tap's other side is a packet socket:
what the guest sends comes out there byte for byte, and the reverse."""
import ctypes
import fcntl
import os
import random
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from back import EVENT_IDX, INDIRECT, NEEDS_RESET, Failed, Guest, Queue, check, need_io_uring, until  # noqa: E402

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFMTU = 0x8913, 0x8914, 0x8916, 0x891c, 0x8922
SIOCGIFHWADDR, SIOCSIFTXQLEN, SIOCSARP, RTM_DELLINK, IFF_RUNNING = 0x8927, 0x8943, 0x8955, 17, 0x40
TUNSETIFF, TAP, NO_PI, VNET_HDR, MULTI_QUEUE = 0x400454ca, 2, 0x1000, 0x4000, 0x100
CSUM, GUEST_CSUM, CTRL_OFFLOADS, MTU = 1, 1 << 1, 1 << 2, 1 << 3
GUEST_TSO4, HOST_TSO4, MRG, STATUS, CTRL_VQ, MQ = 1 << 7, 1 << 11, 1 << 15, 1 << 16, 1 << 17, 1 << 22
OURS, ITS, TYPE = bytes.fromhex("525400aabbcc"), bytes.fromhex("5254000a0b0c"), b"\x88\xb5"
SIZE = 256
RX, TX, CTRL = 0, 1, -1     # the last one
RX_PACKETS, RX_DROP, TX_PACKETS, TX_DROP = 1, 3, 5, 7
BUFFER = 2048
FEATURES = 72               # in struct vmi_slot: the driver's


def namespace():
    """Of its own; with one processor's taps and nobody else's frames."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000):
        print(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        sys.exit(77)
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as e:
        print(f"this machine gives no taps: /dev/net/tun: {e.strerror}")
        sys.exit(77)
    need_io_uring()


class Card:
    """A guest's card, and the host's side of its tap."""
    names = iter(range(100))
    vhost = False               # the kernel moves the frames

    def __init__(self, *args, mtu=1500, pairs=1, stream=False):
        self.name, self.pairs = f"t{next(self.names)}", pairs
        mac = "mac=" + ":".join(f"{b:02x}" for b in ITS)
        if stream:
            self.socket, self.far = socket.socketpair()
            self.socket.settimeout(5)
            self.taps = [self.far.detach()]
            self.args = f"stream={self.taps[0]}", mac, *args
            self.guest = Guest("net", 3)
            self.start()
            return
        self.taps = [os.open("/dev/net/tun", os.O_RDWR) for _ in range(pairs)]
        for tap in self.taps:
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", self.name.encode(), TAP | NO_PI | VNET_HDR | (MULTI_QUEUE if pairs > 1 else 0)))
        # The kernel would send frames of its own.
        if os.path.exists(f"/proc/sys/net/ipv6/conf/{self.name}"):
            with open(f"/proc/sys/net/ipv6/conf/{self.name}/disable_ipv6", "w") as f:
                f.write("1")
        self.ifreq(SIOCSIFMTU, "i12x", mtu)
        self.ifreq(SIOCSIFTXQLEN, "i12x", 64)
        self.ifreq(SIOCSIFFLAGS, "H14x", 0x1043)
        self.args = *(f"tap={tap}" for tap in self.taps), f"queues={pairs}", mac, *args
        self.guest = Guest("net", 2 * pairs + 1)
        self.start()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
        self.socket.bind((self.name, 0x88b5))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.settimeout(5)

    def start(self):
        g = self.guest
        vhosts = [os.open("/dev/vhost-net", os.O_RDWR) for _ in self.taps] if self.vhost else []
        g.args, g.files = self.args + tuple(f"vhost={fd}" for fd in vhosts), self.taps + vhosts
        try:
            g.start()
        finally:
            for fd in vhosts:
                os.close(fd)

    def ifreq(self, request, form, *values):
        """An ioctl on the tap's interface: its answer."""
        arg = self.name.encode().ljust(16, b"\0") + (struct.pack(form, *values) if values else bytes(16)) + bytes(8)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            return struct.unpack_from(form, fcntl.ioctl(s, request, arg), 16)

    def up(self, features=EVENT_IDX | INDIRECT | MRG | STATUS | CTRL_VQ, buffers=SIZE, buffer=BUFFER):
        g = self.guest
        g.negotiate(features)
        self.q = [Queue(g, i, SIZE) for i in range(2 * self.pairs + 1)]
        self.room = g.alloc(SIZE * max(buffer, BUFFER))
        self.place, self.buffer = {}, buffer
        self.out = g.alloc(1 << 17)
        self.fill(buffers)
        g.go()
        self.q[RX].kick()
        return self

    def fetched(self):
        """How many frames were read from the tap."""
        with open("/proc/net/dev") as f:
            return next(int(line.split(":")[1].split()[9]) for line in f if line.split(":")[0].strip() == self.name)

    def served(self):
        """It has started: what waited in the tap before is thrown away by now."""
        self.send(frame("host"))
        self.socket.recv(2000)
        return self

    def fill(self, nr):
        for _ in range(nr):
            used = set(self.place.values())
            at = next(self.room + i * self.buffer for i in range(SIZE) if self.room + i * self.buffer not in used)
            self.place[self.q[RX].add(room=[(at, self.buffer)])] = at

    def receive(self, seconds=5):
        """The next frame, with its header, and the buffers given back to the device."""
        got = self.q[RX].wait(1, seconds)
        frames = []
        while got:
            head, n = got.pop(0)
            at = self.place.pop(head)
            data = self.guest.read(at, n)
            nr, = struct.unpack_from("<H", data, 10)
            for _ in range(nr - 1):
                check(got, "a frame's buffers were not published together")
                head, n = got.pop(0)
                data += self.guest.read(self.place.pop(head), n)
            frames.append(data)
        return frames

    def send(self, frame, indirect=False, header=bytes(12), wait=True):
        self.guest.write(self.out, header + frame)
        cut = min(len(frame), 100)
        parts = [(self.out, 12), (self.out + 12, cut), (self.out + 12 + cut, len(frame) - cut)]
        self.q[TX].add(out=[p for p in parts if p[1]], indirect=indirect)
        self.q[TX].kick()
        if wait:
            self.q[TX].wait(1)

    def command(self, cls, cmd, data=b""):
        g = self.guest
        at = g.alloc(4096)
        g.write(at, bytes([cls, cmd]) + data)
        self.q[CTRL].add(out=[(at, 2)] + ([(at + 2, len(data))] if data else []), room=[(at + 100, 1)])
        self.q[CTRL].kick()
        self.q[CTRL].wait(1)
        return g.read(at + 100, 1)[0]

    def down(self):
        self.guest.quit()
        self.socket.close()
        for tap in self.taps:
            os.close(tap)


def frame(to, n=0):
    return (ITS if to == "guest" else OURS) + (OURS if to == "guest" else ITS) + TYPE + random.randbytes(n or random.randint(46, 1500))


def both_ways():
    """Every length, in one and in several descriptors; order kept; counted."""
    card = Card("mtu=1500").up().served()
    g = card.guest
    check(g.offered() & MTU, "MTU is not offered")
    config = struct.unpack("<6sHHH", g.config(12))
    check(config == (ITS, 1, 1, 1500), "its configuration is", config)
    for i in range(200):
        f = frame("host")
        card.send(f, indirect=bool(i & 1))
        got = card.socket.recv(65536)
        check(got == f, f"frame {i} of {len(f)} bytes came out as {len(got)} others")
    for burst in range(20):
        sent = [frame("guest") for _ in range(random.randint(1, 40))]
        for f in sent:
            card.socket.send(f)
        got = []
        while len(got) < len(sent):
            got += card.receive()
        check([f[12:] for f in got] == sent, f"burst {burst} of {len(sent)} frames came out as others")
        card.fill(SIZE - len(card.place))
        card.q[RX].kick()
    stats = g.stats(8)
    check(Card.vhost or stats[TX_PACKETS] == 201 and stats[RX_PACKETS] > 20 and not stats[RX_DROP] and not stats[TX_DROP], "counters:", stats)
    card.down()


def small_buffers():
    """A frame over many buffers, and one that waits until there are enough of them."""
    card = Card(mtu=9000).up(buffers=4, buffer=300).served()
    f = frame("guest", 5000)
    card.socket.send(f)
    time.sleep(0.1)
    check(not card.q[RX].take(), "a part of a frame was published")
    for _ in range(13):
        card.fill(1)
        card.q[RX].kick()
    got = card.receive()
    check(len(got) == 1 and got[0][12:] == f, "the frame came out as others")
    check(struct.unpack_from("<H", got[0], 10)[0] == 17, "it took", struct.unpack_from("<H", got[0], 10)[0], "buffers")
    # The link is down for a moment while one waits, and another in the tap, which is thrown away.
    card.fill(4 - len(card.place))
    card.q[RX].kick()
    before = card.fetched()
    card.socket.send(f := frame("guest", 5000))
    until(lambda: card.fetched() > before, "the frame is not fetched")
    card.socket.send(frame("guest", 5000))
    card.guest.tell("link 0")
    card.guest.tell("link 1")
    for _ in range(13):
        card.fill(1)
        card.q[RX].kick()
    got = card.receive()
    check(len(got) == 1 and got[0][12:] == f, "a frame that waited while the link was down came out as others")
    # Killed while it waits: the frame is lost, no buffer is.
    card.fill(4 - len(card.place))
    card.q[RX].kick()
    card.socket.send(frame("guest", 5000))
    time.sleep(0.1)
    card.guest.kill()
    card.start()
    card.fill(SIZE // 2 - len(card.place))
    card.q[RX].kick()
    f = frame("guest", 3000)
    card.socket.send(f)
    got = card.receive()
    check(len(got) == 1 and got[0][12:] == f, "after a kill, another frame")
    card.down()


def one_buffer_each():
    """Without MRG_RXBUF a frame that is longer than a buffer is dropped, and the buffer stays."""
    card = Card().up(features=EVENT_IDX, buffers=8, buffer=1000).served()
    card.socket.send(frame("guest", 1400))
    f = frame("guest", 900)
    card.socket.send(f)
    got = card.receive()
    check(len(got) == 1 and got[0][12:] == f and got[0][10:12] == b"\x01\0", "the second frame came out as another")
    check(card.guest.stats(8)[RX_DROP] == 1, "one frame was dropped:", card.guest.stats(8))
    card.down()


def no_reader():
    """No buffers: the tap keeps and drops, vmi-back sleeps; then what was kept comes."""
    card = Card().up(buffers=2).served()
    before = card.guest.cpu()
    for _ in range(1000):
        card.socket.send(frame("guest", 100))
    time.sleep(0.5)
    used = card.guest.cpu() - before
    check(used < 0.2, f"with a full ring it used {used:.2f} s of 0.5 s")
    check(len(card.receive()) == 2, "two buffers, two frames")
    card.fill(100)
    card.q[RX].kick()
    n = 0
    while n < 50:
        n += len(card.receive())
    card.down()


def offloads():
    """A TCP segment of 30000 bytes goes both ways whole; without TSO the kernel cuts it."""
    card = Card().up(features=EVENT_IDX | MRG | CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 | CTRL_VQ | CTRL_OFFLOADS)
    mac = card.ifreq(SIOCGIFHWADDR, "H6s8x")[1]
    address = socket.inet_aton("10.9.0.1")
    card.ifreq(SIOCSIFADDR, "HH4s8x", socket.AF_INET, 0, address)
    card.ifreq(SIOCSIFNETMASK, "HH4s8x", socket.AF_INET, 0, socket.inet_aton("255.255.255.0"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSARP, struct.pack("HH4s8xH6s8xi16x16s", socket.AF_INET, 0, socket.inet_aton("10.9.0.2"), 1, ITS, 6,
                                             card.name.encode()))
    server = socket.create_server(("10.9.0.1", 99))
    client = Tcp(card, mac, "10.9.0.2", "10.9.0.1", 99)
    server.settimeout(5)
    conn, _ = server.accept()
    payload = random.randbytes(30000)
    client.send(payload)
    conn.settimeout(5)
    got = b""
    while len(got) < len(payload):
        got += conn.recv(65536)
    check(got == payload, "a large segment came out as another")
    conn.sendall(payload)
    check(client.receive(len(payload)) == payload, "a large segment came in as another")
    check(client.largest > 1514, "no large segment came in, the largest had", client.largest)
    check(card.command(5, 0, struct.pack("<Q", 0)) == 0, "GUEST_OFFLOADS off was refused")
    check(card.command(5, 0, struct.pack("<Q", 1 << 8)) == 1, "an offload that was not agreed on was accepted")
    client.largest = 0
    conn.sendall(payload)
    check(client.receive(len(payload)) == payload, "cut segments came in as others")
    check(client.largest <= 1514, "with offloads off, a frame has", client.largest)
    conn.close()
    server.close()
    card.down()


class Tcp:
    """Just enough of TCP for the test above: it acknowledges, and never sends again."""

    def __init__(self, card, mac, source, to, port):
        self.card, self.mac, self.port, self.largest = card, mac, port, 0
        self.ips = socket.inet_aton(source) + socket.inet_aton(to)
        self.seq, self.ack = 1000, 0
        self.segment(2)
        flags, seq, _ = self.next()
        check(flags & 0x12 == 0x12, "no answer to SYN")
        self.seq, self.ack = 1001, seq + 1
        self.segment(0x10)

    def segment(self, flags, data=b""):
        size = b"\x02\x04\x05\xb4" if flags & 2 else b""      # MSS 1460
        header = 20 + len(size)
        pseudo = self.ips + struct.pack(">BBH", 0, 6, header + len(data))
        total = sum(struct.unpack(f">{len(pseudo) // 2}H", pseudo))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        # The checksum is left to whoever needs it: csum_start 34, csum_offset 16.
        tcp = struct.pack(">HHIIBBHHH", 1234, self.port, self.seq, self.ack, header << 2, flags, 65535, total, 0) + size
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + header + len(data), 1, 0x4000, 64, 6, 0) + self.ips
        total = sum(struct.unpack(">10H", head))
        total = ~((total & 0xffff) + (total >> 16)) & 0xffff
        head = head[:10] + struct.pack(">H", total) + head[12:]
        gso = struct.pack("<BBHHHHH", 1, 1 if len(data) > 1460 else 0, 54 if data else 0, 1460 if data else 0, 34, 16, 0)
        self.card.send(self.mac + ITS + b"\x08\0" + head + tcp + data, header=gso)
        self.seq += len(data)

    def next(self):
        """(flags, seq, data) of the next segment of ours."""
        while True:
            if not getattr(self, "waiting", None):
                self.waiting = self.card.receive()
                self.card.fill(SIZE - len(self.card.place))
                self.card.q[RX].kick()
            f = self.waiting.pop(0)[12:]
            if f[12:14] == b"\x08\0" and f[23] == 6:
                length, = struct.unpack_from(">H", f, 16)
                _, _, seq, _, off, flags = struct.unpack_from(">HHIIBB", f, 34)
                self.largest = max(self.largest, len(f))
                return flags, seq, f[34 + (off >> 4) * 4:14 + length]

    def send(self, data):
        self.segment(0x18, data)

    def receive(self, n):
        data = b""
        while len(data) < n:
            _, seq, part = self.next()
            if part and seq == self.ack:
                data += part
                self.ack += len(part)
                self.segment(0x10)
        return data


def control():
    """Filters are accepted, the address is the manager's, nonsense is refused."""
    card = Card().up()
    check(card.command(0, 0, b"\1") == 0, "promiscuous was refused")
    check(card.command(1, 0, bytes(8)) == 0, "a table of addresses was refused")
    check(card.command(1, 1, OURS) == 1, "another address was accepted")
    check(card.command(200, 3) == 1 and card.command(5, 0) == 1, "nonsense was accepted")
    card.down()


def datagram(to, port):
    """An IPv4 datagram of UDP, whose port decides which queue the tap gives it to."""
    data = random.randbytes(random.randint(20, 1400))
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0) + bytes([10, 9, 0, 1, 10, 9, 0, 2])
    return (ITS if to == "guest" else OURS) + (OURS if to == "guest" else ITS) + b"\x08\0" + ip + \
        struct.pack(">HHHH", port, 7, 8 + len(data), 0) + data


def pairs():
    """Three pairs: frames leave by each, and come by those that the driver uses, by no other; killed; a driver that knows only one."""
    card = Card(pairs=3)
    g = card.guest
    check(g.offered() & MQ and struct.unpack("<H", g.config(10)[8:]) == (3,), "three pairs are not offered")
    card.up(features=EVENT_IDX | INDIRECT | MRG | STATUS | CTRL_VQ | MQ)
    places = [card.place, {}, {}]
    for pair in (1, 2):
        room = g.alloc(SIZE * BUFFER)
        for i in range(SIZE):
            at = room + BUFFER * i
            places[pair][card.q[2 * pair].add(room=[(at, BUFFER)])] = at
        card.q[2 * pair].kick()

    def come(nr):
        """So many datagrams, each on any pair: the set of pairs."""
        sent, on = sorted(datagram("guest", 1000 + i) for i in range(nr)), set()
        for f in sent:
            card.socket.sendto(f, (card.name, 0x800))
        got, end = [], time.monotonic() + 5
        while len(got) < nr:
            check(time.monotonic() < end, f"{len(got)} of {nr} frames come")
            for pair, q in enumerate(card.q[0:6:2]):
                place = places[pair]
                buffers = [(place.pop(head), n) for head, n in q.take()]
                for at, n in buffers:
                    frame = g.read(at, n)[12:]
                    if frame[12:14] == b"\x08\0":
                        got.append(frame)
                        on.add(pair)
                    place[q.add(room=[(at, BUFFER)])] = at
                q.kick()
            time.sleep(0.002)
        check(sorted(got) == sent, "frames come out as others")
        return on

    def leave(pair):
        f = frame("host")
        g.write(card.out, bytes(12) + f)
        card.q[2 * pair + 1].add(out=[(card.out, 12 + len(f))])
        card.q[2 * pair + 1].kick()
        card.q[2 * pair + 1].wait(1)
        check(card.socket.recv(65536) == f, f"what pair {pair} sends comes out as another")

    card.served()
    check(come(40) == {0}, "frames come by a pair that is not used")
    for wrong in (0, 4, 65535):
        check(card.command(4, 0, struct.pack("<H", wrong)) == 1, f"{wrong} of 3 pairs were accepted")
    check(card.command(4, 1, struct.pack("<H", 2)) == 1 and card.command(4, 0, b"\2") == 1, "nonsense was accepted")
    for used in (3, 2, 1, 3):
        check(card.command(4, 0, struct.pack("<H", used)) == 0, f"{used} pairs were refused")
        for pair in range(used):
            leave(pair)
        on = come(40)
        check(on == set(range(used)), f"with {used} pairs, frames come by {on}")
    g.kill()
    card.start()
    on = come(40)
    check(on == {0, 1, 2}, f"after a kill, frames come by {on}")
    g.reset()
    g.status(3)
    struct.pack_into("<Q", g.slot, FEATURES, g.offered() & ~MQ)
    g.status(11)
    until(lambda: g.answer() & NEEDS_RESET, "a driver without MQ was accepted")
    g.reset()
    card.up(features=EVENT_IDX | INDIRECT | MRG | STATUS | CTRL_VQ | MQ).served()
    card.socket.sendto(f := datagram("guest", 1), (card.name, 0x800))
    check(card.receive()[-1][12:] == f, "the next driver has not one pair")
    card.down()


def fewer():
    """What a driver gave a pair to send before it uses fewer leaves and comes back, though its doorbell is late:
    TCP sends nothing again that it thinks is on its way. It is more than one round of vmi-back."""
    card = Card(pairs=3).up(features=EVENT_IDX | INDIRECT | MRG | STATUS | CTRL_VQ | MQ).served()
    g, q = card.guest, card.q[5]
    for used in (1, 2):
        check(card.command(4, 0, struct.pack("<H", 3)) == 0, "3 pairs were refused")
        sent = [frame("host", 100 + n) for n in range(200)]
        for n, f in enumerate(sent):
            g.write(card.out + 512 * n, bytes(12) + f)
            q.add(out=[(card.out + 512 * n, 12 + len(f))])
        check(card.command(4, 0, struct.pack("<H", used)) == 0, f"{used} pairs were refused")
        q.kick(always=True)
        q.wait(len(sent))
        check([card.socket.recv(2000) for _ in sent] == sent, "frames come out as others")
    card.down()


def link():
    """Down and up by the manager; the guest hears of it, and nothing passes meanwhile."""
    card = Card().up()
    g = card.guest
    while g.bell(0, 0.1):
        pass
    g.tell("link 0")
    until(lambda: g.config(8)[6] == 0, "the link stays up for the guest")
    check(g.bell(0), "the guest was not told")
    until(lambda: not carrier(card), "the tap has a carrier still")
    card.send(frame("host"), wait=not card.vhost)
    check(not select.select([card.socket], [], [], 0.1)[0], "a frame passed")
    check(card.vhost or g.stats(8)[TX_DROP] == 1, "it is not counted")
    g.tell("link 1")
    until(lambda: g.config(8)[6] == 1, "the link stays down")
    until(lambda: carrier(card), "the tap has no carrier")
    # The kernel's vhost-net keeps what was sent meanwhile.
    if card.vhost:
        card.socket.recv(2000)
    f = frame("host")
    card.send(f)
    check(card.socket.recv(2000) == f, "no frame passes after link 1")
    f = frame("guest")
    card.socket.send(f)
    check(card.receive()[-1][12:] == f, "no frame comes after link 1")
    card.down()


def carrier(card):
    return card.ifreq(SIOCGIFFLAGS, "H14x")[0] & IFF_RUNNING


def gone():
    """The tap is removed: an error line, link down, no busy loop, sending loses and does not hang."""
    card = Card().up()
    g = card.guest
    index = socket.if_nametoindex(card.name)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("IHHIIBxHiII", 32, RTM_DELLINK, 1, 0, 0, 0, 0, index, 0, 0))
    g.hear("error the tap is gone")
    until(lambda: g.config(8)[6] == 0, "the link stays up")
    before = g.cpu()
    for _ in range(10):
        card.send(frame("host"))
    time.sleep(0.3)
    check(g.cpu() - before < 0.1, "it is busy with nothing")
    g.tell("link 1")
    time.sleep(0.05)
    check(g.config(8)[6] == 0, "link up without a tap")
    g.quit()


def limits():
    """100,000 bytes a second, of which 10,000 are free: never faster, nothing is lost, and live without a limit again."""
    def fill(card, nr):
        begin, got = time.monotonic(), 0
        for n in range(nr):
            card.socket.send(frame("guest", n).ljust(1000, b"."))
        while got < nr:
            got += len(card.receive())
        return time.monotonic() - begin

    def empty(card, nr):
        begin = time.monotonic()
        for n in range(nr):
            card.send(frame("host", n).ljust(1000, b"."))
        return time.monotonic() - begin

    card = Card("in=100000,0,0", "out=100000,1000000,20000").up().served()
    for what, least in ((fill, 0.3), (empty, 0.2)):
        check(what(card, 50) > least, f"{what.__name__}: faster than its limit")
    card.guest.tell("in 0,0,0")
    card.guest.tell("out 1,2")
    card.guest.hear("not understood: out 1,2")
    card.fill(50)
    check(fill(card, 50) < 5, "what has no limit waits")
    card.down()


def killed():
    """Killed 20 times while frames go both ways: no buffer is lost or given back twice."""
    card = Card().up().served()
    g = card.guest
    for i in range(20):
        for _ in range(8):
            card.socket.send(frame("guest", 200))
            card.send(frame("host", 200), wait=False)
        time.sleep(random.random() * 0.004)
        g.kill()
        card.start()
        # take() fails on a head that is not in flight.
        card.q[TX].kick(always=True)
        until(lambda: (card.q[TX].take(), not card.q[TX].taken)[1], f"kill {i}: what was sent does not come back")
        for head, _ in card.q[RX].take():
            card.place.pop(head)
        card.fill(SIZE - len(card.place))
        card.q[RX].kick(always=True)
    card.socket.send(f := frame("guest", 1000))
    end = time.monotonic() + 5
    while not any(x[12:] == f for x in card.receive()):
        check(time.monotonic() < end, "no frame comes after the last kill")
    card.down()


def hostile():
    """Rings that are none break the device, a reset repairs it."""
    card = Card()
    g = card.guest
    for q in (RX, TX, CTRL):
        for what in range(4):
            card.up(buffers=0)
            ring = card.q[q]
            head = SIZE + 5 if what == 0 else 3
            if what == 1:
                ring.put(ring.desc, 3, g.gpa + len(g.mem) - 10, 4096, 2 if q == RX else 0)
            elif what == 2:
                ring.put(ring.desc, 3, g.gpa, 0xffffffff, 1, 3)
            elif what == 3:
                struct.pack_into("<H", g.mem, ring.avail - g.gpa + 2, 0x8000)
            if what < 3:
                ring.expose(head)
            ring.kick(always=True)
            until(lambda: g.answer() & NEEDS_RESET, f"queue {q}, lie {what}: the device is not broken")
            g.reset()
    # Chains of no use are given back: nothing to read, nothing to write, too short for a header.
    card.up(buffers=0).served()
    at = g.alloc(4096)
    card.q[RX].add(out=[(at, 100)])
    card.q[TX].add(room=[(at, 100)])
    card.q[TX].add(out=[(at, 5)])
    card.q[CTRL].add(out=[(at, 1)])
    card.socket.send(frame("guest"))
    for q, nr in ((RX, 1), (TX, 2), (CTRL, 1)):
        card.q[q].kick(always=True)
        card.q[q].wait(nr)
    card.fill(16)
    card.q[RX].kick()
    check(card.receive(), "no frame comes after that")
    card.down()


def vhost_hostile():
    """A ring that is none: the kernel says so, and the device is broken until a reset."""
    card = Card()
    for q in (RX, TX):
        card.up(buffers=0).served()
        card.socket.send(frame("guest"))
        card.q[q].expose(SIZE + 5)
        card.q[q].kick(always=True)
        until(lambda: card.guest.answer() & NEEDS_RESET, f"queue {q}: the device is not broken")
        card.guest.reset()
    card.up().served()
    f = frame("guest")
    card.socket.send(f)
    check(card.receive()[-1][12:] == f, "no frame comes after a reset")
    card.down()


def stream():
    """A stream socket instead of a tap: whole frames however the stream is cut, nothing lost by a slow reader, ends with its far end."""
    card = Card(stream=True)
    g = card.guest
    check(not g.offered() & (CSUM | GUEST_CSUM | GUEST_TSO4 | HOST_TSO4 | CTRL_OFFLOADS), "offloads are offered:", hex(g.offered()))
    card.up()
    with_length = lambda f: struct.pack(">I", len(f)) + f
    sent = [frame("guest", n) for n in (50, 1500, 9000, 65000, 14, 700)]
    data = b"".join(with_length(f) for f in sent)
    at, got = 0, []
    while at < len(data):
        n = random.choice((1, 3, 100, 30000))
        card.socket.sendall(data[at:at + n])
        at += n
        time.sleep(0.001)
    while len(got) < len(sent):
        got += card.receive()
    check([f[12:] for f in got] == sent and not any(f[0][:10].strip(b"\0") for f in zip(got)), "frames came in as others")
    card.fill(SIZE - len(card.place))
    # More than the socket and all buffers hold; nobody reads.
    sent = [frame("host", 4000) for _ in range(200)]
    places = [g.alloc(4096) for _ in sent]
    for at, f in zip(places, sent):
        g.write(at, bytes(12) + f)
        card.q[TX].add(out=[(at, 12 + len(f))])
    card.q[TX].kick()
    time.sleep(0.2)
    before = g.cpu()
    time.sleep(0.3)
    check(g.cpu() - before < 0.1, "it is busy with waiting")
    check(len(card.q[TX].take()) < 200, "the test's frames are too few")
    want, got = b"".join(with_length(f) for f in sent), b""
    while len(got) < len(want):
        got += card.socket.recv(65536)
    check(got == want, "frames went out as others")
    until(lambda: (card.q[TX].take(), not card.q[TX].taken)[1], "what was sent does not come back")
    check(g.stats(8)[TX_PACKETS] == 200 and not g.stats(8)[TX_DROP], "counters:", g.stats(8))
    g.tell("link 0")
    until(lambda: g.config(8)[6] == 0, "the link stays up for the guest")
    card.socket.sendall(with_length(frame("guest")))
    g.tell("link 1")
    until(lambda: g.config(8)[6] == 1, "the link stays down")
    card.socket.sendall(with_length(f := frame("guest")))
    check(card.receive()[-1][12:] == f, "no frame comes after link 1")
    card.socket.close()
    os.close(card.taps[0])
    g.hear("error vmi-user-net has ended")
    check(g.process.wait(5) == 1, "it goes on without a far end")
    for wrong in (struct.pack(">I", 13) + bytes(13), b"\xff" * 8):
        card = Card(stream=True).up()
        card.socket.sendall(wrong)
        card.guest.hear("are no frames")
        check(card.guest.process.wait(5) == 1, "it goes on")
        card.socket.close()
        os.close(card.taps[0])


def refused():
    """What the manager may get wrong is said at once."""
    for args, why in (((), "mac="), (("mac=1:2:3",), "mac=1:2:3"), (("mac=01:00:00:00:00:01",), "one card"),
                      (("mac=52:54:00:12:34:56",), "tap=FD is missing"), (("mac=52:54:00:12:34:56", "tap=2"), "tap=2"),
                      (("mtu=7",), "from 68"), (("mac=52:54:00:12:34:56", "stream=2"), "stream=2"), (("in=1,2",), "three numbers"), (("queues=13", "mac=52:54:00:12:34:56"), "up to 12")):
        g = Guest("net", 3, *args)
        g.start(wait=False)
        err = g.process.communicate()[1]
        check(why in err and g.process.returncode == 1, f"{args}: {err!r}")


def main():
    namespace()
    random.seed(1)
    tests = both_ways, small_buffers, one_buffer_each, no_reader, offloads, control, pairs, fewer, link, gone, limits, killed, hostile, stream, refused
    if sys.argv[1:] == ["vhost"]:
        Card.vhost = True
        tests = both_ways, offloads, control, pairs, fewer, link, killed, vhost_hostile
    for test in tests:
        try:
            begin = time.monotonic()
            test()
            print(f"{test.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
        except Failed as e:
            print(f"{test.__name__}: {e}")
            return 1
    print("frames pass both ways")
    return 0


sys.exit(main())
