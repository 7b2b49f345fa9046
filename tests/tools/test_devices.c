// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_devices.c - The manager of devices without a hypervisor: each wrong description is refused with its reason, nothing is half-attached, images are locked, a back end that hangs, or what is behind it, is killed and a slow one is not, one that dies at once while its device leaves is started again more and more slowly, and windows that lie are refused; the process with root runs nothing for numbers that are no domain's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/build.h"
#include "devices/devices_int.h"
#include "tools_test.h"

#define IMAGE_SIZE	(1 << 20)

static char dir[] = "/tmp/test_devices.XXXXXX", image[64], other[64], moved[64];
static char last[256];
static int came, went;

static void on_event(void *arg, enum device_event what, const char *name, const char *text)
{
	(void)arg;
	came += what == DEVICE_EV_PRESENT;
	went += what == DEVICE_EV_GONE;
	snprintf(last, sizeof(last), "%s: %s", name, text);
}

static void put(const char *path, const void *head, size_t len, size_t at, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT(!ftruncate(fd, size) && pwrite(fd, head, len, at) == (ssize_t)len);
	close(fd);
}

static struct devices *open_one(uint32_t domid)
{
	struct devices_config cfg = { .domid = domid, .memory = 64 << 20, .uuid = { domid }, .simulate = true, .event = on_event };
	struct hv_error err = { "" };
	struct devices *m;

	if (!*image) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
		snprintf(image, sizeof(image), "%s/image", dir);
		snprintf(other, sizeof(other), "%s/other", dir);
		snprintf(moved, sizeof(moved), "%s/moved", dir);
	}
	put(image, "", 0, 0, IMAGE_SIZE);
	put(other, "", 0, 0, IMAGE_SIZE);
	came = went = 0;
	m = devices_open(&cfg, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	return m;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_size;
}

static struct device disk(const char *name)
{
	return (struct device){ .kind = DEVICE_BLOCK, .name = name, .source = image, .format = "raw" };
}

/* One error with `word`, at its line; attaching says the same and leaves nothing. */
static void refused(struct devices *m, struct device dev, const char *word)
{
	unsigned int before = devices_count(m);
	struct hv_error err = { "" };
	struct diag d = { 0 };

	dev.line = 17;
	devices_check(m, &dev, 1, true, &d);
	CU_ASSERT(d.errors >= 1 && d.items[0].line == 17 && strstr(d.items[0].text, word));
	if (!d.errors || !strstr(d.items[0].text, word))
		printf("\"%s\" has no \"%s\"\n", d.errors ? d.items[0].text : "", word);
	CU_ASSERT(devices_attach(m, &dev, &err) < 0);
	CU_ASSERT_STRING_EQUAL(err.text, d.errors ? d.items[0].text : "");
	CU_ASSERT_EQUAL(devices_count(m), before);
	diag_free(&d);
}

static void disks_that_cannot_be(void)
{
	static const struct { const char *head; size_t len, at; const char *format; } formats[] = {
		{ "QFI\xfb", 4, 0, "qcow2" }, { "KDMV", 4, 0, "vmdk" }, { "vhdxfile", 8, 0, "vhdx" }, { "\x7f\x10\xda\xbe", 4, 64, "vdi" },
		{ "QED\0", 4, 0, "qed" }, { "conectix", 8, 0, "vhd" },
	};
	struct devices *m = open_one(1);
	struct device d = disk("vda");
	struct diag diag = { 0 };

	d.source = NULL;
	refused(m, d, "source");
	d.source = "relative";
	refused(m, d, "from / on");
	d.source = "/nowhere/at/all";
	refused(m, d, "No such file");
	d.source = dir;
	refused(m, d, "is a directory");
	d.source = "/dev/null";
	refused(m, d, "neither a file nor a block device");
	d = disk("vda");
	d.format = NULL;
	refused(m, d, "never guessed");
	d.format = "qcow2";
	refused(m, d, "serves raw images");
	d.format = "cooked";
	refused(m, d, "no format");
	d = disk("vda");
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		put(image, formats[i].head, formats[i].len, formats[i].at, IMAGE_SIZE);
		refused(m, d, formats[i].format);
	}
	put(image, "", 0, 0, 0);
	refused(m, d, "is empty: give it a size: truncate -s SIZE");
	put(image, "", 0, 0, IMAGE_SIZE + 1);
	refused(m, d, "whole number of sectors");
	put(image, "", 0, 0, IMAGE_SIZE);
	d.serial = "123456789012345678901";
	refused(m, d, "20 are possible");
	d.serial = "a b";
	refused(m, d, "serial");
	d = (struct device){ .kind = DEVICE_VHOST_USER, .name = "vdb", .source = image, .device_id = 2, .errors = DEVICE_POLICY_STOP,
			      .limits = { { 0, 1, 1 } } };
	devices_check(m, &d, 1, false, &diag);
	CU_ASSERT(diag.errors == 1 && strstr(diag.items[0].text, "its server reports errors"));
	diag_free(&diag);
	d = disk("");
	refused(m, d, "name");
	d = disk("a/b");
	refused(m, d, "name");
	d = disk("vda");
	d.queues = 27;
	refused(m, d, "queues");
	CU_ASSERT_EQUAL(came, 0);
	devices_close(m);
}

