/* SPDX-License-Identifier: Apache-2.0 */
/* The notes of a core dump: what the kernel writes into those that matter here. Layouts depend on
 * the class alone for every architecture in core.h; offsets are those of struct elf_prstatus and
 * elf_prpsinfo (linux/elfcore.h, compat_binfmt_elf.c) and of siginfo_t (asm-generic/siginfo.h). */
#include "worker/core_private.h"

#include <apr_strings.h>
#include <signal.h>
#include <string.h>

#define NT_FDO_PACKAGING    0xcafe1a7e
#define PACKAGE_MAX_VALUE   256 /* bytes of a name or a value; longer ones void the note */
#define PACKAGE_MAX_MEMBERS 32  /* more void the note */

#define COMMAND_SIZE   16 /* bytes of pr_fname */
#define ARGUMENTS_SIZE 80 /* bytes of pr_psargs */

/* --- Text --- */

/* Length of the UTF-8 character that begins here, 0 if none does or if it is a control character.
 * Overlong forms, surrogates and what lies beyond U+10FFFF are none (RFC 3629). */
static size_t measure_character(const unsigned char *bytes, size_t size)
{
    static const uint32_t lowest[] = { 0, 0, 0xa0, 0x800, 0x10000 };
    uint32_t code = bytes[0];
    size_t length = code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;
    size_t i;

    if (code < 0x80) {
        return code >= 0x20 && code != 0x7f;
    }
    if (code < 0xc2 || code > 0xf4 || length > size) {
        return 0;
    }
    code &= 0x7fU >> length;
    for (i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < lowest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    return length;
}

const char *worker_core_text(const unsigned char *bytes, size_t size, apr_pool_t *p)
{
    size_t length = strnlen((const char *)bytes, size);
    char *text = apr_pstrmemdup(p, (const char *)bytes, length);
    size_t i = 0;

    while (i < length) {
        size_t step = measure_character(bytes + i, length - i);

        if (step == 0) {
            text[i] = '?';
            step = 1;
        }
        i += step;
    }
    return text;
}

/* --- What the kernel writes --- */

static apr_status_t refuse_short(worker_core_reader_t *reader, const char *name, size_t size)
{
    return retrace_fail(reader->err, APR_EINVAL,
                        "note %s of the core dump is too short: %" APR_SIZE_T_FMT " bytes", name,
                        size);
}

static int read_int(const worker_core_reader_t *reader, const unsigned char *bytes)
{
    return (int)(int32_t)worker_elf_number(&reader->elf, bytes, 4);
}

/* Process and thread numbers are positive; 0 stands for one that is not. */
static int read_pid(const worker_core_reader_t *reader, const unsigned char *bytes)
{
    int pid = read_int(reader, bytes);

    return pid > 0 ? pid : 0;
}

/* One per thread; the kernel puts the crashed one first. */
static apr_status_t read_prstatus(worker_core_reader_t *reader, const worker_elf_note_t *note)
{
    worker_core_t *core = reader->core;
    size_t word = worker_elf_word(&reader->elf);
    size_t pid = 16 + 2 * word; /* behind pr_info, pr_cursig, pr_sigpend and pr_sighold */

    if (note->size < pid + 4) {
        return refuse_short(reader, "NT_PRSTATUS", note->size);
    }
    if (core->thread_count == 0) {
        core->signal = (int)worker_elf_number(&reader->elf, note->content + 12, 2);
    }
    core->thread_count++;
    if (core->threads->nelts < WORKER_CORE_MAX_THREADS) {
        APR_ARRAY_PUSH(core->threads, int) = read_pid(reader, note->content + pid);
    }
    return APR_SUCCESS;
}

/* 64-bit: pr_flag and 32-bit user ids. 32-bit: user ids of 16 bits (i386, arm: 124 bytes) or of
 * 32 bits (ppc: 128 bytes). */
static apr_status_t read_prpsinfo(worker_core_reader_t *reader, const worker_elf_note_t *note)
{
    worker_core_t *core = reader->core;
    size_t pid = reader->elf.is_64bit ? 24 : note->size >= 128 ? 16 : 12;
    size_t command = pid + 16;
    size_t arguments = command + COMMAND_SIZE;

    if (reader->has_process) {
        return APR_SUCCESS;
    }
    if (note->size < arguments + ARGUMENTS_SIZE) {
        return refuse_short(reader, "NT_PRPSINFO", note->size);
    }
    reader->has_process = true;
    core->pid = read_pid(reader, note->content + pid);
    core->command = worker_core_text(note->content + command, COMMAND_SIZE, reader->p);
    core->arguments = worker_core_text(note->content + arguments, ARGUMENTS_SIZE, reader->p);
    return APR_SUCCESS;
}

static bool has_fault_address(int number, int code)
{
    return code > 0
        && (number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE
            || number == SIGTRAP);
}

static bool is_sent_by_process(int code)
{
    return code == SI_USER || code == SI_TKILL || code == SI_QUEUE || code == SI_MESGQ;
}

/* si_signo, si_errno, si_code, then a union aligned to the address size. */
static apr_status_t read_siginfo(worker_core_reader_t *reader, const worker_elf_note_t *note)
{
    worker_core_t *core = reader->core;
    size_t word = worker_elf_word(&reader->elf);
    size_t detail = word == 8 ? 16 : 12;
    int number;

    /* gcore writes one for each thread, behind its NT_PRSTATUS: only the first thread's counts. */
    if (core->has_siginfo || core->thread_count > 1) {
        return APR_SUCCESS;
    }
    if (note->size < detail + 8) {
        return refuse_short(reader, "NT_SIGINFO", note->size);
    }
    number = read_int(reader, note->content);
    core->has_siginfo = true;
    core->signal_code = read_int(reader, note->content + 8);
    if (has_fault_address(number, core->signal_code)) {
        core->fault_address = worker_elf_number(&reader->elf, note->content + detail, word);
    }
    if (is_sent_by_process(core->signal_code)) {
        core->sender_pid = read_pid(reader, note->content + detail);
    }
    return APR_SUCCESS;
}

/* Pairs of type and value until AT_NULL or the end. */
static apr_status_t read_auxv(worker_core_reader_t *reader, const worker_elf_note_t *note)
{
    size_t word = worker_elf_word(&reader->elf);
    size_t at;

    for (at = 0; note->size - at >= 2 * word; at += 2 * word) {
        uint64_t type = worker_elf_number(&reader->elf, note->content + at, word);

        if (type == AT_NULL) {
            break;
        }
        if (type == AT_PHDR) {
            reader->program_headers =
                worker_elf_number(&reader->elf, note->content + at + word, word);
            break;
        }
    }
    return APR_SUCCESS;
}

/* Only remembered: it is read when all memory is known. */
static apr_status_t keep_files(worker_core_reader_t *reader, const worker_elf_note_t *note)
{
    if (reader->files.content == NULL) {
        reader->files = *note;
    }
    return APR_SUCCESS;
}

static const struct {
    unsigned int type;
    apr_status_t (*take)(worker_core_reader_t *reader, const worker_elf_note_t *note);
} note_readers[] = {
    { NT_PRSTATUS, read_prstatus }, { NT_PRPSINFO, read_prpsinfo }, { NT_SIGINFO, read_siginfo },
    { NT_AUXV, read_auxv },         { NT_FILE, keep_files },
};

static apr_status_t take_note(worker_core_reader_t *reader, const worker_elf_note_t *note)
{
    size_t i;

    for (i = 0; i < sizeof(note_readers) / sizeof(note_readers[0]); i++) {
        if (worker_elf_note_is(note, "CORE", note_readers[i].type)) {
            return note_readers[i].take(reader, note);
        }
    }
    return APR_SUCCESS;
}

apr_status_t worker_core_read_notes(worker_core_reader_t *reader, const unsigned char *bytes,
                                    size_t size, uint64_t align, bool is_cut)
{
    worker_elf_note_t note;
    size_t cursor = 0;

    for (;;) {
        size_t start = cursor;
        apr_status_t rv;

        switch (worker_elf_note_next(&note, &cursor, &reader->elf, bytes, size, align)) {
        case WORKER_ELF_END:
            return APR_SUCCESS;
        case WORKER_ELF_BROKEN:
            if (is_cut) {
                return APR_SUCCESS;
            }
            return retrace_fail(
                reader->err, APR_EINVAL,
                "the note at byte %" APR_SIZE_T_FMT " of a note segment reaches beyond it", start);
        case WORKER_ELF_NEXT:
            rv = take_note(reader, &note);
            if (rv != APR_SUCCESS) {
                return rv;
            }
            break;
        }
    }
}

/* --- The package note: one flat JSON object of strings --- */

typedef struct json_t {
    const unsigned char *at;
    const unsigned char *end;
} json_t;

static const struct {
    const char *key;
    size_t field;
} package_members[] = {
    { "type", offsetof(worker_module_t, package_type) },
    { "name", offsetof(worker_module_t, package_name) },
    { "version", offsetof(worker_module_t, package_version) },
    { "architecture", offsetof(worker_module_t, package_arch) },
    { "osCpe", offsetof(worker_module_t, package_os_cpe) },
};

static void skip_space(json_t *json)
{
    while (json->at < json->end && strchr(" \t\r\n", *json->at) != NULL) {
        json->at++;
    }
}

static bool skip_mark(json_t *json, unsigned char mark)
{
    skip_space(json);
    if (json->at == json->end || *json->at != mark) {
        return false;
    }
    json->at++;
    return true;
}

/* What follows a backslash. Only characters that names and versions consist of are decoded: any
 * other one becomes '?'. 0 if it is no escape. */
static unsigned char read_escape(json_t *json)
{
    unsigned char mark;
    int i;

    if (json->at == json->end) {
        return 0;
    }
    mark = *json->at++;
    if (mark == '"' || mark == '\\' || mark == '/') {
        return mark;
    }
    if (mark == 'u') {
        for (i = 0; i < 4; i++) {
            if (json->at == json->end || strchr("0123456789abcdefABCDEF", *json->at) == NULL) {
                return 0;
            }
            json->at++;
        }
        return '?';
    }
    return mark != '\0' && strchr("bfnrt", mark) != NULL ? '?' : 0;
}

/* Read a string of at most PACKAGE_MAX_VALUE bytes. */
static bool read_string(unsigned char text[PACKAGE_MAX_VALUE + 1], json_t *json)
{
    size_t length = 0;

    if (!skip_mark(json, '"')) {
        return false;
    }
    while (json->at < json->end) {
        unsigned char c = *json->at++;

        if (c == '"') {
            text[length] = '\0';
            return true;
        }
        if (c == '\\') {
            c = read_escape(json);
        }
        if (c < 0x20 || length == PACKAGE_MAX_VALUE) {
            return false;
        }
        text[length++] = c;
    }
    return false;
}

static void set_member(worker_module_t *module, const unsigned char *key,
                       const unsigned char *value, apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(package_members) / sizeof(package_members[0]); i++) {
        if (strcmp((const char *)key, package_members[i].key) == 0 && value[0] != '\0') {
            *(const char **)((char *)module + package_members[i].field) =
                worker_core_text(value, PACKAGE_MAX_VALUE, p);
        }
    }
}

static bool read_members(worker_module_t *module, json_t *json, apr_pool_t *p)
{
    unsigned char key[PACKAGE_MAX_VALUE + 1] = "";
    unsigned char value[PACKAGE_MAX_VALUE + 1] = "";
    int i;

    for (i = 0; i < PACKAGE_MAX_MEMBERS; i++) {
        if (!read_string(key, json) || !skip_mark(json, ':') || !read_string(value, json)) {
            return false;
        }
        set_member(module, key, value, p);
        if (skip_mark(json, '}')) {
            skip_space(json);
            return json->at == json->end;
        }
        if (!skip_mark(json, ',')) {
            return false;
        }
    }
    return false;
}

void worker_core_read_package(worker_module_t *module, const worker_elf_note_t *note, apr_pool_t *p)
{
    worker_module_t found = *module;
    json_t json;

    if (!worker_elf_note_is(note, "FDO", NT_FDO_PACKAGING)) {
        return;
    }
    json.at = note->content;
    json.end = note->content + strnlen((const char *)note->content, note->size);
    /* An ill-formed note is no hint at all, not half of one. */
    if (skip_mark(&json, '{') && read_members(&found, &json, p)) {
        *module = found;
    }
}
