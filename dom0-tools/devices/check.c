// SPDX-License-Identifier: GPL-2.0-only
/*
 * check.c - is a description of devices one that can work: all that is wrong, in words.
 */
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <linux/virtio_ids.h>
#include <unistd.h>

#include "../broker/broker.h"
#include "devices_int.h"

#define SLIRP_MTU_MAX	65521		/* vmi-user-net's library's */

const char *const device_kind_names[] = {
	[DEVICE_BLOCK] = "block", [DEVICE_NET] = "net", [DEVICE_CONSOLE] = "console", [DEVICE_RNG] = "rng",
	[DEVICE_BALLOON] = "balloon", [DEVICE_VHOST_USER] = "vhost-user", [DEVICE_SERVED] = "vhost-user",
};
const char *const device_policy_names[] = {
	[DEVICE_POLICY_DEFAULT] = "default", [DEVICE_POLICY_REPORT] = "report", [DEVICE_POLICY_STOP] = "stop",
	[DEVICE_POLICY_ENOSPACE] = "enospace", [DEVICE_POLICY_IGNORE] = "ignore",
};
const char *const device_cache_names[] = {
	[DEVICE_CACHE_NONE] = "none", [DEVICE_CACHE_WRITEBACK] = "writeback",
	[DEVICE_CACHE_WRITETHROUGH] = "writethrough", [DEVICE_CACHE_UNSAFE] = "unsafe",
};

unsigned int device_pairs(const struct device *dev)
{
	return dev->queues ? dev->queues : 1;
}

unsigned int device_queues(const struct device *dev)
{
	unsigned int n = dev->queues ? dev->queues : 1;

	switch (dev->kind) {
	case DEVICE_NET:
		return 2 * n + 1;		/* and the control queue */
	case DEVICE_CONSOLE:
		return 2;
	case DEVICE_RNG:
		return 1;
	case DEVICE_BALLOON:
		return 3;
	default:
		return n;
	}
}

