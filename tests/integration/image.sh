#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The image that `make image` builds: what is in it, that it is the same each time, and that its root
# filesystem schedules pods read-only, as nobody, with no capability, by the token of a service
# account.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

# Without CAP_SYS_ADMIN and user namespaces, as in some containers, it can do nothing.
if ! buildah --root "$WORK/store" --runroot "$WORK/storerun" --storage-driver vfs from scratch \
    >/dev/null 2>"$WORK/said"; then
    echo "buildah cannot work here: $(tail -n 1 "$WORK/said")"
    finish 77
fi
build() { "$root/hack/image/build.sh" "$STEELYARD" v0-test "$1"; }
check "the image is built" build "$WORK/image" || finish 1
((failed)) && finish 1
archive=$WORK/image/steelyard.oci.tar
build "$WORK/again" >/dev/null
check "twice the same" cmp "$archive" "$WORK/again/steelyard.oci.tar"

blob() { tar xOf "$archive" "./blobs/sha256/${1#sha256:}"; }
manifest=$(tar xOf "$archive" ./index.json | jq -r '.manifests[0].digest')
config=$(blob "$manifest" | jq -r .config.digest)
setting() { blob "$config" | jq -c ".config.$1"; }
check "its user is not root" equal "$(setting User)" '"65532:65532"'
check "it runs the scheduler" equal "$(setting Entrypoint)$(setting Cmd)" \
    '["/usr/bin/steelyard"]["run"]'
check "one layer" equal "$(blob "$manifest" | jq '.layers | length')" 1
mkdir "$WORK/rootfs"
blob "$(blob "$manifest" | jq -r '.layers[0].digest')" | tar xz -C "$WORK/rootfs"
programs() { (cd "$WORK/rootfs" && find . -type f -perm /111 ! -name '*.so*' | LC_ALL=C sort); }
check "no program but ours" equal "$(programs)" ./usr/bin/steelyard
privileged() { find "$WORK/rootfs" -type f -perm /6000; }
check "nothing that gives rights" equal "$(privileged)" ''
described() { jq -r '.files[].fileName' "$WORK/image/steelyard.spdx.json" | LC_ALL=C sort; }
present() { (cd "$WORK/rootfs" && find . -type f | LC_ALL=C sort); }
check "each file is in the bill of materials" equal "$(described)" "$(present)"
nameless() {
    jq -r '.files as $f | [.relationships[] | select(.relationshipType == "CONTAINS"
        and .spdxElementId == "SPDXRef-Package-steelyard") | .relatedSpdxElement] as $ours
        | $f[] | select(.SPDXID as $id | $ours | index($id)) | .fileName' \
        "$WORK/image/steelyard.spdx.json" | grep -v -x -e ./usr/bin/steelyard -e './etc/[a-z.]*' || true
}
check "each library with its Debian package" equal "$(nameless)" ''

if ! bwrap --ro-bind / / true 2>/dev/null; then
    echo '# bubblewrap cannot make a container here: the rest is left out'
    finish
fi
start_cluster --nodes 3
k() { "$kubectl" "$@"; }
for role in account scheduling preemption volumes devices explain failures gangs; do
    k apply -f "$root/manifests/rbac/$role.yaml" >/dev/null
done
account=$WORK/account
mkdir "$account"
k -n kube-system create token steelyard >"$account/token"
k config view --raw -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' |
    base64 -d >"$account/ca.crt"
[[ -s $account/ca.crt ]] ||
    cp "$(k config view --raw -o jsonpath='{.clusters[0].cluster.certificate-authority}')" "$account/ca.crt"
echo kube-system >"$account/namespace"
server=$(k config view -o jsonpath='{.clusters[0].cluster.server}')
address=${server#https://}

# contained COMMAND...: in the image's root filesystem, as Kubernetes' restricted profile has it.
contained() {
    local dirs=() d
    for d in "$WORK/rootfs"/*/; do
        d=$(basename "$d")
        [[ $d == var || $d == tmp ]] || dirs+=(--ro-bind "$WORK/rootfs/$d" "/$d")
    done
    bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts --uid 65532 --gid 65532 \
        --cap-drop ALL --die-with-parent --clearenv \
        --setenv KUBERNETES_SERVICE_HOST "${address%:*}" \
        --setenv KUBERNETES_SERVICE_PORT "${address##*:}" \
        "${dirs[@]}" --proc /proc --dev /dev --dir /tmp \
        --ro-bind "$account" /var/run/secrets/kubernetes.io/serviceaccount \
        --remount-ro / /usr/bin/steelyard "$@"
}
log=$WORK/contained.log
contained run --port 0 >"$log" 2>&1 </dev/null &
pid=$!
within 10 grep -q ' port=' "$log"
port=$(sed -n 's/.* port=\([0-9]*\).*/\1/p' "$log" | head -n 1)
check "it is ready by its service account's token" within 20 ready
inside=$(pgrep -f '^/usr/bin/steelyard run --port 0$' | tail -n 1)
status_of() { awk -v k="$1:" '$1 == k { print $2 }' "/proc/$inside/status"; }
check "with no capability" equal "$(status_of CapEff)$(status_of CapBnd)" \
    00000000000000000000000000000000
check "and no way to more" equal "$(status_of NoNewPrivs)" 1
pods p 20 steelyard 100m | k create -f - >/dev/null
check "it schedules" within 20 bound_is p 20
quiet() { ! grep -E 'level=(error|warn)' "$log"; }
check "without a complaint" quiet
finish
