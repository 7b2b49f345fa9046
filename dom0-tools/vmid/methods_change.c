// SPDX-License-Identifier: GPL-2.0-only
/*
 * methods_change.c - the methods that change something, and those that show
 * what only an administrator may see (consoles and logs).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/xml_devices.h"
#include "vmid.h"

static bool flag(json_t *params, const char *name)
{
	return json_is_true(json_object_get(params, name));
}

/* A configuration in the parameters; what is wrong with it goes into *reply. */
static struct dom_config *config_param(json_t *params, json_t **reply, struct failure *f)
{
	const char *xml = json_string_value(json_object_get(params, "xml"));
	const char *format = json_string_value(json_object_get(params, "format"));
	struct diag d = { .strict = flag(params, "validate") };
	struct hv_host h;
	struct dom_config *c;

	if (!xml) {
		fail(f, EX_BAD_USAGE, NULL, "the parameter \"xml\" is missing, or no string");
		return NULL;
	}
	c = format && !strcmp(format, "xl") ? config_from_xl(xml, strlen(xml), &d) : config_from_xml(xml, strlen(xml), &d);
	if (c && !vmid.ops->host(vmid.hv, &h, &(struct hv_error){ "" }) && c->max_memory > h.memory)
		diag_warn(&d, 0, "<memory>: %llu MiB are more than this machine's %llu MiB: the domain cannot be started here",
			  (unsigned long long)c->max_memory >> 20, (unsigned long long)h.memory >> 20);
	if (c) {
		config_make_macs(c);
		dev_warn(c, !format, &d);
	}
	*reply = json_pack("{s:o}", "messages", diag_json(&d));
	if (!c)
		fail(f, EX_BAD_CONFIG, NULL, "the configuration is not accepted: %u error%s", d.errors, d.errors == 1 ? "" : "s");
	diag_free(&d);
	return c;
}

static void named(json_t *reply, const struct domain *d)
{
	char uuid[UUID_LEN];

	uuid_format(dom_config(d)->uuid, uuid);
	json_object_set_new(reply, "name", json_string(dom_name(d)));
	json_object_set_new(reply, "uuid", json_string(uuid));
	json_object_set_new(reply, "id", d->domid ? json_integer(d->domid) : json_null());
}

static int define(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct dom_config *cfg = config_param(params, reply, f);
	struct domain *d;

	(void)c;
	if (!cfg || dom_define(cfg, &d, f))
		return f->status;
	named(*reply, d);
	return 0;
}

static int create(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct dom_config *cfg = config_param(params, reply, f);
	struct domain *d;

	(void)c;
	/* Its problems were warnings: they are in *reply. */
	if (!cfg || dom_create(cfg, flag(params, "paused"), &d, f))
		return f->status;
	named(*reply, d);
	return 0;
}

static int done(struct domain *d, json_t **reply)
{
	*reply = json_object();
	named(*reply, d);
	return 0;
}

static int start(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct domain *d;

	json_t *messages = NULL;

	(void)c;
	if (find_domain(params, &d, f))
		return f->status;
	if (dom_need(d, VERB_START, f) || dev_check(d->def, &messages, f)) {
		if (messages)
			*reply = json_pack("{s:o}", "messages", messages);
		return f->status;
	}
	return dom_start(d, flag(params, "paused"), f) ? f->status : done(d, reply);
}

/* The verbs that take a domain and nothing else. */
static int simple(json_t *params, json_t **reply, struct failure *f, int (*act)(struct domain *d, struct failure *f))
{
	struct domain *d;
	char name[HV_NAME_LEN];

	if (find_domain(params, &d, f))
		return f->status;
	snprintf(name, sizeof(name), "%s", dom_name(d));
	if (act(d, f))
		return f->status;
	*reply = json_pack("{s:s}", "name", name);	/* d may be gone */
	return 0;
}

static int stop(struct domain *d, struct failure *f)
{
	return dom_stop(d, HV_ASK_POWEROFF, f);
}

