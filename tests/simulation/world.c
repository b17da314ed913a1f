/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "base/mem.h"
#include "trace.h"
#include "vtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPLICAS = 2, PODS_MOST = 90, SETTLE_S = 180, SETTLE_STEPS = 400000 };

struct settings {
    bool is_whole; /* all plugins; else those that look at nodes and pods alone */
    bool preempts, elects;
    uint32_t in_flight;
    int64_t bind_timeout_s;
};

struct world {
    struct world_options options;
    struct settings settings;
    struct sy_rng rng;
    struct vnet *net;
    struct vapi *api;
    struct books *books;
    struct daemon *daemons[REPLICAS]; /* NULL while it is down */
    bool is_ended[REPLICAS];          /* by itself */
    uint32_t replicas;
    char config[32], kubeconfig[32]; /* paths */
    struct daemon_options daemon_options;
    uint32_t next_client;

    struct vevent act;     /* somebody does something */
    struct vevent reap;    /* daemons that have ended are done away with */
    struct vevent restart; /* and those that are down come back */
    struct vevent recover; /* the API server comes back */
    int64_t pace_ns;       /* mean time between acts */
    bool is_quiet;
    bool has_rivals; /* other schedulers and people who bind */
    bool has_gangs, has_priorities, has_shrinking;
    struct vroom rooms[NODES_MAX]; /* where nodes keep their size */
    uint32_t nodes;
    uint32_t next_gang, next_name;
    uint64_t restarts;
};

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)sy_rng_below(&w->rng, n);
}

static bool one_in(struct world *w, uint32_t n)
{
    return below(w, n) == 0;
}

static int64_t between(struct world *w, int64_t from, int64_t to)
{
    return from + (int64_t)sy_rng_below(&w->rng, (uint64_t)(to - from) + 1);
}

/* ---- its configuration ---- */

/* path: "" for a new one. */
static void write_file(char path[32], const char *text)
{
    bool is_new = !path[0];

    if (is_new)
        snprintf(path, 32, "/tmp/simulation-XXXXXX");
    int fd = is_new ? mkstemp(path) : open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        perror("simulation: a file in /tmp");
        exit(2);
    }
}

/* Each resource that is watched is work for each step, so most runs do without those that stay
 * empty here. */
static void write_config(struct world *w)
{
    const struct settings *s = &w->settings;
    static const char KUBECONFIG[] = "apiVersion: v1\n"
                                     "kind: Config\n"
                                     "clusters: [{name: c, cluster: {server: 'https://virtual'}}]\n"
                                     "users: [{name: u, user: {token: t}}]\n"
                                     "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                                     "current-context: x\n";
    static const char *const LEFT_OUT[] = {
        "VolumeBinding",    "VolumeRestrictions", "VolumeZone",      "NodeVolumeLimits",
        "DynamicResources", "PodTopologySpread",  "InterPodAffinity"};
    struct sy_buf b;

    write_file(w->kubeconfig, KUBECONFIG);
    sy_buf_init(&b, 1 << 16);
    sy_buf_addf(&b,
                "apiVersion: steelyard.dev/v1\n"
                "kind: SteelyardConfiguration\n"
                "clientConnection: {kubeconfig: %s}\n"
                "server: {port: off}\n"
                "logging: {level: error}\n"
                "leaderElection: {leaderElect: %s}\n"
                "binding: {maxInFlight: %u, timeout: %llds}\n"
                "profiles:\n"
                "- schedulerName: steelyard\n"
                "  plugins:\n",
                w->kubeconfig, s->elects ? "true" : "false", s->in_flight,
                (long long)s->bind_timeout_s);
    sy_buf_adds(&b, "    multiPoint:\n      disabled: [{name: Nothing}");
    for (size_t i = 0; i < SY_ARRAY_LEN(LEFT_OUT) && !s->is_whole; i++)
        sy_buf_addf(&b, ", {name: %s}", LEFT_OUT[i]);
    if (!s->preempts)
        sy_buf_adds(&b, ", {name: DefaultPreemption}");
    sy_buf_adds(&b, "]\n");
    write_file(w->config, b.p);
    sy_buf_done(&b);
    w->daemon_options.config = w->config;
    w->daemon_options.elects = s->elects;
}

/* ---- the scheduler ---- */

static void on_decision(void *arg, struct daemon *d, const struct sy_decision *decision)
{
    struct world *w = arg;

    books_decision(w->books, d, decision);
}

static void on_daemon_turn(void *arg, struct daemon *d)
{
    struct world *w = arg;

    books_turn(w->books, d);
}

static void on_seen(void *arg, struct vclient *c, enum vkind kind, const struct vmessage *m)
{
    struct world *w = arg;

    books_seen(w->books, c, kind, m);
}

static void on_bind(void *arg, struct vclient *c, uint32_t pod, uint32_t node, bool is_sent)
{
    struct world *w = arg;

    books_bind(w->books, c, pod, node, is_sent);
}

static void on_write(void *arg, struct vclient *c, const struct vrequest *rq)
{
    struct world *w = arg;

    books_write(w->books, c, rq);
}

static void on_change(void *arg, const struct version *v)
{
    struct world *w = arg;

    books_changed(w->books, v);
}

/* All that are down. */
static void start_daemons(void *arg)
{
    struct world *w = arg;

    for (uint32_t i = 0; i < w->replicas; i++) {
        if (w->daemons[i])
            continue;
        w->daemons[i] = daemon_new(w->net, w->next_client++, &w->daemon_options);
        w->is_ended[i] = false;
        if (one_in(w, 3))
            vloop_set_lateness(daemon_client(w->daemons[i])->loop,
                               between(w, 1, 500) * SY_NS_PER_MS);
        books_open(w->books, w->daemons[i]);
    }
}

static void kill_daemon(struct world *w, uint32_t i)
{
    daemon_kill(w->daemons[i]);
    books_close(w->books, w->daemons[i]);
    w->daemons[i] = NULL;
    w->restarts++;
}

static void on_daemon_end(void *arg, struct daemon *d)
{
    struct world *w = arg;

    for (uint32_t i = 0; i < w->replicas; i++)
        w->is_ended[i] |= w->daemons[i] == d;
    vevent_arm(&w->reap, 0);
}

static void reap(void *arg)
{
    struct world *w = arg;

    for (uint32_t i = 0; i < w->replicas; i++) {
        if (w->daemons[i] && w->is_ended[i])
            kill_daemon(w, i);
    }
    if (!vevent_is_armed(&w->restart))
        vevent_arm(&w->restart, SY_NS_PER_S);
}

/* One that is up, or NULL. */
static struct daemon *some_daemon(struct world *w, uint32_t *ret_at)
{
    *ret_at = below(w, w->replicas);
    return w->is_ended[*ret_at] ? NULL : w->daemons[*ret_at];
}

static void reload(struct world *w, struct daemon *d)
{
    w->settings.is_whole = one_in(w, 4);
    w->settings.preempts = one_in(w, 2);
    w->settings.in_flight = 1 + below(w, 128);
    write_config(w);
    daemon_reload(d);
}

/* ---- nodes ---- */

static struct vroom random_room(struct world *w)
{
    static const int64_t CPUS[] = {1000, 4000, 8000, 16000};
    int64_t cpu = CPUS[below(w, 4)];

    return (struct vroom){.cpu_milli = cpu,
                          .memory_mib = cpu * between(w, 1, 4),
                          .gpus = one_in(w, 3) ? between(w, 1, 8) : 0,
                          .pods = one_in(w, 4) ? between(w, 2, 6) : 110};
}

static struct vroom room_of(struct world *w, uint32_t slot)
{
    if (w->has_rivals || w->has_shrinking || !w->rooms[slot].pods)
        w->rooms[slot] = random_room(w);
    return w->rooms[slot];
}

