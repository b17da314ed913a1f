/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include "base/mem.h"
#include "sched/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some time after boot: 0 means "never" to parts of the core. */
static const sy_time_ns EPOCH_NS = 1000 * SY_NS_PER_S;
static const uint64_t HASH_KEY[2] = {0x73696d, 0x756c61}; /* fixed: runs repeat */

enum event_kind { EVENT_CALL, EVENT_LAND, EVENT_SETTLE };

struct event {
    sy_time_ns at;
    uint64_t serial;
    sy_sim_fn *fn; /* CALL */
    void *arg;
    uint64_t ticket; /* LAND, SETTLE: of the bind of pod `a`, as it was in that use, to node `b` */
    uint32_t a, b;
    uint32_t use;
    uint8_t kind; /* enum event_kind */
};

struct sim_node {
    char name[16];
    sy_sid id;
    struct sy_sim_room allocatable;
    struct sy_sim_room used, promised; /* by what is bound; by binds under way */
    uint32_t max_pods, pods, promised_pods;
    bool is_ready, is_gone;
};

enum pod_state { POD_PENDING, POD_BOUND, POD_RUNNING, POD_GONE };

struct sim_pod {
    struct sy_sim_ask ask;
    uint32_t node;     /* SY_NONE before its binding */
    uint32_t promised; /* where a bind is under way to; SY_NONE: nowhere */
    uint32_t use;      /* how many pods had this number before */
    bool is_owed;      /* its last bind was refused: it may still hold its place */
    enum pod_state state;
};

struct sy_sim {
    struct sy_sim_options options;
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_sched *sched;
    sy_sid ns, scheduler_name, taint_key, empty;
    sy_sid group_key, min_key, topology_key, rack_key;

    SY_VEC(struct event) events; /* a binary heap, earliest first */
    uint64_t next_serial;
    sy_time_ns now;      /* boot-time, as the core has it */
    sy_time_ns deadline; /* when the core wants to be called */
    bool has_input;      /* since the core was last called */
    SY_VEC(struct sim_node) nodes;
    SY_VEC(uint32_t) node_of_id; /* by string id */
    SY_VEC(struct sim_pod) pods;
    SY_VEC(uint32_t) free_pods;
    uint32_t under_way, owed; /* pods with a bind under way; refused and not gone */
    struct sy_sim_faults faults;
};

/* -- events -- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static void push_event(struct sy_sim *s, struct event e)
{
    e.serial = s->next_serial++;
    if (e.at < s->now)
        e.at = s->now;
    sy_vec_push(&s->events, e);
    size_t i = s->events.len - 1;
    for (; i && is_before(&e, &s->events.p[(i - 1) / 2]); i = (i - 1) / 2)
        s->events.p[i] = s->events.p[(i - 1) / 2];
    s->events.p[i] = e;
}

static struct event pop_event(struct sy_sim *s)
{
    struct event first = s->events.p[0];
    struct event last = s->events.p[--s->events.len];
    size_t i = 0, len = s->events.len;

    for (size_t child; (child = 2 * i + 1) < len; i = child) {
        child += child + 1 < len && is_before(&s->events.p[child + 1], &s->events.p[child]);
        if (!is_before(&s->events.p[child], &last))
            break;
        s->events.p[i] = s->events.p[child];
    }
    if (len)
        s->events.p[i] = last;
    return first;
}

void sy_sim_at(struct sy_sim *s, sy_time_ns at, sy_sim_fn *fn, void *arg, uint32_t a, uint32_t b)
{
    push_event(s,
               (struct event){
                   .kind = EVENT_CALL, .at = EPOCH_NS + at, .fn = fn, .arg = arg, .a = a, .b = b});
}

sy_time_ns sy_sim_now(const struct sy_sim *s)
{
    return s->now - EPOCH_NS;
}

/* -- what the core is told -- */

