/* SPDX-License-Identifier: Apache-2.0
 *
 * steelyard snapshot: what scheduling looks at of a cluster, in one file. Lists alone, one page
 * after another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd.h"
#include "kube/client.h"
#include "kube/json.h"
#include "runs.h"
#include "snapshot/redact.h"
#include "snapshot/snapshot.h"

enum {
    FLAG_KUBECONFIG = 1,
    FLAG_CONTEXT,
    DEPTH = 64,
    PATH_MAX_BYTES = 8192,
    STATUS_FORBIDDEN = 403
};
#define SNAPSHOT_MAX_BYTES ((size_t)4 << 30)

static const char COMMAND[] = "steelyard snapshot";
static const char USAGE[] =
    "usage: steelyard snapshot [FLAGS]\n"
    "\n"
    "Writes what scheduling looks at of a cluster to one file, for `steelyard replay`, `whatif`\n"
    "and `simulate`. Environment, arguments, secrets and all else is left out; names stay.\n"
    "\n"
    "  -o, --output FILE       where to (else standard output)\n"
    "  --kubeconfig FILE, --context NAME\n"
    "                          which cluster (else $KUBECONFIG, else ~/.kube/config); the user\n"
    "                          needs `list` on what is written, and what it may not list is left\n"
    "                          out, but for nodes and pods\n";

static const struct {
    const char *path; /* of a list of all namespaces */
    bool is_needed;
} LISTS[] = {
    {"/api/v1/nodes?", true},
    {"/api/v1/pods?fieldSelector=status.phase!%3DSucceeded,status.phase!%3DFailed&", true},
    {"/apis/scheduling.k8s.io/v1/priorityclasses?", false},
    {"/apis/policy/v1/poddisruptionbudgets?", false},
    {"/api/v1/namespaces?", false},
    {"/api/v1/services?", false},
    {"/api/v1/replicationcontrollers?", false},
    {"/apis/apps/v1/replicasets?", false},
    {"/apis/apps/v1/statefulsets?", false},
    {"/api/v1/persistentvolumes?", false},
    {"/api/v1/persistentvolumeclaims?", false},
    {"/apis/storage.k8s.io/v1/storageclasses?", false},
    {"/apis/storage.k8s.io/v1/csinodes?", false},
    {"/apis/storage.k8s.io/v1/csidrivers?", false},
    {"/apis/storage.k8s.io/v1/csistoragecapacities?", false},
    {"/apis/resource.k8s.io/v1/deviceclasses?", false},
    {"/apis/resource.k8s.io/v1/resourceclaims?", false},
    {"/apis/resource.k8s.io/v1/resourceslices?", false},
    {"/apis/scheduling.x-k8s.io/v1alpha1/podgroups?", false},
    {"/apis/scheduling.volcano.sh/v1beta1/podgroups?", false},
    {"/apis/scheduling.run.ai/v2alpha2/podgroups?", false},
};

struct taking {
    struct sy_loop *loop;
    struct sy_kube *kube;
    struct sy_buf out;
    size_t at;  /* in LISTS */
    char *more; /* where its next page begins; NULL: at the first */
    uint64_t objects;
    int code;
    struct sy_err err;
};

static void on_page(void *arg, const struct sy_kube_result *result);

static void fail(struct taking *t, int code)
{
    t->code = code;
    sy_loop_stop(t->loop);
}

static void ask_page(struct taking *t)
{
    struct sy_buf path;
    sy_http_id id;

    sy_buf_init(&path, PATH_MAX_BYTES);
    sy_buf_addf(&path, "%slimit=500", LISTS[t->at].path);
    if (t->more) {
        sy_buf_adds(&path, "&continue=");
        for (const char *p = t->more; *p; p++)
            sy_buf_addf(&path, "%%%02X", (unsigned char)*p);
    }
    int r = path.failed ? sy_err_set(&t->err, -E2BIG, "the server's continue token is too long")
                        : sy_kube_send(t->kube,
                                       &(struct sy_kube_call){.method = "GET",
                                                              .path = path.p,
                                                              .retry = SY_RETRY_SAFE,
                                                              .on_done = on_page,
                                                              .arg = t},
                                       &id, &t->err);
    sy_buf_done(&path);
    if (r)
        fail(t, r);
}

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;

    return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) &&
                   json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : "";
}

/* Items of a list say neither kind nor apiVersion: the list does. */
static void add_items(struct taking *t, struct json_object *list)
{
    const char *kind = text_of(list, "kind");
    struct json_object *items = NULL;
    size_t len = strlen(kind);
    char name[128];

    if (!json_object_object_get_ex(list, "items", &items) ||
        !json_object_is_type(items, json_type_array))
        return;
    snprintf(name, sizeof(name), "%.*s",
             len > 4 && strcmp(kind + len - 4, "List") == 0 ? (int)len - 4 : (int)len, kind);
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        struct json_object *o = json_object_array_get_idx(items, i);
        if (!json_object_is_type(o, json_type_object))
            continue;
        json_object_object_add(o, "kind", json_object_new_string(name));
        json_object_object_add(o, "apiVersion",
                               json_object_new_string(text_of(list, "apiVersion")));
        sy_redact(o, name);
        sy_buf_adds(&t->out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        sy_buf_addc(&t->out, '\n');
        t->objects++;
    }
}

