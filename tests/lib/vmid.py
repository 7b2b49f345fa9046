# SPDX-License-Identifier: GPL-2.0-only
"""vmid.py - for tests: a vmid with simulated domains in a folder of its own, and
a client that speaks Varlink to it, written independently of the C one."""
import atexit
import json
import os
import signal
import socket
import subprocess
import time

BUILD = os.environ.get("BUILD", os.path.expanduser("~/.cache/vmi/build"))
VMI = f"{BUILD}/dom0-tools/vmi"
VMID = f"{BUILD}/dom0-tools/vmid"
SANITIZED = f"{BUILD}/tools-test/vmid"


class Refused(Exception):
    def __init__(self, name, params):
        super().__init__(f"{name}: {params.get('message')}")
        self.name, self.params = name.rpartition(".")[2], params


class Gone(Exception):
    """vmid ended before it answered."""


class Vmid:
    def __init__(self, folder, program=VMID, sim="shutdown=5", options=()):
        self.folder, self.program, self.sim, self.options = folder, program, sim, options
        self.run_dir = f"{folder}/run"
        self.process = self.sock = None
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/vmlinux", "wb") as f:
            f.write(b"\177ELF")
        atexit.register(lambda: self.process.poll() is None and self.process.kill())
        self.start()

    def start(self):
        self.log = open(f"{self.folder}/vmid.log", "ab")
        self.process = subprocess.Popen(
            [self.program, f"--simulate={self.folder}/domains,{self.sim}", "--run-dir", self.run_dir,
             "--state-dir", f"{self.folder}/state", "--log-dir", f"{self.folder}/log", *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connect()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    with open(f"{self.folder}/vmid.log") as f:
                        raise SystemExit("vmid does not start:\n" + f.read()[-2000:])
                time.sleep(0.005)

    def connect(self, name="vmid.sock"):
        if self.sock:
            self.sock.close()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(f"{self.run_dir}/{name}")
        self.buf = b""

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            with open(f"{self.folder}/vmid.log", errors="replace") as f:
                raise SystemExit(f"vmid does not end at signal {int(sig)}:\n" + f.read()[-2000:])
        self.log.close()

    def send(self, method, params, **flags):
        try:
            self.sock.sendall(json.dumps({"method": f"org.vmi.{method}", "parameters": params, **flags}).encode() + b"\0")
        except OSError as e:
            raise Gone from e

    def receive(self):
        while b"\0" not in self.buf:
            try:
                data = self.sock.recv(1 << 20)
            except (ConnectionError, BrokenPipeError) as e:
                raise Gone from e
            if not data:
                raise Gone
            self.buf += data
        msg, self.buf = self.buf.split(b"\0", 1)
        msg = json.loads(msg)
        if "error" in msg:
            raise Refused(msg["error"], msg.get("parameters", {}))
        return msg["parameters"]

    def call(self, method, **params):
        self.send(method, params)
        return self.receive()

    def domains(self):
        return {d["name"]: d for d in self.call("List")["domains"]}

    def xml(self, name, cmdline="", more=""):
        return (f"<domain type='vmi'><name>{name}</name><memory unit='MiB'>64</memory><os><type>pv</type>"
                f"<kernel>{self.folder}/vmlinux</kernel><cmdline>{cmdline}</cmdline></os>{more}</domain>")

    def complaints(self):
        """What a sanitizer wrote."""
        with open(f"{self.folder}/vmid.log", errors="replace") as f:
            text = f.read()
        at = min((i for i in (text.find("ERROR: AddressSanitizer"), text.find("runtime error:")) if i >= 0), default=-1)
        return text[at:at + 3000] if at >= 0 else ""
