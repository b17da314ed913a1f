/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/gpus.h"

#include <stdlib.h>

#include "cluster/cluster.h"
#include "model/sort.h"

enum {
    UNKNOWN_MEMORY = 1000,
    MIB_SHIFT = 20,
    PERCENT = 100,
    WHOLE_SEVENTHS = 7, /* A100 and later have as many; of A30's four a slice counts less */
    UNITS_MAX = 1 << 20,
};
static const uint64_t MEMORY_MIB_MAX = (uint64_t)1 << 30;

void sy_gpus_init(struct sy_cluster *c)
{
    c->gpus.count_label = sy_strings_addz(c->strings, "nvidia.com/gpu.count");
    c->gpus.memory_label = sy_strings_addz(c->strings, "nvidia.com/gpu.memory");
    c->gpus.koordinator = sy_strings_addz(c->strings, "koordinator.sh/gpu-core");
}

void sy_gpus_done(struct sy_cluster *c)
{
    for (uint32_t i = 0; i < c->nodes_room; i++)
        free(c->gpus.nodes[i]);
    free(c->gpus.nodes);
    sy_vec_done(&c->gpus.columns);
    sy_gpu_targets_done(c);
}

void sy_gpus_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room)
{
    c->gpus.nodes = sy_xreallocarray(c->gpus.nodes, room, sizeof(*c->gpus.nodes));
    for (uint32_t i = old_room; i < room; i++)
        c->gpus.nodes[i] = NULL;
}

void sy_gpus_mark(const struct sy_cluster *c)
{
    sy_strings_mark(c->strings, c->gpus.count_label);
    sy_strings_mark(c->strings, c->gpus.memory_label);
    sy_strings_mark(c->strings, c->gpus.koordinator);
}

const struct sy_gpu_node *sy_gpus_of(const struct sy_cluster *c, uint32_t node)
{
    return c->gpus.nodes[node];
}

static int64_t memory_total(const struct sy_gpu_node *g)
{
    return g->memory_bytes ? g->memory_bytes : UNKNOWN_MEMORY;
}

static int64_t memory_needed(const struct sy_gpu_node *g, const struct sy_gpu_request *r)
{
    int64_t total = memory_total(g);
    int64_t part = total / SY_GPU_WHOLE_MILLI * r->memory_milli +
                   total % SY_GPU_WHOLE_MILLI * r->memory_milli / SY_GPU_WHOLE_MILLI;

    if (sy_gpu_is_whole(r))
        return 0; /* all, but what is no more than the pod's own claim is of no interest */
    return r->memory_bytes > part ? r->memory_bytes : part;
}

bool sy_gpu_has_room(const struct sy_gpu_node *g, uint32_t device,
                     const struct sy_gpu_request *request)
{
    const struct sy_gpu *d = &g->gpus[device];

    if (d->is_lost || d->free_milli < request->milli)
        return false;
    if (request->memory_bytes && request->memory_bytes > g->memory_bytes)
        return false;
    if (sy_gpu_is_whole(request))
        return d->users == 0;
    return d->free_memory_bytes >= memory_needed(g, request);
}

uint32_t sy_gpus_with_room(const struct sy_gpu_node *g, const struct sy_gpu_request *request)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < g->len; i++)
        len += sy_gpu_has_room(g, i, request);
    return len;
}

bool sy_gpus_are_the_plugins(const struct sy_gpu_node *g, const struct sy_gpu_request *request)
{
    if (request->resource && request->resource != g->resource)
        return true;
    return g->units > g->len && sy_gpu_is_whole(request);
}

static uint64_t have_room(const struct sy_gpu_node *g, const struct sy_gpu_request *request)
{
    uint64_t devices = 0;

    for (uint32_t i = 0; i < g->len; i++)
        devices |= (uint64_t)sy_gpu_has_room(g, i, request) << i;
    return devices;
}

static uint64_t all_healthy(const struct sy_gpu_node *g)
{
    uint64_t devices = 0;

    for (uint32_t i = 0; i < g->len; i++)
        devices |= (uint64_t)!g->gpus[i].is_lost << i;
    return devices;
}

static uint32_t count_of(uint64_t devices)
{
    return (uint32_t)__builtin_popcountll(devices);
}

