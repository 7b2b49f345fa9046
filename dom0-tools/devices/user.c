// SPDX-License-Identifier: GPL-2.0-only
/*
 * user.c - vmi-user-net, which brings a network card of the type user where the programs of domain 0 get.
 *
 * It and the card's back end have a socket in common; when one of them ends, so does the other, and the manager starts
 * both anew. It has a control socket of its own: on that it is asked whether it lives (alive.c) and says what is
 * wrong, and when it is closed here, also by our end, it ends.
 *
 * Ports of domain 0 that lead to the guest are opened here, once, when the card is attached: so they fail then, nobody
 * else gets them while it is there, and who connects while vmi-user-net is replaced is served by the next one.
 *
 * Trust: it may have been taken over by its guest, or by whom that talks to. What it says is text of bounded length and rate.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices_int.h"

#define END_TIME	100		/* ms: one that is killed is gone before */
#define BACKLOG		128		/* connections that wait for it */

static int refused(const struct device *dev, const struct device_forward *f, int error, struct hv_error *err)
{
	struct in_addr a = { f->address };
	char name[64];

	snprintf(name, sizeof(name), "%s port %u%s%s", f->udp ? "udp" : "tcp", f->port, f->address ? " at " : "", f->address ? inet_ntoa(a) : "");
	switch (error) {
	case EADDRINUSE:
		/* Also a card's of before, which is about to give it back. */
		return hv_fail(err, -EBUSY, "interface %s: %s of domain 0 is in use, by another program or another domain's interface: choose another one",
			       dev->name, name);
	case EACCES:
		return hv_fail(err, -EACCES, "interface %s: %s of domain 0 is for root alone: choose one from 1024 on, or: sysctl -w "
			       "net.ipv4.ip_unprivileged_port_start=%u", dev->name, name, f->port);
	case EADDRNOTAVAIL:
		return hv_fail(err, -EADDRNOTAVAIL, "interface %s: %s: domain 0 has no such address: see ip addr", dev->name, name);
	}
	return hv_fail(err, -error, "interface %s: %s of domain 0 cannot be had: %s", dev->name, name, strerror(error));
}

int user_net_open(const struct device *dev, struct opened *o, struct hv_error *err)
{
	while (o->nr_forwards < dev->nr_forwards) {
		const struct device_forward *f = &dev->forward[o->nr_forwards];
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = { f->address } };
		int fd = socket(AF_INET, (f->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0)
			return refused(dev, f, errno, err);
		o->forward[o->nr_forwards++] = fd;
		/* Connections of before may not be forgotten yet. */
		if (!f->udp)
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || (!f->udp && listen(fd, BACKLOG)))
			return refused(dev, f, errno, err);
	}
	return 0;
}

int user_net_start(struct devices *m, struct slot *s, struct command *c, int *conn)
{
	struct user_net *n = &s->net;
	struct command net = { 0 };
	int frames[2], ctl[2], rc = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, frames))
		return -errno;
	*conn = frames[0];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ctl)) {
		rc = -errno;
		close(frames[1]);
		return rc;
	}
	command_arg(&net, USER_NET_PROGRAM);
	command_arg(&net, "stream=%u", command_pass(&net, frames[1]));
	if (s->dev.mtu)
		command_arg(&net, "mtu=%u", s->dev.mtu);
	for (unsigned int i = 0; i < s->open.nr_forwards; i++)
		command_arg(&net, "forward=%s:%u:%u", s->dev.forward[i].udp ? "udp" : "tcp", command_pass(&net, s->open.forward[i]), s->dev.forward[i].to);
	/* The last one, as broker/do.c expects it. */
	command_pass(&net, ctl[1]);
	*n = (struct user_net){ .ctl = ctl[0], .pidfd = broker_user_net(m->cfg.domid, net.args.s, net.args.len, net.fds, net.nr, &pid) };
	sb_free(&net.args);
	close(frames[1]);
	close(ctl[1]);
	if (n->pidfd < 0) {
		rc = n->pidfd;
		user_net_close(n);
		return rc;
	}
	alive_begin(m, &n->alive);
	watch(m, n->ctl, WATCH_USER_NET + (s - m->slot));
	command_arg(c, "stream=%u", command_pass(c, frames[0]));
	return 0;
}

void user_net_ask(struct slot *s, unsigned int number)
{
	ctl_tell(s->net.ctl, "alive %u\n", number);
}

static void line(struct devices *m, struct slot *s, const char *text)
{
	if (!strncmp(text, "alive ", 6))
		alive_answer(&s->net.alive, text + 6);
	else
		back_said(m, s, text);
}

void user_net_listen(struct devices *m, struct slot *s)
{
	if (!back_lines(m, s, &s->net.ctl, &s->net.said, line))
		user_net_kill(s);
}

void user_net_kill(struct slot *s)
{
	if (s->net.pidfd >= 0)
		broker_kill(s->net.pidfd);
}

void user_net_end(struct devices *m, struct slot *s)
{
	user_net_listen(m, s);
	user_net_kill(s);
	pidfd_wait(s->net.pidfd, END_TIME);
	user_net_close(&s->net);
}

void user_net_close(struct user_net *n)
{
	if (n->ctl >= 0)
		close(n->ctl);
	if (n->pidfd >= 0)
		close(n->pidfd);
	sb_free(&n->said);
	*n = NO_USER_NET;
}
