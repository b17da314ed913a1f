#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `steelyard simulate` from the outside: the same flags give the same bytes whatever the number of
# threads, the outputs are what they say they are, and wrong flags end with 2.
set -euo pipefail

ok() { echo "ok - $1"; }
die() {
    echo "not ok - $1"
    exit 1
}

small=(simulate --nodes 8 --hours 1 --warmup 0.5 --seeds 3-6)
policies=DynamicWeight,LeastAllocated,kube

"$STEELYARD" "${small[@]}" --policy "$policies" --json --jobs 1 >"$WORK/one.json"
"$STEELYARD" "${small[@]}" --policy "$policies" --json --jobs 4 --exact \
    --report "$WORK/r.html" --svg "$WORK" >"$WORK/four.json"
cmp "$WORK/one.json" "$WORK/four.json" || die "threads or --exact change the figures"
ok "the same flags give the same bytes on one thread and on four"

jq -e '
    [.policies[].policy] == ["DynamicWeight", "LeastAllocated", "kube"]
    and all(.policies[]; [.runs[].seed] == [3, 4, 5, 6])
    and all(.policies[].runs[]; .pods > 0 and .binds > 0)
    and all(.policies[]; ([.runs[].wait_p99_s] | add / 4) - .mean.wait_p99_s | . < 0.001 and . > -0.001)
    and all(.policies[].first_less_this.overload_node_min; .wins + .losses <= 4)
' "$WORK/one.json" >/dev/null || die "the JSON does not agree with itself"
ok "JSON agrees with itself"

[[ $(find "$WORK" -name '*.svg' | wc -l) == 5 && $(grep -c '<svg ' "$WORK/r.html") == 5 ]] ||
    die "not all plots are there"
if command -v python3 >/dev/null; then
    python3 - "$WORK" <<'PY' || die "a plot or the page is not well formed"
import glob, html.parser, sys, xml.dom.minidom
work = sys.argv[1]
files = glob.glob(work + "/*.svg")
assert len(files) == 5
for f in files:
    assert xml.dom.minidom.parse(f).documentElement.tagName == "svg"

class Page(html.parser.HTMLParser):
    svgs, stack = 0, []
    def handle_starttag(self, tag, attrs):
        self.svgs += tag == "svg"
        assert not any(k in ("src", "href") for k, v in attrs)
        if tag not in ("meta", "line", "rect", "circle", "path"):
            self.stack.append(tag)
    def handle_endtag(self, tag):
        if tag not in ("meta", "line", "rect", "circle", "path"):
            assert self.stack.pop() == tag
page = Page()
page.feed(open(work + "/r.html").read())
assert page.svgs == 5 and not page.stack
PY
fi
ok "plots and page are there and well formed"

"$STEELYARD" simulate --scenario list | grep -q '^balance ' || die "no list of scenarios"
for wrong in "--policy Nope" "--seeds 5-3" "--seeds x" "--nodes -1" "--hours 0x" "--measured maybe" \
    "--scenario none" "--jobs 0" "left over"; do
    rc=0
    # shellcheck disable=SC2086
    "$STEELYARD" simulate $wrong >"$WORK/out" 2>"$WORK/err" || rc=$?
    [[ $rc == 2 && $(wc -l <"$WORK/err") == 1 ]] || die "$wrong: exit $rc, $(<"$WORK/err")"
done
rc=0
"$STEELYARD" simulate --nodes 0 2>/dev/null || rc=$?
[[ $rc == 1 ]] || die "--nodes 0: exit $rc"
rc=0
"$STEELYARD" "${small[@]}" --report "$WORK/no/such" >/dev/null 2>"$WORK/err" || rc=$?
[[ $rc == 1 ]] || die "an unwritable report: exit $rc"
ok "wrong flags and files are told apart and end the run"

# -- gangs --

"$STEELYARD" simulate --gang-arrivals 300 --nodes 16 --seeds 1-2 --json --jobs 2 >"$WORK/g2.json"
"$STEELYARD" simulate --gang-arrivals 300 --nodes 16 --seeds 1-2 --json --jobs 1 --exact >"$WORK/g1.json"
cmp "$WORK/g1.json" "$WORK/g2.json" || die "threads or --exact change the figures of gangs"
jq -e '.nodes == 16 and ([.runs[].seed] == [1, 2])
    and all(.runs[]; .gangs == 300 and .whole + .given_up == 300 and .binds_refused > 0 and .binds_lost > 0 and .answers_lost > 0
        and .nodes_gone > 0 and .members_deleted > 0)' "$WORK/g1.json" >/dev/null ||
    die "the figures of gangs are not what they should be: $(<"$WORK/g1.json")"
