/* SPDX-License-Identifier: Apache-2.0 */
#include "model/allocation.h"

#include "model/walk.h"

static void copy_grant(struct sy_copier *c, struct sy_device_grant *g)
{
    struct sy_capacity *consumed =
        sy_copy_array(c, g->result.consumed, g->result.consumed_len, sizeof(*consumed));

    for (uint32_t i = 0; consumed && i < g->result.consumed_len; i++)
        consumed[i].policy = NULL; /* of the device, not of what is taken of it */
    g->result.consumed = consumed;
    g->tolerations = sy_copy_array(c, g->tolerations, g->tolerations_len, sizeof(*g->tolerations));
    if (g->toleration_seconds)
        g->toleration_seconds = sy_copy_array(c, g->toleration_seconds, g->tolerations_len,
                                              sizeof(*g->toleration_seconds));
    g->conditions = sy_copy_array(c, g->conditions, g->conditions_len, sizeof(*g->conditions));
    g->failure_conditions = sy_copy_array(c, g->failure_conditions, g->failure_conditions_len,
                                          sizeof(*g->failure_conditions));
}

int sy_device_allocation_copy(struct sy_arena *arena, const struct sy_device_allocation *from,
                              struct sy_device_allocation *ret)
{
    struct sy_copier c = {.arena = arena};
    struct sy_device_grant *grants =
        sy_copy_array(&c, from->grants, from->grants_len, sizeof(*grants));
    struct sy_device_setting *settings =
        sy_copy_array(&c, from->settings, from->settings_len, sizeof(*settings));
    struct sy_node_term *terms = sy_copy_room(&c, from->nodes.len, sizeof(*terms));

    for (uint32_t i = 0; !c.error && i < from->grants_len; i++)
        copy_grant(&c, &grants[i]);
    for (uint32_t i = 0; !c.error && i < from->settings_len; i++) {
        struct sy_device_config *config = &settings[i].config;
        config->requests =
            sy_copy_array(&c, config->requests, config->requests_len, sizeof(*config->requests));
        config->parameters = sy_copy_str(&c, config->parameters);
    }
    for (uint32_t i = 0; !c.error && i < from->nodes.len; i++)
        terms[i] = sy_copy_node_term(&c, &from->nodes.terms[i]);
    if (c.error)
        return c.error;
    *ret = (struct sy_device_allocation){
        .grants = grants,
        .grants_len = from->grants_len,
        .settings = settings,
        .settings_len = from->settings_len,
        .nodes = {terms, from->nodes.len, from->nodes.is_set},
    };
    return 0;
}

static void mark_grant(const struct sy_device_grant *g, struct sy_strings *t)
{
    sy_strings_mark(t, g->result.request);
    sy_strings_mark(t, g->result.driver);
    sy_strings_mark(t, g->result.pool);
    sy_strings_mark(t, g->result.device);
    for (uint32_t i = 0; i < g->result.consumed_len; i++) {
        sy_strings_mark(t, g->result.consumed[i].domain);
        sy_strings_mark(t, g->result.consumed[i].name);
    }
    for (uint32_t i = 0; i < g->tolerations_len; i++) {
        sy_strings_mark(t, g->tolerations[i].key);
        sy_strings_mark(t, g->tolerations[i].value);
    }
    sy_mark_sids(t, g->conditions, g->conditions_len);
    sy_mark_sids(t, g->failure_conditions, g->failure_conditions_len);
}

void sy_device_allocation_mark(const struct sy_device_allocation *a, struct sy_strings *strings)
{
    for (uint32_t i = 0; i < a->grants_len; i++)
        mark_grant(&a->grants[i], strings);
    for (uint32_t i = 0; i < a->settings_len; i++) {
        const struct sy_device_config *config = &a->settings[i].config;
        sy_mark_sids(strings, config->requests, config->requests_len);
        sy_strings_mark(strings, config->driver);
    }
    for (uint32_t i = 0; i < a->nodes.len; i++)
        sy_mark_node_term(strings, &a->nodes.terms[i]);
}
