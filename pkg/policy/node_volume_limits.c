/* SPDX-License-Identifier: Apache-2.0
 *
 * NodeVolumeLimits: a node takes no more volumes of a CSI driver than its CSINode says. A volume
 * counts once, however many pods use it. */
#include "policy/claims.h"
#include "policy/plugins.h"

/* What tells volumes apart: a handle of the driver's, or the claim that it will be made for. */
struct volume_key {
    sy_sid driver;
    sy_sid handle;  /* 0: none yet */
    uint32_t claim; /* slot, without a handle */
};

struct new_volume {
    struct volume_key key;
    /* Counts only on nodes that have a CSINode: drivers took over in-tree kinds there. */
    bool is_migrated;
};

struct state {
    struct sy_verdict bad; /* what is wrong with the pod's own claims: every node says so */
    struct new_volume *volumes;
    uint32_t volumes_len;
    struct volume_key *attached; /* scratch for one node */
    bool needs_driver;           /* one of the drivers has to be on the node */
    sy_sid too_many;
};

/* Volumes of one node beyond this are not told apart: more than any driver attaches. */
enum { ATTACHED_MAX = 4096 };

static enum sy_in_tree in_tree_of(const struct sy_volume *v)
{
    switch (v->kind) {
    case SY_VOLUME_GCE_PD:
        return SY_IN_TREE_GCE_PD;
    case SY_VOLUME_AWS_EBS:
        return SY_IN_TREE_AWS_EBS;
    case SY_VOLUME_AZURE_DISK:
        return SY_IN_TREE_AZURE_DISK;
    case SY_VOLUME_CINDER:
        return SY_IN_TREE_CINDER;
    case SY_VOLUME_PORTWORX:
        return SY_IN_TREE_PORTWORX;
    default:
        return SY_IN_TREE_NONE;
    }
}

static bool concerns(const struct sy_cluster *c SY_UNUSED, const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (in_tree_of(&spec->volumes[i]))
            return true;
    }
    return sy_spec_has_claims(spec);
}

static bool same_key(const struct volume_key *a, const struct volume_key *b)
{
    return a->driver == b->driver && a->handle == b->handle && a->claim == b->claim;
}

static sy_sid driver_of(struct sy_cluster *c, enum sy_in_tree kind)
{
    return sy_strings_addz(c->strings, sy_in_tree_driver(kind));
}

/* The volume that a claim has or will have; driver 0 when it is no CSI driver's. */
static struct new_volume volume_of_class(struct sy_cluster *c, uint32_t slot,
                                         const struct sy_pvc *claim)
{
    const struct sy_storage_class *class = sy_storage_class(c, claim->class);
    struct new_volume v = {.key = {.claim = slot}};

    if (!class)
        return v;
    v.is_migrated = class->in_tree != SY_IN_TREE_NONE;
    v.key.driver = v.is_migrated ? driver_of(c, class->in_tree) : class->provisioner;
    return v;
}

static struct new_volume volume_of_claim(struct sy_cluster *c, uint32_t slot)
{
    const struct sy_pvc *claim = sy_storage_claim(c, slot);
    uint32_t at = sy_storage_find(c, SY_STORAGE_VOLUME, 0, claim->volume);
    struct new_volume v = {.key = {.claim = SY_NO_OBJECT}};

    if (at == SY_NO_OBJECT)
        return volume_of_class(c, slot, claim);
    const struct sy_pv *pv = sy_storage_volume(c, at);
    v.is_migrated = pv->in_tree != SY_IN_TREE_NONE;
    v.key.handle = pv->handle;
    if (pv->handle)
        v.key.driver = v.is_migrated ? driver_of(c, pv->in_tree) : pv->driver;
    return v;
}

/* Disks that the pod names itself. */
static struct new_volume volume_of_disk(struct sy_cluster *c, const struct sy_volume *volume)
{
    enum sy_in_tree kind = in_tree_of(volume);
    struct new_volume v = {.key = {.claim = SY_NO_OBJECT}, .is_migrated = true};

