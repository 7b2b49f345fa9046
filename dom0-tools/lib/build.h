/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * build.h - the domain builder (see build.c).
 */
#ifndef LIB_BUILD_H
#define LIB_BUILD_H

#include "hv.h"

#define BUILD_BUS_GPA	0x80000UL	/* where the pages of the bus are */
#define BUILD_BUS_PORT	1		/* the guest's end of the bus's doorbell: its first port */

/*
 * Make a domain of `cfg` through `fd` (call.h), its kernel loaded, paused. The domid, or a
 * negative errno with *err; nothing is left of it then. -ENOENT, -EACCES: a file cannot
 * be read, or is not signed as it has to be; -EBUSY: one is being changed; -ENOEXEC: it
 * is no kernel this hypervisor can start; -ENOMEM: too little memory, in the domain or
 * in the machine; -EINVAL: impossible sizes or name.
 */
long build_domain(int fd, const struct hv_config *cfg, struct hv_error *err);

#endif
