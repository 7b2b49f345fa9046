// SPDX-License-Identifier: GPL-2.0-only
/*
 * panic.c - the end: our own broken invariants, with registers and a
 * symbolised backtrace; and the orderly stop of a machine that cannot go on.
 *
 * The symbol table is linked in behind everything else (tools/symbols). The
 * walk follows frame pointers only inside the hypervisor's own stack.
 */
#include <hv/lib.h>
#include <hv/x86.h>
#include <stdarg.h>

extern const u64 sym_count, sym_addr[];
extern const char sym_name[];

static bool panicking;

void console_emit(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n')
			uart_putc(0, '\r');
		uart_putc(0, s[i]);
	}
}

void machine_stop(void)
{
	if (options.panic_halt) {
		console_emit("vmi: halted (panic=halt)\n", 25);
		for (;;)
			__asm__ volatile ("cli; hlt");
	}
	machine_reset();
}

static const char *symbol(u64 addr, u64 *off)
{
	const char *name = sym_name;
	u64 i;

	for (i = 0; i < sym_count && sym_addr[i] <= addr; i++)
		;
	if (!i)
		return NULL;
	*off = addr - sym_addr[i - 1];
	while (--i)
		name += strlen(name) + 1;
	return *off < 65536 ? name : NULL;
}

static void print_address(const char *what, u64 addr)
{
	const char *name;
	u64 off;

	name = symbol(addr, &off);
	if (name)
		log_info("  %s %p %s+0x%lx", what, (void *)addr, name, off);
	else
		log_info("  %s %p", what, (void *)addr);
}

static void backtrace(u64 rbp)
{
	u64 top = this_cpu()->stack_top;

	for (int depth = 0; depth < 32; depth++) {
		u64 *f = (u64 *)rbp;

		if (rbp & 7 || rbp > top - 16 || rbp < top - 16384)
			break;
		print_address("called from", f[1]);
		if (f[0] <= rbp)
			break;
		rbp = f[0];
	}
}

void print_regs(const struct regs *r)
{
	log_info("  rip %p  cs %04lx  rflags %08lx  rsp %p  ss %04lx", (void *)r->rip, r->cs, r->rflags,
		 (void *)r->rsp, r->ss);
	log_info("  rax %p  rbx %p  rcx %p  rdx %p", (void *)r->rax, (void *)r->rbx, (void *)r->rcx, (void *)r->rdx);
	log_info("  rsi %p  rdi %p  rbp %p  r8  %p", (void *)r->rsi, (void *)r->rdi, (void *)r->rbp, (void *)r->r8);
	log_info("  r9  %p  r10 %p  r11 %p  r12 %p", (void *)r->r9, (void *)r->r10, (void *)r->r11, (void *)r->r12);
	log_info("  r13 %p  r14 %p  r15 %p", (void *)r->r13, (void *)r->r14, (void *)r->r15);
	log_info("  vector %lu  error %lx  cr2 %p  cr3 %p", r->vector, r->error, (void *)READ_CR(2), (void *)READ_CR(3));
}

void panic_regs(const struct regs *r, const char *what)
{
	if (panicking)
		machine_stop();
	panicking = true;
	log_info("panic: %s", what);
	print_regs(r);
	print_address("at", r->rip);
	backtrace(r->rbp);
	machine_stop();
}

void panic(const char *fmt, ...)
{
	char why[256];
	va_list ap;

	if (!panicking) {
		panicking = true;
		va_start(ap, fmt);
		vsnprintf(why, sizeof(why), fmt, ap);
		va_end(ap);
		log_info("panic: %s", why);
		backtrace((u64)__builtin_frame_address(0));
	}
	machine_stop();
}

void fatal(const char *fmt, ...)
{
	char why[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	console_emit("vmi: ", 5);
	console_emit(why, strlen(why));
	console_emit("\n", 1);
	machine_stop();
}
