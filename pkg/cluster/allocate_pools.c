/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pools and slices a node reaches, whether they are whole and sound, and what is left of the
 * counters that devices of a pool share. Source: structured/internal/incubating/pools_incubating.go
 * in k8s.io/dynamic-resource-allocation v0.37.2. */
#include <string.h>

#include "cluster/allocate_int.h"
#include "cluster/cluster.h"

/* ---- reach ----------------------------------------------------------------------------------- */

bool sy_alloc_reaches(const struct sy_allocator *a, const struct sy_device_nodes *from)
{
    const struct sy_node *node = &a->cluster->nodes[a->node].node;

    if (from->node)
        return from->node == node->name;
    if (from->all)
        return true;
    return from->selector.is_set &&
           sy_node_selector_matches(&from->selector, a->cluster->strings, node->labels, node->name,
                                    a->name_field);
}

static bool is_relevant(const struct sy_allocator *a, const struct sy_device_slice *s)
{
    if (s->has_groups)
        return false;
    if (s->nodes.node || s->nodes.all || s->nodes.selector.is_set)
        return sy_alloc_reaches(a, &s->nodes);
    for (uint32_t i = 0; s->nodes_per_device && i < s->devices_len; i++) {
        if (sy_alloc_reaches(a, &s->devices[i].nodes))
            return true;
    }
    return false;
}

/* ---- whether a pool is sound ----------------------------------------------------------------- */

static int by_id(const void *pa, const void *pb)
{
    const sy_sid *a = pa, *b = pb;

    return (*a > *b) - (*a < *b);
}

static bool repeats(sy_sid *ids, uint32_t len)
{
    if (len)
        qsort(ids, len, sizeof(*ids), by_id);
    for (uint32_t i = 1; i < len; i++) {
        if (ids[i] == ids[i - 1])
            return true;
    }
    return false;
}

static const struct sy_device_slice *slice_of(const struct sy_allocator *a,
                                              const struct sy_alloc_pool *p, uint32_t i)
{
    return sy_alloc_slice(a, a->here[p->first + i]);
}

/* 1, 0 or out of room: whether each device within reach has a name of its own. */
static int names_are_unique(struct sy_allocator *a, const struct sy_alloc_pool *p)
{
    uint32_t room = 0, len = 0;

    for (uint32_t i = 0; i < p->len; i++)
        room += slice_of(a, p, i)->devices_len;
    sy_sid *names = sy_arena_array(a->arena, room + 1, sizeof(*names));
    if (!names)
        return sy_alloc_out_of_room(a);
    for (uint32_t i = 0; i < p->len; i++) {
        const struct sy_device_slice *s = slice_of(a, p, i);
        for (uint32_t k = 0; k < s->devices_len && !s->counters_len; k++)
            names[len++] = s->devices[k].name;
    }
    return !repeats(names, len);
}

/* The same of the counter sets. */
static int sets_are_unique(struct sy_allocator *a, const struct sy_alloc_pool *p)
{
    uint32_t room = 0, len = 0;

    for (uint32_t i = 0; i < p->len; i++)
        room += slice_of(a, p, i)->counters_len;
    sy_sid *sets = sy_arena_array(a->arena, room + 1, sizeof(*sets));
    if (!sets)
        return sy_alloc_out_of_room(a);
    for (uint32_t i = 0; i < p->len; i++) {
        const struct sy_device_slice *s = slice_of(a, p, i);
        for (uint32_t k = 0; k < s->counters_len; k++) {
            if (!k || s->counters[k].set != s->counters[k - 1].set)
                sets[len++] = s->counters[k].set;
        }
    }
    return !repeats(sets, len);
}

static bool has_counter(const struct sy_allocator *a, const struct sy_alloc_pool *p,
                        const struct sy_device_counter *c)
{
    for (uint32_t i = 0; i < p->len; i++) {
        const struct sy_device_slice *s = slice_of(a, p, i);
        for (uint32_t k = 0; k < s->counters_len; k++) {
            if (s->counters[k].set == c->set && s->counters[k].name == c->name)
                return true;
        }
    }
    return false;
}

static bool counters_are_there(const struct sy_allocator *a, const struct sy_alloc_pool *p)
{
    for (uint32_t i = 0; i < p->len; i++) {
        const struct sy_device_slice *s = slice_of(a, p, i);
        for (uint32_t d = 0; d < s->devices_len && !s->counters_len; d++) {
            for (uint32_t k = 0; k < s->devices[d].counters_len; k++) {
                if (!has_counter(a, p, &s->devices[d].counters[k]))
                    return false;
            }
        }
    }
    return true;
}

/* 1, 0 or out of room. with_others: slices beyond the node's reach belong to the pool as well; then
 * its generation is the newest. */
