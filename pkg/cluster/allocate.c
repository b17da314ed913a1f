/* SPDX-License-Identifier: Apache-2.0
 *
 * The search for devices. What is chosen so far is a stack of picks, and all that a choice uses up
 * (the device, its counters, its capacity, what a constraint is tied to) is read off that stack, so
 * going back is popping it. */
#include "cluster/allocate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/cel.h"

/* A slice and its place: by driver, pool and name, in the order of the texts. */
struct ranked {
    const struct sy_device_slice *slice;
    uint32_t first_device; /* number of its first device among all */
};

/* What is allocated of one device by claims that we know, chained by hash. */
struct used {
    const struct sy_device_result *result;
    uint32_t next;
};

struct programs {
    const struct sy_cel **p;
    const struct sy_device_selectors *texts;
};

struct want {
    const struct sy_device_want *want;
    const struct sy_device_class *class;
    struct programs of_class, own;
    int8_t *matches; /* by device number: 0 unknown, 1 yes, -1 no */
    uint32_t claim, request, alternative;
    int64_t count;              /* how many devices; of All on this node */
    struct sy_device_pick *all; /* those of All, on this node */
    uint32_t all_room;
};

struct counter {
    const struct sy_device_counter *is;
    struct sy_exact left; /* after what claims hold */
};

struct pool {
    uint32_t first, len; /* in `here` */
    int64_t generation;
    sy_sid driver, name;
    bool is_incomplete, is_invalid, has_conditions;
    struct counter *counters; /* NULL until asked for; in the allocator's */
    uint32_t counters_len;
};

struct request {
    uint32_t first_want, wants_len;
};

struct sy_allocator {
    const struct sy_cluster *cluster;
    struct sy_arena *arena;
    const struct sy_device_claim *const *claims;
    uint32_t claims_len;
    struct ranked *slices;
    uint32_t slices_len;
    struct used *used;
    uint32_t used_len;
    uint32_t *used_heads; /* buckets by driver, pool and device: the first in `used` */
    uint32_t used_mask;
    struct want *wants;
    uint32_t wants_len;
    struct request **requests; /* by claim */
    sy_sid name_field;
    /* One node. */
    uint32_t node;
    uint32_t *here; /* ranks of the slices within reach, their pool's newest generation only */
    uint32_t here_len;
    struct pool *pools;
    uint32_t pools_len;
    struct counter *counters; /* room for those of all slices */
    uint32_t counters_len;
    struct sy_device_pick *picks;
    uint32_t picks_len, picks_room;
    uint64_t steps;
    struct sy_err *err;
};

/* What try_one() says. */
enum { NONE = 0, FOUND = 1, TOO_MANY = 2 /* devices for one claim */ };

static const char *text(const struct sy_allocator *a, sy_sid id)
{
    return sy_strings_getz(a->cluster->strings, id);
}

static int out_of_room(const struct sy_allocator *a, struct sy_err *err)
{
    return sy_err_set(err, sy_arena_why(a->arena, 1, 1),
                      "allocating devices takes too much memory");
}

/* "namespace/name" of a claim and a request's name, for errors. */
static int fail_request(struct sy_allocator *a, const struct want *w, const char *what)
{
    const struct sy_device_claim *claim = a->claims[w->claim];
    const struct sy_device_request *r = &claim->requests[w->request];

    return sy_err_set(a->err, -EINVAL, "claim %s/%s, request %s: %s", text(a, claim->ns),
                      text(a, claim->name), text(a, w->want->name ? w->want->name : r->name), what);
}

/* ---- what is allocated already --------------------------------------------------------------- */

static uint64_t device_hash(sy_sid driver, sy_sid pool, sy_sid device)
{
    return sy_hash_u64(sy_hash_u64((uint64_t)driver << 32 | pool) ^ device);
}

/* From an entry of a bucket on, the first that is of the device. */
static uint32_t use_from(const struct sy_allocator *a, uint32_t u,
                         const struct sy_device_slice *slice, const struct sy_device *device)
{
    while (u != SY_NONE) {
        const struct sy_device_result *r = a->used[u].result;
        if (r->driver == slice->driver && r->pool == slice->pool && r->device == device->name)
            break;
        u = a->used[u].next;
    }
    return u;
}

static uint32_t first_use(const struct sy_allocator *a, const struct sy_device_slice *slice,
                          const struct sy_device *device)
{
    uint64_t hash = device_hash(slice->driver, slice->pool, device->name);

    return use_from(a, a->used_heads[hash & a->used_mask], slice, device);
}

static uint32_t next_use(const struct sy_allocator *a, uint32_t u,
                         const struct sy_device_slice *slice, const struct sy_device *device)
{
    return use_from(a, a->used[u].next, slice, device);
}

