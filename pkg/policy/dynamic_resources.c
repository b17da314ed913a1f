/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods with resource claims. Steelyard does not write allocations into claims yet, and a pod that
 * were bound without would never start, so such a pod waits and says why. */
#include "policy/plugins.h"

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v)
{
    if (!shape->spec->claims_len)
        return SY_PRE_SKIP;
    sy_refuse(v, SY_UNRESOLVABLE, shape->texts->claims_unsupported);
    return SY_PRE_REJECT;
}

/* Never asked: prepare() skips or rejects. */
static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                    uint32_t node SY_UNUSED, struct sy_verdict *v)
{
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->claims_unsupported);
}

const struct sy_filter sy_filter_dynamic_resources = {
    .name = "DynamicResources", .prepare = prepare, .refuses = refuses};
