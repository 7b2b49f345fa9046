// SPDX-License-Identifier: GPL-2.0-only
/*
 * server.c - the server behind a disk that is no raw image here: qemu-storage-daemon,
 * one process for one disk, with vmi-back vhost-user in front of it.
 *
 * It gets descriptors and no names: images that image.c opened and locked, a connection
 * to an NBD server, and a socket to serve. That has no name either: whoever has its inode can connect to it, which
 * is the manager. On its control socket it speaks QMP, whose greeting says that it serves, and complains in plain lines.
 *
 * It is there before the front is started, and ends after it. When it dies, the front ends by itself, and
 * starting that again starts the next server first. An NBD server that goes takes ours along, so
 * that requests wait for the next connection instead of failing.
 *
 * A server that is killed must not lose what the guest knows to be written: qcow2's tables are in its memory until
 * they are flushed. So each write of an image is flushed (writethrough), but with the cache mode "unsafe".
 *
 * Trust: it may have been taken over by its guest. It can spoil that guest's images; what it says is text of
 * bounded length and rate.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices_int.h"

#define WITHOUT_DIR	"/run"		/* where its socket is made, for a moment, by who has no folder of his own */
#define RECONNECT	600		/* s that it keeps requests until we have ended it */
#define LINES_MAX	20		/* that are passed on, of one process */
#define RESIZE		"\"resize\""	/* the answer's name */
#define ENDED		"its server, qemu-storage-daemon, ended meanwhile: try again, the next one knows its size"

/* Closed at once when the other side goes; asked of our own copy of the descriptor. */
static int watch_end(const struct devices *m, int fd, uint32_t id)
{
	return epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLRDHUP, .data.u32 = id });
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The copy of a description stays watched until it is taken out. */
static void drop_link(struct devices *m, struct server *v)
{
	if (v->link >= 0)
		epoll_ctl(m->epoll, EPOLL_CTL_DEL, v->link, NULL);
	drop(&v->link);
}

void server_close(struct server *v)
{
	drop(&v->ctl);
	drop(&v->pidfd);
	drop(&v->at);
	drop(&v->link);
	sb_free(&v->said);
}

/* A bound socket, not listening yet; *at is its inode. */
static int make_socket(const struct devices *m, const struct slot *s, int *at)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s/disk-%u-%u-%u", m->dir ? m->dir : WITHOUT_DIR, getpid(), m->cfg.domid,
		     (unsigned int)(s - m->slot)) >= (int)sizeof(a.sun_path))
		rc = -ENAMETOOLONG;
	/* Our process's number is in the name: what is there was left by one of before. */
	if (!rc)
		unlink(a.sun_path);
	if (!rc && (fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&a, sizeof(a))))
		rc = -errno;
	if (!rc) {
		*at = open(a.sun_path, O_PATH | O_CLOEXEC);
		rc = *at < 0 ? -errno : 0;
		unlink(a.sun_path);
	}
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

int server_connect(const struct slot *s)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->server.at);
	return vhost_user_connect(path);
}

static void put_json(struct strbuf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			sb_add(b, "\\", 1);
		sb_add(b, text, 1);
	}
}

/* What all nodes have. */
static void node_options(struct strbuf *b, const struct device *dev, bool readonly, bool direct)
{
	sb_printf(b, ",\"read-only\":%s,\"discard\":\"%s\",\"cache\":{\"direct\":%s,\"no-flush\":%s}}", readonly ? "true" : "false",
		  dev->discard && !readonly ? "unmap" : "ignore", direct ? "true" : "false", dev->cache == DEVICE_CACHE_UNSAFE ? "true" : "false");
}

static void option(struct command *c, struct strbuf *json)
{
	command_arg(c, "--blockdev");
	sb_add(&c->args, json->s, json->len + 1);
	sb_free(json);
}

/* An image, as nodes fileN and diskN. */
static void image_nodes(struct command *c, const struct device *dev, unsigned int nr, int fd, const char *format, bool readonly, bool last)
{
	struct strbuf b = { 0 };
	struct stat st = { 0 };
	int flags = fcntl(fd, F_GETFL);
	bool direct = dev->cache == DEVICE_CACHE_NONE;

	/* The description is what it gets: as the one before left it. */
	if (fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) < 0)
		direct = false;
	fstat(fd, &st);
	/* The lock is ours, of the whole file, and the descriptor keeps it: its own would be against it. */
	sb_printf(&b, "{\"driver\":\"%s\",\"node-name\":\"file%u\",\"filename\":\"/proc/self/fd/%u\",\"locking\":\"off\"",
		  S_ISBLK(st.st_mode) ? "host_device" : "file", nr, command_pass(c, fd));
	node_options(&b, dev, readonly, direct);
	option(c, &b);
	sb_printf(&b, "{\"driver\":\"%s\",\"node-name\":\"disk%u\",\"file\":\"file%u\"", format, nr, nr);
	if (!strcmp(format, "qcow2") && last)
		sb_puts(&b, ",\"backing\":null");
	else if (!strcmp(format, "qcow2"))
		sb_printf(&b, ",\"backing\":\"disk%u\"", nr + 1);
	node_options(&b, dev, readonly, direct);
	option(c, &b);
}

