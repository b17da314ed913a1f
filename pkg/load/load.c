/* SPDX-License-Identifier: Apache-2.0 */
#include "load/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "load/source.h"

/* A source that is down is asked at least this often, or at its interval if that is longer. */
static const int64_t WAIT_MAX_NS = 60 * SY_NS_PER_S;
enum { DOUBLINGS_MAX = 16 };
/* Some decades, so that differences of times fit. */
static const int64_t AHEAD_MAX_NS = INT64_MAX / 4;

struct sy_load_feed {
    struct sy_load_options options;
    struct sy_origin *origins; /* owned */
    struct sy_load_join *join; /* NULL: nobody needs it */
    struct sy_rng rng;
};

sy_time_ns sy_load_core_time(int64_t wall_ns, int64_t wall_now_ns, sy_time_ns now,
                             int64_t window_ns)
{
    int64_t ahead;

    if (__builtin_sub_overflow(wall_ns, wall_now_ns, &ahead))
        ahead = wall_ns < wall_now_ns ? -AHEAD_MAX_NS : AHEAD_MAX_NS;
    if (ahead > AHEAD_MAX_NS)
        ahead = AHEAD_MAX_NS;
    if (ahead < -AHEAD_MAX_NS)
        ahead = -AHEAD_MAX_NS;
    return ahead > 0 && ahead <= window_ns ? now : now + ahead;
}

/* ---- polls ---- */

static void on_timer(void *arg)
{
    struct sy_poll *p = arg;

    p->ask(p);
}

void sy_poll_init(struct sy_poll *p, struct sy_origin *origin, const char *what,
                  void (*ask)(struct sy_poll *p))
{
    *p = (struct sy_poll){.origin = origin, .what = what, .ask = ask};
    p->timer = sy_timer_new(origin->feed->options.loop, on_timer, p);
}

void sy_poll_done(struct sy_poll *p)
{
    sy_timer_free(p->timer);
    p->timer = NULL;
}

void sy_poll_start(struct sy_poll *p, int64_t after_ns)
{
    sy_timer_arm(p->timer, after_ns);
}

static void remember_example(char ret[SY_POLL_EXAMPLE_MAX], struct sy_str example)
{
    size_t len = example.len < SY_POLL_EXAMPLE_MAX ? example.len : SY_POLL_EXAMPLE_MAX - 1;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)example.p[i];
        ret[i] = (char)(c < 0x20 || c > 0x7e ? '?' : c);
    }
    ret[len] = '\0';
}

void sy_poll_leave_out(struct sy_poll *p, int outcome, uint64_t count, struct sy_str example)
{
    if (!count)
        return;
    p->origin->figures.outcomes[outcome] += count;
    if (!p->left_out[outcome].count)
        remember_example(p->left_out[outcome].example, example);
    p->left_out[outcome].count += count;
}

/* Another source may have given a newer one, and one that comes again may seem older by what the
 * clocks' readings differ: neither is worth a word. */
static bool is_young(const struct sy_poll *p, const struct sy_load_sample *sample)
{
    int64_t window = sample->window_ns ? sample->window_ns : SY_LOAD_WINDOW_UNKNOWN_NS;

    return sy_loop_now_ns(p->origin->feed->options.loop) - sample->at_ns < 3 * window;
}

void sy_poll_give(struct sy_poll *p, struct sy_str node, struct sy_load_sample sample)
{
    const struct sy_load_options *o = &p->origin->feed->options;
    struct sy_load_figures *f = &p->origin->figures;
    enum sy_load_result result = o->on_sample(o->arg, node, &sample);

    if (result == SY_LOAD_STALE && is_young(p, &sample))
        f->outcomes[SY_LOAD_SUPERSEDED]++;
    else if (result != SY_LOAD_TAKEN)
        sy_poll_leave_out(p, (int)result, 1, node);
    if (result != SY_LOAD_TAKEN)
        return;
    f->outcomes[SY_LOAD_TAKEN]++;
    if (!f->has[sample.metric] || sample.at_ns > f->at_ns[sample.metric]) {
        f->has[sample.metric] = true;
        f->at_ns[sample.metric] = sample.at_ns;
    }
}

/* Said once for as long as it lasts. */
static void say_left_out(struct sy_poll *p)
{
    const struct sy_load_options *o = &p->origin->feed->options;

    for (int i = SY_LOAD_TAKEN + 1; i < SY_LOAD_OUTCOMES; i++) {
        uint64_t count = p->left_out[i].count;
        if (count && !p->left_out[i].was_said)
            o->on_left_out(o->arg, p->origin->name, p->what, i, count, p->left_out[i].example);
        p->left_out[i].was_said = count > 0;
        p->left_out[i].count = 0;
    }
}

