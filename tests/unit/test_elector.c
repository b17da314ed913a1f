/* SPDX-License-Identifier: Apache-2.0
 *
 * The election with a clock and an API server of the test's own: who holds the lease when, and that
 * nobody may write who may not hold it. Two electors on one lease in a storm of lost answers. */
#include "kube/elector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S  SY_NS_PER_S
#define MS SY_NS_PER_MS

static const struct sy_elector_options OPTIONS = {
    .identity = "me",
    .lease_ns = 15 * S,
    .renew_ns = 10 * S,
    .retry_ns = 2 * S,
    .write_ns = 5 * S,
    .rng_seed = 1,
};

static struct sy_elector e;
static struct sy_lease out;
static sy_time_ns at;

static int begin(void **state)
{
    (void)state;
    sy_elector_init(&e, &OPTIONS);
    return 0;
}

static enum sy_elector_step next(sy_time_ns now)
{
    return sy_elector_next(&e, now, now + 1000 * S, &out, &at);
}

static struct sy_lease record(const char *holder, const char *version, int64_t renewed)
{
    struct sy_lease l = {.duration_s = 15, .transitions = 3, .renew_wall_ns = renewed};

    snprintf(l.holder, sizeof(l.holder), "%s", holder);
    snprintf(l.version, sizeof(l.version), "%s", version);
    return l;
}

static bool accept(const char *version, sy_time_ns now)
{
    snprintf(out.version, sizeof(out.version), "%s", version);
    return sy_elector_wrote(&e, &out, now);
}

/* Leads since `now`, by a lease that it has made. */
static void lead(sy_time_ns now)
{
    assert_int_equal(next(now), SY_ELECTOR_READ);
    sy_elector_read(&e, NULL, now);
    assert_int_equal(next(now), SY_ELECTOR_CREATE);
    assert_true(accept("10", now));
    assert_int_equal(e.state, SY_ELECTOR_LEADING);
}

static void test_first(void **state)
{
    (void)state;
    assert_false(sy_elector_may_write(&e, 0));
    lead(S);
    assert_string_equal(out.holder, "me");
    assert_string_equal(out.note, "term=0 after=15000ms");
    assert_int_equal(out.duration_s, 15);
    assert_int_equal(out.transitions, 0);
    assert_int_equal(out.acquire_wall_ns, 1001 * S);
    assert_true(sy_elector_may_write(&e, S));
    assert_int_equal(sy_elector_clear_at(&e), 0);
    /* Each retryPeriod, and the record keeps since when it is held. */
    assert_int_equal(next(S), SY_ELECTOR_WAIT);
    assert_int_equal(at, 3 * S);
    assert_int_equal(next(3 * S), SY_ELECTOR_UPDATE);
    assert_string_equal(out.version, "10");
    assert_int_equal(out.acquire_wall_ns, 1001 * S);
    assert_int_equal(out.renew_wall_ns, 1003 * S);
    /* One at a time; nothing else to do before the deadline. */
    assert_int_equal(next(4 * S), SY_ELECTOR_WAIT);
    assert_int_equal(at, 11 * S);
}

/* Writing ends 4 s after the last renewal was sent, whenever it was answered. */
static void test_fence(void **state)
{
    (void)state;
    lead(0);
    assert_int_equal(sy_elector_writes_until(&e), 4 * S);
    assert_int_equal(next(2 * S), SY_ELECTOR_UPDATE);
    assert_true(sy_elector_may_write(&e, 4 * S - 1));
    assert_false(sy_elector_may_write(&e, 4 * S));
    assert_true(accept("11", 5 * S));
    assert_true(sy_elector_may_write(&e, 6 * S - 1));
    assert_false(sy_elector_may_write(&e, 6 * S));
    /* Late: at once. */
    assert_int_equal(next(5 * S), SY_ELECTOR_UPDATE);
    sy_elector_write_failed(&e, 6 * S);
    assert_int_equal(next(6 * S), SY_ELECTOR_READ);
    sy_elector_read_failed(&e, 7 * S);
    assert_int_equal(next(7 * S), SY_ELECTOR_WAIT);
    assert_int_equal(at, 9 * S);
    assert_int_equal(e.slow_paths, 1);
    assert_int_equal(next(12 * S - 1), SY_ELECTOR_READ);
    assert_int_equal(e.state, SY_ELECTOR_LEADING);
    assert_int_equal(next(12 * S), SY_ELECTOR_WAIT);
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    /* For good, whatever comes now. */
    struct sy_lease ours = record("me", "12", 1);
    sy_elector_read(&e, &ours, 12 * S);
    assert_int_equal(next(60 * S), SY_ELECTOR_WAIT);
    assert_int_equal(at, INT64_MAX);
    assert_false(sy_elector_may_write(&e, 13 * S));
}

