// SPDX-License-Identifier: GPL-2.0-only
/*
 * top.c - the live view: what each domain uses, refreshed.
 *
 * One question to the daemon each turn; the difference of two answers is what
 * is shown. Without a terminal, or with --batch, it prints tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <curses.h>

#include "vmi.h"

struct row {
	json_t *d;
	double cpu;			/* per cent of one processor */
	uint64_t hypercalls, events, disk, net;	/* per second: bytes of all disks and interfaces */
};

static int sort_key = 'c';

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	switch (sort_key) {
	case 'n':
		return strcmp(str(x->d, "name"), str(y->d, "name"));
	case 'm':
		return num(x->d, "memory") < num(y->d, "memory") ? 1 : -1;
	case 'i':
		return num(x->d, "id") > num(y->d, "id") ? 1 : -1;
	}
	return x->cpu < y->cpu ? 1 : x->cpu > y->cpu ? -1 : strcmp(str(x->d, "name"), str(y->d, "name"));
}

static const json_t *same(const json_t *before, const json_t *d)
{
	const json_t *list = json_object_get(before, "domains");
	size_t i;
	json_t *b;

	json_array_foreach(list, i, b) {
		if (num(b, "id") == num(d, "id"))
			return b;
	}
	return NULL;
}

static uint64_t rate(const json_t *now, const json_t *before, const char *name, double s)
{
	uint64_t a = num(json_object_get(now, "counters"), name), b = num(json_object_get(before, "counters"), name);

	return before && a > b && s > 0 ? (a - b) / s : 0;
}

/* A counter of all devices of a kind. */
static uint64_t sum(const json_t *d, const char *kind, const char *name)
{
	uint64_t all = 0;
	size_t i;
	json_t *dev;

	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (!strcmp(str(dev, "kind"), kind))
			all += num(json_object_get(dev, "stats"), name);
	}
	return all;
}

static uint64_t traffic(const json_t *now, const json_t *before, const char *kind, const char *in, const char *out, double s)
{
	uint64_t a = sum(now, kind, in) + sum(now, kind, out), b = before ? sum(before, kind, in) + sum(before, kind, out) : a;

	return a > b && s > 0 ? (a - b) / s : 0;
}

static size_t rows_of(const json_t *now, const json_t *before, struct row *rows, size_t max)
{
	double s = before ? (num(now, "time") - num(before, "time")) / 1e9 : 0;
	const json_t *list = json_object_get(now, "domains");
	size_t i, nr = 0;
	json_t *d;

	json_array_foreach(list, i, d) {
		const json_t *b = same(before, d);
		uint64_t ns = b ? num(d, "cpu_time") - num(b, "cpu_time") : 0;

		if (nr == max)
			break;
		rows[nr++] = (struct row){ d, s > 0 ? ns / s / 1e7 : 0, rate(d, b, "hypercalls", s), rate(d, b, "events", s),
			traffic(d, b, "disk", "rd_bytes", "wr_bytes", s), traffic(d, b, "interface", "rx_bytes", "tx_bytes", s) };
	}
	qsort(rows, nr, sizeof(*rows), compare);
	return nr;
}

static void line(const struct row *r, char *out, size_t size)
{
	char memory[24], time[24], disk[24], net[24];

	format_size(num(r->d, "memory"), memory);
	format_size(r->disk, disk);
	format_size(r->net, net);
	format_time(num(r->d, "cpu_time"), time);
	snprintf(out, size, "%5lld  %-24.24s %-11s %6.1f %10s %5lld %10s %10s %10s %10llu %8llu", (long long)num(r->d, "id"), str(r->d, "name"),
		 str(r->d, "state"), r->cpu, time, (long long)num(r->d, "vcpus"), memory, disk, net, (unsigned long long)r->hypercalls,
		 (unsigned long long)r->events);
}

static void heading(char *out, size_t size)
{
	snprintf(out, size, "%5s  %-24s %-11s %6s %10s %5s %10s %10s %10s %10s %8s", "ID", "NAME", "STATE", "CPU%", "TIME", "VCPUS", "MEMORY",
		 "DISK/s", "NET/s", "HCALLS/s", "EVENTS/s");
}

static void summary(const json_t *now, const struct row *rows, size_t nr, char *out, size_t size)
{
	double cpu = 0;
	uint64_t memory = 0;
	char text[24];

	for (size_t i = 0; i < nr; i++) {
		cpu += rows[i].cpu;
		memory += num(rows[i].d, "memory");
	}
	format_size(memory, text);
	snprintf(out, size, "%zu domains, %.1f%% of a processor, %s%s", json_array_size(json_object_get(now, "domains")), cpu, text,
		 sort_key == 'c' ? "" : sort_key == 'm' ? ", by memory" : sort_key == 'n' ? ", by name" : ", by id");
}

