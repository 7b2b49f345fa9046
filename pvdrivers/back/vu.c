// SPDX-License-Identifier: GPL-2.0-only
/*
 * vu.c - the vhost-user protocol, front end: what is said to a server of rings.
 *
 * A message is a header (request, flags, size of what follows), then that; file
 * descriptors travel beside it. Where the server knows REPLY_ACK each change is
 * acknowledged, so that what it refuses is known here.
 *
 * Invariant: no descriptor that the server sends stays open, and nothing it says
 *            is longer than the place it goes to.
 * Trust:     the server not at all: it is another process, perhaps another user's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "vu.h"

enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10, GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15, SET_PROTOCOL_FEATURES = 16, GET_QUEUE_NUM = 17, SET_VRING_ENABLE = 18,
	SET_BACKEND_REQ_FD = 21, GET_CONFIG = 24,
};

#define NEWS_CONFIG	2		/* of the server's own requests: the configuration changed */

#define FLAG_VERSION	0x1
#define FLAG_VERSIONS	0x3
#define FLAG_REPLY	0x4
#define FLAG_NEED_REPLY	0x8

#define MAX_FDS		8

struct header {
	uint32_t request, flags, size;
};

struct config {
	uint32_t offset, size, flags;
	uint8_t bytes[VU_CONFIG];
};

struct memory {
	uint32_t nr, reserved;
	struct {
		uint64_t gpa, size, user, offset;
	} region[VMI_BUS_WINDOWS + 1];
};

struct state {
	uint32_t index, num;
};

struct address {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

static char why[160];

const char *vu_why(void)
{
	return why;
}

__attribute__((format(printf, 1, 2)))
static int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return -1;
}

static int gone(void)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return fail("the vhost-user server did not answer for %d s", VU_SECONDS);
	return fail("the vhost-user server is gone: %s", strerror(errno));
}

/* Exactly (n) bytes; descriptors that came with them are closed. */
static int take(int fd, void *buf, size_t n)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct cmsghdr *c;
	size_t done = 0;

	while (done < n) {
		struct iovec iov = { (char *)buf + done, n - done };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		ssize_t got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return gone();
		for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			size_t i, fds = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS ?
					(c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

			for (i = 0; i < fds; i++) {
				int one;

				memcpy(&one, CMSG_DATA(c) + i * sizeof(one), sizeof(one));
				close(one);
			}
		}
		if (!got)
			return fail("the vhost-user server closed the connection");
		done += got;
	}
	return 0;
}

static int say(int fd, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds, unsigned int nr_fds)
{
	struct header h = { request, FLAG_VERSION | flags, size };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)payload, size } };
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t sent;

	if (nr_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		memset(&control, 0, sizeof(control));
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.h), fds, nr_fds * sizeof(int));
	}
	do
		sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return gone();
	/* Messages are far smaller than a socket's buffer. */
	return sent == (ssize_t)(sizeof(h) + size) ? 0 : fail("the vhost-user server does not read what it is told");
}

/* The answer to (request): exactly (size) bytes, or none where (may_refuse). */
static int answer(struct vu *v, uint32_t request, void *payload, uint32_t size, bool may_refuse)
{
	struct header h;

	/* Answers come in the order of the questions. */
	if (v->asked && vu_answered(v))
		return -1;
	if (take(v->fd, &h, sizeof(h)))
		return -1;
	if (h.request != request || (h.flags & FLAG_VERSIONS) != FLAG_VERSION || !(h.flags & FLAG_REPLY))
		return fail("the vhost-user server answered %u (flags %#x) to request %u", h.request, h.flags, request);
	if (!h.size && may_refuse)
		return fail("the vhost-user server refused request %u", request);
	if (h.size != size)
		return fail("the vhost-user server answered %u bytes to request %u, which has %u", h.size, request, size);
	return take(v->fd, payload, size);
}

static int get(struct vu *v, uint32_t request, uint64_t *value)
{
	return say(v->fd, request, 0, NULL, 0, NULL, 0) || answer(v, request, value, sizeof(*value), false) ? -1 : 0;
}

/* A change, acknowledged where the server can. */
static int tell(struct vu *v, uint32_t request, const void *payload, uint32_t size, const int *fds, unsigned int nr_fds)
{
	bool ack = v->protocol & 1ull << VU_P_REPLY_ACK;
	uint64_t result;

	if (say(v->fd, request, ack ? FLAG_NEED_REPLY : 0, payload, size, fds, nr_fds))
		return -1;
	if (!ack)
		return 0;
	if (answer(v, request, &result, sizeof(result), false))
		return -1;
	return result ? fail("the vhost-user server refused request %u (%llu)", request, (unsigned long long)result) : 0;
}

static int tell_u64(struct vu *v, uint32_t request, uint64_t value)
{
	return tell(v, request, &value, sizeof(value), NULL, 0);
}

static int tell_state(struct vu *v, uint32_t request, unsigned int index, uint32_t num)
{
	struct state s = { index, num };

	return tell(v, request, &s, sizeof(s), NULL, 0);
}