static void act_node(struct world *w)
{
    uint32_t slot = below(w, w->nodes);
    struct vnode *n = vapi_node(w->api, slot);

    if (!n->exists) {
        vapi_node_create(w->api, slot, room_of(w, slot));
        trace("node-%02u comes as another", slot);
        return;
    }
    /* What is out of order is put in order sooner than the other way around. */
    uint32_t what = below(w, w->has_shrinking ? 6 : 4);
    if (!n->is_ready && !one_in(w, 3))
        what = 0;
    else if (n->is_cordoned && !one_in(w, 3))
        what = 2;
    switch (what) {
    case 0:
    case 1:
        n->is_ready = !n->is_ready;
        trace("node-%02u is %s", slot, n->is_ready ? "ready" : "not ready");
        break;
    case 2:
        n->is_cordoned = !n->is_cordoned;
        trace("node-%02u is %s", slot, n->is_cordoned ? "cordoned" : "open");
        break;
    case 3:
        trace("node-%02u is deleted", slot);
        vapi_node_delete(w->api, slot);
        if (!one_in(w, 3))
            vapi_node_create(w->api, slot, room_of(w, slot));
        return;
    case 4:
        n->room.cpu_milli = one_in(w, 3) ? 0 : n->room.cpu_milli / 2;
        trace("node-%02u shrinks", slot);
        break;
    default:
        n->room = random_room(w);
        trace("node-%02u has another size", slot);
        break;
    }
    vapi_node_changed(w->api, slot);
}

/* ---- pods ---- */

static struct vpod random_pod(struct world *w)
{
    static const int64_t CPUS[] = {50, 100, 250, 500, 1000, 2000};
    struct vpod p = {
        .name = w->next_name++,
        .node = NO_NODE,
        .nominated = NO_NODE,
        .asks = {.cpu_milli = CPUS[below(w, 6)], .memory_mib = between(w, 1, 20) * 50},
        .is_ours = !w->has_rivals || !one_in(w, 4),
        .is_gated = one_in(w, 12),
        .priority = w->has_priorities ? (int32_t)below(w, 4) * 100 : 0,
    };

    if (one_in(w, 10))
        p.port = 8000 + below(w, 3);
    if (one_in(w, 6))
        p.asks.gpus = between(w, 1, 4);
    return p;
}

static void create_pods(struct world *w)
{
    uint32_t count = one_in(w, 8) ? 1 + below(w, 20) : 1, len;
    struct vpod p = random_pod(w);

    vapi_pods_alive(w->api, &len);
    if (len >= PODS_MOST)
        return;
    if (w->has_gangs && one_in(w, 8)) {
        p.gang = ++w->next_gang;
        p.port = 0;
        p.is_ours = true;
        count = 2 + below(w, 5);
        p.gang_min = count - below(w, 2);
        trace("gang-%u of %u, at least %u, comes", p.gang, count, p.gang_min);
    }
    for (uint32_t i = 0; i < count && len + i < PODS_MOST; i++) {
        uint32_t id = vapi_pod_create(w->api, &p);
        trace("pod u%u comes%s", id, p.is_ours ? "" : ", of another scheduler");
        if (p.gang) {
            p.name = w->next_name++;
        } else {
            struct vpod next = random_pod(w);
            p.name = next.name;
            if (one_in(w, 3))
                p = next;
        }
    }
}

static uint32_t random_pod_id(struct world *w)
{
    uint32_t len;
    const uint32_t *alive = vapi_pods_alive(w->api, &len);

    return len ? alive[below(w, len)] : NO_POD;
}

static void delete_pod(struct world *w, uint32_t id)
{
    struct vpod p = *vapi_pod(w->api, id);

    trace("pod u%u is deleted", id);
    vapi_pod_delete(w->api, id);
    /* As a StatefulSet does: the same name, another UID. */
    if (!vapi_pod(w->api, id)->exists && p.phase != VPOD_ENDED && one_in(w, 2)) {
        struct vpod next = random_pod(w);
        next.name = p.name;
        uint32_t again = vapi_pod_create(w->api, &next);
        trace("pod u%u comes under the name of u%u", again, id);
    }
}

/* Another scheduler, or a person, binds a pod of its own, and at times one of ours. */
static void bind_as_rival(struct world *w, uint32_t id)
{
    struct vpod *p = vapi_pod(w->api, id);
    uint32_t slot = below(w, w->nodes);
    const struct vnode *n = vapi_node(w->api, slot);

    if (p->node != NO_NODE || p->is_gated || !n->exists || !vapi_has_room(w->api, slot, p) ||
        (p->is_ours && !one_in(w, 8)))
        return;
    p->node = slot;
    trace("a rival binds u%u to node-%02u", id, slot);
    vapi_pod_changed(w->api, id);
}

