// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_rpc.c - Messages on the socket: whole, in pieces, several at once, too long, and garbage.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/rpc.h"
#include "tools_test.h"

static void pieces_make_messages(void)
{
	static const char two[] = "{\"method\":\"a\"}\0{\"method\":\"b\"}";
	struct rpc_in in = { .max = 1000 };
	unsigned int nr = 0;
	const char *why;

	for (size_t i = 0; i < sizeof(two); i++) {
		json_t *msg;

		CU_ASSERT_PTR_NULL(rpc_next(&in, &why));
		CU_ASSERT_PTR_NULL(why);
		sb_add(&in.buf, two + i, 1);
		msg = two[i] ? NULL : rpc_next(&in, &why);
		if (msg) {
			CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(msg, "method")), nr ? "b" : "a");
			nr++;
			json_decref(msg);
		}
	}
	CU_ASSERT_EQUAL(nr, 2);
	CU_ASSERT_EQUAL(in.buf.len, 0);
	sb_free(&in.buf);
}

static void garbage_is_said_to_be_garbage(void)
{
	static const char *const bad[] = { "", "hello", "[1]", "{", "{}x", "\"a\"", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}", "nul" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rpc_in in = { .max = 1000 };
		const char *why;

		sb_add(&in.buf, bad[i], strlen(bad[i]) + 1);
		CU_ASSERT_PTR_NULL(rpc_next(&in, &why));
		CU_ASSERT_PTR_NOT_NULL(why);
		sb_free(&in.buf);
	}
}

static void deep_brackets_are_refused(void)
{
	struct rpc_in in = { .max = RPC_MAX };
	const char *why;

	sb_puts(&in.buf, "{\"a\":");
	for (int i = 0; i < 100000; i++)
		sb_puts(&in.buf, "[");
	sb_add(&in.buf, "", 1);
	CU_ASSERT_PTR_NULL(rpc_next(&in, &why));
	CU_ASSERT_PTR_NOT_NULL(why);
	sb_free(&in.buf);
}

static void no_message_is_longer_than_the_limit(void)
{
	struct rpc_in in = { .max = 100 };
	const char *why;

	for (int i = 0; i < 100; i++)
		sb_puts(&in.buf, " ");
	CU_ASSERT_PTR_NULL(rpc_next(&in, &why));
	CU_ASSERT_PTR_NULL(why);
	sb_puts(&in.buf, "  ");
	CU_ASSERT_PTR_NULL(rpc_next(&in, &why));
	CU_ASSERT_PTR_NOT_NULL(why);
	sb_free(&in.buf);
}

static void what_is_put_is_what_is_read(void)
{
	struct rpc_in in = { .max = 1000 };
	json_t *a = json_pack("{s:s, s:{s:i, s:n, s:[b, f]}}", "x", "zero \x01 \"quoted\" \xc3\xa9", "y", "n", 5, "z", "l", 1, 0.5), *b;
	const char *why;

	rpc_put(&in.buf, a);
	b = rpc_next(&in, &why);
	CU_ASSERT_TRUE(json_equal(a, b));
	json_decref(a);
	json_decref(b);
	sb_free(&in.buf);
}

static void every_error_has_one_status(void)
{
	static const int all[] = { EX_FAILED, EX_BAD_USAGE, EX_NO_OBJECT, EX_BAD_CONFIG, EX_NO_DAEMON, EX_WRONG_STATE, EX_TIMED_OUT };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		CU_ASSERT_EQUAL(rpc_error_status(rpc_error_name(all[i])), all[i]);
	CU_ASSERT_EQUAL(rpc_error_status("org.else.Unknown"), EX_FAILED);
}

static void a_daemon_that_is_not_there_is_named(void)
{
	struct client_error e = { 0 };

	CU_ASSERT_PTR_NULL(client_open("/nonexistent/folder", false, &e));
	CU_ASSERT_EQUAL(e.status, EX_NO_DAEMON);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "/nonexistent/folder/vmid.sock"));
	CU_ASSERT_PTR_NOT_NULL(e.hint);
	client_error_free(&e);
	CU_ASSERT_PTR_NULL(client_open("qemu:///system", false, &e));
	CU_ASSERT_EQUAL(e.status, EX_NO_DAEMON);
	client_error_free(&e);
}

TESTS("rpc",
      TEST(pieces_make_messages), TEST(garbage_is_said_to_be_garbage), TEST(deep_brackets_are_refused),
      TEST(no_message_is_longer_than_the_limit), TEST(what_is_put_is_what_is_read), TEST(every_error_has_one_status),
      TEST(a_daemon_that_is_not_there_is_named))
