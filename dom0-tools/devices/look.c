// SPDX-License-Identifier: GPL-2.0-only
/*
 * look.c - what there is of a domain's devices: lists, counters; and what they are told while they run.
 *
 * Trust: counters are a back end's word; they go to the owner of the domain alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../broker/broker.h"
#include "devices_int.h"

unsigned int devices_count(const struct devices *m)
{
	unsigned int n = 0;

	for (unsigned int i = 0; m && i < VMI_BUS_SLOTS; i++)
		n += m->slot[i].phase != P_NONE;
	return n;
}

static void describe(const struct slot *s, unsigned int nr, struct device_info *out)
{
	*out = (struct device_info){
		.device = &s->dev, .slot = nr, .pid = s->pid, .restarts = s->restarts, .link = s->link, .carrier = link_is_up(s), .size = s->open.size,
		.bound = s->page && *(const volatile uint32_t *)&s->page->guest.state == VMI_SLOT_BOUND,
		.state = s->phase == P_LEAVING || s->phase == P_ENDING ? DEVICE_LEAVING : s->phase == P_BACKOFF ? DEVICE_RESTARTING :
			 s->present ? DEVICE_PRESENT : DEVICE_WAITING,
	};
	if (s->dev.kind == DEVICE_BLOCK && s->state) {
		out->held = READ_ONCE(s->state->block.held);
		out->no_space = s->state->block.held_error == ENOSPC || s->state->block.held_error == EDQUOT;
	}
	memcpy(out->mac, s->dev.mac, 6);
	memcpy(out->tap, s->open.tap, sizeof(out->tap));
	memcpy(out->pty, s->open.pty, sizeof(out->pty));
}

bool devices_get(const struct devices *m, unsigned int index, struct device_info *out)
{
	for (unsigned int i = 0; m && i < VMI_BUS_SLOTS; i++) {
		if (m->slot[i].phase != P_NONE && !index--) {
			describe(&m->slot[i], i, out);
			return true;
		}
	}
	return false;
}

struct slot *slot_find(const struct devices *m, const char *name)
{
	for (unsigned int i = 0; m && i < VMI_BUS_SLOTS; i++) {
		if (m->slot[i].phase != P_NONE && !strcmp(m->slot[i].dev.name, name))
			return (struct slot *)&m->slot[i];
	}
	return NULL;
}

bool devices_find(const struct devices *m, const char *name, struct device_info *out)
{
	const struct slot *s = slot_find(m, name);

	if (s)
		describe(s, s - m->slot, out);
	return s;
}

int devices_set_link(struct devices *m, const char *name, bool on, struct hv_error *err)
{
	struct slot *s = slot_find(m, name);

	if (!s || s->dev.kind != DEVICE_NET)
		return hv_fail(err, -ENOENT, "there is no interface %s", name);
	s->link = on;
	s->dev.link_down = !on;
	ctl_tell(s->ctl, "link %d\n", link_is_up(s));
	return 0;
}

int devices_set_memory(struct devices *m, uint64_t bytes, struct hv_error *err)
{
	int rc;

	for (unsigned int i = 0; m && i < VMI_BUS_SLOTS; i++) {
		struct slot *s = &m->slot[i];

		if (s->phase == P_NONE || s->dev.kind != DEVICE_BALLOON)
			continue;
		if (bytes > m->cfg.memory)
			return hv_fail(err, -EINVAL, "the domain was started with %lu KiB, and cannot have more until it is started again", m->cfg.memory >> 10);
		/* More than it may have now is there first, or refused. */
		rc = 0;
		if (!m->cfg.simulate && s->dev.target && bytes > s->dev.target)
			rc = broker_budget(m->cfg.domid, bytes);
		if (rc == -ENOMEM)
			return hv_fail(err, rc, "too little memory is free: end a domain, or give it less");
		s->dev.target = bytes;
		ctl_tell(s->ctl, "target %lu\n", device_balloon(m, &s->dev));
		return 0;
	}
	return hv_fail(err, -ENOENT, "the domain has no memory balloon: start it with <memballoon model='virtio'/>");
}

