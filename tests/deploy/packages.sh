#!/usr/bin/env bash
# packages.sh [FOLDER]: tests what deploy/release.sh made (target/packages/): installs the deb and the rpm in a fresh Debian 12 made
# by debootstrap, runs, drains and removes them. Prints a last line `N passed, N failed`. Needs root, debootstrap, rpm, jq, and
# network access to Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

packages=$(realpath "${1:-target/packages}")
root=$(mktemp -d) work=$(mktemp -d)
trap 'rm -rf --one-file-system "$root" "$work"' EXIT
passed=0 failed=0

holds() {
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok - $name"
    else
        failed=$((failed + 1))
        echo "not ok - $name"
        sed 's/^/    /' "$work/out"
    fi
}

everything() { (cd "$root" && find . -path ./proc -prune -o -print | grep -vE '^\./(var/lib/(dpkg|rpm)|var/cache|var/log|tmp|dev|root)(/|$)' | sort); }

sums() { (cd "$packages" && sha256sum --check --strict SHA256SUMS); }

archive() {
    tar --extract --gzip --file "$packages"/qtrail-*.tar.gz --directory "$work" &&
        (cd "$work"/qtrail-*/ && ./qtrail --version && test -s man/qtrail-run.1 && test -s completions/_qtrail && test -s qtrail.service)
}

static() { ! ldd "$work"/qtrail-*/qtrail 2>/dev/null | grep '=>'; }

# Each crate with its licence; no crate of the tests alone.
sbom() {
    local sbom
    sbom=$(echo "$packages"/qtrail-*-sbom.json)
    jq --exit-status '.bomFormat == "CycloneDX" and (.components | length > 100) and ([.components[].name] | index("tokio") and index("aws-sdk-sqs"))
        and ([.components[].name] | (index("proptest") or index("insta")) | not)' "$sbom" &&
        jq --raw-output '.components[] | select(.licenses == null) | "no licence: " + .name' "$sbom" | { ! grep .; }
}

# The package's program in the root, on a sample in the directory of the package's configuration: it starts, and a signal drains it.
runs() {
    rm -rf "$root"/var/lib/qtrail "$root"/var/log/cloudtrail "$root"/tmp/demo
    mkdir -p "$root"/var/log
    chroot "$root" qtrail demo --dir /tmp/demo >/dev/null
    mv "$root"/tmp/demo/trail "$root"/var/log/cloudtrail
    chroot "$root" qtrail run --config /etc/qtrail/config.yaml --state /var/lib/qtrail --output /var/lib/qtrail/events.jsonl \
        2>"$work/log" &
    local pid=$! tries=0
    until grep -q '"q.SendMessage"' "$root"/var/lib/qtrail/events.jsonl 2>/dev/null; do
        kill -0 $pid && [ $((tries += 1)) -lt 300 ] || { cat "$work/log"; return 1; }
        sleep 0.1
    done
    kill -TERM $pid
    wait $pid && grep -q 'stopped read=' "$work/log" || { cat "$work/log"; return 1; }
}

holds "the sums are right" sums
holds "the archive has the program, completions, man pages and the unit" archive
holds "the program needs no library" static
holds "the SBOM has what is in the program" sbom

debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap" 2>&1 || { tail "$work/debootstrap"; exit 1; }
everything >"$work/before"

installs_deb() { cp "$packages"/*.deb "$root"/tmp/ && chroot "$root" sh -c 'dpkg --install /tmp/*.deb'; }
has_deb() {
    for file in usr/bin/qtrail etc/qtrail/config.yaml usr/share/bash-completion/completions/qtrail usr/share/man/man1/qtrail-run.1.gz \
        usr/share/doc/qtrail/copyright; do
        [ -s "$root/$file" ] || { echo "no $file"; return 1; }
    done
    [ -s "$root"/usr/lib/systemd/system/qtrail.service ] || [ -s "$root"/lib/systemd/system/qtrail.service ]
}
keeps_changes() {
    echo '# mine' >>"$root"/etc/qtrail/config.yaml && chroot "$root" sh -c 'dpkg --force-confold --install /tmp/*.deb' &&
        grep -q '^# mine' "$root"/etc/qtrail/config.yaml
}
removed() { everything | diff "$work/before" - | grep '^>' | grep -vE '^> \./var/lib/qtrail(/|$)' | { ! grep .; }; }
purges_deb() { chroot "$root" dpkg --purge qtrail && removed && [ -s "$root"/var/lib/qtrail/state.redb ]; }

holds "the deb installs" installs_deb
holds "the deb has its files" has_deb
holds "the deb's program runs and drains" runs
holds "an upgrade keeps a changed configuration" keeps_changes
holds "the deb is removed without a trace but its state" purges_deb

installs_rpm() { rm -rf "$root"/var/lib/qtrail && rpm --root "$root" --dbpath /var/lib/rpm --nodeps --install "$packages"/*.rpm; }
has_rpm() {
    for file in usr/bin/qtrail usr/lib/systemd/system/qtrail.service etc/qtrail/config.yaml usr/share/man/man1/qtrail-run.1 \
        usr/share/licenses/qtrail/LICENSE; do
        [ -s "$root/$file" ] || { echo "no $file"; return 1; }
    done
    rpm --query --package --configfiles "$packages"/*.rpm | grep -qx /etc/qtrail/config.yaml
}
erases_rpm() { rpm --root "$root" --dbpath /var/lib/rpm --erase qtrail && removed; }

holds "the rpm installs" installs_rpm
holds "the rpm has its files" has_rpm
holds "the rpm's program runs and drains" runs
holds "the rpm is removed without a trace but its state" erases_rpm

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
