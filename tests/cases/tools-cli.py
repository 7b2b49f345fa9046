#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: vmi's verbs, forms of output, exit statuses and messages; as virsh; vmid on garbage, for readers, without rights, restarted, at boot.
# seconds: 40
"""Under the sanitizers, with simulated domains. Every check is one line of
check(): arguments, the status expected, patterns of output and errors."""
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from vmid import BUILD, SANITIZED, Vmid  # noqa: E402

VMI = f"{BUILD}/tools-test/vmi"
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
TMP = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"tools-cli-{os.getpid()}")
failures = []
v = Vmid(TMP, SANITIZED, sim="cpus=4,memory=1024,shutdown=30")
env = dict(os.environ, VMI_CONNECT=v.run_dir, TERM="dumb", ASAN_OPTIONS="detect_leaks=0")
VIRSH = f"{TMP}/virsh"
os.symlink(VMI, VIRSH)


def vmi(*args, program=VMI, stdin="", **kw):
    return subprocess.run([program, *args], input=stdin, capture_output=True, text=True, errors="replace",
                          env=dict(env, **kw.pop("env", {})), timeout=30, cwd=kw.pop("cwd", TMP), **kw)


def check(args, status=0, out=None, err=None, **kw):
    """args as a line of words; a word may be quoted by '..'."""
    words = args if isinstance(args, list) else [w.strip("'") for w in re.findall(r"'[^']*'|\S+", args)]
    r = vmi(*words, **kw)
    why = None
    if status is None and not r.returncode:
        why = "status 0"
    elif status is not None and r.returncode != status:
        why = f"status {r.returncode}, not {status}"
    elif out is not None and not re.search(out, r.stdout, re.M | re.S):
        why = f"output is not like {out!r}"
    elif err is not None and not re.search(err, r.stderr, re.M | re.S):
        why = f"errors are not like {err!r}"
    elif status and not re.search(r"^error: \S", r.stderr, re.M):
        why = "no line says why"
    elif "Sanitizer" in r.stderr or "runtime error" in r.stderr:
        why = "the sanitizer complains"
    if why:
        failures.append(f"vmi {' '.join(words)}: {why}\n{r.stdout}{r.stderr}")
    return r


def file(name, text):
    with open(f"{TMP}/{name}", "w") as f:
        f.write(text)


def life():
    file("web.xml", v.xml("web"))
    file("bad.xml", v.xml("web").replace("memory", "memroy"))
    file("huge.xml", v.xml("huge").replace(">64<", ">4096<"))
    file("nokernel.xml", v.xml("nokernel").replace("vmlinux", "nothing"))
    check("list", out=r"\AID +NAME +STATE")
    check("define web.xml", out=r"^Domain 'web' defined from web.xml$")
    check("define bad.xml", 4, err=r"^bad.xml:1: .*did you mean <memory>\?.*^error: the configuration is not accepted")
    check("define missing.xml", 4, err="missing.xml: No such file")
    check("define /tmp", 4, err="folder|directory")
    check("define web.xml --validate -q", out=r"\A\Z")
    check("define huge.xml", err="more than this machine's 1024 MiB")
    check("start huge", 1, err="not enough memory: 4096 MiB are asked for, 1024 MiB are free: lower")
    check("undefine huge")
    check("define nokernel.xml")
    check("start nokernel", 4, err="kernel .*nothing: there is no such file")
    check("undefine nokernel")
    check("domstate web", out="^shut off$")
    check("start web", out="^Domain 'web' started$")
    check("start web", 6, err="is already active")
    check("create web.xml", 6, err="already active")
    check("domstate web --reason", out=r"^(running|idle) \(booted\)$")
    check("suspend web")
    check("suspend web", 6, err="already paused")
    check("shutdown web", 6, err="^hint: resume it")
    check("list", out=r"^1 +web +paused +1 +64 MiB")
    check("resume web")
    check("resume web", 6, err="not paused")
    check("domrename web other", 6)
    check("reboot web")
    check("wait web running --timeout 5")
    check("reset web")
    check("shutdown web --wait --timeout 5", out="is shut off")
    check("destroy web", 6, err="not running")
    check("domrename web shop")
    check("dominfo web", 3, err="failed to get domain 'web'")
    check("dominfo shpo", 3, err="did you mean 'shop'")
    check("domrename shop a/b", 4)
    check("domrename shop web")
    check("start web --paused")
    check("undefine web", out="has been undefined")
    check("dominfo web", out="^Persistent: +no$")
    check("destroy web")
    check("dominfo web", 3)
    check("create web.xml --paused")
    check("autostart web", 6, err="transient")
    check("destroy web --graceful")
    check("run quick -k vmlinux -m 48M", out="started")
    check("run quick2 -k vmlinux --network blue --bridge br0 --print-xml", out="<source bridge='br0'/>.*<interface type='network'>\\s*<source network='blue'/>")
    check("run quick2 -k vmlinux --print-xml", out="<domain type='vmi'>")
    check("run bad/name -k vmlinux", 4)
    check("run other -k nosuch", 4)
    check("wait quick 'shut off' --timeout 0.2", 124)
    check("wait quick stopped", 2, err="hint: ")
    check("destroy quick")
    check("undefine quick")


def names_clash():
    uuid = "00112233-4455-6677-8899-aabbccddeeff"
    file("one.xml", v.xml("one", more=f"<uuid>{uuid}</uuid>"))
    file("same.xml", v.xml("two", more=f"<uuid>{uuid}</uuid>"))
    file("name.xml", v.xml("one", more=f"<uuid>{uuid[:-1]}0</uuid>"))
    check("define one.xml")
    check("define same.xml", 1, err=f"'one' already has the uuid {uuid}")
    check("define name.xml", 1, err=f"'one' already exists with uuid {uuid}")
    check(f"domname {uuid}", out="^one$")
    check("domuuid one", out=f"^{uuid}$")
    check("undefine one")


