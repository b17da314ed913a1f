#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The API server stops answering while TCP still stands: deciding pauses within 10 s, readiness
# says so, and all goes on when it answers again. SIGTERM works meanwhile.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 3 --kube-scheduler=false
start_steelyard --kubeconfig "$KUBECONFIG" --scheduler-name steelyard
check "ready" within 5 ready
api=$("$CLUSTER" status --name "$cluster_name" | awk '$1 == "kube-apiserver" { print $3 }')
kill -STOP "$api"
not_ready() { ! ready; }
check "not ready within 12 s" within 12 not_ready
check "it says why" within 2 logged 'scheduling pauses.*reason='
check "alive" equal "$(get livez)" ok
check "nothing is decided" equal "$(metric steelyard_scheduling)" 0
sleep 7 # time for connections that open but get no answer to be taken for a server that is back
check "nor later" bash -c "! grep -q 'scheduling goes on' '$log'"
kill -CONT "$api"
check "ready again within 15 s" within 15 ready
pods after 5 steelyard 1 | "$kubectl" create -f - >/dev/null
check "pods are bound again" within 10 bound_is after 5
kill -STOP "$api"
within 12 not_ready
kill -TERM "$pid"
check "SIGTERM ends it without the server" ends_with 0 18
kill -CONT "$api"
