/* SPDX-License-Identifier: Apache-2.0 */
/* See repodata.h. */
#include "lib/repodata.h"

#include <apr_strings.h>
#include <string.h>

#include "lib/xml.h"

#define CHECKSUM_TYPE_BYTES 16
#define SIZE_DIGITS         15
#define WORD_BYTES          (RETRACE_REPODATA_WORD_LENGTH + 1)

static const retrace_xml_limits_t limits = { RETRACE_REPODATA_MAX_BYTES, RETRACE_REPODATA_MAX_MS };

/* @param part  what is behind a '/' or at the beginning */
static bool is_plain_part(const char *part)
{
    return part[0] != '/' && part[0] != '.' && part[0] != '\0';
}

bool retrace_repodata_is_href(const char *href)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.+~^:%/@,=()";
    const char *slash;

    if (!is_plain_part(href) || strlen(href) > RETRACE_REPODATA_HREF_LENGTH
        || href[strspn(href, allowed)] != '\0') {
        return false;
    }
    for (slash = strchr(href, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (!is_plain_part(slash + 1)) {
            return false;
        }
    }
    /* Servers take %2e%2e for `..`, and would be asked for something else. */
    return strstr(href, "%2e") == NULL && strstr(href, "%2E") == NULL;
}

/* @return -1 for what is no size */
static int64_t parse_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits <= SIZE_DIGITS && text[digits] == '\0' ? apr_atoi64(text) : -1;
}

/* --- repomd.xml ---------------------------------------------------------------------------- */

typedef struct finding_t {
    retrace_repodata_list_t list;
    const char *type;
    char checksum_type[CHECKSUM_TYPE_BYTES];
    bool is_inside; /* the element of the wanted list */
    bool is_found;
    apr_pool_t *pool;
} finding_t;

static apr_status_t start_in_repomd(void *baton, const char *prefixed,
                                    const char *const *attributes, retrace_error_t *err)
{
    finding_t *finding = baton;
    const char *name = retrace_xml_plain_name(prefixed);

    if (strcmp(name, "data") == 0) {
        finding->is_inside = !finding->is_found
            && strcmp(retrace_xml_attribute(attributes, "type"), finding->type) == 0;
        finding->is_found = finding->is_found || finding->is_inside;
    }
    if (finding->is_inside && strcmp(name, "checksum") == 0) {
        (void)retrace_xml_copy(finding->checksum_type, sizeof(finding->checksum_type),
                               retrace_xml_attribute(attributes, "type"));
    }
    if (finding->is_inside && strcmp(name, "location") == 0) {
        const char *href = retrace_xml_attribute(attributes, "href");

        if (!retrace_repodata_is_href(href)) {
            return retrace_fail(err, APR_EINVAL, "it names a file outside the repository");
        }
        finding->list.href = apr_pstrdup(finding->pool, href);
    }
    return APR_SUCCESS;
}

static apr_status_t end_in_repomd(void *baton, const char *prefixed, const char *text,
                                  retrace_error_t *err)
{
    finding_t *finding = baton;
    const char *name = retrace_xml_plain_name(prefixed);
    char word[RETRACE_CHECKSUM_DIGITS + 1];

    if (!finding->is_inside) {
        return APR_SUCCESS;
    }
    (void)retrace_xml_copy(word, sizeof(word), text);
    if (strcmp(name, "checksum") == 0
        && !retrace_checksum_parse(&finding->list.checksum, finding->checksum_type, word)) {
        return retrace_fail(err, APR_EINVAL, "it has a checksum of an unknown form");
    }
    if (strcmp(name, "size") == 0) {
        finding->list.size = parse_size(word);
    }
    if (strcmp(name, "data") == 0) {
        finding->is_inside = false;
    }
    return APR_SUCCESS;
}

