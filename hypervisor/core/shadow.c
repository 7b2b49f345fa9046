// SPDX-License-Identifier: GPL-2.0-only
/*
 * shadow.c - shadow page tables: a TLB in software.
 *
 * A guest's page tables are ordinary guest memory and the processor never sees
 * them. It walks shadow tables, which behave as a TLB does: empty at first, filled
 * a few pages at a time from the guest's tables on a miss, emptied where the guest
 * asks. What the guest writes into its tables has no effect until a fill reads
 * it, and a fill maps only frames that the p2m grants; so nothing in them can
 * be dangerous, and they are neither write-protected nor checked.
 *
 * Like a TLB entry, a leaf holds the permissions of the guest's whole walk, and
 * entries above it grant everything (SH_TABLE). A change higher up in the
 * guest's tables therefore matters through the leaves made from it, which the
 * guest must flush by address for a real TLB, too.
 *
 *   - A large guest page is filled in 2 MiB leaves where its frames are 2 MiB of
 *     RAM in one piece, else in 4 KiB pieces.
 *   - Writable only once the guest's entry is dirty, so the first write comes here.
 *   - Upper half: never user-accessible (rule R1). G is never set.
 *   - Absent entries are all zero (rule R24).
 *
 * Which table serves whom (rule M1):
 *
 *   level 4                one for each (guest root, vCPU)
 *   slots 0-255, level 3-1 of the guest root; its L4s share them
 *   slot 256               the arch code's per-vCPU area, not made here
 *   slots 257-510          level 3 by (slot, guest's L4 entry), shared by all
 *                          roots, so a kernel flush happens once. An L4 may link
 *                          one whose key is stale; the next fill through it
 *                          links the right one
 *   slot 511               the same, and for each vCPU: its last 2 MiB hold the
 *                          shared page's alias, mapped by the vCPU's own level 1
 *                          table, which no flush touches. alias_l3 is the table
 *                          for a guest entry that is not present
 *
 * Files: this one has roots and loads; shfill.c fills; shflush.c all that
 * removes; shread.c reads entries again instead; shage.c does so once a second;
 * shpool.c is the bounded pool of pages; rmap.c finds the leaves of a frame.
 *
 * Invariant: what a processor's TLB holds for a domain is in its shadow tables or
 *            was removed by an operation that has not yet ended (sh_sync()).
 *            u.sh.nr of a table is its number of present entries; an L4 has none,
 *            but its root says which slots of the user half are in use.
 * Locking:   shadow_lock of the domain covers its tables, roots, pool and reverse
 *            maps, from a fill's walk of the guest's tables to the installed leaf
 *            (rule M4).
 * Trust:     addresses, roots and tables are the guest's; the p2m is ours.
 */
#include "shadow_priv.h"

/* Reclaim keeps for each vCPU an L4, the three tables of alias_l3, and a slab page for its root. */
_Static_assert(SHADOW_MIN_TABLES >= 5 * DOM_MAX_VCPUS + 2 * SH_RESERVE, "SHADOW_MIN_TABLES");

mfn_t sh_table_new(struct domain *d, int level)
{
	mfn_t mfn = sh_page_new(d);

	frame_of(mfn)->u.sh.level = level;
	return mfn;
}

/* ---- Upper half ------------------------------------------------------- */

static mfn_t upper_find(struct domain *d, unsigned int slot, u64 key)
{
	mfn_t l3 = d->shadow.state->upper[slot - SLOT_UPPER];

	while (l3 && frame_of(l3)->u.sh.key != key)
		l3 = frame_of(l3)->u.sh.next;
	return l3;
}

/* The level 1 table with the vCPU's alias of its shared page. */
static mfn_t alias_l1_new(struct vcpu *v)
{
	mfn_t l1 = sh_table_new(v->domain, 1);
	u64 *t = mfn_to_va(l1);

	entry_added(&t[pt_index(VMI_SHARED, 1)]);
	t[pt_index(VMI_SHARED, 1)] = v->shared_mfn << PAGE_SHIFT | PTE_P | PTE_RW | PTE_NX | PTE_A | PTE_D;
	return l1;
}

