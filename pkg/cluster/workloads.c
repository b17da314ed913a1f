/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/workloads.h"

#include "cluster/cluster.h"

#include <errno.h>

/* -- services -- */

static size_t find_service(const struct sy_workloads *w, sy_sid ns, sy_sid name)
{
    size_t i = 0;

    while (i < w->services.len && (w->services.p[i].name != name || w->services.p[i].ns != ns))
        i++;
    return i;
}

static void remove_service(struct sy_cluster *c, size_t i)
{
    sy_specs_unref_labels(c->specs, c->workloads.services.p[i].selector);
    sy_vec_swap_remove(&c->workloads.services, i);
    c->workloads.generation++;
}

static void note_labels(struct sy_cluster *c, struct sy_labels labels)
{
    for (uint32_t i = 0; i < labels.len; i++) {
        struct sy_requirement key = {.key = labels.p[i].key};
        sy_cluster_note_selector(c, &(struct sy_selector){.reqs = &key, .len = 1});
    }
}

int sy_cluster_service_upsert(struct sy_cluster *c, sy_sid ns, sy_sid name,
                              struct sy_labels selector)
{
    struct sy_workloads *w = &c->workloads;

    if (!selector.len) {
        sy_cluster_service_delete(c, ns, name);
        return 0;
    }
    const struct sy_shared_labels *shared = sy_specs_ref_labels(c->specs, selector);
    if (!shared)
        return -ENOMEM;
    size_t i = find_service(w, ns, name);
    if (i == w->services.len)
        sy_vec_push(&w->services, (struct sy_service){.ns = ns, .name = name});
    struct sy_service *s = &w->services.p[i];
    if (s->selector != shared) {
        w->generation++;
        note_labels(c, selector);
    }
    sy_specs_unref_labels(c->specs, s->selector);
    s->selector = shared;
    s->is_seen = true;
    return 0;
}

void sy_cluster_service_delete(struct sy_cluster *c, sy_sid ns, sy_sid name)
{
    size_t i = find_service(&c->workloads, ns, name);

    if (i < c->workloads.services.len)
        remove_service(c, i);
}

void sy_cluster_services_replace_begin(struct sy_cluster *c)
{
    for (size_t i = 0; i < c->workloads.services.len; i++)
        c->workloads.services.p[i].is_seen = false;
}

void sy_cluster_services_replace_end(struct sy_cluster *c)
{
    for (size_t i = c->workloads.services.len; i--;) {
        if (!c->workloads.services.p[i].is_seen)
            remove_service(c, i);
    }
}

/* -- owners -- */

uint64_t sy_cluster_owner_hash(const struct sy_cluster *c, struct sy_str uid)
{
    uint64_t hash[2];

    if (!uid.len)
        return 0;
    sy_siphash128(uid.p, uid.len, sy_strings_hash_key(c->strings), hash);
    return hash[0] ? hash[0] : 1;
}

static bool has_hash(const void *arg, const void *key, uint32_t value)
{
    const struct sy_workloads *w = arg;

    return w->owners.p[value].uid_hash == *(const uint64_t *)key;
}

static uint32_t find_owner(const struct sy_workloads *w, uint64_t hash)
{
    return sy_map_get(&w->owner_by_hash, hash, has_hash, w, &hash);
}

static void remove_owner(struct sy_cluster *c, uint32_t i)
{
    struct sy_workloads *w = &c->workloads;
    uint32_t last = (uint32_t)w->owners.len - 1;

    sy_specs_unref(c->specs, w->owners.p[i].packed);
    sy_map_del(&w->owner_by_hash, w->owners.p[i].uid_hash, i);
    if (i != last)
        sy_map_move(&w->owner_by_hash, w->owners.p[last].uid_hash, last, i);
    sy_vec_swap_remove(&w->owners, i);
    w->generation++;
}

int sy_cluster_owner_upsert(struct sy_cluster *c, enum sy_owner_kind kind, struct sy_str uid,
                            const struct sy_selector *selector)
{
    struct sy_workloads *w = &c->workloads;
    uint64_t hash = sy_cluster_owner_hash(c, uid);
    struct sy_affinity_term term = {.selector = *selector};
    struct sy_pod_spec carrier = {.affinity = &term, .affinity_len = 1};
    const struct sy_shared_spec *packed = sy_specs_ref(c->specs, &carrier);

    if (!packed)
        return -ENOMEM;
    uint32_t i = find_owner(w, hash);
    if (i == SY_MAP_NONE) {
        i = (uint32_t)w->owners.len;
        sy_vec_push(&w->owners, (struct sy_owner){.uid_hash = hash});
        sy_map_add(&w->owner_by_hash, hash, i);
    }
    if (!w->owners_matter) {
        w->owners_matter = true;
        c->selectors_generation++; /* shapes that were made without owners are too coarse */
    }
    struct sy_owner *o = &w->owners.p[i];
    if (o->packed != packed || o->kind != kind) {
        w->generation++;
        sy_cluster_note_selector(c, selector);
    }
    sy_specs_unref(c->specs, o->packed);
    o->packed = packed;
    o->kind = (uint8_t)kind;
    o->is_seen = true;
    return 0;
}

