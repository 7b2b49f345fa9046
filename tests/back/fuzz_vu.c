// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_vu.c - a vhost-user server that answers anything: the front neither crashes
 * nor waits for ever, and keeps none of the descriptors that it is sent.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int theirs;

static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* What the server says, all at once, in pieces that come with descriptors; then it says no more. */
static int server(const uint8_t *data, size_t size)
{
	int sv[2], one = 1 << 20;
	size_t at = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		abort();
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &one, sizeof(one));
	while (at < size) {
		size_t n = size - at < 13 ? size - at : 13;
		struct iovec iov = { (void *)(data + at), n };
		union {
			struct cmsghdr h;
			char space[CMSG_SPACE(2 * sizeof(int))];
		} control;
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (data[at] & 1) {
			int fds[2] = { 0, 0 };

			msg.msg_control = &control;
			msg.msg_controllen = sizeof(control);
			memset(&control, 0, sizeof(control));
			control.h.cmsg_level = SOL_SOCKET;
			control.h.cmsg_type = SCM_RIGHTS;
			control.h.cmsg_len = CMSG_LEN(sizeof(fds));
			memcpy(CMSG_DATA(&control.h), fds, sizeof(fds));
		}
		if (sendmsg(sv[1], &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
			break;
		at += n;
	}
	/* What it is told goes nowhere, but can be sent. */
	shutdown(sv[1], SHUT_WR);
	theirs = sv[1];
	return sv[0];
}

/* Answers as the protocol wants them, from which the input is made: else none gets beyond the first. */
static size_t good_answers(uint8_t *to, const uint8_t *data, size_t size)
{
	static const struct {
		uint32_t request, size;
	} answers[] = { { 1, 8 }, { 15, 8 }, { 3, 8 }, { 17, 8 }, { 21, 8 }, { 5, 8 }, { 24, 72 }, { 2, 8 }, { 8, 8 },
			{ 10, 8 }, { 9, 8 }, { 14, 8 }, { 13, 8 }, { 12, 8 }, { 18, 8 }, { 11, 8 } };
	size_t n = 0;

	for (unsigned int i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		uint32_t head[3] = { answers[i].request, 5, answers[i].size };

		memcpy(to + n, head, sizeof(head));
		memset(to + n + sizeof(head), 0, answers[i].size);
		if (i == 0)
			to[n + sizeof(head) + 3] = 0x40;	/* it has protocol features */
		if (i == 1)
			to[n + sizeof(head)] = 0x29;
		if (i == 3 || i == 15)
			to[n + sizeof(head)] = 1;	/* a queue; and of queue 1 */
		n += sizeof(head) + answers[i].size;
	}
	/* (where, what) of the input. */
	for (; size >= 3; data += 3, size -= 3)
		to[(data[0] | data[1] << 8) % n] = data[2];
	return n;
}

/* true: all went well. */
static bool talk(const uint8_t *data, size_t size)
{
	static uint8_t page[4096];
	struct mem mem = { .nr = 1, .window = { { 0x1000, sizeof(page), page, 0 } } };
	struct hand_ring r = { .index = 1, .size = 4, .desc = page, .avail = page + 64, .used = page + 128 };
	uint8_t config[60];
	uint16_t base;
	struct vu vu;
	bool ok;

	ok = !vu_hello(&vu, server(data, size)) && !vu_memory(&vu, &mem, &mem.window[0]) && !vu_config(&vu, config, sizeof(config)) &&
	     !vu_features(&vu, vu.features) && !vu_ring_start(&vu, &r) && !vu_ring_stop(&vu, 1, &base);
	vu_close(&vu);
	close(theirs);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t answers[1024];
	struct vu vu = { .fd = -1 };
	int before = next_fd();

	talk(data, size);
	if (!talk(answers, good_answers(answers, data, size)) && !size)
		abort();
	/* And on the other channel. */
	vu.news = server(data, size);
	while (vu_news(&vu) >= 0)
		;
	close(vu.news);
	close(theirs);
	if (next_fd() != before)
		abort();
	return 0;
}
