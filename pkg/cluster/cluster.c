/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What the API server does not say about a pod. */
enum { KEPT_FLAGS = SY_POD_ASSUMED | SY_POD_EVICTED | SY_POD_HOLD };
static const size_t SCRATCH_MAX_BYTES = (size_t)64 << 20;

static void add_column(struct sy_cluster *c, sy_sid resource);

void sy_cluster_init(struct sy_cluster *c, struct sy_strings *strings)
{
    memset(c, 0, sizeof(*c));
    c->strings = strings;
    sy_resource_names_init(&c->names, strings);
    c->specs = sy_specs_new(strings);
    c->changes.ring = sy_xcalloc(SY_LOG_ROOM, sizeof(*c->changes.ring));
    c->relief.ring = sy_xcalloc(SY_LOG_ROOM, sizeof(*c->relief.ring));
    sy_arena_init(&c->scratch, SCRATCH_MAX_BYTES);
    add_column(c, c->names.cpu);
    add_column(c, c->names.memory);
    add_column(c, c->names.ephemeral_storage);
    c->storage.least_limit = INT32_MAX;
    add_column(c, c->names.pods);
    sy_gpus_init(c);
}

void sy_cluster_done(struct sy_cluster *c)
{
    for (uint32_t i = 0; i < c->nodes_len; i++) {
        sy_arena_done(&c->nodes[i].arena);
        sy_vec_done(&c->nodes[i].ports);
    }
    free(c->nodes);
    free(c->node_flags);
    free(c->node_health);
    free(c->node_generation);
    free(c->used_nonzero_cpu_milli);
    free(c->used_nonzero_memory_bytes);
    for (uint32_t i = 0; i < c->columns_len; i++) {
        free(c->columns[i].allocatable);
        free(c->columns[i].used);
    }
    for (size_t i = 0; i < c->pods.len; i++)
        free(c->pods.p[i].name);
    sy_vec_done(&c->pods);
    sy_vec_done(&c->free_pods);
    sy_vec_done(&c->free_nodes);
    sy_map_done(&c->node_by_name);
    sy_map_done(&c->pod_by_uid);
    sy_counters_done(c);
    sy_images_done(&c->images);
    sy_storage_done(c);
    sy_devices_done(c);
    sy_gpus_done(c);
    sy_workloads_done(c);
    sy_load_done(c);
    sy_turns_done(c);
    sy_pools_done(c);
    sy_shares_done(c);
    sy_vec_done(&c->trial_nodes);
    sy_trial_done(c);
    for (size_t i = 0; i < c->namespaces.len; i++)
        sy_specs_unref_labels(c->specs, c->namespaces.p[i].labels);
    sy_vec_done(&c->namespaces);
    for (size_t i = 0; i < c->budgets.len; i++)
        sy_specs_unref(c->specs, c->budgets.p[i].packed);
    sy_vec_done(&c->budgets);
    sy_map_done(&c->selector_keys);
    sy_specs_free(c->specs);
    free(c->changes.ring);
    free(c->relief.ring);
    free(c->performance);
    free(c->reliability);
    free(c->start_s);
    free(c->starting);
    sy_arena_done(&c->scratch);
    memset(c, 0, sizeof(*c));
}

static void note(struct sy_change_log *log, uint32_t node)
{
    log->len++;
    log->ring[log->len % SY_LOG_ROOM] = node;
}

/* relief: the change may let a pod fit that did not before. */
static void touch_node(struct sy_cluster *c, uint32_t node, bool relief)
{
    if (c->trial_depth) {
        size_t len = c->trial_nodes.len;
        if (!len || c->trial_nodes.p[len - 1] != node)
            sy_vec_push(&c->trial_nodes, node);
        return;
    }
    c->node_generation[node] = ++c->generation;
    note(&c->changes, node);
    if (relief)
        note(&c->relief, node);
}

void sy_cluster_touch(struct sy_cluster *c, uint32_t node, bool relief)
{
    touch_node(c, node, relief);
}

void sy_cluster_set_factors(struct sy_cluster *c, uint32_t node, float performance,
                            float reliability)
{
    if (c->performance[node] == performance && c->reliability[node] == reliability)
        return;
    c->performance[node] = performance;
    c->reliability[node] = reliability;
    touch_node(c, node, false);
}

void sy_cluster_set_health(struct sy_cluster *c, uint32_t node, enum sy_node_health health)
{
    if (c->node_health[node] == health)
        return;
    c->node_health[node] = (uint8_t)health;
    touch_node(c, node, health == SY_HEALTH_GOOD);
}

void sy_cluster_set_start(struct sy_cluster *c, uint32_t node, float start_s)
{
    if (c->start_s[node] == start_s)
        return;
    c->start_s[node] = start_s;
    if (c->starts_matter)
        touch_node(c, node, false);
}

/* -- resource columns -- */

uint32_t sy_cluster_column(const struct sy_cluster *c, sy_sid resource)
{
    for (uint32_t i = 0; i < c->columns_len; i++) {
        if (c->columns[i].resource == resource)
            return i;
    }
    return SY_NONE;
}

static void add_column(struct sy_cluster *c, sy_sid resource)
{
    struct sy_column *column = &c->columns[c->columns_len++];

    column->resource = resource;
    column->allocatable = sy_xcalloc(c->nodes_room, sizeof(*column->allocatable));
    column->used = sy_xcalloc(c->nodes_room, sizeof(*column->used));
    c->epoch++; /* shapes that ask for it resolve their columns again */
    sy_gpus_column(c, c->columns_len - 1);
}

