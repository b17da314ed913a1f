/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `load` of the configuration: the sources of measured load. In both kinds of file. */
#pragma once

#include "app/schema.h"
#include "load/load.h"

enum { SY_LOAD_SOURCES_MAX = 16 };

struct sy_config_load_query {
    bool is_enabled;
    char *query, *timestamp, *unit;
    int64_t window_ns;
    char *join_label, *join_by;
};

struct sy_config_load_source {
    char *name;   /* NULL: the type's */
    int64_t type; /* enum sy_load_type */
    int64_t interval_ns, timeout_ns;
    char *url, *token_file, *ca_file;
    char *join_label, *join_by;
    struct sy_config_load_query queries[SY_LOAD_QUERIES];
};

struct sy_config_load {
    struct sy_option_list sources; /* struct sy_config_load_source */
};

/* Keys of the section; offsets are from struct sy_config_load. */
extern const struct sy_option sy_config_load_options[];
/* For the section's check_map. */
void sy_config_load_check(const void *base, const struct sy_schema_at *at);

/* The sources as pkg/load takes them, borrowed from c. ret: room for SY_LOAD_SOURCES_MAX. Returns
 * how many. */
uint32_t sy_config_load_sources(const struct sy_config_load *c, struct sy_load_source *ret);
