// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ring.c - the ring library of the back ends: chains of all shapes come out as
 * they were made, hostile rings break the ring and nothing else, notifications are
 * asked for and given as EVENT_IDX says, and a process that is killed at any
 * instruction loses and doubles no request.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "ring.h"
#include "tools_test.h"

#define SIZE	8
#define GPA	0x10000ull
#define WINDOW	0x10000ull
#define GPA2	0x40000ull
#define DESC	(GPA)
#define AVAIL	(GPA + 0x1000)
#define USED	(GPA + 0x2000)
#define TABLE	(GPA + 0x3000)
#define DATA	(GPA + 0x8000)

#define EVENT_IDX	(1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	(1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define ALL		(EVENT_IDX | INDIRECT)
#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define TAB		VRING_DESC_F_INDIRECT

/* What guest and back end share, and the state file. */
struct world {
	uint8_t window[WINDOW] __attribute__((aligned(4096)));
	uint8_t window2[4096];
	struct back_queue state;
};

static struct world *w;
static struct mem mem;
static struct ring ring;
static struct iovec iov[SIZE];
static struct ring_chain chain = { .iov = iov, .max = SIZE };

static struct vring_desc *desc(unsigned int i)
{
	return (struct vring_desc *)w->window + i;
}

static struct vring_avail *avail(void)
{
	return (struct vring_avail *)(w->window + 0x1000);
}

static struct vring_used *used(void)
{
	return (struct vring_used *)(w->window + 0x2000);
}

static struct vring_desc *table(void)
{
	return (struct vring_desc *)(w->window + 0x3000);
}

static bool start(uint64_t features)
{
	return ring_start(&ring, &mem, &w->state, SIZE, DESC, AVAIL, USED, features);
}

/* A new ring; the table's descriptors are good buffers of 16 bytes. */
static void fresh(uint64_t features)
{
	if (!w)
		w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(w, 0, sizeof(*w));
	mem = (struct mem){ .nr = 2, .window = { { GPA, WINDOW, w->window, -1 }, { GPA2, 4096, w->window2, -1 } } };
	for (unsigned int i = 0; i < SIZE; i++)
		*desc(i) = (struct vring_desc){ DATA + i * 16, 16, 0, 0 };
	CU_ASSERT(start(features));
}

static void offer(uint16_t head)
{
	avail()->ring[avail()->idx % SIZE] = head;
	avail()->idx++;
}

static void empty_ring(void)
{
	fresh(ALL);
	CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_EMPTY);
	CU_ASSERT_FALSE(ring_publish(&ring));
	CU_ASSERT_EQUAL(used()->idx, 0);
}

static void chains(void)
{
	uint8_t text[48];

	fresh(ALL);
	*desc(0) = (struct vring_desc){ DATA, 16, NEXT, 3 };
	*desc(3) = (struct vring_desc){ DATA + 100, 20, NEXT, 1 };
	*desc(1) = (struct vring_desc){ GPA2 + 4000, 96, WRITE, 0 };	/* up to the window's last byte */
	offer(0);
	CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
	CU_ASSERT_EQUAL(chain.nr_out, 2);
	CU_ASSERT_EQUAL(chain.nr_in, 1);
	CU_ASSERT_EQUAL(chain.out, 36);
	CU_ASSERT_EQUAL(chain.in, 96);
	CU_ASSERT_PTR_EQUAL(iov[1].iov_base, w->window + 0x8000 + 100);
	CU_ASSERT_PTR_EQUAL(iov[2].iov_base, w->window2 + 4000);
	memset(w->window + 0x8000, 'a', 16);
	memset(w->window + 0x8000 + 100, 'b', 20);
	CU_ASSERT(ring_gather(text, iov, 2, 10, 12));
	CU_ASSERT_NSTRING_EQUAL(text, "aaaaaabbbbbb", 12);
	CU_ASSERT_FALSE(ring_gather(text, iov, 2, 10, 27));
	CU_ASSERT(ring_scatter(iov + 2, 1, 94, "xy", 2));
	CU_ASSERT_FALSE(ring_scatter(iov + 2, 1, 95, "xy", 2));
	CU_ASSERT_EQUAL(ring_cut(iov, 3, 20, 17), 2);
	CU_ASSERT_EQUAL(iov[0].iov_len, 16);
	CU_ASSERT_EQUAL(iov[1].iov_len, 1);
	ring_push(&ring, chain.head, 96);
	CU_ASSERT_EQUAL(used()->idx, 0);
	ring_publish(&ring);
	CU_ASSERT_EQUAL(used()->idx, 1);
	CU_ASSERT_EQUAL(used()->ring[0].len, 96);
	CU_ASSERT_EQUAL(w->state.flight[0], 0);
}

