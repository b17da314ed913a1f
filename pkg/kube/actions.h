/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scheduler writes to the API server: bindings, pod conditions, events. Bodies are built
 * here; sending, retry and accounting of results too. Loop thread only. */
#pragma once

#include "kube/client.h"
#include "model/allocation.h"

/* Result of a bind after which the scheduler need not look further. */
enum sy_bind_outcome {
    SY_BIND_OK,       /* the server said so (201), or a GET after a lost answer showed our node */
    SY_BIND_CONFLICT, /* 409: already bound, deleted or another pod of that name; watch will tell */
    SY_BIND_GONE,     /* 404 */
    SY_BIND_REFUSED,  /* another definite refusal (403, 422, 429 after retries, never sent, or found
                         unbound after the answer was lost): forget, back off */
    SY_BIND_UNKNOWN, /* the answer was lost and could not be settled yet: keep the assumption; it is
                        settled by a later call of the callback */
};
/* May be called twice: first UNKNOWN, later the settled outcome. err: NULL on OK. Never from inside
 * sy_actions_bind(). Must not free the actions.
 * UNKNOWN comes of a lost answer to a request that may have been sent and of every 5xx (500 and 504
 * may follow the write, 502 and 503 may be a proxy's). It is settled by reading the pod, with
 * backoff until there is a definite answer: our node is OK, another CONFLICT, 404 or another UID
 * GONE. While it is unbound the bind is sent again (twice at most; UID and node make that safe),
 * and it is REFUSED once the request cannot be carried out any more: at once when the server itself
 * has answered, else transit_ms, bind_timeout_ms and a second after it was sent. */
typedef void sy_bind_fn(void *arg, uint64_t ticket, enum sy_bind_outcome outcome,
                        const struct sy_err *err, int64_t duration_ns);

/* An eviction did not come about: the pod is still there, as far as is known. err is borrowed.
 * Never from inside sy_actions_preempt() or _evict(). Must not free the actions. */
typedef void sy_evict_failed_fn(void *arg, const char *uid, const struct sy_err *err);

/* One write that a pod's volumes need before the pod is bound. Strings are copied. */
struct sy_volume_write {
    uint64_t ticket;
    const char *volume;  /* this persistent volume gets a claimRef; NULL: the claim gets its node */
    const char *version; /* resourceVersion that the object must still have */
    bool set_by_controller; /* and the annotation pv.kubernetes.io/bound-by-controller */
    const char *ns;
    const char *claim;
    const char *claim_uid;
    const char *claim_version;
    const char *node; /* for the annotation volume.kubernetes.io/selected-node */
};
/* err: NULL when it is written, borrowed else; 409 when the object is another by now. Never from
 * inside sy_actions_volume(). Must not free the actions. */
typedef void sy_volume_fn(void *arg, uint64_t ticket, const struct sy_err *err);

enum sy_claim_outcome {
    SY_CLAIM_WRITTEN,
    SY_CLAIM_CONFLICT, /* it had changed, or may have: it was read anew */
    SY_CLAIM_REFUSED,  /* a definite no: it is as it was, or gone */
};
/* What became of a write to a resource claim; called only once that is certain. err: NULL when
 * written, borrowed else. raw, enc: the claim as the server answered with it, for
 * sy_decode_devices(); empty when it did not. Never from inside sy_actions_claim(). Must not free
 * the actions. */
typedef void sy_claim_fn(void *arg, uint64_t ticket, enum sy_claim_outcome outcome,
                         enum sy_encoding enc, struct sy_str raw, const struct sy_err *err);

/* The status of a PodGroup. Strings are copied. */
struct sy_group_write {
    const char *api; /* "GROUP/VERSION" of the resource podgroups */
    const char *ns;
    const char *name;
    const char *uid;
    int64_t generation; /* as observed; 0: not known */
    const char *phase;  /* NULL: the condition PodGroupInitiallyScheduled is written, as below */
    uint32_t running;   /* with a phase; 0 is left out */
    bool is_scheduled;
    const char *reason;
    const char *message;
};

struct sy_actions;
struct sy_actions_options {
    const char *component; /* reportingController of events: the scheduler's name */
    const char *instance;  /* reportingInstance: "<component>-<hostname>" */
    /* 0: 10000; sent as ?timeout= too so that late binds die at the server. */
    uint32_t bind_timeout_ms;
    /* Longest that a request is on its way to the server: as dead_peer_ms in net/http.h. 0: 8000.
     */
    uint32_t transit_ms;
    uint32_t events_max_queued; /* 0: 20000; further ones are dropped and counted */
    /* Events give way to binds: while binds are in flight at most this many event requests are,
     * with a rest of nine times its duration after each. 0: 1. */
    uint32_t events_in_flight_while_binding;
    uint32_t events_in_flight; /* when idle; 0: 32 */
    sy_bind_fn *on_bind;
    sy_evict_failed_fn *on_evict_failed; /* NULL allowed */
    sy_volume_fn *on_volume;             /* NULL allowed */
    sy_claim_fn *on_claim;               /* NULL allowed */
    void *arg;
};
int sy_actions_new(struct sy_kube *k, const struct sy_actions_options *options,
                   struct sy_actions **ret, struct sy_err *err) SY_NODISCARD;
/* To be freed before the client. What is under way is abandoned without on_bind. NULL allowed. */
void sy_actions_free(struct sy_actions *a);

