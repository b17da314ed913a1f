/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api_capacity.h"

#include <stdio.h>

#include "base/json.h"
#include "sched/capacity.h"
#include "sched/what_if.h"

static void write_amount(struct sy_json *j, const struct sy_cluster *c, const char *key,
                         sy_sid resource, int64_t amount)
{
    char text[64];

    sy_json_text(j, key, sy_explain_amount(c, resource, amount, false, text, sizeof(text)));
}

static void write_resource(struct sy_json *j, const struct sy_cluster *c,
                           const struct sy_capacity_resource *r)
{
    sy_json_object(j, NULL);
    sy_json_text(j, "resource", sy_strings_getz(c->strings, r->resource));
    write_amount(j, c, "total", r->resource, r->total);
    write_amount(j, c, "free", r->resource, r->free);
    write_amount(j, c, "usable", r->resource, r->usable);
    write_amount(j, c, "largest", r->resource, r->largest);
    sy_json_text(j, "node", r->node ? sy_strings_getz(c->strings, r->node) : NULL);
    sy_json_array(j, "stranded");
    for (int i = 0; i < SY_STRANDED_CAUSES; i++) {
        if (!r->stranded_nodes[i])
            continue;
        sy_json_object(j, NULL);
        sy_json_text(j, "cause", sy_stranded_name((enum sy_stranded)i));
        write_amount(j, c, "amount", r->resource, r->stranded[i]);
        sy_json_i64(j, "nodes", r->stranded_nodes[i]);
        sy_json_end_object(j);
    }
    sy_json_end_array(j);
    sy_json_end_object(j);
}

static void write_shape(struct sy_json *j, const struct sy_cluster *c,
                        const struct sy_capacity_shape *s)
{
    const struct sy_pod_slot *p = &c->pods.p[s->example];
    struct sy_amounts asked = p->spec->spec.requests.requests;

    sy_json_object(j, NULL);
    sy_json_object(j, "requests");
    for (uint32_t i = 0; i < asked.len; i++)
        write_amount(j, c, sy_strings_getz(c->strings, asked.p[i].resource), asked.p[i].resource,
                     asked.p[i].amount);
    sy_json_end_object(j);
    sy_json_text(j, "namespace", sy_strings_getz(c->strings, p->ns));
    sy_json_text(j, "example", p->name);
    sy_json_i64(j, "pods", s->pods);
    sy_json_i64(j, "waiting", s->waiting);
    sy_json_i64(j, "nodes", s->nodes);
    sy_json_i64(j, "more", (int64_t)s->more);
    sy_json_end_object(j);
}

void sy_api_capacity_write(struct sy_sched *sched, struct sy_buf *out)
{
    const struct sy_cluster *c = sy_sched_cluster(sched);
    struct sy_json j = {.out = out};
    struct sy_capacity_found found;

    sy_sched_capacity(sched, &found);
    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "Capacity");
    sy_json_i64(&j, "nodes", c->nodes_alive);
    sy_json_array(&j, "resources");
    for (size_t i = 0; i < found.resources.len; i++)
        write_resource(&j, c, &found.resources.p[i]);
    sy_json_end_array(&j);
    sy_json_array(&j, "shapes");
    for (uint32_t i = 0; i < found.shapes_len; i++)
        write_shape(&j, c, &found.shapes[i]);
    sy_json_end_array(&j);
    sy_json_end_object(&j);
    sy_capacity_done(&found);
}
