# make          cluster.h if src/ is newer, and build/clusterctl
# make help     the rest
CC = cc
CFLAGS = -O2 -g -Wall -Wextra
PYTHON = python3
AR = ar
PREFIX = /usr/local
DESTDIR =
T =
N =
PORT = 7001

VERSION = $(shell sed -n 's/^.define CLUSTER_VERSION_STRING "\(.*\)"/\1/p' cluster.h)
ABI = $(shell sed -n 's/^.define CLUSTER_VERSION_STRING "\([0-9]*\.[0-9]*\)\..*"/\1/p' cluster.h)
EXPORTED = -fPIC -fvisibility=hidden '-DCLUSTER_API=__attribute__((visibility("default")))'

FRAGMENTS = $(wildcard src/*.h src/*/*.h)
# https in clusterctl, where OpenSSL's headers are; make OPENSSL= goes without
OPENSSL := $(shell $(CC) -E -x c -include openssl/ssl.h /dev/null >/dev/null 2>&1 && echo -DCLUSTERCTL_OPENSSL)

all: cluster.h build/clusterctl

# A clone's files are of one moment, so this runs first of all there: a machine without python takes the file that is committed.
cluster.h: amalgamate.py LICENSE $(FRAGMENTS)
	@if command -v $(PYTHON) >/dev/null 2>&1; then $(PYTHON) amalgamate.py; \
	else echo '$@ is taken as it is: there is no $(PYTHON) to make it of src/'; test -f $@; fi

build/clusterctl: examples/clusterctl.c $(wildcard examples/clusterctl/*.h) examples/tls_openssl.h cluster.h
	@mkdir -p build
	$(CC) -std=c99 $(CFLAGS) $(OPENSSL) -I. examples/clusterctl.c -o $@ $(LDFLAGS) $(if $(OPENSSL),-lssl -lcrypto)

build/kv: examples/kv.c $(wildcard examples/kv/*) cluster.h
	@mkdir -p build
	$(CC) -std=c99 $(CFLAGS) -I. -DCLUSTER_IMPLEMENTATION examples/kv.c -o $@ $(LDFLAGS)

# libcluster.so.MAJOR.MINOR: before 1.0 a new minor version may change the ABI. Only cluster_... is exported.
lib: build/libcluster.so build/libcluster.a build/cluster.pc

build/cluster.o: tests/build/implementation.c cluster.h
	@mkdir -p build
	$(CC) -std=c99 $(CFLAGS) $(EXPORTED) -I. -c tests/build/implementation.c -o $@

build/libcluster.a: build/cluster.o
	rm -f $@
	$(AR) rcs $@ build/cluster.o

build/libcluster.so: build/cluster.o
	$(CC) -shared -Wl,-soname,libcluster.so.$(ABI) -o build/libcluster.so.$(VERSION) build/cluster.o $(LDFLAGS)
	ln -sf libcluster.so.$(VERSION) build/libcluster.so.$(ABI)
	ln -sf libcluster.so.$(ABI) $@

build/cluster.pc: Makefile cluster.h
	@mkdir -p build
	printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' 'libdir=$${prefix}/lib' '' 'Name: cluster' \
		'Description: Join an Erlang/Elixir cluster, or form one of your own, from C' 'Version: $(VERSION)' \
		'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lcluster' > $@

# Manual pages and one HTML page, from the comments of the header and the help of clusterctl.
reference: all
	$(PYTHON) tests/docs/reference.py

install: all lib reference
	mkdir -p $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/bin \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 cluster.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 build/libcluster.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 build/libcluster.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/
	ln -sf libcluster.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libcluster.so.$(ABI)
	ln -sf libcluster.so.$(ABI) $(DESTDIR)$(PREFIX)/lib/libcluster.so
	sed 's|^prefix=.*|prefix=$(PREFIX)|' build/cluster.pc > $(DESTDIR)$(PREFIX)/lib/pkgconfig/cluster.pc
	install -m 755 build/clusterctl $(DESTDIR)$(PREFIX)/bin/
	install -m 644 build/reference/clusterctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 build/reference/cluster.h.3 $(DESTDIR)$(PREFIX)/share/man/man3/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/include/cluster.h $(DESTDIR)$(PREFIX)/lib/libcluster.a $(DESTDIR)$(PREFIX)/lib/libcluster.so* \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig/cluster.pc $(DESTDIR)$(PREFIX)/bin/clusterctl \
		$(DESTDIR)$(PREFIX)/share/man/man1/clusterctl.1 $(DESTDIR)$(PREFIX)/share/man/man3/cluster.h.3

# The declarations for other languages; needs clang.
bindings: cluster.h
	$(PYTHON) examples/bindings/generate.py

run: all
	build/clusterctl demo

run2: all
	build/clusterctl demo --join

kv: build/kv
	@sh examples/kv/three.sh $(PORT)

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

# The first commands of README.md in a fresh Debian root: takes root, debootstrap and a network.
newcomer:
	@$(PYTHON) tests/newcomer.py

clean:
	rm -rf build

help:
	@echo 'make              cluster.h if src/ is newer, and build/clusterctl'
	@echo 'make run          the demonstration: three nodes on this machine; make run2 in another terminal joins it'
	@echo 'make kv           three servers of a sharded cache on this machine, docs/kv.md; PORT=7001 is the first port'
	@echo 'make lib          build/libcluster.so, .a and cluster.pc'
	@echo 'make install      header, libraries, clusterctl; PREFIX=/usr/local DESTDIR='
	@echo 'make reference    manual pages and one HTML page, in build/reference/'
	@echo 'make bindings     write the declarations for other languages, from the header'
	@echo 'make test         all tests; T=list what there is; T=unit,cli some parts; T=unit/url one job; DEPS=none as is'
	@echo 'make lint         layout, static analysis, house rules'
	@echo 'make format       let clang-format lay out all C'
	@echo 'make coverage     line and branch coverage of src/ by the unit tests, in build/coverage/'
	@echo 'make footprint    measure sizes, write docs/footprint.md'
	@echo 'make soak         fuzzers, simulator and fault injection; N=600 seconds for each'
	@echo 'make bench        the benchmarks'
	@echo 'make newcomer     the first commands of README.md in a fresh Debian root'
	@echo 'make clean        remove build/'

.PHONY: all lib install uninstall reference bindings run run2 kv test lint coverage footprint soak bench format newcomer clean help
.DELETE_ON_ERROR:
