/* SPDX-License-Identifier: Apache-2.0 */
/* The backtrace in parts as gdb may print it once a core has taken it over: what is well-formed is
 * completed, anything else is refused as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <jansson.h>

#include "tests/unit/workspace.h"
#include "worker/frames.h"

#define BUILD_ID "0123456789abcdef0123456789abcdef01234567"

#define BARE_FRAME(level, pc, type, inlined, args, locals, more)                                   \
    "{\"level\":" level ",\"pc\":\"" pc "\",\"type\":\"" type "\",\"inlined\":" inlined            \
    ",\"args\":" args ",\"locals\":" locals more "}"
#define FRAME(more)          BARE_FRAME("0", "0x401000", "normal", "false", "[]", "[]", more)
#define THREAD(frames, more) "{\"id\":1,\"lwp\":7,\"crashed\":true,\"frames\":[" frames "]" more "}"
#define CRASH(threads, more) "{\"version\":1,\"crash_thread\":1,\"threads\":[" threads "]" more "}"
#define WITH_FRAME(frame)    CRASH(THREAD(frame, ""), "")
#define WITH(more)           WITH_FRAME(FRAME(more))

typedef struct scene_t {
    worker_core_t core;
    retrace_facts_t *facts;
    retrace_error_t *err;
    apr_pool_t *pool;
} scene_t;

static scene_t *make_scene(void **state)
{
    static const worker_module_t modules[] = {
        { .path = "/usr/bin/app", .start = 0x400000, .end = 0x402000, .build_id = BUILD_ID },
        { .path = "/usr/lib/x\n\xff.so", .start = 0x402000, .end = 0x403000 },
    };
    workspace_t *ws = *state;
    scene_t *scene = apr_pcalloc(ws->pool, sizeof(*scene));
    size_t i;

    scene->pool = ws->pool;
    scene->err = &ws->err;
    scene->core.arch = "x86_64";
    scene->core.signal = 11;
    scene->core.modules = apr_array_make(ws->pool, 2, sizeof(worker_module_t));
    for (i = 0; i < 2; i++) {
        APR_ARRAY_PUSH(scene->core.modules, worker_module_t) = modules[i];
    }
    scene->facts = retrace_facts_make(ws->pool);
    return scene;
}

static const char *take(const scene_t *scene, const char *json)
{
    const char *text = NULL;

    if (worker_frames(&text, json, &scene->core, scene->facts, scene->err, scene->pool)
        != APR_SUCCESS) {
        print_message("refused, %s: %.200s\n", scene->err->text, json);
        fail();
    }
    assert_int_equal(text[strlen(text) - 1], '\n');
    return text;
}

static void expect(const scene_t *scene, const char *json, const char *words)
{
    const char *text = take(scene, json);

    if (strstr(text, words) == NULL) {
        print_message("'%s' is not in: %s\n", words, text);
        fail();
    }
}

static void refuse(const scene_t *scene, const char *json, const char *words)
{
    const char *text = "untouched";

    scene->err->text[0] = '\0';
    if (worker_frames(&text, json, &scene->core, scene->facts, scene->err, scene->pool)
        != APR_EINVAL) {
        print_message("not refused: %.200s\n", json);
        fail();
    }
    assert_string_equal(text, "untouched");
    if (strstr(scene->err->text, words) == NULL) {
        print_message("'%s' is not in: %s\n", words, scene->err->text);
        fail();
    }
}

/* So many of them, with commas between. */
static const char *repeat(const char *part, int count, apr_pool_t *p)
{
    size_t length = strlen(part);
    char *text = apr_palloc(p, (length + 1) * (size_t)count + 1);
    char *at = text;
    int i;

    for (i = 0; i < count; i++) {
        memcpy(at, part, length);
        at[length] = ',';
        at += length + 1;
    }
    at[count > 0 ? -1 : 0] = '\0';
    return text;
}

/* With the text instead of "%s". */
static const char *fill(const char *form, const char *text, apr_pool_t *p)
{
    const char *gap = strstr(form, "%s");

    return apr_pstrcat(p, apr_pstrndup(p, form, (apr_size_t)(gap - form)), text, gap + 2, NULL);
}

/* --- What is taken ------------------------------------------------------------------------- */

