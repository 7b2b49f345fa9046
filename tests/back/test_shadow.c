// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_shadow.c - the shadow of a guest's ring that a server gets: requests pass in
 * order and come back in any, the server is told and asks to be told as EVENT_IDX
 * says, a server that lies about what comes back is called by its lie, and what was
 * in flight when it died is passed on again by the next one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "shadow.h"
#include "tools_test.h"

#define SIZE	8
#define ROOM	4097

static uint8_t page[SHADOW_BYTES] __attribute__((aligned(4096)));
static struct shadow shadow;

static struct vring_avail *avail(void)
{
	return shadow.avail;
}

static struct vring_used *used(void)
{
	return shadow.used;
}

static void fresh(bool event_idx)
{
	memset(page, 0x5a, sizeof(page));
	shadow_start(&shadow, page, SIZE, event_idx);
}

/* The server's: gives back. */
static void serve(uint32_t head, uint32_t len)
{
	used()->ring[used()->idx % SIZE] = (vring_used_elem_t){ head, len };
	used()->idx++;
}

static bool comes_back(uint16_t want, uint32_t want_len)
{
	uint32_t len;
	uint16_t head;

	return shadow_next(&shadow, &head, &len) == RING_GOT && head == want && len == want_len;
}

static int next(void)
{
	uint32_t len;
	uint16_t head;

	return shadow_next(&shadow, &head, &len);
}

static void passes_on(void)
{
	fresh(true);
	CU_ASSERT(avail()->idx == 0 && used()->idx == 0 && avail()->flags == 0 && used()->flags == 0);
	CU_ASSERT_EQUAL(next(), RING_EMPTY);
	CU_ASSERT_FALSE(shadow_show(&shadow));
	shadow_add(&shadow, 5, ROOM);
	shadow_add(&shadow, 0, 1);
	shadow_add(&shadow, 7, 0);
	CU_ASSERT_EQUAL(avail()->idx, 0);
	CU_ASSERT(shadow_show(&shadow));
	CU_ASSERT_EQUAL(avail()->idx, 3);
	CU_ASSERT(avail()->ring[0] == 5 && avail()->ring[1] == 0 && avail()->ring[2] == 7);
	serve(7, 0);
	serve(5, ROOM);
	CU_ASSERT(comes_back(7, 0));
	CU_ASSERT(comes_back(5, ROOM));
	CU_ASSERT_EQUAL(next(), RING_EMPTY);
	/* A head that is back may come again. */
	shadow_add(&shadow, 5, 3);
	shadow_show(&shadow);
	serve(5, 3);
	serve(0, 1);
	CU_ASSERT(comes_back(5, 3));
	CU_ASSERT(comes_back(0, 1));
}

static void wake_ups(void)
{
	uint16_t *avail_event, *used_event;

	fresh(true);
	avail_event = (uint16_t *)&used()->ring[SIZE];
	used_event = (uint16_t *)&avail()->ring[SIZE];
	*avail_event = 1;
	shadow_add(&shadow, 0, ROOM);
	CU_ASSERT_FALSE(shadow_show(&shadow));
	shadow_add(&shadow, 1, ROOM);
	shadow_add(&shadow, 2, ROOM);
	CU_ASSERT(shadow_show(&shadow));
	serve(1, 0);
	CU_ASSERT(shadow_listen(&shadow));
	CU_ASSERT(comes_back(1, 0));
	CU_ASSERT_FALSE(shadow_listen(&shadow));
	CU_ASSERT_EQUAL(*used_event, 1);

	/* Flags. */
	fresh(false);
	used()->flags = VRING_USED_F_NO_NOTIFY;
	shadow_add(&shadow, 0, ROOM);
	CU_ASSERT_FALSE(shadow_show(&shadow));
	used()->flags = 0;
	shadow_add(&shadow, 1, ROOM);
	CU_ASSERT(shadow_show(&shadow));
	CU_ASSERT_FALSE(shadow_listen(&shadow));
	CU_ASSERT_EQUAL(avail()->flags, 0);
}

static void indices_wrap(void)
{
	fresh(true);
	for (unsigned int i = 0; i < 70000; i++) {
		uint16_t a = i % SIZE, b = (i + 3) % SIZE;

		shadow_add(&shadow, a, ROOM);
		shadow_add(&shadow, b, ROOM);
		shadow_show(&shadow);
		serve(b, i % ROOM);
		serve(a, 0);
		if (avail()->idx != (uint16_t)(2 * i + 2) || !comes_back(b, i % ROOM) || !comes_back(a, 0) || next() != RING_EMPTY) {
			CU_FAIL("an index is wrong");
			break;
		}
	}
}

/* Heads 1 and 2 are with the server. One way to lie each, and the words that must say so. */
static void never_passed_on(void) { serve(3, 0); }
static void twice(void) { serve(1, 0); serve(1, 0); }
static void no_head(void) { serve(SIZE, 0); }
static void no_number(void) { serve(UINT32_MAX, 0); }
static void wraps_head(void) { serve(0x10001, 0); }
static void too_long(void) { serve(1, ROOM + 1); }
static void endless(void) { serve(1, UINT32_MAX); }
static void too_many(void) { serve(1, 0); serve(2, 0); used()->idx++; }
static void far_ahead(void) { used()->idx = 40000; }
static void backwards(void) { used()->idx = -1; }
static void not_shown(void) { shadow_add(&shadow, 3, ROOM); serve(1, 0); serve(2, 0); serve(3, 0); }

