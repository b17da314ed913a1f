/* SPDX-License-Identifier: Apache-2.0 */
#include "vcodec.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

enum { OBJECT_MAX = 16 << 10 };

/* ---- protobuf ---- */

static size_t varint(char room[10], uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        room[n++] = (char)(v | 0x80);
    room[n++] = (char)v;
    return n;
}

static void add_varint(struct sy_buf *b, uint64_t v)
{
    char room[10];

    sy_buf_add(b, room, varint(room, v));
}

static void put_number(struct sy_buf *b, unsigned field, uint64_t v)
{
    add_varint(b, field << 3);
    add_varint(b, v);
}

static void put_bytes(struct sy_buf *b, unsigned field, struct sy_str s)
{
    add_varint(b, field << 3 | 2);
    add_varint(b, s.len);
    sy_buf_add(b, s.p, s.len);
}

static void put_text(struct sy_buf *b, unsigned field, const char *text)
{
    put_bytes(b, field, sy_str_from(text));
}

/* Opens a message; what follows until end() is inside. */
static size_t begin(struct sy_buf *b, unsigned field)
{
    add_varint(b, field << 3 | 2);
    return b->len;
}

static void end(struct sy_buf *b, size_t at)
{
    char head[10];
    size_t len = b->len - at, n = varint(head, len);

    sy_buf_add(b, head, n); /* makes room */
    memmove(b->p + at + n, b->p + at, len);
    memcpy(b->p + at, head, n);
}

static void put_pair(struct sy_buf *b, unsigned field, const char *key, const char *value)
{
    size_t pair = begin(b, field);

    put_text(b, 1, key);
    put_text(b, 2, value);
    end(b, pair);
}

static void put_quantity(struct sy_buf *b, unsigned field, const char *key, int64_t n,
                         const char *unit)
{
    char text[32];
    size_t pair = begin(b, field);

    snprintf(text, sizeof(text), "%" PRId64 "%s", n, unit);
    put_text(b, 1, key);
    size_t quantity = begin(b, 2);
    put_text(b, 1, text);
    end(b, quantity);
    end(b, pair);
}

static void put_room(struct sy_buf *b, unsigned field, struct vroom room)
{
    put_quantity(b, field, "cpu", room.cpu_milli, "m");
    put_quantity(b, field, "memory", room.memory_mib, "Mi");
    if (room.gpus)
        put_quantity(b, field, "nvidia.com/gpu", room.gpus, "");
    if (room.pods)
        put_quantity(b, field, "pods", room.pods, "");
}

/* ---- one object in either form ---- */

struct names {
    char name[32];
    char uid[48];
    char rv[24];
    char node[16];
    char nominated[16];
    char gang[16];
    char gang_min[16];
    char zone[16];
};

static void node_name(char room[16], uint32_t slot)
{
    if (slot == NO_NODE)
        room[0] = 0;
    else
        snprintf(room, 16, "node-%02u", slot);
}

static struct names names_of(const struct version *v)
{
    struct names n = {0};

    snprintf(n.rv, sizeof(n.rv), "%" PRIu64, v->rv);
    if (v->kind == VKIND_NODES) {
        node_name(n.name, v->at);
        snprintf(n.uid, sizeof(n.uid), "node-%u", v->node.serial);
        snprintf(n.zone, sizeof(n.zone), "zone-%u", v->node.zone);
        return n;
    }
    snprintf(n.name, sizeof(n.name), "p%u", v->pod.name);
    snprintf(n.uid, sizeof(n.uid), "u%u", v->pod.id);
    snprintf(n.gang, sizeof(n.gang), "gang-%u", v->pod.gang);
    snprintf(n.gang_min, sizeof(n.gang_min), "%u", v->pod.gang_min);
    node_name(n.node, v->pod.node);
    node_name(n.nominated, v->pod.nominated);
    return n;
}

static bool is_taken_over(const struct vpod *p, enum vlie lie)
{
    return !p->is_ours && lie == LIE_OWNER && p->node != NO_NODE;
}

static const char *scheduler_of(const struct vpod *p, enum vlie lie)
{
    return p->is_ours || is_taken_over(p, lie) ? "steelyard" : "default-scheduler";
}

