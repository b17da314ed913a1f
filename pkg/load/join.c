/* SPDX-License-Identifier: Apache-2.0 */
#include "load/join.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"

/* A node has some addresses; what is beyond is not looked at. */
enum { KEYS_MAX = 8 };

struct key {
    enum sy_load_join_by by;
    char *text; /* owned */
    uint32_t node;
};

struct node {
    char *name; /* owned; NULL in a free slot */
    uint32_t keys[KEYS_MAX];
    uint32_t keys_len;
    bool is_listed; /* since replace_begin */
};

struct sy_load_join {
    uint64_t hash_key[2];
    SY_VEC(struct key) keys;
    SY_VEC(uint32_t) free_keys;
    SY_VEC(struct node) nodes;
    SY_VEC(uint32_t) free_nodes;
    struct sy_map by_key, by_name;
};

struct sought {
    enum sy_load_join_by by;
    struct sy_str text;
};

struct sy_load_join *sy_load_join_new(void)
{
    struct sy_load_join *j = sy_xcalloc(1, sizeof(*j));

    j->hash_key[0] = sy_rng_entropy();
    j->hash_key[1] = sy_rng_entropy();
    return j;
}

void sy_load_join_free(struct sy_load_join *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->keys.len; i++)
        free(j->keys.p[i].text);
    for (size_t i = 0; i < j->nodes.len; i++)
        free(j->nodes.p[i].name);
    sy_vec_done(&j->keys);
    sy_vec_done(&j->free_keys);
    sy_vec_done(&j->nodes);
    sy_vec_done(&j->free_nodes);
    sy_map_done(&j->by_key);
    sy_map_done(&j->by_name);
    free(j);
}

static uint64_t hash(const struct sy_load_join *j, struct sy_str text)
{
    uint64_t h[2];

    sy_siphash128(text.p, text.len, j->hash_key, h);
    return h[0];
}

static bool key_eq(const void *arg, const void *key, uint32_t value)
{
    const struct sy_load_join *j = arg;
    const struct sought *s = key;

    return j->keys.p[value].by == s->by && sy_str_eqz(s->text, j->keys.p[value].text);
}

static bool name_eq(const void *arg, const void *key, uint32_t value)
{
    const struct sy_load_join *j = arg;
    const struct sy_str *name = key;

    return sy_str_eqz(*name, j->nodes.p[value].name);
}

static uint32_t find_key(const struct sy_load_join *j, enum sy_load_join_by by, struct sy_str text)
{
    struct sought s = {by, text};

    return sy_map_get(&j->by_key, hash(j, text), key_eq, j, &s);
}

static uint32_t find_node(const struct sy_load_join *j, struct sy_str name)
{
    return sy_map_get(&j->by_name, hash(j, name), name_eq, j, &name);
}

static void drop_key(struct sy_load_join *j, uint32_t at)
{
    struct key *k = &j->keys.p[at];

    sy_map_del(&j->by_key, hash(j, sy_str_from(k->text)), at);
    free(k->text);
    *k = (struct key){0};
    sy_vec_push(&j->free_keys, at);
}

static void drop_keys(struct sy_load_join *j, struct node *n)
{
    for (uint32_t i = 0; i < n->keys_len; i++)
        drop_key(j, n->keys[i]);
    n->keys_len = 0;
}

/* What is kept ends with a NUL and must be found again by what it was. */
static bool is_text(struct sy_str s)
{
    return s.len && !memchr(s.p, '\0', s.len);
}

/* Takes a key from the node that has it. */
static void take_from_owner(struct sy_load_join *j, uint32_t at)
{
    struct node *owner = &j->nodes.p[j->keys.p[at].node];

    for (uint32_t i = 0; i < owner->keys_len; i++) {
        if (owner->keys[i] == at) {
            owner->keys[i] = owner->keys[--owner->keys_len];
            break;
        }
    }
    drop_key(j, at);
}

static void add_key(struct sy_load_join *j, uint32_t node, enum sy_load_join_by by,
                    struct sy_str text)
{
    uint32_t at;

