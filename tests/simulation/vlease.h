/* SPDX-License-Identifier: Apache-2.0
 *
 * The one Lease of the virtual API server, as JSON: reads, and writes that must be over the version
 * that it has. */
#pragma once

#include "vapi.h"

struct vlease {
    char *text; /* owned; NULL: there is none */
    uint64_t rv;
    uint32_t holder; /* the client that wrote who holds it; 0: nobody does */
};

void vlease_get(const struct vlease *l, struct vanswer *ret);
void vlease_copy(struct vlease *to, const struct vlease *from);
/* POST and PUT. Whether it is another now, of version rv. */
bool vlease_put(struct vlease *l, const struct vrequest *rq, uint64_t rv, struct vanswer *ret);
