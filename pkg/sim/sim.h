/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulation engine: a virtual clock and event queue around a real `struct sy_sched`, and the
 * part of an API server that the core sees. It answers each bind after a delay and checks every one
 * against a ledger of its own. What happens to nodes and pods is decided elsewhere (world.h). One
 * thread; any number of engines side by side. Same inputs, same outputs. */
#pragma once

#include "cluster/load.h"
#include "sched/sched.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_sim;

/* Called at the time it was asked for; may call anything here. */
typedef void sy_sim_fn(void *arg, uint32_t a, uint32_t b);

/* What becomes of a bind that gets to a pod without a node. */
enum sy_sim_outcome {
    SY_SIM_LANDS,             /* the answer comes first, then the watch shows it */
    SY_SIM_LANDS_WATCH_FIRST, /* the other way round */
    SY_SIM_UNHEARD,           /* it lands; the answer is lost, and settled settle_ns later */
    SY_SIM_LOST,              /* it never arrives, which too is found out settle_ns later */
    SY_SIM_REFUSED,
};

struct sy_sim_options {
    const struct sy_profile *profile; /* copied; its scheduler name is SY_SIM_SCHEDULER */
    int64_t bind_ns;                  /* from decision to answer; 0: 5 ms */
    int64_t settle_ns;                /* of an unknown outcome; 0: 2 s */
    bool exact;                       /* as in sy_sched_options */
    bool reuses_pods;                 /* numbers of pods that are gone are given out again */
    /* NULL: all land. Asked when the bind would land. */
    enum sy_sim_outcome (*outcome)(void *arg, uint32_t pod, uint32_t node);
    /* A bind was decided: on its way. Must not call anything here. May be NULL. */
    sy_sim_fn *decided; /* a: pod, b: node */
    /* The core has done all that it could at this time. May be NULL. */
    void (*ran)(void *arg);
    /* A pod's binding was written; it may be started. */
    sy_sim_fn *bound; /* a: pod, b: node */
    /* A pod was deleted to make room. */
    sy_sim_fn *evicted; /* a: pod, b: the node it was on, or SY_NONE */
    void *arg;
};
#define SY_SIM_SCHEDULER "steelyard"

/* What must stay 0, whatever the seed. */
struct sy_sim_faults {
    uint64_t bound_twice;       /* binds of a pod that had a node, or had one under way */
    uint64_t overcommitted;     /* binds that took a node past its allocatable, or would have, with
                                   those under way */
    uint64_t bound_not_ready;   /* binds decided while the node was known not to be ready or gone */
    uint64_t held;              /* times at which more was held than binds under way or refused */
    uint64_t refused;           /* inputs that the core did not take, samples included */
    uint64_t exact_differences; /* of sy_sched_stats */
};

/* Free with sy_sim_free(). Virtual time starts at 0 on SY_SIM_EPOCH_NS. */
struct sy_sim *sy_sim_new(const struct sy_sim_options *options);
/* Events that are not due yet never come. */
void sy_sim_free(struct sy_sim *s);

/* Virtual time since the start. */
sy_time_ns sy_sim_now(const struct sy_sim *s);
/* Calls fn at that time, or at once after what is due when it has passed. Events of one time run in
 * the order in which they were asked for. O(log n). */
void sy_sim_at(struct sy_sim *s, sy_time_ns at, sy_sim_fn *fn, void *arg, uint32_t a, uint32_t b);
/* Runs all that is due up to and including `until`. */
void sy_sim_run(struct sy_sim *s, sy_time_ns until);

struct sy_sim_room {
    int64_t cpu_milli;
    int64_t memory_bytes;
    int64_t gpus;
};

/* Nodes and pods are numbered from 0. A node is in rack number node / SY_SIM_RACK_NODES, as its
 * label SY_SIM_RACK says. */
enum { SY_SIM_RACK_NODES = 8 };
#define SY_SIM_RACK "example.com/rack"
uint32_t sy_sim_node_add(struct sy_sim *s, struct sy_sim_room allocatable, uint32_t max_pods);
/* What the node controller does: the Ready condition and its taints. */
void sy_sim_node_ready(struct sy_sim *s, uint32_t node, bool is_ready);
/* Its object is deleted, or is there again as sy_sim_node_add() made it. Pods on it stay until they
 * are deleted. */
void sy_sim_node_gone(struct sy_sim *s, uint32_t node, bool is_gone);
/* A measurement reaches the core now; its at_ns is virtual time since the start. */
void sy_sim_node_load(struct sy_sim *s, uint32_t node, struct sy_load_sample sample);

struct sy_sim_ask {
    struct sy_sim_room requests;
    int32_t priority;
    uint32_t min_members; /* 0: in no gang */
    uint32_t gang;        /* its number */
    bool in_one_rack;     /* the gang's required topology */
};
/* A pod is created and waits for a node. */
uint32_t sy_sim_pod_add(struct sy_sim *s, struct sy_sim_ask ask);
/* The kubelet's word that it runs; the API server's that it is gone, whatever it did. */
void sy_sim_pod_running(struct sy_sim *s, uint32_t pod);
void sy_sim_pod_delete(struct sy_sim *s, uint32_t pod);

/* The core's state against itself and against the engine's ledger, and what has gone wrong so far:
 * the first difference as text, or NULL. O(nodes + pods). */
const char *sy_sim_audit(const struct sy_sim *s, char *text, size_t text_size);
/* What has gone wrong so far. */
struct sy_sim_faults sy_sim_faults(const struct sy_sim *s);
/* The scheduler under simulation; borrowed. */
struct sy_sched *sy_sim_sched(struct sy_sim *s);
