// SPDX-License-Identifier: GPL-2.0-only
/*
 * addresses.c - verbs that say which address a guest has: by DHCP of its network, or as domain 0 has seen it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "vmi.h"

static int run_leases(struct cmd *c)
{
	static const struct column cols[] = {
		{ "expiry", "EXPIRY", COL_TEXT, false }, { "mac", "MAC", COL_TEXT, false }, { "protocol", "PROTOCOL", COL_TEXT, false },
		{ "ip", "ADDRESS", COL_TEXT, false }, { "hostname", "HOSTNAME", COL_TEXT, false }, { 0 }
	};
	json_t *name = json_string(arg(c, "network")), *answer, *rows, *l;
	int status;
	size_t i;

	answer = call("org.vmi.NetworkLeases", json_pack("{s:o}", "network", name ? name : json_string("?")), NULL, &status);
	rows = json_array();
	json_array_foreach(json_object_get(answer, "leases"), i, l) {
		time_t t = num(l, "expires");
		char when[24], with[24];
		struct tm tm;

		if (arg(c, "mac") && strcasecmp(arg(c, "mac"), str(l, "mac")))
			continue;
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
		snprintf(with, sizeof(with), "%.15s/%lld", str(l, "address"), (long long)num(l, "prefix"));
		json_object_set_new(l, "expiry", json_string(when));
		json_object_set_new(l, "protocol", json_string("ipv4"));
		json_object_set_new(l, "ip", json_string(with));
		json_array_append(rows, l);
	}
	if (answer)
		status = print_rows(rows, cols, "address");
	json_decref(rows);
	json_decref(answer);
	return status;
}

static void add(json_t *rows, const json_t *dev, const char *address, int prefix)
{
	const char *name = *str(dev, "tap") ? str(dev, "tap") : str(dev, "name");
	char with[24];

	snprintf(with, sizeof(with), "%.15s/%d", address, prefix);
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "mac", str(dev, "mac"), "protocol", "ipv4", "address", with));
}

/* False: the daemon did not answer, *status says so. */
static bool by_lease(const json_t *dev, json_t *rows, int *status)
{
	json_t *answer = call("org.vmi.NetworkLeases", json_pack("{s:s}", "network", str(dev, "source")), NULL, status), *l;
	size_t i;

	json_array_foreach(json_object_get(answer, "leases"), i, l) {
		if (!strcasecmp(str(l, "mac"), str(dev, "mac")))
			add(rows, dev, str(l, "address"), num(l, "prefix"));
	}
	json_decref(answer);
	return answer;
}

/* Who has spoken with domain 0. The kernel does not say how long the network's prefix is; nor does virsh. */
static void by_arp(const json_t *dev, json_t *rows)
{
	FILE *f = fopen("/proc/net/arp", "re");
	char line[256], address[64], mac[64];
	unsigned int flags;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*s %x %63s", address, &flags, mac) == 3 && flags & 2 && !strcasecmp(mac, str(dev, "mac")))
			add(rows, dev, address, 0);
	}
	if (f)
		fclose(f);
}

static int run_domifaddr(struct cmd *c)
{
	static const struct column cols[] = {
		{ "name", "NAME", COL_TEXT, false }, { "mac", "MAC", COL_TEXT, false }, { "protocol", "PROTOCOL", COL_TEXT, false },
		{ "address", "ADDRESS", COL_TEXT, false }, { 0 }
	};
	const char *source = arg(c, "source"), *wanted = arg(c, "interface");
	json_t *d, *dev, *rows;
	int status;
	size_t i;

	if (source && !word_in(source, "lease arp"))
		return error(EX_BAD_USAGE, "--source %s: there are lease and arp", source);
	d = call("org.vmi.Get", domain_params(c), NULL, &status);
	if (!d)
		return status;
	rows = json_array();
	if (!strcmp(str(d, "state"), "shut off"))
		status = error(EX_WRONG_STATE, "domain '%s' is not running", str(d, "name"));
	else if (wanted && !find_device(d, "interface", wanted))
		status = error(EX_NO_OBJECT, "domain '%s' has no interface %s", str(d, "name"), wanted);
	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		size_t before = json_array_size(rows);

		if (status)
			break;
		if (strcmp(str(dev, "kind"), "interface") || (wanted && dev != find_device(d, "interface", wanted)))
			continue;
		if (!strcmp(str(dev, "type"), "network") && (!source || !strcmp(source, "lease")) && !by_lease(dev, rows, &status))
			break;
		if (json_array_size(rows) == before && (!source || !strcmp(source, "arp")))
			by_arp(dev, rows);
	}
	if (!status)
		status = print_rows(rows, cols, "address");
	json_decref(rows);
	json_decref(d);
	return status;
}

const struct verb address_verbs[] = {
	{ "domifaddr", "devices", "a guest's addresses: by DHCP of its network, or as domain 0 has seen them", run_domifaddr,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MAY, "only this one" }, { "source", 0, TEXT_ARG, OPTION, "lease, or arp; else the first that knows" },
	       { "full", 0, FLAG, OPTION, "accepted for virsh's sake" }), false },
	{ "net-dhcp-leases", "networks", "the addresses that its DHCP has given", run_leases,
	  OPTS({ "network", 0, NETWORK_ARG, MUST_BE, "name or uuid" }, { "mac", 0, TEXT_ARG, OPTION, "only this one's" }), false },
	{ 0 }
};
