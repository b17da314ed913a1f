/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of writes to resource claims: JSON from the model's structs. Field names:
 * k8s.io/api/resource/v1 (v0.37.2). */
#include <inttypes.h>

#include "base/clock.h"
#include "kube/actions_claim.h"

#define FINALIZER "resource.kubernetes.io/delete-protection"

struct body {
    struct sy_buf *out;
    const struct sy_strings *strings;
    struct sy_rng *rng;
};

static void add_text(struct body *b, const char *before, const char *text)
{
    sy_buf_adds(b->out, before);
    sy_buf_add_json(b->out, sy_str_from(text));
}

static void add_id(struct body *b, const char *before, sy_sid id)
{
    sy_buf_adds(b->out, before);
    sy_buf_add_json(b->out, sy_strings_get(b->strings, id));
}

/* Nothing for an empty list, as the API leaves it out. */
static void add_ids(struct body *b, const char *before, const sy_sid *p, uint32_t len)
{
    if (!len)
        return;
    sy_buf_adds(b->out, before);
    for (uint32_t i = 0; i < len; i++)
        add_id(b, i ? "," : "[", p[i]);
    sy_buf_addc(b->out, ']');
}

/* ---- devices --------------------------------------------------------------------------------- */

static void add_consumed(struct body *b, const struct sy_device_result *r)
{
    if (!r->consumed_len)
        return;
    sy_buf_adds(b->out, ",\"consumedCapacity\":{");
    for (uint32_t i = 0; i < r->consumed_len; i++) {
        const struct sy_capacity *c = &r->consumed[i];
        struct sy_buf name;
        sy_buf_init(&name, 4096);
        if (c->is_qualified)
            sy_buf_addf(&name, "%s/", sy_strings_getz(b->strings, c->domain));
        sy_buf_adds(&name, sy_strings_getz(b->strings, c->name));
        sy_buf_adds(b->out, i ? "," : "");
        sy_buf_add_json(b->out, sy_buf_str(&name));
        sy_buf_addc(b->out, ':');
        sy_buf_addc(b->out, '"');
        (void)sy_exact_print(c->value, b->out);
        sy_buf_addc(b->out, '"');
        sy_buf_done(&name);
    }
    sy_buf_addc(b->out, '}');
}

static const char *effect_name(uint8_t effect)
{
    switch (effect) {
    case SY_EFFECT_NO_SCHEDULE:
        return "NoSchedule";
    case SY_EFFECT_PREFER_NO_SCHEDULE:
        return "PreferNoSchedule";
    case SY_EFFECT_NO_EXECUTE:
        return "NoExecute";
    default:
        return NULL;
    }
}

static void add_tolerations(struct body *b, const struct sy_device_grant *g)
{
    for (uint32_t i = 0; i < g->tolerations_len; i++) {
        const struct sy_toleration *t = &g->tolerations[i];
        const char *effect = effect_name(t->effect);
        sy_buf_adds(b->out, i ? ",{" : ",\"tolerations\":[{");
        add_text(b, "\"operator\":", t->op == SY_TOLERATION_EXISTS ? "Exists" : "Equal");
        if (t->key)
            add_id(b, ",\"key\":", t->key);
        if (sy_strings_get(b->strings, t->value).len)
            add_id(b, ",\"value\":", t->value);
        if (effect)
            add_text(b, ",\"effect\":", effect);
        if (g->toleration_seconds && g->toleration_seconds[i] != INT64_MIN)
            sy_buf_addf(b->out, ",\"tolerationSeconds\":%" PRId64, g->toleration_seconds[i]);
        sy_buf_addc(b->out, '}');
    }
    if (g->tolerations_len)
        sy_buf_addc(b->out, ']');
}

/* A random UUID, as RFC 9562 makes one (version 4). */
static void add_share_id(struct body *b)
{
    uint64_t hi = (sy_rng_u64(b->rng) & 0xffffffffffff0fff) | 0x4000;
    uint64_t lo = (sy_rng_u64(b->rng) & 0x3fffffffffffffff) | 0x8000000000000000;

    sy_buf_addf(b->out,
                ",\"shareID\":\"%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64
                "\"",
                hi >> 32, hi >> 16 & 0xffff, hi & 0xffff, lo >> 48, lo & 0xffffffffffff);
}