static struct sy_amounts amounts(const struct sy_sim *s, struct sy_amount p[4],
                                 struct sy_sim_room room, uint32_t pods)
{
    uint32_t len = 0;

    p[len++] = (struct sy_amount){s->names.cpu, room.cpu_milli};
    p[len++] = (struct sy_amount){s->names.memory, room.memory_bytes};
    if (room.gpus)
        p[len++] = (struct sy_amount){s->names.nvidia_gpu, room.gpus};
    if (pods)
        p[len++] = (struct sy_amount){s->names.pods, pods};
    return (struct sy_amounts){p, sy_amounts_sort(p, len)};
}

static void tell_node(struct sy_sim *s, uint32_t node)
{
    const struct sim_node *n = &s->nodes.p[node];
    struct sy_amount room[4];
    const struct sy_taint taints[] = {
        {s->taint_key, s->empty, SY_EFFECT_NO_SCHEDULE},
        {s->taint_key, s->empty, SY_EFFECT_NO_EXECUTE},
    };
    char text[16];
    snprintf(text, sizeof(text), "r%u", node / SY_SIM_RACK_NODES);
    const struct sy_label rack = {s->rack_key, sy_strings_addz(s->strings, text)};
    struct sy_node object = {
        .uid = sy_str_from(n->name),
        .name = n->id,
        .labels = {&rack, 1},
        .allocatable = amounts(s, room, n->allocatable, n->max_pods),
        .taints = taints,
        .taints_len = n->is_ready ? 0 : SY_ARRAY_LEN(taints),
        .ready = n->is_ready ? SY_CONDITION_TRUE : SY_CONDITION_UNKNOWN,
    };

    s->faults.refused += sy_sched_node(s->sched, &object, s->now) < 0;
    s->has_input = true;
}

enum { UID_MAX_BYTES = 24 };

static void pod_uid(const struct sy_sim *s, uint32_t pod, char text[UID_MAX_BYTES])
{
    snprintf(text, UID_MAX_BYTES, "p%u.%u", pod, s->pods.p[pod].use);
}

/* The number in a name of pod_uid()'s. */
static uint32_t pod_of_uid(const char *uid)
{
    const char *dot = strchr(uid, '.');
    uint64_t pod = SY_NONE;

    if (!dot || sy_str_u64((struct sy_str){uid + 1, (size_t)(dot - uid - 1)}, &pod) < 0)
        return SY_NONE;
    return (uint32_t)pod;
}

static sy_sid number_id(struct sy_sim *s, const char *prefix, uint32_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%s%u", prefix, n);
    return sy_strings_addz(s->strings, text);
}

/* Labels and annotations go by key. */
static struct sy_labels sort_labels(struct sy_label *p, uint32_t len)
{
    if (len == 2 && p[0].key > p[1].key) {
        struct sy_label first = p[0];
        p[0] = p[1];
        p[1] = first;
    }
    return (struct sy_labels){p, len};
}

static void tell_pod(struct sy_sim *s, uint32_t pod)
{
    const struct sim_pod *p = &s->pods.p[pod];
    const struct sy_sim_ask *ask = &p->ask;
    struct sy_amount asked[4];
    struct sy_label label, terms[2];
    char uid[UID_MAX_BYTES];

    pod_uid(s, pod, uid);
    struct sy_pod object = {
        .uid = sy_str_from(uid),
        .name = sy_str_from(uid),
        .ns = s->ns,
        .node = p->node == SY_NONE ? 0 : s->nodes.p[p->node].id,
        .priority = ask->priority,
        .phase = p->state == POD_RUNNING ? SY_PHASE_RUNNING : SY_PHASE_PENDING,
        .spec = {.scheduler_name = s->scheduler_name,
                 .requests = {.requests = amounts(s, asked, ask->requests, 0),
                              .nonzero_cpu_milli = ask->requests.cpu_milli,
                              .nonzero_memory_bytes = ask->requests.memory_bytes}},
    };
    if (ask->min_members) {
        label = (struct sy_label){s->group_key, number_id(s, "g", ask->gang)};
        terms[0] = (struct sy_label){s->min_key, number_id(s, "", ask->min_members)};
        terms[1] = (struct sy_label){s->topology_key, s->rack_key};
        object.labels = (struct sy_labels){&label, 1};
        object.annotations = sort_labels(terms, ask->in_one_rack ? 2 : 1);
    }
    s->faults.refused += sy_sched_pod(s->sched, &object, s->now) < 0;
    s->has_input = true;
}

