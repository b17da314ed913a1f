/* SPDX-License-Identifier: Apache-2.0
 *
 * steelyard whatif: whether pods that nobody has created would fit, as the running scheduler says,
 * or a snapshot. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/what_if.h"
#include "ask.h"
#include "base/file.h"
#include "cmd.h"
#include "snapshot/docs.h"
#include "snapshot/redact.h"
#include "world.h"

enum { FLAG_SNAPSHOT = 1, FLAG_CONFIG, PATH_MAX_BYTES = 15 << 10, NOT_NOW = 3 };

static const char COMMAND[] = "steelyard whatif";
static const char USAGE[] =
    "usage: steelyard whatif -f FILE [FLAGS]\n"
    "\n"
    "Says whether the pods of a file would fit now, all together, on which nodes, whom they would\n"
    "displace, and why not. A file has Pods, or a Job, Deployment or the like, whose pods count.\n"
    "Nothing is created and nobody is evicted. Exit status: 0 they fit, 3 not now, 1 no answer.\n"
    "\n"
    "  -f, --filename FILE     the manifests, YAML or JSON; - for standard input\n"
    "  --snapshot FILE         ask a snapshot or list of objects instead of the running scheduler\n"
    "  --config FILE           with --snapshot: the configuration to decide by\n" ASK_USAGE;

struct what_if {
    struct ask ask;
    const char *file, *snapshot, *config;
};

/* -- what is sent -- */

static int add_object(void *arg, const struct sy_doc *doc, struct sy_err *err SY_UNUSED)
{
    struct sy_buf *out = arg;

    sy_redact(doc->tree, doc->kind);
    sy_buf_adds(out, json_object_to_json_string_ext(doc->tree, JSON_C_TO_STRING_PLAIN));
    sy_buf_addc(out, '\n');
    return 0;
}

static int read_file(const char *file, struct sy_buf *text, struct sy_err *err)
{
    char piece[4096];

    if (strcmp(file, "-") != 0)
        return sy_file_read(file, text, err);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), stdin)) > 0;)
        sy_buf_add(text, piece, n);
    return text->failed || ferror(stdin) ? sy_err_set(err, -EIO, "standard input: cannot be read")
                                         : 0;
}

static int ask_scheduler(const struct what_if *w, const struct sy_buf *text, struct sy_buf *body,
                         struct json_object **answer)
{
    struct sy_buf objects, path;
    struct sy_err err = {0};
    int status = CMD_FAILED;

    sy_buf_init(&objects, SY_WHAT_IF_BYTES_MAX);
    sy_buf_init(&path, PATH_MAX_BYTES);
    sy_buf_adds(&path, "/steelyard/v1/whatif?manifest=");
    int r = sy_docs_each(sy_buf_str(text), w->file, add_object, &objects, &err);
    if (!r && objects.len)
        ask_encode(&path, objects.p);
    if (r)
        fprintf(stderr, "%s: %s\n", COMMAND, sy_err_text(&err, r));
    else if (objects.failed || path.failed)
        fprintf(stderr,
                "%s: %s is too large to be asked about, even without what does not matter; write "
                "equal pods as one Job\n",
                COMMAND, w->file);
    else
        status = ask_get(&w->ask, COMMAND, path.p, body, answer);
    sy_buf_done(&path);
    sy_buf_done(&objects);
    return status;
}

static int ask_snapshot(const struct what_if *w, const struct sy_buf *text, struct sy_buf *body,
                        struct json_object **answer)
{
    struct cmd_world world = {0};
    struct sy_err err = {0};

    sy_buf_init(body, 64 << 20);
    int r = cmd_world_open(&world, w->snapshot, w->config, &err);
    if (!r)
        r = sy_what_if(world.sched, world.strings, sy_buf_str(text), w->file, &world.objects,
                       world.now, body, &err);
    if (!r && body->failed)
        r = sy_err_set(&err, -ENOMEM, "the answer does not fit in memory");
    if (!r)
        *answer = json_tokener_parse(body->p);
    else
        fprintf(stderr, "%s: %s\n", COMMAND, sy_err_text(&err, r));
    cmd_world_close(&world);
    return r ? CMD_FAILED : CMD_OK;
}

/* -- what is shown -- */

static void print_pods(struct json_object *pods, const char *none)
{
    printf("  %-48s NODE\n", "POD");
    for (size_t i = 0; i < ask_len(pods); i++) {
        struct json_object *p = json_object_array_get_idx(pods, i);
        char name[400];
        snprintf(name, sizeof(name), "%s/%s", ask_text(p, "namespace"), ask_text(p, "name"));
        printf("  %-48s %s\n", name, *ask_text(p, "node") ? ask_text(p, "node") : none);
    }
}

