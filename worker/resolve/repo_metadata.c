/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_metadata.h. */
#include "worker/resolve/repo_metadata.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"

#define DIRECTORY "repodata"
#define FILE_NAME "repomd.xml"

static apr_status_t read_repomd(worker_repomd_t **prepomd, const worker_repo_t *repo,
                                retrace_error_t *err, apr_pool_t *p)
{
    const char *text = NULL;
    apr_size_t length = 0;
    retrace_error_t why;
    int fd = openat(repo->fd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    apr_status_t rv;

    if (fd < 0) {
        return retrace_fail(err, errno, "open " DIRECTORY);
    }
    rv = retrace_fs_read(&text, &length, fd, FILE_NAME, RETRACE_REPODATA_MAX_REPOMD, err, p);
    (void)close(fd);
    if (rv == APR_SUCCESS && worker_repomd_parse(prepomd, text, length, &why, p) != APR_SUCCESS) {
        rv = retrace_fail(err, APR_EINVAL, DIRECTORY "/" FILE_NAME " is damaged: %s", why.text);
    }
    return rv;
}

static const char *identity_of(const worker_repomd_t *repomd, apr_pool_t *p)
{
    return apr_pstrcat(p, repomd->primary.checksum.digits, " ", repomd->filelists.checksum.digits,
                       NULL);
}

/* What is there is not what the index has: whatever comes next is compared with it anew. */
static apr_status_t complain(const worker_repo_t *repo, const char *complaint, retrace_error_t *err)
{
    apr_status_t rv = worker_index_forget_metadata(repo->index, err);

    return rv == APR_SUCCESS ? worker_index_complain(repo->index, complaint, err) : rv;
}

static apr_status_t load(worker_repodata_t **pdata, const worker_repo_t *repo,
                         const worker_repomd_t *repomd, retrace_error_t *why, retrace_error_t *err,
                         apr_pool_t *p)
{
    apr_hash_t *known = NULL;
    apr_status_t rv = worker_index_known(&known, repo->index, err, p);

    why->text[0] = '\0';
    if (rv == APR_SUCCESS) {
        (void)worker_repodata_load(pdata, repo->fd, repomd, known, why, p);
    }
    return rv;
}

static apr_status_t put(const worker_repo_t *repo, const worker_repodata_t *data,
                        const char *identity, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = worker_index_put_remote(repo->index, data, identity, err, p);

    if (rv == APR_SUCCESS && data->skipped > 0) {
        rv = worker_index_complain(
            repo->index,
            apr_psprintf(p, "%d packages of repodata are left out, which do not lie below it",
                         data->skipped),
            err);
    }
    return rv;
}

apr_status_t worker_repo_read_metadata(const worker_repo_t *repo, retrace_error_t *err,
                                       apr_pool_t *scratch)
{
    worker_repomd_t *repomd = NULL;
    worker_repodata_t *data = NULL;
    const char *identity;
    const char *before = "";
    const char *complaint = "";
    retrace_error_t why;
    apr_status_t rv;

    rv = read_repomd(&repomd, repo, &why, scratch);
    if (rv != APR_SUCCESS) {
        /* An empty repodata/ has always been enough for a directory of packages. */
        return complain(repo, APR_STATUS_IS_ENOENT(rv) ? "" : why.text, err);
    }
    identity = identity_of(repomd, scratch);
    rv = worker_index_metadata(&before, &complaint, repo->index, err, scratch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (strcmp(identity, before) == 0) {
        return APR_SUCCESS;
    }
    rv = load(&data, repo, repomd, &why, err, scratch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return data != NULL ? put(repo, data, identity, err, scratch) : complain(repo, why.text, err);
}
