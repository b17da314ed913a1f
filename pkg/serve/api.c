/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks is settled first, then the answer is made: what is shown is the state of the moment in
 * which it is sent. */
#include "serve/api.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/api_capacity.h"
#include "serve/api_explain.h"
#include "serve/api_nodes.h"
#include "serve/api_queues.h"
#include "serve/live.h"
#include "serve/ui.h"

enum { ANSWER_MAX_BYTES = 64 << 20, ERROR_MAX_BYTES = 16 << 10 };

static const char JSON_TYPE[] = "application/json";

struct sy_api {
    struct sy_api_options options;
    struct sy_live *live;
};

/* A request whose sender is being checked. */
struct asked {
    struct sy_api *api;
    struct sy_exchange *x;
    void (*answer)(struct sy_api *a, struct sy_exchange *x);
};

/* As the API server says no (metav1.Status), so that clients of it can tell what is the matter. */
static void refuse(struct sy_exchange *x, int status, const char *why)
{
    const char *reason = status == 401   ? "Unauthorized"
                         : status == 403 ? "Forbidden"
                         : status == 404 ? "NotFound"
                         : status == 400 ? "BadRequest"
                         : status == 429 ? "TooManyRequests"
                         : status == 503 ? "ServiceUnavailable"
                                         : "InternalError";
    struct sy_buf out;

    sy_buf_init(&out, ERROR_MAX_BYTES);
    struct sy_json j = {.out = &out};
    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "v1");
    sy_json_text(&j, "kind", "Status");
    sy_json_text(&j, "status", "Failure");
    sy_json_text(&j, "reason", reason);
    sy_json_text(&j, "message", why);
    sy_json_i64(&j, "code", status);
    sy_json_end_object(&j);
    sy_buf_addc(&out, '\n');
    sy_reply(x, status, JSON_TYPE, sy_buf_str(&out));
    sy_buf_done(&out);
}

static void reply(struct sy_exchange *x, struct sy_buf *out)
{
    sy_buf_addc(out, '\n');
    if (out->failed)
        refuse(x, 500, "the answer does not fit in memory");
    else
        sy_reply(x, 200, JSON_TYPE, sy_buf_str(out));
}

static void on_checked(void *arg, int status, const char *why)
{
    struct asked *asked = arg;

    if (status == 200)
        asked->answer(asked->api, asked->x);
    else
        refuse(asked->x, status, why);
    free(asked);
}

static void check_then(struct sy_api *a, struct sy_exchange *x,
                       void (*answer)(struct sy_api *a, struct sy_exchange *x))
{
    const char *token = sy_exchange_bearer(x);

    if (!sy_exchange_is_private(x)) {
        refuse(x, 403, "a token must not travel in the clear: use https");
        return;
    }
    if (!token) {
        refuse(x, 401, "give a token in the field Authorization: Bearer TOKEN");
        return;
    }
    struct asked *asked = sy_xmalloc(sizeof(*asked));
    *asked = (struct asked){a, x, answer};
    sy_exchange_defer(x);
    a->options.gate(a->options.gate_arg, token, sy_exchange_path(x), on_checked, asked);
}

/* ---- the endpoints ---- */

static void answer_explain(struct sy_api *a, struct sy_exchange *x)
{
    const char *ns = sy_exchange_query(x, "namespace"), *name = sy_exchange_query(x, "pod");
    struct sy_buf out;

    if (!name || !*name) {
        refuse(x, 400, "name a pod: ?namespace=NAMESPACE&pod=NAME");
        return;
    }
    ns = ns && *ns ? ns : "default";
    sy_buf_init(&out, ANSWER_MAX_BYTES);
    if (sy_api_explain_write(a->options.sched, a->options.strings, ns, name, a->options.now(),
                             a->options.wall_now(), &out)) {
        char *why = sy_xasprintf("there is no pod %s/%s that is not at its end", ns, name);
        refuse(x, 404, why);
        free(why);
    } else {
        reply(x, &out);
    }
    sy_buf_done(&out);
}

