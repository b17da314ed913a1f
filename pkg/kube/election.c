/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that happens ends in run(), which asks the elector what is next. A request outlives
 * the election until the client has called back. */
#include "kube/election.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/actions_body.h"
#include "kube/reflector.h"

enum { OBJECT_MAX_BYTES = 1 << 20, PATH_MAX_BYTES = 4096, RENEWALS_UNHEARD = 5 };

struct request {
    struct sy_election *el; /* NULL: abandoned */
    enum sy_elector_step step;
};

struct sy_election {
    struct sy_kube *k;
    struct sy_elector elector;
    char *ns, *name, *identity, *component;
    char *lock;       /* "NAMESPACE/NAME", as client-go describes it */
    char *collection; /* path */
    char *path;       /* of the lease */
    char *query;      /* of the watch */
    uint32_t timeout_ms;
    void (*on_change)(void *arg);
    void *arg;

    struct sy_reflector *reflector;
    bool is_listed; /* by the list that is under way */
    sy_time_ns heard_ns;
    struct sy_buf object; /* as the elector goes by it */
    struct request *request;
    sy_http_id call;
    struct sy_timer *timer;

    enum sy_elector_state told;
    char told_holder[SY_LEASE_HOLDER_MAX + 1];
    struct sy_election_stats stats;
};

static void run(struct sy_election *el);

static void keep_object(struct sy_election *el, struct sy_str raw)
{
    sy_buf_reset(&el->object);
    sy_buf_add(&el->object, raw.p, raw.len);
}

/* ---- events ---- */

static void on_event_done(void *arg SY_UNUSED, const struct sy_kube_result *result)
{
    if (result->code && result->code != -ECANCELED)
        sy_log_warn("event not written", "reason", "LeaderElection", "error", result->err->msg);
}

static void write_event_body(const struct sy_election *el, const char *what, struct sy_buf *out)
{
    const struct sy_lease *lease = &el->elector.seen;
    char now[SY_RFC3339_MAX];
    struct sy_json j = {.out = out};
    int64_t wall_ns = sy_clock_wall_ns();

    sy_rfc3339_format(wall_ns, 0, now);
    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "v1");
    sy_json_text(&j, "kind", "Event");
    sy_json_object(&j, "metadata");
    sy_json_text(&j, "name", SY_FMT("%s.%" PRIx64, el->name, (uint64_t)wall_ns));
    sy_json_text(&j, "namespace", el->ns);
    sy_json_end_object(&j);
    sy_json_object(&j, "involvedObject");
    sy_json_text(&j, "kind", "Lease");
    sy_json_text(&j, "apiVersion", "coordination.k8s.io/v1");
    sy_json_text(&j, "namespace", el->ns);
    sy_json_text(&j, "name", el->name);
    sy_json_text(&j, "uid", lease->uid);
    sy_json_text(&j, "resourceVersion", lease->version);
    sy_json_end_object(&j);
    sy_json_text(&j, "type", "Normal");
    sy_json_text(&j, "reason", "LeaderElection");
    sy_json_text(&j, "message", SY_FMT("%.600s %s", el->identity, what));
    sy_json_object(&j, "source");
    sy_json_text(&j, "component", el->component);
    sy_json_end_object(&j);
    sy_json_text(&j, "reportingComponent", el->component);
    sy_json_text(&j, "firstTimestamp", now);
    sy_json_text(&j, "lastTimestamp", now);
    sy_json_i64(&j, "count", 1);
    sy_json_end_object(&j);
}

static void write_event(struct sy_election *el, const char *what)
{
    struct sy_buf path SY_CLEANUP(sy_buf_done), body SY_CLEANUP(sy_buf_done);
    struct sy_err err;

    sy_buf_init(&path, PATH_MAX_BYTES);
    sy_buf_init(&body, OBJECT_MAX_BYTES);
    sy_buf_adds(&path, "/api/v1/namespaces/");
    sy_body_segment(&path, el->ns);
    sy_buf_adds(&path, "/events");
    write_event_body(el, what, &body);
    struct sy_kube_call call = {
        .method = "POST",
        .path = path.p,
        .body = sy_buf_str(&body),
        .retry = SY_RETRY_SAFE,
        .on_done = on_event_done,
    };
    if (path.failed || body.failed || sy_kube_send(el->k, &call, NULL, &err))
        sy_log_warn("event not written", "reason", "LeaderElection");
}

