/* SPDX-License-Identifier: Apache-2.0
 *
 * steelyard queue: the queues that share the cluster, what each has and why its pods wait, as the
 * running scheduler sees them.
 */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cmd.h"

static const char COMMAND[] = "steelyard queue";
static const char USAGE[] =
    "usage: steelyard queue [NAME] [FLAGS]\n"
    "\n"
    "Asks the running scheduler what the queues of its configuration use, what is guaranteed to "
    "them,\n"
    "where they end, what they deserve and what their pods wait for. NAME: this one alone.\n"
    "\n" ASK_USAGE;

enum { AMOUNT_MAX = 24, NAME_COLUMN_MIN = 5 };

/* "64Gi", "1.5". */
static const char *amount_text(const char *resource, double amount, char room[AMOUNT_MAX])
{
    static const char *const UNITS[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
    bool is_bytes = strcmp(resource, "memory") == 0 || strcmp(resource, "ephemeral-storage") == 0;
    size_t unit = 0;

    for (; is_bytes && amount >= 1024 && unit + 1 < sizeof(UNITS) / sizeof(*UNITS); unit++)
        amount /= 1024;
    if (amount >= 1e6)
        snprintf(room, AMOUNT_MAX, "%.3g%s", amount, UNITS[unit]);
    else
        snprintf(room, AMOUNT_MAX, "%.6g%s", (double)(int64_t)(amount * 1000 + 0.5) / 1000,
                 UNITS[unit]);
    return room;
}

static void print_amount(struct json_object *resource, const char *key)
{
    char room[AMOUNT_MAX];

    printf(" %9s", ask_get_object(resource, key) ? amount_text(ask_text(resource, "resource"),
                                                               ask_number(resource, key), room)
                                                 : "-");
}

static struct json_object *find(struct json_object *queues, const char *name)
{
    for (size_t i = 0; i < ask_len(queues); i++) {
        struct json_object *q = json_object_array_get_idx(queues, i);
        if (strcmp(ask_text(q, "name"), name) == 0)
            return q;
    }
    return NULL;
}

static int depth_of(struct json_object *queues, struct json_object *q)
{
    int depth = 0;

    while (q && *ask_text(q, "parent") && depth < 16) {
        q = find(queues, ask_text(q, "parent"));
        depth++;
    }
    return depth;
}

static void print_reason(struct json_object *waiting, const char *key, const char *what,
                         bool *is_first)
{
    double pods = ask_number(waiting, key);

    if (pods > 0)
        printf("%s%.0f %s", *is_first ? "" : ", ", pods, what);
    *is_first = *is_first && !(pods > 0);
}

static void print_waiting(struct json_object *q)
{
    struct json_object *waiting = ask_get_object(q, "waitingFor");
    bool is_first = true;

    print_reason(waiting, "quota", "for quota", &is_first);
    print_reason(waiting, "room", "for room", &is_first);
    print_reason(waiting, "gang", "for their gang", &is_first);
    print_reason(waiting, "turn", "for their turn", &is_first);
}

/* A line for each resource; the first has what goes for the queue. */
static void print_queue(struct json_object *q, int depth, int width, int resource_width)
{
    struct json_object *resources = ask_get_object(q, "resources");
    size_t len = ask_len(resources);

    for (size_t i = 0; i < len || i == 0; i++) {
        struct json_object *r = len ? json_object_array_get_idx(resources, i) : NULL;
        if (i)
            printf("%*s %6s %7s %5s %7s", width, "", "", "", "", "");
        else
            printf("%*s%-*s %6.6g %6.1f%% %5.0f %7.0f", 2 * depth, "", width - 2 * depth,
                   ask_text(q, "name"), ask_number(q, "weight"),
                   ask_number(q, "dominantShare") * 100, ask_number(q, "pods"),
                   ask_number(q, "pendingPods"));
        printf("  %-*s", resource_width, r ? ask_text(r, "resource") : "-");
        print_amount(r, "used");
        print_amount(r, "guaranteed");
        print_amount(r, "deserved");
        print_amount(r, "limit");
        print_amount(r, "pending");
        printf("  ");
        if (!i)
            print_waiting(q);
        putchar('\n');
    }
}

static int print_queues(struct json_object *answer, const char *name)
{
    struct json_object *queues = ask_get_object(answer, "queues");
    int width = NAME_COLUMN_MIN, resource_width = 8;

    if (!ask_len(queues)) {
        puts("the configuration has no queues: all pods are in one");
        return name ? CMD_FAILED : CMD_OK;
    }
    if (name && !find(queues, name)) {
        fprintf(stderr, "%s: there is no queue \"%s\"\n", COMMAND, name);
        return CMD_FAILED;
    }
    for (size_t i = 0; i < ask_len(queues); i++) {
        struct json_object *q = json_object_array_get_idx(queues, i);
        struct json_object *resources = ask_get_object(q, "resources");
        int len = 2 * depth_of(queues, q) + (int)strlen(ask_text(q, "name"));
        width = len > width ? len : width;
        for (size_t n = 0; n < ask_len(resources); n++) {
            len = (int)strlen(ask_text(json_object_array_get_idx(resources, n), "resource"));
            resource_width = len > resource_width ? len : resource_width;
        }
    }
    printf("%-*s %6s %7s %5s %7s  %-*s %9s %9s %9s %9s %9s  %s\n", width, "QUEUE", "WEIGHT",
           "SHARE", "PODS", "PENDING", resource_width, "RESOURCE", "USED", "GUARANT.", "DESERVED",
           "LIMIT", "WANTED", "WAITING");
    for (size_t i = 0; i < ask_len(queues); i++) {
        struct json_object *q = json_object_array_get_idx(queues, i);
        if (!name || strcmp(ask_text(q, "name"), name) == 0)
            print_queue(q, depth_of(queues, q), width, resource_width);
    }
    return CMD_OK;
}

int cmd_queue(int argc, char **argv)
{
    static const struct option FLAGS[] = {ASK_FLAGS, {0}};
    struct json_object *answer = NULL;
    struct ask ask = {0};
    struct sy_buf body;

    int status = ask_flags(&ask, argc, argv, FLAGS, COMMAND, USAGE, NULL);
    if (status != -1)
        return status;
    if (argc - optind > 1)
        return cmd_usage_error(COMMAND, "give one queue at most");
    if (ask.as_json && optind < argc)
        return cmd_usage_error(COMMAND, "-o json has all queues; leave the name out");
    status = ask_get(&ask, COMMAND, "/steelyard/v1/queues", &body, &answer);
    if (status == CMD_OK && ask.as_json)
        fwrite(body.p, 1, body.len, stdout);
    else if (status == CMD_OK)
        status = print_queues(answer, optind < argc ? argv[optind] : NULL);
    json_object_put(answer);
    sy_buf_done(&body);
    return status;
}
