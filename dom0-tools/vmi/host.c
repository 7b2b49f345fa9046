// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - verbs about the machine and the hypervisor. counters, dmesg and the
 * hypervisor's part of version come from /proc/vmi, without the daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmi.h"

#define PROC "/proc/vmi/"

static int no_proc(const char *file)
{
	if (errno == ENOENT)
		return error(EX_FAILED, "there is no %s: this kernel does not run on the VMI hypervisor", file);
	error(EX_FAILED, "%s: %s", file, strerror(errno));
	if (errno == EACCES)
		hint("run vmi as root in domain 0");
	return EX_FAILED;
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
	json_t *obj;
	char line[256];

	if (!f) {
		no_proc(file);
		return NULL;
	}
	obj = json_object();
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

static void print_pairs(json_t *obj)
{
	const char *name;
	json_t *v;

	if (print_object(obj))
		return;
	json_object_foreach(obj, name, v) {
		if (json_is_integer(v))
			printf("%-20s %14lld\n", name, (long long)json_integer_value(v));
		else
			printf("%-20s %14s\n", name, json_string_value(v));
	}
}

static json_t *get_host(int *status)
{
	return call("org.vmi.Host", NULL, NULL, status);
}

/* As virsh: what the daemon drives. Else the interface that this kernel runs on. */
static int run_version(struct cmd *c)
{
	json_t *obj;
	int status;

	(void)c;
	if (opts.virsh) {
		obj = get_host(&status);
		if (obj)
			printf("Compiled against library: vmi 1.0.0\nUsing library: vmi 1.0.0\nUsing API: VMI 1.0.0\n"
			       "Running hypervisor: %s\n\n", str(obj, "hypervisor"));
		json_decref(obj);
		return status;
	}
	obj = read_pairs(PROC "version");
	if (!obj)
		return EX_FAILED;
	print_pairs(obj);
	json_decref(obj);
	return EX_OK;
}

static int run_counters(struct cmd *c)
{
	json_t *now, *before, *v;
	unsigned int during;
	const char *name;
	void *next;

	if (!number(c, "during", 0, &during) || during > 86400 || (arg(c, "during") && !during))
		return error(EX_BAD_USAGE, "--during takes seconds, 1 to 86400");
	now = read_pairs(PROC "counters");
	if (!now)
		return EX_FAILED;
	if (during) {
		before = now;
		sleep(during);
		now = read_pairs(PROC "counters");
		if (!now) {
			json_decref(before);
			return EX_FAILED;
		}
		json_object_foreach(now, name, v)
			json_integer_set(v, json_integer_value(v) - json_integer_value(json_object_get(before, name)));
		json_decref(before);
	}
	json_object_foreach_safe(now, next, name, v) {
		if (!flag(c, "all") && !json_integer_value(v))
			json_object_del(now, name);
	}
	print_pairs(now);
	json_decref(now);
	return EX_OK;
}

static int run_dmesg(struct cmd *c)
{
	FILE *f = fopen(PROC "log", "r");
	char buf[4096];
	size_t n;

	if (!f)
		return no_proc(PROC "log");
	for (;;) {
		while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
			fwrite(buf, 1, n, stdout);
		if (!flag(c, "follow"))
			break;
		fflush(stdout);
		clearerr(f);
		sleep(1);
	}
	n = ferror(f);
	fclose(f);
	return n ? no_proc(PROC "log") : EX_OK;
}

static int run_nodeinfo(struct cmd *c)
{
	int status;
	json_t *h = get_host(&status);

	(void)c;
	if (h && !print_object(h))
		printf("%-20s %s\n%-20s %lld\n%-20s %lld MHz\n%-20s %d\n%-20s %lld\n%-20s %d\n%-20s %d\n%-20s %llu KiB\n%s", "CPU model:",
		       opts.virsh ? "x86_64" : str(h, "model"), "CPU(s):", (long long)num(h, "cpus"), "CPU frequency:", (long long)num(h, "mhz"),
		       "CPU socket(s):", 1, "Core(s) per socket:", (long long)num(h, "cpus"), "Thread(s) per core:", 1,
		       "NUMA cell(s):", 1, "Memory size:", (unsigned long long)num(h, "memory") >> 10, opts.virsh ? "\n" : "");
	json_decref(h);
	return status;
}

static int run_nodememstats(struct cmd *c)
{
	int status;
	json_t *h = get_host(&status);

	(void)c;
	if (h && !print_object(h))
		printf("%-7s: %20llu KiB\n%-7s: %20llu KiB\n%s", "total", (unsigned long long)num(h, "memory") >> 10, "free",
		       (unsigned long long)num(h, "free_memory") >> 10, opts.virsh ? "\n" : "");
	json_decref(h);
	return status;
}

static int run_capabilities(struct cmd *c)
{
	int status;
	json_t *h = get_host(&status);

	(void)c;
	if (h && !print_object(h))
		printf("<capabilities>\n  <host>\n    <cpu>\n      <arch>x86_64</arch>\n      <topology sockets='1' dies='1' cores='%lld' "
		       "threads='1'/>\n    </cpu>\n    <topology>\n      <cells num='1'>\n        <cell id='0'>\n          "
		       "<memory unit='KiB'>%llu</memory>\n        </cell>\n      </cells>\n    </topology>\n  </host>\n  <guest>\n"
		       "    <os_type>%s</os_type>\n    <arch name='x86_64'>\n      <wordsize>64</wordsize>\n      <domain type='vmi'/>\n"
		       "    </arch>\n  </guest>\n</capabilities>\n%s", (long long)num(h, "cpus"), (unsigned long long)num(h, "memory") >> 10,
		       opts.virsh ? "linux" : "pv", opts.virsh ? "\n" : "");
	json_decref(h);
	return status;
}

static int run_uri(struct cmd *c)
{
	struct client *client = daemon_open();

	(void)c;
	if (!client)
		return daemon_status;
	if (!strncmp(client_path(client), SOCK_DIR "/", strlen(SOCK_DIR) + 1))
		puts("vmi:///system");
	else
		printf("unix:%s\n", client_path(client));
	if (opts.virsh)
		putchar('\n');
	client_close(client);
	return EX_OK;
}

static int run_hostname(struct cmd *c)
{
	int status;
	json_t *h = get_host(&status);

	(void)c;
	if (h)
		printf("%s\n%s", str(h, "hostname"), opts.virsh ? "\n" : "");
	json_decref(h);
	return status;
}

const struct verb host_verbs[] = {
	{ "nodeinfo", "host", "the machine", run_nodeinfo, NULL, false },
	{ "nodememstats", "host", "the machine's memory, and what is free for domains", run_nodememstats, NULL, false },
	{ "capabilities", "host", "what the machine can, as XML", run_capabilities, NULL, false },
	{ "version", "host", "the interface's version, this domain's number and features", run_version, NULL, false },
	{ "uri", "host", "how to reach the daemon: for --connect", run_uri, NULL, false },
	{ "hostname", "host", "domain 0's name", run_hostname, NULL, false },
	{ "counters", "host", "what this domain cost: hypercalls, CR3 writes, faults", run_counters,
	  OPTS({ "all", 'a', FLAG, OPTION, "zeros too" }, { "during", 'd', NUMBER, OPTION, "only what changes in so many seconds" }), false },
	{ "dmesg", "host", "the hypervisor's log", run_dmesg, OPTS({ "follow", 'f', FLAG, OPTION, "and what comes" }), false },
	{ 0 }
};
