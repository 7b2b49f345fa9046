// SPDX-License-Identifier: GPL-2.0-only
/*
 * edit.c - verbs that change a domain.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmi.h"

static int set_memory(struct cmd *c, bool maximum)
{
	const char *s = arg(c, "size"), *why;
	size_t n = strspn(s, "0123456789");
	json_t *p;
	uint64_t bytes;
	char digits[32];

	snprintf(digits, sizeof(digits), "%.*s", (int)n, s);
	why = parse_size(*s == '-' ? s : digits, s[n] ? s + n : NULL, "KiB", &bytes);
	if (why)
		return error(EX_BAD_USAGE, "the size %s %s", s, why);
	p = where_params(c);
	json_object_set_new(p, "bytes", json_integer(bytes));
	json_object_set_new(p, "maximum", json_boolean(maximum));
	return simple_call(c, "org.vmi.SetMemory", p, maximum ? "has another maximum of memory" : "has its memory changed");
}

static int run_setmem(struct cmd *c)
{
	return set_memory(c, false);
}

static int run_setmaxmem(struct cmd *c)
{
	return set_memory(c, true);
}

static int run_setvcpus(struct cmd *c)
{
	unsigned int nr;
	json_t *p;

	if (!number(c, "count", 0, &nr))
		return EX_BAD_USAGE;
	p = where_params(c);
	json_object_set_new(p, "count", json_integer(nr));
	json_object_set_new(p, "maximum", json_boolean(flag(c, "maximum")));
	return simple_call(c, "org.vmi.SetVcpus", p, "has its vCPUs changed");
}

static int run_vcpupin(struct cmd *c)
{
	static const struct column cols[] = { { "vcpu", "VCPU", COL_NUMBER, false }, { "affinity", "CPUS", COL_TEXT, false }, { 0 } };
	const char *set = arg(c, "cpulist");
	unsigned int vcpu;
	int status;
	json_t *p;

	if (!set) {
		json_t *d = call("org.vmi.Get", domain_params(c), NULL, &status);

		if (d)
			status = print_rows(json_object_get(d, "vcpu"), cols, "affinity");
		json_decref(d);
		return status;
	}
	if (!number(c, "vcpu", 0, &vcpu))
		return EX_BAD_USAGE;
	p = where_params(c);
	json_object_set_new(p, "vcpu", json_integer(vcpu));
	json_object_set_new(p, "cpuset", json_string(strcmp(set, "any") ? set : ""));
	return simple_call(c, "org.vmi.Pin", p, "is pinned");
}

static int run_schedinfo(struct cmd *c)
{
	const char *set = arg(c, "set");
	unsigned int weight = 0, cap = 0;
	bool has_weight = arg(c, "weight"), has_cap = arg(c, "cap");
	int status = EX_OK;
	json_t *p, *d;

	if (!number(c, "weight", 0, &weight) || !number(c, "cap", 0, &cap))
		return EX_BAD_USAGE;
	if (set) {
		bool is_cap = !strncmp(set, "cap=", 4), is_weight = !strncmp(set, "weight=", 7) || !strncmp(set, "cpu_shares=", 11);

		if (!(is_cap || is_weight) || !parse_uint(strchr(set, '=') + 1, is_cap ? &cap : &weight))
			return error(EX_BAD_USAGE, "--set %s: there are weight=NUMBER and cap=NUMBER", set);
		has_cap |= is_cap;
		has_weight |= is_weight;
	}
	if (has_weight || has_cap) {
		p = where_params(c);
		if (has_weight)
			json_object_set_new(p, "weight", json_integer(weight));
		if (has_cap)
			json_object_set_new(p, "cap", json_integer(cap));
		d = call("org.vmi.SetSched", p, NULL, &status);
		if (!d)
			return status;
		json_decref(d);
	}
	d = call("org.vmi.Get", domain_params(c), NULL, &status);
	if (d && !print_object(d))
		printf("%-15s: %s\n%-15s: %lld\n%-15s: %lld\n", "Scheduler", "credit", "weight", (long long)num(d, "weight"), "cap",
		       (long long)num(d, "cap"));
	json_decref(d);
	return status;
}

static int run_desc(struct cmd *c)
{
	const char *text = arg(c, "new-desc");
	struct strbuf b = { 0 };
	int status;
	json_t *p, *s;

	if (!text) {
		json_t *d = call("org.vmi.Get", domain_params(c), NULL, &status);
		const char *now = str(d, flag(c, "title") ? "title" : "description");

		if (d && *now)
			puts(now);
		else if (d)
			printf("No %s for domain: %s\n", flag(c, "title") ? "title" : "description", str(d, "name"));
		json_decref(d);
		return status;
	}
	sb_puts(&b, text);
	for (int i = 0; i < c->nr_rest; i++)
		sb_printf(&b, " %s", c->rest[i]);
	p = where_params(c);
	s = json_string(b.s);
	sb_free(&b);
	json_object_set_new(p, "text", s ? s : json_string("?"));
	json_object_set_new(p, "title", json_boolean(flag(c, "title")));
	return simple_call(c, "org.vmi.Describe", p, flag(c, "title") ? "has a new title" : "has a new description");
}

static bool run_editor(const char *path)
{
	const char *editor = getenv("VISUAL");
	int status;
	pid_t pid;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	pid = fork();
	if (!pid) {
		/* The variable may hold arguments; the file is one, whatever its name. */
		char *shell = xasprintf("%s \"$1\"", editor);

		execl("/bin/sh", "sh", "-c", shell, "sh", path, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
		error(EX_FAILED, "the editor \"%s\" failed: the definition is as it was", editor);
		hint("choose another one: EDITOR=...");
		return false;
	}
	return true;
}

