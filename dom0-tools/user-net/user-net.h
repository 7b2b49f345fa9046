/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * user-net.h - what the files of vmi-user-net share; see main.c.
 */
#ifndef USER_NET_H
#define USER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <slirp/libslirp.h>

#define FILES	256		/* descriptors, so connections: each has buffers of 256 KiB */

/* Says why (to the manager) and ends. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- card.c: the guest's network card at the other end of a stream socket ---- */

void card_open(int fd, size_t mtu);
/* Hands over each whole frame that has come. */
void card_receive(void (*frame)(const uint8_t *data, size_t len));
/* A frame to the guest; lost when there is no room. */
void card_send(const void *data, size_t len);
/* What waits to be sent, as far as there is room in the socket. False: some waits on. */
bool card_flush(void);

/* ---- forward.c: ports of domain 0 that lead to the guest ---- */

/* A socket that is bound, of TCP listening; the guest's port. */
struct forward {
	bool udp;
	int fd, port;
};

void forward_add(Slirp *slirp, const struct forward *f);
bool forward_listens(int fd);
/* A connection can be taken. */
bool forward_room(void);

/* ---- sandbox.c ---- */

/* From now on: IPv4 sockets of its own that connect, what comes to the manager's, and files that anybody may read. */
void sandbox_enter(void);

#endif
