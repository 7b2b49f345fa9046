/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * locks.h - the one written lock order.
 *
 * Take them in this order, release in any:
 *
 *   domains_lock   the list of domains                       (core/domain.c)
 *   evt_lock       a domain's ports; two domains: lower id first (core/event.c)
 *   p2m_lock       a domain's frame space                    (core/p2m.c)
 *   shadow_lock    a domain's shadow tables and reverse maps (core/shadow.c)
 *   heap_lock      free frames                               (core/frame.c)
 *   console_lock   serial lines and the log ring             (core/log.c)
 *
 * The hypervisor never sleeps and runs with interrupts off, so each is a spin
 * lock. Today it runs on one processor and takes none of them: the state each
 * one covers is touched only from the trap path of that processor. Each file
 * says in its opening comment which of its functions need which lock.
 */
#ifndef HV_LOCKS_H
#define HV_LOCKS_H
#endif
