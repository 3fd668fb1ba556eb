/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of worker_elf_file_read: any bytes are either refused with a sentence or give a
 * result that keeps the promises of worker/elf_file.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_general.h>

#include "worker/elf_file.h"

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

static void check_name(const char *name)
{
    check_text(name, 4096);
    require(name == NULL
            || (name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, "..") != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    worker_elf_file_t *file = NULL;
    retrace_error_t err = { 0 };
    apr_pool_t *p = NULL;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    apr_initialize();
    apr_pool_create(&p, NULL);
    if (worker_elf_file_read(&file, fd, &err, p) == APR_SUCCESS) {
        require(file != NULL);
        check_name(file->soname);
        check_name(file->debuglink);
        check_text(file->build_id, 128);
        check_text(file->interpreter, 4096);
        check_text(file->altlink, 4096);
        check_text(file->altlink_build_id, 128);
    }
    else {
        require(file == NULL && err.text[0] != '\0');
    }
    apr_pool_destroy(p);
    apr_terminate();
    close(fd);
    return 0;
}
