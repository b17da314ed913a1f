/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strings.h"

#include "base/mem.h"
#include "base/vec.h"

#include <stdlib.h>

struct entry {
    char *text; /* owned; NULL when the id is free */
    uint32_t len;
    uint32_t marked;
    uint64_t hash;
};

struct sy_strings {
    SY_VEC(struct entry) entries; /* by id; entry 0 is never used */
    SY_VEC(sy_sid) free_ids;
    SY_VEC(sy_sid) resting; /* freed by the last sweep */
    uint64_t *stale;        /* counted by readers too */
    struct sy_map by_text;
    size_t bytes;
    uint64_t key[2];
};

struct sy_strings *sy_strings_new(const uint64_t hash_key[2])
{
    struct sy_strings *t = sy_xcalloc(1, sizeof(*t));

    t->key[0] = hash_key[0];
    t->key[1] = hash_key[1];
    t->stale = sy_xcalloc(1, sizeof(*t->stale));
    sy_vec_push(&t->entries, (struct entry){0});
    return t;
}

void sy_strings_free(struct sy_strings *t)
{
    struct entry *e;

    if (!t)
        return;
    SY_VEC_FOREACH (e, &t->entries)
        free(e->text);
    sy_vec_done(&t->entries);
    sy_vec_done(&t->free_ids);
    sy_vec_done(&t->resting);
    free(t->stale);
    sy_map_done(&t->by_text);
    free(t);
}

static uint64_t hash_of(const struct sy_strings *t, struct sy_str s)
{
    uint64_t h[2];

    sy_siphash128(s.p, s.len, t->key, h);
    return h[0];
}

static bool same_text(const void *arg, const void *key, uint32_t value)
{
    const struct sy_strings *t = arg;
    const struct sy_str *s = key;
    const struct entry *e = &t->entries.p[value];

    return e->len == s->len && (!s->len || memcmp(e->text, s->p, s->len) == 0);
}

sy_sid sy_strings_find(const struct sy_strings *t, struct sy_str s)
{
    uint32_t id = sy_map_get(&t->by_text, hash_of(t, s), same_text, t, &s);

    return id == SY_MAP_NONE ? 0 : id;
}

sy_sid sy_strings_add(struct sy_strings *t, struct sy_str s)
{
    if (s.len > SY_STRINGS_MAX_LEN)
        return 0;
    uint64_t hash = hash_of(t, s);
    uint32_t id = sy_map_get(&t->by_text, hash, same_text, t, &s);
    if (id != SY_MAP_NONE)
        return id;

    char *text = sy_try_malloc(s.len + 1);
    if (!text)
        return 0;
    if (s.len)
        memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    struct entry e = {.text = text, .len = (uint32_t)s.len, .hash = hash};
    if (t->free_ids.len) {
        id = t->free_ids.p[--t->free_ids.len];
        t->entries.p[id] = e;
    } else {
        id = (uint32_t)t->entries.len;
        sy_vec_push(&t->entries, e);
    }
    sy_map_add(&t->by_text, hash, id);
    t->bytes += s.len + 1;
    return id;
}

sy_sid sy_strings_addz(struct sy_strings *t, const char *z)
{
    return sy_strings_add(t, sy_str_from(z));
}

struct sy_str sy_strings_get(const struct sy_strings *t, sy_sid id)
{
    if (id >= t->entries.len || !t->entries.p[id].text) {
        *t->stale += id != 0;
        return SY_STR("");
    }
    return (struct sy_str){t->entries.p[id].text, t->entries.p[id].len};
}

const char *sy_strings_getz(const struct sy_strings *t, sy_sid id)
{
    return sy_strings_get(t, id).p;
}

uint32_t sy_strings_len(const struct sy_strings *t)
{
    return t->by_text.len;
}

size_t sy_strings_bytes(const struct sy_strings *t)
{
    return t->bytes;
}

const uint64_t *sy_strings_hash_key(const struct sy_strings *t)
{
    return t->key;
}

void sy_strings_mark_begin(struct sy_strings *t)
{
    struct entry *e;

    SY_VEC_FOREACH (e, &t->entries)
        e->marked = 0;
}

void sy_strings_mark(struct sy_strings *t, sy_sid id)
{
    if (id < t->entries.len && t->entries.p[id].text)
        t->entries.p[id].marked = 1;
    else
        *t->stale += id != 0;
}

uint32_t sy_strings_sweep(struct sy_strings *t)
{
    uint32_t freed = 0;

    for (size_t i = 0; i < t->resting.len; i++)
        sy_vec_push(&t->free_ids, t->resting.p[i]);
    t->resting.len = 0;
    for (uint32_t id = 1; id < t->entries.len; id++) {
        struct entry *e = &t->entries.p[id];
        if (!e->text || e->marked)
            continue;
        sy_map_del(&t->by_text, e->hash, id);
        t->bytes -= e->len + 1;
        free(e->text);
        *e = (struct entry){0};
        sy_vec_push(&t->resting, id);
        freed++;
    }
    return freed;
}

uint64_t sy_strings_stale(const struct sy_strings *t)
{
    return *t->stale;
}
