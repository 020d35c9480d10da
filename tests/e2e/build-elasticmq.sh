#!/usr/bin/env bash
# Fetches ElasticMQ, a queue server with SQS's semantics, as elasticmq/pom.xml pins it, into
# target/e2e/elasticmq, and prints the path of a program that takes a port of 127.0.0.1. Needs Maven and Java
# 17 or newer; does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=$PWD/target/e2e/elasticmq
program=$folder/elasticmq
if [ ! -x "$program" ] || [ -n "$(find tests/e2e/elasticmq tests/e2e/build-elasticmq.sh -newer "$program")" ]; then
    command -v mvn >/dev/null || { echo "build-elasticmq: needs Maven and Java 17 or newer" >&2; exit 1; }
    rm -rf "$folder"
    mkdir -p "$folder"
    mvn --batch-mode --quiet --file tests/e2e/elasticmq/pom.xml \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$folder/lib" >&2
    cat > "$program.new" <<'PROGRAM'
#!/bin/sh
# elasticmq PORT
exec java -Dnode-address.port="$1" -Drest-sqs.bind-hostname=127.0.0.1 -Drest-sqs.bind-port="$1" \
    -Drest-stats.enabled=false -cp "${0%/*}/lib/*" org.elasticmq.server.Main
PROGRAM
    chmod +x "$program.new"
    # The last step: a folder that is filled by half is filled anew.
    mv "$program.new" "$program"
fi
echo "$program"
