/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/policies.h"

#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, WEIGHT_MAX = 10000 };

static void least_allocated(struct sy_policy_args *args)
{
    args->fit_strategy = SY_LEAST_ALLOCATED;
}

static void most_allocated(struct sy_policy_args *args)
{
    args->fit_strategy = SY_MOST_ALLOCATED;
}

static void by_shares(struct sy_policy_args *args)
{
    args->dynamic_selection = SY_SELECT_SHARES;
}

static void by_best(struct sy_policy_args *args)
{
    args->dynamic_selection = SY_SELECT_BEST;
}

/* Scorers with an argument. */
static const struct {
    const char *name, *scorer;
    void (*set)(struct sy_policy_args *args);
} VARIANTS[] = {
    {"LeastAllocated", "NodeResourcesFit", least_allocated},
    {"MostAllocated", "NodeResourcesFit", most_allocated},
    {"DynamicWeightShares", "DynamicWeight", by_shares},
    {"DynamicWeightBest", "DynamicWeight", by_best},
};

static int add_scorer(struct sy_profile *p, struct sy_str part, struct sy_err *err)
{
    const char *colon = part.len ? memchr(part.p, ':', part.len) : NULL;
    struct sy_str name = {part.p, colon ? (size_t)(colon - part.p) : part.len};
    char text[NAME_MAX_BYTES];
    uint64_t weight = 1;

    if (colon && (sy_str_u64((struct sy_str){colon + 1, part.len - name.len - 1}, &weight) < 0 ||
                  !weight || weight > WEIGHT_MAX))
        return sy_err_set(err, -EINVAL, "\"" SY_STR_FMT "\": the weight is not 1 to %d",
                          SY_STR_ARG(part), WEIGHT_MAX);
    snprintf(text, sizeof(text), SY_STR_FMT, SY_STR_ARG(name));
    const struct sy_scorer *scorer = sy_scorer_find(text);
    for (size_t i = 0; i < SY_ARRAY_LEN(VARIANTS); i++) {
        if (strcmp(text, VARIANTS[i].name) != 0)
            continue;
        scorer = sy_scorer_find(VARIANTS[i].scorer);
        VARIANTS[i].set(&p->args);
    }
    if (!scorer)
        return sy_err_set(err, -EINVAL, "there is no policy \"" SY_STR_FMT "\"", SY_STR_ARG(name));
    for (uint32_t i = 0; i < p->scorers_len; i++) {
        if (p->scorers[i].scorer == scorer)
            return sy_err_set(err, -EINVAL, "\"" SY_STR_FMT "\" is there twice", SY_STR_ARG(name));
    }
    p->scorers[p->scorers_len++] = (struct sy_weighted_scorer){scorer, (int32_t)weight};
    return 0;
}

int sy_sim_policy(const char *name, struct sy_profile *ret, struct sy_err *err)
{
    struct sy_profile p;

    if (strcmp(name, "kube") == 0) {
        sy_profile_kube(ret, SY_SIM_SCHEDULER);
        return 0;
    }
    if (strcmp(name, "gpu") == 0) {
        sy_profile_gpu(ret, SY_SIM_SCHEDULER);
        return 0;
    }
    sy_profile_default(&p, SY_SIM_SCHEDULER);
    if (strcmp(name, "default") != 0) {
        p.scorers_len = 0;
        for (const char *at = name, *end; at; at = *end ? end + 1 : NULL) {
            end = strchrnul(at, '+');
            int r = add_scorer(&p, (struct sy_str){at, (size_t)(end - at)}, err);
            if (r < 0)
                return r;
            if (p.scorers_len == SY_SCORERS_MAX && *end)
                return sy_err_set(err, -EINVAL, "more than %d scorers", SY_SCORERS_MAX);
        }
    }
    *ret = p;
    return 0;
}
