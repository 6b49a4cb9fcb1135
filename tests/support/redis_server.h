/**
 * redis_server.h: a redis-server of one's own.
 *
 * It lives in a fresh directory and listens on a Unix socket there (and on a
 * free TCP port where asked), so that any number of tests run side by side. It
 * dies with the program that started it, whatever becomes of that, and its
 * directory goes too. What cannot be done ends the program with a line that
 * says why: no test could go on.
 *
 * The program is $REDIS_SERVER, else redis-server from PATH.
 */
#ifndef LEAT_TESTS_REDIS_SERVER_H
#define LEAT_TESTS_REDIS_SERVER_H

#include "base.h"

#include <sys/types.h>

struct redis_server;

struct redis_server_options {
    bool append_only;     /* survives redis_server_kill; else a restart is empty */
    bool tcp;             /* listen on 127.0.0.1 as well */
    const char *password; /* NULL for none. Borrowed */
};

/* redis_server_new(options): the directory, nothing runs yet. Gives. */
struct redis_server *redis_server_new(const struct redis_server_options *options);

/* redis_server_free(s): killed, waited for, directory removed. */
void redis_server_free(struct redis_server *s);

/* redis_server_up(s): start it, and wait until it answers. */
void redis_server_up(struct redis_server *s);

/* redis_server_kill(s): SIGKILL, and wait until it is gone. Harmless when it does not run. */
void redis_server_kill(struct redis_server *s);

/* redis_server_restart(s): kill, up. */
void redis_server_restart(struct redis_server *s);

/* redis_server_stop(s), redis_server_cont(s): SIGSTOP (waits until it stands still), SIGCONT. */
void redis_server_stop(struct redis_server *s);
void redis_server_cont(struct redis_server *s);

/* redis_server_tell(s, line): one command over a connection of its own; waits for the answer, which
   must not be an error. For what no connection under test can say, e.g. because it is down. */
void redis_server_tell(struct redis_server *s, const char *line);

/* Where it listens; borrowed. The port is 0 without `tcp`. */
const char *redis_server_socket(const struct redis_server *s);
int redis_server_port(const struct redis_server *s);
pid_t redis_server_pid(const struct redis_server *s);

#endif
