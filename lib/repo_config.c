/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_config.h. A line that begins with a blank goes on with the value of the line before. */
#include "lib/repo_config.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/fs.h"

#define BLANKS     " \t\r"
#define SEPARATORS " \t\r,"
#define MAIN       "main"

typedef enum kind_t { KIND_TEXT, KIND_FLAG, KIND_LIST } kind_t;

typedef struct setting_t {
    const char *name;
    kind_t kind;
    size_t offset;
} setting_t;

#define FIELD(name) offsetof(retrace_repo_section_t, name)

static const setting_t keys[] = {
    { "name", KIND_TEXT, FIELD(name) },
    { "enabled", KIND_FLAG, FIELD(is_enabled) },
    { "baseurl", KIND_LIST, FIELD(baseurls) },
    { "mirrorlist", KIND_TEXT, FIELD(mirrorlist) },
    { "metalink", KIND_TEXT, FIELD(metalink) },
    { "gpgcheck", KIND_FLAG, FIELD(gpgcheck) },
    { "gpgkey", KIND_LIST, FIELD(gpgkeys) },
    { "sslverify", KIND_FLAG, FIELD(sslverify) },
    { "sslcacert", KIND_TEXT, FIELD(sslcacert) },
    { "sslclientcert", KIND_TEXT, FIELD(sslclientcert) },
    { "sslclientkey", KIND_TEXT, FIELD(sslclientkey) },
    { "proxy", KIND_TEXT, FIELD(proxy) },
    { "proxy_username", KIND_TEXT, FIELD(proxy_username) },
    { "proxy_password", KIND_TEXT, FIELD(proxy_password) },
    { "username", KIND_TEXT, FIELD(username) },
    { "password", KIND_TEXT, FIELD(password) },
};

typedef struct parser_t {
    apr_array_header_t *sections;
    retrace_repo_section_t *section; /* NULL: before the first one */
    const setting_t *key;            /* of the line before; NULL: none that is known */
    bool may_go_on;                  /* the line before was a value, or went on with one */
    const char *name;
    int line;
    retrace_error_t *err;
    apr_pool_t *pool;
} parser_t;

static apr_status_t refuse(const parser_t *parser, const char *reason)
{
    return retrace_fail(parser->err, APR_EINVAL, "%s:%d: %s", parser->name, parser->line, reason);
}

/* --- Values -------------------------------------------------------------------------------- */

static bool parse_flag(bool *pflag, const char *text)
{
    static const struct {
        const char *text;
        bool flag;
    } words[] = { { "1", true },  { "yes", true }, { "true", true },   { "on", true },
                  { "0", false }, { "no", false }, { "false", false }, { "off", false } };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i].text) == 0) {
            *pflag = words[i].flag;
            return true;
        }
    }
    return false;
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static apr_status_t take_list(const parser_t *parser, apr_array_header_t *list, char *text)
{
    char *rest = text;
    char *value;

    while ((value = strsep(&rest, SEPARATORS)) != NULL) {
        if (value[0] == '\0') {
            continue;
        }
        if (strlen(value) > RETRACE_REPO_VALUE_BYTES) {
            return refuse(parser, "a value is too long");
        }
        if (list->nelts >= RETRACE_REPO_MAX_VALUES) {
            return refuse(parser, "too many values");
        }
        APR_ARRAY_PUSH(list, const char *) = value;
    }
    return APR_SUCCESS;
}

static apr_status_t take_text(const parser_t *parser, const char **pfield, const char *text)
{
    if (strlen(text) > RETRACE_REPO_VALUE_BYTES) {
        return refuse(parser, "the value is too long");
    }
    *pfield = text[0] != '\0' ? text : NULL;
    return APR_SUCCESS;
}

static apr_status_t take_value(const parser_t *parser, const setting_t *key, char *text)
{
    char *field = (char *)parser->section + key->offset;

    switch (key->kind) {
    case KIND_LIST:
        return take_list(parser, *(apr_array_header_t **)(void *)field, text);
    case KIND_TEXT:
        return take_text(parser, (const char **)(void *)field, text);
    default:
        return parse_flag((bool *)(void *)field, text)
            ? APR_SUCCESS
            : refuse(parser, apr_psprintf(parser->pool, "%s is neither 0 nor 1", key->name));
    }
}

/* --- Lines --------------------------------------------------------------------------------- */

