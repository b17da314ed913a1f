#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Preemption on a real control plane: victims are told and deleted, the nomination is written, the
# pod binds; a disruption budget turns the choice; pods of other schedulers stay; without the right
# to read budgets nobody is preempted and scheduling goes on.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 2 --node-cpu 4 --kube-scheduler=false

# preemptable PREFIX COUNT SCHEDULER CPU CLASS [NODE]: pods() with a priority, and tied to a node.
preemptable() {
    pods "$1" "$2" "$3" "$4" |
        sed "s/spec: {/spec: {priorityClassName: $5${6:+, nodeSelector: {kubernetes.io\/hostname: $6\}}, /"
}
"$kubectl" create -f - >/dev/null <<'YAML'
apiVersion: v1
kind: List
items:
- {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: lowest}, value: 5}
- {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: low}, value: 10}
- {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000}
- {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: guard}, spec: {minAvailable: 3, selector: {matchLabels: {group: guarded}}}}
YAML
# What a pod looked like while it was going is only seen by one who watches.
"$kubectl" get pods -w -o json >"$WORK/watched" &
watching=$!
trap 'kill $watching 2>/dev/null; finish' EXIT
seen() { jq -e -s "map(select($1)) | length > 0" "$WORK/watched" >/dev/null; }

start_steelyard --kubeconfig "$KUBECONFIG"
check "ready" within 10 ready
# node-00000: three guarded pods of the lowest priority, one that is not ours.
# node-00001: four pods of a higher priority, that nothing guards.
preemptable guarded 3 steelyard 1 lowest node-00000 | "$kubectl" create -f - >/dev/null
preemptable low 4 steelyard 1 low node-00001 | "$kubectl" create -f - >/dev/null
"$kubectl" create -f - >/dev/null <<'YAML'
{apiVersion: v1, kind: Pod, metadata: {name: other0, labels: {group: other}}, spec: {schedulerName: else, nodeName: node-00000, containers: [{name: c, image: x, resources: {requests: {cpu: "1"}}}]}}
YAML
check "both nodes are filled" within 15 bound_is guarded 3
check "to the brim" within 15 bound_is low 4
guarded() { [[ $("$kubectl" get pdb guard -o jsonpath='{.status.disruptionsAllowed}/{.status.currentHealthy}') == 0/3 ]]; }
check "the budget is used up" within 20 guarded

preemptable high 1 steelyard 2 high | "$kubectl" create -f - >/dev/null
check "a pod of high priority is bound" within 20 bound_is high 1
node_of() { "$kubectl" get pod "$1" -o jsonpath='{.spec.nodeName}'; }
check "where no budget is violated" equal "$(node_of high0)" node-00001
check "no more than two pods had to go" bound_is low 2
check "guarded pods are all there" bound_is guarded 3
told='.metadata.labels.group == "low" and .metadata.deletionTimestamp != null and
      any(.status.conditions[]?; .type == "DisruptionTarget" and .status == "True" and
          .reason == "PreemptionByScheduler" and
          .message == "steelyard: preempting to accommodate a higher priority pod")'
check "victims were told why" within 5 seen "$told"
check "each of them" equal \
    "$(jq -s "map(select($told) | .metadata.uid) | unique | length" "$WORK/watched")" 2
check "the node was nominated" seen '.metadata.name == "high0" and .status.nominatedNodeName == "node-00001"'
preempted() {
    [[ $("$kubectl" get events --field-selector reason=Preempted \
        -o jsonpath='{range .items[*]}{.reportingComponent}{" "}{.message}{"\n"}{end}' |
        grep -c "^steelyard Preempted by pod $1 on node $2\$") == "$3" ]]
}
high_uid=$("$kubectl" get pod high0 -o jsonpath='{.metadata.uid}')
check "two events Preempted" within 10 preempted "$high_uid" node-00001 2
check "attempts are counted" equal "$(metric scheduler_preemption_attempts_total)" 1
check "deletions are counted" equal "$(metric 'steelyard_evictions_total{outcome="ok"}')" 2

"$kubectl" delete pdb guard >/dev/null
preemptable next 1 steelyard 2 high | "$kubectl" create -f - >/dev/null
check "without the budget the lowest priority goes" within 20 bound_is next 1
check "from the other node" equal "$(node_of next0)" node-00000
check "two of three" bound_is guarded 1

# 3 of node-00000's cores could be had, the fourth is another scheduler's.
preemptable stuck 1 steelyard 4 high node-00000 | "$kubectl" create -f - >/dev/null
waits() { "$kubectl" get pod stuck0 -o jsonpath='{.status.conditions[?(@.type=="PodScheduled")].message}' | grep -q "$1"; }
check "no room is made at the cost of other schedulers" within 10 waits 'Insufficient cpu.* preemption: 0/2 nodes are available'
check "the pod of another scheduler is left alone" bound_is other 1
check "nor are others deleted in vain" bound_is guarded 1
kill -TERM "$pid"
check "SIGTERM ends it" ends_with 0 10
"$kubectl" delete pod stuck0 guarded0 guarded1 guarded2 --ignore-not-found --force --grace-period=0 >/dev/null 2>&1

# ---- with the rights that the help text lists, save that on budgets ----
"$kubectl" create -f - >/dev/null <<'YAML'
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: most, namespace: default}}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: most}
  rules:
  - {apiGroups: [''], resources: [nodes, pods, persistentvolumes, persistentvolumeclaims], verbs: [get, list, watch]}
  - {apiGroups: [storage.k8s.io], resources: [storageclasses, csinodes, csidrivers, csistoragecapacities, volumeattachments], verbs: [get, list, watch]}
  - {apiGroups: [''], resources: [pods/binding], verbs: [create]}
  - {apiGroups: [''], resources: [pods/status], verbs: [patch]}
  - {apiGroups: [''], resources: [pods], verbs: [delete]}
  - {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: budgets}, rules: [{apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [list, watch]}]}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: most}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: most}, subjects: [{kind: ServiceAccount, name: most, namespace: default}]}
YAML
cp "$KUBECONFIG" "$WORK/most"
"$kubectl" --kubeconfig "$WORK/most" config set-credentials most "--token=$("$kubectl" create token most)" >/dev/null
"$kubectl" --kubeconfig "$WORK/most" config set-context --current --user=most >/dev/null
start_steelyard --kubeconfig "$WORK/most"
check "ready without the right to read budgets" within 10 ready
check "what is missing is named" logged 'resource=poddisruptionbudgets .*="no pod is preempted"'
preemptable fits 1 steelyard 1 high | "$kubectl" create -f - >/dev/null
check "a pod that fits is bound" within 10 bound_is fits 1
preemptable last 1 steelyard 2 high node-00001 | "$kubectl" create -f - >/dev/null
says_off() { "$kubectl" get pod last0 -o jsonpath='{.status.conditions[?(@.type=="PodScheduled")].message}' | grep -q 'off while disruption budgets cannot be read'; }
check "one that needs room waits, and says why" within 10 says_off
check "nobody is preempted" bound_is low 2
"$kubectl" create clusterrolebinding budgets --clusterrole=budgets --serviceaccount=default:most >/dev/null
check "the right given later lets it preempt" within 40 bound_is last 1
check "the help text's rights are enough" bound_is low 0
kill -TERM "$pid"
check "it ends" ends_with 0 10
