/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/load.h"

#include <math.h>
#include <string.h>

#include "cluster/cluster.h"

static const int64_t WINDOW_DEFAULT_NS = 60 * SY_NS_PER_S;
static const int64_t WINDOW_LEAST_NS = SY_NS_PER_S;
static const int64_t WINDOW_MOST_NS = 3600 * SY_NS_PER_S;
static const int64_t WINDOWS_HELD = 3; /* a sample is nothing after so many */
static const double ABSURD = 1.5;
/* Smaller moves are not published: a measurement is never still. */
static const double STEP = 0.005;
/* A hostile number of pods on one node must not make each sample dear. */
enum { RECENT_MAX = 1024 };

const char *sy_load_result_name(enum sy_load_result r)
{
    static const char *const NAMES[SY_LOAD_RESULTS] = {
        [SY_LOAD_TAKEN] = "taken",       [SY_LOAD_NOT_FINITE] = "not_finite",
        [SY_LOAD_NEGATIVE] = "negative", [SY_LOAD_ABSURD] = "absurd",
        [SY_LOAD_STALE] = "stale",       [SY_LOAD_FUTURE] = "future",
        [SY_LOAD_UNJOINED] = "unjoined", [SY_LOAD_NO_TOTAL] = "no_total",
    };

    return (unsigned)r < SY_LOAD_RESULTS ? NAMES[r] : "unknown";
}

const char *const sy_load_metric_names[SY_LOAD_METRICS + 1] = {
    [SY_LOAD_CPU] = "cpu",
    [SY_LOAD_MEMORY] = "memory",
    [SY_LOAD_EPHEMERAL] = "ephemeral-storage",
    [SY_LOAD_GPU] = "gpu",
    [SY_LOAD_GPU_MEMORY] = "gpu-memory",
    [SY_LOAD_NETWORK] = "network",
};

const char *sy_load_metric_name(enum sy_load_metric m)
{
    return (unsigned)m < SY_LOAD_METRICS ? sy_load_metric_names[m] : "unknown";
}

/* The column whose requests a metric measures; SY_NONE when nothing is requested of it. What a pod
 * asks of GPUs is the best guess at what it will take of their memory. */
static uint32_t column_of(const struct sy_cluster *c, enum sy_load_metric metric, uint32_t node)
{
    const struct sy_gpu_node *gpus;

    switch (metric) {
    case SY_LOAD_CPU:
        return SY_COLUMN_CPU_MILLI;
    case SY_LOAD_MEMORY:
        return SY_COLUMN_MEMORY_BYTES;
    case SY_LOAD_EPHEMERAL:
        return SY_COLUMN_EPHEMERAL_BYTES;
    case SY_LOAD_GPU:
    case SY_LOAD_GPU_MEMORY:
        gpus = sy_gpus_of(c, node);
        return sy_cluster_column(c, gpus && sy_resource_is_gpu(&c->names, gpus->resource)
                                        ? gpus->resource
                                        : c->names.nvidia_gpu);
    default:
        return SY_NONE;
    }
}

/* What a share of 1 is in the unit of a sample's amount; 0 when it is not known. */
static double whole_of(const struct sy_cluster *c, enum sy_load_metric metric, uint32_t node)
{
    uint32_t column = column_of(c, metric, node);

    if (column == SY_NONE || metric == SY_LOAD_GPU_MEMORY)
        return 0;
    return (double)c->columns[column].allocatable[node] * (metric == SY_LOAD_GPU ? 1000 : 1);
}

/* -- what is placed and perhaps not measured yet -- */

static double asked(const struct sy_cluster *c, uint32_t pod, enum sy_load_metric metric,
                    uint32_t column)
{
    const struct sy_pod_request_totals *totals = &c->pods.p[pod].spec->spec.requests;
    int64_t amount = sy_amounts_get(totals->requests, c->columns[column].resource);

    /* A pod that asks for nothing will still use something. */
    if (metric == SY_LOAD_CPU && totals->nonzero_cpu_milli > amount)
        amount = totals->nonzero_cpu_milli;
    if (metric == SY_LOAD_MEMORY && totals->nonzero_memory_bytes > amount)
        amount = totals->nonzero_memory_bytes;
    return amount > 0 ? (double)amount : 0;
}

/* A sample is the mean over its window: it misses all of a pod that came after the window and the
 * part of one that came in it. */