static int gather_used(struct sy_allocator *a)
{
    const union sy_devices_object *o;
    uint32_t at = 0, len = 0;

    while ((o = sy_devices_next(a->cluster, SY_DEVICES_CLAIM, &at)))
        len += o->claim.results_len;
    for (a->used_mask = 1; a->used_mask < len && a->used_mask < UINT32_MAX / 2;)
        a->used_mask = a->used_mask << 1 | 1;
    a->used = sy_arena_array(a->arena, len + 1, sizeof(*a->used));
    a->used_heads = sy_arena_array(a->arena, (size_t)a->used_mask + 1, sizeof(*a->used_heads));
    if (!a->used || !a->used_heads)
        return -ENOMEM;
    memset(a->used_heads, 0xff, ((size_t)a->used_mask + 1) * sizeof(*a->used_heads));
    at = 0;
    while ((o = sy_devices_next(a->cluster, SY_DEVICES_CLAIM, &at))) {
        for (uint32_t i = 0; i < o->claim.results_len; i++) {
            const struct sy_device_result *r = &o->claim.results[i];
            uint32_t *head =
                &a->used_heads[device_hash(r->driver, r->pool, r->device) & a->used_mask];
            if (r->admin_access)
                continue;
            a->used[a->used_len] = (struct used){r, *head};
            *head = a->used_len++;
        }
    }
    return 0;
}

static bool is_held_alone(const struct sy_allocator *a, const struct sy_device_slice *slice,
                          const struct sy_device *device)
{
    for (uint32_t u = first_use(a, slice, device); u != SY_NONE;
         u = next_use(a, u, slice, device)) {
        if (!a->used[u].result->is_share)
            return true;
    }
    return false;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static int by_rank(const void *pa, const void *pb, void *arg)
{
    const struct sy_device_slice *x = ((const struct ranked *)pa)->slice;
    const struct sy_device_slice *y = ((const struct ranked *)pb)->slice;
    const struct sy_allocator *a = arg;
    int r = strcmp(text(a, x->driver), text(a, y->driver));

    if (!r)
        r = strcmp(text(a, x->pool), text(a, y->pool));
    return r ? r : strcmp(text(a, x->name), text(a, y->name));
}

static int gather_slices(struct sy_allocator *a, uint32_t *ret_devices)
{
    const union sy_devices_object *o;
    uint32_t at = 0, len = 0, counters = 0;

    while ((o = sy_devices_next(a->cluster, SY_DEVICES_SLICE, &at))) {
        counters += o->slice.counters_len;
        len++;
    }
    a->counters = sy_arena_array(a->arena, counters + 1, sizeof(*a->counters));
    a->slices = sy_arena_array(a->arena, len + 1, sizeof(*a->slices));
    a->here = sy_arena_array(a->arena, len + 1, sizeof(*a->here));
    a->pools = sy_arena_array(a->arena, len + 1, sizeof(*a->pools));
    if (!a->slices || !a->here || !a->pools || !a->counters)
        return -ENOMEM;
    at = 0;
    while ((o = sy_devices_next(a->cluster, SY_DEVICES_SLICE, &at)))
        a->slices[a->slices_len++].slice = &o->slice;
    qsort_r(a->slices, a->slices_len, sizeof(*a->slices), by_rank, a);
    *ret_devices = 0;
    for (uint32_t i = 0; i < a->slices_len; i++) {
        a->slices[i].first_device = *ret_devices;
        *ret_devices += a->slices[i].slice->devices_len;
    }
    return 0;
}

static bool reaches(const struct sy_allocator *a, const struct sy_device_nodes *from)
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
        return reaches(a, &s->nodes);
    for (uint32_t i = 0; s->nodes_per_device && i < s->devices_len; i++) {
        if (reaches(a, &s->devices[i].nodes))
            return true;
    }
    return false;
}

static bool same_pool(const struct sy_device_slice *x, const struct sy_device_slice *y)
{
    return x->driver == y->driver && x->pool == y->pool;
}

/* All slices of a pool stand together: the range of ranks around one of them. */
static void range_of(const struct sy_allocator *a, uint32_t rank, uint32_t *first, uint32_t *end)
{
    *first = rank;
    *end = rank + 1;
    while (*first && same_pool(a->slices[*first - 1].slice, a->slices[rank].slice))
        --*first;
    while (*end < a->slices_len && same_pool(a->slices[*end].slice, a->slices[rank].slice))
        ++*end;
}

static bool counters_ok(const struct sy_allocator *a, const struct pool *p, uint32_t first,
                        uint32_t end, const struct sy_device *d)
{
    (void)p;
    for (uint32_t i = 0; i < d->counters_len; i++) {
        bool found = false;
        for (uint32_t s = first; s < end && !found; s++) {
            const struct sy_device_slice *slice = a->slices[s].slice;
            for (uint32_t k = 0; slice->pool_generation == p->generation && k < slice->counters_len;
                 k++)
                found |= slice->counters[k].set == d->counters[i].set &&
                         slice->counters[k].name == d->counters[i].name;
        }
        if (!found)
            return false;
    }
    return true;
}

