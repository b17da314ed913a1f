#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# GPUs on the real API server: parts of one share a device, the bind carries which, a restart finds
# the same from the pods, and pods that another scheduler has put there count too. Groups, unhealthy
# devices, other vendors' and MIG's slices.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 1 --kube-scheduler=false
"$CLUSTER" nodes add --name "$cluster_name" --prefix gpu- --count 1 --gpus 4 >/dev/null
node=$("$kubectl" get nodes -o name | sed -n 's|node/\(gpu-.*\)|\1|p')
cat >"$WORK/gpu.yaml" <<EOF
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
gpus: {resources: [amd.com/gpu]}
profiles:
- schedulerName: steelyard
  preset: gpu
EOF
begin() {
    start_steelyard --kubeconfig "$KUBECONFIG" --config "$WORK/gpu.yaml"
    check "ready within 10 s" within 10 ready
}
begin

key='steelyard\.dev/gpu-devices'
devices() { field pod "$1" ".metadata.annotations.$key"; }
# pod NAME ANNOTATIONS GPUS [SPEC]: GPUS 0 for none by the resource.
pod() {
    local gpus=''
    [[ $3 == 0 ]] || gpus=", nvidia.com/gpu: $3"
    echo "{apiVersion: v1, kind: Pod, metadata: {name: $1, labels: {group: $1}, annotations: {$2}}, spec: {${4:-schedulerName: steelyard}, containers: [{name: c, image: x, resources: {requests: {cpu: 10m$gpus}, limits: {cpu: 10m$gpus}}}]}}"
}
part() { pod "$1" "steelyard.dev/gpu-milli: \"$2\"" 0; }

create "$(part a 600)"
check "a part of a GPU is bound" within 20 bound_is a 1
create "$(part b 400)"
check "another is bound" within 20 bound_is b 1
check "the bind wrote the device" equal "$(devices a)" 0
check "both share it" equal "$(devices b)" 0
check "they are on the node with GPUs" equal "$(field pod b .spec.nodeName)" "$node"
create "$(pod two '' 2)"
check "two whole GPUs are bound" within 20 bound_is two 1
check "on devices that nobody shares" equal "$(devices two)" 1,2

# Another scheduler's pod, which names no device: the last one is presumed to be its.
create "$(pod foreign 'steelyard.dev/gpu-milli: "300"' 0 "nodeName: $node, schedulerName: other")"
sleep 1
create "$(part c 800)"
check "what does not fit beside another scheduler's pod waits" within 20 says c "Insufficient gpu-milli"
create "$(part wrong half)"
check "a request that can not be read waits" within 20 says wrong "node(s) had too few GPUs"

kill -TERM "$pid"
check "ends" ends_with 0 20
begin
create "$(part d 700)"
check "after a restart the rest of the last GPU is bound" within 20 bound_is d 1
check "on the device beside the other scheduler's pod" equal "$(devices d)" 3
create "$(part e 100)"
check "and nothing more" within 20 says e "Insufficient gpu-milli"
"$kubectl" delete pod foreign --grace-period=0 --force >/dev/null 2>&1
check "until that pod is gone" within 20 bound_is e 1
check "e is on its device" equal "$(devices e)" 3

# Groups: a node that says which of its GPUs are near each other.
"$kubectl" delete pod c wrong --grace-period=0 --force >/dev/null 2>&1
"$CLUSTER" nodes add --name "$cluster_name" --prefix near- --count 1 --gpus 4 >/dev/null
near=$("$kubectl" get nodes -o name | sed -n 's|node/\(near-.*\)|\1|p')
"$kubectl" annotate node "$near" 'steelyard.dev/gpu-groups=0,1;2,3' >/dev/null
on() { echo "schedulerName: steelyard, nodeSelector: {kubernetes.io/hostname: $1}"; }
required='steelyard.dev/gpu-group: required'
create "$(pod trio "$required" 3 "$(on "$near")")"
check "a group that no node has is told" within 20 says trio \
    "1 node(s) had no group of GPUs that is large enough"
"$kubectl" delete pod trio --grace-period=0 --force >/dev/null 2>&1
create "$(pod taken 'steelyard.dev/gpu-devices: "0"' 1 "nodeName: $near, schedulerName: other")"
sleep 1
create "$(pod pair "$required" 2 "$(on "$near")")"
check "two GPUs of one group are bound" within 20 bound_is pair 1
check "they are the free pair" equal "$(devices pair)" 2,3
"$kubectl" delete pod taken --grace-period=0 --force >/dev/null 2>&1
create "$(pod one '' 1 "$(on "$near")")"
check "a single one is bound" within 20 bound_is one 1
create "$(pod pair2 "$required" 2 "$(on "$near")")"
check "what has room, but not in one group, waits" within 20 says pair2 "Insufficient"
"$kubectl" delete pod one --grace-period=0 --force >/dev/null 2>&1
check "until the group is free" within 20 bound_is pair2 1
check "and has it" equal "$(devices pair2)" 0,1

