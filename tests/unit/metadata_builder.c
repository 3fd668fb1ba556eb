/* SPDX-License-Identifier: Apache-2.0 */
/* See metadata_builder.h. */
#include "tests/unit/metadata_builder.h"

#include <apr_strings.h>
#include <string.h>

static const char *checksum_of(const workspace_t *ws, const metadata_package_t *package)
{
    char *hex = apr_palloc(ws->pool, 65);

    memset(hex, package->checksum[0], 64);
    hex[64] = '\0';
    return hex;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static const char *provides_of(const workspace_t *ws, const metadata_package_t *package)
{
    return package->provides == NULL
        ? ""
        : apr_psprintf(ws->pool,
                       "    <rpm:provides>\n"
                       "      <rpm:entry name=\"debuginfo(build-id)\" flags=\"EQ\" epoch=\"0\" "
                       "ver=\"%s\"/>\n    </rpm:provides>\n",
                       package->provides);
}

const char *metadata_primary(const workspace_t *ws, const metadata_package_t *packages, int count)
{
    const char *text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata "
                       "xmlns=\"http://linux.duke.edu/metadata/common\" "
                       "xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"1\">\n";
    int i;

    for (i = 0; i < count; i++) {
        const metadata_package_t *package = &packages[i];

        text = apr_psprintf(
            ws->pool,
            "%s<package type=\"rpm\">\n  <name>%s</name>\n  <arch>x86_64</arch>\n"
            "  <version epoch=\"%d\" ver=\"%s\" rel=\"1.fc36\"/>\n"
            "  <checksum type=\"sha256\" pkgid=\"YES\">%s</checksum>\n"
            "  <description>One &amp;\n\nother</description>\n"
            "  <size package=\"%d\" installed=\"9\" archive=\"9\"/>\n<location href=\"%s\"/>\n"
            "  <format>\n    <rpm:sourcerpm>%s-%s.src.rpm</rpm:sourcerpm>\n%s"
            "    <rpm:requires>\n      <rpm:entry name=\"debuginfo(build-id)\" ver=\"99\"/>\n"
            "    </rpm:requires>\n  </format>\n</package>\n",
            text, package->name, i, or_empty(package->version), checksum_of(ws, package), 100 + i,
            package->location, package->name, or_empty(package->version), provides_of(ws, package));
    }
    return apr_pstrcat(ws->pool, text, "</metadata>\n", NULL);
}

const char *metadata_filelists(const workspace_t *ws, const metadata_package_t *packages, int count)
{
    const char *text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<filelists "
                       "xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"1\">\n";
    int i;
    int j;

    for (i = 0; i < count; i++) {
        const metadata_package_t *package = &packages[i];

        text = apr_psprintf(ws->pool,
                            "%s<package pkgid=\"%s\" name=\"%s\" arch=\"x86_64\">\n"
                            "  <version epoch=\"0\" ver=\"1\" rel=\"1.fc36\"/>\n"
                            "  <file type=\"dir\">/usr/lib/.build-id</file>\n",
                            text, checksum_of(ws, package), package->name);
        for (j = 0; package->files[j] != NULL; j++) {
            text = apr_psprintf(ws->pool, "%s  <file>%s</file>\n", text, package->files[j]);
        }
        text = apr_pstrcat(ws->pool, text, "</package>\n", NULL);
    }
    return apr_pstrcat(ws->pool, text, "</filelists>\n", NULL);
}

static void write_file(const workspace_t *ws, const char *directory, const char *kind,
                       const char *text, const char *packer)
{
    workspace_write(ws, apr_psprintf(ws->pool, "%s/repodata/%s.xml", directory, kind), text);
    workspace_shell(
        ws,
        apr_psprintf(ws->pool,
                     "cd %s/repodata && %s <%s.xml >%s.packed && rm %s.xml && "
                     "printf '<data type=\"%s\"><checksum type=\"sha256\">%%s</checksum>"
                     "<location href=\"repodata/%s.packed\"/></data>\\n' "
                     "$(sha256sum <%s.packed | cut -c -64) >>repomd.new",
                     directory, packer, kind, kind, kind, kind, kind, kind));
}

void metadata_write(const workspace_t *ws, const char *directory, const char *primary,
                    const char *filelists, const char *packer)
{
    workspace_write(ws, apr_pstrcat(ws->pool, directory, "/repodata/repomd.new", NULL),
                    "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n"
                    "<data type=\"other\"><location href=\"../x\"/></data>\n");
    write_file(ws, directory, "primary", primary, packer);
    write_file(ws, directory, "filelists", filelists, packer);
    workspace_shell(ws,
                    apr_psprintf(ws->pool,
                                 "cd %s/repodata && echo '</repomd>' >>repomd.new && "
                                 "mv repomd.new repomd.xml",
                                 directory));
}

void metadata_write_packages(const workspace_t *ws, const char *directory,
                             const metadata_package_t *packages, int count)
{
    metadata_write(ws, directory, metadata_primary(ws, packages, count),
                   metadata_filelists(ws, packages, count), "gzip");
}