static void images_are_not_shared_by_mistake(void)
{
	struct devices *a = open_one(1), *b = open_one(2);
	struct device d = disk("vda"), e;
	struct hv_error err = { "" };

	CU_ASSERT_EQUAL(devices_attach(a, &d, &err), 0);
	CU_ASSERT_EQUAL(devices_attach(b, &d, &err), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "in use"));
	d.readonly = true;
	CU_ASSERT_EQUAL(devices_attach(b, &d, &err), -EBUSY);
	CU_ASSERT_EQUAL(devices_count(b), 0);
	CU_ASSERT_EQUAL(devices_detach(a, "vda", 0, &err), 0);
	/* Readers share it, writers that say so do; a reader and a writer do not. */
	CU_ASSERT_EQUAL(devices_attach(a, &d, &err), 0);
	CU_ASSERT_EQUAL(devices_attach(b, &d, &err), 0);
	CU_ASSERT_EQUAL(devices_detach(b, "vda", 0, &err), 0);
	e = disk("vda");
	CU_ASSERT_EQUAL(devices_attach(b, &e, &err), -EBUSY);
	CU_ASSERT_EQUAL(devices_detach(a, "vda", 0, &err), 0);
	e.shareable = true;
	CU_ASSERT_EQUAL(devices_attach(a, &e, &err), 0);
	CU_ASSERT_EQUAL(devices_attach(b, &e, &err), 0);
	/* Nor do two disks of one domain. */
	e = disk("vdb");
	refused(a, e, "are both");
	devices_close(a);
	CU_ASSERT_EQUAL(devices_detach(b, "vda", 0, &err), 0);
	/* Closing gave it back. */
	d = disk("vda");
	CU_ASSERT_EQUAL(devices_attach(b, &d, &err), 0);
	devices_close(b);
}

