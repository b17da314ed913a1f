/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/inputs.h"
#include "sim/sim.h"
#include "sim/trace_int.h"

enum { MAX_PODS = 1001, NAME_MAX_BYTES = 24, PROGRESS_STEP = 64 };
static const uint64_t HASH_KEY[2] = {0x747261, 0x6365}; /* fixed: runs repeat */
static const char MODEL_LABEL[] = "nvidia.com/gpu.product";

const uint32_t sy_trace_points[SY_TRACE_POINTS] = {50, 80, 90, 95, 100, 110, 120, 130};

/* -- what the core is told -- */

/* Room that a pod's description takes. */
struct described {
    char uid[NAME_MAX_BYTES];
    struct sy_amount asked[3];
    sy_sid models[SY_OPENB_MODELS_MAX];
    struct sy_requirement requirement;
    struct sy_node_term term;
    struct sy_label label, annotation;
};

static struct sy_pod_spec describe_spec(const struct trace_run *r, const struct sy_openb_pod *p,
                                        struct described *d)
{
    uint32_t len = 0, models = 0;
    struct sy_pod_spec spec = {0};

    if (p->object) { /* volumes and claims would need somebody to make them */
        spec = p->object->spec;
        spec.scheduler_name = r->scheduler_name;
        spec.volumes_len = spec.claims_len = spec.device_resources_len = 0;
        return spec;
    }
    spec.scheduler_name = r->scheduler_name;

