#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Credentials of every kind, at the highest verbosity and with what goes wrong: none is in what the
# daemon writes, none lands in a core dump, none goes over a connection older than TLS 1.2. Peers of
# the HTTP port that are slow or send too much are cut, and others are served meanwhile.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

others=()
cleanup() {
    local rc=$? p
    for p in ${others[@]+"${others[@]}"}; do kill -KILL "$p" 2>/dev/null || true; done
    finish "$rc"
}
trap cleanup EXIT

start_cluster --nodes 1 --kube-scheduler=false
k() { "$kubectl" "$@"; }
k create serviceaccount runner >/dev/null
k create clusterrolebinding runner --clusterrole cluster-admin --serviceaccount default:runner >/dev/null
token=$(k create token runner)
secrets=("${token:20:40}" "${token: -40}")

# as NAME CREDENTIAL-FLAG...: a kubeconfig of that user alone.
as() {
    local file=$WORK/$1.kubeconfig
    jq -n --argjson c "$(k config view --raw -o json)" '$c | .users = []' >"$file"
    shift
    k --kubeconfig "$file" config set-credentials own "$@" >/dev/null
    k --kubeconfig "$file" config set-context --current --user=own >/dev/null
    echo "$file"
}
begin() {
    start_steelyard --log-level debug --kubeconfig "$@"
    logs+=("$log")
}
end_it() {
    kill -TERM "$pid"
    check "$1: an orderly end" ends_with 0 20
}
logs=()

echo '# a token, and a port that is asked with tokens'
begin "$(as token "--token=$token")"
check "it is ready" within 20 ready
echo "$token" >"$WORK/curl-token"
asked() { curl -sk -m 5 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $2" "https://127.0.0.1:$port$1"; }
check "a good token" equal "$(asked /steelyard/v1/nodes "$token")" 200
check "a bad one" equal "$(asked /steelyard/v1/nodes "bad-s3cret-token")" 401
check "one where none belongs" equal "$(asked "/steelyard/v1/nodes?token=query-s3cret" "$token")" 200
curl -s -m 5 -o /dev/null "http://user:basic-s3cret@127.0.0.1:$port/steelyard/v1/nodes" || true
secrets+=(bad-s3cret-token query-s3cret basic-s3cret "$(printf user:basic-s3cret | base64)")

echo '# peers that are slow, or send too much'
served() { [[ $(get livez) == ok ]]; }
exec 8<>"/dev/tcp/127.0.0.1/$port"
trickle() ( # a byte each half second, until the connection is gone
    trap '' PIPE
    local i
    printf 'GET /livez HTTP/1.1\r\nHost: x\r\nX: ' >&8
    for ((i = 0; i < 60; i++)); do
        printf a >&8 || exit 0
        sleep 0.5
    done 2>/dev/null
    exit 1
)
trickle &
trickling=$!
check "others are served beside a slow one" served
status() { curl -s -m 5 -o /dev/null -w '%{http_code}' "$@" "http://127.0.0.1:$port/livez"; }
check "a head of 20 kB is refused" equal "$(status -H "X: $(printf 'a%.0s' {1..20000})")" 431
check "so are a thousand fields" bash -c "[[ \$(for i in {1..2000}; do echo \"-H X\$i:abcdefgh\"; done |
    xargs curl -s -m 5 -o /dev/null -w '%{http_code}' http://127.0.0.1:$port/livez) == 431 ]]"
check "a body is not read" bash -c "head -c 3000000 /dev/zero | curl -s -m 5 -o /dev/null -w '%{http_code}' \
    --data-binary @- http://127.0.0.1:$port/livez | grep -q '^4'"
check "a request that trickles in is cut" wait "$trickling"
exec 8>&-
check "others are still served" served
idle=()
for ((i = 0; i < 300; i++)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$port" || break
    idle+=("$fd")
done
check "300 idle connections keep nobody out" served
for fd in "${idle[@]}"; do exec {fd}>&-; done
end_it "token"

echo '# a core dump'
# Only where the system writes them at all: a program like any other shows it.
cores() ( # FLAGS...: what the shell says of an aborted steelyard
    cd "$WORK" && ulimit -c unlimited &&
        "$STEELYARD" run --port 0 --kubeconfig "$WORK/token.kubeconfig" "$@" >"$WORK/core.log" 2>&1 &
    local daemon=$! rc=0
    within 10 grep -q ' port=' "$WORK/core.log"
    kill -ABRT "$(pgrep -P "$daemon" -x steelyard || echo "$daemon")"
    wait "$daemon" || rc=$?
    find "$WORK" -maxdepth 1 -name 'core*' ! -name core.log
    echo "status $rc"
)
if [[ $(</proc/sys/kernel/core_pattern) == core* ]]; then
    check "is written where it is asked for" grep -q '/core' <(cores --allow-core-dumps)
    rm -f "$WORK"/core "$WORK"/core.[0-9]*
    check "and else not" bash -c "! grep -q '/core' <<<'$(cores)'"
fi

echo '# a program that gives credentials'
mkdir "$WORK/bin"
cat >"$WORK/bin/plugin" <<END
#!/bin/sh
ulimit -c >"$WORK/core-limit"
[ -e "$WORK/broken" ] && { echo "{\"token\": \"broken-s3cret\" "; exit 0; }
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "$token"}}'
END
chmod +x "$WORK/bin/plugin"
secrets+=(broken-s3cret)
ulimit -c unlimited 2>/dev/null || true
begin "$(as plugin --exec-command "$WORK/bin/plugin" --exec-api-version client.authentication.k8s.io/v1)"
check "it is ready by it" within 20 ready
check "the program writes no core dump either" equal "$(<"$WORK/core-limit")" 0
end_it "program"
touch "$WORK/broken"
broken=$WORK/broken.log
"$STEELYARD" run --port 0 --log-level debug --kubeconfig "$WORK/plugin.kubeconfig" >"$broken" 2>&1 || true
check "a program that gives nonsense is reported" grep -q 'level=error.*plugin' "$broken"
logs+=("$broken")

