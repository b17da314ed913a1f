/* SPDX-License-Identifier: Apache-2.0 */
#include "app/leader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* What is queued about the last binds may still be told, but a successor waits. */
static const int64_t LAST_WORDS_NS = 300 * SY_NS_PER_MS;
/* The watch tells of our own binds within milliseconds, or the successor asks the server. */
static const int64_t CONFIRM_NS = SY_NS_PER_S;
/* While the canary is silent the others are asked so often. */
static const int64_t DOUBT_NS = 30 * SY_NS_PER_S;
static const int64_t RELEASE_NS = 5 * SY_NS_PER_S;
/* What a bookmark takes to come, so that the watches have caught up when the lease runs out. */
static const int64_t FORESIGHT_NS = 5 * SY_NS_PER_S / 2;

enum phase {
    PHASE_STANDBY,
    PHASE_WAITING, /* leading, but a write of the leader before us may still land */
    PHASE_CATCHING_UP,
    PHASE_LEADING,
    PHASE_LOST,
};

struct sy_leader {
    struct sy_leader_options options;
    struct sy_election *election;
    struct sy_catch_up *catch_up;
    /* On standby, shortly before a lease runs out that is not renewed: the time from which the
     * holder's last write has landed. Another one there: it has been renewed. 0: not yet. */
    sy_time_ns foreseen;
    bool is_caught_up; /* since then */
    enum phase phase;
    bool is_shut; /* the outbox is paused */
    sy_time_ns acquired_at;
    bool is_deaf;
    sy_time_ns doubted_at;  /* when the watches were last made to show how far they are */
    struct sy_timer *timer; /* the fence is due, or the wait over */
    /* The shutdown, in order; 0: not there yet. */
    sy_time_ns letting_go_at, released_at;
};

static bool is_elected(const struct sy_leader *l)
{
    return sy_election_state(l->election) == SY_ELECTOR_LEADING;
}

/* ---- the handover ---- */

/* What each of our watches has seen, so that the successor's need not ask. */
static void write_note(const struct sy_leader *l, struct sy_buf *out)
{
    for (int i = 0; i < SY_FEEDS; i++) {
        const struct sy_feed *f = l->options.feeds[i];
        if (!f || sy_feed_is_refused(f) || !sy_feed_is_synced(f))
            continue;
        const char *at = sy_feed_last_change(f);
        sy_buf_addf(out, "%s%s=%s", out->len ? " " : "", sy_feed_resource(f), *at ? at : "0");
    }
}

/* The version behind "resource=" in a note; false when it does not say. */
static bool find_version(const char *note, const char *resource, char *ret, size_t room)
{
    size_t name_len = strlen(resource);

    while (*note) {
        size_t len = strcspn(note, " ");
        if (len > name_len && strncmp(note, resource, name_len) == 0 && note[name_len] == '=') {
            size_t value_len = len - name_len - 1;
            if (!value_len || value_len >= room)
                return false;
            memcpy(ret, note + name_len + 1, value_len);
            ret[value_len] = 0;
            return strspn(ret, "0123456789") == value_len;
        }
        note += len + (note[len] == ' ');
    }
    return false;
}

/* ---- phases ---- */

static void on_caught_up(void *arg);

static void begin_catch_up(struct sy_leader *l, const char *note)
{
    char version[SY_LEASE_ID_MAX + 1];

    l->catch_up = sy_catch_up_new(l->options.kube, on_caught_up, l);
    for (int i = 0; i < SY_FEEDS; i++) {
        const struct sy_feed *f = l->options.feeds[i];
        if (!f)
            continue;
        bool is_told = find_version(note, sy_feed_resource(f), version, sizeof(version));
        sy_feed_catch_up(f, l->catch_up, is_told ? version : NULL);
    }
}

static void stop_catch_up(struct sy_leader *l)
{
    sy_catch_up_free(l->catch_up);
    l->catch_up = NULL;
}

static void begin_leading(struct sy_leader *l)
{
    l->phase = PHASE_LEADING;
    sy_log_info(
        "leading: the watches have caught up", "term",
        SY_FMT("%" PRId64, sy_election_term(l->election)), "took",
        SY_FMT("%.3fs", (double)(sy_clock_boot_ns() - l->acquired_at) / (double)SY_NS_PER_S));
    l->options.on_change(l->options.arg);
}

