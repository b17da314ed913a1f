/* SPDX-License-Identifier: Apache-2.0
 *
 * A gang's turn: gathered, queued by one member, planned and bound whole or told why not. Who is
 * in it is for gang.c, where its members go for gang_plan.c. */
#include "sched/sched_int.h"

#include "base/mem.h"
#include "sched/gang_plan.h"
#include "sched/volumes.h"

#include <stdio.h>
#include <stdlib.h>

/* A gang that grows is not worth a word; one that has stopped growing is. */
static const int64_t GATHER_SAY_NS = 2 * SY_NS_PER_S;
static const int64_t HURRY_NS = 100 * SY_NS_PER_MS; /* many pods may leave one by one */
static const int64_t TIMEOUT_NS = 60 * SY_NS_PER_S;
static const char WAITING_FOR_GANG[] = "WaitingForGang"; /* a condition's reason */

static void gang_deadline(struct sy_sched *s, sy_time_ns at)
{
    s->gangs.next_ns = sy_time_earlier(s->gangs.next_ns, at);
}

/* Tells a member why it waits, without calling it unschedulable: room is not what it lacks, so
 * nobody is to add nodes for it. */
static void say_in_gang(struct sy_sched *s, struct sy_entry *e, const char *reason,
                        const char *message)
{
    uint64_t hash = sy_sched_hash_said(reason, sy_str_from(message));

    if (e->said_hash == hash)
        return;
    e->said_hash = hash;
    sy_sched_decide_about(
        s, e,
        &(struct sy_decision){.kind = SY_DECIDE_CONDITION, .reason = reason, .message = message});
}

/* What a gang that is not tried waits for. */
static void say_gathering(struct sy_sched *s, const struct sy_gang *gang)
{
    char name[512];
    char *text;

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    if (gang->is_malformed)
        text = sy_xasprintf("gang %s: a member's minimum is not a number from 1, or its timeout is "
                            "not a duration",
                            name);
    else if (gang->lacks_object)
        text = sy_xasprintf("waiting for the PodGroup %s: there is none yet", name);
    else
        text = sy_xasprintf("waiting for %u more members of gang %s", gang->missing, name);
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t i = s->cluster.pods.p[gang->members.p[m].pod].user;
        if (i != SY_NONE && sy_sched_entry(s, i)->state == SY_ENTRY_GANG)
            say_in_gang(s, sy_sched_entry(s, i), WAITING_FOR_GANG, text);
    }
    free(text);
}

static bool is_in_heap(const struct sy_entry *e)
{
    return e->state == SY_ENTRY_ACTIVE || e->state == SY_ENTRY_BACKOFF ||
           e->state == SY_ENTRY_WAITING;
}

/* Has all members but one that are looked for a place singly wait for each other again. */
static void gather(struct sy_sched *s, const struct sy_gang *gang, uint32_t but)
{
    for (size_t m = 0; m < gang->members.len; m++) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[gang->members.p[m].pod];
        if (p->user == SY_NONE || p->user == but || (p->flags & SY_POD_ASSUMED) ||
            !is_in_heap(sy_sched_entry(s, p->user)))
            continue;
        sy_sched_end_nomination(s, sy_sched_entry(s, p->user));
        sy_sched_enter_gang(s, p->user);
    }
}

static void open_gang(struct sy_sched *s, struct sy_gang *gang)
{
    gang->state = SY_GANG_OPEN;
    gang->head = SY_NO_ENTRY;
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t i = s->cluster.pods.p[gang->members.p[m].pod].user;
        if (i != SY_NONE && sy_sched_entry(s, i)->state == SY_ENTRY_GANG)
            sy_sched_enter_active(s, i);
    }
}

static void queue_gang(struct sy_sched *s, struct sy_gang *gang, uint32_t head, sy_time_ns now)
{
    bool is_queued = gang->state == SY_GANG_QUEUED && gang->head == head &&
                     sy_sched_entry(s, head)->state == SY_ENTRY_ACTIVE;

    gang->state = SY_GANG_QUEUED;
    gang->head = head;
    if (is_queued)
        return;
    if (gang->retry_ns > now)
        sy_sched_enter_backoff_until(s, head, gang->retry_ns);
    else
        sy_sched_enter_active(s, head);
}