static void all_keys_are_taken(void **state)
{
    static const char json[] = CRASH(
        THREAD(BARE_FRAME(
                   "0", "0x401000", "inline",
                   "true,\"function\":\"f\",\"file\":\"x.c\",\"line\":12",
                   "[{\"name\":\"a\",\"value\":\"1\"}]",
                   "[{\"name\":\"b\",\"value\":\"2\",\"truncated\":true}],\"truncated\":true", ""),
               ",\"name\":\"main\",\"error\":\"no more\",\"truncated\":true"),
        ",\"truncated\":true");
    json_t *given = json_loads(json, 0, NULL);
    json_t *taken = json_loads(take(make_scene(state), json), 0, NULL);
    json_t *frame = json_array_get(
        json_object_get(json_array_get(json_object_get(taken, "threads"), 0), "frames"), 0);

    assert_non_null(given);
    assert_int_equal(json_object_del(frame, "module"), 0);
    assert_int_equal(json_object_del(frame, "build_id"), 0);
    assert_int_equal(json_object_del(taken, "signal"), 0);
    assert_int_equal(json_object_del(taken, "signal_name"), 0);
    assert_int_equal(json_object_del(taken, "arch"), 0);
    assert_int_equal(json_object_del(taken, "missing"), 0);
    assert_true(json_equal(given, taken));
    json_decref(given);
    json_decref(taken);
}

static void a_crash_without_threads_is_one(void **state)
{
    expect(make_scene(state), CRASH("", ""), "\"crash_thread\":1,\"threads\":[]}\n");
}

static void white_space_around_is_none_of_it(void **state)
{
    expect(make_scene(state), "\n " CRASH("", "") " \n", "\"threads\":[]}\n");
}

/* --- What the worker adds ------------------------------------------------------------------ */

static void the_core_tells_the_signal(void **state)
{
    scene_t *scene = make_scene(state);

    expect(scene, CRASH("", ""),
           "{\"version\":1,\"signal\":11,\"signal_name\":\"SIGSEGV\",\"arch\"");
    scene->core.has_siginfo = true;
    scene->core.signal_code = 1;
    scene->core.fault_address = 0xffffffffffffffff;
    expect(scene, CRASH("", ""), "\"fault_address\":\"0xffffffffffffffff\"");
    scene->core.signal_code = 0;
    scene->core.signal = 42;
    expect(scene, CRASH("", ""), "\"signal\":42,\"arch\":\"x86_64\"");
}

static void the_facts_tell_package_release_and_missing_files(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.program = &APR_ARRAY_IDX(scene->core.modules, 0, worker_module_t);
    scene->facts->package = "app";
    expect(scene, CRASH("", ""), "\"executable\":\"/usr/bin/app\",\"package\":\"app\",\"arch\"");
    scene->facts->version = "1:2-3.fc40";
    scene->facts->release = "fedora-40";
    APR_ARRAY_PUSH(scene->facts->missing, retrace_missing_t) =
        (retrace_missing_t){ "debuginfo", BUILD_ID, "/usr/bin/app" };
    expect(scene, CRASH("", ""),
           "\"package\":\"app-1:2-3.fc40\",\"release\":\"fedora-40\",\"arch\":\"x86_64\","
           "\"missing\":[{\"kind\":\"debuginfo\",\"build_id\":\"" BUILD_ID
           "\",\"path\":\"/usr/bin/app\"}]");
}

static void a_frame_gets_the_file_of_its_code(void **state)
{
    scene_t *scene = make_scene(state);

    expect(scene, WITH(""),
           "\"locals\":[],\"module\":\"/usr/bin/app\",\"build_id\":\"" BUILD_ID "\"}");
    assert_null(strstr(take(scene, CRASH("", "")), "module"));
}

static const char *frame_at(int level, const char *pc, apr_pool_t *p)
{
    return apr_psprintf(
        p, CRASH(THREAD(BARE_FRAME("%d", "%s", "normal", "false", "[]", "[]", ""), ""), ""), level,
        pc);
}

