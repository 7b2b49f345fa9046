// SPDX-License-Identifier: GPL-2.0-only
/*
 * life.c - verbs of a domain's life: from define to undefine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmi.h"

/* The parameters of Define and Create. */
static json_t *file_params(struct cmd *c, const char *path)
{
	size_t len;
	bool xl;
	char *text = read_config(path, &len, &xl);
	json_t *p, *s;

	if (!text)
		return NULL;
	s = json_stringn(text, len);
	free(text);
	if (!s) {
		error(EX_BAD_CONFIG, "%s: not UTF-8 text", path);
		return NULL;
	}
	p = json_pack("{s:o, s:b}", "xml", s, "validate", flag(c, "validate") || flag(c, "strict"));
	if (xl)
		json_object_set_new(p, "format", json_string("xl"));
	return p;
}

static int run_define(struct cmd *c)
{
	const char *file = arg(c, "file");
	json_t *p = file_params(c, file), *answer;
	int status;

	if (!p)
		return EX_BAD_CONFIG;
	answer = call("org.vmi.Define", p, file, &status);
	if (answer)
		say("Domain '%s' defined from %s\n", str(answer, "name"), file);
	json_decref(answer);
	return status;
}

static int run_create(struct cmd *c)
{
	const char *file = arg(c, "file");
	json_t *p = file_params(c, file), *answer;
	int status;

	if (!p)
		return EX_BAD_CONFIG;
	json_object_set_new(p, "paused", json_boolean(flag(c, "paused")));
	answer = call("org.vmi.Create", p, file, &status);
	if (answer) {
		say("Domain '%s' created from %s\n", str(answer, "name"), file);
		if (flag(c, "console"))
			status = console_of(str(answer, "uuid"), false, true, NULL);
	}
	json_decref(answer);
	return status;
}

static int run_undefine(struct cmd *c)
{
	return simple_call(c, "org.vmi.Undefine", domain_params(c), "has been undefined");
}

static int run_start(struct cmd *c)
{
	json_t *p = domain_params(c), *answer;
	int status;

	json_object_set_new(p, "paused", json_boolean(flag(c, "paused")));
	answer = call("org.vmi.Start", p, arg(c, "domain"), &status);
	if (answer) {
		say("Domain '%s' started\n", str(answer, "name"));
		if (flag(c, "console"))
			status = console_of(str(answer, "uuid"), false, true, NULL);
	}
	json_decref(answer);
	return status;
}

/* Asks, and with --wait or --timeout waits for the end. */
static int run_shutdown(struct cmd *c)
{
	const char *mode = arg(c, "mode");
	int ms, status;
	json_t *answer;

	if (!seconds(c, "timeout", &ms))
		return EX_BAD_USAGE;
	if (mode && !word_in(mode, "acpi agent initctl signal paravirt"))
		return error(EX_BAD_USAGE, "there is no mode \"%s\": there is paravirt", mode);
	answer = call("org.vmi.Shutdown", domain_params(c), NULL, &status);
	if (!answer)
		return status;
	json_decref(answer);
	if (!flag(c, "wait") && ms < 0) {
		say("Domain '%s' is being shutdown\n", arg(c, "domain"));
		return EX_OK;
	}
	status = wait_state(arg(c, "domain"), "shut off", ms);
	if (!status)
		say("Domain '%s' is shut off\n", arg(c, "domain"));
	else if (status == EX_TIMED_OUT)
		hint("it may not listen: vmi destroy ends it at once");
	return status;
}

static int run_reboot(struct cmd *c)
{
	return simple_call(c, "org.vmi.Reboot", domain_params(c), "is being rebooted");
}

static int run_reset(struct cmd *c)
{
	return simple_call(c, "org.vmi.Reset", domain_params(c), "was reset");
}

