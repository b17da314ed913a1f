/* SPDX-License-Identifier: Apache-2.0
 *
 * steelyard top: how utilized the nodes are and what they weigh, as the running scheduler sees
 * them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "cmd.h"

static const char COMMAND[] = "steelyard top";
static const char USAGE[] =
    "usage: steelyard top nodes [FLAGS]\n"
    "\n"
    "Asks the running scheduler how utilized each node is (what is requested, or more where more "
    "is\n"
    "measured: then marked with *), whether it is over or under half, and what it weighs.\n"
    "\n"
    "  --sort-by KEY           name, cpu, memory, gpu or weight (name)\n" ASK_USAGE;

enum { FLAG_SORT_BY = 1 };

struct row {
    const char *name;
    const char *state;
    const char *status;
    double pods, cpu, memory, gpu, weight, capacity, performance, headroom, reliability;
    bool has_gpu, cpu_measured, memory_measured, gpu_measured;
};

static const char *sort_by;

static double key_of(const struct row *r)
{
    if (strcmp(sort_by, "cpu") == 0)
        return r->cpu;
    if (strcmp(sort_by, "memory") == 0)
        return r->memory;
    if (strcmp(sort_by, "gpu") == 0)
        return r->gpu;
    return r->weight;
}

/* Names upwards, figures downwards. */
static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (strcmp(sort_by, "name") != 0 && key_of(x) != key_of(y))
        return key_of(x) > key_of(y) ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* GPUs and slices of them together, by what is requested; more where more is measured. */
static void read_resources(struct json_object *resources, struct json_object *gpus, struct row *r)
{
    const char *gpu = ask_text(gpus, "resource");
    double fullest = -1;

    r->has_gpu = ask_number(gpus, "totalMilli") > 0;
    if (r->has_gpu)
        r->gpu = ask_number(gpus, "requestedMilli") / ask_number(gpus, "totalMilli");
    for (size_t i = 0; i < ask_len(resources); i++) {
        struct json_object *o = json_object_array_get_idx(resources, i);
        const char *name = ask_text(o, "resource");
        double used = ask_number(o, "utilization");
        bool measured = ask_get_object(o, "measured") && used > ask_number(o, "requested");
        if (strcmp(name, "cpu") == 0) {
            r->cpu = used;
            r->cpu_measured = measured;
        } else if (strcmp(name, "memory") == 0) {
            r->memory = used;
            r->memory_measured = measured;
        } else if (*gpu && strcmp(name, gpu) == 0) {
            r->gpu_measured = measured && used > r->gpu;
            r->gpu = r->gpu_measured ? used : r->gpu;
        } else if (strncmp(name, "nvidia.com/mig-", 15) != 0) {
            continue;
        }
        if (used > fullest) {
            fullest = used;
            r->state = ask_text(o, "state");
        }
    }
}

static void read_row(struct json_object *node, struct row *r)
{
    struct json_object *weight = ask_get_object(node, "weight");
    bool is_ready = json_object_get_boolean(ask_get_object(node, "ready"));
    bool is_open = json_object_get_boolean(ask_get_object(node, "schedulable"));

    *r = (struct row){
        .name = ask_text(node, "name"),
        .state = "",
        .status = !is_ready  ? "NotReady"
                  : !is_open ? "Cordoned"
                             : "Ready",
        .pods = ask_number(node, "pods"),
        .weight = ask_number(weight, "product"),
        .capacity = ask_number(weight, "capacity"),
        .performance = ask_number(weight, "performance"),
        .headroom = ask_number(weight, "headroom"),
        .reliability = ask_number(weight, "reliability"),
    };
    read_resources(ask_get_object(node, "resources"), ask_get_object(node, "gpus"), r);
    struct json_object *failure = ask_get_object(node, "failure");
    const char *state = failure ? ask_text(failure, "state") : "Healthy";
    if (strcmp(state, "Healthy") != 0)
        r->status = state;
}

static void print_share(bool is_there, double share, bool is_measured)
{
    if (is_there)
        printf(" %6.1f%%%s", share * 100, is_measured ? "*" : " ");
    else
        printf(" %7s ", "-");
}

