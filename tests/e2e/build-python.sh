#!/usr/bin/env bash
# Makes a Python environment with what python/requirements.txt pins and the client that grpcio-tools makes of
# proto/, in target/e2e/python, and prints the path of its python. Needs Python 3.10 or newer; does nothing
# when it is up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

environment=$PWD/target/e2e/python
made=$environment/made
if [ ! -e "$made" ] || [ -n "$(find tests/e2e/python/requirements.txt proto -newer "$made")" ]; then
    command -v python3 >/dev/null || { echo "build-python: needs Python 3.10 or newer" >&2; exit 1; }
    {
        python3 -m venv --clear "$environment"
        "$environment/bin/pip" install --quiet --requirement tests/e2e/python/requirements.txt
        packages=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        "$environment/bin/python" -m grpc_tools.protoc --proto_path=proto \
            --python_out="$packages" --grpc_python_out="$packages" proto/qtrail/v1/ingest.proto
    } >&2
    # The last step: an environment that is made by half is made anew.
    touch "$made"
fi
echo "$environment/bin/python"
