/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sched/balance.h"
#include "sched/gang.h"
#include "sched/inside.h"

enum {
    EVENT_MAX_BYTES = 6 << 20,
    SHARE_DIGITS = 3,
    FACTOR_DIGITS = 2,
    FIRST_DECISIONS = 20,
    BEAT_TURNS = 10, /* after so many silent ones a comment keeps the connection */
    TERMS_MAX = 64,
};

struct client {
    struct sy_live *live;
    struct sy_stream *stream;
    sy_time_ns until_ns;
    struct client *next;
};

struct sy_live {
    struct sy_live_options options;
    struct client *clients;
    uint32_t clients_len;
    struct sy_timer *timer;
    uint64_t *told; /* by node slot: its generation; 0: not there */
    uint32_t told_len;
    sy_time_ns decisions_told_ns;
    uint32_t silent_turns;
    struct sy_buf last_waiting, last_summary; /* as sent: the same again is not */
};

/* ---- what the events say ---- */

static void begin_event(struct sy_json *j, const char *name)
{
    sy_buf_addf(j->out, "event: %s\ndata: ", name);
    j->has_before = false;
}

static void end_event(struct sy_json *j)
{
    sy_buf_adds(j->out, "\n\n");
}

static double share_of(const struct sy_column *column, uint32_t node)
{
    int64_t all = column->allocatable[node];

    return all > 0 ? (double)column->used[node] / (double)all : 0;
}

static void write_gpus(struct sy_json *j, const struct sy_cluster *c, uint32_t node)
{
    const struct sy_gpu_node *g = sy_gpus_of(c, node);

    if (!g)
        return;
    sy_json_array(j, "gpus"); /* thousandths in use; -1: takes no pods */
    for (uint32_t i = 0; i < g->len; i++)
        sy_json_i64(j, NULL, g->gpus[i].is_lost ? -1 : 1000 - g->gpus[i].free_milli);
    sy_json_end_array(j);
}

static void write_node(struct sy_json *j, struct sy_live *l, uint32_t node)
{
    const struct sy_cluster *c = sy_sched_cluster(l->options.sched);
    struct sy_utilization_term terms[TERMS_MAX];
    struct sy_node_weight w;
    double used = 0;
    uint8_t flags = c->node_flags[node];

    uint32_t len = sy_node_utilization(c, node, terms, TERMS_MAX);
    for (uint32_t i = 0; i < len && i < TERMS_MAX; i++)
        used = terms[i].used > used ? terms[i].used : used;
    sy_sched_node_weight(l->options.sched, node, &w);
    sy_json_object(j, NULL);
    sy_json_i64(j, "slot", node);
    sy_json_text(j, "name", sy_strings_getz(c->strings, c->nodes[node].node.name));
    sy_json_text(j, "pool", c->pools.all.p[sy_pool_of(c, node)].name);
    sy_json_bool(j, "ready", flags & SY_NODE_READY);
    sy_json_bool(j, "cordoned", flags & SY_NODE_UNSCHEDULABLE);
    sy_json_real(j, "used", used, SHARE_DIGITS); /* of the fullest resource, measured or not */
    sy_json_real(j, "cpu", share_of(&c->columns[SY_COLUMN_CPU_MILLI], node), SHARE_DIGITS);
    sy_json_real(j, "memory", share_of(&c->columns[SY_COLUMN_MEMORY_BYTES], node), SHARE_DIGITS);
    sy_json_i64(j, "pods", c->nodes[node].pods_len);
    write_gpus(j, c, node);
    sy_json_array(j, "weight"); /* capacity, performance, headroom, reliability, product */
    sy_json_real(j, NULL, w.capacity, FACTOR_DIGITS);
    sy_json_real(j, NULL, w.performance, FACTOR_DIGITS);
    sy_json_real(j, NULL, w.headroom, FACTOR_DIGITS);
    sy_json_real(j, NULL, w.reliability, FACTOR_DIGITS);
    sy_json_real(j, NULL, w.weight, FACTOR_DIGITS);
    sy_json_end_array(j);
    sy_json_end_object(j);
}

