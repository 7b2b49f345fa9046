// SPDX-License-Identifier: GPL-2.0-only
/*
 * back.c - the back end of a device: how it is started, what it says, and that
 * it is started again when it dies.
 *
 * It gets descriptors and no names (docs/io.md). A successor gets the same: what was
 * in flight is in the state file, and the guest notices a pause. One that dies
 * as soon as it serves is started more and more slowly, but never given up: the cause
 * may go away (memory, a disk that comes back). One that hangs is killed (alive.c).
 *
 * Trust: a back end may have been taken over by its guest. Of what it says only
 * `ready` and `alive` mean something, and a balloon's `given` lets the domain have less, never
 * less than its target; the rest is text of bounded length and rate.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/virtio_ids.h>

#include "devices_int.h"

#define LINE_LONGEST	1024
#define LIMITS_TEXT	(DEVICE_LIMITS * 21)
#define AT_ONCE		(512 << 10)	/* a socket holds less: who said so much is talking while it is read */
#define LINES_MAX	20		/* in LINES_TIME */
#define LINES_TIME	(10 * SECOND)
#define SOUND		SECOND		/* one that served so long died of something else */
#define DEATHS_SAID	5
#define SLOWEST		(10 * SECOND)

unsigned int command_pass(struct command *c, int fd)
{
	c->fds[c->nr] = fd;
	return 3 + c->nr++;
}

void command_arg(struct command *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sb_add(&c->args, text, strlen(text) + 1);
}

/* Servers' devices are disks (check.c). */
static bool is_disk(const struct device *dev)
{
	return dev->kind == DEVICE_BLOCK || dev->kind == DEVICE_SERVED || dev->kind == DEVICE_VHOST_USER;
}

/* As vmi-back takes them. */
static const char *limits_text(const struct device_limits *l, char text[LIMITS_TEXT])
{
	for (unsigned int i = 0, n = 0; i < DEVICE_LIMITS; i++)
		n += snprintf(text + n, LIMITS_TEXT - n, "%s%lu", i ? "," : "", l->of[i]);
	return text;
}

/* conn: what is to be closed when the back end has it. */
static int net_args(struct devices *m, struct command *c, struct slot *s, int conn[PAIRS_MAX])
{
	const struct device *dev = &s->dev;
	int rc = dev->slirp ? user_net_start(m, s, c, conn) : 0;

	if (rc)
		return rc;
	for (unsigned int i = 0; !dev->slirp && i <= s->open.nr_more; i++)
		command_arg(c, "tap=%u", command_pass(c, i ? s->open.more[i - 1] : s->open.fd));
	command_arg(c, "mac=%02x:%02x:%02x:%02x:%02x:%02x", dev->mac[0], dev->mac[1], dev->mac[2], dev->mac[3], dev->mac[4], dev->mac[5]);
	if (s->open.mtu)
		command_arg(c, "mtu=%u", s->open.mtu);
	command_arg(c, "link=%d", link_is_up(s));
	if (dev->in.average)
		command_arg(c, "in=%lu,%lu,%lu", dev->in.average, dev->in.peak, dev->in.burst);
	if (dev->out.average)
		command_arg(c, "out=%lu,%lu,%lu", dev->out.average, dev->out.peak, dev->out.burst);
	/* Anew each time: they belong to the process that uses them first. */
	for (unsigned int i = 0; s->open.vhost && i <= s->open.nr_more; i++) {
		conn[i] = broker_vhost();
		if (conn[i] < 0)
			return conn[i];
		command_arg(c, "vhost=%u", command_pass(c, conn[i]));
	}
	return 0;
}

