/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream.h - a card whose frames go over a stream socket (bytes.h), without a virtio header.
 */
#ifndef BACK_STREAM_H
#define BACK_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include "loop.h"

struct stream;

/* room: called when there is room again, after stream_full(). */
struct stream *stream_open(int fd, void (*room)(void));
/*
 * As readv() and writev() of a tap: a frame with its virtio header, which is read as zeroes and not
 * looked at when written. Reading: EAGAIN; EPIPE: the far end is gone; EPROTO: what it sends are no frames.
 * Writing: EMSGSIZE: that is no frame.
 */
ssize_t stream_read(struct stream *s, const struct iovec *iov, unsigned int nr);
ssize_t stream_write(struct stream *s, const struct iovec *iov, unsigned int nr);
/* The next frame might find no room. */
bool stream_full(struct stream *s);
/* Send what was written. */
void stream_flush(struct stream *s);

#endif
