// SPDX-License-Identifier: GPL-2.0-only
/*
 * network.c - <network> as struct network and back, and as arguments of vmi-network.
 *
 * Names and single values are valid by the vocabulary (xml_spec.c); here is what they mean
 * together. What this version does not do is an error where it would change who reaches
 * whom, and else ignored with a warning.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

const char *const network_modes[NR_NETWORK_MODES] = { "none", "nat", "bridge" };

/* Of arguments, file names and tables of nft. */
static bool word(const char *s, size_t max)
{
	for (const char *p = s; *p; p++) {
		if (!isalnum((unsigned char)*p) && (p == s || !strchr("._-", *p)))
			return false;
	}
	return *s && strlen(s) < max;
}

static uint32_t address(const xmlNode *n, const char *attr, struct diag *d)
{
	char *s = xml_attr(n, attr);
	struct in_addr a = { 0 };

	if (s && (inet_pton(AF_INET, s, &a) != 1 || !a.s_addr))
		diag_error(d, xmlGetLineNo(n), "<%s %s>: \"%.40s\" is no IPv4 address", n->name, attr, s);
	xmlFree(s);
	return ntohl(a.s_addr);
}

static uint32_t mask(const struct network *n)
{
	return n->prefix && n->prefix <= 32 ? ~0u << (32 - n->prefix) : 0;
}

static void need_inside(const struct network *n, uint32_t a, const xmlNode *at, const char *what, struct diag *d)
{
	if (a && ((a ^ n->address) & mask(n) || !(a & ~mask(n)) || (a | mask(n)) == ~0u || a == n->address))
		diag_error(d, xmlGetLineNo(at), "%s must be an address of the network, and not domain 0's own", what);
}

static void read_mask(const xmlNode *ip, struct network *n, struct diag *d)
{
	char *prefix = xml_attr(ip, "prefix");
	uint32_t m = address(ip, "netmask", d);

	n->prefix = 24;
	if (m)
		n->prefix = __builtin_popcount(m);
	else if (prefix)
		parse_uint(prefix, &n->prefix);
	if ((m && m != mask(n)) || n->prefix < 8 || n->prefix > 30)
		diag_error(d, xmlGetLineNo(ip), "<ip>: a network has a prefix of 8 to 30 bits (netmask 255.0.0.0 to 255.255.255.252)");
	xmlFree(prefix);
}

static void read_host(const xmlNode *at, struct network *n, struct diag *d)
{
	char *mac = xml_attr(at, "mac");
	uint8_t *m = n->host[n->nr_hosts].mac;

	if (n->nr_hosts == NETWORK_HOSTS) {
		diag_error(d, xmlGetLineNo(at), "<host>: a network has %d at most", NETWORK_HOSTS);
	} else if (mac && sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) == 6) {
		n->host[n->nr_hosts].address = address(at, "ip", d);
		need_inside(n, n->host[n->nr_hosts].address, at, "<host ip>", d);
		for (unsigned int i = 0; i < n->nr_hosts; i++) {
			if (!memcmp(n->host[i].mac, m, 6) || n->host[i].address == n->host[n->nr_hosts].address)
				diag_error(d, xmlGetLineNo(at), "<host>: another one has this mac or ip");
		}
		n->nr_hosts++;
	}
	xmlFree(mac);
}

static void read_ip(const xmlNode *ip, struct network *n, struct diag *d)
{
	const xmlNode *dhcp = xml_child(ip, "dhcp"), *range = xml_child(dhcp, "range");

	n->address = address(ip, "address", d);
	read_mask(ip, n, d);
	if (n->address && (!(n->address & ~mask(n)) || (n->address | mask(n)) == ~0u))
		diag_error(d, xmlGetLineNo(ip), "<ip address>: it is the network's own, or for all of it: use one between");
	if (dhcp && !range)
		diag_error(d, xmlGetLineNo(dhcp), "<dhcp> needs <range start='...' end='...'/>");
	if (range) {
		n->first = address(range, "start", d);
		n->last = address(range, "end", d);
		need_inside(n, n->first, range, "<range start>", d);
		need_inside(n, n->last, range, "<range end>", d);
		if (n->first > n->last)
			diag_error(d, xmlGetLineNo(range), "<range>: its end is before its start");
	}
	for (const xmlNode *h = dhcp ? dhcp->children : NULL; h; h = h->next) {
		if (h->type == XML_ELEMENT_NODE && !strcmp((const char *)h->name, "host"))
			read_host(h, n, d);
	}
}

static void read_mode(const xmlNode *forward, struct network *n, struct diag *d)
{
	char *mode = forward ? xml_attr(forward, "mode") : NULL;

	n->mode = forward ? NETWORK_NAT : NETWORK_ISOLATED;
	for (unsigned int i = 0; mode && i < NR_NETWORK_MODES; i++) {
		if (!strcmp(mode, network_modes[i]))
			n->mode = i;
	}
	if (forward && xmlHasProp((xmlNode *)forward, BAD_CAST "dev"))
		diag_warn(d, xmlGetLineNo(forward), "<forward dev>: guests reach the world by any interface of domain 0: ignored");
	for (const xmlNode *k = forward ? forward->children : NULL; k; k = k->next) {
		if (k->type == XML_ELEMENT_NODE)
			diag_warn(d, xmlGetLineNo(k), "<%s> in <forward> has no meaning in this version: ignored", k->name);
	}
	xmlFree(mode);
}