/* Buffers side by side are one, but never what is read and what is written. */
static void neighbours(void)
{
	fresh(ALL);
	for (unsigned int i = 0; i < 6; i++)
		*desc(i) = (struct vring_desc){ DATA + i * 16, 16, (i < 5 ? NEXT : 0) | (i > 2 ? WRITE : 0), i + 1 };
	desc(5)->addr++;
	offer(0);
	CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
	CU_ASSERT(chain.nr_out == 1 && chain.nr_in == 2);
	CU_ASSERT(iov[0].iov_len == 48 && iov[1].iov_len == 32 && iov[2].iov_len == 16);
	CU_ASSERT(chain.out == 48 && chain.in == 48);
}

static void indirect_tables(void)
{
	fresh(ALL);
	*desc(2) = (struct vring_desc){ TABLE, 3 * 16, TAB, 0 };
	table()[0] = (struct vring_desc){ DATA, 16, NEXT, 2 };
	table()[2] = (struct vring_desc){ DATA + 32, 0, NEXT, 1 };	/* nothing: no iovec */
	table()[1] = (struct vring_desc){ DATA + 64, 1, WRITE, 0 };
	offer(2);
	CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
	CU_ASSERT_EQUAL(chain.nr_out, 1);
	CU_ASSERT_EQUAL(chain.nr_in, 1);
	CU_ASSERT_EQUAL(chain.in, 1);
	/* A table as large as the ring. */
	for (unsigned int i = 0; i < SIZE; i++)
		table()[i] = (struct vring_desc){ DATA, 1, i + 1 < SIZE ? NEXT : 0, i + 1 };
	*desc(3) = (struct vring_desc){ TABLE, SIZE * 16, TAB, 0 };
	offer(3);
	CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
	CU_ASSERT_EQUAL(chain.nr_out, SIZE);
}

/* One way to lie each: what is wrong, and the words that must say so. */
struct lie {
	const char *says;
	uint64_t features;
	void (*tell)(void);
};