bool sy_gpus_are_of_a_group(const struct sy_gpu_node *g, uint64_t devices)
{
    for (uint32_t i = 0; i < g->groups_len; i++) {
        if (!(devices & ~g->groups[i]))
            return true;
    }
    return false;
}

bool sy_gpus_fit_a_group(const struct sy_gpu_node *g, const struct sy_gpu_request *request,
                         bool is_empty)
{
    uint64_t free = is_empty ? all_healthy(g) : have_room(g, request);

    for (uint32_t i = 0; i < g->groups_len; i++) {
        if (count_of(g->groups[i] & free) >= request->count)
            return true;
    }
    return false;
}

static uint64_t tightest(const struct sy_gpu_node *g, const struct sy_gpu_request *request)
{
    uint32_t best = SY_NONE;

    for (uint32_t i = 0; i < g->len; i++) {
        if (sy_gpu_has_room(g, i, request) &&
            (best == SY_NONE || g->gpus[i].free_milli < g->gpus[best].free_milli))
            best = i;
    }
    return best == SY_NONE ? 0 : (uint64_t)1 << best;
}

static uint64_t lowest(const struct sy_gpu_node *g, const struct sy_gpu_request *request)
{
    uint64_t devices = 0;
    uint32_t left = request->count;

    for (uint32_t i = 0; i < g->len && left; i++) {
        if (!sy_gpu_has_room(g, i, request))
            continue;
        devices |= (uint64_t)1 << i;
        left--;
    }
    return left ? 0 : devices;
}

static uint64_t lowest_of(uint64_t devices, uint32_t count)
{
    uint64_t taken = 0;

    for (; count && devices; count--) {
        taken |= devices & -devices;
        devices &= devices - 1;
    }
    return taken;
}

/* Of `free`, what one group has of it: of the groups with `count` the one with the least, else the
 * one with the most. Of equals the smaller group. 0: no group has any. */
static uint64_t best_group(const struct sy_gpu_node *g, uint64_t free, uint32_t count)
{
    uint64_t best = 0;
    uint32_t best_len = 0, best_size = 0;

    for (uint32_t i = 0; i < g->groups_len; i++) {
        uint64_t has = g->groups[i] & free;
        uint32_t len = count_of(has), size = count_of(g->groups[i]);
        bool is_better = best_len >= count ? len >= count && len < best_len : len > best_len;
        if (is_better || (len && len == best_len && size < best_size)) {
            best = has;
            best_len = len;
            best_size = size;
        }
    }
    return best;
}

static uint64_t near_each_other(const struct sy_gpu_node *g, const struct sy_gpu_request *request)
{
    uint64_t free = have_room(g, request), taken = 0;

    if (count_of(free) < request->count)
        return 0;
    for (uint32_t left = request->count; left;) {
        uint64_t some = best_group(g, free, left);
        if (request->one_group && request->count > 1 && count_of(some) < left)
            return 0;
        some = lowest_of(some ? some : free, left);
        taken |= some;
        free &= ~some;
        left -= count_of(some);
    }
    return taken;
}

uint64_t sy_gpus_choose(const struct sy_gpu_node *g, const struct sy_gpu_request *request)
{
    if (!g || sy_gpus_are_the_plugins(g, request))
        return 0;
    if (request->count == 1 && !sy_gpu_is_whole(request))
        return tightest(g, request);
    return g->groups_len ? near_each_other(g, request) : lowest(g, request);
}

enum sy_gpu_kind sy_gpu_kind_of(const struct sy_gpu_request *request)
{
    if (!sy_gpu_is_whole(request))
        return SY_GPU_KIND_SHARE;
    switch (request->count) {
    case 1:
        return SY_GPU_KIND_1;
    case 2:
        return SY_GPU_KIND_2;
    case 4:
        return SY_GPU_KIND_4;
    case 8:
        return SY_GPU_KIND_8;
    default:
        return SY_GPU_KIND_OTHER;
    }
}

/* -- working a node's part out from its pods -- */

static void take(struct sy_gpu_node *g, uint64_t devices, const struct sy_gpu_request *r)
{
    int64_t memory = sy_gpu_is_whole(r) ? memory_total(g) : memory_needed(g, r);

    for (uint32_t i = 0; i < g->len; i++) {
        struct sy_gpu *d = &g->gpus[i];
        if (!(devices >> i & 1))
            continue;
        d->users++;
        d->free_milli = (int16_t)(d->free_milli > r->milli ? d->free_milli - r->milli : 0);
        d->free_memory_bytes = d->free_memory_bytes > memory ? d->free_memory_bytes - memory : 0;
    }
}

