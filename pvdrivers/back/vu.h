/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vu.h - the vhost-user protocol, as its front end speaks it (vu.c).
 *
 * One request is under way at a time. Numbers are those of the protocol's document;
 * only what is used here is named.
 */
#ifndef BACK_VU_H
#define BACK_VU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hand.h"

#define VU_CONFIG	256		/* bytes of configuration a server may tell */
#define VU_SECONDS	20		/* a server that does not answer for so long is gone */

#define VU_F_LOG_ALL		26
#define VU_F_PROTOCOL		30

#define VU_P_MQ			0
#define VU_P_REPLY_ACK		3
#define VU_P_BACKEND_REQ	5
#define VU_P_CONFIG		9

struct vu {
	int fd;				/* the server's socket */
	int news;			/* our end of the channel on which it tells of changes, or -1 */
	bool protocols;			/* it speaks of protocol features */
	uint64_t features;		/* the device's, without those of the protocol */
	uint64_t protocol;		/* what both sides know of VU_P_* */
	unsigned int queues;		/* at most */
	bool asked;			/* vu_ask()'s answer is still to come */
};

/* Each: 0, or -1: the server is gone or does not keep to the protocol, and vu_why() says how. */
int vu_hello(struct vu *v, int fd);
/* own: memory of this process, in which rings are. */
int vu_memory(struct vu *v, const struct mem *mem, const struct mem_window *own);
int vu_features(struct vu *v, uint64_t features);
int vu_config(struct vu *v, void *config, unsigned int size);
int vu_ring_start(struct vu *v, const struct hand_ring *r);
/* Its first entry that was not taken yet: what was may still be under way. */
int vu_ring_stop(struct vu *v, unsigned int index, uint16_t *base);

/*
 * A question that changes nothing, which a server answers from its main loop: not waited for. When the socket has something
 * to read vu_answered() takes it.
 */
int vu_ask(struct vu *v);
int vu_answered(struct vu *v);

/* What the server said on `news`: 1 its configuration changed, 0 nothing of interest, -1 see above. */
int vu_news(struct vu *v);

void vu_close(struct vu *v);
const char *vu_why(void);

#endif
