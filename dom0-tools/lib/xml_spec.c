// SPDX-License-Identifier: GPL-2.0-only
/*
 * xml_spec.c - the vocabulary of domain XML as tables, and the walk that holds
 * a file against them.
 *
 * The words are libvirt's. A name that is in no table gets a message with the
 * nearest one that is; what is known but means nothing here (graphics, sound,
 * ...) a warning; both are cut off, so that the rest of the code meets only
 * known names and valid values. Meaning across elements is checked in xml.c.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "spec.h"

#define ATTRS(...)	((const struct attr[]){ __VA_ARGS__, { 0 } })
#define KIDS(...)	((const struct element[]){ __VA_ARGS__, { 0 } })
#define EMPTY(n)	{ n, V_NONE, NULL, NULL, NULL, 0 }
#define TEXT(n, t)	{ n, t, NULL, NULL, NULL, 0 }
#define HOLDS(n, ...)	{ n, V_NONE, NULL, NULL, KIDS(__VA_ARGS__), 0 }
#define HAS(n, ...)	{ n, V_NONE, NULL, ATTRS(__VA_ARGS__), NULL, 0 }
#define NOT_USED(n)	{ n, V_TEXT, NULL, NULL, NULL, UNUSED | MANY }
#define ANYTHING(n)	{ n, V_TEXT, NULL, NULL, NULL, FREE | MANY }
#define SIZE(n, m)	{ n, V_SIZE, NULL, ATTRS({ "unit", V_TEXT, 0, 0 }), NULL, m }
#define COMMON		{ "alias", V_NONE, NULL, ATTRS({ "name", V_NAME, 0, 1 }), NULL, 0 }, ANYTHING("address"), \
			{ "boot", V_NONE, NULL, ATTRS({ "order", V_UINT, 0, 1 }), NULL, 0 }, NOT_USED("acpi")

#define ACTIONS		"destroy restart preserve rename-restart"

static const struct attr seclabel_attrs[] = {
	{ "type", V_WORD, "dynamic static none", 0 }, { "model", V_NAME, 0, 0 }, { "relabel", V_YESNO, 0, 0 }, { 0 }
};

static const struct element seclabel_kids[] = {
	TEXT("label", V_TEXT), TEXT("imagelabel", V_TEXT), TEXT("baselabel", V_TEXT), { 0 }
};

static const struct element iotune_kids[] = {
	TEXT("total_bytes_sec", V_UINT), TEXT("read_bytes_sec", V_UINT), TEXT("write_bytes_sec", V_UINT),
	TEXT("total_iops_sec", V_UINT), TEXT("read_iops_sec", V_UINT), TEXT("write_iops_sec", V_UINT),
	TEXT("total_bytes_sec_max", V_UINT), TEXT("read_bytes_sec_max", V_UINT), TEXT("write_bytes_sec_max", V_UINT),
	TEXT("total_iops_sec_max", V_UINT), TEXT("read_iops_sec_max", V_UINT), TEXT("write_iops_sec_max", V_UINT),
	TEXT("total_bytes_sec_max_length", V_UINT), TEXT("read_bytes_sec_max_length", V_UINT), TEXT("write_bytes_sec_max_length", V_UINT),
	TEXT("total_iops_sec_max_length", V_UINT), TEXT("read_iops_sec_max_length", V_UINT), TEXT("write_iops_sec_max_length", V_UINT),
	TEXT("size_iops_sec", V_UINT), TEXT("group_name", V_NAME), { 0 }
};

static const struct attr driver_attrs[] = {
	{ "name", V_NAME, 0, 0 }, { "type", V_NAME, 0, 0 },
	{ "cache", V_WORD, "default none writethrough writeback directsync unsafe", 0 },
	{ "io", V_WORD, "native threads io_uring", 0 }, { "discard", V_WORD, "unmap ignore", 0 },
	{ "detect_zeroes", V_WORD, "off on unmap", 0 }, { "queues", V_UINT, 0, 0 }, { "queue_size", V_UINT, 0, 0 },
	{ "error_policy", V_WORD, "stop report ignore enospace", 0 },
	{ "rerror_policy", V_WORD, "stop report ignore", 0 }, { "copy_on_read", V_ONOFF, 0, 0 },
	{ "event_idx", V_ONOFF, 0, 0 }, { "packed", V_ONOFF, 0, 0 }, { "txmode", V_WORD, "iothread timer", 0 },
	{ "iothread", V_UINT, 0, 0 }, { "wrpolicy", V_WORD, "immediate", 0 }, { "format", V_NAME, 0, 0 }, { 0 }
};

static const struct attr disk_source_attrs[] = {
	{ "file", V_PATH, 0, 0 }, { "dev", V_PATH, 0, 0 }, { "protocol", V_NAME, 0, 0 }, { "name", V_TEXT, 0, 0 },
	{ "type", V_WORD, "unix", 0 }, { "path", V_PATH, 0, 0 }, { "index", V_UINT, 0, 0 }, { "tls", V_YESNO, 0, 0 },
	{ "startupPolicy", V_WORD, "mandatory requisite optional", 0 }, { 0 }
};

static const struct attr host_attrs[] = {
	{ "name", V_NAME, 0, 0 }, { "port", V_UINT, 0, 0 }, { "transport", V_WORD, "tcp unix rdma", 0 },
	{ "socket", V_PATH, 0, 0 }, { 0 }
};

static const struct element disk_kids[] = {
	{ "driver", V_NONE, NULL, driver_attrs, NULL, 0 },
	{ "source", V_NONE, NULL, disk_source_attrs, KIDS({ "host", V_NONE, NULL, host_attrs, NULL, MANY },
	  ANYTHING("reconnect"), ANYTHING("seclabel")), 0 },
	HAS("target", { "dev", V_NAME, 0, 1 }, { "bus", V_WORD, "virtio xen ide scsi sata usb", 0 },
	    { "removable", V_ONOFF, 0, 0 }, { "tray", V_WORD, "open closed", 0 }),
	EMPTY("readonly"), EMPTY("shareable"), EMPTY("transient"), TEXT("serial", V_NAME), TEXT("wwn", V_NAME),
	TEXT("vendor", V_NAME), TEXT("product", V_NAME), { "iotune", V_NONE, NULL, NULL, iotune_kids, 0 },
	ANYTHING("backingStore"), NOT_USED("auth"), NOT_USED("encryption"), NOT_USED("mirror"), NOT_USED("geometry"),
	HAS("blockio", { "logical_block_size", V_UINT, 0, 0 }, { "physical_block_size", V_UINT, 0, 0 }), COMMON, { 0 }
};

#define RATE	ATTRS({ "average", V_UINT, 0, 0 }, { "peak", V_UINT, 0, 0 }, { "burst", V_UINT, 0, 0 }, { "floor", V_UINT, 0, 0 })

static const struct element interface_kids[] = {
	HAS("mac", { "address", V_MAC, 0, 1 }),
	HAS("source", { "bridge", V_NAME, 0, 0 }, { "network", V_NAME, 0, 0 }, { "dev", V_NAME, 0, 0 },
	    { "mode", V_NAME, 0, 0 }, { "path", V_PATH, 0, 0 }, { "type", V_WORD, "unix", 0 }, { "portgroup", V_NAME, 0, 0 }),
	HAS("target", { "dev", V_NAME, 0, 1 }), HAS("script", { "path", V_NAME, 0, 1 }),
	HAS("model", { "type", V_NAME, 0, 1 }), { "driver", V_NONE, NULL, driver_attrs, NULL, 0 },
	HOLDS("bandwidth", { "inbound", V_NONE, NULL, RATE, NULL, 0 }, { "outbound", V_NONE, NULL, RATE, NULL, 0 }),
	HAS("mtu", { "size", V_UINT, 0, 1 }), HAS("link", { "state", V_WORD, "up down", 1 }),
	HAS("backend", { "type", V_WORD, "default passt", 0 }, { "tap", V_PATH, 0, 0 }, { "vhost", V_PATH, 0, 0 }),
	{ "ip", V_NONE, NULL, ATTRS({ "address", V_NAME, 0, 1 }, { "family", V_WORD, "ipv4 ipv6", 0 }, { "prefix", V_UINT, 0, 0 }),
	  NULL, MANY },
	ANYTHING("route"), ANYTHING("vlan"), ANYTHING("virtualport"), ANYTHING("filterref"),
	{ "portForward", V_NONE, NULL, ATTRS({ "proto", V_WORD, "tcp udp", 1 }, { "address", V_NAME, 0, 0 }, { "dev", V_NAME, 0, 0 }),
	  KIDS({ "range", V_NONE, NULL, ATTRS({ "start", V_UINT, 0, 1 }, { "end", V_UINT, 0, 0 }, { "to", V_UINT, 0, 0 },
	  { "exclude", V_YESNO, 0, 0 }), NULL, MANY }), MANY },
	COMMON, { 0 }
};

static const struct element char_kids[] = {
	HAS("source", { "path", V_PATH, 0, 0 }, { "mode", V_WORD, "bind connect", 0 }, { "append", V_ONOFF, 0, 0 }),
	HAS("target", { "type", V_NAME, 0, 0 }, { "port", V_UINT, 0, 0 }, { "name", V_NAME, 0, 0 }, { "state", V_NAME, 0, 0 }),
	HAS("log", { "file", V_PATH, 0, 1 }, { "append", V_ONOFF, 0, 0 }), ANYTHING("protocol"), COMMON, { 0 }
};

static const struct element rng_kids[] = {
	HAS("rate", { "bytes", V_UINT, 0, 1 }, { "period", V_UINT, 0, 0 }),
	{ "backend", V_TEXT, NULL, ATTRS({ "model", V_WORD, "random builtin", 1 }), NULL, MUST }, COMMON, { 0 }
};

static const struct element filesystem_kids[] = {
	{ "driver", V_NONE, NULL, ATTRS({ "type", V_WORD, "virtiofs path", 0 }, { "queue", V_UINT, 0, 0 }), NULL, 0 },
	HAS("source", { "dir", V_PATH, 0, 1 }), HAS("target", { "dir", V_NAME, 0, 1 }), EMPTY("readonly"),
	HAS("binary", { "path", V_PATH, 0, 0 }, { "xattr", V_ONOFF, 0, 0 }), COMMON, { 0 }
};

static const struct element device_kids[] = {
	{ "disk", V_NONE, NULL, ATTRS({ "type", V_WORD, "file block network vhostuser", 1 },
	  { "device", V_WORD, "disk cdrom floppy lun", 0 }, { "snapshot", V_WORD, "internal external no", 0 },
	  { "model", V_NAME, 0, 0 }), disk_kids, MANY },
	{ "interface", V_NONE, NULL, ATTRS({ "type", V_WORD, "bridge network user ethernet vhostuser", 1 }), interface_kids, MANY },
	{ "filesystem", V_NONE, NULL, ATTRS({ "type", V_WORD, "mount", 0 },
	  { "accessmode", V_WORD, "passthrough mapped squash", 0 }), filesystem_kids, MANY },
	{ "console", V_NONE, NULL, ATTRS({ "type", V_WORD, "pty file unix null", 0 }, { "tty", V_PATH, 0, 0 }), char_kids, MANY },
	{ "channel", V_NONE, NULL, ATTRS({ "type", V_WORD, "unix pty", 1 }), char_kids, MANY },
	{ "rng", V_NONE, NULL, ATTRS({ "model", V_WORD, "virtio virtio-transitional virtio-non-transitional", 1 }), rng_kids, MANY },
	{ "memballoon", V_NONE, NULL, ATTRS({ "model", V_WORD, "virtio xen none", 1 }, { "autodeflate", V_ONOFF, 0, 0 },
	  { "freePageReporting", V_ONOFF, 0, 0 }),
	  KIDS(HAS("stats", { "period", V_UINT, 0, 1 }), COMMON), 0 },
	TEXT("emulator", V_PATH),
	NOT_USED("serial"), NOT_USED("parallel"), NOT_USED("controller"), NOT_USED("graphics"), NOT_USED("video"),
	NOT_USED("audio"), NOT_USED("sound"), NOT_USED("input"), NOT_USED("hub"), NOT_USED("hostdev"), NOT_USED("watchdog"),
	NOT_USED("panic"), NOT_USED("tpm"), NOT_USED("vsock"), NOT_USED("smartcard"), NOT_USED("redirdev"), NOT_USED("shmem"),
	NOT_USED("memory"), NOT_USED("iommu"), NOT_USED("lease"), NOT_USED("nvram"), NOT_USED("crypto"), { 0 }
};

#define STATE	ATTRS({ "state", V_ONOFF, 0, 0 })

static const struct element domain_kids[] = {
	{ "name", V_NAME, NULL, NULL, NULL, MUST }, TEXT("uuid", V_UUID), TEXT("title", V_TEXT), TEXT("description", V_TEXT),
	{ "metadata", V_TEXT, NULL, NULL, NULL, FREE },
	SIZE("memory", MUST), SIZE("currentMemory", 0),
	{ "vcpu", V_UINT, NULL, ATTRS({ "placement", V_WORD, "static auto", 0 }, { "cpuset", V_CPUSET, 0, 0 },
	  { "current", V_UINT, 0, 0 }), NULL, 0 },
	{ "os", V_NONE, NULL, NULL, KIDS({ "type", V_NAME, "pv linux xen", ATTRS({ "arch", V_NAME, "x86_64", 0 }, { "machine", V_NAME, 0, 0 }),
	  NULL, MUST }, TEXT("kernel", V_PATH), TEXT("initrd", V_PATH), TEXT("cmdline", V_TEXT), NOT_USED("boot"),
	  NOT_USED("bootmenu"), NOT_USED("loader"), NOT_USED("nvram"), NOT_USED("smbios"), NOT_USED("bios"), NOT_USED("root"),
	  NOT_USED("dtb"), NOT_USED("acpi")), MUST },
	TEXT("bootloader", V_PATH), TEXT("bootloader_args", V_TEXT),
	{ "on_poweroff", V_WORD, ACTIONS, NULL, NULL, 0 }, { "on_reboot", V_WORD, ACTIONS, NULL, NULL, 0 },
	{ "on_crash", V_WORD, ACTIONS " coredump-destroy coredump-restart", NULL, NULL, 0 },
	{ "clock", V_NONE, NULL, ATTRS({ "offset", V_WORD, "utc localtime timezone variable absolute", 0 },
	  { "timezone", V_NAME, 0, 0 }, { "adjustment", V_NAME, 0, 0 }, { "basis", V_WORD, "utc localtime", 0 },
	  { "start", V_UINT, 0, 0 }),
	  KIDS({ "timer", V_NONE, NULL, ATTRS({ "name", V_WORD, "platform pit rtc hpet tsc kvmclock hypervclock xenclock", 1 },
	  { "mode", V_WORD, "auto native emulate paravirt smpsafe", 0 }, { "present", V_YESNO, 0, 0 },
	  { "frequency", V_UINT, 0, 0 }, { "tickpolicy", V_WORD, "delay catchup merge discard", 0 },
	  { "track", V_WORD, "boot guest wall", 0 }), NULL, MANY }), 0 },
	HOLDS("features", EMPTY("pae"), { "acpi", V_NONE, NULL, NULL, NULL, 0 }, { "apic", V_NONE, NULL, ATTRS({ "eoi", V_ONOFF, 0, 0 }),
	  NULL, 0 }, { "pvspinlock", V_NONE, NULL, STATE, NULL, 0 }, EMPTY("viridian"), EMPTY("privnet"),
	  { "hap", V_NONE, NULL, STATE, NULL, 0 }, ANYTHING("xen"), NOT_USED("kvm"), NOT_USED("hyperv"), NOT_USED("pmu"),
	  NOT_USED("vmport"), NOT_USED("smm"), NOT_USED("ioapic"), NOT_USED("gic")),
	HOLDS("cputune", TEXT("shares", V_UINT), TEXT("period", V_UINT), TEXT("quota", V_INT),
	  { "vcpupin", V_NONE, NULL, ATTRS({ "vcpu", V_UINT, 0, 1 }, { "cpuset", V_CPUSET, 0, 1 }), NULL, MANY },
	  NOT_USED("emulatorpin"), NOT_USED("iothreadpin"), NOT_USED("global_period"), NOT_USED("global_quota"),
	  NOT_USED("emulator_period"), NOT_USED("emulator_quota"), NOT_USED("vcpusched"), NOT_USED("cachetune")),
	HOLDS("memtune", SIZE("hard_limit", 0), SIZE("soft_limit", 0), SIZE("swap_hard_limit", 0), SIZE("min_guarantee", 0)),
	HOLDS("memoryBacking", { "hugepages", V_NONE, NULL, NULL, KIDS({ "page", V_NONE, NULL, ATTRS({ "size", V_UINT, 0, 1 },
	  { "unit", V_NAME, 0, 0 }, { "nodeset", V_CPUSET, 0, 0 }), NULL, MANY }), 0 },
	  EMPTY("nosharepages"), EMPTY("locked"), HAS("source", { "type", V_WORD, "anonymous file memfd", 1 }),
	  HAS("access", { "mode", V_WORD, "shared private", 1 }), HAS("allocation", { "mode", V_WORD, "immediate ondemand", 0 },
	  { "threads", V_UINT, 0, 0 }), EMPTY("discard")),
	HOLDS("numatune", HAS("memory", { "mode", V_WORD, "strict interleave preferred restrictive", 0 },
	  { "nodeset", V_CPUSET, 0, 0 }, { "placement", V_WORD, "static auto", 0 })),
	{ "seclabel", V_NONE, NULL, seclabel_attrs, seclabel_kids, 0 },
	{ "devices", V_NONE, NULL, NULL, device_kids, 0 },
	NOT_USED("cpu"), NOT_USED("resource"), NOT_USED("iothreads"), NOT_USED("iothreadids"), NOT_USED("blkiotune"),
	NOT_USED("maxMemory"), NOT_USED("vcpus"), NOT_USED("sysinfo"), NOT_USED("pm"), NOT_USED("perf"), NOT_USED("genid"),
	NOT_USED("idmap"), NOT_USED("keywrap"), NOT_USED("launchSecurity"), NOT_USED("throttlegroups"), { 0 }
};

const struct element domain_spec = {
	"domain", V_NONE, NULL, ATTRS({ "type", V_NAME, "vmi xen", 1 }, { "id", V_UINT, 0, 0 }), domain_kids, MUST
};

static const struct element network_spec = {
	"network", V_NONE, NULL, NULL, KIDS({ "name", V_NAME, NULL, NULL, NULL, MUST }, TEXT("uuid", V_UUID),
	  { "forward", V_NONE, NULL, ATTRS({ "mode", V_WORD, "nat bridge none", 0 }, { "dev", V_NAME, 0, 0 }), KIDS(ANYTHING("nat"),
	    ANYTHING("interface")), 0 },
	  HAS("bridge", { "name", V_NAME, 0, 0 }, { "stp", V_ONOFF, 0, 0 }, { "delay", V_UINT, 0, 0 }),
	  { "ip", V_NONE, NULL, ATTRS({ "address", V_NAME, 0, 1 }, { "netmask", V_NAME, 0, 0 }, { "prefix", V_UINT, 0, 0 },
	    { "family", V_WORD, "ipv4", 0 }), KIDS({ "dhcp", V_NONE, NULL, NULL, KIDS(HAS("range", { "start", V_NAME, 0, 1 }, { "end", V_NAME, 0, 1 }),
	      { "host", V_NONE, NULL, ATTRS({ "mac", V_MAC, 0, 1 }, { "name", V_NAME, 0, 0 }, { "ip", V_NAME, 0, 1 }), NULL, MANY }), 0 }), 0 },
	  { "metadata", V_TEXT, NULL, NULL, NULL, UNUSED }, NOT_USED("mac"), NOT_USED("dns"), NOT_USED("domain"), NOT_USED("mtu")), MUST
};

static bool mac_ok(const char *s)
{
	for (int i = 0; i < 17; i++) {
		if (i % 3 == 2 ? s[i] != ':' : !s[i] || !strchr("0123456789abcdefABCDEF", s[i]))
			return false;
	}
	return !s[17];
}

/* What is wrong with a value, for "... <reason>"; NULL: nothing. */
static const char *value_problem(enum value type, const char *words, const char *s, const char *unit)
{
	uint8_t uuid[16];
	uint64_t n;

	switch (type) {
	case V_NONE:
		return *s ? "holds no text" : NULL;
	case V_TEXT:
		return NULL;
	case V_NAME:
		return *s ? NULL : "is empty";
	case V_WORD:
		return word_in(s, words) ? NULL : "";
	case V_UINT:
		return parse_u64(s, &n) ? NULL : "is not a whole number";
	case V_INT:
		return parse_u64(s + (*s == '-'), &n) ? NULL : "is not a whole number";
	case V_SIZE:
		return parse_size(s, unit, "KiB", &n);
	case V_YESNO:
		return word_in(s, "yes no") ? NULL : "is not yes or no";
	case V_ONOFF:
		return word_in(s, "on off") ? NULL : "is not on or off";
	case V_PATH:
		return *s == '/' ? NULL : "is not an absolute path";
	case V_MAC:
		return !mac_ok(s) ? "is no MAC address like 00:16:3e:12:34:56" :
			strchr("13579bdfBDF", s[1]) ? "is a group's address: make the first byte even" : NULL;
	case V_UUID:
		return uuid_parse(s, uuid) ? NULL : "is no uuid: 32 hexadecimal digits, with or without dashes";
	case V_CPUSET:
		return parse_cpuset(s, &n) ? NULL : "is no set of processors 0 to 63, like 0-3,6";
	}
	return NULL;
}