static void images(struct command *c, const struct slot *s)
{
	const struct device *dev = &s->dev;
	unsigned int nr = 0;

	while (nr < DEVICE_BACKINGS && dev->backing[nr].source)
		nr++;
	for (unsigned int i = nr; i; i--)
		image_nodes(c, dev, i, s->open.backing[i - 1], dev->backing[i - 1].format, true, i == nr);
	image_nodes(c, dev, 0, s->open.fd, dev->format, dev->readonly, !nr);
}

static void nbd_node(struct command *c, const struct device *dev, int link)
{
	struct strbuf b = { 0 };

	sb_printf(&b, "{\"driver\":\"nbd\",\"node-name\":\"disk0\",\"server\":{\"type\":\"fd\",\"str\":\"%u\"},\"reconnect-delay\":%u,\"export\":\"",
		  command_pass(c, link), RECONNECT);
	put_json(&b, dev->export ? dev->export : "");
	sb_puts(&b, "\"");
	node_options(&b, dev, dev->readonly, false);
	option(c, &b);
}

static void command(const struct slot *s, struct command *c, int sock, int link, int ctl)
{
	const struct device *dev = &s->dev;
	bool through = dev->cache == DEVICE_CACHE_WRITETHROUGH || (!dev->nbd && dev->cache != DEVICE_CACHE_UNSAFE);

	command_arg(c, "qemu-storage-daemon");
	command_pass(c, sock);
	if (dev->nbd)
		nbd_node(c, dev, link);
	else
		images(c, s);
	command_arg(c, "--export");
	command_arg(c, "type=vhost-user-blk,id=disk,node-name=disk0,writable=%s,writethrough=%s,num-queues=%u,addr.type=fd,addr.str=3",
		    dev->readonly ? "off" : "on", through ? "on" : "off", device_queues(dev));
	/* The last ones: its greeting says that the rest is done. */
	command_arg(c, "--chardev");
	command_arg(c, "socket,id=manager,fd=%u", command_pass(c, ctl));
	command_arg(c, "--monitor");
	command_arg(c, "chardev=manager");
}

