/* SPDX-License-Identifier: Apache-2.0
 *
 * The virtual API server: nodes and pods as they truly are, their versions, the history that
 * watches are served from, and what the server does with each request. It knows nothing of
 * networks, faults or schedulers. What it holds are the books that the product is held against. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/vec.h"
#include "kube/decode.h"

#include <stdbool.h>
#include <stdint.h>

enum { NODES_MAX = 24, NO_NODE = UINT32_MAX, NO_POD = UINT32_MAX };

struct vroom {
    int64_t cpu_milli;
    int64_t memory_mib;
    int64_t gpus;
    int64_t pods;
};

/* One name; objects of that name come and go. */
struct vnode {
    uint64_t rv;
    uint32_t serial; /* which of those objects: its UID */
    uint32_t zone;
    struct vroom room; /* allocatable */
    bool exists;
    bool is_ready; /* condition and, with it, the taints of the node lifecycle controller */
    bool is_cordoned;
};

enum vpod_phase { VPOD_PENDING, VPOD_RUNNING, VPOD_ENDED };

struct vpod {
    uint64_t rv;
    uint32_t id;   /* its UID */
    uint32_t name; /* number in its name: several pods may have it, one at a time */
    uint32_t node; /* NO_NODE: not bound */
    uint32_t gang; /* 0: none */
    uint32_t gang_min;
    struct vroom asks;
    uint32_t port; /* of the host; 0: none */
    int32_t priority;
    uint8_t phase; /* enum vpod_phase */
    bool exists;
    bool is_ours; /* by its schedulerName */
    bool is_gated;
    bool is_terminating;
    bool is_target; /* condition DisruptionTarget */
    uint32_t nominated;
    uint32_t bound_by; /* number of the client that bound it, 0: not one of ours */
    sy_time_ns bound_at;
};

enum vkind { VKIND_PODS, VKIND_NODES, VKIND_NAMESPACES, VKIND_LEASES, VKIND_EMPTY };

/* An object as it was once. Shared by history and what is on its way; never changes. */
struct version {
    uint32_t refs;
    enum vkind kind;
    enum vevent_type {
        VEVENT_ADDED,
        VEVENT_MODIFIED,
        VEVENT_DELETED,
    } type;
    uint64_t rv;
    uint32_t at; /* pod id or node slot */
    union {
        struct vpod pod;
        struct vnode node;
    };
    char *text[2]; /* by enum sy_encoding; made when first asked for */
    size_t text_len[2];
};

/* Ways to break an invariant on purpose, to see that the checks find it. */
enum vlie {
    LIE_NONE,
    LIE_ROOM,       /* nodes are shown twice as large as they are */
    LIE_PORTS,      /* pods are shown without their host ports */
    LIE_NODES,      /* nodes are shown as ready and open */
    LIE_GANG,       /* gangs are shown without their minimum */
    LIE_OWNER,      /* other schedulers' pods on nodes are shown as ours, of low priority */
    LIE_HIDE_ADDED, /* what happens to some pods is shown to nobody, though they count as shown */
    LIE_HIDE_GONE,  /* some deletions, likewise */
    LIE_REFUSED,    /* some binds that are carried out are answered with 403 */
    LIE_BOUND,      /* some binds that are not carried out are answered with 201 */
    LIE_LEASE,      /* each client has a lease to itself */
    LIE_DEAF,       /* when the faults are over requests are refused for ever */
    LIES,
};

struct vapi;
/* Something changed: for those who watch. */
typedef void vapi_change_fn(void *arg, struct version *v);

struct vapi *vapi_new(vapi_change_fn *fn, void *arg);
void vapi_free(struct vapi *a);
void vapi_lie(struct vapi *a, enum vlie lie);
enum vlie vapi_lies(const struct vapi *a);

