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
    /* What its PodGroup and its members say, taken together by sy_gang_count(). */
    bool is_malformed;
    bool lacks_object; /* its terms are those of a PodGroup that is not there */
    bool is_single;    /* its PodGroup asks for no gang */
    bool topology_is_required;
    sy_sid topology_key;
    uint32_t object;                       /* its PodGroup, among sy_gangs.objects, or SY_NONE */
    uint32_t min_members;                  /* at least 1 */
    int64_t timeout_ns;                    /* 0: not said */
    SY_VEC(struct sy_gang_member) members; /* in no order */
    uint32_t head;     /* QUEUED: the entry that stands for it in the active or the backoff heap */
    uint32_t attempts; /* in a row that failed */
    int32_t priority;  /* WAITING: of its first member, as the next */
    uint64_t order;
    uint32_t missing;         /* GATHERING: how many when that was last noted */
    sy_time_ns until_ns;      /* GATHERING: when to say so; WAITING: the sweep */
    sy_time_ns retry_ns;      /* not tried before */
    sy_time_ns give_up_ns;    /* members with a place that are not bound then are taken back */
    SY_VEC(uint32_t) victims; /* slots of pods that were evicted for it and may still be there */
    uint64_t relief_seen;     /* WAITING: of the cluster's relief log, at the last attempt */
    bool waits_for_quota;     /* WAITING: its queue may not have it */
};

struct sy_gang_place {
    uint32_t gang; /* SY_NONE: in none */
    uint32_t at;   /* among its members */
};

struct sy_gang_object {
    struct sy_group_object said; /* source SY_GROUP_NONE: a free place */
    char *uid;                   /* owned; said.uid borrows it */
    bool is_unseen;              /* in the list that is under way */
    uint64_t told;               /* hash of what was last written to its status */
};

struct sy_gangs {
    struct sy_strings *strings;
    struct sy_group_keys keys;
    SY_VEC(struct sy_gang_object) objects;
    SY_VEC(uint32_t) free_objects;
    struct sy_map objects_by_name;
    bool knows_objects[SY_GROUP_SOURCES]; /* a group that has none is one whose object is to come */
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
/* The gang with that name, or SY_NONE. O(1). */
uint32_t sy_gangs_find(const struct sy_gangs *g, uint8_t source, sy_sid ns, sy_sid name);

/* -- gang_objects.c -- */

/* A PodGroup came, or is another now. Copied. What it says counts before what its pods say. */
void sy_gangs_object(struct sy_gangs *g, const struct sy_group_object *said);
void sy_gangs_object_gone(struct sy_gangs *g, uint8_t source, sy_sid ns, sy_sid name);
/* Around a full list of one API's. O(objects). */
void sy_gangs_objects_replace_begin(struct sy_gangs *g, uint8_t source);
void sy_gangs_objects_replace_end(struct sy_gangs *g, uint8_t source);
/* Whether all objects of that API are known; not at first. O(gangs) when it changes. */
void sy_gangs_objects_known(struct sy_gangs *g, uint8_t source, bool known);
uint32_t sy_gangs_find_object(const struct sy_gangs *g, uint8_t source, sy_sid ns, sy_sid name);
/* Parts of sy_gangs_mark() and sy_gangs_done(). */
void sy_gangs_objects_mark(const struct sy_gangs *g);
void sy_gangs_objects_done(struct sy_gangs *g);

/* -- gang.c -- */

/* The gang is to be settled. */
void sy_gangs_touch(struct sy_gangs *g, uint32_t gang, bool eager);
/* The next gang to settle, SY_NONE when there is none; it counts as settled from then on. */
uint32_t sy_gangs_next_dirty(struct sy_gangs *g);

/* How its members stand. */
struct sy_gang_count {
    uint32_t placed;  /* have a node, bound or assumed, and do not go away */
    uint32_t assumed; /* of these, not bound yet */
    uint32_t running; /* of these, started */
    uint32_t waiting; /* have none, are ours and behind no gate */
    uint32_t head;    /* entry of the first of these by priority, then age; SY_NO_ENTRY */
};
/* Counts, and takes together what its PodGroup and its members say. O(members). */
void sy_gang_count(const struct sy_gangs *g, struct sy_gang *gang, const struct sy_cluster *c,
                   const struct sy_entries *e, struct sy_gang_count *ret);
/* Whether pods that were evicted for it are still on their way out. O(1), and for those that have
 * gone once. */
bool sy_gang_is_room_being_made(struct sy_gang *gang, const struct sy_cluster *c);
/* "namespace/name". Written to room and returned. */
const char *sy_gang_name(const struct sy_gangs *g, const struct sy_gang *gang, char *room,
                         size_t size);
