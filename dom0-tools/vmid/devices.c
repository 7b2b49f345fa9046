// SPDX-License-Identifier: GPL-2.0-only
/*
 * devices.c - devices of domains: checked before a start, attached before the
 * guest runs, changed while it runs, taken up again by a new vmid.
 *
 * The manager (../devices/devices.c) has the devices of one domain; what it has to
 * have is in the live configuration, which is saved before the manager is asked
 * to attach, so a kill between the two leaves a device that the next vmid
 * attaches. A device leaves that configuration when the manager says that it is
 * gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../lib/xml_devices.h"
#include "vmid.h"

#define LIST_MAX	(4 * DEVICES_MAX)	/* the manager says that they are too many */

struct list {
	unsigned int nr;
	struct device_item *item[LIST_MAX];
};

/* Devices that have to be there; an error in d for each that cannot be. c's have names. */
static void list_make(struct list *l, const struct dom_config *c, struct diag *d)
{
	l->nr = 0;
	for (const xmlNode *n = c->kept[KEEP_DEVICES]->children; n && l->nr < LIST_MAX; n = n->next) {
		struct device_item *it = n->type == XML_ELEMENT_NODE ? device_item(n, d) : NULL;

		if (!it)
			continue;
		if (it->dev.kind == DEVICE_BALLOON)
			it->dev.target = c->memory < c->max_memory ? c->memory : 0;
		l->item[l->nr++] = it;
	}
}

static void list_free(struct list *l)
{
	while (l->nr)
		device_item_free(l->item[--l->nr]);
}

/* What the machine lacks for these devices, beside what this version cannot do. */
static void check(const struct dom_config *c, struct diag *d)
{
	const struct devices_config sim = { .simulate = true };
	struct dom_config *named = config_copy(c);
	struct devices *have = vmid.ops == &hv_sim ? devices_open(&sim, &(struct hv_error){ "" }) : NULL;
	struct device *devices;
	struct list l;

	config_name_devices(named);
	net_resolve(named->kept[KEEP_DEVICES]->children, d);
	list_make(&l, named, d);
	devices = xcalloc(l.nr + 1, sizeof(*devices));
	for (unsigned int i = 0; i < l.nr; i++)
		devices[i] = l.item[i]->dev;
	devices_check(have, devices, l.nr, true, d);
	devices_close(have);
	free(devices);
	list_free(&l);
	config_free(named);
}

void dev_warn(const struct dom_config *c, bool lines, struct diag *d)
{
	struct diag own = { 0 }, said = { 0 };

	/* What this version cannot do was said when the XML was read. */
	xml_judge_devices(c->kept[KEEP_DEVICES], &said);
	check(c, &own);
	for (unsigned int i = 0; i < own.nr; i++) {
		const struct diag_item *m = &own.items[i];
		bool known = m->level != DIAG_ERROR;

		for (unsigned int k = 0; k < said.nr && !known; k++)
			known = said.items[k].line == m->line && !strncmp(said.items[k].text, m->text, strlen(m->text));
		if (!known)
			diag_warn(d, lines ? m->line : 0, "%s (the domain cannot start like this)", m->text);
	}
	diag_free(&own);
	diag_free(&said);
}

json_t *dev_warn_last(const struct dom_config *c)
{
	struct diag own = { 0 }, d = { 0 };
	json_t *messages = NULL;

	check(c, &own);
	/* The others have no line. */
	for (unsigned int i = 0; i < own.nr; i++) {
		if (own.items[i].line && own.items[i].level == DIAG_ERROR)
			diag_warn(&d, 0, "%s (the domain cannot start like this)", own.items[i].text);
		else if (own.items[i].line)
			diag_add(&d, own.items[i].level, 0, "%s", own.items[i].text);
	}
	if (d.nr)
		messages = diag_json(&d);
	diag_free(&own);
	diag_free(&d);
	return messages;
}

