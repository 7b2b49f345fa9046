// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - start, choice of the test, and the verdict.
 *
 * The runner (pvguest/probe/run) reads the lines "probe: WORD ..."; see its
 * opening comment for the protocol.
 */
#include "probe.h"

extern const struct test tests_start[], tests_end[];
void probe_main(u64 start_info);
void trap_init(void);
void mem_init(void);

const struct vmi_start_info *start_info;
static char cmdline[VMI_CMDLINE_MAX];
static const char *test_name = "?";

void say(const char *fmt, ...)
{
	char buf[512] = "probe: ";
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = 7 + vsnprintf(buf + 7, sizeof(buf) - 8, fmt, ap);
	va_end(ap);
	buf[n++] = '\n';
	for (size_t done = 0; done < n;) {
		long rc = vmi_console_write(0, buf + done, n - done);

		if (rc <= 0)
			break;
		done += rc;
	}
}

static void noreturn finish(const char *verdict, const char *fmt, va_list ap)
{
	char why[400];

	vsnprintf(why, sizeof(why), fmt, ap);
	say("%s %s%s%s", verdict, test_name, *why ? ": " : "", why);
	vmi_shutdown(VMI_SHUTDOWN_POWEROFF);
	for (;;)
		vmi_halt();
}

#define VERDICT(func, word) \
	void func(const char *fmt, ...) \
	{ \
		va_list ap; \
		va_start(ap, fmt); \
		finish(word, fmt, ap); \
	}
VERDICT(test_fail, "FAIL")
VERDICT(test_skip, "SKIP")
VERDICT(test_error, "ERROR")
static noreturn VERDICT(passed, "PASS")

void test_pass(void)
{
	passed("%s", "");
}

void expect_stop(const char *text)
{
	say("EXPECT-STOP %s", text);
}

/* Where the value of NAME= begins on the command line. */
static const char *option_text(const char *name)
{
	size_t n = strlen(name);

	for (const char *p = cmdline; *p; p++)
		if ((p == cmdline || p[-1] == ' ') && !strncmp(p, name, n) && p[n] == '=')
			return p + n + 1;
	return NULL;
}

u64 option(const char *name, u64 dflt)
{
	const char *p = option_text(name);
	u64 base = 10, v = 0;

	if (!p)
		return dflt;
	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	for (;; p++) {
		u64 digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : 99;

		if (digit >= base)
			return v;
		v = v * base + digit;
	}
}

bool is_ram(u64 gpa)
{
	for (u32 i = 0; i < start_info->nr_map; i++) {
		const struct vmi_start_map *m = &start_info->map[i];

		if (m->type == VMI_MAP_RAM && gpa >= m->base && gpa - m->base < m->size)
			return true;
	}
	return false;
}

void probe_main(u64 gpa)
{
	const char *want;
	size_t n = 0;

	start_info = (const void *)gpa;		/* low memory is mapped at its own address */
	if (start_info->magic != VMI_START_MAGIC)
		test_fail("start info at %#lx: magic %#lx", gpa, start_info->magic);
	if (gpa >= 0x10000)
		test_fail("start info at %#lx: expected below 64 KiB", gpa);
	memcpy(cmdline, (const void *)start_info->cmdline, VMI_CMDLINE_MAX - 1);
	mem_init();
	trap_init();

	want = option_text("test");
	if (!want)
		test_error("no test=NAME on the command line \"%s\"", cmdline);
	while (want[n] && want[n] != ' ')
		n++;
	for (const struct test *t = tests_start; t < tests_end; t++) {
		if (strlen(t->name) != n || strncmp(t->name, want, n))
			continue;
		test_name = t->name;
		say("START %s", test_name);
		t->fn();
		test_pass();
	}
	test_error("no such test");
}
