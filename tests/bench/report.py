# SPDX-License-Identifier: GPL-2.0-only
"""report.py - the tables of tests/bench/run: for a terminal, and as Markdown.

Counters are per operation, in domain 0, over all repetitions; they contain the
clock's interrupts, which is why none is exactly 0 in a long operation.
"""

COUNTERS = (("calls", ("hypercalls",)), ("cr3 wr", ("cr3_writes",)), ("traps", ("traps",)),
            ("fills", ("fills",)), ("flushes", ("flush_one", "flush_user", "flush_all")),
            ("sys", ("sys_bounces",)), ("faults", ("pf_bounces",)))
LIMITS = {"getpid": 1.25, "read1": 1.25, "compute": 1.02, "stream": 1.02}


def number(x):
    if x is None:
        return "-"
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}"


def per_op(x):
    if x == 0:
        return "0"
    return f"{x:.0f}" if x >= 99.5 else f"{x:.1f}" if x >= 9.95 else f"{x:.2f}" if x >= 0.005 else "~0"


def time(ns):
    if ns is None:
        return "-"
    for unit, scale in (("ms", 1e6), ("us", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.0f} ns"


def columns(result):
    """Header and rows, each a list of strings; the first column is the name."""
    wall, icount = result["runs"]["wall"], result["runs"]["icount"]
    head = ["operation"]
    head += ["instr native", "instr dom0", "ratio", "guest / dom0"] if icount else []
    head += ["wall native", "wall dom0", "ratio", "spread"] if wall else []
    head += [name for name, _ in COUNTERS]
    rows = []
    for r in result["summary"]:
        row = [r["op"]]
        if icount:
            ratio = r.get("instruction_ratio")
            row += [number(r["native_instructions"]), number(r["dom0_instructions"]), f"{ratio:.3f}" if ratio else "-",
                    f"{r['guest_ratio']:.3f}" if "guest_ratio" in r else "-"]
        if wall:
            row += [time(r["native_ns"]), time(r["dom0_ns"])]
            row += [f"{r['wall_ratio']:.2f}", f"{r['wall_ratio_min']:.2f}-{r['wall_ratio_max']:.2f}"] \
                if "wall_ratio" in r else ["-", "-"]
        row += [per_op(sum(r["counters"].get(k, 0) for k in keys)) for _, keys in COUNTERS]
        rows.append(row)
    return head, rows


def plain(result):
    head, rows = columns(result)
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]

    def line(row):
        return "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths)))

    return "\n".join([line(head)] + [line(r) for r in rows])


def markdown(result):
    head, rows = columns(result)
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(r) + " |" for r in rows]
    return "\n".join(lines) + "\n"


def document(result):
    """docs/bench.md: how to read the table, and the table."""
    what = "\n".join(f"- **{r['op']}**: {r['what']}" for r in result["summary"])
    limits = ", ".join(f"{op} {ratio}" for op, ratio in LIMITS.items())
    return f"""<!-- SPDX-License-Identifier: GPL-2.0-only -->
<!-- Written by `tests/bench/run --docs`; the text is in tests/bench/report.py. -->
# What things cost

`make bench` runs `tests/guest/bench.c` natively, in domain 0 and in a guest domain, with the same
kernel, initramfs, command line and QEMU processor, and prints this table.
{result['date'][:10]}, commit {result['commit']}, QEMU {result['qemu']},
`-cpu {result['cpu']}`, {result['mem']} MiB; on {result['host']}.

{markdown(result)}
How to read it:

- *instr*: instructions for one operation, median (`-icount shift=0`). Exact, and
  the same on every machine. A `rep` string instruction counts once for each
  round: clearing a page is 4096 of these, on both sides, which flatters the
  ratio of operations that need new pages. *guest / dom0*: the same in a guest
  domain beside an idle domain 0, against domain 0.
- *wall*: median time in QEMU's translator on that machine. An `iretq` or a CR3
  write costs it far more than a processor, plain code and `rep` far less, so these
  ratios are not a forecast for real hardware. *spread* is the
  smallest and largest ratio of {len(result['runs']['wall'])} pairs of runs.
- The rest is what the hypervisor counted for one operation in domain 0 (`/proc/vmi/counters`):
  hypercalls, CR3 writes of the processor, exceptions that entered the hypervisor, shadow
  entries filled, flushes, system calls and page faults of user programs that the
  trampoline passed on. `~0`: only the clock's interrupts.

Limits that the tests hold (`tests/run bench`), on the instruction ratio: {limits};
and a system call makes no hypercall and no CR3 write.

{what}
"""