int dev_check(const struct dom_config *c, json_t **messages, struct failure *f)
{
	char *xml = config_to_xml(c, 0);
	struct diag d = { 0 };
	/* Read again, so that lines are those of what dumpxml prints. */
	struct dom_config *canonical = config_from_xml(xml, strlen(xml), &d);
	unsigned int first = 0;
	int rc = 0;

	free(xml);
	diag_free(&d);
	if (canonical)
		check(canonical, &d);
	while (first < d.nr && d.items[first].level != DIAG_ERROR)
		first++;
	if (d.errors == 1)
		rc = fail(f, EX_BAD_CONFIG, "correct it: vmi edit", "cannot start '%s': %s", c->name, d.items[first].text);
	else if (d.errors)
		rc = fail(f, EX_BAD_CONFIG, "correct them: vmi edit; the lines are those of vmi dumpxml --inactive",
			  messages ? "cannot start '%s': there are %u problems with its devices" :
			  "cannot start '%s': there are %u problems with its devices; the first: %s", c->name, d.errors, d.items[first].text);
	if (d.errors > 1 && messages)
		*messages = diag_json(&d);
	config_free(canonical);
	diag_free(&d);
	return rc;
}

/* ---- what the manager says ---- */

static void removed(struct domain *d, const char *name)
{
	for (xmlNode *n = d->live->kept[KEEP_DEVICES]->children; n; n = n->next) {
		char own[DEVICE_NAME_LEN];

		if (n->type != XML_ELEMENT_NODE || !device_name(n, own) || strcmp(own, name))
			continue;
		xmlUnlinkNode(n);
		xmlFreeNode(n);
		dom_save_live(d, "run");
		break;
	}
	dom_note(d, "device %s: removed", name);
	event(d, "DeviceRemoved", name);
}

void dev_resize_later(struct domain *d, const char *name, struct conn *c)
{
	snprintf(d->resized, sizeof(d->resized), "%s", name);
	d->resizer = c;
	conn_later(c);
}

void dev_forget(const struct conn *c)
{
	for (struct domain *d = domains; d; d = d->next) {
		if (d->resizer == c)
			d->resizer = NULL;
	}
}

/* why: empty if the disk has the size. */
static void resized(struct domain *d, const char *name, const char *why)
{
	struct conn *c = d->resizer;
	json_t *reply = NULL;
	struct failure f;

	if (!*why)
		dom_note(d, "device %s: resized", name);
	if (!c || strcmp(name, d->resized))
		return;
	d->resizer = NULL;
	if (*why)
		fail(&f, EX_FAILED, NULL, "cannot change the size of %s: %s", name, why);
	else
		reply = json_pack("{s:s}", "name", dom_name(d));
	conn_late_answer(c, *why ? EX_FAILED : 0, reply, &f);
}

static void told(void *arg, enum device_event what, const char *name, const char *text)
{
	struct domain *d = arg;
	struct device_info i;

	switch (what) {
	case DEVICE_EV_PRESENT:
		/* What the guest has is served again, by a new vmid. */
		if (!strcmp(text, "again") && devices_find(d->devices, name, &i) && i.bound) {
			dom_note(d, "device %s: served again", name);
			break;
		}
		dom_note(d, "device %s: the guest can see it", name);
		event(d, "DeviceAdded", name);
		break;
	case DEVICE_EV_GONE:
		removed(d, name);
		break;
	case DEVICE_EV_DIED:
		say(LOG_WARN, "domain %s: device %s: %s", dom_name(d), name, text);
		dom_note(d, "device %s: %s", name, text);
		event(d, "DeviceRestarted", name);
		break;
	case DEVICE_EV_ERROR:
		say(LOG_ERROR, "domain %s: device %s: %s", dom_name(d), name, text);
		dom_note(d, "device %s: error: %s", name, text);
		event(d, "DeviceError", name);
		break;
	case DEVICE_EV_LOG:
		dom_note(d, "device %s: %s", name, text);
		break;
	case DEVICE_EV_RESIZED:
		resized(d, name, text);
		break;
	}
}

static void work(void *arg, uint32_t events)
{
	struct domain *d = arg;

	(void)events;
	devices_work(d->devices);
}

/* ---- with a domain's life ---- */

