// SPDX-License-Identifier: GPL-2.0-only
/*
 * xml_devices.c - the elements of <devices>: what they mean, and what becomes
 * of them in struct device.
 *
 * Names and single values are valid by then (xml_spec.c). What is wrong in
 * itself is an error when a domain is defined; what only this version cannot do
 * is kept, with a warning, and refuses the start. Files, bridges and the like
 * are the manager's to check (devices_check()).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "xml_devices.h"

#define SERIAL_MAX	20
#define MTU_MIN		68
#define RATE_MAX	(1ull << 40)	/* KiB a second */

/* Devices that have no target are named by their alias: this and a number. */
static const struct {
	const char *element, *prefix;
} prefixes[] = {
	{ "interface", "net" }, { "console", "console" }, { "rng", "rng" }, { "memballoon", "balloon" },
};

static bool is(const xmlNode *n, const char *name)
{
	return n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name);
}

static bool attr_is(const xmlNode *n, const char *attr, const char *value)
{
	char *s = xml_attr(n, attr);
	bool same = s && !strcmp(s, value);

	xmlFree(s);
	return same;
}

static bool has(const xmlNode *n, const char *attr)
{
	return n && xmlHasProp((xmlNode *)n, BAD_CAST attr);
}

static bool empty_drive(const xmlNode *disk)
{
	return (attr_is(disk, "device", "cdrom") || attr_is(disk, "device", "floppy")) && !xml_child(disk, "source");
}

/* ---- what is wrong in itself ---- */

static void need_source(const xmlNode *dev, const char *type, const char *attr, struct diag *d)
{
	if (attr_is(dev, "type", type) && !has(xml_child(dev, "source"), attr))
		diag_error(d, xmlGetLineNo(dev), "<%s type='%s'> needs <source %s='...'/>", dev->name, type, attr);
}

/* "vda", "xvdb2": what Linux and libvirt call disks. */
static bool disk_target_ok(const char *s)
{
	static const char *const starts[] = { "vd", "xvd", "sd", "hd", "fd" };
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		if (strncmp(s, starts[i], strlen(starts[i])))
			continue;
		s += strlen(starts[i]);
		n = strspn(s, "abcdefghijklmnopqrstuvwxyz");
		return n >= 1 && n <= 3 && strspn(s + n, "0123456789") == strlen(s + n) && strlen(s) <= n + 3;
	}
	return false;
}

bool xml_u64(const xmlNode *n, const char *attr, uint64_t *v)
{
	char *s = n ? xml_attr(n, attr) : NULL;
	bool ok = s && parse_u64(s, v);

	xmlFree(s);
	return ok;
}

/* Where an NBD server is. */
static void check_host(const xmlNode *src, struct diag *d)
{
	const xmlNode *host = xml_child(src, "host");
	uint64_t port = 1;

	if (!host)
		diag_error(d, xmlGetLineNo(src), "<source protocol='nbd'> needs <host name='...' port='...'/> or <host transport='unix' socket='...'/>");
	for (const xmlNode *other = host ? host->next : NULL; other; other = other->next) {
		if (is(other, "host"))
			diag_error(d, xmlGetLineNo(other), "a second <host>: a disk has one server");
	}
	if (host && attr_is(host, "transport", "rdma"))
		diag_error(d, xmlGetLineNo(host), "<host transport>: rdma is not possible here: there are tcp and unix");
	else if (host && attr_is(host, "transport", "unix") && !has(host, "socket"))
		diag_error(d, xmlGetLineNo(host), "<host transport='unix'> needs socket='...'");
	else if (host && !attr_is(host, "transport", "unix") && !has(host, "name"))
		diag_error(d, xmlGetLineNo(host), "<host> needs name='...', an address");
	if (host && has(host, "port") && xml_u64(host, "port", &port) && (!port || port > 65535))
		diag_error(d, xmlGetLineNo(host), "<host port>: %llu: give 1 to 65535", (unsigned long long)port);
}

