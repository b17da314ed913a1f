/* SPDX-License-Identifier: Apache-2.0
 *
 * PodGroup objects: those that come in, and what their status is told. */
#include "sched/sched_int.h"

#include "sched/inputs.h"

#include <string.h>

/* -- in -- */

void sy_sched_pod_group(struct sy_sched *s, const struct sy_group_object *object)
{
    sy_gangs_object(&s->gangs, object);
}

void sy_sched_pod_group_deleted(struct sy_sched *s, uint8_t source, sy_sid ns, sy_sid name)
{
    sy_gangs_object_gone(&s->gangs, source, ns, name);
}

void sy_sched_pod_groups_replace_begin(struct sy_sched *s, uint8_t source)
{
    sy_gangs_objects_replace_begin(&s->gangs, source);
}

void sy_sched_pod_groups_replace_end(struct sy_sched *s, uint8_t source)
{
    sy_gangs_objects_replace_end(&s->gangs, source);
    sy_gangs_objects_known(&s->gangs, source, true);
}

void sy_sched_pod_groups_absent(struct sy_sched *s, uint8_t source)
{
    sy_gangs_objects_replace_begin(&s->gangs, source);
    sy_gangs_objects_replace_end(&s->gangs, source);
    sy_gangs_objects_known(&s->gangs, source, false);
}

/* -- out -- */

/* Writes it unless the same was written last. */
static void tell(struct sy_sched *s, struct sy_gang_object *o, struct sy_decision *d)
{
    uint64_t hash = sy_sched_hash_said(d->reason ? d->reason : "", sy_str_from(d->message));

    hash = sy_hash_u64(hash ^ (d->group.phase ? d->group.phase[0] : 0) ^
                       (uint64_t)d->group.is_scheduled << 8 ^ (uint64_t)d->group.running << 16);
    if (o->told == hash)
        return;
    o->told = hash;
    d->kind = SY_DECIDE_GROUP;
    d->ns = sy_strings_getz(s->strings, o->said.ns);
    d->name = sy_strings_getz(s->strings, o->said.name);
    d->uid = o->uid;
    d->generation = o->said.generation;
    d->group.source = o->said.source;
    s->decide(s->decide_arg, d);
}

/* The custom resources have one word for it. What other controllers say of groups that have ended
 * is left alone. */
static const char *phase_of(const struct sy_gang *gang, const struct sy_gang_count *n,
                            uint8_t source)
{
    if (n->running >= gang->min_members)
        return "Running";
    if (n->placed >= gang->min_members)
        return source == SY_GROUP_VOLCANO ? "Inqueue" : "Scheduling";
    if (n->placed && !n->assumed)
        return "Unknown"; /* scheduled in part: some have gone since */
    return source == SY_GROUP_VOLCANO ? "Inqueue" : "Pending";
}

static bool is_over(const char *phase)
{
    return strcmp(phase, "Finished") == 0 || strcmp(phase, "Failed") == 0 ||
           strcmp(phase, "Completed") == 0;
}

/* Whether any of its members is scheduled by us: else it is none of our business. */
static bool is_ours(const struct sy_sched *s, const struct sy_gang *gang)
{
    for (size_t m = 0; m < gang->members.len; m++) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[gang->members.p[m].pod];
        if (sy_sched_profile_of(s, p->spec->spec.scheduler_name))
            return true;
    }
    return false;
}

void sy_sched_tell_group(struct sy_sched *s, const struct sy_gang *gang,
                         const struct sy_gang_count *n)
{
    struct sy_gang_object *o = gang->object == SY_NONE ? NULL : &s->gangs.objects.p[gang->object];
    struct sy_decision d = {.message = ""};

    if (!o || gang->source == SY_GROUP_KAI || !is_ours(s, gang))
        return;
    if (gang->source == SY_GROUP_NATIVE) {
        if (gang->is_single || n->placed - n->assumed < gang->min_members || o->said.was_scheduled)
            return;
        d.group.is_scheduled = true;
        d.reason = "Scheduled";
        d.message = "All required pods have been successfully scheduled";
        o->said.was_scheduled = true;
        tell(s, o, &d);
        return;
    }
    const char *old = o->said.phase ? sy_strings_getz(s->strings, o->said.phase) : "";
    d.group.phase = phase_of(gang, n, gang->source);
    d.group.running = d.group.phase[0] == 'R' ? n->running : 0; /* not one write for each start */
    if (is_over(old) || (!o->told && strcmp(old, d.group.phase) == 0))
        return;
    tell(s, o, &d);
}

void sy_sched_tell_group_failed(struct sy_sched *s, const struct sy_gang *gang, const char *reason,
                                const char *message)
{
    struct sy_decision d = {.reason = reason, .message = message};

    if (gang->object == SY_NONE || gang->source != SY_GROUP_NATIVE)
        return;
    struct sy_gang_object *o = &s->gangs.objects.p[gang->object];
    if (!o->said.was_scheduled)
        tell(s, o, &d);
}