/* Puts a gang where it belongs after something about its members changed. */
static void settle_gang(struct sy_sched *s, uint32_t g, sy_time_ns now)
{
    struct sy_gang *gang = &s->gangs.all.p[g];
    struct sy_gang_count n;
    bool is_eager = gang->is_eager;

    gang->is_eager = false;
    sy_gang_count(&s->gangs, gang, &s->cluster, &s->entries, &n);
    if (!n.assumed)
        gang->give_up_ns = INT64_MAX;
    uint32_t need = gang->min_members > n.placed ? gang->min_members - n.placed : 0;
    sy_sched_tell_group(s, gang, &n);
    /* Nobody is bound before all are there: where somebody is, those that are missing have come and
     * gone, and the others need not wait for them. Nor for a PodGroup that has gone. */
    bool is_held = gang->is_malformed || (gang->lacks_object && !n.placed);
    if (!is_held && (!need || gang->is_single || (n.placed && n.waiting < need))) {
        open_gang(s, gang);
        return;
    }
    if (is_held || n.waiting < need) {
        uint32_t missing = is_held ? 0 : need - n.waiting;
        gather(s, gang, SY_NO_ENTRY);
        gang->head = SY_NO_ENTRY;
        if (gang->state != SY_GANG_GATHERING || gang->missing != missing ||
            gang->until_ns == INT64_MAX)
            gang->until_ns = now + GATHER_SAY_NS;
        gang->state = SY_GANG_GATHERING;
        gang->missing = missing;
        gang_deadline(s, gang->until_ns);
        return;
    }
    bool stays = gang->state == SY_GANG_WAITING && !is_eager;
    gather(s, gang, stays ? SY_NO_ENTRY : n.head);
    if (!stays)
        queue_gang(s, gang, n.head, now);
}

void sy_sched_settle_gangs(struct sy_sched *s, sy_time_ns now)
{
    for (uint32_t g; (g = sy_gangs_next_dirty(&s->gangs)) != SY_NONE;)
        settle_gang(s, g, now);
}

struct planner {
    struct sy_sched *s;
    const struct sy_gang *gang;
};

static void begin_try(void *arg)
{
    struct planner *by = arg;

    sy_sched_unuse_first_claims(by->s, by->gang);
}

static uint32_t wish_for_member(void *arg, const struct sy_gang_candidate *k,
                                struct sy_shape *shape)
{
    struct planner *by = arg;

    return sy_sched_use_first_claim(by->s, k->pod, shape);
}

static void release_member(void *arg, const struct sy_gang_candidate *k)
{
    struct sy_sched *s = ((struct planner *)arg)->s;
    struct sy_entry *e = sy_sched_entry(s, k->entry);

    sy_sched_drop_claims(s, e);
    sy_volume_work_free(&s->cluster, e->volumes);
    e->volumes = NULL;
}

static bool hold_member(void *arg, const struct sy_gang_candidate *k, uint32_t node)
{
    struct sy_sched *s = ((struct planner *)arg)->s;
    const struct sy_pod_spec *spec = &s->cluster.pods.p[k->pod].spec->spec;
    char *error = NULL;

    if (!spec->claims_len && !spec->volumes_len && !spec->device_resources_len)
        return true;
    /* What is held is looked up by the pod's own shape: a look brings that up to date, where
     * another one that is kept to a domain was asked so far. */
    (void)sy_shape_fits(&s->shapes, k->shape, node, NULL);
    if (sy_sched_hold(s, k->entry, node, &error))
        return true;
    free(error);
    release_member(arg, k);
    return false;
}

static void collect_candidates(struct sy_sched *s, const struct sy_gang *gang,
                               struct sy_gang_plan *plan)
{
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t pod = gang->members.p[m].pod, i = s->cluster.pods.p[pod].user;
        if (i == SY_NONE || sy_sched_entry(s, i)->state != SY_ENTRY_GANG ||
            (s->cluster.pods.p[pod].flags & SY_POD_TERMINATING))
            continue;
        if (sy_shape_is_stale(&s->shapes, sy_sched_shape_of(s, sy_sched_entry(s, i))))
            sy_sched_renew_shape(s, sy_sched_entry(s, i));
        struct sy_gang_candidate k = {
            .pod = pod,
            .entry = i,
            .priority = sy_sched_entry(s, i)->priority,
            .order = sy_sched_entry(s, i)->order,
            .shape = sy_sched_shape_of(s, sy_sched_entry(s, i)),
        };
        sy_vec_push(&plan->candidates, k);
    }
}

static int64_t timeout_of(const struct sy_sched *s, const struct sy_gang *gang)
{
    if (gang->timeout_ns)
        return gang->timeout_ns;
    return s->options.gangs.timeout_ns ? s->options.gangs.timeout_ns : TIMEOUT_NS;
}