/* Stopped for long and woken: the first look at the clock ends it, whoever looks. */
static void test_clock_jumps(void **state)
{
    (void)state;
    lead(0);
    assert_false(sy_elector_may_write(&e, 40 * S));
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    /* Back: a restored snapshot, where another may lead since long. */
    begin(NULL);
    lead(100 * S);
    assert_true(sy_elector_may_write(&e, 101 * S));
    assert_true(sy_elector_may_write(&e, 101 * S - MS)); /* the turn's time, a little old */
    assert_false(sy_elector_may_write(&e, 50 * S));
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    /* A renewal that was on its way all the time does not bring it back. */
    begin(NULL);
    lead(0);
    assert_int_equal(next(2 * S), SY_ELECTOR_UPDATE);
    accept("11", 30 * S);
    assert_false(sy_elector_may_write(&e, 30 * S));
    assert_int_equal(next(30 * S), SY_ELECTOR_WAIT);
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    /* Nor does a first one make a leader that is late. */
    begin(NULL);
    assert_int_equal(next(0), SY_ELECTOR_READ);
    sy_elector_read(&e, NULL, 0);
    assert_int_equal(next(0), SY_ELECTOR_CREATE);
    accept("10", 12 * S);
    assert_int_equal(e.state, SY_ELECTOR_STANDBY);
    assert_int_equal(next(12 * S), SY_ELECTOR_READ);
}

static void test_standby_polls(void **state)
{
    struct sy_lease other = record("other", "5", 1);

    (void)state;
    assert_int_equal(next(0), SY_ELECTOR_READ);
    assert_true(sy_elector_read(&e, &other, 0));
    assert_int_equal(next(0), SY_ELECTOR_WAIT);
    assert_in_range(at, 2 * S, 4400 * MS);
    assert_int_equal(next(at), SY_ELECTOR_READ);
    /* Renewed: the time starts anew, on our clock. */
    other.renew_wall_ns = 999999 * S;
    sy_elector_read(&e, &other, 3 * S);
    for (sy_time_ns now = 3 * S; now < 18 * S; now = at) {
        if (next(now) == SY_ELECTOR_READ) {
            sy_elector_read(&e, &other, now);
            next(now);
        }
        assert_true(at <= 18 * S);
    }
    assert_int_equal(next(18 * S), SY_ELECTOR_UPDATE);
    assert_string_equal(out.version, "5");
    assert_int_equal(out.transitions, 4);
    /* Another was faster. */
    sy_elector_write_failed(&e, 18 * S);
    assert_int_equal(next(18 * S), SY_ELECTOR_READ);
    other = record("third", "6", 2);
    sy_elector_read(&e, &other, 18 * S);
    assert_int_equal(next(32 * S), SY_ELECTOR_READ);
    sy_elector_read_failed(&e, 32 * S);
    next(33 * S);
    assert_int_equal(next(38 * S), SY_ELECTOR_READ); /* what was seen may be old */
    sy_elector_read(&e, &other, 38 * S);
    assert_int_equal(next(38 * S), SY_ELECTOR_UPDATE);
}

/* With a watch: no request before its time, then at once. */
static void test_standby_watches(void **state)
{
    struct sy_lease other = record("other", "5", 1);

    (void)state;
    sy_elector_set_watched(&e, true);
    next(0);
    sy_elector_read(&e, &other, 0);
    assert_int_equal(next(0), SY_ELECTOR_WAIT);
    assert_int_equal(at, 15 * S);
    other = record("other", "6", 2);
    assert_true(sy_elector_saw(&e, &other, 2 * S));
    assert_false(sy_elector_saw(&e, &other, 9 * S)); /* again: says nothing new */
    other = record("old", "4", 0);
    assert_false(sy_elector_saw(&e, &other, 9 * S)); /* late */
    /* Something else about the lease changed: no renewal. */
    other = record("other", "7", 2);
    assert_true(sy_elector_saw(&e, &other, 9 * S));
    next(9 * S);
    assert_int_equal(at, 17 * S);
    assert_int_equal(next(17 * S - 1), SY_ELECTOR_WAIT);
    assert_int_equal(next(17 * S), SY_ELECTOR_UPDATE);
    assert_string_equal(out.version, "7");
    accept("8", 17 * S);
    /* No note of ours: a write of its may land so long after its lease. */
    assert_int_equal(sy_elector_clear_at(&e), 22 * S);
}