static int run_destroy(struct cmd *c)
{
	struct client_error e = { 0 };
	struct client *client;
	json_t *answer;

	/* Ask first; who does not go within 10 s is ended. */
	if (flag(c, "graceful")) {
		client = daemon_open();
		if (!client)
			return daemon_status;
		answer = client_call(client, "org.vmi.Shutdown", domain_params(c), &e);
		client_close(client);
		client_error_free(&e);
		if (answer && !wait_state(arg(c, "domain"), "shut off", 10000)) {
			json_decref(answer);
			say("Domain '%s' destroyed\n", arg(c, "domain"));
			return EX_OK;
		}
		json_decref(answer);
	}
	return simple_call(c, "org.vmi.Destroy", domain_params(c), "destroyed");
}

static int run_suspend(struct cmd *c)
{
	return simple_call(c, "org.vmi.Suspend", domain_params(c), "suspended");
}

static int run_resume(struct cmd *c)
{
	return simple_call(c, "org.vmi.Resume", domain_params(c), "resumed");
}

static int run_autostart(struct cmd *c)
{
	json_t *p = domain_params(c);

	json_object_set_new(p, "disable", json_boolean(flag(c, "disable")));
	return simple_call(c, "org.vmi.Autostart", p, flag(c, "disable") ? "unmarked as autostarted" : "marked as autostarted");
}

static int run_rename(struct cmd *c)
{
	json_t *p = domain_params(c), *name = json_string(arg(c, "new-name"));

	json_object_set_new(p, "name", name ? name : json_string(""));
	return simple_call(c, "org.vmi.Rename", p, "is the name now");
}

static int run_wait(struct cmd *c)
{
	static const char *const states[] = { "running", "idle", "paused", "in shutdown", "shut off", "crashed" };
	const char *state = arg(c, "state");
	size_t i = 0;
	int ms;

	if (!seconds(c, "timeout", &ms))
		return EX_BAD_USAGE;
	while (i < ARRAY_SIZE(states) && strcmp(states[i], state))
		i++;
	if (i == ARRAY_SIZE(states)) {
		const char *near = nearest(state, states, ARRAY_SIZE(states));

		error(EX_BAD_USAGE, "there is no state \"%s\"", state);
		fprintf(stderr, "hint: %s%s\n", near ? "did you mean: " : "there are running, idle, paused, \"in shutdown\", \"shut off\", crashed",
			near ? near : "");
		return EX_BAD_USAGE;
	}
	return wait_state(arg(c, "domain"), state, ms);
}

static bool size_arg(struct cmd *c, const char *name, const char *def, uint64_t *out)
{
	const char *s = arg(c, name), *why;
	char digits[32];
	size_t n;

	if (!s)
		s = def;
	n = strspn(s, "0123456789");
	snprintf(digits, sizeof(digits), "%.*s", (int)n, s);
	why = parse_size(*s == '-' ? s : digits, s[n] ? s + n : NULL, "MiB", out);
	if (why)
		error(EX_BAD_USAGE, "--%s %s %s", name, s, why);
	return !why;
}

static xmlNode *child(xmlNode *parent, const char *name, const char *attr, const char *value)
{
	xmlNode *n = xmlNewChild(parent, NULL, BAD_CAST name, NULL);

	xmlNewProp(n, BAD_CAST attr, BAD_CAST value);
	return n;
}

