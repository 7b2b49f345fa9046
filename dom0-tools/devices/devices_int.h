/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * devices_int.h - what the files of the manager of devices share.
 */
#ifndef DEVICES_INT_H
#define DEVICES_INT_H

#include <vmi/bus.h>

#include "../../pvdrivers/back/state.h"
#include "../broker/broker.h"
#include "devices.h"
#include "../lib/util.h"

#define SECOND		1000000000ull
#define PAGE		4096ul
#define LEAVE_LOOK	(SECOND / 5)	/* has the guest let go? */

/* What back ends of a manager before still have: tried so often, and when to stop waiting for them to end by themselves. */
#define BUSY_SLEEP	20000		/* us */
#define BUSY_CLEAR	250
#define BUSY_TRIES	350

/* Of pages that the guest writes, too. */
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define PAIRS_MAX	((VMI_BUS_QUEUES - 1) / 2)	/* of a network card's queues */

/* What a device needs of domain 0, and what is known of it then. */
struct opened {
	int fd;				/* image, tap, pty's master, entropy; -1: nothing, or connected at each start */
	int other;			/* pty's slave; or -1 */
	int backing[DEVICE_BACKINGS];	/* the images behind it; -1: none */
	int more[PAIRS_MAX - 1];	/* a tap's other queues */
	unsigned int nr_more;
	int forward[DEVICE_FORWARDS];	/* vmi-user-net's: bound, and listening */
	unsigned int nr_forwards;
	uint64_t size;
	unsigned int mtu;
	bool vhost;			/* the kernel's vhost-net moves the frames */
	char tap[16], pty[32];
};

#define NOTHING_OPEN	((struct opened){ .fd = -1, .other = -1, .backing = { -1, -1, -1 } })
_Static_assert(DEVICE_BACKINGS == 3, "NOTHING_OPEN has them all");

/* Questions to a process that is to answer them (alive.c). */
struct alive {
	unsigned int asked, answered, missed;	/* the number of the last question, and answer; questions in a row that were left open */
	uint64_t look_at;		/* when to ask again; 0: never */
};

/* The process that serves a disk to its back end (server.c). */
struct server {
	int ctl, pidfd;			/* -1: there is none */
	int at;				/* its socket, for connecting */
	int link;			/* our copy of its connection to an NBD server, or -1 */
	pid_t pid;
	bool ready;
	uint64_t wanted;		/* bytes: it was told to make its image so large; 0: it was not */
	struct alive alive;
	struct strbuf said;
	unsigned int lines;
	char last[200];			/* that it complained of */
};

#define NO_SERVER	((struct server){ .ctl = -1, .pidfd = -1, .at = -1, .link = -1 })

/* vmi-user-net behind a network card (user.c). */
struct user_net {
	int ctl, pidfd;			/* -1: there is none */
	struct alive alive;
	struct strbuf said;
};

#define NO_USER_NET	((struct user_net){ .ctl = -1, .pidfd = -1 })

/* A command line and its descriptors, which are 3, 4, ... there. */
struct command {
	struct strbuf args;
	int fds[BROKER_MAX_FDS];
	unsigned int nr;
};

enum phase {
	P_NONE,				/* the slot is free */
	P_WAITING,			/* for the guest's windows */
	P_STARTING,			/* the back end runs, but is not ready yet */
	P_RUNNING,
	P_BACKOFF,			/* the back end died; the next one comes at `start_at` */
	P_LEAVING,			/* the guest is to let go, until `due`; if the back end died, the next one comes at `start_at` */
	P_ENDING,			/* the back end is to end, until `due` */
};

struct slot {
	struct device dev;		/* its strings are ours */
	enum phase phase;
	bool present;			/* the guest was told of it */
	bool taken_up;			/* a manager of before had it */
	uint64_t due, start_at;		/* 0: never */
	int page_fd;
	struct vmi_slot *page;
	uint32_t serial;
	unsigned int nr_ports;		/* the device's own, then the queues' */
	uint32_t port[1 + VMI_BUS_QUEUES];	/* numbers in the guest */
	int port_fd[1 + VMI_BUS_QUEUES];
	int state_fd;
	struct back_state *state;
	struct opened open;
	uint64_t image[2];		/* which file the guest has as its disk (image_id()); 0: none, or not known */
	bool unopened;			/* the guest has it already, and what it needs cannot be opened: tried before each back end */
	struct server server;
	struct user_net net;