static void bad_value(struct diag *d, unsigned int line, const char *what, const char *value, const char *words, const char *why)
{
	if (*why) {
		diag_error(d, line, "%s: \"%.60s\" %s", what, value, why);
	} else {
		const char *names[16], *near;
		char buf[160];
		size_t nr = 0;

		snprintf(buf, sizeof(buf), "%s", words);
		for (char *p = strtok(buf, " "); p && nr < ARRAY_SIZE(names); p = strtok(NULL, " "))
			names[nr++] = p;
		near = nearest(value, names, nr);
		diag_error(d, line, "%s: \"%.60s\" is not known: %s%s%s", what, value, near ? "did you mean " : "there are ",
			   near ? near : words, near ? "?" : "");
	}
}

static void unknown(struct diag *d, unsigned int line, const char *open, const char *name, const char *close,
		    const char *where, const char *near)
{
	if (near)
		diag_unknown(d, line, "unknown %s%.60s%s in <%s>: did you mean %s?", open, name, close, where, near);
	else
		diag_unknown(d, line, "unknown %s%.60s%s in <%s>: ignored", open, name, close, where);
}

static void check_attrs(xmlNode *n, const struct element *spec, struct diag *d)
{
	const char *names[32];
	size_t nr = 0;
	xmlAttr *next;

	for (const struct attr *a = spec->attrs; a && a->name; a++) {
		names[nr++] = a->name;
		if (a->must && !xmlHasProp(n, BAD_CAST a->name))
			diag_error(d, xmlGetLineNo(n), "<%s> needs the attribute %s", spec->name, a->name);
	}
	for (xmlAttr *p = n->properties; p; p = next) {
		const char *why, *name = (const char *)p->name;
		const struct attr *a = spec->attrs;
		char *value;

		next = p->next;
		while (a && a->name && strcmp(a->name, name))
			a++;
		if (p->ns || !a || !a->name) {
			unknown(d, xmlGetLineNo(n), "attribute ", name, "", spec->name, nearest(name, names, nr));
			xmlRemoveProp(p);
			continue;
		}
		value = xml_attr(n, name);
		why = value_problem(a->type, a->words, value ? value : "", NULL);
		if (why) {
			char what[96];

			snprintf(what, sizeof(what), "<%s %s>", spec->name, name);
			bad_value(d, xmlGetLineNo(n), what, value ? value : "", a->words, why);
		}
		xmlFree(value);
	}
}

