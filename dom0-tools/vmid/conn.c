// SPDX-License-Identifier: GPL-2.0-only
/*
 * conn.c - clients: accepts them, learns from the kernel who they are, cuts
 * their bytes into messages, calls the method, sends the answer.
 *
 * Trust: none. Who may do what follows from the socket (its mode and group)
 * and the peer's credentials, never from a message. Each client costs at most
 * its buffers; there are at most MAX_CONNS, of readers MAX_READERS, so that
 * these cannot keep administrators out, and MAX_OF_USER of one user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmid.h"

#define MAX_CONNS	96
#define MAX_READERS	32
#define MAX_OF_USER	16		/* readers, of one user who is not root */
#define OUT_MAX		(16u << 20)

static struct conn *conns;

static void conn_free(struct conn *c)
{
	struct conn **p = &conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (c->console)
		console_detach(c->console, c);
	net_forget(c);
	dev_forget(c);
	loop_del(c->src);
	close(c->fd);
	sb_free(&c->in.buf);
	sb_free(&c->out);
	free(c);
}

static void watch(struct conn *c)
{
	/* Nothing is read while an answer waits: a client that only sends fills its own socket. */
	loop_set(c->src, (c->out.len ? EPOLLOUT : 0) | (!c->closing && !c->waiting && (!c->out.len || c->console) ? EPOLLIN : 0));
}

void conn_send(struct conn *c, const void *data, size_t len)
{
	sb_add(&c->out, data, len);
	watch(c);
}

void conn_json(struct conn *c, json_t *msg)
{
	rpc_put(&c->out, msg);
	json_decref(msg);
	watch(c);
}

void conn_end(struct conn *c)
{
	c->closing = true;
	/* With nothing to send, EPOLLOUT comes at once and ends it. */
	loop_set(c->src, EPOLLOUT);
}

static bool flush(struct conn *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.s, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		sb_drop(&c->out, n);
	}
	return !c->closing;
}

static void answer_error(struct conn *c, const char *name, json_t *params)
{
	conn_json(c, json_pack("{s:s, s:o}", "error", name, "parameters", params));
}

/* Text of others in a JSON string: jansson refuses what is not UTF-8. */
static json_t *text(const char *s)
{
	json_t *j = json_string(s);

	return j ? j : json_string("(a text that is not UTF-8)");
}

static void answer_failure(struct conn *c, const struct failure *f, json_t *reply)
{
	json_t *params = reply ? reply : json_object();

	json_object_set_new(params, "message", text(f->message));
	if (f->hint)
		json_object_set_new(params, "hint", text(f->hint));
	answer_error(c, rpc_error_name(f->status), params);
}

static const struct method *find_method(const char *name)
{
	const struct method *const tables[] = { methods_look, methods_change, methods_devices, methods_networks };

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (const struct method *m = tables[t]; m->name; m++) {
			if (!strcmp(m->name, name))
				return m;
		}
	}
	return NULL;
}

/* org.varlink.service, which every Varlink server answers. */
static bool service(struct conn *c, const char *name, json_t *params)
{
	const char *interface;
	json_t *d;

	if (!strcmp(name, "org.varlink.service.GetInfo")) {
		conn_json(c, json_pack("{s:{s:s, s:s, s:s, s:s, s:[s, s]}}", "parameters", "vendor", "VMI", "product", "vmid",
				       "version", "1", "url", "", "interfaces", "org.varlink.service", "org.vmi"));
		return true;
	}
	if (strcmp(name, "org.varlink.service.GetInterfaceDescription"))
		return false;
	interface = json_string_value(json_object_get(params, "interface"));
	d = interface ? describe(interface) : NULL;
	if (d)
		conn_json(c, json_pack("{s:{s:o}}", "parameters", "description", d));
	else
		answer_error(c, "org.varlink.service.InterfaceNotFound", json_pack("{s:s?}", "interface", interface));
	return true;
}

static void audit(const struct conn *c, const char *method, json_t *params)
{
	const char *domain = json_string_value(json_object_get(params, "domain"));

	say(LOG_SAY, "uid %u pid %d: %s%s%.80s", c->uid, c->pid, method, domain ? " " : "", domain ? domain : "");
}

static void answer(struct conn *c, int rc, json_t *reply, const struct failure *f)
{
	if (rc)
		answer_failure(c, f, reply);
	else if (reply)
		conn_json(c, json_pack("{s:o}", "parameters", reply));
}

/* What was said since to who wants no answer. */
static void take_back(struct conn *c, size_t before)
{
	if (c->oneway && c->out.len > before) {
		c->out.len = before;
		c->out.s[before] = 0;
	}
}

void conn_later(struct conn *c)
{
	c->waiting = true;
}

void conn_late_answer(struct conn *c, int rc, json_t *reply, const struct failure *f)
{
	size_t before = c->out.len;

	c->waiting = false;
	answer(c, rc, reply, f);
	take_back(c, before);
	/* EPOLLOUT comes at once: to send it, and to go on with what was read before. */
	loop_set(c->src, EPOLLIN | EPOLLOUT);
}

