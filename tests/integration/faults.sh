#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A real etcd and a real kube-apiserver are killed, frozen, compacted and cut off amid binds. After
# each, every pending pod is bound once, no node has more than it can take, and steelyard is still the
# process that it was. What a fault takes to be noticed is printed.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"
# shellcheck source=tests/integration/lib_faults.sh
. "$(dirname "$0")/lib_faults.sh"

count=60
start_faulty --nodes 20 --controller-manager=false
start_steelyard --kubeconfig "$steelyard_config" --scheduler-name steelyard
check "ready" within 20 ready

# amid NAME: returns when some pods of a group are bound and others are still to come.
amid() {
    local before
    before=$(binds_ok)
    pods "$1" $count steelyard 2 >"$WORK/pods.yaml"
    "$kubectl" create -f "$WORK/pods.yaml" >/dev/null 2>&1 &
    creating=$!
    some() { (($(binds_ok) >= before + 10)); }
    within 30 some
}
# after NAME: what holds once the fault is over.
after() {
    wait "$creating" || true
    within 60 api_ready
    "$kubectl" create -f "$WORK/pods.yaml" >/dev/null 2>&1 || true # those that the fault kept out
    check "$1: all $count are bound" within 60 bound_is "$1" $count
    check "$1: steelyard is ready" within 30 ready
    check "$1: none was bound twice" equal "$(doubly_bound)" 0
    check "$1: no node has too much" equal "$(overfull)" 0
    check "$1: steelyard was not restarted" kill -0 "$pid"
}
not_ready() { ! ready; }
# noticed NAME SECONDS: it stops deciding.
noticed() {
    local t0=$EPOCHREALTIME
    check "$1: it is noticed within $2 s" within "$2" not_ready
    awk -v a="$t0" -v b="$EPOCHREALTIME" -v n="$1" 'BEGIN { printf "# %s: noticed after %.1f s\n", n, b - a }'
}
expired() { get metrics | awk '/^steelyard_reflector_expired_total/ { n += $2 } END { print n + 0 }'; }

for program in etcd kube-apiserver; do
    name=kill-${program#kube-}
    amid "$name"
    kill_program "$program"
    sleep 2
    start_program "$program"
    after "$name"
done

amid frozen
kill -STOP "${program_pid[kube-apiserver]}"
noticed frozen 12
sleep 7
kill -CONT "${program_pid[kube-apiserver]}"
after frozen

# What still comes from the server while nothing gets there puts off that it is missed.
for mode in up down; do
    amid "half-open-$mode"
    proxy $mode
    noticed "half-open-$mode" 20
    proxy pass
    after "half-open-$mode"
done

amid lost-answers
before=$(proxy_lost)
for _ in 1 2 3; do
    proxy lose
    sleep 0.5
    proxy pass
    sleep 0.5
done
check "lost-answers: some were" test "$(proxy_lost)" -gt "$before"
after lost-answers

amid late
proxy 'delay?ms=300'
sleep 3
proxy pass
after late

# What steelyard has seen is gone from etcd and from the API server's own cache when it comes back.
amid compacted
before=$(expired)
proxy refuse
proxy cut
wait "$creating" || true
"$kubectl" annotate nodes --all late=yes >/dev/null
compact
kill_program kube-apiserver
start_program kube-apiserver
within 60 api_ready
proxy pass
after compacted
check "compacted: watches were told 410" test "$(expired)" -gt "$before"
echo "# binds: $(get metrics | sed -n 's/^steelyard_binds_total{outcome="\([a-z]*\)"} /\1 /p' | xargs)"
