/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects behind volumes, by kind and name, and what we have assumed of them: a volume reserved
 * for a claim, a claim sent to a node, before the API server knows. A newer state of an object ends
 * what was assumed of it. Part of the cluster; one thread. Every change grows the cluster's
 * generation, so that pods that wait are looked at again; nodes are not touched. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "model/storage.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

#define SY_NO_OBJECT UINT32_MAX

/* What is assumed of one object. */
struct sy_storage_assumption {
    struct sy_claim_ref claim; /* of a volume; uid is owned */
    sy_sid node;               /* of a claim */
};

struct sy_stored {
    struct sy_arena arena;                 /* holds `object` */
    const union sy_storage_object *object; /* the kind's struct only; NULL: nobody has told of it */
    struct sy_storage_assumption *assumed; /* owned, or NULL */
    sy_sid ns, name;
    uint32_t users; /* of a claim: volumes of pods on nodes that name it */
    uint32_t next_in_group, prev_in_group;
    bool seen; /* in the replacement that is going on */
};

struct sy_storage_table {
    SY_VEC(struct sy_stored) all; /* slots are stable while an object or a user is there */
    SY_VEC(uint32_t) free;
    struct sy_map by_name;
    uint32_t len; /* objects */
};

/* Objects of one kind that belong together, so that none of the others is looked at. */
enum sy_group_kind {
    SY_GROUP_ATTACHED, /* attachments of the node of that name */
    SY_GROUP_FREE, /* available volumes of that class that no claim has, our assumptions aside */
    SY_GROUP_KEPT, /* volumes for the claim of that namespace and name */
};

struct sy_group {
    uint32_t first; /* slot in the kind's table; then by next_in_group */
    uint32_t len;
    uint8_t kind; /* enum sy_group_kind */
    sy_sid ns, name;
};

/* Volumes of pods that the trial going on has put on nodes, less those that it has taken away. */
struct sy_trial_users {
    sy_sid ns, name; /* of the claim */
    int32_t users;
};

struct sy_storage {
    struct sy_storage_table tables[SY_STORAGE_KINDS];
    SY_VEC(struct sy_trial_users) trial;
    SY_VEC(struct sy_group) groups;
    SY_VEC(uint32_t) free_groups;
    struct sy_map group_by_name;
    uint64_t generation; /* grows with every change here */
    /* No CSINode has ever had a lower limit of volumes for any driver; INT32_MAX without one. */
    int32_t least_limit;
};

/* Adds or updates an object (the kind's struct, borrowed). One whose resourceVersion is the one we
 * have changes nothing. Errors: -EINVAL without a name, -ENOMEM, -E2BIG; then all is as before.
 * O(object). */
int sy_storage_upsert(struct sy_cluster *c, enum sy_storage_kind kind,
                      const void *object) SY_NODISCARD;
/* ns: 0 for a kind without namespaces. */
void sy_storage_delete(struct sy_cluster *c, enum sy_storage_kind kind, sy_sid ns, sy_sid name);
/* Around a full list: what was not given between is deleted at the end. O(objects). */
void sy_storage_replace_begin(struct sy_cluster *c, enum sy_storage_kind kind);
void sy_storage_replace_end(struct sy_cluster *c, enum sy_storage_kind kind);

/* The slot of an object, SY_NO_OBJECT when there is none (a claim that only pods name included). */
uint32_t sy_storage_find(const struct sy_cluster *c, enum sy_storage_kind kind, sy_sid ns,
                         sy_sid name);
/* The objects by slot, as the API server has them; valid until they change. */
const struct sy_pv *sy_storage_volume(const struct sy_cluster *c, uint32_t slot);
const struct sy_pvc *sy_storage_claim(const struct sy_cluster *c, uint32_t slot);
/* By name; NULL when there is none. */
const struct sy_storage_class *sy_storage_class(const struct sy_cluster *c, sy_sid name);
const struct sy_csi_node *sy_storage_node(const struct sy_cluster *c, sy_sid name);
const struct sy_csi_driver *sy_storage_driver(const struct sy_cluster *c, sy_sid name);

/* Which claim a volume is for, our assumption included. */
const struct sy_claim_ref *sy_storage_claim_ref(const struct sy_cluster *c, uint32_t volume);
/* Whether a claim's volume is to be made for one node, our assumption included. */
bool sy_storage_selected_node(const struct sy_cluster *c, uint32_t claim, sy_sid *ret_node);
/* volumehelpers.IsVolumeBoundToClaim: whether ref names the claim. */
bool sy_claim_ref_is(const struct sy_claim_ref *ref, const struct sy_pvc *claim);
/* Whether a claim has its volume and the controller is done with it. */
static inline bool sy_claim_is_bound(const struct sy_pvc *claim)
{
    return claim->volume && claim->bind_completed;
}

/* Assume that a volume is for a claim; that a claim's volume is made for a node. By slot. */
void sy_storage_assume_volume(struct sy_cluster *c, uint32_t volume, const struct sy_pvc *claim);
void sy_storage_assume_node(struct sy_cluster *c, uint32_t claim, sy_sid node);
/* Takes it back; no effect when nothing is assumed. */
void sy_storage_restore(struct sy_cluster *c, enum sy_storage_kind kind, uint32_t slot);

/* NULL when it is empty. Valid until storage changes. O(1). */
const struct sy_group *sy_storage_group(const struct sy_cluster *c, enum sy_group_kind kind,
                                        sy_sid ns, sy_sid name);
/* Volumes of pods on nodes that name the claim. O(1). */
uint32_t sy_storage_claim_users(const struct sy_cluster *c, sy_sid ns, sy_sid name);
/* How that differs from before the trial that goes on; 0 without one. O(claims in the trial). */
int32_t sy_storage_trial_users(const struct sy_cluster *c, sy_sid ns, sy_sid name);

/* For cluster.c only. */
void sy_storage_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign);
void sy_storage_trial_begin(struct sy_cluster *c);
void sy_storage_mark_all(const struct sy_cluster *c);
void sy_storage_done(struct sy_cluster *c);
/* Whether the counts of users equal what the pods say. */
bool sy_storage_audit(const struct sy_cluster *c);
