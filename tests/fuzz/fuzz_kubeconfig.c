/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a kubeconfig: no crash, no leak, and an error always says something. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sy_kubeconfig c;
    struct sy_err err = {0};
    int r = sy_kubeconfig_parse((const char *)data, size, "/dir", NULL, &c, &err);

    if (r) {
        if (!err.msg[0] || err.code != r)
            abort();
        return 0;
    }
    if (!c.server)
        abort();
    sy_kubeconfig_done(&c);
    return 0;
}
