/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config.h - a domain as its owner described it: struct dom_config, and how it
 * is read from and printed as XML or read from an xl.cfg file.
 *
 * XML goes parse (xml.c) -> known names and values (xml_spec.c) -> fields
 * (xml.c); printing (xml_print.c) gives the canonical form, and reading that
 * again gives the same. What is not a field is kept as a tree in `kept`, with
 * only known, valid names in it.
 *
 * Trust: files come from anyone. No network, no DTD and so no entities, at
 * most CONFIG_MAX bytes; what is refused is said in the diag, with its line.
 */
#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H

#include <libxml/tree.h>

#include "diag.h"
#include "hv.h"
#include "util.h"

#define CONFIG_MAX	(4u << 20)
#define MEMORY_MIN	(32ull << 20)
/* The name space of what libvirt has no words for, in <metadata>. */
#define VMI_NAMESPACE	"urn:vmi:domain"

enum action {
	ACT_DESTROY,
	ACT_RESTART,
	ACT_PRESERVE,
	ACT_RENAME_RESTART,
	ACT_COREDUMP_DESTROY,
	ACT_COREDUMP_RESTART,
	NR_ACTIONS
};

extern const char *const action_names[NR_ACTIONS];

/* Elements that are kept as they are, in the order in which they are printed. */
enum kept {
	KEEP_METADATA,
	KEEP_MEMORYBACKING,
	KEEP_MEMTUNE,
	KEEP_NUMATUNE,
	KEEP_FEATURES,
	KEEP_CLOCK,
	KEEP_DEVICES,
	KEEP_SECLABEL,
	NR_KEPT
};

struct dom_config {
	char name[HV_NAME_LEN];
	uint8_t uuid[16];		/* null: none given */
	char *title, *description;
	uint64_t max_memory, memory;	/* <memory>, <currentMemory>: bytes, whole pages */
	unsigned int max_vcpus, vcpus;
	uint64_t cpuset;		/* 0: any */
	char *kernel, *initrd, *cmdline, *bootloader, *bootloader_args;
	char *trust;			/* of <metadata>: certificates that kernel and initrd have to be signed by; NULL: any may start */
	enum action on_poweroff, on_reboot, on_crash;
	unsigned int weight;		/* <shares> */
	uint64_t period, quota;		/* us; quota 0: none */
	uint64_t pin[HV_MAX_VCPUS];	/* 0: cpuset's */
	xmlNode *kept[NR_KEPT];
};

/* The file as a config; NULL: d->errors is not 0. Notes and warnings either way. */
struct dom_config *config_from_xml(const char *text, size_t len, struct diag *d);
struct dom_config *config_from_xl(const char *text, size_t len, struct diag *d);
/* What xl.cfg says as XML; NULL: d says why. */
char *xl_to_xml(const char *text, size_t len, struct diag *d);

struct dom_config *config_new(void);
struct dom_config *config_copy(const struct dom_config *c);
void config_free(struct dom_config *c);
/* Canonical XML; domid: as an attribute, 0: none. */
char *config_to_xml(const struct dom_config *c, uint32_t domid);

/* NULL, or what is wrong with it. */
const char *name_problem(const char *name);
/* Per cent of one processor, 0: no limit. */
unsigned int config_cap(const struct dom_config *c);
void config_set_cap(struct dom_config *c, unsigned int percent);
/* The files that a start needs: NULL, or one line of why it would fail. */
char *config_files_problem(const struct dom_config *c);

/* xml_spec.c: unknown names, bad values and missing parts of a <domain>; what is not kept is cut off. */
void spec_check(xmlNode *domain, struct diag *d);
void spec_check_devices(xmlNode *devices, struct diag *d);
void spec_check_network(xmlNode *network, struct diag *d);
/* A file whose outermost element is this one (NULL: any); NULL: d says why not. xmlFreeDoc(). */
struct _xmlDoc *xml_parse(const char *text, size_t len, const char *root, struct diag *d);
/* xml_rng.c: the same as a RelaxNG schema. */
char *spec_schema(void);
/* Shared by these: child element, attribute or text as a C string (xmlFree), NULL if there is none. */
xmlNode *xml_child(const xmlNode *n, const char *name);
char *xml_attr(const xmlNode *n, const char *name);
char *xml_text(const xmlNode *n);
bool xml_u64(const xmlNode *n, const char *attr, uint64_t *v);	/* false: it has none, and *v stays */

#endif