static void make_room_for_told(struct sy_live *l, const struct sy_cluster *c)
{
    if (l->told_len >= c->nodes_len)
        return;
    l->told = sy_xrealloc(l->told, c->nodes_len * sizeof(*l->told));
    memset(l->told + l->told_len, 0, (c->nodes_len - l->told_len) * sizeof(*l->told));
    l->told_len = c->nodes_len;
}

/* What follows is told from how the nodes are now. */
static void take_as_told(struct sy_live *l)
{
    const struct sy_cluster *c = sy_sched_cluster(l->options.sched);

    make_room_for_told(l, c);
    for (uint32_t node = 0; node < l->told_len; node++) {
        bool is_alive = node < c->nodes_len && sy_cluster_node_is_alive(c, node);
        l->told[node] = is_alive ? c->node_generation[node] : 0;
    }
}

/* all: every node, as for one who knows none; else those that differ from what was told, which is
 * noted. Writes nothing when there are none. */
static void write_nodes(struct sy_live *l, bool all, struct sy_buf *out)
{
    const struct sy_cluster *c = sy_sched_cluster(l->options.sched);
    struct sy_json j = {.out = out};
    size_t before = out->len;
    bool is_any = all;

    make_room_for_told(l, c);
    begin_event(&j, all ? "allnodes" : "nodes");
    sy_json_object(&j, NULL);
    sy_json_array(&j, "nodes");
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        bool is_alive = sy_cluster_node_is_alive(c, node);
        if (!is_alive || (!all && l->told[node] == c->node_generation[node]))
            continue;
        if (!all)
            l->told[node] = c->node_generation[node];
        write_node(&j, l, node);
        is_any = true;
    }
    sy_json_end_array(&j);
    sy_json_array(&j, "gone");
    for (uint32_t node = 0; !all && node < l->told_len; node++) {
        if (l->told[node] && !(node < c->nodes_len && sy_cluster_node_is_alive(c, node))) {
            l->told[node] = 0;
            sy_json_i64(&j, NULL, node);
            is_any = true;
        }
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
    end_event(&j);
    if (!is_any) {
        out->len = before;
        out->p[before] = '\0';
    }
}

