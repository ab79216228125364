# Galvanic from a checkout. Works with GNU make 3.81 (macOS) and later.
#
#   make run                      start everything on this machine
#   make run PORT=9000            the playground's port
#   make run DATA_DIR=/some/where another data folder
#   make backup FILE=/some/where/galvanic.zip
#   make restore FILE=/some/where/galvanic.zip DATA_DIR=/an/empty/folder
#   make install PYTHON=python3.12
#   make install WORKER=worker    TensorFlow for the CPU although there is an NVIDIA driver; worker-gpu: after you got one
#   make install PLAYGROUND=      without the playground, for a bot on Discord
#   make test PYTEST_ARGS="tests/bot -n 0"    some tests, in one process
#   make starter CORPUS=/some/books STARTER_ARGS="--minutes 60 --apart /some/texts"
#   make load MINUTES=1 TRAININGS=10 GENERATES=400 LOAD_ARGS="--out load.json"    a smaller load

.DEFAULT_GOAL := help
.PHONY: help install run backup restore test-fast test test-all test-rest test-long test-whole test-faults test-fuzz test-images soak test-browser pictures notebooks docs docs-serve docs-links dev lint format bench bench-gpu bench-quick starter load growth scaling audit licences clean

VENV := .venv
PY := $(VENV)/bin/python

# The build of TensorFlow that is installed, which may be in use; else CUDA's where there is an NVIDIA driver.
ifndef WORKER
WORKER := $(shell if [ -e $(VENV)/.installed-worker-gpu ]; then echo worker-gpu; \
	elif [ -e $(VENV)/.installed-worker ]; then echo worker; \
	elif [ -e /proc/driver/nvidia/version ] || [ -e /usr/lib/wsl/lib/nvidia-smi ] || nvidia-smi >/dev/null 2>&1; \
	then echo worker-gpu; else echo worker; fi)
endif
# PLAYGROUND= leaves it out: a bot with a token needs none.
PLAYGROUND ?= playground
GROUPS := $(addprefix --group ,run bot $(WORKER) $(PLAYGROUND))
PIP := $(PY) -m pip --disable-pip-version-check --no-input
# The other build of TensorFlow, which must go first: both fill one folder.
RIVAL := $(if $(filter worker-gpu,$(WORKER)),tensorflow-cpu,$(if $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -)),tensorflow))
INSTALLED := $(VENV)/.installed-$(WORKER)
INSTALLED_DEV := $(INSTALLED)-dev

# A file's tests stay together, so that they share what they started; tests/conftest.py puts the slow files first.
# More processes than cores: many tests wait for something.
TEST_WORKERS := -n 4 --dist loadfile --no-loadscope-reorder

# The documentation's site, its tools apart from the product: pip takes minutes to fit both together.
DOCS_VENV := .venv-docs
DOCS_INSTALLED := $(DOCS_VENV)/.installed
SITE := build/site
SPHINX := $(DOCS_VENV)/bin/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet
DOCS_PORT ?= 8766

# What the benchmark compares with, apart from the product: PyTorch and PPMd. BENCH_PIP="--index-url ..." chooses
# another build of PyTorch.
BENCH_VENV := .venv-bench
BENCH_INSTALLED := $(BENCH_VENV)/.installed

# What looks through the packages, apart from them; pip-licenses' options are in pyproject.toml.
AUDIT_VENV := .venv-audit
AUDIT_INSTALLED := $(AUDIT_VENV)/.installed

# After an upgrade that took away the Python of an environment nothing is installed in it any more.
STALE := $(foreach venv,$(VENV) $(DOCS_VENV) $(BENCH_VENV) $(AUDIT_VENV),$(shell [ -x $(venv)/bin/python ] || rm -f $(venv)/.installed*))

# ?=: a variable of the environment counts like one of make.
MINUTES ?= 5
TRAININGS ?= 50
GENERATES ?= 2000
SEED ?= 1

help:  ## this list
	@echo "Galvanic: a Discord bot that learns to write from any text."
	@echo
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

install: $(INSTALLED)  ## set up .venv, nothing else

run: $(INSTALLED)  ## start everything; Ctrl-C stops it
	@exec $(PY) -m launcher

backup: $(INSTALLED)  ## save what DATA_DIR keeps as one file (FILE=...), while all runs
	@exec $(PY) -m launcher backup $(if $(FILE),"$(FILE)")

restore: $(INSTALLED)  ## bring a backup (FILE=...) back into an empty DATA_DIR
	@exec $(PY) -m launcher restore $(if $(FILE),"$(FILE)")

test-fast: $(INSTALLED_DEV)  ## those that start no process (under a minute)
	$(PY) -m pytest -m "not process and not slow and not long" -n 2 -q $(PYTEST_ARGS)

