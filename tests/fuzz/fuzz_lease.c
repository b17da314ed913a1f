/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a Lease: what is read can be written over it and read again, and an elector that is
 * told of it neither leads by it nor waits for ever. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/elector.h"

static const int64_t LONGEST_NS = (INT32_MAX + INT64_C(100)) * SY_NS_PER_S;

static void tell_elector(const struct sy_lease *lease)
{
    const struct sy_elector_options options = {
        .identity = "\x01me",
        .lease_ns = 15 * SY_NS_PER_S,
        .renew_ns = 10 * SY_NS_PER_S,
        .retry_ns = 2 * SY_NS_PER_S,
        .write_ns = 5 * SY_NS_PER_S,
    };
    struct sy_elector e;
    struct sy_lease write;
    sy_time_ns at;

    sy_elector_init(&e, &options);
    sy_elector_next(&e, 0, 0, &write, &at);
    sy_elector_read(&e, lease, 0);
    sy_elector_saw(&e, lease, 1);
    if (sy_elector_may_write(&e, 1) || sy_elector_clear_at(&e) < 0 ||
        sy_elector_taken_until(&e) > LONGEST_NS || sy_elector_clear_at(&e) > LONGEST_NS)
        abort();
    if (sy_elector_next(&e, LONGEST_NS, 0, &write, &at) != SY_ELECTOR_UPDATE)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sy_str raw = {(const char *)data, size};
    struct sy_lease lease, again;
    struct sy_buf body;
    struct sy_err err = {0};

    if (sy_lease_parse(raw, &lease, &err)) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    tell_elector(&lease);
    sy_buf_init(&body, 4 << 20);
    if (sy_lease_write(raw, "ns", "n", &lease, &body, &err) == 0 &&
        (sy_lease_parse(sy_buf_str(&body), &again, &err) ||
         strcmp(again.version, lease.version) != 0 || again.transitions != lease.transitions))
        abort();
    sy_buf_done(&body);
    return 0;
}
