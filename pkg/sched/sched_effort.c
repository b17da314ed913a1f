/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods whose cycle costs much take turns: together they get a tenth of the time, and one that would
 * take too long is not tried. */
#include "sched/effort.h"
#include "sched/sched_int.h"

#include <stdlib.h>

#include "base/mem.h"

/* For each such cycle this many times its length goes to others. */
enum { OTHERS_SHARE = 9 };

static struct sy_effort_estimate estimate(const struct sy_sched *s, uint32_t pod)
{
    return sy_effort_of(&s->cluster.pods.p[pod].spec->spec, s->cluster.nodes_alive,
                        s->cluster.pods_alive);
}

/* Of all members that may be looked at, together: many small ones make a costly gang. */
static struct sy_effort_estimate estimate_gang(const struct sy_sched *s, const struct sy_gang *gang)
{
    struct sy_effort_estimate sum = {0};

    for (size_t m = 0; m < gang->members.len; m++) {
        struct sy_effort_estimate one = estimate(s, gang->members.p[m].pod);
        if (sy_effort_judge(&one) == SY_EFFORT_PLAIN)
            continue;
        sum.terms += one.terms < UINT32_MAX - sum.terms ? one.terms : UINT32_MAX - sum.terms;
        sum.ns = sum.ns < INT64_MAX / 16 - one.ns ? sum.ns + one.ns : INT64_MAX / 16;
    }
    return sum;
}

bool sy_sched_is_costly(const struct sy_sched *s, const struct sy_entry *e)
{
    struct sy_effort_estimate cost = estimate(s, e->pod);

    return sy_effort_judge(&cost) != SY_EFFORT_PLAIN;
}

static void refuse(struct sy_sched *s, uint32_t i, const struct sy_effort_estimate *cost,
                   sy_time_ns until, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    /* Without figures that change with the cluster: it is said once. */
    char *why = sy_xasprintf("the pod has %u terms of affinity, spread and the like, too many to "
                             "look at in a cluster of this size",
                             cost->terms);

    s->stats.costly_refused++;
    s->stats.attempts_error++;
    sy_sched_stats_of(s, e)->attempts_error++;
    e->attempts++;
    sy_sched_say(s, e, "SchedulerError", why, NULL);
    sy_sched_record_refusal(s, e, SY_RECORD_FAILED, why, now);
    free(why);
    sy_sched_enter_backoff_until(s, i, until);
}

bool sy_sched_put_off(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_gang *gang = NULL;

    if (sy_sched_goes_with_gang(s, e))
        gang = &s->gangs.all.p[sy_gangs_of(&s->gangs, e->pod)];
    struct sy_effort_estimate cost = gang ? estimate_gang(s, gang) : estimate(s, e->pod);
    enum sy_effort effort = sy_effort_judge(&cost);
    if (effort == SY_EFFORT_PLAIN)
        return false;
    sy_time_ns until = s->costly_ns;
    if (effort == SY_EFFORT_TOO_MUCH) {
        until = now + s->options.backoff_max_ns;
        refuse(s, i, &cost, until, now);
    } else if (now < until) {
        s->stats.costly_put_off++;
        sy_sched_enter_backoff_until(s, i, until);
    } else {
        s->stats.costly_attempts++;
        s->costly_ns = now + (1 + OTHERS_SHARE) * cost.ns;
        return false;
    }
    if (gang)
        gang->retry_ns = until;
    return true;
}