int vu_hello(struct vu *v, int fd)
{
	struct timeval wait = { .tv_sec = VU_SECONDS };
	uint64_t want = 1ull << VU_P_MQ | 1ull << VU_P_REPLY_ACK | 1ull << VU_P_BACKEND_REQ | 1ull << VU_P_CONFIG;
	uint64_t protocol, queues = 1;
	int pair[2], rc;

	*v = (struct vu){ .fd = fd, .news = -1, .queues = 1 };
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)))
		return fail("the vhost-user socket: %s", strerror(errno));
	if (get(v, GET_FEATURES, &v->features))
		return -1;
	v->protocols = v->features & 1ull << VU_F_PROTOCOL;
	v->features &= ~(1ull << VU_F_PROTOCOL | 1ull << VU_F_LOG_ALL);
	if (v->protocols) {
		if (get(v, GET_PROTOCOL_FEATURES, &protocol) || tell_u64(v, SET_PROTOCOL_FEATURES, protocol & want))
			return -1;
		v->protocol = protocol & want;
	}
	if (tell(v, SET_OWNER, NULL, 0, NULL, 0))
		return -1;
	if (v->protocol & 1ull << VU_P_MQ) {
		if (get(v, GET_QUEUE_NUM, &queues))
			return -1;
		if (!queues || queues > UINT16_MAX)
			return fail("the vhost-user server says it has %llu queues", (unsigned long long)queues);
		v->queues = queues;
	}
	if (v->protocol & 1ull << VU_P_BACKEND_REQ) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			return fail("socketpair: %s", strerror(errno));
		rc = tell(v, SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
		close(pair[1]);
		if (rc) {
			close(pair[0]);
			return -1;
		}
		v->news = pair[0];
		/* It wakes us, and then has sent a whole message or is broken. */
		wait.tv_sec = 1;
		setsockopt(v->news, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	}
	return 0;
}

int vu_memory(struct vu *v, const struct mem *mem, const struct mem_window *own)
{
	struct memory m = { .nr = mem->nr + 1 };
	int fds[VMI_BUS_WINDOWS + 1];
	unsigned int i;

	for (i = 0; i < m.nr; i++) {
		const struct mem_window *w = i < mem->nr ? &mem->window[i] : own;

		m.region[i].gpa = w->gpa;
		m.region[i].size = w->size;
		m.region[i].user = (uintptr_t)w->base;
		fds[i] = w->fd;
	}
	return tell(v, SET_MEM_TABLE, &m, offsetof(struct memory, region) + m.nr * sizeof(m.region[0]), fds, m.nr);
}

int vu_features(struct vu *v, uint64_t features)
{
	return tell_u64(v, SET_FEATURES, features | (uint64_t)v->protocols << VU_F_PROTOCOL);
}

int vu_config(struct vu *v, void *config, unsigned int size)
{
	uint32_t bytes = offsetof(struct config, bytes) + size;
	struct config c = { .size = size };

	if (say(v->fd, GET_CONFIG, 0, &c, bytes, NULL, 0) || answer(v, GET_CONFIG, &c, bytes, true))
		return -1;
	memcpy(config, c.bytes, size);
	return 0;
}

static int tell_fd(struct vu *v, uint32_t request, unsigned int index, int fd)
{
	uint64_t value = index;

	return tell(v, request, &value, sizeof(value), &fd, 1);
}

int vu_ring_start(struct vu *v, const struct hand_ring *r)
{
	struct address a = {
		.index = r->index, .desc = (uintptr_t)r->desc, .used = (uintptr_t)r->used, .avail = (uintptr_t)r->avail,
	};

	/* The kick starts the ring: it comes last but for the enabling. */
	if (tell_state(v, SET_VRING_NUM, r->index, r->size) || tell_state(v, SET_VRING_BASE, r->index, r->base) ||
	    tell(v, SET_VRING_ADDR, &a, sizeof(a), NULL, 0) || tell_fd(v, SET_VRING_ERR, r->index, r->err) ||
	    tell_fd(v, SET_VRING_CALL, r->index, r->call) || tell_fd(v, SET_VRING_KICK, r->index, r->kick))
		return -1;
	return v->protocols ? tell_state(v, SET_VRING_ENABLE, r->index, 1) : 0;
}

int vu_ring_stop(struct vu *v, unsigned int index, uint16_t *base)
{
	struct state s = { .index = index };

	if (say(v->fd, GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0) || answer(v, GET_VRING_BASE, &s, sizeof(s), false))
		return -1;
	if (s.index != index || s.num > UINT16_MAX)
		return fail("the vhost-user server stopped ring %u at %u instead of ring %u", s.index, s.num, index);
	*base = s.num;
	return 0;
}

int vu_ask(struct vu *v)
{
	if (say(v->fd, GET_FEATURES, 0, NULL, 0, NULL, 0))
		return -1;
	v->asked = true;
	return 0;
}

int vu_answered(struct vu *v)
{
	uint64_t features;

	v->asked = false;
	return answer(v, GET_FEATURES, &features, sizeof(features), false);
}

int vu_news(struct vu *v)
{
	struct header h;
	struct config p;		/* the longest there is */
	uint64_t result;

	if (take(v->news, &h, sizeof(h)))
		return -1;
	if ((h.flags & FLAG_VERSIONS) != FLAG_VERSION || h.size > sizeof(p))
		return fail("the vhost-user server says %u (flags %#x, %u bytes)", h.request, h.flags, h.size);
	if (take(v->news, &p, h.size))
		return -1;
	result = h.request != NEWS_CONFIG;
	if (h.flags & FLAG_NEED_REPLY && say(v->news, h.request, FLAG_REPLY, &result, sizeof(result), NULL, 0))
		return -1;
	return h.request == NEWS_CONFIG;
}

void vu_close(struct vu *v)
{
	if (v->news >= 0)
		close(v->news);
	close(v->fd);
}
