// SPDX-License-Identifier: GPL-2.0-only
/*
 * lent.c - /dev/vmi/mem: memory of a domain as a file. The domains are empty and
 * never run: dom_write and dom_read are the other side of the window.
 *
 * Transfers go to and from the disk, or a RAM disk where there is none. What must
 * hold everywhere: every frame is back at the end.
 */
#define _GNU_SOURCE
#include <liburing.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <vmi/dev.h>
#include <vmi/numbers.h>
#include "../../dom0-tools/lib/call.h"
#include "guest.h"

#define MEMORY	(8UL << 20)	/* of a domain */
#define WINDOW	(3UL << 20)
#define GPA	0x105000UL	/* where most windows begin: not where a large page does */

static int call_fd;

static void begin(void)
{
	call_fd = call_open();
	if (call_fd == -ENODEV)
		skip("no /dev/vmi/call: this is not domain 0");
	check(call_fd >= 0, "call_open: %d", call_fd);
}

static uint64_t free_memory(void)
{
	struct vmi_machine m;

	check(!call_machine_info(call_fd, &m), "machine_info failed");
	return m.free;
}

/* Whoever was killed may take a moment to be gone. */
static void expect_free(uint64_t want, const char *when)
{
	for (int ms = 0; free_memory() != want; ms += 10) {
		check(ms < 10000, "%s: %ld KiB are missing", when, (long)(want - free_memory()) / 1024);
		usleep(10000);
	}
}

static uint32_t new_domain(void)
{
	struct vmi_dom_config cfg = { .memory = MEMORY, .nr_vcpus = 1, .name = "lent" };
	long id = call_dom_create(call_fd, &cfg);

	check(id > 0, "dom_create: %ld", id);
	return id;
}

static void end_domain(uint32_t id)
{
	long rc = call_dom_destroy(call_fd, id);

	check(!rc, "dom_destroy: %ld", rc);
}

static uint64_t lent_bytes(uint32_t id)
{
	struct vmi_dom_info i;

	check(!call_dom_info(call_fd, id, &i) && i.domid == id, "domain %u is gone", id);
	return i.lent;
}

static int lend_at(int fd, uint32_t domid, uint64_t gpa, uint64_t size)
{
	return ioctl(fd, VMI_DEV_MEM_LEND, &(struct vmi_dev_mem){ .domid = domid, .gpa = gpa, .size = size }) ? -errno : 0;
}

static int window(uint32_t domid, uint64_t gpa, uint64_t size)
{
	int fd = must(open("/dev/vmi/mem", O_RDWR | O_CLOEXEC)), rc = lend_at(fd, domid, gpa, size);

	check(!rc, "VMI_DEV_MEM_LEND: %s", strerror(-rc));
	return fd;
}

static void *map_window(int fd, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	check(p != MAP_FAILED, "mmap: %s", strerror(errno));
	return p;
}

static void pattern(uint64_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len / 8; i++)
		p[i] = mix(seed + i);
}

static void check_pattern(const uint64_t *p, size_t len, uint64_t seed, const char *what)
{
	for (size_t i = 0; i < len / 8; i++)
		check(p[i] == mix(seed + i), "%s: wrong data at byte %zu", what, i * 8);
}

/* A new domain whose memory at GPA is lent and mapped. */
struct lent {
	uint64_t before, *p;
	uint32_t id;
	int fd;
};

static struct lent new_lent(void)
{
	struct lent l = { .before = free_memory(), .id = new_domain() };

	l.fd = window(l.id, GPA, WINDOW);
	l.p = map_window(l.fd, WINDOW);
	return l;
}

static void give_back(const struct lent *l)
{
	munmap(l->p, WINDOW);
	close(l->fd);
}

/* ---- the window ------------------------------------------------------------------ */

