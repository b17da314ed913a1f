/* SPDX-License-Identifier: Apache-2.0 */
#include "issues.h"

#include "trace.h"
#include "vtime.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

enum { TRACE_LINES = 60 };

/* One story as it is played. */
struct story {
    struct world *w;
    struct vapi *api;
    struct vnet *net;
    uint32_t next_name;
    const char *failed; /* what did not hold first; NULL: all did */
};

static void expect(struct story *s, bool holds, const char *what)
{
    if (holds || s->failed)
        return;
    s->failed = what;
    trace("NOT SO: %s", what);
}

static void pass_ms(struct story *s, int64_t ms)
{
    world_pass(s->w, ms * SY_NS_PER_MS);
}

static void pass_s(struct story *s, int64_t seconds)
{
    pass_ms(s, seconds * 1000);
}

static void add_node(struct story *s, uint32_t slot, int64_t cpu_milli)
{
    vapi_node_create(
        s->api, slot,
        (struct vroom){.cpu_milli = cpu_milli, .memory_mib = 64000, .gpus = 8, .pods = 110});
}

static struct vpod a_pod(struct story *s, int64_t cpu_milli)
{
    return (struct vpod){.name = ++s->next_name,
                         .node = NO_NODE,
                         .nominated = NO_NODE,
                         .is_ours = true,
                         .asks = {.cpu_milli = cpu_milli, .memory_mib = 100}};
}

static uint32_t add_pod(struct story *s, int64_t cpu_milli)
{
    struct vpod p = a_pod(s, cpu_milli);

    return vapi_pod_create(s->api, &p);
}

static uint32_t node_of(struct story *s, uint32_t pod)
{
    return vapi_pod(s->api, pod)->node;
}

static bool is_bound(struct story *s, uint32_t pod)
{
    return node_of(s, pod) != NO_NODE;
}

static void run_pod(struct story *s, uint32_t pod)
{
    vapi_pod(s->api, pod)->phase = VPOD_RUNNING;
    vapi_pod_changed(s->api, pod);
}

static uint32_t bound_of(struct story *s, uint32_t first, uint32_t count)
{
    uint32_t bound = 0;

    for (uint32_t i = 0; i < count; i++)
        bound += is_bound(s, first + i);
    return bound;
}

static uint32_t add_gang(struct story *s, uint32_t gang, uint32_t count, int64_t cpu_milli)
{
    uint32_t first = NO_POD;

    for (uint32_t i = 0; i < count; i++) {
        struct vpod p = a_pod(s, cpu_milli);
        p.gang = gang;
        p.gang_min = count;
        uint32_t id = vapi_pod_create(s->api, &p);
        first = i ? first : id;
    }
    return first;
}

/* ---- the stories ---- */

/* kubernetes #106361, #100140, #96579; yunikorn-core PR 1041: the bind timed out, and had landed.
 */
static void bind_landed_but_timed_out(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    vnet_plan(s->net, "POST", "/binding", FATE_MUTE, 1, 0);
    uint32_t first = add_pod(s, 1000);
    pass_ms(s, 50);
    expect(s, is_bound(s, first), "the first bind lands");
    vnet_lag(s->net, VKIND_PODS, 40 * SY_NS_PER_S); /* and nobody says so */
    uint32_t second = add_pod(s, 1000);
    pass_s(s, 60);
    expect(s, !is_bound(s, second), "the place stays taken");
    vnet_lag(s->net, VKIND_PODS, 0);
    vapi_pod_remove(s->api, first);
    pass_s(s, 60);
    expect(s, is_bound(s, second), "the place is given when it is free");
}

/* The same with all the other ways in which an answer gets lost. */
static void bind_answer_lost(struct story *s)
{
    static const enum vfate FATES[] = {FATE_LOST_BEFORE, FATE_LOST_AFTER,   FATE_SWALLOWED,
                                       FATE_MUTE,        FATE_ERROR_BEFORE, FATE_ERROR_AFTER,
                                       FATE_THROTTLED};

    add_node(s, 0, 1000);
    pass_s(s, 5);
    for (size_t i = 0; i < SY_ARRAY_LEN(FATES); i++) {
        vnet_plan(s->net, "POST", "/binding", FATES[i], 1, 0);
        uint32_t first = add_pod(s, 1000), second = add_pod(s, 1000);
        pass_s(s, 60);
        expect(s, bound_of(s, first, 2) == 1, "one of two pods has the place");
        uint32_t winner = is_bound(s, first) ? first : second;
        vapi_pod_remove(s->api, winner);
        pass_s(s, 30);
        expect(s, is_bound(s, winner == first ? second : first), "then the other has it");
        vapi_pod_remove(s->api, winner == first ? second : first);
        pass_s(s, 5);
    }
}

