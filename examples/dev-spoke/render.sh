#!/bin/sh
# Renders the overlays of staging and production, and checks that dev's still is the base as it stands.
#   render.sh           write rendered/*.yaml
#   render.sh --check   change nothing; exit 1 if rendered/ is not in step with the overlays
# Needs kustomize v5 (KUSTOMIZE, or `kustomize` in PATH, or `kubectl kustomize`).
set -eu
cd "$(dirname "$0")"

if [ -n "${KUSTOMIZE:-}" ]; then build="$KUSTOMIZE build"
elif command -v kustomize >/dev/null 2>&1; then build="kustomize build"
elif command -v kubectl >/dev/null 2>&1; then build="kubectl kustomize"
else echo "render.sh: neither kustomize nor kubectl found" >&2; exit 2
fi

render() {
    echo "# Written by ../render.sh from overlays/$1: edit those, not this."
    $build "overlays/$1"
}

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
$build overlays/dev >"$temporary/dev"
$build base >"$temporary/base"
cmp -s "$temporary/dev" "$temporary/base" || { echo "render.sh: overlays/dev is no longer the base" >&2; exit 1; }

status=0
for environment in staging production; do
    render "$environment" >"$temporary/$environment"
    if [ "${1:-}" = --check ]; then
        cmp -s "$temporary/$environment" "rendered/$environment.yaml" || {
            echo "render.sh: rendered/$environment.yaml is not in step with overlays/$environment" >&2
            status=1
        }
    else
        mkdir -p rendered
        cp "$temporary/$environment" "rendered/$environment.yaml"
    fi
done
exit $status
