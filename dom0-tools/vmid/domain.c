// SPDX-License-Identifier: GPL-2.0-only
/*
 * domain.c - all domains: their definitions, and their lives from start to end.
 *
 * A domain has a definition (persistent), a live configuration (it exists in
 * the hypervisor), or both; one with neither is forgotten. Before the
 * hypervisor is asked to make or replace a domain, a file in run_dir says so:
 * recover.c reads it after a kill.
 *
 * Invariant: names and uuids are unique. The hypervisor is the truth about
 * which domains exist; a domain that it has and no file knows is never ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/signature.h"
#include "vmid.h"

#define RESTARTS_MAX	5		/* by its policy, within */
#define RESTARTS_TIME	60		/* seconds */

struct domain *domains;

const struct dom_config *dom_config(const struct domain *d)
{
	return d->live ? d->live : d->def;
}

const char *dom_name(const struct domain *d)
{
	return dom_config(d)->name;
}

struct domain *dom_by_uuid(const uint8_t uuid[16])
{
	for (struct domain *d = domains; d; d = d->next) {
		if (!memcmp(dom_config(d)->uuid, uuid, 16))
			return d;
	}
	return NULL;
}

struct domain *dom_by_name(const char *name)
{
	for (struct domain *d = domains; d; d = d->next) {
		if (!strcmp(dom_name(d), name))
			return d;
	}
	return NULL;
}

struct domain *dom_find(const char *ref)
{
	struct domain *d = dom_by_name(ref);
	unsigned int id;
	uint8_t uuid[16];

	if (!d && uuid_parse(ref, uuid))
		d = dom_by_uuid(uuid);
	if (d || !parse_uint(ref, &id) || !id)
		return d;
	for (d = domains; d && d->domid != id; d = d->next)
		;
	return d;
}

struct domain *dom_add(void)
{
	struct domain *d = xcalloc(1, sizeof(*d)), **p = &domains;

	d->log.fd = -1;
	d->reason = "unknown";
	while (*p)
		p = &(*p)->next;
	*p = d;
	return d;
}

static void forget(struct domain *d)
{
	struct domain **p = &domains;

	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	dev_close(d);
	console_close(d, NULL);
	logfile_close(&d->log);
	config_free(d->def);
	config_free(d->live);
	free(d);
}

/* A line in the domain's own log. */
void dom_note(struct domain *d, const char *fmt, ...)
{
	char text[512], line[600];
	time_t t = wall_s();
	struct tm tm;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!d->log.path)
		logfile_open(&d->log, dom_name(d), "log");
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ", gmtime_r(&t, &tm));
	n += snprintf(line + n, sizeof(line) - n, "%s\n", text);
	logfile_add(&d->log, line, n);
}

static int hv_failed(struct failure *f, const struct hv_error *err)
{
	return fail(f, EX_FAILED, NULL, "%s", err->text);
}

enum dom_state dom_seen(struct domain *d, const struct hv_info *info)
{
	enum dom_state was = d->state;

	d->state = state_of(info, d->asked);
	if (d->state != was && d->state == ST_PAUSED)
		d->reason = "user";
	return d->state;
}

enum dom_state dom_look(struct domain *d, struct hv_info *info)
{
	struct hv_error err;
	struct hv_info own;

	if (!info)
		info = &own;
	if (!d->domid)
		return d->state = ST_OFF;
	if (vmid.ops->info(vmid.hv, d->domid, info, &err))
		return d->state = ST_OFF;	/* someone else ended it; dom_check() sees to the rest */
	return dom_seen(d, info);
}

int dom_need(struct domain *d, enum dom_verb v, struct failure *f)
{
	const char *hint, *why = state_refuses(dom_look(d, NULL), v, &hint);

	return why ? fail(f, EX_WRONG_STATE, hint, "domain '%s' %s", dom_name(d), why) : 0;
}