/* The gang has failed once more. */
static void back_off(const struct sy_sched *s, struct sy_gang *gang, sy_time_ns now)
{
    const struct sy_gang_options *o = &s->options.gangs;

    gang->attempts++;
    gang->retry_ns =
        now + sy_sched_doubled_ns(o->backoff_initial_ns ? o->backoff_initial_ns
                                                        : s->options.backoff_initial_ns,
                                  o->backoff_max_ns ? o->backoff_max_ns : s->options.backoff_max_ns,
                                  gang->attempts);
}

/* All are assumed: the binds go out. */
static void bind_gang(struct sy_sched *s, struct sy_gang *gang, const struct sy_gang_plan *plan,
                      sy_time_ns now)
{
    sy_time_ns waited_since = now;

    s->stats.gangs_placed++;
    gang->attempts = 0;
    gang->retry_ns = 0;
    gang->give_up_ns = now + timeout_of(s, gang);
    gang_deadline(s, gang->give_up_ns);
    for (size_t c = 0; c < plan->candidates.len; c++) {
        const struct sy_gang_candidate *k = &plan->candidates.p[c];
        if (k->node == SY_NONE)
            continue;
        struct sy_entry *e = sy_sched_entry(s, k->entry);
        sy_sched_leave(s, k->entry);
        e->attempts++;
        e->attempt_ns = now;
        waited_since = sy_time_earlier(waited_since, e->queued_ns);
        struct sy_record *record = sy_records_new(&s->records, &s->cluster, k->pod);
        if (record) {
            record->attempts = e->attempts;
            sy_record_placed_in_gang(record, &s->cluster, k->node, now);
        }
        sy_sched_proceed(s, k->entry, k->node, now);
    }
    sy_histogram_add(&s->stats.gang_wait_s, (double)(now - waited_since) / 1e9);
}

/* "gang X: 5 of 8 members fit; member P: 0/500 nodes are available: ...", owned by the caller. */
static char *gang_message(struct sy_sched *s, const struct sy_gang *gang,
                          const struct sy_gang_plan *plan, uint32_t placed_before)
{
    char name[512], where[300] = "";

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    if (plan->domain)
        snprintf(where, sizeof(where), " in %.120s=%.120s",
                 sy_strings_getz(s->strings, gang->topology_key),
                 sy_strings_getz(s->strings, plan->domain));
    return sy_xasprintf("gang %s: %u of %u members fit%s; member %s: %s", name,
                        placed_before + plan->placed, gang->min_members, where,
                        s->cluster.pods.p[plan->candidates.p[plan->blocker].pod].name,
                        plan->message);
}

/* The blocking member says what happened; others that did not fit either are unschedulable as well,
 * as many as are lacking; the rest wait. */
static void say_no_room(struct sy_sched *s, const struct sy_gang *gang,
                        const struct sy_gang_plan *plan, const char *text, sy_time_ns now)
{
    const char *reason = plan->is_error ? "SchedulerError" : "Unschedulable";
    uint32_t lacking = plan->needed - plan->placed - 1;
    char name[512];

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    char *others = sy_xasprintf("waiting for room for all members of gang %s", name);
    sy_sched_say(s, sy_sched_entry(s, plan->candidates.p[plan->blocker].entry), reason, text, NULL);
    for (uint32_t c = 0; c < plan->candidates.len; c++) {
        struct sy_entry *e = sy_sched_entry(s, plan->candidates.p[c].entry);
        if (c == plan->blocker)
            continue;
        sy_sched_record_refusal(s, e, SY_RECORD_REFUSED,
                                plan->candidates.p[c].failed ? text : others, now);
        if (plan->candidates.p[c].failed && lacking) {
            lacking--;
            say_in_gang(s, e, reason, text);
        } else {
            say_in_gang(s, e, WAITING_FOR_GANG, others);
        }
    }
    free(others);
}

