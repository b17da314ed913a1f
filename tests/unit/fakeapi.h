/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts tests/fakeapi for a test and talks to its control port. The program is built with go when
 * build/fakeapi is missing or old; without go there is none, and the test skips. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fakeapi {
    pid_t pid;
    int stdin_fd; /* the program ends when this is closed */
    char url[512];
    char dir[512];
    char kubeconfig[512];
    unsigned int control_port;
};

static inline bool fakeapi_is_fresh(const char *program)
{
    struct stat built, source;
    glob_t g = {0};
    bool is_fresh = stat(program, &built) == 0 && glob("tests/fakeapi/*.go", 0, NULL, &g) == 0;

    for (size_t i = 0; is_fresh && i < g.gl_pathc; i++)
        is_fresh = stat(g.gl_pathv[i], &source) == 0 && source.st_mtime <= built.st_mtime;
    globfree(&g);
    return is_fresh;
}

/* Makes sure that the program is there and new. 0, -ENOENT without go, -EIO when it does not build.
 */
static inline int fakeapi_build(const char *program)
{
    char made[64], absolute[4096 + 64], cwd[4096];
    char *const argv[] = {(char *)"go",
                          (char *)"build",
                          (char *)"-C",
                          (char *)"tests/fakeapi",
                          (char *)"-buildvcs=false",
                          (char *)"-o",
                          absolute,
                          (char *)".",
                          NULL};
    pid_t pid;
    int status = 1, code;

    if (fakeapi_is_fresh(program))
        return 0;
    mkdir("build", 0777);
    snprintf(made, sizeof(made), "build/fakeapi.%d", (int)getpid());
    if (!getcwd(cwd, sizeof(cwd)))
        return -EIO;
    snprintf(absolute, sizeof(absolute), "%s/%s", cwd, made);
    code = posix_spawnp(&pid, "go", NULL, NULL, argv, environ);
    if (code)
        return code == ENOENT ? -ENOENT : -EIO;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return -EIO;
    return rename(made, program) == 0 ? 0 : -EIO;
}

static inline void fakeapi_read_line(struct fakeapi *f, const char *line)
{
    unsigned int port;

    if (strncmp(line, "url=", 4) == 0)
        snprintf(f->url, sizeof(f->url), "%s", line + 4);
    else if (strncmp(line, "dir=", 4) == 0)
        snprintf(f->dir, sizeof(f->dir), "%s", line + 4);
    else if (strncmp(line, "kubeconfig=", 11) == 0)
        snprintf(f->kubeconfig, sizeof(f->kubeconfig), "%s", line + 11);
    else if (sscanf(line, "control=http://127.0.0.1:%u", &port) == 1)
        f->control_port = port;
}

/* args: flags of the program, ended by NULL. 0, -ENOENT without go (skip the test), or -EIO. */
static inline int fakeapi_start(struct fakeapi *f, const char *const *args)
{
    static const char program[] = "build/fakeapi";
    posix_spawn_file_actions_t actions;
    char *argv[32] = {(char *)program, (char *)"--exit-with-stdin"};
    int to[2], from[2], n = 2, code = fakeapi_build(program);
    char line[512];
    FILE *out;
    bool is_ready = false;

    *f = (struct fakeapi){.stdin_fd = -1};
    if (code)
        return code;
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        return -EIO;
    for (; args && *args && n < 31; args++)
        argv[n++] = (char *)*args;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    if (posix_spawn(&f->pid, program, &actions, NULL, argv, environ) != 0)
        f->pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    f->stdin_fd = to[1];
    out = fdopen(from[0], "r");
    while (!is_ready && out && fgets(line, sizeof(line), out)) {
        line[strcspn(line, "\n")] = '\0';
        is_ready = strcmp(line, "ready") == 0;
        fakeapi_read_line(f, line);
    }
    if (out)
        fclose(out);
    return is_ready ? 0 : -EIO;
}

static inline void fakeapi_stop(struct fakeapi *f)
{
    if (f->stdin_fd >= 0)
        close(f->stdin_fd);
    if (f->pid > 0)
        waitpid(f->pid, NULL, 0);
    f->pid = 0;
    f->stdin_fd = -1;
}

/* One call of the control port, blocking. body may be NULL. The answer's body, to be freed, or NULL
 * when it was refused. */
static inline char *fakeapi_control(const struct fakeapi *f, const char *method, const char *path,
                                    const char *body)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->control_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t room = 64 * 1024 * 1024, len = 0;
    char *answer = malloc(room), *start;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (answer && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        dprintf(fd, "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", method, path,
                body ? strlen(body) : 0, body ? body : "");
        while (len < room - 1) {
            ssize_t got = recv(fd, answer + len, room - 1 - len, 0);

            if (got <= 0)
                break;
            len += (size_t)got;
        }
    }
    close(fd);
    if (!answer)
        return NULL;
    answer[len] = '\0';
    start = strstr(answer, "\r\n\r\n");
    if (!start || strncmp(answer, "HTTP/1.0 200", 12) != 0) {
        free(answer);
        return NULL;
    }
    memmove(answer, start + 4, strlen(start + 4) + 1);
    return answer;
}
