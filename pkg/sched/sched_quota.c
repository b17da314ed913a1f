/* SPDX-License-Identifier: Apache-2.0
 *
 * What queues (cluster/shares.h) do to scheduling: entries are active in a heap of their queue,
 * pods that a limit or another queue's guaranteed share stands in the way of wait, and are woken
 * when it does not any more. Nothing of it runs while no queues are configured. */
#include "sched/sched_int.h"

#include "base/mem.h"
#include "sched/queues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A condition's reason. Not "Unschedulable": more nodes would not help, so no autoscaler is to be
 * misled. */
static const char WAITING_FOR_QUOTA[] = "WaitingForQuota";

static struct sy_heap *heap_of(struct sy_sched *s, const struct sy_entry *e)
{
    return e->queue == SY_NO_QUEUE ? &s->active : &s->quota.heaps.p[e->queue];
}

/* -- the active ones -- */

void sy_sched_push_active(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    e->queue = s->cluster.pods.p[e->pod].queue;
    sy_heap_push(heap_of(s, e), &s->entries, i);
    s->active_len++;
    if (e->queue != SY_NO_QUEUE)
        sy_shares_ready(&s->cluster, e->queue, 1);
}

void sy_sched_remove_active(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    sy_heap_remove(heap_of(s, e), &s->entries, i);
    s->active_len--;
    if (e->queue != SY_NO_QUEUE)
        sy_shares_ready(&s->cluster, e->queue, -1);
}

uint32_t sy_sched_next_active(struct sy_sched *s)
{
    uint16_t queue;

    if (!s->cluster.shares.is_on)
        return sy_heap_top(&s->active, &s->entries);
    queue = sy_shares_next(&s->cluster);
    return queue == SY_NO_QUEUE ? SY_NO_ENTRY : sy_heap_top(&s->quota.heaps.p[queue], &s->entries);
}

/* -- what waits -- */

void sy_sched_count_waiting(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];

    if (!s->cluster.shares.is_on || (p->flags & SY_POD_ASSUMED))
        return;
    e->queue = p->queue;
    e->is_counted = true;
    /* The shape's spec is the one to be taken out again, whatever becomes of the pod's. */
    sy_shares_wait(&s->cluster, e->queue, &sy_sched_shape_of(s, e)->spec->spec, 1);
}

void sy_sched_uncount_waiting(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    if (!e->is_counted)
        return;
    e->is_counted = false;
    sy_shares_wait(&s->cluster, e->queue, &sy_sched_shape_of(s, e)->spec->spec, -1);
}

/* -- quotas -- */

static char *quota_text(const struct sy_sched *s, uint16_t queue,
                        const struct sy_quota_answer *answer, const char *what)
{
    const struct sy_shares *shares = &s->cluster.shares;
    const struct sy_queue *q = &shares->all.p[answer->queue];
    char amount[128];

    if (answer->quota == SY_QUOTA_OWED)
        return sy_xasprintf("waiting for quota: queue %s would borrow %s that is guaranteed to "
                            "queue %s, which has pods waiting for it",
                            shares->all.p[queue].name,
                            sy_strings_getz(s->strings, shares->resources[answer->resource].name),
                            q->name);
    sy_shares_text(&s->cluster, answer->resource, q->limit.of[answer->resource], amount,
                   sizeof(amount));
    return sy_xasprintf("waiting for quota: with %s queue %s would be over its limit of %s", what,
                        q->name, amount);
}

bool sy_sched_has_quota(struct sy_sched *s, struct sy_shape *shape)
{
    struct sy_queue_amounts asked;

    if (!s->cluster.shares.is_on)
        return true;
    sy_shares_amounts(&s->cluster, &shape->spec->spec, &asked);
    shape->waits_for_quota =
        sy_shares_ask(&s->cluster, shape->queue, &asked).quota != SY_QUOTA_FREE;
    return !shape->waits_for_quota;
}

bool sy_sched_is_held(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_shape *shape = sy_sched_shape_of(s, e);
    struct sy_queue_amounts asked;

    if ((s->cluster.pods.p[e->pod].flags & SY_POD_ASSUMED) || sy_sched_has_quota(s, shape))
        return false;
    sy_shares_amounts(&s->cluster, &shape->spec->spec, &asked);
    struct sy_quota_answer answer = sy_shares_ask(&s->cluster, shape->queue, &asked);
    char *text = quota_text(s, shape->queue, &answer, "this pod");
    sy_sched_end_nomination(s, e);
    sy_sched_say(s, e, WAITING_FOR_QUOTA, text, NULL);
    sy_sched_record_refusal(s, e, SY_RECORD_REFUSED, text, now);
    free(text);
    sy_sched_enter_waiting(s, i, now);
    return true;
}

/* All members that are to be placed together count together; they are of one queue. */
static struct sy_quota_answer ask_for_gang(struct sy_sched *s, const struct sy_gang_plan *plan,
                                           uint16_t queue)
{
    struct sy_queue_amounts sum = {0}, one;

    for (uint32_t n = 0; n < plan->needed; n++) {
        sy_shares_amounts(&s->cluster, &plan->candidates.p[n].shape->spec->spec, &one);
        sy_shares_add(&sum, &one);
    }
    return sy_shares_ask(&s->cluster, queue, &sum);
}

