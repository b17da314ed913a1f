/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying, marking and printing of devices' objects: one function for each struct and task. */
#include <stdlib.h>

#include "model/devices.h"
#include "model/walk.h"

struct sy_devices_identity sy_devices_identity(enum sy_devices_kind kind, const void *object)
{
    const union sy_devices_object *o = object;

    switch (kind) {
    case SY_DEVICES_SLICE:
        return (struct sy_devices_identity){0, o->slice.name, o->slice.resource_version};
    case SY_DEVICES_CLASS:
        return (struct sy_devices_identity){0, o->class.name, o->class.resource_version};
    case SY_DEVICES_RULE:
        return (struct sy_devices_identity){0, o->rule.name, o->rule.resource_version};
    default:
        return (struct sy_devices_identity){o->claim.ns, o->claim.name, o->claim.resource_version};
    }
}

/* ---- copying --------------------------------------------------------------------------------- */

static void copy_nodes(struct sy_copier *c, struct sy_node_selector *s)
{
    struct sy_node_term *terms = sy_copy_room(c, s->len, sizeof(*terms));

    for (uint32_t i = 0; terms && i < s->len; i++)
        terms[i] = sy_copy_node_term(c, &s->terms[i]);
    s->terms = terms;
    s->len = terms ? s->len : 0;
}

static void copy_selectors(struct sy_copier *c, struct sy_device_selectors *s)
{
    struct sy_str *p = sy_copy_room(c, s->len, sizeof(*p));

    for (uint32_t i = 0; p && i < s->len; i++)
        p[i] = sy_copy_str(c, s->p[i]);
    s->p = p;
    s->len = p ? s->len : 0;
}

static const struct sy_capacity *copy_capacity(struct sy_copier *c, const struct sy_capacity *p,
                                               uint32_t len)
{
    struct sy_capacity *to = sy_copy_array(c, p, len, sizeof(*to));

    for (uint32_t i = 0; to && i < len; i++) {
        if (!p[i].policy)
            continue;
        struct sy_capacity_policy *policy = sy_copy_array(c, p[i].policy, 1, sizeof(*policy));
        to[i].policy = policy;
        if (policy)
            policy->values =
                sy_copy_array(c, policy->values, policy->values_len, sizeof(*policy->values));
    }
    return to;
}

static const sy_sid *copy_sids(struct sy_copier *c, const sy_sid *p, uint32_t len)
{
    return sy_copy_array(c, p, len, sizeof(*p));
}

static const struct sy_device_config *copy_config(struct sy_copier *c,
                                                  const struct sy_device_config *from, uint32_t len)
{
    struct sy_device_config *p = sy_copy_array(c, from, len, sizeof(*p));

    for (uint32_t i = 0; p && i < len; i++) {
        p[i].requests = copy_sids(c, p[i].requests, p[i].requests_len);
        p[i].parameters = sy_copy_str(c, p[i].parameters);
    }
    return p;
}

static void copy_slice(struct sy_copier *c, struct sy_device_slice *s)
{
    struct sy_device *devices = sy_copy_array(c, s->devices, s->devices_len, sizeof(*devices));

    s->resource_version = sy_copy_str(c, s->resource_version);
    copy_nodes(c, &s->nodes.selector);
    s->counters = sy_copy_array(c, s->counters, s->counters_len, sizeof(*s->counters));
    s->devices = devices;
    for (uint32_t i = 0; devices && i < s->devices_len; i++) {
        struct sy_device *d = &devices[i];
        d->attributes = sy_copy_array(c, d->attributes, d->attributes_len, sizeof(*d->attributes));
        d->capacity = copy_capacity(c, d->capacity, d->capacity_len);
        d->conditions = sy_copy_array(c, d->conditions, d->conditions_len, sizeof(sy_sid));
        d->failure_conditions =
            sy_copy_array(c, d->failure_conditions, d->failure_conditions_len, sizeof(sy_sid));
        d->taints = sy_copy_array(c, d->taints, d->taints_len, sizeof(*d->taints));
        d->counters = sy_copy_array(c, d->counters, d->counters_len, sizeof(*d->counters));
        copy_nodes(c, &d->nodes.selector);
    }
}

