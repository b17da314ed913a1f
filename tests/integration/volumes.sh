#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Pods with claims beside a real API server and its volume controllers: claims that wait for their
# pod get local volumes where those are, a claim's node is named for a provisioner, and pods wait
# for what is missing.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

start_cluster --nodes 6 --kube-scheduler=false
start_steelyard --kubeconfig "$KUBECONFIG" --scheduler-name steelyard
check "ready within 5 s" within 5 ready
check "volumes are watched" grep -q '^\[+\]persistentvolumes-synced ok$' <(get 'readyz?verbose')

mapfile -t nodes < <("$kubectl" get nodes -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}')

class() { # NAME PROVISIONER MODE
    echo "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: $1}, provisioner: $2, volumeBindingMode: $3}"
}
volume() { # NAME SIZE NODE
    echo "{apiVersion: v1, kind: PersistentVolume, metadata: {name: $1}, spec: {capacity: {storage: $2}, accessModes: [ReadWriteOnce], storageClassName: local, persistentVolumeReclaimPolicy: Retain, local: {path: /mnt}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$3]}]}]}}}}"
}
claim() { # NAME CLASS SIZE MODE
    echo "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: $1}, spec: {accessModes: [$4], storageClassName: $2, resources: {requests: {storage: $3}}}}"
}
pod() { # NAME CLAIM...
    local name=$1 volumes='' i
    shift
    for i in "$@"; do volumes+="{name: $i, persistentVolumeClaim: {claimName: $i}},"; done
    echo "{apiVersion: v1, kind: Pod, metadata: {name: $name, labels: {group: $name}}, spec: {schedulerName: steelyard, containers: [{name: c, image: x, resources: {requests: {cpu: 10m}}}], volumes: [${volumes%,}]}}"
}

are_available() { # NAME...: the controller has taken note of these volumes
    local name
    for name in "$@"; do field_is pv "$name" .status.phase Available || return 1; done
}

# Static binding: the smallest volume that will do, and the pod where it is.
create "$(class local kubernetes.io/no-provisioner WaitForFirstConsumer)" \
    "$(volume medium 15Gi "${nodes[3]}")" "$(volume small 10Gi "${nodes[3]}")"
within 10 are_available medium small || not_ok "the volumes are not available"
create "$(claim data local 5Gi ReadWriteOnce)" "$(pod with-data data)"
check "a pod with a claim is bound" within 30 bound_is with-data 1
check "its claim got the smallest volume" equal "$(field pvc data .spec.volumeName)" small
check "it is where the volume is" equal "$(field pod with-data .spec.nodeName)" "${nodes[3]}"
check "the volume is kept for the claim" equal \
    "$(field pv small .spec.claimRef.uid)" "$(field pvc data .metadata.uid)"
check "the controller may undo it" equal \
    "$(field pv small '.metadata.annotations.pv\.kubernetes\.io/bound-by-controller')" yes

# A second pod of the same claim follows its volume.
create "$(pod beside data)"
check "a second pod of the claim is bound" within 10 bound_is beside 1
check "and is where the volume is" equal "$(field pod beside .spec.nodeName)" "${nodes[3]}"

# Two claims need two volumes of one node.
create "$(volume big 100Gi "${nodes[1]}")"
within 10 are_available big || not_ok "the volume is not available"
create "$(claim one local 20Gi ReadWriteOnce)" "$(claim two local 20Gi ReadWriteOnce)" \
    "$(pod pair one two)"
check "a pod whose claims find too few volumes waits" within 10 says pair \
    "node(s) didn't find available persistent volumes to bind"
check "and is not bound" bound_is pair 0
create "$(volume spare 50Gi "${nodes[1]}")"
check "a new volume lets it go" within 30 bound_is pair 1
check "to the node of both" equal "$(field pod pair .spec.nodeName)" "${nodes[1]}"

# What is missing is said, and ends the wait when it comes.
create "$(pod early later)"
check "a missing claim is named" within 10 says early 'persistentvolumeclaim "later" not found'
create "$(volume third 30Gi "${nodes[5]}")"
within 10 are_available third || not_ok "the volume is not available"
create "$(claim later local 20Gi ReadWriteOnce)"
check "the claim's coming lets it go" within 30 bound_is early 1
check "to its volume" equal "$(field pod early .spec.nodeName)" "${nodes[5]}"

create "$(class now example.com/none Immediate)" "$(claim unbound now 1Gi ReadWriteOnce)" \
    "$(pod impatient unbound)"
check "a claim that is bound without a pod is waited for" within 10 says impatient \
    'pod has unbound immediate PersistentVolumeClaims'

# Provisioning: the claim is told its node; this test plays the provisioner.
create "$(class made example.com/disk WaitForFirstConsumer)" \
    "$(claim fresh made 3Gi ReadWriteOnce)" "$(pod wants-fresh fresh)"
selected() { field pvc fresh '.metadata.annotations.volume\.kubernetes\.io/selected-node'; }
is_selected() { [[ -n $(selected) ]]; }
check "a claim is told its node" within 10 is_selected
check "its pod waits for the volume" bound_is wants-fresh 0
node=$(selected)
"$kubectl" create -f - >/dev/null <<END
apiVersion: v1
kind: PersistentVolume
metadata: {name: made-1, annotations: {pv.kubernetes.io/provisioned-by: example.com/disk}}
spec:
  capacity: {storage: 3Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: made
  persistentVolumeReclaimPolicy: Retain
  csi: {driver: example.com, volumeHandle: made-1}
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: default, name: fresh, uid: $(field pvc fresh .metadata.uid)}
END
check "the volume's coming binds the pod" within 30 bound_is wants-fresh 1
check "to that node" equal "$(field pod wants-fresh .spec.nodeName)" "$node"

# A provisioner that gives up takes the node away: another try is made.
create "$(claim again made 3Gi ReadWriteOnce)" "$(pod wants-again again)"
selected_again() { [[ -n $(field pvc again '.metadata.annotations.volume\.kubernetes\.io/selected-node') ]]; }
check "another claim is told its node" within 10 selected_again
"$kubectl" annotate pvc again volume.kubernetes.io/selected-node- >/dev/null
check "a provisioner that gives up is noticed" within 10 says wants-again \
    'binding volumes: provisioning failed for PVC "again"'
check "and asked again" within 10 selected_again

# ReadWriteOncePod: one pod at a time.
create "$(class single kubernetes.io/no-provisioner WaitForFirstConsumer)"
"$kubectl" create -f - >/dev/null <<END
apiVersion: v1
kind: PersistentVolume
metadata: {name: single}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOncePod], storageClassName: single, persistentVolumeReclaimPolicy: Retain, csi: {driver: example.com, volumeHandle: single}}
END
create "$(claim lone single 1Gi ReadWriteOncePod)" "$(pod first lone)"
check "the first pod of a ReadWriteOncePod claim is bound" within 30 bound_is first 1
create "$(pod second lone)"
check "the second waits" within 10 says second \
    'ReadWriteOncePod access mode already in-use by another pod'
"$kubectl" delete pod first --grace-period=0 --force >/dev/null 2>&1
check "until the first is gone" within 20 bound_is second 1

check "no claim was bound to two volumes" equal "$("$kubectl" get pv -o json |
    jq -r '.items[] | select(.spec.claimRef) | .spec.claimRef.name' | sort | uniq -d)" ''
kill -TERM "$pid"
check "SIGTERM ends it with 0" ends_with 0 18
