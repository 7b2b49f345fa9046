// SPDX-License-Identifier: GPL-2.0-only
/*
 * look.c - verbs that show domains.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmi.h"

static const struct column list_columns[] = {
	{ "id", "ID", COL_TEXT, false }, { "name", "NAME", COL_TEXT, false }, { "state", "STATE", COL_TEXT, false },
	{ "vcpus", "VCPUS", COL_NUMBER, false }, { "memory", "MEMORY", COL_SIZE, false }, { "cpu_time", "CPU", COL_TIME, false },
	{ "uuid", "UUID", COL_TEXT, true }, { "title", "TITLE", COL_TEXT, true }, { "reason", "REASON", COL_TEXT, true },
	{ "max_memory", "MAXMEM", COL_SIZE, true }, { "max_vcpus", "MAXVCPUS", COL_NUMBER, true },
	{ "persistent", "PERSISTENT", COL_BOOL, true }, { "autostart", "AUTOSTART", COL_BOOL, true },
	{ "weight", "WEIGHT", COL_NUMBER, true }, { "cap", "CAP", COL_NUMBER, true }, { 0 }
};

/* What virsh list shows. */
static const struct column virsh_columns[] = {
	{ "id", "ID", COL_TEXT, false }, { "name", "NAME", COL_TEXT, false }, { "state", "STATE", COL_TEXT, false },
	{ "title", "TITLE", COL_TEXT, true }, { "uuid", "UUID", COL_TEXT, true }, { 0 }
};

static bool wanted(struct cmd *c, const json_t *d)
{
	const char *state = str(d, "state");
	bool off = !strcmp(state, "shut off"), any_state = flag(c, "state-running") || flag(c, "state-paused") ||
		   flag(c, "state-shutoff") || flag(c, "state-other");
	bool runs = word_in(state, "running idle"), paused = !strcmp(state, "paused");

	if (any_state) {
		if (!((flag(c, "state-running") && runs) || (flag(c, "state-paused") && paused) ||
		      (flag(c, "state-shutoff") && off) || (flag(c, "state-other") && !runs && !paused && !off)))
			return false;
	} else if (flag(c, "inactive") ? !off : !flag(c, "all") && off) {
		return false;
	}
	if ((flag(c, "persistent") && !json_is_true(json_object_get(d, "persistent"))) ||
	    (flag(c, "transient") && json_is_true(json_object_get(d, "persistent"))) ||
	    (flag(c, "autostart") && !json_is_true(json_object_get(d, "autostart"))))
		return false;
	return true;
}

/* Those with an id by that, then the others by name: as virsh does. */
static int order(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	uint64_t i = num(x, "id") - 1, j = num(y, "id") - 1;

	return i != j ? (i < j ? -1 : 1) : strcmp(str(x, "name"), str(y, "name"));
}

static int run_list(struct cmd *c)
{
	int status;
	json_t *answer = call("org.vmi.List", NULL, NULL, &status), *all, *rows, *d;
	json_t **sorted;
	size_t i, nr = 0;

	if (!answer)
		return status;
	all = json_object_get(answer, "domains");
	sorted = xcalloc(json_array_size(all), sizeof(*sorted));
	json_array_foreach(all, i, d) {
		if (wanted(c, d))
			sorted[nr++] = d;
	}
	qsort(sorted, nr, sizeof(*sorted), order);
	rows = json_array();
	for (i = 0; i < nr; i++)
		json_array_append(rows, sorted[i]);
	free(sorted);
	if (opts.out == OUT_TABLE && (flag(c, "name") || flag(c, "uuid") || flag(c, "id"))) {
		bool name = flag(c, "name"), uuid = flag(c, "uuid"), id = flag(c, "id");

		json_array_foreach(rows, i, d) {
			if (id)
				printf("%s%lld", "", (long long)num(d, "id"));
			if (uuid)
				printf("%s%s", id ? " " : "", str(d, "uuid"));
			if (name)
				printf("%s%s", id || uuid ? " " : "", str(d, "name"));
			putchar('\n');
		}
		if (opts.virsh)
			putchar('\n');
	} else {
		if (flag(c, "title") && !opts.columns)
			opts.columns = "id,name,state,title";
		status = print_rows(rows, opts.virsh ? virsh_columns : list_columns, "name");
		if (!nr && !flag(c, "all") && json_array_size(all) && opts.out == OUT_TABLE && !opts.quiet && !opts.virsh)
			fprintf(stderr, "(none runs; %zu more with --all)\n", json_array_size(all));
	}
	json_decref(rows);
	json_decref(answer);
	return status;
}

