# Sourced by ./run, the Makefile and the tests: installs and builds frontend/ with Node.js.
# Each step runs only if its input has changed.

NODE_HINT="Node.js 20 or newer with npm is missing. Install it (Debian 13: apt-get install nodejs npm)."

# Succeeds if Node.js is new enough.
has_node() {
    command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}

# front: build the demo page if DEMO_PAGE is on. The product works without it, so this never fails.
front() {
    ! front_is_built || return 0
    # `manage.py serve` reports invalid settings.
    .venv/bin/python -c 'from maria_project.settings import DEMO_PAGE; raise SystemExit(not DEMO_PAGE)' 2>/dev/null || return 0
    front_build || echo "The demo page is not built. Everything else works." >&2
}

# front_build: install the packages and build the demo page, or print the reason and fail.
front_build() {
    front_packages || return 1
    ! front_is_built || return 0
    front_step "Building the demo page" npm run --silent demo || return 1
    front_sources >frontend/node_modules/.built
}

# front_packages: install exactly the packages of the lock file, except those of the example with Next.js.
front_packages() {
    has_node || { echo "$NODE_HINT" >&2; return 1; }
    wanted=$(cksum <frontend/package-lock.json)
    [ "$(cat frontend/node_modules/.installed 2>/dev/null)" != "$wanted" ] || return 0
    front_step "Installing frontend/package-lock.json" npm ci --no-progress --workspaces=false || return 1
    echo "$wanted" >frontend/node_modules/.installed
}

front_is_built() {
    [ -f frontend/demo/dist/index.html ] && [ "$(cat frontend/node_modules/.built 2>/dev/null)" = "$(front_sources)" ]
}

# Print a checksum of all sources of the demo page.
front_sources() {
    find frontend/src frontend/demo frontend/package-lock.json frontend/vite.config.ts frontend/tsconfig.json \
        common/static/maria -type f ! -path 'frontend/demo/dist/*' -exec cksum {} + | sort | cksum
}

# front_step TITLE COMMAND…: run a command in frontend/, and print its output only if it fails.
front_step() {
    title=$1
    shift
    echo "$title …"
    (cd frontend && "$@") >frontend/install.log 2>&1 ||
        { tail -n 5 frontend/install.log >&2; echo "$title failed. See frontend/install.log." >&2; return 1; }
}