/* A predecessor that fences itself says by when its writes have landed. */
static void test_note(void **state)
{
    struct sy_lease other = record("other", "5", 1);

    (void)state;
    snprintf(other.note, sizeof(other.note), "term=3 after=15000ms");
    next(0);
    sy_elector_read(&e, &other, 0);
    assert_int_equal(sy_elector_clear_at(&e), 15 * S);
    snprintf(other.note, sizeof(other.note), "term=3 after=19000ms");
    other.renew_wall_ns = 2;
    sy_elector_saw(&e, (other = record("other", "6", 2), &other), S);
    assert_int_equal(sy_elector_clear_at(&e), 21 * S);
    other = record("other", "7", 3);
    snprintf(other.note, sizeof(other.note), "term=3 after=19000ms");
    sy_elector_saw(&e, &other, 2 * S);
    assert_int_equal(sy_elector_clear_at(&e), 21 * S);
    /* Of an earlier term, by another than who holds it now, or no note at all. */
    static const char *const BAD[] = {"term=2 after=15000ms",
                                      "term=3 after=", "term=3 after=99999999999999999999ms",
                                      "term=3", "after=1ms"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        char version[8];
        snprintf(version, sizeof(version), "%zu", 10 + i);
        other = record("other", version, 10 + (int64_t)i);
        snprintf(other.note, sizeof(other.note), "%s", BAD[i]);
        sy_elector_saw(&e, &other, 3 * S);
        assert_int_equal(sy_elector_clear_at(&e), 23 * S);
    }
}

static void test_handover(void **state)
{
    struct sy_lease other = record("other", "5", 1);

    (void)state;
    sy_elector_set_watched(&e, true);
    next(0);
    sy_elector_read(&e, &other, 0);
    next(0);
    other = record("", "6", 2);
    snprintf(other.note, sizeof(other.note), "term=3 pods=4");
    sy_elector_saw(&e, &other, S);
    assert_string_equal(sy_elector_note(&other), "pods=4");
    assert_int_equal(next(S), SY_ELECTOR_UPDATE);
    assert_int_equal(out.transitions, 4);
    /* Our own write, told by the watch before its answer is there. */
    struct sy_lease ours = out;
    snprintf(ours.version, sizeof(ours.version), "7");
    assert_true(sy_elector_saw(&e, &ours, S));
    assert_int_equal(e.state, SY_ELECTOR_STANDBY);
    accept("7", S);
    assert_string_equal(sy_elector_handover(&e), "pods=4");
    assert_int_equal(sy_elector_clear_at(&e), S);
    assert_int_equal(sy_elector_term(&e), 4);
    /* Given back, and a write may still be on its way. */
    begin(NULL);
    next(0);
    snprintf(other.note, sizeof(other.note), "term=3 after=9000ms");
    sy_elector_read(&e, &other, S);
    assert_int_equal(sy_elector_clear_at(&e), 10 * S);
    assert_int_equal(next(S), SY_ELECTOR_UPDATE);
    /* Given back, but not by one of ours in this term: its writes may still be on their way. */
    begin(NULL);
    next(0);
    other.transitions = 9;
    sy_elector_read(&e, &other, S);
    assert_null(sy_elector_note(&other));
    assert_int_equal(sy_elector_clear_at(&e), 6 * S);
}

