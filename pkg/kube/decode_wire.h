/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of API objects that we read, as structs that look like the API's own types, and the one
 * table per type that says each field's protobuf number and JSON name. Both decoders fill these
 * structs by walking the tables; what they mean is settled once, in decode_pod.c and its
 * neighbours, so the two forms cannot drift apart. Private to kube/decode*. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "kube/decode.h"

#include <stdbool.h>
#include <stdint.h>

enum wire_kind {
    WIRE_SKIP,
    WIRE_STR,           /* struct sy_str: into the input, or into the JSON tree */
    WIRE_INT32,         /* int64_t, 0 when absent or out of int32's range (counted as odd) */
    WIRE_INT64,         /* int64_t */
    WIRE_BOOL,          /* bool */
    WIRE_TIME,          /* int64_t: wall nanoseconds of whole seconds, 0 when absent */
    WIRE_MSG,           /* pointer, NULL when absent */
    WIRE_MSG_LIST,      /* struct wire_list of messages, each starting with `void *next` */
    WIRE_STR_LIST,      /* struct wire_list of struct wire_text */
    WIRE_STR_MAP,       /* struct wire_list of struct wire_pair */
    WIRE_QUANTITY_MAP,  /* the same; values are quantity texts */
    WIRE_INLINE,        /* WIRE_MSG whose fields JSON writes into the parent */
    WIRE_QUANTITY,      /* struct sy_str: the quantity's text, empty when absent */
    WIRE_OPT_INT32,     /* struct wire_opt_int: as WIRE_INT32, and whether it is there */
    WIRE_OPT_INT64,     /* the same of an int64 */
    WIRE_OPT_BOOL,      /* the same of a bool */
    WIRE_QUANTITY_LIST, /* struct wire_list of struct wire_text: quantities' texts */
    WIRE_MSG_MAP,       /* struct wire_list of entries: `next`, then field 1 the key, 2 a message */
    WIRE_RAW_JSON,      /* struct sy_str: runtime.RawExtension as text */
};

struct wire_message;

struct wire_field {
    const char *name; /* in JSON */
    const struct wire_message *message;
    uint16_t offset;
    uint8_t kind; /* enum wire_kind */
};

/* fields is indexed by protobuf field number; gaps are WIRE_SKIP. Protobuf has no number 0: what is
 * there exists in JSON only. */
struct wire_message {
    const struct wire_field *fields;
    uint16_t fields_len;
    uint16_t size;
};

struct wire_list {
    void *first;
    void *last;
    uint32_t len;
};

struct wire_opt_int {
    int64_t value;
    bool is_set;
};

#define WIRE_FOREACH(item, list) for (item = (list)->first; item; item = item->next)

struct wire_text {
    struct wire_text *next;
    struct sy_str s;
};

struct wire_pair {
    struct wire_pair *next;
    struct sy_str key;
    struct sy_str value;
};

struct wire_owner {
    struct wire_owner *next;
    struct sy_str kind;
    struct sy_str uid;
    bool controller;
};

struct wire_metadata {
    struct sy_str name;
    struct sy_str ns;
    struct sy_str uid;
    struct sy_str resource_version;
    int64_t generation;
    int64_t created_wall_ns;
    int64_t deleting_wall_ns;
    struct wire_list labels;
    struct wire_list annotations;
    struct wire_list owners;
};

struct wire_resources {
    struct wire_list requests;
};

struct wire_requirement {
    struct wire_requirement *next;
    struct sy_str key;
    struct sy_str op;
    struct wire_list values;
};

struct wire_selector {
    struct wire_list labels;
    struct wire_list expressions;
};

struct wire_node_term {
    struct wire_node_term *next;
    struct wire_list expressions;
    struct wire_list fields;
};

struct wire_preferred_node_term {
    struct wire_preferred_node_term *next;
    int64_t weight;
    struct wire_node_term *preference;
};

struct wire_node_selector {
    struct wire_list terms;
};

struct wire_node_affinity {
    struct wire_node_selector *required;
    struct wire_list preferred;
};

struct wire_affinity_term {
    struct wire_affinity_term *next;
    struct wire_selector *selector;
    struct wire_list namespaces;
    struct sy_str topology_key;
    struct wire_selector *namespace_selector;
};

struct wire_weighted_term {
    struct wire_weighted_term *next;
    int64_t weight;
    struct wire_affinity_term *term;
};

/* Pod affinity and pod anti-affinity are two types of the same shape. */
struct wire_pod_affinity {
    struct wire_list required;
    struct wire_list preferred;
};

