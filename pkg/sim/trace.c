/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sched/sched.h"
#include "sim/sim.h"

enum { MAX_PODS = 1001, MEBI = 1 << 20, NAME_MAX_BYTES = 24, PROGRESS_STEP = 64 };
static const uint64_t HASH_KEY[2] = {0x747261, 0x6365}; /* fixed: runs repeat */
static const sy_time_ns EPOCH_NS = 1000 * SY_NS_PER_S;
static const char MODEL_LABEL[] = "nvidia.com/gpu.product";

const uint32_t sy_trace_points[SY_TRACE_POINTS] = {50, 80, 90, 95, 100, 110, 120, 130};

/* What a node gives, by the simulator's own count. */
struct node {
    const struct sy_openb_node *is;
    int64_t cpu_milli, memory_mib; /* free */
    int32_t free_milli[SY_OPENB_GPUS_MAX];
};

/* A pod that runs. */
struct pod {
    uint32_t is;   /* index in the list */
    uint32_t node; /* index; SY_NONE: not placed */
    uint64_t devices;
    double ends_s;
};

struct run {
    const struct sy_trace_options *o;
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_sched *sched;
    sy_sid ns, scheduler_name, model_key;
    sy_sid models[SY_OPENB_MODELS_MAX];
    sy_time_ns now;
    SY_VEC(struct node) nodes; /* in the core's order */
    SY_VEC(uint32_t) node_of_id;
    SY_VEC(struct pod) pods; /* by number of arrival */
    SY_VEC(uint32_t) ends;   /* a heap of those that end, earliest first */
    int64_t capacity_milli, used_milli, arrived_milli, refused_milli;
    double sums[SY_TRACE_PERCENT_MAX + 1];
    uint32_t counts[SY_TRACE_PERCENT_MAX + 1];
    /* What the core has just decided. */
    bool has_bind;
    uint64_t ticket, devices;
    uint32_t node;
    const char *broken; /* what the core did wrong */
    struct sy_trace_result result;
};

/* -- what the core is told -- */

static const struct sy_openb_pod *list_pod(const struct run *r, uint32_t pod)
{
    return &r->o->trace->pods.p[r->pods.p[pod].is];
}

/* Room that a pod's description takes. */
struct described {
    char uid[NAME_MAX_BYTES];
    struct sy_amount asked[3];
    sy_sid models[SY_OPENB_MODELS_MAX];
    struct sy_requirement requirement;
    struct sy_node_term term;
};

static struct sy_pod_spec describe_spec(const struct run *r, const struct sy_openb_pod *p,
                                        struct described *d)
{
    uint32_t len = 0, models = 0;
    struct sy_pod_spec spec = {.scheduler_name = r->scheduler_name};

    d->asked[len++] = (struct sy_amount){r->names.cpu, p->cpu_milli};
    d->asked[len++] = (struct sy_amount){r->names.memory, p->memory_mib * MEBI};
    if (p->gpus && p->gpu_milli == SY_GPU_WHOLE_MILLI)
        d->asked[len++] = (struct sy_amount){r->names.nvidia_gpu, p->gpus};
    spec.requests = (struct sy_pod_request_totals){
        .requests = {d->asked, sy_amounts_sort(d->asked, len)},
        .nonzero_cpu_milli = p->cpu_milli,
        .nonzero_memory_bytes = p->memory_mib * MEBI,
    };
    spec.gpu = (struct sy_gpu_request){.count = (uint16_t)p->gpus, .milli = (uint16_t)p->gpu_milli};
    for (uint32_t i = 0; i < r->o->trace->models_len; i++) {
        if (p->models >> i & 1)
            d->models[models++] = r->models[i];
    }
    if (models) {
        d->requirement =
            (struct sy_requirement){.key = r->model_key, .op = SY_OP_IN, .values = d->models};
        d->requirement.values_len = sy_sids_sort(d->models, models);
        d->term = (struct sy_node_term){.exprs = &d->requirement, .exprs_len = 1};
        spec.required_nodes =
            (struct sy_node_selector){.terms = &d->term, .len = 1, .is_set = true};
    }
    return spec;
}

