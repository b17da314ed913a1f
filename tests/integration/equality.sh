#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# On one API server the same pods on the same nodes are scheduled by kube-scheduler and by steelyard
# with kube-scheduler's configuration. Each pod's node must be among those that tie for the best in
# the other's eyes, given the same state: kube-scheduler's placements are held against our core,
# ours against kube-scheduler's plugins. 300 pods on 60 nodes; 2,000 on 200 with FULL=1.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

nodes=60 count=300
if [[ -n ${FULL:-} ]]; then nodes=200 count=2000; fi
rival=''
# shellcheck disable=SC2154 # it is assigned in the trap itself
trap 'status=$?; [[ -z $rival ]] || kill "$rival" 2>/dev/null || true; finish "$status"' EXIT
# shellcheck disable=SC2046
${CC:-gcc} -std=gnu17 -D_GNU_SOURCE -O1 -g -pthread -I"$root/pkg" -o "$WORK/equality" \
    "$root/tests/integration/equality.c" "$root/build/release/libsteelyard.a" \
    $(pkg-config --libs json-c) -lm

start_cluster --nodes $((nodes / 2)) --zones 4 --node-cpu 16 --node-memory 64Gi --kube-scheduler=false
"$CLUSTER" nodes add --name "$cluster_name" --count $((nodes / 3)) --zones 3 --node-cpu 32 --node-memory 96Gi \
    --prefix fat- --node-label disk=ssd >/dev/null
"$CLUSTER" nodes add --name "$cluster_name" --count $((nodes - nodes / 2 - nodes / 3)) --zones 4 --node-cpu 24 \
    --prefix meh- --node-taint 'spot=yes:PreferNoSchedule' >/dev/null

# workload SCHEDULER: pods in the order of their names, of eight kinds.
workload() {
    local i spec
    for ((i = 0; i < count; i++)); do
        spec=''
        case $((i % 8)) in
        1) spec='nodeSelector: {disk: ssd},' ;;
        2) spec='tolerations: [{key: spot, operator: Exists}],' ;;
        3) spec="topologySpreadConstraints: [{maxSkew: 2, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {kind: k3}}}]," ;;
        4) spec="affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 50, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {kind: k4}}}}]}}," ;;
        5) spec="affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 30, preference: {matchExpressions: [{key: disk, operator: In, values: [ssd]}]}}]}}," ;;
        6) spec="affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 20, podAffinityTerm: {topologyKey: topology.kubernetes.io/zone, labelSelector: {matchLabels: {kind: k1}}}}]}}," ;;
        7) spec="topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {kind: k7}}}]," ;;
        esac
        printf -- '---\n{apiVersion: v1, kind: Pod, metadata: {name: p%05d, labels: {group: eq, kind: k%d}}, spec: {schedulerName: %s, %s containers: [{name: c, image: x, resources: {requests: {cpu: %dm, memory: %dMi}}}]}}\n' \
            "$i" $((i % 8)) "$1" "$spec" $((100 + i * 37 % 900)) $((64 + i * 53 % 1500))
    done
}
all_bound() { bound_is eq "$count"; }
# record FILE: nodes and pods, these in the order in which they were made and placed.
record() {
    "$kubectl" get nodes -o json >"$WORK/nodes.json"
    "$kubectl" get namespaces -o json >"$WORK/namespaces.json"
    "$kubectl" get pods -l group=eq -o json >"$WORK/pods.json"
    jq -c -n --slurpfile n "$WORK/nodes.json" --slurpfile s "$WORK/namespaces.json" --slurpfile p "$WORK/pods.json" \
        '{namespaces: $s[0].items, nodes: $n[0].items, pods: ($p[0].items | sort_by(.metadata.name))}' >"$1"
}
clear_pods() {
    # One request for all: pod by pod takes a minute.
    "$kubectl" delete --raw '/api/v1/namespaces/default/pods?labelSelector=group%3Deq&gracePeriodSeconds=0' >/dev/null
    within 60 bound_is eq 0
}
# Nobody may have been passed over: then the order of names is not that of placement.
none_failed() { [[ -z $("$kubectl" get events --field-selector reason=FailedScheduling -o name) ]]; }

# Pods come one after the other to a scheduler that waits for them, so it takes them in this order.
cat >"$WORK/kube.yaml" <<YAML
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: "$KUBECONFIG", qps: 500, burst: 1000}
leaderElection: {leaderElect: false}
percentageOfNodesToScore: 100
YAML
"$("$CLUSTER" path kube-scheduler)" --config "$WORK/kube.yaml" --secure-port=0 >"$WORK/kube-scheduler.log" 2>&1 </dev/null &
rival=$!
pods first 1 default-scheduler 10m | "$kubectl" create --validate=false -f - >/dev/null
check "kube-scheduler works" within 30 bound_is first 1
"$kubectl" delete pod first0 --force --grace-period=0 >/dev/null 2>&1
workload default-scheduler | "$kubectl" create --validate=false -f - >/dev/null
check "kube-scheduler binds $count pods" within $((60 + count / 10)) all_bound
check "at the first try" none_failed
record "$WORK/kube.json"
kill "$rival"
wait "$rival" 2>/dev/null || true
rival=''
check "our core finds each of its nodes among the best" "$WORK/equality" "$WORK/kube.json"

check "they go" clear_pods
cat >"$WORK/ours.yaml" <<YAML
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: steelyard
YAML
start_steelyard --kubeconfig "$KUBECONFIG" --config "$WORK/ours.yaml"
check "steelyard is ready" within 10 ready
workload steelyard | "$kubectl" create --validate=false -f - >/dev/null
check "steelyard binds $count pods" within $((60 + count / 10)) all_bound
check "at the first try, too" none_failed
record "$WORK/ours.json"
kill -TERM "$pid"
check "it ends" ends_with 0 10
check "kube-scheduler's plugins find each of our nodes among the best" \
    "$root/tests/oracle/oracle" replay "$WORK/ours.json"

# A test that finds nothing wrong must be able to: one pod moved to where it should not be.
jq -c '(.nodes | map(select(.metadata.labels.disk == null))[0].metadata.name) as $n |
       .pods[1].spec.nodeName = $n' "$WORK/ours.json" >"$WORK/wrong.json"
refuses() { ! "$@" >/dev/null 2>&1; }
check "our core notices a pod on a wrong node" refuses "$WORK/equality" "$WORK/wrong.json"
check "and so do kube-scheduler's plugins" refuses "$root/tests/oracle/oracle" replay "$WORK/wrong.json"