    if (kind == SY_IN_TREE_NONE)
        return v;
    v.key.handle = sy_in_tree_handle(c->strings, kind, volume->name);
    if (v.key.handle)
        v.key.driver = driver_of(c, kind);
    return v;
}

static bool bad(struct sy_verdict *v, enum sy_code code, sy_sid reason)
{
    (void)sy_refuse(v, code, reason);
    return false;
}

/* The volume behind one of the new pod's volumes; false with state->bad when the claim is bad. */
static bool own_volume(const struct sy_shape_view *shape, struct state *state,
                       const struct sy_volume *volume, struct new_volume *ret)
{
    struct sy_cluster *c = shape->cluster;
    char room[SY_CLAIM_NAME_ROOM];
    struct sy_pod_claim claim;

    if (!sy_pod_claim(c, shape->ns, shape->pod_name, volume, room, &claim)) {
        *ret = volume_of_disk(c, volume);
        return true;
    }
    if (!claim.name.len)
        return bad(&state->bad, SY_ERROR, sy_reason(shape, "PersistentVolumeClaim had no name"));
    if (!claim.claim) {
        const char *ns = sy_strings_getz(c->strings, shape->ns);
        return bad(&state->bad, SY_UNRESOLVABLE,
                   sy_reason(shape,
                             "looking up PVC %s/" SY_STR_FMT ": persistentvolumeclaim \"" SY_STR_FMT
                             "\" not found",
                             ns, SY_STR_ARG(claim.name), SY_STR_ARG(claim.name)));
    }
    if (claim.is_ephemeral && !sy_claim_is_of_pod(claim.claim, shape->pod_uid))
        return bad(&state->bad, SY_ERROR,
                   sy_reason_not_owner(shape, shape->ns, claim.name, shape->pod_name));
    *ret = volume_of_claim(c, claim.slot);
    return true;
}

static void collect_own(const struct sy_shape_view *shape, struct state *state)
{
    struct new_volume v;

    for (uint32_t i = 0; i < shape->spec->volumes_len; i++) {
        if (!own_volume(shape, state, &shape->spec->volumes[i], &v))
            return;
        uint32_t at = 0;
        while (at < state->volumes_len && !same_key(&state->volumes[at].key, &v.key))
            at++;
        if (v.key.driver && at == state->volumes_len)
            state->volumes[state->volumes_len++] = v;
    }
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v)
{
    struct state *state = sy_arena_alloc(arena, sizeof(*state));
    uint32_t len = shape->spec->volumes_len;

    if (state) {
        state->volumes = sy_arena_array(arena, len, sizeof(*state->volumes));
        state->attached = sy_arena_array(arena, ATTACHED_MAX, sizeof(*state->attached));
    }
    if (!state || !state->volumes || !state->attached) {
        (void)sy_refuse(v, SY_ERROR, shape->texts->no_memory);
        return SY_PRE_REJECT;
    }
    state->too_many = sy_reason(shape, "node(s) exceed max volume count");
    collect_own(shape, state);
    for (uint32_t i = 0; i < state->volumes_len; i++) {
        const struct sy_csi_driver *driver =
            sy_storage_driver(shape->cluster, state->volumes[i].key.driver);
        state->needs_driver |= driver && driver->must_be_on_node;
    }
    *ret_state = state;
    return SY_PRE_RUN;
}

/* -- one node -- */

struct count {
    const struct sy_shape_view *shape;
    const struct sy_csi_node *csi;
    struct state *state;
    uint32_t len; /* of state->attached */
};

static void attach(struct count *n, const struct volume_key *key)
{
    struct state *s = n->state;

    for (uint32_t i = 0; i < n->len; i++) {
        if (same_key(&s->attached[i], key))
            return;
    }
    if (n->len < ATTACHED_MAX)
        s->attached[n->len++] = *key;
}

