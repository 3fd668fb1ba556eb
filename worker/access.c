/* SPDX-License-Identifier: Apache-2.0 */
/* See access.h. Names are those of objdump and gdb; tables are searched from the top, and a name
 * that ends in '*' stands for all that begin like it. */
#include "worker/access.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 32
#define OPERANDS       4

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

typedef struct name_t {
    const char *name;
    worker_access_t access;
} name_t;

typedef struct arch_t {
    const char *name;
    const name_t *names;
    size_t count;
} arch_t;

/* --- Where the name decides ---------------------------------------------------------------- */

static const name_t arm64_names[] = {
    { "ret*", WORKER_ACCESS_RETURN }, { "br*", WORKER_ACCESS_BRANCH },
    { "blr*", WORKER_ACCESS_BRANCH }, { "udf", WORKER_ACCESS_TRAP },
    { "ld*", WORKER_ACCESS_READ },    { "st*", WORKER_ACCESS_WRITE },
    { "cas*", WORKER_ACCESS_WRITE },  { "swp*", WORKER_ACCESS_WRITE },
    { "dc", WORKER_ACCESS_WRITE },
};

static const name_t arm_names[] = {
    { "ldm*", WORKER_ACCESS_READ },   { "ldr*", WORKER_ACCESS_READ },
    { "ldc*", WORKER_ACCESS_READ },   { "vld*", WORKER_ACCESS_READ },
    { "pop*", WORKER_ACCESS_READ },   { "st*", WORKER_ACCESS_WRITE },
    { "vst*", WORKER_ACCESS_WRITE },  { "swp*", WORKER_ACCESS_WRITE },
    { "push*", WORKER_ACCESS_STACK }, { "bx*", WORKER_ACCESS_BRANCH },
    { "blx*", WORKER_ACCESS_BRANCH }, { "udf*", WORKER_ACCESS_TRAP },
};

static const name_t power_names[] = {
    { "blr*", WORKER_ACCESS_RETURN }, { "bctr*", WORKER_ACCESS_BRANCH },
    { "trap", WORKER_ACCESS_TRAP },   { "li*", WORKER_ACCESS_UNKNOWN },
    { "l*", WORKER_ACCESS_READ },     { "st*", WORKER_ACCESS_WRITE },
    { "dcbz*", WORKER_ACCESS_WRITE },
};

static const name_t s390_names[] = {
    { "la*", WORKER_ACCESS_UNKNOWN }, { "l*", WORKER_ACCESS_READ },
    { "ic*", WORKER_ACCESS_READ },    { "cl*", WORKER_ACCESS_READ },
    { "ch*", WORKER_ACCESS_READ },    { "cg", WORKER_ACCESS_READ },
    { "c", WORKER_ACCESS_READ },      { "st*", WORKER_ACCESS_WRITE },
    { "mvi*", WORKER_ACCESS_WRITE },  { "mvh*", WORKER_ACCESS_WRITE },
    { "mvgh*", WORKER_ACCESS_WRITE }, { "mv*", WORKER_ACCESS_COPY },
    { "xc", WORKER_ACCESS_COPY },     { "br", WORKER_ACCESS_BRANCH },
    { "bcr", WORKER_ACCESS_BRANCH },  { "basr", WORKER_ACCESS_BRANCH },
    { "vl*", WORKER_ACCESS_READ },    { "vst*", WORKER_ACCESS_WRITE },
};

static const arch_t arches[] = {
    { "aarch64", arm64_names, COUNT(arm64_names) }, { "armhfp", arm_names, COUNT(arm_names) },
    { "ppc64le", power_names, COUNT(power_names) }, { "ppc64", power_names, COUNT(power_names) },
    { "s390x", s390_names, COUNT(s390_names) },
};

/* --- x86: names that say more than their operands ------------------------------------------ */

static const name_t x86_names[] = {
    { "ret*", WORKER_ACCESS_RETURN },    { "iret*", WORKER_ACCESS_RETURN },
    { "lret*", WORKER_ACCESS_RETURN },   { "ud0*", WORKER_ACCESS_TRAP },
    { "ud1*", WORKER_ACCESS_TRAP },      { "ud2*", WORKER_ACCESS_TRAP },
    { "hlt", WORKER_ACCESS_TRAP },       { "int3", WORKER_ACCESS_TRAP },
    { "enter*", WORKER_ACCESS_STACK },   { "movs", WORKER_ACCESS_COPY },
    { "movsb", WORKER_ACCESS_COPY },     { "movsw", WORKER_ACCESS_COPY },
    { "movsl", WORKER_ACCESS_COPY },     { "movsq", WORKER_ACCESS_COPY },
    { "stos*", WORKER_ACCESS_WRITE },    { "lods*", WORKER_ACCESS_READ },
    { "scas*", WORKER_ACCESS_READ },     { "cmps*", WORKER_ACCESS_READ },
    { "cmpxchg*", WORKER_ACCESS_WRITE },
};

/* Their last operand is not written, though they have several. */
static const char *const x86_readers[] = { "cmp*", "test*", "bt", "btw", "btl", "btq", "bound*" };

/* Their only operand is. */
static const char *const x86_writers[] = {
    "inc*",    "dec*",   "neg*",   "not*",    "set*",  "shl*",  "shr*",  "sal*",  "sar*",
    "rol*",    "ror*",   "rcl*",   "rcr*",    "fst*",  "fnst*", "fist*", "fbstp", "pop*",
    "fxsave*", "fnsave", "xsave*", "stmxcsr", "sgdt*", "sidt*", "sldt*", "smsw*"
};

