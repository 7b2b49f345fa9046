// SPDX-License-Identifier: GPL-2.0-only
/*
 * hc-version-features: the calls and the start info name the same version and
 * features, a feature word that does not exist is empty, and the start info
 * describes a plausible machine.
 */
#include "probe.h"

TEST(hc_version_features, "hc-version-features", 1, 0, "version, feature words and start info agree")
{
	const struct vmi_start_info *si = start_info;
	long v = vmi_version();
	u64 ram = 0;

	CHECK_EQ(VMI_VERSION_MAJOR, v >> 16, "major version");
	CHECK(v >= (VMI_VERSION_MAJOR << 16 | VMI_VERSION_MINOR), "version %#lx is older than the headers", v);
	CHECK_EQ(v, si->version, "start info's version");
	CHECK_EQ(si->features, vmi_features(0), "feature word 0");
	for (u32 w = 1; w < 64; w++)
		CHECK_EQ(0, vmi_features(w), "feature word %u", w);
	CHECK_EQ(0, vmi_features(0xffffffff), "feature word -1");
	CHECK_EQ(si->domid == 0, !!(si->features & VMI_FEAT_PRIVILEGED), "privilege of domain %u", si->domid);
	CHECK(!(si->features & VMI_FEAT_TSC_STABLE) || si->tsc_khz, "TSC is a clock source of rate 0");
	CHECK(si->nr_vcpus >= 1, "no vCPU");
	CHECK(si->nr_map >= 1 && si->nr_map <= VMI_START_MAX_MAP, "map of %u entries", si->nr_map);
	for (u32 i = 0; i < si->nr_map; i++) {
		const struct vmi_start_map *m = &si->map[i];

		CHECK(m->size && m->base + m->size > m->base, "map entry %u: base %#lx size %#lx", i, m->base, m->size);
		CHECK(m->type >= VMI_MAP_RAM && m->type <= VMI_MAP_NVS, "map entry %u: type %u", i, m->type);
		if (i)
			CHECK(m->base >= m[-1].base + m[-1].size, "map entry %u overlaps or is out of order", i);
		if (m->type == VMI_MAP_RAM)
			ram += m->size;
	}
	CHECK(ram >= 32UL << 20, "only %lu KiB of RAM", ram >> 10);
}
