/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"

#include "base/mem.h"
#include "base/rng.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_S = 10,
    LOOK_TICKS = 3, /* the measures look at each node so often */

    SAMPLE_TICKS = 6, /* how often, and over how long, real load is measured */
    MINUTE_TICKS = 6,
    AUDIT_TICKS = 360,
    APPS = 60,
    GROUP_MAX = 20, /* pods that come at once */
    MAX_PODS = 110,
};
static const sy_time_ns TICK_NS = TICK_S * SY_NS_PER_S;
static const double NS_PER_S = 1e9;
static const double GROUP_MEAN = 3;
/* kube-controller-manager's node-monitor-grace-period and the default toleration of pods. */
static const sy_time_ns NOTICE_NS = 40 * SY_NS_PER_S;
static const sy_time_ns EVICT_NS = 300 * SY_NS_PER_S;
/* A sample is scraped and read some time after its window ended, and is not quite right. */
static const sy_time_ns SAMPLE_DELAY_NS = 15 * SY_NS_PER_S;
static const double SAMPLE_NOISE = 0.03;
static const double BURST_WINDOW_S = 300, TENANT_WINDOW_S = 1800, DAY_S = 6 * 3600;
static const int64_t MIB = 1 << 20;

/* Streams of randomness, so that drawing more of one thing leaves the others as they were. */
enum stream { STREAM_NODES = 1, STREAM_APPS, STREAM_ARRIVALS, STREAM_FAILURES, STREAM_SAMPLES };

struct app {
    struct sy_sim_room requests;
    double weight;                  /* among arrivals, cumulated */
    double cpu_ratio, memory_ratio; /* real use over request */
    double burst_chance, burst_factor;
    double life_min_s, life_mean_s; /* at full speed */
    double start_s;
    bool is_service; /* ends by the clock, however slow it runs */
};

enum pod_place { PLACE_WAITS, PLACE_STARTS, PLACE_RUNS, PLACE_LOST, PLACE_GONE };

struct world_pod {
    uint32_t app;
    uint32_t serial;        /* of the arrival: a replacement keeps it */
    uint32_t node, at_node; /* index in the node's list */
    enum pod_place place;
    sy_time_ns arrived; /* since when it is wanted, until it runs first */
    sy_time_ns lost;    /* since when it is wanted again; INT64_MIN: not lost */
    double life_s, left_s;
};

struct world_node {
    double cpu_milli, memory_bytes;
    double tenant_chance, tenant_share;
    double start_factor;
    double mean_up_s;
    bool is_up, is_noticed;
    uint32_t outage; /* serial: an event of an older one says nothing */
    struct sy_rng failures;
    SY_VEC(uint32_t) pods;
    double cpu, memory, stretch; /* as of the last tick */
    double requested_cpu_milli;
    double cpu_sum, memory_sum; /* of what could be measured, since the last sample */
    uint32_t sum_ticks;
    double cpu_read, memory_read; /* of the last full window; read_ticks 0: none */
    uint32_t read_ticks;
};

struct world {
    struct sy_world_options options;
    struct sy_sim *sim;
    struct app apps[APPS];
    SY_VEC(struct world_node) nodes;
    SY_VEC(struct world_pod) pods; /* by the engine's number */
    SY_VEC(struct sy_gauge_node) looked;
    struct sy_rng arrivals, samples;
    double groups_per_s;
    uint32_t arrived;
    uint64_t ticks;
    sy_time_ns end;
    struct sy_gauge gauge;
    int status;
    struct sy_err *err;
};

static const struct sy_scenario SCENARIOS[] = {
    {"balance", "uneven nodes, noisy neighbours, slow and flaky nodes", .load = 0.6, .noisy = 0.2,
     .tenants = 0.2, .slow = 0.12, .flaky = 0.1, .are_uneven = true},
    {"even", "equal nodes, pods that use what they request or less", .load = 0.6},
    {"uneven", "uneven nodes alone", .load = 0.6, .are_uneven = true},
    {"noisy", "noisy pods and tenants on equal nodes", .load = 0.6, .noisy = 0.2, .tenants = 0.2},
    {"slow", "nodes that start pods slowly", .load = 0.6, .slow = 0.12},
    {"flaky", "nodes that fail", .load = 0.6, .flaky = 0.1},
};

const struct sy_scenario *sy_scenario_at(uint32_t i)
{
    return i < SY_ARRAY_LEN(SCENARIOS) ? &SCENARIOS[i] : NULL;
}

