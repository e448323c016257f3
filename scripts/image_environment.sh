#!/bin/sh
# What every service's Dockerfile does in its builder stage, in two steps so that a change of our code leaves the layer
# of the dependencies as it is:
#
#   scripts/image_environment.sh dependencies SERVICE   a virtual environment in /opt/heliograph from the hashed lock
#   scripts/image_environment.sh ours SERVICE           libs/common and the service in /opt/ours, found through a .pth
#
# Both are compiled here, because the root of a running container is read-only. pip, uv and tests stay behind.
set -eu
step=$1
service=$2
environment=/opt/heliograph
uv=/opt/uv/bin/uv

compile() { # files are checked by nobody at run time: they cannot change
  "$environment/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$@"
}

case $step in
  dependencies)
    python3 -m venv /opt/uv
    /opt/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.txt
    python3 -m venv --without-pip "$environment"
    "$uv" pip install --quiet --no-cache --python "$environment/bin/python" --require-hashes \
      -r "requirements/$service.txt"
    packages=$(echo "$environment"/lib/python3.*/site-packages)
    find "$packages" -type d \( -name tests -o -name test -o -name SelfTest \) -prune -exec rm -rf {} +
    find "$packages" \( -name '*.pyi' -o -name '*.pyx' -o -name '*.c' -o -name '*.h' \) -delete
    echo /opt/ours > "$packages/ours.pth"
    rm -f "$environment"/bin/activate* "$environment"/bin/Activate*
    compile "$packages"
    ;;
  ours)
    # The build backend in its locked version; it is no part of the image.
    "$uv" pip install --quiet --no-cache --python /opt/uv/bin/python --constraint requirements/dev.txt hatchling
    "$uv" pip install --quiet --no-cache --python /opt/uv/bin/python --no-build-isolation --no-deps \
      --target /opt/ours libs/common "services/$service"
    rm -rf /opt/ours/bin /opt/ours/.lock
    compile /opt/ours
    ;;
  *)
    echo "usage: scripts/image_environment.sh dependencies|ours SERVICE" >&2
    exit 2
    ;;
esac
