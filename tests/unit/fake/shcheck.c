// SPDX-License-Identifier: GPL-2.0-only
/*
 * shcheck.c - checks the whole state of the shadow code against the invariants
 * that its files claim: tables, leaves, reverse maps, roots, pool, counters.
 */
#include "fake.h"
#include "shadow_priv.h"
#include "test.h"

struct tally {
	u64 tables;			/* pages that are tables */
	u64 rmapped;			/* leaves with SH_RMAP */
	bool ok;
};

#define CHECK(t, cond, ...) do { \
		if (!(cond)) { \
			if ((t)->ok) \
				test_fail("shadow_check: " #cond ": " __VA_ARGS__); \
			(t)->ok = false; \
		} \
	} while (0)

/* Is the leaf in its frame's reverse map exactly once? */
static bool in_rmap(u64 *leaf)
{
	struct frame *f = frame_of(entry_mfn(*leaf));
	u64 *node, found = 0;
	u32 i, nr;

	if (f->u.ram.nr_rmap <= 2) {
		for (i = 0; i < f->u.ram.nr_rmap; i++)
			found += f->u.ram.rmap[i] == (u64)leaf;
		return found == 1;
	}
	nr = (f->u.ram.nr_rmap - 1) % 7 + 1;
	for (node = (u64 *)f->u.ram.rmap[0]; node; node = (u64 *)node[0], nr = 7)
		for (i = 1; i <= nr; i++)
			found += node[i] == (u64)leaf;
	return found == 1;
}

static void check_table(struct domain *d, struct tally *t, mfn_t mfn, int level, bool upper, bool alias, u64 va)
{
	struct frame *f = frame_of(mfn), *to;
	u64 *e = mfn_to_va(mfn), want;
	u32 nr = 0;

	CHECK(t, f && f->type == FRAME_SHADOW && f->refs == 1 && f->owner == d->id, "va %lx level %d", va, level);
	if (!t->ok)
		return;
	CHECK(t, f->u.sh.level == level, "va %lx level %d", va, level);
	if (!alias || level > 1)
		t->tables++;
	for (int i = 0; i < PTES_PER_TABLE && t->ok; i++) {
		u64 here = va | (u64)i << (9 * (level - 1) + PAGE_SHIFT);
		bool on_alias = alias && i == 511;

		if (!e[i])
			continue;
		nr++;
		CHECK(t, f->u.sh.map & BIT(i / 8), "%lx at %lx is not in the map", e[i], here);
		CHECK(t, e[i] & PTE_P, "%lx at %lx: not present, not zero", e[i], here);
		CHECK(t, !(e[i] & PTE_G), "%lx at %lx", e[i], here);
		if (alias && level == 1) {
			CHECK(t, i == 510, "leaf %lx at %lx", e[i], here);
			continue;
		}
		if (!entry_is_leaf(e[i], level)) {
			want = SH_TABLE | (upper ? 0 : PTE_US);
			CHECK(t, (e[i] & ~PTE_ADDR) == want, "%lx at %lx", e[i], here);
			check_table(d, t, entry_mfn(e[i]), level - 1, upper, on_alias, here);
			continue;
		}
		CHECK(t, !(e[i] & PTE_RW) == !(e[i] & PTE_D), "%lx at %lx", e[i], here);
		CHECK(t, !upper || !(e[i] & PTE_US), "%lx at %lx (rule R1)", e[i], here);
		to = frame_of(entry_mfn(e[i]));
		if (e[i] & SH_RMAP) {
			t->rmapped++;
			CHECK(t, to && to->type == FRAME_RAM && in_rmap(&e[i]), "%lx at %lx", e[i], here);
			CHECK(t, !(e[i] & (PTE_PCD | PTE_PWT | (level == 1 ? PTE_PAT : PTE_PAT_LARGE))), "RAM is write-back: %lx", e[i]);
			for (u32 n = 0; level == 2 && n < PTES_PER_TABLE; n++)
				CHECK(t, to[n].type == FRAME_RAM && to[n].owner == d->id, "%lx at %lx, frame %u", e[i], here, n);
		} else {
			CHECK(t, level == 1, "%lx at %lx: no RAM, but large", e[i], here);
			CHECK(t, !to || to->type != FRAME_RAM, "%lx at %lx: RAM without SH_RMAP", e[i], here);
		}
	}
	CHECK(t, f->u.sh.nr == nr, "table %lx level %d: says %u, has %u", mfn, level, f->u.sh.nr, nr);
}

