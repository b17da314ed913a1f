/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/gangs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum {
    GPUS = 8, /* of each node */
    MAX_PODS = 110,
    MEMBERS_MAX = 96,
    AUDIT_STEPS = 20000,
    PROGRESS_STEPS = 1024,
    STEP_S = 60,
};
static const double NS_PER_S = 1e9;
static const int64_t GIB = (int64_t)1 << 30;

/* Means, in seconds. */
static const double RUNS_S = 300, PAUSE_S = 5, PATIENCE_S = 1800, STRAGGLE_S = 20;
static const double NODE_UP_S = 4 * 3600, NODE_DOWN_S = 300, OUTAGE_EVERY_S = 1800, OUTAGE_S = 8;
static const double NOTICE_S = 40, EVICT_S = 60;
static const double OUTAGE_MAX_S = 20; /* a gang's own timeout, 60 s, is to last through it */

/* What becomes of binds while the API server is well, in percent; the rest land. */
enum { REFUSED_PERCENT = 8, LOST_PERCENT = 4, UNHEARD_PERCENT = 4, WATCH_FIRST_PERCENT = 30 };

struct member {
    uint32_t pod; /* engine's number; SY_NONE: not there */
    uint32_t node;
    bool is_sent, is_bound; /* sent: a bind is or was under way */
};

/* One place for a gang at a time; the number is also its name. */
struct gang {
    uint32_t use; /* how many have had the place: an event of an older one says nothing */
    uint32_t members_len, min_members;
    struct member members[MEMBERS_MAX];
    struct sy_sim_ask ask;
    uint32_t there, sent; /* members */
    bool is_live, is_single;
    bool has_begun; /* a bind of it was decided, and not all of its members have gone since */
    bool is_hurt;   /* a member that had a node or a bind under way was lost since it began */
    bool is_whole;  /* all of the minimum were bound at once */
    bool is_touched;
    sy_time_ns ready, began;
};

struct node {
    uint32_t outage; /* serial: an event of an older one says nothing */
    bool is_gone;
};

struct owner {
    uint32_t gang, member;
};

struct gangs_world {
    struct sy_gangs_options options;
    struct sy_sim *sim;
    struct sy_rng rng;
    SY_VEC(struct gang) gangs;
    SY_VEC(struct node) nodes;
    SY_VEC(struct owner) owners; /* by the engine's number */
    SY_VEC(uint32_t) touched;    /* gangs with a bind decided in this step */
    sy_time_ns api_down_until;
    uint64_t steps;
    int64_t gpus_used, gpus_there, gpus_seen_at;
    double used_area, there_area, wait_sum_s, whole_sum_s;
    uint64_t whole_unhurt;
    struct sy_gangs_figures figures;
    int status;
    struct sy_err *err;
};

static double exponential(struct gangs_world *w, double mean_s)
{
    return -mean_s * log1p(-sy_rng_unit(&w->rng));
}

static bool chance(struct gangs_world *w, uint32_t percent)
{
    return sy_rng_below(&w->rng, 100) < percent;
}

static void later(struct gangs_world *w, double seconds, sy_sim_fn *fn, uint32_t a, uint32_t b)
{
    sy_sim_at(w->sim, sy_sim_now(w->sim) + (sy_time_ns)(seconds * NS_PER_S), fn, w, a, b);
}

static void fail(struct gangs_world *w, uint32_t gang, const char *what)
{
    const struct gang *g = &w->gangs.p[gang];
    uint32_t bound = 0;

    for (uint32_t i = 0; i < g->members_len; i++)
        bound += g->members[i].is_bound;
    if (!w->status)
        w->status =
            sy_err_set(w->err, -EPROTO,
                       "seed %llu, after %.3f s: gang g%u, %u of %u members bound, %u with "
                       "a bind sent, minimum %u: %s",
                       (unsigned long long)w->options.seed, (double)sy_sim_now(w->sim) / NS_PER_S,
                       gang, bound, g->members_len, g->sent, g->min_members, what);
}