/* ---- what has changed ---- */

static bool note_state(struct sy_election *el)
{
    enum sy_elector_state state = el->elector.state;

    if (state == el->told)
        return false;
    el->told = state;
    switch (state) {
    case SY_ELECTOR_STANDBY:
        break;
    case SY_ELECTOR_LEADING:
        sy_log_info("successfully acquired lease", "lock", el->lock, "identity", el->identity,
                    "term", SY_FMT("%" PRId64, sy_elector_term(&el->elector)));
        write_event(el, "became leader");
        break;
    case SY_ELECTOR_LOST:
        sy_log_error("leaderelection lost", "lock", el->lock, "holder", el->elector.seen.holder);
        break;
    case SY_ELECTOR_RELEASED:
        sy_log_info("lease given back", "lock", el->lock);
        break;
    }
    return true;
}

static bool note_holder(struct sy_election *el)
{
    const struct sy_lease *seen = &el->elector.seen;

    if (!el->elector.has_seen || strcmp(seen->holder, el->told_holder) == 0)
        return false;
    memcpy(el->told_holder, seen->holder, sizeof(el->told_holder));
    if (!seen->holder[0])
        return true;
    sy_log_info("new leader elected", "lock", el->lock, "identity", seen->holder);
    return true;
}

/* ---- requests ---- */

static void on_done(void *arg, const struct sy_kube_result *result)
{
    struct request *request = arg;
    struct sy_election *el = request->el;
    enum sy_elector_step step = request->step;
    sy_time_ns now = sy_clock_boot_ns();
    struct sy_lease lease;
    struct sy_err err;

    free(request);
    if (!el)
        return;
    el->request = NULL;
    int r = result->code ? result->code : sy_lease_parse(result->body, &lease, &err);
    bool is_absent = step == SY_ELECTOR_READ && result->http_status == 404;
    if (result->http_status == 409) {
        sy_log_info("the lease has changed meanwhile", "lock", el->lock);
    } else if (r && !is_absent) {
        el->stats.errors++;
        sy_log_warn("lease not reached", "lock", el->lock, "error",
                    result->code ? result->err->msg : err.msg);
    }
    if (is_absent) {
        sy_elector_read(&el->elector, NULL, now);
    } else if (step == SY_ELECTOR_READ && r) {
        sy_elector_read_failed(&el->elector, now);
    } else if (r) {
        sy_elector_write_failed(&el->elector, now);
    } else {
        bool is_kept = step == SY_ELECTOR_READ ? sy_elector_read(&el->elector, &lease, now)
                                               : sy_elector_wrote(&el->elector, &lease, now);
        el->stats.renewals += step != SY_ELECTOR_READ;
        if (is_kept)
            keep_object(el, result->body);
    }
    run(el);
}

static int send_step(struct sy_election *el, enum sy_elector_step step,
                     const struct sy_lease *lease, struct sy_err *err)
{
    bool is_new = step == SY_ELECTOR_CREATE;
    struct sy_buf body SY_CLEANUP(sy_buf_done);
    int r = 0;

    sy_buf_init(&body, OBJECT_MAX_BYTES);
    if (step != SY_ELECTOR_READ)
        r = sy_lease_write(is_new ? (struct sy_str){0} : sy_buf_str(&el->object), el->ns, el->name,
                           lease, &body, err);
    if (r)
        return r;
    el->request = sy_xcalloc(1, sizeof(*el->request));
    *el->request = (struct request){el, step};
    struct sy_kube_call call = {
        .method = step == SY_ELECTOR_READ ? "GET"
                  : is_new                ? "POST"
                                          : "PUT",
        .path = is_new ? el->collection : el->path,
        .body = sy_buf_str(&body),
        .timeout_ms = el->timeout_ms,
        .is_urgent = true,
        .is_unfenced = true,
        .on_done = on_done,
        .arg = el->request,
    };
    r = sy_kube_send(el->k, &call, &el->call, err);
    if (r) {
        free(el->request);
        el->request = NULL;
    }
    return r;
}

