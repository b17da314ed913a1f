#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measured load, with the real Prometheus and the real metrics-server behind the API server's
# aggregation layer; the nodes' exporters and kubelets are tests/exporter. Of three nodes that are
# equal by requests the hot one is avoided; once its measurement is stale it is taken again; the load
# gate closes above 0.8 and opens; a source that is down changes nothing else. Koordinator's
# NodeMetric is real as far as the API server goes.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

others=()
cleanup() {
    local rc=$? p
    for p in ${others[@]+"${others[@]}"}; do kill -KILL "$p" 2>/dev/null || true; done
    finish "$rc"
}
trap cleanup EXIT

command -v prometheus >/dev/null || {
    not_ok "there is no prometheus: apt-get install prometheus (make deps does)"
    exit 1
}

# ---- what measures ----

(cd "$root/tests/exporter" && GOWORK=off go build -buildvcs=false -o "$WORK/exporter" .)
mkfifo "$WORK/exporter.in"
"$WORK/exporter" <"$WORK/exporter.in" >"$WORK/exporter.out" &
others+=($!)
exec 9>"$WORK/exporter.in"
within 10 grep -q free2= "$WORK/exporter.out"
value_of() { sed -n "s/^$1=//p" "$WORK/exporter.out"; }
exporter=$(value_of url)
# state NODE KEY=VALUE&...
state() { curl -fsS -X PUT "$exporter/state/$1?$2"; }

