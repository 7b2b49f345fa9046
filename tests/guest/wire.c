// SPDX-License-Identifier: GPL-2.0-only
/*
 * wire.c - does what is sent over a network card arrive as it was sent?
 *
 *	wire serve PORT				sends back what it is sent, TCP and UDP, until it is killed
 *	wire check HOST PORT BYTES [N [MTU]]	N connections at once, each BYTES both ways, and datagrams
 *						of all lengths up to the MTU and beyond; compares
 *	wire set INTERFACE NAME=VALUE...	0 or 1 for tx (checksums), sg, tso, gso, gro, large (segments
 *						received whole); pairs=N of queues
 *
 * TCP must lose nothing. A datagram may be lost: it is sent again, a few times. Other settings
 * that need one that is switched off go off with it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "guest.h"

#define BLOCK	65536
#define LONGEST	60000		/* a datagram, in pieces of the MTU */
#define TRIES	20
#define ANSWER		2000		/* ms */
#define SILENCE		90		/* seconds until a stream that stands still is given up */

static _Noreturn void die(const char *fmt, ...)
{
	va_list ap;

	fputs("FAIL wire: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (!inet_aton(host, &a.sin_addr))
		die("%s is no address", host);
	return a;
}

static int bound(int type, const char *port)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		die("port %s: %s", port, strerror(errno));
	return fd;
}

static bool write_all(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* ---- the far end ---- */

static void serve(const char *port)
{
	static uint8_t buf[BLOCK];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int listener = bound(SOCK_STREAM, port), fd;
	ssize_t n;

	signal(SIGCHLD, SIG_IGN);
	if (listen(listener, 64))
		die("listen: %s", strerror(errno));
	if (!fork()) {
		fd = bound(SOCK_DGRAM, port);
		while ((n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len)) >= 0)
			sendto(fd, buf, n, 0, (struct sockaddr *)&from, len);
		exit(1);
	}
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (!fork()) {
			while ((n = read(fd, buf, sizeof(buf))) > 0 && write_all(fd, buf, n))
				;
			exit(0);
		}
		close(fd);
	}
}

/* ---- the near end ---- */

/* The sequence of a seed. */
static void fill(uint8_t *p, size_t len, uint64_t *state)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t x = mix(++*state);

		memcpy(p + i, &x, 8);
	}
}

/* One that is not there yet (a guest that boots) is waited for. */
static int dial(const struct sockaddr_in *to)
{
	for (int i = 0; i < 300; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (!connect(fd, (const struct sockaddr *)to, sizeof(*to)))
			return fd;
		close(fd);
		usleep(200000);
	}
	die("nobody answers: %s", strerror(errno));
}

/* A block; (at): where it is in its stream. */
static void receive(int fd, uint8_t *got, uint64_t at)
{
	struct pollfd p = { fd, POLLIN, 0 };
	ssize_t n;

	for (size_t have = 0; have < BLOCK; have += n) {
		if (poll(&p, 1, SILENCE * 1000) == 0)
			die("nothing comes for %d s behind byte %lu", SILENCE, at + have);
		n = recv(fd, got + have, BLOCK - have, 0);
		if (n <= 0)
			die("receiving breaks at %lu: %s", at + have, n ? strerror(errno) : "it ends");
	}
}

static void stream(const struct sockaddr_in *to, uint64_t bytes, uint64_t seed)
{
	static uint8_t sent[BLOCK], want[BLOCK], got[BLOCK];
	uint64_t state = seed;
	int fd = dial(to);

	bytes = (bytes + BLOCK - 1) / BLOCK * BLOCK;
	if (!fork()) {
		for (uint64_t at = 0; at < bytes; at += BLOCK) {
			fill(sent, BLOCK, &state);
			if (!write_all(fd, sent, BLOCK))
				die("sending breaks at %lu: %s", at, strerror(errno));
		}
		shutdown(fd, SHUT_WR);
		exit(0);
	}
	for (uint64_t at = 0; at < bytes; at += BLOCK) {
		fill(want, BLOCK, &state);
		receive(fd, got, at);
		if (memcmp(got, want, BLOCK))
			die("what came back at %lu is not what was sent", at);
	}
	close(fd);
}

static void datagram(int fd, size_t len, uint64_t seed)
{
	static uint8_t sent[LONGEST + 8], got[LONGEST + 8];
	struct pollfd p = { fd, POLLIN, 0 };

	fill(sent, (len + 7) & ~7ul, &seed);
	for (int i = 0; i < TRIES; i++) {
		if (send(fd, sent, len, 0) != (ssize_t)len)
			die("a datagram of %zu bytes cannot be sent: %s", len, strerror(errno));
		while (poll(&p, 1, ANSWER) == 1) {
			ssize_t n = recv(fd, got, sizeof(got), 0);

			/* Another length: a late answer to one that was sent again. */
			if (n != (ssize_t)len)
				continue;
			if (memcmp(got, sent, len))
				die("a datagram of %zu bytes came back as another", len);
			return;
		}
	}
	die("a datagram of %zu bytes does not come back", len);
}