void dom_save_live(struct domain *d, const char *stage)
{
	char *xml = config_to_xml(d->live, 0), *text;
	struct failure f;
	json_t *j = json_pack("{s:s, s:i, s:b, s:b, s:s}", "stage", stage, "domid", (int)d->domid, "asked", d->asked,
			      "asked_reboot", d->asked_reboot, "xml", xml);

	text = json_dumps(j, JSON_COMPACT);
	if (text && store_put(vmid.run_dir, d->live->uuid, UNIT_LIVE, text, false, &f))
		say(LOG_ERROR, "%s", f.message);
	free(text);
	free(xml);
	json_decref(j);
}

/* With a balloon the guest is made for all that it may have, and gives back what it is not to have now. */
uint64_t dom_built_memory(const struct dom_config *c)
{
	char *model = xml_attr(xml_child(c->kept[KEEP_DEVICES], "memballoon"), "model");
	bool balloon = model && strcmp(model, "none");

	xmlFree(model);
	return balloon && vmid.ops != &hv_sim ? c->max_memory : c->memory;
}

static void hv_config(const struct dom_config *c, struct hv_config *h)
{
	*h = (struct hv_config){
		.name = c->name, .memory = dom_built_memory(c), .max_memory = c->max_memory, .vcpus = c->vcpus,
		.max_vcpus = c->max_vcpus, .kernel = c->kernel, .initrd = c->initrd, .cmdline = c->cmdline ? c->cmdline : "",
		.weight = c->weight, .cap = config_cap(c), .verify = c->trust ? signature_check : NULL, .trust = c->trust,
	};
	memcpy(h->uuid, c->uuid, 16);
	for (unsigned int i = 0; i < c->max_vcpus; i++)
		h->affinity[i] = c->pin[i] ? c->pin[i] : c->cpuset;
}

/* Makes d->live exist. On failure nothing of it is left but d->live. */
int dom_build(struct domain *d, bool paused, const char *stage, struct failure *f)
{
	struct hv_error err = { "" };
	struct hv_config cfg;
	uint32_t domid;
	int rc;

	/* Who is killed now leaves a paused domain: the next vmid lets it run, unless it was to be paused. */
	dom_save_live(d, paused ? "run" : stage);
	hv_config(d->live, &cfg);
	rc = vmid.ops->create(vmid.hv, &cfg, &domid, &err);
	if (rc)
		return hv_failed(f, &err);
	d->domid = domid;
	d->asked = d->asked_reboot = false;
	d->ended_at = 0;
	d->state = ST_PAUSED;
	d->reason = "user";
	console_open(d);
	rc = dev_open(d, f);
	if (!rc && !paused && vmid.ops->unpause(vmid.hv, domid, &err))
		rc = hv_failed(f, &err);
	if (rc) {
		dev_close(d);
		vmid.ops->destroy(vmid.hv, domid, &(struct hv_error){ "" });
		console_close(d, NULL);
		d->domid = 0;
		return rc;
	}
	if (!paused) {
		d->state = ST_RUNNING;
		d->reason = "booted";
	}
	dom_save_live(d, "run");
	return 0;
}

/* It exists no more: shut off, or forgotten. */
void dom_gone(struct domain *d, const char *reason, const char *detail)
{
	struct failure f;

	dom_note(d, "ended: %s", reason);
	say(LOG_SAY, "domain %s: ended: %s", dom_name(d), reason);
	if (store_del(vmid.run_dir, d->live->uuid, UNIT_LIVE, false, &f))
		say(LOG_ERROR, "%s", f.message);
	event(d, "Stopped", detail);
	dev_close(d);
	console_close(d, NULL);
	config_free(d->live);
	d->live = NULL;
	d->domid = 0;
	d->asked = d->asked_reboot = false;
	d->state = ST_OFF;
	d->reason = reason;
	d->ended_at = 0;
	if (!d->def)
		forget(d);
	else if (d->log.path)
		logfile_close(&d->log);	/* its name may change now */
}

static int files_ok(const struct dom_config *c, struct failure *f)
{
	char *why = config_files_problem(c);

	if (!why)
		return 0;
	fail(f, EX_BAD_CONFIG, "correct it: vmi edit; vmid itself must be able to read the files", "cannot start '%s': %s", c->name, why);
	free(why);
	return f->status;
}

