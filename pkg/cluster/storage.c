/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/storage.h"

#include <errno.h>
#include <stdlib.h>

#include "cluster/cluster.h"

static const size_t OBJECT_MAX_BYTES = (size_t)64 << 20;

static const size_t SIZES[SY_STORAGE_KINDS] = {
    [SY_STORAGE_VOLUME] = sizeof(struct sy_pv),
    [SY_STORAGE_CLAIM] = sizeof(struct sy_pvc),
    [SY_STORAGE_CLASS] = sizeof(struct sy_storage_class),
    [SY_STORAGE_NODE] = sizeof(struct sy_csi_node),
    [SY_STORAGE_DRIVER] = sizeof(struct sy_csi_driver),
    [SY_STORAGE_CAPACITY] = sizeof(struct sy_csi_capacity),
    [SY_STORAGE_ATTACHMENT] = sizeof(struct sy_volume_attachment),
};

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
    const struct sy_storage_table *t = arg;
    const struct key *k = key;

    return t->all.p[value].ns == k->ns && t->all.p[value].name == k->name;
}

/* The slot of a name, with or without an object. */
static uint32_t find_slot(const struct sy_storage_table *t, struct key key)
{
    return sy_map_get(&t->by_name, key_hash(key), has_key, t, &key);
}

static void note_change(struct sy_cluster *c)
{
    c->storage.generation++;
    c->generation++;
}

static uint32_t ensure_slot(struct sy_storage_table *t, struct key key)
{
    uint32_t slot = find_slot(t, key);

    if (slot != SY_NO_OBJECT)
        return slot;
    if (t->free.len) {
        slot = t->free.p[--t->free.len];
    } else {
        slot = (uint32_t)t->all.len;
        sy_vec_push(&t->all, (struct sy_stored){0});
    }
    t->all.p[slot] = (struct sy_stored){
        .ns = key.ns,
        .name = key.name,
        .next_in_group = SY_NO_OBJECT,
        .prev_in_group = SY_NO_OBJECT,
    };
    sy_map_add(&t->by_name, key_hash(key), slot);
    return slot;
}

static void release_if_unused(struct sy_storage_table *t, uint32_t slot)
{
    struct sy_stored *s = &t->all.p[slot];

    if (s->object || s->users)
        return;
    sy_map_del(&t->by_name, key_hash((struct key){s->ns, s->name}), slot);
    *s = (struct sy_stored){0};
    sy_vec_push(&t->free, slot);
}

static void drop_assumption(struct sy_stored *s)
{
    if (!s->assumed)
        return;
    free((void *)(uintptr_t)s->assumed->claim.uid.p);
    free(s->assumed);
    s->assumed = NULL;
}

/* -- groups -- */

struct group_key {
    uint8_t kind;
    sy_sid ns, name;
};

static uint64_t group_hash(struct group_key k)
{
    return sy_hash_u64(((uint64_t)k.ns << 32 | k.name) ^ (uint64_t)k.kind << 60);
}

static bool has_group_key(const void *arg, const void *key, uint32_t value)
{
    const struct sy_storage *s = arg;
    const struct sy_group *g = &s->groups.p[value];
    const struct group_key *k = key;

    return g->kind == k->kind && g->ns == k->ns && g->name == k->name;
}

static uint32_t find_group(const struct sy_storage *s, struct group_key k)
{
    return sy_map_get(&s->group_by_name, group_hash(k), has_group_key, s, &k);
}

const struct sy_group *sy_storage_group(const struct sy_cluster *c, enum sy_group_kind kind,
                                        sy_sid ns, sy_sid name)
{
    uint32_t i = find_group(&c->storage, (struct group_key){(uint8_t)kind, ns, name});

    return i == SY_MAP_NONE ? NULL : &c->storage.groups.p[i];
}

/* Which group an object belongs to; false when to none. */
static bool group_of(enum sy_storage_kind kind, const union sy_storage_object *o,
                     struct group_key *ret)
{
    if (kind == SY_STORAGE_ATTACHMENT) {
        *ret = (struct group_key){SY_GROUP_ATTACHED, 0, o->attachment.node};
        return true;
    }
    if (kind != SY_STORAGE_VOLUME)
        return false;
    if (o->volume.claim.is_set) {
        *ret = (struct group_key){SY_GROUP_KEPT, o->volume.claim.ns, o->volume.claim.name};
        return true;
    }
    *ret = (struct group_key){SY_GROUP_FREE, 0, o->volume.class};
    return o->volume.phase == SY_VOLUME_AVAILABLE;
}