static char *trim(char *text)
{
    char *end;

    text += strspn(text, BLANKS);
    end = text + strlen(text);
    while (end > text && strchr(BLANKS, end[-1]) != NULL) {
        *--end = '\0';
    }
    return text;
}

static bool is_id(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";

    return text[0] != '\0' && strlen(text) <= RETRACE_REPO_ID_LENGTH
        && strspn(text, allowed) == strlen(text);
}

static bool is_there(const parser_t *parser, const char *id)
{
    int i;

    for (i = 0; i < parser->sections->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(parser->sections, i, const retrace_repo_section_t *)->id, id)
            == 0) {
            return true;
        }
    }
    return false;
}

static retrace_repo_section_t *make_section(const char *id, apr_pool_t *p)
{
    retrace_repo_section_t *section = apr_pcalloc(p, sizeof(*section));

    section->id = id;
    section->name = "";
    section->is_enabled = true;
    section->gpgcheck = true;
    section->sslverify = true;
    section->baseurls = apr_array_make(p, 1, sizeof(const char *));
    section->gpgkeys = apr_array_make(p, 1, sizeof(const char *));
    return section;
}

static apr_status_t take_section(parser_t *parser, char *text)
{
    size_t length = strlen(text);

    if (text[length - 1] != ']') {
        return refuse(parser, "a section's name has no ]");
    }
    text[length - 1] = '\0';
    text++;
    if (!is_id(text)) {
        return refuse(parser, "a section's name has other characters than letters, digits, -_.:");
    }
    if (is_there(parser, text)) {
        return refuse(parser, "this section is there twice");
    }
    if (parser->sections->nelts >= RETRACE_REPO_MAX_SECTIONS) {
        return refuse(parser, "too many sections");
    }
    parser->may_go_on = false;
    parser->section = make_section(text, parser->pool);
    if (strcmp(text, MAIN) != 0) {
        APR_ARRAY_PUSH(parser->sections, const retrace_repo_section_t *) = parser->section;
    }
    return APR_SUCCESS;
}

static const setting_t *find_key(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcasecmp(name, keys[i].name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static apr_status_t take_pair(parser_t *parser, char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL) {
        return refuse(parser, "neither [section] nor key = value");
    }
    if (parser->section == NULL) {
        return refuse(parser, "a value before the first [section]");
    }
    *equals = '\0';
    parser->key = find_key(trim(text));
    parser->may_go_on = true;
    return parser->key != NULL ? take_value(parser, parser->key, trim(equals + 1)) : APR_SUCCESS;
}

static apr_status_t go_on(parser_t *parser, char *text)
{
    if (!parser->may_go_on) {
        return refuse(parser, "a line that begins with a blank, but no value before it");
    }
    if (parser->key == NULL) {
        return APR_SUCCESS;
    }
    return parser->key->kind == KIND_LIST
        ? take_value(parser, parser->key, text)
        : refuse(parser, apr_psprintf(parser->pool, "%s has one line", parser->key->name));
}

static apr_status_t take_line(parser_t *parser, char *line)
{
    bool is_indented = line[0] == ' ' || line[0] == '\t';
    char *text = trim(line);

    if (text[0] == '\0' || text[0] == '#' || text[0] == ';') {
        return APR_SUCCESS;
    }
    if (text[0] == '[' && !is_indented) {
        return take_section(parser, text);
    }
    return is_indented ? go_on(parser, text) : take_pair(parser, text);
}

apr_status_t retrace_repo_config_parse(apr_array_header_t **psections, const char *text,
                                       const char *name, retrace_error_t *err, apr_pool_t *p)
{
    parser_t parser = { .sections = apr_array_make(p, 4, sizeof(const retrace_repo_section_t *)),
                        .name = name,
                        .err = err,
                        .pool = p };
    char *rest = apr_pstrdup(p, text);
    char *line;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && (line = strsep(&rest, "\n")) != NULL) {
        parser.line++;
        rv = take_line(&parser, line);
    }
    if (rv == APR_SUCCESS) {
        *psections = parser.sections;
    }
    return rv;
}