/* -- the ledger -- */

static void add_room(struct sy_sim_room *to, struct sy_sim_room room, int sign)
{
    to->cpu_milli += sign * room.cpu_milli;
    to->memory_bytes += sign * room.memory_bytes;
    to->gpus += sign * room.gpus;
}

static void charge(struct sim_node *n, const struct sim_pod *p, int sign)
{
    add_room(&n->used, p->ask.requests, sign);
    n->pods += (uint32_t)sign;
}

static bool is_over(const struct sim_node *n)
{
    struct sy_sim_room all = n->used;

    add_room(&all, n->promised, 1);
    return all.cpu_milli > n->allocatable.cpu_milli ||
           all.memory_bytes > n->allocatable.memory_bytes || all.gpus > n->allocatable.gpus ||
           n->pods + n->promised_pods > n->max_pods;
}

static void promise(struct sy_sim *s, struct sim_pod *p, uint32_t node)
{
    s->under_way++;
    p->promised = node;
    add_room(&s->nodes.p[node].promised, p->ask.requests, 1);
    s->nodes.p[node].promised_pods++;
}

static void end_promise(struct sy_sim *s, struct sim_pod *p)
{
    if (p->promised == SY_NONE)
        return;
    s->under_way--;
    add_room(&s->nodes.p[p->promised].promised, p->ask.requests, -1);
    s->nodes.p[p->promised].promised_pods--;
    p->promised = SY_NONE;
}

static void set_owed(struct sy_sim *s, struct sim_pod *p, bool is_owed)
{
    s->owed += is_owed;
    s->owed -= p->is_owed;
    p->is_owed = is_owed;
}

/* -- the API server -- */

static bool is_gone(const struct sy_sim *s, const struct event *e)
{
    return s->pods.p[e->a].use != e->use || s->pods.p[e->a].state == POD_GONE;
}

static void answer(struct sy_sim *s, uint64_t ticket, enum sy_bind_result result)
{
    sy_sched_bind_result(s->sched, ticket, result,
                         result == SY_BIND_RESULT_REFUSED ? "refused" : NULL, s->now);
}

static void refuse(struct sy_sim *s, const struct event *e)
{
    end_promise(s, &s->pods.p[e->a]);
    set_owed(s, &s->pods.p[e->a], true);
    answer(s, e->ticket, SY_BIND_RESULT_REFUSED);
}

/* What an answer that was lost had said is known at last. */
static void settle(struct sy_sim *s, const struct event *e)
{
    if (is_gone(s, e))
        answer(s, e->ticket, SY_BIND_RESULT_GONE);
    else if (s->pods.p[e->a].node == SY_NONE)
        refuse(s, e);
    else
        answer(s, e->ticket, SY_BIND_RESULT_OK);
}