"$STEELYARD" simulate --gang-arrivals 20 | grep -q '^seed 1: no partial gang' || die "no table of gangs"
for wrong in "--gang-arrivals 0" "--gang-arrivals 5 --nodes 3" "--gang-arrivals 5 --policy Nope"; do
    rc=0
    # shellcheck disable=SC2086
    "$STEELYARD" simulate $wrong >"$WORK/out" 2>"$WORK/err" || rc=$?
    [[ $rc == 2 && $(wc -l <"$WORK/err") == 1 ]] || die "$wrong: exit $rc, $(<"$WORK/err")"
done
ok "gangs come under failures, and none is partial"

# -- traces --

"$STEELYARD" simulate --reproduce fgd --seeds 42-43 --policy steelyard,FGD,Random --json --jobs 1 \
    >"$WORK/t1.json"
"$STEELYARD" simulate --reproduce fgd --seeds 42-43 --policy steelyard,FGD,Random --json --jobs 3 \
    --report "$WORK/t.html" >"$WORK/t3.json"
cmp "$WORK/t1.json" "$WORK/t3.json" || die "threads change what traces give"
jq -e '
    .tune == 1.3 and ([.traces[].policies[].policy] == ["steelyard", "FGD", "Random"])
    and all(.traces[].policies[]; [.runs[].seed] == [42, 43]
        and .mean.allocated_percent["130"] <= 100 and all(.runs[]; .placed > 0 and .placed < .pods))
    and (.traces[0].policies | .[0].mean.allocated_percent["100"] > .[2].mean.allocated_percent["100"])
' "$WORK/t1.json" >/dev/null || die "the JSON of traces is not what it should be"
[[ $(grep -c '<svg ' "$WORK/t.html") == 3 ]] || die "not all plots of the trace are there"

printf 'sn,cpu_milli,memory_mib,gpu,model\na,8000,8192,2,X\nb,8000,8192,2,Y\n' >"$WORK/nodes.csv"
printf 'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\np,1000,1024,1,500,Y\n' >"$WORK/pods.csv"
"$STEELYARD" simulate --nodes "$WORK/nodes.csv" --pods "$WORK/pods.csv" --seeds 1 --policy steelyard \
    --tune 1 --json >"$WORK/t.json"
# Only half of the cluster is of the model: four pods fit, and eight come.
jq -e '.traces[0] | .trace == "pods" and (.policies[0].runs[0] | .pods == 8 and .placed == 4)' \
    "$WORK/t.json" >/dev/null || die "models are not heeded: $(<"$WORK/t.json")"

echo 'name,cpu_milli,memory_mib,num_gpu,gpu_milli' >"$WORK/bad.csv"
echo 'p,x,1,1,500' >>"$WORK/bad.csv"
rc=0
"$STEELYARD" simulate --nodes "$WORK/nodes.csv" --pods "$WORK/bad.csv" 2>"$WORK/err" || rc=$?
[[ $rc == 1 ]] && grep -q 'bad.csv:2: cpu_milli: "x"' "$WORK/err" || die "bad CSV: $rc, $(<"$WORK/err")"
for wrong in "--pods $WORK/pods.csv" "--reproduce fgd --wait" "--reproduce fgd --gangs 2" \
    "--reproduce fgd --as-listed --departures 5" "--reproduce other" "--reproduce fgd --tune 0" \
    "--reproduce fgd --policy Nope" "--reproduce fgd --nodes $WORK/nodes.csv"; do
    rc=0
    # shellcheck disable=SC2086
    "$STEELYARD" simulate $wrong >"$WORK/out" 2>"$WORK/err" || rc=$?
    [[ $rc == 2 && $(wc -l <"$WORK/err") == 1 ]] || die "$wrong: exit $rc, $(<"$WORK/err")"
done
ok "traces are played, models heeded, and wrong files and flags told"

# -- gangs in traces --

"$STEELYARD" simulate --reproduce fgd --seeds 42-43 --policy steelyard,FGD --gangs 0.5 --departures 1500 \
    --wait --tune 1.3 --json --jobs 1 >"$WORK/w1.json"
"$STEELYARD" simulate --reproduce fgd --seeds 42-43 --policy steelyard,FGD --gangs 0.5 --departures 1500 \
    --wait --tune 1.3 --json --jobs 2 --exact --report "$WORK/w.html" >"$WORK/w2.json"