/* A call at the very end of a file returns to where the next one begins. */
static void a_callers_code_is_before_where_it_goes_on(void **state)
{
    scene_t *scene = make_scene(state);

    expect(scene, frame_at(1, "0x402000", scene->pool), "\"module\":\"/usr/bin/app\"");
    expect(scene, frame_at(0, "0x402000", scene->pool),
           "\"module\":\"/usr/lib/x\\\\n\\\\xff.so\"}");
    assert_null(strstr(take(scene, frame_at(1, "0x400000", scene->pool)), "module"));
    assert_null(strstr(take(scene, frame_at(0, "0x403000", scene->pool)), "module"));
    assert_null(strstr(take(scene, frame_at(1, "0x0", scene->pool)), "module"));
}

/* --- Strings ------------------------------------------------------------------------------- */

static void control_characters_are_escaped(void **state)
{
    scene_t *scene = make_scene(state);

    expect(scene, WITH(",\"function\":\"\\u001b[2J\\u0000\\r\\u007f\\u009b\\n\\t\""),
           "\"function\":\"\\\\x1b[2J\\\\x00\\\\x0d\\\\x7f\\\\xc2\\\\x9b\\n\\t\"");
    expect(scene, WITH(",\"file\":\"\\\"\\\\u001b</script>\\u20ac\""),
           "\"file\":\"\\\"\\\\u001b</script>\xe2\x82\xac\"");
}

static void a_string_that_is_no_utf8_is_refused(void **state)
{
    scene_t *scene = make_scene(state);

    refuse(scene, WITH(",\"function\":\"\xff\""), "no JSON");
    refuse(scene, WITH(",\"function\":\"\xc0\xaf\""), "no JSON");
    refuse(scene, WITH(",\"function\":\"\\ud800\""), "no JSON");
    refuse(scene, WITH(",\"function\":\"\x1b\""), "no JSON");
}

static void text_has_a_limit(void **state)
{
    scene_t *scene = make_scene(state);
    char *text = apr_pcalloc(scene->pool, 4 * WORKER_FRAMES_TEXT + 2);

    memset(text, 'x', 4 * WORKER_FRAMES_TEXT);
    (void)take(scene, fill(CRASH(THREAD("", ",\"name\":\"%s\""), ""), text, scene->pool));
    text[4 * WORKER_FRAMES_TEXT] = 'x';
    refuse(scene, fill(CRASH(THREAD("", ",\"name\":\"%s\""), ""), text, scene->pool),
           "key name has a bad value");
}

/* --- What is refused ----------------------------------------------------------------------- */

static void what_is_malformed_is_refused(void **state)
{
    static const struct {
        const char *json;
        const char *words;
    } rows[] = {
        { "", "no JSON" },
        { "\n", "no JSON" },
        { "{", "no JSON" },
        { "nothing", "no JSON" },
        { CRASH("", "") "x", "no JSON" },
        { CRASH("", "") CRASH("", ""), "no JSON" },
        { "[]", "no object" },
        { "{}", "lacks a key version" },
        { "{\"version\":1,\"threads\":[]}", "lacks a key crash_thread" },
        { "{\"version\":1,\"crash_thread\":1}", "lacks a key threads" },
        { CRASH("", ",\"more\":1"), "unknown key more" },
        { CRASH("", ",\"\\u001b[2J\":1"), "unknown key \\x1b[2J" },
        { CRASH("", ",\"signal\":9"), "unknown key signal" },
        { CRASH("", ",\"version\":1"), "duplicate" },
        { CRASH("", ",\"truncated\":1"), "key truncated has a bad value" },
        { CRASH("1", ""), "no object" },
        { CRASH("null", ""), "no object" },
        { CRASH("[]", ""), "no object" },
        { CRASH("{}", ""), "lacks a key id" },
        { CRASH(THREAD("", ",\"name\":1"), ""), "key name has a bad value" },
        { CRASH(THREAD("", ",\"name\":null"), ""), "key name has a bad value" },
        { CRASH(THREAD("", ",\"build_id\":\"\""), ""), "unknown key build_id" },
        { WITH_FRAME("{}"), "lacks a key level" },
        { WITH(",\"module\":\"/etc/passwd\""), "unknown key module" },
        { WITH(",\"line\":\"1\""), "key line has a bad value" },
        { WITH(",\"line\":1.0"), "key line has a bad value" },
        { WITH(",\"line\":1e3"), "key line has a bad value" },
        { WITH(",\"line\":true"), "key line has a bad value" },
        { WITH(",\"line\":NaN"), "no JSON" },
        { WITH_FRAME(BARE_FRAME("0", "0x1", "normal", "0", "[]", "[]", "")),
          "key inlined has a bad value" },
        { WITH_FRAME(BARE_FRAME("0", "0x1", "other", "true", "{}", "[]", "")),
          "key args has a bad value" },
        { WITH_FRAME(BARE_FRAME("0", "0x1", "normal", "true", "[{\"name\":\"a\"}]", "[]", "")),
          "lacks a key value" },
        { WITH_FRAME(
              BARE_FRAME("0", "0x1", "normal", "true", "[{\"name\":\"a\",\"value\":1}]", "[]", "")),
          "key value has a bad value" },
    };
    scene_t *scene = make_scene(state);
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        refuse(scene, rows[i].json, rows[i].words);
    }
}