const char *const disk_limit_names[DEVICE_LIMITS] = {
	"total_bytes_sec", "read_bytes_sec", "write_bytes_sec", "total_iops_sec", "read_iops_sec", "write_iops_sec",
	"total_bytes_sec_max", "read_bytes_sec_max", "write_bytes_sec_max",
	"total_iops_sec_max", "read_iops_sec_max", "write_iops_sec_max", "size_iops_sec",
	"total_bytes_sec_max_length", "read_bytes_sec_max_length", "write_bytes_sec_max_length",
	"total_iops_sec_max_length", "read_iops_sec_max_length", "write_iops_sec_max_length",
};

void disk_limits(const xmlNode *disk, struct device_limits *l)
{
	const xmlNode *tune = xml_child(disk, "iotune");

	*l = (struct device_limits){ 0 };
	for (unsigned int i = 0; i < DEVICE_LIMITS; i++) {
		char *s = xml_text(xml_child(tune, disk_limit_names[i]));

		if (s)
			parse_u64(s, &l->of[i]);
		xmlFree(s);
	}
}

bool disk_set_limit(xmlNode *disk, const char *name, uint64_t value)
{
	xmlNode *tune = xml_child(disk, "iotune"), *old;
	char text[24];
	bool known = false;

	for (unsigned int i = 0; i < DEVICE_LIMITS; i++)
		known |= !strcmp(name, disk_limit_names[i]);
	if (!known)
		return false;
	old = xml_child(tune, name);
	if (old) {
		xmlUnlinkNode(old);
		xmlFreeNode(old);
	}
	if (tune && !value && !xmlFirstElementChild(tune)) {
		xmlUnlinkNode(tune);
		xmlFreeNode(tune);
	}
	if (!value)
		return true;
	if (!tune)
		tune = xmlNewChild(disk, NULL, BAD_CAST "iotune", NULL);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	xmlNewChild(tune, NULL, BAD_CAST name, BAD_CAST text);
	return true;
}

static void check_burst(const struct device_limits *l, unsigned int rate, unsigned int line, struct diag *d)
{
	uint64_t often = l->of[rate], most = l->of[DEVICE_LIMIT_BURST + rate], length = l->of[DEVICE_LIMIT_LENGTH + rate];
	const char *name = disk_limit_names[DEVICE_LIMIT_BURST + rate];

	if (most && !often)
		diag_error(d, line, "<%s> without <%s>: what is not limited has no bursts: give both, or 0 for both", name, disk_limit_names[rate]);
	else if (most && most < often)
		diag_error(d, line, "<%s> is less than <%s>: bursts are to be faster", name, disk_limit_names[rate]);
	else if (length && !most)
		diag_error(d, line, "<%s_length> without <%s>: say how fast the burst is", name, name);
}

static void check_limits(const xmlNode *disk, struct diag *d)
{
	unsigned int line = xmlGetLineNo(xml_child(disk, "iotune"));
	struct device_limits l;

	disk_limits(disk, &l);
	for (unsigned int i = 0; i < DEVICE_LIMITS; i++) {
		uint64_t max = i < DEVICE_LIMIT_LENGTH ? DEVICE_LIMIT_MAX : DEVICE_LENGTH_MAX;

		if (l.of[i] > max)
			diag_error(d, line, "<%s>: %llu: give up to %llu, or 0 for no limit", disk_limit_names[i], (unsigned long long)l.of[i],
				   (unsigned long long)max);
		if (i < DEVICE_LIMIT_SIZE && i % 3 == 0 && l.of[i] && (l.of[i + 1] || l.of[i + 2]))
			diag_error(d, line, "<%s> and a limit of reads or writes: give the total, or the others", disk_limit_names[i]);
		if (i < DEVICE_RATES)
			check_burst(&l, i, line, d);
	}
}

static void check_disk(const xmlNode *n, struct diag *d)
{
	char *target = xml_attr(xml_child(n, "target"), "dev"), *serial = xml_text(xml_child(n, "serial"));
	char *protocol = xml_attr(xml_child(n, "source"), "protocol");

	if (!empty_drive(n)) {
		need_source(n, "file", "file", d);
		need_source(n, "block", "dev", d);
		need_source(n, "network", "protocol", d);
		need_source(n, "vhostuser", "path", d);
	}
	if (!xml_child(n, "target"))
		diag_error(d, xmlGetLineNo(n), "<disk> needs <target dev='...'/>");
	else if (target && !disk_target_ok(target))
		diag_error(d, xmlGetLineNo(n), "<target dev>: \"%.40s\" is no name of a disk: use vda, vdb, ...", target);
	if (serial && strlen(serial) > SERIAL_MAX)
		diag_error(d, xmlGetLineNo(n), "<serial>: \"%.40s\" is longer than the %d characters that a disk can tell", serial, SERIAL_MAX);
	check_limits(n, d);
	if (attr_is(n, "type", "network") && protocol && strcmp(protocol, "nbd"))
		diag_error(d, xmlGetLineNo(n), "<source protocol>: \"%.40s\" is not known: there is nbd", protocol);
	else if (attr_is(n, "type", "network") && protocol)
		check_host(xml_child(n, "source"), d);
	xmlFree(target);
	xmlFree(serial);
	xmlFree(protocol);
}