/* False with *v when a claim of a pod that is there is not what it should be. */
static bool attach_pod(struct count *n, const struct sy_pod_slot *p, struct sy_verdict *v)
{
    struct sy_cluster *c = n->shape->cluster;
    const struct sy_pod_spec *spec = &p->spec->spec;
    char room[SY_CLAIM_NAME_ROOM];
    struct sy_pod_claim claim;

    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        struct new_volume volume;
        if (!sy_pod_claim(c, p->ns, sy_str_from(p->name), &spec->volumes[i], room, &claim)) {
            volume = volume_of_disk(c, &spec->volumes[i]);
        } else if (!claim.name.len) {
            return bad(v, SY_ERROR, sy_reason(n->shape, "PersistentVolumeClaim had no name"));
        } else if (!claim.claim) {
            continue; /* a claim that is gone does not count */
        } else if (claim.is_ephemeral && !sy_claim_is_of_pod(claim.claim, sy_str_from(p->uid))) {
            return bad(v, SY_ERROR,
                       sy_reason_not_owner(n->shape, p->ns, claim.name, sy_str_from(p->name)));
        } else {
            volume = volume_of_claim(c, claim.slot);
        }
        if (volume.key.driver)
            attach(n, &volume.key);
    }
    return true;
}

/* What the API server says is attached, beyond the volumes of the node's pods. */
static void attach_others(struct count *n, uint32_t node)
{
    const struct sy_cluster *c = n->shape->cluster;
    const struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_ATTACHMENT];
    const struct sy_group *g = sy_storage_group(c, SY_GROUP_ATTACHED, 0, c->nodes[node].node.name);

    for (uint32_t i = g ? g->first : SY_NO_OBJECT; i != SY_NO_OBJECT;
         i = t->all.p[i].next_in_group) {
        const struct sy_volume_attachment *a = &t->all.p[i].object->attachment;
        uint32_t at = sy_storage_find(c, SY_STORAGE_VOLUME, 0, a->volume);
        if (!a->attacher || at == SY_NO_OBJECT || !sy_storage_volume(c, at)->driver)
            continue;
        const struct volume_key key = {
            .driver = a->attacher,
            .handle = sy_storage_volume(c, at)->handle,
            .claim = SY_NO_OBJECT,
        };
        attach(n, &key);
    }
}

static const struct sy_csi_node_driver *driver_on(const struct sy_csi_node *csi, sy_sid driver)
{
    for (uint32_t i = 0; csi && i < csi->drivers_len; i++) {
        if (csi->drivers[i].name == driver)
            return &csi->drivers[i];
    }
    return NULL;
}

static bool counts_here(const struct new_volume *v, const struct sy_csi_node *csi)
{
    return csi || !v->is_migrated;
}

/* A driver that asks for it takes pods only where it runs. */
static bool lacks_driver(const struct sy_shape_view *shape, const struct state *state,
                         const struct sy_csi_node *csi, struct sy_verdict *v)
{
    for (uint32_t i = 0; i < state->volumes_len; i++) {
        sy_sid name = state->volumes[i].key.driver;
        const struct sy_csi_driver *driver = sy_storage_driver(shape->cluster, name);
        if (counts_here(&state->volumes[i], csi) && driver && driver->must_be_on_node &&
            !driver_on(csi, name))
            return sy_refuse(v, SY_UNSCHEDULABLE,
                             sy_reason(shape, "%s CSI driver is not installed on the node",
                                       sy_strings_getz(shape->cluster->strings, name)));
    }
    return false;
}

/* The least limit of the drivers of the new volumes; INT64_MAX without one. */
static int64_t least_limit(const struct state *state, const struct sy_csi_node *csi)
{
    int64_t least = INT64_MAX;

    for (uint32_t i = 0; csi && i < csi->drivers_len; i++) {
        const struct sy_csi_node_driver *driver = &csi->drivers[i];
        if (!driver->has_limit || driver->limit >= least)
            continue;
        for (uint32_t v = 0; v < state->volumes_len; v++) {
            if (state->volumes[v].key.driver == driver->name)
                least = driver->limit;
        }
    }
    return least;
}

