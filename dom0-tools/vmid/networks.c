// SPDX-License-Identifier: GPL-2.0-only
/*
 * networks.c - the networks that interfaces name (<interface type='network'>): defined,
 * started, looked at, and the methods for that.
 *
 * A network is a file in state_dir. Started, it is a file in run_dir, too, as it was then, and
 * in domain 0 what vmi-network makes of it: a bridge, its address, DHCP and NAT. A domain that
 * starts takes the bridge over into its running configuration; a network that is started again
 * takes the taps of such domains back. vmi-network takes less than a second; one that hangs is killed, and whoever asked for the network
 * waits for that, nobody else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../broker/broker.h"
#include "../lib/network.h"
#include "../lib/xml_devices.h"
#include "vmid.h"

#define MAKE_TIME	20000000000ull	/* ns; vmi-network hangs */
#define MAX_NETWORKS	64
#define MAX_LEASES	1024

struct vnet {
	struct vnet *next;
	struct network def, live;
	bool active, autostart;
};

static struct vnet *networks;

static struct vnet *by_uuid(const uint8_t uuid[16])
{
	struct vnet *v = networks;

	while (v && memcmp(v->def.uuid, uuid, 16))
		v = v->next;
	return v;
}

static struct vnet *find(const char *ref)
{
	uint8_t uuid[16];
	struct vnet *v = networks;

	if (uuid_parse(ref, uuid))
		return by_uuid(uuid);
	while (v && strcmp(v->def.name, ref))
		v = v->next;
	return v;
}

/* Its bridge may have been removed by others. */
static bool is_active(const struct vnet *v)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", v->live.bridge);
	return v->active && (vmid.ops == &hv_sim || !access(path, F_OK));
}

/* ---- what vmi-network does ---- */

/* One start or stop of a network: they come one after another. */
struct job {
	struct job *next;
	struct network n;
	bool stop;
	bool undo;			/* its start failed, as `f` says: what there is of it is removed */
	struct failure f;
	struct conn *client;		/* who waits for it; NULL: nobody, or not any more */
	int out, pidfd;
	struct source *end, *late;
};

static struct job *jobs;
static void (*after)(void);

static bool is_busy(const struct vnet *v)
{
	const struct job *j = jobs;

	while (j && memcmp(j->n.uuid, v->def.uuid, 16))
		j = j->next;
	return j;
}

static int not_busy(const struct vnet *v, struct failure *f)
{
	return is_busy(v) ? fail(f, EX_WRONG_STATE, "try again", "network '%s' is being started or stopped", v->def.name) : 0;
}

static int done(const struct vnet *v, json_t **reply)
{
	*reply = json_pack("{s:s}", "name", v->def.name);
	return 0;
}

static void job_run(struct job *j);

static void job_end(struct job *j, int rc)
{
	json_t *reply = NULL;
	void (*fn)(void) = after;

	jobs = j->next;
	if (j->client && !rc)
		done(by_uuid(j->n.uuid), &reply);
	if (j->client)
		conn_late_answer(j->client, rc, reply, &j->f);
	else if (rc)
		say(LOG_ERROR, "%s", j->f.message);
	free(j);
	if (jobs) {
		job_run(jobs);
	} else if (fn) {
		after = NULL;
		fn();
	}
}

static void job_undo(struct job *j)
{
	j->undo = true;
	job_run(j);
}

static void started(struct job *j, struct vnet *v)
{
	char *xml = network_to_xml(&j->n);
	int rc = store_put(vmid.run_dir, j->n.uuid, UNIT_NETWORK, xml, false, &j->f);

	free(xml);
	if (rc) {
		job_undo(j);
		return;
	}
	v->live = j->n;
	v->active = true;
	say(LOG_SAY, "network %s: started, bridge %s", v->def.name, j->n.bridge);
	job_end(j, 0);
}

/* Without its bridge there is nothing left to keep. */
static void stopped(struct job *j, struct vnet *v, bool wrong)
{
	if (wrong && is_active(v)) {
		job_end(j, j->f.status);
		return;
	}
	v->active = false;
	say(LOG_SAY, "network %s: stopped", v->def.name);
	job_end(j, store_del(vmid.run_dir, j->n.uuid, UNIT_NETWORK, false, &j->f));
}

