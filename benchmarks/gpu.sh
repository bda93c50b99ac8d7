#!/bin/sh
# All figures of a GPU in one run of under 8 minutes. Usage: benchmarks/gpu.sh OUTPUT [PYTORCH_CHECKOUT [PYTORCH_PYTHON]]
# Settings by environment, so that the logic can be tried on a CPU: CROP, STEPS, ROUNDS, IMAGE, KERAS_BACKEND, PYTHON,
# SECONDS_IN_ALL; TRAIN_CLEAN, a folder of images, adds the input pipeline.
set -u
out=${1:?"usage: benchmarks/gpu.sh OUTPUT [PYTORCH_CHECKOUT [PYTORCH_PYTHON]]"}
pytorch=${2:-}
python=${PYTHON:-python}
pytorch_python=${3:-$python}
crop=${CROP:-256} steps=${STEPS:-50} rounds=${ROUNDS:-5} image=${IMAGE:-768x512}
here=$(dirname "$0")
# No program takes all of the card's memory at its start.
export TF_FORCE_GPU_ALLOW_GROWTH=true XLA_PYTHON_CLIENT_PREALLOCATE=false
end=$(($(date +%s) + ${SECONDS_IN_ALL:-460}))
failed=0
mkdir -p "$out" || exit 1

# part NAME SECONDS COMMAND …: run it for at most so long, and never beyond the end of all; go on if it fails.
part() {
    name=$1 most=$2
    shift 2
    left=$((end - $(date +%s)))
    [ "$left" -lt "$most" ] && most=$left
    if [ "$most" -lt 5 ]; then
        echo "$name: no time left" >&2
        failed=1
        return
    fi
    timeout "$most" "$@" >"$out/$name.log" 2>&1 || { echo "$name: failed or out of time, see $out/$name.log" >&2; failed=1; }
}

benchmark="$python -m ssdn_keras.benchmark --crop=$crop --minibatch=4 --image=$image --steps=$steps --repeats=$rounds"
# What matters most comes first.
part bfloat16 120 $benchmark --precision=mixed_bfloat16 --output="$out/bfloat16"
if [ -n "$pytorch" ]; then
    part side_by_side 150 "$python" "$here/side_by_side.py" --pytorch="$pytorch" --pytorch_python="$pytorch_python" \
        --crop="$crop" --steps="$steps" --rounds="$rounds" --image="$image" --novariants --output="$out/side_by_side"
fi
part levers 90 "$python" "$here/levers.py" --precision=mixed_bfloat16 --crop="$crop" --steps="$steps" --rounds="$rounds"
part float32 90 $benchmark --parts=training,inference --output="$out/float32"
if [ -n "${TRAIN_CLEAN:-}" ]; then
    part input 30 $benchmark --parts=input --train_clean="$TRAIN_CLEAN" --output="$out/input"
fi

{
    echo "# Figures of a GPU"
    for page in "$out"/bfloat16/benchmark.md "$out"/side_by_side/side_by_side.md "$out"/levers.log \
        "$out"/float32/benchmark.md "$out"/input/benchmark.md; do
        [ -f "$page" ] && printf '\n## %s\n\n' "${page#"$out"/}" && cat "$page"
    done
} >"$out/gpu.md"
cat "$out/gpu.md"
exit $failed
