/* SPDX-License-Identifier: Apache-2.0 */
#include "books.h"

#include "base/mem.h"
#include "sched/inside.h"
#include "trace.h"
#include "vtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MOST = 4, AUDIT_EVERY = 64, TEXT = 512 };

/* What a client was shown of a pod or a node. */
struct seen_pod {
    bool is_known, is_marked;
    bool is_gated, is_terminating, is_ours;
    uint32_t node;
    uint32_t at; /* in known */
};

struct seen_node {
    bool is_known, is_marked, is_ready, is_cordoned;
    struct vroom room;
};

struct view {
    struct daemon *daemon;        /* NULL: free */
    SY_VEC(struct seen_pod) pods; /* by id */
    SY_VEC(uint32_t) known;
    struct seen_node nodes[NODES_MAX];
    uint32_t nodes_known;
    SY_VEC(uint32_t) begun; /* gangs of which something was decided in this turn */
    uint64_t turns;
    sy_time_ns turned_at;
    sy_time_ns unsteady_at; /* it paused or stood still */
};

/* Binds of one pod that may still land. */
struct landing {
    uint32_t count;
    uint32_t client;
    uint32_t node;
    uint32_t decided_by; /* client */
    uint32_t decided_node;
};

struct books {
    struct vnet *net;
    struct vapi *api;
    struct view views[CLIENTS_MOST];
    SY_VEC(struct landing) landings; /* by pod id */
    bool is_strict;
    uint32_t decider; /* the last client that decided while it held the lease */
    uint64_t decisions, evictions;
    enum rule verdict;
    char text[TEXT];
};

const char *rule_name(enum rule rule)
{
    static const char *const NAMES[] = {
        [RULE_OVERCOMMIT] = "no overcommit by our own act",
        [RULE_BIND_ONCE] = "one bind for each UID",
        [RULE_WHERE] = "binds only what may go where it may go",
        [RULE_QUEUE] = "each pending pod in a queue with a deadline",
        [RULE_GANG] = "gangs all or nothing",
        [RULE_LEADER] = "only who holds the lease writes",
        [RULE_OWNER] = "pods of other schedulers are not evicted",
        [RULE_STATE] = "the state is what was shown",
        [RULE_LIVENESS] = "what fits is bound once faults are over",
        [RULES] = "none",
    };

    return NAMES[rule];
}

struct books *books_new(struct vnet *net, bool is_strict)
{
    struct books *b = sy_xcalloc(1, sizeof(*b));

    b->net = net;
    b->api = vnet_api(net);
    b->verdict = RULES;
    b->is_strict = is_strict;
    return b;
}

static void view_done(struct view *v)
{
    sy_vec_done(&v->pods);
    sy_vec_done(&v->known);
    sy_vec_done(&v->begun);
    *v = (struct view){0};
}

void books_free(struct books *b)
{
    if (!b)
        return;
    for (int i = 0; i < CLIENTS_MOST; i++)
        view_done(&b->views[i]);
    sy_vec_done(&b->landings);
    free(b);
}

enum rule books_verdict(const struct books *b, const char **ret_text)
{
    *ret_text = b->text;
    return b->verdict;
}

uint64_t books_decisions(const struct books *b)
{
    return b->decisions;
}

uint64_t books_evictions(const struct books *b)
{
    return b->evictions;
}

void books_wrong(struct books *b, enum rule rule, const char *format, ...)
{
    va_list args;

    if (b->verdict != RULES)
        return;
    b->verdict = rule;
    va_start(args, format);
    vsnprintf(b->text, sizeof(b->text), format, args);
    va_end(args);
    trace("WRONG: %s", b->text);
}

/* ---- views ---- */

static struct view *view_of(struct books *b, const struct daemon *d)
{
    for (int i = 0; i < CLIENTS_MOST; i++) {
        if (b->views[i].daemon == d)
            return &b->views[i];
    }
    abort();
}

void books_open(struct books *b, struct daemon *d)
{
    view_of(b, NULL)->daemon = d;
}

void books_close(struct books *b, struct daemon *d)
{
    view_done(view_of(b, d));
}

/* Borrowed until one of a pod that came later is asked for. */
static struct seen_pod *seen_pod(struct view *v, uint32_t id)
{
    while (v->pods.len <= id)
        sy_vec_push(&v->pods, (struct seen_pod){.node = NO_NODE});
    return &v->pods.p[id];
}

