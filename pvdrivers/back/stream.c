// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream.c - frames over a stream socket. See stream.h.
 *
 * Both directions go through a buffer here, so that a system call carries many
 * frames, and a half of one waits for the rest.
 *
 * Trust: the far end is a process of the domain's own user. What it says of lengths is
 *        checked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <liburing.h>

#include "net.h"
#include "stream.h"

#define LONGEST		(NET_FRAME - NET_HEADER)
#define SHORTEST	14
#define BUFFER		(4 * (sizeof(uint32_t) + LONGEST))

/* Bytes from `at` to `end` count. */
struct bytes {
	size_t at, end;
	uint8_t data[BUFFER];
};

struct stream {
	int fd;
	struct bytes in, out;
	struct loop_op room;
	bool waiting;			/* for room in the socket */
	void (*on_room)(void);
};

static void room_event(struct loop_op *op, int res)
{
	struct stream *s = (struct stream *)((char *)op - offsetof(struct stream, room));

	(void)res;
	s->waiting = false;
	stream_flush(s);
	s->on_room();
}

struct stream *stream_open(int fd, void (*room)(void))
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		die("no memory");
	s->fd = fd;
	s->room = (struct loop_op){ room_event, -1 };
	s->on_room = room;
	return s;
}

static void to_front(struct bytes *b)
{
	memmove(b->data, b->data + b->at, b->end - b->at);
	b->end -= b->at;
	b->at = 0;
}

/* Its length, if the whole of the next frame is there; 0: it is not; negative errno. */
static ssize_t whole(const struct bytes *b)
{
	uint32_t len;

	if (b->end - b->at < sizeof(len))
		return 0;
	memcpy(&len, b->data + b->at, sizeof(len));
	len = ntohl(len);
	if (len < SHORTEST || len > LONGEST)
		return -EPROTO;
	return b->end - b->at - sizeof(len) < len ? 0 : len;
}

ssize_t stream_read(struct stream *s, const struct iovec *iov, unsigned int nr)
{
	static const uint8_t header[NET_HEADER];
	ssize_t len, n;

	while (!(len = whole(&s->in))) {
		if (s->in.at > BUFFER / 2)
			to_front(&s->in);
		n = recv(s->fd, s->in.data + s->in.end, BUFFER - s->in.end, MSG_DONTWAIT);
		if (n <= 0) {
			errno = n < 0 && (errno == EAGAIN || errno == EINTR) ? EAGAIN : EPIPE;
			return -1;
		}
		s->in.end += n;
	}
	if (len < 0) {
		errno = -len;
		return -1;
	}
	ring_scatter(iov, nr, 0, header, sizeof(header));
	ring_scatter(iov, nr, sizeof(header), s->in.data + s->in.at + sizeof(uint32_t), len);
	s->in.at += sizeof(uint32_t) + len;
	return sizeof(header) + len;
}

ssize_t stream_write(struct stream *s, const struct iovec *iov, unsigned int nr)
{
	size_t all = 0, len;
	uint32_t wire;

	for (unsigned int i = 0; i < nr; i++)
		all += iov[i].iov_len;
	len = all - NET_HEADER;
	if (all < NET_HEADER + SHORTEST || len > LONGEST) {
		errno = EMSGSIZE;
		return -1;
	}
	wire = htonl(len);
	memcpy(s->out.data + s->out.end, &wire, sizeof(wire));
	ring_gather(s->out.data + s->out.end + sizeof(wire), iov, nr, NET_HEADER, len);
	s->out.end += sizeof(wire) + len;
	return all;
}

bool stream_full(struct stream *s)
{
	if (BUFFER - s->out.end < sizeof(uint32_t) + LONGEST)
		stream_flush(s);
	return BUFFER - s->out.end < sizeof(uint32_t) + LONGEST;
}

void stream_flush(struct stream *s)
{
	while (s->out.at < s->out.end && !s->waiting) {
		ssize_t n = send(s->fd, s->out.data + s->out.at, s->out.end - s->out.at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			s->out.at += n;
		} else if (n < 0 && errno == EAGAIN) {
			struct io_uring_sqe *sqe = loop_sqe(&s->room);

			io_uring_prep_poll_add(sqe, s->fd, POLLOUT);
			io_uring_sqe_set_data(sqe, &s->room);
			s->waiting = true;
		} else if (n >= 0 || errno != EINTR) {
			/* Its end is told by reading. */
			s->out.at = s->out.end;
		}
	}
	to_front(&s->out);
}
