#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Pods with resource claims beside a real API server, its claim controller and the real
# kube-scheduler: devices are allocated once each, written as kube-scheduler writes them, shared,
# waited for, and neither lost nor given twice when steelyard dies in between. This test plays the
# driver: it publishes devices that nobody prepares.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 2
start_steelyard --kubeconfig "$KUBECONFIG" --scheduler-name steelyard
check "ready within 5 s" within 5 ready
check "claims are watched" grep -q '^\[+\]resourceclaims-synced ok$' <(get 'readyz?verbose')

mapfile -t nodes < <("$kubectl" get nodes -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}')

# slice NODE PREFIX COUNT MODEL: a pool of its own.
slice() {
    local i devices=''
    for ((i = 0; i < $3; i++)); do
        devices+="{name: $2-$i, attributes: {model: {string: $4}, index: {int: $i}}, capacity: {memory: {value: 40Gi}}},"
    done
    echo "{apiVersion: resource.k8s.io/v1, kind: ResourceSlice, metadata: {name: $1-$2}, spec: {driver: gpu.example.com, nodeName: $1, pool: {name: $1-$2, generation: 1, resourceSliceCount: 1}, devices: [${devices%,}]}}"
}
class() { # NAME MODEL [RESOURCE]: a name that it also goes by
    echo "{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: $1}, spec: {${3:+extendedResourceName: $3, }selectors: [{cel: {expression: 'device.driver == \"gpu.example.com\" && device.attributes[\"gpu.example.com\"].model == \"$2\"'}}], config: [{opaque: {driver: gpu.example.com, parameters: {apiVersion: example.com/v1, kind: Mode, name: $1, ratio: 0.5}}}]}}"
}
request() { # CLASS COUNT
    echo "{name: gpu, exactly: {deviceClassName: $1, count: $2, tolerations: [{key: example.com/old, operator: Exists, effect: NoExecute, tolerationSeconds: 60}]}}"
}
devices() { # CLASS COUNT
    echo "{requests: [$(request "$1" "$2")], config: [{requests: [gpu], opaque: {driver: gpu.example.com, parameters: {apiVersion: example.com/v1, kind: Share, text: 'a/b \"ü'}}}]}"
}
claim() { # NAME CLASS COUNT
    echo "{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: $1}, spec: {devices: $(devices "$2" "$3")}}"
}
template() { # NAME CLASS COUNT
    echo "{apiVersion: resource.k8s.io/v1, kind: ResourceClaimTemplate, metadata: {name: $1}, spec: {spec: {devices: $(devices "$2" "$3")}}}"
}
# pod NAME GROUP SCHEDULER KIND OBJECT...: KIND is Name or TemplateName.
pod() {
    local name=$1 group=$2 scheduler=$3 kind=$4 claims='' uses='' i
    shift 4
    for i in "$@"; do
        claims+="{name: $i, resourceClaim$kind: $i},"
        uses+="{name: $i},"
    done
    echo "{apiVersion: v1, kind: Pod, metadata: {name: $name, labels: {group: $group}}, spec: {schedulerName: $scheduler, terminationGracePeriodSeconds: 0, containers: [{name: c, image: x, resources: {requests: {cpu: 10m}, claims: [${uses%,}]}}], resourceClaims: [${claims%,}]}}"
}
# resource_pod NAME GROUP SCHEDULER RESOURCE INIT FIRST SECOND: how many each container asks for; 0:
# without the container.
resource_pod() {
    local i list=(initContainers containers) out=('' '') amounts=("$5" "$6" "$7")
    for i in 0 1 2; do
        ((amounts[i])) || continue
        out[i > 0]+="{name: c$i, image: x, resources: {limits: {$4: ${amounts[i]}}}},"
    done
    echo "{apiVersion: v1, kind: Pod, metadata: {name: $1, labels: {group: $2}}, spec: {schedulerName: $3, terminationGracePeriodSeconds: 0, ${list[0]}: [${out[0]%,}], ${list[1]}: [${out[1]%,}]}}"
}
claim_of() { field pod "$1" '.status.resourceClaimStatuses[0].resourceClaimName'; }
all_claims() { "$kubectl" get resourceclaims -o json; }
# Devices that two claims have, each on its own.
twice() {
    all_claims | jq -r '.items[].status.allocation.devices.results[]? | select(.adminAccess | not) | .driver + "/" + .pool + "/" + .device' | sort | uniq -d
}
# Bound pods whose claims are not theirs.
unreserved() {
    "$kubectl" get pods -o json | jq -r --slurpfile claims <(all_claims) '
        ($claims[0].items | map({key: .metadata.name, value: .}) | from_entries) as $by |
        .items[] | select(.spec.nodeName) | . as $pod |
        ((.status.resourceClaimStatuses // [] | map(.resourceClaimName)) +
         (.spec.resourceClaims // [] | map(.resourceClaimName // empty)) +
         (.status.extendedResourceClaimStatus // {} | [.resourceClaimName // empty]))[] |
        select(any($by[.].status.reservedFor[]?; .uid == $pod.metadata.uid) | not) |
        $pod.metadata.name + " " + .'
}

create "$(class small a)" "$(class big b)" "$(template one-small small 1)" \
    "$(slice "${nodes[0]}" small 2 a)" "$(slice "${nodes[1]}" small 2 a)"

# Four pods for four devices, each with a claim that the controller makes for it.
for i in 0 1 2 3; do create "$(pod "t$i" t steelyard TemplateName one-small)"; done
check "four pods for four devices are bound" within 30 bound_is t 4
check "no device is allocated twice" equal "$(twice)" ''
check "each is reserved for its pod" equal "$(unreserved)" ''
check "two run on each node" equal \
    "$("$kubectl" get pods -l group=t -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort | uniq -c | awk '{print $1}' | xargs)" '2 2'

# A fifth finds none, says what kube-scheduler says, and runs when one is given back.
create "$(pod fifth fifth steelyard TemplateName one-small)" \
    "$(pod theirs theirs default-scheduler TemplateName one-small)"
waits() { [[ -n $(message_of "$1") ]]; }
within 20 waits theirs || not_ok "kube-scheduler says nothing"
within 20 says fifth 'cannot allocate all claims' || not_ok "steelyard says nothing"
check "a pod without a device waits in kube-scheduler's words" equal \
    "$(message_of fifth)" "$(message_of theirs)"
check "and is not bound" bound_is fifth 0
"$kubectl" delete pod theirs >/dev/null
"$kubectl" delete pod t0 >/dev/null
check "it runs when a device is given back" within 30 bound_is fifth 1
check "still none is allocated twice" equal "$(twice)" ''

# One claim for two pods: they run where its device is.
create "$(slice "${nodes[1]}" big 1 b)" "$(claim shared big 1)" \
    "$(pod first first steelyard Name shared)" "$(pod second second steelyard Name shared)"
check "a shared claim serves one pod" within 30 bound_is first 1
check "and another" within 30 bound_is second 1
check "both are where its device is" equal \
    "$(field pod first .spec.nodeName) $(field pod second .spec.nodeName)" "${nodes[1]} ${nodes[1]}"
check "it is reserved for both" equal "$(unreserved)" ''

# The same claim by kube-scheduler: what is written must look alike.
"$kubectl" delete pods --all >/dev/null
claims_are() { [[ $(all_claims | jq '[.items[] | select(.status.allocation)] | length') == "$1" ]]; }
check "the controller takes back what was allocated" within 60 claims_are 0
"$kubectl" delete resourceclaim shared >/dev/null
status_of() { # CLAIM: without what differs from one to the next
    "$kubectl" get resourceclaim "$1" -o json | jq -S '{finalizers: .metadata.finalizers, status} |
        .status.allocation.allocationTimestamp |= (. != null) |
        .status.reservedFor[] |= (.name = "" | .uid = "")'
}
create "$(slice "${nodes[0]}" big 1 b)"
create "$(claim ours big 1)" "$(pod ours ours steelyard Name ours)"
check "a claim by steelyard" within 30 bound_is ours 1
ours=$(status_of ours)
"$kubectl" delete pod ours >/dev/null
within 30 claims_are 0 || not_ok "the claim is not given back"
"$kubectl" delete resourceclaim ours >/dev/null
# Now the first device again is the first choice of both.
create "$(claim theirs big 1)" "$(pod theirs theirs default-scheduler Name theirs)"
within 30 bound_is theirs 1 || not_ok "kube-scheduler does not bind"
theirs=$(status_of theirs)
same() {
    # The node is a draw of both.
    diff <(echo "$1" | sed "s/${nodes[0]}/NODE/g; s/${nodes[1]}/NODE/g") \
        <(echo "$2" | sed "s/${nodes[0]}/NODE/g; s/${nodes[1]}/NODE/g")
}
check "is written as by kube-scheduler" same "$ours" "$theirs"
"$kubectl" delete pod theirs >/dev/null
within 30 claims_are 0 || not_ok "the claim is not given back"

# Two claims of one pod: both or none.
create "$(claim pair-big big 1)" "$(claim pair-small small 2)" \
    "$(pod pair pair steelyard Name pair-big pair-small)"
check "a pod with two claims is bound" within 30 bound_is pair 1
check "with three devices of its node" equal \
    "$(all_claims | jq -r --arg n "$(field pod pair .spec.nodeName)" \
        '[.items[].status.allocation.devices.results[]? | select(.pool | startswith($n))] | length')" 3
"$kubectl" delete pod pair >/dev/null
within 30 claims_are 0 || not_ok "the claims are not given back"

# Resources by name that only devices serve: the claim is the scheduler's own.
create "$(class ext c example.com/gpu)" "$(slice "${nodes[0]}" ext 4 c)" "$(slice "${nodes[1]}" ext 4 c)"
# What was made for a pod: its claim and its status, without what differs from one to the next.
made_for() {
    local claim
    claim=$(field pod "$1" .status.extendedResourceClaimStatus.resourceClaimName)
    "$kubectl" get pod "$1" -o json | jq -S .status.extendedResourceClaimStatus | sed "s/$claim/CLAIM/"
    [[ $claim == "$1-extended-resources-"????? ]] || echo "a name of another kind: $claim"
    "$kubectl" get resourceclaim "$claim" -o json | jq -S '
        del(.metadata.uid, .metadata.resourceVersion, .metadata.creationTimestamp, .metadata.name) |
        .metadata.ownerReferences[].uid = "" | .status.reservedFor[].uid = "" |
        .status.allocation.allocationTimestamp |= (. != null)' | sed "s/$1/POD/"
}
# as_theirs WHAT RESOURCE INIT FIRST SECOND
as_theirs() {
    local what=$1 ours theirs
    shift
    create "$(resource_pod x-ours x-ours steelyard "$@")"
    check "$what: a pod is bound" within 30 bound_is x-ours 1
    ours=$(made_for x-ours)
    "$kubectl" delete pod x-ours >/dev/null
    within 60 claims_are 0 || not_ok "the claim is not given back"
    create "$(resource_pod x-theirs x-theirs default-scheduler "$@")"
    within 30 bound_is x-theirs 1 || not_ok "kube-scheduler does not bind"
    theirs=$(made_for x-theirs)
    "$kubectl" delete pod x-theirs >/dev/null
    within 60 claims_are 0 || not_ok "the claim is not given back"
    check "$what: claim and pod are as kube-scheduler writes them" same "$ours" "$theirs"
    [[ $ours == *'"requestName"'* ]] || not_ok "nothing is compared: $ours"
}
as_theirs "a resource of a class" example.com/gpu 4 1 2
as_theirs "a class by its own name" deviceclass.resource.kubernetes.io/big 0 1 0
create "$(resource_pod x-most x-most steelyard example.com/gpu 0 3 0)" \
    "$(resource_pod x-two x-two steelyard example.com/gpu 0 2 0)"
within 30 bound_is x-two 1 || not_ok "the other is not bound"
check "two that need both nodes are bound" within 30 bound_is x-most 1
create "$(resource_pod x-late x-late steelyard example.com/gpu 0 3 0)" \
    "$(resource_pod y-late y-late default-scheduler example.com/gpu 0 3 0)"
within 20 waits y-late || not_ok "kube-scheduler says nothing"
within 20 says x-late 'cannot allocate all claims' || not_ok "steelyard says nothing"
check "what finds no devices waits in kube-scheduler's words" equal \
    "$(message_of x-late)" "$(message_of y-late)"
"$kubectl" delete pod y-late x-most >/dev/null
check "and runs when they are given back" within 30 bound_is x-late 1
check "no device is allocated twice for resources" equal "$(twice)" ''
"$kubectl" delete pods --all >/dev/null
within 60 claims_are 0 || not_ok "the claims are not given back"

# A rule taints devices that their driver does not.
create "{apiVersion: resource.k8s.io/v1, kind: DeviceTaintRule, metadata: {name: sick}, spec: {deviceSelector: {driver: gpu.example.com, pool: ${nodes[0]}-ext}, taint: {key: sick, effect: NoSchedule}}}"
create "$(resource_pod z-one z-one steelyard example.com/gpu 0 4 0)"
within 30 bound_is z-one 1 || not_ok "nothing is bound beside a rule"
check "devices that a rule does not select are used" equal "$(field pod z-one .spec.nodeName)" "${nodes[1]}"
create "$(resource_pod z-two z-two steelyard example.com/gpu 0 1 0)" \
    "$(resource_pod z-theirs z-theirs default-scheduler example.com/gpu 0 1 0)"
within 20 waits z-theirs || not_ok "kube-scheduler says nothing"
within 20 says z-two 'cannot allocate all claims' || not_ok "steelyard says nothing"
check "what finds but tainted ones waits in kube-scheduler's words" equal \
    "$(message_of z-two)" "$(message_of z-theirs)"
"$kubectl" delete pod z-theirs >/dev/null
"$kubectl" delete devicetaintrule sick >/dev/null
check "and runs when the rule goes" within 30 bound_is z-two 1
"$kubectl" delete pods --all >/dev/null
within 60 claims_are 0 || not_ok "the claims are not given back"

# Killed while it allocates, again and again.
for i in 0 1; do create "$(slice "${nodes[$i]}" more 12 a)"; done
for ((i = 0; i < 24; i++)); do
    pod "k$i" k steelyard TemplateName one-small
    echo ---
    ((i % 3)) || resource_pod "x$i" x steelyard example.com/gpu 0 1 0
    echo ---
done | "$kubectl" create -f - >/dev/null
kills=0
while ((kills < 4)); do
    sleep 0.4
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null || true
    kills=$((kills + 1))
    start_steelyard --kubeconfig "$KUBECONFIG" --scheduler-name steelyard
done
check "after four kills all are bound" within 60 bound_is k 24
check "so are those with resources by name" within 60 bound_is x 8
check "no device was allocated twice" equal "$(twice)" ''
check "every bound pod has its devices" equal "$(unreserved)" ''
one_each() { [[ $(all_claims | jq '[.items[].metadata.ownerReferences[]?.uid] | length, (unique | length)' | xargs) == '32 32' ]]; }
check "and one claim, no more" within 30 one_each

kill -TERM "$pid"
check "SIGTERM ends it with 0" ends_with 0 18
