/* SPDX-License-Identifier: GPL-2.0-only */
/* Linker script: flat image loaded at HV_LOAD, run at HV_BASE + physical address. */
#include <hv/layout.h>

OUTPUT_FORMAT(elf64-x86-64)
ENTRY(_start)

SECTIONS {
	. = HV_LOAD;
	.boot : AT(HV_LOAD) { *(.multiboot) *(.boot) . = ALIGN(4096); }
	boot_end = .;

	. = HV_BASE + boot_end;
	image_start = .;
	.text : AT(ADDR(.text) - HV_BASE) { *(.text .text.*) . = ALIGN(4096); }
	text_end = .;
	.rodata : AT(ADDR(.rodata) - HV_BASE) {
		*(.rodata .rodata.*)
		. = ALIGN(8);
		ex_table_start = .;
		*(.ex_table)
		ex_table_end = .;
		*(.note .note.*)
		. = ALIGN(4096);
	}
	tramp_load = .;
	.tramp VMI_AREA_BASE : AT(tramp_load - HV_BASE) { *(.tramp) . = ALIGN(4096); }
	. = tramp_load + SIZEOF(.tramp);
	rodata_end = .;
	.data : AT(ADDR(.data) - HV_BASE) { *(.data .data.*) . = ALIGN(16); }
	.symbols : AT(ADDR(.symbols) - HV_BASE) { *(.symbols) . = ALIGN(4096); }
	data_end = .;
	.bss : AT(ADDR(.bss) - HV_BASE) {
		*(.bss.page_aligned)
		*(.bss .bss.* COMMON)
		. = ALIGN(4096);
	}
	image_end = .;

	/* Physical addresses for the multiboot header. */
	load_end_pa = data_end - HV_BASE;
	bss_end_pa = image_end - HV_BASE;
	tramp_size = SIZEOF(.tramp);

	/DISCARD/ : { *(.comment) *(.eh_frame) *(.note.GNU-stack) *(.note.gnu.property) }
}

ASSERT(tramp_size == VMI_AREA_IDT - VMI_AREA_TEXT, "trampoline text must be exactly its two pages")