static void land_bind(struct sy_sim *s, const struct event *e)
{
    struct sim_pod *p = &s->pods.p[e->a];
    enum sy_sim_outcome outcome = SY_SIM_LANDS;

    if (is_gone(s, e)) {
        answer(s, e->ticket, SY_BIND_RESULT_GONE);
        return;
    }
    if (p->node != SY_NONE) {
        s->faults.bound_twice++;
        answer(s, e->ticket, SY_BIND_RESULT_CONFLICT);
        return;
    }
    if (s->options.outcome)
        outcome = s->options.outcome(s->options.arg, e->a, e->b);
    if (outcome == SY_SIM_REFUSED) {
        refuse(s, e);
        return;
    }
    if (outcome == SY_SIM_LOST || outcome == SY_SIM_UNHEARD) {
        struct event later = *e;
        later.kind = EVENT_SETTLE;
        later.at = s->now + s->options.settle_ns;
        push_event(s, later);
        answer(s, e->ticket, SY_BIND_RESULT_UNKNOWN);
    }
    if (outcome == SY_SIM_LOST)
        return;
    end_promise(s, p);
    p->node = e->b;
    p->state = POD_BOUND;
    charge(&s->nodes.p[e->b], p, 1);
    s->faults.overcommitted += is_over(&s->nodes.p[e->b]);
    if (outcome == SY_SIM_LANDS)
        answer(s, e->ticket, SY_BIND_RESULT_OK);
    tell_pod(s, e->a);
    if (outcome == SY_SIM_LANDS_WATCH_FIRST)
        answer(s, e->ticket, SY_BIND_RESULT_OK);
    s->options.bound(s->options.arg, e->a, e->b);
}

static void evict(void *arg, uint32_t pod, uint32_t use)
{
    struct sy_sim *s = arg;
    uint32_t node = s->pods.p[pod].node;

    if (s->pods.p[pod].use != use || s->pods.p[pod].state == POD_GONE)
        return;
    sy_sim_pod_delete(s, pod);
    if (s->options.evicted)
        s->options.evicted(s->options.arg, pod, node);
}

static void decide_bind(struct sy_sim *s, struct event *e, const struct sy_decision *d)
{
    struct sim_pod *p = &s->pods.p[e->a];

    e->kind = EVENT_LAND;
    e->ticket = d->ticket;
    e->b = s->node_of_id.p[sy_strings_find(s->strings, sy_str_from(d->node))];
    const struct sim_node *n = &s->nodes.p[e->b];
    s->faults.bound_not_ready += !n->is_ready || n->is_gone;
    s->faults.bound_twice += p->promised != SY_NONE || p->node != SY_NONE;
    set_owed(s, p, false);
    end_promise(s, p);
    promise(s, p, e->b);
    s->faults.overcommitted += is_over(n);
    if (s->options.decided)
        s->options.decided(s->options.arg, e->a, e->b);
}

static void decide(void *arg, const struct sy_decision *d)
{
    struct sy_sim *s = arg;

    if (d->kind != SY_DECIDE_BIND && d->kind != SY_DECIDE_EVICT)
        return;
    struct event e = {.at = s->now + s->options.bind_ns, .a = pod_of_uid(d->uid)};
    e.use = s->pods.p[e.a].use;
    if (d->kind == SY_DECIDE_BIND) {
        decide_bind(s, &e, d);
    } else {
        e.fn = evict;
        e.arg = s;
        e.b = e.use;
    }
    push_event(s, e);
}

/* -- life -- */

struct sy_sim *sy_sim_new(const struct sy_sim_options *options)
{
    struct sy_sim *s = sy_xcalloc(1, sizeof(*s));

    s->options = *options;
    if (!s->options.bind_ns)
        s->options.bind_ns = 5 * SY_NS_PER_MS;
    if (!s->options.settle_ns)
        s->options.settle_ns = 2 * SY_NS_PER_S;
    s->now = EPOCH_NS;
    s->strings = sy_strings_new(HASH_KEY);
    sy_resource_names_init(&s->names, s->strings);
    s->ns = sy_strings_addz(s->strings, "default");
    s->scheduler_name = sy_strings_addz(s->strings, SY_SIM_SCHEDULER);
    s->taint_key = sy_strings_addz(s->strings, "node.kubernetes.io/unreachable");
    s->empty = sy_strings_addz(s->strings, "");
    s->group_key = sy_strings_addz(s->strings, "steelyard.dev/pod-group");
    s->min_key = sy_strings_addz(s->strings, "steelyard.dev/min-member");
    s->topology_key = sy_strings_addz(s->strings, "steelyard.dev/required-topology");
    s->rack_key = sy_strings_addz(s->strings, SY_SIM_RACK);
    struct sy_sched_options core = {
        .profiles = options->profile, .profiles_len = 1, .exact = options->exact};
    s->sched = sy_sched_new(s->strings, &core, decide, s);
    return s;
}

