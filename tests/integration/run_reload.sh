#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGHUP reads the configuration again: names, log level and policies change while running, the
# queue stays; a bad file changes nothing; what needs a restart is said.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

config=$WORK/config.yaml
write() {
    printf 'apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\n%s\n' "$1" >"$config"
}
reloads() { metric "steelyard_config_reloads_total{result=\"$1\"}"; }
reloads_are() { [[ $(reloads "$1") == "$2" ]]; }

start_cluster --nodes 2 --kube-scheduler=false
write 'schedulerNames: [first]'
start_steelyard --config "$config" --kubeconfig "$KUBECONFIG"
check "ready" within 5 ready
pods a 3 first 1 | "$kubectl" create -f - >/dev/null
pods big 1 first 1000 | "$kubectl" create -f - >/dev/null
pods b 3 second 1 | "$kubectl" create -f - >/dev/null
check "pods of the first name are bound" within 5 bound_is a 3
check "those of the second are not" bound_is b 0

write $'profiles:\n- schedulerName: first\n- schedulerName: second\n  filters: [NodeName, NodeResourcesFit]\nlogging: {level: debug}\nbinding: {timeout: 5s}\nqueue: {sweepInterval: 1s}'
kill -HUP "$pid"
check "the reload is counted" within 3 reloads_are ok 1
check "pods of the second name are bound without a restart" within 5 bound_is b 3
check "what needs a restart is named" logged 'keys=binding.timeout'
waits() { [[ $(metric 'scheduler_pending_pods{queue="unschedulable"}') == 1 ]]; }
check "the queue is kept" within 3 waits
swept() { (($(metric 'scheduler_queue_incoming_pods_total{event="UnschedulableTimeout",queue="active"}') >= 2)); }
check "the new sweep interval holds" within 5 swept

write $'schedulerNames: [third]\nqueu: {}\nlogging: {level: loud}'
kill -HUP "$pid"
check "a bad file is counted" within 3 reloads_are error 1
check "its first problem is logged" logged 'config.yaml:4: queu: unknown key'
check "and its second" logged 'config.yaml:5: logging.level'
pods c 1 second 1 | "$kubectl" create -f - >/dev/null
check "the old configuration stays in force" within 5 bound_is c 1
kill -TERM "$pid"
check "SIGTERM ends it with 0" ends_with 0 5
