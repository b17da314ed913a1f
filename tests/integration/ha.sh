#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two replicas on a real API server whose audit log says who wrote what and when: one leads; it is
# killed amid binds, stopped in order, frozen beyond its lease, robbed of its lease. Each pod is
# bound once, no node is given more than it has, and who may not lead any more writes nothing.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"
# shellcheck source=tests/integration/lib_ha.sh
. "$(dirname "$0")/lib_ha.sh"

cat >"$WORK/audit.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete]
  resources: [{group: "", resources: [pods, pods/*]}]
- level: None
YAML
audit=$WORK/audit.log
start_cluster --nodes 20 --node-cpu 64 --kube-scheduler=false \
    --apiserver-arg "audit-policy-file=$WORK/audit.yaml" --apiserver-arg "audit-log-path=$audit" \
    --apiserver-arg audit-log-mode=blocking

# Each replica has a name of its own in the audit log.
as() { # NAME
    awk -v n="$1" '{ print } /^  user:/ { print "    as: " n "\n    as-groups: [\"system:masters\"]" }' \
        "$KUBECONFIG" >"$WORK/$1.kubeconfig"
    echo "$WORK/$1.kubeconfig"
}
start() { # NAME
    replica "$1" "$conf" --kubeconfig "$(as "$1")"
}
holder() { "$kubectl" -n kube-system get lease steelyard -o jsonpath='{.spec.holderIdentity}'; }
bound_at_least() { (($(bound "$1") >= $2)); }
# Binds that the API server carried out, by pod, that were not the only one.
doubly_bound() {
    jq -r 'select(.objectRef.subresource == "binding" and .responseStatus.code == 201) | .objectRef.name' \
        "$audit" | sort | uniq -d | grep -c . || true
}
# Nodes that pods of 2 cores ask too much of.
overfull() {
    "$kubectl" get pods -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' |
        awk '$1 { n[$1]++ } END { for (i in n) over += n[i] * 2 > 64; print over + 0 }'
}
# writes NAME SINCE: requests of a replica that the API server received since then.
writes() {
    jq -r --arg n "$1" 'select(.impersonatedUser.username == $n) | .requestReceivedTimestamp' "$audit" |
        awk -v t="$(date -u -d "@$2" +%Y-%m-%dT%H:%M:%S.%6NZ)" '$1 > t { n++ } END { print n + 0 }'
}

conf=$(config 15s 10s 2s)

# ---- one leads ----
start a
check "a lone replica leads" within 20 leads a
start b
check "the second is on standby, and ready" within 10 is_ready b
check "it says so" on_standby b
check "and does not decide" equal "$(sample b steelyard_scheduling)" 0
check "the holder is the first" grep -q "acquired lease.*identity=$(holder)" "${log_of[a]}"
check "the event says so" within 5 bash -c \
    "'$kubectl' -n kube-system get events -o jsonpath='{.items[*].message}' | grep -q '$(holder) became leader'"

# ---- killed amid binds ----
(pods kill 400 steelyard 2 | "$kubectl" create -f - >/dev/null) &
creating=$!
within 60 bound_at_least kill 60
kill -KILL "${pid_of[a]}"
killed=$(now)
gone a
wait "$creating"
check "it was amid binds" bash -c "(($(bound kill) < 400))"
check "the standby leads" within 40 leads b
ok "takeover after kill -9 took $(took "$killed" "$(led_at b)"), with a lease of 15 s"
check "all pods are bound" within 30 bound_is kill 400
check "each once" equal "$(doubly_bound)" 0
check "no node is overfull" equal "$(overfull)" 0

# ---- stopped in order ----
"$kubectl" delete pods -l group=kill --wait=false >/dev/null
start c
check "a new one is on standby" within 10 is_ready c
(pods term 300 steelyard 2 | "$kubectl" create -f - >/dev/null) &
creating=$!
within 60 bound_at_least term 50
stopped=$(now)
kill -TERM "${pid_of[b]}"
check "the standby leads, without waiting for the lease" within 10 leads c
ok "takeover after SIGTERM took $(took "$stopped" "$(led_at c)")"
within 10 ended b
gone b
check "it left in order" equal "$status" 0
wait "$creating"
check "all pods are bound" within 30 bound_is term 300
check "each once" equal "$(doubly_bound)" 0
check "no node is overfull" equal "$(overfull)" 0

# ---- frozen 20 s beyond its lease ----
"$kubectl" delete pods -l group=term --wait=false >/dev/null
start d
within 10 is_ready d
(pods stop 300 steelyard 2 | "$kubectl" create -f - >/dev/null) &
creating=$!
within 60 bound_at_least stop 50
kill -STOP "${pid_of[c]}"
frozen=$(now)
wait "$creating"
check "the standby leads" within 40 leads d
ok "takeover after SIGSTOP took $(took "$frozen" "$(led_at d)"), with a lease of 15 s"
check "all pods are bound" within 30 bound_is stop 300
# Work that the old one would do if it did not know.
pods more 20 steelyard 2 | "$kubectl" create -f - >/dev/null
within 10 bound_is more 20
awk -v t="$frozen" -v n="$(now)" 'BEGIN { left = 35 - (n - t); if (left > 0) system("sleep " left) }'
woken=$(now)
kill -CONT "${pid_of[c]}"
check "the old one leaves" within 10 ended c
gone c
check "not in order" equal "$status" 1
check "and says why" says c 'leaderelection lost'
check "it wrote nothing after its time" equal "$(writes c "$woken")" 0
check "which the audit would show" bash -c "(($(writes d "$frozen") > 200))"
check "each pod is bound once" equal "$(doubly_bound)" 0
check "no node is overfull" equal "$(overfull)" 0

# ---- the lease is deleted, and stolen ----
"$kubectl" delete pods --all --wait=false >/dev/null
kill -TERM "${pid_of[d]}"
within 10 ended d
gone d
conf=$(config 4s 3s 500ms)
start e
within 20 leads e
start f
within 10 is_ready f
first=$(holder)
"$kubectl" -n kube-system delete lease steelyard >/dev/null
holds() { [[ $(holder) == "$1" ]]; }
check "a lease that was deleted is there again" within 5 holds "$first"
sleep 5
check "and still its leader's" holds "$first"
check "which decides" leads e
check "alone" on_standby f
"$kubectl" -n kube-system patch lease steelyard --type merge \
    -p '{"spec":{"holderIdentity":"thief","leaseDurationSeconds":3}}' >/dev/null
stolen=$(now)
check "a leader whose lease was stolen leaves" within 10 ended e
gone e
check "not in order" equal "$status" 1
check "having written nothing more" equal "$(writes e "$stolen")" 0
check "after the thief's time the standby leads" within 30 leads f
check "in a new term" bash -c "(($(sample f steelyard_leader_term) >= 1))"

# ---- killed at any instant ----
last=f
for i in 0 1 2 3 4; do
    name=k$i
    start $name
    within 10 is_ready $name
    (pods "r$i" 60 steelyard 1 | "$kubectl" create -f - >/dev/null) &
    creating=$!
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    kill -KILL "${pid_of[$last]}"
    gone "$last"
    wait "$creating"
    check "kill $i: the next one leads" within 30 leads $name
    check "kill $i: all pods are bound" within 30 bound_is "r$i" 60
    last=$name
done
check "each pod was bound once" equal "$(doubly_bound)" 0
check "no node is overfull" equal "$(overfull)" 0
check "nothing was withheld from the last leader" equal "$(sample $last steelyard_writes_withheld_total)" 0
