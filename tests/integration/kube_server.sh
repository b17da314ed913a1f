#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# pkg/kube against a real API server: both encodings and both ways to list give the same objects;
# binds, conditions and events are what the server takes; people can read why it does not work;
# a server that stands still is noticed within 10 s and watches go on where they were.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"
# shellcheck source=tests/integration/lib_kube.sh
. "$(dirname "$0")/lib_kube.sh"

build_probe
start_cluster --nodes 7 --gpus 2 --zones 3 --node-taint 'a=b:NoSchedule' --kube-scheduler=false
pods pod 6 steelyard 1 | "$kubectl" create -f - >/dev/null
uid() { "$kubectl" get pod "$1" -o jsonpath='{.metadata.uid}'; }
field() { "$kubectl" get pod "$1" -o jsonpath="$2"; }

# ---- objects ----
for what in pods nodes; do
    "$probe" dump $what | sort >"$WORK/$what.watchlist"
    "$probe" -l dump $what | sort >"$WORK/$what.list"
    "$probe" -j dump $what | sort >"$WORK/$what.json"
    "$probe" -j -l dump $what | sort >"$WORK/$what.jsonlist"
    [[ $what == pods ]] && n=6 || n=7
    check "all $what come" equal "$(wc -l <"$WORK/$what.watchlist")" "$n"
    for other in list json jsonlist; do
        check "$what are the same by $other" cmp "$WORK/$what.watchlist" "$WORK/$what.$other"
    done
done

# ---- what is written ----
check "condition is taken" "$probe" condition default pod0 "$(uid pod0)" Unschedulable 'no room' node-00001
check "condition is there" equal \
    "$(field pod0 '{.status.conditions[0].status}/{.status.conditions[0].reason}/{.status.conditions[0].message}/{.status.nominatedNodeName}')" \
    'False/Unschedulable/no room/node-00001'
since=$(field pod0 '{.status.conditions[0].lastTransitionTime}')
check "it has a time" test -n "$since"
check "protobuf bind" says 'OK 0' "$probe" bind default pod0 "$(uid pod0)" node-00002
check "the pod is there" equal "$(field pod0 '{.spec.nodeName}')" node-00002
check "a bind twice is a conflict" says 'CONFLICT 0' "$probe" bind default pod0 "$(uid pod0)" node-00003
check "JSON bind" says 'OK 0' "$probe" -j bind default pod1 "$(uid pod1)" node-00003
check "a bind of another UID is refused" says 'CONFLICT 0' "$probe" bind default pod2 0000 node-00003
check "a pod that is not there is gone" says 'GONE 0' "$probe" bind default nope 0000 node-00003
check "protobuf events" "$probe" event default pod2 "$(uid pod2)" FailedScheduling 'none fits' 3
check "JSON events" "$probe" -j event default pod3 "$(uid pod3)" FailedScheduling 'none fits' 2
for pod in pod2 pod3; do
    [[ $pod == pod2 ]] && n=3 || n=2
    check "events of $pod are a series" equal "$("$kubectl" get events.events.k8s.io -o \
        jsonpath="{range .items[?(@.regarding.name=='$pod')]}{.reason}/{.action}/{.type}/{.note}/{.reportingController}/{.series.count} {end}")" \
        "FailedScheduling/Scheduling/Warning/none fits/kube-probe/$n "
done

# ---- what people read ----
server=$("$kubectl" config view -o jsonpath='{.clusters[0].cluster.server}')
"$kubectl" config view --raw -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' |
    base64 -d >"$WORK/ca.crt"
[[ -s $WORK/ca.crt ]] || cp "$("$kubectl" config view -o jsonpath='{.clusters[0].cluster.certificate-authority}')" "$WORK/ca.crt"
config() { # SERVER CA USER
    cat <<YAML
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: '$1', certificate-authority: '$2'}}]
users: [{name: u, user: $3}]
YAML
}
"$kubectl" create serviceaccount nobody >/dev/null
"$kubectl" create token nobody >"$WORK/good-token"
echo 'a.b.c' >"$WORK/token"
config "$server" ca.crt '{tokenFile: token}' >"$WORK/token.kubeconfig"
check "a bad token" says "the API server rejected our credentials (401" \
    "$probe" -k "$WORK/token.kubeconfig" get /api/v1/nodes
"$probe" -k "$WORK/token.kubeconfig" wait /version 6 >"$WORK/wait.log" &
waiter=$!
sleep 1.5
cp "$WORK/good-token" "$WORK/token.new" && mv "$WORK/token.new" "$WORK/token"
wait $waiter || true
check "a new token is taken up" says '200 0 2' cat "$WORK/wait.log"
check "no rights" says 'the API server denied GET /api/v1/nodes (403: nodes is forbidden: User "system:serviceaccount:default:nobody"' \
    "$probe" -k "$WORK/token.kubeconfig" get /api/v1/nodes
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=other \
    -keyout "$WORK/other.key" -out "$WORK/other.crt" 2>/dev/null
config "$server" other.crt '{tokenFile: token}' >"$WORK/ca.kubeconfig"
check "another CA" says "is not trusted by the CA in $WORK/other.crt" "$probe" -k "$WORK/ca.kubeconfig" get /version
config https://127.0.0.1:1 ca.crt '{tokenFile: token}' >"$WORK/closed.kubeconfig"
check "nobody listens" says 'cannot reach https://127.0.0.1:1: connection refused; is the API server up' \
    "$probe" -k "$WORK/closed.kubeconfig" get /version

# ---- a server that stands still ----
api=$("$CLUSTER" status --name "$cluster_name" | awk '$1 == "kube-apiserver" { print $3 }')
"$probe" follow pods 60 >"$WORK/follow.log" &
follower=$!
followed() { grep -q -- "$1" "$WORK/follow.log"; }
check "the watch is up" within 5 followed LIVE
kill -STOP "$api"
start=$SECONDS
check "standing still is noticed within 10 s" within 10 followed DOWN
echo "# noticed after $((SECONDS - start)) s"
kill -CONT "$api"
within 20 "$kubectl" get --raw /readyz
"$kubectl" delete pod pod5 --wait=false >/dev/null
check "the watch goes on" within 15 followed 'DELETED default/pod5'
check "without a new list" equal "$(grep -c REPLACE "$WORK/follow.log")" 1
kill $follower
wait $follower 2>/dev/null || true
