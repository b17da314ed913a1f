/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/gen.h"

#include <math.h>

#include "base/compiler.h"
#include "base/rng.h"

/* Kinds of machines, and how many in a hundred are of each. */
static const struct {
    uint32_t share, cpus, memory_gib, gpus;
    const char *model;
} MACHINES[] = {
    {35, 96, 512, 8, "LARGE"}, {20, 128, 1024, 8, "LARGE"}, {25, 48, 192, 2, "SMALL"},
    {12, 64, 384, 4, "OLD"},   {8, 96, 768, 8, "NEW"},
};

/* Kinds of workloads: how many pods in a hundred, and what each asks for. */
static const struct {
    uint32_t share, gpus, milli_from, milli_to; /* several GPUs: whole ones */
    uint32_t cpus_from, cpus_to;                /* for all its GPUs */
    const char *spec;
    double hours; /* mean */
} WORKLOADS[] = {
    {30, 1, 1000, 1000, 4, 16, "", 30},
    {8, 1, 1000, 1000, 4, 16, "LARGE|NEW", 40},
    {26, 1, 100, 500, 1, 6, "", 12},
    {10, 1, 500, 900, 4, 10, "", 20},
    {14, 0, 0, 0, 1, 16, "", 8},
    {6, 2, 1000, 1000, 8, 32, "", 40},
    {3, 4, 1000, 1000, 24, 56, "", 60},
    {2, 8, 1000, 1000, 64, 96, "LARGE|NEW", 90},
    {1, 8, 1000, 1000, 80, 96, "NEW", 120},
};

int sy_gen_nodes(uint64_t seed, uint32_t nodes, struct sy_buf *out)
{
    struct sy_rng rng;

    sy_rng_seed(&rng, seed);
    sy_buf_adds(out, "sn,cpu_milli,memory_mib,gpu,model\n");
    for (uint32_t i = 0; i < nodes; i++) {
        uint64_t pick = sy_rng_below(&rng, 100);
        size_t k = 0;
        while (k + 1 < SY_ARRAY_LEN(MACHINES) && pick >= MACHINES[k].share)
            pick -= MACHINES[k++].share;
        sy_buf_addf(out, "node-%05u,%u,%u,%u,%s\n", i, MACHINES[k].cpus * 1000,
                    MACHINES[k].memory_gib * 1024, MACHINES[k].gpus, MACHINES[k].model);
    }
    return out->failed;
}

static uint32_t between(struct sy_rng *rng, uint32_t from, uint32_t to)
{
    return from + (uint32_t)sy_rng_below(rng, to - from + 1);
}

int sy_gen_pods(uint64_t seed, uint32_t pods, struct sy_buf *out)
{
    /* As in real lists, most pods are copies of few: sizes are from a coarse grid. */
    enum { MILLI_STEP = 50, CPU_STEP = 2 };
    struct sy_rng rng;

    sy_rng_seed(&rng, seed);
    sy_buf_adds(out, "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,"
                     "deletion_time\n");
    for (uint32_t i = 0; i < pods; i++) {
        uint64_t pick = sy_rng_below(&rng, 100);
        size_t k = 0;
        while (k + 1 < SY_ARRAY_LEN(WORKLOADS) && pick >= WORKLOADS[k].share)
            pick -= WORKLOADS[k++].share;
        uint32_t milli = between(&rng, WORKLOADS[k].milli_from / MILLI_STEP,
                                 WORKLOADS[k].milli_to / MILLI_STEP) *
                         MILLI_STEP;
        uint32_t cpus = between(&rng, (WORKLOADS[k].cpus_from + CPU_STEP - 1) / CPU_STEP,
                                WORKLOADS[k].cpus_to / CPU_STEP) *
                        CPU_STEP;
        uint32_t lasts = 1 + (uint32_t)(-log(1 - sy_rng_unit(&rng)) * WORKLOADS[k].hours * 3600);
        sy_buf_addf(out, "pod-%06u,%u,%u,%u,%u,%s,%u,%u\n", i, cpus * 1000, cpus * 4096,
                    WORKLOADS[k].gpus, milli, WORKLOADS[k].spec, i * 60, i * 60 + lasts);
    }
    return out->failed;
}