/* GPUs that take no pods, and pods that are on them all the same. */
static void print_unhealthy(struct json_object *node)
{
    struct json_object *gpus = ask_get_object(node, "gpus"),
                       *devices = ask_get_object(gpus, "devices"),
                       *pods = ask_get_object(gpus, "podsOnUnhealthy");
    bool any = false;

    for (size_t i = 0; i < ask_len(devices); i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);
        if (strcmp(ask_text(device, "state"), "Unhealthy") != 0)
            continue;
        if (any)
            printf(",%.0f", ask_number(device, "device"));
        else
            printf("\n%s: unhealthy GPUs %.0f", ask_text(node, "name"),
                   ask_number(device, "device"));
        any = true;
    }
    for (size_t i = 0; any && i < ask_len(pods); i++) {
        struct json_object *pod = json_object_array_get_idx(pods, i);
        printf("%s %s/%s (%s)", i ? "," : "; pods on them:", ask_text(pod, "namespace"),
               ask_text(pod, "name"), ask_text(pod, "devices"));
    }
    if (any)
        printf("\n");
}

static void print_nodes(struct json_object *answer)
{
    struct json_object *nodes = ask_get_object(answer, "nodes");
    size_t len = ask_len(nodes);
    struct row *rows = sy_xcalloc(len ? len : 1, sizeof(*rows));
    int width = 4;

    for (size_t i = 0; i < len; i++) {
        read_row(json_object_array_get_idx(nodes, i), &rows[i]);
        int name_len = (int)strlen(rows[i].name);
        width = name_len > width ? name_len : width;
    }
    qsort(rows, len, sizeof(*rows), by_key);
    printf("%-*s %-8s %5s %8s %8s %8s  %-11s %6s = %5s x %5s x %5s x %5s\n", width, "NODE",
           "STATUS", "PODS", "CPU ", "MEMORY ", "GPU ", "STATE", "WEIGHT", "CAPAC", "PERF", "HEADR",
           "RELIA");
    for (size_t i = 0; i < len; i++) {
        const struct row *r = &rows[i];
        printf("%-*s %-8s %5.0f", width, r->name, r->status, r->pods);
        print_share(true, r->cpu, r->cpu_measured);
        print_share(true, r->memory, r->memory_measured);
        print_share(r->has_gpu, r->gpu, r->gpu_measured);
        printf("  %-11s %6.3f = %5.3f x %5.3f x %5.3f x %5.3f\n", r->state, r->weight, r->capacity,
               r->performance, r->headroom, r->reliability);
    }
    for (size_t i = 0; i < len; i++)
        print_unhealthy(json_object_array_get_idx(nodes, i));
    free(rows);
}

static int top_nodes(const struct ask *ask)
{
    struct json_object *answer = NULL;
    struct sy_buf body;

    int status = ask_get(ask, COMMAND, "/steelyard/v1/nodes", &body, &answer);
    if (status == CMD_OK && ask->as_json)
        fwrite(body.p, 1, body.len, stdout);
    else if (status == CMD_OK)
        print_nodes(answer);
    json_object_put(answer);
    sy_buf_done(&body);
    return status;
}

int cmd_top(int argc, char **argv)
{
    static const struct option FLAGS[] = {
        ASK_FLAGS, {"sort-by", required_argument, NULL, FLAG_SORT_BY}, {0}};
    static const char *const KEYS[] = {"name", "cpu", "memory", "gpu", "weight"};
    struct ask ask = {0};
    const char *own[] = {[FLAG_SORT_BY] = "name"};
    bool is_known = false;

    int status = ask_flags(&ask, argc, argv, FLAGS, COMMAND, USAGE, own);
    if (status != -1)
        return status;
    sort_by = own[FLAG_SORT_BY];
    for (size_t i = 0; i < SY_ARRAY_LEN(KEYS); i++)
        is_known = is_known || strcmp(KEYS[i], sort_by) == 0;
    if (!is_known)
        return cmd_usage_error(COMMAND, "cannot sort by \"%s\"", sort_by);
    if (argc - optind != 1 || strcmp(argv[optind], "nodes") != 0)
        return cmd_usage_error(COMMAND, "give nodes");
    return top_nodes(&ask);
}