static void see_pod(struct view *v, const struct vpod *p, bool is_gone)
{
    struct seen_pod *s = seen_pod(v, p->id);

    if (is_gone && s->is_known) {
        uint32_t last = v->known.p[v->known.len - 1];
        v->known.p[s->at] = last;
        v->pods.p[last].at = s->at;
        v->known.len--;
        *s = (struct seen_pod){.node = NO_NODE};
    } else if (!is_gone) {
        if (!s->is_known) {
            s->at = (uint32_t)v->known.len;
            sy_vec_push(&v->known, p->id);
        }
        s->is_known = s->is_marked = true;
        s->is_gated = p->is_gated;
        s->is_terminating = p->is_terminating;
        s->is_ours = p->is_ours;
        s->node = p->node;
    }
}

static void see_node(struct view *v, uint32_t slot, const struct vnode *n, bool is_gone)
{
    struct seen_node *s = &v->nodes[slot];

    v->nodes_known += (is_gone ? 0U : 1U) - s->is_known;
    *s = (struct seen_node){.is_known = !is_gone,
                            .is_marked = true,
                            .is_ready = n->is_ready,
                            .is_cordoned = n->is_cordoned,
                            .room = n->room};
}

static void begin_list(struct view *v, enum vkind kind)
{
    for (size_t i = 0; kind == VKIND_PODS && i < v->known.len; i++)
        v->pods.p[v->known.p[i]].is_marked = false;
    for (uint32_t i = 0; kind == VKIND_NODES && i < NODES_MAX; i++)
        v->nodes[i].is_marked = false;
}

static void end_list(struct view *v, enum vkind kind)
{
    static const struct vnode NOTHING = {0};

    for (size_t i = v->known.len; kind == VKIND_PODS && i-- > 0;) {
        struct vpod p = {.id = v->known.p[i]};
        if (!v->pods.p[p.id].is_marked)
            see_pod(v, &p, true);
    }
    for (uint32_t i = 0; kind == VKIND_NODES && i < NODES_MAX; i++) {
        if (v->nodes[i].is_known && !v->nodes[i].is_marked)
            see_node(v, i, &NOTHING, true);
    }
}

void books_seen(struct books *b, struct vclient *c, enum vkind kind, const struct vmessage *m)
{
    struct view *v = view_of(b, c->arg);
    const struct version *x = m->version;

    if (m->mark == VMARK_LIST_BEGIN)
        begin_list(v, kind);
    if (x && x->kind == VKIND_PODS)
        see_pod(v, &x->pod, x->type == VEVENT_DELETED);
    else if (x && x->kind == VKIND_NODES)
        see_node(v, x->at, &x->node, x->type == VEVENT_DELETED);
    if (m->mark == VMARK_LIST_END)
        end_list(v, kind);
}

/* ---- binds ---- */

/* As seen_pod(). */
static struct landing *landing(struct books *b, uint32_t pod)
{
    while (b->landings.len <= pod)
        sy_vec_push(&b->landings, (struct landing){0});
    return &b->landings.p[pod];
}

void books_bind(struct books *b, struct vclient *c, uint32_t pod, uint32_t node, bool is_sent)
{
    struct landing *l = landing(b, pod);

    if (!is_sent) {
        l->count--;
        return;
    }
    if (l->count && l->client == c->number && l->node != node)
        books_wrong(b, RULE_BIND_ONCE,
                    "pod u%u: a bind to node-%02u is sent while one to node-%02u "
                    "may land",
                    pod, node, l->node);
    if (l->decided_by != c->number || l->decided_node != node)
        books_wrong(b, RULE_BIND_ONCE, "pod u%u: a bind to node-%02u is sent that was not decided",
                    pod, node);
    l->count++;
    l->client = c->number;
    l->node = node;
    trace("client %u: binds u%u to node-%02u", c->number, pod, node);
}

