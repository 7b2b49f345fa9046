// SPDX-License-Identifier: GPL-2.0-only
/*
 * calls.c - what dispatch needs and the core has not: the x86 handlers, which say
 * who was called with what, and a log.
 */
#include <hv/conring.h>
#include <hv/dispatch.h>
#include "fake.h"

#define RECORD(fn) \
	long fn(struct vcpu *who, const u64 *a) \
	{ \
		fake.called = #fn; \
		memcpy(fake.args, a, sizeof(fake.args)); \
		return -77; \
	}
RECORD(hc_vcpu_setup)
RECORD(hc_vectors_set)
RECORD(hc_timer_set)
RECORD(hc_halt)
RECORD(hc_gdt_write)
RECORD(hc_debugreg_set)
RECORD(hc_debugreg_get)
RECORD(hc_msr_read)
RECORD(hc_msr_write)
RECORD(hc_cpuid)
RECORD(hc_cr4_write)
RECORD(hc_shutdown)
RECORD(hc_gs_swap)
RECORD(hc_gsi_bind)
RECORD(hc_gsi_eoi)
RECORD(hc_msi_bind)
RECORD(hc_ldt_set)

u32 dom_features(const struct domain *who)
{
	return who->privileged ? VMI_FEAT_PRIVILEGED : 0;
}

size_t log_copy(u64 off, char *buf, size_t n, u64 *start)
{
	static const char text[] = "a log of twenty byte";

	*start = off;
	n = off >= 20 ? 0 : MIN(n, 20 - off);
	memcpy(buf, text + off, n);
	return n;
}

/* A serial port that takes everything and never has anything. */
size_t uart_write(u32 line, const char *s, size_t n)
{
	return n;
}

size_t uart_read(u32 line, char *buf, size_t n)
{
	return 0;
}
