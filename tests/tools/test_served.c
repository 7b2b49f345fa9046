// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_served.c - Disks that qemu-storage-daemon serves: descriptions and images that cannot be are refused with their reason; the server runs as a user who may open nothing, serves what it is handed, is replaced when it is stopped, and is gone when it is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/devices_int.h"
#include "tools_test.h"

#define DAEMON	"/usr/bin/qemu-storage-daemon"

static char dir[] = "/tmp/test_served.XXXXXX", image[64], base[64], raw[64];
static char last[700];

static void on_event(void *arg, enum device_event what, const char *name, const char *text)
{
	(void)arg;
	(void)what;
	snprintf(last, sizeof(last), "%s: %s", name, text);
}

static bool can_run(const char *what)
{
	static bool made;

	if (!made && mkdtemp(dir)) {
		snprintf(image, sizeof(image), "%s/image", dir);
		snprintf(base, sizeof(base), "%s/base", dir);
		snprintf(raw, sizeof(raw), "%s/raw", dir);
		made = true;
	}
	if (!access("/usr/bin/qemu-img", X_OK) && !access(DAEMON, X_OK) && !getuid())
		return true;
	printf("%s: left out, it needs root, qemu-utils and qemu-system-common ", what);
	return false;
}

__attribute__((format(printf, 1, 2)))
static void sh(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	CU_ASSERT_EQUAL_FATAL(system(text), 0);
}

static struct device disk(const char *name)
{
	return (struct device){ .kind = DEVICE_SERVED, .name = name, .source = image, .format = "qcow2" };
}

static struct devices *simulated(uint32_t domid)
{
	const struct devices_config cfg = { .domid = domid, .memory = 64 << 20, .simulate = true, .event = on_event };

	return devices_open(&cfg, &(struct hv_error){ "" });
}

/* qemu-nbd, which removes its socket and the file with its number when it has ended: nobody else may use them before. */
static void nbd_serve(const char *options)
{
	sh("truncate -s 1M %s; qemu-nbd -t -f raw %s --fork --pid-file=%s/pid %s", raw, options, dir, raw);
}

static void nbd_end(void)
{
	sh("pid=$(cat %s/pid) && kill $pid && while kill -0 $pid 2>/dev/null; do sleep 0.02; done", dir);
}

/* have: as simulated, where nothing is asked that is not a file. */
static void refused(const struct devices *have, struct device dev, const char *word)
{
	struct diag d = { 0 };

	devices_check(have, &dev, 1, true, &d);
	CU_ASSERT(d.errors >= 1 && strstr(d.items[0].text, word));
	if (!d.errors || !strstr(d.items[0].text, word))
		printf("\"%s\" has no \"%s\"\n", d.errors ? d.items[0].text : "", word);
	diag_free(&d);
}

static void accepted(const struct devices *have, struct device dev)
{
	struct diag d = { 0 };

	devices_check(have, &dev, 1, true, &d);
	CU_ASSERT_EQUAL(d.errors, 0);
	if (d.errors)
		printf("\"%s\"\n", d.items[0].text);
	diag_free(&d);
}

static void images_that_cannot_be(void)
{
	struct devices *m;
	struct device d;

	if (!can_run("images_that_cannot_be"))
		return;
	m = simulated(1);
	d = disk("vda");
	sh("truncate -s 1M %s; qemu-img create -q -f qcow2 %s 4M", raw, image);
	accepted(m, d);
	d.source = raw;
	refused(m, d, "is said to be qcow2, but is raw");
	d = disk("vda");
	d.kind = DEVICE_BLOCK, d.format = "raw";
	refused(m, d, "is said to be raw, but is qcow2");
	d = disk("vda");
	d.format = "vmdk";
	refused(m, d, "qemu-img convert -f vmdk");
	d = disk("vda");
	d.shareable = true;
	refused(m, d, "two write");
	d.readonly = true;
	accepted(m, d);
	d = disk("vda");
	d.backing[0].source = raw, d.backing[0].format = "raw";
	refused(m, d, "nothing is behind it");
	/* What is behind it is named, is what it is said to be, and is the same in the header. */
	sh("qemu-img create -q -f qcow2 %s 4M; qemu-img create -q -f qcow2 -F qcow2 -b base %s", base, image);
	d = disk("vda");
	refused(m, d, "name it and its format in <backingStore>");
	d.backing[0].source = base, d.backing[0].format = "raw";
	refused(m, d, "is said to be raw, but is qcow2");
	d.backing[0].format = "qcow2";
	accepted(m, d);
	d.backing[0].source = raw, d.backing[0].format = "raw";
	refused(m, d, "qemu-img rebase");
	d.backing[0].source = base;
	d.backing[0].format = "qcow2";
	d.backing[1].source = raw, d.backing[1].format = "raw";
	refused(m, d, "nothing is behind it");
	/* By its header: to make a real one qemu-img measures the processor, and may fail at that. */
	sh("qemu-img create -q -f qcow2 %s 4M; printf '\\0\\0\\0\\2' | dd of=%s bs=1 seek=32 conv=notrunc status=none", image, image);
	refused(m, disk("vda"), "encrypted");
	sh("qemu-img create -q -f qcow2 -o data_file=%s/data %s 4M", dir, image);
	refused(m, disk("vda"), "in another file");
	/* The name of what is behind it lies outside. */
	sh("qemu-img create -q -f qcow2 %s 4M; printf '\\177\\377\\377\\377' | dd of=%s bs=1 seek=12 conv=notrunc status=none", image, image);
	refused(m, disk("vda"), "in no place");
	sh("printf '\\0\\0\\0\\11' | dd of=%s bs=1 seek=4 conv=notrunc status=none", image);
	refused(m, disk("vda"), "version 9");
	sh("truncate -s 40 %s", image);
	refused(m, disk("vda"), "ends before");
	devices_close(m);
}