/* SY_NONE when the table is full. */
static uint32_t ensure_column(struct sy_cluster *c, sy_sid resource)
{
    uint32_t column = sy_cluster_column(c, resource);

    if (column == SY_NONE && c->columns_len < SY_COLUMNS_MAX) {
        add_column(c, resource);
        column = c->columns_len - 1;
    }
    return column;
}

/* -- node slots -- */

static void grow_nodes(struct sy_cluster *c)
{
    uint32_t old = c->nodes_room, room = old ? 2 * old : 64;

#define GROW(array)                                                                                \
    do {                                                                                           \
        (array) = sy_xreallocarray((array), room, sizeof(*(array)));                               \
        memset((array) + old, 0, (room - old) * sizeof(*(array)));                                 \
    } while (0)
    GROW(c->nodes);
    GROW(c->node_flags);
    GROW(c->node_health);
    GROW(c->node_generation);
    GROW(c->used_nonzero_cpu_milli);
    GROW(c->used_nonzero_memory_bytes);
    GROW(c->performance);
    GROW(c->reliability);
    GROW(c->start_s);
    GROW(c->starting);
    for (uint32_t i = 0; i < c->columns_len; i++) {
        GROW(c->columns[i].allocatable);
        GROW(c->columns[i].used);
    }
#undef GROW
    sy_counters_grow(c, old, room);
    sy_load_grow(c, old, room);
    sy_turns_grow(c, old, room);
    sy_gpus_grow(c, old, room);
    c->nodes_room = room;
}

static bool node_has_name(const void *arg, const void *key, uint32_t slot)
{
    const struct sy_cluster *c = arg;

    return c->nodes[slot].node.name == *(const sy_sid *)key;
}

uint32_t sy_cluster_node_find(const struct sy_cluster *c, sy_sid name)
{
    return sy_map_get(&c->node_by_name, sy_hash_u64(name), node_has_name, c, &name);
}

static uint32_t ensure_node(struct sy_cluster *c, sy_sid name)
{
    uint32_t slot = sy_cluster_node_find(c, name);

    if (slot != SY_NONE)
        return slot;
    if (c->free_nodes.len) {
        slot = c->free_nodes.p[--c->free_nodes.len];
    } else {
        if (c->nodes_len == c->nodes_room)
            grow_nodes(c);
        slot = c->nodes_len++;
    }
    struct sy_node_slot *n = &c->nodes[slot];
    sy_arena_init(&n->arena, SCRATCH_MAX_BYTES);
    n->node = (struct sy_node){.name = name};
    n->first_pod = SY_NONE;
    n->pods_len = 0;
    c->node_flags[slot] = 0;
    c->node_health[slot] = SY_HEALTH_GOOD;
    c->performance[slot] = c->reliability[slot] = 1;
    c->start_s[slot] = 0;
    sy_turns_forget(c, slot);
    sy_map_add(&c->node_by_name, sy_hash_u64(name), slot);
    return slot;
}

/* A slot goes back to the free list when neither the API server nor any pod refers to it. */
static void release_node_if_unused(struct sy_cluster *c, uint32_t slot)
{
    struct sy_node_slot *n = &c->nodes[slot];

    if ((c->node_flags[slot] & SY_NODE_ALIVE) || n->pods_len || c->trial_depth)
        return;
    sy_map_del(&c->node_by_name, sy_hash_u64(n->node.name), slot);
    sy_arena_done(&n->arena);
    sy_vec_done(&n->ports);
    n->node = (struct sy_node){0};
    sy_vec_push(&c->free_nodes, slot);
}

static int64_t allocatable_of(const struct sy_node *node, sy_sid resource)
{
    int64_t amount = sy_amounts_get(node->allocatable, resource);

    return amount > 0 ? amount : 0;
}

static void find_maxima(const struct sy_cluster *c, int64_t *cpu, int64_t *memory)
{
    *cpu = *memory = 0;
    for (uint32_t i = 0; i < c->nodes_len; i++) {
        if (!sy_cluster_node_is_alive(c, i))
            continue;
        if (c->columns[SY_COLUMN_CPU_MILLI].allocatable[i] > *cpu)
            *cpu = c->columns[SY_COLUMN_CPU_MILLI].allocatable[i];
        if (c->columns[SY_COLUMN_MEMORY_BYTES].allocatable[i] > *memory)
            *memory = c->columns[SY_COLUMN_MEMORY_BYTES].allocatable[i];
    }
}

/* Follows a node's allocatable cpu and memory from `old` to what the columns say now. A full scan
 * happens only when a node that held a maximum shrank. */
static void follow_maxima(struct sy_cluster *c, int64_t old_cpu, int64_t old_memory, int64_t cpu,
                          int64_t memory)
{
    int64_t max_cpu = c->max_cpu_milli, max_memory = c->max_memory_bytes;

    if ((old_cpu == max_cpu && cpu < old_cpu) ||
        (old_memory == max_memory && memory < old_memory)) {
        find_maxima(c, &max_cpu, &max_memory);
    } else {
        max_cpu = cpu > max_cpu ? cpu : max_cpu;
        max_memory = memory > max_memory ? memory : max_memory;
    }
    if (max_cpu == c->max_cpu_milli && max_memory == c->max_memory_bytes)
        return;
    c->max_cpu_milli = max_cpu;
    c->max_memory_bytes = max_memory;
    c->epoch++;
}

