/* SPDX-License-Identifier: Apache-2.0
 *
 * What each pod's last decision was, in few bytes: where it went and by how much, or why not. So
 * many of the newest are kept; they are for `explain` alone, no decision reads them. */
#pragma once

#include "base/clock.h"
#include "base/vec.h"
#include "cluster/load.h"
#include "sched/rank.h"

enum {
    SY_RECORD_NODES = 3,
    SY_RECORD_TEXT_MAX = 1024, /* of a refusal; the rest is cut */
    SY_RECORD_NO_AGE = UINT16_MAX,
    SY_RECORD_NO_POINTS = INT32_MIN,
};

enum sy_record_kind {
    SY_RECORD_PLACED,  /* a node was chosen; the bind may have failed since */
    SY_RECORD_REFUSED, /* no node would do */
    SY_RECORD_FAILED,  /* a plugin, a volume or the bind failed */
};

struct sy_record_node {
    sy_sid name;
    int32_t total;                  /* as in sy_ranked */
    int32_t points[SY_SCORERS_MAX]; /* in hundredths; SY_RECORD_NO_POINTS */
};

struct sy_record {
    uint64_t uid_hash; /* of the pod; 0: empty */
    sy_time_ns at_ns;
    uint32_t pod; /* slot */
    uint32_t attempts;
    uint32_t feasible;
    uint8_t kind; /* enum sy_record_kind */
    uint8_t nodes_len;
    bool has_points;                              /* and runners-up and factors */
    sy_sid text;                                  /* REFUSED, FAILED: why */
    struct sy_record_node nodes[SY_RECORD_NODES]; /* PLACED: the chosen one first */
    /* Of the chosen node, when it was chosen. */
    float capacity, performance, headroom, reliability;
    uint16_t load_age_s[SY_LOAD_METRICS]; /* SY_RECORD_NO_AGE: nothing measured */
};

struct sy_records {
    SY_VEC(struct sy_record) ring;
    uint32_t room; /* 0: nothing is kept */
    uint32_t next; /* place of the oldest, once the ring is full */
    SY_VEC(uint32_t)
    by_pod; /* per pod slot: place in the ring + 1, perhaps of another pod by now */
};

/* room: how many to keep; 0 keeps none. Forgets all that is kept. */
void sy_records_init(struct sy_records *r, uint32_t room);
void sy_records_done(struct sy_records *r);
/* A zeroed record for the pod, instead of the one that it had or of the oldest; NULL when none is
 * kept. Valid until the next call. O(1). */
struct sy_record *sy_records_new(struct sy_records *r, const struct sy_cluster *c, uint32_t pod);
/* The record of a pod, or NULL. Borrowed until the next sy_records_new(). O(1). */
const struct sy_record *sy_records_get(const struct sy_records *r, const struct sy_cluster *c,
                                       uint32_t pod);
/* Fills in the choice of `node`, before it is assumed. Of several pods of a shape that are decided
 * at one time (in one turn of the loop) only the first has the runners-up and the points: they
 * would cost as much as the decision itself, and hardly differ. Cost: that of sy_shape_rank(), or
 * next to nothing. */
void sy_record_placed(struct sy_record *record, const struct sy_shapes *s, struct sy_shape *shape,
                      uint32_t node, sy_time_ns now);
/* The same without runners-up and points: for a gang, whose members are chosen all at once. O(1).
 */
void sy_record_placed_in_gang(struct sy_record *record, const struct sy_cluster *c, uint32_t node,
                              sy_time_ns now);
/* Marks all string ids held here. */
void sy_records_mark(const struct sy_records *r, struct sy_strings *strings);
