// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpc.c - messages between vmi and vmid: see rpc.h.
 *
 * Trust: neither side trusts the other's bytes. Length and depth are bounded,
 * and what is no JSON object ends the connection.
 */
#include "rpc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct {
	int status;
	const char *name;
} errors[] = {
	{ EX_FAILED, "org.vmi.Failed" },
	{ EX_NO_OBJECT, "org.vmi.NoSuchDomain" },
	{ EX_BAD_CONFIG, "org.vmi.BadConfig" },
	{ EX_NO_DAEMON, "org.vmi.Denied" },
	{ EX_WRONG_STATE, "org.vmi.WrongState" },
	{ EX_TIMED_OUT, "org.vmi.TimedOut" },
	{ EX_BAD_USAGE, "org.varlink.service.InvalidParameter" },
};

const char *rpc_error_name(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (errors[i].status == status)
			return errors[i].name;
	}
	return errors[0].name;
}

int rpc_error_status(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (!strcmp(errors[i].name, name))
			return errors[i].status;
	}
	return EX_FAILED;
}

json_t *rpc_next(struct rpc_in *in, const char **why)
{
	struct strbuf *b = &in->buf;
	const char *end = b->len > in->scanned ? memchr(b->s + in->scanned, 0, b->len - in->scanned) : NULL;
	json_error_t err;
	json_t *msg;

	*why = NULL;
	if (!end) {
		in->scanned = b->len;
		if (b->len > in->max)
			*why = "the message is too long";
		return NULL;
	}
	if ((size_t)(end - b->s) > in->max) {
		*why = "the message is too long";
		return NULL;
	}
	/* Unpaired brackets would cost a stack frame each. */
	msg = json_loadb(b->s, end - b->s, JSON_REJECT_DUPLICATES, &err);
	sb_drop(b, end - b->s + 1);
	in->scanned = 0;
	if (!json_is_object(msg)) {
		json_decref(msg);
		*why = "the message is no JSON object";
		return NULL;
	}
	return msg;
}

void rpc_put(struct strbuf *out, const json_t *msg)
{
	char *text = json_dumps(msg, JSON_COMPACT);

	if (!text)
		return;
	sb_add(out, text, strlen(text) + 1);
	free(text);
}