/* Whether the devices that a pod names are there and as many as it asks for. Another scheduler may
 * have put two pods on one device: then both are there. */
static bool names_devices(const struct sy_gpu_node *g, const struct sy_pod_slot *p)
{
    if (!p->gpu_devices || (g->len < SY_GPUS_MAX && p->gpu_devices >> g->len))
        return false;
    return __builtin_popcountll(p->gpu_devices) == p->spec->spec.gpu.count;
}

/* Those that the node names, and of others that are gone, which it does not name, the ones that
 * nobody is on, from the last. */
static void lose(struct sy_gpu_node *g)
{
    uint32_t left = g->lost - count_of(g->unhealthy);

    for (uint32_t i = g->len; i--;) {
        struct sy_gpu *d = &g->gpus[i];
        if (!d->is_lost && (!left || d->users))
            continue;
        left -= !d->is_lost;
        d->is_lost = true;
        d->free_milli = 0;
        d->free_memory_bytes = 0;
    }
}

static void presume(const struct sy_cluster *c, struct sy_gpu_node *g, uint32_t *pods, uint32_t len)
{
    len = sy_sort_unique(pods, len, sizeof(*pods));
    for (uint32_t i = 0; i < len; i++) {
        const struct sy_gpu_request *r = &c->pods.p[pods[i]].spec->spec.gpu;
        uint64_t devices = lowest(g, r);
        if (devices)
            take(g, devices, r);
        else
            g->unplaced++;
    }
}

static void work_out(const struct sy_cluster *c, uint32_t node, struct sy_gpu_node *g)
{
    SY_VEC(uint32_t) others = {0};
    size_t steps = 0;

    g->unplaced = g->kinds = 0;
    for (uint32_t i = 0; i < g->len; i++)
        g->gpus[i] = (struct sy_gpu){.free_milli = SY_GPU_WHOLE_MILLI,
                                     .free_memory_bytes = memory_total(g),
                                     .is_lost = g->unhealthy >> i & 1};
    for (uint32_t i = c->nodes[node].first_pod; i != SY_NONE && steps++ <= c->pods.len;
         i = c->pods.p[i].next_on_node) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        const struct sy_gpu_request *r = &p->spec->spec.gpu;
        if (!r->count || sy_gpus_are_the_plugins(g, r))
            continue;
        g->kinds |= 1U << sy_gpu_kind_of(r);
        if (names_devices(g, p))
            take(g, p->gpu_devices, r);
        else
            sy_vec_push(&others, i);
    }
    presume(c, g, others.p, (uint32_t)others.len);
    sy_vec_done(&others);
    lose(g);
    g->idle_milli = 0;
    for (uint32_t i = 0; i < g->len; i++)
        g->idle_milli += g->gpus[i].free_milli;
}

/* -- nodes -- */

static uint32_t bounded_units(int64_t amount)
{
    return amount <= 0 ? 0 : amount < UINT32_MAX ? (uint32_t)amount : UINT32_MAX;
}

static uint64_t label_number(const struct sy_cluster *c, const struct sy_node *node, sy_sid key)
{
    sy_sid value = sy_labels_get(node->labels, key);
    uint64_t number;

    if (!value || sy_str_u64(sy_strings_get(c->strings, value), &number) < 0)
        return 0;
    return number;
}

static sy_sid first_gpus(const struct sy_cluster *c, struct sy_amounts amounts)
{
    for (uint32_t i = 0; i < c->names.gpus_len; i++) {
        if (sy_amounts_get(amounts, c->names.gpus[i]) > 0)
            return c->names.gpus[i];
    }
    return sy_amounts_get(amounts, c->gpus.koordinator) > 0 ? c->gpus.koordinator : 0;
}

/* The resource that the node has GPUs by, even if none of them works; 0 for none. */
static sy_sid resource_of(const struct sy_cluster *c, const struct sy_node *node)
{
    sy_sid resource = first_gpus(c, node->allocatable);

    return resource ? resource : first_gpus(c, node->capacity);
}

