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

struct event {
    sy_time_ns at;
    uint64_t serial;
    sy_sim_fn *fn; /* NULL: a bind lands, with `ticket` */
    void *arg;
    uint64_t ticket;
    uint32_t a, b;
};

struct sim_node {
    char name[16];
    sy_sid id;
    struct sy_sim_room allocatable, used; /* used: by what is bound */
    uint32_t max_pods, pods;
    bool is_ready;
};

enum pod_state { POD_PENDING, POD_BOUND, POD_RUNNING, POD_GONE };

struct sim_pod {
    struct sy_sim_room requests;
    int32_t priority;
    uint32_t node; /* SY_NONE before its binding */
    enum pod_state state;
};

struct sy_sim {
    struct sy_sim_options options;
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_sched *sched;
    sy_sid ns, scheduler_name, taint_key, empty;

    SY_VEC(struct event) events; /* a binary heap, earliest first */
    uint64_t next_serial;
    sy_time_ns now;      /* boot-time, as the core has it */
    sy_time_ns deadline; /* when the core wants to be called */
    bool has_input;      /* since the core was last called */
    SY_VEC(struct sim_node) nodes;
    SY_VEC(uint32_t) node_of_id; /* by string id */
    SY_VEC(struct sim_pod) pods;
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
    push_event(s, (struct event){.at = EPOCH_NS + at, .fn = fn, .arg = arg, .a = a, .b = b});
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
    struct sy_node object = {
        .uid = sy_str_from(n->name),
        .name = n->id,
        .allocatable = amounts(s, room, n->allocatable, n->max_pods),
        .taints = taints,
        .taints_len = n->is_ready ? 0 : SY_ARRAY_LEN(taints),
        .ready = n->is_ready ? SY_CONDITION_TRUE : SY_CONDITION_UNKNOWN,
    };

    s->faults.refused += sy_sched_node(s->sched, &object, s->now) < 0;
    s->has_input = true;
}

static void pod_uid(uint32_t pod, char text[16])
{
    snprintf(text, 16, "p%u", pod);
}

static void tell_pod(struct sy_sim *s, uint32_t pod)
{
    const struct sim_pod *p = &s->pods.p[pod];
    struct sy_amount asked[4];
    char uid[16];

    pod_uid(pod, uid);
    struct sy_pod object = {
        .uid = sy_str_from(uid),
        .name = sy_str_from(uid),
        .ns = s->ns,
        .node = p->node == SY_NONE ? 0 : s->nodes.p[p->node].id,
        .priority = p->priority,
        .phase = p->state == POD_RUNNING ? SY_PHASE_RUNNING : SY_PHASE_PENDING,
        .spec = {.scheduler_name = s->scheduler_name,
                 .requests = {.requests = amounts(s, asked, p->requests, 0),
                              .nonzero_cpu_milli = p->requests.cpu_milli,
                              .nonzero_memory_bytes = p->requests.memory_bytes}},
    };
    s->faults.refused += sy_sched_pod(s->sched, &object, s->now) < 0;
    s->has_input = true;
}

/* -- the ledger -- */

static void charge(struct sim_node *n, const struct sim_pod *p, int sign)
{
    n->used.cpu_milli += sign * p->requests.cpu_milli;
    n->used.memory_bytes += sign * p->requests.memory_bytes;
    n->used.gpus += sign * p->requests.gpus;
    n->pods += (uint32_t)sign;
}

static bool is_over(const struct sim_node *n)
{
    return n->used.cpu_milli > n->allocatable.cpu_milli ||
           n->used.memory_bytes > n->allocatable.memory_bytes ||
           n->used.gpus > n->allocatable.gpus || n->pods > n->max_pods;
}

