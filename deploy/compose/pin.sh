#!/usr/bin/env bash
# Pins the images of compose.yaml by digest: writes compose.pinned.yaml, to use in place of compose.yaml. Needs Docker and its
# registry. The image of qtrail is built here, and has no digest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

pinned=compose.pinned.yaml
cp compose.yaml "$pinned.new"
for image in $(sed -n 's/^    image: \(.*:.*\)$/\1/p' compose.yaml); do
    docker pull --quiet "$image" >&2
    digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")
    sed -i "s|^    image: $image\$|    image: $image@${digest#*@}|" "$pinned.new"
done
mv "$pinned.new" "$pinned"
echo "$pinned"
