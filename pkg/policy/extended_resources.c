/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/extended_resources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool may_be_device(const struct sy_cluster *c, sy_sid resource)
{
    return sy_resource_may_be_device(sy_strings_get(c->strings, resource));
}

bool sy_extended_is_asked(const struct sy_cluster *c, const struct sy_pod_spec *spec)
{
    struct sy_amounts requests = spec->requests.requests;

    for (uint32_t i = 0; i < requests.len; i++) {
        if (requests.p[i].amount > 0 && may_be_device(c, requests.p[i].resource) &&
            sy_devices_class_for(c, requests.p[i].resource))
            return true;
    }
    return false;
}

struct by_text {
    const struct sy_strings *strings;
};

static int by_name(const void *pa, const void *pb, void *arg)
{
    const struct sy_extended_resource *a = pa, *b = pb;
    const struct by_text *by = arg;

    return strcmp(sy_strings_getz(by->strings, a->name), sy_strings_getz(by->strings, b->name));
}

int sy_extended_gather(const struct sy_shape_view *shape, struct sy_arena *arena,
                       struct sy_extended *ret)
{
    struct sy_amounts requests = shape->spec->requests.requests;
    struct sy_extended_resource *p = sy_arena_array(arena, requests.len + 1, sizeof(*p));
    struct by_text by = {shape->cluster->strings};
    struct sy_extended e = {.p = p};

    if (!p)
        return sy_arena_why(arena, requests.len + 1, sizeof(*p));
    for (uint32_t i = 0; i < requests.len; i++) {
        sy_sid name = requests.p[i].resource;
        if (requests.p[i].amount <= 0 || !may_be_device(shape->cluster, name))
            continue;
        if (e.len == SY_EXTENDED_MAX)
            return -E2BIG;
        p[e.len] = (struct sy_extended_resource){name, sy_devices_class_for(shape->cluster, name)};
        e.is_backed |= p[e.len++].class != NULL;
    }
    qsort_r(p, e.len, sizeof(*p), by_name, &by);
    *ret = e;
    return 0;
}