int dom_start(struct domain *d, bool paused, struct failure *f)
{
	if (dom_need(d, VERB_START, f) || files_ok(d->def, f) || dev_check(d->def, NULL, f))
		return f->status;
	d->live = config_copy(d->def);
	d->restarts = 0;
	if (dom_build(d, paused, "build", f)) {
		struct failure ignored;

		store_del(vmid.run_dir, d->live->uuid, UNIT_LIVE, false, &ignored);
		dom_note(d, "start failed: %s", f->message);
		config_free(d->live);
		d->live = NULL;
		d->reason = "failed";
		return f->status;
	}
	dom_note(d, "started as %u%s", d->domid, paused ? ", paused" : "");
	event(d, "Started", "Booted");
	return 0;
}

static int same_exists(const struct dom_config *c, struct domain **same, struct failure *f)
{
	struct domain *by_name = dom_by_name(c->name), *by_uuid = dom_by_uuid(c->uuid);
	char uuid[UUID_LEN];

	*same = by_uuid;
	if (by_name && by_name != by_uuid) {
		uuid_format(dom_config(by_name)->uuid, uuid);
		return fail(f, EX_FAILED, "give it another name, or that uuid", "domain '%s' already exists with uuid %s", c->name, uuid);
	}
	if (by_uuid && !by_name) {
		uuid_format(c->uuid, uuid);
		return fail(f, EX_FAILED, "leave <uuid> out to make another domain, or rename that one: vmi domrename",
			    "domain '%s' already has the uuid %s", dom_name(by_uuid), uuid);
	}
	return 0;
}

static int room(struct failure *f)
{
	unsigned int nr = 0;

	for (struct domain *d = domains; d; d = d->next)
		nr++;
	return nr < MAX_DOMAINS ? 0 : fail(f, EX_FAILED, "undefine one", "there are %d domains already", MAX_DOMAINS);
}

/* The uuid of the domain of that name, or a new one. */
static void settle_uuid(struct dom_config *c)
{
	struct domain *same = dom_by_name(c->name);

	if (!uuid_is_null(c->uuid))
		return;
	if (same)
		memcpy(c->uuid, dom_config(same)->uuid, 16);
	else
		uuid_make(c->uuid);
}

int dom_save_def(struct domain *d, const struct dom_config *c, struct failure *f)
{
	char *xml = config_to_xml(c, 0);
	int rc = store_put(vmid.state_dir, c->uuid, UNIT_XML, xml, true, f);

	(void)d;
	free(xml);
	return rc;
}

int dom_define(struct dom_config *c, struct domain **out, struct failure *f)
{
	struct domain *d;
	bool fresh;

	settle_uuid(c);
	if (same_exists(c, &d, f) || (!d && room(f)) || dom_save_def(d, c, f)) {
		config_free(c);
		return f->status;
	}
	fresh = !d || !d->def;
	if (!d)
		d = dom_add();
	config_free(d->def);
	d->def = c;
	*out = d;
	dom_note(d, fresh ? "defined" : "definition changed");
	event(d, "Defined", fresh ? "Added" : "Updated");
	if (!d->live)
		logfile_close(&d->log);
	return 0;
}

int dom_undefine(struct domain *d, struct failure *f)
{
	if (!d->def)
		return fail(f, EX_WRONG_STATE, "it goes away when it ends: vmi destroy", "domain '%s' is transient: it has no definition",
			    dom_name(d));
	if (store_del(vmid.state_dir, d->def->uuid, UNIT_XML, true, f) ||
	    store_del(vmid.state_dir, d->def->uuid, UNIT_AUTO, true, f))
		return f->status;
	dom_note(d, "undefined");
	event(d, "Undefined", "Removed");
	d->autostart = false;
	if (d->live) {
		config_free(d->def);
		d->def = NULL;
	} else {
		forget(d);
	}
	return 0;
}