static bool on_list(struct domain *d, unsigned int slot, mfn_t l3)
{
	mfn_t m = d->shadow.state->upper[slot - SLOT_UPPER];

	while (m && m != l3)
		m = frame_of(m)->u.sh.next;
	return m;
}

static void check_root(struct domain *d, struct tally *t, struct sh_root *r)
{
	u32 users = 0, c, i;
	struct sh_root *h;
	u64 *l4, *other;

	for (c = 0; c < DOM_MAX_VCPUS; c++) {
		users += d->vcpu[c]->shadow.root == r;
		CHECK(t, d->vcpu[c]->shadow.root != r || d->vcpu[c]->shadow.l4 == r->l4[c], "root %lx", r->gpa);
		if (!r->l4[c])
			continue;
		t->tables++;
		l4 = mfn_to_va(r->l4[c]);
		for (i = 0; i < SLOT_UPPER; i++) {
			CHECK(t, !sh_user_l3(r, i) == (next_user(r, i) != i), "slot %u", i);
			other = c && r->l4[0] ? mfn_to_va(r->l4[0]) : NULL;
			if (l4[i] && !(other && other[i])) {
				CHECK(t, (l4[i] & ~PTE_ADDR) == (SH_TABLE | PTE_US), "%lx", l4[i]);
				check_table(d, t, entry_mfn(l4[i]), 3, false, false, (u64)i << 39);
			}
			CHECK(t, !l4[i] || !(other && other[i]) || l4[i] == other[i], "user half not shared");
		}
		CHECK(t, l4[SLOT_AREA] == d->vcpu[c]->shadow.area_l4e, "slot 256: %lx", l4[SLOT_AREA]);
		for (i = SLOT_AREA + 1; i <= SLOT_TOP; i++) {
			if (!l4[i])
				continue;
			CHECK(t, (l4[i] & ~PTE_ADDR) == SH_TABLE, "slot %u: %lx", i, l4[i]);
			CHECK(t, on_list(d, i, entry_mfn(l4[i])), "slot %u: %lx", i, l4[i]);
		}
		CHECK(t, shadow_leaf(r->l4[c], VMI_SHARED) ==
		      (d->vcpu[c]->shared_mfn << PAGE_SHIFT | PTE_P | PTE_RW | PTE_NX | PTE_A | PTE_D),
		      "alias %lx", shadow_leaf(r->l4[c], VMI_SHARED));
	}
	CHECK(t, r->users == users, "root %lx: %u users, not %u", r->gpa, r->users, users);
	for (h = d->shadow.state->hash[(r->gpa >> PAGE_SHIFT) % ROOT_HASH]; h && h != r; h = h->hash_next)
		;
	CHECK(t, !h == r->dead, "root %lx", r->gpa);
	CHECK(t, !r->dead || r->users, "root %lx: dead and unused, but here", r->gpa);
}

static u64 slab_pages(u64 used, u64 per_page)
{
	return (used + per_page - 1) / per_page;
}

