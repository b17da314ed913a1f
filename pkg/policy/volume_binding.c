/* SPDX-License-Identifier: Apache-2.0
 *
 * VolumeBinding: claims that have a volume tie the pod to nodes that reach it; claims that wait for
 * a pod get the smallest volume that will do, or one is made where the class and the driver's
 * capacity allow it. */
#include "policy/volume_binding.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/claims.h"
#include "policy/plugins.h"

/* A free volume that only nodes with this label can reach: the usual local volume. */
struct pin {
    sy_sid key;
    sy_sid value;
    uint32_t rank; /* in unbound.free */
};

enum { PIN_KEYS_MAX = 4 }; /* pins by further labels are asked like other affinities */

/* A claim that waits for its pod, and the volumes that could serve it on some node. */
struct unbound {
    uint32_t claim; /* slot */
    bool has_node;  /* a volume is to be made, for `node` */
    sy_sid node;
    const uint32_t *reserved; /* volumes kept for this claim, by slot */
    uint32_t reserved_len;
    const uint32_t *free; /* others that fit, smallest first */
    uint32_t free_len;
    const uint32_t *loose; /* those of them that are not pinned, by rank */
    uint32_t loose_len;
    const struct pin *pins; /* sorted */
    uint32_t pins_len;
    sy_sid pin_keys[PIN_KEYS_MAX];
    uint32_t pin_keys_len;
};

struct found {
    struct sy_claim_plan *claims;
    const struct sy_csi_capacity **capacities; /* parallel; NULL: bound, or not tracked */
    uint32_t len;
};

struct state {
    const struct sy_pvc **bound;
    uint32_t bound_len;
    struct unbound
        *unbound; /* smallest request first; those with a node before, in the pod's order */
    uint32_t unbound_len;
    bool is_open;       /* every node will do */
    struct found found; /* scratch for one node */
    bool *is_left;      /* scratch, parallel to unbound: no volume fits, one is to be made */
    sy_sid node_conflict;
    sy_sid bind_conflict;
    sy_sid not_enough_space;
    sy_sid no_volume;
};

/* Why a node will not do; in the order of the reasons. */
struct answer {
    bool reaches_bound;
    bool has_unbound;
    bool has_space;
    bool has_volumes;
    sy_sid error; /* what went wrong, or 0 */
};

/* -- volumes that may serve a claim -- */

static bool could_serve(const struct sy_pv *pv, const struct sy_pvc *claim)
{
    return pv->class == claim->class && pv->capacity_bytes >= claim->request_bytes &&
           pv->is_block == claim->is_block && pv->attributes_class == claim->attributes_class &&
           !pv->is_deleting;
}

static bool is_free_for(const struct sy_cluster *c, const struct sy_pv *pv,
                        const struct sy_pvc *claim)
{
    return pv->phase == SY_VOLUME_AVAILABLE && (claim->access & ~pv->access) == 0 &&
           !(claim->access & SY_ACCESS_OTHER) &&
           (claim->selector.is_nil ||
            sy_selector_matches(&claim->selector, c->strings, pv->labels));
}

struct sized {
    int64_t bytes;
    uint32_t slot;
};