void sy_poll_answered(struct sy_poll *p)
{
    const struct sy_load_options *o = &p->origin->feed->options;

    p->origin->figures.answers++;
    if (p->failures)
        o->on_state(o->arg, p->origin->name, p->what, NULL, 0);
    p->failures = 0;
    say_left_out(p);
    sy_timer_arm(p->timer, p->origin->interval_ns);
    o->on_samples(o->arg);
}

static int64_t wait_ns(struct sy_poll *p, const struct sy_err *err)
{
    int64_t longest = p->origin->interval_ns > WAIT_MAX_NS ? p->origin->interval_ns : WAIT_MAX_NS;
    uint32_t doublings = p->failures - 1 < DOUBLINGS_MAX ? p->failures - 1 : DOUBLINGS_MAX;
    int64_t wait = p->origin->interval_ns;
    int64_t asked = (int64_t)err->retry_after_ms * SY_NS_PER_MS;

    while (doublings-- && wait < longest)
        wait *= 2;
    if (wait > longest)
        wait = longest;
    wait -= (int64_t)((double)wait / 2 * sy_rng_unit(&p->origin->feed->rng));
    if (wait < asked)
        wait = asked < longest ? asked : longest;
    return wait;
}

void sy_poll_failed(struct sy_poll *p, const struct sy_err *err)
{
    const struct sy_load_options *o = &p->origin->feed->options;

    p->origin->figures.failures++;
    p->failures += p->failures < UINT32_MAX;
    int64_t wait = wait_ns(p, err);
    say_left_out(p);
    if (p->failures == 1)
        o->on_state(o->arg, p->origin->name, p->what, err, wait);
    sy_timer_arm(p->timer, wait);
}

/* ---- the feed ---- */

static int start_origin(struct sy_load_feed *f, struct sy_origin *origin,
                        const struct sy_load_source *source, struct sy_err *err)
{
    int r;

    *origin = (struct sy_origin){
        .feed = f,
        .name = sy_xstrdup(source->name),
        .type = source->type,
        .interval_ns = source->interval_ns,
        .timeout_ns = source->timeout_ns,
    };
    if (source->type != SY_LOAD_PROMETHEUS) {
        origin->list = sy_kube_list_new(origin, f->options.kube);
        return 0;
    }
    origin->figures.has_xid = !source->queries[SY_LOAD_XID].is_off;
    r = sy_prometheus_new(origin, source, f->options.loop, f->join, &origin->prometheus, err);
    return r ? sy_err_wrap(err, r, "load source %s", source->name) : 0;
}

int sy_load_feed_new(const struct sy_load_options *options, struct sy_load_feed **ret,
                     struct sy_err *err)
{
    struct sy_load_feed *f = sy_xcalloc(1, sizeof(*f));
    uint32_t len = options->sources_len;
    int r = 0;

    f->options = *options;
    f->options.sources = NULL;
    f->options.sources_len = 0;
    f->origins = sy_xcalloc(len ? len : 1, sizeof(*f->origins));
    sy_rng_seed(&f->rng, options->seed);
    for (uint32_t i = 0; i < len && !f->join; i++) {
        if (options->sources[i].type == SY_LOAD_PROMETHEUS &&
            sy_prometheus_joins(&options->sources[i]))
            f->join = sy_load_join_new();
    }
    for (uint32_t i = 0; i < len && !r; i++) {
        r = start_origin(f, &f->origins[i], &options->sources[i], err);
        f->options.sources_len++;
    }
    if (r) {
        sy_load_feed_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void sy_load_feed_free(struct sy_load_feed *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->options.sources_len; i++) {
        sy_prometheus_free(f->origins[i].prometheus);
        sy_kube_list_free(f->origins[i].list);
        free(f->origins[i].name);
    }
    sy_load_join_free(f->join);
    free(f->origins);
    free(f);
}

void sy_load_feed_start(struct sy_load_feed *f)
{
    for (uint32_t i = 0; i < f->options.sources_len; i++) {
        if (f->origins[i].prometheus)
            sy_prometheus_start(f->origins[i].prometheus);
        else
            sy_kube_list_start(f->origins[i].list);
    }
}

struct sy_load_join *sy_load_feed_join(struct sy_load_feed *f)
{
    return f->join;
}

uint32_t sy_load_feed_len(const struct sy_load_feed *f)
{
    return f->options.sources_len;
}

void sy_load_feed_figures(const struct sy_load_feed *f, uint32_t source,
                          struct sy_load_figures *ret)
{
    const struct sy_origin *o = &f->origins[source];

    *ret = o->figures;
    ret->name = o->name;
    ret->is_up = o->prometheus ? sy_prometheus_is_up(o->prometheus) : sy_kube_list_is_up(o->list);
}
