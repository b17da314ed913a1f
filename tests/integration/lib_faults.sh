# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Faults of a real control plane, for faults.sh: a control plane whose programs are killed, frozen and started
# anew, with an audit log of binds, and the proxy of tests/proxy before it. Sourced after lib_run.sh.
declare -A program_pid program_args
audit=$WORK/audit.log
proxy_control=''

end_faults() {
    local rc=$? name
    set +e # what is gone already cannot be killed
    for name in "${!program_pid[@]}"; do
        kill -CONT "${program_pid[$name]}" 2>/dev/null
        kill -KILL "${program_pid[$name]}" 2>/dev/null
    done
    [[ -n ${PROXY_PID:-} ]] && kill "$PROXY_PID" 2>/dev/null
    finish "$rc"
}

# start_faulty FLAGS...: start_cluster with an audit log; steelyard_config is a kubeconfig that goes
# through the proxy.
start_faulty() {
    local line at name
    (cd "$root/tests/proxy" && GOWORK=off go build -buildvcs=false -o "$WORK/proxy" .)
    cat >"$WORK/audit.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create]
  resources: [{group: "", resources: [pods/binding]}]
- level: None
YAML
    start_cluster "$@" --kube-scheduler=false --apiserver-arg "audit-policy-file=$WORK/audit.yaml" \
        --apiserver-arg "audit-log-path=$audit" --apiserver-arg audit-log-mode=blocking
    trap end_faults EXIT
    for name in etcd kube-apiserver; do
        program_pid[$name]=$("$CLUSTER" status --name "$cluster_name" | awk -v n="$name" '$1 == n { print $3 }')
        program_args[$name]=$WORK/$name.args
        cp "/proc/${program_pid[$name]}/cmdline" "${program_args[$name]}"
    done
    at=$(sed -n 's|.*server: https://||p' "$KUBECONFIG")
    coproc PROXY { exec "$WORK/proxy" --target "$at"; }
    while [[ -z $proxy_control ]] && read -r -u "${PROXY[0]}" line; do
        case $line in
        proxy=*) sed "s|https://$at|https://${line#*=}|" "$KUBECONFIG" >"$WORK/kubeconfig" ;;
        control=*) proxy_control=${line#*=} ;;
        esac
    done
    # shellcheck disable=SC2034 # for those who source this
    steelyard_config=$WORK/kubeconfig
}
proxy() { curl -fsS -m 5 -X POST "$proxy_control/$1"; }
proxy_lost() { curl -fsS -m 5 "$proxy_control/lost"; }

# Gone: its first thread alone may be, while others still have its port.
is_gone() {
    ! kill -0 "$1" 2>/dev/null ||
        { grep -q '^State:.Z' "/proc/$1/status" && [[ $(ls "/proc/$1/task") == "$1" ]]; } 2>/dev/null
}
kill_program() {
    kill -KILL "${program_pid[$1]}"
    until is_gone "${program_pid[$1]}"; do sleep 0.05; done
}
start_program() {
    local -a args
    mapfile -d '' -t args <"${program_args[$1]}"
    "${args[@]}" >>"$WORK/$1.log" 2>&1 </dev/null &
    program_pid[$1]=$!
}
api_ready() { "$kubectl" get --raw /readyz; }
# etcd_call PATH JSON: etcd's own API.
etcd_call() {
    local pki
    pki=$(dirname "$KUBECONFIG")/pki
    curl -fsS -m 10 --cacert "$pki/etcd-ca.crt" --cert "$pki/etcd-client.crt" --key "$pki/etcd-client.key" \
        "$(tr '\0' '\n' <"${program_args[kube-apiserver]}" | sed -n 's/^--etcd-servers=//p')/v3/$1" -d "$2"
}
# compact: nothing before the newest revision can be read any more.
compact() {
    local revision
    revision=$(etcd_call kv/range '{"key":"AA=="}' | jq -r .header.revision)
    etcd_call kv/compaction "{\"revision\":\"$revision\"}" >/dev/null
}

# Pods that the API server bound more than once.
doubly_bound() {
    jq -Rr 'fromjson? | select(.responseStatus.code == 201) | "\(.objectRef.namespace)/\(.objectRef.name)/\(.objectRef.uid)"' \
        "$audit" | sort | uniq -d | grep -c . || true
}
# Nodes whose pods ask for more milli-cores, or are more, than they can take.
overfull() {
    { "$kubectl" get nodes -o json && "$kubectl" get pods -A -o json; } | jq -rs '
        def milli: if endswith("m") then rtrimstr("m") | tonumber else tonumber * 1000 end;
        ([.[1].items[] | select(.spec.nodeName and (.status.phase | IN("Succeeded", "Failed") | not))] | group_by(.spec.nodeName) |
            map({key: .[0].spec.nodeName, value: {pods: length,
                cpu: (map(.spec.containers[].resources.requests.cpu // "0" | milli) | add)}}) | from_entries) as $used |
        [.[0].items[] | select(($used[.metadata.name].cpu // 0) > (.status.allocatable.cpu | milli) or
            ($used[.metadata.name].pods // 0) > (.status.allocatable.pods | tonumber))] | length'
}
binds_ok() { metric 'steelyard_binds_total{outcome="ok"}'; }
