// SPDX-License-Identifier: GPL-2.0-only
/*
 * ease.c - help, the manual page, completion, and a doctor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmi.h"

static const char *value_word(const struct opt *o)
{
	return o->kind == NUMBER ? "N" : o->kind == FILE_ARG ? "FILE" : o->kind == DOMAIN_ARG ? "DOMAIN" : "TEXT";
}

static void usage_words(const struct verb *v, FILE *f)
{
	for (const struct opt *o = v->opts; o && o->name; o++) {
		if (o->place == OPTION)
			continue;
		fprintf(f, o->place == MUST_BE ? " %s" : " [%s]", o->kind == DOMAIN_ARG ? "DOMAIN" : o->name);
	}
	if (v->many)
		fputs("...", f);
	for (const struct opt *o = v->opts; o && o->name; o++) {
		if (o->place != OPTION)
			continue;
		fprintf(f, " [--%s%s%s]", o->name, o->kind == FLAG ? "" : " ", o->kind == FLAG ? "" : value_word(o));
	}
}

void verb_usage(const struct verb *v)
{
	fprintf(stderr, "vmi %s", v->name);
	usage_words(v, stderr);
	fputc('\n', stderr);
}

static void help_verb(const struct verb *v)
{
	printf("usage: vmi %s", v->name);
	usage_words(v, stdout);
	printf("\n\n%c%s.\n", v->help[0] - 32 * (v->help[0] >= 'a' && v->help[0] <= 'z'), v->help + 1);
	if (v->opts)
		putchar('\n');
	for (const struct opt *o = v->opts; o && o->name; o++) {
		char left[40];

		snprintf(left, sizeof(left), "%s%s%s%s%c", o->place == OPTION ? "--" : "", o->name, o->kind == FLAG || o->place != OPTION ? "" : " ",
			 o->kind == FLAG || o->place != OPTION ? "" : value_word(o), 0);
		printf("  %-22s %s", left, o->help);
		if (o->letter)
			printf(" (-%c)", o->letter);
		putchar('\n');
	}
}

static const char general[] =
	"Options, before or after the command:\n"
	"  -c, --connect WHERE    vmi:///system, unix:/path/of/socket or a folder (VMI_CONNECT)\n"
	"  -o, --output FORM      table, json, yaml or name\n"
	"  --columns A,B          which columns, in this order; --no-headings\n"
	"  -q, --quiet            only errors;  -r, --readonly: as a reader\n"
	"  --color WHEN           auto, always, never (NO_COLOR)\n"
	"\nDOMAIN is a name, an id or a uuid. Exit status: 0 done, 1 failed, 2 bad usage, 3 no such domain,\n"
	"4 bad configuration, 5 daemon not reached or not allowed, 6 not in this state, 124 timed out.\n";

static void each_verb(const char *group, void (*fn)(const struct verb *v))
{
	for (size_t t = 0; verb_tables[t]; t++) {
		for (const struct verb *v = verb_tables[t]; v->name; v++) {
			if (!strcmp(v->group, group))
				fn(v);
		}
	}
}

static void help_line(const struct verb *v)
{
	printf("  %-19s %s\n", v->name, v->help);
}

/* roff: backslashes and leading dots are its own. */
static void roff(const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '-')
			putchar('\\');
		putchar(*s);
	}
}

static void man_verb(const struct verb *v)
{
	printf(".TP\n.B %s", v->name);
	for (const struct opt *o = v->opts; o && o->name; o++) {
		if (o->place != OPTION)
			printf("%s %s", o->place == MAY ? "\\fR[\\fI" : "\\fI", o->kind == DOMAIN_ARG ? "DOMAIN" : o->name);
		if (o->place == MAY)
			printf("\\fR]");
	}
	printf("%s\n%c", v->many ? "\\fR..." : "", v->help[0] - 32 * (v->help[0] >= 'a' && v->help[0] <= 'z'));
	roff(v->help + 1);
	puts(".");
	for (const struct opt *o = v->opts; o && o->name; o++) {
		if (o->place != OPTION)
			continue;
		printf(".br\n.B \\-\\-");
		roff(o->name);
		printf("%s%s\\fR: ", o->kind == FLAG ? "" : " \\fI", o->kind == FLAG ? "" : value_word(o));
		roff(o->help);
		putchar('\n');
	}
}

static int man_page(void)
{
	puts(".\\\" SPDX-License-Identifier: GPL-2.0-only\n.\\\" Printed by vmi help --man.\n.TH VMI 1\n.SH NAME\nvmi \\- manage the domains of "
	     "the VMI hypervisor\n.SH SYNOPSIS\n.B vmi\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n"
	     "Speaks with\n.BR vmid (8).\nThe commands, and the words for the states of a domain, are those of\n.BR virsh (1);\n"
	     "called by that name it also prints as that does.\n.SH OPTIONS\n.nf");
	roff(general);
	puts(".fi");
	for (size_t g = 0; group_names[g][0]; g++) {
		printf(".SH COMMANDS: %s\n", group_names[g][1]);
		each_verb(group_names[g][0], man_verb);
	}
	puts(".SH SEE ALSO\n.BR vmid (8),\n.BR vmi\\-domain (5)");
	return EX_OK;
}

