// SPDX-License-Identifier: GPL-2.0-only
/*
 * frame.c - the frame table, and the heap of free frames.
 *
 * One struct frame for each machine frame. A frame of type FRAME_FREE is on the
 * heap's list and has no references; FRAME_NONE is no memory of ours; any other
 * type has an owner and at least one reference, and the last reference that is
 * dropped puts the frame on the heap.
 *
 * A domain has a budget: frames that nobody else can have, so that memory which
 * is taken only when it is touched is there then.
 *
 * Invariant: the budgets together never exceed the free frames;
 *            a frame that a shadow leaf maps is never put on the heap: whoever
 *            takes it back calls shadow_unmap_frame() first.
 * Locking:   heap_lock, innermost (one processor today, so there is none).
 * Trust:     callers are the hypervisor's own; a wrong reference count is BUG_ON.
 */
#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>

struct frame *frame_table;
u64 nr_frames;
static u32 free_head;			/* mfn, 0: empty */
static u64 nr_free, nr_promised;	/* the latter: of all budgets */

static struct budget {
	u32 left;
	bool open;
} budgets[VMI_MAX_DOMAINS];

void frame_init(struct frame *table, u64 nr)
{
	BUG_ON(nr > (u32)-1);
	memset(table, 0, nr * sizeof(*table));
	frame_table = table;
	nr_frames = nr;
	free_head = 0;
	nr_free = nr_promised = 0;
	memset(budgets, 0, sizeof(budgets));
}

static struct budget *budget_of(u16 owner)
{
	return owner < VMI_MAX_DOMAINS && budgets[owner].open ? &budgets[owner] : NULL;
}

bool heap_budget(u16 owner, u64 nr)
{
	BUG_ON(owner >= VMI_MAX_DOMAINS || budgets[owner].open);
	if (nr > nr_free - nr_promised || nr > (u32)-1)
		return false;
	budgets[owner] = (struct budget){ nr, true };
	nr_promised += nr;
	return true;
}

bool heap_budget_change(u16 owner, s64 by)
{
	struct budget *b = &budgets[owner];

	if (by > 0 ? (u64)by > nr_free - nr_promised || b->left + by > (u32)-1 : (u64)-by > b->left)
		return false;
	b->left += by;
	nr_promised += by;
	return true;
}

void heap_budget_end(u16 owner)
{
	nr_promised -= budgets[owner].left;
	budgets[owner] = (struct budget){ 0 };
}

static bool range_ok(mfn_t mfn, u64 nr)
{
	return mfn <= nr_frames && nr <= nr_frames - mfn;
}

void frame_assign(mfn_t mfn, u64 nr, u16 owner, enum frame_type type)
{
	struct frame *f;

	BUG_ON(!range_ok(mfn, nr) || type == FRAME_NONE || type == FRAME_FREE);
	for (f = &frame_table[mfn]; f < &frame_table[mfn + nr]; f++) {
		BUG_ON(f->type != FRAME_NONE);
		*f = (struct frame){ .refs = 1, .owner = owner, .type = type };
	}
}

static void heap_push(struct frame *f)
{
	*f = (struct frame){ .owner = DOMID_NONE, .type = FRAME_FREE };
	f->u.next_free = free_head;
	free_head = f - frame_table;
	nr_free++;
}

void heap_add(mfn_t mfn, u64 nr)
{
	u64 i;

	BUG_ON(!range_ok(mfn, nr));
	/* Backwards, so that low frames are handed out first. */
	for (i = mfn + nr; i-- > mfn;) {
		BUG_ON(frame_table[i].type != FRAME_NONE);
		if (i)
			heap_push(&frame_table[i]);
	}
}

mfn_t heap_alloc(u16 owner, enum frame_type type)
{
	struct budget *b = budget_of(owner);
	mfn_t mfn = free_head;
	struct frame *f;

	if (b && b->left) {
		b->left--;
		nr_promised--;
	} else if (nr_free == nr_promised) {
		return MFN_NONE;
	}
	f = &frame_table[mfn];
	BUG_ON(f->type != FRAME_FREE || f->refs);
	free_head = f->u.next_free;
	nr_free--;
	*f = (struct frame){ .refs = 1, .owner = owner, .type = type };
	memset(mfn_to_va(mfn), 0, PAGE_SIZE);
	return mfn;
}

void *page_new(u16 owner)
{
	mfn_t mfn = heap_alloc(owner, FRAME_HV);

	return mfn == MFN_NONE ? NULL : mfn_to_va(mfn);
}

void page_free(void *p)
{
	if (p)
		frame_put(va_to_mfn(p));
}

u64 heap_free_frames(void)
{
	return nr_free - nr_promised;
}

bool frame_get(mfn_t mfn)
{
	struct frame *f = frame_of(mfn);

	if (!f || !f->refs || f->refs == (u32)-1)
		return false;
	f->refs++;
	return true;
}

void frame_put(mfn_t mfn)
{
	struct frame *f = frame_of(mfn);
	struct budget *b;

	BUG_ON(!f || !f->refs);
	if (--f->refs)
		return;
	BUG_ON(f->type == FRAME_RAM && f->u.ram.nr_rmap);
	b = budget_of(f->owner);
	heap_push(f);
	if (b) {
		b->left++;
		nr_promised++;
	}
}
