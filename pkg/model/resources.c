/* SPDX-License-Identifier: Apache-2.0 */
#include "model/resources.h"

#include "model/sort.h"

#include <errno.h>

static const int64_t NONZERO_CPU_MILLI = 100;
static const int64_t NONZERO_MEMORY_BYTES = 200 * 1024 * 1024;

/* -- lists -- */

static const struct sy_amount *find(struct sy_amounts a, sy_sid resource)
{
    uint32_t low = 0, high = a.len;

    while (high - low > 8) {
        uint32_t middle = low + (high - low) / 2;
        if (a.p[middle].resource <= resource)
            low = middle;
        else
            high = middle;
    }
    for (uint32_t i = low; i < high; i++) {
        if (a.p[i].resource == resource)
            return &a.p[i];
    }
    return NULL;
}

int64_t sy_amounts_get(struct sy_amounts a, sy_sid resource)
{
    const struct sy_amount *found = find(a, resource);

    return found ? found->amount : 0;
}

bool sy_amounts_has(struct sy_amounts a, sy_sid resource)
{
    return find(a, resource);
}

bool sy_amounts_eq(struct sy_amounts a, struct sy_amounts b)
{
    if (a.len != b.len)
        return false;
    for (uint32_t i = 0; i < a.len; i++) {
        if (a.p[i].resource != b.p[i].resource || a.p[i].amount != b.p[i].amount)
            return false;
    }
    return true;
}

uint32_t sy_amounts_sort(struct sy_amount *p, uint32_t len)
{
    return sy_sort_unique(p, len, sizeof(*p));
}

/* -- accumulators: sorted lists that grow in place, with room for all that may come -- */

struct total {
    struct sy_amount *p;
    uint32_t len;
};

enum combine { SUM, MAX, REPLACE };

static int64_t combined(enum combine how, int64_t old, int64_t new)
{
    switch (how) {
    case SUM:
        return sy_add_saturate(old, new);
    case MAX:
        return old > new ? old : new;
    default:
        return new;
    }
}

/* Merges `more` into t from the back, so that nothing is moved twice. */
static void merge(struct total *t, struct sy_amounts more, enum combine how)
{
    uint32_t i = 0, added = 0;

    for (uint32_t j = 0; j < more.len; j++) {
        while (i < t->len && t->p[i].resource < more.p[j].resource)
            i++;
        if (i < t->len && t->p[i].resource == more.p[j].resource)
            t->p[i].amount = combined(how, t->p[i].amount, more.p[j].amount);
        else
            added++;
    }
    if (!added)
        return;
    uint32_t to = t->len + added, from = t->len, left = more.len;
    t->len = to;
    while (left && to > from) {
        const struct sy_amount *next = &more.p[left - 1];
        if (from && t->p[from - 1].resource >= next->resource) {
            left -= t->p[from - 1].resource == next->resource;
            t->p[--to] = t->p[--from];
        } else {
            t->p[--to] = *next;
            left--;
        }
    }
}

static struct sy_amounts amounts_of(const struct total *t)
{
    return (struct sy_amounts){t->p, t->len};
}

static struct sy_amounts combine_lists(struct sy_arena *arena, struct sy_amounts a,
                                       struct sy_amounts b, enum combine how)
{
    struct sy_amount *p = sy_arena_array(arena, (size_t)a.len + b.len, sizeof(*p));
    struct total t = {p, a.len};

    if (!p)
        return (struct sy_amounts){NULL, UINT32_MAX};
    if (a.len)
        memcpy(p, a.p, a.len * sizeof(*p));
    merge(&t, b, how);
    return amounts_of(&t);
}

struct sy_amounts sy_amounts_sum(struct sy_arena *arena, struct sy_amounts a, struct sy_amounts b)
{
    return combine_lists(arena, a, b, SUM);
}

struct sy_amounts sy_amounts_max(struct sy_arena *arena, struct sy_amounts a, struct sy_amounts b)
{
    return combine_lists(arena, a, b, MAX);
}

/* -- the requests of a pod -- */