bool sy_extended_on_node(const struct sy_shape_view *shape, const struct sy_extended *e,
                         uint32_t node, uint64_t *ret_served)
{
    struct sy_amounts has = shape->cluster->nodes[node].node.allocatable;

    *ret_served = 0;
    for (uint32_t i = 0; i < e->len; i++) {
        if (e->p[i].class && sy_amounts_get(has, e->p[i].name) == 0)
            *ret_served |= UINT64_C(1) << i;
        else if (!sy_amounts_has(has, e->p[i].name))
            return false;
    }
    return true;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Room for the requests of one claim. */
struct draft {
    const struct sy_shape_view *shape;
    struct sy_device_request *requests;
    struct sy_device_want *wants; /* in parallel */
    uint32_t len;
};

static sy_sid name_of(const struct sy_shape_view *shape, const struct sy_device_resource *r)
{
    char name[64];

    snprintf(name, sizeof(name), "container-%u-request-%u", r->container, r->index);
    return sy_strings_addz(shape->cluster->strings, name);
}

static void add_request(struct draft *d, const struct sy_device_resource *r,
                        const struct sy_device_class *class, int64_t count)
{
    d->wants[d->len] = (struct sy_device_want){
        .class = class->name, .mode = SY_DEVICES_EXACT_COUNT, .count = count};
    d->requests[d->len] = (struct sy_device_request){
        .name = name_of(d->shape, r), .wants = &d->wants[d->len], .wants_len = 1};
    d->len++;
}

/* What an init container needs beside the devices of those that come after it and stay: it may use
 * theirs before they start. */
static int64_t beside_later(const struct sy_pod_spec *spec, const struct sy_device_resource *init)
{
    int64_t rest = init->amount;

    for (uint32_t i = 0; i < spec->device_resources_len && rest > 0; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        if (r->resource == init->resource && r->kind != SY_CONTAINER_INIT &&
            r->container >= init->container)
            rest -= r->amount;
    }
    return rest;
}

/* Init containers run one after another: the largest need of any serves all. NULL: none has any. */
static const struct sy_device_resource *largest_init(const struct sy_pod_spec *spec,
                                                     sy_sid resource, int64_t *ret_needs)
{
    const struct sy_device_resource *largest = NULL;

    *ret_needs = 0;
    for (uint32_t i = 0; i < spec->device_resources_len; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        if (r->resource != resource || r->kind != SY_CONTAINER_INIT)
            continue;
        int64_t needs = beside_later(spec, r);
        if (needs > *ret_needs) {
            *ret_needs = needs;
            largest = r;
        }
    }
    return largest;
}

static void add_resource(struct draft *d, const struct sy_extended_resource *e)
{
    const struct sy_pod_spec *spec = d->shape->spec;
    int64_t needs;
    const struct sy_device_resource *largest = largest_init(spec, e->name, &needs);

    for (uint32_t i = 0; i < spec->device_resources_len; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        if (r->resource == e->name && r->kind != SY_CONTAINER_INIT)
            add_request(d, r, e->class, r->amount);
    }
    if (largest)
        add_request(d, largest, e->class, needs);
}

static int by_request_name(const void *pa, const void *pb, void *arg)
{
    const struct sy_device_request *a = pa, *b = pb;
    const struct by_text *by = arg;

    return strcmp(sy_strings_getz(by->strings, a->name), sy_strings_getz(by->strings, b->name));
}

int sy_extended_claim(const struct sy_shape_view *shape, struct sy_arena *arena,
                      const struct sy_extended *e, uint64_t served, struct sy_device_claim *ret)
{
    size_t room = (size_t)shape->spec->device_resources_len + 1;
    struct draft d = {
        .shape = shape,
        .requests = sy_arena_array(arena, room, sizeof(*d.requests)),
        .wants = sy_arena_array(arena, room, sizeof(*d.wants)),
    };
    struct by_text by = {shape->cluster->strings};

    if (!d.requests || !d.wants)
        return sy_arena_why(arena, room, sizeof(*d.wants));
    for (uint32_t i = 0; i < e->len; i++) {
        if (served & UINT64_C(1) << i)
            add_resource(&d, &e->p[i]);
    }
    qsort_r(d.requests, d.len, sizeof(*d.requests), by_request_name, &by);
    *ret = (struct sy_device_claim){
        .ns = shape->ns,
        .name = sy_strings_addz(shape->cluster->strings, "<extended-resources>"),
        .requests = d.requests,
        .requests_len = d.len,
    };
    return 0;
}

/* ---- mappings -------------------------------------------------------------------------------- */

struct mapper {
    const struct sy_shape_view *shape;
    struct sy_device_mapping *p;
    uint32_t len;
};

static void add_mapping(struct mapper *m, const struct sy_device_resource *of,
                        const struct sy_device_resource *server)
{
    m->p[m->len++] = (struct sy_device_mapping){
        .container = of->container_name,
        .resource = of->resource,
        .request = name_of(m->shape, server),
    };
}

static void map_init(struct mapper *m, const struct sy_device_resource *init,
                     const struct sy_device_resource *largest)
{
    const struct sy_pod_spec *spec = m->shape->spec;
    int64_t rest = init->amount;

    for (uint32_t i = 0; i < spec->device_resources_len && rest > 0; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        if (r->resource != init->resource || r->kind == SY_CONTAINER_INIT ||
            r->container < init->container)
            continue;
        add_mapping(m, init, r);
        rest -= r->amount;
    }
    if (rest > 0)
        add_mapping(m, init, largest);
}

static void map_resource(struct mapper *m, sy_sid resource)
{
    const struct sy_pod_spec *spec = m->shape->spec;
    int64_t needs;
    const struct sy_device_resource *largest = largest_init(spec, resource, &needs);

    for (uint32_t i = 0; i < spec->device_resources_len; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        if (r->resource == resource && r->kind != SY_CONTAINER_INIT)
            add_mapping(m, r, r);
    }
    for (uint32_t i = 0; i < spec->device_resources_len; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        if (r->resource == resource && r->kind == SY_CONTAINER_INIT)
            map_init(m, r, largest);
    }
}

int sy_extended_mappings(const struct sy_shape_view *shape, struct sy_arena *arena,
                         const struct sy_extended *e, uint64_t served,
                         const struct sy_device_mapping **ret, uint32_t *ret_len)
{
    size_t n = shape->spec->device_resources_len;
    struct mapper m = {shape, sy_arena_array(arena, n * n + 1, sizeof(*m.p)), 0};

    if (!m.p)
        return sy_arena_why(arena, n * n + 1, sizeof(*m.p));
    for (uint32_t i = 0; i < e->len; i++) {
        if (served & UINT64_C(1) << i)
            map_resource(&m, e->p[i].name);
    }
    *ret = m.p;
    *ret_len = m.len;
    return 0;
}
