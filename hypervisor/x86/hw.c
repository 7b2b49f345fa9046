// SPDX-License-Identifier: GPL-2.0-only
/*
 * hw.c - what domain 0 has of the machine (rule M8): I/O ports, frames that are
 * no RAM, interrupts as event ports, the ACPI root pointer.
 *
 * Domain 0 sees every frame that is no RAM at gfn == mfn, but for the APICs'
 * registers; every port but those that the hypervisor uses. A domain that is
 * not privileged has none of this: its ports read as missing devices do.
 *
 * Trust: domain 0 programs devices, so its DMA may reach all memory; that is
 * what being privileged means without an IOMMU.
 */
#include <hv/dispatch.h>
#include <hv/lib.h>
#include <hv/x86.h>

#define MSI_ADDRESS	0xfee00000UL

/* The 8259s, the PIT and its gate; the serial ports are asked in uart.c. */
static const struct { u16 first, last; } own_ports[] = {
	{ 0x20, 0x21 }, { 0xa0, 0xa1 }, { 0x40, 0x43 }, { 0x61, 0x61 },
};

static bool port_granted(const struct domain *d, u32 port, u32 bytes)
{
	if (!d->privileged || port + bytes > 0x10000)
		return false;
	for (u32 i = 0; i < ARRAY_SIZE(own_ports); i++) {
		if (port + bytes > own_ports[i].first && port <= own_ports[i].last)
			return false;
	}
	return !uart_has(port, bytes);
}

u32 port_in(const struct domain *d, u16 port, u32 bytes)
{
	if (!port_granted(d, port, bytes))
		return -1;
	return bytes == 1 ? inb(port) : bytes == 2 ? inw(port) : inl(port);
}

void port_out(const struct domain *d, u16 port, u32 bytes, u32 v)
{
	if (!port_granted(d, port, bytes))
		return;
	if (bytes == 1)
		outb(port, v);
	else if (bytes == 2)
		outw(port, v);
	else
		outl(port, v);
}

static void set(struct domain *d, u64 ma, u64 size, enum p2m_type type)
{
	mfn_t first = ma >> PAGE_SHIFT;

	if (p2m_set(d, first, first, size >> PAGE_SHIFT, type))
		fatal("hv_mem is too small for this machine's devices: raise or remove the option");
}

void hw_give_frames(struct domain *d)
{
	u64 ma;

	set(d, 0, MIN(cpu_info.ma_mask + 1, P2M_MAX_GFN << PAGE_SHIFT), P2M_MMIO);
	for (u32 i = 0; i < boot_info.nr_map; i++) {
		if (boot_info.map[i].type == VMI_MAP_RAM)
			set(d, boot_info.map[i].base, boot_info.map[i].size, P2M_NONE);
	}
	set(d, rdmsr(MSR_APIC_BASE) & PTE_ADDR, PAGE_SIZE, P2M_NONE);
	for (u32 i = 0; (ma = ioapic_ma(i)); i++)
		set(d, ALIGN_DOWN(ma, PAGE_SIZE), PAGE_SIZE, P2M_NONE);
}

long hc_gsi_bind(struct vcpu *v, const u64 *a)
{
	if (a[1] & ~(u64)(VMI_GSI_LEVEL | VMI_GSI_LOW))
		return -VMI_EINVAL;
	return irq_bind(v->domain, a[0], a[1]);
}

long hc_gsi_eoi(struct vcpu *v, const u64 *a)
{
	long vector = evt_irq_vector(v->domain, a[0]);

	if (vector < 0)
		return vector;
	irq_unmask(vector);
	return 0;
}

long hc_msi_bind(struct vcpu *v, const u64 *a)
{
	long port = irq_bind(v->domain, GSI_NONE, 0);
	struct vmi_msi msi = { .address = MSI_ADDRESS | apic_id() << 12 };

	if (port < 0)
		return port;
	msi.data = evt_irq_vector(v->domain, port);
	if (copy_to_guest(v, a[0], &msi, sizeof(msi))) {
		evt_close(v->domain, port);
		return -VMI_EFAULT;
	}
	return port;
}