static void tell_pod(struct run *r, uint32_t pod)
{
    const struct pod *p = &r->pods.p[pod];
    bool is_placed = p->node != SY_NONE;
    struct described d;

    snprintf(d.uid, sizeof(d.uid), "p%u", pod);
    struct sy_pod object = {
        .uid = sy_str_from(d.uid),
        .name = sy_str_from(d.uid),
        .ns = r->ns,
        .node =
            is_placed ? sy_strings_find(r->strings, sy_str_from(r->nodes.p[p->node].is->name)) : 0,
        .created_wall_ns = r->now,
        .phase = is_placed ? SY_PHASE_RUNNING : SY_PHASE_PENDING,
        .gpu_devices = p->devices,
        .spec = describe_spec(r, list_pod(r, pod), &d),
    };
    if (sy_sched_pod(r->sched, &object, r->now) < 0)
        r->broken = "a pod was refused";
}

static void tell_deleted(struct run *r, uint32_t pod)
{
    char uid[NAME_MAX_BYTES];

    snprintf(uid, sizeof(uid), "p%u", pod);
    sy_sched_pod_deleted(r->sched, sy_str_from(uid), r->now);
}

static void tell_node(struct run *r, uint32_t node)
{
    const struct sy_openb_node *n = r->nodes.p[node].is;
    sy_sid id = sy_strings_addz(r->strings, n->name);
    struct sy_amount room[4] = {
        {r->names.cpu, n->cpu_milli},
        {r->names.memory, n->memory_mib * MEBI},
        {r->names.pods, MAX_PODS},
        {r->names.nvidia_gpu, n->gpus},
    };
    struct sy_label label = {r->model_key, n->gpus ? r->models[n->model] : 0};
    struct sy_node object = {
        .uid = sy_str_from(n->name),
        .name = id,
        .labels = {&label, n->gpus != 0},
        .allocatable = {room, sy_amounts_sort(room, n->gpus ? 4 : 3)},
        .ready = SY_CONDITION_TRUE,
    };

    object.capacity = object.allocatable;
    while (r->node_of_id.len <= id)
        sy_vec_push(&r->node_of_id, SY_NONE);
    r->node_of_id.p[id] = node;
    if (sy_sched_node(r->sched, &object, r->now) < 0)
        r->broken = "a node was refused";
}

static void decide(void *arg, const struct sy_decision *d)
{
    struct run *r = arg;

    if (d->kind != SY_DECIDE_BIND)
        return;
    r->has_bind = true;
    r->ticket = d->ticket;
    r->node = r->node_of_id.p[sy_strings_find(r->strings, sy_str_from(d->node))];
    r->devices = d->gpu_devices ? sy_gpu_devices_parse(sy_str_from(d->gpu_devices)) : 0;
}

/* -- the ledger -- */

/* Takes (sign 1) or gives back what the pod has; false when that is more than there is. */
static bool charge(struct run *r, const struct pod *pod, int sign)
{
    const struct sy_openb_pod *p = &r->o->trace->pods.p[pod->is];
    struct node *n = &r->nodes.p[pod->node];
    uint32_t devices = 0;
    bool ok;

    n->cpu_milli -= sign * p->cpu_milli;
    n->memory_mib -= sign * p->memory_mib;
    r->used_milli += sign * sy_openb_pod_milli(p);
    ok = n->cpu_milli >= 0 && n->memory_mib >= 0;
    for (uint32_t i = 0; i < n->is->gpus; i++) {
        if (!(pod->devices >> i & 1))
            continue;
        devices++;
        n->free_milli[i] -= sign * (int32_t)p->gpu_milli;
        ok = ok && n->free_milli[i] >= 0;
    }
    return ok && devices == p->gpus;
}

/* The part of the idle milli-GPUs that a pod of the list, drawn at random, can not use where they
 * are (FGD's measure), in percent. */