/* --disk A,B as vda and vdb, --bridge BR, --network NET. False: said why not. */
static bool add_devices(struct cmd *c, struct dom_config *cfg)
{
	static const char *const nets[] = { "bridge", "network" };
	char *list = arg(c, "disk") ? xstrdup(arg(c, "disk")) : NULL, *rest = list, *name, target[] = "vda";
	xmlNode *devices = xmlNewNode(NULL, BAD_CAST "devices"), *dev;
	bool ok = true;

	cfg->kept[KEEP_DEVICES] = devices;
	while (ok && rest && target[2] <= 'z' && (name = strsep(&rest, ","))) {
		char *path = realpath(name, NULL);
		struct stat st;

		ok = path && !stat(path, &st);
		if (ok) {
			dev = child(devices, "disk", "type", S_ISBLK(st.st_mode) ? "block" : "file");
			child(dev, "source", S_ISBLK(st.st_mode) ? "dev" : "file", path);
			child(dev, "target", "dev", target);
			target[2]++;
		} else {
			error(EX_BAD_CONFIG, "%s: %m", name);
		}
		free(path);
	}
	free(list);
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		if (!arg(c, nets[i]))
			continue;
		dev = child(devices, "interface", "type", nets[i]);
		child(dev, "source", nets[i], arg(c, nets[i]));
	}
	return ok;
}

/* A domain from options alone: defined (or transient) and started. */
/* The kernel's command line: an option, or the words behind the others. NULL: both, which was said. */
static char *run_cmdline(struct cmd *c)
{
	struct strbuf b = { 0 };

	if (arg(c, "cmdline") && c->nr_rest) {
		error(EX_BAD_USAGE, "run: --cmdline and the words from '%s' on are two command lines: give one", c->rest[0]);
		return NULL;
	}
	sb_printf(&b, "%s", arg(c, "cmdline") ? arg(c, "cmdline") : "");
	for (int i = 0; i < c->nr_rest; i++)
		sb_printf(&b, "%s%s", i ? " " : "", c->rest[i]);
	return b.s;
}

static int run_run(struct cmd *c)
{
	struct dom_config *cfg = config_new();
	const char *why = name_problem(arg(c, "name"));
	json_t *answer;
	int status = EX_BAD_USAGE;
	char *xml = NULL;

	if (why) {
		status = error(EX_BAD_CONFIG, "the name \"%s\" %s", arg(c, "name"), why);
		goto out;
	}
	snprintf(cfg->name, sizeof(cfg->name), "%s", arg(c, "name"));
	if (!size_arg(c, "memory", "256M", &cfg->max_memory) || !number(c, "vcpus", 1, &cfg->max_vcpus))
		goto out;
	cfg->memory = cfg->max_memory;
	cfg->vcpus = cfg->max_vcpus;
	cfg->kernel = realpath(arg(c, "kernel"), NULL);
	cfg->initrd = arg(c, "initrd") ? realpath(arg(c, "initrd"), NULL) : NULL;
	if (!cfg->kernel || (arg(c, "initrd") && !cfg->initrd)) {
		status = error(EX_BAD_CONFIG, "%s: %m", cfg->kernel ? arg(c, "initrd") : arg(c, "kernel"));
		goto out;
	}
	cfg->cmdline = run_cmdline(c);
	if (!cfg->cmdline)
		goto out;
	if (!add_devices(c, cfg)) {
		status = EX_BAD_CONFIG;
		goto out;
	}
	xml = config_to_xml(cfg, 0);
	if (flag(c, "print-xml")) {
		fputs(xml, stdout);
		status = EX_OK;
		goto out;
	}
	answer = call(flag(c, "transient") ? "org.vmi.Create" : "org.vmi.Define", json_pack("{s:s}", "xml", xml), "options", &status);
	if (answer && !flag(c, "transient")) {
		json_decref(answer);
		answer = call("org.vmi.Start", json_pack("{s:s}", "domain", cfg->name), NULL, &status);
	}
	if (answer)
		say("Domain '%s' started\n", cfg->name);
	if (answer && flag(c, "console"))
		status = console_of(cfg->name, false, true, NULL);
	json_decref(answer);
out:
	free(xml);
	config_free(cfg);
	return status;
}

#define OPT_FILE	{ "file", 0, FILE_ARG, MUST_BE, "domain XML, or an xl.cfg file; - is standard input" }
#define OPT_VALIDATE	{ "validate", 0, FLAG, OPTION, "what is unknown is an error" }, { "strict", 0, FLAG, OPTION, "the same" }

