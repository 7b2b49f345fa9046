# SPDX-License-Identifier: GPL-2.0-only
"""machine.py - one QEMU machine: natively or under the hypervisor, one command.

Used by tests/lab (the command line), the test cases and the benchmarks:

    from machine import Machine
    r = Machine(mode="native", mem=256).run(["uname", "-a"])
    r.status, r.output, r.console, r.reason

The console is the first serial port, the command's output comes over the
second (see tests/initramfs/agent.c for the framing). Both are socket pairs that
QEMU inherits, so parallel runs share nothing but the files they only read.
QEMU never outlives its Machine: it is killed on every way out, and dies with
this process.
"""
import atexit
import ctypes
import mmap
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from cpio import Cpio

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("VMI_CACHE") or os.path.expanduser("~/.cache/vmi")
BUILD = os.environ.get("BUILD") or f"{CACHE}/build"
QEMU = "qemu-system-x86_64"
DEFAULT_CPU = "max,-vmx,-svm"
GREETING = b"\nVMI-LAB-1\n"
# tests/run: when a machine has to be given up, so that its test can say where it stood still.
DEADLINE = float(os.environ.get("VMI_DEADLINE", 0))
# The guest and the native kernel use the same clock and the same page tables.
COMMON_ARGS = "nopti clocksource=tsc tsc=reliable"

TIMED_OUT, DIED, USAGE = 124, 125, 2
# After one of these lines nothing more will come; the machine gets GRACE
# seconds to print the rest of its report.
DEAD = re.compile(rb"Kernel panic - not syncing[^\r\n]*|^\(vmi\) panic: [^\r\n]*|^vmi: [^\r\n]*", re.M)
GRACE = 3
# The machine ended because the command said so.
SWITCHED_OFF = re.compile(rb"reboot: (Power down|Restarting system)")
# What domain 0 of a guest's lab says of a vmi-boot that failed (tests/initramfs/main), and vmi-boot before.
NO_GUEST = re.compile(rb"^vmi-boot: ([^\r\n]*)[^\x00]*?^lab: no guest domain", re.M)
GUEST_ENDED = re.compile(rb"^lab: the guest domain ended", re.M)


class BadUsage(Exception):
    """One line: what is wrong and what to do about it."""


class Result:
    def __init__(self, status, output, console, reason, seconds):
        self.status, self.output, self.console = status, output, console
        self.reason, self.seconds = reason, seconds

    @property
    def text(self):
        return self.output.decode(errors="replace")

    def tail(self, lines=40):
        return "\n".join(clean(self.console).splitlines()[-lines:])


def clean(console):
    """Console bytes as text: no carriage returns, no terminal control."""
    text = console.decode(errors="replace").replace("\r", "")
    return re.sub(r"\x1b[\[(][0-9;?]*[A-Za-z]|\x1bc", "", text)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def need(path, what, remedy):
    if not os.path.isfile(path):
        raise BadUsage(f"no {what} at {path}: {remedy}")
    return path


def find(what):
    """Path of a thing that make builds: kernel, initramfs, hypervisor."""
    path, remedy = {
        "kernel": (f"{CACHE}/linux/vmlinux", "run `make kernel`"),
        "initramfs": (f"{BUILD}/initramfs.cpio.gz", "run `make initramfs`"),
        "hypervisor": (f"{BUILD}/hypervisor/vmi.bin", "run `make hypervisor`"),
        "debian": (f"{CACHE}/debian/debian.squashfs", "run tests/debian/build"),
    }[what]
    return need(os.environ.get(f"VMI_{what.upper()}", path), what, remedy)


def build_debian():
    """The squashfs of Debian's user land, made if it is not there yet."""
    if "VMI_DEBIAN" not in os.environ and subprocess.run([f"{HERE}/../debian/build"]).returncode:
        raise BadUsage("--debian: the user land could not be built; the reason is above")
    return find("debian")


