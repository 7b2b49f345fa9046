// SPDX-License-Identifier: GPL-2.0-only
/*
 * methods_devices.c - the methods that attach, detach and change devices.
 *
 * Each changes the running domain, its definition, or both (change_where()):
 * the definition's new form is made and checked first, then the running domain
 * is changed, then the definition is written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/xml_devices.h"
#include "vmid.h"

static const char *need_text(json_t *params, const char *name, struct failure *f)
{
	const char *s = json_string_value(json_object_get(params, name));

	if (!s)
		fail(f, EX_BAD_USAGE, NULL, "the parameter \"%s\" is missing, or no string", name);
	return s;
}

static int done(struct domain *d, json_t **reply)
{
	*reply = json_pack("{s:s}", "name", dom_name(d));
	return 0;
}

/* Takes the new definition, which is then d's, or is freed. */
static int keep_def(struct domain *d, struct dom_config *def, struct failure *f)
{
	if (dom_save_def(d, def, f)) {
		config_free(def);
		return f->status;
	}
	config_free(d->def);
	d->def = def;
	event(d, "Defined", "Updated");
	return 0;
}

/* The device in the parameter "xml". NULL: *f, and messages in *reply. */
static xmlNode *device_param(json_t *params, json_t **reply, struct failure *f)
{
	const char *xml = need_text(params, "xml", f);
	struct diag d = { .strict = json_is_true(json_object_get(params, "validate")) };
	xmlNode *dev;

	if (!xml)
		return NULL;
	dev = device_from_xml(xml, strlen(xml), &d);
	*reply = json_pack("{s:o}", "messages", diag_json(&d));
	if (!dev)
		fail(f, EX_BAD_CONFIG, NULL, "the device is not accepted: %u error%s", d.errors, d.errors == 1 ? "" : "s");
	diag_free(&d);
	return dev;
}

static int attach(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct dom_config *def = NULL;
	json_t *messages = NULL;
	struct diag diag = { 0 };
	struct domain *d;
	bool live, config;
	xmlNode *dev;
	int rc = 0;

	(void)c;
	if (change_where(params, &d, &live, &config, f))
		return f->status;
	dev = device_param(params, reply, f);
	if (!dev)
		return f->status;
	device_make_mac(dev);
	if (config) {
		def = config_with_device(d->def, dev, &diag);
		if (!def)
			rc = diag_fail(&diag, &messages, f);
	}
	if (!rc && live)
		rc = dev_attach_live(d, dev, &messages, f);
	else if (!rc)
		messages = dev_warn_last(def);
	if (rc) {
		config_free(def);
	} else if (config && keep_def(d, def, f)) {
		rc = f->status;
		/* Both or none. */
		if (live)
			dev_detach_live(d, xmlLastElementChild(d->live->kept[KEEP_DEVICES]), 0, &(struct failure){ 0 });
	}
	if (messages)
		json_object_set_new(*reply, "messages", messages);
	if (!rc)
		json_object_set_new(*reply, "name", json_string(dom_name(d)));
	xmlFreeNode(dev);
	diag_free(&diag);
	return rc;
}

/* What config_find_device() finds it by; NULL: nothing. free() it. */
static char *key_of(const xmlNode *dev)
{
	char *xml = xml_attr(xml_child(dev, "mac"), "address"), *key;

	if (!xml)
		xml = xml_attr(xml_child(dev, "target"), strcmp((const char *)dev->name, "filesystem") ? "dev" : "dir");
	if (!xml)
		xml = xml_attr(xml_child(dev, "alias"), "name");
	key = xml ? xstrdup(xml) : NULL;
	xmlFree(xml);
	return key;
}

/* Which device: "xml", or "kind" and "key". False: *f. */
static bool which(json_t *params, char *kind, size_t size, char **key, json_t **reply, struct failure *f)
{
	const char *text = json_string_value(json_object_get(params, "kind"));
	xmlNode *dev;

	*key = NULL;
	if (text) {
		snprintf(kind, size, "%s", text);
		*key = xstrdup(json_string_value(json_object_get(params, "key")));
		return true;
	}
	dev = device_param(params, reply, f);
	if (!dev)
		return false;
	snprintf(kind, size, "%s", dev->name);
	*key = key_of(dev);
	xmlFreeNode(dev);
	return true;
}