struct wire_affinity {
    struct wire_node_affinity *node;
    struct wire_pod_affinity *pod;
    struct wire_pod_affinity *anti;
};

struct wire_spread {
    struct wire_spread *next;
    int64_t max_skew;
    int64_t min_domains;
    struct sy_str topology_key;
    struct sy_str when_unsatisfiable;
    struct sy_str node_affinity_policy;
    struct sy_str node_taints_policy;
    struct wire_selector *selector;
    struct wire_list match_label_keys;
};

struct wire_toleration {
    struct wire_toleration *next;
    struct sy_str key;
    struct sy_str op;
    struct sy_str value;
    struct sy_str effect;
};

struct wire_port {
    struct wire_port *next;
    int64_t host_port;
    struct sy_str protocol;
    struct sy_str host_ip;
};

struct wire_mount {
    struct wire_mount *next;
    struct wire_list options; /* bindMountOptions */
};

struct wire_restart_rule {
    struct wire_restart_rule *next;
    struct sy_str action;
};

struct wire_container {
    struct wire_container *next;
    struct sy_str name;
    struct sy_str image;
    struct sy_str restart_policy;
    struct wire_list ports;
    struct wire_resources *resources;
    struct wire_list mounts;
    struct wire_list restart_rules;
};

/* What an ephemeral container has in common with others. */
struct wire_debug_common {
    struct wire_list mounts;
};

struct wire_debug_container {
    struct wire_debug_container *next;
    struct wire_debug_common *common;
};

struct wire_container_status {
    struct wire_container_status *next;
    struct sy_str name;
    struct wire_list allocated;
    struct wire_resources *resources;
};

/* One struct for all volume sources that are looked at: what they have in common is a name. */
struct wire_source {
    struct sy_str name;
    struct sy_str aux;
    int64_t number;
    bool read_only;
    struct wire_list list;
};

struct wire_volume_source {
    struct wire_source *gce_pd;
    struct wire_source *aws_ebs;
    struct wire_source *iscsi;
    struct wire_source *claim;
    struct wire_source *rbd;
    struct wire_source *cinder;
    struct wire_source *azure_disk;
    struct wire_source *portworx;
    struct wire_source *csi;
    struct wire_source *ephemeral;
    struct wire_source *image;
};

struct wire_volume {
    struct wire_volume *next;
    struct sy_str name;
    struct wire_volume_source *source;
};

struct wire_gate {
    struct wire_gate *next;
};

struct wire_claim {
    struct wire_claim *next;
    struct sy_str name;
    struct sy_str claim;
    struct sy_str template;
};

struct wire_group {
    struct sy_str name;
};

struct wire_condition {
    struct wire_condition *next;
    struct sy_str type;
    struct sy_str status;
    struct sy_str reason;
    struct sy_str message;
    int64_t changed_wall_ns;
};

struct wire_pod_spec {
    struct wire_list volumes;
    struct wire_list containers;
    struct wire_list init_containers;
    struct wire_list debug_containers;
    struct wire_list node_selector;
    struct sy_str node_name;
    struct sy_str scheduler_name;
    struct sy_str preemption_policy;
    struct sy_str priority_class;
    bool host_network;
    struct wire_opt_int host_users;
    int64_t priority;
    struct wire_affinity *affinity;
    struct wire_list tolerations;
    struct wire_list overhead;
    struct wire_list spread;
    struct wire_list gates;
    struct wire_list claims;
    struct wire_resources *resources;
    struct wire_group *group;
};

struct wire_pod_status {
    struct sy_str phase;
    struct sy_str nominated_node;
    struct wire_list conditions;
    int64_t started_wall_ns;
    struct wire_list container_statuses;
    struct wire_list init_container_statuses;
    struct wire_list allocated;
    struct wire_resources *resources;
    struct wire_list claims; /* resourceClaimStatuses: name and claim */
};

struct wire_pod {
    struct wire_metadata *metadata;
    struct wire_pod_spec *spec;
    struct wire_pod_status *status;
};

struct wire_taint {
    struct wire_taint *next;
    struct sy_str key;
    struct sy_str value;
    struct sy_str effect;
};

struct wire_node_spec {
    bool unschedulable;
    struct wire_list taints;
};

struct wire_image {
    struct wire_image *next;
    struct wire_list names;
    int64_t size_bytes;
};

struct wire_address {
    struct wire_address *next;
    struct sy_str type;
    struct sy_str address;
};

