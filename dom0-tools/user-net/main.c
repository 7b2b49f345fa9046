// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - vmi-user-net: brings one guest's network card where the programs of domain 0 get.
 *
 *	vmi-user-net stream=FD [mtu=N] [forward=tcp|udp:FD:PORT]...
 *
 * libslirp ends the guest's connections here and makes others with sockets of this process:
 * no bridge, no address and no right is needed. One end is the stream socket that
 * vmi-back has for such a card (card.c), the other are those sockets; one poll() waits for all of them.
 * vmid starts it as the domain's own user, beside vmi-back; when one of the two ends, so
 * does the other. Its standard error is a socket to vmid, which asks there whether it lives.
 *
 * It is not a part of vmi-back: that has the guest's memory, and no TCP.
 *
 * Trust: the guest is hostile, and libslirp reads its packets; so the sandbox.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <slirp/libslirp.h>

#include "user-net.h"

#define MTU_MIN		68
#define MTU_MAX		65521		/* libslirp's */

#define FORWARDS	32

static Slirp *slirp;
static struct forward forwards[FORWARDS];
static bool room;			/* for a connection to the guest */
static int manager = 2;
/* The card, the manager, then what libslirp waits for. */
enum { CARD, MANAGER, OWN };
static struct pollfd wait_for[OWN + FILES];
static nfds_t nr_wait;

_Noreturn void die(const char *format, ...)
{
	static const char prefix[] = "log vmi-user-net: ";
	char text[200];
	va_list ap;

	strcpy(text, prefix);
	va_start(ap, format);
	vsnprintf(text + sizeof(prefix) - 1, sizeof(text) - sizeof(prefix), format, ap);
	va_end(ap);
	strcat(text, "\n");
	/* A manager that does not read misses this. */
	if (send(manager, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ENOTSOCK)
		(void)!write(manager, text, strlen(text));
	exit(1);
}

/* ---- what libslirp calls ---- */

static ssize_t send_packet(const void *data, size_t len, void *opaque)
{
	(void)opaque;
	card_send(data, len);
	return len;
}

/* A guest could fill a log with these. */
static void guest_error(const char *text, void *opaque)
{
	(void)text;
	(void)opaque;
}

static int64_t clock_ns(void *opaque)
{
	struct timespec t;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* The loop asks for all descriptors, and what can be received, each time. */
static void poll_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void notify(void *opaque)
{
	(void)opaque;
}

/* No timers: only IPv6 has them. */
static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_ns,
	.register_poll_fd = poll_fd,
	.unregister_poll_fd = poll_fd,
	.notify = notify,
};

/* ---- the loop ---- */

static const struct {
	int its, polls;
} events[] = {
	{ SLIRP_POLL_IN, POLLIN }, { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI }, { SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};
#define NR_EVENTS	(sizeof(events) / sizeof(events[0]))

static int add_poll(int fd, int its, void *opaque)
{
	struct pollfd *p = &wait_for[nr_wait];

	(void)opaque;
	if (nr_wait == OWN + FILES)
		die("libslirp waits for more descriptors than there are");
	*p = (struct pollfd){ .fd = forward_listens(fd) && !room ? -1 : fd };
	for (size_t i = 0; i < NR_EVENTS; i++)
		p->events |= its & events[i].its ? events[i].polls : 0;
	return nr_wait++;
}

static int get_revents(int at, void *opaque)
{
	int its = 0;

	(void)opaque;
	for (size_t i = 0; i < NR_EVENTS; i++)
		its |= wait_for[at].revents & events[i].polls ? events[i].its : 0;
	return its;
}

static void frame(const uint8_t *data, size_t len)
{
	slirp_input(slirp, data, len);
}

/* It asks "alive N", and wants to hear the same. */
static void answer(void)
{
	char text[256];
	ssize_t n = recv(manager, text, sizeof(text), MSG_DONTWAIT);

	if (n > 0)
		(void)!send(manager, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (!n || (errno != EAGAIN && errno != EINTR))
		die("its manager has ended");
}

static _Noreturn void serve(int card)
{
	for (;;) {
		uint32_t timeout = UINT32_MAX;
		int n;

		wait_for[CARD] = (struct pollfd){ .fd = card, .events = card_flush() ? POLLIN : POLLIN | POLLOUT };
		wait_for[MANAGER] = (struct pollfd){ .fd = manager, .events = POLLIN };
		nr_wait = OWN;
		room = forward_room();
		slirp_pollfds_fill(slirp, &timeout, add_poll, NULL);
		n = poll(wait_for, nr_wait, timeout > INT32_MAX ? -1 : (int)timeout);
		if (n < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		/* The card first: what waits for an answer to ARP is sent by the latter. */
		if (n > 0 && wait_for[CARD].revents & ~POLLOUT)
			card_receive(frame);
		if (n > 0 && wait_for[MANAGER].revents)
			answer();
		slirp_pollfds_poll(slirp, n < 0, get_revents, NULL);
	}
}

static long number(const char *text, const char *name, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max)
		die("%s%s: a number from %ld to %ld is needed", name, text, min, max);
	return n;
}

/* PROTO:FD:PORT, which is cut. */
static struct forward forward(char *text)
{
	struct forward f = { .udp = !strncmp(text, "udp:", 4) };
	char *port = strchr(text, ':') ? strchr(strchr(text, ':') + 1, ':') : NULL;

	if ((!f.udp && strncmp(text, "tcp:", 4)) || !port)
		die("forward=%.40s: PROTO:FD:PORT is needed, PROTO tcp or udp", text);
	*port++ = '\0';
	f.fd = number(text + 4, "forward=PROTO:", 3, FILES - 1);
	f.port = number(port, "forward=PROTO:FD:", 1, 65535);
	return f;
}

static struct in_addr address(const char *text)
{
	return (struct in_addr){ inet_addr(text) };
}

int main(int argc, char **argv)
{
	int card = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned int nr = 0;
	size_t mtu = 1500;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "stream=", 7))
			card = number(argv[i] + 7, "stream=", 3, FILES - 1);
		else if (!strncmp(argv[i], "mtu=", 4))
			mtu = number(argv[i] + 4, "mtu=", MTU_MIN, MTU_MAX);
		else if (!strncmp(argv[i], "forward=", 8) && nr < FORWARDS)
			forwards[nr++] = forward(argv[i] + 8);
		else
			die("there is no argument \"%.40s\": vmi-user-net stream=FD [mtu=N] [forward=tcp|udp:FD:PORT]..., up to %d of them", argv[i], FORWARDS);
	}
	if (card < 0)
		die("stream=FD is missing");
	/* What a library prints is the guest's doing, and could wait for a manager that does not read. */
	manager = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (manager < 0 || null < 0 || dup2(null, 2) < 0)
		die("descriptors: %s", strerror(errno));
	slirp = slirp_new(&(SlirpConfig){
		.version = 4, .in_enabled = true, .if_mtu = mtu, .if_mru = mtu,
		.vnetwork = address("10.0.2.0"), .vnetmask = address("255.255.255.0"), .vhost = address("10.0.2.2"),
		.vdhcp_start = address("10.0.2.15"), .vnameserver = address("10.0.2.3"),
	}, &callbacks, NULL);
	if (!slirp)
		die("libslirp does not start");
	for (unsigned int i = 0; i < nr; i++)
		forward_add(slirp, &forwards[i]);
	card_open(card, mtu);
	sandbox_enter();
	serve(card);
}