static int32_t priority_of(const struct vpod *p, enum vlie lie)
{
    return is_taken_over(p, lie) ? -100 : p->priority;
}

static const char *phase_of(const struct vpod *p)
{
    static const char *const NAMES[] = {"Pending", "Running", "Succeeded"};

    return NAMES[p->phase];
}

static struct vnode shown_node(const struct version *v, enum vlie lie)
{
    struct vnode n = v->node;

    if (lie == LIE_ROOM)
        n.room = vroom_add(n.room, n.room);
    if (lie == LIE_NODES) {
        n.is_ready = true;
        n.is_cordoned = false;
    }
    return n;
}

static void pod_protobuf(struct sy_buf *b, const struct version *v, enum vlie lie)
{
    const struct vpod *p = &v->pod;
    struct names n = names_of(v);
    size_t meta = begin(b, 1);

    put_text(b, 1, n.name);
    put_text(b, 3, "default");
    put_text(b, 5, n.uid);
    put_text(b, 6, n.rv);
    put_number(b, 7, 1);
    if (p->is_terminating) {
        size_t at = begin(b, 9);
        put_number(b, 1, 1800000001);
        end(b, at);
    }
    if (p->gang) {
        put_pair(b, 11, "steelyard.dev/pod-group", n.gang);
        if (lie != LIE_GANG)
            put_pair(b, 12, "steelyard.dev/min-member", n.gang_min);
    }
    end(b, meta);
    size_t spec = begin(b, 2);
    size_t container = begin(b, 2);
    put_text(b, 1, "main");
    if (p->port && lie != LIE_PORTS) {
        size_t port = begin(b, 6);
        put_number(b, 2, p->port);
        put_number(b, 3, p->port);
        put_text(b, 4, "TCP");
        end(b, port);
    }
    size_t resources = begin(b, 8);
    put_room(b, 2, p->asks);
    end(b, resources);
    end(b, container);
    if (n.node[0])
        put_text(b, 10, n.node);
    put_text(b, 19, scheduler_of(p, lie));
    put_number(b, 25, (uint64_t)(int64_t)priority_of(p, lie));
    if (p->is_gated) {
        size_t gate = begin(b, 38);
        put_text(b, 1, "example.com/gate");
        end(b, gate);
    }
    end(b, spec);
    size_t status = begin(b, 3);
    put_text(b, 1, phase_of(p));
    if (n.nominated[0])
        put_text(b, 11, n.nominated);
    end(b, status);
}

static void add_room(struct sy_buf *b, struct vroom room)
{
    sy_buf_addf(b, "{\"cpu\":\"%" PRId64 "m\",\"memory\":\"%" PRId64 "Mi\"", room.cpu_milli,
                room.memory_mib);
    if (room.gpus)
        sy_buf_addf(b, ",\"nvidia.com/gpu\":\"%" PRId64 "\"", room.gpus);
    if (room.pods)
        sy_buf_addf(b, ",\"pods\":\"%" PRId64 "\"", room.pods);
    sy_buf_addc(b, '}');
}

static void pod_json(struct sy_buf *b, const struct version *v, enum vlie lie)
{
    const struct vpod *p = &v->pod;
    struct names n = names_of(v);

    sy_buf_addf(b,
                "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\","
                "\"namespace\":\"default\",\"uid\":\"%s\",\"resourceVersion\":\"%s\","
                "\"generation\":1",
                n.name, n.uid, n.rv);
    if (p->is_terminating)
        sy_buf_adds(b, ",\"deletionTimestamp\":\"2027-01-15T08:00:01Z\"");
    if (p->gang) {
        sy_buf_addf(b, ",\"labels\":{\"steelyard.dev/pod-group\":\"%s\"}", n.gang);
        if (lie != LIE_GANG)
            sy_buf_addf(b, ",\"annotations\":{\"steelyard.dev/min-member\":\"%s\"}", n.gang_min);
    }
    sy_buf_adds(b, "},\"spec\":{\"containers\":[{\"name\":\"main\",");
    if (p->port && lie != LIE_PORTS)
        sy_buf_addf(b, "\"ports\":[{\"hostPort\":%u,\"containerPort\":%u,\"protocol\":\"TCP\"}],",
                    p->port, p->port);
    sy_buf_adds(b, "\"resources\":{\"requests\":");
    add_room(b, p->asks);
    sy_buf_addf(b, "}}],\"schedulerName\":\"%s\",\"priority\":%d", scheduler_of(p, lie),
                priority_of(p, lie));
    if (n.node[0])
        sy_buf_addf(b, ",\"nodeName\":\"%s\"", n.node);
    if (p->is_gated)
        sy_buf_adds(b, ",\"schedulingGates\":[{\"name\":\"example.com/gate\"}]");
    sy_buf_addf(b, "},\"status\":{\"phase\":\"%s\"", phase_of(p));
    if (n.nominated[0])
        sy_buf_addf(b, ",\"nominatedNodeName\":\"%s\"", n.nominated);
    sy_buf_adds(b, "}}");
}

