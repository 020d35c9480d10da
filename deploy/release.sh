#!/usr/bin/env bash
# Makes what a release consists of, in target/packages/: a tar archive, a deb and an rpm, each with the program (which needs no
# library), completions, man pages and the systemd unit; an SBOM (CycloneDX); SHA256SUMS. Publishes nothing.
#
#   rustup target add x86_64-unknown-linux-musl && apt-get install musl-tools
#   cargo install --locked cargo-deb@3.8.0 cargo-generate-rpm@0.21.1 cargo-cyclonedx@0.5.9
#   deploy/release.sh
#
# The program is linked statically with musl. Where that target is not installed, with glibc (which then cannot load its modules for
# names beyond DNS and /etc/hosts). The image is made by deploy/Dockerfile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in cargo-deb cargo-generate-rpm cargo-cyclonedx; do
    command -v "$tool" >/dev/null || { echo "release: needs $tool: see the first lines of $0" >&2; exit 1; }
done
export CARGO_TARGET_DIR=$PWD/target
architecture=$(uname -m)
target=$architecture-unknown-linux-musl
if [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] && command -v musl-gcc >/dev/null; then
    export "CC_${target//-/_}=musl-gcc"
else
    target=$architecture-unknown-linux-gnu
    echo "release: without musl: statically with glibc" >&2
    export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
program=$CARGO_TARGET_DIR/$target/dist/qtrail
packages=$CARGO_TARGET_DIR/packages

cargo build --profile dist --locked --features aws --target "$target"
if ldd "$program" 2>/dev/null | grep -q '=>'; then
    echo "release: $program needs libraries" >&2
    exit 1
fi

rm -rf "$packages"
mkdir -p "$packages/completions" "$packages/man"
"$program" completions bash >"$packages/completions/qtrail.bash"
"$program" completions zsh >"$packages/completions/_qtrail"
"$program" completions fish >"$packages/completions/qtrail.fish"
"$program" man "$packages/man"

cargo deb --locked --no-build --target "$target" --profile dist --output "$packages/"
cargo generate-rpm --target "$target" --profile dist --output "$packages/"

# Of the program alone, with what is linked into it. The tool writes beside each Cargo.toml of the workspace.
sbom=qtrail-$version-sbom
cargo cyclonedx --format json --features aws --target "$target" --override-filename "$sbom" --quiet
mv "$sbom.json" "$packages/"
rm -f crates/*/"$sbom.json" benches/*/"$sbom.json"

archive=qtrail-$version-$target
mkdir "$packages/$archive"
cp -R "$program" LICENSE README.md CHANGELOG.md deploy/qtrail.service examples/config.yaml "$packages/completions" "$packages/man" "$packages/$archive/"
# The same sources give the same archive.
tar --directory "$packages" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" \
    --create "$archive" | gzip --no-name >"$packages/$archive.tar.gz"
rm -r "${packages:?}/$archive" "$packages/completions" "$packages/man"

(cd "$packages" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