static void both_sides(void)
{
	static uint64_t buf[WINDOW / 8];
	uint64_t *p, *part, before;
	uint32_t id;
	pid_t pid;
	int fd;

	begin();
	before = free_memory();
	id = new_domain();
	pattern(buf, WINDOW, 1);
	check(!call_dom_write(call_fd, id, GPA, buf, WINDOW), "dom_write");
	fd = window(id, GPA, WINDOW);
	check(lent_bytes(id) == WINDOW, "%lu bytes are lent", lent_bytes(id));
	p = map_window(fd, WINDOW);
	check_pattern(p, WINDOW, 1, "written by the domain's side");
	pid = must_fork();
	if (!pid) {
		pattern(p, WINDOW, 2);
		_exit(0);
	}
	reap(pid, 0);
	check(!call_dom_read(call_fd, id, GPA, buf, WINDOW), "dom_read");
	check_pattern(buf, WINDOW, 2, "written by a child");
	/* A part, read-only; what was thrown away comes back; a larger place. */
	part = mmap(NULL, 5 * PAGE, PROT_READ, MAP_SHARED, fd, 16 * PAGE);
	check(part != MAP_FAILED, "mmap of a part: %s", strerror(errno));
	check(!memcmp(part, p + 16 * PAGE / 8, 5 * PAGE), "a part shows something else");
	check(mprotect(part, PAGE, PROT_READ | PROT_EXEC) && errno == EACCES, "execution was allowed");
	must(madvise(p, WINDOW, MADV_DONTNEED));
	check_pattern(p, WINDOW, 2, "after MADV_DONTNEED");
	must(munmap(p, WINDOW));
	close(fd);
	check(lent_bytes(id) == WINDOW, "taken back while it is mapped");
	check(part[0] == mix(2 + 16 * PAGE / 8), "the part that is left shows something else");
	must(munmap(part, 5 * PAGE));
	check(!lent_bytes(id), "%lu bytes are lent after the end", lent_bytes(id));
	/* The same frames once more, and as many small ones. */
	for (uint64_t at = GPA; at < GPA + WINDOW; at += 64 * PAGE) {
		fd = window(id, at, PAGE);
		p = map_window(fd, PAGE);
		check(p[0] == mix(2 + (at - GPA) / 8), "lent again: wrong data");
		munmap(p, PAGE);
		close(fd);
	}
	end_domain(id);
	expect_free(before, "at the end");
}

static void refused(void)
{
	uint64_t before;
	uint32_t id;
	int fd, other, ro;

	begin();
	before = free_memory();
	id = new_domain();
	fd = must(open("/dev/vmi/mem", O_RDWR));
	check(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED, "mapped before there was a range");
	check(lend_at(fd, 1000, 0, PAGE) == -ESRCH, "no such domain");
	check(lend_at(fd, 0, 0, PAGE) == -ESRCH, "domain 0's own memory");
	check(lend_at(fd, id, 1, PAGE) == -EINVAL, "an odd address");
	check(lend_at(fd, id, 0, 100) == -EINVAL, "an odd size");
	check(lend_at(fd, id, 0, 0) == -EINVAL, "nothing");
	check(lend_at(fd, id, 0, MEMORY + PAGE) == -EINVAL, "more than it has");
	check(lend_at(fd, id, MEMORY, PAGE) == -EINVAL, "behind its end");
	check(lend_at(fd, id, -PAGE, 2 * PAGE) == -EINVAL, "around the end");
	check(lend_at(fd, id, PAGE, -PAGE) == -EINVAL, "everything");
	check(ioctl(fd, VMI_DEV_MEM_LEND, NULL) == -1 && errno == EFAULT, "a bad pointer");
	check(ioctl(fd, VMI_DEV_PORT_NOTIFY) == -1 && errno == ENOTTY, "a port's call");
	check(!lend_at(fd, id, GPA, 16 * PAGE), "now a good one");
	check(lend_at(fd, id, 0, PAGE) == -EBUSY, "twice");
	other = must(open("/dev/vmi/mem", O_RDWR));
	check(lend_at(other, id, GPA + 15 * PAGE, 600 * PAGE) == -EBUSY, "lent already, at the beginning");
	check(lend_at(other, id, PAGE, GPA) == -EBUSY, "lent already, at the end");
	check(lent_bytes(id) == 16 * PAGE, "%lu bytes are lent after refusals", lent_bytes(id));
	check(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED, "a private mapping");
	check(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED, "an executable mapping");
	check(mmap(NULL, 17 * PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED, "a mapping behind the end");
	check(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 16 * PAGE) == MAP_FAILED, "an offset behind the end");
	ro = must(open("/dev/vmi/mem", O_RDONLY));
	check(!lend_at(ro, id, 0, PAGE), "a read-only file");
	check(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED, "writable, of a read-only file");
	close(ro);
	close(fd);
	close(other);
	end_domain(id);
	expect_free(before, "at the end");
}

