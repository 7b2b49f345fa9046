// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - vmi-back: one process of domain 0 that serves one device of a guest.
 *
 * The manager (vmid, vmi-boot) opens everything, drops the user and starts it; see
 * docs/io.md. It may be killed at any time: what is in flight is in the state file,
 * and the next one goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev.h"

static const struct dev_ops *const kinds[] = { &block_ops, &net_ops, &console_ops, &rng_ops, &balloon_ops, &vhost_user_ops };

#define USUAL_END	200	/* ms until the kernel is done with what a killed process began; longer is worth a line */
#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static struct dev dev = { .ctl = -1, .queues = 1, .port.in = -1 };
static unsigned int nr_ports;
static int slot_fd = -1, state_fd = -1;

static void help(void)
{
	puts("usage: vmi-back KIND NAME=VALUE...\n"
	     "Serve one virtio device of a guest domain. vmid and vmi-boot start it; see docs/io.md.\n\n"
	     "  slot=FD            the page of the device's slot\n"
	     "  mem=GPA:SIZE:FD    a window of the guest's memory (up to 4 of them)\n"
	     "  ports=GUEST:FD,... the device's port, then one for each queue\n"
	     "                     (GUEST:FD/FD: eventfds, one to be told by and one to tell with)\n"
	     "  state=FD           the memory file of what is in flight, and of counters\n"
	     "  ctl=FD             the control socket\n"
	     "  share=bounce|full  does the guest copy into a pool (default), or lend all of its memory\n"
	     "  queues=N           queues (block) or pairs of queues (net); default 1");
	for (unsigned int i = 0; i < NR_KINDS; i++)
		printf("\nKIND %s:\n%s", kinds[i]->name, kinds[i]->help);
}

/* The text up to (sep), which must be there; cuts it off. */
static char *field(const char *name, char **rest, char sep)
{
	char *s = *rest, *end = strchr(s, sep);

	if (!end)
		die("%s: '%c' is missing in '%s'; see vmi-back --help", name, sep, s);
	*end = '\0';
	*rest = end + 1;
	return s;
}

static void arg_mem(char *value)
{
	uint64_t gpa = arg_u64("mem", field("mem", &value, ':'), 0, UINT64_MAX >> 1);
	uint64_t size = arg_u64("mem", field("mem", &value, ':'), 4096, UINT64_MAX >> 1);
	int rc, fd = arg_fd("mem", value);

	if (dev.mem.nr == VMI_BUS_WINDOWS)
		die("mem: more than %d windows", VMI_BUS_WINDOWS);
	if ((gpa | size) & 4095)
		die("mem: a window has whole pages");
	rc = mem_add(&dev.mem, gpa, size, fd);
	if (rc)
		die("mem: descriptor %s cannot be mapped: %s", value, strerror(-rc));
}

static void arg_ports(char *value)
{
	char *item, *save = NULL;

	for (item = strtok_r(value, ",", &save); item; item = strtok_r(NULL, ",", &save), nr_ports++) {
		struct dev_port *p = nr_ports ? &dev.queue[nr_ports - 1].port : &dev.port;
		char *out;

		if (nr_ports > VMI_BUS_QUEUES)
			die("ports: more than %d", 1 + VMI_BUS_QUEUES);
		p->dev = &dev;
		p->queue = nr_ports ? nr_ports - 1 : DEV_PORT_OWN;
		p->guest = arg_u64("ports", field("ports", &item, ':'), 0, UINT32_MAX);
		out = strchr(item, '/');
		if (out)
			*out++ = '\0';
		p->in = arg_fd("ports", item);
		p->out = out ? arg_fd("ports", out) : -1;
	}
}

