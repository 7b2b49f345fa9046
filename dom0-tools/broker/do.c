// SPDX-License-Identifier: GPL-2.0-only
/*
 * do.c - what root does for the manager of devices: ports, lent memory, taps, and
 * processes with the rights of nobody.
 *
 * Each domain has a user of its own for its back ends, so that those of one domain
 * cannot touch those of another.
 *
 * Trust: see broker.c; every field is checked here.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <vmi/dev.h>

#include "broker.h"
#include "handed.h"
#include "../lib/call.h"

#define BACK_UID	0x40000000u	/* and the domain's number; nobody else's */
#define BACK_PROGRAM	"/sbin/vmi-back"
#define NETWORK_PROGRAM	"/sbin/vmi-network"

const char *broker_server = "/usr/bin/qemu-storage-daemon";

static int opened(const char *path, unsigned long cmd, const void *arg)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0)
		return -errno;
	if (cmd && ioctl(fd, cmd, arg) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* Those that are a hypercall and give no descriptor: its result. */
static int hypercall(const struct broker_request *r)
{
	int fd = call_open();
	long rc;

	if (fd < 0)
		return fd;
	if (r->op == BROKER_ALLOC)
		rc = call_evt_alloc(fd, r->domid, VMI_DOMID_SELF);
	else
		rc = call_dom_budget(fd, r->domid, r->size);
	close(fd);
	return rc;
}

/* The tap's own end; Linux' bridge takes the lowest address for its own, so ours is a high one. */
static int set_up(const struct broker_request *r, unsigned int *mtu)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
	struct ifreq i = { 0 };

	if (s < 0)
		return -errno;
	if (*r->bridge) {
		memcpy(i.ifr_name, r->bridge, IFNAMSIZ);
		if (!*mtu && !ioctl(s, SIOCGIFMTU, &i))
			*mtu = i.ifr_mtu;
		i.ifr_ifindex = if_nametoindex(r->name);
		if (ioctl(s, SIOCBRADDIF, &i))
			rc = -errno;
	}
	memset(&i, 0, sizeof(i));
	memcpy(i.ifr_name, r->name, IFNAMSIZ);
	if (*mtu) {
		i.ifr_mtu = *mtu;
		if (!rc && ioctl(s, SIOCSIFMTU, &i))
			rc = -errno;
	} else if (!ioctl(s, SIOCGIFMTU, &i)) {
		*mtu = i.ifr_mtu;
	}
	i.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(i.ifr_hwaddr.sa_data, r->mac, 6);
	i.ifr_hwaddr.sa_data[0] = (char)0xfe;
	if (!rc && ioctl(s, SIOCSIFHWADDR, &i))
		rc = -errno;
	if (!rc && ioctl(s, SIOCGIFFLAGS, &i))
		rc = -errno;
	i.ifr_flags |= IFF_UP;
	if (!rc && ioctl(s, SIOCSIFFLAGS, &i))
		rc = -errno;
	close(s);
	return rc;
}

static int tun(const struct broker_request *r, int flags)
{
	struct ifreq i = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags };

	if (!memchr(r->name, 0, sizeof(r->name)) || !*r->name || strchr(r->name, '%'))
		return -EINVAL;
	memcpy(i.ifr_name, r->name, IFNAMSIZ);
	return opened("/dev/net/tun", TUNSETIFF, &i);
}

