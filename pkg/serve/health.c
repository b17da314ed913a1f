/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/health.h"

int sy_health_write(const char *endpoint, const struct sy_health_check *checks, uint32_t len,
                    bool is_verbose, struct sy_buf *out)
{
    bool all_ok = true;

    for (uint32_t i = 0; i < len; i++)
        all_ok = all_ok && checks[i].ok;
    if (all_ok && !is_verbose) {
        sy_buf_adds(out, "ok");
        return 200;
    }
    for (uint32_t i = 0; i < len; i++) {
        if (checks[i].ok)
            sy_buf_addf(out, "[+]%s ok\n", checks[i].name);
        else
            sy_buf_addf(out, "[-]%s failed: %s\n", checks[i].name, checks[i].why);
    }
    sy_buf_addf(out, "%s check %s\n", endpoint, all_ok ? "passed" : "failed");
    return all_ok ? 200 : 503;
}
