#!/usr/bin/env bash
# Builds the OpenTelemetry Collector of the end-to-end tests from the sources that go.mod and go.sum pin,
# into target/e2e/otelcol, and prints its path. Needs Go 1.26 or newer; does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

program=$PWD/target/e2e/otelcol
newer() { find tests/e2e/collector -type f -newer "$program" | grep -q .; }
if [ ! -x "$program" ] || newer; then
    command -v go >/dev/null || { echo "build-collector: needs Go 1.26 or newer (https://go.dev/dl)" >&2; exit 1; }
    mkdir -p "${program%/*}"
    # By a new name first: a build that is interrupted leaves no half of a program.
    (cd tests/e2e/collector && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$program.new" .) >&2
    mv "$program.new" "$program"
fi
echo "$program"
