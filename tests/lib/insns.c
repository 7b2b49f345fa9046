// SPDX-License-Identifier: GPL-2.0-only
/*
 * insns.c - a plugin of QEMU that counts the instructions the whole machine runs:
 * hypervisor, kernels and programs, on all processors together, and none while
 * they are idle. Where /opt/vmi/mark runs, the number so far goes to a file.
 *
 *   -plugin insns.so,out=FILE[,blocks=FILE]
 *
 * blocks: there also goes, at each mark, how often each block of instructions ran since
 * the last one (struct block up to its link, then one of zeros); insns_profile.py reads it.
 *
 * QEMU's interface for plugins (version 1, docs/devel/tcg-plugins) has no header in
 * Debian: what is used of it is declared here. A block that an exception leaves
 * early counts as a whole.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *ptr, uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int vcpu, void *), int flags, void *);
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

#define PUBLIC	__attribute__((visibility("default")))
#define ADD_U64	0
#define NO_REGS	0

PUBLIC int qemu_plugin_version = 1;

#define CODE	16
#define HEADS	(1 << 16)

/*
 * Code at one address, from one piece of memory: two kernels of the same build differ in
 * where they lie. It may be translated more than once. QEMU's generated code adds to `ran`.
 */
struct block {
	uint64_t at;
	uint64_t memory;	/* where this process has it, less `at` */
	uint64_t ran;		/* instructions since the last mark */
	uint64_t nth;		/* to be translated, from 1 */
	uint8_t code[CODE];	/* its first bytes; zeros behind a shorter one */
	struct block *next;	/* not written */
};

static uint64_t total, nr_blocks;
static FILE *out, *blocks;
static struct block *heads[HEADS];

static struct block *block_of(struct qemu_plugin_tb *tb)
{
	struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
	uint64_t at = qemu_plugin_tb_vaddr(tb), memory = (uint64_t)qemu_plugin_insn_haddr(first) - at;
	struct block **head = &heads[(at ^ at >> 16 ^ memory >> 12) % HEADS], *b;
	size_t have = 0;

	for (b = *head; b; b = b->next)
		if (b->at == at && b->memory == memory)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	*b = (struct block){ .at = at, .memory = memory, .nth = ++nr_blocks, .next = *head };
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);

		if (have + size > CODE)
			break;
		memcpy(b->code + have, qemu_plugin_insn_data(insn), size);
		have += size;
	}
	return *head = b;
}

static void write_blocks(void)
{
	static const struct block end;

	for (unsigned int i = 0; i < HEADS; i++) {
		for (struct block *b = heads[i]; b; b = b->next) {
			if (!b->ran)
				continue;
			fwrite(b, offsetof(struct block, next), 1, blocks);
			b->ran = 0;
		}
	}
	fwrite(&end, offsetof(struct block, next), 1, blocks);
	fflush(blocks);
}

static void marked(unsigned int vcpu, void *arg)
{
	(void)vcpu;
	(void)arg;
	fprintf(out, "%lu\n", total);
	fflush(out);
	if (blocks)
		write_blocks();
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t mark[] = { 0x0f, 0x1f, 0x80, 'V', 'M', 'I', '!' };	/* see tests/guest/mark.h */
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &total, n);
	if (blocks)
		qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block_of(tb)->ran, n);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) == sizeof(mark) && !memcmp(qemu_plugin_insn_data(insn), mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, NO_REGS, NULL);
	}
}

PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc < 1 || argc > 2 || strncmp(argv[0], "out=", 4) || (argc == 2 && strncmp(argv[1], "blocks=", 7)))
		return 1;
	out = fopen(argv[0] + 4, "w");
	if (argc == 2)
		blocks = fopen(argv[1] + 7, "w");
	if (!out || (argc == 2 && !blocks))
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
