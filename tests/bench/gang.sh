#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# gang.sh [FLAGS]: figures of gangs on a real API server of its own, as tests/bench/gang.go says.
# Needs build/steelyard and build/bench.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/../integration/lib_run.sh"

cluster_up=1
KUBECONFIG=$("$CLUSTER" up --name "$cluster_name" --kube-scheduler=false --controller-manager=false \
    --kwok=false --apiserver-arg \
    disable-admission-plugins=TaintNodesByCondition,ServiceAccount,StorageObjectInUseProtection \
    --apiserver-arg delete-collection-workers=16 | tail -n 1)
export KUBECONFIG
start_steelyard
within 30 ready
"$root/build/bench" gang --kubeconfig "$KUBECONFIG" "$@"
echo "gang wait, histogram's sum: $(metric steelyard_gang_wait_seconds_sum) s; attempts $(metric 'steelyard_gang_attempts_total{result="scheduled"}') scheduled, $(metric 'steelyard_gang_attempts_total{result="unschedulable"}') not"
echo "planning, histogram's mean: $(get metrics | awk '/^scheduler_scheduling_algorithm_duration_seconds_sum/ { s = $2 } /^scheduler_scheduling_algorithm_duration_seconds_count/ { c = $2 } END { printf "%.4f s of %d", s / c, c }')"
