/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - the hypervisor's log: a ring in memory, copied to console line 0.
 */
#ifndef HV_LOG_H
#define HV_LOG_H

#include <hv/types.h>

/* Copy log bytes from absolute offset `off` on (older ones are gone): how many; *start is the first one's offset. */
size_t log_copy(u64 off, char *buf, size_t n, u64 *start);
/* Arch: where the log shows. */
void console_emit(const char *s, size_t n);
/* Arch or fake: a clock for the rate limit, ns. */
u64 now_ns(void);

#endif
