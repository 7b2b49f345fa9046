#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmi-user-net on this machine, with a guest that is this program: an address by DHCP, TCP and UDP to a server of this machine's, a reset for what it does not know; ports that lead to the guest; garbage, frames too long, a card that does not read or ends, and questions whether it lives.
# seconds: 5
"""user-net.py - vmi-user-net at one end of a socket pair, frames made here at the other."""
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

BUILD = f"{os.environ.get('VMI_CACHE', os.path.expanduser('~/.cache/vmi'))}/build"
PROGRAM = f"{BUILD}/dom0-tools/vmi-user-net"
MAC, ALL = bytes.fromhex("525400123456"), b"\xff" * 6
GUEST, HOST, NOBODY = (socket.inet_aton(a) for a in ("10.0.2.15", "10.0.2.2", "0.0.0.0"))
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PATIENCE = 20


class Failed(Exception):
    pass


def check(ok, *what):
    if not ok:
        raise Failed(" ".join(str(w) for w in what))


def sum16(data):
    data += b"\0" * (len(data) & 1)
    n = sum(struct.unpack(f">{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return n ^ 0xffff


def ip(protocol, src, dst, payload):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, src, dst)
    return head[:10] + struct.pack(">H", sum16(head)) + head[12:] + payload


def summed(protocol, src, dst, at, payload):
    n = sum16(src + dst + struct.pack(">HH", protocol, len(payload)) + payload)
    return payload[:at] + struct.pack(">H", n) + payload[at + 2:]


def udp(src, dst, sport, dport, data):
    return ip(17, src, dst, summed(17, src, dst, 6, struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data))


def tcp(sport, dport, seq, ack, flags, data=b"", dst=HOST):
    return ip(6, GUEST, dst, summed(6, GUEST, dst, 16, struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, 0x50, flags, 60000, 0, 0) + data))


class Net:
    """One vmi-user-net, and the guest's end of its socket."""

    def __init__(self, *args, given=()):
        """given: (socket, the guest's port) of each port that leads to the guest."""
        self.card, far = socket.socketpair()
        self.card.settimeout(PATIENCE)
        self.manager, end = socket.socketpair()
        self.manager.settimeout(PATIENCE)
        args += tuple(f"forward={'tcp' if s.type == socket.SOCK_STREAM else 'udp'}:{s.fileno()}:{port}" for s, port in given)
        self.process = subprocess.Popen([PROGRAM, f"stream={far.fileno()}", *args], pass_fds=[far.fileno(), *(s.fileno() for s, _ in given)], stderr=end)
        far.close()
        end.close()
        self.buffer, self.begun = b"", []

    def send(self, packet, kind=0x0800, to=ALL):
        frame = to + MAC + struct.pack(">H", kind) + packet
        self.card.sendall(struct.pack(">I", len(frame)) + frame)

    def waits(self, seconds):
        """Is there a frame, or does one come in that time?"""
        return len(self.buffer) >= 4 and len(self.buffer) >= 4 + struct.unpack(">I", self.buffer[:4])[0] or select.select([self.card], [], [], seconds)[0]

    def frame(self):
        while True:
            if len(self.buffer) >= 4:
                n = struct.unpack(">I", self.buffer[:4])[0]
                check(14 <= n <= 65600, "a frame of", n, "bytes comes")
                if len(self.buffer) >= 4 + n:
                    got, self.buffer = self.buffer[4:4 + n], self.buffer[4 + n:]
                    return got
            more = self.card.recv(65536)
            check(more, "it ended:", self.process.poll())
            self.buffer += more

    def packet(self, protocol, port):
        """The next one to that port of the guest's: what is behind the IP header. ARP is answered."""
        while True:
            f = self.frame()
            if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\1" and f[38:42] == GUEST:
                self.send(f[14:20] + b"\0\2" + MAC + GUEST + f[22:32], 0x0806)
            if f[12:14] != b"\x08\0":
                continue
            p = f[34:14 + struct.unpack(">H", f[16:18])[0]]
            if f[23] == protocol and struct.unpack(">H", f[36:38])[0] == port:
                return p
            if f[23] == 6 and p[13] == SYN:
                self.begun.append(p)

    def segment(self, port):
        s = self.packet(6, port)
        sport, dport, seq, ack, off, flags = struct.unpack(">HHIIBB", s[:14])
        return seq, ack, flags, s[(off >> 4) * 4:]

    def dhcp(self, kind, *options):
        body = struct.pack(">BBBBIHH4s4s4s4s6s10x192xI", 1, 1, 6, 0, 0x12345678, 0, 0x8000, NOBODY, NOBODY, NOBODY, NOBODY, MAC, 0x63825363)
        self.send(udp(NOBODY, b"\xff" * 4, 68, 67, body + bytes((53, 1, kind)) + b"".join(options) + b"\xff"))
        answer = self.packet(17, 68)[8:]
        at, got = 240, {"address": answer[16:20]}
        while answer[at] != 255:
            got[answer[at]] = answer[at + 2:at + 2 + answer[at + 1]]
            at += 2 + answer[at + 1]
        return got

    def lease(self):
        offer = self.dhcp(1)
        check(offer[53] == b"\2" and offer["address"] == GUEST, "not offered 10.0.2.15:", offer)
        given = self.dhcp(3, b"\x32\4" + GUEST, b"\x36\4" + HOST)
        check(given[53] == b"\5" and given["address"] == GUEST, "not given 10.0.2.15:", given)
        want = {1: "255.255.255.0", 3: "10.0.2.2", 6: "10.0.2.3"}
        check(all(given.get(k) == socket.inet_aton(v) for k, v in want.items()), "router, mask or name server:", given)
        return self

    def serves(self, server):
        self.send(udp(GUEST, HOST, 4000, server.port, b"as it was sent"))
        check(self.packet(17, 4000)[8:] == b"as it was sent", "a datagram does not come back")

    def ends(self, why):
        check(self.process.wait(PATIENCE) == 1, "status", self.process.returncode)
        said = self.manager.recv(1000).decode()
        check(why in said and said.startswith("log "), f"not \"{why}\", but:", said)
        self.card.close()
        self.manager.close()

    def answers(self, number, seconds=PATIENCE):
        """Does it say that it lives?"""
        question = b"alive %d\n" % number
        self.manager.sendall(question)
        return bool(select.select([self.manager], [], [], seconds)[0]) and self.manager.recv(1000) == question

    def close(self):
        self.card.close()
        self.ends("its card has ended")


