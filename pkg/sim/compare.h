/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies side by side: each has run on the same seeds, so they are compared seed by seed. The
 * first one is the subject: the others are what it is held against. */
#pragma once

#include "base/buf.h"
#include "sim/world.h"

struct sy_comparison {
    struct sy_scenario scenario;
    uint32_t nodes;
    double hours, warmup_hours;
    bool is_measured;
    const char *const *policies; /* borrowed */
    uint32_t policies_len;
    const uint64_t *seeds; /* borrowed */
    uint32_t seeds_len;
    struct sy_figures *figures; /* borrowed; [policy * seeds_len + seed] */
};

struct sy_summary {
    double mean, sd; /* over the seeds; sd of one seed is 0 */
    double least, most;
};
/* One measure of one policy (by index) over the seeds. O(seeds), as the next. */
struct sy_summary sy_compare_one(const struct sy_comparison *c, uint32_t policy,
                                 enum sy_measure measure);

/* Policy a less policy b, seed by seed. */
struct sy_pairing {
    double mean, sd; /* of the difference */
    double relative; /* of the means, (a - b) / b; 0 where b is 0 */
    uint32_t wins;   /* seeds on which a is better; none when neither way is better */
    uint32_t losses;
};
struct sy_pairing sy_compare_pair(const struct sy_comparison *c, uint32_t a, uint32_t b,
                                  enum sy_measure measure);

static inline const struct sy_figures *sy_compare_figures(const struct sy_comparison *c,
                                                          uint32_t policy, uint32_t seed)
{
    return &c->figures[(size_t)policy * c->seeds_len + seed];
}

/* Appends tables for a terminal, or one JSON object. Errors as sy_buf_add(). O(policies x measures
 * x seeds). */
int sy_compare_table(const struct sy_comparison *c, struct sy_buf *out);
int sy_compare_json(const struct sy_comparison *c, struct sy_buf *out);
