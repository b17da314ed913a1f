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
    and all(.runs[]; .gangs == 300 and .whole + .given_up == 300 and .partial == 0
        and .overcommitted == 0 and .binds_refused > 0 and .binds_lost > 0 and .answers_lost > 0
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
for wrong in "--pods $WORK/pods.csv" "--reproduce other" "--reproduce fgd --tune 0" \
    "--reproduce fgd --policy Nope" "--reproduce fgd --nodes $WORK/nodes.csv"; do
    rc=0
    # shellcheck disable=SC2086
    "$STEELYARD" simulate $wrong >"$WORK/out" 2>"$WORK/err" || rc=$?
    [[ $rc == 2 && $(wc -l <"$WORK/err") == 1 ]] || die "$wrong: exit $rc, $(<"$WORK/err")"
done
ok "traces are played, models heeded, and wrong files and flags told"