test: $(INSTALLED_DEV)  ## the tests (about 9 minutes on two cores)
	$(PY) -m pytest -m "not browser and not faults and not long and not images and (not whole or keeps)" $(TEST_WORKERS) --durations=15 $(PYTEST_ARGS)

test-all: test test-rest test-faults test-fuzz  ## all there is but soak and containers (over an hour)

test-rest: test-long test-whole test-browser  ## what make test leaves out, without the faults

test-long: $(INSTALLED_DEV)  ## tests that take long, and whose parts make test tries
	$(PY) -m pytest -m "long and not images" $(TEST_WORKERS) --durations=15 $(PYTEST_ARGS)

test-whole: $(INSTALLED_DEV)  ## the tests of the whole system, each part in a process of its own
	$(PY) -m pytest -m "not faults" tests/e2e -n 2 --dist loadfile --no-loadscope-reorder --durations=15 $(PYTEST_ARGS)

# Of the whole system, what takes it down on purpose.
FAULTS_E2E := $(addprefix tests/e2e/,test_backup.py test_load.py)

test-faults: $(INSTALLED_DEV)  ## each part is killed, and what it needs taken away (about 25 minutes)
	$(PY) -m pytest -m "faults or keeps" tests/faults $(FAULTS_E2E) -n 2 --dist loadfile --no-loadscope-reorder --durations=15 $(PYTEST_ARGS)

test-fuzz: $(INSTALLED_DEV)  ## Hypothesis' tests of commands, presses, files, jobs and texts, with up to 2,000 examples each
	$(PY) -m pytest -m hypothesis --hypothesis-profile many $(TEST_WORKERS) --timeout 3600 $(PYTEST_ARGS)

test-images: $(INSTALLED_DEV)  ## what runs in containers, installed and started as there (downloads 900 MB)
	$(PY) -m pytest -m images tests/images -W ignore $(PYTEST_ARGS)

soak: $(INSTALLED_DEV)  ## ordinary use while parts are killed and Discord fails (MINUTES=20 SEED=1)
	$(PY) -m tests.faults.soak $(if $(filter command line environment,$(origin MINUTES)),--minutes $(MINUTES)) --seed $(SEED)

test-browser: $(INSTALLED_DEV)  ## the playground's page in headless Chromium
	@CHROMIUM="$${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome)}"; \
	if [ -z "$$CHROMIUM" ]; then \
		echo "error: no Chromium was found. Debian: sudo apt install chromium. Ubuntu: sudo snap install chromium." >&2; \
		echo "macOS: brew install --cask chromium. Or name one: make test-browser CHROMIUM=/path/to/chrome" >&2; \
		exit 1; \
	fi; \
	export CHROMIUM; exec $(PY) -m pytest -m browser $(PYTEST_ARGS)

pictures: $(INSTALLED_DEV)  ## take the documentation's pictures anew (about 15 minutes; needs Chromium)
	$(PY) -m tests.browser.pictures $(PICTURES_ARGS)

notebooks: $(INSTALLED_DEV)  ## run the notebooks of examples/ anew, and keep their outputs (about 5 minutes)
	$(PY) -m tests.notebooks

docs: $(INSTALLED) $(DOCS_INSTALLED)  ## the documentation as a site, in build/site; a broken link is an error
	@mkdir -p docs/_pages
	@$(PY) -m galvanic export starter docs/_pages/try.html --format html --force
	@$(SPHINX) -b html docs $(SITE)
	@echo "open $(SITE)/index.html, or: make docs-serve"

docs-serve: docs  ## the same, at http://127.0.0.1:8766/ (DOCS_PORT=8766)
	@echo "documentation: http://127.0.0.1:$(DOCS_PORT)/   Ctrl-C stops it"
	@exec $(DOCS_VENV)/bin/python -m http.server $(DOCS_PORT) --bind 127.0.0.1 --directory $(SITE) >/dev/null 2>&1

docs-links: $(DOCS_INSTALLED)  ## ask the internet whether the links to other sites still lead somewhere
	@$(SPHINX) -b linkcheck docs build/links

dev: $(INSTALLED_DEV)  ## all that is needed to change Galvanic: tools for testing, and a check before each commit
	@sh .githooks/install.sh
	@echo
	@echo "Ready. make run starts everything, make lint checks the code, and this runs some tests:"
	@echo '  make test PYTEST_ARGS="tests/bot/test_options.py -n 0"'
	@echo "docs/contributing.md tells the rest."

lint: $(INSTALLED_DEV)  ## ruff, mypy, who may import whom
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-logo --no-cache