static void far_index(void) { avail()->idx = SIZE + 1; }
static void head_outside(void) { offer(SIZE); }
static void head_65535(void) { offer(65535); }
static void head_twice(void) { offer(1); offer(1); }
static void loop_of_one(void) { *desc(0) = (struct vring_desc){ DATA, 1, NEXT, 0 }; offer(0); }
static void loop_of_all(void)
{
	for (unsigned int i = 0; i < SIZE; i++)
		*desc(i) = (struct vring_desc){ DATA, 1, NEXT, (i + 1) % SIZE };
	offer(0);
}
static void loop_of_nothing(void) { *desc(0) = (struct vring_desc){ DATA, 0, NEXT, 0 }; offer(0); }
static void next_outside(void) { *desc(0) = (struct vring_desc){ DATA, 1, NEXT, SIZE }; offer(0); }
static void before_window(void) { desc(0)->addr = GPA - 1; offer(0); }
static void over_window_end(void) { desc(0)->addr = GPA + WINDOW - 15; offer(0); }
static void between_windows(void) { *desc(0) = (struct vring_desc){ GPA + WINDOW - 8, GPA2 - GPA - WINDOW + 16, 0, 0 }; offer(0); }
static void wraps(void) { *desc(0) = (struct vring_desc){ UINT64_MAX - 7, 16, 0, 0 }; offer(0); }
static void wraps_window(void) { *desc(0) = (struct vring_desc){ DATA, UINT32_MAX, 0, 0 }; offer(0); }
static void write_then_read(void)
{
	*desc(0) = (struct vring_desc){ DATA, 1, WRITE | NEXT, 1 };
	offer(0);
}
static void four_gigabytes(void)
{
	/* The window is not that large: the sum is looked at first. */
	*desc(0) = (struct vring_desc){ DATA, 16, NEXT, 1 };
	*desc(1) = (struct vring_desc){ DATA, UINT32_MAX - 8, 0, 0 };
	offer(0);
}
static void table_at(uint64_t addr, uint32_t len, uint16_t flags)
{
	*desc(0) = (struct vring_desc){ addr, len, TAB | flags, 1 };
	for (unsigned int i = 0; i < 2 * SIZE; i++)
		table()[i] = (struct vring_desc){ DATA, 1, NEXT, i + 1 };
	table()[SIZE - 1].flags = 0;
	offer(0);
}
static void table_not_agreed(void) { table_at(TABLE, 16, 0); }
static void table_empty(void) { table_at(TABLE, 0, 0); }
static void table_odd(void) { table_at(TABLE, 24, 0); }
static void table_large(void) { table_at(TABLE, (SIZE + 1) * 16, 0); }
static void table_huge(void) { table_at(TABLE, 0xfffffff0, 0); }
static void table_unaligned(void) { table_at(TABLE + 8, 16, 0); }
static void table_outside(void) { table_at(GPA + WINDOW - 16, 32, 0); }
static void table_and_next(void) { table_at(TABLE, SIZE * 16, NEXT); }
static void table_leaves(void) { table_at(TABLE, SIZE * 16, 0); table()[0].next = SIZE; }
static void table_in_chain(void)
{
	table_at(TABLE, SIZE * 16, 0);
	*desc(1) = (struct vring_desc){ DATA, 1, NEXT, 0 };
	avail()->ring[0] = 1;
}
static void table_nested(void)
{
	table_at(TABLE, SIZE * 16, 0);
	table()[0] = (struct vring_desc){ TABLE, 16, TAB, 0 };
}
static void table_loop(void)
{
	table_at(TABLE, SIZE * 16, 0);
	table()[SIZE - 1] = (struct vring_desc){ DATA, 0, NEXT, 0 };
}

static const struct lie lies[] = {
	{ "ahead by more than its size", ALL, far_index },
	{ "head is not in the table", ALL, head_outside },
	{ "head is not in the table", ALL, head_65535 },
	{ "in flight already", ALL, head_twice },
	{ "loop", ALL, loop_of_one },
	{ "loop", ALL, loop_of_all },
	{ "loop", ALL, loop_of_nothing },
	{ "leaves its table", ALL, next_outside },
	{ "outside the window", ALL, before_window },
	{ "outside the window", ALL, over_window_end },
	{ "outside the window", ALL, between_windows },
	{ "outside the window", ALL, wraps },
	{ "4 GiB", ALL, wraps_window },
	{ "to read comes after one to write", ALL, write_then_read },
	{ "4 GiB", ALL, four_gigabytes },
	{ "not agreed", EVENT_IDX, table_not_agreed },
	{ "bad length", ALL, table_empty },
	{ "bad length", ALL, table_odd },
	{ "bad length", ALL, table_large },
	{ "bad length", ALL, table_huge },
	{ "not aligned", ALL, table_unaligned },
	{ "outside the window", ALL, table_outside },
	{ "more than its indirect table", ALL, table_and_next },
	{ "leaves its table", ALL, table_leaves },
	{ "more than its indirect table", ALL, table_in_chain },
	{ "has another one", ALL, table_nested },
	{ "loop", ALL, table_loop },
};