/* kubernetes #101877, #49314: the event of the bind comes while its end is being found out. */
static void event_before_the_answer(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    for (int64_t ms = 0; ms < 400; ms += 20) {
        vnet_plan(s->net, "POST", "/binding", FATE_LOST_AFTER, 1, 0);
        vnet_lag(s->net, VKIND_PODS, ms * SY_NS_PER_MS);
        uint32_t pod = add_pod(s, 1000);
        pass_s(s, 3);
        expect(s, is_bound(s, pod), "the pod is bound");
        vapi_pod_remove(s->api, pod);
        pass_s(s, 2);
    }
}

/* kubernetes #136782, #65257: who takes over acts on what it has not heard yet. */
static void restart_with_a_slow_list(struct story *s)
{
    add_node(s, 0, 4000);
    pass_s(s, 5);
    uint32_t first = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t id = add_pod(s, 1000);
        first = i ? first : id;
    }
    pass_ms(s, 20);
    expect(s, bound_of(s, first, 4) == 4, "the node is full");
    world_kill_daemon(s->w, world_daemon(s->w));
    uint32_t more = add_pod(s, 1000);
    vnet_faults(s->net)->slow_list = 1000;
    world_start_daemon(s->w);
    pass_s(s, 60);
    expect(s, !is_bound(s, more), "nothing is bound to a full node");
    expect(s, daemon_is_active(world_daemon(s->w)), "it schedules once it knows all");
    vapi_pod_remove(s->api, first);
    pass_s(s, 10);
    expect(s, is_bound(s, more), "what fits is bound");
}

/* volcano #4261: scheduling begins before all lists are whole. */
static void nodes_come_late(struct story *s)
{
    world_kill_daemon(s->w, world_daemon(s->w));
    for (uint32_t i = 0; i < 20; i++)
        add_node(s, i, 1000);
    uint32_t pod = add_pod(s, 1000);
    vnet_plan(s->net, "GET", "/api/v1/nodes", FATE_FAIR, 1, 20 * SY_NS_PER_S);
    world_start_daemon(s->w);
    pass_s(s, 15);
    expect(s, !is_bound(s, pod) && !daemon_is_active(world_daemon(s->w)), "it waits for the nodes");
    pass_s(s, 15);
    expect(s, is_bound(s, pod), "then the pod is bound");
}

/* kubernetes #102790, #104521: the event that a pod was added is missed. */
static void missed_add_event(struct story *s)
{
    add_node(s, 0, 8000);
    pass_s(s, 5);
    for (int round = 0; round < 4; round++) {
        vnet_faults(s->net)->cut = 1000;
        uint32_t pod = add_pod(s, 100);
        pass_ms(s, 1);
        vnet_faults(s->net)->cut = 0;
        if (round >= 2)
            vapi_compact(s->api, vapi_rv(s->api)); /* the event is nowhere any more */
        pass_s(s, 30);
        expect(s, is_bound(s, pod), "the pod is found");
    }
}

static void clear(struct story *s)
{
    uint32_t len;
    const uint32_t *alive;

    while ((alive = vapi_pods_alive(s->api, &len)), len)
        vapi_pod_remove(s->api, alive[0]);
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        if (vapi_node(s->api, i)->exists)
            vapi_node_delete(s->api, i);
    }
    pass_s(s, 1);
}