static json_t *get(struct cmd *c, int *status)
{
	return call("org.vmi.Get", domain_params(c), NULL, status);
}

static int run_dominfo(struct cmd *c)
{
	int status;
	json_t *d = get(c, &status);
	char time[24];

	if (!d)
		return status;
	if (!print_object(d)) {
		format_time(num(d, "cpu_time"), time);
		if (json_is_null(json_object_get(d, "id")))
			printf("%-15s %s\n", "Id:", "-");
		else
			printf("%-15s %lld\n", "Id:", (long long)num(d, "id"));
		printf("%-15s %s\n%-15s %s\n%-15s %s\n", "Name:", str(d, "name"), "UUID:", str(d, "uuid"), "OS Type:",
		       opts.virsh ? "linux" : str(d, "os"));
		if (*str(d, "title"))
			printf("%-15s %s\n", "Title:", str(d, "title"));
		printf("%-15s %s\n%-15s %lld\n", "State:", paint(str(d, "state")), "CPU(s):", (long long)num(d, "vcpus"));
		if (strcmp(str(d, "state"), "shut off"))
			printf("%-15s %s\n", "CPU time:", time);
		printf("%-15s %llu KiB\n%-15s %llu KiB\n", "Max memory:", (unsigned long long)num(d, "max_memory") >> 10,
		       "Used memory:", (unsigned long long)num(d, "memory") >> 10);
		printf("%-15s %s\n%-15s %s\n%-15s %s\n", "Persistent:", json_is_true(json_object_get(d, "persistent")) ? "yes" : "no",
		       "Autostart:", json_is_true(json_object_get(d, "autostart")) ? "enable" : "disable", "Managed save:", "no");
		printf("%-15s %s\n%-15s %s\n%s", "Security model:", "none", "Security DOI:", "0", opts.virsh ? "\n" : "");
	}
	json_decref(d);
	return EX_OK;
}

static int run_domstate(struct cmd *c)
{
	int status;
	json_t *d = get(c, &status);

	if (!d)
		return status;
	if (!print_object(d)) {
		if (flag(c, "reason"))
			printf("%s (%s)\n", str(d, "state"), str(d, "reason"));
		else
			puts(paint(str(d, "state")));
		if (opts.virsh)
			putchar('\n');
	}
	json_decref(d);
	return EX_OK;
}

static int print_field(struct cmd *c, const char *key)
{
	int status;
	json_t *d = get(c, &status), *v;

	if (!d)
		return status;
	v = json_object_get(d, key);
	if (opts.out == OUT_JSON) {
		print_object(v);
	} else {
		if (json_is_integer(v))
			printf("%lld\n", (long long)json_integer_value(v));
		else
			puts(json_is_string(v) ? json_string_value(v) : "-");
		if (opts.virsh)
			putchar('\n');
	}
	json_decref(d);
	return EX_OK;
}

static int run_domid(struct cmd *c)
{
	return print_field(c, "id");
}

static int run_domuuid(struct cmd *c)
{
	return print_field(c, "uuid");
}

static int run_domname(struct cmd *c)
{
	return print_field(c, "name");
}

static int run_dumpxml(struct cmd *c)
{
	json_t *p = domain_params(c), *answer;
	int status;

	json_object_set_new(p, "inactive", json_boolean(flag(c, "inactive")));
	answer = call("org.vmi.DumpXML", p, NULL, &status);
	if (answer && !print_object(answer))
		printf("%s%s", str(answer, "xml"), opts.virsh ? "\n" : "");
	json_decref(answer);
	return status;
}

static int run_vcpuinfo(struct cmd *c)
{
	int status;
	json_t *d = get(c, &status), *list, *v;
	char time[24];
	size_t i;

	if (!d)
		return status;
	list = json_object_get(d, "vcpu");
	if (!print_object(list)) {
		json_array_foreach(list, i, v) {
			bool online = json_is_true(json_object_get(v, "online"));

			if (!online)
				continue;
			format_time(num(v, "cpu_time"), time);
			printf("%-15s %lld\n%-15s %s\n%-15s %s\n%-15s %s\n%-15s %s\n\n", "VCPU:", (long long)num(v, "vcpu"), "CPU:", "-",
			       "State:", !strcmp(str(d, "state"), "shut off") ? "N/A" : str(d, "state"), "CPU time:", time, "CPU Affinity:",
			       *str(v, "affinity") ? str(v, "affinity") : "any");
		}
	}
	json_decref(d);
	return EX_OK;
}

