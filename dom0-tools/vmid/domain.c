// SPDX-License-Identifier: GPL-2.0-only
/*
 * domain.c - all domains: their definitions, and their lives from start to end.
 *
 * A domain has a definition (persistent), a live configuration (it exists in
 * the hypervisor), or both; one with neither is forgotten. Before the
 * hypervisor is asked to make or replace a domain, a file in run_dir says so
 * (its "stage"), so that after a kill dom_load() knows what was going on:
 *   build    a start was under way: finish it if the domain is there
 *   run      it was running
 *   restart  it was being replaced: if it is gone, make it again
 *
 * Invariant: names and uuids are unique. The hypervisor is the truth about
 * which domains exist; a domain that it has and no file knows is never ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmid.h"

#define MAX_DOMAINS	256
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

static struct domain *add(void)
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
	console_close(d, NULL);
	logfile_close(&d->log);
	config_free(d->def);
	config_free(d->live);
	free(d);
}

/* A line in the domain's own log. */
__attribute__((format(printf, 2, 3)))
static void note(struct domain *d, const char *fmt, ...)
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

static void hv_config(const struct dom_config *c, struct hv_config *h)
{
	*h = (struct hv_config){
		.name = c->name, .memory = c->memory, .max_memory = c->max_memory, .vcpus = c->vcpus,
		.max_vcpus = c->max_vcpus, .kernel = c->kernel, .initrd = c->initrd, .cmdline = c->cmdline ? c->cmdline : "",
		.weight = c->weight, .cap = config_cap(c),
	};
	memcpy(h->uuid, c->uuid, 16);
	for (unsigned int i = 0; i < c->max_vcpus; i++)
		h->affinity[i] = c->pin[i] ? c->pin[i] : c->cpuset;
}

/* Makes d->live exist. On failure nothing of it is left but d->live. */
static int build(struct domain *d, bool paused, const char *stage, struct failure *f)
{
	struct hv_error err = { "" };
	struct hv_config cfg;
	uint32_t domid;
	int rc;

	dom_save_live(d, stage);
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
	if (!paused && vmid.ops->unpause(vmid.hv, domid, &err)) {
		vmid.ops->destroy(vmid.hv, domid, &(struct hv_error){ "" });
		console_close(d, NULL);
		d->domid = 0;
		return hv_failed(f, &err);
	}
	if (!paused) {
		d->state = ST_RUNNING;
		d->reason = "booted";
	}
	dom_save_live(d, "run");
	return 0;
}

/* It exists no more: shut off, or forgotten. */
static void gone(struct domain *d, const char *reason, const char *detail)
{
	struct failure f;

	note(d, "ended: %s", reason);
	say(LOG_SAY, "domain %s: ended: %s", dom_name(d), reason);
	if (store_del(vmid.run_dir, d->live->uuid, UNIT_LIVE, false, &f))
		say(LOG_ERROR, "%s", f.message);
	event(d, "Stopped", detail);
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
	if (dom_need(d, VERB_START, f) || files_ok(d->def, f))
		return f->status;
	d->live = config_copy(d->def);
	d->restarts = 0;
	if (build(d, paused, "build", f)) {
		struct failure ignored;

		store_del(vmid.run_dir, d->live->uuid, UNIT_LIVE, false, &ignored);
		note(d, "start failed: %s", f->message);
		config_free(d->live);
		d->live = NULL;
		d->reason = "failed";
		return f->status;
	}
	note(d, "started as %u%s", d->domid, paused ? ", paused" : "");
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
		d = add();
	config_free(d->def);
	d->def = c;
	*out = d;
	note(d, fresh ? "defined" : "definition changed");
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
	note(d, "undefined");
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
	if (rc || room(f) || files_ok(c, f)) {
		config_free(c);
		return f->status;
	}
	d = add();
	d->live = c;
	if (build(d, paused, "build", f)) {
		struct failure ignored;

		store_del(vmid.run_dir, c->uuid, UNIT_LIVE, false, &ignored);
		note(d, "start failed: %s", f->message);
		forget(d);
		return f->status;
	}
	note(d, "created as %u%s", d->domid, paused ? ", paused" : "");
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
	note(d, "asked to %s", d->asked ? "shut down" : "reboot");
	return 0;
}