/* A device's name comes once in a pool; counters that devices take are there. */
static bool is_valid(const struct sy_allocator *a, const struct pool *p, uint32_t first,
                     uint32_t end)
{
    for (uint32_t s = first; s < end; s++) {
        const struct sy_device_slice *slice = a->slices[s].slice;
        if (slice->pool_generation != p->generation || slice->counters_len)
            continue;
        for (uint32_t i = 0; i < slice->devices_len; i++) {
            if (slice->devices[i].counters_len &&
                !counters_ok(a, p, first, end, &slice->devices[i]))
                return false;
        }
    }
    for (uint32_t h = p->first; h < p->first + p->len; h++) {
        const struct sy_device_slice *x = a->slices[a->here[h]].slice;
        for (uint32_t i = 0; i < x->devices_len; i++) {
            for (uint32_t g = p->first; g <= h; g++) {
                const struct sy_device_slice *y = a->slices[a->here[g]].slice;
                for (uint32_t j = 0; j < (g == h ? i : y->devices_len); j++) {
                    if (y->devices[j].name == x->devices[i].name)
                        return false;
                }
            }
        }
    }
    return true;
}

/* Appends the pool around the slices within reach from here[from] on, unless it is obsolete. Only
 * its newest generation stays in `here`. */
static void add_pool(struct sy_allocator *a, uint32_t from)
{
    const struct sy_device_slice *any = a->slices[a->here[from]].slice;
    struct pool p = {.first = from, .driver = any->driver, .name = any->pool};
    uint32_t first, end, kept = from, same = 0;
    int64_t expected = 0;

    p.generation = any->pool_generation;
    for (uint32_t h = from; h < a->here_len; h++) {
        int64_t g = a->slices[a->here[h]].slice->pool_generation;
        p.generation = g > p.generation ? g : p.generation;
    }
    range_of(a, a->here[from], &first, &end);
    for (uint32_t h = from; h < a->here_len; h++) {
        const struct sy_device_slice *s = a->slices[a->here[h]].slice;
        if (s->pool_generation != p.generation)
            continue;
        if (kept == from)
            expected = s->pool_slices;
        for (uint32_t i = 0; i < s->devices_len; i++)
            p.has_conditions |= s->devices[i].conditions_len != 0;
        a->here[kept++] = a->here[h];
    }
    a->here_len = kept;
    p.len = kept - from;
    if ((int64_t)p.len != expected) {
        for (uint32_t s = first; s < end; s++) {
            if (a->slices[s].slice->pool_generation > p.generation) {
                a->here_len = from; /* being replaced */
                return;
            }
            same += a->slices[s].slice->pool_generation == p.generation &&
                    !a->slices[s].slice->has_groups;
        }
        p.is_incomplete = (int64_t)same != expected;
    }
    p.is_invalid = !p.is_incomplete && !is_valid(a, &p, first, end);
    a->pools[a->pools_len++] = p;
}

static void gather_pools(struct sy_allocator *a)
{
    uint32_t start = 0;

    a->here_len = a->pools_len = 0;
    for (uint32_t s = 0; s < a->slices_len; s++) {
        if (a->here_len > start &&
            !same_pool(a->slices[a->here[start]].slice, a->slices[s].slice)) {
            add_pool(a, start);
            start = a->here_len;
        }
        if (is_relevant(a, a->slices[s].slice))
            a->here[a->here_len++] = s;
    }
    if (a->here_len > start)
        add_pool(a, start);
    /* Pools whose devices may not be ready come last. Stable, and there are few pools. */
    for (uint32_t i = 1; i < a->pools_len; i++) {
        struct pool p = a->pools[i];
        uint32_t to = i;
        for (; to && a->pools[to - 1].has_conditions && !a->pools[to - 1].is_incomplete &&
               !(p.has_conditions && !p.is_incomplete);
             to--)
            a->pools[to] = a->pools[to - 1];
        a->pools[to] = p;
    }
}

/* ---- selectors ------------------------------------------------------------------------------- */

static int compile(struct sy_allocator *a, const struct sy_device_selectors *s,
                   struct programs *ret)
{
    *ret = (struct programs){.texts = s};
    if (!s->len)
        return 0;
    ret->p = sy_arena_array(a->arena, s->len, sizeof(*ret->p));
    return ret->p ? 0 : -ENOMEM;
}

