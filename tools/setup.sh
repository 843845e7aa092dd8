#!/bin/sh
# Make .venv/ with everything in it; called by `make setup`, when pyproject.toml or constraints.txt changed.
# `setup.sh constraints` resolves everything anew in a throwaway environment and writes constraints.txt instead.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd -P)

extras=devices,fast,livekit,dev

say() { printf '%s\n' "$*" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# The first Python that is new enough and can make an environment. A name on the PATH may be a version switcher's
# stub that only prints an error, so each is asked.
find_python() {
    without_venv=
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        new_enough "$candidate" || continue
        if can_make_venv "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        say "setup: $without_venv is new enough but cannot make virtual environments (its ensurepip is missing)."
        say "       On Debian or Ubuntu: apt install python3-venv. Or choose another: make setup PYTHON=/path/to/python3"
    elif [ -n "${PYTHON:-}" ]; then
        say "setup: PYTHON=$PYTHON is not a Python 3.11 or newer."
    else
        say "setup: no Python 3.11 or newer found (tried python3.13, python3.12, python3.11, python3)."
        say "       Install one, or say where it is: make setup PYTHON=/path/to/python3"
    fi
    return 1
}

make_venv() { # directory
    python=$(find_python)
    say "setup: making $1 with $("$python" --version)"
    rm -rf "$1"
    "$python" -m venv "$1"
}

pip_install() { # environment, arguments
    environment=$1
    shift
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# The build tool is installed first and used as it is: with pip's own build isolation it would be fetched
# a second time, in whatever version is newest that day.
if [ "${1:-}" = constraints ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    make_venv "$scratch/venv"
    pip_install "$scratch/venv" hatchling
    pip_install "$scratch/venv" --no-build-isolation -e ".[$extras]"
    {
        echo "# Everything in a full environment, as tested. Written by: make constraints"
        "$scratch/venv/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable |
            grep -E '^[A-Za-z0-9._-]+==' | LC_ALL=C sort -f
    } >"$scratch/constraints.txt"
    cp "$scratch/constraints.txt" constraints.txt
    say "constraints: $(grep -c == constraints.txt) versions written; run make test before committing them"
    exit
fi

rm -f .venv/.ready
# Also anew when the interpreter behind it went away, was interrupted half-way, or the folder was moved.
if ! new_enough .venv/bin/python || ! .venv/bin/python -c 'import pip' 2>/dev/null ||
    [ "$(cat .venv/.place 2>/dev/null)" != "$here" ]; then
    make_venv .venv
    printf '%s\n' "$here" >.venv/.place
fi
say "setup: installing into .venv/ (about a minute the first time)"
pip_install .venv -c constraints.txt hatchling
pip_install .venv -c constraints.txt --no-build-isolation -e ".[$extras]"
cp .venv/.place .venv/.ready
