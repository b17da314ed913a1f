#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Gangs on a real API server: whole or not at all, told why not, in what time. Times are printed,
# not judged.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

gang_nodes=${GANG_NODES:-500}
gang_pods=${GANG_PODS:-512}

# gang NAME FROM TO MINIMUM GPUS: its pods, as one list.
gang() {
    local i
    echo 'apiVersion: v1'
    echo 'kind: List'
    echo 'items:'
    for ((i = $2; i < $3; i++)); do
        echo "- {apiVersion: v1, kind: Pod, metadata: {name: $1-$i, labels: {group: $1, steelyard.dev/pod-group: $1}, annotations: {steelyard.dev/min-member: \"$4\"}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: $5}}}]}}"
    done
}
put() { gang "$@" | "$kubectl" create -f - >/dev/null; }
# with_reason GANG REASON: how many members have that on their condition.
with_reason() {
    "$kubectl" get pods -l "group=$1" -o \
        jsonpath='{range .items[*]}{.status.conditions[?(@.type=="PodScheduled")].reason}{"\n"}{end}' |
        grep -cx "$2" || true
}
reason_is() { [[ $(with_reason "$1" "$2") == "$3" ]]; }
blocked() { "$kubectl" get events --field-selector reason=FailedScheduling -o jsonpath='{range .items[*]}{.message}{"\n"}{end}' | grep "gang default/$1: "; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }
drop() { "$kubectl" delete pods -l "group=$1" --force --grace-period=0 >/dev/null 2>&1; }

start_cluster --nodes 7 --gpus 8 --kube-scheduler=false
start_steelyard
within 20 ready

echo '# 64 GPUs'
put job 0 8 8 8
check "a job of 64 GPUs waits where there are 56" within 10 blocked job
check "and is told how many fit, and which member does not" \
    grep -q 'gang default/job: 7 of 8 members fit; member job-7: 0/7 nodes are available: 7 Insufficient nvidia.com/gpu' <(blocked job)
check "none of it is bound" bound_is job 0
check "members that would fit are not called unschedulable" within 5 reason_is job WaitingForGang 7
check "the one that lacks room is" reason_is job Unschedulable 1
put small 0 2 2 8
check "it holds nothing: a smaller job goes" within 10 bound_is small 2
drop small
"$CLUSTER" nodes add --name "$cluster_name" --count 1 --gpus 8 --prefix more- >/dev/null
check "with one more node all of it goes" within 30 bound_is job 8
drop job

echo '# members that come one by one'
put late 0 3 4 1
check "three of four wait" within 10 reason_is late WaitingForGang 3
check "for one more" says late-0 'waiting for 1 more members of gang default/late'
put late 3 4 4 1
check "and go when it is there" within 10 bound_is late 4
put late 4 6 4 1
check "more than the minimum follow singly" within 10 bound_is late 6
drop late

echo '# a restart'
put again 0 9 9 8
check "a gang without room waits" within 10 blocked again
kill -TERM "$pid"
check "steelyard ends" ends_with 0 20
start_steelyard
within 20 ready
"$CLUSTER" nodes add --name "$cluster_name" --count 1 --gpus 8 --prefix again- >/dev/null
check "and goes under the next scheduler" within 30 bound_is again 9
drop again

echo "# $gang_pods members on $gang_nodes nodes"
"$CLUSTER" nodes add --name "$cluster_name" --count $((gang_nodes - 9)) --gpus 8 --prefix big- >/dev/null
nodes_seen() { [[ $("$kubectl" get nodes --no-headers | wc -l) -ge $gang_nodes ]]; }
check "the nodes are there" within 60 nodes_seen
gang never 0 "$gang_pods" "$gang_pods" 8 | "$kubectl" create -f - >/dev/null
began=$(now)
check "a gang that cannot fit is told" within 30 blocked never
echo "  told after $(since "$began") s from the last member on: $(blocked never | head -n 1 | cut -c1-160)"
check "none of it is bound" bound_is never 0
drop never
put big 0 "$((gang_pods - 1))" "$gang_pods" 1
began=$(now)
put big "$((gang_pods - 1))" "$gang_pods" "$gang_pods" 1
check "a gang that fits is bound whole" within 60 bound_is big "$gang_pods"
echo "  all bound $(since "$began") s after the last member came, kubectl's own time included"
