// SPDX-License-Identifier: GPL-2.0-only
/*
 * link.c - is a network card's tap still on its bridge? Its back end cannot see
 * that: it has a descriptor, and no names.
 *
 * The kernel tells of changes (rtnetlink). A card whose tap is on no bridge has its
 * link down, until the tap is on one again; one whose tap was removed, for good.
 *
 * Trust: the kernel.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/rtnetlink.h>

#include "devices_int.h"

/* All interfaces, as if each had just changed. */
static void ask(int fd)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} q = { .h = { .nlmsg_len = sizeof(q), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };

	(void)!send(fd, &q, sizeof(q), 0);
}

int link_open(struct devices *m)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || watch(m, fd, WATCH_LINK)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	ask(fd);
	return fd;
}

bool link_is_up(const struct slot *s)
{
	return s->link && s->tap_is == TAP_ON_BRIDGE;
}

static void look(struct devices *m, const struct nlmsghdr *h, int now[VMI_BUS_SLOTS])
{
	const struct ifinfomsg *i = NLMSG_DATA(h);
	int left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*i));
	const char *name = NULL;
	bool master = false;

	/* A bridge tells of its ports in messages of its own family, too. */
	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) || left < 0 || i->ifi_family != AF_UNSPEC)
		return;
	for (const struct rtattr *a = IFLA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_IFNAME)
			name = RTA_DATA(a);
		else if (a->rta_type == IFLA_MASTER)
			master = true;
	}
	for (unsigned int n = 0; name && n < VMI_BUS_SLOTS; n++) {
		const struct slot *s = &m->slot[n];

		if (s->phase != P_NONE && s->dev.kind == DEVICE_NET && s->dev.bridge && !strcmp(s->open.tap, name))
			now[n] = h->nlmsg_type == RTM_DELLINK || now[n] == TAP_REMOVED ? TAP_REMOVED : master ? TAP_ON_BRIDGE : TAP_ON_NONE;
	}
}

void link_changed(struct devices *m)
{
	static char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	int now[VMI_BUS_SLOTS];
	ssize_t n;

	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++)
		now[i] = m->slot[i].tap_is;
	/* All there is, for a tap that is made has no bridge yet in the first message. */
	while ((n = recv(m->link_fd, buf, sizeof(buf), 0)) > 0 || errno == ENOBUFS || errno == EINTR) {
		int left = n;

		if (n < 0) {		/* some were lost */
			ask(m->link_fd);
			continue;
		}
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, (unsigned int)left); h = NLMSG_NEXT(h, left))
			look(m, h, now);
		errno = 0;
	}
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		struct slot *s = &m->slot[i];

		if ((int)s->tap_is == now[i])
			continue;
		s->tap_is = now[i];
		if (s->tap_is == TAP_REMOVED)
			tell(m, DEVICE_EV_ERROR, s, "%s was removed. The link is down for good: detach the interface, and attach it again", s->open.tap);
		else if (s->tap_is == TAP_ON_NONE)
			tell(m, DEVICE_EV_ERROR, s, "%s is on no bridge: bridge %s was removed, or the interface taken from it. The link is down until: "
			     "ip link set %s master %s", s->open.tap, s->dev.bridge, s->open.tap, s->dev.bridge);
		else
			tell(m, DEVICE_EV_LOG, s, "%s is on a bridge again", s->open.tap);
		ctl_tell(s->ctl, "link %d\n", link_is_up(s));
	}
}