/* 1, 0 or an error. what: "class gpu" or "claim ns/name". */
static int selectors_match(struct sy_allocator *a, struct programs *programs, const char *what,
                           const struct sy_device_slice *slice, const struct sy_device *d)
{
    for (uint32_t i = 0; i < programs->texts->len; i++) {
        struct sy_err err = {0};
        bool match = false;
        int r = 0;
        if (!programs->p[i])
            r = sy_cel_compile(a->arena, programs->texts->p[i], &programs->p[i], &err);
        if (r < 0)
            return sy_err_set(a->err, r, "%s: selector #%u: CEL compile error: %s", what, i,
                              err.msg);
        r = sy_cel_matches(programs->p[i], a->cluster->strings, slice->driver, d, a->arena, &match,
                           &err);
        if (r < 0)
            return sy_err_set(
                a->err, r, "%s: selector #%u on device %s/%s/%s: CEL runtime error: %s", what, i,
                text(a, slice->driver), text(a, slice->pool), text(a, d->name), err.msg);
        if (!match)
            return 0;
    }
    return 1;
}

/* 1, 0 or an error: whether a device is one that the request asks for, in use or not. */
static int is_selectable(struct sy_allocator *a, struct want *w, uint32_t rank, uint32_t index)
{
    const struct sy_device_slice *slice = a->slices[rank].slice;
    const struct sy_device *d = &slice->devices[index];
    int8_t *known = &w->matches[a->slices[rank].first_device + index];
    char what[256];

    if (!*known) {
        snprintf(what, sizeof(what), "class %s", text(a, w->class->name));
        int r = selectors_match(a, &w->of_class, what, slice, d);
        if (r > 0) {
            snprintf(what, sizeof(what), "claim %s/%s", text(a, a->claims[w->claim]->ns),
                     text(a, a->claims[w->claim]->name));
            r = selectors_match(a, &w->own, what, slice, d);
        }
        if (r < 0)
            return r;
        *known = r ? 1 : -1;
    }
    return *known > 0 && (!slice->nodes_per_device || reaches(a, &d->nodes));
}

/* ---- what is left of a device ---------------------------------------------------------------- */

static bool same_capacity(const struct sy_capacity *x, const struct sy_capacity *of_device)
{
    return x->name == of_device->name && x->is_qualified == of_device->is_qualified &&
           (!x->is_qualified || x->domain == of_device->domain);
}

/* What a request takes of one capacity: what it asks for, else all. */
static struct sy_exact takes(const struct sy_device_want *w, const struct sy_capacity *c)
{
    for (uint32_t i = 0; i < w->capacity_len; i++) {
        if (same_capacity(&w->capacity[i], c))
            return w->capacity[i].value;
    }
    return c->value;
}

static const struct sy_device_want *want_of(const struct sy_allocator *a,
                                            const struct sy_device_pick *p)
{
    return &a->claims[p->claim]->requests[p->request].wants[p->want];
}

/* 1, 0 or an error: whether a device has as much as is asked for. held: by claims and picks too. */
static int has_capacity(struct sy_allocator *a, const struct want *w,
                        const struct sy_device_slice *slice, const struct sy_device *d, bool held)
{
    uint32_t known = 0;

    for (uint32_t i = 0; i < d->capacity_len; i++) {
        const struct sy_capacity *c = &d->capacity[i];
        struct sy_exact sum = takes(w->want, c);
        bool asked = false;
        for (uint32_t k = 0; k < w->want->capacity_len; k++)
            asked |= same_capacity(&w->want->capacity[k], c);
        known += asked;
        if (c->policy && (asked || d->is_shared))
            return sy_err_set(a->err, -EOPNOTSUPP,
                              "device %s/%s/%s has a request policy for its capacity, which "
                              "steelyard does not follow yet",
                              text(a, slice->driver), text(a, slice->pool), text(a, d->name));
        for (uint32_t u = held ? first_use(a, slice, d) : SY_NONE; u != SY_NONE;
             u = next_use(a, u, slice, d)) {
            const struct sy_device_result *r = a->used[u].result;
            for (uint32_t k = 0; r->is_share && k < r->consumed_len; k++) {
                if (same_capacity(&r->consumed[k], c))
                    sum = sy_exact_add(sum, r->consumed[k].value);
            }
        }
        for (uint32_t k = 0; held && k < a->picks_len; k++) {
            if (a->picks[k].device == d && d->is_shared)
                sum = sy_exact_add(sum, takes(want_of(a, &a->picks[k]), c));
        }
        if (sy_exact_cmp(sum, c->value) > 0)
            return 0;
    }
    return known == w->want->capacity_len;
}

static struct counter *counter_of(struct pool *p, const struct sy_device_counter *c)
{
    for (uint32_t i = 0; i < p->counters_len; i++) {
        if (p->counters[i].is->set == c->set && p->counters[i].is->name == c->name)
            return &p->counters[i];
    }
    return NULL;
}

