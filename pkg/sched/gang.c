/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/gang.h"

#include <stdio.h>
#include <string.h>

void sy_gangs_init(struct sy_gangs *g, struct sy_strings *strings)
{
    memset(g, 0, sizeof(*g));
    g->strings = strings;
    g->next_ns = INT64_MAX;
    sy_group_keys_init(&g->keys, strings);
}

void sy_gangs_done(struct sy_gangs *g)
{
    for (size_t i = 0; i < g->all.len; i++) {
        sy_vec_done(&g->all.p[i].members);
        sy_vec_done(&g->all.p[i].victims);
    }
    sy_vec_done(&g->all);
    sy_vec_done(&g->free);
    sy_vec_done(&g->dirty);
    sy_vec_done(&g->of_pod);
    sy_map_done(&g->by_name);
    sy_gangs_objects_done(g);
}

void sy_gangs_mark(const struct sy_gangs *g)
{
    sy_group_keys_mark(&g->keys, g->strings);
    sy_gangs_objects_mark(g);
    for (size_t i = 0; i < g->all.len; i++) {
        const struct sy_gang *gang = &g->all.p[i];
        if (!gang->state)
            continue;
        sy_strings_mark(g->strings, gang->ns);
        sy_strings_mark(g->strings, gang->name);
        sy_strings_mark(g->strings, gang->topology_key);
        for (size_t m = 0; m < gang->members.len; m++)
            sy_strings_mark(g->strings, gang->members.p[m].said.topology_key);
    }
}

/* -- which pod is in which gang -- */

struct gang_key {
    sy_sid ns, name;
    uint8_t source;
};

static bool has_key(const void *arg, const void *key, uint32_t i)
{
    const struct sy_gangs *g = arg;
    const struct gang_key *k = key;
    const struct sy_gang *gang = &g->all.p[i];

    return gang->ns == k->ns && gang->name == k->name && gang->source == k->source;
}

static uint64_t hash_of(sy_sid ns, sy_sid name, uint8_t source)
{
    return sy_hash_u64(sy_hash_u64((uint64_t)ns << 32 | name) ^ source);
}

uint32_t sy_gangs_find(const struct sy_gangs *g, uint8_t source, sy_sid ns, sy_sid name)
{
    struct gang_key key = {.ns = ns, .name = name, .source = source};
    uint32_t i = sy_map_get(&g->by_name, hash_of(ns, name, source), has_key, g, &key);

    return i == SY_MAP_NONE ? SY_NONE : i;
}

static uint32_t ensure_gang(struct sy_gangs *g, sy_sid ns, const struct sy_pod_group *said)
{
    uint32_t i = sy_gangs_find(g, said->source, ns, said->name);

    if (i != SY_NONE)
        return i;
    if (g->free.len) {
        i = g->free.p[--g->free.len];
    } else {
        i = (uint32_t)g->all.len;
        sy_vec_push(&g->all, (struct sy_gang){0});
    }
    g->all.p[i] = (struct sy_gang){
        .ns = ns,
        .name = said->name,
        .source = said->source,
        .state = SY_GANG_GATHERING,
        .object = sy_gangs_find_object(g, said->source, ns, said->name),
        .min_members = 1,
        .head = SY_NO_ENTRY,
        .until_ns = INT64_MAX,
        .give_up_ns = INT64_MAX,
    };
    sy_map_add(&g->by_name, hash_of(ns, said->name, said->source), i);
    g->used++;
    return i;
}

static void free_gang(struct sy_gangs *g, uint32_t i)
{
    struct sy_gang *gang = &g->all.p[i];

    sy_map_del(&g->by_name, hash_of(gang->ns, gang->name, gang->source), i);
    sy_vec_done(&gang->members);
    sy_vec_done(&gang->victims);
    *gang = (struct sy_gang){0};
    sy_vec_push(&g->free, i);
    g->used--;
}

void sy_gangs_touch(struct sy_gangs *g, uint32_t i, bool eager)
{
    struct sy_gang *gang = &g->all.p[i];

    gang->is_eager |= eager;
    if (gang->is_dirty)
        return;
    gang->is_dirty = true;
    sy_vec_push(&g->dirty, i);
}

uint32_t sy_gangs_next_dirty(struct sy_gangs *g)
{
    while (g->dirty.len) {
        uint32_t i = g->dirty.p[--g->dirty.len];
        if (!g->all.p[i].state || !g->all.p[i].is_dirty)
            continue;
        g->all.p[i].is_dirty = false;
        return i;
    }
    return SY_NONE;
}

static void leave_gang(struct sy_gangs *g, uint32_t slot)
{
    uint32_t i = sy_gangs_of(g, slot);

    if (i == SY_NONE)
        return;
    struct sy_gang *gang = &g->all.p[i];
    uint32_t at = g->of_pod.p[slot].at;
    sy_vec_swap_remove(&gang->members, at);
    if (at < gang->members.len)
        g->of_pod.p[gang->members.p[at].pod].at = at;
    g->of_pod.p[slot].gang = SY_NONE;
    gang->head = SY_NO_ENTRY; /* it may have been this one: settling finds out */
    sy_gangs_touch(g, i, false);
    if (!gang->members.len)
        free_gang(g, i);
}

static void join_gang(struct sy_gangs *g, uint32_t slot, uint32_t i,
                      const struct sy_pod_group *said)
{
    while (g->of_pod.len <= slot)
        sy_vec_push(&g->of_pod, (struct sy_gang_place){.gang = SY_NONE});
    g->of_pod.p[slot] = (struct sy_gang_place){i, (uint32_t)g->all.p[i].members.len};
    sy_vec_push(&g->all.p[i].members, (struct sy_gang_member){slot, *said});
    sy_gangs_touch(g, i, true);
}

