/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole of kube-scheduler's default profile through our engine: who refuses which node and why,
 * what the feasible ones score in total, and which are tied for the best. */
#include "check.h"

#include <stdio.h>
#include <string.h>

static const char SECTION[] = "(framework)";

struct run {
    struct oracle *o;
    struct oracle_case *c;
    struct json_object *says;
    const struct sy_profile *profile;
    struct sy_survey survey;
};

static void differ(const struct run *r, const char *node, const char *expected, const char *got)
{
    oracle_differ(r->o, r->c, SECTION, node, expected, got);
}

static bool check_rejection(const struct run *r)
{
    struct json_object *pre = oracle_get(r->says, "preFilter");
    const struct sy_outcome *out = &r->survey.outcome;
    char expected[ORACLE_STATUS_MAX], got[ORACLE_STATUS_MAX];
    bool rejects = strcmp(oracle_text(pre, "code"), "Success") != 0;
    bool we_reject = out->reject.code != SY_FIT && !r->survey.verdicts;

    if (!rejects && !we_reject)
        return false;
    oracle_status(pre, expected);
    oracle_verdict(r->c, &out->reject, out->reject_plugin, got);
    if (strcmp(expected, got) != 0)
        differ(r, "PreFilter", expected, got);
    return true;
}

static void check_verdicts(const struct run *r)
{
    struct json_object *filter = oracle_get(r->says, "filter");
    char expected[ORACLE_STATUS_MAX], got[ORACLE_STATUS_MAX];

    if (!filter)
        return;
    json_object_object_foreach(filter, node, status)
    {
        uint32_t slot = oracle_node(r->c, node);
        const struct sy_verdict *v =
            slot < r->survey.verdicts_len
                ? sy_shapes_verdict(&r->c->shapes, r->survey.verdicts[slot])
                : NULL;
        oracle_status(status, expected);
        if (!v)
            snprintf(got, sizeof(got), "no such node");
        else if (v->reasons_len && v->reasons[0] == r->c->shapes.texts.not_selected_by_plugin)
            snprintf(got, sizeof(got), "NotInPreFilterResult");
        else
            oracle_verdict(r->c, v, v->code ? r->profile->filters[v->filter]->name : NULL, got);
        if (strcmp(expected, got) != 0)
            differ(r, node, expected, got);
    }
}

static const char *name_of(const struct run *r, uint32_t slot)
{
    return slot == SY_NONE ? "none"
                           : sy_strings_getz(r->c->strings, r->c->cluster.nodes[slot].node.name);
}

/* A filter that fails on one node ends the attempt. Whether one did, in either. */
static bool check_filter_error(const struct run *r, struct sy_shape *shape)
{
    const char *error = oracle_text(r->says, "filterError");
    const struct sy_outcome *out = &r->survey.outcome;
    bool we_fail = out->reject.code == SY_ERROR && !r->survey.totals;
    const char *text =
        we_fail ? sy_strings_getz(r->c->strings, out->reject.reasons[0]) : "no error";

    if (!*error && !(we_fail && strstr(text, " filter plugin: ")))
        return false;
    if (strcmp(error, text) != 0)
        differ(r, "Filter", *error ? error : "no error", text);
    struct sy_outcome best = sy_shape_best(&r->c->shapes, shape);
    if (best.reject.code != SY_ERROR ||
        strcmp(error, sy_strings_getz(r->c->strings, best.reject.reasons[0])) != 0)
        differ(r, "the engine's choice", error, name_of(r, best.node));
    return true;
}

static bool check_score_error(const struct run *r)
{
    const char *error = oracle_text(r->says, "scoreError");
    const struct sy_outcome *out = &r->survey.outcome;
    bool we_fail = out->reject.code == SY_ERROR;

    if (we_fail != (*error != '\0') || (we_fail && !strstr(error, out->reject_plugin)))
        differ(r, "PreScore", *error ? error : "no error", we_fail ? out->reject_plugin : "none");
    return we_fail || *error;
}

static bool is_listed(struct json_object *list, const char *name)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name) == 0)
            return true;
    }
    return false;
}

static void check_totals(const struct run *r)
{
    struct json_object *total = oracle_get(r->says, "total");
    struct json_object *best = oracle_get(r->says, "best");
    int64_t most = INT64_MIN;

    for (uint32_t i = 0; i < r->survey.nodes_len; i++)
        most = r->survey.totals[i] > most ? r->survey.totals[i] : most;
    for (uint32_t i = 0; i < r->survey.nodes_len; i++) {
        const char *name = name_of(r, r->survey.nodes[i]);
        int64_t points = r->survey.totals[i];
        oracle_differ_number(r->o, r->c, SECTION, name, "total in thousandths",
                             json_object_get_int64(oracle_get(total, name)) * 1000, points);
        if ((points == most) != is_listed(best, name))
            differ(r, name, is_listed(best, name) ? "among the best" : "not among the best",
                   points == most ? "among the best" : "not among the best");
    }
}

/* The engine's own choice, with all its short cuts, over the nodes that it found feasible. */
static void check_choice(const struct run *r, struct sy_shape *shape)
{
    struct json_object *feasible = oracle_get(r->says, "feasible");
    struct json_object *best = oracle_get(r->says, "best");
    size_t len = feasible ? json_object_array_length(feasible) : 0;
    const char *node = name_of(r, sy_shape_best(&r->c->shapes, shape).node);

    oracle_differ_number(r->o, r->c, SECTION, NULL, "feasible nodes", (int64_t)len,
                         r->survey.nodes_len);
    if (len > 1 ? best && !is_listed(best, node) : len == 1 && !is_listed(feasible, node))
        differ(r, NULL, json_object_to_json_string(len > 1 ? best : feasible), node);
    oracle_differ_number(r->o, r->c, SECTION, NULL, "cached answers that are wrong", 0,
                         sy_shape_check(&r->c->shapes, shape));
}

/* The text of FailedScheduling; what preemption adds to it is for preemption.c. */
static void check_message(const struct run *r, struct sy_shape *shape)
{
    const char *expected = oracle_text(r->says, "fitError");

    if (!*expected)
        return;
    const char *got = sy_shape_message(&r->c->shapes, shape);
    size_t len = strlen(got);
    bool is_same = strncmp(expected, got, len) == 0 &&
                   (!expected[len] || strncmp(expected + len, " preemption: ", 13) == 0);
    if (!is_same)
        differ(r, "message", expected, got);
}

void oracle_check_framework(struct oracle *o, struct oracle_case *c)
{
    struct sy_profile profile;
    struct run r = {.o = o, .c = c, .says = oracle_get(c->json, "framework"), .profile = &profile};

    if (!r.says)
        return;
    oracle_saw(o, SECTION);
    sy_profile_kube(&profile, "default-scheduler");
    struct sy_shape *shape = sy_shape_ref(&c->shapes, &c->cluster.pods.p[c->pod], &profile);
    c->shapes.asking = c->pod;
    r.survey = sy_shape_survey(&c->shapes, shape);
    if (!check_rejection(&r)) {
        check_verdicts(&r);
        bool failed = check_filter_error(&r, shape);
        if (!failed && r.survey.nodes_len && !check_score_error(&r))
            check_totals(&r);
        if (r.survey.outcome.reject.code == SY_FIT)
            check_choice(&r, shape);
    }
    check_message(&r, shape);
    c->shapes.asking = SY_NONE;
    sy_shape_unref(&c->shapes, shape);
    sy_shapes_drop_caches(&c->shapes);
}