/* Before the number of GPUs in use, or of those there are, changes. */
static void add_area(struct gangs_world *w)
{
    sy_time_ns now = sy_sim_now(w->sim);

    w->used_area += (double)w->gpus_used * (double)(now - w->gpus_seen_at);
    w->there_area += (double)w->gpus_there * (double)(now - w->gpus_seen_at);
    w->gpus_seen_at = now;
}

/* -- gangs come, change and go -- */

static void add_member(struct gangs_world *w, uint32_t gang, uint32_t member)
{
    struct gang *g = &w->gangs.p[gang];
    uint32_t pod = sy_sim_pod_add(w->sim, g->ask);

    while (w->owners.len <= pod)
        sy_vec_push(&w->owners, (struct owner){SY_NONE, SY_NONE});
    w->owners.p[pod] = (struct owner){gang, member};
    g->members[member] = (struct member){.pod = pod, .node = SY_NONE};
    if (++g->there == g->min_members && !g->has_begun)
        g->ready = sy_sim_now(w->sim);
    w->figures.members += !g->is_single;
}

/* The pod is gone, by whatever hand. */
static void forget_member(struct gangs_world *w, uint32_t gang, uint32_t member)
{
    struct gang *g = &w->gangs.p[gang];
    struct member *m = &g->members[member];

    w->owners.p[m->pod] = (struct owner){SY_NONE, SY_NONE};
    if (m->is_bound) {
        add_area(w);
        w->gpus_used -= g->ask.requests.gpus;
    }
    g->is_hurt = g->is_hurt || m->is_sent;
    g->sent -= m->is_sent;
    g->there--;
    *m = (struct member){.pod = SY_NONE, .node = SY_NONE};
    if (!g->sent) /* nothing of it is left: what comes begins anew */
        g->has_begun = g->is_hurt = false;
}

static void delete_member(struct gangs_world *w, uint32_t gang, uint32_t member)
{
    uint32_t pod = w->gangs.p[gang].members[member].pod;

    if (pod == SY_NONE)
        return;
    forget_member(w, gang, member);
    sy_sim_pod_delete(w->sim, pod);
}

static void arrive(void *arg, uint32_t gang, uint32_t b);

static void leave(void *arg, uint32_t gang, uint32_t use)
{
    struct gangs_world *w = arg;
    struct gang *g = &w->gangs.p[gang];

    if (g->use != use || !g->is_live)
        return;
    w->figures.given_up += !g->is_whole && !g->is_single;
    g->is_live = false;
    for (uint32_t i = 0; i < g->members_len; i++)
        delete_member(w, gang, i);
    later(w, exponential(w, PAUSE_S), arrive, gang, 0);
}

static void come_late(void *arg, uint32_t gang, uint32_t use)
{
    struct gangs_world *w = arg;
    struct gang *g = &w->gangs.p[gang];

    if (g->use != use || !g->is_live)
        return;
    for (uint32_t i = 0; i < g->members_len; i++) {
        if (g->members[i].pod == SY_NONE)
            add_member(w, gang, i);
    }
}

/* Somebody deletes one member; most often its controller makes another. */
static void hurt(void *arg, uint32_t gang, uint32_t use)
{
    struct gangs_world *w = arg;
    struct gang *g = &w->gangs.p[gang];

    if (g->use != use || !g->is_live)
        return;
    w->figures.members_deleted++;
    delete_member(w, gang, (uint32_t)sy_rng_below(&w->rng, g->members_len));
    if (chance(w, 70))
        later(w, exponential(w, 5), come_late, gang, use);
}