static void images_are_locked(void)
{
	struct devices *a, *b;
	struct hv_error err = { "" };
	struct device_info i;
	struct device d = disk("vda"), on_raw = disk("vdb");

	if (!can_run("images_are_locked"))
		return;
	sh("qemu-img create -q -f qcow2 %s 4M; qemu-img create -q -f qcow2 -F qcow2 -b %s %s", base, base, image);
	a = simulated(1);
	b = simulated(2);
	d.backing[0].source = base, d.backing[0].format = "qcow2";
	CU_ASSERT_EQUAL(devices_attach(a, &d, &err), 0);
	CU_ASSERT(devices_find(a, "vda", &i) && i.size == 4 << 20);
	CU_ASSERT_EQUAL(devices_attach(b, &d, &err), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "in use by another domain"));
	/* What is behind a disk may be read by others, and not written. */
	on_raw.source = base;
	CU_ASSERT_EQUAL(devices_attach(b, &on_raw, &err), -EBUSY);
	on_raw.readonly = true;
	CU_ASSERT_EQUAL(devices_attach(b, &on_raw, &err), 0);
	devices_close(a);
	CU_ASSERT_EQUAL(devices_attach(b, &d, &err), 0);
	devices_close(b);
}

/* One server of our own that says what it is told to, to one who asks; and then this again and again, slowly. */
static pid_t nbd_server(const char *path, const void *answer, size_t len, const void *then, size_t then_len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	pid_t pid;
	char c;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	CU_ASSERT_FATAL(!bind(s, (struct sockaddr *)&a, sizeof(a)) && !listen(s, 4));
	pid = fork();
	if (!pid) {
		while ((fd = accept(s, NULL, NULL)) >= 0) {
			(void)!write(fd, answer, len);
			while (then_len && send(fd, then, then_len, MSG_NOSIGNAL) > 0)
				usleep(500000);
			while (read(fd, &c, 1) == 1)
				;
			close(fd);
		}
		_exit(0);
	}
	close(s);
	return pid;
}

static void nbd_that_cannot_be(void)
{
	static const char hello[] = "NBDMAGICIHAVEOPT\0\1";
	char sock[64], options[128];
	struct device d = { .kind = DEVICE_SERVED, .name = "vda", .nbd = true, .source = sock, .export = "disk" };
	uint64_t began;
	pid_t pid;

	if (!can_run("nbd_that_cannot_be"))
		return;
	snprintf(sock, sizeof(sock), "%s/nbd", dir);
	refused(NULL, d, "no NBD server answers");
	snprintf(options, sizeof(options), "-r -x disk -k %s", sock);
	nbd_serve(options);
	refused(NULL, d, "can only be read: add <readonly/>");
	d.readonly = true;
	accepted(NULL, d);
	d.export = "other";
	refused(NULL, d, "has no export \"other\"");
	nbd_end();
	d.export = "disk";
	pid = nbd_server(sock, "220 mail ready\r\n and more", 24, NULL, 0);
	refused(NULL, d, "is no NBD server");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pid = nbd_server(sock, hello, sizeof(hello) - 1, NULL, 0);
	refused(NULL, d, "says nothing for 3 s");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* An answer with nothing in it, and no end of them. */
	pid = nbd_server(sock, hello, sizeof(hello) - 1, "\0\3\xe8\x89\4Ue\xa9\0\0\0\6\0\0\0\3\0\0\0", 20);
	began = now_ns();
	refused(NULL, d, "says nothing for 3 s");
	CU_ASSERT(now_ns() - began < 10 * SECOND);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	d.source = NULL;
	d.host = "server.example.org";
	refused(NULL, d, "looks up no names");
	d.host = "127.0.0.1";
	d.port = 1;
	refused(NULL, d, "no NBD server answers at 127.0.0.1 port 1");
	d.format = "qcow2";
	refused(NULL, d, "no NBD server");
}

