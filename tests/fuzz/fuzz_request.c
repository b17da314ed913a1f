/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of an HTTP request from any bytes: what is accepted obeys the promises of its header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sy_request r;
    char *text;

    if (!size || size > 65536)
        return 0;
    text = malloc(size);
    if (!text)
        return 0;
    memcpy(text, data, size);
    if (sy_request_parse(text, size, &r) == 0) {
        if (!r.method || !*r.method || !r.path || *r.path != '/' || strpbrk(r.path, " ?#\r\n") ||
            r.params_len > SY_REQUEST_MAX_PARAMS)
            abort();
        for (size_t i = 0; i < r.params_len; i++) {
            if (!sy_request_param(&r, r.params[i].name) || !r.params[i].value)
                abort();
        }
    }
    free(text);
    return 0;
}