static int reboot_domain(struct domain *d, struct failure *f)
{
	return dom_stop(d, HV_ASK_REBOOT, f);
}

#define SIMPLE(method, act) \
static int method(struct conn *c, json_t *params, json_t **reply, struct failure *f) \
{ \
	(void)c; \
	return simple(params, reply, f, act); \
}

SIMPLE(undefine, dom_undefine)
SIMPLE(shutdown, stop)
SIMPLE(reboot, reboot_domain)
SIMPLE(reset, dom_reset)
SIMPLE(destroy, dom_destroy)
SIMPLE(suspend, dom_suspend)
SIMPLE(resume, dom_resume)

static int autostart(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct domain *d;

	(void)c;
	if (find_domain(params, &d, f) || dom_autostart(d, !flag(params, "disable"), f))
		return f->status;
	return done(d, reply);
}

static int rename_domain(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	struct domain *d;

	(void)c;
	if (!name)
		return fail(f, EX_BAD_USAGE, NULL, "the parameter \"name\" is missing, or no string");
	if (find_domain(params, &d, f) || dom_rename(d, name, f))
		return f->status;
	return done(d, reply);
}

/* ---- what of a domain is changed: the running one, its definition, or both ---- */

struct change {
	bool memory, max_memory, vcpus, max_vcpus, weight, cap, pin, title, description;
	uint64_t memory_bytes, max_bytes, affinity;
	unsigned int nr, max_nr, new_weight, new_cap, vcpu;
	const char *text;
};

static const char *apply(struct dom_config *c, const struct change *ch)
{
	if (ch->max_memory) {
		c->max_memory = ch->max_bytes;
		if (c->memory > c->max_memory)
			c->memory = c->max_memory;
	}
	if (ch->memory)
		c->memory = ch->memory_bytes;
	if (ch->max_vcpus) {
		c->max_vcpus = ch->max_nr;
		if (c->vcpus > c->max_vcpus)
			c->vcpus = c->max_vcpus;
		for (unsigned int i = c->max_vcpus; i < HV_MAX_VCPUS; i++)
			c->pin[i] = 0;
	}
	if (ch->vcpus)
		c->vcpus = ch->nr;
	if (ch->weight)
		c->weight = ch->new_weight;
	if (ch->cap)
		config_set_cap(c, ch->new_cap);
	if (ch->title || ch->description) {
		char **to = ch->title ? &c->title : &c->description;

		free(*to);
		*to = *ch->text ? xstrdup(ch->text) : NULL;
	}
	if (c->memory > c->max_memory)
		return "more than its maximum: raise that first (vmi setmaxmem --config)";
	if (c->memory < MEMORY_MIN || c->max_memory > 1ull << 46)
		return "a domain has 32 MiB to 64 TiB";
	if (!c->max_vcpus || c->max_vcpus > HV_MAX_VCPUS || !c->vcpus || c->vcpus > c->max_vcpus)
		return "a domain has 1 to 64 vCPUs, and not more than its maximum";
	if (!c->weight || c->weight > 65535)
		return "a weight is 1 to 65535";
	if (ch->pin && ch->vcpu >= c->max_vcpus)
		return "the domain has no such vCPU";
	if (ch->pin)
		c->pin[ch->vcpu] = ch->affinity;
	if (ch->title && strchr(ch->text, '\n'))
		return "a title is one line";
	if ((ch->title || ch->description) && strlen(ch->text) > 65536)
		return "the text is longer than 64 KiB";
	return NULL;
}