def change():
    check("define web.xml")
    check("setmaxmem web 256M")
    check("setmem web 128M")
    check("setmem web 512M", 4, err="more than its maximum")
    check("setmem web -5", 2, err="negative")
    check("setmem web 5parsec", 2, err="unit")
    check("setvcpus web 3 --maximum --config")
    check("setvcpus web 2 --config")
    check("setvcpus web 9 --config", 4)
    check("vcpupin web 1 0-1 --config")
    check("vcpupin web 7 0 --config", 4)
    check("vcpupin web 0 x --config", 4)
    check("schedinfo web --weight 512 --config")
    check("schedinfo web --set cap=50", out="^weight +: 512$.*^cap +: 50$")
    check("schedinfo web --weight 99999", 4)
    check("setmem web 100M --live", 6)
    check("desc web --title 'A title'")
    check("desc web some more words")
    check("desc web", out="^some more words$")
    check("start web")
    check("setmaxmem web 512M", 6, err="hint: change the definition: --config")
    check("setmem web 100M", out="changed")
    check("dominfo web", out="^Used memory: +102400 KiB$")
    check("dumpxml web", out="id='[0-9]+'.*<currentMemory unit='KiB'>102400<")
    check("dumpxml web --inactive", out="<currentMemory unit='KiB'>131072<.*<shares>512</shares>.*cpuset='0-1'")
    check("vcpuinfo web", out="^VCPU: +1$")
    editor = "sed -i s/131072/65536/"
    check("edit web", out="edited", env={"EDITOR": editor})
    check("dumpxml web --inactive", out=">65536<")
    check("edit web", out="not changed", env={"EDITOR": "true"})
    check("edit web", 1, err="the editor", env={"EDITOR": "false"})
    check("edit web", 4, err=r"is in \S+/vmi-edit", env={"EDITOR": "sed -i s/type=.vmi./type=.kvm./"})


