/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * network.h - a network that interfaces name: libvirt's <network>, as far as it means
 * something here (network.c).
 */
#ifndef LIB_NETWORK_H
#define LIB_NETWORK_H

#include "config.h"

#define NETWORK_NAME_LEN	32
#define NETWORK_HOSTS		32

enum network_mode {
	NETWORK_ISOLATED,		/* no <forward>: guests and domain 0 */
	NETWORK_NAT,			/* and, by domain 0's address, what that reaches */
	NETWORK_BRIDGE,			/* a bridge that is there */
	NR_NETWORK_MODES
};

extern const char *const network_modes[NR_NETWORK_MODES];

struct network {
	char name[NETWORK_NAME_LEN], bridge[16];
	uint8_t uuid[16];		/* null: none given */
	enum network_mode mode;
	uint32_t address, first, last;	/* host byte order; 0: none */
	unsigned int prefix;
	unsigned int nr_hosts;
	struct {
		uint8_t mac[6];
		uint32_t address;
	} host[NETWORK_HOSTS];
};

/* False: d->errors is not 0. */
bool network_from_xml(const char *text, size_t len, struct network *n, struct diag *d);
char *network_to_xml(const struct network *n);
/* Whether some address is of both. */
bool network_overlap(const struct network *n, uint32_t address, unsigned int prefix);
/* Arguments of vmi-network (broker_network()), each with its zero; verb: start or stop. */
void network_args(const struct network *n, const char *verb, struct strbuf *args);

/* What was given by DHCP; the first `max`, of the file of udhcpd's. None where there is none. */
struct network_lease {
	uint32_t address;		/* host byte order */
	uint64_t expires;		/* seconds since 1970 */
	uint8_t mac[6];
	char hostname[21];		/* printable, or "" */
};
unsigned int network_leases(const char *path, struct network_lease *out, unsigned int max);

#endif