int dom_destroy(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };

	if (dom_need(d, VERB_DESTROY, f))
		return f->status;
	if (vmid.ops->destroy(vmid.hv, d->domid, &err))
		return hv_failed(f, &err);
	gone(d, "destroyed", "Destroyed");
	return 0;
}

/* Replaces the domain by a new one of the same configuration; if that fails it is shut off. */
static int again(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };

	dom_save_live(d, "restart");
	if (vmid.ops->destroy(vmid.hv, d->domid, &err))
		return hv_failed(f, &err);
	console_close(d, "\r\n[the domain starts again]\r\n");
	d->domid = 0;
	if (files_ok(d->live, f) || build(d, false, "restart", f)) {
		say(LOG_ERROR, "domain %s: %s", dom_name(d), f->message);
		note(d, "restart failed: %s", f->message);
		gone(d, "failed", "Failed");
		return f->status;
	}
	note(d, "started again as %u", d->domid);
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
	note(d, "paused");
	event(d, "Suspended", "Paused");
	return 0;
}

int dom_resume(struct domain *d, struct failure *f)
{
	struct hv_error err = { "" };

	if (dom_need(d, VERB_RESUME, f))
		return f->status;
	if (vmid.ops->unpause(vmid.hv, d->domid, &err))
		return hv_failed(f, &err);
	d->reason = "unpaused";
	note(d, "resumed");
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
	note(d, "renamed to %s", name);
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
static void ended(struct domain *d, enum hv_reason why)
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
	note(d, "the guest %s", why == HV_CRASH ? "crashed" : why == HV_REBOOT ? "rebooted" : "powered off");
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
		note(d, "ended %d times within %d s: not started again", RESTARTS_MAX, RESTARTS_TIME);
		break;
	default:
		break;
	}
	if (vmid.ops->destroy(vmid.hv, d->domid, &err))
		say(LOG_ERROR, "domain %s: %s", dom_name(d), err.text);
	gone(d, words[why], details[why]);
}

