/* SPDX-License-Identifier: Apache-2.0 */
/* See repodata.h. */
#include "lib/repodata.h"

#include <apr_strings.h>
#include <ctype.h>
#include <string.h>

#include "lib/xml.h"

bool retrace_repodata_is_href(const char *href)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.+~^:%/@,=()";
    const char *part;

    if (href[0] == '\0' || href[0] == '/' || strlen(href) > RETRACE_REPODATA_HREF_LENGTH
        || strspn(href, allowed) != strlen(href)) {
        return false;
    }
    for (part = href; part != NULL; part = strchr(part, '/')) {
        size_t length;

        part += part[0] == '/';
        length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.')
            || (length == 2 && part[0] == '.' && part[1] == '.')) {
            return false;
        }
    }
    /* Servers take %2e%2e for `..`, and would be asked for something else. */
    return strstr(href, "%2e") == NULL && strstr(href, "%2E") == NULL;
}

/* @return -1 for what is no size */
static int64_t parse_size(const char *text)
{
    size_t digits = text != NULL ? strspn(text, "0123456789") : 0;

    return digits > 0 && digits <= 15 && text[digits] == '\0' ? apr_atoi64(text) : -1;
}

/* --- repomd.xml ---------------------------------------------------------------------------- */

typedef struct finding_t {
    retrace_repodata_list_t list;
    const char *type;
    char checksum_type[16];
    bool is_inside; /* the element of the wanted list */
    bool is_found;
    apr_pool_t *pool;
} finding_t;

static void keep_word(char *word, size_t size, const char *text)
{
    (void)apr_cpystrn(word, text != NULL ? text : "", size);
}

static const char *start_in_repomd(void *baton, const char *name, const char *const *attributes)
{
    finding_t *finding = baton;
    const char *value;

    if (strcmp(name, "data") == 0) {
        value = retrace_xml_attribute(attributes, "type");
        finding->is_inside =
            !finding->is_found && value != NULL && strcmp(value, finding->type) == 0;
        finding->is_found = finding->is_found || finding->is_inside;
    }
    if (finding->is_inside && strcmp(name, "checksum") == 0) {
        keep_word(finding->checksum_type, sizeof(finding->checksum_type),
                  retrace_xml_attribute(attributes, "type"));
    }
    if (finding->is_inside && strcmp(name, "location") == 0) {
        value = retrace_xml_attribute(attributes, "href");
        if (value == NULL || !retrace_repodata_is_href(value)) {
            return "a list is at no place below the repository";
        }
        finding->list.href = apr_pstrdup(finding->pool, value);
    }
    return NULL;
}

static const char *end_in_repomd(void *baton, const char *name, const char *text)
{
    finding_t *finding = baton;

    if (!finding->is_inside) {
        return NULL;
    }
    if (strcmp(name, "checksum") == 0) {
        (void)retrace_checksum_parse(&finding->list.checksum, finding->checksum_type, text);
    }
    else if (strcmp(name, "size") == 0) {
        finding->list.size = parse_size(text);
    }
    else if (strcmp(name, "data") == 0) {
        finding->is_inside = false;
    }
    return NULL;
}

apr_status_t retrace_repodata_find(retrace_repodata_list_t *plist, const char *text, size_t length,
                                   const char *type, retrace_error_t *err, apr_pool_t *p)
{
    finding_t finding = { .list = { .size = -1 }, .type = type, .pool = p };
    const retrace_xml_handler_t handler = { start_in_repomd, end_in_repomd, &finding };
    apr_status_t rv = retrace_xml_read(&handler, text, length, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!finding.is_found) {
        return retrace_fail(err, APR_NOTFOUND, "repomd.xml names no %s", type);
    }
    if (finding.list.href == NULL || finding.list.checksum.type == NULL) {
        return retrace_fail(err, APR_EINVAL, "%s has no place or no checksum in repomd.xml", type);
    }
    *plist = finding.list;
    return APR_SUCCESS;
}

/* --- primary.xml --------------------------------------------------------------------------- */

typedef struct listing_t {
    void (*visit)(void *baton, const retrace_repodata_package_t *package);
    void *baton;
    int packages;
    bool is_inside;    /* an element `package` */
    bool is_in_format; /* its part `format` has elements of the same names */
    retrace_repodata_package_t package;
    char checksum_type[16];
    char name[RETRACE_REPODATA_WORD_LENGTH + 1];
    char arch[RETRACE_REPODATA_WORD_LENGTH + 1];
    char epoch[16];
    char version[RETRACE_REPODATA_WORD_LENGTH + 1];
    char release[RETRACE_REPODATA_WORD_LENGTH + 1];
    char href[RETRACE_REPODATA_HREF_LENGTH + 1];
} listing_t;

