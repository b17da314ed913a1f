#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# manifests/rbac gives what is needed and nothing else: steelyard runs as the account that they bind,
# with a token of the real API server, does some of all that it can do, and the audit log says what
# was refused and what of the rights was used.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

audit=$WORK/audit.log
cat >"$WORK/policy.yaml" <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ["system:serviceaccount:kube-system:steelyard"]
- level: None
END
# Without streamed lists, so that `list` is needed as it is by older servers.
start_cluster --nodes 2 --node-cpu 8 --kube-scheduler=false --apiserver-arg feature-gates=WatchList=false \
    --apiserver-arg "audit-policy-file=$WORK/policy.yaml" --apiserver-arg "audit-log-path=$audit"
k() { "$kubectl" "$@"; }
mapfile -t nodes < <(k get nodes -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}')

k apply -f "$root/manifests/rbac" >"$WORK/applied"
check "the manifests are accepted" grep -q steelyard:scheduling "$WORK/applied"
account=system:serviceaccount:kube-system:steelyard
cp "$KUBECONFIG" "$WORK/own"
k --kubeconfig "$WORK/own" config set-credentials own \
    "--token=$(k -n kube-system create token steelyard)" >/dev/null
k --kubeconfig "$WORK/own" config set-context --current --user=own >/dev/null

cat >"$WORK/config.yaml" <<'END'
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
leaderElection: {leaderElect: true}
load:
  sources:
  - {type: metrics.k8s.io, interval: 1s}
  - {type: nodemetric, interval: 1s}
END
start_steelyard --kubeconfig "$WORK/own" --config "$WORK/config.yaml"
check "it is ready under its roles" within 20 ready

echo '# some of everything'
pods small 8 steelyard 100m | k create -f - >/dev/null
check "pods are bound" within 20 bound_is small 8

# A message that comes back is counted on in its event.
pods big 1 steelyard 1000 | k create -f - >/dev/null
check "a pod waits" within 20 says big0 '2 Insufficient cpu'
k cordon "${nodes[0]}" >/dev/null
check "for another reason" within 40 says big0 'unschedulable'
k uncordon "${nodes[0]}" >/dev/null
check "and for the first again" within 40 says big0 '2 Insufficient cpu'
patched() { grep '"verb":"patch"' "$audit" | grep -q '"resource":"events"'; }
check "its event is a series" within 20 patched
k delete pod big0 --grace-period=0 --force >/dev/null 2>&1

create "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000}"
pods low 2 steelyard 7 | k create -f - >/dev/null
check "both nodes are full" within 20 bound_is low 2
pods high 1 steelyard 7 | sed 's/spec: {/spec: {priorityClassName: high, /' | k create -f - >/dev/null
check "one of them makes room" within 30 bound_is high 1
k delete pods --all --grace-period=0 --force >/dev/null 2>&1

create "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: local}, provisioner: kubernetes.io/no-provisioner, volumeBindingMode: WaitForFirstConsumer}" \
    "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: made}, provisioner: example.com/p, volumeBindingMode: WaitForFirstConsumer}" \
    "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: local, local: {path: /mnt}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [${nodes[0]}]}]}]}}}}"
within 10 field_is pv v .status.phase Available
claim() { # NAME CLASS
    create "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: $1}, spec: {accessModes: [ReadWriteOnce], storageClassName: $2, resources: {requests: {storage: 1Gi}}}}" \
        "{apiVersion: v1, kind: Pod, metadata: {name: $1, labels: {group: $1}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x}], volumes: [{name: v, persistentVolumeClaim: {claimName: $1}}]}}"
}
claim there local
check "a pod with a volume that is there" within 30 bound_is there 1
claim made made
named() { [[ -n $(field pvc made '.metadata.annotations.volume\.kubernetes\.io/selected-node') ]]; }
check "a node is named to a provisioner" within 20 named

slice="driver: gpu.example.com, nodeName: ${nodes[0]}, pool: {name: p, generation: 1, resourceSliceCount: 1}, devices: [{name: d0}, {name: d1}]"
create "{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: gpu}, spec: {extendedResourceName: example.com/gpu, selectors: [{cel: {expression: 'device.driver == \"gpu.example.com\"'}}]}}" \
    "{apiVersion: resource.k8s.io/v1, kind: ResourceSlice, metadata: {name: s}, spec: {$slice}}" \
    "{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: c}, spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu}}]}}}" \
    "{apiVersion: v1, kind: Pod, metadata: {name: claims, labels: {group: claims}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x, resources: {claims: [{name: c}]}}], resourceClaims: [{name: c, resourceClaimName: c}]}}" \
    "{apiVersion: v1, kind: Pod, metadata: {name: by-name, labels: {group: by-name}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x, resources: {limits: {example.com/gpu: 1}}}]}}"
check "a pod with a resource claim" within 30 bound_is claims 1
check "and one whose resource a class serves" within 30 bound_is by-name 1

