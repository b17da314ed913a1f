/* SPDX-License-Identifier: Apache-2.0
 *
 * A Prometheus HTTP API: each query is a poll of its own, of two requests, for the values and for
 * when they were measured. Ages are taken on the server's clock, which may differ from ours. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "load/queries.h"
#include "load/series.h"
#include "load/source.h"
#include "net/http.h"

enum {
    ANSWER_MAX_BYTES = 16 << 20,
    FORM_MAX_BYTES = 256 << 10,
    FILE_MAX_BYTES = 1 << 20,
    TOKEN_MAX_BYTES = 64 << 10,
};
static const int64_t STEP_MAX_NS = 100 * SY_NS_PER_MS;
/* Three decades; so that sums of times fit. */
static const double AGE_MAX_S = 1e9;
/* Idle GPUs hold some of their memory for the driver; below this none is in use. */
static const double MEMORY_HELD = 0.01;

struct request {
    struct query *query;
    bool is_time;
    bool is_in_flight;
    struct sy_series_set answer;
};

struct query {
    struct sy_poll poll; /* first: sy_poll's ask() gets it */
    struct sy_prometheus *owner;
    struct sy_load_asked asked;
    uint32_t number; /* enum sy_load_metric, or SY_LOAD_XID */
    bool is_off;
    bool is_up;
    struct request values, times;
    sy_time_ns asked_ns;
    struct sy_err err; /* code is set when one of the two failed */
};

struct sy_prometheus {
    struct sy_origin *origin;
    struct sy_loop *loop;
    const struct sy_load_join *join;
    struct sy_http *http;
    char *url; /* owned: of the query endpoint */
    char *token_file, *ca_file;
    struct query queries[SY_LOAD_QUERIES];
    struct sy_series_set gpu_memory; /* by node, of the last answer */
    bool is_closing;
};

/* ---- credentials ---- */

/* *ret: an owned header line, NULL without a file. */
static int read_token(const struct sy_prometheus *p, char **ret, struct sy_err *err)
{
    struct sy_buf token;
    int r = 0;

    *ret = NULL;
    if (!p->token_file)
        return 0;
    sy_buf_init(&token, TOKEN_MAX_BYTES);
    r = sy_file_read(p->token_file, &token, err);
    if (r)
        return sy_err_wrap(err, r, "bearerTokenFile");
    size_t len = token.len ? strcspn(token.p, " \t\r\n") : 0;
    *ret = sy_xasprintf("Authorization: Bearer %.*s", (int)len, token.len ? token.p : "");
    if (token.len)
        explicit_bzero(token.p, token.len);
    sy_buf_done(&token);
    return 0;
}

static int http_config(const struct sy_prometheus *p, struct sy_buf *ca, struct sy_http_config *ret,
                       struct sy_err *err)
{
    *ret = (struct sy_http_config){0};
    sy_buf_init(ca, FILE_MAX_BYTES);
    if (!p->ca_file)
        return 0;
    int r = sy_file_read(p->ca_file, ca, err);
    if (r)
        return sy_err_wrap(err, r, "caFile");
    ret->ca_pem = ca->len ? ca->p : "";
    return 0;
}

/* The CA may have been replaced since. */
static void reread_ca(struct sy_prometheus *p)
{
    struct sy_http_config config;
    struct sy_buf ca;

    if (http_config(p, &ca, &config, NULL) == 0 && sy_http_reconfigure(p->http, &config, NULL) != 0)
        sy_buf_reset(&ca); /* the next failure says the same */
    sy_buf_done(&ca);
}

/* ---- from series to samples ---- */

/* set: by label; becomes by node. Returns how many had no node, *ret_example names one. */
static uint32_t join_nodes(const struct query *q, struct sy_series_set *set,
                           struct sy_str *ret_example, char *room, size_t room_size)
{
    struct sy_series_set joined = {.malformed = set->malformed, .unlabelled = set->unlabelled};
    uint32_t unjoined = 0;
    struct sy_str node;
    struct sy_series *s;

