// SPDX-License-Identifier: GPL-2.0-only
/*
 * xml_forward.c - <portForward> of an <interface>: ports of domain 0 that lead to the guest.
 *
 * As libvirt has it: ranges of ports, from `start` to `end`, at the guest's ports from `to` on; what another range
 * of the same <portForward> excludes is left out. A range that is none is an error of the definition; what
 * this version cannot do refuses the start (see xml_devices.c).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "xml_devices.h"

#define PORT_MAX	65535

struct range {
	uint64_t start, end, to;
	bool exclude;
};

static const xmlNode *from(const xmlNode *n, const char *name)
{
	while (n && strcmp((const char *)n->name, name))
		n = xmlNextElementSibling((xmlNode *)n);
	return n;
}

/* For (n) that is each child of this name. */
#define for_each_child(n, parent, name) \
	for (const xmlNode *n = from(xmlFirstElementChild((xmlNode *)(parent)), name); n; n = from(xmlNextElementSibling((xmlNode *)n), name))

static bool is(const xmlNode *n, const char *attr, const char *value)
{
	char *s = xml_attr(n, attr);
	bool same = s && !strcmp(s, value);

	xmlFree(s);
	return same;
}

static struct range get_range(const xmlNode *n)
{
	struct range r = { .exclude = is(n, "exclude", "yes") };

	xml_u64(n, "start", &r.start);
	r.end = r.start;
	xml_u64(n, "end", &r.end);
	r.to = r.start;
	xml_u64(n, "to", &r.to);
	return r;
}

static bool excluded(const xmlNode *forward, uint64_t port)
{
	for_each_child(n, forward, "range") {
		struct range r = get_range(n);

		if (r.exclude && port >= r.start && port <= r.end)
			return true;
	}
	return false;
}

static bool range_ok(const xmlNode *n, const struct range *r, struct diag *d)
{
	if (!r->start || r->end < r->start || r->end > PORT_MAX) {
		diag_error(d, xmlGetLineNo(n), "<range>: ports are from 1 to %d, and end='...' is not below start='...'", PORT_MAX);
		return false;
	}
	if (!r->to || r->to > PORT_MAX - (r->end - r->start)) {
		diag_error(d, xmlGetLineNo(n), "<range to>: the guest's ports are from 1 to %d, too: the last one here would be %llu", PORT_MAX,
			   (unsigned long long)(r->to + (r->end - r->start)));
		return false;
	}
	return true;
}

void forwards_check(const xmlNode *interface, struct diag *d)
{
	for_each_child(f, interface, "portForward") {
		for_each_child(n, f, "range") {
			struct range r = get_range(n);

			range_ok(n, &r, d);
		}
	}
}

/* Where domain 0 is to listen; false: it cannot. */
static bool get_address(const xmlNode *f, uint32_t *address, struct diag *d)
{
	char *text = xml_attr(f, "address");
	struct in_addr a = { 0 };
	bool ok = !text || inet_pton(AF_INET, text, &a) == 1;

	if (!ok)
		diag_error(d, xmlGetLineNo(f), "<portForward address>: \"%.60s\" is no IPv4 address of domain 0, as 127.0.0.1; this version has no others", text);
	xmlFree(text);
	*address = a.s_addr;
	return ok;
}

static bool get_forward(const xmlNode *f, struct device *dev, struct diag *d)
{
	struct device_forward one = { .udp = is(f, "proto", "udp") };
	unsigned int before = dev->nr_forwards;

	if (!get_address(f, &one.address, d))
		return false;
	if (xmlHasProp((xmlNode *)f, BAD_CAST "dev")) {
		diag_error(d, xmlGetLineNo(f), "<portForward dev>: this version listens at addresses: give the one of that interface as address='...'");
		return false;
	}
	for_each_child(n, f, "range") {
		struct range r = get_range(n);

		if (!range_ok(n, &r, d))
			return false;
		for (uint64_t port = r.start; !r.exclude && port <= r.end; port++) {
			if (excluded(f, port))
				continue;
			if (dev->nr_forwards == DEVICE_FORWARDS) {
				diag_error(d, xmlGetLineNo(f), "<portForward>: more than %d ports: this version has no more of one interface", DEVICE_FORWARDS);
				return false;
			}
			one.port = port;
			one.to = r.to + (port - r.start);
			dev->forward[dev->nr_forwards++] = one;
		}
	}
	if (dev->nr_forwards == before)
		diag_error(d, xmlGetLineNo(f), "<portForward>: say which ports: <range start='2222' to='22'/>");
	return dev->nr_forwards > before;
}

bool interface_forwards(const xmlNode *interface, struct device *dev, struct diag *d)
{
	for_each_child(f, interface, "portForward") {
		if (!get_forward(f, dev, d))
			return false;
	}
	return true;
}