static void run_kubelet(struct world *w, uint32_t id)
{
    struct vpod *p = vapi_pod(w->api, id);

    if (p->node == NO_NODE)
        return;
    bool is_orphan = !vapi_node(w->api, p->node)->exists;
    if (p->is_terminating || is_orphan) {
        trace("pod u%u is gone", id);
        vapi_pod_remove(w->api, id);
    } else if (p->phase == VPOD_PENDING) {
        p->phase = VPOD_RUNNING;
        vapi_pod_changed(w->api, id);
    } else if (p->phase == VPOD_RUNNING && one_in(w, 3)) {
        p->phase = VPOD_ENDED;
        trace("pod u%u ends", id);
        vapi_pod_changed(w->api, id);
    } else if (p->phase == VPOD_ENDED) {
        vapi_pod_remove(w->api, id);
    }
}

static void act_pod(struct world *w)
{
    uint32_t id = random_pod_id(w), dice = below(w, 100);

    if (id == NO_POD || dice < 22)
        create_pods(w);
    else if (dice < 74)
        run_kubelet(w, id);
    else if (dice < 79)
        delete_pod(w, id);
    else if (dice < 84 && vapi_pod(w->api, id)->is_gated) {
        vapi_pod(w->api, id)->is_gated = false;
        trace("pod u%u has no gate any more", id);
        vapi_pod_changed(w->api, id);
    } else if (w->has_rivals)
        bind_as_rival(w, id);
}

/* ---- faults ---- */

static uint32_t often(struct world *w, uint32_t most)
{
    return one_in(w, 2) ? 0 : below(w, most);
}

/* From now on other things go wrong. */
static void change_weather(struct world *w)
{
    struct vfaults *f = vnet_faults(w->net);
    bool is_calm = one_in(w, 3);

    *f = (struct vfaults){0};
    static const int64_t PACES_MS[] = {1, 5, 20, 100, 1000};
    w->pace_ns = PACES_MS[below(w, 5)] * SY_NS_PER_MS;
    if (is_calm)
        return;
    f->refused = often(w, 30);
    f->lost_before = often(w, 30);
    f->lost_after = often(w, 60);
    f->swallowed = often(w, 20);
    f->mute = often(w, 30);
    f->error_before = often(w, 60);
    f->error_after = often(w, 60);
    f->throttled = often(w, 100);
    f->unauthorized = often(w, 10);
    f->forbidden = often(w, 20);
    f->slow = often(w, 60);
    f->slow_list = often(w, 300);
    f->duplicated = often(w, 100);
    f->cut = often(w, 20);
    f->lagging = often(w, 30);
}

static void come_back(void *arg)
{
    struct world *w = arg;

    vnet_set_down(w->net, false);
    trace("the API server is back");
}

static void act_fault(struct world *w)
{
    uint32_t at;
    struct daemon *d = some_daemon(w, &at);
    struct vclient *c = d ? daemon_client(d) : NULL;

    switch (below(w, 14)) {
    case 0:
        trace("watches break");
        vnet_cut_watches(w->net, 500);
        break;
    case 1:
        trace("watches fall silent");
        vnet_silence_watches(w->net, 200);
        break;
    case 2:
        trace("history is compacted");
        vapi_compact(w->api, vapi_rv(w->api) - below(w, 20));
        break;
    case 3:
        trace("the wall clock jumps");
        vtime_jump_wall(between(w, -7200, 7200) * SY_NS_PER_S);
        break;
    case 4:
        if (!c)
            break;
        trace("client %u stands still", c->number);
        vloop_freeze(c->loop, vtime_now() + between(w, 1, 20000) * SY_NS_PER_MS);
        break;
    case 5:
    case 6:
        if (!c)
            break;
        kill_daemon(w, at);
        vevent_arm(&w->restart, between(w, 0, 5000) * SY_NS_PER_MS);
        break;
    case 7:
        if (!c)
            break;
        trace("nothing reaches client %u", c->number);
        c->deaf_until = vtime_now() + between(w, 1, 20000) * SY_NS_PER_MS;
        break;
    case 8:
        if (!c)
            break;
        trace("nothing of client %u gets out", c->number);
        c->mute_until = vtime_now() + between(w, 1, 20000) * SY_NS_PER_MS;
        break;
    case 9:
        if (d)
            daemon_retire(d);
        break;
    case 10:
        if (d)
            reload(w, d);
        break;
    case 11:
        trace("the API server goes down");
        vnet_set_down(w->net, true);
        vevent_arm(&w->recover, between(w, 1, 15000) * SY_NS_PER_MS);
        break;
    default:
        change_weather(w);
        break;
    }
}