static void run(struct sy_election *el)
{
    sy_time_ns now = sy_clock_boot_ns(), at;
    struct sy_lease lease;
    struct sy_err err;

    sy_elector_set_watched(&el->elector, sy_reflector_is_live(el->reflector));
    enum sy_elector_step step = sy_elector_next(&el->elector, now, sy_clock_wall_ns(), &lease, &at);
    if (step != SY_ELECTOR_WAIT && send_step(el, step, &lease, &err)) {
        el->stats.errors++;
        sy_log_warn("lease not reached", "lock", el->lock, "error", err.msg);
        sy_elector_read_failed(&el->elector, now);
    }
    if (step != SY_ELECTOR_WAIT) /* the deadline, or when to try again */
        sy_elector_next(&el->elector, now, 0, &lease, &at);
    if (at == INT64_MAX)
        sy_timer_disarm(el->timer);
    else
        sy_timer_arm(el->timer, at > now ? at - now : 0);
    bool has_changed = note_holder(el);
    if (note_state(el) || has_changed || step == SY_ELECTOR_WAIT)
        el->on_change(el->arg);
}

static void on_timer(void *arg)
{
    run(arg);
}

/* ---- the watch ---- */

static int on_object(void *arg, enum sy_event_type type, enum sy_encoding enc, struct sy_str raw)
{
    struct sy_election *el = arg;
    sy_time_ns now = sy_clock_boot_ns();
    struct sy_lease lease;

    if (enc != SY_ENCODING_JSON || sy_lease_parse(raw, &lease, NULL))
        return -EBADMSG;
    el->heard_ns = now;
    el->is_listed = true;
    if (type == SY_EVENT_DELETED)
        sy_elector_saw(&el->elector, NULL, now);
    else if (sy_elector_saw(&el->elector, &lease, now))
        keep_object(el, raw);
    sy_timer_arm(el->timer, 0); /* the reflector may not be freed from here */
    return 0;
}

static void on_replace_begin(void *arg)
{
    struct sy_election *el = arg;

    el->is_listed = false;
}

static void on_replace_end(void *arg)
{
    struct sy_election *el = arg;

    el->heard_ns = sy_clock_boot_ns();
    if (!el->is_listed)
        sy_elector_saw(&el->elector, NULL, sy_clock_boot_ns());
    sy_timer_arm(el->timer, 0);
}

static void on_watch_error(void *arg, const struct sy_err *err, int64_t retry_in_ns SY_UNUSED)
{
    struct sy_election *el = arg;

    sy_log_warn("the lease is not watched; it is asked for meanwhile", "lock", el->lock, "error",
                sy_err_text(err, err->code));
    sy_timer_arm(el->timer, 0);
}

/* ---- life ---- */

static int make_paths(struct sy_election *el, struct sy_err *err)
{
    struct sy_buf path SY_CLEANUP(sy_buf_done), query SY_CLEANUP(sy_buf_done);

    sy_buf_init(&path, PATH_MAX_BYTES);
    sy_buf_init(&query, PATH_MAX_BYTES);
    sy_buf_adds(&path, "/apis/coordination.k8s.io/v1/namespaces/");
    sy_body_segment(&path, el->ns);
    sy_buf_adds(&path, "/leases");
    sy_buf_adds(&query, "fieldSelector=metadata.name%3D");
    sy_body_segment(&query, el->name);
    if (!path.failed)
        el->collection = sy_xstrdup(path.p);
    sy_buf_addc(&path, '/');
    sy_body_segment(&path, el->name);
    if (path.failed || query.failed)
        return sy_err_set(err, -EINVAL, "the name of the lease is too long");
    el->path = sy_xstrdup(path.p);
    el->query = sy_xstrdup(query.p);
    return 0;
}

int sy_election_new(struct sy_kube *k, const struct sy_election_options *options,
                    struct sy_election **ret, struct sy_err *err)
{
    if (!*options->identity || strlen(options->identity) > SY_LEASE_HOLDER_MAX || !*options->ns ||
        !*options->name)
        return sy_err_set(err, -EINVAL, "an election needs a lease's name and an identity");
    struct sy_election *el = sy_xcalloc(1, sizeof(*el));

