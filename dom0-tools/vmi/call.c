// SPDX-License-Identifier: GPL-2.0-only
/*
 * call.c - verbs that ask the daemon: the connection, errors, waiting.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmi.h"

int daemon_status;

int report(struct client_error *e, const char *file)
{
	int status = e->status;

	diag_print_json(e->messages, file ? file : "configuration");
	error(status, "%s", e->message ? e->message : "failed");
	hint(e->hint);
	client_error_free(e);
	return status;
}

struct client *daemon_open(void)
{
	struct client_error e = { 0 };
	struct client *c = client_open(opts.uri, opts.reader, &e);

	if (!c)
		daemon_status = report(&e, NULL);
	return c;
}

json_t *call(const char *method, json_t *params, const char *file, int *status)
{
	struct client_error e = { 0 };
	struct client *c = daemon_open();
	json_t *answer;

	if (!c) {
		json_decref(params);
		*status = daemon_status;
		return NULL;
	}
	answer = client_call(c, method, params, &e);
	client_close(c);
	*status = answer ? EX_OK : report(&e, file);
	if (answer && file && !opts.quiet)
		diag_print_json(json_object_get(answer, "messages"), file);
	return answer;
}

json_t *domain_params(struct cmd *c)
{
	json_t *name = json_string(arg(c, "domain"));

	/* No domain has a name that is not UTF-8. */
	return json_pack("{s:o}", "domain", name ? name : json_string("?"));
}

int simple_call(struct cmd *c, const char *method, json_t *params, const char *done)
{
	int status;
	json_t *answer = call(method, params, NULL, &status);

	(void)c;
	if (!answer)
		return status;
	say("Domain '%s' %s\n", str(answer, "name"), done);
	json_decref(answer);
	return EX_OK;
}

static bool is_in(const char *now, const char *wanted)
{
	return !strcmp(now, wanted) || (!strcmp(wanted, "running") && !strcmp(now, "idle"));
}

int wait_state(const char *domain, const char *state, int timeout_ms)
{
	struct client_error e = { 0 };
	struct client *events = daemon_open(), *ask = events ? daemon_open() : NULL;
	uint64_t until = now_ns() + timeout_ms * 1000000ull;
	int status = daemon_status;
	bool more;

	if (!ask) {
		client_close(events);
		return status;
	}
	if (!client_send(events, "org.vmi.Events", NULL, "more", &e) || !client_next(events, -1, &more, &e)) {
		status = report(&e, NULL);
		goto out;
	}
	for (;;) {
		json_t *d = client_call(ask, "org.vmi.Get", json_pack("{s:s}", "domain", domain), &e);
		int ms = 1000;

		/* A transient domain that ended is gone. */
		if (!d && e.status == EX_NO_OBJECT && !strcmp(state, "shut off")) {
			client_error_free(&e);
			status = EX_OK;
			break;
		}
		if (!d) {
			status = report(&e, NULL);
			break;
		}
		status = is_in(str(d, "state"), state) ? EX_OK : -1;
		if (status && timeout_ms >= 0 && now_ns() >= until) {
			status = error(EX_TIMED_OUT, "timed out after %g s: domain '%s' is %s, not %s", timeout_ms / 1000.0, domain,
				       str(d, "state"), state);
		}
		json_decref(d);
		if (status >= 0)
			break;
		/* Idle and running come without an event: look each second. */
		if (timeout_ms >= 0 && until - now_ns() < 1000000000ull)
			ms = (until - now_ns()) / 1000000 + 1;
		json_decref(client_next(events, ms, &more, &e));
		if (e.status && e.status != EX_TIMED_OUT) {
			status = report(&e, NULL);
			break;
		}
		client_error_free(&e);
	}
out:
	client_close(ask);
	client_close(events);
	return status;
}