static void argument(const char *arg)
{
	char *name = strdup(arg), *value;

	if (!name)
		die("no memory");
	value = strchr(name, '=');
	if (!value)
		die("'%s' is not NAME=VALUE; see vmi-back --help", arg);
	*value++ = '\0';
	if (!strcmp(name, "slot"))
		slot_fd = arg_fd(name, value);
	else if (!strcmp(name, "mem"))
		arg_mem(value);
	else if (!strcmp(name, "ports"))
		arg_ports(value);
	else if (!strcmp(name, "state"))
		state_fd = arg_fd(name, value);
	else if (!strcmp(name, "ctl"))
		dev.ctl = arg_fd(name, value);
	else if (!strcmp(name, "share") && (!strcmp(value, "bounce") || !strcmp(value, "full")))
		dev.bounce = *value == 'b';
	else if (!strcmp(name, "share"))
		die("share=%s: give bounce or full", value);
	else if (!strcmp(name, "queues"))
		dev.queues = arg_u64(name, value, 1, VMI_BUS_QUEUES);
	else if (!dev.ops->arg || !dev.ops->arg(&dev, name, value))
		die("%s has no argument '%s'; see vmi-back --help", dev.ops->name, name);
	free(name);
}

static void *map(const char *name, int fd, size_t size)
{
	void *p;

	if (fd < 0)
		die("%s=FD is missing; see vmi-back --help", name);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("%s: cannot be mapped: %s", name, strerror(errno));
	return p;
}

/* Alone on the state file, also after a predecessor's last transfer (state.h). Returns what holds the lock. */
static int open_state(void)
{
	char path[40];
	struct stat st;
	int fd, ms;

	dev.state = map("state", state_fd, sizeof(struct back_state));
	if (fstat(state_fd, &st) || (uint64_t)st.st_size < sizeof(struct back_state))
		die("state: the file has less than %zu bytes", sizeof(struct back_state));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", state_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("state: %s cannot be opened: %s; /proc must be mounted", path, strerror(errno));
	for (ms = 0; ms < USUAL_END && flock(fd, LOCK_EX | LOCK_NB); ms++)
		usleep(1000);
	if (ms == USUAL_END) {
		dev_log(&dev, "waiting for the last transfers of the back end before");
		if (flock(fd, LOCK_EX))
			die("state: cannot be locked: %s", strerror(errno));
	}
	if (dev.state->magic && dev.state->magic != BACK_STATE_MAGIC)
		die("state: not a state file of this version");
	return fd;
}

static void ctl_event(struct loop_op *op, int res)
{
	static char buf[512];
	static size_t len;
	ssize_t n;

	(void)op;
	(void)res;
	while ((n = recv(dev.ctl, buf + len, sizeof(buf) - len, MSG_DONTWAIT)) > 0) {
		char *nl;

		len += n;
		while ((nl = memchr(buf, '\n', len))) {
			*nl++ = '\0';
			dev_told(&dev, buf);
			len -= nl - buf;
			memmove(buf, nl, len);
		}
		if (len == sizeof(buf))
			len = 0;	/* no line of the protocol is so long */
	}
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		dev_told(&dev, "quit");
}

int main(int argc, char **argv)
{
	static struct loop_op ctl = { ctl_event, -1 };
	int lock;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		help();
		return 0;
	}
	for (unsigned int i = 0; argc > 1 && i < NR_KINDS; i++)
		if (!strcmp(argv[1], kinds[i]->name))
			dev.ops = kinds[i];
	if (!dev.ops)
		die("%s%s; see vmi-back --help", argc > 1 ? "no such kind of device: " : "no kind of device", argc > 1 ? argv[1] : "");
	dev.bounce = true;
	signal(SIGPIPE, SIG_IGN);
	for (int i = 2; i < argc; i++)
		argument(argv[i]);
	if (dev.ctl < 0)
		die("ctl=FD is missing; see vmi-back --help");
	if (!dev.mem.nr)
		die("mem=GPA:SIZE:FD is missing; see vmi-back --help");
	dev.slot = map("slot", slot_fd, sizeof(struct vmi_slot));
	if (dev.bounce)
		mem_touch(&dev.mem);
	args_close_others();
	lock = open_state();
	loop_init(dev.ops->opcodes, lock);
	dev.ops->init(&dev);
	if (nr_ports != 1 + dev.nr_queues)
		die("ports: %u are given, this device needs %u: its own, and one for each queue", nr_ports, 1 + dev.nr_queues);
	sandbox_enter(dev.ops);
	loop_poll(&ctl, dev.ctl);
	dev_begin(&dev);
	for (dev_settle(&dev); !dev_ended(&dev); dev_settle(&dev))
		loop_round();
	return 0;
}