    el->k = k;
    el->ns = sy_xstrdup(options->ns);
    el->name = sy_xstrdup(options->name);
    el->lock = sy_xasprintf("%s/%s", options->ns, options->name);
    el->identity = sy_xstrdup(options->identity);
    el->component = sy_xstrdup(options->component);
    el->on_change = options->on_change;
    el->arg = options->arg;
    /* As kube-scheduler's client for it. */
    int64_t half_ms = options->renew_ns / 2 / SY_NS_PER_MS;
    el->timeout_ms = half_ms < 1 ? 1 : half_ms > INT32_MAX ? INT32_MAX : (uint32_t)half_ms;
    sy_buf_init(&el->object, OBJECT_MAX_BYTES);
    struct sy_elector_options elector = {
        .identity = el->identity,
        .lease_ns = options->lease_ns,
        .renew_ns = options->renew_ns,
        .retry_ns = options->retry_ns,
        .write_ns = options->write_ns,
        .rng_seed = sy_rng_entropy(),
    };
    sy_elector_init(&el->elector, &elector);
    el->timer = sy_timer_new(sy_kube_loop(k), on_timer, el);
    int r = make_paths(el, err);
    struct sy_reflector_options reflector = {
        .path = el->collection,
        .query = el->query,
        .encoding = SY_ENCODING_JSON,
        .max_object_bytes = OBJECT_MAX_BYTES,
        .rng_seed = sy_rng_entropy(),
        .on_object = on_object,
        .on_replace_begin = on_replace_begin,
        .on_replace_end = on_replace_end,
        .on_error = on_watch_error,
        .arg = el,
    };
    if (r || (r = sy_reflector_new(k, &reflector, &el->reflector, err))) {
        sy_election_free(el);
        return r;
    }
    *ret = el;
    return 0;
}

void sy_election_free(struct sy_election *el)
{
    if (!el)
        return;
    sy_reflector_free(el->reflector);
    if (el->request) {
        el->request->el = NULL;
        sy_kube_cancel(el->k, el->call);
    }
    sy_timer_free(el->timer);
    sy_buf_done(&el->object);
    free(el->ns);
    free(el->name);
    free(el->lock);
    free(el->identity);
    free(el->component);
    free(el->collection);
    free(el->path);
    free(el->query);
    free(el);
}

void sy_election_start(struct sy_election *el)
{
    sy_log_info("attempting to acquire leader lease", "lock", el->lock, "identity", el->identity);
    sy_reflector_start(el->reflector);
    sy_timer_arm(el->timer, 0);
}

enum sy_elector_state sy_election_state(const struct sy_election *el)
{
    return el->elector.state;
}

const char *sy_election_holder(const struct sy_election *el)
{
    return el->elector.seen.holder;
}

sy_time_ns sy_election_fence(void *arg)
{
    struct sy_election *el = arg;

    return sy_elector_may_write(&el->elector, sy_clock_boot_ns())
               ? sy_elector_writes_until(&el->elector)
               : 0;
}

sy_time_ns sy_election_clear_at(const struct sy_election *el)
{
    return sy_elector_clear_at(&el->elector);
}

sy_time_ns sy_election_taken_until(const struct sy_election *el)
{
    return sy_elector_taken_until(&el->elector);
}

const char *sy_election_handover(const struct sy_election *el)
{
    return sy_elector_handover(&el->elector);
}

int64_t sy_election_term(const struct sy_election *el)
{
    return sy_elector_term(&el->elector);
}

bool sy_election_is_deaf(const struct sy_election *el)
{
    const struct sy_elector *e = &el->elector;

    return e->state == SY_ELECTOR_LEADING && sy_reflector_is_live(el->reflector) &&
           e->renewed_at - el->heard_ns > RENEWALS_UNHEARD * e->options.retry_ns;
}

void sy_election_watch_anew(struct sy_election *el)
{
    sy_reflector_hurry(el->reflector);
}

void sy_election_release(struct sy_election *el, const char *note)
{
    if (el->elector.state == SY_ELECTOR_LEADING)
        write_event(el, "stopped leading");
    sy_elector_release(&el->elector, note, sy_clock_boot_ns());
    sy_timer_arm(el->timer, 0);
}

struct sy_election_stats sy_election_stats(const struct sy_election *el)
{
    struct sy_election_stats stats = el->stats;

    stats.slow_paths = el->elector.slow_paths;
    return stats;
}