bool sy_sched_is_gang_held(struct sy_sched *s, struct sy_gang *gang,
                           const struct sy_gang_plan *plan, sy_time_ns now)
{
    gang->waits_for_quota = false;
    if (!s->cluster.shares.is_on)
        return false;
    uint16_t queue = s->cluster.pods.p[plan->candidates.p[0].pod].queue;
    /* Its own members wait too, and are owed what they ask for: that does not stand in their way.
     */
    struct sy_quota_answer answer = ask_for_gang(s, plan, queue);
    if (answer.quota == SY_QUOTA_FREE)
        return false;
    char name[512], what[540];
    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    snprintf(what, sizeof(what), "gang %s", name);
    char *text = quota_text(s, queue, &answer, what);
    for (size_t n = 0; n < plan->candidates.len; n++)
        sy_sched_say(s, sy_sched_entry(s, plan->candidates.p[n].entry), WAITING_FOR_QUOTA, text,
                     NULL);
    sy_sched_record_refusal(s, sy_sched_entry(s, plan->candidates.p[0].entry), SY_RECORD_REFUSED,
                            text, now);
    free(text);
    gang->waits_for_quota = true;
    gang->state = SY_GANG_WAITING;
    gang->head = SY_NO_ENTRY;
    gang->relief_seen = s->cluster.relief.len;
    gang->until_ns = now + s->options.sweep_ns;
    s->gangs.next_ns = sy_time_earlier(s->gangs.next_ns, gang->until_ns);
    return true;
}

char *sy_sched_why_no_quota(struct sy_sched *s, const struct sy_gang_plan *plan)
{
    if (!s->cluster.shares.is_on)
        return NULL;
    uint16_t queue = s->cluster.pods.p[plan->candidates.p[0].pod].queue;
    struct sy_quota_answer answer = ask_for_gang(s, plan, queue);
    return answer.quota == SY_QUOTA_FREE ? NULL : quota_text(s, queue, &answer, "what is asked");
}

void sy_sched_wake_quota(struct sy_sched *s)
{
    const struct sy_shares *shares = &s->cluster.shares;

    if (!shares->is_on || s->quota.relief_seen == shares->relief)
        return;
    s->quota.relief_seen = shares->relief;
    for (size_t i = 0; i < s->shapes.all.len; i++) {
        struct sy_shape *shape = s->shapes.all.p[i];
        if (shape && shape->waits_for_quota && sy_heap_len(&shape->waiting) &&
            sy_sched_has_quota(s, shape))
            sy_sched_wake_first(s, shape);
    }
    for (uint32_t g = 0; g < s->gangs.all.len; g++) {
        struct sy_gang *gang = &s->gangs.all.p[g];
        if (gang->state == SY_GANG_WAITING && gang->waits_for_quota)
            sy_gangs_touch(&s->gangs, g, true);
    }
}

void sy_sched_queues_waiting(struct sy_sched *s, struct sy_queue_waiting *ret)
{
    memset(ret, 0, s->cluster.shares.all.len * sizeof(*ret));
    for (uint32_t i = 0; i < s->entries.all.len && s->cluster.shares.is_on; i++) {
        const struct sy_entry *e = sy_sched_entry(s, i);
        uint32_t g = e->pod == SY_NO_ENTRY ? SY_NONE : sy_gangs_of(&s->gangs, e->pod);
        if (!e->is_counted)
            continue;
        struct sy_queue_waiting *w = &ret[e->queue];
        if (e->state == SY_ENTRY_WAITING)
            *(sy_sched_shape_of(s, e)->waits_for_quota ? &w->quota : &w->room) += 1;
        else if (e->state == SY_ENTRY_GANG && g != SY_NONE && s->gangs.all.p[g].waits_for_quota)
            w->quota++;
        else if (e->state == SY_ENTRY_GANG)
            w->gang++;
        else
            w->turn++;
    }
}

/* -- configuration -- */

void sy_sched_close_queues(struct sy_sched *s)
{
    for (uint32_t i = 0; i < s->entries.all.len; i++) {
        struct sy_entry *e = sy_sched_entry(s, i);
        e->is_counted = false;
        if (e->state != SY_ENTRY_ACTIVE || e->queue == SY_NO_QUEUE)
            continue;
        sy_heap_remove(heap_of(s, e), &s->entries, i);
        e->queue = SY_NO_QUEUE;
        sy_heap_push(&s->active, &s->entries, i);
    }
    for (size_t i = 0; i < s->quota.heaps.len; i++)
        sy_heap_done(&s->quota.heaps.p[i]);
    sy_vec_done(&s->quota.heaps);
}

void sy_sched_open_queues(struct sy_sched *s, const struct sy_queues_options *options)
{
    sy_shares_configure(&s->cluster, options);
    for (size_t i = 0; i < s->cluster.shares.all.len; i++)
        sy_vec_push(&s->quota.heaps, (struct sy_heap){0});
}

void sy_sched_rebuild_active(struct sy_sched *s)
{
    sy_heap_rebuild(&s->active, &s->entries);
    for (size_t i = 0; i < s->quota.heaps.len; i++)
        sy_heap_rebuild(&s->quota.heaps.p[i], &s->entries);
}
