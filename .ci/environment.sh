#!/bin/sh
# Makes .venv or brings it up to date; does nothing when it is current. The Makefile calls it; all it needs is
# a Python. It writes .venv/ready last, so an environment without that file is unfinished and made anew.
#
#   PYTHON       the interpreter to use; unset: the one of .venv, else the first of python3, python3.x that fits
#   TORCH_INDEX  where torch comes from; unset: PyTorch's CPU builds on a Linux machine without an NVIDIA GPU,
#                else pip's own index
set -eu
cd "$(dirname "$0")/.."
venv=.venv

say() { echo "environment: $*"; }
fail() { echo "environment: $*" >&2; exit 1; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
pip() { $venv/bin/python -m pip --disable-pip-version-check "$@"; }

# --- which Python
python=${PYTHON:-}
if [ -n "$python" ]; then
    found=$(version "$python") || fail "PYTHON=$python does not run; name a Python from 3.11 on."
    fits "$python" || fail "PYTHON=$python is Python $found; 3.11 or newer is needed."
else
    seen=
    for candidate in $venv/bin/python python3 python3.13 python3.12 python3.11 python; do
        if fits "$candidate"; then python=$candidate; break; fi
        found=$(version "$candidate") && seen="$seen, $candidate is $found" || true
    done
    [ -n "$python" ] || fail "no Python from 3.11 on found$seen; install one, or name it: make PYTHON=/path/to/python3.11 ..."
fi

# --- is .venv current? Its place and its Python say whether it can stay, the files whether to install again.
place="$(pwd -P) $(version "$python")"
content=$(cat pyproject.toml constraints.txt .ci/environment.sh binder/overrides.json | cksum)
if [ -f $venv/ready ] && fits $venv/bin/python && [ "$(sed -n 1p $venv/ready)" = "$place" ]; then
    [ "$(sed -n 2p $venv/ready)" != "$content" ] || exit 0
    say "pyproject.toml or constraints.txt has changed: bringing $venv up to date"
    rm $venv/ready
else
    # A Python that lives in the .venv about to go can't make the next one: take the one it stems from.
    base=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    say "making $venv with Python $(version "$base"), $base"
    rm -rf $venv
    "$base" -m venv $venv || fail "this Python can't make virtual environments (on Debian or Ubuntu: sudo apt install python3-venv)."
fi

# --- install
torch=$(grep '^torch==' constraints.txt)
if [ -z "${TORCH_INDEX:-}" ] && [ "$(uname -s)" = Linux ] && ! nvidia-smi >/dev/null 2>&1; then
    TORCH_INDEX=https://download.pytorch.org/whl/cpu
fi
if [ -n "${TORCH_INDEX:-}" ]; then
    say "installing $torch from $TORCH_INDEX (about 200 MB)"
    pip install -qq --no-deps --retries 0 --timeout 15 --index-url "$TORCH_INDEX" "$torch" 2>$venv/torch.log ||
        say "that did not work ($venv/torch.log says why); torch will come from pip's own index"
fi
say "installing ddpm_lite and what the course and its tests need; this takes a few minutes"
pip install -qq --constraint constraints.txt --editable '.[course,dev]' ||
    fail "pip could not install everything (its reason stands above); run the same command to try again."
$venv/bin/python -m ipykernel install --sys-prefix >/dev/null          # the kernel "python3", inside .venv
mkdir -p $venv/share/jupyter/lab/settings
cp binder/overrides.json $venv/share/jupyter/lab/settings/
printf '%s\n%s\n' "$place" "$content" >$venv/ready.new
mv $venv/ready.new $venv/ready
say "$venv is ready"
