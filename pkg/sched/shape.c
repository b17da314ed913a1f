/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/shape.h"

#include "base/buf.h"
#include "policy/extended_resources.h"
#include "sched/reasons.h"
#include "sched/shape_int.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALL_ARE_ASKED = 100, /* so many nodes upstream asks at least: minFeasibleNodesToFind */
    FIRST_LEVELS = 8,    /* of points, before all nodes are asked */
};
static const size_t CYCLE_MAX_BYTES = (size_t)1 << 30;

/* -- verdicts, interned -- */

static bool same_verdict(const void *arg, const void *key, uint32_t value)
{
    const struct sy_shapes *s = arg;
    const struct sy_verdict *a = key, *b = &s->verdicts.p[value];

    return a->code == b->code && a->filter == b->filter && a->reasons_len == b->reasons_len &&
           memcmp(a->reasons, b->reasons, a->reasons_len * sizeof(*a->reasons)) == 0;
}

static uint32_t intern_verdict(struct sy_shapes *s, const struct sy_verdict *v)
{
    if (same_verdict(s, v, s->last_verdict)) /* nodes of a kind tend to lie together */
        return s->last_verdict;
    uint64_t hash =
        sy_hash_u64((uint64_t)v->code << 16 | (uint64_t)v->filter << 8 | v->reasons_len);

    for (uint32_t i = 0; i < v->reasons_len; i++)
        hash = sy_hash_u64(hash ^ v->reasons[i]);
    uint32_t id = sy_map_get(&s->verdict_by_hash, hash, same_verdict, s, v);
    if (id == SY_MAP_NONE) {
        id = (uint32_t)s->verdicts.len;
        sy_vec_push(&s->verdicts, *v);
        sy_map_add(&s->verdict_by_hash, hash, id);
    }
    s->last_verdict = id;
    return id;
}

void sy_shapes_init(struct sy_shapes *s, struct sy_cluster *cluster, size_t cache_bytes_max)
{
    memset(s, 0, sizeof(*s));
    s->cluster = cluster;
    s->cache_bytes_max = cache_bytes_max;
    s->asking = SY_NONE;
    sy_policy_texts_init(&s->texts, cluster->strings);
    sy_vec_push(&s->verdicts, (struct sy_verdict){.code = SY_FIT});
    sy_vec_push(&s->verdicts, (struct sy_verdict){.code = SY_ERROR});
    sy_arena_init(&s->arena, CYCLE_MAX_BYTES);
}

static size_t cache_size(const struct sy_shape_cache *cache)
{
    return sizeof(*cache) + cache->leaves * (sizeof(*cache->verdict) + sizeof(*cache->score) +
                                             sizeof(*cache->winner));
}

static void drop_kept(struct sy_shapes *s, struct sy_shape *shape)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(shape->kept); i++) {
        if (shape->kept[i].data)
            shape->kept[i].release(s->cluster, shape->kept[i].data);
        shape->kept[i] = (struct sy_kept){0};
    }
    s->cache_bytes -= shape->kept_bytes;
    shape->kept_bytes = 0;
}

/* Plugins have been at work: what they keep may have grown. */
static void weigh_kept(struct sy_shapes *s, struct sy_shape *shape)
{
    size_t bytes = 0;

    for (size_t i = 0; i < SY_ARRAY_LEN(shape->kept); i++)
        bytes += shape->kept[i].bytes;
    s->cache_bytes += bytes - shape->kept_bytes;
    shape->kept_bytes = bytes;
}

static void drop_cache(struct sy_shapes *s, struct sy_shape *shape)
{
    drop_kept(s, shape);
    if (!shape->cache)
        return;
    s->cache_bytes -= cache_size(shape->cache);
    free(shape->cache->verdict);
    free(shape->cache->score);
    free(shape->cache->winner);
    free(shape->cache);
    shape->cache = NULL;
}

static void free_shape(struct sy_shapes *s, struct sy_shape *shape)
{
    drop_cache(s, shape);
    sy_specs_unref(s->cluster->specs, shape->spec);
    sy_specs_unref_labels(s->cluster->specs, shape->labels);
    sy_arena_done(&shape->arena);
    free(shape->plugins);
    free(shape->pod_name);
    sy_heap_done(&shape->waiting);
    free(shape->message);
    free(shape->no_help);
    free(shape);
}

void sy_shapes_done(struct sy_shapes *s)
{
    for (size_t i = 0; i < s->all.len; i++) {
        if (s->all.p[i])
            free_shape(s, s->all.p[i]);
    }
    sy_vec_done(&s->all);
    sy_vec_done(&s->free);
    sy_vec_done(&s->verdicts);
    sy_map_done(&s->by_key);
    sy_map_done(&s->verdict_by_hash);
    sy_arena_done(&s->arena);
    sy_vec_done(&s->nominees);
    sy_vec_done(&s->pass_nodes);
    sy_vec_done(&s->pass_total);
    for (size_t i = 0; i < SY_ARRAY_LEN(s->pass_points); i++)
        sy_vec_done(&s->pass_points[i]);
    sy_vec_done(&s->pass_verdict);
    sy_vec_done(&s->pass_refused);
}

/* -- shapes -- */

struct key {
    const struct sy_shared_spec *spec;
    const struct sy_shared_labels *labels;
    const struct sy_profile *profile;
    uint64_t owner;
    uint64_t pod;
    sy_sid ns;
    bool passes_gates;
};

static uint64_t key_hash(const struct key *k)
{
    return sy_hash_u64(sy_hash_u64(k->spec->serial ^ k->labels->hash) ^ (uint64_t)k->ns << 32 ^
                       (uint64_t)(uintptr_t)k->profile ^ k->owner ^ k->pod ^ k->passes_gates);
}

static bool has_key(const void *arg, const void *key, uint32_t value)
{
    const struct sy_shapes *s = arg;
    const struct sy_shape *shape = s->all.p[value];
    const struct key *k = key;

    return shape->spec == k->spec && shape->labels == k->labels && shape->ns == k->ns &&
           shape->owner == k->owner && shape->pod == k->pod && shape->profile == k->profile &&
           shape->passes_gates == k->passes_gates;
}

/* Whether the spec asks for objects that are called after the pod. */
static bool is_personal(const struct sy_cluster *c, const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (spec->volumes[i].kind == SY_VOLUME_EPHEMERAL)
            return true;
    }
    return spec->claims_len || (spec->device_resources_len && sy_extended_is_asked(c, spec));
}

static char *copy_names(const struct sy_pod_slot *pod)
{
    size_t name_len = strlen(pod->name), uid_len = strlen(pod->uid);
    char *names = sy_xcalloc(name_len + uid_len + 2, 1);

    memcpy(names, pod->name, name_len);
    memcpy(names + name_len + 1, pod->uid, uid_len);
    return names;
}

/* Labels that no selector names do not tell pods apart; nor does the namespace while there is no
 * selector at all and the spec has nothing that lives in one. */