	int ctl, pidfd;			/* of the back end; -1: there is none */
	pid_t pid;
	struct strbuf said;
	bool link;			/* as it should be */
	enum { TAP_ON_BRIDGE, TAP_ON_NONE, TAP_REMOVED } tap_is;	/* of a card on a bridge */
	bool serverless;		/* nobody serves its vhost-user socket, and that was said */
	unsigned int restarts, deaths;	/* ever; one soon after the other */
	uint64_t ready_at;		/* 0: not yet */
	struct alive alive;		/* of the back end */
	unsigned int lines;		/* said since `lines_at` */
	uint64_t lines_at;
};

struct devices {
	struct devices *next;		/* of all here */
	struct devices_config cfg;
	char *before;			/* lines of the slots that a manager of before had, without those that were taken up */
	char *dir;
	int epoll, bus_fd, page_fd, timer, link_fd;
	struct vmi_bus *bus;
	unsigned int nr_windows;	/* 0: the guest is not ready, or what it says is wrong */
	bool windows_said;		/* why they could not be lent */
	unsigned int windows_busy;	/* how often somebody else had them */
	bool cleared;			/* bus_clear() was done */
	uint64_t windows_due;		/* try again */
	uint64_t window_gpa[VMI_BUS_WINDOWS], window_size[VMI_BUS_WINDOWS];
	int window_fd[VMI_BUS_WINDOWS];
	uint32_t serials;
	struct slot slot[VMI_BUS_SLOTS];
};

extern struct devices *all_devices;

/* What an epoll event is about; the slot's number is below. */
enum {
	WATCH_BUS = 0, WATCH_TIMER = 0x100, WATCH_CTL = 0x200, WATCH_END = 0x300, WATCH_LINK = 0x400, WATCH_SERVER = 0x500,
	WATCH_SERVER_END = 0x600, WATCH_NBD = 0x700, WATCH_USER_NET = 0x800,
};

