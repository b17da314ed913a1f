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
        .next_on_node = SY_NO_OBJECT,
        .prev_on_node = SY_NO_OBJECT,
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

/* -- attachments by node -- */

static bool is_head_of(const void *arg, const void *key, uint32_t value)
{
    const struct sy_storage_table *t = arg;

    return t->all.p[value].object->attachment.node == *(const sy_sid *)key;
}

uint32_t sy_storage_first_attachment(const struct sy_cluster *c, sy_sid node)
{
    const struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_ATTACHMENT];

    return sy_map_get(&c->storage.attachments, sy_hash_u64(node), is_head_of, t, &node);
}

static void link_attachment(struct sy_cluster *c, uint32_t slot)
{
    struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_ATTACHMENT];
    struct sy_stored *s = &t->all.p[slot];
    sy_sid node = s->object->attachment.node;
    uint32_t head = sy_storage_first_attachment(c, node);

    s->prev_on_node = SY_NO_OBJECT;
    s->next_on_node = head;
    if (head == SY_NO_OBJECT) {
        sy_map_add(&c->storage.attachments, sy_hash_u64(node), slot);
        return;
    }
    t->all.p[head].prev_on_node = slot;
    sy_map_move(&c->storage.attachments, sy_hash_u64(node), head, slot);
}

static void unlink_attachment(struct sy_cluster *c, uint32_t slot)
{
    struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_ATTACHMENT];
    struct sy_stored *s = &t->all.p[slot];
    uint64_t hash = sy_hash_u64(s->object->attachment.node);

    if (s->next_on_node != SY_NO_OBJECT)
        t->all.p[s->next_on_node].prev_on_node = s->prev_on_node;
    if (s->prev_on_node != SY_NO_OBJECT)
        t->all.p[s->prev_on_node].next_on_node = s->next_on_node;
    else if (s->next_on_node != SY_NO_OBJECT)
        sy_map_move(&c->storage.attachments, hash, slot, s->next_on_node);
    else
        sy_map_del(&c->storage.attachments, hash, slot);
    s->next_on_node = s->prev_on_node = SY_NO_OBJECT;
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
    if (kind == SY_STORAGE_ATTACHMENT)
        unlink_attachment(c, slot);
    drop_assumption(s);
    sy_arena_done(&s->arena);
    s->object = NULL;
    t->len--;
}

int sy_storage_upsert(struct sy_cluster *c, enum sy_storage_kind kind, const void *object)
{
    struct sy_storage_table *t = &c->storage.tables[kind];
    struct sy_storage_identity identity = sy_storage_identity(kind, object);
    struct key key = {identity.ns, identity.name};
    uint32_t slot = find_slot(t, key);
    const union sy_storage_object *packed;
    struct sy_arena arena;

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
    if (kind == SY_STORAGE_ATTACHMENT)
        link_attachment(c, slot);
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

void sy_storage_pod_on_node(struct sy_cluster *c, uint32_t pod, int sign)
{
    struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_CLAIM];
    const struct sy_pod_slot *p = &c->pods.p[pod];
    const struct sy_pod_spec *spec = &p->spec->spec;

    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (spec->volumes[i].kind != SY_VOLUME_CLAIM)
            continue;
        uint32_t slot = ensure_slot(t, (struct key){p->ns, spec->volumes[i].name});
        t->all.p[slot].users += (uint32_t)sign;
        release_if_unused(t, slot);
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
    sy_map_done(&c->storage.attachments);
}

bool sy_storage_audit(const struct sy_cluster *c)
{
    const struct sy_storage_table *t = &c->storage.tables[SY_STORAGE_CLAIM];
    uint64_t users = 0, counted = 0;

    for (size_t i = 0; i < c->pods.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        if (!(p->flags & SY_POD_ALIVE) || p->node == SY_NONE)
            continue;
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
    return users == counted;
}
