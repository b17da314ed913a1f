/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include "app/app.h"
#include "base/log.h"
#include "base/mem.h"
#include "trace.h"
#include "vtime.h"

#include <signal.h>
#include <stdlib.h>

struct daemon {
    struct daemon_options options;
    struct sy_app_options app_options;
    struct vnet *net;
    struct vclient *client;
    struct sy_app *app;
    struct sy_strings *strings;
    struct sy_sched *sched;
    sy_decision_fn *decide;
    void *decide_arg;
    bool is_active;
    bool is_retired;
};

static struct daemon *being_made;

/* ---- what comes by between app and sched ---- */

struct sy_sched *__real_sy_sched_new(struct sy_strings *strings,
                                     const struct sy_sched_options *options, sy_decision_fn *fn,
                                     void *arg);
struct sy_sched *__wrap_sy_sched_new(struct sy_strings *strings,
                                     const struct sy_sched_options *options, sy_decision_fn *fn,
                                     void *arg);
sy_time_ns __real_sy_sched_run(struct sy_sched *s, bool active, uint32_t max_cycles,
                               sy_time_ns now);
sy_time_ns __wrap_sy_sched_run(struct sy_sched *s, bool active, uint32_t max_cycles,
                               sy_time_ns now);

static void on_decision(void *arg, const struct sy_decision *decision)
{
    struct daemon *d = arg;

    d->options.on_decision(d->options.arg, d, decision);
    d->decide(d->decide_arg, decision);
}

struct sy_sched *__wrap_sy_sched_new(struct sy_strings *strings,
                                     const struct sy_sched_options *options, sy_decision_fn *fn,
                                     void *arg)
{
    struct daemon *d = being_made;
    struct sy_sched_options exact = *options;

    exact.exact = true;
    d->strings = strings;
    d->decide = fn;
    d->decide_arg = arg;
    d->sched = __real_sy_sched_new(strings, &exact, on_decision, d);
    return d->sched;
}

static void note_active(struct daemon *d, bool active)
{
    if (d->is_active != active)
        trace("client %u: %s", d->client->number, active ? "schedules" : "pauses");
    d->is_active = active;
}

sy_time_ns __wrap_sy_sched_run(struct sy_sched *s, bool active, uint32_t max_cycles, sy_time_ns now)
{
    note_active(vloop_owner(), active);
    return __real_sy_sched_run(s, active, max_cycles, now);
}

/* ---- life ---- */

static void on_loop_turn(void *arg)
{
    struct daemon *d = arg;

    d->options.on_turn(d->options.arg, d);
}

static void on_loop_stop(void *arg)
{
    struct daemon *d = arg;

    trace("client %u: ends", d->client->number);
    vloop_freeze(d->client->loop, INT64_MAX);
    d->options.on_end(d->options.arg, d);
}

struct daemon *daemon_new(struct vnet *net, uint32_t number, const struct daemon_options *options)
{
    struct daemon *d = sy_xcalloc(1, sizeof(*d));
    enum sy_log_level level = sy_log_least();

    d->options = *options;
    d->app_options = (struct sy_app_options){
        .source = {.file = options->config}, .version = "simulation", .compiler = "any"};
    d->net = net;
    d->client = vnet_client_new(net, number, d);
    trace("client %u: starts", number);
    being_made = d;
    if (sy_app_new(&d->app_options, &d->app))
        abort(); /* it has said why */
    sy_log_configure(level, false);
    d->client->loop = vloop_newest();
    vloop_own(d->client->loop, d, on_loop_turn, on_loop_stop);
    return d;
}

void daemon_kill(struct daemon *d)
{
    if (!d)
        return;
    trace("client %u: is killed", d->client->number);
    vnet_kill(d->net, d->client, d->options.elects);
    sy_app_free(d->app);
    free(d);
}

void daemon_reload(struct daemon *d)
{
    enum sy_log_level level = sy_log_least();

    trace("client %u: SIGHUP", d->client->number);
    vloop_signal(d->client->loop, SIGHUP);
    sy_log_configure(level, false);
}

void daemon_retire(struct daemon *d)
{
    /* A second signal would end the whole run. */
    if (d->is_retired)
        return;
    d->is_retired = true;
    trace("client %u: SIGTERM", d->client->number);
    vloop_signal(d->client->loop, SIGTERM);
}

struct vclient *daemon_client(struct daemon *d)
{
    return d->client;
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
    return d->is_active;
}
