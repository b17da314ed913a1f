#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# steelyard run beside a real API server: pods are bound, events and conditions written, metrics
# true; it works alone as default-scheduler; SIGTERM drains.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 10 --kube-scheduler=false
start_steelyard --kubeconfig "$KUBECONFIG" --scheduler-name steelyard
check "ready within 5 s" within 5 ready
check "/livez" equal "$(get livez)" ok
check "/healthz" equal "$(get healthz)" ok
check "/readyz?verbose says each check" grep -q '^\[+\]pods-synced ok$' <(get 'readyz?verbose')

pods small 40 steelyard 1 | "$kubectl" create -f - >/dev/null
pods big 1 steelyard 1000 | "$kubectl" create -f - >/dev/null
pods other 1 default-scheduler 1 | "$kubectl" create -f - >/dev/null
check "40 pods are bound" within 15 bound_is small 40
check "a pod that fits nowhere waits" bound_is big 0
check "a pod of another scheduler is left alone" bound_is other 0
condition() {
    "$kubectl" get pod big0 -o jsonpath='{.status.conditions[?(@.type=="PodScheduled")].message}'
}
message='0/10 nodes are available: 10 Insufficient cpu.'
says() { [[ $(condition) == "$message"* ]]; }
check "its condition says why" within 5 says
events() {
    "$kubectl" get events --field-selector "reason=$1" -o jsonpath='{range .items[*]}{.involvedObject.name}{" "}{.reportingComponent}{"\n"}{end}'
}
has_events() { [[ $(events "$1" | grep -c ' steelyard$') == "$2" ]]; }
check "40 events Scheduled" within 5 has_events Scheduled 40
check "one event FailedScheduling" within 5 has_events FailedScheduling 1
check "attempts are counted" equal \
    "$(metric 'scheduler_schedule_attempts_total{profile="steelyard",result="scheduled"}')" 40
check "binds are counted" equal "$(metric 'steelyard_binds_total{outcome="ok"}')" 40
check "the unschedulable pod is counted" equal "$(metric 'scheduler_pending_pods{queue="unschedulable"}')" 1
check "utilization is that of the pods" equal "$(metric 'steelyard_utilization_ratio{resource="cpu"}')" 0.0625
check "no credential is in the log" bash -c "! grep -qiE 'bearer|BEGIN|eyJ' '$log'"

"$CLUSTER" nodes add --name "$cluster_name" --count 1 --node-cpu 2000 --prefix large- >/dev/null
check "a new node takes the waiting pod" within 10 bound_is big 1

# Drain: the signal comes while binds are in flight.
pods burst 250 steelyard 10m | "$kubectl" create -f - >/dev/null &
creating=$!
some_bound() { (($(metric 'steelyard_binds_total{outcome="ok"}') >= 60)); }
within 20 some_bound || not_ok "no binds were seen"
kill -TERM "$pid"
check "SIGTERM ends it with 0" ends_with 0 18
check "it says so" logged 'msg=stopped'
check "it waited for all binds" bash -c "! grep -q 'gave up' '$log'"
wait "$creating"

start_steelyard --kubeconfig "$KUBECONFIG" --scheduler-name steelyard --scheduler-name default-scheduler
check "the next run binds what is left" within 20 bound_is burst 250
check "and, named so, those of default-scheduler" within 5 bound_is other 1
overcommitted() {
    "$kubectl" get pods -o json | jq -r '.items[] | select(.status.reason != null) | .metadata.name'
}
check "no kubelet would refuse a pod" equal "$(overcommitted)" ''
kill -INT "$pid"
check "SIGINT ends it with 0" ends_with 0 18