static void copy_request(struct sy_copier *c, struct sy_device_request *r)
{
    struct sy_device_want *wants = sy_copy_array(c, r->wants, r->wants_len, sizeof(*wants));

    r->wants = wants;
    for (uint32_t i = 0; wants && i < r->wants_len; i++) {
        struct sy_device_want *w = &wants[i];
        copy_selectors(c, &w->selectors);
        w->capacity = sy_copy_array(c, w->capacity, w->capacity_len, sizeof(*w->capacity));
        w->tolerations =
            sy_copy_array(c, w->tolerations, w->tolerations_len, sizeof(*w->tolerations));
        if (w->toleration_seconds)
            w->toleration_seconds = sy_copy_array(c, w->toleration_seconds, w->tolerations_len,
                                                  sizeof(*w->toleration_seconds));
    }
}

static void copy_claim(struct sy_copier *c, struct sy_device_claim *claim)
{
    struct sy_device_request *requests =
        sy_copy_array(c, claim->requests, claim->requests_len, sizeof(*requests));
    struct sy_device_constraint *constraints =
        sy_copy_array(c, claim->constraints, claim->constraints_len, sizeof(*constraints));
    struct sy_device_result *results =
        sy_copy_array(c, claim->results, claim->results_len, sizeof(*results));
    struct sy_str *reserved = sy_copy_room(c, claim->reserved_for_len, sizeof(*reserved));

    claim->uid = sy_copy_str(c, claim->uid);
    claim->resource_version = sy_copy_str(c, claim->resource_version);
    claim->owner_uid = sy_copy_str(c, claim->owner_uid);
    claim->config = copy_config(c, claim->config, claim->config_len);
    copy_nodes(c, &claim->nodes);
    for (uint32_t i = 0; requests && i < claim->requests_len; i++)
        copy_request(c, &requests[i]);
    for (uint32_t i = 0; constraints && i < claim->constraints_len; i++)
        constraints[i].requests =
            sy_copy_array(c, constraints[i].requests, constraints[i].requests_len, sizeof(sy_sid));
    for (uint32_t i = 0; results && i < claim->results_len; i++)
        results[i].consumed = sy_copy_array(c, results[i].consumed, results[i].consumed_len,
                                            sizeof(*results[i].consumed));
    for (uint32_t i = 0; reserved && i < claim->reserved_for_len; i++)
        reserved[i] = sy_copy_str(c, claim->reserved_for[i]);
    claim->requests = requests;
    claim->constraints = constraints;
    claim->results = results;
    claim->reserved_for = reserved;
}

int sy_devices_copy(enum sy_devices_kind kind, struct sy_arena *arena, const void *object,
                    union sy_devices_object *ret)
{
    struct sy_copier c = {.arena = arena};
    union sy_devices_object copy = {0};

    switch (kind) {
    case SY_DEVICES_SLICE:
        copy.slice = *(const struct sy_device_slice *)object;
        copy_slice(&c, &copy.slice);
        break;
    case SY_DEVICES_CLASS:
        copy.class = *(const struct sy_device_class *)object;
        copy.class.resource_version = sy_copy_str(&c, copy.class.resource_version);
        copy_selectors(&c, &copy.class.selectors);
        copy.class.config = copy_config(&c, copy.class.config, copy.class.config_len);
        break;
    case SY_DEVICES_RULE:
        copy.rule = *(const struct sy_device_taint_rule *)object;
        copy.rule.resource_version = sy_copy_str(&c, copy.rule.resource_version);
        break;
    default:
        copy.claim = *(const struct sy_device_claim *)object;
        copy_claim(&c, &copy.claim);
        break;
    }
    if (c.error)
        return c.error;
    *ret = copy;
    return 0;
}

/* ---- marking --------------------------------------------------------------------------------- */