static void take_counters(struct pool *p, const struct sy_device *d, bool back)
{
    for (uint32_t i = 0; i < d->counters_len; i++) {
        struct counter *c = counter_of(p, &d->counters[i]);
        if (c)
            c->left = back ? sy_exact_add(c->left, d->counters[i].value)
                           : sy_exact_sub(c->left, d->counters[i].value);
    }
}

static void load_counters(struct sy_allocator *a, struct pool *p)
{
    uint32_t first, end;

    range_of(a, a->here[p->first], &first, &end);
    p->counters = a->counters + a->counters_len;
    for (uint32_t s = first; s < end; s++) {
        const struct sy_device_slice *slice = a->slices[s].slice;
        for (uint32_t i = 0; slice->pool_generation == p->generation && i < slice->counters_len;
             i++)
            p->counters[p->counters_len++] =
                (struct counter){&slice->counters[i], slice->counters[i].value};
    }
    for (uint32_t s = first; s < end; s++) {
        const struct sy_device_slice *slice = a->slices[s].slice;
        for (uint32_t i = 0; slice->pool_generation == p->generation && i < slice->devices_len;
             i++) {
            if (first_use(a, slice, &slice->devices[i]) != SY_NONE)
                take_counters(p, &slice->devices[i], false);
        }
    }
    a->counters_len += p->counters_len;
}

/* Whether the device's counters were there; then they are taken. */
static bool try_counters(struct sy_allocator *a, struct pool *p, const struct sy_device *d)
{
    if (!p->counters)
        load_counters(a, p);
    take_counters(p, d, false);
    for (uint32_t i = 0; i < p->counters_len; i++) {
        if (sy_exact_cmp(p->counters[i].left, (struct sy_exact){0}) < 0) {
            take_counters(p, d, true);
            return false;
        }
    }
    return true;
}

static bool is_tolerated(const struct sy_device_want *w, const struct sy_device_taint *t)
{
    for (uint32_t i = 0; i < w->tolerations_len; i++) {
        const struct sy_toleration *k = &w->tolerations[i];
        if ((k->effect && k->effect != t->effect) || (k->key && k->key != t->key))
            continue;
        if (k->op == SY_TOLERATION_EXISTS || (k->op == SY_TOLERATION_EQUAL && k->value == t->value))
            return true;
    }
    return false;
}

static bool is_tainted(const struct sy_device_want *w, const struct sy_device *d)
{
    for (uint32_t i = 0; i < d->taints_len; i++) {
        const struct sy_device_taint *t = &d->taints[i];
        if ((t->effect == SY_EFFECT_NO_EXECUTE || t->effect == SY_EFFECT_NO_SCHEDULE) &&
            !is_tolerated(w, t))
            return true;
    }
    return false;
}

/* ---- constraints ----------------------------------------------------------------------------- */

/* Whether the constraint names REQUEST or REQUEST/ALTERNATIVE. */
static bool concerns(const struct sy_allocator *a, const struct sy_device_constraint *k,
                     const struct sy_device_request *r, const struct sy_device_want *w)
{
    struct sy_str name = sy_strings_get(a->cluster->strings, r->name);
    struct sy_str sub = sy_strings_get(a->cluster->strings, w->name);

    for (uint32_t i = 0; i < k->requests_len; i++) {
        struct sy_str said = sy_strings_get(a->cluster->strings, k->requests[i]);
        if (k->requests[i] == r->name)
            return true;
        if (w->name && said.len == name.len + 1 + sub.len && sy_str_starts(said, name) &&
            said.p[name.len] == '/' && memcmp(said.p + name.len + 1, sub.p, sub.len) == 0)
            return true;
    }
    return !k->requests_len;
}

static const struct sy_attribute *attribute(const struct sy_device *d,
                                            const struct sy_device_constraint *k)
{
    for (uint32_t i = 0; i < d->attributes_len; i++) {
        if (d->attributes[i].domain == k->domain && d->attributes[i].name == k->name)
            return &d->attributes[i];
    }
    return NULL;
}

static bool constraints_hold(const struct sy_allocator *a, const struct want *w,
                             const struct sy_device *d)
{
    const struct sy_device_claim *claim = a->claims[w->claim];

    for (uint32_t i = 0; i < claim->constraints_len; i++) {
        const struct sy_device_constraint *k = &claim->constraints[i];
        if (!concerns(a, k, &claim->requests[w->request], w->want))
            continue;
        const struct sy_attribute *x = attribute(d, k);
        if (!x)
            return false;
        for (uint32_t j = 0; j < a->picks_len; j++) {
            const struct sy_device_pick *p = &a->picks[j];
            if (p->claim != w->claim ||
                !concerns(a, k, &claim->requests[p->request], want_of(a, p)))
                continue;
            const struct sy_attribute *y = attribute(p->device, k);
            if (!y || x->kind == SY_ATTRIBUTE_NONE || x->kind != y->kind || x->text != y->text ||
                x->number != y->number)
                return false;
            break; /* the first one stands for all */
        }
    }
    return true;
}