static void hostile_rings(void)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		int rc, n = 0;

		fresh(lies[i].features);
		lies[i].tell();
		while ((rc = ring_pop(&ring, &chain)) == RING_GOT && n++ < 2 * SIZE)
			;
		CU_ASSERT_EQUAL(rc, RING_BROKEN);
		if (!ring.broken || !strstr(ring.broken, lies[i].says)) {
			fprintf(stderr, "lie %zu: '%s' does not say '%s'\n", i, ring.broken, lies[i].says);
			CU_FAIL("a lie was not called by its name");
		}
		/* It stays broken, and says nothing more to the guest. */
		avail()->idx = 0;
		CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_BROKEN);
		CU_ASSERT_FALSE(ring_listen(&ring));
		ring_push(&ring, 0, 0);
		CU_ASSERT_FALSE(ring_publish(&ring));
		CU_ASSERT_EQUAL(used()->idx, 0);
		ring_reset(&ring, &w->state);
		CU_ASSERT(start(ALL));
	}
}

static void too_many_pieces(void)
{
	fresh(ALL);
	chain.max = 2;
	for (unsigned int i = 0; i < 3; i++)
		*desc(i) = (struct vring_desc){ DATA, 1, i < 2 ? NEXT : 0, i + 1 };
	offer(1);
	offer(0);
	CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
	CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_BROKEN);
	CU_ASSERT(strstr(ring.broken, "more pieces") != NULL);
	chain.max = SIZE;
}

static void bad_places(void)
{
	static const struct {
		uint32_t size;
		uint64_t desc, avail, used;
	} bad[] = {
		{ 0, DESC, AVAIL, USED }, { 3, DESC, AVAIL, USED }, { 2048, DESC, AVAIL, USED }, { UINT32_MAX, DESC, AVAIL, USED },
		{ SIZE, DESC + 8, AVAIL, USED }, { SIZE, DESC, AVAIL + 1, USED }, { SIZE, DESC, AVAIL, USED + 2 },
		{ SIZE, 0, AVAIL, USED }, { SIZE, GPA + WINDOW - 64, AVAIL, USED }, { SIZE, DESC, GPA + WINDOW - 8, USED },
		{ SIZE, DESC, AVAIL, GPA + WINDOW - 16 }, { SIZE, -16ull, AVAIL, USED }, { SIZE, DESC, AVAIL, -4ull },
	};

	fresh(ALL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_FALSE(ring_start(&ring, &mem, &w->state, bad[i].size, bad[i].desc, bad[i].avail, bad[i].used, ALL));
		CU_ASSERT_PTR_NOT_NULL(ring.broken);
	}
}

static void wake_ups(void)
{
	/* EVENT_IDX: nothing while the device works, one at the entry that comes next. */
	fresh(ALL);
	CU_ASSERT_FALSE(ring_listen(&ring));
	CU_ASSERT_EQUAL(*(uint16_t *)&used()->ring[SIZE], 0);
	offer(0);
	offer(1);
	CU_ASSERT(ring_listen(&ring));
	ring_pop(&ring, &chain);
	ring_pop(&ring, &chain);
	CU_ASSERT_FALSE(ring_listen(&ring));
	CU_ASSERT_EQUAL(*(uint16_t *)&used()->ring[SIZE], 2);
	/* The guest wants to hear of the second. */
	avail()->ring[SIZE] = 1;
	ring_push(&ring, 0, 0);
	CU_ASSERT_FALSE(ring_publish(&ring));
	ring_push(&ring, 1, 0);
	CU_ASSERT(ring_publish(&ring));

	/* Flags. */
	fresh(INDIRECT);
	ring_quiet(&ring);
	CU_ASSERT_EQUAL(used()->flags, VRING_USED_F_NO_NOTIFY);
	ring_listen(&ring);
	CU_ASSERT_EQUAL(used()->flags, 0);
	offer(0);
	offer(1);
	ring_pop(&ring, &chain);
	ring_push(&ring, 0, 0);
	CU_ASSERT(ring_publish(&ring));
	avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ring_pop(&ring, &chain);
	ring_push(&ring, 1, 0);
	CU_ASSERT_FALSE(ring_publish(&ring));
}

