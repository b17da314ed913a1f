/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api_explain.h"

enum { POINT_DIGITS = 3, FACTOR_DIGITS = 4, SECOND_DIGITS = 3 };

struct writer {
    struct sy_json j;
    const struct sy_strings *strings;
    const struct sy_explanation *e;
    sy_time_ns now;
    int64_t wall_now_ns;
};

static const char *text_of(const struct writer *w, sy_sid id)
{
    return id ? sy_strings_getz(w->strings, id) : NULL;
}

/* A moment of the core's clock as people see time. */
static void write_time(struct writer *w, const char *key, sy_time_ns at)
{
    char text[SY_RFC3339_MAX];

    sy_rfc3339_format(w->wall_now_ns - (w->now - at), 1, text);
    sy_json_text(&w->j, key, text);
}

static double seconds(sy_time_ns ns)
{
    return (double)ns / (double)SY_NS_PER_S;
}

static void write_pod(struct writer *w)
{
    const struct sy_pod_slot *p = w->e->pod;

    sy_json_object(&w->j, "pod");
    sy_json_text(&w->j, "namespace", sy_strings_getz(w->strings, p->ns));
    sy_json_text(&w->j, "name", p->name);
    sy_json_text(&w->j, "uid", p->uid);
    sy_json_text(&w->j, "schedulerName", text_of(w, p->spec->spec.scheduler_name));
    sy_json_i64(&w->j, "priority", p->priority);
    sy_json_end_object(&w->j);
}

static void begin_scores(struct writer *w, const char *node, double total)
{
    sy_json_object(&w->j, NULL);
    sy_json_text(&w->j, "node", node);
    sy_json_real(&w->j, "total", total, POINT_DIGITS);
    sy_json_array(&w->j, "scores");
}

static void write_score(struct writer *w, const struct sy_weighted_scorer *scorer, bool had_say,
                        double points)
{
    sy_json_object(&w->j, NULL);
    sy_json_text(&w->j, "plugin", scorer->scorer->name);
    sy_json_i64(&w->j, "weight", scorer->weight);
    if (had_say)
        sy_json_real(&w->j, "points", points, POINT_DIGITS);
    else
        sy_json_text(&w->j, "points", NULL);
    if (scorer->scorer->unit)
        sy_json_text(&w->j, "unit", scorer->scorer->unit);
    sy_json_end_object(&w->j);
}

static void end_scores(struct writer *w)
{
    sy_json_end_array(&w->j);
    sy_json_end_object(&w->j);
}

static void write_factors(struct writer *w, double capacity, double performance, double headroom,
                          double reliability)
{
    sy_json_object(&w->j, "weight");
    sy_json_real(&w->j, "capacity", capacity, FACTOR_DIGITS);
    sy_json_real(&w->j, "performance", performance, FACTOR_DIGITS);
    sy_json_real(&w->j, "headroom", headroom, FACTOR_DIGITS);
    sy_json_real(&w->j, "reliability", reliability, FACTOR_DIGITS);
    sy_json_real(&w->j, "product", capacity * performance * headroom * reliability, FACTOR_DIGITS);
    sy_json_end_object(&w->j);
}

static void write_record_nodes(struct writer *w)
{
    const struct sy_record *r = w->e->record;
    const struct sy_profile *profile = w->e->profile;

    sy_json_i64(&w->j, "feasibleNodes", r->feasible);
    sy_json_array(&w->j, "nodes");
    for (uint32_t n = 0; profile && n < r->nodes_len; n++) {
        const struct sy_record_node *node = &r->nodes[n];
        begin_scores(w, sy_strings_getz(w->strings, node->name), (double)node->total / 1000);
        for (uint32_t i = 0; i < profile->scorers_len; i++)
            write_score(w, &profile->scorers[i], node->points[i] != SY_RECORD_NO_POINTS,
                        (double)node->points[i] / 100);
        end_scores(w);
    }
    sy_json_end_array(&w->j);
    write_factors(w, (double)r->capacity, (double)r->performance, (double)r->headroom,
                  (double)r->reliability);
    sy_json_object(&w->j, "loadAgeSeconds");
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        if (r->load_age_s[m] != SY_RECORD_NO_AGE)
            sy_json_i64(&w->j, sy_load_metric_name((enum sy_load_metric)m), r->load_age_s[m]);
    }
    sy_json_end_object(&w->j);
}

/* What the last attempt came to. */
static void write_decision(struct writer *w)
{
    static const char *const RESULTS[] = {"Placed", "Refused", "Failed"};
    const struct sy_record *r = w->e->record;

    if (!r)
        return;
    sy_json_object(&w->j, "decision");
    sy_json_text(&w->j, "result", RESULTS[r->kind]);
    write_time(w, "time", r->at_ns);
    sy_json_real(&w->j, "ageSeconds", seconds(w->now - r->at_ns), SECOND_DIGITS);
    if (r->kind != SY_RECORD_PLACED) {
        sy_json_text(&w->j, "message", sy_strings_getz(w->strings, r->text));
    } else {
        sy_json_text(&w->j, "node", sy_strings_getz(w->strings, r->nodes[0].name));
        if (r->has_points)
            write_record_nodes(w);
    }
    sy_json_end_object(&w->j);
}