/* ---- the search ------------------------------------------------------------------------------ */

static bool is_picked(const struct sy_allocator *a, const struct sy_device *d, uint32_t claim)
{
    for (uint32_t i = 0; i < a->picks_len; i++) {
        if (a->picks[i].device == d && (claim == SY_NONE || a->picks[i].claim == claim))
            return true;
    }
    return false;
}

static bool is_free(const struct sy_allocator *a, const struct want *w,
                    const struct sy_device_slice *slice, const struct sy_device *d)
{
    if (w->want->admin_access)
        return d->is_shared || !is_picked(a, d, w->claim);
    return !is_held_alone(a, slice, d) && (d->is_shared || !is_picked(a, d, SY_NONE));
}

/* 1 with the device picked, 0 or an error. must: there is no other that would do. */
static int pick(struct sy_allocator *a, struct want *w, struct pool *pool,
                const struct sy_device_slice *slice, const struct sy_device *d, bool must)
{
    struct sy_device_pick p = {.claim = w->claim,
                               .request = w->request,
                               .want = w->alternative,
                               .slice = slice,
                               .device = d};
    int r;

    if (!is_free(a, w, slice, d))
        return 0;
    bool is_in_use =
        d->is_shared && (first_use(a, slice, d) != SY_NONE || is_picked(a, d, SY_NONE));
    if (d->counters_len && !is_in_use) {
        if (!try_counters(a, pool, d))
            return 0;
        p.takes_counters = true;
    }
    r = !is_tainted(w->want, d);
    if (r && !constraints_hold(a, w, d)) {
        char why[512];
        snprintf(why, sizeof(why),
                 "cannot add device %s/%s/%s because a claim constraint would not be satisfied",
                 text(a, slice->driver), text(a, slice->pool), text(a, d->name));
        r = must ? fail_request(a, w, why) : 0;
    }
    if (r > 0)
        r = has_capacity(a, w, slice, d, true);
    if (r <= 0) {
        if (p.takes_counters)
            take_counters(pool, d, true);
        return r;
    }
    a->picks[a->picks_len++] = p;
    return 1;
}

static void unpick(struct sy_allocator *a, struct pool *pool)
{
    const struct sy_device_pick *p = &a->picks[--a->picks_len];

    if (p->takes_counters)
        take_counters(pool, p->device, true);
}

/* Where the search is: the n-th device of a want, and where to look for it first. */
struct place {
    uint32_t claim, request;
    struct want *want; /* NULL: none of the alternatives is chosen */
    int64_t n;
    uint32_t pool, slice, device;
};

static uint32_t picked_for(const struct sy_allocator *a, uint32_t claim)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < a->picks_len; i++)
        len += a->picks[i].claim == claim;
    return len;
}

static int try_one(struct sy_allocator *a, struct place at);

static int try_next_request(struct sy_allocator *a, struct place at)
{
    return try_one(a, (struct place){.claim = at.claim, .request = at.request + 1});
}

static int try_alternatives(struct sy_allocator *a, struct place at, const struct request *r)
{
    int said = TOO_MANY;

    for (uint32_t i = 0; i < r->wants_len; i++) {
        at.want = &a->wants[r->first_want + i];
        int one = try_one(a, at);
        if (one < 0 || one == FOUND)
            return one;
        if (one != TOO_MANY)
            said = NONE;
    }
    return said;
}

static struct pool *pool_of(struct sy_allocator *a, const struct sy_device_slice *slice)
{
    uint32_t i = 0;

    while (a->pools[i].driver != slice->driver || a->pools[i].name != slice->pool)
        i++;
    return &a->pools[i];
}

static int try_all(struct sy_allocator *a, struct place at)
{
    const struct sy_device_pick *next = &at.want->all[at.n];
    struct pool *pool = pool_of(a, next->slice);
    int r = pick(a, at.want, pool, next->slice, next->device, true);

    if (r <= 0)
        return r;
    at.n++;
    r = try_one(a, at);
    if (r != FOUND)
        unpick(a, pool);
    return r;
}

/* 1 found, or what ends the look at this device: 0 the next may do, else as try_one(). */
static int try_device(struct sy_allocator *a, struct place at, uint32_t rank)
{
    const struct sy_device_slice *slice = a->slices[rank].slice;
    const struct sy_device *d = &slice->devices[at.device];
    struct pool *pool = &a->pools[at.pool];
    int r;

    if (!is_free(a, at.want, slice, d))
        return NONE;
    r = is_selectable(a, at.want, rank, at.device);
    if (r > 0)
        r = has_capacity(a, at.want, slice, d, true);
    if (r > 0)
        r = pick(a, at.want, pool, slice, d, false);
    if (r <= 0)
        return r;
    at.n++;
    at.device++;
    r = try_one(a, at);
    if (r != FOUND)
        unpick(a, pool);
    return r;
}

