// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - vmi-boot's --disk, --net and --rng as descriptions of devices.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/util.h"
#include "options.h"

static struct device *add(struct device_list *l, enum device_kind kind)
{
	struct device *d = &l->dev[l->nr];

	if (l->nr == DEVICES_MAX) {
		fprintf(stderr, "vmi-boot: more than %d devices\n", DEVICES_MAX);
		return NULL;
	}
	*d = (struct device){ .kind = kind, .name = l->names[l->nr] };
	return l->nr++, d;
}

/* NAME=VALUE where the name is `name`: the value, else NULL. */
static const char *value(const char *item, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(item, name, n) && item[n] == '=' ? item + n + 1 : NULL;
}

/* One of the names: its index; else nr. */
static unsigned int word_of(const char *v, const char *const *names, unsigned int nr)
{
	unsigned int i = 0;

	while (i < nr && strcmp(v, names[i]))
		i++;
	return i;
}

static bool bad(const char *option, const char *item, const char *possible)
{
	fprintf(stderr, "vmi-boot: %s: \"%s\" is not known; possible are %s\n", option, item, possible);
	return false;
}

bool option_disk(struct device_list *l, char *text)
{
	struct device *d = add(l, DEVICE_BLOCK);
	char *save = NULL, *item;
	const char *v;

	if (!d)
		return false;
	snprintf(l->names[l->nr - 1], DEVICE_NAME_LEN, l->disks < 26 ? "vd%c" : "vda%c", 'a' + l->disks % 26);
	l->disks++;
	d->format = "raw";
	d->discard = true;
	d->source = realpath(strtok_r(text, ",", &save) ?: "", NULL);
	if (!d->source)
		d->source = text;
	while ((item = strtok_r(NULL, ",", &save))) {
		if (!strcmp(item, "readonly")) {
			d->readonly = true;
		} else if (!strcmp(item, "shareable")) {
			d->shareable = true;
		} else if ((v = value(item, "serial"))) {
			d->serial = v;
		} else if ((v = value(item, "format"))) {
			d->format = v;
			d->kind = strcmp(v, "raw") ? DEVICE_SERVED : DEVICE_BLOCK;
		} else if ((v = value(item, "cache"))) {
			d->cache = word_of(v, device_cache_names, NR_DEVICE_CACHES);
			if (d->cache == NR_DEVICE_CACHES)
				return bad("--disk", item, "cache=none, writeback, writethrough, unsafe");
		} else if ((v = value(item, "errors"))) {
			d->errors = word_of(v, device_policy_names, NR_DEVICE_POLICIES);
			if (d->errors == NR_DEVICE_POLICIES)
				return bad("--disk", item, "errors=report, stop, enospace, ignore");
		} else if ((v = value(item, "rerrors"))) {
			d->rerrors = word_of(v, device_policy_names, NR_DEVICE_POLICIES);
			if (d->rerrors == NR_DEVICE_POLICIES || d->rerrors == DEVICE_POLICY_ENOSPACE)
				return bad("--disk", item, "rerrors=report, stop, ignore");
		} else if (!(v = value(item, "queues")) || !parse_uint(v, &d->queues)) {
			return bad("--disk", item, "readonly, shareable, serial=TEXT, format=raw or qcow2, cache=MODE, errors=POLICY, rerrors=POLICY, queues=N");
		}
	}
	return true;
}

bool option_net(struct device_list *l, char *text)
{
	struct device *d = add(l, DEVICE_NET);
	char *save = NULL, *item;
	const char *v;

	if (!d)
		return false;
	snprintf(l->names[l->nr - 1], DEVICE_NAME_LEN, "net%u", l->nets++);
	d->bridge = strtok_r(text, ",", &save);
	while ((item = strtok_r(NULL, ",", &save))) {
		if ((v = value(item, "mac"))) {
			uint8_t *m = d->mac;
			int end = 0;

			if (sscanf(v, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", m, m + 1, m + 2, m + 3, m + 4, m + 5, &end) != 6 || v[end])
				return bad("--net", item, "mac=52:56:4d:00:00:01");
		} else if ((v = value(item, "tap"))) {
			d->tap = v;
		} else if (!strcmp(item, "user")) {
			d->user_net = true;
		} else if ((v = value(item, "queues"))) {
			if (!parse_uint(v, &d->queues))
				return bad("--net", item, "queues=2");
		} else if (!(v = value(item, "mtu")) || !parse_uint(v, &d->mtu)) {
			return bad("--net", item, "mac=ADDRESS, mtu=N, queues=N, tap=NAME, user");
		}
	}
	return true;
}

bool option_rng(struct device_list *l)
{
	if (!add(l, DEVICE_RNG))
		return false;
	snprintf(l->names[l->nr - 1], DEVICE_NAME_LEN, "rng0");
	return true;
}

bool option_device_timeout(struct device_list *l, const char *text)
{
	if (parse_uint(text, &l->patience) && l->patience <= 86400)
		return true;
	fprintf(stderr, "vmi-boot: --device-timeout %s: give seconds, up to 86400\n", text);
	return false;
}