static const char *const rate_names[] = { "average", "peak", "burst" };

/* XML has KiB. */
static void rate_of(const xmlNode *n, const char *direction, struct device_rate *r)
{
	const xmlNode *rate = xml_child(xml_child(n, "bandwidth"), direction);
	uint64_t *const to[] = { &r->average, &r->peak, &r->burst };

	for (size_t i = 0; i < ARRAY_SIZE(rate_names); i++) {
		*to[i] = 0;
		if (rate)
			xml_u64(rate, rate_names[i], to[i]);
		*to[i] = *to[i] > RATE_MAX ? RATE_MAX << 10 : *to[i] << 10;
	}
}

void interface_rates(const xmlNode *interface, struct device_rate *in, struct device_rate *out)
{
	rate_of(interface, "inbound", in);
	rate_of(interface, "outbound", out);
}

bool interface_set_limit(xmlNode *interface, const char *name, uint64_t value)
{
	const char *dot = strchr(name, '.'), *direction = !strncmp(name, "inbound.", 8) ? "inbound" : !strncmp(name, "outbound.", 9) ? "outbound" : NULL;
	xmlNode *band = xml_child(interface, "bandwidth"), *rate = xml_child(band, direction ? direction : "");
	char text[24];

	if (!direction || !word_in(dot + 1, "average peak burst"))
		return false;
	if (!value && !rate)
		return true;
	if (!band)
		band = xmlNewChild(interface, NULL, BAD_CAST "bandwidth", NULL);
	if (!rate)
		rate = xmlNewChild(band, NULL, BAD_CAST direction, NULL);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (value)
		xmlSetProp(rate, BAD_CAST (dot + 1), BAD_CAST text);
	else
		xmlUnsetProp(rate, BAD_CAST (dot + 1));
	if (!rate->properties) {
		xmlUnlinkNode(rate);
		xmlFreeNode(rate);
	}
	if (!xmlFirstElementChild(band)) {
		xmlUnlinkNode(band);
		xmlFreeNode(band);
	}
	return true;
}

static void check_rate(const xmlNode *n, const char *direction, struct diag *d)
{
	const xmlNode *rate = xml_child(xml_child(n, "bandwidth"), direction);

	if (!rate)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rate_names); i++) {
		uint64_t v = 0;

		if (xml_u64(rate, rate_names[i], &v) && v > RATE_MAX)
			diag_error(d, xmlGetLineNo(rate), "<%s %s>: %llu: give up to %llu KiB", direction, rate_names[i], (unsigned long long)v, RATE_MAX);
		if (!i && !v)
			diag_error(d, xmlGetLineNo(rate), "<%s> needs average='...', KiB a second", direction);
	}
	if (has(rate, "floor"))
		diag_error(d, xmlGetLineNo(rate), "<%s floor>: nothing here can promise a rate: take it out, and limit the others", direction);
}

static void check_interface(const xmlNode *n, struct diag *d)
{
	char *tap = xml_attr(xml_child(n, "target"), "dev");
	uint64_t mtu;

	check_rate(n, "inbound", d);
	check_rate(n, "outbound", d);
	need_source(n, "bridge", "bridge", d);
	need_source(n, "network", "network", d);
	forwards_check(n, d);
	need_source(n, "vhostuser", "path", d);
	if (tap && (strlen(tap) > 15 || strpbrk(tap, "/:% \t\n") || !strcmp(tap, ".") || !strcmp(tap, "..")))
		diag_error(d, xmlGetLineNo(n), "<target dev>: \"%.40s\" cannot be a network device: up to 15 characters, no blank, slash, colon or %%", tap);
	if (xml_u64(xml_child(n, "mtu"), "size", &mtu) && (mtu < MTU_MIN || mtu > 65535))
		diag_error(d, xmlGetLineNo(n), "<mtu size>: %llu: give %d to 65535", (unsigned long long)mtu, MTU_MIN);
	xmlFree(tap);
}

