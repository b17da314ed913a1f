# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the run_*.sh tests share: a cluster of their own that goes when they end, steelyard beside
# it, and "ok - what" lines. Sourced.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STEELYARD=${STEELYARD:-$root/build/steelyard}
CLUSTER=${CLUSTER:-$root/hack/cluster/cluster}
made_work=''
if [[ -z ${WORK:-} ]]; then
    made_work=$(mktemp -d)
    WORK=$made_work
fi
test_name=$(basename "$0" .sh)
cluster_name=${test_name//_/-}-$$
cluster_up='' pid='' log='' port='' failed=0

# finish [STATUS]: the script's end.
finish() {
    local rc=${1:-$?}
    set +e # one step that fails must not keep the next from its turn
    trap - EXIT
    trap '' INT TERM
    [[ -n $pid ]] && kill -KILL "$pid" 2>/dev/null
    [[ -n $cluster_up ]] && "$CLUSTER" down --name "$cluster_name" >/dev/null 2>&1
    ((failed)) && [[ -n $log ]] && tail -n 30 "$log"
    [[ -n $made_work ]] && rm -rf "$made_work"
    ((failed)) && rc=1
    exit "$rc"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    failed=1
}
# check WHAT COMMAND...: one case.
check() {
    local what=$1
    shift
    if "$@"; then ok "$what"; else not_ok "$what: $*"; fi
}
# within SECONDS COMMAND...: until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS <= end)) || return 1
        sleep 0.1
    done
}
equal() { [[ $1 == "$2" ]] || { echo "got '$1', want '$2'" && return 1; }; }

start_cluster() {
    cluster_up=1
    KUBECONFIG=$("$CLUSTER" up --name "$cluster_name" "$@" | tail -n 1)
    export KUBECONFIG
    kubectl=$("$CLUSTER" path kubectl)
    within 20 "$kubectl" get serviceaccount default
}

# start_steelyard FLAGS...: sets pid, log and port; it need not be ready yet.
start_steelyard() {
    log=$WORK/steelyard-$((RANDOM)).log
    "$STEELYARD" run --port 0 "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    within 10 grep -q ' port=' "$log" || {
        cat "$log"
        return 1
    }
    port=$(sed -n 's/.* port=\([0-9]*\).*/\1/p' "$log" | head -n 1)
}
get() { curl -fsS -m 5 "http://127.0.0.1:$port/$1"; }
ready() { get readyz; }
# metric SAMPLE: its value.
metric() { get metrics | awk -v s="$1" '$1 == s { print $2 }'; }
logged() { grep -q -- "$1" "$log"; }

# ends_with STATUS SECONDS: waits for steelyard's end.
ends_with() {
    local rc=0 end=$((SECONDS + $2))
    while kill -0 "$pid" 2>/dev/null; do
        ((SECONDS <= end)) || return 1
        sleep 0.05
    done
    wait "$pid" || rc=$?
    pid=''
    equal "$rc" "$1"
}

# pods PREFIX COUNT SCHEDULER CPU: prints a list.
pods() {
    echo 'apiVersion: v1'
    echo 'kind: List'
    echo 'items:'
    local i
    for ((i = 0; i < $2; i++)); do
        echo "- {apiVersion: v1, kind: Pod, metadata: {name: $1$i, labels: {group: $1}}, spec: {schedulerName: $3, containers: [{name: c, image: x, resources: {requests: {cpu: \"$4\"}}}]}}"
    done
}
# bound PREFIX: how many pods of a group have a node.
bound() {
    "$kubectl" get pods -l "group=$1" -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' |
        grep -c . || true
}
bound_is() { [[ $(bound "$1") == "$2" ]]; }

# create YAML...
create() {
    local object
    for object in "$@"; do
        echo ---
        echo "$object"
    done | "$kubectl" create -f - >/dev/null
}
# field KIND NAME PATH; field_is KIND NAME PATH VALUE.
field() { "$kubectl" get "$1" "$2" -o jsonpath="{$3}"; }
field_is() { [[ $(field "$1" "$2" "$3") == "$4" ]]; }
# Why a pod waits; says POD TEXT: whether that has the text.
message_of() { field pod "$1" '.status.conditions[?(@.type=="PodScheduled")].message'; }
says() { [[ $(message_of "$1") == *"$2"* ]]; }
