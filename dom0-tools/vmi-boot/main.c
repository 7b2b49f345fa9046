// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - vmi-boot: one domain in the foreground, without the daemon.
 *
 * Creates the domain, shows its console, and ends it when it stops by itself or
 * when this program is told to stop.
 *
 * Trust: the guest's output goes to the terminal as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>
#include <vmi/bus.h>
#include "../lib/build.h"
#include "../lib/call.h"
#include "../devices/devices.h"
#include "../lib/signature.h"
#include "options.h"

static const char usage[] =
"usage: vmi-boot [OPTION]... --kernel FILE [-- COMMAND-LINE...]\n"
"\n"
"Starts a domain and shows its console until it ends. Ctrl-] ends it.\n"
"\n"
"  -k, --kernel FILE   vmlinux or bzImage to start\n"
"  -i, --initrd FILE   initramfs\n"
"  -m, --memory SIZE   with K, M or G                     (64M)\n"
"  -c, --vcpus N       processors                         (1)\n"
"  -n, --name NAME     name                               (boot-PID)\n"
"  -w, --weight N      share of the processors, 1 to 65535 (256)\n"
"  -d, --disk FILE[,readonly][,serial=TEXT][,cache=none|writeback|writethrough|unsafe][,shareable][,format=raw|qcow2]\n"
"     [,errors=report|stop|enospace|ignore][,rerrors=report|stop|ignore][,queues=N]\n"
"                      an image or a block device as a disk: /dev/vda, ...; repeatable\n"
"                      (errors: a write that fails waits where space is lacking, with stop after any\n"
"                      error, and is tried again; the default is enospace. rerrors: of reads, report)\n"
"  -N, --net BRIDGE[,mac=ADDRESS][,mtu=N][,queues=N][,tap=NAME][,user]\n"
"                      a network card on a bridge; repeatable (user: a process moves\n"
"                      the frames, not the kernel's vhost-net)\n"
"      --rng           an entropy device\n"
"      --share full    back ends see all of the memory: faster, less apart (bounce: the guest copies)\n"
"      --device-timeout SECONDS\n"
"                      a device's process that answers nothing for so long is killed and\n"
"                      started again (30; 0: never)\n"
"  -l, --line1 DEVICE  connect the domain's second console line to this terminal\n"
"  -o, --output FILE   write the console there instead\n"
"      --storage-daemon PATH  what serves qcow2 images    (/usr/bin/qemu-storage-daemon)\n"
"      --trust FILE    start only signed files: each has a CMS signature next to it, NAME.p7s;\n"
"                      FILE has the certificate of the signer or its authority, in PEM\n"
"      --time          say how long creating and running took, on standard error\n"
"      --help          this text\n"
"\n"
"Exit status: 0 the domain powered off, 10 it wants to restart, 11 it crashed or\n"
"was stopped by the hypervisor, 12 ended from here, 1 it could not be started, 2 bad usage.\n";

enum { EXIT_USAGE = 2, EXIT_REBOOT = 10, EXIT_CRASH = 11, EXIT_ENDED = 12 };
#define ESCAPE	0x1d		/* Ctrl-] */

static volatile sig_atomic_t told_to_stop;
static struct termios saved;
static int raw_fd = -1;

static void on_signal(int sig)
{
	(void)sig;
	told_to_stop = 1;
}

static int complain(const char *what)
{
	fprintf(stderr, "vmi-boot: %s\n", what);
	return 1;
}

static void restore_terminal(void)
{
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSANOW, &saved);
}

static void make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &saved))
		return;
	t = saved;
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
	raw_fd = fd;
	atexit(restore_terminal);
}

static uint64_t parse_memory(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;

	if (end == text || (shift && end[1]) || (!shift && *end) || !n || n > (~0ULL >> shift)) {
		fprintf(stderr, "vmi-boot: --memory %s: not a size; write for example 64M\n", text);
		exit(EXIT_USAGE);
	}
	return n << shift;
}

/* A line of the domain's console and the descriptors at this end. */
struct link {
	uint32_t line;
	int in, out;
	bool escape;			/* Ctrl-] at `in` ends the domain */
	char held[256];			/* read, not yet taken by the domain */
	size_t nr_held;
};

static void write_all(int fd, const char *s, size_t n)
{
	while (n) {
		ssize_t done = write(fd, s, n);

		if (done < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
		} else if (done < 0 && errno != EINTR) {
			return;
		} else if (done > 0) {
			s += done;
			n -= done;
		}
	}
}

static void output(int fd, uint32_t domid, const struct link *l)
{
	char buf[4096];
	long n;

	while (l->out >= 0 && (n = call_dom_console_read(fd, domid, l->line, buf, sizeof(buf))) > 0)
		write_all(l->out, buf, n);
}

