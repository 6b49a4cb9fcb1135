/*
 * redis_server.c: fork, exec, and clean up under all circumstances.
 *
 * Two guards against a test that dies: the server asks the kernel to be killed
 * with its parent (PDEATHSIG), and a broom, a shell in a session of its own,
 * waits for the end of a pipe that only we hold and then removes the directory.
 */
#include "redis_server.h"

#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UP_TRIES 5000 /* of 4 ms each */

struct redis_server {
    struct redis_server_options options;
    char directory[80];
    char socket[108]; /* as long as a Unix address may be */
    int port;
    pid_t pid; /* 0: does not run */
    pid_t broom;
    int held; /* the broom's pipe: closed by redis_server_free, or by our death */
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "redis_server: %s: %s\n", what, strerror(errno));
    exit(99);
}

static void start_broom(struct redis_server *s)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up("pipe");
    s->held = ends[1];
    s->broom = fork();
    if (s->broom < 0)
        give_up("fork");
    if (s->broom == 0) {
        setsid();
        dup2(ends[0], STDIN_FILENO);
        execlp("sh", "sh", "-c", "read _; rm -rf -- \"$0\"", s->directory, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
}

/* One that no outgoing connection takes while the server is down: those are from 32768 on. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int tries = 0; tries < 100; tries++) {
        uint16_t port;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || getrandom(&port, sizeof port, 0) != sizeof port)
            give_up("no free port");
        port = (uint16_t)(20000 + port % 12768);
        address.sin_port = htons(port);
        bool free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (free)
            return port;
    }
    give_up("no free port");
}

struct redis_server *redis_server_new(const struct redis_server_options *options)
{
    struct redis_server *s = calloc(1, sizeof *s);
    if (!s)
        give_up("calloc");
    s->options = *options;
    signal(SIGPIPE, SIG_IGN); /* as our programs do: hiredis writes without MSG_NOSIGNAL */
    const char *base = getenv("TMPDIR");
    snprintf(s->directory, sizeof s->directory, "%s/leat-redis-XXXXXX",
             base && *base && strlen(base) < 50 ? base : "/tmp");
    if (!mkdtemp(s->directory))
        give_up(s->directory);
    snprintf(s->socket, sizeof s->socket, "%s/redis.sock", s->directory);
    s->port = options->tcp ? free_port() : 0;
    start_broom(s);
    return s;
}

void redis_server_free(struct redis_server *s)
{
    if (!s)
        return;
    redis_server_kill(s);
    close(s->held);
    waitpid(s->broom, NULL, 0);
    free(s);
}

static void become_server(const struct redis_server *s)
{
    char port[16], log[128];
    const char *program = getenv("REDIS_SERVER");
    program = program && *program ? program : "redis-server";
    snprintf(port, sizeof port, "%d", s->port);
    snprintf(log, sizeof log, "%s/redis.log", s->directory);
    const char *argv[] = {
        program,
        "--port",
        port,
        "--bind",
        "127.0.0.1",
        "--unixsocket",
        s->socket,
        "--dir",
        s->directory,
        "--logfile",
        log,
        "--save",
        "",
        "--daemonize",
        "no",
        "--appendonly",
        s->options.append_only ? "yes" : "no",
        "--appendfsync",
        "no",
        "--maxmemory-policy",
        "noeviction",
        "--stream-node-max-bytes",
        "1024",
        s->options.password ? "--requirepass" : NULL,
        s->options.password,
        NULL,
    };
    execvp(program, (char *const *)(void *)argv);
    _exit(127);
}

/* The first bytes of the answer to one line; false: no connection. */
static bool ask(const struct redis_server *s, const char *line, char *reply, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, s->socket, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t got = 0;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        dprintf(fd, "%s\r\n", line) > 0)
        got = read(fd, reply, size - 1);
    reply[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return got > 0;
}

/* Answers at all, if only with -NOAUTH; not -LOADING. */
static bool answers(const struct redis_server *s)
{
    char reply[64];
    return ask(s, "PING", reply, sizeof reply) && strncmp(reply, "-LOADING", 8) != 0;
}

void redis_server_tell(struct redis_server *s, const char *line)
{
    char reply[64];
    if (!ask(s, line, reply, sizeof reply) || *reply == '-')
        give_up(line);
}

void redis_server_up(struct redis_server *s)
{
    pid_t parent = getpid();
    s->pid = fork();
    if (s->pid < 0)
        give_up("fork");
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            become_server(s);
        _exit(127);
    }
    for (int tries = 0; !answers(s); tries++) {
        errno = ETIMEDOUT;
        if (tries == UP_TRIES || waitpid(s->pid, NULL, WNOHANG) == s->pid)
            give_up("it does not come up");
        poll(NULL, 0, 4);
    }
}

void redis_server_kill(struct redis_server *s)
{
    if (s->pid == 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
    unlink(s->socket);
}

void redis_server_restart(struct redis_server *s)
{
    redis_server_kill(s);
    redis_server_up(s);
}

void redis_server_stop(struct redis_server *s)
{
    int how;
    kill(s->pid, SIGSTOP);
    if (waitpid(s->pid, &how, WUNTRACED) != s->pid || !WIFSTOPPED(how))
        give_up("it does not stop");
}

void redis_server_cont(struct redis_server *s)
{
    kill(s->pid, SIGCONT);
}

const char *redis_server_socket(const struct redis_server *s)
{
    return s->socket;
}

int redis_server_port(const struct redis_server *s)
{
    return s->port;
}

pid_t redis_server_pid(const struct redis_server *s)
{
    return s->pid;
}