void sy_cluster_owner_delete(struct sy_cluster *c, struct sy_str uid)
{
    uint32_t i = find_owner(&c->workloads, sy_cluster_owner_hash(c, uid));

    if (i != SY_MAP_NONE)
        remove_owner(c, i);
}

void sy_cluster_owners_replace_begin(struct sy_cluster *c, enum sy_owner_kind kind)
{
    for (size_t i = 0; i < c->workloads.owners.len; i++) {
        if (c->workloads.owners.p[i].kind == kind)
            c->workloads.owners.p[i].is_seen = false;
    }
}

void sy_cluster_owners_replace_end(struct sy_cluster *c, enum sy_owner_kind kind)
{
    for (uint32_t i = (uint32_t)c->workloads.owners.len; i--;) {
        if (c->workloads.owners.p[i].kind == kind && !c->workloads.owners.p[i].is_seen)
            remove_owner(c, i);
    }
}

/* -- the default selector -- */

static bool selects(const struct sy_service *s, sy_sid ns, struct sy_labels labels)
{
    struct sy_labels wanted = s->selector->labels;

    if (s->ns != ns)
        return false;
    for (uint32_t i = 0; i < wanted.len; i++) {
        if (sy_labels_get(labels, wanted.p[i].key) != wanted.p[i].value)
            return false;
    }
    return true;
}

/* Room for requirements, as many as can come together. */
struct gathering {
    struct sy_requirement *reqs;
    uint32_t len;
};

/* One entry of the map that the selectors of Services and ReplicationControllers merge into: of two
 * for one key the later wins. */
static void merge(struct gathering *g, sy_sid key, const sy_sid *value)
{
    uint32_t i = 0;

    while (i < g->len && g->reqs[i].key != key)
        i++;
    g->reqs[i] =
        (struct sy_requirement){.key = key, .op = SY_OP_IN, .values = value, .values_len = 1};
    g->len += i == g->len;
}

static bool comes_before(const struct sy_requirement *a, const struct sy_requirement *b)
{
    return a->key != b->key ? a->key < b->key : a->op < b->op;
}

/* Equal selectors must look equal, so that one counter serves all pods of a workload. */
static void sort(struct gathering *g)
{
    for (uint32_t i = 1; i < g->len; i++) {
        struct sy_requirement req = g->reqs[i];
        uint32_t at = i;
        for (; at && comes_before(&req, &g->reqs[at - 1]); at--)
            g->reqs[at] = g->reqs[at - 1];
        g->reqs[at] = req;
    }
}

static void add_owner(struct gathering *g, const struct sy_owner *owner)
{
    const struct sy_selector *s = &owner->packed->spec.affinity[0].selector;

    if (s->is_nil || s->is_invalid)
        return;
    for (uint32_t i = 0; i < s->len; i++) {
        if (owner->kind == SY_OWNER_REPLICATION_CONTROLLER)
            merge(g, s->reqs[i].key, s->reqs[i].values);
        else
            g->reqs[g->len++] = s->reqs[i];
    }
}

int sy_cluster_default_selector(const struct sy_cluster *c, sy_sid ns, struct sy_labels labels,
                                uint64_t owner, struct sy_arena *arena, struct sy_selector *ret)
{
    const struct sy_workloads *w = &c->workloads;
    uint32_t at = owner ? find_owner(w, owner) : SY_MAP_NONE;
    const struct sy_owner *o = at == SY_MAP_NONE ? NULL : &w->owners.p[at];
    size_t room = o ? o->packed->spec.affinity[0].selector.len : 0;
    struct gathering g = {0};

    *ret = (struct sy_selector){.is_nil = true};
    for (size_t i = 0; i < w->services.len; i++) {
        if (selects(&w->services.p[i], ns, labels))
            room += w->services.p[i].selector->labels.len;
    }
    if (!room)
        return 0;
    g.reqs = sy_arena_array(arena, room, sizeof(*g.reqs));
    if (!g.reqs)
        return sy_arena_why(arena, room, sizeof(*g.reqs));
    for (size_t i = 0; i < w->services.len; i++) {
        struct sy_labels wanted = w->services.p[i].selector->labels;
        if (!selects(&w->services.p[i], ns, labels))
            continue;
        for (uint32_t j = 0; j < wanted.len; j++)
            merge(&g, wanted.p[j].key, &wanted.p[j].value);
    }
    if (o)
        add_owner(&g, o);
    sort(&g);
    *ret = (struct sy_selector){.reqs = g.reqs, .len = g.len, .is_nil = !g.len};
    return 0;
}

/* -- upkeep -- */

void sy_workloads_mark(const struct sy_cluster *c)
{
    for (size_t i = 0; i < c->workloads.services.len; i++) {
        sy_strings_mark(c->strings, c->workloads.services.p[i].ns);
        sy_strings_mark(c->strings, c->workloads.services.p[i].name);
    }
}

void sy_workloads_done(struct sy_cluster *c)
{
    for (size_t i = 0; i < c->workloads.services.len; i++)
        sy_specs_unref_labels(c->specs, c->workloads.services.p[i].selector);
    for (size_t i = 0; i < c->workloads.owners.len; i++)
        sy_specs_unref(c->specs, c->workloads.owners.p[i].packed);
    sy_vec_done(&c->workloads.services);
    sy_vec_done(&c->workloads.owners);
    sy_map_done(&c->workloads.owner_by_hash);
}