static void write_summary(struct sy_live *l, struct sy_buf *out)
{
    const struct sy_sched_stats *s = sy_sched_stats(l->options.sched);
    const struct sy_cluster *c = sy_sched_cluster(l->options.sched);
    struct sy_balance *all = sy_xcalloc(SY_BALANCE_MAX, sizeof(*all));
    uint32_t len = sy_sched_balance(l->options.sched, all, SY_BALANCE_MAX);
    struct sy_json j = {.out = out};

    begin_event(&j, "summary");
    sy_json_object(&j, NULL);
    sy_json_i64(&j, "nodes", c->nodes_alive);
    sy_json_i64(&j, "pods", c->pods_alive);
    sy_json_i64(&j, "scheduled", (int64_t)s->attempts_scheduled);
    sy_json_i64(&j, "unschedulable", (int64_t)s->attempts_unschedulable);
    sy_json_i64(&j, "errors", (int64_t)s->attempts_error);
    sy_json_i64(&j, "victims", (int64_t)s->preemption_victims);
    sy_json_object(&j, "queue");
    sy_json_i64(&j, "active", s->active);
    sy_json_i64(&j, "backoff", s->backoff);
    sy_json_i64(&j, "unschedulable", s->unschedulable);
    sy_json_i64(&j, "gated", s->gated);
    sy_json_i64(&j, "gang", s->in_gangs);
    sy_json_i64(&j, "binding", sy_sched_binds_in_flight(l->options.sched));
    sy_json_end_object(&j);
    sy_json_array(&j, "groups");
    for (uint32_t i = 0; i < len && i < SY_BALANCE_MAX; i++) {
        sy_json_object(&j, NULL);
        sy_json_text(&j, "kind", sy_balance_kind_name(all[i].kind));
        sy_json_text(&j, "name", all[i].name);
        sy_json_i64(&j, "nodes", all[i].sums.nodes);
        sy_json_bool(&j, "closed", all[i].is_closed);
        sy_json_object(&j, "used");
        for (int m = 0; m < SY_LOAD_METRICS; m++) {
            if (all[i].sums.total[m])
                sy_json_real(&j, sy_load_metric_name((enum sy_load_metric)m), all[i].load[m],
                             SHARE_DIGITS);
        }
        sy_json_end_object(&j);
        sy_json_end_object(&j);
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
    end_event(&j);
    free(all);
}

static const char *queue_of(const struct sy_entry *e)
{
    switch (e->state) {
    case SY_ENTRY_ACTIVE:
        return "active";
    case SY_ENTRY_BACKOFF:
        return "backoff";
    case SY_ENTRY_WAITING:
        return "unschedulable";
    case SY_ENTRY_GATED:
        return "gated";
    case SY_ENTRY_GANG:
        return "gang";
    case SY_ENTRY_RESERVED:
        return "volumes";
    default:
        return NULL;
    }
}

static void write_pod(struct sy_json *j, const struct sy_cluster *c, uint32_t pod)
{
    const struct sy_pod_slot *p = &c->pods.p[pod];

    sy_json_text(j, "namespace", sy_strings_getz(c->strings, p->ns));
    sy_json_text(j, "name", p->name);
}

static void write_waiting(struct sy_live *l, struct sy_buf *out)
{
    struct sy_sched_inside in;
    struct sy_json j = {.out = out};
    uint32_t written = 0, more = 0;

    sy_sched_look_inside(l->options.sched, &in);
    begin_event(&j, "waiting");
    sy_json_object(&j, NULL);
    sy_json_array(&j, "pods");
    for (size_t i = 0; i < in.entries->all.len; i++) {
        const struct sy_entry *e = &in.entries->all.p[i];
        const char *queue = queue_of(e);
        if (!queue || e->pod == SY_NO_ENTRY)
            continue;
        if (written == SY_LIVE_PODS_MAX) {
            more++;
            continue;
        }
        written++;
        const struct sy_record *record = sy_records_get(in.records, in.cluster, e->pod);
        sy_json_object(&j, NULL);
        write_pod(&j, in.cluster, e->pod);
        sy_json_text(&j, "queue", queue);
        sy_json_i64(&j, "priority", e->priority);
        sy_json_i64(&j, "attempts", e->attempts);
        if (record && record->text)
            sy_json_text(&j, "why", sy_strings_getz(l->options.strings, record->text));
        sy_json_end_object(&j);
    }
    sy_json_end_array(&j);
    sy_json_i64(&j, "more", more);
    sy_json_end_object(&j);
    end_event(&j);
}

static const struct sy_profile *profile_of(const struct sy_sched_inside *in, uint32_t pod)
{
    const char *name =
        sy_strings_getz(in->cluster->strings, in->cluster->pods.p[pod].spec->spec.scheduler_name);

    for (uint32_t i = 0; i < in->profiles_len; i++) {
        if (strcmp(in->profiles[i].scheduler_name, name) == 0)
            return &in->profiles[i];
    }
    return NULL;
}

static void write_decision(struct sy_json *j, const struct sy_live *l,
                           const struct sy_sched_inside *in, const struct sy_record *r)
{
    const struct sy_profile *profile = profile_of(in, r->pod);
    char at[SY_RFC3339_MAX];

    sy_rfc3339_format(l->options.wall_now() - (l->options.now() - r->at_ns), 3, at);
    sy_json_object(j, NULL);
    write_pod(j, in->cluster, r->pod);
    sy_json_text(j, "at", at);
    sy_json_text(j, "result",
                 r->kind == SY_RECORD_PLACED    ? "placed"
                 : r->kind == SY_RECORD_REFUSED ? "refused"
                                                : "failed");
    sy_json_i64(j, "attempts", r->attempts);
    if (r->kind != SY_RECORD_PLACED) {
        sy_json_text(j, "why", r->text ? sy_strings_getz(l->options.strings, r->text) : NULL);
    } else if (r->nodes_len) {
        sy_json_text(j, "node", sy_strings_getz(l->options.strings, r->nodes[0].name));
        sy_json_i64(j, "feasible", r->feasible);
        sy_json_object(j, "points");
        for (uint32_t i = 0; r->has_points && profile && i < profile->scorers_len; i++) {
            if (r->nodes[0].points[i] != SY_RECORD_NO_POINTS)
                sy_json_real(j, profile->scorers[i].scorer->name, r->nodes[0].points[i] / 100.0, 2);
        }
        sy_json_end_object(j);
    }
    sy_json_end_object(j);
}

static int newest_first(const void *a, const void *b)
{
    const struct sy_record *x = *(const struct sy_record *const *)a;
    const struct sy_record *y = *(const struct sy_record *const *)b;

    return (x->at_ns < y->at_ns) - (x->at_ns > y->at_ns);
}

/* The newest since then, oldest of them last; nothing when there are none. */
static void write_decisions(const struct sy_live *l, sy_time_ns since, uint32_t most,
                            struct sy_buf *out)
{
    struct sy_sched_inside in;
    struct sy_json j = {.out = out};
    SY_VEC(const struct sy_record *) found = {0};

    sy_sched_look_inside(l->options.sched, &in);
    for (size_t i = 0; i < in.records->ring.len; i++) {
        const struct sy_record *r = &in.records->ring.p[i];
        /* Of pods that are still there: others may have their place. */
        if (r->uid_hash && r->at_ns > since && r->pod < in.cluster->pods.len &&
            sy_records_get(in.records, in.cluster, r->pod) == r)
            sy_vec_push(&found, r);
    }
    if (found.len) {
        qsort(found.p, found.len, sizeof(*found.p), newest_first);
        begin_event(&j, "decisions");
        sy_json_object(&j, NULL);
        sy_json_i64(&j, "made", (int64_t)found.len);
        sy_json_array(&j, "decisions");
        for (size_t i = 0; i < found.len && i < most; i++)
            write_decision(&j, l, &in, found.p[i]);
        sy_json_end_array(&j);
        sy_json_end_object(&j);
        end_event(&j);
    }
    sy_vec_done(&found);
}

/* ---- clients ---- */

static void remove_client(struct client *gone)
{
    struct sy_live *l = gone->live;
    struct client **at = &l->clients;

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    l->clients_len--;
    if (!l->clients)
        sy_timer_disarm(l->timer);
    free(gone);
}

static void on_gone(void *arg)
{
    remove_client(arg);
}

static void send_all(struct sy_live *l, const struct sy_buf *out)
{
    struct client *next;

    for (struct client *c = l->clients; c; c = next) {
        next = c->next;
        sy_stream_send(c->stream, sy_buf_str(out));
    }
}

/* Appends what `write` makes, unless it is what was sent last. */
static void write_if_new(struct sy_live *l, void (*write)(struct sy_live *l, struct sy_buf *out),
                         struct sy_buf *last, struct sy_buf *out)
{
    struct sy_buf now;

    sy_buf_init(&now, EVENT_MAX_BYTES);
    write(l, &now);
    if (!now.failed && !sy_str_eq(sy_buf_str(&now), sy_buf_str(last))) {
        sy_buf_add(out, now.p, now.len);
        sy_buf_reset(last);
        sy_buf_add(last, now.p, now.len);
    }
    sy_buf_done(&now);
}

void sy_live_tell(struct sy_live *l)
{
    sy_time_ns now = l->options.now();
    struct client *next;
    struct sy_buf out;

    for (struct client *c = l->clients; c; c = next) {
        next = c->next;
        if (now >= c->until_ns) {
            sy_stream_end(c->stream);
            remove_client(c);
        }
    }
    if (!l->clients)
        return;
    sy_buf_init(&out, EVENT_MAX_BYTES);
    write_nodes(l, false, &out);
    write_if_new(l, write_summary, &l->last_summary, &out);
    write_if_new(l, write_waiting, &l->last_waiting, &out);
    write_decisions(l, l->decisions_told_ns, SY_LIVE_DECISIONS_MAX, &out);
    l->decisions_told_ns = now;
    if (out.failed) /* what does not fit is told with the next change */
        sy_buf_reset(&out);
    l->silent_turns = out.len ? 0 : l->silent_turns + 1;
    if (l->silent_turns >= BEAT_TURNS) {
        sy_buf_adds(&out, ":\n\n");
        l->silent_turns = 0;
    }
    if (out.len)
        send_all(l, &out);
    sy_buf_done(&out);
}

static void on_timer(void *arg)
{
    struct sy_live *l = arg;

    sy_live_tell(l);
    if (l->clients)
        sy_timer_arm(l->timer, SY_LIVE_INTERVAL_MS * SY_NS_PER_MS);
}

void sy_live_add(struct sy_live *l, struct sy_exchange *x)
{
    struct client *c;
    struct sy_buf out;

    if (l->clients_len == SY_LIVE_CLIENTS_MAX) {
        sy_reply(x, 503, "text/plain; charset=utf-8",
                 SY_STR("too many are listening; close another dashboard\n"));
        return;
    }
    c = sy_xcalloc(1, sizeof(*c));
    c->live = l;
    c->until_ns = l->options.now() + SY_LIVE_SESSION_S * SY_NS_PER_S;
    c->next = l->clients;
    l->clients = c;
    l->clients_len++;
    c->stream = sy_reply_stream(x, "text/event-stream", on_gone, c);
    if (!c->stream) {
        remove_client(c);
        return;
    }
    if (!sy_timer_is_armed(l->timer)) {
        /* Nobody has been told for a while: all is news to the first, and what follows is from now
         * on. */
        take_as_told(l);
        l->decisions_told_ns = l->options.now();
        sy_timer_arm(l->timer, SY_LIVE_INTERVAL_MS * SY_NS_PER_MS);
    }
    sy_buf_init(&out, EVENT_MAX_BYTES);
    write_summary(l, &out);
    write_nodes(l, true, &out);
    write_waiting(l, &out);
    write_decisions(l, 0, FIRST_DECISIONS, &out);
    if (out.failed) {
        sy_stream_end(c->stream);
        remove_client(c);
    } else {
        sy_stream_send(c->stream, sy_buf_str(&out));
    }
    sy_buf_done(&out);
}

uint32_t sy_live_clients(const struct sy_live *l)
{
    return l->clients_len;
}

struct sy_live *sy_live_new(const struct sy_live_options *options)
{
    struct sy_live *l = sy_xcalloc(1, sizeof(*l));

    l->options = *options;
    l->timer = sy_timer_new(options->loop, on_timer, l);
    sy_buf_init(&l->last_waiting, EVENT_MAX_BYTES);
    sy_buf_init(&l->last_summary, EVENT_MAX_BYTES);
    return l;
}

void sy_live_free(struct sy_live *l)
{
    if (!l)
        return;
    while (l->clients) {
        sy_stream_end(l->clients->stream);
        remove_client(l->clients);
    }
    sy_timer_free(l->timer);
    sy_buf_done(&l->last_waiting);
    sy_buf_done(&l->last_summary);
    free(l->told);
    free(l);
}