/* The manager's part, without a guest: until the server greets. */
static bool serves(struct devices *m, struct slot *s)
{
	const char *why = server_start(m, s);

	CU_ASSERT_PTR_NULL(why);
	for (int i = 0; !why && i < 600 && !s->server.ready && s->server.ctl >= 0; i++) {
		poll(&(struct pollfd){ .fd = s->server.ctl, .events = POLLIN }, 1, 100);
		server_listen(m, s);
	}
	if (!s->server.ready)
		printf("%s\n", last);
	return s->server.ready;
}

static int connect_as(uint64_t *features, struct ucred *cred, const struct slot *s)
{
	const uint32_t get_features[3] = { 1, 1, 0 };
	struct { uint32_t head[3]; uint64_t value; } __attribute__((packed)) answer = { 0 };
	socklen_t len = sizeof(*cred);
	int fd = server_connect(s);

	CU_ASSERT(fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len));
	CU_ASSERT(write(fd, get_features, sizeof(get_features)) == sizeof(get_features));
	CU_ASSERT(recv(fd, &answer, sizeof(answer), MSG_WAITALL) == sizeof(answer));
	*features = answer.value;
	return fd;
}

/* Its server is there, or comes later; when that goes, so does ours. */
static void serves_an_export(struct device dev, const char *options)
{
	struct devices m = { .cfg = { .domid = 78, .event = on_event }, .dir = dir };
	struct slot *s = &m.slot[1];
	struct epoll_event e;
	uint64_t features;
	struct ucred cred;

	m.epoll = epoll_create1(EPOLL_CLOEXEC);
	s->dev = dev;
	s->open = NOTHING_OPEN;
	s->server = NO_SERVER;
	s->pidfd = -1;
	nbd_serve(options);
	accepted(NULL, dev);
	CU_ASSERT_TRUE_FATAL(serves(&m, s));
	close(connect_as(&features, &cred, s));
	CU_ASSERT_NOT_EQUAL(features & 1ull << 32, 0);
	/* Of what is watched, only the connection's end is heard. */
	epoll_ctl(m.epoll, EPOLL_CTL_DEL, s->server.ctl, NULL);
	epoll_ctl(m.epoll, EPOLL_CTL_DEL, s->server.pidfd, NULL);
	nbd_end();
	CU_ASSERT(epoll_wait(m.epoll, &e, 1, 10000) == 1 && e.data.u32 == WATCH_NBD + 1);
	server_link_ended(&m, s);
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	s->pidfd = 0;			/* as if there were a front */
	server_ended(&m, s);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "the NBD server closed the connection"));
	close(m.epoll);
}

static void exports_are_served(void)
{
	struct device d = { .kind = DEVICE_SERVED, .name = "vda", .nbd = true, .export = "a \"quoted\\name\", and more" };
	char sock[64], options[128];

	if (!can_run("exports_are_served"))
		return;
	snprintf(sock, sizeof(sock), "%s/nbd", dir);
	snprintf(options, sizeof(options), "-x '%s' -k %s", d.export, sock);
	d.source = sock;
	serves_an_export(d, options);
	d.source = NULL;
	d.host = "127.0.0.1";
	d.port = 20000 + getpid() % 10000;
	snprintf(options, sizeof(options), "-x '%s' -b 127.0.0.1 -p %u", d.export, d.port);
	serves_an_export(d, options);
}

/* Questions at times that need not pass: it answers them, until it is stopped. */
static void stopped_one_is_noticed(struct devices *m, struct slot *s, pid_t pid)
{
	struct alive *a = &s->server.alive;
	uint64_t now = now_ns();

	m->cfg.patience = 30;
	alive_begin(m, a);
	for (int i = 0; i < 8; i++) {
		now += 8 * SECOND;
		alive_on_time(m, s, now);
		for (int wait = 0; wait < 100 && a->answered != a->asked; wait++) {
			poll(&(struct pollfd){ .fd = s->server.ctl, .events = POLLIN }, 1, 100);
			server_listen(m, s);
		}
		CU_ASSERT(a->answered == a->asked && (int)a->asked == i + 1);
	}
	CU_ASSERT_EQUAL(kill(pid, SIGSTOP), 0);
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 0), 0);
		now += 8 * SECOND;
		alive_on_time(m, s, now);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "vda: its server, qemu-storage-daemon"));
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "has not answered for 30 s: it is killed"));
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	m->cfg.patience = 0;
}

