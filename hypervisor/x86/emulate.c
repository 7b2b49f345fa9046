// SPDX-License-Identifier: GPL-2.0-only
/*
 * emulate.c - the few privileged instructions a guest kernel may still run.
 *
 * A port replaces what it runs often by hypercalls; what is left (early boot,
 * before its patching is done, and rare paths) raises #GP in ring 1 and is
 * carried out here with the meaning that virtual state gives it. Encodings:
 * Intel SDM vol. 2. Whatever is not recognised is the guest's own #GP.
 *
 * Trust: the instruction's bytes are read once; they may change behind us,
 * which changes nothing but the guest's own fate.
 */
#include <hv/lib.h>
#include <hv/x86.h>

#define MAX_INSN	15

struct insn {
	u8 b[MAX_INSN];
	u32 have, pos;		/* bytes read from the guest; next one to decode */
	u8 rex;
	bool opsize, rep;
};

static bool fetch(struct vcpu *v, struct insn *in)
{
	u64 rip = v->regs.rip;
	u32 to_page_end = PAGE_SIZE - (rip & ~PAGE_MASK);

	in->have = MIN(to_page_end, (u32)MAX_INSN);
	if (copy_from_guest(v, in->b, rip, in->have))
		return false;
	/* The rest may lie on a page that is not there; short instructions do not need it. */
	if (in->have < MAX_INSN && !copy_from_guest(v, in->b + in->have, rip + in->have, MAX_INSN - in->have))
		in->have = MAX_INSN;
	return true;
}

static int next(struct insn *in)
{
	return in->pos < in->have ? in->b[in->pos++] : -1;
}

/* A general register by its number in ModRM with REX. */
static u64 *gpr(struct vcpu *v, u32 n)
{
	struct regs *r = &v->regs;
	u64 *const map[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
		&r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};

	return map[n & 15];
}

/* The address of a ModRM memory operand; false where the bytes end. */
static bool effective_address(struct vcpu *v, struct insn *in, u8 modrm, u64 *va)
{
	u32 mod = modrm >> 6, rm = modrm & 7, disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	bool rip_relative = false;
	u64 a = 0;
	s64 d = 0;

	if (rm == 4) {
		int sib = next(in);
		u32 base, index;

		if (sib < 0)
			return false;
		base = sib & 7;
		index = (sib >> 3 & 7) | (in->rex & 2) << 2;
		if (base == 5 && mod == 0)
			disp = 4;
		else
			a = *gpr(v, base | (in->rex & 1) << 3);
		if (index != 4)
			a += *gpr(v, index) << (sib >> 6);
	} else if (rm == 5 && mod == 0) {
		disp = 4;
		rip_relative = true;
	} else {
		a = *gpr(v, rm | (in->rex & 1) << 3);
	}
	for (u32 i = 0; i < disp; i++) {
		int c = next(in);

		if (c < 0)
			return false;
		d |= (s64)c << (8 * i);
	}
	if (disp == 1)
		d = (s8)d;
	else if (disp == 4)
		d = (s32)(u32)d;
	*va = a + d + (rip_relative ? v->regs.rip + in->pos : 0);
	return true;
}

static bool mov_from_cr(struct vcpu *v, u32 cr, u64 *reg)
{
	switch (cr) {
	case 0: *reg = CR0_GUEST; return true;
	case 2: *reg = v->shared->cr2; return true;
	case 3: *reg = v->cr3; return true;
	case 4: *reg = v->cr4; return true;
	case 8: *reg = 0; return true;
	default: return false;
	}
}

static bool mov_to_cr(struct vcpu *v, u32 cr, u64 val)
{
	switch (cr) {
	case 0:				/* paging, protection and WP stay on */
		return true;
	case 2:
		v->shared->cr2 = val;
		return true;
	case 3:
		return !vcpu_load_cr3(v, val);
	case 4:
		return cr4_write_policy(v, val);
	case 8:
		return !val;
	default:
		return false;
	}
}

/* The guest's own iretq to its kernel, before it can do better: the frame shows CS with RPL 0. */
static bool emulate_iretq(struct vcpu *v, struct insn *in)
{
	struct regs *r = &v->regs;
	u64 f[5];

	if (!(in->rex & 8) || copy_from_guest(v, f, r->rsp, sizeof(f)))
		return false;
	if (f[1] != (VMI_KERNEL_CS & ~3UL) || !va_canonical(f[0]))
		return false;
	r->rip = f[0];
	r->rflags = f[2];
	r->rsp = f[3];
	r->ss = 1;
	WRITE_ONCE(v->shared->vif, !!(f[2] & RFLAGS_IF));
	in->pos = 0;
	return true;
}

