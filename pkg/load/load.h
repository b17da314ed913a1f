/* SPDX-License-Identifier: Apache-2.0
 *
 * The feed of measured load: asks each source at its interval and hands on what it gives, sample by
 * sample. Sources do not touch each other, nor do the metrics of one source. A source that is down
 * is asked less and less often; what it gave before is left to fade. Nothing is decided here. Loop
 * thread. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "kube/client.h"
#include "load/join.h"
#include "model/load.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum sy_load_type {
    SY_LOAD_METRICS_API, /* metrics.k8s.io/v1beta1: cpu, memory */
    SY_LOAD_PROMETHEUS,  /* queries */
    SY_LOAD_NODEMETRIC,  /* slo.koordinator.sh/v1alpha1: cpu, memory, gpu, gpu memory */
};

enum sy_load_unit {
    SY_LOAD_SHARE,   /* 1 is all that the node has */
    SY_LOAD_PERCENT, /* 100 is */
    SY_LOAD_AMOUNT,  /* cores, bytes, GPUs, bytes a second */
};

/* Beside the metrics, Prometheus is asked for the last XID error of each node's GPUs. */
enum { SY_LOAD_XID = SY_LOAD_METRICS, SY_LOAD_QUERIES };

struct sy_load_query {
    bool is_off;
    const char *promql; /* NULL: the default one, with its time, unit and window */
    /* Gives for each node when its value was measured, in seconds since 1970 on the server's clock;
     * NULL: timestamp(promql), which says that for a plain selector only. */
    const char *time_promql;
    enum sy_load_unit unit;
    int64_t window_ns;      /* the value is the mean over this; 0: not known */
    const char *join_label; /* NULL: the source's, or the default query's */
    enum sy_load_join_by join_by;
};

struct sy_load_source {
    const char *name; /* for logs and metrics; unique */
    enum sy_load_type type;
    int64_t interval_ns;
    int64_t timeout_ns;
    /* The rest is for Prometheus. "$joinLabel" in a query stands for the label. */
    const char *url;               /* "http://host:9090/prefix" */
    const char *bearer_token_file; /* NULL: none; read for each request */
    const char *ca_file;           /* NULL: the system's bundle */
    const char *join_label;        /* whose value says which node a series is of; NULL: as the
                                    * default queries have it */
    enum sy_load_join_by join_by;
    struct sy_load_query queries[SY_LOAD_QUERIES];
};

/* What became of a sample: enum sy_load_result, or one of these, which never got that far. */
enum sy_load_outcome {
    SY_LOAD_MALFORMED = SY_LOAD_RESULTS, /* not a number at all, or no time */
    SY_LOAD_DUPLICATE,                   /* series of one node that differ */
    SY_LOAD_DOUBTED,                     /* an old "idle" of GPUs whose memory is in use */
    SY_LOAD_SUPERSEDED,                  /* young, but a newer one is held; nothing is wrong */
    SY_LOAD_PARTIAL,                     /* not a sample: an answer with a warning */
    SY_LOAD_OUTCOMES,
};

struct sy_load_feed;

struct sy_load_options {
    struct sy_loop *loop;                 /* borrowed */
    struct sy_kube *kube;                 /* borrowed; NULL when no source needs it */
    const struct sy_load_source *sources; /* copied */
    uint32_t sources_len;
    uint64_t seed; /* of the jitter */
    enum sy_load_result (*on_sample)(void *arg, struct sy_str node,
                                     const struct sy_load_sample *sample);
    /* Some samples were handed on. */
    void (*on_samples)(void *arg);
    /* what: "cpu", or "nodes" where one answer has all. err: why it failed the first time; NULL: it
     * works again. */
    void (*on_state)(void *arg, const char *source, const char *what, const struct sy_err *err,
                     int64_t retry_in_ns);
    /* Some values of an answer were not taken, for the first time since none of the kind was left
     * out. outcome: enum sy_load_result or enum sy_load_outcome. example: a node, or what says
     * more. */
    void (*on_left_out)(void *arg, const char *source, const char *what, int outcome,
                        uint64_t count, const char *example);
    void *arg;
};

/* Reads the CA files. out: *ret, asks nobody until sy_load_feed_start(). Free with
 * sy_load_feed_free() before the client and the loop. errors: -EINVAL, -ENOENT and the like of a
 * file, those of sy_http_new(). */
int sy_load_feed_new(const struct sy_load_options *options, struct sy_load_feed **ret,
                     struct sy_err *err) SY_NODISCARD;
void sy_load_feed_free(struct sy_load_feed *f); /* NULL allowed */
/* Asks every source from now on, the first time within its interval. */
void sy_load_feed_start(struct sy_load_feed *f);
/* Where to tell the nodes' addresses; NULL when no source joins by them. */
struct sy_load_join *sy_load_feed_join(struct sy_load_feed *f);

struct sy_load_figures {
    const char *name; /* borrowed from the feed */
    bool is_up;       /* the last answer to each question was good */
    bool has_xid;
    uint32_t xid_nodes; /* whose GPUs have reported an XID error */
    uint64_t answers, failures;
    uint64_t outcomes[SY_LOAD_OUTCOMES];
    bool has[SY_LOAD_METRICS];         /* asked for it, and got some sample */
    sy_time_ns at_ns[SY_LOAD_METRICS]; /* of the newest sample */
};
/* How many sources there are; one of them by index, *ret being its counts since the start and its
 * state of now. */
uint32_t sy_load_feed_len(const struct sy_load_feed *f);
void sy_load_feed_figures(const struct sy_load_feed *f, uint32_t source,
                          struct sy_load_figures *ret);

/* The core's time of a moment of wall time. What lies ahead by no more than a window is now: clocks
 * differ. */
sy_time_ns sy_load_core_time(int64_t wall_ns, int64_t wall_now_ns, sy_time_ns now,
                             int64_t window_ns);
