// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_store.c - A definition survives a kill at every system call of its write and of its removal: it is the old one or the new one, whole.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools_test.h"
#include "vmid/vmid.h"

struct settings vmid = { .log_max = 1 << 20 };
static char dir[] = "/tmp/vmi-store-XXXXXX";
static const uint8_t uuid[16] = { 1, 2, 3 };

static void write_new(void)
{
	struct failure f;

	if (store_put(dir, uuid, UNIT_XML, "new text, longer than the old one", true, &f))
		_exit(1);
}

static void remove_it(void)
{
	struct failure f;

	if (store_del(dir, uuid, UNIT_XML, true, &f))
		_exit(1);
}

/* Runs fn in a child and kills it at its n-th stop before or after a system call; true: it was done before that. */
static bool killed_at(void (*fn)(void), int n)
{
	int status, stops = 0;
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	while (WIFSTOPPED(status) && stops < n) {
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		waitpid(pid, &status, 0);
		stops++;
	}
	if (!WIFSTOPPED(status)) {
		CU_ASSERT_TRUE(WIFEXITED(status) && !WEXITSTATUS(status));
		return true;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return false;
}

static char seen[64];
static unsigned int nr_seen;

static void look(const uint8_t u[16], const char *text, size_t len)
{
	CU_ASSERT_EQUAL(memcmp(u, uuid, 16), 0);
	snprintf(seen, sizeof(seen), "%.*s", (int)len, text);
	nr_seen++;
}

static unsigned int files(void)
{
	DIR *d = opendir(dir);
	unsigned int nr = 0;

	while (readdir(d))
		nr++;
	closedir(d);
	return nr - 2;
}

static void kill_at_every_call(void (*fn)(void), const char *after)
{
	bool was_old = true;
	struct failure f;
	int n;

	for (n = 0; n < 500; n++) {
		bool done, old;

		CU_ASSERT_EQUAL(store_put(dir, uuid, UNIT_XML, "old", true, &f), 0);
		done = killed_at(fn, n);
		nr_seen = 0;
		strcpy(seen, "nothing");
		store_each(dir, UNIT_XML, look);
		old = !strcmp(seen, "old");
		CU_ASSERT_TRUE(old || !strcmp(seen, after));
		CU_ASSERT_TRUE(nr_seen <= 1);
		/* What was half-written is cleared away by the look at it. */
		CU_ASSERT_TRUE(files() <= 1);
		if (old && !was_old)
			CU_FAIL("the new one was there, and was gone after a later kill");
		was_old = old;
		if (done) {
			CU_ASSERT_FALSE(old);
			break;
		}
	}
	CU_ASSERT_TRUE(n > 4 && n < 500);
}

static void a_kill_while_writing_loses_nothing(void)
{
	kill_at_every_call(write_new, "new text, longer than the old one");
}

static void a_kill_while_removing_leaves_all_or_nothing(void)
{
	kill_at_every_call(remove_it, "nothing");
}

static void a_failed_write_leaves_the_old_one(void)
{
	struct failure f = { 0 };
	char *text, *tmp = xasprintf("%s/01020300-0000-0000-0000-000000000000.xml.new", dir);

	CU_ASSERT_EQUAL(store_put(dir, uuid, UNIT_XML, "old", true, &f), 0);
	/* A folder where the new file would be: it cannot be written, not even by root. */
	CU_ASSERT_EQUAL(mkdir(tmp, 0700), 0);
	CU_ASSERT_EQUAL(store_put(dir, uuid, UNIT_XML, "new", true, &f), EX_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.message, "cannot write"));
	text = store_get(dir, uuid, UNIT_XML);
	CU_ASSERT_STRING_EQUAL(text, "old");
	free(text);
	rmdir(tmp);
	free(tmp);
}

static void logs_are_rotated_and_bounded(void)
{
	struct logfile l = { .fd = -1 };
	char line[101], *tail;

	vmid.log_dir = dir;
	vmid.log_max = 4096;
	memset(line, 'x', 99);
	line[99] = '\n';
	logfile_open(&l, "web", "log");
	for (int i = 0; i < 200; i++)
		logfile_add(&l, line, 100);
	CU_ASSERT_TRUE(l.size <= 4096);
	logfile_close(&l);
	tail = logfile_tail("web", "log", 250);
	CU_ASSERT_EQUAL(strlen(tail), 200);
	free(tail);
	for (int i = 0; i < 4; i++) {
		char *path = i ? xasprintf("%s/web.log.%d", dir, i) : xasprintf("%s/web.log", dir);
		struct stat st;

		CU_ASSERT_EQUAL(stat(path, &st) == 0, i < 3);
		if (i < 3)
			CU_ASSERT_TRUE(st.st_size <= 4096);
		unlink(path);
		free(path);
	}
	CU_ASSERT_PTR_NULL(logfile_tail("nobody", "log", 250));
}

static void forget_all(void)
{
	struct failure f;

	store_del(dir, uuid, UNIT_XML, false, &f);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void a_folder(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

TESTS("store",
      TEST(a_folder), TEST(a_kill_while_writing_loses_nothing), TEST(a_kill_while_removing_leaves_all_or_nothing),
      TEST(a_failed_write_leaves_the_old_one), TEST(logs_are_rotated_and_bounded), TEST(forget_all))
