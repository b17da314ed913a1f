# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the ha*.sh tests share: replicas with a log each, which go when the test ends, and questions
# to them. Sourced after lib_run.sh.
declare -A pid_of log_of port_of

kill_replicas() {
    local rc=$? name
    for name in "${!pid_of[@]}"; do
        kill -KILL "${pid_of[$name]}" 2>/dev/null
        ((failed || rc)) && echo "--- $name" && tail -n 15 "${log_of[$name]}"
    done
    finish "$rc"
}
trap kill_replicas EXIT

# config LEASE RENEW RETRY: writes a configuration, prints its path.
config() {
    cat >"$WORK/config-$1.yaml" <<YAML
apiVersion: steelyard.dev/v1
kind: SteelyardConfiguration
leaderElection: {leaderElect: true, leaseDuration: $1, renewDeadline: $2, retryPeriod: $3}
YAML
    echo "$WORK/config-$1.yaml"
}

# replica NAME CONFIG [FLAGS...]
replica() {
    local name=$1 file=$2
    shift 2
    log_of[$name]=$WORK/$name.log
    "$STEELYARD" run --port 0 --config "$file" "$@" >"${log_of[$name]}" 2>&1 </dev/null &
    pid_of[$name]=$!
    within 10 grep -q ' port=' "${log_of[$name]}" || return 1
    port_of[$name]=$(sed -n 's/.* port=\([0-9]*\).*/\1/p' "${log_of[$name]}" | head -n 1)
}
ask() { curl -fsS -m 5 "http://127.0.0.1:${port_of[$1]}/$2"; }
# sample NAME METRIC
sample() { ask "$1" metrics | awk -v s="$2" '$1 == s { print $2 }'; }
leads() { [[ $(sample "$1" steelyard_scheduling) == 1 ]]; }
on_standby() { [[ $(sample "$1" 'leader_election_master_status{name="steelyard"}') == 0 ]]; }
is_ready() { ask "$1" readyz; }
says() { grep -q -- "$2" "${log_of[$1]}"; }

now() { date -u +%s.%N; }
# When a replica was done with catching up, in seconds since 1970.
led_at() {
    date -u -d "$(sed -n 's/^time=\([^ ]*\) .*msg="leading: .*/\1/p' "${log_of[$1]}" | tail -n 1)" +%s.%N
}
# took FROM TO: the time between, for people.
took() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f s", b - a }'; }
# gone NAME: takes a process that has ended from the list; prints its status.
gone() {
    local rc=0
    wait "${pid_of[$1]}" || rc=$?
    unset "pid_of[$1]"
    status=$rc
}
# ended NAME: whether it has; a zombie has.
ended() { [[ $(ps -o state= -p "${pid_of[$1]}") =~ ^Z|^$ ]]; }
