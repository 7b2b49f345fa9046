// SPDX-License-Identifier: GPL-2.0-only
/*
 * nbd.c - connections to NBD servers, and what their exports are.
 *
 * The manager connects, qemu-storage-daemon gets the connected socket: it has the
 * right to reach nothing else. Before a disk is attached the manager asks by itself
 * (NBD_OPT_INFO, over a connection of its own), so that a wrong name is an error at
 * once. A server that says nothing, or goes on and on, holds the caller up for TIMEOUT.
 *
 * Trust: the server not at all. It may lie about its disk; lengths that it says are bounded.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices_int.h"

#define TIMEOUT		3		/* s */
#define PORT		10809
#define REPLIES_MAX	32		/* to one question */

#define NBD_MAGIC	0x4e42444d41474943ull
#define NBD_OPTION	0x49484156454f5054ull
#define NBD_REPLY	0x3e889045565a9ull
#define FIXED_NEWSTYLE	1
#define NO_ZEROES	2
#define OPT_ABORT	2
#define OPT_INFO	6
#define REP_ACK		1
#define REP_INFO	3
#define REP_ERROR	0x80000000u
#define REP_UNSUPPORTED	0x80000001u
#define REP_TLS		0x80000005u
#define REP_UNKNOWN	0x80000006u
#define INFO_EXPORT	0
#define EXPORT_READONLY	2

struct hello {
	uint64_t magic, option;
	uint16_t flags;
} __attribute__((packed));

struct option {
	uint64_t magic;
	uint32_t option, len;
} __attribute__((packed));

struct reply {
	uint64_t magic;
	uint32_t option, type, len;
} __attribute__((packed));

struct export {
	uint16_t info;
	uint64_t size;
	uint16_t flags;
} __attribute__((packed));

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Its length; 0: there is none such. */
static socklen_t address_of(const struct device *dev, union address *a)
{
	unsigned int port = htons(dev->port ? dev->port : PORT);
	const char *host = dev->host && !strcmp(dev->host, "localhost") ? "127.0.0.1" : dev->host;

	*a = (union address){ .un = { .sun_family = AF_UNIX } };
	if (dev->source)
		return snprintf(a->un.sun_path, sizeof(a->un.sun_path), "%s", dev->source) < (int)sizeof(a->un.sun_path) ? sizeof(a->un) : 0;
	*a = (union address){ .in = { .sin_family = AF_INET, .sin_port = port } };
	if (host && inet_pton(AF_INET, host, &a->in.sin_addr) == 1)
		return sizeof(a->in);
	*a = (union address){ .in6 = { .sin6_family = AF_INET6, .sin6_port = port } };
	return host && inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1 ? sizeof(a->in6) : 0;
}

bool nbd_address_ok(const struct device *dev)
{
	return address_of(dev, &(union address){ 0 });
}

/* A peer that is switched off is noticed. */
static void keep_alive(int fd)
{
	const int on = 1, idle = 20, every = 5, times = 4, all = 40000;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &all, sizeof(all));
}

/* For each of these calls; 0: for ever. */
static void wait_at_most(int fd, int what, uint64_t ns)
{
	setsockopt(fd, SOL_SOCKET, what, &(struct timeval){ ns / SECOND, ns % SECOND / 1000 }, sizeof(struct timeval));
}

static int open_socket(const struct device *dev, int flags, uint64_t wait)
{
	union address a;
	socklen_t len = address_of(dev, &a);
	int fd, rc;

	if (!len)
		return -EADDRNOTAVAIL;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	wait_at_most(fd, SO_SNDTIMEO, wait);
	if (!dev->source)
		keep_alive(fd);
	if (!connect(fd, &a.any, len) || (flags && errno == EINPROGRESS))
		return fd;
	rc = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	close(fd);
	return rc;
}

int nbd_connect(const struct device *dev)
{
	return open_socket(dev, SOCK_NONBLOCK, 0);
}

static void where(const struct device *dev, char out[160])
{
	if (dev->source)
		snprintf(out, 160, "%.150s", dev->source);
	else
		snprintf(out, 160, "%.100s port %u", dev->host, dev->port ? dev->port : PORT);
}

