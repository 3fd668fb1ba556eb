# mod_retrace: see README. `make help` lists the targets.

.DEFAULT_GOAL := all
SHELL   := /bin/sh
VERSION := 0.2.0

DISTRO ?= $(if $(wildcard /etc/debian_version),debian,fedora)
include rpm/distro/$(DISTRO).mk

# --- Where things go -----------------------------------------------------------------------------
DESTDIR    ?=
PREFIX     ?= /usr
SYSCONFDIR ?= /etc
LIBEXECDIR ?= $(PREFIX)/libexec/retrace
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share/retrace-server
SPOOLDIR   ?= /var/spool/retrace-server
CACHEDIR   ?= /var/cache/retrace-server/buildid
REPODIR    ?= /var/cache/retrace-server
CONFIG     ?= $(SYSCONFDIR)/retrace-server.conf
REPOCONFDIR ?= $(SYSCONFDIR)/retrace-server.repos.d
LOCATION   ?= /retrace
UNITDIR    ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
OWNER      ?= retrace

# --- How things are built ------------------------------------------------------------------------
SAN ?=
V   ?=
Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))
B   := build$(if $(SAN),/san)
CC  ?= gcc
PKG := pkg-config

comma  := ,
WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
          -Wwrite-strings $(if $(WERROR),-Werror)
