# PYTHON may be any 3.11 or newer: make test PYTHON=python3.13
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.demo-ready
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes -r
# From the root, as uv's settings in pyproject.toml, which are for `make lock`, have no hashes.
UV := cd / && "$(CURDIR)/$(BIN)/uv" pip install --quiet --no-deps --require-hashes --python "$(CURDIR)/$(BIN)/python" -r

.DEFAULT_GOAL := help
.PHONY: help demo serve stop aws-check test coverage soak models docs bench profile check fix lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO) ## Train, publish, promote, deploy and call a model on this machine: no AWS account, Docker or Pulumi CLI
	@$(BIN)/python -m local demo

serve: $(DEMO) ## The same deployment, left running; prints its URL and curl lines (make stop stops it)
	@$(BIN)/python -m local up

stop: $(DEMO) ## Stop what make serve started
	@$(BIN)/python -m local down

aws-check: $(READY) ## Deploy to your AWS account for some minutes, compare AWS with what is assumed, remove it all (cents; asks first)
	@$(BIN)/python -m aws_check run

test: $(READY) ## Run every test
	@$(BIN)/python -m pytest -n auto

coverage: $(READY) ## The same with branch coverage, which takes half as long again; fails under 90 %
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term

soak: $(READY) ## Run what takes too long for make test: models in every form, load, memory, drills
	@$(BIN)/python -m pytest -n auto -m soak

models: $(READY) ## Publish and serve every kind of model; writes docs/models.md
	@$(BIN)/python -W ignore -m tests.model_registry.fleet page

docs: $(READY) ## Build the documentation as a site into .local/site
	@$(BIN)/python -m sphinx -q -W -d .local/doctrees docs .local/site && echo ".local/site/index.html"

bench: $(READY) ## Measure all against the guide's recipe, MLflow, BentoML and modelstore; writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks

profile: $(READY) ## Draw where the time of a cold start goes, into .local/profile
	@$(BIN)/python -m benchmarks.profile

check: $(READY) ## Lint, formatting, imports, types, the workflows and the documentation's links; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/mypy
	@$(BIN)/zizmor --offline --quiet --persona=pedantic --min-severity=low .github
	@$(BIN)/python -m sphinx -q -W -d .local/doctrees docs .local/site

fix: $(READY) ## Apply the formatter and the lint fixes
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(READY) ## Resolve the locked requirements again
	@$(BIN)/uv pip compile --quiet --upgrade --universal --no-strip-extras --generate-hashes --all-extras --python-version 3.11 pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --no-strip-extras --generate-hashes --extra local --extra deploy --extra publish --python-version 3.11 -c requirements.lock pyproject.toml -o requirements-demo.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --no-strip-extras --generate-hashes --python-version 3.11 local/requirements.in -o local/requirements.lock
	@$(BIN)/python -m tests.handler.requirements
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --python-version 3.12 -c requirements.lock infra/verifier.in -o infra/verifier.txt
	@# Not constrained to what Lambda's python3.11 takes: these models are published and asked, and deployed nowhere.
	@for name in boosting pandas-2 pandas-3; do $(BIN)/uv pip compile --quiet --no-config --upgrade --universal --no-header --no-annotate --python-version 3.11 tests/model_registry/fleet/$$name.in -o tests/model_registry/fleet/$$name.lock; done

clean: ## Remove the environment, caches and local state (run make stop first)
	@rm -rf $(VENV) .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis .coverage coverage.xml
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What `make demo` needs, and then the rest in the same environment. uv does in a second what takes pip ten; where only pip
# is told which index to take, pip does it.
$(DEMO): requirements-demo.lock
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}: make PYTHON=/path/to/python3.12")'
	@echo "setting up $(VENV) (once): Python and uv"
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' $< > $(VENV)/uv.txt
	@$(PIP) $(VENV)/uv.txt
	@echo "setting up $(VENV) (once): what the demo needs"
	@($(UV) "$(CURDIR)/$<") || $(PIP) $<
	@touch $@

$(READY): requirements.lock $(DEMO)
	@echo "setting up $(VENV) (once): what tests and development need"
	@($(UV) "$(CURDIR)/$<") || $(PIP) $<
	@touch $@