static const char UNREACHABLE[] = "node.kubernetes.io/unreachable";

static void put_taint(struct sy_buf *b, const char *key, const char *effect)
{
    size_t taint = begin(b, 5);

    put_text(b, 1, key);
    put_text(b, 3, effect);
    end(b, taint);
}

static void node_protobuf(struct sy_buf *b, const struct version *v, enum vlie lie)
{
    struct names n = names_of(v);
    struct vnode node = shown_node(v, lie);
    size_t meta = begin(b, 1);

    put_text(b, 1, n.name);
    put_text(b, 5, n.uid);
    put_text(b, 6, n.rv);
    put_pair(b, 11, "kubernetes.io/hostname", n.name);
    put_pair(b, 11, "topology.kubernetes.io/zone", n.zone);
    end(b, meta);
    size_t spec = begin(b, 2);
    if (node.is_cordoned)
        put_number(b, 4, 1);
    if (!node.is_ready) {
        put_taint(b, UNREACHABLE, "NoSchedule");
        put_taint(b, UNREACHABLE, "NoExecute");
    }
    end(b, spec);
    size_t status = begin(b, 3);
    put_room(b, 2, node.room);
    size_t ready = begin(b, 4);
    put_text(b, 1, "Ready");
    put_text(b, 2, node.is_ready ? "True" : "Unknown");
    end(b, ready);
    end(b, status);
}

static void node_json(struct sy_buf *b, const struct version *v, enum vlie lie)
{
    struct names n = names_of(v);
    struct vnode node = shown_node(v, lie);

    sy_buf_addf(b,
                "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\",\"uid\":"
                "\"%s\",\"resourceVersion\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\","
                "\"topology.kubernetes.io/zone\":\"%s\"}},\"spec\":{\"unschedulable\":%s",
                n.name, n.uid, n.rv, n.name, n.zone, node.is_cordoned ? "true" : "false");
    if (!node.is_ready)
        sy_buf_addf(b,
                    ",\"taints\":[{\"key\":\"%s\",\"effect\":\"NoSchedule\"},{\"key\":\"%s\","
                    "\"effect\":\"NoExecute\"}]",
                    UNREACHABLE, UNREACHABLE);
    sy_buf_adds(b, "},\"status\":{\"allocatable\":");
    add_room(b, node.room);
    sy_buf_addf(b, ",\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
                node.is_ready ? "True" : "Unknown");
}

struct sy_str vcodec_object(struct version *v, enum vlie lie, enum sy_encoding enc)
{
    struct sy_buf b;

    if (v->text[enc])
        return (struct sy_str){v->text[enc], v->text_len[enc]};
    sy_buf_init(&b, OBJECT_MAX);
    if (v->kind == VKIND_PODS && enc == SY_ENCODING_PROTOBUF)
        pod_protobuf(&b, v, lie);
    else if (v->kind == VKIND_PODS)
        pod_json(&b, v, lie);
    else if (enc == SY_ENCODING_PROTOBUF)
        node_protobuf(&b, v, lie);
    else
        node_json(&b, v, lie);
    v->text_len[enc] = b.len;
    v->text[enc] = sy_buf_take(&b);
    return (struct sy_str){v->text[enc], v->text_len[enc]};
}

/* ---- around objects ---- */

void vcodec_envelope(struct sy_buf *b, const char *kind, const char *api_version, struct sy_str raw)
{
    sy_buf_add(b, "k8s", 4);
    size_t type_meta = begin(b, 1);
    put_text(b, 1, api_version);
    put_text(b, 2, kind);
    end(b, type_meta);
    put_bytes(b, 2, raw);
    put_text(b, 3, "");
    put_text(b, 4, "");
}