static void draw(struct gangs_world *w, struct gang *g, uint32_t number)
{
    static const uint32_t MEMBER_GPUS[] = {0, 1, 1, 2, 2, 4, 8, 8};
    int64_t gpus = MEMBER_GPUS[sy_rng_below(&w->rng, SY_ARRAY_LEN(MEMBER_GPUS))];
    uint32_t use = g->use + 1;

    *g = (struct gang){.use = use, .is_live = true, .is_single = chance(w, 10)};
    g->members_len = g->is_single   ? 1
                     : chance(w, 3) ? 32 + (uint32_t)sy_rng_below(&w->rng, MEMBERS_MAX - 31)
                                    : 1 + (uint32_t)sy_rng_below(&w->rng, 12);
    g->min_members = g->members_len;
    if (chance(w, 30))
        g->min_members = 1 + (uint32_t)sy_rng_below(&w->rng, g->members_len);
    g->ask = (struct sy_sim_ask){
        .requests = {.cpu_milli = 1000 + gpus * 4000,
                     .memory_bytes = (1 + gpus * 16) * GIB,
                     .gpus = gpus},
        .priority = chance(w, 10) ? 10 : 0,
        .gang = number,
        .min_members = g->is_single ? 0 : g->min_members,
        .in_one_rack = chance(w, 25),
    };
}

static void arrive(void *arg, uint32_t gang, uint32_t b SY_UNUSED)
{
    struct gangs_world *w = arg;
    struct gang *g = &w->gangs.p[gang];

    if (w->figures.gangs == w->options.arrivals)
        return;
    draw(w, g, gang);
    w->figures.gangs += !g->is_single;
    w->figures.singles += g->is_single;
    uint32_t now =
        chance(w, 25) ? 1 + (uint32_t)sy_rng_below(&w->rng, g->members_len) : g->members_len;
    for (uint32_t i = 0; i < g->members_len; i++)
        g->members[i].pod = SY_NONE;
    for (uint32_t i = 0; i < now; i++)
        add_member(w, gang, i);
    if (now < g->members_len)
        later(w, exponential(w, STRAGGLE_S), come_late, gang, g->use);
    if (chance(w, 20))
        later(w, exponential(w, RUNS_S / 2), hurt, gang, g->use);
    later(w, exponential(w, PATIENCE_S), leave, gang, g->use);
}

/* -- what the engine tells -- */

static void decided(void *arg, uint32_t pod, uint32_t node)
{
    struct gangs_world *w = arg;
    struct owner o = w->owners.p[pod];
    struct gang *g = &w->gangs.p[o.gang];
    struct member *m = &g->members[o.member];

    w->figures.binds++;
    g->sent += !m->is_sent;
    m->is_sent = true;
    m->node = node;
    if (!g->is_touched)
        sy_vec_push(&w->touched, o.gang);
    g->is_touched = true;
}

static enum sy_sim_outcome outcome(void *arg, uint32_t pod SY_UNUSED, uint32_t node SY_UNUSED)
{
    struct gangs_world *w = arg;
    uint32_t n = (uint32_t)sy_rng_below(&w->rng, 100);

    if (sy_sim_now(w->sim) < w->api_down_until)
        n %= REFUSED_PERCENT + LOST_PERCENT;
    if (n < REFUSED_PERCENT) {
        w->figures.refused++;
        return SY_SIM_REFUSED;
    }
    n -= REFUSED_PERCENT;
    if (n < LOST_PERCENT) {
        w->figures.lost++;
        return SY_SIM_LOST;
    }
    n -= LOST_PERCENT;
    if (n < UNHEARD_PERCENT) {
        w->figures.unheard++;
        return SY_SIM_UNHEARD;
    }
    return n - UNHEARD_PERCENT < WATCH_FIRST_PERCENT ? SY_SIM_LANDS_WATCH_FIRST : SY_SIM_LANDS;
}

static uint32_t count_bound(const struct gang *g)
{
    uint32_t bound = 0;

    for (uint32_t i = 0; i < g->members_len; i++)
        bound += g->members[i].is_bound;
    return bound;
}