class Server:
    """Sends back what it gets, on this machine's loopback."""

    def __init__(self):
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        for serve in (self.datagrams, self.connections):
            threading.Thread(target=serve, daemon=True).start()

    def datagrams(self):
        while True:
            data, who = self.udp.recvfrom(65536)
            self.udp.sendto(data, who)

    def connections(self):
        while True:
            threading.Thread(target=self.echo, args=self.tcp.accept()[:1], daemon=True).start()

    def echo(self, one):
        try:
            while data := one.recv(65536):
                one.sendall(data)
        except ConnectionError:
            pass
        one.close()


def connect(net, server, port):
    """The guest's next sequence number, and the one that it waits for."""
    net.send(tcp(port, server.port, 1000, 0, SYN))
    seq, ack, flags, _ = net.segment(port)
    check(flags == SYN | ACK and ack == 1001, "no connection:", flags)
    net.send(tcp(port, server.port, 1001, seq + 1, ACK))
    return 1001, seq + 1


def traffic(server):
    """DHCP, then TCP and UDP to what listens on the loopback only."""
    net = Net().lease()
    net.serves(server)
    seq, want = connect(net, server, 5000)
    data, back = random.randbytes(20000), b""
    for at in range(0, len(data), 1000):
        net.send(tcp(5000, server.port, seq + at, want, ACK | PSH, data[at:at + 1000]))
    while len(back) < len(data):
        s, _, flags, got = net.segment(5000)
        check(not flags & RST, "reset")
        if got and s == (want + len(back)) & 0xffffffff:
            back += got
            net.send(tcp(5000, server.port, seq + len(data), want + len(back), ACK))
    check(back == data, "what comes back is something else")
    net.send(tcp(5000, server.port, seq + len(data), want + len(back), ACK | FIN))
    while not net.segment(5000)[2] & FIN:
        pass
    net.send(tcp(5001, 1, 1, 0, SYN))
    check(net.segment(5001)[2] & RST, "a port where nobody listens takes a connection")
    net.close()


def killed(server):
    """A connection of a killed one gets a reset from the next."""
    net = Net().lease()
    seq, want = connect(net, server, 5000)
    net.process.kill()
    net.process.wait()
    try:
        check(net.card.recv(1) == b"", "the card is not told")
    except ConnectionResetError:
        pass
    net = Net()
    net.send(tcp(5000, server.port, seq, want, ACK | PSH, b"still there?"))
    check(net.segment(5000)[2] & RST, "no reset")
    net.lease().close()