static bool two_byte(struct vcpu *v, struct insn *in)
{
	struct regs *r = &v->regs;
	int op = next(in), modrm;
	u64 val;

	switch (op) {
	case 0x01:
		modrm = next(in);
		if (modrm == 0xd1) {			/* xsetbv */
			val = (u32)r->rax | r->rdx << 32;
			return xcr_write_policy(v, r->rcx, val);
		}
		if (modrm == 0xf8)			/* swapgs */
			return gs_swap(v);
		if (modrm >= 0 && modrm < 0xc0 && (modrm >> 3 & 7) == 7) {	/* invlpg */
			if (!effective_address(v, in, modrm, &val))
				return false;
			shadow_flush_range(v, val, 1);
			return true;
		}
		return false;
	case 0x06:					/* clts: TS is never set */
	case 0x08:					/* invd and wbinvd: RAM is coherent */
	case 0x09:
		return true;
	case 0x20:					/* mov from and to control registers */
	case 0x22:
		modrm = next(in);
		if (modrm < 0)
			return false;
		if (op == 0x20)
			return mov_from_cr(v, (modrm >> 3 & 7) | (in->rex & 4) << 1, gpr(v, (modrm & 7) | (in->rex & 1) << 3));
		return mov_to_cr(v, (modrm >> 3 & 7) | (in->rex & 4) << 1, *gpr(v, (modrm & 7) | (in->rex & 1) << 3));
	case 0x21:					/* and debug registers */
	case 0x23:
		modrm = next(in);
		if (modrm < 0 || (in->rex & 4))
			return false;
		if (op == 0x23)
			return debugreg_write_policy(v, modrm >> 3 & 7, *gpr(v, (modrm & 7) | (in->rex & 1) << 3));
		*gpr(v, (modrm & 7) | (in->rex & 1) << 3) = debugreg_read(v, modrm >> 3 & 7);
		return true;
	case 0x30:					/* wrmsr */
		return msr_write_policy(v, r->rcx, (u32)r->rax | r->rdx << 32);
	case 0x32:					/* rdmsr */
		if (!msr_read_policy(v, r->rcx, &val))
			return false;
		r->rax = (u32)val;
		r->rdx = val >> 32;
		return true;
	default:
		return false;
	}
}

/* in and out. A port that is not the domain's reads as a missing device does, and swallows writes. */
static bool port_io(struct vcpu *v, struct insn *in, u8 op)
{
	u32 bytes = !(op & 1) ? 1 : in->opsize ? 2 : 4;
	u64 mask = BIT(8 * bytes) - 1;
	int port = op & 8 ? (u16)v->regs.rdx : next(in);

	if (port < 0)
		return false;
	if (op & 2)
		port_out(v->domain, port, bytes, v->regs.rax);
	else if (bytes == 4)
		v->regs.rax = port_in(v->domain, port, bytes);
	else
		v->regs.rax = (v->regs.rax & ~mask) | (port_in(v->domain, port, bytes) & mask);
	return true;
}

/*
 * ins and outs, a chunk at a time: a repetition that is not at its end runs
 * the instruction again. Memory is tried before a port is read.
 */
static bool port_string(struct vcpu *v, struct insn *in, u8 op)
{
	struct regs *r = &v->regs;
	u32 bytes = !(op & 1) ? 1 : in->opsize ? 2 : 4, val;
	u8 buf[256] = { 0 };
	u64 n = in->rep ? MIN(r->rcx, sizeof(buf) / bytes) : 1;

	if (r->rflags & RFLAGS_DF)
		return false;
	if (op & 2 ? copy_from_guest(v, buf, r->rsi, n * bytes) : copy_to_guest(v, r->rdi, buf, n * bytes))
		return false;
	for (u64 i = 0; i < n; i++) {
		u8 *p = buf + i * bytes;

		if (op & 2) {
			val = 0;
			memcpy(&val, p, bytes);
			port_out(v->domain, r->rdx, bytes, val);
		} else {
			val = port_in(v->domain, r->rdx, bytes);
			memcpy(p, &val, bytes);
		}
	}
	if (op & 2)
		r->rsi += n * bytes;
	else if (copy_to_guest(v, r->rdi, buf, n * bytes))
		return false;
	else
		r->rdi += n * bytes;
	if (in->rep)
		r->rcx -= n;
	if (in->rep && r->rcx)
		in->pos = 0;
	return true;
}

/* in.pos is then what RIP has to move on. */
static bool one_byte(struct vcpu *v, struct insn *in, int op)
{
	switch (op) {
	case 0x0f:
		return two_byte(v, in);
	case 0x6c ... 0x6f:
		return port_string(v, in, op);
	case 0xcf:
		return emulate_iretq(v, in);
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef:
		return port_io(v, in, op);
	case 0xfa:					/* cli */
		WRITE_ONCE(v->shared->vif, 0);
		return true;
	case 0xfb:					/* sti: no event between it and a hlt behind it */
		WRITE_ONCE(v->shared->vif, 1);
		if (in->pos == in->have || in->b[in->pos] != 0xf4)
			return true;
		in->pos++;
		/* fall through */
	case 0xf4:					/* hlt */
		vcpu_block(v);
		return true;
	default:
		return false;
	}
}

bool emulate(struct vcpu *v)
{
	struct insn in = { .pos = 0 };
	int op;

	if (!fetch(v, &in))
		return false;
	for (;;) {
		op = next(&in);
		if (op == 0x66)
			in.opsize = true;
		else if (op == 0xf2 || op == 0xf3)
			in.rep = true;
		else if (op != 0x2e && op != 0x3e)
			break;
	}
	if (op >= 0x40 && op <= 0x4f) {
		in.rex = op;
		op = next(&in);
	}
	if (!one_byte(v, &in, op))
		return false;
	COUNT(v->domain, EMULATED);
	v->regs.rip += in.pos;
	return true;
}
