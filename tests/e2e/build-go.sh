#!/usr/bin/env bash
# Builds a Go program for tests and benches: `build-go.sh NAME PACKAGE [FOLDER]`, from the sources that FOLDER/go.mod
# (NAME/go.mod) and go.sum pin, into target/e2e/NAME, and prints its path. Needs Go 1.26 or newer; does nothing when it
# is up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

name=$1 package=$2 folder=tests/e2e/${3:-$1}
program=$PWD/target/e2e/$name
newer() { find "$folder" -type f -newer "$program" | grep -q .; }
if [ ! -x "$program" ] || newer; then
    command -v go >/dev/null || { echo "build-$name: needs Go 1.26 or newer (https://go.dev/dl)" >&2; exit 1; }
    mkdir -p "${program%/*}"
    # By a new name first: a build that is interrupted leaves no half of a program.
    (cd "$folder" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$program.new" "$package") >&2
    mv "$program.new" "$program"
fi
echo "$program"