static int by_size(const void *pa, const void *pb)
{
    const struct sized *a = pa, *b = pb;

    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* The one requirement of an affinity "the label is one of these"; NULL for any other. */
static const struct sy_requirement *pinned_to(const struct sy_pv *pv)
{
    const struct sy_node_selector *a = &pv->affinity;
    bool is_simple = a->len == 1 && a->terms[0].exprs_len == 1 && !a->terms[0].fields_len &&
                     a->terms[0].exprs[0].op == SY_OP_IN;

    return is_simple ? &a->terms[0].exprs[0] : NULL;
}

static bool note_pin_key(struct unbound *u, sy_sid key)
{
    uint32_t i = 0;

    while (i < u->pin_keys_len && u->pin_keys[i] != key)
        i++;
    if (i < u->pin_keys_len)
        return true;
    if (i == PIN_KEYS_MAX)
        return false;
    u->pin_keys[u->pin_keys_len++] = key;
    return true;
}

static int by_pin(const void *pa, const void *pb)
{
    const struct pin *a = pa, *b = pb;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

/* Sorts the free volumes into pinned and loose ones, so that a node is asked about few. */
static bool sort_pins(const struct sy_cluster *c, struct sy_arena *arena, struct unbound *u)
{
    size_t room = 0;

    for (uint32_t i = 0; i < u->free_len; i++) {
        const struct sy_requirement *r = pinned_to(sy_storage_volume(c, u->free[i]));
        room += r ? r->values_len : 0;
    }
    struct pin *pins = sy_arena_array(arena, room + 1, sizeof(*pins));
    uint32_t *loose = sy_arena_array(arena, (size_t)u->free_len + 1, sizeof(*loose));
    if (!pins || !loose)
        return false;
    for (uint32_t i = 0; i < u->free_len; i++) {
        const struct sy_requirement *r = pinned_to(sy_storage_volume(c, u->free[i]));
        if (!r || !note_pin_key(u, r->key)) {
            loose[u->loose_len++] = i;
            continue;
        }
        for (uint32_t v = 0; v < r->values_len; v++)
            pins[u->pins_len++] = (struct pin){r->key, r->values[v], i};
    }
    if (u->pins_len)
        qsort(pins, u->pins_len, sizeof(*pins), by_pin);
    u->pins = pins;
    u->loose = loose;
    return true;
}

/* In order of slots, so that nothing hangs on when they came. */
static void add_reserved(struct unbound *u, uint32_t *reserved, uint32_t volume)
{
    uint32_t i = u->reserved_len++;

    for (; i && reserved[i - 1] > volume; i--)
        reserved[i] = reserved[i - 1];
    reserved[i] = volume;
}

/* Lists what could serve the claim on some node. The node's labels are left for later. */
static bool find_candidates(const struct sy_cluster *c, struct sy_arena *arena, struct unbound *u)
{
    const struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_VOLUME];
    const struct sy_pvc *claim = sy_storage_claim(c, u->claim);
    const struct sy_group *kept = sy_storage_group(c, SY_GROUP_KEPT, claim->ns, claim->name);
    const struct sy_group *free_ones = sy_storage_group(c, SY_GROUP_FREE, 0, claim->class);
    uint32_t kept_room = (kept ? kept->len : 0) + (free_ones ? free_ones->len : 0);
    uint32_t *reserved = sy_arena_array(arena, (size_t)kept_room + 1, sizeof(*reserved));
    struct sized *others =
        sy_arena_array(arena, (size_t)(free_ones ? free_ones->len : 0) + 1, sizeof(*others));
    uint32_t *slots =
        sy_arena_array(arena, (size_t)(free_ones ? free_ones->len : 0) + 1, sizeof(*slots));

    if (!reserved || !others || !slots)
        return false;
    u->reserved = reserved;
    u->free = slots;
    for (uint32_t i = kept ? kept->first : SY_NO_OBJECT; i != SY_NO_OBJECT;
         i = t->all.p[i].next_in_group) {
        if (could_serve(sy_storage_volume(c, i), claim) &&
            sy_claim_ref_is(sy_storage_claim_ref(c, i), claim))
            add_reserved(u, reserved, i);
    }
    for (uint32_t i = free_ones ? free_ones->first : SY_NO_OBJECT; i != SY_NO_OBJECT;
         i = t->all.p[i].next_in_group) {
        const struct sy_pv *pv = sy_storage_volume(c, i);
        const struct sy_claim_ref *ref = sy_storage_claim_ref(c, i);
        if (!could_serve(pv, claim))
            continue;
        if (sy_claim_ref_is(ref, claim)) /* as we have assumed */
            add_reserved(u, reserved, i);
        else if (!ref->is_set && is_free_for(c, pv, claim))
            others[u->free_len++] = (struct sized){pv->capacity_bytes, i};
    }
    if (u->free_len)
        qsort(others, u->free_len, sizeof(*others), by_size);
    for (uint32_t i = 0; i < u->free_len; i++)
        slots[i] = others[i].slot;
    return sort_pins(c, arena, u);
}

/* -- the pod's claims -- */

static bool bad(struct sy_verdict *v, enum sy_code code, sy_sid reason)
{
    (void)sy_refuse(v, code, reason);
    return false;
}

/* Whether the claim is there and will do; *v else. */
static bool check_claim(const struct sy_shape_view *shape, const struct sy_pod_claim *claim,
                        struct sy_verdict *v)
{
    const struct sy_strings *strings = shape->cluster->strings;

    if (!claim->claim && claim->is_ephemeral)
        return bad(v, SY_UNRESOLVABLE,
                   sy_reason(shape,
                             "waiting for ephemeral volume controller to create the "
                             "persistentvolumeclaim \"" SY_STR_FMT "\"",
                             SY_STR_ARG(claim->name)));
    if (!claim->claim)
        return bad(v, SY_UNRESOLVABLE, sy_reason_no_claim(shape, claim->name));
    if (claim->claim->is_lost)
        return bad(v, SY_UNRESOLVABLE,
                   sy_reason(shape,
                             "persistentvolumeclaim \"" SY_STR_FMT
                             "\" bound to non-existent persistentvolume \"%s\"",
                             SY_STR_ARG(claim->name),
                             sy_strings_getz(strings, claim->claim->volume)));
    if (claim->claim->is_deleting)
        return bad(v, SY_UNRESOLVABLE,
                   sy_reason(shape, "persistentvolumeclaim \"" SY_STR_FMT "\" is being deleted",
                             SY_STR_ARG(claim->name)));
    if (claim->is_ephemeral && !sy_claim_is_of_pod(claim->claim, shape->pod_uid))
        return bad(v, SY_UNRESOLVABLE,
                   sy_reason_not_owner(shape, shape->ns, claim->name, shape->pod_name));
    return true;
}

/* Files the claim as bound or as one that waits for the pod; *ret_immediate when it does neither.
 */
static bool sort_claim(const struct sy_shape_view *shape, struct state *state,
                       const struct sy_pod_claim *claim, bool *ret_immediate, struct sy_verdict *v)
{
    const struct sy_storage_class *class = sy_storage_class(shape->cluster, claim->claim->class);
    struct unbound u = {.claim = claim->slot};

    if (sy_claim_is_bound(claim->claim)) {
        state->bound[state->bound_len++] = claim->claim;
        return true;
    }
    if (class && class->mode == SY_BINDING_UNSET)
        return bad(v, SY_ERROR,
                   sy_reason(shape, "VolumeBindingMode not set for StorageClass \"%s\"",
                             sy_strings_getz(shape->cluster->strings, class->name)));
    if (!class || class->mode != SY_BINDING_WAIT || claim->claim->volume) {
        *ret_immediate = true;
        return true;
    }
    u.has_node = sy_storage_selected_node(shape->cluster, claim->slot, &u.node);
    state->unbound[state->unbound_len++] = u;
    return true;
}

static bool sort_claims(const struct sy_shape_view *shape, struct state *state,
                        struct sy_verdict *v)
{
    char room[SY_CLAIM_NAME_ROOM];
    struct sy_pod_claim claim;
    bool immediate = false;

    for (uint32_t i = 0; i < shape->spec->volumes_len; i++) {
        if (sy_pod_claim(shape->cluster, shape->ns, shape->pod_name, &shape->spec->volumes[i], room,
                         &claim) &&
            !check_claim(shape, &claim, v))
            return false;
    }
    for (uint32_t i = 0; i < shape->spec->volumes_len; i++) {
        if (sy_pod_claim(shape->cluster, shape->ns, shape->pod_name, &shape->spec->volumes[i], room,
                         &claim) &&
            !sort_claim(shape, state, &claim, &immediate, v))
            return false;
    }
    if (immediate)
        return bad(v, SY_UNRESOLVABLE,
                   sy_reason(shape, "pod has unbound immediate PersistentVolumeClaims"));
    return true;
}

/* Claims with a node first, then the others by what they ask for. Insertion keeps equals in order.
 */
static void sort_unbound(const struct sy_cluster *c, struct state *state)
{
    for (uint32_t i = 1; i < state->unbound_len; i++) {
        struct unbound u = state->unbound[i];
        int64_t bytes = sy_storage_claim(c, u.claim)->request_bytes;
        uint32_t j = i;
        for (; j; j--) {
            const struct unbound *before = &state->unbound[j - 1];
            bool in_order =
                before->has_node ||
                (!u.has_node && sy_storage_claim(c, before->claim)->request_bytes <= bytes);
            if (in_order)
                break;
            state->unbound[j] = *before;
        }
        state->unbound[j] = u;
    }
}

static bool make_state(const struct sy_shape_view *shape, struct sy_arena *arena,
                       struct state **ret, struct sy_verdict *v)
{
    struct state *state = sy_arena_alloc(arena, sizeof(*state));
    uint32_t len = shape->spec->volumes_len;
    bool ok = state != NULL;

    if (state) {
        state->bound = sy_arena_array(arena, len, sizeof(*state->bound));
        state->unbound = sy_arena_array(arena, len, sizeof(*state->unbound));
        state->found.claims = sy_arena_array(arena, len, sizeof(*state->found.claims));
        state->found.capacities = sy_arena_array(arena, len, sizeof(*state->found.capacities));
        state->is_left = sy_arena_array(arena, len, sizeof(*state->is_left));
        ok = state->bound && state->unbound && state->found.claims && state->found.capacities &&
             state->is_left;
    }
    if (ok && !sort_claims(shape, state, v))
        return false;
    if (ok)
        sort_unbound(shape->cluster, state);
    for (uint32_t i = 0; ok && i < state->unbound_len; i++) {
        if (!state->unbound[i].has_node)
            ok = find_candidates(shape->cluster, arena, &state->unbound[i]);
    }
    if (!ok)
        return bad(v, SY_ERROR, shape->texts->no_memory);
    state->node_conflict =
        sy_reason(shape, "node(s) didn't match PersistentVolume's node affinity");
    state->bind_conflict =
        sy_reason(shape, "node(s) didn't find available persistent volumes to bind");
    state->not_enough_space = sy_reason(shape, "node(s) did not have enough free storage");
    state->no_volume = sy_reason(
        shape, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
    *ret = state;
    return true;
}

/* Whether all claims have volumes that any node reaches. */
static bool passes_everywhere(const struct sy_cluster *c, const struct state *state)
{
    for (uint32_t i = 0; i < state->bound_len; i++) {
        uint32_t volume = sy_storage_find(c, SY_STORAGE_VOLUME, 0, state->bound[i]->volume);
        if (volume == SY_NO_OBJECT)
            return false;
        const struct sy_pv *pv = sy_storage_volume(c, volume);
        if (pv->affinity.is_set || pv->affinity_of_driver.is_set)
            return false;
    }
    return !state->unbound_len;
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v)
{
    struct state *state;

    if (!make_state(shape, arena, &state, v))
        return SY_PRE_REJECT;
    state->is_open = passes_everywhere(shape->cluster, state);
    *ret_state = state;
    return SY_PRE_RUN;
}

/* -- one node -- */

/* Upstream matches against a node that has labels only, hence no name. */
static bool takes(const struct sy_cluster *c, const struct sy_node_selector *affinity,
                  uint32_t node)
{
    return sy_node_selector_matches(affinity, c->strings, c->nodes[node].node.labels, 0, 0);
}

bool sy_volume_reaches(const struct sy_cluster *c, const struct sy_pv *pv, uint32_t node)
{
    const struct sy_csi_node *csi =
        pv->in_tree ? sy_storage_node(c, c->nodes[node].node.name) : NULL;
    bool is_migrated = csi && (csi->migrated & 1U << pv->in_tree);

    return takes(c, is_migrated ? &pv->affinity_of_driver : &pv->affinity, node);
}

static void check_bound(const struct sy_shape_view *shape, const struct state *state, uint32_t node,
                        struct answer *a)
{
    const struct sy_cluster *c = shape->cluster;

    for (uint32_t i = 0; i < state->bound_len; i++) {
        uint32_t volume = sy_storage_find(c, SY_STORAGE_VOLUME, 0, state->bound[i]->volume);
        if (volume == SY_NO_OBJECT) {
            a->has_volumes = false;
            return;
        }
        if (!sy_volume_reaches(c, sy_storage_volume(c, volume), node)) {
            a->reaches_bound = false;
            return;
        }
    }
}

static bool is_chosen(const struct found *found, uint32_t volume)
{
    for (uint32_t i = 0; i < found->len; i++) {
        if (found->claims[i].volume == volume)
            return true;
    }
    return false;
}

/* The first pin that is not before the key and value. */
static uint32_t find_pin(const struct unbound *u, sy_sid key, sy_sid value)
{
    uint32_t low = 0, high = u->pins_len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (by_pin(&u->pins[middle], &(struct pin){key, value, 0}) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The rank of the smallest volume that is pinned to one of the node's labels and not chosen yet;
 * UINT32_MAX without one. */
static uint32_t first_pinned(const struct sy_cluster *c, const struct unbound *u,
                             const struct found *found, uint32_t node)
{
    uint32_t rank = UINT32_MAX;

    for (uint32_t k = 0; k < u->pin_keys_len; k++) {
        sy_sid key = u->pin_keys[k];
        sy_sid value = sy_labels_get(c->nodes[node].node.labels, key);
        for (uint32_t i = value ? find_pin(u, key, value) : u->pins_len; i < u->pins_len; i++) {
            const struct pin *pin = &u->pins[i];
            if (pin->key != key || pin->value != value || pin->rank >= rank)
                break;
            if (is_chosen(found, u->free[pin->rank]))
                continue;
            rank = pin->rank;
            break;
        }
    }
    return rank;
}

/* The volume that the claim gets on the node, or SY_NO_OBJECT. One kept for it is its only choice.
 */
static uint32_t match_volume(const struct sy_cluster *c, const struct unbound *u,
                             const struct found *found, uint32_t node)
{
    for (uint32_t i = 0; i < u->reserved_len; i++) {
        if (is_chosen(found, u->reserved[i]))
            continue;
        const struct sy_pv *pv = sy_storage_volume(c, u->reserved[i]);
        return takes(c, &pv->affinity, node) ? u->reserved[i] : SY_NO_OBJECT;
    }
    uint32_t rank = first_pinned(c, u, found, node);
    for (uint32_t i = 0; i < u->loose_len && u->loose[i] < rank; i++) {
        uint32_t volume = u->free[u->loose[i]];
        if (!is_chosen(found, volume) && takes(c, &sy_storage_volume(c, volume)->affinity, node))
            return volume;
    }
    return rank == UINT32_MAX ? SY_NO_OBJECT : u->free[rank];
}

static bool is_enough(const struct sy_csi_capacity *capacity, int64_t bytes)
{
    if (capacity->has_maximum)
        return capacity->maximum_bytes >= bytes;
    return capacity->has_capacity && capacity->capacity_bytes >= bytes;
}

/* Whether the class' driver can make the volume for the node. *ret: where, when it keeps count. */
static bool has_capacity(const struct sy_cluster *c, const struct sy_storage_class *class,
                         const struct sy_pvc *claim, uint32_t node,
                         const struct sy_csi_capacity **ret)
{
    const struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_CAPACITY];
    const struct sy_csi_driver *driver = sy_storage_driver(c, class->provisioner);

    *ret = NULL;
    if (!claim->has_request || !driver || !driver->tracks_capacity)
        return true;
    for (size_t i = 0; i < t->all.len; i++) {
        if (!t->all.p[i].object)
            continue;
        const struct sy_csi_capacity *capacity = &t->all.p[i].object->capacity;
        if (capacity->class == class->name && is_enough(capacity, claim->request_bytes) &&
            !capacity->topology.is_nil &&
            sy_selector_matches(&capacity->topology, c->strings, c->nodes[node].node.labels)) {
            *ret = capacity;
            return true;
        }
    }
    return false;
}

/* Whether the claim's volume can be made for the node; *a says why not. */
static bool provision(const struct sy_shape_view *shape, struct state *state,
                      const struct unbound *u, uint32_t node, struct answer *a)
{
    const struct sy_cluster *c = shape->cluster;
    const struct sy_pvc *claim = sy_storage_claim(c, u->claim);
    const struct sy_storage_class *class = sy_storage_class(c, claim->class);
    const struct sy_csi_capacity *capacity;

    if (!class) {
        a->error = sy_reason(shape, "failed to find storage class \"%s\"",
                             sy_strings_getz(c->strings, claim->class));
        return false;
    }
    a->has_unbound =
        !class->cannot_provision &&
        sy_node_selector_matches(&class->topologies, c->strings, c->nodes[node].node.labels, 0, 0);
    if (!a->has_unbound)
        return false;
    a->has_space = has_capacity(c, class, claim, node, &capacity);
    if (!a->has_space)
        return false;
    state->found.capacities[state->found.len] = capacity;
    state->found.claims[state->found.len++] = (struct sy_claim_plan){u->claim, SY_NO_OBJECT};
    return true;
}

/* Fills state->found with a volume or the making of one for each claim that waits. */
static void check_unbound(const struct sy_shape_view *shape, struct state *state, uint32_t node,
                          struct answer *a)
{
    const struct sy_cluster *c = shape->cluster;

    for (uint32_t i = 0; i < state->unbound_len; i++) {
        if (state->unbound[i].has_node && state->unbound[i].node != c->nodes[node].node.name) {
            a->has_unbound = false;
            return;
        }
    }
    for (uint32_t i = 0; i < state->unbound_len; i++) {
        const struct unbound *u = &state->unbound[i];
        uint32_t volume = u->has_node ? SY_NO_OBJECT : match_volume(c, u, &state->found, node);
        state->is_left[i] = volume == SY_NO_OBJECT;
        if (state->is_left[i])
            continue;
        state->found.capacities[state->found.len] = NULL;
        state->found.claims[state->found.len++] = (struct sy_claim_plan){u->claim, volume};
    }
    for (uint32_t i = 0; i < state->unbound_len; i++) {
        if (state->is_left[i] && !provision(shape, state, &state->unbound[i], node, a))
            return;
    }
}

static bool passes(const struct answer *a)
{
    return !a->error && a->reaches_bound && a->has_unbound && a->has_space && a->has_volumes;
}

static struct answer look(const struct sy_shape_view *shape, struct state *state, uint32_t node)
{
    struct answer a = {
        .reaches_bound = true, .has_unbound = true, .has_space = true, .has_volumes = true};

    state->found.len = 0;
    check_bound(shape, state, node, &a);
    check_unbound(shape, state, node, &a);
    return a;
}

static bool refuses(const struct sy_shape_view *shape, const void *arg, uint32_t node,
                    struct sy_verdict *v)
{
    struct state *state = (struct state *)(uintptr_t)arg; /* its scratch is written */

    if (state->is_open)
        return false;
    struct answer a = look(shape, state, node);
    if (passes(&a))
        return false;
    if (a.error)
        return sy_refuse(v, SY_ERROR, a.error);
    v->code = SY_UNRESOLVABLE;
    v->reasons_len = 0;
    if (!a.reaches_bound)
        v->reasons[v->reasons_len++] = state->node_conflict;
    if (!a.has_unbound)
        v->reasons[v->reasons_len++] = state->bind_conflict;
    if (!a.has_space)
        v->reasons[v->reasons_len++] = state->not_enough_space;
    if (!a.has_volumes)
        v->reasons[v->reasons_len++] = state->no_volume;
    return true;
}

static void sweep(const struct sy_shape_view *shape, const void *arg, uint32_t nodes_len,
                  uint8_t *refused)
{
    struct state *state = (struct state *)(uintptr_t)arg; /* its scratch is written */

    for (uint32_t node = 0; !state->is_open && node < nodes_len; node++) {
        if (refused[node] || !sy_cluster_node_is_alive(shape->cluster, node))
            continue;
        struct answer a = look(shape, state, node);
        if (!passes(&a))
            refused[node] = a.error ? SY_SWEEP_FAILED : SY_SWEEP_REFUSED;
    }
}

int sy_volume_plan(const struct sy_shape_view *shape, struct sy_arena *arena, uint32_t node,
                   struct sy_volume_plan *ret)
{
    struct state *state;
    struct sy_verdict v = {.code = SY_FIT};

    if (!sy_spec_has_claims(shape->spec)) {
        *ret = (struct sy_volume_plan){0};
        return 0;
    }
    if (!make_state(shape, arena, &state, &v))
        return v.code == SY_ERROR ? -ENOMEM : -ENOENT;
    struct answer a = look(shape, state, node);
    if (!passes(&a))
        return -ENOENT;
    *ret = (struct sy_volume_plan){state->found.claims, state->found.len};
    return 0;
}

static bool concerns(const struct sy_cluster *c SY_UNUSED, const struct sy_pod_spec *spec)
{
    return sy_spec_has_claims(spec);
}

const struct sy_filter sy_filter_volume_binding = {
    .name = "VolumeBinding",
    .is_global = true,
    .concerns = concerns,
    .prepare = prepare,
    .refuses = refuses,
    .sweep = sweep,
};

/* -- the score -- */

struct class_use {
    sy_sid class;
    int64_t requested;
    int64_t capacity;
};

struct score_state {
    struct state *volumes;
    struct class_use *classes; /* scratch */
};

static enum sy_pre prepare_score(const struct sy_shape_view *shape, struct sy_arena *arena,
                                 const uint32_t *nodes, uint32_t nodes_len, void **ret_state,
                                 struct sy_verdict *v)
{
    (void)nodes;
    (void)nodes_len;
    if (!sy_spec_has_claims(shape->spec))
        return SY_PRE_SKIP;
    struct score_state *state = sy_arena_alloc(arena, sizeof(*state));
    struct class_use *classes =
        sy_arena_array(arena, shape->spec->volumes_len, sizeof(*state->classes));
    if (!state || !classes) {
        (void)sy_refuse(v, SY_ERROR, shape->texts->no_memory);
        return SY_PRE_REJECT;
    }
    state->classes = classes;
    if (!make_state(shape, arena, &state->volumes, v))
        return SY_PRE_REJECT;
    *ret_state = state;
    return state->volumes->unbound_len ? SY_PRE_RUN : SY_PRE_SKIP;
}

static bool is_constant(const struct sy_shape_view *shape, int64_t *ret_points)
{
    *ret_points = 0;
    return !sy_spec_has_claims(shape->spec);
}

/* helper.BuildBrokenLinearFunction over the argument's points. */
static int64_t points_at(const struct sy_policy_args *args, int64_t utilization)
{
    const struct sy_utilization_point *p = args->volume_points;
    uint32_t len = args->volume_points_len;

    for (uint32_t i = 0; i < len; i++) {
        if (utilization > p[i].utilization)
            continue;
        int64_t score = p[i].score * 10;
        if (!i)
            return score;
        int64_t before = p[i - 1].score * 10;
        return before + (score - before) * (utilization - p[i - 1].utilization) /
                            (p[i].utilization - p[i - 1].utilization);
    }
    return len ? p[len - 1].score * 10 : 0;
}

static int64_t class_points(const struct sy_policy_args *args, const struct class_use *use)
{
    if (!use->capacity || use->requested > use->capacity)
        return points_at(args, 100);
    return points_at(args, (int64_t)((__int128)use->requested * 100 / use->capacity));
}

static struct class_use *use_of(struct class_use *classes, uint32_t *len, sy_sid class)
{
    uint32_t i = 0;

    while (i < *len && classes[i].class != class)
        i++;
    if (i == *len)
        classes[(*len)++] = (struct class_use){.class = class};
    return &classes[i];
}

/* Volumes that are there count when there is one, else those to be made that a driver has counted.
 */
static uint32_t sum_classes(const struct sy_cluster *c, const struct found *found,
                            struct class_use *classes)
{
    bool any_static = found->len && found->claims[0].volume != SY_NO_OBJECT;
    uint32_t len = 0;

    for (uint32_t i = 0; i < found->len; i++) {
        const struct sy_claim_plan *plan = &found->claims[i];
        const struct sy_pvc *claim = sy_storage_claim(c, plan->claim);
        if (any_static && plan->volume != SY_NO_OBJECT) {
            const struct sy_pv *pv = sy_storage_volume(c, plan->volume);
            struct class_use *use = use_of(classes, &len, pv->class);
            use->requested = sy_add_saturate(use->requested, claim->request_bytes);
            use->capacity = sy_add_saturate(use->capacity, pv->capacity_bytes);
        } else if (!any_static && found->capacities[i]) {
            struct class_use *use = use_of(classes, &len, claim->class);
            use->requested = sy_add_saturate(use->requested, claim->request_bytes);
            use->capacity = found->capacities[i]->capacity_bytes; /* one pool, however often */
        }
    }
    return len;
}

static int64_t score(const struct sy_shape_view *shape, const void *arg, uint32_t node)
{
    const struct score_state *state = arg;
    struct answer a = look(shape, state->volumes, node);
    int64_t sum = 0;

    if (!passes(&a))
        return 0;
    uint32_t len = sum_classes(shape->cluster, &state->volumes->found, state->classes);
    if (!len)
        return 0;
    for (uint32_t i = 0; i < len; i++)
        sum += class_points(&shape->profile->args, &state->classes[i]);
    return (2 * sum + len) / (2 * (int64_t)len); /* rounded half up, as math.Round does */
}

const struct sy_scorer sy_scorer_volume_binding = {
    .name = "VolumeBinding",
    .is_global = true,
    .prepare = prepare_score,
    .is_constant = is_constant,
    .score = score,
};
