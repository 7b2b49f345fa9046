// SPDX-License-Identifier: GPL-2.0-only
/*
 * console.c - a terminal: virtio-console with one port, over a pty or a socket.
 *
 * Queue 0 goes to the guest, queue 1 comes from it. Linux's driver waits for each
 * piece of output with interrupts off, so output is never held for long: who does
 * not read for a while (PATIENCE) loses what comes then, not the guest its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <seccomp.h>

#include "dev.h"

#define QUEUE_SIZE	64
#define TO_GUEST	0
#define FROM_GUEST	1
#define PATIENCE	50	/* ms */

static struct console {
	struct loop_op op;
	struct dev *d;
	int fd;
	bool clogged;		/* the reader was waited for in vain; until it reads again, no more */
	uint8_t buf[4096];	/* read, and not with the guest yet: from `at` on, `len` bytes */
	size_t at, len;
} console = { .fd = -1 };

/* Input: as much as the guest has room for. */
static void to_guest(struct console *c)
{
	struct dev *d = c->d;
	struct iovec iov[QUEUE_SIZE];
	struct ring_chain chain = { .iov = iov, .max = QUEUE_SIZE };

	if (!d->started || !d->queue[TO_GUEST].enabled)
		return;
	while (ring_waiting(&d->queue[TO_GUEST].ring) || dev_listen(d, TO_GUEST)) {
		size_t n;

		if (!c->len) {
			ssize_t rc = read(c->fd, c->buf, sizeof(c->buf));

			/* EIO: nobody has the pty's other side open. */
			if (rc <= 0)
				return;
			c->at = 0;
			c->len = rc;
			d->state->console.rd_bytes += rc;
		}
		if (dev_pop(d, TO_GUEST, &chain) != RING_GOT)
			return;
		n = chain.in < c->len ? chain.in : c->len;
		ring_scatter(iov + chain.nr_out, chain.nr_in, 0, c->buf + c->at, n);
		ring_push(&d->queue[TO_GUEST].ring, chain.head, n);
		c->at += n;
		c->len -= n;
	}
}

static void write_out(struct console *c, struct iovec *iov, unsigned int nr, size_t len)
{
	while (len) {
		ssize_t n = writev(c->fd, iov, nr);
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };

		if (n > 0) {
			c->clogged = false;
			len -= n;
			nr = ring_cut(iov, nr, n, len);
		} else if (errno == EINTR) {
			continue;
		} else if (errno != EAGAIN || c->clogged) {
			return;
		} else if (poll(&p, 1, PATIENCE) <= 0 || !(p.revents & POLLOUT)) {
			c->clogged = true;
			return;
		}
	}
}

static void from_guest(struct console *c)
{
	struct dev *d = c->d;
	struct iovec iov[QUEUE_SIZE];
	struct ring_chain chain = { .iov = iov, .max = QUEUE_SIZE };

	do {
		while (dev_pop(d, FROM_GUEST, &chain) == RING_GOT) {
			d->state->console.wr_bytes += chain.out;
			write_out(c, iov, chain.nr_out, chain.out);
			ring_push(&d->queue[FROM_GUEST].ring, chain.head, 0);
		}
	} while (dev_listen(d, FROM_GUEST));
}

static void console_kick(struct dev *d, unsigned int q)
{
	if (q == FROM_GUEST)
		from_guest(d->priv);
	else
		to_guest(d->priv);
}

static void readable(struct loop_op *op, int res)
{
	struct console *c = (struct console *)op;

	if (res < 0)
		die("the terminal cannot be waited for: %s", strerror(-res));
	to_guest(c);
}

static void console_settle(struct dev *d)
{
	dev_publish(d, TO_GUEST);
	dev_publish(d, FROM_GUEST);
}

static void console_start(struct dev *d)
{
	static bool polled;

	if (!polled)
		loop_poll(&console.op, console.fd);
	polled = true;
	(void)d;
}

static void set_size(struct dev *d)
{
	struct virtio_console_config c = { .max_nr_ports = 1 };
	struct winsize w;

	if (!ioctl(console.fd, TIOCGWINSZ, &w)) {
		c.cols = w.ws_col;
		c.rows = w.ws_row;
	}
	memcpy(d->config, &c, sizeof(c));
	d->config_size = sizeof(c);
}

static void console_init(struct dev *d)
{
	int flags;

	if (console.fd < 0)
		die("pty=FD is missing; see vmi-back --help");
	flags = fcntl(console.fd, F_GETFL);
	if (flags < 0 || fcntl(console.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		die("pty: %s", strerror(errno));
	console.op.done = readable;
	console.d = d;
	d->priv = &console;
	d->nr_queues = 2;
	d->size_max = QUEUE_SIZE;
	if (isatty(console.fd))
		d->features = 1ull << VIRTIO_CONSOLE_F_SIZE;
	set_size(d);
}

static bool console_arg(struct dev *d, const char *name, const char *value)
{
	(void)d;
	if (strcmp(name, "pty"))
		return false;
	console.fd = arg_fd(name, value);
	return true;
}

static bool console_told(struct dev *d, const char *line)
{
	if (strcmp(line, "resize"))
		return false;
	set_size(d);
	dev_config_changed(d);
	return true;
}

const struct dev_ops console_ops = {
	.name = "console",
	.help = "  pty=FD             the terminal: a pty's master, or a stream socket (told `resize`: its size changed)\n",
	.device = VIRTIO_ID_CONSOLE,
	.syscalls = (const int[]){ SCMP_SYS(writev), SCMP_SYS(poll), -1 },
	.ioctls = (const int[]){ TIOCGWINSZ, 0 },
	.arg = console_arg,
	.init = console_init,
	.start = console_start,
	.stop = dev_stopped,
	.kick = console_kick,
	.settle = console_settle,
	.told = console_told,
};
