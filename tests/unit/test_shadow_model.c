// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_shadow_model.c - random operations on shadow tables, against a model of
 * what a processor's TLB may hold.
 *
 * The model keeps, for each address of a small universe, the set of translations
 * that a processor could legally use: all that the guest's tables gave, marked
 * accessed, since the last flush that covers the address. For the lower half there
 * is a set for each root; for the upper half one for each value of the L4 entry,
 * and for each root the set of values its entry had since the last flush of the slot.
 * Large pages, memory types, frames taken back, and ageing are part of it.
 *
 * Checked: a fill succeeds exactly where the tables allow the access, with the
 * right error code, accessed and dirty bits and leaf; every leaf in the shadow
 * tables is in its set; a processor with a TLB of its own (hw_*) never holds what
 * the shadow tables have lost; and shadow_check().
 *
 * UNIT_SEED and UNIT_STEPS in the environment choose another run.
 */
#include <stdlib.h>
#include <time.h>
#include "fake.h"
#include "shadow_priv.h"
#include "test.h"

#define NR_ROOTS	4
#define ROOT_GFN	1
#define DATA_GFN	40
#define NR_DATA		16
#define NONE_GFN	5000		/* no memory there */
#define DEFAULT_STEPS	100000

/* Tables of each level: frames first[level] .. + nr[level] - 1. */
static const gfn_t first_gfn[5] = { 0, 30, 20, 10, ROOT_GFN };
static const u32 nr_gfn[5] = { 0, 6, 4, 4, NR_ROOTS };

/* The universe: these indices at each level. */
static const u32 slots[] = { 0, 1, 255, 257, 300, 511 };
#define NR_SLOTS	ARRAY_SIZE(slots)
#define NR_LOWER	3
static const u32 idx3[] = { 0, 511 }, idx2[] = { 0, 511 }, idx1[] = { 0, 1, 510, 511 };
#define PER_SLOT	16

struct set {
	u32 nr;
	u64 v[64];
};

struct key_space {
	u64 key;
	struct set leaves[PER_SLOT];
};
#define MAX_KEYS	512

static struct set user_set[NR_ROOTS][NR_LOWER][PER_SLOT];
static struct key_space upper_set[NR_SLOTS][MAX_KEYS];
static u32 nr_keys[NR_SLOTS];
static struct set link_set[NR_ROOTS][NR_SLOTS];
static bool overflow;			/* a set is full: flush before the next step */

static struct domain *d;
static bool gone[FAKE_NR_RAM];
static bool dead_loaded[NR_ROOTS];
static u64 nr_filled, nr_large, nr_refused, nr_switched;
static u64 now;
static char op[128];
static bool bad;

#define FAIL(fmt, ...) do { \
		if (!bad) \
			test_fail("%s: " fmt, op, ##__VA_ARGS__); \
		bad = true; \
	} while (0)

static u64 va_of(u32 slot, u32 page)
{
	u64 va = (u64)slots[slot] << 39 | (u64)idx3[page / 8] << 30 | (u64)idx2[page / 4 % 2] << 21 |
		 (u64)idx1[page % 4] << 12;

	return slots[slot] >= 256 ? va | ~0UL << 48 : va;
}

static bool hypervisors(u64 va)
{
	return va >= VMI_TOP_BASE;
}

static void set_add(struct set *s, u64 v)
{
	for (u32 i = 0; i < s->nr; i++)
		if (s->v[i] == v)
			return;
	if (s->nr == ARRAY_SIZE(s->v))
		overflow = true;
	else
		s->v[s->nr++] = v;
}

static bool set_has(const struct set *s, u64 v)
{
	for (u32 i = 0; i < s->nr; i++)
		if (s->v[i] == v)
			return true;
	return false;
}

/* ---- The model's own walk --------------------------------------------- */