static void mark_node_selector(struct sy_strings *t, const struct sy_node_selector *s)
{
    for (uint32_t i = 0; i < s->len; i++)
        sy_mark_node_term(t, &s->terms[i]);
}

static void mark_nodes(struct sy_strings *t, const struct sy_device_nodes *n)
{
    sy_strings_mark(t, n->node);
    mark_node_selector(t, &n->selector);
}

static void mark_capacity(struct sy_strings *t, const struct sy_capacity *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sy_strings_mark(t, p[i].domain);
        sy_strings_mark(t, p[i].name);
    }
}

static void mark_counters(struct sy_strings *t, const struct sy_device_counter *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sy_strings_mark(t, p[i].set);
        sy_strings_mark(t, p[i].name);
    }
}

static void mark_config(struct sy_strings *t, const struct sy_device_config *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sy_mark_sids(t, p[i].requests, p[i].requests_len);
        sy_strings_mark(t, p[i].driver);
    }
}

static void mark_device(struct sy_strings *t, const struct sy_device *d)
{
    sy_strings_mark(t, d->name);
    for (uint32_t i = 0; i < d->attributes_len; i++) {
        sy_strings_mark(t, d->attributes[i].domain);
        sy_strings_mark(t, d->attributes[i].name);
        sy_strings_mark(t, d->attributes[i].text);
    }
    mark_capacity(t, d->capacity, d->capacity_len);
    mark_counters(t, d->counters, d->counters_len);
    for (uint32_t i = 0; i < d->taints_len; i++) {
        sy_strings_mark(t, d->taints[i].key);
        sy_strings_mark(t, d->taints[i].value);
    }
    sy_mark_sids(t, d->conditions, d->conditions_len);
    sy_mark_sids(t, d->failure_conditions, d->failure_conditions_len);
    mark_nodes(t, &d->nodes);
}

static void mark_request(struct sy_strings *t, const struct sy_device_request *r)
{
    sy_strings_mark(t, r->name);
    for (uint32_t i = 0; i < r->wants_len; i++) {
        const struct sy_device_want *w = &r->wants[i];
        sy_strings_mark(t, w->name);
        sy_strings_mark(t, w->class);
        mark_capacity(t, w->capacity, w->capacity_len);
        for (uint32_t j = 0; j < w->tolerations_len; j++) {
            sy_strings_mark(t, w->tolerations[j].key);
            sy_strings_mark(t, w->tolerations[j].value);
        }
    }
}

static void mark_claim(struct sy_strings *t, const struct sy_device_claim *claim)
{
    sy_strings_mark(t, claim->ns);
    sy_strings_mark(t, claim->name);
    mark_config(t, claim->config, claim->config_len);
    mark_node_selector(t, &claim->nodes);
    for (uint32_t i = 0; i < claim->requests_len; i++)
        mark_request(t, &claim->requests[i]);
    for (uint32_t i = 0; i < claim->constraints_len; i++) {
        const struct sy_device_constraint *k = &claim->constraints[i];
        sy_mark_sids(t, k->requests, k->requests_len);
        sy_strings_mark(t, k->domain);
        sy_strings_mark(t, k->name);
    }
    for (uint32_t i = 0; i < claim->results_len; i++) {
        const struct sy_device_result *r = &claim->results[i];
        sy_strings_mark(t, r->request);
        sy_strings_mark(t, r->driver);
        sy_strings_mark(t, r->pool);
        sy_strings_mark(t, r->device);
        mark_capacity(t, r->consumed, r->consumed_len);
    }
}

static void mark_rule(struct sy_strings *strings, const struct sy_device_taint_rule *rule)
{
    sy_strings_mark(strings, rule->name);
    sy_strings_mark(strings, rule->driver);
    sy_strings_mark(strings, rule->pool);
    sy_strings_mark(strings, rule->device);
    sy_strings_mark(strings, rule->taint.key);
    sy_strings_mark(strings, rule->taint.value);
}

