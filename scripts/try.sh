#!/usr/bin/env bash
# The main job once, from a clean checkout: builds Descant, makes a fresh folder with a small Python file, has the
# built-in demo model change one line of it, shows what changed, and takes it back.
#
#   scripts/try.sh           the whole round, on its own
#   scripts/try.sh ui        the same folder in the terminal UI, to try by hand
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

cargo build --release --locked
descant="${CARGO_TARGET_DIR:-$PWD/target}/release/descant"

folder=$(mktemp -d "${TMPDIR:-/tmp}/descant-try.XXXXXX")
cat >"$folder/calc.py" <<'PY'
def add(a, b):
    return a - b


def mul(a, b):
    return a * b
PY
cp "$folder/calc.py" "$folder/.before"
request='In calc.py, change `return a - b` to `return a + b`.'

if [ "${1:-}" = ui ]; then
    say "type: $request"
    exec "$descant" -C "$folder" -m demo
fi

say "descant --once --apply all '$request'"
"$descant" -C "$folder" -m demo --once --apply all "$request"

say 'what changed'
diff -u "$folder/.before" "$folder/calc.py" && { echo 'nothing changed'; exit 1; }

say 'descant undo'
"$descant" -C "$folder" undo
cmp "$folder/.before" "$folder/calc.py"
say "every byte of calc.py is back (the folder: $folder)"