apr_status_t retrace_repodata_find(retrace_repodata_list_t *plist, const char *text, size_t length,
                                   const char *type, retrace_error_t *err, apr_pool_t *p)
{
    finding_t finding = { .list = { .size = -1 }, .type = type, .pool = p };
    const retrace_xml_events_t events = { start_in_repomd, end_in_repomd, &finding };
    apr_status_t rv = retrace_xml_read_text(text, length, &events, err);

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
    const retrace_repodata_packages_t *to;
    int packages;
    bool is_inside;    /* an element `package` */
    bool is_in_format; /* its part `format` has elements of the same names */
    bool is_in_provides;
    retrace_repodata_package_t package;
    char checksum_type[CHECKSUM_TYPE_BYTES];
    char name[WORD_BYTES];
    char arch[WORD_BYTES];
    char epoch[WORD_BYTES];
    char version[WORD_BYTES];
    char release[WORD_BYTES];
    char source[WORD_BYTES];
    char href[RETRACE_REPODATA_HREF_LENGTH + 1];
} listing_t;

static apr_status_t count_package(int *pcount, retrace_error_t *err)
{
    return ++*pcount <= RETRACE_REPODATA_MAX_PACKAGES
        ? APR_SUCCESS
        : retrace_fail(err, APR_EINVAL, "it has more than %d packages",
                       RETRACE_REPODATA_MAX_PACKAGES);
}

static apr_status_t take_word(char word[WORD_BYTES], const char *text, retrace_error_t *err)
{
    return retrace_xml_copy(word, WORD_BYTES, text)
        ? APR_SUCCESS
        : retrace_fail(err, APR_EINVAL, "a name of more than %d bytes",
                       RETRACE_REPODATA_WORD_LENGTH);
}

static apr_status_t begin_package(listing_t *listing, retrace_error_t *err)
{
    listing->is_inside = true;
    listing->is_in_format = false;
    listing->is_in_provides = false;
    listing->name[0] = listing->arch[0] = listing->source[0] = '\0';
    listing->version[0] = listing->release[0] = listing->checksum_type[0] = '\0';
    memcpy(listing->epoch, "0", sizeof("0"));
    listing->package = (retrace_repodata_package_t){ .name = listing->name,
                                                     .arch = listing->arch,
                                                     .epoch = listing->epoch,
                                                     .version = listing->version,
                                                     .release = listing->release,
                                                     .source = listing->source,
                                                     .size = -1 };
    return count_package(&listing->packages, err);
}

static void take_location(listing_t *listing, const char *const *attributes)
{
    const char *href = retrace_xml_attribute(attributes, "href");

    /* With another base it would be a place of another server. */
    if (retrace_repodata_is_href(href) && retrace_xml_attribute(attributes, "base")[0] == '\0') {
        memcpy(listing->href, href, strlen(href) + 1);
        listing->package.href = listing->href;
    }
}

static apr_status_t take_version(listing_t *listing, const char *const *attributes,
                                 retrace_error_t *err)
{
    const char *epoch = retrace_xml_attribute(attributes, "epoch");
    apr_status_t rv = APR_SUCCESS;

    if (epoch[0] != '\0' && epoch[strspn(epoch, "0123456789")] == '\0') {
        rv = take_word(listing->epoch, epoch, err);
    }
    if (rv == APR_SUCCESS) {
        rv = take_word(listing->version, retrace_xml_attribute(attributes, "ver"), err);
    }
    return rv == APR_SUCCESS
        ? take_word(listing->release, retrace_xml_attribute(attributes, "rel"), err)
        : rv;
}

static void start_in_format(listing_t *listing, const char *name, const char *const *attributes)
{
    if (listing->is_in_provides && listing->to->provide != NULL && strcmp(name, "entry") == 0) {
        listing->to->provide(listing->to->baton, retrace_xml_attribute(attributes, "name"),
                             retrace_xml_attribute(attributes, "ver"));
    }
    else if (strcmp(name, "provides") == 0) {
        listing->is_in_provides = true;
    }
}

static apr_status_t start_in_primary(void *baton, const char *prefixed,
                                     const char *const *attributes, retrace_error_t *err)
{
    listing_t *listing = baton;
    const char *name = retrace_xml_plain_name(prefixed);

    if (strcmp(name, "package") == 0) {
        return begin_package(listing, err);
    }
    if (!listing->is_inside) {
        return APR_SUCCESS;
    }
    if (listing->is_in_format) {
        start_in_format(listing, name, attributes);
    }
    else if (strcmp(name, "format") == 0) {
        listing->is_in_format = true;
    }
    else if (strcmp(name, "version") == 0) {
        return take_version(listing, attributes, err);
    }
    else if (strcmp(name, "checksum") == 0) {
        (void)retrace_xml_copy(listing->checksum_type, sizeof(listing->checksum_type),
                               retrace_xml_attribute(attributes, "type"));
    }
    else if (strcmp(name, "size") == 0) {
        listing->package.size = parse_size(retrace_xml_attribute(attributes, "package"));
    }
    else if (strcmp(name, "location") == 0) {
        take_location(listing, attributes);
    }
    return APR_SUCCESS;
}

