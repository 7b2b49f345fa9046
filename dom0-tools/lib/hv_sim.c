// SPDX-License-Identifier: GPL-2.0-only
/*
 * hv_sim.c - simulated domains: a back end of hv.h without a hypervisor.
 *
 * For tests and for trying the tools on any Linux (vmid --simulate). Domains
 * live in a file that is mapped, so they survive the daemon as real ones do:
 * what a domain did since is computed from the clock. A domain boots, prints
 * on its console, answers a little shell there, uses processor time by its
 * load, weight and cap, and ends when asked. Its command line may say
 *   sim.load=PERCENT    of each vCPU (default 1 to 20, by its number)
 *   sim.crash=MS        crash so long after its start
 *   sim.deaf            ignore requests to shut down
 *
 * The argument: FILE[,cpus=N][,memory=MIB][,shutdown=MS]; without a file the
 * domains live in memory.
 *
 * Invariant: a record counts when its domid is not 0; that is stored last when
 * it is made and first when it goes, so a kill between leaves no half domain.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "hv.h"
#include "util.h"

#define MAX_DOMS	256
#define MAGIC		0x314d4953u	/* "SIM1" */
#define MS		1000000ull
#define FILE_MAX	(512u << 20)	/* of a kernel or initramfs */
#define LINE_EVERY	(20 * MS)	/* of the boot messages */

enum { ENDS_NOT, ENDS_POWEROFF, ENDS_REBOOT, ENDS_CRASH };

struct sim_dom {
	_Atomic uint32_t domid;
	uint8_t uuid[16];
	char name[HV_NAME_LEN];
	uint64_t memory, max_memory;
	uint32_t vcpus, max_vcpus, weight, cap, load;
	uint64_t pin[HV_MAX_VCPUS], cpu[HV_MAX_VCPUS];
	uint32_t paused, deaf, ended;	/* ended: ENDS_* */
	uint32_t asked;			/* ENDS_*, to come at ends_at */
	uint64_t started, ends_at;	/* 0: not yet; never */
	uint32_t lines;			/* boot messages printed */
};

struct sim_file {
	uint32_t magic, size;
	uint32_t next_domid, pad;
	uint64_t last;			/* until when processor time is counted */
	struct sim_dom dom[MAX_DOMS];
};

struct sim_console {
	uint32_t domid;
	int fd;
	char line[80];
	size_t len;
};

struct hv {
	struct sim_file *f;
	int fd, timer, epoll;
	unsigned int cpus;
	uint64_t memory, shutdown;
	uint32_t changed[MAX_DOMS];
	unsigned int nr_changed;
	struct sim_console con[MAX_DOMS];
};

static const char *const boot_lines[] = {
	"Linux version 6.1 (simulated domain)", "Booting paravirtualized kernel on VMI (simulated)",
	"printk: console [hvc0] enabled", "smp: Bringing up secondary CPUs ...", "Freeing unused kernel image memory",
	"Run /init as init process", "",
};

static struct sim_dom *find(struct hv *hv, uint32_t domid)
{
	for (unsigned int i = 0; domid && i < MAX_DOMS; i++) {
		if (hv->f->dom[i].domid == domid)
			return &hv->f->dom[i];
	}
	return NULL;
}

static struct sim_console *find_console(struct hv *hv, uint32_t domid)
{
	for (unsigned int i = 0; i < MAX_DOMS; i++) {
		if (hv->con[i].fd >= 0 && hv->con[i].domid == domid)
			return &hv->con[i];
	}
	return NULL;
}

static void close_console(struct sim_console *con)
{
	if (con)
		close(con->fd);
	if (con)
		con->fd = -1;
}