start_cluster --nodes 3 --gpus 2 --node-cpu 8 --node-memory 64Gi --kube-scheduler=false
mapfile -t nodes < <("$kubectl" get nodes -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}' | sort)
hot=${nodes[0]}
ip_of() { "$kubectl" get node "$1" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'; }

# Before the first scrape, so that all rates are of these.
for node in "${nodes[@]}"; do state "$node" 'cpu=0.1&memory=0.2&gpu=30,50&fb=0.3'; done
state "$hot" 'cpu=0.95&gpu=100,80&xid=79'

prometheus_port=$(value_of free1)
{
    printf 'global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: nodes\n  static_configs:\n'
    for node in "${nodes[@]}"; do
        printf '  - {targets: ["%s"], labels: {__metrics_path__: /metrics/%s, instance: "%s:9100"}}\n' \
            "${exporter#http://}" "$node" "$(ip_of "$node")"
    done
} >"$WORK/prometheus.yml"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=prometheus \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$WORK/prometheus.key" -out "$WORK/prometheus.crt" 2>/dev/null
printf 'tls_server_config: {cert_file: prometheus.crt, key_file: prometheus.key}\n' >"$WORK/web.yml"
prometheus --config.file="$WORK/prometheus.yml" --web.config.file="$WORK/web.yml" --storage.tsdb.path="$WORK/tsdb" \
    --web.listen-address="127.0.0.1:$prometheus_port" --log.level=warn >"$WORK/prometheus.log" 2>&1 &
prometheus=$!
others+=("$prometheus")
within 20 curl -fsS --cacert "$WORK/prometheus.crt" "https://127.0.0.1:$prometheus_port/-/ready"

# ---- what is asked of the scheduler ----

config=$WORK/config.yaml
# write SOURCES [MORE]: the configuration, with the scorer that load moves most plainly.
write() {
    cat >"$config" <<END
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
profiles:
- {schedulerName: steelyard, scorers: [{name: Utilization}]}
load:
  sources:
$1
${2:-}
END
}
# samples SOURCE RESULT: how many.
samples() { metric "steelyard_load_samples_total{result=\"$2\",source=\"$1\"}"; }
none_without() { [[ $(metric "steelyard_load_nodes_without{metric=\"$1\"}") == 0 ]]; }
all_without() { [[ $(metric "steelyard_load_nodes_without{metric=\"$1\"}") == 3 ]]; }
is_up() { [[ $(metric "steelyard_load_source_up{source=\"$1\"}") == "$2" ]]; }
on_hot() { # GROUP: how many of its pods are there
    "$kubectl" get pods -l "group=$1" -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | grep -c "^$hot$" || true
}
some_on_hot() { (($(on_hot "$1") > 0)); }
# place GROUP: six small pods, which all get a node.
place() {
    pods "$1" 6 steelyard 100m | "$kubectl" create -f - >/dev/null
    check "pods $1 are bound" within 10 bound_is "$1" 6
}
stop_steelyard() {
    kill -TERM "$pid"
    check "SIGTERM ends it with 0" ends_with 0 5
}

# ---- the default queries ----

write "  - {type: prometheus, url: 'https://127.0.0.1:$prometheus_port', caFile: $WORK/prometheus.crt, interval: 1s}"
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready" within 10 ready
for metric in cpu memory ephemeral-storage gpu gpu-memory network; do
    check "the default query gives $metric of all nodes" within 15 none_without "$metric"
done
check "the source is up" within 5 is_up prometheus 1
check "one node has reported an XID error" equal "$(metric 'steelyard_load_xid_nodes{source="prometheus"}')" 1
for result in unjoined malformed duplicate absurd not_finite negative stale; do
    check "no sample is $result" equal "$(samples prometheus "$result")" 0
done
place avoid
check "the hot node is avoided" equal "$(on_hot avoid)" 0
stop_steelyard

# ---- staleness, a window of five seconds ----

# shellcheck disable=SC2016
short="  - type: prometheus
    url: https://127.0.0.1:$prometheus_port
    caFile: $WORK/prometheus.crt
    interval: 1s
    queries:
      cpu:
        query: '1 - avg by (\$joinLabel) (rate(node_cpu_seconds_total{mode=\"idle\"}[5s]))'
        timestamp: 'max by (\$joinLabel) (timestamp(node_cpu_seconds_total{mode=\"idle\"}))'
        window: 5s
        joinLabel: instance
      memory: {enabled: false}
      ephemeralStorage: {enabled: false}
      gpu: {enabled: false}
      gpuMemory: {enabled: false}
      network: {enabled: false}
      xid: {enabled: false}"
write "$short"
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready" within 10 ready
check "cpu of all nodes is measured" within 10 none_without cpu
place fresh
check "the hot node is avoided" equal "$(on_hot fresh)" 0
for node in "${nodes[@]}"; do state "$node" 'down=true'; done
check "measurements that are old fade away" within 40 all_without cpu
check "the answers themselves are good" is_up prometheus 1
check "which is a good answer, not a source that is down" equal "$(grep -c 'load is not measured' "$log")" 0
place stale
check "requests alone speak again: the node that has least is taken" some_on_hot stale
for node in "${nodes[@]}"; do state "$node" 'down=false'; done
check "measured again" within 15 none_without cpu
place back
check "the hot node is avoided again" equal "$(on_hot back)" 0

stop_steelyard

# ---- the load gate ----

write "$short" 'gate: {enabled: true, resources: [{name: cpu}]}'
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready" within 10 ready
check "cpu of all nodes is measured" within 10 none_without cpu
place open
for node in "${nodes[@]}"; do state "$node" 'cpu=0.95'; done
message() { "$kubectl" get pod "$1" -o jsonpath='{.status.conditions[?(@.type=="PodScheduled")].message}'; }
says_gate() { [[ $(message "$1") == *"3 node(s) in pool default, which is overloaded (cpu "*" % > 80 %)"* ]]; }
probes=0
closed() { # one pod after another, until one waits
    probes=$((probes + 1))
    pods "probe${probes}x" 1 steelyard 10m | "$kubectl" create -f - >/dev/null
    within 1 says_gate "probe${probes}x0"
}
check "the gate closes above 0.8" within 30 closed
pods gated 3 steelyard 100m | "$kubectl" create -f - >/dev/null
check "pods wait, and say why" within 10 says_gate gated2
check "none is bound" bound_is gated 0
for node in "${nodes[@]}"; do state "$node" 'cpu=0.1'; done
check "it opens, and they run" within 30 bound_is gated 3
state "$hot" 'cpu=0.95'
stop_steelyard

# ---- a source that is down ----

write "$short"
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready" within 10 ready
check "cpu of all nodes is measured" within 10 none_without cpu

disown "$prometheus"
kill -KILL "$prometheus"
check "a dead Prometheus is seen" within 10 is_up prometheus 0
check "and said once" equal "$(grep -c 'load is not measured; .*source=prometheus' "$log")" 1
check "scheduling goes on: ready" within 1 ready
check "its samples fade" within 40 all_without cpu
place alone
check "by requests alone" some_on_hot alone
stop_steelyard

# ---- metrics.k8s.io through the aggregation layer ----

metrics_port=$(value_of free2)
for node in "${nodes[@]}"; do
    "$kubectl" annotate node "$node" "metrics.k8s.io/resource-metrics-path=/kubelet/$node" >/dev/null
    "$kubectl" patch node "$node" --subresource=status --type=json -p \
        '[{"op": "add", "path": "/status/addresses/-", "value": {"type": "ExternalIP", "address": "127.0.0.1"}}]' >/dev/null
done
"$("$CLUSTER" path metrics-server)" --kubeconfig="$KUBECONFIG" --authentication-kubeconfig="$KUBECONFIG" \
    --authorization-kubeconfig="$KUBECONFIG" --bind-address=127.0.0.1 --secure-port="$metrics_port" \
    --cert-dir="$WORK/metrics-server" --metric-resolution=10s --kubelet-request-timeout=5s --kubelet-port="$(value_of kubelet)" \
    --kubelet-preferred-address-types=ExternalIP --kubelet-insecure-tls >"$WORK/metrics-server.log" 2>&1 &
others+=($!)
"$kubectl" create -f - >/dev/null <<END
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  service: {name: metrics-server, namespace: kube-system, port: $metrics_port}
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
END
write "  - {type: metrics.k8s.io, interval: 1s}"
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready, though nothing is measured yet" within 10 ready
check "cpu of all nodes comes from metrics-server" within 90 none_without cpu
check "and memory" none_without memory
check "the source is up" within 5 is_up metrics.k8s.io 1
for result in unjoined malformed stale; do
    check "no sample is $result" equal "$(samples metrics.k8s.io "$result")" 0
done
place served
check "the hot node is avoided" equal "$(on_hot served)" 0
stop_steelyard

# ---- Koordinator's NodeMetric, as its koordlets write it ----

"$kubectl" create -f - >/dev/null <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodemetrics.slo.koordinator.sh}
spec:
  group: slo.koordinator.sh
  names: {kind: NodeMetric, listKind: NodeMetricList, plural: nodemetrics, singular: nodemetric}
  scope: Cluster
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
END
within 20 "$kubectl" get nodemetrics
# report NODE CPU GPU: what a koordlet reports now.
report() {
    cat <<END
apiVersion: slo.koordinator.sh/v1alpha1
kind: NodeMetric
metadata: {name: $1}
spec: {metricCollectPolicy: {aggregateDurationSeconds: 300, reportIntervalSeconds: 60}}
status:
  updateTime: "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  nodeMetric:
    nodeUsage:
      resources: {cpu: "$2", memory: 8Gi}
      devices:
      - {type: gpu, minor: 0, resources: {koordinator.sh/gpu-core: "$3", koordinator.sh/gpu-memory-ratio: "20"}}
  podsMetric: [{name: p, namespace: default, podUsage: {resources: {cpu: 10m}}}]
---
END
}
{
    report "$hot" 7600m 95
    report "${nodes[1]}" 800m 10
    report "${nodes[2]}" 800m 10
    report elsewhere 1 10
} | "$kubectl" create -f - >/dev/null
write "  - {type: nodemetric, interval: 1s}"
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready" within 10 ready
for metric in cpu memory gpu gpu-memory; do
    check "NodeMetric gives $metric of all nodes" within 10 none_without "$metric"
done
unjoined() { (($(samples nodemetric unjoined) > 0)); }
check "one of no node is counted" unjoined
check "and named" logged 'result=unjoined .*example=elsewhere'
place reported
check "the hot node is avoided" equal "$(on_hot reported)" 0
stop_steelyard
