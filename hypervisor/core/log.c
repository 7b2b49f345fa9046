// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - the log ring and the two ways to write to it.
 *
 * Each line is prefixed "(vmi) " on the console so that it stands out among
 * domain 0's own output. What guests cause is rate-limited: after a burst of
 * 20 lines in a second the rest of that second is counted, not shown.
 *
 * Locking: console_lock.
 */
#include <hv/lib.h>

#define LOG_SIZE	65536
#define BURST		20
#define WINDOW_NS	1000000000UL

static char ring[LOG_SIZE];
static u64 written;			/* absolute offset of the next byte */

static void emit(const char *fmt, va_list ap)
{
	char line[512];
	size_t n;

	n = snprintf(line, sizeof(line), "(vmi) ");
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	n = MIN(n, sizeof(line) - 2);
	line[n++] = '\n';
	for (size_t i = 0; i < n; i++)
		ring[written++ % LOG_SIZE] = line[i];
	console_emit(line, n);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
}

void log_guest(const char *fmt, ...)
{
	static u64 window;
	static u32 shown, dropped;
	u64 now = now_ns();
	va_list ap;

	if (now - window > WINDOW_NS) {
		if (dropped)
			log_info("%u more lines caused by guests were not shown", dropped);
		window = now;
		shown = dropped = 0;
	}
	if (shown >= BURST) {
		dropped++;
		return;
	}
	shown++;
	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
}

size_t log_copy(u64 off, char *buf, size_t n, u64 *start)
{
	u64 oldest = written > LOG_SIZE ? written - LOG_SIZE : 0;
	size_t got = 0;

	off = MAX(off, oldest);
	*start = off;
	while (got < n && off < written)
		buf[got++] = ring[off++ % LOG_SIZE];
	return got;
}