apr_status_t retrace_repo_config_read(apr_array_header_t **psections, const char *directory,
                                      const char *release, retrace_error_t *err, apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, directory, "/", release, ".repo", NULL);
    const char *text = NULL;
    apr_size_t length = 0;
    apr_status_t rv;

    if (access(path, F_OK) != 0 && errno == ENOENT) {
        return retrace_fail(err, APR_ENOENT, "there is no %s", path);
    }
    rv = retrace_fs_read(&text, &length, AT_FDCWD, path, RETRACE_REPO_MAX_BYTES, err, p);
    if (rv == APR_SUCCESS && strlen(text) != length) {
        rv = retrace_fail(err, APR_EINVAL, "%s is no text", path);
    }
    return rv == APR_SUCCESS ? retrace_repo_config_parse(psections, text, path, err, p) : rv;
}

/* --- Variables ----------------------------------------------------------------------------- */

bool retrace_repo_variables(retrace_repo_variables_t *variables, const char *release, apr_pool_t *p)
{
    char *name = apr_pstrdup(p, release);
    char *arch = strrchr(name, '-');
    char *version;

    if (arch == NULL) {
        return false;
    }
    *arch++ = '\0';
    version = strrchr(name, '-');
    if (version == NULL || version == name || version[1] == '\0' || arch[0] == '\0') {
        return false;
    }
    variables->releasever = version + 1;
    variables->basearch = arch;
    return true;
}

/* @return what it stands for; NULL for another one */
static const char *value_of(const char *name, size_t length,
                            const retrace_repo_variables_t *variables)
{
    const struct {
        const char *name;
        const char *value;
    } known[] = { { "releasever", variables->releasever },
                  { "basearch", variables->basearch },
                  { "arch", variables->basearch } };
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) == length && strncmp(known[i].name, name, length) == 0) {
            return known[i].value;
        }
    }
    return NULL;
}

/* A password may have an @, too: the last one is in front of the host. */
const char *retrace_repo_show(const char *url, apr_pool_t *p)
{
    const char *slashes = strstr(url, "://");
    const char *host = slashes != NULL ? slashes + strlen("://") : url;
    const char *end = slashes != NULL ? host + strcspn(host, "/") : host + strlen(host);
    const char *at = end;

    while (at > host && at[-1] != '@') {
        at--;
    }
    return at == host ? url
                      : apr_pstrcat(p, apr_pstrmemdup(p, url, (size_t)(host - url)), at, NULL);
}

apr_status_t retrace_repo_substitute(const char **ptext, const char *text,
                                     const retrace_repo_variables_t *variables,
                                     retrace_error_t *err, apr_pool_t *p)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    const char *whole = text;
    const char *done = "";
    const char *dollar;

    for (dollar = strchr(text, '$'); dollar != NULL; dollar = strchr(text, '$')) {
        bool is_braced = dollar[1] == '{';
        const char *name = dollar + (is_braced ? 2 : 1);
        size_t length = strspn(name, letters);
        const char *value = value_of(name, length, variables);

        if (value == NULL || (is_braced && name[length] != '}')) {
            return retrace_fail(err, APR_EINVAL, "%s has a variable that is not known",
                                retrace_repo_show(whole, p));
        }
        done = apr_pstrcat(p, done, apr_pstrmemdup(p, text, (size_t)(dollar - text)), value, NULL);
        text = name + length + (is_braced ? 1 : 0);
    }
    *ptext = apr_pstrcat(p, done, text, NULL);
    return APR_SUCCESS;
}

static bool is_url(const char *text)
{
    static const char *const schemes[] = { "https://", "http://", "file:///" };
    size_t i;

    if (strlen(text) > RETRACE_REPO_VALUE_BYTES || !is_printable(text)
        || strchr(text, ' ') != NULL) {
        return false;
    }
    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i]);

        if (strncasecmp(text, schemes[i], length) == 0) {
            size_t host = strcspn(text + length, "/?#");

            return host > 0 && memchr(text + length, '@', host) == NULL;
        }
    }
    return false;
}

apr_status_t retrace_repo_url(const char **purl, const char *text,
                              const retrace_repo_variables_t *variables, retrace_error_t *err,
                              apr_pool_t *p)
{
    const char *url = NULL;
    size_t length;
    apr_status_t rv = retrace_repo_substitute(&url, text, variables, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!is_url(url)) {
        return retrace_fail(err, APR_EINVAL,
                            "%s is no URL of http, https or file without a user name",
                            retrace_repo_show(url, p));
    }
    length = strlen(url);
    while (url[length - 1] == '/') {
        length--;
    }
    *purl = apr_pstrmemdup(p, url, length);
    return APR_SUCCESS;
}
