/* SPDX-License-Identifier: Apache-2.0
 *
 * The virtual network: stands in for net/http.c. Every request crosses it to the virtual API server
 * and its answer back, late, in pieces or not at all, as the faults in force and the seed say. Each
 * incarnation of a scheduler is a client of its own. */
#pragma once

#include "base/rng.h"
#include "net/http.h"
#include "vapi.h"

/* Chances in a thousand, of each request or event. */
struct vfaults {
    uint32_t refused;                   /* the connection is; the request never left */
    uint32_t lost_before;               /* reset, and the server never saw it */
    uint32_t lost_after;                /* reset, after the server carried it out */
    uint32_t swallowed;                 /* no answer ever; the server never saw it */
    uint32_t mute;                      /* no answer ever, after the server carried it out */
    uint32_t error_before, error_after; /* 500 or 504 */
    uint32_t throttled;                 /* 429 with Retry-After */
    uint32_t unauthorized, forbidden;   /* 401, 403 */
    uint32_t slow;                      /* carried out seconds later */
    uint32_t slow_list;                 /* a list or initial state comes in drops */
    uint32_t duplicated;                /* a watch event comes twice */
    uint32_t cut;                       /* a watch ends at this event, which is lost */
    uint32_t lagging;                   /* a watch event, and so what follows it, is seconds late */
};

/* What becomes of one request. */
enum vfate {
    FATE_FAIR,
    FATE_REFUSED,
    FATE_LOST_BEFORE,
    FATE_LOST_AFTER,
    FATE_SWALLOWED,
    FATE_MUTE,
    FATE_ERROR_BEFORE, /* 500 */
    FATE_ERROR_AFTER,
    FATE_THROTTLED, /* 429 */
    FATE_UNAUTHORIZED,
    FATE_FORBIDDEN,
};

/* Lives as long as the network: what it has sent may outlive it. */
struct vclient {
    uint32_t number; /* from 1 */
    struct sy_loop *loop;
    void *arg;             /* the owner's */
    sy_time_ns deaf_until; /* its requests reach the server, nothing comes back */
    sy_time_ns mute_until; /* nothing of it reaches the server */
};

struct vnet;

struct vnet_events {
    /* A piece of a stream has been taken by the client. */
    void (*on_seen)(void *arg, struct vclient *c, enum vkind kind, const struct vmessage *m);
    /* A request to bind is on its way, or can land no more. node: NODES_MAX when unreadable. */
    void (*on_bind)(void *arg, struct vclient *c, uint32_t pod, uint32_t node, bool is_sent);
    /* Before the server carries out a request. */
    void (*on_write)(void *arg, struct vclient *c, const struct vrequest *rq);
    /* Something has changed there. */
    void (*on_change)(void *arg, const struct version *v);
    void *arg;
};

struct vnet *vnet_new(uint64_t seed, const struct vnet_events *events);
void vnet_free(struct vnet *n);
struct vapi *vnet_api(struct vnet *n);
struct vfaults *vnet_faults(struct vnet *n);
/* The next HTTP client made is of this one. arg: its owner. */
struct vclient *vnet_client_new(struct vnet *n, uint32_t number, void *arg);
/* It is about to be freed, as if killed: what it has sent is carried out at once or never, or, when
 * it may be late, as it would have been. */
void vnet_kill(struct vnet *n, struct vclient *c, bool may_be_late);
/* Down: connections are refused, and what was under way is lost. */
void vnet_set_down(struct vnet *n, bool is_down);
/* Breaks about `chance` in a thousand watches. */
void vnet_cut_watches(struct vnet *n, uint32_t chance);
/* About `chance` in a thousand watches fall silent and stay so, though they are not closed. */
void vnet_silence_watches(struct vnet *n, uint32_t chance);
/* The next `count` requests of this method whose path holds `part` fare so, and reach the server
 * after_ns later. Both borrowed. */
void vnet_plan(struct vnet *n, const char *method, const char *part, enum vfate fate,
               uint32_t count, int64_t after_ns);
/* What watches of a kind tell from now on comes so much later. */
void vnet_lag(struct vnet *n, enum vkind kind, int64_t by_ns);
uint32_t vnet_requests(const struct vnet *n);