const struct sy_scenario *sy_scenario_find(const char *name)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(SCENARIOS); i++) {
        if (strcmp(SCENARIOS[i].name, name) == 0)
            return &SCENARIOS[i];
    }
    return NULL;
}

/* -- chance -- */

static double between(struct sy_rng *r, double from, double to)
{
    return from + (to - from) * sy_rng_unit(r);
}

static double exponential(struct sy_rng *r, double mean)
{
    return -mean * log1p(-sy_rng_unit(r));
}

static void seed_stream(struct sy_rng *r, uint64_t seed, enum stream stream, uint64_t n)
{
    sy_rng_seed(r, sy_hash_u64(sy_hash_u64(seed) ^ (uint64_t)stream << 32 ^ n));
}

/* What does not depend on when, or whether, it is asked: in [0,1). */
static double chance(const struct world *w, uint64_t kind, uint64_t who, double when)
{
    uint64_t h = sy_hash_u64(sy_hash_u64(w->options.seed ^ kind << 56) ^ who);

    return (double)(sy_hash_u64(h ^ (uint64_t)when) >> 11) * 0x1.0p-53;
}

/* -- the cluster and its workloads -- */

static void make_node(struct world *w, uint32_t i)
{
    static const double CORES[] = {8, 8, 8, 16, 16, 16, 16, 32, 32, 64};
    static const double GIB_PER_CORE[] = {2, 4, 4, 4, 8};
    const struct sy_scenario *scenario = &w->options.scenario;
    struct world_node n = {.is_up = true, .stretch = 1, .start_factor = 1};
    struct sy_rng r;

    seed_stream(&r, w->options.seed, STREAM_NODES, i);
    double cores = CORES[sy_rng_below(&r, SY_ARRAY_LEN(CORES))];
    double gib = GIB_PER_CORE[sy_rng_below(&r, SY_ARRAY_LEN(GIB_PER_CORE))];
    if (!scenario->are_uneven) {
        cores = 16;
        gib = 4;
    }
    n.cpu_milli = cores * 1000;
    n.memory_bytes = cores * gib * 1024 * (double)MIB;
    double tenant_chance = between(&r, 0.3, 0.8), tenant_share = between(&r, 0.15, 0.45);
    if (sy_rng_unit(&r) < scenario->tenants) {
        n.tenant_chance = tenant_chance;
        n.tenant_share = tenant_share;
    }
    double factor = between(&r, 3, 8);
    if (sy_rng_unit(&r) < scenario->slow)
        n.start_factor = factor;
    double flaky_s = between(&r, 3, 10) * 3600;
    n.mean_up_s = sy_rng_unit(&r) < scenario->flaky ? flaky_s : 90 * 86400.0;
    seed_stream(&n.failures, w->options.seed, STREAM_FAILURES, i);
    sy_vec_push(&w->nodes, n);
    sy_sim_node_add(w->sim,
                    (struct sy_sim_room){.cpu_milli = (int64_t)n.cpu_milli,
                                         .memory_bytes = (int64_t)n.memory_bytes},
                    MAX_PODS);
}

static void make_app(struct app *a, struct sy_rng *r, double noisy)
{
    static const int64_t CPU_MILLI[] = {250, 250, 250, 500, 500, 500, 1000, 1000, 2000, 4000};
    double gib_per_core = between(r, 1, 5);

    *a = (struct app){0};
    a->requests.cpu_milli = CPU_MILLI[sy_rng_below(r, SY_ARRAY_LEN(CPU_MILLI))];
    a->requests.memory_bytes =
        (int64_t)((double)a->requests.cpu_milli * gib_per_core * 1.024) * MIB;
    a->is_service = sy_rng_unit(r) < 0.4;
    a->life_min_s = 60;
    a->life_mean_s = 60 * (a->is_service ? between(r, 30, 120) : between(r, 5, 40));
    a->start_s = between(r, 1, 6);
    a->burst_chance = between(r, 0.05, 0.25);
    a->burst_factor = between(r, 1.3, 2.2);
    a->cpu_ratio = between(r, 0.3, 0.85);
    a->memory_ratio = between(r, 0.5, 0.95);
    double cpu_ratio = between(r, 1.3, 2.4), memory_ratio = between(r, 0.9, 1.3);
    if (sy_rng_unit(r) < noisy) {
        a->cpu_ratio = cpu_ratio;
        a->memory_ratio = memory_ratio;
    }
    a->weight = exponential(r, 1);
}