static int run_help(struct cmd *c)
{
	const char *name = arg(c, "command");
	const struct verb *v = name ? verb_find(name) : NULL;

	if (flag(c, "man"))
		return man_page();
	if (v) {
		help_verb(v);
		return EX_OK;
	}
	if (name)
		return error(EX_BAD_USAGE, "unknown command: '%s'", name);
	puts("usage: vmi [OPTION]... COMMAND [ARGUMENT]...    (vmi help COMMAND tells more)");
	for (size_t g = 0; group_names[g][0]; g++) {
		printf("\n%s:\n", group_names[g][1]);
		each_verb(group_names[g][0], help_line);
	}
	printf("\n%s", general);
	return EX_OK;
}

/* ---- completion ---- */

static void offer(const char *word, const char *start)
{
	if (!strncmp(word, start, strlen(start)))
		puts(word);
}

/* NULL: there is no answer, and nobody is told why. */
static json_t *quiet_call(const char *method, json_t *params)
{
	struct client_error e = { 0 };
	struct client *client = client_open(opts.uri, true, &e);
	json_t *answer = client ? client_call(client, method, params, &e) : NULL;

	if (!client)
		json_decref(params);
	client_error_free(&e);
	client_close(client);
	return answer;
}

static void offer_domains(const char *verb, const char *start)
{
	json_t *answer = quiet_call("org.vmi.List", NULL), *d;
	size_t i;

	json_array_foreach(json_object_get(answer, "domains"), i, d) {
		bool off = !strcmp(str(d, "state"), "shut off");

		if ((word_in(verb, "start domrename") && !off) || (word_in(verb, "resume") && strcmp(str(d, "state"), "paused") && strcmp(str(d, "reason"), "I/O error")) ||
		    (word_in(verb, "shutdown reboot reset destroy suspend console") && off))
			continue;
		offer(str(d, "name"), start);
	}
	json_decref(answer);
}

static void offer_networks(const char *verb, const char *start)
{
	json_t *answer = quiet_call("org.vmi.NetworkList", NULL), *n;
	size_t i;

	json_array_foreach(json_object_get(answer, "networks"), i, n) {
		bool active = !strcmp(str(n, "state"), "active");

		if (!(word_in(verb, "net-start net-undefine") && active) && !(word_in(verb, "net-destroy net-dhcp-leases") && !active))
			offer(str(n, "name"), start);
	}
	json_decref(answer);
}

static void offer_devices(const char *domain, enum kind kind, const char *start)
{
	json_t *answer = quiet_call("org.vmi.Get", json_pack("{s:s}", "domain", domain)), *d;
	size_t i;

	json_array_foreach(json_object_get(answer, "devices"), i, d) {
		if (kind == DISK_ARG && !strcmp(str(d, "kind"), "disk"))
			offer(str(d, "target"), start);
		else if (kind == INTERFACE_ARG && !strcmp(str(d, "kind"), "interface"))
			offer(*str(d, "tap") ? str(d, "tap") : str(d, "mac"), start);
	}
	json_decref(answer);
}

static void offer_verb(const struct verb *v)
{
	puts(v->name);
}

static int run_complete(struct cmd *c)
{
	const char *first = arg(c, "word"), *last = c->nr_rest ? c->rest[c->nr_rest - 1] : first;
	const struct verb *v = first ? verb_find(first) : NULL;
	const char *domain = NULL;
	const struct opt *o;
	int place = 0;

	if (!first || !c->nr_rest || !v) {
		for (size_t g = 0; group_names[g][0]; g++) {
			if (!first || !*first)
				each_verb(group_names[g][0], offer_verb);
		}
		for (size_t t = 0; first && *first && verb_tables[t]; t++) {
			for (v = verb_tables[t]; v->name; v++)
				offer(v->name, first);
		}
		return EX_OK;
	}
	if (*last == '-') {
		for (o = v->opts; o && o->name; o++) {
			char word[64];

			snprintf(word, sizeof(word), "--%s", o->name);
			if (o->place == OPTION)
				offer(word, last);
		}
		return EX_OK;
	}
	/* How many arguments by place are there before this one? */
	for (int i = 0; i < c->nr_rest - 1; i++) {
		if (c->rest[i][0] == '-')
			continue;
		if (!place++)
			domain = c->rest[i];
	}
	for (o = v->opts; o && o->name && (o->place == OPTION || place); o++)
		place -= o->place != OPTION;
	if (o && o->name && o->kind == DOMAIN_ARG)
		offer_domains(v->name, last);
	else if (o && o->name && o->kind == NETWORK_ARG)
		offer_networks(v->name, last);
	else if (o && o->name && domain && (o->kind == DISK_ARG || o->kind == INTERFACE_ARG))
		offer_devices(domain, o->kind, last);
	else if (o && o->name && !strcmp(o->name, "command"))
		return run_complete(&(struct cmd){ .verb = c->verb, .value = { last } });
	return EX_OK;
}

