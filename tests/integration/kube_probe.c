/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives pkg/kube by hand against a live API server; the kube_*.sh scripts build and run it.
 *
 *   kube_probe [-k KUBECONFIG] [-j] [-l] [-q QPS] COMMAND
 *     get PATH                          one answer: "STATUS CODE TRIES", then body or error text
 *     wait PATH SECONDS                 get each second for that long, one line each
 *     dump pods|nodes                   list, then every object's model
 *     follow pods|nodes SECONDS         list and watch: one line per thing that happens
 *     bind NS NAME UID NODE             "OUTCOME..." lines
 *     binds WIDTH [events]              the same for lines of standard input, WIDTH in flight
 *     condition NS NAME UID REASON TEXT NODE
 *     event NS NAME UID REASON NOTE N   N times
 *
 * -j: JSON only; -l: no watch-list. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "kube/actions.h"
#include "kube/client.h"
#include "kube/decode.h"
#include "kube/kubeconfig.h"
#include "kube/reflector.h"

struct probe {
    struct sy_loop *loop;
    struct sy_kube *k;
    struct sy_actions *actions;
    struct sy_reflector *reflector;
    struct sy_strings *strings;
    struct sy_decode decode;
    struct sy_timer *timer;
    bool is_pods;
    bool is_dump;
    bool is_json;
    bool no_watch_list;
    bool wants_events;
    bool was_live;
    sy_time_ns start;
    sy_time_ns until;
    const char *path;
    SY_VEC(char *) lines; /* "ns name uid node" */
    size_t next;
    size_t done;
    size_t bad;
    size_t width;
    int rc;
};

static void fail(const char *what, const struct sy_err *err)
{
    printf("FAILED %s: %s\n", what, err->msg);
    exit(1);
}

static double seconds(const struct probe *p)
{
    return (double)(sy_clock_boot_ns() - p->start) / (double)SY_NS_PER_S;
}

/* ---- get ----------------------------------------------------------------------------------------
 */

static void on_got(void *arg, const struct sy_kube_result *result)
{
    struct probe *p = arg;

    printf("%d %d %u ", result->http_status, result->code, result->tries);
    if (result->code)
        printf("%s\n", result->err->msg);
    else
        printf("%zu bytes%s\n", result->body.len, result->body_is_protobuf ? " protobuf" : "");
    fflush(stdout);
    p->rc = result->code ? 1 : 0;
    if (sy_clock_boot_ns() >= p->until)
        sy_loop_stop(p->loop);
    else
        sy_timer_arm(p->timer, SY_NS_PER_S);
}

static void get(void *arg)
{
    struct probe *p = arg;
    struct sy_err err;
    struct sy_kube_call call = {
        .method = "GET",
        .path = p->path,
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .timeout_ms = 5000,
        .on_done = on_got,
        .arg = p,
    };

    if (sy_kube_send(p->k, &call, NULL, &err))
        fail("send", &err);
}

/* ---- reflector ----------------------------------------------------------------------------------
 */

static int on_object(void *arg, enum sy_event_type type, enum sy_encoding enc, struct sy_str raw)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
    struct probe *p = arg;
    struct sy_err err;
    int r;

    sy_arena_reset(&p->decode.arena);
    if (p->is_pods) {
        struct sy_pod pod;

        r = sy_decode_pod(&p->decode, enc, raw, &pod, &err);
        if (!r && p->is_dump) {
            struct sy_buf out;

            sy_buf_init(&out, 1 << 20);
            r = sy_pod_dump(&pod, p->strings, &out);
            for (size_t i = 0; i < out.len; i++)
                if (out.p[i] == '\n')
                    out.p[i] = ' ';
            printf("%s\n", out.p);
            sy_buf_done(&out);
        } else if (!r) {
            printf("%.1f %s %s/" SY_STR_FMT " node=%s\n", seconds(p), names[type],
                   sy_strings_getz(p->strings, pod.ns), SY_STR_ARG(pod.name),
                   sy_strings_getz(p->strings, pod.node));
        }
    } else {
        struct sy_node node;

        r = sy_decode_node(&p->decode, enc, raw, &node, &err);
        if (!r && p->is_dump) {
            struct sy_buf out;

            sy_buf_init(&out, 1 << 20);
            r = sy_node_dump(&node, p->strings, &out);
            for (size_t i = 0; i < out.len; i++)
                if (out.p[i] == '\n')
                    out.p[i] = ' ';
            printf("%s\n", out.p);
            sy_buf_done(&out);
        } else if (!r) {
            printf("%.1f %s %s\n", seconds(p), names[type], sy_strings_getz(p->strings, node.name));
        }
    }
    if (r)
        printf("BAD %s\n", err.msg);
    fflush(stdout);
    return r;
}