/* kubernetes #72122, #87145, #127290: nobody looks again when what was in the way is gone. */
static void unschedulable_is_tried_again(struct story *s)
{
    for (int way = 0; way < 6; way++) {
        struct vnode *n = vapi_node(s->api, 0);
        clear(s);
        add_node(s, 0, 1000);
        n->is_cordoned = way == 4;
        n->is_ready = way != 5;
        vapi_node_changed(s->api, 0);
        pass_s(s, 5);
        uint32_t holder = way < 4 ? add_pod(s, 1000) : NO_POD;
        pass_s(s, 1);
        uint32_t pod = add_pod(s, 1000);
        pass_s(s, 3);
        expect(s, !is_bound(s, pod), "there is no room");
        switch (way) {
        case 0: /* a pod is deleted */
            vapi_pod_remove(s->api, holder);
            break;
        case 1: /* one ends */
            vapi_pod(s->api, holder)->phase = VPOD_ENDED;
            vapi_pod_changed(s->api, holder);
            break;
        case 2: /* the node grows */
            n->room.cpu_milli = 2000;
            vapi_node_changed(s->api, 0);
            break;
        case 3: /* another node comes */
            add_node(s, 1, 1000);
            break;
        default: /* the node is open or ready again */
            n->is_cordoned = false;
            n->is_ready = true;
            vapi_node_changed(s->api, 0);
            break;
        }
        /* Less than the sweep takes to come around. */
        pass_s(s, 12);
        expect(s, is_bound(s, pod), "the pod is woken");
    }
}

/* kubernetes #51313, #102339, #63262: deletions are missed, and a node comes back as another. */
static void node_comes_back_as_another(struct story *s)
{
    add_node(s, 0, 4000);
    pass_s(s, 5);
    uint32_t first = add_pod(s, 4000);
    pass_s(s, 1);
    expect(s, is_bound(s, first), "the node is full");
    vnet_cut_watches(s->net, 1000);
    vapi_pod_remove(s->api, first);
    vapi_node_delete(s->api, 0);
    add_node(s, 0, 1000);
    vapi_compact(s->api, vapi_rv(s->api));
    uint32_t large = add_pod(s, 2000), small = add_pod(s, 1000);
    pass_s(s, 60);
    expect(s, is_bound(s, small), "the new node is used");
    expect(s, !is_bound(s, large), "and not for more than it has");
}

/* volcano #4888, #1417: pods are heard of before their node, and nodes flap. */
static void pods_before_their_node(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    uint32_t first = add_pod(s, 1000);
    pass_s(s, 1);
    vnet_lag(s->net, VKIND_NODES, 20 * SY_NS_PER_S);
    vapi_node_delete(s->api, 0);
    add_node(s, 0, 1000);
    uint32_t second = add_pod(s, 1000);
    pass_s(s, 10);
    world_kill_daemon(s->w, world_daemon(s->w));
    world_start_daemon(s->w);
    pass_s(s, 60);
    expect(s, is_bound(s, first) && !is_bound(s, second), "the first pod still counts");
}

/* volcano #3301, #2999, #1776: what a node offers falls below what is used, or below nothing. */
static void room_falls_below_use(struct story *s)
{
    static const int64_t ODD[] = {0, -5, 1, 1000};

    add_node(s, 0, 4000);
    pass_s(s, 5);
    uint32_t first = add_pod(s, 4000);
    pass_s(s, 1);
    for (size_t i = 0; i < SY_ARRAY_LEN(ODD); i++) {
        vapi_node(s->api, 0)->room.cpu_milli = ODD[i];
        vapi_node_changed(s->api, 0);
        uint32_t pod = add_pod(s, 500), light = add_pod(s, 0);
        pass_s(s, 5);
        expect(s, !is_bound(s, pod), "nothing more goes there");
        expect(s, is_bound(s, light), "but what asks for none of it");
        vapi_pod_remove(s->api, pod);
    }
    vapi_node(s->api, 0)->room.cpu_milli = 8000;
    vapi_node_changed(s->api, 0);
    uint32_t last = add_pod(s, 4000);
    pass_s(s, 15);
    expect(s, is_bound(s, first) && is_bound(s, last), "and all is well when it is back");
}

