/* SPDX-License-Identifier: Apache-2.0 */
/* What an instruction does with memory, as objdump and gdb spell it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/access.h"

#define UNKNOWN WORKER_ACCESS_UNKNOWN
#define READ    WORKER_ACCESS_READ
#define WRITE   WORKER_ACCESS_WRITE
#define COPY    WORKER_ACCESS_COPY
#define BRANCH  WORKER_ACCESS_BRANCH
#define RETURN  WORKER_ACCESS_RETURN
#define STACK   WORKER_ACCESS_STACK
#define TRAP    WORKER_ACCESS_TRAP

typedef struct row_t {
    const char *text;
    worker_access_t access;
} row_t;

static void check(const char *arch, const row_t *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        worker_access_t access = worker_access(arch, rows[i].text).access;

        if (access != rows[i].access) {
            print_message("%s: '%s' is %d, not %d\n", arch, rows[i].text, (int)access,
                          (int)rows[i].access);
            fail();
        }
    }
}

#define CHECK(arch, rows) check(arch, rows, sizeof(rows) / sizeof((rows)[0]))

static void operands_decide_on_x86(void **state)
{
    static const row_t rows[] = {
        { "mov    (%rax),%eax", READ },
        { "mov    %eax,(%rdx)", WRITE },
        { "movl   $0x0,0x8(%rax,%rbx,4)", WRITE },
        { "mov    0x8(%rax,%rbx,4),%rcx", READ },
        { "mov    %al,-0x2b(%rip)        # 0x404010 <counter>", WRITE },
        { "mov    0x404010,%eax", READ },
        { "movabs %al,0x1122334455667788", WRITE },
        { "mov    %fs:0x28,%rax", READ },
        { "mov    %eax,%fs:0x28", WRITE },
        { "mov    %gs:(%eax),%eax", READ },
        { "add    (%rax),%eax", READ },
        { "addl   $0x1,(%rax)", WRITE },
        { "lock cmpxchg %rax,(%rbx)", WRITE },
        { "xchg   %rax,(%rbx)", WRITE },
        { "cmpl   $0x1,(%rax)", READ },
        { "cmp    %eax,(%rax)", READ },
        { "cmp    (%rax),%eax", READ },
        { "testb  $0x1,(%rax)", READ },
        { "btl    $0x1,(%rax)", READ },
        { "btsl   $0x1,(%rax)", WRITE },
        { "incl   (%rax)", WRITE },
        { "notq   0x8(%rax)", WRITE },
        { "shll   (%rax)", WRITE },
        { "sete   (%rax)", WRITE },
        { "pop    (%rax)", WRITE },
        { "fstpt  (%rax)", WRITE },
        { "fldt   (%rax)", READ },
        { "idivl  (%rax)", READ },
        { "push   (%rax)", READ },
        { "imul   $0x5,(%rax),%eax", READ },
        { "movzbl (%rax),%eax", READ },
        { "movsbl (%rax),%eax", READ },
        { "movslq (%rdi),%rax", READ },
        { "movsd  %xmm0,(%rdi)", WRITE },
        { "vpcmpeqb (%rdi),%ymm0,%ymm1", READ },
        { "vmovdqu8 (%rsi),%zmm1{%k1}{z}", READ },
        { "vmovdqu8 %zmm1,(%rsi){%k1}", WRITE },
        { "mov    %rax,%rbx", UNKNOWN },
        { "nop", UNKNOWN },
        { "leave", UNKNOWN },
    };

    (void)state;
    CHECK("x86_64", rows);
    CHECK("i386", rows);
}

static void names_decide_on_x86_where_operands_do_not(void **state)
{
    static const row_t rows[] = {
        { "ret", RETURN },
        { "ret    $0x8", RETURN },
        { "bnd ret", RETURN },
        { "call   *0x8(%rax)", BRANCH },
        { "notrack jmp *%rax", BRANCH },
        { "call   0x401136 <f>", STACK },
        { "push   %rbp", STACK },
        { "push   $0x5", STACK },
        { "pushf", STACK },
        { "rep movsq %ds:(%rsi),%es:(%rdi)", COPY },
        { "movsl  %ds:(%esi),%es:(%edi)", COPY },
        { "rep stos %al,%es:(%rdi)", WRITE },
        { "repz cmpsb %es:(%rdi),%ds:(%rsi)", READ },
        { "repnz scas %es:(%rdi),%al", READ },
        { "lods   %ds:(%rsi),%al", READ },
        { "ud2", TRAP },
        { "hlt", TRAP },
    };

    (void)state;
    CHECK("x86_64", rows);
}

static void names_decide_elsewhere(void **state)
{
    static const row_t arm64[] = {
        { "ldr\tw0, [x0]", READ },
        { "ldp\tx29, x30, [sp], #32", READ },
        { "str\twzr, [x0, #8]", WRITE },
        { "stp\tx29, x30, [sp, #-32]!", WRITE },
        { "ldxr\tw1, [x0]", READ },
        { "swpal\tw1, w0, [x2]", WRITE },
        { "br\tx16", BRANCH },
        { "blr\tx1", BRANCH },
        { "ret", RETURN },
        { "udf\t#0", TRAP },
        { "add\tx0, x0, #1", UNKNOWN },
    };
    static const row_t arm[] = {
        { "ldr\tr3, [r3]", READ },        { "str\tr3, [r2]", WRITE },
        { "push\t{r4, lr}", STACK },      { "vld1.32\t{d0}, [r0]", READ },
        { "vst1.32\t{d0}, [r0]", WRITE }, { "blx\tr3", BRANCH },
        { "add\tr0, r0, #1", UNKNOWN },
    };
    static const row_t power[] = {
        { "lwz     r9,0(r9)", READ },
        { "ld      r2,24(r1)", READ },
        { "stw     r10,0(r9)", WRITE },
        { "std     r0,16(r1)", WRITE },
        { "bctrl", BRANCH },
        { "blr", RETURN },
        { "li      r9,0", UNKNOWN },
        { "lis     r9,1", UNKNOWN },
        { "trap", TRAP },
        { "mr      r3,r4", UNKNOWN },
    };
    static const row_t s390[] = {
        { "l\t%r1,0(%r1)", READ },
        { "lg\t%r1,0(%r1)", READ },
        { "llgc\t%r1,0(%r1)", READ },
        { "lay\t%r1,8(%r1)", UNKNOWN },
        { "larl\t%r1,0x1000", UNKNOWN },
        { "st\t%r1,0(%r2)", WRITE },
        { "stmg\t%r6,%r15,48(%r15)", WRITE },
        { "mvi\t0(%r1),0", WRITE },
        { "mvhi\t0(%r1),0", WRITE },
        { "mvc\t0(8,%r1),0(%r2)", COPY },
        { "basr\t%r14,%r1", BRANCH },
        { "cli\t0(%r1),5", READ },
        { "ar\t%r1,%r2", UNKNOWN },
    };

    (void)state;
    CHECK("aarch64", arm64);
    CHECK("armhfp", arm);
    CHECK("ppc64le", power);
    CHECK("ppc64", power);
    CHECK("s390x", s390);
}

static void what_is_unknown_is_said_to_be(void **state)
{
    static const row_t rows[] = {
        { "mov    %eax,(%rdx)", UNKNOWN },
        { "ldr\tw0, [x0]", UNKNOWN },
    };
    static const row_t strange[] = {
        { "", UNKNOWN },
        { "\n", UNKNOWN },
        { "   ", UNKNOWN },
        { "(bad)", UNKNOWN },
        { "mov", UNKNOWN },
        { "lock", UNKNOWN },
        { "rep rep rep rep", UNKNOWN },
        { "call", STACK },
        { "mov ,,,,,,,,", UNKNOWN },
        { "mov    ))),(((", WRITE },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa %eax,%ebx", UNKNOWN },
    };

    (void)state;
    CHECK("unknown", rows);
    CHECK("riscv64", rows);
    CHECK("x86_64", strange);
}

/* What stands on the next line is of another instruction. */
static void one_line_is_looked_at(void **state)
{
    static const row_t rows[] = { { "nop\n   0x401003:\tmov    %eax,(%rdx)", UNKNOWN } };

    (void)state;
    CHECK("x86_64", rows);
}

static void some_need_an_aligned_address(void **state)
{
    (void)state;
    assert_true(worker_access("x86_64", "movaps %xmm0,0x10(%rsp)").is_aligned);
    assert_true(worker_access("x86_64", "vmovdqa64 (%rsi),%zmm0").is_aligned);
    assert_true(worker_access("i386", "fxsave (%eax)").is_aligned);
    assert_false(worker_access("x86_64", "movups %xmm0,0x10(%rsp)").is_aligned);
    assert_false(worker_access("aarch64", "str\twzr, [x0]").is_aligned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_decide_on_x86),
        cmocka_unit_test(names_decide_on_x86_where_operands_do_not),
        cmocka_unit_test(names_decide_elsewhere),
        cmocka_unit_test(what_is_unknown_is_said_to_be),
        cmocka_unit_test(one_line_is_looked_at),
        cmocka_unit_test(some_need_an_aligned_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
