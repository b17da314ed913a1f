/* SPDX-License-Identifier: Apache-2.0
 *
 * steelyard replay: the pods that wait in a snapshot, decided by the daemon's own core as if it had
 * just started there; and by another configuration, to compare. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd.h"
#include "runs.h"
#include "world.h"

enum { FLAG_CONFIG = 1, FLAG_AGAINST, TURNS_MAX = 100000, QUIET_STEPS = 4 };
/* Longer than any backoff is by default: whoever failed once is looked at again. */
static const int64_t STEP_NS = 15 * SY_NS_PER_S;
#define OUT_MAX_BYTES ((size_t)1 << 30)

static const char COMMAND[] = "steelyard replay";
static const char USAGE[] =
    "usage: steelyard replay FILE [--config FILE] [--against FILE] [-o json]\n"
    "\n"
    "Decides the pods that wait in a snapshot, or in a list or manifests of objects, with the\n"
    "daemon's own code, and says where each goes, whom it displaces, or why it waits. Pods that\n"
    "name a scheduler that the configuration does not have are decided by its first profile.\n"
    "\n"
    "  --config FILE           the configuration to decide by (else all defaults)\n"
    "  --against FILE          decide by this one too, and show where they differ\n"
    "  -o, --output json       for programs\n";

struct outcome {
    const struct sy_pod *pod;
    char *node;    /* NULL: it waits */
    char *message; /* why; NULL: nothing was said */
    bool is_gone;  /* evicted */
};

struct bind {
    uint64_t ticket;
    bool is_volume;
};

struct replay {
    struct cmd_world world;
    SY_VEC(struct outcome) all; /* in the order of the snapshot's pods */
    struct sy_map by_uid;
    SY_VEC(struct bind) answers; /* owed to the core */
    SY_VEC(uint32_t) evicted;
    uint32_t placed, waiting;
};

/* -- deciding -- */

static uint64_t hash_of(const struct replay *r, struct sy_str uid)
{
    uint64_t hash[2];

    sy_siphash128(uid.p, uid.len, sy_strings_hash_key(r->world.strings), hash);
    return hash[0];
}

static bool has_uid(const void *arg, const void *key, uint32_t value)
{
    const struct replay *r = arg;
    const struct sy_str *uid = key;

    return sy_str_eq(r->all.p[value].pod->uid, *uid);
}

static struct outcome *find(struct replay *r, const char *uid)
{
    struct sy_str key = sy_str_from(uid ? uid : "");
    uint32_t at = sy_map_get(&r->by_uid, hash_of(r, key), has_uid, r, &key);

    return at == SY_MAP_NONE ? NULL : &r->all.p[at];
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = with ? sy_xstrdup(with) : NULL;
}

static void hear(void *arg, const struct sy_decision *d)
{
    struct replay *r = arg;
    struct outcome *o = find(r, d->uid);

    if (d->kind == SY_DECIDE_BIND || d->kind == SY_DECIDE_VOLUME)
        sy_vec_push(&r->answers, (struct bind){d->ticket, d->kind == SY_DECIDE_VOLUME});
    if (!o)
        return;
    if (d->kind == SY_DECIDE_BIND) {
        replace(&o->node, d->node);
        replace(&o->message, NULL);
    } else if (d->kind == SY_DECIDE_CONDITION && !o->node) {
        replace(&o->message, d->message);
    } else if (d->kind == SY_DECIDE_EVICT && !o->is_gone) {
        o->is_gone = true;
        sy_vec_push(&r->evicted, (uint32_t)(o - r->all.p));
    }
}

