#!/usr/bin/env bash
# Builds `--features cuda` on a machine without a GPU and without NVIDIA's toolkit, to know that it compiles and links.
#
#   scripts/cuda-build.sh [further cargo options]
#
# nvcc, its headers and libraries come from the Python registry (1.2 GB, once) and are kept with the build in
# ${XDG_CACHE_HOME:-~/.cache}/descant. The one thing that no registry has is the driver's libcuda: a stub with the
# functions of cuda.h stands in for the link. The program asks the real one's name, so on a machine with an NVIDIA
# driver and CUDA 13's libraries it runs as it is; here it starts, says that there is no device, and runs the demo. An
# hour of one core.
#
# CUDA_COMPUTE_CAP names the GPU's architecture: 90 is Hopper (H100, H200), 89 Ada (RTX 40), 120 Blackwell (RTX 50).
set -euo pipefail
cd "$(dirname "$0")/.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/descant
SITE=$CACHE/cuda-13.0
HOME_OF_CUDA=$SITE/nvidia/cu13
PACKAGES=(
    nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85
    nvidia-cuda-runtime==13.0.96 nvidia-cublas==13.0.2.14 nvidia-curand==10.4.0.35 nvidia-cuda-nvrtc==13.0.88
)

say() { printf 'cuda-build: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v cc >/dev/null || die 'needs a C compiler (Debian: build-essential)'
python3 -m pip --version >/dev/null 2>&1 || die 'needs Python with pip (Debian: python3-pip)'

if [ ! -e "$SITE/complete" ]; then
    say 'fetching nvcc and the CUDA libraries (1.2 GB)'
    rm -rf "$SITE"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$SITE" "${PACKAGES[@]}"
    ln -s lib "$HOME_OF_CUDA/lib64"
    # The wheels have the versioned files only; a linker asks for libX.so.
    for file in "$HOME_OF_CUDA"/lib/lib*.so.*; do
        link=${file%%.so.*}.so
        [ -e "$link" ] || ln -s "$(basename "$file")" "$link"
    done
    mkdir -p "$HOME_OF_CUDA/lib/stubs"
    {
        echo '/* What cuda.h declares; each answers CUDA_ERROR_NO_DEVICE. */'
        echo '#include <cuda.h>' | cc -E -P -I"$HOME_OF_CUDA/include" - |
            grep -oE '\bCUresult +cu[A-Z][A-Za-z0-9_]*' | awk '{print $2}' | sort -u |
            sed 's/.*/int &(void) { return 100; }/'
    } >"$SITE/stub.c"
    cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$HOME_OF_CUDA/lib/stubs/libcuda.so" "$SITE/stub.c"
    ln -sf libcuda.so "$HOME_OF_CUDA/lib/stubs/libcuda.so.1"
    touch "$SITE/complete"
fi

export CUDA_HOME=$HOME_OF_CUDA CUDA_PATH=$HOME_OF_CUDA CUDA_ROOT=$HOME_OF_CUDA CUDA_TOOLKIT_ROOT_DIR=$HOME_OF_CUDA
export PATH=$HOME_OF_CUDA/bin:$PATH
export LIBRARY_PATH=$HOME_OF_CUDA/lib:$HOME_OF_CUDA/lib/stubs
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90}
# Its own folder: the other build keeps its features.
export CARGO_TARGET_DIR=${DESCANT_CUDA_TARGET:-$CACHE/target-cuda}
say "building for compute capability $CUDA_COMPUTE_CAP in $CARGO_TARGET_DIR"
cargo build --release --locked --features cuda --bin descant "$@"

binary=$CARGO_TARGET_DIR/release/descant
say 'it asks for these libraries of CUDA:'
needed=$(readelf -d "$binary" | sed -nE 's/.*NEEDED.*\[(lib(cu|nv)[^]]*)\]/\1/p')
printf '%s\n' "$needed"
grep -q '^libcuda\.so\.1$' <<<"$needed" || die 'libcuda.so.1 is not among them: nothing of CUDA was linked in'
say 'and starts, and the demo answers:'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf 'one\ntwo\n' >"$folder/a.txt"
export LD_LIBRARY_PATH=$HOME_OF_CUDA/lib:$HOME_OF_CUDA/lib/stubs DESCANT_HOME=$folder/.home
"$binary" --version
said=$("$binary" -C "$folder" --once -m demo -c sandbox.enabled=false 'Show a.txt.')
printf '%s\n' "$said"
grep -qx two <<<"$said" || die 'the demo does not answer in a build with CUDA'