static int kind_args(struct devices *m, struct command *c, struct slot *s, int conn[PAIRS_MAX])
{
	const struct device *dev = &s->dev;
	char text[LIMITS_TEXT];

	if (is_disk(dev))
		command_arg(c, "limits=%s", limits_text(&dev->limits, text));
	switch (dev->kind) {
	case DEVICE_BLOCK:
		command_arg(c, "file=%u", command_pass(c, s->open.fd));
		command_arg(c, "readonly=%d", dev->readonly);
		command_arg(c, "cache=%s", device_cache_names[dev->cache]);
		command_arg(c, "discard=%d", dev->discard);
		command_arg(c, "errors=%s", device_policy_names[dev->errors ? dev->errors : DEVICE_POLICY_ENOSPACE]);
		command_arg(c, "rerrors=%s", device_policy_names[dev->rerrors ? dev->rerrors : DEVICE_POLICY_REPORT]);
		if (dev->serial)
			command_arg(c, "serial=%s", dev->serial);
		break;
	case DEVICE_NET:
		return net_args(m, c, s, conn);
	case DEVICE_CONSOLE:
		command_arg(c, "pty=%u", command_pass(c, s->open.fd));
		break;
	case DEVICE_RNG:
		command_arg(c, "file=%u", command_pass(c, s->open.fd));
		break;
	case DEVICE_BALLOON:
		command_arg(c, "target=%lu", device_balloon(m, dev));
		command_arg(c, "release=%u", command_pass(c, s->open.fd));
		break;
	case DEVICE_VHOST_USER:
	case DEVICE_SERVED:
		*conn = dev->kind == DEVICE_SERVED ? server_connect(s) : vhost_user_connect(dev->source);
		if (*conn < 0)
			return *conn;
		command_arg(c, "socket=%u", command_pass(c, *conn));
		command_arg(c, "device=%u", VIRTIO_ID_BLOCK);
		command_arg(c, "patience=%u", m->cfg.patience);
		/* Of our own server's disk without one: none, as other disks have. That server's is the same for all. */
		if (dev->serial || dev->kind == DEVICE_SERVED)
			command_arg(c, "serial=%s", dev->serial ? dev->serial : "");
		if (dev->kind == DEVICE_SERVED && !dev->nbd)
			command_arg(c, "size=%llu", (unsigned long long)s->open.size);
		break;
	default:
		break;
	}
	return 0;
}