/* The file that the guest has, whatever its name is by now; a block device has the size that it has. */
static int grow(const struct slot *s, uint64_t bytes, struct hv_error *err)
{
	const char *path = s->dev.source;
	struct stat st;

	if (fstat(s->open.fd, &st))
		return hv_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size == bytes)
		return 0;
	if ((uint64_t)st.st_size > bytes)
		return hv_fail(err, -EINVAL, "%s has %llu bytes: what is behind the new end would be lost", path, (unsigned long long)st.st_size);
	if (s->dev.readonly)
		return hv_fail(err, -EROFS, "it is read only here: make %s larger with truncate(1), then say so again", path);
	return ftruncate(s->open.fd, bytes) ? hv_fail(err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

int devices_resize(struct devices *m, const char *name, uint64_t bytes, struct hv_error *err)
{
	struct slot *s = slot_find(m, name);
	off_t size;
	int rc;

	if (s && s->dev.kind == DEVICE_SERVED && !s->dev.nbd)
		return server_resize(s, bytes, err);
	if (!s || s->dev.kind != DEVICE_BLOCK)
		return hv_fail(err, -ENOENT, "there is no disk %s", name);
	rc = grow(s, bytes, err);
	if (rc)
		return rc;
	size = lseek(s->open.fd, 0, SEEK_END);
	if (size <= 0)
		return hv_fail(err, -EIO, "%s does not tell its size", s->dev.source);
	s->open.size = size;
	ctl_tell(s->ctl, "resize\n");
	return 0;
}

void devices_retry(struct devices *m)
{
	for (unsigned int i = 0; m && i < VMI_BUS_SLOTS; i++) {
		if (m->slot[i].phase != P_NONE && m->slot[i].dev.kind == DEVICE_BLOCK)
			ctl_tell(m->slot[i].ctl, "retry\n");
	}
}

/* What vhost-net moves, only the tap's interface counts: what that sends, the guest receives. */
static struct back_net_stats tap_counters(const char *tap)
{
	static const char *const names[] = {
		"tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "rx_bytes", "rx_packets", "rx_errors", "rx_dropped"
	};
	uint64_t value[ARRAY_SIZE(names)] = { 0 };
	struct back_net_stats st;
	char path[80];

	_Static_assert(sizeof(st) == sizeof(value), "the counters of struct back_net_stats, in its order");
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", tap, names[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%lu", &value[i]) != 1)
			value[i] = 0;
		fclose(f);
	}
	memcpy(&st, value, sizeof(st));
	return st;
}

#define COUNT(what, field)	{ what, st->field }
unsigned int devices_stats(const struct devices *m, const char *name, struct device_counter out[DEVICE_MAX_COUNTERS])
{
	static const struct back_state none;
	const struct slot *s = slot_find(m, name);
	const struct back_state *st = s && s->state ? s->state : &none;
	const struct back_net_stats card = s && s->open.vhost ? tap_counters(s->open.tap) : st->net;
	const struct device_counter block[] = {
		COUNT("rd_req", block.rd_req), COUNT("rd_bytes", block.rd_bytes), COUNT("rd_total_times", block.rd_ns),
		COUNT("wr_req", block.wr_req), COUNT("wr_bytes", block.wr_bytes), COUNT("wr_total_times", block.wr_ns),
		COUNT("flush_operations", block.flush_req), COUNT("flush_total_times", block.flush_ns),
		COUNT("discard_req", block.discard_req), COUNT("discard_bytes", block.discard_bytes), COUNT("errs", block.errors),
	};
	const struct device_counter net[] = {
		{ "rx_bytes", card.rx_bytes }, { "rx_packets", card.rx_packets }, { "rx_errs", card.rx_errors }, { "rx_drop", card.rx_drop },
		{ "tx_bytes", card.tx_bytes }, { "tx_packets", card.tx_packets }, { "tx_errs", card.tx_errors }, { "tx_drop", card.tx_drop },
	};
	const struct device_counter console[] = { COUNT("rd_bytes", console.rd_bytes), COUNT("wr_bytes", console.wr_bytes) };
	const struct device_counter balloon[] = {
		COUNT("target", balloon.target), COUNT("actual", balloon.actual), COUNT("last_update", balloon.updated),
		COUNT("swap_in", balloon.tag[0]), COUNT("swap_out", balloon.tag[1]), COUNT("major_fault", balloon.tag[2]),
		COUNT("minor_fault", balloon.tag[3]), COUNT("unused", balloon.tag[4]), COUNT("available", balloon.tag[5]),
		COUNT("usable", balloon.tag[6]), COUNT("disk_caches", balloon.tag[7]),
	};
	const struct device_counter *from;
	unsigned int n;

	switch (s ? s->dev.kind : NR_DEVICE_KINDS) {
	case DEVICE_BLOCK:
	case DEVICE_SERVED:
	case DEVICE_VHOST_USER:		/* disks, all of them */
		from = block, n = ARRAY_SIZE(block);
		break;
	case DEVICE_NET:
		from = net, n = ARRAY_SIZE(net);
		break;
	case DEVICE_CONSOLE:
		from = console, n = ARRAY_SIZE(console);
		break;
	case DEVICE_BALLOON:
		from = balloon, n = ARRAY_SIZE(balloon);
		break;
	default:
		return 0;
	}
	memcpy(out, from, n * sizeof(*out));
	return n;
}
