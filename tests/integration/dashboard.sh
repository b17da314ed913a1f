#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The dashboard in a real Chromium, before a scheduler and a real control plane; and its stream as
# others see it: who is let in, that it ends for who is not, and what it costs.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

command -v chromium >/dev/null || {
    not_ok "there is no chromium: apt-get install chromium (make deps does)"
    finish
}
(cd "$root/tests/browser" && GOWORK=off go build -buildvcs=false -o "$WORK/browser" .)
start_cluster --nodes 40 --gpus 8 --zones 3
k() { "$kubectl" "$@"; }
k create serviceaccount viewer >/dev/null
k create clusterrole viewer --verb=get --non-resource-url='/steelyard/v1/*' >/dev/null
k create clusterrolebinding viewer --clusterrole viewer --serviceaccount default:viewer >/dev/null
token=$(k create token viewer)
start_steelyard
within 20 ready
url=https://127.0.0.1:$port
pods p 60 steelyard 9 | k create -f - >/dev/null
pods big 3 steelyard 1000 | k create -f - >/dev/null
for n in {1..40}; do
    echo "{apiVersion: v1, kind: Pod, metadata: {name: gpu$n, labels: {group: gpu}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: $((1 << n % 3))}}}]}}"
    echo ---
done | k create -f - >/dev/null
within 20 bound_is p 60
within 20 bound_is gpu 40

stream() { curl -skN -m "$1" "$url/steelyard/v1/stream" "${@:2}" || true; }
check "the stream needs a token" equal "$(stream 5 -o /dev/null -w '%{http_code}')" 401
check "the page needs none" equal "$(curl -sk -m 5 -o /dev/null -w '%{http_code}' "$url/ui/")" 200
curl -sk -m 5 -D "$WORK/head" -o /dev/null "$url/ui/app.js"
check "what the page may load is limited" grep -q "^Content-Security-Policy: default-src 'none'" "$WORK/head"
stream 4 -H "Authorization: Bearer $token" >"$WORK/stream"
events() { sed -n 's/^event: //p' "$WORK/stream" | sort -u | tr '\n' ' '; }
check "all is told at first" equal "$(events)" "allnodes decisions summary waiting "
valid() { sed -n 's/^data: //p' "$WORK/stream" | jq -e . >/dev/null; }
check "as JSON" valid
# More than 16 at a time are turned away; those that leave make room.
for _ in {1..16}; do stream 6 -H "Authorization: Bearer $token" >/dev/null & done
sleep 2
check "the number of listeners has a limit" equal \
    "$(stream 3 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token")" 503
sleep 5
check "who leaves makes room" equal \
    "$(stream 2 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token")" 200

create_pods="$kubectl create -f $WORK/live.yaml"
pods live 2 steelyard 1 >"$WORK/live.yaml"
"$WORK/browser" --url "$url" --token "$token" --nodes 40 --waits big0 --why 'Insufficient cpu' \
    --then "$create_pods" --decided live1 --out "$WORK" || failed=1
check "the scheduler goes on" ready
finish
