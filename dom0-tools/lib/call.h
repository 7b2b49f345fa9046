/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * call.h - hypercalls of domain 0's tools through /dev/vmi/call.
 *
 * Each function is the hypercall of its name (docs/abi.md) and returns its
 * result: 0 or more, or a negative errno. The values of VMI's errors are those
 * of errno. -ENODEV and -EACCES come from opening the device.
 */
#ifndef LIB_CALL_H
#define LIB_CALL_H

#include <stddef.h>
#include <stdint.h>
#include <vmi/abi.h>

/* A descriptor, or -ENODEV: this is not domain 0 of a VMI machine; -EACCES: only root may. */
int call_open(void);

long call_dom_create(int fd, const struct vmi_dom_config *cfg);
long call_dom_destroy(int fd, uint32_t domid);
long call_dom_pause(int fd, uint32_t domid);
long call_dom_unpause(int fd, uint32_t domid);
long call_dom_info(int fd, uint32_t first, struct vmi_dom_info *info);
/* All of it, in as many calls as that takes: 0 or an error. */
long call_dom_write(int fd, uint32_t domid, uint64_t gpa, const void *buf, size_t len);
long call_dom_read(int fd, uint32_t domid, uint64_t gpa, void *buf, size_t len);
long call_dom_budget(int fd, uint32_t domid, uint64_t bytes);
long call_dom_sched(int fd, uint32_t domid, uint32_t weight, uint32_t cap);
long call_dom_control(int fd, uint32_t domid, uint32_t what);
long call_dom_event(int fd, struct vmi_dom_event *e);
long call_dom_counters(int fd, uint32_t domid, uint64_t *out, uint32_t nr);
long call_dom_console_read(int fd, uint32_t domid, uint32_t line, void *buf, size_t len);
long call_dom_console_write(int fd, uint32_t domid, uint32_t line, const void *buf, size_t len);
/* A port of the domain that domain `peer` may bind: its number. */
long call_evt_alloc(int fd, uint32_t domid, uint32_t peer);
long call_vcpu_get(int fd, uint32_t domid, uint32_t vcpu, struct vmi_vcpu_state *s);
long call_vcpu_set(int fd, uint32_t domid, uint32_t vcpu, const struct vmi_vcpu_state *s);
long call_machine_info(int fd, struct vmi_machine *m);

#endif
