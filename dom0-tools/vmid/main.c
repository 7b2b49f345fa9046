// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - vmid, the daemon that manages domains: options, folders, sockets,
 * privileges, and the loop.
 *
 * Everything that needs root is opened first: the hypervisor, the sockets, the
 * folders. Then --user gives root up for good. systemd may hand the sockets
 * over (LISTEN_FDS) and be told that vmid is ready (NOTIFY_SOCKET); without it
 * nothing is missing. Domains go on when vmid ends, however it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <libxml/parser.h>

#include "vmid.h"

struct settings vmid = {
	.run_dir = SOCK_DIR,
	.state_dir = "/var/lib/vmid",
	.log_dir = "/var/log/vmid",
	.group = "vmi",
	.log_max = 1 << 20,
	.patience = DEVICES_PATIENCE,
	.ops = &hv_vmi,
};

extern const char varlink_text[], varlink_end[];
__asm__(".section .rodata\n.global varlink_text, varlink_end\nvarlink_text: .incbin \"" VARLINK_FILE "\"\nvarlink_end: .byte 0\n.previous");

json_t *describe(const char *interface)
{
	if (!strcmp(interface, "org.vmi"))
		return json_stringn(varlink_text, varlink_end - varlink_text);
	if (!strcmp(interface, "org.varlink.service"))
		return json_string("interface org.varlink.service\nmethod GetInfo() -> (vendor: string, product: string, version: string, "
				   "url: string, interfaces: []string)\nmethod GetInterfaceDescription(interface: string) -> "
				   "(description: string)\nerror InterfaceNotFound (interface: string)\nerror MethodNotFound "
				   "(method: string)\nerror InvalidParameter (parameter: string)\n");
	return NULL;
}

static const char help[] =
	"usage: vmid [OPTION]...\n\n"
	"Manages domains for vmi(1); stays in the foreground.\n\n"
	"  --simulate[=FILE,...]  simulated domains instead of the hypervisor's, kept in FILE;\n"
	"                         also cpus=N, memory=MIB, shutdown=MS\n"
	"  --run-dir DIR          sockets and what is known of running domains (" SOCK_DIR ")\n"
	"  --state-dir DIR        definitions (/var/lib/vmid)\n"
	"  --log-dir DIR          logs of domains (/var/log/vmid)\n"
	"  --log-size KIB         a log's size before it is rotated (1024)\n"
	"  --group NAME           who may use the full socket besides root (vmi)\n"
	"  --user NAME            run as this user after the start\n"
	"  --device-timeout SECONDS\n"
	"                         a device's process that answers nothing for so long is killed\n"
	"                         and started again (30; 0: never)\n"
	"  --storage-daemon PATH  what serves qcow2 and NBD disks (/usr/bin/qemu-storage-daemon)\n"
	"  --no-autostart         do not start the domains marked for it\n"
	"  --help\n";

static void die(const char *what, const char *why)
{
	say(LOG_ERROR, "%s: %s", what, why);
	exit(EX_FAILED);
}

static void signalled(void *arg, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)events;
	if (read((int)(intptr_t)arg, &si, sizeof(si)) != sizeof(si))
		return;
	say(LOG_SAY, "%s: ending; domains go on", strsignal(si.ssi_signo));
	loop_stop(EX_OK);
}

/* What needs root can be done no more: the next vmid has a helper again. */
static void helper_gone(void *arg, uint32_t events)
{
	(void)arg, (void)events;
	say(LOG_ERROR, "the process that keeps root for devices has ended: ending; domains go on");
	loop_stop(EX_FAILED);
}

static void catch_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	loop_add(fd, EPOLLIN, signalled, (void *)(intptr_t)fd);
}

/* One vmid per run_dir; the lock goes with the process, however that ends. */
static void lock(void)
{
	char *path = xasprintf("%s/lock", vmid.run_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		die(path, errno == EWOULDBLOCK ? "another vmid is running" : strerror(errno));
	free(path);
}

static int listen_at(const char *name, mode_t mode, gid_t gid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", vmid.run_dir, name) >= sizeof(a.sun_path))
		die(vmid.run_dir, "the path is too long for a socket");
	unlink(a.sun_path);
	/* Nobody may connect before the mode is right. */
	umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || (gid != (gid_t)-1 && chown(a.sun_path, -1, gid)) ||
	    chmod(a.sun_path, mode) || listen(fd, 64))
		die(a.sun_path, strerror(errno));
	umask(022);
	return fd;
}

/* Sockets that systemd opened for us, told apart by their paths. */
static bool handed_over(void)
{
	const char *pid = getenv("LISTEN_PID"), *nr = getenv("LISTEN_FDS");
	int n = pid && nr && atoi(pid) == getpid() ? atoi(nr) : 0;

	for (int fd = 3; fd < 3 + n; fd++) {
		struct sockaddr_un a = { 0 };
		socklen_t len = sizeof(a);

		if (getsockname(fd, (struct sockaddr *)&a, &len) || a.sun_family != AF_UNIX)
			die("LISTEN_FDS", "not a unix socket");
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		conn_listen(fd, strstr(a.sun_path, "-ro.") != NULL);
	}
	return n > 0;
}

