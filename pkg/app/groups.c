/* SPDX-License-Identifier: Apache-2.0
 *
 * For each API one question after another: which versions has the group, which of these has
 * podgroups. Where the version is given the first question is not asked. */
#include "app/groups.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/json.h"

enum { BODY_MAX_BYTES = 4 << 20, JSON_DEPTH = 16, VERSIONS_MAX = 8 };

static const int64_t ABSENT_RETRY_NS = 30 * SY_NS_PER_S;
static const int64_t ERROR_RETRY_NS = SY_NS_PER_S;

struct api {
    struct sy_groups *owner; /* NULL: abandoned */
    uint8_t source;
    const char *group;
    char *found;                  /* "GROUP/VERSION", owned */
    char *versions[VERSIONS_MAX]; /* "GROUP/VERSION" to be asked, owned; the best first */
    uint32_t versions_len, at;
    sy_http_id call;
    struct sy_timer *timer;
    bool is_asked; /* a call is under way */
    bool is_known;
};

struct sy_groups {
    struct sy_groups_options options;
    struct api *apis[SY_GROUP_SOURCES]; /* NULL: has no objects */
};

static void free_versions(struct api *a)
{
    for (uint32_t i = 0; i < a->versions_len; i++)
        free(a->versions[i]);
    a->versions_len = a->at = 0;
}

static void api_free(struct api *a)
{
    free_versions(a);
    free(a->found);
    sy_timer_free(a->timer);
    free(a);
}

static void settle(struct api *a, const char *found)
{
    bool differs = !a->is_known || !a->found != !found || (found && strcmp(a->found, found) != 0);

    a->is_known = true;
    if (differs) {
        free(a->found);
        a->found = sy_xstrdup(found);
        if (found)
            sy_log_info("pod groups are read", "api", found);
        a->owner->options.on_known(a->owner->options.arg, a->source, a->found);
    }
    if (!found)
        sy_timer_arm(a->timer, ABSENT_RETRY_NS);
}

/* The array `key` of an object; NULL when it has none. Borrowed. */
static struct json_object *list_at(struct json_object *o, const char *key)
{
    struct json_object *list;

    return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &list) &&
                   json_object_is_type(list, json_type_array)
               ? list
               : NULL;
}

static const char *text_at(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : "";
}

static bool has_podgroups(struct sy_str body)
{
    struct json_object *o = sy_json_read(body, JSON_DEPTH, BODY_MAX_BYTES - 1);
    struct json_object *list = list_at(o, "resources");
    bool has = false;

    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        has |= strcmp(text_at(json_object_array_get_idx(list, i), "name"), "podgroups") == 0;
    json_object_put(o);
    return has;
}

/* The server lists versions with the best first. */
static void take_versions(struct api *a, struct sy_str body)
{
    struct json_object *o = sy_json_read(body, JSON_DEPTH, BODY_MAX_BYTES - 1);
    struct json_object *list = list_at(o, "versions");
    size_t prefix = strlen(a->group);

    free_versions(a);
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const char *version = text_at(json_object_array_get_idx(list, i), "groupVersion");
        /* It becomes part of a path. */
        if (a->versions_len < VERSIONS_MAX && strncmp(version, a->group, prefix) == 0 &&
            version[prefix] == '/' && version[prefix + 1] &&
            !version[prefix + 1 +
                     strspn(version + prefix + 1, "abcdefghijklmnopqrstuvwxyz"
                                                  "0123456789")])
            a->versions[a->versions_len++] = sy_xstrdup(version);
    }
    json_object_put(o);
}

static void ask(struct api *a);

static void on_answer(void *arg, const struct sy_kube_result *result)
{
    struct api *a = arg;
    bool is_no = result->http_status >= 400 && result->http_status < 500 &&
                 result->http_status != 401 && result->http_status != 429;

    a->is_asked = false;
    a->call = 0;
    if (!a->owner) {
        api_free(a);
        return;
    }
    if (result->code && !is_no) {
        sy_timer_arm(a->timer, ERROR_RETRY_NS);
        return;
    }
    if (!a->versions_len) {
        if (result->code == 0)
            take_versions(a, result->body);
    } else if (result->code == 0 && has_podgroups(result->body)) {
        char *found SY_CLEANUP(sy_freep) = sy_xstrdup(a->versions[a->at]);
        free_versions(a);
        settle(a, found);
        return;
    } else {
        a->at++;
    }
    if (a->at < a->versions_len) {
        ask(a);
        return;
    }
    free_versions(a);
    settle(a, NULL);
}

static void ask(struct api *a)
{
    const char *version;
    struct sy_err err;

    if (!a->versions_len && sy_group_api(a->source, &version) && version)
        a->versions[a->versions_len++] = sy_xasprintf("%s/%s", a->group, version);
    char *path SY_CLEANUP(sy_freep) =
        sy_xasprintf("/apis/%s", a->versions_len ? a->versions[a->at] : a->group);
    struct sy_kube_call call = {
        .method = "GET",
        .path = path,
        .retry = SY_RETRY_SAFE,
        .on_done = on_answer,
        .arg = a,
    };
    a->is_asked = sy_kube_send(a->owner->options.kube, &call, &a->call, &err) == 0;
    if (!a->is_asked)
        sy_timer_arm(a->timer, ERROR_RETRY_NS);
}

static void on_timer(void *arg)
{
    struct api *a = arg;

    if (!a->is_asked)
        ask(a);
}

struct sy_groups *sy_groups_new(const struct sy_groups_options *options)
{
    struct sy_groups *g = sy_xcalloc(1, sizeof(*g));

    g->options = *options;
    for (int i = 0; i < SY_GROUP_SOURCES; i++) {
        uint8_t source = (uint8_t)i;
        if (!sy_group_has_objects(source))
            continue;
        const char *version;
        struct api *a = g->apis[source] = sy_xcalloc(1, sizeof(*a));
        a->owner = g;
        a->source = source;
        a->group = sy_group_api(source, &version);
        a->timer = sy_timer_new(sy_kube_loop(options->kube), on_timer, a);
        sy_timer_arm(a->timer, 0);
    }
    return g;
}

void sy_groups_free(struct sy_groups *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < SY_GROUP_SOURCES; i++) {
        struct api *a = g->apis[i];
        if (!a)
            continue;
        a->owner = NULL; /* what comes of its call only frees it */
        if (a->is_asked)
            sy_kube_cancel(g->options.kube, a->call);
        else
            api_free(a);
    }
    free(g);
}

bool sy_groups_are_known(const struct sy_groups *g)
{
    for (size_t i = 0; i < SY_GROUP_SOURCES; i++) {
        if (g->apis[i] && !g->apis[i]->is_known)
            return false;
    }
    return true;
}

void sy_groups_lost(struct sy_groups *g, uint8_t source)
{
    if (!g->apis[source]->is_asked)
        sy_timer_arm(g->apis[source]->timer, ERROR_RETRY_NS);
}
