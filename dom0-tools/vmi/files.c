// SPDX-License-Identifier: GPL-2.0-only
/*
 * files.c - verbs on files, which need neither the daemon nor the hypervisor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmi.h"

char *read_config(const char *path, size_t *len, bool *xl)
{
	char *text = read_file(strcmp(path, "-") ? path : "/dev/stdin", CONFIG_MAX, len);
	unsigned char first;

	if (!text) {
		error(EX_BAD_CONFIG, "%s: %s", path, errno == EFBIG ? "larger than 4 MiB: this is no domain's description" :
		      errno == EISDIR ? "is a folder, not a file" : strerror(errno));
		return NULL;
	}
	/* XML begins with < (after a byte order mark, perhaps); xl.cfg never does. */
	first = text[strspn(text, " \t\r\n")];
	*xl = first && first != '<' && first < 0x80 && (strlen(path) < 4 || strcmp(path + strlen(path) - 4, ".xml"));
	return text;
}

static bool check_one(struct cmd *c, const char *path)
{
	struct diag d = { .strict = flag(c, "validate") || flag(c, "strict") };
	struct dom_config *cfg;
	size_t len;
	bool xl;
	char *text = read_config(path, &len, &xl);

	if (!text)
		return false;
	cfg = xl ? config_from_xl(text, len, &d) : config_from_xml(text, len, &d);
	diag_print(&d, path);
	if (cfg && flag(c, "print")) {
		char *xml = config_to_xml(cfg, 0);

		fputs(xml, stdout);
		free(xml);
	} else if (!opts.quiet) {
		printf("%s: %s\n", path, cfg ? "accepted" : "refused");
	}
	free(text);
	diag_free(&d);
	config_free(cfg);
	return cfg != NULL;
}

static int run_check(struct cmd *c)
{
	bool ok = check_one(c, arg(c, "file"));

	for (int i = 0; i < c->nr_rest; i++)
		ok &= check_one(c, c->rest[i]);
	return ok ? EX_OK : EX_BAD_CONFIG;
}

static int run_from_native(struct cmd *c)
{
	const char *format = arg(c, "format"), *path = arg(c, "config");
	struct diag d = { 0 };
	struct dom_config *cfg;
	size_t len;
	bool xl;
	char *text, *xml;

	if (!word_in(format, "xen-xl xen-xm"))
		return error(EX_BAD_USAGE, "there is no format \"%s\": there is xen-xl", format);
	text = read_config(path, &len, &xl);
	if (!text)
		return EX_BAD_CONFIG;
	cfg = config_from_xl(text, len, &d);
	diag_print(&d, path);
	free(text);
	diag_free(&d);
	if (!cfg)
		return EX_BAD_CONFIG;
	xml = config_to_xml(cfg, 0);
	fputs(xml, stdout);
	free(xml);
	config_free(cfg);
	return EX_OK;
}

static int run_schema(struct cmd *c)
{
	char *text = spec_schema();

	(void)c;
	fputs(text, stdout);
	free(text);
	return EX_OK;
}

const struct verb file_verbs[] = {
	{ "check", "files", "parse and validate files; status 0 accepted, 4 refused", run_check,
	  OPTS({ "file", 0, FILE_ARG, MUST_BE, "domain XML, or an xl.cfg file; - is standard input" },
	       { "validate", 0, FLAG, OPTION, "what is unknown is an error" }, { "strict", 0, FLAG, OPTION, "the same" },
	       { "print", 'p', FLAG, OPTION, "print it as it would be kept" }), true },
	{ "domxml-from-native", "files", "an xl.cfg file as domain XML", run_from_native,
	  OPTS({ "format", 0, TEXT_ARG, MUST_BE, "xen-xl" }, { "config", 0, FILE_ARG, MUST_BE, "the file" }), false },
	{ "schema", "files", "the RelaxNG schema of domain XML", run_schema, NULL, false },
	{ 0 }
};
