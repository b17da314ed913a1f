#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Nodes that fail, on a real API server with the real controller manager: nothing more goes there,
# room is held, what opted in is replaced, and nobody is evicted who should not be. Times are
# printed, as watches and events have them; what is judged is far above them.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

trials=${FAILURE_TRIALS:-10}
nodes=30
declare -a node

k() { "$kubectl" "$@"; }
now() { echo "$EPOCHREALTIME"; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a < b) }'; }
# percentiles FILE: of the last field of each line.
percentiles() {
    awk '{ print $NF }' "$1" | sort -g | awk '{ v[NR] = $1 } END {
        p = int(NR * .99 + .999); if (p > NR) p = NR
        if (NR) printf "n=%d p50=%.3f s p99=%.3f s max=%.3f s", NR, v[int((NR + 1) / 2)], v[p], v[NR] }'
}
worst() { awk '{ print $NF }' "$1" | sort -g | tail -n 1; }

# set_ready NODE STATUS: writes the condition; prints the time right before.
set_ready() {
    local at=$EPOCHREALTIME
    curl -fsS -o /dev/null --unix-socket "$WORK/proxy" -X PATCH \
        -H 'Content-Type: application/strategic-merge-patch+json' \
        "http://localhost/api/v1/nodes/$1/status" \
        -d '{"status":{"conditions":[{"type":"Ready","status":"'"$2"'","reason":"Test","lastTransitionTime":"'"$(date -u +%FT%TZ)"'"}]}}'
    echo "$at"
}
# kwok makes a node ready at once, unless it is told to leave it alone.
break_node() {
    k label node "$1" steelyard.dev/heartbeat=stopped --overwrite >/dev/null
    set_ready "$1" Unknown
}
is_ready() { field_is node "$1" '.status.conditions[?(@.type=="Ready")].status' True; }
mend_node() {
    k label node "$1" steelyard.dev/heartbeat- >/dev/null
    within 20 is_ready "$1"
    k delete pods --field-selector "spec.nodeName=$1" --force --grace-period=0 >/dev/null 2>&1
}

# workload NAME REPLICAS CPU LABELS ANNOTATIONS
workload() {
    create "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: $1}, spec: {replicas: $2, selector: {matchLabels: {group: $1}}, template: {metadata: {labels: {group: $1$4}, annotations: {$5}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x, resources: {requests: {cpu: \"$3\"}}}]}}}}"
}
names() { k get pods -l "group=$1" --no-headers -o custom-columns=N:.metadata.name; }
node_of() { field pod "$1" .spec.nodeName; }
# replaced GROUP COUNT OLD T0: when the last of COUNT new pods was bound, after T0; empty: not yet.
replaced() {
    awk -v count="$2" -v old="$3" -v t0="$4" -v group="$1" '
        BEGIN { split(old, o, " "); for (i in o) seen[o[i]] = 1 }
        $1 > t0 && index($2, group "-") == 1 && $3 != "<none>" && !($2 in seen) { seen[$2] = 1; n++; if (n == count) { printf "%.3f", $1 - t0; exit } }' "$WORK/pods"
}
await_replaced() {
    local end=$((SECONDS + 30)) took=''
    while took=$(replaced "$@") && [[ -z $took ]]; do
        ((SECONDS <= end)) || return 1
        sleep 0.1
    done
    echo "$took"
}
event_of() { k get events --field-selector "reason=$1,regarding.name=$2" -o name 2>/dev/null | grep -q . || k get events -o json | jq -e --arg r "$1" --arg p "$2" '.items[] | select(.reason == $r and .involvedObject.name == $p)' >/dev/null; }
gone() { ! k get pod "$1" >/dev/null 2>&1 || [[ -n $(field pod "$1" .metadata.deletionTimestamp) ]]; }
stays() { [[ -z $(field pod "$1" .metadata.deletionTimestamp) ]]; }
unbound() { [[ -z $(node_of "$1") ]]; }
is_metric() { [[ $(metric "$1") == "$2" ]]; }

config() { # BREAKER_WINDOW HOLD_DOWN
    cat >"$WORK/config.yaml" <<END
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
failures:
  holdDown: $2
  breaker: {window: $1}
END
}

start_cluster --nodes $nodes --kube-scheduler=false
mapfile -t node < <(k get nodes -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}')
k proxy --unix-socket "$WORK/proxy" >/dev/null 2>&1 &
proxy=$!
k get pods -w --no-headers -o custom-columns=N:.metadata.name,NODE:.spec.nodeName 2>/dev/null |
    while read -r name where; do echo "$EPOCHREALTIME $name $where"; done >"$WORK/pods" &
watch=$!
end() {
    local rc=$?
    kill "$proxy" "$watch" 2>/dev/null
    finish "$rc"
}
trap end EXIT
config 1s 1s
start_steelyard --config "$WORK/config.yaml"
within 20 ready
sleep 6 # the view has settled

