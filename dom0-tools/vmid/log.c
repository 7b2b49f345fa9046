// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - what vmid says (standard error, with the journal's levels if that is
 * where it goes), and the logs of domains with their rotation.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmid.h"

#define KEEP_OLD 2

void say(int level, const char *fmt, ...)
{
	static int journal = -1;
	char text[700];
	va_list ap;

	if (journal < 0)
		journal = getenv("JOURNAL_STREAM") != NULL;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (journal)
		fprintf(stderr, "<%d>%s\n", level, text);
	else
		fprintf(stderr, "vmid: %s\n", text);
}

int fail(struct failure *f, int status, const char *hint, const char *fmt, ...)
{
	va_list ap;

	f->status = status;
	f->hint = hint;
	va_start(ap, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
	return status;
}

static char *log_path(const char *name, const char *suffix)
{
	return xasprintf("%s/%s.%s", vmid.log_dir, name, suffix);
}

static void reopen(struct logfile *l, int flags)
{
	struct stat st;

	l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	l->size = l->fd >= 0 && !fstat(l->fd, &st) ? st.st_size : 0;
	if (l->fd < 0)
		say(LOG_WARN, "%s: %s: this log is lost", l->path, strerror(errno));
}

void logfile_open(struct logfile *l, const char *name, const char *suffix)
{
	logfile_close(l);
	l->path = log_path(name, suffix);
	reopen(l, 0);
}

void logfile_close(struct logfile *l)
{
	if (l->path && l->fd >= 0)
		close(l->fd);
	free(l->path);
	*l = (struct logfile){ .fd = -1 };
}

static void rotate(struct logfile *l)
{
	char *to = NULL;

	for (int i = KEEP_OLD; i; i--) {
		char *from = i > 1 ? xasprintf("%s.%d", l->path, i - 1) : xstrdup(l->path);

		to = xasprintf("%s.%d", l->path, i);
		/* One that is not there yet is no error. */
		if (rename(from, to) && errno != ENOENT)
			say(LOG_WARN, "%s: %s", to, strerror(errno));
		free(from);
		free(to);
	}
	close(l->fd);
	reopen(l, O_TRUNC);
}

void logfile_add(struct logfile *l, const void *data, size_t len)
{
	if (!l->path || l->fd < 0)
		return;
	if (l->size + len > vmid.log_max && l->size)
		rotate(l);
	if (l->fd >= 0 && !write_all(l->fd, data, len))
		l->size += len;
}

char *logfile_tail(const char *name, const char *suffix, size_t max)
{
	char *path = log_path(name, suffix), *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	free(path);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st)) {
		off_t from = (size_t)st.st_size > max ? st.st_size - (off_t)max : 0;

		text = xcalloc(1, max + 1);
		n = pread(fd, text, max, from);
		text[n > 0 ? n : 0] = 0;
		if (from && n > 0) {
			char *line = memchr(text, '\n', n);

			if (line)
				memmove(text, line + 1, n - (line + 1 - text) + 1);
		}
	}
	close(fd);
	return text;
}