/* Make the path to it below a new level 3 table of slot 511. The first such table of a vCPU is its alias_l3. */
static void alias_build(struct vcpu *v, mfn_t l3)
{
	u64 *e3 = (u64 *)mfn_to_va(l3) + PTES_PER_TABLE - 1, *e2;
	mfn_t l2 = sh_table_new(v->domain, 2), l1;

	if (v->shadow.alias_l3) {
		e2 = (u64 *)mfn_to_va(v->shadow.alias_l3) + PTES_PER_TABLE - 1;
		e2 = (u64 *)mfn_to_va(entry_mfn(*e2)) + PTES_PER_TABLE - 1;
		l1 = entry_mfn(*e2);
	} else {
		v->shadow.alias_l3 = l3;
		l1 = alias_l1_new(v);
	}
	e2 = (u64 *)mfn_to_va(l2) + PTES_PER_TABLE - 1;
	entry_added(e2);
	link_table(e2, l1, 0);
	entry_added(e3);
	link_table(e3, l2, 0);
}

mfn_t sh_upper_get(struct vcpu *v, unsigned int slot, u64 key)
{
	u32 *list = &v->domain->shadow.state->upper[slot - SLOT_UPPER];
	mfn_t l3 = upper_find(v->domain, slot, key);

	if (l3)
		return l3;
	l3 = sh_table_new(v->domain, 3);
	frame_of(l3)->u.sh.key = key;
	frame_of(l3)->u.sh.next = *list;
	*list = l3;
	v->domain->shadow.state->upper_used[slot / 64 - SLOT_UPPER / 64] |= BIT(slot % 64);
	if (slot == SLOT_TOP)
		alias_build(v, l3);
	return l3;
}

/* ---- Roots ------------------------------------------------------------ */

static struct sh_root *root_find(struct domain *d, u64 gpa)
{
	struct sh_root *r = d->shadow.state->hash[(gpa >> PAGE_SHIFT) % ROOT_HASH];

	while (r && r->gpa != gpa)
		r = r->hash_next;
	return r;
}

static void root_unlink(struct domain *d, struct sh_root *r)
{
	if (r->newer)
		r->newer->older = r->older;
	else
		d->shadow.roots = r->older;
	if (r->older)
		r->older->newer = r->newer;
	else
		d->shadow.state->oldest = r->newer;
}

static void root_link_newest(struct domain *d, struct sh_root *r)
{
	r->newer = NULL;
	r->older = d->shadow.roots;
	if (r->older)
		r->older->newer = r;
	else
		d->shadow.state->oldest = r;
	d->shadow.roots = r;
}

static struct sh_root *root_new(struct domain *d, u64 gpa)
{
	struct sh_state *s = d->shadow.state;
	struct sh_root **bucket = &s->hash[(gpa >> PAGE_SHIFT) % ROOT_HASH];
	struct sh_root *r = slab_alloc(d, &s->roots);

	*r = (struct sh_root){ .gpa = gpa, .hash_next = *bucket, .aged = s->age };
	*bucket = r;
	root_link_newest(d, r);
	return r;
}

/*
 * A new L4 starts with what other roots have filled for the same upper-half
 * entries: a new address space then finds the kernel warm. Only entries that
 * are marked accessed: another root's use must not stand for this one's.
 */