struct client {
	int fd;
	struct rpc_in in;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

__attribute__((format(printf, 4, 5)))
static void *fail(struct client_error *e, int status, const char *hint, const char *fmt, ...)
{
	va_list ap;

	*e = (struct client_error){ .status = status, .hint = xstrdup(hint) };
	va_start(ap, fmt);
	if (vasprintf(&e->message, fmt, ap) < 0)
		e->message = NULL;
	va_end(ap);
	return NULL;
}

void client_error_free(struct client_error *e)
{
	free(e->message);
	free(e->hint);
	json_decref(e->messages);
	*e = (struct client_error){ 0 };
}

static int try_connect(struct client *c, const char *dir, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if ((size_t)snprintf(c->path, sizeof(c->path), "%s%s%s", dir, name ? "/" : "", name ? name : "") >= sizeof(c->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a.sun_path, c->path, sizeof(a.sun_path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -1;
	if (!connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
		return 0;
	close(c->fd);
	c->fd = -1;
	return -1;
}

struct client *client_open(const char *uri, bool read_only, struct client_error *e)
{
	struct client *c = xcalloc(1, sizeof(*c));
	const char *dir = SOCK_DIR;
	int rc;

	if (!uri)
		uri = getenv("VMI_CONNECT");
	c->fd = -1;
	c->in.max = RPC_MAX;
	if (uri && !strncmp(uri, "unix:", 5)) {
		rc = try_connect(c, uri + 5, NULL);
	} else {
		if (uri && *uri == '/')
			dir = uri;
		else if (uri && *uri && strcmp(uri, "vmi:///system") && strcmp(uri, "vmi:///") && strncmp(uri, "xen:///", 7)) {
			free(c);
			return fail(e, EX_NO_DAEMON, "there are vmi:///system, unix:/path/of/socket and the path of a folder with the sockets",
				    "cannot connect to \"%s\"", uri);
		}
		rc = read_only ? -1 : try_connect(c, dir, SOCK_NAME);
		/* Who may not change anything may still look. */
		if (rc && (read_only || errno == EACCES))
			rc = try_connect(c, dir, SOCK_NAME_RO);
	}
	if (rc) {
		int err = errno;

		fail(e, EX_NO_DAEMON, err == EACCES ? "run as root, or as a member of the group vmi" :
		     err == ENOENT || err == ECONNREFUSED ? "start the daemon: vmid (or: systemctl start vmid)" : NULL,
		     "cannot reach vmid at %s: %s", c->path, err == ENOENT || err == ECONNREFUSED ? "it is not running" : strerror(err));
		free(c);
		return NULL;
	}
	return c;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	close(c->fd);
	sb_free(&c->in.buf);
	free(c);
}

int client_fd(struct client *c, struct strbuf **rest)
{
	*rest = &c->in.buf;
	return c->fd;
}

const char *client_path(const struct client *c)
{
	return c->path;
}

static void *lost(struct client_error *e)
{
	return fail(e, EX_NO_DAEMON, "domains go on without it; start it again, and repeat the command",
		    "vmid ended the connection before it answered");
}

bool client_send(struct client *c, const char *method, json_t *params, const char *flag, struct client_error *e)
{
	json_t *msg = json_pack("{s:s, s:o}", "method", method, "parameters", params ? params : json_object());
	struct strbuf out = { 0 };
	size_t sent = 0;

	if (flag)
		json_object_set_new(msg, flag, json_true());
	rpc_put(&out, msg);
	json_decref(msg);
	while (sent < out.len) {
		ssize_t n = send(c->fd, out.s + sent, out.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sent += n;
	}
	/* If it refused to read all, its answer says why. */
	if (sent < out.len && errno != EPIPE && errno != ECONNRESET) {
		fail(e, EX_NO_DAEMON, NULL, "vmid: %s", strerror(errno));
		sb_free(&out);
		return false;
	}
	sb_free(&out);
	return true;
}

static json_t *answer(json_t *msg, bool *more, struct client_error *e)
{
	const char *error = json_string_value(json_object_get(msg, "error"));
	json_t *params = json_object_get(msg, "parameters");

	*more = json_is_true(json_object_get(msg, "continues"));
	if (error) {
		const char *text = json_string_value(json_object_get(params, "message"));

		fail(e, rpc_error_status(error), json_string_value(json_object_get(params, "hint")), "%s", text ? text : error);
		e->messages = json_incref(json_object_get(params, "messages"));
		json_decref(msg);
		return NULL;
	}
	params = params ? json_incref(params) : json_object();
	json_decref(msg);
	return params;
}

json_t *client_next(struct client *c, int timeout_ms, bool *more, struct client_error *e)
{
	uint64_t until = now_ns() + timeout_ms * 1000000ull;

	*more = false;
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		const char *why;
		json_t *msg = rpc_next(&c->in, &why);
		char buf[65536];
		ssize_t n;
		int rc;

		if (msg)
			return answer(msg, more, e);
		if (why)
			return fail(e, EX_NO_DAEMON, NULL, "vmid: %s", why);
		if (timeout_ms >= 0) {
			uint64_t now = now_ns();

			rc = now >= until ? 0 : poll(&p, 1, (until - now) / 1000000 + 1);
			if (rc < 0 && errno == EINTR)
				continue;
			if (!rc)
				return fail(e, EX_TIMED_OUT, NULL, "timed out after %g s", timeout_ms / 1000.0);
		}
		n = recv(c->fd, buf, sizeof(buf), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return lost(e);
		sb_add(&c->in.buf, buf, n);
	}
}

json_t *client_call(struct client *c, const char *method, json_t *params, struct client_error *e)
{
	bool more;

	if (!client_send(c, method, params, NULL, e))
		return NULL;
	return client_next(c, -1, &more, e);
}