int dom_create(struct dom_config *c, bool paused, struct domain **out, struct failure *f)
{
	struct domain *d;
	int rc;

	settle_uuid(c);
	rc = same_exists(c, &d, f);
	if (!rc && d)
		rc = d->domid ? fail(f, EX_WRONG_STATE, NULL, "domain '%s' is already active", c->name) :
			fail(f, EX_FAILED, "start it, or undefine it first", "domain '%s' is already defined", c->name);
	if (rc || room(f) || files_ok(c, f) || dev_check(c, NULL, f)) {
		config_free(c);
		return f->status;
	}
	d = dom_add();
	d->live = c;
	if (dom_build(d, paused, "build", f)) {
		struct failure ignored;

		store_del(vmid.run_dir, c->uuid, UNIT_LIVE, false, &ignored);
		dom_note(d, "start failed: %s", f->message);
		forget(d);
		return f->status;
	}
	dom_note(d, "created as %u%s", d->domid, paused ? ", paused" : "");
	event(d, "Started", "Booted");
	*out = d;
	return 0;
}

int dom_stop(struct domain *d, enum hv_request what, struct failure *f)
{
	struct hv_error err = { "" };

	if (dom_need(d, what == HV_ASK_REBOOT ? VERB_REBOOT : VERB_SHUTDOWN, f))
		return f->status;
	if (vmid.ops->shutdown(vmid.hv, d->domid, what, &err))
		return hv_failed(f, &err);
	d->asked = what == HV_ASK_POWEROFF;
	d->asked_reboot = what == HV_ASK_REBOOT;
	d->reason = d->asked ? "user" : d->reason;
	dom_save_live(d, "run");
	dom_note(d, "asked to %s", d->asked ? "shut down" : "reboot");
	return 0;
}

int dom_destroy(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };

	if (dom_need(d, VERB_DESTROY, f))
		return f->status;
	dev_close(d);
	if (vmid.ops->destroy(vmid.hv, d->domid, &err))
		return hv_failed(f, &err);
	dom_gone(d, "destroyed", "Destroyed");
	return 0;
}

/* Replaces the domain by a new one of the same configuration; if that fails it is shut off. */
static int again(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };

	dom_save_live(d, "restart");
	dev_close(d);
	if (vmid.ops->destroy(vmid.hv, d->domid, &err))
		return hv_failed(f, &err);
	console_close(d, "\r\n[the domain starts again]\r\n");
	d->domid = 0;
	if (files_ok(d->live, f) || dev_check(d->live, NULL, f) || dom_build(d, false, "restart", f)) {
		say(LOG_ERROR, "domain %s: %s", dom_name(d), f->message);
		dom_note(d, "restart failed: %s", f->message);
		dom_gone(d, "failed", "Failed");
		return f->status;
	}
	dom_note(d, "started again as %u", d->domid);
	event(d, "Started", "Booted");
	return 0;
}

int dom_reset(struct domain *d, struct failure *f)
{
	return dom_need(d, VERB_RESET, f) ? f->status : again(d, f);
}

int dom_suspend(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };

	if (dom_need(d, VERB_SUSPEND, f))
		return f->status;
	if (vmid.ops->pause(vmid.hv, d->domid, &err))
		return hv_failed(f, &err);
	dom_look(d, NULL);
	dom_note(d, "paused");
	event(d, "Suspended", "Paused");
	return 0;
}

int dom_resume(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };

	/* It runs, and waits for a disk. */
	if (dev_held(d) && dom_look(d, NULL) != ST_PAUSED) {
		devices_retry(d->devices);
		dom_note(d, "resumed: what its disks hold after errors is tried again");
		return 0;
	}
	if (dom_need(d, VERB_RESUME, f))
		return f->status;
	if (vmid.ops->unpause(vmid.hv, d->domid, &err))
		return hv_failed(f, &err);
	d->reason = "unpaused";
	dom_note(d, "resumed");
	event(d, "Resumed", "Unpaused");
	return 0;
}