void device_mac(const uint8_t uuid[16], const struct device *dev, uint8_t mac[6])
{
	uint64_t h = 0xcbf29ce484222325;

	memcpy(mac, dev->mac, 6);
	if (memcmp(mac, (uint8_t[6]){ 0 }, 6))
		return;
	for (int i = 0; i < 16; i++)
		h = (h ^ uuid[i]) * 0x100000001b3;
	for (const char *p = dev->name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3;
	/* Locally administered. */
	memcpy(mac, (uint8_t[6]){ 0x52, 0x56, 0x4d, h >> 16, h >> 8, h }, 6);
}

uint64_t device_balloon(const struct devices *m, const struct device *dev)
{
	return dev->target && dev->target < m->cfg.memory ? (m->cfg.memory - dev->target) >> 12 : 0;
}

void device_copy(struct device *to, const struct device *from)
{
	*to = *from;
	to->name = xstrdup(from->name);
	to->source = xstrdup(from->source);
	to->format = xstrdup(from->format);
	to->serial = xstrdup(from->serial);
	to->host = xstrdup(from->host);
	to->export = xstrdup(from->export);
	for (unsigned int i = 0; i < DEVICE_BACKINGS; i++) {
		to->backing[i].source = xstrdup(from->backing[i].source);
		to->backing[i].format = xstrdup(from->backing[i].format);
	}
	to->bridge = xstrdup(from->bridge);
	to->tap = xstrdup(from->tap);
}

void device_free(struct device *dev)
{
	free((char *)dev->name);
	free((char *)dev->source);
	free((char *)dev->format);
	free((char *)dev->serial);
	free((char *)dev->host);
	free((char *)dev->export);
	for (unsigned int i = 0; i < DEVICE_BACKINGS; i++) {
		free((char *)dev->backing[i].source);
		free((char *)dev->backing[i].format);
	}
	free((char *)dev->bridge);
	free((char *)dev->tap);
	memset(dev, 0, sizeof(*dev));
}

static bool word(const char *s, size_t max)
{
	for (const char *p = s; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	}
	return *s && strlen(s) < max;
}

/* Of a disk, or of what is behind it: false, with an error, or it is `raw` or `qcow2`. */
static bool check_format(const struct device *dev, const char *source, const char *format, struct diag *d)
{
	static const char others[] = "qed vmdk vhdx vhd vdi qcow vpc";

	if (!source || *source != '/')
		diag_error(d, dev->line, "disk %s: its source must be a file or a device, from / on", dev->name);
	else if (!format)
		diag_error(d, dev->line, "disk %s: say which format %s has: it is never guessed", dev->name, source);
	else if (word_in(format, others))
		diag_error(d, dev->line, "disk %s: this version has raw and qcow2 images; convert it: qemu-img convert -f %s -O qcow2", dev->name, format);
	else if (!word_in(format, "raw qcow2"))
		diag_error(d, dev->line, "disk %s: there is no format \"%.20s\": use raw or qcow2", dev->name, format);
	else
		return true;
	return false;
}

static void check_serial(const struct device *dev, struct diag *d)
{
	if (dev->serial && strlen(dev->serial) > 20)
		diag_error(d, dev->line, "disk %s: the serial number has %zu characters, 20 are possible", dev->name, strlen(dev->serial));
	for (const char *p = dev->serial; p && *p; p++) {
		if (!isgraph((unsigned char)*p)) {
			diag_error(d, dev->line, "disk %s: the serial number has characters that cannot be printed, or blanks", dev->name);
			break;
		}
	}
}

static void check_block(const struct device *dev, bool start, struct diag *d)
{
	struct hv_error err;

	if (!check_format(dev, dev->source, dev->format, d))
		return;
	if (dev->kind == DEVICE_BLOCK && strcmp(dev->format, "raw"))
		diag_error(d, dev->line, "disk %s: vmi-back serves raw images, no %s", dev->name, dev->format);
	else if (start && images_check(dev, &err))
		diag_error(d, dev->line, "%s", err.text);
}

static void check_nbd(const struct devices *have, const struct device *dev, bool start, struct diag *d)
{
	struct hv_error err;
	uint64_t size;

	if (!nbd_address_ok(dev) && dev->source)
		diag_error(d, dev->line, "disk %s: the socket's path is too long", dev->name);
	else if (!nbd_address_ok(dev))
		diag_error(d, dev->line, "disk %s: \"%.60s\" is no address: domain 0 looks up no names, give an IP address or a unix socket", dev->name,
			   dev->host ? dev->host : "");
	else if (dev->export && strlen(dev->export) > NBD_NAME_MAX)
		diag_error(d, dev->line, "disk %s: the export's name is longer than %d characters", dev->name, NBD_NAME_MAX);
	else if (start && !(have && have->cfg.simulate) && nbd_look(dev, &size, &err))
		diag_error(d, dev->line, "%s", err.text);
	for (const char *p = dev->export; p && *p; p++) {
		if (*p < ' ' || *p == 127) {
			diag_error(d, dev->line, "disk %s: the export's name has characters that cannot be printed", dev->name);
			break;
		}
	}
	if (dev->format && strcmp(dev->format, "raw"))
		diag_error(d, dev->line, "disk %s: what an NBD server exports is raw here: let the server know the format %.20s", dev->name, dev->format);
}

/* A disk that qemu-storage-daemon serves. */
static void check_served(const struct devices *have, const struct device *dev, bool start, struct diag *d)
{
	unsigned int errors = d->errors;
	bool behind = dev->format && !strcmp(dev->format, "qcow2");

	if (dev->nbd && dev->shareable)
		diag_error(d, dev->line, "disk %s: who else uses an export is its server's to decide: take <shareable> out", dev->name);
	else if (!dev->nbd && dev->shareable && !dev->readonly)
		diag_error(d, dev->line, "disk %s: a qcow2 image that two write is lost: make it readonly, or convert it: qemu-img convert -O raw", dev->name);
	for (unsigned int i = 0; i < DEVICE_BACKINGS && dev->backing[i].source; i++) {
		if (!behind)
			diag_error(d, dev->line, "disk %s: nothing can be behind a raw image: take <backingStore> out", dev->name);
		else if (!check_format(dev, dev->backing[i].source, dev->backing[i].format, d))
			break;
		behind = dev->backing[i].format && !strcmp(dev->backing[i].format, "qcow2");
	}
	/* Only then files are opened. */
	if (d->errors > errors)
		return;
	if (dev->nbd)
		check_nbd(have, dev, start, d);
	else
		check_block(dev, start, d);
	if (start && !(have && have->cfg.simulate) && access(broker_server, X_OK))
		diag_error(d, dev->line, "disk %s: there is no %s, which serves %s: install qemu-system-common, or say where it is: vmid --storage-daemon",
			   dev->name, broker_server, dev->nbd ? "NBD" : dev->format ? dev->format : "it");
}

/* Two cards, or one: ports of domain 0 that both are to have. */
static void check_forwards(const struct device *a, const struct device *b, struct diag *d)
{
	for (unsigned int i = 0; i < a->nr_forwards; i++) {
		const struct device_forward *x = &a->forward[i];

		for (unsigned int j = 0; j < (a == b ? i : b->nr_forwards); j++) {
			const struct device_forward *y = &b->forward[j];

			if (x->udp != y->udp || x->port != y->port || (x->address != y->address && x->address && y->address))
				continue;
			diag_error(d, a->line, "interface %s: %s port %u of domain 0 is to lead to two places: take one of them out", a->name,
				   x->udp ? "udp" : "tcp", x->port);
			return;
		}
	}
}

static void check_net(const struct devices *have, const struct device *dev, bool start, struct diag *d)
{
	char path[64];

	if (dev->bridge && !word(dev->bridge, IFNAMSIZ)) {
		diag_error(d, dev->line, "interface %s: \"%.30s\" cannot be a bridge's name", dev->name, dev->bridge);
	} else if (dev->bridge && start && !(have && have->cfg.simulate)) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", dev->bridge);
		if (access(path, F_OK))
			diag_error(d, dev->line, "interface %s: there is no bridge %s: ip link add %s type bridge; ip link set %s up", dev->name,
				   dev->bridge, dev->bridge, dev->bridge);
	}
	if (dev->slirp && dev->queues > 1)
		diag_error(d, dev->line, "interface %s: of the type user a card has one pair of queues", dev->name);
	if (dev->slirp && dev->mtu > SLIRP_MTU_MAX)
		diag_error(d, dev->line, "interface %s: <mtu size='%u'>: of the type user a card has up to %u", dev->name, dev->mtu, SLIRP_MTU_MAX);
	if (dev->slirp && start && !(have && have->cfg.simulate) && access(USER_NET_PROGRAM, X_OK))
		diag_error(d, dev->line, "interface %s: there is no %s in domain 0: install it and libslirp0, or use type='bridge'", dev->name,
			   USER_NET_PROGRAM);
	check_forwards(dev, dev, d);
	if (dev->tap && !word(dev->tap, IFNAMSIZ))
		diag_error(d, dev->line, "interface %s: \"%.30s\" cannot be an interface's name", dev->name, dev->tap);
	if (dev->mac[0] & 1)
		diag_error(d, dev->line, "interface %s: the MAC address is a multicast one: its first byte must be even", dev->name);
	if (dev->mtu && (dev->mtu < 68 || dev->mtu > 65535))
		diag_error(d, dev->line, "interface %s: an MTU is from 68 to 65535", dev->name);
	if (dev->queues > PAIRS_MAX)
		diag_error(d, dev->line, "interface %s: %u pairs of queues: a card has %d at most", dev->name, dev->queues, PAIRS_MAX);
}