struct mwalk {
	bool present;			/* all levels, and the frame exists */
	bool accessed;			/* all levels are marked so: a TLB may have it */
	bool reserved;
	u64 perms, leaf;		/* leaf: as the shadow should have it */
	u64 *path[4];			/* entries from level 4 down */
	u32 depth;
	int level;
};

static bool is_ram(gfn_t gfn)
{
	return gfn < FAKE_NR_RAM && !gone[gfn];
}

static struct mwalk model_walk(u32 root, u64 va)
{
	struct mwalk w = { .accessed = true, .perms = PTE_RW | PTE_US };
	gfn_t t = ROOT_GFN + root, gfn;
	u64 e = 0, mask;
	bool mmio;

	for (w.level = 4; w.level; w.level--) {
		if (!is_ram(t)) {
			w.reserved = true;
			return w;
		}
		w.path[w.depth++] = &ram_table(t)[(va >> (3 + 9 * w.level)) & 511];
		e = *w.path[w.depth - 1];
		if (!(e & 1))
			return w;
		w.accessed &= !!(e & PTE_A);
		w.perms = (w.perms & (e | PTE_NX)) | (e & PTE_NX);
		t = (e >> 12) & 0xffffffffff;
		if (w.level == 1 || (e & PTE_PS))
			break;
	}
	mask = (1UL << (9 * (w.level - 1))) - 1;
	if (w.level == 4 || (t & mask & ~1UL)) {
		w.reserved = true;
		return w;
	}
	gfn = w.level == 1 ? t : (t & ~mask) + ((va >> 12) & mask);
	mmio = gfn >= FAKE_MMIO_GFN && gfn < FAKE_MMIO_GFN + FAKE_NR_MMIO;
	if (!mmio && !is_ram(gfn)) {
		w.reserved = true;
		return w;
	}
	w.present = true;
	if (va >> 63)
		w.perms &= ~PTE_US;
	w.leaf = PTE_P | PTE_A | (w.perms & (PTE_US | PTE_NX));
	if ((w.perms & PTE_RW) && (e & PTE_D))
		w.leaf |= PTE_RW | PTE_D;
	if (mmio)
		w.leaf |= (FAKE_MMIO + gfn - FAKE_MMIO_GFN) << 12 | (e & (PTE_PCD | PTE_PWT)) |
			  (w.level == 1 ? e & PTE_PAT : (t & 1) << 7);
	else
		w.leaf |= ram_mfn(gfn) << 12 | SH_RMAP;
	return w;
}

/* The error code for an access, or -1 if it is allowed. */
static int model_error(const struct mwalk *w, u32 access)
{
	bool user = access & PF_USER;

	if (w->reserved)
		return access | PF_PRESENT | PF_RSVD;
	if (!w->present)
		return access;
	if (((access & PF_WRITE) && !(w->perms & PTE_RW)) || (user && !(w->perms & PTE_US)) ||
	    ((access & PF_FETCH) && ((w->perms & PTE_NX) || (!user && (w->perms & PTE_US)))))
		return access | PF_PRESENT;
	return -1;
}

/* ---- Sets ------------------------------------------------------------- */

static u64 root_entry(u32 root, u32 slot)
{
	return is_ram(ROOT_GFN + root) ? ram_table(ROOT_GFN + root)[slots[slot]] : 0;
}

/* What the translations through an upper L4 entry depend on; 0 if there are none. */
static u64 entry_key(u64 e)
{
	return e & PTE_P ? e & (PTE_P | PTE_RW | PTE_US | PTE_NX | PTE_ADDR) : 0;
}

static struct key_space *key_space(u32 slot, u64 key)
{
	u32 i;

	for (i = 0; i < nr_keys[slot]; i++)
		if (upper_set[slot][i].key == key)
			return &upper_set[slot][i];
	if (i == MAX_KEYS)
		abort();
	upper_set[slot][i].key = key;
	nr_keys[slot]++;
	return &upper_set[slot][i];
}

