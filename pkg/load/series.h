/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what Prometheus answers to an instant query: for each series the value of one label and the
 * number. Any bytes are safe. No network, no clock. Source:
 * https://prometheus.io/docs/prometheus/latest/querying/api/. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

enum { SY_SERIES_WARNING_MAX = 160 };

struct sy_series {
    uint32_t label_at; /* in texts */
    uint32_t label_len;
    double value; /* any double */
    double at_s;  /* when the server evaluated it, on its clock; finite */
    bool differs; /* another series with this label has another value */
};

/* Zeroed before use; sy_series_done() after it. */
struct sy_series_set {
    SY_VEC(struct sy_series) all;
    struct sy_buf texts;
    uint32_t malformed;  /* left out: no number, no time */
    uint32_t unlabelled; /* left out: without the label */
    char
        warning[SY_SERIES_WARNING_MAX]; /* the first, any bytes; "" for none: perhaps a part only */
};

/* Parses an answer of status 2xx, or another that says what is wrong.
 *
 * in:     label: the label's name.
 * out:    *ret has series in the order of the answer; to be released in any case.
 * errors: -EBADMSG not such an answer; -EREMOTEIO it says an error, whose text is the message;
 *         -EPROTO the query gives no vector; -E2BIG, -ENOMEM.
 * cost:   O(bytes) time and memory. Any thread. */
int sy_series_read(struct sy_str body, const char *label, struct sy_series_set *ret,
                   struct sy_err *err) SY_NODISCARD;
void sy_series_done(struct sy_series_set *set);

/* Sorts by label and leaves one series for each. Of several with one label the least value stays,
 * and `differs` says whether there was another. */
void sy_series_unite(struct sy_series_set *set);
/* The label's value; borrowed from the set. */
struct sy_str sy_series_label(const struct sy_series_set *set, const struct sy_series *s);
/* The series with a label in a set that was united, or NULL. Cost: O(log). */
const struct sy_series *sy_series_find(const struct sy_series_set *set, struct sy_str label);
