// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream.c - frames over a stream socket (bytes.h). See stream.h.
 *
 * Trust: the far end is a process of the domain's own user. What it says of lengths is
 *        checked.
 */
#include <poll.h>
#include <stdlib.h>

#include <liburing.h>

#include "bytes.h"
#include "net.h"
#include "stream.h"

_Static_assert(BYTES_LONGEST == NET_FRAME - NET_HEADER, "a tap's frames fit, and no longer ones");

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

ssize_t stream_read(struct stream *s, const struct iovec *iov, unsigned int nr)
{
	static const uint8_t header[NET_HEADER];
	const uint8_t *frame;
	ssize_t len;

	while (!(len = bytes_whole(&s->in, &frame))) {
		if (s->in.at > BYTES_BUFFER / 2)
			bytes_to_front(&s->in);
		len = bytes_receive(&s->in, s->fd);
		if (len)
			break;
	}
	if (len < 0) {
		errno = -len;
		return -1;
	}
	ring_scatter(iov, nr, 0, header, sizeof(header));
	ring_scatter(iov, nr, sizeof(header), frame, len);
	bytes_next(&s->in, len);
	return sizeof(header) + len;
}

ssize_t stream_write(struct stream *s, const struct iovec *iov, unsigned int nr)
{
	size_t all = 0, len;

	for (unsigned int i = 0; i < nr; i++)
		all += iov[i].iov_len;
	len = all - NET_HEADER;
	if (all < NET_HEADER + BYTES_SHORTEST || len > BYTES_LONGEST) {
		errno = EMSGSIZE;
		return -1;
	}
	ring_gather(bytes_add(&s->out, len), iov, nr, NET_HEADER, len);
	return all;
}

bool stream_full(struct stream *s)
{
	if (!bytes_fit(&s->out, BYTES_LONGEST))
		stream_flush(s);
	return !bytes_fit(&s->out, BYTES_LONGEST);
}

void stream_flush(struct stream *s)
{
	int rc = s->waiting ? 0 : bytes_send(&s->out, s->fd);

	if (rc == -EAGAIN) {
		struct io_uring_sqe *sqe = loop_sqe(&s->room);

		io_uring_prep_poll_add(sqe, s->fd, POLLOUT);
		io_uring_sqe_set_data(sqe, &s->room);
		s->waiting = true;
	} else if (rc) {
		/* Its end is told by reading. */
		s->out.at = s->out.end;
	}
	bytes_to_front(&s->out);
}
