// SPDX-License-Identifier: GPL-2.0-only
/*
 * insns.c - a plugin of QEMU that counts the instructions the whole machine runs:
 * hypervisor, kernels and programs, on all processors together, and none while
 * they are idle. Where /opt/vmi/mark runs, the number so far goes to a file.
 *
 *   -plugin insns.so,out=FILE
 *
 * QEMU's interface for plugins (version 1, docs/devel/tcg-plugins) has no header in
 * Debian: what is used of it is declared here. A block that an exception leaves
 * early counts as a whole.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *ptr, uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int vcpu, void *), int flags, void *);
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

#define PUBLIC	__attribute__((visibility("default")))
#define ADD_U64	0
#define NO_REGS	0

PUBLIC int qemu_plugin_version = 1;

static uint64_t total;
static FILE *out;

static void marked(unsigned int vcpu, void *arg)
{
	(void)vcpu;
	(void)arg;
	fprintf(out, "%lu\n", total);
	fflush(out);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t mark[] = { 0x0f, 0x1f, 0x80, 'V', 'M', 'I', '!' };	/* see tests/guest/mark.c */
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &total, n);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) == sizeof(mark) && !memcmp(qemu_plugin_insn_data(insn), mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, NO_REGS, NULL);
	}
}

PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return 1;
	out = fopen(argv[0] + 4, "w");
	if (!out)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