/* An interface of what runs, by its tap or alias, in another configuration: by the MAC address that both have. */
static xmlNode *find_interface(const struct domain *d, const struct dom_config *c, const char *key)
{
	char name[DEVICE_NAME_LEN], *mac;
	xmlNode *n;

	n = d->live ? config_find_device(d->live, "interface", dev_of_tap(d, key, name) ? name : key) : NULL;
	if (!n || c == d->live)
		return n;
	mac = xml_attr(xml_child(n, "mac"), "address");
	n = mac ? config_find_device(c, "interface", mac) : NULL;
	xmlFree(mac);
	return n;
}

/* Of the definition, or of what runs. NULL: *f says so. */
static xmlNode *find_in(const struct domain *d, const struct dom_config *c, const char *kind, const char *key, struct failure *f)
{
	xmlNode *n = config_find_device(c, kind, key);

	if (!n && key && !strcmp(kind, "interface"))
		n = find_interface(d, c, key);
	if (!n)
		fail(f, EX_NO_OBJECT, key ? "see what there is: vmi domblklist, domiflist, dumpxml" :
		     "name it by its MAC address, target or alias: vmi domblklist, domiflist, dumpxml", "%s of domain '%s' has %s %.40s%s%.60s",
		     c == d->live ? "the running configuration" : "the definition", c->name, key ? "no" : "no, or more than one", kind,
		     key ? " " : "", key ? key : "");
	return n;
}

static int detach(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	json_int_t seconds = json_integer_value(json_object_get(params, "seconds"));
	struct dom_config *def = NULL;
	xmlNode *n = NULL, *m;
	bool live, config;
	struct domain *d;
	char kind[32], *key;
	int rc = 0;

	(void)c;
	if (change_where(params, &d, &live, &config, f) || !which(params, kind, sizeof(kind), &key, reply, f))
		return f->status;
	if (config) {
		def = config_copy(d->def);
		m = find_in(d, def, kind, key, f);
		if (m)
			xmlUnlinkNode(m);
		else
			rc = f->status;
		xmlFreeNode(m);
	}
	if (!rc && live) {
		n = find_in(d, d->live, kind, key, f);
		rc = n ? dev_detach_live(d, n, seconds < 0 || seconds > 3600 ? 0 : seconds, f) : f->status;
	}
	free(key);
	if (rc)
		config_free(def);
	else if (config)
		rc = keep_def(d, def, f);
	if (rc)
		return rc;
	json_decref(*reply);
	return done(d, reply);
}

static void set_link_of(xmlNode *n, bool up)
{
	xmlNode *link = xml_child(n, "link");

	if (!link)
		link = xmlNewChild(n, NULL, BAD_CAST "link", NULL);
	xmlSetProp(link, BAD_CAST "state", BAD_CAST (up ? "up" : "down"));
}

static int set_link(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	const char *key = need_text(params, "interface", f);
	bool up = json_is_true(json_object_get(params, "up")), live, config;
	struct dom_config *def = NULL;
	struct hv_error err = { "" };
	char name[DEVICE_NAME_LEN];
	xmlNode *n, *m;
	struct domain *d;
	int rc = 0;

	(void)c;
	if (!key || change_where(params, &d, &live, &config, f))
		return f->status;
	if (config) {
		def = config_copy(d->def);
		m = find_in(d, def, "interface", key, f);
		if (m)
			set_link_of(m, up);
		else
			rc = f->status;
	}
	if (!rc && live) {
		n = find_in(d, d->live, "interface", key, f);
		rc = n && dev_name_of(n, d, name, f) ? 0 : f->status;
		if (!rc && devices_set_link(d->devices, name, up, &err))
			rc = fail(f, EX_FAILED, NULL, "cannot set the link of %s: %s", name, err.text);
		if (!rc) {
			set_link_of(n, up);
			dom_save_live(d, "run");
			dom_note(d, "device %s: link %s", name, up ? "up" : "down");
		}
	}
	if (rc)
		config_free(def);
	else if (config)
		rc = keep_def(d, def, f);
	return rc ? rc : done(d, reply);
}