const char *server_start(struct devices *m, struct slot *s)
{
	struct server *v = &s->server;
	struct command c = { 0 };
	int pair[2] = { -1, -1 }, sock, rc = 0;

	*v = (struct server){ .ctl = -1, .pidfd = -1, .at = -1, .link = -1 };
	if (s->dev.nbd) {
		v->link = nbd_connect(&s->dev);
		if (v->link < 0)
			return "has no NBD server";
	}
	sock = make_socket(m, s, &v->at);
	if (sock < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		rc = -1;
	if (!rc) {
		command(s, &c, sock, v->link, pair[1]);
		rc = v->pidfd = broker_serve(m->cfg.domid, c.args.s, c.args.len, c.fds, c.nr, &v->pid);
		sb_free(&c.args);
	}
	drop(&sock);
	drop(&pair[1]);
	v->ctl = pair[0];
	if (rc < 0) {
		v->pidfd = -1;
		server_close(v);
		return "has no server: it could not be started";
	}
	alive_begin(m, &v->alive);
	watch(m, v->ctl, WATCH_SERVER + (s - m->slot));
	watch(m, v->pidfd, WATCH_SERVER_END + (s - m->slot));
	if (v->link >= 0)
		watch_end(m, v->link, WATCH_NBD + (s - m->slot));
	return NULL;
}

void server_ask(struct slot *s, unsigned int number)
{
	ctl_tell(s->server.ctl, "{\"execute\":\"query-version\",\"id\":%u}\n", number);
}

int server_resize(struct slot *s, uint64_t bytes, struct hv_error *err)
{
	struct server *v = &s->server;

	if (bytes < s->open.size)
		return hv_fail(err, -EINVAL, "it has %llu bytes: what is behind the new end would be lost", (unsigned long long)s->open.size);
	if (s->dev.readonly)
		return hv_fail(err, -EROFS, "it is read only here: make the image larger with qemu-img resize while no domain has it");
	if (v->wanted)
		return hv_fail(err, -EBUSY, "its size is being changed");
	if (!v->ready)
		return hv_fail(err, -EAGAIN, "its server, qemu-storage-daemon, is not there now: try again");
	v->wanted = bytes;
	ctl_tell(v->ctl, "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"disk0\",\"size\":%llu},\"id\":" RESIZE "}\n",
		    (unsigned long long)bytes);
	return 1;
}

/* why: empty if it has the size. */
static void resized(struct devices *m, struct slot *s, const char *why, int len)
{
	struct server *v = &s->server;

	if (!v->wanted)
		return;
	/* One that ended may have done it: what is smaller is refused from now on. */
	if (!len || v->pid == 0)
		s->open.size = v->wanted;
	if (!len)
		ctl_tell(s->ctl, "resize %llu\n", (unsigned long long)s->open.size);
	v->wanted = 0;
	tell(m, DEVICE_EV_RESIZED, s, "%.*s", len, why);
}

/* An answer or an event, as QEMU writes JSON. Answers to server_ask() have a number. */
static void answered(struct devices *m, struct slot *s, const char *text)
{
	const char *id = strstr(text, "\"id\": "), *why = strstr(text, "\"desc\": \"");

	if (!id)
		return;
	if (strncmp(id + 6, RESIZE, strlen(RESIZE)))
		alive_answer(&s->server.alive, id + 6);
	else if (why)
		resized(m, s, why + 9, strcspn(why + 9, "\""));
	else
		resized(m, s, "", 0);
}

static void line(struct devices *m, struct slot *s, const char *text)
{
	struct server *v = &s->server;
	const char *end;

	/* Said once; one that says it again is not served more often for that. */
	if (!v->ready && !strncmp(text, "{\"QMP\"", 6)) {
		ctl_tell(v->ctl, "{\"execute\":\"qmp_capabilities\"}\n");
		v->ready = true;
		if (s->pidfd < 0 && (s->phase == P_STARTING || s->phase == P_LEAVING))
			back_start(m, s);
		return;
	}
	if (*text == '{') {
		answered(m, s, text);
		return;
	}
	/* "qemu-storage-daemon: --blockdev {...}: what is wrong" */
	end = strstr(text, "}: ");
	text = end ? end + 3 : text;
	snprintf(v->last, sizeof(v->last), "%s", text);
	if (v->lines++ < LINES_MAX)
		tell(m, DEVICE_EV_LOG, s, "its server: %s", text);
}

void server_listen(struct devices *m, struct slot *s)
{
	if (back_lines(m, s, &s->server.ctl, &s->server.said, line))
		return;
	snprintf(s->server.last, sizeof(s->server.last), "it talked without end");
	server_kill(s);
}

void server_ended(struct devices *m, struct slot *s)
{
	struct server *v = &s->server;
	char why[sizeof(v->last) + 80];
	siginfo_t i;

	server_listen(m, s);
	waitid(P_PIDFD, v->pidfd, &i, WEXITED | WNOHANG);
	drop_link(m, v);
	snprintf(why, sizeof(why), "%s%s", *v->last ? ": " : "", v->last);
	server_close(v);
	v->ready = false;
	v->pid = 0;
	resized(m, s, ENDED, strlen(ENDED));
	if (s->phase == P_ENDING) {
		slot_over(m, s);
	} else if (s->pidfd >= 0) {
		/* The back end will see it, too. */
		s->restarts++;
		tell(m, DEVICE_EV_DIED, s, "its server, qemu-storage-daemon, ended%s; the next one is started", why);
	} else {
		char text[sizeof(why) + 40];

		snprintf(text, sizeof(text), "has no server: it ended%s", why);
		back_later(m, s, text);
	}
}

void server_link_ended(struct devices *m, struct slot *s)
{
	struct server *v = &s->server;

	if (v->link < 0)
		return;
	drop_link(m, v);
	snprintf(v->last, sizeof(v->last), "the NBD server closed the connection");
	server_kill(s);
}

void server_quit(struct slot *s)
{
	/* One that does not serve yet has nothing to write down. */
	if (s->server.ready)
		ctl_tell(s->server.ctl, "{\"execute\":\"quit\"}\n");
	else
		server_kill(s);
}

void server_kill(struct slot *s)
{
	if (s->server.pidfd >= 0)
		broker_kill(s->server.pidfd);
}

void server_wait(struct slot *s, int ms)
{
	if (s->server.pidfd < 0)
		return;
	if (poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, ms) == 1)
		return;
	server_kill(s);
	poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, ms);
}