/* The guest's memory has changed: add what it says now. */
static void model_update(void)
{
	struct key_space *k = NULL;
	struct mwalk w;
	u32 r, s, p;
	u64 key;

	for (r = 0; r < NR_ROOTS; r++)
		for (s = 0; s < NR_SLOTS; s++) {
			key = entry_key(root_entry(r, s));
			if (s >= NR_LOWER) {
				set_add(&link_set[r][s], key);
				k = key_space(s, key);
			}
			if (!key)
				continue;
			for (p = 0; p < PER_SLOT; p++) {
				w = model_walk(r, va_of(s, p));
				if (w.present && w.accessed && !hypervisors(va_of(s, p)))
					set_add(s < NR_LOWER ? &user_set[r][s][p] : &k->leaves[p], w.leaf);
			}
		}
}

static void forget_user(u32 root)
{
	memset(user_set[root], 0, sizeof(user_set[root]));
}

static void forget_upper(u32 slot, u32 page)
{
	for (u32 k = 0; k < nr_keys[slot]; k++)
		upper_set[slot][k].leaves[page].nr = 0;
}

static void forget_links(u32 slot)
{
	for (u32 r = 0; r < NR_ROOTS; r++)
		link_set[r][slot].nr = 0;
}

static void forget_all(void)
{
	for (u32 r = 0; r < NR_ROOTS; r++)
		forget_user(r);
	for (u32 s = NR_LOWER; s < NR_SLOTS; s++) {
		forget_links(s);
		nr_keys[s] = 0;
		memset(upper_set[s], 0, sizeof(upper_set[s]));
	}
	model_update();
}

static void forget_frame(mfn_t mfn)
{
	struct set *s;
	u32 i, j, k, p;

	for (i = 0; i < NR_ROOTS * NR_LOWER * PER_SLOT; i++) {
		s = &user_set[0][0][0] + i;
		for (j = 0; j < s->nr;)
			if (entry_mfn(s->v[j]) == mfn)
				s->v[j] = s->v[--s->nr];
			else
				j++;
	}
	for (i = NR_LOWER; i < NR_SLOTS; i++)
		for (k = 0; k < nr_keys[i]; k++)
			for (p = 0; p < PER_SLOT; p++) {
				s = &upper_set[i][k].leaves[p];
				for (j = 0; j < s->nr;)
					if (entry_mfn(s->v[j]) == mfn)
						s->v[j] = s->v[--s->nr];
					else
						j++;
			}
}

/* ---- A processor's TLB ------------------------------------------------ */

static struct hw_entry {
	mfn_t l4;
	u64 va, leaf;
} hw[64];

static void hw_flush(void)
{
	memset(hw, 0, sizeof(hw));
}

/* What the trampoline of each vCPU switches to without the hypervisor. */
static struct { u64 cr3; mfn_t l4; } ready[DOM_MAX_VCPUS][SHADOW_READY];

static void trampoline_slot(struct vcpu *v, u32 i, u64 cr3, mfn_t l4)
{
	ready[v->id][i].cr3 = cr3;
	ready[v->id][i].l4 = l4;
}

static void hw_check(void)
{
	u64 now;

	for (u32 i = 0; i < ARRAY_SIZE(hw); i++) {
		if (!hw[i].leaf)
			continue;
		now = shadow_leaf(hw[i].l4, hw[i].va);
		/* the shadow may allow more: then the processor faults and looks again */
		if ((now | PTE_A) != hw[i].leaf && (now | PTE_A) != (hw[i].leaf | PTE_RW | PTE_D))
			FAIL("a processor still has %lx for %lx, the shadow %lx", hw[i].leaf, hw[i].va, now);
	}
}

/* ---- Checks ----------------------------------------------------------- */

static u32 root_index(const struct sh_root *r)
{
	return (r->gpa >> PAGE_SHIFT) - ROOT_GFN;
}

/* How many leaves there are below a table; 0 for none. */
static u64 leaves_below(mfn_t table, int level)
{
	const u64 *t = mfn_to_va(table);
	u64 n = 0;

	for (int i = 0; table && i < PTES_PER_TABLE; i++)
		if (t[i])
			n += entry_is_leaf(t[i], level) ? 1 : leaves_below(entry_mfn(t[i]), level - 1);
	return n;
}

