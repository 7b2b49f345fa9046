/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * saved.h - what a manager of devices leaves for its successor (saved.c).
 */
#ifndef DEVICES_SAVED_H
#define DEVICES_SAVED_H

#include "devices_int.h"

struct saved_slot {
	unsigned int slot;
	uint32_t serial;
	uint32_t port[1 + VMI_BUS_QUEUES];
	uint64_t image[2];		/* 0: none, or not known */
};

/* The slots that are taken, as they are now. Nothing without a folder. */
void saved_write(const struct devices *m);
/* What a manager of before wrote, for saved_read(). */
void saved_load(struct devices *m);
/* What was known of a device of this name with so many queues; once. */
bool saved_read(struct devices *m, const char *name, unsigned int queues, struct saved_slot *out);
/* The file of what is in flight; without a folder it has no name. keep: as it is, if there is one. */
int saved_state(const char *dir, const uint8_t uuid[16], unsigned int slot, bool keep);
void saved_forget(const char *dir, const uint8_t uuid[16], unsigned int slot);
void saved_forget_all(const char *dir, const uint8_t uuid[16]);

#endif
