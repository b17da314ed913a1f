/* SPDX-License-Identifier: Apache-2.0
 *
 * PodGroup objects beside the gangs that they are about: each may come before the other. */
#include "base/mem.h"
#include "sched/gang.h"

#include <stdlib.h>

struct object_key {
    sy_sid ns, name;
    uint8_t source;
};

static bool has_key(const void *arg, const void *key, uint32_t i)
{
    const struct sy_gangs *g = arg;
    const struct object_key *k = key;
    const struct sy_group_object *o = &g->objects.p[i].said;

    return o->ns == k->ns && o->name == k->name && o->source == k->source;
}

static uint64_t hash_of(sy_sid ns, sy_sid name, uint8_t source)
{
    return sy_hash_u64(sy_hash_u64((uint64_t)ns << 32 | name) ^ source);
}

uint32_t sy_gangs_find_object(const struct sy_gangs *g, uint8_t source, sy_sid ns, sy_sid name)
{
    struct object_key key = {ns, name, source};
    uint32_t i = sy_map_get(&g->objects_by_name, hash_of(ns, name, source), has_key, g, &key);

    return i == SY_MAP_NONE ? SY_NONE : i;
}

static void attach(struct sy_gangs *g, const struct sy_group_object *said, uint32_t object)
{
    uint32_t gang = sy_gangs_find(g, said->source, said->ns, said->name);

    if (gang == SY_NONE)
        return;
    g->all.p[gang].object = object;
    sy_gangs_touch(g, gang, true);
}

static bool asks_for_the_same(const struct sy_group_object *a, const struct sy_group_object *b)
{
    return a->is_single == b->is_single && a->min_members == b->min_members &&
           a->timeout_ns == b->timeout_ns && a->topology_key == b->topology_key &&
           a->topology_is_required == b->topology_is_required;
}

void sy_gangs_object(struct sy_gangs *g, const struct sy_group_object *said)
{
    uint32_t i = sy_gangs_find_object(g, said->source, said->ns, said->name);
    bool is_new = i == SY_NONE;

    if (is_new) {
        if (g->free_objects.len) {
            i = g->free_objects.p[--g->free_objects.len];
        } else {
            i = (uint32_t)g->objects.len;
            sy_vec_push(&g->objects, (struct sy_gang_object){0});
        }
        g->objects.p[i] = (struct sy_gang_object){0};
        sy_map_add(&g->objects_by_name, hash_of(said->ns, said->name, said->source), i);
    }
    struct sy_gang_object *o = &g->objects.p[i];
    bool is_other = is_new || !sy_str_eq(sy_str_from(o->uid), said->uid);
    bool differs = is_other || !asks_for_the_same(&o->said, said);
    if (is_other) {
        free(o->uid);
        o->uid = sy_xstrndup(said->uid.len ? said->uid.p : "", said->uid.len);
        o->told = 0;
    }
    o->said = *said;
    o->said.uid = sy_str_from(o->uid);
    o->is_unseen = false;
    /* Our own word on its status comes back in this way, too: nothing to settle then. */
    if (differs)
        attach(g, said, i);
}

static void drop_object(struct sy_gangs *g, uint32_t i)
{
    struct sy_gang_object *o = &g->objects.p[i];

    attach(g, &o->said, SY_NONE);
    sy_map_del(&g->objects_by_name, hash_of(o->said.ns, o->said.name, o->said.source), i);
    free(o->uid);
    *o = (struct sy_gang_object){0};
    sy_vec_push(&g->free_objects, i);
}

void sy_gangs_object_gone(struct sy_gangs *g, uint8_t source, sy_sid ns, sy_sid name)
{
    uint32_t i = sy_gangs_find_object(g, source, ns, name);

    if (i != SY_NONE)
        drop_object(g, i);
}

void sy_gangs_objects_replace_begin(struct sy_gangs *g, uint8_t source)
{
    for (size_t i = 0; i < g->objects.len; i++)
        g->objects.p[i].is_unseen = g->objects.p[i].said.source == source;
}

void sy_gangs_objects_replace_end(struct sy_gangs *g, uint8_t source)
{
    for (uint32_t i = 0; i < g->objects.len; i++) {
        if (g->objects.p[i].said.source == source && g->objects.p[i].is_unseen)
            drop_object(g, i);
    }
}

void sy_gangs_objects_known(struct sy_gangs *g, uint8_t source, bool known)
{
    if (g->knows_objects[source] == known)
        return;
    g->knows_objects[source] = known;
    for (uint32_t i = 0; i < g->all.len; i++) {
        if (g->all.p[i].state && g->all.p[i].source == source)
            sy_gangs_touch(g, i, true);
    }
}

void sy_gangs_objects_mark(const struct sy_gangs *g)
{
    for (size_t i = 0; i < g->objects.len; i++) {
        const struct sy_group_object *o = &g->objects.p[i].said;
        if (!o->source)
            continue;
        sy_strings_mark(g->strings, o->ns);
        sy_strings_mark(g->strings, o->name);
        sy_strings_mark(g->strings, o->topology_key);
        sy_strings_mark(g->strings, o->phase);
    }
}

void sy_gangs_objects_done(struct sy_gangs *g)
{
    for (size_t i = 0; i < g->objects.len; i++)
        free(g->objects.p[i].uid);
    sy_vec_done(&g->objects);
    sy_vec_done(&g->free_objects);
    sy_map_done(&g->objects_by_name);
}
