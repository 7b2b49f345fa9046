/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bytes.h - frames over a stream socket, as vmi-back, vmi-user-net and QEMU's "-netdev stream" have them: each
 * with its length before it, 4 bytes in network order. Here is the buffer that one direction has, so that a system
 * call carries many frames, and a half of one waits for the rest. vmi-user-net (dom0-tools/user-net) includes this, too.
 *
 * Trust: none in the far end: a length that cannot be is told from one that is not there yet.
 */
#ifndef BACK_BYTES_H
#define BACK_BYTES_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define BYTES_SHORTEST	14		/* of a frame */
#define BYTES_LONGEST	(65536 + 64)
#define BYTES_BUFFER	(4 * (sizeof(uint32_t) + BYTES_LONGEST))

/* Bytes from `at` to `end` count. */
struct bytes {
	size_t at, end;
	uint8_t data[BYTES_BUFFER];
};

static inline void bytes_to_front(struct bytes *b)
{
	memmove(b->data, b->data + b->at, b->end - b->at);
	b->end -= b->at;
	b->at = 0;
}

/* What there is, and room for. 0, -EAGAIN: nothing now; -EPIPE: the far end is gone. */
static inline int bytes_receive(struct bytes *b, int fd)
{
	ssize_t n = recv(fd, b->data + b->end, BYTES_BUFFER - b->end, MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -EPIPE;
	b->end += n;
	return 0;
}

/* The length of the next frame, if the whole of it is there: at *frame. 0: it is not; -EPROTO: that is none. */
static inline ssize_t bytes_whole(const struct bytes *b, const uint8_t **frame)
{
	uint32_t len;

	if (b->end - b->at < sizeof(len))
		return 0;
	memcpy(&len, b->data + b->at, sizeof(len));
	len = ntohl(len);
	if (len < BYTES_SHORTEST || len > BYTES_LONGEST)
		return -EPROTO;
	*frame = b->data + b->at + sizeof(len);
	return b->end - b->at - sizeof(len) < len ? 0 : (ssize_t)len;
}

/* It was of so many bytes. */
static inline void bytes_next(struct bytes *b, size_t len)
{
	b->at += sizeof(uint32_t) + len;
}

static inline bool bytes_fit(const struct bytes *b, size_t len)
{
	return BYTES_BUFFER - b->end >= sizeof(uint32_t) + len;
}

/* Where to put the next frame, which fits. */
static inline uint8_t *bytes_add(struct bytes *b, size_t len)
{
	uint32_t wire = htonl(len);
	uint8_t *frame = b->data + b->end + sizeof(wire);

	memcpy(b->data + b->end, &wire, sizeof(wire));
	b->end += sizeof(wire) + len;
	return frame;
}

/* 0: all of it is sent; -EAGAIN: there is no room for the rest; another negative errno: the far end is gone. */
static inline int bytes_send(struct bytes *b, int fd)
{
	while (b->at < b->end) {
		ssize_t n = send(fd, b->data + b->at, b->end - b->at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		b->at += n > 0 ? n : 0;
	}
	b->at = b->end = 0;
	return 0;
}

#endif
