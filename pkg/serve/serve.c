/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve.h"

#include <stdlib.h>

#include "base/mem.h"

enum { METRICS_MAX_BYTES = 8 << 20, HEALTH_MAX_BYTES = 64 << 10 };

struct sy_serve {
    struct sy_serve_options options;
};

static void health(struct sy_exchange *x, const char *endpoint,
                   const struct sy_health_check *checks, uint32_t len)
{
    struct sy_buf out;

    sy_buf_init(&out, HEALTH_MAX_BYTES);
    int status = sy_health_write(endpoint, checks, len, sy_exchange_query(x, "verbose"), &out);
    sy_reply(x, status, "text/plain; charset=utf-8", sy_buf_str(&out));
    sy_buf_done(&out);
}

/* That this runs at all says that the loop turns. */
static void handle_livez(void *arg, struct sy_exchange *x)
{
    static const struct sy_health_check CHECKS[] = {{"ping", true, NULL}};

    (void)arg;
    health(x, sy_exchange_path(x) + 1, CHECKS, SY_ARRAY_LEN(CHECKS));
}

static void handle_readyz(void *arg, struct sy_exchange *x)
{
    struct sy_health_check checks[SY_SERVE_CHECKS_MAX];
    struct sy_serve *s = arg;

    health(x, "readyz", checks, s->options.check(s->options.arg, checks));
}

static void handle_metrics(void *arg, struct sy_exchange *x)
{
    struct sy_process_figures process;
    struct sy_figures figures = {0};
    struct sy_serve *s = arg;
    struct sy_buf out;

    s->options.collect(s->options.arg, &figures);
    sy_process_read(&process);
    sy_buf_init(&out, METRICS_MAX_BYTES);
    if (sy_metrics_write(s->options.sched, s->options.strings, &figures, &process, &out) == 0)
        sy_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", sy_buf_str(&out));
    else
        sy_reply(x, 500, "text/plain; charset=utf-8", SY_STR("the metrics do not fit in memory\n"));
    sy_buf_done(&out);
}

struct sy_serve *sy_serve_new(struct sy_server *server, const struct sy_serve_options *options)
{
    struct sy_serve *s = sy_xcalloc(1, sizeof(*s));

    s->options = *options;
    sy_server_handle(server, "/livez", handle_livez, s);
    sy_server_handle(server, "/healthz", handle_livez, s);
    sy_server_handle(server, "/readyz", handle_readyz, s);
    sy_server_handle(server, "/metrics", handle_metrics, s);
    return s;
}

void sy_serve_free(struct sy_serve *s)
{
    free(s);
}