static void input(int fd, uint32_t domid, struct link *l)
{
	long put;

	if (!l->nr_held) {
		ssize_t n = read(l->in, l->held, sizeof(l->held));

		if (n <= 0) {
			if (n == 0 || errno != EAGAIN)
				l->in = -1;
			return;
		}
		l->nr_held = n;
		if (l->escape && memchr(l->held, ESCAPE, n))
			told_to_stop = 1;
	}
	put = call_dom_console_write(fd, domid, l->line, l->held, l->nr_held);
	if (put > 0) {
		l->nr_held -= put;
		memmove(l->held, l->held + put, l->nr_held);
	}
}

static void device_event(void *arg, enum device_event what, const char *name, const char *text)
{
	(void)arg;
	if (what == DEVICE_EV_DIED || what == DEVICE_EV_ERROR || what == DEVICE_EV_LOG)
		fprintf(stderr, "vmi-boot: %s%s%s\r\n", name, *name ? ": " : "", text);
}

/* NULL: it was said why. */
static struct devices *attach(const struct hv_config *cfg, uint32_t domid, const struct device_list *list)
{
	struct devices_config dc = { .domid = domid, .memory = cfg->memory, .share_full = cfg->share == VMI_BUS_FULL,
				     .patience = list->patience, .event = device_event };
	struct hv_error err;
	struct devices *m;

	memcpy(dc.uuid, cfg->uuid, sizeof(dc.uuid));
	m = devices_open(&dc, &err);
	for (unsigned int i = 0; m && i < list->nr; i++) {
		if (devices_attach(m, &list->dev[i], &err)) {
			devices_close(m);
			m = NULL;
		}
	}
	if (!m)
		complain(err.text);
	return m;
}

/* Until it stops; its last state. */
static struct vmi_dom_info serve(int fd, uint32_t domid, struct link *link, int nr, struct devices *devices)
{
	struct vmi_dom_info info;

	for (;;) {
		struct pollfd p[4] = { { .fd = fd, .events = POLLIN } };
		struct vmi_dom_event e;

		for (int i = 0; i < nr; i++)
			p[i + 1] = (struct pollfd){ .fd = link[i].nr_held ? -1 : link[i].in, .events = POLLIN };
		p[nr + 1] = (struct pollfd){ .fd = devices ? devices_fd(devices) : -1, .events = POLLIN };
		poll(p, nr + 2, -1);
		if (p[nr + 1].revents)
			devices_work(devices);
		while (!call_dom_event(fd, &e))
			;
		for (int i = 0; i < nr; i++) {
			if (link[i].nr_held || p[i + 1].revents)
				input(fd, domid, &link[i]);
			output(fd, domid, &link[i]);
		}
		if (call_dom_info(fd, domid, &info) || info.domid != domid)
			return (struct vmi_dom_info){ .flags = VMI_DOM_DYING };
		if (told_to_stop || (info.flags & VMI_DOM_SHUTDOWN))
			break;
	}
	for (int i = 0; i < nr; i++)
		output(fd, domid, &link[i]);
	return info;
}