static void devices_come_and_go(void)
{
	struct devices *m = open_one(1);
	struct device d = disk("vda"), rng = { .kind = DEVICE_RNG, .name = "rng0" };
	struct device net = { .kind = DEVICE_NET, .name = "net0", .bridge = "br0" };
	struct device_counter c[DEVICE_MAX_COUNTERS];
	struct device_info i;
	struct hv_error err = { "" };
	char name[16];

	CU_ASSERT(!devices_attach(m, &d, &err) && !devices_attach(m, &rng, &err) && !devices_attach(m, &net, &err));
	CU_ASSERT_EQUAL(came, 3);
	refused(m, d, "two devices");
	CU_ASSERT(devices_find(m, "vda", &i) && i.state == DEVICE_PRESENT && i.size == IMAGE_SIZE && i.slot == 0);
	CU_ASSERT(devices_get(m, 2, &i) && !strcmp(i.device->name, "net0") && i.link && !(i.mac[0] & 1) && i.mac[0]);
	CU_ASSERT_STRING_EQUAL(i.tap, "vif1.2");
	CU_ASSERT_FALSE(devices_get(m, 3, &i));
	CU_ASSERT_EQUAL(devices_set_link(m, "net0", false, &err), 0);
	CU_ASSERT(devices_find(m, "net0", &i) && !i.link);
	CU_ASSERT_EQUAL(devices_set_link(m, "vda", false, &err), -ENOENT);
	CU_ASSERT(!devices_resize(m, "vda", 2 * IMAGE_SIZE, &err));
	CU_ASSERT_EQUAL(devices_resize(m, "vda", IMAGE_SIZE, &err), -EINVAL);
	/* What has the image's name by now is let alone: a link to another one, or what would have to be waited for. */
	CU_ASSERT(!rename(image, moved) && !symlink(other, image) && !devices_resize(m, "vda", 3 * IMAGE_SIZE, &err) && size_of(other) == IMAGE_SIZE);
	CU_ASSERT(!unlink(image) && !mkfifo(image, 0600) && !devices_resize(m, "vda", 4 * IMAGE_SIZE, &err));
	CU_ASSERT(size_of(moved) == 4 * IMAGE_SIZE && !unlink(image) && !rename(moved, image) && !truncate(image, 2 * IMAGE_SIZE));
	CU_ASSERT_EQUAL(devices_resize(m, "vda", 2 * IMAGE_SIZE, &err), 0);
	CU_ASSERT(devices_find(m, "vda", &i) && i.size == 2 * IMAGE_SIZE && !i.held);
	CU_ASSERT_EQUAL(devices_set_limits(m, "vda", &(struct device_limits){ { 0, 5 } }, &err), 0);
	CU_ASSERT(devices_find(m, "vda", &i) && i.device->limits.of[1] == 5);
	CU_ASSERT_EQUAL(devices_set_limits(m, "net0", &(struct device_limits){ { 0 } }, &err), -ENOENT);
	CU_ASSERT_EQUAL(devices_set_memory(m, 1 << 20, &err), -ENOENT);
	CU_ASSERT(devices_stats(m, "vda", c) > 5 && !strcmp(c[0].name, "rd_req") && !c[0].value);
	CU_ASSERT_EQUAL(devices_stats(m, "vdz", c), 0);
	CU_ASSERT_EQUAL(devices_detach(m, "vdz", 0, &err), -ENOENT);
	CU_ASSERT_EQUAL(devices_detach(m, "vda", 5, &err), 0);
	CU_ASSERT(went == 1 && !strncmp(last, "vda:", 4));
	/* Its slot is used again; there are so many and no more. */
	CU_ASSERT_EQUAL(devices_attach(m, &d, &err), 0);
	CU_ASSERT(devices_find(m, "vda", &i) && i.slot == 0);
	while (devices_count(m) < DEVICES_MAX) {
		snprintf(name, sizeof(name), "rng%u", devices_count(m));
		rng.name = name;
		CU_ASSERT_EQUAL_FATAL(devices_attach(m, &rng, &err), 0);
	}
	rng.name = "toomany";
	refused(m, rng, "31 at most");
	devices_close(m);
}

static void interfaces_that_cannot_be(void)
{
	struct devices *m = open_one(1), *b = open_one(2);
	struct device net = { .kind = DEVICE_NET, .name = "net0", .mac = { 0x52, 1, 2, 3, 4, 5 } }, n = net;
	struct hv_error err = { "" };
	struct diag d = { 0 };

	CU_ASSERT_EQUAL(devices_attach(m, &net, &err), 0);
	n.name = "net1";
	refused(m, n, "same MAC");
	refused(b, net, "domain 1 has the same MAC");
	n.mac[0] = 1;
	refused(m, n, "multicast");
	n.mac[0] = 0x52, n.mac[1] = 9;
	n.bridge = "a name that is too long";
	refused(m, n, "bridge's name");
	n.bridge = NULL;
	n.tap = "a/b";
	refused(m, n, "interface's name");
	n.tap = NULL;
	n.mtu = 20;
	refused(m, n, "MTU");
	/* A machine where it is to run. */
	n.mtu = 0;
	n.bridge = "nobridge0";
	devices_check(NULL, &n, 1, true, &d);
	CU_ASSERT(d.errors == 1 && strstr(d.items[0].text, "there is no bridge nobridge0"));
	diag_free(&d);
	devices_check(NULL, &n, 1, false, &d);
	CU_ASSERT_EQUAL(d.errors, 0);
	devices_close(m);
	devices_close(b);
}

