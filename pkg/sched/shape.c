/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/shape.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum {
    VERDICT_FITS = 0,
    VERDICT_NO_NODE = 1, /* the slot holds no alive node */
};
static const size_t MESSAGE_MAX_BYTES = 32768;

struct sy_shape_cache {
    uint64_t changes_seen; /* entries of the cluster's log taken into account */
    uint64_t epoch;
    uint32_t nodes_len;
    uint32_t leaves; /* power of two >= nodes_len */
    uint32_t feasible;
    uint32_t *verdict; /* per node: id in verdicts */
    int64_t *score;    /* per node; meaningless unless it fits */
    uint32_t *winner;  /* per inner node of the tree, root at 1: best node below, or SY_NONE */
};

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
    uint64_t hash =
        sy_hash_u64((uint64_t)v->code << 16 | (uint64_t)v->filter << 8 | v->reasons_len);

    for (uint32_t i = 0; i < v->reasons_len; i++)
        hash = sy_hash_u64(hash ^ v->reasons[i]);
    uint32_t id = sy_map_get(&s->verdict_by_hash, hash, same_verdict, s, v);
    if (id != SY_MAP_NONE)
        return id;
    id = (uint32_t)s->verdicts.len;
    sy_vec_push(&s->verdicts, *v);
    sy_map_add(&s->verdict_by_hash, hash, id);
    return id;
}

void sy_shapes_init(struct sy_shapes *s, struct sy_cluster *cluster, size_t cache_bytes_max)
{
    memset(s, 0, sizeof(*s));
    s->cluster = cluster;
    s->cache_bytes_max = cache_bytes_max;
    sy_policy_texts_init(&s->texts, cluster->strings);
    sy_vec_push(&s->verdicts, (struct sy_verdict){.code = SY_FIT});
    sy_vec_push(&s->verdicts, (struct sy_verdict){.code = SY_ERROR});
}

static size_t cache_size(const struct sy_shape_cache *cache)
{
    return sizeof(*cache) + cache->leaves * (sizeof(*cache->verdict) + sizeof(*cache->score) +
                                             sizeof(*cache->winner));
}

static void drop_cache(struct sy_shapes *s, struct sy_shape *shape)
{
    if (!shape->cache)
        return;
    s->cache_bytes -= cache_size(shape->cache);
    free(shape->cache->verdict);
    free(shape->cache->score);
    free(shape->cache->winner);
    free(shape->cache);
    shape->cache = NULL;
}

static void free_view(struct sy_shape *shape)
{
    free((void *)(uintptr_t)shape->view.request_columns);
    free((void *)(uintptr_t)shape->view.request_amounts);
    free((void *)(uintptr_t)shape->view.request_reasons);
    memset(&shape->view, 0, sizeof(shape->view));
}

static void free_shape(struct sy_shapes *s, struct sy_shape *shape)
{
    drop_cache(s, shape);
    free_view(shape);
    sy_specs_unref(s->cluster->specs, shape->spec);
    sy_vec_done(&shape->waiting.at);
    free(shape->message);
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
}

/* -- shapes -- */

struct key {
    const struct sy_shared_spec *spec;
    const struct sy_profile *profile;
};

static uint64_t key_hash(const struct key *k)
{
    return sy_hash_u64(k->spec->serial * 31 + (uint64_t)(uintptr_t)k->profile);
}

static bool has_key(const void *arg, const void *key, uint32_t value)
{
    const struct sy_shapes *s = arg;
    const struct key *k = key;

    return s->all.p[value]->spec == k->spec && s->all.p[value]->profile == k->profile;
}

struct sy_shape *sy_shape_ref(struct sy_shapes *s, const struct sy_shared_spec *spec,
                              const struct sy_profile *profile)
{
    struct key key = {spec, profile};
    uint32_t id = sy_map_get(&s->by_key, key_hash(&key), has_key, s, &key);

    if (id == SY_MAP_NONE) {
        struct sy_shape *shape = sy_xcalloc(1, sizeof(*shape));
        shape->spec = sy_specs_retain(s->cluster->specs, spec);
        shape->profile = profile;
        shape->view_epoch = UINT64_MAX;
        if (s->free.len) {
            id = s->free.p[--s->free.len];
            s->all.p[id] = shape;
        } else {
            id = (uint32_t)s->all.len;
            sy_vec_push(&s->all, shape);
        }
        shape->id = id;
        sy_map_add(&s->by_key, key_hash(&key), id);
    }
    s->all.p[id]->refs++;
    return s->all.p[id];
}

/* A shape that nobody queues for stays as long as its cache does: the next pod of the same workload
 * will ask for it. */
static void release_if_unused(struct sy_shapes *s, struct sy_shape *shape)
{
    if (shape->refs || shape->cache)
        return;
    struct key key = {shape->spec, shape->profile};
    sy_map_del(&s->by_key, key_hash(&key), shape->id);
    s->all.p[shape->id] = NULL;
    sy_vec_push(&s->free, shape->id);
    free_shape(s, shape);
}