# One is unhealthy: nothing new there, who is there is named, and it comes back.
"$kubectl" annotate node "$near" steelyard.dev/gpu-unhealthy=0,1 >/dev/null
"$kubectl" create serviceaccount viewer >/dev/null
"$kubectl" create clusterrole viewer --verb=get --non-resource-url='/steelyard/v1/*' >/dev/null
"$kubectl" create clusterrolebinding viewer --clusterrole viewer --serviceaccount default:viewer \
    >/dev/null
token=$("$kubectl" create token viewer)
top_shows() {
    "$STEELYARD" top nodes --server "https://127.0.0.1:$port" --token "$token" >"$WORK/top" 2>&1
    grep -qF -- "$1" "$WORK/top"
}
check "top names them, and who is on them" within 20 top_shows \
    "$near: unhealthy GPUs 0,1; pods on them: default/pair2 (0,1)"
"$kubectl" delete pod pair pair2 --grace-period=0 --force >/dev/null 2>&1
sleep 1
create "$(pod three '' 3 "$(on "$near")")"
check "no pod gets more than the healthy ones" within 20 says three "node(s) had too few GPUs"
create "$(pod whole '' 1 "$(on "$near")")"
check "a pod goes beside the unhealthy ones" within 20 bound_is whole 1
check "to a healthy one" equal "$(devices whole)" 2
create "$(pod back '' 2 "$(on "$near")")"
check "the unhealthy ones are not given out again" within 20 says back "Insufficient unshared GPUs"
"$kubectl" annotate node "$near" steelyard.dev/gpu-unhealthy- >/dev/null
check "once healthy the three are bound" within 20 bound_is three 1
check "on all that are free" equal "$(devices three)" 0,1,3
"$kubectl" delete pod back --grace-period=0 --force >/dev/null 2>&1

# Two schedulers on one node: ours, and Koordinator's, which notes what it gave in its own words.
"$kubectl" delete pod three whole --grace-period=0 --force >/dev/null 2>&1
allocated='scheduling.koordinator.sh/device-allocated: "{\"gpu\":[{\"minor\":2,\"resources\":{\"koordinator.sh/gpu-core\":\"60\",\"koordinator.sh/gpu-memory-ratio\":\"60\"}}]}"'
create "$(pod koord "$allocated" 0 "nodeName: $near, schedulerName: koord-scheduler")"
sleep 1
create "$(pod beside 'steelyard.dev/gpu-milli: "400"' 0 "$(on "$near")")"
check "a part is bound beside Koordinator's" within 20 bound_is beside 1
check "on the device that it has begun" equal "$(devices beside)" 2
create "$(pod rest '' 4 "$(on "$near")")"
check "its device is not free" within 20 says rest "Insufficient unshared GPUs"
"$kubectl" delete pod rest --grace-period=0 --force >/dev/null 2>&1

# Another vendor's, and MIG's slices.
"$CLUSTER" nodes add --name "$cluster_name" --prefix amd- --count 1 >/dev/null
amd=$("$kubectl" get nodes -o name | sed -n 's|node/\(amd-.*\)|\1|p')
"$kubectl" patch node "$amd" --subresource=status --type=merge -p \
    '{"status":{"capacity":{"amd.com/gpu":"2","nvidia.com/mig-1g.10gb":"1"},"allocatable":{"amd.com/gpu":"2","nvidia.com/mig-1g.10gb":"1"}}}' \
    >/dev/null
# of NAME RESOURCE N: a pod that asks for N of the resource.
of() { pod "$1" '' 0 | sed "s|cpu: 10m|cpu: 10m, $2: $3|g"; }
create "$(of radeon amd.com/gpu 1)"
check "a GPU of a configured resource is bound" within 20 bound_is radeon 1
check "by its device" equal "$(devices radeon)" 0
create "$(of slice nvidia.com/mig-1g.10gb 1)"
check "a slice is bound" within 20 bound_is slice 1
check "without a device" equal "$(devices slice)" ''
create "$(of slice2 nvidia.com/mig-1g.10gb 1)"
check "no more slices than there are" within 20 says slice2 "Insufficient nvidia.com/mig-1g.10gb"
