# Two commands do all set-up: `make demo` and `make test`. The others are for people who change the code.
SHELL  := /bin/bash
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CORES  ?= 2

# uv looks for local wheels only where UV_FIND_LINKS says; hand on what pip is told, so that both find the same.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Jobs are short processes: without bytecode each one compiles its imports anew (snakemake alone: 3.8 s instead of 1.1 s).
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-browser test-kill test-security reliability fuzz test-slurm lint format bench bench-corpora versions envs docs constraints clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# One install a set of extras; a stamp newer than what it was made from means that nothing is to do.
$(VENV)/.core: pyproject.toml constraints.txt install.sh
	./install.sh "$(PYTHON)" "$(VENV)" ""
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt install.sh
	./install.sh "$(PYTHON)" "$(VENV)" "test,lint,minilm,models,whisper,yolo,tf,litert,ocr,diffusion,slurm"
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core ## the whole workflow on the demo corpus; prints where the report is
	@echo "+ snakemake --cores $(CORES)"
	@$(BIN)/snakemake --cores $(CORES)
	@echo
	@echo "Report:  results/demo/report/index.html   (open it in a browser)"
	@echo "Status:  results/demo/status.tsv"
	@echo "Next:    . $(VENV)/bin/activate && triptych --help"

test: $(VENV)/.test ## all tests but the browser's and the long ones; CORES at a time
	$(BIN)/python -m pytest -q -n $(CORES) --dist loadscope --durations=25 -m "not browser and not slurm and not long"

test-browser: $(VENV)/.test ## opens the report in headless Chromium with hostile titles
	$(BIN)/python -m pytest -q -m browser

test-kill: $(VENV)/.test ## 100 random kills: 45 jobs, 45 snakemakes, 10 node daemons (where SLURM is); results compared byte for byte
	TRIPTYCH_KILLS=45 $(BIN)/python -m pytest -q --timeout=0 tests/workflow/test_kill.py
	@PATH=$$PATH:/usr/sbin; if command -v slurmctld >/dev/null && command -v munged >/dev/null; \
	then TRIPTYCH_NODE_KILLS=10 $(BIN)/python -m pytest -q --timeout=0 -m slurm tests/slurm/test_kill_nodes.py; \
	else echo "10 kills of node daemons were left out: apt-get install slurmctld slurmd slurm-client munge"; fi

reliability: $(VENV)/.test ## runs the tests of the fault matrix (SLURM's where it is installed) and writes docs/reliability.md
	$(BIN)/python -m pytest tests -q -n $(CORES) --dist loadscope -m "fault$(if $(shell PATH=$$PATH:/usr/sbin command -v slurmctld),, and not slurm) and not browser" --reliability docs/reliability.md

test-security: $(VENV)/.test ## the tests that docs/security.md names (without the browser's)
	$(BIN)/python -m pytest -q -n $(CORES) --dist loadscope -m "not browser" tests/security $$(grep -oE 'tests/[a-z_/]+\.py::test_[A-Za-z0-9_]+' docs/security.md | grep -v ^tests/security | sort -u)

fuzz: $(VENV)/.test ## FUZZ_EXAMPLES (20000) examples for each reader of files, others each time; prints the counts
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-20000} $(BIN)/python -m pytest -q -n $(CORES) --dist loadscope --timeout=0 tests/fuzz

test-slurm: $(VENV)/.test ## the workflow on a SLURM of its own (`apt-get install slurmctld slurmd slurm-client munge`)
	$(BIN)/python -m pytest -q -m slurm tests/slurm

lint: $(VENV)/.test ## ruff, snakefmt, stage versions, drift of the docs and of envs/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/python -m triptych.core.versions
	$(BIN)/python -m triptych.core.schema
	$(BIN)/python -m triptych.core.environments

format: $(VENV)/.test ## formats the code, refreshes docs/config.md and the schema
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules
	$(BIN)/python -m triptych.core.schema --fix

bench: $(VENV)/.test ## every benchmark: ratios, medians of interleaved pairs
	@for name in keyframes audio shards svc joint mapping plan startup lean recognisers models; do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

bench-corpora: $(VENV)/.test ## the workflow on real corpora (TRIPTYCH_SHARED names their folder)
	$(BIN)/python benchmarks/corpora.py

versions: $(VENV)/.test ## records the sources of each stage in versions.lock (after a change that leaves results as they were, or a bumped VERSION)
	$(BIN)/python -m triptych.core.versions --fix

envs: $(VENV)/.test ## writes envs/*.yaml anew from pyproject.toml, constraints.txt and what the scripts import
	$(BIN)/python -m triptych.core.environments --fix

constraints: $(VENV)/.test ## resolves constraints.txt anew, without local wheels
	env -u UV_FIND_LINKS -u PIP_FIND_LINKS $(BIN)/uv pip compile pyproject.toml --all-extras --universal --no-annotate --no-header --python-version 3.11 -o constraints.txt

clean: ## removes results, not downloads
	rm -rf results .snakemake