/* Takes a page over; *ret_more tells whether the list goes on. */
static int take_page(struct taking *t, struct sy_str body)
{
    struct json_object *list = sy_json_read(body, DEPTH, INT32_MAX - 1), *metadata = NULL;

    if (!list)
        return sy_err_set(&t->err, -EINVAL, "%s: the answer is no JSON object", LISTS[t->at].path);
    add_items(t, list);
    free(t->more);
    t->more = NULL;
    if (json_object_object_get_ex(list, "metadata", &metadata) && *text_of(metadata, "continue"))
        t->more = sy_xstrdup(text_of(metadata, "continue"));
    json_object_put(list);
    return t->out.failed ? sy_err_set(&t->err, -E2BIG, "the snapshot is too large") : 0;
}

static void on_page(void *arg, const struct sy_kube_result *result)
{
    struct taking *t = arg;
    bool is_absent = result->code == -ENOENT;
    int r = 0;

    if (!result->code) {
        r = take_page(t, result->body);
    } else if (LISTS[t->at].is_needed || !(is_absent || result->http_status == STATUS_FORBIDDEN)) {
        t->err = *result->err;
        r = sy_err_wrap(&t->err, result->code, "list %.*s", (int)strcspn(LISTS[t->at].path, "?"),
                        LISTS[t->at].path);
    } else if (!is_absent) {
        fprintf(stderr, "%s: left out: %s\n", COMMAND, sy_err_text(result->err, result->code));
    }
    if (r) {
        fail(t, r);
        return;
    }
    if (!t->more && ++t->at == SY_ARRAY_LEN(LISTS))
        sy_loop_stop(t->loop);
    else
        ask_page(t);
}

static int take(struct taking *t, const char *kubeconfig, const char *context)
{
    struct sy_kubeconfig config = {0};
    struct sy_kube_options options = {.user_agent = "steelyard/" SY_VERSION, .force_json = true};
    char now[SY_RFC3339_MAX];

    int r = sy_kubeconfig_load(kubeconfig, context, &config, &t->err);
    if (!r)
        r = sy_loop_new(&t->loop, &t->err);
    if (!r)
        r = sy_kube_new(t->loop, &config, &options, &t->kube, &t->err);
    sy_kubeconfig_done(&config);
    if (r)
        return r;
    sy_rfc3339_format(sy_clock_wall_ns(), 0, now);
    sy_buf_addf(&t->out,
                "{\"apiVersion\":\"" SY_SNAPSHOT_API
                "\",\"kind\":\"Snapshot\",\"metadata\":{\"creationTimestamp\":\"%s\"}}\n",
                now);
    ask_page(t);
    r = sy_loop_run(t->loop, &t->err);
    sy_buf_addf(&t->out,
                "{\"apiVersion\":\"" SY_SNAPSHOT_API
                "\",\"kind\":\"SnapshotEnd\",\"objects\":%llu}\n",
                (unsigned long long)t->objects);
    return t->code ? t->code : r;
}

int cmd_snapshot(int argc, char **argv)
{
    static const struct option FLAGS[] = {{"help", no_argument, NULL, 'h'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"kubeconfig", required_argument, NULL, FLAG_KUBECONFIG},
                                          {"context", required_argument, NULL, FLAG_CONTEXT},
                                          {0}};
    const char *output = NULL, *kubeconfig = NULL, *context = NULL;
    struct taking t = {0};
    int status = CMD_FAILED;

    for (int c; (c = cmd_next_flag(argc, argv, FLAGS, COMMAND)) != -1;) {
        if (c == 'h') {
            fputs(USAGE, stdout);
            return CMD_OK;
        }
        if (c == '?')
            return CMD_USAGE;
        *(c == 'o' ? &output : c == FLAG_CONTEXT ? &context : &kubeconfig) = optarg;
    }
    if (optind != argc)
        return cmd_usage_error(COMMAND, "there is no \"%s\" to it", argv[optind]);
    sy_buf_init(&t.out, SNAPSHOT_MAX_BYTES);
    int r = take(&t, kubeconfig, context);
    if (r)
        fprintf(stderr, "%s: %s\n", COMMAND, sy_err_text(&t.err, r));
    else
        status = output ? cmd_put_file(&t.out, output, COMMAND) : cmd_put(&t.out, stdout);
    sy_kube_free(t.kube);
    if (t.loop)
        sy_loop_free(t.loop);
    sy_buf_done(&t.out);
    free(t.more);
    return status;
}
