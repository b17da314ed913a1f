/* SPDX-License-Identifier: Apache-2.0
 *
 * Leader election on a Lease, as a state machine without sockets and clocks: it is told what was
 * seen and what became of requests, and says what is to be sent next and whether we may write.
 * Semantics of client-go tools/leaderelection (v0.37.2): a lease is observed on our own clock,
 * never by the times that are written in it; optimistic renewal, then GET and PUT; the end when
 * renewDeadline has passed. Beyond it:
 *
 * - the deadline counts from the moment at which the last renewal that was accepted was sent, and
 *   writes are fenced well before it (sy_elector_may_write);
 * - a lease that another holds, or that nobody does, ends it at once and not at the deadline;
 * - while a watch tells of the lease, a standby does not ask, and moves at the very moment at which
 *   the lease runs out or is given back;
 * - a lease that was deleted is not free before its holder's time is over;
 * - a new leader knows when its predecessor's last write has landed (sy_elector_clear_at).
 *
 * One request is under way at a time. Times are of the boot-time clock. One thread. */
#pragma once

#include "base/rng.h"
#include "kube/lease.h"

enum sy_elector_state {
    SY_ELECTOR_STANDBY,
    SY_ELECTOR_LEADING,
    SY_ELECTOR_LOST,     /* held and no more, or the clock cannot be trusted: for good */
    SY_ELECTOR_RELEASED, /* given back, or not ours any more when it was to be: for good */
};

/* What is to be sent. */
enum sy_elector_step { SY_ELECTOR_WAIT, SY_ELECTOR_READ, SY_ELECTOR_CREATE, SY_ELECTOR_UPDATE };

/* The term stands before it. */
enum { SY_ELECTOR_NOTE_MAX = SY_LEASE_NOTE_MAX - 32 };

struct sy_elector_options {
    const char *identity; /* of this process alone; borrowed; at most SY_LEASE_HOLDER_MAX bytes */
    int64_t lease_ns, renew_ns, retry_ns;
    int64_t write_ns; /* longest that the server works on one write of ours */
    uint64_t rng_seed;
};

struct sy_elector {
    struct sy_elector_options options;
    struct sy_rng rng;
    enum sy_elector_state state;
    enum sy_elector_step under_way;
    bool is_watched;
    bool is_known;  /* seen, or known to be absent */
    bool is_absent; /* seen is what was there before */
    bool has_seen;
    bool is_read_due;    /* what was seen may be old */
    bool is_releasing;   /* or wants to */
    bool is_release_out; /* the request under way */
    struct sy_lease seen;
    sy_time_ns taken_until; /* another's claim holds until then */
    sy_time_ns clear_at;    /* its last write has landed */
    sy_time_ns next_at;
    sy_time_ns sent_at;    /* the request under way */
    sy_time_ns renewed_at; /* LEADING: when the last accepted renewal was sent */
    sy_time_ns latest;     /* time never goes back */
    char release_note[SY_ELECTOR_NOTE_MAX + 1];
    char handover[SY_LEASE_NOTE_MAX + 1];
    uint64_t slow_paths;
};

/* How long one write may take so that one missed renewal need not stop writing: `most` if
 * renewDeadline and retryPeriod leave room for it. */
int64_t sy_elector_write_ns(int64_t renew_ns, int64_t retry_ns, int64_t most_ns);

void sy_elector_init(struct sy_elector *e, const struct sy_elector_options *options);

/* What to do at `now`. WAIT: nothing before *ret_at (INT64_MAX: until something is told). Else one
 * request is to be sent now: CREATE and UPDATE carry *ret_lease, UPDATE over the object of version
 * ret_lease->version. Its end is told by one of the four below. wall_ns: for the times that people
 * see. */
enum sy_elector_step sy_elector_next(struct sy_elector *e, sy_time_ns now, int64_t wall_ns,
                                     struct sy_lease *ret_lease, sy_time_ns *ret_at);

/* Ends of a request. found: NULL for 404. Those with a lease return whether it is what the elector
 * goes by from now on, so that the caller keeps the object for the next UPDATE. */
bool sy_elector_read(struct sy_elector *e, const struct sy_lease *found, sy_time_ns now);
void sy_elector_read_failed(struct sy_elector *e, sy_time_ns now);
bool sy_elector_wrote(struct sy_elector *e, const struct sy_lease *answer, sy_time_ns now);
/* Whatever the reason; it may have landed. */
void sy_elector_write_failed(struct sy_elector *e, sy_time_ns now);

/* What a watch tells, at any time and perhaps late. NULL: it is not there. Returns as above. */
bool sy_elector_saw(struct sy_elector *e, const struct sy_lease *lease, sy_time_ns now);
/* Whether a watch tells of the lease as it changes; until then a standby asks. */
void sy_elector_set_watched(struct sy_elector *e, bool is_watched);

/* Gives the lease back, if it is held, with a note for the successor; one longer than
 * SY_ELECTOR_NOTE_MAX is left out. Only when no write of ours is
 * on its way: from now on sy_elector_may_write() is false. Goes on with sy_elector_next(). */
void sy_elector_release(struct sy_elector *e, const char *note, sy_time_ns now);

/* Whether a write that is begun now is over before anyone else can hold the lease. A time that goes
 * back, as after a restored snapshot, ends leadership. */
bool sy_elector_may_write(struct sy_elector *e, sy_time_ns now);
/* When that turns false unless a renewal comes; only while LEADING. */
sy_time_ns sy_elector_writes_until(const struct sy_elector *e);
/* From then on no write of the holder before us, or of the one that was seen last, can land any
 * more. Its own note says how
 * long they take; for a holder without one it is write_ns after the end of its lease. */
sy_time_ns sy_elector_clear_at(const struct sy_elector *e);
/* On standby: until when another's claim holds unless it is seen renewed; 0: nobody's. */
sy_time_ns sy_elector_taken_until(const struct sy_elector *e);
/* Number of this term, leaseTransitions: grows with each change of holder while the lease lives. */
int64_t sy_elector_term(const struct sy_elector *e);

/* LEADING: what the holder before us said when it gave the lease back; "" when it did not.
 * Borrowed.
 */
const char *sy_elector_handover(const struct sy_elector *e);

/* The words behind "term=N " in a note whose term is the lease's; NULL: none. */
const char *sy_elector_note(const struct sy_lease *lease);
