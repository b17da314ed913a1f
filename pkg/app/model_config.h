/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the configuration that set the models: `models`, `pools`, `gate` and `queue.ageing`
 * in both kinds of file, and the arguments of our own plugins. */
#pragma once

#include "app/schema.h"
#include "sched/sched.h"

struct sy_config_gate_resource {
    int64_t metric;                 /* enum sy_load_metric */
    double close_above, open_below; /* 0: the gate's */
};

struct sy_config_gate {
    bool enabled;
    double close_above, open_below;
    struct sy_option_list resources; /* struct sy_config_gate_resource; none: cpu and memory */
};

struct sy_config_label {
    char *key;
    char *value; /* NULL: any */
};

struct sy_config_pool {
    char *name;
    struct sy_option_list labels; /* struct sy_config_label */
    struct sy_config_gate gate;
};

struct sy_config_models {
    double balance_fraction;
    int64_t start_half_life_ns;
    int64_t failure_half_life_ns;
    bool node_metrics;
    double ageing_points_per_minute;
    double ageing_most;
    struct sy_option_list pools; /* struct sy_config_pool */
    struct sy_config_gate gate;  /* of the nodes in no pool */
    int64_t exempt_priority;
    struct sy_option_list exempt_classes; /* char * */
};

/* Keys with offsets from struct sy_config_models. */
extern const struct sy_option sy_config_models_options[]; /* of `models` */
extern const struct sy_option sy_config_ageing_options[]; /* of `queue.ageing` */
extern const struct sy_option sy_config_gate_options[];   /* of `gate` */
/* Of the elements of `pools`: struct sy_config_pool. */
extern const struct sy_option sy_config_pool_options[];
extern const struct sy_option sy_config_label_options[]; /* struct sy_config_label */
void sy_config_gate_check(const void *base, const struct sy_schema_at *at); /* models */
void sy_config_pool_check(const void *base, const struct sy_schema_at *at); /* a pool */

/* The pools as the core takes them; `room` is to live as long as *ret, both borrow from c. */
struct sy_config_pools_room {
    struct sy_pool_options pools[SY_POOLS_MAX];
    const char *classes[SY_EXEMPT_CLASSES_MAX];
};
void sy_config_pools(const struct sy_config_models *c, struct sy_config_pools_room *room,
                     struct sy_pools_options *ret);

/* -- arguments of our own plugins -- */

struct sy_config_static_weight {
    char *key;
    char *value; /* NULL: any */
    int64_t weight;
};

struct sy_config_threshold {
    int64_t metric; /* enum sy_load_metric */
    double above;
};

struct sy_config_model_args {
    int64_t selection;                /* DynamicWeight: enum sy_selection; StaticWeights: 0 or 1 */
    char *label;                      /* StaticWeights */
    int64_t other;                    /* the same: weight of other nodes */
    struct sy_option_list weights;    /* the same: struct sy_config_static_weight */
    struct sy_option_list thresholds; /* NodeLoad: struct sy_config_threshold */
};

/* Offsets are from struct sy_config_args, which has that as `model`. */
extern const struct sy_option sy_static_weights_options[];
extern const struct sy_option sy_dynamic_weight_options[];
extern const struct sy_option sy_node_load_options[];
/* Over what *ret holds. 0, or -ENOMEM or -E2BIG as the arena says. */
int sy_model_args_apply(const char *plugin, const struct sy_config_model_args *a,
                        struct sy_arena *arena, struct sy_policy_args *ret) SY_NODISCARD;