static void until_resized(struct devices *m, struct slot *s)
{
	for (int i = 0; i < 100 && s->server.wanted; i++) {
		poll(&(struct pollfd){ .fd = s->server.ctl, .events = POLLIN }, 1, 100);
		server_listen(m, s);
	}
}

static void is_made_larger(struct devices *m, struct slot *s, pid_t pid)
{
	struct hv_error err = { "" };

	CU_ASSERT_EQUAL(server_resize(s, 2 << 20, &err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "would be lost"));
	CU_ASSERT_EQUAL(server_resize(s, 8 << 20, &err), 1);
	CU_ASSERT_EQUAL(server_resize(s, 9 << 20, &err), -EBUSY);
	until_resized(m, s);
	CU_ASSERT_STRING_EQUAL(last, "vda: ");
	CU_ASSERT_EQUAL(s->open.size, 8 << 20);
	sh("qemu-img info -U %s | grep -q '8 MiB'", image);
	/* A size that it refuses. */
	CU_ASSERT_EQUAL(server_resize(s, (8 << 20) + 1, &err), 1);
	until_resized(m, s);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "multiple of 512"));
	CU_ASSERT_EQUAL(s->open.size, 8 << 20);
	/* It ends first: whether it did it is not known, and nothing that might be there may be cut off. */
	CU_ASSERT(!kill(pid, SIGSTOP) && server_resize(s, 12 << 20, &err) == 1 && !kill(pid, SIGKILL));
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	s->pidfd = 0;			/* as if there were a front */
	server_ended(m, s);
	s->pidfd = -1;
	CU_ASSERT_EQUAL(server_resize(s, 10 << 20, &err), -EINVAL);
	CU_ASSERT_EQUAL(server_resize(s, 12 << 20, &err), -EAGAIN);
}

static void runs_with_what_it_is_handed(void)
{
	struct devices m = { .cfg = { .domid = 77, .event = on_event }, .dir = dir };
	struct slot *s = &m.slot[3];
	struct hv_error err = { "" };
	uint64_t features;
	struct ucred cred;
	char proc[64], status[4096] = "";
	pid_t first;
	int fd;

	if (!can_run("runs_with_what_it_is_handed"))
		return;
	sh("qemu-img create -q -f qcow2 %s 4M; qemu-img create -q -f qcow2 -F qcow2 -b %s %s; chmod 600 %s %s", base, base, image, base, image);
	m.epoll = epoll_create1(EPOLL_CLOEXEC);
	s->dev = disk("vda");
	s->dev.backing[0].source = base, s->dev.backing[0].format = "qcow2";
	s->open = NOTHING_OPEN;
	s->server = NO_SERVER;
	s->pidfd = s->ctl = -1;
	CU_ASSERT_EQUAL_FATAL(images_open(&s->dev, &s->open, &err), 0);
	CU_ASSERT_TRUE_FATAL(serves(&m, s));
	fd = connect_as(&features, &cred, s);
	CU_ASSERT_NOT_EQUAL(features & 1ull << 32, 0);
	/* It is the process that listens, not who made the socket; and has another user. */
	CU_ASSERT(cred.pid != getpid() && cred.pid > 0);
	snprintf(proc, sizeof(proc), "/proc/%d/status", cred.pid);
	first = cred.pid;
	int st = open(proc, O_RDONLY);
	CU_ASSERT(st >= 0 && read(st, status, sizeof(status) - 1) > 0);
	close(st);
	CU_ASSERT_PTR_NOT_NULL(strstr(status, "Uid:\t1073741901\t1073741901"));
	CU_ASSERT_PTR_NOT_NULL(strstr(status, "CapEff:\t0000000000000000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(status, "Seccomp:\t2"));
	close(fd);
	/* Killed, and another one. */
	CU_ASSERT_EQUAL(kill(first, SIGKILL), 0);
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	s->pidfd = 0;			/* as if there were a front */
	server_ended(&m, s);
	s->pidfd = -1;
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "the next one is started"));
	CU_ASSERT_TRUE_FATAL(serves(&m, s));
	fd = connect_as(&features, &cred, s);
	CU_ASSERT(cred.pid != first);
	close(fd);
	/* Stopped, and another one. */
	stopped_one_is_noticed(&m, s, cred.pid);
	server_ended(&m, s);
	CU_ASSERT_TRUE_FATAL(serves(&m, s));
	fd = connect_as(&features, &cred, s);
	close(fd);
	is_made_larger(&m, s, cred.pid);
	CU_ASSERT_TRUE_FATAL(serves(&m, s));
	fd = connect_as(&features, &cred, s);
	close(fd);
	/* Its manager goes: it ends by itself. */
	close(s->server.ctl);
	s->server.ctl = -1;
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	CU_ASSERT(kill(cred.pid, 0) && errno == ESRCH);
	server_close(&s->server);
	/* Told to. */
	CU_ASSERT_TRUE_FATAL(serves(&m, s));
	server_quit(s);
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	server_close(&s->server);
	device_close(&s->open);
	sh("qemu-img check -q %s", image);
	/* What is no program says so. */
	devices_set_server("/nowhere/daemon");
	CU_ASSERT_EQUAL_FATAL(images_open(&s->dev, &s->open, &err), 0);
	CU_ASSERT_PTR_NULL(server_start(&m, s));
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	server_listen(&m, s);
	CU_ASSERT_PTR_NOT_NULL(strstr(last, "/nowhere/daemon: No such file"));
	server_close(&s->server);
	device_close(&s->open);
	refused(NULL, s->dev, "there is no /nowhere/daemon, which serves qcow2: install qemu-system-common");
	devices_set_server(DAEMON);
	close(m.epoll);
	sh("rm -rf %s", dir);
}