static int is_valid(struct sy_allocator *a, const struct sy_alloc_pool *p, bool with_others)
{
    const struct sy_device_pool *pool = p->pool;
    int r;

    if (p->generation == pool->newest && p->len == pool->newest_len)
        return pool->counters_are_sound && pool->names_are_unique;
    if (with_others && pool->names_are_unique)
        return pool->counters_are_sound;
    r = names_are_unique(a, p);
    if (r > 0 && with_others)
        return pool->counters_are_sound;
    if (r > 0)
        r = sets_are_unique(a, p);
    return r > 0 ? counters_are_there(a, p) : r;
}

/* ---- pools ----------------------------------------------------------------------------------- */

static bool has_conditions(const struct sy_device_slice *s)
{
    for (uint32_t i = 0; i < s->devices_len; i++) {
        if (s->devices[i].conditions_len)
            return true;
    }
    return false;
}

/* Leaves only the newest generation of the slices in here[p->first...]; fills p. */
static int64_t keep_newest(struct sy_allocator *a, struct sy_alloc_pool *p)
{
    uint32_t kept = p->first;
    int64_t expected = 0;

    p->generation = INT64_MIN;
    for (uint32_t h = p->first; h < a->here_len; h++) {
        int64_t g = sy_alloc_slice(a, a->here[h])->pool_generation;
        p->generation = g > p->generation ? g : p->generation;
    }
    for (uint32_t h = p->first; h < a->here_len; h++) {
        const struct sy_device_slice *s = sy_alloc_slice(a, a->here[h]);
        if (s->pool_generation != p->generation)
            continue;
        if (kept == p->first)
            expected = s->pool_slices;
        p->has_conditions |= !s->counters_len && has_conditions(s);
        a->here[kept++] = a->here[h];
    }
    a->here_len = kept;
    p->len = kept - p->first;
    return expected;
}

/* Whether there is a newer generation than the one within reach; else how many slices it has. */
static bool is_obsolete(const struct sy_allocator *a, const struct sy_alloc_pool *p,
                        int64_t *ret_slices)
{
    *ret_slices = 0;
    if (p->pool->newest > p->generation)
        return true;
    for (size_t i = 0; i < p->pool->slices.len; i++) {
        const struct sy_device_slice *s = sy_alloc_slice(a, p->pool->slices.p[i]);
        *ret_slices += s->pool_generation == p->generation && !s->has_groups;
    }
    return false;
}

/* Appends the pool whose slices within reach stand from here[first] on, unless it is obsolete. 0 or
 * out of room. */
static int add_pool(struct sy_allocator *a, uint32_t first)
{
    struct sy_alloc_pool p = {.first = first};

    p.pool = sy_device_index_pool(a->cluster, a->here[first]);
    p.counters = &a->counters[p.pool - a->cluster->devices.index.pools.p];
    int64_t expected = keep_newest(a, &p), slices = (int64_t)p.len;
    bool is_whole = slices == expected;
    if (!is_whole) {
        if (is_obsolete(a, &p, &slices)) {
            a->here_len = first; /* being replaced */
            return 0;
        }
        p.is_incomplete = slices != expected;
    }
    if (!p.is_incomplete) {
        int r = is_valid(a, &p, !is_whole);
        if (r < 0)
            return r;
        p.is_invalid = !r;
    }
    /* Those of pools that cannot be used do not count. */
    p.has_conditions &= !p.is_incomplete && !p.is_invalid;
    if (a->pools_len == a->pools_room) {
        uint32_t room = a->pools_room * 2 + 8;
        struct sy_alloc_pool *pools = sy_arena_array(a->arena, room, sizeof(*pools));
        if (!pools)
            return sy_alloc_out_of_room(a);
        if (a->pools_len)
            memcpy(pools, a->pools, a->pools_len * sizeof(*pools));
        a->pools = pools;
        a->pools_room = room;
    }
    a->pools[a->pools_len++] = p;
    return 0;
}

static int compare_ids(const struct sy_allocator *a, sy_sid x, sy_sid y)
{
    return x == y ? 0 : strcmp(sy_alloc_text(a, x), sy_alloc_text(a, y));
}

static int compare(const struct sy_allocator *a, uint32_t x_slot, uint32_t y_slot)
{
    const struct sy_device_slice *x = sy_alloc_slice(a, x_slot), *y = sy_alloc_slice(a, y_slot);
    int r = compare_ids(a, x->driver, y->driver);

    if (!r)
        r = compare_ids(a, x->pool, y->pool);
    return r ? r : compare_ids(a, x->name, y->name);
}

static bool same_pool(const struct sy_allocator *a, uint32_t x, uint32_t y)
{
    return sy_alloc_slice(a, x)->driver == sy_alloc_slice(a, y)->driver &&
           sy_alloc_slice(a, x)->pool == sy_alloc_slice(a, y)->pool;
}

