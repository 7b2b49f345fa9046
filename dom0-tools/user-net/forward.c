// SPDX-License-Identifier: GPL-2.0-only
/*
 * forward.c - ports of domain 0 that lead to the guest.
 *
 * The manager has bound their sockets; libslirp takes none that is bound. So it gets a free port of the loopback for
 * each, and then the manager's socket takes the place of that descriptor: nothing is bound after the sandbox is
 * entered, and a successor gets the same sockets.
 *
 * Invariant: all of it before the guest is served; so a descriptor that libslirp did not wait for before is the new one's.
 *
 * Trust: whoever can reach those ports. A connection costs a descriptor; where all are used, the next ones wait.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "user-net.h"

static bool known[FILES], listens[FILES];
static unsigned int nr_listen;
static int newest;

static int look(int fd, int events, void *opaque)
{
	(void)events;
	(void)opaque;
	if (!known[fd])
		newest = fd;
	return 0;
}

void forward_add(Slirp *slirp, const struct forward *f)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) }, guest = { 0 };	/* that one is DHCP's */
	uint32_t timeout = UINT32_MAX;

	newest = -1;
	if (slirp_add_hostfwd(slirp, f->udp, loopback, 0, guest, f->port))
		die("libslirp forwards nothing to port %d", f->port);
	slirp_pollfds_fill(slirp, &timeout, look, NULL);
	if (newest < 0 || dup2(f->fd, newest) < 0)
		die("port %d: the socket cannot be handed over: %s", f->port, strerror(errno));
	close(f->fd);
	known[newest] = true;
	listens[newest] = !f->udp;
	nr_listen += !f->udp;
}

bool forward_room(void)
{
	int fd = nr_listen ? fcntl(2, F_DUPFD_CLOEXEC, 3) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool forward_listens(int fd)
{
	return listens[fd];
}
