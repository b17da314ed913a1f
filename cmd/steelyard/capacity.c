/* SPDX-License-Identifier: Apache-2.0
 *
 * steelyard capacity: what still fits, and what is free and of no use, as the running scheduler
 * says. */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cmd.h"

static const char COMMAND[] = "steelyard capacity";
static const char USAGE[] =
    "usage: steelyard capacity [FLAGS]\n"
    "\n"
    "Asks the running scheduler how much of each resource is free, the most that one node has, "
    "what\n"
    "is free and of no use and why, and how many more fit of the pods that there are most of.\n"
    "\n" ASK_USAGE;

static void print_resources(struct json_object *resources)
{
    printf("%-32s %12s %12s %12s %12s  %s\n", "RESOURCE", "TOTAL", "FREE", "USABLE", "LARGEST",
           "ON");
    for (size_t i = 0; i < ask_len(resources); i++) {
        struct json_object *r = json_object_array_get_idx(resources, i);
        struct json_object *stranded = ask_get_object(r, "stranded");
        printf("%-32s %12s %12s %12s %12s  %s\n", ask_text(r, "resource"), ask_text(r, "total"),
               ask_text(r, "free"), ask_text(r, "usable"), ask_text(r, "largest"),
               *ask_text(r, "node") ? ask_text(r, "node") : "-");
        for (size_t n = 0; n < ask_len(stranded); n++) {
            struct json_object *s = json_object_array_get_idx(stranded, n);
            printf("  stranded: %s on %.0f node(s): %s\n", ask_text(s, "amount"),
                   ask_number(s, "nodes"), ask_text(s, "cause"));
        }
    }
}

static void print_shapes(struct json_object *shapes)
{
    if (ask_len(shapes))
        printf("\n%6s %8s %8s %8s  PODS LIKE\n", "PODS", "WAITING", "MORE", "ON NODES");
    for (size_t i = 0; i < ask_len(shapes); i++) {
        struct json_object *s = json_object_array_get_idx(shapes, i);
        struct json_object *asked = ask_get_object(s, "requests");
        printf("%6.0f %8.0f %8.0f %8.0f  %s/%s", ask_number(s, "pods"), ask_number(s, "waiting"),
               ask_number(s, "more"), ask_number(s, "nodes"), ask_text(s, "namespace"),
               ask_text(s, "example"));
        if (json_object_is_type(asked, json_type_object)) {
            json_object_object_foreach(asked, resource, amount)
                printf(" %s=%s", resource, json_object_get_string(amount));
        }
        printf("\n");
    }
}

int cmd_capacity(int argc, char **argv)
{
    static const struct option FLAGS[] = {ASK_FLAGS, {0}};
    struct json_object *answer = NULL;
    struct ask ask = {0};
    struct sy_buf body;

    int status = ask_flags(&ask, argc, argv, FLAGS, COMMAND, USAGE, NULL);
    if (status != -1)
        return status;
    if (optind != argc)
        return cmd_usage_error(COMMAND, "there is no \"%s\" to it", argv[optind]);
    status = ask_get(&ask, COMMAND, "/steelyard/v1/capacity", &body, &answer);
    if (status == CMD_OK && ask.as_json) {
        fwrite(body.p, 1, body.len, stdout);
    } else if (status == CMD_OK) {
        print_resources(ask_get_object(answer, "resources"));
        print_shapes(ask_get_object(answer, "shapes"));
    }
    json_object_put(answer);
    sy_buf_done(&body);
    return status;
}
