/* SPDX-License-Identifier: Apache-2.0
 *
 * The store of devices' objects. */
#include "cluster/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/cluster.h"
#include "model/resources.h"

static const size_t OBJECT_MAX_BYTES = (size_t)64 << 20;

struct key {
    sy_sid ns;
    sy_sid name;
};

static uint64_t key_hash(struct key key)
{
    return sy_hash_u64((uint64_t)key.ns << 32 | key.name);
}

static bool has_key(const void *arg, const void *key, uint32_t value)
{
    const struct sy_devices_table *t = arg;
    const struct key *k = key;

    return t->all.p[value].ns == k->ns && t->all.p[value].name == k->name;
}

static struct sy_devices_slot *find(const struct sy_devices_table *t, struct key key)
{
    uint32_t slot = sy_map_get(&t->by_name, key_hash(key), has_key, t, &key);

    return slot == SY_MAP_NONE ? NULL : &t->all.p[slot];
}

static void note_change(struct sy_cluster *c, enum sy_devices_kind kind)
{
    c->devices.generation++;
    c->generation++;
    if (kind == SY_DEVICES_CLASS)
        c->epoch++; /* NodeResourcesFit leaves resources that a class stands for to us */
}

static struct sy_devices_slot *add(struct sy_devices_table *t, struct key key)
{
    uint32_t slot;

    if (t->free.len) {
        slot = t->free.p[--t->free.len];
    } else {
        slot = (uint32_t)t->all.len;
        sy_vec_push(&t->all, (struct sy_devices_slot){0});
    }
    t->all.p[slot] = (struct sy_devices_slot){.ns = key.ns, .name = key.name};
    sy_map_add(&t->by_name, key_hash(key), slot);
    return &t->all.p[slot];
}

static void hold_free(struct sy_cluster *c, struct sy_devices_hold *hold)
{
    sy_device_index_release(c, &hold->allocation);
    sy_arena_done(&hold->arena);
    free(hold);
}

static void end_hold(struct sy_cluster *c, struct sy_devices_slot *s)
{
    if (s->hold)
        hold_free(c, s->hold);
    s->hold = NULL;
}

static void drop(struct sy_cluster *c, enum sy_devices_kind kind, struct sy_devices_slot *s)
{
    struct sy_devices_table *t = &c->devices.tables[kind];
    uint32_t slot = (uint32_t)(s - t->all.p);

    end_hold(c, s);
    sy_device_index_remove(c, kind, slot);
    sy_map_del(&t->by_name, key_hash((struct key){s->ns, s->name}), slot);
    sy_arena_done(&s->arena);
    *s = (struct sy_devices_slot){0};
    sy_vec_push(&t->free, slot);
    note_change(c, kind);
}

static int pack(enum sy_devices_kind kind, const void *object, struct sy_arena *arena,
                union sy_devices_object **ret)
{
    sy_arena_init(arena, OBJECT_MAX_BYTES);
    union sy_devices_object *room = sy_arena_alloc(arena, sizeof(*room));
    int r = room ? sy_devices_copy(kind, arena, object, room) : -ENOMEM;

    if (r < 0)
        sy_arena_done(arena);
    else
        *ret = room;
    return r;
}

/* Since Kubernetes 1.35 a resourceVersion is a number, and comparing two of one object is allowed.
 * 0 when it is none. */
static uint64_t number_of(struct sy_str version)
{
    uint64_t n = 0;

    for (size_t i = 0; i < version.len; i++) {
        if (version.p[i] < '0' || version.p[i] > '9' || n > UINT64_MAX / 10 - 1)
            return 0;
        n = n * 10 + (uint64_t)(version.p[i] - '0');
    }
    return n;
}

static bool is_newer(const struct sy_device_claim *claim, const struct sy_device_claim *than)
{
    return number_of(claim->resource_version) > number_of(than->resource_version);
}

/* Whether what the watch tells of a claim lies behind what we know by an answer. */
static bool is_behind(const struct sy_devices_slot *s, const struct sy_device_claim *claim)
{
    const struct sy_device_claim *had = &s->object->claim;

    return s->is_ahead && sy_str_eq(had->uid, claim->uid) &&
           number_of(claim->resource_version) < number_of(had->resource_version);
}

static int put(struct sy_cluster *c, enum sy_devices_kind kind, struct sy_devices_slot *s,
               struct key key, const void *object)
{
    struct sy_devices_table *t = &c->devices.tables[kind];
    union sy_devices_object *packed;
    struct sy_arena arena;
    int r = pack(kind, object, &arena, &packed);

