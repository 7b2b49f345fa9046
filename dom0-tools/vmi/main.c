// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - vmi, the command line of domain 0: options, verbs, help.
 *
 * Arguments may come in any order, as virsh takes them: options by name, the
 * others by place; --domain NAME is the same as NAME. Called as virsh, it
 * prints as virsh does, for scripts that know only that.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmi.h"

struct options opts = { .headings = true };

const struct verb *const verb_tables[] = {
	life_verbs, look_verbs, top_verbs, talk_verbs, edit_verbs, attach_verbs, device_verbs, address_verbs, network_verbs, host_verbs, file_verbs, ease_verbs, NULL
};

const char *const group_names[][2] = {
	{ "life", "Life" }, { "look", "Look" }, { "talk", "Talk" }, { "edit", "Change" }, { "devices", "Devices" }, { "networks", "Networks" }, { "host", "Machine and hypervisor" },
	{ "files", "Files" }, { "ease", "Help" }, { NULL, NULL }
};

enum { OPT_COLUMNS = 256, OPT_NO_HEADINGS, OPT_COLOR, OPT_VERB };

static const struct option global[] = {
	{ "connect", required_argument, NULL, 'c' }, { "output", required_argument, NULL, 'o' },
	{ "quiet", no_argument, NULL, 'q' }, { "readonly", no_argument, NULL, 'r' }, { "help", no_argument, NULL, 'h' },
	{ "columns", required_argument, NULL, OPT_COLUMNS }, { "no-headings", no_argument, NULL, OPT_NO_HEADINGS },
	{ "color", required_argument, NULL, OPT_COLOR },
};

#define GLOBAL_LETTERS "c:o:qrh"

const struct verb *verb_find(const char *name)
{
	static const char *const also[][2] = { { "pause", "suspend" }, { "unpause", "resume" }, { "info", "dominfo" } };

	for (size_t i = 0; i < ARRAY_SIZE(also); i++) {
		if (!strcmp(name, also[i][0]))
			name = also[i][1];
	}
	for (size_t t = 0; verb_tables[t]; t++) {
		for (const struct verb *v = verb_tables[t]; v->name; v++) {
			if (!strcmp(v->name, name))
				return v;
		}
	}
	return NULL;
}

const char *arg(struct cmd *c, const char *name)
{
	for (size_t i = 0; c->verb->opts && c->verb->opts[i].name; i++) {
		if (!strcmp(c->verb->opts[i].name, name))
			return c->value[i];
	}
	return NULL;
}

bool flag(struct cmd *c, const char *name)
{
	return arg(c, name) != NULL;
}

bool number(struct cmd *c, const char *name, unsigned int def, unsigned int *out)
{
	const char *s = arg(c, name);

	*out = def;
	if (!s || parse_uint(s, out))
		return true;
	error(EX_BAD_USAGE, "%s: \"%s\" is not a whole number", name, s);
	return false;
}

bool seconds(struct cmd *c, const char *name, int *ms)
{
	const char *s = arg(c, name);
	char *end;
	double v;

	*ms = -1;
	if (!s)
		return true;
	v = strtod(s, &end);
	if (!*s || *end || !(v >= 0 && v <= 1000000)) {
		error(EX_BAD_USAGE, "--%s %s: give seconds, 0 to 1000000", name, s);
		return false;
	}
	*ms = v * 1000;
	return true;
}

static int set_output(const char *s)
{
	static const char *const names[] = { "table", "json", "yaml", "name" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(s, names[i])) {
			opts.out = i;
			return EX_OK;
		}
	}
	return error(EX_BAD_USAGE, "unknown output \"%s\": there are table, json, yaml and name", s);
}

static int set_color(const char *s)
{
	if (!word_in(s, "auto always never"))
		return error(EX_BAD_USAGE, "--color takes auto, always or never");
	if (strcmp(s, "auto"))
		opts.color = !strcmp(s, "always");
	return EX_OK;
}

static int global_option(int c, const char *value)
{
	switch (c) {
	case 'c':
		opts.uri = value;
		return EX_OK;
	case 'o':
		return set_output(value);
	case 'q':
		opts.quiet = true;
		return EX_OK;
	case 'r':
		opts.reader = true;
		return EX_OK;
	case OPT_COLUMNS:
		opts.columns = value;
		return EX_OK;
	case OPT_NO_HEADINGS:
		opts.headings = false;
		return EX_OK;
	default:
		return set_color(value);
	}
}

static int unknown_verb(const char *name)
{
	const char *names[160], *near;
	size_t nr = 0;

	for (size_t t = 0; verb_tables[t]; t++) {
		for (const struct verb *v = verb_tables[t]; v->name && nr < ARRAY_SIZE(names); v++)
			names[nr++] = v->name;
	}
	near = nearest(name, names, nr);
	error(EX_BAD_USAGE, "unknown command: '%s'", name);
	if (near)
		fprintf(stderr, "hint: did you mean %s?\n", near);
	else
		hint("see what there is: vmi help");
	return EX_BAD_USAGE;
}

static bool has_value(const struct opt *o)
{
	return o->kind != FLAG;
}

