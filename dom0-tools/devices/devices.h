/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * devices.h - the manager of one domain's devices (docs/io.md): what vmid and
 * vmi-boot ask of it.
 *
 * One object per domain, one thread. It has its own epoll: wait for
 * devices_fd(), then call devices_work(). Callbacks come from there, and from
 * attaching and detaching where that is done at once. No call waits for guests or
 * back ends.
 *
 * A device is described by struct device, whose strings stay the caller's. The
 * order for a new domain: build it, devices_open(), devices_attach() of each,
 * unpause it. Attaching opens everything there is to open, so what fails does so
 * before the guest runs, and nothing is half-attached. The device appears in the
 * guest when its driver and the back end are ready.
 *
 * With `dir` the manager may end and another one take over: devices_open() with
 * `resume`, then devices_attach() of the same descriptions; back ends of before have ended
 * by then or do so soon, requests in flight are in files there, and the guest
 * notices a pause only. Back ends end with their manager.
 */
#ifndef DEVICES_H
#define DEVICES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/diag.h"
#include "../lib/hv.h"

#define DEVICES_MAX	31		/* of one domain */
#define DEVICE_NAME_LEN	16
#define DEVICES_PATIENCE 30		/* usual; a busy machine needs a fraction of it */
#define DEVICE_BACKINGS	3		/* images behind a disk's own */
#define NBD_NAME_MAX	256
#define DEVICE_FORWARDS	32		/* ports of domain 0 that lead to one network card */

enum device_kind {
	DEVICE_BLOCK,			/* a raw image or a block device */
	DEVICE_NET,			/* a tap on a bridge, or vmi-user-net */
	DEVICE_CONSOLE,			/* a pseudo-terminal */
	DEVICE_RNG,
	DEVICE_BALLOON,
	DEVICE_VHOST_USER,		/* served by another program, over its socket */
	DEVICE_SERVED,			/* a disk of another format, or of an NBD server: qemu-storage-daemon serves it */
	NR_DEVICE_KINDS
};

enum device_cache { DEVICE_CACHE_NONE, DEVICE_CACHE_WRITEBACK, DEVICE_CACHE_WRITETHROUGH, DEVICE_CACHE_UNSAFE, NR_DEVICE_CACHES };

/* What becomes of a disk's request that failed; held: it is tried again until it succeeds, and the guest waits. */
enum device_policy {
	DEVICE_POLICY_DEFAULT,		/* of writes: enospace, of reads: report */
	DEVICE_POLICY_REPORT,		/* the guest gets the error */
	DEVICE_POLICY_STOP,		/* it is held */
	DEVICE_POLICY_ENOSPACE,		/* it is held where space is lacking, else reported */
	DEVICE_POLICY_IGNORE,		/* the guest is told that it succeeded */
	NR_DEVICE_POLICIES
};

/*
 * Of a disk, in the order of vmi-back's `limits`: bytes and requests a second (total, read and write ones), the same of
 * bursts, the size beyond which a request counts as several, the seconds of the six bursts. 0: no limit, no burst, one second.
 */
#define DEVICE_RATES	6
#define DEVICE_LIMIT_BURST DEVICE_RATES
#define DEVICE_LIMIT_SIZE (2 * DEVICE_RATES)
#define DEVICE_LIMIT_LENGTH (DEVICE_LIMIT_SIZE + 1)
#define DEVICE_LIMITS	(DEVICE_LIMIT_LENGTH + DEVICE_RATES)
#define DEVICE_LIMIT_MAX (1ull << 50)
#define DEVICE_LENGTH_MAX 1000000ull
struct device_limits {
	uint64_t of[DEVICE_LIMITS];
};

/* Of one direction of a network card: bytes a second on average and of a burst (0: no limit), bytes of a burst. */
struct device_rate {
	uint64_t average, peak, burst;
};

/* A port of domain 0, at an address (in network order; 0: all), and the guest's port that it leads to. */
struct device_forward {
	bool udp;
	uint16_t port, to;
	uint32_t address;
};

extern const char *const device_policy_names[NR_DEVICE_POLICIES];
extern const char *const device_kind_names[NR_DEVICE_KINDS], *const device_cache_names[NR_DEVICE_CACHES];

