/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * broker.h - what the manager of devices needs root for, and nothing else of it.
 *
 * After broker_start() these calls are carried out by a process that keeps root
 * for them; without it, by the caller. All return a descriptor or a negative errno,
 * and do not wait for anybody but that process.
 */
#ifndef BROKER_H
#define BROKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BROKER_MAX_FDS	64
#define BROKER_MAX_ARGS	4096

/* Starts the process, which ends with its caller: a descriptor that hangs up when it ends, or a negative errno. */
int broker_start(void);

/* A port of domain 0, bound to `port` of the domain. */
int broker_port(uint32_t domid, uint32_t port);
/* A new port of the domain, that domain 0 may bind: its number. */
int broker_alloc(uint32_t domid);
/* A range of the domain's memory (VMI_DEV_MEM_LEND). */
int broker_lend(uint32_t domid, uint64_t gpa, uint64_t size);
/* What gives the domain's frames back (VMI_DEV_MEM_BALLOON). */
int broker_balloon(uint32_t domid);
/* Kills what was run as the domain's own user, by whomever: 0, or a negative errno. It may not be over yet. */
int broker_clear(uint32_t domid);
/* How many bytes of its memory the domain may have at a time: 0, or a negative errno. */
int broker_budget(uint32_t domid, uint64_t bytes);
/* A tap of this name, up, and on the bridge if that is not ""; the far end has this MAC address. pairs: queues that it may have. mtu 0: the bridge's; *mtu: as it is. */
int broker_tap(const char *name, const char *bridge, const uint8_t mac[6], unsigned int pairs, unsigned int *mtu);
/* One more queue of the tap of this name, which was made for more than one pair. */
int broker_tap_queue(const char *name);
/* /dev/vhost-net */
int broker_vhost(void);
/*
 * Runs a program as the domain's own user, without privileges. args: argv, each with its zero. In it the
 * nr descriptors are 3, 4, ... A pidfd, and in *pid its number.
 */
int broker_spawn(uint32_t domid, const char *args, size_t len, const int *fds, unsigned int nr, pid_t *pid);
/* The same with the program that serves disks of other formats, in its sandbox (handed.h). */
int broker_serve(uint32_t domid, const char *args, size_t len, const int *fds, unsigned int nr, pid_t *pid);
/* Which program that is, if not the usual one: before broker_start(). The path stays the caller's. */
extern const char *broker_server;
/*
 * The same with vmi-user-net, which moves frames between the socket that is the first descriptor and domain 0's
 * sockets. The last one is the control socket. args[0] is USER_NET_PROGRAM.
 */
int broker_user_net(uint32_t domid, const char *args, size_t len, const int *fds, unsigned int nr, pid_t *pid);
#define USER_NET_PROGRAM	"/sbin/vmi-user-net"
/* Runs vmi-network (see there) as root; what it says goes to the descriptor. A pidfd. */
int broker_network(const char *args, size_t len, int out);
/* Ends what was spawned. */
int broker_kill(int pidfd);

/* ---- do.c: as whoever calls ---- */

enum broker_op { BROKER_PORT, BROKER_ALLOC, BROKER_LEND, BROKER_BALLOON, BROKER_CLEAR, BROKER_BUDGET, BROKER_TAP, BROKER_TAP_QUEUE, BROKER_VHOST, BROKER_SPAWN, BROKER_SERVE, BROKER_USER_NET, BROKER_NETWORK, BROKER_KILL, NR_BROKER_OPS };

struct broker_request {
	uint32_t op, domid, port, mtu, pairs;
	uint64_t gpa, size;
	uint8_t mac[6];
	char name[16], bridge[16];
	uint32_t nr_fds, len;			/* of the descriptors that come with it; bytes of args */
	char args[BROKER_MAX_ARGS];
};

struct broker_answer {
	int32_t rc;				/* negative errno; else 0, and a descriptor comes with it (BROKER_ALLOC: the number; BROKER_BUDGET, BROKER_CLEAR: none) */
	uint32_t mtu;
	int32_t pid;
};

/* The new descriptor is in *fd, or -1. */
struct broker_answer broker_do(const struct broker_request *r, const int *fds, int *fd);

#endif
