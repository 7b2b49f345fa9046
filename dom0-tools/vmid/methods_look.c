// SPDX-License-Identifier: GPL-2.0-only
/*
 * methods_look.c - the methods that change nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "vmid.h"

/* The parameter as a string; "" if it is missing and may be. NULL: *f says so. */
static const char *need_string(json_t *params, const char *name, struct failure *f)
{
	const char *s = json_string_value(json_object_get(params, name));

	if (!s)
		fail(f, EX_BAD_USAGE, NULL, "the parameter \"%s\" is missing, or no string", name);
	return s;
}

int find_domain(json_t *params, struct domain **d, struct failure *f)
{
	const char *ref = need_string(params, "domain", f);

	if (!ref)
		return f->status;
	*d = dom_find(ref);
	/* What happened to it since may end it. */
	if (*d && (*d)->domid) {
		dom_check(*d);
		*d = dom_find(ref);
	}
	if (*d)
		return 0;
	fail(f, EX_NO_OBJECT, "see what there is: vmi list --all", "failed to get domain '%.80s'", ref);
	for (struct domain *n = domains; n; n = n->next) {
		const char *name = dom_name(n), *near = nearest(ref, &name, 1);

		if (!near)
			continue;
		/* The hint is copied before the next request. */
		static char hint[HV_NAME_LEN + 32];

		snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
		f->hint = hint;
		break;
	}
	return f->status;
}

json_t *dom_json(struct domain *d, const struct hv_info *info)
{
	const struct dom_config *c = dom_config(d);
	uint64_t cpu = 0, memory = info ? info->memory - dev_ballooned(d) : c->memory;
	char uuid[UUID_LEN];
	json_t *j;

	uuid_format(c->uuid, uuid);
	for (unsigned int v = 0; info && v < info->max_vcpus && v < HV_MAX_VCPUS; v++)
		cpu += info->cpu_time[v];
	j = json_pack("{s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:i, s:i, s:I, s:b, s:b, s:i, s:i}", "name", c->name, "uuid", uuid,
		      "id", d->domid ? json_integer(d->domid) : json_null(), "state", state_word(d->state), "reason",
		      dev_held(d) && d->state != ST_PAUSED ? "I/O error" : d->reason,
		      "max_memory", (json_int_t)(info ? info->max_memory : c->max_memory),
		      "memory", (json_int_t)memory,
		      "vcpus", info ? info->vcpus : c->vcpus, "max_vcpus", info ? info->max_vcpus : c->max_vcpus,
		      "cpu_time", (json_int_t)cpu, "persistent", d->def != NULL, "autostart", d->autostart,
		      "weight", info ? info->weight : c->weight, "cap", info ? info->cap : config_cap(c));
	if (c->title)
		json_object_set_new(j, "title", json_string(c->title));
	return j;
}

static void add_details(json_t *j, struct domain *d, const struct hv_info *info)
{
	const struct dom_config *c = dom_config(d);
	json_t *vcpus = json_array(), *counters = json_object();

	for (unsigned int v = 0; v < c->max_vcpus; v++) {
		char set[CPUSET_LEN];
		uint64_t pin = c->pin[v] ? c->pin[v] : c->cpuset;

		format_cpuset(pin, set);
		json_array_append_new(vcpus, json_pack("{s:i, s:b, s:I, s:s}", "vcpu", v, "online", v < (info ? info->vcpus : c->vcpus),
				      "cpu_time", (json_int_t)(info ? info->cpu_time[v] : 0), "affinity", set));
	}
	for (unsigned int i = 0; info && i < info->nr_counters && i < HV_MAX_COUNTERS; i++)
		json_object_set_new(counters, info->counters[i].name, json_integer(info->counters[i].value));
	json_object_set_new(j, "vcpu", vcpus);
	json_object_set_new(j, "counters", counters);
	json_object_set_new(j, "devices", dev_json(d, false));
	json_object_set_new(j, "os", json_string("pv"));
	if (c->description)
		json_object_set_new(j, "description", json_string(c->description));
}