static struct key make_key(struct sy_shapes *s, const struct sy_pod_slot *pod,
                           const struct sy_profile *profile)
{
    const struct sy_pod_spec *spec = &pod->spec->spec;
    struct key key = {.spec = pod->spec, .profile = profile};
    struct sy_labels labels = pod->labels->labels;

    sy_cluster_note_spec(s->cluster, spec);
    struct sy_label *room = sy_xcalloc(labels.len, sizeof(*room));
    labels.len = sy_cluster_relevant_labels(s->cluster, labels, room);
    labels.p = room;
    key.labels = sy_specs_ref_labels(s->cluster->specs, labels);
    if (!key.labels) /* no memory for a smaller set: the pod's own will do */
        key.labels = sy_specs_retain_labels(s->cluster->specs, pod->labels);
    free(room);
    bool personal = is_personal(s->cluster, spec);
    if (s->cluster->labels_matter || spec->volumes_len || personal)
        key.ns = pod->ns;
    if (s->cluster->workloads.owners_matter && !spec->spread_len)
        key.owner = pod->owner;
    if (personal)
        key.pod = pod->uid_hash;
    if (s->cluster->pools.has_gates)
        key.passes_gates = sy_pools_exempt(s->cluster, pod->priority, pod->priority_class);
    return key;
}

/* Takes over the caller's reference to the key's labels. */
static struct sy_shape *shape_of_key(struct sy_shapes *s, const struct key *key)
{
    uint32_t id = sy_map_get(&s->by_key, key_hash(key), has_key, s, key);

    if (id != SY_MAP_NONE) {
        sy_specs_unref_labels(s->cluster->specs, key->labels);
    } else {
        struct sy_shape *shape = sy_xcalloc(1, sizeof(*shape));
        shape->spec = sy_specs_retain(s->cluster->specs, key->spec);
        shape->labels = key->labels;
        shape->ns = key->ns;
        shape->owner = key->owner;
        shape->pod = key->pod;
        shape->passes_gates = key->passes_gates;
        shape->profile = key->profile;
        shape->base = shape;
        shape->view_epoch = UINT64_MAX;
        shape->recorded_ns = INT64_MIN;
        shape->plugins = sy_xcalloc(1, sizeof(*shape->plugins));
        sy_arena_init(&shape->arena, CYCLE_MAX_BYTES);
        if (s->free.len) {
            id = s->free.p[--s->free.len];
            s->all.p[id] = shape;
        } else {
            id = (uint32_t)s->all.len;
            sy_vec_push(&s->all, shape);
        }
        shape->id = id;
        sy_map_add(&s->by_key, key_hash(key), id);
    }
    s->all.p[id]->selectors_generation = s->cluster->selectors_generation;
    s->all.p[id]->refs++;
    return s->all.p[id];
}

/* Whether no other pod will have this pod's shape, for its volumes and claims alone. */
static bool is_one_off(const struct sy_pod_slot *pod, const struct sy_shape *shape)
{
    const struct sy_pod_spec *spec = &pod->spec->spec;

    /* One reference is the shape's. */
    return shape->pod || ((spec->volumes_len || spec->claims_len) && pod->spec->refs <= 2);
}

/* What no cached plugin looks at is left out, so that many shapes have the same base. */
static struct sy_shape *find_base(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_specs *specs = s->cluster->specs;
    struct sy_pod_spec spec = shape->spec->spec;
    struct key key = {.profile = shape->profile, .passes_gates = shape->passes_gates};

    spec.volumes_len = spec.claims_len = spec.device_resources_len = spec.spread_len = 0;
    spec.affinity_len = spec.preferred_affinity_len = 0;
    spec.anti_affinity_len = spec.preferred_anti_affinity_len = 0;
    key.spec = sy_specs_ref(specs, &spec);
    if (!key.spec) /* no memory: its own cache will do */
        return shape;
    key.labels = sy_specs_ref_labels(specs, (struct sy_labels){0});
    struct sy_shape *base = key.labels ? shape_of_key(s, &key) : shape;
    sy_specs_unref(specs, key.spec);
    return base;
}

struct sy_shape *sy_shape_ref(struct sy_shapes *s, const struct sy_pod_slot *pod,
                              const struct sy_profile *profile)
{
    struct key key = make_key(s, pod, profile);
    struct sy_shape *shape = shape_of_key(s, &key);

    if (shape->refs > 1 || shape->cache)
        return shape;
    if (key.pod && !shape->pod_name)
        shape->pod_name = copy_names(pod);
    if (shape->base == shape && is_one_off(pod, shape))
        shape->base = find_base(s, shape);
    return shape;
}

bool sy_shape_is_stale(const struct sy_shapes *s, const struct sy_shape *shape)
{
    return shape->selectors_generation != s->cluster->selectors_generation;
}

/* A shape that nobody queues for stays as long as its cache does: the next pod of the same workload
 * will ask for it. */
static void release_if_unused(struct sy_shapes *s, struct sy_shape *shape)
{
    if (shape->refs || shape->cache)
        return;
    struct key key = {shape->spec, shape->labels, shape->profile,     shape->owner,
                      shape->pod,  shape->ns,     shape->passes_gates};
    sy_map_del(&s->by_key, key_hash(&key), shape->id);
    s->all.p[shape->id] = NULL;
    sy_vec_push(&s->free, shape->id);
    struct sy_shape *base = shape->base;
    free_shape(s, shape);
    if (base != shape)
        sy_shape_unref(s, base);
}

void sy_shape_unref(struct sy_shapes *s, struct sy_shape *shape)
{
    shape->refs--;
    release_if_unused(s, shape);
}

void sy_shape_forget(struct sy_shapes *s, struct sy_shape *shape)
{
    if (shape->refs == 1) {
        drop_cache(s, shape);
        if (shape->base != shape && shape->base->refs == 1)
            drop_cache(s, shape->base);
    }
    sy_shape_unref(s, shape);
}

void sy_shapes_drop_caches(struct sy_shapes *s)
{
    for (size_t i = 0; i < s->all.len; i++) {
        struct sy_shape *shape = s->all.p[i];
        if (!shape)
            continue;
        drop_cache(s, shape);
        shape->view_epoch = UINT64_MAX;
        release_if_unused(s, shape);
    }
}

void sy_shapes_mark(struct sy_shapes *s)
{
    const sy_sid *texts = (const sy_sid *)&s->texts;

    sy_shapes_drop_caches(s);
    s->verdicts.len = VERDICT_NO_NODE + 1;
    s->last_verdict = VERDICT_FITS;
    sy_map_done(&s->verdict_by_hash);
    for (size_t i = 0; i < sizeof(s->texts) / sizeof(*texts); i++)
        sy_strings_mark(s->cluster->strings, texts[i]);
    for (size_t i = 0; i < s->all.len; i++) {
        if (s->all.p[i])
            sy_strings_mark(s->cluster->strings, s->all.p[i]->ns);
    }
}

static void evict_for(struct sy_shapes *s, size_t bytes)
{
    while (s->cache_bytes && s->cache_bytes + bytes > s->cache_bytes_max) {
        struct sy_shape *oldest = NULL;
        for (size_t i = 0; i < s->all.len; i++) {
            struct sy_shape *shape = s->all.p[i];
            if (shape && (shape->cache || shape->kept_bytes) &&
                (!oldest || shape->last_used < oldest->last_used))
                oldest = shape;
        }
        if (!oldest)
            return;
        drop_cache(s, oldest);
        release_if_unused(s, oldest);
    }
}

/* -- resolving what the spec asks for to columns, and preparing the cached plugins -- */

