#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# spdx.sh ROOTFS VERSION EPOCH: prints what is in an image's root filesystem as SPDX 2.3 (JSON): each
# file with its checksums, and the Debian package with its version that it was copied from. Debian's
# copyright files have licences per file and in free text: they are named, not concluded from.
set -euo pipefail

root=$1 version=$2 epoch=$3
list=$(mktemp)
trap 'rm -f "$list"' EXIT

# owner PATH: package, source package and version, separated by tabs, of a file of this system.
owner() {
    local path package
    for path in "$1" "$(readlink -f "$1" 2>/dev/null)" "/usr$1" "${1#/usr}"; do
        package=$(dpkg-query -S "$path" 2>/dev/null | head -n 1 | cut -d : -f 1) || continue
        [[ -n $package ]] && break
    done
    [[ -n ${package:-} ]] || return 0
    dpkg-query -W -f '${Package}\t${source:Package}\t${Version}\n' "$package" | head -n 1
}

cd "$root"
find . -type f | LC_ALL=C sort | while read -r file; do
    path=${file#.}
    from=''
    case $path in
    /usr/bin/steelyard) from=$'steelyard\tsteelyard\t'$version ;;
    /etc/ssl/certs/ca-certificates.crt) from=$(owner /usr/share/ca-certificates/mozilla) ;;
    /usr/lib/ssl/openssl.cnf) from=$(owner /etc/ssl/openssl.cnf) ;;
    *) from=$(owner "$path") ;;
    esac
    printf '%s\t%s\t%s\t%s\n' "$path" "$(sha1sum <"$file" | cut -d ' ' -f 1)" \
        "$(sha256sum <"$file" | cut -d ' ' -f 1)" "${from:-$'steelyard\tsteelyard\t'$version}"
done >"$list"
jq -R -s --arg version "$version" --arg digest "$(sha256sum <"$list" | cut -c 1-32)" \
    --arg created "$(date -u -d "@$epoch" +%FT%TZ)" '
    def id: gsub("[^A-Za-z0-9.-]"; "-");
    [split("\n")[] | select(. != "") | split("\t")
     | {path: .[0], sha1: .[1], sha256: .[2], package: .[3], source: .[4], version: .[5]}] as $files
    | ($files | group_by(.package) | map(.[0])) as $packages
    | {
        spdxVersion: "SPDX-2.3",
        dataLicense: "CC0-1.0",
        SPDXID: "SPDXRef-DOCUMENT",
        name: "steelyard-\($version)",
        documentNamespace: "https://spdx.org/spdxdocs/steelyard-\($version)-\($digest)",
        creationInfo: {created: $created, creators: ["Tool: hack/image/spdx.sh"]},
        packages: ($packages | map({
            SPDXID: "SPDXRef-Package-\(.package | id)",
            name: .package,
            versionInfo: .version,
            downloadLocation: "NOASSERTION",
            filesAnalyzed: false,
            licenseConcluded: (if .package == "steelyard" then "Apache-2.0" else "NOASSERTION" end),
            licenseDeclared: (if .package == "steelyard" then "Apache-2.0" else "NOASSERTION" end),
            copyrightText: "NOASSERTION"
          } + if .package == "steelyard" then {} else {
            sourceInfo: "Debian source package \(.source)",
            externalRefs: [{
                referenceCategory: "PACKAGE-MANAGER",
                referenceType: "purl",
                referenceLocator: "pkg:deb/debian/\(.package)@\(.version | @uri)?distro=debian-12"
            }]
          } end)),
        files: ($files | map({
            SPDXID: "SPDXRef-File-\(.path | id)",
            fileName: ".\(.path)",
            checksums: [{algorithm: "SHA1", checksumValue: .sha1},
                        {algorithm: "SHA256", checksumValue: .sha256}],
            licenseConcluded: "NOASSERTION",
            copyrightText: "NOASSERTION"
          })),
        relationships: (
            [$packages[] | {
                spdxElementId: "SPDXRef-DOCUMENT",
                relationshipType: "DESCRIBES",
                relatedSpdxElement: "SPDXRef-Package-\(.package | id)"}]
            + [$files[] | {
                spdxElementId: "SPDXRef-Package-\(.package | id)",
                relationshipType: "CONTAINS",
                relatedSpdxElement: "SPDXRef-File-\(.path | id)"}])
      }' "$list"
