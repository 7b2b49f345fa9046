// SPDX-License-Identifier: GPL-2.0-only
/*
 * store.c - what survives vmid: definitions, autostart marks and the state of
 * the domains that exist.
 *
 * A file is written under another name, flushed, and renamed: at any moment,
 * and after any kill, it is the old one or the new one, whole. The name is the
 * uuid, so giving a domain another name is one such write as well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmid.h"

static char *unit_path(const char *dir, const uint8_t uuid[16], const char *suffix, const char *more)
{
	char text[UUID_LEN];

	uuid_format(uuid, text);
	return xasprintf("%s/%s.%s%s", dir, text, suffix, more);
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

int make_dir(const char *path, mode_t mode)
{
	char *copy = xstrdup(path);
	int rc;

	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		mkdir(copy, 0755);	/* the last mkdir tells what failed */
		*p = '/';
	}
	rc = mkdir(copy, mode);
	free(copy);
	return rc && errno != EEXIST ? -1 : 0;
}

int store_put(const char *dir, const uint8_t uuid[16], const char *suffix, const char *text, bool sync, struct failure *f)
{
	char *path = unit_path(dir, uuid, suffix, ""), *tmp = unit_path(dir, uuid, suffix, ".new");
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;

	if (fd < 0 || write_all(fd, text, strlen(text)) || (sync && fsync(fd)))
		rc = -1;
	if (fd >= 0 && close(fd))
		rc = -1;
	if (!rc)
		rc = rename(tmp, path);
	if (!rc && sync)
		rc = sync_dir(dir);
	if (rc) {
		rc = fail(f, EX_FAILED, errno == ENOSPC ? "make room on its file system" : NULL, "cannot write %s: %s", path,
			  strerror(errno));
		unlink(tmp);
	}
	free(path);
	free(tmp);
	return rc;
}

int store_del(const char *dir, const uint8_t uuid[16], const char *suffix, bool sync, struct failure *f)
{
	char *path = unit_path(dir, uuid, suffix, "");
	int rc = unlink(path);

	if (rc && errno == ENOENT)
		rc = 0;
	if (!rc && sync)
		rc = sync_dir(dir);
	if (rc)
		rc = fail(f, EX_FAILED, NULL, "cannot remove %s: %s", path, strerror(errno));
	free(path);
	return rc;
}

char *store_get(const char *dir, const uint8_t uuid[16], const char *suffix)
{
	char *path = unit_path(dir, uuid, suffix, ""), *text = read_file(path, RPC_MAX, NULL);

	free(path);
	return text;
}

void store_each(const char *dir, const char *suffix, void (*fn)(const uint8_t uuid[16], const char *text, size_t len))
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d) {
		say(LOG_ERROR, "%s: %s", dir, strerror(errno));
		return;
	}
	while ((e = readdir(d))) {
		char *dot = strchr(e->d_name, '.'), *path, *text;
		size_t len = strlen(e->d_name);
		uint8_t uuid[16];

		if (!dot || dot != e->d_name + UUID_LEN - 1)
			continue;
		path = xasprintf("%s/%s", dir, e->d_name);
		*dot = 0;
		if (len > 4 && !strcmp(path + strlen(path) - 4, ".new")) {
			unlink(path);
		} else if (!strcmp(dot + 1, suffix) && uuid_parse(e->d_name, uuid)) {
			text = read_file(path, RPC_MAX, &len);
			if (text)
				fn(uuid, text, len);
			else
				say(LOG_ERROR, "%s: %s", path, strerror(errno));
			free(text);
		}
		free(path);
	}
	closedir(d);
}
