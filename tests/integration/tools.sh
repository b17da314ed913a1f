#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `steelyard whatif` against a running scheduler and a real API server:
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
check "what is no manifest is refused" live 1 <<<'kind: Nothing'
check "nobody without the right gets an answer" what_if 1 --server "$url" --token nonsense \
    < <(job whole 1 1)