static int resize(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	const char *disk = need_text(params, "disk", f);
	json_int_t bytes = json_integer_value(json_object_get(params, "bytes"));
	struct hv_error err = { "" };
	char name[DEVICE_NAME_LEN];
	struct device_info info;
	struct domain *d;
	xmlNode *n;
	bool image;
	int rc;

	if (!disk || find_domain(params, &d, f))
		return f->status;
	if (bytes <= 0 || bytes % 512)
		return fail(f, EX_BAD_CONFIG, NULL, "a disk has whole sectors of 512 bytes, at least one");
	if (!d->live)
		return fail(f, EX_WRONG_STATE, "change its image: truncate -s SIZE FILE, or qemu-img resize", "domain '%s' is not running", dom_name(d));
	if (dom_need(d, VERB_SET_LIVE, f))
		return f->status;
	n = find_in(d, d->live, "disk", disk, f);
	if (!n || !dev_name_of(n, d, name, f))
		return f->status;
	if (!devices_find(d->devices, name, &info))
		return fail(f, EX_FAILED, NULL, "the guest has no disk %s", name);
	image = info.device->kind == DEVICE_SERVED && !info.device->nbd;
	if (!image && info.device->kind != DEVICE_BLOCK)
		return fail(f, EX_FAILED, "change its size where it is served", "%s is served by another program", name);
	if (image && d->resizer)
		return fail(f, EX_WRONG_STATE, "try again", "the size of %s is being changed", d->resized);
	rc = devices_resize(d->devices, name, bytes, &err);
	if (rc < 0)
		return fail(f, EX_FAILED, rc != -EINVAL ? NULL : image ? "shrink the file system, shut the domain down, and use qemu-img resize --shrink" :
			    "shrink the file system, shut the domain down, and use truncate(1)", "cannot change the size of %s: %s", name, err.text);
	if (rc) {
		dev_resize_later(d, name, c);
		return 0;
	}
	dom_note(d, "device %s: resized", name);
	return done(d, reply);
}

/* New limits in the tree of a device; what is not named stays. */
static int set_limits_of(xmlNode *n, json_t *limits, struct failure *f)
{
	bool disk = !strcmp((const char *)n->name, "disk");
	const char *name;
	json_t *v;

	json_object_foreach(limits, name, v) {
		json_int_t i = json_is_integer(v) ? json_integer_value(v) : -1;

		if (i < 0 || !(disk ? disk_set_limit(n, name, i) : interface_set_limit(n, name, i)))
			return fail(f, EX_BAD_USAGE, NULL, "the limit \"%.40s\" is not known, or no number", name);
	}
	return 0;
}

/* The same in a copy of c, checked as a whole, and *n in it; NULL: *f. */
static struct dom_config *with_limits(const struct domain *d, const struct dom_config *c, const char *kind, const char *key, json_t *limits,
				      xmlNode **n, struct failure *f)
{
	struct dom_config *to = config_copy(c);
	struct diag diag = { 0 };
	int rc;

	*n = find_in(d, c, kind, key, f) ? find_in(d, to, kind, key, f) : NULL;
	rc = *n ? set_limits_of(*n, limits, f) : f->status;
	if (!rc)
		xml_check_devices(to->kept[KEEP_DEVICES], &diag);
	if (diag.errors)
		rc = fail(f, EX_BAD_CONFIG, NULL, "the limits are not accepted: %s", diag.items[0].text);
	diag_free(&diag);
	if (!rc)
		return to;
	config_free(to);
	return NULL;
}

static int set_limits_live(struct domain *d, const xmlNode *n, struct failure *f)
{
	struct hv_error err = { "" };
	char name[DEVICE_NAME_LEN];
	struct device_rate in, out;
	struct device_limits l;
	int rc;

	if (!dev_name_of(n, d, name, f))
		return f->status;
	if (!strcmp((const char *)n->name, "disk")) {
		disk_limits(n, &l);
		rc = devices_set_limits(d->devices, name, &l, &err);
	} else {
		interface_rates(n, &in, &out);
		rc = devices_set_rates(d->devices, name, &in, &out, &err);
	}
	if (rc)
		return fail(f, EX_FAILED, NULL, "cannot limit %s: %s", name, err.text);
	dom_note(d, "device %s: other limits", name);
	return 0;
}