/* All zero is a default for everything that the kind does not need. */
struct device {
	enum device_kind kind;
	const char *name;		/* one of its own in the domain: "vda", "net0", "rng0"; shorter than DEVICE_NAME_LEN */
	unsigned int line;		/* of the XML, for messages; 0: none */
	unsigned int queues;		/* block: queues, net: pairs, vhost-user: queues; 0: 1 */

	/* block: image or device; console: NULL; rng: NULL is /dev/urandom; vhost-user: socket; served: as block, or an NBD server's socket */
	const char *source;
	const char *format;		/* block, served: what the file is said to be; must be given */
	struct {			/* served: what is behind it, then what is behind that */
		const char *source, *format;
	} backing[DEVICE_BACKINGS];
	bool nbd;			/* served: by the NBD server at source, or at host (an address) and port (0: 10809) */
	const char *host, *export;
	unsigned int port;
	enum device_cache cache;
	bool readonly, discard;
	bool shareable;			/* others may write it at the same time */
	enum device_policy errors, rerrors;	/* of writes, of reads */
	struct device_limits limits;
	const char *serial;		/* up to 20 characters, or NULL */

	const char *bridge;		/* net; NULL: a tap without a bridge */
	const char *tap;		/* its name in domain 0; NULL: vif<domid>.<n> */
	uint8_t mac[6];			/* null: made of the domain's uuid and the name */
	unsigned int mtu;		/* 0: the bridge's */
	bool link_down;
	struct device_rate in, out;	/* to the guest, from it; with an average vmi-back moves the frames */
	bool slirp;			/* net: no tap; vmi-user-net brings the guest where domain 0's programs get */
	struct device_forward forward[DEVICE_FORWARDS];	/* slirp */
	unsigned int nr_forwards;
	bool user_net;			/* vmi-back moves the frames; else the kernel's vhost-net, where there is one */

	unsigned int device_id;		/* vhost-user: virtio device identifier (2: block, 1: net) */
	uint64_t target;		/* balloon: bytes that the guest is to keep; 0: all */
};

enum device_state {
	DEVICE_WAITING,			/* for the guest's driver or the back end */
	DEVICE_PRESENT,			/* the guest may use it */
	DEVICE_RESTARTING,		/* its back end died; the next one is about to start */
	DEVICE_LEAVING,			/* the guest was told to let go */
};

struct device_info {
	const struct device *device;	/* valid until the next devices_*() call */
	unsigned int slot;
	enum device_state state;
	bool bound;			/* the guest's driver has it */
	pid_t pid;			/* of the back end; 0: none */
	unsigned int restarts;		/* of the back end */
	uint8_t mac[6];			/* net: as it is */
	bool link;			/* net: as it should be */
	bool carrier;			/* net: as the guest sees it */
	char tap[16];			/* net: the tap's name */
	char pty[32];			/* console: the terminal's other end */
	uint64_t size;			/* block, served: bytes */
	unsigned int held;		/* block: requests that are held after an error */
	bool no_space;			/* and that is it */
};

enum device_event {
	DEVICE_EV_PRESENT,		/* the guest can see it; text: "again" if a manager of before had it */
	DEVICE_EV_GONE,			/* it is detached, its name free again */
	DEVICE_EV_DIED,			/* its back end ended; it is started again. text: how often, or why */
	DEVICE_EV_ERROR,		/* text: what the device's owner should know */
	DEVICE_EV_LOG,			/* text: for the log */
	DEVICE_EV_RESIZED,		/* what devices_resize() began is over. text: why it failed, or empty */
};

struct devices_config {
	uint32_t domid;
	uint64_t memory;		/* of the domain, bytes */
	uint8_t uuid[16];
	bool share_full;		/* <memory share="full">: back ends see all of its memory */
	bool resume;			/* the domain has run with another manager */
	bool simulate;			/* there is no hypervisor: check, keep and list, start nothing */
	unsigned int patience;		/* seconds that a back end may leave questions open before it is started again; 0: for ever */
	const char *dir;		/* for what outlives the manager, its own (0700); NULL: nothing does */
	/* device: the name; it may be a device that just went. */
	void (*event)(void *arg, enum device_event what, const char *name, const char *text);
	void *arg;
};