/* So many groups of pods arrive that, were each to run at full speed at once, the requests of those
 * that run would be `load` of all cpu. */
static void make_apps(struct world *w)
{
    double cpu_milli = 0, weights = 0, held = 0;
    struct sy_rng r;

    seed_stream(&r, w->options.seed, STREAM_APPS, 0);
    for (uint32_t i = 0; i < APPS; i++) {
        struct app *a = &w->apps[i];
        make_app(a, &r, w->options.scenario.noisy);
        held += a->weight * (double)a->requests.cpu_milli * (a->life_min_s + a->life_mean_s);
        weights += a->weight;
        a->weight = weights;
    }
    for (size_t i = 0; i < w->nodes.len; i++)
        cpu_milli += w->nodes.p[i].cpu_milli;
    w->groups_per_s = w->options.scenario.load * cpu_milli / (held / weights) / GROUP_MEAN;
}

/* -- pods -- */

static void leave_node(struct world *w, uint32_t pod)
{
    struct world_pod *p = &w->pods.p[pod];

    if (p->node == SY_NONE)
        return;
    struct world_node *n = &w->nodes.p[p->node];
    sy_vec_swap_remove(&n->pods, p->at_node);
    if (p->at_node < n->pods.len)
        w->pods.p[n->pods.p[p->at_node]].at_node = p->at_node;
    n->requested_cpu_milli -= (double)w->apps[p->app].requests.cpu_milli;
    p->node = SY_NONE;
}

static void add_pod(struct world *w, struct world_pod p)
{
    p.place = PLACE_WAITS;
    p.node = SY_NONE;
    p.left_s = p.life_s;
    sy_vec_push(&w->pods, p);
    sy_sim_pod_add(w->sim, (struct sy_sim_ask){.requests = w->apps[p.app].requests});
}

/* The pod is deleted, and its controller makes another. */
static void replace_pod(struct world *w, uint32_t pod)
{
    struct world_pod p = w->pods.p[pod];

    leave_node(w, pod);
    w->pods.p[pod].place = PLACE_GONE;
    sy_sim_pod_delete(w->sim, pod);
    add_pod(w, p);
}

static void arrive(void *arg, uint32_t a SY_UNUSED, uint32_t b SY_UNUSED)
{
    struct world *w = arg;
    struct sy_rng *r = &w->arrivals;
    sy_time_ns now = sy_sim_now(w->sim);
    uint32_t i = 0, len = 1;

    double pick = sy_rng_unit(r) * w->apps[APPS - 1].weight;
    while (i + 1 < APPS && w->apps[i].weight < pick)
        i++;
    while (len < GROUP_MAX && sy_rng_unit(r) < 1 - 1 / GROUP_MEAN)
        len++;
    const struct app *app = &w->apps[i];
    while (len--)
        add_pod(w, (struct world_pod){
                       .app = i,
                       .serial = w->arrived++,
                       .arrived = now,
                       .lost = INT64_MIN,
                       .life_s = app->life_min_s + exponential(r, app->life_mean_s),
                   });
    double tide = 1 + 0.2 * sin(2 * M_PI * (double)now / NS_PER_S / DAY_S);
    sy_time_ns next = now + (sy_time_ns)(exponential(r, 1 / (w->groups_per_s * tide)) * NS_PER_S);
    if (next < w->end)
        sy_sim_at(w->sim, next, arrive, w, 0, 0);
}

static void start(void *arg, uint32_t pod, uint32_t outage)
{
    struct world *w = arg;
    struct world_pod *p = &w->pods.p[pod];

    if (p->place != PLACE_STARTS || !w->nodes.p[p->node].is_up ||
        w->nodes.p[p->node].outage != outage)
        return;
    sy_time_ns now = sy_sim_now(w->sim);
    p->place = PLACE_RUNS;
    if (p->lost == INT64_MIN)
        sy_gauge_wait(&w->gauge, p->arrived, now);
    else
        sy_gauge_recovery(&w->gauge, p->lost, now);
    sy_sim_pod_running(w->sim, pod);
}

