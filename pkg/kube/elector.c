/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/elector.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of client-go: a standby asks each retryPeriod and up to so much of it more. */
static const double JITTER = 1.2;
static const int64_t MARGIN_MOST_NS = SY_NS_PER_S;
enum { MARGIN_PARTS = 8 };
/* Loops remember the time of a turn, so that two sources of it may differ by a turn. */
static const int64_t BACKWARDS_NS = SY_NS_PER_S;
static const int64_t DURATION_MOST_S = INT32_MAX;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Between the end of a write at the server and the deadline. */
static int64_t margin_ns(int64_t renew_ns, int64_t retry_ns)
{
    return least(MARGIN_MOST_NS, (renew_ns - retry_ns) / MARGIN_PARTS);
}

int64_t sy_elector_write_ns(int64_t renew_ns, int64_t retry_ns, int64_t most_ns)
{
    int64_t after_two = renew_ns - 2 * retry_ns - margin_ns(renew_ns, retry_ns);

    return least(most_ns, most(after_two, (renew_ns - retry_ns) / 2));
}

void sy_elector_init(struct sy_elector *e, const struct sy_elector_options *options)
{
    *e = (struct sy_elector){.options = *options, .state = SY_ELECTOR_STANDBY};
    sy_rng_seed(&e->rng, options->rng_seed);
}

static bool is_ours(const struct sy_elector *e, const struct sy_lease *l)
{
    return strcmp(l->holder, e->options.identity) == 0;
}

static void look_again_later(struct sy_elector *e, sy_time_ns now)
{
    double more = e->state == SY_ELECTOR_STANDBY ? JITTER * sy_rng_unit(&e->rng) : 0;

    e->next_at = now + (int64_t)((double)e->options.retry_ns * (1 + more));
}

static void look_at_once(struct sy_elector *e, sy_time_ns now)
{
    e->is_read_due = true;
    e->next_at = now;
}

/* ---- what is known of the lease ---- */

const char *sy_elector_note(const struct sy_lease *l)
{
    char want[48];
    int len = snprintf(want, sizeof(want), "term=%" PRId64 " ", l->transitions);

    return strncmp(l->note, want, (size_t)len) == 0 ? l->note + len : NULL;
}

/* What a note says after "after=": how long from now its writer's last write may land. */
static bool find_after(const char *note, int64_t *ret_ns)
{
    static const char KEY[] = "after=";
    uint64_t ms;

    if (!note || strncmp(note, KEY, sizeof(KEY) - 1) != 0)
        return false;
    note += sizeof(KEY) - 1;
    if (sy_str_u64((struct sy_str){note, strspn(note, "0123456789")}, &ms) || ms > INT32_MAX)
        return false;
    *ret_ns = (int64_t)ms * SY_NS_PER_MS;
    return true;
}

/* How long from now the last write of whoever wrote l may land. */
static int64_t after_ns(const struct sy_elector *e, const struct sy_lease *l, int64_t duration_ns)
{
    const char *note = sy_elector_note(l);
    int64_t after;

    if (find_after(note, &after))
        return most(duration_ns, after);
    /* Given back by one of ours, when all had landed. */
    if (!l->holder[0] && note)
        return 0;
    return duration_ns + e->options.write_ns;
}

/* Another's claim counts from when we saw it renewed, on our own clock. */
static void adopt(struct sy_elector *e, const struct sy_lease *l, sy_time_ns now)
{
    bool is_news = !e->has_seen || e->is_absent || !sy_lease_is_same(&e->seen, l);

    e->is_known = e->has_seen = true;
    e->is_absent = e->is_read_due = false;
    e->seen = *l;
    if (!is_news || is_ours(e, l))
        return;
    if (!l->holder[0]) {
        e->taken_until = now;
        e->clear_at = now + after_ns(e, l, 0);
        return;
    }
    int64_t duration_ns = most(0, least(l->duration_s, DURATION_MOST_S)) * SY_NS_PER_S;
    e->taken_until = now + duration_ns;
    e->clear_at = now + after_ns(e, l, duration_ns);
}

/* Older than what is known, as far as that can be told. */
static bool is_old(const struct sy_elector *e, const struct sy_lease *l, bool *ret_known)
{
    if (!e->has_seen) {
        *ret_known = false;
        return false;
    }
    return sy_lease_compare_versions(l->version, e->seen.version, ret_known) <= 0 && *ret_known;
}

/* It is not ours any more. What was given back is seen so, perhaps before the answer is there. */
static void end_term(struct sy_elector *e, const struct sy_lease *l)
{
    e->seen = *l;
    e->state = e->is_releasing ? SY_ELECTOR_RELEASED : SY_ELECTOR_LOST;
}