static void note_whole(struct gangs_world *w, uint32_t gang)
{
    struct gang *g = &w->gangs.p[gang];
    sy_time_ns now = sy_sim_now(w->sim);

    g->is_whole = true;
    later(w, exponential(w, RUNS_S), leave, gang, g->use);
    if (g->is_single)
        return;
    w->figures.whole++;
    if (g->is_hurt)
        return;
    double took_s = (double)(now - g->began) / NS_PER_S;
    double wait_s = (double)(g->began - g->ready) / NS_PER_S;
    w->whole_unhurt++;
    w->whole_sum_s += took_s;
    w->wait_sum_s += wait_s;
    w->figures.whole_max_s = fmax(w->figures.whole_max_s, took_s);
    w->figures.wait_max_s = fmax(w->figures.wait_max_s, wait_s);
}

static void bound(void *arg, uint32_t pod, uint32_t node)
{
    struct gangs_world *w = arg;
    struct owner o = w->owners.p[pod];
    struct gang *g = &w->gangs.p[o.gang];

    add_area(w);
    w->gpus_used += g->ask.requests.gpus;
    g->members[o.member].is_bound = true;
    if (!g->is_whole && count_bound(g) >= g->min_members)
        note_whole(w, o.gang);
    if (w->nodes.p[node].is_gone) { /* the collector of lost pods finds it */
        delete_member(w, o.gang, o.member);
        later(w, exponential(w, 5), come_late, o.gang, g->use);
    }
}

static void evicted(void *arg, uint32_t pod, uint32_t node SY_UNUSED)
{
    struct gangs_world *w = arg;
    struct owner o = w->owners.p[pod];

    w->figures.evicted++;
    forget_member(w, o.gang, o.member);
    later(w, exponential(w, 5), come_late, o.gang, w->gangs.p[o.gang].use);
}

static void must_be_whole(void *arg, uint32_t gang, uint32_t use)
{
    struct gangs_world *w = arg;
    struct gang *g = &w->gangs.p[gang];

    if (g->use == use && g->is_live && g->has_begun && !g->is_hurt && !g->is_whole &&
        sy_sim_now(w->sim) - g->began >= SY_GANGS_WHOLE_S * SY_NS_PER_S)
        fail(w, gang, "not whole so long after its first bind");
}

/* The first binds of a gang must be those of all that its minimum asks for. */
static void begin_gang(struct gangs_world *w, uint32_t gang)
{
    struct gang *g = &w->gangs.p[gang];
    uint32_t rack = SY_NONE;

    g->has_begun = true;
    g->began = sy_sim_now(w->sim);
    if (g->is_single)
        return;
    if (g->sent < g->min_members)
        fail(w, gang, "its first bind was sent without those of the others");
    for (uint32_t i = 0; i < g->members_len && g->ask.in_one_rack && g->sent == g->min_members;
         i++) {
        if (!g->members[i].is_sent)
            continue;
        if (rack != SY_NONE && g->members[i].node / SY_SIM_RACK_NODES != rack)
            fail(w, gang, "it is in two racks");
        rack = g->members[i].node / SY_SIM_RACK_NODES;
    }
    later(w, SY_GANGS_WHOLE_S, must_be_whole, gang, g->use);
}

static void ran(void *arg)
{
    struct gangs_world *w = arg;
    char text[256];

    for (size_t i = 0; i < w->touched.len; i++) {
        struct gang *g = &w->gangs.p[w->touched.p[i]];
        g->is_touched = false;
        if (!g->has_begun && g->sent)
            begin_gang(w, w->touched.p[i]);
    }
    w->touched.len = 0;
    if (w->status)
        return;
    struct sy_sim_faults f = sy_sim_faults(w->sim);
    const char *wrong = NULL;
    if (++w->steps % AUDIT_STEPS == 0 || f.bound_twice || f.overcommitted || f.bound_not_ready ||
        f.held || f.refused || f.exact_differences)
        wrong = sy_sim_audit(w->sim, text, sizeof(text));
    if (wrong)
        w->status = sy_err_set(w->err, -EPROTO, "seed %llu, after %.3f s: %s",
                               (unsigned long long)w->options.seed,
                               (double)sy_sim_now(w->sim) / NS_PER_S, wrong);
}

