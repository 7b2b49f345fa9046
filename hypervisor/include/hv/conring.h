/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * conring.h - a console line of a domain that has no serial port (core/conring.c).
 */
#ifndef HV_CONRING_H
#define HV_CONRING_H

#include <hv/types.h>

struct conring;

/* The two directions of a line. */
enum conring_way { CON_OUTPUT, CON_INPUT };

/* Is there no room? */
bool conring_full(const struct conring *c, enum conring_way way);
/* NULL without memory. */
struct conring *conring_new(u16 owner);
void conring_free(struct conring *c);
/* Copy up to `n` bytes in or out: how many there was room for, or were there. */
size_t conring_put(struct conring *c, enum conring_way way, const char *s, size_t n);
size_t conring_take(struct conring *c, enum conring_way way, char *s, size_t n);

#endif
