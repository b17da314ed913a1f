#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# GPUs on the real API server: parts of one share a device, the bind carries which, a restart finds
# the same from the pods, and pods that another scheduler has put there count too.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 1 --kube-scheduler=false
"$CLUSTER" nodes add --name "$cluster_name" --prefix gpu- --count 1 --gpus 4 >/dev/null
node=$("$kubectl" get nodes -o name | sed -n 's|node/\(gpu-.*\)|\1|p')
cat >"$WORK/gpu.yaml" <<EOF
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
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