static void check_leaves(void)
{
	u64 found = 0, counted = 0, leaf, e, key;
	struct sh_root *r;
	u32 s, p, c, m;

	for (r = d->shadow.roots; r; r = r->older)
		for (s = 0; s < NR_LOWER; s++) {
			for (e = c = 0; c < DOM_MAX_VCPUS && !e; c++)
				if (r->l4[c])
					e = ((u64 *)mfn_to_va(r->l4[c]))[slots[s]];
			found += leaves_below(entry_mfn(e), 3);
			for (p = 0; e && p < PER_SLOT; p++) {
				leaf = shadow_leaf_below(entry_mfn(e), 3, va_of(s, p));
				if (leaf && !set_has(&user_set[root_index(r)][s][p], leaf | PTE_A))
					FAIL("root %u, va %lx: leaf %lx is not allowed", root_index(r), va_of(s, p), leaf);
			}
		}
	for (s = NR_LOWER; s < NR_SLOTS; s++)
		for (m = d->shadow.state->upper[slots[s] - SLOT_UPPER]; m; m = frame_of(m)->u.sh.next) {
			found += leaves_below(m, 3) - (slots[s] == SLOT_TOP);	/* the alias */
			key = entry_key(frame_of(m)->u.sh.key & (PTE_P | PTE_RW | PTE_US | PTE_NX | PTE_ADDR));
			for (p = 0; p < PER_SLOT; p++) {
				leaf = hypervisors(va_of(s, p)) ? 0 : shadow_leaf_below(m, 3, va_of(s, p));
				if (leaf && !set_has(&key_space(s, key)->leaves[p], leaf | PTE_A))
					FAIL("L4 entry %lx, va %lx: leaf %lx is not allowed", key, va_of(s, p), leaf);
			}
		}
	for (c = 0; c < DOM_MAX_VCPUS; c++) {
		counted -= !!d->vcpu[c]->shadow.alias_l3;
		r = d->vcpu[c]->shadow.root;
		for (s = NR_LOWER; r && s < NR_SLOTS; s++) {
			e = ((u64 *)mfn_to_va(d->vcpu[c]->shadow.l4))[slots[s]];
			if (!e || entry_mfn(e) == d->vcpu[c]->shadow.alias_l3)
				continue;
			key = frame_of(entry_mfn(e))->u.sh.key & (PTE_P | PTE_RW | PTE_US | PTE_NX | PTE_ADDR);
			if (!set_has(&link_set[root_index(r)][s], key & ~(511UL << KEY_SLOT_SHIFT)))
				FAIL("root %u links %lx in slot %u", root_index(r), key, slots[s]);
		}
	}
	/* no leaf is anywhere else */
	for (mfn_t i = FAKE_HEAP; i < FAKE_HEAP + FAKE_NR_HEAP; i++) {
		if (frame_of(i)->type != FRAME_SHADOW)
			continue;
		if (frame_of(i)->u.sh.level == 1)
			counted += frame_of(i)->u.sh.nr;
		for (p = 0; frame_of(i)->u.sh.level == 2 && p < PTES_PER_TABLE; p++)
			counted += !!(((u64 *)mfn_to_va(i))[p] & PTE_PS);
	}
	if (found != counted)
		FAIL("%lu leaves in place, %lu counted", found, counted);
}

/* ---- Operations ------------------------------------------------------- */