/* A socket at this port of the loopback; -1: it is taken. */
static int bound_to(int type, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, type, 0);

	if (!bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	close(fd);
	return -1;
}

/* At one that is free, and that the kernel gives to nobody by itself. */
static int bound_somewhere(int type, uint16_t *port)
{
	int fd = -1;

	for (*port = 10000 + getpid() % 10000; fd < 0 && *port < 30000; ++*port)
		fd = bound_to(type, *port);
	--*port;
	return fd;
}

/* As a user who is not root: 0, or why not. */
static const char *low_port_is_refused(struct devices *m, const struct device *net)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	struct hv_error err = { "" };
	int first = 1024;

	if (f) {
		(void)!fscanf(f, "%d", &first);
		fclose(f);
	}
	/* Some containers let everybody have them. */
	if (first <= 1)
		return NULL;
	if (!geteuid() && setresuid(65534, 65534, 65534))
		return "no other user";
	return devices_attach(m, net, &err) == -EACCES && strstr(err.text, "tcp port 1 of domain 0 is for root alone") &&
	       strstr(err.text, "ip_unprivileged_port_start=1") ? NULL : err.text;
}

static void ports_that_cannot_be(void)
{
	struct devices *m = open_one(1), *b = open_one(2);
	struct device net = { .kind = DEVICE_NET, .name = "net0", .slirp = true, .nr_forwards = 2 }, n;
	uint16_t tcp, udp;
	int used = bound_somewhere(SOCK_STREAM, &tcp), free_one = bound_somewhere(SOCK_DGRAM, &udp), status;
	struct hv_error err = { "" };
	pid_t pid;

	CU_ASSERT_FATAL(used >= 0 && free_one >= 0 && !listen(used, 1));
	close(free_one);
	net.forward[0] = (struct device_forward){ true, udp, 53, htonl(INADDR_LOOPBACK) };
	net.forward[1] = (struct device_forward){ false, tcp, 22, 0 };
	/* The second is in use, and the first one free again. */
	CU_ASSERT_EQUAL(devices_attach(m, &net, &err), -EBUSY);
	CU_ASSERT(strstr(err.text, "interface net0: tcp port ") && strstr(err.text, " is in use") && !devices_count(m));
	free_one = bound_to(SOCK_DGRAM, udp);
	CU_ASSERT(free_one >= 0);
	close(free_one);
	close(used);
	/* They are kept, from others, and from another domain. */
	CU_ASSERT_EQUAL(devices_attach(m, &net, &err), 0);
	CU_ASSERT(bound_to(SOCK_DGRAM, udp) < 0 && bound_to(SOCK_STREAM, tcp) < 0);
	n = net;
	n.mac[0] = 0x52;
	CU_ASSERT_EQUAL(devices_attach(b, &n, &err), -EBUSY);
	CU_ASSERT(strstr(err.text, "udp port ") && strstr(err.text, " at 127.0.0.1 of domain 0 is in use") && !devices_count(b));
	n.name = "net1";
	n.forward[0] = (struct device_forward){ false, tcp, 80, htonl(INADDR_LOOPBACK) };
	n.nr_forwards = 1;
	refused(m, n, "is to lead to two places");
	n.forward[1] = n.forward[0];
	n.nr_forwards = 2;
	refused(b, n, "is to lead to two places");
	CU_ASSERT_EQUAL(devices_detach(m, "net0", 0, &err), 0);
	n.forward[1].udp = true;
	CU_ASSERT_EQUAL(devices_attach(b, &n, &err), 0);
	/* An address of nobody's (RFC 5737), and a port of root's. */
	net.forward[0].address = inet_addr("203.0.113.1");
	CU_ASSERT_EQUAL(devices_attach(m, &net, &err), -EADDRNOTAVAIL);
	CU_ASSERT(strstr(err.text, "udp port ") && strstr(err.text, " at 203.0.113.1: domain 0 has no such address"));
	net.forward[0] = (struct device_forward){ false, 1, 1, 0 };
	pid = fork();
	if (!pid)
		_exit(!!low_port_is_refused(m, &net));
	CU_ASSERT(waitpid(pid, &status, 0) == pid && !status);
	devices_close(m);
	devices_close(b);
}

