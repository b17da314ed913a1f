/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an entry stands: queues, nominations, the shape that it waits under. */
#include "sched/sched_int.h"

#include "sched/volumes.h"

static void list_append(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    e->older = s->waiting_newest;
    e->newer = SY_NO_ENTRY;
    if (s->waiting_newest != SY_NO_ENTRY)
        sy_sched_entry(s, s->waiting_newest)->newer = i;
    else
        s->waiting_oldest = i;
    s->waiting_newest = i;
}

static void list_remove(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    if (e->older != SY_NO_ENTRY)
        sy_sched_entry(s, e->older)->newer = e->newer;
    else
        s->waiting_oldest = e->newer;
    if (e->newer != SY_NO_ENTRY)
        sy_sched_entry(s, e->newer)->older = e->older;
    else
        s->waiting_newest = e->older;
    e->older = e->newer = SY_NO_ENTRY;
}

void sy_sched_leave(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    sy_sched_uncount_waiting(s, i);
    switch (e->state) {
    case SY_ENTRY_ACTIVE:
        sy_sched_remove_active(s, i);
        break;
    case SY_ENTRY_BACKOFF:
        sy_heap_remove(&s->backoff, &s->entries, i);
        break;
    case SY_ENTRY_WAITING: {
        struct sy_shape *shape = sy_sched_shape_of(s, e);
        sy_heap_remove(&shape->waiting, &s->entries, i);
        s->shapes.waiting_shapes -= sy_heap_len(&shape->waiting) == 0;
        list_remove(s, i);
        s->stats.unschedulable--;
        break;
    }
    case SY_ENTRY_GATED:
        s->stats.gated--;
        break;
    case SY_ENTRY_GANG:
        s->stats.in_gangs--;
        break;
    case SY_ENTRY_RESERVED: {
        size_t at = 0;
        while (s->reserved.p[at] != i)
            at++;
        sy_vec_swap_remove(&s->reserved, at);
        sy_volume_work_free(&s->cluster, e->volumes);
        e->volumes = NULL;
        sy_sched_drop_claims(s, e);
        break;
    }
    case SY_ENTRY_BINDING:
        s->in_flight--;
        sy_sched_drop_claims(s, e);
        break;
    default:
        break;
    }
    e->state = SY_ENTRY_FREE;
}

void sy_sched_enter_active(struct sy_sched *s, uint32_t i)
{
    sy_sched_leave(s, i);
    sy_sched_entry(s, i)->state = SY_ENTRY_ACTIVE;
    sy_sched_push_active(s, i);
    sy_sched_count_waiting(s, i);
}

void sy_sched_enter_waiting(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_shape *shape = sy_sched_shape_of(s, e);

    sy_sched_leave(s, i);
    e->state = SY_ENTRY_WAITING;
    e->until_ns = now + s->options.sweep_ns;
    s->shapes.waiting_shapes += sy_heap_len(&shape->waiting) == 0;
    sy_heap_push(&shape->waiting, &s->entries, i);
    list_append(s, i);
    s->stats.unschedulable++;
    sy_sched_count_waiting(s, i);
}

int64_t sy_sched_doubled_ns(int64_t first, int64_t most, uint32_t attempts)
{
    int64_t wait = first;

    for (uint32_t n = 1; n < attempts && wait < most; n++)
        wait *= 2;
    return sy_time_earlier(wait, most);
}

void sy_sched_enter_backoff_until(struct sy_sched *s, uint32_t i, sy_time_ns until)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    sy_sched_leave(s, i);
    e->state = SY_ENTRY_BACKOFF;
    e->until_ns = until;
    e->swept = false;
    sy_heap_push(&s->backoff, &s->entries, i);
    s->stats.incoming_backoff++;
    sy_sched_count_waiting(s, i);
}

void sy_sched_enter_backoff(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    sy_sched_enter_backoff_until(s, i,
                                 now + sy_sched_doubled_ns(s->options.backoff_initial_ns,
                                                           s->options.backoff_max_ns,
                                                           sy_sched_entry(s, i)->attempts));
}

void sy_sched_enter_gated(struct sy_sched *s, uint32_t i)
{
    sy_sched_leave(s, i);
    sy_sched_entry(s, i)->state = SY_ENTRY_GATED;
    s->stats.gated++;
}

void sy_sched_enter_gang(struct sy_sched *s, uint32_t i)
{
    sy_sched_leave(s, i);
    sy_sched_entry(s, i)->state = SY_ENTRY_GANG;
    s->stats.in_gangs++;
    sy_sched_count_waiting(s, i);
}

void sy_sched_enter_queue(struct sy_sched *s, uint32_t i)
{
    uint32_t gang = sy_gangs_of(&s->gangs, sy_sched_entry(s, i)->pod);

    if (gang == SY_NONE) {
        sy_sched_enter_active(s, i);
        return;
    }
    sy_sched_enter_gang(s, i);
    sy_gangs_touch(&s->gangs, gang, true);
}

void sy_sched_end_nomination(struct sy_sched *s, struct sy_entry *e)
{
    if (e->nominated == SY_NO_ENTRY)
        return;
    e->nominated = SY_NO_ENTRY;
    sy_shapes_end_nomination(&s->shapes, e->pod);
}

void sy_sched_nominate(struct sy_sched *s, struct sy_entry *e, uint32_t node)
{
    sy_sched_end_nomination(s, e);
    e->nominated = node;
    sy_shapes_nominate(&s->shapes, e->pod, node);
}

void sy_sched_drop_entry(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    sy_sched_end_nomination(s, e);
    sy_sched_leave(s, i);
    if (e->pod != SY_NO_ENTRY) {
        s->cluster.pods.p[e->pod].user = SY_NONE;
        sy_shape_unref(&s->shapes, sy_sched_shape_of(s, e));
    }
    sy_entry_free(&s->entries, i);
}

void sy_sched_renew_shape(struct sy_sched *s, struct sy_entry *e)
{
    struct sy_shape *old = sy_sched_shape_of(s, e);

    e->shape = sy_shape_ref(&s->shapes, &s->cluster.pods.p[e->pod], old->profile)->id;
    sy_shape_unref(&s->shapes, old);
}

void sy_sched_wake_first(struct sy_sched *s, struct sy_shape *shape)
{
    uint32_t i = sy_heap_top(&shape->waiting, &s->entries);

    if (i == SY_NO_ENTRY)
        return;
    sy_sched_entry(s, i)->swept = false;
    sy_sched_enter_active(s, i);
    s->stats.incoming_woken++;
}
