# The commands of the project; Meson does the building. See README.md.
PREFIX ?= /usr/local
export PREFIX

.PHONY: all run test install crash bench fuzz check-asan lint format clean

all: build/build.ninja
	ninja -C build

build/build.ninja:
	scripts/deps build
	meson setup build --prefix=$(PREFIX) --buildtype=release -Db_ndebug=false -Ddebug=true

# A demo server with two accounts in ./demo; prints how to connect.
run: all
	scripts/demo

# Everything CI runs.
test:
	scripts/deps build test
	scripts/test

install: all
	ninja -C build install


# The long form of the crash tests: 200 kills; the store with each of its calls to the disk failing, or being its last.
crash: all
	scripts/deps test
	/usr/bin/python3 -m pytest -q tests/crash --kills 200
	ninja -C build src/services/fault_test src/services/crash_test
	BUZON_TEST_ALL=1 build/src/services/fault_test
	BUZON_TEST_ALL=1 build/src/services/crash_test

# Speed and memory beside Debian's Postfix and Dovecot. OPTIONS: see bench/run --help.
bench: all
	scripts/deps bench
	bench/run $(OPTIONS)

# Ten minutes of every fuzz target, or of TARGET=name, MINUTES=n.
fuzz:
	scripts/deps build test
	scripts/fuzz

check-asan:
	scripts/deps build test
	scripts/test units integration --sanitized

lint:
	scripts/deps build test
	scripts/test style tidy
	scripts/tidy

format:
	git ls-files '*.[ch]' | xargs clang-format -i

clean:
	rm -rf build build-*