/* virsh's names for a device's numbers. */
static const char *const stat_names[][2] = {
	{ "rd_req", "rd.reqs" }, { "rd_bytes", "rd.bytes" }, { "rd_total_times", "rd.times" }, { "wr_req", "wr.reqs" },
	{ "wr_bytes", "wr.bytes" }, { "wr_total_times", "wr.times" }, { "flush_operations", "fl.reqs" }, { "flush_total_times", "fl.times" },
	{ "errs", "errors" }, { "rx_bytes", "rx.bytes" }, { "rx_packets", "rx.pkts" }, { "rx_errs", "rx.errs" }, { "rx_drop", "rx.drop" },
	{ "tx_bytes", "tx.bytes" }, { "tx_packets", "tx.pkts" }, { "tx_errs", "tx.errs" }, { "tx_drop", "tx.drop" },
};

static void device_stats(const json_t *d, const char *kind, const char *group)
{
	json_t *dev, *v;
	size_t i, nr = 0;

	json_array_foreach(json_object_get(d, "devices"), i, dev)
		nr += !strcmp(str(dev, "kind"), kind);
	printf("  %s.count=%zu\n", group, nr);
	nr = 0;
	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (strcmp(str(dev, "kind"), kind))
			continue;
		printf("  %s.%zu.name=%s\n", group, nr, *str(dev, "tap") ? str(dev, "tap") : *str(dev, "target") ? str(dev, "target") : str(dev, "name"));
		if (*group == 'b' && *str(dev, "source"))
			printf("  block.%zu.path=%s\n", nr, str(dev, "source"));
		for (size_t k = 0; k < ARRAY_SIZE(stat_names); k++) {
			v = json_object_get(json_object_get(dev, "stats"), stat_names[k][0]);
			if (v)
				printf("  %s.%zu.%s=%lld\n", group, nr, stat_names[k][1], (long long)json_integer_value(v));
		}
		if (num(dev, "capacity"))
			printf("  block.%zu.capacity=%lld\n", nr, (long long)num(dev, "capacity"));
		nr++;
	}
}

/* Those asked for, all if none is. */
static bool group_wanted(struct cmd *c, const char *group)
{
	static const char *const groups[] = { "state", "cpu-total", "balloon", "vcpu", "interface", "block", "vmi" };
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		any |= flag(c, groups[i]);
	return !any || flag(c, group);
}

static void domstats_text(struct cmd *c, const json_t *d)
{
	static const char *const states[] = { "", "running", "idle", "paused", "in shutdown", "shut off", "crashed" };
	json_t *list = json_object_get(d, "vcpu"), *v, *counters = json_object_get(d, "counters");
	const char *name;
	size_t i, state = 0;

	while (state < ARRAY_SIZE(states) && strcmp(states[state], str(d, "state")))
		state++;
	printf("Domain: '%s'\n", str(d, "name"));
	if (group_wanted(c, "state"))
		printf("  state.state=%zu\n", state);
	if (group_wanted(c, "cpu-total"))
		printf("  cpu.time=%llu\n", (unsigned long long)num(d, "cpu_time"));
	if (group_wanted(c, "balloon"))
		printf("  balloon.current=%llu\n  balloon.maximum=%llu\n", (unsigned long long)num(d, "memory") >> 10,
		       (unsigned long long)num(d, "max_memory") >> 10);
	if (group_wanted(c, "vcpu"))
		printf("  vcpu.current=%llu\n  vcpu.maximum=%llu\n", (unsigned long long)num(d, "vcpus"), (unsigned long long)num(d, "max_vcpus"));
	json_array_foreach(list, i, v) {
		if (group_wanted(c, "vcpu") && json_is_true(json_object_get(v, "online")))
			printf("  vcpu.%zu.state=1\n  vcpu.%zu.time=%llu\n", i, i, (unsigned long long)num(v, "cpu_time"));
	}
	if (group_wanted(c, "interface"))
		device_stats(d, "interface", "net");
	if (group_wanted(c, "block"))
		device_stats(d, "disk", "block");
	json_object_foreach(counters, name, v) {
		if (group_wanted(c, "vmi"))
			printf("  vmi.%s=%lld\n", name, (long long)json_integer_value(v));
	}
	putchar('\n');
}