static void begin_start(struct world *w, uint32_t pod)
{
    struct world_pod *p = &w->pods.p[pod];
    const struct world_node *n = &w->nodes.p[p->node];

    p->place = PLACE_STARTS;
    if (!n->is_up)
        return;
    double seconds = w->apps[p->app].start_s * n->start_factor * n->stretch *
                     (0.8 + 0.4 * chance(w, 1, p->serial, 0));
    sy_sim_at(w->sim, sy_sim_now(w->sim) + (sy_time_ns)(seconds * NS_PER_S), start, w, pod,
              n->outage);
}

static void bound(void *arg, uint32_t pod, uint32_t node)
{
    struct world *w = arg;
    struct world_node *n = &w->nodes.p[node];
    struct world_pod *p = &w->pods.p[pod];

    p->node = node;
    p->at_node = (uint32_t)n->pods.len;
    sy_vec_push(&n->pods, pod);
    n->requested_cpu_milli += (double)w->apps[p->app].requests.cpu_milli;
    begin_start(w, pod);
}

/* -- failures -- */

static void fail(void *arg, uint32_t node, uint32_t outage);

static void schedule_failure(struct world *w, uint32_t node)
{
    struct world_node *n = &w->nodes.p[node];
    double up_s = exponential(&n->failures, n->mean_up_s);

    sy_sim_at(w->sim, sy_sim_now(w->sim) + (sy_time_ns)(up_s * NS_PER_S), fail, w, node, n->outage);
}

static bool is_over(const struct world *w, uint32_t node, uint32_t outage)
{
    return w->nodes.p[node].is_up || w->nodes.p[node].outage != outage;
}

static void notice(void *arg, uint32_t node, uint32_t outage)
{
    struct world *w = arg;

    if (is_over(w, node, outage))
        return;
    w->nodes.p[node].is_noticed = true;
    sy_sim_node_ready(w->sim, node, false);
}

static void evict(void *arg, uint32_t node, uint32_t outage)
{
    struct world *w = arg;
    struct world_node *n = &w->nodes.p[node];

    if (is_over(w, node, outage))
        return;
    while (n->pods.len)
        replace_pod(w, n->pods.p[n->pods.len - 1]);
}

/* The machine is up again: what is still bound to it starts from the beginning. */
static void come_back(void *arg, uint32_t node, uint32_t outage SY_UNUSED)
{
    struct world *w = arg;
    struct world_node *n = &w->nodes.p[node];

    n->is_up = true;
    n->stretch = 1;
    n->cpu_sum = n->memory_sum = 0;
    n->sum_ticks = 0;
    for (size_t i = 0; i < n->pods.len; i++)
        begin_start(w, n->pods.p[i]);
    if (n->is_noticed)
        sy_sim_node_ready(w->sim, node, true);
    n->is_noticed = false;
    schedule_failure(w, node);
}

static void fail(void *arg, uint32_t node, uint32_t outage SY_UNUSED)
{
    struct world *w = arg;
    struct world_node *n = &w->nodes.p[node];
    sy_time_ns now = sy_sim_now(w->sim);

    n->is_up = false;
    n->outage++;
    for (size_t i = 0; i < n->pods.len; i++) {
        struct world_pod *p = &w->pods.p[n->pods.p[i]];
        if (p->place == PLACE_RUNS) {
            p->lost = now;
            sy_gauge_hit(&w->gauge, now);
        }
        p->place = PLACE_LOST;
        p->left_s = p->life_s;
    }
    double down_s = between(&n->failures, 180, 1200);
    sy_sim_at(w->sim, now + NOTICE_NS, notice, w, node, n->outage);
    sy_sim_at(w->sim, now + NOTICE_NS + EVICT_NS, evict, w, node, n->outage);
    sy_sim_at(w->sim, now + (sy_time_ns)(down_s * NS_PER_S), come_back, w, node, n->outage);
}

/* -- what goes on -- */

static double burst(const struct world *w, const struct world_pod *p, double now_s)
{
    const struct app *a = &w->apps[p->app];

    return chance(w, 2, p->serial, floor(now_s / BURST_WINDOW_S)) < a->burst_chance
               ? a->burst_factor
               : 1;
}

