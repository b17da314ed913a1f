/* SPDX-License-Identifier: Apache-2.0
 *
 * The clocks and nothing else: tests/simulation links its own in place of this file. */
#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * SY_NS_PER_S + ts.tv_nsec;
}

sy_time_ns sy_clock_boot_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t sy_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}