static bool take(int fd, uint64_t until, void *data, size_t len)
{
	uint64_t now = now_ns();

	if (now + SECOND / 1000 > until)
		return false;
	wait_at_most(fd, SO_RCVTIMEO, until - now);
	return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

/* Of a text that somebody else wrote. */
static void printable(char *s)
{
	for (; *s; s++)
		*s = *s >= ' ' && *s < 127 ? *s : '?';
}

static bool ask(int fd, uint32_t option, const void *data, uint32_t len)
{
	const struct option o = { htobe64(NBD_OPTION), htobe32(option), htobe32(len) };

	return send(fd, &o, sizeof(o), MSG_NOSIGNAL) == sizeof(o) && (!len || send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static bool begin(int fd, uint64_t until, const char *name)
{
	uint32_t flags = htobe32(FIXED_NEWSTYLE), len = strlen(name), n = htobe32(len);
	struct hello h;
	char data[4 + NBD_NAME_MAX + 2] = "";

	if (!take(fd, until, &h, sizeof(h)) || be64toh(h.magic) != NBD_MAGIC || be64toh(h.option) != NBD_OPTION || !(be16toh(h.flags) & FIXED_NEWSTYLE))
		return false;
	flags |= htobe32(be16toh(h.flags) & NO_ZEROES);
	/* Then the name's length, the name, and no list of what we would like to know. */
	memcpy(data, &n, sizeof(n));
	memcpy(data + sizeof(n), name, len);
	return send(fd, &flags, sizeof(flags), MSG_NOSIGNAL) == sizeof(flags) && ask(fd, OPT_INFO, data, sizeof(n) + len + 2);
}

/* The answer to OPT_INFO: its type, with what came with it. False: that is no NBD. */
static bool answer(int fd, uint64_t until, uint32_t *type, struct export *e, char text[200])
{
	struct reply r;

	*text = 0;
	for (unsigned int i = 0; i < REPLIES_MAX; i++) {
		char data[4096] = "";
		uint32_t len;

		if (!take(fd, until, &r, sizeof(r)) || be64toh(r.magic) != NBD_REPLY)
			return false;
		len = be32toh(r.len);
		if (len >= sizeof(data) || (len && !take(fd, until, data, len)))
			return false;
		*type = be32toh(r.type);
		if (*type == REP_INFO && len == sizeof(*e) && data[0] == 0 && data[1] == INFO_EXPORT)
			memcpy(e, data, sizeof(*e));
		else if (*type & REP_ERROR)
			snprintf(text, 200, "%.199s", data);
		printable(text);
		if (*type != REP_INFO)
			return true;
	}
	return false;
}

int nbd_look(const struct device *dev, uint64_t *size, struct hv_error *err)
{
	const char *name = dev->export ? dev->export : "";
	uint64_t until = now_ns() + TIMEOUT * SECOND;
	int fd = open_socket(dev, 0, TIMEOUT * SECOND), rc = 0;
	struct export e = { .size = 0 };
	char at[160], text[200];
	uint32_t type;

	where(dev, at);
	if (fd < 0)
		return hv_fail(err, fd, "disk %s: no NBD server answers at %s: %s; start it first", dev->name, at, strerror(-fd));
	if (!begin(fd, until, name) || !answer(fd, until, &type, &e, text))
		rc = hv_fail(err, -EPROTO, "disk %s: what answers at %s is no NBD server, or says nothing for %d s", dev->name, at, TIMEOUT);
	else if (type == REP_UNKNOWN)
		rc = hv_fail(err, -ENOENT, "disk %s: the NBD server at %s has no export \"%s\"; qemu-img info or nbd-client -l tells which it has",
			     dev->name, at, name);
	else if (type == REP_TLS)
		rc = hv_fail(err, -EACCES, "disk %s: the NBD server at %s wants TLS, which this version does not have: use a tunnel", dev->name, at);
	else if (type == REP_UNSUPPORTED || (type == REP_ACK && !e.size))
		rc = hv_fail(err, -EPROTO, "disk %s: the NBD server at %s does not tell what its exports are; qemu-nbd and nbdkit do", dev->name, at);
	else if (type != REP_ACK)
		rc = hv_fail(err, -EACCES, "disk %s: the NBD server at %s refuses the export \"%s\"%s%s", dev->name, at, name, *text ? ": " : "", text);
	else if (be16toh(e.flags) & EXPORT_READONLY && !dev->readonly)
		rc = hv_fail(err, -EROFS, "disk %s: the export \"%s\" of %s can only be read: add <readonly/>", dev->name, name, at);
	else if (be64toh(e.size) % 512)
		rc = hv_fail(err, -EINVAL, "disk %s: the export \"%s\" of %s has %lu bytes, which is not a whole number of sectors of 512", dev->name, name,
			     at, be64toh(e.size));
	*size = be64toh(e.size);
	/* It need not complain. */
	if (rc != -EPROTO)
		ask(fd, OPT_ABORT, NULL, 0);
	close(fd);
	return rc;
}