static int change_live(struct domain *d, const struct change *ch, struct failure *f)
{
	const struct hv_ops *ops = vmid.ops;
	struct hv_error err = { "" };
	int rc = 0;

	if (ch->max_memory || ch->max_vcpus)
		return fail(f, EX_WRONG_STATE, "change the definition: --config; it counts from the next start",
			    "the maximum of a running domain cannot change");
	if (ch->memory && dev_balloon(d))
		rc = devices_set_memory(d->devices, ch->memory_bytes, &err);
	if (!rc && ch->memory && (ops == &hv_sim || !dev_balloon(d)))
		rc = ops->set_memory(vmid.hv, d->domid, ch->memory_bytes, &err);
	if (ch->vcpus)
		rc = ops->set_vcpus(vmid.hv, d->domid, ch->nr, &err);
	else if (ch->weight || ch->cap)
		rc = ops->set_sched(vmid.hv, d->domid, ch->weight ? ch->new_weight : d->live->weight,
				    ch->cap ? ch->new_cap : config_cap(d->live), &err);
	else if (ch->pin)
		rc = ops->pin(vmid.hv, d->domid, ch->vcpu, ch->affinity, &err);
	return rc ? fail(f, EX_FAILED, rc == -ENOSYS ? "change the definition: --config; it counts from the next start" : NULL,
			 "%s", err.text) : 0;
}

static int apply_copy(const struct dom_config *from, const struct change *ch, struct dom_config **to, struct failure *f)
{
	const char *why;

	*to = config_copy(from);
	why = apply(*to, ch);
	if (!why)
		return 0;
	config_free(*to);
	*to = NULL;
	return fail(f, EX_BAD_CONFIG, NULL, "%s", why);
}

/* "live", "config", or neither: the running domain if there is one, else the definition. */
int change_where(json_t *params, struct domain **d, bool *live, bool *config, struct failure *f)
{
	*live = flag(params, "live");
	*config = flag(params, "config");
	if (find_domain(params, d, f))
		return f->status;
	if (!*live && !*config) {
		*live = (*d)->live != NULL;
		*config = !*live;
	}
	if (*live && dom_need(*d, VERB_SET_LIVE, f))
		return f->status;
	if (*config && !(*d)->def)
		return fail(f, EX_WRONG_STATE, "use --live", "domain '%s' is transient: it has no definition", dom_name(*d));
	return 0;
}

static int change(json_t *params, const struct change *ch, json_t **reply, struct failure *f)
{
	struct dom_config *new_live = NULL, *new_def = NULL;
	bool live, config;
	struct domain *d;
	int rc = 0;

	if (change_where(params, &d, &live, &config, f))
		return f->status;
	if (live)
		rc = apply_copy(d->live, ch, &new_live, f);
	if (!rc && config)
		rc = apply_copy(d->def, ch, &new_def, f);
	if (!rc && live)
		rc = change_live(d, ch, f);
	if (!rc && config)
		rc = dom_save_def(d, new_def, f);
	if (rc) {
		config_free(new_live);
		config_free(new_def);
		return rc;
	}
	if (new_live) {
		config_free(d->live);
		d->live = new_live;
		dom_save_live(d, "run");
	}
	if (new_def) {
		config_free(d->def);
		d->def = new_def;
		event(d, "Defined", "Updated");
	}
	return done(d, reply);
}

static int need_number(json_t *params, const char *name, uint64_t *v, struct failure *f)
{
	json_t *j = json_object_get(params, name);

	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return fail(f, EX_BAD_USAGE, NULL, "the parameter \"%s\" is missing, or no whole number", name);
	*v = json_integer_value(j);
	return 0;
}

static int set_memory(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct change ch = { 0 };
	uint64_t v;

	(void)c;
	if (need_number(params, "bytes", &v, f))
		return f->status;
	v &= ~4095ull;
	ch.max_memory = flag(params, "maximum");
	ch.memory = !ch.max_memory;
	ch.memory_bytes = ch.max_bytes = v;
	return change(params, &ch, reply, f);
}

static int set_vcpus(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct change ch = { 0 };
	uint64_t v;

	(void)c;
	if (need_number(params, "count", &v, f))
		return f->status;
	ch.max_vcpus = flag(params, "maximum");
	ch.vcpus = !ch.max_vcpus;
	ch.nr = ch.max_nr = v > HV_MAX_VCPUS ? HV_MAX_VCPUS + 1 : v;
	return change(params, &ch, reply, f);
}

