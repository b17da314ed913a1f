/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left of a device that is shared, and how much of it one request takes. Source:
 * structured/internal/incubating/consumable_capacity.go in k8s.io/dynamic-resource-allocation
 * v0.37.2. */
#include <errno.h>
#include <stdio.h>

#include "cluster/allocate_int.h"
#include "cluster/cluster.h"

enum { REASON_MAX = 256 };

/* ---- who holds a device ---------------------------------------------------------------------- */

static uint32_t first_use(const struct sy_allocator *a, const struct sy_device_slice *slice,
                          const struct sy_device *d)
{
    return sy_device_index_use(a->cluster, slice->driver, slice->pool, d->name);
}

static bool is_held(const struct sy_allocator *a, const struct sy_device_slice *slice,
                    const struct sy_device *d, bool shared)
{
    const struct sy_device_use *uses = a->cluster->devices.index.uses.p;

    for (uint32_t u = first_use(a, slice, d); u != SY_NONE; u = uses[u].next) {
        if (uses[u].result->is_share == shared)
            return true;
    }
    return false;
}

bool sy_alloc_is_held_alone(const struct sy_allocator *a, const struct sy_device_slice *slice,
                            const struct sy_device *d)
{
    return is_held(a, slice, d, false);
}

bool sy_alloc_is_held_shared(const struct sy_allocator *a, const struct sy_device_slice *slice,
                             const struct sy_device *d)
{
    return is_held(a, slice, d, true);
}

/* ---- policies -------------------------------------------------------------------------------- */

/* Ranges are counted in whole units. Thousandths (DRAFractionalCapacityRange) are on by default
 * only where the minimum compatibility version is 1.37; that of a v1.37 control plane is 1.36. */

static int64_t up(struct sy_exact e)
{
    return e.nano && e.whole < INT64_MAX ? e.whole + 1 : e.whole;
}

static int not_representable(struct sy_exact asked, char why[REASON_MAX])
{
    struct sy_buf text;

    sy_buf_init(&text, 128);
    sy_exact_print(asked, &text);
    snprintf(why, REASON_MAX,
             "capacity request cannot be represented in the device's range arithmetic: rounding "
             "request %s up to the next step passes MaxInt64",
             text.p ? text.p : "?");
    sy_buf_done(&text);
    return -ERANGE;
}

/* Up to the next step of the range. */
static int round_up(const struct sy_capacity_policy *p, struct sy_exact asked, struct sy_exact *ret,
                    char why[REASON_MAX])
{
    int64_t min = up(p->min), step = up(p->step);

    *ret = sy_exact_cmp(asked, p->min) < 0 ? p->min : asked;
    if (sy_exact_cmp(asked, p->min) < 0 || !p->has_step || step <= 0)
        return 0; /* the API server admits no step of 0 */
    __int128 steps = ((__int128)up(asked) - min + step - 1) / step;
    __int128 rounded = min + steps * step;
    if (rounded > INT64_MAX)
        return not_representable(asked, why);
    *ret = (struct sy_exact){.whole = (int64_t)rounded, .is_binary = p->step.is_binary};
    return 0;
}

static bool breaks_range(const struct sy_capacity_policy *p, struct sy_exact amount)
{
    int64_t step = up(p->step);

    if (p->has_max && sy_exact_cmp(amount, p->max) > 0)
        return true;
    return p->has_step && step > 0 && ((__int128)up(amount) - up(p->min)) % step != 0;
}

