#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: Domain XML and xl.cfg files are accepted or refused with exactly the expected messages; what is printed is a fixed point, fits our schema and libvirt's.
# seconds: 20
"""Each file of tests/tools/conf (pass-*, fail-*, and strict-* with --validate)
and its .out: what `vmi check --print` prints, status first. --update rewrites
the .out files: read the difference before you commit it."""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BUILD = os.environ.get("BUILD", os.path.expanduser("~/.cache/vmi/build"))
VMI = f"{BUILD}/dom0-tools/vmi"
CONF = f"{TOP}/tests/tools/conf"
TMP = os.environ.get("TMPDIR", "/tmp")
failures = []


def run(*argv, stdin=None):
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, errors="replace", cwd=CONF)


def golden(name, update):
    option = ["--validate"] if name.startswith("strict-") else []
    r = run(VMI, "check", "--print", *option, name)
    seen = f"status {r.returncode}\n{r.stderr}{r.stdout}"
    path = f"{CONF}/{name}.out"
    if update:
        with open(path, "w") as f:
            f.write(seen)
    want = open(path).read() if os.path.exists(path) else "(there is no .out file)"
    if seen != want:
        failures.append(f"{name}: expected\n{want}seen\n{seen}")
    if (r.returncode == 0) != name.startswith("pass-"):
        failures.append(f"{name}: status {r.returncode}")
    return r.stdout if r.returncode == 0 else None


def fixed_point(name, xml):
    path = f"{TMP}/again.xml"
    with open(path, "w") as f:
        f.write(xml)
    r = run(VMI, "check", "--print", "--validate", path)
    if r.stdout != xml:
        failures.append(f"{name}: printed and read again it is another one:\n{r.stderr}{r.stdout}")


def fits(name, xml, schema, whose):
    r = run("xmllint", "--noout", "--nonet", "--relaxng", schema, "-", stdin=xml)
    if r.returncode:
        failures.append(f"{name}: {whose} schema refuses it:\n{r.stderr[-600:]}")


def as_xen(xml):
    return xml.replace("<domain type='vmi'", "<domain type='xen'").replace(">pv</type>", ">linux</type>")


def main(update):
    schema = f"{TMP}/domain.rng"
    with open(schema, "w") as f:
        f.write(run(VMI, "schema").stdout)
    names = sorted(os.path.basename(p) for p in glob.glob(f"{CONF}/*.xml") + glob.glob(f"{CONF}/*.cfg"))
    if len(names) < 40:
        sys.exit("where are the files of tests/tools/conf?")
    for name in names:
        xml = golden(name, update)
        if xml:
            fixed_point(name, xml)
            fits(name, xml, schema, "our")
            fits(name, as_xen(xml), "/usr/share/libvirt/schemas/domain.rng", "libvirt's")
    for path in sorted(glob.glob(f"{TOP}/docs/examples/*.xml")):
        r = run(VMI, "check", "--validate", "--print", path)
        text = re.sub(r"\A\s*(<!--.*?-->\s*)*", "", open(path).read(), flags=re.S)
        if r.returncode or "warning:" in r.stderr:
            failures.append(f"{path}: {r.stderr}")
        fits(path, text, schema, "our")
    # The schema refuses too.
    for name in ("fail-action.xml", "fail-nomemory.xml", "fail-disk.xml", "strict-unknown.xml"):
        if run("xmllint", "--noout", "--relaxng", schema, name).returncode == 0:
            failures.append(f"{name}: our schema accepts it")
    for f in failures:
        print(f)
    sys.exit(f"{len(failures)} of {len(names)} files are not as expected" if failures else 0)


main("--update" in sys.argv[1:])