/* Puts pools whose devices may not be ready last; the order is as it was among each kind. */
static void put_ready_first(struct sy_allocator *a)
{
    for (uint32_t i = 1; i < a->pools_len; i++) {
        struct sy_alloc_pool p = a->pools[i];
        uint32_t to = i;
        for (; to && a->pools[to - 1].has_conditions && !p.has_conditions; to--)
            a->pools[to] = a->pools[to - 1];
        a->pools[to] = p;
    }
}

int sy_alloc_gather_pools(struct sy_allocator *a)
{
    struct sy_device_slots own =
        sy_device_index_of_node(a->cluster, a->cluster->nodes[a->node].node.name);
    struct sy_device_slots shared = sy_device_index_shared(a->cluster);
    uint32_t start = 0, i = 0, k = 0;
    int r = 0;

    a->here_len = a->pools_len = 0;
    if (own.len + shared.len > a->here_room) {
        a->here_room = (own.len + shared.len) * 2;
        a->here = sy_arena_array(a->arena, a->here_room, sizeof(*a->here));
        if (!a->here)
            return sy_alloc_out_of_room(a);
    }
    while (r == 0 && (i < own.len || k < shared.len)) {
        bool takes_own = k == shared.len || (i < own.len && compare(a, own.p[i], shared.p[k]) < 0);
        uint32_t slot = takes_own ? own.p[i++] : shared.p[k++];
        if (!is_relevant(a, sy_alloc_slice(a, slot)))
            continue;
        if (a->here_len > start && !same_pool(a, a->here[start], slot)) {
            r = add_pool(a, start);
            start = a->here_len;
        }
        a->here[a->here_len++] = slot;
    }
    if (r == 0 && a->here_len > start)
        r = add_pool(a, start);
    if (r == 0)
        put_ready_first(a);
    return r;
}

/* ---- counters -------------------------------------------------------------------------------- */

static int by_set_and_name(const void *pa, const void *pb)
{
    const struct sy_device_counter *x = ((const struct sy_alloc_counter *)pa)->is;
    const struct sy_device_counter *y = ((const struct sy_alloc_counter *)pb)->is;

    if (x->set != y->set)
        return x->set < y->set ? -1 : 1;
    return (x->name > y->name) - (x->name < y->name);
}

static void take(struct sy_alloc_counters *counters, const struct sy_device *d, bool back)
{
    for (uint32_t i = 0; i < d->counters_len && counters->len; i++) {
        struct sy_alloc_counter key = {.is = &d->counters[i]};
        struct sy_alloc_counter *c =
            bsearch(&key, counters->p, counters->len, sizeof(*counters->p), by_set_and_name);
        if (c)
            c->left = back ? sy_exact_add(c->left, d->counters[i].value)
                           : sy_exact_sub(c->left, d->counters[i].value);
    }
}

static int load_counters(struct sy_allocator *a, const struct sy_alloc_pool *pool)
{
    struct sy_alloc_counters *counters = pool->counters;
    uint32_t room = 0, len = 0;

    for (size_t i = 0; i < pool->pool->slices.len; i++)
        room += sy_alloc_slice(a, pool->pool->slices.p[i])->counters_len;
    counters->p = sy_arena_array(a->arena, room + 1, sizeof(*counters->p));
    if (!counters->p)
        return sy_alloc_out_of_room(a);
    for (size_t i = 0; i < pool->pool->slices.len; i++) {
        const struct sy_device_slice *s = sy_alloc_slice(a, pool->pool->slices.p[i]);
        for (uint32_t k = 0; s->pool_generation == pool->generation && k < s->counters_len; k++)
            counters->p[len++] = (struct sy_alloc_counter){&s->counters[k], s->counters[k].value};
    }
    qsort(counters->p, len, sizeof(*counters->p), by_set_and_name);
    *counters = (struct sy_alloc_counters){true, pool->generation, counters->p, len};
    for (size_t i = 0; i < pool->pool->slices.len; i++) {
        const struct sy_device_slice *s = sy_alloc_slice(a, pool->pool->slices.p[i]);
        for (uint32_t k = 0; s->pool_generation == pool->generation && k < s->devices_len; k++) {
            if (sy_alloc_is_held_alone(a, s, &s->devices[k]) ||
                sy_alloc_is_held_shared(a, s, &s->devices[k]))
                take(counters, &s->devices[k], false);
        }
    }
    return 0;
}

int sy_alloc_take_counters(struct sy_allocator *a, struct sy_alloc_pool *pool,
                           const struct sy_device *d)
{
    struct sy_alloc_counters *counters = pool->counters;

    if (!counters->is_loaded || counters->generation != pool->generation) {
        int r = load_counters(a, pool);
        if (r < 0)
            return r;
    }
    take(counters, d, false);
    for (uint32_t i = 0; i < counters->len; i++) {
        if (sy_exact_cmp(counters->p[i].left, (struct sy_exact){0}) < 0) {
            take(counters, d, true);
            return 0;
        }
    }
    return 1;
}

void sy_alloc_return_counters(struct sy_alloc_counters *counters, const struct sy_device *d)
{
    take(counters, d, true);
}