static sy_sid insufficient(struct sy_strings *strings, sy_sid resource)
{
    struct sy_buf text;

    sy_buf_init(&text, SY_STRINGS_MAX_LEN);
    sy_buf_adds(&text, "Insufficient ");
    struct sy_str name = sy_strings_get(strings, resource);
    sy_buf_add(&text, name.p, name.len);
    sy_sid id = text.failed ? 0 : sy_strings_add(strings, sy_buf_str(&text));
    sy_buf_done(&text);
    return id;
}

/* Returns whether the arena had room. */
static bool resolve_requests(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    struct sy_amounts requests = shape->spec->spec.requests.requests;
    uint32_t *columns = sy_arena_array(&shape->arena, requests.len, sizeof(*columns));
    int64_t *amounts = sy_arena_array(&shape->arena, requests.len, sizeof(*amounts));
    sy_sid *reasons = sy_arena_array(&shape->arena, requests.len, sizeof(*reasons));
    uint32_t len = 0;

    if (!columns || !amounts || !reasons)
        return false;
    for (uint32_t i = 0; i < requests.len; i++) {
        if (requests.p[i].amount <= 0)
            continue; /* asking for none of a resource fits everywhere */
        columns[len] = sy_cluster_column(c, requests.p[i].resource);
        amounts[len] = requests.p[i].amount;
        reasons[len++] = insufficient(c->strings, requests.p[i].resource);
    }
    shape->view.requests_len = len;
    shape->view.request_columns = columns;
    shape->view.request_amounts = amounts;
    shape->view.request_reasons = reasons;
    return true;
}

static void reject(struct sy_shape_plugins *p, const char *plugin, const struct sy_verdict *v)
{
    if (p->reject.code != SY_FIT)
        return; /* the first one names the reason */
    p->reject = *v;
    p->reject_plugin = plugin;
}

/* An error's text as upstream wraps it: "running ", then what, with the plugin's name, then it. */
static void wrap_error(struct sy_shapes *s, const char *before, const char *plugin,
                       const char *after, struct sy_verdict *v)
{
    sy_sid reason = v->reasons_len ? v->reasons[0] : s->texts.no_memory;
    char *text = sy_xasprintf("running %s\"%s\"%s: %s", before, plugin, after,
                              sy_strings_getz(s->cluster->strings, reason));

    v->reasons[0] = sy_strings_addz(s->cluster->strings, text);
    v->reasons_len = 1;
    free(text);
}

static void reject_wrapped(struct sy_shapes *s, struct sy_shape_plugins *p, const char *before,
                           const char *plugin, struct sy_verdict *v)
{
    if (v->code == SY_ERROR)
        wrap_error(s, before, plugin, "", v);
    reject(p, plugin, v);
}

static void sort_filters(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_shape_plugins *p = shape->plugins;

    for (uint32_t i = 0; i < shape->profile->filters_len; i++) {
        struct ready_filter r = {.filter = shape->profile->filters[i], .index = (uint8_t)i};
        struct sy_verdict v = {.code = SY_FIT, .filter = (uint8_t)i};
        if (r.filter->is_global) {
            if (!r.filter->concerns || r.filter->concerns(s->cluster, shape->view.spec))
                p->global[p->global_len++] = r;
            continue;
        }
        enum sy_pre pre = r.filter->prepare
                              ? r.filter->prepare(&shape->view, &shape->arena, &r.state, &v)
                              : SY_PRE_RUN;
        if (pre == SY_PRE_RUN) {
            p->local[p->local_len++] = r;
            if (r.filter->names) {
                p->names_len = r.filter->names(&shape->view, r.state, p->names, NAMES_MAX);
                p->namer = r.index;
            }
        }
        if (pre == SY_PRE_REJECT)
            reject_wrapped(s, p, "PreFilter plugin ", r.filter->name, &v);
    }
}

static void sort_scorers(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_shape_plugins *p = shape->plugins;

    for (uint32_t i = 0; i < shape->profile->scorers_len; i++) {
        const struct sy_weighted_scorer *w = &shape->profile->scorers[i];
        struct ready_scorer r = {.scorer = w->scorer,
                                 .index = (uint8_t)i,
                                 .weight = (int64_t)w->weight *
                                           (w->scorer->is_fine ? 1 : SY_SCORE_MAX / 100)};
        struct sy_verdict v = {.code = SY_FIT};
        if (w->scorer->is_global) {
            p->global_scorers[p->global_scorers_len++] = r;
            continue;
        }
        enum sy_pre pre = w->scorer->prepare ? w->scorer->prepare(&shape->view, &shape->arena, NULL,
                                                                  0, &r.state, &v)
                                             : SY_PRE_RUN;
        if (pre == SY_PRE_RUN)
            p->local_scorers[p->local_scorers_len++] = r;
        else if (pre == SY_PRE_REJECT)
            reject_wrapped(s, p, "PreScore plugin ", w->scorer->name, &v);
    }
}

static void resolve_view(struct sy_shapes *s, struct sy_shape *shape)
{
    if (shape->view_epoch == s->cluster->epoch)
        return;
    sy_arena_reset(&shape->arena);
    shape->view = (struct sy_shape_view){
        .cluster = s->cluster,
        .profile = shape->profile,
        .spec = &shape->spec->spec,
        .labels = shape->labels->labels,
        .ns = shape->ns,
        .owner = shape->owner,
        .passes_gates = shape->passes_gates,
        .kept = shape->kept,
        .texts = &s->texts,
    };
    if (shape->pod_name) {
        shape->view.pod_name = sy_str_from(shape->pod_name);
        shape->view.pod_uid = sy_str_from(shape->pod_name + shape->view.pod_name.len + 1);
    }
    *shape->plugins = (struct sy_shape_plugins){.names_len = SY_NONE};
    if (!resolve_requests(s, shape))
        reject_wrapped(s, shape->plugins, "PreFilter plugin ", "NodeResourcesFit",
                       &(struct sy_verdict){.code = SY_ERROR});
    sort_filters(s, shape);
    sort_scorers(s, shape);
    /* What failed for want of memory is tried anew next time. */
    shape->view_epoch = shape->plugins->reject.code == SY_ERROR ? UINT64_MAX : s->cluster->epoch;
}

/* Runs filters over one node: the first refusal, or "fits". */
static uint32_t verdict_of(struct sy_shapes *s, const struct sy_shape *shape,
                           const struct ready_filter *filters, uint32_t len, uint32_t node)
{
    struct sy_verdict v;

    for (uint32_t i = 0; i < len; i++) {
        const struct sy_filter *f = filters[i].filter;
        if (!f->excludes || !f->excludes(&shape->view, filters[i].state, node))
            continue;
        v = (struct sy_verdict){
            .code = SY_UNRESOLVABLE, .filter = filters[i].index, .reasons_len = 1};
        v.reasons[0] = s->texts.not_selected_by_plugin;
        return intern_verdict(s, &v);
    }
    for (uint32_t i = 0; i < len; i++) {
        if (filters[i].filter->refuses(&shape->view, filters[i].state, node, &v)) {
            v.filter = filters[i].index;
            if (v.code == SY_ERROR)
                wrap_error(s, "", filters[i].filter->name, " filter plugin", &v);
            return intern_verdict(s, &v);
        }
    }
    return VERDICT_FITS;
}

static uint32_t local_verdict(struct sy_shapes *s, const struct sy_shape *shape, uint32_t node)
{
    if (!sy_cluster_node_is_alive(s->cluster, node))
        return VERDICT_NO_NODE;
    return verdict_of(s, shape, shape->plugins->local, shape->plugins->local_len, node);
}