static void handle_explain(void *arg, struct sy_exchange *x)
{
    check_then(arg, x, answer_explain);
}

static void answer_what_if(struct sy_api *a, struct sy_exchange *x)
{
    const char *manifests = sy_exchange_query(x, "manifest");
    struct sy_err err = {0};
    struct sy_buf out;

    if (!manifests || !*manifests) {
        refuse(x, 400, "give the pods: ?manifest=YAML-OR-JSON");
        return;
    }
    sy_buf_init(&out, ANSWER_MAX_BYTES);
    int r = a->options.what_if(a->options.what_if_arg, sy_str_from(manifests), &out, &err);
    if (r)
        refuse(x, 400, sy_err_text(&err, r));
    else
        reply(x, &out);
    sy_buf_done(&out);
}

static void handle_what_if(void *arg, struct sy_exchange *x)
{
    check_then(arg, x, answer_what_if);
}

static void answer_nodes(struct sy_api *a, struct sy_exchange *x)
{
    struct sy_buf out;

    sy_buf_init(&out, ANSWER_MAX_BYTES);
    sy_api_nodes_write(a->options.sched, a->options.now(), &out);
    reply(x, &out);
    sy_buf_done(&out);
}

static void handle_nodes(void *arg, struct sy_exchange *x)
{
    check_then(arg, x, answer_nodes);
}

static void answer_balance(struct sy_api *a, struct sy_exchange *x)
{
    struct sy_buf out;

    sy_buf_init(&out, ANSWER_MAX_BYTES);
    sy_api_balance_write(a->options.sched, &out);
    reply(x, &out);
    sy_buf_done(&out);
}

static void handle_balance(void *arg, struct sy_exchange *x)
{
    check_then(arg, x, answer_balance);
}

static void answer_capacity(struct sy_api *a, struct sy_exchange *x)
{
    struct sy_buf out;

    sy_buf_init(&out, ANSWER_MAX_BYTES);
    sy_api_capacity_write(a->options.sched, &out);
    reply(x, &out);
    sy_buf_done(&out);
}

static void handle_capacity(void *arg, struct sy_exchange *x)
{
    check_then(arg, x, answer_capacity);
}

static void answer_queues(struct sy_api *a, struct sy_exchange *x)
{
    struct sy_buf out;

    sy_buf_init(&out, ANSWER_MAX_BYTES);
    sy_api_queues_write(a->options.sched, &out);
    reply(x, &out);
    sy_buf_done(&out);
}

static void handle_queues(void *arg, struct sy_exchange *x)
{
    check_then(arg, x, answer_queues);
}

static void answer_stream(struct sy_api *a, struct sy_exchange *x)
{
    sy_live_add(a->live, x);
}

static void handle_stream(void *arg, struct sy_exchange *x)
{
    check_then(arg, x, answer_stream);
}

struct sy_api *sy_api_new(struct sy_server *server, const struct sy_api_options *options)
{
    struct sy_api *a = sy_xcalloc(1, sizeof(*a));

    a->options = *options;
    a->live = sy_live_new(&(struct sy_live_options){
        .loop = options->loop,
        .sched = options->sched,
        .strings = options->strings,
        .now = options->now,
        .wall_now = options->wall_now,
    });
    sy_ui_add(server);
    sy_server_handle(server, "/steelyard/v1/stream", handle_stream, a);
    sy_server_handle(server, "/steelyard/v1/explain", handle_explain, a);
    if (options->what_if)
        sy_server_handle(server, "/steelyard/v1/whatif", handle_what_if, a);
    sy_server_handle(server, "/steelyard/v1/capacity", handle_capacity, a);
    sy_server_handle(server, "/steelyard/v1/nodes", handle_nodes, a);
    sy_server_handle(server, "/steelyard/v1/balance", handle_balance, a);
    sy_server_handle(server, "/steelyard/v1/queues", handle_queues, a);
    return a;
}

void sy_api_free(struct sy_api *a)
{
    if (!a)
        return;
    sy_live_free(a->live);
    free(a);
}
