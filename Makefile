# SPDX-License-Identifier: GPL-2.0-only
# The one entry point: see `make help`. Each part has its own Makefile or build
# script; this one orders them, builds the initramfs and runs things.
#
# Objects and downloads live outside the sources, in VMI_CACHE, so that a second
# build, also of another checkout, reuses them. config.mk may set VMI_CACHE or V.
-include config.mk

VMI_CACHE ?= $(HOME)/.cache/vmi
override BUILD := $(VMI_CACHE)/build
export VMI_CACHE BUILD V

MAKEFLAGS += --no-print-directory
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)  $(2)")

GEN := $(BUILD)/gen
TBLS := $(wildcard include/vmi/*.tbl)
AGENT := $(BUILD)/initramfs/lab-agent
PROGRAMS := $(patsubst tests/guest/%.c,$(BUILD)/initramfs/opt/%,$(wildcard tests/guest/*.c))
TOOLS := $(addprefix $(BUILD)/dom0-tools/,vmi vmid vmi-boot)
BACK := $(BUILD)/back/vmi-back
INITRAMFS := $(BUILD)/initramfs.cpio.gz
GUEST := $(BUILD)/guest.cpio.gz
PROGRAM_CFLAGS := -std=gnu11 -Wall -Wextra -O2 -static -s -pthread -Iinclude -I$(GEN)

.PHONY: help all setup gen hypervisor kernel probe initramfs install debian guest-debian run demo iso gdb profile test test-long unit bench bench-io \
	check docs abi-dump format loc clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "make TARGET [V=1: show the commands] [VMI_CACHE=DIR: objects and downloads, now $(VMI_CACHE)]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

# ---- build ------------------------------------------------------------------

all: setup ## build everything
	@$(MAKE) kernel hypervisor probe initramfs
	$(Q)$(MAKE) -C tests/unit
	$(Q)$(MAKE) -C tests/tools
	$(Q)$(MAKE) -C tests/back

setup: ## install the packages of tests/packages.txt that are missing (as root)
	@tests/setup

gen: $(GEN)/.stamp
$(GEN)/.stamp: hypervisor/tools/abigen $(TBLS)
	$(call say,GEN,vmi/*.h)
	@mkdir -p $(GEN)
	$(Q)hypervisor/tools/abigen include/vmi $(GEN)
	@touch $@

hypervisor: gen ## build the hypervisor
	$(Q)$(MAKE) -C hypervisor

kernel: gen ## fetch, patch and build Linux 6.1 (the first time takes minutes)
	$(Q)pvguest/linux/build

probe: gen ## build the probe guests
	$(Q)$(MAKE) -C pvguest/probe

initramfs: $(INITRAMFS) $(GUEST) ## build the user land of domain 0, and a small one for guests
$(INITRAMFS): $(AGENT) $(TOOLS) dom0-tools/vmi-network docs/examples/networks/default.xml $(BACK) $(PROGRAMS) $(wildcard tests/initramfs/*) tests/lib/cpio.py
	$(call say,CPIO,initramfs.cpio.gz)
	$(Q)tests/initramfs/build $@ $(AGENT) $(TOOLS) dom0-tools/vmi-network $(BACK) -- $(PROGRAMS)

# The same without tools and test programs.
$(GUEST): $(AGENT) $(wildcard tests/initramfs/*) tests/lib/cpio.py
	$(call say,CPIO,guest.cpio.gz)
	$(Q)tests/initramfs/build $@ $(AGENT) --

install: $(TOOLS) $(BACK) ## install domain 0's tools, their manual pages and units (as root; or DESTDIR=DIR)
	$(Q)$(MAKE) -C dom0-tools install

debian: ## build the Debian user land of tests/lab --debian, and the kernel's self-tests
	$(Q)tests/debian/build
	$(Q)tests/selftests/build

guest-debian: setup ## build a root disk with Debian for guest domains (as root)
	$(Q)pvguest/debian/build

$(TOOLS) &: $(GEN)/.stamp $(wildcard dom0-tools/*.c dom0-tools/*/*.[ch] dom0-tools/org.vmi.varlink dom0-tools/Makefile)
	$(Q)$(MAKE) -C dom0-tools

