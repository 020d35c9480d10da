#!/usr/bin/env bash
# Makes the README's picture, report.png: a person's part of the report on the demo's trail. Needs Chromium; builds qtrail, unless
# QTRAIL is the path of one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

picture=$PWD/docs/pictures/report.png
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
if [ -z "${QTRAIL:-}" ]; then
    cargo build --locked --bin qtrail >&2
    QTRAIL=${CARGO_TARGET_DIR:-$PWD/target}/debug/qtrail
fi
QTRAIL=$(realpath "$QTRAIL")
cd "$folder"
"$QTRAIL" demo --dir demo >demo.log
# Exit code 3: the trail has a record that cannot be read.
"$QTRAIL" --quiet report demo/trail --person mary_major --format html -o report.html 2>report.log || [ $? -eq 3 ] || { cat report.log >&2; exit 1; }

arguments=(--headless --hide-scrollbars --window-size=1200,900 --screenshot=report.png)
# Chromium has no sandbox for root.
[ "$(id -u)" -ne 0 ] || arguments+=(--no-sandbox)
timeout 120 chromium "${arguments[@]}" "file://$folder/report.html" >chromium.log 2>&1 || { cat chromium.log >&2; exit 1; }
mv report.png "$picture"
ls -l "$picture"