/* volcano #3373, #2462, koordinator #872: two gangs, and room for one. */
static void two_gangs_room_for_one(struct story *s)
{
    for (uint32_t i = 0; i < 4; i++)
        add_node(s, i, 1000);
    pass_s(s, 5);
    uint32_t a = add_gang(s, 1, 4, 1000), b = add_gang(s, 2, 4, 1000);
    pass_s(s, 20);
    expect(s, bound_of(s, a, 4) + bound_of(s, b, 4) == 4, "four members are bound");
    expect(s, bound_of(s, a, 4) % 4 == 0, "all of one gang");
    uint32_t winner = is_bound(s, a) ? a : b, loser = winner == a ? b : a;
    for (uint32_t i = 0; i < 4; i++)
        vapi_pod_remove(s->api, winner + i);
    pass_s(s, 30);
    expect(s, bound_of(s, loser, 4) == 4, "then the other");
}

/* volcano #5805: while a gang is being bound, the place of a member is stolen. */
static void gang_keeps_its_places(struct story *s)
{
    for (uint32_t i = 0; i < 4; i++)
        add_node(s, i, 1000);
    pass_s(s, 5);
    vnet_plan(s->net, "POST", "/binding", FATE_REFUSED, 2, 0);
    uint32_t gang = add_gang(s, 1, 4, 1000), thief = NO_POD;
    pass_ms(s, 5);
    for (int i = 0; i < 10; i++) {
        uint32_t id = add_pod(s, 1000);
        thief = thief == NO_POD ? id : thief;
    }
    pass_s(s, 30);
    expect(s, bound_of(s, gang, 4) == 4, "the gang is whole");
    expect(s, bound_of(s, thief, 10) == 0, "nobody took its places");
}

/* A crash in the middle of a gang: what was bound counts, and the rest follows. */
static void gang_survives_a_crash(struct story *s)
{
    for (uint32_t i = 0; i < 4; i++)
        add_node(s, i, 1000);
    pass_s(s, 5);
    vnet_plan(s->net, "POST", "/binding", FATE_SWALLOWED, 2, 0);
    uint32_t gang = add_gang(s, 1, 4, 1000);
    pass_ms(s, 50);
    uint32_t bound = bound_of(s, gang, 4);
    expect(s, bound == 2, "two binds have landed");
    world_kill_daemon(s->w, world_daemon(s->w));
    uint32_t thief = add_pod(s, 1000);
    vapi_pod(s->api, thief)->priority = -1;
    vapi_pod_changed(s->api, thief);
    world_start_daemon(s->w);
    pass_s(s, 30);
    expect(s, bound_of(s, gang, 4) == 4, "the gang is finished");
}

/* kubernetes #106884, #104560: a pod that terminates still holds what it has. */
static void terminating_pods_count(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    uint32_t first = add_pod(s, 1000);
    pass_s(s, 1);
    vapi_pod_delete(s->api, first);
    uint32_t second = add_pod(s, 1000);
    pass_s(s, 60);
    expect(s, !is_bound(s, second), "the place is not free yet");
    vapi_pod_remove(s->api, first);
    pass_s(s, 10);
    expect(s, is_bound(s, second), "now it is");
}

/* kubernetes #65012, client-go #374: the connection is dead and nobody says so. */
static void half_open_connection(struct story *s)
{
    add_node(s, 0, 8000);
    pass_s(s, 10);
    struct daemon *d = world_daemon(s->w);
    for (int way = 0; way < 2; way++) {
        sy_time_ns until = vtime_now() + 40 * SY_NS_PER_S;
        if (way)
            daemon_client(d)->mute_until = until;
        else
            daemon_client(d)->deaf_until = until;
        pass_ms(s, 10500);
        expect(s, !daemon_is_active(d), "it is noticed within 10 s");
        uint32_t pod = add_pod(s, 100);
        pass_s(s, 20);
        expect(s, !is_bound(s, pod), "nothing is decided meanwhile");
        pass_s(s, 30);
        expect(s, daemon_is_active(d) && is_bound(s, pod), "it goes on when the path is back");
    }
}