static void tell_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (!path || !*path || strlen(path) >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, strlen(path));
	if (*path == '@')
		a.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&a,
			     offsetof(struct sockaddr_un, sun_path) + strlen(path)) < 0)
		say(LOG_WARN, "NOTIFY_SOCKET: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void give_up_root(const char *user, gid_t group)
{
	const char *dirs[] = { vmid.run_dir, vmid.state_dir, vmid.log_dir };
	unsigned int uid, gid;

	if (!id_of("/etc/passwd", user, &uid, &gid))
		die(user, "there is no such user");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (chown(dirs[i], uid, gid))
			die(dirs[i], strerror(errno));
	}
	if (setgroups(group != (gid_t)-1, &group) || setgid(gid) || setuid(uid) || !setuid(0))
		die(user, "cannot become this user");
}

/*
 * What is open is enough: no capability is needed any more, and none can be
 * gained. As root it is then an owner of files, and nothing else.
 */
static void confine(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &header, none))
		die("privileges", strerror(errno));
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Autostart is for a boot, not for each start of vmid: run_dir is emptied by a boot. */
static bool first_start(void)
{
	char *path = xasprintf("%s/started", vmid.run_dir);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	free(path);
	return fd >= 0;
}

int main(int argc, char **argv)
{
	enum { SIMULATE = 256, RUN_DIR, STATE_DIR, LOG_DIR, LOG_SIZE, GROUP, USER, NO_AUTOSTART, DEVICE_TIMEOUT, STORAGE };
	static const struct option longs[] = {
		{ "simulate", optional_argument, NULL, SIMULATE }, { "run-dir", required_argument, NULL, RUN_DIR },
		{ "state-dir", required_argument, NULL, STATE_DIR }, { "log-dir", required_argument, NULL, LOG_DIR },
		{ "log-size", required_argument, NULL, LOG_SIZE }, { "group", required_argument, NULL, GROUP },
		{ "user", required_argument, NULL, USER }, { "no-autostart", no_argument, NULL, NO_AUTOSTART },
		{ "device-timeout", required_argument, NULL, DEVICE_TIMEOUT },
		{ "storage-daemon", required_argument, NULL, STORAGE },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	const char *user = NULL, *arg = NULL;
	bool autostart = true;
	struct hv_error err = { "" };
	gid_t gid = -1;
	unsigned int kib;
	int c, rc;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case SIMULATE:
			vmid.ops = &hv_sim;
			arg = optarg;
			break;
		case RUN_DIR:
			vmid.run_dir = optarg;
			break;
		case STATE_DIR:
			vmid.state_dir = optarg;
			break;
		case LOG_DIR:
			vmid.log_dir = optarg;
			break;
		case LOG_SIZE:
			if (!parse_uint(optarg, &kib) || kib < 4) {
				fprintf(stderr, "vmid: --log-size %s: give KiB, at least 4\n", optarg);
				return EX_BAD_USAGE;
			}
			vmid.log_max = (uint64_t)kib << 10;
			break;
		case GROUP:
			vmid.group = optarg;
			break;
		case USER:
			user = optarg;
			break;
		case DEVICE_TIMEOUT:
			if (!parse_uint(optarg, &vmid.patience) || vmid.patience > 86400) {
				fprintf(stderr, "vmid: --device-timeout %s: give seconds, up to 86400\n", optarg);
				return EX_BAD_USAGE;
			}
			break;
		case STORAGE:
			devices_set_server(optarg);
			break;
		case NO_AUTOSTART:
			autostart = false;
			break;
		case 'h':
			fputs(help, stdout);
			return EX_OK;
		default:
			return EX_BAD_USAGE;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "vmid: unexpected argument \"%s\": see vmid --help\n", argv[optind]);
		return EX_BAD_USAGE;
	}
	umask(022);
	id_of("/etc/group", vmid.group, &gid, NULL);
	if (make_dir(vmid.run_dir, 0755))
		die(vmid.run_dir, strerror(errno));
	if (make_dir(vmid.state_dir, 0700))
		die(vmid.state_dir, strerror(errno));
	if (make_dir(vmid.log_dir, 0750))
		die(vmid.log_dir, strerror(errno));
	lock();
	vmid.hv = vmid.ops->open(arg, &err);
	if (!vmid.hv)
		die("hypervisor", err.text);
	catch_signals();
	if (!handed_over()) {
		conn_listen(listen_at(SOCK_NAME, gid != (gid_t)-1 ? 0660 : 0600, gid), false);
		conn_listen(listen_at(SOCK_NAME_RO, 0666, -1), true);
	}
	if (vmid.ops == &hv_vmi) {
		rc = devices_keep_root();
		if (rc < 0)
			die("devices", strerror(-rc));
		loop_add(rc, EPOLLRDHUP, helper_gone, NULL);
	}
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);	/* fails for who has none */
	if (user)
		give_up_root(user, gid);
	confine();
	xmlInitParser();
	loop_add(vmid.ops->event_fd(vmid.hv), EPOLLIN, dom_hv_events, NULL);
	autostart &= first_start();
	net_load(autostart);
	dom_load();
	/* They may be on networks that are just being made. */
	if (autostart)
		net_then(dom_start_marked);
	say(LOG_SAY, "ready: %s back end, sockets in %s", vmid.ops->name, vmid.run_dir);
	tell_ready();
	c = loop_run();
	vmid.ops->close(vmid.hv);
	return c;
}