static int64_t local_score(const struct sy_shape *shape, uint32_t node)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < shape->plugins->local_scorers_len; i++) {
        const struct ready_scorer *r = &shape->plugins->local_scorers[i];
        sum += r->weight * r->scorer->score(&shape->view, r->state, node);
    }
    return sum;
}

/* -- the cache -- */

static uint32_t better(const struct sy_shape_cache *cache, uint32_t a, uint32_t b)
{
    if (a == SY_NONE || b == SY_NONE)
        return a == SY_NONE ? b : a;
    return cache->score[b] > cache->score[a] ? b : a; /* ties: the lower slot */
}

static uint32_t leaf(const struct sy_shape_cache *cache, uint32_t node)
{
    return node < cache->nodes_len && cache->verdict[node] == VERDICT_FITS ? node : SY_NONE;
}

static void play(struct sy_shape_cache *cache, uint32_t inner)
{
    uint32_t left = 2 * inner, right = left + 1;

    if (left >= cache->leaves)
        cache->winner[inner] =
            better(cache, leaf(cache, left - cache->leaves), leaf(cache, right - cache->leaves));
    else
        cache->winner[inner] = better(cache, cache->winner[left], cache->winner[right]);
}

static bool is_failure(const struct sy_shapes *s, uint32_t verdict)
{
    return verdict != VERDICT_NO_NODE && s->verdicts.p[verdict].code == SY_ERROR;
}

static void evaluate_into(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    struct sy_shape_cache *cache = shape->cache;
    bool did_fit = cache->verdict[node] == VERDICT_FITS;
    bool did_fail = is_failure(s, cache->verdict[node]);

    s->evaluated++;
    cache->verdict[node] = local_verdict(s, shape, node);
    cache->failed += (uint32_t)is_failure(s, cache->verdict[node]) - (uint32_t)did_fail;
    if (cache->verdict[node] == VERDICT_FITS)
        cache->score[node] = local_score(shape, node);
    cache->feasible += (uint32_t)(cache->verdict[node] == VERDICT_FITS) - (uint32_t)did_fit;
}

static uint64_t stamp_of(const struct sy_shape *shape)
{
    uint64_t stamp = 0;

    for (uint32_t i = 0; i < shape->plugins->local_scorers_len; i++) {
        const struct sy_scorer *scorer = shape->plugins->local_scorers[i].scorer;
        if (scorer->stamp)
            stamp = sy_hash_u64(stamp ^ scorer->stamp(&shape->view));
    }
    return stamp;
}

static void play_all(struct sy_shape_cache *cache)
{
    for (uint32_t inner = cache->leaves - 1; inner; inner--)
        play(cache, inner);
}

/* What the scorers read beside the nodes has changed: the verdicts stay. */
static void score_anew(struct sy_shape *shape, uint64_t stamp)
{
    struct sy_shape_cache *cache = shape->cache;

    for (uint32_t node = 0; node < cache->nodes_len; node++) {
        if (cache->verdict[node] == VERDICT_FITS)
            cache->score[node] = local_score(shape, node);
    }
    cache->stamp = stamp;
    play_all(cache);
}

static void build_cache(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    struct sy_shape_cache *cache = shape->cache;
    uint32_t leaves = 2;

    while (leaves < c->nodes_len)
        leaves *= 2;
    if (!cache || cache->leaves != leaves) {
        drop_cache(s, shape);
        struct sy_shape_cache sized = {.leaves = leaves};
        evict_for(s, cache_size(&sized));
        cache = shape->cache = sy_xcalloc(1, sizeof(*cache));
        cache->leaves = leaves;
        cache->verdict = sy_xcalloc(leaves, sizeof(*cache->verdict));
        cache->score = sy_xcalloc(leaves, sizeof(*cache->score));
        cache->winner = sy_xcalloc(leaves, sizeof(*cache->winner));
        s->cache_bytes += cache_size(cache);
    }
    s->builds++;
    resolve_view(s, shape);
    cache->nodes_len = c->nodes_len;
    cache->epoch = c->epoch;
    cache->changes_seen = c->changes.len;
    cache->feasible = cache->failed = 0;
    for (uint32_t node = 0; node < cache->leaves; node++)
        cache->verdict[node] = VERDICT_NO_NODE;
    for (uint32_t node = 0; node < cache->nodes_len; node++)
        evaluate_into(s, shape, node);
    cache->stamp = stamp_of(shape);
    play_all(cache);
}

/* Evaluates the nodes that changed since the cache was last right. */
static void refresh_own_cache(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    struct sy_shape_cache *cache = shape->cache;

    shape->last_used = ++s->use_clock;
    weigh_kept(s, shape);
    if (!cache || cache->epoch != c->epoch || shape->view_epoch != c->epoch ||
        c->nodes_len > cache->leaves || c->changes.len - cache->changes_seen >= SY_LOG_ROOM ||
        c->changes.len - cache->changes_seen > c->nodes_len) {
        build_cache(s, shape);
        return;
    }
    s->hits++;
    cache->nodes_len = c->nodes_len;
    while (cache->changes_seen < c->changes.len) {
        uint32_t node = c->changes.ring[++cache->changes_seen % SY_LOG_ROOM];
        evaluate_into(s, shape, node);
        for (uint32_t inner = (node + cache->leaves) / 2; inner; inner /= 2)
            play(cache, inner);
    }
    uint64_t stamp = stamp_of(shape);
    if (stamp != cache->stamp)
        score_anew(shape, stamp);
}

/* Whether the shape does without a cache. */
static bool is_named(const struct sy_shape *shape)
{
    return shape->plugins->names_len != SY_NONE && shape->plugins->reject.code == SY_FIT;
}

static void refresh_cache(struct sy_shapes *s, struct sy_shape *shape)
{
    if (shape->view_epoch != s->cluster->epoch) {
        resolve_view(s, shape);
        if (shape->cache)
            shape->cache->epoch = UINT64_MAX; /* is of another view */
    }
    if (is_named(shape)) {
        shape->last_used = ++s->use_clock;
        weigh_kept(s, shape);
        return;
    }
    refresh_own_cache(s, shape->base);
    if (shape->base == shape)
        return;
    shape->last_used = ++s->use_clock;
    weigh_kept(s, shape);
}

/* -- one cycle's pass of the global plugins -- */

/* Readies the global filters that have something to say; the others are left out. */
static uint32_t prepare_global_filters(struct sy_shapes *s, struct sy_shape *shape,
                                       struct ready_filter *ready, struct sy_outcome *out)
{
    uint32_t len = 0;

    if (!s->asks_speaking_only)
        s->speaking = 0;
    for (uint32_t i = 0; i < shape->plugins->global_len && out->reject.code == SY_FIT; i++) {
        struct ready_filter r = shape->plugins->global[i];
        struct sy_verdict v = {.code = SY_FIT, .filter = r.index};
        if (s->asks_speaking_only && !(s->speaking & 1U << r.index))
            continue;
        enum sy_pre pre = r.filter->prepare
                              ? r.filter->prepare(&shape->view, &s->arena, &r.state, &v)
                              : SY_PRE_RUN;
        if (pre == SY_PRE_RUN) {
            ready[len++] = r;
            s->speaking |= 1U << r.index;
        }
        if (pre == SY_PRE_REJECT) {
            if (v.code == SY_ERROR)
                wrap_error(s, "PreFilter plugin ", r.filter->name, "", &v);
            out->reject = v;
            out->reject_plugin = r.filter->name;
        }
    }
    return len;
}

