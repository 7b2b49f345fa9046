/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.h - devices of vmi-boot's command line (options.c).
 */
#ifndef BOOT_OPTIONS_H
#define BOOT_OPTIONS_H

#include "../devices/devices.h"

struct device_list {
	struct device dev[DEVICES_MAX];
	char names[DEVICES_MAX][DEVICE_NAME_LEN];
	unsigned int nr, disks, nets;
	unsigned int patience;		/* see devices.h */
};

/* FILE[,readonly][,serial=TEXT]...; BRIDGE[,mac=...]...: the text is cut into pieces and kept. false: it was said why. */
bool option_disk(struct device_list *l, char *text);
bool option_net(struct device_list *l, char *text);
bool option_rng(struct device_list *l);
bool option_device_timeout(struct device_list *l, const char *text);

#endif