    sy_buf_init(&joined.texts, ANSWER_MAX_BYTES);
    SY_VEC_FOREACH (s, &set->all) {
        struct sy_str label = sy_series_label(set, s);
        struct sy_series one = *s;
        one.label_at = (uint32_t)joined.texts.len;
        if (!sy_load_join_find(q->owner->join, q->asked.join_by, label, &node) ||
            sy_buf_add(&joined.texts, node.p, node.len)) {
            if (!unjoined++) {
                snprintf(room, room_size, "%s=%.*s", q->asked.join_label,
                         (int)(label.len > 100 ? 100 : label.len), label.p);
                *ret_example = sy_str_from(room);
            }
            continue;
        }
        one.label_len = (uint32_t)node.len;
        sy_vec_push(&joined.all, one);
    }
    sy_series_done(set);
    *set = joined;
    return unjoined;
}

static struct sy_load_sample sample_of(const struct query *q, double value, double age_s)
{
    int64_t window = q->asked.window_ns ? q->asked.window_ns : SY_LOAD_WINDOW_UNKNOWN_NS;
    struct sy_load_sample sample = {
        .metric = (enum sy_load_metric)q->number,
        .value = value,
        .is_share = q->asked.unit != SY_LOAD_AMOUNT,
        .window_ns = q->asked.window_ns,
    };

    if (q->asked.unit == SY_LOAD_PERCENT)
        sample.value = value / 100;
    if (q->asked.unit == SY_LOAD_AMOUNT && (q->number == SY_LOAD_CPU || q->number == SY_LOAD_GPU))
        sample.value = value * 1000;
    if (age_s > AGE_MAX_S)
        age_s = AGE_MAX_S;
    if (age_s < -AGE_MAX_S)
        age_s = -AGE_MAX_S;
    sample.at_ns =
        sy_load_core_time(-(int64_t)(age_s * (double)SY_NS_PER_S), 0, q->asked_ns, window);
    return sample;
}

/* Exporters have been seen to serve the last values for ever: an idle that is old, of GPUs whose
 * memory is in use, is no idle. */
static bool is_doubtful(const struct query *q, struct sy_str node,
                        const struct sy_load_sample *sample)
{
    const struct query *memory = &q->owner->queries[SY_LOAD_GPU_MEMORY];
    int64_t window = sample->window_ns ? sample->window_ns : SY_LOAD_WINDOW_UNKNOWN_NS;

    if (q->number != SY_LOAD_GPU || sample->value > 0 || q->asked_ns - sample->at_ns <= window)
        return false;
    const struct sy_series *held = sy_series_find(&q->owner->gpu_memory, node);
    double least = memory->asked.unit == SY_LOAD_SHARE     ? MEMORY_HELD
                   : memory->asked.unit == SY_LOAD_PERCENT ? MEMORY_HELD * 100
                                                           : 0;
    return held && held->value > least;
}

static void give(struct query *q, const struct sy_series *s, struct sy_str node)
{
    const struct sy_series *time = sy_series_find(&q->times.answer, node);
    char example[SY_POLL_EXAMPLE_MAX];

    if (s->differs) {
        snprintf(example, sizeof(example), "%.*s by the label %.40s",
                 (int)(node.len > 100 ? 100 : node.len), node.p, q->asked.join_label);
        sy_poll_leave_out(&q->poll, SY_LOAD_DUPLICATE, 1, sy_str_from(example));
        return;
    }
    if (!time || !isfinite(time->value)) {
        sy_poll_leave_out(&q->poll, SY_LOAD_MALFORMED, 1, node);
        return;
    }
    struct sy_load_sample sample = sample_of(q, s->value, s->at_s - time->value);
    if (is_doubtful(q, node, &sample))
        sy_poll_leave_out(&q->poll, SY_LOAD_DOUBTED, 1, node);
    else
        sy_poll_give(&q->poll, node, sample);
}

static void count_xid(struct query *q)
{
    const struct sy_series *s;
    uint32_t nodes = 0;

    SY_VEC_FOREACH (s, &q->values.answer.all)
        nodes += s->value > 0;
    q->poll.origin->figures.xid_nodes = nodes;
}