/* A console that nobody reads loses what does not fit, as a serial line does. */
static void say(struct hv *hv, const struct sim_dom *d, const char *text)
{
	struct sim_console *con = find_console(hv, d->domid);

	if (con && send(con->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
		close_console(con);
}

static bool runs(const struct sim_dom *d)
{
	return d->domid && d->started && !d->paused && !d->ended;
}

static void count_time(struct hv *hv, uint64_t until)
{
	uint64_t dt = until > hv->f->last ? until - hv->f->last : 0, weights = 0;

	for (unsigned int i = 0; i < MAX_DOMS; i++)
		weights += runs(&hv->f->dom[i]) ? hv->f->dom[i].weight : 0;
	for (unsigned int i = 0; i < MAX_DOMS; i++) {
		struct sim_dom *d = &hv->f->dom[i];
		uint64_t want, share;

		if (!runs(d) || !d->vcpus)
			continue;
		want = (uint64_t)d->load * d->vcpus;
		share = 100ull * hv->cpus * d->weight / weights;
		if (want > share)
			want = share;
		if (d->cap && want > d->cap)
			want = d->cap;
		for (unsigned int v = 0; v < d->vcpus; v++)
			d->cpu[v] += dt * want / d->vcpus / 100;
	}
	hv->f->last = until;
}

static void boot_messages(struct hv *hv, struct sim_dom *d, uint64_t now)
{
	char text[128];

	while (d->lines < ARRAY_SIZE(boot_lines) && now >= d->started + d->lines * LINE_EVERY) {
		unsigned int i = d->lines++;

		if (i + 1 < ARRAY_SIZE(boot_lines))
			snprintf(text, sizeof(text), "[%5u.%06u] %s\r\n", 0, (unsigned int)(i * LINE_EVERY / 1000), boot_lines[i]);
		else
			snprintf(text, sizeof(text), "\r\n%s# ", d->name);
		say(hv, d, text);
	}
}

static void end(struct hv *hv, struct sim_dom *d, uint32_t how)
{
	static const char *const last[] = {
		"", "reboot: Power down\r\n", "reboot: Restarting system\r\n", "Kernel panic - not syncing: simulated\r\n"
	};

	say(hv, d, last[how]);
	d->ends_at = 0;
	d->ended = how;
	if (hv->nr_changed < MAX_DOMS)
		hv->changed[hv->nr_changed++] = d->domid;
}

/* Lets all domains live until now, and sets the timer to what comes next. */
static void live(struct hv *hv)
{
	uint64_t now = now_ns(), next = 0;
	struct itimerspec t = { 0 };

	count_time(hv, now);
	for (unsigned int i = 0; i < MAX_DOMS; i++) {
		struct sim_dom *d = &hv->f->dom[i];
		uint64_t at;

		if (!runs(d))
			continue;
		boot_messages(hv, d, now);
		if (d->ends_at && now >= d->ends_at) {
			end(hv, d, d->asked);
			continue;
		}
		at = d->ends_at;
		if (d->lines < ARRAY_SIZE(boot_lines) && (!at || d->started + d->lines * LINE_EVERY < at))
			at = d->started + d->lines * LINE_EVERY;
		if (at && (!next || at < next))
			next = at;
	}
	if (hv->nr_changed)
		next = 1;
	t.it_value.tv_sec = next / 1000000000;
	t.it_value.tv_nsec = next % 1000000000;
	timerfd_settime(hv->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void command(struct hv *hv, struct sim_dom *d, const char *line)
{
	char text[128];

	if (!strcmp(line, "poweroff")) {
		end(hv, d, ENDS_POWEROFF);
		return;
	} else if (!strcmp(line, "reboot")) {
		end(hv, d, ENDS_REBOOT);
		return;
	} else if (!strcmp(line, "crash")) {
		end(hv, d, ENDS_CRASH);
		return;
	} else if (!strcmp(line, "uptime")) {
		snprintf(text, sizeof(text), "up %.1f s\r\n", (now_ns() - d->started) / 1e9);
		say(hv, d, text);
	} else if (*line) {
		say(hv, d, "a simulated domain knows: uptime, poweroff, reboot, crash\r\n");
	}
	snprintf(text, sizeof(text), "%s# ", d->name);
	say(hv, d, text);
}

static void typed(struct hv *hv, struct sim_console *con)
{
	struct sim_dom *d = find(hv, con->domid);
	char buf[256], echo[2] = "";
	ssize_t n = recv(con->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n <= 0 || !d) {
		if (n >= 0 || errno != EAGAIN)
			close_console(con);
		return;
	}
	for (ssize_t i = 0; i < n && runs(d) && con->fd >= 0; i++) {
		if (buf[i] == '\r' || buf[i] == '\n') {
			con->line[con->len] = 0;
			con->len = 0;
			say(hv, d, "\r\n");
			command(hv, d, con->line);
		} else if (con->len < sizeof(con->line) - 1 && (unsigned char)buf[i] >= ' ') {
			con->line[con->len++] = echo[0] = buf[i];
			say(hv, d, echo);
		}
	}
}

static bool option(struct hv *hv, const char *text, struct hv_error *err)
{
	uint64_t v;
	const char *eq = strchr(text, '=');

	if (!eq || !parse_u64(eq + 1, &v) || !v || v > 1u << 24) {
		hv_fail(err, -EINVAL, "simulation: \"%s\" is no NAME=NUMBER", text);
		return false;
	}
	if (!strncmp(text, "cpus=", 5) && v <= 64)
		hv->cpus = v;
	else if (!strncmp(text, "memory=", 7))
		hv->memory = v << 20;
	else if (!strncmp(text, "shutdown=", 9))
		hv->shutdown = v * MS;
	else
		return !hv_fail(err, -EINVAL, "simulation: \"%s\": there are cpus (to 64), memory (MiB) and shutdown (ms)", text);
	return true;
}

static bool open_file(struct hv *hv, const char *path, struct hv_error *err)
{
	struct stat st;

	hv->fd = *path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : memfd_create("vmi-sim", MFD_CLOEXEC);
	if (hv->fd < 0 || flock(hv->fd, LOCK_EX | LOCK_NB) || fstat(hv->fd, &st)) {
		hv_fail(err, -errno, "simulation: %s: %s", path, errno == EWOULDBLOCK ? "another vmid uses it" : strerror(errno));
		return false;
	}
	if (!st.st_size && ftruncate(hv->fd, sizeof(*hv->f))) {
		hv_fail(err, -errno, "simulation: %s: %s", path, strerror(errno));
		return false;
	}
	if (st.st_size && st.st_size != sizeof(*hv->f)) {
		hv_fail(err, -EINVAL, "simulation: %s is no file of simulated domains: remove it or name another", path);
		return false;
	}
	hv->f = mmap(NULL, sizeof(*hv->f), PROT_READ | PROT_WRITE, MAP_SHARED, hv->fd, 0);
	if (hv->f == MAP_FAILED) {
		hv->f = NULL;
		hv_fail(err, -errno, "simulation: %s: %s", path, strerror(errno));
		return false;
	}
	/* A clock that went back is that of another boot: its domains are gone. */
	if (hv->f->magic != MAGIC || hv->f->size != sizeof(*hv->f) || hv->f->last > now_ns()) {
		memset(hv->f, 0, sizeof(*hv->f));
		hv->f->next_domid = 1;
		hv->f->last = now_ns();
		hv->f->size = sizeof(*hv->f);
		hv->f->magic = MAGIC;
	}
	return true;
}

static void sim_close(struct hv *hv)
{
	if (!hv)
		return;
	for (unsigned int i = 0; i < MAX_DOMS; i++) {
		if (hv->con[i].fd >= 0)
			close(hv->con[i].fd);
	}
	if (hv->f)
		munmap(hv->f, sizeof(*hv->f));
	if (hv->fd >= 0)
		close(hv->fd);
	if (hv->timer >= 0)
		close(hv->timer);
	if (hv->epoll >= 0)
		close(hv->epoll);
	free(hv);
}

static struct hv *sim_open(const char *arg, struct hv_error *err)
{
	struct hv *hv = xcalloc(1, sizeof(*hv));
	char *copy = xstrdup(arg ? arg : ""), *rest = copy, *path = strsep(&rest, ","), *p;
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = MAX_DOMS };
	bool ok = true;

	hv->cpus = 2;
	hv->memory = 8ull << 30;
	hv->shutdown = 300 * MS;
	hv->fd = hv->timer = hv->epoll = -1;
	for (unsigned int i = 0; i < MAX_DOMS; i++)
		hv->con[i].fd = -1;
	while (ok && (p = strsep(&rest, ",")))
		ok = option(hv, p, err);
	ok = ok && open_file(hv, path, err);
	free(copy);
	if (ok) {
		hv->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		hv->epoll = epoll_create1(EPOLL_CLOEXEC);
		if (hv->timer < 0 || hv->epoll < 0 || epoll_ctl(hv->epoll, EPOLL_CTL_ADD, hv->timer, &ev))
			ok = !hv_fail(err, -errno, "simulation: %s", strerror(errno));
	}
	if (!ok) {
		sim_close(hv);
		return NULL;
	}
	live(hv);
	return hv;
}

static uint64_t used(struct hv *hv)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < MAX_DOMS; i++)
		sum += hv->f->dom[i].domid ? hv->f->dom[i].max_memory : 0;
	return sum;
}

static int sim_host(struct hv *hv, struct hv_host *out, struct hv_error *err)
{
	(void)err;
	*out = (struct hv_host){ .model = "simulated", .cpus = hv->cpus, .mhz = 2000, .memory = hv->memory,
				 .free_memory = hv->memory - used(hv), .version = "VMI 1 (simulated)" };
	return 0;
}

/* "word=NUMBER" in a command line. */
static uint64_t word_value(const char *cmdline, const char *word, uint64_t def)
{
	const char *p = strstr(cmdline, word);

	return p ? strtoull(p + strlen(word), NULL, 10) : def;
}

static int check_file(const struct hv_config *cfg, const char *path, struct hv_error *err)
{
	size_t len;
	char *data = read_file(path, FILE_MAX, &len);
	int rc = 0;

	if (!data)
		return hv_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (cfg->verify)
		rc = cfg->verify(cfg->trust, path, data, len, err);
	if (!rc && path == cfg->kernel && (len < 4 || memcmp(data, "\177ELF", 4)))
		rc = hv_fail(err, -ENOEXEC, "%s is no kernel: an ELF file is needed (vmlinux)", path);
	free(data);
	return rc;
}

static int sim_create(struct hv *hv, const struct hv_config *cfg, uint32_t *domid, struct hv_error *err)
{
	struct sim_dom *d = NULL;
	uint64_t avail = hv->memory - used(hv), crash;
	int rc;

	live(hv);
	rc = check_file(cfg, cfg->kernel, err);
	if (!rc && cfg->initrd)
		rc = check_file(cfg, cfg->initrd, err);
	if (rc)
		return rc;
	if (cfg->max_memory > avail)
		return hv_fail(err, -ENOMEM, "not enough memory: %llu MiB are asked for, %llu MiB are free: lower <memory>, or end a domain",
			    (unsigned long long)cfg->max_memory >> 20, (unsigned long long)avail >> 20);
	for (unsigned int i = 0; i < MAX_DOMS && !d; i++)
		d = hv->f->dom[i].domid ? NULL : &hv->f->dom[i];
	if (!d)
		return hv_fail(err, -ENOSPC, "there are %d domains already", MAX_DOMS);
	memset(d, 0, sizeof(*d));
	memcpy(d->uuid, cfg->uuid, 16);
	snprintf(d->name, sizeof(d->name), "%s", cfg->name);
	d->memory = cfg->memory;
	d->max_memory = cfg->max_memory;
	d->vcpus = cfg->vcpus;
	d->max_vcpus = cfg->max_vcpus;
	d->weight = cfg->weight;
	d->cap = cfg->cap;
	memcpy(d->pin, cfg->affinity, sizeof(d->pin));
	d->paused = 1;
	d->load = word_value(cfg->cmdline, "sim.load=", 1 + hv->f->next_domid * 7 % 20);
	d->deaf = !!strstr(cfg->cmdline, "sim.deaf");
	crash = word_value(cfg->cmdline, "sim.crash=", 0);
	if (crash) {
		d->asked = ENDS_CRASH;
		d->ends_at = now_ns() + crash * MS;
	}
	*domid = hv->f->next_domid++;
	d->domid = *domid;
	return 0;
}

static int need(struct hv *hv, uint32_t domid, struct sim_dom **d, struct hv_error *err)
{
	live(hv);
	*d = find(hv, domid);
	return *d ? 0 : hv_fail(err, -ENOENT, "there is no domain %u", domid);
}

static int sim_destroy(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (rc)
		return rc;
	d->domid = 0;
	close_console(find_console(hv, domid));
	return 0;
}

static int sim_pause(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (!rc)
		d->paused = 1;
	return rc;
}

static int sim_unpause(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (rc)
		return rc;
	d->paused = 0;
	if (!d->started)
		d->started = now_ns();
	live(hv);
	return 0;
}

static int sim_shutdown(struct hv *hv, uint32_t domid, enum hv_request what, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (rc || d->deaf)
		return rc;
	d->asked = what == HV_ASK_REBOOT ? ENDS_REBOOT : ENDS_POWEROFF;
	d->ends_at = now_ns() + hv->shutdown;
	live(hv);
	return 0;
}

static void fill(const struct sim_dom *d, struct hv_info *out)
{
	memset(out, 0, offsetof(struct hv_info, counters));
	out->domid = d->domid;
	memcpy(out->uuid, d->uuid, 16);
	memcpy(out->name, d->name, sizeof(out->name));
	out->state = d->ended ? HV_SHUTDOWN : d->paused ? HV_PAUSED : d->load >= 50 ? HV_RUNNING : HV_IDLE;
	out->reason = d->ended == ENDS_CRASH ? HV_CRASH : d->ended == ENDS_REBOOT ? HV_REBOOT : HV_POWEROFF;
	out->memory = d->memory;
	out->max_memory = d->max_memory;
	out->vcpus = d->vcpus;
	out->max_vcpus = d->max_vcpus;
	memcpy(out->cpu_time, d->cpu, sizeof(out->cpu_time));
	out->weight = d->weight;
	out->cap = d->cap;
}

static int sim_info(struct hv *hv, uint32_t domid, struct hv_info *out, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);
	uint64_t sum = 0;

	if (rc)
		return rc;
	fill(d, out);
	for (unsigned int v = 0; v < d->vcpus; v++)
		sum += d->cpu[v];
	/* What a guest costs is roughly what it runs. */
	out->counters[0] = (struct hv_counter){ "hypercalls", sum / 50000 };
	out->counters[1] = (struct hv_counter){ "events", sum / 200000 };
	out->nr_counters = 2;
	return 0;
}