static int verdict(const struct vmi_dom_info *i)
{
	if (!(i->flags & VMI_DOM_SHUTDOWN))
		return EXIT_ENDED;
	if (i->reason == VMI_SHUTDOWN_POWEROFF)
		return 0;
	if (i->reason == VMI_SHUTDOWN_REBOOT)
		return EXIT_REBOOT;
	fprintf(stderr, "vmi-boot: domain %u (%s) stopped: %s\n", i->domid, i->name, i->why);
	return EXIT_CRASH;
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0644);

	if (fd < 0) {
		fprintf(stderr, "vmi-boot: cannot open %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

static double ms(uint64_t from, uint64_t to)
{
	return (to - from) / 1e6;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kernel", 1, NULL, 'k' }, { "initrd", 1, NULL, 'i' }, { "memory", 1, NULL, 'm' },
		{ "vcpus", 1, NULL, 'c' }, { "name", 1, NULL, 'n' }, { "weight", 1, NULL, 'w' },
		{ "line1", 1, NULL, 'l' }, { "output", 1, NULL, 'o' }, { "time", 0, NULL, 'T' },
		{ "trust", 1, NULL, 't' }, { "disk", 1, NULL, 'd' }, { "net", 1, NULL, 'N' }, { "rng", 0, NULL, 'R' },
		{ "device-timeout", 1, NULL, 'D' }, { "share", 1, NULL, 's' },
		{ "storage-daemon", 1, NULL, 'S' },
		{ "help", 0, NULL, 'h' }, { 0 },
	};
	struct hv_config cfg = { .memory = 64 << 20, .vcpus = 1, .max_vcpus = 1, .weight = HV_WEIGHT };
	struct link link[2] = { { .line = 0, .in = STDIN_FILENO, .out = STDOUT_FILENO } };
	struct vmi_machine begin = { 0 }, built = { 0 }, end = { 0 };
	char name[HV_NAME_LEN], cmdline[VMI_CMDLINE_MAX] = "";
	static struct device_list list = { .patience = DEVICES_PATIENCE };
	struct devices *devices = NULL;
	struct vmi_dom_info info;
	struct hv_error err;
	int c, fd, nr = 1;
	bool time = false;
	long domid;

	snprintf(name, sizeof(name), "boot-%d", getpid());
	cfg.name = name;
	while ((c = getopt_long(argc, argv, "k:i:m:c:n:w:l:o:d:N:", options, NULL)) != -1) {
		switch (c) {
		case 'k': cfg.kernel = optarg; break;
		case 'i': cfg.initrd = optarg; break;
		case 'm': cfg.memory = parse_memory(optarg); break;
		case 'c': cfg.vcpus = cfg.max_vcpus = atoi(optarg); break;
		case 'n': cfg.name = optarg; break;
		case 'w': cfg.weight = atoi(optarg); break;
		case 'l':
			link[1].line = 1;
			link[1].in = link[1].out = open_or_die(optarg, O_RDWR | O_NONBLOCK);
			nr = 2;
			break;
		case 'o': link[0].out = open_or_die(optarg, O_WRONLY | O_CREAT | O_APPEND); break;
		case 't':
			cfg.trust = optarg;
			cfg.verify = signature_check;
			break;
		case 'd':
			if (!option_disk(&list, optarg))
				return EXIT_USAGE;
			break;
		case 'N':
			if (!option_net(&list, optarg))
				return EXIT_USAGE;
			break;
		case 'R':
			if (!option_rng(&list))
				return EXIT_USAGE;
			break;
		case 'D':
			if (!option_device_timeout(&list, optarg))
				return EXIT_USAGE;
			break;
		case 's':
			if (strcmp(optarg, "full") && strcmp(optarg, "bounce")) {
				fprintf(stderr, "vmi-boot: --share %s: it is full or bounce\n", optarg);
				return EXIT_USAGE;
			}
			cfg.share = *optarg == 'f' ? VMI_BUS_FULL : VMI_BUS_BOUNCE;
			break;
		case 'S':
			devices_set_server(optarg);
			break;
		case 'T': time = true; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs("vmi-boot: see vmi-boot --help\n", stderr); return EXIT_USAGE;
		}
	}
	if (!cfg.kernel) {
		fputs("vmi-boot: no --kernel; see vmi-boot --help\n", stderr);
		return EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++) {
		size_t used = strlen(cmdline);

		if (used + strlen(argv[i]) + 2 > sizeof(cmdline))
			return complain("the command line is too long for a kernel");
		sprintf(cmdline + used, "%s%s", used ? " " : "", argv[i]);
	}
	cfg.cmdline = cmdline;
	if (getrandom(cfg.uuid, sizeof(cfg.uuid), 0) != sizeof(cfg.uuid))
		return complain("no random numbers");

	fd = call_open();
	if (fd < 0)
		return complain(fd == -EACCES ? "only root may start domains: become root" :
				"there is no /dev/vmi/call: this is not domain 0 of a VMI machine");
	call_machine_info(fd, &begin);
	domid = build_domain(fd, &cfg, &err);
	if (domid < 0)
		return complain(err.text);
	if (list.nr && !(devices = attach(&cfg, domid, &list))) {
		call_dom_destroy(fd, domid);
		return 1;
	}
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sigaction(SIGHUP, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	if (isatty(STDIN_FILENO)) {
		make_raw(STDIN_FILENO);
		link[0].escape = true;
	}
	if (nr > 1 && isatty(link[1].in)) {
		struct termios t;

		tcgetattr(link[1].in, &t);
		cfmakeraw(&t);
		tcsetattr(link[1].in, TCSANOW, &t);
	}
	call_dom_unpause(fd, domid);
	call_machine_info(fd, &built);
	info = serve(fd, domid, link, nr, devices);
	call_machine_info(fd, &end);
	devices_close(devices);
	call_dom_destroy(fd, domid);
	if (time)
		fprintf(stderr, "vmi-boot: created in %.1f ms, ran %.1f ms, processor time %.1f ms, memory touched %lu KiB\n",
			ms(begin.now_ns, built.now_ns), ms(built.now_ns, end.now_ns), info.cpu_ns / 1e6, info.populated >> 10);
	return verdict(&info);
}
