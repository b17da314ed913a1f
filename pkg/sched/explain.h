/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a pod waits, and what would let it fit; or why it went where it went. Looks at the state of
 * the moment, with all plugins, and at the record of the last decision. Decides nothing and leaves
 * nothing behind. */
#pragma once

#include "policy/weights.h"
#include "sched/record.h"
#include "sched/sched.h"

enum sy_explain_state {
    SY_EXPLAIN_NOT_OURS, /* no profile has the pod's schedulerName */
    SY_EXPLAIN_GATED,
    SY_EXPLAIN_ACTIVE,  /* about to be decided */
    SY_EXPLAIN_BACKOFF, /* something failed: until next_look_ns */
    SY_EXPLAIN_WAITING, /* no node would do: until something changes, at latest next_look_ns */
    SY_EXPLAIN_GANG,    /* goes with its gang, which lacks members or room for all */
    SY_EXPLAIN_VOLUMES, /* a node is chosen, its volumes are being bound */
    SY_EXPLAIN_BINDING, /* a node is chosen, the bind is under way */
    SY_EXPLAIN_BOUND,
    SY_EXPLAIN_TERMINATING,
    SY_EXPLAIN_STATES,
};
/* "NotOurs", "Gated" and so on. */
const char *sy_explain_state_name(enum sy_explain_state s);

enum {
    SY_EXPLAIN_NEAREST = 3,   /* per filter */
    SY_EXPLAIN_WHAT_IFS = 24, /* changes tried at most */
    SY_EXPLAIN_VICTIMS = 16,  /* named at most */
};

struct sy_explain_reason {
    sy_sid text;
    uint32_t nodes;
};

/* A node that a filter refuses and that is not far off. */
struct sy_explain_near {
    sy_sid node;
    uint64_t distance; /* orders them; no unit */
    char *text;        /* "lacks 500m cpu"; owned */
};

struct sy_explain_filter {
    const char *plugin;
    uint32_t nodes; /* that it was the first to refuse */
    SY_VEC(struct sy_explain_reason) reasons;
    uint32_t nearest_len;
    struct sy_explain_near nearest[SY_EXPLAIN_NEAREST];
};

enum sy_explain_change_kind {
    SY_CHANGE_REQUEST,      /* ask for less of `subject` */
    SY_CHANGE_TOLERATION,   /* tolerate the taint `subject` */
    SY_CHANGE_UNCORDON,     /* make a node schedulable again */
    SY_CHANGE_SELECTOR,     /* drop one label of nodeSelector, or one expression */
    SY_CHANGE_AFFINITY,     /* drop the required node affinity */
    SY_CHANGE_SPREAD,       /* drop a spread constraint */
    SY_CHANGE_POD_AFFINITY, /* drop a required term of (anti-)affinity to pods */
    SY_CHANGE_PORTS,        /* ask for no host ports */
    SY_CHANGE_EVICT,        /* have pods of a node go */
    SY_CHANGE_KINDS,
};
/* "LowerRequest", "AddToleration" and so on. */
const char *sy_explain_change_name(enum sy_explain_change_kind k);

/* One change that by itself would let the pod fit now: tried, not guessed. */
struct sy_explain_change {
    enum sy_explain_change_kind kind;
    char *text;     /* for a person; owned */
    uint32_t nodes; /* that would fit */
    sy_sid node;    /* one of them: for REQUEST and EVICT the best */
    double size;    /* orders them: 0 nothing, 1 drops all of a requirement */
};

struct sy_explanation {
    /* Borrowed from the scheduler until its next call. */
    const struct sy_pod_slot *pod;
    const struct sy_profile *profile; /* NULL: not ours */
    const struct sy_record *record;   /* of the last decision; NULL: none is kept */
    enum sy_explain_state state;
    sy_sid node; /* chosen or bound; 0: none */
    sy_sid nominated_node;
    uint32_t attempts;
    sy_time_ns queued_ns;    /* 0: not in the queue, as the next */
    sy_time_ns next_look_ns; /* at the latest; INT64_MAX: only when something changes */

    /* Of a pod that has no node: all nodes as they are now. */
    bool has_survey;
    uint32_t nodes_alive;
    uint32_t feasible;
    const char *reject_plugin; /* it turned the whole pod away; NULL: nodes were asked */
    sy_sid reject_text;
    SY_VEC(struct sy_explain_filter) filters; /* that refuse, most nodes first */
    struct sy_rank rank;                      /* of the feasible ones */
    sy_sid best[SY_RANK_MAX];                 /* their names */
    SY_VEC(struct sy_explain_change) changes; /* smallest first */
};

/* in: ns, name: of a pod; now: the core's time. out: *ret, to be released with
 * sy_explanation_done(), on success only. errors: -ENOENT no such pod. Cost: O(pods) to find it;
 * for one that waits one look at all nodes, and one more for each of up to SY_EXPLAIN_WHAT_IFS
 * changes that might help, and a search for pods to evict. Loop thread, outside all other calls. */
int sy_sched_explain(struct sy_sched *s, struct sy_str ns, struct sy_str name,
                     struct sy_explanation *ret) SY_NODISCARD;
/* All nodes as they are now for a pod that the cluster has, by slot, and that no queue knows: fills
 * that part of *ret alone. profile: to ask under, borrowed. To be released by
 * sy_explanation_done(). Cost: that of sy_sched_explain() for one that waits. */
void sy_sched_survey(struct sy_sched *s, uint32_t pod, const struct sy_profile *profile,
                     struct sy_explanation *ret);
/* Frees what an explanation owns; what it borrows is left alone. */
void sy_explanation_done(struct sy_explanation *e);