static int set_limits(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	const char *disk = json_string_value(json_object_get(params, "disk"));
	const char *kind = disk ? "disk" : "interface", *key = disk ? disk : need_text(params, kind, f);
	json_t *limits = json_object_get(params, "limits");
	struct dom_config *def = NULL, *now = NULL;
	struct domain *d;
	bool live, config;
	xmlNode *n;
	int rc = 0;

	(void)c;
	if (!key || change_where(params, &d, &live, &config, f))
		return f->status;
	if (config && !(def = with_limits(d, d->def, kind, key, limits, &n, f)))
		return f->status;
	if (live) {
		now = with_limits(d, d->live, kind, key, limits, &n, f);
		rc = now ? set_limits_live(d, n, f) : f->status;
	}
	if (rc || !live) {
		config_free(now);
	} else {
		config_free(d->live);
		d->live = now;
		dom_save_live(d, "run");
	}
	if (rc)
		config_free(def);
	else if (config)
		rc = keep_def(d, def, f);
	return rc ? rc : done(d, reply);
}

/* A part of an interface that can change while its guest has it; or of no meaning then. */
static bool may_differ(const xmlNode *n)
{
	return word_in((const char *)n->name, "link bandwidth alias address");
}

/* Whether all that `want` says is so in `has`, beside may_differ(); what is not: in why. */
static bool as_it_is(const xmlNode *want, const xmlNode *has, char why[80])
{
	for (const xmlAttr *a = want->properties; a; a = a->next) {
		char *x = xml_attr(want, (const char *)a->name), *y = xml_attr(has, (const char *)a->name);
		bool same = x && y && !strcasecmp(x, y);

		xmlFree(x);
		xmlFree(y);
		if (!same) {
			snprintf(why, 80, "<%.30s %.30s>", want->name, a->name);
			return false;
		}
	}
	for (const xmlNode *n = want->children; n; n = n->next) {
		const xmlNode *other;

		if (n->type != XML_ELEMENT_NODE || may_differ(n))
			continue;
		other = xml_child(has, (const char *)n->name);
		if (!other) {
			snprintf(why, 80, "<%.60s>", n->name);
			return false;
		}
		if (!as_it_is(n, other, why))
			return false;
	}
	return true;
}

/* c with the device as dev says, but its address, name and target where dev has none. NULL: *f. */
static struct dom_config *with_update(const struct domain *d, const struct dom_config *c, const xmlNode *dev, const char *key, struct failure *f)
{
	static const char *const stay[] = { "mac", "target", "alias" };
	struct dom_config *to = config_copy(c);
	xmlNode *old = find_in(d, c, (const char *)dev->name, key, f) ? find_in(d, to, (const char *)dev->name, key, f) : NULL;
	struct diag diag = { 0 };
	xmlNode *alias, *n;

	if (!old) {
		config_free(to);
		return NULL;
	}
	n = xmlCopyNode((xmlNode *)dev, 1);
	/* A definition has none; what runs has it as a name. */
	alias = xml_child(n, "alias");
	xmlUnlinkNode(alias);
	xmlFreeNode(alias);
	for (size_t i = 0; i < ARRAY_SIZE(stay); i++) {
		if (xml_child(old, stay[i]) && !xml_child(n, stay[i]))
			xmlAddChild(n, xmlCopyNode(xml_child(old, stay[i]), 1));
	}
	xmlReplaceNode(old, n);
	xmlFreeNode(old);
	xml_settle_devices(to->kept[KEEP_DEVICES]);
	xml_check_devices(to->kept[KEEP_DEVICES], &diag);
	if (diag.errors) {
		fail(f, EX_BAD_CONFIG, NULL, "the device is not accepted: %s", diag.items[0].text);
		config_free(to);
		to = NULL;
	}
	diag_free(&diag);
	return to;
}

