#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `steelyard whatif`, `capacity`, `snapshot` and `replay` against a running scheduler and a real API server:
# what is answered is what then happens, and asking leaves nothing behind.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 4
k() { "$kubectl" "$@"; }

k create serviceaccount viewer >/dev/null
k create clusterrole steelyard-viewer --verb=get --non-resource-url='/steelyard/v1/*' >/dev/null
k create clusterrolebinding steelyard-viewer --clusterrole steelyard-viewer \
    --serviceaccount default:viewer >/dev/null
viewer=$(k create token viewer)
start_steelyard
within 20 ready
url=https://127.0.0.1:$port

# job NAME COMPLETIONS CPU: prints one.
job() {
    cat <<YAML
apiVersion: batch/v1
kind: Job
metadata: {name: $1}
spec:
  completions: $2
  template:
    metadata: {labels: {group: $1}}
    spec:
      schedulerName: steelyard
      containers:
      - name: main
        image: x
        env: [{name: PASSWORD, value: hunter2}]
        resources: {requests: {cpu: "$3"}}
YAML
}
# what_if STATUS FLAGS...: asks about what is on standard input; the answer is in $WORK/shown.
what_if() {
    local want=$1 rc=0
    shift
    "$STEELYARD" whatif -f - "$@" >"$WORK/shown" 2>&1 || rc=$?
    equal "$rc" "$want" || { cat "$WORK/shown" && return 1; }
}
live() {
    local want=$1
    shift
    what_if "$want" --server "$url" --token "$viewer" "$@"
}
shown() { grep -q -- "$1" "$WORK/shown" || { cat "$WORK/shown" && return 1; }; }

echo '# whatif'
cpu=$(k get nodes -o jsonpath='{.items[0].status.allocatable.cpu}')
check "four pods as large as the four nodes fit" live 0 < <(job whole 4 "$cpu")
check "each of them has a node" equal "$(grep -c 'default/whole-[0-3] .*node-0' "$WORK/shown")" 4
check "a context that there is not" what_if 1 --server "$url" --context nowhere < <(job whole 1 1)
check "is named" shown nowhere
check "five do not" live 3 < <(job whole 5 "$cpu")
check "and it says how many would" shown '4 of 5 would find a place; default/whole-4 would not'
check "and what the last one would be told" shown '0/4 nodes are available: 4 Insufficient cpu'
check "a pod that is too large is told what would help" live 3 < <(job large 1 $((cpu + 1)))
check "and how much would fit" shown "ask for $cpu cpu at most instead of $((cpu + 1))"
check "nothing was created" equal "$(k get pods -A -o name | wc -l)" 0
check "nor assumed" equal "$(metric 'scheduler_pending_pods{queue="active"}')" 0
pods real 4 steelyard "$cpu" | k create -f - >/dev/null
check "what was said to fit does" within 20 bound_is real 4
check "then there is no room" live 3 < <(job whole 1 "$cpu")
check "a pod of higher priority would displace one" live 3 --output json < <(
    job urgent 1 "$cpu" | sed 's/schedulerName/priority: 100\n      schedulerName/'
)
check "namely" equal "$(jq -r '.fitsByEviction, (.evictions | length), .evictions[0].name[:4]' \
    "$WORK/shown" | paste -sd ' ')" 'true 1 real'
check "which is still there" bound_is real 4
check "capacity: nothing is left of the nodes' cpu" equal \
    "$("$STEELYARD" capacity --server "$url" --token "$viewer" -o json |
        jq -r '.resources[] | select(.resource == "cpu") | "\(.free) \(.largest)"')" '0 0'
check "so their memory is of no use" equal \
    "$("$STEELYARD" capacity --server "$url" --token "$viewer" -o json |
        jq -c '.resources[] | select(.resource == "memory") |
            [.usable, .stranded[0].cause, .stranded[0].nodes]')" '["0","NoCPU",4]'