/* -- nodes and the API server fail -- */

static void break_node(void *arg, uint32_t node, uint32_t b);

static void set_there(struct gangs_world *w, int sign)
{
    add_area(w);
    w->gpus_there += (int64_t)sign * GPUS;
}

static void mend_node(void *arg, uint32_t node, uint32_t outage SY_UNUSED)
{
    struct gangs_world *w = arg;
    struct node *n = &w->nodes.p[node];

    n->outage++;
    set_there(w, 1);
    if (n->is_gone)
        sy_sim_node_gone(w->sim, node, false);
    else
        sy_sim_node_ready(w->sim, node, true);
    n->is_gone = false;
    later(w, exponential(w, NODE_UP_S), break_node, node, 0);
}

static void notice(void *arg, uint32_t node, uint32_t outage)
{
    struct gangs_world *w = arg;

    if (w->nodes.p[node].outage == outage)
        sy_sim_node_ready(w->sim, node, false);
}

/* All pods of a node that has failed are deleted, and made anew. */
static void clear_node(void *arg, uint32_t node, uint32_t outage)
{
    struct gangs_world *w = arg;

    if (w->nodes.p[node].outage != outage)
        return;
    for (uint32_t gang = 0; gang < w->gangs.len; gang++) {
        struct gang *g = &w->gangs.p[gang];
        bool is_hit = false;
        for (uint32_t i = 0; i < g->members_len; i++) {
            if (g->members[i].pod == SY_NONE || !g->members[i].is_bound ||
                g->members[i].node != node)
                continue;
            delete_member(w, gang, i);
            is_hit = true;
        }
        if (is_hit)
            later(w, exponential(w, 5), come_late, gang, g->use);
    }
}

static void break_node(void *arg, uint32_t node, uint32_t b SY_UNUSED)
{
    struct gangs_world *w = arg;
    struct node *n = &w->nodes.p[node];
    double down_s = NOTICE_S + exponential(w, NODE_DOWN_S);

    n->outage++;
    n->is_gone = chance(w, 40);
    set_there(w, -1);
    w->figures.nodes_failed++;
    w->figures.nodes_gone += n->is_gone;
    if (n->is_gone) {
        sy_sim_node_gone(w->sim, node, true);
        later(w, exponential(w, 3), clear_node, node, n->outage);
        down_s += 30; /* all its pods are gone before it comes again */
    } else {
        later(w, NOTICE_S, notice, node, n->outage);
        later(w, NOTICE_S + EVICT_S, clear_node, node, n->outage);
    }
    later(w, down_s, mend_node, node, n->outage);
}

static void api_outage(void *arg, uint32_t a SY_UNUSED, uint32_t b SY_UNUSED)
{
    struct gangs_world *w = arg;
    double lasts_s = fmin(exponential(w, OUTAGE_S), OUTAGE_MAX_S);

    w->api_down_until = sy_sim_now(w->sim) + (sy_time_ns)(lasts_s * NS_PER_S);
    later(w, lasts_s + exponential(w, OUTAGE_EVERY_S), api_outage, 0, 0);
}

/* -- a run -- */

static void begin(struct gangs_world *w)
{
    const struct sy_sim_room room = {.cpu_milli = 96000, .memory_bytes = 512 * GIB, .gpus = GPUS};

    sy_rng_seed(&w->rng, w->options.seed);
    for (uint32_t i = 0; i < w->options.nodes; i++) {
        sy_vec_push(&w->nodes, (struct node){0});
        sy_sim_node_add(w->sim, room, MAX_PODS);
        later(w, exponential(w, NODE_UP_S), break_node, i, 0);
    }
    w->gpus_there = (int64_t)w->options.nodes * GPUS;
    /* As many gangs at a time as want some one and a half times what there is. */
    uint32_t places = w->options.nodes * 3 / 4 + 2;
    for (uint32_t i = 0; i < places; i++)
        sy_vec_push(&w->gangs, (struct gang){0});
    for (uint32_t i = 0; i < places; i++)
        later(w, exponential(w, PAUSE_S), arrive, i, 0);
    later(w, exponential(w, OUTAGE_EVERY_S), api_outage, 0, 0);
}