/* kubernetes #86483, PR 86430, #79805: the API server restarts, its history is gone, it is busy. */
static void restart_of_the_api_server(struct story *s)
{
    add_node(s, 0, 8000);
    pass_s(s, 10);
    uint32_t before = vnet_requests(s->net);
    vnet_set_down(s->net, true);
    pass_s(s, 20);
    vapi_compact(s->api, vapi_rv(s->api));
    uint32_t pod = add_pod(s, 100);
    vapi_compact(s->api, vapi_rv(s->api));
    vnet_plan(s->net, "GET", "/api/v1/pods", FATE_THROTTLED, 2, 0);
    vnet_set_down(s->net, false);
    pass_s(s, 60);
    expect(s, is_bound(s, pod), "what came meanwhile is bound");
    expect(s, vnet_requests(s->net) - before < 120, "without a storm of requests");
}

/* kubernetes #85677, #106780: what is kept for a preemptor outlives its node. */
static void nomination_outlives_its_node(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    uint32_t low = add_pod(s, 1000);
    pass_s(s, 1);
    run_pod(s, low);
    struct vpod p = a_pod(s, 1000);
    p.priority = 100;
    uint32_t high = vapi_pod_create(s->api, &p);
    pass_s(s, 5);
    expect(s, vapi_pod(s->api, low)->is_terminating, "the low one is to go");
    vapi_node_delete(s->api, 0);
    add_node(s, 1, 1000);
    pass_s(s, 30);
    expect(s, node_of(s, high) == 1, "the high one goes elsewhere");
    vapi_pod_remove(s->api, low);
    add_node(s, 0, 1000);
    uint32_t other = add_pod(s, 1000);
    pass_s(s, 30);
    expect(s, is_bound(s, other), "and nothing is kept for it any more");
}

/* kubernetes #130429: two schedulers, and the pods of the other are preempted. */
static void other_schedulers_pods_stay(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    struct vpod p = a_pod(s, 1000);
    p.is_ours = false;
    p.priority = -100;
    p.node = 0;
    uint32_t other = vapi_pod_create(s->api, &p);
    p = a_pod(s, 1000);
    p.priority = 1000;
    uint32_t high = vapi_pod_create(s->api, &p);
    pass_s(s, 120);
    expect(s,
           vapi_pod(s->api, other)->exists && !vapi_pod(s->api, other)->is_terminating &&
               !vapi_pod(s->api, other)->is_target,
           "the other's pod is left alone");
    expect(s, !is_bound(s, high), "ours waits");
}

/* Another scheduler binds our pod, or takes the place, between our decision and our bind. */
static void rival_is_faster(struct story *s)
{
    add_node(s, 0, 1000);
    add_node(s, 1, 1000);
    pass_s(s, 5);
    vnet_plan(s->net, "POST", "/binding", FATE_FAIR, 1, SY_NS_PER_S);
    uint32_t pod = add_pod(s, 1000);
    pass_ms(s, 100);
    vapi_pod(s->api, pod)->node = 1;
    vapi_pod_changed(s->api, pod);
    pass_s(s, 5);
    expect(s, node_of(s, pod) == 1, "the pod is where the rival put it");
    uint32_t next = add_pod(s, 1000);
    pass_s(s, 15);
    expect(s, node_of(s, next) == 0, "and the other node is free");
}

/* client-go #448: the wall clock jumps. */
static void wall_clock_jumps(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    uint32_t first = add_pod(s, 1000);
    pass_s(s, 1);
    for (int i = 0; i < 4; i++) {
        uint32_t pod = add_pod(s, 1000);
        pass_s(s, 2);
        vtime_jump_wall((i % 2 ? -7200 : 86400) * SY_NS_PER_S);
        vapi_pod_remove(s->api, first);
        pass_s(s, 12);
        expect(s, is_bound(s, pod), "the pod is bound in time");
        first = pod;
    }
}

/* The process stands still, as in a suspended machine, with binds under way and events waiting. */
static void process_stands_still(struct story *s)
{
    add_node(s, 0, 2000);
    pass_s(s, 5);
    for (int i = 0; i < 3; i++) {
        uint32_t first = add_pod(s, 1000), second = add_pod(s, 1000), third = add_pod(s, 1000);
        pass_ms(s, 2);
        vloop_freeze(daemon_client(world_daemon(s->w))->loop, vtime_now() + 30 * SY_NS_PER_S);
        pass_s(s, 90);
        expect(s, bound_of(s, first, 3) == 2, "two of three fit");
        vapi_pod_remove(s->api, first);
        vapi_pod_remove(s->api, second);
        vapi_pod_remove(s->api, third);
        pass_s(s, 5);
    }
}