def outputs():
    rows = json.loads(check("-o json list --all").stdout)
    if [r["name"] for r in rows] != ["web"] or rows[0]["max_memory"] != 256 << 20:
        failures.append(f"list -o json: {rows}")
    check("list --all -o yaml", out=r'\A- name: "web"\n  uuid: ')
    check("list --all -o name", out=r"\Aweb\n\Z")
    check("list --all --name", out=r"\Aweb\n\Z")
    check("list --columns name,title --no-headings", out=r"\Aweb +A title\n\Z")
    check("list --columns nme", 2, err="hint: did you mean name")
    check("list -o xml", 2)
    check("lst", 2, err="hint: did you mean list")
    check("list --al", out="web")
    check("list --colums name", 2, err="hint: did you mean --columns")
    check("start", 2, err="the domain is missing")
    check("start a b", 2, err="unexpected argument 'b'")
    check([], 2, err="a command is missing")
    check("--nosuch", 2)
    check("help", out="^Life:.*^  define .*^  -o, --output")
    with open(f"{TOP}/dom0-tools/man/vmi.1") as f:
        if vmi("help", "--man").stdout != f.read():
            failures.append("dom0-tools/man/vmi.1 is not what vmi help --man prints: write it again")
    check("help start", out="usage: vmi start DOMAIN")
    check("help pause", out="usage: vmi suspend DOMAIN")
    check("run --name r --kernel /etc/hostname --print-xml -- console=hvc0 quiet", out="<cmdline>console=hvc0 quiet</cmdline>")
    check("run r /etc/hostname --cmdline a --print-xml -- b", 2, err="two command lines")
    check("start --help", out="usage: vmi start DOMAIN")
    check("domstats web", out="state.state=.*balloon.maximum=262144.*vcpu.0.time=")
    check("domstats web --state --block", out=r"\ADomain: 'web'\n  state.state=\d\n  block.count=0\n\n\Z")
    check("domstats web web --balloon", out=r"\A(Domain: 'web'\n  balloon.current=\d+\n  balloon.maximum=262144\n\n){2}\Z")
    check("domstats web nosuch", 3)
    check("cpu-stats web", out="^Total:$")
    check("nodeinfo", out="^CPU\\(s\\): +4$")
    check("nodememstats", out="^total +: +1048576 KiB$")
    check("capabilities", out="<domain type='vmi'/>")
    check("uri", out="^unix:")
    check("hostname", out=".")
    check("top -b -n 2 -d 1", out=r"1 domains.*web.*1 domains.*web")
    row = json.loads(check("-o json top -n 1").stdout)[0]
    if row["name"] != "web" or row["memory"] != 100 << 20 or "disk_bytes_sec" not in row:
        failures.append(f"top -o json: {row}")
    check("log web", out="Linux version 6.1 \\(simulated")
    check("log web --lifecycle -n 1", out=r"\A\S+Z [^\n]*\n\Z")
    check("complete -- star", out=r"\Astart\n\Z")
    check("complete -- destroy ''", out=r"\Aweb\n\Z")
    check("complete -- start ''", out=r"\A\Z")
    check("complete -- list --al", out="--all")
    r = subprocess.run(["bash", "-c", ". completion/vmi.bash; vmi() { \"$VMI\" \"$@\"; }; COMP_WORDS=(vmi -o json destroy w); COMP_CWORD=4; "
                        "_vmi; echo ${COMPREPLY[@]}"], env=dict(env, VMI=VMI), cwd=f"{TOP}/dom0-tools", capture_output=True, text=True)
    if r.stdout != "web\n":
        failures.append(f"completion for bash: {r}")
    check("doctor", out="^ok +vmid answers")
    p = subprocess.Popen([VMI, "console", "web"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdin.write("uptime\n")
    p.stdin.flush()
    time.sleep(0.5)
    out = p.communicate("\x1d", timeout=10)[0]
    if not re.search("web# uptime.*up [0-9]", out, re.S):
        failures.append(f"console web: {out!r}")
    check("console nosuch", 3)


def networks():
    xml = f"{TMP}/net.xml"

    def network(forward="<forward mode='nat'/>", ip="<ip address='10.1.0.1' netmask='255.255.255.0'><dhcp><range start='10.1.0.10' "
                "end='10.1.0.20'/><host mac='52:54:00:00:00:01' ip='10.1.0.5'/></dhcp></ip>", bridge="vmibr9", name="blue"):
        with open(xml, "w") as f:
            f.write(f"<network><name>{name}</name>{forward}<bridge name='{bridge}'/>{ip}</network>")
        return f"net-define {xml}"

    check("net-list --all", out=r"\ANAME +STATE +AUTOSTART +FORWARD +BRIDGE\n\Z")
    check("net-start blue", 3, err="no network 'blue'.*net-list --all")
    for forward, ip, bridge, name, why in (
            (None, "", None, None, "needs <ip address"), (None, None, None, "a b", "<name>: \"a b\" cannot be one"),
            (None, None, "a/b", None, "<bridge name>"), ("<forward mode='route'/>", None, None, None, "\"route\" is not known"),
            ("<forward mode='bridge'/>", None, None, None, "take it out"), ("", "", "", None, "<bridge name"),
            (None, "<ip address='10.1.0.0' prefix='24'/>", None, None, "use one between"),
            (None, "<ip address='10.1.0.1' prefix='33'/>", None, None, "8 to 30 bits"),
            (None, "<ip address='10.1.0.1.2'/>", None, None, "no IPv4 address"),
            (None, "<ip address='10.1.0.1'><dhcp><range start='10.2.0.2' end='10.1.0.9'/></dhcp></ip>", None, None, "<range start> must be"),
            (None, "<ip address='10.1.0.1'><dhcp><range start='10.1.0.9' end='10.1.0.2'/></dhcp></ip>", None, None, "before its start"),
            (None, "<ip address='10.1.0.1'><dhcp/></ip>", None, None, "<dhcp> needs <range"),
            (None, "<ip address='10.1.0.1'><dhcp><range start='10.1.0.2' end='10.1.0.9'/><host mac='52:54:00:00:00:01' ip='10.1.0.5'/>"
             "<host mac='52:54:00:00:00:02' ip='10.1.0.5'/></dhcp></ip>", None, None, "another one has this mac or ip"),
            (None, "<ip address='10.1.0.1'/><ip address='10.2.0.1'/>", None, None, "a second <ip>")):
        given = {k: x for k, x in (("forward", forward), ("ip", ip), ("bridge", bridge), ("name", name)) if x is not None}
        check(network(**given), 4, err=why)
    check(network(), out="Network 'blue' defined")
    check(network(name="red"), 4, err="the network 'blue' has the bridge vmibr9")
    check(network(name="red", bridge="vmibr8", ip="<ip address='10.1.255.1' prefix='16'/>"), 4, err="the network 'blue' has some of these addresses")
    check("net-dumpxml blue", out="<forward mode='nat'/>.*netmask='255.255.255.0'.*<host mac='52:54:00:00:00:01' ip='10.1.0.5'/>")
    check("net-edit blue", out="Network 'blue' not changed", env={"EDITOR": "true"})
    check("net-edit blue", out="Network 'blue' edited", env={"EDITOR": "sed -i s/10.1.0.20/10.1.0.30/"})
    check("net-edit blue", 4, err=r"network is not accepted.*is in \S+/vmi-edit", env={"EDITOR": "sed -i /ip/d"})
    check("net-edit red", 3, env={"EDITOR": "true"})
    check("net-dumpxml blue", out="end='10.1.0.30'")
    check("net-autostart blue", out="marked")
    check("net-list --all", out="^blue +inactive +yes +nat +vmibr9$")
    with open(xml, "w") as f:
        f.write("<interface type='network'><source network='blue'/></interface>")
    check(f"attach-device web {xml} --live", 4, err="the network 'blue' is not active: vmi net-start blue")
    check("net-start blue", out="started")
    check("net-start blue", 6, err="active already")
    check("net-undefine blue", 6, err="hint: stop it first")
    # What udhcpd writes; a host says what it is called.
    with open(f"{v.run_dir}/blue.leases", "wb") as f:
        f.write(struct.pack(">Q", 1000000000))
        for last, host in ((15, b"mail"), (16, b"a\x1b[0m")):
            f.write(struct.pack(">IBBBB6s20s2x", 3600, 10, 1, 0, last, bytes((2, 0, 0, 0, 0, last)), host))
    check("net-dhcp-leases blue", out=r"^2001-09-09 02:46:40 +02:00:00:00:00:0f +ipv4 +10.1.0.15/24 +mail\n.*10.1.0.16/24 +a\?\[0m\n\Z")
    check("net-dhcp-leases blue --mac 02:00:00:00:00:10 -o name", out=r"\A10.1.0.16\n\Z")
    check("complete -- net-destroy b", out=r"\Ablue\n\Z")
    check("complete -- net-start ''", out=r"\A\Z")
    check("net-list", out=r"\A Name +State +Autostart +Persistent *\n-+\n blue +active +yes +yes *\n\n\Z", program=VIRSH)
    if "<name>blue</name>" not in json.loads(check("-o json net-dumpxml blue").stdout)["xml"]:
        failures.append("net-dumpxml -o json")
    with open(f"{TMP}/latin.xml", "wb") as f:
        f.write(b"<network><name>\xff</name></network>")
    check("net-define latin.xml", 4, err="latin.xml: not UTF-8 text")
    check("net-info blue", out="^Active: +yes\n.*^Bridge: +vmibr9$")
    check(f"attach-device web {xml} --live")
    check("dumpxml web", out="<source network='blue' bridge='vmibr9'/>")
    check("domiflist web", out="network +blue")
    mac = json.loads(check("-o json domiflist web").stdout)[0]["mac"]
    check("domifaddr web", out=r"\ANAME +MAC +PROTOCOL +ADDRESS\n\Z")
    with open(f"{v.run_dir}/blue.leases", "ab") as f:
        f.write(struct.pack(">IBBBB6s20s2x", 3600, 10, 1, 0, 17, bytes.fromhex(mac.replace(":", "")), b""))
    check("domifaddr web", out=rf"^vif\S+ +{mac} +ipv4 +10.1.0.17/24$")
    check("domifaddr web --source arp", out=r"ADDRESS\n\Z")
    check("domifaddr web vif9.9", 3)
    check("domifaddr web --source agent", 2, err="lease and arp")
    # What it has of the network is its own now: another device needs no network, and the bridge stays.
    check("net-destroy blue", out="destroyed")
    file("rng.xml", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")
    check("attach-device web rng.xml --live")
    check("detach-device web rng.xml --live")
    check(network(bridge="vmibr7"), out="defined")
    check("net-start blue", out="started")
    check("attach-device web rng.xml --live")
    check("detach-device web rng.xml --live")
    check("dumpxml web", out="<source network='blue' bridge='vmibr9'/>")
    check("detach-interface web network --live")
    check("net-autostart blue --disable", out="unmarked")
    check("-r net-list", out="blue")
    check("-r net-destroy blue", 5)
    check("net-destroy blue", out="destroyed")
    check("net-destroy blue", 6)
    check("net-undefine blue", out="undefined")
    check("net-info blue", 3)


def names_of_devices():
    for name in ("a.img", "b.img"):
        file(name, "\0" * 4096)
    # From the folder where vmi is, by both ends of its name, and of the definition as of what runs.
    check("attach-disk web a.img vda --persistent --targetbus virtio --io native", out="has the disk vda now")
    check("attach-disk web nothing.img vdb", 4, err="nothing.img: No such file")
    check("domblklist web", out=f"vda +{TMP}/a.img")
    check(f"domblkstat web {TMP}/a.img", out="rd_req 0")
    check(f"blkdeviotune web {TMP}/a.img --total-iops-sec 5 --persistent")
    check(f"blockresize web {TMP}/a.img 8")
    check(f"detach-disk web {TMP}/a.img --persistent", out="no more")
    check("domblklist web --inactive", out=r"\ATARGET +SOURCE\n\Z")
    check("attach-disk web /nowhere.img vdb --config", out="has the disk", err="warning: .*/nowhere.img.*cannot start like this")
    check("detach-disk web vdb --config")
    check("attach-interface web bridge br0 --mac 02:00:00:00:00:01 --persistent --model e1000", err='note: <model>: "e1000" is virtio here')
    check("attach-interface web bridge br1 --mac 02:00:00:00:00:02 --persistent")
    tap = json.loads(check("-o json domiflist web").stdout)[1]["tap"]
    for verb in (f"domif-setlink web {tap} down --config", f"domiftune web {tap} --config --inbound 100", f"domiftune web {tap} --persistent --outbound 9"):
        check(verb)
    check("dumpxml web --inactive", out="00:01'/>((?!<link).)*00:02'/>((?!</interface).)*<link state='down'/>")
    check(f"domiftune web {tap} --inactive", out=r"^inbound.average : 100$.*^outbound.average: 9$")
    check(f"domif-getlink web {tap} --inactive", out="down")
    check(f"-o json domif-getlink web {tap}", out='"link": "up"')
    check("-o json domname web", out=r'\A"web"\n\Z')
    check("detach-interface web network", 3, err="no interface of the type network.*hint: .*domiflist")
    check("detach-interface web bridge", 3, err="has 2 interfaces of the type bridge: say which: --mac")
    check("detach-interface web bridge --mac 02:00:00:00:00:09", 3, err="type bridge with the address 02:00:00:00:00:09")
    check("detach-interface web bridge --mac 02:00:00:00:00:01 --persistent")
    check("detach-interface web bridge --persistent", out="no more")
    # Found by its address: link and limits while it runs, of the definition everything.
    nic = "<interface type='bridge'><mac address='02:00:00:00:00:03'/><source bridge='br0'/>%s</interface>"
    file("nic.xml", nic % "<mtu size='1400'/>")
    check("attach-device web nic.xml --persistent")
    file("nic.xml", nic % "<link state='down'/><bandwidth><inbound average='70'/></bandwidth>")
    check("update-device web nic.xml --persistent", out="has the device updated")
    check("dumpxml web", out="<mtu size='1400'/>\\s*<alias name='net0'/>\\s*<link state='down'/>\\s*<bandwidth>\\s*<inbound average='70'/>")
    check("dumpxml web --inactive", out=r"\A((?!<mtu).)*<link state='down'/>((?!<mtu|<alias).)*\Z")
    check("domif-getlink web net0", out="down")
    file("nic.xml", nic % "<mtu size='1400'/>")
    check("update-device web nic.xml --live")
    check("dumpxml web", out=r"\A((?!<link|<bandwidth).)*\Z")
    file("nic.xml", nic.replace("br0", "br1") % "")
    check("update-device web nic.xml", 6, err="<source bridge> cannot change while the domain runs: link and bandwidth can.*hint: ")
    check("update-device web nic.xml --config")
    check("dumpxml web --inactive", out="bridge='br1'")
    file("nic.xml", nic % "<bandwidth><inbound peak='7'/></bandwidth>")
    check("update-device web nic.xml", 4, err="needs average")
    file("disk.xml", f"<disk type='file'><source file='{TMP}/b.img'/><target dev='vda'/></disk>")
    check("update-device web disk.xml", 3, err="no disk vda")
    check("attach-disk web a.img vda --persistent")
    check("update-device web disk.xml", 6, err="cannot be updated.*hint: .*blockresize")
    check("update-device web disk.xml --config")
    check("domblklist web", out=r"vda +\S+/a.img")
    check("domblklist web --inactive", out=r"vda +\S+/b.img")
    os.truncate(f"{TMP}/a.img", 1 << 20)
    check("domblkinfo web vda", out=r"\ACapacity: +1048576\nAllocation: +\d+\nPhysical: +1048576\n\Z")
    check(f"domblkinfo web {TMP}/a.img --human", out=r"^Capacity: +1 MiB$")
    check("-r domblkinfo web vdz", 3)
    check("detach-device-alias web net7", 3, err="no device with the alias net7.*hint: ")
    check("detach-device-alias web net0", out="the device net0 no more")
    check("detach-interface web bridge --config")
    check("detach-device-alias web vda --persistent")
    check("destroy web")
    check("blockresize web vda 8", 6, err="not running.*hint: .*truncate")
    check("start web")


def events():
    p = subprocess.Popen([VMI, "event", "--loop", "--timeout", "1.5"], env=env, stdout=subprocess.PIPE, text=True)
    time.sleep(0.4)
    check("suspend web")
    check("resume web")
    out = p.communicate()[0]
    for want in ("event 'lifecycle' for domain 'web': Suspended Paused", "Resumed Unpaused", "events received: 2"):
        if want not in out:
            failures.append(f"event --loop: no {want!r} in {out!r}")


def as_virsh():
    check("list --all", out=r"\A Id   Name   State *\n-+\n 1?\d*[\d-]* +web +\w+", program=VIRSH)
    check("domstate web", out=r"\A(running|idle)\n\n\Z", program=VIRSH)
    check("dominfo --domain web", out="^OS Type: +linux$", program=VIRSH)
    check("-c vmi:///system -q domstate web", 5, program=VIRSH) if not os.path.exists("/run/vmid") else None
    check("version", out="^Running hypervisor: ", program=VIRSH)
    check("dominfo nosuch", 3, err="^error: failed to get domain 'nosuch'", program=VIRSH)


def on_the_socket():
    for data in (b"\0", b"garbage\0", b"{}\0", b"[]\0", b'{"method":5}\0', b'{"method":"org.vmi.Get","parameters":[]}\0',
                 b'{"method":"org.vmi.Get"}\0', b'{"method":"org.vmi.SetMemory","parameters":{"domain":"web","bytes":-1}}\0',
                 b'{"method":"org.vmi.None"}\0', b'{"a":' * 5000 + b"\0", b"{" + b" " * 100, b"x" * (9 << 20)):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(f"{v.run_dir}/vmid.sock")
        try:
            s.sendall(data)
            if data.endswith(b"\0") and b'"error"' not in s.recv(65536):
                failures.append(f"{data[:40]!r}: no error came back")
        except (BrokenPipeError, ConnectionResetError):
            pass
        s.close()
    # Varlink's own methods, and two calls in one piece.
    s = socket.socket(socket.AF_UNIX)
    s.connect(f"{v.run_dir}/vmid.sock")
    s.sendall(b'{"method":"org.varlink.service.GetInfo"}\0'
              b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.vmi"}}\0')
    data = b""
    while data.count(b"\0") < 2:
        data += s.recv(65536)
    if b"interfaces" not in data or b"method Define(" not in data:
        failures.append(f"org.varlink.service: {data[:300]!r}")
    # Readers look, and cannot touch.
    check("-r list", out="web")
    check("-r destroy web", 5, err="permission denied.*^hint: ")
    check("-r console web", 5)
    # Many idle clients do not keep others out for long, nor bring it down.
    many = []
    for _ in range(120):
        m = socket.socket(socket.AF_UNIX)
        m.connect(f"{v.run_dir}/vmid-ro.sock")
        many.append(m)
    check("list", out="web")
    for m in many:
        m.close()


def without_rights():
    if os.getuid():
        return
    # A folder that they can reach, and vmi in it.
    reachable = f"/tmp/tools-cli-{os.getpid()}.others"
    os.mkdir(reachable)
    os.chmod(reachable, 0o755)
    program = shutil.copy(VMI, reachable)
    w = Vmid(f"{reachable}/vmid", SANITIZED)
    w.call("Create", xml=w.xml("web"))
    nobody = dict(user=65534, group=65534, extra_groups=[], program=program, cwd="/", env={"VMI_CONNECT": w.run_dir})
    check("list", out="web", **nobody)
    check("destroy web", 5, err="permission denied", **nobody)
    w.kill(signal.SIGTERM)
    shutil.rmtree(reachable)


def by_systemd():
    """Sockets handed over, and word given when it is ready."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(f"{TMP}/notify")
    notify.settimeout(10)
    os.mkdir(f"{TMP}/sd")
    fds = []
    for name in ("vmid.sock", "vmid-ro.sock"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(f"{TMP}/sd/{name}")
        s.listen(5)
        fds.append(s)
    p = subprocess.Popen(["bash", "-c", f'exec 3<&{fds[0].fileno()} 4<&{fds[1].fileno()}; LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh", SANITIZED,
                          "--simulate", "--run-dir", f"{TMP}/sd", "--state-dir", f"{TMP}/sd/state", "--log-dir", f"{TMP}/sd/log"],
                         pass_fds=[s.fileno() for s in fds], env=dict(env, NOTIFY_SOCKET=f"{TMP}/notify"), stderr=subprocess.DEVNULL)
    if notify.recv(100) != b"READY=1":
        failures.append("NOTIFY_SOCKET: not READY=1")
    check("list", out="ID", env={"VMI_CONNECT": f"{TMP}/sd"})
    check("-r destroy x", 5, env={"VMI_CONNECT": f"{TMP}/sd"})
    p.terminate()
    if p.wait(10):
        failures.append(f"handed-over sockets: vmid's status is {p.returncode}")


def as_another_user():
    if os.getuid():
        return
    folder = f"/tmp/tools-cli-{os.getpid()}.user"
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    w = Vmid(folder, SANITIZED, options=("--user", "nobody"))
    w.call("Create", xml=w.xml("web"))
    w.call("Define", xml=w.xml("other"))
    with open(f"/proc/{w.process.pid}/status") as f:
        status = f.read()
    for want in (r"^Uid:\s65534\s65534\s65534\s65534$", "^CapEff:\t0+$", "^CapBnd:\t0+$", "^NoNewPrivs:\t1$"):
        if not re.search(want, status, re.M):
            failures.append(f"--user nobody: no {want} in\n{status}")
    w.kill()
    w.start()
    if set(w.domains()) != {"web", "other"}:
        failures.append(f"--user nobody, after a kill: {w.domains()}")
    w.kill()
    shutil.rmtree(folder)


def policies():
    file("crash.xml", v.xml("crash", cmdline="sim.crash=20", more="<on_crash>restart</on_crash>"))
    file("keep.xml", v.xml("keep", cmdline="sim.crash=20", more="<on_crash>preserve</on_crash>"))
    check("create keep.xml")
    check("wait keep crashed --timeout 5")
    check("resume keep", 6, err="hint: it crashed and is preserved")
    check("define crash.xml")
    check("start crash")
    check("wait crash 'shut off' --timeout 10")
    check("log crash --lifecycle", out="ended 5 times within 60 s: not started again")
    file("deaf.xml", v.xml("deaf", cmdline="sim.deaf"))
    check("create deaf.xml")
    check("shutdown deaf --timeout 0.2", 124, err="hint: .*destroy")
    check("domstate deaf", out="in shutdown")
    check("destroy deaf")


def devices():
    for name, size in (("a", 1 << 20), ("b", 1 << 20), ("odd", 1000)):
        with open(f"{TMP}/{name}.img", "wb") as f:
            f.truncate(size)
    with open(f"{TMP}/q.img", "wb") as f:
        f.write(b"QFI\xfb\0\0\0\3" + bytes((1 << 16) - 8))

    def disk(path, target="vda", more="", driver=""):
        return f"<disk type='file'>{driver}<source file='{TMP}/{path}'/><target dev='{target}'/>{more}</disk>"

    def nic(more="", kind="bridge"):
        return f"<interface type='{kind}'>{'<source bridge=' + chr(39) + 'br0' + chr(39) + '/>' if kind == 'bridge' else ''}{more}</interface>"

    def domain(name, *parts):
        file(f"{name}.xml", v.xml(name, more="\n<devices>\n" + "\n".join(parts) + "\n</devices>"))

    # What is missing is a warning of the definition and stops the start: all at once, with lines.
    domain("dev", disk("a.img"), disk("none.img", "vdb"), disk("odd.img", "vdc"), disk("q.img", "vdd"),
           disk("a.img", "vde", driver="<driver type='qcow2'/>"), disk("a.img", "vdf"), nic("<source dev='x'/>", "user"), nic("<portForward proto='tcp'/>", "user"))
    warned = r"dev.xml:4: warning: [^\n]*none.img[^\n]*cannot start.*dev.xml:5: warning: [^\n]*512"
    check("define dev.xml", err=warned)
    r = check("start dev", 4, err=r"^dev:\d+: error: [^\n]*none.img.*^error: cannot start 'dev': there are \d problems with its devices\nhint: ")
    for want in ("vdd.*qcow2", "vde.*is said to be qcow2, but is raw", "vda and vdf", "<source>.*take it out", "<portForward>: say which ports"):
        if not re.search(want, r.stderr):
            failures.append(f"start dev: no {want!r} in\n{r.stderr}")
    lines = check("dumpxml dev").stdout.split("\n")
    m = re.search(r":(\d+): error: [^\n]*none.img", r.stderr)
    if not m or "<disk" not in lines[int(m.group(1)) - 1]:
        failures.append(f"start dev: the line is not the disk's: {r.stderr}")
    check("create dev.xml", 1, err="already defined")
    domain("dev", disk("a.img", more="<serial>A1</serial>"), nic("<mac address='00:16:3e:00:00:01'/>"), nic("<target dev='tap9'/>"),
           "<memballoon model='virtio'/>", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")
    check("define dev.xml")
    check("dumpxml dev", out="<mac address='02:")
    check("domblklist dev", out=r"^vda +\S+/a.img$")
    check("domblkstat dev vda", 6, err="not attached")
    check("attach-disk dev b.img vdb --live", 6)
    check("attach-device dev nosuch.xml", 4)

    check("start dev")
    check("domblklist dev --details", out=r"^TYPE +DEVICE +TARGET +SOURCE\nfile +disk +vda +\S+/a.img$")
    check("domiflist dev", out=r"^vif\d+\.\d+ +bridge +br0 +- +00:16:3e:00:00:01\ntap9 +bridge +br0 ")
    check("domblkstat dev vda", out="^vda rd_req 0$.*^vda wr_bytes 0$")
    check("domblkstat dev vdx", 3, err="has no disk vdx")
    check("blkdeviotune dev vda", out=r"^total_bytes_sec: 0$.*^write_iops_sec : 0$")
    check("blkdeviotune dev vda --read-bytes-sec 1048576 --write-iops-sec 50 --persistent", out="other limits")
    check("blkdeviotune dev vda --read-bytes-sec 4096", out="other limits")
    check("blkdeviotune dev vda", out=r"^read_bytes_sec : 4096$.*^write_iops_sec : 50$")
    check("blkdeviotune dev vda --inactive", out=r"^read_bytes_sec : 1048576$")
    check("dumpxml dev", out="<iotune>\s*<write_iops_sec>50</write_iops_sec>\s*<read_bytes_sec>4096</read_bytes_sec>\s*</iotune>")
    check("blkdeviotune dev vda --read-bytes-sec-max 8192 --read-bytes-sec-max-length 60 --size-iops-sec 4096", out="other limits")
    check("blkdeviotune dev vda", out=r"^read_bytes_sec_max: 8192$.*^size_iops_sec  : 4096$.*^read_bytes_sec_max_length: 60$")
    check("dumpxml dev", out="<read_bytes_sec_max>8192</read_bytes_sec_max>.*<read_bytes_sec_max_length>60</read_bytes_sec_max_length>")
    check("blkdeviotune dev vda --read-bytes-sec 9000", 4, err="bursts are to be faster")
    check("blkdeviotune dev vda --read-bytes-sec 0", 4, err="give both, or 0 for both")
    check("blkdeviotune dev vda --read-bytes-sec-max 0", 4, err="say how fast the burst is")
    check("blkdeviotune dev vda --write-iops-sec-max 100 --write-iops-sec-max-length 2000000", 4, err="up to 1000000")
    check("blkdeviotune dev vda --read-bytes-sec-max 0 --read-bytes-sec-max-length 0 --size-iops-sec 0", out="other limits")
    check("dumpxml dev", out="<iotune>\s*<write_iops_sec>50</write_iops_sec>\s*<read_bytes_sec>4096</read_bytes_sec>\s*</iotune>")
    check("blkdeviotune dev vda --total-bytes-sec 5", 4, err="give the total, or the others")
    check("blkdeviotune dev vda --total-bytes-sec 2000000000000000", 4, err="no limit")
    check("blkdeviotune dev vda --total-bytes-sec much", 2)
    check("blkdeviotune dev vdx --total-bytes-sec 5", 3)
    check("domiftune dev tap9", out=r"^inbound.average : 0$.*^outbound.burst  : 0$")
    check("domiftune dev tap9 --inbound 100,200,300 --outbound 50", out="an interface with other limits")
    check("domiftune dev tap9", out=r"^inbound.peak    : 200$.*^outbound.average: 50$.*^outbound.peak   : 0$")
    check("dumpxml dev", out=r"<bandwidth>\s*<inbound average='100' peak='200' burst='300'/>\s*<outbound average='50'/>\s*</bandwidth>")
    check("domiftune dev tap9 --outbound 0,5", 4, err="needs average")
    check("domiftune dev tap9 --outbound 1,2,3,4", 2)
    check("domiftune dev 00:16:3e:00:00:01 --inbound 7 --config")
    check("domiftune dev 00:16:3e:00:00:01 --inactive", out=r"^inbound.average : 7$")
    check("domiftune dev 00:16:3e:00:00:01 --inbound 0 --config")
    check("domiftune dev tap9 --inbound 0 --outbound 0")
    check("dumpxml dev", out=r"\A(?!.*bandwidth)")
    check("blkdeviotune dev vda --read-bytes-sec 0 --write-iops-sec 0")
    check("dumpxml dev", out=r"\A(?!.*iotune)")
    check("domblkerror dev", out="^No errors found$")
    check("domblkerror dev -o json", out=r"\A{}$")
    check("domstate --reason dev", out=r"^(running|idle) \(booted\)$")
    check("resume dev", 6, err="not paused")
    check("domifstat dev tap9", out="^tap9 rx_bytes 0$.*^tap9 tx_drop 0$")
    check("domstats dev", out="net.count=2.*block.count=1.*block.0.path=.*block.0.capacity=1048576")
    check("top -b -n 1", out="DISK/s +NET/s")
    check("dumpxml dev", out="<alias name='net1'/>.*<alias name='rng0'/>")
    # While it runs, of its definition, and both.
    check(f"attach-disk dev {TMP}/b.img vdb --serial B2 --cache writeback", out="has the disk vdb now")
    check(f"attach-disk dev {TMP}/b.img vdb", 4, err="the target \"vdb\"")
    check(f"attach-disk dev {TMP}/b.img vdc", 4, err="vdb and vdc are both")
    check(f"attach-disk dev {TMP}/b.img vdc --serial A1 --mode readonly", 4, err='serial number "A1"')
    check(f"attach-disk dev {TMP}/none.img vdc", 4, err="none.img[^\n]*: No such file")
    check(f"attach-disk dev {TMP}/q.img vdc", 4, err="qcow2")
    check(f"attach-disk dev {TMP}/b.img bad/name", 4, err="no name of a disk")
    check(f"attach-disk dev {TMP}/b.img vdc --mode sideways", 2)
    check(f"attach-disk dev {TMP}/b.img vdc --print-xml --mode readonly", out="<readonly/>")
    check(f"attach-disk dev {TMP}/b.img vdc --print-xml --subdriver qcow2", out="type='qcow2'/>")
    check("attach-disk dev export vdc --print-xml --source-protocol nbd --source-host-name 192.0.2.7:10810", out=r"<source protocol='nbd' name='export'>\n"
          r" +<host name='192.0.2.7' port='10810'/>\n +</source>")
    check("attach-disk dev export vdc --print-xml --sourcetype network --source-host-transport unix --source-host-socket /run/s",
          out="<host transport='unix' socket='/run/s'/>")
    check("attach-disk dev export vdc --sourcetype network --source-host-name server", 4, err='"server" is no address')
    check("attach-interface dev bridge br0 --mac 00:16:3E:00:00:01", 4, err="MAC address")
    check("attach-interface dev network default", 4, err="there is no network 'default'")
    check("domblklist dev --inactive", out=r"\A(?!.*vdb)")
    check("domblklist dev -o json", out='"capacity": 1048576')
    file("nic.xml", nic("<mac address='00:16:3e:00:00:77'/>"))
    check("attach-device dev nic.xml --persistent", out="has the device now")
    check("domiflist dev --inactive", out="00:16:3e:00:00:77")
    file("odd.xml", nic("<mac address='00:16:3e:00:00:79'/><acpi/>"))
    check("attach-device dev odd.xml --config", out="has the device now", err="odd.xml:1: warning: <acpi> in <interface> has no meaning")
    check("detach-device dev odd.xml --config")
    file("two.xml", nic("<mac address='00:16:3e:00:00:78'/><mtu size='1'/><target dev='a very long name of a tap'/>"))
    check("attach-device dev two.xml", 4, err="two.xml:1: error: .*two.xml:1: error: ")
    file("none.xml", "<sound model='ac97'/>")
    check("attach-device dev none.xml", 4, err="no device that can be attached")
    check("domif-getlink dev 00:16:3e:00:00:77", out="up$")
    check("domif-setlink dev 00:16:3e:00:00:77 down")
    check("domif-getlink dev 00:16:3e:00:00:77", out="down$")
    check("domif-getlink dev 00:16:3e:00:00:77 --inactive", out="up$")
    check("domif-setlink dev tap9 sideways", 2)
    check("blockresize dev vdb 2M")
    check("domblklist dev --columns target,capacity", out=r"^vdb +2 MiB$")
    check("blockresize dev vdb 1M", 1, err="would be lost.*^hint: ")
    check("setmem dev 40M")
    check("dommemstat dev", out="^actual 40960$")
    check("complete -- detach-disk dev ''", out=r"\Avda\nvdb\n\Z")
    # Another domain wants what this one has.
    domain("rival", disk("a.img"), nic("<mac address='00:16:3e:00:00:01'/>"))
    check("define rival.xml")
    check("start rival", 4, err="same MAC address")
    domain("rival", disk("a.img"))
    check("define rival.xml", err="")
    check("start rival", None, err="a.img.*(in use|another|uses|busy)")
    check("undefine rival")
    # A new vmid takes all of it up again.
    before = check("dumpxml dev").stdout
    v.kill()
    v.start()
    if check("dumpxml dev").stdout != before:
        failures.append("dev has other devices after a restart of vmid")
    check("domblklist dev", out="vda.*vdb")
    p = subprocess.Popen([VMI, "event", "dev", "--loop", "--timeout", "3", "--event", "device-removed"], env=env, stdout=subprocess.PIPE, text=True)
    time.sleep(0.4)
    check("detach-disk dev vdb", out="has the disk vdb no more")
    check("detach-disk dev vdb", 3, err="has no disk vdb")
    check("detach-device dev nic.xml --persistent")
    check("domiflist dev --inactive", out=r"\A(?!.*:77)")
    check("domiflist dev", out=r"\A(?!.*:77)")
    check("detach-interface dev bridge", 3, err="2 interfaces of the type bridge: say which: --mac")
    check("detach-interface dev bridge --mac 00:16:3e:00:00:01")
    out = p.communicate()[0]
    if "event 'device-removed' for domain 'dev': vdb\n" not in out or out.count("\n") != 4:
        failures.append(f"event --event device-removed: {out}")
    check("log dev --lifecycle", out="device vdb: is to come.*device vdb: is to go\n[^\n]*device vdb: removed")
    check("reset dev")
    check("domblklist dev", out="vda")
    check("destroy dev")
    check("detach-disk dev vda --persistent")
    check("domblklist dev", out=r"\A(?!.*vda)")
    check("undefine dev")
    check("run quick -k vmlinux -m 48M --disk a.img,b.img --bridge br0")
    check("domblklist quick", out="^vda +\\S+/a.img\nvdb +\\S+/b.img$")
    check("domiflist quick", out="bridge +br0")
    check("destroy quick")
    check("undefine quick")
    check("run quick -k vmlinux --disk none.img", 4, err="none.img: No such file")


def signed():
    def sign(key, path):
        subprocess.run(["openssl", "cms", "-sign", "-binary", "-noattr", "-md", "sha256", "-outform", "DER", "-signer", f"{key}.cert",
                        "-inkey", f"{key}.key", "-in", path, "-out", f"{path}.p7s"], cwd=TMP, check=True, capture_output=True)

    for key in ("ours", "other"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={key}",
                        "-addext", "extendedKeyUsage=codeSigning", "-keyout", f"{key}.key", "-out", f"{key}.cert"], cwd=TMP, check=True,
                       capture_output=True)
    shutil.copy(f"{TMP}/vmlinux", f"{TMP}/safe")
    file("safe.initrd", "an initramfs")
    trust = f"<metadata><v:domain xmlns:v='urn:vmi:domain'><v:trust file='{TMP}/ours.cert'/></v:domain></metadata>"
    file("safe.xml", v.xml("safe", more=trust).replace("/vmlinux<", "/safe<").replace("<cmdline>", f"<initrd>{TMP}/safe.initrd</initrd><cmdline>"))
    check("define safe.xml --validate")
    check("start safe", 1, err=r"safe is not signed: there is no \S+safe.p7s; sign it.*\Z(?<!error:)")
    sign("ours", "safe")
    check("start safe", 1, err="safe.initrd is not signed")
    sign("other", "safe.initrd")
    check("start safe", 1, err=r"safe.initrd.p7s: the signer is not trusted by \S+/ours.cert")
    sign("ours", "safe.initrd")
    check("start safe", out="started")
    # What runs goes on; the file is checked again when the domain starts again.
    file("safe.initrd", "another one")
    r = check("reset safe", 1, err="safe.initrd and its signature do not belong together")
    if r.stderr.count("\n") != 1:
        failures.append(f"reset safe: not one line: {r.stderr}")
    check("domstate safe", out="^shut off$")
    os.rename(f"{TMP}/ours.cert", f"{TMP}/gone.cert")
    check("start safe", 1, err=r"cannot read the trusted certificate \S+/ours.cert: No such file")
    check("create safe.xml", 1, err="already defined")
    check("undefine safe")
    check("create safe.xml", 1, err="cannot read the trusted certificate")
    check("list --all --name", out=r"\A(?!.*safe)")


def restarted():
    check("autostart crash")
    before = check("domid web").stdout
    v.kill()
    check("list", 5, err="it is not running.*^hint: start the daemon")
    v.start()
    if check("domid web").stdout != before:
        failures.append("web has another id after a restart of vmid")
    check("domstate crash", out="^shut off$")		# autostart is for a boot
    check("domstate keep", out="^crashed$")
    second = subprocess.run([SANITIZED, "--simulate", "--run-dir", v.run_dir, "--state-dir", f"{TMP}/state", "--log-dir", f"{TMP}/log"],
                            capture_output=True, text=True, timeout=20)
    if second.returncode != 1 or "another vmid is running" not in second.stderr:
        failures.append(f"a second vmid: status {second.returncode}: {second.stderr}")
    # A definition that someone spoiled is left alone, and said.
    with open(f"{TMP}/state/00000000-0000-4000-8000-000000000001.xml", "w") as f:
        f.write("<domain")
    v.kill(signal.SIGTERM)
    if v.process.returncode:
        failures.append(f"SIGTERM: status {v.process.returncode}: {v.complaints()}")
    os.remove(f"{v.run_dir}/started")
    v.start()
    check("domstate crash", out="running|idle|shut off")
    check("log crash --lifecycle -n 3", out="started")
    with open(f"{TMP}/vmid.log") as f:
        if "left alone: not well-formed" not in f.read():
            failures.append("the spoiled definition is not named in the log")


for part in (life, names_clash, change, outputs, networks, names_of_devices, events, as_virsh, on_the_socket, without_rights, by_systemd, as_another_user,
             policies, devices, signed, restarted):
    part()
v.kill(signal.SIGTERM)
if v.complaints():
    failures.append(v.complaints())
for f in failures:
    print(f)
sys.exit(f"{len(failures)} checks failed" if failures else 0)