struct wire_node_status {
    struct wire_list capacity;
    struct wire_list allocatable;
    struct wire_list conditions;
    struct wire_list addresses;
    struct wire_list images;
    struct wire_list features;
};

struct wire_node {
    struct wire_metadata *metadata;
    struct wire_node_spec *spec;
    struct wire_node_status *status;
};

struct wire_object {
    struct wire_metadata *metadata;
};

struct wire_list_metadata {
    struct sy_str resource_version;
    struct sy_str continue_token;
};

struct wire_cause {
    struct wire_cause *next;
    struct sy_str reason;
    struct sy_str message;
};

struct wire_status_details {
    struct wire_list causes;
    int64_t retry_after_s;
};

struct wire_status {
    struct sy_str kind; /* JSON only: protobuf has it in the envelope */
    struct sy_str status;
    struct sy_str message;
    struct sy_str reason;
    struct wire_status_details *details;
    int64_t code;
};

extern const struct wire_message sy_wire_pod;
extern const struct wire_message sy_wire_node;
extern const struct wire_message sy_wire_object;
extern const struct wire_message sy_wire_list_metadata;
extern const struct wire_message sy_wire_status;
/* Shared by further types, whose tables stand beside their builders. */
extern const struct wire_message sy_wire_metadata;
extern const struct wire_message sy_wire_selector;
extern const struct wire_message sy_wire_node_selector;

/* For the tables. */
#define WIRE_FIELDS(...)                                                                           \
    (const struct wire_field[])                                                                    \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define WIRE_MESSAGE(type, ...)                                                                    \
    {                                                                                              \
        .fields = WIRE_FIELDS(__VA_ARGS__),                                                        \
        .fields_len = sizeof(WIRE_FIELDS(__VA_ARGS__)) / sizeof(struct wire_field),                \
        .size = sizeof(struct type),                                                               \
    }
#define WIRE_FIELD(type, member, text, what)                                                       \
    {                                                                                              \
        .name = (text), .offset = offsetof(struct type, member), .kind = (what)                    \
    }
#define WIRE_SUB(type, member, text, what, sub)                                                    \
    {                                                                                              \
        .name = (text), .offset = offsetof(struct type, member), .kind = (what), .message = &(sub) \
    }

/* Walkers: fill `out`, a zeroed struct of the message's type, from one object. The structs come
 * from d->scratch. 0, -EBADMSG, -E2BIG or -ENOMEM. Cost O(input). */
int sy_wire_read_pb(struct sy_decode *d, const struct wire_message *m, struct sy_str raw, void *out,
                    struct sy_err *err) SY_NODISCARD;
/* *ret_tree holds the text that `out` points into: give it to sy_wire_free_json() after use; NULL
 * after an error. */
struct json_object;
int sy_wire_read_json(struct sy_decode *d, const struct wire_message *m, struct sy_str raw,
                      void *out, struct json_object **ret_tree, struct sy_err *err) SY_NODISCARD;
/* One object and nothing after it, nested no deeper than any that is decoded. The caller's to put;
 * NULL with *ret_why when it is none, or there is no memory (then *ret_why stays). */
struct json_object *sy_wire_parse_json(struct sy_str raw, const char **ret_why);
void sy_wire_free_json(struct json_object **tree); /* NULL inside is fine; for SY_CLEANUP */

/* Either of them by encoding, after resetting d->scratch. */
int sy_wire_read(struct sy_decode *d, enum sy_encoding enc, const struct wire_message *m,
                 struct sy_str raw, void *out, struct json_object **ret_tree,
                 struct sy_err *err) SY_NODISCARD;

/* Takes one element into a list. NULL when scratch is exhausted. */
void *sy_wire_append(struct sy_decode *d, struct wire_list *list, size_t size) SY_NODISCARD;
/* -E2BIG or -ENOMEM, whichever made an arena refuse `size` more bytes. */
int sy_wire_arena_error(const struct sy_arena *a, size_t size);
/* Gives err a message for either of these codes; returns code. */
int sy_wire_out_of_room(const struct sy_decode *d, int code, struct sy_err *err);

/* Strips "k8s\0" and runtime.Unknown off raw when it starts so; else raw as it is. 0 or -EBADMSG.
 * ret_kind (may be NULL): typeMeta.kind, empty when there is none. */
int sy_wire_unwrap(struct sy_str raw, struct sy_str *ret_raw, struct sy_str *ret_kind,
                   struct sy_err *err) SY_NODISCARD;
