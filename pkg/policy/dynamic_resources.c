/* SPDX-License-Identifier: Apache-2.0
 *
 * Resource claims: those that have their devices bind the pod to where these are; for the others
 * devices are looked for on each node (cluster/allocate.h). While nobody writes what was found into
 * the claims (sy_devices.are_written), a pod with claims waits and says why: bound without devices
 * it would never start. Extended resources that a device class stands for, and that the node has
 * not from a device plugin, are looked for as one more claim (extended_resources.h). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "cluster/allocate.h"
#include "policy/extended_resources.h"
#include "policy/plugins.h"

enum { ALTERNATIVES_MAX = 8 }; /* FirstAvailableDeviceRequestMaxSize */

/* The search for the pod's open claims and, where bits are set, for extended resources. */
struct search {
    struct search *next;
    uint64_t served;
    struct sy_device_claim extended;
    const struct sy_device_claim **claims; /* the open ones, then `extended` when bits are set */
    uint32_t claims_len;
    struct sy_allocator *allocator; /* when there are any */
    sy_sid failed;                  /* no node can be asked: the allocator's error */
};

struct state {
    struct sy_arena *arena;
    const struct sy_device_claim **claims; /* of the pod, in the order of its spec */
    uint32_t claims_len;
    const struct sy_device_claim **open; /* those without an allocation, in the same order */
    uint32_t open_len;
    struct sy_extended extended;         /* empty unless a class stands for something */
    const struct sy_device_claim *stale; /* made for the pod's extended resources before */
    struct search *searches;             /* that have come up so far, by what devices serve */
};

static sy_sid intern(const struct sy_shape_view *shape, const char *format, ...) SY_PRINTF(2, 3);

static sy_sid intern(const struct sy_shape_view *shape, const char *format, ...)
{
    char text[SY_ERR_MSG_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return sy_strings_addz(shape->cluster->strings, text);
}

static enum sy_pre reject(struct sy_verdict *v, enum sy_code code, sy_sid reason)
{
    (void)sy_refuse(v, code, reason);
    return SY_PRE_REJECT;
}

/* The claim that a pod's entry stands for; NULL with *v filled when it will not do. */
static const struct sy_device_claim *resolve(const struct sy_shape_view *shape,
                                             const struct sy_resource_claim_ref *ref,
                                             struct sy_verdict *v)
{
    const struct sy_strings *strings = shape->cluster->strings;
    const char *ns = sy_strings_getz(strings, shape->ns);
    const char *name = sy_strings_getz(strings, ref->claim);
    const struct sy_device_claim *claim = NULL;
    sy_sid why = 0;

    if (ref->claim)
        claim = sy_devices_claim(shape->cluster, shape->ns, ref->claim);
    if (!ref->claim && ref->template)
        why = intern(shape, "pod \"%s/" SY_STR_FMT "\": ResourceClaim not created yet", ns,
                     SY_STR_ARG(shape->pod_name));
    else if (!ref->claim)
        why = intern(shape,
                     "pod \"%s/" SY_STR_FMT
                     "\", spec.resourceClaim \"%s\": none of the supported fields are set",
                     ns, SY_STR_ARG(shape->pod_name), sy_strings_getz(strings, ref->name));
    else if (!claim)
        why = intern(shape, "could not find ResourceClaim \"%s/%s\"", ns, name);
    else if (claim->is_deleting)
        why = intern(shape, "resourceclaim \"%s\" is being deleted", name);
    else if (ref->template && !sy_str_eq(claim->owner_uid, shape->pod_uid))
        why = intern(shape,
                     "ResourceClaim %s/%s was not created for Pod %s/" SY_STR_FMT
                     " (Pod is not owner)",
                     ns, name, ns, SY_STR_ARG(shape->pod_name));
    if (!why)
        return claim;
    (void)sy_refuse(v, SY_UNRESOLVABLE, why);
    return NULL;
}

/* Whether the classes that a claim asks for are there. */
static bool has_classes(const struct sy_shape_view *shape, const struct sy_device_claim *claim,
                        struct sy_verdict *v)
{
    const struct sy_strings *strings = shape->cluster->strings;

    for (uint32_t i = 0; i < claim->requests_len; i++) {
        const struct sy_device_request *r = &claim->requests[i];
        const char *name = sy_strings_getz(strings, r->name);
        if (!r->wants_len) {
            sy_refuse(v, SY_UNRESOLVABLE,
                      intern(shape, "resource claim %s/%s, request %s: unknown request type",
                             sy_strings_getz(strings, claim->ns),
                             sy_strings_getz(strings, claim->name), name));
            return false;
        }
        for (uint32_t j = 0; j < r->wants_len; j++) {
            const struct sy_device_want *w = &r->wants[j];
            if (w->class && sy_devices_class(shape->cluster, w->class))
                continue;
            const char *slash = r->has_alternatives ? "/" : "";
            const char *sub = sy_strings_getz(strings, w->name);
            sy_sid why = w->class ? intern(shape, "request %s%s%s: device class %s does not exist",
                                           name, slash, sub, sy_strings_getz(strings, w->class))
                                  : intern(shape, "request %s%s%s: unsupported request type", name,
                                           slash, sub);
            sy_refuse(v, w->class ? SY_UNRESOLVABLE : SY_ERROR, why);
            return false;
        }
    }
    return true;
}

/* For another pod. Better wait for the end of that. */
static bool is_being_allocated(const struct sy_shape_view *shape,
                               const struct sy_device_claim *claim, struct sy_verdict *v)
{
    const struct sy_strings *strings = shape->cluster->strings;

    return sy_devices_is_held(shape->cluster, claim) &&
           sy_refuse(v, SY_UNRESOLVABLE,
                     intern(shape, "resource claim %s/%s is in the process of being allocated",
                            sy_strings_getz(strings, claim->ns),
                            sy_strings_getz(strings, claim->name)));
}

static bool no_memory(const struct sy_shape_view *shape, struct sy_verdict *v)
{
    (void)sy_refuse(v, SY_ERROR, shape->texts->no_memory);
    return false;
}

/* Fills *state with the pod's claims. False with *v filled when one will not do. */
static bool gather(const struct sy_shape_view *shape, struct sy_arena *arena, struct state *state,
                   struct sy_verdict *v)
{
    const struct sy_pod_spec *spec = shape->spec;

    state->claims = sy_arena_array(arena, (size_t)spec->claims_len + 1, sizeof(*state->claims));
    state->open = sy_arena_array(arena, (size_t)spec->claims_len + 1, sizeof(*state->open));
    if (!state->claims || !state->open)
        return no_memory(shape, v);
    for (uint32_t i = 0; i < spec->claims_len; i++) {
        const struct sy_device_claim *claim = resolve(shape, &spec->claims[i], v);
        if (!claim)
            return false;
        state->claims[state->claims_len++] = claim;
        if (!claim->is_allocated)
            state->open[state->open_len++] = claim;
    }
    return true;
}

static bool has_all_classes(const struct sy_shape_view *shape, const struct state *state,
                            struct sy_verdict *v)
{
    for (uint32_t i = 0; i < state->open_len; i++) {
        if (is_being_allocated(shape, state->open[i], v) || !has_classes(shape, state->open[i], v))
            return false;
    }
    return true;
}

static bool gather_extended(const struct sy_shape_view *shape, struct sy_arena *arena,
                            struct state *state, struct sy_verdict *v)
{
    if (!shape->spec->device_resources_len)
        return true;
    if (sy_extended_gather(shape, arena, &state->extended) < 0)
        return no_memory(shape, v);
    if (!state->extended.is_backed)
        state->extended = (struct sy_extended){0};
    else if (shape->pod_uid.len)
        state->stale = sy_device_index_for_pod(shape->cluster, shape->pod_uid);
    return true;
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v)
{
    struct state *state;

    if (!shape->spec->claims_len && !shape->spec->device_resources_len)
        return SY_PRE_SKIP;
    if (shape->spec->claims_len && !shape->cluster->devices.are_written)
        return reject(v, SY_UNRESOLVABLE, shape->texts->claims_unsupported);
    state = sy_arena_alloc(arena, sizeof(*state));
    if (!state)
        return reject(v, SY_ERROR, shape->texts->no_memory);
    state->arena = arena;
    if (!gather(shape, arena, state, v) || !gather_extended(shape, arena, state, v) ||
        !has_all_classes(shape, state, v))
        return SY_PRE_REJECT;
    if (!state->claims_len && !state->extended.len)
        return SY_PRE_SKIP;
    *ret_state = state;
    return SY_PRE_RUN;
}

static bool is_available(const struct sy_shape_view *shape, const struct sy_device_claim *claim,
                         uint32_t node)
{
    const struct sy_node *n = &shape->cluster->nodes[node].node;

    return !claim->has_failed &&
           sy_node_selector_matches(&claim->nodes, shape->cluster->strings, n->labels, n->name,
                                    shape->texts->metadata_name);
}

/* Prepares what one kind of node needs; NULL without memory. */
static struct search *new_search(const struct sy_shape_view *shape, struct state *state,
                                 uint64_t served)
{
    struct search *search = sy_arena_alloc(state->arena, sizeof(*search));
    struct sy_err err = {0};

    if (!search)
        return NULL;
    search->served = served;
    search->claims =
        sy_arena_array(state->arena, (size_t)state->open_len + 1, sizeof(*search->claims));
    if (!search->claims || (served && sy_extended_claim(shape, state->arena, &state->extended,
                                                        served, &search->extended) < 0))
        return NULL;
    for (uint32_t i = 0; i < state->open_len; i++)
        search->claims[search->claims_len++] = state->open[i];
    if (served)
        search->claims[search->claims_len++] = &search->extended;
    if (search->claims_len && sy_allocator_new(shape->cluster, state->arena, search->claims,
                                               search->claims_len, &search->allocator, &err) < 0)
        search->failed = intern(shape, "%s", err.msg);
    search->next = state->searches;
    state->searches = search;
    return search;
}

static struct search *search_for(const struct sy_shape_view *shape, struct state *state,
                                 uint64_t served)
{
    struct search *search = state->searches;

    while (search && search->served != served)
        search = search->next;
    return search ? search : new_search(shape, state, served);
}

/* What devices must serve on the node beside claims. False with *v filled when it will not do. */
static bool needs_of(const struct sy_shape_view *shape, const struct state *state, uint32_t node,
                     uint64_t *ret_served, struct sy_verdict *v)
{
    *ret_served = 0;
    if (!state->extended.len)
        return true;
    if (state->stale && state->stale->requests_len) {
        sy_refuse(v, SY_UNRESOLVABLE, intern(shape, SY_REASON_EXTENDED_CLAIM_EXISTS));
        return false;
    }
    if (!sy_extended_on_node(shape, &state->extended, node, ret_served)) {
        sy_refuse(v, SY_UNRESOLVABLE, intern(shape, "cannot fit resource"));
        return false;
    }
    if (*ret_served && !shape->cluster->devices.extended_are_written) {
        sy_refuse(v, SY_UNRESOLVABLE, shape->texts->extended_unsupported);
        return false;
    }
    return true;
}

static bool refuses(const struct sy_shape_view *shape, const void *arg, uint32_t node,
                    struct sy_verdict *v)
{
    struct state *state = (struct state *)(uintptr_t)arg;
    const struct sy_device_pick *picks;
    struct sy_err err = {0};
    uint32_t picks_len;
    uint64_t served;
    int r = 1;

    if (!needs_of(shape, state, node, &served, v))
        return true;
    if (!served && !state->claims_len)
        return false;
    struct search *search = search_for(shape, state, served);
    if (!search)
        return sy_refuse(v, SY_ERROR, shape->texts->no_memory);
    if (search->failed)
        return sy_refuse(v, SY_ERROR, search->failed);
    if (search->allocator)
        r = sy_allocator_try(search->allocator, node, &picks, &picks_len, &err);
    if (r < 0)
        return sy_refuse(v, r == -ENODEV ? SY_UNRESOLVABLE : SY_ERROR,
                         intern(shape, "%s", err.msg));
    if (!r)
        return sy_refuse(v, SY_UNRESOLVABLE, intern(shape, "cannot allocate all claims"));
    for (uint32_t i = 0; i < state->claims_len; i++) {
        if (state->claims[i]->is_allocated && !is_available(shape, state->claims[i], node))
            return sy_refuse(v, SY_UNRESOLVABLE, intern(shape, SY_REASON_CLAIM_OUT_OF_REACH));
    }
    return false;
}

static bool concerns(const struct sy_cluster *c, const struct sy_pod_spec *spec)
{
    return spec->claims_len != 0 || (spec->device_resources_len && sy_extended_is_asked(c, spec));
}

const struct sy_filter sy_filter_dynamic_resources = {
    .name = "DynamicResources",
    .is_global = true,
    .concerns = concerns,
    .prepare = prepare,
    .refuses = refuses,
};

/* ---- score: the earlier an alternative, the better ------------------------------------------- */

static bool has_alternatives(const struct sy_device_claim *claim)
{
    bool any = false;

    for (uint32_t i = 0; i < claim->requests_len; i++)
        any |= claim->requests[i].has_alternatives;
    return any;
}

static bool is_constant(const struct sy_shape_view *shape, int64_t *ret_points)
{
    *ret_points = 0;
    for (uint32_t i = 0; i < shape->spec->claims_len; i++) {
        sy_sid name = shape->spec->claims[i].claim;
        const struct sy_device_claim *claim =
            name ? sy_devices_claim(shape->cluster, shape->ns, name) : NULL;
        if (claim && has_alternatives(claim))
            return false;
    }
    return true;
}

static enum sy_pre prepare_score(const struct sy_shape_view *shape, struct sy_arena *arena,
                                 const uint32_t *nodes SY_UNUSED, uint32_t nodes_len SY_UNUSED,
                                 void **ret_state, struct sy_verdict *v)
{
    enum sy_pre pre = prepare(shape, arena, ret_state, v);
    const struct state *state = *ret_state;

    for (uint32_t i = 0; pre == SY_PRE_RUN && i < state->claims_len; i++) {
        if (has_alternatives(state->claims[i]))
            return SY_PRE_RUN;
    }
    return SY_PRE_SKIP; /* all get none */
}

/* Whether an allocation names REQUEST/ALTERNATIVE. */
static bool has_result(const struct sy_strings *strings, const struct sy_device_claim *claim,
                       const struct sy_device_request *r, const struct sy_device_want *w)
{
    struct sy_str name = sy_strings_get(strings, r->name), sub = sy_strings_get(strings, w->name);

    for (uint32_t i = 0; i < claim->results_len; i++) {
        struct sy_str said = sy_strings_get(strings, claim->results[i].request);
        if (said.len == name.len + 1 + sub.len && sy_str_starts(said, name) &&
            said.p[name.len] == '/' && memcmp(said.p + name.len + 1, sub.p, sub.len) == 0)
            return true;
    }
    return false;
}

static int64_t points_of_allocated(const struct sy_strings *strings,
                                   const struct sy_device_claim *claim)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < claim->requests_len; i++) {
        const struct sy_device_request *r = &claim->requests[i];
        for (uint32_t j = 0; r->has_alternatives && j < r->wants_len; j++) {
            if (has_result(strings, claim, r, &r->wants[j]))
                sum += ALTERNATIVES_MAX - (int64_t)j;
        }
    }
    return sum;
}