void sy_devices_mark(enum sy_devices_kind kind, const void *object, struct sy_strings *strings)
{
    const union sy_devices_object *o = object;

    switch (kind) {
    case SY_DEVICES_SLICE:
        sy_strings_mark(strings, o->slice.name);
        sy_strings_mark(strings, o->slice.driver);
        sy_strings_mark(strings, o->slice.pool);
        mark_nodes(strings, &o->slice.nodes);
        mark_counters(strings, o->slice.counters, o->slice.counters_len);
        for (uint32_t i = 0; i < o->slice.devices_len; i++)
            mark_device(strings, &o->slice.devices[i]);
        break;
    case SY_DEVICES_CLASS:
        sy_strings_mark(strings, o->class.name);
        sy_strings_mark(strings, o->class.extended_resource);
        mark_config(strings, o->class.config, o->class.config_len);
        break;
    case SY_DEVICES_RULE:
        mark_rule(strings, &o->rule);
        break;
    default:
        mark_claim(strings, &o->claim);
        break;
    }
}

/* ---- printing -------------------------------------------------------------------------------- */

static void dump_exact(struct sy_dump *d, struct sy_exact e)
{
    sy_buf_addf(d->out, "%lld.%09u%s", (long long)e.whole, e.nano, e.is_binary ? "i" : "");
}

static void dump_bound(struct sy_dump *d, const char *what, bool is_set, struct sy_exact e)
{
    if (!is_set)
        return;
    sy_buf_addf(d->out, " %s ", what);
    dump_exact(d, e);
}

static void dump_policy(struct sy_dump *d, const struct sy_capacity_policy *p)
{
    sy_buf_addf(d->out, " policy range=%d", p->has_range);
    dump_bound(d, "default", p->has_default, p->by_default);
    dump_bound(d, "min", p->has_min, p->min);
    dump_bound(d, "max", p->has_max, p->max);
    dump_bound(d, "step", p->has_step, p->step);
    for (uint32_t i = 0; i < p->values_len; i++)
        dump_bound(d, "or", true, p->values[i]);
}

static void dump_node_selector(struct sy_dump *d, const struct sy_node_selector *s)
{
    sy_buf_adds(d->out, s->is_set ? " nodes" : " any");
    for (uint32_t i = 0; i < s->len; i++) {
        sy_buf_addc(d->out, ' ');
        sy_dump_node_term(d, &s->terms[i]);
    }
}

static void dump_nodes(struct sy_dump *d, const struct sy_device_nodes *n)
{
    sy_dump_id(d, n->node);
    sy_buf_addf(d->out, " all=%d", n->all);
    dump_node_selector(d, &n->selector);
    sy_buf_addc(d->out, '\n');
}

/* Maps come in the order of their sender: by text here. */
static void dump_capacity(struct sy_dump *d, const char *what, const struct sy_capacity *p,
                          uint32_t len)
{
    uint32_t *order = len ? sy_dump_order(d->strings, p, len, sizeof(*p)) : NULL;

    for (uint32_t i = 0; i < len; i++) {
        const struct sy_capacity *k = &p[order[i]];
        sy_buf_addf(d->out, "  %s ", what);
        sy_dump_id(d, k->name);
        sy_buf_addc(d->out, ' ');
        sy_dump_id(d, k->domain);
        sy_buf_addf(d->out, " %d ", k->is_qualified);
        dump_exact(d, k->value);
        if (k->policy)
            dump_policy(d, k->policy);
        sy_buf_addc(d->out, '\n');
    }
    free(order);
}

/* Parameters are told by whether they are there: JSON has many forms of one value. */
static void dump_config(struct sy_dump *d, const struct sy_device_config *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sy_buf_adds(d->out, "config ");
        sy_dump_id(d, p[i].driver);
        sy_buf_addf(d->out, " %d ", p[i].parameters.len != 0);
        sy_dump_sids(d, p[i].requests, p[i].requests_len, false);
        sy_buf_addc(d->out, '\n');
    }
}

static void dump_counters(struct sy_dump *d, const struct sy_device_counter *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sy_buf_adds(d->out, "  counter ");
        sy_dump_id(d, p[i].set);
        sy_buf_addc(d->out, ' ');
        sy_dump_id(d, p[i].name);
        sy_buf_addc(d->out, ' ');
        dump_exact(d, p[i].value);
        sy_buf_addc(d->out, '\n');
    }
}

