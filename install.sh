#!/usr/bin/env bash
# Makes the virtual environment and installs the project with extras, by uv where it can be installed, else by pip.
# usage: install.sh PYTHON VENV EXTRAS
set -euo pipefail
python=$1 venv=$2 extras=$3

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1). Try: make PYTHON=python3.12 $*" >&2
    exit 1
}
started=$SECONDS
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
target=".${extras:+[$extras]}"
echo "Installing triptych${extras:+[$extras]} into $venv ..."

# A user's pip configuration (index, certificates, local wheels) holds for uv too, which reads only its own variables.
setting() { "$venv/bin/python" -m pip config get "global.$1" 2>/dev/null || true; }
export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(setting index-url)}}"
export UV_INDEX="${UV_INDEX:-${PIP_EXTRA_INDEX_URL:-$(setting extra-index-url)}}"
export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}" # as pip does: the best version of all indexes
export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-$(setting find-links)}}"
export SSL_CERT_FILE="${SSL_CERT_FILE:-${PIP_CERT:-$(setting cert)}}"
for name in UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS SSL_CERT_FILE; do [ -n "${!name}" ] || unset "$name"; done

if "$venv/bin/python" -m uv --version >/dev/null 2>&1 || "$venv/bin/python" -m pip install -q uv; then
    "$venv/bin/python" -m uv pip install -q --python "$venv/bin/python" -c constraints.txt -e "$target" ||
        "$venv/bin/python" -m pip install -q -c constraints.txt -e "$target"
else
    "$venv/bin/python" -m pip install -q -c constraints.txt -e "$target"
fi
echo "Installed in $((SECONDS - started)) s; $(du -sh "$venv" | cut -f1) in $venv."
