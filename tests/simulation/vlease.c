/* SPDX-License-Identifier: Apache-2.0 */
#include "vlease.h"

#include "base/mem.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *at(struct json_object *o, const char *key)
{
    struct json_object *x = NULL;

    json_object_object_get_ex(o, key, &x);
    return x;
}

static void answer(struct vanswer *ret, int status, const char *text)
{
    ret->status = status;
    ret->content_type = "application/json";
    sy_buf_reset(&ret->body);
    sy_buf_adds(&ret->body, text);
}

void vlease_get(const struct vlease *l, struct vanswer *ret)
{
    if (l->text)
        answer(ret, 200, l->text);
    else
        vanswer_status(ret, 404, "NotFound", 0);
}

void vlease_copy(struct vlease *to, const struct vlease *from)
{
    free(to->text);
    *to = *from;
    to->text = sy_xstrdup(from->text);
}

bool vlease_put(struct vlease *l, const struct vrequest *rq, uint64_t rv, struct vanswer *ret)
{
    char *body = sy_xstrndup(rq->body.p, rq->body.len), text[24];
    struct json_object *o = json_tokener_parse(body);
    struct json_object *meta = at(o, "metadata"), *version = at(meta, "resourceVersion");
    bool is_new = strcmp(rq->method, "POST") == 0;

    free(body);
    snprintf(text, sizeof(text), "%" PRIu64, l->rv);
    bool is_over = version && strcmp(json_object_get_string(version), text) == 0;
    if (is_new ? l->text != NULL : !is_over) {
        vanswer_status(ret, 409, is_new ? "AlreadyExists" : "Conflict", 0);
        json_object_put(o);
        return false;
    }
    const char *holder = json_object_get_string(at(at(o, "spec"), "holderIdentity"));
    l->rv = rv;
    l->holder = holder && *holder ? rq->client : 0;
    snprintf(text, sizeof(text), "%" PRIu64, rv);
    json_object_object_add(meta, "resourceVersion", json_object_new_string(text));
    json_object_object_add(meta, "uid", json_object_new_string("lease-1"));
    free(l->text);
    l->text = sy_xstrdup(json_object_to_json_string(o));
    json_object_put(o);
    answer(ret, is_new ? 201 : 200, l->text);
    return true;
}
