# What a newcomer types.  Meson and ninja do the work, in folders under build/.
#
#   make            build the library, the agent and the command (build/release)
#   make demo       build, and run real programs in a fraction of their memory
#   make check      build and run every test; ends with `N passed, N failed'
#   make bench      the table of measurements (best as root, on a quiet machine)
#   make fuzz       the long random tests and libFuzzer (FUZZ_SECONDS=600)
#   make install    PREFIX=/usr/local, DESTDIR= as usual
#   make deps       install the Debian packages that any of this needs
#   make clean      remove build/
#
# Each of them installs what it needs first, where it is missing.

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600

all:
	@scripts/deps.sh build
	@scripts/build.sh release

demo:
	@scripts/deps.sh build
	@scripts/demo.sh

check:
	@scripts/deps.sh check
	@python3 scripts/check.py

bench:
	@scripts/deps.sh check
	@scripts/bench.sh

fuzz:
	@scripts/deps.sh check
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' scripts/fuzz.sh

install:
	@scripts/deps.sh build
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/build.sh install

deps:
	@scripts/deps.sh check

clean:
	rm -rf build

.PHONY: all demo check bench fuzz install deps clean
.NOTPARALLEL:
