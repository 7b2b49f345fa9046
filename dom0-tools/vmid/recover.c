// SPDX-License-Identifier: GPL-2.0-only
/*
 * recover.c - what vmid does when it starts: reads the definitions, takes up
 * the domains that exist, and finishes what was under way.
 *
 * The file of a domain that exists (UNIT_LIVE) has its configuration and a stage:
 *   build    a start was under way: finish it if the domain is there
 *   run      it was running
 *   restart  it was being replaced: if it is gone, make it again
 *
 * Trust: the files are our own, but may be spoiled: one that is, is named and
 * left alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmid.h"

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
	dom = dom_add();
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
		d = dom_add();
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
	if (info->state != HV_SHUTDOWN)
		dev_resume(d);
	/* Its start was under way; the number tells a new one from the one it was to replace. */
	if (s && strcmp(stage ? stage : "", "run") && info->state == HV_PAUSED &&
	    json_integer_value(json_object_get(s->j, "domid")) != info->domid)
		vmid.ops->unpause(vmid.hv, d->domid, &(struct hv_error){ "" });
	dom_save_live(d, "run");
	say(LOG_SAY, "domain %s: found running as %u", dom_name(d), d->domid);
	dom_note(d, "found by a new vmid");
	if (info->state == HV_SHUTDOWN)
		dom_ended(d, info->reason);
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
		d = dom_add();
	d->live = c;
	if (dom_build(d, false, "restart", &f)) {
		say(LOG_ERROR, "domain %s: %s", dom_name(d), f.message);
		dom_gone(d, "failed", "Failed");
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

void dom_load(void)
{
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
}

void dom_start_marked(void)
{
	struct failure f;

	for (struct domain *d = domains; d; d = d->next) {
		if (d->autostart && !d->domid && dom_start(d, false, &f))
			say(LOG_ERROR, "autostart: %s", f.message);
	}
}