static int run_domstats(struct cmd *c)
{
	json_t *answer, *list = json_array(), *d;
	int status;
	size_t i;

	if (arg(c, "domain")) {
		d = get(c, &status);
		for (int k = 0; d; k++) {
			json_array_append_new(list, d);
			if (k == c->nr_rest)
				break;
			answer = json_string(c->rest[k]);
			d = call("org.vmi.Get", json_pack("{s:o}", "domain", answer ? answer : json_string("?")), NULL, &status);
		}
	} else {
		answer = call("org.vmi.Stats", NULL, NULL, &status);
		json_array_extend(list, json_object_get(answer, "domains"));
		json_decref(answer);
	}
	if (!status && !print_object(list)) {
		json_array_foreach(list, i, d)
			domstats_text(c, d);
	}
	json_decref(list);
	return status;
}

static int run_cpu_stats(struct cmd *c)
{
	int status;
	json_t *d = get(c, &status), *v;
	size_t i;

	if (!d)
		return status;
	if (!strcmp(str(d, "state"), "shut off"))
		status = error(EX_WRONG_STATE, "domain '%s' is not running", str(d, "name"));
	else if (!print_object(d)) {
		json_array_foreach(json_object_get(d, "vcpu"), i, v) {
			if (!flag(c, "total"))
				printf("VCPU%zu:\n\tcpu_time %18.9f seconds\n", i, num(v, "cpu_time") / 1e9);
		}
		printf("Total:\n\tcpu_time %18.9f seconds\n", num(d, "cpu_time") / 1e9);
	}
	json_decref(d);
	return status;
}

const struct verb look_verbs[] = {
	{ "list", "look", "list domains", run_list,
	  OPTS({ "all", 'a', FLAG, OPTION, "those that are shut off too" }, { "inactive", 0, FLAG, OPTION, "only those" },
	       { "name", 0, FLAG, OPTION, "names only" }, { "uuid", 0, FLAG, OPTION, "uuids only" }, { "id", 0, FLAG, OPTION, "ids only" },
	       { "title", 0, FLAG, OPTION, "with titles" }, { "persistent", 0, FLAG, OPTION, "only defined ones" },
	       { "transient", 0, FLAG, OPTION, "only others" }, { "autostart", 0, FLAG, OPTION, "only those marked" },
	       { "state-running", 0, FLAG, OPTION, "only running ones" }, { "state-paused", 0, FLAG, OPTION, "only paused ones" },
	       { "state-shutoff", 0, FLAG, OPTION, "only shut off ones" }, { "state-other", 0, FLAG, OPTION, "only others" }), false },
	{ "dominfo", "look", "what a domain is", run_dominfo, OPTS(OPT_DOMAIN), false },
	{ "domstate", "look", "a domain's state", run_domstate, OPTS(OPT_DOMAIN, { "reason", 0, FLAG, OPTION, "and why" }), false },
	{ "dumpxml", "look", "a domain's configuration as XML", run_dumpxml,
	  OPTS(OPT_DOMAIN, { "inactive", 0, FLAG, OPTION, "the definition, not what runs" },
	       { "security-info", 0, FLAG, OPTION, "accepted for virsh's sake" }), false },
	{ "domid", "look", "a domain's id", run_domid, OPTS(OPT_DOMAIN), false },
	{ "domuuid", "look", "a domain's uuid", run_domuuid, OPTS(OPT_DOMAIN), false },
	{ "domname", "look", "a domain's name", run_domname, OPTS(OPT_DOMAIN), false },
	{ "vcpuinfo", "look", "a domain's virtual processors", run_vcpuinfo, OPTS(OPT_DOMAIN), false },
	{ "domstats", "look", "numbers of some domains, or of all running ones", run_domstats,
	  OPTS({ "domain", 0, DOMAIN_ARG, MAY, "name, id or uuid" }, { "state", 0, FLAG, OPTION, "only its state; several of these: all of them" },
	       { "cpu-total", 0, FLAG, OPTION, "processor time" }, { "balloon", 0, FLAG, OPTION, "memory" },
	       { "vcpu", 0, FLAG, OPTION, "virtual processors" }, { "interface", 0, FLAG, OPTION, "network cards" },
	       { "block", 0, FLAG, OPTION, "disks" }, { "vmi", 0, FLAG, OPTION, "the hypervisor's counters" },
	       { "raw", 0, FLAG, OPTION, "accepted for virsh's sake" }), true },
	{ "cpu-stats", "look", "processor time of a domain", run_cpu_stats,
	  OPTS(OPT_DOMAIN, { "total", 0, FLAG, OPTION, "the sum only" }), false },
	{ 0 }
};