static void set_allocatable(struct sy_cluster *c, uint32_t slot, const struct sy_node *node)
{
    int64_t old_cpu = c->columns[SY_COLUMN_CPU_MILLI].allocatable[slot];
    int64_t old_memory = c->columns[SY_COLUMN_MEMORY_BYTES].allocatable[slot];

    if (node) {
        for (uint32_t i = 0; i < node->allocatable.len; i++)
            ensure_column(c, node->allocatable.p[i].resource);
    }
    for (uint32_t i = 0; i < c->columns_len; i++)
        c->columns[i].allocatable[slot] = node ? allocatable_of(node, c->columns[i].resource) : 0;
    follow_maxima(c, old_cpu, old_memory, c->columns[SY_COLUMN_CPU_MILLI].allocatable[slot],
                  c->columns[SY_COLUMN_MEMORY_BYTES].allocatable[slot]);
    c->shares.totals_are_stale = true;
    c->shares.relief++;
}

static bool same_amounts(struct sy_amounts a, struct sy_amounts b)
{
    return a.len == b.len && (!a.len || memcmp(a.p, b.p, a.len * sizeof(*a.p)) == 0);
}

static bool same_taints(const struct sy_node *a, const struct sy_node *b)
{
    if (a->taints_len != b->taints_len)
        return false;
    for (uint32_t i = 0; i < a->taints_len; i++) {
        const struct sy_taint *x = &a->taints[i], *y = &b->taints[i];
        if (x->key != y->key || x->value != y->value || x->effect != y->effect)
            return false;
    }
    return true;
}

static uint32_t node_difference(const struct sy_node *old, const struct sy_node *node)
{
    uint32_t change = 0;

    if (!same_amounts(old->allocatable, node->allocatable))
        change |= SY_NODE_ALLOCATABLE;
    if (!sy_labels_eq(old->labels, node->labels))
        change |= SY_NODE_LABELS;
    if (!same_taints(old, node))
        change |= SY_NODE_TAINTS;
    if (old->unschedulable != node->unschedulable)
        change |= SY_NODE_SCHEDULABLE;
    if (old->ready != node->ready)
        change |= SY_NODE_READINESS;
    return change ? change : SY_NODE_OTHER;
}

static bool has_prefer_no_schedule(const struct sy_node *node)
{
    for (uint32_t i = 0; i < node->taints_len; i++) {
        if (node->taints[i].effect == SY_EFFECT_PREFER_NO_SCHEDULE)
            return true;
    }
    return false;
}

/* Makes *ret a packed copy of node in an arena of exactly its size. */
static int pack_node(struct sy_cluster *c, const struct sy_node *node, struct sy_arena *ret_arena,
                     struct sy_node *ret)
{
    sy_arena_reset(&c->scratch);
    int r = sy_node_copy(&c->scratch, node, ret);
    size_t bytes = c->scratch.used_bytes;
    sy_arena_reset(&c->scratch);
    if (r < 0)
        return r;
    sy_arena_init(ret_arena, SCRATCH_MAX_BYTES);
    if (bytes && (r = sy_arena_reserve(ret_arena, bytes)) < 0)
        return r;
    r = sy_node_copy(ret_arena, node, ret);
    if (r < 0)
        sy_arena_done(ret_arena);
    return r;
}

int sy_cluster_node_upsert(struct sy_cluster *c, const struct sy_node *node, uint32_t *ret_slot,
                           uint32_t *ret_change)
{
    struct sy_arena arena;
    struct sy_node packed;
    uint32_t slot = sy_cluster_node_find(c, node->name);
    bool was_alive = slot != SY_NONE && sy_cluster_node_is_alive(c, slot);

    if (was_alive && sy_node_same_for_scheduling(&c->nodes[slot].node, node)) {
        c->node_flags[slot] |= SY_NODE_SEEN;
        *ret_slot = slot;
        *ret_change = 0;
        return 0;
    }
    int r = pack_node(c, node, &arena, &packed);
    if (r < 0)
        return r;

    slot = ensure_node(c, node->name);
    struct sy_node_slot *n = &c->nodes[slot];
    *ret_change = was_alive ? node_difference(&n->node, node) : SY_NODE_ADDED;
    c->nodes_prefer_no_schedule -= was_alive && has_prefer_no_schedule(&n->node);
    if (was_alive)
        sy_images_count(&c->images, &n->node, -1);
    sy_arena_done(&n->arena);
    n->arena = arena;
    n->node = packed;
    c->node_flags[slot] =
        (uint8_t)(SY_NODE_ALIVE | SY_NODE_SEEN | (node->unschedulable ? SY_NODE_UNSCHEDULABLE : 0) |
                  (node->ready == SY_CONDITION_TRUE ? SY_NODE_READY : 0));
    if (!was_alive)
        c->nodes_alive++;
    set_allocatable(c, slot, &n->node);
    sy_counters_node_labels(c, slot);
    c->nodes_prefer_no_schedule += has_prefer_no_schedule(&n->node);
    sy_images_count(&c->images, &n->node, 1);
    sy_load_follow(c, slot);
    sy_gpus_node(c, slot, &n->node, *ret_change);
    touch_node(c, slot, true);
    *ret_slot = slot;
    return 0;
}