static void check_text(xmlNode *n, const struct element *spec, struct diag *d)
{
	char *text = xml_text(n), *unit = spec->text == V_SIZE ? xml_attr(n, "unit") : NULL, what[64];
	const char *why = value_problem(spec->text, spec->words, text, unit);

	if (why) {
		snprintf(what, sizeof(what), "<%s>", spec->name);
		bad_value(d, xmlGetLineNo(n), what, text, spec->words, why);
	}
	xmlFree(text);
	xmlFree(unit);
}

static void check_element(xmlNode *n, const struct element *spec, struct diag *d);

static void cut(xmlNode *n)
{
	xmlUnlinkNode(n);
	xmlFreeNode(n);
}

static void check_kids(xmlNode *n, const struct element *spec, struct diag *d)
{
	const char *names[80];
	unsigned char seen[80] = { 0 };
	size_t nr = 0;
	xmlNode *next;

	for (const struct element *e = spec->kids; e && e->name; e++)
		names[nr++] = e->name;
	for (xmlNode *c = n->children; c; c = next) {
		const char *name = (const char *)c->name;
		unsigned int line = xmlGetLineNo(c);
		size_t i = 0;

		next = c->next;
		if (c->type != XML_ELEMENT_NODE) {
			if (spec->kids && c->type == XML_TEXT_NODE && !xmlIsBlankNode(c))
				diag_unknown(d, line, "text in <%s>, which holds only elements: ignored", spec->name);
			if (spec->kids || c->type != XML_TEXT_NODE)
				cut(c);
			continue;
		}
		while (i < nr && strcmp(names[i], name))
			i++;
		if (i == nr || (c->ns && c->ns->prefix)) {
			char near[72];
			const char *word = nearest(name, names, nr);

			if (word)
				snprintf(near, sizeof(near), "<%s>", word);
			unknown(d, line, "element <", name, ">", spec->name, word && i == nr ? near : NULL);
			cut(c);
		} else if (spec->kids[i].flags & UNUSED) {
			diag_warn(d, line, "<%s> in <%s> has no meaning %s: ignored", name, spec->name,
				  spec == &network_spec ? "in this version" : "for a VMI domain");
			cut(c);
		} else if (seen[i] && !(spec->kids[i].flags & MANY)) {
			diag_error(d, line, "a second <%s> in <%s>: there is only one", name, spec->name);
		} else {
			seen[i] = 1;
			check_element(c, &spec->kids[i], d);
		}
	}
	for (size_t i = 0; i < nr; i++) {
		if (spec->kids[i].flags & MUST && !seen[i])
			diag_error(d, xmlGetLineNo(n), "<%s> has no <%s>", spec->name, names[i]);
	}
}

static void check_element(xmlNode *n, const struct element *spec, struct diag *d)
{
	if (spec->flags & FREE)
		return;
	check_attrs(n, spec, d);
	if (!spec->kids)
		check_text(n, spec, d);
	check_kids(n, spec, d);
}

void spec_check(xmlNode *domain, struct diag *d)
{
	check_element(domain, &domain_spec, d);
}

void spec_check_network(xmlNode *network, struct diag *d)
{
	check_element(network, &network_spec, d);
}

void spec_check_devices(xmlNode *devices, struct diag *d)
{
	const struct element *e = domain_kids;

	while (strcmp(e->name, "devices"))
		e++;
	check_element(devices, e, d);
}
