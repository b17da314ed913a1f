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
