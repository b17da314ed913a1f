/* SPDX-License-Identifier: Apache-2.0
 *
 * Which devices would be allocated to a pod's claims on each feasible node. */
#include "check.h"

#include "cluster/allocate.h"
#include "policy/extended_resources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SECTION[] = "(allocations)";

enum { CLAIMS_MAX = 32, CAPACITIES_MAX = 32 };

struct look {
    struct oracle *o;
    struct oracle_case *c;
    const struct sy_shape_view *view;
    struct sy_arena arena;
    const struct sy_device_claim *claims[CLAIMS_MAX + 1];
    uint32_t claims_len;
    struct sy_device_claim extended;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends "a=1 b=2" in the order of the names and frees them. */
static void add_sorted(struct sy_buf *out, char **texts, size_t len)
{
    qsort(texts, len, sizeof(*texts), by_text);
    for (size_t i = 0; i < len; i++) {
        sy_buf_addf(out, " %s", texts[i]);
        free(texts[i]);
    }
}

static void add_list(struct sy_buf *out, const char *what, struct json_object *list)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        sy_buf_addf(out, " %s=%s", what,
                    json_object_get_string(json_object_array_get_idx(list, i)));
}

static void write_expected(struct json_object *allocation, struct sy_buf *out)
{
    struct json_object *results = oracle_get(oracle_get(allocation, "devices"), "results");

    for (size_t i = 0; results && i < json_object_array_length(results); i++) {
        struct json_object *r = json_object_array_get_idx(results, i);
        struct json_object *consumed = oracle_get(r, "consumedCapacity");
        struct json_object *tolerations = oracle_get(r, "tolerations");
        char *texts[CAPACITIES_MAX];
        size_t len = 0;
        sy_buf_addf(out, "[%s %s/%s/%s admin=%d share=%d tolerations=%zu",
                    oracle_text(r, "request"), oracle_text(r, "driver"), oracle_text(r, "pool"),
                    oracle_text(r, "device"), json_object_get_boolean(oracle_get(r, "adminAccess")),
                    oracle_get(r, "shareID") != NULL,
                    tolerations ? json_object_array_length(tolerations) : 0);
        if (consumed) {
            json_object_object_foreach(consumed, name, value)
            {
                if (len < CAPACITIES_MAX)
                    texts[len++] = sy_xasprintf("%s=%s", name, json_object_get_string(value));
            }
        }
        add_sorted(out, texts, len);
        add_list(out, "ready", oracle_get(r, "bindingConditions"));
        add_list(out, "failed", oracle_get(r, "bindingFailureConditions"));
        sy_buf_adds(out, "]");
    }
}

static const char *text(const struct look *l, sy_sid id)
{
    return sy_strings_getz(l->c->strings, id);
}

static void write_consumed(const struct look *l, const struct sy_device_pick *p, struct sy_buf *out)
{
    char *texts[CAPACITIES_MAX];
    size_t len = 0;

    for (uint32_t i = 0; i < p->consumed_len && len < CAPACITIES_MAX; i++) {
        const struct sy_capacity *k = &p->consumed[i];
        struct sy_buf amount;
        sy_buf_init(&amount, 128);
        sy_exact_print(k->value, &amount);
        texts[len++] = sy_xasprintf("%s%s%s=%s", k->is_qualified ? text(l, k->domain) : "",
                                    k->is_qualified ? "/" : "", text(l, k->name), amount.p);
        sy_buf_done(&amount);
    }
    add_sorted(out, texts, len);
}

static void write_pick(const struct look *l, const struct sy_device_pick *p, struct sy_buf *out)
{
    const struct sy_device_request *r = &l->claims[p->claim]->requests[p->request];
    const struct sy_device_want *w = &r->wants[p->want];

    sy_buf_addf(out, "[%s%s%s %s/%s/%s admin=%d share=%d tolerations=%u", text(l, r->name),
                r->has_alternatives ? "/" : "", r->has_alternatives ? text(l, w->name) : "",
                text(l, p->slice->driver), text(l, p->slice->pool), text(l, p->device->name),
                w->admin_access, p->device->is_shared, w->tolerations_len);
    write_consumed(l, p, out);
    for (uint32_t i = 0; i < p->device->conditions_len; i++)
        sy_buf_addf(out, " ready=%s", text(l, p->device->conditions[i]));
    for (uint32_t i = 0; i < p->device->failure_conditions_len; i++)
        sy_buf_addf(out, " failed=%s", text(l, p->device->failure_conditions[i]));
    sy_buf_adds(out, "]");
}