static const struct {
	void (*tell)(void);
	const char *says;
} lies[] = {
	{ never_passed_on, "does not have" }, { twice, "does not have" }, { no_head, "does not have" }, { no_number, "does not have" },
	{ wraps_head, "does not have" }, { too_long, "wrote more" }, { endless, "wrote more" }, { too_many, "more requests than it has" },
	{ far_ahead, "more requests than it has" }, { backwards, "more requests than it has" }, { not_shown, "more requests than it has" },
};

static void lying_servers(void)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		int rc, n = 0;

		fresh(true);
		shadow_add(&shadow, 1, ROOM);
		shadow_add(&shadow, 2, ROOM);
		shadow_show(&shadow);
		lies[i].tell();
		while ((rc = next()) == RING_GOT && n++ < SIZE)
			;
		CU_ASSERT_EQUAL(rc, RING_BROKEN);
		if (!shadow.broken || !strstr(shadow.broken, lies[i].says)) {
			fprintf(stderr, "lie %zu: '%s' does not say '%s'\n", i, shadow.broken, lies[i].says);
			CU_FAIL("a lie was not called by its name");
		}
		/* It stays broken. */
		used()->idx = 0;
		CU_ASSERT_EQUAL(next(), RING_BROKEN);
		CU_ASSERT_FALSE(shadow_listen(&shadow));
	}
}

/* A server overwrites the available ring and its index: what is passed on next is where it belongs. */
static void overwritten(void)
{
	fresh(true);
	memset(avail(), 0xff, sizeof(struct vring_avail) + (SIZE + 1) * sizeof(uint16_t));
	shadow_add(&shadow, 4, ROOM);
	shadow_show(&shadow);
	CU_ASSERT(avail()->idx == 1 && avail()->ring[0] == 4);
	serve(4, 1);
	CU_ASSERT(comes_back(4, 1));
}

/* ---- with the guest's ring, as the front joins them ---- */

static void pass_on(struct ring *r)
{
	struct iovec iov[SIZE];
	struct ring_chain c = { .iov = iov, .max = SIZE };

	while (ring_pop(r, &c) == RING_GOT)
		shadow_add(&shadow, c.head, c.in);
	shadow_show(&shadow);
}

/* Servers that die, each having served some of what they had: each request comes back once, in the end all. */
static void servers_die(void)
{
	enum { GPA = 0x10000, BYTES = 0x4000, AVAIL = 0x1000, USED = 0x2000 };
	static struct back_queue state;
	uint8_t *window = aligned_alloc(4096, BYTES);
	struct mem mem = { .nr = 1, .window = { { GPA, BYTES, window, -1 } } };
	struct vring_avail *theirs = (void *)(window + AVAIL);
	struct vring_used *given = (void *)(window + USED);
	unsigned int times[SIZE] = { 0 };
	uint16_t seen = 0;
	struct ring ring;

	memset(window, 0, BYTES);
	memset(&state, 0, sizeof(state));
	for (uint16_t i = 0; i < SIZE; i++) {
		((struct vring_desc *)window)[i] = (struct vring_desc){ GPA + 0x3000, 16, VRING_DESC_F_WRITE, 0 };
		theirs->ring[i] = SIZE - 1 - i;
	}
	theirs->idx = 6;
	for (int server = 0; server < 3; server++) {
		CU_ASSERT_FATAL(ring_start(&ring, &mem, &state, SIZE, GPA, GPA + AVAIL, GPA + USED, 1ull << VIRTIO_RING_F_EVENT_IDX));
		fresh(true);
		pass_on(&ring);
		CU_ASSERT_EQUAL(avail()->idx, 6 - 2 * server);
		/* All that came before, in the order of the guest's. */
		for (uint16_t i = 1; i < avail()->idx; i++)
			CU_ASSERT(avail()->ring[i] < avail()->ring[i - 1]);
		/* The last two come back; the last of all but in the next server's time, for nobody shows it. */
		for (int i = 1; i <= 3; i++) {
			uint32_t len;
			uint16_t head;

			if (avail()->idx < i)
				break;
			serve(avail()->ring[avail()->idx - i], 16);
			CU_ASSERT_EQUAL(shadow_next(&shadow, &head, &len), RING_GOT);
			ring_push(&ring, head, len);
			if (i <= 2)
				ring_publish(&ring);
		}
		for (; seen != given->idx; seen++)
			times[given->ring[seen % SIZE].id]++;
	}
	CU_ASSERT_EQUAL(given->idx, 6);
	for (int i = 0; i < SIZE; i++)
		CU_ASSERT_EQUAL(times[i], i >= 2);
	free(window);
}

TESTS("the shadow ring", TEST(passes_on), TEST(wake_ups), TEST(indices_wrap), TEST(lying_servers), TEST(overwritten), TEST(servers_die))