static void common_args(const struct devices *m, struct slot *s, struct command *c)
{
	char text[512];
	int n = 0;

	command_arg(c, "slot=%u", command_pass(c, s->page_fd));
	for (unsigned int i = 0; i < VMI_BUS_WINDOWS; i++) {
		if (m->window_size[i])
			command_arg(c, "mem=%#lx:%lu:%u", m->window_gpa[i], m->window_size[i], command_pass(c, m->window_fd[i]));
	}
	for (unsigned int i = 0; i < s->nr_ports; i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%u:%u", i ? "," : "", s->port[i], command_pass(c, s->port_fd[i]));
	command_arg(c, "ports=%s", text);
	command_arg(c, "state=%u", command_pass(c, s->state_fd));
	command_arg(c, "share=%s", m->cfg.share_full ? "full" : "bounce");
	if (s->dev.queues)
		command_arg(c, "queues=%u", s->dev.queues);
}

/* A device that leaves goes on leaving, whatever its back end does. */
static void set_phase(struct slot *s, enum phase to)
{
	if (s->phase != P_LEAVING)
		s->phase = to;
}

void back_later(struct devices *m, struct slot *s, const char *why)
{
	/* Who restarted a server is not to wait for us, too. */
	uint64_t now = now_ns(), wait, slowest = s->dev.kind == DEVICE_VHOST_USER ? SECOND : SLOWEST;

	if (s->ready_at && now - s->ready_at > SOUND)
		s->deaths = 0;
	s->ready_at = 0;
	s->deaths++;
	wait = SECOND / 10 << (s->deaths > 7 ? 7 : s->deaths - 1);
	s->start_at = now + (wait > slowest ? slowest : wait);
	set_phase(s, P_BACKOFF);
	if (s->deaths <= DEATHS_SAID)
		tell(m, DEVICE_EV_DIED, s, "its back end %s%s", why, s->deaths < DEATHS_SAID ? "; it is started again" :
		     " again and again; it is started again every few seconds, the guest waits");
}

/* To ask whether a vhost-user server is there costs little: often, and said once. */
static void no_server(struct devices *m, struct slot *s, int rc)
{
	s->start_at = now_ns() + SECOND / 4;
	set_phase(s, P_BACKOFF);
	if (!s->serverless)
		tell(m, DEVICE_EV_ERROR, s, "nobody serves %s (%s): what the guest asks of this disk waits until its server is started again there",
		     s->dev.source, strerror(-rc));
	s->serverless = true;
}

/* What a device of the guest's needs may come back: an image, a bridge. */
static bool open_again(struct devices *m, struct slot *s)
{
	struct hv_error err;
	char why[sizeof(err.text) + 32];

	s->unopened = slot_open(m, s, true, &err);
	if (!s->unopened)
		return true;
	snprintf(why, sizeof(why), "cannot be started: %s", err.text);
	back_later(m, s, why);
	return false;
}

void back_start(struct devices *m, struct slot *s)
{
	struct command c = { 0 };
	int pair[2], conn[PAIRS_MAX], rc;

	memset(conn, -1, sizeof(conn));
	s->start_at = 0;
	if (s->unopened && !open_again(m, s))
		return;
	if (s->dev.kind == DEVICE_SERVED && !s->server.ready) {
		const char *why = s->server.pidfd < 0 ? server_start(m, s) : NULL;

		/* It goes on here when that serves. */
		if (why)
			back_later(m, s, why);
		else
			set_phase(s, P_STARTING);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
		back_later(m, s, "cannot be talked to");
		return;
	}
	command_arg(&c, "vmi-back");
	command_arg(&c, "%s", device_kind_names[s->dev.kind]);
	common_args(m, s, &c);
	rc = kind_args(m, &c, s, conn);
	/* The last one, as broker/do.c expects it. */
	command_arg(&c, "ctl=%u", command_pass(&c, pair[1]));
	if (!rc)
		rc = s->pidfd = broker_spawn(m->cfg.domid, c.args.s, c.args.len, c.fds, c.nr, &s->pid);
	sb_free(&c.args);
	close(pair[1]);
	for (unsigned int i = 0; i < PAIRS_MAX && conn[i] >= 0; i++)
		close(conn[i]);
	if (rc < 0) {
		close(pair[0]);
		user_net_end(m, s);
		s->pidfd = -1;
		s->pid = 0;
		if (conn[0] < 0 && s->dev.kind == DEVICE_VHOST_USER)
			no_server(m, s, rc);
		else
			back_later(m, s, "could not be started");
		return;
	}
	s->ctl = pair[0];
	set_phase(s, P_STARTING);
	alive_begin(m, &s->alive);
	watch(m, s->ctl, WATCH_CTL + (s - m->slot));
	watch(m, s->pidfd, WATCH_END + (s - m->slot));
}

/* The guest has given up so many pages: it needs no more than the rest. */
static void balloon_given(const struct devices *m, const struct slot *s, uint64_t pages)
{
	uint64_t rest = pages < m->cfg.memory >> 12 ? m->cfg.memory - (pages << 12) : 0;

	/* What it holds beyond that (lent pages cannot be given) keeps the limit where it is. */
	if (s->dev.target && s->dev.target < m->cfg.memory && !m->cfg.simulate)
		broker_budget(m->cfg.domid, rest > s->dev.target ? rest : s->dev.target);
}

void back_said(struct devices *m, struct slot *s, const char *text)
{
	uint64_t now = now_ns();

	if (now - s->lines_at > LINES_TIME) {
		s->lines_at = now;
		s->lines = 0;
	}
	if (++s->lines > LINES_MAX)
		return;
	if (s->dev.kind == DEVICE_BALLOON && !strncmp(text, "given ", 6))
		balloon_given(m, s, strtoull(text + 6, NULL, 10));
	else if (!strncmp(text, "error ", 6))
		tell(m, DEVICE_EV_ERROR, s, "%s", text + 6);
	else
		tell(m, DEVICE_EV_LOG, s, "%s", strncmp(text, "log ", 4) ? text : text + 4);
}

static void line(struct devices *m, struct slot *s, const char *text)
{
	if (!strcmp(text, "ready")) {
		if (!s->ready_at && (s->phase == P_STARTING || s->phase == P_LEAVING)) {
			set_phase(s, P_RUNNING);
			s->ready_at = now_ns();
			if (s->serverless)
				tell(m, DEVICE_EV_LOG, s, "its server is there again");
			s->serverless = false;
			slot_present(m, s);
		}
		return;
	}
	if (!strncmp(text, "alive ", 6))
		alive_answer(&s->alive, text + 6);
	else
		back_said(m, s, text);
}

bool back_lines(struct devices *m, struct slot *s, int *fd, struct strbuf *said, void (*line)(struct devices *, struct slot *, const char *))
{
	char buf[LINE_LONGEST], *nl;
	ssize_t n = -1;

	for (size_t all = 0; *fd >= 0 && (n = recv(*fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0; all += n) {
		if (all > AT_ONCE)
			return false;
		for (ssize_t i = 0; i < n; i++)
			buf[i] = buf[i] == '\n' || (buf[i] >= ' ' && buf[i] < 127) ? buf[i] : '?';
		sb_add(said, buf, n);
		while ((nl = memchr(said->s, '\n', said->len))) {
			*nl = 0;
			line(m, s, said->s);
			sb_drop(said, nl + 1 - said->s);
		}
		if (said->len > LINE_LONGEST)
			sb_drop(said, said->len);
	}
	/* Its end is told by the pidfd. */
	if (*fd >= 0 && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))) {
		close(*fd);
		*fd = -1;
	}
	return true;
}

void back_listen(struct devices *m, struct slot *s)
{
	if (back_lines(m, s, &s->ctl, &s->said, line))
		return;
	tell(m, DEVICE_EV_ERROR, s, "its back end talks without end: it is killed, and another one goes on");
	back_kill(s);
}

bool back_is_over(const struct slot *s)
{
	return poll(&(struct pollfd){ .fd = s->pidfd, .events = POLLIN }, 1, 0) == 1;
}

void pidfd_wait(int pidfd, int ms)
{
	siginfo_t i;

	if (pidfd >= 0 && poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, ms) == 1)
		waitid(P_PIDFD, pidfd, &i, WEXITED | WNOHANG);
}