static void test_release(void **state)
{
    (void)state;
    lead(0);
    sy_elector_release(&e, "pods=12 nodes=9", S);
    assert_false(sy_elector_may_write(&e, S));
    assert_int_equal(next(S), SY_ELECTOR_UPDATE);
    assert_string_equal(out.holder, "");
    assert_int_equal(out.duration_s, 1);
    assert_string_equal(out.note, "term=0 pods=12 nodes=9");
    /* It had changed: looked at, and once more. */
    sy_elector_write_failed(&e, S);
    assert_int_equal(next(S), SY_ELECTOR_READ);
    struct sy_lease ours = record("me", "11", 1);
    sy_elector_read(&e, &ours, S);
    assert_int_equal(next(S), SY_ELECTOR_UPDATE);
    assert_string_equal(out.version, "11");
    accept("12", S);
    assert_int_equal(e.state, SY_ELECTOR_RELEASED);
    assert_int_equal(next(S), SY_ELECTOR_WAIT);
    assert_int_equal(at, INT64_MAX);

    /* The watch is faster than the answer. */
    begin(NULL);
    lead(0);
    sy_elector_release(&e, "", 0);
    assert_int_equal(next(0), SY_ELECTOR_UPDATE);
    struct sy_lease seen = out;
    snprintf(seen.version, sizeof(seen.version), "11");
    sy_elector_saw(&e, &seen, 0);
    assert_int_equal(e.state, SY_ELECTOR_RELEASED);
    accept("11", 0);
    assert_int_equal(e.state, SY_ELECTOR_RELEASED);
    /* The answer is lost, and another holds it already. */
    begin(NULL);
    lead(0);
    sy_elector_release(&e, "", 0);
    next(0);
    sy_elector_write_failed(&e, 0);
    next(0);
    struct sy_lease other = record("other", "12", 1);
    sy_elector_read(&e, &other, 0);
    assert_int_equal(e.state, SY_ELECTOR_RELEASED);

    /* A renewal is on its way: after it, and at once. */
    begin(NULL);
    lead(0);
    assert_int_equal(next(2 * S), SY_ELECTOR_UPDATE);
    sy_elector_release(&e, "", 2 * S);
    assert_int_equal(next(2 * S), SY_ELECTOR_WAIT);
    accept("11", 3 * S);
    assert_int_equal(next(3 * S), SY_ELECTOR_UPDATE);
    assert_string_equal(out.holder, "");

    /* Nothing is held, or it is gone. */
    begin(NULL);
    sy_elector_release(&e, "", 0);
    next(0);
    assert_int_equal(e.state, SY_ELECTOR_RELEASED);
    begin(NULL);
    lead(0);
    sy_elector_release(&e, "", 0);
    next(0);
    sy_elector_write_failed(&e, 0);
    next(0);
    sy_elector_read(&e, NULL, 0);
    next(0);
    assert_int_equal(e.state, SY_ELECTOR_RELEASED);
    /* A note that does not fit is none. */
    char big[SY_LEASE_NOTE_MAX + 1];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    begin(NULL);
    lead(0);
    sy_elector_release(&e, big, 0);
    next(0);
    assert_string_equal(out.note, "term=0 ");
}

static void test_deleted(void **state)
{
    struct sy_lease other = record("other", "5", 1);

    (void)state;
    /* Under the leader: looked at and made again, in the same term. */
    lead(0);
    sy_elector_saw(&e, NULL, S);
    assert_int_equal(next(S), SY_ELECTOR_READ);
    sy_elector_read(&e, NULL, S);
    assert_int_equal(next(S), SY_ELECTOR_CREATE);
    assert_string_equal(out.version, "");
    assert_int_equal(out.transitions, 0);
    accept("20", S);
    assert_true(sy_elector_may_write(&e, 5 * S - 1));
    /* Another was faster. */
    sy_elector_saw(&e, NULL, 2 * S);
    next(2 * S);
    sy_elector_read(&e, NULL, 2 * S);
    next(2 * S);
    sy_elector_write_failed(&e, 2 * S);
    next(2 * S);
    sy_elector_read(&e, &other, 2 * S);
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    assert_false(sy_elector_may_write(&e, 2 * S));

    /* Seen by a standby: the holder that it knows has its time all the same. */
    for (int watched = 0; watched < 2; watched++) {
        begin(NULL);
        sy_elector_set_watched(&e, watched);
        next(0);
        sy_elector_read(&e, &other, 0);
        if (watched)
            sy_elector_saw(&e, NULL, S);
        int reads = 0;
        sy_time_ns now = S;
        for (; now < 15 * S; now = at) {
            enum sy_elector_step step = next(now);
            assert_true(step == SY_ELECTOR_WAIT || step == SY_ELECTOR_READ);
            if (step == SY_ELECTOR_READ) {
                reads++;
                sy_elector_read(&e, NULL, now);
                next(now);
            }
        }
        assert_true(watched ? reads == 0 : reads < 8);
        assert_int_equal(next(15 * S), SY_ELECTOR_CREATE);
        assert_int_equal(out.transitions, 4);
        accept("30", 15 * S);
        assert_int_equal(sy_elector_clear_at(&e), 20 * S);
    }
}

