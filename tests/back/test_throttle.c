// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_throttle.c - Limits of disks and cards, on a clock of the test's own: so much a second in the long run, bursts as fast, as long and as often as they may be, long requests that count as several; texts that are no limits change nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "throttle.h"
#include "tools_test.h"

#define NS	1000000000ull
#define TOO_MANY 10000000

static uint64_t now;

static struct throttle set(const char *text)
{
	struct throttle t = { 0 };

	CU_ASSERT_FATAL(throttle_set(&t, text));
	now = 1234 * NS;
	return t;
}

/* As many requests as may go within so many seconds. */
static uint64_t greedy(struct throttle *t, bool write, uint64_t bytes, uint64_t seconds)
{
	uint64_t end = now + seconds * NS, nr = 0, wait;

	while (now < end) {
		wait = throttle_ask(t, write, bytes, now);
		CU_ASSERT_FATAL(nr < TOO_MANY);
		nr += !wait;
		now += wait;
		/* Who waits so long gets in. */
		if (wait && now < end) {
			CU_ASSERT_FATAL(!throttle_ask(t, write, bytes, now));
			nr++;
		}
	}
	now = end;
	return nr;
}

/* Within so much of it. */
static void about(uint64_t nr, uint64_t what, uint64_t slack)
{
	CU_ASSERT(nr >= what && nr <= what + slack);
	if (nr < what || nr > what + slack)
		printf("%lu, not %lu\n", (unsigned long)nr, (unsigned long)what);
}

static void rates(void)
{
	struct throttle t = set("0,0,0,100,0,0");

	/* A tenth of a second is free, and no more is saved up. */
	about(greedy(&t, false, 4096, 10), 1010, 1);
	now += 3600 * NS;
	about(greedy(&t, true, 1 << 20, 10), 1010, 1);
	t = set("0,0,1000000,0,0,0");
	about(greedy(&t, true, 500, 10) * 500, 10100000, 500);
	CU_ASSERT_EQUAL(throttle_ask(&t, false, 1ull << 30, now), 0);
	CU_ASSERT_EQUAL(throttle_ask(&t, false, 1ull << 30, now), 0);
	/* A large one goes whole, and is paid for then. */
	now += NS;
	CU_ASSERT_EQUAL(throttle_ask(&t, true, 5000000, now), 0);
	CU_ASSERT_EQUAL(throttle_ask(&t, true, 1, now), 4900000000);
	/* Of several the one that takes longest. */
	t = set("0,1000,2000,0,3,0");
	about(greedy(&t, false, 1000, 10), 10, 1);
	about(greedy(&t, true, 1000, 10), 20, 1);
	about(greedy(&t, false, 10, 10), 30, 1);
	CU_ASSERT_FALSE(set("0,0,0,0,0,0").any);
}

static void bursts(void)
{
	/* 2,000 a second for 60 s, then 100; what leaks meanwhile makes it 63. */
	struct throttle t = set("0,0,0,100,0,0,0,0,0,2000,0,0,0,0,0,0,60,0,0");
	uint64_t start;

	about(greedy(&t, false, 4096, 10), 20200, 1);
	about(greedy(&t, false, 4096, 50), 100000, 1);
	about(greedy(&t, false, 4096, 40), 120000 + 100 * 100 - 120200, 2);
	about(greedy(&t, true, 4096, 100), 10000, 1);
	/* What was not used for five minutes goes in a burst again; in a year there is no more than one. */
	now += 300 * NS;
	about(greedy(&t, false, 4096, 100), 30000 + 10000, 2);
	now += 365 * 86400 * NS;
	about(greedy(&t, false, 4096, 100), 120000 + 10000, 2);
	/* Half as fast, it lasts more than twice as long. */
	now += 3600 * NS;
	start = now;
	while (!throttle_ask(&t, false, 4096, now) && now < start + 1000 * NS)
		now += NS / 1000;
	about((now - start) / NS, 133, 0);

	/* One second if nothing is said; only of what has them; and by the direction. */
	t = set("0,0,1000000,0,0,0,0,0,4000000,0,0,7,0,0,0,0,0,0,0");
	about(greedy(&t, true, 1000, 2) * 1000, 6000000, 1000);
	about(greedy(&t, true, 1000, 2) * 1000, 2000000, 1000);
	CU_ASSERT_EQUAL(throttle_ask(&t, false, 1 << 20, now), 0);
	/* Two that hold at once. */
	t = set("100000,0,0,10,0,0,200000,0,0,1000,0,0,0,2,0,0,3,0,0");
	about(greedy(&t, true, 1000, 1) * 1000, 200000 + 20000, 1000);
	about(greedy(&t, false, 10, 100), 3000 + 1010 - 221, 2);
}