static void draw(const json_t *now, const json_t *before)
{
	struct row rows[256];
	size_t nr = rows_of(now, before, rows, ARRAY_SIZE(rows));
	char text[256];

	erase();
	summary(now, rows, nr, text, sizeof(text));
	mvaddnstr(0, 0, text, COLS);
	heading(text, sizeof(text));
	attron(A_REVERSE);
	mvprintw(2, 0, "%-*.*s", COLS, COLS, text);
	attroff(A_REVERSE);
	for (size_t i = 0; i < nr && (int)i + 3 < LINES - 1; i++) {
		line(&rows[i], text, sizeof(text));
		mvaddnstr(3 + i, 0, text, COLS);
	}
	mvaddnstr(LINES - 1, 0, "q: leave   sort by c: processor  m: memory  n: name  i: id", COLS);
	refresh();
}

/* For json and yaml: the same, by name. */
static json_t *rows_json(const struct row *rows, size_t nr)
{
	json_t *all = json_array();

	for (size_t i = 0; i < nr; i++) {
		const struct row *r = &rows[i];

		json_array_append_new(all, json_pack("{s:I, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", (json_int_t)num(r->d, "id"),
						     "name", str(r->d, "name"), "state", str(r->d, "state"), "cpu_percent", r->cpu,
						     "cpu_time", (json_int_t)num(r->d, "cpu_time"), "vcpus", (json_int_t)num(r->d, "vcpus"),
						     "memory", (json_int_t)num(r->d, "memory"), "disk_bytes_sec", (json_int_t)r->disk,
						     "net_bytes_sec", (json_int_t)r->net, "hypercalls_sec", (json_int_t)r->hypercalls,
						     "events_sec", (json_int_t)r->events));
	}
	return all;
}

static void print_batch(const json_t *now, const json_t *before)
{
	struct row rows[256];
	size_t nr = rows_of(now, before, rows, ARRAY_SIZE(rows));
	json_t *all = rows_json(rows, nr);
	bool shown = print_object(all);
	char text[256];

	json_decref(all);
	if (shown) {
		fflush(stdout);
		return;
	}
	summary(now, rows, nr, text, sizeof(text));
	puts(text);
	heading(text, sizeof(text));
	puts(text);
	for (size_t i = 0; i < nr; i++) {
		line(&rows[i], text, sizeof(text));
		puts(text);
	}
	putchar('\n');
	fflush(stdout);
}

/* Waits for the next turn; false: the user leaves. */
static bool turn(bool batch, unsigned int delay)
{
	int key;

	if (batch) {
		sleep(delay);
		return true;
	}
	timeout(delay * 1000);
	key = getch();
	if (key != ERR && strchr("cmni", key))
		sort_key = key;
	return key != 'q' && key != 3 && key != 27;
}

static int run_top(struct cmd *c)
{
	unsigned int delay, turns, nr = 0;
	bool batch = flag(c, "batch") || opts.out != OUT_TABLE || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO);
	struct client_error e = { 0 };
	struct client *client;
	json_t *now, *before = NULL;

	if (!number(c, "delay", 2, &delay) || !number(c, "turns", 0, &turns))
		return EX_BAD_USAGE;
	if (!delay || delay > 3600)
		return error(EX_BAD_USAGE, "--delay takes seconds, 1 to 3600");
	client = daemon_open();
	if (!client)
		return daemon_status;
	if (!batch) {
		if (!newterm(NULL, stdout, stdin)) {
			batch = true;
		} else {
			cbreak();
			noecho();
			curs_set(0);
		}
	}
	do {
		now = client_call(client, "org.vmi.Stats", NULL, &e);
		if (!now)
			break;
		/* A first table would show nothing but zeroes. */
		if (batch && (before || turns == 1))
			print_batch(now, before);
		else if (!batch)
			draw(now, before);
		nr += !batch || before || turns == 1;
		json_decref(before);
		before = now;
	} while ((!turns || nr < turns) && turn(batch, delay));
	if (!batch)
		endwin();
	json_decref(before);
	client_close(client);
	return e.status ? report(&e, NULL) : EX_OK;
}

const struct verb top_verbs[] = {
	{ "top", "look", "a live view of what domains use", run_top,
	  OPTS({ "delay", 'd', NUMBER, OPTION, "seconds between two views (2)" }, { "turns", 'n', NUMBER, OPTION, "views before it ends" },
	       { "batch", 'b', FLAG, OPTION, "print tables, even on a terminal" }), false },
	{ 0 }
};
