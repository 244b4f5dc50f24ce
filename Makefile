# make lab                 install what is missing, then open the course in JupyterLab
# make test                install what is missing, then run everything that must pass
# make test-browser        drive every notebook in JupyterLab (needs Chromium and npm; half an hour)
# make slides              decks, handouts and their index, in build/slides (needs npm; handouts need Chromium)
# make solutions           notebooks with every exercise solved, for lecturers, in build/solutions
# make site                the whole course as pages for a browser, decks and all, in build/site (needs npm)
# make binder-check        what mybinder.org would make of this repository, and the course within its limits (an hour)
# make class-check STUDENTS=10      a class on one server, on loopback: seconds, memory, isolation (as root; needs npm)
# make bench               measure speed, quality and memory beside those of other libraries (an hour)
# make equations           write the registered equations into the notebooks
# make certify             have the Coq kernel prove the algebra again, and keep its certificate (needs coqc)
# make generated           write again what is made from other files: environment.yml, docs/audit.md, parts of README.md
# make pins                take the versions in .venv as the tested set (constraints.txt), then `make generated`
# make links URL=https://github.com/OWNER/NAME        the public address, the badges and links made from it
#
# PYTHON=python3.12        the Python to make .venv with (3.11 or newer)
# TORCH_INDEX=https://...  where torch comes from, e.g. https://download.pytorch.org/whl/cu128
# LAB_ARGS="--no-browser --port=8890"                 more arguments for JupyterLab
# TEST_ARGS="-k schedule"                             more arguments for pytest
# CHECK_ARGS="--memory 1024 notebooks/02*.ipynb"      more arguments for binder-check
# STAGES="speed footprint"                            what `make bench` measures, and its options: --seconds 10

PYTHON ?=
LAB_ARGS ?=
TEST_ARGS ?=
CHECK_ARGS ?=
STUDENTS ?= 10
STAGES ?=
CERTIFY_ARGS ?=
BIN := .venv/bin
OUT := $(CURDIR)/build
export PYTHON

# Nothing is written outside the repository. Who prefers the JupyterLab settings at home to a clean start says
# so: JUPYTER_CONFIG_DIR=~/.jupyter make lab
export JUPYTER_CONFIG_DIR ?= $(OUT)/jupyter/config
export JUPYTER_DATA_DIR ?= $(OUT)/jupyter/data
export JUPYTER_RUNTIME_DIR ?= $(OUT)/jupyter/runtime
export IPYTHONDIR ?= $(OUT)/ipython
export MPLCONFIGDIR ?= $(OUT)/matplotlib
# Threads that wait soon sleep, as ddpm_lite/runtime.py has it: a training shares the cores with a browser.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 5000
# What would lead another Python's packages in, or other figures out.
unexport PYTHONPATH PYTHONHOME MPLBACKEND

.PHONY: help lab test test-browser slides solutions site binder-check class-check bench environment equations certify \
	generated pins links

help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' Makefile

environment:
	@mkdir -p $(OUT)
	@sh .ci/environment.sh

lab: environment
	@echo "lab: opening notebooks/00_start_here.ipynb in JupyterLab (Ctrl-C here ends it)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m jupyterlab \
		--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB_ARGS)

# Two workers with a thread each beat one worker with two threads; a file's fixtures are made once.
test: environment
	@echo "test 1/7: generated files (.ci/generate.py)"
	@$(BIN)/python .ci/generate.py --check
	@echo "test 2/7: style (ruff)"
	@$(BIN)/ruff check --quiet
	@echo "test 3/7: types (mypy)"
	@$(BIN)/python -m mypy --no-error-summary
	@echo "test 4/7: the mathematics (every equation proved, every mutant rejected, every claim judged)"
	@$(BIN)/python -m ddpm_lite.verified sync --check notebooks
	@$(BIN)/python -m ddpm_lite.verified report
	@echo "test 5/7: the package (pytest)"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile $(TEST_ARGS)
	@echo "test 6/7: the notebooks (nbval)"
	@$(BIN)/python -m ddpm_lite.course.notebooks test
	@echo "test 7/7: every exercise's solution, in its notebook"
	@DDPM_LITE_SECONDS=$${DDPM_LITE_SECONDS:-6} $(BIN)/python -m ddpm_lite.course.notebooks solutions
	@echo "test: all passed"

test-browser: environment
	@$(BIN)/python -m pip --disable-pip-version-check install -q -r browser/requirements.txt
	@$(BIN)/python -m pytest -c browser/pytest.ini browser $(TEST_ARGS)

slides: environment
	@$(BIN)/python -m slides

solutions: environment
	@$(BIN)/python -m ddpm_lite.course.notebooks solutions

site: slides
	@$(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt -r site/requirements.txt
	@$(BIN)/python site/build.py

binder-check: environment
	@$(BIN)/python -m binder.check $(CHECK_ARGS)

class-check: environment
	@$(BIN)/python -m binder.hub --students $(STUDENTS)

bench: environment
	@sh benchmarks/environment.sh
	@$(OUT)/peers/.venv/bin/python -m benchmarks $(STAGES)

equations: environment
	@$(BIN)/python -m ddpm_lite.verified sync notebooks

certify: environment
	@$(BIN)/python -m ddpm_lite.verified certify $(CERTIFY_ARGS)

generated: environment
	@$(BIN)/python .ci/generate.py

pins: environment
	@$(BIN)/python .ci/generate.py --pins

links: environment
	@$(BIN)/python .ci/generate.py --url "$(URL)"
