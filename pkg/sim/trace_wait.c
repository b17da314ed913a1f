/* SPDX-License-Identifier: Apache-2.0
 *
 * Traces in which what finds no room waits for it, as on a cluster: on a clock of its own, with
 * arrivals drawn at random or as the list has them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "sim/trace_int.h"

/* Nothing that waits looks longer than this at what has not changed. */
static const double BACKOFF_S = 60;
static const double NS_PER_S = 1e9;

struct waits {
    SY_VEC(double) s;
    uint64_t never;
};

/* What was in use, by time. */
struct areas {
    double to_s, gpu, cpu, memory;
};

struct waiting {
    struct trace_run *r;
    /* Where arrivals come from: drawn, or a list by time. */
    bool is_listed;
    struct trace_draw draw;
    struct sy_rng rng;
    SY_VEC(uint32_t) by_time; /* units */
    size_t next, len;
    double next_s, part; /* of the next arrival */
    uint32_t unit;

    size_t first;        /* arrivals before do not count */
    struct areas so_far; /* until now */
    struct areas last;   /* until something last happened */
};

/* -- arrivals -- */

static int by_arrival(const void *a, const void *b, void *arg)
{
    const struct sy_openb *list = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    double at = list->units.p[x].arrives_s, other = list->units.p[y].arrives_s;

    return at != other ? (at > other) - (at < other) : (x > y) - (x < y);
}

static void prepare_next(struct waiting *w)
{
    w->part = 1;
    if (w->next == w->len) {
        w->next_s = INFINITY;
    } else if (w->is_listed) {
        w->unit = w->by_time.p[w->next];
        w->next_s = w->r->o->trace->units.p[w->unit].arrives_s -
                    w->r->o->trace->units.p[w->by_time.p[0]].arrives_s;
    } else {
        w->unit = sy_trace_draw_next(&w->draw, &w->rng, w->next, &w->part);
        if (w->next >= w->draw.first)
            w->next_s -= log(1 - sy_rng_unit(&w->rng)) / w->draw.rate;
    }
}

static int begin(struct waiting *w, struct sy_err *err)
{
    const struct sy_openb *list = w->r->o->trace;
    int status = 0;

    sy_rng_seed(&w->rng, w->r->o->seed);
    if (w->is_listed) {
        for (size_t i = 0; i < list->units.len; i++)
            sy_vec_push(&w->by_time, (uint32_t)i);
        qsort_r(w->by_time.p, w->by_time.len, sizeof(*w->by_time.p), by_arrival, (void *)list);
        w->len = w->by_time.len;
    } else {
        status = sy_trace_draw(w->r, &w->draw, err);
        w->first = w->draw.first;
        w->len = w->draw.first + w->r->o->departures;
    }
    prepare_next(w);
    return status;
}

/* -- time passes -- */

static void add_areas(struct waiting *w, double to_s)
{
    double seconds = to_s - w->so_far.to_s;

    w->so_far.gpu += (double)w->r->used_milli * seconds;
    w->so_far.cpu += (double)w->r->cpu_used_milli * seconds;
    w->so_far.memory += (double)w->r->memory_used_bytes * seconds;
    w->so_far.to_s = to_s;
}

static void note_whole(struct waiting *w)
{
    struct trace_run *r = w->r;

    for (size_t i = 0; i < r->binds.len; i++) {
        struct trace_arrival *a = &r->arrivals.p[r->pods.p[r->binds.p[i].pod].unit];
        if (a->waited_s < 0 && a->placed >= r->o->trace->units.p[a->of_list].min)
            a->waited_s = r->clock_s - a->at_s;
    }
}

/* Returns when the core is to be run again, on the trace's clock. */
static double decide(struct waiting *w)
{
    struct trace_run *r = w->r;
    sy_time_ns again;

    for (;;) {
        again = sy_trace_decide(r);
        if (!r->binds.len)
            break;
        w->last = w->so_far;
        note_whole(w);
    }
    if (again == INT64_MAX)
        return INFINITY;
    double at_s = (double)(again - SY_TRACE_EPOCH_NS) / NS_PER_S;
    return at_s > r->clock_s ? at_s : r->clock_s + 0.001;
}