static double missed(const struct sy_load_held *held, sy_time_ns placed_ns)
{
    double in_window = (double)(placed_ns - (held->at_ns - held->window_ns));
    double part = in_window / (double)held->window_ns;

    return part < 0 ? 0 : part > 1 ? 1 : part;
}

static double estimate(const struct sy_cluster *c, uint32_t node, enum sy_load_metric metric)
{
    const struct sy_load_held *held = &c->load.columns[metric].held[node];
    const struct sy_load_recent *recent = &c->load.recent[node];
    uint32_t column = column_of(c, metric, node);
    double sum = 0;

    if (column == SY_NONE || c->columns[column].allocatable[node] <= 0)
        return 0;
    for (size_t i = recent->pods.len; i--;) {
        double part = missed(held, recent->pods.p[i].at_ns);
        if (part <= 0)
            break; /* and so it is of all that came before */
        sum += part * asked(c, recent->pods.p[i].pod, metric, column);
    }
    sum /= (double)c->columns[column].allocatable[node];
    return sum < 1 ? sum : 1;
}

/* Those that every sample held, or yet to come, knows. */
static void drop_old(struct sy_cluster *c, uint32_t node)
{
    struct sy_load_recent *recent = &c->load.recent[node];
    sy_time_ns oldest = c->load.now_ns;
    size_t old = 0;

    if (!recent->pods.len)
        return;
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        const struct sy_load_held *held = c->load.columns[m].held;
        if (held && held[node].window_ns && held[node].at_ns - held[node].window_ns < oldest)
            oldest = held[node].at_ns - held[node].window_ns;
    }
    /* A first sample of a metric may reach back as far as this. */
    if (c->load.now_ns - WINDOW_DEFAULT_NS < oldest)
        oldest = c->load.now_ns - WINDOW_DEFAULT_NS;
    while (old < recent->pods.len && recent->pods.p[old].at_ns < oldest)
        old++;
    if (recent->pods.len - old > RECENT_MAX)
        old = recent->pods.len - RECENT_MAX;
    if (!old)
        return;
    recent->pods.len -= old;
    memmove(recent->pods.p, recent->pods.p + old, recent->pods.len * sizeof(*recent->pods.p));
}

/* -- what is published -- */

struct published {
    float share, weight, excess;
};

static double weight_at(const struct sy_load_held *held, sy_time_ns now)
{
    double windows;

    if (!held->window_ns)
        return 0;
    windows = (double)(now - held->at_ns) / (double)held->window_ns;
    if (windows <= 1)
        return 1;
    return windows >= (double)WINDOWS_HELD ? 0 : ((double)WINDOWS_HELD - windows) / 2;
}

static double requested_share(const struct sy_cluster *c, uint32_t node, enum sy_load_metric metric)
{
    uint32_t column = metric == SY_LOAD_GPU_MEMORY ? SY_NONE : column_of(c, metric, node);

    if (column == SY_NONE || c->columns[column].allocatable[node] <= 0)
        return 0;
    return (double)c->columns[column].used[node] / (double)c->columns[column].allocatable[node];
}

static struct published work_out(const struct sy_cluster *c, uint32_t node,
                                 enum sy_load_metric metric)
{
    const struct sy_load_held *held = &c->load.columns[metric].held[node];
    double weight = weight_at(held, c->load.now_ns);

    if (weight <= 0)
        return (struct published){0};
    double share = held->measured + estimate(c, node, metric);
    double excess = share - requested_share(c, node, metric);
    return (struct published){(float)share, (float)weight,
                              (float)(excess > 0 ? weight * excess : 0)};
}

static void set(struct sy_load_column *column, uint32_t node, struct published p)
{
    column->share[node] = p.share;
    column->weight[node] = p.weight;
    column->excess[node] = p.excess;
}

/* Publishes what moved by more than a step; the ends of fading count whatever their size. */
static void publish(struct sy_cluster *c, uint32_t node, enum sy_load_metric metric)
{
    struct sy_load_column *column = &c->load.columns[metric];
    struct published now = work_out(c, node, metric);
    double share = (double)(now.share - column->share[node]);
    double weight = (double)(now.weight - column->weight[node]);
    double excess = (double)(now.excess - column->excess[node]);
    bool ends = (now.weight > 0) != (column->weight[node] > 0);

    if (!ends && fabs(share) <= STEP && fabs(excess) <= STEP && fabs(weight) <= 10 * STEP)
        return;
    set(column, node, now);
    sy_cluster_touch(c, node, c->load.is_filtered && (share < 0 || weight < 0));
}

