#!/usr/bin/env bash
# Resolves the Python environments anew, within what their lists allow, keeping the versions that are locked already:
# npm run locks. Given --upgrade, or --upgrade-package NAME, it takes newer ones.
set -euo pipefail
cd "$(dirname "$0")/../.."

trainer=containers/trainer
compile() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header "$@"
}

# The checkout's environment: the trainer's, the emulator's and the tests'.
compile "$@" --extra gpu --extra benchmarks -o local/requirements.lock $trainer/pyproject.toml local/requirements.in
# The image's: its main variant of the same versions, and the one for drivers of the 515 branch.
compile "$@" --extra gpu --extra benchmarks -c local/requirements.lock -o $trainer/main.lock $trainer/pyproject.toml
compile "$@" --overrides $trainer/driver515-overrides.in -o $trainer/driver515.lock $trainer/driver515.in
# What writes the image's SBOM.
compile "$@" -o $trainer/sbom.lock $trainer/sbom.in