static void land_bind(struct sy_sim *s, const struct event *e)
{
    struct sim_pod *p = &s->pods.p[e->a];

    if (p->state == POD_GONE) {
        sy_sched_bind_result(s->sched, e->ticket, SY_BIND_RESULT_GONE, NULL, s->now);
        return;
    }
    if (p->node != SY_NONE) {
        s->faults.bound_twice++;
        sy_sched_bind_result(s->sched, e->ticket, SY_BIND_RESULT_CONFLICT, NULL, s->now);
        return;
    }
    p->node = e->b;
    p->state = POD_BOUND;
    charge(&s->nodes.p[e->b], p, 1);
    s->faults.overcommitted += is_over(&s->nodes.p[e->b]);
    sy_sched_bind_result(s->sched, e->ticket, SY_BIND_RESULT_OK, NULL, s->now);
    tell_pod(s, e->a);
    s->options.bound(s->options.arg, e->a, e->b);
}

static void evict(void *arg, uint32_t pod, uint32_t b SY_UNUSED)
{
    struct sy_sim *s = arg;
    uint32_t node = s->pods.p[pod].node;

    if (s->pods.p[pod].state == POD_GONE)
        return;
    sy_sim_pod_delete(s, pod);
    if (s->options.evicted)
        s->options.evicted(s->options.arg, pod, node);
}

/* "p17" is 17. */
static uint32_t pod_of_uid(const char *uid)
{
    uint64_t pod = SY_NONE;

    if (sy_str_u64(sy_str_from(uid + 1), &pod) < 0)
        return SY_NONE;
    return (uint32_t)pod;
}

static void decide(void *arg, const struct sy_decision *d)
{
    struct sy_sim *s = arg;

    if (d->kind != SY_DECIDE_BIND && d->kind != SY_DECIDE_EVICT)
        return;
    struct event e = {.at = s->now + s->options.bind_ns, .a = pod_of_uid(d->uid)};
    if (d->kind == SY_DECIDE_BIND) {
        e.ticket = d->ticket;
        e.b = s->node_of_id.p[sy_strings_find(s->strings, sy_str_from(d->node))];
        s->faults.bound_not_ready += !s->nodes.p[e.b].is_ready;
    } else {
        e.fn = evict;
        e.arg = s;
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
    s->now = EPOCH_NS;
    s->strings = sy_strings_new(HASH_KEY);
    sy_resource_names_init(&s->names, s->strings);
    s->ns = sy_strings_addz(s->strings, "default");
    s->scheduler_name = sy_strings_addz(s->strings, SY_SIM_SCHEDULER);
    s->taint_key = sy_strings_addz(s->strings, "node.kubernetes.io/unreachable");
    s->empty = sy_strings_addz(s->strings, "");
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
            if (e.fn)
                e.fn(e.arg, e.a, e.b);
            else
                land_bind(s, &e);
        }
        s->has_input = false;
        s->deadline = sy_sched_run(s->sched, true, 0, s->now);
        if (s->deadline <= s->now) /* it has more to do, after what is in flight */
            s->deadline = s->now + SY_NS_PER_MS;
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

uint32_t sy_sim_pod_add(struct sy_sim *s, struct sy_sim_room requests, int32_t priority)
{
    uint32_t pod = (uint32_t)s->pods.len;

    sy_vec_push(&s->pods,
                (struct sim_pod){.requests = requests, .priority = priority, .node = SY_NONE});
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
    char uid[16];

    if (p->state == POD_GONE)
        return;
    if (p->node != SY_NONE)
        charge(&s->nodes.p[p->node], p, -1);
    p->state = POD_GONE;
    pod_uid(pod, uid);
    sy_sched_pod_deleted(s->sched, sy_str_from(uid), s->now);
    s->has_input = true;
}

/* -- checks -- */

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
        if (is_over(want) || want->used.cpu_milli != have->used.cpu_milli || slot == SY_NONE ||
            c->columns[SY_COLUMN_CPU_MILLI].used[slot] < want->used.cpu_milli) {
            snprintf(text, text_size, "%s: %lld m bound, %lld m in the ledger", have->name,
                     (long long)want->used.cpu_milli, (long long)have->used.cpu_milli);
            wrong = text;
        }
    }
    sy_vec_done(&sums);
    return wrong;
}

struct sy_sim_faults sy_sim_faults(const struct sy_sim *s)
{
    struct sy_sim_faults faults = s->faults;

    faults.exact_differences = sy_sched_stats(s->sched)->exact_differences;
    return faults;
}

struct sy_sched *sy_sim_sched(struct sy_sim *s)
{
    return s->sched;
}