static void add_grant(struct body *b, const struct sy_device_grant *g)
{
    add_id(b, "{\"request\":", g->result.request);
    add_id(b, ",\"driver\":", g->result.driver);
    add_id(b, ",\"pool\":", g->result.pool);
    add_id(b, ",\"device\":", g->result.device);
    if (g->result.admin_access)
        sy_buf_adds(b->out, ",\"adminAccess\":true");
    add_tolerations(b, g);
    add_ids(b, ",\"bindingConditions\":", g->conditions, g->conditions_len);
    add_ids(b, ",\"bindingFailureConditions\":", g->failure_conditions, g->failure_conditions_len);
    if (g->result.is_share)
        add_share_id(b);
    add_consumed(b, &g->result);
    sy_buf_addc(b->out, '}');
}

static void add_setting(struct body *b, const struct sy_device_setting *s)
{
    add_text(b, "{\"source\":", s->is_of_class ? "FromClass" : "FromClaim");
    add_ids(b, ",\"requests\":", s->config.requests, s->config.requests_len);
    if (s->config.driver) {
        add_id(b, ",\"opaque\":{\"driver\":", s->config.driver);
        sy_buf_adds(b->out, ",\"parameters\":");
        if (s->config.parameters.len)
            sy_buf_add(b->out, s->config.parameters.p, s->config.parameters.len);
        else
            sy_buf_adds(b->out, "null");
        sy_buf_addc(b->out, '}');
    }
    sy_buf_addc(b->out, '}');
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void add_requirements(struct body *b, const char *before, const struct sy_requirement *p,
                             uint32_t len)
{
    static const char *const NAMES[] = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"};

    for (uint32_t i = 0; i < len; i++) {
        sy_buf_adds(b->out, i ? ",{" : before);
        add_id(b, "\"key\":", p[i].key);
        /* One that upstream could not build matches nothing, and is not accepted. */
        add_text(b, ",\"operator\":", p[i].op < SY_ARRAY_LEN(NAMES) ? NAMES[p[i].op] : "");
        add_ids(b, ",\"values\":", p[i].values, p[i].values_len);
        sy_buf_addc(b->out, '}');
    }
    if (len)
        sy_buf_addc(b->out, ']');
}

static void add_nodes(struct body *b, const struct sy_node_selector *s)
{
    sy_buf_adds(b->out, ",\"nodeSelector\":{\"nodeSelectorTerms\":[");
    for (uint32_t i = 0; i < s->len; i++) {
        const struct sy_node_term *t = &s->terms[i];
        sy_buf_adds(b->out, i ? ",{" : "{");
        add_requirements(b, "\"matchExpressions\":[{", t->exprs, t->exprs_len);
        if (t->exprs_len && t->fields_len)
            sy_buf_addc(b->out, ',');
        add_requirements(b, "\"matchFields\":[{", t->fields, t->fields_len);
        sy_buf_addc(b->out, '}');
    }
    sy_buf_adds(b->out, "]}");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void add_allocation(struct body *b, const struct sy_device_allocation *a,
                           int64_t now_wall_ns)
{
    char time[SY_RFC3339_MAX];

    sy_rfc3339_format(now_wall_ns, 0, time);
    sy_buf_addf(b->out, "\"allocation\":{\"allocationTimestamp\":\"%s\",\"devices\":{\"results\":[",
                time);
    for (uint32_t i = 0; i < a->grants_len; i++) {
        sy_buf_adds(b->out, i ? "," : "");
        add_grant(b, &a->grants[i]);
    }
    sy_buf_addc(b->out, ']');
    for (uint32_t i = 0; i < a->settings_len; i++) {
        sy_buf_adds(b->out, i ? "," : ",\"config\":[");
        add_setting(b, &a->settings[i]);
    }
    if (a->settings_len)
        sy_buf_addc(b->out, ']');
    sy_buf_addc(b->out, '}');
    if (a->nodes.is_set)
        add_nodes(b, &a->nodes);
    sy_buf_adds(b->out, "},");
}

static void add_status(struct body *b, const struct sy_claim_write *w, int64_t now_wall_ns)
{
    sy_buf_adds(b->out, ",\"status\":{");
    if (w->kind == SY_CLAIM_DEALLOCATE) {
        sy_buf_adds(b->out, "\"allocation\":null,\"reservedFor\":null,\"devices\":null}");
        return;
    }
    if (w->kind == SY_CLAIM_ALLOCATE)
        add_allocation(b, w->allocation, now_wall_ns);
    if (w->kind == SY_CLAIM_UNRESERVE) {
        add_text(b, "\"reservedFor\":[{\"$patch\":\"delete\",\"uid\":", w->pod_uid);
    } else {
        add_text(b, "\"reservedFor\":[{\"resource\":\"pods\",\"name\":", w->pod);
        add_text(b, ",\"uid\":", w->pod_uid);
    }
    sy_buf_adds(b->out, "}]}");
}

/* ---- claims for extended resources ----------------------------------------------------------- */

static void add_requests(struct body *b, const struct sy_device_claim *made)
{
    sy_buf_adds(b->out, "\"requests\":[");
    for (uint32_t i = 0; i < made->requests_len; i++) {
        const struct sy_device_want *want = &made->requests[i].wants[0];
        add_id(b, i ? ",{\"name\":" : "{\"name\":", made->requests[i].name);
        add_id(b, ",\"exactly\":{\"deviceClassName\":", want->class);
        sy_buf_addf(b->out, ",\"allocationMode\":\"ExactCount\",\"count\":%" PRId64 "}}",
                    want->count);
    }
    sy_buf_addc(b->out, ']');
}

/* The name is given beside what the API server would make it of, so that to send it again makes no
 * second one. */
static void add_claim(struct body *b, const struct sy_claim_write *w)
{
    struct sy_buf prefix;

    sy_buf_init(&prefix, 4096);
    sy_buf_addf(&prefix, "%s-extended-resources-", w->pod);
    add_text(b,
             "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"ResourceClaim\",\"metadata\":{"
             "\"name\":",
             w->name);
    sy_buf_adds(b->out, ",\"generateName\":");
    sy_buf_add_json(b->out, sy_buf_str(&prefix));
    sy_buf_done(&prefix);
    add_text(b, ",\"namespace\":", w->ns);
    sy_buf_adds(b->out,
                ",\"annotations\":{\"resource.kubernetes.io/extended-resource-claim\":\"true\"},"
                "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"controller\":true");
    add_text(b, ",\"name\":", w->pod);
    add_text(b, ",\"uid\":", w->pod_uid);
    sy_buf_adds(b->out, "}]},\"spec\":{\"devices\":{");
    add_requests(b, w->made);
    sy_buf_adds(b->out, "}}}");
}

static void add_pod_status(struct body *b, const struct sy_claim_write *w)
{
    add_text(b, "{\"metadata\":{\"uid\":", w->pod_uid);
    add_text(b, "},\"status\":{\"extendedResourceClaimStatus\":{\"resourceClaimName\":", w->name);
    sy_buf_adds(b->out, ",\"requestMappings\":[");
    for (uint32_t i = 0; i < w->mappings_len; i++) {
        add_id(b, i ? ",{\"containerName\":" : "{\"containerName\":", w->mappings[i].container);
        add_id(b, ",\"resourceName\":", w->mappings[i].resource);
        add_id(b, ",\"requestName\":", w->mappings[i].request);
        sy_buf_addc(b->out, '}');
    }
    sy_buf_adds(b->out, "]}}}");
}

/* So that it may go, allocated as it is. */
static void add_release(struct body *b, const struct sy_claim_write *w)
{
    sy_buf_adds(b->out, "{\"metadata\":{");
    if (*w->uid) {
        add_text(b, "\"uid\":", w->uid);
        sy_buf_addc(b->out, ',');
    }
    sy_buf_adds(b->out, "\"$deleteFromPrimitiveList/finalizers\":[\"" FINALIZER "\"]}}");
}

void sy_body_claim(struct sy_buf *out, const struct sy_claim_write *w,
                   const struct sy_strings *strings, struct sy_rng *rng, int64_t now_wall_ns)
{
    struct body b = {.out = out, .strings = strings, .rng = rng};

    switch (w->kind) {
    case SY_CLAIM_CREATE:
        add_claim(&b, w);
        return;
    case SY_CLAIM_TELL_POD:
        add_pod_status(&b, w);
        return;
    case SY_CLAIM_DELETE:
        add_release(&b, w);
        return;
    default:
        break;
    }
    add_text(&b, "{\"metadata\":{\"uid\":", w->uid);
    if (w->version)
        add_text(&b, ",\"resourceVersion\":", w->version);
    if (w->kind == SY_CLAIM_PROTECT)
        sy_buf_adds(out, ",\"finalizers\":[\"" FINALIZER "\"]");
    sy_buf_addc(out, '}');
    if (w->kind != SY_CLAIM_PROTECT)
        add_status(&b, w, now_wall_ns);
    sy_buf_addc(out, '}');
}
