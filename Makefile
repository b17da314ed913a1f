# SPDX-License-Identifier: Apache-2.0
#
# The whole build, its checks and its tests. `make help` lists what there is.
# Objects lie under build/<configuration>/; nothing is written beside a source.

CC         ?= gcc
CLANG      ?= clang
ifeq ($(origin CC),default)
CC         := gcc
endif
PKG_CONFIG ?= pkg-config
OPT        ?= -O2
PREFIX     ?= /usr/local
DESTDIR    ?=
FUZZ_TIME  ?= 5
FUZZ_RUNS  ?= 20000
VERSION    ?= $(shell git describe --tags --always 2>/dev/null || echo unknown)
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)
# A substring that picks among unit, fuzz, bench and integration programs: make unit T=quantity
T          ?=

ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS  += -j$(JOBS) -Otarget
endif
endif
MAKEFLAGS  += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

V ?= 0
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

# ---- what there is to build ----------------------------------------------------------------------

PKG_SRCS   := $(sort $(wildcard pkg/*/*.c))
CMD_SRCS   := $(sort $(wildcard cmd/steelyard/*.c))
UNIT_SRCS  := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SRCS  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
BENCH_SRCS := $(sort $(wildcard tests/bench/bench_*.c))
ORACLE_SRCS := $(sort $(wildcard tests/oracle/check/*.c))
SIM_SRCS   := $(sort $(wildcard tests/simulation/*.c))
C_SRCS     := $(PKG_SRCS) $(CMD_SRCS) $(UNIT_SRCS) $(FUZZ_SRCS) $(BENCH_SRCS) $(ORACLE_SRCS) $(SIM_SRCS) $(sort $(wildcard tests/integration/*.c))
C_FILES    := $(C_SRCS) $(sort $(wildcard pkg/*/*.h cmd/steelyard/*.h tests/*/*.h tests/oracle/check/*.h))

LIBS       := libcurl json-c yaml-0.1 libevent libevent_openssl libevent_pthreads openssl libnghttp2
TEST_LIBS  := cmocka

# help, deps and clean work on a machine that has nothing yet.
ifneq ($(filter-out help deps clean test demo,$(or $(MAKECMDGOALS),all)),)
LIBS_MISSING := $(strip $(foreach l,$(LIBS) $(TEST_LIBS),$(if $(shell $(PKG_CONFIG) --exists $(l) 2>/dev/null && echo y),,$(l))))
ifneq ($(LIBS_MISSING),)
$(error pkg-config does not find: $(LIBS_MISSING). Run `make deps` first)
endif
# System headers are held to no warnings of ours.
LIB_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(LIBS)))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBS)) -lm
TEST_LIB   := $(shell $(PKG_CONFIG) --libs $(TEST_LIBS))
endif

# ---- flags, one set per configuration ------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
        -Wimplicit-fallthrough
ifeq ($(WERROR),1)
WARN += -Werror
endif
BASE := -std=gnu17 -D_GNU_SOURCE -Ipkg $(LIB_CFLAGS) $(WARN) -g -fno-omit-frame-pointer -pthread
HARD := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=3 -fPIE
ifeq ($(shell uname -m),x86_64)
HARD += -fcf-protection
endif
LINK := -pthread -Wl,--as-needed
HARD_LINK := $(LINK) -pie -Wl,-z,relro,-z,now,-z,noexecstack

CFG_release_CC     := $(CC)
CFG_release_CFLAGS := $(BASE) $(OPT) $(HARD)
CFG_release_LINK   := $(HARD_LINK)

# Sanitizers make gcc see paths that are not there, so this one warning is left to `lint`.
CFG_asan_CC        := $(CC)
CFG_asan_CFLAGS    := $(BASE) -O1 -Werror -Wno-maybe-uninitialized -fsanitize=address,undefined \
                      -fno-sanitize-recover=all
CFG_asan_LINK      := $(LINK) -fsanitize=address,undefined

CFG_tsan_CC        := $(CC)
CFG_tsan_CFLAGS    := $(BASE) -O1 -Werror -Wno-maybe-uninitialized -Wno-tsan -fsanitize=thread
CFG_tsan_LINK      := $(LINK) -fsanitize=thread

CFG_fuzz_CC        := $(CLANG)
CFG_fuzz_CFLAGS    := $(BASE) -O1 -Werror -Wno-missing-prototypes \
                      -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
CFG_fuzz_LINK      := $(LINK) -fsanitize=fuzzer,address,undefined

CFG_gcc_CC         := gcc
CFG_gcc_CFLAGS     := $(BASE) -O2 $(HARD) -Werror
CFG_gcc_LINK       := $(HARD_LINK)
CFG_clang_CC       := $(CLANG)
CFG_clang_CFLAGS   := $(BASE) -O2 $(HARD) -Werror
CFG_clang_LINK     := $(HARD_LINK)

CFG_cov_CC         := gcc
CFG_cov_CFLAGS     := $(BASE) -O0 --coverage -fprofile-update=atomic
CFG_cov_LINK       := $(LINK) --coverage

CFGS := release asan tsan fuzz gcc clang cov

# make SANITIZE=address|thread builds the program and the tests that way.
ifeq ($(SANITIZE),thread)
CFG      := tsan
UNIT_CFG := tsan
else ifeq ($(SANITIZE),address)
CFG      := asan
UNIT_CFG := asan
else ifeq ($(SANITIZE),)
CFG      := release
UNIT_CFG := asan
else
$(error SANITIZE=$(SANITIZE): use address, thread or nothing)
endif
PROGRAM := $(if $(filter release,$(CFG)),build/steelyard,build/$(CFG)/steelyard)

# ---- rules, one set per configuration ------------------------------------------------------------

.PHONY: FORCE
FORCE:

define config_rules
# Changed flags rebuild; unchanged ones leave the stamp alone.
build/$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(CFG_$(1)_CC) $$(CFG_$(1)_CFLAGS) $$(CFG_$(1)_LINK) $$(LIB_LIBS)' > $$@.new
	@if cmp -s $$@.new $$@; then rm -f $$@.new; else mv -f $$@.new $$@; fi

build/$(1)/obj/%.o: %.c build/$(1)/flags
	@mkdir -p $$(@D)
	$$(say) CC $$<
	$$(Q)$$(CFG_$(1)_CC) $$(CFG_$(1)_CFLAGS) $$(CPPFLAGS_$$(firstword $$(subst /, ,$$<))) $$(CFLAGS) -MMD -MP -c -o $$@ $$<

build/$(1)/obj/cmd/%.o: build/version
build/$(1)/obj/pkg/serve/ui.o: $$(wildcard pkg/serve/ui/*)

build/$(1)/libsteelyard.a: $$(PKG_SRCS:%.c=build/$(1)/obj/%.o) build/$(1)/sources
	@rm -f $$@
	$$(say) AR $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)

# A source that went away must leave the archive.
build/$(1)/sources: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' $$(PKG_SRCS) > $$@.new
	@if cmp -s $$@.new $$@; then rm -f $$@.new; else mv -f $$@.new $$@; fi

$(if $(filter release,$(1)),build/steelyard,build/$(1)/steelyard): \
		$$(CMD_SRCS:%.c=build/$(1)/obj/%.o) build/$(1)/libsteelyard.a
	$$(say) LINK $$@
	$$(Q)$$(CFG_$(1)_CC) $$(CFG_$(1)_LINK) $$(LDFLAGS) -o $$@ $$^ $$(LIB_LIBS)

build/$(1)/unit/%: build/$(1)/obj/tests/unit/%.o build/$(1)/libsteelyard.a
	@mkdir -p $$(@D)
	$$(say) LINK $$@
	$$(Q)$$(CFG_$(1)_CC) $$(CFG_$(1)_LINK) $$(LDFLAGS) -o $$@ $$^ $$(LIB_LIBS) $$(TEST_LIB)

build/$(1)/bench/%: build/$(1)/obj/tests/bench/%.o build/$(1)/libsteelyard.a
	@mkdir -p $$(@D)
	$$(say) LINK $$@
	$$(Q)$$(CFG_$(1)_CC) $$(CFG_$(1)_LINK) $$(LDFLAGS) -o $$@ $$^ $$(LIB_LIBS)
# Its clock, loop and network stand in for those of the library: they come first. Decisions come by it.
build/$(1)/simulation: $$(SIM_SRCS:%.c=build/$(1)/obj/%.o) build/$(1)/libsteelyard.a
	$$(say) LINK $$@
	$$(Q)$$(CFG_$(1)_CC) $$(CFG_$(1)_LINK) -Wl,--wrap=sy_sched_new,--wrap=sy_sched_run $$(LDFLAGS) -o $$@ $$^ $$(LIB_LIBS)
build/$(1)/oracle-check: $$(ORACLE_SRCS:%.c=build/$(1)/obj/%.o) build/$(1)/libsteelyard.a
	$$(say) LINK $$@
	$$(Q)$$(CFG_$(1)_CC) $$(CFG_$(1)_LINK) $$(LDFLAGS) -o $$@ $$^ $$(LIB_LIBS)
endef
$(foreach c,$(CFGS),$(eval $(call config_rules,$(c))))

build/fuzz/bin/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/libsteelyard.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CFG_fuzz_CC) $(CFG_fuzz_LINK) $(LDFLAGS) -o $@ $^ $(LIB_LIBS)

# Only the commands know their version, so that a commit does not rebuild the rest.
CPPFLAGS_cmd = -DSY_VERSION='"$(VERSION)"'
build/version: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(VERSION)' > $@.new
	@if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi

-include $(foreach c,$(CFGS),$(C_SRCS:%.c=build/$(c)/obj/%.d))

pick = $(if $(T),$(foreach p,$(1),$(if $(findstring $(T),$(notdir $(p))),$(p))),$(1))
UNIT_BINS    := $(call pick,$(UNIT_SRCS:tests/unit/%.c=build/$(UNIT_CFG)/unit/%))
# Those whose own header is of the core.
CORE_UNITS   := $(shell grep -lE '^\#include "(model|cluster|policy|sched)/' $(UNIT_SRCS) /dev/null)
VALGRIND_BINS := $(call pick,$(CORE_UNITS:tests/unit/%.c=build/release/unit/%))
COV_BINS     := $(call pick,$(UNIT_SRCS:tests/unit/%.c=build/cov/unit/%))
TORTURE_BINS := $(foreach b,$(UNIT_BINS),$(if $(findstring torture,$(notdir $(b))),$(b)))
FUZZ_BINS    := $(call pick,$(FUZZ_SRCS:tests/fuzz/%.c=build/fuzz/bin/%))
BENCH_BINS   := $(call pick,$(BENCH_SRCS:tests/bench/%.c=build/release/bench/%))

# ---- targets -------------------------------------------------------------------------------------

.PHONY: all help deps lint fmt unit torture coverage valgrind fuzz simulate simulate-issue simulate-long integration test demo simulate-gangs bench oracle e2e-upstream install \
        image man clean \
        unit-build fuzz-build lint-gcc lint-clang lint-format lint-tidy lint-layers lint-banned \
        hardened-programs lint-hardening lint-selftest lint-shell lint-go lint-docs lint-checks objects-gcc objects-clang

all: $(if $(CMD_SRCS),$(PROGRAM),build/$(CFG)/libsteelyard.a) ## build build/steelyard (SANITIZE=address|thread: build/asan, build/tsan)

help: ## this list
	@echo 'usage: make [target] [V=1] [WERROR=1] [SANITIZE=address|thread] [T=part-of-a-test-name]'
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z_.-]*:.*## / {printf "  %-21s %s\n", $$1, $$2}' Makefile

deps: ## install missing Debian packages (or list them), check Go
	@hack/install-deps.sh

check = @hack/run-check lint

lint: ## all static checks
	+@$(MAKE) -k lint-checks
lint-checks: lint-gcc lint-clang lint-format lint-layers lint-banned lint-hardening lint-selftest lint-shell lint-go lint-tidy lint-docs

objects-gcc: $(C_SRCS:%.c=build/gcc/obj/%.o)
objects-clang: $(C_SRCS:%.c=build/clang/obj/%.o)
build/gcc/obj/tests/fuzz/%.o build/clang/obj/tests/fuzz/%.o: CFLAGS += -Wno-missing-prototypes

lint-gcc: ## every file by gcc with -Werror
	+$(check) gcc-werror $(MAKE) objects-gcc
lint-clang: ## every file by clang with -Werror
	+$(check) clang-werror $(MAKE) objects-clang
lint-format: ## clang-format finds nothing to change
	$(check) clang-format hack/check-format $(C_FILES)
lint-layers: ## includes point down only; the core stays pure
	$(check) layers hack/check-layers
lint-banned: ## functions that this project does not call
	$(check) banned-functions hack/check-banned
lint-hardening: ## the program as either compiler builds it is hardened
	+$(check) hardening $(MAKE) -s hardened-programs
hardened-programs: build/gcc/steelyard build/clang/steelyard
	@hack/check-hardening $^
lint-selftest: ## the checks find what they are for
	$(check) checks-can-fail hack/check-selftest
lint-docs: all ## links, commands, metrics that documents name
	$(check) docs hack/check-docs
lint-shell: ## shellcheck, or at least bash -n
	$(check) shell hack/check-shell
lint-go: ## gofmt and go vet
	$(check) go hack/check-go
lint-tidy: ## clang-tidy, only files that changed
	$(check) clang-tidy hack/check-tidy $(CLANG) '$(BASE)' $(PKG_SRCS) $(CMD_SRCS)

fmt: ## format C and Go sources in place
	clang-format -i $(C_FILES)
	@if command -v gofmt >/dev/null; then gofmt -w $$(git ls-files -co --exclude-standard '*.go'); fi

unit-build: $(UNIT_BINS)
unit: $(UNIT_BINS) ## unit tests under ASan and UBSan (T=name picks)
	@hack/run-unit unit $(UNIT_BINS)

torture: $(TORTURE_BINS) ## tests that fail every allocation in turn
	@hack/run-unit torture $(TORTURE_BINS)

coverage: $(COV_BINS) ## lines that the unit tests execute, by package (COVERAGE_FILES=1: by file)
	@find build/cov -name '*.gcda' -delete
	@RESULTS_DIR=build/cov/results UNIT_TIMEOUT=600 hack/run-unit unit $(COV_BINS)
	@hack/coverage build/cov/obj

valgrind: $(VALGRIND_BINS) ## the unit tests of the core under memcheck
	@hack/run-valgrind $(VALGRIND_BINS)

fuzz-build: $(FUZZ_BINS)
fuzz: $(FUZZ_BINS) ## each fuzz target for FUZZ_TIME seconds (5) or FUZZ_RUNS runs; TIME=90|30m|8h: all, until then
	$(if $(TIME),@hack/fuzz-long $(TIME) $(FUZZ_BINS),@FUZZ_TIME=$(FUZZ_TIME) FUZZ_RUNS=$(FUZZ_RUNS) hack/run-fuzz $(FUZZ_BINS))

SIMULATION := build/$(CFG)/simulation
simulate: $(SIMULATION) build/asan/simulation ## the scheduler in a virtual cluster with faults (SEED=, SEEDS=200, STEPS=20000)
	@SEED=$(SEED) SEEDS=$(or $(SEEDS),200) STEPS=$(or $(STEPS),20000) hack/run-simulation $(SIMULATION) build/asan/simulation
simulate-issue: $(SIMULATION) ## one bug that other schedulers had, played with ours (NAME=; without it: their names)
	@$(SIMULATION) $(if $(NAME),issue '$(NAME)',list)
simulate-long: $(SIMULATION) ## the same until stopped, seed after seed, each with more steps
	@hack/run-simulation --long $(SIMULATION)

integration: all ## tests against a real control plane (tests/integration/*.sh)
	@hack/run-integration $(call pick,$(sort $(wildcard tests/integration/*.sh)))

test: ## everything CI runs: deps, lint, unit, fuzz, integration; ends in "N passed, M failed"
	+@hack/run-test $(MAKE)

demo: ## 100 nodes, 500 pods, both schedulers, on this machine
	@hack/demo.sh

# Some 8 minutes for a million.
ARRIVALS   ?= 1000000
simulate-gangs: all ## ARRIVALS (1000000) gangs come to a virtual cluster where all fails; ends at a partial one
	@build/steelyard simulate --gang-arrivals $(ARRIVALS)

bench: all build/bench $(BENCH_BINS) ## benchmarks (BENCH_FLAGS: see tests/bench/README.md; T=name picks C ones alone)
	@hack/run-bench $(BENCH_BINS)
	$(if $(T),,build/bench $(BENCH_FLAGS))

# Cases come from tests/oracle (Go), or from a file made by it.
CASES      ?=
oracle: build/$(CFG)/oracle-check ## compare with kube-scheduler's answers (CASES=FILE.jsonl[.gz|.xz], ORACLE_FLAGS)
	@test -n '$(CASES)' || { echo 'usage: make oracle CASES=FILE.jsonl[.gz|.xz]' >&2; exit 2; }
	@build/$(CFG)/oracle-check $(ORACLE_FLAGS) '$(CASES)'

build/bench: FORCE
	@mkdir -p build
	cd tests/bench && GOWORK=off go build -buildvcs=false -o ../../$@ .

e2e-upstream: all ## Kubernetes' own scheduling specs, kube-scheduler as the control (E2E_FLAGS; builds for minutes)
	cd hack/e2e-upstream && GOWORK=off go run -buildvcs=false . $(E2E_FLAGS)

image: all ## an OCI image from nothing, with its bill of materials, in build/image
	@hack/image/build.sh $(PROGRAM) '$(VERSION)' build/image

man: all ## manual pages in build/man
	@hack/man $(PROGRAM) '$(VERSION)' build/man

SHARE = $(DESTDIR)$(PREFIX)/share
install: man ## install to $(DESTDIR)$(PREFIX): program, kubectl plugin, manual pages, completion
	install -D -m 0755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/steelyard
	ln -sf steelyard $(DESTDIR)$(PREFIX)/bin/kubectl-steelyard
	install -D -m 0644 -t $(SHARE)/man/man1 build/man/*.1
	install -d $(SHARE)/bash-completion/completions
	$(PROGRAM) completion bash >$(SHARE)/bash-completion/completions/steelyard

compile_commands.json: FORCE ## for clangd and other tools
	@{ sep='['; for f in $(C_SRCS); do \
		printf '%s{"directory":"%s","file":"%s","arguments":["$(CC)"' "$$sep" "$(CURDIR)" "$$f"; \
		printf ',"%s"' $(BASE) -c "$$f"; printf ']}\n'; sep=,; \
	done; echo ']'; } > $@

clean: ## remove build/
	rm -rf build compile_commands.json
