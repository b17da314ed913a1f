/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/actions_body.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/actions.h"

enum { NAME_MAX_LEN = 253 };

/* ---- protobuf: all our field numbers are below 16, so a tag is one byte
 * --------------------------- */

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static size_t varint_len(uint64_t v)
{
    size_t n = 1;

    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

static void put_varint(struct sy_buf *out, uint64_t v)
{
    while (v >= 0x80) {
        sy_buf_addc(out, (char)(v | 0x80));
        v >>= 7;
    }
    sy_buf_addc(out, (char)v);
}

/* The size of a field that holds `len` bytes. */
static size_t field_len(size_t len)
{
    return 1 + varint_len(len) + len;
}

static size_t text_len(const char *text)
{
    return text && *text ? field_len(strlen(text)) : 0;
}

static void put_head(struct sy_buf *out, unsigned number, size_t len)
{
    sy_buf_addc(out, (char)(number << 3 | WIRE_BYTES));
    put_varint(out, len);
}

static void put_text(struct sy_buf *out, unsigned number, const char *text)
{
    if (!text || !*text)
        return;
    put_head(out, number, strlen(text));
    sy_buf_adds(out, text);
}

static void put_number(struct sy_buf *out, unsigned number, uint64_t v)
{
    sy_buf_addc(out, (char)(number << 3 | WIRE_VARINT));
    put_varint(out, v);
}

/* "k8s\0" and runtime.Unknown around a message of `len` bytes that follows. */
static void put_envelope(struct sy_buf *out, const char *api_version, const char *kind, size_t len)
{
    sy_buf_add(out, "k8s\0", 4);
    put_head(out, 1, text_len(api_version) + text_len(kind));
    put_text(out, 1, api_version);
    put_text(out, 2, kind);
    put_head(out, 2, len);
}

static size_t time_len(int64_t wall_ns)
{
    return 1 + varint_len((uint64_t)(wall_ns / SY_NS_PER_S)) + 1 +
           varint_len((uint64_t)(wall_ns % SY_NS_PER_S / 1000 * 1000));
}

/* MicroTime */
static void put_time(struct sy_buf *out, unsigned number, int64_t wall_ns)
{
    put_head(out, number, time_len(wall_ns));
    put_number(out, 1, (uint64_t)(wall_ns / SY_NS_PER_S));
    put_number(out, 2, (uint64_t)(wall_ns % SY_NS_PER_S / 1000 * 1000));
}

/* ---- bind ---------------------------------------------------------------------------------------
 */

static size_t annotation_len(const char *const *pair)
{
    return field_len(strlen(pair[0])) + field_len(strlen(pair[1]));
}

static void bind_protobuf(struct sy_buf *out, const char *ns, const char *name, const char *uid,
                          const char *node, const char *const *annotations)
{
    size_t meta = text_len(name) + text_len(ns) + text_len(uid);
    size_t target = text_len("Node") + text_len(node);

    for (const char *const *a = annotations; a && *a; a += 2)
        meta += field_len(annotation_len(a));
    put_envelope(out, "v1", "Binding", field_len(meta) + field_len(target));
    put_head(out, 1, meta);
    put_text(out, 1, name);
    put_text(out, 3, ns);
    put_text(out, 5, uid);
    for (const char *const *a = annotations; a && *a; a += 2) {
        put_head(out, 12, annotation_len(a));
        put_head(out, 1, strlen(a[0]));
        sy_buf_adds(out, a[0]);
        put_head(out, 2, strlen(a[1]));
        sy_buf_adds(out, a[1]);
    }
    put_head(out, 2, target);
    put_text(out, 1, "Node");
    put_text(out, 3, node);
}

static void add_json_field(struct sy_buf *out, const char *prefix, const char *value)
{
    sy_buf_adds(out, prefix);
    sy_buf_add_json(out, sy_str_from(value));
}

static void bind_json(struct sy_buf *out, const char *ns, const char *name, const char *uid,
                      const char *node, const char *const *annotations)
{
    add_json_field(out,
                   "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":", name);
    add_json_field(out, ",\"namespace\":", ns);
    add_json_field(out, ",\"uid\":", uid);
    for (const char *const *a = annotations; a && *a; a += 2) {
        add_json_field(out, a == annotations ? ",\"annotations\":{" : ",", a[0]);
        add_json_field(out, ":", a[1]);
    }
    if (annotations && *annotations)
        sy_buf_addc(out, '}');
    add_json_field(out, "},\"target\":{\"kind\":\"Node\",\"name\":", node);
    sy_buf_adds(out, "}}");
}

void sy_body_bind(struct sy_buf *out, enum sy_encoding enc, const char *ns, const char *name,
                  const char *uid, const char *node, const char *const *annotations)
{
    if (enc == SY_ENCODING_PROTOBUF)
        bind_protobuf(out, ns, name, uid, node, annotations);
    else
        bind_json(out, ns, name, uid, node, annotations);
}

/* ---- events -------------------------------------------------------------------------------------
 */

void sy_body_event_name(struct sy_buf *out, const struct sy_body_event *e)
{
    size_t len = strlen(e->name);
    enum { SUFFIX_MAX = 17 };

    sy_buf_add(out, e->name, len > NAME_MAX_LEN - SUFFIX_MAX ? NAME_MAX_LEN - SUFFIX_MAX : len);
    sy_buf_addf(out, ".%" PRIx64, (uint64_t)e->first_wall_ns);
}

static void event_protobuf(struct sy_buf *out, const struct sy_body_event *e)
{
    struct sy_buf name;

    sy_buf_init(&name, 2 * NAME_MAX_LEN);
    sy_body_event_name(&name, e);
    size_t meta = text_len(name.p) + text_len(e->ns);
    size_t regarding =
        text_len("Pod") + text_len(e->ns) + text_len(e->name) + text_len(e->uid) + text_len("v1");
    size_t series =
        e->count < 2 ? 0 : 1 + varint_len(e->count) + field_len(time_len(e->last_wall_ns));
    size_t len = field_len(meta) + field_len(time_len(e->first_wall_ns)) +
                 (series ? field_len(series) : 0) + text_len(e->component) + text_len(e->instance) +
                 text_len(e->action) + text_len(e->reason) + field_len(regarding) +
                 text_len(e->note) + text_len(e->type);

    put_envelope(out, "events.k8s.io/v1", "Event", len);
    put_head(out, 1, meta);
    put_text(out, 1, name.p);
    put_text(out, 3, e->ns);
    put_time(out, 2, e->first_wall_ns);
    if (series) {
        put_head(out, 3, series);
        put_number(out, 1, e->count);
        put_time(out, 2, e->last_wall_ns);
    }
    put_text(out, 4, e->component);
    put_text(out, 5, e->instance);
    put_text(out, 6, e->action);
    put_text(out, 7, e->reason);
    put_head(out, 8, regarding);
    put_text(out, 1, "Pod");
    put_text(out, 2, e->ns);
    put_text(out, 3, e->name);
    put_text(out, 4, e->uid);
    put_text(out, 5, "v1");
    put_text(out, 10, e->note);
    put_text(out, 11, e->type);
    sy_buf_done(&name);
}

static void add_series(struct sy_buf *out, const struct sy_body_event *e)
{
    char time[SY_RFC3339_MAX];

    sy_rfc3339_format(e->last_wall_ns, 1, time);
    sy_buf_addf(out, "\"series\":{\"count\":%" PRIu32 ",\"lastObservedTime\":\"%s\"}", e->count,
                time);
}

static void event_json(struct sy_buf *out, const struct sy_body_event *e)
{
    char time[SY_RFC3339_MAX];
    struct sy_buf name;

    sy_buf_init(&name, 2 * NAME_MAX_LEN);
    sy_body_event_name(&name, e);
    sy_rfc3339_format(e->first_wall_ns, 1, time);
    add_json_field(
        out,
        "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":", name.p);
    add_json_field(out, ",\"namespace\":", e->ns);
    sy_buf_addf(out, "},\"eventTime\":\"%s\",", time);
    if (e->count > 1) {
        add_series(out, e);
        sy_buf_addc(out, ',');
    }
    add_json_field(out, "\"reportingController\":", e->component);
    add_json_field(out, ",\"reportingInstance\":", e->instance);
    add_json_field(out, ",\"action\":", e->action);
    add_json_field(out, ",\"reason\":", e->reason);
    add_json_field(out,
                   ",\"regarding\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"namespace\":", e->ns);
    add_json_field(out, ",\"name\":", e->name);
    add_json_field(out, ",\"uid\":", e->uid);
    add_json_field(out, "},\"note\":", e->note);
    add_json_field(out, ",\"type\":", e->type);
    sy_buf_addc(out, '}');
    sy_buf_done(&name);
}

void sy_body_event(struct sy_buf *out, enum sy_encoding enc, const struct sy_body_event *e)
{
    if (enc == SY_ENCODING_PROTOBUF)
        event_protobuf(out, e);
    else
        event_json(out, e);
}

void sy_body_series(struct sy_buf *out, const struct sy_body_event *e)
{
    sy_buf_addc(out, '{');
    add_series(out, e);
    sy_buf_addc(out, '}');
}

/* ---- conditions ---------------------------------------------------------------------------------
 */

/* The end of the condition and of the list that it is in. */
static void add_transition(struct sy_buf *out, int64_t wall_ns, int64_t generation)
{
    char time[SY_RFC3339_MAX];

    sy_rfc3339_format(wall_ns, 0, time);
    if (generation)
        sy_buf_addf(out, ",\"observedGeneration\":%" PRId64, generation);
    sy_buf_addf(out, ",\"lastTransitionTime\":\"%s\"}]", time);
}

void sy_body_condition(struct sy_buf *out, const char *uid, const char *reason, const char *message,
                       const char *nominated_node, int64_t transition_wall_ns, int64_t generation)
{
    add_json_field(out, "{\"metadata\":{\"uid\":", uid);
    add_json_field(out,
                   "},\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
                   "\"lastProbeTime\":null,\"reason\":",
                   reason);
    add_json_field(out, ",\"message\":", message);
    add_transition(out, transition_wall_ns, generation);
    if (nominated_node && *nominated_node)
        add_json_field(out, ",\"nominatedNodeName\":", nominated_node);
    else if (nominated_node)
        sy_buf_adds(out, ",\"nominatedNodeName\":null");
    sy_buf_adds(out, "}}");
}

/* ---- preemption ---------------------------------------------------------------------------------
 */

void sy_body_disruption(struct sy_buf *out, const char *uid, const char *message, bool has_failed,
                        int64_t now_wall_ns, int64_t generation)
{
    add_json_field(out, "{\"metadata\":{\"uid\":", uid);
    sy_buf_adds(out, "},\"status\":{");
    if (has_failed)
        sy_buf_adds(out, "\"phase\":\"Failed\",");
    sy_buf_adds(out, "\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\","
                     "\"lastProbeTime\":null,");
    add_json_field(out, "\"reason\":", has_failed ? "NodeFailed" : "PreemptionByScheduler");
    add_json_field(out, ",\"message\":", message);
    add_transition(out, now_wall_ns, generation);
    sy_buf_adds(out, "}}");
}

void sy_body_group(struct sy_buf *out, const struct sy_group_write *w, int64_t now_wall_ns)
{
    add_json_field(out, "{\"metadata\":{\"uid\":", w->uid);
    if (w->phase) {
        add_json_field(out, "},\"status\":{\"phase\":", w->phase);
        if (w->running)
            sy_buf_addf(out, ",\"running\":%" PRIu32, w->running);
    } else {
        add_json_field(out,
                       "},\"status\":{\"conditions\":[{\"type\":"
                       "\"PodGroupInitiallyScheduled\",\"status\":",
                       w->is_scheduled ? "True" : "False");
        add_json_field(out, ",\"reason\":", w->reason);
        char *message SY_CLEANUP(sy_freep) = sy_body_cut(w->message, SY_NOTE_MAX);
        add_json_field(out, ",\"message\":", message);
        add_transition(out, now_wall_ns, w->generation);
    }
    sy_buf_adds(out, "}}");
}

void sy_body_delete(struct sy_buf *out, const char *uid, bool at_once)
{
    sy_buf_adds(out, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",");
    if (at_once)
        sy_buf_adds(out, "\"gracePeriodSeconds\":0,");
    add_json_field(out, "\"preconditions\":{\"uid\":", uid);
    sy_buf_adds(out, "}}");
}

void sy_body_eviction(struct sy_buf *out, const char *ns, const char *name, const char *uid)
{
    add_json_field(
        out, "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":", name);
    add_json_field(out, ",\"namespace\":", ns);
    add_json_field(out, "},\"deleteOptions\":{\"preconditions\":{\"uid\":", uid);
    sy_buf_adds(out, "}}}");
}

void sy_body_claim_ref(struct sy_buf *out, const struct sy_volume_write *w)
{
    add_json_field(out, "{\"metadata\":{\"resourceVersion\":", w->version);
    if (w->set_by_controller)
        sy_buf_adds(out, ",\"annotations\":{\"pv.kubernetes.io/bound-by-controller\":\"yes\"}");
    add_json_field(out,
                   "},\"spec\":{\"claimRef\":{\"apiVersion\":\"v1\",\"kind\":"
                   "\"PersistentVolumeClaim\",\"namespace\":",
                   w->ns);
    add_json_field(out, ",\"name\":", w->claim);
    add_json_field(out, ",\"uid\":", w->claim_uid);
    add_json_field(out, ",\"resourceVersion\":", w->claim_version);
    sy_buf_adds(out, "}}}");
}

void sy_body_selected_node(struct sy_buf *out, const struct sy_volume_write *w)
{
    add_json_field(out, "{\"metadata\":{\"resourceVersion\":", w->version);
    add_json_field(out, ",\"annotations\":{\"volume.kubernetes.io/selected-node\":", w->node);
    sy_buf_adds(out, "}}}");
}

/* ---- text ---------------------------------------------------------------------------------------
 */

void sy_body_segment(struct sy_buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool is_safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';

        if (is_safe)
            sy_buf_addc(out, (char)c);
        else
            sy_buf_addf(out, "%%%02X", c);
    }
}

char *sy_body_cut(const char *text, size_t max)
{
    static const char dots[] = " ...";
    size_t len = strlen(text);

    if (len <= max)
        return sy_xstrndup(text, len);
    len = max - (sizeof(dots) - 1);
    while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return sy_xasprintf("%.*s%s", (int)len, text, dots);
}
