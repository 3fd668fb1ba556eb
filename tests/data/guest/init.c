/* SPDX-License-Identifier: Apache-2.0 */
/* The first and only program of a virtual machine that makes cores: runs each program of /programs
 * (a line is a path, a blank and an argument) until it dies, and tells its core on the console. A core
 * is told as lines "@core <path> <argument> <size>", "@<offset> <base64>" for what is not zero, and
 * "@end <adler32>". */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_STACK (512 * 1024) /* of a program: it makes the size of its core */
#define CHUNK     768
#define MAX_LOG   256
#define ADLER     65521

static void write_setting(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, value, strlen(value)) < 0) {
        printf("@failed to set %s\n", path);
    }
    close(fd);
}

static void prepare(void)
{
    mkdir("/proc", 0755);
    mkdir("/cores", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    write_setting("/proc/sys/kernel/printk", "1");
    write_setting("/proc/sys/kernel/core_pattern", "/cores/core");
    write_setting("/proc/sys/kernel/core_uses_pid", "0");
}

static char *const environment[] = { "LD_LIBRARY_PATH=/usr/lib64:/usr/lib", NULL };

static void start(char *path)
{
    char *argument = strchr(path, ' ');
    char *arguments[] = { path, argument + 1, NULL };

    *argument = '\0';
    execve(path, arguments, environment);
    _exit(127);
}

static void run(char *line)
{
    static const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    static const struct rlimit stack = { MAX_STACK, MAX_STACK };
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &all);
        setrlimit(RLIMIT_STACK, &stack);
        start(line);
    }
    waitpid(pid, &status, 0);
    printf("@ended %s %x\n", line, (unsigned int)status);
}

static void put_base64(const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;

    for (i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        putchar_unlocked(digits[group >> 18]);
        putchar_unlocked(digits[group >> 12 & 63]);
        putchar_unlocked(digits[group >> 6 & 63]);
        putchar_unlocked(digits[group & 63]);
    }
}

static void put_chunk(off_t offset, const unsigned char *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            printf("@%llx ", (unsigned long long)offset);
            put_base64(bytes, size + (3 - size % 3) % 3);
            putchar_unlocked('\n');
            return;
        }
    }
}

/* Also of what lies in holes: it proves that nothing was lost on the way. */
static uint32_t add_sum(uint32_t sum, const unsigned char *bytes, size_t size)
{
    uint32_t low = sum & 0xffff;
    uint32_t high = sum >> 16;
    size_t i;

    for (i = 0; i < size; i++) {
        low = (low + bytes[i]) % ADLER;
        high = (high + low) % ADLER;
    }
    return high << 16 | low;
}

static void tell_core(const char *line)
{
    unsigned char bytes[CHUNK + 3];
    struct stat status;
    uint32_t sum = 1;
    off_t offset = 0;
    ssize_t got;
    int fd = open("/cores/core", O_RDONLY);

    if (fd < 0 || fstat(fd, &status) != 0) {
        printf("@failed to make a core of %s\n", line);
        return;
    }
    printf("@core %s %llu\n", line, (unsigned long long)status.st_size);
    while ((got = read(fd, bytes, CHUNK)) > 0) {
        memset(bytes + got, 0, sizeof(bytes) - (size_t)got);
        put_chunk(offset, bytes, (size_t)got);
        sum = add_sum(sum, bytes, (size_t)got);
        offset += got;
    }
    printf("@end %x\n", sum);
    close(fd);
    unlink("/cores/core");
}

int main(void)
{
    char line[MAX_LOG];
    FILE *programs;

    prepare();
    programs = fopen("/programs", "r");
    while (programs != NULL && fgets(line, sizeof(line), programs) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        run(line);
        tell_core(line);
    }
    printf("@done\n");
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