static void on_replace_begin(void *arg)
{
    struct probe *p = arg;

    if (!p->is_dump)
        printf("%.1f REPLACE\n", seconds(p));
}

static void on_replace_end(void *arg)
{
    struct probe *p = arg;

    if (p->is_dump) {
        sy_loop_stop(p->loop);
        return;
    }
    printf("%.1f SYNCED\n", seconds(p));
    fflush(stdout);
}

static void on_error(void *arg, const struct sy_err *err, int64_t retry_in_ns)
{
    struct probe *p = arg;

    printf("%.1f ERROR %s (again in %.1f s)\n", seconds(p), err->msg,
           (double)retry_in_ns / (double)SY_NS_PER_S);
    fflush(stdout);
    if (p->is_dump) {
        p->rc = 1;
        sy_loop_stop(p->loop);
    }
}

static void on_follow_tick(void *arg)
{
    struct probe *p = arg;
    bool is_live = sy_reflector_is_live(p->reflector);

    if (is_live != p->was_live) {
        printf("%.1f %s\n", seconds(p), is_live ? "LIVE" : "DOWN");
        fflush(stdout);
        p->was_live = is_live;
    }
    if (sy_clock_boot_ns() >= p->until)
        sy_loop_stop(p->loop);
    else
        sy_timer_arm(p->timer, 100 * SY_NS_PER_MS);
}

static void start_reflector(struct probe *p)
{
    struct sy_err err;
    struct sy_reflector_options options = {
        .path = p->is_pods ? "/api/v1/pods" : "/api/v1/nodes",
        .encoding = p->is_json ? SY_ENCODING_JSON : SY_ENCODING_PROTOBUF,
        .no_watch_list = p->no_watch_list,
        .rng_seed = sy_rng_entropy(),
        .on_object = on_object,
        .on_replace_begin = on_replace_begin,
        .on_replace_end = on_replace_end,
        .on_error = on_error,
        .arg = p,
    };

    if (sy_reflector_new(p->k, &options, &p->reflector, &err))
        fail("reflector", &err);
    sy_reflector_start(p->reflector);
}

/* ---- actions ------------------------------------------------------------------------------------
 */

static void bind_more(struct probe *p)
{
    while (p->next < p->lines.len && p->next - p->done < p->width) {
        char line[1024];
        char *save;
        size_t ticket = p->next++;

        snprintf(line, sizeof(line), "%s", p->lines.p[ticket]);
        const char *ns = strtok_r(line, " ", &save);
        const char *name = strtok_r(NULL, " ", &save);
        const char *uid = strtok_r(NULL, " ", &save);
        const char *node = strtok_r(NULL, " \n", &save);
        sy_actions_bind(p->actions, ticket, ns, name, uid, node, NULL);
        if (p->wants_events)
            sy_actions_event(p->actions, "Normal", "Scheduled", "Binding", ns, name, uid,
                             "Successfully assigned");
    }
}

static void on_bind(void *arg, uint64_t ticket, enum sy_bind_outcome outcome,
                    const struct sy_err *err, int64_t duration_ns)
{
    static const char *const names[] = {"OK", "CONFLICT", "GONE", "REFUSED", "UNKNOWN"};
    struct probe *p = arg;

    if (p->lines.len == 1 || outcome != SY_BIND_OK)
        printf("%s %lu %.0f ms %s\n", names[outcome], ticket,
               (double)duration_ns / (double)SY_NS_PER_MS, err ? err->msg : "");
    fflush(stdout);
    if (outcome == SY_BIND_UNKNOWN)
        return;
    p->bad += outcome != SY_BIND_OK;
    p->done++;
    if (p->done == p->lines.len && p->lines.len > 1)
        printf("bound %zu in %.2f s, %.0f/s, %zu bad\n", p->done, seconds(p),
               (double)p->done / seconds(p), p->bad);
    bind_more(p);
}

static void on_idle_tick(void *arg)
{
    struct probe *p = arg;

    if (p->done == p->lines.len && sy_actions_is_idle(p->actions)) {
        const struct sy_actions_stats *s = sy_actions_stats(p->actions);

        printf("binds %lu ok %lu conflict %lu refused %lu unknown %lu; conditions %lu errors %lu; "
               "events %lu merged %lu dropped %lu errors %lu; %.2f s\n",
               s->binds_sent, s->binds_ok, s->binds_conflict, s->binds_refused, s->binds_unknown,
               s->conditions_sent, s->condition_errors, s->events_sent, s->events_merged,
               s->events_dropped, s->event_errors, seconds(p));
        p->rc = p->bad || s->event_errors || s->condition_errors;
        sy_loop_stop(p->loop);
    } else {
        sy_timer_arm(p->timer, 10 * SY_NS_PER_MS);
    }
}

