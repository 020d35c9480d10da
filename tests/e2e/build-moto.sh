#!/usr/bin/env bash
# Makes a Python environment with moto, a server that speaks S3, SQS, SNS, CloudFormation and more of AWS, as
# moto/requirements.txt pins it, in target/e2e/moto, and prints the path of its program. `cfn-lint` is beside
# it. Needs Python 3.10 or newer; does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

environment=$PWD/target/e2e/moto
made=$environment/made
if [ ! -e "$made" ] || [ tests/e2e/moto/requirements.txt -nt "$made" ]; then
    command -v python3 >/dev/null || { echo "build-moto: needs Python 3.10 or newer" >&2; exit 1; }
    {
        python3 -m venv --clear "$environment"
        "$environment/bin/pip" install --quiet --requirement tests/e2e/moto/requirements.txt
    } >&2
    # The last step: an environment that is made by half is made anew.
    touch "$made"
fi
echo "$environment/bin/moto_server"
