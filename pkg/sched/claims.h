/* SPDX-License-Identifier: Apache-2.0
 *
 * What one pod's resource claims need before the pod can be bound: devices found for the node are
 * held from the start, then written into the claims, one write after another, with the pod in
 * reservedFor; then a wait for drivers that have a say. On failure the pod's reservations are taken
 * back. For extended resources that devices serve the claim is made first, as the pod's own, and
 * goes again on failure. A work outlives its pod while the answer to a write is awaited, because
 * the write may yet land. The core's thread. Source of the steps: k8s.io/kubernetes
 * pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go (v1.37.2), Reserve, PreBind
 * and Unreserve. */
#pragma once

#include "sched/grant.h"
#include "sched/sched.h"

struct sy_claim_work;

/* All works, by id. */
struct sy_claim_works {
    SY_VEC(struct sy_claim_work *) all; /* NULL: the id is free */
    uint64_t next_serial;
    uint64_t next_holder;
};

/* For a pod that passed the filters on a node. Holds in the cluster what will be allocated.
 *
 * in:     arena: for what is needed in between; user: the caller's mark, sy_claim_work_user().
 * out:    *ret: owned by works, ends with sy_claim_work_drop(); NULL when there is nothing to
 *         write.
 * errors: -ENOENT when the devices cannot be found again; as sy_allocator_new(), sy_grant_make().
 * cost:   as one look of the filter at one node. */
int sy_claim_work_new(struct sy_claim_works *works, const struct sy_shape_view *view,
                      struct sy_arena *arena, uint32_t pod, uint32_t node, uint32_t user,
                      struct sy_claim_work **ret, struct sy_err *err) SY_NODISCARD;
/* The pod is done with it, whatever became of it: nothing more will be written. NULL allowed. */
void sy_claim_work_drop(struct sy_claim_works *works, struct sy_cluster *c,
                        struct sy_claim_work *w);
/* Marks the string ids that works hold. O(works). */
void sy_claim_works_mark(const struct sy_claim_works *works, struct sy_strings *strings);
/* Drops and frees all of them. */
void sy_claim_works_done(struct sy_claim_works *works, struct sy_cluster *c);

enum sy_claim_step {
    SY_CLAIMS_WRITE,  /* *ret is to be written; answer with sy_claim_work_result() */
    SY_CLAIMS_UNSEEN, /* a claim was created; the watch has yet to tell of it */
    SY_CLAIMS_WAIT,   /* all is written; drivers have yet to say that the devices can be used */
    SY_CLAIMS_READY,  /* the pod may be bound */
    SY_CLAIMS_FAILED, /* and taken back as far as that goes: see sy_claim_work_error() */
};
/* The next step. Text in *ret is borrowed until the work or the cluster changes. *ret_ticket is for
 * the answer. Not while an answer is awaited. */
enum sy_claim_step sy_claim_work_next(struct sy_claim_works *works, struct sy_cluster *c,
                                      struct sy_claim_work *w, struct sy_claim_write *ret,
                                      uint64_t *ret_ticket);
/* From UNSEEN or WAIT: it has taken too long. The allocations that are waited for go, unless others
 * use them.
 */
void sy_claim_work_expire(struct sy_cluster *c, struct sy_claim_work *w);
/* Why it failed, in kube-scheduler's words. */
const char *sy_claim_work_error(const struct sy_claim_work *w);
/* After READY, when the pod could not be bound: what was reserved is to be taken back. False when
 * there is nothing to take back. error: for sy_claim_work_error(). */
bool sy_claim_work_undo(struct sy_claim_work *w, const char *error);

/* The work that a ticket awaits an answer for; NULL: none. */
struct sy_claim_work *sy_claim_works_find(const struct sy_claim_works *works, uint64_t ticket);
/* What became of its write. claim: as the answer showed it, NULL when it did not; of one that is in
 * the cluster, that has taken it in already. error: NULL only when it is written. False when the
 * work was dropped meanwhile: it is freed. */
bool sy_claim_work_result(struct sy_claim_works *works, struct sy_cluster *c,
                          struct sy_claim_work *w, enum sy_claim_result result,
                          const struct sy_device_claim *claim, const char *error);
/* The caller's mark, as sy_claim_work_new() was given it. */
uint32_t sy_claim_work_user(const struct sy_claim_work *w);

/* PostFilter: a claim of a pod that fits nowhere which is allocated for nobody else and cannot be
 * used from some node: its allocation goes, so that another may be made. Or one that an earlier try
 * made for the pod's extended resources: it goes.
 *
 * out: *ret on true, borrowed until the cluster changes. */
bool sy_claims_to_free(const struct sy_cluster *c, uint32_t pod, struct sy_claim_write *ret);
