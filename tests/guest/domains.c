// SPDX-License-Identifier: GPL-2.0-only
/*
 * domains.c - Linux in many guest domains at once, driven with the tools' library.
 *
 *   domains --kernel FILE --initrd FILE [--count N] [--rounds N] [--memory MiB]
 *
 * Starts N guests whose init says "up" on its console and does what it is told there:
 * panic, reboot, power off, loop in the kernel, answer. Those that die must be
 * reported with their reason while the others go on answering; afterwards, and after
 * each of the rounds of creating and ending a guest at some moment of its boot,
 * no memory and no descriptor may be missing.
 */
#include <dirent.h>
#include <getopt.h>
#include "../../dom0-tools/lib/build.h"
#include "../../dom0-tools/lib/call.h"
#include "guest.h"

#define MAX_GUESTS	64

static struct hv_config cfg = {
	.memory = 64 << 20, .vcpus = 1, .max_vcpus = 1, .weight = HV_WEIGHT,
	.cmdline = "console=hvc0 clocksource=tsc tsc=reliable nopti quiet panic=-1 sysrq_always_enabled",
};
static int fd;

static struct guest {
	uint32_t id;
	char text[65536];
	size_t len;
	double created, up;		/* ms since its beginning */
} guests[MAX_GUESTS + 1];

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint64_t free_memory(void)
{
	struct vmi_machine m;

	check(!call_machine_info(fd, &m), "machine_info failed");
	return m.free;
}

static int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void start(struct guest *g)
{
	double begin = now_ms();
	struct hv_error err;
	long id;

	memset(g, 0, sizeof(*g));
	id = build_domain(fd, &cfg, &err);
	check(id > 0, "a domain cannot be built: %s", id < 0 ? err.text : "");
	g->id = id;
	check(!call_dom_unpause(fd, g->id), "domain %u cannot be started", g->id);
	g->created = now_ms() - begin;
	g->up = -begin;
}

static void read_console(struct guest *g)
{
	long n;

	while ((n = call_dom_console_read(fd, g->id, 0, g->text + g->len, sizeof(g->text) - 1 - g->len)) > 0)
		g->len += n;
	g->text[g->len] = 0;
}

static struct vmi_dom_info info_of(struct guest *g)
{
	struct vmi_dom_info i;

	check(!call_dom_info(fd, g->id, &i) && i.domid == g->id, "domain %u is gone", g->id);
	return i;
}

/* Until its console has `text`. */
static void expect(struct guest *g, const char *text, int seconds)
{
	double end = now_ms() + seconds * 1e3;

	for (;;) {
		read_console(g);
		if (strstr(g->text, text))
			return;
		check(now_ms() < end, "domain %u did not say \"%s\" in %d s; flags %x, its console: %s", g->id, text, seconds,
		      info_of(g).flags, g->text + (g->len > 600 ? g->len - 600 : 0));
		usleep(20000);
	}
}

static void tell(struct guest *g, const char *command)
{
	g->len = 0;
	check(call_dom_console_write(fd, g->id, 0, command, strlen(command)) == (long)strlen(command),
	      "domain %u takes no input", g->id);
}

static void expect_end(struct guest *g, uint32_t reason, int seconds)
{
	double end = now_ms() + seconds * 1e3;
	struct vmi_dom_info i;

	while (i = info_of(g), !(i.flags & VMI_DOM_SHUTDOWN)) {
		read_console(g);
		check(now_ms() < end, "domain %u did not stop in %d s (reason %u expected)", g->id, seconds, reason);
		usleep(20000);
	}
	check(i.reason == reason, "domain %u stopped with reason %u (%s), not %u", g->id, i.reason, i.why, reason);
	check(i.why[0], "domain %u: no explanation", g->id);
}

static void end(struct guest *g)
{
	long rc = call_dom_destroy(fd, g->id);

	check(!rc, "domain %u cannot be destroyed: %ld", g->id, rc);
}