def tsc_khz():
    """The rate of this machine's TSC, which TCG passes on; 0 (the kernel measures it) if it is no x86."""
    if os.uname().machine != "x86_64":
        return 0
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3")  # rdtsc; shl $32, %rdx; or %rdx, %rax; ret
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))

    def read():
        """Both clocks, with the least between the readings."""
        def one():
            before, tsc = time.monotonic_ns(), rdtsc()
            return time.monotonic_ns() - before, before, tsc
        return min(one() for _ in range(20))[1:]
    start = read()
    time.sleep(0.02)
    end = read()
    return (end[1] - start[1]) * 1000000 // (end[0] - start[0])


def split_add(spec):
    """HOSTFILE[:PATH] -> (host path, path in the machine)."""
    host, path = spec, None
    if not os.path.exists(host) and ":" in host:
        host, _, path = spec.rpartition(":")
    if not os.path.exists(host):
        raise BadUsage(f"--add {spec}: there is no {host}; give a file or directory of this machine")
    host = host.rstrip("/") or "/"
    if not path:
        path = "/" + os.path.basename(os.path.abspath(host))
    elif path.endswith("/"):
        path += os.path.basename(os.path.abspath(host))
    path = os.path.normpath("/" + path).replace("//", "/")
    if path.split("/")[1] in ("proc", "sys", "dev", "lab") or path == "/":
        raise BadUsage(f"--add {spec}: {path} is not a place for files; use for example :/tmp/")
    return host, path


def add_path(archive, host, path):
    mode = os.stat(host).st_mode & 0o7777
    if os.path.islink(host) and not os.path.exists(host):
        archive.symlink(path, os.readlink(host))
    elif os.path.isdir(host):
        archive.dir(path, mode)
        for name in sorted(os.listdir(host)):
            entry = os.path.join(host, name)
            if os.path.islink(entry):
                archive.symlink(f"{path}/{name}", os.readlink(entry))
            elif os.path.isdir(entry) or os.path.isfile(entry):
                add_path(archive, entry, f"{path}/{name}")
    else:
        with open(host, "rb") as f:
            archive.file(path, f.read(), mode)


