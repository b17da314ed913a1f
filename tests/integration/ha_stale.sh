#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A standby whose watch of pods stands still without anyone noticing (tests/fakeapi) takes over. It
# must not decide before it has seen what the leader before it did: the nodes are full. And a leader
# to whom its own renewals do not come by the watch stops, and opens its watches anew.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"
# shellcheck source=tests/integration/lib_ha.sh
. "$(dirname "$0")/lib_ha.sh"

(cd "$root/tests/fakeapi" && GOWORK=off go build -buildvcs=false -o "$WORK/fakeapi" .)
conf=$(config 3s 2s 500ms)

# It ends when this script does, since its standard input then ends.
fake() {
    coproc FAKE { exec "$WORK/fakeapi" --exit-with-stdin --nodes 2 --token t; }
    local line
    while read -r -u "${FAKE[0]}" line && [[ $line != ready ]]; do
        case $line in
        kubeconfig=*) KUBECONFIG=${line#*=} ;;
        control=*) fake_control=${line#*=} ;;
        esac
    done
    export KUBECONFIG
}
unfake() {
    kill "$FAKE_PID" 2>/dev/null || true
    wait "$FAKE_PID" 2>/dev/null || true
}
control() { curl -fsS -m 5 -X "$@"; }
bound_count() { control GET "$fake_control/_bound" | grep -c . || true; }
bound_is() { [[ $(bound_count) == "$1" ]]; }
# pods NAME COUNT CORES
add_pods() {
    local i
    for ((i = 0; i < $2; i++)); do
        control POST "$fake_control/_apply" -d '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"'"$1$i"'","namespace":"default","uid":"'"$1$i"'"},"spec":{"schedulerName":"steelyard","containers":[{"name":"c","image":"x","resources":{"requests":{"cpu":"'"$3"'"}}}]},"status":{"phase":"Pending"}}' >/dev/null
    done
}

for how in TERM KILL; do
    fake
    replica old "$conf" --kube-api-json
    check "$how: the first leads" within 10 leads old
    # From now on: what comes after the initial state does not come, on this watch and the next.
    control POST "$fake_control/_fault" -d '{"method":"GET","path":"/pods","query":"watch=","times":2,"action":"watch-silence"}' >/dev/null
    replica new "$conf" --kube-api-json
    check "$how: the second is ready, and does not know better" within 10 is_ready new
    add_pods full 2 6
    check "$how: the nodes are full" within 10 bound_is 2
    add_pods waits 2 6
    within 5 grep -q . "${log_of[old]}"
    kill "-$how" "${pid_of[old]}"
    within 10 ended old
    gone old
    acquired() { [[ $(sample new 'leader_election_master_status{name="steelyard"}') == 1 ]]; }
    check "$how: the second has the lease" within 10 acquired
    sleep 2
    check "$how: and does not decide" equal "$(sample new steelyard_scheduling)" 0
    check "$how: nor has it bound a pod" bound_is 2
    check "$how: until its watch has caught up" within 10 leads new
    sleep 1
    check "$how: nothing is bound where there is no room" bound_is 2
    kill -TERM "${pid_of[new]}"
    within 10 ended new
    gone new
    unfake
done

fake
# The watch of the lease tells the first state, and then nothing.
control POST "$fake_control/_fault" -d '{"method":"GET","path":"/namespaces/kube-system/leases","query":"watch=","times":1,"action":"watch-silence"}' >/dev/null
replica one "$conf" --kube-api-json
check "it leads" within 10 leads one
check "it finds that its renewals do not come by the watch" within 20 says one 'our own renewals do not come'
caught_up_twice() { (($(grep -c 'leading: the watches have caught up' "${log_of[one]}") == 2)); }
check "has its watches show how far they are" within 10 caught_up_twice
add_pods later 2 6
check "and goes on" within 20 bound_is 2
check "ready" within 10 is_ready one
check "the watch of the lease tells again" equal \
    "$(ask one 'readyz?verbose' | grep -c 'watch-canary ok')" 1
kill -TERM "${pid_of[one]}"
within 10 ended one
gone one
unfake