$(BACK): $(wildcard pvdrivers/back/* include/vmi/*.h)
	$(Q)$(MAKE) -C pvdrivers/back

$(AGENT): tests/initramfs/agent.c
	$(call say,CC,tests/initramfs/agent.o)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_CFLAGS) -MMD -MP -o $@ $<

# Those that drive domains or look at the machine use the tools' library.
$(addprefix $(BUILD)/initramfs/opt/,domains lent iobench): $(BUILD)/initramfs/opt/%: tests/guest/%.c tests/guest/guest.h $(TOOLS)
	$(call say,CC,$(<:.c=.o))
	@mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_CFLAGS) -o $@ $< $(BUILD)/dom0-tools/libtools.a -lzstd -llz4 -llzma -lz -luring

$(BUILD)/initramfs/opt/%: tests/guest/%.c $(GEN)/.stamp
	$(call say,CC,$(<:.c=.o))
	@mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_CFLAGS) -MMD -MP -MF $(BUILD)/initramfs/$*.d -o $@ $<

-include $(wildcard $(BUILD)/initramfs/*.d)

# ---- run --------------------------------------------------------------------

# The parts one after another: each uses all processors, and its lines stay together.
run: ## set up, build, boot domain 0: a shell, or the demonstration if no terminal
	@tests/boot

demo: ## the same, always the demonstration
	@tests/boot --demo

iso: $(BUILD)/vmi.iso ## a bootable image for CDs and USB sticks, BIOS and UEFI
$(BUILD)/vmi.iso: tests/iso $(INITRAMFS) hypervisor kernel
	$(call say,ISO,vmi.iso)
	$(Q)tests/iso $@

gdb: hypervisor initramfs ## boot domain 0 and wait for a debugger
	@tests/lab --gdb

COMMAND ?= /opt/vmi/bench --op fork
profile: hypervisor initramfs ## instructions of each function, hypervisor to programs, while domain 0 runs COMMAND="..."
	@tests/lab --profile - -- $(COMMAND)

# ---- test -------------------------------------------------------------------

bench-io: setup ## cost of disk and network in a guest domain, beside domain 0 and the bare machine
	@$(MAKE) kernel hypervisor initramfs
	@tests/bench/guest-io

test: all debian ## all tests that CI runs; one: tests/run NAME
	@tests/run --no-build --again

test-long: all debian ## those, and the ones that take longer
	@tests/run --no-build --again --long

unit: gen ## the unit tests of the core, the tools and the back ends, on this machine
	$(Q)$(MAKE) -C tests/unit run
	$(Q)$(MAKE) -C tests/tools run
	$(Q)$(MAKE) -C tests/back run

bench: setup ## cost of system calls, faults, ...: native and domain 0
	@$(MAKE) kernel hypervisor initramfs
	@tests/bench/run

check: gen ## lint: headers compile alone, licences, leftovers, line budgets
	@tests/check

docs: ## rewrite the generated tables of docs/abi.md
	$(Q)hypervisor/tools/abigen include/vmi --doc docs/abi.md

abi-dump: gen ## rewrite tests/abi/abi.dump after a wanted change of the ABI
	$(Q)tests/abi/dump >tests/abi/abi.dump.new && mv tests/abi/abi.dump.new tests/abi/abi.dump

format: ## settle the layout of C files that changed (needs clang-format)
	$(Q)command -v clang-format >/dev/null || { echo "make format: run apt-get install clang-format"; exit 1; }
	$(Q)git diff --name-only --diff-filter=d HEAD -- '*.c' '*.h' | xargs -r clang-format -i

loc: ## lines of code, by part
	@tests/check --loc

clean: ## remove the objects (the downloads and the kernel stay)
	$(Q)rm -rf $(BUILD)
