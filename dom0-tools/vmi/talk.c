// SPDX-License-Identifier: GPL-2.0-only
/*
 * talk.c - verbs that speak with a domain or listen: console, log, event.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vmi.h"

/* Bytes both ways until the escape character, the end of input or of the domain. */
static int relay(int fd, struct strbuf *rest, char escape)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	char buf[4096];
	ssize_t n;

	if (rest->len && write_all(STDOUT_FILENO, rest->s, rest->len))
		return EX_FAILED;
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return error(EX_FAILED, "console: %s", strerror(errno));
		if (p[0].revents) {
			n = read(fd, buf, sizeof(buf));
			if (n <= 0)
				return EX_OK;
			if (write_all(STDOUT_FILENO, buf, n))
				return EX_FAILED;
		}
		if (p[1].fd >= 0 && p[1].revents) {
			char *stop;

			n = read(STDIN_FILENO, buf, sizeof(buf));
			if (n <= 0) {
				p[1].fd = -1;	/* a script's input ends; what the domain answers is still wanted */
				continue;
			}
			stop = memchr(buf, escape, n);
			if (write_all(fd, buf, stop ? stop - buf : n) || stop)
				return EX_OK;
		}
	}
}

int console_of(const char *domain, bool force, bool replay, const char *escape)
{
	struct client_error e = { 0 };
	struct client *c = daemon_open();
	char key = escape && escape[0] == '^' && escape[1] ? escape[1] & 0x1f : escape && *escape ? *escape : 0x1d;
	struct termios old, raw;
	bool tty = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &old), more;
	struct strbuf *rest;
	json_t *answer;
	int fd, status;

	fflush(stdout);
	if (!c)
		return daemon_status;
	if (!client_send(c, "org.vmi.Console", json_pack("{s:s, s:b, s:b}", "domain", domain, "force", force, "replay", replay),
			 "upgrade", &e) || !(answer = client_next(c, -1, &more, &e))) {
		client_close(c);
		return report(&e, NULL);
	}
	if (tty) {
		say("Connected to domain '%s'\nEscape character is %s (Ctrl + %c)\n", str(answer, "name"), escape ? escape : "^]",
		    key < ' ' ? key + '@' : key);
		fflush(stdout);
		raw = old;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	}
	json_decref(answer);
	fd = client_fd(c, &rest);
	status = relay(fd, rest, key);
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		putchar('\n');
	}
	client_close(c);
	return status;
}

static int run_console(struct cmd *c)
{
	return console_of(arg(c, "domain"), flag(c, "force"), flag(c, "replay"), arg(c, "escape"));
}

static int run_log(struct cmd *c)
{
	json_t *p = domain_params(c), *answer;
	unsigned int lines;
	const char *text, *from;
	int status;

	if (!number(c, "lines", 0, &lines)) {
		json_decref(p);
		return EX_BAD_USAGE;
	}
	json_object_set_new(p, "lifecycle", json_boolean(flag(c, "lifecycle")));
	answer = call("org.vmi.Log", p, NULL, &status);
	if (!answer)
		return status;
	text = from = str(answer, "text");
	if (lines && *text) {
		for (from = text + strlen(text) - 1; from > text; from--) {
			if (*from == '\n' && from[1] && !--lines)
				break;
		}
		from += *from == '\n';
	}
	/* A console may print anything; a terminal obeys some of it. */
	for (; *from; from++) {
		if (*from == '\n' || *from == '\t' || (unsigned char)*from >= ' ' || !isatty(STDOUT_FILENO))
			putchar(*from);
	}
	json_decref(answer);
	return EX_OK;
}

static const char *const event_kinds[][2] = {
	{ "lifecycle", NULL }, { "device-added", "DeviceAdded" }, { "device-removed", "DeviceRemoved" },
	{ "device-restarted", "DeviceRestarted" }, { "device-error", "DeviceError" },
};

/* virsh's name for a kind of event: "DeviceAdded" is of 'device-added'. */
static const char *event_kind(const json_t *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_kinds); i++) {
		if (event_kinds[i][1] && !strcmp(event_kinds[i][1], str(e, "event")))
			return event_kinds[i][0];
	}
	return "lifecycle";
}

