// SPDX-License-Identifier: GPL-2.0-only
/*
 * card.c - frames over a stream socket, as QEMU's "-netdev stream" has them: each with its
 * length before it, 4 bytes in network order.
 *
 * Both directions have one buffer. What does not fit into the one to the guest is
 * lost, as on a wire; what the guest sends waits in the socket.
 *
 * Trust: the far end is vmi-back, which checks lengths, and what is in a frame is the
 *        guest's. Both may be hostile: a length that cannot be ends the program, and a
 *        frame that is longer than the card's is dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "user-net.h"

#define SHORTEST	14
#define LONGEST		(65536 + 64)	/* that vmi-back sends */
#define BUFFER		(4 * (sizeof(uint32_t) + LONGEST))

/* Bytes from `at` to `end` count. */
struct bytes {
	size_t at, end;
	uint8_t data[BUFFER];
};

static int card = -1;
static size_t longest;			/* that the guest may send */
static struct bytes in, out;

void card_open(int fd, size_t mtu)
{
	card = fd;
	longest = SHORTEST + mtu;
}

static void to_front(struct bytes *b)
{
	memmove(b->data, b->data + b->at, b->end - b->at);
	b->end -= b->at;
	b->at = 0;
}

void card_receive(void (*frame)(const uint8_t *data, size_t len))
{
	ssize_t n = recv(card, in.data + in.end, BUFFER - in.end, MSG_DONTWAIT);
	uint32_t len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		die("its card has ended");
	in.end += n;
	while (in.end - in.at >= sizeof(len)) {
		memcpy(&len, in.data + in.at, sizeof(len));
		len = ntohl(len);
		if (len < SHORTEST || len > LONGEST)
			die("what its card sends are no frames: one of %u bytes", len);
		if (in.end - in.at - sizeof(len) < len)
			break;
		if (len <= longest)
			frame(in.data + in.at + sizeof(len), len);
		in.at += sizeof(len) + len;
	}
	to_front(&in);
}

void card_send(const void *data, size_t len)
{
	uint32_t wire = htonl(len);

	if (len > LONGEST)
		return;
	if (BUFFER - out.end < sizeof(wire) + len)
		to_front(&out);
	if (BUFFER - out.end < sizeof(wire) + len)
		return;
	memcpy(out.data + out.end, &wire, sizeof(wire));
	memcpy(out.data + out.end + sizeof(wire), data, len);
	out.end += sizeof(wire) + len;
}

bool card_flush(void)
{
	while (out.at < out.end) {
		ssize_t n = send(card, out.data + out.at, out.end - out.at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR)
			die("its card has ended");
		if (n > 0)
			out.at += n;
	}
	out.at = out.end = 0;
	return true;
}