static void check_rng(const xmlNode *n, struct diag *d)
{
	char *path = xml_text(xml_child(n, "backend"));

	if (path && *path && *path != '/')
		diag_error(d, xmlGetLineNo(n), "<backend>: \"%.40s\" is not an absolute path", path);
	xmlFree(path);
}

/* No two devices may have the same; takes value. */
struct seen {
	char *value[2 * DEVICES_MAX];
	size_t nr;
};

static void unique(struct seen *s, char *value, const xmlNode *n, const char *what, struct diag *d)
{
	for (size_t i = 0; value && i < s->nr; i++) {
		if (strcasecmp(s->value[i], value))
			continue;
		diag_error(d, xmlGetLineNo(n), "two devices have the %s \"%.40s\"", what, value);
		break;
	}
	if (value && s->nr < ARRAY_SIZE(s->value))
		s->value[s->nr++] = value;
	else
		xmlFree(value);
}

static void forget(struct seen *s)
{
	while (s->nr)
		xmlFree(s->value[--s->nr]);
}

void xml_check_devices(const xmlNode *devices, struct diag *d)
{
	struct seen targets = { 0 }, macs = { 0 }, serials = { 0 };

	for (const xmlNode *n = devices ? devices->children : NULL; n; n = n->next) {
		if (is(n, "disk")) {
			check_disk(n, d);
			unique(&serials, xml_text(xml_child(n, "serial")), n, "serial number", d);
		} else if (is(n, "interface")) {
			check_interface(n, d);
			unique(&macs, xml_attr(xml_child(n, "mac"), "address"), n, "MAC address", d);
		} else if (is(n, "rng")) {
			check_rng(n, d);
		} else if (is(n, "filesystem") && (!xml_child(n, "source") || !xml_child(n, "target"))) {
			diag_error(d, xmlGetLineNo(n), "<filesystem> needs <source dir='...'/> and <target dir='...'/>");
		}
		if (is(n, "disk") || is(n, "interface"))
			unique(&targets, xml_attr(xml_child(n, "target"), "dev"), n, "target", d);
		else if (is(n, "filesystem"))
			unique(&targets, xml_attr(xml_child(n, "target"), "dir"), n, "target", d);
	}
	forget(&targets);
	forget(&macs);
	forget(&serials);
}

/* ---- as struct device ---- */

static const char *own(struct device_item *it, char *xml)
{
	char *s = xml && *xml ? xstrdup(xml) : NULL;

	xmlFree(xml);
	if (s)
		it->text[it->nr_texts++] = s;
	return s;
}

/* What is known, but not done: it is only said. */
static void left_out(const xmlNode *n, const char *child, struct diag *d)
{
	const xmlNode *c = xml_child(n, child);

	if (c)
		diag_add(d, DIAG_NOTE, xmlGetLineNo(c), "<%s> of <%s> is kept, but has no effect in this version", child, n->name);
}

static unsigned int queues(const xmlNode *n)
{
	uint64_t v = 0;

	xml_u64(xml_child(n, "driver"), "queues", &v);
	return v > 65535 ? 65535 : v;		/* the manager says what is too many */
}

static enum device_cache cache_of(const xmlNode *driver, struct diag *d)
{
	if (attr_is(driver, "cache", "directsync"))
		diag_add(d, DIAG_NOTE, xmlGetLineNo(driver), "<driver cache>: directsync is writethrough here: the page cache is used");
	return attr_is(driver, "cache", "writeback") ? DEVICE_CACHE_WRITEBACK :
	       attr_is(driver, "cache", "unsafe") ? DEVICE_CACHE_UNSAFE :
	       attr_is(driver, "cache", "writethrough") || attr_is(driver, "cache", "directsync") ? DEVICE_CACHE_WRITETHROUGH :
	       DEVICE_CACHE_NONE;
}

static char *source_path(const xmlNode *n)
{
	return xml_attr(xml_child(n, "source"), attr_is(n, "type", "block") ? "dev" : "file");
}