static int try_devices(struct sy_allocator *a, struct place at)
{
    for (; at.pool < a->pools_len; at.pool++, at.slice = at.device = 0) {
        const struct pool *p = &a->pools[at.pool];
        if (p->is_incomplete || p->is_invalid)
            continue;
        for (; at.slice < p->len; at.slice++, at.device = 0) {
            uint32_t rank = a->here[p->first + at.slice];
            for (; at.device < a->slices[rank].slice->devices_len; at.device++) {
                int r = try_device(a, at, rank);
                if (r)
                    return r;
            }
        }
    }
    return NONE;
}

static int try_one(struct sy_allocator *a, struct place at)
{
    if (++a->steps > SY_ALLOCATE_STEPS_MAX)
        return sy_err_set(a->err, -ETIME, "node %s: allocating devices took more than %d steps",
                          text(a, a->cluster->nodes[a->node].node.name), SY_ALLOCATE_STEPS_MAX);
    if (at.claim == a->claims_len)
        return FOUND;
    if (at.request == a->claims[at.claim]->requests_len) {
        int r = try_one(a, (struct place){.claim = at.claim + 1});
        return r == TOO_MANY ? NONE : r;
    }
    const struct request *r = &a->requests[at.claim][at.request];
    if (!at.want) {
        if (a->claims[at.claim]->requests[at.request].has_alternatives)
            return try_alternatives(a, at, r);
        at.want = &a->wants[r->first_want];
    }
    bool all = at.want->want->mode == SY_DEVICES_ALL;
    if (all && !at.want->count)
        return NONE;
    if (at.n >= at.want->count)
        return try_next_request(a, at);
    if (at.want->count - at.n > SY_ALLOCATE_PER_CLAIM_MAX - (int64_t)picked_for(a, at.claim))
        return TOO_MANY;
    return all ? try_all(a, at) : try_devices(a, at);
}

/* ---- requests -------------------------------------------------------------------------------- */

static int prepare_want(struct sy_allocator *a, struct want *w, uint32_t devices)
{
    const struct sy_device_selectors *s = &w->want->selectors;

    for (uint32_t i = 0; i < s->len; i++) {
        char why[96];
        snprintf(why, sizeof(why), "CEL expression empty (unsupported selector type?)");
        if (!s->p[i].len)
            return fail_request(a, w, why);
    }
    if (!w->want->class)
        return fail_request(a, w, "missing device class name (unsupported request type?)");
    w->class = sy_devices_class(a->cluster, w->want->class);
    if (!w->class)
        return fail_request(a, w, "could not retrieve device class");
    if (w->want->mode == SY_DEVICES_OTHER)
        return fail_request(a, w, "unsupported count mode");
    w->count = w->want->count;
    w->matches = sy_arena_array(a->arena, devices + 1, sizeof(*w->matches));
    if (!w->matches || compile(a, &w->class->selectors, &w->of_class) < 0 ||
        compile(a, s, &w->own) < 0)
        return out_of_room(a, a->err);
    return 0;
}

static int prepare_claim(struct sy_allocator *a, uint32_t c, uint32_t devices)
{
    const struct sy_device_claim *claim = a->claims[c];

    a->requests[c] = sy_arena_array(a->arena, claim->requests_len + 1, sizeof(**a->requests));
    if (!a->requests[c])
        return out_of_room(a, a->err);
    for (uint32_t i = 0; i < claim->requests_len; i++) {
        const struct sy_device_request *r = &claim->requests[i];
        a->requests[c][i] = (struct request){a->wants_len, r->wants_len};
        for (uint32_t j = 0; j < r->wants_len; j++) {
            struct want *w = &a->wants[a->wants_len++];
            *w = (struct want){.want = &r->wants[j], .claim = c, .request = i, .alternative = j};
            int code = prepare_want(a, w, devices);
            if (code < 0)
                return code;
        }
    }
    for (uint32_t i = 0; i < claim->constraints_len; i++) {
        if (!claim->constraints[i].name)
            return sy_err_set(a->err, -EOPNOTSUPP,
                              "claim %s/%s, constraint #%u: steelyard knows matchAttribute only",
                              text(a, claim->ns), text(a, claim->name), i);
    }
    return 0;
}

int sy_allocator_new(const struct sy_cluster *c, struct sy_arena *arena,
                     const struct sy_device_claim *const *claims, uint32_t claims_len,
                     struct sy_allocator **ret, struct sy_err *err)
{
    struct sy_allocator *a = sy_arena_alloc(arena, sizeof(*a));
    uint32_t devices, wants = 0;

