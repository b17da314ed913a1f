/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes part in the election of a leader (kube/elector.h): sends its requests, watches the Lease so
 * that a standby moves at once, and writes the events that client-go writes. Who leads is all that
 * it knows; what a leader does and when it may begin is not decided here. Loop thread only. */
#pragma once

#include "kube/client.h"
#include "kube/elector.h"

struct sy_election;

struct sy_election_options { /* strings are copied */
    const char *ns;          /* of the Lease */
    const char *name;
    const char *identity;                           /* of this process alone */
    const char *component;                          /* source of events */
    int64_t lease_ns, renew_ns, retry_ns, write_ns; /* as in kube/elector.h */
    /* The state, the holder or what may be written has changed. */
    void (*on_change)(void *arg);
    void *arg;
};

/* out: *ret, to be freed before the client. -EINVAL for names that cannot be. */
int sy_election_new(struct sy_kube *k, const struct sy_election_options *options,
                    struct sy_election **ret, struct sy_err *err) SY_NODISCARD;
/* Gives nothing back: see sy_election_release(). NULL allowed. */
void sy_election_free(struct sy_election *el);
void sy_election_start(struct sy_election *el);

enum sy_elector_state sy_election_state(const struct sy_election *el);
/* The holder as last seen, perhaps "". Borrowed until the next turn. */
const char *sy_election_holder(const struct sy_election *el);
/* When writing ends unless a renewal comes; 0: we may not write. A sy_kube_fence_fn: looks at the
 * clock itself; arg is the election. */
sy_time_ns sy_election_fence(void *arg);
sy_time_ns sy_election_clear_at(const struct sy_election *el);
sy_time_ns sy_election_taken_until(const struct sy_election *el);
const char *sy_election_handover(const struct sy_election *el);
int64_t sy_election_term(const struct sy_election *el);
/* Whether we lead and renew, and the watch, which seems to live, has told of no renewal of ours for
 * five of them: then the path of watches may be dead while the server answers else. */
bool sy_election_is_deaf(const struct sy_election *el);
/* Opens the watch of the lease anew. */
void sy_election_watch_anew(struct sy_election *el);

/* Gives the lease back when nothing of ours is on its way any more; the state becomes RELEASED, or
 * LOST. note: as in sy_elector_release(). */
void sy_election_release(struct sy_election *el, const char *note);

struct sy_election_stats {
    uint64_t renewals, errors, slow_paths;
};
struct sy_election_stats sy_election_stats(const struct sy_election *el);