static bool breaks_policy(const struct sy_capacity_policy *p, struct sy_exact amount)
{
    if (!p || (p->has_default && sy_exact_cmp(amount, p->by_default) == 0))
        return false;
    if (p->has_range)
        return breaks_range(p, amount);
    for (uint32_t i = 0; i < p->values_len; i++) {
        if (sy_exact_cmp(amount, p->values[i]) == 0)
            return false;
    }
    return p->values_len != 0;
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool same_capacity(const struct sy_capacity *x, const struct sy_capacity *of_device)
{
    return x->name == of_device->name && x->is_qualified == of_device->is_qualified &&
           (!x->is_qualified || x->domain == of_device->domain);
}

static const struct sy_exact *asked_of(const struct sy_device_want *w, const struct sy_capacity *c)
{
    for (uint32_t i = 0; i < w->capacity_len; i++) {
        if (same_capacity(&w->capacity[i], c))
            return &w->capacity[i].value;
    }
    return NULL;
}

/* What a request takes of one capacity. 0, or -ERANGE with why. */
static int takes(const struct sy_device_want *w, const struct sy_capacity *c, struct sy_exact *ret,
                 char why[REASON_MAX])
{
    const struct sy_exact *asked = asked_of(w, c);
    const struct sy_capacity_policy *p = c->policy;
    int r = 0;

    *ret = asked ? *asked : p && p->has_default ? p->by_default : c->value;
    if (asked && p && p->has_range && p->has_min) {
        r = round_up(p, *asked, ret, why);
    } else if (asked && p && p->values_len) {
        for (uint32_t i = 0; i < p->values_len; i++) {
            if (sy_exact_cmp(*asked, p->values[i]) <= 0) {
                *ret = p->values[i];
                break;
            }
        }
    }
    if (r == 0 && ret->whole < 0) {
        snprintf(why, REASON_MAX, "capacity value is negative");
        r = -ERANGE;
    }
    return r;
}

static int fail_capacity(struct sy_allocator *a, const struct sy_alloc_want *w,
                         const struct sy_device_slice *slice, const struct sy_device *d,
                         const struct sy_capacity *c, bool whole_name, const char *why)
{
    char what[SY_ERR_MSG_MAX];

    snprintf(what, sizeof(what), "checking capacity for device %s%s%s%s%s: capacity \"%s%s%s\": %s",
             whole_name ? sy_alloc_text(a, slice->driver) : "", whole_name ? "/" : "",
             whole_name ? sy_alloc_text(a, slice->pool) : "", whole_name ? "/" : "",
             sy_alloc_text(a, d->name), c->is_qualified ? sy_alloc_text(a, c->domain) : "",
             c->is_qualified ? "/" : "", sy_alloc_text(a, c->name), why);
    return sy_alloc_fail_request(a, w, what);
}

/* What claims and picks hold of one capacity of a device. */
static struct sy_exact held_of(const struct sy_allocator *a, const struct sy_device_slice *slice,
                               const struct sy_device *d, const struct sy_capacity *c)
{
    const struct sy_device_use *uses = a->cluster->devices.index.uses.p;
    struct sy_exact sum = {0}, one;
    char why[REASON_MAX];

    for (uint32_t u = first_use(a, slice, d); u != SY_NONE; u = uses[u].next) {
        const struct sy_device_result *r = uses[u].result;
        for (uint32_t k = 0; r->is_share && k < r->consumed_len; k++) {
            if (same_capacity(&r->consumed[k], c))
                sum = sy_exact_add(sum, r->consumed[k].value);
        }
    }
    for (uint32_t k = 0; d->is_shared && k < a->picks_len; k++) {
        if (a->picks[k].device == d && takes(sy_alloc_want_of(a, &a->picks[k]), c, &one, why) == 0)
            sum = sy_exact_add(sum, one);
    }
    return sum;
}

int sy_alloc_has_capacity(struct sy_allocator *a, const struct sy_alloc_want *w,
                          const struct sy_device_slice *slice, const struct sy_device *d, bool held,
                          bool whole_name)
{
    char why[REASON_MAX];
    struct sy_exact taken;
    uint32_t known = 0;

    for (uint32_t i = 0; i < d->capacity_len; i++)
        known += asked_of(w->want, &d->capacity[i]) != NULL;
    if (known != w->want->capacity_len)
        return 0;
    /* What cannot be had of any capacity fails before what is merely too little of another. */
    for (uint32_t i = 0; i < d->capacity_len; i++) {
        if (takes(w->want, &d->capacity[i], &taken, why) < 0)
            return fail_capacity(a, w, slice, d, &d->capacity[i], whole_name, why);
    }
    for (uint32_t i = 0; i < d->capacity_len; i++) {
        const struct sy_capacity *c = &d->capacity[i];
        if (takes(w->want, c, &taken, why) < 0 || breaks_policy(c->policy, taken))
            return 0;
        if (held)
            taken = sy_exact_add(taken, held_of(a, slice, d, c));
        if (sy_exact_cmp(taken, c->value) > 0)
            return 0;
    }
    return 1;
}

int sy_alloc_note_consumed(struct sy_allocator *a, struct sy_device_pick *p)
{
    const struct sy_device *d = p->device;
    char why[REASON_MAX];

    p->consumed = NULL;
    p->consumed_len = 0;
    if (!d->is_shared || !d->capacity_len)
        return 0;
    struct sy_capacity *consumed = sy_arena_array(a->arena, d->capacity_len, sizeof(*consumed));
    if (!consumed)
        return sy_alloc_out_of_room(a);
    for (uint32_t i = 0; i < d->capacity_len; i++) {
        consumed[i] = d->capacity[i];
        consumed[i].policy = NULL;
        if (takes(sy_alloc_want_of(a, p), &d->capacity[i], &consumed[i].value, why) < 0)
            return sy_err_set(a->err, -EINVAL, "%s", why);
    }
    p->consumed = consumed;
    p->consumed_len = d->capacity_len;
    return 0;
}
