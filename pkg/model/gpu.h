/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pod asks for of GPUs, and sets of a node's GPUs as text. docs/gpu.md says which requests
 * and annotations give what. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "model/resources.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SY_GPU_WHOLE_MILLI = 1000,
    SY_GPUS_MAX = 64, /* of one node; of nodes with more no ledger is kept */
};

#define SY_GPU_MILLI_ANNOTATION   "steelyard.dev/gpu-milli"
#define SY_GPU_MEMORY_ANNOTATION  "steelyard.dev/gpu-memory"
#define SY_GPU_DEVICES_ANNOTATION "steelyard.dev/gpu-devices"
#define SY_GPU_GROUP_ANNOTATION   "steelyard.dev/gpu-group"
/* Of nodes. */
#define SY_GPU_GROUPS_ANNOTATION    "steelyard.dev/gpu-groups"
#define SY_GPU_UNHEALTHY_ANNOTATION "steelyard.dev/gpu-unhealthy"

/* All 0 for a pod without GPUs. */
struct sy_gpu_request {
    uint16_t count;        /* GPUs; 1 for a fraction, but for conventions that allow several */
    uint16_t milli;        /* of each, 0 to 1000; 0: memory alone */
    uint16_t memory_milli; /* of the memory of each, 0 to 1000 */
    bool one_group;        /* all are to be of one of the node's groups */
    sy_sid resource;       /* whose units they are; 0: any node's GPUs will do */
    int64_t memory_bytes;  /* of each; the greater of the two counts */
};

/* Whether the GPUs are the pod's alone. */
static inline bool sy_gpu_is_whole(const struct sy_gpu_request *r)
{
    return r->milli == SY_GPU_WHOLE_MILLI;
}

/* Of percents as HAMi and Koordinator have them, those of one GPU: 100 and more is all of it. */
static inline uint16_t sy_gpu_milli_of_percent(int64_t percent)
{
    return percent >= 100 ? SY_GPU_WHOLE_MILLI : (uint16_t)(percent * 10);
}

/* Raises what r asks of each GPU to what other asks. */
void sy_gpu_request_raise(struct sy_gpu_request *r, const struct sy_gpu_request *other);

/* Milli-GPUs in all. */
static inline int64_t sy_gpu_total_milli(const struct sy_gpu_request *r)
{
    return (int64_t)r->count * r->milli;
}

/* What a pod says of GPUs. */
struct sy_gpu_words {
    struct sy_amounts requests; /* of the whole pod */
    const struct sy_container *containers;
    uint32_t containers_len;
    /* Values of the annotations, empty when absent. */
    struct sy_str milli, memory, group;
};

/* What resource requests and annotations come to. An annotation that can not be read makes the
 * request one that no node has (count UINT16_MAX), so that a typing error does not get a pod a GPU
 * that it shares with others unawares. O(requests, of all containers where HAMi's are among them).
 */
struct sy_gpu_request sy_gpu_request_of(const struct sy_strings *strings,
                                        const struct sy_resource_names *names,
                                        const struct sy_gpu_words *words);

/* "0,3" as bits of device numbers. 0 for a text that is anything else, or names a device twice or
 * one from SY_GPUS_MAX on. */
uint64_t sy_gpu_devices_parse(struct sy_str s);
/* "0,1;2,3" or, as labels have it, "0.1_2.3": groups of device numbers, which may overlap. Returns
 * how many; 0 for a text that is anything else or has more than SY_GPUS_MAX. */
uint32_t sy_gpu_groups_parse(struct sy_str s, uint64_t groups[SY_GPUS_MAX]);
/* The reverse, with a NUL; room for all: SY_GPU_DEVICES_TEXT_MAX bytes. Returns text. */
enum { SY_GPU_DEVICES_TEXT_MAX = 192 };
char *sy_gpu_devices_format(uint64_t devices, char text[SY_GPU_DEVICES_TEXT_MAX]);