uint32_t sy_cluster_node_delete(struct sy_cluster *c, sy_sid name)
{
    uint32_t slot = sy_cluster_node_find(c, name);

    if (slot == SY_NONE || !sy_cluster_node_is_alive(c, slot))
        return SY_NONE;
    struct sy_node_slot *n = &c->nodes[slot];
    c->node_flags[slot] = 0;
    c->nodes_alive--;
    c->nodes_prefer_no_schedule -= has_prefer_no_schedule(&n->node);
    sy_images_count(&c->images, &n->node, -1);
    set_allocatable(c, slot, NULL);
    sy_arena_done(&n->arena);
    n->node = (struct sy_node){.name = name};
    sy_counters_node_labels(c, slot);
    sy_load_forget(c, slot);
    sy_gpus_node(c, slot, NULL, 0);
    touch_node(c, slot, false);
    release_node_if_unused(c, slot);
    return slot;
}

/* -- charging pods to nodes -- */

static int64_t bounded(int64_t amount)
{
    return amount < 0 ? 0 : amount < SY_CHARGE_MAX ? amount : SY_CHARGE_MAX;
}

static void charge(struct sy_cluster *c, const struct sy_shared_spec *shared, uint32_t slot,
                   int sign)
{
    const struct sy_pod_request_totals *totals = &shared->spec.requests;

    for (uint32_t i = 0; i < totals->requests.len; i++) {
        uint32_t column = ensure_column(c, totals->requests.p[i].resource);
        if (column != SY_NONE) /* else the table is full, and no node has such a column either */
            c->columns[column].used[slot] += sign * bounded(totals->requests.p[i].amount);
    }
    c->columns[SY_COLUMN_PODS].used[slot] += sign;
    c->used_nonzero_cpu_milli[slot] += sign * bounded(totals->nonzero_cpu_milli);
    c->used_nonzero_memory_bytes[slot] += sign * bounded(totals->nonzero_memory_bytes);
}

static bool same_port(const struct sy_host_port *a, const struct sy_host_port *b)
{
    return a->port == b->port && a->protocol == b->protocol && a->ip == b->ip;
}

static void count_ports(struct sy_cluster *c, const struct sy_pod_spec *spec, uint32_t slot,
                        int sign)
{
    struct sy_node_slot *n = &c->nodes[slot];

    for (uint32_t i = 0; i < spec->host_ports_len; i++) {
        size_t at = 0;
        if (sign > 0) {
            sy_vec_push(&n->ports, spec->host_ports[i]);
            continue;
        }
        while (at < n->ports.len && !same_port(&n->ports.p[at], &spec->host_ports[i]))
            at++;
        if (at < n->ports.len)
            sy_vec_swap_remove(&n->ports, at);
    }
}

static uint32_t is_starting(const struct sy_pod_slot *p)
{
    return (p->flags & SY_POD_RUNNING) == 0;
}

/* Adds the pod to, or takes it from, every sum kept per node. */
static void account(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign)
{
    charge(c, c->pods.p[pod].spec, node, sign);
    count_ports(c, &c->pods.p[pod].spec->spec, node, sign);
    sy_counters_pod_on_node(c, pod, node, sign);
    sy_storage_pod_on_node(c, pod, node, sign);
    sy_shares_charge(c, pod, sign);
}

static void attach(struct sy_cluster *c, uint32_t pod, uint32_t slot)
{
    struct sy_pod_slot *p = &c->pods.p[pod];
    struct sy_node_slot *n = &c->nodes[slot];

    account(c, pod, slot, 1);
    p->node = slot;
    p->prev_on_node = SY_NONE;
    p->next_on_node = n->first_pod;
    if (n->first_pod != SY_NONE)
        c->pods.p[n->first_pod].prev_on_node = pod;
    n->first_pod = pod;
    n->pods_len++;
    c->starting[slot] += is_starting(p);
    sy_load_pod_on_node(c, pod, slot, 1);
    sy_gpus_pod_on_node(c, pod, slot);
    touch_node(c, slot, false);
}

/* Returns the slot that the pod was on. relief: as for touch_node(). */
static uint32_t detach_as(struct sy_cluster *c, uint32_t pod, bool relief)
{
    struct sy_pod_slot *p = &c->pods.p[pod];
    uint32_t slot = p->node;

    if (slot == SY_NONE)
        return SY_NONE;
    struct sy_node_slot *n = &c->nodes[slot];
    account(c, pod, slot, -1);
    if (p->prev_on_node != SY_NONE)
        c->pods.p[p->prev_on_node].next_on_node = p->next_on_node;
    else
        n->first_pod = p->next_on_node;
    if (p->next_on_node != SY_NONE)
        c->pods.p[p->next_on_node].prev_on_node = p->prev_on_node;
    n->pods_len--;
    p->node = SY_NONE;
    c->starting[slot] -= is_starting(p);
    sy_load_pod_on_node(c, pod, slot, -1);
    sy_gpus_pod_on_node(c, pod, slot);
    touch_node(c, slot, relief);
    release_node_if_unused(c, slot);
    return slot;
}

static uint32_t detach(struct sy_cluster *c, uint32_t pod)
{
    return detach_as(c, pod, true);
}

/* -- pods -- */

static uint64_t uid_hash(const struct sy_cluster *c, struct sy_str uid)
{
    uint64_t hash[2];

    sy_siphash128(uid.p, uid.len, sy_strings_hash_key(c->strings), hash);
    return hash[0];
}

static bool pod_has_uid(const void *arg, const void *key, uint32_t slot)
{
    const struct sy_cluster *c = arg;

    return sy_str_eqz(*(const struct sy_str *)key, c->pods.p[slot].uid);
}

uint32_t sy_cluster_pod_find(const struct sy_cluster *c, struct sy_str uid)
{
    return sy_map_get(&c->pod_by_uid, uid_hash(c, uid), pod_has_uid, c, &uid);
}