/* How many sevenths of a GPU a slice of MIG is: the 3 of nvidia.com/mig-3g.20gb, or what the 1c of
 * nvidia.com/mig-1c.3g.20gb are of it. 0: it is none. */
static uint32_t mig_sevenths(struct sy_str name)
{
    static const char PREFIX[] = "nvidia.com/mig-";
    enum { PREFIX_LEN = sizeof(PREFIX) - 1 };

    if (name.len < PREFIX_LEN + 3 || memcmp(name.p, PREFIX, PREFIX_LEN) != 0)
        return 0;
    const char *size = name.p + PREFIX_LEN;
    bool is_size = size[0] >= '1' && size[0] <= '7' && (size[1] == 'g' || size[1] == 'c');
    return is_size && size[2] == '.' ? (uint32_t)(size[0] - '0') : 0;
}

static bool has_mig(const struct sy_cluster *c, const struct sy_node *node)
{
    for (uint32_t i = 0; i < node->capacity.len; i++) {
        if (mig_sevenths(sy_strings_get(c->strings, node->capacity.p[i].resource)) &&
            node->capacity.p[i].amount > 0)
            return true;
    }
    return false;
}

static bool is_nvidia(const struct sy_cluster *c, sy_sid resource)
{
    return resource == c->names.nvidia_gpu || resource == c->gpus.koordinator;
}

/* How many GPUs the node has: as feature discovery says, else as many as it ever had to give.
 * Where some are cut up by MIG the label may count these too, and is of no use. */
static uint32_t count_devices(const struct sy_cluster *c, const struct sy_node *node,
                              sy_sid resource, uint32_t *ret_units)
{
    int64_t scale = resource == c->gpus.koordinator ? PERCENT : 1;
    uint32_t units = bounded_units(sy_amounts_get(node->allocatable, resource) / scale);
    uint32_t most = bounded_units(sy_amounts_get(node->capacity, resource) / scale);

    *ret_units = units;
    if (!units && !most)
        return 0;
    uint64_t labelled = is_nvidia(c, resource) ? label_number(c, node, c->gpus.count_label) : 0;
    if (labelled && labelled <= SY_GPUS_MAX && !has_mig(c, node))
        return (uint32_t)labelled;
    return units > most ? units : most;
}

static struct sy_gpu_node *new_ledger(const struct sy_cluster *c, const struct sy_node *node,
                                      sy_sid resource, uint32_t len, uint32_t units)
{
    size_t gpus = len * sizeof(struct sy_gpu), groups = node->gpu_groups_len * sizeof(uint64_t);
    struct sy_gpu_node *g = sy_xcalloc(1, sizeof(*g) + gpus + groups);
    uint64_t mib = is_nvidia(c, resource) ? label_number(c, node, c->gpus.memory_label) : 0;

    g->resource = resource;
    g->memory_bytes = mib < MEMORY_MIB_MAX ? (int64_t)mib << MIB_SHIFT : 0;
    g->len = len;
    g->units = units;
    g->unhealthy = node->gpus_unhealthy & (UINT64_MAX >> (SY_GPUS_MAX - len));
    g->lost = units < len ? len - units : 0;
    if (g->lost < count_of(g->unhealthy))
        g->lost = count_of(g->unhealthy);
    g->groups = (uint64_t *)(void *)((char *)g->gpus + gpus);
    g->groups_len = node->gpu_groups_len;
    if (groups)
        memcpy(g->groups, node->gpu_groups, groups);
    return g;
}

void sy_gpus_node(struct sy_cluster *c, uint32_t slot, const struct sy_node *node, uint32_t change)
{
    struct sy_gpu_node *old = c->gpus.nodes[slot];
    sy_sid resource = node ? resource_of(c, node) : 0;
    uint32_t units = 0;
    uint32_t len = resource ? count_devices(c, node, resource, &units) : 0;

    len = len > SY_GPUS_MAX ? 0 : len;
    if (!old && !len)
        return;
    if (!old || old->len != len ||
        change & (SY_NODE_ADDED | SY_NODE_LABELS | SY_NODE_TAINTS | SY_NODE_ALLOCATABLE))
        c->gpus.statics++;
    c->gpus.nodes_len += (uint32_t)(len != 0) - (uint32_t)(old != NULL);
    free(old);
    c->gpus.nodes[slot] = NULL;
    if (!len)
        return;
    c->gpus.nodes[slot] = new_ledger(c, node, resource, len, units);
    work_out(c, slot, c->gpus.nodes[slot]);
}

