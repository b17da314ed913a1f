/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the oracle's checker share. A case is one cluster, one pod, and what
 * kube-scheduler's own plugins say of it (README.md). Loaders bring a case's objects into our
 * cluster; sections compare our answers with the file's. To add either: a file here and a line in a
 * table in main.c. (Go takes no C files beside its own, hence the folder.) */
#pragma once

#include "kube/decode.h"
#include "sched/shape.h"

#include <json-c/json.h>

struct oracle; /* counts of differences, and what to print */

struct oracle_case {
    int64_t id;
    struct json_object *json;
    struct sy_strings *strings;
    struct sy_decode decode; /* its arena is reset for each object */
    struct sy_cluster cluster;
    struct sy_shapes shapes;
    uint32_t pod; /* slot of the pod to place */
};

/* Brings some of the case's objects into c->cluster. False when an object does not decode or load:
 * *ret_what then says which. */
typedef bool oracle_load(struct oracle_case *c, const char **ret_what);
/* Calls oracle_differ() for all that is not as in the file. */
typedef void oracle_check(struct oracle *o, struct oracle_case *c);

oracle_load oracle_load_core;       /* namespaces, nodes, pods and the pod */
oracle_load oracle_load_workloads;  /* services and controllers */
oracle_load oracle_load_storage;    /* volumes, claims, classes and CSI objects */
oracle_load oracle_load_devices;    /* slices, classes and claims of devices */
oracle_load oracle_load_preemption; /* budgets and pods with a claim on a node */
oracle_check oracle_check_plugins;
oracle_check oracle_check_framework;
oracle_check oracle_check_storage;
oracle_check oracle_check_allocations;
oracle_check oracle_check_preemption;

/* An object's JSON; borrowed from it. */
struct sy_str oracle_raw(struct json_object *object);
/* Decodes and takes over one pod. */
bool oracle_load_pod(struct oracle_case *c, struct json_object *object, uint32_t *ret_slot);

/* Notes one difference. section: the line of the table, e.g. a plugin's name. node: or NULL. */
void oracle_differ(struct oracle *o, const struct oracle_case *c, const char *section,
                   const char *node, const char *expected, const char *got);
/* As oracle_differ() with two numbers, when they are not equal. what: put before both. */
void oracle_differ_number(struct oracle *o, const struct oracle_case *c, const char *section,
                          const char *node, const char *what, int64_t expected, int64_t got);
/* Makes sure that the section has a line in the table. */
void oracle_saw(struct oracle *o, const char *section);

/* A member of an object, NULL when it is absent or null. */
struct json_object *oracle_get(struct json_object *object, const char *key);
const char *oracle_text(struct json_object *object, const char *key); /* "" when absent */
/* The slot of a node by name, SY_NONE when the cluster has none. */
uint32_t oracle_node(const struct oracle_case *c, const char *name);
/* The shape of the case's pod with its view resolved and no plugin in it; the caller's to give
 * back. profile: filled in, must outlive it. */
struct sy_shape *oracle_view(struct oracle_case *c, struct sy_profile *profile);

enum { ORACLE_STATUS_MAX = 2048 };
/* One line for a status of the file: code, plugin when there is one, reasons in the order of their
 * texts (kube-scheduler's own order varies). A NULL status stands for Success. */
const char *oracle_status(struct json_object *status, char text[ORACLE_STATUS_MAX]);
/* The same for ours. plugin: or NULL. */
const char *oracle_verdict(const struct oracle_case *c, const struct sy_verdict *v,
                           const char *plugin, char text[ORACLE_STATUS_MAX]);
