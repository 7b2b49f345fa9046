# SPDX-License-Identifier: GPL-2.0-only
"""matrix.py - boot domain 0 on one combination of processor, machine, boot way and memory."""
import os
import re
import signal
import subprocess
import time

from machine import Machine, clean, die_with_parent

SAYS = "VMI-MATRIX"
SCRIPT = f"echo {SAYS} $(grep -c ^processor /proc/cpuinfo) $(free -m | awk '/Mem:/ {{ print $2 }}') $(seq 1000 | md5sum | cut -c1-8)"
DIGEST = "53d025127ae99ab79e8502aae2d9bea6"[:8]     # of seq 1000


def iso(tmp):
    """One image for all boots of a run: it says what SCRIPT says, and goes off."""
    path = f"{tmp}/matrix.iso"
    if not os.path.exists(path):
        subprocess.run(["tests/iso", path], check=True, stdout=subprocess.DEVNULL)
    return path


def by_cd(cpu, machine, way, mem, tmp):
    """GRUB, then a line typed at the shell."""
    args = ["qemu-system-x86_64", "-cpu", cpu, "-m", str(mem), "-M", machine, "-accel", "tcg,thread=single",
            "-display", "none", "-no-reboot", "-serial", "stdio", "-cdrom", iso(tmp)]
    if way == "uefi":
        args += ["-bios", "/usr/share/ovmf/OVMF.fd"]
    # Read by a second opening: seeking in the first would move where QEMU writes.
    with open(f"{tmp}/console", "wb") as out, open(f"{tmp}/console", "rb") as log:
        proc = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT,
                                preexec_fn=die_with_parent)
        typed, end = False, time.monotonic() + 170
        try:
            while proc.poll() is None and time.monotonic() < end:
                time.sleep(0.5)
                log.seek(0)
                if not typed and b"vmi:/root#" in log.read():
                    time.sleep(1)
                    proc.stdin.write(f"{SCRIPT}; poweroff -f\n".encode())
                    proc.stdin.flush()
                    typed = True
        finally:
            if proc.poll() is None:
                proc.send_signal(signal.SIGKILL)
            proc.wait()
        log.seek(0)
        return clean(log.read())


def boot(cpu, machine, way, mem, tmp):
    """0, or 1 with the reason printed."""
    name = f"{cpu} {machine} {way} {mem} MiB"
    if way == "kernel":
        r = Machine(cpu=cpu, mem=mem, qemu=f"-M {machine}").run(["sh", "-c", SCRIPT], timeout=100)
        text = r.text if r.status == 0 else clean(r.console)
    else:
        text = by_cd(cpu, machine, way, mem, tmp)
    # The lab gives domain 0 all memory; from a CD it has a quarter, or 512 MiB.
    expect = mem if way == "kernel" else max(mem / 4, min(mem, 512))
    m = re.search(rf"^{SAYS} (\d+) (\d+) (\w+)", text, re.M)
    if m and m[1] == "1" and int(m[2]) > expect * 0.9 - 60 and m[3] == DIGEST:
        print(f"{name}: {m[2]} MiB")
        return 0
    print("\n".join(text.splitlines()[-40:]))
    print(f"{name}: " + (f"unexpected: {m[0]}" if m else "no shell in domain 0"))
    return 1