static void on_caught_up(void *arg)
{
    struct sy_leader *l = arg;

    if (sy_catch_up_waits_for(l->catch_up))
        return;
    stop_catch_up(l);
    if (l->phase == PHASE_CATCHING_UP)
        begin_leading(l);
    else
        l->is_caught_up = true;
}

/* A holder that has not renewed its lease for so long writes no more, for it fences itself as we
 * do; what it did can be seen before the lease runs out. Returns when to look again, 0: never. */
static sy_time_ns foresee(struct sy_leader *l, sy_time_ns now)
{
    sy_time_ns taken_until = sy_election_taken_until(l->election);
    sy_time_ns clear_at = sy_election_clear_at(l->election);
    sy_time_ns at = taken_until - FORESIGHT_NS;
    sy_time_ns earliest = clear_at - l->options.write_ms * SY_NS_PER_MS;

    if (l->foreseen && l->foreseen != clear_at) {
        stop_catch_up(l);
        l->foreseen = 0;
        l->is_caught_up = false;
    }
    if (at < earliest)
        at = earliest;
    /* Nobody was seen to hold it yet. */
    if (!clear_at)
        return 0;
    if (l->foreseen || at >= taken_until)
        return 0;
    if (now < at)
        return at;
    l->foreseen = clear_at;
    begin_catch_up(l, "");
    return 0;
}

static void catch_up(struct sy_leader *l)
{
    bool is_foreseen = l->foreseen && l->foreseen == sy_election_clear_at(l->election);

    l->phase = PHASE_CATCHING_UP;
    if (is_foreseen && l->is_caught_up) {
        begin_leading(l);
    } else if (!is_foreseen || !l->catch_up) {
        stop_catch_up(l);
        begin_catch_up(l, sy_election_handover(l->election));
    }
}

/* The watch of our own lease is the canary of all. When it is silent they have to show that they
 * live before we go on deciding; opening them anew also heals those that do not. */
static void look_at_canary(struct sy_leader *l, sy_time_ns now)
{
    l->is_deaf = sy_election_is_deaf(l->election);
    if (!l->is_deaf || l->phase != PHASE_LEADING ||
        (l->doubted_at && now - l->doubted_at < DOUBT_NS))
        return;
    sy_log_warn("our own renewals do not come by the watch; all watches are opened anew");
    l->doubted_at = l->acquired_at = now;
    l->phase = PHASE_CATCHING_UP;
    sy_election_watch_anew(l->election);
    begin_catch_up(l, "");
    l->options.on_change(l->options.arg);
}

static void shut(struct sy_leader *l, bool is_shut)
{
    if (l->is_shut == is_shut)
        return;
    l->is_shut = is_shut;
    sy_outbox_pause(l->options.outbox, is_shut);
    l->options.on_change(l->options.arg);
}

static void look(void *arg)
{
    struct sy_leader *l = arg;
    sy_time_ns now = sy_clock_boot_ns();
    sy_time_ns fence = sy_election_fence(l->election), due = fence;

    if (l->phase == PHASE_STANDBY && is_elected(l)) {
        l->phase = PHASE_WAITING;
        l->acquired_at = now;
    }
    if (l->phase == PHASE_WAITING && now >= sy_election_clear_at(l->election))
        catch_up(l);
    look_at_canary(l, now);
    shut(l, !fence);
    if (l->phase == PHASE_STANDBY)
        due = foresee(l, now);
    if (l->phase == PHASE_WAITING && sy_election_clear_at(l->election) < due)
        due = sy_election_clear_at(l->election);
    if (due)
        sy_timer_arm(l->timer, due > now ? due - now : 0);
    if (l->phase == PHASE_LOST || sy_election_state(l->election) != SY_ELECTOR_LOST)
        return;
    l->phase = PHASE_LOST;
    l->options.on_lost(l->options.arg);
}

/* ---- life ---- */

/* As kube-scheduler's: the host's name and something that no other process has. */
static char *make_identity(void)
{
    uint64_t a = sy_rng_entropy(), b = sy_rng_entropy();
    char host[256] = "";

    if (gethostname(host, sizeof(host) - 1) != 0 || !host[0])
        host[0] = '0';
    return sy_xasprintf("%s_%08x-%04x-4%03x-%04x-%012" PRIx64, host, (uint32_t)a,
                        (unsigned)(a >> 32 & 0xffff), (unsigned)(a >> 48 & 0xfff),
                        (unsigned)(0x8000 | (b >> 48 & 0x3fff)), b & 0xffffffffffff);
}

