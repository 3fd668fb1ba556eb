/* SPDX-License-Identifier: Apache-2.0 */
/* See findings.h. */
#include "worker/findings.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <string.h>

#include "lib/nevra.h"
#include "lib/release.h"

/* --- Package ------------------------------------------------------------------------------- */

static bool name_by_claim(retrace_facts_t *facts, const worker_claims_t *claims, apr_pool_t *p)
{
    retrace_nevra_t nevra;

    if (claims->package == NULL || !retrace_nevra_parse(&nevra, claims->package)) {
        return false;
    }
    facts->package = apr_pstrdup(p, nevra.name);
    facts->version = apr_pstrcat(p, nevra.epoch, nevra.epoch[0] != '\0' ? ":" : "", nevra.version,
                                 "-", nevra.release, NULL);
    return true;
}

static bool name_by_note(retrace_facts_t *facts, const worker_module_t *program)
{
    if (program == NULL || program->package_name == NULL) {
        return false;
    }
    facts->package = program->package_name;
    if (program->package_version != NULL) {
        facts->version = program->package_version;
    }
    return true;
}

static void name_by_program(retrace_facts_t *facts, const worker_claims_t *claims,
                            const worker_module_t *program, apr_pool_t *p)
{
    const char *path = program != NULL ? program->path : claims->executable;
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : path;

    if (name != NULL && name[0] != '\0') {
        facts->package = apr_pescape_echo(p, name, 0);
    }
}

/* --- Release ------------------------------------------------------------------------------- */

/* cpe:/o:fedoraproject:fedora:40, cpe:/o:redhat:enterprise_linux:9: product and version. */
static bool release_of_cpe(retrace_release_t *release, const char *cpe, apr_pool_t *p)
{
    static const char prefix[] = "cpe:/o:";
    char *rest = NULL;
    const char *product;
    const char *version;

    if (cpe == NULL || strncmp(cpe, prefix, strlen(prefix)) != 0
        || apr_strtok(apr_pstrdup(p, cpe + strlen(prefix)), ":", &rest) == NULL) {
        return false;
    }
    product = apr_strtok(NULL, ":", &rest);
    version = product != NULL ? apr_strtok(NULL, ":", &rest) : NULL;
    if (version == NULL) {
        return false;
    }
    if (strcmp(product, "enterprise_linux") == 0) {
        product = "rhel";
    }
    return retrace_release_from_text(release, apr_pstrcat(p, product, " ", version, NULL));
}

static const char *tag_of(const char *version)
{
    const char *dash = strrchr(version, '-');

    return dash != NULL ? dash + 1 : version;
}

static void find_release(retrace_facts_t *facts, const worker_claims_t *claims,
                         const worker_module_t *program, apr_pool_t *p)
{
    retrace_release_t release;

    if ((claims->os_release != NULL && retrace_release_from_text(&release, claims->os_release))
        || (program != NULL && release_of_cpe(&release, program->package_os_cpe, p))
        || retrace_release_from_tag(&release, tag_of(facts->version))) {
        facts->release = apr_pstrdup(p, release.text);
    }
}

void worker_findings_name(retrace_facts_t *facts, const worker_claims_t *claims,
                          const worker_core_t *core, apr_pool_t *p)
{
    const worker_module_t *program = core != NULL ? core->program : NULL;

    if (!name_by_claim(facts, claims, p) && !name_by_note(facts, program)) {
        name_by_program(facts, claims, program, p);
    }
    find_release(facts, claims, program, p);
    if (core != NULL) {
        facts->arch = core->arch;
    }
}

/* --- Files --------------------------------------------------------------------------------- */

void worker_findings_add_missing(retrace_facts_t *facts, const worker_module_t *module,
                                 worker_file_kind_t kind, const char *build_id, apr_pool_t *p)
{
    facts->cache_misses++;
    if (facts->missing->nelts < RETRACE_FACTS_MAX_MISSING) {
        APR_ARRAY_PUSH(facts->missing, retrace_missing_t) =
            (retrace_missing_t){ worker_file_kind_name(kind), build_id,
                                 apr_pescape_echo(p, module->path, 0) };
    }
}

static void count(retrace_facts_t *facts, const worker_found_t *found)
{
    if (found != NULL && found->source == worker_source_cache.name) {
        facts->cache_hits++;
    }
    else if (found != NULL) {
        facts->cache_misses++;
    }
}

void worker_findings_count(retrace_facts_t *facts, const apr_array_header_t *resolved)
{
    int i;

    for (i = 0; i < resolved->nelts; i++) {
        const worker_resolved_t *one = &APR_ARRAY_IDX(resolved, i, worker_resolved_t);

        count(facts, one->executable);
        count(facts, one->debuginfo);
        count(facts, one->dwz);
    }
}