/* Where a client must take a pod to be: what it was shown, or what it has done itself. */
static uint32_t place_of(struct books *b, struct view *v, uint32_t id, uint32_t client)
{
    const struct seen_pod *s = seen_pod(v, id);
    const struct vpod *p = vapi_pod(b->api, id);
    const struct landing *l = landing(b, id);

    if (s->is_known && s->node != NO_NODE)
        return s->node;
    if (!p->exists || p->phase == VPOD_ENDED)
        return NO_NODE;
    if (p->node != NO_NODE)
        return p->bound_by == client ? p->node : NO_NODE;
    return l->count && l->client == client ? l->node : NO_NODE;
}

static struct vroom used_as_known(struct books *b, struct view *v, uint32_t node, uint32_t client)
{
    struct vroom sum = {0};
    uint32_t len;
    const uint32_t *alive = vapi_pods_alive(b->api, &len);

    for (size_t i = 0; i < v->known.len; i++) {
        if (v->pods.p[v->known.p[i]].node == node) {
            sum = vroom_add(sum, vapi_pod(b->api, v->known.p[i])->asks);
            sum.pods++;
        }
    }
    for (uint32_t i = 0; i < len; i++) {
        const struct seen_pod *s = seen_pod(v, alive[i]);
        if (!(s->is_known && s->node != NO_NODE) && place_of(b, v, alive[i], client) == node) {
            sum = vroom_add(sum, vapi_pod(b->api, alive[i])->asks);
            sum.pods++;
        }
    }
    return sum;
}

/* Whether, as far as a client must know, another pod there has the port. */
static bool has_port(struct books *b, struct view *v, uint32_t node, uint32_t port, uint32_t client)
{
    uint32_t len;
    const uint32_t *alive = vapi_pods_alive(b->api, &len);

    for (size_t i = 0; i < v->known.len; i++) {
        if (v->pods.p[v->known.p[i]].node == node && vapi_pod(b->api, v->known.p[i])->port == port)
            return true;
    }
    for (uint32_t i = 0; i < len; i++) {
        if (vapi_pod(b->api, alive[i])->port == port && place_of(b, v, alive[i], client) == node)
            return true;
    }
    return false;
}

static uint32_t number_of(const char *text, const char *prefix)
{
    uint64_t n;

    if (strncmp(text, prefix, strlen(prefix)) != 0 ||
        sy_str_u64(sy_str_from(text + strlen(prefix)), &n) < 0)
        return UINT32_MAX;
    return (uint32_t)n;
}

/* Members that have a place or were decided on, and the largest minimum that one names; all as far
 * as the scheduler can know. */
static uint32_t placed_of_gang(struct books *b, struct view *v, uint32_t gang, uint32_t *ret_least)
{
    uint32_t placed = 0, client = daemon_client(v->daemon)->number;

    *ret_least = 0;
    for (size_t i = 0; i < v->known.len; i++) {
        const struct vpod *p = vapi_pod(b->api, v->known.p[i]);
        const struct seen_pod *s = &v->pods.p[p->id];
        if (p->gang != gang)
            continue;
        placed += s->node != NO_NODE || landing(b, p->id)->decided_by == client;
        if (p->gang_min > *ret_least)
            *ret_least = p->gang_min;
    }
    return placed;
}