/* Does what the API server, and whoever ends evicted pods, would do. Whether there was anything. */
static bool carry_out(struct replay *r, size_t *evicted_done)
{
    struct sy_sched *s = r->world.sched;
    bool any = r->answers.len || *evicted_done < r->evicted.len;

    for (size_t i = 0; i < r->answers.len; i++) {
        if (r->answers.p[i].is_volume)
            sy_sched_volume_result(s, r->answers.p[i].ticket, NULL, r->world.now);
        else
            sy_sched_bind_result(s, r->answers.p[i].ticket, SY_BIND_RESULT_OK, NULL, r->world.now);
    }
    r->answers.len = 0;
    for (; *evicted_done < r->evicted.len; ++*evicted_done)
        sy_sched_pod_deleted(s, r->all.p[r->evicted.p[*evicted_done]].pod->uid, r->world.now);
    return any;
}

static void decide(struct replay *r)
{
    size_t evicted_done = 0;
    uint32_t quiet = 0;

    for (uint32_t turn = 0; turn < TURNS_MAX && quiet < QUIET_STEPS; turn++) {
        (void)sy_sched_run(r->world.sched, true, 0, r->world.now);
        if (carry_out(r, &evicted_done)) {
            quiet = 0;
        } else {
            quiet++;
            r->world.now += STEP_NS;
        }
    }
}

static int play(struct replay *r, const char *file, const char *config)
{
    struct sy_err err = {0};

    r->world.decide = hear;
    r->world.decide_arg = r;
    int code = cmd_world_open(&r->world, file, config, &err);
    for (size_t i = 0; i < r->world.objects.pods.len && !code; i++) {
        const struct sy_pod *pod = &r->world.objects.pods.p[i].pod;
        sy_map_add(&r->by_uid, hash_of(r, pod->uid), (uint32_t)r->all.len);
        sy_vec_push(&r->all, (struct outcome){.pod = pod});
    }
    if (!code)
        code = cmd_world_add_pending(&r->world, &err);
    if (code) {
        fprintf(stderr, "%s: %s\n", COMMAND, sy_err_text(&err, code));
        return CMD_FAILED;
    }
    decide(r);
    for (size_t i = 0; i < r->all.len; i++) {
        if (!r->all.p[i].pod->node && !sy_pod_is_terminal(r->all.p[i].pod))
            *(r->all.p[i].node ? &r->placed : &r->waiting) += 1;
    }
    return CMD_OK;
}

static void replay_done(struct replay *r)
{
    for (size_t i = 0; i < r->all.len; i++) {
        free(r->all.p[i].node);
        free(r->all.p[i].message);
    }
    sy_vec_done(&r->all);
    sy_vec_done(&r->answers);
    sy_vec_done(&r->evicted);
    sy_map_done(&r->by_uid);
    cmd_world_close(&r->world);
}

/* -- showing -- */

