/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/specs.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"

#include <stdlib.h>

static const size_t SPEC_MAX_BYTES = (size_t)64 << 20;

struct sy_specs {
    struct sy_strings *strings;
    struct sy_buf encoding; /* scratch */
    struct sy_arena scratch;
    SY_VEC(struct sy_shared_spec *) specs; /* by id; NULL when free */
    SY_VEC(uint32_t) free_specs;
    struct sy_map spec_by_hash;
    SY_VEC(struct sy_shared_labels *) labels;
    SY_VEC(uint32_t) free_labels;
    struct sy_map labels_by_hash;
    uint64_t next_serial;
};

struct sy_specs *sy_specs_new(struct sy_strings *strings)
{
    struct sy_specs *s = sy_xcalloc(1, sizeof(*s));

    s->strings = strings;
    s->next_serial = 1;
    sy_buf_init(&s->encoding, SPEC_MAX_BYTES);
    sy_arena_init(&s->scratch, SPEC_MAX_BYTES);
    return s;
}

static void spec_free(struct sy_shared_spec *spec)
{
    if (!spec)
        return;
    sy_arena_done(&spec->arena);
    free(spec);
}

void sy_specs_free(struct sy_specs *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->specs.len; i++)
        spec_free(s->specs.p[i]);
    for (size_t i = 0; i < s->labels.len; i++)
        free(s->labels.p[i]);
    sy_vec_done(&s->specs);
    sy_vec_done(&s->free_specs);
    sy_vec_done(&s->labels);
    sy_vec_done(&s->free_labels);
    sy_map_done(&s->spec_by_hash);
    sy_map_done(&s->labels_by_hash);
    sy_buf_done(&s->encoding);
    sy_arena_done(&s->scratch);
    free(s);
}

/* The 128-bit hash under a secret key stands for the encoding: two different specs do not meet. */
static bool same_spec(const void *arg, const void *key, uint32_t value)
{
    const struct sy_specs *s = arg;
    const uint64_t *hash = key;

    return s->specs.p[value]->hash[0] == hash[0] && s->specs.p[value]->hash[1] == hash[1];
}

static struct sy_shared_spec *pack_spec(struct sy_specs *s, const struct sy_pod_spec *spec)
{
    struct sy_pod_spec measured;

    sy_arena_reset(&s->scratch);
    if (sy_pod_spec_copy(&s->scratch, spec, &measured) < 0)
        return NULL;
    size_t bytes = s->scratch.used_bytes;
    sy_arena_reset(&s->scratch);

    struct sy_shared_spec *shared = sy_xcalloc(1, sizeof(*shared));
    sy_arena_init(&shared->arena, SPEC_MAX_BYTES);
    if ((bytes && sy_arena_reserve(&shared->arena, bytes) < 0) ||
        sy_pod_spec_copy(&shared->arena, spec, &shared->spec) < 0) {
        spec_free(shared);
        return NULL;
    }
    return shared;
}

const struct sy_shared_spec *sy_specs_ref(struct sy_specs *s, const struct sy_pod_spec *spec)
{
    uint64_t hash[2];

    sy_buf_reset(&s->encoding);
    if (sy_pod_spec_encode(spec, &s->encoding) < 0)
        return NULL;
    sy_siphash128(s->encoding.p, s->encoding.len, sy_strings_hash_key(s->strings), hash);
    uint32_t id = sy_map_get(&s->spec_by_hash, hash[0], same_spec, s, hash);
    if (id != SY_MAP_NONE) {
        s->specs.p[id]->refs++;
        return s->specs.p[id];
    }

    struct sy_shared_spec *shared = pack_spec(s, spec);
    if (!shared)
        return NULL;
    shared->hash[0] = hash[0];
    shared->hash[1] = hash[1];
    shared->refs = 1;
    shared->serial = s->next_serial++;
    if (s->free_specs.len) {
        shared->id = s->free_specs.p[--s->free_specs.len];
        s->specs.p[shared->id] = shared;
    } else {
        shared->id = (uint32_t)s->specs.len;
        sy_vec_push(&s->specs, shared);
    }
    sy_map_add(&s->spec_by_hash, hash[0], shared->id);
    return shared;
}

const struct sy_shared_spec *sy_specs_retain(struct sy_specs *s, const struct sy_shared_spec *spec)
{
    s->specs.p[spec->id]->refs++;
    return spec;
}

void sy_specs_unref(struct sy_specs *s, const struct sy_shared_spec *spec)
{
    if (!spec)
        return;
    struct sy_shared_spec *own = s->specs.p[spec->id];
    if (--own->refs)
        return;
    sy_map_del(&s->spec_by_hash, own->hash[0], own->id);
    s->specs.p[own->id] = NULL;
    sy_vec_push(&s->free_specs, own->id);
    spec_free(own);
}

static bool same_labels(const void *arg, const void *key, uint32_t value)
{
    const struct sy_specs *s = arg;

    return sy_labels_eq(s->labels.p[value]->labels, *(const struct sy_labels *)key);
}

const struct sy_shared_labels *sy_specs_ref_labels(struct sy_specs *s, struct sy_labels labels)
{
    uint64_t hash[2];
    size_t bytes = labels.len * sizeof(*labels.p);

    sy_siphash128(labels.p, bytes, sy_strings_hash_key(s->strings), hash);
    uint32_t id = sy_map_get(&s->labels_by_hash, hash[0], same_labels, s, &labels);
    if (id != SY_MAP_NONE) {
        s->labels.p[id]->refs++;
        return s->labels.p[id];
    }

    struct sy_shared_labels *shared = sy_try_malloc(sizeof(*shared) + bytes);
    if (!shared)
        return NULL;
    struct sy_label *pairs = (struct sy_label *)(shared + 1);
    if (bytes)
        memcpy(pairs, labels.p, bytes);
    if (s->free_labels.len) {
        id = s->free_labels.p[--s->free_labels.len];
        s->labels.p[id] = shared;
    } else {
        id = (uint32_t)s->labels.len;
        sy_vec_push(&s->labels, shared);
    }
    *shared = (struct sy_shared_labels){
        .refs = 1, .id = id, .hash = hash[0], .labels = {pairs, labels.len}};
    sy_map_add(&s->labels_by_hash, hash[0], id);
    return shared;
}

const struct sy_shared_labels *sy_specs_retain_labels(struct sy_specs *s,
                                                      const struct sy_shared_labels *labels)
{
    s->labels.p[labels->id]->refs++;
    return labels;
}

void sy_specs_unref_labels(struct sy_specs *s, const struct sy_shared_labels *labels)
{
    if (!labels)
        return;
    struct sy_shared_labels *own = s->labels.p[labels->id];
    if (--own->refs)
        return;
    sy_map_del(&s->labels_by_hash, own->hash, own->id);
    s->labels.p[own->id] = NULL;
    sy_vec_push(&s->free_labels, own->id);
    free(own);
}

uint32_t sy_specs_len(const struct sy_specs *s)
{
    return s->spec_by_hash.len;
}

void sy_specs_mark(const struct sy_specs *s)
{
    for (size_t i = 0; i < s->specs.len; i++) {
        if (s->specs.p[i])
            sy_pod_spec_mark(&s->specs.p[i]->spec, s->strings);
    }
    for (size_t i = 0; i < s->labels.len; i++) {
        if (!s->labels.p[i])
            continue;
        for (uint32_t j = 0; j < s->labels.p[i]->labels.len; j++) {
            sy_strings_mark(s->strings, s->labels.p[i]->labels.p[j].key);
            sy_strings_mark(s->strings, s->labels.p[i]->labels.p[j].value);
        }
    }
}