static int tap(const struct broker_request *r, unsigned int *mtu)
{
	int fd, rc;

	if (!memchr(r->bridge, 0, sizeof(r->bridge)))
		return -EINVAL;
	if (*r->bridge && !if_nametoindex(r->bridge))
		return -ENODEV;
	*mtu = r->mtu;
	/* A tap with several queues lets others in: not in that of another card. */
	fd = tun(r, r->pairs > 1 ? IFF_MULTI_QUEUE | IFF_TUN_EXCL : 0);
	if (fd < 0)
		return fd;
	rc = set_up(r, mtu);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

static void limit(int what, rlim_t to)
{
	setrlimit(what, &(struct rlimit){ to, to });
}

/* Arguments of a script that root runs: nothing that a shell or a file of settings could take for more than a word. */
static bool plain(char *const *argv)
{
	for (; *argv; argv++) {
		if (strspn(*argv, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:,=_-") != strlen(*argv))
			return false;
	}
	return true;
}

static _Noreturn void child(const struct broker_request *r, char **argv, const int *fds, unsigned int nr)
{
	static const char why[] = "error cannot run " BACK_PROGRAM ": install it\n";
	uid_t id = BACK_UID + r->domid;
	int null = open("/dev/null", O_RDWR);

	/* Out of the way first: some may have numbers that others are to get. */
	int high[BROKER_MAX_FDS];

	for (unsigned int i = 0; i < nr; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 3 + BROKER_MAX_FDS);
	for (unsigned int i = 0; i < nr; i++)
		dup2(high[i], 3 + i);
	dup2(null, 0);
	dup2(null, 1);
	close_range(3 + nr, ~0u, 0);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &(sigset_t){ 0 }, NULL);
	setsid();
	umask(077);
	limit(RLIMIT_CORE, 0);
	if (r->op == BROKER_NETWORK) {
		dup2(3, 1);
		dup2(3, 2);
		close(3);
		umask(022);
		if (!chdir("/"))
			execve(NETWORK_PROGRAM, argv, (char *[]){ NULL });
		dprintf(1, "cannot run " NETWORK_PROGRAM ": install it\n");
		_exit(127);
	}
	limit(RLIMIT_NOFILE, 3 + 4 * BROKER_MAX_FDS);	/* of them three eventfds for a queue */
	limit(RLIMIT_MEMLOCK, RLIM_INFINITY);	/* io_uring's rings and buffers */
	if (!chdir("/") && !setgroups(0, NULL) && !setresgid(id, id, id) && !setresuid(id, id, id) &&
	    !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		if (r->op == BROKER_SERVE) {
			argv[0] = (char *)broker_server;
			_exit(handed_run(argv, nr));
		}
		if (r->op == BROKER_USER_NET)
			_exit(kept_run(argv, nr));
		execve(BACK_PROGRAM, argv, (char *[]){ NULL });
	}
	/* The last descriptor is the control socket. */
	(void)!write(2 + nr, why, sizeof(why) - 1);
	_exit(127);
}

/* As that user, who may send signals to his own processes alone: kill(-1) finds them, and spares its caller. */
static int clear(uint32_t domid)
{
	uid_t id = BACK_UID + domid;
	pid_t pid = fork();

	if (!pid) {
		if (!setgroups(0, NULL) && !setresgid(id, id, id) && !setresuid(id, id, id) && getuid() == id && id > BACK_UID)
			kill(-1, SIGKILL);
		_exit(0);
	}
	return pid < 0 ? -errno : 0;
}

static int spawn(const struct broker_request *r, const int *fds, int32_t *pid)
{
	char args[BROKER_MAX_ARGS], *argv[64];
	unsigned int n = 0;
	int pidfd;

	if (!r->len || r->args[r->len - 1] || !r->nr_fds)
		return -EINVAL;
	memcpy(args, r->args, r->len);
	for (char *p = args; p < args + r->len; p += strlen(p) + 1) {
		if (n == 63)
			return -E2BIG;
		argv[n++] = p;
	}
	argv[n] = NULL;
	if (r->op == BROKER_NETWORK && !plain(argv))
		return -EINVAL;
	*pid = fork();
	if (!*pid)
		child(r, argv, fds, r->nr_fds);
	if (*pid < 0)
		return -errno;
	pidfd = syscall(SYS_pidfd_open, *pid, 0);
	return pidfd < 0 ? -errno : pidfd;
}

struct broker_answer broker_do(const struct broker_request *r, const int *fds, int *fd)
{
	struct broker_answer a = { .rc = -EINVAL };
	int rc = -EINVAL;

	*fd = -1;
	/* A number that is no domain's could make BACK_UID anybody, root too. */
	if (r->op >= NR_BROKER_OPS || r->domid >= VMI_DOMID_SELF || (r->op <= BROKER_BUDGET && !r->domid))
		return a;
	switch (r->op) {
	case BROKER_PORT:
		rc = opened("/dev/vmi/port", VMI_DEV_PORT_BIND, &(struct vmi_dev_port){ .domid = r->domid, .port = r->port });
		break;
	case BROKER_CLEAR:
		a.rc = clear(r->domid);
		return a;
	case BROKER_ALLOC:
	case BROKER_BUDGET:
		a.rc = hypercall(r);
		return a;
	case BROKER_LEND:
		rc = opened("/dev/vmi/mem", VMI_DEV_MEM_LEND, &(struct vmi_dev_mem){ .domid = r->domid, .gpa = r->gpa, .size = r->size });
		break;
	case BROKER_BALLOON:
		rc = opened("/dev/vmi/mem", VMI_DEV_MEM_BALLOON, (void *)(uintptr_t)r->domid);
		break;
	case BROKER_TAP:
		rc = tap(r, &a.mtu);
		break;
	case BROKER_TAP_QUEUE:
		rc = tun(r, IFF_MULTI_QUEUE);
		break;
	case BROKER_VHOST:
		rc = opened("/dev/vhost-net", 0, NULL);
		break;
	case BROKER_SPAWN:
	case BROKER_SERVE:
	case BROKER_USER_NET:
	case BROKER_NETWORK:
		rc = spawn(r, fds, &a.pid);
		break;
	case BROKER_KILL:
		a.rc = r->nr_fds == 1 && !syscall(SYS_pidfd_send_signal, fds[0], SIGKILL, NULL, 0) ? 0 : -ESRCH;
		return a;
	}
	a.rc = rc < 0 ? rc : 0;
	*fd = rc < 0 ? -1 : rc;
	return a;
}
