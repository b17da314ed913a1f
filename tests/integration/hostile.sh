#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Pods that were made to cost much, each about as large as the API server takes: of the highest
# priority and first in the queue, they keep ordinary pods from nothing, and it is said of them why
# they wait.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 300 --kube-scheduler=false
"$kubectl" create -f - >/dev/null <<'YAML'
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000}
YAML

# hostile NAME FIELDS: a jq object that is merged into the pod.
hostile() {
    jq -nc --arg name "$1" '
        {apiVersion: "v1", kind: "Pod", metadata: {name: $name, labels: {group: "hostile"}},
         spec: {schedulerName: "steelyard", priorityClassName: "high",
                containers: [{name: "c", image: "x"}]}} * ('"$2"')'
}
terms='[range(8000) | {topologyKey: "kubernetes.io/hostname", labelSelector: {matchLabels: {app: "x\(.)"}}}]'
deep='{matchExpressions: [range(15000) | {key: "app", operator: "In", values: ["x\(.)"]}]}'
make_them() {
    local i
    for i in 1 2; do
        hostile "affinity$i" '{spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: '"$terms"'}}}}'
        hostile "apart$i" '{spec: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: '"$terms"'}}}}'
        hostile "liked$i" '{spec: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: ('"$terms"' | map({weight: 1, podAffinityTerm: .}))}}}}'
        hostile "spread$i" '{spec: {topologySpreadConstraints: [range(8000) | {maxSkew: 1, topologyKey: "k\(.)", whenUnsatisfiable: "DoNotSchedule", labelSelector: {matchLabels: {app: "x"}}}]}}'
        hostile "deep$i" '{spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: "kubernetes.io/hostname", labelSelector: '"$deep"'}]}}}}'
        hostile "nodes$i" '{spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [range(8000) | {matchExpressions: [{key: "a", operator: "In", values: ["\(.)"]}]}]}}}}}'
        hostile "labels$i" '{metadata: {labels: ([range(20000) | {key: "l\(.)", value: "x"}] | from_entries)}}'
        hostile "tolerant$i" '{spec: {tolerations: [range(10000) | {key: "k\(.)", operator: "Exists"}]}}'
        hostile "many$i" '{spec: {containers: [range(5000) | {name: "c\(.)", image: "x", resources: {requests: {cpu: "1m"}}}]}}'
        hostile "kinds$i" '{spec: {containers: [{name: "c", image: "x", resources: {limits: ([range(10000) | {key: "example.com/r\(.)", value: "1"}] | from_entries)}}]}}'
        hostile "disks$i" '{spec: {volumes: [range(8000) | {name: "v\(.)", persistentVolumeClaim: {claimName: "c\(.)"}}]}}'
    done
}
make_them >"$WORK/hostile.jsonl"
refused=0
while IFS= read -r pod; do
    "$kubectl" create --validate=false -f - <<<"$pod" >/dev/null 2>"$WORK/refusal" && continue
    refused=$((refused + 1))
    echo "# the API server refuses $(jq -r .metadata.name <<<"$pod"): $(cut -c1-150 "$WORK/refusal" | head -n 1)"
done <"$WORK/hostile.jsonl"
count=$("$kubectl" get pods -l group=hostile -o name | wc -l)
check "the API server takes most of them ($count of $((count + refused)))" test "$count" -ge 16

# All are there before the scheduler begins.
start_steelyard --kubeconfig "$KUBECONFIG"
check "it is ready" within 60 ready
pods plain 60 steelyard 100m | "$kubectl" create --validate=false -f - >/dev/null
check "ordinary pods are bound beside them" within 30 bound_is plain 60
check "what would take too long says so" within 30 says affinity1 \
    'terms of affinity, spread and the like, too many to look at in a cluster of this size'
said() { [[ -n $(message_of deep1) ]]; }
check "a deep selector is told too why it waits" within 60 said
counted() { (($(metric "steelyard_costly_pods_total{outcome=\"$1\"}") >= $2)); }
check "it is counted" within 10 counted refused 2
# They come back for as long as they are there; a node that changes must not wake them all.
"$kubectl" label nodes --all touched=yes >/dev/null
pods later 60 steelyard 100m | "$kubectl" create --validate=false -f - >/dev/null
check "more are bound after all nodes have changed" within 30 bound_is later 60
check "it lives" equal "$(get livez)" ok
"$kubectl" delete pods -l group=hostile --grace-period=0 --force >/dev/null 2>&1
none_left() { [[ $(metric 'scheduler_pending_pods{queue="backoff"}') == 0 && $(metric 'scheduler_pending_pods{queue="unschedulable"}') == 0 ]]; }
check "nothing of them is left" within 20 none_left
kill -TERM "$pid"
check "an orderly end" ends_with 0 15