static float fragmentation(const struct run *r)
{
    double idle = 0, lost = 0;

    for (size_t i = 0; i < r->nodes.len; i++) {
        for (uint32_t g = 0; g < r->nodes.p[i].is->gpus; g++)
            idle += r->nodes.p[i].free_milli[g];
    }
    /* Each kind of pod once would do; a sample of the list is as good and simpler. */
    size_t step = r->o->trace->pods.len / 512 + 1, samples = 0;
    for (size_t k = 0; k < r->o->trace->pods.len; k += step, samples++) {
        const struct sy_openb_pod *p = &r->o->trace->pods.p[k];
        for (size_t i = 0; i < r->nodes.len; i++) {
            const struct node *n = &r->nodes.p[i];
            double all = 0, low = 0;
            uint32_t fitting = 0;
            for (uint32_t g = 0; g < n->is->gpus; g++) {
                bool fits = n->free_milli[g] >= (int32_t)p->gpu_milli;
                fitting += fits;
                all += n->free_milli[g];
                low += fits ? 0 : n->free_milli[g];
            }
            bool is_use = p->gpus && fitting >= p->gpus && n->cpu_milli >= p->cpu_milli &&
                          (!p->models || p->models >> n->is->model & 1);
            lost += is_use ? low : all;
        }
    }
    return idle > 0 && samples ? (float)(100 * lost / ((double)samples * idle)) : 0;
}

/* -- pods come and go -- */

static void arrive(struct run *r, uint32_t of_list, double ends_s)
{
    uint32_t pod = (uint32_t)r->pods.len;
    int64_t milli = sy_openb_pod_milli(&r->o->trace->pods.p[of_list]);

    sy_vec_push(&r->pods, (struct pod){.is = of_list, .node = SY_NONE, .ends_s = ends_s});
    struct pod *p = &r->pods.p[pod];
    r->now += SY_NS_PER_MS;
    r->has_bind = false;
    tell_pod(r, pod);
    sy_sched_run(r->sched, true, 0, r->now);
    r->arrived_milli += milli;
    if (!r->has_bind) {
        r->refused_milli += milli;
        tell_deleted(r, pod);
        return;
    }
    p->node = r->node;
    p->devices = r->devices;
    r->result.placed++;
    if (!charge(r, p, 1))
        r->broken = "a node or a device was given more than it has";
    sy_sched_bind_result(r->sched, r->ticket, SY_BIND_RESULT_OK, NULL, r->now);
    tell_pod(r, pod);
}

static void depart(struct run *r, uint32_t pod)
{
    charge(r, &r->pods.p[pod], -1);
    r->now += SY_NS_PER_MS;
    tell_deleted(r, pod);
}

static bool note_progress(const struct run *r, size_t done, size_t all)
{
    return done % PROGRESS_STEP == 0 && r->o->progress &&
           r->o->progress(r->o->arg, (double)done / (double)all);
}

/* -- arrivals alone -- */

static void shuffle(struct sy_rng *rng, uint32_t *p, size_t len)
{
    for (size_t i = len; i > 1; i--) {
        size_t j = (size_t)sy_rng_below(rng, i);
        uint32_t swapped = p[i - 1];
        p[i - 1] = p[j];
        p[j] = swapped;
    }
}

void sy_trace_order(const struct sy_openb *pods, int64_t capacity_milli, double tune, uint64_t seed,
                    struct sy_trace_order *ret)
{
    double target = tune * (double)capacity_milli, asked = 0;
    size_t len = pods->pods.len;
    struct sy_rng rng;

    sy_rng_seed(&rng, seed);
    *ret = (struct sy_trace_order){0};
    for (size_t i = 0; i < len; i++) {
        sy_vec_push(&ret->pods, (uint32_t)i);
        asked += (double)sy_openb_pod_milli(&pods->pods.p[i]);
    }
    shuffle(&rng, ret->pods.p, len);
    while (asked > target && ret->pods.len) {
        size_t i = (size_t)sy_rng_below(&rng, ret->pods.len);
        asked -= (double)sy_openb_pod_milli(&pods->pods.p[ret->pods.p[i]]);
        ret->pods.len--;
        memmove(ret->pods.p + i, ret->pods.p + i + 1, (ret->pods.len - i) * sizeof(*ret->pods.p));
    }
    while (asked > 0 && asked < target && ret->pods.len < SY_OPENB_PODS_MAX) {
        uint32_t pod = (uint32_t)sy_rng_below(&rng, len);
        /* As published: what one of its GPUs asks for, not all. */
        if (asked + pods->pods.p[pod].gpu_milli > target)
            break;
        sy_vec_push(&ret->pods, pod);
        asked += (double)sy_openb_pod_milli(&pods->pods.p[pod]);
    }
}