bool shadow_check(struct domain *d)
{
	struct sh_state *s = d->shadow.state;
	struct tally t = { .ok = true };
	u64 nr_roots = 0, rmaps = 0, nodes = 0, pages = 0, spare = 0, slabs;
	struct sh_root *r, *newer = NULL;
	u32 m, key_twice;

	for (r = d->shadow.roots; r; newer = r, r = r->older) {
		CHECK(&t, r->newer == newer, "list of roots");
		nr_roots++;
		check_root(d, &t, r);
	}
	CHECK(&t, s->oldest == newer, "list of roots");
	for (u32 slot = SLOT_AREA + 1; slot <= SLOT_TOP; slot++) {
		CHECK(&t, !s->upper[slot - SLOT_UPPER] || next_upper(d, slot) == slot, "slot %u", slot);
		for (m = s->upper[slot - SLOT_UPPER]; m && t.ok; m = frame_of(m)->u.sh.next) {
			CHECK(&t, ((frame_of(m)->u.sh.key >> KEY_SLOT_SHIFT) & 511) == slot, "slot %u", slot);
			for (key_twice = frame_of(m)->u.sh.next; key_twice; key_twice = frame_of(key_twice)->u.sh.next)
				CHECK(&t, frame_of(key_twice)->u.sh.key != frame_of(m)->u.sh.key, "slot %u", slot);
			check_table(d, &t, m, 3, true, slot == SLOT_TOP, ~0UL << 48 | (u64)slot << 39);
		}
	}
	for (u32 c = 0; c < DOM_MAX_VCPUS; c++)
		t.tables += !!d->vcpu[c]->shadow.alias_l3;	/* its level 1 table, which others share */
	if (!t.ok)
		return false;

	CHECK(&t, !s->limbo && !s->stale, "sh_sync() was forgotten");
	for (m = s->spare; m; m = frame_of(m)->u.sh.next, spare++)
		for (u32 i = 0; i < PTES_PER_TABLE; i++)
			CHECK(&t, !((u64 *)mfn_to_va(m))[i], "spare page %x is not zero", m);
	CHECK(&t, spare == s->nr_spare, "%lu, not %u", spare, s->nr_spare);

	for (mfn_t i = 0; i < FAKE_FRAMES; i++) {
		struct frame *f = frame_of(i);

		pages += f->type == FRAME_SHADOW && f->owner == d->id;
		if (f->type == FRAME_RAM && f->owner == d->id) {
			rmaps += f->u.ram.nr_rmap;
			nodes += f->u.ram.nr_rmap > 2 ? (f->u.ram.nr_rmap + 6) / 7 : 0;
		}
	}
	CHECK(&t, rmaps == t.rmapped, "%lu in reverse maps, %lu leaves", rmaps, t.rmapped);
	CHECK(&t, pages == d->shadow.nr_tables, "%lu pages, %u counted", pages, d->shadow.nr_tables);
	CHECK(&t, d->shadow.nr_tables <= d->shadow.max_tables, "%u", d->shadow.nr_tables);
	CHECK(&t, d->counters[VMI_CTR_SHADOW_TABLES] == d->shadow.nr_tables, "the counter says %lu",
	      d->counters[VMI_CTR_SHADOW_TABLES]);
	/* What is no table and not spare must be slabs; they can be fragmented, so only a lower bound. */
	slabs = slab_pages(nr_roots, PAGE_SIZE / s->roots.size) + slab_pages(nodes, PAGE_SIZE / s->nodes.size);
	CHECK(&t, pages >= t.tables + spare + slabs, "%lu pages, %lu tables, %lu spare, %lu slabs", pages, t.tables,
	      spare, slabs);
	CHECK(&t, pages - t.tables - spare <= nr_roots + nodes + 2, "%lu pages, %lu tables, %lu spare: a leak", pages,
	      t.tables, spare);
	return t.ok;
}

u64 *shadow_entry(mfn_t table, int level, u64 va)
{
	u64 *e;

	for (;; level--) {
		e = (u64 *)mfn_to_va(table) + pt_index(va, level);
		if (!*e)
			return NULL;
		if (entry_is_leaf(*e, level))
			return e;
		table = entry_mfn(*e);
	}
}

u64 shadow_leaf_below(mfn_t table, int level, u64 va)
{
	u64 *e = shadow_entry(table, level, va);

	if (!e || frame_of(va_to_mfn(e))->u.sh.level == 1)
		return e ? *e : 0;
	return (*e & ~PTE_PS) + (va & (0x1ff << PAGE_SHIFT));
}

u64 shadow_leaf(mfn_t l4, u64 va)
{
	return shadow_leaf_below(l4, 4, va);
}
