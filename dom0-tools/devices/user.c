// SPDX-License-Identifier: GPL-2.0-only
/*
 * user.c - vmi-user-net, which brings a network card of the type user where the programs of domain 0 get.
 *
 * It and the card's back end have a socket in common; when one of them ends, so does the other, and the manager starts
 * both anew. It has a control socket of its own: on that it is asked whether it lives (alive.c) and says what is
 * wrong, and when it is closed here, also by our end, it ends.
 *
 * Trust: it may have been taken over by its guest, or by whom that talks to. What it says is text of bounded length and rate.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices_int.h"

#define END_TIME	100		/* ms: one that is killed is gone before, and what it had is free */

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
	char text[32];
	int n = snprintf(text, sizeof(text), "alive %u\n", number);

	if (s->net.ctl >= 0)
		(void)!send(s->net.ctl, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
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
	siginfo_t i;

	user_net_listen(m, s);
	user_net_kill(s);
	if (s->net.pidfd >= 0 && poll(&(struct pollfd){ .fd = s->net.pidfd, .events = POLLIN }, 1, END_TIME) == 1)
		waitid(P_PIDFD, s->net.pidfd, &i, WEXITED | WNOHANG);
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