static int sim_list(struct hv *hv, struct hv_info *out, unsigned int max, struct hv_error *err)
{
	unsigned int nr = 0;

	(void)err;
	live(hv);
	for (unsigned int i = 0; i < MAX_DOMS; i++) {
		if (!hv->f->dom[i].domid)
			continue;
		if (nr < max)
			fill(&hv->f->dom[i], &out[nr]);
		nr++;
	}
	return nr;
}

static int sim_set_memory(struct hv *hv, uint32_t domid, uint64_t bytes, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (!rc && bytes > d->max_memory)
		rc = hv_fail(err, -EINVAL, "the domain may have at most %llu KiB", (unsigned long long)d->max_memory >> 10);
	if (!rc)
		d->memory = bytes;
	return rc;
}

static int sim_set_vcpus(struct hv *hv, uint32_t domid, unsigned int online, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (!rc && (!online || online > d->max_vcpus))
		rc = hv_fail(err, -EINVAL, "the domain may have 1 to %u vCPUs", d->max_vcpus);
	if (!rc)
		d->vcpus = online;
	return rc;
}

static int sim_set_sched(struct hv *hv, uint32_t domid, unsigned int weight, unsigned int cap, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (rc)
		return rc;
	d->weight = weight;
	d->cap = cap;
	return 0;
}

