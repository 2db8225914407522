#!/usr/bin/env bash
# Runs every fuzz target for a bounded time: `scripts/fuzz.sh [SECONDS]` (30 each by default). What a target finds is
# left in fuzz/artifacts. The seeds are fuzz/corpus and, for the patch parser, the patches of the fixtures.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-30}"
cache="${DESCANT_BUILD_CACHE:-$HOME/.cache/descant}"
export PATH="$cache/tools/bin:$PATH"
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --version 0.13.2 --locked --root "$cache/tools"

# Without a sanitizer, which needs a nightly compiler: the code under test has no unsafe block, and what is looked for
# are panics and broken promises.
cargo fuzz build --sanitizer none --target-dir "$cache/fuzz"
host="$(rustc -vV | sed -n 's/^host: //p')"

for target in $(cargo fuzz list); do
    echo "fuzz: $target for $seconds seconds"
    grown="$(mktemp -d)"
    seeds=(fuzz/corpus/"$target")
    if [ "$target" = patch_parser ]; then
        mkdir -p "$grown.seeds"
        for patch in tests/fixtures/patch/*/patch.txt; do
            cp "$patch" "$grown.seeds/$(basename "$(dirname "$patch")")"
        done
        seeds+=("$grown.seeds")
    fi
    mkdir -p "fuzz/artifacts/$target"
    "$cache/fuzz/$host/release/$target" -max_total_time="$seconds" -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target/" "$grown" "${seeds[@]}" 2>"$grown.log" || {
        tail -n 40 "$grown.log" >&2
        echo "fuzz: $target found something; see fuzz/artifacts/$target" >&2
        exit 1
    }
    grep -E 'stat::number_of_executed_units' "$grown.log"
    rm -rf "$grown" "$grown.seeds" "$grown.log"
done