echo '# what the server refuses'
begin "$(as basic --username jane --password basic-pass-s3cret)"
check "user and password: the refusal is reported" within 10 logged 403
end_it "password"
begin "$(as bad --token=refused-s3cret)"
check "a token: the refusal ends it" ends_with 1 10
check "and is reported" logged 401
secrets+=(basic-pass-s3cret "$(printf jane:basic-pass-s3cret | base64)" refused-s3cret)
key=$(k config view --raw -o jsonpath='{.users[0].user.client-key-data}')
begin "$KUBECONFIG"
check "a certificate: ready" within 20 ready
end_it "certificate"
secrets+=("${key:100:60}" "$(base64 -d <<<"$key" | sed -n 2p)" 'PRIVATE KEY')

echo '# an API server without TLS 1.2'
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$WORK/old.key" -out "$WORK/old.crt" 2>/dev/null
# serves VERSION-FLAG: sets old, a kubeconfig for a server of that version alone.
serves() {
    local at=$((20000 + RANDOM % 10000))
    # -www reads nothing from standard input.
    openssl s_server -accept "127.0.0.1:$at" -www "$1" -cipher ALL:@SECLEVEL=0 -cert "$WORK/old.crt" \
        -key "$WORK/old.key" >"$WORK/old.log" 2>&1 </dev/null &
    others+=($!)
    within 10 bash -c ": </dev/tcp/127.0.0.1/$at" || not_ok "openssl does not listen"
    old=$WORK/old.kubeconfig
    jq -n --arg url "https://127.0.0.1:$at" --arg ca "$(base64 -w0 "$WORK/old.crt")" --arg t "$token" '
        {apiVersion: "v1", kind: "Config", "current-context": "x",
         clusters: [{name: "x", cluster: {server: $url, "certificate-authority-data": $ca}}],
         contexts: [{name: "x", context: {cluster: "x", user: "x"}}],
         users: [{name: "x", user: {token: $t}}]}' >"$old"
}
serves -tls1_1
begin "$old"
check "is not talked to" within 10 logged 'TLS: \|protocol version'
check "is not taken for one that answers" bash -c "! curl -fsS -m 5 http://127.0.0.1:$port/readyz 2>/dev/null"
end_it "TLS 1.1"
serves -tls1_2
begin "$old"
check "one with it is, as far as it makes sense" within 10 logged 'an object of'
end_it "TLS 1.2"

echo '# what was written'
for log in "${logs[@]}"; do
    grep -q level= "$log" || not_ok "nothing is in $log"
    for secret in "${secrets[@]}"; do
        ! grep -qF -- "$secret" "$log" || not_ok "$log holds $secret"
    done
done
check "all ${#logs[@]} logs are free of ${#secrets[@]} secrets" equal "$failed" 0