/* What is behind an image; an empty element says that nothing is. */
static const xmlNode *backing(const xmlNode *n)
{
	const xmlNode *b = xml_child(n, "backingStore");

	return b && (has(b, "type") || xmlFirstElementChild((xmlNode *)b)) ? b : NULL;
}

static bool backings(const xmlNode *n, struct device_item *it, struct diag *d)
{
	struct device *dev = &it->dev;
	unsigned int nr = 0;

	for (const xmlNode *b = backing(n); b; b = backing(b), nr++) {
		if (nr == DEVICE_BACKINGS) {
			diag_error(d, xmlGetLineNo(b), "<backingStore>: %u images behind one another, %d are possible: qemu-img rebase, or convert", nr + 1,
				   DEVICE_BACKINGS);
			return false;
		}
		if (!attr_is(b, "type", "file") && !attr_is(b, "type", "block")) {
			diag_error(d, xmlGetLineNo(b), "<backingStore>: this version has the types file and block");
			return false;
		}
		dev->backing[nr].source = own(it, source_path(b));
		dev->backing[nr].format = own(it, xml_attr(xml_child(b, "format"), "type"));
		if (dev->backing[nr].source && *dev->backing[nr].source == '/' && dev->backing[nr].format)
			continue;
		diag_error(d, xmlGetLineNo(b), "<backingStore> needs <format type='...'/> and <source %s='/...'/>", attr_is(b, "type", "block") ? "dev" : "file");
		return false;
	}
	return true;
}

static bool nbd_device(const xmlNode *src, struct device_item *it, struct diag *d)
{
	const xmlNode *host = xml_child(src, "host");
	struct device *dev = &it->dev;
	uint64_t port = 0;

	if (attr_is(src, "tls", "yes")) {
		diag_error(d, dev->line, "<source tls='yes'>: this version has no TLS: use a tunnel and a unix socket");
		return false;
	}
	dev->export = own(it, xml_attr(src, "name"));
	if (attr_is(host, "transport", "unix"))
		dev->source = own(it, xml_attr(host, "socket"));
	else
		dev->host = own(it, xml_attr(host, "name"));
	xml_u64(host, "port", &port);
	dev->port = port;
	return true;
}

static enum device_policy policy_of(const xmlNode *driver, const char *attr)
{
	return attr_is(driver, attr, "stop") ? DEVICE_POLICY_STOP :
	       attr_is(driver, attr, "enospace") ? DEVICE_POLICY_ENOSPACE :
	       attr_is(driver, attr, "ignore") ? DEVICE_POLICY_IGNORE :
	       attr_is(driver, attr, "report") ? DEVICE_POLICY_REPORT : DEVICE_POLICY_DEFAULT;
}

/* False: not a device that can be attached; an error in d if it is meant to be. */
static bool disk_device(const xmlNode *n, struct device_item *it, struct diag *d)
{
	const xmlNode *src = xml_child(n, "source"), *driver = xml_child(n, "driver");
	struct device *dev = &it->dev;

	left_out(n, "blockio", d);
	if (empty_drive(n)) {
		diag_add(d, DIAG_NOTE, dev->line, "an empty drive is kept, but not attached");
		return false;
	}
	if (attr_is(n, "device", "floppy") || attr_is(n, "device", "lun")) {
		diag_error(d, dev->line, "<disk device>: this version has disks and read-only CDs, no floppies and LUNs");
		return false;
	}
	if (xml_child(n, "transient")) {
		diag_error(d, dev->line, "<transient>: this version would write to the image: take a copy of it");
		return false;
	}
	dev->queues = queues(n);
	disk_limits(n, &dev->limits);
	if (xml_child(xml_child(n, "iotune"), "group_name")) {
		diag_error(d, xmlGetLineNo(xml_child(n, "iotune")), "<group_name>: each disk has limits of its own in this version: take it out");
		return false;
	}
	dev->errors = policy_of(driver, "error_policy");
	dev->rerrors = policy_of(driver, "rerror_policy");
	dev->serial = own(it, xml_text(xml_child(n, "serial")));
	if (attr_is(n, "type", "vhostuser")) {
		dev->kind = DEVICE_VHOST_USER;
		dev->device_id = 2;
		dev->source = own(it, xml_attr(src, "path"));
		return true;
	}
	dev->nbd = attr_is(n, "type", "network");
	dev->format = own(it, xml_attr(driver, "type"));
	dev->kind = dev->nbd || (dev->format && strcmp(dev->format, "raw")) || backing(n) ? DEVICE_SERVED : DEVICE_BLOCK;
	if (dev->nbd && !nbd_device(src, it, d))
		return false;
	if (!dev->nbd)
		dev->source = own(it, source_path(n));
	if (!backings(n, it, d))
		return false;
	dev->cache = cache_of(driver, d);
	dev->discard = attr_is(driver, "discard", "unmap");
	dev->readonly = xml_child(n, "readonly") || attr_is(n, "device", "cdrom");
	dev->shareable = xml_child(n, "shareable");
	return true;
}

