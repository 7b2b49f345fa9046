// SPDX-License-Identifier: GPL-2.0-only
/*
 * domain-attacks.c - what a domain must not do to others: die loudly, keep the
 * processor, see another's state, reach what is domain 0's.
 */
#include "../child.h"

CHILD(panics, arg)
{
	vmi_shutdown(VMI_SHUTDOWN_CRASH);
}

CHILD(no_stack, arg)
{
	__asm__ volatile ("mov %0, %%rsp; ud2" : : "r" (0x10UL));
}

CHILD(no_tables, arg)
{
	vmi_cr3_load(page_alloc());
}

CHILD(interrupts_off, arg)
{
	u32 port = timer_bind();

	(void)port;
	SH->vif = 0;
	vmi_timer_set(clock_ns() + 1000000);
	for (;;)
		barrier();
}

CHILD(reboots, arg)
{
	vmi_shutdown(VMI_SHUTDOWN_REBOOT);
}

CHILD(works, arg)
{
	u64 sum = 0;

	for (u64 i = 0; i < 30000000; i++)
		sum += i ^ (sum << 1);
	mailbox[1] = sum;
	mailbox[0] = 1;
}

TEST(dom_deaths, "dom-deaths", 8, T_DOMS, "a domain that dies in any way is reported with its reason and harms nobody")
{
	static const struct {
		const char *name;
		void (*fn)(u64);
		u32 reason;
	} kinds[] = {
		{ "panics", panics, VMI_SHUTDOWN_CRASH },
		{ "no-stack", no_stack, VMI_SHUTDOWN_FAULT },
		{ "no-tables", no_tables, VMI_SHUTDOWN_FAULT },
		{ "interrupts-off", interrupts_off, VMI_SHUTDOWN_WATCHDOG },
		{ "reboots", reboots, VMI_SHUTDOWN_REBOOT },
	};
	u32 worker = child_start("worker", works, 0), id[ARRAY_SIZE(kinds)];

	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct vmi_dom_config cfg = child_config(kinds[i].name);

		cfg.watchdog_ms = 300;
		id[i] = child_create(&cfg);
		child_load(id[i], kinds[i].fn, 0);
		child_unpause(id[i]);
	}
	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct vmi_dom_info info = child_wait(id[i], 15000000000UL);

		CHECK_EQ(kinds[i].reason, info.reason, "reason of %s (%s)", kinds[i].name, info.why);
		CHECK(info.why[0], "%s: no explanation", kinds[i].name);
		child_end(id[i]);
	}
	child_check(worker);
	CHECK_EQ(1, child_mailbox(worker, 0), "the worker's work");
}

/* ---- state (rule E5) -------------------------------------------------------- */

struct state {
	u64 xmm[32];
	u64 dr[4], fs, gs;
	u64 seg;
};

static u64 tsc_aux(void)
{
	u64 v = 0;

	return vmi_msr_read(0xc0000103, &v) ? 0 : v;
}

static void load_state(u64 tag)
{
	u64 v[2] = { tag * 0x0101010101010101, ~tag };

#define XMM(n) __asm__ volatile ("movups %0, %%xmm" #n : : "m" (v)); v[0] += n + 1
	XMM(0); XMM(1); XMM(2); XMM(3); XMM(4); XMM(5); XMM(6); XMM(7);
	XMM(8); XMM(9); XMM(10); XMM(11); XMM(12); XMM(13); XMM(14); XMM(15);
#undef XMM
	for (u32 i = 0; i < 4; i++)
		vmi_debugreg_set(i, UTEST + tag * 4096 + i * 8);
	vmi_msr_write(0xc0000100, UTEST + tag);
	vmi_msr_write(0xc0000103, tag);
	__asm__ volatile ("mov %0, %%ds; mov %0, %%es" : : "r" (tag & 1 ? 0x2b : 0));
	__asm__ volatile ("fninit; fildq %0" : : "m" (v[1]));
}

static bool state_is(u64 tag)
{
	u64 want[2] = { tag * 0x0101010101010101, ~tag }, got[2], fs = 0, x87;
	u16 ds;

#define XMM(n) __asm__ volatile ("movups %%xmm" #n ", %0" : "=m" (got)); \
	if (got[0] != want[0] || got[1] != want[1]) { say("tag %lu: xmm%d is %#lx %#lx", tag, n, got[0], got[1]); return false; } \
	want[0] += n + 1
	XMM(0); XMM(1); XMM(2); XMM(3); XMM(4); XMM(5); XMM(6); XMM(7);
	XMM(8); XMM(9); XMM(10); XMM(11); XMM(12); XMM(13); XMM(14); XMM(15);
#undef XMM
	for (u32 i = 0; i < 4; i++) {
		u64 v;

		vmi_debugreg_get(i, &v);
		if (v != UTEST + tag * 4096 + i * 8) {
			say("tag %lu: DR%u is %#lx", tag, i, v);
			return false;
		}
	}
	vmi_msr_read(0xc0000100, &fs);
	__asm__ volatile ("mov %%ds, %0" : "=r" (ds));
	__asm__ volatile ("fld %%st; fistpq %0" : "=m" (x87));
	if (fs != UTEST + tag || ds != (tag & 1 ? 0x2b : 0) || x87 != ~tag || (tsc_aux() && tsc_aux() != tag)) {
		say("tag %lu: FS base %#lx, DS %x, x87 %#lx, TSC_AUX %lu", tag, fs, ds, x87, tsc_aux());
		return false;
	}
	return true;
}