uint32_t sy_cluster_pod_delete(struct sy_cluster *c, uint32_t slot)
{
    struct sy_pod_slot *p = &c->pods.p[slot];

    if (p->flags & SY_POD_ASSUMED)
        c->pods_assumed--;
    uint32_t node = detach(c, slot);
    sy_map_del(&c->pod_by_uid, p->uid_hash, slot);
    sy_specs_unref(c->specs, p->spec);
    sy_specs_unref_labels(c->specs, p->labels);
    free(p->name);
    *p = (struct sy_pod_slot){.node = SY_NONE, .user = SY_NONE};
    sy_vec_push(&c->free_pods, slot);
    c->pods_alive--;
    return node;
}

/* Takes text that has no NUL inside (the API server allows none; a hostile one could send them). */
static char *copy_names(struct sy_str name, struct sy_str uid, const char **ret_uid)
{
    if (name.len > 4096 || uid.len > 4096 || (name.len && memchr(name.p, 0, name.len)) ||
        (uid.len && memchr(uid.p, 0, uid.len)))
        return NULL;
    char *block = sy_try_malloc(name.len + uid.len + 2);
    if (!block)
        return NULL;
    if (name.len)
        memcpy(block, name.p, name.len);
    block[name.len] = '\0';
    if (uid.len)
        memcpy(block + name.len + 1, uid.p, uid.len);
    block[name.len + 1 + uid.len] = '\0';
    *ret_uid = block + name.len + 1;
    return block;
}

static int add_pod(struct sy_cluster *c, const struct sy_pod *pod, uint32_t *ret_slot)
{
    const char *uid;
    char *name = copy_names(pod->name, pod->uid, &uid);

    if (!name)
        return -ENOMEM;
    uint32_t slot;
    if (c->free_pods.len) {
        slot = c->free_pods.p[--c->free_pods.len];
    } else {
        slot = (uint32_t)c->pods.len;
        sy_vec_push(&c->pods, (struct sy_pod_slot){0});
    }
    c->pods.p[slot] = (struct sy_pod_slot){
        .name = name,
        .uid = uid,
        .uid_hash = uid_hash(c, pod->uid),
        .ns = pod->ns,
        .created_wall_ns = pod->created_wall_ns,
        .node = SY_NONE,
        .user = SY_NONE,
    };
    sy_map_add(&c->pod_by_uid, c->pods.p[slot].uid_hash, slot);
    c->pods_alive++;
    *ret_slot = slot;
    return 0;
}

static uint16_t flags_of(const struct sy_pod *pod)
{
    return (uint16_t)(SY_POD_ALIVE | SY_POD_SEEN |
                      (pod->deleting_wall_ns ? SY_POD_TERMINATING : 0) |
                      (pod->gates_len ? SY_POD_GATED : 0) |
                      (pod->phase == SY_PHASE_RUNNING ? SY_POD_RUNNING : 0) |
                      (pod->never_preempts ? SY_POD_NEVER_PREEMPTS : 0));
}

/* Brings the charge in line with what the API server says about the pod's node. */
static uint32_t place_pod(struct sy_cluster *c, uint32_t slot, sy_sid node_name)
{
    struct sy_pod_slot *p = &c->pods.p[slot];

    if (!node_name)
        return 0;
    uint32_t node = ensure_node(c, node_name);
    uint32_t change = 0;
    if (p->flags & SY_POD_ASSUMED) {
        p->flags &= (uint16_t)~SY_POD_ASSUMED;
        c->pods_assumed--;
        change = p->node == node ? SY_POD_CONFIRMED : SY_POD_MOVED | SY_POD_FREED;
    } else if (p->node == SY_NONE) {
        change = SY_POD_BOUND;
    }
    if (p->node == node)
        return change;
    detach(c, slot); /* releases the slot that the pod leaves at most, which is another */
    attach(c, slot, node);
    return change | SY_POD_BOUND;
}

