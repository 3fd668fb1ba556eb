/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of worker_core_read: any bytes are either refused with a sentence or give a result
 * that keeps the promises of worker/core.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_general.h>

#include "worker/core.h"
#include "worker/elf_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void check_text(const char *text, size_t limit)
{
    require(text == NULL || strlen(text) <= limit);
}

static void check_module(const worker_module_t *module)
{
    require(module->start < module->end);
    require(module->path != NULL);
    check_text(module->path, WORKER_CORE_MAX_PATH);
    check_text(module->build_id, 2 * WORKER_BUILD_ID_MAX);
    require(module->build_id == NULL || module->is_elf);
    check_text(module->package_type, 256);
    check_text(module->package_name, 256);
    check_text(module->package_version, 256);
    check_text(module->package_arch, 256);
    check_text(module->package_os_cpe, 256);
}

static void check_core(const worker_core_t *core)
{
    uint64_t start = 0;
    int i;

    require(core->threads->nelts > 0);
    require((unsigned int)core->threads->nelts <= core->thread_count);
    require(core->threads->nelts <= WORKER_CORE_MAX_THREADS);
    require(core->modules->nelts <= WORKER_CORE_MAX_MODULES);
    check_text(core->command, 16);
    check_text(core->arguments, 80);
    check_text(core->arch, 16);
    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        require(module->start >= start);
        start = module->start;
        check_module(module);
    }
    if (core->program != NULL) {
        check_module(core->program);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    worker_core_t *core = NULL;
    retrace_error_t err = { 0 };
    apr_pool_t *p = NULL;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    apr_initialize();
    apr_pool_create(&p, NULL);
    if (worker_core_read(&core, fd, &err, p) == APR_SUCCESS) {
        require(core != NULL);
        check_core(core);
    }
    else {
        require(core == NULL && err.text[0] != '\0');
    }
    apr_pool_destroy(p);
    apr_terminate();
    close(fd);
    return 0;
}