uint64_t vapi_rv(const struct vapi *a);
struct vnode *vapi_node(struct vapi *a, uint32_t slot);
/* By UID; pods that are gone stay. */
struct vpod *vapi_pod(struct vapi *a, uint32_t id);
uint32_t vapi_pods_len(const struct vapi *a);
/* Ids of those that exist, in no order. */
const uint32_t *vapi_pods_alive(const struct vapi *a, uint32_t *ret_len);
/* The client that wrote the lease's holder; 0: nobody holds it. */
uint32_t vapi_leader(const struct vapi *a);
bool vapi_had_leader(const struct vapi *a);
/* What the pods on a node ask for together; terminated ones do not count. */
struct vroom vapi_used(const struct vapi *a, uint32_t slot);
/* Whether the pod may be there, beside what is: room and port. */
bool vapi_has_room(const struct vapi *a, uint32_t slot, const struct vpod *p);
bool vroom_fits(struct vroom used, struct vroom asks, struct vroom room);
struct vroom vroom_add(struct vroom a, struct vroom b);
struct vroom vroom_less(struct vroom a, struct vroom b);

/* What people, controllers and kubelets do. */
uint32_t vapi_pod_create(struct vapi *a,
                         const struct vpod *pod); /* id, rv are given; returns the id */
void vapi_pod_changed(struct vapi *a, uint32_t id);
void vapi_pod_delete(struct vapi *a, uint32_t id); /* one on a node terminates first */
void vapi_pod_remove(struct vapi *a, uint32_t id);
void vapi_node_changed(struct vapi *a, uint32_t slot);
void vapi_node_create(struct vapi *a, uint32_t slot, struct vroom room);
void vapi_node_delete(struct vapi *a, uint32_t slot);
/* History before this version is forgotten. */
void vapi_compact(struct vapi *a, uint64_t rv);

struct vanswer {
    int status;
    const char *content_type;
    struct sy_buf body;
    uint32_t retry_after_s;
};
struct vrequest {
    const char *method;
    const char *path; /* with query */
    struct sy_str body;
    bool is_protobuf; /* the body */
    bool takes_protobuf;
    uint32_t client;
};
/* A unary request. */
void vapi_handle(struct vapi *a, const struct vrequest *rq, struct vanswer *ret);
void vanswer_status(struct vanswer *ret, int status, const char *reason, uint32_t retry_after_s);
/* What a path with /binding is about: the pod's UID and the node's slot out of the body; false when
 * that is not to be read. */
bool vapi_read_binding(const struct vapi *a, const struct vrequest *rq, uint32_t *ret_pod,
                       uint32_t *ret_node);

/* The pod that has the name in a path, or had it last; NO_POD. */
uint32_t vapi_pod_of_path(const struct vapi *a, const char *path);

/* One piece of a list or a watch. */
enum vmark { VMARK_NONE, VMARK_LIST_BEGIN, VMARK_LIST_END };
struct vmessage {
    struct version *version; /* a reference, or NULL */
    enum vmark mark;
    char *p; /* owned */
    size_t len;
};
typedef SY_VEC(struct vmessage) vmessages;
void vmessage_done(struct vmessage *m);
void version_unref(struct version *v);

enum vkind vapi_kind_of_path(const char *path);
const char *vapi_param(const char *path, const char *name, char *room, size_t size);
/* The body of a list. */
void vapi_list(struct vapi *a, enum vkind kind, enum sy_encoding enc, vmessages *ret);
/* The first part of a watch: initial events (with their bookmark) or what happened since rv.
 * Returns 0, or 410 when history does not reach back that far, or 504 when rv is not there yet. */
int vapi_watch(struct vapi *a, enum vkind kind, bool initial, uint64_t rv, enum sy_encoding enc,
               vmessages *ret);
void vapi_frame(struct vapi *a, struct version *v, enum sy_encoding enc, struct vmessage *ret);
void vapi_frame_bookmark(struct vapi *a, enum vkind kind, bool ends_initial, enum sy_encoding enc,
                         struct vmessage *ret);
void vapi_frame_error(int status, enum sy_encoding enc, struct vmessage *ret);