void sy_load_follow(struct sy_cluster *c, uint32_t node)
{
    if (!c->load.recent || c->trial_depth)
        return;
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        struct sy_load_column *column = &c->load.columns[m];
        if (column->held && column->held[node].window_ns)
            set(column, node, work_out(c, node, (enum sy_load_metric)m));
    }
}

void sy_load_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign)
{
    struct sy_load_recent *recent;

    /* What a trial takes off it puts back: samples and estimates stay as they are. */
    if (!c->load.recent || c->trial_depth)
        return;
    recent = &c->load.recent[node];
    drop_old(c, node);
    if (sign > 0) {
        sy_vec_push(&recent->pods, (struct sy_load_placed){pod, c->load.now_ns});
    } else {
        for (size_t i = 0; i < recent->pods.len; i++) {
            if (recent->pods.p[i].pod != pod)
                continue;
            recent->pods.len--;
            memmove(recent->pods.p + i, recent->pods.p + i + 1,
                    (recent->pods.len - i) * sizeof(*recent->pods.p));
            break;
        }
    }
    sy_load_follow(c, node);
}

/* -- samples -- */

static void make_room(struct sy_cluster *c, struct sy_load_column *column)
{
    if (!c->load.recent)
        c->load.recent = sy_xcalloc(c->nodes_room, sizeof(*c->load.recent));
    if (column->held)
        return;
    column->held = sy_xcalloc(c->nodes_room, sizeof(*column->held));
    column->share = sy_xcalloc(c->nodes_room, sizeof(*column->share));
    column->weight = sy_xcalloc(c->nodes_room, sizeof(*column->weight));
    column->excess = sy_xcalloc(c->nodes_room, sizeof(*column->excess));
}

/* The sample's share of the whole, or why there is none. */
static enum sy_load_result judge(const struct sy_cluster *c, uint32_t node,
                                 const struct sy_load_sample *sample, double *ret_share)
{
    double share = sample->value;

    if (!isfinite(share))
        return SY_LOAD_NOT_FINITE;
    if (share < 0)
        return SY_LOAD_NEGATIVE;
    if (!sample->is_share) {
        double whole = whole_of(c, sample->metric, node);
        if (whole <= 0)
            return SY_LOAD_NO_TOTAL;
        share /= whole;
    }
    if (share > ABSURD)
        return SY_LOAD_ABSURD;
    *ret_share = share;
    return SY_LOAD_TAKEN;
}

enum sy_load_result sy_cluster_load(struct sy_cluster *c, sy_sid node_name,
                                    const struct sy_load_sample *sample, sy_time_ns now)
{
    uint32_t node = sy_cluster_node_find(c, node_name);
    int64_t window = sample->window_ns > 0 ? sample->window_ns : WINDOW_DEFAULT_NS;
    sy_time_ns at = sample->at_ns;
    double share;

    sy_cluster_load_now(c, now);
    if (node == SY_NONE || !sy_cluster_node_is_alive(c, node) ||
        (unsigned)sample->metric >= SY_LOAD_METRICS)
        return SY_LOAD_UNJOINED;
    enum sy_load_result r = judge(c, node, sample, &share);
    if (r != SY_LOAD_TAKEN)
        return r;
    window = window < WINDOW_LEAST_NS ? WINDOW_LEAST_NS : window;
    window = window > WINDOW_MOST_NS ? WINDOW_MOST_NS : window;
    if (at > now && at - now > window)
        return SY_LOAD_FUTURE;
    if (at > now)
        at = now;
    if (now - at >= WINDOWS_HELD * window)
        return SY_LOAD_STALE;

    struct sy_load_column *column = &c->load.columns[sample->metric];
    make_room(c, column);
    struct sy_load_held *held = &column->held[node];
    if (held->window_ns && at < held->at_ns)
        return SY_LOAD_STALE;
    column->samples += !held->window_ns;
    c->load.samples += !held->window_ns;
    *held = (struct sy_load_held){.measured = share, .at_ns = at, .window_ns = window};
    publish(c, node, sample->metric);
    return SY_LOAD_TAKEN;
}