/* ---- the run ---- */

static void act(void *arg)
{
    struct world *w = arg;
    uint32_t dice = below(w, 1000);

    if (w->is_quiet) {
        /* What terminates comes to its end. */
        uint32_t len;
        const uint32_t *alive = vapi_pods_alive(w->api, &len);
        for (uint32_t i = len; i-- > 0;) {
            const struct vpod *p = vapi_pod(w->api, alive[i]);
            if (p->is_terminating)
                vapi_pod_remove(w->api, p->id);
        }
        vevent_arm(&w->act, SY_NS_PER_S);
        return;
    }
    if (dice < 15)
        act_fault(w);
    else if (dice < 40)
        act_node(w);
    else
        act_pod(w);
    vevent_arm(&w->act, between(w, 0, 2 * w->pace_ns));
}

static void found(struct world *w, const struct world_options *options, bool is_strict)
{
    struct vnet_events events = {
        .on_seen = on_seen,
        .on_bind = on_bind,
        .on_write = on_write,
        .on_change = on_change,
        .arg = w,
    };

    w->options = *options;
    vtime_start(options->seed ^ 0x74696d65);
    trace_start(options->is_loud);
    sy_rng_seed(&w->rng, options->seed);
    w->net = vnet_new(options->seed ^ 0x6e6574, &events);
    w->api = vnet_api(w->net);
    vapi_lie(w->api, options->lie);
    w->books = books_new(w->net, is_strict);
    w->replicas = 1;
    w->next_client = 1;
    w->next_name = 1;
    w->act = (struct vevent){.fn = act, .arg = w, .what = "act"};
    w->reap = (struct vevent){.fn = reap, .arg = w, .what = "reap"};
    w->restart = (struct vevent){.fn = start_daemons, .arg = w, .what = "restart"};
    w->recover = (struct vevent){.fn = come_back, .arg = w, .what = "recover"};
    w->daemon_options = (struct daemon_options){
        .on_decision = on_decision,
        .on_turn = on_daemon_turn,
        .on_end = on_daemon_end,
        .arg = w,
    };
}

static void make(struct world *w, bool has_rivals, bool has_shrinking)
{
    static const uint32_t IN_FLIGHT[] = {1, 4, 128};

    w->has_rivals = has_rivals;
    w->has_shrinking = has_shrinking;
    w->nodes = 2 + below(w, 10);
    w->has_gangs = one_in(w, 2);
    w->has_priorities = one_in(w, 2);
    w->replicas = one_in(w, 2) ? REPLICAS : 1;
    w->settings = (struct settings){
        .is_whole = one_in(w, 4),
        .preempts = one_in(w, 2),
        .elects = w->replicas > 1,
        .in_flight = IN_FLIGHT[below(w, 3)],
        .bind_timeout_s = between(w, 1, 10),
    };
    write_config(w);
    for (uint32_t i = 0; i < w->nodes; i++)
        vapi_node_create(w->api, i, room_of(w, i));
    change_weather(w);
    vevent_arm(&w->act, 0);
    start_daemons(w);
}

/* All faults end; what is left is what is there. */
static void calm(struct world *w)
{
    trace("all faults are over");
    w->is_quiet = true;
    *vnet_faults(w->net) = (struct vfaults){0};
    if (vevent_is_armed(&w->recover)) {
        vevent_disarm(&w->recover);
        come_back(w);
    }
    vevent_disarm(&w->restart);
    start_daemons(w);
    for (uint32_t i = 0; i < w->replicas; i++)
        daemon_client(w->daemons[i])->deaf_until = daemon_client(w->daemons[i])->mute_until = 0;
    if (w->options.lie == LIE_DEAF)
        vnet_faults(w->net)->throttled = 1000;
    vevent_arm(&w->act, 0);
}

