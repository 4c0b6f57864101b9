# The verbs of this repository. Everything they need beside Python >= 3.11, git and make they install themselves.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Python may have been told not to keep what it compiles: each of the thousand processes that the tests start would compile
# what it imports, and pytest the tests, anew.
export PYTHONDONTWRITEBYTECODE =
# Makes .venv-NAME of requirements/NAME.lock, unless it is there.
ENVIRONMENT := PYTHONPATH=tests $(BIN)/python -m harness.environments
PORT ?= 9292
DATA ?= data
# Rounds of `make soak`.
ROUNDS ?= 200

.PHONY: help install serve test test-quick coverage mutants test-wheel test-pythons check format demo screenshots firefox bench bench-glance soak keystone swift conformance audit changelog release lock clean

help:
	@sed -n 's/^## //p' Makefile

## make install             build .venv (its bin/transom is the command)
# Compiled for who starts it where Python may not keep that.
install: .venv/installed
	@$(BIN)/python -m compileall -q transom

.venv/installed: requirements/dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: none of python3, python3.11 … is."; exit 1; }
	$(PYTHON) -m venv .venv || { echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

## make serve [PORT= DATA=]  run the service with its embedded defaults
serve: install
	$(BIN)/transom --data-dir $(DATA) serve --listen 127.0.0.1:$(PORT)

## make test                all tests, on SQLite and on a PostgreSQL that they start for themselves
test: install
	$(BIN)/python -m pytest -n 4 --maxschedchunk 150 $(ARGS)

## make test-quick          what to run on every change: the parts, one database, the stories of sharing
test-quick: install
	$(BIN)/python -m pytest -n 2 -q -k "not postgresql" $(QUICK) tests/sql tests/surface $(ARGS)

## make coverage            what `make test` runs through of transom/, also in the services that it starts; ARGS: a part
coverage: install
	mkdir -p build/coverage
	$(BIN)/python -m pytest -n 2 -q --cov --cov-report=term --cov-report=html:build/coverage/html $(ARGS)

## make mutants             change the rules of images and sharing, one place at a time: what no test notices survives
mutants: install
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

## make test-wheel          the wheel, installed by run.lock alone outside the repository (a part of `make test`)
test-wheel: install
	$(BIN)/python -m pytest tests/installed $(ARGS)

## make test-pythons        a quick part of the tests on each Python from 3.11 to 3.14 that this machine has
test-pythons:
	@for python in $(PYTHONS); do \
		folder=.venv-$${python##*/} && echo "$$($$python --version):" && \
		{ test $$folder/installed -nt requirements/dev.lock || { \
			$$python -m venv $$folder && \
			$$folder/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock && \
			$$folder/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
			touch $$folder/installed; }; } && \
		$$folder/bin/python -m pytest -n 2 -q -k "not postgresql" $(QUICK) $(ARGS) || exit 1; \
	done

# Looked for when they are needed: in the path, where pyenv may have a stand-in that starts nothing, and in pyenv.
PYTHONS = $(shell for minor in 11 12 13 14; do \
	for python in python3.$$minor $$HOME/.pyenv/versions/3.$$minor.*/bin/python3.$$minor; do \
	"$$python" -c "" 2>/dev/null && echo $$python && break; done; done; true)
# What meets the interpreter and the packages most: the rules, uploads and their inspection, tokens, policies, sharing.
QUICK = tests/domain tests/config tests/policy tests/transfers tests/surface/test_installation.py \
	tests/identity/test_tokens.py tests/http/test_upload.py tests/http/test_download.py tests/http/test_members.py \
	tests/http/test_import_plugins.py tests/ims/test_sharing.py

## make check               format, lint, types, layers, spelling
check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	git ls-files -z | xargs -0 $(BIN)/codespell

## make format              rewrite the code in the one format
format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

## make screenshots         the pictures of docs/console.md anew; with ARGS=FOLDER, every page at each width and in each scheme
screenshots: install
	PYTHONPATH=tests $(BIN)/python -m console.pictures $(ARGS)

## make firefox            the flows of the console in Firefox, before a release; skipped where there is none
firefox: install
	PYTHONPATH=tests $(BIN)/python -m console.firefox

## make demo                the story of a shared image, told with the real clients
demo: install
	PYTHONPATH=tests $(BIN)/python -m demo

## make bench               the table of performance, as ratios measured in one run
bench: install
	PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

## make bench-glance        the same requests to the service and to a real Glance 33, in turns
bench-glance: install
	$(ENVIRONMENT) glance
	PYTHONPATH=tests $(BIN)/python -m bench.glance $(ARGS)

## make soak [ROUNDS=]      kill the service again and again, nothing answered may be lost; random requests; a million images
soak: install
	TRANSOM_SOAK_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -n 2 $(FOR_HOURS) tests/faults/test_kill.py tests/faults/test_batches.py \
		tests/faults/test_two_machines.py tests/faults/test_share_kill.py tests/faults/test_share_story.py $(ARGS)
	TRANSOM_FUZZ_EXAMPLES=$(ROUNDS) $(BIN)/python -m pytest -n 2 $(FOR_HOURS) tests/openapi/test_fuzz.py $(ARGS)
	PYTHONPATH=tests $(BIN)/python -m bench.glance --only growth --images 1000000

# Without the limits that pyproject.toml sets to a test.
FOR_HOURS := --timeout 0 --override-ini faulthandler_timeout=0

## make keystone            build .venv-keystone, the real Keystone of the tests (they do so themselves)
keystone: install
	$(ENVIRONMENT) keystone

## make swift               build .venv-swift, the real S3 service of the tests (they do so themselves)
swift: install
	$(ENVIRONMENT) swift

## make conformance         Tempest and glance-tempest-plugin against the service behind a real Keystone
conformance: install
	$(ENVIRONMENT) conformance
	PYTHONPATH=tests $(BIN)/python -m conformance $(ARGS)

## make audit              look for known vulnerabilities in the packages of run.lock (needs the Python Package Index)
audit: install
	$(BIN)/uv tool run pip-audit --require-hashes --disable-pip --requirement requirements/run.lock

## make changelog           print the changes since the last release, as CHANGELOG.md will have them
changelog: install
	$(BIN)/towncrier build --draft --version unreleased 2>/dev/null

## make release VERSION=    the files of a release, of its tag, in dist/ (docs/releasing.md)
release: install
	.ci/release $(VERSION) $(abspath $(BIN))/python

## make lock                choose the newest versions of all dependencies anew
lock: install
	$(COMPILE) pyproject.toml -o requirements/run.lock
	$(COMPILE) --extra dev pyproject.toml -o requirements/dev.lock
	$(COMPILE) requirements/client.in --constraint requirements/run.lock -o requirements/client.lock
	for name in keystone swift conformance glance otc firefox; do \
		$(COMPILE) requirements/$$name.in -o requirements/$$name.lock || exit 1; done
	npm update --prefix requirements/node --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit

COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header

clean:
	rm -rf .venv .venv-* data build dist mutants *.egg-info
