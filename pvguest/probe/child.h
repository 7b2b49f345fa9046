/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * child.h - other domains for tests that have T_DOMS (see child.c).
 */
#ifndef PROBE_CHILD_H
#define PROBE_CHILD_H

#include "probe.h"

#define CHILD_MEMORY	(24UL << 20)

/* A function that a child begins in. */
#define CHILD(name, arg) static void name(__attribute__((unused)) u64 arg)

/* In a child: for the parent to read. */
extern u64 mailbox[64];

struct vmi_dom_config child_config(const char *name);
u32 child_create(const struct vmi_dom_config *cfg);
/* Put a copy of this image into it, beginning at fn(arg); then, or with child_start() at once, let it run. */
void child_load(u32 id, void (*fn)(u64), u64 arg);
u32 child_start(const char *name, void (*fn)(u64), u64 arg);
void child_unpause(u32 id);
struct vmi_dom_info child_info(u32 id);
u64 child_mailbox(u32 id, u32 i);
/* Until it has stopped, or the test fails. */
struct vmi_dom_info child_wait(u32 id, u64 ns);
/* It must power off and have said nothing. */
void child_check(u32 id);
/* What it wrote to its console since the last call. */
const char *child_output(u32 id);
void child_end(u32 id);
/* Bytes for new domains. */
u64 machine_free(void);
/* The port of VMI_VIRQ_DOMAINS. */
u32 events_bind(void);
/* Halt until then; events are taken. */
void sleep_ns(u64 ns);

#endif