/* However the volumes of the node's pods and its attachments overlap, they are no more than this.
 */
static int64_t most_volumes(const struct sy_cluster *c, uint32_t node)
{
    const struct sy_group *g =
        c->storage.tables[SY_STORAGE_ATTACHMENT].len
            ? sy_storage_group(c, SY_GROUP_ATTACHED, 0, c->nodes[node].node.name)
            : NULL;

    return (int64_t)c->nodes[node].volumes_len + (g ? g->len : 0);
}

/* Whether the new volumes of one driver, beside those attached, are too many. */
static bool is_over(const struct count *n, uint32_t pod_volumes, uint32_t first)
{
    const struct state *s = n->state;
    sy_sid name = s->volumes[first].key.driver;
    const struct sy_csi_node_driver *driver = driver_on(n->csi, name);
    int64_t fresh = 0, there = 0;

    if (!driver || !driver->has_limit)
        return false;
    for (uint32_t i = 0; i < n->len; i++)
        there += s->attached[i].driver == name;
    for (uint32_t i = 0; i < s->volumes_len; i++) {
        bool known = false;
        for (uint32_t j = 0; j < pod_volumes && !known; j++)
            known = same_key(&s->attached[j], &s->volumes[i].key);
        fresh += s->volumes[i].key.driver == name && !known;
    }
    return fresh && there + fresh > driver->limit;
}

static bool refuses(const struct sy_shape_view *shape, const void *arg, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_cluster *c = shape->cluster;
    const struct sy_csi_node *csi = sy_storage_node(c, c->nodes[node].node.name);
    struct state *state = (struct state *)(uintptr_t)arg; /* its scratch is written */
    struct count n = {.shape = shape, .csi = csi, .state = state};

    if (state->bad.code != SY_FIT) {
        *v = state->bad;
        return true;
    }
    if (!state->volumes_len)
        return false;
    if (lacks_driver(shape, state, csi, v))
        return true;
    int64_t limit = least_limit(state, csi);
    if (limit == INT64_MAX || most_volumes(c, node) + state->volumes_len <= limit)
        return false;
    for (uint32_t i = c->nodes[node].first_pod; i != SY_NONE; i = c->pods.p[i].next_on_node) {
        if (c->pods.p[i].spec->spec.volumes_len && !attach_pod(&n, &c->pods.p[i], v))
            return true;
    }
    uint32_t pod_volumes = n.len;
    attach_others(&n, node);
    for (uint32_t i = 0; i < state->volumes_len; i++) {
        if (is_over(&n, pod_volumes, i))
            return sy_refuse(v, SY_UNSCHEDULABLE, state->too_many);
    }
    return false;
}

/* Most nodes have so few volumes that they are below any node's limit. */
static void sweep(const struct sy_shape_view *shape, const void *arg, uint32_t nodes_len,
                  uint8_t *refused)
{
    const struct sy_cluster *c = shape->cluster;
    const struct state *state = arg;
    bool is_open = state->bad.code == SY_FIT && !state->needs_driver;
    struct sy_verdict v;

    if (is_open && !state->volumes_len)
        return;
    for (uint32_t node = 0; node < nodes_len; node++) {
        if (refused[node] || !sy_cluster_node_is_alive(c, node))
            continue;
        if (is_open && most_volumes(c, node) + state->volumes_len <= c->storage.least_limit)
            continue;
        if (refuses(shape, arg, node, &v))
            refused[node] = v.code == SY_ERROR ? SY_SWEEP_FAILED : SY_SWEEP_REFUSED;
    }
}

const struct sy_filter sy_filter_node_volume_limits = {
    .name = "NodeVolumeLimits",
    .is_global = true,
    .concerns = concerns,
    .prepare = prepare,
    .refuses = refuses,
    .sweep = sweep,
};
