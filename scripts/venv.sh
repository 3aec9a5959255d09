# Sourced by ./run and ./test: installs requirements files. A file whose hash is not listed is refused.

fail() {
    echo "$1" >&2
    exit 1
}

# Print the first Python that is new enough.
find_python() {
    for name in ${PYTHON:-} python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
}

# venv FILE: install FILE into .venv, unless it is installed there already.
venv() {
    python=$(find_python)
    [ -n "$python" ] || fail "Python 3.11 or newer is missing. Install it (Debian: apt-get install python3 python3-venv)."
    if ! [ -x .venv/bin/python ]; then
        "$python" -m venv .venv >/dev/null 2>&1 || {
            rm -rf .venv
            fail "Python's venv is missing. Install it (Debian: apt-get install python3-venv)."
        }
    fi
    wanted=$(cat requirements.txt "$1" | cksum)
    [ "$(cat ".venv/$1.installed" 2>/dev/null)" != "$wanted" ] || return 0
    echo "Installing $1 …"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1" >.venv/install.log 2>&1 ||
        { tail -n 5 .venv/install.log >&2; fail "Installing $1 failed. See .venv/install.log."; }
    echo "$wanted" >".venv/$1.installed"
}

# deploy_tools: install the programs that check deploy/ into a folder of their own.
deploy_tools() {
    wanted=$(cksum <requirements-deploy.txt)
    [ "$(cat .venv/deploy/.installed 2>/dev/null)" != "$wanted" ] || return 0
    echo "Installing requirements-deploy.txt …"
    rm -rf .venv/deploy
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --target .venv/deploy \
        -r requirements-deploy.txt >.venv/install.log 2>&1 ||
        { tail -n 5 .venv/install.log >&2; fail "Installing requirements-deploy.txt failed. See .venv/install.log."; }
    echo "$wanted" >.venv/deploy/.installed
}