void sy_sim_free(struct sy_sim *s)
{
    if (!s)
        return;
    sy_sched_free(s->sched);
    sy_strings_free(s->strings);
    sy_vec_done(&s->events);
    sy_vec_done(&s->nodes);
    sy_vec_done(&s->node_of_id);
    sy_vec_done(&s->pods);
    sy_vec_done(&s->free_pods);
    free(s);
}

void sy_sim_run(struct sy_sim *s, sy_time_ns until)
{
    until += EPOCH_NS;
    for (;;) {
        sy_time_ns next = s->has_input ? s->now : s->deadline;
        if (s->events.len && s->events.p[0].at <= next)
            next = s->events.p[0].at;
        if (next > until)
            break;
        s->now = next > s->now ? next : s->now;
        while (s->events.len && s->events.p[0].at <= s->now) {
            struct event e = pop_event(s);
            s->has_input = true;
            if (e.kind == EVENT_CALL)
                e.fn(e.arg, e.a, e.b);
            else if (e.kind == EVENT_LAND)
                land_bind(s, &e);
            else
                settle(s, &e);
        }
        s->has_input = false;
        s->deadline = sy_sched_run(s->sched, true, 0, s->now);
        if (s->deadline <= s->now) /* it has more to do, after what is in flight */
            s->deadline = s->now + SY_NS_PER_MS;
        s->faults.held += sy_sched_cluster(s->sched)->pods_assumed > s->under_way + s->owed;
        if (s->options.ran)
            s->options.ran(s->options.arg);
    }
    s->now = until;
}

uint32_t sy_sim_node_add(struct sy_sim *s, struct sy_sim_room allocatable, uint32_t max_pods)
{
    uint32_t node = (uint32_t)s->nodes.len;
    struct sim_node n = {.allocatable = allocatable, .max_pods = max_pods, .is_ready = true};

    snprintf(n.name, sizeof(n.name), "node-%04u", node);
    n.id = sy_strings_addz(s->strings, n.name);
    sy_vec_push(&s->nodes, n);
    while (s->node_of_id.len <= n.id)
        sy_vec_push(&s->node_of_id, SY_NONE);
    s->node_of_id.p[n.id] = node;
    tell_node(s, node);
    return node;
}

void sy_sim_node_ready(struct sy_sim *s, uint32_t node, bool is_ready)
{
    s->nodes.p[node].is_ready = is_ready;
    tell_node(s, node);
}

void sy_sim_node_load(struct sy_sim *s, uint32_t node, struct sy_load_sample sample)
{
    sample.at_ns += EPOCH_NS;
    s->faults.refused +=
        sy_sched_load(s->sched, s->nodes.p[node].id, &sample, s->now) != SY_LOAD_TAKEN;
    s->has_input = true;
}

void sy_sim_node_gone(struct sy_sim *s, uint32_t node, bool is_gone)
{
    s->nodes.p[node].is_gone = is_gone;
    if (!is_gone) {
        sy_sim_node_ready(s, node, true);
        return;
    }
    sy_sched_node_deleted(s->sched, s->nodes.p[node].id, s->now);
    s->has_input = true;
}

