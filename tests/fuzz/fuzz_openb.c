/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a trace's node and pod list: no crash, no leak, an error always says something, and
 * what is taken is within bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "sim/openb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sy_str text = {(const char *)data, size};
    struct sy_openb o = {0};
    struct sy_err err = {0};

    if (sy_openb_read_nodes(&o, text, "n", &err) < 0 && (!err.msg[0] || !err.code))
        abort();
    err = (struct sy_err){0};
    if (sy_openb_read_pods(&o, text, "p", &err) < 0 && (!err.msg[0] || !err.code))
        abort();
    for (size_t i = 0; i < o.nodes.len; i++) {
        if (!o.nodes.p[i].name[0] || o.nodes.p[i].gpus > SY_OPENB_GPUS_MAX ||
            o.nodes.p[i].cpu_milli < 0)
            abort();
    }
    for (size_t i = 0; i < o.pods.len; i++) {
        const struct sy_openb_pod *p = &o.pods.p[i];
        if (!p->name[0] || p->gpu_milli > 1000 || !p->gpus != !p->gpu_milli || p->cpu_milli < 0)
            abort();
    }
    size_t members = 0;
    for (size_t i = 0; i < o.units.len; i++) {
        const struct sy_openb_unit *u = &o.units.p[i];
        if (u->first != members || !u->min || u->min > u->len || u->milli < 0)
            abort();
        members += u->len;
    }
    if (members != o.members.len || members > o.pods.len)
        abort();
    sy_openb_make_gangs(&o, 0.5, 1);
    sy_openb_done(&o);
    return 0;
}
