# Hashes of all files of each release, for every platform and Python version that we support.
LOCK = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links
BETTER_AUTH = benchmarks/better_auth/node_modules

.PHONY: help run test check soak guards cluster cluster-faults front screenshots pictures component-pictures example-pictures admin-pictures bench bench-packages bench-admin bench-cleanup bench-idle bench-inspection bench-move bench-seal bench-slow clicks corpus deploy-tools lock schema permissions sizes format clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: ## Start the product (the same as ./run)
	./run

test: ## Run all tests (the same as ./test)
	./test

check: ## Run every check and the fast tests, as CI does first
	./test check

soak: ## Run the crash and race campaigns at full counts: all parts (hours), or one (PART=3)
	./test soak $(if $(PART),--part $(PART))

guards: ## Break the product in one place at a time, and check that a test fails (half an hour; NAME=… for one)
	. ./scripts/venv.sh && venv requirements-dev.txt
	.venv/bin/python -m tests.guards $(NAME)

cluster: ## Start proxy, 2 web hosts, 2 workers, PostgreSQL with a standby, Redis, S3 and mail, each in a network namespace
	. ./scripts/venv.sh && venv requirements-dev.txt
	.venv/bin/python -m tests.cluster

cluster-faults: ## Put such a cluster through every fault, and count what is lost or doubled (20 minutes; FAULT=… for one)
	. ./scripts/venv.sh && venv requirements-dev.txt
	.venv/bin/python -m tests.cluster --faults $(if $(FAULT),--fault $(FAULT))

front: ## Build the package @maria/sessions and the demo page (restart a running ./run)
	. ./scripts/front.sh && front_build
	npm --prefix frontend run --silent build

screenshots: ## Take screenshots of the demo page in every state (5 minutes)
	.venv/bin/python scripts/screenshots.py --folder var/screenshots

pictures: ## Take pictures of every page of the admin in var/pictures: desktop and phone, light and dark (3 minutes)
	.venv/bin/python scripts/admin_pictures.py --folder var/pictures

component-pictures: ## Take pictures of the React components in var/component-pictures: every state, light and dark, three languages (3 minutes)
	. ./scripts/front.sh && front_packages
	npm --prefix frontend run --silent gallery
	.venv/bin/python scripts/component_pictures.py

example-pictures: ## Take pictures of the examples in var/example-pictures: desktop and phone, light and dark, English and Arabic (2 minutes)
	. ./scripts/front.sh && front_packages
	.venv/bin/python scripts/example_pictures.py

admin-pictures: ## Take the pictures of docs/support.md (half a minute)
	.venv/bin/python scripts/admin_pictures.py

bench: bench-packages ## Compare the API with a bare program, a peer, Better Auth and an earlier commit (BASE=…; 15 minutes)
	.venv/bin/python -m benchmarks $(if $(BASE),--base $(BASE))

bench-packages: $(if $(shell command -v npm),$(BETTER_AUTH))
	. ./scripts/venv.sh && venv requirements-dev.txt && venv requirements-bench.txt

$(BETTER_AUTH): $(BETTER_AUTH:node_modules=package-lock.json)
	npm --prefix $(@D) ci --no-progress --silent && touch $@ || { rm -rf $@; echo "Better Auth is not installed: make bench leaves it out."; }

bench-admin: bench-packages ## Compare the admin with stock ModelAdmin at a million sessions (20 to 40 minutes)
	.venv/bin/python -m benchmarks.admin --markdown

bench-cleanup: bench-packages ## Measure the cleanup of a million files on disk and 200,000 on S3 (half an hour)
	.venv/bin/python -m benchmarks.cleanup

bench-move: bench-packages ## Move 100,000 sessions from SQLite to PostgreSQL (ten minutes, most of it to invent them)
	.venv/bin/python -m benchmarks.move

bench-seal: ## Seal and verify an audit log of a million rows (10 minutes on an idle machine)
	. ./scripts/venv.sh && venv requirements-dev.txt
	.venv/bin/python -m benchmarks.seal

bench-inspection: bench-packages ## Inspect files with four workers and with one, each with a quarter of a processor (5 minutes, as root)
	.venv/bin/python -m benchmarks.inspection

bench-idle: ## Compare the memory of idle processes with an earlier commit (BASE=…; 4 minutes)
	.venv/bin/python -m benchmarks.idle $(if $(BASE),--base $(BASE))

bench-slow: ## Measure the web server beside clients that send slowly or never read (2 minutes)
	.venv/bin/python -m benchmarks.slow

clicks: ## Count the clicks and keys that eight tasks of support take, in Chromium (2 minutes)
	. ./scripts/venv.sh && venv requirements-dev.txt
	.venv/bin/python scripts/clicks.py

corpus: bench-packages ## Upload 1,500 real PDFs out of Debian packages, and compare the verdicts with qpdf's (an hour; needs qpdf and apt-get)
	.venv/bin/python -m benchmarks.corpus --markdown

deploy-tools: ## Install what checks the files of deploy/: hadolint, Compose, Helm and the schemas of Kubernetes (450 MB)
	. ./scripts/venv.sh && venv requirements-dev.txt && deploy_tools

sizes: ## Print the longest files, the totals, and every exceeded limit
	.venv/bin/python scripts/sizes.py

format: ## Format the code and fix what ruff and eslint can fix
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	. ./scripts/front.sh && front_packages
	npm --prefix frontend run --silent fix

schema: ## Write docs/openapi.yaml from the code, and the types of frontend/ from it
	.venv/bin/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml
	. ./scripts/front.sh && front_packages
	npm --prefix frontend run --silent generate

permissions: ## Write docs/permissions.md from what each role can open in the admin
	WRITE_PERMISSIONS=1 .venv/bin/python -m pytest -q tests/backoffice_app/test_permission_matrix.py

lock: ## Pin requirements*.txt to the newest versions that their .in files allow, with hashes
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt
	$(LOCK) requirements-bench.in -o requirements-bench.txt
	$(LOCK) requirements-deploy.in -o requirements-deploy.txt

clean: ## Delete installed packages and build results, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf frontend/node_modules frontend/dist frontend/demo/dist frontend/gallery/dist frontend/examples/*/dist frontend/examples/plain/maria frontend/examples/next/.next frontend/coverage frontend/*.tgz frontend/install.log