static void test_stolen(void **state)
{
    struct sy_lease other = record("other", "11", 1), old = record("other", "9", 1);

    (void)state;
    lead(0);
    sy_elector_saw(&e, &old, S); /* from before our time */
    assert_true(sy_elector_may_write(&e, S));
    sy_elector_saw(&e, &other, S);
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    assert_false(sy_elector_may_write(&e, S));
    /* Versions that are no numbers: asked. */
    begin(NULL);
    lead(0);
    snprintf(other.version, sizeof(other.version), "x");
    sy_elector_saw(&e, &other, S);
    assert_int_equal(e.state, SY_ELECTOR_LEADING);
    assert_int_equal(next(S), SY_ELECTOR_READ);
    sy_elector_read(&e, &other, S);
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    /* Nobody holds it any more: the next may come at any moment. */
    begin(NULL);
    lead(0);
    other = record("", "12", 1);
    sy_elector_saw(&e, &other, S);
    assert_int_equal(e.state, SY_ELECTOR_LOST);
    /* Changed, and still ours: renewed over the new version. */
    begin(NULL);
    lead(0);
    other = record("me", "12", 1);
    assert_true(sy_elector_saw(&e, &other, S));
    assert_int_equal(next(2 * S), SY_ELECTOR_UPDATE);
    assert_string_equal(out.version, "12");
}

/* An acquisition whose answer was lost is found by reading, and made sure. */
static void test_lost_answer(void **state)
{
    (void)state;
    next(0);
    sy_elector_read(&e, NULL, 0);
    next(0);
    sy_elector_write_failed(&e, S);
    assert_int_equal(e.state, SY_ELECTOR_STANDBY);
    assert_int_equal(next(S), SY_ELECTOR_READ);
    struct sy_lease ours = record("me", "10", 1);
    sy_elector_read(&e, &ours, S);
    assert_false(sy_elector_may_write(&e, S));
    assert_int_equal(next(S), SY_ELECTOR_UPDATE);
    assert_int_equal(out.transitions, 3);
    accept("11", 2 * S);
    assert_true(sy_elector_may_write(&e, 5 * S - 1));
    assert_false(sy_elector_may_write(&e, 5 * S)); /* since it was sent */
}

static void test_write_times(void **state)
{
    (void)state;
    assert_int_equal(sy_elector_write_ns(10 * S, 2 * S, 5 * S), 5 * S);
    assert_int_equal(sy_elector_write_ns(40 * S, 2 * S, 5 * S), 5 * S);
    assert_int_equal(sy_elector_write_ns(10 * S, 2 * S, 3 * S), 3 * S);
    /* Whatever is allowed, there is time to write between two renewals. */
    for (int64_t renew = 100; renew < 20000; renew += 97) {
        for (int64_t retry = 10; retry * 12 < renew * 10; retry += 53) {
            struct sy_elector_options o = OPTIONS;
            o.renew_ns = renew * MS;
            o.retry_ns = retry * MS;
            o.write_ns = sy_elector_write_ns(o.renew_ns, o.retry_ns, 5 * S);
            assert_true(o.write_ns > 0);
            sy_elector_init(&e, &o);
            lead(0);
            assert_true(sy_elector_writes_until(&e) > o.retry_ns);
            assert_true(sy_elector_writes_until(&e) + o.write_ns < o.renew_ns);
        }
    }
}

/* ---- a storm ---- */

enum { CANDIDATES = 3 };

struct server {
    struct sy_lease lease;
    bool exists;
    uint64_t version;
};

/* Carries out one write by the version; whether it was taken. */
static bool serve(struct server *s, enum sy_elector_step step, struct sy_lease *l)
{
    char version[32];

    snprintf(version, sizeof(version), "%llu", (unsigned long long)s->version);
    if (step == SY_ELECTOR_CREATE ? s->exists : !s->exists || strcmp(l->version, version) != 0)
        return false;
    snprintf(l->version, sizeof(l->version), "%llu", (unsigned long long)++s->version);
    s->lease = *l;
    s->exists = true;
    return true;
}