void sy_resource_names_init(struct sy_resource_names *n, struct sy_strings *strings)
{
    *n = (struct sy_resource_names){
        .cpu = sy_strings_addz(strings, "cpu"),
        .memory = sy_strings_addz(strings, "memory"),
        .ephemeral_storage = sy_strings_addz(strings, "ephemeral-storage"),
        .pods = sy_strings_addz(strings, "pods"),
        .nvidia_gpu = sy_strings_addz(strings, "nvidia.com/gpu"),
    };
    n->gpus[n->gpus_len++] = n->nvidia_gpu;
}

void sy_resource_names_add_gpus(struct sy_resource_names *n, struct sy_strings *strings,
                                const char *const *names, uint32_t len)
{
    for (uint32_t i = 0; i < len && n->gpus_len < SY_GPU_RESOURCES_MAX; i++) {
        sy_sid id = sy_strings_addz(strings, names[i]);
        if (!sy_resource_is_gpu(n, id))
            n->gpus[n->gpus_len++] = id;
    }
}

void sy_resource_names_mark(const struct sy_resource_names *n, struct sy_strings *strings)
{
    sy_strings_mark(strings, n->cpu);
    sy_strings_mark(strings, n->memory);
    sy_strings_mark(strings, n->ephemeral_storage);
    sy_strings_mark(strings, n->pods);
    for (uint32_t i = 0; i < n->gpus_len; i++)
        sy_strings_mark(strings, n->gpus[i]);
}

/* Which of a container's three lists counts. */
enum view { SPEC, ALLOCATED, ACTUAL };

/* What to work out. */
struct question {
    const struct sy_pod_resources *in;
    const struct sy_resource_names *names;
    const struct sy_strings *strings;
    bool has_pod_level; /* it names a resource that may be set for a whole pod */
    bool nonzero; /* only cpu and memory, with the defaults below where a container has none */
    int64_t default_cpu; /* -1: no default */
    int64_t default_memory;
};

static struct sy_amounts container_list(const struct sy_pod_resources *in,
                                        const struct sy_container *c, enum view view)
{
    if (view == ACTUAL && c->has_status && c->status_requests.len)
        return c->status_requests;
    if (view != SPEC && c->has_status && c->status_allocated.len)
        return c->status_allocated;
    if (view != SPEC && in->resize_infeasible)
        return (struct sy_amounts){NULL, 0};
    return c->requests;
}

/* cpu and memory of list, or their defaults, in room. */
static struct sy_amounts with_defaults(const struct question *q, struct sy_amounts list,
                                       struct sy_amount room[2])
{
    const sy_sid ids[2] = {q->names->cpu, q->names->memory};
    const int64_t defaults[2] = {q->default_cpu, q->default_memory};
    uint32_t len = 0;

    for (int k = 0; k < 2; k++) {
        int i = ids[0] < ids[1] ? k : 1 - k;
        const struct sy_amount *found = find(list, ids[i]);
        if (found)
            room[len++] = *found;
        else if (defaults[i] >= 0)
            room[len++] = (struct sy_amount){ids[i], defaults[i]};
    }
    return (struct sy_amounts){room, len};
}

/* Working memory for one sum over containers. */
struct scratch {
    struct total sum;
    struct total sidecars;
    struct total init_peak;
    struct total one;
};

static void sum_containers(const struct question *q, enum view view, struct scratch *s)
{
    struct sy_amount room[2];

    s->sum.len = s->sidecars.len = s->init_peak.len = 0;
    for (uint32_t i = 0; i < q->in->containers_len; i++) {
        const struct sy_container *c = &q->in->containers[i];
        struct sy_amounts list = container_list(q->in, c, view);
        if (q->nonzero)
            list = with_defaults(q, list, room);
        if (c->kind != SY_CONTAINER_INIT)
            merge(&s->sum, list, SUM);
        if (c->kind == SY_CONTAINER_SIDECAR) {
            merge(&s->sidecars, list, SUM);
            merge(&s->init_peak, amounts_of(&s->sidecars), MAX);
        } else if (c->kind == SY_CONTAINER_INIT) {
            s->one.len = 0;
            merge(&s->one, list, SUM);
            merge(&s->one, amounts_of(&s->sidecars), SUM);
            merge(&s->init_peak, amounts_of(&s->one), MAX);
        }
    }
    merge(&s->sum, amounts_of(&s->init_peak), MAX);
}

