// SPDX-License-Identifier: GPL-2.0-only
/* guest.c - a guest's driver for tests. See guest.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "guest.h"
#include "mem.h"

#define QUEUE_BYTES	0x10000		/* desc, avail, used, indirect tables */
#define DATA		0x100000	/* where data begins in the window */
#define PATIENCE	10000		/* ms: a loaded machine, sanitizers */

unsigned int guest_wrong;

static void *shared(int *fd, const char *name, size_t size)
{
	void *p;

	*fd = memfd_create(name, 0);
	if (*fd < 0 || ftruncate(*fd, size)) {
		perror(name);
		exit(99);
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (p == MAP_FAILED) {
		perror(name);
		exit(99);
	}
	return p;
}

void guest_init(struct guest *g, unsigned int nr_queues)
{
	memset(g, 0, sizeof(*g));
	g->program = BACK;
	g->nr_queues = nr_queues;
	g->bounce = true;
	g->ctl = -1;
	g->mem = shared(&g->mem_fd, "window", GUEST_SIZE);
	g->mem2 = shared(&g->mem2_fd, "window2", GUEST_SIZE2);
	g->slot = shared(&g->slot_fd, "slot", sizeof(*g->slot));
	g->state = shared(&g->state_fd, "state", sizeof(*g->state));
	g->tell = eventfd(0, EFD_NONBLOCK);
	g->told = eventfd(0, EFD_NONBLOCK);
	for (unsigned int i = 0; i < nr_queues; i++) {
		struct guest_queue *q = &g->queue[i];

		q->gpa = GUEST_GPA + i * QUEUE_BYTES;
		q->desc = (void *)(g->mem + i * QUEUE_BYTES);
		q->avail = (void *)(g->mem + i * QUEUE_BYTES + 0x1000);
		q->used = (void *)(g->mem + i * QUEUE_BYTES + 0x2000);
		q->tell = eventfd(0, EFD_NONBLOCK);
		q->told = eventfd(0, EFD_NONBLOCK);
	}
}

void guest_free(struct guest *g)
{
	if (g->pid)
		guest_kill(g);
	munmap(g->mem, GUEST_SIZE);
	munmap(g->mem2, GUEST_SIZE2);
	munmap(g->slot, sizeof(*g->slot));
	munmap(g->state, sizeof(*g->state));
	close(g->mem_fd);
	close(g->mem2_fd);
	close(g->slot_fd);
	close(g->state_fd);
	close(g->tell);
	close(g->told);
	for (unsigned int i = 0; i < g->nr_queues; i++) {
		close(g->queue[i].tell);
		close(g->queue[i].told);
	}
}

/* ---- the manager ---- */

bool guest_run(struct guest *g, const char *const *args)
{
	static char text[8][128];
	const char *argv[32] = { g->program, args[0] };
	int n = 2, sv[2], at = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		exit(99);
	fcntl(sv[0], F_SETFD, FD_CLOEXEC);
	snprintf(text[0], sizeof(text[0]), "slot=%d", g->slot_fd);
	snprintf(text[1], sizeof(text[1]), "mem=%#llx:%llu:%d", GUEST_GPA, GUEST_SIZE, g->mem_fd);
	snprintf(text[2], sizeof(text[2]), "mem=%#llx:%llu:%d", GUEST_GPA2, GUEST_SIZE2, g->mem2_fd);
	snprintf(text[3], sizeof(text[3]), "state=%d", g->state_fd);
	snprintf(text[4], sizeof(text[4]), "ctl=%d", sv[1]);
	snprintf(text[5], sizeof(text[5]), "share=%s", g->bounce ? "bounce" : "full");
	snprintf(text[6], sizeof(text[6]), "queues=%u", g->nr_queues);
	at = snprintf(text[7], sizeof(text[7]), "ports=1:%d/%d", g->tell, g->told);
	for (unsigned int i = 0; i < g->nr_queues; i++)
		at += snprintf(text[7] + at, sizeof(text[7]) - at, ",%u:%d/%d", i + 2, g->queue[i].tell, g->queue[i].told);
	for (int i = 0; i < 8; i++)
		argv[n++] = text[i];
	for (int i = 1; args[i]; i++)
		argv[n++] = args[i];
	argv[n] = NULL;
	g->lines[0] = '\0';
	if (g->ctl >= 0)
		close(g->ctl);
	g->ctl = sv[0];
	g->pid = fork();
	if (!g->pid) {
		execv(g->program, (char **)argv);
		_exit(98);
	}
	close(sv[1]);
	return guest_hears(g, "ready\n");
}

void guest_tell(struct guest *g, const char *line)
{
	if (write(g->ctl, line, strlen(line)) < 0)
		perror("control socket");
}

bool guest_hears(struct guest *g, const char *text)
{
	struct pollfd p = { .fd = g->ctl, .events = POLLIN };

	while (!strstr(g->lines, text)) {
		size_t len = strlen(g->lines);
		ssize_t n = poll(&p, 1, PATIENCE) > 0 ? read(g->ctl, g->lines + len, sizeof(g->lines) - len - 1) : 0;

		if (n <= 0)
			return false;
		g->lines[len + n] = '\0';
	}
	return true;
}

int guest_ended(struct guest *g)
{
	int status;

	if (waitpid(g->pid, &status, 0) != g->pid)
		return 99;
	g->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void guest_kill(struct guest *g)
{
	kill(g->pid, SIGKILL);
	guest_ended(g);
}

/* ---- the driver ---- */

static void ring_bell(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		perror("eventfd");
}

/* Wait for a bell; false: it did not ring. */
static bool hear_bell(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	return poll(&p, 1, ms) > 0 && read(fd, &n, sizeof(n)) > 0;
}

bool guest_status(struct guest *g, uint32_t status, uint32_t bits)
{
	WRITE_ONCE(g->slot->guest.status, status);
	ring_bell(g->tell);
	for (int i = 0; i < 3; i++) {
		uint32_t have = READ_ONCE(g->slot->back.status);

		if (status ? (have & bits) == bits : !have)
			return true;
		if (!hear_bell(g->told, PATIENCE))
			return false;
	}
	for (int ms = 0; ms < PATIENCE; ms++) {
		uint32_t have = READ_ONCE(g->slot->back.status);

		if (status ? (have & bits) == bits : !have)
			return true;
		usleep(1000);
	}
	return false;
}

void guest_reset(struct guest *g)
{
	if (!guest_status(g, 0, 0))
		guest_wrong++;
	for (unsigned int i = 0; i < g->nr_queues; i++) {
		struct guest_queue *q = &g->queue[i];

		g->slot->queue[i].guest.enabled = 0;
		q->next_avail = q->last_used = q->kicked = 0;
		q->busy = 0;
		memset(q->desc, 0, QUEUE_BYTES);
	}
}

bool guest_up(struct guest *g, uint64_t want)
{
	guest_reset(g);
	if (!guest_status(g, 3, 3))
		return false;
	g->features = g->slot->back.features & want;
	g->slot->guest.features = g->features;
	if (!guest_status(g, 3 | VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_FEATURES_OK))
		return false;
	for (unsigned int i = 0; i < g->nr_queues; i++) {
		struct vmi_queue_guest *q = &g->slot->queue[i].guest;

		q->size = GUEST_ENTRIES;
		q->desc = g->queue[i].gpa;
		q->avail = g->queue[i].gpa + 0x1000;
		q->used = g->queue[i].gpa + 0x2000;
		q->enabled = 1;
	}
	return guest_status(g, 7 | VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER_OK);
}

uint64_t guest_gpa(const struct guest *g, const void *p)
{
	const uint8_t *b = p;

	return b >= g->mem2 && b < g->mem2 + GUEST_SIZE2 ? GUEST_GPA2 + (b - g->mem2) : GUEST_GPA + (b - g->mem);
}

uint8_t *guest_data(struct guest *g, unsigned int q, uint16_t h)
{
	return g->mem + DATA + (q * GUEST_ENTRIES + h) * GUEST_SLOT_BYTES;
}

static bool event_idx(const struct guest *g)
{
	return g->features & 1ull << VIRTIO_RING_F_EVENT_IDX;
}

/* Heads are slots of (table size / entries) descriptors, so a chain is in one piece. */
int guest_add(struct guest *g, unsigned int qi, const struct iovec *v, unsigned int out, unsigned int in)
{
	struct guest_queue *q = &g->queue[qi];
	unsigned int n = out + in, step = g->indirect ? 1 : 4, h;
	struct vring_desc *d;

	for (h = 0; h < GUEST_ENTRIES && q->busy & 1ull << h; h += step)
		;
	if (h >= GUEST_ENTRIES)
		return -1;
	d = q->desc + h;
	if (g->indirect) {
		struct vring_desc *table = (void *)((uint8_t *)q->desc + 0x4000 + h * GUEST_INDIRECT * sizeof(*d));

		*d = (struct vring_desc){ guest_gpa(g, table), n * sizeof(*d), VRING_DESC_F_INDIRECT, 0 };
		d = table;
	}
	for (unsigned int i = 0; i < n; i++)
		d[i] = (struct vring_desc){ guest_gpa(g, v[i].iov_base), v[i].iov_len,
					    (i >= out ? VRING_DESC_F_WRITE : 0) | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
					    g->indirect ? i + 1 : h + i + 1 };
	q->busy |= 1ull << h;
	q->avail->ring[q->next_avail++ % GUEST_ENTRIES] = h;
	return h;
}

void guest_kick(struct guest *g, unsigned int qi)
{
	struct guest_queue *q = &g->queue[qi];
	uint16_t before = q->kicked;

	__atomic_store_n(&q->avail->idx, q->next_avail, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->kicked = q->next_avail;
	if (event_idx(g) ? vring_need_event(READ_ONCE(*(uint16_t *)&q->used->ring[GUEST_ENTRIES]), q->next_avail, before) :
			   !(READ_ONCE(q->used->flags) & VRING_USED_F_NO_NOTIFY)) {
		q->kicks++;
		ring_bell(q->tell);
	}
}

bool guest_next(struct guest *g, unsigned int qi, uint16_t *head, uint32_t *len, int ms)
{
	struct guest_queue *q = &g->queue[qi];

	for (;;) {
		if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->last_used) {
			struct vring_used_elem *e = (void *)&q->used->ring[q->last_used++ % GUEST_ENTRIES];

			if (e->id >= GUEST_ENTRIES || !(q->busy & 1ull << e->id)) {
				fprintf(stderr, "head %u came back and was not in flight\n", e->id);
				guest_wrong++;
				continue;
			}
			q->busy &= ~(1ull << e->id);
			*head = e->id;
			*len = e->len;
			return true;
		}
		WRITE_ONCE(q->avail->ring[GUEST_ENTRIES], q->last_used);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (READ_ONCE(q->used->idx) != q->last_used)
			continue;
		if (!hear_bell(q->told, ms))
			return false;
		q->events++;
	}
}