/* why: NULL if all is done. */
static void job_said(struct job *j, const char *why)
{
	struct vnet *v = by_uuid(j->n.uuid);

	if (why && !j->undo)
		fail(&j->f, EX_FAILED, NULL, "network '%s': %s", j->n.name, why);
	if (j->undo)
		job_end(j, j->f.status);
	else if (j->stop)
		stopped(j, v, why);
	else if (why)
		job_undo(j);	/* it may have been ended halfway */
	else
		started(j, v);
}

static void job_close(struct job *j)
{
	loop_del(j->end);
	loop_del(j->late);
	close(j->pidfd);
	close(j->out);
}

static void job_ended(void *arg, uint32_t events)
{
	struct job *j = arg;
	char said[256] = "", *end;
	const char *last;
	ssize_t len;
	off_t at;

	(void)events;
	/* The end of it. */
	at = lseek(j->out, 0, SEEK_END) - (off_t)sizeof(said) + 1;
	len = pread(j->out, said, sizeof(said) - 1, at > 0 ? at : 0);
	said[len < 0 ? 0 : len] = 0;
	job_close(j);
	for (end = said + strlen(said); end > said && end[-1] == '\n'; end--)
		end[-1] = 0;
	/* What programs of it said comes first; the last line is its own. */
	end = strrchr(said, '\n');
	last = end ? end + 1 : said;
	job_said(j, !strcmp(last, "done") ? NULL : *last ? last : "vmi-network ended without a word");
}

static void job_late(void *arg, uint32_t events)
{
	struct job *j = arg;

	(void)events;
	broker_kill(j->pidfd);
	job_close(j);
	job_said(j, "vmi-network does not end");
}