cmp "$WORK/w1.json" "$WORK/w2.json" || die "threads or --exact change what traces with gangs give"
jq -e '.waits and (.as_listed | not) and all(.traces[].policies[].runs[];
    .singles.units + .gangs.units == 1500 and .gangs.units > 20 and .gangs.max_s > 0
    and .mean_allocated_percent > 50 and .mean_allocated_percent <= 100)' "$WORK/w1.json" >/dev/null ||
    die "the figures of waiting gangs are not what they should be"
grep -q '<svg ' "$WORK/w.html" || die "no plot of waiting gangs"
cat >"$WORK/gangs.csv" <<'CSV'
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gang,creation_time,deletion_time
a,1000,1024,2,1000,,100,160
b,1000,1024,2,1000,g,110,120
c,1000,1024,2,1000,g,110,120
CSV
"$STEELYARD" simulate --nodes "$WORK/nodes.csv" --pods "$WORK/gangs.csv" --seeds 1 --policy steelyard \
    --as-listed --json >"$WORK/t.json"
jq -e '.as_listed and (.traces[0].policies[0].mean | .gangs.units == 1 and .gangs.mean_s == 50
    and .singles.mean_s == 0 and .lasted_s == 70)' "$WORK/t.json" >/dev/null ||
    die "a gang of a list: $(<"$WORK/t.json")"
ok "gangs in traces come, wait and are placed whole"

# -- files of objects --

cat >"$WORK/load.yaml" <<'YAML'
apiVersion: v1
kind: Node
metadata:
  name: gpu
  annotations: {simulate.steelyard.dev/copies: "4"}
status:
  capacity: {cpu: 64, memory: 512Gi, nvidia.com/gpu: 8}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: train
  annotations: {simulate.steelyard.dev/arrives-after: 10m}
spec:
  completions: 4
  template:
    metadata:
      labels: {steelyard.dev/pod-group: train}
      annotations: {steelyard.dev/min-member: "4", simulate.steelyard.dev/runs-for: 2h}
    spec:
      containers:
      - {name: main, resources: {limits: {cpu: 8, nvidia.com/gpu: 8}}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: early
  annotations: {simulate.steelyard.dev/runs-for: 15m, simulate.steelyard.dev/arrives-every: 60s}
spec:
  replicas: 5
  template:
    spec:
      containers:
      - {name: main, resources: {limits: {cpu: 1, nvidia.com/gpu: 1}}}
YAML
"$STEELYARD" simulate --nodes "$WORK/load.yaml" --pods "$WORK/load.yaml" --policy steelyard,default \
    --seeds 1-2 --exact --json >"$WORK/t.json"
# The gang needs all four nodes, which the last of the others leaves at 1140 s.
jq -e '.as_listed and all(.traces[0].policies[].runs[]; .pods == 9 and .placed == 9
    and .gangs.units == 1 and .gangs.max_s == 540 and .singles.units == 5 and .singles.max_s == 0
    and .lasted_s == 8340 and (.mean_allocated_percent - 100 * 234900 / 266880 | fabs < 0.001))' \
    "$WORK/t.json" >/dev/null || die "a workload in YAML: $(<"$WORK/t.json")"
"$STEELYARD" simulate --nodes "$WORK/load.yaml" --pods "$WORK/load.yaml" --seeds 1 --policy default |
    grep -q '^load.yaml  *default ' || die "no table of a workload"

# A snapshot in which one pod of a gang runs on one of two nodes, and a taint keeps others off it.
{
    echo '{"apiVersion":"snapshot.steelyard.dev/v1","kind":"Snapshot"}'
    node='{"apiVersion":"v1","kind":"Node","metadata":{"name":"%s","uid":"n%s"},"spec":{"taints":[%s]},
        "status":{"allocatable":{"cpu":"8","memory":"8Gi","nvidia.com/gpu":"2","pods":"10"}}}'
    # shellcheck disable=SC2059
    printf "${node//$'\n'/}\n" a a '' b b '{"key":"k","effect":"NoSchedule"}'
    pod='{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p%s","namespace":"x","uid":"p%s",
        "labels":{"steelyard.dev/pod-group":"g"},"annotations":{"steelyard.dev/min-member":"2"}},
        "spec":{%s"containers":[{"name":"c","resources":{"requests":{"cpu":"1","nvidia.com/gpu":"1"}}}]}}'
    # shellcheck disable=SC2059
    printf "${pod//$'\n'/}\n" 0 0 '"nodeName":"a",' 1 1 '' 2 2 ''
    echo '{"apiVersion":"snapshot.steelyard.dev/v1","kind":"SnapshotEnd","objects":5}'
} >"$WORK/snap.jsonl"
"$STEELYARD" simulate --nodes "$WORK/snap.jsonl" --pods "$WORK/snap.jsonl" --seeds 1 --policy default --json \
    >"$WORK/t.json"