def sandboxed(server):
    net = Net().lease()
    status = open(f"/proc/{net.process.pid}/status").read()
    check("Seccomp:\t2" in status and "NoNewPrivs:\t1" in status, "no filter:", status)
    limits = open(f"/proc/{net.process.pid}/limits").read()
    check("256                  256                  files" in limits, "no limits:", limits)
    # More connections than descriptors; then there are some again.
    for port in range(10000, 10400):
        net.send(tcp(port, server.port, 1000, 0, SYN))
    for _ in range(100):
        net.frame()
    while net.waits(0.3):
        net.frame()
    for port in range(10000, 10400):
        net.send(tcp(port, server.port, 1001, 0, RST))
    deadline = time.monotonic() + PATIENCE
    while True:
        net.send(udp(GUEST, HOST, 4000, server.port, b"again"))
        if net.waits(0.2) and net.frame()[34:38] == struct.pack(">HH", server.port, 4000):
            break
        check(time.monotonic() < deadline, "nothing passes after too many connections")
    net.close()


def garbage(server):
    """Frames of nonsense change nothing for the next one; ones that are longer than the card's are dropped."""
    net = Net("mtu=1400").lease()
    good = tcp(5000, server.port, 1000, 0, SYN)
    for n in range(3000):
        bad = bytearray(random.choice((good, udp(GUEST, HOST, 4001, server.port, b"x" * 40), random.randbytes(random.randrange(1400)))))
        for _ in range(random.randrange(8)):
            if bad:
                bad[random.randrange(len(bad))] = random.randrange(256)
        bad = bad[:random.choice((None, random.randrange(60)))]
        # Other hosts than this one are nobody's business.
        if len(bad) >= 20:
            bad[16:20] = HOST
        net.send(bytes(bad), random.choice((0x0800, 0x0806, 0x86dd, random.randrange(65536))))
        while net.waits(0):
            net.frame()
    net.send(bytes(60000))
    net.send(udp(GUEST, HOST, 4002, server.port, bytes(1401 - 28)))
    net.send(udp(GUEST, HOST, 4002, server.port, b"short"))
    check(net.packet(17, 4002)[8:] == b"short", "a frame that is longer than the card's passes")
    net.serves(server)
    net.close()
    for wrong in (struct.pack(">I", 13) + bytes(13), b"\xff" * 8, bytes(4)):
        net = Net().lease()
        net.card.sendall(wrong)
        net.ends("are no frames")


def usage(net):
    """Processor time so far, in hundredths of a second."""
    return sum(int(n) for n in open(f"/proc/{net.process.pid}/stat").read().split()[13:15])


def is_quiet(net):
    deadline = time.monotonic() + PATIENCE
    while True:
        before = usage(net)
        time.sleep(0.3)
        if usage(net) - before <= 3:
            return
        check(time.monotonic() < deadline, "it is busy with waiting")


def bound(kind):
    one = socket.socket(socket.AF_INET, kind)
    one.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        one.listen(512)
    one.setblocking(False)
    return one


def comes_in(net, port):
    """A connection of somebody's to the guest begins, or has begun already: who that is, and what both sides count from."""
    while True:
        s = net.begun.pop(0) if net.begun else net.packet(6, port)
        sport, dport, seq, _, _, flags = struct.unpack(">HHIIBB", s[:14])
        if flags == SYN and dport == port:
            net.send(tcp(port, sport, 7000, seq + 1, SYN | ACK))
            return sport, 7001, seq + 1