static void start_actions(struct probe *p)
{
    struct sy_err err;
    struct sy_actions_options options = {
        .component = "kube-probe",
        .instance = "kube-probe-host",
        .on_bind = on_bind,
        .arg = p,
    };

    if (sy_actions_new(p->k, &options, &p->actions, &err))
        fail("actions", &err);
    p->timer = sy_timer_new(p->loop, on_idle_tick, p);
    sy_timer_arm(p->timer, SY_NS_PER_MS);
}

static void read_lines(struct probe *p)
{
    char *line = NULL;
    size_t room = 0;

    while (getline(&line, &room, stdin) > 0)
        sy_vec_push(&p->lines, sy_xstrdup(line));
    free(line);
}

/* ---- main ---------------------------------------------------------------------------------------
 */

static uint32_t number(const char *text)
{
    uint64_t value = 0;

    if (sy_str_u64(sy_str_from(text), &value) || value > UINT32_MAX)
        exit(2);
    return (uint32_t)value;
}

static int start(struct probe *p, int argc, char **argv)
{
    const char *command = argc ? argv[0] : "";

    if ((strcmp(command, "get") == 0 && argc == 2) || (strcmp(command, "wait") == 0 && argc == 3)) {
        p->path = argv[1];
        p->until = p->start + (argc == 3 ? number(argv[2]) * SY_NS_PER_S : 0);
        p->timer = sy_timer_new(p->loop, get, p);
        sy_timer_arm(p->timer, 0);
    } else if ((strcmp(command, "dump") == 0 && argc == 2) ||
               (strcmp(command, "follow") == 0 && argc == 3)) {
        p->is_pods = strcmp(argv[1], "pods") == 0;
        p->is_dump = argc == 2;
        start_reflector(p);
        if (argc == 3) {
            p->until = p->start + number(argv[2]) * SY_NS_PER_S;
            p->timer = sy_timer_new(p->loop, on_follow_tick, p);
            sy_timer_arm(p->timer, 0);
        }
    } else if (strcmp(command, "bind") == 0 && argc == 5) {
        start_actions(p);
        p->width = 1;
        sy_vec_push(&p->lines, sy_xasprintf("%s %s %s %s\n", argv[1], argv[2], argv[3], argv[4]));
        bind_more(p);
    } else if (strcmp(command, "binds") == 0 && argc >= 2) {
        start_actions(p);
        p->width = number(argv[1]);
        p->wants_events = argc > 2;
        read_lines(p);
        p->start = sy_clock_boot_ns();
        bind_more(p);
    } else if (strcmp(command, "condition") == 0 && argc == 7) {
        start_actions(p);
        sy_actions_condition(p->actions, argv[1], argv[2], argv[3], argv[4], "overwritten", NULL,
                             0);
        sy_actions_condition(p->actions, argv[1], argv[2], argv[3], argv[4], argv[5], argv[6], 0);
    } else if (strcmp(command, "event") == 0 && argc == 7) {
        start_actions(p);
        for (uint32_t i = 0; i < number(argv[6]); i++)
            sy_actions_event(p->actions, "Warning", argv[4], "Scheduling", argv[1], argv[2],
                             argv[3], argv[5]);
    } else {
        return -EINVAL;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct probe p = {0};
    struct sy_kubeconfig config;
    struct sy_kube_options options = {.burst = 10};
    struct sy_err err;
    uint64_t key[2] = {1, 2};
    const char *path = NULL;
    int opt;

    while ((opt = getopt(argc, argv, "+k:jlq:")) != -1) {
        switch (opt) {
        case 'k':
            path = optarg;
            break;
        case 'j':
            p.is_json = options.force_json = true;
            break;
        case 'l':
            p.no_watch_list = true;
            break;
        case 'q':
            options.qps = number(optarg);
            break;
        default:
            return 2;
        }
    }
    p.start = sy_clock_boot_ns();
    p.strings = sy_strings_new(key);
    sy_decode_init(&p.decode, p.strings, 64 << 20);
    if (sy_kubeconfig_load(path, NULL, &config, &err))
        fail("kubeconfig", &err);
    if (sy_loop_new(&p.loop, &err))
        fail("loop", &err);
    if (sy_kube_new(p.loop, &config, &options, &p.k, &err))
        fail("client", &err);
    sy_kubeconfig_done(&config);
    if (start(&p, argc - optind, argv + optind)) {
        fprintf(stderr, "see the head of kube_probe.c for how to use this\n");
        return 2;
    }
    sy_loop_run(p.loop, &err);
    sy_actions_free(p.actions);
    sy_reflector_free(p.reflector);
    sy_timer_free(p.timer);
    sy_kube_free(p.k);
    sy_loop_free(p.loop);
    sy_decode_done(&p.decode);
    sy_strings_free(p.strings);
    for (size_t i = 0; i < p.lines.len; i++)
        free(p.lines.p[i]);
    sy_vec_done(&p.lines);
    return p.rc;
}
