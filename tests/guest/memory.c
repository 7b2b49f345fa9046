// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - storms on the address space, with every page's content checked.
 *
 * What a test expects it keeps in a model of its own; the checks go through
 * ordinary loads and stores, and those that must fault go through probe(),
 * which says how they did. A translation that outlives its mapping, or a page
 * that shows another's content, is what these tests are after.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <sys/syscall.h>
#include "guest.h"

#define RW	(PROT_READ | PROT_WRITE)

static sigjmp_buf escape;
static volatile sig_atomic_t probing;
static siginfo_t fault;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (!probing)
		fail("signal %d, code %d, at %p", sig, si->si_code, si->si_addr);
	fault = *si;
	siglongjmp(escape, 1);
}

static void catch_faults(void)
{
	must_sigaction(SIGSEGV, on_fault, SA_NODEFER);
	must_sigaction(SIGBUS, on_fault, SA_NODEFER);
}

/* Touch a word; 0, or the signal that came and its details in `fault`. */
static int probe(volatile uint64_t *p, int write)
{
	if (sigsetjmp(escape, 0)) {
		probing = 0;
		return fault.si_signo;
	}
	probing = 1;
	if (write)
		*p = *p + 1;
	else
		(void)*p;
	probing = 0;
	return 0;
}

static void must_fault(volatile void *p, int write, int code, const char *what)
{
	int sig = probe((volatile uint64_t *)p, write);

	check(sig == SIGSEGV, "%s: signal %d instead of SIGSEGV", what, sig);
	check(fault.si_code == code, "%s: code %d, not %d", what, fault.si_code, code);
	check(fault.si_addr == (void *)p, "%s: address %p, not %p", what, fault.si_addr, p);
}

static void set_page(char *page, uint64_t key)
{
	uint64_t *p = (uint64_t *)page;

	p[0] = mix(key);
	p[1 + key % 510] = mix(key + 1);
	p[511] = mix(key + 2);
}

static int page_is(const char *page, uint64_t key)
{
	const uint64_t *p = (const uint64_t *)page;

	return p[0] == mix(key) && (key % 510 == 510 || p[1 + key % 510] == mix(key + 1)) && p[511] == mix(key + 2);
}

static int page_is_zero(const char *page)
{
	const uint64_t *p = (const uint64_t *)page;

	for (int i = 0; i < 512; i++)
		if (p[i])
			return 0;
	return 1;
}

/* ---- one arena, random changes, a model of each page ---------------------- */

#define ARENA	2048UL

struct page_model {
	int mapped, prot;
	uint64_t key;		/* 0: never written */
};

static struct page_model model[ARENA];

static void check_page(char *arena, unsigned long i)
{
	char *page = arena + i * PAGE, what[64];

	snprintf(what, sizeof(what), "page %lu, mapped %d, protection %d", i, model[i].mapped, model[i].prot);
	if (!model[i].mapped) {
		must_fault(page, 0, SEGV_MAPERR, what);
	} else if (!model[i].prot) {
		must_fault(page, 0, SEGV_ACCERR, what);
	} else {
		check(model[i].key ? page_is(page, model[i].key) : page_is_zero(page),
		      "%s: holds %#lx", what, *(uint64_t *)page);
		if (model[i].prot == PROT_READ)
			must_fault(page + 8, 1, SEGV_ACCERR, what);
	}
}