uint32_t sy_sim_pod_add(struct sy_sim *s, struct sy_sim_ask ask)
{
    struct sim_pod p = {.ask = ask, .node = SY_NONE, .promised = SY_NONE};
    uint32_t pod = (uint32_t)s->pods.len;

    if (s->free_pods.len) {
        pod = s->free_pods.p[--s->free_pods.len];
        p.use = s->pods.p[pod].use + 1;
        s->pods.p[pod] = p;
    } else {
        sy_vec_push(&s->pods, p);
    }
    tell_pod(s, pod);
    return pod;
}

void sy_sim_pod_running(struct sy_sim *s, uint32_t pod)
{
    s->pods.p[pod].state = POD_RUNNING;
    tell_pod(s, pod);
}

void sy_sim_pod_delete(struct sy_sim *s, uint32_t pod)
{
    struct sim_pod *p = &s->pods.p[pod];
    char uid[UID_MAX_BYTES];

    if (p->state == POD_GONE)
        return;
    end_promise(s, p);
    set_owed(s, p, false);
    if (p->node != SY_NONE)
        charge(&s->nodes.p[p->node], p, -1);
    p->state = POD_GONE;
    pod_uid(s, pod, uid);
    sy_sched_pod_deleted(s->sched, sy_str_from(uid), s->now);
    s->has_input = true;
    if (s->options.reuses_pods)
        sy_vec_push(&s->free_pods, pod);
}

/* -- checks -- */

struct sy_sim_faults sy_sim_faults(const struct sy_sim *s)
{
    struct sy_sim_faults faults = s->faults;

    faults.exact_differences = sy_sched_stats(s->sched)->exact_differences;
    return faults;
}

static const char *tell_faults(const struct sy_sim *s, char *text, size_t text_size)
{
    const struct sy_sim_faults f = sy_sim_faults(s);

    if (!(f.bound_twice | f.overcommitted | f.bound_not_ready | f.held | f.refused |
          f.exact_differences))
        return NULL;
    snprintf(text, text_size,
             "%llu bound twice, %llu overcommitted, %llu on nodes not ready, %llu times more held "
             "than bound, %llu inputs refused, %llu cached answers wrong",
             (unsigned long long)f.bound_twice, (unsigned long long)f.overcommitted,
             (unsigned long long)f.bound_not_ready, (unsigned long long)f.held,
             (unsigned long long)f.refused, (unsigned long long)f.exact_differences);
    return text;
}

const char *sy_sim_audit(const struct sy_sim *s, char *text, size_t text_size)
{
    const struct sy_cluster *c = sy_sched_cluster(s->sched);
    SY_VEC(struct sim_node) sums = {0};
    const char *wrong = sy_cluster_audit(c, text, text_size);

    for (size_t i = 0; i < s->nodes.len; i++)
        sy_vec_push(&sums, (struct sim_node){.allocatable = s->nodes.p[i].allocatable,
                                             .max_pods = s->nodes.p[i].max_pods});
    for (size_t i = 0; i < s->pods.len; i++) {
        const struct sim_pod *p = &s->pods.p[i];
        if (p->state != POD_GONE && p->node != SY_NONE)
            charge(&sums.p[p->node], p, 1);
    }
    for (size_t i = 0; i < s->nodes.len && !wrong; i++) {
        const struct sim_node *have = &s->nodes.p[i], *want = &sums.p[i];
        uint32_t slot = sy_cluster_node_find(c, have->id);
        if (is_over(want) || want->used.cpu_milli != have->used.cpu_milli ||
            (!have->is_gone && (slot == SY_NONE || c->columns[SY_COLUMN_CPU_MILLI].used[slot] <
                                                       want->used.cpu_milli))) {
            snprintf(text, text_size, "%s: %lld m bound, %lld m in the ledger", have->name,
                     (long long)want->used.cpu_milli, (long long)have->used.cpu_milli);
            wrong = text;
        }
    }
    sy_vec_done(&sums);
    return wrong ? wrong : tell_faults(s, text, text_size);
}

struct sy_sched *sy_sim_sched(struct sy_sim *s)
{
    return s->sched;
}