static int sim_pin(struct hv *hv, uint32_t domid, unsigned int vcpu, uint64_t affinity, struct hv_error *err)
{
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err);

	if (rc)
		return rc;
	if (vcpu >= d->max_vcpus)
		return hv_fail(err, -EINVAL, "the domain has only vCPUs 0 to %u", d->max_vcpus - 1);
	if (affinity && hv->cpus < 64 && !(affinity & ((1ull << hv->cpus) - 1)))
		return hv_fail(err, -EINVAL, "the machine has only processors 0 to %u", hv->cpus - 1);
	d->pin[vcpu] = affinity;
	return 0;
}

static int sim_console(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sim_dom *d;
	int rc = need(hv, domid, &d, err), pair[2];
	unsigned int i = 0;

	if (rc)
		return rc;
	close_console(find_console(hv, domid));
	while (i < MAX_DOMS && hv->con[i].fd >= 0)
		i++;
	if (i == MAX_DOMS || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		return hv_fail(err, -errno, "console: %s", strerror(errno));
	ev.data.u32 = i;
	if (epoll_ctl(hv->epoll, EPOLL_CTL_ADD, pair[1], &ev)) {
		close(pair[0]);
		close(pair[1]);
		return hv_fail(err, -errno, "console: %s", strerror(errno));
	}
	hv->con[i] = (struct sim_console){ .domid = domid, .fd = pair[1] };
	live(hv);
	return pair[0];
}

static int sim_event_fd(struct hv *hv)
{
	return hv->epoll;
}

static int sim_next_event(struct hv *hv, uint32_t *domid)
{
	struct epoll_event ev[16];
	uint64_t ticks;
	int n = epoll_wait(hv->epoll, ev, ARRAY_SIZE(ev), 0);

	for (int i = 0; i < n; i++) {
		if (ev[i].data.u32 < MAX_DOMS)
			typed(hv, &hv->con[ev[i].data.u32]);
		else if (read(hv->timer, &ticks, sizeof(ticks)) < 0)
			continue;
	}
	if (!hv->nr_changed)
		live(hv);
	if (!hv->nr_changed)
		return 0;
	*domid = hv->changed[--hv->nr_changed];
	return 1;
}

const struct hv_ops hv_sim = {
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.host = sim_host,
	.create = sim_create,
	.destroy = sim_destroy,
	.pause = sim_pause,
	.unpause = sim_unpause,
	.shutdown = sim_shutdown,
	.info = sim_info,
	.list = sim_list,
	.set_memory = sim_set_memory,
	.set_vcpus = sim_set_vcpus,
	.set_sched = sim_set_sched,
	.pin = sim_pin,
	.console = sim_console,
	.event_fd = sim_event_fd,
	.next_event = sim_next_event,
};
