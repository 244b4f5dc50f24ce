#!/bin/sh
# Makes build/peers/.venv, where ddpm_lite and its peers stand side by side; does nothing when it is current.
# Torch, diffusers and all else that .venv has are read from there, so all are measured on the same torch; what
# .venv lacks is pinned in benchmarks/peers.txt and installed here. `make bench` calls it, after .venv is made.
set -eu
cd "$(dirname "$0")/.."
venv=build/peers/.venv

content=$(cat .venv/ready benchmarks/peers.txt benchmarks/environment.sh | cksum)
if [ -f $venv/ready ] && [ "$(cat $venv/ready)" = "$content" ]; then exit 0; fi

echo "peers: making $venv (about 20 MB)"
rm -rf $venv
"$(.venv/bin/python -c 'import os, sys; print(os.path.realpath(sys.executable))')" -m venv $venv
$venv/bin/python -m pip --disable-pip-version-check install -qq --no-deps -r benchmarks/peers.txt || {
    echo "peers: pip could not install them (its reason stands above); run the same command to try again." >&2
    exit 1
}
lib() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
echo "import site; site.addsitedir('$(lib .venv)')" >"$(lib $venv)/torch_of_venv.pth"
# denoising-diffusion-pytorch imports torchvision, for a loader of image files and a FID that aren't used here.
# Its wheels are built for one torch each, so an empty module stands in.
cat >"$(lib $venv)/torchvision.py" <<'END'
def __getattr__(name):
    if name not in ("transforms", "utils"):
        raise AttributeError(name)
END
echo "$content" >$venv/ready.new
mv $venv/ready.new $venv/ready
echo "peers: $venv is ready"
