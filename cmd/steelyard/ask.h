/* SPDX-License-Identifier: Apache-2.0
 *
 * What subcommands that ask a running scheduler share: flags, finding it, credentials, errors. */
#pragma once

#include "base/buf.h"
#include "base/vec.h"

#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>

/* Flags that begin at this value are ask's own, beside -o; a command's own ones are below the
 * other. */
enum { ASK_FLAG_FIRST = 256, ASK_OWN_FLAGS = 'o' };

struct ask {
    const char *server; /* NULL: https://127.0.0.1:10270 */
    const char *kubeconfig;
    const char *context;
    const char *token;
    const char *ca_file;
    bool insecure;
    bool as_json; /* -o json */
};

/* For a table of flags: the rows, and what --help says of them. */
#define ASK_FLAGS                                                                                  \
    {"help", no_argument, NULL, 'h'}, {"output", required_argument, NULL, 'o'},                    \
        {"server", required_argument, NULL, ASK_FLAG_FIRST},                                       \
        {"kubeconfig", required_argument, NULL, ASK_FLAG_FIRST + 1},                               \
        {"context", required_argument, NULL, ASK_FLAG_FIRST + 2},                                  \
        {"token", required_argument, NULL, ASK_FLAG_FIRST + 3},                                    \
        {"certificate-authority", required_argument, NULL, ASK_FLAG_FIRST + 4},                    \
    {                                                                                              \
        "insecure-skip-tls-verify", no_argument, NULL, ASK_FLAG_FIRST + 5                          \
    }
#define ASK_USAGE                                                                                  \
    "  -o, --output json       the answer as it is, for programs\n"                                \
    "  --server URL            where the scheduler listens (https://127.0.0.1:10270; from afar\n"  \
    "                          `kubectl port-forward` brings it there)\n"                          \
    "  --kubeconfig FILE, --context NAME\n"                                                        \
    "                          whose token to show (else $KUBECONFIG, else ~/.kube/config)\n"      \
    "  --token TOKEN           this one, such as `kubectl create token NAME` prints\n"             \
    "  --certificate-authority FILE\n"                                                             \
    "                          what the scheduler's certificate is checked against\n"              \
    "  --insecure-skip-tls-verify\n"                                                               \
    "                          do not check it; on this machine it is checked only with a CA\n"

/* Takes all flags of a command whose own, if any, are of the kind that has a value: it is put into
 * own[val], with val below ASK_OWN_FLAGS; NULL where a command has none. Returns the exit status
 * when that was all (--help, or an error, which is printed), else -1. */
int ask_flags(struct ask *ask, int argc, char **argv, const struct option *flags,
              const char *command, const char *usage, const char **own);
/* Gets a path of the scheduler's API. out: *ret, an object, to be put by the caller; *body its
 * text, to be freed too. Prints what goes wrong, as "COMMAND: what". Returns the exit status. */
int ask_get(const struct ask *ask, const char *command, const char *path, struct sy_buf *body,
            struct json_object **ret);
/* Appends text to a path, percent-encoded. */
void ask_encode(struct sy_buf *path, const char *text);

/* Values of an answer; "" or 0 where there is none. Borrowed from it. */
const char *ask_text(struct json_object *o, const char *key);
double ask_number(struct json_object *o, const char *key);
struct json_object *ask_get_object(struct json_object *o, const char *key);
size_t ask_len(struct json_object *list);