echo '# the condition is written, and nothing more goes there'
spare=${node[nodes - 1]}
for ((i = 0; i < trials && i < nodes - 1; i++)); do
    # Pods for two nodes, one of which fails while they come.
    k label node "${node[i]}" "$spare" "trial=$i" --overwrite >/dev/null
    k label node "${node[i]}" steelyard.dev/heartbeat=stopped >/dev/null
    pods "s${i}p" 100 steelyard 10m | sed "s/spec: {/spec: {nodeSelector: {trial: '$i'}, /" |
        k create -f - >/dev/null &
    stream=$!
    some() { (($(grep -c " s${i}p.* node" "$WORK/pods") >= 20)); }
    within 20 some
    t0=$(set_ready "${node[i]}" Unknown)
    wait "$stream" || true
    within 30 bound_is "s${i}p" 100
    awk -v n="${node[i]}" -v p="s${i}p" -v t0="$t0" 'index($2, p) == 1 && $3 != "<none>" && !($2 in seen) {
            seen[$2] = 1; if ($1 > t0) after++; if ($3 == n) { there++; late = $1 - t0 } }
        END { if (late < 0) late = 0; print n, there + 0, after + 0, late + 0 }' "$WORK/pods" >>"$WORK/last"
    k delete pods -l "group=s${i}p" --force --grace-period=0 >/dev/null 2>&1 # room for the next
    mend_node "${node[i]}"
done
echo "  from the condition to the last placement there: $(percentiles "$WORK/last")"
crossed() { awk '!$2 || $3 < 10 { exit 1 }' "$WORK/last"; }
check "pods went there before, and elsewhere after" crossed
check "and that is soon" below "$(worst "$WORK/last")" 5

echo '# single pods that opted in, with a grace of 0'
workload solo 1 100m ', steelyard.dev/recovery: evict, steelyard.dev/recovery-grace: 0s' ''
check "it runs" within 20 bound_is solo 1
for ((i = 0; i < trials; i++)); do
    old=$(names solo | xargs)
    at=$(node_of "$old")
    t0=$(break_node "$at")
    echo "$old $t0" >>"$WORK/trials"
    await_replaced solo 1 "$old" "$t0" >>"$WORK/solo" || not_ok "trial $i of a single pod"
    mend_node "$at"
done
echo "  from NotReady to the replacement bound: $(percentiles "$WORK/solo")"
check "and that is soon" below "$(worst "$WORK/solo")" 20
k delete rs solo >/dev/null

echo '# gangs that start anew as a whole'
workload job 8 60 ', steelyard.dev/pod-group: job, steelyard.dev/recovery: gang, steelyard.dev/recovery-grace: 0s' 'steelyard.dev/min-member: "8"'
check "a gang of 8, a node each" within 30 bound_is job 8
for ((i = 0; i < trials; i++)); do
    old=$(names job | xargs)
    at=$(node_of "${old%% *}")
    t0=$(break_node "$at")
    echo "${old%% *} $t0" >>"$WORK/trials"
    await_replaced job 8 "$old" "$t0" >>"$WORK/gang" || not_ok "trial $i of a gang"
    mend_node "$at"
    within 20 bound_is job 8
done
echo "  from NotReady to all 8 bound anew: $(percentiles "$WORK/gang")"
check "and that is soon" below "$(worst "$WORK/gang")" 20
k delete rs job >/dev/null
k get events.events.k8s.io -o json | jq -r '.items[] | select(.reason == "ReplacementHeld") |
    "\(.regarding.name) \(.eventTime | sub("\\.(?<f>[0-9]+)Z"; "Z \(.f)"))"' |
    while read -r name whole part; do echo "$name $(date -d "$whole" +%s).$part"; done >"$WORK/held"
awk 'NR == FNR { t0[$1] = $2; next } $1 in t0 && !($1 in done) { done[$1] = 1; print $1, $2 - t0[$1] }' \
    "$WORK/trials" "$WORK/held" >"$WORK/hold"
echo "  from NotReady to room held: $(percentiles "$WORK/hold")"
check "room was held each time" equal "$(wc -l <"$WORK/hold")" "$(wc -l <"$WORK/trials")"
check "and soon" below "$(worst "$WORK/hold")" 5