/* POST .../pods/NAME/binding with the pod's UID. A condition of that pod that is still queued is
 * dropped, one under way is waited for (1 s at most): it would undo PodScheduled=True. ticket is
 * given back to on_bind. Strings are copied. annotations: NULL or "k", "v", ..., NULL pairs written
 * with the bind. */
void sy_actions_bind(struct sy_actions *a, uint64_t ticket, const char *ns, const char *name,
                     const char *uid, const char *node, const char *const *annotations);
/* Requests on their way; those waiting to be settled or retried are not counted. */
uint32_t sy_actions_binds_in_flight(const struct sy_actions *a);

/* Sets condition PodScheduled=False (strategic-merge PATCH on .../status). reason: "Unschedulable",
 * "SchedulerError"; nominated_node NULL leaves it, "" clears it. Repeats for the same UID that are
 * still queued are merged, the last wins. generation: of the pod, as observed; 0: not known. */
void sy_actions_condition(struct sy_actions *a, const char *ns, const char *name, const char *uid,
                          const char *reason, const char *message, const char *nominated_node,
                          int64_t generation);

/* Makes a pod go, as kube-scheduler's preemption does: condition DisruptionTarget=True (reason
 * PreemptionByScheduler), then a plain deletion with the pod's own grace period; both name the UID
 * and are repeated as SY_RETRY_SAFE says. 404 and 409 (the UID is another's) are success. Strings
 * are copied, message is cut as a note is. generation: of the pod, as observed; 0: not known. */
void sy_actions_preempt(struct sy_actions *a, const char *ns, const char *name, const char *uid,
                        const char *message, int64_t generation);

enum sy_evict_how {
    SY_EVICT_PREEMPT, /* as sy_actions_preempt() */
    /* POST .../eviction with the UID: the server respects budgets, writes DisruptionTarget and
     * deletes with the pod's own grace period. Sent once: a refusal (429: a budget, with
     * err->retry_after_ms) and what has no answer go to on_evict_failed. */
    SY_EVICT_BUDGETED,
    /* Phase Failed and DisruptionTarget=True (reason NodeFailed), then a deletion without grace, as
     * PodGC has it: only for pods that run no more. Repeated as SY_RETRY_SAFE says. */
    SY_EVICT_FORCE,
};
/* Makes a pod go, in one of these ways. 404 and 409 are success; all else as there. Source of the
 * last: k8s.io/kubernetes pkg/controller/podgc/gc_controller.go (v1.37.2). */
void sy_actions_evict(struct sy_actions *a, enum sy_evict_how how, const char *ns, const char *name,
                      const char *uid, const char *message, int64_t generation);

/* Keeps a volume for a claim, or tells a claim the node that its volume is made for, as the binder
 * of kube-scheduler's VolumeBinding does. Repeated as SY_RETRY_SAFE says. */
void sy_actions_volume(struct sy_actions *a, const struct sy_volume_write *write);

/* Writes into a resource claim what kube-scheduler's DynamicResources does. strings: those of the
 * write's ids; all is copied into the request. Repeated until it is certain whether it has landed,
 * which the resourceVersion makes safe. */
void sy_actions_claim(struct sy_actions *a, uint64_t ticket, const struct sy_claim_write *write,
                      const struct sy_strings *strings);

/* Writes to the status of a PodGroup: a condition by strategic merge patch, a phase (a custom
 * resource's) by merge patch. The last word on a group stands. Repeated as SY_RETRY_SAFE says. */
void sy_actions_group(struct sy_actions *a, const struct sy_group_write *write);

/* events.k8s.io/v1 Event about a pod. type "Normal" or "Warning"; reason "Scheduled",
 * "FailedScheduling"; action "Binding", "Scheduling". note is cut to 1 KiB with " ...". Equal
 * (pod, reason, note) repeats become a series PATCH as client-go tools/events does (the second at
 * once, later counts each 30 min and when 6 min have been quiet; the last 16384 are remembered). */
void sy_actions_event(struct sy_actions *a, const char *type, const char *reason,
                      const char *action, const char *ns, const char *name, const char *uid,
                      const char *note);
/* The same by another of several schedulers in one process; reporter: its name, NULL for the
 * component. */
void sy_actions_event_by(struct sy_actions *a, const char *reporter, const char *type,
                         const char *reason, const char *action, const char *ns, const char *name,
                         const char *uid, const char *note);
/* While paused nothing is written (a leader whose lease may have lapsed): new binds, and those that
 * wait to be sent again, are REFUSED with -ECANCELED, and evictions fail so; conditions and events
 * stay queued; unknown binds are settled by reading alone. What is on its way goes on. */
void sy_actions_pause(struct sy_actions *a, bool is_paused);
/* Nothing queued and nothing in flight (for a clean shutdown). */
bool sy_actions_is_idle(const struct sy_actions *a);
/* Drops queued events so that shutdown waits for binds only. */
void sy_actions_drain(struct sy_actions *a);

struct sy_actions_stats {
    uint64_t binds_sent, binds_ok, binds_conflict, binds_refused, binds_unknown, conditions_sent,
        events_sent, events_dropped, events_merged, event_errors, condition_errors, evictions_done,
        eviction_errors, volume_writes, volume_write_errors, claim_writes, claim_write_errors,
        group_writes, group_write_errors;
};
const struct sy_actions_stats *sy_actions_stats(const struct sy_actions *a);
