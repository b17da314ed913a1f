/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes sure that watches are no older than a moment: one consistent read of each resource (a LIST
 * of one object, which etcd answers for) says how far it was then, and its watch is waited for
 * until it has come that far, by a change or a bookmark. No list is read in full. What a new leader
 * does before its first decision. Loop thread only. */
#pragma once

#include "kube/client.h"
#include "kube/reflector.h"

struct sy_catch_up;

/* on_progress: a watch has caught up. Free with sy_catch_up_free(), before the client and the
 * reflectors. */
struct sy_catch_up *sy_catch_up_new(struct sy_kube *k, void (*on_progress)(void *arg), void *arg);
void sy_catch_up_free(struct sy_catch_up *c); /* NULL allowed */

/* Adds one watch. path, query: as the reflector's; borrowed. at_least: the resourceVersion to wait
 * for, copied; NULL: the server is asked, again and again until it answers. A resource that it
 * refuses to give or does not have counts as caught up; so do versions that are no numbers, which
 * cannot be compared. */
void sy_catch_up_add(struct sy_catch_up *c, struct sy_reflector *r, const char *path,
                     const char *query, const char *at_least);
/* The path of a watch that has not come so far yet; NULL: none, all that were added have. */
const char *sy_catch_up_waits_for(const struct sy_catch_up *c);