void back_ended(struct devices *m, struct slot *s)
{
	siginfo_t i = { 0 };
	char why[64] = "ended";

	back_listen(m, s);
	/* Not ours to wait for, where the broker started it. */
	if (!waitid(P_PIDFD, s->pidfd, &i, WEXITED | WNOHANG)) {
		if (i.si_code == CLD_EXITED)
			snprintf(why, sizeof(why), "ended with status %d", i.si_status);
		else if (i.si_pid)
			snprintf(why, sizeof(why), "was ended by signal %d", i.si_status);
	}
	if (s->ctl >= 0)
		close(s->ctl);
	close(s->pidfd);
	s->ctl = s->pidfd = -1;
	s->pid = 0;
	sb_free(&s->said);
	user_net_end(m, s);
	if (s->phase == P_ENDING) {
		slot_over(m, s);
		return;
	}
	s->restarts++;
	back_later(m, s, why);
}

void back_kill(struct slot *s)
{
	if (s->pidfd >= 0)
		broker_kill(s->pidfd);
}

void back_ask(struct slot *s, unsigned int number)
{
	ctl_tell(s->ctl, "alive %u\n", number);
}

void ctl_tell(int ctl, const char *fmt, ...)
{
	char text[LIMITS_TEXT + 16];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* It fits, or the program is stuck; then its next one will be told by its command line. */
	if (ctl >= 0)
		(void)!send(ctl, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int devices_set_limits(struct devices *m, const char *name, const struct device_limits *limits, struct hv_error *err)
{
	struct slot *s = slot_find(m, name);
	char text[LIMITS_TEXT];

	if (!s || !is_disk(&s->dev))
		return hv_fail(err, -ENOENT, "there is no disk %s", name);
	s->dev.limits = *limits;
	ctl_tell(s->ctl, "limits %s\n", limits_text(limits, text));
	return 0;
}

int devices_set_rates(struct devices *m, const char *name, const struct device_rate *in, const struct device_rate *out, struct hv_error *err)
{
	struct slot *s = slot_find(m, name);

	if (!s || s->dev.kind != DEVICE_NET)
		return hv_fail(err, -ENOENT, "there is no interface %s that is served here", name);
	if (s->open.vhost && (in->average || out->average))
		return hv_fail(err, -EBUSY, "the kernel's vhost-net moves its frames, and keeps no limits: detach it and attach it with <bandwidth>, or change "
			       "the definition (--config)");
	s->dev.in = *in;
	s->dev.out = *out;
	ctl_tell(s->ctl, "in %lu,%lu,%lu\nout %lu,%lu,%lu\n", in->average, in->peak, in->burst, out->average, out->peak, out->burst);
	return 0;
}
