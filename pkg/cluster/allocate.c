/* SPDX-License-Identifier: Apache-2.0
 *
 * The search for devices. What is chosen so far is a stack of picks, and all that a choice uses up
 * (the device, its counters, its capacity, what a constraint is tied to) is read off that stack, so
 * going back is popping it. */
#include "cluster/allocate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/allocate_int.h"

/* cel/errors.go, EnhanceRuntimeError */
static const char MISSING_KEY_HINT[] =
    ". consider using CEL optional chaining (.? followed by orValue()) or guarding the check with "
    "has() for optional fields";

/* What try_one() says. */
enum { NONE = 0, FOUND = 1, TOO_MANY = 2 /* devices for one claim */ };

int sy_alloc_out_of_room(struct sy_allocator *a)
{
    return sy_err_set(a->err, sy_arena_why(a->arena, 1, 1),
                      "allocating devices takes too much memory");
}

int sy_alloc_fail_request(struct sy_allocator *a, const struct sy_alloc_want *w, const char *what)
{
    const struct sy_device_claim *claim = a->claims[w->claim];
    const struct sy_device_request *r = &claim->requests[w->request];

    return sy_err_set(a->err, -EINVAL, "claim %s/%s, request %s: %s", sy_alloc_text(a, claim->ns),
                      sy_alloc_text(a, claim->name),
                      sy_alloc_text(a, w->want->name ? w->want->name : r->name), what);
}

/* ---- selectors ------------------------------------------------------------------------------- */

static int compile(struct sy_allocator *a, const struct sy_device_selectors *s,
                   struct sy_programs *ret)
{
    *ret = (struct sy_programs){.texts = s};
    if (!s->len)
        return 0;
    ret->p = sy_arena_array(a->arena, s->len, sizeof(*ret->p));
    return ret->p ? 0 : -ENOMEM;
}

/* 1, 0 or an error. what: "class gpu" or "claim ns/name". */
static int selectors_match(struct sy_allocator *a, struct sy_programs *programs, const char *what,
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
            return sy_err_set(a->err, r,
                              "%s: selector #%u on device %s/%s/%s: CEL runtime error: %s%s", what,
                              i, sy_alloc_text(a, slice->driver), sy_alloc_text(a, slice->pool),
                              sy_alloc_text(a, d->name), err.msg,
                              strstr(err.msg, "no such key:") ? MISSING_KEY_HINT : "");
        if (!match)
            return 0;
    }
    return 1;
}

/* Whether the selectors take each of a slice's devices, once asked; NULL without room. */
static int8_t *matches_of(struct sy_allocator *a, struct sy_alloc_want *w, uint32_t slot)
{
    if (!w->matches[slot])
        w->matches[slot] =
            sy_arena_array(a->arena, sy_alloc_slice(a, slot)->devices_len, sizeof(**w->matches));
    return w->matches[slot];
}

/* 1, 0 or an error: whether a device is one that the request asks for, in use or not. */
static int is_selectable(struct sy_allocator *a, struct sy_alloc_want *w, uint32_t slot,
                         uint32_t index)
{
    const struct sy_device_slice *slice = sy_alloc_slice(a, slot);
    const struct sy_device *d = &slice->devices[index];
    int8_t *known = matches_of(a, w, slot);
    char what[256];

    if (!known)
        return sy_alloc_out_of_room(a);
    if (!known[index]) {
        snprintf(what, sizeof(what), "class %s", sy_alloc_text(a, w->class->name));
        int r = selectors_match(a, &w->of_class, what, slice, d);
        if (r > 0) {
            snprintf(what, sizeof(what), "claim %s/%s", sy_alloc_text(a, a->claims[w->claim]->ns),
                     sy_alloc_text(a, a->claims[w->claim]->name));
            r = selectors_match(a, &w->own, what, slice, d);
        }
        if (r < 0)
            return r;
        known[index] = r ? 1 : -1;
    }
    return known[index] > 0 && (!slice->nodes_per_device || sy_alloc_reaches(a, &d->nodes));
}