static int unknown_option(const struct verb *v, const char *given)
{
	const char *names[MAX_OPTS + ARRAY_SIZE(global)], *near;
	size_t nr = 0;

	if (given[0] == '-' && given[1] >= '0' && given[1] <= '9')
		return error(EX_BAD_USAGE, "%s: %s is negative: no number here may be", v->name, given);
	for (size_t i = 0; v->opts && v->opts[i].name; i++)
		names[nr++] = v->opts[i].name;
	for (size_t i = 0; i < ARRAY_SIZE(global); i++)
		names[nr++] = global[i].name;
	near = strncmp(given, "--", 2) ? NULL : nearest(given + 2, names, nr);
	error(EX_BAD_USAGE, "%s: unknown option %s, or one without its value", v->name, given);
	if (near)
		fprintf(stderr, "hint: did you mean --%s?\n", near);
	else
		fprintf(stderr, "hint: see vmi help %s\n", v->name);
	return EX_BAD_USAGE;
}

/* The verb's options and the global ones as getopt wants them. */
static void long_options(const struct verb *v, struct option *longs, char *letters, size_t size)
{
	size_t nr = 0, n = snprintf(letters, size, ":%s", GLOBAL_LETTERS);

	for (size_t i = 0; v->opts && v->opts[i].name; i++) {
		const struct opt *o = &v->opts[i];

		longs[nr++] = (struct option){ o->name, has_value(o) ? required_argument : no_argument, NULL, OPT_VERB + (int)i };
		if (o->letter)
			n += snprintf(letters + n, size - n, "%c%s", o->letter, has_value(o) ? ":" : "");
	}
	/* A verb's own option of the same name comes first. */
	for (size_t i = 0; i < ARRAY_SIZE(global); i++)
		longs[nr++] = global[i];
	longs[nr] = (struct option){ 0 };
}

static int option_index(const struct verb *v, int c)
{
	if (c >= OPT_VERB)
		return c - OPT_VERB;
	for (size_t i = 0; c && v->opts && v->opts[i].name; i++) {
		if (v->opts[i].letter == c)
			return i;
	}
	return -1;
}

/* Arguments by place go to the first option that takes one and has none yet. */
static int place(struct cmd *c, char **args, int nr)
{
	const struct opt *o = c->verb->opts;

	for (size_t i = 0; o && o[i].name && nr; i++) {
		if (o[i].place == OPTION || c->value[i])
			continue;
		c->value[i] = *args++;
		nr--;
	}
	if (nr && !c->verb->many)
		return error(EX_BAD_USAGE, "%s: unexpected argument '%s'", c->verb->name, *args);
	c->rest = args;
	c->nr_rest = nr;
	for (size_t i = 0; o && o[i].name; i++) {
		if (o[i].place == MUST_BE && !c->value[i]) {
			error(EX_BAD_USAGE, "%s: the %s is missing", c->verb->name, o[i].name);
			fputs("hint: ", stderr);
			verb_usage(c->verb);
			return EX_BAD_USAGE;
		}
	}
	return EX_OK;
}

static int run_verb(const struct verb *v, int argc, char **argv)
{
	struct option longs[MAX_OPTS + ARRAY_SIZE(global) + 1];
	struct cmd c = { .verb = v };
	char letters[64];
	int opt, i, rc;

	long_options(v, longs, letters, sizeof(letters));
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return unknown_option(v, argv[optind - 1]);
		i = option_index(v, opt);
		if (i >= 0) {
			c.value[i] = optarg ? optarg : "";
		} else if (opt == 'h') {
			char *args[] = { (char *)"help", (char *)v->name, NULL };

			return run_verb(verb_find("help"), 2, args);
		} else {
			rc = global_option(opt, optarg);
			if (rc)
				return rc;
		}
	}
	rc = place(&c, argv + optind, argc - optind);
	return rc ? rc : v->run(&c);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	const struct verb *v;
	struct option longs[ARRAY_SIZE(global) + 1] = { 0 };
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	int c, rc;

	signal(SIGPIPE, SIG_IGN);
	opts.virsh = !strcmp(name ? name + 1 : argv[0], "virsh");
	opts.color = isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") && !opts.virsh;
	memcpy(longs, global, sizeof(global));
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:" GLOBAL_LETTERS "vV", longs, NULL)) != -1) {
		if (c == '?' || c == ':') {
			error(EX_BAD_USAGE, "unknown option %s, or one without its value", argv[optind - 1]);
			hint("see what there is: vmi help");
			return EX_BAD_USAGE;
		}
		if (c == 'v' || c == 'V') {
			puts("1.0.0");
			return EX_OK;
		}
		if (c == 'h') {
			char *args[] = { (char *)"help", NULL };

			return run_verb(verb_find("help"), 1, args);
		}
		rc = global_option(c, optarg);
		if (rc)
			return rc;
	}
	if (optind == argc) {
		error(EX_BAD_USAGE, "a command is missing");
		hint("see what there is: vmi help");
		return EX_BAD_USAGE;
	}
	v = verb_find(argv[optind]);
	if (!v)
		return unknown_verb(argv[optind]);
	rc = run_verb(v, argc - optind, argv + optind);
	if (fflush(stdout) || ferror(stdout)) {
		/* Nobody reads: head(1) is content, a full disk is not. */
		if (!rc && write(STDOUT_FILENO, "", 0) < 0)
			rc = EX_FAILED;
	}
	return rc;
}
