/* SPDX-License-Identifier: Apache-2.0
 *
 * The books that the product is held against, and the invariants of DESIGN (ARCHITECTURE.md lists
 * them). They are kept from what crossed the network and what the virtual API server holds, never
 * from the scheduler's word: what a scheduler could have known (its view), which of its binds may
 * still land, and what it decided. */
#pragma once

#include "daemon.h"

enum rule {
    RULE_OVERCOMMIT, /* a bind over what the node has, by what the scheduler could know */
    RULE_BIND_ONCE,  /* a second bind of a UID while one may land or has landed */
    RULE_WHERE,      /* a bind of what is not to be bound, or to where nothing is to go */
    RULE_QUEUE,      /* a pending pod in no queue, or without a deadline */
    RULE_GANG,       /* the first bind of a gang without those of its minimum */
    RULE_LEADER,     /* a write by one that does not hold the lease */
    RULE_OWNER,      /* a pod of another scheduler is evicted */
    RULE_STATE,      /* the scheduler's state is not what it was shown */
    RULE_LIVENESS,   /* a schedulable pod is not bound though all faults are over */
    RULES,
};
const char *rule_name(enum rule rule);

struct books;

/* is_strict: nobody but schedulers puts pods on nodes, and nodes keep their size: then not even
 * what a scheduler cannot know may lead to more on a node than it has. */
struct books *books_new(struct vnet *net, bool is_strict);
void books_free(struct books *b);
/* The first thing that was wrong: its rule; RULES when nothing was. *ret_text: for people. */
enum rule books_verdict(const struct books *b, const char **ret_text);
void books_wrong(struct books *b, enum rule rule, const char *format, ...) SY_PRINTF(3, 4);

/* Around the life of a daemon. */
void books_open(struct books *b, struct daemon *d);
void books_close(struct books *b, struct daemon *d);

/* As in struct vnet_events and struct daemon_options. */
void books_seen(struct books *b, struct vclient *c, enum vkind kind, const struct vmessage *m);
void books_bind(struct books *b, struct vclient *c, uint32_t pod, uint32_t node, bool is_sent);
void books_write(struct books *b, struct vclient *c, const struct vrequest *rq);
void books_decision(struct books *b, struct daemon *d, const struct sy_decision *decision);
/* A pod has changed at the server. */
void books_changed(struct books *b, const struct version *v);
void books_turn(struct books *b, struct daemon *d);

/* When nothing has happened for long: the scheduler's state is the server's, and nothing that fits
 * somewhere waits. */
void books_check_settled(struct books *b, struct daemon *d);
/* Whether some pod of ours that is pending would fit by itself, or its gang with it. Its id or
 * NO_POD. */
uint32_t books_left_waiting(struct books *b);
uint64_t books_decisions(const struct books *b); /* to bind */
uint64_t books_evictions(const struct books *b);
