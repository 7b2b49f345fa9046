// SPDX-License-Identifier: GPL-2.0-only
/*
 * hog.c - nearly all of the memory at once, with every page checked.
 *
 * Each page holds its number and the round; a frame that two pages share, or
 * that the kernel and the hypervisor both use, shows as a wrong number. Bound
 * by MemAvailable, so it says more the more it gets.
 */
#define _GNU_SOURCE
#include "guest.h"

static unsigned long available_pages(void)
{
	char line[128];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	check(f, "/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1)
			break;
	fclose(f);
	check(kib, "/proc/meminfo has no MemAvailable");
	return kib / 4;
}

static void fill(char *p, unsigned long nr, uint64_t key)
{
	for (unsigned long i = 0; i < nr; i++) {
		uint64_t *page = (uint64_t *)(p + i * PAGE);

		page[0] = i;
		page[1 + i % 510] = mix(key + i);
		page[511] = key;
	}
}

static void verify(const char *p, unsigned long nr, uint64_t key, const char *who)
{
	for (unsigned long i = 0; i < nr; i++) {
		const uint64_t *page = (const uint64_t *)(p + i * PAGE);

		check(page[0] == i && page[1 + i % 510] == mix(key + i) && page[511] == key,
		      "%s: page %lu of %lu holds number %lu, key %#lx, not %#lx", who, i, nr, page[0], page[511], key);
	}
}

static void all(void)
{
	for (unsigned long r = 0; r < scaled(2); r++) {
		unsigned long nr = available_pages() / 100 * 88;
		char *p = map(nr * PAGE, PROT_READ | PROT_WRITE, MAP_NORESERVE);

		for (unsigned long i = 0; i < nr; i += 97)
			check(!*(uint64_t *)(p + i * PAGE + 8 * (i % 512)), "fresh page %lu is not zero", i);
		fill(p, nr, guest_seed + r);
		verify(p, nr, guest_seed + r, "first pass");
		/* Backwards too: the second pass finds none of the first one's translations hot. */
		for (unsigned long i = nr; i-- > 0; )
			check(*(uint64_t *)(p + i * PAGE) == i, "backwards: page %lu holds %lu", i, *(uint64_t *)(p + i * PAGE));
		fill(p, nr, ~guest_seed + r);
		verify(p, nr, ~guest_seed + r, "second pass");
		must(munmap(p, nr * PAGE));
	}
}

/* Most of it in the parent, and children that read all and change a part. */
static void family(void)
{
	unsigned long nr = available_pages() / 100 * 60, part = nr / 20;
	char *p = map(nr * PAGE, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	pid_t pid[3];

	fill(p, nr, guest_seed);
	for (int c = 0; c < 3; c++) {
		pid[c] = must_fork();
		if (!pid[c]) {
			char *mine = p + (c + 1) * part * PAGE;

			verify(p, nr, guest_seed, "child");
			fill(mine, part, guest_seed + c + 1);
			verify(mine, part, guest_seed + c + 1, "child, its own part");
			verify(p, (c + 1) * part, guest_seed, "child, the rest");
			_exit(c);
		}
	}
	for (int c = 0; c < 3; c++)
		reap(pid[c], c);
	verify(p, nr, guest_seed, "parent");
}

/* As much as the memory and more, in turns: what is freed comes back, and clean. */
static void turnover(void)
{
	unsigned long total = available_pages() * scaled(2), piece = available_pages() / 8, done = 0;

	for (int r = 0; done < total; r++, done += piece) {
		pid_t pid = must_fork();

		if (!pid) {
			char *p = map(piece * PAGE, PROT_READ | PROT_WRITE, 0);

			for (unsigned long i = 0; i < piece; i++)
				check(!*(uint64_t *)(p + i * PAGE + 8 * (i % 512)), "fresh page %lu is not zero", i);
			fill(p, piece, r);
			verify(p, piece, r, "turn");
			_exit(0);
		}
		reap(pid, 0);
	}
}

static const struct guest_test tests[] = {
	{ "all", all, "nearly all of the memory, round after round", 600 },
	{ "family", family, "most of the memory shared with three children", 600 },
	{ "turnover", turnover, "more than the memory, piece after piece", 600 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