static void dump_taint(struct sy_dump *d, const struct sy_device_taint *t)
{
    sy_buf_adds(d->out, "  taint ");
    sy_dump_id(d, t->key);
    sy_buf_addc(d->out, ' ');
    sy_dump_id(d, t->value);
    sy_buf_addf(d->out, " %s\n",
                sy_dump_word(sy_effect_words, SY_ARRAY_LEN(sy_effect_words), t->effect));
}

static void dump_device(struct sy_dump *d, const struct sy_device *v)
{
    uint32_t *order = v->attributes_len ? sy_dump_order(d->strings, v->attributes,
                                                        v->attributes_len, sizeof(*v->attributes))
                                        : NULL;

    sy_dump_id_line(d, "device", v->name);
    for (uint32_t i = 0; i < v->attributes_len; i++) {
        const struct sy_attribute *a = &v->attributes[order[i]];
        sy_buf_adds(d->out, "  attribute ");
        sy_dump_id(d, a->name);
        sy_buf_addc(d->out, ' ');
        sy_dump_id(d, a->domain);
        sy_buf_addf(d->out, " %u %lld ", a->kind, (long long)a->number);
        sy_dump_id(d, a->text);
        sy_buf_addc(d->out, '\n');
    }
    free(order);
    dump_capacity(d, "capacity", v->capacity, v->capacity_len);
    dump_counters(d, v->counters, v->counters_len);
    for (uint32_t i = 0; i < v->taints_len; i++)
        dump_taint(d, &v->taints[i]);
    sy_buf_adds(d->out, "  conditions ");
    sy_dump_sids(d, v->conditions, v->conditions_len, false);
    sy_buf_adds(d->out, " failures ");
    sy_dump_sids(d, v->failure_conditions, v->failure_conditions_len, false);
    sy_buf_addf(d->out, "\n  shared=%d bound=%d at ", v->is_shared, v->binds_to_node);
    dump_nodes(d, &v->nodes);
}

static void dump_slice(struct sy_dump *d, const struct sy_device_slice *s)
{
    sy_dump_id_line(d, "name", s->name);
    sy_dump_str_line(d, "version", s->resource_version);
    sy_dump_id_line(d, "driver", s->driver);
    sy_dump_id_line(d, "pool", s->pool);
    sy_dump_number_line(d, "generation", s->pool_generation);
    sy_dump_number_line(d, "slices", s->pool_slices);
    sy_dump_number_line(d, "per device", s->nodes_per_device);
    sy_dump_number_line(d, "groups", s->has_groups);
    dump_nodes(d, &s->nodes);
    dump_counters(d, s->counters, s->counters_len);
    for (uint32_t i = 0; i < s->devices_len; i++)
        dump_device(d, &s->devices[i]);
}

static void dump_selectors(struct sy_dump *d, const struct sy_device_selectors *s)
{
    for (uint32_t i = 0; i < s->len; i++)
        sy_dump_str_line(d, "  selector", s->p[i]);
}

static void dump_request(struct sy_dump *d, const struct sy_device_request *r)
{
    sy_dump_id_line(d, "request", r->name);
    for (uint32_t i = 0; i < r->wants_len; i++) {
        const struct sy_device_want *w = &r->wants[i];
        sy_dump_id_line(d, " want", w->name);
        sy_dump_id_line(d, "  class", w->class);
        sy_buf_addf(d->out, "  mode=%u count=%lld admin=%d\n", w->mode, (long long)w->count,
                    w->admin_access);
        dump_selectors(d, &w->selectors);
        dump_capacity(d, "capacity", w->capacity, w->capacity_len);
        for (uint32_t j = 0; j < w->tolerations_len; j++) {
            sy_buf_adds(d->out, "  toleration ");
            sy_dump_id(d, w->tolerations[j].key);
            sy_buf_addc(d->out, ' ');
            sy_dump_id(d, w->tolerations[j].value);
            sy_buf_addf(d->out, " %u %u %lld\n", w->tolerations[j].op, w->tolerations[j].effect,
                        (long long)(w->toleration_seconds ? w->toleration_seconds[j] : INT64_MIN));
        }
    }
}