bool sy_elector_saw(struct sy_elector *e, const struct sy_lease *l, sy_time_ns now)
{
    bool is_comparable;

    if (!l) {
        if (e->state == SY_ELECTOR_STANDBY && !e->under_way) {
            e->is_known = e->is_absent = true;
            e->next_at = now;
        } else {
            look_at_once(e, now);
        }
        return false;
    }
    if (is_old(e, l, &is_comparable))
        return false;
    if (e->state == SY_ELECTOR_LEADING && !is_ours(e, l)) {
        if (is_comparable)
            end_term(e, l);
        else
            look_at_once(e, now);
        return false;
    }
    adopt(e, l, now);
    if (e->state == SY_ELECTOR_STANDBY && !l->holder[0])
        e->next_at = now;
    return true;
}

void sy_elector_set_watched(struct sy_elector *e, bool is_watched)
{
    e->is_watched = is_watched;
}

/* ---- ends of requests ---- */

bool sy_elector_read(struct sy_elector *e, const struct sy_lease *found, sy_time_ns now)
{
    e->under_way = SY_ELECTOR_WAIT;
    if (!found) {
        e->is_known = e->is_absent = true;
        e->is_read_due = false;
        if (e->state == SY_ELECTOR_STANDBY && now < e->taken_until)
            look_again_later(e, now);
        else
            e->next_at = now;
        return false;
    }
    if (e->state == SY_ELECTOR_LEADING && !is_ours(e, found)) {
        end_term(e, found);
        return false;
    }
    adopt(e, found, now);
    /* Ours, perhaps by a write whose answer was lost, or nobody's: it can be had. */
    if (e->state == SY_ELECTOR_STANDBY && !is_ours(e, found) && now < e->taken_until)
        look_again_later(e, now);
    else
        e->next_at = now;
    return true;
}

void sy_elector_read_failed(struct sy_elector *e, sy_time_ns now)
{
    e->under_way = SY_ELECTOR_WAIT;
    e->is_release_out = false;
    e->is_read_due = true;
    look_again_later(e, now);
}

bool sy_elector_wrote(struct sy_elector *e, const struct sy_lease *answer, sy_time_ns now)
{
    sy_time_ns sent_at = e->sent_at;

    e->under_way = SY_ELECTOR_WAIT;
    if (e->is_release_out) {
        e->state = SY_ELECTOR_RELEASED;
        return false;
    }
    if (e->state != SY_ELECTOR_STANDBY && e->state != SY_ELECTOR_LEADING)
        return false;
    adopt(e, answer, now);
    if (now - sent_at >= e->options.renew_ns) {
        /* It took so long that it may be another's by now. */
        look_at_once(e, now);
        return true;
    }
    e->state = SY_ELECTOR_LEADING;
    e->renewed_at = sent_at;
    e->next_at = e->is_releasing ? now : sent_at + e->options.retry_ns;
    return true;
}

void sy_elector_write_failed(struct sy_elector *e, sy_time_ns now)
{
    e->under_way = SY_ELECTOR_WAIT;
    e->is_release_out = false;
    look_at_once(e, now);
}

/* ---- what next ---- */

static sy_time_ns deadline(const struct sy_elector *e)
{
    return e->renewed_at + e->options.renew_ns;
}

/* LOST when time is up, or went back. */
static void look_at_clock(struct sy_elector *e, sy_time_ns now)
{
    if (e->state != SY_ELECTOR_LEADING)
        return;
    if (now + BACKWARDS_NS < e->latest || now >= deadline(e))
        e->state = SY_ELECTOR_LOST;
}

static void advance(struct sy_elector *e, sy_time_ns now)
{
    look_at_clock(e, now);
    e->latest = most(e->latest, now);
}

static struct sy_lease new_record(const struct sy_elector *e, int64_t wall_ns)
{
    bool is_held = e->has_seen && is_ours(e, &e->seen);
    struct sy_lease l = {
        .duration_s = e->options.lease_ns / SY_NS_PER_S,
        .acquire_wall_ns = is_held ? e->seen.acquire_wall_ns : wall_ns,
        .renew_wall_ns = wall_ns,
    };

    snprintf(l.holder, sizeof(l.holder), "%s", e->options.identity);
    if (e->has_seen)
        l.transitions = e->seen.transitions + !is_held;
    snprintf(l.note, sizeof(l.note), "term=%" PRId64 " after=%" PRId64 "ms", l.transitions,
             (e->options.renew_ns + e->options.write_ns) / SY_NS_PER_MS);
    if (!e->is_absent)
        memcpy(l.version, e->seen.version, sizeof(l.version));
    return l;
}