/* What the back end was asked last: its number, or 0. */
static unsigned int question(int fd)
{
	char line[64] = "";
	unsigned int nr = 0;

	return recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT) > 0 && sscanf(line, "alive %u\n", &nr) == 1 ? nr : 0;
}

/* A process that does nothing; *ctl: where it is asked. What is returned is the other end of that. */
static int hanging_process(pid_t *pid, int *pidfd, int *ctl)
{
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	*pid = fork();
	if (!*pid) {
		for (;;)
			pause();
	}
	*pidfd = syscall(SYS_pidfd_open, *pid, 0);
	CU_ASSERT_FATAL(*pidfd >= 0);
	*ctl = pair[0];
	return pair[1];
}

static void a_back_end_that_hangs_is_killed(void)
{
	struct devices m = { .cfg = { .patience = 30, .event = on_event } };
	struct slot *s = &m.slot[0];
	uint64_t now = now_ns();
	char answer[64];
	int asked;

	*s = (struct slot){ .phase = P_RUNNING, .dev = { .name = "vda" }, .server = NO_SERVER, .net = NO_USER_NET };
	asked = hanging_process(&s->pid, &s->pidfd, &s->ctl);
	alive_begin(&m, &s->alive);
	/* It answers, late, but each time: for hours. */
	for (int i = 0; i < 2000; i++) {
		now += 8 * SECOND;
		alive_on_time(&m, s, now);
		CU_ASSERT_EQUAL(question(asked), s->alive.asked);
		if (i % 4 == 3) {
			snprintf(answer, sizeof(answer), "alive %u\n", s->alive.asked);
			CU_ASSERT(write(asked, answer, strlen(answer)) > 0);
		}
	}
	CU_ASSERT_EQUAL(s->alive.asked, 2000);
	/* However long nobody looked, that is one question. */
	now += 3600 * SECOND;
	alive_on_time(&m, s, now);
	CU_ASSERT(!back_is_over(s) && s->alive.look_at > now);
	/* An answer to another question, and other words, are none. */
	CU_ASSERT(write(asked, "alive 7\nlog alive\nalive x\n", 27) == 27);
	for (int i = 0; i < 4; i++) {
		CU_ASSERT_FALSE(back_is_over(s));
		now += 8 * SECOND;
		alive_on_time(&m, s, now);
	}
	CU_ASSERT(strstr(last, "has not answered for 30 s") && strstr(last, "--device-timeout"));
	pidfd_wait(s->pidfd, 10000);
	CU_ASSERT(back_is_over(s));
	CU_ASSERT_EQUAL(s->alive.look_at, 0);
	/* Nobody is asked where there is no limit. */
	m.cfg.patience = 0;
	alive_begin(&m, &s->alive);
	alive_on_time(&m, s, now + 3600 * SECOND);
	CU_ASSERT_EQUAL(s->alive.asked, 0);
	slot_give_back(s);
	close(asked);
}

static void a_user_net_that_hangs_is_killed(void)
{
	struct devices m = { .cfg = { .patience = 30, .event = on_event } };
	struct slot *s = &m.slot[0];
	struct user_net *n = &s->net;
	uint64_t now = now_ns();
	int asked;
	pid_t pid;

	slot_reset(s);
	s->dev.name = "net0";
	asked = hanging_process(&pid, &n->pidfd, &n->ctl);
	alive_begin(&m, &n->alive);
	*last = 0;
	for (int i = 0; i < 9; i++) {
		CU_ASSERT(poll(&(struct pollfd){ .fd = n->pidfd, .events = POLLIN }, 1, 0) == 0 && !*last);
		now += 8 * SECOND;
		alive_on_time(&m, s, now);
		/* The fourth is answered; it says, too, that it is a back end. */
		if (question(asked) == 4)
			CU_ASSERT(write(asked, "alive 4\nready\n", 14) == 14);
		if (i == 4)
			*last = 0;
	}
	CU_ASSERT(strstr(last, "its vmi-user-net has not answered for 30 s") && strstr(last, "--device-timeout"));
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = n->pidfd, .events = POLLIN }, 1, 10000), 1);
	CU_ASSERT_EQUAL(s->phase, P_NONE);
	user_net_end(&m, s);
	CU_ASSERT(n->ctl < 0 && n->pidfd < 0 && waitpid(pid, NULL, 0) < 0);
	close(asked);
}