OPT    := $(if $(SAN),-O1 -g -fsanitize=address$(comma)undefined -fno-omit-frame-pointer \
          -fno-sanitize-recover=undefined,-O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
APR_CFLAGS  := $(shell apr-1-config --cppflags --includes 2>/dev/null)
APR_LIBS    := $(shell apr-1-config --link-ld 2>/dev/null) $(shell apr-1-config --libs 2>/dev/null)
APU_LIBS    := $(shell apu-1-config --link-ld 2>/dev/null)
CPPFLAGS    += -I. -D_GNU_SOURCE -DRETRACE_VERSION='"$(VERSION)"' $(APR_CFLAGS)
ALL_CFLAGS   = -std=c11 $(WARN) $(OPT) -fPIC -fvisibility=hidden $(CFLAGS)
ALL_LDFLAGS  = $(if $(SAN),-fsanitize=address$(comma)undefined) -Wl,-z,relro,-z,now $(LDFLAGS)

LIB_SRC     := $(wildcard lib/*.c)
LIBC_ONLY   := lib/id.c lib/privileges.c helpers/task_key.c
WORKER_MAIN := worker/main.c worker/index_main.c worker/resolve_main.c worker/coredump2packages_main.c
WORKER_SRC  := $(filter-out $(WORKER_MAIN),$(wildcard worker/*.c worker/resolve/*.c worker/environment/*.c))
CACHE_SRC   := $(wildcard worker/cache/*.c)
INGEST_SRC  := $(filter-out worker/ingest/main.c,$(wildcard worker/ingest/*.c))
DISPATCH_SRC:= $(filter-out helpers/dispatch/main.c,$(wildcard helpers/dispatch/*.c))
TASK_SRC    := $(filter-out helpers/task/main.c,$(wildcard helpers/task/*.c))
REPOSYNC_SRC:= $(filter-out helpers/reposync/main.c,$(wildcard helpers/reposync/*.c))
MODULE_SRC  := $(wildcard mod_retrace/*.c)
UNIT_SRC    := $(wildcard tests/unit/test_*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))

LIB_LIBS    := -lcrypto $(APR_LIBS)
WORKER_LIBS := -lseccomp -ljansson
RESOLVE_LIBS := -larchive -lexpat -lrpm -lrpmio -lsqlite3 -lcurl
INGEST_LIBS := -larchive -llzma -lz -lzstd -llz4 -lseccomp
DISPATCH_LIBS := $(APU_LIBS) -ljansson
TASK_LIBS   := -lcurl -ljansson -larchive
REPOSYNC_LIBS := -lcurl -larchive -lexpat -lrpm -lrpmio
MODULE_LIBS := -ljansson

PROGRAMS := $(addprefix $(B)/, \
    retrace-helper \
    retrace-ingest \
    retrace-dispatch \
    retrace-server-worker \
    retrace-resolve \
    retrace-server-index \
    coredump2packages \
    retrace-server-cache \
    retrace-server-config \
    retrace-task-edit \
    retrace-server-task \
    retrace-server-reposync)

.PHONY: all lib module helpers worker help
all: $(B)/mod_retrace.so $(PROGRAMS) ## build everything

lib: $(B)/libretrace.a
module: $(B)/mod_retrace.so
helpers: $(B)/retrace-helper $(B)/retrace-dispatch $(B)/retrace-server-config $(B)/retrace-server-task \
         $(B)/retrace-server-reposync
worker: $(B)/retrace-server-worker $(B)/retrace-resolve $(B)/retrace-server-index $(B)/retrace-server-cache \
        $(B)/coredump2packages $(B)/retrace-ingest

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $($(subst /,_,$(firstword $(subst /, ,$*)))_CFLAGS) -MMD -MP -c -o $@ $<

mod_retrace_CFLAGS = $(shell $(APXS) -q EXTRA_CPPFLAGS) -isystem $(shell $(APXS) -q INCLUDEDIR)
-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

$(B)/libretrace.a: $(call obj,$(LIB_SRC))
$(B)/libworker.a: $(call obj,$(WORKER_SRC))
$(B)/libingest.a: $(call obj,$(INGEST_SRC))
$(B)/libdispatch.a: $(call obj,$(DISPATCH_SRC))
$(B)/libtask.a: $(call obj,$(TASK_SRC))
$(B)/libreposync.a: $(call obj,$(REPOSYNC_SRC))
$(B)/%.a:
	@rm -f $@
	$(Q)ar rcs $@ $^

$(B)/worker/gdb_frames.o: worker/gdb_frames.py worker/gdb_python.py
$(B)/mod_retrace/pages.o: mod_retrace/www/style.css

# --- Programs ------------------------------------------------------------------------------------
POLICY_CONFIG   ?= $(CONFIG)
POLICY_CALLER   ?= $(HTTPD_USER)
POLICY_OWNER    ?= $(OWNER)
POLICY_GROUP    ?= $(OWNER)
POLICY_PROGRAMS ?= $(LIBEXECDIR)

PATH_DEFINES := -DRETRACE_CONFIG_PATH='"$(CONFIG)"'  -DRETRACE_SPOOLDIR='"$(SPOOLDIR)"' -DRETRACE_CACHEDIR='"$(CACHEDIR)"' \
                -DRETRACE_LIBEXECDIR='"$(LIBEXECDIR)"'
PATH_USERS   := $(addprefix $(B)/, \
    lib/config.o \
    worker/main.o \
    worker/index_main.o \
    worker/resolve_main.o \
    worker/coredump2packages_main.o \
    worker/cache/main.o \
    helpers/retrace-server-config.o \
    helpers/reposync/main.o \
    mod_retrace/directives.o)
$(PATH_USERS): CPPFLAGS += $(PATH_DEFINES)

# The setuid helper: libc only, and a policy that is fixed when it is linked.
HELPER_OBJ := $(B)/helpers/retrace-helper.o $(call obj,$(LIBC_ONLY))
policy_source = printf '\#include "helpers/helper_policy.h"\nconst helper_policy_t helper_policy = {\n "%s",\n "%s",\n "%s",\n "%s",\n "%s" };\n' \
    "$(POLICY_CONFIG)" "$(POLICY_CALLER)" "$(POLICY_OWNER)" "$(POLICY_GROUP)" "$(POLICY_PROGRAMS)"
# Rewritten when one of the values that are compiled in has changed.
VALUES := $(CONFIG) $(SPOOLDIR) $(CACHEDIR) $(LIBEXECDIR) $(POLICY_CONFIG) $(POLICY_CALLER) \
          $(POLICY_OWNER) $(POLICY_GROUP) $(POLICY_PROGRAMS)
.PHONY: force
$(B)/values: force
	@mkdir -p $(@D)
	@echo '$(VALUES)' | cmp -s - $@ || echo '$(VALUES)' > $@
$(PATH_USERS): $(B)/values

$(B)/helper_policy.c: $(B)/values
	$(Q)$(policy_source) > $@
$(B)/helper_policy.o: $(B)/helper_policy.c
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(B)/retrace-helper: $(HELPER_OBJ) $(B)/helper_policy.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^

$(B)/retrace-dispatch: $(B)/helpers/dispatch/main.o $(B)/libdispatch.a $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(DISPATCH_LIBS) $(LIB_LIBS)
$(B)/retrace-ingest: $(B)/worker/ingest/main.o $(B)/libingest.a $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(INGEST_LIBS) $(LIB_LIBS)
$(B)/retrace-server-worker: $(B)/worker/main.o $(B)/libworker.a $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(WORKER_LIBS) $(LIB_LIBS)
$(B)/retrace-resolve: $(B)/worker/resolve_main.o
$(B)/retrace-server-index: $(B)/worker/index_main.o
$(B)/coredump2packages: $(B)/worker/coredump2packages_main.o
$(B)/retrace-server-index $(B)/coredump2packages: RESOLVE_LIBS += -ljansson
$(B)/retrace-resolve $(B)/retrace-server-index $(B)/coredump2packages: $(B)/libworker.a $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) $(RESOLVE_LIBS) $(LIB_LIBS)
$(B)/retrace-server-cache: $(call obj,$(CACHE_SRC)) $(B)/libworker.a $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(WORKER_LIBS) $(LIB_LIBS)
$(B)/retrace-server-config: $(B)/helpers/retrace-server-config.o $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(LIB_LIBS)

$(B)/retrace-server-task: $(B)/helpers/task/main.o $(B)/libtask.a $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(TASK_LIBS) $(LIB_LIBS)

# The progress line, other programs and signals are as in the client.
$(B)/retrace-server-reposync: $(B)/helpers/reposync/main.o $(B)/libreposync.a $(B)/libtask.a $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(REPOSYNC_LIBS) $(LIB_LIBS)

$(B)/retrace-task-edit: $(B)/helpers/task_edit.o $(B)/helpers/task_key.o $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(LIB_LIBS)

# The module: its symbols are hidden but for the module record.
$(B)/mod_retrace.so: $(call obj,$(MODULE_SRC)) $(B)/libretrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -Wl,--exclude-libs,ALL -o $@ $^ $(MODULE_LIBS) $(LIB_LIBS)

# --- What other tools ask for ----------------------------------------------------------------------
.PHONY: print-values policy-helper
print-values:
	@$(foreach name,$(NAMES),echo '$(name)=$($(name))';)

# The helper with another policy: HELPER= the file, POLICY_*= what is compiled in. Under a second.
policy-helper: $(HELPER_OBJ)
	$(Q)policy=$$(mktemp --suffix=.c) && $(policy_source) > $$policy \
	    && $(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pie -o $(HELPER) $^ $$policy; \
	    code=$$?; rm -f $$policy; exit $$code
.PHONY: policy-source
policy-source:
	@$(policy_source)

# --- Tests -----------------------------------------------------------------------------------------
UNIT_SUPPORT := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
UNIT_BIN     := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC))
FUZZ_REPLAY  := $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/fuzz/%,$(FUZZ_SRC))
# Of the module: what needs nothing of httpd but its headers.
MODULE_PURE  := mod_retrace/limiter.c mod_retrace/query.c
TEST_LIBS    := $(B)/libmodule.a $(B)/libworker.a $(B)/libingest.a $(B)/libdispatch.a $(B)/libreposync.a \
                $(B)/libtask.a $(B)/libretrace.a
TEST_LDLIBS  := $(sort $(WORKER_LIBS) $(RESOLVE_LIBS) $(INGEST_LIBS) $(DISPATCH_LIBS) $(TASK_LIBS) \
                 $(REPOSYNC_LIBS)) $(LIB_LIBS)
E2E_TOOLS    := $(patsubst tests/e2e/%.c,$(B)/tests/%,$(wildcard tests/e2e/*.c))
PYTEST       := RETRACE_BUILD=$(B) /usr/bin/python3 -B -m pytest -q -p no:cacheprovider -rs

.SECONDARY: $(call obj,$(UNIT_SRC) $(UNIT_SUPPORT) $(FUZZ_SRC))
$(B)/libunit.a: $(call obj,$(UNIT_SUPPORT))
$(B)/libmodule.a: $(call obj,$(MODULE_PURE))
$(B)/tests/unit/test_query.o: ALL_CFLAGS += $(mod_retrace_CFLAGS)
$(B)/tests/unit/test_repo_unpack: ALL_LDFLAGS += -Wl,--wrap=worker_extract
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libunit.a $(TEST_LIBS)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LDLIBS) -lcmocka
$(B)/tests/fuzz/%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(TEST_LIBS)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LDLIBS)
$(E2E_TOOLS): $(B)/tests/%: $(B)/tests/e2e/%.o $(TEST_LIBS)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LDLIBS)

.PHONY: packages test check check-unit check-fuzz check-lint check-e2e check-root slow
packages: ## install what building and testing need
	@rpm/install-packages --all $(DISTRO)

# In one shell each, so that the packages are there before make looks for headers.
test: ## everything that CI runs: unit, lint, end-to-end and root tests
	@$(MAKE) --no-print-directory packages
	@$(MAKE) --no-print-directory WERROR=1 check
	@echo "Not run here: make slow (200 kills, fuzzing) and make bench (figures)."
	@echo "The next ones take about four minutes: real servers, real crashes, real gdb."
	@$(MAKE) --no-print-directory WERROR=1 check-e2e check-root

check: check-unit check-fuzz $(if $(SAN),,check-lint) ## unit tests, replay of fuzz seeds, lint: no root, no network

check-unit: $(UNIT_BIN)
	@tests/unit/run $(UNIT_BIN)

check-fuzz: $(FUZZ_REPLAY)
	@for target in $(FUZZ_REPLAY); do $$target tests/data/fuzz/$$(basename $$target) || exit 1; done

check-lint:
	@for script in tests/lint/*.sh; do B=$(B) sh $$script || exit 1; done

check-e2e: all $(E2E_TOOLS) ## end-to-end tests on a real httpd
	@$(PYTEST) tests/e2e

check-root: all $(E2E_TOOLS) ## tests with real users and the real setuid helper (as root)
	@$(PYTEST) tests/root

slow: all $(E2E_TOOLS) ## what takes long: 200 kills, fuzzing
	@RETRACE_SLOW=1 $(PYTEST) tests/e2e/test_500_kills.py
	@$(MAKE) --no-print-directory fuzz-all

.PHONY: fuzz fuzz-all
FUZZ_SECONDS ?= 600
fuzz: ## fuzz one target: make fuzz T=core
	@mkdir -p build/fuzz/corpus/$(T)
	$(Q)clang -g -O1 -fsanitize=fuzzer,address,undefined $(CPPFLAGS) -o build/fuzz/$(T) \
	    tests/fuzz/fuzz_$(T).c $(WORKER_SRC) $(INGEST_SRC) $(REPOSYNC_SRC) $(TASK_SRC) $(LIB_SRC) $(TEST_LDLIBS)
	build/fuzz/$(T) -max_total_time=$(FUZZ_SECONDS) -max_len=65536 build/fuzz/corpus/$(T) \
	    tests/data/fuzz/$(T)
fuzz-all:
	@for f in $(FUZZ_SRC); do \
	    $(MAKE) --no-print-directory fuzz T=$$(basename $$f .c | sed s/fuzz_//) || exit 1; done

# --- The main job, and a server to play with ---------------------------------------------------------
LISTEN ?= 127.0.0.1:8181
DIR    ?=
CONF   ?=
TLS    ?= 1

.PHONY: demo serve
demo: ## two real crashes, from upload to backtrace, on this machine
	@$(MAKE) --no-print-directory packages
	@$(MAKE) --no-print-directory all
	@RETRACE_BUILD=$(B) /usr/bin/python3 -B tests/serve/demo.py

serve: ## a private server until Ctrl-C: LISTEN=addr:port DIR=place CONF=options TLS=1|0
	@$(MAKE) --no-print-directory packages >&2
	@$(MAKE) --no-print-directory all >&2
	@RETRACE_BUILD=$(B) exec /usr/bin/python3 -B tests/serve/serve.py --listen '$(LISTEN)' \
	    $(if $(DIR),--dir '$(DIR)') $(if $(CONF),--conf '$(CONF)') --tls '$(TLS)'

# --- Installing --------------------------------------------------------------------------------------
INSTALL := install
MAN     := $(wildcard helpers/*/*.1 helpers/*.8 helpers/*/*.8 worker/*.1 worker/*.8 worker/*/*.8 mod_retrace/*.8 conf.d/*.5)
# LimitRequestBody of the shipped file: MaxPackedSize's default and 1 MB.
LIMIT   := 53477376

substitute = sed -e 's|@MODULES@|$(HTTPD_MODULES)|g' -e 's|@CONFIG@|$(CONFIG)|g' \
    -e 's|@LOCATION@|$(LOCATION)|g' -e 's|@LIMIT@|$(LIMIT)|g' -e 's|@OWNER@|$(OWNER)|g' \
    -e 's|@HTTPD_GROUP@|$(HTTPD_GROUP)|g' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' \
    -e 's|@SPOOLDIR@|$(SPOOLDIR)|g' -e 's|@CACHEDIR@|$(CACHEDIR)|g' -e 's|@REPODIR@|$(REPODIR)|g' \
    -e 's|^\#SaveDir = .*|\#SaveDir = $(SPOOLDIR)|' -e 's|^\#CacheDir = .*|\#CacheDir = $(CACHEDIR)|' \
    -e 's|^\#ProgramDir = .*|\#ProgramDir = $(LIBEXECDIR)|'

# An admin's file is never overwritten: ours goes beside it.
define install_config
	$(Q)$(INSTALL) -d $(DESTDIR)$(dir $(2))
	$(Q)$(substitute) $(1) > $(B)/$(notdir $(2))
	$(Q)if [ ! -e '$(DESTDIR)$(2)' ]; then new=; else new=.new; fi; \
	    if [ -n "$$new" ] && cmp -s $(B)/$(notdir $(2)) '$(DESTDIR)$(2)'; then \
	        rm -f '$(DESTDIR)$(2).new'; \
	    else \
	        echo "  $(2)$$new"; $(INSTALL) -m 0644 $(B)/$(notdir $(2)) "$(DESTDIR)$(2)$$new"; \
	    fi

endef
define install_ours
	$(Q)$(INSTALL) -d $(DESTDIR)$(dir $(2))
	$(Q)$(substitute) $(1) > $(B)/$(notdir $(2))
	$(Q)$(INSTALL) -m 0644 $(B)/$(notdir $(2)) '$(DESTDIR)$(2)'

endef

UNITS := $(addprefix retrace-dispatch.,service path timer) $(addprefix retrace-server-reposync.,service timer)
# What people type.
BIN_LINKS  := coredump2packages retrace-server-worker retrace-server-task
SBIN_LINKS := retrace-server-cache retrace-server-config retrace-server-index retrace-server-reposync
define install_link
	$(Q)ln -sfr $(DESTDIR)$(LIBEXECDIR)/$(2) $(DESTDIR)$(PREFIX)/$(1)/$(2)

endef

.PHONY: install
install: all ## put everything in its place below DESTDIR
	$(INSTALL) -d $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(HTTPD_MODULES) $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 \
	    $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(COMPLETIONDIR) $(DESTDIR)$(DATADIR)/gpg
	$(INSTALL) -m 0755 $(PROGRAMS) $(DESTDIR)$(LIBEXECDIR)
	$(INSTALL) -m 0644 $(B)/mod_retrace.so $(DESTDIR)$(HTTPD_MODULES)
	$(foreach program,$(BIN_LINKS),$(call install_link,bin,$(program)))
	$(foreach program,$(SBIN_LINKS),$(call install_link,sbin,$(program)))
	$(INSTALL) -m 0644 helpers/task/retrace-server-task.bash $(DESTDIR)$(COMPLETIONDIR)/retrace-server-task
	$(INSTALL) -m 0644 $(filter %.1,$(MAN)) $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 0644 $(filter %.5,$(MAN)) $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 0644 $(filter %.8,$(MAN)) $(DESTDIR)$(MANDIR)/man8
	$(call install_config,conf.d/retrace-server.conf,$(CONFIG))
	$(call install_config,conf.d/retrace.conf.in,$(HTTPD_CONFDIR)/retrace.conf)
	$(foreach unit,$(UNITS),$(call install_ours,rpm/$(unit).in,$(UNITDIR)/$(unit)))
	$(call install_ours,conf.d/fedora.repo.example,$(REPOCONFDIR)/fedora.repo.example)
	$(call install_ours,rpm/tmpfiles.conf.in,$(TMPFILESDIR)/retrace-server.conf)
	$(call install_ours,rpm/sysusers.conf.in,$(SYSUSERSDIR)/retrace-server.conf)
	$(INSTALL) -d $(DESTDIR)$(SPOOLDIR)/.incoming $(DESTDIR)$(CACHEDIR)
	@rpm/set-owners '$(DESTDIR)' $(OWNER) $(HTTPD_GROUP) $(LIBEXECDIR) $(SPOOLDIR) $(CACHEDIR)

# What is there for the admin to decide stays.
UNINSTALL = $(addprefix $(LIBEXECDIR)/,$(notdir $(PROGRAMS))) $(HTTPD_MODULES)/mod_retrace.so \
    $(addprefix $(PREFIX)/bin/,$(BIN_LINKS)) $(addprefix $(PREFIX)/sbin/,$(SBIN_LINKS)) \
    $(COMPLETIONDIR)/retrace-server-task \
    $(foreach page,$(MAN),$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page))) \
    $(addprefix $(UNITDIR)/,$(UNITS)) $(REPOCONFDIR)/fedora.repo.example \
    $(TMPFILESDIR)/retrace-server.conf $(SYSUSERSDIR)/retrace-server.conf

.PHONY: uninstall
uninstall: ## remove what install has put there, but not what is the admin's
	$(Q)rm -f $(addprefix $(DESTDIR),$(UNINSTALL))
	$(Q)rmdir $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(REPOCONFDIR) 2>/dev/null || true
	@echo "Left: $(CONFIG) $(HTTPD_CONFDIR)/retrace.conf (and *.new) $(SPOOLDIR) $(CACHEDIR), the user $(OWNER)."

# --- Upkeep ------------------------------------------------------------------------------------------
SOURCES := $(LIB_SRC) $(WORKER_SRC) $(WORKER_MAIN) $(CACHE_SRC) $(INGEST_SRC) worker/ingest/main.c $(DISPATCH_SRC) \
           helpers/dispatch/main.c $(TASK_SRC) helpers/task/main.c $(REPOSYNC_SRC) helpers/reposync/main.c \
           $(wildcard helpers/*.c) $(MODULE_SRC)
.PHONY: bench analyze format lint cov clean
bench: all $(B)/tests/index_probe ## figures with their goals, ten minutes: PART=uploads|requests|waiting|flatness|extract|index|mock
	@RETRACE_BUILD=$(B) /usr/bin/python3 -B tests/bench/bench.py $(PART)

lint: all check-lint ## layers, exports, sizes, names written twice
check-lint: all

analyze: ## gcc -fanalyzer, cppcheck and clang-tidy over our sources
	@for f in $(SOURCES); do $(CC) -fanalyzer $(CPPFLAGS) $(mod_retrace_CFLAGS) $(ALL_CFLAGS) -c \
	    -o /dev/null $$f || exit 1; done
	cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 -I. \
	    --suppress=missingIncludeSystem $(SOURCES)
	clang-tidy --quiet $(SOURCES) -- $(CPPFLAGS) $(mod_retrace_CFLAGS) -std=c11

format: ## lay out all C files by .clang-format
	clang-format -i $$(git ls-files '*.[ch]')

cov: ## line coverage of the unit tests, in cov/
	@$(MAKE) --no-print-directory B=cov CFLAGS=--coverage LDFLAGS=--coverage check-unit
	@cd cov && gcov -r -n $$(find . -name '*.gcda') 2>/dev/null | grep -A1 "^File '[a-z]" | \
	    grep -v '^--' | paste - -

.PHONY: dist rpm
DIST := mod_retrace-$(VERSION)
dist: ## the source archive, in build/
	@mkdir -p build
	git archive --prefix=$(DIST)/ -o build/$(DIST).tar.gz HEAD

rpm: dist ## source and binary RPM, in build/rpm; --nodeps so that it can be checked anywhere
	@mkdir -p build/rpm/SOURCES
	cp build/$(DIST).tar.gz build/rpm/SOURCES
	sed 's/@VERSION@/$(VERSION)/' rpm/mod_retrace.spec.in > build/rpm/mod_retrace.spec
	rpmbuild -ba --nodeps --define '_topdir $(CURDIR)/build/rpm' build/rpm/mod_retrace.spec

clean: ## remove what was built
	rm -rf build cov

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | sort | \
	    awk -F'\t' '{ printf "%-22s %s\n", $$1, $$2 }'
	@echo; echo "Variables: SAN=1 (ASan+UBSan), V=1 (show commands), WERROR=1, DISTRO=debian|fedora."