static void fail_gang(struct sy_sched *s, struct sy_gang *gang, const struct sy_gang_plan *plan,
                      uint32_t placed_before, sy_time_ns now)
{
    struct sy_entry *first = sy_sched_entry(s, plan->candidates.p[plan->blocker].entry);
    char *text = gang_message(s, gang, plan, placed_before);

    if (!plan->is_error && !sy_gang_is_room_being_made(gang, &s->cluster)) {
        char *more SY_CLEANUP(sy_freep) = sy_sched_preempt_for_gang(s, gang, plan);
        char *joined = more ? sy_xasprintf("%s %s", text, more) : NULL;
        if (joined) {
            free(text);
            text = joined;
        }
    }

    say_no_room(s, gang, plan, text, now);
    sy_sched_tell_group_failed(s, gang, plan->is_error ? "SchedulerError" : "Unschedulable", text);
    sy_sched_record_refusal(s, first, plan->is_error ? SY_RECORD_FAILED : SY_RECORD_REFUSED, text,
                            now);
    free(text);
    if (plan->is_error) {
        s->stats.gangs_error++;
        s->stats.attempts_error++;
        sy_sched_stats_of(s, first)->attempts_error++;
    } else {
        s->stats.gangs_refused++;
        s->stats.attempts_unschedulable++;
        sy_sched_stats_of(s, first)->attempts_unschedulable++;
    }
    back_off(s, gang, now);
    if (gang->victims.len) { /* it is tried as soon as they have gone */
        gang->attempts = 0;
        gang->retry_ns = now;
    }
    gang->state = SY_GANG_WAITING;
    gang->priority = plan->candidates.p[0].priority; /* sorted */
    gang->order = plan->candidates.p[0].order;
    gang->head = SY_NO_ENTRY;
    gang->relief_seen = s->cluster.relief.len;
    gang->until_ns = now + s->options.sweep_ns;
    gang_deadline(s, gang->until_ns);
}

struct nominations {
    SY_VEC(struct sy_nominee) all; /* with entries in place of pods */
};

/* Members do not keep each other off the room that was made for all of them. */
static void lift_nominations(struct sy_sched *s, const struct sy_gang_plan *plan,
                             struct nominations *ret)
{
    for (size_t c = 0; c < plan->candidates.len; c++) {
        struct sy_entry *e = sy_sched_entry(s, plan->candidates.p[c].entry);
        if (e->nominated == SY_NO_ENTRY)
            continue;
        sy_vec_push(&ret->all, (struct sy_nominee){plan->candidates.p[c].entry, e->nominated});
        sy_sched_end_nomination(s, e);
    }
}

static void restore_nominations(struct sy_sched *s, const struct nominations *from)
{
    for (size_t i = 0; i < from->all.len; i++)
        sy_sched_nominate(s, sy_sched_entry(s, from->all.p[i].pod), from->all.p[i].node);
}

void sy_sched_attempt_gang(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    uint32_t g = sy_gangs_of(&s->gangs, sy_sched_entry(s, i)->pod);
    struct sy_gang *gang = &s->gangs.all.p[g];
    sy_time_ns started = sy_sched_measure(s);
    struct sy_gang_count n;
    struct planner by = {s, gang};
    struct nominations nominated = {0};
    struct sy_gang_plan plan = {
        .exact = s->options.exact,
        .hold = hold_member,
        .release = release_member,
        .begin = begin_try,
        .wish = wish_for_member,
        .arg = &by,
    };

    sy_sched_enter_gang(s, i);
    sy_gang_count(&s->gangs, gang, &s->cluster, &s->entries, &n);
    collect_candidates(s, gang, &plan);
    plan.needed = gang->min_members > n.placed ? gang->min_members - n.placed : 0;
    plan.topology_key = gang->topology_key;
    plan.topology_is_required = gang->topology_is_required;
    if (!plan.needed || plan.needed > plan.candidates.len) {
        sy_gangs_touch(&s->gangs, g, true); /* settling finds its place */
        sy_gang_plan_done(&plan);
        return;
    }
    if (sy_sched_is_gang_held(s, gang, &plan, now)) {
        sy_gang_plan_done(&plan);
        return;
    }
    lift_nominations(s, &plan, &nominated);
    sy_sched_lift_first_claims(s, gang);
    sy_gang_plan(&s->shapes, &plan);
    s->stats.exact_differences += plan.differences;
    sy_histogram_add(&s->stats.algorithm_s, (double)(sy_sched_measure(s) - started) / 1e9);
    if (plan.fits) {
        gang->victims.len = 0;
        bind_gang(s, gang, &plan, now);
    } else {
        sy_sched_unuse_first_claims(s, gang);
        if (sy_gang_is_room_being_made(gang, &s->cluster))
            restore_nominations(s, &nominated);
        fail_gang(s, gang, &plan, n.placed, now);
    }
    sy_sched_restore_first_claims(s, gang);
    sy_vec_done(&nominated.all);
    sy_gangs_touch(&s->gangs, g, false);
    sy_gang_plan_done(&plan);
}

