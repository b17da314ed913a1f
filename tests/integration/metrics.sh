#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# /metrics against the real kube-scheduler's: stable metrics have its names, types, labels and buckets;
# promtool is content; a real Prometheus scrapes us and evaluates every alert rule of the chart, each
# alert fires on what it is for, and rules and dashboard ask for nothing that we do not have.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

rules=$root/charts/steelyard/rules/alerts.yaml
mkdir "$WORK/rules"
cp "$rules" "$root/tests/rules/alerts_test.yaml" "$WORK/rules/"
quietly() { "$@" >"$WORK/said" 2>&1 || { cat "$WORK/said" && return 1; }; }
check "promtool takes the rules" quietly promtool check rules "$rules"
check "each alert fires when it should and only then" \
    quietly promtool test rules "$WORK/rules/alerts_test.yaml"
alerts=$(sed -n 's/^  - alert: //p' "$rules")
told() {
    local a
    for a in $alerts; do
        grep -q "^## $a\$" "$root/docs/operate.md" || { echo "docs/operate.md has no section $a" && return 1; }
        grep -q "alertname: $a\$" "$root/tests/rules/alerts_test.yaml" || { echo "$a has no test" && return 1; }
    done
}
check "each is explained and tested" told

start_cluster --nodes 3
start_steelyard
within 20 ready
for scheduler in steelyard default-scheduler; do
    pods "${scheduler%%-*}" 5 "$scheduler" 100m
    echo ---
    pods "big-${scheduler%%-*}" 1 "$scheduler" 1000
    echo ---
done | "$kubectl" create -f - >/dev/null
within 20 bound_is steelyard 5
within 20 bound_is default 5
get metrics >"$WORK/ours"
check "promtool finds nothing to say" equal "$(promtool check metrics <"$WORK/ours" 2>&1)" ''

# The real one's port is nowhere but in its own command line.
real=$(pgrep -f -- "kube-scheduler .*$cluster_name" | head -n 1)
real_port=$(tr '\0' '\n' <"/proc/$real/cmdline" | sed -n 's/^--secure-port=//p')
"$kubectl" create clusterrole metrics --verb=get --non-resource-url=/metrics >/dev/null
"$kubectl" create clusterrolebinding metrics --clusterrole=metrics --serviceaccount=default:default >/dev/null
scrape() {
    curl -fsSk -m 5 -H "Authorization: Bearer $("$kubectl" create token default)" \
        "https://127.0.0.1:$real_port/metrics" >"$WORK/theirs"
}
check "kube-scheduler's metrics can be read" within 10 scrape

# shapes FILE: for each stable metric: its type, and per sample its labels with le's values.
shapes() {
    awk '
        /^# TYPE / { type[$3] = $4; next }
        /^#/ { next }
        {
            name = $0; sub(/[{ ].*/, "", name)
            family = name
            if (!(family in type)) sub(/_(bucket|sum|count)$/, "", family)
            labels = ""
            if (match($0, /\{.*\}/)) {
                labels = substr($0, RSTART + 1, RLENGTH - 2)
                while (match(labels, /(^|,)[a-z_]+="[^"]*"/)) {
                    one = substr(labels, RSTART, RLENGTH); sub(/^,/, "", one)
                    labels = substr(labels, RSTART + RLENGTH)
                    key = one; sub(/=.*/, "", key)
                    out = out (key == "le" ? one : key) " "
                }
            }
            print family, type[family], name, out; out = ""
        }' "$1" | LC_ALL=C sort -u
}
stable() { awk '/^# HELP scheduler_.*\[STABLE\]/ { print $3 }' "$WORK/theirs"; }
shapes "$WORK/ours" >"$WORK/ours.shapes"
shapes "$WORK/theirs" >"$WORK/theirs.shapes"
as_theirs() {
    grep "^$1 " "$WORK/theirs.shapes" >"$WORK/a"
    grep "^$1 " "$WORK/ours.shapes" >"$WORK/b"
    diff "$WORK/a" "$WORK/b"
}
count=0
for name in $(stable); do
    count=$((count + 1))
    check "$name is as kube-scheduler's" as_theirs "$name"
done
check "there are stable ones" test "$count" -ge 6

echo '# a real Prometheus'
others=''
# shellcheck disable=SC2154 # it is assigned in the trap itself
trap 'rc=$?; [[ -z $others ]] || kill "$others" 2>/dev/null || true; finish "$rc"' EXIT
free=0
until ((free)) && ! (echo >"/dev/tcp/127.0.0.1/$free") 2>/dev/null; do
    free=$((RANDOM % 10000 + 20000))
done
cat >"$WORK/prometheus.yml" <<EOF
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules/alerts.yaml]
scrape_configs:
- {job_name: steelyard, static_configs: [{targets: ["127.0.0.1:$port"]}]}
EOF
prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --log.level=warn \
    --web.listen-address="127.0.0.1:$free" >"$WORK/prometheus.log" 2>&1 &
others=$!
ask() { curl -fsS -m 5 -G "http://127.0.0.1:$free/api/v1/$1" "${@:2}"; }
scraped() { [[ $(ask query --data-urlencode 'query=up{job="steelyard"}' | jq -r '.data.result[0].value[1]') == 1 ]]; }
check "it scrapes us" within 20 scraped
evaluated() {
    ask rules | jq -e '[.data.groups[].rules[]] | length > 0 and all(.health == "ok")' >/dev/null
}
check "it evaluates every rule" within 20 evaluated
firing() { ask alerts | jq -r '.data.alerts[] | select(.state == "firing") | .labels.alertname'; }
check "none fires on a healthy one" equal "$(firing)" ''
known() { sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$WORK/ours"; }
# strangers EXPRESSIONS: names of metrics in them that we do not write.
strangers() {
    grep -o '\b\(steelyard\|scheduler\|process\|leader\|rest\)_[a-z_]*' "$1" |
        sed -E 's/_(bucket|sum|count)$//' | sort -u | grep -v -x -F -f <(
            known
            # only with leader election, and with sources of load
            printf '%s\n' leader_election_master_status steelyard_load_source_up
        ) || true
}
grep 'expr:\|{job=' "$rules" >"$WORK/expressions"
check "the rules ask for what we write" equal "$(strangers "$WORK/expressions")" ''
jq -r '.. | .expr? // empty' "$root/charts/steelyard/dashboards/steelyard.json" >"$WORK/panels"
check "and so does the dashboard" equal "$(strangers "$WORK/panels")" ''
parsed() {
    local expression
    while IFS= read -r expression; do
        ask query --data-urlencode "query=${expression//\$job/.*}" >/dev/null || { echo "$expression" && return 1; }
    done <"$WORK/panels"
}
check "each of its panels is a query" parsed
finish