int sy_cluster_pod_upsert(struct sy_cluster *c, const struct sy_pod *pod, uint32_t *ret_slot,
                          uint32_t *ret_change)
{
    uint32_t slot = sy_cluster_pod_find(c, pod->uid);

    if (sy_pod_is_terminal(pod)) {
        *ret_change = slot == SY_NONE ? 0 : SY_POD_FREED;
        if (slot != SY_NONE)
            sy_cluster_pod_delete(c, slot);
        *ret_slot = SY_NONE;
        return 0;
    }

    const struct sy_shared_spec *spec = sy_specs_ref(c->specs, &pod->spec);
    const struct sy_shared_labels *labels =
        spec ? sy_specs_ref_labels(c->specs, pod->labels) : NULL;
    bool is_new = slot == SY_NONE;
    if (!labels || (is_new && add_pod(c, pod, &slot) < 0)) {
        sy_specs_unref(c->specs, spec);
        sy_specs_unref_labels(c->specs, labels);
        return -ENOMEM;
    }

    struct sy_pod_slot *p = &c->pods.p[slot];
    uint32_t change = is_new ? SY_POD_ADDED : 0;
    uint16_t flags = flags_of(pod);
    uint64_t owner = sy_cluster_owner_hash(c, pod->owner_uid);
    if (!is_new) {
        if (p->spec != spec || p->labels != labels || p->priority != pod->priority ||
            p->owner != owner)
            change |= SY_POD_SPEC;
        if ((p->flags ^ flags) & SY_POD_GATED)
            change |= SY_POD_GATES;
        if ((p->flags ^ flags) & SY_POD_TERMINATING)
            change |= SY_POD_DELETING;
    }
    if ((flags & SY_POD_RUNNING) && !(p->flags & SY_POD_RUNNING))
        change |= SY_POD_STARTED;

    /* A change of what is counted (a resize in place, labels, going away) is taken out as it was
     * and put back as it is. */
    bool devices_moved = sy_gpus_pod(c, slot, pod);
    uint32_t node = change & (SY_POD_SPEC | SY_POD_DELETING) || devices_moved ? p->node : SY_NONE;
    if (node != SY_NONE) {
        account(c, slot, node, -1);
        if (p->spec != spec)
            change |= SY_POD_FREED;
    }
    sy_specs_unref(c->specs, p->spec);
    sy_specs_unref_labels(c->specs, p->labels);
    p->spec = spec;
    p->labels = labels;
    p->queue = sy_shares_find(c, p->ns, labels->labels);
    p->generation = pod->generation;
    p->priority = pod->priority;
    p->owner = owner;
    p->nominated_node = pod->nominated_node;
    p->priority_class = pod->priority_class;
    p->started_wall_ns = pod->started_wall_ns;
    flags |= p->flags & KEPT_FLAGS;
    bool starts = p->node != SY_NONE && ((p->flags ^ flags) & SY_POD_RUNNING);
    if (starts)
        c->starting[p->node] -= is_starting(p);
    p->flags = flags;
    if (starts) {
        c->starting[p->node] += is_starting(p);
        if (c->starts_matter)
            touch_node(c, p->node, false);
    }
    if (node != SY_NONE) {
        account(c, slot, node, 1);
        sy_load_follow(c, node);
        sy_gpus_work_out(c, node);
        touch_node(c, node, true);
    }
    if (is_new && !c->trial_depth)
        sy_gpu_targets_arrive(c, &spec->spec, pod->created_wall_ns);
    change |= place_pod(c, slot, pod->node);
    *ret_slot = slot;
    *ret_change = change;
    return 0;
}

int sy_cluster_assume(struct sy_cluster *c, uint32_t pod, uint32_t node)
{
    struct sy_pod_slot *p = &c->pods.p[pod];

    if (p->node != SY_NONE)
        return -EBUSY;
    p->flags |= SY_POD_ASSUMED;
    c->pods_assumed++;
    sy_gpus_assume(c, pod, node);
    attach(c, pod, node);
    return 0;
}

static void forget(struct sy_cluster *c, uint32_t pod, bool relief)
{
    struct sy_pod_slot *p = &c->pods.p[pod];

    if (!(p->flags & SY_POD_ASSUMED))
        return;
    c->pods_assumed--;
    p->flags &= (uint16_t)~SY_POD_ASSUMED;
    sy_gpus_assume(c, pod, SY_NONE);
    detach_as(c, pod, relief);
}

void sy_cluster_forget(struct sy_cluster *c, uint32_t pod)
{
    forget(c, pod, true);
}

void sy_cluster_take_back(struct sy_cluster *c, uint32_t pod)
{
    forget(c, pod, false);
}

/* -- what-if -- */

void sy_cluster_trial_begin(struct sy_cluster *c)
{
    c->trial_depth++;
    sy_trial_begin(c);
    if (c->trial_depth > 1)
        return;
    c->trial_nodes.len = 0;
    sy_storage_trial_begin(c);
}

void sy_cluster_trial_end(struct sy_cluster *c)
{
    sy_trial_end(c);
    c->trial_depth--;
}

void sy_cluster_trial_remove(struct sy_cluster *c, uint32_t pod)
{
    sy_trial_note(c, pod, c->pods.p[pod].node, -1);
    detach(c, pod);
}

void sy_cluster_trial_restore(struct sy_cluster *c, uint32_t pod, uint32_t node)
{
    sy_trial_note(c, pod, node, 1);
    attach(c, pod, node);
}

/* -- replacement after a list -- */

void sy_cluster_pods_replace_begin(struct sy_cluster *c)
{
    for (size_t i = 0; i < c->pods.len; i++)
        c->pods.p[i].flags &= (uint16_t)~SY_POD_SEEN;
}

uint32_t sy_cluster_pods_next_unseen(const struct sy_cluster *c, uint32_t *at)
{
    while (*at < c->pods.len) {
        uint32_t slot = (*at)++;
        if ((c->pods.p[slot].flags & (SY_POD_ALIVE | SY_POD_SEEN)) == SY_POD_ALIVE)
            return slot;
    }
    return SY_NONE;
}

void sy_cluster_nodes_replace_begin(struct sy_cluster *c)
{
    for (uint32_t i = 0; i < c->nodes_len; i++)
        c->node_flags[i] &= (uint8_t)~SY_NODE_SEEN;
}

uint32_t sy_cluster_nodes_next_unseen(const struct sy_cluster *c, uint32_t *at)
{
    while (*at < c->nodes_len) {
        uint32_t slot = (*at)++;
        if ((c->node_flags[slot] & (SY_NODE_ALIVE | SY_NODE_SEEN)) == SY_NODE_ALIVE)
            return slot;
    }
    return SY_NONE;
}

/* -- which labels matter -- */

void sy_cluster_note_selector(struct sy_cluster *c, const struct sy_selector *selector)
{
    if (!c->labels_matter) {
        c->labels_matter = true;
        c->selectors_generation++;
    }
    for (uint32_t i = 0; i < selector->len; i++) {
        uint64_t hash = sy_hash_u64(selector->reqs[i].key);
        if (sy_map_get(&c->selector_keys, hash, NULL, NULL, NULL) != SY_MAP_NONE)
            continue;
        sy_map_add(&c->selector_keys, hash, 1);
        c->selectors_generation++;
    }
}

