// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_small.c - the program vmi-back, in its sandbox and killed in between, as console
 * (text both ways, a reader that does not read, a hang-up, the terminal's size), as
 * source of entropy (numbers that differ, a source that ends), and as balloon.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_console.h>

#include "guest.h"
#include "mem.h"
#include "tools_test.h"

#define WAIT	10000	/* ms */

static struct guest g;

static void begin(const char *kind, const char *arg, unsigned int queues)
{
	guest_init(&g, queues);
	g.program = BACK_REAL;
	CU_ASSERT_FATAL(guest_run(&g, (const char *[]){ kind, arg, NULL }));
	CU_ASSERT(guest_up(&g, ~0ull));
}

static void end(void)
{
	guest_tell(&g, "quit\n");
	CU_ASSERT_EQUAL(guest_ended(&g), 0);
	CU_ASSERT_EQUAL(guest_wrong, 0);
	guest_free(&g);
}

/* A piece of memory for the device to write, or to read. */
static void give(unsigned int q, void *p, size_t len, bool out)
{
	struct iovec v = { p, len };

	CU_ASSERT(guest_add(&g, q, &v, out, !out) >= 0);
	guest_kick(&g, q);
}

static void entropy(void)
{
	uint8_t *a = g.mem, *b;
	uint16_t h;
	uint32_t n;

	begin("rng", NULL, 1);
	a = guest_data(&g, 0, 60);
	b = guest_data(&g, 0, 61);
	give(0, a, 64, false);
	give(0, b, 8000, false);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT_EQUAL(n, 64);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT_EQUAL(n, 4096);
	CU_ASSERT(memcmp(a, b, 64) && memcmp(a, a + 1, 63));
	guest_kill(&g);
	CU_ASSERT_FATAL(guest_run(&g, (const char *[]){ "rng", NULL }));
	give(0, a, 64, false);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT_EQUAL(n, 64);
	end();
}

static void entropy_of_a_file(void)
{
	char arg[32];
	int fd = memfd_create("source", 0);
	uint16_t h;
	uint32_t n;

	CU_ASSERT_EQUAL(write(fd, "0123456789", 10), 10);
	lseek(fd, 0, SEEK_SET);
	snprintf(arg, sizeof(arg), "file=%d", fd);
	begin("rng", arg, 1);
	give(0, guest_data(&g, 0, 60), 64, false);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT_EQUAL(n, 10);
	CU_ASSERT_NSTRING_EQUAL(guest_data(&g, 0, 60), "0123456789", 10);
	give(0, guest_data(&g, 0, 60), 64, false);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT_EQUAL(n, 0);
	end();
	close(fd);
}

static void terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct winsize w = { .ws_col = 132, .ws_row = 50 };
	struct virtio_console_config *c;
	struct termios raw;
	char arg[32], text[64] = "";
	uint8_t *buf;
	uint16_t h;
	uint32_t n;

	CU_ASSERT_FATAL(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	snprintf(arg, sizeof(arg), "pty=%d", master);
	begin("console", arg, 2);
	c = (void *)g.slot->config;
	CU_ASSERT_EQUAL(c->cols, 0);
	ioctl(slave, TIOCSWINSZ, &w);
	guest_tell(&g, "resize\n?\n");
	CU_ASSERT(guest_hears(&g, "not understood"));
	CU_ASSERT(c->cols == 132 && c->rows == 50);

	/* What is typed before there is a buffer, and in pieces. */
	buf = guest_data(&g, 0, 60);
	CU_ASSERT_EQUAL(write(slave, "hello world", 11), 11);
	give(0, buf, 6, false);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT(n == 6 && !memcmp(buf, "hello ", 6));
	give(0, buf, 60, false);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT(n == 5 && !memcmp(buf, "world", 5));
	/* And after. */
	give(0, buf, 60, false);
	CU_ASSERT_FALSE(guest_next(&g, 0, &h, &n, 20));
	CU_ASSERT_EQUAL(write(slave, "x", 1), 1);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT(n == 1 && *buf == 'x');

	/* Output, also of a successor. */
	guest_kill(&g);
	CU_ASSERT_FATAL(guest_run(&g, (const char *[]){ "console", arg, NULL }));
	memcpy(buf, "login: ", 7);
	give(1, buf, 7, true);
	CU_ASSERT(guest_next(&g, 1, &h, &n, WAIT));
	CU_ASSERT_EQUAL(read(slave, text, sizeof(text)), 7);
	CU_ASSERT_STRING_EQUAL(text, "login: ");
	/* The other side is closed, and opened again. */
	close(slave);
	give(1, buf, 7, true);
	CU_ASSERT(guest_next(&g, 1, &h, &n, WAIT));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	tcsetattr(slave, TCSANOW, &raw);
	give(0, buf, 60, false);
	CU_ASSERT_EQUAL(write(slave, "again", 5), 5);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	CU_ASSERT(n == 5 && !memcmp(buf, "again", 5));
	end();
	close(slave);
	close(master);
}

/* Nobody reads: the guest goes on, and what is written later arrives again. */
static void reader_sleeps(void)
{
	int sv[2];
	char arg[32];
	static char text[1 << 20];
	uint8_t *buf;
	uint16_t h;
	uint32_t n;
	struct timespec a, b;

	CU_ASSERT_FATAL(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	fcntl(sv[0], F_SETFD, FD_CLOEXEC);
	snprintf(arg, sizeof(arg), "pty=%d", sv[1]);
	begin("console", arg, 2);
	buf = guest_data(&g, 0, 60);
	memset(buf, 'a', 8192);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 200; i++) {
		give(1, buf, 8192, true);
		CU_ASSERT_FATAL(guest_next(&g, 1, &h, &n, WAIT));
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	CU_ASSERT(b.tv_sec - a.tv_sec < 5);
	CU_ASSERT_EQUAL(g.state->console.wr_bytes, 200 * 8192);
	CU_ASSERT(recv(sv[0], text, sizeof(text), MSG_DONTWAIT) > 0);
	while (recv(sv[0], text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	memcpy(buf, "later", 5);
	give(1, buf, 5, true);
	CU_ASSERT(guest_next(&g, 1, &h, &n, WAIT));
	CU_ASSERT_EQUAL(recv(sv[0], text, sizeof(text), MSG_DONTWAIT), 5);
	/* The socket's end: output goes nowhere, the device stays. */
	close(sv[0]);
	signal(SIGPIPE, SIG_DFL);
	give(1, buf, 5, true);
	CU_ASSERT(guest_next(&g, 1, &h, &n, WAIT));
	end();
	close(sv[1]);
}

static void balloon(void)
{
	struct virtio_balloon_config *c, *mine;
	struct virtio_balloon_stat *stat;
	uint16_t h;
	uint32_t n;

	begin("balloon", "target=100", 3);
	c = (void *)g.slot->config;
	mine = (void *)g.slot->config_guest;
	CU_ASSERT_EQUAL(c->num_pages, 100);
	guest_tell(&g, "target 50\ntarget x\n");
	CU_ASSERT(guest_hears(&g, "log not understood: target x\n"));
	CU_ASSERT_EQUAL(c->num_pages, 50);
	give(0, guest_data(&g, 0, 60), 200, true);
	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
	mine->actual = 50;
	g.slot->guest.config_gen++;
	CU_ASSERT(guest_status(&g, g.slot->guest.status, 0));
	for (int ms = 0; ms < WAIT && READ_ONCE(g.slot->back.config_seen) != g.slot->guest.config_gen; ms++)
		usleep(1000);
	CU_ASSERT_EQUAL(c->actual, 50);
	CU_ASSERT_EQUAL(g.state->balloon.actual, 50);
	/* The statistics' buffer is kept, also by a successor, and comes back for new numbers. */
	stat = (void *)guest_data(&g, 2, 60);
	stat[0] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMFREE, 12345 };
	stat[1] = (struct virtio_balloon_stat){ 9999, 1 };
	give(2, stat, 2 * sizeof(*stat) + 3, true);
	CU_ASSERT_FALSE(guest_next(&g, 2, &h, &n, 100));
	CU_ASSERT_EQUAL(g.state->balloon.tag[VIRTIO_BALLOON_S_MEMFREE], 12345);
	CU_ASSERT_EQUAL(g.state->balloon.tag[VIRTIO_BALLOON_S_MEMTOT], ~0ull);
	guest_kill(&g);
	stat[0].val = 54321;
	CU_ASSERT_FATAL(guest_run(&g, (const char *[]){ "balloon", "target=50", NULL }));
	CU_ASSERT_EQUAL(c->actual, 50);
	CU_ASSERT(guest_next(&g, 2, &h, &n, WAIT));
	CU_ASSERT_EQUAL(g.state->balloon.tag[VIRTIO_BALLOON_S_MEMFREE], 54321);
	end();
}

TESTS("vmi-back console, rng and balloon", TEST(entropy), TEST(entropy_of_a_file), TEST(terminal), TEST(reader_sleeps), TEST(balloon))