static bool is_due(const struct waiting *w)
{
    return sy_trace_next_end_s(w->r) <= w->r->clock_s || w->next_s <= w->r->clock_s;
}

static void do_due(struct waiting *w)
{
    struct trace_run *r = w->r;

    while (sy_trace_next_end_s(r) <= r->clock_s)
        sy_trace_go(r, sy_trace_pop_end(r));
    while (w->next_s <= r->clock_s) {
        sy_trace_come(r, w->unit, r->clock_s, w->part);
        w->next++;
        prepare_next(w);
    }
    w->last = w->so_far;
}

static int run(struct waiting *w, struct sy_err *err)
{
    struct trace_run *r = w->r;
    double again_s = INFINITY;
    size_t steps = 0;

    for (;;) {
        double end_s = sy_trace_next_end_s(r);
        double to_s = fmin(w->next_s, fmin(end_s, again_s));
        if (r->broken || to_s == INFINITY)
            return 0;
        /* With nothing left to come or go, what waits may still be backing off. */
        if (w->next_s == INFINITY &&
            (!w->is_listed || (end_s == INFINITY && to_s > w->last.to_s + BACKOFF_S)))
            return 0;
        add_areas(w, to_s);
        r->clock_s = to_s;
        r->now = SY_TRACE_EPOCH_NS + (sy_time_ns)(to_s * NS_PER_S);
        if (is_due(w))
            do_due(w);
        again_s = decide(w);
        if (sy_trace_note_progress(r, steps++, w->next, w->len))
            return sy_err_set(err, -ECANCELED, "stopped");
    }
}

/* -- figures -- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct sy_trace_waits take_together(struct waits *w)
{
    struct sy_trace_waits f = {.units = w->s.len, .never = w->never};

    if (!w->s.len)
        return f;
    qsort(w->s.p, w->s.len, sizeof(*w->s.p), by_size);
    for (size_t i = 0; i < w->s.len; i++)
        f.mean_s += w->s.p[i] / (double)w->s.len;
    f.p50_s = w->s.p[(w->s.len - 1) / 2];
    f.p99_s = w->s.p[(w->s.len - 1) * 99 / 100];
    f.most_s = w->s.p[w->s.len - 1];
    sy_vec_done(&w->s);
    return f;
}

static double share(double area, int64_t capacity, double seconds)
{
    return capacity ? 100 * area / ((double)capacity * seconds) : 0;
}

static void finish(struct waiting *w)
{
    struct trace_run *r = w->r;
    struct waits singles = {0}, gangs = {0};

    r->result.placed = r->result.pods = 0;
    for (size_t i = w->first; i < r->arrivals.len; i++) {
        const struct trace_arrival *a = &r->arrivals.p[i];
        const struct sy_openb_unit *u = &r->o->trace->units.p[a->of_list];
        struct waits *to = u->len > 1 ? &gangs : &singles;
        to->never += a->waited_s < 0;
        sy_vec_push(&to->s, a->waited_s < 0 ? r->clock_s - a->at_s : a->waited_s);
        r->result.pods += u->len;
        r->result.placed += a->placed;
    }
    r->result.singles = take_together(&singles);
    r->result.gangs = take_together(&gangs);
    r->result.lasted_s = w->last.to_s;
    if (!(w->last.to_s > 0)) /* all at once, and no end: what there is counts */
        w->last = (struct areas){1, (double)r->used_milli, (double)r->cpu_used_milli,
                                 (double)r->memory_used_bytes};
    const struct areas *of = &w->last;
    r->result.mean_allocated = share(of->gpu, r->capacity_milli, of->to_s);
    r->result.mean_cpu = share(of->cpu, r->cpu_capacity_milli, of->to_s);
    r->result.mean_memory = share(of->memory, r->memory_capacity_bytes, of->to_s);
    for (uint32_t x = 0; x <= SY_TRACE_PERCENT_MAX; x++)
        r->result.allocated[x] = -1;
}

int sy_trace_play_waiting(struct trace_run *r, struct sy_err *err)
{
    struct waiting w = {.r = r, .is_listed = r->o->is_listed};
    int status = begin(&w, err);

    if (status == 0)
        status = run(&w, err);
    if (status == 0)
        finish(&w);
    sy_trace_draw_done(&w.draw);
    sy_vec_done(&w.by_time);
    return status;
}
