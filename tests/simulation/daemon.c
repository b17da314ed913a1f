/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include "app/feed.h"
#include "app/leader.h"
#include "app/outbox.h"
#include "base/mem.h"
#include "sched/inputs.h"
#include "trace.h"
#include "vtime.h"

#include <stdio.h>
#include <stdlib.h>

enum { CYCLES_PER_TURN = 256 };

struct daemon {
    struct daemon_options options;
    struct vnet *net;
    struct vclient client;
    struct sy_loop *loop;
    struct sy_strings *strings;
    struct sy_sched *sched;
    struct sy_kube *kube;
    struct sy_outbox *outbox;
    struct sy_feed *feeds[SY_FEEDS];
    struct sy_leader *leader; /* NULL: there is no election */
    struct sy_deferred *turn;
    struct sy_timer *deadline;
    struct sy_timer *tick;
    struct sy_timer *drain;
    sy_time_ns drain_until;
    bool is_stopping, binds_drained;
    bool was_active;
};

static bool is_active(const struct daemon *d)
{
    bool active = sy_kube_is_reachable(d->kube) && !d->is_stopping &&
                  (!d->leader || sy_leader_check(d->leader).ok);

    for (int i = 0; i < SY_FEEDS; i++) {
        if (d->feeds[i])
            active = active && sy_feed_is_synced(d->feeds[i]) && sy_feed_is_live(d->feeds[i]);
    }
    return active;
}

static void on_turn(void *arg)
{
    struct daemon *d = arg;
    sy_time_ns now = sy_loop_now_ns(d->loop);

    sy_outbox_apply(d->outbox, d->sched, now);
    bool active = is_active(d);
    if (active != d->was_active)
        trace("client %u: %s", d->client.number, active ? "schedules" : "pauses");
    d->was_active = active;
    sy_sched_devices_known(d->sched, true);
    sy_time_ns next = sy_sched_run(d->sched, active, CYCLES_PER_TURN, now);
    if (active && sy_sched_has_work(d->sched))
        sy_deferred_trigger(d->turn);
    else if (next != INT64_MAX)
        sy_timer_arm(d->deadline, next > now ? next - now : 0);
}

static void want_turn(void *arg)
{
    struct daemon *d = arg;

    sy_deferred_trigger(d->turn);
}

static void on_tick(void *arg)
{
    struct daemon *d = arg;

    if (is_active(d) != d->was_active)
        sy_deferred_trigger(d->turn);
    sy_timer_arm(d->tick, SY_NS_PER_S);
}

static void on_feed_error(void *arg, const char *resource SY_UNUSED, const char *loss SY_UNUSED,
                          const struct sy_err *err SY_UNUSED, int64_t retry_in_ns SY_UNUSED)
{
    want_turn(arg);
}

static void on_decision(void *arg, const struct sy_decision *decision)
{
    struct daemon *d = arg;

    d->options.on_decision(d->options.arg, d, decision);
    sy_outbox_decide(d->outbox, decision);
}

static void on_loop_turn(void *arg)
{
    struct daemon *d = arg;

    d->options.on_turn(d->options.arg, d);
}

/* ---- the end, as in app.c ---- */

static void end(struct daemon *d)
{
    vloop_freeze(d->loop, INT64_MAX);
    d->options.on_end(d->options.arg, d);
}

static void on_lost(void *arg)
{
    struct daemon *d = arg;

    trace("client %u: has lost its lease", d->client.number);
    end(d);
}

static void on_drain(void *arg)
{
    struct daemon *d = arg;
    sy_time_ns now = sy_clock_boot_ns();

    sy_timer_arm(d->drain, 10 * SY_NS_PER_MS);
    if (!d->binds_drained) {
        if (sy_outbox_binds_in_flight(d->outbox) && now < d->drain_until)
            return;
        d->binds_drained = true;
        d->drain_until = now + 2 * SY_NS_PER_S;
        sy_outbox_apply(d->outbox, d->sched, now);
    }
    bool is_held = d->leader ? !sy_leader_let_go(d->leader, now)
                             : !sy_outbox_is_idle(d->outbox) && now < d->drain_until;
    if (!is_held)
        end(d);
}

void daemon_retire(struct daemon *d)
{
    if (d->is_stopping)
        return;
    trace("client %u: retires", d->client.number);
    d->is_stopping = true;
    d->drain_until = sy_clock_boot_ns() + 15 * SY_NS_PER_S;
    sy_timer_arm(d->drain, 0);
}

/* ---- life ---- */

