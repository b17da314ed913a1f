/* SPDX-License-Identifier: Apache-2.0
 *
 * Kubernetes resource quantities ("1500m", "2Gi", "1e3", "0.5"), exactly: integer arithmetic, no
 * floating point. Source: k8s.io/apimachinery/pkg/api/resource/quantity.go (v0.37.2). */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum sy_quantity_scale {
    SY_SCALE_UNIT = 0,  /* Quantity.Value(): whole units, rounded up (away from zero) */
    SY_SCALE_MILLI = 3, /* Quantity.MilliValue(): thousandths, rounded up */
};

/* Parses all of s at the given scale, rounding up (away from zero).
 *
 * in:     s: the text, e.g. "100m"; suffixes n u m k M G T P E, Ki Mi Gi Ti Pi Ei, e/E exponents,
 *         or none. No spaces.
 * out:    *ret_value, written on success and on -ERANGE, then INT64_MAX or INT64_MIN, so that a
 *         decoder can go on with a saturated value.
 * errors: -EINVAL not a quantity; -ERANGE does not fit in int64 at this scale.
 * cost:   O(len), no allocation.
 *
 * Accepts what upstream accepts, a lone suffix as zero included. Differs where upstream is not
 * exact: above 2^63-1 it caps, wraps or gives 0 by the path taken; some negative fractions it
 * rounds towards zero; an exponent beyond 32 bits it wraps. */
int sy_quantity_parse(struct sy_str s, enum sy_quantity_scale scale, int64_t *ret_value,
                      struct sy_err *err) SY_NODISCARD;