/* Ends the attempt when the verdict is a failure. */
static bool fails(const struct sy_shapes *s, const struct sy_shape *shape, uint32_t verdict,
                  struct sy_outcome *out)
{
    if (!is_failure(s, verdict))
        return false;
    if (out->reject.code == SY_FIT) {
        out->reject = s->verdicts.p[verdict];
        out->reject_plugin = shape->profile->filters[out->reject.filter]->name;
    }
    return true;
}

/* The alive ones of the nodes that are named, rising. */
static uint32_t find_named(const struct sy_shapes *s, const struct sy_shape *shape,
                           uint32_t nodes[NAMES_MAX])
{
    const struct sy_shape_plugins *p = shape->plugins;
    uint32_t len = 0;

    for (uint32_t i = 0; i < p->names_len; i++) {
        uint32_t node = sy_cluster_node_find(s->cluster, p->names[i]);
        if (node == SY_NONE || !sy_cluster_node_is_alive(s->cluster, node))
            continue;
        uint32_t at = len++;
        for (; at && nodes[at - 1] > node; at--)
            nodes[at] = nodes[at - 1];
        nodes[at] = node;
    }
    return len;
}

static void note_all_excluded(struct sy_shapes *s, const struct sy_shape *shape)
{
    const struct sy_cluster *c = s->cluster;
    struct sy_verdict v = {
        .code = SY_UNRESOLVABLE, .filter = shape->plugins->namer, .reasons_len = 1};

    v.reasons[0] = s->texts.not_selected_by_plugin;
    uint32_t excluded = intern_verdict(s, &v);
    sy_vec_reserve(&s->pass_verdict, c->nodes_len);
    for (uint32_t node = 0; node < c->nodes_len; node++)
        s->pass_verdict.p[node] =
            sy_cluster_node_is_alive(c, node) ? excluded : (uint32_t)VERDICT_NO_NODE;
}

/* As filter_pass() and sweep_pass(), for a shape that names its nodes. out: where a failure ends
 * the look, with nothing in pass_verdict; or NULL. */
static void named_pass(struct sy_shapes *s, struct sy_shape *shape,
                       const struct ready_filter *ready, uint32_t len, struct sy_outcome *out)
{
    uint32_t nodes[NAMES_MAX];
    uint32_t nodes_len = find_named(s, shape, nodes);

    if (!out)
        note_all_excluded(s, shape);
    s->pass_nodes.len = 0;
    sy_vec_reserve(&s->pass_nodes, nodes_len);
    for (uint32_t i = 0; i < nodes_len; i++) {
        uint32_t verdict = local_verdict(s, shape, nodes[i]);
        s->evaluated++;
        if (verdict == VERDICT_FITS && len)
            verdict = verdict_of(s, shape, ready, len, nodes[i]);
        if (!out)
            s->pass_verdict.p[nodes[i]] = verdict;
        else if (fails(s, shape, verdict, out))
            return;
        if (verdict == VERDICT_FITS)
            s->pass_nodes.p[s->pass_nodes.len++] = nodes[i];
    }
}

/* Fills pass_nodes with what all filters pass, and pass_verdict for every node. */
static void filter_pass(struct sy_shapes *s, struct sy_shape *shape,
                        const struct ready_filter *ready, uint32_t len)
{
    if (is_named(shape)) {
        named_pass(s, shape, ready, len, NULL);
        return;
    }
    const struct sy_shape_cache *cache = shape->base->cache;

    s->pass_nodes.len = 0;
    sy_vec_reserve(&s->pass_nodes, cache->nodes_len);
    sy_vec_reserve(&s->pass_verdict, cache->nodes_len);
    for (uint32_t node = 0; node < cache->nodes_len; node++) {
        uint32_t verdict = cache->verdict[node];
        if (verdict == VERDICT_FITS && len)
            verdict = verdict_of(s, shape, ready, len, node);
        s->pass_verdict.p[node] = verdict;
        if (verdict == VERDICT_FITS)
            s->pass_nodes.p[s->pass_nodes.len++] = node;
    }
}

/* As filter_pass(), but fills pass_nodes alone: why the others are refused is of no interest until
 * it turns out that no node will do. Ends at the first node on which a filter fails. */
static void sweep_pass(struct sy_shapes *s, struct sy_shape *shape,
                       const struct ready_filter *ready, uint32_t len, struct sy_outcome *out)
{
    const struct sy_shape_cache *cache = shape->base->cache;
    struct ready_filter single[SY_FILTERS_MAX]; /* those that are asked node by node */
    uint32_t single_len = 0, early_len = 0;     /* early: before a sweeping one: may fail first */

    s->pass_nodes.len = 0;
    sy_vec_reserve(&s->pass_nodes, cache->nodes_len);
    sy_vec_reserve(&s->pass_refused, cache->nodes_len);
    if (cache->nodes_len)
        memset(s->pass_refused.p, 0, cache->nodes_len);
    for (uint32_t i = 0; i < len; i++) {
        if (ready[i].filter->sweep) {
            ready[i].filter->sweep(&shape->view, ready[i].state, cache->nodes_len,
                                   s->pass_refused.p);
            early_len = single_len;
        } else {
            single[single_len++] = ready[i];
        }
    }
    for (uint32_t node = 0; node < cache->nodes_len; node++) {
        uint32_t verdict = cache->verdict[node];
        uint32_t asked = s->pass_refused.p[node] ? early_len : single_len;
        if (verdict == VERDICT_FITS && s->pass_refused.p[node] & SY_SWEEP_FAILED)
            verdict = verdict_of(s, shape, ready, len, node);
        else if (verdict == VERDICT_FITS && asked)
            verdict = verdict_of(s, shape, single, asked, node);
        if (fails(s, shape, verdict, out))
            return;
        if (verdict == VERDICT_FITS && !s->pass_refused.p[node])
            s->pass_nodes.p[s->pass_nodes.len++] = node;
    }
}

/* -- claims of nominated pods -- */

void sy_shapes_nominate(struct sy_shapes *s, uint32_t pod, uint32_t node)
{
    size_t at = s->nominees.len;

    sy_vec_push(&s->nominees, (struct sy_nominee){pod, node});
    for (; at && s->nominees.p[at - 1].node > node; at--)
        s->nominees.p[at] = s->nominees.p[at - 1];
    s->nominees.p[at] = (struct sy_nominee){pod, node};
}

void sy_shapes_end_nomination(struct sy_shapes *s, uint32_t pod)
{
    size_t len = 0;

    for (size_t i = 0; i < s->nominees.len; i++) {
        if (s->nominees.p[i].pod != pod)
            s->nominees.p[len++] = s->nominees.p[i];
    }
    s->nominees.len = len;
}