/* -- all GPUs of a node, MIG's slices among them -- */

void sy_gpus_column(struct sy_cluster *c, uint32_t column)
{
    sy_sid resource = c->columns[column].resource;
    uint32_t sevenths = sy_resource_is_gpu(&c->names, resource)
                            ? WHOLE_SEVENTHS
                            : mig_sevenths(sy_strings_get(c->strings, resource));

    if (sevenths)
        sy_vec_push(&c->gpus.columns, (struct sy_gpu_column){column, sevenths});
}

static int64_t milli_of(int64_t units, uint32_t sevenths)
{
    units = units < UNITS_MAX ? units : UNITS_MAX;
    return units > 0 ? units * SY_GPU_WHOLE_MILLI * sevenths / WHOLE_SEVENTHS : 0;
}

struct sy_gpu_sums sy_gpus_sums(const struct sy_cluster *c, uint32_t node)
{
    struct sy_gpu_sums sums = {0};

    for (size_t i = 0; i < c->gpus.columns.len; i++) {
        const struct sy_gpu_column *gpu = &c->gpus.columns.p[i];
        const struct sy_column *column = &c->columns[gpu->column];
        sums.total_milli += milli_of(column->allocatable[node], gpu->sevenths);
        sums.used_milli += milli_of(column->used[node], gpu->sevenths);
    }
    return sums;
}

/* -- pods -- */

void sy_gpus_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node)
{
    if (c->gpus.nodes[node] && c->pods.p[pod].spec->spec.gpu.count)
        work_out(c, node, c->gpus.nodes[node]);
}

void sy_gpus_work_out(struct sy_cluster *c, uint32_t node)
{
    if (c->gpus.nodes[node])
        work_out(c, node, c->gpus.nodes[node]);
}

bool sy_gpus_pod(struct sy_cluster *c, uint32_t slot, const struct sy_pod *pod)
{
    struct sy_pod_slot *p = &c->pods.p[slot];
    uint64_t old = p->gpu_devices;

    if (pod->node)
        p->gpu_devices = pod->gpu_devices;
    else if (!(p->flags & SY_POD_ASSUMED))
        p->gpu_devices = 0; /* who waits has no devices, whatever it says */
    return p->gpu_devices != old;
}

void sy_gpus_propose(struct sy_cluster *c, uint32_t pod, uint64_t devices)
{
    if (c->pods.p[pod].node == SY_NONE)
        c->pods.p[pod].gpu_devices = devices;
}

void sy_gpus_assume(struct sy_cluster *c, uint32_t pod, uint32_t node)
{
    struct sy_pod_slot *p = &c->pods.p[pod];

    if (node == SY_NONE)
        p->gpu_devices = 0;
    else if (!p->gpu_devices && p->spec->spec.gpu.count)
        p->gpu_devices = sy_gpus_choose(c->gpus.nodes[node], &p->spec->spec.gpu);
}

/* -- upkeep -- */

bool sy_gpus_audit(const struct sy_cluster *c)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < c->nodes_len; i++) {
        const struct sy_gpu_node *g = c->gpus.nodes[i];
        if (!g)
            continue;
        len++;
        size_t size = sizeof(*g) + g->len * sizeof(*g->gpus);
        struct sy_gpu_node *want = sy_xcalloc(1, size);
        memcpy(want, g, sizeof(*g));
        work_out(c, i, want);
        bool same = want->idle_milli == g->idle_milli && want->unplaced == g->unplaced &&
                    want->kinds == g->kinds;
        for (uint32_t d = 0; d < g->len; d++)
            same &= want->gpus[d].free_milli == g->gpus[d].free_milli &&
                    want->gpus[d].free_memory_bytes == g->gpus[d].free_memory_bytes &&
                    want->gpus[d].users == g->gpus[d].users &&
                    want->gpus[d].is_lost == g->gpus[d].is_lost;
        free(want);
        if (!same || !sy_cluster_node_is_alive(c, i))
            return false;
    }
    return len == c->gpus.nodes_len;
}