static bool interface_device(const xmlNode *n, struct device_item *it, struct diag *d)
{
	static const char *const strict[] = { "vlan", "virtualport", "filterref" };
	const xmlNode *src = xml_child(n, "source");
	char *mac = xml_attr(xml_child(n, "mac"), "address"), *model = xml_attr(xml_child(n, "model"), "type");
	struct device *dev = &it->dev;
	uint64_t mtu = 0;

	if (mac)
		sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &dev->mac[0], &dev->mac[1], &dev->mac[2], &dev->mac[3], &dev->mac[4], &dev->mac[5]);
	if (model && !word_in(model, "virtio netfront virtio-transitional virtio-non-transitional"))
		diag_add(d, DIAG_NOTE, dev->line, "<model>: \"%.40s\" is virtio here", model);
	xmlFree(mac);
	xmlFree(model);
	left_out(n, "script", d);
	left_out(n, "ip", d);
	left_out(n, "route", d);
	for (size_t i = 0; i < ARRAY_SIZE(strict); i++) {
		if (xml_child(n, strict[i])) {
			diag_error(d, dev->line, "<%s>: this version cannot keep to it: use a bridge that does, and take it out", strict[i]);
			return false;
		}
	}
	dev->slirp = attr_is(n, "type", "user");
	if (dev->slirp && src) {
		diag_error(d, dev->line, "<source> of an <interface type='user'>: its guest reaches what domain 0 reaches: take it out, or use type='network'");
		return false;
	}
	if (dev->slirp && !interface_forwards(n, dev, d))
		return false;
	if (!dev->slirp)
		left_out(n, "portForward", d);
	xml_u64(xml_child(n, "mtu"), "size", &mtu);
	dev->mtu = mtu;
	dev->queues = queues(n);
	dev->link_down = attr_is(xml_child(n, "link"), "state", "down");
	if (attr_is(n, "type", "vhostuser")) {
		if (xml_child(n, "bandwidth")) {
			diag_error(d, dev->line, "<bandwidth>: the vhost-user server moves the frames, and has to keep the limits: take it out");
			return false;
		}
		if (attr_is(src, "mode", "server")) {
			diag_error(d, dev->line, "<source mode='server'>: this version connects to a vhost-user server: use mode='client'");
			return false;
		}
		dev->kind = DEVICE_VHOST_USER;
		dev->device_id = 1;
		dev->source = own(it, xml_attr(src, "path"));
		return true;
	}
	dev->kind = DEVICE_NET;
	interface_rates(n, &dev->in, &dev->out);
	/* Of a network: vmid puts it there when the domain starts (net_resolve()). */
	if (attr_is(n, "type", "bridge") || attr_is(n, "type", "network"))
		dev->bridge = own(it, xml_attr(src, "bridge"));
	dev->tap = own(it, xml_attr(xml_child(n, "target"), "dev"));
	dev->user_net = attr_is(xml_child(n, "driver"), "name", "qemu") || attr_is(xml_child(n, "driver"), "name", "vmi");
	return true;
}

static bool first_of_kind(const xmlNode *n)
{
	for (const xmlNode *p = n->prev; p; p = p->prev) {
		if (is(p, (const char *)n->name))
			return false;
	}
	return true;
}