struct candidate {
    struct sy_elector e;
    enum sy_elector_step step;
    struct sy_lease out, answer;
    bool is_found, is_taken, is_lost;
    sy_time_ns arrives_at, answers_at; /* 0: none */
    sy_time_ns stopped_until;
    sy_time_ns writes_over; /* of its own: when the last that it was allowed to begin has landed */
};

static void answer(struct candidate *c, sy_time_ns now)
{
    c->answers_at = 0;
    if (c->step == SY_ELECTOR_READ) {
        if (c->is_lost)
            sy_elector_read_failed(&c->e, now);
        else
            sy_elector_read(&c->e, c->is_found ? &c->answer : NULL, now);
    } else if (c->is_taken && !c->is_lost) {
        sy_elector_wrote(&c->e, &c->answer, now);
    } else {
        sy_elector_write_failed(&c->e, now);
    }
}

static void step_candidate(struct candidate *c, struct server *s, struct sy_rng *rng,
                           sy_time_ns now)
{
    sy_time_ns when;

    if (c->arrives_at && now >= c->arrives_at) {
        c->arrives_at = 0;
        c->is_found = s->exists;
        c->is_taken = c->step != SY_ELECTOR_READ && serve(s, c->step, &c->out);
        c->answer = s->lease;
    }
    if (now < c->stopped_until)
        return;
    if (c->answers_at && now >= c->answers_at)
        answer(c, now);
    c->step = c->answers_at ? c->step : sy_elector_next(&c->e, now, now, &c->out, &when);
    if (!c->answers_at && c->step != SY_ELECTOR_WAIT) {
        c->arrives_at = now + (int64_t)sy_rng_below(rng, 3 * (uint64_t)S);
        c->answers_at = c->arrives_at + (int64_t)sy_rng_below(rng, 2 * (uint64_t)S);
        c->is_lost = sy_rng_below(rng, 5) == 0;
    }
}

/* Delays, lost answers, processes that stand still: no two may write at the same time, nor while a
 * write that the other began may still land. */
static void test_storm(void **state)
{
    static const char *const NAMES[CANDIDATES] = {"a", "b", "c"};
    uint64_t terms = 0, writes = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct candidate c[CANDIDATES] = {0};
        struct server server = {.version = 100};
        struct sy_rng rng;

        sy_rng_seed(&rng, seed);
        for (int i = 0; i < CANDIDATES; i++) {
            struct sy_elector_options o = OPTIONS;
            o.identity = NAMES[i];
            o.rng_seed = seed + (uint64_t)i;
            sy_elector_init(&c[i].e, &o);
        }
        for (sy_time_ns now = S; now < 400 * S; now += 50 * MS) {
            for (int i = 0; i < CANDIDATES; i++) {
                struct candidate *me = &c[i];
                if (sy_rng_below(&rng, 600) == 0)
                    me->stopped_until = now + (int64_t)sy_rng_below(&rng, 40 * (uint64_t)S);
                step_candidate(me, &server, &rng, now);
                if (me->e.state == SY_ELECTOR_LOST) { /* exits, and is started again */
                    struct sy_elector_options o = me->e.options;
                    terms++;
                    sy_elector_init(&me->e, &o);
                    me->arrives_at = me->answers_at = 0;
                }
                if (now < me->stopped_until || !sy_elector_may_write(&me->e, now) ||
                    now < sy_elector_clear_at(&me->e))
                    continue;
                writes++;
                me->writes_over = now + me->e.options.write_ns;
                for (int k = 0; k < CANDIDATES; k++) {
                    if (k != i && c[k].writes_over > now)
                        fail_msg("seed %d, %.2f s: %s writes while a write of %s may land",
                                 (int)seed, (double)now / S, NAMES[i], NAMES[k]);
                }
            }
        }
    }
    /* It did happen. */
    assert_true(terms > 60);
    assert_true(writes > 10000);
}

/* ---- the object ---- */

