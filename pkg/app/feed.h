/* SPDX-License-Identifier: Apache-2.0
 *
 * From the API server into the scheduler: one feed for each resource that scheduling looks at, with
 * its reflector and decoder. A further resource is one more line in the table of feed.c. */
#pragma once

#include "kube/catch_up.h"
#include "load/join.h"
#include "model/group.h"
#include "model/workload.h"
#include "sched/sched.h"
#include "serve/metrics.h"

/* In the order of enum sy_workload_kind, enum sy_storage_kind, enum sy_devices_kind and enum
 * sy_group_source (not all of which have objects). */
enum sy_feed_kind {
    SY_FEED_NODES,
    SY_FEED_PODS,
    SY_FEED_BUDGETS,
    SY_FEED_WORKLOADS,
    SY_FEED_STORAGE = SY_FEED_WORKLOADS + SY_WORKLOAD_KINDS,
    SY_FEED_DEVICES = SY_FEED_STORAGE + SY_STORAGE_KINDS,
    SY_FEED_GROUPS = SY_FEED_DEVICES + SY_DEVICES_KINDS,
    SY_FEEDS = SY_FEED_GROUPS + SY_GROUP_SOURCES,
    SY_FEED_NODE_LEASES = SY_FEEDS, /* beside these: no decision waits for it */
};

struct sy_feed;

struct sy_feed_options {
    struct sy_kube *kube; /* borrowed, as all here */
    struct sy_sched *sched;
    struct sy_strings *strings;
    struct sy_load_join *join;             /* NULL: nobody wants the nodes' addresses */
    const struct sy_resource_names *names; /* of strings; copied */
    const char *api;                       /* of PodGroups: "GROUP/VERSION" that has them; copied */
    const char *const *node_annotations;   /* to keep, NULL-terminated; for the feed's life */
    /* Something changed that the scheduler may act on. */
    void (*on_input)(void *arg);
    /* Each error that makes the feed wait. resource: "pods". loss: what does not work without it,
     * NULL for one that nothing works without. */
    void (*on_error)(void *arg, const char *resource, const char *loss, const struct sy_err *err,
                     int64_t retry_in_ns);
    void *arg;
};

/* Whether what is decided under one of the profiles may depend on the resource. */
bool sy_feed_is_needed(enum sy_feed_kind kind, const struct sy_profile *profiles, uint32_t len);

/* out: *ret, to be freed with sy_feed_free() before the client and the scheduler. Errors: as
 * sy_reflector_new(). Loop thread. */
int sy_feed_new(enum sy_feed_kind kind, const struct sy_feed_options *options, struct sy_feed **ret,
                struct sy_err *err) SY_NODISCARD;
void sy_feed_free(struct sy_feed *f); /* NULL allowed */
void sy_feed_start(struct sy_feed *f);

/* Whether the whole state was taken over once. Both: also of a resource that we can do without and
 * that the server does not have or does not let us read; until it does. */
bool sy_feed_is_synced(const struct sy_feed *f);
/* Whether changes arrive. */
bool sy_feed_is_live(const struct sy_feed *f);
/* Whether it is a resource that we can do without, which the server refuses to give. */
bool sy_feed_is_refused(const struct sy_feed *f);
/* Refused, because the server has no such resource. */
bool sy_feed_is_absent(const struct sy_feed *f);
const char *sy_feed_resource(const struct sy_feed *f);
/* Names for the two as checks of health: "pods-synced", "pods-watch". */
const char *sy_feed_synced_name(const struct sy_feed *f);
const char *sy_feed_live_name(const struct sy_feed *f);
/* Adds the feed's watch to what is to catch up; at_least as in sy_catch_up_add(). */
void sy_feed_catch_up(const struct sy_feed *f, struct sy_catch_up *c, const char *at_least);
/* The last change that the watch brought, "" for none; as sy_reflector_last_change(). */
const char *sy_feed_last_change(const struct sy_feed *f);
/* Marks the string ids that the feed holds. */
void sy_feed_mark(const struct sy_feed *f);
/* Adds the feed's figures to those of f. */
void sy_feed_figures(const struct sy_feed *f, struct sy_figures *ret);