struct devices;

/*
 * Before anything is attached: each problem of these n devices becomes an error in d, with its line: what is missing or
 * impossible, names, serials and MAC addresses that are there twice, more than there are slots. have: the domain's devices
 * so far, or NULL. With `start`, also what the machine lacks: files that are missing or not of the format that they are
 * said to have, wrong sizes, missing bridges, MAC addresses of other domains; what a definition may still lack. Whether
 * another domain holds an image is known only by attaching.
 */
void devices_check(const struct devices *have, const struct device *list, unsigned int n, bool start, struct diag *d);

/* NULL: *err says why. Ends nothing of the domain. */
struct devices *devices_open(const struct devices_config *cfg, struct hv_error *err);
/* The domain has ended, or is about to: back ends end, everything is given back. NULL is nothing. */
void devices_close(struct devices *m);

int devices_fd(const struct devices *m);
void devices_work(struct devices *m);

/* 0, or a negative errno with *err, and nothing is attached: -EEXIST name, -EBUSY image, -ENOSPC slots, ... */
int devices_attach(struct devices *m, const struct device *dev, struct hv_error *err);
/*
 * The guest is asked to let go; DEVICE_EV_GONE comes when it has, or after `seconds` all the same (0: at once).
 * -ENOENT: no such device.
 */
int devices_detach(struct devices *m, const char *name, unsigned int seconds, struct hv_error *err);

unsigned int devices_count(const struct devices *m);
bool devices_get(const struct devices *m, unsigned int index, struct device_info *out);	/* in the order of the slots */
bool devices_find(const struct devices *m, const char *name, struct device_info *out);

/* Of a net device: carrier on or off. */
int devices_set_link(struct devices *m, const char *name, bool on, struct hv_error *err);
/* Of the balloon: what the guest is to keep, in bytes; it does so in its own time. */
int devices_set_memory(struct devices *m, uint64_t bytes, struct hv_error *err);
/*
 * A disk is made larger, to so many bytes, and its guest told. The file of a raw image at once, also if it has that size
 * already; a block device has the size that it has. An image that our own server has is made larger by that one: 1, and
 * DEVICE_EV_RESIZED follows, once. -ENOENT: there is no such disk, or somebody else has it; -EIO: it does not tell its size;
 * -EINVAL: it has more; -EROFS: it is read only; -EBUSY: it is under way; -EAGAIN: its server is not there now; or as ftruncate().
 */
int devices_resize(struct devices *m, const char *name, uint64_t bytes, struct hv_error *err);

int devices_set_limits(struct devices *m, const char *name, const struct device_limits *limits, struct hv_error *err);
int devices_set_rates(struct devices *m, const char *name, const struct device_rate *in, const struct device_rate *out, struct hv_error *err);
/* Of disks: what is held after an error is tried again now, not within a second. */
void devices_retry(struct devices *m);

/* Counters since the device came, in the order of its kind; names live for ever. 0: no such device. */
struct device_counter {
	const char *name;
	uint64_t value;
};
#define DEVICE_MAX_COUNTERS	16
unsigned int devices_stats(const struct devices *m, const char *name, struct device_counter out[DEVICE_MAX_COUNTERS]);

/* Of a disk of kind block, or served without nbd, attached or not: what a guest sees, what the file takes, how long it is. */
struct image_sizes {
	uint64_t capacity, allocation, physical;
};
int images_look(const struct device *dev, struct image_sizes *sizes, struct hv_error *err);

/*
 * Who opens what only root may: ports, lent memory, taps, other users. Call it once, before
 * root and capabilities are given up; without it the library does it itself. A negative errno, or a
 * descriptor that hangs up (EPOLLRDHUP) when that process has died: then nothing can be attached or
 * started again, until the caller ends and a new one takes over.
 */
int devices_keep_root(void);
/* Where qemu-storage-daemon is, if not in /usr/bin: before devices_keep_root(). The text stays the caller's. */
void devices_set_server(const char *path);

#endif
