/* SPDX-License-Identifier: Apache-2.0 */
#include "app/what_if.h"

#include <errno.h>

#include "model/group.h"
#include "sched/would.h"
#include "serve/api_would.h"

enum { NODES_MAX = 64 };

/* Pods of one file go together: what the first says of its gang, or its PodGroup in the file, is
 * what all of them keep to. */
static void read_gang(const struct sy_snapshot *s, struct sy_strings *strings,
                      struct sy_would_ask *ask)
{
    struct sy_group_keys keys;
    struct sy_pod_group said;

    sy_group_keys_init(&keys, strings);
    sy_group_of_pod(&keys, strings, &ask->pods[0], &said);
    for (size_t i = 0; i < s->groups.len && said.source; i++) {
        const struct sy_group_object *o = &s->groups.p[i];
        if (o->source != said.source || o->name != said.name || o->ns != ask->pods[0].ns)
            continue;
        said.min_members = o->min_members ? o->min_members : said.min_members;
        said.topology_key = o->topology_key ? o->topology_key : said.topology_key;
        said.topology_is_required =
            o->topology_key ? o->topology_is_required : said.topology_is_required;
    }
    if (said.min_members && said.min_members < ask->pods_len)
        ask->needed = said.min_members;
    ask->topology_key = said.topology_key;
    ask->topology_is_required = said.topology_is_required;
}

static int answer(struct sy_sched *sched, struct sy_strings *strings, const struct sy_snapshot *s,
                  sy_time_ns now, struct sy_buf *out, struct sy_err *err)
{
    SY_VEC(struct sy_pod) pods = {0};
    struct sy_would w;

    for (size_t i = 0; i < s->pods.len; i++)
        sy_vec_push(&pods, s->pods.p[i].pod);
    struct sy_would_ask ask = {.pods = pods.p, .pods_len = (uint32_t)pods.len};
    read_gang(s, strings, &ask);
    int64_t began = sy_clock_boot_ns();
    int code = sy_sched_would(sched, &ask, now, &w);
    if (code == 0) {
        sy_api_would_write(sched, strings, &ask, &w, sy_clock_boot_ns() - began, out);
        sy_would_done(&w);
    } else {
        code = sy_err_set(err, code, "these pods do not fit in memory");
    }
    sy_vec_done(&pods);
    return code;
}

int sy_what_if(struct sy_sched *sched, struct sy_strings *strings, struct sy_str manifests,
               const char *file, const struct sy_snapshot *around, sy_time_ns now,
               struct sy_buf *out, struct sy_err *err)
{
    struct sy_snapshot s;

    sy_snapshot_init(&s, strings);
    s.decode.names = sy_sched_cluster(sched)->names;
    /* Nodes of the file do not count; that they are read should not cost much either. */
    s.nodes_max = NODES_MAX;
    s.pods_max = SY_WOULD_PODS_MAX;
    int code = sy_snapshot_read(&s, manifests, file, err);
    for (size_t i = 0; around && i < around->priorities.len; i++)
        sy_vec_push(&s.priorities, around->priorities.p[i]);
    if (code == 0)
        code = sy_snapshot_finish(&s, err);
    if (code == 0 && !s.pods.len)
        code = sy_err_set(err, -EINVAL,
                          "%s: there is no pod in it, nor a controller that makes some", file);
    if (code == 0)
        code = answer(sched, strings, &s, now, out, err);
    sy_snapshot_done(&s);
    return code;
}
