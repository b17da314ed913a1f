#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kube-scheduler's configuration file: two profiles with their plugins and arguments, events and
# metrics of each; namespace selectors and default spreading work; resources that the server refuses
# are named and cost no more than what needs them.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

config=$WORK/config.yaml
write() {
    printf 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n%s\n' "$1" >"$config"
}
write 'leaderElection: {leaderElect: false}
percentageOfNodesToScore: 50
profiles:
- schedulerName: default-scheduler
- schedulerName: packs
  plugins:
    preScore: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit}]}
    score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit, weight: 5}]}
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated}}
  - name: NodeAffinity
    args:
      addedAffinity:
        requiredDuringSchedulingIgnoredDuringExecution:
          nodeSelectorTerms: [{matchExpressions: [{key: pool, operator: In, values: [tight]}]}]'

start_cluster --nodes 6 --kube-scheduler=false
nodes=$("$kubectl" get nodes -o name | sort)
for node in $(head -n 2 <<<"$nodes"); do "$kubectl" label "$node" pool=tight >/dev/null; done
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready within 5 s" within 5 ready
check "what has no effect is noted" logged 'percentageOfNodesToScore: has no effect'
for resource in namespaces services replicationcontrollers replicasets statefulsets poddisruptionbudgets; do
    check "$resource are watched" grep -q "^\[+\]$resource-watch ok$" <(get 'readyz?verbose')
done

# Added affinity leaves two nodes; MostAllocated fills one of them.
pods packed 8 packs 1 | "$kubectl" create -f - >/dev/null
check "pods of the second profile are bound" within 10 bound_is packed 8
nodes_of() { "$kubectl" get pods -l "group=$1" -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort -u; }
check "on one node" equal "$(nodes_of packed | wc -l)" 1
check "of its pool" grep -qx "$(nodes_of packed)" <(head -n 2 <<<"$nodes" | sed 's/.*\///')

# The default constraints of kube-scheduler count what a Service selects.
"$kubectl" create -f - >/dev/null <<END
apiVersion: v1
kind: Service
metadata: {name: spread}
spec: {selector: {group: spread}, ports: [{port: 80}]}
END
pods spread 6 default-scheduler 100m | "$kubectl" create -f - >/dev/null
check "pods of the first profile are bound" within 10 bound_is spread 6
check "its pods are spread" equal "$(nodes_of spread | wc -l)" 6

events() {
    "$kubectl" get events --field-selector reason=Scheduled -o jsonpath='{range .items[*]}{.involvedObject.name}{" "}{.reportingComponent}{"\n"}{end}' |
        grep -c "^$1[0-9]* $2$" || true
}
events_are() { [[ $(events "$1" "$2") == "$3" ]]; }
check "events are by the profile of the pod" within 5 events_are packed packs 8
check "and of the other" within 5 events_are spread default-scheduler 6
attempts() { metric "scheduler_schedule_attempts_total{profile=\"$1\",result=\"scheduled\"}"; }
check "attempts are counted by profile" equal "$(attempts packs) $(attempts default-scheduler)" '8 6'
check "no string was used after its sweep" equal "$(metric steelyard_strings_stale_total)" 0

# A pod wants one that is in a namespace of a team, which the namespace gets only later.
"$kubectl" create namespace other >/dev/null
pods base 1 default-scheduler 100m | sed 's/metadata: {/&namespace: other, /' | "$kubectl" create -f - >/dev/null
"$kubectl" create -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: beside0, labels: {group: beside}}
spec:
  schedulerName: default-scheduler
  containers: [{name: c, image: x}]
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector: {matchLabels: {group: base}}
        namespaceSelector: {matchLabels: {team: a}}
        topologyKey: kubernetes.io/hostname
END
base_node() { "$kubectl" -n other get pod base0 -o jsonpath='{.spec.nodeName}'; }
has_base() { [[ -n $(base_node) ]]; }
check "the other pod is bound" within 5 has_base
waits() { [[ $(metric 'scheduler_pending_pods{queue="unschedulable"}') == 1 ]]; }
check "the pod waits for a namespace's label" within 5 waits
"$kubectl" label namespace other team=a >/dev/null
check "which wakes it" within 5 bound_is beside 1
check "beside the other" equal "$(nodes_of beside)" "$(base_node)"

# A reload takes other arguments over.
sed -i 's/values: \[tight\]/values: [none]/' "$config"
kill -HUP "$pid"
within 5 logged 'configuration reloaded'
pods late 1 packs 1 | "$kubectl" create -f - >/dev/null
check "a reload takes arguments over" within 5 waits
says() { [[ $("$kubectl" get pod late0 -o jsonpath='{.status.conditions[0].message}') == *"$1"* ]]; }
check "with kube-scheduler's words" within 5 says "didn't match scheduler-enforced node affinity"
kill -TERM "$pid"
check "SIGTERM ends it with 0" ends_with 0 5

# An account that may read nodes and pods alone.
"$kubectl" create serviceaccount narrow >/dev/null
"$kubectl" create clusterrole narrow --verb=get,list,watch --resource=nodes,pods >/dev/null
"$kubectl" create -f - >/dev/null <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: writes}
rules:
- {apiGroups: [""], resources: [pods/binding], verbs: [create]}
- {apiGroups: [""], resources: [pods/status], verbs: [patch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
END
for role in narrow writes; do
    "$kubectl" create clusterrolebinding $role --clusterrole=$role --serviceaccount=default:narrow >/dev/null
done
"$kubectl" config view --raw --minify >"$WORK/narrow"
user=$("$kubectl" --kubeconfig "$WORK/narrow" config view -o jsonpath='{.users[0].name}')
"$kubectl" --kubeconfig "$WORK/narrow" config unset "users.$user" >/dev/null
"$kubectl" --kubeconfig "$WORK/narrow" config set-credentials "$user" \
    --token="$("$kubectl" create token narrow)" >/dev/null
start_steelyard --scheduler-name default-scheduler --kubeconfig "$WORK/narrow"
check "ready without what is refused" within 10 ready
check "namespaces are named" logged 'resource=namespaces lost="pods wait whose required affinity'
pods narrow 3 default-scheduler 100m | "$kubectl" create -f - >/dev/null
check "pods that do not need it are bound" within 5 bound_is narrow 3
kill -TERM "$pid"
check "SIGTERM ends it with 0" ends_with 0 5