/* ---- taints ---------------------------------------------------------------------------------- */

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

static bool keeps_off(const struct sy_device_want *w, const struct sy_device_taint *t)
{
    return (t->effect == SY_EFFECT_NO_EXECUTE || t->effect == SY_EFFECT_NO_SCHEDULE) &&
           !is_tolerated(w, t);
}

static bool selects(const struct sy_device_taint_rule *rule, const struct sy_device_slice *slice,
                    const struct sy_device *d)
{
    return rule->has_selector && (!rule->driver || rule->driver == slice->driver) &&
           (!rule->pool || rule->pool == slice->pool) && (!rule->device || rule->device == d->name);
}

static bool is_tainted(const struct sy_allocator *a, const struct sy_device_want *w,
                       const struct sy_device_slice *slice, const struct sy_device *d)
{
    const union sy_devices_object *o;
    uint32_t at = 0;

    for (uint32_t i = 0; i < d->taints_len; i++) {
        if (keeps_off(w, &d->taints[i]))
            return true;
    }
    while ((o = sy_devices_next(a->cluster, SY_DEVICES_RULE, &at))) {
        if (selects(&o->rule, slice, d) && keeps_off(w, &o->rule.taint))
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

static bool is_equal(const struct sy_attribute *x, const struct sy_attribute *y)
{
    return x->kind == y->kind && x->text == y->text && x->number == y->number;
}

/* Whether the attribute goes with that of a device picked before. */
static bool goes_with(const struct sy_device_constraint *k, const struct sy_attribute *x,
                      const struct sy_attribute *y)
{
    if (!y || x->kind == SY_ATTRIBUTE_NONE)
        return false;
    return is_equal(x, y) != k->is_distinct;
}

static bool constraints_hold(const struct sy_allocator *a, const struct sy_alloc_want *w,
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
                !concerns(a, k, &claim->requests[p->request], sy_alloc_want_of(a, p)))
                continue;
            if (!goes_with(k, x, attribute(p->device, k)))
                return false;
            if (!k->is_distinct)
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

static bool is_free(const struct sy_allocator *a, const struct sy_alloc_want *w,
                    const struct sy_device_slice *slice, const struct sy_device *d)
{
    if (w->want->admin_access)
        return d->is_shared || !is_picked(a, d, w->claim);
    return !sy_alloc_is_held_alone(a, slice, d) && (d->is_shared || !is_picked(a, d, SY_NONE));
}

/* 1 with the device picked, 0 or an error. must: there is no other that would do. */
static int pick(struct sy_allocator *a, struct sy_alloc_want *w, struct sy_alloc_pool *pool,
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
    /* Who shares a device has not to pay its counters again. */
    bool is_paid =
        d->is_shared && (sy_alloc_is_held_shared(a, slice, d) || is_picked(a, d, SY_NONE));
    if (d->counters_len && !is_paid) {
        r = sy_alloc_take_counters(a, pool, d);
        if (r <= 0)
            return r;
        p.counters = pool->counters;
    }
    r = !is_tainted(a, w->want, slice, d);
    if (r && !constraints_hold(a, w, d)) {
        char why[512];
        snprintf(why, sizeof(why),
                 "cannot add device %s/%s/%s because a claim constraint would not be satisfied",
                 sy_alloc_text(a, slice->driver), sy_alloc_text(a, slice->pool),
                 sy_alloc_text(a, d->name));
        r = must ? sy_alloc_fail_request(a, w, why) : 0;
    }
    if (r > 0)
        r = sy_alloc_has_capacity(a, w, slice, d, true, true);
    if (r <= 0) {
        if (p.counters)
            sy_alloc_return_counters(p.counters, d);
        return r;
    }
    a->picks[a->picks_len++] = p;
    return 1;
}

static void unpick(struct sy_allocator *a)
{
    const struct sy_device_pick *p = &a->picks[--a->picks_len];

    if (p->counters)
        sy_alloc_return_counters(p->counters, p->device);
}

/* Where the search is: the n-th device of a want, and where to look for it first. */
struct place {
    uint32_t claim, request;
    struct sy_alloc_want *want; /* NULL: none of the alternatives is chosen */
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

static int try_alternatives(struct sy_allocator *a, struct place at,
                            const struct sy_alloc_request *r)
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

static struct sy_alloc_pool *pool_of(struct sy_allocator *a, const struct sy_device_slice *slice)
{
    uint32_t i = 0;

    while (a->pools[i].pool->driver != slice->driver || a->pools[i].pool->name != slice->pool)
        i++;
    return &a->pools[i];
}

static int try_all(struct sy_allocator *a, struct place at)
{
    const struct sy_device_pick *next = &at.want->all[at.n];
    int r = pick(a, at.want, pool_of(a, next->slice), next->slice, next->device, true);

    if (r <= 0)
        return r;
    at.n++;
    r = try_one(a, at);
    if (r != FOUND)
        unpick(a);
    return r;
}

/* 1 found, or what ends the look at this device: 0 the next may do, else as try_one(). */
static int try_device(struct sy_allocator *a, struct place at, uint32_t slot)
{
    const struct sy_device_slice *slice = sy_alloc_slice(a, slot);
    const struct sy_device *d = &slice->devices[at.device];
    int r;

    if (!is_free(a, at.want, slice, d))
        return NONE;
    r = is_selectable(a, at.want, slot, at.device);
    if (r > 0)
        r = sy_alloc_has_capacity(a, at.want, slice, d, true, true);
    if (r > 0)
        r = pick(a, at.want, &a->pools[at.pool], slice, d, false);
    if (r <= 0)
        return r;
    at.n++;
    at.device++;
    r = try_one(a, at);
    if (r != FOUND)
        unpick(a);
    return r;
}

static int try_devices(struct sy_allocator *a, struct place at)
{
    for (; at.pool < a->pools_len; at.pool++, at.slice = at.device = 0) {
        const struct sy_alloc_pool *p = &a->pools[at.pool];
        if (p->is_incomplete || p->is_invalid)
            continue;
        for (; at.slice < p->len; at.slice++, at.device = 0) {
            uint32_t slot = a->here[p->first + at.slice];
            const struct sy_device_slice *slice = sy_alloc_slice(a, slot);
            for (; at.device < slice->devices_len && !slice->counters_len; at.device++) {
                int r = try_device(a, at, slot);
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
                          sy_alloc_text(a, a->cluster->nodes[a->node].node.name),
                          SY_ALLOCATE_STEPS_MAX);
    if (at.claim == a->claims_len)
        return FOUND;
    if (at.request == a->claims[at.claim]->requests_len) {
        int r = try_one(a, (struct place){.claim = at.claim + 1});
        return r == TOO_MANY ? NONE : r;
    }
    const struct sy_alloc_request *r = &a->requests[at.claim][at.request];
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

static int prepare_want(struct sy_allocator *a, struct sy_alloc_want *w)
{
    const struct sy_device_selectors *s = &w->want->selectors;
    size_t slices = a->cluster->devices.tables[SY_DEVICES_SLICE].all.len;

    for (uint32_t i = 0; i < s->len; i++) {
        char why[96];
        snprintf(why, sizeof(why),
                 "selector #%u: CEL expression empty (unsupported selector type?)", i);
        if (!s->p[i].len)
            return sy_alloc_fail_request(a, w, why);
    }
    if (!w->want->class)
        return sy_alloc_fail_request(a, w, "missing device class name (unsupported request type?)");
    w->class = sy_devices_class(a->cluster, w->want->class);
    if (!w->class)
        return sy_alloc_fail_request(a, w, "could not retrieve device class");
    if (w->want->mode == SY_DEVICES_OTHER)
        return sy_alloc_fail_request(a, w, "unsupported count mode");
    w->count = w->want->count;
    w->matches = sy_arena_array(a->arena, slices + 1, sizeof(*w->matches));
    if (!w->matches || compile(a, &w->class->selectors, &w->of_class) < 0 ||
        compile(a, s, &w->own) < 0)
        return sy_alloc_out_of_room(a);
    return 0;
}

static int prepare_claim(struct sy_allocator *a, uint32_t c)
{
    const struct sy_device_claim *claim = a->claims[c];

    a->requests[c] = sy_arena_array(a->arena, claim->requests_len + 1, sizeof(**a->requests));
    if (!a->requests[c])
        return sy_alloc_out_of_room(a);
    for (uint32_t i = 0; i < claim->requests_len; i++) {
        const struct sy_device_request *r = &claim->requests[i];
        a->requests[c][i] = (struct sy_alloc_request){a->wants_len, r->wants_len};
        for (uint32_t j = 0; j < r->wants_len; j++) {
            struct sy_alloc_want *w = &a->wants[a->wants_len++];
            *w = (struct sy_alloc_want){
                .want = &r->wants[j], .claim = c, .request = i, .alternative = j};
            int code = prepare_want(a, w);
            if (code < 0)
                return code;
        }
    }
    for (uint32_t i = 0; i < claim->constraints_len; i++) {
        if (!claim->constraints[i].name)
            return sy_err_set(
                a->err, -EINVAL,
                "claim %s/%s, constraint #%u: empty constraint (unsupported constraint type?)",
                sy_alloc_text(a, claim->ns), sy_alloc_text(a, claim->name), i);
    }
    return 0;
}

int sy_allocator_new(struct sy_cluster *c, struct sy_arena *arena,
                     const struct sy_device_claim *const *claims, uint32_t claims_len,
                     struct sy_allocator **ret, struct sy_err *err)
{
    struct sy_allocator *a = sy_arena_alloc(arena, sizeof(*a));
    uint32_t wants = 0;

    if (!a)
        return sy_err_set(err, sy_arena_why(arena, 1, sizeof(*a)), "out of memory");
    *a = (struct sy_allocator){
        .cluster = c, .arena = arena, .claims = claims, .claims_len = claims_len, .err = err};
    a->name_field = sy_strings_find(c->strings, SY_STR("metadata.name"));
    for (uint32_t i = 0; i < claims_len; i++) {
        for (uint32_t j = 0; j < claims[i]->requests_len; j++)
            wants += claims[i]->requests[j].wants_len;
    }
    a->picks = sy_arena_array(arena, (size_t)claims_len * SY_ALLOCATE_PER_CLAIM_MAX + 1,
                              sizeof(*a->picks));
    a->wants = sy_arena_array(arena, wants + 1, sizeof(*a->wants));
    a->requests = sy_arena_array(arena, claims_len + 1, sizeof(*a->requests));
    a->counters = sy_arena_array(arena, c->devices.index.pools.len + 1, sizeof(*a->counters));
    if (!a->picks || !a->wants || !a->requests || !a->counters)
        return sy_alloc_out_of_room(a);
    for (uint32_t i = 0; i < claims_len; i++) {
        int r = prepare_claim(a, i);
        if (r < 0)
            return r;
    }
    *ret = a;
    return 0;
}

static int add_all(struct sy_allocator *a, struct sy_alloc_want *w, uint32_t slot)
{
    const struct sy_device_slice *slice = sy_alloc_slice(a, slot);

    for (uint32_t i = 0; i < slice->devices_len && !slice->counters_len; i++) {
        int r = is_selectable(a, w, slot, i);
        if (r > 0)
            r = sy_alloc_has_capacity(a, w, slice, &slice->devices[i], false, false);
        if (r < 0)
            return r;
        if (r)
            w->all[w->count++] =
                (struct sy_device_pick){.slice = slice, .device = &slice->devices[i]};
    }
    return 0;
}

/* Finds all devices of a node that a request for All means. */
static int gather_all(struct sy_allocator *a, struct sy_alloc_want *w)
{
    char why[512];
    uint32_t room = 0;

    w->count = 0;
    for (uint32_t i = 0; i < a->here_len; i++)
        room += sy_alloc_slice(a, a->here[i])->devices_len;
    if (room > w->all_room) {
        w->all_room = room * 2;
        w->all = sy_arena_array(a->arena, w->all_room, sizeof(*w->all));
    }
    if (room && !w->all)
        return sy_alloc_out_of_room(a);
    for (uint32_t p = 0; p < a->pools_len; p++) {
        const struct sy_alloc_pool *pool = &a->pools[p];
        if (pool->is_incomplete || pool->is_invalid) {
            snprintf(why, sizeof(why),
                     "asks for all devices, but resource pool %s/%s is currently %s",
                     sy_alloc_text(a, pool->pool->driver), sy_alloc_text(a, pool->pool->name),
                     pool->is_incomplete ? "being updated" : "invalid");
            return sy_alloc_fail_request(a, w, why);
        }
        for (uint32_t s = 0; s < pool->len; s++) {
            int r = add_all(a, w, a->here[pool->first + s]);
            if (r < 0)
                return r;
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
            const struct sy_alloc_request *r = &a->requests[c][i];
            int64_t least = INT64_MAX;
            for (uint32_t j = 0; j < r->wants_len; j++) {
                struct sy_alloc_want *w = &a->wants[r->first_want + j];
                int code = w->want->mode == SY_DEVICES_ALL ? gather_all(a, w) : 0;
                if (code < 0)
                    return code;
                least = w->count < least ? w->count : least;
            }
            if (least > SY_ALLOCATE_PER_CLAIM_MAX - sum)
                return sy_err_set(a->err, -EINVAL,
                                  "claim %s/%s, request %s: adding %lld devices exceeds the claim "
                                  "limit of %d, with %lld already accounted for",
                                  sy_alloc_text(a, a->claims[c]->ns),
                                  sy_alloc_text(a, a->claims[c]->name),
                                  sy_alloc_text(a, a->claims[c]->requests[i].name),
                                  (long long)least, SY_ALLOCATE_PER_CLAIM_MAX, (long long)sum);
            sum += least;
        }
    }
    return 0;
}

/* What a look at the node found, with what it takes of shared devices. */
static int give_out(struct sy_allocator *a, const struct sy_device_pick **ret_picks,
                    uint32_t *ret_len)
{
    for (uint32_t i = 0; i < a->picks_len; i++) {
        int r = sy_alloc_note_consumed(a, &a->picks[i]);
        if (r < 0)
            return r;
    }
    *ret_picks = a->picks;
    *ret_len = a->picks_len;
    return 1;
}

int sy_allocator_try(struct sy_allocator *a, uint32_t node, const struct sy_device_pick **ret_picks,
                     uint32_t *ret_len, struct sy_err *err)
{
    a->node = node;
    a->err = err;
    a->steps = 0;
    while (a->picks_len) /* of the node before */
        unpick(a);
    int r = sy_alloc_gather_pools(a);
    if (r == 0)
        r = check_sizes(a);
    if (r == 0)
        r = try_one(a, (struct place){0});
    if (r < 0)
        return r;
    if (r == FOUND)
        return give_out(a, ret_picks, ret_len);
    if (r == TOO_MANY)
        return sy_err_set(err, -EINVAL, "allocation max size exceeded");
    for (uint32_t i = 0; i < a->pools_len; i++) {
        if (a->pools[i].is_invalid)
            return sy_err_set(err, -ENODEV, "invalid resource pools were encountered");
    }
    return 0;
}
