/* SPDX-License-Identifier: Apache-2.0
 *
 * steelyard explain: why a pod waits or went where it went, as the running scheduler says. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cmd.h"

static const char COMMAND[] = "steelyard explain";
static const char USAGE[] = "usage: steelyard explain pod [NAMESPACE/]NAME [FLAGS]\n"
                            "\n"
                            "Asks the running scheduler why a pod waits and what by itself would "
                            "let it fit, or why it went\n"
                            "where it went.\n"
                            "\n" ASK_USAGE;

static const char *plural(double n)
{
    return n == 1 ? "" : "s";
}

/* "12.3s", "4m05s", "3h12m". */
static void print_age(double seconds)
{
    if (seconds < 60)
        printf("%.1fs", seconds);
    else if (seconds < 3600)
        printf("%.0fm%02.0fs", floor(seconds / 60), floor(fmod(seconds, 60)));
    else
        printf("%.0fh%02.0fm", floor(seconds / 3600), floor(fmod(seconds, 3600) / 60));
}

static void print_state(struct json_object *e)
{
    static const struct {
        const char *state;
        const char *words;
    } WORDS[] = {
        {"NotOurs", "no profile of this scheduler has its schedulerName"},
        {"Gated", "has scheduling gates; it is looked at when they are gone"},
        {"Active", "about to be decided"},
        {"Backoff", "something failed; it is tried again"},
        {"Waiting", "no node will do"},
        {"BindingVolumes", "has a node; its volumes are being bound"},
        {"Binding", "has a node; the bind is under way"},
        {"Bound", "has a node"},
        {"Terminating", "is going away"},
    };
    const char *state = ask_text(e, "state"), *node = ask_text(e, "node");

    printf("State:     %s", state);
    for (size_t i = 0; i < SY_ARRAY_LEN(WORDS); i++) {
        if (strcmp(WORDS[i].state, state) == 0)
            printf(": %s", WORDS[i].words);
    }
    printf("\n");
    if (*node)
        printf("Node:      %s\n", node);
    if (*ask_text(e, "nominatedNode"))
        printf("Nominated: %s, where room is being made\n", ask_text(e, "nominatedNode"));
    if (ask_get_object(e, "queuedSeconds")) {
        printf("Waits for: ");
        print_age(ask_number(e, "queuedSeconds"));
        printf(", %.0f attempt%s", ask_number(e, "attempts"), plural(ask_number(e, "attempts")));
        if (ask_get_object(e, "nextLookSeconds")) {
            fputs(strcmp(ask_text(e, "state"), "Waiting") == 0
                      ? "; next look when something changes, at latest in "
                      : "; next step in ",
                  stdout);
            print_age(ask_number(e, "nextLookSeconds"));
        }
        printf("\n");
    }
}

/* What points count that are not of 100. */
static void print_units(struct json_object *scores)
{
    for (size_t i = 0; i < ask_len(scores); i++) {
        struct json_object *score = json_object_array_get_idx(scores, i);
        if (*ask_text(score, "unit"))
            printf("  * %s: %s, and below 0 for a loss\n", ask_text(score, "plugin"),
                   ask_text(score, "unit"));
    }
}

/* One row for each scorer, one column for each node. */
static void print_scores(struct json_object *nodes)
{
    struct json_object *first = ask_len(nodes) ? json_object_array_get_idx(nodes, 0) : NULL;
    struct json_object *scores = ask_get_object(first, "scores");

    if (!first)
        return;
    printf("  %-34s %6s", "POINTS OF 100", "WEIGHT");
    for (size_t n = 0; n < ask_len(nodes); n++)
        printf(" %20.20s", ask_text(json_object_array_get_idx(nodes, n), "node"));
    printf("\n");
    for (size_t i = 0; i < ask_len(scores); i++) {
        struct json_object *score = json_object_array_get_idx(scores, i);
        char name[64];
        snprintf(name, sizeof(name), "%.60s%s", ask_text(score, "plugin"),
                 *ask_text(score, "unit") ? "*" : "");
        printf("  %-34s %6.0f", name, ask_number(score, "weight"));
        for (size_t n = 0; n < ask_len(nodes); n++) {
            struct json_object *all = ask_get_object(json_object_array_get_idx(nodes, n), "scores");
            struct json_object *at = i < ask_len(all) ? json_object_array_get_idx(all, i) : NULL;
            if (ask_get_object(at, "points"))
                printf(" %20.2f", ask_number(at, "points"));
            else
                printf(" %20s", "-");
        }
        printf("\n");
    }
    printf("  %-34s %6s", "total", "");
    for (size_t n = 0; n < ask_len(nodes); n++)
        printf(" %20.2f", ask_number(json_object_array_get_idx(nodes, n), "total"));
    printf("\n");
    print_units(scores);
}

