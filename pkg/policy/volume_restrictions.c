/* SPDX-License-Identifier: Apache-2.0
 *
 * VolumeRestrictions: disks that two pods cannot mount at once, and claims that only one pod may
 * use. */
#include "policy/claims.h"
#include "policy/plugins.h"

struct state {
    /* ReadWriteOncePod claims of the pod that are in use. As upstream counts: a pod that is taken
     * away frees what it uses, whoever else does. */
    int64_t taken_claims;
    sy_sid taken;
    sy_sid no_disk;
};

static bool is_disk(const struct sy_volume *v)
{
    return v->kind == SY_VOLUME_GCE_PD || v->kind == SY_VOLUME_AWS_EBS ||
           v->kind == SY_VOLUME_ISCSI || v->kind == SY_VOLUME_RBD;
}

static bool concerns(const struct sy_cluster *c SY_UNUSED, const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (is_disk(&spec->volumes[i]) || spec->volumes[i].kind == SY_VOLUME_CLAIM)
            return true;
    }
    return false;
}

static bool has_disk(const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (is_disk(&spec->volumes[i]))
            return true;
    }
    return false;
}

static bool names_claim(const struct sy_pod_spec *spec, sy_sid claim)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (spec->volumes[i].kind == SY_VOLUME_CLAIM && spec->volumes[i].name == claim)
            return true;
    }
    return false;
}

/* Whether a pod on a node that the API server has uses the claim, the trial that goes on aside.
 * Pods of nodes that are gone do not count, so the cheap count is only a first look. */
static bool is_used(const struct sy_cluster *c, sy_sid ns, sy_sid claim)
{
    int32_t in_trial = sy_storage_trial_users(c, ns, claim);

    if ((int64_t)sy_storage_claim_users(c, ns, claim) == in_trial)
        return false;
    if (in_trial < 0)
        return true; /* what was taken away was on such a node */
    for (size_t i = 0; i < c->pods.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        if ((p->flags & SY_POD_ALIVE) && p->ns == ns && p->node != SY_NONE &&
            sy_cluster_node_is_alive(c, p->node) && names_claim(&p->spec->spec, claim))
            return true;
    }
    return false;
}

static bool is_named_before(const struct sy_pod_spec *spec, uint32_t volume)
{
    for (uint32_t i = 0; i < volume; i++) {
        if (spec->volumes[i].kind == SY_VOLUME_CLAIM &&
            spec->volumes[i].name == spec->volumes[volume].name)
            return true;
    }
    return false;
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v)
{
    struct sy_cluster *c = shape->cluster;
    struct state *state = sy_arena_alloc(arena, sizeof(*state));
    struct sy_pod_claim claim;

    if (!state) {
        sy_refuse(v, SY_ERROR, shape->texts->no_memory);
        return SY_PRE_REJECT;
    }
    for (uint32_t i = 0; i < shape->spec->volumes_len; i++) {
        const struct sy_volume *volume = &shape->spec->volumes[i];
        if (volume->kind != SY_VOLUME_CLAIM)
            continue;
        (void)sy_pod_claim(c, shape->ns, shape->pod_name, volume, NULL, &claim);
        if (!claim.claim) {
            sy_refuse(v, SY_UNRESOLVABLE, sy_reason_no_claim(shape, claim.name));
            return SY_PRE_REJECT;
        }
        if ((claim.claim->access & SY_ACCESS_RWOP) && !is_named_before(shape->spec, i))
            state->taken_claims += is_used(c, shape->ns, volume->name) +
                                   sy_storage_trial_users(c, shape->ns, volume->name);
    }
    if (state->taken_claims <= 0 && !has_disk(shape->spec))
        return SY_PRE_SKIP;
    state->taken = sy_reason(shape, "node(s) unavailable due to PersistentVolumeClaim with "
                                    "ReadWriteOncePod access mode already in-use by another pod");
    state->no_disk = sy_reason(shape, "node(s) had no available disk");
    *ret_state = state;
    return SY_PRE_RUN;
}

static bool share_one(const struct sy_volume *a, const struct sy_volume *b)
{
    for (uint32_t i = 0; i < a->list_len; i++) {
        for (uint32_t j = 0; j < b->list_len; j++) {
            if (a->list[i] == b->list[j])
                return true;
        }
    }
    return false;
}

static bool is_conflict(const struct sy_volume *a, const struct sy_volume *b)
{
    bool both_read = a->read_only && b->read_only;

    if (a->kind != b->kind || a->name != b->name)
        return false;
    switch (a->kind) {
    case SY_VOLUME_GCE_PD:
    case SY_VOLUME_ISCSI:
        return !both_read;
    case SY_VOLUME_AWS_EBS:
        return true;
    case SY_VOLUME_RBD:
        return !both_read && a->aux == b->aux && share_one(a, b);
    default:
        return false;
    }
}

static bool conflicts_with(const struct sy_pod_spec *spec, const struct sy_pod_spec *other)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        for (uint32_t j = 0; j < other->volumes_len; j++) {
            if (is_conflict(&spec->volumes[i], &other->volumes[j]))
                return true;
        }
    }
    return false;
}

static bool refuses(const struct sy_shape_view *shape, const void *arg, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_cluster *c = shape->cluster;
    const struct state *state = arg;
    bool look = has_disk(shape->spec);

    for (uint32_t i = look ? c->nodes[node].first_pod : SY_NONE; i != SY_NONE;
         i = c->pods.p[i].next_on_node) {
        if (conflicts_with(shape->spec, &c->pods.p[i].spec->spec))
            return sy_refuse(v, SY_UNSCHEDULABLE, state->no_disk);
    }
    return state->taken_claims > 0 && sy_refuse(v, SY_UNSCHEDULABLE, state->taken);
}

const struct sy_filter sy_filter_volume_restrictions = {
    .name = "VolumeRestrictions",
    .is_global = true,
    .concerns = concerns,
    .prepare = prepare,
    .refuses = refuses,
};