static void say_rolled_back(struct sy_sched *s, const struct sy_gang *gang, uint32_t taken_back,
                            uint32_t bound)
{
    char name[512];

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    char *text = sy_xasprintf("gang %s: %u members were not bound in time and gave their places "
                              "back; %u are bound and stay",
                              name, taken_back, bound);
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t i = s->cluster.pods.p[gang->members.p[m].pod].user;
        if (i != SY_NONE && sy_sched_entry(s, i)->state == SY_ENTRY_GANG)
            sy_sched_say(s, sy_sched_entry(s, i), "SchedulerError", text, NULL);
    }
    free(text);
}

/* Members that could not be bound in time give their places back; those that are bound stay, and
 * so does what may be bound yet. */
static void roll_back_gang(struct sy_sched *s, uint32_t g, sy_time_ns now)
{
    struct sy_gang *gang = &s->gangs.all.p[g];
    uint32_t bound = 0, taken_back = 0;

    gang->give_up_ns = INT64_MAX;
    for (size_t m = 0; m < gang->members.len; m++) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[gang->members.p[m].pod];
        bound += p->node != SY_NONE && !(p->flags & SY_POD_ASSUMED);
        if (p->user == SY_NONE || !(p->flags & SY_POD_ASSUMED) ||
            !is_in_heap(sy_sched_entry(s, p->user)))
            continue;
        sy_cluster_forget(&s->cluster, gang->members.p[m].pod);
        sy_sched_enter_gang(s, p->user);
        taken_back++;
    }
    if (!taken_back)
        return;
    back_off(s, gang, now);
    sy_gangs_touch(&s->gangs, g, true);
    say_rolled_back(s, gang, taken_back, bound);
}

bool sy_sched_goes_with_gang(const struct sy_sched *s, const struct sy_entry *e)
{
    uint32_t g = sy_gangs_of(&s->gangs, e->pod);

    return g != SY_NONE && s->gangs.all.p[g].state != SY_GANG_OPEN &&
           !(s->cluster.pods.p[e->pod].flags & SY_POD_ASSUMED);
}

static bool has_new_room(const struct sy_sched *s, struct sy_gang *gang)
{
    return gang->state == SY_GANG_WAITING && gang->relief_seen != s->cluster.relief.len &&
           !sy_gang_is_room_being_made(gang, &s->cluster);
}

/* Of those that room may have come for, the first by priority and age is not to sit out its
 * backoff: else the room would stand empty while all of them do. */
static void hurry_first(struct sy_sched *s, sy_time_ns now)
{
    struct sy_gang *first = NULL;

    for (uint32_t g = 0; g < s->gangs.all.len; g++) {
        struct sy_gang *gang = &s->gangs.all.p[g];
        bool backs_off = gang->state == SY_GANG_QUEUED && gang->head != SY_NO_ENTRY &&
                         sy_sched_entry(s, gang->head)->state == SY_ENTRY_BACKOFF;
        if ((backs_off || has_new_room(s, gang)) &&
            (!first || gang->priority > first->priority ||
             (gang->priority == first->priority && gang->order < first->order)))
            first = gang;
    }
    if (!first || first->retry_ns <= now + HURRY_NS)
        return;
    first->retry_ns = now + HURRY_NS;
    if (first->state == SY_GANG_QUEUED)
        sy_sched_enter_backoff_until(s, first->head, first->retry_ns);
}

void sy_sched_wake_gangs(struct sy_sched *s, sy_time_ns now)
{
    if (!s->gangs.used || (now < s->gangs.next_ns && s->gangs_relief == s->cluster.relief.len))
        return;
    s->gangs_relief = s->cluster.relief.len;
    s->gangs.next_ns = INT64_MAX;
    hurry_first(s, now);
    for (uint32_t g = 0; g < s->gangs.all.len; g++) {
        struct sy_gang *gang = &s->gangs.all.p[g];
        if (!gang->state)
            continue;
        if (gang->give_up_ns <= now)
            roll_back_gang(s, g, now);
        if (gang->state == SY_GANG_WAITING && (gang->until_ns <= now || has_new_room(s, gang))) {
            sy_gangs_touch(&s->gangs, g, true);
        } else if (gang->state == SY_GANG_GATHERING && gang->until_ns <= now) {
            say_gathering(s, gang);
            gang->until_ns = now + s->options.sweep_ns;
        }
        if (gang->state == SY_GANG_GATHERING || gang->state == SY_GANG_WAITING)
            gang_deadline(s, gang->until_ns);
        gang_deadline(s, gang->give_up_ns);
    }
}

uint32_t sy_sched_gangs_waiting(const struct sy_sched *s)
{
    uint32_t n = 0;

    for (size_t g = 0; g < s->gangs.all.len; g++)
        n += s->gangs.all.p[g].state && s->gangs.all.p[g].state != SY_GANG_OPEN;
    return n;
}