void sy_shape_unref(struct sy_shapes *s, struct sy_shape *shape)
{
    shape->refs--;
    release_if_unused(s, shape);
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

static void evict_for(struct sy_shapes *s, size_t bytes)
{
    while (s->cache_bytes && s->cache_bytes + bytes > s->cache_bytes_max) {
        struct sy_shape *oldest = NULL;
        for (size_t i = 0; i < s->all.len; i++) {
            struct sy_shape *shape = s->all.p[i];
            if (shape && shape->cache && (!oldest || shape->last_used < oldest->last_used))
                oldest = shape;
        }
        drop_cache(s, oldest);
        release_if_unused(s, oldest);
    }
}

/* -- resolving what the spec asks for to columns -- */

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

static void resolve_view(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    struct sy_amounts requests = shape->spec->spec.requests.requests;

    if (shape->view_epoch == c->epoch)
        return;
    free_view(shape);
    uint32_t *columns = sy_xcalloc(requests.len, sizeof(*columns));
    int64_t *amounts = sy_xcalloc(requests.len, sizeof(*amounts));
    sy_sid *reasons = sy_xcalloc(requests.len, sizeof(*reasons));
    uint32_t len = 0;
    for (uint32_t i = 0; i < requests.len; i++) {
        if (requests.p[i].amount <= 0)
            continue; /* asking for none of a resource fits everywhere */
        columns[len] = sy_cluster_column(c, requests.p[i].resource);
        amounts[len] = requests.p[i].amount;
        reasons[len++] = insufficient(c->strings, requests.p[i].resource);
    }
    shape->view = (struct sy_shape_view){
        .cluster = c,
        .profile = shape->profile,
        .spec = &shape->spec->spec,
        .requests_len = len,
        .request_columns = columns,
        .request_amounts = amounts,
        .request_reasons = reasons,
        .texts = &s->texts,
    };
    shape->filters_len = 0;
    for (uint32_t i = 0; i < shape->profile->filters_len; i++) {
        const struct sy_filter *filter = shape->profile->filters[i];
        if (filter->applies && !filter->applies(&shape->view))
            continue;
        shape->filter_index[shape->filters_len] = (uint8_t)i;
        shape->filters[shape->filters_len++] = filter;
    }
    shape->view_epoch = c->epoch;
}

static bool fits(const struct sy_shape *shape, uint32_t node, struct sy_verdict *v)
{
    for (uint32_t i = 0; i < shape->filters_len; i++) {
        if (shape->filters[i]->refuses(&shape->view, node, v)) {
            v->filter = shape->filter_index[i];
            return false;
        }
    }
    return true;
}

static int64_t total_score(const struct sy_shape *shape, uint32_t node)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < shape->profile->scorers_len; i++) {
        const struct sy_weighted_scorer *w = &shape->profile->scorers[i];
        sum += (int64_t)w->weight * w->scorer->score(&shape->view, node);
    }
    return sum;
}

struct sy_verdict sy_shape_evaluate(struct sy_shapes *s, struct sy_shape *shape, uint32_t node,
                                    int64_t *ret_score)
{
    struct sy_verdict v;

    resolve_view(s, shape);
    if (!sy_cluster_node_is_alive(s->cluster, node))
        return s->verdicts.p[VERDICT_NO_NODE];
    if (!fits(shape, node, &v))
        return v;
    *ret_score = total_score(shape, node);
    return s->verdicts.p[VERDICT_FITS];
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
    struct sy_verdict v;
    bool did_fit = cache->verdict[node] == VERDICT_FITS;

    s->evaluated++;
    if (!sy_cluster_node_is_alive(s->cluster, node)) {
        cache->verdict[node] = VERDICT_NO_NODE;
    } else if (fits(shape, node, &v)) {
        cache->verdict[node] = VERDICT_FITS;
        cache->score[node] = total_score(shape, node);
    } else {
        cache->verdict[node] = intern_verdict(s, &v);
    }
    cache->feasible += (cache->verdict[node] == VERDICT_FITS) - did_fit;
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
    cache->feasible = 0;
    for (uint32_t node = 0; node < cache->leaves; node++)
        cache->verdict[node] = VERDICT_NO_NODE;
    for (uint32_t node = 0; node < cache->nodes_len; node++)
        evaluate_into(s, shape, node);
    for (uint32_t inner = leaves - 1; inner; inner--)
        play(cache, inner);
}