static void note_point(struct run *r)
{
    double x = round(100.0 * (double)r->arrived_milli / (double)r->capacity_milli);

    if (x > SY_TRACE_PERCENT_MAX)
        return;
    r->sums[(uint32_t)x] += 100.0 * (double)r->used_milli / (double)r->capacity_milli;
    r->counts[(uint32_t)x]++;
}

static int play(struct run *r, struct sy_err *err)
{
    struct sy_trace_order order;
    int status = 0;

    sy_trace_order(r->o->trace, r->capacity_milli, r->o->tune, r->o->seed, &order);
    for (size_t i = 0; i < order.pods.len && !r->broken && status == 0; i++) {
        arrive(r, order.pods.p[i], 0);
        note_point(r);
        if (note_progress(r, i, order.pods.len))
            status = sy_err_set(err, -ECANCELED, "stopped");
    }
    sy_vec_done(&order.pods);
    for (uint32_t x = 0; x <= SY_TRACE_PERCENT_MAX; x++)
        r->result.allocated[x] = r->counts[x] ? (float)(r->sums[x] / r->counts[x]) : -1;
    return status;
}

/* -- arrivals and departures -- */

static bool ends_before(const struct run *r, uint32_t a, uint32_t b)
{
    return r->pods.p[a].ends_s < r->pods.p[b].ends_s;
}

static void push_end(struct run *r, uint32_t pod)
{
    sy_vec_push(&r->ends, pod);
    size_t i = r->ends.len - 1;
    for (; i && ends_before(r, pod, r->ends.p[(i - 1) / 2]); i = (i - 1) / 2)
        r->ends.p[i] = r->ends.p[(i - 1) / 2];
    r->ends.p[i] = pod;
}

static uint32_t pop_end(struct run *r)
{
    uint32_t first = r->ends.p[0], last = r->ends.p[--r->ends.len];
    size_t i = 0, len = r->ends.len;

    for (size_t child; (child = 2 * i + 1) < len; i = child) {
        child += child + 1 < len && ends_before(r, r->ends.p[child + 1], r->ends.p[child]);
        if (!ends_before(r, r->ends.p[child], last))
            break;
        r->ends.p[i] = r->ends.p[child];
    }
    if (len)
        r->ends.p[i] = last;
    return first;
}

static void arrive_and_end(struct run *r, uint32_t of_list, double ends_s)
{
    arrive(r, of_list, ends_s);
    uint32_t pod = (uint32_t)r->pods.len - 1;
    if (r->pods.p[pod].node != SY_NONE)
        push_end(r, pod);
}

/* Starts where a queue of this load without limits would be on average, so that no warm-up as long
 * as the longest pods is needed: as many pods as then run, drawn by how long they last, with an
 * even part of that left. */
