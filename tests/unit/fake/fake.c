// SPDX-License-Identifier: GPL-2.0-only
/*
 * fake.c - the machine of fake.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "fake.h"

u8 *host_ram;
struct fake fake;
jmp_buf fake_panic_env;
bool fake_panic_armed;
u64 fake_seed = 1;

static struct frame frames[FAKE_FRAMES];
static struct domain dom;
static struct vcpu vcpus[DOM_MAX_VCPUS];
static gfn_t next_table;

void fake_reset(void)
{
	u64 size = FAKE_FRAMES * PAGE_SIZE;

	if (host_ram)
		munmap(host_ram, size);
	host_ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_ram == MAP_FAILED)
		abort();
	fake = (struct fake){ 0 };
	frame_init(frames, FAKE_FRAMES);
	heap_add(FAKE_HEAP, FAKE_NR_HEAP);
	next_table = 512;
}

struct domain *fake_domain(void)
{
	unsigned int i;

	dom = (struct domain){ .id = 7, .weight = VMI_WEIGHT_DEFAULT };
	frame_assign(FAKE_RAM, FAKE_NR_RAM, dom.id, FRAME_RAM);
	if (p2m_init(&dom) || p2m_set(&dom, 0, FAKE_RAM, FAKE_NR_RAM, P2M_RAM) ||
	    p2m_set(&dom, FAKE_MMIO_GFN, FAKE_MMIO, FAKE_NR_MMIO, P2M_MMIO))
		abort();
	for (i = 0; i < DOM_MAX_VCPUS; i++) {
		vcpus[i] = (struct vcpu){ .domain = &dom, .id = i };
		vcpus[i].shared_mfn = heap_alloc(DOMID_HV, FRAME_HV);
		vcpus[i].shadow.area_l4e = FAKE_AREA_L4E + (i << PAGE_SHIFT);
		dom.vcpu[i] = &vcpus[i];
	}
	return &dom;
}

struct domain *fake_shadow_domain(u32 max_tables)
{
	struct domain *d = fake_domain();

	if (shadow_domain_init(d, max_tables))
		abort();
	return d;
}

u64 *guest_entry(gfn_t root, u64 va, int level)
{
	u64 *t = ram_table(root);
	int l;

	for (l = 4; l > level; l--)
		t = ram_table((t[pt_index(va, l)] & PTE_ADDR) >> PAGE_SHIFT);
	return &t[pt_index(va, level)];
}

u64 *guest_map(gfn_t root, u64 va, gfn_t gfn, u64 flags, int level)
{
	u64 *e = ram_table(root) + pt_index(va, 4);
	int l;

	for (l = 4; l > level; l--) {
		if (!*e)
			*e = next_table++ << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
		e = ram_table((*e & PTE_ADDR) >> PAGE_SHIFT) + pt_index(va, l - 1);
	}
	*e = gfn << PAGE_SHIFT | flags;
	return e;
}

void arch_tlb_flush(struct domain *d)
{
	fake.nr_tlb_flushes++;
	if (fake.on_tlb_flush)
		fake.on_tlb_flush();
}

/* Only where a suite plays the trampoline are roots switched to without a load. */
void arch_root_slot(struct vcpu *v, u32 i, u64 cr3, mfn_t l4)
{
	if (fake.on_root_slot)
		fake.on_root_slot(v, i, cr3, l4);
}

void dom_crash(struct vcpu *v, const char *fmt, ...)
{
	fake.crashed = true;
}

u64 now_ns(void)
{
	return fake.now;
}

u32 cpu_id(void)
{
	return 0;
}

void arch_switch(struct vcpu *from, struct vcpu *to)
{
	fake.nr_switches++;
}

void arch_irq_release(u32 vector)
{
	fake.released = vector;
}

void arch_timer_arm(u64 ns)
{
	fake.timer = ns;
}

/* Time passes until the timer. */
void arch_idle(void)
{
	if (fake.on_idle)
		fake.on_idle();
	else
		fake.now = MAX(fake.now, fake.timer);
	sched_tick();
}

int arch_vcpu_init(struct vcpu *v)
{
	mfn_t mfn = heap_alloc(v->domain->id, FRAME_HV);

	if (mfn == MFN_NONE)
		return -VMI_ENOMEM;
	v->shared_mfn = mfn;
	v->shared = mfn_to_va(mfn);
	v->shadow.area_l4e = FAKE_AREA_L4E;
	return 0;
}

void arch_vcpu_exit(struct vcpu *v)
{
	if (v->shared)
		frame_put(v->shared_mfn);
}

long arch_vcpu_get(struct vcpu *v, struct vmi_vcpu_state *s)
{
	s->rip = v->regs.rip;
	return 0;
}

long arch_vcpu_set(struct vcpu *v, const struct vmi_vcpu_state *s)
{
	v->regs.rip = s->rip;
	return shadow_load(v, s->cr3, false);
}

void arch_machine_info(struct vmi_machine *m)
{
	m->memory = FAKE_FRAMES * PAGE_SIZE;
}

static void say(const char *what, const char *fmt, va_list ap)
{
	printf("  %s: ", what);
	vprintf(fmt, ap);
	printf("\n");
}

void panic(const char *fmt, ...)
{
	va_list ap;

	if (fake_panic_armed)
		longjmp(fake_panic_env, 1);
	va_start(ap, fmt);
	say("PANIC", fmt, ap);
	va_end(ap);
	abort();
}

/* The log is silent, but the compiler still checks the formats. */
void log_info(const char *fmt, ...) { }
void log_guest(const char *fmt, ...) { }

/* xorshift64* */
u32 rnd(u32 below)
{
	fake_seed ^= fake_seed >> 12;
	fake_seed ^= fake_seed << 25;
	fake_seed ^= fake_seed >> 27;
	return (u32)((fake_seed * 0x2545f4914f6cdd1d) >> 33) % below;
}