static void hand_on(struct query *q)
{
    struct sy_series_set *values = &q->values.answer, *times = &q->times.answer;
    char room[SY_POLL_EXAMPLE_MAX], ignored[SY_POLL_EXAMPLE_MAX];
    struct sy_str example = {0}, none = {0};
    const struct sy_series *s;

    if (*values->warning || *times->warning)
        sy_poll_leave_out(&q->poll, SY_LOAD_PARTIAL, 1,
                          sy_str_from(*values->warning ? values->warning : times->warning));
    uint32_t unjoined = join_nodes(q, values, &example, room, sizeof(room));
    join_nodes(q, times, &none, ignored, sizeof(ignored));
    sy_series_unite(values);
    sy_series_unite(times);
    sy_poll_leave_out(&q->poll, SY_LOAD_UNJOINED, unjoined, example);
    snprintf(room, sizeof(room), "a series without the label %.80s", q->asked.join_label);
    sy_poll_leave_out(&q->poll, SY_LOAD_UNJOINED, values->unlabelled, sy_str_from(room));
    sy_poll_leave_out(&q->poll, SY_LOAD_MALFORMED, values->malformed, SY_STR("no number"));
    if (q->number == SY_LOAD_XID) {
        count_xid(q);
        return;
    }
    SY_VEC_FOREACH (s, &values->all)
        give(q, s, sy_series_label(values, s));
    if (q->number == SY_LOAD_GPU_MEMORY) {
        sy_series_done(&q->owner->gpu_memory);
        q->owner->gpu_memory = *values;
        *values = (struct sy_series_set){0};
    }
}

/* ---- requests ---- */

static void finish(struct query *q)
{
    if (q->values.is_in_flight || q->times.is_in_flight)
        return;
    q->is_up = !q->err.code;
    if (q->is_up)
        hand_on(q);
    sy_series_done(&q->values.answer);
    sy_series_done(&q->times.answer);
    if (q->is_up)
        sy_poll_answered(&q->poll);
    else
        sy_poll_failed(&q->poll, &q->err);
}

static void set_http_error(const struct sy_http_result *result, struct sy_err *err)
{
    struct sy_series_set ignored = {0};
    int status = result->http_status;

    /* Prometheus says in the body what is wrong; a proxy before it does not. */
    if (sy_series_read(result->body, "", &ignored, err) != -EREMOTEIO) {
        const char *hint = status == 401 || status == 403 ? "; see bearerTokenFile"
                           : status == 404                ? "; see url"
                           : status >= 300 && status < 400
                               ? "; redirects are not followed, give the url that it leads to"
                               : "";
        sy_err_set(err, status >= 500 ? -EREMOTEIO : -EPROTO, "the server answers HTTP %d%s",
                   status, hint);
    }
    sy_series_done(&ignored);
    err->http_status = status;
    err->retry_after_ms = result->retry_after_ms;
}

static void on_done(void *arg, const struct sy_http_result *result)
{
    struct request *r = arg;
    struct query *q = r->query;
    struct sy_err err = {0};

    r->is_in_flight = false;
    if (q->owner->is_closing)
        return;
    if (result->code)
        sy_err_set(&err, result->code, "%s: %s", q->owner->url, result->error);
    else if (result->http_status < 200 || result->http_status >= 300)
        set_http_error(result, &err);
    else if (sy_series_read(result->body, q->asked.join_label, &r->answer, &err) == 0)
        err.code = 0;
    if (result->code == -EKEYREJECTED)
        reread_ca(q->owner);
    if (err.code && !q->err.code) {
        q->err = err;
        if (r->is_time)
            sy_err_wrap(&q->err, err.code, "when it was measured");
    }
    finish(q);
}

static int send_one(struct query *q, struct request *request, const char *promql, const char *token,
                    struct sy_err *err)
{
    struct sy_prometheus *p = q->owner;
    struct sy_buf form;
    const char *headers[] = {"Content-Type: application/x-www-form-urlencoded",
                             "Accept: application/json", token, NULL};
    struct sy_http_request r = {
        .method = "POST",
        .url = p->url,
        .headers = headers,
        .timeout_ms = (uint32_t)(p->origin->timeout_ns / SY_NS_PER_MS),
        .max_body_bytes = ANSWER_MAX_BYTES,
        .on_done = on_done,
        .arg = request,
    };
    sy_http_id id;
    int code;