/* The sum over containers, with what the statuses say of a resize under way. */
static void all_containers(const struct question *q, bool has_status, struct scratch *s,
                           struct total *out)
{
    const struct sy_pod_resources *in = q->in;

    out->len = 0;
    if (!has_status) {
        sum_containers(q, SPEC, s);
        merge(out, amounts_of(&s->sum), SUM);
        return;
    }
    if (!in->resize_infeasible) {
        sum_containers(q, SPEC, s);
        merge(out, amounts_of(&s->sum), MAX);
    }
    if (in->pod_status_allocated.len && in->pod_status_requests.len) {
        merge(out, in->pod_status_allocated, MAX);
        merge(out, in->pod_status_requests, MAX);
        return;
    }
    sum_containers(q, ALLOCATED, s);
    merge(out, amounts_of(&s->sum), MAX);
    sum_containers(q, ACTUAL, s);
    merge(out, amounts_of(&s->sum), MAX);
}

static bool allowed_at_pod_level(const struct question *q, sy_sid resource)
{
    return resource == q->names->cpu || resource == q->names->memory ||
           sy_str_starts(sy_strings_get(q->strings, resource), SY_STR("hugepages-"));
}

static bool any_allowed_at_pod_level(const struct question *q, struct sy_amounts a)
{
    for (uint32_t i = 0; i < a.len; i++) {
        if (allowed_at_pod_level(q, a.p[i].resource))
            return true;
    }
    return false;
}

static void apply_pod_level(const struct question *q, struct total *effective, struct total *out)
{
    const struct sy_pod_resources *in = q->in;
    uint32_t kept = 0;

    effective->len = 0;
    /* With a status, an infeasible resize leaves out what the spec says. */
    if (!in->pod_status_requests.len || !in->resize_infeasible)
        merge(effective, in->pod_level, MAX);
    if (in->pod_status_requests.len) {
        merge(effective, in->pod_status_requests, MAX);
        merge(effective, in->pod_status_allocated, MAX);
    }
    for (uint32_t i = 0; i < effective->len; i++) {
        if (allowed_at_pod_level(q, effective->p[i].resource))
            effective->p[kept++] = effective->p[i];
    }
    effective->len = kept;
    merge(out, amounts_of(effective), REPLACE);
}

static void answer(const struct question *q, bool has_status, struct scratch *s, struct total *out)
{
    all_containers(q, has_status, s, out);
    if (q->has_pod_level)
        apply_pod_level(q, &s->one, out);
    merge(out, q->in->overhead, SUM);
}

static bool any_status(const struct sy_pod_resources *in)
{
    if (in->resize_infeasible || (in->pod_status_allocated.len && in->pod_status_requests.len))
        return true;
    for (uint32_t i = 0; i < in->containers_len; i++) {
        const struct sy_container *c = &in->containers[i];
        if (c->has_status && (c->status_requests.len || c->status_allocated.len))
            return true;
    }
    return false;
}

static bool any_init(const struct sy_pod_resources *in)
{
    for (uint32_t i = 0; i < in->containers_len; i++) {
        if (in->containers[i].kind != SY_CONTAINER_MAIN)
            return true;
    }
    return false;
}

/* Most distinct resources that any of the sums can hold. */
static size_t most_entries(const struct sy_pod_resources *in)
{
    size_t n = 2; /* cpu and memory by default */

    n += (size_t)in->pod_level.len + in->overhead.len + in->pod_status_requests.len +
         in->pod_status_allocated.len;
    for (uint32_t i = 0; i < in->containers_len; i++) {
        const struct sy_container *c = &in->containers[i];
        n += c->requests.len;
        if (c->has_status)
            n += (size_t)c->status_requests.len + c->status_allocated.len;
    }
    return n;
}

/* The pod that most are: main containers only, no status, nothing at pod level. */
static bool is_plain(const struct sy_pod_resources *in)
{
    return !in->has_pod_level && !any_init(in) && !any_status(in);
}

static void answer_plain(const struct question *q, struct total *out,
                         struct sy_pod_request_totals *ret)
{
    int64_t cpu = sy_amounts_get(q->in->overhead, q->names->cpu);
    int64_t memory = sy_amounts_get(q->in->overhead, q->names->memory);