const struct verb life_verbs[] = {
	{ "define", "life", "make a persistent domain, or change it", run_define, OPTS(OPT_FILE, OPT_VALIDATE), false },
	{ "undefine", "life", "remove a definition", run_undefine, OPTS(OPT_DOMAIN), false },
	{ "create", "life", "start a transient domain", run_create,
	  OPTS(OPT_FILE, OPT_VALIDATE, { "paused", 0, FLAG, OPTION, "leave it paused" },
	       { "console", 0, FLAG, OPTION, "and go to its console" }), false },
	{ "start", "life", "start a defined domain", run_start,
	  OPTS(OPT_DOMAIN, { "paused", 0, FLAG, OPTION, "leave it paused" },
	       { "console", 0, FLAG, OPTION, "and go to its console" }), false },
	{ "shutdown", "life", "ask a domain to power off", run_shutdown,
	  OPTS(OPT_DOMAIN, { "mode", 0, TEXT_ARG, OPTION, "accepted for virsh's sake" },
	       { "wait", 0, FLAG, OPTION, "until it is off" }, { "timeout", 0, NUMBER, OPTION, "wait at most so many seconds" }), false },
	{ "reboot", "life", "ask a domain to reboot", run_reboot,
	  OPTS(OPT_DOMAIN, { "mode", 0, TEXT_ARG, OPTION, "accepted for virsh's sake" }), false },
	{ "reset", "life", "end a domain and start it again at once", run_reset, OPTS(OPT_DOMAIN), false },
	{ "destroy", "life", "end a domain at once, as if by pulling the plug", run_destroy,
	  OPTS(OPT_DOMAIN, { "graceful", 0, FLAG, OPTION, "ask first, and give it 10 seconds" }), false },
	{ "suspend", "life", "pause a domain", run_suspend, OPTS(OPT_DOMAIN), false },
	{ "resume", "life", "let a paused domain, or one whose disk had an error, go on", run_resume, OPTS(OPT_DOMAIN), false },
	{ "autostart", "life", "start a domain when the machine boots", run_autostart,
	  OPTS(OPT_DOMAIN, { "disable", 0, FLAG, OPTION, "or no longer" }), false },
	{ "domrename", "life", "give a domain that is shut off another name", run_rename,
	  OPTS(OPT_DOMAIN, { "new-name", 0, TEXT_ARG, MUST_BE, "the new name" }), false },
	{ "run", "life", "define and start a domain from options, without XML", run_run,
	  OPTS({ "name", 0, TEXT_ARG, MUST_BE, "of the new domain" }, { "kernel", 'k', FILE_ARG, MUST_BE, "vmlinux" },
	       { "initrd", 'i', FILE_ARG, OPTION, "initial RAM disk" }, { "cmdline", 'a', TEXT_ARG, OPTION, "kernel's command line; or words after --" },
	       { "memory", 'm', TEXT_ARG, OPTION, "size, in MiB or with a unit (256M)" }, { "vcpus", 0, NUMBER, OPTION, "1" },
	       { "disk", 0, FILE_ARG, OPTION, "raw image or block device; several with commas" }, { "bridge", 0, TEXT_ARG, OPTION, "for a network card" },
	       { "network", 0, NETWORK_ARG, OPTION, "for a network card on a network: default" },
	       { "transient", 0, FLAG, OPTION, "define nothing" }, { "console", 0, FLAG, OPTION, "and go to its console" },
	       { "print-xml", 0, FLAG, OPTION, "only print what would be defined" }), true },
	{ "wait", "life", "wait until a domain is in a state", run_wait,
	  OPTS(OPT_DOMAIN, { "state", 0, TEXT_ARG, MUST_BE, "running, \"shut off\", ..." },
	       { "timeout", 0, NUMBER, OPTION, "seconds; status 124 when they are over" }), false },
	{ 0 }
};
