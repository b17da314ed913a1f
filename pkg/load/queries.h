/* SPDX-License-Identifier: Apache-2.0
 *
 * The default queries to Prometheus, for what node-exporter and dcgm-exporter give, and how a query
 * becomes text. No network. */
#pragma once

#include "base/buf.h"
#include "load/load.h"

/* A query as it is asked. */
struct sy_load_asked {
    char *promql, *time_promql; /* owned; the latter NULL for XID errors */
    char *join_label;           /* owned */
    enum sy_load_join_by join_by;
    enum sy_load_unit unit;
    int64_t window_ns;
};

/* "cpu", "gpuMemory", "xid": as in the configuration. */
const char *sy_load_query_name(uint32_t query);
/* Fills in the defaults of query number `query` of a source. ret: released with
 * sy_load_asked_done(). */
void sy_load_asked_init(struct sy_load_asked *ret, const struct sy_load_source *source,
                        uint32_t query);
void sy_load_asked_done(struct sy_load_asked *q);

/* Appends text as a value in a URL's query or in a form. Errors as sy_buf_add(). */
int sy_load_url_escape(struct sy_buf *out, const char *text);
