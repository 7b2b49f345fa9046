// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_config.c - Sizes, sets, uuids, names and nearest words; XML and xl.cfg files in and out, also cut short and damaged.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xml_devices.h"
#include "tools_test.h"

static void sizes_take_units_and_refuse_the_rest(void)
{
	uint64_t v;

	CU_ASSERT_PTR_NULL(parse_size("1", NULL, "KiB", &v));
	CU_ASSERT_EQUAL(v, 1024);
	CU_ASSERT_PTR_NULL(parse_size("2", "GB", "KiB", &v));
	CU_ASSERT_EQUAL(v, 2000000000);
	CU_ASSERT_PTR_NULL(parse_size("3", "m", "KiB", &v));
	CU_ASSERT_EQUAL(v, 3 << 20);
	CU_ASSERT_PTR_NOT_NULL(parse_size("18446744073709551615", "KiB", "KiB", &v));
	CU_ASSERT_PTR_NOT_NULL(parse_size("18446744073709551616", "b", "KiB", &v));
	CU_ASSERT_PTR_NOT_NULL(parse_size("1.5", "GiB", "KiB", &v));
	CU_ASSERT_PTR_NOT_NULL(parse_size("", "GiB", "KiB", &v));
	CU_ASSERT_PTR_NOT_NULL(parse_size("-1", "GiB", "KiB", &v));
	CU_ASSERT_PTR_NOT_NULL(parse_size("1", "parsec", "KiB", &v));
}

static void cpusets_go_in_and_out(void)
{
	static const char *const same[] = { "0", "0-3", "1,3,5", "0-1,62-63", "63" };
	static const char *const bad[] = { "", ",", "1,", "3-1", "64", "a", "1-", "-1", "^1", "0,^0", "1 2", "99999999999999999999" };
	char text[CPUSET_LEN];
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		CU_ASSERT_TRUE(parse_cpuset(same[i], &v));
		format_cpuset(v, text);
		CU_ASSERT_STRING_EQUAL(text, same[i]);
	}
	CU_ASSERT_TRUE(parse_cpuset("0-3,^2", &v));
	CU_ASSERT_EQUAL(v, 0xb);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_FALSE(parse_cpuset(bad[i], &v));
	format_cpuset(0x5555555555555555, text);
	CU_ASSERT_TRUE(parse_cpuset(text, &v) && v == 0x5555555555555555);
}