    if (r < 0)
        return r;
    if (s && s->hold &&
        (packed->claim.is_allocated || !sy_str_eq(packed->claim.uid, s->object->claim.uid)))
        end_hold(c, s);
    if (s) {
        sy_device_index_remove(c, kind, (uint32_t)(s - t->all.p));
        sy_arena_done(&s->arena);
    } else {
        s = add(t, key);
    }
    s->arena = arena;
    s->object = packed;
    s->seen = true;
    s->is_ahead = false;
    sy_device_index_add(c, kind, (uint32_t)(s - t->all.p));
    note_change(c, kind);
    return 0;
}

int sy_devices_upsert(struct sy_cluster *c, enum sy_devices_kind kind, const void *object)
{
    struct sy_devices_identity identity = sy_devices_identity(kind, object);
    struct key key = {identity.ns, identity.name};
    struct sy_devices_slot *s = find(&c->devices.tables[kind], key);

    if (s) {
        struct sy_str had = sy_devices_identity(kind, s->object).resource_version;
        s->seen = true;
        if (had.len && sy_str_eq(had, identity.resource_version)) {
            s->is_ahead = false;
            return 0;
        }
        if (kind == SY_DEVICES_CLAIM && is_behind(s, object))
            return 0;
    }
    return put(c, kind, s, key, object);
}

int sy_devices_refresh(struct sy_cluster *c, const struct sy_device_claim *claim)
{
    struct key key = {claim->ns, claim->name};
    struct sy_devices_slot *s = find(&c->devices.tables[SY_DEVICES_CLAIM], key);

    if (!s || !sy_str_eq(s->object->claim.uid, claim->uid) || !is_newer(claim, &s->object->claim))
        return 0;
    bool seen = s->seen;
    int r = put(c, SY_DEVICES_CLAIM, s, key, claim);
    if (r < 0)
        return r;
    s->seen = seen;
    s->is_ahead = true;
    return 0;
}

static int hold_new(struct sy_cluster *c, uint64_t holder,
                    const struct sy_device_allocation *allocation, struct sy_devices_hold **ret)
{
    struct sy_devices_hold *hold = sy_xcalloc(1, sizeof(*hold));

    sy_arena_init(&hold->arena, OBJECT_MAX_BYTES);
    hold->holder = holder;
    int r = sy_device_allocation_copy(&hold->arena, allocation, &hold->allocation);
    if (r < 0) {
        sy_arena_done(&hold->arena);
        free(hold);
        return r;
    }
    sy_device_index_hold(c, &hold->allocation);
    *ret = hold;
    return 0;
}

int sy_devices_hold(struct sy_cluster *c, sy_sid ns, sy_sid name, uint64_t holder,
                    const struct sy_device_allocation *allocation)
{
    struct sy_devices_slot *s = find(&c->devices.tables[SY_DEVICES_CLAIM], (struct key){ns, name});

    if (!s)
        return -ENOENT;
    int r = hold_new(c, holder, allocation, &s->hold);
    if (!r)
        note_change(c, SY_DEVICES_CLAIM);
    return r;
}

int sy_devices_hold_ahead(struct sy_cluster *c, uint64_t holder,
                          const struct sy_device_allocation *allocation)
{
    struct sy_devices_hold *hold;
    int r = hold_new(c, holder, allocation, &hold);

    if (r < 0)
        return r;
    sy_vec_push(&c->devices.ahead, hold);
    note_change(c, SY_DEVICES_CLAIM);
    return 0;
}

void sy_devices_release_ahead(struct sy_cluster *c, uint64_t holder)
{
    for (size_t i = 0; i < c->devices.ahead.len; i++) {
        if (c->devices.ahead.p[i]->holder != holder)
            continue;
        hold_free(c, c->devices.ahead.p[i]);
        c->devices.ahead.p[i] = c->devices.ahead.p[--c->devices.ahead.len];
        note_change(c, SY_DEVICES_CLAIM);
        return;
    }
}

void sy_devices_release(struct sy_cluster *c, sy_sid ns, sy_sid name, uint64_t holder)
{
    struct sy_devices_slot *s = find(&c->devices.tables[SY_DEVICES_CLAIM], (struct key){ns, name});

    if (!s || !s->hold || s->hold->holder != holder)
        return;
    end_hold(c, s);
    note_change(c, SY_DEVICES_CLAIM);
}

bool sy_devices_is_held(const struct sy_cluster *c, const struct sy_device_claim *claim)
{
    const struct sy_devices_slot *s =
        find(&c->devices.tables[SY_DEVICES_CLAIM], (struct key){claim->ns, claim->name});

    return s && s->hold;
}

const struct sy_device_allocation *sy_devices_next_held(const struct sy_cluster *c, uint32_t *at)
{
    const struct sy_devices_table *t = &c->devices.tables[SY_DEVICES_CLAIM];

    while (*at < t->all.len) {
        const struct sy_devices_hold *hold = t->all.p[(*at)++].hold;
        if (hold)
            return &hold->allocation;
    }
    size_t ahead = *at - t->all.len;
    if (ahead >= c->devices.ahead.len)
        return NULL;
    ++*at;
    return &c->devices.ahead.p[ahead]->allocation;
}