static bool is_wrong(const struct world *w)
{
    const char *text;

    return books_verdict(w->books, &text) != RULES;
}

/* Until nothing schedulable waits, or for as long as that may take. */
static uint64_t settle(struct world *w)
{
    sy_time_ns until = vtime_now() + SETTLE_S * SY_NS_PER_S;
    uint64_t steps = 0;

    while (!is_wrong(w) && vtime_next_at() <= until && steps < SETTLE_STEPS) {
        vtime_step();
        steps++;
    }
    for (uint32_t i = 0; i < w->replicas && !is_wrong(w); i++) {
        if (!w->daemons[i])
            books_wrong(w->books, RULE_LIVENESS, "a scheduler ends again and again");
        else
            books_check_settled(w->books, w->daemons[i]);
    }
    return steps;
}

struct world *world_bare(bool is_loud, bool elects)
{
    struct world *w = sy_xcalloc(1, sizeof(*w));

    found(w, &(struct world_options){.seed = 1, .is_loud = is_loud}, elects);
    w->settings = (struct settings){
        .preempts = true, .elects = elects, .in_flight = 128, .bind_timeout_s = 10};
    w->replicas = elects ? REPLICAS : 1;
    write_config(w);
    start_daemons(w);
    return w;
}

void world_free(struct world *w)
{
    for (uint32_t i = 0; i < w->replicas; i++) {
        if (w->daemons[i])
            kill_daemon(w, i);
    }
    unlink(w->config);
    unlink(w->kubeconfig);
    vnet_free(w->net);
    books_free(w->books);
    vtime_end();
    free(w);
}

struct vapi *world_api(struct world *w)
{
    return w->api;
}

struct vnet *world_net(struct world *w)
{
    return w->net;
}

struct books *world_books(struct world *w)
{
    return w->books;
}

struct daemon *world_daemon(struct world *w)
{
    return w->daemons[0];
}

struct daemon *world_leader(struct world *w)
{
    for (uint32_t i = 0; i < w->replicas; i++) {
        if (w->daemons[i] && daemon_client(w->daemons[i])->number == vapi_leader(w->api))
            return w->daemons[i];
    }
    return NULL;
}

void world_start_daemon(struct world *w)
{
    start_daemons(w);
}

void world_kill_daemon(struct world *w, struct daemon *d)
{
    for (uint32_t i = 0; i < w->replicas; i++) {
        if (w->daemons[i] == d)
            kill_daemon(w, i);
    }
}

void world_pass(struct world *w, int64_t ns)
{
    sy_time_ns until = vtime_now() + ns;

    while (vtime_next_at() <= until && !is_wrong(w))
        vtime_step();
    vtime_advance(until);
}

struct world_result world_run(const struct world_options *options)
{
    struct world *w = sy_xcalloc(1, sizeof(*w));
    struct world_result r = {0};
    const char *text;

    bool has_rivals = options->seed & 1, has_shrinking = options->seed & 2;
    found(w, options, !has_rivals && !has_shrinking);
    make(w, has_rivals, has_shrinking);
    while (r.step < options->steps && !is_wrong(w)) {
        vtime_step();
        r.step++;
    }
    if (!is_wrong(w)) {
        calm(w);
        r.step += settle(w);
    }
    r.verdict = books_verdict(w->books, &text);
    if (r.verdict != RULES && options->trace_lines) {
        printf("--- the last %u lines\n", options->trace_lines);
        trace_print(options->trace_lines);
    }
    snprintf(r.text, sizeof(r.text), "%s", text);
    r.sum = trace_sum();
    r.virtual_s = (double)vtime_now() / 1e9 - 1000;
    r.decisions = books_decisions(w->books);
    r.evictions = books_evictions(w->books);
    r.requests = vnet_requests(w->net);
    r.pods = vapi_pods_len(w->api);
    r.restarts = w->restarts;
    world_free(w);
    return r;
}