static apr_status_t end_in_format(listing_t *listing, const char *name, const char *text,
                                  retrace_error_t *err)
{
    if (strcmp(name, "provides") == 0) {
        listing->is_in_provides = false;
    }
    else if (strcmp(name, "format") == 0) {
        listing->is_in_format = false;
    }
    else if (strcmp(name, "sourcerpm") == 0) {
        return take_word(listing->source, text, err);
    }
    return APR_SUCCESS;
}

static void take_checksum(listing_t *listing, const char *text)
{
    char digits[RETRACE_CHECKSUM_DIGITS + 1];

    (void)retrace_xml_copy(digits, sizeof(digits), text);
    (void)retrace_checksum_parse(&listing->package.checksum, listing->checksum_type, digits);
}

static apr_status_t end_in_primary(void *baton, const char *prefixed, const char *text,
                                   retrace_error_t *err)
{
    listing_t *listing = baton;
    const char *name = retrace_xml_plain_name(prefixed);

    if (!listing->is_inside) {
        return APR_SUCCESS;
    }
    if (strcmp(name, "package") == 0) {
        listing->is_inside = false;
        return listing->to->package(listing->to->baton, &listing->package, err);
    }
    if (listing->is_in_format) {
        return end_in_format(listing, name, text, err);
    }
    if (strcmp(name, "name") == 0) {
        return take_word(listing->name, text, err);
    }
    if (strcmp(name, "arch") == 0) {
        return take_word(listing->arch, text, err);
    }
    if (strcmp(name, "checksum") == 0) {
        take_checksum(listing, text);
    }
    return APR_SUCCESS;
}

apr_status_t retrace_repodata_packages(int fd, const retrace_repodata_packages_t *to,
                                       retrace_error_t *err)
{
    listing_t listing = { .to = to };
    const retrace_xml_events_t events = { start_in_primary, end_in_primary, &listing };

    return retrace_xml_read_file(fd, &limits, &events, err);
}

/* --- filelists.xml ------------------------------------------------------------------------- */

typedef struct files_t {
    const retrace_repodata_files_t *to;
    int packages;
    char digits[RETRACE_CHECKSUM_DIGITS + 1];
} files_t;

static apr_status_t start_in_filelists(void *baton, const char *name, const char *const *attributes,
                                       retrace_error_t *err)
{
    files_t *files = baton;
    char *at;

    if (strcmp(retrace_xml_plain_name(name), "package") != 0) {
        return APR_SUCCESS;
    }
    (void)retrace_xml_copy(files->digits, sizeof(files->digits),
                           retrace_xml_attribute(attributes, "pkgid"));
    for (at = files->digits; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'F' ? (char)(*at - 'A' + 'a')
                                       : *at; /* as those of retrace_checksum_t */
    }
    if (files->to->package != NULL) {
        files->to->package(files->to->baton, files->digits);
    }
    return count_package(&files->packages, err);
}

static apr_status_t end_in_filelists(void *baton, const char *name, const char *text,
                                     retrace_error_t *err)
{
    const files_t *files = baton;

    /* Hundreds of files come for each package: most names have no prefix. */
    return text[0] == '/'
            && (strcmp(name, "file") == 0 || strcmp(retrace_xml_plain_name(name), "file") == 0)
        ? files->to->file(files->to->baton, files->digits, text, err)
        : APR_SUCCESS;
}

apr_status_t retrace_repodata_files(int fd, const retrace_repodata_files_t *to,
                                    retrace_error_t *err)
{
    files_t files = { .to = to };
    const retrace_xml_events_t events = { start_in_filelists, end_in_filelists, &files };

    return retrace_xml_read_file(fd, &limits, &events, err);
}