static void join_group(struct sy_cluster *c, enum sy_storage_kind kind, uint32_t slot)
{
    struct sy_storage *s = &c->storage;
    struct sy_stored *all = s->tables[kind].all.p;
    struct group_key key;

    all[slot].next_in_group = all[slot].prev_in_group = SY_NO_OBJECT;
    if (!group_of(kind, all[slot].object, &key))
        return;
    uint32_t i = find_group(s, key);
    if (i == SY_MAP_NONE) {
        i = s->free_groups.len ? s->free_groups.p[--s->free_groups.len] : (uint32_t)s->groups.len;
        if (i == s->groups.len)
            sy_vec_push(&s->groups, (struct sy_group){0});
        s->groups.p[i] = (struct sy_group){
            .first = SY_NO_OBJECT, .kind = key.kind, .ns = key.ns, .name = key.name};
        sy_map_add(&s->group_by_name, group_hash(key), i);
    }
    struct sy_group *g = &s->groups.p[i];
    all[slot].next_in_group = g->first;
    if (g->first != SY_NO_OBJECT)
        all[g->first].prev_in_group = slot;
    g->first = slot;
    g->len++;
}

static void leave_group(struct sy_cluster *c, enum sy_storage_kind kind, uint32_t slot)
{
    struct sy_storage *s = &c->storage;
    struct sy_stored *all = s->tables[kind].all.p;
    struct group_key key;

    if (!group_of(kind, all[slot].object, &key))
        return;
    uint32_t i = find_group(s, key), next = all[slot].next_in_group, prev = all[slot].prev_in_group;
    if (next != SY_NO_OBJECT)
        all[next].prev_in_group = prev;
    if (prev != SY_NO_OBJECT)
        all[prev].next_in_group = next;
    else
        s->groups.p[i].first = next;
    if (--s->groups.p[i].len)
        return;
    sy_map_del(&s->group_by_name, group_hash(key), i);
    sy_vec_push(&s->free_groups, i);
}

/* -- changes -- */

/* Makes a packed copy of the object in an arena of exactly its size. */
static int pack(struct sy_cluster *c, enum sy_storage_kind kind, const void *object,
                struct sy_arena *ret_arena, const union sy_storage_object **ret)
{
    union sy_storage_object copy;

    sy_arena_reset(&c->scratch);
    int r = sy_storage_copy(kind, &c->scratch, object, &copy);
    size_t bytes = c->scratch.used_bytes + SIZES[kind] + 8;
    sy_arena_reset(&c->scratch);
    if (r < 0)
        return r;
    sy_arena_init(ret_arena, OBJECT_MAX_BYTES);
    r = sy_arena_reserve(ret_arena, bytes);
    if (r < 0)
        return r;
    void *room = sy_arena_alloc(ret_arena, SIZES[kind]);
    r = room ? sy_storage_copy(kind, ret_arena, object, &copy) : -ENOMEM;
    if (r < 0) {
        sy_arena_done(ret_arena);
        return r;
    }
    memcpy(room, &copy, SIZES[kind]);
    *ret = room;
    return 0;
}

static void drop_object(struct sy_cluster *c, enum sy_storage_kind kind, uint32_t slot)
{
    struct sy_storage_table *t = &c->storage.tables[kind];
    struct sy_stored *s = &t->all.p[slot];

    if (!s->object)
        return;
    leave_group(c, kind, slot);
    drop_assumption(s);
    sy_arena_done(&s->arena);
    s->object = NULL;
    t->len--;
}

static void note_limits(struct sy_storage *s, const struct sy_csi_node *node)
{
    for (uint32_t i = 0; i < node->drivers_len; i++) {
        if (node->drivers[i].has_limit && node->drivers[i].limit < s->least_limit)
            s->least_limit = node->drivers[i].limit;
    }
}