static void copy_name(const xmlNode *at, char *text, char *to, size_t size, const char *what, struct diag *d)
{
	if (text && !word(text, size))
		diag_error(d, xmlGetLineNo(at), "%s: \"%.40s\" cannot be one: up to %zu letters, digits, dots, dashes", what, text, size - 1);
	snprintf(to, size, "%s", text ? text : "");
	xmlFree(text);
}

static void read_all(const xmlNode *root, struct network *n, struct diag *d)
{
	const xmlNode *bridge = xml_child(root, "bridge"), *ip = xml_child(root, "ip");
	char *uuid = xml_text(xml_child(root, "uuid"));

	copy_name(xml_child(root, "name"), xml_text(xml_child(root, "name")), n->name, sizeof(n->name), "<name>", d);
	copy_name(bridge, xml_attr(bridge, "name"), n->bridge, sizeof(n->bridge), "<bridge name>", d);
	if (uuid)
		uuid_parse(uuid, n->uuid);
	xmlFree(uuid);
	read_mode(xml_child(root, "forward"), n, d);
	if (ip)
		read_ip(ip, n, d);
	if (!*n->bridge && !d->errors)
		diag_error(d, xmlGetLineNo(root), "<network> needs <bridge name='...'/>: %s", n->mode == NETWORK_BRIDGE ? "which bridge of domain 0 it is" :
			   "what the bridge is to be called, such as vmibr1");
	if (ip && n->mode == NETWORK_BRIDGE)
		diag_error(d, xmlGetLineNo(ip), "<ip>: with <forward mode='bridge'> addresses are whose bridge it is: take it out");
	if (!ip && n->mode == NETWORK_NAT)
		diag_error(d, xmlGetLineNo(root), "<forward mode='nat'> needs <ip address='...' netmask='...'>: domain 0's address there");
}

bool network_overlap(const struct network *n, uint32_t address, unsigned int prefix)
{
	unsigned int common = prefix < n->prefix ? prefix : n->prefix;

	return n->address && address && (!common || !((n->address ^ address) >> (32 - common)));
}

bool network_from_xml(const char *text, size_t len, struct network *n, struct diag *d)
{
	xmlDoc *doc = xml_parse(text, len, "network", d);

	memset(n, 0, sizeof(*n));
	if (!doc)
		return false;
	spec_check_network(xmlDocGetRootElement(doc), d);
	if (!d->errors)
		read_all(xmlDocGetRootElement(doc), n, d);
	xmlFreeDoc(doc);
	return !d->errors;
}

static const char *dotted(uint32_t a, char text[INET_ADDRSTRLEN])
{
	struct in_addr in = { htonl(a) };

	return inet_ntop(AF_INET, &in, text, INET_ADDRSTRLEN);
}

static void print_mac(struct strbuf *b, const uint8_t m[6])
{
	sb_printf(b, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

char *network_to_xml(const struct network *n)
{
	char uuid[UUID_LEN], a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];
	struct strbuf x = { 0 };

	uuid_format(n->uuid, uuid);
	sb_printf(&x, "<network>\n  <name>%s</name>\n  <uuid>%s</uuid>\n", n->name, uuid);
	if (n->mode != NETWORK_ISOLATED)
		sb_printf(&x, "  <forward mode='%s'/>\n", network_modes[n->mode]);
	sb_printf(&x, "  <bridge name='%s'/>\n", n->bridge);
	if (n->address) {
		sb_printf(&x, "  <ip address='%s' netmask='%s'%s>\n", dotted(n->address, a), dotted(mask(n), b), n->first ? "" : "/");
		if (n->first) {
			sb_printf(&x, "    <dhcp>\n      <range start='%s' end='%s'/>\n", dotted(n->first, a), dotted(n->last, b));
			for (unsigned int i = 0; i < n->nr_hosts; i++) {
				sb_puts(&x, "      <host mac='");
				print_mac(&x, n->host[i].mac);
				sb_printf(&x, "' ip='%s'/>\n", dotted(n->host[i].address, a));
			}
			sb_puts(&x, "    </dhcp>\n  </ip>\n");
		}
	}
	sb_puts(&x, "</network>\n");
	return x.s;
}

static void add(struct strbuf *args, const char *name, const char *value)
{
	sb_printf(args, "%s=%s", name, value);
	sb_add(args, "", 1);
}

void network_args(const struct network *n, const char *verb, struct strbuf *args)
{
	char a[INET_ADDRSTRLEN], prefix[12];

	sb_add(args, verb, strlen(verb) + 1);
	sb_add(args, n->name, strlen(n->name) + 1);
	add(args, "bridge", n->bridge);
	add(args, "mode", network_modes[n->mode]);
	if (!n->address)
		return;
	snprintf(prefix, sizeof(prefix), "%u", n->prefix);
	add(args, "address", dotted(n->address, a));
	add(args, "prefix", prefix);
	add(args, "netmask", dotted(mask(n), a));
	add(args, "net", dotted(n->address & mask(n), a));
	if (!n->first)
		return;
	add(args, "first", dotted(n->first, a));
	add(args, "last", dotted(n->last, a));
	for (unsigned int i = 0; i < n->nr_hosts; i++) {
		sb_puts(args, "host=");
		print_mac(args, n->host[i].mac);
		sb_printf(args, ",%s", dotted(n->host[i].address, a));
		sb_add(args, "", 1);
	}
}