/* As client-go writes a lease that it gives back. */
static struct sy_lease release_record(const struct sy_elector *e, int64_t wall_ns)
{
    struct sy_lease l = {
        .duration_s = 1,
        .transitions = e->seen.transitions,
        .acquire_wall_ns = wall_ns,
        .renew_wall_ns = wall_ns,
    };

    snprintf(l.note, sizeof(l.note), "term=%" PRId64 " %s", l.transitions, e->release_note);
    memcpy(l.version, e->seen.version, sizeof(l.version));
    return l;
}

static enum sy_elector_step step_now(struct sy_elector *e, int64_t wall_ns, struct sy_lease *ret)
{
    if (e->is_read_due || !e->is_known)
        return SY_ELECTOR_READ;
    if (e->is_releasing) {
        *ret = release_record(e, wall_ns);
        e->is_release_out = true;
        return SY_ELECTOR_UPDATE;
    }
    *ret = new_record(e, wall_ns);
    if (!e->has_seen || !is_ours(e, &e->seen)) {
        const char *note = e->has_seen && !e->seen.holder[0] ? sy_elector_note(&e->seen) : NULL;
        snprintf(e->handover, sizeof(e->handover), "%s", note && !e->is_absent ? note : "");
    }
    return e->is_absent ? SY_ELECTOR_CREATE : SY_ELECTOR_UPDATE;
}

/* When a standby has something to do, and whether that is to look at what another holds. */
static sy_time_ns standby_due(const struct sy_elector *e, sy_time_ns now, bool *ret_looks)
{
    bool is_taken = e->is_known && now < e->taken_until && !(e->has_seen && is_ours(e, &e->seen));

    *ret_looks = is_taken;
    if (e->is_read_due || !e->is_known)
        return is_taken ? least(e->next_at, e->taken_until) : e->next_at;
    return is_taken && !e->is_watched ? least(e->next_at, e->taken_until) : e->taken_until;
}

enum sy_elector_step sy_elector_next(struct sy_elector *e, sy_time_ns now, int64_t wall_ns,
                                     struct sy_lease *ret_lease, sy_time_ns *ret_at)
{
    bool looks = false;

    advance(e, now);
    if (e->is_releasing && !e->under_way &&
        (e->state == SY_ELECTOR_STANDBY || (e->is_absent && !e->is_read_due)))
        e->state = SY_ELECTOR_RELEASED;
    bool is_over = e->state == SY_ELECTOR_LOST || e->state == SY_ELECTOR_RELEASED;
    *ret_at = INT64_MAX;
    if (is_over)
        return SY_ELECTOR_WAIT;
    sy_time_ns due = e->state == SY_ELECTOR_STANDBY ? standby_due(e, now, &looks) : e->next_at;
    if (e->state == SY_ELECTOR_LEADING)
        *ret_at = deadline(e);
    if (e->under_way)
        return SY_ELECTOR_WAIT;
    if (now < due) {
        *ret_at = least(*ret_at, due);
        return SY_ELECTOR_WAIT;
    }
    e->slow_paths += e->state == SY_ELECTOR_LEADING && e->is_read_due;
    e->under_way = looks ? SY_ELECTOR_READ : step_now(e, wall_ns, ret_lease);
    e->sent_at = now;
    return e->under_way;
}

void sy_elector_release(struct sy_elector *e, const char *note, sy_time_ns now)
{
    /* Half a note would be a false one. */
    bool fits = strlen(note) < sizeof(e->release_note);
    snprintf(e->release_note, sizeof(e->release_note), "%s", fits ? note : "");
    e->is_releasing = true;
    e->next_at = now;
}

/* ---- what is allowed ---- */

sy_time_ns sy_elector_writes_until(const struct sy_elector *e)
{
    return deadline(e) - e->options.write_ns - margin_ns(e->options.renew_ns, e->options.retry_ns);
}

bool sy_elector_may_write(struct sy_elector *e, sy_time_ns now)
{
    advance(e, now);
    return e->state == SY_ELECTOR_LEADING && !e->is_releasing && now < sy_elector_writes_until(e);
}

sy_time_ns sy_elector_clear_at(const struct sy_elector *e)
{
    return e->clear_at;
}

sy_time_ns sy_elector_taken_until(const struct sy_elector *e)
{
    return e->has_seen && e->seen.holder[0] && !is_ours(e, &e->seen) ? e->taken_until : 0;
}

const char *sy_elector_handover(const struct sy_elector *e)
{
    return e->handover;
}

int64_t sy_elector_term(const struct sy_elector *e)
{
    return e->seen.transitions;
}
