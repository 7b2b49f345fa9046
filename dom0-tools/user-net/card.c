// SPDX-License-Identifier: GPL-2.0-only
/*
 * card.c - the guest's network card: frames over a stream socket (pvdrivers/back/bytes.h).
 *
 * What does not fit into the buffer to the guest is lost, as on a wire; what the guest sends waits in the socket.
 *
 * Trust: the far end is vmi-back, which checks lengths, and what is in a frame is the
 *        guest's. Both may be hostile: a length that cannot be ends the program, and a
 *        frame that is longer than the card's is dropped.
 */
#include "../../pvdrivers/back/bytes.h"
#include "user-net.h"

static int card = -1;
static size_t longest;			/* that the guest may send */
static struct bytes in, out;

void card_open(int fd, size_t mtu)
{
	card = fd;
	longest = BYTES_SHORTEST + mtu;
}

void card_receive(void (*frame)(const uint8_t *data, size_t len))
{
	int rc = bytes_receive(&in, card);
	const uint8_t *data;
	ssize_t len;

	if (rc == -EAGAIN)
		return;
	if (rc)
		die("its card has ended");
	while ((len = bytes_whole(&in, &data)) > 0) {
		if ((size_t)len <= longest)
			frame(data, len);
		bytes_next(&in, len);
	}
	if (len < 0)
		die("what its card sends are no frames");
	bytes_to_front(&in);
}

void card_send(const void *data, size_t len)
{
	if (len > BYTES_LONGEST)
		return;
	if (!bytes_fit(&out, len))
		bytes_to_front(&out);
	if (bytes_fit(&out, len))
		memcpy(bytes_add(&out, len), data, len);
}

bool card_flush(void)
{
	int rc = bytes_send(&out, card);

	if (rc && rc != -EAGAIN)
		die("its card has ended");
	return !rc;
}
