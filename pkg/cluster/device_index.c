/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/device_index.h"

#include <string.h>

#include "cluster/cluster.h"

enum { SHARED_PLACE = 0 };

static const union sy_devices_object *object_at(const struct sy_cluster *c,
                                                enum sy_devices_kind kind, uint32_t slot)
{
    return c->devices.tables[kind].all.p[slot].object;
}

static const struct sy_device_slice *slice_at(const struct sy_cluster *c, uint32_t slot)
{
    return &object_at(c, SY_DEVICES_SLICE, slot)->slice;
}

/* ---- sorted lists of slices ------------------------------------------------------------------ */

static int compare_ids(const struct sy_cluster *c, sy_sid a, sy_sid b)
{
    return a == b ? 0 : strcmp(sy_strings_getz(c->strings, a), sy_strings_getz(c->strings, b));
}

static int compare_slices(const struct sy_cluster *c, uint32_t a, uint32_t b)
{
    const struct sy_device_slice *x = slice_at(c, a), *y = slice_at(c, b);
    int r = compare_ids(c, x->driver, y->driver);

    if (!r)
        r = compare_ids(c, x->pool, y->pool);
    return r ? r : compare_ids(c, x->name, y->name);
}

/* Where a slice stands or belongs. */
static size_t position(const struct sy_cluster *c, const uint32_t *p, size_t len, uint32_t slot)
{
    size_t low = 0, high = len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_slices(c, p[middle], slot) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#define INSERT(c, list, slot)                                                                      \
    do {                                                                                           \
        size_t at_ = position((c), (list)->p, (list)->len, (slot));                                \
        sy_vec_push((list), (slot));                                                               \
        memmove((list)->p + at_ + 1, (list)->p + at_,                                              \
                ((list)->len - 1 - at_) * sizeof(*(list)->p));                                     \
        (list)->p[at_] = (slot);                                                                   \
    } while (0)

#define REMOVE(c, list, slot)                                                                      \
    do {                                                                                           \
        size_t at_ = position((c), (list)->p, (list)->len, (slot));                                \
        (list)->len--;                                                                             \
        memmove((list)->p + at_, (list)->p + at_ + 1, ((list)->len - at_) * sizeof(*(list)->p));   \
    } while (0)

/* ---- pools ----------------------------------------------------------------------------------- */

struct pool_key {
    sy_sid driver;
    sy_sid name;
};

static uint64_t pool_hash(struct pool_key key)
{
    return sy_hash_u64((uint64_t)key.driver << 32 | key.name);
}

static bool is_pool(const void *arg, const void *key, uint32_t value)
{
    const struct sy_device_index *index = arg;
    const struct pool_key *k = key;

    return index->pools.p[value].driver == k->driver && index->pools.p[value].name == k->name;
}

static uint32_t find_pool(const struct sy_device_index *index, const struct sy_device_slice *slice)
{
    struct pool_key key = {slice->driver, slice->pool};

    return sy_map_get(&index->pool_by_name, pool_hash(key), is_pool, index, &key);
}

static void add_to_pool(struct sy_cluster *c, const struct sy_device_slice *slice, uint32_t slot)
{
    struct sy_device_index *index = &c->devices.index;
    struct pool_key key = {slice->driver, slice->pool};
    uint32_t at = find_pool(index, slice);

    if (at == SY_MAP_NONE) {
        if (index->free_pools.len) {
            at = index->free_pools.p[--index->free_pools.len];
        } else {
            at = (uint32_t)index->pools.len;
            sy_vec_push(&index->pools, (struct sy_device_pool){0});
        }
        index->pools.p[at].driver = key.driver;
        index->pools.p[at].name = key.name;
        sy_map_add(&index->pool_by_name, pool_hash(key), at);
    }
    struct sy_device_pool *pool = &index->pools.p[at];
    INSERT(c, &pool->slices, slot);
    pool->has_facts = false;
}

static void remove_from_pool(struct sy_cluster *c, const struct sy_device_slice *slice,
                             uint32_t slot)
{
    struct sy_device_index *index = &c->devices.index;
    uint32_t at = find_pool(index, slice);
    struct sy_device_pool *pool = &index->pools.p[at];

    REMOVE(c, &pool->slices, slot);
    pool->has_facts = false;
    if (pool->slices.len)
        return;
    sy_map_del(&index->pool_by_name, pool_hash((struct pool_key){pool->driver, pool->name}), at);
    sy_vec_done(&pool->slices);
    *pool = (struct sy_device_pool){0};
    sy_vec_push(&index->free_pools, at);
}

struct name_pair {
    sy_sid a;
    sy_sid b;
};

static int by_pair(const void *pa, const void *pb)
{
    const struct name_pair *x = pa, *y = pb;

    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

struct pairs {
    SY_VEC(struct name_pair) all;
};

static bool sort_and_find_repeat(struct pairs *p)
{
    if (p->all.len)
        qsort(p->all.p, p->all.len, sizeof(*p->all.p), by_pair);
    for (size_t i = 1; i < p->all.len; i++) {
        if (by_pair(&p->all.p[i - 1], &p->all.p[i]) == 0)
            return true;
    }
    return false;
}

/* The next slice that counts for the pool. */
static const struct sy_device_slice *next_newest(const struct sy_cluster *c,
                                                 const struct sy_device_pool *pool, size_t *at)
{
    while (*at < pool->slices.len) {
        const struct sy_device_slice *s = slice_at(c, pool->slices.p[(*at)++]);
        if (s->pool_generation == pool->newest && !s->has_groups)
            return s;
    }
    return NULL;
}

static bool names_are_unique(const struct sy_cluster *c, const struct sy_device_pool *pool)
{
    const struct sy_device_slice *s;
    struct pairs names = {0};
    size_t at = 0;

    while ((s = next_newest(c, pool, &at))) {
        for (uint32_t k = 0; k < s->devices_len; k++)
            sy_vec_push(&names.all, (struct name_pair){s->devices[k].name, 0});
    }
    bool repeat = sort_and_find_repeat(&names);
    sy_vec_done(&names.all);
    return !repeat;
}

static bool has_counters(const struct pairs *counters, const struct sy_device_slice *s)
{
    for (uint32_t d = 0; d < s->devices_len; d++) {
        for (uint32_t i = 0; i < s->devices[d].counters_len; i++) {
            const struct sy_device_counter *k = &s->devices[d].counters[i];
            struct name_pair key = {k->set, k->name};
            if (!counters->all.len || !bsearch(&key, counters->all.p, counters->all.len,
                                               sizeof(*counters->all.p), by_pair))
                return false;
        }
    }
    return true;
}

static bool counters_are_sound(const struct sy_cluster *c, const struct sy_device_pool *pool)
{
    struct pairs counters = {0}, sets = {0};
    const struct sy_device_slice *s;
    size_t at = 0;

    while ((s = next_newest(c, pool, &at))) {
        for (uint32_t k = 0; k < s->counters_len; k++) {
            const struct sy_device_counter *counter = &s->counters[k];
            sy_vec_push(&counters.all, (struct name_pair){counter->set, counter->name});
            if (!k || counter->set != s->counters[k - 1].set)
                sy_vec_push(&sets.all, (struct name_pair){counter->set, 0});
        }
    }
    bool sound = !sort_and_find_repeat(&counters) && !sort_and_find_repeat(&sets);
    at = 0;
    while (sound && (s = next_newest(c, pool, &at)))
        sound = has_counters(&counters, s);
    sy_vec_done(&counters.all);
    sy_vec_done(&sets.all);
    return sound;
}

static void learn_facts(const struct sy_cluster *c, struct sy_device_pool *pool)
{
    size_t at = 0;

    pool->newest = INT64_MIN;
    for (size_t i = 0; i < pool->slices.len; i++) {
        int64_t generation = slice_at(c, pool->slices.p[i])->pool_generation;
        pool->newest = generation > pool->newest ? generation : pool->newest;
    }
    for (pool->newest_len = 0; next_newest(c, pool, &at);)
        pool->newest_len++;
    pool->names_are_unique = names_are_unique(c, pool);
    pool->counters_are_sound = counters_are_sound(c, pool);
    pool->has_facts = true;
}

const struct sy_device_pool *sy_device_index_pool(struct sy_cluster *c, uint32_t slice)
{
    struct sy_device_index *index = &c->devices.index;
    struct sy_device_pool *pool = &index->pools.p[find_pool(index, slice_at(c, slice))];

    if (!pool->has_facts)
        learn_facts(c, pool);
    return pool;
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool is_place(const void *arg, const void *key, uint32_t value)
{
    const struct sy_device_index *index = arg;

    return index->places.p[value].node == *(const sy_sid *)key;
}

static uint32_t find_place(const struct sy_device_index *index, sy_sid node)
{
    if (!node)
        return index->places.len ? SHARED_PLACE : SY_MAP_NONE;
    return sy_map_get(&index->place_by_node, sy_hash_u64(node), is_place, index, &node);
}

static void add_to_place(struct sy_cluster *c, sy_sid node, uint32_t slot)
{
    struct sy_device_index *index = &c->devices.index;

    if (!index->places.len)
        sy_vec_push(&index->places, (struct sy_device_place){0});
    uint32_t at = find_place(index, node);
    if (at == SY_MAP_NONE) {
        if (index->free_places.len) {
            at = index->free_places.p[--index->free_places.len];
        } else {
            at = (uint32_t)index->places.len;
            sy_vec_push(&index->places, (struct sy_device_place){0});
        }
        index->places.p[at].node = node;
        sy_map_add(&index->place_by_node, sy_hash_u64(node), at);
    }
    struct sy_device_place *place = &index->places.p[at];
    INSERT(c, &place->slices, slot);
}

static void remove_from_place(struct sy_cluster *c, sy_sid node, uint32_t slot)
{
    struct sy_device_index *index = &c->devices.index;
    uint32_t at = find_place(index, node);
    struct sy_device_place *place = &index->places.p[at];

    REMOVE(c, &place->slices, slot);
    if (place->slices.len || !node)
        return;
    sy_map_del(&index->place_by_node, sy_hash_u64(node), at);
    sy_vec_done(&place->slices);
    *place = (struct sy_device_place){0};
    sy_vec_push(&index->free_places, at);
}

static struct sy_device_slots slots_of(const struct sy_device_index *index, uint32_t place)
{
    if (place == SY_MAP_NONE)
        return (struct sy_device_slots){0};
    return (struct sy_device_slots){index->places.p[place].slices.p,
                                    (uint32_t)index->places.p[place].slices.len};
}

struct sy_device_slots sy_device_index_of_node(const struct sy_cluster *c, sy_sid node)
{
    return slots_of(&c->devices.index, node ? find_place(&c->devices.index, node) : SY_MAP_NONE);
}

struct sy_device_slots sy_device_index_shared(const struct sy_cluster *c)
{
    return slots_of(&c->devices.index, find_place(&c->devices.index, 0));
}

/* ---- allocated devices ----------------------------------------------------------------------- */

struct device_key {
    sy_sid driver;
    sy_sid pool;
    sy_sid device;
};

static uint64_t device_hash(struct device_key k)
{
    return sy_hash_u64(sy_hash_u64((uint64_t)k.driver << 32 | k.pool) ^ k.device);
}

static bool is_device(const void *arg, const void *key, uint32_t value)
{
    const struct sy_device_index *index = arg;
    const struct sy_device_result *r = index->uses.p[value].result;
    const struct device_key *k = key;

    return r->driver == k->driver && r->pool == k->pool && r->device == k->device;
}

static uint32_t find_use(const struct sy_device_index *index, struct device_key key)
{
    return sy_map_get(&index->use_by_device, device_hash(key), is_device, index, &key);
}

static void add_use(struct sy_device_index *index, const struct sy_device_result *r)
{
    struct device_key key = {r->driver, r->pool, r->device};
    struct sy_device_use use = {.result = r, .next = SY_NONE};
    uint32_t first = find_use(index, key);
    uint32_t at;

    if (index->free_uses.len) {
        at = index->free_uses.p[--index->free_uses.len];
    } else {
        at = (uint32_t)index->uses.len;
        sy_vec_push(&index->uses, use);
    }
    if (first == SY_MAP_NONE) {
        index->uses.p[at] = use;
        sy_map_add(&index->use_by_device, device_hash(key), at);
        return;
    }
    use.next = index->uses.p[first].next;
    index->uses.p[at] = use;
    index->uses.p[first].next = at;
}

static void remove_use(struct sy_device_index *index, const struct sy_device_result *r)
{
    struct device_key key = {r->driver, r->pool, r->device};
    uint32_t first = find_use(index, key), at = first, before = SY_NONE;

    while (index->uses.p[at].result != r) {
        before = at;
        at = index->uses.p[at].next;
    }
    uint32_t next = index->uses.p[at].next;
    if (before != SY_NONE)
        index->uses.p[before].next = next;
    else if (next != SY_NONE)
        sy_map_move(&index->use_by_device, device_hash(key), first, next);
    else
        sy_map_del(&index->use_by_device, device_hash(key), first);
    index->uses.p[at] = (struct sy_device_use){.next = SY_NONE};
    sy_vec_push(&index->free_uses, at);
}

uint32_t sy_device_index_use(const struct sy_cluster *c, sy_sid driver, sy_sid pool, sy_sid device)
{
    return find_use(&c->devices.index, (struct device_key){driver, pool, device});
}

/* ---- claims for extended resources ----------------------------------------------------------- */

static uint64_t owner_hash(struct sy_str uid)
{
    uint64_t hash = uid.len;

    for (size_t i = 0; i < uid.len; i++)
        hash = sy_hash_u64(hash ^ (uint8_t)uid.p[i]);
    return hash;
}

static bool is_owned(const void *arg, const void *key, uint32_t value)
{
    const struct sy_devices_table *claims = arg;

    return sy_str_eq(claims->all.p[value].object->claim.owner_uid, *(const struct sy_str *)key);
}

const struct sy_device_claim *sy_device_index_for_pod(const struct sy_cluster *c, struct sy_str uid)
{
    const struct sy_devices_table *claims = &c->devices.tables[SY_DEVICES_CLAIM];
    uint32_t slot =
        sy_map_get(&c->devices.index.claim_by_owner, owner_hash(uid), is_owned, claims, &uid);

    return slot == SY_MAP_NONE ? NULL : &claims->all.p[slot].object->claim;
}

static bool stands_for_resources(const struct sy_device_claim *claim)
{
    return claim->is_for_extended && claim->owner_uid.len;
}

/* ---- the whole ------------------------------------------------------------------------------- */

void sy_device_index_add(struct sy_cluster *c, enum sy_devices_kind kind, uint32_t slot)
{
    struct sy_device_index *index = &c->devices.index;
    const union sy_devices_object *o = object_at(c, kind, slot);

    if (kind == SY_DEVICES_SLICE) {
        add_to_pool(c, &o->slice, slot);
        add_to_place(c, o->slice.nodes.node, slot);
    }
    if (kind != SY_DEVICES_CLAIM)
        return;
    for (uint32_t i = 0; i < o->claim.results_len; i++) {
        if (!o->claim.results[i].admin_access)
            add_use(index, &o->claim.results[i]);
    }
    if (stands_for_resources(&o->claim))
        sy_map_add(&index->claim_by_owner, owner_hash(o->claim.owner_uid), slot);
}

void sy_device_index_remove(struct sy_cluster *c, enum sy_devices_kind kind, uint32_t slot)
{
    struct sy_device_index *index = &c->devices.index;
    const union sy_devices_object *o = object_at(c, kind, slot);

    if (kind == SY_DEVICES_SLICE) {
        remove_from_pool(c, &o->slice, slot);
        remove_from_place(c, o->slice.nodes.node, slot);
    }
    if (kind != SY_DEVICES_CLAIM)
        return;
    for (uint32_t i = 0; i < o->claim.results_len; i++) {
        if (!o->claim.results[i].admin_access)
            remove_use(index, &o->claim.results[i]);
    }
    if (stands_for_resources(&o->claim))
        sy_map_del(&index->claim_by_owner, owner_hash(o->claim.owner_uid), slot);
}

void sy_device_index_hold(struct sy_cluster *c, const struct sy_device_allocation *a)
{
    for (uint32_t i = 0; i < a->grants_len; i++) {
        if (!a->grants[i].result.admin_access)
            add_use(&c->devices.index, &a->grants[i].result);
    }
}

void sy_device_index_release(struct sy_cluster *c, const struct sy_device_allocation *a)
{
    for (uint32_t i = 0; i < a->grants_len; i++) {
        if (!a->grants[i].result.admin_access)
            remove_use(&c->devices.index, &a->grants[i].result);
    }
}

void sy_device_index_done(struct sy_device_index *index)
{
    struct sy_device_pool *pool;
    struct sy_device_place *place;

    SY_VEC_FOREACH (pool, &index->pools)
        sy_vec_done(&pool->slices);
    SY_VEC_FOREACH (place, &index->places)
        sy_vec_done(&place->slices);
    sy_vec_done(&index->pools);
    sy_vec_done(&index->free_pools);
    sy_map_done(&index->pool_by_name);
    sy_vec_done(&index->places);
    sy_vec_done(&index->free_places);
    sy_map_done(&index->place_by_node);
    sy_vec_done(&index->uses);
    sy_vec_done(&index->free_uses);
    sy_map_done(&index->use_by_device);
    sy_map_done(&index->claim_by_owner);
}

static bool is_listed_once(const struct sy_cluster *c, const uint32_t *p, size_t len, uint32_t slot)
{
    uint32_t times = 0;

    for (size_t i = 0; i < len; i++) {
        times += p[i] == slot;
        if (i && compare_slices(c, p[i - 1], p[i]) > 0)
            return false;
    }
    return times == 1;
}

static const char *audit_slices(const struct sy_cluster *c, size_t *ret_slices)
{
    const struct sy_device_index *index = &c->devices.index;
    const struct sy_devices_table *t = &c->devices.tables[SY_DEVICES_SLICE];

    for (uint32_t slot = 0; slot < t->all.len; slot++) {
        if (!t->all.p[slot].object)
            continue;
        const struct sy_device_slice *s = slice_at(c, slot);
        uint32_t pool = find_pool(index, s), place = find_place(index, s->nodes.node);
        ++*ret_slices;
        if (pool == SY_MAP_NONE || !is_listed_once(c, index->pools.p[pool].slices.p,
                                                   index->pools.p[pool].slices.len, slot))
            return "a slice is not in its pool, or out of order";
        if (place == SY_MAP_NONE || !is_listed_once(c, index->places.p[place].slices.p,
                                                    index->places.p[place].slices.len, slot))
            return "a slice is not with its node, or out of order";
    }
    return NULL;
}

/* Counts what is not for an admin; false when the index does not have it. */
static bool has_use(const struct sy_cluster *c, const struct sy_device_result *r, size_t *count)
{
    const struct sy_device_index *index = &c->devices.index;

    if (r->admin_access)
        return true;
    uint32_t u = sy_device_index_use(c, r->driver, r->pool, r->device);
    while (u != SY_NONE && index->uses.p[u].result != r)
        u = index->uses.p[u].next;
    ++*count;
    return u != SY_NONE;
}

static const char *audit_uses(const struct sy_cluster *c, size_t *ret_uses)
{
    const struct sy_device_allocation *held;
    const union sy_devices_object *o;
    bool has_all = true;
    uint32_t at = 0;

    while ((o = sy_devices_next(c, SY_DEVICES_CLAIM, &at))) {
        for (uint32_t i = 0; i < o->claim.results_len; i++)
            has_all = has_use(c, &o->claim.results[i], ret_uses) && has_all;
        if (stands_for_resources(&o->claim) && !sy_device_index_for_pod(c, o->claim.owner_uid))
            return "a claim for extended resources is not found by its pod";
    }
    for (at = 0; (held = sy_devices_next_held(c, &at));) {
        for (uint32_t i = 0; i < held->grants_len; i++)
            has_all = has_use(c, &held->grants[i].result, ret_uses) && has_all;
    }
    return has_all ? NULL : "an allocated device is not noted";
}

const char *sy_device_index_audit(const struct sy_cluster *c)
{
    const struct sy_device_index *index = &c->devices.index;
    size_t slices = 0, uses = 0, in_pools = 0, in_places = 0;
    const char *wrong = audit_slices(c, &slices);

    if (!wrong)
        wrong = audit_uses(c, &uses);
    for (size_t i = 0; i < index->pools.len; i++)
        in_pools += index->pools.p[i].slices.len;
    for (size_t i = 0; i < index->places.len; i++)
        in_places += index->places.p[i].slices.len;
    if (!wrong && (in_pools != slices || in_places != slices))
        wrong = "a slice that is gone is still listed";
    if (!wrong && index->uses.len - index->free_uses.len != uses)
        wrong = "a device that is free is noted as allocated";
    return wrong;
}