/* A pod is deleted and made anew under its name while its bind is on the way. */
static void name_is_used_again(struct story *s)
{
    add_node(s, 0, 1000);
    pass_s(s, 5);
    vnet_plan(s->net, "POST", "/binding", FATE_FAIR, 1, 500 * SY_NS_PER_MS);
    uint32_t first = add_pod(s, 1000);
    pass_ms(s, 100);
    vapi_pod_remove(s->api, first);
    struct vpod p = a_pod(s, 1000);
    p.name = vapi_pod(s->api, first)->name;
    p.is_gated = true;
    uint32_t second = vapi_pod_create(s->api, &p);
    pass_s(s, 5);
    expect(s, !is_bound(s, second), "the bind was not meant for it");
    vapi_pod(s->api, second)->is_gated = false;
    vapi_pod_changed(s->api, second);
    pass_s(s, 15);
    expect(s, is_bound(s, second), "its own turn comes");
}

/* A bind is held back by a path that stalls, and is slow at the server then: it lands when all has
 * given it up. */
static void bind_held_back(struct story *s)
{
    add_node(s, 0, 1000);
    add_node(s, 1, 1000);
    pass_s(s, 5);
    for (int round = 0; round < 8; round++) {
        struct vclient *c = daemon_client(world_daemon(s->w));
        vnet_plan(s->net, "POST", "/binding", FATE_MUTE, 1, 9 * SY_NS_PER_S);
        c->mute_until = vtime_now() + 7 * SY_NS_PER_S;
        uint32_t pod = add_pod(s, 1000);
        pass_s(s, 60);
        expect(s, is_bound(s, pod), "the pod is bound");
        vapi_pod_remove(s->api, pod);
        pass_s(s, 5);
    }
}

static uint32_t add_pods(struct story *s, uint32_t count, int64_t cpu_milli)
{
    uint32_t first = add_pod(s, cpu_milli);

    for (uint32_t i = 1; i < count; i++)
        (void)add_pod(s, cpu_milli);
    return first;
}

/* kubernetes #65257, PR 81306: a leader that stood still goes on where it was. */
static void old_leader_goes_on(struct story *s)
{
    add_node(s, 0, 4000);
    add_node(s, 1, 4000);
    pass_s(s, 10);
    struct daemon *old = world_leader(s->w);
    expect(s, old && daemon_is_active(old), "one of the two leads");
    if (!old)
        return;
    uint32_t first = add_pods(s, 6, 1000);
    pass_ms(s, 1);
    vloop_freeze(daemon_client(old)->loop, vtime_now() + 40 * SY_NS_PER_S);
    uint32_t more = add_pods(s, 6, 1000);
    pass_s(s, 30);
    expect(s, world_leader(s->w) && world_leader(s->w) != old, "the other has taken over");
    expect(s, bound_of(s, first, 6) + bound_of(s, more, 6) == 8, "and fills the nodes");
    pass_s(s, 60);
    expect(s, bound_of(s, first, 6) + bound_of(s, more, 6) == 8, "to which nothing is added");
}

/* kubernetes #136782, #137308, kueue #10495: the new leader has not heard what the old one did. */
static void new_leader_has_not_heard(struct story *s)
{
    add_node(s, 0, 4000);
    pass_s(s, 10);
    struct daemon *old = world_leader(s->w);
    expect(s, old, "one of the two leads");
    if (!old)
        return;
    vnet_plan(s->net, "POST", "/binding", FATE_FAIR, 4, 500 * SY_NS_PER_MS);
    uint32_t first = add_pods(s, 8, 1000);
    pass_ms(s, 100);
    vnet_lag(s->net, VKIND_PODS, 60 * SY_NS_PER_S);
    pass_s(s, 1);
    expect(s, bound_of(s, first, 8) == 4, "four of eight are bound, and nobody has heard of it");
    world_kill_daemon(s->w, old);
    pass_s(s, 40);
    expect(s, world_leader(s->w), "the other leads");
    expect(s, bound_of(s, first, 8) == 4, "and puts nothing on a full node");
    vnet_lag(s->net, VKIND_PODS, 0);
    for (uint32_t i = 0; i < 8; i++) {
        if (is_bound(s, first + i))
            vapi_pod_remove(s->api, first + i);
    }
    pass_s(s, 120);
    expect(s, bound_of(s, first, 8) >= 4, "what fits is bound");
}

