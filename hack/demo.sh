#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `make demo`: starts a Kubernetes control plane with 100 nodes of 8 GPUs on loopback, runs
# steelyard beside the real kube-scheduler, gives both a mixed workload of 500 pods and shows how it
# goes and how it ended. Leaves nothing behind, also after Ctrl-C. Exit status 0 only when every pod
# that can fit was bound, none that cannot was, and each waiting pod says why.
#
#   KEEP=1        at the end, say how to look around and wait for Ctrl-C before cleaning up
#   COLOR=0|1     override the guess; progress redraws in place only on a terminal
#   DEMO_TIMEOUT  seconds for the pods to be placed (300)
set -euo pipefail
cd "$(dirname "$0")/.."

nodes=100 gpus=8
models=NVIDIA-H100-80GB-HBM3,NVIDIA-A100-SXM4-80GB,NVIDIA-L40S
ns=demo
limit=${DEMO_TIMEOUT:-300}
# For work on this script alone: let another scheduler have the pods, start no steelyard.
scheduler=${DEMO_SCHEDULER:-steelyard}

tty=0
[[ -t 1 ]] && tty=1
if ((${COLOR:-$tty})); then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' yellow=$'\e[33m' red=$'\e[31m' off=$'\e[0m'
else
    bold='' dim='' green='' yellow='' red='' off=''
fi
say() { printf '%s%s%s\n' "$dim" "$*" "$off"; }
die() {
    printf '%sdemo: %s%s\n' "$red" "$*" "$off" >&2
    exit 1
}

# ---- what is started is ended --------------------------------------------------------------------

readonly cluster=demo-$$
work=$(mktemp -d)
pid='' up=0
clean() {
    local rc=$?
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    ((tty)) && printf '\e[?25h'
    if [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null; then
        kill "$pid" 2>/dev/null || true
        for _ in {1..50}; do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    fi
    if ((up)) && ! hack/cluster/cluster down --name "$cluster" >"$work/down.log" 2>&1; then
        cat "$work/down.log" >&2
        echo "demo: the control plane may still run: hack/cluster/cluster down --name $cluster" >&2
        rc=1
    fi
    rm -rf "$work"
    exit "$rc"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- build and start -----------------------------------------------------------------------------

make --no-print-directory deps
make --no-print-directory all >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    die "the build failed"
}
say "starting a Kubernetes control plane with $nodes nodes of $gpus GPUs (the first time it is compiled, about 10 minutes)"
up=1
KUBECONFIG=$(hack/cluster/cluster up --name "$cluster" --nodes $nodes --gpus $gpus --gpu-models $models |
    tail -n 1)
[[ -r $KUBECONFIG ]] || die "the control plane did not start"
export KUBECONFIG
kubectl=$(hack/cluster/cluster path kubectl)

free_port() {
    local p
    for _ in {1..100}; do
        p=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || {
            echo "$p"
            return
        }
    done
    return 1
}
port=$(free_port) || die "no free port found"
if [[ $scheduler == steelyard ]]; then
    build/steelyard run --kubeconfig "$KUBECONFIG" --scheduler-name steelyard --port "$port" \
        >"$work/steelyard.log" 2>&1 </dev/null &
    pid=$!
    for ((i = 0; ; i++)); do
        curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$port/metrics" 2>/dev/null && break
        if ! kill -0 "$pid" 2>/dev/null || ((i == 150)); then
            tail -20 "$work/steelyard.log" >&2
            die "steelyard did not come up"
        fi
        sleep 0.1
    done
fi

# ---- 500 pods ------------------------------------------------------------------------------------

# One JSON list per file: pods are created by four kubectl at once, since each limits its own rate.
workload() {
    awk -v scheduler="$scheduler" -v ns="$ns" -v dir="$work" '
    function pod(group, name, cpu, memory, gpu, extra, by,    f, gpus) {
        f = dir "/pods-" (n++ % 4) ".json"
        gpus = gpu ? sprintf(",\"nvidia.com/gpu\":\"%d\"", gpu) : ""
        printf "%s{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"labels\":{\"group\":\"%s\"}},\"spec\":{\"schedulerName\":\"%s\",%s\"containers\":[{\"name\":\"main\",\"image\":\"example.invalid/%s:1\",\"resources\":{\"requests\":{\"cpu\":\"%s\",\"memory\":\"%s\"%s},\"limits\":{\"memory\":\"%s\"%s}}}]}}\n", \
            (f in begun) ? "," : "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[", name, ns, group, by, extra, group, cpu, memory, gpus, memory, gpus > f
        begun[f] = 1
    }
    function selects(key, value) { return sprintf("\"nodeSelector\":{\"%s\":\"%s\"},", key, value) }
    function avoids(key, value) {
        return sprintf("\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"%s\",\"operator\":\"NotIn\",\"values\":[\"%s\"]}]}]}}},", key, value)
    }
    BEGIN {
        model = "nvidia.com/gpu.product"
        h100 = "NVIDIA-H100-80GB-HBM3"; a100 = "NVIDIA-A100-SXM4-80GB"; l40s = "NVIDIA-L40S"
        split("250m 500m 1 2", small, " ")
        split("512Mi 1Gi 2Gi 4Gi", smallmem, " ")
        for (i = 0; i < 200; i++)
            pod("web", "web-" i, small[i % 4 + 1], smallmem[i % 4 + 1], 0, "", scheduler)
        for (i = 0; i < 100; i++)
            pod("batch", "batch-" i, 4 + 4 * (i % 3), 8 + 8 * (i % 3) "Gi", 0, avoids(model, h100), scheduler)
        for (i = 0; i < 30; i++)
            pod("gpu", "gpu1-" i, 4, "16Gi", 1, selects(model, i % 2 ? a100 : l40s), scheduler)
        for (i = 0; i < 30; i++)
            pod("gpu", "gpu2-" i, 8, "32Gi", 2, selects(model, i % 2 ? a100 : l40s), scheduler)
        for (i = 0; i < 40; i++)
            pod("gpu", "gpu4-" i, 16, "64Gi", 4, selects(model, i % 2 ? a100 : l40s), scheduler)
        for (i = 0; i < 10; i++)
            pod("toobig", "sixteen-gpus-" i, 8, "64Gi", 16, "", scheduler)
        for (i = 0; i < 8; i++)
            pod("toobig", "no-such-model-" i, 1, "1Gi", 1, selects(model, "NVIDIA-B300"), scheduler)
        for (i = 0; i < 8; i++)
            pod("toobig", "huge-cpu-" i, 128, "1Gi", 0, "", scheduler)
        for (i = 0; i < 40; i++)
            pod("default", "default-" i, 1, "2Gi", 0, "", "default-scheduler")
        for (i = 0; i < 10; i++)
            pod("default", "default-gpu-" i, 4, "8Gi", 1, selects(model, l40s), "default-scheduler")
        for (f in begun)
            print "]}" > f
        f = dir "/jobs.json"
        printf "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[" > f
        for (i = 0; i < 3; i++)
            printf "%s{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"train-%d\",\"namespace\":\"%s\"},\"spec\":{\"completions\":8,\"parallelism\":8,\"completionMode\":\"Indexed\",\"template\":{\"metadata\":{\"labels\":{\"group\":\"gang\"},\"annotations\":{\"steelyard.dev/run-for\":\"24h\"}},\"spec\":{\"schedulerName\":\"%s\",\"restartPolicy\":\"Never\",%s\"containers\":[{\"name\":\"main\",\"image\":\"example.invalid/train:1\",\"resources\":{\"limits\":{\"cpu\":\"24\",\"memory\":\"256Gi\",\"nvidia.com/gpu\":\"8\"}}}]}}}}\n", i ? "," : "", i, ns, scheduler, selects(model, h100) > f
        print "]}" > f
    }'
}
groups=(web batch gpu gang default toobig)
declare -A total=([web]=200 [batch]=100 [gpu]=100 [gang]=24 [default]=50 [toobig]=26)
declare -A title=(
    [web]="web, 0.25 to 2 CPUs" [batch]="batch, 4 to 12 CPUs, not on H100" [gpu]="1, 2 or 4 GPUs, A100 or L40S"
    [gang]="3 jobs of 8 x 8 H100" [default]="by kube-scheduler" [toobig]="cannot fit"
)
schedulable=$((500 - total[toobig]))

workload
"$kubectl" create namespace $ns >/dev/null
for _ in {1..100}; do
    "$kubectl" -n $ns get serviceaccount default >/dev/null 2>&1 && break
    sleep 0.1
done
say "applying 500 pods, $((500 - total[default])) for $scheduler and ${total[default]} for kube-scheduler"
start=$EPOCHREALTIME
creators=()
for f in "$work"/jobs.json "$work"/pods-*.json; do
    "$kubectl" create -f "$f" >/dev/null 2>>"$work/create.log" &
    creators+=($!)
done

# ---- progress ------------------------------------------------------------------------------------

elapsed() { awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

# group TAB node or - TAB status of PodScheduled and its message, one line a pod.
pods() {
    "$kubectl" -n $ns get pods -o go-template='{{range .items}}{{.metadata.labels.group}}{{"\t"}}{{with .spec.nodeName}}{{.}}{{else}}-{{end}}{{"\t"}}{{range .status.conditions}}{{if eq .type "PodScheduled"}}{{.status}}{{"\t"}}{{.message}}{{end}}{{end}}{{"\n"}}{{end}}' >"$work/pods.new" 2>/dev/null &&
        mv "$work/pods.new" "$work/pods"
}

# quantile NAME Q: of a Prometheus histogram, all its series together, in seconds, or nothing.
# Linear within the bucket, as Prometheus does it; in the lowest bucket that would be made up, so
# there the answer is "<" and its bound.
quantile() {
    awk -v name="$1" -v q="$2" '
        index($1, name "_bucket{") == 1 {
            le = $1
            sub(/.*le="/, "", le)
            sub(/".*/, "", le)
            if (!(le in n))
                order[++len] = le
            n[le] += $NF
        }
        END {
            if (!len || !n["+Inf"])
                exit
            # Series may list their buckets one after another, each in rising order.
            want = q * n["+Inf"]
            for (i = 1; i <= len; i++) {
                if (n[order[i]] >= want) {
                    if (order[i] == "+Inf") { printf "%g", low; exit }
                    if (i == 1) { printf "<%g", order[i]; exit }
                    printf "%g", low + (order[i] - low) * (want - before) / (n[order[i]] - before)
                    exit
                }
                low = order[i]
                before = n[order[i]]
            }
        }' "$work/metrics"
}
# mean NAME: the same way, from its sum and count.
mean() {
    awk -v name="$1" '
        { series = $1; sub(/\{.*/, "", series) }
        series == name "_sum" { sum += $NF }
        series == name "_count" { count += $NF }
        END { if (count) printf "%g", sum / count }' "$work/metrics"
}
metrics() {
    : >"$work/metrics"
    [[ -n $pid ]] && curl -fsS -m 2 "http://127.0.0.1:$port/metrics" >"$work/metrics" 2>/dev/null
    return 0
}
seconds() { # 0.000123 -> 123 µs
    awk -v s="$1" 'BEGIN {
        if (s == "") { print "-"; exit }
        less = sub(/^</, "", s) ? "< " : ""
        if (s < 0.001) printf "%s%.0f µs\n", less, s * 1e6
        else if (s < 1) printf "%s%.1f ms\n", less, s * 1e3
        else printf "%s%.2f s\n", less, s
    }'
}

drawn=0
draw() {
    local g line out='' n=0 bar
    while IFS=$'\t' read -r g b w; do
        bar=$(awk -v b="$b" -v w="$w" -v t="${total[$g]}" 'BEGIN {
            x = int(30 * b / t); y = int(30 * w / t + 0.999); if (x + y > 30) y = 30 - x
            while (x-- > 0) { s = s "█"; k++ }
            while (y-- > 0) { s = s "▒"; k++ }
            while (k++ < 30) s = s "·"
            print s }')
        line=$(printf '  %-34s %s%s%s %3d of %3d bound' "${title[$g]}" "$green" "$bar" "$off" "$b" "${total[$g]}")
        ((w)) && line+="$yellow, $w waiting$off"
        out+="$line"$'\e[K\n'
        n=$((n + 1))
    done <"$work/counts"
    out+="  $(elapsed) s, decision p99 $(seconds "$(quantile scheduler_scheduling_algorithm_duration_seconds 0.99)")"$'\e[K\n'
    ((drawn)) && printf '\e[%dA' $((n + 1))
    printf '%s' "$out"
    drawn=1
}
count() {
    local order=" ${groups[*]} "
    awk -F '\t' -v order="$order" '
        { if ($2 != "-") b[$1]++; else if ($3 == "False") w[$1]++ }
        END {
            n = split(order, g, " ")
            for (i = 1; i <= n; i++)
                printf "%s\t%d\t%d\n", g[i], b[g[i]], w[g[i]]
        }' "$work/pods" >"$work/counts"
    bound=$(awk -F '\t' '{ n += $2 } END { print n }' "$work/counts")
    waiting=$(awk -F '\t' '{ n += $3 } END { print n }' "$work/counts")
}

: >"$work/pods"
((tty)) && printf '\e[?25l'
while :; do
    pods || true
    count
    metrics
    if ((tty)); then
        draw
    else
        printf '  %5s s: %3d bound, %2d waiting with a reason\n' "$(elapsed)" "$bound" "$waiting"
    fi
    took=$(elapsed)
    ((bound >= schedulable && bound + waiting >= 500)) && break
    if [[ -n $pid ]] && ! kill -0 "$pid" 2>/dev/null; then
        tail -20 "$work/steelyard.log" >&2
        die "steelyard ended"
    fi
    ((${took%.*} >= limit)) && break
    sleep 0.4
done
((tty)) && printf '\e[?25h'
for c in "${creators[@]}"; do
    wait "$c" || {
        cat "$work/create.log" >&2
        die "the workload was not accepted"
    }
done

# ---- how it ended --------------------------------------------------------------------------------

printf '\n%s%-34s %6s %6s %8s%s\n' "$bold" "500 pods on $nodes nodes, ${took} s" pods bound waiting "$off"
while IFS=$'\t' read -r g b w; do
    c=$green want=${total[$g]}
    [[ $g == toobig ]] && want=0
    ((b == want)) || c=$yellow
    printf '%-34s %6d %s%6d%s %8d\n' "${title[$g]}" "${total[$g]}" "$c" "$b" "$off" "$((total[$g] - b))"
done <"$work/counts"

printf '\n%swaiting, and why%s\n' "$bold" "$off"
awk -F '\t' '$2 == "-" { print $4 == "" ? "(no reason given yet)" : $4 }' "$work/pods" | sort | uniq -c |
    sort -rn | while read -r n why; do
    printf '%4d pods  %s\n' "$n" "$why"
done | fold -s -w 98 | sed '/^ *[0-9]* pods/!s/^/           /'

printf '\n%s%-34s %10s %12s %6s%s\n' "$bold" "utilization (requested)" used total "%" "$off"
"$kubectl" get nodes -o json >"$work/nodes.json"
"$kubectl" get pods -A -o json >"$work/pods.json"
jq -nr --slurpfile nodes "$work/nodes.json" --slurpfile pods "$work/pods.json" '
    def scale: {"":1, m:0.001, k:1e3, M:1e6, G:1e9, T:1e12, Ki:1024, Mi:1048576, Gi:1073741824, Ti:1099511627776};
    def quantity: tostring | capture("^(?<n>[0-9.]+)(?<s>[A-Za-z]*)$") | (.n | tonumber) * scale[.s];
    def columns($model): . as $r
        | {r: "1CPU cores", q: ($r.cpu // "0" | quantity)},
          {r: "2memory, GiB", q: (($r.memory // "0" | quantity) / 1073741824)},
          {r: "3GPUs", q: ($r["nvidia.com/gpu"] // "0" | quantity)},
          {r: "4  \($model)", q: ($r["nvidia.com/gpu"] // "0" | quantity)};
    def sums: group_by(.r) | map({key: .[0].r, value: (map(.q) | add)}) | from_entries;
    ($nodes[0].items | map({key: .metadata.name, value: .metadata.labels["nvidia.com/gpu.product"]}) | from_entries) as $model
    | ([$nodes[0].items[] | $model[.metadata.name] as $m | .status.allocatable | columns($m)] | sums) as $total
    | ([$pods[0].items[] | select(.spec.nodeName and .status.phase != "Succeeded" and .status.phase != "Failed")
        | $model[.spec.nodeName] as $m | .spec.containers[].resources.requests // {} | columns($m)] | sums) as $used
    | $total | keys[] | [.[1:], ($used[.] // 0), $total[.]] | @tsv' |
    while IFS=$'\t' read -r r used all; do
        awk -v r="$r" -v u="$used" -v t="$all" 'BEGIN { printf "%-34s %10.1f %12.1f %6.1f\n", r, u, t, 100 * u / t }'
    done

metrics
if [[ -s $work/metrics ]]; then
    # printf pads by bytes and µ has two.
    pad() { awk -v w="$1" '{ t = $0; gsub(/µ/, "u", t); n = length(t); printf "%*s%s", w - n, "", $0 }'; }
    printf '\n%s%-34s %10s %12s %12s%s\n' "$bold" "latency of $scheduler" mean p50 p99 "$off"
    for m in "scheduling_algorithm_duration_seconds:deciding on a node" \
        "scheduling_attempt_duration_seconds:an attempt, its bind included" \
        "pod_scheduling_sli_duration_seconds:from seen to bound"; do
        metric=scheduler_${m%%:*}
        [[ -n $(mean "$metric") ]] || continue
        printf '%-34s %s %s %s\n' "${m#*:}" "$(seconds "$(mean "$metric")" | pad 10)" \
            "$(seconds "$(quantile "$metric" 0.5)" | pad 12)" "$(seconds "$(quantile "$metric" 0.99)" | pad 12)"
    done
fi

rc=0
misplaced=$(awk -F '\t' '$1 == "toobig" { print $2 }' "$work/counts")
if ((bound - misplaced < schedulable)); then
    printf '\n%s%d pods that can fit were not bound within %d s%s\n' "$red" $((schedulable - bound + misplaced)) "$limit" "$off"
    rc=1
fi
if ((misplaced)); then
    printf '\n%s%d pods were bound where they cannot fit%s\n' "$red" "$misplaced" "$off"
    rc=1
fi
if ((rc == 0 && waiting < total[toobig])); then
    printf '\n%s%d waiting pods do not say why%s\n' "$red" $((total[toobig] - waiting)) "$off"
    rc=1
fi
if ((rc)) && [[ -n $pid ]]; then
    echo "the end of steelyard's log:"
    tail -20 "$work/steelyard.log"
fi

if [[ ${KEEP:-0} != 0 ]]; then
    printf '\nexport KUBECONFIG=%s\n%s -n %s get pods\nhttp://127.0.0.1:%s/metrics\nCtrl-C ends and cleans up.\n' \
        "$KUBECONFIG" "$kubectl" "$ns" "$port"
    while sleep 1; do :; done
fi
exit $rc
