#!/usr/bin/env bash
# Prints the figures of docs/performance.md, as Markdown: each is measured in this run, so that its ratios hold
# for this machine. The trails are made by `qtrail sample` with a fixed seed. Needs no network once the
# dependencies are there; `perf`, Valgrind and libdeflate are used where they are installed.
#
#   benches/performance.sh            # all parts
#   benches/performance.sh mixed      # some: trail mixed amazon_q instructions collector grpc idle
#
#   QTRAIL_E2E_COLLECTOR=$(tests/e2e/build-collector.sh)    # for `collector`: the real one; else it is omitted
#   QTRAIL_PERFORMANCE_MB=400                               # JSON of each trail
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR=$PWD/target
qtrail=$CARGO_TARGET_DIR/release/qtrail
megabytes=${QTRAIL_PERFORMANCE_MB:-400}
rounds=3
parts=(trail mixed amazon_q instructions collector grpc idle)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

main() {
    cargo build --locked --release --bin qtrail --example inflate
    cargo bench --locked --no-run --bench trail --bench ingest --bench latency
    machine
    [ $# -gt 0 ] || set -- "${parts[@]}"
    local part
    for part in "$@"; do
        declare -F "$part" >/dev/null || { echo "no such part: $part (there are: ${parts[*]})" >&2; exit 2; }
        printf '\n### %s\n\n' "$part"
        "$part"
    done
}

machine() {
    printf '%s, %s processors, %s, qtrail %s\n' \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sed -n 1p)" "$(nproc)" "$(rustc --version)" \
        "$(git rev-parse --short HEAD 2>/dev/null || echo 'without git')"
}

# The core alone, against inflating and against serde_json: 0, 1, 10 and 100 % Amazon Q, small and large files.
trail() { taskset -c 0 cargo bench --quiet --locked --bench trail; }

# A usual trail: the whole program against inflating the same files.
mixed() {
    sample mixed --share 1 --size "${megabytes}MB" --files 142
    programs mixed
}

# Only Amazon Q, in small files and in large ones.
amazon_q() {
    sample small --share 100 --size "$((megabytes * 3 / 8))MB"
    sample large --share 100 --size "$((megabytes * 3 / 8))MB" --files 24
    programs small large
}

# Instructions for an Amazon Q event, both signals, without the program's start.
instructions() {
    [ -n "$(command -v valgrind)" ] || { echo "omitted: valgrind is not installed"; return 0; }
    sample 2000 --share 100 --events 2000 --files 1
    sample 4000 --share 100 --events 4000 --files 1
    local few many
    few=$(executed 2000) many=$(executed 4000)
    echo "$(((many - few) / 2000)) for each further event; $((few / 2000)) with the start, over 2,000"
}

# End to end: the real collector, which writes files, and its processor time shares the machine.
collector() {
    [ -n "${QTRAIL_E2E_COLLECTOR:-}" ] || { echo "omitted: set QTRAIL_E2E_COLLECTOR"; return 0; }
    [ -d "$folder/mixed" ] || sample mixed --share 1 --size "${megabytes}MB" --files 142
    [ -d "$folder/small" ] || sample small --share 100 --size "$((megabytes * 3 / 8))MB"
    [ -d "$folder/large" ] || sample large --share 100 --size "$((megabytes * 3 / 8))MB" --files 24
    local address=127.0.0.1:$((20000 + RANDOM % 10000)) name
    BACKEND_LISTEN=$address BACKEND_DIRECTORY=$folder "$QTRAIL_E2E_COLLECTOR" \
        --config tests/e2e/backend.yaml >"$folder/collector.log" 2>&1 &
    local process=$!
    until grep -q 'Everything is ready' "$folder/collector.log"; do
        kill -0 $process || { cat "$folder/collector.log" >&2; return 1; }
        sleep 0.1
    done
    echo "| trail | time | processor time | peak memory |"
    echo "| --- | --- | --- | --- |"
    for name in mixed small large; do
        rm -rf "$folder/state" "$folder"/*.jsonl
        QTRAIL_TELEMETRY_HTTP=none timed "$qtrail" run "$folder/$name" --once --state "$folder/state" \
            --endpoint "http://$address" | awk -v name="$name" \
            '{ printf "| %s | %.2f s | %.2f s | %d MB |\n", name, $1, $2, $3 / 1024 }'
    done
    kill $process
    wait $process || true
}

grpc() { taskset -c 0 cargo bench --quiet --locked --bench ingest -- 20000; }

idle() { cargo bench --quiet --locked --bench latency -- 3000 60; }

# Makes a trail in a folder of this name.
sample() { "$qtrail" sample "$folder/$1" --seed 1 "${@:2}" 2>"$folder/$1.made"; }

# The whole program on trails, on one core and on two, against inflating them.
programs() {
    echo "| trail | JSON | inflate | \`convert\`, one core | of inflate | two cores | speed-up | peak memory |"
    echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
    local name
    for name in "$@"; do
        local best_inflate=1e9 best_one=1e9 best_two=1e9 memory=0 round wall used peak
        for ((round = 0; round < rounds; round++)); do
            read -r wall used peak < <(timed taskset -c 0 bash -c "find '$folder/$name' -name '*.gz' -print0 |
                xargs -0 $(inflater) >/dev/null")
            best_inflate=$(least "$best_inflate" "$wall")
            read -r wall used peak < <(timed taskset -c 0 "$qtrail" convert "$folder/$name" --output discard)
            best_one=$(least "$best_one" "$wall")
            read -r wall used peak < <(timed taskset -c 0,1 "$qtrail" convert "$folder/$name" --output discard)
            best_two=$(least "$best_two" "$wall")
            memory=$((peak > memory ? peak : memory))
        done
        awk -v name="$name" -v json="$(json_megabytes "$name")" -v memory="$memory" \
            -v inflate="$best_inflate" -v one="$best_one" -v two="$best_two" 'BEGIN {
            printf "| %s | %d MB | %.2f s, %d MB/s | %.2f s, %d MB/s | %.2f | %.2f s | %.2f | %d MB |\n",
                name, json, inflate, json / inflate, one, json / one, inflate / one, two, one / two, memory / 1024
        }'
    done
    echo
    echo "Inflated by \`$(inflater | sed 's|.*/||')\`."
}

inflater() {
    if [ -n "$(command -v libdeflate-gunzip)" ]; then
        echo libdeflate-gunzip -c
    else
        echo "$CARGO_TARGET_DIR/release/examples/inflate"
    fi
}

# Runs a command: its wall-clock seconds, its processor seconds, its peak memory in KiB.
timed() {
    /usr/bin/time -o "$folder/time" -f '%e %U %S %M' "$@" >/dev/null 2>"$folder/errors" ||
        { cat "$folder/errors" >&2; return 1; }
    awk '{ print $1, $2 + $3, $4 }' "$folder/time"
}

least() { awk -v a="$1" -v b="$2" 'BEGIN { print (a < b) ? a : b }'; }

json_megabytes() { sed -nE 's/.*; ([0-9.]+) MB of JSON.*/\1/p' "$folder/$1.made"; }

# The instructions of a whole conversion.
executed() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$qtrail" convert "$folder/$1" --output discard 2>&1 |
        sed -nE 's/.*Collected : ([0-9]+).*/\1/p'
}

main "$@"