static void check_bind(struct books *b, struct view *v, const struct sy_decision *decision)
{
    uint32_t client = daemon_client(v->daemon)->number;
    uint32_t pod = number_of(decision->uid, "u"), node = number_of(decision->node, "node-");
    const struct vpod *p = vapi_pod(b->api, pod);
    uint32_t last = vapi_pods_len(b->api) - 1;

    (void)seen_pod(v, last);
    (void)landing(b, last);
    const struct seen_pod *s = seen_pod(v, pod);
    struct landing *l = landing(b, pod);
    const struct seen_node *n = &v->nodes[node];

    b->decisions++;
    if (vapi_leader(b->api) == client)
        b->decider = client;
    if (!s->is_known || s->node != NO_NODE || s->is_gated || s->is_terminating || !p->is_ours)
        books_wrong(b, RULE_WHERE, "pod u%u is to be bound, but was shown as %s", pod,
                    !s->is_known         ? "gone"
                    : s->node != NO_NODE ? "bound"
                    : s->is_gated        ? "gated"
                    : s->is_terminating  ? "terminating"
                                         : "another scheduler's");
    if (!n->is_known || !n->is_ready || n->is_cordoned)
        books_wrong(b, RULE_WHERE, "pod u%u is to go to node-%02u, which was shown as %s", pod,
                    node,
                    !n->is_known   ? "gone"
                    : !n->is_ready ? "not ready"
                                   : "cordoned");
    if (l->count && l->client == client)
        books_wrong(b, RULE_BIND_ONCE,
                    "pod u%u is decided on again while its bind to node-%02u may "
                    "land",
                    pod, l->node);
    if (p->exists && p->node != NO_NODE && p->bound_by == client)
        books_wrong(b, RULE_BIND_ONCE,
                    "pod u%u is decided on again, but is bound to node-%02u by "
                    "the same scheduler",
                    pod, p->node);
    struct vroom used = used_as_known(b, v, node, client);
    if (!vroom_fits(used, p->asks, n->room))
        books_wrong(b, RULE_OVERCOMMIT,
                    "pod u%u goes to node-%02u: cpu %lld + %lld of %lld, memory %lld + %lld of "
                    "%lld, gpus %lld + %lld of %lld, pods %lld + 1 of %lld",
                    pod, node, (long long)used.cpu_milli, (long long)p->asks.cpu_milli,
                    (long long)n->room.cpu_milli, (long long)used.memory_mib,
                    (long long)p->asks.memory_mib, (long long)n->room.memory_mib,
                    (long long)used.gpus, (long long)p->asks.gpus, (long long)n->room.gpus,
                    (long long)used.pods, (long long)n->room.pods);
    if (p->port && has_port(b, v, node, p->port, client))
        books_wrong(b, RULE_OVERCOMMIT, "pod u%u goes to node-%02u, where its port %u is taken",
                    pod, node, p->port);
    uint32_t least;
    if (p->gang && !placed_of_gang(b, v, p->gang, &least))
        sy_vec_push(&v->begun, p->gang);
    l->decided_by = client;
    l->decided_node = node;
}

void books_decision(struct books *b, struct daemon *d, const struct sy_decision *decision)
{
    if (decision->kind == SY_DECIDE_BIND)
        check_bind(b, view_of(b, d), decision);
}

/* ---- writes ---- */

void books_write(struct books *b, struct vclient *c, const struct vrequest *rq)
{
    bool is_delete = strcmp(rq->method, "DELETE") == 0;
    bool is_target = strcmp(rq->method, "PATCH") == 0 &&
                     memmem(rq->body.p, rq->body.len, "DisruptionTarget", 16);
    uint32_t id = vapi_pod_of_path(b->api, rq->path);

    if (id == NO_POD || strcmp(rq->method, "GET") == 0)
        return;
    /* What is late is harmless until the next leader has begun. */
    if (vapi_had_leader(b->api) && vapi_leader(b->api) != c->number && b->decider != c->number)
        books_wrong(b, RULE_LEADER, "client %u writes (%s %.60s), but client %u has begun to lead",
                    c->number, rq->method, rq->path, b->decider);
    if ((!is_delete && !is_target) || !vapi_pod(b->api, id)->exists)
        return;
    b->evictions += is_delete;
    trace("client %u: evicts u%u", c->number, id);
    if (!vapi_pod(b->api, id)->is_ours)
        books_wrong(b, RULE_OWNER, "pod u%u is another scheduler's and is evicted", id);
}

void books_changed(struct books *b, const struct version *v)
{
    const struct vpod *p = &v->pod;

    if (!b->is_strict || v->kind != VKIND_PODS || v->type == VEVENT_DELETED || p->node == NO_NODE ||
        p->bound_at != vtime_now())
        return;
    struct vroom others = vroom_less(vapi_used(b->api, p->node), p->asks);
    others.pods--;
    if (!vroom_fits(others, p->asks, vapi_node(b->api, p->node)->room))
        books_wrong(b, RULE_OVERCOMMIT,
                    "with u%u node-%02u is over what it has, and nobody else binds", v->at,
                    p->node);
}

/* ---- the end of a turn ---- */

static void check_gangs(struct books *b, struct view *v)
{
    for (size_t i = 0; i < v->begun.len; i++) {
        uint32_t least, placed = placed_of_gang(b, v, v->begun.p[i], &least);
        if (placed < least)
            books_wrong(b, RULE_GANG,
                        "gang-%u: its first bind is sent with %u of %u members placed",
                        v->begun.p[i], placed, least);
    }
    v->begun.len = 0;
}