static void print_event(struct cmd *c, json_t *e)
{
	const char *kind = event_kind(e);
	char when[40] = "";

	if (print_object(e))
		return;
	if (flag(c, "timestamp")) {
		time_t t = num(e, "time");
		struct tm tm;

		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S+0000: ", gmtime_r(&t, &tm));
	}
	printf("%sevent '%s' for domain '%s': %s%s%s\n", when, kind, str(e, "domain"), strcmp(kind, "lifecycle") ? "" : str(e, "event"),
	       strcmp(kind, "lifecycle") ? "" : " ", str(e, "detail"));
	fflush(stdout);
}

static int run_event(struct cmd *c)
{
	const char *domain = arg(c, "domain"), *kind = arg(c, "event");
	struct client_error e = { 0 };
	struct client *client;
	unsigned int nr = 0;
	uint64_t until;
	bool more;
	int ms;

	bool known = !kind;

	for (size_t i = 0; i < ARRAY_SIZE(event_kinds); i++) {
		known |= kind && !strcmp(kind, event_kinds[i][0]);
		if (flag(c, "list"))
			puts(event_kinds[i][0]);
	}
	if (flag(c, "list"))
		return EX_OK;
	if (!known)
		return error(EX_BAD_USAGE, "there is no event \"%s\": see vmi event --list", kind);
	if (!seconds(c, "timeout", &ms))
		return EX_BAD_USAGE;
	client = daemon_open();
	if (!client)
		return daemon_status;
	until = now_ns() + ms * 1000000ull;
	if (!client_send(client, "org.vmi.Events", NULL, "more", &e))
		goto failed;
	for (;;) {
		uint64_t now = now_ns();
		json_t *ev;

		if (ms >= 0 && now >= until)
			break;
		ev = client_next(client, ms < 0 ? -1 : (int)((until - now) / 1000000 + 1), &more, &e);
		if (!ev && e.status == EX_TIMED_OUT) {
			client_error_free(&e);
			break;
		}
		if (!ev)
			goto failed;
		if (*str(ev, "event") && (!domain || !strcmp(domain, str(ev, "domain")) || !strcmp(domain, str(ev, "uuid"))) &&
		    (!kind || !strcmp(kind, event_kind(ev)))) {
			print_event(c, ev);
			nr++;
		}
		json_decref(ev);
		if (nr && !flag(c, "loop"))
			break;
	}
	client_close(client);
	if (opts.out == OUT_TABLE)
		say("events received: %u\n", nr);
	return nr || flag(c, "loop") ? EX_OK : EX_TIMED_OUT;
failed:
	client_close(client);
	return report(&e, NULL);
}

const struct verb talk_verbs[] = {
	{ "console", "talk", "a domain's console; leave it with ^]", run_console,
	  OPTS(OPT_DOMAIN, { "escape", 'e', TEXT_ARG, OPTION, "the character that leaves it (^])" },
	       { "force", 0, FLAG, OPTION, "take it from who is there" }, { "replay", 0, FLAG, OPTION, "first what it printed last" },
	       { "safe", 0, FLAG, OPTION, "accepted for virsh's sake" }), false },
	{ "log", "talk", "what a domain printed, or what happened to it", run_log,
	  OPTS(OPT_DOMAIN, { "lines", 'n', NUMBER, OPTION, "only the last ones" },
	       { "lifecycle", 0, FLAG, OPTION, "starts, ends and changes" }), false },
	{ "event", "talk", "wait for what happens to domains", run_event,
	  OPTS({ "domain", 0, DOMAIN_ARG, MAY, "only this one" }, { "event", 0, TEXT_ARG, OPTION, "only this kind" }, { "all", 0, FLAG, OPTION, "every kind (default)" },
	       { "loop", 0, FLAG, OPTION, "go on" }, { "timeout", 0, NUMBER, OPTION, "seconds" },
	       { "timestamp", 0, FLAG, OPTION, "with the time" }, { "list", 0, FLAG, OPTION, "which events there are" }), false },
	{ 0 }
};
