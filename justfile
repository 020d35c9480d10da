# The steps of .ci/run, one at a time; `just ci` runs them all. Each does what CI does. `fuzz` and `soak` take
# as long as they are told to, and are no part of it.

# List the recipes.
default:
    @just --list

# Is the code formatted? (`cargo fmt` formats it.)
fmt:
    .ci/run fmt

# Clippy, with warnings denied.
lint:
    .ci/run lint

# The core alone, without tokio.
minimal:
    .ci/run minimal

# The documentation, with warnings denied.
docs:
    .ci/run docs

# Every test that needs no server.
test:
    .ci/run test

# The crash test alone.
crash:
    .ci/run crash

# Build the real OpenTelemetry Collector (needs Go).
collector:
    .ci/run collector

# Jaeger, for `just e2e`.
jaeger:
    .ci/run jaeger

# Build grpcurl (needs Go) and a Python client of the ingest service.
clients:
    .ci/run clients

# qtrail beside the real collector, and called by programs of others.
e2e:
    .ci/run e2e

# S3 and SQS with real servers (needs Python, Maven and Java).
amazon:
    .ci/run amazon

# The dashboards, the alerts and the whole way to them, on VictoriaLogs, vmalert, Jaeger and Prometheus (needs Node and Go).
views:
    .ci/run views

# The chart, the manifests, the compose file, the unit and the Terraform module (needs Go).
deploy:
    .ci/run deploy

# Make the packages of a release in target/packages (see the script), and install and remove them (needs root, debootstrap, rpm).
packages:
    deploy/release.sh
    tests/deploy/packages.sh

# The README's picture, after a change of the report's HTML or of the demo's trail (needs Chromium).
picture:
    docs/pictures/make.sh

# Licences, bans and duplicate crates, without a network.
licences:
    .ci/run licences

# The demo, and its balance.
demo:
    .ci/run demo

# The library in someone else's program.
example:
    .ci/run example

# Instructions of the hot path, against the parent commit (needs Valgrind).
instructions:
    .ci/run instructions

# All of it.
ci:
    .ci/run

# Fuzz a target: envelope, log_file, record, conversion, redaction, notices or ingest (needs `cargo install --locked cargo-fuzz`).
fuzz TARGET SECONDS="60":
    cp Cargo.lock fuzz/Cargo.lock
    mkdir -p target/fuzz/corpus/{{TARGET}}
    cargo fuzz run --sanitizer none --target-dir target/fuzz {{TARGET}} target/fuzz/corpus/{{TARGET}} fuzz/corpus/{{TARGET}} -- \
        -max_total_time={{SECONDS}} -rss_limit_mb=4096 -timeout=20

# A trail by every way in while everything fails at random, and a ledger of every event.
soak MINUTES="10" SEED="":
    QTRAIL_SOAK_MINUTES={{MINUTES}} QTRAIL_SOAK_SEED={{SEED}} \
        cargo test --release --features aws --test it soak:: -- --ignored --nocapture

# The figures of docs/performance.md, measured here: all parts, or some (see the script).
performance *PARTS:
    benches/performance.sh {{PARTS}}