    d->asked[len++] = (struct sy_amount){r->names.cpu, p->cpu_milli};
    d->asked[len++] = (struct sy_amount){r->names.memory, p->memory_bytes};
    if (p->gpus && p->gpu_milli == SY_GPU_WHOLE_MILLI)
        d->asked[len++] = (struct sy_amount){r->names.nvidia_gpu, p->gpus};
    spec.requests = (struct sy_pod_request_totals){
        .requests = {d->asked, sy_amounts_sort(d->asked, len)},
        .nonzero_cpu_milli = p->cpu_milli,
        .nonzero_memory_bytes = p->memory_bytes,
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

/* Where units are drawn, one of the list may be there several times: each is a gang of its own. */
static void describe_gang(struct trace_run *r, const struct trace_pod *p, struct described *d,
                          struct sy_pod *object)
{
    const struct sy_openb *list = r->o->trace;
    char text[24];

    if (!p->is->gang || p->unit == SY_NONE || (p->is->object && r->o->is_listed))
        return;
    snprintf(text, sizeof(text), "u%u", p->unit);
    d->label = (struct sy_label){r->group_key, sy_strings_addz(r->strings, text)};
    snprintf(text, sizeof(text), "%u", list->units.p[r->arrivals.p[p->unit].of_list].min);
    d->annotation = (struct sy_label){r->min_key, sy_strings_addz(r->strings, text)};
    object->labels = (struct sy_labels){&d->label, 1};
    object->annotations = (struct sy_labels){&d->annotation, 1};
    object->spec.scheduling_group = 0;
}

static void tell_pod(struct trace_run *r, uint32_t pod)
{
    const struct trace_pod *p = &r->pods.p[pod];
    bool is_placed = p->node != SY_NONE;
    struct sy_pod object = {.ns = r->ns, .created_wall_ns = r->now};
    struct described d;

    if (p->is->object)
        object = *p->is->object;
    snprintf(d.uid, sizeof(d.uid), "p%u", pod);
    object.uid = object.name = sy_str_from(d.uid);
    object.node =
        is_placed ? sy_strings_find(r->strings, sy_str_from(r->nodes.p[p->node].is->name)) : 0;
    object.nominated_node = 0;
    object.phase = is_placed ? SY_PHASE_RUNNING : SY_PHASE_PENDING;
    object.gpu_devices = p->devices;
    object.spec = describe_spec(r, p->is, &d);
    describe_gang(r, p, &d, &object);
    if (sy_sched_pod(r->sched, &object, r->now) < 0)
        r->broken = "a pod was refused";
}

static void tell_deleted(struct trace_run *r, uint32_t pod)
{
    char uid[NAME_MAX_BYTES];

    snprintf(uid, sizeof(uid), "p%u", pod);
    sy_sched_pod_deleted(r->sched, sy_str_from(uid), r->now);
}

static void tell_node(struct trace_run *r, uint32_t node)
{
    const struct sy_openb_node *n = r->nodes.p[node].is;
    sy_sid id = sy_strings_addz(r->strings, n->name);
    struct sy_amount room[4] = {
        {r->names.cpu, n->cpu_milli},
        {r->names.memory, n->memory_bytes},
        {r->names.pods, MAX_PODS},
        {r->names.nvidia_gpu, n->gpus},
    };
    struct sy_label label = {r->model_key, n->gpus ? r->models[n->model] : 0};
    struct sy_node described = {
        .uid = sy_str_from(n->name),
        .name = id,
        .labels = {&label, n->gpus != 0},
        .allocatable = {room, sy_amounts_sort(room, n->gpus ? 4 : 3)},
        .ready = SY_CONDITION_TRUE,
    };

    described.capacity = described.allocatable;
    while (r->node_of_id.len <= id)
        sy_vec_push(&r->node_of_id, SY_NONE);
    r->node_of_id.p[id] = node;
    if (sy_sched_node(r->sched, n->object ? n->object : &described, r->now) < 0)
        r->broken = "a node was refused";
}

/* "p17" is 17. */
static uint32_t pod_of_uid(const char *uid)
{
    uint64_t pod = SY_NONE;

    return sy_str_u64(sy_str_from(uid + 1), &pod) < 0 ? SY_NONE : (uint32_t)pod;
}

static void decide(void *arg, const struct sy_decision *d)
{
    struct trace_run *r = arg;

    if (d->kind != SY_DECIDE_BIND)
        return;
    sy_vec_push(
        &r->binds,
        (struct trace_bind){
            .ticket = d->ticket,
            .pod = pod_of_uid(d->uid),
            .node = r->node_of_id.p[sy_strings_find(r->strings, sy_str_from(d->node))],
            .devices = d->gpu_devices ? sy_gpu_devices_parse(sy_str_from(d->gpu_devices)) : 0,
        });
}

/* -- the ledger -- */

/* Takes (sign 1) or gives back what the pod has; false when that is more than there is. */
static bool charge(struct trace_run *r, const struct trace_pod *pod, int sign)
{
    const struct sy_openb_pod *p = pod->is;
    struct trace_node *n = &r->nodes.p[pod->node];
    uint32_t devices = 0;
    bool ok;

    n->cpu_milli -= sign * p->cpu_milli;
    n->memory_bytes -= sign * p->memory_bytes;
    r->cpu_used_milli += sign * p->cpu_milli;
    r->memory_used_bytes += sign * p->memory_bytes;
    r->used_milli += sign * sy_openb_pod_milli(p);
    ok = n->cpu_milli >= 0 && n->memory_bytes >= 0;
    for (uint32_t i = 0; i < n->is->gpus; i++) {
        if (!(pod->devices >> i & 1))
            continue;
        devices++;
        n->free_milli[i] -= sign * (int32_t)p->gpu_milli;
        ok = ok && n->free_milli[i] >= 0;
    }
    return ok && (devices == p->gpus || n->has_unknown);
}

/* The part of the idle milli-GPUs that a pod of the list, drawn at random, can not use where they
 * are (FGD's measure), in percent. */
static float fragmentation(const struct trace_run *r)
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
            const struct trace_node *n = &r->nodes.p[i];
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

uint32_t sy_trace_come(struct trace_run *r, uint32_t of_list, double at_s, double part_left)
{
    const struct sy_openb *list = r->o->trace;
    const struct sy_openb_unit *u = &list->units.p[of_list];
    uint32_t arrival = (uint32_t)r->arrivals.len;

    sy_vec_push(&r->arrivals, (struct trace_arrival){.of_list = of_list,
                                                     .first_pod = (uint32_t)r->pods.len,
                                                     .at_s = at_s,
                                                     .waited_s = -1,
                                                     .part_left = part_left});
    r->arrived_milli += u->milli;
    for (uint32_t i = 0; i < u->len; i++) {
        const struct sy_openb_pod *p = &list->pods.p[list->members.p[u->first + i]];
        sy_vec_push(&r->pods, (struct trace_pod){.is = p, .node = SY_NONE, .unit = arrival});
        tell_pod(r, (uint32_t)r->pods.len - 1);
    }
    return arrival;
}

static bool ends_before(const struct trace_run *r, uint32_t a, uint32_t b)
{
    return r->pods.p[a].ends_s < r->pods.p[b].ends_s;
}

static void push_end(struct trace_run *r, uint32_t pod)
{
    sy_vec_push(&r->ends, pod);
    size_t i = r->ends.len - 1;
    for (; i && ends_before(r, pod, r->ends.p[(i - 1) / 2]); i = (i - 1) / 2)
        r->ends.p[i] = r->ends.p[(i - 1) / 2];
    r->ends.p[i] = pod;
}

uint32_t sy_trace_pop_end(struct trace_run *r)
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

double sy_trace_next_end_s(const struct trace_run *r)
{
    return r->ends.len ? r->pods.p[r->ends.p[0]].ends_s : INFINITY;
}

static void place(struct trace_run *r, const struct trace_bind *bind)
{
    struct trace_pod *p = &r->pods.p[bind->pod];
    struct trace_arrival *a = &r->arrivals.p[p->unit];

    if (p->node != SY_NONE || p->is_gone)
        r->broken = "a pod was bound twice, or after it had gone";
    p->node = bind->node;
    p->devices = bind->devices;
    a->placed++;
    r->result.placed++;
    if (!charge(r, p, 1))
        r->broken = "a node or a device was given more than it has";
    sy_sched_bind_result(r->sched, bind->ticket, SY_BIND_RESULT_OK, NULL, r->now);
    tell_pod(r, bind->pod);
    if (p->is->lasts_s > 0 && (r->o->departures || r->o->is_listed)) {
        p->ends_s = r->clock_s + p->is->lasts_s * a->part_left;
        push_end(r, bind->pod);
    }
}

sy_time_ns sy_trace_decide(struct trace_run *r)
{
    sy_time_ns again;

    r->binds.len = 0;
    again = sy_sched_run(r->sched, true, 0, r->now);
    for (size_t i = 0; i < r->binds.len; i++)
        place(r, &r->binds.p[i]);
    for (size_t i = 0; i < r->binds.len; i++) {
        const struct trace_arrival *a = &r->arrivals.p[r->pods.p[r->binds.p[i].pod].unit];
        if (a->placed < r->o->trace->units.p[a->of_list].min)
            r->broken = "a gang was placed in part";
    }
    return again;
}

void sy_trace_go(struct trace_run *r, uint32_t pod)
{
    if (r->pods.p[pod].node != SY_NONE)
        charge(r, &r->pods.p[pod], -1);
    r->pods.p[pod].is_gone = true;
    tell_deleted(r, pod);
}

bool sy_trace_note_progress(const struct trace_run *r, size_t step, size_t done, size_t all)
{
    return step % PROGRESS_STEP == 0 && r->o->progress &&
           r->o->progress(r->o->arg, (double)done / (double)all);
}

/* A unit comes, and what of it finds no room at once goes. */
static void come_or_go(struct trace_run *r, uint32_t of_list, double at_s, double part_left)
{
    r->now += SY_NS_PER_MS;
    uint32_t arrival = sy_trace_come(r, of_list, at_s, part_left);
    const struct trace_arrival *a = &r->arrivals.p[arrival];
    uint32_t len = r->o->trace->units.p[of_list].len;
    sy_trace_decide(r);
    for (uint32_t i = 0; i < len && a->placed < len; i++) {
        uint32_t pod = a->first_pod + i;
        if (r->pods.p[pod].node != SY_NONE)
            continue;
        r->refused_milli += sy_openb_pod_milli(r->pods.p[pod].is);
        sy_trace_go(r, pod);
    }
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

void sy_trace_order(const struct sy_openb *list, int64_t capacity_milli, double tune, uint64_t seed,
                    struct sy_trace_order *ret)
{
    double target = tune * (double)capacity_milli, asked = 0;
    size_t len = list->units.len;
    struct sy_rng rng;

    sy_rng_seed(&rng, seed);
    *ret = (struct sy_trace_order){0};
    for (size_t i = 0; i < len; i++) {
        sy_vec_push(&ret->units, (uint32_t)i);
        asked += (double)list->units.p[i].milli;
    }
    shuffle(&rng, ret->units.p, len);
    while (asked > target && ret->units.len) {
        size_t i = (size_t)sy_rng_below(&rng, ret->units.len);
        asked -= (double)list->units.p[ret->units.p[i]].milli;
        ret->units.len--;
        memmove(ret->units.p + i, ret->units.p + i + 1,
                (ret->units.len - i) * sizeof(*ret->units.p));
    }
    while (asked > 0 && asked < target && ret->units.len < SY_OPENB_PODS_MAX) {
        uint32_t unit = (uint32_t)sy_rng_below(&rng, len);
        const struct sy_openb_unit *u = &list->units.p[unit];
        /* As published: what one of its GPUs asks for, not all. */
        if (asked + list->pods.p[list->members.p[u->first]].gpu_milli > target)
            break;
        sy_vec_push(&ret->units, unit);
        asked += (double)u->milli;
    }
}

static void note_point(struct trace_run *r)
{
    double x = round(100.0 * (double)r->arrived_milli / (double)r->capacity_milli);

    if (x > SY_TRACE_PERCENT_MAX)
        return;
    r->sums[(uint32_t)x] += 100.0 * (double)r->used_milli / (double)r->capacity_milli;
    r->counts[(uint32_t)x]++;
}

static int play(struct trace_run *r, struct sy_err *err)
{
    struct sy_trace_order order;
    int status = 0;

    sy_trace_order(r->o->trace, r->capacity_milli, r->o->tune, r->o->seed, &order);
    for (size_t i = 0; i < order.units.len && !r->broken && status == 0; i++) {
        come_or_go(r, order.units.p[i], 0, 1);
        note_point(r);
        if (sy_trace_note_progress(r, i, i, order.units.len))
            status = sy_err_set(err, -ECANCELED, "stopped");
    }
    sy_vec_done(&order.units);
    r->result.pods = r->pods.len - r->residents_len;
    for (uint32_t x = 0; x <= SY_TRACE_PERCENT_MAX; x++)
        r->result.allocated[x] = r->counts[x] ? (float)(r->sums[x] / r->counts[x]) : -1;
    return status;
}

/* -- arrivals and departures -- */

int sy_trace_draw(const struct trace_run *r, struct trace_draw *ret, struct sy_err *err)
{
    const struct sy_openb *list = r->o->trace;
    double sum_milli_s = 0;

    *ret = (struct trace_draw){0};
    for (size_t i = 0; i < list->units.len; i++) {
        const struct sy_openb_unit *u = &list->units.p[i];
        if (!(u->lasts_s > 0))
            continue;
        ret->sum_s += u->lasts_s;
        sum_milli_s += u->milli_s;
        sy_vec_push(&ret->lasts, ret->sum_s);
        sy_vec_push(&ret->which, (uint32_t)i);
    }
    if (!(sum_milli_s > 0))
        return sy_err_set(err, -EINVAL, "the list has no pods with GPUs and times of their ends");
    double n = (double)ret->which.len;
    ret->rate = r->o->tune * (double)r->capacity_milli / (sum_milli_s / n);
    double first = ret->rate * ret->sum_s / n;
    ret->first = first < SY_OPENB_PODS_MAX ? (size_t)first : SY_OPENB_PODS_MAX;
    return 0;
}

void sy_trace_draw_done(struct trace_draw *d)
{
    sy_vec_done(&d->lasts);
    sy_vec_done(&d->which);
}

uint32_t sy_trace_draw_next(const struct trace_draw *d, struct sy_rng *rng, size_t i,
                            double *ret_part)
{
    size_t k = (size_t)sy_rng_below(rng, d->which.len);

    *ret_part = 1;
    if (i >= d->first)
        return d->which.p[k];
    double at = sy_rng_unit(rng) * d->sum_s;
    size_t low = 0, high = d->which.len - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->lasts.p[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_part = sy_rng_unit(rng);
    return d->which.p[low];
}

/* Starts where a queue of this load without limits would be on average, so that no warm-up as long
 * as the longest pods is needed: as many units as then run, drawn by how long they last, with an
 * even part of that left. */
static int play_departures(struct trace_run *r, struct sy_err *err)
{
    double area = 0, from_s = 0, now_s = 0;
    size_t pods_before = 0;
    struct trace_draw draw;
    struct sy_rng rng;
    int status = sy_trace_draw(r, &draw, err);

    sy_rng_seed(&rng, r->o->seed);
    size_t all = draw.first + r->o->departures;
    for (size_t i = 0; i < all && !r->broken && status == 0; i++) {
        double part;
        uint32_t unit = sy_trace_draw_next(&draw, &rng, i, &part);
        if (i == draw.first) { /* figures are of what follows */
            r->arrived_milli = r->refused_milli = 0;
            r->result.placed = 0;
            pods_before = r->pods.len;
        }
        if (i >= draw.first) {
            double next_s = now_s - log(1 - sy_rng_unit(&rng)) / draw.rate, end_s;
            while ((end_s = sy_trace_next_end_s(r)) <= next_s) {
                area += (double)r->used_milli * (end_s - from_s);
                from_s = end_s;
                r->now += SY_NS_PER_MS;
                sy_trace_go(r, sy_trace_pop_end(r));
            }
            area += (double)r->used_milli * (next_s - from_s);
            from_s = now_s = next_s;
        }
        r->clock_s = now_s;
        come_or_go(r, unit, now_s, part);
        if (sy_trace_note_progress(r, i, i, all))
            status = sy_err_set(err, -ECANCELED, "stopped");
    }
    r->result.pods = r->pods.len - pods_before;
    r->result.mean_allocated = now_s > 0 ? 100 * area / (now_s * (double)r->capacity_milli) : 0;
    for (uint32_t x = 0; x <= SY_TRACE_PERCENT_MAX; x++)
        r->result.allocated[x] = -1;
    sy_trace_draw_done(&draw);
    return status;
}

/* -- a run -- */

/* Nodes in an order of the seed's: the core prefers the first among equals. */
static void add_nodes(struct trace_run *r)
{
    const struct sy_openb *cluster = r->o->trace;
    SY_VEC(uint32_t) order = {0};
    struct sy_rng rng;

    sy_rng_seed(&rng, ~r->o->seed);
    for (uint32_t i = 0; i < cluster->nodes.len; i++)
        sy_vec_push(&order, i);
    shuffle(&rng, order.p, order.len);
    for (uint32_t i = 0; i < order.len; i++) {
        struct trace_node n = {.is = &cluster->nodes.p[order.p[i]]};
        n.cpu_milli = n.is->cpu_milli;
        n.memory_bytes = n.is->memory_bytes;
        r->cpu_capacity_milli += n.cpu_milli;
        r->memory_capacity_bytes += n.memory_bytes;
        for (uint32_t g = 0; g < n.is->gpus; g++)
            n.free_milli[g] = SY_GPU_WHOLE_MILLI;
        sy_vec_push(&r->nodes, n);
        tell_node(r, i);
    }
    sy_vec_done(&order);
}

static int give_targets(struct trace_run *r, struct sy_err *err)
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

/* What is there before the first pod comes. What does not say on which devices it is leaves the
 * count of its node's devices to the core. */
static void add_residents(struct trace_run *r)
{
    const struct sy_openb *list = r->o->trace;

    for (size_t i = 0; i < list->around.len; i++) {
        if (sy_sched_workload(r->sched, list->around.p[i].kind, list->around.p[i].object) < 0)
            r->broken = "an object was refused";
    }
    for (size_t i = 0; i < list->groups.len; i++)
        sy_sched_pod_group(r->sched, &list->groups.p[i]);
    for (size_t i = 0; i < list->residents.len; i++) {
        const struct sy_openb_pod *p = &list->residents.p[i];
        uint32_t node =
            p->object->node < r->node_of_id.len ? r->node_of_id.p[p->object->node] : SY_NONE;
        if (node == SY_NONE)
            continue;
        struct trace_pod pod = {
            .is = p, .node = node, .unit = SY_NONE, .devices = p->object->gpu_devices};
        r->nodes.p[node].has_unknown |= p->gpus && !pod.devices;
        sy_vec_push(&r->pods, pod);
        charge(r, &pod, 1);
        tell_pod(r, (uint32_t)r->pods.len - 1);
        if (p->lasts_s > 0 && (r->o->departures || r->o->is_listed)) {
            r->pods.p[r->pods.len - 1].ends_s = p->lasts_s;
            push_end(r, (uint32_t)r->pods.len - 1);
        }
    }
    r->residents_len = (uint32_t)r->pods.len;
}

/* The ids of the trace's objects mean the same in the run's own table. */
static int take_strings(struct trace_run *r, struct sy_err *err)
{
    const struct sy_strings *from = r->o->trace->strings;
    uint32_t len = from ? sy_strings_len(from) : 0;

    r->strings = sy_strings_new(HASH_KEY);
    for (uint32_t id = 1; id <= len; id++) {
        if (sy_strings_add(r->strings, sy_strings_get(from, id)) != id)
            return sy_err_set(err, -EINVAL, "the trace's strings are not all there");
    }
    return 0;
}

static int start(struct trace_run *r, struct sy_err *err)
{
    struct sy_profile profile = *r->o->profile;
    int status = take_strings(r, err);

    profile.args.preemption_is_off = true; /* all pods are equal */
    if (status < 0)
        return status;
    r->now = SY_TRACE_EPOCH_NS;
    sy_resource_names_init(&r->names, r->strings);
    r->ns = sy_strings_addz(r->strings, "default");
    r->scheduler_name = sy_strings_addz(r->strings, SY_SIM_SCHEDULER);
    r->model_key = sy_strings_addz(r->strings, MODEL_LABEL);
    r->group_key = sy_strings_addz(r->strings, "steelyard.dev/pod-group");
    r->min_key = sy_strings_addz(r->strings, "steelyard.dev/min-member");
    /* Whatever changes wakes those that it may help: a sweep now and then is for what does not. */
    struct sy_sched_options core = {.profiles = &profile,
                                    .profiles_len = 1,
                                    .exact = r->o->exact,
                                    .binds_in_flight_max = UINT32_MAX,
                                    .sweep_ns = 3600 * SY_NS_PER_S};
    r->sched = sy_sched_new(r->strings, &core, decide, r);
    for (uint32_t i = 0; i < r->o->trace->models_len; i++)
        r->models[i] = sy_strings_addz(r->strings, r->o->trace->models[i]);
    r->capacity_milli = sy_openb_capacity_milli(r->o->trace);
    add_nodes(r);
    add_residents(r);
    return r->o->knows_targets ? give_targets(r, err) : 0;
}

static int check_options(const struct sy_trace_options *o, struct sy_err *err)
{
    if (!o->trace->nodes.len)
        return sy_err_set(err, -EINVAL, "there are no nodes");
    if (!o->is_listed && !sy_openb_capacity_milli(o->trace))
        return sy_err_set(err, -EINVAL, "no node has GPUs");
    if (!o->trace->pods.len)
        return sy_err_set(err, -EINVAL, "there are no pods");
    if (o->is_listed)
        return 0;
    if (!(o->tune > 0) || o->tune > SY_TRACE_PERCENT_MAX / 100.0)
        return sy_err_set(err, -EINVAL, "the load is not above 0 and up to %g",
                          SY_TRACE_PERCENT_MAX / 100.0);
    return 0;
}

int sy_trace_run(const struct sy_trace_options *options, struct sy_trace_result *ret,
                 struct sy_err *err)
{
    struct trace_run *r = sy_xcalloc(1, sizeof(*r));
    char text[256];

    r->o = options;
    int status = check_options(options, err);
    if (status == 0)
        status = start(r, err);
    if (status == 0)
        status = options->is_listed || options->waits ? sy_trace_play_waiting(r, err)
                 : options->departures                ? play_departures(r, err)
                                                      : play(r, err);
    if (status == 0 && !r->broken)
        r->broken = sy_cluster_audit(sy_sched_cluster(r->sched), text, sizeof(text));
    if (status == 0 && !r->broken && sy_sched_stats(r->sched)->exact_differences)
        r->broken = "a cached answer was not the fresh one";
    if (status == 0 && r->broken)
        status = sy_err_set(err, -EPROTO, "seed %llu, pod %zu: %s",
                            (unsigned long long)options->seed, r->pods.len, r->broken);
    if (status == 0) {
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
    sy_vec_done(&r->arrivals);
    sy_vec_done(&r->binds);
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