static u64 random_entry(int level)
{
	u64 flags = rnd(20) ? PTE_P : 0, gfn;
	u32 kind = rnd(100), common = level > 1 ? 95 : 70;

	flags |= rnd(100) < common ? PTE_RW : 0;
	flags |= rnd(100) < common ? PTE_US : 0;
	flags |= rnd(100) < common ? 0 : PTE_NX;
	flags |= rnd(2) ? PTE_A : 0;
	flags |= rnd(2) ? PTE_D : 0;
	flags |= rnd(10) ? 0 : PTE_G | PTE_PCD;
	flags |= rnd(10) ? 0 : PTE_PWT | 1UL << (52 + rnd(11));
	if (rnd(20) == 0)
		return 0;
	if (kind == 0)
		gfn = NONE_GFN;
	else if (kind == 1)
		gfn = FAKE_MMIO_GFN + rnd(16);
	else if (kind == 2)
		gfn = 1 + rnd(60);			/* any frame: a table, a root, data */
	else if (kind <= 8 && level > 1) {
		static const gfn_t large[] = { 0, 512, FAKE_MMIO_GFN, 0, 512, FAKE_MMIO_GFN, 513, 514, NONE_GFN };

		flags |= PTE_PS;			/* reserved in level 4 */
		gfn = large[rnd(ARRAY_SIZE(large))] | (rnd(4) ? 0 : 1);
	} else if (level > 1) {
		gfn = first_gfn[level - 1] + rnd(nr_gfn[level - 1]);
	} else {
		gfn = rnd(8) ? DATA_GFN + rnd(NR_DATA) : FAKE_MMIO_GFN + rnd(4);
		flags |= rnd(8) ? 0 : PTE_PAT;
	}
	return gfn << PAGE_SHIFT | flags;
}

static u32 random_index(int level)
{
	switch (level) {
	case 4: return slots[rnd(NR_SLOTS)];
	case 3: return idx3[rnd(2)];
	case 2: return idx2[rnd(2)];
	default: return idx1[rnd(ARRAY_SIZE(idx1))];
	}
}

static void do_write(void)
{
	static const int levels[] = { 1, 1, 1, 1, 2, 2, 3, 4 };
	int level = levels[rnd(ARRAY_SIZE(levels))];
	gfn_t t = first_gfn[level] + rnd(nr_gfn[level]);
	u64 *e = &ram_table(t)[random_index(level)];

	/* a new entry, or one bit of the old */
	if (rnd(3))
		*e = random_entry(level);
	else
		*e ^= (u64[]){ PTE_P, PTE_RW, PTE_US, PTE_A, PTE_D, PTE_NX }[rnd(6)];
	snprintf(op, sizeof(op), "write %lx to table %lx", *e, t);
	model_update();
}

static void do_fill(struct vcpu *v)
{
	static const u32 accesses[] = { 0, PF_WRITE, PF_USER, PF_USER | PF_WRITE, PF_FETCH, PF_FETCH | PF_USER };
	u32 root = root_index(v->shadow.root), access, error = 0xdead, i, tries = rnd(8);
	u64 va, before[4], got;
	struct mwalk w, after;
	enum sh_result rc;
	int want;

	do {	/* more often than by chance, one that is allowed */
		va = va_of(rnd(NR_SLOTS), rnd(PER_SLOT)) | rnd(PAGE_SIZE);
		access = accesses[rnd(6)];
		w = model_walk(root, va);
		want = hypervisors(va) ? (int)access : model_error(&w, access);
	} while (want >= 0 && tries--);
	snprintf(op, sizeof(op), "vcpu %u root %u fill %lx access %x", v->id, root, va, access);
	for (i = 0; i < w.depth; i++)
		before[i] = *w.path[i];
	rc = shadow_fill(v, va, access, &error);
	if (want >= 0) {
		nr_refused++;
		if (rc != SH_FAULT || error != (u32)want)
			FAIL("result %d error %x, not a fault with %x", rc, error, want);
		for (i = 0; i < w.depth; i++)
			if (*w.path[i] != before[i])
				FAIL("refused, but an entry has changed");
		return;
	}
	nr_filled++;
	if (rc != SH_FILLED)
		FAIL("result %d error %x, but it is allowed", rc, error);
	for (i = 0; i < w.depth; i++)
		if ((*w.path[i] & ~PTE_D) != ((before[i] | PTE_A) & ~PTE_D))
			FAIL("entry %lx became %lx", before[i], *w.path[i]);
	if ((access & PF_WRITE) && !(*w.path[w.depth - 1] & PTE_D))
		FAIL("written, but not dirty");
	after = model_walk(root, va);
	if (after.leaf != w.leaf || !w.accessed)
		model_update();
	got = shadow_leaf(v->shadow.l4, va);
	nr_large += frame_of(va_to_mfn(shadow_entry(v->shadow.l4, 4, va)))->u.sh.level == 2;
	if ((got | PTE_A) != after.leaf)
		FAIL("leaf %lx, not %lx", got, after.leaf);
	hw[rnd(ARRAY_SIZE(hw))] = (struct hw_entry){ v->shadow.l4, va & PAGE_MASK, got | PTE_A };
}

