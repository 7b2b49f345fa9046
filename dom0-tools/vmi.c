// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmi.c - the command line of domain 0: today, what the hypervisor tells about
 * itself.
 *
 * A verb is a row of `verbs`: name, arguments, function, one line of help;
 * parsing and --help come from the rows. Everything is read from /proc/vmi,
 * which only root may read. Exit status: 0 done, 1 failed, 2 bad usage.
 *
 * Trust: the kernel's files are trusted, but may be of another version: unknown
 * names pass through, missing ones are errors.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>

#define PROC "/proc/vmi/"

struct options {
	bool json;
	bool all;			/* counters: zeros too */
	bool follow;			/* dmesg: go on */
	unsigned int seconds;		/* counters: what changed in so long, 0: totals */
};

struct verb {
	const char *name, *args;
	int (*run)(const struct options *o);
	const char *help;
};

static int fail(const char *file)
{
	if (errno == ENOENT)
		fprintf(stderr, "vmi: there is no %s: this kernel does not run on the VMI hypervisor\n", file);
	else if (errno == EACCES)
		fprintf(stderr, "vmi: %s: permission denied; run vmi as root in domain 0\n", file);
	else
		fprintf(stderr, "vmi: %s: %s\n", file, strerror(errno));
	return 1;
}

static json_t *value(const char *s)
{
	char *end;
	long long n = strtoll(s, &end, 10);

	return *s && !*end ? json_integer(n) : json_string(s);
}

/* The "name value" lines of a file as an object, in the file's order; NULL: said why. */
static json_t *read_pairs(const char *file)
{
	FILE *f = fopen(file, "r");
	json_t *obj = json_object();
	char line[256];

	if (!f) {
		fail(file);
		json_decref(obj);
		return NULL;
	}
	while (fgets(line, sizeof(line), f)) {
		char *sep = strchr(line, ' ');

		line[strcspn(line, "\n")] = 0;
		if (!sep)
			continue;
		*sep = 0;
		json_object_set_new(obj, line, value(sep + 1));
	}
	fclose(f);
	return obj;
}

static void print(json_t *obj, const struct options *o)
{
	const char *name;
	json_t *v;

	if (o->json) {
		json_dumpf(obj, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		json_object_foreach(obj, name, v) {
			if (json_is_integer(v))
				printf("%-20s %14lld\n", name, (long long)json_integer_value(v));
			else
				printf("%-20s %14s\n", name, json_string_value(v));
		}
	}
	json_decref(obj);
}

static int run_version(const struct options *o)
{
	json_t *obj = read_pairs(PROC "version");

	if (!obj)
		return 1;
	print(obj, o);
	return 0;
}

static int run_counters(const struct options *o)
{
	json_t *now = read_pairs(PROC "counters"), *before = NULL, *v;
	const char *name;
	void *next;

	if (!now)
		return 1;
	if (o->seconds) {
		before = now;
		sleep(o->seconds);
		now = read_pairs(PROC "counters");
		if (!now)
			return 1;
		json_object_foreach(now, name, v)
			json_integer_set(v, json_integer_value(v) - json_integer_value(json_object_get(before, name)));
		json_decref(before);
	}
	json_object_foreach_safe(now, next, name, v) {
		if (!o->all && !json_integer_value(v))
			json_object_del(now, name);
	}
	print(now, o);
	return 0;
}

static int run_dmesg(const struct options *o)
{
	FILE *f = fopen(PROC "log", "r");
	char buf[4096];
	size_t n;

	if (!f)
		return fail(PROC "log");
	for (;;) {
		while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
			fwrite(buf, 1, n, stdout);
		if (!o->follow)
			break;
		fflush(stdout);
		clearerr(f);
		sleep(1);
	}
	n = ferror(f);
	fclose(f);
	return n ? fail(PROC "log") : 0;
}

static const struct verb verbs[] = {
	{ "version", "[-o json]", run_version, "the interface's version, this domain's number and features" },
	{ "counters", "[-a] [-d SECONDS] [-o json]", run_counters,
	  "what this domain cost: hypercalls, CR3 writes, faults (-a: zeros too; -d: during so long)" },
	{ "dmesg", "[-f]", run_dmesg, "the hypervisor's log (-f: and what comes)" },
};

static void usage(FILE *f)
{
	fputs("usage: vmi VERB [OPTION]...\n\n", f);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(f, "  vmi %-9s %-28s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
	fputs("\nOptions: -o, --output table|json; -h, --help. Exit status: 0 done, 1 failed, 2 bad usage.\n", f);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(name, verbs[i].name))
			return &verbs[i];
	}
	return NULL;
}

static bool parse_seconds(const char *s, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	*out = n;
	return *s >= '0' && *s <= '9' && !*end && n && n <= 86400;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' }, { "all", no_argument, NULL, 'a' },
		{ "follow", no_argument, NULL, 'f' }, { "during", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct options o = { 0 };
	const struct verb *verb;
	int c;

	while ((c = getopt_long(argc, argv, "o:afd:h", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			o.json = !strcmp(optarg, "json");
			if (!o.json && strcmp(optarg, "table")) {
				fprintf(stderr, "vmi: unknown output \"%s\": there are table and json\n", optarg);
				return 2;
			}
			break;
		case 'a':
			o.all = true;
			break;
		case 'f':
			o.follow = true;
			break;
		case 'd':
			if (!parse_seconds(optarg, &o.seconds)) {
				fprintf(stderr, "vmi: -d %s: give seconds, 1 to 86400\n", optarg);
				return 2;
			}
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (optind != argc - 1) {
		usage(stderr);
		return 2;
	}
	verb = find_verb(argv[optind]);
	if (!verb) {
		fprintf(stderr, "vmi: unknown verb \"%s\": see vmi --help\n", argv[optind]);
		return 2;
	}
	return verb->run(&o);
}