/* The handover at SIGTERM: nothing is lost, nothing is done twice, and it does not take long. */
static void leader_hands_over(struct story *s)
{
    add_node(s, 0, 64000);
    pass_s(s, 10);
    struct daemon *old = world_leader(s->w);
    expect(s, old, "one of the two leads");
    if (!old)
        return;
    uint32_t first = add_pods(s, 30, 1000);
    pass_ms(s, 3);
    daemon_retire(old);
    uint32_t more = add_pods(s, 10, 1000);
    pass_s(s, 2);
    expect(s, bound_of(s, first, 30) + bound_of(s, more, 10) == 40, "all are bound within 2 s");
}

static const struct {
    const char *name;
    void (*play)(struct story *s);
    bool elects; /* two replicas */
} ISSUES[] = {
    {"bind-landed-but-timed-out", bind_landed_but_timed_out, false},
    {"bind-answer-lost", bind_answer_lost, false},
    {"event-before-the-answer", event_before_the_answer, false},
    {"restart-with-a-slow-list", restart_with_a_slow_list, false},
    {"nodes-come-late", nodes_come_late, false},
    {"missed-add-event", missed_add_event, false},
    {"unschedulable-is-tried-again", unschedulable_is_tried_again, false},
    {"node-comes-back-as-another", node_comes_back_as_another, false},
    {"pods-before-their-node", pods_before_their_node, false},
    {"room-falls-below-use", room_falls_below_use, false},
    {"two-gangs-room-for-one", two_gangs_room_for_one, false},
    {"gang-keeps-its-places", gang_keeps_its_places, false},
    {"gang-survives-a-crash", gang_survives_a_crash, false},
    {"terminating-pods-count", terminating_pods_count, false},
    {"half-open-connection", half_open_connection, false},
    {"restart-of-the-api-server", restart_of_the_api_server, false},
    {"nomination-outlives-its-node", nomination_outlives_its_node, false},
    {"other-schedulers-pods-stay", other_schedulers_pods_stay, false},
    {"rival-is-faster", rival_is_faster, false},
    {"wall-clock-jumps", wall_clock_jumps, false},
    {"process-stands-still", process_stands_still, false},
    {"name-is-used-again", name_is_used_again, false},
    {"bind-held-back", bind_held_back, false},
    {"old-leader-goes-on", old_leader_goes_on, true},
    {"new-leader-has-not-heard", new_leader_has_not_heard, true},
    {"leader-hands-over", leader_hands_over, true},
};

static bool play(size_t i, bool is_loud)
{
    struct story s = {.w = world_bare(is_loud, ISSUES[i].elects)};
    const char *text;

    s.api = world_api(s.w);
    s.net = world_net(s.w);
    ISSUES[i].play(&s);
    enum rule verdict = books_verdict(world_books(s.w), &text);
    bool is_ok = !s.failed && verdict == RULES;
    if (!is_ok) {
        trace_print(TRACE_LINES);
        printf("FAILED %s: %s\n", ISSUES[i].name, s.failed ? s.failed : "");
        if (verdict != RULES)
            printf("  broken: %s\n  %s\n", rule_name(verdict), text);
    } else {
        printf("ok %s\n", ISSUES[i].name);
    }
    world_free(s.w);
    return is_ok;
}

int issues_run(const char *name, bool is_loud)
{
    int failed = 0, ran = 0;

    for (size_t i = 0; i < SY_ARRAY_LEN(ISSUES); i++) {
        if (name && strcmp(name, ISSUES[i].name) != 0)
            continue;
        ran++;
        failed += !play(i, is_loud);
    }
    if (!ran)
        fprintf(stderr, "simulation: no issue of that name; `simulation list` has them\n");
    return failed || !ran;
}

void issues_list(void)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(ISSUES); i++)
        puts(ISSUES[i].name);
}
