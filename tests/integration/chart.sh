#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The Helm chart with the real helm and a real API server: what it renders is accepted, what is wrong
# is refused before anything is installed, install, upgrade, rollback and uninstall; and a scheduler
# started with what the chart made (its configuration, its account's token) schedules `helm test`'s
# pod. The Deployment's own pods are kwok's and run nothing.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

helm=$("$CLUSTER" path helm)
chart=$root/charts/steelyard
h() { "$helm" "$@"; }
check "helm lint" h lint --quiet "$chart"
check "generated files are what they follow from" "$root/hack/generate" --check

echo '# what is wrong is refused, with its name'
# refuses TEXT FLAGS...
refuses() {
    local text=$1
    shift
    ! h template s "$chart" --kube-version 1.30.0 "$@" >"$WORK/said" 2>&1 &&
        grep -q -- "$text" "$WORK/said" || { cat "$WORK/said" && return 1; }
}
check "a value that there is not" refuses "replicas" --set replicas=3
check "a key that the configuration has not" refuses "backofMax" --set config.queue.backofMax=3s
check "a duration that is none" refuses "backoffMax" --set config.queue.backoffMax=soon
check "a number out of its range" refuses "maxInFlight" --set config.binding.maxInFlight=0
check "a feature that there is not" refuses "teleport" --set rbac.features.teleport=true
check "a port that is none" refuses "port" --set service.port=99999
check "no account and none to use" refuses "serviceAccount.name" --set serviceAccount.create=false
takes() { h template s "$chart" --kube-version 1.30.0 "$@" >/dev/null; }
jq -n '{config: {models: {balanceFraction: 0.6}, profiles: [{schedulerName: "a", preset: "gpu"}]}}' \
    >"$WORK/values.json"
check "what is right is taken" takes -f "$WORK/values.json"

start_cluster --nodes 4
k() { "$kubectl" "$@"; }
k create namespace steelyard-system >/dev/null
k label namespace steelyard-system pod-security.kubernetes.io/enforce=restricted >/dev/null
accepted() { k apply --dry-run=server -f "$root/manifests/steelyard.yaml" >/dev/null 2>"$WORK/said" || { cat "$WORK/said" && return 1; }; }
check "the API server takes what manifests/ has" accepted
everything=(--set replicaCount=3 --set 'viewers.groups={admins}' --set rbac.features.load=true
    --set 'nodeSelector.a=b' --set 'podLabels.a=b' --set 'podAnnotations.a=b'
    --set 'extraArgs={--log-level=debug}' --set 'networkPolicy.extraEgress[0].ports[0].port=9090')
rendered() {
    h template s "$chart" --kube-version 1.37.0 -n steelyard-system "${everything[@]}" |
        k apply -n steelyard-system --dry-run=server -f - >/dev/null
}
check "and the chart with everything on" rendered

echo '# install'
install() { h install balance "$chart" -n steelyard-system --wait --timeout 60s "$@" >"$WORK/notes"; }
check "install" install --set 'test.annotations.steelyard\.dev/run-for=0s'
check "the notes say how to ask for it" grep -q 'schedulerName: steelyard' "$WORK/notes"
n() { k -n steelyard-system "$@"; }
check "its pods pass the restricted standard" equal \
    "$(n get pods -o name | grep -c balance-steelyard || true)" 2

# One scheduler, started as its pod would be.
kubeconfig=$WORK/account.kubeconfig
k config view --raw --minify --flatten >"$kubeconfig"
token=$(n create token balance-steelyard)
k --kubeconfig "$kubeconfig" config set-credentials account --token "$token" >/dev/null
k --kubeconfig "$kubeconfig" config set-context --current --user account >/dev/null
n get configmap balance-steelyard -o jsonpath='{.data.config\.yaml}' >"$WORK/config.yaml"
check "its configuration is right" "$STEELYARD" config check "$WORK/config.yaml"
admin=$KUBECONFIG
KUBECONFIG=$kubeconfig start_steelyard --config "$WORK/config.yaml" --log-format text
check "a scheduler with its account is ready" within 20 ready
helm_test() { KUBECONFIG=$admin h test balance -n steelyard-system --timeout 40s >"$WORK/tested" 2>&1 || { cat "$WORK/tested" && return 1; }; }
check "helm test" helm_test
lease() { n get lease balance-steelyard -o jsonpath='{.spec.holderIdentity}' | grep -q .; }
check "it holds the lease of the release" within 10 lease
check "nothing was refused to it" equal "$(grep -c 'denied' "$log" || true)" 0

echo '# later'
hash_of() { n get deployment balance-steelyard -o jsonpath='{.spec.template.metadata.annotations.steelyard\.dev/config-hash}'; }
before=$(hash_of)
check "upgrade" h upgrade balance "$chart" -n steelyard-system --wait --timeout 60s \
    --set config.queue.backoffMax=20s --hide-notes
changed() { [[ $(hash_of) != "$before" ]]; }
check "another configuration is rolled out" changed
check "rollback" h rollback balance 1 -n steelyard-system --wait --timeout 60s
check "and the first is back" equal "$(hash_of)" "$before"
check "uninstall" h uninstall balance -n steelyard-system --wait --timeout 60s
left() {
    k get clusterrole,clusterrolebinding,flowschema,prioritylevelconfiguration,all,configmap,serviceaccount,role,rolebinding,networkpolicy,pdb \
        -A -l app.kubernetes.io/instance=balance -o name | grep -v /balance-steelyard-test || true
}
gone() { [[ -z $(left) ]]; }
check "nothing is left" within 20 gone
finish
