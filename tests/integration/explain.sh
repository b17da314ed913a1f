#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `steelyard explain` and `top` against a running scheduler, with tokens of a real API server: who
# is let in and who is not, and what the answers say.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 4
k() { "$kubectl" "$@"; }

# Of itself the role of every authenticated user gives nothing here.
k create serviceaccount viewer >/dev/null
k create serviceaccount stranger >/dev/null
k apply -f - >/dev/null <<'EOF'
apiVersion: v1
kind: List
items:
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: steelyard-viewer}
  rules: [{nonResourceURLs: ["/steelyard/v1/*"], verbs: [get]}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: steelyard-viewer}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: steelyard-viewer}
  subjects: [{kind: ServiceAccount, name: viewer, namespace: default}]
EOF
viewer=$(k create token viewer)
stranger=$(k create token stranger)

start_steelyard
within 20 ready
url=https://127.0.0.1:$port
# status PATH CURL-FLAGS...: of an answer.
status() {
    local path=$1
    shift
    curl -sk -m 10 -o "$WORK/answer" -w '%{http_code}' "$@" "$url$path"
}
bearer() { echo "Authorization: Bearer $1"; }
ask() { "$STEELYARD" "$@" --server "$url" --token "$viewer"; }
shows() {
    local text=$1
    shift
    "$@" >"$WORK/shown" 2>&1 || true
    grep -q -- "$text" "$WORK/shown" || { cat "$WORK/shown" && return 1; }
}
# exits STATUS TEXT COMMAND...: with that status, saying that.
exits() {
    local want=$1 text=$2 rc=0
    shift 2
    "$@" >"$WORK/shown" 2>&1 || rc=$?
    [[ $rc == "$want" ]] && grep -q -- "$text" "$WORK/shown" || { echo "$rc" && cat "$WORK/shown" && return 1; }
}

echo '# who is let in'
check "nobody without a token" equal "$(status /steelyard/v1/nodes)" 401
check "nobody with a false token" equal \
    "$(status /steelyard/v1/nodes -H "$(bearer abc)")" 401
check "no account without the right" equal \
    "$(status /steelyard/v1/nodes -H "$(bearer "$stranger")")" 403
check "and it is told which" grep -q 'you may not get /steelyard/v1/nodes' "$WORK/answer"
check "who has the right" equal "$(status /steelyard/v1/nodes -H "$(bearer "$viewer")")" 200
check "again, from memory" equal "$(status /steelyard/v1/nodes -H "$(bearer "$viewer")")" 200
check "no other method" equal \
    "$(status /steelyard/v1/nodes -X POST -H "$(bearer "$viewer")")" 405
check "no certificate in place of a token" equal "$(status /steelyard/v1/balance)" 401
check "TLS 1.1 is refused" equal \
    "$(status /healthz --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0)" 000
check "health is open over https" equal "$(status /readyz)" 200
check "health is open over http" equal "$(get readyz)" ok
k delete clusterrolebinding steelyard-viewer >/dev/null
refused() { [[ $(status /steelyard/v1/nodes -H "$(bearer "$viewer")") == 403 ]]; }
check "a right that is taken away ends within seconds" within 15 refused
k create clusterrolebinding steelyard-viewer --clusterrole steelyard-viewer \
    --serviceaccount default:viewer >/dev/null
allowed() { [[ $(status /steelyard/v1/nodes -H "$(bearer "$viewer")") == 200 ]]; }
check "and one that is given begins" within 10 allowed
counted() { [[ $(metric "steelyard_api_checks_total{result=\"$1\"}") -ge $2 ]]; }
check "refusals are counted" counted denied 1
check "unknown tokens are counted" counted unauthenticated 1
check "no token is in the log" bash -c "! grep -qF '${viewer:20:40}' '$log'"

echo '# why a pod waits'
pods big 1 steelyard 1000 | k create -f - >/dev/null
check "the condition comes" within 20 bash -c \
    "[[ \$('$kubectl' get pod big0 -o jsonpath='{.status.conditions[0].reason}') == Unschedulable ]]"
check "the state" shows 'State: *Waiting: no node will do' ask explain pod default/big0
check "the filter and its count" shows 'NodeResourcesFit  *4  Insufficient cpu' ask explain pod big0
check "the nearest nodes" shows 'lacks [0-9]* cpu' ask explain pod big0
check "the smallest change" shows '- ask for [0-9]* cpu at most instead of 1k\?[0-9]*: fits [14] nodes\?' \
    ask explain pod big0
