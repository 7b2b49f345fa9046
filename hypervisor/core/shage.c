// SPDX-License-Identifier: GPL-2.0-only
/*
 * shage.c - ageing (rule M6). A guest that looks for idle memory clears accessed
 * bits and does not flush, since a TLB forgets by itself before long. Shadow
 * entries do not: so once a second each root in use is compared with the guest's
 * tables, and entries that are not marked accessed there go. The next access
 * misses and marks them.
 *
 * A round is done in steps of bounded work: at loads of the root, and at timer
 * interrupts for the roots that are loaded then. The trampoline switches only to
 * roots that are through. Roots that are not loaded wait until they are. Kernels
 * do not look for idle pages of their own, so the upper half is left alone.
 *
 * Invariant: a root that is ready has been through the round (sh_root.aged).
 * Locking:   as shread.c.
 * Trust:     how many entries and tables there are is the guest's choice, how many
 *            one step looks at is not.
 */
#include "shadow_priv.h"

/* Leaves of one step, where a table counts as some, too. */
#define AGE_STEP	1024
#define AGE_TABLE	16

/* The first page of the slot, at `page` or later, that a table of level 1 or a leaf of 2 MiB maps; entry_pages(4): none. */
static u64 next_mapped(mfn_t l3, u64 page)
{
	const u64 *t3 = mfn_to_va(l3), *t2;
	u64 i3, i2 = page / entry_pages(2) % PTES_PER_TABLE;
	const struct frame *f;

	for (i3 = page / entry_pages(3); i3 < PTES_PER_TABLE; i3++, i2 = 0) {
		f = frame_of(entry_mfn(t3[i3]));
		if (!t3[i3] || !f->u.sh.nr)
			continue;
		t2 = mfn_to_va(entry_mfn(t3[i3]));
		for (i2 = entry_next(f, i2); i2 < PTES_PER_TABLE; i2 = entry_next(f, i2 + 1))
			if (t2[i2])
				return i3 * entry_pages(3) + i2 * entry_pages(2);
	}
	return entry_pages(4);
}

/* A step of the root's round; true: it is through. */
bool sh_root_age(struct domain *d, struct sh_root *r)
{
	struct sh_state *s = d->shadow.state;
	u64 n = entry_pages(4), page, before = s->nr_dropped;
	unsigned int slot;
	u32 work = 0;

	if (r->aged == s->age)
		return true;
	for (slot = next_user(r, r->age_next / n); slot < SLOT_UPPER && work < AGE_STEP; slot = next_user(r, slot)) {
		struct reread rr = { .d = d, .left = PTES_PER_TABLE };

		page = slot == r->age_next / n ? r->age_next % n : 0;
		page = next_mapped(sh_user_l3(r, slot), page);
		r->age_next = slot * n + MIN(n, page + entry_pages(2));
		if (page < n)
			sh_reread_user(&rr, r, slot, page, page + entry_pages(2) - 1);
		work += AGE_TABLE + PTES_PER_TABLE - rr.left;
		slot = r->age_next / n;
	}
	COUNT_ADD(d, AGED, s->nr_dropped - before);
	if (slot < SLOT_UPPER)
		return false;
	r->age_next = 0;
	r->aged = s->age;
	return true;
}

void shadow_age(struct vcpu *v, u64 now)
{
	struct domain *d = v->domain;
	struct sh_state *s = d->shadow.state;
	struct sh_vcpu *sv;

	if (now - s->age_since >= SHADOW_AGE_NS) {
		s->age_since = now;
		s->age++;
		for (unsigned int c = 0; c < DOM_MAX_VCPUS; c++) {
			sv = d->vcpu[c] ? &d->vcpu[c]->shadow : NULL;
			for (u32 i = 0; sv && i < SHADOW_READY; i++)
				if (sv->ready[i].root)
					sh_root_forget(d, sv->ready[i].root, c);
		}
	}
	if (v->shadow.root && v->shadow.root->aged != s->age) {
		sh_root_age(d, v->shadow.root);
		sh_sync(d);
	}
}
