/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations as people write them in configuration files and as Go prints them: "1m30s", "500ms". */
#pragma once

#include "base/compiler.h"
#include "base/str.h"

#include <stdint.h>

enum { SY_DURATION_MAX = 40 };

/* Parses all of s: one or more decimal numbers with a unit (ns, us, ms, s, m, h), or "0".
 *
 * in:     s: no sign, no spaces; fractions such as "1.5s" are cut below a nanosecond.
 * out:    *ret_ns, written on success only.
 * errors: -EINVAL not a duration; -ERANGE over 292 years.
 * cost:   O(len), no allocation. Any thread.
 * source: Go's time.ParseDuration, without the sign. */
int sy_duration_parse(struct sy_str s, int64_t *ret_ns) SY_NODISCARD;

/* Writes ns (>= 0) such that sy_duration_parse() gives it back: "1m30s", "500ms", "0s". */
void sy_duration_format(int64_t ns, char ret[SY_DURATION_MAX]);