static void call(struct conn *c, json_t *msg)
{
	const char *name = json_string_value(json_object_get(msg, "method"));
	json_t *params = json_object_get(msg, "parameters"), *reply = NULL;
	struct failure f = { .status = EX_FAILED };
	const struct method *m;
	size_t before = c->out.len;
	int rc;

	c->oneway = json_is_true(json_object_get(msg, "oneway"));
	params = params && !json_is_null(params) ? json_incref(params) : json_object();
	if (!name || !json_is_object(params)) {
		fail(&f, EX_BAD_USAGE, NULL, "a call has a method, and parameters that are an object");
		answer_failure(c, &f, NULL);
		json_decref(params);
		return;
	}
	if (service(c, name, params)) {
		json_decref(params);
		return;
	}
	m = strncmp(name, "org.vmi.", 8) ? NULL : find_method(name + 8);
	if (!m) {
		answer_error(c, "org.varlink.service.MethodNotFound", json_pack("{s:o, s:o}", "method", text(name),
			     "message", json_string("this vmid is older or newer than the command: there is no such method")));
	} else if (c->reader && !m->reader) {
		fail(&f, EX_NO_DAEMON, "run as root, or as a member of the group vmi", "permission denied: %s changes something", m->name);
		answer_failure(c, &f, NULL);
	} else {
		if (!m->reader)
			audit(c, m->name, params);
		rc = m->run(c, params, &reply, &f);
		answer(c, rc, reply, &f);
	}
	json_decref(params);
	take_back(c, before);
}

static void serve(struct conn *c)
{
	const char *why = NULL;
	json_t *msg;

	/* One at a time: the next one when the answer is on its way. */
	while (!c->closing && !c->console && !c->waiting && c->out.len < OUT_MAX && (msg = rpc_next(&c->in, &why))) {
		call(c, msg);
		json_decref(msg);
		if (!flush(c))
			c->closing = true;
	}
	if (why) {
		struct failure f;

		fail(&f, EX_BAD_USAGE, NULL, "%s", why);
		answer_failure(c, &f, NULL);
		conn_end(c);
	}
}

static void ready(void *arg, uint32_t events)
{
	struct conn *c = arg;
	char buf[65536];
	ssize_t n;

	if (events & EPOLLIN) {
		n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			conn_free(c);
			return;
		}
		if (n > 0 && c->console) {
			console_type(c->console, c, buf, n);
		} else if (n > 0) {
			sb_add(&c->in.buf, buf, n);
			serve(c);
		}
	}
	if (!flush(c) || c->out.len > OUT_MAX || (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN))) {
		conn_free(c);
		return;
	}
	if (!c->out.len && c->in.buf.len && !c->console)
		serve(c);
	if (!c->closing)
		watch(c);
}

static void accept_one(int listener, bool reader)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	unsigned int nr = 0, readers = 0, of_user = 0;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct conn *c;

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
		close(fd);
		return;
	}
	for (c = conns; c; c = c->next) {
		nr++;
		readers += c->reader;
		of_user += c->reader && c->uid && c->uid == cred.uid;
	}
	if (nr >= MAX_CONNS || (reader && readers >= MAX_READERS) || (reader && of_user >= MAX_OF_USER)) {
		static const char busy[] = "{\"error\":\"org.vmi.Failed\",\"parameters\":{\"message\":"
					   "\"vmid has too many clients\",\"hint\":\"try again later\"}}";

		if (send(fd, busy, sizeof(busy), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			say(LOG_WARN, "too many clients");
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	c->reader = reader;
	c->uid = cred.uid;
	c->pid = cred.pid;
	c->in.max = reader ? RPC_MAX_READER : RPC_MAX;
	c->next = conns;
	conns = c;
	c->src = loop_add(fd, EPOLLIN, ready, c);
	if (!c->src)
		conn_free(c);
}

static void accept_full(void *arg, uint32_t events)
{
	(void)events;
	accept_one((int)(intptr_t)arg, false);
}

static void accept_reader(void *arg, uint32_t events)
{
	(void)events;
	accept_one((int)(intptr_t)arg, true);
}

void conn_listen(int fd, bool reader)
{
	loop_add(fd, EPOLLIN, reader ? accept_reader : accept_full, (void *)(intptr_t)fd);
}

void event(const struct domain *d, const char *what, const char *detail)
{
	char uuid[UUID_LEN];

	uuid_format(dom_config(d)->uuid, uuid);
	for (struct conn *c = conns; c; c = c->next) {
		if (!c->events || c->closing)
			continue;
		if (c->out.len > OUT_MAX / 4) {
			conn_end(c);		/* it does not read */
			continue;
		}
		conn_json(c, json_pack("{s:b, s:{s:s, s:s, s:s, s:s, s:I}}", "continues", 1, "parameters", "event", what,
				       "detail", detail, "domain", dom_name(d), "uuid", uuid, "time", (json_int_t)wall_s()));
	}
}