/* False: *err says why. */
static bool open_manager(struct domain *d, bool resume, struct hv_error *err)
{
	struct devices_config cfg = {
		.domid = d->domid, .memory = dom_built_memory(d->live), .share_full = config_shares_memory(d->live), .resume = resume,
		.simulate = vmid.ops == &hv_sim, .patience = vmid.patience, .event = told, .arg = d,
	};
	char *dir = xasprintf("%s/devices", vmid.run_dir);

	memcpy(cfg.uuid, d->live->uuid, sizeof(cfg.uuid));
	cfg.dir = dir;
	d->devices = devices_open(&cfg, err);
	free(dir);
	if (!d->devices)
		return false;
	d->devices_src = loop_add(devices_fd(d->devices), EPOLLIN, work, d);
	return true;
}

void dev_close(struct domain *d)
{
	loop_del(d->devices_src);
	d->devices_src = NULL;
	devices_close(d->devices);
	d->devices = NULL;
	resized(d, d->resized, "the domain ended");
}

int dev_open(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };
	struct diag diag = { 0 };
	struct list l;
	int rc = 0;

	config_name_devices(d->live);
	net_resolve(d->live->kept[KEEP_DEVICES]->children, &diag);
	list_make(&l, d->live, &diag);
	if (diag.errors)
		rc = fail(f, EX_BAD_CONFIG, NULL, "%s", diag.items[0].text);
	if (!rc && !open_manager(d, false, &err))
		rc = fail(f, EX_FAILED, NULL, "%s", err.text);
	for (unsigned int i = 0; !rc && i < l.nr; i++) {
		if (devices_attach(d->devices, &l.item[i]->dev, &err))
			rc = fail(f, EX_FAILED, NULL, "device %s: %s", l.item[i]->name, err.text);
	}
	if (rc)
		dev_close(d);
	list_free(&l);
	diag_free(&diag);
	return rc;
}

/* The guest goes on, whatever its devices do: what fails is said, and left out. */
void dev_resume(struct domain *d)
{
	struct hv_error err = { "" };
	struct diag diag = { 0 };
	struct list l;

	config_name_devices(d->live);
	list_make(&l, d->live, &diag);
	if (!open_manager(d, true, &err)) {
		if (l.nr) {
			say(LOG_ERROR, "domain %s: its devices: %s", dom_name(d), err.text);
			dom_note(d, "its devices are lost: %s", err.text);
		}
	}
	for (unsigned int i = 0; d->devices && i < l.nr; i++) {
		if (!devices_attach(d->devices, &l.item[i]->dev, &err))
			continue;
		say(LOG_ERROR, "domain %s: device %s: %s", dom_name(d), l.item[i]->name, err.text);
		dom_note(d, "device %s: lost: %s", l.item[i]->name, err.text);
		removed(d, l.item[i]->name);
	}
	list_free(&l);
	diag_free(&diag);
}

/* ---- one device of a domain that runs ---- */

/* One problem is the message; more are messages of their own. */
int diag_fail(const struct diag *d, json_t **messages, struct failure *f)
{
	if (d->nr == 1)
		return fail(f, EX_BAD_CONFIG, NULL, "the device is not accepted: %s", d->items[0].text);
	*messages = diag_json(d);
	return fail(f, EX_BAD_CONFIG, NULL, "the device is not accepted: %u error%s", d->errors, d->errors == 1 ? "" : "s");
}

int dev_attach_live(struct domain *d, const xmlNode *dev, json_t **messages, struct failure *f)
{
	struct diag diag = { 0 };
	struct dom_config *with = config_with_device(d->live, dev, &diag), *old = d->live;
	struct device_item *it = NULL;
	struct hv_error err = { "" };
	xmlNode *added;

	if (with) {
		config_name_devices(with);
		added = xmlLastElementChild(with->kept[KEEP_DEVICES]);
		/* What the others have, they have, whatever became of their networks. */
		net_resolve(added, &diag);
		it = device_item(added, &diag);
		if (!it && !diag.errors)
			diag_error(&diag, 0, "there is nothing to attach: an empty drive, or what this version keeps only");
	}
	if (it && !d->devices)
		diag_error(&diag, 0, "the devices of this domain are lost: start it again");
	else if (it)
		devices_check(d->devices, &it->dev, 1, true, &diag);
	if (diag.errors) {
		diag_fail(&diag, messages, f);
	} else {
		d->live = with;
		dom_save_live(d, "run");
		dom_note(d, "device %s: is to come", it->name);
		if (diag.nr)
			*messages = diag_json(&diag);
		f->status = 0;
		if (devices_attach(d->devices, &it->dev, &err)) {
			fail(f, EX_FAILED, NULL, "cannot attach %s: %s", it->name, err.text);
			dom_note(d, "device %s: does not come: %s", it->name, err.text);
			d->live = old;
			dom_save_live(d, "run");
		} else {
			config_free(old);
			with = NULL;
		}
	}
	device_item_free(it);
	config_free(with);
	diag_free(&diag);
	return f->status;
}