    sy_buf_init(&form, FORM_MAX_BYTES);
    sy_buf_adds(&form, "query=");
    sy_load_url_escape(&form, promql);
    code = form.failed ? sy_err_set(err, form.failed, "the query is too long") : 0;
    if (!code) {
        r.body = sy_buf_str(&form);
        code = sy_http_send(p->http, &r, &id, err);
    }
    sy_buf_done(&form);
    request->is_in_flight = !code;
    return code;
}

static void ask(struct sy_poll *poll)
{
    struct query *q = (struct query *)poll;
    struct sy_err err = {0};
    char *token = NULL;

    q->err = (struct sy_err){0};
    q->asked_ns = sy_loop_now_ns(q->owner->loop);
    int r = read_token(q->owner, &token, &err);
    if (!r)
        r = send_one(q, &q->values, q->asked.promql, token, &err);
    if (!r && q->asked.time_promql)
        r = send_one(q, &q->times, q->asked.time_promql, token, &err);
    if (token)
        explicit_bzero(token, strlen(token));
    free(token);
    if (r) {
        q->err = err;
        q->err.code = r;
        finish(q);
    }
}

/* ---- life ---- */

bool sy_prometheus_joins(const struct sy_load_source *source)
{
    for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++) {
        struct sy_load_asked asked;
        if (source->queries[i].is_off)
            continue;
        sy_load_asked_init(&asked, source, i);
        enum sy_load_join_by by = asked.join_by;
        sy_load_asked_done(&asked);
        if (by != SY_LOAD_BY_NAME)
            return true;
    }
    return false;
}

static int start_http(struct sy_prometheus *p, struct sy_err *err)
{
    struct sy_http_config config;
    struct sy_buf ca;
    int r = http_config(p, &ca, &config, err);

    if (!r)
        r = sy_http_new(p->loop, &config, &p->http, err);
    sy_buf_done(&ca);
    return r;
}

int sy_prometheus_new(struct sy_origin *origin, const struct sy_load_source *source,
                      struct sy_loop *loop, const struct sy_load_join *join,
                      struct sy_prometheus **ret, struct sy_err *err)
{
    struct sy_prometheus *p = sy_xcalloc(1, sizeof(*p));
    size_t len = strlen(source->url);

    p->origin = origin;
    p->loop = loop;
    p->join = join;
    while (len && source->url[len - 1] == '/')
        len--;
    p->url = sy_xasprintf("%.*s/api/v1/query", (int)len, source->url);
    p->token_file = sy_xstrdup(source->bearer_token_file);
    p->ca_file = sy_xstrdup(source->ca_file);
    for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++) {
        struct query *q = &p->queries[i];
        sy_poll_init(&q->poll, origin, sy_load_query_name(i), ask);
        sy_load_asked_init(&q->asked, source, i);
        q->owner = p;
        q->number = i;
        q->is_off = source->queries[i].is_off;
        q->values = (struct request){.query = q};
        q->times = (struct request){.query = q, .is_time = true};
    }
    int r = start_http(p, err);
    if (r) {
        sy_prometheus_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void sy_prometheus_free(struct sy_prometheus *p)
{
    if (!p)
        return;
    p->is_closing = true;
    if (p->http)
        sy_http_free(p->http);
    for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++) {
        struct query *q = &p->queries[i];
        sy_poll_done(&q->poll);
        sy_load_asked_done(&q->asked);
        sy_series_done(&q->values.answer);
        sy_series_done(&q->times.answer);
    }
    sy_series_done(&p->gpu_memory);
    free(p->url);
    free(p->token_file);
    free(p->ca_file);
    free(p);
}

void sy_prometheus_start(struct sy_prometheus *p)
{
    /* Apart, so that the answers of a large cluster are not all read in one turn of the loop. */
    int64_t step = p->origin->interval_ns / (2 * SY_LOAD_QUERIES);

    if (step > STEP_MAX_NS)
        step = STEP_MAX_NS;
    for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++) {
        if (!p->queries[i].is_off)
            sy_poll_start(&p->queries[i].poll, i * step);
    }
}

bool sy_prometheus_is_up(const struct sy_prometheus *p)
{
    for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++) {
        if (!p->queries[i].is_off && !p->queries[i].is_up)
            return false;
    }
    return true;
}