/* The number of the last question on a QMP socket, or 0. */
static unsigned int query(int fd)
{
	char text[256] = "";
	unsigned int nr = 0;

	return recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0 && sscanf(text, "{\"execute\":\"query-version\",\"id\":%u}\n", &nr) == 1 ? nr : 0;
}

static void a_server_that_hangs_is_killed(void)
{
	struct devices m = { .cfg = { .patience = 30, .event = on_event } };
	struct slot *s = &m.slot[0];
	static const char others[] = "{\"event\": \"X\"}\n{\"return\": {}, \"id\": 7}\n";
	struct server *v = &s->server;
	uint64_t now = now_ns();
	char answer[128];
	int asked;

	*s = (struct slot){ .phase = P_BACKOFF, .dev = { .name = "vda", .kind = DEVICE_SERVED }, .server = NO_SERVER, .ctl = -1, .pidfd = -1 };
	asked = hanging_process(&v->pid, &v->pidfd, &v->ctl);
	alive_begin(&m, &v->alive);
	/* Any answer to the question is one, late, too. */
	for (int i = 0; i < 100; i++) {
		now += 8 * SECOND;
		alive_on_time(&m, s, now);
		CU_ASSERT_EQUAL(query(asked), v->alive.asked);
		if (i % 4 == 3) {
			snprintf(answer, sizeof(answer), i % 8 == 3 ? "{\"return\": {}, \"id\": %u}\n" : "{\"id\": %u, \"error\": {\"class\": \"X\"}}\n", v->alive.asked);
			CU_ASSERT(write(asked, answer, strlen(answer)) > 0);
		}
	}
	CU_ASSERT_EQUAL(v->alive.asked, 100);
	*last = 0;
	now += 8 * SECOND;
	alive_on_time(&m, s, now);
	/* Events and answers of before are none. */
	CU_ASSERT(write(asked, others, strlen(others)) == (ssize_t)strlen(others));
	for (int i = 0; i < 4; i++) {
		CU_ASSERT(poll(&(struct pollfd){ .fd = v->pidfd, .events = POLLIN }, 1, 0) == 0 && !*last);
		now += 8 * SECOND;
		alive_on_time(&m, s, now);
	}
	CU_ASSERT(strstr(last, "its server, qemu-storage-daemon") && strstr(last, "has not answered for 30 s"));
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = v->pidfd, .events = POLLIN }, 1, 10000), 1);
	CU_ASSERT_EQUAL(v->alive.look_at, 0);
	waitpid(v->pid, NULL, 0);
	server_close(v);
	close(asked);
}

/* vmi-back cannot be run with what it gets here, so each one ends at once. */
static void a_device_that_leaves_is_not_served_in_a_hurry(void)
{
	struct devices m = { .cfg = { .event = on_event } };
	struct slot *s = &m.slot[0];
	struct vmi_slot page = { .guest.state = VMI_SLOT_BOUND };
	uint64_t now = now_ns(), end = now + 3600 * SECOND, wait, before = 0;
	int null = open("/dev/null", O_RDWR);

	slot_reset(s);
	*s = (struct slot){ .dev = { .name = "rng0", .kind = DEVICE_RNG }, .phase = P_LEAVING, .present = true, .due = end, .page = &page,
			    .page_fd = null, .state_fd = null, .open = NOTHING_OPEN, .server = NO_SERVER, .nr_ports = 1, .port_fd = { null },
			    .ctl = -1, .pidfd = -1 };
	s->open.fd = null;
	m.epoll = epoll_create1(EPOLL_CLOEXEC);
	m.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	back_start(&m, s);
	for (int i = 0; i < 12; i++) {
		CU_ASSERT_FATAL(s->pidfd >= 0);
		pidfd_wait(s->pidfd, 60000);
		CU_ASSERT_FATAL(back_is_over(s));
		now = now_ns();
		back_ended(&m, s);
		/* The next one waits, longer each time, and the guest keeps its time. */
		CU_ASSERT_FATAL(s->pidfd < 0 && s->phase == P_LEAVING && s->due == end);
		wait = s->start_at - now;
		CU_ASSERT(s->start_at > now && wait >= SECOND / 10 && (wait > before || wait >= 10 * SECOND));
		before = wait;
		slot_on_time(&m, s, s->start_at - 1);
		CU_ASSERT(s->pidfd < 0);
		slot_on_time(&m, s, s->start_at);
	}
	CU_ASSERT_EQUAL(s->restarts, 12);
	/* Nobody waits for one that has not ended yet. */
	pidfd_wait(s->pidfd, 60000);
	back_ended(&m, s);
	CU_ASSERT(s->pidfd < 0);
	sb_free(&s->said);
	close(m.epoll);
	close(m.timer);
	close(null);
}