void sy_cluster_load_now(struct sy_cluster *c, sy_time_ns now)
{
    if (now > c->load.now_ns)
        c->load.now_ns = now;
}

void sy_cluster_load_fade(struct sy_cluster *c, sy_time_ns now)
{
    sy_cluster_load_now(c, now);
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        struct sy_load_column *column = &c->load.columns[m];
        for (uint32_t node = 0; column->samples && node < c->nodes_len; node++) {
            struct sy_load_held *held = &column->held[node];
            if (!held->window_ns || c->load.now_ns - held->at_ns <= held->window_ns)
                continue; /* none, or fresh: nothing fades */
            publish(c, node, (enum sy_load_metric)m);
            if (column->weight[node] > 0)
                continue;
            *held = (struct sy_load_held){0};
            column->samples--;
            c->load.samples--;
        }
    }
}

bool sy_cluster_load_get(const struct sy_cluster *c, uint32_t node, enum sy_load_metric metric,
                         struct sy_load_view *ret)
{
    const struct sy_load_column *column = &c->load.columns[metric];

    if (!column->held || node >= c->nodes_len || !column->held[node].window_ns)
        return false;
    *ret = (struct sy_load_view){
        .measured = column->held[node].measured,
        .weight = (double)column->weight[node],
        .share = (double)column->share[node],
        .at_ns = column->held[node].at_ns,
    };
    return true;
}

/* -- upkeep -- */

void sy_load_forget(struct sy_cluster *c, uint32_t node)
{
    if (!c->load.recent)
        return;
    c->load.recent[node].pods.len = 0;
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        struct sy_load_column *column = &c->load.columns[m];
        if (!column->held)
            continue;
        column->samples -= column->held[node].window_ns != 0;
        c->load.samples -= column->held[node].window_ns != 0;
        column->held[node] = (struct sy_load_held){0};
        set(column, node, (struct published){0});
    }
}

void sy_load_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room)
{
#define GROW(array)                                                                                \
    do {                                                                                           \
        (array) = sy_xreallocarray((array), room, sizeof(*(array)));                               \
        memset((array) + old_room, 0, (room - old_room) * sizeof(*(array)));                       \
    } while (0)
    if (c->load.recent)
        GROW(c->load.recent);
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        struct sy_load_column *column = &c->load.columns[m];
        if (!column->held)
            continue;
        GROW(column->held);
        GROW(column->share);
        GROW(column->weight);
        GROW(column->excess);
    }
#undef GROW
}

void sy_load_done(struct sy_cluster *c)
{
    for (uint32_t node = 0; c->load.recent && node < c->nodes_room; node++)
        sy_vec_done(&c->load.recent[node].pods);
    free(c->load.recent);
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        free(c->load.columns[m].held);
        free(c->load.columns[m].share);
        free(c->load.columns[m].weight);
        free(c->load.columns[m].excess);
    }
    c->load = (struct sy_load){0};
}

static bool right_recent(const struct sy_cluster *c, uint32_t node)
{
    const struct sy_load_recent *recent = &c->load.recent[node];

    for (size_t i = 0; i < recent->pods.len; i++) {
        const struct sy_load_placed *placed = &recent->pods.p[i];
        if (placed->pod >= c->pods.len || c->pods.p[placed->pod].node != node ||
            (i && placed->at_ns < recent->pods.p[i - 1].at_ns))
            return false;
    }
    return true;
}

bool sy_load_audit(const struct sy_cluster *c)
{
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        const struct sy_load_column *column = &c->load.columns[m];
        uint32_t samples = 0;
        for (uint32_t node = 0; column->held && node < c->nodes_len; node++) {
            samples += column->held[node].window_ns != 0;
            if (!column->held[node].window_ns && column->weight[node] != 0)
                return false;
            /* Weights lag until the next fade; what was measured does not. */
            struct published p = work_out(c, node, (enum sy_load_metric)m);
            if (column->held[node].window_ns && p.weight > 0 && column->weight[node] > 0 &&
                fabs((double)(p.share - column->share[node])) > STEP + 1e-6)
                return false;
        }
        if (samples != column->samples)
            return false;
    }
    for (uint32_t node = 0; c->load.recent && node < c->nodes_len; node++) {
        if (!right_recent(c, node))
            return false;
    }
    return true;
}
