/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "kube/json.h"

enum { JSON_DEPTH = 32, BODY_MAX_BYTES = 1 << 20 };

/* The map of that name, or NULL. */
static struct json_object *map_at(struct json_object *o, const char *key)
{
    struct json_object *map;

    return o && json_object_object_get_ex(o, key, &map) &&
                   json_object_is_type(map, json_type_object)
               ? map
               : NULL;
}

static void text_at(struct json_object *o, const char *key, char *ret, size_t room)
{
    struct json_object *value;
    bool is_text = o && json_object_object_get_ex(o, key, &value) &&
                   json_object_is_type(value, json_type_string);

    snprintf(ret, room, "%s", is_text ? json_object_get_string(value) : "");
}

/* As the API's int32, and such that one more is one. */
static int64_t number_at(struct json_object *o, const char *key)
{
    struct json_object *value;

    if (!o || !json_object_object_get_ex(o, key, &value) ||
        !json_object_is_type(value, json_type_int))
        return 0;
    int64_t n = json_object_get_int64(value);
    return n < 0 ? 0 : n < INT32_MAX ? n : INT32_MAX - 1;
}

static int64_t time_at(struct json_object *o, const char *key)
{
    char text[64];
    int64_t wall_ns = 0;

    text_at(o, key, text, sizeof(text));
    return sy_rfc3339_parse(text, strlen(text), &wall_ns) == 0 ? wall_ns : 0;
}

int sy_lease_parse(struct sy_str raw, struct sy_lease *ret, struct sy_err *err)
{
    struct json_object *o = sy_json_read(raw, JSON_DEPTH, BODY_MAX_BYTES - 1);
    struct json_object *meta = map_at(o, "metadata"), *spec = map_at(o, "spec");
    struct sy_lease lease = {0};

    text_at(meta, "resourceVersion", lease.version, sizeof(lease.version));
    text_at(meta, "uid", lease.uid, sizeof(lease.uid));
    if (!lease.version[0]) {
        json_object_put(o);
        return sy_err_set(err, -EBADMSG, "an answer that is no Lease");
    }
    text_at(map_at(meta, "annotations"), SY_LEASE_NOTE_KEY, lease.note, sizeof(lease.note));
    text_at(spec, "holderIdentity", lease.holder, sizeof(lease.holder));
    lease.duration_s = number_at(spec, "leaseDurationSeconds");
    lease.transitions = number_at(spec, "leaseTransitions");
    lease.acquire_wall_ns = time_at(spec, "acquireTime");
    lease.renew_wall_ns = time_at(spec, "renewTime");
    json_object_put(o);
    *ret = lease;
    return 0;
}

static struct json_object *text(const char *s)
{
    return json_object_new_string(s);
}

static struct json_object *micro_time(int64_t wall_ns)
{
    char room[SY_RFC3339_MAX];

    sy_rfc3339_format(wall_ns, 1, room);
    return text(room);
}

/* The map of that name, made when it is not there. */
static struct json_object *make_map(struct json_object *o, const char *key)
{
    struct json_object *map = map_at(o, key);

    if (map)
        return map;
    map = json_object_new_object();
    if (map)
        json_object_object_add(o, key, map);
    return map;
}

static struct json_object *spec_of(const struct sy_lease *lease)
{
    struct json_object *spec = json_object_new_object();

    if (!spec)
        return NULL;
    json_object_object_add(spec, "holderIdentity", text(lease->holder));
    json_object_object_add(spec, "leaseDurationSeconds", json_object_new_int64(lease->duration_s));
    json_object_object_add(spec, "acquireTime", micro_time(lease->acquire_wall_ns));
    json_object_object_add(spec, "renewTime", micro_time(lease->renew_wall_ns));
    json_object_object_add(spec, "leaseTransitions", json_object_new_int64(lease->transitions));
    return spec;
}

int sy_lease_write(struct sy_str base, const char *ns, const char *name,
                   const struct sy_lease *lease, struct sy_buf *out, struct sy_err *err)
{
    struct json_object *o =
        base.len ? sy_json_read(base, JSON_DEPTH, BODY_MAX_BYTES - 1) : json_object_new_object();
    struct json_object *meta = o ? make_map(o, "metadata") : NULL;
    struct json_object *notes = meta ? make_map(meta, "annotations") : NULL;
    struct json_object *spec = spec_of(lease);

    if (!notes || !spec) {
        json_object_put(spec);
        json_object_put(o);
        return sy_err_set(err, -EBADMSG, "the lease cannot be put together");
    }
    json_object_object_add(o, "apiVersion", text("coordination.k8s.io/v1"));
    json_object_object_add(o, "kind", text("Lease"));
    json_object_object_add(meta, "namespace", text(ns));
    json_object_object_add(meta, "name", text(name));
    /* The server writes them anew, and they are most of the object. */
    json_object_object_del(meta, "managedFields");
    json_object_object_add(notes, SY_LEASE_NOTE_KEY, text(lease->note));
    json_object_object_add(o, "spec", spec);
    const char *body = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
    int r = body ? sy_buf_adds(out, body) : -ENOMEM;
    json_object_put(o);
    return r ? sy_err_set(err, r, "no room for the lease") : 0;
}

bool sy_lease_is_same(const struct sy_lease *a, const struct sy_lease *b)
{
    return strcmp(a->holder, b->holder) == 0 && a->duration_s == b->duration_s &&
           a->transitions == b->transitions && a->acquire_wall_ns == b->acquire_wall_ns &&
           a->renew_wall_ns == b->renew_wall_ns;
}

static bool is_number(const char *s)
{
    return *s && strspn(s, "0123456789") == strlen(s);
}

int sy_lease_compare_versions(const char *a, const char *b, bool *ret_known)
{
    *ret_known = is_number(a) && is_number(b);
    if (!*ret_known)
        return 0;
    a += strspn(a, "0");
    b += strspn(b, "0");
    size_t a_len = strlen(a), b_len = strlen(b);
    return a_len != b_len ? (a_len < b_len ? -1 : 1) : strcmp(a, b);
}
