#!/usr/bin/env bash
# Tests the dashboards and alerts of deploy/, and the whole way from a trail to them, with real servers: the collector, VictoriaLogs,
# vmalert, Jaeger, Prometheus. Prints a last line `N passed, N failed`. Needs Node 20, Go 1.26, Python 3.9 and Prometheus with
# promtool (as root on Debian, it installs them); network access for the first run. With Chromium, pictures of the pages are in
# target/views. QTRAIL_VIEWS_QTRAIL is the program to test, if it is not to be built here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

command -v python3 >/dev/null || { echo "views: needs Python 3.9 or newer" >&2; exit 1; }
command -v node >/dev/null || { echo "views: needs Node 20 or newer (https://nodejs.org)" >&2; exit 1; }
if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "views: needs prometheus and promtool (https://prometheus.io/download)" >&2
        exit 1
    fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus; } >&2
fi
for folder in deploy/grafana tests/views; do
    (cd "$folder"; [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-fund --no-audit) >&2
done
QTRAIL_VIEWS_VICTORIALOGS=$(tests/e2e/build-victorialogs.sh)
QTRAIL_VIEWS_VMALERT=$(tests/e2e/build-vmalert.sh)
QTRAIL_VIEWS_JAEGER=$(tests/e2e/build-jaeger.sh)
QTRAIL_VIEWS_COLLECTOR=$(tests/e2e/build-collector.sh)
if [ -z "${QTRAIL_VIEWS_QTRAIL:-}" ]; then
    cargo build --locked --all-features --bin qtrail >&2
    QTRAIL_VIEWS_QTRAIL=${CARGO_TARGET_DIR:-$PWD/target}/debug/qtrail
fi
export QTRAIL_VIEWS_COLLECTOR QTRAIL_VIEWS_VICTORIALOGS QTRAIL_VIEWS_VMALERT QTRAIL_VIEWS_JAEGER QTRAIL_VIEWS_QTRAIL

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
node --test --test-reporter=tap tests/views/*.test.js | tee "$output" || status=$?
awk '/^# pass / { passed = $3 } /^# fail / { failed = $3 } /^# cancelled / { failed += $3 }
    END { print passed + 0 " passed, " failed + 0 " failed"; exit !(passed > 0) }' "$output"
exit "$status"