int sy_storage_upsert(struct sy_cluster *c, enum sy_storage_kind kind, const void *object)
{
    struct sy_storage_table *t = &c->storage.tables[kind];
    struct sy_storage_identity identity = sy_storage_identity(kind, object);
    struct key key = {identity.ns, identity.name};
    uint32_t slot = find_slot(t, key);
    const union sy_storage_object *packed;
    struct sy_arena arena;

    if (!identity.name)
        return -EINVAL;
    if (slot != SY_NO_OBJECT && t->all.p[slot].object) {
        struct sy_str had = sy_storage_identity(kind, t->all.p[slot].object).resource_version;
        if (had.len && sy_str_eq(had, identity.resource_version)) {
            t->all.p[slot].seen = true;
            return 0;
        }
    }
    int r = pack(c, kind, object, &arena, &packed);
    if (r < 0)
        return r;
    slot = ensure_slot(t, key);
    drop_object(c, kind, slot);
    struct sy_stored *s = &t->all.p[slot];
    s->arena = arena;
    s->object = packed;
    s->seen = true;
    t->len++;
    join_group(c, kind, slot);
    if (kind == SY_STORAGE_NODE)
        note_limits(&c->storage, &packed->node);
    note_change(c);
    return 0;
}

void sy_storage_delete(struct sy_cluster *c, enum sy_storage_kind kind, sy_sid ns, sy_sid name)
{
    uint32_t slot = sy_storage_find(c, kind, ns, name);

    if (slot == SY_NO_OBJECT)
        return;
    drop_object(c, kind, slot);
    release_if_unused(&c->storage.tables[kind], slot);
    note_change(c);
}

void sy_storage_replace_begin(struct sy_cluster *c, enum sy_storage_kind kind)
{
    struct sy_stored *s;

    SY_VEC_FOREACH (s, &c->storage.tables[kind].all)
        s->seen = false;
}

void sy_storage_replace_end(struct sy_cluster *c, enum sy_storage_kind kind)
{
    struct sy_storage_table *t = &c->storage.tables[kind];

    for (size_t i = 0; i < t->all.len; i++) {
        if (t->all.p[i].object && !t->all.p[i].seen)
            sy_storage_delete(c, kind, t->all.p[i].ns, t->all.p[i].name);
    }
}

/* -- looking up -- */

uint32_t sy_storage_find(const struct sy_cluster *c, enum sy_storage_kind kind, sy_sid ns,
                         sy_sid name)
{
    const struct sy_storage_table *t = &c->storage.tables[kind];
    uint32_t slot = name ? find_slot(t, (struct key){ns, name}) : SY_NO_OBJECT;

    return slot != SY_NO_OBJECT && t->all.p[slot].object ? slot : SY_NO_OBJECT;
}

static const union sy_storage_object *object_at(const struct sy_cluster *c,
                                                enum sy_storage_kind kind, uint32_t slot)
{
    return c->storage.tables[kind].all.p[slot].object;
}

const struct sy_pv *sy_storage_volume(const struct sy_cluster *c, uint32_t slot)
{
    return &object_at(c, SY_STORAGE_VOLUME, slot)->volume;
}

const struct sy_pvc *sy_storage_claim(const struct sy_cluster *c, uint32_t slot)
{
    return &object_at(c, SY_STORAGE_CLAIM, slot)->claim;
}

static const union sy_storage_object *named(const struct sy_cluster *c, enum sy_storage_kind kind,
                                            sy_sid name)
{
    uint32_t slot = sy_storage_find(c, kind, 0, name);

    return slot == SY_NO_OBJECT ? NULL : object_at(c, kind, slot);
}

const struct sy_storage_class *sy_storage_class(const struct sy_cluster *c, sy_sid name)
{
    const union sy_storage_object *o = named(c, SY_STORAGE_CLASS, name);

    return o ? &o->class : NULL;
}

const struct sy_csi_node *sy_storage_node(const struct sy_cluster *c, sy_sid name)
{
    const union sy_storage_object *o = named(c, SY_STORAGE_NODE, name);

    return o ? &o->node : NULL;
}

