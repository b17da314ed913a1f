/* SPDX-License-Identifier: Apache-2.0
 *
 * Refuses single nodes that are measured to be used more than a threshold. A node without a sample,
 * or with one that is older than two of its windows, passes: load that nobody measures keeps no pod
 * waiting. Says nothing without thresholds, which is the default. */
#include "policy/plugins.h"

#include <stdio.h>

/* What fading leaves of a sample after two windows. */
static const float FRESH = 0.5F;

struct state {
    sy_sid reasons[SY_LOAD_METRICS]; /* 0: no threshold */
};

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v)
{
    const double *most = shape->profile->args.node_load_max;
    bool has_any = false;
    char text[96];

    for (int m = 0; m < SY_LOAD_METRICS; m++)
        has_any |= most[m] > 0;
    if (!has_any)
        return SY_PRE_SKIP;
    struct state *s = sy_arena_alloc(arena, sizeof(*s));
    if (!s) {
        sy_refuse(v, SY_ERROR, shape->texts->no_memory);
        return SY_PRE_REJECT;
    }
    *s = (struct state){0};
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        if (most[m] <= 0)
            continue;
        snprintf(text, sizeof(text), "node(s) had more than %.0f %% of %s in use", 100 * most[m],
                 sy_load_metric_name((enum sy_load_metric)m));
        s->reasons[m] = sy_strings_addz(shape->cluster->strings, text);
    }
    shape->cluster->load.is_filtered = true;
    *ret_state = s;
    return SY_PRE_RUN;
}

static bool refuses(const struct sy_shape_view *shape, const void *state, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_load *load = &shape->cluster->load;
    const struct state *s = state;

    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        const struct sy_load_column *column = &load->columns[m];
        if (s->reasons[m] && column->held && column->weight[node] >= FRESH &&
            (double)column->share[node] > shape->profile->args.node_load_max[m])
            return sy_refuse(v, SY_UNRESOLVABLE, s->reasons[m]);
    }
    return false;
}

const struct sy_filter sy_filter_node_load = {
    .name = "NodeLoad", .prepare = prepare, .refuses = refuses};