static int play_departures(struct run *r, struct sy_err *err)
{
    const struct sy_openb *list = r->o->trace;
    SY_VEC(double) lasts = {0}; /* running sum, over those with times */
    SY_VEC(uint32_t) which = {0};
    double sum_s = 0, sum_milli_s = 0, area = 0, from_s = 0, now_s = 0;
    struct sy_rng rng;
    int status = 0;

    for (size_t i = 0; i < list->pods.len; i++) {
        if (!(list->pods.p[i].lasts_s > 0))
            continue;
        sum_s += list->pods.p[i].lasts_s;
        sum_milli_s += list->pods.p[i].lasts_s * (double)sy_openb_pod_milli(&list->pods.p[i]);
        sy_vec_push(&lasts, sum_s);
        sy_vec_push(&which, (uint32_t)i);
    }
    if (!(sum_milli_s > 0)) {
        sy_vec_done(&lasts);
        sy_vec_done(&which);
        return sy_err_set(err, -EINVAL, "the list has no pods with GPUs and times of their ends");
    }
    sy_rng_seed(&rng, r->o->seed);
    double n = (double)which.len;
    double rate = r->o->tune * (double)r->capacity_milli / (sum_milli_s / n); /* pods a second */
    size_t first = (size_t)(rate * sum_s / n), all = first + r->o->departures;
    first = first < SY_OPENB_PODS_MAX ? first : SY_OPENB_PODS_MAX;
    for (size_t i = 0; i < all && !r->broken && status == 0; i++) {
        size_t k = (size_t)sy_rng_below(&rng, which.len);
        double left = list->pods.p[which.p[k]].lasts_s;
        if (i < first) {
            double at = sy_rng_unit(&rng) * sum_s;
            size_t low = 0, high = which.len - 1;
            while (low < high) {
                size_t middle = (low + high) / 2;
                if (lasts.p[middle] <= at)
                    low = middle + 1;
                else
                    high = middle;
            }
            k = low;
            left = list->pods.p[which.p[k]].lasts_s * sy_rng_unit(&rng);
        } else {
            if (i == first) { /* figures are of what follows */
                r->arrived_milli = r->refused_milli = 0;
                r->result.placed = 0;
            }
            double next_s = now_s - log(1 - sy_rng_unit(&rng)) / rate;
            while (r->ends.len && r->pods.p[r->ends.p[0]].ends_s <= next_s) {
                uint32_t pod = pop_end(r);
                area += (double)r->used_milli * (r->pods.p[pod].ends_s - from_s);
                from_s = r->pods.p[pod].ends_s;
                depart(r, pod);
            }
            area += (double)r->used_milli * (next_s - from_s);
            from_s = now_s = next_s;
        }
        arrive_and_end(r, which.p[k], now_s + left);
        if (note_progress(r, i, all))
            status = sy_err_set(err, -ECANCELED, "stopped");
    }
    r->result.mean_allocated = now_s > 0 ? 100 * area / (now_s * (double)r->capacity_milli) : 0;
    for (uint32_t x = 0; x <= SY_TRACE_PERCENT_MAX; x++)
        r->result.allocated[x] = -1;
    sy_vec_done(&lasts);
    sy_vec_done(&which);
    return status;
}

/* -- a run -- */

/* Nodes in an order of the seed's: the core prefers the first among equals. */
static void add_nodes(struct run *r)
{
    const struct sy_openb *cluster = r->o->trace;
    SY_VEC(uint32_t) order = {0};
    struct sy_rng rng;

    sy_rng_seed(&rng, ~r->o->seed);
    for (uint32_t i = 0; i < cluster->nodes.len; i++)
        sy_vec_push(&order, i);
    shuffle(&rng, order.p, order.len);
    for (uint32_t i = 0; i < order.len; i++) {
        struct node n = {.is = &cluster->nodes.p[order.p[i]]};
        n.cpu_milli = n.is->cpu_milli;
        n.memory_mib = n.is->memory_mib;
        for (uint32_t g = 0; g < n.is->gpus; g++)
            n.free_milli[g] = SY_GPU_WHOLE_MILLI;
        sy_vec_push(&r->nodes, n);
        tell_node(r, i);
    }
    sy_vec_done(&order);
}

static int give_targets(struct run *r, struct sy_err *err)
{
    const struct sy_openb *list = r->o->trace;
    size_t len = list->pods.len;
    struct described *rooms = sy_xcalloc(len, sizeof(*rooms));
    struct sy_pod_spec *specs = sy_xcalloc(len, sizeof(*specs));
    const struct sy_pod_spec **pointers = sy_xcalloc(len, sizeof(struct sy_pod_spec *));
    double *weights = sy_xcalloc(len, sizeof(*weights));

    for (size_t i = 0; i < len; i++) {
        specs[i] = describe_spec(r, &list->pods.p[i], &rooms[i]);
        pointers[i] = &specs[i];
        weights[i] = 1;
    }
    int status = sy_gpu_targets_set(sy_sched_cluster(r->sched), pointers, weights, (uint32_t)len);
    free(weights);
    free(pointers);
    free(specs);
    free(rooms);
    return status < 0 ? sy_err_set(err, status, "the targets do not fit in memory") : 0;
}