void vcodec_frame(struct sy_buf *b, enum sy_encoding enc, const char *type, const char *kind,
                  const char *api_version, struct sy_str object)
{
    if (enc == SY_ENCODING_JSON) {
        sy_buf_addf(b, "{\"type\":\"%s\",\"object\":", type);
        sy_buf_add(b, object.p, object.len);
        sy_buf_adds(b, "}\n");
        return;
    }
    size_t from = b->len;
    sy_buf_add(b, "\0\0\0", 4);
    put_text(b, 1, type);
    size_t extension = begin(b, 2);
    size_t raw = begin(b, 1);
    vcodec_envelope(b, kind, api_version, object);
    end(b, raw);
    end(b, extension);
    size_t len = b->len - from - 4;
    for (unsigned i = 0; i < 4; i++)
        b->p[from + i] = (char)(len >> (24 - 8 * i));
}

void vcodec_bare(struct sy_buf *b, enum sy_encoding enc, const char *kind, const char *api_version,
                 const char *name, uint64_t rv, bool ends_initial)
{
    static const char END[] = "k8s.io/initial-events-end";
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, rv);
    if (enc == SY_ENCODING_JSON) {
        sy_buf_addf(b,
                    "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"name\":\"%s\","
                    "\"resourceVersion\":\"%s\"",
                    kind, api_version, name, text);
        if (ends_initial)
            sy_buf_addf(b, ",\"annotations\":{\"%s\":\"true\"}", END);
        sy_buf_adds(b, "}}");
        return;
    }
    size_t meta = begin(b, 1);
    put_text(b, 1, name);
    put_text(b, 6, text);
    if (ends_initial)
        put_pair(b, 12, END, "true");
    end(b, meta);
}

void vcodec_status(struct sy_buf *b, enum sy_encoding enc, int status, const char *reason,
                   uint32_t retry_after_s)
{
    if (enc == SY_ENCODING_JSON) {
        sy_buf_addf(b,
                    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                    "\"Failure\",\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d",
                    reason, reason, status);
        if (retry_after_s)
            sy_buf_addf(b, ",\"details\":{\"retryAfterSeconds\":%u}", retry_after_s);
        sy_buf_addc(b, '}');
        return;
    }
    put_text(b, 2, "Failure");
    put_text(b, 3, reason);
    put_text(b, 4, reason);
    if (retry_after_s) {
        size_t details = begin(b, 5);
        put_number(b, 5, retry_after_s);
        end(b, details);
    }
    put_number(b, 6, (uint64_t)status);
}

void vcodec_list_head(struct sy_buf *b, enum sy_encoding enc, const char *kind,
                      const char *api_version, uint64_t rv, size_t items_len)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, rv);
    if (enc == SY_ENCODING_JSON) {
        sy_buf_addf(b,
                    "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":"
                    "\"%s\"},\"items\":[",
                    kind, api_version, text);
        return;
    }
    struct sy_buf meta;
    sy_buf_init(&meta, 256);
    size_t list_meta = begin(&meta, 1);
    put_text(&meta, 2, text);
    end(&meta, list_meta);
    sy_buf_add(b, "k8s", 4);
    size_t type_meta = begin(b, 1);
    put_text(b, 1, api_version);
    put_text(b, 2, kind);
    end(b, type_meta);
    add_varint(b, 2 << 3 | 2);
    add_varint(b, meta.len + items_len);
    sy_buf_add(b, meta.p, meta.len);
    sy_buf_done(&meta);
}

void vcodec_item_head(struct sy_buf *b, enum sy_encoding enc, size_t len, bool is_first)
{
    if (enc == SY_ENCODING_JSON) {
        if (!is_first)
            sy_buf_addc(b, ',');
        return;
    }
    add_varint(b, 2 << 3 | 2);
    add_varint(b, len);
}

void vcodec_list_tail(struct sy_buf *b, enum sy_encoding enc)
{
    if (enc == SY_ENCODING_JSON)
        sy_buf_adds(b, "]}\n");
    else
        sy_buf_add(b, "\x1a\0\x22\0", 4); /* contentEncoding, contentType */
}
