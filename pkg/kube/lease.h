/* SPDX-License-Identifier: Apache-2.0
 *
 * One coordination.k8s.io/v1 Lease as an election sees it, and its JSON: what client-go's
 * resourcelock keeps in its spec, and one annotation of our own. No requests and no decisions.
 * Source: client-go tools/leaderelection/resourcelock/leaselock.go (v0.37.2). */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { SY_LEASE_HOLDER_MAX = 511, SY_LEASE_ID_MAX = 63, SY_LEASE_NOTE_MAX = 1023 };

/* What a holder of ours tells its successor, in sy_lease.note: "term=N after=Nms", the time after a
 * renewal in which its writes land; once it has let go "term=N" with what each of its watches had
 * seen, or once more after= when a write may still be on its way. Another program that holds the
 * lease keeps it as it is, so it counts only while its term is the lease's. */
#define SY_LEASE_NOTE_KEY "steelyard.dev/leader"

/* Texts that are longer are cut. Times are wall-clock and for people only. */
struct sy_lease {
    char holder[SY_LEASE_HOLDER_MAX + 1]; /* "": nobody */
    int64_t duration_s;
    int64_t transitions;
    int64_t acquire_wall_ns, renew_wall_ns;
    char version[SY_LEASE_ID_MAX + 1]; /* resourceVersion; "" for one that is not there yet */
    char uid[SY_LEASE_ID_MAX + 1];
    char note[SY_LEASE_NOTE_MAX + 1]; /* annotation SY_LEASE_NOTE_KEY; "": none */
};

/* raw: a Lease in JSON, any bytes. *ret is written on success only. -EBADMSG, -ENOMEM. */
int sy_lease_parse(struct sy_str raw, struct sy_lease *ret, struct sy_err *err) SY_NODISCARD;

/* Appends the whole Lease for a POST or PUT. base: as the server gave it, whose metadata (labels,
 * owners, other annotations, resourceVersion) are kept as client-go keeps them; empty for a new
 * one. lease: the new spec and note; its version is not looked at. -EBADMSG when base is no Lease,
 * else as sy_buf_add(). */
int sy_lease_write(struct sy_str base, const char *ns, const char *name,
                   const struct sy_lease *lease, struct sy_buf *out,
                   struct sy_err *err) SY_NODISCARD;

/* Whether a and b say the same about who holds it and since when: else its holder was seen alive.
 */
bool sy_lease_is_same(const struct sy_lease *a, const struct sy_lease *b);

/* < 0: version a is older than b; 0: equal; > 0: newer. ret_known: whether they can be compared,
 * which numbers can. */
int sy_lease_compare_versions(const char *a, const char *b, bool *ret_known);