/* The taps of domains that run with this network, which may have been started before: they are put on its bridge again. */
static void add_taps(const struct network *n, struct strbuf *args)
{
	for (const struct domain *d = domains; d; d = d->next) {
		for (const xmlNode *i = d->devices ? d->live->kept[KEEP_DEVICES]->children : NULL; i; i = i->next) {
			char *network = xml_attr(xml_child(i, "source"), "network"), *bridge = xml_attr(xml_child(i, "source"), "bridge");
			bool on = network && bridge && !strcmp(network, n->name) && !strcmp(bridge, n->bridge);
			char name[DEVICE_NAME_LEN];
			struct device_info info;

			xmlFree(network);
			xmlFree(bridge);
			/* Names that vmi-network could not take, or that would be too many, stay as they are. */
			if (on && device_name(i, name) && devices_find(d->devices, name, &info) && args->len < BROKER_MAX_ARGS - 64 &&
			    strspn(info.tap, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(info.tap)) {
				sb_printf(args, "tap=%s", info.tap);
				sb_add(args, "", 1);
			}
		}
	}
}

static void job_run(struct job *j)
{
	struct strbuf args = { 0 };
	char why[100];

	if (vmid.ops == &hv_sim) {
		job_said(j, NULL);
		return;
	}
	j->out = memfd_create("vmi-network", MFD_CLOEXEC);
	sb_add(&args, "vmi-network", sizeof("vmi-network"));
	network_args(&j->n, j->stop || j->undo ? "stop" : "start", &args);
	if (!j->stop && !j->undo && j->n.mode != NETWORK_BRIDGE)
		add_taps(&j->n, &args);
	j->pidfd = j->out < 0 ? -errno : broker_network(args.s, args.len, j->out);
	sb_free(&args);
	if (j->pidfd < 0) {
		snprintf(why, sizeof(why), "vmi-network cannot be run: %s", strerror(-j->pidfd));
		if (j->out >= 0)
			close(j->out);
		job_said(j, why);
		return;
	}
	j->end = loop_add(j->pidfd, EPOLLIN, job_ended, j);
	j->late = loop_timer(MAKE_TIME, job_late, j);
}

static void job_add(const struct network *n, bool stop, struct conn *client)
{
	struct job *j = xcalloc(1, sizeof(*j)), **p = &jobs;

	j->n = *n;
	j->stop = stop;
	j->client = client;
	if (client)
		conn_later(client);
	while (*p)
		p = &(*p)->next;
	*p = j;
	if (jobs == j)
		job_run(j);
}

void net_forget(const struct conn *c)
{
	for (struct job *j = jobs; j; j = j->next) {
		if (j->client == c)
			j->client = NULL;
	}
}

void net_then(void (*fn)(void))
{
	if (jobs)
		after = fn;
	else
		fn();
}

/* An interface of domain 0 that has addresses of this network: domain 0 could not reach its own neighbours. */
static int taken(const struct network *n, struct failure *f)
{
	struct ifaddrs *all = NULL;
	int rc = 0;

	if (vmid.ops == &hv_sim || getifaddrs(&all))
		return 0;
	for (const struct ifaddrs *a = all; a && !rc; a = a->ifa_next) {
		if (!a->ifa_addr || !a->ifa_netmask || a->ifa_addr->sa_family != AF_INET || !strcmp(a->ifa_name, n->bridge))
			continue;
		if (network_overlap(n, ntohl(((struct sockaddr_in *)a->ifa_addr)->sin_addr.s_addr),
				    __builtin_popcount(((struct sockaddr_in *)a->ifa_netmask)->sin_addr.s_addr)))
			rc = fail(f, EX_FAILED, NULL, "network '%s': domain 0's interface %s has addresses of it: give it others", n->name, a->ifa_name);
	}
	freeifaddrs(all);
	return rc;
}

static int start(struct vnet *v, struct conn *c, struct failure *f)
{
	if (not_busy(v, f))
		return f->status;
	if (is_active(v))
		return fail(f, EX_WRONG_STATE, NULL, "network '%s' is active already", v->def.name);
	if (taken(&v->def, f))
		return f->status;
	job_add(&v->def, false, c);
	return 0;
}

static int stop(struct vnet *v, struct conn *c, struct failure *f)
{
	if (not_busy(v, f))
		return f->status;
	if (!v->active)
		return fail(f, EX_WRONG_STATE, NULL, "network '%s' is not active", v->def.name);
	job_add(&v->live, true, c);
	return 0;
}

/* ---- what survives ---- */

static void load_one(const uint8_t uuid[16], const char *text, size_t len)
{
	struct vnet *v = xcalloc(1, sizeof(*v));
	struct diag d = { 0 };
	char *mark;

	if (!network_from_xml(text, len, &v->def, &d) || by_uuid(uuid)) {
		say(LOG_ERROR, "a network's definition is not one: %s", d.nr ? d.items[0].text : "it is there twice");
		free(v);
	} else {
		memcpy(v->def.uuid, uuid, 16);
		mark = store_get(vmid.state_dir, uuid, UNIT_NETAUTO);
		v->autostart = mark;
		free(mark);
		v->next = networks;
		networks = v;
	}
	diag_free(&d);
}

static void load_live(const uint8_t uuid[16], const char *text, size_t len)
{
	struct vnet *v = by_uuid(uuid);
	struct diag d = { 0 };

	if (v)
		v->active = network_from_xml(text, len, &v->live, &d);
	diag_free(&d);
}

void net_load(bool autostart)
{
	struct failure f;

	store_each(vmid.state_dir, UNIT_NETWORK, load_one);
	store_each(vmid.run_dir, UNIT_NETWORK, load_live);
	for (struct vnet *v = networks; autostart && v; v = v->next) {
		if (v->autostart && !is_active(v) && start(v, NULL, &f))
			say(LOG_ERROR, "autostart: %s", f.message);
	}
}

void net_resolve(xmlNode *first, struct diag *d)
{
	for (xmlNode *n = first; n; n = n->next) {
		xmlNode *source = xml_child(n, "source");
		char *type = xml_attr(n, "type"), *name = xml_attr(source, "network");
		const struct vnet *v = name ? find(name) : NULL;

		if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "interface") || !type || strcmp(type, "network") || !name)
			;
		else if (!v)
			diag_error(d, xmlGetLineNo(n), "<interface>: there is no network '%.40s': vmi net-list --all, or vmi net-define FILE", name);
		else if (!is_active(v))
			diag_error(d, xmlGetLineNo(n), "<interface>: the network '%.40s' is not active: vmi net-start %.40s", name, name);
		else
			xmlSetProp(source, BAD_CAST "bridge", BAD_CAST v->live.bridge);
		xmlFree(type);
		xmlFree(name);
	}
}