static void measure_use(struct world *w, uint32_t node, double now_s)
{
    struct world_node *n = &w->nodes.p[node];
    double cpu_milli = 0, memory_bytes = 0;

    for (size_t i = 0; i < n->pods.len; i++) {
        const struct world_pod *p = &w->pods.p[n->pods.p[i]];
        const struct app *a = &w->apps[p->app];
        if (p->place != PLACE_RUNS)
            continue;
        cpu_milli += (double)a->requests.cpu_milli * a->cpu_ratio * burst(w, p, now_s);
        memory_bytes += (double)a->requests.memory_bytes * a->memory_ratio;
    }
    n->cpu = cpu_milli / n->cpu_milli;
    n->memory = memory_bytes / n->memory_bytes;
    if (n->tenant_chance > 0 &&
        chance(w, 3, node, floor(now_s / TENANT_WINDOW_S)) < n->tenant_chance)
        n->cpu += n->tenant_share;
    n->stretch = fmax(1, fmax(n->cpu, n->memory));
    n->cpu_sum += fmin(1, n->cpu); /* no meter shows what is wanted beyond what is there */
    n->memory_sum += fmin(1, n->memory);
    n->sum_ticks++;
}

static void do_work(struct world *w, uint32_t node)
{
    struct world_node *n = &w->nodes.p[node];

    for (size_t i = 0; i < n->pods.len;) {
        uint32_t pod = n->pods.p[i];
        struct world_pod *p = &w->pods.p[pod];
        if (p->place == PLACE_RUNS)
            p->left_s -= w->apps[p->app].is_service ? TICK_S : TICK_S / n->stretch;
        if (p->place != PLACE_RUNS || p->left_s > 0) {
            i++;
            continue;
        }
        leave_node(w, pod);
        p->place = PLACE_GONE;
        sy_gauge_completed(&w->gauge, sy_sim_now(w->sim));
        sy_sim_pod_delete(w->sim, pod);
    }
}

static void look(struct world *w, sy_time_ns now)
{
    w->looked.len = 0;
    for (size_t i = 0; i < w->nodes.len; i++) {
        const struct world_node *n = &w->nodes.p[i];
        if (n->is_up)
            sy_vec_push(&w->looked, (struct sy_gauge_node){
                                        .cpu = n->cpu,
                                        .memory = n->memory,
                                        .requested_cpu_milli = n->requested_cpu_milli,
                                        .cpu_milli = n->cpu_milli,
                                        .running = (uint32_t)n->pods.len,
                                    });
    }
    sy_gauge_look(&w->gauge, w->looked.p, (uint32_t)w->looked.len, LOOK_TICKS * TICK_NS, now);
}

static void sample(struct world *w, uint32_t node, enum sy_load_metric metric, double share,
                   sy_time_ns window_ns)
{
    double noise = between(&w->samples, 1 - SAMPLE_NOISE, 1 + SAMPLE_NOISE);

    sy_sim_node_load(w->sim, node,
                     (struct sy_load_sample){.metric = metric,
                                             .value = share * noise,
                                             .is_share = true,
                                             .at_ns = sy_sim_now(w->sim) - SAMPLE_DELAY_NS,
                                             .window_ns = window_ns});
}

/* What the sources of measured load have read of the windows that ended a while ago. */
static void deliver_samples(void *arg, uint32_t a SY_UNUSED, uint32_t b SY_UNUSED)
{
    struct world *w = arg;

    for (uint32_t i = 0; i < w->nodes.len; i++) {
        struct world_node *n = &w->nodes.p[i];
        if (!n->read_ticks)
            continue;
        sample(w, i, SY_LOAD_CPU, n->cpu_read, n->read_ticks * TICK_NS);
        sample(w, i, SY_LOAD_MEMORY, n->memory_read, n->read_ticks * TICK_NS);
    }
}

static void end_windows(struct world *w)
{
    for (size_t i = 0; i < w->nodes.len; i++) {
        struct world_node *n = &w->nodes.p[i];
        n->read_ticks = n->is_up ? n->sum_ticks : 0;
        if (n->read_ticks) {
            n->cpu_read = n->cpu_sum / n->read_ticks;
            n->memory_read = n->memory_sum / n->read_ticks;
        }
        n->cpu_sum = n->memory_sum = 0;
        n->sum_ticks = 0;
    }
    sy_sim_at(w->sim, sy_sim_now(w->sim) + SAMPLE_DELAY_NS, deliver_samples, w, 0, 0);
}

static void stop(struct world *w, int status)
{
    if (!w->status)
        w->status = status;
}

static void audit(struct world *w)
{
    char text[256];
    const char *wrong = sy_sim_audit(w->sim, text, sizeof(text));

    if (wrong)
        stop(w, sy_err_set(w->err, -EPROTO, "seed %llu, after %lld s: %s",
                           (unsigned long long)w->options.seed,
                           (long long)(sy_sim_now(w->sim) / SY_NS_PER_S), wrong));
}

