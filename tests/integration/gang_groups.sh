#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# PodGroups on a real API server: a custom resource that is installed while we run, and is removed
# again; the native one, whose version is found by discovery.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

crd='
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: podgroups.scheduling.x-k8s.io
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes-sigs/scheduler-plugins/pull/50"}
spec:
  group: scheduling.x-k8s.io
  scope: Namespaced
  names: {plural: podgroups, singular: podgroup, kind: PodGroup}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
'
# member NAME GROUP: one that names its group by label; native NAME GROUP: by field.
member() {
    create "{apiVersion: v1, kind: Pod, metadata: {name: $1, labels: {group: $2, scheduling.x-k8s.io/pod-group: $2}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x}]}}"
}
native() {
    create "{apiVersion: v1, kind: Pod, metadata: {name: $1, labels: {group: $2}}, spec: {schedulerName: steelyard, schedulingGroup: {podGroupName: $2}, containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: $3}}}]}}"
}
custom=podgroups.scheduling.x-k8s.io
condition='.status.conditions[?(@.type=="PodGroupInitiallyScheduled")]'

start_cluster --nodes 2 --gpus 8 --kube-scheduler=false --feature-gates GenericWorkload=true \
    --apiserver-arg=--runtime-config=scheduling.k8s.io/v1beta1=true
start_steelyard
within 20 ready

echo '# the native kind'
check "its served version is found" within 5 logged 'pod groups are read.*api=scheduling.k8s.io/v1beta1'
native nat-0 nat 1
native nat-1 nat 1
check "without its PodGroup a group waits" within 10 says nat-0 'waiting for the PodGroup default/nat: there is none yet'
create '{apiVersion: scheduling.k8s.io/v1beta1, kind: PodGroup, metadata: {name: nat}, spec: {schedulingPolicy: {gang: {minCount: 3}}}}'
check "then for the members that it asks for" within 10 says nat-0 'waiting for 1 more members of gang default/nat'
native nat-2 nat 1
check "and all go" within 10 bound_is nat 3
check "which its condition says" within 5 field_is podgroups.scheduling.k8s.io nat "$condition.status" True
create '{apiVersion: scheduling.k8s.io/v1beta1, kind: PodGroup, metadata: {name: big}, spec: {schedulingPolicy: {gang: {minCount: 3}}}}'
for i in 0 1 2; do native "big-$i" big 8; done
check "one that has no room is called unschedulable" within 10 field_is podgroups.scheduling.k8s.io big "$condition.reason" Unschedulable
check "none of it is bound" bound_is big 0

echo '# a custom resource that comes late'
member before-0 before
check "without it a label alone asks for nothing" within 10 bound_is before 1
"$kubectl" create -f - <<<"$crd" >/dev/null
check "it is found when it is installed" within 45 logged 'pod groups are read.*api=scheduling.x-k8s.io/v1alpha1'
within 10 ready
member c-0 c
check "a group without PodGroup waits then" within 10 says c-0 'waiting for the PodGroup default/c: there is none yet'
create '{apiVersion: scheduling.x-k8s.io/v1alpha1, kind: PodGroup, metadata: {name: c}, spec: {minMember: 2, scheduleTimeoutSeconds: 30}}'
check "its phase is written" within 10 field_is $custom c .status.phase Pending
member c-1 c
check "all go when all are there" within 10 bound_is c 2
check "the phase follows" within 20 field_is $custom c .status.phase Running

echo '# and goes'
"$kubectl" delete crd $custom >/dev/null
removed() { get readyz?verbose | grep -q 'podgroups.scheduling.x-k8s.io-synced'; }
absent() { ! removed; }
check "scheduling goes on without it" within 60 absent
member later-0 later
check "and a label asks for nothing again" within 20 bound_is later 1