/* Several at once: all come up, some die, the others live on. */
static void crowd(int count)
{
	static const struct { const char *command; uint32_t reason; } deaths[] = {
		{ "panic\n", VMI_SHUTDOWN_CRASH }, { "reboot\n", VMI_SHUTDOWN_REBOOT }, { "off\n", VMI_SHUTDOWN_POWEROFF },
	};
	uint64_t before = free_memory();
	double begin = now_ms(), all_up;

	for (int i = 0; i < count; i++)
		start(&guests[i]);
	for (int i = 0; i < count; i++) {
		expect(&guests[i], "guest is up", 30 + 10 * count);
		guests[i].up += now_ms();
	}
	all_up = now_ms() - begin;
	start(&guests[count]);
	expect(&guests[count], "guest is up", 60);
	guests[count].up += now_ms();
	printf("%d guests of %lu MiB: created in %.1f ms (first), %.1f ms (last, while the others boot), %.1f ms (one more, beside them idle, and up after %.0f ms); all up after %.0f ms; memory touched %lu KiB each\n",
	       count, cfg.memory >> 20, guests[0].created, guests[count - 1].created, guests[count].created, guests[count].up,
	       all_up, info_of(&guests[0]).populated >> 10);
	end(&guests[count]);
	for (int i = 0; i < count; i++)
		if (i % 4)
			tell(&guests[i], deaths[i % 4 - 1].command);
	/* One asked in order, as the power button does. */
	check(!call_dom_control(fd, guests[0].id, VMI_CONTROL_POWEROFF) || count == 1, "domain %u cannot be asked to shut down", guests[0].id);
	for (int i = 0; i < count; i++)
		if (i % 4)
			expect_end(&guests[i], deaths[i % 4 - 1].reason, 60);
	expect_end(&guests[0], VMI_SHUTDOWN_POWEROFF, 60);
	for (int i = 4; i < count; i += 4) {
		tell(&guests[i], "hello\n");
		expect(&guests[i], "guest answers", 60);
	}
	for (int i = 0; i < count; i++)
		end(&guests[i]);
	check(free_memory() == before, "%ld KiB of memory are missing", (long)(before - free_memory()) / 1024);
}

/* One after another, each ended at another moment of its boot. */
static void rounds(int n)
{
	uint64_t before = free_memory();
	int files = descriptors();

	for (int i = 0; i < n; i++) {
		start(&guests[0]);
		usleep(mix(i) % 400000);
		if (i % 10 == 9)
			expect(&guests[0], "guest is up", 60);
		end(&guests[0]);
		check(free_memory() == before, "round %d: %ld KiB of memory are missing", i, (long)(before - free_memory()) / 1024);
		check(descriptors() == files, "round %d: %d descriptors more", i, descriptors() - files);
	}
	printf("%d rounds, nothing lost\n", n);
}

/* A tool that is killed while it builds a domain leaves none. */
static void killed_builder(void)
{
	uint64_t before = free_memory();

	for (int i = 0; i < 20; i++) {
		pid_t pid = must_fork();
		double deadline;

		if (!pid) {
			int own = call_open();
			struct hv_error err;

			for (;;)
				build_domain(own, &cfg, &err);
		}
		usleep(mix(i) % 200000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		deadline = now_ms() + 10000;
		while (free_memory() != before) {
			check(now_ms() < deadline, "a killed tool left %ld KiB", (long)(before - free_memory()) / 1024);
			usleep(10000);
		}
	}
	printf("20 builders killed, nothing left behind\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kernel", 1, NULL, 'k' }, { "initrd", 1, NULL, 'i' }, { "count", 1, NULL, 'c' },
		{ "rounds", 1, NULL, 'r' }, { "memory", 1, NULL, 'm' }, { 0 },
	};
	int c, count = 4, n = 10;

	cfg.name = "guest";
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'k': cfg.kernel = optarg; break;
		case 'i': cfg.initrd = optarg; break;
		case 'c': count = atoi(optarg); break;
		case 'r': n = atoi(optarg); break;
		case 'm': cfg.memory = (uint64_t)atoi(optarg) << 20; break;
		default: return 2;
		}
	}
	check(cfg.kernel && cfg.initrd && count > 0 && count <= MAX_GUESTS, "usage: domains --kernel FILE --initrd FILE [--count N] [--rounds N]");
	fd = call_open();
	check(fd >= 0, "no /dev/vmi/call");
	setvbuf(stdout, NULL, _IOLBF, 0);
	crowd(count);
	killed_builder();
	rounds(n);
	printf("PASS\n");
	return 0;
}