int dev_detach_live(struct domain *d, const xmlNode *dev, unsigned int seconds, struct failure *f)
{
	char name[DEVICE_NAME_LEN];
	struct device_info info;
	struct hv_error err = { "" };

	/* A device that is kept, and no more. */
	if (!device_name(dev, name) || !d->devices || !devices_find(d->devices, name, &info)) {
		if (!*name)
			return fail(f, EX_WRONG_STATE, "change the definition: --config", "this <%s> is not attached", dev->name);
		removed(d, name);
		return 0;
	}
	dom_note(d, "device %s: is to go", name);
	if (devices_detach(d->devices, name, seconds, &err))
		return fail(f, EX_FAILED, NULL, "cannot detach %s: %s", name, err.text);
	/* What is gone at once is told at once. */
	devices_work(d->devices);
	return 0;
}

bool dev_name_of(const xmlNode *dev, struct domain *d, char name[DEVICE_NAME_LEN], struct failure *f)
{
	struct device_info info;

	if (d->devices && device_name(dev, name) && devices_find(d->devices, name, &info))
		return true;
	fail(f, EX_WRONG_STATE, "change the definition: --config", "this <%s> is not attached", dev->name);
	return false;
}

/* ---- for clients ---- */

bool dev_of_tap(const struct domain *d, const char *tap, char name[DEVICE_NAME_LEN])
{
	struct device_info i;

	for (unsigned int k = 0; d->devices && devices_get(d->devices, k, &i); k++) {
		if (!*i.tap || strcmp(i.tap, tap))
			continue;
		snprintf(name, DEVICE_NAME_LEN, "%s", i.device->name);
		return true;
	}
	return false;
}

static void set_text(json_t *j, const char *key, char *xml)
{
	if (xml && *xml)
		json_object_set_new(j, key, json_string(xml));
	xmlFree(xml);
}

/* What the manager knows of it. */
static void add_info(json_t *j, const struct domain *d, const char *name)
{
	static const char *const states[] = { "waiting", "present", "restarting", "leaving" };
	struct device_counter counters[DEVICE_MAX_COUNTERS];
	struct device_info i;
	json_t *stats;
	unsigned int nr;

	if (!d->devices || !devices_find(d->devices, name, &i))
		return;
	json_object_set_new(j, "state", json_string(states[i.state]));
	json_object_set_new(j, "bound", json_boolean(i.bound));
	json_object_set_new(j, "pid", json_integer(i.pid));
	json_object_set_new(j, "restarts", json_integer(i.restarts));
	if (i.device->kind == DEVICE_NET) {
		json_object_set_new(j, "tap", json_string(i.tap));
		json_object_set_new(j, "link", json_boolean(i.link));
		json_object_set_new(j, "carrier", json_boolean(i.carrier));
	}
	if (i.device->kind == DEVICE_BLOCK || (i.device->kind == DEVICE_SERVED && i.size))
		json_object_set_new(j, "capacity", json_integer(i.size));
	if (i.held)
		json_object_set_new(j, "error", json_string(i.no_space ? "no space" : "unspecified error"));
	if (i.device->kind == DEVICE_CONSOLE)
		json_object_set_new(j, "pty", json_string(i.pty));
	nr = devices_stats(d->devices, name, counters);
	stats = json_object();
	for (unsigned int k = 0; k < nr; k++)
		json_object_set_new(stats, counters[k].name, json_integer(counters[k].value));
	json_object_set_new(j, "stats", stats);
}