format: $(INSTALLED_DEV)  ## put the code into its standard form
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(INSTALLED_DEV) $(BENCH_INSTALLED)  ## measure speed and quality (an hour on 2 cores, 2.5 with the suite; BENCH_ARGS="train play")
	$(PY) -m benchmarks $(BENCH_ARGS)

bench-quick: $(INSTALLED_DEV) $(BENCH_INSTALLED)  ## the same with shorter trainings (under 5 minutes)
	$(PY) -m benchmarks --quick $(BENCH_ARGS)

bench-gpu: $(INSTALLED)  ## measure a GPU: speed, memory and quality (under 10 minutes)
	$(PY) -m benchmarks.gpu $(BENCH_ARGS)

starter: $(INSTALLED)  ## train the model of English that comes with Galvanic (CORPUS=folder; docs/starter.md)
	$(PY) -m tools.starter $(if $(CORPUS),"$(CORPUS)") $(STARTER_ARGS)

load: $(INSTALLED)  ## many people at once: 50 trainings and 2,000 texts in 5 minutes (about a quarter of an hour)
	$(PY) -m benchmarks.load --minutes $(MINUTES) --trainings $(TRAININGS) --generates $(GENERATES) --seed $(SEED) $(LOAD_ARGS)

growth: $(INSTALLED)  ## a thousand servers ask the real queue, and what a message, a text and a training cost (about 20 minutes)
	$(PY) -m benchmarks.growth $(GROWTH_ARGS)

scaling: $(INSTALLED)  ## how throughput grows with workers (about 10 minutes; SCALING_ARGS="--rounds 1")
	$(PY) -m benchmarks.scaling $(SCALING_ARGS)

audit: $(INSTALLED) $(AUDIT_INSTALLED)  ## known holes and licences of all that is pinned (needs the internet)
	@$(AUDIT_VENV)/bin/pip-licenses --python $(PY) --summary
ifeq ($(AUDIT_OFFLINE),ok)
	@echo "known holes: NOT AUDITED, because AUDIT_OFFLINE=ok says that no advisory service can be asked from here"
else
	@$(AUDIT_VENV)/bin/pip-audit -r constraints.txt --no-deps --disable-pip --strict --progress-spinner=off
endif

licences: $(INSTALLED) $(AUDIT_INSTALLED)  ## write docs/licences.csv anew
	@$(AUDIT_VENV)/bin/pip-licenses --python $(PY) --format=csv > docs/licences.csv.new
	@mv docs/licences.csv.new docs/licences.csv

clean:  ## remove the environments and what the tools left; data stays
	rm -rf $(VENV) $(BENCH_VENV) $(DOCS_VENV) $(AUDIT_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis test-artifacts build dist docs/_pages *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@python=$$(sh launcher/find-python.sh $(PYTHON)) || exit 1; \
	echo "making $(VENV) with $$python ($$($$python -V))"; \
	$$python -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(INSTALLED): pyproject.toml constraints.txt | $(PY)
	@rm -f $(filter-out $(INSTALLED),$(wildcard $(VENV)/.installed-*))
	@echo "installing (the first time this downloads about 600 MB, with a GPU 4 GB, and takes some minutes)"
	@$(if $(RIVAL),$(PIP) uninstall --quiet --quiet --yes $(RIVAL))
	@$(PIP) install --quiet -c constraints.txt pip  # an older one knows no groups
	@$(PIP) install -c constraints.txt $(GROUPS) && $(PIP) install --quiet --no-deps -e . || { echo "error: the installation failed. Check the connection to the \
	internet and the space on the disk (3 GB are needed, 8 GB with a GPU; as much in /tmp, or TMPDIR=/var/tmp), then run make again." >&2; exit 1; }
	@echo "compiling what writes texts (half a minute)"
	@-$(PY) -c "from galvanic.streams import compile_loop; compile_loop()"
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@echo "installing the tools for testing"
	@$(PIP) install --quiet -c constraints.txt $(GROUPS) --group playground --group dev
	@touch $@

$(DOCS_INSTALLED): docs/requirements.txt
	@python=$$(sh launcher/find-python.sh $(PYTHON)) || exit 1; \
	echo "installing Sphinx into $(DOCS_VENV)"; \
	$$python -m venv --clear $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	@touch $@

$(BENCH_INSTALLED): benchmarks/requirements.txt | $(PY)
	@echo "installing PyTorch and PPMd into $(BENCH_VENV), to compare with"
	@$(PY) -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(BENCH_PIP) -r benchmarks/requirements.txt
	@touch $@

$(AUDIT_INSTALLED): tools/audit-requirements.txt | $(PY)
	@echo "installing pip-audit and pip-licenses into $(AUDIT_VENV)"
	@$(PY) -m venv --clear $(AUDIT_VENV)
	@$(AUDIT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tools/audit-requirements.txt
	@touch $@