static void note_terms(struct sy_cluster *c, const struct sy_affinity_term *terms, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sy_cluster_note_selector(c, &terms[i].selector);
}

static void note_weighted(struct sy_cluster *c, const struct sy_weighted_affinity_term *terms,
                          uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sy_cluster_note_selector(c, &terms[i].term.selector);
}

void sy_cluster_note_spec(struct sy_cluster *c, const struct sy_pod_spec *spec)
{
    note_terms(c, spec->affinity, spec->affinity_len);
    note_terms(c, spec->anti_affinity, spec->anti_affinity_len);
    note_weighted(c, spec->preferred_affinity, spec->preferred_affinity_len);
    note_weighted(c, spec->preferred_anti_affinity, spec->preferred_anti_affinity_len);
    for (uint32_t i = 0; i < spec->spread_len; i++) {
        const struct sy_spread_constraint *s = &spec->spread[i];
        sy_cluster_note_selector(c, &s->selector);
        for (uint32_t j = 0; j < s->match_label_keys_len; j++) {
            struct sy_requirement key = {.key = s->match_label_keys[j]};
            sy_cluster_note_selector(c, &(struct sy_selector){.reqs = &key, .len = 1});
        }
    }
}

uint32_t sy_cluster_relevant_labels(const struct sy_cluster *c, struct sy_labels labels,
                                    struct sy_label *room)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < labels.len; i++) {
        if (sy_map_get(&c->selector_keys, sy_hash_u64(labels.p[i].key), NULL, NULL, NULL) !=
            SY_MAP_NONE)
            room[len++] = labels.p[i];
    }
    return len;
}

/* -- namespaces -- */

struct sy_labels sy_cluster_namespace_labels(const struct sy_cluster *c, sy_sid name)
{
    for (size_t i = 0; i < c->namespaces.len; i++) {
        if (c->namespaces.p[i].name == name)
            return c->namespaces.p[i].labels->labels;
    }
    return (struct sy_labels){0};
}

bool sy_cluster_namespace_is_known(const struct sy_cluster *c, sy_sid name)
{
    for (size_t i = 0; i < c->namespaces.len; i++) {
        if (c->namespaces.p[i].name == name)
            return true;
    }
    return false;
}

int sy_cluster_namespace_upsert(struct sy_cluster *c, sy_sid name, struct sy_labels labels)
{
    const struct sy_shared_labels *shared = sy_specs_ref_labels(c->specs, labels);
    size_t i = 0;

    if (!shared)
        return -ENOMEM;
    while (i < c->namespaces.len && c->namespaces.p[i].name != name)
        i++;
    if (i == c->namespaces.len)
        sy_vec_push(&c->namespaces, (struct sy_namespace){.name = name});
    bool changed = c->namespaces.p[i].labels != shared; /* or new: NULL before */
    sy_specs_unref_labels(c->specs, c->namespaces.p[i].labels);
    c->namespaces.p[i].labels = shared;
    c->namespaces.p[i].is_seen = true;
    if (changed) {
        sy_counters_recount(c);
        c->epoch++;
    }
    return 0;
}

static void drop_namespace(struct sy_cluster *c, size_t i)
{
    sy_specs_unref_labels(c->specs, c->namespaces.p[i].labels);
    sy_vec_swap_remove(&c->namespaces, i);
    sy_counters_recount(c);
    c->epoch++;
}

void sy_cluster_namespace_delete(struct sy_cluster *c, sy_sid name)
{
    for (size_t i = 0; i < c->namespaces.len; i++) {
        if (c->namespaces.p[i].name == name) {
            drop_namespace(c, i);
            return;
        }
    }
}

void sy_cluster_namespaces_replace_begin(struct sy_cluster *c)
{
    for (size_t i = 0; i < c->namespaces.len; i++)
        c->namespaces.p[i].is_seen = false;
}

void sy_cluster_namespaces_replace_end(struct sy_cluster *c)
{
    for (size_t i = c->namespaces.len; i--;) {
        if (!c->namespaces.p[i].is_seen)
            drop_namespace(c, i);
    }
}

/* -- upkeep -- */

void sy_cluster_mark(const struct sy_cluster *c)
{
    sy_resource_names_mark(&c->names, c->strings);
    sy_specs_mark(c->specs);
    for (size_t i = 0; i < c->budgets.len; i++) {
        sy_strings_mark(c->strings, c->budgets.p[i].budget.ns);
        sy_strings_mark(c->strings, c->budgets.p[i].budget.name);
    }
    sy_counters_mark(c);
    sy_storage_mark_all(c);
    sy_devices_mark_all(c);
    sy_gpus_mark(c);
    sy_workloads_mark(c);
    sy_pools_mark(c);
    sy_shares_mark(c);
    for (size_t i = 0; i < c->namespaces.len; i++)
        sy_strings_mark(c->strings, c->namespaces.p[i].name);
    for (uint32_t i = 0; i < c->nodes_len; i++)
        sy_node_mark(&c->nodes[i].node, c->strings);
    for (uint32_t i = 0; i < c->columns_len; i++)
        sy_strings_mark(c->strings, c->columns[i].resource);
    for (size_t i = 0; i < c->pods.len; i++) {
        if (!(c->pods.p[i].flags & SY_POD_ALIVE))
            continue;
        sy_strings_mark(c->strings, c->pods.p[i].ns);
        sy_strings_mark(c->strings, c->pods.p[i].nominated_node);
        sy_strings_mark(c->strings, c->pods.p[i].priority_class);
    }
}