static void print_decision(struct json_object *e)
{
    struct json_object *d = ask_get_object(e, "decision"), *weight = ask_get_object(d, "weight"),
                       *ages = ask_get_object(d, "loadAgeSeconds");
    bool has_ages = false;

    if (!d) {
        if (strcmp(ask_text(e, "state"), "Bound") == 0)
            printf("\nNo record of the decision: another scheduler made it, or it is too old.\n");
        return;
    }
    printf("\nLast attempt (");
    print_age(ask_number(d, "ageSeconds"));
    printf(" ago): ");
    if (*ask_text(d, "message")) {
        printf("%s\n", ask_text(d, "message"));
        return;
    }
    printf("node %s", ask_text(d, "node"));
    if (!weight) {
        printf("; decided in one turn with equal pods, of which the first has the points\n");
        return;
    }
    printf(", the best of %.0f that would do\n", ask_number(d, "feasibleNodes"));
    print_scores(ask_get_object(d, "nodes"));
    printf("  weight of %s: capacity %.3f x performance %.3f x headroom %.3f x reliability %.3f = "
           "%.3f\n",
           ask_text(d, "node"), ask_number(weight, "capacity"), ask_number(weight, "performance"),
           ask_number(weight, "headroom"), ask_number(weight, "reliability"),
           ask_number(weight, "product"));
    if (!ages)
        return;
    json_object_object_foreach(ages, metric, age)
    {
        printf("%s %s %.0fs old", has_ages ? "," : "  measured load:", metric,
               json_object_get_double(age));
        has_ages = true;
    }
    printf("%s\n", has_ages ? "" : "  measured load: none, requests alone counted");
}

static void print_filters(struct json_object *now)
{
    struct json_object *filters = ask_get_object(now, "filters");

    if (ask_len(filters))
        printf("  %-24s %6s  REASON, NEAREST NODES\n", "REFUSED BY", "NODES");
    for (size_t i = 0; i < ask_len(filters); i++) {
        struct json_object *f = json_object_array_get_idx(filters, i),
                           *reasons = ask_get_object(f, "reasons"),
                           *nearest = ask_get_object(f, "nearest");
        for (size_t n = 0; n < ask_len(reasons); n++) {
            struct json_object *reason = json_object_array_get_idx(reasons, n);
            printf("  %-24s %6.0f  %s\n", n ? "" : ask_text(f, "plugin"),
                   ask_number(reason, "nodes"), ask_text(reason, "reason"));
        }
        for (size_t n = 0; n < ask_len(nearest); n++) {
            struct json_object *near = json_object_array_get_idx(nearest, n);
            printf("  %-24s %6s    %s %s\n", "", "", ask_text(near, "node"), ask_text(near, "why"));
        }
    }
}

static void print_now(struct json_object *e)
{
    struct json_object *now = ask_get_object(e, "now"), *rejected = ask_get_object(now, "rejected"),
                       *changes = ask_get_object(now, "changes");

    if (!now)
        return;
    printf("\nNow: %.0f of %.0f node%s would do\n", ask_number(now, "feasibleNodes"),
           ask_number(now, "nodes"), plural(ask_number(now, "nodes")));
    if (rejected)
        printf("  %s turns the pod away: %s\n", ask_text(rejected, "plugin"),
               ask_text(rejected, "reason"));
    print_filters(now);
    print_scores(ask_get_object(now, "best"));
    if (rejected || ask_number(now, "feasibleNodes") > 0)
        return;
    if (!ask_len(changes))
        printf("\nNo single change of the pod would let it fit.\n");
    else
        printf("\nAny one of these would let it fit, the smallest first:\n");
    for (size_t i = 0; i < ask_len(changes); i++)
        printf("  - %s\n", ask_text(json_object_array_get_idx(changes, i), "text"));
}

static void print_explanation(struct json_object *e)
{
    struct json_object *pod = ask_get_object(e, "pod");

    printf("Pod:       %s/%s (scheduler %s, priority %.0f)\n", ask_text(pod, "namespace"),
           ask_text(pod, "name"), ask_text(pod, "schedulerName"), ask_number(pod, "priority"));
    print_state(e);
    print_decision(e);
    print_now(e);
}

static int explain_pod(const struct ask *ask, const char *pod)
{
    const char *slash = strchr(pod, '/');
    struct json_object *answer = NULL;
    struct sy_buf path, body;

    sy_buf_init(&path, 8192);
    sy_buf_adds(&path, "/steelyard/v1/explain?namespace=");
    char *ns = slash ? sy_xstrndup(pod, (size_t)(slash - pod)) : sy_xstrdup("default");
    ask_encode(&path, ns);
    free(ns);
    sy_buf_adds(&path, "&pod=");
    ask_encode(&path, slash ? slash + 1 : pod);
    if (path.failed) {
        sy_buf_done(&path);
        return cmd_usage_error(COMMAND, "the name is too long");
    }
    int status = ask_get(ask, COMMAND, path.p, &body, &answer);
    if (status == CMD_OK && ask->as_json)
        fwrite(body.p, 1, body.len, stdout);
    else if (status == CMD_OK)
        print_explanation(answer);
    json_object_put(answer);
    sy_buf_done(&body);
    sy_buf_done(&path);
    return status;
}

int cmd_explain(int argc, char **argv)
{
    static const struct option FLAGS[] = {ASK_FLAGS, {0}};
    struct ask ask = {0};

    int status = ask_flags(&ask, argc, argv, FLAGS, COMMAND, USAGE, NULL);
    if (status != -1)
        return status;
    if (argc - optind != 2 || strcmp(argv[optind], "pod") != 0)
        return cmd_usage_error(COMMAND, "give pod NAMESPACE/NAME");
    return explain_pod(&ask, argv[optind + 1]);
}