static mfn_t l4_new(struct vcpu *v, mfn_t guest_root)
{
	const u64 *guest = mfn_to_va(guest_root);
	mfn_t l4 = sh_table_new(v->domain, 4), l3;
	u64 *t = mfn_to_va(l4);
	unsigned int slot;
	u64 e;

	sh_upper_get(v, SLOT_TOP, upper_key(v->id, SLOT_TOP, 0));
	for (slot = next_upper(v->domain, SLOT_AREA + 1); slot <= SLOT_TOP; slot = next_upper(v->domain, slot + 1)) {
		e = READ_ONCE(guest[slot]);
		if ((e & (PTE_P | PTE_A)) != (PTE_P | PTE_A))
			e = 0;
		if (slot == SLOT_TOP)
			l3 = sh_upper_get(v, slot, upper_key(v->id, slot, e));
		else
			l3 = e ? upper_find(v->domain, slot, upper_key(v->id, slot, e)) : 0;
		if (l3)
			link_table(&t[slot], l3, 0);
	}
	frame_of(l4)->u.sh.key = v->domain->shadow.state->epoch;
	return l4;
}

static void root_unhash(struct domain *d, struct sh_root *r)
{
	struct sh_root **p = &d->shadow.state->hash[(r->gpa >> PAGE_SHIFT) % ROOT_HASH];

	while (*p != r)
		p = &(*p)->hash_next;
	*p = r->hash_next;
}

/* Free a root that no vCPU has loaded. */
void sh_root_free(struct domain *d, struct sh_root *r)
{
	unsigned int c;

	BUG_ON(r->users);
	sh_root_clear_user(d, r);
	for (c = 0; c < DOM_MAX_VCPUS; c++)
		sh_l4_free(d, r, c);
	if (!r->dead)
		root_unhash(d, r);
	root_unlink(d, r);
	slab_free(d, &d->shadow.state->roots, r);
}

static void root_put(struct domain *d, struct sh_root *r)
{
	BUG_ON(!r->users);
	if (!--r->users && r->dead)
		sh_root_free(d, r);
}

static void root_use(struct vcpu *v, struct sh_root *r)
{
	struct domain *d = v->domain;
	struct sh_root *old = v->shadow.root;

	if (r != d->shadow.roots) {
		root_unlink(d, r);
		root_link_newest(d, r);
	}
	if (r == old)
		return;
	r->users++;
	v->shadow.root = r;
	v->shadow.l4 = r->l4[v->id];
	if (old)
		root_put(d, old);
}

/* Not by itself to the root any more: it goes away, or has been replaced. */
void sh_root_forget(struct domain *d, struct sh_root *r, unsigned int c)
{
	struct sh_vcpu *sv = d->vcpu[c] ? &d->vcpu[c]->shadow : NULL;

	for (u32 i = 0; sv && i < SHADOW_READY; i++) {
		if (sv->ready[i].root != r)
			continue;
		sv->ready[i].root = NULL;
		arch_root_slot(d->vcpu[c], i, 0, 0);
	}
}

/* The loaded root, which the guest calls `cr3`, takes its own place or the oldest one's. */
static void root_ready(struct vcpu *v, u64 cr3)
{
	struct sh_vcpu *sv = &v->shadow;
	u32 i;

	for (i = 0; i < SHADOW_READY; i++)
		if (sv->ready[i].root == sv->root)
			break;
	if (i == SHADOW_READY)
		i = sv->next_ready++ % SHADOW_READY;
	sv->ready[i] = (struct sh_ready){ .cr3 = cr3, .root = sv->root };
	arch_root_slot(v, i, cr3, sv->l4);
}

void shadow_switched(struct vcpu *v, mfn_t l4)
{
	struct sh_ready *r = v->shadow.ready;

	while (!r->root || r->root->l4[v->id] != l4) {
		r++;
		BUG_ON(r == v->shadow.ready + SHADOW_READY);
	}
	v->cr3 = r->cr3;
	root_use(v, r->root);
	sh_sync(v->domain);			/* the old root may have been dead */
}