jq -e '.traces[0].policies[0].runs[0] | .pods == 2 and .placed == 1' "$WORK/t.json" >/dev/null ||
    die "a snapshot: $(<"$WORK/t.json")"
# The same cluster under a list of its own: one GPU is taken and two are behind the taint.
printf 'name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1000,1024,1,1000\n' >"$WORK/one.csv"
"$STEELYARD" simulate --nodes "$WORK/snap.jsonl" --pods "$WORK/one.csv" --seeds 1 --policy default --tune 1 \
    --json >"$WORK/t.json"
jq -e '.traces[0].policies[0].runs[0] | .pods == 4 and .placed == 1' "$WORK/t.json" >/dev/null ||
    die "a snapshot's nodes under a list: $(<"$WORK/t.json")"

# One that runs on the only node for a while, and one that comes in the meantime.
cat >"$WORK/runs.yaml" <<'YAML'
kind: Node
apiVersion: v1
metadata: {name: n}
status: {capacity: {cpu: 1, memory: 1Gi}}
---
kind: Pod
apiVersion: v1
metadata: {name: first, annotations: {simulate.steelyard.dev/runs-for: 100s}}
spec: {nodeName: n, containers: [{name: c, resources: {requests: {cpu: 1}}}]}
---
kind: Pod
apiVersion: v1
metadata: {name: second, annotations: {simulate.steelyard.dev/runs-for: 50s}}
spec: {containers: [{name: c, resources: {requests: {cpu: 500m}}}]}
YAML
"$STEELYARD" simulate --nodes "$WORK/runs.yaml" --pods "$WORK/runs.yaml" --seeds 1 --policy default --json \
    >"$WORK/t.json"
jq -e '.traces[0].policies[0].runs[0] | .placed == 1 and .singles.max_s == 100 and .lasted_s == 150
    and (.mean_cpu_percent - 100 * 125 / 150 | fabs < 0.001)' "$WORK/t.json" >/dev/null ||
    die "a pod that runs from the start: $(<"$WORK/t.json")"

# A PodGroup says how many there must be, whatever the pods say: three do not fit.
sed -e 's/steelyard.dev.pod-group":"g"/scheduling.x-k8s.io\/pod-group":"g"/' -e 's/"objects":5/"objects":6/' \
    -e '2i {"apiVersion":"scheduling.x-k8s.io/v1alpha1","kind":"PodGroup","metadata":{"name":"g","namespace":"x","uid":"g"},"spec":{"minMember":3}}' \
    "$WORK/snap.jsonl" >"$WORK/group.jsonl"
"$STEELYARD" simulate --nodes "$WORK/group.jsonl" --pods "$WORK/group.jsonl" --seeds 1 --policy default --json \
    >"$WORK/t.json"
jq -e '.traces[0].policies[0].runs[0] | .pods == 2 and .placed == 0 and .gangs.never == 1' "$WORK/t.json" \
    >/dev/null || die "a snapshot with a PodGroup: $(<"$WORK/t.json")"

rc=0
"$STEELYARD" simulate --nodes "$WORK/load.yaml" --pods "$WORK/load.yaml" --gangs 0.5 2>"$WORK/err" || rc=$?
[[ $rc == 1 ]] && grep -q 'say themselves' "$WORK/err" || die "--gangs for objects: $rc, $(<"$WORK/err")"

head -n 4 "$WORK/snap.jsonl" >"$WORK/cut.jsonl"
printf 'kind: Pod\nmetadata:\n  name: p\n  labels: {version: 1}\nspec: {}\n' >"$WORK/bad.yaml"
while read -r file says; do
    rc=0
    "$STEELYARD" simulate --nodes "$WORK/load.yaml" --pods "$WORK/$file" 2>"$WORK/err" || rc=$?
    [[ $rc == 1 && $(wc -l <"$WORK/err") == 1 ]] && grep -q "$file.*$says" "$WORK/err" ||
        die "$file: exit $rc, $(<"$WORK/err")"
done <<'SAYS'
cut.jsonl cut short
bad.yaml 4: labels.version: text is needed here: write "1" in quotes
SAYS
ok "snapshots and manifests are played as they say, and mistakes in them told"