static const char *windows(struct vmi_bus bus)
{
	struct devices m = { .cfg.memory = 64 << 20, .bus = &bus };

	return bus_read_windows(&m);
}

static void windows_that_lie_are_refused(void)
{
	const uint64_t page = 4096, memory = 64 << 20, bus = BUILD_BUS_GPA, end = bus + VMI_BUS_PAGES * page;
	struct { uint64_t gpa, size; } bad[] = {
		{ 1, page }, { page, 1 }, { memory, page }, { memory - page, 2 * page }, { 0, memory + page }, { 0, -page }, { -page, page },
		{ -page, 2 * page }, { 1ull << 63, 1ull << 63 }, { bus, page }, { end - page, page }, { bus - page, 2 * page }, { 0, memory },
	};
	struct vmi_bus b = { 0 };

	CU_ASSERT_PTR_NOT_NULL(windows(b));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		b.guest.window[1] = (struct vmi_bus_window){ bad[i].gpa, bad[i].size };
		CU_ASSERT_PTR_NOT_NULL(windows(b));
	}
	b.guest.window[1] = (struct vmi_bus_window){ end, memory - end };
	CU_ASSERT_PTR_NULL(windows(b));
	b.guest.window[3] = (struct vmi_bus_window){ 0, bus };
	CU_ASSERT_PTR_NULL(windows(b));
	b.guest.window[0] = (struct vmi_bus_window){ memory - page, page };
	CU_ASSERT_PTR_NOT_NULL(windows(b));
}

/* The user of a back end is made of the domain's number: with this one it would be root. */
static void nobody_is_root_by_his_number(void)
{
	static const uint32_t domids[] = { 0xfffd, 0xffff, 0x10000, 0xc0000000, 0xc00003e8, ~0u };
	struct broker_request r = { .nr_fds = 1, .len = 5, .args = "prog" };
	int null = open("/dev/null", O_RDWR), fd;

	for (r.op = 0; r.op < NR_BROKER_OPS; r.op++) {
		for (size_t i = 0; i < ARRAY_SIZE(domids); i++) {
			r.domid = domids[i];
			CU_ASSERT(broker_do(&r, &null, &fd).rc == -EINVAL && fd == -1);
		}
	}
	close(null);
}

static int other_end;
static unsigned int heard;

/* Whoever talks has said the next thing before this one is read. */
static void more_and_more(struct devices *m, struct slot *s, const char *text)
{
	(void)m;
	(void)s;
	(void)text;
	if (heard++ < 1000000)
		(void)!write(other_end, "log once more\n", 14);
}

static void talk_without_end_is_not_heard_out(void)
{
	struct slot s = { .pidfd = -1 };
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	other_end = pair[1];
	CU_ASSERT_EQUAL(write(other_end, "log once\n", 9), 9);
	CU_ASSERT_FALSE(back_lines(NULL, &s, &pair[0], &s.said, more_and_more));
	CU_ASSERT(heard < 1000000);
	sb_free(&s.said);
	close(pair[0]);
	close(pair[1]);
}

TESTS("devices", TEST(disks_that_cannot_be), TEST(images_are_not_shared_by_mistake), TEST(devices_come_and_go),
      TEST(interfaces_that_cannot_be), TEST(ports_that_cannot_be), TEST(a_back_end_that_hangs_is_killed), TEST(a_server_that_hangs_is_killed),
      TEST(a_user_net_that_hangs_is_killed), TEST(a_device_that_leaves_is_not_served_in_a_hurry), TEST(windows_that_lie_are_refused),
      TEST(talk_without_end_is_not_heard_out), TEST(nobody_is_root_by_his_number))
