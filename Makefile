# Leat. `make help` lists what there is.
#
# CC=clang builds with clang, SAN=address|undefined|thread with a sanitizer;
# each combination has a folder of its own, so that nothing is built twice.

VERSION := 0.1.0
CC      ?= cc
ifeq ($(origin CC),default)
CC      := gcc
endif
SAN     ?=

OUT     := build$(if $(filter-out gcc,$(notdir $(CC))),/$(notdir $(CC)))$(if $(SAN),/$(SAN))
OBJ     := $(OUT)/obj

# What a fresh machine lacks. An included file that make can make is made first, and the Makefile is
# then read anew: so a machine with git and make only has its compiler before anything below asks.
DEPS := build/deps
ifneq ($(filter-out clean help images test-system,$(or $(MAKECMDGOALS),all)),)
include $(DEPS)/build $(if $(filter clang%,$(notdir $(CC))),$(DEPS)/lint)
endif
$(DEPS)/%: scripts/install-deps
	@scripts/install-deps $*
	@mkdir -p $(@D)
	@touch $@

PACKAGES := libuv hiredis libmicrohttpd libcjson uuid nettle libcurl
FLAGS_DEPEND := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS_COMMON  := -luv -lhiredis -lcjson -luuid -lnettle -lm
LIBS_API     := -lmicrohttpd $(LIBS_COMMON)
LIBS_TASK    := -lcurl $(LIBS_COMMON)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wundef -Wvla -Wpointer-arith -Wwrite-strings -Werror
HARDEN   := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DLEAT_SANITIZED)
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DLEAT_VERSION='"$(VERSION)"' $(WARNINGS) $(HARDEN) $(SANITIZE) \
             $(FLAGS_DEPEND) $(CFLAGS) -MMD -MP
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)