static int set_sched(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct change ch = { 0 };
	uint64_t v;

	(void)c;
	ch.weight = json_object_get(params, "weight") != NULL;
	ch.cap = json_object_get(params, "cap") != NULL;
	if (!ch.weight && !ch.cap)
		return fail(f, EX_BAD_USAGE, NULL, "there is neither \"weight\" nor \"cap\"");
	if (ch.weight) {
		if (need_number(params, "weight", &v, f))
			return f->status;
		ch.new_weight = v > 65535 ? 0 : v;
	}
	if (ch.cap) {
		if (need_number(params, "cap", &v, f))
			return f->status;
		if (v > 100 * HV_MAX_VCPUS)
			return fail(f, EX_BAD_CONFIG, NULL, "a cap is 0 (none) to %d per cent of one processor", 100 * HV_MAX_VCPUS);
		ch.new_cap = v;
	}
	return change(params, &ch, reply, f);
}

static int pin(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	const char *set = json_string_value(json_object_get(params, "cpuset"));
	struct change ch = { .pin = true };
	uint64_t v;

	(void)c;
	if (need_number(params, "vcpu", &v, f))
		return f->status;
	ch.vcpu = v > HV_MAX_VCPUS ? HV_MAX_VCPUS : v;
	if (!set || (*set && !parse_cpuset(set, &ch.affinity)))
		return fail(f, EX_BAD_CONFIG, NULL, "\"%.60s\" is no set of processors 0 to 63, like 0-3,6", set ? set : "");
	return change(params, &ch, reply, f);
}

static int describe_domain(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct change ch = { 0 };

	(void)c;
	ch.title = flag(params, "title");
	ch.description = !ch.title;
	ch.text = json_string_value(json_object_get(params, "text"));
	if (!ch.text)
		return fail(f, EX_BAD_USAGE, NULL, "the parameter \"text\" is missing, or no string");
	return change(params, &ch, reply, f);
}

static int console(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	size_t before = c->out.len;
	struct domain *d;

	*reply = NULL;
	if (find_domain(params, &d, f) || dom_need(d, VERB_CONSOLE, f))
		return f->status;
	/* The answer comes before the console's first byte. */
	conn_json(c, json_pack("{s:{s:s}}", "parameters", "name", dom_name(d)));
	if (!console_attach(d, c, flag(params, "force"), flag(params, "replay"), f))
		return 0;
	sb_drop(&c->out, 0);
	c->out.len = before;
	return f->status;
}

static int log_of(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	bool lifecycle = flag(params, "lifecycle");
	struct domain *d;
	char *text;
	json_t *j;

	(void)c;
	if (find_domain(params, &d, f))
		return f->status;
	text = logfile_tail(dom_name(d), lifecycle ? "log" : "console.log", 256 << 10);
	if (!text)
		text = xstrdup("");
	/* A console may print anything; the answer is text. */
	j = json_string(text);
	for (char *p = text; !j && *p; p++) {
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	}
	*reply = json_pack("{s:o}", "text", j ? j : json_string(text));
	free(text);
	return 0;
}

const struct method methods_change[] = {
	{ "Define", define, false },
	{ "Undefine", undefine, false },
	{ "Create", create, false },
	{ "Start", start, false },
	{ "Shutdown", shutdown, false },
	{ "Reboot", reboot, false },
	{ "Reset", reset, false },
	{ "Destroy", destroy, false },
	{ "Suspend", suspend, false },
	{ "Resume", resume, false },
	{ "Autostart", autostart, false },
	{ "Rename", rename_domain, false },
	{ "SetMemory", set_memory, false },
	{ "SetVcpus", set_vcpus, false },
	{ "SetSched", set_sched, false },
	{ "Pin", pin, false },
	{ "Describe", describe_domain, false },
	{ "Console", console, false },
	{ "Log", log_of, false },
	{ NULL, NULL, false },
};