/* The processor uses a leaf without a fault: it marks the leaf accessed. */
static void do_touch(struct vcpu *v)
{
	u64 va = va_of(rnd(NR_SLOTS), rnd(PER_SLOT)), *e = shadow_entry(v->shadow.l4, 4, va);

	if (!e || hypervisors(va))
		return;
	snprintf(op, sizeof(op), "vcpu %u uses %lx", v->id, va);
	*e |= PTE_A;
	hw[rnd(ARRAY_SIZE(hw))] = (struct hw_entry){ v->shadow.l4, va, shadow_leaf(v->shadow.l4, va) };
}

static void do_flush_range(struct vcpu *v)
{
	u64 va = va_of(rnd(NR_SLOTS), rnd(PER_SLOT)), nr = 1, last, here;
	u32 s, p, root = root_index(v->shadow.root);

	switch (rnd(6)) {
	case 0: nr = rnd(2000); break;
	case 1: nr = 1UL << rnd(40); va -= rnd(3) * PAGE_SIZE; break;
	case 2: nr = 512 * rnd(1024); break;
	}
	snprintf(op, sizeof(op), "vcpu %u root %u flush %lx + %lx", v->id, root, va, nr);
	shadow_flush_range(v, va, nr);
	va &= PAGE_MASK;
	last = !nr ? 0 : nr > (-va >> PAGE_SHIFT) && va ? ~0UL : va + (nr << PAGE_SHIFT) - 1;
	for (s = 0; nr && s < NR_SLOTS; s++)
		for (p = 0; p < PER_SLOT; p++) {
			here = va_of(s, p);
			if (here < va || here > last)
				continue;
			if (s < NR_LOWER) {
				user_set[root][s][p].nr = 0;
			} else {
				forget_upper(s, p);
				forget_links(s);
			}
		}
	model_update();
}

static void left_root(u32 root)
{
	u32 c;

	if (!dead_loaded[root])
		return;
	for (c = 0; c < DOM_MAX_VCPUS; c++)
		if (d->vcpu[c]->shadow.root && root_index(d->vcpu[c]->shadow.root) == root)
			return;
	dead_loaded[root] = false;
	forget_user(root);
}

static void do_load(struct vcpu *v)
{
	u32 root = rnd(NR_ROOTS), old = v->shadow.root ? root_index(v->shadow.root) : root;
	bool keep = rnd(3);
	int rc;

	if (dead_loaded[root])
		return;
	snprintf(op, sizeof(op), "vcpu %u load root %u%s", v->id, root, keep ? " keep" : "");
	rc = shadow_load(v, (u64)(ROOT_GFN + root) << PAGE_SHIFT | rnd(4096), keep);
	if (rc != (gone[ROOT_GFN + root] ? -VMI_EINVAL : 0))
		FAIL("returned %d", rc);
	if (rc)
		return;
	left_root(old);
	if (!keep)
		forget_user(root);
	model_update();
}