/* Each checks its own state again and again while the others run between. */
CHILD(keeps_state, tag)
{
	u64 end = clock_ns() + 1500000000;

	load_state(tag);
	while (clock_ns() < end) {
		if (!state_is(tag))
			return;
		mailbox[0]++;
	}
}

/* What is there at the beginning is nobody's. */
CHILD(is_born_clean, arg)
{
	u64 got[2], v, fs = 1;
	u16 sw;

	__asm__ volatile ("movups %%xmm7, %0" : "=m" (got));
	if (got[0] | got[1])
		say("xmm7 is %#lx %#lx", got[0], got[1]);
	__asm__ volatile ("fnstsw %0" : "=a" (sw));
	if (sw)
		say("x87 status is %x", sw);
	for (u32 i = 0; i < 4; i++) {
		vmi_debugreg_get(i, &v);
		if (v)
			say("DR%u is %#lx", i, v);
	}
	vmi_msr_read(0xc0000100, &fs);
	if (fs)
		say("FS base is %#lx", fs);
	if (tsc_aux())
		say("TSC_AUX is %lu", tsc_aux());
	for (u64 gpa = 0; gpa < (16UL << 20); gpa += 4096) {
		const u64 *p = (const u64 *)gpa;	/* low memory is mapped at its own address */

		for (u32 i = 0; i < 512; i += 7)
			if (p[i]) {
				say("memory at %#lx is %#lx", gpa + i * 8, p[i]);
				return;
			}
	}
}

TEST(dom_state, "dom-state", 8, T_DOMS, "registers of every kind are each domain's own, and none is born with another's")
{
	u32 id[4], born;

	for (u64 i = 0; i < 4; i++)
		id[i] = child_start("state", keeps_state, i + 1);
	born = child_start("born", is_born_clean, 0);
	child_check(born);
	child_end(born);
	for (u32 i = 0; i < 4; i++) {
		child_check(id[i]);
		CHECK(child_mailbox(id[i], 0) > 10, "domain %u checked its state only %lu times", id[i], child_mailbox(id[i], 0));
		child_end(id[i]);
	}
	/* Memory and state that they had must not show in the next one. */
	born = child_start("born", is_born_clean, 0);
	child_check(born);
}

/* ---- what is domain 0's -------------------------------------------------------- */

CHILD(tries_everything, arg)
{
	static const u32 privileged[] = {
		VMI_HC_LOG_READ, VMI_HC_DOM_CREATE, VMI_HC_DOM_DESTROY, VMI_HC_DOM_PAUSE, VMI_HC_DOM_UNPAUSE,
		VMI_HC_DOM_INFO, VMI_HC_DOM_WRITE, VMI_HC_DOM_READ, VMI_HC_DOM_SCHED, VMI_HC_DOM_CONTROL,
		VMI_HC_DOM_EVENT, VMI_HC_DOM_COUNTERS, VMI_HC_DOM_CONSOLE_READ, VMI_HC_DOM_CONSOLE_WRITE,
		VMI_HC_VCPU_GET, VMI_HC_VCPU_SET, VMI_HC_MACHINE_INFO, VMI_HC_DOM_LEND, VMI_HC_DOM_REVOKE,
	};
	u32 v;

	for (u32 i = 0; i < ARRAY_SIZE(privileged); i++) {
		long rc = privileged[i];

		__asm__ volatile ("syscall" : "+a" (rc) : "D" (0), "S" (0), "d" (0) : "rcx", "r11", "memory", "r10", "r8", "r9");
		if (rc != -VMI_EPERM)
			say("call %u: %ld", privileged[i], rc);
	}
	if (vmi_evt_alloc(0, VMI_DOMID_SELF) != -VMI_EPERM)
		say("evt_alloc for domain 0");
	/* Ports: the serial port's line status has bits set on any machine that has one; nobody's port reads as ones. */
	for (u32 port = 0; port < 65536; port += 13) {
		__asm__ volatile ("inl %w1, %0" : "=a" (v) : "Nd" ((u16)port));
		if (v != 0xffffffff)
			say("port %#x reads %#x", port, v);
	}
	__asm__ volatile ("outw %0, %w1" : : "a" ((u16)0x2000), "Nd" ((u16)0x604));	/* QEMU's power-off */
	/* Frames that are not its own: beyond its memory, the local APIC, low memory of the machine. */
	for (u64 gpa = CHILD_MEMORY; gpa < (1UL << 32); gpa += 16UL << 20) {
		map_page(KTEST, gpa, PTE_P | PTE_W);
		flush_page(KTEST);
		if (try_read(KTEST) != VEC_PF)
			say("frame at %#lx can be read", gpa);
	}
	map_page(KTEST, 0xfee00000, PTE_P | PTE_W);
	flush_page(KTEST);
	if (try_read(KTEST) != VEC_PF)
		say("the local APIC can be read");
}