    for (uint32_t i = 0; i < q->in->containers_len; i++) {
        struct sy_amounts list = q->in->containers[i].requests;
        const struct sy_amount *found = find(list, q->names->cpu);
        cpu = sy_add_saturate(cpu, found ? found->amount : q->default_cpu);
        found = find(list, q->names->memory);
        memory = sy_add_saturate(memory, found ? found->amount : q->default_memory);
        merge(out, list, SUM);
    }
    merge(out, q->in->overhead, SUM);
    *ret = (struct sy_pod_request_totals){
        .requests = amounts_of(out),
        .nonzero_cpu_milli = cpu,
        .nonzero_memory_bytes = memory,
    };
}

static bool take_total(struct sy_arena *arena, size_t entries, struct total *ret)
{
    *ret = (struct total){sy_arena_array(arena, entries, sizeof(*ret->p)), 0};
    return ret->p;
}

int sy_pod_requests(struct sy_arena *arena, const struct sy_strings *strings,
                    const struct sy_resource_names *names, const struct sy_pod_resources *in,
                    struct sy_pod_request_totals *ret)
{
    struct question q = {
        .in = in,
        .names = names,
        .strings = strings,
        .default_cpu = NONZERO_CPU_MILLI,
        .default_memory = NONZERO_MEMORY_BYTES,
    };
    size_t entries = most_entries(in);
    struct total out, nonzero;
    struct scratch s;

    if (entries > UINT32_MAX)
        return -E2BIG;
    if (!take_total(arena, entries, &out))
        goto no_room;
    if (is_plain(in)) {
        answer_plain(&q, &out, ret);
        return 0;
    }
    if (!take_total(arena, entries, &nonzero) || !take_total(arena, entries, &s.sum) ||
        !take_total(arena, entries, &s.sidecars) || !take_total(arena, entries, &s.init_peak) ||
        !take_total(arena, entries, &s.one))
        goto no_room;

    bool has_status = any_status(in);
    q.has_pod_level = in->has_pod_level && any_allowed_at_pod_level(&q, in->pod_level);
    answer(&q, has_status, &s, &out);

    q.nonzero = true;
    if (q.has_pod_level) {
        /* The API server copies a container's request up to the pod, so a resource that is there
         * at all needs no default. */
        if (sy_amounts_has(amounts_of(&out), names->cpu))
            q.default_cpu = -1;
        if (sy_amounts_has(amounts_of(&out), names->memory))
            q.default_memory = -1;
    }
    answer(&q, has_status, &s, &nonzero);
    *ret = (struct sy_pod_request_totals){
        .requests = amounts_of(&out),
        .nonzero_cpu_milli = sy_amounts_get(amounts_of(&nonzero), names->cpu),
        .nonzero_memory_bytes = sy_amounts_get(amounts_of(&nonzero), names->memory),
    };
    if (q.has_pod_level) {
        q.has_pod_level = false;
        q.default_cpu = NONZERO_CPU_MILLI;
        q.default_memory = NONZERO_MEMORY_BYTES;
        answer(&q, false, &s, &nonzero);
        ret->scored_apart = true;
        ret->scored_cpu_milli = sy_amounts_get(amounts_of(&nonzero), names->cpu);
        ret->scored_memory_bytes = sy_amounts_get(amounts_of(&nonzero), names->memory);
    }
    return 0;

no_room:
    return sy_arena_why(arena, entries, sizeof(struct sy_amount));
}

/* -- names -- */

static bool contains(struct sy_str s, struct sy_str part)
{
    return s.len >= part.len && memmem(s.p, s.len, part.p, part.len) != NULL;
}

bool sy_resource_is_extended(struct sy_str name)
{
    return contains(name, SY_STR("/")) && !contains(name, SY_STR("kubernetes.io/")) &&
           !sy_str_starts(name, SY_STR("requests."));
}

bool sy_resource_may_be_device(struct sy_str name)
{
    return sy_resource_is_extended(name) || sy_str_starts(name, SY_STR(SY_DEVICE_CLASS_PREFIX));
}