int sy_leader_new(const struct sy_leader_options *options, struct sy_leader **ret,
                  struct sy_err *err)
{
    char *identity SY_CLEANUP(sy_freep) = make_identity();
    struct sy_leader *l = sy_xcalloc(1, sizeof(*l));
    struct sy_election_options election = {
        .ns = options->config->resource_namespace,
        .name = options->config->resource_name,
        .identity = identity,
        .component = options->component,
        .lease_ns = options->config->lease_ns,
        .renew_ns = options->config->renew_ns,
        .retry_ns = options->config->retry_ns,
        .write_ns = options->write_ms * SY_NS_PER_MS,
        .on_change = look,
        .arg = l,
    };

    l->options = *options;
    int r = sy_election_new(options->kube, &election, &l->election, err);
    if (r) {
        free(l);
        return r;
    }
    l->timer = sy_timer_new(sy_kube_loop(options->kube), look, l);
    l->is_shut = true;
    sy_outbox_pause(options->outbox, true);
    sy_kube_set_fence(options->kube, sy_election_fence, l->election, options->write_ms);
    *ret = l;
    return 0;
}

static sy_time_ns never(void *arg SY_UNUSED)
{
    return 0;
}

void sy_leader_free(struct sy_leader *l)
{
    if (!l)
        return;
    sy_kube_set_fence(l->options.kube, never, NULL, l->options.write_ms);
    sy_catch_up_free(l->catch_up);
    sy_timer_free(l->timer);
    sy_election_free(l->election);
    free(l);
}

void sy_leader_start(struct sy_leader *l)
{
    sy_election_start(l->election);
}

struct sy_health_check sy_leader_check(const struct sy_leader *l)
{
    struct sy_health_check check = {.name = "leader"};

    switch (l->phase) {
    case PHASE_STANDBY:
        check.why = "on standby: another replica leads, or none does yet";
        break;
    case PHASE_WAITING:
        check.why = "writes of the leader before us may still be on their way";
        break;
    case PHASE_CATCHING_UP:
        check.why = "the watches are catching up with what the leader before us has done";
        break;
    case PHASE_LEADING:
        check.ok = !l->is_shut;
        check.why = "the lease could not be renewed in time; nothing is written until it is";
        break;
    case PHASE_LOST:
        check.why = "the lease is lost";
        break;
    }
    return check;
}

bool sy_leader_is_deaf(const struct sy_leader *l)
{
    return l->is_deaf;
}

bool sy_leader_let_go(struct sy_leader *l, sy_time_ns now)
{
    enum sy_elector_state state = sy_election_state(l->election);
    struct sy_buf note SY_CLEANUP(sy_buf_done);

    sy_buf_init(&note, SY_ELECTOR_NOTE_MAX);
    if (state == SY_ELECTOR_LOST || state == SY_ELECTOR_RELEASED)
        return true;
    if (!l->letting_go_at)
        l->letting_go_at = now;
    if (l->released_at)
        return now - l->released_at > RELEASE_NS;
    bool is_confirmed = !l->options.cluster->pods_assumed;
    int64_t waited_ns = now - l->letting_go_at;
    if (state == SY_ELECTOR_LEADING &&
        ((!sy_outbox_is_idle(l->options.outbox) && waited_ns < LAST_WORDS_NS) ||
         (!is_confirmed && waited_ns < CONFIRM_NS)))
        return false;
    l->released_at = now;
    if (!is_confirmed)
        sy_buf_addf(&note, "after=%" PRId64 "ms", l->options.config->lease_ns / SY_NS_PER_MS);
    else if (l->phase == PHASE_LEADING)
        write_note(l, &note);
    sy_election_release(l->election, note.failed || !note.p ? "" : note.p);
    shut(l, true);
    return false;
}

void sy_leader_figures(const struct sy_leader *l, struct sy_figures *ret)
{
    ret->is_elected_by_lease = true;
    ret->is_leader = is_elected(l);
    ret->leader_name = l->options.config->resource_name;
    ret->leader_term = sy_election_term(l->election);
    ret->leader_slow_paths = sy_election_stats(l->election).slow_paths;
}