void tell(struct devices *m, enum device_event what, const struct slot *s, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int watch(struct devices *m, int fd, uint32_t id);

/* Sleep until the next thing is due. */
void devices_set_timer(struct devices *m);

/* bus.c */
int bus_open(struct devices *m, struct hv_error *err);
int bus_port(struct devices *m, uint32_t port);			/* a descriptor */
int bus_page(struct devices *m, unsigned int page, int *fd, void **at);
void bus_changed(struct devices *m);		/* a slot's manager line */
void bus_expect(struct devices *m);
void bus_take_windows(struct devices *m);	/* if the guest is ready: start what waits for that */
const char *bus_read_windows(struct devices *m);	/* what the guest lends: all or nothing. NULL, or what is wrong */
void bus_drop_windows(struct devices *m);
void bus_clear(struct devices *m);		/* back ends of a manager before, which do not end: once */

/* slot.c */
void slot_present(struct devices *m, struct slot *s);	/* the back end is ready */
void slot_end(struct devices *m, struct slot *s);	/* the guest has let go, or is made to */
void slot_over(struct devices *m, struct slot *s);	/* the back end has ended, too, or its server */
void slot_on_time(struct devices *m, struct slot *s, uint64_t now);
void slot_reset(struct slot *s);
/* What it needs of domain 0; known: the guest has it already. */
int slot_open(struct devices *m, struct slot *s, bool known, struct hv_error *err);
void slot_give_back(struct slot *s);

/* back.c */
void back_start(struct devices *m, struct slot *s);
void back_listen(struct devices *m, struct slot *s);	/* its socket is readable */
void back_ended(struct devices *m, struct slot *s);	/* its pidfd is readable */
void back_kill(struct slot *s);
void back_ask(struct slot *s, unsigned int number);	/* a question of alive.c */
/* A line for a program of a device, on its control socket; -1: it has none. */
__attribute__((format(printf, 2, 3))) void ctl_tell(int ctl, const char *fmt, ...);

void back_later(struct devices *m, struct slot *s, const char *why);	/* it is not there; the next one is started soon */
/* Text of a process of the device's, for the log or the owner; more than anybody would read is dropped. */
void back_said(struct devices *m, struct slot *s, const char *text);
/* The lines that came on *fd, which is closed at its end. False: they come without end, and something is lost. */
bool back_lines(struct devices *m, struct slot *s, int *fd, struct strbuf *said, void (*line)(struct devices *, struct slot *, const char *));
unsigned int command_pass(struct command *c, int fd);
__attribute__((format(printf, 2, 3))) void command_arg(struct command *c, const char *fmt, ...);

bool back_is_over(const struct slot *s);
void pidfd_wait(int pidfd, int ms);	/* until that process is over; -1: there is none */

/* alive.c */
void alive_begin(const struct devices *m, struct alive *a);	/* of a new process */
void alive_answer(struct alive *a, const char *number);
void alive_on_time(struct devices *m, struct slot *s, uint64_t now);

/* user.c */
int user_net_open(const struct device *dev, struct opened *o, struct hv_error *err);	/* the ports that lead to it */
int user_net_start(struct devices *m, struct slot *s, struct command *c, int *conn);	/* conn: the back end's descriptor, to be closed when it has it */
void user_net_ask(struct slot *s, unsigned int number);		/* a question of alive.c */
void user_net_listen(struct devices *m, struct slot *s);	/* its control socket is readable */
void user_net_kill(struct slot *s);
void user_net_end(struct devices *m, struct slot *s);		/* with its back end; that there is none is no harm */
void user_net_close(struct user_net *n);

/* server.c */
const char *server_start(struct devices *m, struct slot *s);	/* NULL, or why it is not: "has no ..." */
void server_ask(struct slot *s, unsigned int number);		/* a question of alive.c */
int server_resize(struct slot *s, uint64_t bytes, struct hv_error *err);	/* as devices_resize() */
void server_listen(struct devices *m, struct slot *s);		/* its control socket is readable */
void server_ended(struct devices *m, struct slot *s);		/* its pidfd is readable */
void server_link_ended(struct devices *m, struct slot *s);
int server_connect(const struct slot *s);
void server_quit(struct slot *s);
void server_kill(struct slot *s);
void server_wait(struct slot *s, int ms);	/* until it is over, or killed */
void server_close(struct server *v);

/* link.c */
int link_open(struct devices *m);		/* a descriptor, or -1: bridges are not watched */
void link_changed(struct devices *m);
bool link_is_up(const struct slot *s);

/* look.c */
struct slot *slot_find(const struct devices *m, const char *name);

/* open.c; known: a manager of before had it */
int device_open(const struct devices *m, const struct device *dev, unsigned int slot, bool known, struct opened *o, struct hv_error *err);
void device_close(struct opened *o);
/* A connection to a vhost-user server. */
int vhost_user_connect(const char *path);

/* image.c: a disk's images */
int images_check(const struct device *dev, struct hv_error *err);	/* what they are said to be */
void image_id(int fd, uint64_t id[2]);		/* not 0, and of another file another one */
int images_open(const struct device *dev, struct opened *o, struct hv_error *err);	/* and locked: nobody else may use them otherwise */

/* nbd.c */
bool nbd_address_ok(const struct device *dev);
int nbd_connect(const struct device *dev);	/* a socket that is connected, or about to be */
int nbd_look(const struct device *dev, uint64_t *size, struct hv_error *err);	/* is the export there, and as it is to be */

/* check.c */
unsigned int device_queues(const struct device *dev);	/* virtio queues */
unsigned int device_pairs(const struct device *dev);	/* of queues, of a network card */
void device_mac(const uint8_t uuid[16], const struct device *dev, uint8_t mac[6]);
uint64_t device_balloon(const struct devices *m, const struct device *dev);	/* pages that the guest is to give */
void device_copy(struct device *to, const struct device *from);
void device_free(struct device *dev);

#endif