static void write_filter(struct writer *w, const struct sy_explain_filter *f)
{
    sy_json_object(&w->j, NULL);
    sy_json_text(&w->j, "plugin", f->plugin);
    sy_json_i64(&w->j, "nodes", f->nodes);
    sy_json_array(&w->j, "reasons");
    for (size_t i = 0; i < f->reasons.len; i++) {
        sy_json_object(&w->j, NULL);
        sy_json_text(&w->j, "reason", sy_strings_getz(w->strings, f->reasons.p[i].text));
        sy_json_i64(&w->j, "nodes", f->reasons.p[i].nodes);
        sy_json_end_object(&w->j);
    }
    sy_json_end_array(&w->j);
    sy_json_array(&w->j, "nearest");
    for (uint32_t i = 0; i < f->nearest_len; i++) {
        sy_json_object(&w->j, NULL);
        sy_json_text(&w->j, "node", sy_strings_getz(w->strings, f->nearest[i].node));
        sy_json_text(&w->j, "why", f->nearest[i].text);
        sy_json_end_object(&w->j);
    }
    sy_json_end_array(&w->j);
    sy_json_end_object(&w->j);
}

static void write_changes(struct writer *w)
{
    const struct sy_explanation *e = w->e;

    sy_json_array(&w->j, "changes");
    for (size_t i = 0; i < e->changes.len; i++) {
        const struct sy_explain_change *c = &e->changes.p[i];
        sy_json_object(&w->j, NULL);
        sy_json_text(&w->j, "kind", sy_explain_change_name(c->kind));
        sy_json_text(&w->j, "text", c->text);
        sy_json_i64(&w->j, "nodes", c->nodes);
        sy_json_text(&w->j, "node", text_of(w, c->node));
        sy_json_end_object(&w->j);
    }
    sy_json_end_array(&w->j);
}

static void write_rank(struct writer *w)
{
    const struct sy_explanation *e = w->e;

    sy_json_array(&w->j, "best");
    for (uint32_t n = 0; n < e->rank.len; n++) {
        const struct sy_ranked *r = &e->rank.nodes[n];
        begin_scores(w, sy_strings_getz(w->strings, e->best[n]), (double)r->total / 1000);
        for (uint32_t i = 0; i < e->profile->scorers_len; i++)
            write_score(w, &e->profile->scorers[i], r->points[i] != SY_POINTS_NONE,
                        (double)r->points[i] / 1000);
        end_scores(w);
    }
    sy_json_end_array(&w->j);
}

static void write_survey(struct writer *w)
{
    const struct sy_explanation *e = w->e;

    if (!e->has_survey)
        return;
    sy_json_object(&w->j, "now");
    sy_json_i64(&w->j, "nodes", e->nodes_alive);
    sy_json_i64(&w->j, "feasibleNodes", e->feasible);
    if (e->reject_plugin) {
        sy_json_object(&w->j, "rejected");
        sy_json_text(&w->j, "plugin", e->reject_plugin);
        sy_json_text(&w->j, "reason", text_of(w, e->reject_text));
        sy_json_end_object(&w->j);
    }
    sy_json_array(&w->j, "filters");
    for (size_t i = 0; i < e->filters.len; i++)
        write_filter(w, &e->filters.p[i]);
    sy_json_end_array(&w->j);
    write_changes(w);
    write_rank(w);
    sy_json_end_object(&w->j);
}

void sy_api_survey_write(struct sy_json *j, const struct sy_strings *strings,
                         const struct sy_explanation *e)
{
    struct writer w = {.j = *j, .strings = strings, .e = e};

    write_survey(&w);
    *j = w.j;
}

int sy_api_explain_write(struct sy_sched *sched, const struct sy_strings *strings, const char *ns,
                         const char *name, sy_time_ns now, int64_t wall_now_ns, struct sy_buf *out)
{
    struct sy_explanation e;
    struct writer w = {{.out = out}, strings, &e, now, wall_now_ns};

    int r = sy_sched_explain(sched, sy_str_from(ns), sy_str_from(name), &e);
    if (r)
        return r;
    sy_json_object(&w.j, NULL);
    sy_json_text(&w.j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&w.j, "kind", "Explanation");
    write_pod(&w);
    sy_json_text(&w.j, "state", sy_explain_state_name(e.state));
    sy_json_text(&w.j, "node", text_of(&w, e.node));
    if (e.nominated_node)
        sy_json_text(&w.j, "nominatedNode", text_of(&w, e.nominated_node));
    sy_json_i64(&w.j, "attempts", e.attempts);
    if (e.queued_ns) {
        write_time(&w, "queuedSince", e.queued_ns);
        sy_json_real(&w.j, "queuedSeconds", seconds(now - e.queued_ns), SECOND_DIGITS);
    }
    if (e.next_look_ns && e.next_look_ns != INT64_MAX)
        sy_json_real(&w.j, "nextLookSeconds",
                     e.next_look_ns > now ? seconds(e.next_look_ns - now) : 0, SECOND_DIGITS);
    write_decision(&w);
    write_survey(&w);
    sy_json_end_object(&w.j);
    sy_explanation_done(&e);
    return 0;
}