static json_t *details(struct domain *d)
{
	struct hv_info *info = xcalloc(1, sizeof(*info));
	const struct hv_info *has = dom_look(d, info) != ST_OFF ? info : NULL;
	json_t *j = dom_json(d, has);

	add_details(j, d, has);
	free(info);
	return j;
}

static int list(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	static struct hv_info info[256];
	struct hv_error err = { "" };
	int nr = vmid.ops->list(vmid.hv, info, ARRAY_SIZE(info), &err);
	json_t *all = json_array();

	(void)c, (void)params;
	if (nr < 0) {
		json_decref(all);
		return fail(f, EX_FAILED, NULL, "%s", err.text);
	}
	for (struct domain *d = domains; d; d = d->next) {
		const struct hv_info *has = NULL;

		for (int i = 0; d->domid && i < nr && i < (int)ARRAY_SIZE(info); i++) {
			if (info[i].domid == d->domid)
				has = &info[i];
		}
		if (has)
			dom_seen(d, has);
		else
			d->state = ST_OFF;
		json_array_append_new(all, dom_json(d, has));
	}
	*reply = json_pack("{s:o}", "domains", all);
	return 0;
}

static int get(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct domain *d;

	(void)c;
	if (find_domain(params, &d, f))
		return f->status;
	if (json_is_true(json_object_get(params, "inactive")) && !d->def)
		return fail(f, EX_WRONG_STATE, "leave --inactive out", "domain '%s' is transient: it has no definition", dom_name(d));
	*reply = details(d);
	if (json_is_true(json_object_get(params, "inactive")))
		json_object_set_new(*reply, "devices", dev_json(d, true));
	return 0;
}

/* All at once, with counters and vCPUs: for top and domstats. */
static int stats(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	json_t *all = json_array();

	(void)c, (void)params, (void)f;
	for (struct domain *d = domains; d; d = d->next) {
		if (d->domid)
			json_array_append_new(all, details(d));
	}
	*reply = json_pack("{s:o, s:I}", "domains", all, "time", (json_int_t)now_ns());
	return 0;
}

static int dump_xml(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	bool inactive = json_is_true(json_object_get(params, "inactive"));
	struct domain *d;
	char *xml;

	(void)c;
	if (find_domain(params, &d, f))
		return f->status;
	if (inactive && !d->def)
		return fail(f, EX_WRONG_STATE, "leave --inactive out", "domain '%s' is transient: it has no definition", dom_name(d));
	xml = inactive || !d->live ? config_to_xml(d->def, 0) : config_to_xml(d->live, d->domid);
	*reply = json_pack("{s:s}", "xml", xml);
	free(xml);
	return 0;
}

static int host(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct hv_error err = { "" };
	struct hv_host h;
	struct utsname u;

	(void)c, (void)params;
	if (vmid.ops->host(vmid.hv, &h, &err))
		return fail(f, EX_FAILED, NULL, "%s", err.text);
	uname(&u);
	*reply = json_pack("{s:s, s:i, s:i, s:I, s:I, s:s, s:s, s:s}", "model", h.model, "cpus", h.cpus, "mhz", h.mhz,
			   "memory", (json_int_t)h.memory, "free_memory", (json_int_t)h.free_memory, "hypervisor", h.version,
			   "backend", vmid.ops->name, "hostname", u.nodename);
	return 0;
}

static int events(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	(void)params, (void)f;
	c->events = true;
	/* The first answer says that it has begun: what happens now is told. */
	conn_json(c, json_pack("{s:b, s:{}}", "continues", 1, "parameters"));
	*reply = NULL;
	return 0;
}

const struct method methods_look[] = {
	{ "List", list, true },
	{ "Get", get, true },
	{ "Stats", stats, true },
	{ "DumpXML", dump_xml, true },
	{ "Host", host, true },
	{ "Events", events, true },
	{ NULL, NULL, false },
};
