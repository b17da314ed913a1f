/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gpu.h"

#include <stdio.h>

#include "model/quantity.h"

enum { PERCENT = 100, TEXT_LIST_MAX = 512 };

static const struct sy_gpu_request NOWHERE = {.count = UINT16_MAX, .milli = SY_GPU_WHOLE_MILLI};

/* Amounts of resources that ask for parts of GPUs, by convention: docs/gpu.md. */
struct asked {
    int64_t gpus;             /* nvidia.com/gpu: of HAMi how many vGPUs */
    int64_t hami_cores;       /* percent of each */
    int64_t hami_memory_mib;  /* of each */
    int64_t hami_memory_part; /* percent of each */
    int64_t koordinator;      /* percent of cores and memory, 100 per GPU */
    int64_t koordinator_core; /* percent, 100 per GPU */
    int64_t koordinator_memory_part;
    int64_t koordinator_memory_bytes;
    int64_t koordinator_shared; /* GPUs that the above is spread over */
};

static void gather(const struct sy_strings *strings, struct sy_amounts requests, struct asked *a)
{
    const struct {
        const char *name;
        int64_t *to;
    } names[] = {
        {"nvidia.com/gpu", &a->gpus},
        {"nvidia.com/gpucores", &a->hami_cores},
        {"nvidia.com/gpumem", &a->hami_memory_mib},
        {"nvidia.com/gpumem-percentage", &a->hami_memory_part},
        {"koordinator.sh/gpu", &a->koordinator},
        {"koordinator.sh/gpu-core", &a->koordinator_core},
        {"koordinator.sh/gpu-memory-ratio", &a->koordinator_memory_part},
        {"koordinator.sh/gpu-memory", &a->koordinator_memory_bytes},
        {"koordinator.sh/gpu.shared", &a->koordinator_shared},
    };

    *a = (struct asked){0};
    for (uint32_t i = 0; i < requests.len; i++) {
        struct sy_str name = sy_strings_get(strings, requests.p[i].resource);
        if (!sy_str_starts(name, SY_STR("nvidia.com/")) &&
            !sy_str_starts(name, SY_STR("koordinator.sh/")))
            continue;
        for (size_t j = 0; j < SY_ARRAY_LEN(names); j++) {
            if (sy_str_eqz(name, names[j].name) && requests.p[i].amount > 0)
                *names[j].to = requests.p[i].amount;
        }
    }
}

static uint16_t bounded_count(int64_t count)
{
    return count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
}

static int64_t mib_to_bytes(int64_t mib)
{
    return mib < INT64_MAX >> 20 ? mib << 20 : INT64_MAX;
}

/* Percents are of all GPUs together: more than 100 must come to whole ones. */
static struct sy_gpu_request koordinator(const struct asked *a)
{
    int64_t core = a->koordinator_core ? a->koordinator_core : a->koordinator;
    int64_t part = a->koordinator_memory_part ? a->koordinator_memory_part : a->koordinator;
    int64_t most = core > part ? core : part;
    int64_t count = a->koordinator_shared;

    if (!count)
        count = most > PERCENT ? most / PERCENT : 1;
    if ((most > PERCENT && !a->koordinator_shared && most % PERCENT) ||
        (core % count || part % count))
        return NOWHERE;
    return (struct sy_gpu_request){
        .count = bounded_count(count),
        .milli = sy_gpu_milli_of_percent(core / count),
        .memory_milli = sy_gpu_milli_of_percent(part / count),
        .memory_bytes = a->koordinator_memory_bytes / count,
    };
}

static bool asks_hami(const struct asked *a)
{
    return a->hami_cores || a->hami_memory_mib || a->hami_memory_part;
}

/* nvidia.com/gpu says how many, the others how much of each. */
static struct sy_gpu_request hami_of(const struct asked *a)
{
    return (struct sy_gpu_request){
        .count = bounded_count(a->gpus ? a->gpus : 1),
        .milli = sy_gpu_milli_of_percent(a->hami_cores),
        .memory_milli = sy_gpu_milli_of_percent(a->hami_memory_part),
        .memory_bytes = mib_to_bytes(a->hami_memory_mib),
    };
}

void sy_gpu_request_raise(struct sy_gpu_request *r, const struct sy_gpu_request *other)
{
    r->milli = other->milli > r->milli ? other->milli : r->milli;
    r->memory_milli = other->memory_milli > r->memory_milli ? other->memory_milli : r->memory_milli;
    r->memory_bytes = other->memory_bytes > r->memory_bytes ? other->memory_bytes : r->memory_bytes;
}

/* Each container has GPUs of its own. Where they ask for unequal parts all count as the largest, so
 * that whichever GPU a container is given has room for it. Init containers come before the others
 * and use the same ones. */
