// SPDX-License-Identifier: GPL-2.0-only
/*
 * time.c - the TSC with the hypervisor's rate where it is stable (then vDSO
 * and sched_clock are native), the clock of the shared page where it is not,
 * a one-shot timer and the wall clock.
 */
#include <linux/clockchips.h>
#include <linux/clocksource.h>
#include <linux/percpu.h>
#include <linux/time64.h>
#include <asm/paravirt.h>
#include <asm/pvclock.h>
#include <asm/x86_init.h>
#include "vmi.h"

static DEFINE_PER_CPU(struct clock_event_device, vmi_clockevent);

/* System time: nanoseconds since the domain started. */
static u64 system_time(void)
{
	return pvclock_clocksource_read((struct pvclock_vcpu_time_info *)&vmi_shared->clock);
}

static u64 clocksource_read(struct clocksource *cs)
{
	return system_time();
}

static struct clocksource vmi_clocksource = {
	.name	= "vmi",
	.rating	= 200,
	.read	= clocksource_read,
	.mask	= CLOCKSOURCE_MASK(64),
	.flags	= CLOCK_SOURCE_IS_CONTINUOUS,
};

static int set_next_event(unsigned long delta, struct clock_event_device *evt)
{
	return vmi_timer_set(system_time() + delta) ? -ETIME : 0;
}

static int set_shutdown(struct clock_event_device *evt)
{
	vmi_timer_set(0);
	return 0;
}

void vmi_timer_event(void)
{
	struct clock_event_device *evt = this_cpu_ptr(&vmi_clockevent);

	if (evt->event_handler)
		evt->event_handler(evt);
}

static void setup_clockevent(void)
{
	struct clock_event_device *evt = this_cpu_ptr(&vmi_clockevent);

	evt->name = "vmi";
	evt->features = CLOCK_EVT_FEAT_ONESHOT;
	evt->rating = 500;
	evt->cpumask = cpumask_of(smp_processor_id());
	evt->set_next_event = set_next_event;
	evt->set_state_shutdown = set_shutdown;
	clockevents_config_and_register(evt, NSEC_PER_SEC, 1000, LONG_MAX);
}

static void __init timer_init(void)
{
	setup_clockevent();
	clocksource_register_hz(&vmi_clocksource, NSEC_PER_SEC);
}

static unsigned long calibrate(void)
{
	return vmi_start.tsc_khz;
}

static void get_wallclock(struct timespec64 *now)
{
	*now = ns_to_timespec64(vmi_start.wall_ns + system_time());
}

static int set_wallclock(const struct timespec64 *now)
{
	return -ENODEV;
}

void __init vmi_time_init(void)
{
	x86_init.timers.timer_init = timer_init;
	x86_init.timers.setup_percpu_clockev = x86_init_noop;
	x86_init.timers.wallclock_init = x86_init_noop;
	x86_cpuinit.setup_percpu_clockev = x86_init_noop;
	x86_platform.calibrate_tsc = calibrate;
	x86_platform.calibrate_cpu = calibrate;
	x86_platform.get_wallclock = get_wallclock;
	x86_platform.set_wallclock = set_wallclock;
	if (!(vmi_start.features & VMI_FEAT_TSC_STABLE))
		paravirt_set_sched_clock(system_time);
}