echo '# who is not evicted'
config 60s 4s
kill -HUP "$pid"
within 10 logged 'configuration reloaded'
workload guarded 1 100m ', steelyard.dev/recovery: evict, steelyard.dev/recovery-grace: 0s' ''
check "a guarded pod runs" within 20 bound_is guarded 1
guarded=$(names guarded)
at=$(node_of "$guarded")
running() { field_is pod "$guarded" .status.phase Running; }
within 20 running
create "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: guarded}, spec: {minAvailable: 1, selector: {matchLabels: {group: guarded}}, unhealthyPodEvictionPolicy: IfHealthyBudget}}" \
    "{apiVersion: v1, kind: Pod, metadata: {name: bare, labels: {steelyard.dev/recovery: evict, steelyard.dev/recovery-grace: 0s}}, spec: {schedulerName: steelyard, nodeSelector: {kubernetes.io/hostname: $at}, containers: [{name: c, image: x}]}}" \
    "{apiVersion: v1, kind: Pod, metadata: {name: silent, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, uid: 0a0a0a0a-0000-4000-8000-000000000000, controller: true}]}, spec: {schedulerName: steelyard, nodeSelector: {kubernetes.io/hostname: $at}, containers: [{name: c, image: x}]}}"
on_node() { [[ $(node_of bare) == "$at" ]]; }
check "a bare pod beside it" within 20 on_node
allowed() { field_is pdb guarded .status.observedGeneration 1; }
within 20 allowed
break_node "$at" >/dev/null
refused() { (($(metric steelyard_recovery_refused_total) > 0)); }
check "the budget refuses its eviction" within 20 refused
check "so it stays" stays "$guarded"
check "the bare pod stays" stays bare
k delete pdb guarded >/dev/null
check "without the budget it goes, when it is asked for again" within 30 gone "$guarded"
check "the bare pod stays still" stays bare
mend_node "$at"
k delete rs guarded >/dev/null
k delete pod bare silent --ignore-not-found --force --grace-period=0 >/dev/null 2>&1

echo '# a node that flaps'
flappy=${node[20]}
for ((i = 0; i < 3; i++)); do
    break_node "$flappy" >/dev/null
    mend_node "$flappy" || true
done
create "{apiVersion: v1, kind: Pod, metadata: {name: waits, labels: {group: waits}}, spec: {schedulerName: steelyard, nodeSelector: {kubernetes.io/hostname: $flappy}, containers: [{name: c, image: x}]}}"
k create serviceaccount viewer >/dev/null
k create clusterrole viewer --verb=get --non-resource-url='/steelyard/v1/*' >/dev/null
k create clusterrolebinding viewer --clusterrole viewer --serviceaccount default:viewer >/dev/null
state() {
    "$STEELYARD" top nodes --server "https://127.0.0.1:$port" --token "$(k create token viewer)" -o json |
        jq -r --arg n "$flappy" '.nodes[] | select(.name == $n) | .failure.state'
}
held() { [[ $(state) == HeldDown ]]; }
check "it is held down, as top says" within 10 held
check "and takes nothing" unbound waits
check "until it takes pods again by itself" within 120 bound_is waits 1
k delete pod waits --force --grace-period=0 >/dev/null 2>&1

echo '# many nodes at once'
sleep 60 # those that flapped are out of the window
workload many 1 100m ', steelyard.dev/recovery: evict, steelyard.dev/recovery-grace: 0s' ''
check "a pod runs" within 20 bound_is many 1
many=$(names many)
at=$(node_of "$many")
broken=()
for n in "${node[@]}"; do
    [[ $n == "$at" || $n == "$flappy" ]] || broken+=("$n")
done
broken=("${broken[@]:0:5}")
for n in "${broken[@]}"; do break_node "$n" >/dev/null; done
check "the breaker opens" within 10 is_metric steelyard_recovery_suspended 1
break_node "$at" >/dev/null
check "which is said" within 10 event_of RecoverySuspended "$many"
check "nobody is evicted" stays "$many"
for n in "${broken[@]}"; do mend_node "$n"; done
check "the breaker closes" within 20 is_metric steelyard_recovery_suspended 0
check "and the pod is replaced" within 20 gone "$many"
mend_node "$at"

echo '# a node that is deleted'
within 60 bound_is many 1
many=$(names many | tail -n 1)
at=$(node_of "$many")
k label node "$at" steelyard.dev/heartbeat=stopped >/dev/null
deleted() { ! k get pod "$many" >/dev/null 2>&1; }
k delete node "$at" >/dev/null
check "its pod is ended by force, as it opted in" within 15 deleted
check "and replaced" within 20 bound_is many 1

echo '# a node whose kubelet is silent'
many=$(names many | tail -n 1)
at=$(node_of "$many")
"$CLUSTER" nodes stop --name "$cluster_name" "$at" >/dev/null
began=$(now)
suspected() { (($(metric 'steelyard_nodes{state="Suspect"}') > 0)); }
check "it is suspected by its lease" within 60 suspected
echo "  suspected $(awk -v a="$began" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }') s after its heartbeat was stopped"
not_ready() { ! is_ready "$at"; }
check "the controller manager finds it not ready" within 120 not_ready
check "and its pod is replaced" within 20 gone "$many"
echo "  replaced $(awk -v a="$began" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }') s after its heartbeat was stopped"