/* The first of the claims on a node that is not less. */
static size_t first_claim(const struct sy_shapes *s, uint32_t node)
{
    size_t low = 0, high = s->nominees.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->nominees.p[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_claim(const struct sy_shapes *s, const struct sy_nominee *n)
{
    const struct sy_pod_slot *pods = s->cluster->pods.p;

    return s->asking != SY_NONE && n->pod != s->asking && pods[n->pod].node == SY_NONE &&
           pods[n->pod].priority >= pods[s->asking].priority;
}

static bool any_claims(const struct sy_shapes *s)
{
    for (size_t i = 0; i < s->nominees.len; i++) {
        if (has_claim(s, &s->nominees.p[i]))
            return true;
    }
    return false;
}

static uint32_t plain_verdict(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};
    uint32_t verdict = local_verdict(s, shape, node);

    if (verdict != VERDICT_FITS)
        return verdict;
    sy_arena_reset(&s->arena);
    uint32_t len = prepare_global_filters(s, shape, ready, &out);
    if (out.reject.code != SY_FIT)
        return intern_verdict(s, &out.reject);
    return verdict_of(s, shape, ready, len, node);
}

/* The verdict on one node with the pods there that have a claim on it. */
static uint32_t claimed_verdict(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    SY_VEC(uint32_t) put = {0};
    bool asked_speaking_only = s->asks_speaking_only;

    sy_cluster_trial_begin(s->cluster);
    for (size_t i = first_claim(s, node); i < s->nominees.len && s->nominees.p[i].node == node;
         i++) {
        const struct sy_nominee *n = &s->nominees.p[i];
        if (!has_claim(s, n))
            continue;
        sy_cluster_trial_restore(s->cluster, n->pod, node);
        sy_vec_push(&put, n->pod);
    }
    s->asks_speaking_only = true;
    uint32_t verdict = plain_verdict(s, shape, node);
    s->asks_speaking_only = asked_speaking_only;
    for (size_t i = 0; i < put.len; i++)
        sy_cluster_trial_remove(s->cluster, put.p[i]);
    sy_cluster_trial_end(s->cluster);
    sy_vec_done(&put);
    return verdict;
}

/* Where the node is in pass_nodes, or their number. */
static size_t place_in_pass(const struct sy_shapes *s, uint32_t node)
{
    size_t low = 0, high = s->pass_nodes.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->pass_nodes.p[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->pass_nodes.len && s->pass_nodes.p[low] == node ? low : s->pass_nodes.len;
}

/* Takes nodes out of pass_nodes that do not pass with the claims on them. verdicts: also notes why,
 * in pass_verdict; else nodes that do not pass anyway are left alone. out: what a failure goes to.
 */
static void heed_claims(struct sy_shapes *s, struct sy_shape *shape, bool verdicts,
                        struct sy_outcome *out)
{
    uint32_t heeded = SY_NONE;

    for (size_t i = 0; i < s->nominees.len; i++) {
        uint32_t node = s->nominees.p[i].node;
        if (node == heeded || !has_claim(s, &s->nominees.p[i]) ||
            !sy_cluster_node_is_alive(s->cluster, node))
            continue;
        heeded = node;
        size_t at = place_in_pass(s, node);
        if (!verdicts && at == s->pass_nodes.len)
            continue;
        uint32_t verdict = claimed_verdict(s, shape, node);
        if (verdict == VERDICT_FITS)
            continue;
        (void)fails(s, shape, verdict, out);
        if (verdicts)
            s->pass_verdict.p[node] = verdict;
        if (at < s->pass_nodes.len) {
            s->pass_nodes.len--;
            memmove(s->pass_nodes.p + at, s->pass_nodes.p + at + 1,
                    (s->pass_nodes.len - at) * sizeof(*s->pass_nodes.p));
        }
    }
}

/* Adds one global scorer's points over pass_nodes to pass_total. */
static void score_pass(struct sy_shapes *s, struct sy_shape *shape, struct ready_scorer r,
                       struct sy_outcome *out)
{
    uint32_t len = (uint32_t)s->pass_nodes.len;
    struct sy_verdict v = {.code = SY_FIT};
    int64_t points, *scores;

    s->pass_points[r.index].len = 0;

    if (r.scorer->is_constant && r.scorer->is_constant(&shape->view, &points)) {
        for (uint32_t i = 0; i < len; i++)
            s->pass_total.p[i] += r.weight * points;
        return;
    }
    enum sy_pre pre = r.scorer->prepare ? r.scorer->prepare(&shape->view, &s->arena,
                                                            s->pass_nodes.p, len, &r.state, &v)
                                        : SY_PRE_RUN;
    if (pre == SY_PRE_REJECT) {
        wrap_error(s, "PreScore plugin ", r.scorer->name, "", &v);
        out->reject = v;
        out->reject_plugin = r.scorer->name;
    }
    if (pre != SY_PRE_RUN)
        return;
    sy_vec_reserve(&s->pass_points[r.index], len);
    s->pass_points[r.index].len = len;
    scores = s->pass_points[r.index].p;
    for (uint32_t i = 0; i < len; i++)
        scores[i] = r.scorer->score(&shape->view, r.state, s->pass_nodes.p[i]);
    if (r.scorer->normalize)
        r.scorer->normalize(&shape->view, r.state, s->pass_nodes.p, len, scores);
    for (uint32_t i = 0; i < len; i++)
        s->pass_total.p[i] += r.weight * scores[i];
}

/* Whether every global scorer gives all nodes the same, so that the tree's order stands. */
static bool global_scorers_are_constant(const struct sy_shape *shape)
{
    for (uint32_t i = 0; i < shape->plugins->global_scorers_len; i++) {
        const struct sy_scorer *scorer = shape->plugins->global_scorers[i].scorer;
        int64_t points;
        if (!scorer->is_constant || !scorer->is_constant(&shape->view, &points))
            return false;
    }
    return true;
}

int64_t sy_shape_constant_points(const struct sy_shape *shape)
{
    int64_t sum = 0, points;

    for (uint32_t i = 0; i < shape->plugins->global_scorers_len; i++) {
        const struct ready_scorer *r = &shape->plugins->global_scorers[i];
        if (r->scorer->is_constant && r->scorer->is_constant(&shape->view, &points))
            sum += r->weight * points;
    }
    return sum;
}

/* Sums up the points of pass_nodes and picks the best. Global scorers are asked from score_from
 * nodes on. */
static void best_of_pass(struct sy_shapes *s, struct sy_shape *shape, uint32_t score_from,
                         struct sy_outcome *out)
{
    uint32_t len = (uint32_t)s->pass_nodes.len;

    sy_vec_reserve(&s->pass_total, len);
    s->pass_total.len = len;
    bool named = is_named(shape);
    for (uint32_t i = 0; i < len; i++)
        s->pass_total.p[i] = named ? local_score(shape, s->pass_nodes.p[i])
                                   : shape->base->cache->score[s->pass_nodes.p[i]];
    uint32_t scorers_len = len >= score_from ? shape->plugins->global_scorers_len : 0;
    s->pass_is_scored = scorers_len != 0;
    for (uint32_t i = 0; i < scorers_len && out->reject.code == SY_FIT; i++)
        score_pass(s, shape, shape->plugins->global_scorers[i], out);
    if (out->reject.code != SY_FIT)
        return;
    uint32_t best = 0;
    for (uint32_t i = 1; i < len; i++) {
        if (s->pass_total.p[i] > s->pass_total.p[best])
            best = i;
    }
    if (len)
        out->node = s->pass_nodes.p[best];
}

/* The most points of a node that nothing refuses so far. */
static bool top_score(const struct sy_shapes *s, const struct sy_shape_cache *cache, int64_t *ret)
{
    bool any = false;

    for (uint32_t node = 0; node < cache->nodes_len; node++) {
        if (cache->verdict[node] != VERDICT_FITS || s->pass_refused.p[node] ||
            (any && cache->score[node] <= *ret))
            continue;
        *ret = cache->score[node];
        any = true;
    }
    return any;
}

/* As after a pass that found nothing else, of which all constant scorers think the same. */
static void pass_is_one(struct sy_shapes *s, uint32_t node, int64_t total)
{
    s->pass_nodes.len = s->pass_total.len = 0;
    sy_vec_push(&s->pass_nodes, node);
    sy_vec_push(&s->pass_total, total);
    s->pass_is_scored = true;
    for (size_t i = 0; i < SY_ARRAY_LEN(s->pass_points); i++)
        s->pass_points[i].len = 0;
}

/* Where points are settled before the global filters have spoken: asks the best nodes first, and no
 * more than it takes. False when that does not find one soon, or when a filter fails: then all are
 * to be asked. Failures on nodes that are not asked stay unseen, as on those that upstream's
 * sampling leaves out. */
static bool best_is_asked_first(struct sy_shapes *s, struct sy_shape *shape,
                                const struct ready_filter *ready, uint32_t len,
                                struct sy_outcome *out)
{
    const struct sy_shape_cache *cache = shape->base->cache;
    struct ready_filter single[SY_FILTERS_MAX];
    uint32_t single_len = 0;
    int64_t score = 0;

    for (uint32_t i = 0; i < len; i++) {
        if (!ready[i].filter->sweep)
            single[single_len++] = ready[i];
    }
    if (!single_len) /* asking all costs little, and tells more */
        return false;
    sy_vec_reserve(&s->pass_refused, cache->nodes_len);
    memset(s->pass_refused.p, 0, cache->nodes_len);
    for (uint32_t i = 0; i < len; i++) {
        if (ready[i].filter->sweep)
            ready[i].filter->sweep(&shape->view, ready[i].state, cache->nodes_len,
                                   s->pass_refused.p);
    }
    for (uint32_t level = 0; level < FIRST_LEVELS && top_score(s, cache, &score); level++) {
        for (uint32_t node = 0; node < cache->nodes_len; node++) {
            if (cache->verdict[node] != VERDICT_FITS || s->pass_refused.p[node] ||
                cache->score[node] != score)
                continue;
            uint32_t verdict = verdict_of(s, shape, single, single_len, node);
            if (is_failure(s, verdict))
                return false;
            if (verdict == VERDICT_FITS) {
                pass_is_one(s, node, score + sy_shape_constant_points(shape));
                out->node = node;
                return true;
            }
            s->pass_refused.p[node] = SY_SWEEP_REFUSED;
        }
    }
    return false;
}

static struct sy_outcome look_for_best(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};

    refresh_cache(s, shape);
    if (shape->plugins->reject.code != SY_FIT) {
        out.reject = shape->plugins->reject;
        out.reject_plugin = shape->plugins->reject_plugin;
        return out;
    }
    sy_arena_reset(&s->arena);
    uint32_t len = prepare_global_filters(s, shape, ready, &out);
    if (out.reject.code != SY_FIT)
        return out;
    bool claims = any_claims(s);
    bool named = is_named(shape);
    s->pass_is_last = named || len || claims || shape->base->cache->failed ||
                      (shape->base->cache->feasible > 1 && !global_scorers_are_constant(shape));
    if (!s->pass_is_last) {
        out.node = shape->base->cache->winner[1];
        return out;
    }
    if (named) {
        named_pass(s, shape, ready, len, &out);
    } else {
        const struct sy_shape_cache *cache = shape->base->cache;
        if (!claims && !cache->failed && cache->nodes_len > ALL_ARE_ASKED &&
            global_scorers_are_constant(shape) && best_is_asked_first(s, shape, ready, len, &out))
            return out;
        sweep_pass(s, shape, ready, len, &out);
    }
    if (claims && out.reject.code == SY_FIT)
        heed_claims(s, shape, false, &out);
    if (out.reject.code != SY_FIT)
        return out;
    best_of_pass(s, shape, 2, &out); /* kube-scheduler does not score a single feasible node */
    return out;
}

struct sy_outcome sy_shape_best(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_outcome out = look_for_best(s, shape);

    /* What a plugin keeps may be what failed, for want of memory: it starts afresh next time. */
    if (out.reject.code == SY_ERROR)
        drop_kept(s, shape);
    return out;
}

void sy_shape_placed(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    shape = shape->base; /* whose scores decided */
    resolve_view(s, shape);
    for (uint32_t i = 0; i < shape->plugins->local_scorers_len; i++) {
        const struct ready_scorer *r = &shape->plugins->local_scorers[i];
        if (r->scorer->placed)
            r->scorer->placed(&shape->view, r->state, node);
    }
}

struct sy_survey sy_shape_survey(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_survey survey = {.outcome = {.node = SY_NONE}};
    struct sy_outcome *out = &survey.outcome;

    refresh_cache(s, shape);
    if (shape->plugins->reject.code != SY_FIT) {
        out->reject = shape->plugins->reject;
        out->reject_plugin = shape->plugins->reject_plugin;
        return survey;
    }
    sy_arena_reset(&s->arena);
    uint32_t len = prepare_global_filters(s, shape, ready, out);
    if (out->reject.code != SY_FIT)
        return survey;
    filter_pass(s, shape, ready, len);
    heed_claims(s, shape, true, out);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++) {
        if (fails(s, shape, s->pass_verdict.p[node], out))
            break;
    }
    if (out->reject.code == SY_FIT)
        s->pass_is_last = true;
    best_of_pass(s, shape, 1, out);
    survey.nodes = s->pass_nodes.p;
    survey.nodes_len = (uint32_t)s->pass_nodes.len;
    survey.totals = out->reject.code == SY_FIT ? s->pass_total.p : NULL;
    survey.verdicts = s->pass_verdict.p;
    survey.verdicts_len = s->cluster->nodes_len;
    return survey;
}

