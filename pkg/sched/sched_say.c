/* SPDX-License-Identifier: Apache-2.0
 *
 * Decisions that go out, and what is said and recorded of an attempt. */
#include "sched/sched_int.h"

#include <string.h>

uint64_t sy_sched_hash_said(const char *reason, struct sy_str message)
{
    static const uint64_t KEY[2] = {0x7374656c, 0x79617264}; /* no secret: guards nothing */
    uint64_t r[2], m[2];

    sy_siphash128(reason, strlen(reason), KEY, r);
    sy_siphash128(message.p, message.len, KEY, m);
    return sy_hash_u64(r[0] ^ sy_hash_u64(m[0]));
}

void sy_sched_decide_about(struct sy_sched *s, const struct sy_entry *e, struct sy_decision *d)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];

    d->ns = sy_strings_getz(s->strings, p->ns);
    d->name = p->name;
    d->uid = p->uid;
    d->generation = p->generation;
    if (!d->reporter)
        d->reporter = sy_strings_getz(s->strings, p->spec->spec.scheduler_name);
    s->decide(s->decide_arg, d);
}

void sy_sched_emit_event(struct sy_sched *s, const struct sy_entry *e, const char *reporter,
                         const char *type, const char *reason, const char *action,
                         const char *message)
{
    static const char CUT[] = " ...";
    char note[SY_SCHED_NOTE_MAX_BYTES + 1];
    size_t len = strlen(message);

    if (len > SY_SCHED_NOTE_MAX_BYTES) {
        memcpy(note, message, SY_SCHED_NOTE_MAX_BYTES);
        memcpy(note + SY_SCHED_NOTE_MAX_BYTES - (sizeof(CUT) - 1), CUT, sizeof(CUT));
        message = note;
    }
    sy_sched_decide_about(s, e,
                          &(struct sy_decision){.kind = SY_DECIDE_EVENT,
                                                .reporter = reporter,
                                                .type = type,
                                                .reason = reason,
                                                .action = action,
                                                .message = message});
}

void sy_sched_say(struct sy_sched *s, struct sy_entry *e, const char *reason, const char *message,
                  const char *nominated_node)
{
    uint64_t hash = sy_sched_hash_said(reason, sy_str_from(message));

    if (e->said_hash == hash && !nominated_node)
        return;
    e->said_hash = hash;
    sy_sched_emit_event(s, e, NULL, "Warning", "FailedScheduling", "Scheduling", message);
    sy_sched_decide_about(s, e,
                          &(struct sy_decision){.kind = SY_DECIDE_CONDITION,
                                                .reason = reason,
                                                .message = message,
                                                .nominated_node = nominated_node});
}

void sy_sched_record_refusal(struct sy_sched *s, const struct sy_entry *e, enum sy_record_kind kind,
                             const char *why, sy_time_ns now)
{
    struct sy_record *record = sy_records_new(&s->records, &s->cluster, e->pod);

    if (!record)
        return;
    struct sy_str text = sy_str_from(why);
    text.len = text.len < SY_RECORD_TEXT_MAX ? text.len : SY_RECORD_TEXT_MAX;
    record->kind = kind;
    record->at_ns = now;
    record->attempts = e->attempts;
    record->text = sy_strings_add(s->strings, text);
}

void sy_sched_record_choice(struct sy_sched *s, const struct sy_entry *e, uint32_t node,
                            sy_time_ns now)
{
    struct sy_record *record = sy_records_new(&s->records, &s->cluster, e->pod);

    if (!record)
        return;
    record->attempts = e->attempts;
    sy_record_placed(record, &s->shapes, sy_sched_shape_of(s, e), node, now);
}
