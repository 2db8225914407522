#!/usr/bin/env bash
# Runs a tiny GPT-OSS with random weights through the real path on a CPU: MXFP4 experts, attention sinks, sliding
# windows, the full vocabulary, raw token ids (tests/gpt_oss_cpu.rs).
#
#   scripts/gpt-oss-on-cpu.sh
#
# mistral.rs loads GPT-OSS's weights on CUDA and Metal only; its code for a CPU is there, behind a check of the
# device. This builds a variant with that one line changed: mistralrs-quant's source is copied out of cargo's
# registry, changed, and put in its place for this build only. Nothing of it is kept in the repository, and no
# program that users get is built this way: it decodes gpt-oss-20b at 0.15 tokens a second.
set -euo pipefail
cd "$(dirname "$0")/.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/descant
WORK=$CACHE/gpt-oss-on-cpu
export CARGO_TARGET_DIR=${DESCANT_VARIANT_TARGET:-$CACHE/target-gpt-oss-on-cpu}

say() { printf 'gpt-oss-on-cpu: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v python3 >/dev/null || die 'needs python3'
cargo fetch --locked
version=$(sed -n '/^name = "mistralrs-quant"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
source=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -type d -name "mistralrs-quant-$version" | head -n 1)
[ -n "$source" ] || die "mistralrs-quant $version is not in cargo's registry"

# Made once a version: cargo compiles anew what is copied anew.
changed=$WORK/mistralrs-quant
if [ "$(cat "$WORK/version" 2>/dev/null)" != "$version" ]; then
    say "changing one line of mistralrs-quant $version"
    rm -rf "$WORK"
    mkdir -p "$WORK"
    cp -r "$source" "$changed"
    # The last line of the function that says which devices will do.
    sed -i '/fn device_supported(/,/^    }/s/^        false$/        true/' "$changed/src/mxfp4/mod.rs"
    lines=$(diff -r "$source" "$changed" | grep -c '^>' || true)
    [ "$lines" = 1 ] || die "expected to change one line of $changed and changed $lines; mistral.rs has moved on"
    printf '%s\n' "$version" >"$WORK/version"
fi

# The lock file of such a build is another one, so it happens in a copy. What git would not track stays out.
rm -rf "$WORK/checkout" "$WORK/tiny"
mkdir "$WORK/checkout"
git ls-files -z --cached --others --exclude-standard | tar --null --create --files-from=- | tar --extract --directory "$WORK/checkout"
scripts/random-gpt-oss.py --shape tiny "$WORK/tiny"
cd "$WORK/checkout"
export DESCANT_TINY_GPT_OSS=$WORK/tiny
# Descant itself is compiled as for the tests, without optimisation.
cargo test --release --features gpt-oss-on-cpu --config "patch.crates-io.mistralrs-quant.path='$WORK/mistralrs-quant'" \
    --config profile.release.package.descant.opt-level=0 --test gpt_oss_cpu "$@"