static const char *or_else(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static bool was_decided(const struct outcome *o)
{
    return !o->pod->node && !sy_pod_is_terminal(o->pod);
}

/* Whether two configurations did the same with a pod. */
static bool is_same(const struct outcome *a, const struct outcome *b)
{
    return strcmp(or_else(a->node, ""), or_else(b->node, "")) == 0 && a->is_gone == b->is_gone;
}

static char *full_name(const struct replay *r, const struct sy_pod *pod)
{
    return sy_xasprintf("%s/" SY_STR_FMT, sy_strings_getz(r->world.strings, pod->ns),
                        SY_STR_ARG(pod->name));
}

static void print(const struct replay *r, const struct replay *against, struct sy_buf *out)
{
    uint32_t differing = 0;

    sy_buf_addf(out, "%-48s %-24s %s\n", "POD", "NODE", against ? "AGAINST" : "WHY");
    for (size_t i = 0; i < r->all.len; i++) {
        const struct outcome *o = &r->all.p[i], *b = against ? &against->all.p[i] : NULL;
        if (!was_decided(o) && !o->is_gone && !(b && b->is_gone))
            continue;
        if (b && is_same(o, b))
            continue;
        differing++;
        char *name = full_name(r, o->pod);
        const char *gone = "(evicted)";
        if (b)
            sy_buf_addf(out, "%-48s %-24s %s\n", name, o->is_gone ? gone : or_else(o->node, "-"),
                        b->is_gone ? gone : or_else(b->node, "-"));
        else
            sy_buf_addf(out, "%-48s %-24s %s\n", name, o->is_gone ? gone : or_else(o->node, "-"),
                        or_else(o->message, ""));
        free(name);
    }
    sy_buf_addf(out, "\n%u placed, %u wait, %zu evicted", r->placed, r->waiting, r->evicted.len);
    if (against)
        sy_buf_addf(out, "; against %u placed, %u wait, %zu evicted; %u pods differ",
                    against->placed, against->waiting, against->evicted.len, differing);
    sy_buf_addc(out, '\n');
}

static void write_side(struct sy_json *j, const char *key, const struct outcome *o)
{
    sy_json_object(j, key);
    sy_json_text(j, "node", o->node);
    sy_json_bool(j, "evicted", o->is_gone);
    if (o->message)
        sy_json_text(j, "message", o->message);
    sy_json_end_object(j);
}

static void write_totals(struct sy_json *j, const char *key, const struct replay *r)
{
    sy_json_object(j, key);
    sy_json_i64(j, "placed", r->placed);
    sy_json_i64(j, "waiting", r->waiting);
    sy_json_i64(j, "evicted", (int64_t)r->evicted.len);
    sy_json_end_object(j);
}

static void write_json(const struct replay *r, const struct replay *against, struct sy_buf *out)
{
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "Replay");
    write_totals(&j, "total", r);
    if (against)
        write_totals(&j, "totalAgainst", against);
    sy_json_array(&j, "pods");
    for (size_t i = 0; i < r->all.len; i++) {
        const struct outcome *o = &r->all.p[i], *b = against ? &against->all.p[i] : NULL;
        if (!was_decided(o) && !o->is_gone && !(b && b->is_gone))
            continue;
        char *name = full_name(r, o->pod);
        sy_json_object(&j, NULL);
        sy_json_text(&j, "pod", name);
        write_side(&j, "decision", o);
        if (b) {
            write_side(&j, "against", b);
            sy_json_bool(&j, "differs", !is_same(o, b));
        }
        sy_json_end_object(&j);
        free(name);
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
    sy_buf_addc(out, '\n');
}

static int replay(const char *file, const char *config, const char *against, bool as_json)
{
    struct replay first = {0}, second = {0};
    struct sy_buf out;

    int status = play(&first, file, config);
    if (status == CMD_OK && against)
        status = play(&second, file, against);
    if (status == CMD_OK) {
        sy_buf_init(&out, OUT_MAX_BYTES);
        (as_json ? write_json : print)(&first, against ? &second : NULL, &out);
        status = cmd_put(&out, stdout);
        sy_buf_done(&out);
    }
    replay_done(&first);
    replay_done(&second);
    return status;
}

int cmd_replay(int argc, char **argv)
{
    static const struct option FLAGS[] = {{"help", no_argument, NULL, 'h'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"config", required_argument, NULL, FLAG_CONFIG},
                                          {"against", required_argument, NULL, FLAG_AGAINST},
                                          {0}};
    const char *config = NULL, *against = NULL;
    bool as_json = false;

    for (int c; (c = cmd_next_flag(argc, argv, FLAGS, COMMAND)) != -1;) {
        if (c == 'h') {
            fputs(USAGE, stdout);
            return CMD_OK;
        }
        if (c == '?')
            return CMD_USAGE;
        if (c == 'o' && strcmp(optarg, "json") != 0)
            return cmd_usage_error(COMMAND, "-o knows json alone");
        if (c == 'o')
            as_json = true;
        else
            *(c == FLAG_CONFIG ? &config : &against) = optarg;
    }
    if (optind + 1 != argc)
        return cmd_usage_error(COMMAND, "give one snapshot");
    return replay(argv[optind], config, against, as_json);
}