    if (!a)
        return sy_err_set(err, sy_arena_why(arena, 1, sizeof(*a)), "out of memory");
    *a = (struct sy_allocator){
        .cluster = c, .arena = arena, .claims = claims, .claims_len = claims_len, .err = err};
    a->name_field = sy_strings_find(c->strings, SY_STR("metadata.name"));
    for (uint32_t i = 0; i < claims_len; i++) {
        for (uint32_t j = 0; j < claims[i]->requests_len; j++)
            wants += claims[i]->requests[j].wants_len;
    }
    a->picks_room = claims_len * SY_ALLOCATE_PER_CLAIM_MAX;
    a->picks = sy_arena_array(arena, a->picks_room + 1, sizeof(*a->picks));
    a->wants = sy_arena_array(arena, wants + 1, sizeof(*a->wants));
    a->requests = sy_arena_array(arena, claims_len + 1, sizeof(*a->requests));
    if (!a->picks || !a->wants || !a->requests || gather_slices(a, &devices) < 0)
        return out_of_room(a, err);
    int r = gather_used(a) < 0 ? out_of_room(a, err) : 0;
    for (uint32_t i = 0; i < claims_len && !r; i++)
        r = prepare_claim(a, i, devices);
    if (r < 0)
        return r;
    *ret = a;
    return 0;
}

/* Finds all devices of a node that a request for All means. */
static int gather_all(struct sy_allocator *a, struct want *w)
{
    char why[512];
    uint32_t room = 0;

    w->count = 0;
    for (uint32_t i = 0; i < a->here_len; i++)
        room += a->slices[a->here[i]].slice->devices_len;
    if (room > w->all_room) {
        w->all_room = room * 2;
        w->all = sy_arena_array(a->arena, w->all_room, sizeof(*w->all));
    }
    if (room && !w->all)
        return out_of_room(a, a->err);
    for (uint32_t p = 0; p < a->pools_len; p++) {
        const struct pool *pool = &a->pools[p];
        if (pool->is_incomplete || pool->is_invalid) {
            snprintf(why, sizeof(why),
                     "asks for all devices, but resource pool %s/%s is currently %s",
                     text(a, pool->driver), text(a, pool->name),
                     pool->is_incomplete ? "being updated" : "invalid");
            return fail_request(a, w, why);
        }
        for (uint32_t s = 0; s < pool->len; s++) {
            uint32_t rank = a->here[pool->first + s];
            const struct sy_device_slice *slice = a->slices[rank].slice;
            for (uint32_t i = 0; i < slice->devices_len; i++) {
                int r = is_selectable(a, w, rank, i);
                if (r > 0)
                    r = has_capacity(a, w, slice, &slice->devices[i], false);
                if (r < 0)
                    return r;
                if (r)
                    w->all[w->count++] =
                        (struct sy_device_pick){.slice = slice, .device = &slice->devices[i]};
            }
        }
    }
    return 0;
}

/* What a claim asks for at least must fit into one. */
static int check_sizes(struct sy_allocator *a)
{
    for (uint32_t c = 0; c < a->claims_len; c++) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < a->claims[c]->requests_len; i++) {
            const struct request *r = &a->requests[c][i];
            int64_t least = INT64_MAX;
            for (uint32_t j = 0; j < r->wants_len; j++) {
                struct want *w = &a->wants[r->first_want + j];
                int code = w->want->mode == SY_DEVICES_ALL ? gather_all(a, w) : 0;
                if (code < 0)
                    return code;
                least = w->count < least ? w->count : least;
            }
            if (least > SY_ALLOCATE_PER_CLAIM_MAX - sum)
                return sy_err_set(a->err, -EINVAL,
                                  "claim %s/%s, request %s: adding %lld devices exceeds the claim "
                                  "limit of %d, with %lld already accounted for",
                                  text(a, a->claims[c]->ns), text(a, a->claims[c]->name),
                                  text(a, a->claims[c]->requests[i].name), (long long)least,
                                  SY_ALLOCATE_PER_CLAIM_MAX, (long long)sum);
            sum += least;
        }
    }
    return 0;
}

int sy_allocator_try(struct sy_allocator *a, uint32_t node, const struct sy_device_pick **ret_picks,
                     uint32_t *ret_len, struct sy_err *err)
{
    a->node = node;
    a->err = err;
    a->picks_len = 0;
    a->counters_len = 0;
    a->steps = 0;
    gather_pools(a);
    int r = check_sizes(a);
    if (r < 0)
        return r;
    r = try_one(a, (struct place){0});
    if (r < 0)
        return r;
    if (r == TOO_MANY)
        return sy_err_set(err, -EINVAL, "allocation max size exceeded");
    if (r != FOUND) {
        for (uint32_t i = 0; i < a->pools_len; i++) {
            if (a->pools[i].is_invalid)
                return sy_err_set(err, -ENODEV, "invalid resource pools were encountered");
        }
        return 0;
    }
    *ret_picks = a->picks;
    *ret_len = a->picks_len;
    return 1;
}
