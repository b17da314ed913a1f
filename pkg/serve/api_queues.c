/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api_queues.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "sched/queues.h"

enum { DIGITS = 4 };

static const char *resource_name(const struct sy_cluster *c, uint32_t r)
{
    return sy_strings_getz(c->strings, c->shares.resources[r].name);
}

/* What a queue has no use for and no word about is left out. */
static bool concerns(const struct sy_queue *q, uint32_t r)
{
    return q->used.of[r] || q->pending.of[r] || q->guaranteed.of[r] ||
           q->limit.of[r] != SY_NO_LIMIT;
}

static void write_resource(struct sy_json *j, const struct sy_cluster *c, const struct sy_queue *q,
                           uint32_t r, int64_t deserved)
{
    sy_json_object(j, NULL);
    sy_json_text(j, "resource", resource_name(c, r));
    sy_json_real(j, "used", sy_shares_number(c, r, q->used.of[r]), DIGITS);
    sy_json_real(j, "guaranteed", sy_shares_number(c, r, q->guaranteed.of[r]), DIGITS);
    if (q->limit.of[r] != SY_NO_LIMIT)
        sy_json_real(j, "limit", sy_shares_number(c, r, q->limit.of[r]), DIGITS);
    sy_json_real(j, "deserved", sy_shares_number(c, r, deserved), DIGITS);
    sy_json_real(j, "pending", sy_shares_number(c, r, q->pending.of[r]), DIGITS);
    sy_json_real(j, "total", sy_shares_number(c, r, c->shares.resources[r].total), DIGITS);
    sy_json_end_object(j);
}

static void write_waiting(struct sy_json *j, const struct sy_queue_waiting *w)
{
    sy_json_object(j, "waitingFor");
    sy_json_i64(j, "quota", w->quota);
    sy_json_i64(j, "room", w->room);
    sy_json_i64(j, "gang", w->gang);
    sy_json_i64(j, "turn", w->turn);
    sy_json_end_object(j);
}

static void write_queue(struct sy_json *j, const struct sy_cluster *c, uint16_t i,
                        const struct sy_queue_amounts *deserved, const struct sy_queue_waiting *w)
{
    const struct sy_shares *s = &c->shares;
    const struct sy_queue *q = &s->all.p[i];

    sy_json_object(j, NULL);
    sy_json_text(j, "name", q->name);
    sy_json_text(j, "parent", q->parent == SY_NO_QUEUE ? NULL : s->all.p[q->parent].name);
    sy_json_real(j, "weight", q->weight, DIGITS);
    sy_json_real(j, "dominantShare", q->share, DIGITS);
    sy_json_bool(j, "borrow", q->borrows);
    sy_json_bool(j, "reclaimable", q->is_reclaimable);
    sy_json_i64(j, "pods", q->used_pods);
    sy_json_i64(j, "pendingPods", q->pending_pods);
    if (sy_shares_is_leaf(s, i))
        write_waiting(j, w);
    sy_json_array(j, "resources");
    for (uint32_t r = 0; r < s->resources_len; r++) {
        if (concerns(q, r))
            write_resource(j, c, q, r, deserved->of[r]);
    }
    sy_json_end_array(j);
    sy_json_end_object(j);
}

/* A queue, then all below it; SY_QUEUE_DEPTH_MAX levels at most. */
static void write_tree(struct sy_json *j, const struct sy_cluster *c, uint16_t at,
                       const struct sy_queue_amounts *deserved, const struct sy_queue_waiting *w)
{
    write_queue(j, c, at, &deserved[at], &w[at]);
    for (uint16_t i = c->shares.all.p[at].first_child; i != SY_NO_QUEUE;
         i = c->shares.all.p[i].next_sibling)
        write_tree(j, c, i, deserved, w);
}

void sy_api_queues_write(struct sy_sched *sched, struct sy_buf *out)
{
    struct sy_cluster *c = sy_sched_cluster(sched);
    size_t len = c->shares.all.len;
    struct sy_queue_amounts *deserved = sy_xcalloc(len ? len : 1, sizeof(*deserved));
    struct sy_queue_waiting *waiting = sy_xcalloc(len ? len : 1, sizeof(*waiting));
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "QueueList");
    sy_json_array(&j, "queues");
    if (c->shares.is_on) {
        sy_shares_deserved(c, deserved);
        sy_sched_queues_waiting(sched, waiting);
        write_tree(&j, c, SY_QUEUE_ROOT, deserved, waiting);
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
    free(deserved);
    free(waiting);
}

/* ---- metrics ---- */

static void write_family(struct sy_expo *e, const struct sy_cluster *c, const char *name,
                         const char *help, size_t offset)
{
    const struct sy_shares *s = &c->shares;

    sy_expo_family(e, name, SY_EXPO_GAUGE, help);
    for (size_t i = 0; i < s->all.len; i++) {
        const char *at = (const char *)&s->all.p[i] + offset;
        const struct sy_queue_amounts *amounts = (const void *)at;
        for (uint32_t r = 0; r < s->resources_len; r++) {
            if (amounts->of[r] != SY_NO_LIMIT)
                sy_expo_f64(e, sy_shares_number(c, r, amounts->of[r]), "queue", s->all.p[i].name,
                            "resource", resource_name(c, r), NULL);
        }
    }
}

void sy_queue_metrics_write(struct sy_expo *e, struct sy_sched *sched)
{
    struct sy_cluster *c = sy_sched_cluster(sched);
    const struct sy_shares *s = &c->shares;

    if (!s->is_on)
        return;
    write_family(e, c, "steelyard_queue_usage",
                 "What the pods of a queue that have a node request: cores, bytes, GPUs, units.",
                 offsetof(struct sy_queue, used));
    write_family(e, c, "steelyard_queue_guaranteed", "What a queue gets back when it wants it.",
                 offsetof(struct sy_queue, guaranteed));
    write_family(e, c, "steelyard_queue_limit", "The most that a queue may use, where it has one.",
                 offsetof(struct sy_queue, limit));
    write_family(e, c, "steelyard_queue_pending", "What the pods of a queue that wait request.",
                 offsetof(struct sy_queue, pending));
    struct sy_queue_amounts *deserved = sy_xcalloc(s->all.len, sizeof(*deserved));
    sy_shares_deserved(c, deserved);
    sy_expo_family(e, "steelyard_queue_deserved", SY_EXPO_GAUGE,
                   "What a queue would use if guarantees and weights were met exactly.");
    for (size_t i = 0; i < s->all.len; i++) {
        for (uint32_t r = 0; r < s->resources_len; r++)
            sy_expo_f64(e, sy_shares_number(c, r, deserved[i].of[r]), "queue", s->all.p[i].name,
                        "resource", resource_name(c, r), NULL);
    }
    free(deserved);
    sy_expo_family(e, "steelyard_queue_dominant_share", SY_EXPO_GAUGE,
                   "The largest share of the cluster that a queue uses of any resource.");
    for (size_t i = 0; i < s->all.len; i++)
        sy_expo_f64(e, s->all.p[i].share, "queue", s->all.p[i].name, NULL);
    sy_expo_family(e, "steelyard_queue_pending_pods", SY_EXPO_GAUGE, "Pods of a queue that wait.");
    for (size_t i = 0; i < s->all.len; i++)
        sy_expo_u64(e, s->all.p[i].pending_pods, "queue", s->all.p[i].name, NULL);
}