create "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: moved}, spec: {replicas: 1, selector: {matchLabels: {group: moved}}, template: {metadata: {labels: {group: moved, steelyard.dev/recovery: evict, steelyard.dev/recovery-grace: 0s}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x}]}}}}"
check "a pod that wants to be replaced" within 30 bound_is moved 1
down=$(k get pods -l group=moved -o jsonpath='{.items[0].spec.nodeName}')
k label node "$down" steelyard.dev/heartbeat=stopped >/dev/null
k patch node "$down" --subresource=status --type=strategic \
    -p '{"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}' >/dev/null
evicted() { grep '"verb":"create"' "$audit" | grep -q '"subresource":"eviction"'; }
check "its node fails, and it is evicted" within 30 evicted
k label node "$down" steelyard.dev/heartbeat- >/dev/null

k create serviceaccount viewer >/dev/null
k create clusterrolebinding viewer --clusterrole steelyard-viewer --serviceaccount default:viewer >/dev/null
"$STEELYARD" top nodes --server "https://127.0.0.1:$port" --token "$(k create token viewer)" >"$WORK/top" || true
check "who may ask is answered" grep -q "${nodes[0]}" "$WORK/top"
asked() { (($(jq -r 'select(.objectRef.apiGroup == "'"$1"'") | .verb' "$audit" | grep -c list) > 0)); }
check "metrics-server is asked" within 20 asked metrics.k8s.io
check "Koordinator is asked" within 20 asked slo.koordinator.sh
kill -TERM "$pid"
check "an orderly end" ends_with 0 15

echo '# nothing was refused'
refused() {
    jq -r 'select(.responseStatus.code == 403 or .responseStatus.code == 401 or
                  .annotations["authorization.k8s.io/decision"] == "forbid") |
           "\(.verb) \(.requestURI)"' "$audit" | sort | uniq -c
}
check "no request" equal "$(refused)" ''
check "and the log knows of none" bash -c "! grep -iE 'forbidden|[^0-9]403[^0-9]|lets us not' '$log'"

echo '# nothing is given that is not used'
roles() { k get clusterroles,roles -A -o json | jq '[.items[] | select(.metadata.name | startswith("steelyard:"))]'; }
given() {
    roles | jq -r '.[].rules[] | .apiGroups[] as $g | .resources[] as $r | .verbs[] |
        "\(.) \($r)\(if $g == "" then "" else "." + $g end)"' | sort -u
}
used() {
    jq -r 'select(.objectRef) | .objectRef | "\(.resource)\(if .subresource then "/" + .subresource else "" end)" +
        (if (.apiGroup // "") == "" then "" else "." + .apiGroup end)' "$audit" >"$WORK/objects"
    jq -r 'select(.objectRef) | .verb' "$audit" | paste -d ' ' - "$WORK/objects" | sort -u
}
# Rights that this run has no way to need, and why they are given.
excused() {
    {
        # Resources that this server does not have: gang_groups.sh.
        for api in scheduling.k8s.io scheduling.x-k8s.io scheduling.volcano.sh scheduling.run.ai; do
            printf '%s\n' "list podgroups.$api" "watch podgroups.$api"
            [[ $api == *.ai ]] || echo "patch podgroups/status.$api"
        done
        cat <<'END'
get pods                                    # when a bind's answer was lost: kube_faults.sh
patch resourceclaims/binding.resource.k8s.io # asked for beside resourceclaims/status, under no name in the audit
delete resourceclaims.resource.k8s.io       # when the claim of a pod that is not bound is undone: dra.sh
END
    } | sed 's/ *#.*//' | sort
}
given >"$WORK/given"
used >"$WORK/used"
check "it has rights to look at" bash -c "(( \$(wc -l <'$WORK/given') > 40 ))"
check "each right was used" equal "$(comm -23 "$WORK/given" <(sort -u "$WORK/used" <(excused)))" ''
check "each use was a right" equal "$(comm -13 "$WORK/given" "$WORK/used")" ''
check "each excuse is of a right" equal "$(comm -23 <(excused) "$WORK/given")" ''
check "no wildcard" equal "$(roles | jq -r '.[].rules[] | .. | strings | select(contains("*"))')" ''

echo '# what must be out of reach'
may() {
    local where=(-A)
    [[ " $* " == *' -n '* ]] && where=()
    k auth can-i "$@" --as "$account" ${where[@]+"${where[@]}"} 2>/dev/null || true
}
for what in 'get secrets' 'list secrets' 'list configmaps' 'create pods' 'update pods' 'patch nodes' \
    'delete nodes' 'get nodes --subresource=proxy' 'create pods --subresource=exec' \
    'create serviceaccounts --subresource=token' 'impersonate users' 'create clusterrolebindings' \
    'update leases/other -n kube-system' 'update leases/steelyard -n default' \
    'escalate clusterroles'; do
    # shellcheck disable=SC2086
    check "it may not $what" equal "$(may $what)" no
done
check "but it may keep its lease" equal "$(may update leases/steelyard -n kube-system)" yes
check "and bind" equal "$(may create pods --subresource=binding)" yes
