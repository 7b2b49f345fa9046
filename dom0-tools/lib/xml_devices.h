/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xml_devices.h - the devices of a configuration: their elements checked,
 * found, and as struct device for the manager (devices.h).
 */
#ifndef LIB_XML_DEVICES_H
#define LIB_XML_DEVICES_H

#include "config.h"
#include "../devices/devices.h"

#define DEVICE_TEXTS	(6 + 2 * DEVICE_BACKINGS)

/* A device and the strings that it points to. */
struct device_item {
	struct device dev;
	char name[DEVICE_NAME_LEN];
	char *text[DEVICE_TEXTS];
	unsigned int nr_texts;
};

/* What elements mean together: errors. */
void xml_check_devices(const xmlNode *devices, struct diag *d);
/* What this version leaves out (notes), and what it cannot start with (warnings). */
void xml_judge_devices(const xmlNode *devices, struct diag *d);
/* Defaults that are better seen: a disk's format, bus and device. */
void xml_settle_devices(xmlNode *devices);

/*
 * The device of an element; its line is for messages. NULL: there is none to attach
 * (the first console, an empty drive, ...), or this version cannot: an error in d.
 */
struct device_item *device_item(const xmlNode *n, struct diag *d);
void device_item_free(struct device_item *it);
/* The name that the manager gives it: a disk's target, else its alias; false: it has none (yet). */
bool device_name(const xmlNode *n, char name[DEVICE_NAME_LEN]);

/* The limits of a <disk>, and what its <iotune> calls each. */
extern const char *const disk_limit_names[DEVICE_LIMITS];
void disk_limits(const xmlNode *disk, struct device_limits *l);
/* One of them, by its element's name; 0 takes it out. False: there is none of that name. */
bool disk_set_limit(xmlNode *disk, const char *name, uint64_t value);
/* The limits of an <interface>, in bytes. */
void interface_rates(const xmlNode *interface, struct device_rate *in, struct device_rate *out);
/* As disk_set_limit(), KiB: inbound.average, outbound.burst, ... */
bool interface_set_limit(xmlNode *interface, const char *name, uint64_t value);
/* xml_forward.c. Ranges of <portForward> that are wrong in themselves: errors. */
void forwards_check(const xmlNode *interface, struct diag *d);
/* Its ports, for the manager; false: this version cannot, and d says why. */
bool interface_forwards(const xmlNode *interface, struct device *dev, struct diag *d);
/* An address for an interface without: a random one. */
void device_make_mac(xmlNode *n);
void config_make_macs(struct dom_config *c);
/* Names for devices that have no target, as their alias: for a domain that runs. */
void config_name_devices(struct dom_config *c);
/* Its memory is the back ends' too: <memoryBacking><access mode='shared'/>. */
bool config_shares_memory(const struct dom_config *c);

/* One element of <devices>, its names and values checked; NULL: d says why not. xmlFreeNode(). */
xmlNode *device_from_xml(const char *text, size_t len, struct diag *d);
/* c with this device too (line 0 for all that was there before), checked as a whole; NULL: d says why not. */
struct dom_config *config_with_device(const struct dom_config *c, const xmlNode *dev, struct diag *d);
/* kind: the element's name. key: target, MAC address, alias, or a disk's file; NULL: there is one alone. NULL: none, or not one alone. */
xmlNode *config_find_device(const struct dom_config *c, const char *kind, const char *key);

#endif
