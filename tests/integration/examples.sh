#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The workloads of manifests/examples, as they are, on one real control plane under their one
# configuration: each goes where its file says, and what cannot waits and says why.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"
examples=$root/manifests/examples

start_cluster --nodes 6 --node-cpu 16 --node-memory 64Gi --zones 2 --kube-scheduler=false \
    --node-label example.com/pool=batch
# add PREFIX COUNT FLAGS...
add() {
    "$CLUSTER" nodes add --name "$cluster_name" --prefix "$1-" --count "$2" --zones 2 "${@:3}" \
        >/dev/null
}
gpu_taint=(--node-taint nvidia.com/gpu=present:NoSchedule)
add h100 8 --gpus 8 --gpu-models NVIDIA-H100-80GB-HBM3 "${gpu_taint[@]}"
add l40s 4 --gpus 4 --gpu-models NVIDIA-L40S "${gpu_taint[@]}"
add cert 6 --gpus 1 --gpu-models NVIDIA-L40S --node-label example.com/certified=asil-d \
    --node-taint example.com/certified=yes:NoSchedule
add edge 3 --node-cpu 8 --node-memory 32Gi --node-label example.com/tier=edge \
    --node-taint example.com/edge=yes:NoSchedule
add cloud 4 --node-cpu 32 --node-label example.com/tier=cloud

start_steelyard --kubeconfig "$KUBECONFIG" --config "$examples/steelyard.yaml"
check "ready" within 20 ready

# on NAMESPACE PREFIX: how many pods there are bound to nodes of that name.
on() {
    "$kubectl" -n "$1" get pods -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' |
        grep -c "^$2-" || true
}
on_is() { equal "$(on "$1" "$2")" "$3"; }
# hosts NAMESPACE: how many different nodes.
hosts() {
    "$kubectl" -n "$1" get pods -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' |
        sort -u | grep -c .
}
# zones NAMESPACE: pods in each zone, fewest first.
zones() {
    local node
    for node in $("$kubectl" -n "$1" get pods -o jsonpath='{.items[*].spec.nodeName}'); do
        "$kubectl" get node "$node" -o jsonpath='{.metadata.labels.topology\.kubernetes\.io/zone}{"\n"}'
    done | sort | uniq -c | awk '{ print $1 }' | sort -n | paste -sd' '
}
# waits NAMESPACE TEXT: some pod's condition says so.
waits() {
    "$kubectl" -n "$1" get pods -o json | jq -e --arg text "$2" '
        [.items[] | .status.conditions[]? | select(.type == "PodScheduled" and .status == "False")
         | .message | select(contains($text))] | length > 0' >/dev/null
}
apply() { "$kubectl" apply -f "$examples/$1.yaml" >/dev/null; }

apply training
check "training: all 8 workers run" within 60 on_is training h100 8
check "training: each has a node for itself" equal "$(hosts training)" 8

apply driving
check "driving: 6 replicas on certified nodes" within 60 on_is driving cert 6
check "driving: one a host" equal "$(hosts driving)" 6
check "driving: zones share them evenly" equal "$(zones driving)" "3 3"
"$kubectl" -n driving scale deployment perception --replicas 7 >/dev/null
check "driving: one more waits rather than go elsewhere" within 30 \
    waits driving "6 Insufficient nvidia.com/gpu"
check "driving: nothing ran elsewhere" on_is driving cert 6

apply edge-cloud
all_video() { (($(on edge edge) + $(on edge cloud) == 30)); }
check "edge-cloud: all 30 run" within 60 all_video
# The gate shuts above 80 % of 24 cores, and takes no pod more: 10 of 2 cores each.
check "edge-cloud: the edge took what its gate allows" on_is edge edge 10
check "edge-cloud: the cloud took the rest" on_is edge cloud 20

apply batch
check "batch: tasks run" within 30 eval '(($(on batch node) > 0))'
check "batch: others wait for the gate" within 30 waits batch "pool batch"
apply rendering
check "rendering: 12 sessions run meanwhile" within 60 on_is rendering l40s 12
check "rendering: zones share them evenly" equal "$(zones rendering)" "6 6"
completed() { [[ $("$kubectl" -n batch get job evaluate-logs -o jsonpath='{.status.succeeded}') == 200 ]]; }
check "batch: every task is done in the end" within 240 completed