static void an_address_is_hexadecimal(void **state)
{
    static const char *const good[] = { "0x0", "0xffffffffffffffff", "0x0000000000401000" };
    static const char *const bad[] = {
        "",     "0x",   "1",    "0xg", "0x00000000000401000", "0x1\\u0000x", "0X1",
        "-0x1", " 0x1", "0x1 ", "0xFF"
    };
    scene_t *scene = make_scene(state);
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        (void)take(scene, frame_at(0, good[i], scene->pool));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refuse(scene, frame_at(0, bad[i], scene->pool), "key pc has a bad value");
    }
}

static void a_type_is_one_of_a_few_words(void **state)
{
    static const char *const good[] = { "normal", "inline", "signal", "tailcall", "arch", "other" };
    static const char *const bad[] = { "", "Normal", "normal\\u0000", "sentinel", "normal " };
    static const char format[] =
        CRASH(THREAD(BARE_FRAME("0", "0x1", "%s", "false", "[]", "[]", ""), ""), "");
    scene_t *scene = make_scene(state);
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        (void)take(scene, fill(format, good[i], scene->pool));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refuse(scene, fill(format, bad[i], scene->pool), "key type has a bad value");
    }
}

static void numbers_have_a_range(void **state)
{
    static const struct {
        const char *format;
        const char *least;
        const char *greatest;
        const char *too_small;
        const char *too_great;
    } rows[] = {
        { "{\"version\":%s,\"crash_thread\":1,\"threads\":[]}", "1", "1", "0", "2" },
        { "{\"version\":1,\"crash_thread\":%s,\"threads\":[]}", "1", "2147483647", "0",
          "2147483648" },
        { CRASH("{\"id\":%s,\"lwp\":7,\"crashed\":true,\"frames\":[]}", ""), "1", "2147483647", "0",
          "2147483648" },
        { CRASH("{\"id\":1,\"lwp\":%s,\"crashed\":true,\"frames\":[]}", ""), "0", "2147483647",
          "-1", "2147483648" },
        { WITH(",\"line\":%s"), "1", "2147483647", "0", "2147483648" },
        { CRASH(THREAD(BARE_FRAME("%s", "0x1", "normal", "false", "[]", "[]", ""), ""), ""), "0",
          "1023", "-1", "1024" },
    };
    scene_t *scene = make_scene(state);
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)take(scene, fill(rows[i].format, rows[i].least, scene->pool));
        (void)take(scene, fill(rows[i].format, rows[i].greatest, scene->pool));
        refuse(scene, fill(rows[i].format, rows[i].too_small, scene->pool), "a bad value");
        refuse(scene, fill(rows[i].format, rows[i].too_great, scene->pool), "a bad value");
        refuse(scene, fill(rows[i].format, "99999999999999999999999999999999999", scene->pool),
               "no JSON");
    }
}

/* --- Limits -------------------------------------------------------------------------------- */