/* What one node's sums should be, from its list of pods: *starting too; returns the number of pods
 * in the list. */
static uint32_t recount(const struct sy_cluster *c, uint32_t node, int64_t *used, int64_t *nonzero,
                        uint32_t *starting)
{
    uint32_t pods = 0;

    *starting = 0;

    memset(used, 0, SY_COLUMNS_MAX * sizeof(*used));
    nonzero[0] = nonzero[1] = 0;
    for (uint32_t i = c->nodes[node].first_pod; i != SY_NONE && pods <= c->pods.len;
         i = c->pods.p[i].next_on_node) {
        const struct sy_pod_request_totals *totals = &c->pods.p[i].spec->spec.requests;
        for (uint32_t j = 0; j < totals->requests.len; j++) {
            uint32_t column = sy_cluster_column(c, totals->requests.p[j].resource);
            if (column != SY_NONE)
                used[column] += bounded(totals->requests.p[j].amount);
        }
        used[SY_COLUMN_PODS]++;
        *starting += is_starting(&c->pods.p[i]);
        nonzero[0] += bounded(totals->nonzero_cpu_milli);
        nonzero[1] += bounded(totals->nonzero_memory_bytes);
        pods++;
    }
    return pods;
}

/* Every port of the node's pods is listed, and no more. */
static bool right_ports(const struct sy_cluster *c, uint32_t node)
{
    const struct sy_node_slot *n = &c->nodes[node];
    size_t ports = 0, steps = 0;

    for (uint32_t i = n->first_pod; i != SY_NONE && steps++ <= c->pods.len;
         i = c->pods.p[i].next_on_node) {
        const struct sy_pod_spec *spec = &c->pods.p[i].spec->spec;
        for (uint32_t j = 0; j < spec->host_ports_len; j++) {
            size_t at = 0;
            while (at < n->ports.len && !same_port(&n->ports.p[at], &spec->host_ports[j]))
                at++;
            if (at == n->ports.len)
                return false;
            ports++;
        }
    }
    return ports == n->ports.len;
}

const char *sy_cluster_audit(const struct sy_cluster *c, char *text, size_t text_size)
{
    int64_t used[SY_COLUMNS_MAX], nonzero[2];
    uint32_t listed = 0, charged = 0, assumed = 0, alive = 0, starting;

    for (uint32_t n = 0; n < c->nodes_len; n++) {
        if (!c->nodes[n].node.name)
            continue;
        uint32_t pods = recount(c, n, used, nonzero, &starting);
        listed += pods;
        const char *name = sy_strings_getz(c->strings, c->nodes[n].node.name);
        if (!right_ports(c, n)) {
            snprintf(text, text_size, "node %s: host ports differ from the pods'", name);
            return text;
        }
        if (starting != c->starting[n]) {
            snprintf(text, text_size, "node %s: %u pods start, %u counted", name, starting,
                     c->starting[n]);
            return text;
        }
        if (pods != c->nodes[n].pods_len) {
            snprintf(text, text_size, "node %s: %u pods listed, %u counted", name, pods,
                     c->nodes[n].pods_len);
            return text;
        }
        for (uint32_t i = 0; i < c->columns_len; i++) {
            if (c->columns[i].used[n] == used[i])
                continue;
            snprintf(text, text_size, "node %s: %s used %lld, pods add up to %lld", name,
                     sy_strings_getz(c->strings, c->columns[i].resource),
                     (long long)c->columns[i].used[n], (long long)used[i]);
            return text;
        }
        if (c->used_nonzero_cpu_milli[n] != nonzero[0] ||
            c->used_nonzero_memory_bytes[n] != nonzero[1]) {
            snprintf(text, text_size, "node %s: sums of non-zero requests differ", name);
            return text;
        }
    }
    for (size_t i = 0; i < c->pods.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        alive += (p->flags & SY_POD_ALIVE) != 0;
        assumed += (p->flags & SY_POD_ASSUMED) != 0;
        charged += (p->flags & SY_POD_ALIVE) && p->node != SY_NONE;
    }
    int64_t max_cpu, max_memory;
    find_maxima(c, &max_cpu, &max_memory);
    if (!sy_images_audit(c)) {
        snprintf(text, text_size, "counts of images differ from the nodes");
        return text;
    }
    if (!sy_storage_audit(c)) {
        snprintf(text, text_size, "counts of pods that use a claim differ from the pods");
        return text;
    }
    if (!sy_gpus_audit(c)) {
        snprintf(text, text_size, "the ledger of GPUs differs from the pods");
        return text;
    }
    if (!sy_pools_audit(c)) {
        snprintf(text, text_size, "sums of pools differ from the nodes");
        return text;
    }
    if (!sy_shares_audit(c)) {
        snprintf(text, text_size, "usage of queues differs from the pods");
        return text;
    }
    if (!sy_load_audit(c)) {
        snprintf(text, text_size, "published load differs from the samples");
        return text;
    }
    if (!sy_counters_audit(c)) {
        snprintf(text, text_size, "counts of matching pods differ from the pods");
        return text;
    }
    if (listed != charged || assumed != c->pods_assumed || alive != c->pods_alive ||
        max_cpu != c->max_cpu_milli || max_memory != c->max_memory_bytes) {
        snprintf(text, text_size,
                 "pods alive %u/%u, charged %u/%u, assumed %u/%u; or node maxima differ", alive,
                 c->pods_alive, charged, listed, assumed, c->pods_assumed);
        return text;
    }
    return NULL;
}