static void tick(void *arg, uint32_t a SY_UNUSED, uint32_t b SY_UNUSED)
{
    struct world *w = arg;
    sy_time_ns now = sy_sim_now(w->sim);

    w->ticks++;
    for (uint32_t i = 0; i < w->nodes.len; i++) {
        if (!w->nodes.p[i].is_up)
            continue;
        measure_use(w, i, (double)now / NS_PER_S);
        do_work(w, i);
    }
    if (w->ticks % LOOK_TICKS == 0)
        look(w, now);
    if (w->options.is_measured && w->ticks % SAMPLE_TICKS == 0)
        end_windows(w);
    if (w->ticks % AUDIT_TICKS == 0)
        audit(w);
    if (w->options.progress && w->ticks % MINUTE_TICKS == 0 &&
        w->options.progress(w->options.arg, (double)now / (double)w->end))
        stop(w, sy_err_set(w->err, -ECANCELED, "stopped"));
    if (now + TICK_NS <= w->end && !w->status)
        sy_sim_at(w->sim, now + TICK_NS, tick, w, 0, 0);
}

static int check_options(const struct sy_world_options *o, struct sy_err *err)
{
    if (!o->nodes || o->nodes > SY_WORLD_NODES_MAX)
        return sy_err_set(err, -EINVAL, "%u nodes: give 1 to %d", o->nodes, SY_WORLD_NODES_MAX);
    if (!(o->hours > 0 && o->hours <= 10000) || !(o->warmup_hours >= 0 && o->warmup_hours <= 10000))
        return sy_err_set(err, -EINVAL, "hours: give more than 0 and at most 10000");
    if (!(o->scenario.load > 0 && o->scenario.load <= 10))
        return sy_err_set(err, -EINVAL, "load: give more than 0 and at most 10");
    return 0;
}

static void run(struct world *w)
{
    for (uint32_t i = 0; i < w->options.nodes; i++)
        make_node(w, i);
    make_apps(w);
    for (uint32_t i = 0; i < w->options.nodes; i++)
        schedule_failure(w, i);
    seed_stream(&w->arrivals, w->options.seed, STREAM_ARRIVALS, 0);
    seed_stream(&w->samples, w->options.seed, STREAM_SAMPLES, 0);
    sy_sim_at(w->sim, 0, arrive, w, 0, 0);
    sy_sim_at(w->sim, TICK_NS, tick, w, 0, 0);
    for (sy_time_ns at = 0; at < w->end && !w->status; at += 60 * SY_NS_PER_S)
        sy_sim_run(w->sim, at + 60 * SY_NS_PER_S < w->end ? at + 60 * SY_NS_PER_S : w->end);
    if (!w->status)
        audit(w);
    /* Those that never ran have waited at least so long. */
    for (size_t i = 0; i < w->pods.len; i++) {
        const struct world_pod *p = &w->pods.p[i];
        if (p->place != PLACE_RUNS && p->place != PLACE_GONE && p->lost == INT64_MIN)
            sy_gauge_wait(&w->gauge, p->arrived, w->end);
    }
}

int sy_world_run(const struct sy_world_options *options, struct sy_figures *ret, struct sy_err *err)
{
    int r = check_options(options, err);
    if (r < 0)
        return r;
    struct world *w = sy_xcalloc(1, sizeof(*w));
    w->options = *options;
    w->err = err;
    w->end = (sy_time_ns)((options->hours + options->warmup_hours) * 3600 * NS_PER_S);
    w->gauge.from = (sy_time_ns)(options->warmup_hours * 3600 * NS_PER_S);
    w->sim = sy_sim_new(&(struct sy_sim_options){
        .profile = options->profile, .exact = options->exact, .bound = bound, .arg = w});
    run(w);
    struct sy_figures figures = sy_gauge_finish(&w->gauge);
    figures.binds = sy_sched_stats(sy_sim_sched(w->sim))->binds_ok;
    r = w->status;
    if (r < 0)
        sy_figures_done(&figures);
    else
        *ret = figures;
    sy_sim_free(w->sim);
    for (size_t i = 0; i < w->nodes.len; i++)
        sy_vec_done(&w->nodes.p[i].pods);
    sy_vec_done(&w->nodes);
    sy_vec_done(&w->pods);
    sy_vec_done(&w->looked);
    free(w);
    return r;
}
