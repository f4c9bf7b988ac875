# make          cluster.h if src/ is newer, and build/clusterctl
# make help     the rest
CC = cc
CFLAGS = -O2 -g -Wall -Wextra
PYTHON = python3
T =
N =

FRAGMENTS = $(wildcard src/*.h src/*/*.h)

all: cluster.h build/clusterctl

cluster.h: amalgamate.py LICENSE $(FRAGMENTS)
	$(PYTHON) amalgamate.py

build/clusterctl: examples/clusterctl.c cluster.h
	@mkdir -p build
	$(CC) -std=c99 $(CFLAGS) -I. examples/clusterctl.c -o $@ $(LDFLAGS)

run: all
	build/clusterctl demo

run2: all
	build/clusterctl demo --join

test:
	@$(PYTHON) tests/run.py $(T)

lint:
	@$(PYTHON) tests/run.py lint

coverage:
	@$(PYTHON) tests/coverage.py

footprint: cluster.h
	@$(PYTHON) tests/footprint.py

soak: cluster.h
	@$(PYTHON) tests/soak.py $(N)

bench: cluster.h
	@mkdir -p build
	@for source in tests/bench/*.c; do \
		program=build/bench-`basename $$source .c`; \
		echo "== $$program"; \
		libraries=`sed -n 's/.*cc .*tests\/bench.* -o [^ ]*\(\( -l[a-z]*\)*\) .*/\1/p' $$source`; \
		$(CC) -std=c99 -O2 -I. $$source -o $$program $(LDFLAGS) $$libraries && $$program || exit 1; \
	done

format:
	find $(wildcard src examples tests) -name '*.[ch]' -exec clang-format -i {} +

clean:
	rm -rf build

help:
	@echo 'make              cluster.h if src/ is newer, and build/clusterctl'
	@echo 'make run          the demonstration: three nodes on this machine; make run2 in another terminal joins it'
	@echo 'make test         all tests; T=list what there is; T=unit,cli some parts; T=unit/url one job; DEPS=none as is'
	@echo 'make lint         layout, static analysis, house rules'
	@echo 'make format       let clang-format lay out all C'
	@echo 'make coverage     line and branch coverage of src/ by the unit tests, in build/coverage/'
	@echo 'make footprint    measure sizes, write docs/footprint.md'
	@echo 'make soak         fuzzers, simulator and fault injection; N=600 seconds for each'
	@echo 'make bench        the benchmarks'
	@echo 'make clean        remove build/'

.PHONY: all run run2 test lint coverage footprint soak bench format clean help
.DELETE_ON_ERROR:
