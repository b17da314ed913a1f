/* SPDX-License-Identifier: Apache-2.0 */
#include "vapi.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/pb.h"
#include "vcodec.h"
#include "vlease.h"
#include "vtime.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

enum { HISTORY_MOST = 4096, BODY_MOST = 4 << 20 };

struct vapi {
    struct vnode nodes[NODES_MAX];
    SY_VEC(struct vpod) pods;
    SY_VEC(uint32_t) alive;
    SY_VEC(uint32_t) place;   /* in alive, by id */
    SY_VEC(uint32_t) by_name; /* the pod that has a name, or had it last */
    SY_VEC(struct version *) history;
    uint64_t rv;
    uint64_t compacted; /* events up to this version are forgotten */
    uint32_t next_node_serial;
    struct vlease lease;
    SY_VEC(struct vlease) own_leases; /* by client */
    enum vlie lie;
    vapi_change_fn *on_change;
    void *arg;
};

/* ---- versions ---- */

void version_unref(struct version *v)
{
    if (!v || --v->refs)
        return;
    free(v->text[0]);
    free(v->text[1]);
    free(v);
}

static struct version *version_ref(struct version *v)
{
    v->refs++;
    return v;
}

static struct version *pod_version(const struct vpod *p, enum vevent_type type, uint64_t rv)
{
    struct version *v = sy_xcalloc(1, sizeof(*v));

    *v = (struct version){
        .refs = 1, .kind = VKIND_PODS, .type = type, .rv = rv, .at = p->id, .pod = *p};
    return v;
}

static struct version *node_version(const struct vapi *a, uint32_t slot, enum vevent_type type,
                                    uint64_t rv)
{
    struct version *v = sy_xcalloc(1, sizeof(*v));

    *v = (struct version){
        .refs = 1, .kind = VKIND_NODES, .type = type, .rv = rv, .at = slot, .node = a->nodes[slot]};
    return v;
}

static struct version *lease_version(const struct vapi *a, enum vevent_type type)
{
    struct version *v = sy_xcalloc(1, sizeof(*v));

    *v = (struct version){.refs = 1, .kind = VKIND_LEASES, .type = type, .rv = a->lease.rv};
    v->text[SY_ENCODING_JSON] = sy_xstrdup(a->lease.text);
    v->text_len[SY_ENCODING_JSON] = strlen(a->lease.text);
    return v;
}

static void forget_history(struct vapi *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        a->compacted = a->history.p[i]->rv;
        version_unref(a->history.p[i]);
    }
    a->history.len -= n;
    memmove(a->history.p, a->history.p + n, a->history.len * sizeof(*a->history.p));
}

static void record(struct vapi *a, struct version *v)
{
    if (a->history.len == HISTORY_MOST)
        forget_history(a, HISTORY_MOST / 2);
    sy_vec_push(&a->history, v);
    a->on_change(a->arg, v);
}

void vapi_compact(struct vapi *a, uint64_t rv)
{
    size_t n = 0;

    while (n < a->history.len && a->history.p[n]->rv <= rv)
        n++;
    forget_history(a, n);
}

/* ---- life ---- */

struct vapi *vapi_new(vapi_change_fn *fn, void *arg)
{
    struct vapi *a = sy_xcalloc(1, sizeof(*a));

    a->on_change = fn;
    a->arg = arg;
    a->rv = 100;
    a->compacted = 100;
    return a;
}

void vapi_free(struct vapi *a)
{
    if (!a)
        return;
    forget_history(a, a->history.len);
    sy_vec_done(&a->history);
    sy_vec_done(&a->pods);
    sy_vec_done(&a->alive);
    sy_vec_done(&a->place);
    sy_vec_done(&a->by_name);
    free(a->lease.text);
    for (size_t i = 0; i < a->own_leases.len; i++)
        free(a->own_leases.p[i].text);
    sy_vec_done(&a->own_leases);
    free(a);
}

void vapi_lie(struct vapi *a, enum vlie lie)
{
    a->lie = lie;
}

enum vlie vapi_lies(const struct vapi *a)
{
    return a->lie;
}

uint32_t vapi_leader(const struct vapi *a)
{
    return a->lease.holder;
}

bool vapi_had_leader(const struct vapi *a)
{
    return a->lease.text;
}

uint64_t vapi_rv(const struct vapi *a)
{
    return a->rv;
}

struct vnode *vapi_node(struct vapi *a, uint32_t slot)
{
    return &a->nodes[slot];
}

struct vpod *vapi_pod(struct vapi *a, uint32_t id)
{
    return &a->pods.p[id];
}

uint32_t vapi_pods_len(const struct vapi *a)
{
    return (uint32_t)a->pods.len;
}

const uint32_t *vapi_pods_alive(const struct vapi *a, uint32_t *ret_len)
{
    *ret_len = (uint32_t)a->alive.len;
    return a->alive.p;
}

/* ---- sums ---- */

struct vroom vroom_add(struct vroom a, struct vroom b)
{
    return (struct vroom){a.cpu_milli + b.cpu_milli, a.memory_mib + b.memory_mib, a.gpus + b.gpus,
                          a.pods + b.pods};
}

struct vroom vroom_less(struct vroom a, struct vroom b)
{
    return (struct vroom){a.cpu_milli - b.cpu_milli, a.memory_mib - b.memory_mib, a.gpus - b.gpus,
                          a.pods - b.pods};
}

static bool fits(int64_t used, int64_t asked, int64_t room)
{
    return !asked || used + asked <= room;
}

bool vroom_fits(struct vroom used, struct vroom asks, struct vroom room)
{
    return fits(used.cpu_milli, asks.cpu_milli, room.cpu_milli) &&
           fits(used.memory_mib, asks.memory_mib, room.memory_mib) &&
           fits(used.gpus, asks.gpus, room.gpus) && used.pods + 1 <= room.pods;
}

struct vroom vapi_used(const struct vapi *a, uint32_t slot)
{
    struct vroom sum = {0};

    for (size_t i = 0; i < a->alive.len; i++) {
        const struct vpod *p = &a->pods.p[a->alive.p[i]];
        if (p->node == slot && p->phase != VPOD_ENDED) {
            sum = vroom_add(sum, p->asks);
            sum.pods++;
        }
    }
    return sum;
}

bool vapi_has_room(const struct vapi *a, uint32_t slot, const struct vpod *p)
{
    for (size_t i = 0; p->port && i < a->alive.len; i++) {
        const struct vpod *o = &a->pods.p[a->alive.p[i]];
        if (o->node == slot && o->port == p->port && o->phase != VPOD_ENDED)
            return false;
    }
    return vroom_fits(vapi_used(a, slot), p->asks, a->nodes[slot].room);
}

/* ---- what people, controllers and kubelets do ---- */

uint32_t vapi_pod_create(struct vapi *a, const struct vpod *pod)
{
    struct vpod p = *pod;

    p.id = (uint32_t)a->pods.len;
    p.rv = ++a->rv;
    p.exists = true;
    sy_vec_push(&a->pods, p);
    sy_vec_push(&a->place, (uint32_t)a->alive.len);
    sy_vec_push(&a->alive, p.id);
    while (a->by_name.len <= p.name)
        sy_vec_push(&a->by_name, NO_POD);
    a->by_name.p[p.name] = p.id;
    record(a, pod_version(&p, VEVENT_ADDED, p.rv));
    return p.id;
}

void vapi_pod_changed(struct vapi *a, uint32_t id)
{
    struct vpod *p = &a->pods.p[id];
    bool has_left = p->phase == VPOD_ENDED; /* the selection that is watched */

    p->rv = ++a->rv;
    record(a, pod_version(p, has_left ? VEVENT_DELETED : VEVENT_MODIFIED, p->rv));
}

void vapi_pod_remove(struct vapi *a, uint32_t id)
{
    struct vpod *p = &a->pods.p[id];
    uint32_t last = a->alive.p[a->alive.len - 1], at = a->place.p[id];

    a->alive.p[at] = last;
    a->place.p[last] = at;
    a->alive.len--;
    p->exists = false;
    p->rv = ++a->rv;
    if (p->phase != VPOD_ENDED)
        record(a, pod_version(p, VEVENT_DELETED, p->rv));
}

void vapi_pod_delete(struct vapi *a, uint32_t id)
{
    struct vpod *p = &a->pods.p[id];

    if (p->node == NO_NODE || p->phase == VPOD_ENDED) {
        vapi_pod_remove(a, id);
    } else if (!p->is_terminating) {
        p->is_terminating = true;
        vapi_pod_changed(a, id);
    }
}

void vapi_node_changed(struct vapi *a, uint32_t slot)
{
    a->nodes[slot].rv = ++a->rv;
    record(a, node_version(a, slot, VEVENT_MODIFIED, a->rv));
}

void vapi_node_create(struct vapi *a, uint32_t slot, struct vroom room)
{
    a->nodes[slot] = (struct vnode){.rv = ++a->rv,
                                    .serial = ++a->next_node_serial,
                                    .zone = slot % 3,
                                    .room = room,
                                    .exists = true,
                                    .is_ready = true};
    record(a, node_version(a, slot, VEVENT_ADDED, a->rv));
}

void vapi_node_delete(struct vapi *a, uint32_t slot)
{
    a->nodes[slot].exists = false;
    record(a, node_version(a, slot, VEVENT_DELETED, ++a->rv));
}

/* ---- requests ---- */

void vanswer_status(struct vanswer *ret, int status, const char *reason, uint32_t retry_after_s)
{
    ret->status = status;
    ret->content_type = "application/json";
    ret->retry_after_s = retry_after_s;
    sy_buf_reset(&ret->body);
    vcodec_status(&ret->body, SY_ENCODING_JSON, status, reason, retry_after_s);
}

static const char LEASES[] = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

static uint32_t number_after(const char *text, const char *prefix, size_t len)
{
    size_t skip = strlen(prefix);
    uint64_t n;

    if (len <= skip || memcmp(text, prefix, skip) != 0 ||
        sy_str_u64((struct sy_str){text + skip, len - skip}, &n) < 0 || n >= UINT32_MAX)
        return UINT32_MAX;
    return (uint32_t)n;
}

/* The pod that "/api/v1/namespaces/default/pods/pN..." names; *ret_rest: what follows the name. */
static uint32_t find_pod(const struct vapi *a, const char *path, const char **ret_rest)
{
    static const char PREFIX[] = "/api/v1/namespaces/default/pods/";

    if (strncmp(path, PREFIX, sizeof(PREFIX) - 1) != 0)
        return NO_POD;
    path += sizeof(PREFIX) - 1;
    size_t len = strcspn(path, "/?");
    uint32_t name = number_after(path, "p", len);
    *ret_rest = path + len;
    return name < a->by_name.len ? a->by_name.p[name] : NO_POD;
}

uint32_t vapi_pod_of_path(const struct vapi *a, const char *path)
{
    const char *rest;

    return find_pod(a, path, &rest);
}

static struct sy_str pb_field(struct sy_str message, uint32_t number)
{
    struct sy_pb r = sy_pb_of(message);
    struct sy_pb_field f;

    while (sy_pb_next(&r, &f)) {
        if (f.number == number && f.type == SY_PB_BYTES)
            return f.bytes;
    }
    return (struct sy_str){0};
}

static struct sy_str json_text(struct json_object *o, const char *a, const char *b)
{
    struct json_object *x = NULL;

    if (!json_object_object_get_ex(o, a, &x) || !json_object_object_get_ex(x, b, &x))
        return (struct sy_str){0};
    return sy_str_from(json_object_get_string(x));
}

