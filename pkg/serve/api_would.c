/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api_would.h"

#include <stdio.h>

#include "base/json.h"
#include "serve/api_explain.h"

static const char *text_of(const struct sy_strings *strings, sy_sid id)
{
    return id ? sy_strings_getz(strings, id) : NULL;
}

static void write_name(struct sy_json *j, const struct sy_strings *strings,
                       const struct sy_pod *pod)
{
    char name[320];

    snprintf(name, sizeof(name), SY_STR_FMT, SY_STR_ARG(pod->name));
    sy_json_text(j, "namespace", text_of(strings, pod->ns));
    sy_json_text(j, "name", name);
}

static void write_victims(struct sy_json *j, struct sy_sched *sched,
                          const struct sy_strings *strings, const struct sy_would *w)
{
    const struct sy_cluster *c = sy_sched_cluster(sched);

    sy_json_array(j, "evictions");
    for (size_t i = 0; i < w->victims.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[w->victims.p[i]];
        sy_json_object(j, NULL);
        sy_json_text(j, "namespace", text_of(strings, p->ns));
        sy_json_text(j, "name", p->name);
        sy_json_text(j, "node",
                     p->node == SY_NONE ? NULL : text_of(strings, c->nodes[p->node].node.name));
        sy_json_i64(j, "priority", p->priority);
        sy_json_end_object(j);
    }
    sy_json_end_array(j);
    sy_json_i64(j, "budgetsViolated", w->violations);
}

void sy_api_would_write(struct sy_sched *sched, const struct sy_strings *strings,
                        const struct sy_would_ask *ask, const struct sy_would *w, int64_t took_ns,
                        struct sy_buf *out)
{
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "WhatIf");
    sy_json_bool(&j, "fits", w->fits);
    sy_json_bool(&j, "fitsByEviction", w->fits_by_eviction);
    sy_json_text(&j, "scheduler", w->profile->scheduler_name);
    sy_json_i64(&j, "nodes", w->nodes_alive);
    sy_json_i64(&j, "needed", ask->needed ? ask->needed : ask->pods_len);
    sy_json_i64(&j, "placed", w->placed);
    if (w->domain) {
        sy_json_text(&j, "topologyKey", text_of(strings, ask->topology_key));
        sy_json_text(&j, "domain", text_of(strings, w->domain));
    }
    sy_json_array(&j, "pods");
    for (uint32_t i = 0; i < ask->pods_len; i++) {
        sy_json_object(&j, NULL);
        write_name(&j, strings, &ask->pods[i]);
        sy_json_text(&j, "node", text_of(strings, w->nodes.p[i]));
        sy_json_end_object(&j);
    }
    sy_json_end_array(&j);
    if (w->blocker != SY_NONE) {
        sy_json_object(&j, "blocker");
        write_name(&j, strings, &ask->pods[w->blocker]);
        sy_json_end_object(&j);
    }
    if (w->message)
        sy_json_text(&j, "message", w->message);
    if (w->no_quota)
        sy_json_text(&j, "quota", w->no_quota);
    write_victims(&j, sched, strings, w);
    if (w->has_why)
        sy_api_survey_write(&j, strings, &w->why);
    sy_json_real(&j, "tookMilliseconds", (double)took_ns / 1e6, 3);
    sy_json_end_object(&j);
}