int shadow_load(struct vcpu *v, u64 cr3, bool keep)
{
	struct domain *d = v->domain;
	u64 gpa = cr3 & PAGE_MASK;
	struct sh_root *r;
	mfn_t guest_root;

	if ((gpa & ~PTE_ADDR) || p2m_get(d, gpa >> PAGE_SHIFT, &guest_root) != P2M_RAM)
		return -VMI_EINVAL;
	if (!sh_reserve(d, SH_RESERVE))
		return -VMI_ENOMEM;

	r = root_find(d, gpa);
	if (!r)
		r = root_new(d, gpa);
	if (!r->l4[v->id])
		r->l4[v->id] = l4_new(v, guest_root);
	((u64 *)mfn_to_va(r->l4[v->id]))[SLOT_AREA] = v->shadow.area_l4e;
	if (frame_of(r->l4[v->id])->u.sh.key != d->shadow.state->epoch)
		sh_recheck_links(d, r, v->id, SLOT_UPPER, SLOT_TOP);
	root_use(v, r);
	/* The trampoline's switches must not keep it from getting old. */
	if (sh_root_age(d, r))
		root_ready(v, cr3);
	if (!keep)
		shadow_flush_user(v);
	else
		sh_sync(d);
	return 0;
}

int shadow_root_drop(struct domain *d, u64 gpa)
{
	struct sh_root *r = root_find(d, gpa);

	if (!r)
		return -VMI_ENOENT;
	/* A vCPU may still run on its upper half: then the last load elsewhere frees it. */
	if (r->users) {
		root_unhash(d, r);
		r->dead = true;
		for (unsigned int c = 0; c < DOM_MAX_VCPUS; c++)
			sh_root_forget(d, r, c);
		sh_root_clear_user(d, r);
	} else {
		sh_root_free(d, r);
	}
	sh_sync(d);
	return 0;
}

/* ---- Domains ---------------------------------------------------------- */

int shadow_domain_init(struct domain *d, u32 max_tables)
{
	struct sh_state *s;

	if (max_tables < SHADOW_MIN_TABLES)
		return -VMI_EINVAL;
	s = page_new(d->id);
	if (!s)
		return -VMI_ENOMEM;
	s->roots.size = ALIGN_UP(sizeof(struct sh_root), RMAP_NODE_SIZE);
	s->nodes.size = RMAP_NODE_SIZE;
	d->shadow = (struct sh_domain){ .max_tables = max_tables, .state = s };
	return 0;
}

/* The vCPU's alias tables; nothing else is left in them. */
static void alias_free(struct vcpu *v)
{
	mfn_t table = v->shadow.alias_l3;
	u64 *e, next;
	int level;

	v->domain->shadow.state->upper[SLOT_TOP - SLOT_UPPER] = 0;
	for (level = 3; level > 0; level--) {
		e = (u64 *)mfn_to_va(table) + (level > 1 ? PTES_PER_TABLE - 1 : pt_index(VMI_SHARED, 1));
		next = entry_mfn(*e);
		*e = 0;
		sh_page_free(v->domain, table);
		table = next;
	}
	v->domain->shadow.state->stale = true;
	v->shadow.alias_l3 = 0;
}

bool shadow_domain_drain(struct domain *d, u32 nr)
{
	for (unsigned int c = 0; c < DOM_MAX_VCPUS; c++) {
		struct vcpu *v = d->vcpu[c];

		if (v && v->shadow.root) {
			v->shadow.root->users--;
			v->shadow.root = NULL;
		}
	}
	while (nr--)
		if (!sh_reclaim(d))
			return true;
	return false;
}

void shadow_domain_exit(struct domain *d)
{
	struct sh_state *s = d->shadow.state;
	struct vcpu *v;
	unsigned int c;

	while (!shadow_domain_drain(d, 1))
		;
	for (c = 0; c < DOM_MAX_VCPUS; c++) {
		v = d->vcpu[c];
		if (v && v->shadow.alias_l3)
			alias_free(v);
	}
	sh_sync(d);
	while (s->nr_spare) {
		frame_put(sh_page_new(d));
		d->shadow.nr_tables--;
	}
	BUG_ON(d->shadow.nr_tables);
	page_free(s);
	d->shadow.state = NULL;
	d->counters[VMI_CTR_SHADOW_TABLES] = 0;
}