/* Both indices pass 65535, with requests out of order, and a successor in between. */
static void indices_wrap(void)
{
	uint16_t back = 0;

	fresh(ALL);
	for (unsigned int i = 0; i < 70000; i++) {
		uint16_t first;

		offer(2);
		offer(5);
		CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
		first = chain.head;
		if (i % 10000 == 9999) {
			CU_ASSERT(start(ALL));
			CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
			CU_ASSERT_EQUAL(chain.head, first);
		}
		CU_ASSERT_EQUAL(ring_pop(&ring, &chain), RING_GOT);
		ring_push(&ring, chain.head, i);
		ring_push(&ring, first, i);
		ring_publish(&ring);
		back += 2;
		if (used()->idx != back || used()->ring[(uint16_t)(back - 1) % SIZE].id != 2 || ring_waiting(&ring)) {
			CU_FAIL("an index is wrong");
			break;
		}
	}
}

/* ---- killed at any instruction ---- */

/* The child: takes, gives back, takes more. */
static void work(void)
{
	uint16_t head[6];

	for (int round = 0; round < 2; round++) {
		int n = 0;

		while (n < 6 && ring_pop(&ring, &chain) == RING_GOT)
			head[n++] = chain.head;
		/* Out of order, in lists of one and more. */
		for (int i = n - 1; i >= 0; i--) {
			ring_push(&ring, head[i], 100 + head[i]);
			if (i != 2)
				ring_publish(&ring);
		}
	}
}

/* A successor of a process that left (w) so: everything offered comes back once, and in order where it was in flight. */
static bool recovers(uint16_t offered)
{
	unsigned int times[SIZE] = { 0 };
	int last = -1;
	uint16_t before;

	if (!start(ALL))
		return false;
	before = used()->idx;
	for (uint16_t i = 0; i < before; i++)
		times[used()->ring[i % SIZE].id]++;
	while (ring_pop(&ring, &chain) == RING_GOT) {
		/* In the order in which the guest gave them. */
		if (chain.head <= last)
			return false;
		last = chain.head;
		times[chain.head]++;
		ring_push(&ring, chain.head, 100 + chain.head);
		ring_publish(&ring);
	}
	if (ring.broken || used()->idx != offered || (uint32_t)w->state.commit != offered)
		return false;
	for (unsigned int i = 0; i < SIZE; i++)
		if (times[i] != (i < offered) || w->state.flight[i])
			return false;
	for (uint16_t i = 0; i < offered; i++)
		if (used()->ring[i].len != 100 + used()->ring[i].id)
			return false;
	return true;
}

static void killed_at_any_instruction(void)
{
	static struct world seen, keep;
	unsigned int steps = 0, states = 0;
	pid_t pid;
	int status;

	fresh(ALL);
	for (uint16_t i = 0; i < SIZE; i++)
		offer(i);
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		work();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	memset(&seen, 0xff, sizeof(seen));
	while (WIFSTOPPED(status)) {
		/* Every state of the shared memory that the child leaves between two instructions. */
		if (memcmp(&seen, w, sizeof(seen))) {
			memcpy(&seen, w, sizeof(seen));
			keep = seen;
			states++;
			if (!recovers(SIZE)) {
				fprintf(stderr, "after %u instructions (state %u): requests were lost or doubled\n", steps, states);
				CU_FAIL("a killed back end's successor went wrong");
				kill(pid, SIGKILL);
			}
			memcpy(w, &keep, sizeof(keep));
		}
		steps++;
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
			break;
	}
	CU_ASSERT(WIFEXITED(status) && !WEXITSTATUS(status));
	CU_ASSERT_EQUAL(used()->idx, SIZE);
	/* It takes 8, and gives each back: at least an entry, an element and the ends of both for each. */
	CU_ASSERT(states > 4 * SIZE);
	printf("%u states in %u instructions ", states, steps);
}

TESTS("the ring library", TEST(empty_ring), TEST(chains), TEST(neighbours), TEST(indirect_tables), TEST(hostile_rings), TEST(too_many_pieces), TEST(bad_places),
      TEST(wake_ups), TEST(indices_wrap), TEST(killed_at_any_instruction))