static int start(struct run *r, struct sy_err *err)
{
    struct sy_profile profile = *r->o->profile;

    profile.args.preemption_is_off = true; /* all pods are equal */
    r->now = EPOCH_NS;
    r->strings = sy_strings_new(HASH_KEY);
    sy_resource_names_init(&r->names, r->strings);
    r->ns = sy_strings_addz(r->strings, "default");
    r->scheduler_name = sy_strings_addz(r->strings, SY_SIM_SCHEDULER);
    r->model_key = sy_strings_addz(r->strings, MODEL_LABEL);
    struct sy_sched_options core = {.profiles = &profile, .profiles_len = 1, .exact = r->o->exact};
    r->sched = sy_sched_new(r->strings, &core, decide, r);
    for (uint32_t i = 0; i < r->o->trace->models_len; i++)
        r->models[i] = sy_strings_addz(r->strings, r->o->trace->models[i]);
    r->capacity_milli = sy_openb_capacity_milli(r->o->trace);
    add_nodes(r);
    return r->o->knows_targets ? give_targets(r, err) : 0;
}

static int check_options(const struct sy_trace_options *o, struct sy_err *err)
{
    if (!sy_openb_capacity_milli(o->trace))
        return sy_err_set(err, -EINVAL, "no node has GPUs");
    if (!o->trace->pods.len)
        return sy_err_set(err, -EINVAL, "there are no pods");
    if (!(o->tune > 0) || o->tune > SY_TRACE_PERCENT_MAX / 100.0)
        return sy_err_set(err, -EINVAL, "the load is not above 0 and up to %g",
                          SY_TRACE_PERCENT_MAX / 100.0);
    return 0;
}

int sy_trace_run(const struct sy_trace_options *options, struct sy_trace_result *ret,
                 struct sy_err *err)
{
    struct run *r = sy_xcalloc(1, sizeof(*r));
    char text[256];

    r->o = options;
    int status = check_options(options, err);
    if (status == 0)
        status = start(r, err);
    if (status == 0)
        status = options->departures ? play_departures(r, err) : play(r, err);
    if (status == 0 && !r->broken)
        r->broken = sy_cluster_audit(sy_sched_cluster(r->sched), text, sizeof(text));
    if (status == 0 && !r->broken && sy_sched_stats(r->sched)->exact_differences)
        r->broken = "a cached answer was not the fresh one";
    if (status == 0 && r->broken)
        status = sy_err_set(err, -EPROTO, "seed %llu, pod %zu: %s",
                            (unsigned long long)options->seed, r->pods.len, r->broken);
    if (status == 0) {
        r->result.pods = options->departures ? options->departures : r->pods.len;
        r->result.refused_milli =
            r->arrived_milli ? 100.0 * (double)r->refused_milli / (double)r->arrived_milli : 0;
        r->result.fragmentation = fragmentation(r);
        *ret = r->result;
    }
    if (r->sched)
        sy_sched_free(r->sched);
    if (r->strings)
        sy_strings_free(r->strings);
    sy_vec_done(&r->nodes);
    sy_vec_done(&r->node_of_id);
    sy_vec_done(&r->pods);
    sy_vec_done(&r->ends);
    free(r);
    return status;
}

double sy_trace_at(const struct sy_trace_result *r, uint32_t percent)
{
    for (uint32_t x = percent <= SY_TRACE_PERCENT_MAX ? percent : SY_TRACE_PERCENT_MAX; x; x--) {
        if (r->allocated[x] >= 0)
            return r->allocated[x];
    }
    return 0;
}
