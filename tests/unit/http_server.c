/* SPDX-License-Identifier: Apache-2.0 */
/* See http_server.h. What runs in the server's processes must not use cmocka's asserts. */
#include "tests/unit/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_strings.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_MAX 4096
#define LIFETIME_S  60 /* of a server that its test does not stop */

typedef struct service_t {
    const http_server_t *server;
    http_answer_fn answer;
} service_t;

static void note(const http_server_t *server, const char *line)
{
    int fd =
        openat(server->ws->dir, server->requests, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    dprintf(fd, "%s\n", line);
    (void)close(fd);
}

/* "GET <path> HTTP/1.1", with all headers read. */
static bool read_request(int fd, char *request)
{
    size_t length = 0;
    ssize_t got;

    while (length < REQUEST_MAX - 1) {
        got = read(fd, request + length, REQUEST_MAX - 1 - length);
        if (got <= 0) {
            return false;
        }
        length += (size_t)got;
        request[length] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL) {
            return true;
        }
    }
    return false;
}

static void serve_connection(const service_t *service, int fd)
{
    char request[REQUEST_MAX];
    char *path;
    bool stays = true;

    note(service->server, "connection");
    while (stays && read_request(fd, request)) {
        path = request + strcspn(request, " ");
        *path++ = '\0';
        path[strcspn(path, " ")] = '\0';
        note(service->server, apr_pstrcat(service->server->ws->pool, request, " ", path, NULL));
        stays = service->answer(service->server, fd, path);
    }
    (void)close(fd);
}

static int serve(void *baton)
{
    const service_t *service = baton;
    int fd;

    (void)setpgid(0, 0);
    (void)alarm(LIFETIME_S);
    (void)signal(SIGCHLD, SIG_IGN);
    while ((fd = accept(service->server->listener, NULL, NULL)) >= 0) {
        if (fork() == 0) {
            (void)alarm(LIFETIME_S);
            serve_connection(service, fd);
            _exit(0);
        }
        (void)close(fd);
    }
    return 1;
}

void http_server_start(http_server_t *server, workspace_t *ws, const char *requests,
                       http_answer_fn answer)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof(address);
    service_t service = { server, answer };

    server->ws = ws;
    server->requests = requests;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    server->url = apr_psprintf(ws->pool, "http://127.0.0.1:%d", server->port);
    workspace_write(ws, requests, "");
    server->pid = workspace_start(serve, &service);
    (void)setpgid(server->pid, server->pid); /* here too: the child may not have come to it */
    (void)close(server->listener);
    server->listener = -1;
}

void http_server_stop(http_server_t *server)
{
    if (server->pid > 0) {
        (void)kill(-server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

int http_server_count(const http_server_t *server, const char *text)
{
    const char *at = workspace_read(server->ws, server->requests);
    int count = 0;

    while ((at = strstr(at, text)) != NULL) {
        count++;
        at += strlen(text);
    }
    return count;
}

void http_send(int fd, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vdprintf(fd, format, arguments);
    va_end(arguments);
}

bool http_answer(int fd, const char *status, const char *headers, const char *body)
{
    http_send(fd, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body),
              body);
    return true;
}

bool http_answer_file(const http_server_t *server, int fd, const char *name)
{
    struct stat info;
    int file = openat(server->ws->dir, name, O_RDONLY | O_CLOEXEC);

    if (file < 0 || fstat(file, &info) != 0) {
        return http_answer(fd, "500 No such file", "", "");
    }
    http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", (long)info.st_size);
    while (sendfile(fd, file, NULL, (size_t)info.st_size) > 0) {
    }
    (void)close(file);
    return true;
}

bool http_serve_directory(const http_server_t *server, const char *directory, int fd,
                          const char *path)
{
    const char *name = apr_pstrcat(server->ws->pool, directory, strrchr(path, '/'), NULL);
    char start[5] = "";
    int file = openat(server->ws->dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (file < 0) {
        return http_answer(fd, "404 Not Found", "", "none here");
    }
    got = read(file, start, sizeof(start));
    (void)close(file);
    if (got <= 0) {
        return false;
    }
    if (memcmp(start, "HTTP/", sizeof(start)) == 0) {
        http_send(fd, "%s", workspace_read(server->ws, name));
        return false;
    }
    return http_answer_file(server, fd, name);
}

void http_wait_hangup(int fd)
{
    char byte;

    while (read(fd, &byte, 1) > 0) {
    }
}