static const char *begin_package(listing_t *listing)
{
    if (++listing->packages > RETRACE_REPODATA_MAX_PACKAGES) {
        return "too many packages";
    }
    listing->is_inside = true;
    listing->is_in_format = false;
    listing->name[0] = listing->arch[0] = listing->version[0] = listing->release[0] = '\0';
    keep_word(listing->epoch, sizeof(listing->epoch), "0");
    listing->package = (retrace_repodata_package_t){ .name = listing->name,
                                                     .arch = listing->arch,
                                                     .epoch = listing->epoch,
                                                     .version = listing->version,
                                                     .release = listing->release,
                                                     .size = -1 };
    return NULL;
}

static void take_location(listing_t *listing, const char *const *attributes)
{
    const char *href = retrace_xml_attribute(attributes, "href");

    /* With another base it would be a place of another server. */
    if (href != NULL && retrace_repodata_is_href(href)
        && retrace_xml_attribute(attributes, "base") == NULL) {
        keep_word(listing->href, sizeof(listing->href), href);
        listing->package.href = listing->href;
    }
}

static void take_version(listing_t *listing, const char *const *attributes)
{
    const char *epoch = retrace_xml_attribute(attributes, "epoch");

    if (epoch != NULL && strspn(epoch, "0123456789") == strlen(epoch) && epoch[0] != '\0') {
        keep_word(listing->epoch, sizeof(listing->epoch), epoch);
    }
    keep_word(listing->version, sizeof(listing->version), retrace_xml_attribute(attributes, "ver"));
    keep_word(listing->release, sizeof(listing->release), retrace_xml_attribute(attributes, "rel"));
}

static const char *start_in_primary(void *baton, const char *name, const char *const *attributes)
{
    listing_t *listing = baton;

    if (strcmp(name, "package") == 0) {
        return begin_package(listing);
    }
    if (!listing->is_inside || listing->is_in_format) {
        return NULL;
    }
    if (strcmp(name, "format") == 0) {
        listing->is_in_format = true;
    }
    else if (strcmp(name, "version") == 0) {
        take_version(listing, attributes);
    }
    else if (strcmp(name, "checksum") == 0) {
        keep_word(listing->checksum_type, sizeof(listing->checksum_type),
                  retrace_xml_attribute(attributes, "type"));
    }
    else if (strcmp(name, "size") == 0) {
        listing->package.size = parse_size(retrace_xml_attribute(attributes, "package"));
    }
    else if (strcmp(name, "location") == 0) {
        take_location(listing, attributes);
    }
    return NULL;
}

static const char *end_in_primary(void *baton, const char *name, const char *text)
{
    listing_t *listing = baton;

    if (!listing->is_inside) {
        return NULL;
    }
    if (strcmp(name, "package") == 0) {
        listing->is_inside = false;
        listing->visit(listing->baton, &listing->package);
    }
    else if (strcmp(name, "format") == 0) {
        listing->is_in_format = false;
    }
    else if (listing->is_in_format) {
        return NULL;
    }
    else if (strcmp(name, "name") == 0) {
        keep_word(listing->name, sizeof(listing->name), text);
    }
    else if (strcmp(name, "arch") == 0) {
        keep_word(listing->arch, sizeof(listing->arch), text);
    }
    else if (strcmp(name, "checksum") == 0) {
        (void)retrace_checksum_parse(&listing->package.checksum, listing->checksum_type, text);
    }
    return NULL;
}

apr_status_t retrace_repodata_packages(int fd,
                                       void (*visit)(void *baton,
                                                     const retrace_repodata_package_t *package),
                                       void *baton, retrace_error_t *err)
{
    listing_t listing = { .visit = visit, .baton = baton };
    const retrace_xml_handler_t handler = { start_in_primary, end_in_primary, &listing };

    return retrace_xml_read_file(&handler, fd, RETRACE_REPODATA_MAX_BYTES, err);
}

/* --- filelists.xml ------------------------------------------------------------------------- */

typedef struct files_t {
    void (*visit)(void *baton, const char *digits, const char *path);
    void *baton;
    int packages;
    char digits[RETRACE_CHECKSUM_DIGITS + 1];
} files_t;

static const char *start_in_filelists(void *baton, const char *name, const char *const *attributes)
{
    files_t *files = baton;

    if (strcmp(name, "package") != 0) {
        return NULL;
    }
    keep_word(files->digits, sizeof(files->digits), retrace_xml_attribute(attributes, "pkgid"));
    return ++files->packages > RETRACE_REPODATA_MAX_PACKAGES ? "too many packages" : NULL;
}

static const char *end_in_filelists(void *baton, const char *name, const char *text)
{
    files_t *files = baton;

    if (strcmp(name, "file") == 0 && text[0] == '/') {
        files->visit(files->baton, files->digits, text);
    }
    return NULL;
}

apr_status_t
retrace_repodata_files(int fd, void (*visit)(void *baton, const char *digits, const char *path),
                       void *baton, retrace_error_t *err)
{
    files_t files = { .visit = visit, .baton = baton };
    const retrace_xml_handler_t handler = { start_in_filelists, end_in_filelists, &files };

    return retrace_xml_read_file(&handler, fd, RETRACE_REPODATA_MAX_BYTES, err);
}