/* ---- transfers -------------------------------------------------------------------- */

static int open_disk(void)
{
	const char *path = access("/dev/vda", F_OK) ? "/dev/ram0" : "/dev/vda";
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	check(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static void direct(void)
{
	struct lent l;
	int disk;

	begin();
	disk = open_disk();
	l = new_lent();
	for (unsigned int i = 0; i < scaled(4); i++) {
		pattern(l.p, WINDOW, i);
		check(pwrite(disk, l.p, WINDOW, 0) == (long)WINDOW, "direct write: %s", strerror(errno));
		memset(l.p, 0x55, WINDOW);
		check(pread(disk, l.p, WINDOW, 0) == (long)WINDOW, "direct read: %s", strerror(errno));
		check_pattern(l.p, WINDOW, i, "through the disk");
	}
	give_back(&l);
	end_domain(l.id);
	expect_free(l.before, "at the end");
}

static void queue(struct io_uring *ring, int disk, char *p, bool write)
{
	unsigned int n = WINDOW >> 16;

	for (unsigned int i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
		uint64_t at = (uint64_t)i << 16;

		if (write)
			io_uring_prep_write(sqe, disk, p + at, 64 << 10, at);
		else
			io_uring_prep_read(sqe, disk, p + at, 64 << 10, at);
	}
	check(io_uring_submit(ring) == (int)n, "io_uring_submit");
}

static void wait_for(struct io_uring *ring)
{
	for (unsigned int i = 0; i < WINDOW >> 16; i++) {
		struct io_uring_cqe *cqe;

		check(!io_uring_wait_cqe(ring, &cqe), "io_uring_wait_cqe");
		check(cqe->res == 64 << 10, "a transfer of io_uring: %d", cqe->res);
		io_uring_cqe_seen(ring, cqe);
	}
}

/* Many transfers at once, and the last ones still under way when everything is closed. */
static void uring(void)
{
	struct io_uring ring;
	struct lent l;
	int disk;

	begin();
	disk = open_disk();
	l = new_lent();
	check(!io_uring_queue_init(64, &ring, 0), "io_uring_queue_init");
	for (unsigned int i = 0; i < scaled(4); i++) {
		pattern(l.p, WINDOW, i);
		queue(&ring, disk, (char *)l.p, true);
		wait_for(&ring);
		memset(l.p, 0x55, WINDOW);
		queue(&ring, disk, (char *)l.p, false);
		wait_for(&ring);
		check_pattern(l.p, WINDOW, i, "through io_uring");
	}
	queue(&ring, disk, (char *)l.p, false);
	give_back(&l);
	end_domain(l.id);
	printf("%ld KiB of %lu wait for the disk\n", (long)(l.before - free_memory()) / 1024, WINDOW >> 10);
	wait_for(&ring);
	expect_free(l.before, "after the last transfer");
}

/* One operation of VMI_DEV_MEM_READ or _WRITE: its result. */
static int by_frames(struct io_uring *ring, int fd, uint32_t op, struct vmi_dev_mem_io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int res;

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = op;
	memcpy(sqe->cmd, &(uint64_t){ (uintptr_t)io }, sizeof(uint64_t));
	check(io_uring_submit(ring) == 1 && !io_uring_wait_cqe(ring, &cqe), "no result of io_uring");
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

/* The pieces of a window, out of order and of odd sizes, to a file and back. */
static void frames_of_file(struct io_uring *ring, int fd, int file, uint64_t *p, const char *what)
{
	struct iovec v[] = { { (void *)(64 * PAGE), 8 * PAGE }, { (void *)(3 * PAGE + 512), PAGE }, { (void *)0, PAGE }, { (void *)(200 * PAGE + 1024), 30 * PAGE } };
	struct vmi_dev_mem_io io = { .pieces = (uintptr_t)v, .nr = ARRAY_SIZE(v), .fd = file, .offset = 64 << 10 };
	int len = 40 * PAGE, res;
	char *out = mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at = out;

	pattern(p, WINDOW, 3);
	res = by_frames(ring, fd, VMI_DEV_MEM_WRITE, &io);
	check(res == len, "%s: written: %d", what, res);
	check(pread(file, out, len, io.offset) == len, "%s: read: %s", what, strerror(errno));
	for (unsigned int i = 0; i < ARRAY_SIZE(v); at += v[i++].iov_len)
		check(!memcmp(at, (char *)p + (uintptr_t)v[i].iov_base, v[i].iov_len), "%s: piece %u of the file is wrong", what, i);
	memset(p, 0, WINDOW);
	res = by_frames(ring, fd, VMI_DEV_MEM_READ, &io);
	check(res == len, "%s: read: %d", what, res);
	at = out;
	for (unsigned int i = 0; i < ARRAY_SIZE(v); at += v[i++].iov_len)
		check(!memcmp(at, (char *)p + (uintptr_t)v[i].iov_base, v[i].iov_len), "%s: piece %u of the window is wrong", what, i);
	munmap(out, 40 * PAGE);
}

static void frames(void)
{
	struct iovec one = { (void *)0, PAGE };
	struct vmi_dev_mem_io io = { .pieces = (uintptr_t)&one, .nr = 1 };
	struct io_uring ring;
	uint64_t before, *p;
	int fd, disk, file, pipe_fd[2];
	uint32_t id;

	begin();
	disk = open_disk();
	file = must(open("/tmp/frames", O_RDWR | O_CREAT | O_TRUNC, 0600));
	must(pipe(pipe_fd));
	before = free_memory();
	id = new_domain();
	fd = window(id, GPA, WINDOW);
	p = map_window(fd, WINDOW);
	check(!io_uring_queue_init(64, &ring, 0), "io_uring_queue_init");
	for (unsigned int i = 0; i < scaled(4); i++) {
		frames_of_file(&ring, fd, disk, p, "disk");
		frames_of_file(&ring, fd, file, p, "file");
	}
	io.fd = file;
	one.iov_base = (void *)(WINDOW - PAGE + 1);
	check(by_frames(&ring, fd, VMI_DEV_MEM_READ, &io) == -EFAULT, "a piece leaves the range");
	one.iov_base = (void *)-PAGE;
	check(by_frames(&ring, fd, VMI_DEV_MEM_READ, &io) == -EFAULT, "a piece before the range");
	one = (struct iovec){ (void *)PAGE, -PAGE };
	check(by_frames(&ring, fd, VMI_DEV_MEM_READ, &io) < 0, "a piece of nearly 2^64 bytes");
	one = (struct iovec){ (void *)0, PAGE };
	check(by_frames(&ring, fd, VMI_DEV_MEM_LEND, &io) == -ENOTTY, "an operation that there is not");
	io.reserved = 1;
	check(by_frames(&ring, fd, VMI_DEV_MEM_READ, &io) == -EINVAL, "a reserved field");
	io.reserved = 0;
	io.fd = pipe_fd[0];
	check(by_frames(&ring, fd, VMI_DEV_MEM_READ, &io) == -EINVAL, "a pipe");
	io.fd = 1000;
	check(by_frames(&ring, fd, VMI_DEV_MEM_READ, &io) == -EBADF, "no file");
	io.fd = must(open("/tmp/frames", O_RDONLY));
	check(by_frames(&ring, fd, VMI_DEV_MEM_WRITE, &io) == -EBADF, "a file that is open for reading");
	close(io.fd);
	io.fd = must(open("/dev/vmi/mem", O_RDWR));
	check(by_frames(&ring, io.fd, VMI_DEV_MEM_READ, &io) == -EFAULT, "a file without a range");
	close(io.fd);
	unlink("/tmp/frames");
	close(file);
	munmap(p, WINDOW);
	close(fd);
	io_uring_queue_exit(&ring);
	end_domain(id);
	expect_free(before, "at the end");
}

/* A few pages in a pipe: the others are back at once, these when they were read. */
static void in_flight(void)
{
	static char out[8 * PAGE];
	int fd, pipe_fd[2];
	struct lent l;
	uint32_t id;
	void *p;

	begin();
	l = new_lent();
	pattern(l.p, WINDOW, 7);
	must(pipe(pipe_fd));
	check(vmsplice(pipe_fd[1], &(struct iovec){ l.p, sizeof(out) }, 1, 0) == sizeof(out), "vmsplice: %s", strerror(errno));
	give_back(&l);
	check(lent_bytes(l.id) == sizeof(out), "%lu bytes are lent, not %zu", lent_bytes(l.id), sizeof(out));
	end_domain(l.id);
	check(l.before - free_memory() == sizeof(out), "%ld KiB wait for the pipe, not %zu", (long)(l.before - free_memory()) / 1024, sizeof(out) >> 10);
	/* Who has the frames now writes to them: the pipe's are not among these. */
	id = new_domain();
	fd = window(id, 0, MEMORY);
	p = map_window(fd, MEMORY);
	memset(p, 0xaa, MEMORY);
	check(read(pipe_fd[0], out, sizeof(out)) == sizeof(out), "read: %s", strerror(errno));
	check_pattern((void *)out, sizeof(out), 7, "what was in the pipe");
	munmap(p, MEMORY);
	close(fd);
	end_domain(id);
	expect_free(l.before, "after the pipe was read");
}

/* ---- the end, in any order ----------------------------------------------------------- */

/* A process that has windows in any state at any moment. */
static void busy_child(uint32_t id)
{
	struct io_uring ring;
	int disk = open_disk();

	for (;;) {
		uint64_t size = (1 + below(WINDOW >> 12)) << 12, gpa = below((MEMORY - size) >> 12) << 12;
		int fd = open("/dev/vmi/mem", O_RDWR);
		char *p;

		if (lend_at(fd, id, gpa, size)) {
			close(fd);
			continue;
		}
		p = map_window(fd, size);
		if (below(2))
			close(fd);
		check(pwrite(disk, p, size, 0) == (long)size, "direct write: %s", strerror(errno));
		if (!io_uring_queue_init(8, &ring, 0)) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			io_uring_prep_read(sqe, disk, p, size, 0);
			io_uring_submit(&ring);
			if (below(2))
				io_uring_queue_exit(&ring);
		}
		if (below(2)) {
			close(fd);
			munmap(p, size);
		}
	}
}

/* Attack 37: the window withdrawn, the domain destroyed, the process killed, at any moment. */
static void withdrawn(void)
{
	uint64_t before;

	begin();
	close(open_disk());
	before = free_memory();
	for (unsigned long i = 0; i < scaled(60); i++) {
		uint32_t id = new_domain();
		bool domain_first = below(2);
		pid_t pid[2];

		for (int n = 0; n < 2; n++) {
			uint64_t seed = rnd();

			pid[n] = must_fork();
			if (pid[n])
				continue;
			rng_state = seed;
			busy_child(id);
		}
		usleep(below(40000));
		if (domain_first)
			end_domain(id);
		for (int n = 0; n < 2; n++) {
			int status;

			usleep(below(5000));
			kill(pid[n], SIGKILL);
			waitpid(pid[n], &status, 0);
			check(WIFSIGNALED(status), "round %lu: a child ended by itself", i);
		}
		if (!domain_first)
			end_domain(id);
		expect_free(before, "after a round");
	}
}

/* A tool that has everything, the domain too, is killed. */
static void killed_tool(void)
{
	uint64_t before;

	begin();
	before = free_memory();
	for (unsigned long i = 0; i < scaled(40); i++) {
		pid_t pid = must_fork();

		if (!pid) {
			begin();
			for (;;) {
				uint32_t id = new_domain();
				int fd = window(id, 0, MEMORY);

				memset(map_window(fd, MEMORY), 1, MEMORY);
				/* Each is left behind: the end of this process is all that ends them. */
			}
		}
		usleep(below(60000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		expect_free(before, "a killed tool");
	}
}

/* The window goes to a process that has no rights, and outlives who opened it. */
static void handed_over(void)
{
	uint64_t before, *p;
	int sv[2];
	uint32_t id;
	pid_t pid;

	begin();
	before = free_memory();
	id = new_domain();
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	pid = must_fork();
	if (!pid) {
		union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } u;
		char c;
		struct msghdr m = { .msg_iov = &(struct iovec){ &c, 1 }, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
		int fd;

		must(setuid(1000));
		check(open("/dev/vmi/mem", O_RDWR) == -1, "opened without rights");
		check(recvmsg(sv[1], &m, 0) == 1, "recvmsg: %s", strerror(errno));
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
		p = map_window(fd, WINDOW);
		check(read(sv[1], &c, 1) == 1, "read: %s", strerror(errno));
		pattern(p, WINDOW, 9);
		check_pattern(p, WINDOW, 9, "after the domain's end");
		_exit(0);
	} else {
		int fd = window(id, GPA, WINDOW);
		union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } u = { .align = {
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
		struct msghdr m = { .msg_iov = &(struct iovec){ "x", 1 }, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };

		memcpy(CMSG_DATA(&u.align), &fd, sizeof(fd));
		check(sendmsg(sv[0], &m, 0) == 1, "sendmsg: %s", strerror(errno));
		close(fd);
	}
	end_domain(id);
	check(before - free_memory() == WINDOW, "%ld KiB wait for the process", (long)(before - free_memory()) / 1024);
	check(write(sv[0], "x", 1) == 1, "write: %s", strerror(errno));
	reap(pid, 0);
	expect_free(before, "at the end");
}

/* ---- a guest's ports ------------------------------------------------------------------ */

static long guest_port(uint32_t domid, uint32_t peer)
{
	struct vmi_dev_call c = { .nr = VMI_HC_EVT_ALLOC, .args = { domid, peer } };

	return ioctl(call_fd, VMI_DEV_CALL, &c) ? -errno : c.result;
}

static void ports_again(void)
{
	uint32_t id;
	long port;

	begin();
	id = new_domain();
	port = guest_port(id, 0);
	check(port > 0, "evt_alloc for a domain: %ld", port);
	check(guest_port(VMI_DOMID_SELF, id) == -EPERM && guest_port(0, id) == -EPERM, "a port of domain 0 that no file owns");
	check(guest_port(1000, 0) == -ESRCH, "evt_alloc for no domain");
	for (int i = 0; i < 1000; i++) {
		int fd = must(open("/dev/vmi/port", O_RDWR));

		check(ioctl(fd, VMI_DEV_PORT_BIND, &(struct vmi_dev_port){ id, port }) > 0, "round %d: %s", i, strerror(errno));
		check(!ioctl(fd, VMI_DEV_PORT_NOTIFY), "notify: %s", strerror(errno));
		close(fd);
	}
	end_domain(id);
}

int main(int argc, char **argv)
{
	static const struct guest_test tests[] = {
		{ "both-sides", both_sides, "what one side writes the other reads; parts, children, again", 0 },
		{ "refused", refused, "what cannot be is refused with the right error, and nothing is left lent", 0 },
		{ "direct", direct, "direct I/O to a disk and back", 0 },
		{ "uring", uring, "io_uring, many transfers at once; those under way keep their pages", 0 },
		{ "frames", frames, "transfers by frames: files and disks, scattered pieces, and what cannot be", 0 },
		{ "in-flight", in_flight, "pages in a pipe go back when they were read", 0 },
		{ "handed-over", handed_over, "a process without rights has the window, after its domain's death", 0 },
		{ "withdrawn", withdrawn, "processes killed and domains ended while everything is in use", 0 },
		{ "killed-tool", killed_tool, "a tool that is killed leaves nothing", 0 },
		{ "ports-again", ports_again, "a guest's port can be bound again when the other end was closed", 0 },
	};

	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
