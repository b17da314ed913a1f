#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Queues that share the cluster, on a real API server: weights, limits, what is guaranteed and comes
# back, a reload, and what `steelyard queue`, the API and the metrics say of it.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

# put NAMESPACE NAME COUNT GPUS
put() {
    local i
    {
        echo '{"apiVersion": "v1", "kind": "List", "items": ['
        for ((i = 0; i < $3; i++)); do
            echo "$([[ $i == 0 ]] || echo ,){\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"$2-$i\", \"namespace\": \"$1\"}, \"spec\": {\"schedulerName\": \"steelyard\", \"containers\": [{\"name\": \"c\", \"image\": \"x\", \"resources\": {\"limits\": {\"nvidia.com/gpu\": $4}}}]}}"
        done
        echo ']}'
    } | "$kubectl" create -f - >/dev/null
}
# placed NAMESPACE: how many of its pods have a node and stay.
placed() {
    "$kubectl" -n "$1" get pods -o json |
        jq '[.items[] | select(.spec.nodeName and (.metadata.deletionTimestamp | not))] | length'
}
placed_is() { equal "$(placed "$1")" "$2"; }
reasons() { "$kubectl" -n "$1" get pods -o json | jq -r '.items[].status.conditions[]? | select(.type == "PodScheduled" and .status == "False") | .reason'; }
reason_is() { equal "$(reasons "$1" | grep -cx "$2")" "$3"; }
queues() { "$STEELYARD" queue --server "http://127.0.0.1:$port" --token "$token" "$@"; }
# amount QUEUE KEY: of GPUs, as the API says.
amount() { queues -o json | jq --arg q "$1" --arg k "$2" '.queues[] | select(.name == $q).resources[] | select(.resource == "nvidia.com/gpu")[$k]'; }
amount_is() { equal "$(amount "$1" "$2")" "$3"; }
told() { [[ $("$kubectl" get events -A -o jsonpath='{.items[*].reason}') == *Preempted* ]]; }
drop() { "$kubectl" -n "$1" delete pods --all --force --grace-period=0 >/dev/null 2>&1; }
configure() { # LIMIT of queue small
    cat >"$WORK/config.yaml" <<YAML
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
queues:
- name: dept
- {name: one, parent: dept, namespaces: [one], weight: 1}
- {name: three, parent: dept, namespaces: [three], weight: 3}
- name: owner
  namespaces: [owner]
  resources: [{name: nvidia.com/gpu, guaranteed: 8}]
- name: small
  namespaces: [small]
  resources: [{name: nvidia.com/gpu, limit: $1}]
YAML
}

start_cluster --nodes 2 --gpus 8 --kube-scheduler=false
for ns in one three owner small; do
    "$kubectl" create namespace "$ns" >/dev/null
    within 20 "$kubectl" -n "$ns" get serviceaccount default >/dev/null
done
"$kubectl" create clusterrole viewer --verb=get --non-resource-url='/steelyard/v1/*' >/dev/null
"$kubectl" create clusterrolebinding viewer --clusterrole=viewer --serviceaccount=default:default >/dev/null
token=$("$kubectl" create token default)
configure 2

echo '# weights: 16 GPUs for two queues of weight 1 and 3 that want all of them'
put one a 16 1
put three b 16 1
start_steelyard --config "$WORK/config.yaml"
within 20 ready
check "the one with weight 1 gets a quarter" within 20 placed_is one 4
check "the one with weight 3 the rest" within 20 placed_is three 12
check "the others lack room" within 20 reason_is one Unschedulable 12
check "the API knows what is used" amount_is three used 12
check "and what is deserved" amount_is one deserved 4
check "and metrics" equal "$(metric 'steelyard_queue_usage{queue="dept",resource="nvidia.com/gpu"}')" 16

echo '# what is guaranteed comes back'
put owner c 10 1
check "eight GPUs are reclaimed, and not one more" within 60 placed_is owner 8
check "the two that borrowed have the other eight" equal "$(($(placed one) + $(placed three)))" 8
check "victims are told" within 10 told
sleep 3
check "nobody takes it back" placed_is owner 8
drop one
drop three
drop owner

echo '# a limit, and a reload'
put small d 5 1
check "two of five may go" within 20 placed_is small 2
check "three wait for quota, which no autoscaler takes for want of nodes" within 20 reason_is small WaitingForQuota 3
check "and say so" grep -q 'with this pod queue small would be over its limit of 2 nvidia.com/gpu' \
    <("$kubectl" -n small get pods -o json | jq -r '.items[].status.conditions[]?.message')
check "steelyard queue has it" grep -Eq '^  small .* 3 for quota' <(queues)
"$kubectl" -n small delete pod d-0 d-1 d-2 --force --grace-period=0 >/dev/null 2>&1
check "what is left of them goes when there is quota again" within 20 placed_is small 2
put small e 3 1
check "more wait" within 20 reason_is small WaitingForQuota 3
configure 5
kill -HUP "$pid"
check "a reload raises the limit" within 20 placed_is small 5
check "and knows what was used before" amount_is small used 5