static void uuids_go_in_and_out(void)
{
	char text[UUID_LEN];
	uint8_t u[16], v[16];

	CU_ASSERT_TRUE(uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", u));
	uuid_format(u, text);
	CU_ASSERT_STRING_EQUAL(text, "00112233-4455-6677-8899-aabbccddeeff");
	CU_ASSERT_TRUE(uuid_parse("00112233445566778899aabbccddeeff", v));
	CU_ASSERT_EQUAL(memcmp(u, v, 16), 0);
	CU_ASSERT_FALSE(uuid_parse("", u));
	CU_ASSERT_FALSE(uuid_parse("0011", u));
	CU_ASSERT_FALSE(uuid_parse("00112233-4455-6677-8899-aabbccddeeff0", u));
	CU_ASSERT_FALSE(uuid_parse("g0112233-4455-6677-8899-aabbccddeeff", u));
	uuid_make(u);
	uuid_make(v);
	CU_ASSERT_NOT_EQUAL(memcmp(u, v, 16), 0);
}

static void the_nearest_word_is_near(void)
{
	static const char *const words[] = { "memory", "metadata", "vcpu", "name" };

	CU_ASSERT_STRING_EQUAL(nearest("memroy", words, 4), "memory");
	CU_ASSERT_STRING_EQUAL(nearest("Memory", words, 4), "memory");
	CU_ASSERT_STRING_EQUAL(nearest("vpcu", words, 4), "vcpu");
	CU_ASSERT_PTR_NULL(nearest("zzzzzz", words, 4));
	CU_ASSERT_PTR_NULL(nearest("", words, 4));
	CU_ASSERT_PTR_NULL(nearest("a-word-that-is-longer-than-any-table-of-ours-goes", words, 4));
}

static void names_that_would_hurt_are_refused(void)
{
	static const char *const bad[] = { "", ".", "../x", "a/b", "-x", "a\nb", "12", "a'b", "<", "a\"", "x\x7f" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_PTR_NOT_NULL(name_problem(bad[i]));
	CU_ASSERT_PTR_NULL(name_problem("web-1.example_a+b@c:d"));
	CU_ASSERT_PTR_NULL(name_problem("Grüße"));
}

static struct dom_config *read(const char *name, const char *text, size_t len, struct diag *d)
{
	return strstr(name, ".cfg") ? config_from_xl(text, len, d) : config_from_xml(text, len, d);
}

/* Each golden file: whole, cut at places, and with bytes changed. */
static void damaged(const char *name, const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	for (size_t cut = 0; cut < len; cut += 1 + len / 60) {
		struct diag d = { 0 };
		struct dom_config *c;

		memcpy(copy, text, len);
		c = read(name, copy, cut, &d);
		CU_ASSERT_EQUAL(c == NULL, d.errors != 0);
		config_free(c);
		diag_free(&d);
		copy[cut] ^= 1 << cut % 8;
		c = read(name, copy, len, &d);
		CU_ASSERT_EQUAL(c == NULL, d.errors != 0);
		config_free(c);
		diag_free(&d);
	}
	free(copy);
}

static void golden_files_are_fixed_points_and_survive_damage(void)
{
	DIR *dir = opendir(CONF_DIR);
	struct dirent *e;
	unsigned int accepted = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((e = readdir(dir))) {
		char *path, *text, *xml, *again;
		struct diag d = { 0 };
		struct dom_config *c, *copy;
		size_t len;

		if (!strstr(e->d_name, ".xml") && !strstr(e->d_name, ".cfg"))
			continue;
		if (strstr(e->d_name, ".out"))
			continue;
		path = xasprintf("%s/%s", CONF_DIR, e->d_name);
		text = read_file(path, CONFIG_MAX, &len);
		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		damaged(e->d_name, text, len);
		c = read(e->d_name, text, len, &d);
		if (c) {
			accepted++;
			copy = config_copy(c);
			xml = config_to_xml(c, 0);
			config_free(c);
			again = config_to_xml(copy, 0);
			CU_ASSERT_STRING_EQUAL(xml, again);
			config_free(copy);
			free(xml);
			free(again);
		}
		diag_free(&d);
		free(text);
		free(path);
	}
	closedir(dir);
	CU_ASSERT_TRUE(accepted >= 8);
}

static void too_large_is_refused_before_it_is_read(void)
{
	size_t len = CONFIG_MAX + 1;
	char *text = malloc(len);
	struct diag d = { 0 };

	memset(text, ' ', len);
	CU_ASSERT_PTR_NULL(config_from_xml(text, len, &d));
	CU_ASSERT_PTR_NULL(config_from_xl(text, len, &d));
	CU_ASSERT_EQUAL(d.errors, 2);
	diag_free(&d);
	free(text);
}

static void caps_are_quotas(void)
{
	struct dom_config *c = config_new();

	CU_ASSERT_EQUAL(config_cap(c), 0);
	config_set_cap(c, 150);
	CU_ASSERT_EQUAL(config_cap(c), 150);
	CU_ASSERT_EQUAL(c->quota, 150000);
	c->period = 1000;
	c->quota = 64000000;
	CU_ASSERT_EQUAL(config_cap(c), 6400);
	config_free(c);
}

/* The ports of an interface with these elements: -1: it is refused, and d says why. */
static int forwards(const char *inside, struct device_forward to[DEVICE_FORWARDS], struct diag *d)
{
	char *text = xasprintf("<interface type='user'>%s</interface>", inside);
	xmlNode *n = device_from_xml(text, strlen(text), d);
	struct device_item *it = n ? device_item(n, d) : NULL;
	int nr = it ? (int)it->dev.nr_forwards : -1;

	if (it)
		memcpy(to, it->dev.forward, sizeof(it->dev.forward));
	device_item_free(it);
	if (n)
		xmlFreeNode(n);
	free(text);
	return nr;
}

static void forwards_are_ports(void)
{
	static const struct {
		const char *inside, *why;
	} wrong[] = {
		{ "<portForward proto='tcp'/>", "say which ports" },
		{ "<portForward proto='tcp'><range start='5' exclude='yes'/></portForward>", "say which ports" },
		{ "<portForward proto='sctp'><range start='5'/></portForward>", "\"sctp\"" },
		{ "<portForward><range start='5'/></portForward>", "proto" },
		{ "<portForward proto='tcp'><range end='5'/></portForward>", "start" },
		{ "<portForward proto='tcp'><range start='0'/></portForward>", "from 1 to 65535" },
		{ "<portForward proto='tcp'><range start='7' end='6'/></portForward>", "not below" },
		{ "<portForward proto='tcp'><range start='7' end='65536'/></portForward>", "from 1 to 65535" },
		{ "<portForward proto='tcp'><range start='7' to='0'/></portForward>", "from 1 to 65535" },
		{ "<portForward proto='tcp'><range start='7' end='9' to='65534'/></portForward>", "would be 65536" },
		{ "<portForward proto='tcp' address='::1'><range start='7'/></portForward>", "no IPv4 address" },
		{ "<portForward proto='tcp' dev='eth0'><range start='7'/></portForward>", "address='...'" },
		{ "<portForward proto='tcp'><range start='1' end='33'/></portForward>", "more than 32" },
	};
	struct device_forward f[DEVICE_FORWARDS];
	struct diag d = { 0 };

	CU_ASSERT_EQUAL(forwards("", f, &d), 0);
	CU_ASSERT_EQUAL(forwards("<portForward proto='udp' address='127.0.0.1'><range start='5000' end='5020' to='6000'/><range start='5001' end='5019' exclude='yes'/>"
				 "<range start='9'/></portForward><portForward proto='tcp'><range start='65535' to='1' exclude='no'/></portForward>", f, &d), 4);
	CU_ASSERT(f[0].udp && f[0].port == 5000 && f[0].to == 6000 && f[0].address == htonl(INADDR_LOOPBACK));
	CU_ASSERT(f[1].udp && f[1].port == 5020 && f[1].to == 6020 && f[2].port == 9 && f[2].to == 9);
	CU_ASSERT(!f[3].udp && f[3].port == 65535 && f[3].to == 1 && !f[3].address);
	CU_ASSERT_EQUAL(forwards("<portForward proto='tcp'><range start='1' end='32'/></portForward>", f, &d), 32);
	CU_ASSERT_EQUAL(d.errors, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		diag_free(&d);
		CU_ASSERT_EQUAL(forwards(wrong[i].inside, f, &d), -1);
		CU_ASSERT(d.errors && strstr(d.items[0].text, wrong[i].why));
	}
	diag_free(&d);
}

TESTS("config",
      TEST(sizes_take_units_and_refuse_the_rest), TEST(cpusets_go_in_and_out), TEST(uuids_go_in_and_out),
      TEST(the_nearest_word_is_near), TEST(names_that_would_hurt_are_refused),
      TEST(golden_files_are_fixed_points_and_survive_damage), TEST(too_large_is_refused_before_it_is_read),
      TEST(caps_are_quotas), TEST(forwards_are_ports))