static void do_switch(struct vcpu *v)
{
	u32 i = rnd(SHADOW_READY), root, old = root_index(v->shadow.root);
	mfn_t l4 = ready[v->id][i].l4;

	if (!l4)
		return;
	root = (ready[v->id][i].cr3 >> PAGE_SHIFT) - ROOT_GFN;
	snprintf(op, sizeof(op), "vcpu %u is switched to root %u", v->id, root);
	nr_switched++;
	shadow_switched(v, l4);
	if (root_index(v->shadow.root) != root || v->shadow.l4 != l4 || v->cr3 != ready[v->id][i].cr3)
		FAIL("it has another root now");
	left_root(old);
}

static void do_drop(void)
{
	u32 root = rnd(NR_ROOTS), c;
	bool loaded = false;
	int rc;

	if (dead_loaded[root])
		return;
	snprintf(op, sizeof(op), "drop root %u", root);
	for (c = 0; c < DOM_MAX_VCPUS; c++)
		loaded |= root_index(d->vcpu[c]->shadow.root) == root;
	rc = shadow_root_drop(d, (ROOT_GFN + root) << PAGE_SHIFT);
	if (rc && (rc != -VMI_ENOENT || loaded))
		FAIL("returned %d", rc);
	dead_loaded[root] = loaded;
	forget_user(root);
	model_update();
}

/* Time passes. After a round of ageing a root has nothing that the guest does not mark as accessed. */
static void do_age(struct vcpu *v)
{
	struct sh_root *r = v->shadow.root;
	u32 root = root_index(r), age = d->shadow.state->age, s, p;
	struct mwalk w;
	u64 leaf;

	now += rnd(SHADOW_AGE_NS / 2) * 3UL;
	snprintf(op, sizeof(op), "vcpu %u root %u is aged", v->id, root);
	shadow_age(v, now);
	for (u32 i = 0; i < DOM_MAX_VCPUS * SHADOW_READY && d->shadow.state->age != age; i++)
		if (ready[i / SHADOW_READY][i % SHADOW_READY].l4)
			FAIL("a root is ready without being through");
	for (u32 i = 0; r->aged != d->shadow.state->age; i++) {
		if (i > 100)
			FAIL("it takes for ever");
		shadow_age(v, now);
	}
	for (s = 0; s < NR_LOWER && !r->dead && d->shadow.state->age != age; s++)
		for (p = 0; p < PER_SLOT; p++) {
			leaf = shadow_leaf(v->shadow.l4, va_of(s, p));
			w = model_walk(root, va_of(s, p));
			if (leaf && (!w.present || !w.accessed || (leaf | PTE_A) != w.leaf))
				FAIL("va %lx: leaf %lx is left", va_of(s, p), leaf);
		}
}

/* Take a frame from the domain, or give it back. */
static void do_frame(void)
{
	gfn_t gfn = 1 + rnd(60);
	mfn_t mfn = ram_mfn(gfn);

	if (rnd(2)) {
		snprintf(op, sizeof(op), "unmap gfn %lx", gfn);
		shadow_unmap_frame(d, mfn);
	} else if (gone[gfn]) {
		snprintf(op, sizeof(op), "give gfn %lx", gfn);
		p2m_set(d, gfn, mfn, 1, P2M_RAM);
		gone[gfn] = false;
		model_update();
	} else {
		snprintf(op, sizeof(op), "take gfn %lx", gfn);
		p2m_set(d, gfn, 0, 1, P2M_NONE);
		shadow_unmap_frame(d, mfn);
		gone[gfn] = true;
		forget_frame(mfn);
		model_update();
	}
	if (frame_of(mfn)->u.ram.nr_rmap && !strncmp(op, "give", 4))
		FAIL("a frame that was gone is mapped");
	if (frame_of(mfn)->u.ram.nr_rmap && strncmp(op, "give", 4))
		FAIL("still mapped");
}

static void give_back_some(void)
{
	u32 left = 0;

	for (gfn_t gfn = 1; gfn < 64; gfn++) {
		if (gone[gfn] && rnd(2)) {
			p2m_set(d, gfn, ram_mfn(gfn), 1, P2M_RAM);
			gone[gfn] = false;
		}
		left += gone[gfn];
	}
	if (!left)		/* all in one piece again */
		p2m_set(d, 0, ram_mfn(0), PTES_PER_TABLE, P2M_RAM);
	model_update();
}

