# Everything below works from a fresh clone with Python 3.11+ and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?=
TEXTS ?=
NAME ?= concat
RECIPE ?= concat
OUT ?= quickstart

.PHONY: setup quickstart test test-slow lint format docs man catalogue lowest dist default-bundle quality bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "moodfuse needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,dev]'
	touch $@

# Train on DATA (or on posts drawn for the occasion), then label its unlabelled file.
quickstart: setup
ifeq ($(DATA),)
	test -f $(OUT)/synthetic/posts/train.txt || $(BIN)/moodfuse synthetic $(OUT)/synthetic/posts --quiet
	$(MAKE) --no-print-directory main-job DATA=$(OUT)/synthetic/posts OUT=$(OUT)/synthetic
else
	$(MAKE) --no-print-directory main-job DATA='$(DATA)'
endif

.PHONY: main-job
main-job:
	$(BIN)/moodfuse train '$(DATA)' --name $(NAME) --recipe $(RECIPE) --runs $(OUT)/runs
	$(BIN)/moodfuse predict $(OUT)/runs/$(NAME) '$(DATA)' --output $(OUT)/test_result.txt --force
	@echo
	@echo "answers, in the format that came in   $(OUT)/test_result.txt"
	@echo "probabilities, status, what to check  $(OUT)/test_result.txt.details.csv"
	@echo "scores, split, history, bundle        $(OUT)/runs/$(NAME)/"

# The bundle that moodfuse brings, made anew from the labelled posts in DATA and the corpora in TEXTS; an interrupted run
# goes on where it was.
default-bundle: setup
	test -n '$(DATA)' -a -n '$(TEXTS)' || { echo 'expected: make default-bundle DATA=path/to/posts TEXTS=path/to/texts'; exit 1; }
	$(BIN)/python benchmarks/default_bundle.py '$(DATA)' '$(TEXTS)'

# Larger encoders, trained on the same posts and texts: for a GPU and a model hub.
quality: setup
	test -n '$(DATA)' -a -n '$(TEXTS)' || { echo 'expected: make quality DATA=path/to/posts TEXTS=path/to/texts'; exit 1; }
	$(BIN)/python benchmarks/default_bundle.py '$(DATA)' '$(TEXTS)' --quality

# Every claim of speed and size, measured here on the posts in DATA, with nothing else running.
bench: setup
	test -n '$(DATA)' || { echo 'expected a guid,tag folder of posts: make bench DATA=path/to/posts'; exit 1; }
	$(BIN)/python benchmarks/speed/bench.py '$(DATA)'

# Two processes of one thread each: small models gain nothing from more threads, and fight over them.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/structure.py --circles

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The documentation in both languages as a site in site/.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo site/index.html

# The man page, from the command line itself.
man: setup
	$(BIN)/python docs/make_man.py

# The Chinese catalogue, brought up to what the source says; it tells what has no translation yet.
catalogue: setup
	$(BIN)/python docs/make_catalogue.py

# The lowest versions that pyproject.toml allows, in an environment of their own.
lowest: setup
	$(BIN)/python benchmarks/versions.py lowest

# What is released, in dist/, proven in an environment without PyTorch.
dist: setup
	$(BIN)/python benchmarks/release.py

clean:
	rm -rf $(VENV) $(OUT) build dist site src/*.egg-info
