/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/record.h"

#include "policy/weights.h"

#include <string.h>

void sy_records_init(struct sy_records *r, uint32_t room)
{
    sy_records_done(r);
    r->room = room;
}

void sy_records_done(struct sy_records *r)
{
    sy_vec_done(&r->ring);
    sy_vec_done(&r->by_pod);
    r->next = 0;
}

static struct sy_record *place_of(const struct sy_records *r, const struct sy_cluster *c,
                                  uint32_t pod)
{
    uint32_t at = pod < r->by_pod.len ? r->by_pod.p[pod] : 0;

    if (!at)
        return NULL;
    struct sy_record *record = &r->ring.p[at - 1];
    return record->pod == pod && record->uid_hash == c->pods.p[pod].uid_hash ? record : NULL;
}

const struct sy_record *sy_records_get(const struct sy_records *r, const struct sy_cluster *c,
                                       uint32_t pod)
{
    return place_of(r, c, pod);
}

static uint32_t take_place(struct sy_records *r)
{
    if (r->ring.len < r->room) {
        sy_vec_push(&r->ring, (struct sy_record){0});
        return (uint32_t)r->ring.len - 1;
    }
    uint32_t at = r->next;
    r->next = at + 1 < r->room ? at + 1 : 0;
    return at;
}

struct sy_record *sy_records_new(struct sy_records *r, const struct sy_cluster *c, uint32_t pod)
{
    struct sy_record *record = place_of(r, c, pod);

    if (!r->room)
        return NULL;
    if (!record) {
        uint32_t at = take_place(r);
        record = &r->ring.p[at];
        while (r->by_pod.len <= pod)
            sy_vec_push(&r->by_pod, 0);
        r->by_pod.p[pod] = at + 1;
    }
    /* The columns of nodes are written as far as they are used. */
    memset(record, 0, offsetof(struct sy_record, nodes));
    record->uid_hash = c->pods.p[pod].uid_hash;
    record->pod = pod;
    return record;
}

static uint16_t age_of(const struct sy_cluster *c, uint32_t node, enum sy_load_metric metric,
                       sy_time_ns now)
{
    struct sy_load_view view;

    if (!c->load.samples || !sy_cluster_load_get(c, node, metric, &view))
        return SY_RECORD_NO_AGE;
    int64_t age_s = now > view.at_ns ? (now - view.at_ns) / SY_NS_PER_S : 0;
    return age_s < SY_RECORD_NO_AGE ? (uint16_t)age_s : SY_RECORD_NO_AGE - 1;
}

static int32_t bounded(int64_t n)
{
    return n > INT32_MAX ? INT32_MAX : n <= INT32_MIN ? INT32_MIN + 1 : (int32_t)n;
}

static void fill_node(struct sy_record_node *to, const struct sy_ranked *from,
                      const struct sy_shapes *s, uint32_t scorers_len)
{
    to->name = s->cluster->nodes[from->node].node.name;
    to->total = bounded(from->total);
    for (uint32_t i = 0; i < scorers_len; i++)
        to->points[i] =
            from->points[i] == SY_POINTS_NONE ? SY_RECORD_NO_POINTS : bounded(from->points[i] / 10);
}

void sy_record_placed_in_gang(struct sy_record *record, const struct sy_cluster *c, uint32_t node,
                              sy_time_ns now)
{
    record->kind = SY_RECORD_PLACED;
    record->at_ns = now;
    record->nodes_len = 1;
    record->nodes[0].name = c->nodes[node].node.name;
}

void sy_record_placed(struct sy_record *record, const struct sy_shapes *s, struct sy_shape *shape,
                      uint32_t node, sy_time_ns now)
{
    struct sy_node_weight weight;
    struct sy_rank rank;

    sy_record_placed_in_gang(record, s->cluster, node, now);
    if (shape->recorded_ns == now)
        return;
    shape->recorded_ns = now;
    sy_shape_rank(s, shape, SY_RECORD_NODES, true, &rank);
    if (!rank.len || rank.nodes[0].node != node)
        return;
    record->has_points = true;
    record->feasible = rank.feasible;
    record->nodes_len = (uint8_t)rank.len;
    for (uint32_t i = 0; i < rank.len; i++)
        fill_node(&record->nodes[i], &rank.nodes[i], s, shape->profile->scorers_len);
    sy_node_weight(s->cluster, &shape->view, node, &weight);
    record->capacity = (float)weight.capacity;
    record->performance = (float)weight.performance;
    record->headroom = (float)weight.headroom;
    record->reliability = (float)weight.reliability;
    for (int m = 0; m < SY_LOAD_METRICS; m++)
        record->load_age_s[m] = age_of(s->cluster, node, (enum sy_load_metric)m, now);
}

void sy_records_mark(const struct sy_records *r, struct sy_strings *strings)
{
    const struct sy_record *record;

    SY_VEC_FOREACH (record, &r->ring) {
        sy_strings_mark(strings, record->text);
        for (uint32_t i = 0; i < record->nodes_len; i++)
            sy_strings_mark(strings, record->nodes[i].name);
    }
}
