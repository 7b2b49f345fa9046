/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hv.h - what vmid asks of a hypervisor, and nothing else of it.
 *
 * One back end is chosen at start: `vmi` (hv_vmi.c, /dev/vmi) or `sim`
 * (hv_sim.c, domains that live in a file). Rules for every back end:
 *
 * - One thread calls; no call waits for a guest. create may take as long as
 *   copying the kernel does.
 * - A domain outlives its creator: after vmid died, list shows the domain with
 *   the uuid it was created with, and console opens its console again.
 * - A domain that ended stays in HV_SHUTDOWN, with its reason, until destroy.
 * - Domids are never 0 (that is domain 0 itself) and not reused soon.
 * - A call returns 0, or a negative errno with one line in *err: the cause, and
 *   the remedy where there is one, without "error:" and without full stop.
 *   -ENOENT: no such domain. -ENOSYS: this back end cannot do it.
 */
#ifndef LIB_HV_H
#define LIB_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_MAX_VCPUS	64
#define HV_NAME_LEN	64
#define HV_WEIGHT	256		/* default share, as Xen's */

struct hv_error {
	char text[256];
};

/* Say why in *err, and return rc. */
__attribute__((format(printf, 3, 4))) int hv_fail(struct hv_error *err, int rc, const char *fmt, ...);

struct hv_config {
	const char *name;		/* shorter than HV_NAME_LEN */
	uint8_t uuid[16];
	uint64_t memory;		/* bytes at start, a multiple of 4096 */
	uint64_t max_memory;		/* what it may grow to; >= memory */
	unsigned int vcpus;		/* online at start */
	unsigned int max_vcpus;
	const char *kernel;		/* path: vmlinux or bzImage */
	const char *initrd;		/* path, or NULL */
	const char *cmdline;		/* never NULL */
	/* Says if a file of these bytes may be used (signature_check), or NULL: any may. */
	int (*verify)(const char *trust, const char *path, const void *data, size_t size, struct hv_error *err);
	const char *trust;		/* verify's: path of the trusted certificates */
	unsigned int weight;		/* share of the processors, 1..65535 */
	unsigned int cap;		/* per cent of one processor, 0: none */
	uint64_t affinity[HV_MAX_VCPUS];	/* a bit per processor, 0: any */
	unsigned int share;		/* of its memory with back ends: VMI_BUS_BOUNCE or VMI_BUS_FULL */
};

enum hv_state {
	HV_RUNNING,			/* some vCPU is running or wants to */
	HV_IDLE,			/* all wait for an event */
	HV_PAUSED,
	HV_SHUTDOWN,			/* ended: see reason */
};

enum hv_reason {			/* why HV_SHUTDOWN */
	HV_POWEROFF,
	HV_REBOOT,
	HV_CRASH,
};

struct hv_counter {
	const char *name;		/* as in counters.tbl; lives as long as the back end */
	uint64_t value;
};

#define HV_MAX_COUNTERS	64

struct hv_info {
	uint32_t domid;
	uint8_t uuid[16];
	char name[HV_NAME_LEN];		/* "" if the back end keeps none */
	enum hv_state state;
	enum hv_reason reason;		/* only with HV_SHUTDOWN */
	uint64_t memory;		/* bytes it has now */
	uint64_t max_memory;
	unsigned int vcpus, max_vcpus;
	uint64_t cpu_time[HV_MAX_VCPUS];	/* ns, per vCPU */
	unsigned int weight, cap;
	unsigned int nr_counters;	/* filled by info only, not by list */
	struct hv_counter counters[HV_MAX_COUNTERS];
};

struct hv_host {
	char model[64];			/* of the processors */
	unsigned int cpus, mhz;
	uint64_t memory, free_memory;	/* bytes: of the machine; left for new domains */
	char version[64];		/* of the hypervisor, "VMI 1.2" */
};

enum hv_request {			/* what shutdown asks the guest for */
	HV_ASK_POWEROFF,
	HV_ASK_REBOOT,
};

struct hv;				/* of the back end */

struct hv_ops {
	const char *name;

	/* arg: back end's own, e.g. sim's file; NULL: its default. NULL: *err says why. */
	struct hv *(*open)(const char *arg, struct hv_error *err);
	void (*close)(struct hv *hv);
	int (*host)(struct hv *hv, struct hv_host *out, struct hv_error *err);

	/* Builds the domain, paused; nothing is left of it after a failure. */
	int (*create)(struct hv *hv, const struct hv_config *cfg, uint32_t *domid, struct hv_error *err);
	/* Its memory is free again, or will be soon; list shows it no more. */
	int (*destroy)(struct hv *hv, uint32_t domid, struct hv_error *err);
	int (*pause)(struct hv *hv, uint32_t domid, struct hv_error *err);
	int (*unpause)(struct hv *hv, uint32_t domid, struct hv_error *err);
	/* Only asks; the guest may do it later, or never. */
	int (*shutdown)(struct hv *hv, uint32_t domid, enum hv_request what, struct hv_error *err);

	int (*info)(struct hv *hv, uint32_t domid, struct hv_info *out, struct hv_error *err);
	/* Up to max domains, without domain 0; the number there are, or an error. */
	int (*list)(struct hv *hv, struct hv_info *out, unsigned int max, struct hv_error *err);

	int (*set_memory)(struct hv *hv, uint32_t domid, uint64_t bytes, struct hv_error *err);
	int (*set_vcpus)(struct hv *hv, uint32_t domid, unsigned int online, struct hv_error *err);
	int (*set_sched)(struct hv *hv, uint32_t domid, unsigned int weight, unsigned int cap, struct hv_error *err);
	int (*pin)(struct hv *hv, uint32_t domid, unsigned int vcpu, uint64_t affinity, struct hv_error *err);

	/* A descriptor for both directions, non-blocking, the caller's to close; end of file when the domain is gone. */
	int (*console)(struct hv *hv, uint32_t domid, struct hv_error *err);

	/* Readable when a domain changed its state by itself; the back end's, do not close. */
	int (*event_fd)(struct hv *hv);
	/* 1: *domid changed (ask info), 0: none left. Events may come twice or for a domain that is gone. */
	int (*next_event)(struct hv *hv, uint32_t *domid);
};

extern const struct hv_ops hv_vmi, hv_sim;

#endif
