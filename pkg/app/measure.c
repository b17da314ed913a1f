/* SPDX-License-Identifier: Apache-2.0 */
#include "app/measure.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "sched/inputs.h"

_Static_assert((int)SY_LOAD_SOURCES_MAX <= (int)SY_LOAD_FIGURES_MAX, "room for every source");
_Static_assert((int)SY_LOAD_OUTCOMES <= (int)SY_LOAD_OUTCOMES_MAX, "room for every outcome");

struct sy_measure {
    struct sy_measure_options options;
    struct sy_load_feed *feed;
    bool is_started;
};

static const char *outcome_name(int outcome)
{
    switch (outcome) {
    case SY_LOAD_MALFORMED:
        return "malformed";
    case SY_LOAD_DUPLICATE:
        return "duplicate";
    case SY_LOAD_DOUBTED:
        return "doubted";
    case SY_LOAD_SUPERSEDED:
        return "superseded";
    case SY_LOAD_PARTIAL:
        return "partial";
    default:
        return sy_load_result_name((enum sy_load_result)outcome);
    }
}

static enum sy_load_result on_sample(void *arg, struct sy_str node,
                                     const struct sy_load_sample *sample)
{
    const struct sy_measure *m = arg;
    sy_sid name = sy_strings_find(m->options.strings, node);

    if (!name)
        return SY_LOAD_UNJOINED;
    return sy_sched_load(m->options.sched, name, sample, sy_loop_now_ns(m->options.loop));
}

static void on_samples(void *arg)
{
    const struct sy_measure *m = arg;

    m->options.on_input(m->options.arg);
}

static void on_state(void *arg, const char *source, const char *what, const struct sy_err *err,
                     int64_t retry_in_ns)
{
    (void)arg;
    if (!err) {
        sy_log_info("load is measured again", "source", source, "metric", what);
        return;
    }
    const char *hint = err->http_status == 403   ? "the account may not read it"
                       : err->http_status == 404 ? "nothing serves it"
                                                 : NULL;
    sy_log_warn("load is not measured; requests count alone once what was measured is old",
                "source", source, "metric", what, "error", sy_err_text(err, err->code),
                "retrying_in", SY_FMT("%.1fs", (double)retry_in_ns / (double)SY_NS_PER_S), "hint",
                hint ? hint : "see steelyard_load_source_up");
}

static void on_left_out(void *arg, const char *source, const char *what, int outcome,
                        uint64_t count, const char *example)
{
    (void)arg;
    if (outcome == SY_LOAD_PARTIAL) {
        sy_log_warn("an answer about load may be incomplete", "source", source, "metric", what,
                    "warning", example);
        return;
    }
    sy_log_warn("measurements are left out; requests count alone there", "source", source, "metric",
                what, "result", outcome_name(outcome), "count",
                SY_FMT("%llu", (unsigned long long)count), "example", example);
}

int sy_measure_new(const struct sy_config_load *config, const struct sy_measure_options *options,
                   struct sy_measure **ret, struct sy_err *err)
{
    struct sy_load_source sources[SY_LOAD_SOURCES_MAX];
    struct sy_measure *m = sy_xcalloc(1, sizeof(*m));
    struct sy_load_options feed = {
        .loop = options->loop,
        .kube = options->kube,
        .sources = sources,
        .sources_len = sy_config_load_sources(config, sources),
        .seed = sy_rng_entropy(),
        .on_sample = on_sample,
        .on_samples = on_samples,
        .on_state = on_state,
        .on_left_out = on_left_out,
        .arg = m,
    };
    int r = 0;

    m->options = *options;
    if (feed.sources_len)
        r = sy_load_feed_new(&feed, &m->feed, err);
    if (r || !m->feed) {
        free(m);
        m = NULL;
    }
    if (!r)
        *ret = m;
    return r;
}

void sy_measure_free(struct sy_measure *m)
{
    if (!m)
        return;
    sy_load_feed_free(m->feed);
    free(m);
}

void sy_measure_start(struct sy_measure *m)
{
    if (m->is_started)
        return;
    m->is_started = true;
    sy_load_feed_start(m->feed);
}

struct sy_load_join *sy_measure_join(struct sy_measure *m)
{
    return m ? sy_load_feed_join(m->feed) : NULL;
}

static void fill(const struct sy_load_figures *f, sy_time_ns now,
                 struct sy_load_source_figures *ret)
{
    *ret = (struct sy_load_source_figures){
        .name = f->name,
        .is_up = f->is_up,
        .has_xid = f->has_xid,
        .xid_nodes = f->xid_nodes,
        .answers = f->answers,
        .failures = f->failures,
    };
    for (int i = 0; i < SY_LOAD_OUTCOMES; i++) {
        ret->outcomes[ret->outcomes_len].result = outcome_name(i);
        ret->outcomes[ret->outcomes_len++].count = f->outcomes[i];
    }
    for (int i = 0; i < SY_LOAD_METRICS; i++) {
        ret->has[i] = f->has[i];
        ret->age_s[i] = (double)(now - f->at_ns[i]) / (double)SY_NS_PER_S;
    }
}

void sy_measure_figures(const struct sy_measure *m, struct sy_figures *ret)
{
    struct sy_load_figures f;

    for (uint32_t i = 0; i < sy_load_feed_len(m->feed); i++) {
        sy_load_feed_figures(m->feed, i, &f);
        fill(&f, sy_clock_boot_ns(), &ret->loads[ret->loads_len++]);
    }
}