const struct sy_verdict *sy_shapes_verdict(const struct sy_shapes *s, uint32_t verdict)
{
    return verdict == VERDICT_NO_NODE ? NULL : &s->verdicts.p[verdict];
}

bool sy_shape_is_relieved(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    uint64_t from = shape->relief_seen;
    bool same_view = shape->view_epoch == c->epoch;

    shape->relief_seen = c->relief.len;
    if (same_view && shape->plugins->global_len) {
        /* Pods that come may help too (affinity), and one node's change may help another. */
        bool changed = shape->looked_at != c->generation;
        shape->looked_at = c->generation;
        return changed && sy_shape_best(s, shape).node != SY_NONE;
    }
    if (same_view && from == c->relief.len)
        return false;
    if (!same_view || shape->base->cache || c->relief.len - from >= SY_LOG_ROOM || any_claims(s))
        return sy_shape_best(s, shape).node != SY_NONE;
    /* Evicted: look at the changed nodes alone. */
    while (from < c->relief.len) {
        uint32_t node = c->relief.ring[++from % SY_LOG_ROOM];
        s->evaluated++;
        if (local_verdict(s, shape, node) == VERDICT_FITS)
            return true;
    }
    return false;
}

/* Of how many nodes a filter says something else when it is asked about all at once. */
static uint32_t check_sweeps(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};
    uint32_t nodes_len = s->cluster->nodes_len, differences = 0;
    struct sy_verdict v;

    sy_arena_reset(&s->arena);
    uint32_t len = prepare_global_filters(s, shape, ready, &out);
    sy_vec_reserve(&s->pass_refused, nodes_len);
    for (uint32_t i = 0; i < len && out.reject.code == SY_FIT; i++) {
        const struct sy_filter *f = ready[i].filter;
        if (!f->sweep || !nodes_len)
            continue;
        memset(s->pass_refused.p, 0, nodes_len);
        f->sweep(&shape->view, ready[i].state, nodes_len, s->pass_refused.p);
        for (uint32_t node = 0; node < nodes_len; node++) {
            if (!sy_cluster_node_is_alive(s->cluster, node))
                continue;
            uint8_t said = f->refuses(&shape->view, ready[i].state, node, &v)
                               ? v.code == SY_ERROR ? SY_SWEEP_FAILED : SY_SWEEP_REFUSED
                               : 0;
            differences += said != s->pass_refused.p[node];
        }
    }
    if (out.reject.code == SY_ERROR) /* as in sy_shape_best() */
        drop_kept(s, shape);
    return differences;
}

