/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask the program's own API: the API server says whose token it is (TokenReview) and
 * whether that user may get the path (SubjectAccessReview with nonResourceAttributes), as for
 * kube-scheduler. Nothing but its definite "yes" lets anybody in. Answers are kept for seconds,
 * under a keyed hash of token and path; tokens are neither kept nor logged. */
#pragma once

#include "kube/client.h"
#include "serve/api.h"

struct sy_access;

enum {
    SY_ACCESS_KEPT_MAX = 256,     /* answers; the oldest gives way */
    SY_ACCESS_UNDER_WAY_MAX = 32, /* further ones are told to come again (429) */
    SY_ACCESS_GOOD_S = 10,        /* how long a yes holds */
    SY_ACCESS_BAD_S = 2,          /* how long a no does */
    SY_ACCESS_TIMEOUT_MS = 4000,  /* for each of the two reviews */
};

struct sy_access_figures {
    uint64_t allowed, denied, unauthenticated, failed; /* answers given */
    uint64_t from_memory;                              /* of those, without asking */
};

/* kube: borrowed, must outlive it. Loop thread. */
struct sy_access *sy_access_new(struct sy_kube *kube);
/* Whoever still waits is told no (503). NULL allowed. */
void sy_access_free(struct sy_access *a);
/* A sy_gate_fn; arg is the sy_access. Statuses: 200; 401 no such token; 403 not allowed; 429 too
 * many checks under way; 503 the API server did not say. */
void sy_access_check(void *arg, const char *token, const char *path, sy_gate_done_fn *done,
                     void *done_arg);
/* Counts since the start; borrowed from a. */
const struct sy_access_figures *sy_access_figures(const struct sy_access *a);
