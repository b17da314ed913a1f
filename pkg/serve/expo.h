/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes Prometheus' text exposition format 0.0.4: families with HELP and TYPE once, samples with
 * escaped labels. Knows no metric. Source:
 * https://prometheus.io/docs/instrumenting/exposition_formats/. */
#pragma once

#include "base/buf.h"
#include "base/histogram.h"

#include <stdint.h>

struct sy_expo {
    struct sy_buf *out; /* borrowed; its `failed` tells of trouble */
    const char *family; /* borrowed */
};

enum sy_expo_type { SY_EXPO_COUNTER, SY_EXPO_GAUGE, SY_EXPO_HISTOGRAM };

/* Starts a family; each name once in an exposition. */
void sy_expo_family(struct sy_expo *e, const char *name, enum sy_expo_type type, const char *help);
/* One sample of the family. The arguments after the value are label names and values in turn, up to
 * a NULL; values may be any bytes (what is not UTF-8 becomes U+FFFD). */
void sy_expo_u64(struct sy_expo *e, uint64_t value, ...) __attribute__((sentinel));
void sy_expo_f64(struct sy_expo *e, double value, ...) __attribute__((sentinel));
void sy_expo_histogram(struct sy_expo *e, const struct sy_histogram *h, ...)
    __attribute__((sentinel));