static void compare(const char *host, const char *port, uint64_t bytes, int streams, size_t mtu)
{
	const size_t lengths[] = { 1, 7, 18, 511, mtu - 29, mtu - 28, mtu - 27, 3 * mtu + 1, LONGEST };
	struct sockaddr_in to = address(host, port);
	int status, fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool bad = false;

	for (int i = 0; i < streams; i++) {
		if (!fork()) {
			stream(&to, bytes, getpid() * 1000003ul);
			while (wait(&status) > 0)
				bad |= status;
			exit(bad);
		}
	}
	while (wait(&status) > 0)
		bad |= status;
	if (bad)
		exit(1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("%s: %s", host, strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		datagram(fd, lengths[i], getpid() + i);
}

/* ---- offloads ---- */

static int ethtool(const char *interface, void *arg)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), rc;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	r.ifr_data = arg;
	rc = ioctl(fd, SIOCETHTOOL, &r) ? -errno : 0;
	close(fd);
	return rc;
}

/* Which of the kernel's features has this name. */
static unsigned int feature(const char *interface, const char *name)
{
	struct {
		struct ethtool_sset_info i;
		uint32_t n;
	} info = { .i = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1 << ETH_SS_FEATURES } };
	struct ethtool_gstrings *s;

	if (ethtool(interface, &info) || !info.i.sset_mask)
		die("%s: it tells of no features", interface);
	s = calloc(1, sizeof(*s) + info.n * ETH_GSTRING_LEN);
	*s = (struct ethtool_gstrings){ ETHTOOL_GSTRINGS, ETH_SS_FEATURES, info.n };
	if (ethtool(interface, s))
		die("%s: it names no features", interface);
	for (unsigned int i = 0; i < info.n; i++)
		if (!strcmp((char *)s->data + i * ETH_GSTRING_LEN, name))
			return i;
	die("this kernel has no %s", name);
}

static void set(const char *interface, const char *name, unsigned int value)
{
	static const struct { const char *name, *kernel; } known[] = {
		{ "tx", "tx-checksum-ip-generic" }, { "sg", "tx-scatter-gather" }, { "tso", "tx-tcp-segmentation" },
		{ "gso", "tx-generic-segmentation" }, { "gro", "rx-gro" }, { "large", "rx-gro-hw" },
	};
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct {
		struct ethtool_sfeatures s;
		struct ethtool_set_features_block block[4];
	} to = { .s = { ETHTOOL_SFEATURES, 2 } };
	struct {
		struct ethtool_gfeatures g;
		struct ethtool_get_features_block block[4];
	} is = { .g = { ETHTOOL_GFEATURES, 2 } };
	unsigned int n;
	int rc;

	if (!strcmp(name, "pairs")) {
		rc = ethtool(interface, &c);
		c.cmd = ETHTOOL_SCHANNELS;
		c.combined_count = value;
		if (!rc)
			rc = ethtool(interface, &c);
		if (rc)
			die("%s: %u of %u pairs: %s", interface, value, c.max_combined, strerror(-rc));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].name, name))
			continue;
		n = feature(interface, known[i].kernel);
		to.block[n / 32].valid = 1u << n % 32;
		to.block[n / 32].requested = value ? 1u << n % 32 : 0;
		ethtool(interface, &to);
		rc = ethtool(interface, &is);
		if (rc || !(is.block[n / 32].active >> n % 32 & 1) != !value)
			die("%s: %s cannot become %u", interface, name, value);
		return;
	}
	die("there is no %s", name);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve(argv[2]);
	} else if (argc >= 5 && argc <= 7 && !strcmp(argv[1], "check")) {
		compare(argv[2], argv[3], strtoull(argv[4], NULL, 0), argc > 5 ? atoi(argv[5]) : 1, argc > 6 ? atoi(argv[6]) : 1500);
	} else if (argc >= 4 && !strcmp(argv[1], "set")) {
		for (int i = 3; i < argc; i++) {
			char *value = strchr(argv[i], '=');

			if (!value)
				die("%s is not NAME=VALUE", argv[i]);
			*value++ = 0;
			set(argv[2], argv[i], atoi(value));
		}
	} else {
		fputs("usage: wire serve PORT | check HOST PORT BYTES [N [MTU]] | set INTERFACE NAME=VALUE...\n", stderr);
		return 2;
	}
	return 0;
}
