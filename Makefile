.PHONY: help run test check soak front screenshots admin-pictures bench bench-admin bench-cleanup bench-slow lock schema permissions sizes format clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: ## Serve the product (the same as ./run)
	./run

test: ## Run all tests (the same as ./test)
	./test

check: ## Run every check and the fast tests, as CI does first
	./test check

soak: ## Run the crash and race campaigns at full counts: all parts, or one (PART=3); docs/testing.md lists them
	./test soak $(if $(PART),--part $(PART))

front: ## Build the package @maria/sessions and the demo page (a running ./run must be started again)
	. ./scripts/front.sh && front_build
	npm --prefix frontend run --silent build

screenshots: ## Take pictures of the demo page in every state (5 minutes)
	.venv/bin/python scripts/screenshots.py --folder var/screenshots

admin-pictures: ## Take the pictures of docs/support.md again (half a minute)
	.venv/bin/python scripts/admin_pictures.py

bench: ## Measure the product beside a bare program that does the same work (5 minutes)
	.venv/bin/python -m benchmarks

bench-admin: ## Measure the back office on a million sessions, and stock ModelAdmin beside it
	.venv/bin/python -m benchmarks.admin --markdown

bench-cleanup: ## Measure the cleanup at a million files on disk and 200,000 on S3 (half an hour)
	.venv/bin/python -m benchmarks.cleanup

bench-slow: ## Measure servers that slow uploaders hold (2 minutes)
	.venv/bin/python -m benchmarks.slow

sizes: ## Print the length of every file, and what is over its limit
	.venv/bin/python scripts/sizes.py

format: ## Format the code and mend what ruff and eslint can mend
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	. ./scripts/front.sh && front_packages
	npm --prefix frontend run --silent mend

schema: ## Write docs/openapi.yaml anew from the code, and the types of frontend/ from it
	.venv/bin/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml
	. ./scripts/front.sh && front_packages
	npm --prefix frontend run --silent generate

permissions: ## Write docs/permissions.md anew: who may do what in the admin, as its pages answer
	WRITE_PERMISSIONS=1 .venv/bin/python -m pytest -q tests/backoffice_app/test_permission_matrix.py

lock: ## Pin requirements.txt and requirements-dev.txt anew from their .in files
	.venv/bin/uv pip compile --quiet --upgrade --no-header --no-emit-index-url --no-emit-find-links requirements.in -o requirements.txt
	.venv/bin/uv pip compile --quiet --upgrade --no-header --no-emit-index-url --no-emit-find-links requirements-dev.in -o requirements-dev.txt

clean: ## Remove what was installed and built, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf frontend/node_modules frontend/dist frontend/demo/dist frontend/coverage frontend/*.tgz frontend/install.log