static const char *const x86_aligned[] = { "movaps",  "movapd",   "movdqa",   "movnt*",
                                           "vmovaps", "vmovapd",  "vmovdqa*", "vmovnt*",
                                           "fxsave*", "fxrstor*", "xsave*",   "xrstor*" };

static const char *const x86_prefixes[] = { "rep*", "lock", "bnd", "notrack", "data16", "addr32",
                                            "cs",   "ds",   "es",  "fs",      "gs",     "ss" };

static bool matches(const char *pattern, const char *name)
{
    size_t length = strlen(pattern);

    if (pattern[length - 1] == '*') {
        return strncmp(pattern, name, length - 1) == 0;
    }
    return strcmp(pattern, name) == 0;
}

static bool is_among(const char *const *patterns, size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (matches(patterns[i], name)) {
            return true;
        }
    }
    return false;
}

static worker_access_t find_name(const name_t *names, size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (matches(names[i].name, name)) {
            return names[i].access;
        }
    }
    return WORKER_ACCESS_UNKNOWN;
}

/* The next word. @return what follows it */
static const char *take_word(char word[NAME_MAX_BYTES], const char *text)
{
    size_t length;

    text += strspn(text, " \t");
    length = strcspn(text, " \t\n");
    word[0] = '\0';
    if (length < NAME_MAX_BYTES) {
        memcpy(word, text, length);
        word[length] = '\0';
    }
    text += length;
    return text + strspn(text, " \t");
}

/* --- x86: operands ------------------------------------------------------------------------- */

/* An operand as text, not copied. */
typedef struct operand_t {
    const char *text;
    size_t length;
} operand_t;

/* Commas within parentheses belong to an address; "<symbol>" and "# address" are remarks. */
static int split_operands(operand_t operands[OPERANDS], const char *text)
{
    int count = 0;
    int depth = 0;
    const char *start = text;
    const char *at;

    for (at = text;; at++) {
        bool ends = *at == '\0' || *at == '\n' || *at == ' ' || *at == '\t' || *at == '#';

        depth += (*at == '(') - (*at == ')');
        if (!ends && (*at != ',' || depth > 0)) {
            continue;
        }
        if (at > start && count < OPERANDS) {
            operands[count++] = (operand_t){ start, (size_t)(at - start) };
        }
        if (ends) {
            return count;
        }
        start = at + 1;
    }
}

/* 0x8(%rax), (%rax,%rbx,1), %fs:0x28, 0x404028: not $1, %eax, *%rax. */
static bool is_memory(const operand_t *operand)
{
    const char *text = operand->text;

    if (text[0] == '$') {
        return false;
    }
    return memchr(text, '(', operand->length) != NULL || memchr(text, ':', operand->length) != NULL
        || (text[0] != '%' && text[0] != '*');
}

static worker_access_t judge_branch(const operand_t *operands, int count)
{
    return count > 0 && operands[0].text[0] == '*' ? WORKER_ACCESS_BRANCH : WORKER_ACCESS_STACK;
}

static worker_access_t judge_operands(const char *name, const operand_t *operands, int count)
{
    bool is_written;

    if (count == 0) {
        return WORKER_ACCESS_UNKNOWN;
    }
    if (!is_memory(&operands[count - 1])) {
        int i;

        for (i = 0; i < count - 1; i++) {
            if (is_memory(&operands[i])) {
                return WORKER_ACCESS_READ;
            }
        }
        return WORKER_ACCESS_UNKNOWN;
    }
    is_written = count == 1 ? is_among(x86_writers, COUNT(x86_writers), name)
                            : !is_among(x86_readers, COUNT(x86_readers), name);
    return is_written ? WORKER_ACCESS_WRITE : WORKER_ACCESS_READ;
}

static worker_access_t judge_x86(const char *name, const char *rest)
{
    operand_t operands[OPERANDS];
    int count = split_operands(operands, rest);
    worker_access_t access = find_name(x86_names, COUNT(x86_names), name);

    /* movsl (%rdi),%eax widens a number: only between two memory operands is it the copy. */
    if (access == WORKER_ACCESS_COPY && (count < 2 || !is_memory(&operands[count - 1]))) {
        access = WORKER_ACCESS_UNKNOWN;
    }
    if (access != WORKER_ACCESS_UNKNOWN) {
        return access;
    }
    if (matches("call*", name) || matches("jmp*", name) || matches("lcall*", name)
        || matches("ljmp*", name)) {
        return judge_branch(operands, count);
    }
    if (matches("push*", name) && (count == 0 || !is_memory(&operands[0]))) {
        return WORKER_ACCESS_STACK;
    }
    return judge_operands(name, operands, count);
}

static worker_instruction_t look_at_x86(const char *text)
{
    char name[NAME_MAX_BYTES];
    const char *rest = take_word(name, text);

    while (is_among(x86_prefixes, COUNT(x86_prefixes), name)) {
        rest = take_word(name, rest);
    }
    return (worker_instruction_t){ judge_x86(name, rest),
                                   is_among(x86_aligned, COUNT(x86_aligned), name) };
}

worker_instruction_t worker_access(const char *arch, const char *text)
{
    worker_instruction_t instruction = { WORKER_ACCESS_UNKNOWN, false };
    char name[NAME_MAX_BYTES];
    size_t i;

    if (strcmp(arch, "x86_64") == 0 || strcmp(arch, "i386") == 0) {
        return look_at_x86(text);
    }
    (void)take_word(name, text);
    for (i = 0; i < COUNT(arches); i++) {
        if (strcmp(arches[i].name, arch) == 0) {
            instruction.access = find_name(arches[i].names, arches[i].count, name);
        }
    }
    return instruction;
}