/* Link and limits of an interface that runs; *now: the running configuration with them. */
static int update_live(struct domain *d, const xmlNode *dev, const char *key, struct dom_config **now, struct failure *f)
{
	struct device_rate in[2], out[2];
	char why[80], name[DEVICE_NAME_LEN], *link;
	struct hv_error err = { "" };
	xmlNode *has, *n;
	bool up;

	if (strcmp((const char *)dev->name, "interface"))
		return fail(f, EX_WRONG_STATE, "detach it and attach it; or --config; limits and size: vmi blkdeviotune, blockresize",
			    "a <%s> of a domain that runs cannot be updated", dev->name);
	has = find_in(d, d->live, "interface", key, f);
	if (!has || !dev_name_of(has, d, name, f))
		return f->status;
	if (!as_it_is(dev, has, why))
		return fail(f, EX_WRONG_STATE, "detach the interface and attach it; or --config", "%s cannot change while the domain runs: link and bandwidth can", why);
	/* What else it has, it keeps. */
	*now = config_copy(d->live);
	n = find_in(d, *now, "interface", key, f);
	for (xmlNode *k = n->children, *next; k; k = next) {
		next = k->next;
		if (k->type == XML_ELEMENT_NODE && word_in((const char *)k->name, "link bandwidth")) {
			xmlUnlinkNode(k);
			xmlFreeNode(k);
		}
	}
	for (const xmlNode *k = dev->children; k; k = k->next) {
		if (k->type == XML_ELEMENT_NODE && word_in((const char *)k->name, "link bandwidth"))
			xmlAddChild(n, xmlCopyNode((xmlNode *)k, 1));
	}
	interface_rates(has, &in[0], &out[0]);
	interface_rates(n, &in[1], &out[1]);
	if ((memcmp(&in[0], &in[1], sizeof(*in)) || memcmp(&out[0], &out[1], sizeof(*out))) && set_limits_live(d, n, f))
		return f->status;
	link = xml_attr(xml_child(n, "link"), "state");
	up = !link || strcmp(link, "down");
	xmlFree(link);
	if (devices_set_link(d->devices, name, up, &err))
		return fail(f, EX_FAILED, NULL, "cannot set the link of %s: %s", name, err.text);
	dom_note(d, "device %s: updated, link %s", name, up ? "up" : "down");
	return 0;
}

static int update(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct dom_config *def = NULL, *now = NULL;
	xmlNode *dev;
	bool live, config;
	struct domain *d;
	char *key;
	int rc = 0;

	(void)c;
	if (change_where(params, &d, &live, &config, f))
		return f->status;
	dev = device_param(params, reply, f);
	if (!dev)
		return f->status;
	key = key_of(dev);
	/* Also of what runs: the limits are checked with it. */
	if (config || live)
		def = with_update(d, config ? d->def : d->live, dev, key, f);
	rc = def ? 0 : f->status;
	if (!rc && live)
		rc = update_live(d, dev, key, &now, f);
	if (!rc && live) {
		config_free(d->live);
		d->live = now;
		now = NULL;
		dom_save_live(d, "run");
	}
	if (!rc && config)
		rc = keep_def(d, def, f);
	else
		config_free(def);
	config_free(now);
	free(key);
	xmlFreeNode(dev);
	if (!rc)
		json_object_set_new(*reply, "name", json_string(dom_name(d)));
	return rc;
}

/* What a disk's file has, also while nobody has it open. */
static int disk_info(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	const char *disk = need_text(params, "disk", f);
	struct device_item *it = NULL;
	struct device_info info;
	struct hv_error err = { "" };
	struct image_sizes s;
	struct diag diag = { 0 };
	struct domain *d;
	xmlNode *n;
	int rc = 0;

	(void)c;
	if (!disk || find_domain(params, &d, f))
		return f->status;
	n = find_in(d, dom_config(d), "disk", disk, f);
	if (!n)
		return f->status;
	it = device_item(n, &diag);
	if (it && it->dev.source && !it->dev.nbd && it->dev.kind != DEVICE_VHOST_USER)
		rc = images_look(&it->dev, &s, &err) ? fail(f, EX_FAILED, NULL, "%s", err.text) : 0;
	else if (it && d->devices && devices_find(d->devices, it->name, &info) && info.size)
		s = (struct image_sizes){ info.size, info.size, info.size };
	else
		rc = fail(f, EX_FAILED, NULL, "the disk %s has no file here whose size could be told", disk);
	if (!rc)
		*reply = json_pack("{s:s, s:I, s:I, s:I}", "name", dom_name(d), "capacity", (json_int_t)s.capacity, "allocation",
				   (json_int_t)s.allocation, "physical", (json_int_t)s.physical);
	device_item_free(it);
	diag_free(&diag);
	return rc;
}

const struct method methods_devices[] = {
	{ "AttachDevice", attach, false },
	{ "DetachDevice", detach, false },
	{ "UpdateDevice", update, false },
	{ "DiskInfo", disk_info, true },
	{ "SetLink", set_link, false },
	{ "ResizeDisk", resize, false },
	{ "SetLimits", set_limits, false },
	{ NULL, NULL, false },
};
