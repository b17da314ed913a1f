/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/recovery.h"

#include "base/duration.h"

const char *const sy_recovery_annotations[] = {SY_RECOVERY_KEY, SY_RECOVERY_GRACE_KEY,
                                               SY_RECOVERY_FORCE_KEY, NULL};

void sy_recovery_init(struct sy_recovery *r, struct sy_strings *strings)
{
    *r = (struct sy_recovery){
        .key = sy_strings_addz(strings, SY_RECOVERY_KEY),
        .grace_key = sy_strings_addz(strings, SY_RECOVERY_GRACE_KEY),
        .force_key = sy_strings_addz(strings, SY_RECOVERY_FORCE_KEY),
        .evict = sy_strings_addz(strings, "evict"),
        .gang = sy_strings_addz(strings, "gang"),
        .off = sy_strings_addz(strings, "off"),
        .yes = sy_strings_addz(strings, "true"),
        .daemon_set = sy_strings_addz(strings, "DaemonSet"),
        .node_kind = sy_strings_addz(strings, "Node"),
        .next_ns = INT64_MAX,
    };
    sy_histogram_init(&r->stats.hold_s, 0.001, 2, 20);
    sy_histogram_init(&r->stats.bound_s, 0.01, 2, 20);
}

void sy_recovery_done(struct sy_recovery *r)
{
    sy_vec_done(&r->of_pod);
    sy_vec_done(&r->holds);
    sy_vec_done(&r->restarts);
}

void sy_recovery_mark(const struct sy_recovery *r, struct sy_strings *strings)
{
    const sy_sid own[] = {r->key, r->grace_key, r->force_key,  r->evict,    r->gang,
                          r->off, r->yes,       r->daemon_set, r->node_kind};

    for (size_t i = 0; i < SY_ARRAY_LEN(own); i++)
        sy_strings_mark(strings, own[i]);
}

static sy_sid said(const struct sy_pod *pod, sy_sid key)
{
    sy_sid value = sy_labels_get(pod->labels, key);

    return value ? value : sy_labels_get(pod->annotations, key);
}

void sy_recovery_pod(struct sy_recovery *r, const struct sy_strings *strings,
                     const struct sy_cluster *c, uint32_t slot, const struct sy_pod *pod)
{
    static const uint8_t KEPT = SY_RECOVERY_FORCED | SY_RECOVERY_STARTED_GANG | SY_RECOVERY_TOLD;

    while (r->of_pod.len <= slot)
        sy_vec_push(&r->of_pod, (struct sy_recovery_terms){0});
    struct sy_recovery_terms *t = &r->of_pod.p[slot];
    if (t->uid_hash != c->pods.p[slot].uid_hash)
        *t = (struct sy_recovery_terms){.uid_hash = c->pods.p[slot].uid_hash};
    t->flags &= KEPT;
    t->grace_ns = -1;
    /* A DaemonSet's pod would come back to the same node, a static one is the kubelet's own. */
    if (pod->owner_uid.len && pod->owner_kind != r->daemon_set && pod->owner_kind != r->node_kind)
        t->flags |= SY_RECOVERY_OWNED;
    sy_sid value = said(pod, r->key);
    if (value == r->evict)
        t->flags |= SY_RECOVERY_ASKS;
    else if (value == r->gang)
        t->flags |= SY_RECOVERY_ASKS | SY_RECOVERY_GANG;
    else if (value == r->off)
        t->flags |= SY_RECOVERY_OFF;
    if (said(pod, r->force_key) == r->yes)
        t->flags |= SY_RECOVERY_MAY_FORCE;
    sy_sid grace = said(pod, r->grace_key);
    if (grace && sy_duration_parse(sy_strings_get(strings, grace), &t->grace_ns) < 0)
        t->grace_ns = -1;
}

struct sy_recovery_terms *sy_recovery_of(struct sy_recovery *r, const struct sy_cluster *c,
                                         uint32_t slot)
{
    return slot < r->of_pod.len && r->of_pod.p[slot].uid_hash == c->pods.p[slot].uid_hash
               ? &r->of_pod.p[slot]
               : NULL;
}

bool sy_recovery_take_token(struct sy_recovery *r, double rate_per_s, double burst, sy_time_ns now,
                            sy_time_ns *ret_ns)
{
    if (!r->tokens_ns)
        r->tokens = burst;
    else
        r->tokens += (double)(now - r->tokens_ns) / 1e9 * rate_per_s;
    r->tokens_ns = now;
    if (r->tokens > burst)
        r->tokens = burst;
    if (r->tokens >= 1) {
        r->tokens -= 1;
        return true;
    }
    *ret_ns = now + (int64_t)((1 - r->tokens) / rate_per_s * 1e9) + 1;
    return false;
}