void sy_devices_delete(struct sy_cluster *c, enum sy_devices_kind kind, sy_sid ns, sy_sid name)
{
    struct sy_devices_slot *s = find(&c->devices.tables[kind], (struct key){ns, name});

    if (s)
        drop(c, kind, s);
}

void sy_devices_replace_begin(struct sy_cluster *c, enum sy_devices_kind kind)
{
    struct sy_devices_slot *s;

    SY_VEC_FOREACH (s, &c->devices.tables[kind].all)
        s->seen = false;
}

void sy_devices_replace_end(struct sy_cluster *c, enum sy_devices_kind kind)
{
    struct sy_devices_slot *s;

    SY_VEC_FOREACH (s, &c->devices.tables[kind].all) {
        if (s->object && !s->seen)
            drop(c, kind, s);
    }
}

const struct sy_device_class *sy_devices_class(const struct sy_cluster *c, sy_sid name)
{
    const struct sy_devices_slot *s =
        find(&c->devices.tables[SY_DEVICES_CLASS], (struct key){0, name});

    return s ? &s->object->class : NULL;
}

/* Whether x rather than y stands for a resource that both name. */
static bool is_preferred(const struct sy_cluster *c, const struct sy_device_class *x,
                         const struct sy_device_class *y)
{
    if (x->created_wall_ns != y->created_wall_ns)
        return x->created_wall_ns > y->created_wall_ns;
    return strcmp(sy_strings_getz(c->strings, x->name), sy_strings_getz(c->strings, y->name)) < 0;
}

const struct sy_device_class *sy_devices_class_for(const struct sy_cluster *c, sy_sid resource)
{
    static const char PREFIX[] = SY_DEVICE_CLASS_PREFIX;
    const struct sy_device_class *found = NULL;
    const union sy_devices_object *o;
    struct sy_str text = sy_strings_get(c->strings, resource);
    uint32_t at = 0;

    if (sy_str_starts(text, SY_STR(SY_DEVICE_CLASS_PREFIX))) {
        size_t skip = sizeof(PREFIX) - 1;
        sy_sid name = sy_strings_find(c->strings, (struct sy_str){text.p + skip, text.len - skip});
        return name ? sy_devices_class(c, name) : NULL;
    }
    while ((o = sy_devices_next(c, SY_DEVICES_CLASS, &at))) {
        if (o->class.extended_resource == resource && resource &&
            (!found || is_preferred(c, &o->class, found)))
            found = &o->class;
    }
    return found;
}

const struct sy_device_claim *sy_devices_claim(const struct sy_cluster *c, sy_sid ns, sy_sid name)
{
    const struct sy_devices_slot *s =
        find(&c->devices.tables[SY_DEVICES_CLAIM], (struct key){ns, name});

    return s ? &s->object->claim : NULL;
}

const union sy_devices_object *sy_devices_next(const struct sy_cluster *c,
                                               enum sy_devices_kind kind, uint32_t *at)
{
    const struct sy_devices_table *t = &c->devices.tables[kind];

    while (*at < t->all.len) {
        const union sy_devices_object *object = t->all.p[(*at)++].object;
        if (object)
            return object;
    }
    return NULL;
}

void sy_devices_mark_all(const struct sy_cluster *c)
{
    for (int kind = 0; kind < SY_DEVICES_KINDS; kind++) {
        const union sy_devices_object *object;
        uint32_t at = 0;
        while ((object = sy_devices_next(c, (enum sy_devices_kind)kind, &at)))
            sy_devices_mark((enum sy_devices_kind)kind, object, c->strings);
    }
    const struct sy_device_allocation *held;
    uint32_t at = 0;
    while ((held = sy_devices_next_held(c, &at)))
        sy_device_allocation_mark(held, c->strings);
}

void sy_devices_done(struct sy_cluster *c)
{
    for (int kind = 0; kind < SY_DEVICES_KINDS; kind++) {
        struct sy_devices_table *t = &c->devices.tables[kind];
        struct sy_devices_slot *s;
        SY_VEC_FOREACH (s, &t->all) {
            if (!s->object)
                continue;
            end_hold(c, s);
            sy_arena_done(&s->arena);
        }
        sy_vec_done(&t->all);
        sy_vec_done(&t->free);
        sy_map_done(&t->by_name);
    }
    for (size_t i = 0; i < c->devices.ahead.len; i++)
        hold_free(c, c->devices.ahead.p[i]);
    sy_vec_done(&c->devices.ahead);
    sy_device_index_done(&c->devices.index);
}