static struct sy_gpu_request hami(const struct sy_strings *strings,
                                  const struct sy_gpu_words *words, const struct asked *of_pod)
{
    struct sy_gpu_request r = {0};
    int64_t count = 0, init = 0;

    for (uint32_t i = 0; i < words->containers_len; i++) {
        const struct sy_container *c = &words->containers[i];
        struct asked a;
        gather(strings, c->requests, &a);
        if (!asks_hami(&a) && !a.gpus)
            continue;
        struct sy_gpu_request part = hami_of(&a);
        if (!asks_hami(&a))
            part.milli = SY_GPU_WHOLE_MILLI;
        sy_gpu_request_raise(&r, &part);
        if (c->kind == SY_CONTAINER_INIT)
            init = part.count > init ? part.count : init;
        else
            count += part.count;
    }
    if (!count && !init)
        return hami_of(of_pod);
    r.count = bounded_count(count > init ? count : init);
    return r;
}

static struct sy_gpu_request annotated(struct sy_str milli, struct sy_str memory)
{
    struct sy_gpu_request r = {.count = 1};
    uint64_t value = 0;

    if (milli.len && (sy_str_u64(milli, &value) < 0 || !value || value > SY_GPU_WHOLE_MILLI))
        return NOWHERE;
    if (memory.len && (sy_quantity_parse(memory, SY_SCALE_UNIT, &r.memory_bytes, NULL) < 0 ||
                       r.memory_bytes <= 0))
        return NOWHERE;
    r.milli = (uint16_t)value;
    return r;
}

static struct sy_gpu_request whole(const struct sy_resource_names *names,
                                   struct sy_amounts requests)
{
    for (uint32_t i = 0; i < names->gpus_len; i++) {
        int64_t amount = sy_amounts_get(requests, names->gpus[i]);
        if (amount > 0)
            return (struct sy_gpu_request){.count = bounded_count(amount),
                                           .milli = SY_GPU_WHOLE_MILLI,
                                           .resource = names->gpus[i]};
    }
    return (struct sy_gpu_request){0};
}

static struct sy_gpu_request by_resources(const struct sy_strings *strings,
                                          const struct sy_resource_names *names,
                                          const struct sy_gpu_words *words)
{
    struct asked a;

    gather(strings, words->requests, &a);
    if (a.koordinator || a.koordinator_core || a.koordinator_memory_part ||
        a.koordinator_memory_bytes)
        return koordinator(&a);
    if (asks_hami(&a))
        return hami(strings, words, &a);
    return whole(names, words->requests);
}

struct sy_gpu_request sy_gpu_request_of(const struct sy_strings *strings,
                                        const struct sy_resource_names *names,
                                        const struct sy_gpu_words *words)
{
    struct sy_gpu_request r = words->milli.len || words->memory.len
                                  ? annotated(words->milli, words->memory)
                                  : by_resources(strings, names, words);

    if (!r.count || !words->group.len)
        return r;
    r.one_group = sy_str_eqz(words->group, "required");
    return r.one_group || sy_str_eqz(words->group, "preferred") ? r : NOWHERE;
}

/* Numbers with `separator` between. */
static uint64_t parse_numbers(struct sy_str s, char separator)
{
    uint64_t devices = 0;

    if (!s.len || s.len > TEXT_LIST_MAX)
        return 0;
    for (size_t at = 0; at <= s.len;) {
        const char *end = memchr(s.p + at, separator, s.len - at);
        size_t len = end ? (size_t)(end - s.p) - at : s.len - at;
        uint64_t number;
        if (sy_str_u64((struct sy_str){s.p + at, len}, &number) < 0 || number >= SY_GPUS_MAX ||
            devices >> number & 1)
            return 0;
        devices |= (uint64_t)1 << number;
        at += len + 1;
    }
    return devices;
}

uint64_t sy_gpu_devices_parse(struct sy_str s)
{
    return parse_numbers(s, ',');
}

uint32_t sy_gpu_groups_parse(struct sy_str s, uint64_t groups[SY_GPUS_MAX])
{
    bool is_label = s.len && (memchr(s.p, '.', s.len) || memchr(s.p, '_', s.len));
    uint32_t count = 0;

    for (size_t at = 0; s.len && at <= s.len;) {
        const char *end = memchr(s.p + at, is_label ? '_' : ';', s.len - at);
        size_t len = end ? (size_t)(end - s.p) - at : s.len - at;
        uint64_t group = parse_numbers((struct sy_str){s.p + at, len}, is_label ? '.' : ',');
        if (!group || count == SY_GPUS_MAX)
            return 0;
        groups[count++] = group;
        at += len + 1;
    }
    return count;
}

char *sy_gpu_devices_format(uint64_t devices, char text[SY_GPU_DEVICES_TEXT_MAX])
{
    size_t len = 0;

    text[0] = '\0';
    for (unsigned int i = 0; i < SY_GPUS_MAX; i++) {
        if (devices >> i & 1)
            len += (size_t)snprintf(text + len, SY_GPU_DEVICES_TEXT_MAX - len, "%s%u",
                                    len ? "," : "", i);
    }
    return text;
}
