/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the answer of a source of load; the first says which. What is taken must be in
 * bounds and be found again. */
#include "load/series.h"
#include "load/usage.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

static void try_series(struct sy_str body)
{
    struct sy_series_set set = {0};
    struct sy_err err = {0};
    const struct sy_series *s;

    int r = sy_series_read(body, "node", &set, &err);
    must((r == 0) == (err.code == 0));
    size_t before = set.all.len;
    sy_series_unite(&set);
    must(set.all.len <= before && (set.all.len > 0) == (before > 0));
    SY_VEC_FOREACH (s, &set.all) {
        must(s->label_len && (size_t)s->label_at + s->label_len <= set.texts.len);
        must(isfinite(s->at_s));
        must(sy_series_find(&set, sy_series_label(&set, s)) == s);
    }
    sy_series_done(&set);
}

static void try_usage(struct sy_str raw, bool is_koordinator)
{
    struct sy_usage u = {0};
    int r = is_koordinator ? sy_usage_read_nodemetric(raw, &u, NULL)
                           : sy_usage_read_node_metrics(raw, &u, NULL);

    must(r == 0 || r == -EBADMSG);
    must((r == 0) == (u.node[0] != '\0'));
    must(u.window_ns >= 0 && u.at_wall_ns >= 0);
    for (uint32_t i = 0; i < SY_LOAD_METRICS; i++)
        must(u.metrics[i].is_there || !u.metrics[i].is_malformed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct sy_str rest = {(const char *)data + 1, size - 1};
    if (data[0] == 'p')
        try_series(rest);
    else
        try_usage(rest, data[0] == 'k');
    return 0;
}