static void print_why(struct json_object *a)
{
    struct json_object *blocker = ask_get_object(a, "blocker");
    struct json_object *changes = ask_get_object(ask_get_object(a, "now"), "changes");

    if (blocker)
        printf("\n%.0f of %.0f would find a place; %s/%s would not:\n  %s\n",
               ask_number(a, "placed"), ask_number(a, "needed"), ask_text(blocker, "namespace"),
               ask_text(blocker, "name"), ask_text(a, "message"));
    if (ask_len(changes))
        printf("\nAny one of these would let it fit, the smallest first:\n");
    for (size_t i = 0; i < ask_len(changes); i++)
        printf("  - %s\n", ask_text(json_object_array_get_idx(changes, i), "text"));
}

static void print_evictions(struct json_object *a)
{
    struct json_object *gone = ask_get_object(a, "evictions");

    if (!json_object_get_boolean(ask_get_object(a, "fitsByEviction")))
        return;
    printf("\nThese pods of lower priority would have to go first");
    if (ask_number(a, "budgetsViolated") > 0)
        printf(", against %.0f disruption budget(s)", ask_number(a, "budgetsViolated"));
    printf(":\n");
    print_pods(gone, "-");
}

static int print(struct json_object *a)
{
    bool fits = json_object_get_boolean(ask_get_object(a, "fits"));
    bool displaces = json_object_get_boolean(ask_get_object(a, "fitsByEviction"));

    printf("%s (%.0f nodes, scheduler %s, %.3g ms)\n",
           fits        ? "Fits now."
           : displaces ? "Fits once others have gone."
                       : "Does not fit.",
           ask_number(a, "nodes"), ask_text(a, "scheduler"), ask_number(a, "tookMilliseconds"));
    if (*ask_text(a, "domain"))
        printf("All on nodes with %s=%s\n", ask_text(a, "topologyKey"), ask_text(a, "domain"));
    if (*ask_text(a, "quota"))
        printf("But it would wait: %s\n", ask_text(a, "quota"));
    if (fits || displaces)
        print_pods(ask_get_object(a, "pods"), "(not needed)");
    print_evictions(a);
    if (!fits)
        print_why(a);
    return fits && !*ask_text(a, "quota") ? CMD_OK : NOT_NOW;
}

static int answer(const struct what_if *w)
{
    struct json_object *answer = NULL;
    struct sy_buf text, body = {0};
    struct sy_err err = {0};
    int status = CMD_FAILED;

    sy_buf_init(&text, SY_WHAT_IF_BYTES_MAX);
    int r = read_file(w->file, &text, &err);
    if (r)
        fprintf(stderr, "%s: %s\n", COMMAND, sy_err_text(&err, r));
    else
        status = (w->snapshot ? ask_snapshot : ask_scheduler)(w, &text, &body, &answer);
    if (status == CMD_OK && w->ask.as_json) {
        bool fits = json_object_get_boolean(ask_get_object(answer, "fits"));
        printf("%.*s%s", (int)body.len, body.p,
               body.len && body.p[body.len - 1] == '\n' ? "" : "\n");
        status = fits && !*ask_text(answer, "quota") ? CMD_OK : NOT_NOW;
    } else if (status == CMD_OK) {
        status = print(answer);
    }
    json_object_put(answer);
    sy_buf_done(&body);
    sy_buf_done(&text);
    return status;
}

int cmd_what_if(int argc, char **argv)
{
    static const struct option FLAGS[] = {{"filename", required_argument, NULL, 'f'},
                                          {"snapshot", required_argument, NULL, FLAG_SNAPSHOT},
                                          {"config", required_argument, NULL, FLAG_CONFIG},
                                          ASK_FLAGS,
                                          {0}};
    struct what_if w = {0};
    const char *own[ASK_OWN_FLAGS] = {0};

    int status = ask_flags(&w.ask, argc, argv, FLAGS, COMMAND, USAGE, own);
    if (status != -1)
        return status;
    w.file = own['f'];
    w.snapshot = own[FLAG_SNAPSHOT];
    w.config = own[FLAG_CONFIG];
    if (!w.file || optind != argc)
        return cmd_usage_error(COMMAND, "give one file of pods: -f FILE");
    if (w.config && !w.snapshot)
        return cmd_usage_error(COMMAND, "--config goes with --snapshot: the running scheduler has "
                                        "its own");
    return answer(&w);
}
