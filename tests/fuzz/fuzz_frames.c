/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of worker_frames: any bytes are either refused with a sentence or give JSON that
 * others can read, and in which no string holds what worker/frames.h promises to escape. */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <jansson.h>

#include "worker/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void check_text(const char *text)
{
    const unsigned char *at;

    for (at = (const unsigned char *)text; *at != '\0'; at++) {
        require((*at >= 0x20 || *at == '\n' || *at == '\t') && *at != 0x7f);
        require(at[0] != 0xc2 || at[1] >= 0xa0);
    }
}

static void check(const json_t *value)
{
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_string(value)) {
        require(strlen(json_string_value(value)) == json_string_length(value));
        check_text(json_string_value(value));
    }
    for (i = 0; i < json_array_size(value); i++) {
        check(json_array_get(value, i));
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, inner)
    {
        check_text(key);
        check(inner);
    }
}

static void add_module(worker_core_t *core, const char *path, uint64_t start)
{
    worker_module_t *module = apr_array_push(core->modules);

    memset(module, 0, sizeof(*module));
    module->path = path;
    module->start = start;
    module->end = start + 0x10000;
    module->build_id = "00";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    worker_core_t core = { .signal = 11, .arch = "x86_64" };
    retrace_error_t err = { 0 };
    const char *text = NULL;
    apr_pool_t *p = NULL;

    apr_initialize();
    apr_pool_create(&p, NULL);
    core.modules = apr_array_make(p, 2, sizeof(worker_module_t));
    add_module(&core, "/usr/bin/app", 0x400000);
    add_module(&core, "/x\x1b\xff", 0x7f0000000000);
    if (worker_frames(&text, apr_pstrmemdup(p, (const char *)data, size), &core,
                      retrace_facts_make(p), &err, p)
        == APR_SUCCESS) {
        json_t *whole = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

        require(json_is_object(whole) && text[strlen(text) - 1] == '\n');
        check(whole);
        json_decref(whole);
    }
    else {
        require(text == NULL && err.text[0] != '\0');
    }
    apr_pool_destroy(p);
    apr_terminate();
    return 0;
}
