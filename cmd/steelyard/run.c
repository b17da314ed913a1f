/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "app/app.h"
#include "cmd.h"

static const char USAGE[] =
    "usage: steelyard run [FLAGS]\n"
    "\n"
    "Schedules the pods whose spec.schedulerName is ours. Flags win over the configuration file.\n"
    "\n"
    "  --kubeconfig FILE       how to reach the API server (else $KUBECONFIG, else the pod's\n"
    "                          service account, else ~/.kube/config)\n"
    "  --context NAME          context of the kubeconfig (its current one)\n"
    "  --config FILE           configuration file; `steelyard config print` shows one\n"
    "  --scheduler-name NAME   pods with this name are ours (steelyard); repeatable\n"
    "  --bind-address IP       of the HTTP endpoints (127.0.0.1)\n"
    "  --port N                of the HTTP endpoints (" SY_DEFAULT_PORT_TEXT
    "); 0: any free one; off: none\n"
    "  --qps N, --burst N      limit of requests a second (0: none) and how far it may be "
    "exceeded\n"
    "  --log-level LEVEL       debug, info, warn or error (info)\n"
    "  --log-format FORMAT     text or json (text)\n"
    "  --kube-api-json         do not use protobuf\n"
    "  --allow-core-dumps      else none is written, because memory holds credentials\n"
    "  --validate-only         check the configuration and the kubeconfig, then leave\n"
    "\n"
    "Signals: SIGTERM and SIGINT stop deciding, wait for binds in flight (15 s at most) and "
    "leave;\n"
    "a second one leaves at once. SIGHUP reads the configuration file again.\n"
    "\n"
    "Permissions that it needs, all cluster-wide, as manifests/rbac has them for each feature:\n"
    "  list, watch        nodes, pods, persistentvolumes, persistentvolumeclaims\n"
    "  list, watch        storageclasses, csinodes, csidrivers, csistoragecapacities,\n"
    "                     volumeattachments (storage.k8s.io)\n"
    "  list, watch        namespaces, services, replicationcontrollers; replicasets, statefulsets\n"
    "                     (apps); poddisruptionbudgets (policy)\n"
    "  list, watch        resourceslices, deviceclasses, resourceclaims, devicetaintrules\n"
    "                     (resource.k8s.io)\n"
    "  get                pods, when the outcome of a bind is not known\n"
    "  list, watch        podgroups, and patch podgroups/status (scheduling.k8s.io,\n"
    "                     scheduling.x-k8s.io, scheduling.volcano.sh, scheduling.run.ai), where "
    "they\n"
    "                     are\n"
    "  patch              persistentvolumes, persistentvolumeclaims\n"
    "  patch              resourceclaims, resourceclaims/status, resourceclaims/binding\n"
    "                     (resource.k8s.io)\n"
    "  create, delete     resourceclaims, for extended resources that device classes serve\n"
    "  create             pods/binding\n"
    "  patch              pods/status\n"
    "  delete             pods, for preemption, and by force on failed nodes\n"
    "  create             pods/eviction, of pods that opted in, on failed nodes\n"
    "  list, watch        leases in kube-node-lease\n"
    "  create, patch      events (events.k8s.io)\n"
    "  create, get, update, list, watch  its lease (coordination.k8s.io), and create events, in "
    "the\n"
    "                     lease's namespace, with leader election\n"
    "  create             tokenreviews (authentication.k8s.io) and subjectaccessreviews\n"
    "                     (authorization.k8s.io), for who may ask /steelyard/v1\n"
    "  list               nodes (metrics.k8s.io), nodemetrics (slo.koordinator.sh), where they "
    "are\n"
    "                     sources of load\n"
    "Nodes and pods it cannot do without. Of the others it watches what the profiles need, and "
    "where\n"
    "one is refused it says what is lost and goes on.\n"
    "\n"
    "Endpoints, http and https on one port: /livez, /readyz, /healthz (?verbose) and /metrics are\n"
    "open; /steelyard/v1/ takes bearer tokens whose user may get the path (nonResourceURLs).\n";

enum { OVERRIDES_MAX = 256, FLAG_CONFIG = 1, FLAG_CORES, FLAG_VALIDATE, FLAG_OVERRIDE };

/* Flags that only set an option, in the order of FLAGS from FLAG_OVERRIDE on. */
static const struct {
    const char *path;
    const char *flag;
} OVERRIDES[] = {
    {"clientConnection.kubeconfig", "--kubeconfig"},
    {"clientConnection.context", "--context"},
    {"schedulerNames", "--scheduler-name"},
    {"server.bindAddress", "--bind-address"},
    {"server.port", "--port"},
    {"clientConnection.qps", "--qps"},
    {"clientConnection.burst", "--burst"},
    {"logging.level", "--log-level"},
    {"logging.format", "--log-format"},
    {"clientConnection.acceptJSONOnly", "--kube-api-json"},
};

static const struct option FLAGS[] = {
    {"help", no_argument, NULL, 'h'},
    {"config", required_argument, NULL, FLAG_CONFIG},
    {"allow-core-dumps", no_argument, NULL, FLAG_CORES},
    {"validate-only", no_argument, NULL, FLAG_VALIDATE},
    {"kubeconfig", required_argument, NULL, FLAG_OVERRIDE},
    {"context", required_argument, NULL, FLAG_OVERRIDE + 1},
    {"scheduler-name", required_argument, NULL, FLAG_OVERRIDE + 2},
    {"bind-address", required_argument, NULL, FLAG_OVERRIDE + 3},
    {"port", required_argument, NULL, FLAG_OVERRIDE + 4},
    {"qps", required_argument, NULL, FLAG_OVERRIDE + 5},
    {"burst", required_argument, NULL, FLAG_OVERRIDE + 6},
    {"log-level", required_argument, NULL, FLAG_OVERRIDE + 7},
    {"log-format", required_argument, NULL, FLAG_OVERRIDE + 8},
    {"kube-api-json", no_argument, NULL, FLAG_OVERRIDE + 9},
    {0},
};

int cmd_run(int argc, char **argv)
{
    static struct sy_config_override overrides[OVERRIDES_MAX];
    struct sy_app_options options = {
        .source = {.overrides = overrides},
        .version = SY_VERSION,
        .compiler = cmd_compiler(),
    };
    bool validate_only = false;

    for (int c; (c = cmd_next_flag(argc, argv, FLAGS, "steelyard run")) != -1;) {
        switch (c) {
        case 'h':
            fputs(USAGE, stdout);
            return CMD_OK;
        case '?':
            return CMD_USAGE;
        case FLAG_CONFIG:
            options.source.file = optarg;
            break;
        case FLAG_CORES:
            options.allow_core_dumps = true;
            break;
        case FLAG_VALIDATE:
            validate_only = true;
            break;
        default:
            if (options.source.overrides_len == OVERRIDES_MAX)
                return cmd_usage_error("steelyard run", "more than %d flags", OVERRIDES_MAX);
            overrides[options.source.overrides_len++] = (struct sy_config_override){
                .path = OVERRIDES[c - FLAG_OVERRIDE].path,
                .text = optarg ? optarg : "true",
                .origin = OVERRIDES[c - FLAG_OVERRIDE].flag,
            };
        }
    }
    if (optind < argc)
        return cmd_usage_error("steelyard run", "unexpected argument \"%s\"", argv[optind]);
    return validate_only ? sy_app_validate(&options) : sy_app_run(&options);
}
