#!/usr/bin/env bash
# Every test. Descant itself is compiled without optimisation and with overflow checks, in two minutes instead of
# ten; what it stands on (mistral.rs, libgit2, ...) is the same optimised build as the program's.
#
#   scripts/test.sh                      all
#   scripts/test.sh --test tui paste     as `cargo test` takes it
#
# Tests that need a container engine say `not run` where there is none, and fail where CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."
descant=profile.release.package.descant
exec cargo test --release --locked --config "$descant.opt-level=0" --config "$descant.overflow-checks=true" \
    --config "$descant.debug-assertions=true" "$@"
