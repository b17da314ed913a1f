/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests that drive a whole struct sy_sched: how it ends, and text out of its decisions. */
#pragma once

#include "core.h"
#include "sched/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Frees it after its state is found sound, and the same as if nothing had been cached. */
static inline void core_sched_end(struct sy_sched *s)
{
    char text[256];

    assert_null(sy_cluster_audit(sy_sched_cluster(s), text, sizeof(text)));
    assert_int_equal(sy_sched_stats(s)->exact_differences, 0);
    sy_sched_free(s);
}

/* Keeps text that a decision lends; NULL is empty. */
static inline void core_keep(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}