static void dump_claim(struct sy_dump *d, const struct sy_device_claim *claim)
{
    sy_dump_id_line(d, "ns", claim->ns);
    sy_dump_id_line(d, "name", claim->name);
    sy_dump_str_line(d, "uid", claim->uid);
    sy_dump_str_line(d, "version", claim->resource_version);
    sy_dump_str_line(d, "owner", claim->owner_uid);
    sy_dump_number_line(d, "deleting", claim->is_deleting);
    sy_dump_number_line(d, "for extended", claim->is_for_extended);
    sy_dump_number_line(d, "failed", claim->has_failed);
    sy_dump_number_line(d, "waiting", claim->is_waiting);
    for (uint32_t i = 0; i < claim->requests_len; i++)
        dump_request(d, &claim->requests[i]);
    for (uint32_t i = 0; i < claim->constraints_len; i++) {
        const struct sy_device_constraint *k = &claim->constraints[i];
        sy_buf_adds(d->out, k->is_distinct ? "distinct " : "match ");
        sy_dump_id(d, k->domain);
        sy_buf_addc(d->out, ' ');
        sy_dump_id(d, k->name);
        sy_buf_addc(d->out, ' ');
        sy_dump_sids(d, k->requests, k->requests_len, false);
        sy_buf_addc(d->out, '\n');
    }
    dump_config(d, claim->config, claim->config_len);
    sy_buf_addf(d->out, "allocated=%d", claim->is_allocated);
    dump_node_selector(d, &claim->nodes);
    sy_buf_addc(d->out, '\n');
    for (uint32_t i = 0; i < claim->results_len; i++) {
        const struct sy_device_result *r = &claim->results[i];
        const sy_sid ids[] = {r->request, r->driver, r->pool, r->device};
        sy_buf_adds(d->out, "result ");
        sy_dump_sids(d, ids, SY_ARRAY_LEN(ids), false);
        sy_buf_addf(d->out, " admin=%d share=%d\n", r->admin_access, r->is_share);
        dump_capacity(d, "consumed", r->consumed, r->consumed_len);
    }
    for (uint32_t i = 0; i < claim->reserved_for_len; i++)
        sy_dump_str_line(d, "reserved for", claim->reserved_for[i]);
}

static void dump_rule(struct sy_dump *d, const struct sy_device_taint_rule *rule)
{
    sy_dump_id_line(d, "name", rule->name);
    sy_dump_str_line(d, "version", rule->resource_version);
    sy_dump_number_line(d, "selects", rule->has_selector);
    sy_dump_id_line(d, "driver", rule->driver);
    sy_dump_id_line(d, "pool", rule->pool);
    sy_dump_id_line(d, "device", rule->device);
    dump_taint(d, &rule->taint);
}

int sy_devices_dump(enum sy_devices_kind kind, const void *object, const struct sy_strings *strings,
                    struct sy_buf *out)
{
    const union sy_devices_object *o = object;
    struct sy_dump d = {.strings = strings, .out = out};

    switch (kind) {
    case SY_DEVICES_SLICE:
        dump_slice(&d, &o->slice);
        break;
    case SY_DEVICES_CLASS:
        sy_dump_id_line(&d, "name", o->class.name);
        sy_dump_str_line(&d, "version", o->class.resource_version);
        sy_dump_id_line(&d, "extended", o->class.extended_resource);
        sy_dump_number_line(&d, "created", o->class.created_wall_ns);
        dump_selectors(&d, &o->class.selectors);
        dump_config(&d, o->class.config, o->class.config_len);
        break;
    case SY_DEVICES_RULE:
        dump_rule(&d, &o->rule);
        break;
    default:
        dump_claim(&d, &o->claim);
        break;
    }
    return out->failed;
}