/* ---- doctor ---- */

static int problems;

__attribute__((format(printf, 3, 4)))
static void finding(const char *verdict, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	problems += !strcmp(verdict, "FAIL");
	printf("%s  ", verdict);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("%s%s\n", remedy ? ": " : "", remedy ? remedy : "");
}

static void check_hypervisor(void)
{
	if (!access("/proc/vmi", F_OK))
		finding("ok  ", NULL, "this kernel runs on the VMI hypervisor");
	else
		finding("warn", "boot it by the hypervisor, or use vmid --simulate to try the tools",
			"this kernel does not run on the VMI hypervisor");
}

static void check_files(const char *name, const char *xml)
{
	struct diag d = { 0 };
	struct dom_config *cfg = config_from_xml(xml, strlen(xml), &d);
	char *why = cfg ? config_files_problem(cfg) : NULL;

	if (!cfg)
		finding("FAIL", "correct it: vmi edit", "domain '%s': its definition is not accepted", name);
	else if (why)
		finding("FAIL", "put the file there, or correct it: vmi edit", "domain '%s': %s", name, why);
	free(why);
	config_free(cfg);
	diag_free(&d);
}

static void check_domains(struct client *client)
{
	struct client_error e = { 0 };
	json_t *answer = client_call(client, "org.vmi.List", NULL, &e), *d, *x;
	int before = problems;
	size_t i;

	json_array_foreach(json_object_get(answer, "domains"), i, d) {
		if (!json_is_true(json_object_get(d, "persistent")))
			continue;
		x = client_call(client, "org.vmi.DumpXML", json_pack("{s:s, s:b}", "domain", str(d, "uuid"), "inactive", 1), &e);
		if (x)
			check_files(str(d, "name"), str(x, "xml"));
		json_decref(x);
		client_error_free(&e);
		if (!strcmp(str(d, "state"), "crashed"))
			finding("warn", "see why: vmi log; then vmi destroy", "domain '%s' crashed and is preserved", str(d, "name"));
	}
	if (before == problems)
		finding("ok  ", NULL, "%zu domains, their definitions and files are in order", json_array_size(json_object_get(answer, "domains")));
	json_decref(answer);
	client_error_free(&e);
}

static int run_doctor(struct cmd *c)
{
	struct client_error e = { 0 };
	struct client *client;
	unsigned int gid;
	json_t *h;

	(void)c;
	check_hypervisor();
	if (id_of("/etc/group", "vmi", &gid, NULL))
		finding("ok  ", NULL, "there is a group vmi for those who may manage domains");
	else
		finding("warn", "groupadd --system vmi, if others than root shall manage domains", "there is no group vmi");
	client = client_open(opts.uri, opts.reader, &e);
	if (!client) {
		finding("FAIL", e.hint, "%s", e.message);
		client_error_free(&e);
		return EX_FAILED;
	}
	finding("ok  ", NULL, "vmid answers at %s", client_path(client));
	h = client_call(client, "org.vmi.Host", NULL, &e);
	if (!h)
		finding("FAIL", e.hint, "the hypervisor does not answer vmid: %s", e.message);
	else if (num(h, "free_memory") < MEMORY_MIN)
		finding("warn", "end a domain, or give domain 0 less (the hypervisor's option dom0_mem)", "no memory is left for another domain");
	else
		finding("ok  ", NULL, "%s, %llu MiB are free for domains", str(h, "hypervisor"),
			(unsigned long long)num(h, "free_memory") >> 20);
	json_decref(h);
	client_error_free(&e);
	check_domains(client);
	client_close(client);
	return problems ? EX_FAILED : EX_OK;
}

const struct verb ease_verbs[] = {
	{ "help", "ease", "this list, or more about a command", run_help,
	  OPTS({ "command", 0, TEXT_ARG, MAY, "which one" }, { "man", 0, FLAG, OPTION, "the manual page vmi(1), as roff" }), false },
	{ "doctor", "ease", "look for what is wrong with this machine's setup", run_doctor, NULL, false },
	{ "complete", "ease", "what may come next on a command line, for shells", run_complete,
	  OPTS({ "word", 0, TEXT_ARG, MAY, "the words so far, after --" }), true },
	{ 0 }
};