/* Whether the nodes that the shape does not name are those that the filter excludes. */
static uint32_t check_named(struct sy_shapes *s, struct sy_shape *shape)
{
    uint32_t differences = 0;

    named_pass(s, shape, NULL, 0, NULL);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++)
        differences += s->pass_verdict.p[node] != local_verdict(s, shape, node);
    return differences;
}

uint32_t sy_shape_check(struct sy_shapes *s, struct sy_shape *shape)
{
    uint32_t differences = 0;
    uint32_t best = SY_NONE;
    int64_t best_score = 0;

    refresh_cache(s, shape);
    if (is_named(shape))
        return check_named(s, shape) + check_sweeps(s, shape);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++) {
        uint32_t verdict = local_verdict(s, shape, node);
        int64_t score = verdict == VERDICT_FITS ? local_score(shape, node) : 0;
        if (verdict != shape->base->cache->verdict[node] ||
            (verdict == VERDICT_FITS && shape->base->cache->score[node] != score))
            differences++;
        if (verdict == VERDICT_FITS && (best == SY_NONE || score > best_score)) {
            best = node;
            best_score = score;
        }
    }
    differences += best != shape->base->cache->winner[1];
    if (shape->plugins->reject.code == SY_FIT)
        differences += check_sweeps(s, shape);
    return differences;
}

/* -- the message -- */

/* Few distinct verdicts cover many nodes, so those are counted first. */
static char *build_message(struct sy_shapes *s)
{
    struct sy_reason_counts reasons = {0};

    if (!s->cluster->nodes_alive)
        return sy_xstrdup("no nodes available to schedule pods");
    uint32_t *per_verdict = sy_xcalloc(s->verdicts.len, sizeof(*per_verdict));
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++)
        per_verdict[s->pass_verdict.p[node]]++;
    for (uint32_t id = VERDICT_NO_NODE + 1; id < s->verdicts.len; id++) {
        for (uint32_t i = 0; per_verdict[id] && i < s->verdicts.p[id].reasons_len; i++)
            sy_reasons_add(&reasons, s->verdicts.p[id].reasons[i], per_verdict[id]);
    }
    free(per_verdict);
    char *text = sy_reasons_text(&reasons, s->cluster);
    sy_vec_done(&reasons.counts);
    return text;
}

const char *sy_shape_message(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};

    refresh_cache(s, shape);
    sy_arena_reset(&s->arena);
    uint32_t len = prepare_global_filters(s, shape, ready, &out);
    bool is_local = !len && out.reject.code == SY_FIT && !any_claims(s);
    bool is_settled = is_local && shape->message_is_local &&
                      shape->message_generation == s->cluster->generation &&
                      shape->message_epoch == s->cluster->epoch;
    if (shape->message && is_settled)
        return shape->message;
    free(shape->message);
    shape->message_is_local = is_local;
    if (shape->plugins->reject.code != SY_FIT)
        out.reject = shape->plugins->reject;
    if (out.reject.code != SY_FIT) {
        shape->message = sy_xasprintf("0/%u nodes are available: %s.", s->cluster->nodes_alive,
                                      sy_strings_getz(s->cluster->strings, out.reject.reasons[0]));
    } else {
        filter_pass(s, shape, ready, len);
        heed_claims(s, shape, true, &out);
        shape->message = build_message(s);
    }
    shape->message_generation = s->cluster->generation;
    shape->message_epoch = s->cluster->epoch;
    return shape->message;
}

static bool named_are_refused_by(const struct sy_shapes *s, const struct sy_shape *shape,
                                 uint32_t filter)
{
    const struct sy_shape_plugins *p = shape->plugins;
    uint32_t nodes[NAMES_MAX];
    uint32_t nodes_len = find_named(s, shape, nodes);
    struct sy_verdict v;

    for (uint32_t i = 0; i < nodes_len; i++) {
        uint32_t at = 0;
        while (at < p->local_len &&
               !p->local[at].filter->refuses(&shape->view, p->local[at].state, nodes[i], &v))
            at++;
        if (at < p->local_len && p->local[at].index == filter)
            return true;
    }
    return false;
}

bool sy_shape_is_refused_by(const struct sy_shapes *s, const struct sy_shape *shape,
                            const struct sy_filter *filter)
{
    const struct sy_shape_cache *cache = shape->base->cache;
    uint32_t index = 0;

    while (index < shape->profile->filters_len && shape->profile->filters[index] != filter)
        index++;
    if (is_named(shape)) /* a view that is out of date is not asked: the next look renews it */
        return shape->view_epoch == s->cluster->epoch && named_are_refused_by(s, shape, index);
    for (uint32_t node = 0; cache && node < cache->nodes_len; node++) {
        const struct sy_verdict *v = &s->verdicts.p[cache->verdict[node]];
        if (cache->verdict[node] > VERDICT_NO_NODE && v->filter == index)
            return true;
    }
    return false;
}

void sy_shape_nodes_with_code(struct sy_shapes *s, struct sy_shape *shape, enum sy_code code,
                              struct sy_slots *ret)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};

    refresh_cache(s, shape);
    sy_arena_reset(&s->arena);
    uint32_t len = prepare_global_filters(s, shape, ready, &out);
    if (shape->plugins->reject.code != SY_FIT || out.reject.code != SY_FIT)
        return;
    filter_pass(s, shape, ready, len);
    heed_claims(s, shape, true, &out);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++) {
        uint32_t verdict = s->pass_verdict.p[node];
        if (verdict != VERDICT_NO_NODE && s->verdicts.p[verdict].code == code)
            sy_vec_push(&ret->slots, node);
    }
}

bool sy_shape_fits(struct sy_shapes *s, struct sy_shape *shape, uint32_t node,
                   struct sy_verdict *ret)
{
    resolve_view(s, shape);
    uint32_t verdict = any_claims(s) ? claimed_verdict(s, shape, node) : VERDICT_FITS;
    if (verdict == VERDICT_FITS)
        verdict = plain_verdict(s, shape, node);
    if (ret)
        *ret = s->verdicts.p[verdict];
    return verdict == VERDICT_FITS;
}
