#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries hack/cluster for real: two clusters side by side, pods, a job, status,
# a node whose heartbeats stop, and that nothing is left behind after down,
# after an interrupt in the middle of up and after the end of a foreground run.
# Takes about two minutes once the programs are built.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cluster=$here/cluster
# A temporary folder of its own keeps it apart from clusters in use.
TMPDIR=$(mktemp -d)
export TMPDIR
unset KUBECONFIG
id=test-$$

fail() {
	echo "FAIL: $*" >&2
	exit 1
}
finish() {
	status=$?
	for n in a b c d e; do "$cluster" down --name "$id-$n" >/dev/null 2>&1 || :; done
	rm -rf "$TMPDIR"
	[ $status -ne 0 ] || echo "PASS"
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# left NAME: processes of a cluster, by its folder in their command lines.
left() { # a process may end while we look
	for p in /proc/[0-9]*; do
		line=$(tr '\0' ' ' 2>/dev/null <"$p/cmdline") || continue
		case $line in
		*"$TMPDIR"/*/"$1"/*) echo "${p#/proc/} $line" | cut -c1-80 ;;
		esac
	done 2>/dev/null
}
gone() {
	l=$(left "$1")
	[ -z "$l" ] || fail "processes of $1 are left: $l"
	if ls -d "$TMPDIR"/*/"$1" /dev/shm/steelyard-cluster-*/"$1" >/dev/null 2>&1; then fail "a folder of $1 is left"; fi
}
# within SECONDS WHAT COMMAND...
within() {
	limit=$1 what=$2 i=0
	shift 2
	until "$@" >/dev/null 2>&1; do
		i=$((i + 1))
		[ $i -lt $((limit * 2)) ] || fail "not within $limit s: $what"
		sleep 0.5
	done
	echo "ok: $what"
}

"$cluster" build kube-apiserver etcd kube-controller-manager kube-scheduler kubectl kwok >/dev/null
kubectl=$("$cluster" path kubectl)

"$cluster" up --name $id-a --nodes 3 --gpus 8 >"$TMPDIR/a.out" &
a=$!
"$cluster" up --name $id-b --nodes 3 --zones 3 --lease-seconds 8 >"$TMPDIR/b.out" &
b=$!
wait $a || fail "up of a"
wait $b || fail "up of b"
ka=$(tail -n 1 "$TMPDIR/a.out")
kb=$(tail -n 1 "$TMPDIR/b.out")
[ -f "$ka" ] && [ -f "$kb" ] && [ "$ka" != "$kb" ] || fail "no kubeconfigs: $ka $kb"
echo "ok: two clusters side by side"

"$cluster" status --name $id-a >"$TMPDIR/status" || fail "status: $(cat "$TMPDIR/status")"
for p in etcd kube-apiserver kube-controller-manager kube-scheduler kwok; do
	grep -q "^  $p .*\(healthy\|running\)$" "$TMPDIR/status" || fail "status does not show $p"
done
"$cluster" status >"$TMPDIR/status" && grep -q "^$id-b" "$TMPDIR/status" || fail "status does not list b"
if "$cluster" status --name $id-none >/dev/null 2>&1; then fail "status of a cluster that is not there"; fi
if "$cluster" up --name $id-a >/dev/null 2>&1; then fail "up of a cluster that is up"; fi
"$kubectl" --kubeconfig "$ka" version | grep -q "Server Version: v1\.37\." || fail "version"
[ "$("$kubectl" --kubeconfig "$ka" get nodes --no-headers | grep -c " Ready ")" = 3 ] || fail "three ready nodes"
[ "$("$kubectl" --kubeconfig "$ka" get node node-00002 -o jsonpath='{.status.allocatable.nvidia\.com/gpu}')" = 8 ] || fail "GPUs"
[ "$("$kubectl" --kubeconfig "$ka" auth can-i list pods --as system:serviceaccount:default:default 2>/dev/null)" = no ] || fail "RBAC"
echo "ok: status, version, nodes, RBAC"

cat >"$TMPDIR/pods.yaml" <<'EOF'
apiVersion: v1
kind: Pod
metadata: {name: stays}
spec: {containers: [{name: c, image: none, resources: {limits: {nvidia.com/gpu: 2}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ends, annotations: {steelyard.dev/run-for: 2s}}
spec: {restartPolicy: Never, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: fails, annotations: {steelyard.dev/fail-after: 1s}}
spec: {restartPolicy: Never, containers: [{name: c, image: none}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {completions: 3, parallelism: 3, template: {spec: {restartPolicy: Never, containers: [{name: c, image: none}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: slow-job}
spec:
  template:
    metadata: {annotations: {steelyard.dev/run-for: 3s}}
    spec: {restartPolicy: Never, containers: [{name: c, image: none}]}
EOF
k="$kubectl --kubeconfig $ka"
$k apply -f "$TMPDIR/pods.yaml" >/dev/null
phase() { [ "$($k get pod "$1" -o jsonpath='{.status.phase}')" = "$2" ]; }
within 20 "a pod is Running" phase stays Running
within 20 "a job is complete" $k wait --for=condition=complete --timeout=1s job/job
within 20 "a job with run-for is complete" $k wait --for=condition=complete --timeout=1s job/slow-job
within 20 "a pod with run-for has Succeeded" phase ends Succeeded
within 20 "a pod with fail-after has Failed" phase fails Failed
$k delete pod stays --wait=true --timeout=10s >/dev/null || fail "delete of a pod"
[ -z "$("$kubectl" --kubeconfig "$kb" get pods -o name)" ] || fail "pods of a are in b"

"$cluster" nodes add --name $id-a --count 2 --prefix more- --gpus 1 2>/dev/null || fail "nodes add"
[ "$($k get nodes -o name | wc -l)" = 5 ] || fail "five nodes"
"$cluster" nodes delete --name $id-a --prefix more- 2>/dev/null || fail "nodes delete"
[ "$($k get nodes -o name | wc -l)" = 3 ] || fail "three nodes again"
echo "ok: nodes add and delete"

k="$kubectl --kubeconfig $kb"
ready() { [ "$($k get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = "$2" ]; }
"$cluster" nodes stop --name $id-b node-00001 2>/dev/null
within 60 "a node without heartbeats is not ready" ready node-00001 Unknown
ready node-00000 True || fail "its neighbour is not ready either"
"$cluster" nodes start --name $id-b node-00001
within 30 "and is again once they go on" ready node-00001 True

"$cluster" down --name $id-a 2>/dev/null || fail "down"
gone $id-a
"$cluster" status --name $id-b >/dev/null || fail "b went with a"
"$cluster" down --name $id-a 2>/dev/null || fail "down of what is down"
"$cluster" down --name $id-b 2>/dev/null || fail "down of b"
gone $id-b
echo "ok: down leaves nothing"

# An interrupt at several moments of up. sh starts background jobs with SIGINT
# ignored, which a program may not undo lightly: hence a terminal's way, by env.
for after in 0.3 1 2 3.5; do
	env --default-signal=INT "$cluster" up --name $id-c --nodes 50 >/dev/null 2>&1 &
	c=$!
	sleep $after
	kill -INT $c 2>/dev/null || fail "up was over within $after s"
	if wait $c; then fail "an interrupted up succeeded"; fi
	gone $id-c
done
echo "ok: an interrupted up leaves nothing"

"$cluster" up --name $id-d --foreground >"$TMPDIR/d.out" 2>/dev/null &
d=$!
within 60 "a foreground run is up" grep -q kubeconfig "$TMPDIR/d.out"
kill -TERM $d
wait $d || fail "the foreground run's exit status"
gone $id-d
"$cluster" up --name $id-e --foreground >"$TMPDIR/e.out" 2>/dev/null &
e=$!
within 60 "another one is" grep -q kubeconfig "$TMPDIR/e.out"
kill -KILL $e
wait $e || :
sleep 1
l=$(left $id-e)
[ -z "$l" ] || fail "processes outlive a killed foreground run: $l"
"$cluster" down --name $id-e 2>/dev/null || fail "down after a kill"
gone $id-e
[ ! -e "$TMPDIR/steelyard-cluster-$(id -u)" ] || fail "the root folder is left"
echo "ok: the end of a foreground run leaves nothing"
