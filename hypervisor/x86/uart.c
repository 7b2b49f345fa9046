// SPDX-License-Identifier: GPL-2.0-only
/*
 * uart.c - the two 16550 serial ports behind console lines 0 and 1.
 *
 * Output is polled, input arrives by interrupt into a ring for each line; a
 * full ring drops what comes. A port that is not there reads as 0xff and is
 * left alone. Source: National Semiconductor PC16550D data sheet.
 *
 * Locking: console_lock.
 * Trust:   guests choose bytes and lengths, never ports.
 */
#include <hv/x86.h>

#define RX_SIZE	4096

#define UART_DATA	0
#define UART_IER	1
#define UART_FCR	2
#define UART_LCR	3
#define UART_MCR	4
#define UART_LSR	5
#define LSR_DATA	0x01
#define LSR_EMPTY	0x20
#define LSR_ABSENT	0xff

static struct uart {
	const u16 base;
	const u8 irq;
	bool present;
	u32 head, tail;			/* run free */
	char rx[RX_SIZE];
} uarts[VMI_NR_CONSOLES] = {
	{ .base = 0x3f8, .irq = 4 },
	{ .base = 0x2f8, .irq = 3 },
};

void uart_init(void)
{
	for (u32 i = 0; i < VMI_NR_CONSOLES; i++) {
		struct uart *u = &uarts[i];

		u->present = inb(u->base + UART_LSR) != LSR_ABSENT;
		if (!u->present)
			continue;
		outb(u->base + UART_IER, 0);
		outb(u->base + UART_LCR, 0x80);		/* divisor 1: 115200 baud */
		outb(u->base + UART_DATA, 1);
		outb(u->base + UART_IER, 0);
		outb(u->base + UART_LCR, 0x03);		/* 8 data bits, no parity, 1 stop bit */
		outb(u->base + UART_FCR, 0x07);
		outb(u->base + UART_MCR, 0x0b);		/* DTR, RTS, OUT2: interrupts go out */
	}
}

void uart_irq_on(void)
{
	for (u32 i = 0; i < VMI_NR_CONSOLES; i++) {
		if (!uarts[i].present)
			continue;
		outb(uarts[i].base + UART_IER, 1);
		irq_isa_on(uarts[i].irq);
	}
}

bool uart_has(u32 port, u32 bytes)
{
	for (u32 i = 0; i < VMI_NR_CONSOLES; i++) {
		if (uarts[i].present && port + bytes > uarts[i].base && port < uarts[i].base + 8U)
			return true;
	}
	return false;
}

void uart_putc(u32 line, char c)
{
	struct uart *u = &uarts[line];

	if (!u->present)
		return;
	for (u32 spin = 0; !(inb(u->base + UART_LSR) & LSR_EMPTY) && spin < 1000000; spin++)
		;
	outb(u->base + UART_DATA, c);
}

size_t uart_write(u32 line, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		uart_putc(line, s[i]);
	return n;
}

size_t uart_read(u32 line, char *buf, size_t n)
{
	struct uart *u = &uarts[line];
	size_t got = 0;

	while (got < n && u->tail != u->head)
		buf[got++] = u->rx[u->tail++ % RX_SIZE];
	return got;
}

bool uart_interrupt(u8 irq, u32 *line)
{
	for (u32 i = 0; i < VMI_NR_CONSOLES; i++) {
		struct uart *u = &uarts[i];
		bool got = false;

		if (!u->present || u->irq != irq)
			continue;
		/* Bounded: a broken port that always has data must not hold the processor. */
		for (u32 k = 0; k < RX_SIZE && inb(u->base + UART_LSR) & LSR_DATA; k++) {
			char c = inb(u->base + UART_DATA);

			if (u->head - u->tail < RX_SIZE)
				u->rx[u->head++ % RX_SIZE] = c;
			got = true;
		}
		*line = i;
		return got;
	}
	return false;
}
