/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pods are of one shape, its plugins readied, verdicts and scores per node, and their cache.
 * Looks at all nodes are in shape_pass.c, what else is asked in shape_ask.c. */
#include "sched/shape.h"

#include "base/buf.h"
#include "policy/extended_resources.h"
#include "sched/shape_int.h"

#include <stdlib.h>
#include <string.h>

static const size_t CYCLE_MAX_BYTES = (size_t)1 << 30;

/* -- verdicts, interned -- */

static bool same_verdict(const void *arg, const void *key, uint32_t value)
{
    const struct sy_shapes *s = arg;
    const struct sy_verdict *a = key, *b = &s->verdicts.p[value];

    return a->code == b->code && a->filter == b->filter && a->reasons_len == b->reasons_len &&
           memcmp(a->reasons, b->reasons, a->reasons_len * sizeof(*a->reasons)) == 0;
}

uint32_t sy_shapes_intern(struct sy_shapes *s, const struct sy_verdict *v)
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

void sy_shape_drop_kept(struct sy_shapes *s, struct sy_shape *shape)
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
    sy_shape_drop_kept(s, shape);
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
    if (s->pass_of.shape == shape)
        s->pass_of.shape = NULL;
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
    uint16_t queue;
    bool passes_gates;
};

static uint64_t key_hash(const struct key *k)
{
    return sy_hash_u64(sy_hash_u64(k->spec->serial ^ k->labels->hash) ^ (uint64_t)k->ns << 32 ^
                       (uint64_t)(uintptr_t)k->profile ^ k->owner ^ k->pod ^ k->passes_gates ^
                       (uint64_t)k->queue << 1);
}

static bool has_key(const void *arg, const void *key, uint32_t value)
{
    const struct sy_shapes *s = arg;
    const struct sy_shape *shape = s->all.p[value];
    const struct key *k = key;

    return shape->spec == k->spec && shape->labels == k->labels && shape->ns == k->ns &&
           shape->owner == k->owner && shape->pod == k->pod && shape->profile == k->profile &&
           shape->passes_gates == k->passes_gates && shape->queue == k->queue;
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
    struct key key = {.spec = pod->spec, .profile = profile, .queue = pod->queue};
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
        shape->queue = key->queue;
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
    struct key key = {
        .profile = shape->profile, .queue = SY_NO_QUEUE, .passes_gates = shape->passes_gates};

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
    struct key key = {shape->spec, shape->labels, shape->profile, shape->owner,
                      shape->pod,  shape->ns,     shape->queue,   shape->passes_gates};
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
    s->pass_of.shape = NULL;
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

void sy_shapes_wrap_error(struct sy_shapes *s, const char *before, const char *plugin,
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
        sy_shapes_wrap_error(s, before, plugin, "", v);
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

void sy_shape_resolve(struct sy_shapes *s, struct sy_shape *shape)
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

uint32_t sy_shape_ask(struct sy_shapes *s, const struct sy_shape *shape,
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
        return sy_shapes_intern(s, &v);
    }
    for (uint32_t i = 0; i < len; i++) {
        if (filters[i].filter->refuses(&shape->view, filters[i].state, node, &v)) {
            v.filter = filters[i].index;
            if (v.code == SY_ERROR)
                sy_shapes_wrap_error(s, "", filters[i].filter->name, " filter plugin", &v);
            return sy_shapes_intern(s, &v);
        }
    }
    return VERDICT_FITS;
}

uint32_t sy_shape_local_verdict(struct sy_shapes *s, const struct sy_shape *shape, uint32_t node)
{
    if (!sy_cluster_node_is_alive(s->cluster, node))
        return VERDICT_NO_NODE;
    return sy_shape_ask(s, shape, shape->plugins->local, shape->plugins->local_len, node);
}

int64_t sy_shape_local_score(const struct sy_shape *shape, uint32_t node)
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

static void evaluate_into(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    struct sy_shape_cache *cache = shape->cache;
    bool did_fit = cache->verdict[node] == VERDICT_FITS;
    bool did_fail = sy_shapes_is_failure(s, cache->verdict[node]);

    s->evaluated++;
    cache->verdict[node] = sy_shape_local_verdict(s, shape, node);
    cache->failed += (uint32_t)sy_shapes_is_failure(s, cache->verdict[node]) - (uint32_t)did_fail;
    if (cache->verdict[node] == VERDICT_FITS)
        cache->score[node] = sy_shape_local_score(shape, node);
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
            cache->score[node] = sy_shape_local_score(shape, node);
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
    sy_shape_resolve(s, shape);
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

void sy_shape_refresh(struct sy_shapes *s, struct sy_shape *shape)
{
    if (shape->view_epoch != s->cluster->epoch) {
        sy_shape_resolve(s, shape);
        if (shape->cache)
            shape->cache->epoch = UINT64_MAX; /* is of another view */
    }
    if (sy_shape_is_named(shape)) {
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
