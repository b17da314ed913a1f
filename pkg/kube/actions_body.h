/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of what actions writes: pure text and bytes, no sending. All append to a buffer whose
 * failure the caller looks at once. Protobuf where the server decodes it (it costs the API server
 * less than JSON); patches are always JSON. Field numbers: k8s.io/api core/v1 and events/v1
 * generated.proto. */
#pragma once

#include "base/buf.h"
#include "kube/decode.h"

#include <stdbool.h>
#include <stdint.h>

enum { SY_NOTE_MAX = 1024 };

/* In kube/actions.h. */
struct sy_volume_write;
struct sy_group_write;

/* v1 Binding. The UID makes it fail on another pod of that name. annotations: pairs or NULL. */
void sy_body_bind(struct sy_buf *out, enum sy_encoding enc, const char *ns, const char *name,
                  const char *uid, const char *node, const char *const *annotations);

struct sy_body_event {
    const char *component;
    const char *instance;
    const char *type;
    const char *reason;
    const char *action;
    const char *ns; /* of the pod, as the next two */
    const char *name;
    const char *uid;
    const char *note;
    int64_t first_wall_ns; /* eventTime; also makes the event's name unique */
    int64_t last_wall_ns;
    uint32_t count; /* above 1: a series */
};
/* events.k8s.io/v1 Event about a pod. */
void sy_body_event(struct sy_buf *out, enum sy_encoding enc, const struct sy_body_event *e);
/* "<pod>.<hex nanoseconds>", the pod's name cut so that the whole is a legal name. */
void sy_body_event_name(struct sy_buf *out, const struct sy_body_event *e);
/* Strategic merge patch that sets the series. */
void sy_body_series(struct sy_buf *out, const struct sy_body_event *e);

/* Strategic merge patch of pods/status: PodScheduled=False. nominated_node: NULL leaves it, ""
 * clears it. transition_wall_ns: since when it is False. generation: of the pod, as observed; 0
 * leaves it out. */
void sy_body_condition(struct sy_buf *out, const char *uid, const char *reason, const char *message,
                       const char *nominated_node, int64_t transition_wall_ns, int64_t generation);

/* Strategic merge patch of pods/status: DisruptionTarget=True, for preemption or, with phase
 * Failed, because the node has failed. now_wall_ns: when it became so. generation: as above. */
void sy_body_disruption(struct sy_buf *out, const char *uid, const char *message, bool has_failed,
                        int64_t now_wall_ns, int64_t generation);
/* Patch of a PodGroup's status: the condition (to be merged strategically) or the phase.
 * now_wall_ns: when it became so. */
void sy_body_group(struct sy_buf *out, const struct sy_group_write *w, int64_t now_wall_ns);
/* DeleteOptions that hold for the pod with that UID only, with the pod's own grace period or none.
 */
void sy_body_delete(struct sy_buf *out, const char *uid, bool at_once);
/* policy/v1 Eviction that holds for the pod with that UID only. */
void sy_body_eviction(struct sy_buf *out, const char *ns, const char *name, const char *uid);

/* Merge patch of a persistent volume: kept for the claim. */
void sy_body_claim_ref(struct sy_buf *out, const struct sy_volume_write *w);
/* Merge patch of a claim: its volume is made for the node. */
void sy_body_selected_node(struct sy_buf *out, const struct sy_volume_write *w);

/* Appends text as one path segment, percent-encoded. */
void sy_body_segment(struct sy_buf *out, const char *text);
/* A copy of text of at most `max` bytes, ending in " ..." when it was cut, never inside a UTF-8
 * character. Owned by the caller. max >= 8. */
char *sy_body_cut(const char *text, size_t max);
