# What a newcomer needs: `make demo`, `make check`, `make test`, `make bench`. Each sets up .venv by itself.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
COMPILED := .venv/.compiled
# files and databases of the tests lie in memory where there is room for them and programs may run there: making and dropping a database
# takes a tenth of a second in place of one or two
MEMORY := $(shell grep -qs ' /dev/shm tmpfs [^ ]*noexec' /proc/mounts || df -Pk /dev/shm 2>/dev/null | \
	awk 'NR == 2 && $$4 > 4000000 { print "TMPDIR=/dev/shm" }')
# brokers that live for a test compile half as much
JAVA := JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1
SERVERS := $(MEMORY) $(JAVA) $(BIN)/python infra/postgres run -- $(BIN)/python infra/kafka run --
PYTEST := $(BIN)/python -m pytest --dist loadgroup
# more than three for each of two cores: who kills a broker or a relay mostly waits
WORKERS := 7
# the programs that tests start would compile every module each time
unexport PYTHONDONTWRITEBYTECODE

# how large the faults of `make faults` are (tests/sizes.py)
SIZE ?= faults

# of `make fuzz`, shared out to the parsers
SECONDS ?= 60

.PHONY: help demo check serverless test faults fuzz lint release sbom pictures bench bench-kafka bench-university clean proofs-go
help:
	@echo "make demo    load invented histories and ask questions about them"
	@echo "make check   before each commit: lint, and the tests that need no server (a minute and a half)"
	@echo "make test    every test, on SQLite, a real PostgreSQL and a real Kafka (about eight minutes)"
	@echo "make faults  the tests that kill, cut off and overload, at full size (about nine minutes)"
	@echo "make fuzz    every parser under atheris for SECONDS=60 together, from the golden files (TARGET=stored-bytes: one of them)"
	@echo "make lint    ruff, mypy, import-linter, generated pages up to date"
	@echo "make proofs-go  have golden and damaged proofs checked by the libraries of others (needs Go 1.26)"
	@echo "make bench   every figure beside the raw limit and the peers, on PostgreSQL and SQLite (about twelve minutes)"
	@echo "make bench-kafka        relay and consumers beside the raw clients of the same library, a million events (about 45 minutes)"
	@echo "make bench-university   a million events end to end (long)"
	@echo "make release VERSION=x.y.z   lint, released schemas, version, changelog, commit and tag; pushes nothing"
	@echo "make pictures   what docs/console.md shows, from the tests of the console in a browser"
	@echo "make sbom    bill of materials of what is installed for production: build/sbom.cdx.json (CycloneDX)"
	@echo "make clean   remove .venv and caches"

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=..." >&2; exit 1; }
	@echo "setting up .venv (once; half a minute)"
	@$(PYTHON) -m venv --clear .venv || { echo "python's venv module is missing: on Debian or Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -m compileall -q ledger consumers
	@touch $@

$(COMPILED): $(INSTALLED)
	@$(BIN)/python -m pytest -q --collect-only >/dev/null || true  # else each worker compiles every test
	@touch $@

demo: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: $(COMPILED)
	$(SERVERS) $(PYTEST) -n $(WORKERS) -m "not long" --durations 25

faults: $(COMPILED)
	CAREER_LEDGER_TEST_SIZE=$(SIZE) $(SERVERS) $(PYTEST) -n $(WORKERS) -m "faults or long" --timeout 1500 -o faulthandler_timeout=1200 --durations 25

fuzz: $(INSTALLED)
	@$(BIN)/python -c "import atheris" 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[fuzz]" || true
	nice -n 19 $(BIN)/python -m tests.fuzz run --seconds $(SECONDS) $(TARGET:%=--only %)

# side by side: nothing of lint uses a second core
check: $(INSTALLED)
	@$(MAKE) --no-print-directory -j 2 lint serverless

# two for each of two cores: who starts a program waits for it
serverless: $(COMPILED)
	$(MEMORY) $(PYTEST) -q -n 4 -m "not server and not faults and not long"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.rule_table --check
	$(BIN)/python -m ledger.wire.schemas --check

release: lint
	@echo "$(VERSION)" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || { echo "name the version: make release VERSION=x.y.z" >&2; exit 2; }
	@test -z "$$(git status --porcelain)" || { echo "commit first: git status" >&2; exit 1; }
	@! git rev-parse -q --verify "refs/tags/v$(VERSION)" >/dev/null || { echo "v$(VERSION) is there already" >&2; exit 1; }
	$(BIN)/python -m ledger.wire.schemas --release
	@sed -i.bak 's/^version = ".*"/version = "$(VERSION)"/' pyproject.toml
	@sed -i.bak "s/ No version has been released yet\.//; s/^## Unreleased$$/&\n\n## $(VERSION) - $$(date +%F)/" CHANGELOG.md
	@rm -f pyproject.toml.bak CHANGELOG.md.bak
	git add -A
	git commit -qm "Version $(VERSION)"
	git tag "v$(VERSION)"

# what is listed is an installation of its own: neither the tools of developers nor the one that lists
sbom: $(INSTALLED)
	@mkdir -p build
	@$(PYTHON) -m venv --clear build/product && $(PYTHON) -m venv --clear build/lister
	@build/product/bin/python -m pip install --quiet --disable-pip-version-check '.[consumers]'
	@build/lister/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7.5,<8'
	@build/lister/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom.cdx.json build/product
	@rm -rf build/product build/lister
	@echo "written to build/sbom.cdx.json"

proofs-go: $(INSTALLED)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(BIN)/python -m tests.proofs.damaged "$$folder" && \
		cd tests/proofs/go && go run . ../golden "$$folder"

# what docs/console.md shows; of the others, build/screens has all
PICTURES := docs/pictures
pictures: $(INSTALLED)
	@rm -rf build/pictures && mkdir -p build/pictures $(PICTURES)
	CAREER_LEDGER_TEST_SIZE=$(SIZE) CAREER_LEDGER_PICTURES=build/pictures $(MEMORY) $(PYTEST) -q tests/console
	@for name in $$(grep -oh 'pictures/[a-z.-]*\.jpg' docs/console.md docs/tickets.md); do cp build/$$name $(PICTURES); done

bench: $(INSTALLED)
	$(BIN)/python infra/postgres run -- $(BIN)/python -m benchmarks.run
	$(BIN)/python infra/postgres run -- $(BIN)/python -m benchmarks.engines --growth 0
	$(BIN)/python benchmarks/questions.py --students 200 --runs 10
	$(BIN)/python -m benchmarks.eservices

bench-kafka: $(INSTALLED)
	$(BIN)/python infra/postgres run -- $(BIN)/python infra/kafka run -- $(BIN)/python -m benchmarks.kafka_relay --events 1000000
	$(BIN)/python infra/postgres run -- $(BIN)/python infra/kafka run -- $(BIN)/python -m benchmarks.consumers --events 1000000 --runs 1

bench-university: $(INSTALLED)
	$(BIN)/python infra/postgres run -- $(BIN)/python -m benchmarks.university

clean:
	rm -rf .venv .fuzz .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