/* Evaluates the nodes that changed since the cache was last right. */
static void refresh_cache(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    struct sy_shape_cache *cache = shape->cache;

    shape->last_used = ++s->use_clock;
    if (!cache || cache->epoch != c->epoch || c->nodes_len > cache->leaves ||
        c->changes.len - cache->changes_seen >= SY_LOG_ROOM ||
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
}

uint32_t sy_shape_best(struct sy_shapes *s, struct sy_shape *shape)
{
    refresh_cache(s, shape);
    return shape->cache->winner[1];
}

bool sy_shape_is_relieved(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    uint64_t from = shape->relief_seen;
    struct sy_verdict v;

    shape->relief_seen = c->relief.len;
    if (from == c->relief.len && shape->view_epoch == c->epoch)
        return false;
    if (shape->cache || shape->view_epoch != c->epoch || c->relief.len - from >= SY_LOG_ROOM) {
        refresh_cache(s, shape);
        return shape->cache->feasible != 0;
    }
    /* Evicted: look at the changed nodes alone. */
    while (from < c->relief.len) {
        uint32_t node = c->relief.ring[++from % SY_LOG_ROOM];
        s->evaluated++;
        if (sy_cluster_node_is_alive(c, node) && fits(shape, node, &v))
            return true;
    }
    return false;
}

uint32_t sy_shape_check(struct sy_shapes *s, struct sy_shape *shape)
{
    uint32_t differences = 0;
    uint32_t best = SY_NONE;
    int64_t best_score = 0;

    refresh_cache(s, shape);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++) {
        int64_t score = 0;
        struct sy_verdict v = sy_shape_evaluate(s, shape, node, &score);
        uint32_t cached = shape->cache->verdict[node];
        if (!same_verdict(s, &v, cached) ||
            (cached == VERDICT_FITS && shape->cache->score[node] != score))
            differences++;
        if (v.code == SY_FIT && (best == SY_NONE || score > best_score)) {
            best = node;
            best_score = score;
        }
    }
    return differences + (best != shape->cache->winner[1]);
}

/* -- the message -- */

struct reason_count {
    sy_sid reason;
    uint32_t nodes;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Nodes per reason. Few distinct verdicts cover many nodes, so count those first. */
static void count_reasons(struct sy_shapes *s, const struct sy_shape_cache *cache,
                          struct reason_count **ret, size_t *ret_len)
{
    uint32_t *per_verdict = sy_xcalloc(s->verdicts.len, sizeof(*per_verdict));
    SY_VEC(struct reason_count) counts = {0};

    for (uint32_t node = 0; node < cache->nodes_len; node++)
        per_verdict[cache->verdict[node]]++;
    for (uint32_t id = VERDICT_NO_NODE + 1; id < s->verdicts.len; id++) {
        const struct sy_verdict *v = &s->verdicts.p[id];
        for (uint32_t i = 0; per_verdict[id] && i < v->reasons_len; i++) {
            size_t at = 0;
            while (at < counts.len && counts.p[at].reason != v->reasons[i])
                at++;
            if (at == counts.len)
                sy_vec_push(&counts, (struct reason_count){.reason = v->reasons[i]});
            counts.p[at].nodes += per_verdict[id];
        }
    }
    free(per_verdict);
    *ret = counts.p;
    *ret_len = counts.len;
}

/* The histogram as kube-scheduler's FitError words it: "N reason", sorted as text. */
static char *build_message(struct sy_shapes *s, const struct sy_shape *shape)
{
    struct reason_count *counts;
    size_t len;
    struct sy_buf b;

    if (!s->cluster->nodes_alive)
        return sy_xstrdup("no nodes available to schedule pods");
    count_reasons(s, shape->cache, &counts, &len);
    char **lines = sy_xcalloc(len, sizeof(*lines));
    for (size_t i = 0; i < len; i++)
        lines[i] = sy_xasprintf("%u %s", counts[i].nodes,
                                sy_strings_getz(s->cluster->strings, counts[i].reason));
    qsort(lines, len, sizeof(*lines), by_text);

    sy_buf_init(&b, MESSAGE_MAX_BYTES);
    sy_buf_addf(&b, "0/%u nodes are available:", s->cluster->nodes_alive);
    for (size_t i = 0; i < len; i++) {
        /* A hostile mix of resource names must not cost us the whole message. */
        if (b.len + strlen(lines[i]) + 8 < MESSAGE_MAX_BYTES)
            sy_buf_addf(&b, "%s %s", i ? "," : "", lines[i]);
        free(lines[i]);
    }
    sy_buf_addc(&b, '.');
    free(lines);
    free(counts);
    char *text = sy_buf_take(&b);
    return text ? text : sy_xstrdup("no node is available");
}

const char *sy_shape_message(struct sy_shapes *s, struct sy_shape *shape)
{
    refresh_cache(s, shape);
    if (shape->message && shape->message_generation == s->cluster->generation &&
        shape->message_epoch == s->cluster->epoch)
        return shape->message;
    free(shape->message);
    shape->message = build_message(s, shape);
    shape->message_generation = s->cluster->generation;
    shape->message_epoch = s->cluster->epoch;
    return shape->message;
}