void dom_check(struct domain *d)
{
	struct hv_info info;
	struct hv_error err = { "" };

	if (vmid.ops->info(vmid.hv, d->domid, &info, &err))
		gone(d, "destroyed", "Destroyed");
	else if (info.state == HV_SHUTDOWN)
		ended(d, info.reason);
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

/* ---- at start ---- */

static void load_def(const uint8_t uuid[16], const char *text, size_t len)
{
	char id[UUID_LEN];
	struct diag d = { 0 };
	struct dom_config *c = config_from_xml(text, len, &d);
	struct domain *dom;

	uuid_format(uuid, id);
	if (!c || dom_by_uuid(uuid) || memcmp(c->uuid, uuid, 16) || dom_by_name(c->name)) {
		say(LOG_ERROR, "%s/%s.xml: left alone: %s", vmid.state_dir, id, !c && d.nr ? d.items[d.nr - 1].text :
		    c && dom_by_name(c->name) ? "there are two domains of this name" : "it is of another uuid");
		config_free(c);
		diag_free(&d);
		return;
	}
	diag_free(&d);
	dom = add();
	dom->def = c;
}

static void load_auto(const uint8_t uuid[16], const char *text, size_t len)
{
	struct domain *d = dom_by_uuid(uuid);

	(void)text, (void)len;
	if (d)
		d->autostart = true;
	else
		store_del(vmid.state_dir, uuid, UNIT_AUTO, false, &(struct failure){ 0 });
}

/* What a live file said, for as long as loading takes. */
static struct saved {
	struct saved *next;
	uint8_t uuid[16];
	json_t *j;
	bool used;
} *saved;

static void load_live(const uint8_t uuid[16], const char *text, size_t len)
{
	struct saved *s = xcalloc(1, sizeof(*s));

	memcpy(s->uuid, uuid, 16);
	s->j = json_loadb(text, len, 0, NULL);
	s->next = saved;
	saved = s;
}

static struct dom_config *saved_config(const struct saved *s)
{
	const char *xml = json_string_value(json_object_get(s->j, "xml"));
	struct diag d = { 0 };
	struct dom_config *c = xml ? config_from_xml(xml, strlen(xml), &d) : NULL;

	diag_free(&d);
	return c;
}

/* A domain that nothing is known of but what the hypervisor tells. */
static struct dom_config *config_of_stranger(const struct hv_info *info)
{
	struct dom_config *c = config_new();

	if (!name_problem(info->name) && !dom_by_name(info->name))
		snprintf(c->name, sizeof(c->name), "%s", info->name);
	else
		snprintf(c->name, sizeof(c->name), "domain-%u", info->domid);
	memcpy(c->uuid, info->uuid, 16);
	if (uuid_is_null(c->uuid))
		uuid_make(c->uuid);
	c->memory = info->memory;
	c->max_memory = info->max_memory;
	c->vcpus = info->vcpus;
	c->max_vcpus = info->max_vcpus;
	c->kept[KEEP_DEVICES] = xmlNewNode(NULL, BAD_CAST "devices");
	return c;
}

static void adopt(const struct hv_info *info)
{
	struct domain *d = dom_by_uuid(info->uuid);
	struct saved *s = saved;
	const char *stage = "run";

	while (s && memcmp(s->uuid, info->uuid, 16))
		s = s->next;
	if (!d)
		d = add();
	if (s) {
		s->used = true;
		d->live = saved_config(s);
		d->asked = json_is_true(json_object_get(s->j, "asked"));
		d->asked_reboot = json_is_true(json_object_get(s->j, "asked_reboot"));
		stage = json_string_value(json_object_get(s->j, "stage"));
	}
	if (!d->live)
		d->live = d->def ? config_copy(d->def) : config_of_stranger(info);
	d->domid = info->domid;
	d->reason = "unknown";
	console_open(d);
	/* Its start was under way; the number tells a new one from the one it was to replace. */
	if (s && strcmp(stage ? stage : "", "run") && info->state == HV_PAUSED &&
	    json_integer_value(json_object_get(s->j, "domid")) != info->domid)
		vmid.ops->unpause(vmid.hv, d->domid, &(struct hv_error){ "" });
	dom_save_live(d, "run");
	say(LOG_SAY, "domain %s: found running as %u", dom_name(d), d->domid);
	note(d, "found by a new vmid");
	if (info->state == HV_SHUTDOWN)
		ended(d, info->reason);
}

/* It was being replaced, and the old one is gone already. */
static void finish_restart(struct saved *s)
{
	const char *stage = json_string_value(json_object_get(s->j, "stage"));
	struct dom_config *c = stage && !strcmp(stage, "restart") ? saved_config(s) : NULL;
	struct domain *d = dom_by_uuid(s->uuid);
	struct failure f;

	if (!c) {
		store_del(vmid.run_dir, s->uuid, UNIT_LIVE, false, &f);
		return;
	}
	if (!d)
		d = add();
	d->live = c;
	if (build(d, false, "restart", &f)) {
		say(LOG_ERROR, "domain %s: %s", dom_name(d), f.message);
		gone(d, "failed", "Failed");
	}
}

static void load_existing(void)
{
	struct hv_info *list = xcalloc(MAX_DOMAINS, sizeof(*list));
	struct hv_error err = { "" };
	int nr = vmid.ops->list(vmid.hv, list, MAX_DOMAINS, &err);

	if (nr < 0)
		say(LOG_ERROR, "%s", err.text);
	for (int i = 0; i < nr && i < MAX_DOMAINS; i++)
		adopt(&list[i]);
	free(list);
}

void dom_load(bool autostart)
{
	struct failure f;

	store_each(vmid.state_dir, UNIT_XML, load_def);
	store_each(vmid.state_dir, UNIT_AUTO, load_auto);
	store_each(vmid.run_dir, UNIT_LIVE, load_live);
	load_existing();
	while (saved) {
		struct saved *s = saved;

		saved = s->next;
		if (!s->used)
			finish_restart(s);
		json_decref(s->j);
		free(s);
	}
	for (struct domain *d = domains; autostart && d; d = d->next) {
		if (d->autostart && !d->domid && dom_start(d, false, &f))
			say(LOG_ERROR, "autostart: %s", f.message);
	}
}