static void sizes(void)
{
	struct throttle t = set("0,0,0,1000,0,0,0,0,0,0,0,0,4096,0,0,0,0,0,0");

	about(greedy(&t, false, 512, 10), 10100, 1);
	about(greedy(&t, false, 4096, 10), 10000, 1);
	about(greedy(&t, false, 8192, 10), 5000, 1);
	about(greedy(&t, false, 6144, 10), 6666, 1);
	about(greedy(&t, false, 4096000, 10), 10, 1);
	/* Bytes are counted as ever. */
	t = set("1000000,0,0,0,0,0,0,0,0,0,0,0,4096,0,0,0,0,0,0");
	about(greedy(&t, false, 10000, 10), 1010, 1);
}

static void extremes(void)
{
	/* A slack of ages, and requests that take as long. */
	struct throttle t = set("1,0,0,1,0,0,1125899906842624,0,0,1125899906842624,0,0,1,1000000,0,0,1000000,0,0");
	uint64_t wait;

	for (int i = 0; i < 100; i++) {
		wait = throttle_ask(&t, true, 0xfffffffe, now);
		CU_ASSERT(!wait == !i && wait < 1ull << 63);
	}
	/* As fast as no disk is. */
	t = set("1125899906842624,0,0,1125899906842624,0,0");
	for (int i = 0; i < 1000; i++)
		CU_ASSERT_FATAL(!throttle_ask(&t, true, 4096, now));
}

static void texts(void)
{
	static const char *const bad[] = {
		"", ",", "1", "1,2,3,4,5", "1,2,3,4,5,6,", "1,2,3,4,5,6,7", "1,2,3,4,5,-6", " 1,2,3,4,5,6", "1,2,3,4,5,6 ", "1,2,,4,5,6",
		"1,2,3,4,5,0x6", "1,2,3,4,5,1125899906842625", "1,2,3,4,5,99999999999999999999999", "0,0,0,100,0,0,0,0,0,2000,0,0,0,0,0,0,60,0",
		"0,0,0,100,0,0,0,0,0,2000,0,0,0,0,0,0,60,0,0,0", "0,0,0,100,0,0,0,0,0,2000,0,0,0,0,0,0,1000001,0,0",
	};
	struct throttle t = set("1,2,3,4,5,6"), before = t;
	struct shape s = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT(!throttle_set(&t, bad[i]) && !memcmp(&t, &before, sizeof(t)));
	CU_ASSERT(!shape_set(&s, "1,2") && !shape_set(&s, "1,2,3,4") && !shape_set(&s, "1,2,x") && !s.average.rate);
}

/* Frames, whose length is known only then. */
static void cards(void)
{
	struct shape s;
	uint64_t bytes = 0, wait, end;

	CU_ASSERT_FATAL(shape_set(&s, "100000,500000,2000000"));
	now = 5 * NS;
	for (end = now + 30 * NS; now < end; now += wait) {
		wait = shape_ask(&s, now);
		if (wait)
			continue;
		shape_count(&s, 1500, now);
		bytes += 1500;
	}
	about(bytes, 2000000 + 3000000, 1500);
}

TESTS("throttle", TEST(rates), TEST(bursts), TEST(sizes), TEST(extremes), TEST(texts), TEST(cards))