def forwarded(server):
    """Ports that lead to the guest, over TCP and UDP; also of the next one, after a kill; nothing else listens."""
    ports = [(bound(socket.SOCK_STREAM), 22), (bound(socket.SOCK_DGRAM), 53), (bound(socket.SOCK_STREAM), 80)]
    at = [one.getsockname() for one, _ in ports]
    for again in range(2):
        # What came while there was none waits.
        client = socket.create_connection(at[2], PATIENCE)
        client.sendall(b"to the guest")
        net = Net(given=ports).lease()
        sport, mine, its = comes_in(net, 80)
        while not (got := net.segment(80))[3]:
            pass
        check(got[0] == its and got[3] == b"to the guest", "other data come in:", got)
        net.send(tcp(80, sport, mine, its + len(got[3]), ACK | PSH, b"to the world"))
        check(client.recv(100) == b"to the world", "other data go out")
        asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asks.settimeout(PATIENCE)
        asks.sendto(b"a question", at[1])
        q = net.packet(17, 53)
        check(q[8:] == b"a question", "another datagram comes in:", q)
        net.send(udp(GUEST, HOST, 53, struct.unpack(">H", q[:2])[0], b"an answer"))
        check(asks.recvfrom(100) == (b"an answer", at[1]), "no answer, or from elsewhere")
        net.serves(server)
        inodes = {os.readlink(f"/proc/{net.process.pid}/fd/{fd}")[8:-1] for fd in os.listdir(f"/proc/{net.process.pid}/fd")}
        listens = [line.split()[1] for line in open("/proc/net/tcp") if line.split()[3] == "0A" and line.split()[9] in inodes]
        check(len(listens) == 2, "it listens at", listens)
        if again:
            net.close()
        else:
            net.process.kill()
            net.process.wait()
        client.close()
        asks.close()
    # More connections than descriptors: the rest waits, without haste, until some end.
    net = Net(given=ports).lease()
    clients = [socket.socket() for _ in range(300)]
    for one in clients:
        one.setblocking(False)
        one.connect_ex(at[0])
    sports = set()
    while len(sports) < 200:
        sports.add(comes_in(net, 22)[0])
    while net.waits(0.5):
        net.frame()
    is_quiet(net)
    for one in clients:
        one.close()
    client = socket.create_connection(at[2], PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while not (net.waits(1) and (f := net.frame())[23:24] == b"\6" and f[36:38] == b"\0\x50"):
        for sport in sports:
            net.send(tcp(22, sport, 7001, 0, RST))
        check(time.monotonic() < deadline, "no connection comes in after too many")
    client.close()
    net.close()


def alive(server):
    """It answers its manager, also while the guest takes nothing; not when it is stopped; and ends with it."""
    net = Net().lease()
    for number in range(100):
        check(net.answers(number), "no answer, or another one, to question", number)
    for _ in range(3000):
        net.send(udp(GUEST, HOST, 4000, server.port, bytes(1000)))
    check(net.answers(7), "no answer while its card does not read")
    net.process.send_signal(signal.SIGSTOP)
    check(not net.answers(8, 1), "one that is stopped answers")
    net.process.send_signal(signal.SIGCONT)
    check(net.manager.recv(1000) == b"alive 8\n", "another answer when it goes on")
    net.manager.close()
    check(net.process.wait(PATIENCE) == 1, "it goes on without its manager")
    net.card.close()


def cut(server):
    """A stream in pieces of any size, and a card that does not read: frames are lost, and whole ones come."""
    net = Net().lease()
    frame = ALL + MAC + b"\x08\0" + udp(GUEST, HOST, 4000, server.port, random.randbytes(1000))
    data, at = (struct.pack(">I", len(frame)) + frame) * 5, 0
    while at < len(data):
        n = random.choice((1, 2, 3, 700, 3000))
        net.card.sendall(data[at:at + n])
        at += n
        time.sleep(0.002)
    for _ in range(5):
        check(net.packet(17, 4000)[8:] == frame[42:], "another datagram comes")
    for _ in range(3000):
        net.send(udp(GUEST, HOST, 4000, server.port, frame[42:]))
    is_quiet(net)
    lost = 3000
    while net.waits(0.3):
        check(net.packet(17, 4000)[8:] == frame[42:], "another datagram comes")
        lost -= 1
    check(0 < lost < 3000, lost, "of 3000 are lost")
    net.serves(server)
    net.close()


def refused(server):
    for args, why in ((("mtu=67",), "mtu=67"), (("mtu=65522",), "from 68 to 65521"), (("what",), "no argument \"what\""),
                      (("forward=tcp:5",), "PROTO:FD:PORT"), (("forward=sctp:5:80",), "PROTO tcp or udp"), (("forward=udp:5:0",), "from 1 to 65535"),
                      (("forward=tcp:9:80",) * 33, "up to 32"), (("forward=tcp:200:80",), "cannot be handed over")):
        net = Net(*args)
        net.ends(why)
    none = subprocess.run([PROGRAM], capture_output=True, text=True)
    check(none.returncode == 1 and "stream=FD is missing" in none.stderr, none)


def main():
    if not os.path.exists(PROGRAM):
        print("no vmi-user-net: install libslirp-dev, and make")
        return 77
    random.seed(1)
    server = Server()
    for test in (traffic, killed, sandboxed, garbage, forwarded, alive, cut, refused):
        begin = time.monotonic()
        try:
            test(server)
        except (Failed, OSError) as e:
            print(f"FAIL {test.__name__}: {type(e).__name__}: {e}")
            return 1
        print(f"{test.__name__}: {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
