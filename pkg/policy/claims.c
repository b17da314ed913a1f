/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/claims.h"

#include <stdarg.h>
#include <stdio.h>

bool sy_pod_claim(const struct sy_cluster *c, sy_sid ns, struct sy_str pod_name,
                  const struct sy_volume *volume, char room[SY_CLAIM_NAME_ROOM],
                  struct sy_pod_claim *ret)
{
    sy_sid name = volume->name;

    *ret = (struct sy_pod_claim){.slot = SY_NO_OBJECT};
    if (volume->kind == SY_VOLUME_CLAIM) {
        ret->name = sy_strings_get(c->strings, name);
    } else if (volume->kind == SY_VOLUME_EPHEMERAL) {
        struct sy_str own = sy_strings_get(c->strings, name);
        /* A longer name than any that the API takes names nothing. */
        int len = snprintf(room, SY_CLAIM_NAME_ROOM, SY_STR_FMT "-" SY_STR_FMT,
                           SY_STR_ARG(pod_name), SY_STR_ARG(own));
        bool fits = len > 0 && len < SY_CLAIM_NAME_ROOM;
        ret->is_ephemeral = true;
        ret->name = sy_str_from(room);
        name = fits ? sy_strings_find(c->strings, ret->name) : 0;
    } else {
        return false;
    }
    ret->slot = sy_storage_find(c, SY_STORAGE_CLAIM, ns, name);
    if (ret->slot != SY_NO_OBJECT)
        ret->claim = sy_storage_claim(c, ret->slot);
    return true;
}

bool sy_claim_is_of_pod(const struct sy_pvc *claim, struct sy_str pod_uid)
{
    return claim->owner_uid.len && sy_str_eq(claim->owner_uid, pod_uid);
}

bool sy_spec_has_claims(const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (spec->volumes[i].kind == SY_VOLUME_CLAIM ||
            spec->volumes[i].kind == SY_VOLUME_EPHEMERAL)
            return true;
    }
    return false;
}

sy_sid sy_reason(const struct sy_shape_view *shape, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    sy_sid id = sy_strings_addz(shape->cluster->strings, text);
    return id ? id : shape->texts->empty;
}

sy_sid sy_reason_no_claim(const struct sy_shape_view *shape, struct sy_str name)
{
    return sy_reason(shape, "persistentvolumeclaim \"" SY_STR_FMT "\" not found", SY_STR_ARG(name));
}

sy_sid sy_reason_not_owner(const struct sy_shape_view *shape, sy_sid ns, struct sy_str claim,
                           struct sy_str pod)
{
    const char *space = sy_strings_getz(shape->cluster->strings, ns);

    return sy_reason(
        shape, "PVC %s/" SY_STR_FMT " was not created for pod %s/" SY_STR_FMT " (pod is not owner)",
        space, SY_STR_ARG(claim), space, SY_STR_ARG(pod));
}