static void test_lease(void **state)
{
    static const char RAW[] =
        "{\"apiVersion\":\"coordination.k8s.io/"
        "v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"n\","
        "\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"labels\":{\"a\":\"b\"},"
        "\"annotations\":{\"x\":\"y\"},\"managedFields\":[{}]},\"spec\":{\"holderIdentity\":\"h\","
        "\"leaseDurationSeconds\":15,\"acquireTime\":\"2023-11-14T22:13:20.123456Z\","
        "\"renewTime\":\"2023-11-14T22:13:25.000000Z\",\"leaseTransitions\":4,"
        "\"preferredHolder\":\"p\"}}";
    struct sy_lease l, back;
    struct sy_buf body;
    bool is_known;

    (void)state;
    assert_int_equal(sy_lease_parse(SY_STR(RAW), &l, NULL), 0);
    assert_string_equal(l.holder, "h");
    assert_string_equal(l.version, "7");
    assert_string_equal(l.uid, "u");
    assert_int_equal(l.duration_s, 15);
    assert_int_equal(l.transitions, 4);
    assert_int_equal(l.acquire_wall_ns, 1700000000123456000);
    sy_buf_init(&body, 65536);
    snprintf(l.holder, sizeof(l.holder), "me\"");
    snprintf(l.note, sizeof(l.note), "term=4 x");
    assert_int_equal(sy_lease_write(SY_STR(RAW), "ns", "n", &l, &body, NULL), 0);
    assert_string_equal(
        body.p, "{\"apiVersion\":\"coordination.k8s.io\\/v1\",\"kind\":\"Lease\",\"metadata\":{"
                "\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"7\","
                "\"labels\":{\"a\":\"b\"},\"annotations\":{\"x\":\"y\","
                "\"steelyard.dev\\/leader\":\"term=4 x\"}},\"spec\":{\"holderIdentity\":\"me\\\"\","
                "\"leaseDurationSeconds\":15,\"acquireTime\":\"2023-11-14T22:13:20.123456Z\","
                "\"renewTime\":\"2023-11-14T22:13:25.000000Z\",\"leaseTransitions\":4}}");
    assert_int_equal(sy_lease_parse(sy_buf_str(&body), &back, NULL), 0);
    assert_true(sy_lease_is_same(&l, &back));
    assert_string_equal(back.note, "term=4 x");
    sy_buf_reset(&body);
    assert_int_equal(sy_lease_write((struct sy_str){0}, "ns", "n", &l, &body, NULL), 0);
    assert_null(strstr(body.p, "resourceVersion"));
    sy_buf_done(&body);

    static const char *const BAD[] = {
        "", "{", "[]", "{}", "{\"metadata\":[]}", "null", "{\"metadata\":{\"resourceVersion\":7}}"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        assert_int_not_equal(sy_lease_parse(sy_str_from(BAD[i]), &l, NULL), 0);
    /* Wrong types and sizes are as good as absent. */
    assert_int_equal(
        sy_lease_parse(
            SY_STR("{\"metadata\":{\"resourceVersion\":\"1\",\"annotations\":7},\"spec\":"
                   "{\"holderIdentity\":null,\"leaseDurationSeconds\":\"x\","
                   "\"leaseTransitions\":1e99,\"renewTime\":\"never\"}}"),
            &l, NULL),
        0);
    assert_string_equal(l.holder, "");
    assert_int_equal(l.duration_s, 0);
    assert_int_equal(l.renew_wall_ns, 0);

    assert_true(sy_lease_compare_versions("9", "10", &is_known) < 0 && is_known);
    assert_true(sy_lease_compare_versions("010", "10", &is_known) == 0 && is_known);
    assert_true(sy_lease_compare_versions("21", "10", &is_known) > 0 && is_known);
    sy_lease_compare_versions("a", "10", &is_known);
    assert_false(is_known);
    sy_lease_compare_versions("", "10", &is_known);
    assert_false(is_known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_first, begin),
        cmocka_unit_test_setup(test_fence, begin),
        cmocka_unit_test_setup(test_clock_jumps, begin),
        cmocka_unit_test_setup(test_standby_polls, begin),
        cmocka_unit_test_setup(test_standby_watches, begin),
        cmocka_unit_test_setup(test_note, begin),
        cmocka_unit_test_setup(test_handover, begin),
        cmocka_unit_test_setup(test_release, begin),
        cmocka_unit_test_setup(test_deleted, begin),
        cmocka_unit_test_setup(test_stolen, begin),
        cmocka_unit_test_setup(test_lost_answer, begin),
        cmocka_unit_test_setup(test_write_times, begin),
        cmocka_unit_test_setup(test_storm, begin),
        cmocka_unit_test(test_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