static int64_t score(const struct sy_shape_view *shape, const void *arg, uint32_t node)
{
    struct state *state = (struct state *)(uintptr_t)arg;
    const struct sy_device_pick *picks = NULL;
    struct sy_verdict v;
    uint32_t picks_len = 0;
    uint64_t served;
    int64_t sum = 0;

    if (!needs_of(shape, state, node, &served, &v))
        return 0;
    struct search *search = search_for(shape, state, served);
    if (!search || search->failed)
        return 0;
    if (search->allocator &&
        sy_allocator_try(search->allocator, node, &picks, &picks_len, NULL) != 1)
        return 0;
    for (uint32_t i = 0; i < state->claims_len; i++) {
        if (state->claims[i]->is_allocated)
            sum += points_of_allocated(shape->cluster->strings, state->claims[i]);
    }
    /* Picks of one request stand together, and are of one alternative. */
    for (uint32_t i = 0; i < picks_len; i++) {
        bool is_first =
            !i || picks[i].claim != picks[i - 1].claim || picks[i].request != picks[i - 1].request;
        if (is_first && search->claims[picks[i].claim]->requests[picks[i].request].has_alternatives)
            sum += ALTERNATIVES_MAX - (int64_t)picks[i].want;
    }
    return sum;
}

static void normalize(const struct sy_shape_view *shape SY_UNUSED, const void *state SY_UNUSED,
                      const uint32_t *nodes SY_UNUSED, uint32_t len, int64_t *scores)
{
    sy_normalize_default(100, false, len, scores);
}

const struct sy_scorer sy_scorer_dynamic_resources = {
    .name = "DynamicResources",
    .is_global = true,
    .prepare = prepare_score,
    .is_constant = is_constant,
    .score = score,
    .normalize = normalize,
};
