/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * conring.h - console lines (core/conring.c).
 */
#ifndef HV_CONRING_H
#define HV_CONRING_H

#include <hv/domain.h>

/* The two directions of a line. */
enum conring_way { CON_OUTPUT, CON_INPUT };

/* NULL without memory. */
struct conring *conring_new(u16 owner);
void conring_free(struct conring *c);
/* Copy up to `n` bytes in or out: how many there was room for, or were there. */
size_t conring_put(struct conring *c, enum conring_way way, const char *s, size_t n);
size_t conring_take(struct conring *c, enum conring_way way, char *s, size_t n);
/* The calls for a line of `d`, made by `v`; a: line, buffer, length. */
long console_write(struct vcpu *v, struct domain *d, enum conring_way way, const u64 *a);
long console_read(struct vcpu *v, struct domain *d, enum conring_way way, const u64 *a);
/* Domain 0's lines (arch, fakes in unit tests): how many bytes were written or read. */
size_t uart_write(u32 line, const char *s, size_t n);
size_t uart_read(u32 line, char *buf, size_t n);

#endif