/* As a server that its guest has taken over: it wants to be there when its manager is gone. */
static void none_outlives_its_manager(void)
{
	static const char program[] = "#!/usr/bin/python3\n"
		"import ctypes, os, signal, sys\n"
		"libc = ctypes.CDLL(None, use_errno=True)\n"
		"call = lambda f, *a: getattr(libc, f)(*[ctypes.c_long(x) for x in a]) != -1 and sys.stderr.write(f + ' was done\\n')\n"
		"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
		"up = os.open('/proc/%u' % os.getppid(), os.O_RDONLY)\n"
		"try:\n"
		"    os.fork() and sys.stderr.write('fork was done\\n')\n"
		"except PermissionError:\n"
		"    pass\n"
		"call('vfork')\n"
		"call('prctl', 1, 0)\n"				/* PR_SET_PDEATHSIG */
		"call('fcntl', 3, 10, 19)\n"				/* F_SETSIG, SIGSTOP */
		"call('syscall', 234, os.getppid(), os.getppid(), 19)\n"	/* tgkill */
		"call('syscall', 424, up, 19, 0, 0)\n"			/* pidfd_send_signal */
		"call('sigqueue', os.getppid(), 19, 0)\n"
		"sys.stderr.write('{\"QMP\": 1}\\n')\n"
		"while True:\n"
		"    os.close(os.open('/dev/null', os.O_RDONLY))\n";
	struct devices m = { .cfg = { .domid = 79, .event = on_event } };
	struct slot *s = &m.slot[2];
	struct hv_error err = { "" };
	char path[] = "/tmp/test_served.server.XXXXXX";
	int fd;

	if (!can_run("none_outlives_its_manager"))
		return;
	fd = mkstemp(path);
	CU_ASSERT(fd >= 0 && write(fd, program, sizeof(program) - 1) == sizeof(program) - 1 && !fchmod(fd, 0755));
	close(fd);
	sh("qemu-img create -q -f qcow2 %s 4M", image);
	m.epoll = epoll_create1(EPOLL_CLOEXEC);
	s->dev = disk("vda");
	s->open = NOTHING_OPEN;
	s->server = NO_SERVER;
	s->pidfd = -1;
	CU_ASSERT_EQUAL_FATAL(images_open(&s->dev, &s->open, &err), 0);
	devices_set_server(path);
	*last = 0;
	CU_ASSERT_TRUE(serves(&m, s));
	CU_ASSERT_STRING_EQUAL(last, "");
	close(s->server.ctl);
	s->server.ctl = -1;
	CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 10000), 1);
	server_kill(s);
	server_close(&s->server);
	device_close(&s->open);
	devices_set_server(DAEMON);
	close(m.epoll);
	unlink(path);
}

TESTS("served", TEST(images_that_cannot_be), TEST(images_are_locked), TEST(nbd_that_cannot_be), TEST(exports_are_served),
      TEST(none_outlives_its_manager), TEST(runs_with_what_it_is_handed))