static void change_arena(char *arena)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW, RW };
	unsigned long first = below(ARENA), nr = 1 + below(rnd() % 8 ? 16 : 700), i;
	int prot = prots[below(4)], op = below(8);
	char *at = arena + first * PAGE;

	if (first + nr > ARENA)
		nr = ARENA - first;
	switch (op) {
	case 0:
	case 1:
		must((long)mmap(at, nr * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		for (i = first; i < first + nr; i++)
			model[i] = (struct page_model){ 1, prot, 0 };
		break;
	case 2:
		must(munmap(at, nr * PAGE));
		for (i = first; i < first + nr; i++)
			model[i].mapped = 0;
		break;
	case 3:
		/* Of the mapped pages from here on, until the first hole. */
		for (i = first; i < first + nr && model[i].mapped; i++)
			model[i].prot = prot;
		if (i > first)
			must(mprotect(at, (i - first) * PAGE, prot));
		break;
	case 4:
		for (i = first; i < first + nr && model[i].mapped; i++)
			model[i].key = 0;
		if (i > first)
			must(madvise(at, (i - first) * PAGE, MADV_DONTNEED));
		break;
	default:
		for (i = first; i < first + nr; i++) {
			if (model[i].mapped && model[i].prot == RW) {
				model[i].key = rnd() | 1;
				/* Zeroes between the three words are the model's too. */
				set_page(arena + i * PAGE, model[i].key);
			}
		}
	}
	for (int k = 0; k < 4; k++)
		check_page(arena, below(ARENA));
	check_page(arena, first);
	check_page(arena, first + nr - 1);
}

static void storm(void)
{
	char *arena = map(ARENA * PAGE, PROT_NONE, MAP_NORESERVE);

	catch_faults();
	for (unsigned long i = 0; i < ARENA; i++)
		model[i] = (struct page_model){ 1, PROT_NONE, 0 };
	for (unsigned long r = 0; r < scaled(3000); r++) {
		change_arena(arena);
		/* Now and then a child with the same model goes its own way. */
		if (r % 200 == 100) {
			pid_t pid = must_fork();

			if (!pid) {
				for (int k = 0; k < 100; k++)
					change_arena(arena);
				_exit(0);
			}
			for (int k = 0; k < 20; k++)
				change_arena(arena);
			reap(pid, 0);
		}
	}
	for (unsigned long i = 0; i < ARENA; i++)
		check_page(arena, i);
}

/* ---- translations that must not outlive their mapping --------------------- */

static void stale(void)
{
	char *at = map(4 * PAGE, RW, 0);

	catch_faults();
	for (unsigned long i = 1; i < scaled(1000); i++) {
		char *page = at + below(4) * PAGE;

		set_page(page, i);
		must(mprotect(page, PAGE, PROT_READ));
		must_fault(page, 1, SEGV_ACCERR, "a write after mprotect to read-only");
		must(mprotect(page, PAGE, PROT_NONE));
		must_fault(page, 0, SEGV_ACCERR, "a read after mprotect to none");
		must(mprotect(page, PAGE, RW));
		check(page_is(page, i), "the page changed under mprotect in round %lu", i);
		check(!probe((uint64_t *)page, 1), "a write faults after mprotect to read-write");
		must(munmap(page, PAGE));
		must_fault(page, 0, SEGV_MAPERR, "a read after munmap");
		must((long)mmap(page, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		check(page_is_zero(page), "a fresh page is not zero in round %lu", i);
	}
}

static void remap(void)
{
	unsigned long nr = 16, key = guest_seed, i;
	char *p = map(nr * PAGE, RW, 0);

	catch_faults();
	for (i = 0; i < nr; i++)
		set_page(p + i * PAGE, key + i);
	for (unsigned long r = 0; r < scaled(1500); r++) {
		unsigned long want = 1 + below(r % 50 ? 64 : 1500);
		char *old = p;

		if (r % 3 == 0) {
			char *room = map(want * PAGE, PROT_NONE, MAP_NORESERVE);

			p = mremap(p, nr * PAGE, want * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
		} else {
			p = mremap(p, nr * PAGE, want * PAGE, MREMAP_MAYMOVE);
		}
		check(p != MAP_FAILED, "mremap from %lu to %lu pages: %s", nr, want, strerror(errno));
		if (p != old)
			must_fault(old, 0, SEGV_MAPERR, "the place that mremap left");
		for (i = 0; i < nr && i < want; i++)
			check(page_is(p + i * PAGE, key + i), "page %lu of %lu is wrong after round %lu", i, nr, r);
		for (; i < want; i++) {
			check(page_is_zero(p + i * PAGE), "the new page %lu is not zero in round %lu", i, r);
			set_page(p + i * PAGE, key + i);
		}
		nr = want;
	}
}

/* ---- copy on write --------------------------------------------------------- */

#define COW_PAGES	600UL

static uint64_t cow_key[COW_PAGES];

/* Check and change some pages, in this process and in its descendants. */
static void cow_generation(char *p, int depth)
{
	pid_t pid = 0;

	for (int k = 0; k < 60; k++) {
		unsigned long i = below(COW_PAGES);

		check(page_is(p + i * PAGE, cow_key[i]), "page %lu of process %d is another's", i, getpid());
		memset(p + i * PAGE, 0, PAGE);
		cow_key[i] = rnd();
		set_page(p + i * PAGE, cow_key[i]);
	}
	if (depth) {
		pid = must_fork();
		if (!pid) {
			rng_state = mix(rng_state + depth);
			cow_generation(p, depth - 1);
			_exit(depth);
		}
		for (int k = 0; k < 60; k++) {
			unsigned long i = below(COW_PAGES);

			memset(p + i * PAGE, 0, PAGE);
			cow_key[i] = rnd();
			set_page(p + i * PAGE, cow_key[i]);
		}
	}
	for (unsigned long i = 0; i < COW_PAGES; i++)
		check(page_is(p + i * PAGE, cow_key[i]), "page %lu of process %d changed", i, getpid());
	if (depth)
		reap(pid, depth);
}

static void cow(void)
{
	char *p = map(COW_PAGES * PAGE, RW, 0);

	for (unsigned long i = 0; i < COW_PAGES; i++)
		set_page(p + i * PAGE, cow_key[i] = i);
	for (unsigned long r = 0; r < scaled(60); r++)
		cow_generation(p, 1 + r % 5);
}

/* A read-only mapping of the zero page, then written; and shared memory stays shared. */
static void zero(void)
{
	char *p = map(256 * PAGE, RW, 0);
	uint64_t *common = mmap(NULL, 16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(common != MAP_FAILED, "mmap of shared memory: %s", strerror(errno));
	for (unsigned long r = 0; r < scaled(30); r++) {
		pid_t pid;

		for (int i = 0; i < 256; i++)
			check(page_is_zero(p + i * PAGE), "page %d is not zero in round %lu", i, r);
		pid = must_fork();
		if (!pid) {
			for (int i = 0; i < 256; i++) {
				set_page(p + i * PAGE, i);
				check(page_is(p + i * PAGE, i), "page %d lost a write over zeroes", i);
			}
			for (int i = 0; i < 16; i++)
				common[i * 512] = r + i;
			_exit(0);
		}
		reap(pid, 0);
		for (int i = 0; i < 16; i++)
			check(common[i * 512] == r + i, "shared page %d does not show the child's write", i);
		for (int i = 0; i < 256; i += 3)
			set_page(p + i * PAGE, r);
		must(madvise(p, 256 * PAGE, MADV_DONTNEED));
	}
}

/* ---- files, huge pages, code, the stack ------------------------------------- */

static void file(void)
{
	int fd = must(memfd_create("memory", 0));
	char *own, *common, buf[PAGE];

	catch_faults();
	must(ftruncate(fd, 32 * PAGE));
	common = mmap(NULL, 32 * PAGE, RW, MAP_SHARED, fd, 0);
	check(common != MAP_FAILED, "mmap of a file: %s", strerror(errno));
	for (unsigned long r = 1; r < scaled(100); r++) {
		own = mmap(NULL, 32 * PAGE, RW, MAP_PRIVATE, fd, 0);
		check(own != MAP_FAILED, "mmap of a file: %s", strerror(errno));
		for (int i = 0; i < 32; i++) {
			memset(common + i * PAGE, 0, PAGE);
			set_page(common + i * PAGE, r * 32 + i);
			check(page_is(own + i * PAGE, r * 32 + i), "a private mapping does not show page %d", i);
			set_page(own + i * PAGE, r * 32 + i + 7);
			check(page_is(common + i * PAGE, r * 32 + i), "a private write went to the file, page %d", i);
			must(pread(fd, buf, PAGE, i * PAGE));
			check(page_is(buf, r * 32 + i), "read() does not see page %d of the mapping", i);
		}
		must(munmap(own, 32 * PAGE));
	}
	must(ftruncate(fd, 8 * PAGE));
	check(!probe((uint64_t *)common, 0), "a page before the file's end is gone");
	check(probe((uint64_t *)(common + 8 * PAGE), 0) == SIGBUS, "no SIGBUS behind the file's end");
	check(fault.si_code == BUS_ADRERR && fault.si_addr == common + 8 * PAGE,
	      "SIGBUS with code %d at %p", fault.si_code, fault.si_addr);
}

static void huge(void)
{
	const size_t size = 2UL << 20;
	char *room = map(4 * size, RW, MAP_NORESERVE), *p;

	catch_faults();
	p = (char *)(((uintptr_t)room + size - 1) & -size);
	must(madvise(p, 2 * size, MADV_HUGEPAGE));
	for (unsigned long r = 1; r < scaled(20); r++) {
		unsigned long hole = below(512);
		pid_t pid;

		for (unsigned long i = 0; i < 1024; i++)
			set_page(p + i * PAGE, r + i);
		/* Splitting it keeps its content. */
		must(mprotect(p + hole * PAGE, PAGE, PROT_READ));
		must_fault(p + hole * PAGE, 1, SEGV_ACCERR, "a write to the read-only page of a huge page");
		check(!probe((uint64_t *)(p + (hole ^ 1) * PAGE + 80), 1), "its neighbour cannot be written");
		set_page(p + (hole ^ 1) * PAGE, r + (hole ^ 1));	/* that may have been a word that counts */
		must(mprotect(p + hole * PAGE, PAGE, RW));
		must(madvise(p + size + hole * PAGE, PAGE, MADV_DONTNEED));
		check(page_is_zero(p + size + hole * PAGE), "a page taken from a huge page is not zero");
		set_page(p + size + hole * PAGE, r + 512 + hole);
		pid = must_fork();
		if (!pid) {
			for (unsigned long i = 0; i < 1024; i += 7)
				set_page(p + i * PAGE, ~(r + i));
			for (unsigned long i = 0; i < 1024; i++)
				check(page_is(p + i * PAGE, i % 7 ? r + i : ~(r + i)), "the child's page %lu is wrong", i);
			_exit(0);
		}
		reap(pid, 0);
		for (unsigned long i = 0; i < 1024; i++)
			check(page_is(p + i * PAGE, r + i), "page %lu is wrong after fork in round %lu", i, r);
		must(madvise(p, 2 * size, MADV_DONTNEED));
		check(page_is_zero(p + hole * PAGE), "a huge page is not zero after MADV_DONTNEED");
	}
}

static void code(void)
{
	/* mov eax, imm32; ret */
	unsigned char text[] = { 0xb8, 0, 0, 0, 0, 0xc3 };
	unsigned char *p = map(2 * PAGE, RW | PROT_EXEC, 0);

	catch_faults();
	for (uint32_t i = 1; i < scaled(500); i++) {
		memcpy(text + 1, &i, 4);
		memcpy(p + PAGE - 3, text, sizeof(text));
		check(((uint32_t (*)(void))(p + PAGE - 3))() == i, "written code did not run, round %u", i);
	}
	must(mprotect(p, 2 * PAGE, RW));
	if (!sigsetjmp(escape, 0)) {
		probing = 1;
		((void (*)(void))(p + PAGE - 3))();
		fail("a page without PROT_EXEC ran");
	}
	probing = 0;
	check(fault.si_code == SEGV_ACCERR && fault.si_addr == p + PAGE - 3,
	      "running data: code %d at %p, not %p", fault.si_code, fault.si_addr, p + PAGE - 3);
}

static uint64_t __attribute__((noinline)) deep(unsigned long n)
{
	volatile uint64_t frame[256];

	frame[0] = mix(n);
	frame[255] = n ? deep(n - 1) : 1;
	check(frame[0] == mix(n), "the stack is wrong at depth %lu", n);
	return frame[255] + 1;
}

static void stack(void)
{
	for (int i = 0; i < 8; i++) {
		pid_t pid = must_fork();

		if (!pid) {
			check(deep(3000) == 3002, "the recursion lost its way");
			_exit(0);
		}
		reap(pid, 0);
	}
}

/* Addresses that are the kernel's, the hypervisor's or nobody's. */
static void forbidden(void)
{
	static const uint64_t kernel[] = {
		0xffff800000000000, 0xffff800000001000, 0xffff808000000000, 0xffff888000000000, 0xffffc90000000000,
		0xffffea0000000000, 0xfffffe0000000000, 0xffffffff81000000, 0xffffffffff5fd000, 0xffffffffffffe000,
	};

	catch_faults();
	must_fault((void *)8, 0, SEGV_MAPERR, "address 8");
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++) {
		must_fault((void *)kernel[i], 0, SEGV_MAPERR, "a read of a kernel address");
		must_fault((void *)kernel[i], 1, SEGV_MAPERR, "a write to a kernel address");
	}
	/* Not canonical: a general protection fault, which has no address. */
	check(probe((uint64_t *)0x800000000000, 0) == SIGSEGV, "no SIGSEGV at a non-canonical address");
	check(fault.si_code == SI_KERNEL && !fault.si_addr, "non-canonical: code %d at %p", fault.si_code, fault.si_addr);
	/* System calls with such pointers say so. */
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++)
		check(write(1, (void *)kernel[i], 1) == -1 && errno == EFAULT,
		      "write() from %#lx: %s", kernel[i], strerror(errno));
	check(syscall(SYS_pipe, 0x800000000000) == -1 && errno == EFAULT, "pipe() to a non-canonical address");
	check(syscall(SYS_pipe, 16) == -1 && errno == EFAULT, "pipe() to address 16");
}

static const struct guest_test tests[] = {
	{ "storm", storm, "random mmap, munmap, mprotect, madvise against a model", 120 },
	{ "stale", stale, "no translation outlives its mapping", 60 },
	{ "remap", remap, "mremap moves, grows and shrinks with the content", 120 },
	{ "cow", cow, "generations of processes change their own copies", 120 },
	{ "zero", zero, "the zero page, and shared memory", 60 },
	{ "file", file, "private and shared mappings of a file", 60 },
	{ "huge", huge, "2 MiB pages: split, fork, drop", 120 },
	{ "code", code, "written code runs; data does not", 60 },
	{ "stack", stack, "the stack grows", 60 },
	{ "forbidden", forbidden, "kernel and non-canonical addresses fault as they should", 60 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
