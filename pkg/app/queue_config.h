/* SPDX-License-Identifier: Apache-2.0
 *
 * The key `queues` of the configuration, in both kinds of file: its table, what is wrong with the
 * whole of it, and the form that the core takes. docs/queues.md says what it means. */
#pragma once

#include "app/schema.h"
#include "cluster/shares.h"

struct sy_config_queue_resource {
    char *name;
    char *guaranteed; /* quantities; NULL: nothing */
    char *limit;      /* NULL: none */
};

struct sy_config_queue {
    char *name;
    char *parent; /* NULL: the root */
    double weight;
    bool borrows, is_reclaimable;
    struct sy_option_list namespaces; /* char * */
    struct sy_option_list labels;     /* struct sy_config_label */
    struct sy_option_list resources;  /* struct sy_config_queue_resource */
};

/* Of the elements of `queues`: struct sy_config_queue. */
extern const struct sy_option sy_config_queue_options[];
void sy_config_queue_check(const void *base, const struct sy_schema_at *at); /* a queue */
/* Adds what is wrong with the queues together: parents, sums, claims. at: of the map that has
 * `queues`. Cost: O(queues^2). */
void sy_config_queues_check(const struct sy_option_list *queues, const struct sy_schema_at *at);

/* The queues as the core takes them. ret_room: owned by the caller, to be released by
 * sy_config_queues_done() after *ret was used; both borrow from queues, which must be without
 * problems. */
struct sy_config_queues_room {
    struct sy_queue_options *queues;
    struct sy_queue_resource *resources;
};
void sy_config_queues(const struct sy_option_list *queues, struct sy_config_queues_room *ret_room,
                      struct sy_queues_options *ret);
void sy_config_queues_done(struct sy_config_queues_room *room);