static bool other_device(const xmlNode *n, struct device_item *it, struct diag *d)
{
	struct device *dev = &it->dev;

	if (is(n, "console")) {
		dev->kind = DEVICE_CONSOLE;
		if (first_of_kind(n))
			return false;		/* the hypervisor's own, which needs no device */
		if (has(n, "type") && !attr_is(n, "type", "pty"))
			diag_error(d, dev->line, "<console>: this version has consoles of the type pty");
		return !has(n, "type") || attr_is(n, "type", "pty");
	}
	if (is(n, "rng")) {
		dev->kind = DEVICE_RNG;
		left_out(n, "rate", d);
		dev->source = attr_is(xml_child(n, "backend"), "model", "builtin") ? NULL : own(it, xml_text(xml_child(n, "backend")));
		return true;
	}
	if (is(n, "memballoon")) {
		dev->kind = DEVICE_BALLOON;
		return !attr_is(n, "model", "none");
	}
	if (is(n, "filesystem"))
		diag_error(d, dev->line, "<filesystem>: this version shares no folders: use a disk");
	else if (is(n, "channel"))
		diag_add(d, DIAG_NOTE, dev->line, "<channel> is kept, but not attached by this version");
	return false;
}

bool device_name(const xmlNode *n, char name[DEVICE_NAME_LEN])
{
	char *s = is(n, "disk") ? xml_attr(xml_child(n, "target"), "dev") : xml_attr(xml_child(n, "alias"), "name");
	bool ok = s && is(n, "disk");

	for (size_t i = 0; s && i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i].prefix);

		if (is(n, prefixes[i].element) && !strncmp(s, prefixes[i].prefix, len))
			ok = s[len] && strlen(s + len) <= 3 && strspn(s + len, "0123456789") == strlen(s + len);
	}
	snprintf(name, DEVICE_NAME_LEN, "%s", ok ? s : "");
	xmlFree(s);
	return ok;
}

struct device_item *device_item(const xmlNode *n, struct diag *d)
{
	struct device_item *it = xcalloc(1, sizeof(*it));
	bool ok;

	it->dev.line = xmlGetLineNo(n);
	it->dev.name = it->name;
	device_name(n, it->name);
	ok = is(n, "disk") ? disk_device(n, it, d) : is(n, "interface") ? interface_device(n, it, d) : other_device(n, it, d);
	if (ok)
		return it;
	device_item_free(it);
	return NULL;
}

void device_item_free(struct device_item *it)
{
	while (it && it->nr_texts)
		free(it->text[--it->nr_texts]);
	free(it);
}

void xml_judge_devices(const xmlNode *devices, struct diag *d)
{
	for (const xmlNode *n = devices ? devices->children : NULL; n; n = n->next) {
		struct diag own = { 0 };

		if (n->type != XML_ELEMENT_NODE)
			continue;
		device_item_free(device_item(n, &own));
		for (unsigned int i = 0; i < own.nr; i++)
			diag_add(d, own.items[i].level == DIAG_ERROR ? DIAG_WARNING : own.items[i].level, own.items[i].line, "%s%s",
				 own.items[i].text, own.items[i].level == DIAG_ERROR ? " (kept, but the domain cannot start with it)" : "");
		diag_free(&own);
	}
}

/* ---- the tree ---- */

static void set_default(xmlNode *n, const char *attr, const char *value)
{
	if (!has(n, attr))
		xmlNewProp(n, BAD_CAST attr, BAD_CAST value);
}

void xml_settle_devices(xmlNode *devices)
{
	for (xmlNode *n = devices ? devices->children : NULL; n; n = n->next) {
		xmlNode *driver;

		if (!is(n, "disk"))
			continue;
		set_default(n, "device", "disk");
		if (xml_child(n, "target"))
			set_default(xml_child(n, "target"), "bus", "virtio");
		if (!attr_is(n, "type", "file") && !attr_is(n, "type", "block"))
			continue;
		if (empty_drive(n))
			continue;
		driver = xml_child(n, "driver");
		if (!driver) {
			driver = xmlNewNode(NULL, BAD_CAST "driver");
			if (n->children)
				xmlAddPrevSibling(n->children, driver);
			else
				xmlAddChild(n, driver);
			set_default(driver, "name", "vmi");
		}
		set_default(driver, "type", "raw");
	}
}

