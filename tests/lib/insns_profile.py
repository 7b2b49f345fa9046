# SPDX-License-Identifier: GPL-2.0-only
"""insns_profile.py - which functions a machine's instructions belong to: those of the hypervisor,
of domain 0's kernel, of guests' kernels and of programs, wherever they run.

insns.c counts how often each block of instructions runs between two marks; names come from
the symbols of what is booted. Domain 0's kernel and a guest's are the same build: they
are told apart by their memory. A program is known by its code, if it is one of ours or
given to programs(); those that are linked statically at fixed addresses, as ours are.

    with tempfile.NamedTemporaryFile() as marks, tempfile.NamedTemporaryFile() as blocks:
        Machine(..., qemu=insns.arguments(marks.name, blocks.name)).run(["sh", "-c", "mark; COMMAND; mark"])
        boot, command = insns_profile.sections(blocks.name, insns_profile.programs(), native=False)
"""
import bisect
import collections
import glob
import os
import struct
import subprocess

from machine import BUILD, CACHE

BLOCK = struct.Struct("<QQQQ16s")
HYPERVISOR, KERNEL, HIGH = 0xffffffff80000000, 0xffffffff81000000, 1 << 63
VDSO = f"{CACHE}/linux/src/arch/x86/entry/vdso/vdso64.so.dbg"
OTHER = "other programs"


class Symbols:
    """The functions of an ELF file from address `low` to below `high`."""

    def __init__(self, path, low=0, high=1 << 64):
        self.at, self.names = [], []
        lines = subprocess.run(["nm", "-n", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        for words in map(str.split, lines.splitlines()):
            if len(words) == 3 and words[1] in "tTwW" and low <= int(words[0], 16) < high:
                self.at.append(int(words[0], 16))
                self.names.append(words[2])

    def __call__(self, at):
        i = bisect.bisect_right(self.at, at) - 1
        return self.names[i] if i >= 0 else "?"


class Program:
    """A program that is linked statically: its code, and its functions if it still has their names."""

    def __init__(self, path, name):
        self.name, self.parts, self.hits = name, [], 0
        with open(path, "rb") as f:
            self.data = f.read()
        offset, size, n = struct.unpack_from("<Q", self.data, 32)[0], *struct.unpack_from("<HH", self.data, 54)
        for i in range(n):
            kind, _, start, at, _, length = struct.unpack_from("<IIQQQQ", self.data, offset + i * size)
            if kind == 1:  # PT_LOAD
                self.parts.append((at, start, length))
        self.symbols = Symbols(path)

    def find(self, at, code):
        """The address in its file of what runs at `at`; None if that is not its code."""
        fits = any(a <= at < a + length and self.data.startswith(code, start + at - a) for a, start, length in self.parts)
        return at if fits else None


class Vdso(Program):
    """The kernel's own code in each program, at any page."""

    def find(self, at, code):
        last = max(a + length for a, _, length in self.parts)
        fits = (super(Vdso, self).find(a, code) for a in range(at % 4096, last, 4096))
        return next((a for a in fits if a is not None), None)


def programs(more=()):
    """The programs of the lab's machines, and those of `more` that can be told apart by their code."""
    found = {}
    for path in ["/bin/busybox", f"{BUILD}/initramfs/lab-agent", *glob.glob(f"{BUILD}/initramfs/opt/*"),
                 *glob.glob(f"{BUILD}/dom0-tools/vmi*"), *glob.glob(f"{BUILD}/back/vmi-back*"), *more]:
        name, full = os.path.splitext(os.path.basename(path))
        if not os.path.isfile(path) or full not in ("", ".full") or (name in found and not full):
            continue
        with open(path, "rb") as f:
            head = f.read(18)
        if head[:5] == b"\x7fELF\2" and head[16] == 2:  # ET_EXEC of 64 bits
            found[name] = path
    vdso = [Vdso(VDSO, "vDSO")] if os.path.exists(VDSO) else []
    return [Program(path, name) for name, path in found.items()] + vdso


def sections(path, known, native):
    """A Counter {(where, function): instructions} of the time before each mark."""
    kernel_file = f"{CACHE}/linux/vmlinux"
    kernel = Symbols(f"{kernel_file}.sym" if os.path.exists(f"{kernel_file}.sym") else kernel_file, KERNEL)
    hypervisor = Symbols(f"{BUILD}/hypervisor/vmi.elf", 0 if native else HYPERVISOR - (1 << 47), KERNEL)
    with open(path, "rb") as f:
        data = f.read()
    blocks = list(BLOCK.iter_unpack(data[:len(data) // BLOCK.size * BLOCK.size]))
    # The first kernel that runs is domain 0's, which lies in one piece.
    first = min((b for b in blocks if b[0] >= KERNEL), key=lambda b: b[3], default=(0, 0))[1]
    names, unknown, pages = {}, {}, {}
    for at, memory, _, nth, code in blocks:
        page = (at + memory) // 4096
        if not nth or nth in names:
            continue
        if at >= KERNEL:
            names[nth] = ("kernel" if native else "domain 0's kernel" if memory == first else "guests' kernels", kernel(at))
        elif at >= HIGH:
            names[nth] = ("hypervisor", hypervisor(at))
        else:
            fits = [(p, found) for p in known if (found := p.find(at, code.rstrip(b"\0"))) is not None]
            for p, _ in fits:
                p.hits += len(fits) == 1
            program, found = max(fits, key=lambda fit: fit[0].hits, default=(None, 0))
            if program:
                names[nth] = (program.name, program.symbols(found))
                pages[page] = (program, found - at % 4096)
            else:
                unknown[nth] = (page, at % 4096)
    # Code that was changed when it was loaded, as the vDSO's: what else is in its page tells.
    for nth, (page, offset) in unknown.items():
        program, base = pages.get(page, (None, 0))
        names[nth] = (program.name, program.symbols(base + offset)) if program else (OTHER, "?")
    result, now = [], collections.Counter()
    for _, _, ran, nth, _ in blocks:
        if nth:
            now[names[nth]] += ran
        else:
            result.append(now)
            now = collections.Counter()
    return result


def by_place(counts):
    """[(where, instructions)], most first."""
    places = collections.Counter()
    for (where, _), n in counts.items():
        places[where] += n
    return places.most_common()


def table(counts, rows=40):
    total = sum(counts.values()) or 1
    wide = max((len(where) for where, _ in counts), default=0)
    lines = [f"{'instructions':>14}  share  where"]
    lines += [f"{n:14,}  {n / total:5.1%}  {where}" for where, n in by_place(counts)]
    lines += [f"{total:14,}  {1:5.0%}  all", "", f"{'instructions':>14}  share  {'where':{wide}}  function"]
    lines += [f"{n:14,}  {n / total:5.1%}  {where:{wide}}  {function}" for (where, function), n in counts.most_common(rows)]
    if len(counts) > rows:
        rest = sum(n for _, n in counts.most_common()[rows:])
        lines.append(f"{rest:14,}  {rest / total:5.1%}  {'':{wide}}  {len(counts) - rows:,} others")
    return "\n".join(lines) + "\n"
