// SPDX-License-Identifier: GPL-2.0-only
/*
 * leases.c - addresses that udhcpd has given, from its file: the time when it was
 * written, then a record for each, all big-endian.
 *
 * Trust: udhcpd writes the file, but a host's name is what its guest says.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "network.h"

#define FILE_MAX	(1 << 20)

struct record {
	uint32_t seconds, address;
	uint8_t mac[6];
	char hostname[20];
	uint8_t pad[2];
} __attribute__((packed));

unsigned int network_leases(const char *path, struct network_lease *out, unsigned int max)
{
	uint64_t written;
	size_t len, at = sizeof(written);
	char *text = read_file(path, FILE_MAX, &len);
	unsigned int nr = 0;

	if (!text)
		return 0;
	memcpy(&written, text, len < sizeof(written) ? 0 : sizeof(written));
	for (; nr < max && at + sizeof(struct record) <= len; at += sizeof(struct record)) {
		struct network_lease *l = &out[nr++];
		struct record r;

		memcpy(&r, text + at, sizeof(r));
		*l = (struct network_lease){ .address = be32toh(r.address), .expires = be64toh(written) + be32toh(r.seconds) };
		memcpy(l->mac, r.mac, sizeof(l->mac));
		memcpy(l->hostname, r.hostname, sizeof(r.hostname));
		for (char *p = l->hostname; *p; p++) {
			if (*p <= ' ' || *p > '~')
				*p = '?';
		}
	}
	free(text);
	return nr;
}
