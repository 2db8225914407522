#!/usr/bin/env bash
# llama.cpp's server with the built-in demo model, for the tests: a prebuilt wheel of the Python registry and a GGUF
# file made from demo/model. Nothing is compiled.
#
#   scripts/llama-server-for-tests.sh          install what is missing
#   scripts/llama-server-for-tests.sh serve    and serve the demo until Ctrl+D; its address is printed
#
# Running it again is safe: what is there is kept, in ${XDG_CACHE_HOME:-~/.cache}/descant/llama-server, some 130 MB.
set -euo pipefail

VERSION=2026.10.11549 # of xllamacpp, which carries llama.cpp b11549
HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/descant/llama-server
PYTHON=$CACHE/$VERSION/bin/python

say() { printf 'llama-server-for-tests: %s\n' "$*" >&2; }

if ! "$PYTHON" -c 'import xllamacpp' 2>/dev/null; then
    say "installing xllamacpp $VERSION"
    rm -rf "${CACHE:?}/$VERSION"
    mkdir -p "$CACHE"
    if ! python3 -m venv "$CACHE/$VERSION" >/dev/null 2>&1; then
        say 'needs python3 with venv; installing python3-venv'
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >&2
        python3 -m venv --clear "$CACHE/$VERSION"
    fi
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --only-binary :all: "xllamacpp==$VERSION" >&2
fi

# Made anew when the model or the script that makes it changes.
sum=$(cat "$HERE/llama-server/convert.py" "$HERE"/../demo/model/{config.json,vocab.json,model.safetensors} | sha256sum | cut -c1-16)
model=$CACHE/demo-$sum.gguf
if [ ! -s "$model" ]; then
    say 'making the demo model a GGUF file'
    "$PYTHON" "$HERE/llama-server/convert.py" "$model.part"
    mv "$model.part" "$model"
    find "$CACHE" -maxdepth 1 -name 'demo-*.gguf' ! -path "$model" -delete
fi
printf '%s\n' "$PYTHON" "$model" >"$CACHE/ready.part"
mv "$CACHE/ready.part" "$CACHE/ready"
say "ready: $model"
[ "${1:-}" != serve ] || exec "$PYTHON" "$HERE/llama-server/serve.py" "$model" "$HERE/llama-server/chat.jinja"