/* ---- methods ---- */

static struct vnet *find_param(json_t *params, struct failure *f)
{
	const char *ref = json_string_value(json_object_get(params, "network"));
	struct vnet *v = ref ? find(ref) : NULL;

	if (!ref)
		fail(f, EX_BAD_USAGE, NULL, "the parameter \"network\" is missing, or no string");
	else if (!v)
		fail(f, EX_NO_OBJECT, "see what there is: vmi net-list --all", "there is no network '%.80s'", ref);
	return v;
}

/* Another network that this one cannot be beside. */
static int clash(const struct network *n, struct failure *f)
{
	unsigned int nr = 0;

	for (const struct vnet *v = networks; v; v = v->next) {
		bool same = !memcmp(v->def.uuid, n->uuid, 16);

		nr += !same;
		if (!same && !strcmp(v->def.name, n->name))
			return fail(f, EX_BAD_CONFIG, "give it that uuid, or none, or another name", "there is a network '%s' with another uuid", n->name);
		if (!same && !strcmp(v->def.bridge, n->bridge) && (n->mode != NETWORK_BRIDGE || v->def.mode != NETWORK_BRIDGE))
			return fail(f, EX_BAD_CONFIG, NULL, "the network '%s' has the bridge %s: give this one another", v->def.name, n->bridge);
		if (!same && network_overlap(n, v->def.address, v->def.prefix))
			return fail(f, EX_BAD_CONFIG, NULL, "the network '%s' has some of these addresses: give this one others", v->def.name);
		if (same && (v->active || is_busy(v)) && strcmp(v->def.name, n->name))
			return fail(f, EX_WRONG_STATE, "stop it first: vmi net-destroy", "network '%s' is active: its name cannot change", v->def.name);
	}
	if (nr >= MAX_NETWORKS)
		return fail(f, EX_FAILED, NULL, "there are %d networks, and no more are possible", MAX_NETWORKS);
	return 0;
}

static int define(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	const char *text = json_string_value(json_object_get(params, "xml"));
	struct diag d = { .strict = json_is_true(json_object_get(params, "validate")) };
	struct network n;
	struct vnet *v;
	char *xml;
	int rc;

	(void)c;
	if (!text)
		return fail(f, EX_BAD_USAGE, NULL, "the parameter \"xml\" is missing, or no string");
	rc = network_from_xml(text, strlen(text), &n, &d) ? 0 :
		fail(f, EX_BAD_CONFIG, NULL, "the network is not accepted: %u error%s", d.errors, d.errors == 1 ? "" : "s");
	*reply = json_pack("{s:o}", "messages", diag_json(&d));
	diag_free(&d);
	if (rc)
		return rc;
	v = find(n.name);
	if (uuid_is_null(n.uuid) && v)
		memcpy(n.uuid, v->def.uuid, 16);
	else if (uuid_is_null(n.uuid))
		uuid_make(n.uuid);
	rc = clash(&n, f);
	if (rc)
		return rc;
	xml = network_to_xml(&n);
	rc = store_put(vmid.state_dir, n.uuid, UNIT_NETWORK, xml, true, f);
	free(xml);
	if (rc)
		return rc;
	v = by_uuid(n.uuid);
	if (!v) {
		v = xcalloc(1, sizeof(*v));
		v->next = networks;
		networks = v;
	}
	v->def = n;
	json_object_set_new(*reply, "name", json_string(n.name));
	return 0;
}

