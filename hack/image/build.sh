#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh PROGRAM VERSION OUT: makes OUT/steelyard.oci.tar, an image from nothing with the program,
# the shared libraries that it loads and the CA certificates of this Debian; and beside it the root
# filesystem as a tree and what is in it as SPDX. Needs no registry and no daemon. The same inputs
# give the same bytes: times are those of SOURCE_DATE_EPOCH, else of the last commit.
set -euo pipefail

program=$1 version=$2 out=$3
here=$(dirname "$(readlink -f "$0")")
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 0)}
user=65532 # "nonroot", as distroless images have it

fail() {
    echo "image: $*" >&2
    exit 1
}
command -v buildah >/dev/null || fail "buildah is not installed: make deps"
[[ -x $program ]] || fail "$program is not there: make"

root=$out/rootfs
rm -rf "$out"
mkdir -p "$root"/{etc/ssl/certs,usr/bin,tmp,var/run}

# Paths under /lib are links into /usr on Debian and none here: a file goes where the loader looks.
put() { install -D -m "$1" "$2" "$root$3"; }
put 0755 "$program" /usr/bin/steelyard
strip --strip-all "$root/usr/bin/steelyard"
mapfile -t libraries < <(ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | sort)
for library in "${libraries[@]}"; do
    [[ -e $library ]] || fail "$program needs a library that is not installed: $(ldd "$program" | grep -m 1 'not found')"
    put 0755 "$(readlink -f "$library")" "$library"
done
put 0644 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
put 0644 /etc/ssl/openssl.cnf /usr/lib/ssl/openssl.cnf
ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
echo "nonroot:x:$user:$user:nonroot:/:/sbin/nologin" >"$root/etc/passwd"
echo "nonroot:x:$user:" >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
find "$root" -exec touch -h -d "@$epoch" {} +

"$here/spdx.sh" "$root" "$version" "$epoch" >"$out/steelyard.spdx.json"

store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT
b() { buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs "$@"; }
container=$(b from scratch)
b copy --quiet "$container" "$root" / >/dev/null
b config --user "$user:$user" --entrypoint '["/usr/bin/steelyard"]' --cmd run --workingdir / \
    --label org.opencontainers.image.title=steelyard \
    --label org.opencontainers.image.version="$version" \
    --label org.opencontainers.image.licenses=Apache-2.0 "$container"
b commit --quiet --disable-compression=false --timestamp "$epoch" --format oci "$container" \
    "oci:$store/oci:steelyard:$version" >/dev/null
tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -C "$store/oci" \
    -cf "$out/steelyard.oci.tar" .

size() { du -sb --apparent-size "$1" | awk '{ printf "%.1f MB", $1 / 1e6 }'; }
echo "image: $out/steelyard.oci.tar $(size "$out/steelyard.oci.tar") compressed," \
    "$(size "$root") unpacked, ${#libraries[@]} libraries"
