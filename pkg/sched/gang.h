/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups of pods that are scheduled all or nothing: who is in which, how many of them have a
 * node, and where each group stands. Bookkeeping only: where members go is found by gang_plan.h,
 * and what is done about it is up to sched_gang.c. One thread. */
#pragma once

#include "cluster/cluster.h"
#include "model/group.h"
#include "sched/queue.h"

enum sy_gang_state {
    SY_GANG_FREE,
    SY_GANG_GATHERING, /* too few members */
    SY_GANG_QUEUED,    /* tried when its head's turn comes */
    SY_GANG_WAITING,   /* no room for all: until something leaves, at latest until_ns */
    SY_GANG_OPEN,      /* enough members have a node: others go as single pods */
};

struct sy_gang_member {
    uint32_t pod; /* slot */
    struct sy_pod_group said;
};

struct sy_gang {
    sy_sid ns, name;
    uint8_t source; /* enum sy_group_source */
    uint8_t state;  /* enum sy_gang_state */
    bool is_dirty;  /* something about its members changed since it was last settled */
    bool is_eager;  /* in a way that may let it fit */
    /* What its members say, taken together by sy_gang_count(). */
    bool is_malformed;
    bool topology_is_required;
    sy_sid topology_key;
    uint32_t min_members;                  /* at least 1 */
    int64_t timeout_ns;                    /* 0: not said */
    SY_VEC(struct sy_gang_member) members; /* in no order */
    uint32_t head;     /* QUEUED: the entry that stands for it in the active or the backoff heap */
    uint32_t attempts; /* in a row that failed */
    uint32_t missing;  /* GATHERING: how many when that was last noted */
    sy_time_ns until_ns;   /* GATHERING: when to say so; WAITING: the sweep */
    sy_time_ns retry_ns;   /* not tried before */
    sy_time_ns give_up_ns; /* members with a place that are not bound then are taken back */
    uint64_t relief_seen;  /* WAITING: of the cluster's relief log, at the last attempt */
    bool waits_for_quota;  /* WAITING: its queue may not have it */
};

struct sy_gang_place {
    uint32_t gang; /* SY_NONE: in none */
    uint32_t at;   /* among its members */
};

struct sy_gangs {
    struct sy_strings *strings;
    struct sy_group_keys keys;
    SY_VEC(struct sy_gang) all;
    SY_VEC(uint32_t) free;
    SY_VEC(uint32_t) dirty;              /* may name gangs that are gone or settled meanwhile */
    SY_VEC(struct sy_gang_place) of_pod; /* by pod slot; shorter when the last ones are in none */
    struct sy_map by_name;
    uint32_t used;
    sy_time_ns next_ns; /* no gang has a deadline before */
};

void sy_gangs_init(struct sy_gangs *g, struct sy_strings *strings);
void sy_gangs_done(struct sy_gangs *g);
void sy_gangs_mark(const struct sy_gangs *g);

/* Follows a pod that was given. changed: it is new, or something of it changed that counts here
 * (spec, gates, node, going away). Cost O(labels) for a pod in no group. */
void sy_gangs_pod(struct sy_gangs *g, uint32_t slot, const struct sy_pod *pod, bool changed);
/* The pod is gone. */
void sy_gangs_pod_gone(struct sy_gangs *g, uint32_t slot);
/* The gang of a pod, or SY_NONE. O(1). */
static inline uint32_t sy_gangs_of(const struct sy_gangs *g, uint32_t slot)
{
    return slot < g->of_pod.len ? g->of_pod.p[slot].gang : SY_NONE;
}
/* The gang is to be settled. */
void sy_gangs_touch(struct sy_gangs *g, uint32_t gang, bool eager);
/* The next gang to settle, SY_NONE when there is none; it counts as settled from then on. */
uint32_t sy_gangs_next_dirty(struct sy_gangs *g);

/* How its members stand. */
struct sy_gang_count {
    uint32_t placed;  /* have a node, bound or assumed, and do not go away */
    uint32_t assumed; /* of these, not bound yet */
    uint32_t waiting; /* have none, are ours and behind no gate */
    uint32_t head;    /* entry of the first of these by priority, then age; SY_NO_ENTRY */
};
/* Counts, and takes together what members say. O(members). */
void sy_gang_count(struct sy_gang *gang, const struct sy_cluster *c, const struct sy_entries *e,
                   struct sy_gang_count *ret);
/* "namespace/name". Written to room and returned. */
const char *sy_gang_name(const struct sy_gangs *g, const struct sy_gang *gang, char *room,
                         size_t size);
