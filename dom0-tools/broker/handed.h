/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * handed.h - see handed.c.
 */
#ifndef BROKER_HANDED_H
#define BROKER_HANDED_H

/*
 * Runs argv[0] in a sandbox. Descriptors from 3 on, nr of them: it has them, too, and when it opens
 * /proc/self/fd/N it gets that one again, whatever its rights. The last one is the control socket:
 * its standard error, and when its other end is closed the program is told to end. The first one starts to listen.
 * The caller has the program's rights already; returns when it has ended, with the status for _exit().
 */
int handed_run(char *const *argv, unsigned int nr);
/* The same without a sandbox; the program has the control socket as its standard error alone. */
int kept_run(char *const *argv, unsigned int nr);

#endif