TEST(dom_guest_rights, "dom-guest-rights", 6, T_DOMS, "a guest domain reaches no port, no foreign frame and no privileged call")
{
	u32 id = child_start("rights", tries_everything, 0);

	child_check(id);
}

/* ---- lending -------------------------------------------------------------------- */

CHILD(watches_word, arg)
{
	volatile u64 *word = (volatile u64 *)0x800000;

	*word = 0x600d;
	while (*word != 0xbeef)
		vmi_version();
}

TEST(dom_lend, "dom-lend", 3, T_DOMS, "lent frames are shared with domain 0, and go back only when it says so")
{
	u64 mfn[2], before = machine_free();
	u32 id = child_start("lender", watches_word, 0);
	volatile u64 *word = (volatile u64 *)KTEST;

	sleep_ns(20000000);
	CHECK_EQ(0, vmi_dom_lend(id, 0x800, 2, mfn), "dom_lend");
	CHECK_EQ(8192, child_info(id).lent, "bytes lent");
	map_page(KTEST, mfn[0] << 12, PTE_P | PTE_W);
	flush_page(KTEST);
	CHECK_EQ(0x600d, *word, "what the child wrote");
	*word = 0xbeef;
	child_check(id);
	child_end(id);
	CHECK_EQ(before - 8192, machine_free(), "free memory while frames are lent");
	CHECK_EQ(0xbeef, *word, "the frame after its domain's end");
	CHECK_EQ(0, vmi_dom_revoke(mfn, 2), "dom_revoke");
	CHECK_EQ(before, machine_free(), "free memory at the end");
	CHECK_EQ(VEC_PF, try_read(KTEST), "the frame after dom_revoke");
	CHECK_EQ(-VMI_EINVAL, vmi_dom_revoke(mfn, 1), "dom_revoke again");
}

/* ---- taking frames back ------------------------------------------------------------ */

CHILD(loses_word, arg)
{
	volatile u64 *word = (volatile u64 *)0x800000;
	u64 seen;

	*word = 0x600d;
	mailbox[0] = 1;
	while ((seen = *word) == 0x600d)
		vmi_version();
	CHECK_EQ(0, seen, "a page that was taken and touched again");
	*word = 0x600e;
	mailbox[0] = 2;
	/* The budget is spent by now: what has no frame gets none. */
	while (mailbox[1] == 0)
		vmi_version();
	CHECK_EQ(VEC_PF, try_read(0x900000), "a page beyond the budget");
	CHECK_EQ(0x600e, *word, "a page that was there before");
}

TEST(dom_release, "dom-release", 3, T_DOMS, "frames taken from a domain are gone from its translations, and its budget holds")
{
	u64 gfn[3] = { 1UL << 40, 0x800, 0x801 }, mfn, one = 1, before = machine_free(), small;
	u32 id = child_start("balloon", loses_word, 0);

	while (child_mailbox(id, 0) != 1)
		sleep_ns(2000000);
	CHECK_EQ(-VMI_E2BIG, vmi_dom_release(id, gfn, VMI_LEND_MAX + 1), "too many");
	CHECK_EQ(-VMI_ESRCH, vmi_dom_release(id + 1, gfn, 1), "of no domain");
	CHECK_EQ(3, vmi_dom_release(id, gfn, 3), "dom_release");
	while (child_mailbox(id, 0) != 2)
		sleep_ns(2000000);
	CHECK_EQ(0, vmi_dom_lend(id, 0x800, 1, &mfn), "dom_lend");
	CHECK_EQ(1, vmi_dom_release(id, gfn, 3), "dom_release up to a lent frame");
	CHECK_EQ(0, vmi_dom_revoke(&mfn, 1), "dom_revoke");

	CHECK_EQ(-VMI_EBUSY, vmi_dom_budget(id, VMI_MEMORY_MIN), "less than it has");
	CHECK_EQ(-VMI_EINVAL, vmi_dom_budget(id, CHILD_MEMORY + 4096), "more than it was created with");
	CHECK_EQ(-VMI_EINVAL, vmi_dom_budget(id, CHILD_MEMORY - 1), "no whole pages");
	small = child_info(id).populated;
	mfn = machine_free();
	CHECK_EQ(0, vmi_dom_budget(id, small), "as much as it has");
	CHECK_EQ(mfn + CHILD_MEMORY - small, machine_free(), "what it may not have any more is free");
	CHECK_EQ(small, child_info(id).memory_now, "memory_now");
	CHECK_EQ(8, vmi_dom_write(id, gpa_of(&mailbox[1]), &one, 8), "dom_write");
	child_check(id);
	CHECK_EQ(0, vmi_dom_budget(id, CHILD_MEMORY), "all of it again");
	CHECK_EQ(mfn, machine_free(), "free memory");
	child_end(id);
	CHECK_EQ(before, machine_free(), "free memory at the end");
}
