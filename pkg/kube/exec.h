/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a kubeconfig's credential plugin: child process, its output, its answer. When to run it and
 * what becomes of the credential is auth's business. No shell is involved: the command is started
 * with posix_spawn, stdin is /dev/null, stderr is ours. Source: client-go
 * plugin/pkg/client/auth/exec, API group client.authentication.k8s.io. */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "kube/kubeconfig.h"

struct sy_exec_credential {
    char *token; /* NULL when absent, as the next two; at least one kind is there */
    char *cert_pem;
    char *key_pem;
    int64_t expires_wall_ns; /* 0: never */
};
/* Overwrites the secrets and frees. A zeroed struct is allowed. */
void sy_exec_credential_done(struct sy_exec_credential *c);

struct sy_exec_job;

/* Starts the plugin of config->exec. config is borrowed until the job is freed. ca_pem: for
 * provideClusterInfo, NULL allowed. timeout_ms: after it the plugin's process group is killed.
 * out: *ret, to be freed with sy_exec_free(). Errors carry the installHint. */
int sy_exec_start(const struct sy_kubeconfig *config, const char *ca_pem, uint32_t timeout_ms,
                  struct sy_exec_job **ret, struct sy_err *err) SY_NODISCARD;
/* Looks, without blocking, at how it goes: -EAGAIN while it runs; 0 with *ret filled once it has
 * answered well; else what failed (-ETIMEDOUT, -E2BIG over 1 MiB of output, -EBADMSG, -EIO). To be
 * called each 20 ms or so; not again after something other than -EAGAIN. */
int sy_exec_step(struct sy_exec_job *job, struct sy_exec_credential *ret,
                 struct sy_err *err) SY_NODISCARD;
/* Kills the plugin if it still runs. NULL allowed. */
void sy_exec_free(struct sy_exec_job *job);
/* Start and step until it ends. Blocks for up to timeout_ms. */
int sy_exec_run(const struct sy_kubeconfig *config, const char *ca_pem, uint32_t timeout_ms,
                struct sy_exec_credential *ret, struct sy_err *err) SY_NODISCARD;

/* The plugin's standard output to a credential. Any bytes are safe. */
int sy_exec_parse(const struct sy_exec_config *exec, struct sy_str output,
                  struct sy_exec_credential *ret, struct sy_err *err) SY_NODISCARD;