static void must(int r, const struct sy_err *err)
{
    if (!r)
        return;
    fprintf(stderr, "simulation: %s\n", sy_err_text(err, r));
    abort();
}

static void start_leader(struct daemon *d)
{
    struct sy_err err = {0};

    if (!d->options.leader)
        return;
    struct sy_leader_options leader = {
        .config = d->options.leader,
        .kube = d->kube,
        .outbox = d->outbox,
        .feeds = d->feeds,
        .cluster = sy_sched_cluster(d->sched),
        .component = d->options.profile->scheduler_name,
        .write_ms = sy_config_leader_write_ms(d->options.leader, d->options.bind_timeout_ns),
        .on_change = want_turn,
        .on_lost = on_lost,
        .arg = d,
    };
    must(sy_leader_new(&leader, &d->leader, &err), &err);
}

struct daemon *daemon_new(struct vnet *net, uint32_t number, const struct daemon_options *options)
{
    struct daemon *d = sy_xcalloc(1, sizeof(*d));
    char server[] = "https://virtual";
    struct sy_kubeconfig kubeconfig = {.server = server};
    uint64_t key[2] = {sy_rng_entropy(), sy_rng_entropy()};
    struct sy_err err = {0};

    d->options = *options;
    d->net = net;
    must(sy_loop_new(&d->loop, &err), &err);
    d->client = (struct vclient){.number = number, .loop = d->loop, .arg = d};
    vnet_expect(net, &d->client);
    struct sy_kube_options kube = {.user_agent = "steelyard/simulation"};
    must(sy_kube_new(d->loop, &kubeconfig, &kube, &d->kube, &err), &err);
    d->strings = sy_strings_new(key);
    struct sy_outbox_options outbox = {
        .component = options->profile->scheduler_name,
        .bind_timeout_ms =
            options->leader ? sy_config_leader_write_ms(options->leader, options->bind_timeout_ns)
                            : (uint32_t)(options->bind_timeout_ns / SY_NS_PER_MS),
        .strings = d->strings,
        .events = true,
        .on_result = want_turn,
        .arg = d,
    };
    must(sy_outbox_new(d->kube, &outbox, &d->outbox, &err), &err);
    struct sy_sched_options sched = {
        .profiles = options->profile,
        .profiles_len = 1,
        .binds_in_flight_max = options->binds_in_flight_max,
        .exact = true,
    };
    d->sched = sy_sched_new(d->strings, &sched, on_decision, d);
    d->turn = sy_deferred_new(d->loop, on_turn, d);
    d->deadline = sy_timer_new(d->loop, want_turn, d);
    d->tick = sy_timer_new(d->loop, on_tick, d);
    d->drain = sy_timer_new(d->loop, on_drain, d);
    sy_timer_arm(d->tick, SY_NS_PER_S);
    start_leader(d);
    struct sy_feed_options feed = {
        .kube = d->kube,
        .sched = d->sched,
        .strings = d->strings,
        .names = &sy_sched_cluster(d->sched)->names,
        .on_input = want_turn,
        .on_error = on_feed_error,
        .arg = d,
    };
    for (int i = 0; i < SY_FEED_GROUPS; i++) {
        if (!sy_feed_is_needed((enum sy_feed_kind)i, options->profile, 1))
            continue;
        must(sy_feed_new((enum sy_feed_kind)i, &feed, &d->feeds[i], &err), &err);
        sy_feed_start(d->feeds[i]);
    }
    if (d->leader)
        sy_leader_start(d->leader);
    vloop_on_turn(d->loop, on_loop_turn, d);
    trace("client %u: starts", number);
    return d;
}

void daemon_kill(struct daemon *d)
{
    if (!d)
        return;
    trace("client %u: is killed", d->client.number);
    vnet_kill(d->net, &d->client);
    sy_leader_free(d->leader);
    for (int i = 0; i < SY_FEEDS; i++)
        sy_feed_free(d->feeds[i]);
    sy_outbox_free(d->outbox);
    sy_kube_free(d->kube);
    sy_sched_free(d->sched);
    sy_strings_free(d->strings);
    sy_timer_free(d->deadline);
    sy_timer_free(d->tick);
    sy_timer_free(d->drain);
    sy_deferred_free(d->turn);
    sy_loop_free(d->loop);
    free(d);
}

struct vclient *daemon_client(struct daemon *d)
{
    return &d->client;
}

struct sy_sched *daemon_sched(struct daemon *d)
{
    return d->sched;
}

struct sy_strings *daemon_strings(struct daemon *d)
{
    return d->strings;
}

bool daemon_is_active(const struct daemon *d)
{
    return d->was_active;
}
