#!/usr/bin/env bash
# Tests what is in deploy/ without a cluster and without containers: the chart, the manifests, the compose file, the unit, the
# Terraform module, the image's recipe. Prints a last line `N passed, N failed`. Needs Go 1.26, and network access for the first
# run. QTRAIL_DEPLOY_QTRAIL is the program to test, if it is not to be built here. UPDATE_GOLDENS=1 writes what the chart
# renders to tests/deploy/helm/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

helm=$(tests/e2e/build-helm.sh)
kubecheck=$(tests/e2e/build-kubecheck.sh)
compose=$(tests/e2e/build-compose.sh)
qtrail=${QTRAIL_DEPLOY_QTRAIL:-}
if [ -z "$qtrail" ]; then
    cargo build --locked --all-features --bin qtrail >&2
    qtrail=${CARGO_TARGET_DIR:-$PWD/target}/debug/qtrail
fi
chart=deploy/helm/qtrail goldens=tests/deploy/helm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# `holds NAME COMMAND…`: a test, with its output if it fails. Not run under `set -e`: a function says so with &&.
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

render() { "$helm" template qtrail $chart --namespace qtrail --kube-version 1.31.0 --values "$1"; }

as_golden() {
    if [ -n "${UPDATE_GOLDENS:-}" ]; then
        render "$1" >"$2"
    else
        render "$1" | diff -u "$2" -
    fi
}

# `refused PATTERN ARGUMENT…`: the chart says PATTERN, and renders nothing.
refused() {
    local pattern=$1
    shift
    ! "$helm" template qtrail $chart --kube-version 1.31.0 --values $chart/ci/s3-keda-values.yaml "$@" >"$work/refused" 2>&1 &&
        grep -q "$pattern" "$work/refused" || { cat "$work/refused"; return 1; }
}

# qtrail accepts the configuration in a manifest: 2 would say that it does not. What it names is not here, so it cannot run.
accepted() {
    awk '/^  config.yaml: \|/ { inside = 1; next } inside && !/^    / { exit } inside { print substr($0, 5) }' "$1" >"$work/config.yaml"
    [ -s "$work/config.yaml" ] || { echo "no config.yaml in $1"; return 1; }
    local status=0
    TOKEN=t AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true timeout 60 "$qtrail" check --config "$work/config.yaml" \
        --state "$work/state" 2>&1 || status=$?
    [ $status -ne 2 ] && [ $status -ne 124 ]
}

for values in $chart/ci/*-values.yaml; do
    name=$(basename "$values" -values.yaml)
    holds "helm lint: $name" "$helm" lint --strict $chart --values "$values"
    holds "the chart renders what was reviewed: $name" as_golden "$values" $goldens/"$name".yaml
    holds "qtrail accepts the configuration: $name" accepted $goldens/"$name".yaml
done
holds "a chart without a queue is refused" refused "at '/s3/queues'" --set-json 's3.queues=[]'
holds "a misspelled value is refused" refused 'endpont' --set export.endpont=http://x:4317
holds "a queue that is no URL is refused" refused "at '/s3/queues/0'" --set 's3.queues[0]=qtrail'
holds "no replicas are refused" refused 'minReplicas' --set autoscaling.minReplicas=0
holds "less time than a drain needs is refused" refused 'terminationGracePeriodSeconds' --set terminationGracePeriodSeconds=10
holds "an unknown mode is refused" refused "at '/mode'" --set mode=daemonset

for manifest in $goldens/*.yaml deploy/kubernetes/*.yaml; do
    holds "each field is one of Kubernetes: $manifest" "$kubecheck" "$manifest"
done
for manifest in deploy/kubernetes/*.yaml; do
    holds "qtrail accepts the configuration: $manifest" accepted "$manifest"
done

# The chart's version of the program is the program's.
versions() {
    local program
    program=$("$qtrail" --version | awk '{ print $2; exit }')
    grep -qx "appVersion: $program" $chart/Chart.yaml || { echo "qtrail is $program"; grep appVersion $chart/Chart.yaml; return 1; }
}
holds "the chart has the version of the program" versions

composed() {
    # Its parser resolves what is mounted against the working directory.
    (cd deploy/compose && "$compose" compose.yaml) >"$work/composed" &&
        awk '/source: \// { print $2 }' "$work/composed" | while read -r file; do
            [ -e "$file" ] || { echo "not there: $file"; return 1; }
        done
}
pinned() { ! grep -E '^ +image: ' deploy/compose/compose.yaml | grep -vE 'image: (qtrail|[a-z/-]+:v?[0-9]+\.[0-9]+\.[0-9]+)$'; }
holds "the compose file is one, and what it mounts is there" composed
holds "the compose file pins each image by version" pinned

unit() {
    # The program is not installed here.
    sed 's|/usr/bin/qtrail|/bin/true|' deploy/qtrail.service >"$work/qtrail.service"
    systemd-analyze verify --man=no "$work/qtrail.service" >"$work/verified" 2>&1 && [ ! -s "$work/verified" ] ||
        { cat "$work/verified"; return 1; }
}
# 15 is an exposure of 1.5 of 10: without a network of its own and without a list of addresses it cannot be much less.
exposure() { systemd-analyze security --offline=true --no-pager --threshold=15 deploy/qtrail.service; }
if command -v systemd-analyze >/dev/null; then
    holds "systemd takes the unit without a warning" unit
    holds "the unit exposes at most 1.5 of 10" exposure
else
    echo "not run: systemd-analyze is not here"
fi

terraform_fmt() { TF_CLI_CONFIG_FILE=/dev/null terraform fmt -check -diff deploy/terraform; }
if command -v terraform >/dev/null; then
    holds "the Terraform module is formatted and parses" terraform_fmt
else
    echo "not run: terraform is not here"
fi

# A command of the image that the program does not have would make it unhealthy for ever.
image() {
    sed -n 's/.*\(HEALTHCHECK.*CMD\|^CMD\) \[\(.*\)\].*/\2/p' deploy/Dockerfile | tr -d '",' | sed 's|^/usr/local/bin/qtrail ||' |
        while read -r command _; do
            "$qtrail" "$command" --help >/dev/null || { echo "no such command: $command"; return 1; }
        done
}
holds "the image runs commands that the program has" image

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
