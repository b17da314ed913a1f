#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What can be wrong at the start: one clear line each, and an exit status or a retry that says so.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

# fails WHAT PATTERN STATUS FLAGS...: ends with STATUS within 10 s and one line that matches.
fails() {
    local what=$1 pattern=$2 status=$3 out=$WORK/out rc=0
    shift 3
    timeout 10 "$STEELYARD" run --port 0 "$@" >"$out" 2>&1 </dev/null || rc=$?
    if ((rc != status)); then
        not_ok "$what: exit status $rc, want $status: $(cat "$out")"
    elif [[ $(grep -c -E -- 'level=(error|warn)|^steelyard' "$out") != 1 ]]; then
        not_ok "$what: not one line: $(cat "$out")"
    else
        check "$what" grep -q -E -- "$pattern" "$out"
    fi
}
# retries WHAT PATTERN FLAGS...: goes on and says what and when.
retries() {
    local what=$1 pattern=$2
    shift 2
    start_steelyard "$@"
    check "$what" within 8 grep -q -E -- "$pattern" "$log"
    check "$what: says when it tries again" grep -q 'retrying_in=[0-9.]*s' "$log"
    check "$what: is alive" equal "$(get livez)" ok
    check "$what: is not ready" bash -c "curl -s -m 5 http://127.0.0.1:$port/readyz | grep -q '^\[-\]'"
    kill -TERM "$pid"
    check "$what: SIGTERM ends it" ends_with 0 5
}

fails "unknown flag" 'unknown.* --frob.*--help' 2 --frob
fails "wrong value of a flag" '^steelyard: --log-level: "loud" is not known; give debug' 1 --log-level loud
fails "wrong kubeconfig path" 'kubeconfig.*/nonexistent/kubeconfig' 1 --kubeconfig /nonexistent/kubeconfig
printf 'a: [\n' >"$WORK/broken"
fails "malformed kubeconfig" 'broken:[0-9]+' 1 --kubeconfig "$WORK/broken"
fails "malformed configuration" '^steelyard: .*broken:[0-9]+' 1 --config "$WORK/broken"
fails "no such configuration" '^steelyard: .*/nonexistent/config.yaml' 1 --config /nonexistent/config.yaml

"$STEELYARD" config print >"$WORK/defaults"
check "config print gives what config check accepts" equal \
    "$("$STEELYARD" config check "$WORK/defaults" 2>&1)" "$WORK/defaults: ok"
printf 'apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\nservr: {}\nqueue: {backoffMax: ten}\n' >"$WORK/two"
rc=0
out=$("$STEELYARD" config check "$WORK/two" 2>&1) || rc=$?
check "config check: status" equal "$rc" 1
check "config check: all problems, with their lines" equal "$out" \
    "$WORK/two:3: servr: unknown key; did you mean \"server\"?
$WORK/two:4: queue.backoffMax: \"ten\" is not right here; give a duration such as 500ms, 10s or 1m30s"

start_cluster --nodes 1
fails "no such context" 'nowhere' 1 --kubeconfig "$KUBECONFIG" --context nowhere
exec {listener}< <(exec python3 -c '
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True); time.sleep(600)')
holder=$!
read -r taken <&"$listener"
fails "port in use" "127.0.0.1.*$taken.* in use" 1 --kubeconfig "$KUBECONFIG" --port "$taken"
kill "$holder"

# variant FILE COMMAND...: a copy of the kubeconfig, changed by kubectl config.
variant() {
    cp "$KUBECONFIG" "$1"
    "$kubectl" --kubeconfig "$1" config "${@:2}" >/dev/null
}
"$kubectl" create serviceaccount weak >/dev/null
cluster=$("$kubectl" config view -o jsonpath='{.contexts[0].context.cluster}')
with_token() {
    variant "$1" set-credentials other "--token=$2"
    "$kubectl" --kubeconfig "$1" config set-context --current --user=other >/dev/null
}
with_token "$WORK/expired" "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.c2ln"
fails "rejected token" '401.*token' 1 --kubeconfig "$WORK/expired"
check "and the token is not in the output" bash -c "! grep -q eyJ '$WORK/out'"

openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=wrong -days 1 -keyout "$WORK/key" \
    -out "$WORK/ca" 2>/dev/null
variant "$WORK/wrong-ca" set-cluster "$cluster" "--certificate-authority=$WORK/ca" --embed-certs=true
fails "wrong CA" 'certificate.*not trusted' 1 --kubeconfig "$WORK/wrong-ca"
variant "$WORK/closed" set-cluster "$cluster" --server=https://127.0.0.1:1
retries "unreachable server" 'https://127.0.0.1:1.*refused' --kubeconfig "$WORK/closed"
with_token "$WORK/weak" "$("$kubectl" create token weak)"
retries "denied by RBAC" 'system:serviceaccount:default:weak.*cannot (list|watch) resource.*hint=' \
    --kubeconfig "$WORK/weak"

# Rights given later are enough: nobody restarts it.
start_steelyard --kubeconfig "$WORK/weak"
within 5 logged 'cannot'
"$kubectl" create clusterrolebinding weak --clusterrole=cluster-admin --serviceaccount=default:weak >/dev/null
check "rights granted later heal it" within 20 ready
kill -TERM "$pid"
check "SIGTERM ends it" ends_with 0 5

rc=0
out=$("$STEELYARD" run --validate-only --kubeconfig "$KUBECONFIG" 2>&1) || rc=$?
check "--validate-only accepts what is right" equal "$rc$out" 0
rc=0
"$STEELYARD" run --validate-only --kubeconfig /nonexistent >/dev/null 2>&1 || rc=$?
check "--validate-only refuses what is wrong" equal "$rc" 1
