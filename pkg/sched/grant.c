/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/grant.h"

#include <errno.h>
#include <string.h>

struct making {
    struct sy_cluster *cluster;
    struct sy_arena *arena;
    const struct sy_device_claim *claim;
    uint32_t index; /* of the claim among those that were given to the allocator */
    const struct sy_device_pick *picks;
    uint32_t picks_len;
};

static int out_of_room(const struct making *m, size_t count, size_t size, struct sy_err *err)
{
    return sy_err_set(err, sy_arena_why(m->arena, count, size),
                      "an allocation takes too much memory");
}

static bool same_ids(const sy_sid *x, uint32_t x_len, const sy_sid *y, uint32_t y_len)
{
    return x_len == y_len && (!x_len || memcmp(x, y, x_len * sizeof(*x)) == 0);
}

static bool has_id(const sy_sid *p, uint32_t len, sy_sid id)
{
    for (uint32_t i = 0; i < len; i++) {
        if (p[i] == id)
            return true;
    }
    return false;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Which of its alternatives a request was served by. */
static const struct sy_device_want *chosen(const struct making *m, uint32_t request)
{
    for (uint32_t i = 0; i < m->picks_len; i++) {
        const struct sy_device_pick *p = &m->picks[i];
        if (p->claim == m->index && p->request == request)
            return &m->claim->requests[request].wants[p->want];
    }
    return NULL;
}

/* NAME, or NAME/ALTERNATIVE. 0: no memory. */
static sy_sid request_name(const struct making *m, uint32_t request,
                           const struct sy_device_want *want)
{
    struct sy_strings *strings = m->cluster->strings;
    const struct sy_device_request *r = &m->claim->requests[request];
    struct sy_str name = sy_strings_get(strings, r->name);
    struct sy_str sub = sy_strings_get(strings, want->name);

    if (!r->has_alternatives)
        return r->name;
    char *text = sy_arena_alloc(m->arena, name.len + sub.len + 1);
    if (!text)
        return 0;
    memcpy(text, name.p, name.len);
    text[name.len] = '/';
    memcpy(text + name.len + 1, sub.p, sub.len);
    return sy_strings_add(strings, (struct sy_str){text, name.len + sub.len + 1});
}

/* ---- devices --------------------------------------------------------------------------------- */

static int grant(const struct making *m, const struct sy_device_pick *p, struct sy_device_grant *to,
                 struct sy_err *err)
{
    const struct sy_device_want *want = &m->claim->requests[p->request].wants[p->want];
    const struct sy_device *d = p->device;

    *to = (struct sy_device_grant){
        .result = {.request = request_name(m, p->request, want),
                   .driver = p->slice->driver,
                   .pool = p->slice->pool,
                   .device = d->name,
                   .admin_access = want->admin_access,
                   .is_share = d->is_shared,
                   .consumed = p->consumed,
                   .consumed_len = p->consumed_len},
        .tolerations = want->tolerations,
        .toleration_seconds = want->toleration_seconds,
        .tolerations_len = want->tolerations_len,
        .conditions = d->conditions,
        .conditions_len = d->conditions_len,
        .failure_conditions = d->failure_conditions,
        .failure_conditions_len = d->failure_conditions_len,
    };
    return to->result.request ? 0 : out_of_room(m, 1, 1, err);
}

static int grants(const struct making *m, struct sy_device_allocation *ret, struct sy_err *err)
{
    struct sy_device_grant *p = sy_arena_array(m->arena, m->picks_len + 1, sizeof(*p));

    if (!p)
        return out_of_room(m, m->picks_len + 1, sizeof(*p), err);
    ret->grants = p;
    for (uint32_t i = 0; i < m->picks_len; i++) {
        if (m->picks[i].claim != m->index)
            continue;
        int r = grant(m, &m->picks[i], &p[ret->grants_len++], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- config ---------------------------------------------------------------------------------- */

struct settings {
    struct sy_device_setting *p;
    uint32_t len;
    sy_sid *names; /* by request: as chosen */
    sy_sid *room;  /* for the requests of each class's config, requests_len each */
};

/* Each class's config once, for all requests of the class. */
static void add_class(const struct making *m, struct settings *s, uint32_t request)
{
    const struct sy_device_want *want = chosen(m, request);
    const struct sy_device_class *class = want ? sy_devices_class(m->cluster, want->class) : NULL;

    for (uint32_t i = 0; class && i < request; i++) {
        const struct sy_device_want *before = chosen(m, i);
        if (before && before->class == want->class)
            return;
    }
    sy_sid *names = s->room + (size_t)request * m->claim->requests_len;
    uint32_t len = 0;
    for (uint32_t i = request; class && i < m->claim->requests_len; i++) {
        const struct sy_device_want *other = chosen(m, i);
        if (other && other->class == want->class)
            names[len++] = s->names[i];
    }
    for (uint32_t i = 0; class && i < class->config_len; i++) {
        struct sy_device_setting *to = &s->p[s->len++];
        *to = (struct sy_device_setting){.is_of_class = true, .config = class->config[i]};
        to->config.requests = names;
        to->config.requests_len = len;
    }
}

/* Whether a list of a config names the request, or the alternative that was chosen. */
static bool names_request(const struct making *m, const struct settings *s,
                          const struct sy_device_config *config, uint32_t request)
{
    return has_id(config->requests, config->requests_len, m->claim->requests[request].name) ||
           has_id(config->requests, config->requests_len, s->names[request]);
}

static void add_own(const struct making *m, struct settings *s,
                    const struct sy_device_config *config)
{
    bool concerns = !config->requests_len;

    for (uint32_t i = 0; !concerns && i < m->claim->requests_len; i++)
        concerns = names_request(m, s, config, i);
    if (concerns)
        s->p[s->len++] = (struct sy_device_setting){.config = *config};
}

static uint32_t count_settings(const struct making *m)
{
    uint32_t len = m->claim->config_len;

    for (uint32_t i = 0; i < m->claim->requests_len; i++) {
        const struct sy_device_want *want = chosen(m, i);
        const struct sy_device_class *class =
            want ? sy_devices_class(m->cluster, want->class) : NULL;
        len += class ? class->config_len : 0;
    }
    return len;
}

static int settings(const struct making *m, struct sy_device_allocation *ret, struct sy_err *err)
{
    uint32_t requests = m->claim->requests_len, room = count_settings(m);
    struct settings s = {
        .p = sy_arena_array(m->arena, room + 1, sizeof(*s.p)),
        .names = sy_arena_array(m->arena, requests + 1, sizeof(*s.names)),
        .room = sy_arena_array(m->arena, (size_t)requests * requests + 1, sizeof(*s.room)),
    };

    if (!s.p || !s.names || !s.room)
        return out_of_room(m, room + 1, sizeof(*s.p), err);
    for (uint32_t i = 0; i < requests; i++) {
        const struct sy_device_want *want = chosen(m, i);
        s.names[i] = want ? request_name(m, i, want) : m->claim->requests[i].name;
        if (!s.names[i])
            return out_of_room(m, 1, 1, err);
    }
    for (uint32_t i = 0; i < requests; i++)
        add_class(m, &s, i);
    for (uint32_t i = 0; i < m->claim->config_len; i++)
        add_own(m, &s, &m->claim->config[i]);
    /* One that is for all requests says so by naming none. */
    for (uint32_t i = 0; i < s.len; i++) {
        bool is_for_all = true;
        for (uint32_t r = 0; is_for_all && r < requests; r++)
            is_for_all = names_request(m, &s, &s.p[i].config, r);
        if (is_for_all)
            s.p[i].config.requests_len = 0;
    }
    ret->settings = s.p;
    ret->settings_len = s.len;
    return 0;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool same_requirement(const struct sy_requirement *x, const struct sy_requirement *y)
{
    return x->key == y->key && x->op == y->op && x->number == y->number &&
           same_ids(x->values, x->values_len, y->values, y->values_len);
}

static void merge(struct sy_requirement *to, uint32_t *len, const struct sy_requirement *from,
                  uint32_t from_len)
{
    for (uint32_t i = 0; i < from_len; i++) {
        uint32_t k = 0;
        while (k < *len && !same_requirement(&to[k], &from[i]))
            k++;
        if (k == *len)
            to[(*len)++] = from[i];
    }
}

static const struct sy_device_nodes *nodes_of(const struct sy_device_pick *p)
{
    return p->slice->nodes_per_device ? &p->device->nodes : &p->slice->nodes;
}

static bool is_local(const struct sy_device_pick *p)
{
    return nodes_of(p)->node || p->device->binds_to_node;
}

static int only_node(const struct making *m, uint32_t node, struct sy_node_term *term,
                     struct sy_err *err)
{
    struct sy_requirement *field = sy_arena_alloc(m->arena, sizeof(*field));
    sy_sid *name = sy_arena_alloc(m->arena, sizeof(*name));

    if (!field || !name)
        return out_of_room(m, 1, sizeof(*field), err);
    *name = m->cluster->nodes[node].node.name;
    *field = (struct sy_requirement){
        .key = sy_strings_addz(m->cluster->strings, "metadata.name"),
        .op = SY_OP_IN,
        .values = name,
        .values_len = 1,
    };
    *term = (struct sy_node_term){.fields = field, .fields_len = 1};
    return 0;
}

/* One term of what the devices' slices ask for. */
static int merged(const struct making *m, struct sy_node_term *term, struct sy_err *err)
{
    size_t exprs_room = 1, fields_room = 1;

    for (uint32_t i = 0; i < m->picks_len; i++) {
        const struct sy_node_selector *s = &nodes_of(&m->picks[i])->selector;
        if (m->picks[i].claim != m->index || !s->len)
            continue;
        if (s->len != 1)
            return sy_err_set(err, -EINVAL, "unsupported ResourceSlice.NodeSelector with %u terms",
                              s->len);
        exprs_room += s->terms[0].exprs_len;
        fields_room += s->terms[0].fields_len;
    }
    struct sy_requirement *exprs = sy_arena_array(m->arena, exprs_room, sizeof(*exprs));
    struct sy_requirement *fields = sy_arena_array(m->arena, fields_room, sizeof(*fields));
    if (!exprs || !fields)
        return out_of_room(m, exprs_room + fields_room, sizeof(*exprs), err);
    *term = (struct sy_node_term){.exprs = exprs, .fields = fields};
    for (uint32_t i = 0; i < m->picks_len; i++) {
        const struct sy_node_selector *s = &nodes_of(&m->picks[i])->selector;
        if (m->picks[i].claim != m->index || !s->len)
            continue;
        merge(exprs, &term->exprs_len, s->terms[0].exprs, s->terms[0].exprs_len);
        merge(fields, &term->fields_len, s->terms[0].fields, s->terms[0].fields_len);
    }
    return 0;
}

static int nodes(const struct making *m, uint32_t node, struct sy_device_allocation *ret,
                 struct sy_err *err)
{
    struct sy_node_term *term = sy_arena_alloc(m->arena, sizeof(*term));
    bool local = false;

    if (!term)
        return out_of_room(m, 1, sizeof(*term), err);
    for (uint32_t i = 0; i < m->picks_len && !local; i++)
        local = m->picks[i].claim == m->index && is_local(&m->picks[i]);
    int r = local ? only_node(m, node, term, err) : merged(m, term, err);
    if (r < 0)
        return r;
    if (term->exprs_len || term->fields_len)
        ret->nodes = (struct sy_node_selector){.terms = term, .len = 1, .is_set = true};
    return 0;
}

int sy_grant_make(struct sy_cluster *c, struct sy_arena *arena,
                  const struct sy_device_claim *const *claims, uint32_t claim,
                  const struct sy_device_pick *picks, uint32_t picks_len, uint32_t node,
                  struct sy_device_allocation *ret, struct sy_err *err)
{
    const struct making m = {.cluster = c,
                             .arena = arena,
                             .claim = claims[claim],
                             .index = claim,
                             .picks = picks,
                             .picks_len = picks_len};
    struct sy_device_allocation made = {0};
    int r = grants(&m, &made, err);

    if (!r)
        r = settings(&m, &made, err);
    if (!r)
        r = nodes(&m, node, &made, err);
    if (!r)
        *ret = made;
    return r;
}