const struct sy_csi_driver *sy_storage_driver(const struct sy_cluster *c, sy_sid name)
{
    const union sy_storage_object *o = named(c, SY_STORAGE_DRIVER, name);

    return o ? &o->driver : NULL;
}

/* -- assumptions -- */

const struct sy_claim_ref *sy_storage_claim_ref(const struct sy_cluster *c, uint32_t volume)
{
    const struct sy_stored *s = &c->storage.tables[SY_STORAGE_VOLUME].all.p[volume];

    return s->assumed ? &s->assumed->claim : &s->object->volume.claim;
}

bool sy_storage_selected_node(const struct sy_cluster *c, uint32_t claim, sy_sid *ret_node)
{
    const struct sy_stored *s = &c->storage.tables[SY_STORAGE_CLAIM].all.p[claim];

    *ret_node = s->assumed ? s->assumed->node : s->object->claim.selected_node;
    return s->assumed || s->object->claim.has_selected_node;
}

bool sy_claim_ref_is(const struct sy_claim_ref *ref, const struct sy_pvc *claim)
{
    return ref->is_set && ref->name == claim->name && ref->ns == claim->ns &&
           (!ref->uid.len || sy_str_eq(ref->uid, claim->uid));
}

static struct sy_storage_assumption *assumption_of(struct sy_cluster *c, enum sy_storage_kind kind,
                                                   uint32_t slot)
{
    struct sy_stored *s = &c->storage.tables[kind].all.p[slot];

    drop_assumption(s);
    s->assumed = sy_xcalloc(1, sizeof(*s->assumed));
    note_change(c);
    return s->assumed;
}

void sy_storage_assume_volume(struct sy_cluster *c, uint32_t volume, const struct sy_pvc *claim)
{
    struct sy_storage_assumption *a = assumption_of(c, SY_STORAGE_VOLUME, volume);
    char *uid = sy_xcalloc(claim->uid.len + 1, 1);

    if (claim->uid.len)
        memcpy(uid, claim->uid.p, claim->uid.len);
    a->claim = (struct sy_claim_ref){true, claim->ns, claim->name, {uid, claim->uid.len}};
}

void sy_storage_assume_node(struct sy_cluster *c, uint32_t claim, sy_sid node)
{
    assumption_of(c, SY_STORAGE_CLAIM, claim)->node = node;
}

void sy_storage_restore(struct sy_cluster *c, enum sy_storage_kind kind, uint32_t slot)
{
    struct sy_stored *s = &c->storage.tables[kind].all.p[slot];

    if (!s->assumed)
        return;
    drop_assumption(s);
    note_change(c);
}

/* -- who uses a claim -- */

uint32_t sy_storage_claim_users(const struct sy_cluster *c, sy_sid ns, sy_sid name)
{
    const struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_CLAIM];
    uint32_t slot = find_slot(t, (struct key){ns, name});

    return slot == SY_NO_OBJECT ? 0 : t->all.p[slot].users;
}

void sy_storage_trial_begin(struct sy_cluster *c)
{
    c->storage.trial.len = 0;
}

int32_t sy_storage_trial_users(const struct sy_cluster *c, sy_sid ns, sy_sid name)
{
    for (size_t i = 0; c->trial_depth && i < c->storage.trial.len; i++) {
        const struct sy_trial_users *t = &c->storage.trial.p[i];
        if (t->ns == ns && t->name == name)
            return t->users;
    }
    return 0;
}

static void note_trial(struct sy_cluster *c, sy_sid ns, sy_sid name, int sign)
{
    struct sy_trial_users *t;

    SY_VEC_FOREACH (t, &c->storage.trial) {
        if (t->ns == ns && t->name == name) {
            t->users += sign;
            return;
        }
    }
    sy_vec_push(&c->storage.trial, (struct sy_trial_users){ns, name, sign});
}

/* Volumes that may count against a limit of the node. */
static uint32_t countable(const struct sy_pod_spec *spec)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < spec->volumes_len; i++)
        n += spec->volumes[i].kind != SY_VOLUME_CSI && spec->volumes[i].kind != SY_VOLUME_ISCSI &&
             spec->volumes[i].kind != SY_VOLUME_RBD;
    return n;
}