static void check_entry(struct books *b, const struct sy_sched_inside *in, uint32_t slot,
                        uint32_t id, bool is_steady)
{
    static const int64_t LONGEST_NS = 60 * SY_NS_PER_S, LATE_NS = 3 * SY_NS_PER_S;
    const struct sy_pod_slot *p = &in->cluster->pods.p[slot];
    sy_time_ns now = vtime_now();

    if (p->user >= in->entries->all.len) {
        /* Bound or gone, as the server has said in an answer and will say in an event. */
        const struct vpod *truth = vapi_pod(b->api, id);
        if (truth->exists && truth->node == NO_NODE && !truth->is_terminating)
            books_wrong(b, RULE_QUEUE, "pod u%u is pending and in no queue", id);
        return;
    }
    const struct sy_entry *e = &in->entries->all.p[p->user];
    if (e->pod != slot || e->state == SY_ENTRY_FREE)
        books_wrong(b, RULE_QUEUE, "pod u%u is pending, and its entry is %s", id,
                    e->pod != slot ? "another's" : "in no queue");
    if (e->state != SY_ENTRY_BACKOFF && e->state != SY_ENTRY_WAITING)
        return;
    if (e->until_ns > now + LONGEST_NS)
        books_wrong(b, RULE_QUEUE, "pod u%u is not to be looked at for %.0f s", id,
                    (double)(e->until_ns - now) / 1e9);
    if (is_steady && e->until_ns + LATE_NS < now)
        books_wrong(b, RULE_QUEUE, "pod u%u was to be looked at %.0f s ago", id,
                    (double)(now - e->until_ns) / 1e9);
}

/* It has been at work for a while without a pause, so what is due has been done. */
static bool is_steady(const struct view *v)
{
    return vtime_now() - v->unsteady_at > 5 * SY_NS_PER_S;
}

/* The scheduler's pods are those that it was shown, and each is in its place. */
static void check_pods(struct books *b, struct view *v)
{
    struct sy_sched_inside in;
    uint32_t count = 0;

    sy_sched_look_inside(daemon_sched(v->daemon), &in);
    for (uint32_t i = 0; i < in.cluster->pods.len; i++) {
        const struct sy_pod_slot *p = &in.cluster->pods.p[i];
        /* A stand-in keeps a place for a gang, and is of no concern to the server. */
        if (!(p->flags & SY_POD_ALIVE) || strncmp(p->uid, "first claim of ", 15) == 0)
            continue;
        count++;
        uint32_t id = number_of(p->uid, "u");
        if (id >= vapi_pods_len(b->api)) {
            books_wrong(b, RULE_STATE, "a pod is kept that never was: %s", p->uid);
            continue;
        }
        const struct seen_pod *s = seen_pod(v, id);
        bool is_bound = p->node != SY_NONE && !(p->flags & SY_POD_ASSUMED);
        if (!s->is_known)
            books_wrong(b, RULE_STATE, "pod u%u is kept, but was shown as gone", id);
        else if (is_bound != (s->node != NO_NODE))
            books_wrong(b, RULE_STATE, "pod u%u is kept as %s, but was shown otherwise", id,
                        is_bound ? "bound" : "not bound");
        if (s->is_known && s->is_ours && s->node == NO_NODE && !s->is_terminating)
            check_entry(b, &in, i, id, is_steady(v));
    }
    if (count != v->known.len)
        books_wrong(b, RULE_STATE, "%u pods are kept, but %zu were shown", count, v->known.len);
}

static void audit(struct books *b, struct view *v)
{
    struct sy_sched *s = daemon_sched(v->daemon);
    const struct sy_cluster *c = sy_sched_cluster(s);
    char text[256], name[16];
    const char *wrong = sy_cluster_audit(c, text, sizeof(text));

    if (wrong)
        books_wrong(b, RULE_STATE, "audit: %s", wrong);
    if (sy_sched_stats(s)->exact_differences)
        books_wrong(b, RULE_STATE, "a cached verdict or score differs from one made anew");
    if (c->nodes_alive != v->nodes_known)
        books_wrong(b, RULE_STATE, "%u nodes are kept, but %u were shown", c->nodes_alive,
                    v->nodes_known);
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        if (!v->nodes[i].is_known)
            continue;
        snprintf(name, sizeof(name), "node-%02u", i);
        sy_sid id = sy_strings_find(daemon_strings(v->daemon), sy_str_from(name));
        uint32_t slot = id ? sy_cluster_node_find(c, id) : SY_NONE;
        int64_t cpu = v->nodes[i].room.cpu_milli > 0 ? v->nodes[i].room.cpu_milli : 0;
        if (slot == SY_NONE || !sy_cluster_node_is_alive(c, slot))
            books_wrong(b, RULE_STATE, "node-%02u was shown and is not kept", i);
        else if (c->columns[SY_COLUMN_CPU_MILLI].allocatable[slot] != cpu &&
                 vapi_lies(b->api) != LIE_ROOM)
            books_wrong(b, RULE_STATE, "node-%02u is kept with another room than was shown", i);
    }
}

