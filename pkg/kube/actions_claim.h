/* SPDX-License-Identifier: Apache-2.0
 *
 * What is written into resource claims: strategic merge patches, which change one entry of a list
 * without naming the others. Claims for extended resources are made and deleted, too, and their
 * pods told. Each is followed until it is certain whether it has landed: a device
 * of an allocation that might yet come may not be given to another. Owned by the actions. Loop
 * thread only. */
#pragma once

#include "base/rng.h"
#include "kube/actions.h"

struct sy_claim_writes;

/* k is borrowed. Never fails. Free with sy_claim_writes_free(). */
struct sy_claim_writes *sy_claim_writes_new(struct sy_kube *k, struct sy_actions_stats *stats,
                                            sy_claim_fn *on_done, void *arg);
/* To be called before the client's end. What is under way is abandoned without on_done. */
void sy_claim_writes_free(struct sy_claim_writes *v); /* NULL allowed */
void sy_claim_writes_add(struct sy_claim_writes *v, uint64_t ticket,
                         const struct sy_claim_write *write, const struct sy_strings *strings);
/* While paused what is added is refused with -ECANCELED; what may have landed waits until writing
 * goes on. */
void sy_claim_writes_pause(struct sy_claim_writes *v, bool is_paused);
/* Writes that wait or are under way. */
uint32_t sy_claim_writes_len(const struct sy_claim_writes *v);

/* The patch, or the claim to be created. rng: for the ids of shares; now_wall_ns: when the
 * allocation is made. */
void sy_body_claim(struct sy_buf *out, const struct sy_claim_write *w,
                   const struct sy_strings *strings, struct sy_rng *rng, int64_t now_wall_ns);