/* What another program's disks cannot have. */
static void check_server(const struct device *dev, struct diag *d)
{
	if (dev->errors > DEVICE_POLICY_REPORT || dev->rerrors > DEVICE_POLICY_REPORT)
		diag_error(d, dev->line, "disk %s: its server reports errors to the guest: leave the policy out, or let it be report", dev->name);
}

static void check_vhost_user(const struct device *dev, bool start, struct diag *d)
{
	struct stat st;

	if (!dev->source || *dev->source != '/')
		diag_error(d, dev->line, "%s: name the server's socket, from / on", dev->name);
	else if (start && (stat(dev->source, &st) || !S_ISSOCK(st.st_mode)))
		diag_error(d, dev->line, "%s: there is no socket %s: start its server first", dev->name, dev->source);
	if (!dev->device_id)
		diag_error(d, dev->line, "%s: say which kind of device the server serves", dev->name);
	else if (start && dev->device_id != VIRTIO_ID_BLOCK)
		diag_error(d, dev->line, "%s: this version takes disks from vhost-user servers, no other devices", dev->name);
}

static void check_one(const struct devices *have, const struct device *dev, bool start, struct diag *d)
{
	if (!dev->name || !word(dev->name, DEVICE_NAME_LEN)) {
		diag_error(d, dev->line, "\"%.30s\" cannot be a device's name: up to %d letters, digits, dots and dashes", dev->name ? dev->name : "",
			   DEVICE_NAME_LEN - 1);
		return;
	}
	if (dev->queues > VMI_BUS_QUEUES && dev->kind != DEVICE_NET)
		diag_error(d, dev->line, "%s: %u queues: a device has %d at most", dev->name, dev->queues, VMI_BUS_QUEUES);
	check_serial(dev, d);
	if (dev->kind == DEVICE_BLOCK)
		check_block(dev, start, d);
	if (dev->kind == DEVICE_SERVED || dev->kind == DEVICE_VHOST_USER)
		check_server(dev, d);
	if (dev->kind == DEVICE_SERVED)
		check_served(have, dev, start, d);
	else if (dev->kind == DEVICE_NET)
		check_net(have, dev, start, d);
	else if (dev->kind == DEVICE_VHOST_USER)
		check_vhost_user(dev, start, d);
}