k delete pod real0 --force --grace-period=0 >/dev/null 2>&1
more() {
    "$STEELYARD" capacity --server "$url" --token "$viewer" >"$WORK/shown"
    grep -q "^ *3 *0 *1 *1  default/real.* cpu=$cpu\$" "$WORK/shown"
}
check "one pod less, and one more of its kind fits" within 10 more
check "what is no manifest is refused" live 1 <<<'kind: Nothing'
node() {
    echo 'apiVersion: v1'
    echo 'kind: Node'
    echo 'metadata: {name: n, annotations: {simulate.steelyard.dev/copies: "50000"}}'
    echo 'status: {capacity: {cpu: 1}}'
}
check "nor are nodes in great numbers" live 1 < <(node)
check "in words" shown 'more than 64 nodes'
check "nobody without the right gets an answer" what_if 1 --server "$url" --token nonsense \
    < <(job whole 1 1)

echo '# snapshot and replay'
kill "$pid" && ends_with 0 20
k delete pods --all --force --grace-period=0 >/dev/null 2>&1
within 20 equal "$(k get pods -o name | wc -l)" 0
for i in 0 1 2 3 4 5 6; do
    cat <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: wait$i, labels: {group: wait}}
spec:
  schedulerName: steelyard
  containers:
  - name: main
    image: x
    env: [{name: PASSWORD, value: hunter2}]
    resources: {requests: {cpu: "$cpu"}}
YAML
done | k create -f - >/dev/null
check "a snapshot is taken" "$STEELYARD" snapshot -o "$WORK/lab.jsonl"
check "it has the nodes and pods" equal \
    "$(jq -r 'select(.kind == "Node" or .kind == "Pod") | .kind' "$WORK/lab.jsonl" | sort |
        uniq -c | awk '{ print $1, $2 }' | paste -sd ' ')" '4 Node 7 Pod'
check "the pods' environment was there" equal \
    "$(k get pods -o json | grep -c hunter2)" 7
check "and is not in it" equal "$(grep -c hunter2 "$WORK/lab.jsonl")" 0
check "who may list nothing gets none" equal \
    "$("$STEELYARD" snapshot --kubeconfig /nowhere -o "$WORK/none" 2>&1 | grep -c nowhere)" 1
check "which leaves no file" test ! -e "$WORK/none"
"$STEELYARD" replay "$WORK/lab.jsonl" -o json >"$WORK/replay.json"
check "four of the seven are placed" equal "$(jq -c .total "$WORK/replay.json")" \
    '{"placed":4,"waiting":3,"evicted":0}'
check "the others are told why" equal \
    "$(jq -r '.pods[].decision | select(.node == null).message' "$WORK/replay.json" |
        grep -c '^0/4 nodes are available: 4 Insufficient cpu')" 3
start_steelyard
within 20 ready
check "the scheduler places as many" within 20 bound_is wait 4
placed() {
    k get pods -o json |
        jq -r '.items[] | select(.spec.nodeName) | "default/\(.metadata.name) \(.spec.nodeName)"'
}
check "the same ones, on the same nodes" equal \
    "$(jq -r '.pods[] | select(.decision.node) | "\(.pod) \(.decision.node)"' "$WORK/replay.json")" \
    "$(placed)"
cat >"$WORK/unfit.yaml" <<'YAML'
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
profiles:
- schedulerName: steelyard
  filters: [NodeUnschedulable, NodeName]
  scorers: [{name: Utilization}]
YAML
"$STEELYARD" replay "$WORK/lab.jsonl" --against "$WORK/unfit.yaml" >"$WORK/shown"
check "another configuration is compared" shown \
    '^4 placed, 3 wait, 0 evicted; against 7 placed, 0 wait, 0 evicted; [3-7] pods differ$'
"$STEELYARD" config print >"$WORK/same.yaml"
"$STEELYARD" replay "$WORK/lab.jsonl" --against "$WORK/same.yaml" >"$WORK/shown"
check "the same one differs in nothing" shown '; 0 pods differ$'
check "whatif on the snapshot" what_if 0 --snapshot "$WORK/lab.jsonl" < <(job whole 4 "$cpu")