static void threads_frames_and_variables_are_limited(void **state)
{
    static const struct {
        const char *format;
        const char *part;
        int max;
        const char *key;
    } rows[] = {
        { CRASH("%s", ""), THREAD("", ""), WORKER_FRAMES_THREADS, "threads" },
        { CRASH(THREAD("%s", ""), ""), FRAME(""), WORKER_FRAMES_FRAMES, "frames" },
        { WITH_FRAME(BARE_FRAME("0", "0x1", "normal", "false", "[%s]", "[]", "")),
          "{\"name\":\"a\",\"value\":\"1\"}", WORKER_FRAMES_VARIABLES, "args" },
        { WITH_FRAME(BARE_FRAME("0", "0x1", "normal", "false", "[]", "[%s]", "")),
          "{\"name\":\"a\",\"value\":\"1\"}", WORKER_FRAMES_VARIABLES, "locals" },
    };
    scene_t *scene = make_scene(state);
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *most = repeat(rows[i].part, rows[i].max, scene->pool);
        const char *more = repeat(rows[i].part, rows[i].max + 1, scene->pool);

        (void)take(scene, fill(rows[i].format, most, scene->pool));
        refuse(scene, fill(rows[i].format, more, scene->pool),
               apr_pstrcat(scene->pool, "key ", rows[i].key, " has a bad value", NULL));
    }
}

static void input_is_limited(void **state)
{
    scene_t *scene = make_scene(state);
    size_t length = strlen(CRASH("", ""));
    char *json = apr_palloc(scene->pool, WORKER_FRAMES_INPUT + 2);

    memset(json, ' ', WORKER_FRAMES_INPUT + 1);
    memcpy(json, CRASH("", ""), length);
    json[WORKER_FRAMES_INPUT] = '\0';
    (void)take(scene, json);
    json[WORKER_FRAMES_INPUT] = ' ';
    json[WORKER_FRAMES_INPUT + 1] = '\0';
    refuse(scene, json, "longer than 2500000 bytes");
}

static void depth_is_limited(void **state)
{
    scene_t *scene = make_scene(state);
    char *deep = apr_pcalloc(scene->pool, 1000001);

    refuse(scene, "[[[[[[[]]]]]]]", "no object");
    refuse(scene, "[[[[[[[[]]]]]]]]", "too many levels");
    memset(deep, '[', 1000000);
    refuse(scene, deep, "too many levels");
    expect(scene, WITH(",\"function\":\"[[[[[[[[{{{{\\\"[[[[[[\""), "\"[[[[[[[[{{{{\\\"[[[[[[\"");
}

/* Each is small on the wire, and a hundred times as large in memory. */
static void parts_are_limited(void **state)
{
    scene_t *scene = make_scene(state);

    refuse(scene,
           apr_pstrcat(scene->pool, "[", repeat("{}", WORKER_FRAMES_ITEMS - 1, scene->pool), "]",
                       NULL),
           "no object");
    refuse(scene,
           apr_pstrcat(scene->pool, "[", repeat("{}", WORKER_FRAMES_ITEMS, scene->pool), "]", NULL),
           "too many parts");
}

/* A path of each frame's file is not in the input. */
static void output_is_limited(void **state)
{
    scene_t *scene = make_scene(state);
    const char *thread =
        fill(THREAD("%s", ""), repeat(FRAME(""), WORKER_FRAMES_FRAMES, scene->pool), scene->pool);
    char *path = apr_pcalloc(scene->pool, 4001);

    memset(path, 'x', 4000);
    APR_ARRAY_IDX(scene->core.modules, 0, worker_module_t).path = path;
    (void)take(scene, fill(CRASH("%s", ""), thread, scene->pool));
    refuse(scene, fill(CRASH("%s", ""), repeat(thread, 5, scene->pool), scene->pool),
           "longer than 16 MB");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_keys_are_taken),
        TEST(a_crash_without_threads_is_one),
        TEST(white_space_around_is_none_of_it),
        TEST(the_core_tells_the_signal),
        TEST(the_facts_tell_package_release_and_missing_files),
        TEST(a_frame_gets_the_file_of_its_code),
        TEST(a_callers_code_is_before_where_it_goes_on),
        TEST(control_characters_are_escaped),
        TEST(a_string_that_is_no_utf8_is_refused),
        TEST(text_has_a_limit),
        TEST(what_is_malformed_is_refused),
        TEST(an_address_is_hexadecimal),
        TEST(a_type_is_one_of_a_few_words),
        TEST(numbers_have_a_range),
        TEST(threads_frames_and_variables_are_limited),
        TEST(input_is_limited),
        TEST(depth_is_limited),
        TEST(parts_are_limited),
        TEST(output_is_limited),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