void sy_storage_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign)
{
    struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_CLAIM];
    const struct sy_pod_slot *p = &c->pods.p[pod];
    const struct sy_pod_spec *spec = &p->spec->spec;

    c->nodes[node].volumes_len += (uint32_t)sign * countable(spec);
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (spec->volumes[i].kind != SY_VOLUME_CLAIM)
            continue;
        uint32_t slot = ensure_slot(t, (struct key){p->ns, spec->volumes[i].name});
        t->all.p[slot].users += (uint32_t)sign;
        release_if_unused(t, slot);
        if (c->trial_depth)
            note_trial(c, p->ns, spec->volumes[i].name, sign);
    }
}

/* -- upkeep -- */

void sy_storage_mark_all(const struct sy_cluster *c)
{
    for (int kind = 0; kind < SY_STORAGE_KINDS; kind++) {
        const struct sy_stored *s;
        SY_VEC_FOREACH (s, &c->storage.tables[kind].all) {
            sy_strings_mark(c->strings, s->ns);
            sy_strings_mark(c->strings, s->name);
            if (s->object)
                sy_storage_mark((enum sy_storage_kind)kind, s->object, c->strings);
            if (s->assumed) {
                sy_strings_mark(c->strings, s->assumed->claim.ns);
                sy_strings_mark(c->strings, s->assumed->claim.name);
                sy_strings_mark(c->strings, s->assumed->node);
            }
        }
    }
}

void sy_storage_done(struct sy_cluster *c)
{
    for (int kind = 0; kind < SY_STORAGE_KINDS; kind++) {
        struct sy_storage_table *t = &c->storage.tables[kind];
        for (size_t i = 0; i < t->all.len; i++) {
            drop_assumption(&t->all.p[i]);
            if (t->all.p[i].object)
                sy_arena_done(&t->all.p[i].arena);
        }
        sy_vec_done(&t->all);
        sy_vec_done(&t->free);
        sy_map_done(&t->by_name);
    }
    sy_vec_done(&c->storage.trial);
    sy_vec_done(&c->storage.groups);
    sy_vec_done(&c->storage.free_groups);
    sy_map_done(&c->storage.group_by_name);
}

static bool right_users(const struct sy_cluster *c)
{
    const struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_CLAIM];
    uint64_t users = 0, counted = 0, countables = 0, on_nodes = 0;

    for (size_t i = 0; i < c->pods.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        if (!(p->flags & SY_POD_ALIVE) || p->node == SY_NONE)
            continue;
        countables += countable(&p->spec->spec);
        for (uint32_t v = 0; v < p->spec->spec.volumes_len; v++) {
            const struct sy_volume *volume = &p->spec->spec.volumes[v];
            if (volume->kind != SY_VOLUME_CLAIM)
                continue;
            users++;
            if (!sy_storage_claim_users(c, p->ns, volume->name))
                return false;
        }
    }
    for (size_t i = 0; i < t->all.len; i++)
        counted += t->all.p[i].users;
    for (uint32_t i = 0; i < c->nodes_len; i++)
        on_nodes += c->nodes[i].volumes_len;
    return users == counted && countables == on_nodes;
}

/* Every object is in the list of its group, and no list has others. */
static bool right_groups(const struct sy_cluster *c, enum sy_storage_kind kind)
{
    const struct sy_storage_table *t = &c->storage.tables[kind];
    struct group_key key;

    for (uint32_t slot = 0; slot < t->all.len; slot++) {
        if (!t->all.p[slot].object || !group_of(kind, t->all.p[slot].object, &key))
            continue;
        const struct sy_group *g =
            sy_storage_group(c, (enum sy_group_kind)key.kind, key.ns, key.name);
        uint32_t at = g ? g->first : SY_NO_OBJECT, steps = 0;
        bool found = false;
        for (; g && at != SY_NO_OBJECT && steps <= g->len; at = t->all.p[at].next_in_group) {
            found |= at == slot;
            steps++;
        }
        if (!found || steps != g->len)
            return false;
    }
    return true;
}

bool sy_storage_audit(const struct sy_cluster *c)
{
    return right_users(c) && right_groups(c, SY_STORAGE_VOLUME) &&
           right_groups(c, SY_STORAGE_ATTACHMENT);
}