static void step(u64 n)
{
	struct vcpu *v = d->vcpu[rnd(DOM_MAX_VCPUS)];
	u32 what = rnd(100);
	u32 removed = 1;

	if (overflow) {
		overflow = false;
		snprintf(op, sizeof(op), "flush all");
		shadow_flush_all(d);
		forget_all();
	} else if (what < 35) {
		do_write();
		removed = 0;
	} else if (what < 72) {
		do_fill(v);
		removed = 0;
	} else if (what < 75) {
		do_touch(v);
		removed = 0;
	} else if (what < 85) {
		do_flush_range(v);
	} else if (what < 87) {
		snprintf(op, sizeof(op), "vcpu %u flush user", v->id);
		shadow_flush_user(v);
		forget_user(root_index(v->shadow.root));
		model_update();
	} else if (what < 88) {
		snprintf(op, sizeof(op), "flush all");
		shadow_flush_all(d);
		forget_all();
	} else if (what < 93) {
		do_load(v);
	} else if (what < 96) {
		do_switch(v);
	} else if (what < 97) {
		do_age(v);
	} else if (what < 98) {
		do_drop();
	} else {
		do_frame();
	}
	hw_check();
	if (removed && !bad)
		check_leaves();
	if (n % 50 == 0)
		give_back_some();
	if (n % 100 == 0 && !bad && !shadow_check(d))
		FAIL("inconsistent");
}

/* A guest whose tables mostly work, so that fills get somewhere. */
static void start(u32 pool)
{
	u32 i, j;

	fake_reset();
	fake.on_tlb_flush = hw_flush;
	fake.on_root_slot = trampoline_slot;
	memset(ready, 0, sizeof(ready));
	hw_flush();
	memset(gone, 0, sizeof(gone));
	memset(dead_loaded, 0, sizeof(dead_loaded));
	bad = overflow = false;
	d = fake_shadow_domain(pool);
	for (int level = 1; level <= 4; level++)
		for (i = 0; i < nr_gfn[level]; i++)
			for (j = 0; j < 30; j++)
				ram_table(first_gfn[level] + i)[random_index(level)] = random_entry(level) | PTE_P;
	forget_all();
	for (i = 0; i < DOM_MAX_VCPUS; i++)
		while (!d->vcpu[i]->shadow.root)
			do_load(d->vcpu[i]);
}

static void random_steps(u32 pool)
{
	const char *seed = getenv("UNIT_SEED"), *steps = getenv("UNIT_STEPS");
	u64 n, nr = (steps ? strtoull(steps, NULL, 0) : DEFAULT_STEPS) / 2;
	u64 first_seed = seed ? strtoull(seed, NULL, 0) : (u64)time(NULL) * 2654435761 + pool;

	fake_seed = first_seed ? first_seed : 1;
	nr_filled = nr_large = nr_refused = nr_switched = 0;
	start(pool);
	for (n = 0; n < nr && !bad; n++)
		step(n);
	printf("  pool %u: seed %lu, %lu steps, %lu filled (%lu large), %lu refused, %lu switches, %lu reclaims, "
	       "%lu dropped, %lu kept\n", pool, first_seed,
	       n, nr_filled, nr_large, nr_refused, nr_switched, d->counters[VMI_CTR_RECLAIMS], d->counters[VMI_CTR_FLUSH_ENTRIES],
	       d->counters[VMI_CTR_FLUSH_KEPT]);
	if (!bad) {
		shadow_check(d);
		shadow_domain_exit(d);
	}
}

static void large_pool(void)
{
	random_steps(400);
}

static void small_pool(void)
{
	random_steps(SHADOW_MIN_TABLES);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(large_pool),
		TEST(small_pool),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