/* In virsh's order. */
static json_t *limits_json(const xmlNode *disk)
{
	json_t *all = json_object();
	struct device_limits l;

	disk_limits(disk, &l);
	for (unsigned int i = 0; i < DEVICE_LIMITS; i++)
		json_object_set_new(all, disk_limit_names[i], json_integer(l.of[i]));
	return all;
}

static json_t *rates_json(const xmlNode *interface)
{
	struct device_rate in, out;

	interface_rates(interface, &in, &out);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "inbound.average", (json_int_t)in.average >> 10, "inbound.peak", (json_int_t)in.peak >> 10,
			 "inbound.burst", (json_int_t)in.burst >> 10, "outbound.average", (json_int_t)out.average >> 10,
			 "outbound.peak", (json_int_t)out.peak >> 10, "outbound.burst", (json_int_t)out.burst >> 10);
}

json_t *dev_json(const struct domain *d, bool inactive)
{
	const xmlNode *devices = (inactive ? d->def : dom_config(d))->kept[KEEP_DEVICES];
	json_t *all = json_array();

	for (const xmlNode *n = devices ? devices->children : NULL; n; n = n->next) {
		const xmlNode *src = xml_child(n, "source");
		char name[DEVICE_NAME_LEN], *link;
		json_t *j;

		if (n->type != XML_ELEMENT_NODE)
			continue;
		j = json_pack("{s:s}", "kind", n->name);
		set_text(j, "type", xml_attr(n, "type"));
		set_text(j, "device", xml_attr(n, "device"));
		set_text(j, "target", xml_attr(xml_child(n, "target"), "dev"));
		set_text(j, "format", xml_attr(xml_child(n, "driver"), "type"));
		for (size_t i = 0; i < 7; i++) {
			static const char *const sources[] = { "file", "dev", "network", "bridge", "path", "name", "dir" };

			if (src && xmlHasProp((xmlNode *)src, BAD_CAST sources[i])) {
				set_text(j, "source", xml_attr(src, sources[i]));
				break;
			}
		}
		set_text(j, "mac", xml_attr(xml_child(n, "mac"), "address"));
		set_text(j, "model", xml_attr(xml_child(n, "model"), "type"));
		set_text(j, "model", xml_attr(n, "model"));
		if (xml_child(n, "readonly"))
			json_object_set_new(j, "readonly", json_true());
		if (!strcmp((const char *)n->name, "disk"))
			json_object_set_new(j, "limits", limits_json(n));
		if (!strcmp((const char *)n->name, "interface")) {
			json_object_set_new(j, "limits", rates_json(n));
			link = xml_attr(xml_child(n, "link"), "state");
			json_object_set_new(j, "link", json_boolean(!link || strcmp(link, "down")));
			xmlFree(link);
		}
		if (device_name(n, name)) {
			json_object_set_new(j, "name", json_string(name));
			if (!inactive)
				add_info(j, d, name);
		}
		json_array_append_new(all, j);
	}
	return all;
}

bool dev_held(const struct domain *d)
{
	struct device_info i;

	for (unsigned int k = 0; d->devices && devices_get(d->devices, k, &i); k++) {
		if (i.held)
			return true;
	}
	return false;
}

static bool balloon(const struct domain *d, struct device_info *i)
{
	for (unsigned int k = 0; d->devices && devices_get(d->devices, k, i); k++) {
		if (i->device->kind == DEVICE_BALLOON)
			return true;
	}
	return false;
}

bool dev_balloon(const struct domain *d)
{
	struct device_info i;

	return balloon(d, &i);
}

uint64_t dev_ballooned(const struct domain *d)
{
	struct device_counter counters[DEVICE_MAX_COUNTERS];
	struct device_info i;
	unsigned int nr = balloon(d, &i) ? devices_stats(d->devices, i.device->name, counters) : 0;

	for (unsigned int k = 0; k < nr; k++) {
		if (!strcmp(counters[k].name, "actual"))
			return counters[k].value << 12;
	}
	return 0;
}
