/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a server's side of an HTTP/2 connection. The first byte says how many requests are
 * under way, and when one of them is canceled; the second how the rest is cut into reads. Each
 * request must end at most once, what is kept of an answer must stay under its cap, and a request
 * that is off its stream must never be heard of again. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http_h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS = 7, BODY_MAX = 4096 };

struct request {
    struct sy_transfer transfer;
    struct sy_h2_call call;
    struct curl_slist header;
    char header_text[32];
    size_t received;
    int ends;
    bool is_off;
};

static void on_end(void *arg, struct sy_h2_call *c, enum sy_h2_fate fate, int code,
                   const char *text)
{
    struct request *r = (struct request *)(void *)c->transfer;

    (void)arg;
    if (r->ends++ || r->is_off || c->stream_id || !text)
        abort();
    if ((fate == SY_H2_ANSWERED) != (code == 0))
        abort();
    if (fate == SY_H2_ANSWERED && (r->transfer.status < 200 || r->transfer.status > 999))
        abort();
    if (fate == SY_H2_UNPROCESSED && r->transfer.status)
        abort();
    if (strlen(r->transfer.content_type) >= SY_HTTP_TYPE_MAX)
        abort();
}

static int on_data(void *arg, struct sy_h2_call *c, struct sy_str piece)
{
    struct request *r = (struct request *)(void *)c->transfer;

    (void)arg;
    if (r->ends || r->is_off)
        abort();
    if (r->received + piece.len > BODY_MAX)
        return -1;
    r->received += piece.len;
    return 0;
}

static bool drain(struct sy_h2_session *s)
{
    const uint8_t *p;
    ssize_t n;

    for (int i = 0; i < 100000; i++) {
        n = sy_h2_session_send(s, &p);
        if (n <= 0)
            return n == 0;
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sy_h2_session_user user = {.on_end = on_end, .on_data = on_data};
    struct sy_h2_session *s;
    struct request *requests;
    size_t calls, cut, cancel, at = 2;

    if (size < 2 || sy_h2_session_new(&user, &s))
        return 0;
    calls = data[0] % (CALLS + 1);
    cancel = data[0] / (CALLS + 1);
    cut = data[1] ? data[1] : SIZE_MAX;
    requests = sy_xcalloc(CALLS, sizeof(*requests));
    for (size_t i = 0; i < calls; i++) {
        struct request *r = &requests[i];

        r->transfer.method = i % 2 ? "GET" : "POST";
        if (i % 2 == 0)
            r->transfer.body = SY_STR("{\"kind\":\"Binding\"}");
        memcpy(r->header_text, "Content-Type: a/b", 18);
        r->header.data = r->header_text;
        r->transfer.headers = &r->header;
        r->call.transfer = &r->transfer;
        r->call.path = "/api/v1/x";
        if (sy_h2_session_submit(s, &r->call, "server:6443"))
            abort();
    }
    while (at < size && drain(s) && !sy_h2_session_is_over(s)) {
        size_t len = size - at < cut ? size - at : cut;

        if (sy_h2_session_recv(s, data + at, len))
            break;
        at += len;
        if (cancel && cancel-- == 1 && calls && !requests[0].ends) {
            sy_h2_session_cancel(s, &requests[0].call);
            requests[0].is_off = true;
        }
        if (sy_h2_session_room(s, 100) > 100 || !sy_h2_session_text(s))
            abort();
    }
    drain(s);
    sy_h2_session_shutdown(s);
    drain(s);
    sy_h2_session_free(s);
    free(requests);
    return 0;
}