/*
 * The definition of a "Domain" or "Network" in an editor, until it is accepted or given up; nothing is lost on the way.
 * dump, with the parameters p, which it takes, and define are the daemon's methods.
 */
static int edit(struct cmd *c, const char *what, const char *name, const char *dump, json_t *p, const char *define)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/vmi-edit-XXXXXX.xml", tmp && *tmp ? tmp : "/tmp"), *text = NULL;
	json_t *old, *answer = NULL;
	int status, fd = -1;

	json_object_set_new(p, "inactive", json_true());
	old = call(dump, p, NULL, &status);
	if (!old)
		goto out;
	fd = mkstemps(path, 4);
	if (fd < 0 || write_all(fd, str(old, "xml"), strlen(str(old, "xml")))) {
		status = error(EX_FAILED, "%s: %s", path, strerror(errno));
		goto out;
	}
	for (;;) {
		char reply[16] = "";
		size_t len;

		status = EX_FAILED;
		if (!run_editor(path))
			break;
		free(text);
		text = read_file(path, CONFIG_MAX, &len);
		if (!text) {
			error(EX_FAILED, "%s: %s", path, strerror(errno));
			break;
		}
		if (!strcmp(text, str(old, "xml"))) {
			say("%s '%s' not changed\n", what, name);
			status = EX_OK;
			break;
		}
		p = json_pack("{s:s%, s:b}", "xml", text, len, "validate", !flag(c, "skip-validate"));
		if (!p) {
			status = error(EX_BAD_CONFIG, "%s: not UTF-8 text", path);
		} else {
			answer = call(define, p, path, &status);
		}
		if (answer) {
			say("%s '%s' edited\n", what, str(answer, "name"));
			break;
		}
		if (!isatty(STDIN_FILENO)) {
			fprintf(stderr, "hint: what was written is in %s\n", path);
			break;
		}
		fprintf(stderr, "Edit it again? [y, n: give up, i: accept what is unknown] ");
		if (!fgets(reply, sizeof(reply), stdin) || *reply == 'n') {
			fprintf(stderr, "What was written is in %s\n", path);
			break;
		}
		if (*reply == 'i') {
			answer = call(define, json_pack("{s:s}", "xml", text), path, &status);
			if (answer) {
				say("%s '%s' edited\n", what, str(answer, "name"));
				break;
			}
		}
	}
	if (!status)
		unlink(path);
out:
	if (fd >= 0)
		close(fd);
	free(path);
	free(text);
	json_decref(answer);
	json_decref(old);
	return status;
}

static int run_edit(struct cmd *c)
{
	return edit(c, "Domain", arg(c, "domain"), "org.vmi.DumpXML", domain_params(c), "org.vmi.Define");
}

static int run_net_edit(struct cmd *c)
{
	json_t *name = json_string(arg(c, "network"));

	return edit(c, "Network", arg(c, "network"), "org.vmi.NetworkDumpXML", json_pack("{s:o}", "network", name ? name : json_string("?")),
		    "org.vmi.NetworkDefine");
}

const struct verb edit_verbs[] = {
	{ "edit", "edit", "change a definition in $EDITOR", run_edit,
	  OPTS(OPT_DOMAIN, { "skip-validate", 0, FLAG, OPTION, "accept what is unknown" }), false },
	{ "net-edit", "networks", "change a network's definition in $EDITOR", run_net_edit,
	  OPTS({ "network", 0, NETWORK_ARG, MUST_BE, "name or uuid" }, { "skip-validate", 0, FLAG, OPTION, "accept what is unknown" }), false },
	{ "setmem", "edit", "change a domain's memory", run_setmem,
	  OPTS(OPT_DOMAIN, { "size", 0, TEXT_ARG, MUST_BE, "KiB, or with a unit: 512M" }, OPT_WHERE), false },
	{ "setmaxmem", "edit", "change how much memory it may have", run_setmaxmem,
	  OPTS(OPT_DOMAIN, { "size", 0, TEXT_ARG, MUST_BE, "KiB, or with a unit: 512M" }, OPT_WHERE), false },
	{ "setvcpus", "edit", "change how many virtual processors are on line", run_setvcpus,
	  OPTS(OPT_DOMAIN, { "count", 0, NUMBER, MUST_BE, "how many" }, { "maximum", 0, FLAG, OPTION, "how many it may have" }, OPT_WHERE), false },
	{ "vcpupin", "edit", "show or say where virtual processors may run", run_vcpupin,
	  OPTS(OPT_DOMAIN, { "vcpu", 0, NUMBER, MAY, "which one" }, { "cpulist", 0, TEXT_ARG, MAY, "like 0-3,6, or any" }, OPT_WHERE), false },
	{ "schedinfo", "edit", "show or change a domain's share of the processors", run_schedinfo,
	  OPTS(OPT_DOMAIN, { "weight", 0, NUMBER, OPTION, "its share: 1 to 65535, 256 is usual" },
	       { "cap", 0, NUMBER, OPTION, "per cent of one processor, 0: none" },
	       { "set", 0, TEXT_ARG, OPTION, "weight=N or cap=N" }, OPT_WHERE), false },
	{ "desc", "edit", "show or change a domain's description or title", run_desc,
	  OPTS(OPT_DOMAIN, { "new-desc", 0, TEXT_ARG, MAY, "the new text" }, { "title", 0, FLAG, OPTION, "the title" }, OPT_WHERE), true },
	{ 0 }
};
