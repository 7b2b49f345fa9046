// SPDX-License-Identifier: GPL-2.0-only
/*
 * hvc_vmi.c - the hypervisor's console lines as /dev/hvc0 and /dev/hvc1, and
 * a boot console on line 0 from the first instruction of C.
 */
#include <linux/console.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include "../../../drivers/tty/hvc/hvc_console.h"
#include "vmi.h"

#define OUT_BUFFER	1024

static int get_chars(u32 line, char *buf, int len)
{
	long n = vmi_console_read(line, buf, len);

	return n < 0 ? 0 : n;
}

static int put_chars(u32 line, const char *buf, int len)
{
	long n = vmi_console_write(line, buf, len);

	return n < 0 ? -EIO : n;
}

static const struct hv_ops vmi_hvc_ops = {
	.get_chars	= get_chars,
	.put_chars	= put_chars,
	.notifier_add	= notifier_add_irq,
	.notifier_del	= notifier_del_irq,
	.notifier_hangup = notifier_hangup_irq,
};

static void write_all(const char *s, unsigned int len)
{
	while (len) {
		long n = vmi_console_write(0, s, len);

		if (n <= 0)
			return;
		s += n;
		len -= n;
	}
}

static void boot_console_write(struct console *con, const char *s, unsigned int len)
{
	while (len) {
		const char *nl = memchr(s, '\n', len);
		unsigned int n = nl ? nl - s : len;

		write_all(s, n);
		if (nl) {
			write_all("\r\n", 2);
			n++;
		}
		s += n;
		len -= n;
	}
}

static struct console boot_console = {
	.name	= "vmi",
	.write	= boot_console_write,
	.flags	= CON_PRINTBUFFER | CON_BOOT | CON_ANYTIME,
	.index	= -1,
};

void __init vmi_console_init(void)
{
	early_console = &boot_console;
	register_console(&boot_console);
	/* The default, which console= on the command line overrides. */
	add_preferred_console("hvc", 0, NULL);
}

/* Lets printk use line 0 before the terminal layer is up. */
static int __init hvc_console_early(void)
{
	if (boot_cpu_has(X86_FEATURE_VMI))
		hvc_instantiate(0, 0, &vmi_hvc_ops);
	return 0;
}
console_initcall(hvc_console_early);

static int __init hvc_lines_init(void)
{
	u32 line;

	if (!boot_cpu_has(X86_FEATURE_VMI))
		return 0;
	for (line = 0; line < VMI_NR_CONSOLES; line++) {
		int irq = vmi_bind_virq(VMI_VIRQ_CONSOLE + line);
		struct hvc_struct *hp;

		/* without an interrupt the driver polls */
		hp = hvc_alloc(line, irq > 0 ? irq : 0, &vmi_hvc_ops, OUT_BUFFER);
		if (IS_ERR(hp))
			pr_err("vmi: console line %u: %ld\n", line, PTR_ERR(hp));
	}
	return 0;
}
device_initcall(hvc_lines_init);