check "the last attempt's message" shows 'Last attempt (.*): 0/4 nodes are available: 4 Insufficient cpu' \
    ask explain pod big0
# The change that it names is one that works.
ask explain pod big0 >"$WORK/shown"
fits=$(sed -n 's/.*ask for \([0-9]*\) cpu at most.*/\1/p' "$WORK/shown" | head -n 1)
pods fits 1 steelyard "${fits:-0}" | k create -f - >/dev/null
check "a pod that asks for as much is bound" within 20 bound_is fits 1
check "JSON: the state" shows '"state":"Waiting"' ask explain pod big0 -o json
check "JSON: the refusals" shows '"now":{"nodes":4,"feasibleNodes":0,"filters":\[{"plugin":"NodeResourcesFit","nodes":4' \
    ask explain pod big0 -o json
check "JSON: the change" shows '"changes":\[{"kind":"LowerRequest","text":"ask for' ask explain pod big0 -o json

echo '# why a pod went where it went'
pods small 1 steelyard 100m | k create -f - >/dev/null
check "it is bound" within 20 bound_is small 1
node=$(k get pod small0 -o jsonpath='{.spec.nodeName}')
check "the node" shows "Node: *$node" ask explain pod small0
check "the points of each scorer" shows 'Utilization\|DynamicWeight\|NodeResourcesFit' ask explain pod small0
check "the weight's factors" shows "weight of $node: capacity" ask explain pod small0
check "top nodes" shows "$node *Ready" ask top nodes
check "top nodes, sorted" shows "^NODE" ask top nodes --sort-by cpu
names() { ask top nodes -o json | grep -o '"name":"node-[0-9]*"' | sort -u | wc -l; }
check "top nodes as JSON" equal "$(names)" 4
pods other 1 kube-scheduler 100m | k create -f - >/dev/null
check "a pod of another scheduler" within 10 shows 'State: *NotOurs' ask explain pod other0

echo '# what goes wrong is said'
check "an unknown pod" exits 1 'there is no pod default/none' ask explain pod none
check "a false token" exits 1 'refused the token' "$STEELYARD" explain pod big0 --server "$url" --token x
check "a missing right" exits 1 'nonResourceURLs' \
    "$STEELYARD" top nodes --server "$url" --token "$stranger"
check "nobody there" exits 1 'cannot reach the scheduler' \
    "$STEELYARD" top nodes --server https://127.0.0.1:1 --token x
check "a kubeconfig without a token" exits 1 'give --token' "$STEELYARD" top nodes --server "$url"
check "a token in the clear to another machine" exits 2 'must not travel in the clear' \
    "$STEELYARD" top nodes --server http://192.0.2.1:10270 --token x
check "a wrong call" exits 2 'give pod' "$STEELYARD" explain node n
kill -TERM "$pid"
check "an orderly end" ends_with 0 15

echo '# the scheduler asks as its own account, with the rights that the help text lists'
k create serviceaccount scheduler >/dev/null
k create clusterrole watches --verb=get,list,watch \
    --resource=nodes,pods,persistentvolumes,persistentvolumeclaims >/dev/null
k create clusterrolebinding watches --clusterrole watches --serviceaccount default:scheduler >/dev/null
cp "$KUBECONFIG" "$WORK/own"
k --kubeconfig "$WORK/own" config set-credentials own "--token=$(k create token scheduler)" >/dev/null
k --kubeconfig "$WORK/own" config set-context --current --user=own >/dev/null
start_steelyard --kubeconfig "$WORK/own"
url=https://127.0.0.1:$port
live() { get livez; }
check "it runs" within 20 live
check "without the right to ask nobody is let in" equal \
    "$(status /steelyard/v1/nodes -H "$(bearer "$viewer")")" 503
check "what is missing is named" logged 'cannot check who asks.*tokenreviews'
k create clusterrole reviews --verb=create \
    --resource=tokenreviews.authentication.k8s.io,subjectaccessreviews.authorization.k8s.io >/dev/null
k create clusterrolebinding reviews --clusterrole reviews --serviceaccount default:scheduler >/dev/null
check "with the two rights it asks" within 10 allowed
kill -TERM "$pid"
check "its end" ends_with 0 15