int dom_autostart(struct domain *d, bool on, struct failure *f)
{
	int rc;

	if (!d->def)
		return fail(f, EX_WRONG_STATE, "define it first: vmi define", "domain '%s' is transient: it cannot be started at boot", dom_name(d));
	rc = on ? store_put(vmid.state_dir, d->def->uuid, UNIT_AUTO, "", true, f) :
		store_del(vmid.state_dir, d->def->uuid, UNIT_AUTO, true, f);
	if (!rc)
		d->autostart = on;
	return rc;
}

int dom_rename(struct domain *d, const char *name, struct failure *f)
{
	const char *why = name_problem(name);
	struct dom_config *c;

	if (why)
		return fail(f, EX_BAD_CONFIG, NULL, "the name \"%.70s\" %s", name, why);
	if (dom_need(d, VERB_RENAME, f))
		return f->status;
	if (dom_by_name(name))
		return fail(f, EX_FAILED, NULL, "domain '%s' already exists", name);
	c = config_copy(d->def);
	snprintf(c->name, sizeof(c->name), "%s", name);
	if (dom_save_def(d, c, f)) {
		config_free(c);
		return f->status;
	}
	dom_note(d, "renamed to %s", name);
	logfile_close(&d->log);
	config_free(d->def);
	d->def = c;
	event(d, "Defined", "Renamed");
	return 0;
}

static bool too_often(struct domain *d)
{
	uint64_t now = wall_s();

	if (d->restarts && now - d->first_restart > RESTARTS_TIME)
		d->restarts = 0;
	if (!d->restarts++)
		d->first_restart = now;
	return d->restarts > RESTARTS_MAX;
}

/* The hypervisor says that it ended: what its configuration wants then. */
void dom_ended(struct domain *d, enum hv_reason why)
{
	static const char *const words[] = { "shutdown", "shutdown", "crashed" };
	static const char *const details[] = { "Shutdown", "Shutdown", "Crashed" };
	enum action act;
	struct hv_error err = { "" };
	struct failure f;

	if (d->ended_at)
		return;			/* it is preserved, and known */
	/* Whoever asked for its end does not want it back, though it was rebooting just then. */
	if (why == HV_REBOOT && d->asked)
		why = HV_POWEROFF;
	act = why == HV_CRASH ? d->live->on_crash : why == HV_REBOOT ? d->live->on_reboot : d->live->on_poweroff;
	d->ended_at = now_ns();
	if (why == HV_CRASH)
		event(d, "Crashed", "Panicked");
	dom_note(d, "the guest %s", why == HV_CRASH ? "crashed" : why == HV_REBOOT ? "rebooted" : "powered off");
	switch (act) {
	case ACT_PRESERVE:
		d->reason = words[why];
		return;
	case ACT_RESTART:
	case ACT_RENAME_RESTART:
	case ACT_COREDUMP_RESTART:
		if (why == HV_REBOOT && d->asked_reboot)
			d->restarts = 0;
		if (!too_often(d)) {
			again(d, &f);
			return;
		}
		say(LOG_ERROR, "domain %s: ended %d times within %d s: not started again", dom_name(d), RESTARTS_MAX, RESTARTS_TIME);
		dom_note(d, "ended %d times within %d s: not started again", RESTARTS_MAX, RESTARTS_TIME);
		break;
	default:
		break;
	}
	dev_close(d);
	if (vmid.ops->destroy(vmid.hv, d->domid, &err))
		say(LOG_ERROR, "domain %s: %s", dom_name(d), err.text);
	dom_gone(d, words[why], details[why]);
}

void dom_check(struct domain *d)
{
	struct hv_info info;
	struct hv_error err = { "" };

	if (vmid.ops->info(vmid.hv, d->domid, &info, &err))
		dom_gone(d, "destroyed", "Destroyed");
	else if (info.state == HV_SHUTDOWN)
		dom_ended(d, info.reason);
}

void dom_hv_events(void *arg, uint32_t events)
{
	uint32_t domid;

	(void)arg, (void)events;
	while (vmid.ops->next_event(vmid.hv, &domid) == 1) {
		struct domain *d = domains;

		while (d && d->domid != domid)
			d = d->next;
		if (d && domid)
			dom_check(d);
	}
}