static bool has_more(const struct gangs_world *w)
{
    if (w->figures.gangs < w->options.arrivals)
        return true;
    for (size_t i = 0; i < w->gangs.len; i++) {
        if (w->gangs.p[i].is_live)
            return true;
    }
    return false;
}

static void run(struct gangs_world *w)
{
    sy_time_ns until = 0;
    char text[256];

    begin(w);
    for (uint64_t n = 0; has_more(w) && !w->status; n++) {
        until += STEP_S * SY_NS_PER_S;
        sy_sim_run(w->sim, until);
        if (n % PROGRESS_STEPS == 0 && w->options.progress && !w->status &&
            w->options.progress(w->options.arg,
                                (double)w->figures.gangs / (double)w->options.arrivals))
            w->status = sy_err_set(w->err, -ECANCELED, "stopped");
    }
    if (w->status)
        return;
    /* All have left, and nothing of them is left behind. */
    const struct sy_cluster *c = sy_sched_cluster(sy_sim_sched(w->sim));
    const struct sy_sched_stats *stats = sy_sched_stats(sy_sim_sched(w->sim));
    const char *wrong = sy_sim_audit(w->sim, text, sizeof(text));
    if (!wrong && (c->pods_alive || stats->in_gangs || stats->unschedulable || stats->active))
        wrong = "something of the gangs is left in the scheduler after all have gone";
    if (wrong)
        w->status = sy_err_set(w->err, -EPROTO, "seed %llu, at the end: %s",
                               (unsigned long long)w->options.seed, wrong);
}

static void finish(struct gangs_world *w)
{
    add_area(w);
    if (w->whole_unhurt) {
        w->figures.wait_mean_s = w->wait_sum_s / (double)w->whole_unhurt;
        w->figures.whole_mean_s = w->whole_sum_s / (double)w->whole_unhurt;
    }
    if (w->there_area > 0)
        w->figures.gpus_allocated = 100 * w->used_area / w->there_area;
    w->figures.days = (double)sy_sim_now(w->sim) / NS_PER_S / 86400;
}

int sy_gangs_run(const struct sy_gangs_options *options, struct sy_gangs_figures *ret,
                 struct sy_err *err)
{
    if (!options->arrivals)
        return sy_err_set(err, -EINVAL, "arrivals: give 1 or more");
    if (options->nodes < SY_SIM_RACK_NODES || options->nodes > SY_GANGS_NODES_MAX)
        return sy_err_set(err, -EINVAL, "%u nodes: give %d to %d", options->nodes,
                          SY_SIM_RACK_NODES, SY_GANGS_NODES_MAX);
    struct gangs_world *w = sy_xcalloc(1, sizeof(*w));
    w->options = *options;
    w->err = err;
    w->sim = sy_sim_new(&(struct sy_sim_options){.profile = options->profile,
                                                 .exact = options->exact,
                                                 .reuses_pods = true,
                                                 .outcome = outcome,
                                                 .decided = decided,
                                                 .bound = bound,
                                                 .evicted = evicted,
                                                 .ran = ran,
                                                 .arg = w});
    run(w);
    finish(w);
    int status = w->status;
    if (status == 0)
        *ret = w->figures;
    sy_sim_free(w->sim);
    sy_vec_done(&w->gangs);
    sy_vec_done(&w->nodes);
    sy_vec_done(&w->owners);
    sy_vec_done(&w->touched);
    free(w);
    return status;
}