COMMON_SRC := $(wildcard common/*.c)
API_SRC    := $(wildcard api/*.c)
WORKER_SRC := $(wildcard worker/*.c)
FSCK_SRC   := $(wildcard fsck/*.c)
TASK_SRC   := $(wildcard worker/tasks/*.c)
UNIT_SRC   := $(wildcard tests/unit/*.c)
STEPS_SRC  := $(wildcard tests/steps/*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC  := $(filter-out bench/session.c,$(wildcard bench/*.c))

objects = $(patsubst %.c,$(OBJ)/%.o,$(1))
COMMON_OBJ := $(call objects,$(COMMON_SRC)) $(OBJ)/common/lua.o
API_OBJ    := $(call objects,$(API_SRC)) $(OBJ)/api/openapi.o $(OBJ)/api/page_files.o
WORKER_OBJ := $(call objects,$(WORKER_SRC))
TASK_OBJ   := $(call objects,$(TASK_SRC))
FSCK_OBJ   := $(call objects,$(FSCK_SRC))

PROGRAMS := $(OUT)/leat-api $(OUT)/leat-worker $(OUT)/leat-task $(OUT)/leat-fsck
UNIT     := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(UNIT_SRC))
STEPS    := $(patsubst tests/steps/%.c,$(OUT)/steps/%,$(STEPS_SRC))
FUZZ     := $(patsubst tests/fuzz/%.c,$(OUT)/fuzz/%,$(FUZZ_SRC))
REPLAY   := $(patsubst tests/fuzz/%.c,$(OUT)/replay/%,$(FUZZ_SRC))
BENCH    := $(patsubst bench/%.c,$(OUT)/bench/%,$(BENCH_SRC))

# The parts as archives, so that a test links just what it names.
LIB_COMMON := $(OUT)/libcommon.a
LIB_API    := $(OUT)/libapi.a
LIB_WORKER := $(OUT)/libworker.a
LIB_TASK   := $(OUT)/libtask.a
LIB_FSCK   := $(OUT)/libfsck.a
LIB_LOAD   := $(OUT)/libload.a

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

## all: build the four programs into build/
.PHONY: all
all: $(PROGRAMS)

$(OUT)/leat-api: $(OBJ)/api/main.o $(LIB_API) $(LIB_COMMON)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_API)

$(OUT)/leat-worker: $(OBJ)/worker/main.o $(LIB_WORKER) $(LIB_COMMON)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_COMMON)

$(OUT)/leat-task: $(OBJ)/worker/tasks/main.o $(LIB_TASK) $(LIB_COMMON)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_TASK)

$(OUT)/leat-fsck: $(OBJ)/fsck/main.o $(LIB_FSCK) $(LIB_COMMON)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_COMMON)

$(LIB_COMMON): $(COMMON_OBJ)
$(LIB_API): $(filter-out %/main.o,$(API_OBJ))
$(LIB_WORKER): $(filter-out %/main.o,$(WORKER_OBJ))
$(LIB_TASK): $(filter-out %/main.o,$(TASK_OBJ))
$(LIB_FSCK): $(filter-out %/main.o,$(FSCK_OBJ))
$(LIB_LOAD): $(call objects,$(wildcard bench/load/*.c))
$(LIB_COMMON) $(LIB_API) $(LIB_WORKER) $(LIB_TASK) $(LIB_FSCK) $(LIB_LOAD):
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

# A test program: its own file, what tests/support offers, and the archives.
SUPPORT_OBJ := $(call objects,$(wildcard tests/support/*.c))
$(OUT)/unit/% $(OUT)/steps/%: LIBS_TEST = -lcmocka -lcurl $(LIBS_API)
$(OUT)/unit/%: $(OBJ)/tests/unit/%.o $(LIB_API) $(LIB_WORKER) $(LIB_TASK) $(LIB_FSCK) $(LIB_LOAD) $(LIB_COMMON)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_TEST)
$(OUT)/steps/%: $(OBJ)/tests/steps/%.o $(SUPPORT_OBJ) $(LIB_API) $(LIB_WORKER) $(LIB_TASK) $(LIB_FSCK) $(LIB_COMMON)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_TEST)
$(call objects,$(UNIT_SRC) $(STEPS_SRC)) $(SUPPORT_OBJ): | $(DEPS)/test

# A fuzz target: with libFuzzer's main, or with one that replays the files it is given.
$(OUT)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(LIB_API) $(LIB_WORKER) $(LIB_TASK) $(LIB_COMMON)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_API)
$(OUT)/replay/%: $(OBJ)/tests/fuzz/%.o $(OBJ)/tests/fuzz/replay_main.o $(LIB_API) $(LIB_WORKER) $(LIB_TASK) $(LIB_COMMON)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_API)

# A load of the bench.
$(OUT)/bench/%: $(OBJ)/bench/%.o $(OBJ)/bench/session.o $(LIB_LOAD) $(LIB_COMMON)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_COMMON)

$(OUT)/settings-markdown: $(OBJ)/scripts/settings-markdown.o $(LIB_COMMON)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_COMMON)

# The arrows between the folders: a file finds the headers of its own folder and of common, no others.
$(OBJ)/common/%.o: INCLUDES = -iquote common
$(OBJ)/api/%.o: INCLUDES = -iquote api -iquote common
$(OBJ)/worker/%.o: INCLUDES = -iquote worker -iquote common
$(OBJ)/fsck/%.o: INCLUDES = -iquote fsck -iquote common
$(OBJ)/worker/tasks/%.o: INCLUDES = -iquote worker/tasks -iquote common
$(OBJ)/scripts/%.o: INCLUDES = -iquote common
$(OBJ)/bench/%.o: INCLUDES = -iquote bench -iquote bench/load -iquote common
$(OBJ)/tests/%.o: INCLUDES = -iquote tests/support -iquote api -iquote worker -iquote worker/tasks -iquote fsck -iquote bench/load -iquote common

# Other flags, another version, or a source that is gone: what was built with the former is stale.
BUILT_WITH := $(OBJ)/built-with
.PHONY: FORCE
$(BUILT_WITH): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(COMMON_SRC) $(API_SRC) $(WORKER_SRC) $(TASK_SRC) $(FSCK_SRC) $(PAGE)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OBJ)/%.o: %.c $(BUILT_WITH)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(INCLUDES) -c -o $@ $<

# The Lua steps, embedded as C strings: one symbol a file.
LUA := $(wildcard common/lua/*.lua)
$(OBJ)/common/lua.c: $(LUA) scripts/embed-lua
	@mkdir -p $(@D)
	scripts/embed-lua $(LUA) >$@

$(OBJ)/common/lua.o: $(OBJ)/common/lua.c $(BUILT_WITH)
	$(CC) $(ALL_CFLAGS) -iquote common -c -o $@ $<

# What GET /openapi.json answers, likewise.
$(OBJ)/api/openapi.c: api/openapi.json scripts/embed-json
	@mkdir -p $(@D)
	scripts/embed-json about_openapi_text $< >$@

$(OBJ)/api/openapi.o: $(OBJ)/api/openapi.c $(BUILT_WITH)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# What GET / answers, and the files of the page.
PAGE := $(wildcard $(addprefix api/page/*.,html css js svg))
$(OBJ)/api/page_files.c: $(PAGE) scripts/embed-page $(BUILT_WITH)
	@mkdir -p $(@D)
	scripts/embed-page $(PAGE) >$@

$(OBJ)/api/page_files.o: $(OBJ)/api/page_files.c $(BUILT_WITH)
	$(CC) $(ALL_CFLAGS) -iquote api -iquote common -c -o $@ $<

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

## run: start it all on this machine, with a Redis of its own, and show one chat; Ctrl-C ends it
.PHONY: run
run: all | $(DEPS)/run
	@OUT=$(OUT) scripts/run

## test: unit tests, steps against Redis, examples, stories (TESTS="unit steps" for some, "faults" for
##       the stories in which things die; SAN=… for a sanitizer)
.PHONY: test
TESTS ?= unit steps examples stories
NODE_MODULES := $(patsubst %,tests/%/node_modules/.package-lock.json,story/browser story/openapi clients)
test: test-programs $(if $(filter stories,$(TESTS)),$(NODE_MODULES)) | $(DEPS)/test $(DEPS)/run
	@OUT=$(OUT) SAN=$(SAN) scripts/test $(TESTS)

.PHONY: test-programs
test-programs: all $(UNIT) $(STEPS)

# What the stories in a browser, those of the document, and those of other people's clients are written with.
tests/%/node_modules/.package-lock.json: tests/%/package-lock.json | $(DEPS)/browser
	@npm ci --silent --no-audit --no-fund --prefix $(<D)
	@touch $@

## faults: things die at random for FAULT_SECONDS (1800) while clients check what they see (LEAT_SEED=… again)
.PHONY: faults
FAULT_SECONDS ?= 1800
faults: all | $(DEPS)/test $(DEPS)/run
	@LEAT_BIN=$(OUT) tests/faults/chaos --self-test
	@LEAT_BIN=$(OUT) LEAT_TIME_FACTOR=$${LEAT_TIME_FACTOR:-$(if $(SAN),4,1)} \
		tests/faults/chaos --seconds $(FAULT_SECONDS)

## soak: many streams through a gateway of two loops, with random cuts, for SOAK_SECONDS (600): memory and
##       descriptors are flat (SOAK_STREAMS=500, LEAT_SEED=… again)
.PHONY: soak
SOAK_SECONDS ?= 600
SOAK_STREAMS ?= 500
soak: all | $(DEPS)/test $(DEPS)/run
	@LEAT_BIN=$(OUT) LEAT_TIME_FACTOR=$${LEAT_TIME_FACTOR:-$(if $(SAN),4,1)} \
		tests/faults/soak --seconds $(SOAK_SECONDS) --streams $(SOAK_STREAMS)

## test-system: the composed containers, from outside (needs Docker)
.PHONY: test-system
test-system:
	@tests/system/run

## fuzz: look for input that breaks a parser, FUZZ_SECONDS (30) for each
.PHONY: fuzz fuzz-programs
FUZZ_SECONDS ?= 30
FUZZ_WITH := CC=clang SAN=fuzzer,address,undefined
fuzz:
	@$(MAKE) $(FUZZ_WITH) fuzz-programs
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz build/clang/fuzzer,address,undefined/fuzz
fuzz-programs: $(FUZZ)

## fuzz-regress: every input that was ever of interest, once more
.PHONY: fuzz-regress replay-programs
fuzz-regress:
	@$(MAKE) SAN=address,undefined replay-programs
	@FUZZ_SECONDS=0 scripts/fuzz build/address,undefined/replay
replay-programs: $(REPLAY)

## bench: everything that is measured, within 12 minutes: bench-scale, and a shorter bench-queue
.PHONY: bench
bench: bench-scale
	@LEAT_BIN=$(OUT) bench/queue --rounds 3

## bench-scale: many streams on one gateway: bench/results/scale.md; each scenario alone: bench-first,
##       bench-closed, bench-paced, bench-idle, bench-fan, bench-cut, bench-flat (BENCH_OPTIONS="--window 2")
SCALE := $(patsubst %,bench-%,first closed paced idle fan cut flat)
.PHONY: bench-scale $(SCALE) bench-smoke
bench-scale $(SCALE): bench-%: all $(BENCH) | $(DEPS)/test $(DEPS)/run
	@LEAT_BIN=$(OUT) bench/scale $(BENCH_OPTIONS) $(filter-out scale,$*)

## bench-smoke: the same, tiny: does it still work?
bench-smoke: all $(BENCH) | $(DEPS)/test $(DEPS)/run
	@LEAT_BIN=$(OUT) bench/scale --smoke

## bench-tokens: what a model's token costs, in each dialect: bench/results/tokens.md (BENCH_OPTIONS="--rounds 1")
.PHONY: bench-tokens
bench-tokens: all $(BENCH) | $(DEPS)/test $(DEPS)/run
	@LEAT_BIN=$(OUT) bench/tokens $(BENCH_OPTIONS)

## bench-queue: the queue alone: bench/results/queue.md
.PHONY: bench-queue bench-peers
bench-queue: all $(BENCH) | $(DEPS)/test $(DEPS)/run
	@LEAT_BIN=$(OUT) bench/queue

## bench-peers: the same with another queue's figures from the same run (npm)
PEERS := bench/peers/node_modules/.package-lock.json
bench-peers: all $(BENCH) $(PEERS) | $(DEPS)/test $(DEPS)/run
	@LEAT_BIN=$(OUT) bench/queue --peers
$(PEERS): bench/peers/package-lock.json | $(DEPS)/peers
	@npm ci --silent --no-audit --no-fund --prefix $(<D)
	@touch $@

## lint: form, includes, scripts, and whether docs/ is up to date
.PHONY: lint
lint: $(OUT)/settings-markdown | $(DEPS)/lint
	@scripts/lint $<

## format: give all C its form
.PHONY: format
format: | $(DEPS)/lint
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

## docs: make docs/settings.md from the table of settings
.PHONY: docs
docs: $(OUT)/settings-markdown
	@mkdir -p docs
	$< >docs/settings.md

## pictures: make docs/page-*.png of the page, in a browser
.PHONY: pictures
pictures: all tests/story/browser/node_modules/.package-lock.json | $(DEPS)/run
	@OUT=$(OUT) scripts/pictures

## images: build the two container images
.PHONY: images
images:
	scripts/compose build

## clean: remove build/
.PHONY: clean
clean:
	rm -rf build

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' Makefile
