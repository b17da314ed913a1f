/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks. The core never calls these: it is given the time. All timers use the boot-time clock,
 * which no one can set; wall time is for timestamps that people and the API see. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef int64_t sy_time_ns; /* nanoseconds of the boot-time clock */

#define SY_NS_PER_MS ((int64_t)1000000)
#define SY_NS_PER_S  ((int64_t)1000000000)

sy_time_ns sy_clock_boot_ns(void);
int64_t sy_clock_wall_ns(void); /* since 1970 */

enum { SY_RFC3339_MAX = 32 };
/* "2026-11-24T11:03:04Z"; with micros "2026-11-24T11:03:04.123456Z" (metav1.MicroTime). */
void sy_rfc3339_format(int64_t wall_ns, int micros, char ret[SY_RFC3339_MAX]);
/* Parses RFC 3339 with Z or an offset and optional fraction. 0 or -EINVAL. */
int sy_rfc3339_parse(const char *p, size_t len, int64_t *ret_wall_ns);