static int undefine(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct vnet *v = find_param(params, f), **p = &networks;

	(void)c;
	if (!v || not_busy(v, f))
		return f->status;
	if (v->active)
		return fail(f, EX_WRONG_STATE, "stop it first: vmi net-destroy", "network '%s' is active", v->def.name);
	if (store_del(vmid.state_dir, v->def.uuid, UNIT_NETAUTO, true, f) || store_del(vmid.state_dir, v->def.uuid, UNIT_NETWORK, true, f))
		return f->status;
	done(v, reply);
	while (*p != v)
		p = &(*p)->next;
	*p = v->next;
	free(v);
	return 0;
}

static int run_start(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct vnet *v = find_param(params, f);

	(void)reply;
	return !v || start(v, c, f) ? f->status : 0;
}

static int run_stop(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct vnet *v = find_param(params, f);

	(void)reply;
	return !v || stop(v, c, f) ? f->status : 0;
}

static int autostart(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	bool off = json_is_true(json_object_get(params, "disable"));
	struct vnet *v = find_param(params, f);

	(void)c;
	if (!v || (off ? store_del(vmid.state_dir, v->def.uuid, UNIT_NETAUTO, true, f) :
		   store_put(vmid.state_dir, v->def.uuid, UNIT_NETAUTO, "", true, f)))
		return f->status;
	v->autostart = !off;
	return done(v, reply);
}

static int list(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	json_t *all = json_array();

	(void)c, (void)params, (void)f;
	for (const struct vnet *v = networks; v; v = v->next) {
		bool active = is_active(v);
		const struct network *n = active ? &v->live : &v->def;
		char uuid[UUID_LEN];

		uuid_format(v->def.uuid, uuid);
		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "name", v->def.name, "uuid", uuid, "state",
						     active ? "active" : "inactive", "autostart", v->autostart, "bridge", n->bridge,
						     "mode", network_modes[n->mode]));
	}
	*reply = json_pack("{s:o}", "networks", all);
	return 0;
}

static int dump(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	bool inactive = json_is_true(json_object_get(params, "inactive"));
	struct vnet *v = find_param(params, f);
	char *xml;

	(void)c;
	if (!v)
		return f->status;
	xml = network_to_xml(!inactive && is_active(v) ? &v->live : &v->def);
	*reply = json_pack("{s:s}", "xml", xml);
	free(xml);
	return 0;
}

/* Who has which address of it. */
static int leases(struct conn *c, json_t *params, json_t **reply, struct failure *f)
{
	struct network_lease all[MAX_LEASES];
	struct vnet *v = find_param(params, f);
	json_t *list = json_array();
	unsigned int nr;
	char *path;

	(void)c;
	if (!v) {
		json_decref(list);
		return f->status;
	}
	path = xasprintf("%s/%s.leases", vmid.ops == &hv_sim ? vmid.run_dir : "/run/vmi-network", v->def.name);
	nr = is_active(v) && v->live.first ? network_leases(path, all, MAX_LEASES) : 0;
	free(path);
	for (unsigned int i = 0; i < nr; i++) {
		const struct network_lease *l = &all[i];
		char mac[18], address[INET_ADDRSTRLEN];
		struct in_addr a = { htonl(l->address) };

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0], l->mac[1], l->mac[2], l->mac[3], l->mac[4], l->mac[5]);
		inet_ntop(AF_INET, &a, address, sizeof(address));
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:I}", "mac", mac, "address", address, "prefix", v->live.prefix,
						      "hostname", l->hostname, "expires", (json_int_t)l->expires));
	}
	*reply = json_pack("{s:o}", "leases", list);
	return 0;
}

const struct method methods_networks[] = {
	{ "NetworkList", list, true },
	{ "NetworkDumpXML", dump, true },
	{ "NetworkLeases", leases, true },
	{ "NetworkDefine", define, false },
	{ "NetworkUndefine", undefine, false },
	{ "NetworkStart", run_start, false },
	{ "NetworkDestroy", run_stop, false },
	{ "NetworkAutostart", autostart, false },
	{ NULL, NULL, false },
};
