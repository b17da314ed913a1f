/* SPDX-License-Identifier: Apache-2.0
 *
 * Builders of nodes and pods for tests of the core. Objects live in one arena until core_done(). */
#pragma once

#include "base/arena.h"
#include "base/strings.h"
#include "model/node.h"
#include "model/pod.h"

#include <stdio.h>

struct core {
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_arena arena;
};

static inline void core_init(struct core *k)
{
    static const uint64_t KEY[2] = {1, 2};

    k->strings = sy_strings_new(KEY);
    sy_resource_names_init(&k->names, k->strings);
    sy_arena_init(&k->arena, (size_t)1 << 30);
}

static inline void core_done(struct core *k)
{
    sy_arena_done(&k->arena);
    sy_strings_free(k->strings);
}

static inline sy_sid core_id(struct core *k, const char *text)
{
    return sy_strings_addz(k->strings, text);
}

static inline struct sy_str core_text(struct core *k, const char *text)
{
    return (struct sy_str){sy_arena_str(&k->arena, sy_str_from(text)), strlen(text)};
}

/* cpu in milli, memory in MiB, whole GPUs; 0 leaves the resource out. pods 0: no room for pods. */
static inline struct sy_amounts core_amounts(struct core *k, int64_t cpu_milli, int64_t memory_mib,
                                             int64_t gpus, int64_t pods)
{
    struct sy_amount *p = sy_arena_array(&k->arena, 4, sizeof(*p));
    uint32_t len = 0;

    if (cpu_milli)
        p[len++] = (struct sy_amount){k->names.cpu, cpu_milli};
    if (memory_mib)
        p[len++] = (struct sy_amount){k->names.memory, memory_mib << 20};
    if (gpus)
        p[len++] = (struct sy_amount){k->names.nvidia_gpu, gpus};
    if (pods)
        p[len++] = (struct sy_amount){k->names.pods, pods};
    return (struct sy_amounts){p, sy_amounts_sort(p, len)};
}

static inline struct sy_node core_node(struct core *k, const char *name, int64_t cpu_milli,
                                       int64_t memory_mib, int64_t gpus)
{
    return (struct sy_node){
        .uid = core_text(k, name),
        .name = core_id(k, name),
        .allocatable = core_amounts(k, cpu_milli, memory_mib, gpus, 110),
        .ready = SY_CONDITION_TRUE,
    };
}

static inline struct sy_pod core_pod(struct core *k, const char *name, int64_t cpu_milli,
                                     int64_t memory_mib, int64_t gpus)
{
    char uid[128];

    snprintf(uid, sizeof(uid), "uid-%s", name);
    return (struct sy_pod){
        .uid = core_text(k, uid),
        .name = core_text(k, name),
        .ns = core_id(k, "default"),
        .phase = SY_PHASE_PENDING,
        .spec = {.scheduler_name = core_id(k, "steelyard"),
                 .requests = {.requests = core_amounts(k, cpu_milli, memory_mib, gpus, 0),
                              .nonzero_cpu_milli = cpu_milli ? cpu_milli : 100,
                              .nonzero_memory_bytes = (memory_mib ? memory_mib : 200) << 20}},
    };
}

static inline struct sy_labels core_label(struct core *k, const char *key, const char *value)
{
    struct sy_label *p = sy_arena_alloc(&k->arena, sizeof(*p));

    *p = (struct sy_label){core_id(k, key), core_id(k, value)};
    return (struct sy_labels){p, 1};
}