    if (!is_text(text) || j->nodes.p[node].keys_len == KEYS_MAX)
        return;
    at = find_key(j, by, text);
    if (at != SY_MAP_NONE)
        take_from_owner(j, at);
    if (j->free_keys.len) {
        at = j->free_keys.p[--j->free_keys.len];
    } else {
        at = (uint32_t)j->keys.len;
        sy_vec_push(&j->keys, (struct key){0});
    }
    j->keys.p[at] = (struct key){by, sy_xstrndup(text.p, text.len), node};
    sy_map_add(&j->by_key, hash(j, text), at);
    struct node *n = &j->nodes.p[node];
    n->keys[n->keys_len++] = at;
}

static uint32_t add_node(struct sy_load_join *j, struct sy_str name)
{
    uint32_t at;

    if (j->free_nodes.len) {
        at = j->free_nodes.p[--j->free_nodes.len];
    } else {
        at = (uint32_t)j->nodes.len;
        sy_vec_push(&j->nodes, (struct node){0});
    }
    j->nodes.p[at] = (struct node){.name = sy_xstrndup(name.p, name.len)};
    sy_map_add(&j->by_name, hash(j, name), at);
    return at;
}

static void drop_node(struct sy_load_join *j, uint32_t at)
{
    struct node *n = &j->nodes.p[at];

    drop_keys(j, n);
    sy_map_del(&j->by_name, hash(j, sy_str_from(n->name)), at);
    free(n->name);
    *n = (struct node){0};
    sy_vec_push(&j->free_nodes, at);
}

void sy_load_join_set(struct sy_load_join *j, struct sy_str node, const struct sy_str *ips,
                      size_t ips_len, struct sy_str hostname)
{
    uint32_t at = find_node(j, node);

    if (!is_text(node))
        return;
    if (at == SY_MAP_NONE)
        at = add_node(j, node);
    j->nodes.p[at].is_listed = true;
    drop_keys(j, &j->nodes.p[at]);
    add_key(j, at, SY_LOAD_BY_HOSTNAME, hostname);
    for (size_t i = 0; i < ips_len; i++)
        add_key(j, at, SY_LOAD_BY_INTERNAL_IP, ips[i]);
}

void sy_load_join_forget(struct sy_load_join *j, struct sy_str node)
{
    uint32_t at = find_node(j, node);

    if (at != SY_MAP_NONE)
        drop_node(j, at);
}

void sy_load_join_replace_begin(struct sy_load_join *j)
{
    for (size_t i = 0; i < j->nodes.len; i++)
        j->nodes.p[i].is_listed = false;
}

void sy_load_join_replace_end(struct sy_load_join *j)
{
    for (size_t i = 0; i < j->nodes.len; i++) {
        if (j->nodes.p[i].name && !j->nodes.p[i].is_listed)
            drop_node(j, (uint32_t)i);
    }
}

/* "host:9100" and "[fd00::1]:9100" without the port; "fd00::1" as it is. */
static struct sy_str cut_port(struct sy_str value)
{
    const char *colon = value.len ? memchr(value.p, ':', value.len) : NULL;

    if (value.len && value.p[0] == '[') {
        const char *end = memchr(value.p, ']', value.len);
        return end ? (struct sy_str){value.p + 1, (size_t)(end - value.p) - 1} : value;
    }
    if (!colon || memchr(colon + 1, ':', value.len - (size_t)(colon + 1 - value.p)))
        return value;
    return (struct sy_str){value.p, (size_t)(colon - value.p)};
}

bool sy_load_join_find(const struct sy_load_join *j, enum sy_load_join_by by, struct sy_str value,
                       struct sy_str *ret)
{
    struct sy_str text = cut_port(value);
    uint32_t at;

    if (!text.len)
        return false;
    if (by != SY_LOAD_BY_NAME) {
        at = j ? find_key(j, by, text) : SY_MAP_NONE;
        if (at != SY_MAP_NONE) {
            *ret = sy_str_from(j->nodes.p[j->keys.p[at].node].name);
            return true;
        }
        if (by == SY_LOAD_BY_INTERNAL_IP)
            return false;
    }
    *ret = text;
    return true;
}