void device_make_mac(xmlNode *n)
{
	unsigned char r[5] = { 0 };
	char text[18];
	xmlNode *mac;

	/* Without random bytes the manager makes one. */
	if (!is(n, "interface") || xml_child(n, "mac") || getrandom(r, sizeof(r), 0) != sizeof(r))
		return;
	/* 02: of nobody's hardware. */
	snprintf(text, sizeof(text), "02:%02x:%02x:%02x:%02x:%02x", r[0], r[1], r[2], r[3], r[4]);
	mac = xmlNewNode(NULL, BAD_CAST "mac");
	xmlNewProp(mac, BAD_CAST "address", BAD_CAST text);
	if (n->children)
		xmlAddPrevSibling(n->children, mac);
	else
		xmlAddChild(n, mac);
}

void config_make_macs(struct dom_config *c)
{
	xmlNode *devices = c->kept[KEEP_DEVICES];

	for (xmlNode *n = devices ? devices->children : NULL; n; n = n->next)
		device_make_mac(n);
}

static const xmlNode *named(const xmlNode *devices, const char *name, const xmlNode *before)
{
	char own[DEVICE_NAME_LEN];

	for (const xmlNode *n = devices->children; n && n != before; n = n->next) {
		if (n->type == XML_ELEMENT_NODE && device_name(n, own) && !strcmp(own, name))
			return n;
	}
	return NULL;
}

static void give_alias(xmlNode *devices, xmlNode *n, const char *prefix)
{
	xmlNode *alias = xml_child(n, "alias");
	char name[DEVICE_NAME_LEN];

	if (device_name(n, name) && !named(devices, name, n))
		return;
	for (unsigned int i = 0; ; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		if (!named(devices, name, NULL))
			break;
	}
	if (!alias)
		alias = xmlNewChild(n, NULL, BAD_CAST "alias", NULL);
	xmlSetProp(alias, BAD_CAST "name", BAD_CAST name);
}

void config_name_devices(struct dom_config *c)
{
	xmlNode *devices = c->kept[KEEP_DEVICES];

	for (xmlNode *n = devices ? devices->children : NULL; n; n = n->next) {
		for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
			if (is(n, prefixes[i].element) && !attr_is(n, "model", "none"))
				give_alias(devices, n, prefixes[i].prefix);
		}
	}
}

bool config_shares_memory(const struct dom_config *c)
{
	return attr_is(xml_child(c->kept[KEEP_MEMORYBACKING], "access"), "mode", "shared");
}

struct dom_config *config_with_device(const struct dom_config *c, const xmlNode *dev, struct diag *d)
{
	struct dom_config *to = config_copy(c);
	xmlNode *devices = to->kept[KEEP_DEVICES];

	for (xmlNode *n = devices->children; n; n = n->next)
		n->line = 0;
	if (is(dev, "memballoon") && xml_child(devices, "memballoon")) {
		xmlNode *old = xml_child(devices, "memballoon");

		if (attr_is(old, "model", "none")) {
			xmlUnlinkNode(old);
			xmlFreeNode(old);
		} else {
			diag_error(d, xmlGetLineNo(dev), "the domain has a <memballoon>: there is only one");
		}
	}
	xmlAddChild(devices, xmlCopyNode((xmlNode *)dev, 1));
	xml_settle_devices(devices);
	xml_check_devices(devices, d);
	if (!d->errors)
		return to;
	config_free(to);
	return NULL;
}

xmlNode *config_find_device(const struct dom_config *c, const char *kind, const char *key)
{
	xmlNode *devices = c->kept[KEEP_DEVICES], *found = NULL;

	for (xmlNode *n = devices ? devices->children : NULL; n; n = n->next) {
		char *target, *mac, *path;
		char name[DEVICE_NAME_LEN];
		bool same;

		if (!is(n, kind))
			continue;
		target = xml_attr(xml_child(n, "target"), "dev");
		mac = xml_attr(xml_child(n, "mac"), "address");
		path = is(n, "disk") ? source_path(n) : NULL;
		same = !key || (target && !strcmp(target, key)) || (mac && !strcasecmp(mac, key)) || (path && !strcmp(path, key)) ||
		       (device_name(n, name) && !strcmp(name, key));
		xmlFree(target);
		xmlFree(mac);
		xmlFree(path);
		if (same && found)
			return NULL;
		if (same)
			found = n;
	}
	return found;
}