/* Two devices of one domain. */
static void check_two(const struct device *a, const struct device *b, const uint8_t *uuid, struct diag *d)
{
	uint8_t x[6], y[6];

	if (!a->name || !b->name)
		return;
	if (!strcmp(a->name, b->name)) {
		diag_error(d, a->line, "there are two devices %s: give one another target name", a->name);
		return;
	}
	if (a->kind != b->kind)
		return;
	if (a->kind == DEVICE_BALLOON)
		diag_error(d, a->line, "a domain has one balloon");
	if ((a->kind == DEVICE_BLOCK || (a->kind == DEVICE_SERVED && !a->nbd && !b->nbd)) && a->source && b->source && !strcmp(a->source, b->source) && !(a->readonly && b->readonly) &&
	    !(a->shareable && b->shareable))
		diag_error(d, a->line, "the disks %s and %s are both %s, and write it: make them shareable, or use another image", b->name, a->name, a->source);
	check_forwards(a, b, d);
	if (a->kind == DEVICE_NET && uuid) {
		device_mac(uuid, a, x);
		device_mac(uuid, b, y);
		if (!memcmp(x, y, 6))
			diag_error(d, a->line, "the interfaces %s and %s have the same MAC address", b->name, a->name);
	}
}

/* A MAC address that another domain here has. */
static void check_others(const struct devices *have, const struct device *dev, struct diag *d)
{
	for (const struct devices *m = all_devices; m; m = m->next) {
		for (unsigned int i = 0; i < VMI_BUS_SLOTS && m != have; i++) {
			const struct slot *s = &m->slot[i];

			if (s->phase != P_NONE && s->dev.kind == DEVICE_NET && !memcmp(s->dev.mac, dev->mac, 6))
				diag_error(d, dev->line, "interface %s: domain %u has the same MAC address: give it another one, or none", dev->name,
					   m->cfg.domid);
		}
	}
}

void devices_check(const struct devices *have, const struct device *list, unsigned int n, bool start, struct diag *d)
{
	static const uint8_t nobody[16];
	const uint8_t *uuid = have ? have->cfg.uuid : nobody;

	if (n + devices_count(have) > DEVICES_MAX)
		diag_error(d, n ? list[n - 1].line : 0, "%u devices: a domain has %d at most", n + devices_count(have), DEVICES_MAX);
	for (unsigned int i = 0; i < n; i++) {
		check_one(have, &list[i], start, d);
		for (unsigned int j = 0; j < i; j++)
			check_two(&list[i], &list[j], uuid, d);
		for (unsigned int j = 0; have && j < VMI_BUS_SLOTS; j++) {
			if (have->slot[j].phase != P_NONE)
				check_two(&list[i], &have->slot[j].dev, uuid, d);
		}
		if (start && list[i].kind == DEVICE_NET)
			check_others(have, &list[i], d);
	}
}
