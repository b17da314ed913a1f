/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a quantity: the two scales must agree with each other and with the sign. */
#include "model/quantity.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sy_str s = {(const char *)data, size};
    struct sy_err err = {0};
    int64_t unit = 0, milli = 0;
    int r = sy_quantity_parse(s, SY_SCALE_UNIT, &unit, &err);
    int r_milli = sy_quantity_parse(s, SY_SCALE_MILLI, &milli, NULL);

    must(r == 0 || r == -EINVAL || r == -ERANGE);
    must((r == -EINVAL) == (r_milli == -EINVAL));
    must((r == 0) == (err.code == 0));
    if (r == -EINVAL)
        return 0;
    if (r == -ERANGE)
        must(r_milli == -ERANGE && unit == milli && (unit == INT64_MAX || unit == INT64_MIN));
    if (s.p[0] == '-')
        must(unit <= 0 && milli <= 0);
    else
        must(unit >= 0 && milli >= 0);
    if (r == 0 && r_milli == 0) {
        /* The unit value is the milli value over 1000, rounded away from zero. */
        int64_t up = milli / 1000 + (milli % 1000 > 0) - (milli % 1000 < 0);
        must(unit == up);
    }
    return 0;
}