static struct json_object *parse(struct sy_str body)
{
    struct json_tokener *t = json_tokener_new();
    struct json_object *o = json_tokener_parse_ex(t, body.p, (int)body.len);

    json_tokener_free(t);
    return o;
}

static uint32_t uid_number(struct sy_str uid)
{
    return number_after(uid.p ? uid.p : "", "u", uid.len);
}

bool vapi_read_binding(const struct vapi *a, const struct vrequest *rq, uint32_t *ret_pod,
                       uint32_t *ret_node)
{
    struct json_object *o = NULL;
    struct sy_str uid, node;

    if (rq->is_protobuf) {
        struct sy_str raw = pb_field((struct sy_str){rq->body.p + 4, rq->body.len - 4}, 2);
        uid = pb_field(pb_field(raw, 1), 5);
        node = pb_field(pb_field(raw, 2), 3);
    } else {
        o = parse(rq->body);
        uid = json_text(o, "metadata", "uid");
        node = json_text(o, "target", "name");
    }
    *ret_pod = uid_number(uid);
    *ret_node = number_after(node.p ? node.p : "", "node-", node.len);
    json_object_put(o);
    return *ret_pod < a->pods.len && *ret_node < NODES_MAX;
}

/* As setPodNodeAndMetadata in k8s.io/kubernetes/pkg/registry/core/pod/storage. */
static void bind(struct vapi *a, const struct vrequest *rq, uint32_t pod, struct vanswer *ret)
{
    uint32_t uid, node;

    if (!vapi_read_binding(a, rq, &uid, &node)) {
        vanswer_status(ret, 400, "BadRequest", 0);
        return;
    }
    struct vpod *p = &a->pods.p[pod];
    if (p->id != uid || p->is_terminating || p->node != NO_NODE || p->is_gated) {
        vanswer_status(ret, 409, "Conflict", 0);
        return;
    }
    if (a->lie == LIE_BOUND && pod % 8 == 0) {
        vanswer_status(ret, 201, "Created", 0);
        return;
    }
    p->node = node;
    p->nominated = NO_NODE;
    p->bound_by = rq->client;
    p->bound_at = vtime_now();
    vapi_pod_changed(a, pod);
    vanswer_status(ret, 201, "Created", 0);
    if (a->lie == LIE_REFUSED && pod % 8 == 0)
        vanswer_status(ret, 403, "Forbidden", 0);
}

static void patch_status(struct vapi *a, const struct vrequest *rq, uint32_t pod,
                         struct vanswer *ret)
{
    struct json_object *o = parse(rq->body), *status = NULL, *x = NULL;
    struct vpod *p = &a->pods.p[pod];

    if (uid_number(json_text(o, "metadata", "uid")) != p->id) {
        vanswer_status(ret, 409, "Conflict", 0);
        json_object_put(o);
        return;
    }
    json_object_object_get_ex(o, "status", &status);
    if (json_object_object_get_ex(status, "nominatedNodeName", &x)) {
        const char *name = x ? json_object_get_string(x) : "";
        p->nominated = number_after(name, "node-", strlen(name));
    }
    if (json_object_object_get_ex(status, "conditions", &x)) {
        struct json_object *type = NULL;
        json_object_object_get_ex(json_object_array_get_idx(x, 0), "type", &type);
        p->is_target |= type && strcmp(json_object_get_string(type), "DisruptionTarget") == 0;
    }
    json_object_put(o);
    vapi_pod_changed(a, pod);
    vanswer_status(ret, 200, "OK", 0);
}

static void delete_pod(struct vapi *a, const struct vrequest *rq, uint32_t pod, struct vanswer *ret)
{
    struct json_object *o = parse(rq->body);
    bool is_same = uid_number(json_text(o, "preconditions", "uid")) == pod;

    json_object_put(o);
    if (!is_same) {
        vanswer_status(ret, 409, "Conflict", 0);
        return;
    }
    vapi_pod_delete(a, pod);
    vanswer_status(ret, 200, "OK", 0);
}

static void get_pod(struct vapi *a, const struct vrequest *rq, uint32_t pod, struct vanswer *ret)
{
    struct version *v = pod_version(&a->pods.p[pod], VEVENT_MODIFIED, a->pods.p[pod].rv);
    enum sy_encoding enc = rq->takes_protobuf ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    struct sy_str object = vcodec_object(v, a->lie, enc);

    ret->status = 200;
    if (rq->takes_protobuf) {
        ret->content_type = "application/vnd.kubernetes.protobuf";
        vcodec_envelope(&ret->body, "Pod", "v1", object);
    } else {
        ret->content_type = "application/json";
        sy_buf_add(&ret->body, object.p, object.len);
    }
    version_unref(v);
}

static void handle_lease(struct vapi *a, const struct vrequest *rq, struct vanswer *ret)
{
    enum vevent_type type = a->lease.text ? VEVENT_MODIFIED : VEVENT_ADDED;
    struct vlease *lease = &a->lease;

    /* Each client has one of its own. */
    while (a->lie == LIE_LEASE && a->own_leases.len <= rq->client)
        sy_vec_push(&a->own_leases, (struct vlease){0});
    if (a->lie == LIE_LEASE)
        lease = &a->own_leases.p[rq->client];
    if (strcmp(rq->method, "GET") == 0) {
        vlease_get(lease, ret);
        return;
    }
    if (!vlease_put(lease, rq, a->rv + 1, ret))
        return;
    a->rv++;
    if (a->lie == LIE_LEASE)
        vlease_copy(&a->lease, lease);
    else
        record(a, lease_version(a, type));
}

/* Only its version is asked for. */
static void list_one(struct vapi *a, const struct vrequest *rq, struct vanswer *ret)
{
    enum sy_encoding enc = rq->takes_protobuf ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;

    ret->status = 200;
    ret->content_type =
        rq->takes_protobuf ? "application/vnd.kubernetes.protobuf" : "application/json";
    vcodec_list_head(&ret->body, enc, "List", "v1", a->rv, 0);
    vcodec_list_tail(&ret->body, enc);
}

void vapi_handle(struct vapi *a, const struct vrequest *rq, struct vanswer *ret)
{
    const char *rest = "";
    uint32_t pod = find_pod(a, rq->path, &rest);
    size_t len = strcspn(rest, "?");

    sy_buf_init(&ret->body, BODY_MOST);
    if (strncmp(rq->path, "/version", 8) == 0 || strstr(rq->path, "/events"))
        vanswer_status(ret, 200, "OK", 0);
    else if (strncmp(rq->path, LEASES, sizeof(LEASES) - 1) == 0)
        handle_lease(a, rq, ret);
    else if (strcmp(rq->method, "GET") == 0 && strstr(rq->path, "limit=1"))
        list_one(a, rq, ret);
    else if (pod == NO_POD || !a->pods.p[pod].exists)
        vanswer_status(ret, 404, "NotFound", 0);
    else if (strcmp(rq->method, "POST") == 0 && strncmp(rest, "/binding", len) == 0)
        bind(a, rq, pod, ret);
    else if (strcmp(rq->method, "PATCH") == 0 && strncmp(rest, "/status", len) == 0)
        patch_status(a, rq, pod, ret);
    else if (strcmp(rq->method, "DELETE") == 0 && !len)
        delete_pod(a, rq, pod, ret);
    else if (strcmp(rq->method, "GET") == 0 && !len)
        get_pod(a, rq, pod, ret);
    else
        vanswer_status(ret, 405, "MethodNotAllowed", 0);
}

/* ---- lists and watches ---- */

static const struct {
    const char *kind, *list;
} KINDS[] = {
    [VKIND_PODS] = {"Pod", "PodList"},
    [VKIND_NODES] = {"Node", "NodeList"},
    [VKIND_NAMESPACES] = {"Namespace", "NamespaceList"},
    [VKIND_LEASES] = {"Lease", "LeaseList"},
    [VKIND_EMPTY] = {"Nothing", "NothingList"},
};

enum vkind vapi_kind_of_path(const char *path)
{
    size_t len = strcspn(path, "?");

    if (strncmp(path, "/api/v1/pods", len) == 0)
        return VKIND_PODS;
    if (strncmp(path, "/api/v1/nodes", len) == 0)
        return VKIND_NODES;
    if (strncmp(path, LEASES, len) == 0)
        return VKIND_LEASES;
    return strncmp(path, "/api/v1/namespaces", len) == 0 ? VKIND_NAMESPACES : VKIND_EMPTY;
}

const char *vapi_param(const char *path, const char *name, char *room, size_t size)
{
    size_t len = strlen(name);

    for (const char *p = strchr(path, '?'); p; p = strchr(p, '&')) {
        p++;
        if (strncmp(p, name, len) == 0 && p[len] == '=') {
            snprintf(room, size, "%.*s", (int)strcspn(p + len + 1, "&"), p + len + 1);
            return room;
        }
    }
    return NULL;
}

void vmessage_done(struct vmessage *m)
{
    version_unref(m->version);
    free(m->p);
}

static struct vmessage message_of(struct sy_buf *b, enum vmark mark)
{
    struct vmessage m = {.mark = mark, .len = b->len};

    m.p = sy_buf_take(b);
    return m;
}

static void say_begin(vmessages *to, enum vmark mark)
{
    sy_vec_push(to, (struct vmessage){.mark = mark});
}

/* The objects of a kind as they are. */
static void gather(struct vapi *a, enum vkind kind, vmessages *ret)
{
    if (kind == VKIND_NODES) {
        for (uint32_t i = 0; i < NODES_MAX; i++) {
            if (a->nodes[i].exists)
                sy_vec_push(ret, (struct vmessage){
                                     .version = node_version(a, i, VEVENT_ADDED, a->nodes[i].rv)});
        }
    } else if (kind == VKIND_LEASES && a->lease.text && a->lie != LIE_LEASE) {
        sy_vec_push(ret, (struct vmessage){.version = lease_version(a, VEVENT_ADDED)});
    } else if (kind == VKIND_PODS) {
        for (size_t i = 0; i < a->alive.len; i++) {
            const struct vpod *p = &a->pods.p[a->alive.p[i]];
            if (p->phase != VPOD_ENDED)
                sy_vec_push(ret, (struct vmessage){.version = pod_version(p, VEVENT_ADDED, p->rv)});
        }
    }
}

static void namespace_object(struct vapi *a, enum sy_encoding enc, struct sy_buf *out)
{
    sy_buf_init(out, 1024);
    vcodec_bare(out, enc, "Namespace", "v1", "default", a->compacted, false);
}

/* The whole list is known before its first byte goes out: its head tells its length. */
void vapi_list(struct vapi *a, enum vkind kind, enum sy_encoding enc, vmessages *ret)
{
    vmessages items = {0};
    struct sy_buf ns;
    size_t total = 0;

    gather(a, kind, &items);
    namespace_object(a, enc, &ns);
    if (kind == VKIND_NAMESPACES)
        sy_vec_push(&items, (struct vmessage){0});
    for (size_t i = 0; i < items.len; i++) {
        struct vmessage *m = &items.p[i];
        struct sy_str object =
            m->version ? vcodec_object(m->version, a->lie, enc) : sy_buf_str(&ns);
        struct sy_buf b;
        sy_buf_init(&b, BODY_MOST);
        vcodec_item_head(&b, enc, object.len, i == 0);
        sy_buf_add(&b, object.p, object.len);
        m->len = b.len;
        m->p = sy_buf_take(&b);
        total += m->len;
    }
    sy_buf_done(&ns);
    struct sy_buf head, tail;
    sy_buf_init(&head, 1024);
    vcodec_list_head(&head, enc, KINDS[kind].list, "v1", a->rv, total);
    sy_vec_push(ret, message_of(&head, VMARK_LIST_BEGIN));
    for (size_t i = 0; i < items.len; i++)
        sy_vec_push(ret, items.p[i]);
    sy_buf_init(&tail, 64);
    vcodec_list_tail(&tail, enc);
    sy_vec_push(ret, message_of(&tail, VMARK_LIST_END));
    sy_vec_done(&items);
}

static bool is_hidden(const struct version *v, enum vlie lie)
{
    if (v->kind != VKIND_PODS || v->at % 16)
        return false;
    return (lie == LIE_HIDE_ADDED && v->type != VEVENT_DELETED) ||
           (lie == LIE_HIDE_GONE && v->type == VEVENT_DELETED);
}

void vapi_frame(struct vapi *a, struct version *v, enum sy_encoding enc, struct vmessage *ret)
{
    static const char *const TYPES[] = {"ADDED", "MODIFIED", "DELETED"};
    struct sy_buf b;

    *ret = (struct vmessage){.version = version_ref(v)};
    if (is_hidden(v, a->lie))
        return;
    sy_buf_init(&b, BODY_MOST);
    vcodec_frame(&b, enc, TYPES[v->type], KINDS[v->kind].kind, "v1", vcodec_object(v, a->lie, enc));
    ret->len = b.len;
    ret->p = sy_buf_take(&b);
}

void vapi_frame_bookmark(struct vapi *a, enum vkind kind, bool ends_initial, enum sy_encoding enc,
                         struct vmessage *ret)
{
    struct sy_buf object, b;

    sy_buf_init(&object, 1024);
    sy_buf_init(&b, 4096);
    vcodec_bare(&object, enc, KINDS[kind].kind, "v1", "", a->rv, ends_initial);
    vcodec_frame(&b, enc, "BOOKMARK", KINDS[kind].kind, "v1", sy_buf_str(&object));
    sy_buf_done(&object);
    *ret = message_of(&b, ends_initial ? VMARK_LIST_END : VMARK_NONE);
}

void vapi_frame_error(int status, enum sy_encoding enc, struct vmessage *ret)
{
    struct sy_buf object, b;

    sy_buf_init(&object, 1024);
    sy_buf_init(&b, 4096);
    vcodec_status(&object, enc, status, status == 410 ? "Expired" : "InternalError", 0);
    vcodec_frame(&b, enc, "ERROR", "Status", "v1", sy_buf_str(&object));
    sy_buf_done(&object);
    *ret = message_of(&b, VMARK_NONE);
}

int vapi_watch(struct vapi *a, enum vkind kind, bool initial, uint64_t rv, enum sy_encoding enc,
               vmessages *ret)
{
    struct vmessage m;

    if (!initial && rv < a->compacted)
        return 410;
    if (rv > a->rv)
        return 504;
    if (initial) {
        vmessages items = {0};
        say_begin(ret, VMARK_LIST_BEGIN);
        gather(a, kind, &items);
        for (size_t i = 0; i < items.len; i++) {
            vapi_frame(a, items.p[i].version, enc, &m);
            sy_vec_push(ret, m);
            vmessage_done(&items.p[i]);
        }
        sy_vec_done(&items);
        if (kind == VKIND_NAMESPACES) {
            struct sy_buf ns, b;
            namespace_object(a, enc, &ns);
            sy_buf_init(&b, 4096);
            vcodec_frame(&b, enc, "ADDED", "Namespace", "v1", sy_buf_str(&ns));
            sy_buf_done(&ns);
            sy_vec_push(ret, message_of(&b, VMARK_NONE));
        }
        vapi_frame_bookmark(a, kind, true, enc, &m);
        sy_vec_push(ret, m);
        return 0;
    }
    for (size_t i = 0; i < a->history.len; i++) {
        if (a->history.p[i]->kind != kind || a->history.p[i]->rv <= rv)
            continue;
        vapi_frame(a, a->history.p[i], enc, &m);
        sy_vec_push(ret, m);
    }
    return 0;
}
