/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmi.h - what the files of the command share.
 *
 * A verb is a row: name, group, help, function, options. Parsing, help, the
 * manual page and completion come from the rows. A verb's function gets the
 * options' values and returns the exit status (EX_* of rpc.h); it has printed
 * its error by then.
 */
#ifndef VMI_H
#define VMI_H

#include "../lib/config.h"
#include "../lib/rpc.h"

#define MAX_OPTS 32

enum kind {
	FLAG,
	TEXT_ARG,
	NUMBER,
	DOMAIN_ARG,			/* complete: names of domains */
	FILE_ARG,
	DISK_ARG,			/* complete: disks of the domain before it */
	INTERFACE_ARG,
	NETWORK_ARG,			/* complete: names of networks */
};

struct opt {
	const char *name;		/* long name; positional ones can be given by name too */
	char letter;			/* 0: none */
	enum kind kind;
	enum { OPTION, MAY, MUST_BE } place;	/* option, optional or required argument */
	const char *help;
};

enum output { OUT_TABLE, OUT_JSON, OUT_YAML, OUT_NAME };

struct cmd {
	const struct verb *verb;
	const char *value[MAX_OPTS];	/* FLAG: "" if given */
	char **rest;			/* further arguments of a verb with many set */
	int nr_rest;
};

struct verb {
	const char *name, *group, *help;
	int (*run)(struct cmd *c);
	const struct opt *opts;
	bool many;			/* more arguments like the last one */
};

#define OPTS(...)	((const struct opt[]){ __VA_ARGS__, { 0 } })
#define OPT_DOMAIN	{ "domain", 0, DOMAIN_ARG, MUST_BE, "name, id or uuid" }
/* For where_params(). */
#define OPT_WHERE	{ "live", 0, FLAG, OPTION, "the running domain" }, { "config", 0, FLAG, OPTION, "its definition" }, \
		{ "current", 0, FLAG, OPTION, "the running domain if it runs, else the definition (default)" }
#define OPT_WHERE_BOTH	OPT_WHERE, { "persistent", 0, FLAG, OPTION, "both, if it runs" }

extern const struct verb life_verbs[], look_verbs[], edit_verbs[], host_verbs[], talk_verbs[], top_verbs[], attach_verbs[], device_verbs[], address_verbs[], file_verbs[], ease_verbs[], network_verbs[];

/* main.c: what was said before the verb. */
extern struct options {
	const char *uri, *columns;
	bool reader, quiet, headings, color, virsh;
	enum output out;
} opts;

const struct verb *verb_find(const char *name);
extern const struct verb *const verb_tables[];
extern const char *const group_names[][2];
void verb_usage(const struct verb *v);

const char *arg(struct cmd *c, const char *name);	/* NULL: not given */
bool flag(struct cmd *c, const char *name);
/* The number of an option; def if not given; false: said what is wrong. */
bool number(struct cmd *c, const char *name, unsigned int def, unsigned int *out);
bool seconds(struct cmd *c, const char *name, int *ms);	/* -1 if not given */

/* output.c */
enum column_kind { COL_TEXT, COL_NUMBER, COL_SIZE, COL_TIME, COL_BOOL };

struct column {
	const char *key, *heading;
	enum column_kind kind;
	bool extra;			/* only when asked for by --columns */
};

/* Rows are objects; name: the key that -o name prints. Takes nothing. */
int print_rows(json_t *rows, const struct column *cols, const char *name);
/* One object: json and yaml as it is; false: the caller prints it as text. */
bool print_object(json_t *obj);
__attribute__((format(printf, 2, 3))) int error(int status, const char *fmt, ...);
void hint(const char *text);
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);	/* unless --quiet */
const char *paint(const char *state);
void format_time(uint64_t ns, char out[24]);

/* call.c: with the daemon */
int report(struct client_error *e, const char *file);	/* prints and frees it: its status */
struct client *daemon_open(void);			/* NULL: said why */
extern int daemon_status;				/* why the last one failed */
/* Takes params; NULL: said why, in *status. file: for messages about a configuration. */
json_t *call(const char *method, json_t *params, const char *file, int *status);
json_t *domain_params(struct cmd *c);
/* Waits until the domain is in a state ("shut off" is also gone). */
int wait_state(const char *domain, const char *state, int timeout_ms);
/* A verb whose only answer is that it is done: "Domain 'x' <done>". */
int simple_call(struct cmd *c, const char *method, json_t *params, const char *done);

static inline const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static inline uint64_t num(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

/* devices.c: "live" and "config" for the daemon, both by --persistent; neither: what there is. */
json_t *where_params(struct cmd *c);
/* Of a domain as Get tells it; key: a target, MAC address, name, tap or a disk's file; NULL: the first of that kind. */
json_t *find_device(const json_t *d, const char *kind, const char *key);
int console_of(const char *domain, bool force, bool replay, const char *escape);	/* talk.c */
/* A file, "-" for standard input; NULL: said why. *xl: it is no XML. */
char *read_config(const char *path, size_t *len, bool *xl);			/* files.c */

#endif