void books_turn(struct books *b, struct daemon *d)
{
    struct view *v = view_of(b, d);

    if (!daemon_is_active(d) || vtime_now() - v->turned_at > 2 * SY_NS_PER_S)
        v->unsteady_at = vtime_now();
    v->turned_at = vtime_now();
    if (v->begun.len)
        check_gangs(b, v);
    check_pods(b, v);
    if (++v->turns % AUDIT_EVERY == 0)
        audit(b, v);
}

/* ---- when all is quiet ---- */

static bool has_room(struct books *b, const struct vpod *p)
{
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        const struct vnode *n = vapi_node(b->api, i);
        if (n->exists && n->is_ready && !n->is_cordoned && vapi_has_room(b->api, i, p))
            return true;
    }
    return false;
}

/* How many pods like this one there is room for. */
static uint32_t room_for(struct books *b, const struct vpod *p)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < NODES_MAX; i++) {
        const struct vnode *n = vapi_node(b->api, i);
        struct vroom used = vapi_used(b->api, i);
        while (n->exists && n->is_ready && !n->is_cordoned && vroom_fits(used, p->asks, n->room)) {
            used = vroom_add(used, p->asks);
            used.pods++;
            count++;
        }
    }
    return count;
}

/* Members of a gang are alike. */
static bool gang_fits(struct books *b, const struct vpod *p)
{
    uint32_t placed = 0, waiting = 0, len;
    const uint32_t *alive = vapi_pods_alive(b->api, &len);

    for (uint32_t i = 0; i < len; i++) {
        const struct vpod *m = vapi_pod(b->api, alive[i]);
        if (m->gang != p->gang || m->phase == VPOD_ENDED || m->is_terminating)
            continue;
        placed += m->node != NO_NODE;
        waiting += m->node == NO_NODE && !m->is_gated;
    }
    if (placed >= p->gang_min || (placed && placed + waiting < p->gang_min))
        return has_room(b, p);
    uint32_t need = p->gang_min - placed;
    return waiting >= need && room_for(b, p) >= need;
}

uint32_t books_left_waiting(struct books *b)
{
    uint32_t len;
    const uint32_t *alive = vapi_pods_alive(b->api, &len);

    for (uint32_t i = 0; i < len; i++) {
        const struct vpod *p = vapi_pod(b->api, alive[i]);
        if (p->is_ours && p->node == NO_NODE && !p->is_gated &&
            (p->gang ? gang_fits(b, p) : has_room(b, p)))
            return p->id;
    }
    return NO_POD;
}

void books_check_settled(struct books *b, struct daemon *d)
{
    struct view *v = view_of(b, d);
    uint32_t left = books_left_waiting(b), len, shown = 0;
    const uint32_t *alive = vapi_pods_alive(b->api, &len);

    if (left != NO_POD)
        books_wrong(b, RULE_LIVENESS, "pod u%u fits and is not bound", left);
    for (uint32_t i = 0; i < len; i++) {
        const struct vpod *p = vapi_pod(b->api, alive[i]);
        const struct seen_pod *s = seen_pod(v, alive[i]);
        if (p->phase == VPOD_ENDED)
            continue;
        shown++;
        if (!s->is_known || s->node != p->node)
            books_wrong(b, RULE_STATE, "pod u%u is not what was shown last", p->id);
    }
    if (shown != v->known.len)
        books_wrong(b, RULE_STATE, "%u pods are there, and %zu were shown", shown, v->known.len);
    check_pods(b, v);
    audit(b, v);
}