class Machine:
    """What to boot. `modules` (for tests of bad input) replaces the hypervisor's
    modules by a list of (file, command line)."""

    def __init__(self, mode="dom0", cpu=None, smp=1, mem=None, icount=False, add=(), append="",
                 hv_append="", gdb=False, qemu="", debian=False, disk=None, kernel=None, initramfs=None, hypervisor=None, modules=None, net=False, boot="", beside=None):
        if mode not in ("native", "dom0", "domu"):
            raise BadUsage(f"mode {mode}: it is native, dom0 or domu")
        if mode != "domu" and (net or boot or beside):
            raise BadUsage(f"{'--net' if net else '--boot' if boot else '--beside'} is for a guest domain: add --domu")
        if icount and smp != 1:
            raise BadUsage("--icount counts one processor: leave out --smp")
        if not shutil.which(QEMU):
            raise BadUsage(f"{QEMU} is missing: run `make setup`")
        self.mode, self.cpu, self.smp, self.icount = mode, cpu or DEFAULT_CPU, smp, icount
        self.mem = mem or (1024 if debian else 512)
        self.add = [split_add(a) for a in add]
        self.append, self.hv_append, self.modules = append, hv_append, modules
        self.net, self.boot = net, boot
        self.beside = need(beside, "script", "give a file of this machine") if beside else None
        self.kernel = kernel or find("kernel")
        self.initramfs = initramfs or find("initramfs")
        self.hypervisor = hypervisor or (find("hypervisor") if mode != "native" else None)
        self.debian = build_debian() if debian else None
        self.qemu = shlex.split(qemu)
        self.gdb_port = self._free_port() if gdb else None
        self.tmp = tempfile.mkdtemp(prefix="vmi-lab-")
        self.proc = None
        atexit.register(self.close)
        # Disks of the machine in their order: what to give to QEMU, what to vmi-boot.
        sizes = [disk] if isinstance(disk, str) else disk or []
        self.disks = [(self._scratch(size, i), "") for i, size in enumerate(sizes)]
        if mode == "domu" and self.debian:
            self.disks.append((self.debian, ",readonly"))

    def _scratch(self, size, i):
        """An empty disk that takes no room until it is written; or an image that there is."""
        if os.path.isfile(size):
            return os.path.abspath(size)
        m = re.fullmatch(r"(\d+)([KMGT]?)", size)
        if not m or not int(m[1]):
            raise BadUsage(f"--disk {size}: neither a size nor an image; write for example 512M or 4G")
        path = f"{self.tmp}/disk{i}"
        with open(path, "wb") as f:
            f.truncate(int(m[1]) << 10 * " KMGT".index(m[2] or " "))
        return path

    @staticmethod
    def _free_port():
        """gdb's usual port of QEMU, or any other if that is taken."""
        for port in (1234, 0):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return s.getsockname()[1]
        raise BadUsage("--gdb: no free TCP port")

    def close(self):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        shutil.rmtree(self.tmp, ignore_errors=True)
        atexit.unregister(self.close)

    # ---- what to boot --------------------------------------------------------

    def _initramfs(self, command, extra):
        """The common initramfs, with the command and the added files behind it."""
        if self.mode == "domu":
            return self._dom0_initramfs(self._archive(command, extra, "domu-initramfs"))
        return self._archive(command, extra, "initramfs")

    def _dom0_initramfs(self, guest):
        """Domain 0's, which starts one guest that has `guest` as its own."""
        archive = Cpio()
        archive.file("lab/mode", b"dom0")
        # Its disks are domain 0's, handed on in their order.
        options = [f"--memory {self.mem}M"] + [f"--disk /dev/vd{chr(97 + i)}{how}" for i, (_, how) in enumerate(self.disks)]
        options += ["--net br0"] * self.net + [self.boot]
        for name, text in (("cmdline", self._cmdline("hvc0")), ("options", " ".join(options))):
            archive.file(f"lab/domu/{name}", text.encode())
        if self.net:
            archive.file("lab/domu/net", b"")
        if self.beside:
            add_path(archive, self.beside, "/lab/domu/beside")
        add_path(archive, self.kernel, "/lab/domu/kernel")
        add_path(archive, guest, "/lab/domu/initramfs")
        return self._write(archive, "initramfs")

    def _cmdline(self, console):
        return f"console={console} {COMMON_ARGS} {self.append}".strip()

    def _archive(self, command, extra, name):
        archive = Cpio()
        # Directories of the initramfs keep their modes.
        archive.seen.update("bin sbin dev etc etc/vmi opt opt/vmi proc root sys tmp usr var".split())
        archive.file("lab/mode", self.mode.encode())
        archive.file("lab/port", b"/dev/ttyS1" if self.mode == "native" else b"/dev/hvc1")
        if command is not None:
            if any("\0" in a for a in command):
                raise BadUsage("an argument cannot hold a NUL")
            archive.file("lab/argv", b"".join(os.fsencode(a) + b"\0" for a in command))
        for path, data in extra.items():
            archive.file(path, data)
        for host, path in self.add:
            add_path(archive, host, ("/lab/add" if self.debian else "") + path)
        if self.net:
            archive.file("lab/net", b"")
        if self.debian and self.mode == "domu":
            archive.symlink("lab/debian.squashfs", f"/dev/vd{chr(96 + len(self.disks))}")
        elif self.debian:
            with open(self.debian, "rb") as f:
                archive.file("lab/debian.squashfs", f.read())
        return self._write(archive, name)

    def _write(self, archive, name):
        with open(self.initramfs, "rb") as f:
            base = f.read()
        path = f"{self.tmp}/{name}"
        with open(path, "wb") as f:
            f.write(base + b"\0" * (-len(base) % 4) + archive.bytes())
        return path

    def pack(self, command):
        """The initramfs that runs COMMAND, for another emulator; gone with the Machine."""
        return self._initramfs(command, {})

    def _qemu(self, initramfs, interactive):
        # No default devices: the machine is the same everywhere, and boots sooner.
        args = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-M", "pc",
                "-cpu", self.cpu, "-m", str(self.mem if self.mode != "domu" else self._machine_mem()), "-smp", str(self.smp)]
        if self.icount:
            # The time of day and random numbers would be differences between two runs.
            args += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"]
        else:
            args += ["-accel", "tcg,thread=" + ("single" if self.smp == 1 else "multi")]
        if not interactive:
            args += ["-no-reboot"]
        for i, (path, how) in enumerate(self.disks):
            args += ["-drive", f"if=none,id=disk{i},format=raw,file={path}{',read-only=on' if how else ''}",
                     "-device", f"virtio-blk-pci,drive=disk{i}"]
        if self.gdb_port:
            args += ["-S", "-gdb", f"tcp:127.0.0.1:{self.gdb_port}"]
        args += self.qemu
        console = "ttyS0" if self.mode == "native" else "hvc0"
        # A dead machine ends when nobody looks at it, and stays on a terminal.
        line = self._cmdline(console) + f" panic={0 if interactive else -1}"
        if self.mode == "native":
            # On a busy machine the kernel measures it wrong, by any factor.
            if not self.icount:
                line += f" tsc_early_khz={tsc_khz()}"
            return args + ["-kernel", self.kernel, "-initrd", initramfs, "-append", line]
        modules = self.modules
        if modules is None:
            modules = [(self.kernel, line), (initramfs, "")]
        specs = []
        for i, (path, text) in enumerate(modules):
            # QEMU splits at blanks and commas: give it names without them.
            link = f"{self.tmp}/module{i}"
            os.symlink(os.path.abspath(path), link)
            specs.append((link + (" " + text.replace(",", ",,") if text else "")))
        args += ["-kernel", self.hypervisor]
        # As much memory as a native boot has, unless hv_append says otherwise.
        dom0_mem = "max" if self.mode == "dom0" else f"{self._dom0_mem()}M"
        options = f"{'panic=halt' if interactive else ''} dom0_mem={dom0_mem} {self.hv_append}".strip()
        if options:
            args += ["-append", options]
        return args + (["-initrd", ",".join(specs)] if specs else [])

    def _dom0_mem(self):
        return 320

    def _machine_mem(self):
        """Domain 0, the guest, its tables, and the hypervisor."""
        return self._dom0_mem() + self.mem + self.mem // 16 + 96

    def gdb_script(self):
        """Write a script with the symbols of both; returns the command to type."""
        path = f"{self.tmp}/gdb"
        elf = f"{BUILD}/hypervisor/vmi.elf"
        sym = self.kernel + ".sym"
        lines = ["set architecture i386:x86-64", "set confirm off", "set pagination off"]
        lines.append(f"file {sym if os.path.exists(sym) else self.kernel}")
        if self.mode != "native" and os.path.exists(elf):
            lines.append(f"add-symbol-file {elf}")
        lines.append(f"target remote 127.0.0.1:{self.gdb_port}")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return f"gdb -x {path}"

    # ---- run -----------------------------------------------------------------

    def run(self, command, timeout=None, sink=None, log=None, until=None, wait_off=False):
        """Boot, run COMMAND, return a Result.

        sink(bytes) gets the output as it comes (else Result.output has it), log
        (a binary file) the console. until: stop when these bytes are on the
        console (tests of bad input). wait_off: wait for the machine to switch
        itself off after the command.
        """
        start = time.monotonic()
        if DEADLINE:
            timeout = min(timeout or DEADLINE, max(1, round(DEADLINE - time.time())))
        # A file: QEMU would stand still at a pipe that nobody reads.
        self.errors = tempfile.TemporaryFile()
        console, port = socket.socketpair(), socket.socketpair()
        args = self._qemu(self._initramfs(command, {}), False)
        args += ["-chardev", f"socket,id=console,fd={console[1].fileno()}", "-serial", "chardev:console",
                 "-chardev", f"socket,id=port,fd={port[1].fileno()}", "-serial", "chardev:port"]
        self.proc = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=self.errors, preexec_fn=die_with_parent,
                                     pass_fds=(console[1].fileno(), port[1].fileno()))
        console[1].close()
        port[1].close()
        try:
            return self._loop(start, timeout, console[0], port[0], sink, log, until, wait_off)
        finally:
            console[0].close()
            port[0].close()
            self.close()

    def _loop(self, start, timeout, console, port, sink, log, until, wait_off):
        text, output, frames = bytearray(), bytearray(), Frames(sink)
        if sink is None:
            frames.sink = output.extend
        deadline, dead_at, status, reason = (start + timeout if timeout else None), None, None, None
        sel = selectors.DefaultSelector()
        sel.register(console, selectors.EVENT_READ)
        sel.register(port, selectors.EVENT_READ)
        while sel.get_map() and status is None:
            ends = [t for t in (deadline, dead_at) if t]
            wait = max(0, min(ends) - time.monotonic()) if ends else None
            events = sel.select(wait)
            for key, _ in events:
                data = key.fileobj.recv(65536)
                if not data:
                    sel.unregister(key.fileobj)
                elif key.fileobj is port:
                    frames.feed(data)
                else:
                    text += data
                    if log:
                        log.write(data)
                        log.flush()
                    if not dead_at and DEAD.search(text, max(0, len(text) - len(data) - 200)):
                        dead_at = time.monotonic() + GRACE
                    if until and until in text:
                        status = 0
            if frames.end and not wait_off:
                break
            now = time.monotonic()
            if deadline and now >= deadline:
                # With the command's end behind it, only a machine that cannot switch itself off is left.
                if not frames.end:
                    status, reason = TIMED_OUT, f"no end after {timeout:g} seconds"
                break
            elif dead_at and now >= dead_at:
                break
        if frames.end:
            code, sig, count = frames.end
            if count != frames.count:
                status, reason = DIED, f"output damaged: {frames.count} of {count} bytes arrived"
            else:
                status = 128 + sig if sig else code
        elif status is None:
            status, reason = self._ended(text)
        return Result(status, bytes(output), bytes(text), reason, time.monotonic() - start)

    def _ended(self, text):
        """Status of a machine that ended without the command's status."""
        dead = DEAD.search(text)
        if dead:
            return DIED, "the system died: " + dead.group().decode(errors="replace").strip()
        refused = NO_GUEST.search(text)
        if refused:
            raise BadUsage("vmi-boot: " + refused[1].decode(errors="replace"))
        if GUEST_ENDED.search(text):
            return DIED, "the guest domain died before the command ended"
        if SWITCHED_OFF.search(text[-4000:]):
            return 0, "the command switched the machine off"
        if self.proc.poll() is None:
            self.proc.wait(5)
        self.errors.seek(0)
        err = self.errors.read()
        if self.proc.poll() and err:
            line = err.decode(errors="replace").strip().splitlines()[-1]
            hint = f"; `{QEMU} -cpu help` lists them" if "CPU model" in line else ""
            raise BadUsage(f"QEMU: {line.replace(QEMU + ': ', '')}{hint}")
        return DIED, "the system died before the command ended"

    def interact(self, timeout=None, log=None, size=None):
        """Boot with the terminal as console; returns QEMU's exit status."""
        extra = {}
        if size:
            extra["lab/tty"] = f"export TERM='{os.environ.get('TERM', 'linux')}' ROWS={size.lines} COLUMNS={size.columns}\n".encode()
        args = self._qemu(self._initramfs(None, extra), True)
        chardev = "stdio,id=console,mux=on,signal=off" + (f",logfile={log.replace(',', ',,')}" if log else "")
        args += ["-chardev", chardev, "-serial", "chardev:console", "-mon", "chardev=console",
                 "-serial", "null"]
        try:
            self.proc = subprocess.Popen(args, preexec_fn=die_with_parent)
            return self.proc.wait(timeout)
        finally:
            self.close()


class Frames:
    """Takes the port's bytes apart; whatever precedes the greeting is noise."""

    def __init__(self, sink):
        self.sink, self.buf, self.greeted, self.count, self.end = sink, bytearray(), False, 0, None

    def feed(self, data):
        self.buf += data
        if not self.greeted:
            at = self.buf.find(GREETING)
            if at < 0:
                return
            del self.buf[:at + len(GREETING)]
            self.greeted = True
        while self.buf and not self.end:
            kind = self.buf[0]
            if kind == ord("O"):
                if len(self.buf) < 3:
                    return
                n = self.buf[1] | self.buf[2] << 8
                if len(self.buf) < 3 + n:
                    return
                self.count += n
                self.sink(bytes(self.buf[3:3 + n]))
                del self.buf[:3 + n]
            elif kind == ord("X"):
                if len(self.buf) < 11:
                    return
                self.end = struct.unpack("<BBQ", self.buf[1:11])
            else:
                # Not a frame: bytes were lost or changed on the way.
                self.end = (0, 0, -1)
