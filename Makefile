# Everything from nothing but Python >= 3.11, make and the package registry.
PYTHON ?= python3
BIN := .venv/bin
# Tests of one file share what is costly to make; one process more than cores, since some wait.
PARALLEL := --numprocesses $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))') --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-slow lint bench bench-fool bench-race docs lock clean

demo: .venv/ready  ## train two networks on real digits with three seeds each, evaluate and compare them, write a report
	@rm -rf runs/demo
	$(BIN)/cnnlab train fc --data digits --seeds 3 --runs runs/demo --quiet
	$(BIN)/cnnlab train digits --seed 0 --runs runs/demo
	$(BIN)/cnnlab train digits --seeds 1,2 --runs runs/demo --quiet
	$(BIN)/cnnlab evaluate runs/demo/lenet-digits-1
	$(BIN)/cnnlab compare runs/demo --plot runs/demo/curves.png
	@echo "learning curves: runs/demo/curves.png"
	$(BIN)/cnnlab report runs/demo

test: .venv/ready  ## the tests: no network, minutes
	$(BIN)/python -m pytest $(PARALLEL) $(TESTS)

test-slow: .venv/ready  ## the long tests too
	$(BIN)/python -m pytest $(PARALLEL) -m ""

lint: .venv/ready  ## what CI checks of the source
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready .venv-torch/ready .venv-jax/ready  ## the engine against Keras, PyTorch and JAX, in one run, to docs/benchmarks.md; durable runs, comparing, hints, predicting, exporting, looking
	$(BIN)/python -m benchmarks --torch .venv-torch/bin/python --jax .venv-jax/bin/python
	$(BIN)/python -m benchmarks.lenet_kernels
	$(BIN)/python -m benchmarks.on_cpu
	$(BIN)/python -m benchmarks.durable_runs
	$(BIN)/python -m benchmarks.comparing
	$(BIN)/python -m benchmarks.failing_trainings
	$(BIN)/python -m benchmarks.predicting
	$(BIN)/python -m benchmarks.exporting
	$(BIN)/python -m benchmarks.looking

bench-fool: .venv/ready .venv-foolbox/ready  ## attacks against foolbox's, and their speed against that of training
	$(BIN)/python -m benchmarks.fooling --foolbox .venv-foolbox

bench-race: .venv/ready .venv-torch/ready  ## the time to accuracies on MNIST and CIFAR-10, and that of Keras and PyTorch, to docs/race.md
	$(BIN)/python -m benchmarks.races --torch .venv-torch/bin/python

docs: .venv/ready  ## the references and the schema for editors from the source; what is reproduced, from configs/results
	$(BIN)/python -m typer cnnlab.cli.app utils docs --name cnnlab --title "The command line" > docs/cli.md
	$(BIN)/cnnlab schema --format md > docs/experiment.md
	$(BIN)/cnnlab schema > configs/experiment.schema.json
	$(BIN)/python -m benchmarks.reproduction

lock: pyproject.toml  ## pin the newest versions anew
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --upgrade pip && .venv-lock/bin/pip install --quiet '.[onnx,litert,parquet,sweep]' --group dev
	{ echo "# Every version that the tests ran with; \`make lock\` writes this file."; \
	  .venv-lock/bin/pip freeze --exclude cnnlab; } > requirements.txt
	rm -rf .venv-lock

clean:  ## remove what make has made, but no runs
	rm -rf .venv .venv-torch .venv-jax .venv-foolbox build dist .mypy_cache .ruff_cache .pytest_cache

# The package is installed editable; its bytecode and that of everything it imports is compiled here, since a start
# without takes seconds more.
.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("cnnlab needs Python >= 3.11, and this is " + sys.version.split()[0] + "; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q -j 0 .venv/lib cnnlab
	touch $@

# Peers of the benchmarks only, in environments of their own.
.venv-torch/ready:
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 numpy
	touch $@

.venv-jax/ready:
	$(PYTHON) -m venv .venv-jax
	.venv-jax/bin/pip install --quiet --disable-pip-version-check jax==0.10.2 optax==0.2.8 keras==3.15.1
	touch $@

# An independent implementation of attacks, for a benchmark only.
.venv-foolbox/ready: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target .venv-foolbox \
	  foolbox==3.3.4 eagerpy==0.30.0 GitPython==3.2.1 gitdb==4.0.12 smmap==5.0.3
	touch $@