/* The claims that need devices on the node, as DynamicResources orders them. */
static bool gather(struct look *l, uint32_t node)
{
    const struct sy_pod_spec *spec = l->view->spec;
    struct sy_extended extended;
    uint64_t served = 0;

    l->claims_len = 0;
    for (uint32_t i = 0; i < spec->claims_len && l->claims_len < CLAIMS_MAX; i++) {
        const struct sy_device_claim *claim =
            sy_devices_claim(l->view->cluster, l->view->ns, spec->claims[i].claim);
        if (claim && !claim->is_allocated)
            l->claims[l->claims_len++] = claim;
    }
    if (sy_extended_gather(l->view, &l->arena, &extended) < 0)
        return false;
    if (!extended.is_backed || !sy_extended_on_node(l->view, &extended, node, &served) || !served)
        return true;
    if (sy_extended_claim(l->view, &l->arena, &extended, served, &l->extended) < 0)
        return false;
    l->claims[l->claims_len++] = &l->extended;
    return true;
}

static void check_claim(struct look *l, const char *node, const char *name,
                        struct json_object *said, const struct sy_device_pick *picks, uint32_t len)
{
    struct sy_buf expected, got;

    sy_buf_init(&expected, 1 << 16);
    sy_buf_init(&got, 1 << 16);
    sy_buf_addf(&expected, "%s ", name);
    sy_buf_addf(&got, "%s ", name);
    write_expected(said, &expected);
    for (uint32_t i = 0; i < len; i++) {
        const struct sy_device_claim *claim = l->claims[picks[i].claim];
        char claim_name[600];
        snprintf(claim_name, sizeof(claim_name), "%s/%s", text(l, claim->ns), text(l, claim->name));
        if (strcmp(claim_name, name) == 0)
            write_pick(l, &picks[i], &got);
    }
    if (strcmp(expected.p, got.p) != 0)
        oracle_differ(l->o, l->c, SECTION, node, expected.p, got.p);
    sy_buf_done(&expected);
    sy_buf_done(&got);
}

static void check_node(struct look *l, const char *node, struct json_object *claims)
{
    const struct sy_device_pick *picks = NULL;
    struct sy_allocator *allocator;
    struct sy_err err = {0};
    uint32_t slot = oracle_node(l->c, node), len = 0;

    if (!gather(l, slot) ||
        sy_allocator_new(&l->c->cluster, &l->arena, l->claims, l->claims_len, &allocator, &err) <
            0 ||
        sy_allocator_try(allocator, slot, &picks, &len, &err) != 1) {
        oracle_differ(l->o, l->c, SECTION, node, "an allocation", err.msg);
        return;
    }
    json_object_object_foreach(claims, name, said) check_claim(l, node, name, said, picks, len);
}

void oracle_check_allocations(struct oracle *o, struct oracle_case *c)
{
    struct json_object *allocations = oracle_get(c->json, "allocations");
    struct look l = {.o = o, .c = c};
    struct sy_profile profile;

    if (!allocations)
        return;
    oracle_saw(o, SECTION);
    struct sy_shape *shape = oracle_view(c, &profile);
    l.view = &shape->view;
    sy_arena_init(&l.arena, (size_t)64 << 20);
    json_object_object_foreach(allocations, node, claims)
    {
        check_node(&l, node, claims);
        sy_arena_reset(&l.arena);
    }
    sy_arena_done(&l.arena);
    sy_shape_unref(&c->shapes, shape);
    sy_shapes_drop_caches(&c->shapes);
}
