// SPDX-License-Identifier: GPL-2.0-only
/*
 * console.c - the consoles of domains: every byte goes to a log, to the last
 * screens kept for who connects, and to the client that is connected.
 *
 * Trust: a guest prints what it likes, as fast as it likes: one read a turn,
 * a bounded log, and a client that does not keep up loses bytes, not vmid.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmid.h"

#define TAIL_MAX	16384		/* kept for who connects */
#define TYPED_MAX	65536		/* not yet taken by the guest */
#define CLIENT_MAX	(1u << 20)	/* not yet taken by the client */

struct console {
	int fd;
	struct source *src;
	struct logfile log;
	struct strbuf tail, typed;
	struct conn *client;
};

static void take_typed(struct console *k)
{
	while (k->typed.len) {
		ssize_t n = write(k->fd, k->typed.s, k->typed.len);

		if (n <= 0)
			break;
		sb_drop(&k->typed, n);
	}
	loop_set(k->src, EPOLLIN | (k->typed.len ? EPOLLOUT : 0));
}

static void stop_reading(struct console *k)
{
	loop_del(k->src);
	k->src = NULL;
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

static void ready(void *arg, uint32_t events)
{
	struct domain *d = arg;
	struct console *k = d->console;
	char buf[16384];
	ssize_t n;

	if (events & EPOLLOUT)
		take_typed(k);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = read(k->fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stop_reading(k);
		return;
	}
	logfile_add(&k->log, buf, n);
	sb_add(&k->tail, buf, n);
	if (k->tail.len > 2 * TAIL_MAX)
		sb_drop(&k->tail, k->tail.len - TAIL_MAX);
	if (k->client && k->client->out.len < CLIENT_MAX)
		conn_send(k->client, buf, n);
}

void console_open(struct domain *d)
{
	struct hv_error err = { "" };
	struct console *k = xcalloc(1, sizeof(*k));
	int fd = vmid.ops->console(vmid.hv, d->domid, &err);

	k->log.fd = -1;
	if (fd < 0) {
		say(LOG_WARN, "domain %s: no console: %s", dom_name(d), err.text);
		free(k);
		return;
	}
	k->fd = fd;
	d->console = k;
	logfile_open(&k->log, dom_name(d), "console.log");
	k->src = loop_add(fd, EPOLLIN, ready, d);
}

void console_close(struct domain *d, const char *last_words)
{
	struct console *k = d->console;

	if (!k)
		return;
	/* What it said last is often why it ended. */
	while (k->src && k->fd >= 0) {
		struct source *src = k->src;
		size_t before = k->tail.len;

		ready(d, EPOLLIN);
		if (k->src != src || k->tail.len == before)
			break;
	}
	if (k->client) {
		struct conn *c = k->client;

		if (last_words)
			conn_send(c, last_words, strlen(last_words));
		c->console = NULL;
		k->client = NULL;
		conn_end(c);
	}
	stop_reading(k);
	logfile_close(&k->log);
	sb_free(&k->tail);
	sb_free(&k->typed);
	free(k);
	d->console = NULL;
}

int console_attach(struct domain *d, struct conn *c, bool force, bool replay, struct failure *f)
{
	struct console *k = d->console;
	const char *from;

	if (!k)
		return fail(f, EX_FAILED, "see the daemon's log", "domain '%s' has no console", dom_name(d));
	if (k->client && !force)
		return fail(f, EX_WRONG_STATE, "take it over: --force", "someone else is at the console of '%s'", dom_name(d));
	if (k->client) {
		struct conn *old = k->client;

		old->console = NULL;
		conn_send(old, "\r\n[taken over]\r\n", 16);
		conn_end(old);
	}
	k->client = c;
	c->console = d;
	if (!k->tail.len)
		return 0;
	/* At least the line that the cursor is in. */
	from = replay ? NULL : memrchr(k->tail.s, '\n', k->tail.len);
	from = from ? from + 1 : k->tail.s;
	sb_add(&c->out, from, k->tail.s + k->tail.len - from);
	return 0;
}

void console_detach(struct domain *d, struct conn *c)
{
	if (d->console && d->console->client == c)
		d->console->client = NULL;
	c->console = NULL;
}

void console_type(struct domain *d, struct conn *c, const char *data, size_t len)
{
	struct console *k = d->console;

	(void)c;
	if (!k || !k->src)
		return;
	if (k->typed.len + len <= TYPED_MAX)
		sb_add(&k->typed, data, len);
	take_typed(k);
}