static bool says_the_same(const struct sy_pod_group *a, const struct sy_pod_group *b)
{
    return a->min_members == b->min_members && a->topology_key == b->topology_key &&
           a->topology_is_required == b->topology_is_required && a->timeout_ns == b->timeout_ns &&
           a->is_malformed == b->is_malformed;
}

void sy_gangs_pod(struct sy_gangs *g, uint32_t slot, const struct sy_pod *pod, bool changed)
{
    struct sy_pod_group said;
    uint32_t old = sy_gangs_of(g, slot), i = SY_NONE;

    sy_group_of_pod(&g->keys, g->strings, pod, &said);
    if (said.source)
        i = ensure_gang(g, pod->ns, &said);
    if (i != old) {
        leave_gang(g, slot);
        if (i != SY_NONE)
            join_gang(g, slot, i, &said);
        return;
    }
    if (i == SY_NONE)
        return;
    struct sy_gang_member *m = &g->all.p[i].members.p[g->of_pod.p[slot].at];
    if (changed || !says_the_same(&m->said, &said))
        sy_gangs_touch(g, i, true);
    m->said = said;
}

void sy_gangs_pod_gone(struct sy_gangs *g, uint32_t slot)
{
    leave_gang(g, slot);
}

/* -- how it stands -- */

/* Over what the members say. */
static void take_object(const struct sy_gangs *g, struct sy_gang *gang, bool members_say_minimum)
{
    gang->lacks_object = gang->is_single = false;
    if (gang->object == SY_NONE) {
        gang->lacks_object = g->knows_objects[gang->source] && !members_say_minimum;
        return;
    }
    const struct sy_group_object *o = &g->objects.p[gang->object].said;
    gang->is_single = o->is_single;
    if (o->min_members) {
        gang->min_members = o->min_members;
        gang->is_malformed = false; /* what the pods say of it does not matter */
    }
    if (o->timeout_ns)
        gang->timeout_ns = o->timeout_ns;
    if (o->topology_key) {
        gang->topology_key = o->topology_key;
        gang->topology_is_required = o->topology_is_required;
    }
}

static void take_terms(const struct sy_gangs *g, struct sy_gang *gang)
{
    bool say_minimum = false;

    gang->is_malformed = gang->topology_is_required = false;
    gang->topology_key = 0;
    gang->timeout_ns = 0;
    gang->min_members = 1;
    for (size_t i = 0; i < gang->members.len; i++) {
        const struct sy_pod_group *said = &gang->members.p[i].said;
        gang->is_malformed |= said->is_malformed;
        say_minimum |= said->min_members || said->is_malformed;
        if (said->min_members > gang->min_members)
            gang->min_members = said->min_members;
        if (said->timeout_ns > gang->timeout_ns)
            gang->timeout_ns = said->timeout_ns;
        /* Members should agree; where they do not, a required one counts, then the lowest id, so
         * that the order of members does not. */
        if (!said->topology_key || said->topology_is_required < gang->topology_is_required)
            continue;
        if (!gang->topology_key || said->topology_is_required > gang->topology_is_required ||
            said->topology_key < gang->topology_key) {
            gang->topology_key = said->topology_key;
            gang->topology_is_required = said->topology_is_required;
        }
    }
    take_object(g, gang, say_minimum);
}

static bool is_first(const struct sy_entries *e, uint32_t a, uint32_t b)
{
    const struct sy_entry *x = &e->all.p[a], *y = &e->all.p[b];

    return x->priority != y->priority ? x->priority > y->priority : x->order < y->order;
}

void sy_gang_count(const struct sy_gangs *g, struct sy_gang *gang, const struct sy_cluster *c,
                   const struct sy_entries *e, struct sy_gang_count *ret)
{
    *ret = (struct sy_gang_count){.head = SY_NO_ENTRY};
    take_terms(g, gang);
    for (size_t i = 0; i < gang->members.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[gang->members.p[i].pod];
        if (p->flags & SY_POD_TERMINATING)
            continue;
        if (p->node != SY_NONE) {
            ret->placed++;
            ret->assumed += (p->flags & SY_POD_ASSUMED) != 0;
            ret->running += (p->flags & SY_POD_RUNNING) != 0;
        } else if (p->user != SY_NONE && !(p->flags & SY_POD_GATED)) {
            ret->waiting++;
            if (ret->head == SY_NO_ENTRY || is_first(e, p->user, ret->head))
                ret->head = p->user;
        }
    }
}

bool sy_gang_is_room_being_made(struct sy_gang *gang, const struct sy_cluster *c)
{
    while (gang->victims.len) {
        uint32_t pod = gang->victims.p[gang->victims.len - 1];
        /* A slot that has been given to another pod meanwhile is as good as free. */
        if (pod < c->pods.len && (c->pods.p[pod].flags & SY_POD_ALIVE) &&
            (c->pods.p[pod].flags & (SY_POD_TERMINATING | SY_POD_EVICTED)))
            return true;
        gang->victims.len--;
    }
    return false;
}

const char *sy_gang_name(const struct sy_gangs *g, const struct sy_gang *gang, char *room,
                         size_t size)
{
    snprintf(room, size, "%.253s/%.253s", sy_strings_getz(g->strings, gang->ns),
             sy_strings_getz(g->strings, gang->name));
    return room;
}
