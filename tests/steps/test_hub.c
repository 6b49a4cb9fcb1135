/*
 * test_hub.c: hub.c, channel.c and follower.c over a real Redis, real outlets, and clients that
 * are slow, rude, or go.
 *
 * A `client` is a follower, the outlet that it is sent through, and who reads at the other end.
 * It understands what it reads, and holds every message against the promise: within an attempt
 * each one is the next, and another attempt's come after a `reset`. What it has read is noted in
 * `said`, in words: "m1 m2 reset(retry) m1 [DONE]".
 *
 * The exchange is ours, and behaves as the real one: a follower's memory goes one turn of the loop
 * after its stream is over. Only follower.c speaks to exchanges, so it is compiled in here.
 */
#define exchange_end fake_exchange_end
#define exchange_abort fake_exchange_abort
#include "follower.c"

#include "rig.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct exchange {
    bool ended, aborted;
};

struct client {
    struct exchange exchange;
    struct follower *follower; /* NULL: not connected */
    struct outlet outlet;
    int ours, theirs; /* the two ends of its connection */
    size_t appetite;  /* bytes it reads a turn */
    struct buf wire;  /* read, and not yet understood */
    struct buf raw;   /* everything it read */
    struct buf said;  /* in words */
    struct buf comments;
    char job[JOB_ID_SIZE]; /* what it asks for; "" for whatever there is */
    struct cursor cursor;
    bool is_foreign;         /* the ids mean nothing */
    uint64_t attempt, count; /* what it holds: messages 1 … count of that attempt */
    bool over;               /* was told that nothing comes any more */
    struct entry_id last;    /* with that */
};

#define CLIENTS_MOST 64

static struct rig *rig;
static struct hub *hub;
static struct client clients[CLIENTS_MOST];
static struct buf wrong; /* what clients complain of; never within await, which must come back */

/* ---- the exchange ---- */

void exchange_end(struct exchange *e)
{
    if (!e->aborted)
        e->ended = true;
}

void exchange_abort(struct exchange *e)
{
    e->aborted = true;
}

/* ---- what a client understands ---- */

struct event {
    char name[16], id[64];
    char *data;
};

static void say(struct client *c, const char *word)
{
    if (c->said.length > 0)
        buf_putc(&c->said, ' ');
    buf_puts(&c->said, word);
}

/* The length of a message of our own; see text_for. */
static size_t size_of(uint64_t a, uint64_t n)
{
    return 30 + (size_t)((a * 31 + n * 7919) % 2500);
}

static bool fits(const char *data, struct entry_id id)
{
    const char *at = strchr(data, '@');
    return !at || (strtoull(at + 1, NULL, 10) == id.a && strtoull(data + 1, NULL, 10) == id.n &&
                   strlen(data) == size_of(id.a, id.n));
}

static void take_message(struct client *c, const struct event *event, struct entry_id id)
{
    char word[24];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(event->data, "@"), event->data);
    say(c, word);
    if (c->is_foreign)
        return;
    /* Who holds nothing, or was told that all is void, takes whatever attempt comes first. */
    if (c->count == 0)
        c->attempt = id.a;
    if (id.a != c->attempt || id.n != c->count + 1 || !fits(event->data, id))
        buf_printf(&wrong, "after %" PRIu64 "-%" PRIu64 " came %s: %.60s\n", c->attempt, c->count,
                   event->id, event->data);
    c->count++;
}

static void take_event(struct client *c, const struct event *event)
{
    char word[64];
    struct entry_id id = {0};
    if (c->over)
        buf_printf(&wrong, "after the end came %s %s\n", event->name, event->data);
    bool has_id = entry_id_parse(event->id, strlen(event->id), &id);
    const char *reason = strstr(event->data, "\"reason\":\"");
    if (strcmp(event->data, "[DONE]") == 0) {
        c->over = true;
        c->last = id;
        say(c, has_id ? "[DONE]" : "[DONE]end");
    } else if (!*event->name) {
        take_message(c, event, id);
    } else {
        reason = reason ? reason + strlen("\"reason\":\"") : "";
        snprintf(word, sizeof word, "%s%s%.*s%s", event->name, *reason ? "(" : "",
                 (int)strcspn(reason, "\""), reason, *reason ? ")" : "");
        say(c, word);
    }
    if (strcmp(event->name, "reset") == 0) {
        c->attempt = id.a;
        c->count = 0;
    }
    if (has_id)
        c->cursor = (struct cursor){CURSOR_ENTRY, id};
}

static const char *after(const char *line, const char *field)
{
    return strncmp(line, field, strlen(field)) == 0 ? line + strlen(field) : NULL;
}

/* One block of lines; its bytes are changed. */
static void take_block(struct client *c, char *block)
{
    struct event event = {.data = NULL};
    bool is_event = false;
    char *rest = block;
    for (char *line; (line = strsep(&rest, "\n"));) {
        const char *value;
        if ((value = after(line, "event: "))) {
            snprintf(event.name, sizeof event.name, "%s", value);
        } else if ((value = after(line, "id: "))) {
            snprintf(event.id, sizeof event.id, "%s", value);
        } else if ((value = after(line, "data: "))) {
            event.data = line + strlen("data: ");
            is_event = true;
        } else if (*line == ':') {
            buf_puts(&c->comments, line);
            buf_putc(&c->comments, '\n');
        } else {
            buf_printf(&wrong, "what is this line: %s\n", line);
        }
    }
    if (is_event)
        take_event(c, &event);
}

static void understand(struct client *c)
{
    for (char *end; c->wire.length > 0 && (end = strstr(c->wire.data, "\n\n"));) {
        *end = '\0';
        take_block(c, c->wire.data);
        buf_drop(&c->wire, (size_t)(end + 2 - c->wire.data));
    }
}

/* ---- connections ---- */

static void disconnect(struct client *c)
{
    hub_leave(c->follower); /* harmless when the hub ended it */
    free(c->follower);
    c->follower = NULL;
    outlet_clear(&c->outlet);
    close(c->ours);
    if (c->theirs >= 0)
        close(c->theirs);
    c->theirs = -1;
    buf_reset(&c->wire);
    c->exchange = (struct exchange){0};
}

static void read_some(struct client *c)
{
    char bytes[65536];
    if (c->theirs < 0 || c->appetite == 0)
        return;
    ssize_t length = read(c->theirs, bytes, min_size(c->appetite, sizeof bytes));
    if (length <= 0)
        return;
    buf_add(&c->wire, bytes, (size_t)length);
    buf_add(&c->raw, bytes, (size_t)length);
    understand(c);
}

static void work_socket(struct client *c)
{
    if (!c->follower || !c->outlet.fd)
        return;
    read_some(c);
    if (!c->exchange.aborted && outlet_is_blocked(&c->outlet) &&
        outlet_flush(&c->outlet) == STATUS_OK && !outlet_is_blocked(&c->outlet) &&
        !c->exchange.ended)
        hub_writable(c->follower);
}

/* What a regular end has left in the socket is read before the connection goes. */
static void finish(struct client *c)
{
    size_t appetite = c->appetite, before;
    if (!c->exchange.aborted && outlet_is_blocked(&c->outlet))
        return;
    if (!c->exchange.aborted) {
        c->appetite = c->appetite ? 65536 : 0;
        do {
            before = c->raw.length;
            read_some(c);
        } while (c->raw.length > before);
        c->appetite = appetite;
    }
    disconnect(c);
}

static void turn(void)
{
    for (size_t i = 0; i < CLIENTS_MOST; i++) {
        struct client *c = &clients[i];
        if (!c->follower)
            continue;
        work_socket(c);
        if (c->exchange.ended || c->exchange.aborted)
            finish(c);
    }
}

static void make_sockets(struct client *c)
{
    int fds[2], small = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    c->ours = fds[0];
    c->theirs = fds[1];
    outlet_init(&c->outlet, c->ours, OUTLET_RAW);
}

static struct hub *the_hub(void)
{
    if (!hub)
        hub = hub_new(&rig->loop, &rig->settings, &rig->queue);
    assert_non_null(hub);
    return hub;
}

/* As a visit does it. False: nothing is followed, the client was told why. */
static bool join(struct client *c, const char *chat, const struct chat_view *view)
{
    struct resume resume = resume_decide(&c->cursor, c->job, view);
    struct buf text = {0};
    if (resume.action == RESUME_NO_CONTENT) {
        c->over = true;
        say(c, "204");
        return false;
    }
    make_sockets(c);
    c->follower = calloc(1, sizeof *c->follower);
    assert_non_null(c->follower);
    c->follower->exchange = &c->exchange;
    snprintf(c->follower->job, sizeof c->follower->job, "%s", view->job);
    c->follower->told = c->cursor.kind == CURSOR_ENTRY;
    if (resume.action == RESUME_RESET)
        sse_reset(&text, resume.from, view->job, view->number, resume.reason);
    else if (resume.action == RESUME_SUPERSEDED)
        sse_superseded(&text, view->job);
    else if (resume.action == RESUME_GONE)
        sse_gone(&text, view->job);
    bool follows = resume.action != RESUME_SUPERSEDED && resume.action != RESUME_GONE;
    assert_int_equal(outlet_write(&c->outlet, text.data, text.length), STATUS_OK);
    buf_clear(&text);
    if (follows)
        assert_int_equal(hub_join(the_hub(), c->follower, "f", chat, view, resume.from), STATUS_OK);
    else
        exchange_end(&c->exchange);
    return follows;
}

static struct client *client(size_t number)
{
    struct client *c = &clients[number];
    if (!c->appetite)
        c->appetite = 65536;
    return c;
}

/* One more connection of a client, with what it holds; open. */
static void connect_to(struct client *c, const char *chat)
{
    struct chat_view view = rig_look(rig, chat);
    assert_null(c->follower);
    if (join(c, chat, &view))
        hub_open(c->follower, &c->outlet);
}

static struct client *connected(size_t number, const char *chat)
{
    struct client *c = client(number);
    connect_to(c, chat);
    return c;
}

static struct client *connected_behind(size_t number, const char *chat, uint64_t a, uint64_t n)
{
    struct client *c = client(number);
    c->cursor = (struct cursor){CURSOR_ENTRY, {a, n}};
    c->attempt = a;
    c->count = n;
    connect_to(c, chat);
    return c;
}

/* ---- waiting ---- */

static void assert_nothing_wrong(void)
{
    if (wrong.length > 0)
        fail_msg("%s", buf_text(&wrong));
}

/* await, while clients read. */
static bool wait_for(await_fn *holds, void *arg)
{
    bool held = await(&rig->loop, holds, arg, AWAIT_MS);
    assert_nothing_wrong();
    return held;
}

struct wish {
    struct client *client;
    const char *text;
};

static bool has_said(void *arg)
{
    const struct wish *wish = arg;
    turn();
    return strcmp(buf_text(&wish->client->said), wish->text) == 0;
}

static void await_said(struct client *c, const char *text)
{
    struct wish wish = {c, text};
    if (!wait_for(has_said, &wish))
        fail_msg("said: %s\nnot: %s", buf_text(&c->said), text);
}

static bool has_commented(void *arg)
{
    const struct wish *wish = arg;
    turn();
    return strstr(buf_text(&wish->client->comments), wish->text) != NULL;
}

static void await_comment(struct client *c, const char *text)
{
    struct wish wish = {c, text};
    if (!wait_for(has_commented, &wish))
        fail_msg("no comment: %s\nbut: %s", text, buf_text(&c->comments));
}

static bool is_disconnected(void *arg)
{
    struct client *c = arg;
    turn();
    return !c->follower;
}

static void await_end(struct client *c)
{
    assert_true(wait_for(is_disconnected, c));
}

/* Everything that is under way has arrived: a few round trips on the hub's own connection. */
static void settle(void)
{
    for (int i = 0; i < 5; i++) {
        cli(rig, "PING");
        turn();
    }
}

/* XREAD returns empty-handed now, and not after its 5 s: each stream is looked at. */
static void look_now(void)
{
    const char *list = cli(rig, "CLIENT LIST");
    for (const char *line = list; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *name = strstr(line, " name=leat-api:lane ");
        const char *end = strchr(line, '\n');
        if (name && (!end || name < end))
            cli(rig, "CLIENT UNBLOCK %ld", strtol(line + strlen("id="), NULL, 10));
    }
}

/* Every connection breaks but the one that the steps take. */
static void break_lanes(void)
{
    cli(rig, "CLIENT KILL TYPE normal SKIPME yes");
}

/* ---- the world ---- */

static bool is_tracking; /* no stream has a lane */

static int begin(void **state)
{
    rig_fresh(state);
    rig = *state;
    if (is_tracking)
        rig->settings.api_tail_lanes = 0;
    memset(clients, 0, sizeof clients);
    buf_clear(&wrong);
    rig->settings.retry_backoff_ms = 1;
    rig->settings.retry_backoff_max_ms = 1;
    hub = NULL;
    return 0;
}

static int begin_lanes(void **state)
{
    is_tracking = false;
    return begin(state);
}

static int begin_tracking(void **state)
{
    is_tracking = true;
    return begin(state);
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS_MOST; i++) {
        struct client *c = &clients[i];
        if (c->follower)
            disconnect(c);
        buf_clear(&c->wire);
        buf_clear(&c->raw);
        buf_clear(&c->said);
        buf_clear(&c->comments);
    }
    if (hub)
        assert_int_equal(hub_followers(hub), 0);
    hub_free(hub);
    assert_nothing_wrong();
    return 0;
}

static void append(const struct claim *job, uint64_t first, size_t count)
{
    struct appended out = rig_append(rig, job, first, count);
    assert_int_equal(out.status, STATUS_OK);
    assert_int_equal(out.outcome, APPEND_OK);
}

static void done(const struct claim *job, uint64_t last)
{
    struct finished out = rig_done(rig, job, last);
    assert_int_equal(out.status, STATUS_OK);
    assert_int_equal(out.result.outcome, FINISH_ENDED);
}

/* The same job, claimed once more. */
static struct claim again(const char *worker)
{
    struct claims claims = {0};
    for (int tries = 0; tries < 2000 && claims.count == 0; tries++)
        claims = rig_claim(rig, worker, 1);
    assert_int_equal(claims.count, 1);
    return claims.jobs[0];
}

/* All of Redis is put aside, and put back later: what a crash without the last writes leaves. */
static void remember_all(void)
{
    assert_cli(rig, "OK",
               "EVAL 'for _,k in ipairs(redis.call([[KEYS]],[[*]])) do "
               "if not k:find([[^snap:]]) then "
               "redis.call([[SET]],[[snap:]]..k,redis.call([[DUMP]],k)) end end "
               "return redis.status_reply([[OK]])' 0");
}

static void go_back_to_it(void)
{
    assert_cli(rig, "OK",
               "EVAL 'for _,k in ipairs(redis.call([[KEYS]],[[*]])) do "
               "if not k:find([[^snap:]]) then redis.call([[DEL]],k) end end "
               "for _,k in ipairs(redis.call([[KEYS]],[[snap:*]])) do "
               "redis.call([[RESTORE]],k:sub(6),0,redis.call([[GET]],k)) redis.call([[DEL]],k) end "
               "return redis.status_reply([[OK]])' 0");
    /* No Redis is back within the millisecond: what is claimed from here on has a later id. */
    for (int64_t begun = rig_now(rig); rig_now(rig) < begun + 3;)
        uv_run(&rig->loop, UV_RUN_NOWAIT);
}

/* ---- following ---- */

static void two_followers_get_the_same_bytes(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *one = connected(0, "c"), *two = connected(1, "c");
    settle();
    buf_reset(&one->raw); /* both were told the news */
    buf_reset(&two->raw);
    append(&job, 1, 5);
    done(&job, 5);
    await_said(one, "m1 m2 m3 m4 m5 [DONE]");
    await_said(two, "m1 m2 m3 m4 m5 [DONE]");
    await_end(one);
    await_end(two);
    assert_string_equal(buf_text(&one->raw), buf_text(&two->raw));
    assert_int_equal(hub_followers(hub), 0);
}

static void who_joins_late_gets_all_from_the_attempts_start(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *one = connected(0, "c");
    append(&job, 1, 3);
    await_said(one, "m1 m2 m3");
    struct client *two = connected(1, "c");
    await_said(two, "m1 m2 m3");
    append(&job, 4, 1);
    await_said(one, "m1 m2 m3 m4");
    await_said(two, "m1 m2 m3 m4");
    done(&job, 4);
    await_end(one);
    struct client *three = connected(2, "c");
    await_said(three, "m1 m2 m3 m4 [DONE]");
}

static void a_cursor_goes_on_behind_it(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 6);
    struct client *one = connected_behind(0, "c", job.told.attempt, 4);
    await_said(one, "m5 m6");
    struct client *two = connected_behind(1, "c", job.told.attempt, 1); /* before the channel's */
    await_said(two, "m2 m3 m4 m5 m6");
    struct client *three = connected_behind(2, "c", job.told.attempt, 6);
    done(&job, 6);
    await_said(one, "m5 m6 [DONE]");
    await_said(two, "m2 m3 m4 m5 m6 [DONE]");
    await_said(three, "[DONE]");
}

/* The newest entries are known to the client, and not to the channel, whose lane is broken. */
static void who_is_ahead_of_the_channel_gets_nothing_twice(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    struct client *one = connected(0, "c");
    await_said(one, "m1 m2");
    break_lanes();
    append(&job, 3, 3);
    struct client *two = connected_behind(1, "c", job.told.attempt, 4);
    append(&job, 6, 1);
    done(&job, 6);
    await_said(one, "m1 m2 m3 m4 m5 m6 [DONE]");
    await_said(two, "m5 m6 [DONE]");
}

static void a_waiting_job_is_followed_into_its_run(void **state)
{
    (void)state;
    rig_put(rig, "c");
    struct client *c = connected(0, "c");
    await_comment(c, ": queued 1\n");
    struct claim job = rig_take(rig, "w1");
    append(&job, 1, 1);
    await_said(c, "m1");
    done(&job, 1);
    await_said(c, "m1 [DONE]");
}

static void a_cancelled_job_ends_its_followers(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 1);
    struct client *one = connected(0, "c"), *two = connected(1, "c");
    await_said(one, "m1");
    assert_true(rig_cancel(rig, "c", "").result.was_alive);
    await_said(one, "m1 cancelled(requested) [DONE]");
    await_said(two, "m1 cancelled(requested) [DONE]");
    await_end(one);
    await_end(two);
}

static void a_foreign_stream_is_followed_to_its_end(void **state)
{
    (void)state;
    cli(rig, "XADD stream:f:c 5-5 data m1");
    struct client *c = client(0);
    c->is_foreign = true;
    connect_to(c, "c");
    cli(rig, "XADD stream:f:c 7-0 data m2");
    cli(rig, "XADD stream:f:c 7-9 data [DONE]");
    await_said(c, "m1 m2 [DONE]");
    await_end(c);
}

static void a_foreign_stream_that_vanishes_is_gone(void **state)
{
    (void)state;
    cli(rig, "XADD stream:f:c 5-5 data m1");
    struct client *c = client(0);
    c->is_foreign = true;
    connect_to(c, "c");
    await_said(c, "m1");
    cli(rig, "DEL stream:f:c");
    look_now();
    await_said(c, "m1 gone [DONE]end");
}

/* ---- slow ones ---- */

/* Messages of our own length, as queue_append wants them. */
static enum append_outcome append_own(const struct claim *job, uint64_t first, uint64_t last,
                                      uint64_t *there);

static void a_slow_follower_is_served_by_pages(void **state)
{
    (void)state;
    rig->settings.api_stream_buffer_bytes = 4096;
    rig->settings.api_max_backlog_bytes = 1 << 30;
    struct claim job = rig_run(rig, "c");
    struct client *slow = connected(0, "c"), *fast = connected(1, "c");
    struct buf all = {0};
    uint64_t there;
    slow->appetite = 300;
    for (uint64_t n = 1; n <= 200; n += 5) {
        assert_int_equal(append_own(&job, n, n + 4, &there), APPEND_OK);
        for (uint64_t i = n; i < n + 5; i++)
            buf_printf(&all, "m%" PRIu64 " ", i);
        settle();
    }
    assert_true(slow->count < 200);
    done(&job, 200);
    buf_puts(&all, "[DONE]");
    await_said(fast, buf_text(&all));
    slow->appetite = 10000;
    await_said(slow, buf_text(&all));
    struct client *late = connected(2, "c");
    await_said(late, buf_text(&all));
    buf_clear(&all);
}

static bool all_have_said(void *arg)
{
    const char *text = arg;
    turn();
    for (size_t i = 0; i < 60; i++) {
        if (strcmp(buf_text(&clients[i].said), text) != 0)
            return false;
    }
    return true;
}

static size_t served_before; /* clients that had got something when our own look was answered */

static bool has_looked(void *arg)
{
    (void)arg;
    turn();
    return served_before != SIZE_MAX;
}

static void on_own_look(void *arg, enum status status, const struct chat_view *view)
{
    (void)arg;
    (void)view;
    assert_int_equal(status, STATUS_OK);
    served_before = 0;
    for (size_t i = 0; i < 60; i++)
        served_before += clients[i].outlet.sent_bytes > 500; /* more than the news */
}

/* All of them ask Redis at once, and a step of somebody else does not wait for all of them. */
static void many_that_are_behind_take_turns(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct buf all = {0};
    uint64_t there;
    for (uint64_t n = 1; n <= 200; n += 5)
        assert_int_equal(append_own(&job, n, n + 4, &there), APPEND_OK);
    for (uint64_t n = 1; n <= 200; n++)
        buf_printf(&all, "%sm%" PRIu64, n > 1 ? " " : "", n);
    struct chat_view view = rig_look(rig, "c");
    for (size_t i = 0; i < 60; i++)
        assert_true(join(client(i), "c", &view));
    for (size_t i = 0; i < 60; i++)
        hub_open(clients[i].follower, &clients[i].outlet);
    served_before = SIZE_MAX;
    assert_int_equal(queue_look(&rig->queue, "f", "c", on_own_look, NULL), STATUS_OK);
    assert_true(wait_for(has_looked, NULL));
    assert_in_range(served_before, 1, 16);
    assert_true(wait_for(all_have_said, all.data));
    buf_clear(&all);
}

static void pages_of_long_entries_are_small(void **state)
{
    (void)state;
    struct client *c = client(0);
    struct buf wanted = {0};
    c->is_foreign = true;
    for (int i = 1; i <= 40; i++) {
        cli(rig,
            "EVAL 'return redis.call([[XADD]],[[stream:f:c]],[[5-%d]],[[data]],"
            "[[m%d@]]..string.rep([[x]],30000))' 0",
            i, i);
        buf_printf(&wanted, "%sm%d", i > 1 ? " " : "", i);
    }
    connect_to(c, "c");
    await_said(c, wanted.data);
    assert_in_range(c->follower->channel->page_count, 1, 2);
    buf_clear(&wanted);
}

static bool holds_no_frames(void *arg)
{
    const struct client *c = arg;
    turn();
    return !c->follower->channel->frames.list && !c->follower->channel->frames.bytes.data;
}

static void a_silent_stream_holds_no_frames(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *one = connected(0, "c"), *two = connected(1, "c");
    append(&job, 1, 3);
    await_said(one, "m1 m2 m3");
    await_said(two, "m1 m2 m3");
    assert_non_null(one->follower->channel->frames.list); /* two may be back soon */
    one->follower->channel->entries_ms -= 10000;
    channel_tend_by(one->follower->channel, hub_now_ms(hub));
    assert_true(wait_for(holds_no_frames, one));
    append(&job, 4, 1);
    await_said(one, "m1 m2 m3 m4");
    struct client *late = connected(2, "c");
    await_said(late, "m1 m2 m3 m4");
}

static void what_the_only_follower_has_is_not_kept(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *c = connected(0, "c");
    struct buf all = {0};
    uint64_t there;
    for (uint64_t n = 1; n <= 200; n += 5) {
        assert_int_equal(append_own(&job, n, n + 4, &there), APPEND_OK);
        for (uint64_t i = n; i < n + 5; i++)
            buf_printf(&all, "%sm%" PRIu64, i > 1 ? " " : "", i);
        await_said(c, all.data);
        assert_int_equal(c->follower->channel->frames.count, 0);
        assert_in_range(c->follower->channel->frames.bytes.capacity, 0, 1024);
    }
    buf_clear(&all);
}

/* Takes the framing off, chunk by chunk. */
static void unchunk(char *at, struct buf *out)
{
    while (*at) {
        size_t length = strtoul(at, &at, 16);
        assert_memory_equal(at, "\r\n", 2);
        buf_add(out, at + 2, length);
        assert_memory_equal(at + 2 + length, "\r\n", 2);
        at += length + 4;
    }
}

static void with_and_without_chunks_the_bytes_are_the_same(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *raw = connected(0, "c"), *chunked = client(1);
    struct chat_view view = rig_look(rig, "c");
    struct buf text = {0};
    char bytes[65536];
    assert_true(join(chunked, "c", &view));
    chunked->appetite = 0; /* what it gets is read here */
    outlet_init(&chunked->outlet, chunked->ours, OUTLET_CHUNKED);
    hub_open(chunked->follower, &chunked->outlet);
    append(&job, 1, 3);
    await_said(raw, "m1 m2 m3");
    append(&job, 4, 1);
    await_said(raw, "m1 m2 m3 m4");
    ssize_t length = read(chunked->theirs, bytes, sizeof bytes - 1);
    assert_in_range(length, 1, sizeof bytes - 1);
    bytes[length] = '\0';
    unchunk(bytes, &text);
    assert_string_equal(buf_text(&text), buf_text(&raw->raw));
    buf_clear(&text);
}

static void who_is_too_far_behind_is_cut_and_may_resume(void **state)
{
    (void)state;
    rig->settings.api_max_backlog_bytes = 20000;
    struct claim job = rig_run(rig, "c");
    struct client *slow = connected(0, "c"), *fast = connected(1, "c");
    struct buf all = {0};
    uint64_t there;
    slow->appetite = 1;
    for (uint64_t n = 1; n <= 100; n++) {
        assert_int_equal(append_own(&job, n, n, &there), APPEND_OK);
        buf_printf(&all, "m%" PRIu64 " ", n);
        settle();
        if (slow->follower && slow->follower->channel)
            assert_in_range(slow->follower->channel->frames.written - slow->follower->mark, 0,
                            20000 + 3000);
    }
    await_end(slow);
    assert_false(slow->over);
    assert_true(slow->count < 100);
    done(&job, 100);
    buf_puts(&all, "[DONE]");
    await_said(fast, buf_text(&all));
    slow->appetite = 65536;
    connect_to(slow, "c");
    await_said(slow, buf_text(&all));
    buf_clear(&all);
}

/* Comments that broke a client's silence. */
static int beats(const struct client *c)
{
    int count = 0;
    for (const char *at = buf_text(&c->comments); (at = strstr(at, ":\n")) != NULL; at += 2)
        count++;
    return count;
}

static void who_takes_nothing_for_two_heartbeats_is_cut(void **state)
{
    (void)state;
    rig->settings.api_heartbeat_ms = 200;
    struct claim job = rig_run(rig, "c");
    uint64_t begin_ns = uv_hrtime();
    struct client *stalled = connected(0, "c"), *fast = connected(1, "c"),
                  *slow = connected(2, "c");
    uint64_t there;
    settle();
    stalled->theirs = -stalled->theirs - 2; /* it stays open, and is not read */
    slow->appetite = 300;
    assert_int_equal(append_own(&job, 1, 20, &there), APPEND_OK);
    uint64_t from_ns = uv_hrtime();
    stalled->appetite = 0;
    await_end(stalled);
    uint64_t now_ns = uv_hrtime();
    assert_in_range((now_ns - from_ns) / 1000000, 200, AWAIT_MS);
    assert_in_range(beats(fast), 1, (now_ns - begin_ns) / 1000000 / 100); /* none comes twice */
    assert_false(stalled->over);
    assert_non_null(slow->follower); /* it moves, if only a little */
    assert_non_null(fast->follower);
    assert_int_equal(fast->count, 20);
}

static bool has_three_beats(void *arg)
{
    turn();
    return beats(arg) >= 3;
}

static void silence_is_broken_by_comments(void **state)
{
    (void)state;
    rig->settings.api_heartbeat_ms = 100;
    rig_run(rig, "c");
    uint64_t from_ns = uv_hrtime();
    struct client *c = connected(0, "c"), *closed = client(1);
    struct chat_view view = rig_look(rig, "c");
    assert_true(join(closed, "c", &view)); /* its head is not out */
    assert_true(wait_for(has_three_beats, c));
    uint64_t took_ms = (uv_hrtime() - from_ns) / 1000000;
    assert_in_range(took_ms, 150, AWAIT_MS); /* the first one may come early */
    settle();
    assert_int_equal(closed->raw.length, 0);
    assert_int_equal(c->said.length, 0);
}

/* ---- news ---- */

/* As if the channel had last looked five seconds ago. */
static void let_look_age(struct client *c)
{
    c->follower->channel->looked_ms -= NEWS_EVERY_MS;
    channel_tend_by(c->follower->channel, hub_now_ms(hub));
}

/* As if the last news were five seconds old, for follower and channel. */
static void let_news_age(struct client *c)
{
    c->follower->news_ms -= NEWS_EVERY_MS;
    let_look_age(c);
}

static void news_come_at_most_every_five_seconds(void **state)
{
    (void)state;
    rig->settings.api_heartbeat_ms = 1000; /* a tick each 100 ms */
    rig_put(rig, "before");
    rig_put(rig, "c");
    struct client *c = connected(0, "c");
    await_comment(c, ": queued 2\n");
    struct claim first = rig_take(rig, "w1");
    assert_string_equal(first.chat, "before");
    let_look_age(c);         /* only the channel has aged */
    await_comment(c, ":\n"); /* a heartbeat: many ticks */
    assert_null(strstr(buf_text(&c->comments), "queued 1"));
    let_news_age(c);
    await_comment(c, ": queued 1\n");
    struct claim job = rig_take(rig, "w1");
    append(&job, 1, 1);
    await_said(c, "m1");
    assert_null(strstr(buf_text(&c->comments), "running"));
    let_news_age(c);
    await_comment(c, ": running attempt 1 w1\n");
    buf_reset(&c->comments);
    let_news_age(c);
    await_comment(c, ":\n");
    assert_null(strstr(buf_text(&c->comments), "running")); /* unchanged */
}

static void news_are_events_for_who_wants_all(void **state)
{
    (void)state;
    rig_put(rig, "c");
    struct client *c = client(0);
    struct chat_view view = rig_look(rig, "c");
    assert_true(join(c, "c", &view));
    c->follower->all_events = true;
    hub_open(c->follower, &c->outlet);
    await_said(c, "queued");
    rig_take(rig, "w1");
    settle();
    let_news_age(c);
    await_said(c, "queued running");
}

/* The step that a visitor came with ran before the newest entry, and was answered after it. */
static void an_older_view_brings_no_older_news(void **state)
{
    (void)state;
    rig_put(rig, "c");
    struct chat_view old = rig_look(rig, "c");
    struct claim job = rig_take(rig, "w1");
    struct client *one = connected(0, "c"), *two = client(1);
    append(&job, 1, 1);
    await_said(one, "m1");
    assert_true(join(two, "c", &old));
    hub_open(two->follower, &two->outlet);
    await_said(two, "m1");
    await_comment(two, ": running attempt 1 w1\n");
    assert_null(strstr(buf_text(&two->comments), "queued"));
}

static void news_can_go_out_with_the_first_lines(void **state)
{
    (void)state;
    rig_put(rig, "c");
    struct client *c = client(0);
    struct chat_view view = rig_look(rig, "c");
    struct buf first = {0};
    assert_true(join(c, "c", &view));
    hub_put_news(c->follower, &first);
    assert_string_equal(buf_text(&first), ": queued 1\n\n");
    hub_open(c->follower, &c->outlet);
    settle();
    assert_int_equal(c->raw.length, 0); /* and not once more */
    buf_clear(&first);
}

/* ---- another attempt, another job ---- */

static void a_new_attempt_is_announced(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    struct client *c = connected(0, "c");
    await_said(c, "m1 m2");
    rig_failed(rig, &job);
    struct claim second = again("w2");
    append(&second, 1, 1);
    await_said(c, "m1 m2 reset(retry) m1");
    struct client *late = connected(1, "c");
    await_said(late, "m1");
    rig_died(rig, &second);
    struct claim third = again("w3");
    done(&third, 0);
    await_said(c, "m1 m2 reset(retry) m1 reset(retry) [DONE]");
    await_said(late, "m1 reset(retry) [DONE]");
}

static void the_next_question_ends_the_former_ones_followers(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 1);
    struct client *old = connected(0, "c");
    await_said(old, "m1");
    struct enqueue next = question_with("c", "{}");
    next.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    struct client *new = connected(1, "c"), *unaware = client(2);
    snprintf(unaware->job, sizeof unaware->job, "%s", job.id);
    connect_to(unaware, "c");
    await_said(old, "m1 cancelled(replaced) [DONE]end");
    await_said(unaware, "superseded [DONE]end");
    struct claim second = rig_take(rig, "w2");
    append(&second, 1, 1);
    await_said(new, "m1");
    done(&second, 1);
    await_said(new, "m1 [DONE]");
}

/* Its lane was broken meanwhile, and the next job's first marker is gone again: the second one
   shows it just as well. */
static void another_job_shows_by_its_attempts_marker_too(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 1);
    struct client *old = connected(0, "c");
    await_said(old, "m1");
    break_lanes();
    struct enqueue next = question_with("c", "{}");
    next.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    struct claim second = rig_take(rig, "w2");
    append(&second, 1, 2);
    struct client *new = connected(1, "c");
    await_said(old, "m1 cancelled(replaced) [DONE]end");
    await_said(new, "m1 m2");
    done(&second, 2);
    await_said(new, "m1 m2 [DONE]");
}

/* The same, and who came for the next job had come before its first marker was gone. */
static void a_jobs_own_marker_does_not_end_its_followers(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 1);
    struct client *old = connected(0, "c");
    await_said(old, "m1");
    break_lanes();
    struct enqueue next = question_with("c", "{}");
    next.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    struct client *new = connected(1, "c");
    struct claim second = rig_take(rig, "w2");
    append(&second, 1, 2);
    await_said(new, "m1 m2");
    done(&second, 2);
    await_said(new, "m1 m2 [DONE]");
    assert_non_null(strstr(buf_text(&old->said), "[DONE]end"));
}

/* The same, and who came for the next job holds messages of an attempt that is over by then: what
   ends the others is its `reset`. */
static void a_jobs_own_marker_voids_what_its_followers_hold(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 1);
    struct client *old = connected(0, "c");
    await_said(old, "m1");
    break_lanes();
    struct enqueue next = question_with("c", "{}");
    next.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    struct claim first = rig_take(rig, "w2");
    append(&first, 1, 2);
    struct client *new = connected_behind(1, "c", first.told.attempt, 2);
    assert_true(rig_hand_back(rig, &first).was_ours);
    struct claim second = rig_take(rig, "w2");
    append(&second, 1, 1);
    await_said(new, "reset(retry) m1");
    done(&second, 1);
    await_said(new, "reset(retry) m1 [DONE]");
    assert_non_null(strstr(buf_text(&old->said), "[DONE]end"));
}

/* The same by a page: it was that far behind. */
static void a_page_does_not_lead_into_another_job(void **state)
{
    (void)state;
    rig->settings.api_stream_buffer_bytes = 4096;
    struct claim job = rig_run(rig, "c");
    struct client *old = connected(0, "c");
    uint64_t there;
    settle();
    old->appetite = 1;
    assert_int_equal(append_own(&job, 1, 30, &there), APPEND_OK);
    settle();
    assert_true(outlet_is_blocked(&old->outlet));
    done(&job, 30);
    struct enqueue next = question_with("c", "{}");
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    struct claim second = rig_take(rig, "w2");
    assert_int_equal(append_own(&second, 1, 30, &there), APPEND_OK);
    settle();
    old->appetite = 65536;
    await_end(old);
    assert_true(old->over);
    assert_non_null(strstr(buf_text(&old->said), "superseded [DONE]end"));
    assert_int_equal(old->attempt, job.told.attempt);
}

/* ---- what Redis loses ---- */

static void a_stream_that_its_worker_makes_anew_goes_on_exactly(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 4);
    struct client *one = connected(0, "c");
    await_said(one, "m1 m2 m3 m4");
    cli(rig, "DEL stream:f:c");
    look_now();
    settle();
    struct client *two = connected_behind(1, "c", job.told.attempt, 3), *three = connected(2, "c");
    settle();
    assert_int_equal(rig_append(rig, &job, 5, 1).outcome, APPEND_GONE);
    append(&job, 1, 5);
    await_said(one, "m1 m2 m3 m4 m5");
    await_said(two, "m4 m5");
    await_said(three, "m1 m2 m3 m4 m5");
    done(&job, 5);
    await_said(one, "m1 m2 m3 m4 m5 [DONE]");
    await_said(two, "m4 m5 [DONE]");
    await_said(three, "m1 m2 m3 m4 m5 [DONE]");
}

static void when_everything_is_lost_the_followers_are_told(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    rig_put(rig, "waiting");
    struct client *one = connected(0, "c"), *two = connected(1, "waiting");
    await_said(one, "m1 m2");
    cli(rig, "FLUSHALL");
    look_now();
    await_said(one, "m1 m2 gone [DONE]end");
    await_said(two, "gone [DONE]end");
}

static void a_lost_tail_of_an_ended_job_is_told(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    remember_all();
    append(&job, 3, 4);
    struct client *c = connected(0, "c");
    await_said(c, "m1 m2 m3 m4 m5 m6");
    go_back_to_it();
    rig_cancel(rig, "c", "");
    look_now();
    await_said(c, "m1 m2 m3 m4 m5 m6 reset(history_lost) m1 m2 cancelled(requested) [DONE]");
}

/* Just one message is lost, and the end has its id now. */
static void an_end_in_the_place_of_a_lost_message_is_told(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    remember_all();
    append(&job, 3, 1);
    struct client *c = connected(0, "c");
    await_said(c, "m1 m2 m3");
    go_back_to_it();
    rig_cancel(rig, "c", "");
    look_now();
    await_said(c, "m1 m2 m3 reset(history_lost) m1 m2 cancelled(requested) [DONE]");
}

/* It waits for a repair that never comes, beside others who stand where the stream ends. */
static void who_is_ahead_of_the_stream_is_told_when_the_job_ends(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    struct client *one = connected(0, "c"), *ahead = connected_behind(1, "c", job.told.attempt, 5);
    await_said(one, "m1 m2");
    look_now();
    settle();
    assert_int_equal(ahead->said.length, 0); /* it waits */
    rig_cancel(rig, "c", "");
    await_said(one, "m1 m2 cancelled(requested) [DONE]");
    look_now();
    await_said(ahead, "reset(history_lost) m1 m2 cancelled(requested) [DONE]");
}

static void who_is_ahead_of_the_stream_goes_on_when_it_is_repaired(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    struct client *ahead = connected_behind(1, "c", job.told.attempt, 4), *one = connected(0, "c");
    await_said(one, "m1 m2");
    look_now();
    append(&job, 3, 3);
    await_said(one, "m1 m2 m3 m4 m5");
    await_said(ahead, "m5");
}

/* Redis forgot the first claim; nothing in the second one's marker tells of it. */
static void a_lost_claim_is_told_even_if_the_next_comes_first(void **state)
{
    (void)state;
    rig_put(rig, "c");
    remember_all();
    struct claim job = rig_take(rig, "w1");
    append(&job, 1, 3);
    struct client *c = connected(0, "c");
    await_said(c, "m1 m2 m3");
    break_lanes();
    go_back_to_it();
    struct claim second = rig_take(rig, "w2");
    append(&second, 1, 2);
    await_said(c, "m1 m2 m3 reset(history_lost) m1 m2");
    done(&second, 2);
    await_said(c, "m1 m2 m3 reset(history_lost) m1 m2 [DONE]");
}

static void a_lost_claim_is_told_before_the_next(void **state)
{
    (void)state;
    rig_put(rig, "c");
    remember_all();
    struct claim job = rig_take(rig, "w1");
    append(&job, 1, 3);
    struct client *c = connected(0, "c");
    await_said(c, "m1 m2 m3");
    go_back_to_it();
    look_now();
    await_said(c, "m1 m2 m3 reset(history_lost)");
    struct claim second = rig_take(rig, "w2");
    append(&second, 1, 2);
    await_said(c, "m1 m2 m3 reset(history_lost) m1 m2");
}

/* ---- leaving ---- */

static bool all_are_gone(void *arg)
{
    (void)arg;
    turn();
    return hub_followers(hub) == 0;
}

static void followers_may_vanish_at_any_time(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    for (size_t i = 0; i < 50; i++)
        connected(i, "c");
    for (size_t i = 0; i < 50; i += 2) { /* nobody has noticed yet */
        close(clients[i].theirs);
        clients[i].theirs = -1;
    }
    append(&job, 1, 3);
    await_said(&clients[1], "m1 m2 m3");
    assert_int_equal(hub_followers(hub), 25);
    for (size_t i = 1; i < 25; i += 2) {
        close(clients[i].theirs);
        clients[i].theirs = -1;
    }
    done(&job, 3);
    assert_true(wait_for(all_are_gone, NULL));
    for (size_t i = 25; i < 50; i += 2)
        await_said(&clients[i], "m1 m2 m3 [DONE]");
}

static void the_last_one_leaves_in_every_callback(void **state)
{
    (void)state;
    rig->settings.api_heartbeat_ms = 100;
    for (int round = 0; round < 4; round++) {
        char chat[8];
        snprintf(chat, sizeof chat, "c%d", round);
        assert_cli(rig, "OK", "FLUSHALL");
        struct claim job = rig_run(rig, chat);
        append(&job, 1, 1);
        struct client *c = connected((size_t)round, chat);
        await_said(c, "m1");
        close(c->theirs);
        c->theirs = -1;
        if (round == 0)
            append(&job, 2, 1); /* on_entries */
        else if (round == 1)
            cli(rig, "FLUSHALL"), look_now(); /* on_view */
        else if (round == 2)
            rig_died(rig, &job), c->follower->news_ms = 0, look_now(); /* news */
        assert_true(wait_for(all_are_gone, NULL));                     /* else: the heartbeat */
    }
}

static void draining_ends_all_without_an_end(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 2);
    struct client *one = connected(0, "c"), *two = client(1);
    struct chat_view view = rig_look(rig, "c");
    assert_true(join(two, "c", &view));
    await_said(one, "m1 m2");
    hub_end_some(hub, 1);
    assert_int_equal(hub_followers(hub), 1);
    hub_end_some(hub, 10);
    assert_true(one->exchange.ended && two->exchange.ended);
    assert_int_equal(hub_followers(hub), 0);
    await_end(one);
    assert_false(one->over);
}

/* A look, a page, and a lane's connection are under way when everything goes. */
static void it_can_be_freed_at_any_time(void **state)
{
    (void)state;
    rig->settings.api_stream_buffer_bytes = 4096;
    struct claim job = rig_run(rig, "c");
    uint64_t there;
    assert_int_equal(append_own(&job, 1, 40, &there), APPEND_OK);
    for (int turns = 0; turns < 40; turns++) {
        struct client *one = connected(0, "c"), *two = connected(1, "c");
        for (int i = 0; i < turns; i++)
            uv_run(&rig->loop, UV_RUN_NOWAIT);
        disconnect(one);
        disconnect(two);
        hub_free(hub);
        hub = NULL;
        one->count = two->count = 0;
        one->cursor.kind = two->cursor.kind = CURSOR_NONE;
        buf_reset(&one->said);
        buf_reset(&two->said);
    }
}

static void streams_beyond_the_lanes_are_followed_too(void **state)
{
    (void)state;
    rig->settings.api_tail_lanes = 1;
    char chat[8];
    for (size_t i = 0; i < 5; i++) {
        snprintf(chat, sizeof chat, "c%zu", i);
        struct claim job = rig_run(rig, chat);
        append(&job, 1, 1);
        await_said(connected(i, chat), "m1");
        append(&job, 2, 1);
        await_said(&clients[i], "m1 m2");
    }
    assert_true(hub_has_room(hub, "f", "another"));
}

/* ---- anything at any time ---- */

static uint64_t seed;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* "m<n>@<A>....", as long as size_of says. Gives. */
static char *text_for(uint64_t a, uint64_t n)
{
    size_t size = size_of(a, n);
    char *text = malloc(size + 1);
    assert_non_null(text);
    int length = snprintf(text, size + 1, "m%" PRIu64 "@%" PRIu64, n, a);
    memset(text + length, '.', size - (size_t)length);
    text[size] = '\0';
    return text;
}

struct own {
    enum append_outcome outcome;
    uint64_t last;
    bool answered;
};

static void on_own(void *arg, enum status status, const struct append_result *result)
{
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(result->status, STATUS_OK);
    *(struct own *)arg = (struct own){result->outcome, result->last, true};
}

#define OWN_MOST 64

static enum append_outcome append_own(const struct claim *job, uint64_t first, uint64_t last,
                                      uint64_t *there)
{
    struct message messages[OWN_MOST];
    struct holding holding = hold(job);
    struct own own = {0};
    size_t count = 0;
    for (uint64_t n = first; n <= last && count < OWN_MOST; n++, count++)
        messages[count] =
            (struct message){text_for(job->told.attempt, n), size_of(job->told.attempt, n)};
    struct append append = {first, messages, count};
    assert_int_equal(queue_append(&rig->queue, &holding, &append, 1, on_own, &own), STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &own.answered, AWAIT_MS));
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)messages[i].data);
    *there = own.last;
    return own.outcome;
}

#define READERS 6

/* The one worker, and the chat's job as it knows it. */
struct play {
    struct claim job;
    bool owns;
    uint64_t written; /* of this attempt, by the worker's own count */
    bool remembered;
};

/* Claims, if it does not hold the job. */
static void want_job(struct play *p)
{
    if (p->owns)
        return;
    rig_beat(rig, "w", NULL, 0, true); /* what Redis thinks it has goes back */
    p->job = again("w");
    p->owns = true;
    p->written = 0;
}

static void write_more(struct play *p, uint64_t count)
{
    uint64_t first = p->written + 1, there;
    want_job(p);
    if (p->written == 0)
        first = 1;
    p->written = first + count - 1;
    for (;;) {
        uint64_t last = p->written < first + OWN_MOST - 1 ? p->written : first + OWN_MOST - 1;
        enum append_outcome outcome = append_own(&p->job, first, last, &there);
        if (outcome == APPEND_FENCED) {
            p->owns = false;
            return;
        }
        assert_int_not_equal(outcome, APPEND_FOREIGN);
        first = there + 1;
        if (outcome == APPEND_OK && there >= p->written)
            return;
    }
}

static void end_attempt(struct play *p)
{
    if (!p->owns)
        return;
    if (below(2))
        rig_failed(rig, &p->job);
    else if (below(2))
        rig_died(rig, &p->job);
    else
        rig_hand_back(rig, &p->job);
    p->owns = false;
}

/* Redis falls back to an earlier moment: all connections break but the steps'. The worker is told
   by the fence, or repairs what its owner's mark still stands for. */
static void travel(struct play *p)
{
    if (!p->remembered) {
        remember_all();
        p->remembered = true;
        return;
    }
    go_back_to_it();
    break_lanes();
    p->remembered = false;
}

/* What it followed is not the chat's any more: from the start, with nothing. */
static void forget_all(struct client *c)
{
    c->over = false;
    c->cursor.kind = CURSOR_NONE;
    c->attempt = c->count = 0;
}

static void move_client(struct client *c)
{
    if (c->over && !c->follower)
        forget_all(c);
    else if (c->over)
        return;
    if (!c->follower)
        connect_to(c, "c");
    else if (below(3) == 0)
        disconnect(c);
    else
        c->appetite = below(3) ? 65536 : 50 + below(2000);
}

static void ask_another(struct play *p)
{
    struct enqueue next = question_with("c", "{}");
    char hash[24];
    snprintf(hash, sizeof hash, "%u", below(1000000));
    next.body_hash = hash;
    next.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    p->owns = false;
}

static void step(struct play *p)
{
    unsigned dice = below(100);
    if (dice < 40)
        move_client(&clients[below(READERS)]);
    else if (dice < 75)
        write_more(p, 1 + below(12));
    else if (dice < 80)
        end_attempt(p);
    else if (dice < 84)
        travel(p);
    else if (dice < 88)
        break_lanes();
    else if (dice < 90)
        look_now();
    else if (dice < 93)
        ask_another(p);
    for (unsigned turns = below(4); turns > 0; turns--) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        turn();
    }
}

/* Who was cut comes back. */
static bool all_know_the_end(void *arg)
{
    (void)arg;
    turn();
    bool all = true;
    for (size_t i = 0; i < READERS; i++)
        all &= clients[i].over && clients[i].last.a > 0 && !clients[i].follower;
    return all;
}

static void await_all(void)
{
    for (int tries = 0; tries < 200; tries++) {
        for (size_t i = 0; i < READERS; i++) {
            struct client *c = &clients[i];
            c->appetite = 65536;
            if (c->over && !c->follower && c->last.a == 0)
                forget_all(c);
            if (!c->over && !c->follower)
                connect_to(c, "c");
        }
        bool held = await(&rig->loop, all_know_the_end, NULL, 100);
        assert_nothing_wrong();
        if (held)
            return;
        look_now();
    }
    for (size_t i = 0; i < READERS; i++)
        print_message("client %zu: over %d, at %" PRIu64 "-%" PRIu64 "\n", i, clients[i].over,
                      clients[i].attempt, clients[i].count);
    fail_msg("somebody never heard the end");
}

static void play_once(void)
{
    struct play p = {0};
    rig_put(rig, "c");
    for (int i = 0; i < 120; i++)
        step(&p);
    write_more(&p, 1);
    while (!p.owns)
        write_more(&p, 1);
    bool cancels = below(3) == 0;
    if (cancels)
        rig_cancel(rig, "c", "");
    else
        done(&p.job, p.written);
    struct chat_view view = rig_look(rig, "c");
    await_all();
    for (size_t i = 0; i < READERS; i++) {
        const struct client *c = &clients[i];
        assert_int_equal(c->last.a, view.last.a);
        assert_int_equal(c->last.n, view.last.n);
        assert_int_equal(c->count, view.last.n - 1);
        assert_true(c->count == 0 || c->attempt == view.attempt);
    }
}

static void whatever_happens_each_client_has_one_whole_answer(void **state)
{
    const char *only = getenv("TEST_HUB_SEED");
    uint64_t from = only ? strtoull(only, NULL, 10) : 1;
    for (uint64_t round = from; round < from + (only ? 1 : 25); round++) {
        print_message("seed %" PRIu64 "\n", round);
        seed = round * 7919;
        begin(state);
        rig->settings.api_stream_buffer_bytes = 4096 + below(20000);
        rig->settings.api_max_backlog_bytes = 4096 + below(60000);
        rig->settings.job_max_attempts = rig->settings.job_max_deaths = 100;
        for (size_t i = 0; i < READERS; i++)
            client(i);
        play_once();
        end(state);
        hub = NULL;
        memset(clients, 0, sizeof clients);
    }
}

/* Over both kinds of tails. */
#define HUB_TEST(test)                                       \
    {#test " (lanes)", test, begin_lanes, end, NULL},        \
    {                                                        \
#test " (tracking)", test, begin_tracking, end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(two_followers_get_the_same_bytes),
        HUB_TEST(who_joins_late_gets_all_from_the_attempts_start),
        HUB_TEST(a_cursor_goes_on_behind_it),
        HUB_TEST(who_is_ahead_of_the_channel_gets_nothing_twice),
        HUB_TEST(a_waiting_job_is_followed_into_its_run),
        HUB_TEST(a_cancelled_job_ends_its_followers),
        HUB_TEST(a_foreign_stream_is_followed_to_its_end),
        HUB_TEST(a_foreign_stream_that_vanishes_is_gone),
        HUB_TEST(a_slow_follower_is_served_by_pages),
        HUB_TEST(many_that_are_behind_take_turns),
        HUB_TEST(pages_of_long_entries_are_small),
        HUB_TEST(a_silent_stream_holds_no_frames),
        HUB_TEST(what_the_only_follower_has_is_not_kept),
        HUB_TEST(with_and_without_chunks_the_bytes_are_the_same),
        HUB_TEST(who_is_too_far_behind_is_cut_and_may_resume),
        HUB_TEST(who_takes_nothing_for_two_heartbeats_is_cut),
        HUB_TEST(silence_is_broken_by_comments),
        HUB_TEST(news_come_at_most_every_five_seconds),
        HUB_TEST(news_are_events_for_who_wants_all),
        HUB_TEST(news_can_go_out_with_the_first_lines),
        HUB_TEST(an_older_view_brings_no_older_news),
        HUB_TEST(a_new_attempt_is_announced),
        HUB_TEST(the_next_question_ends_the_former_ones_followers),
        HUB_TEST(another_job_shows_by_its_attempts_marker_too),
        HUB_TEST(a_jobs_own_marker_does_not_end_its_followers),
        HUB_TEST(a_jobs_own_marker_voids_what_its_followers_hold),
        HUB_TEST(a_page_does_not_lead_into_another_job),
        HUB_TEST(a_stream_that_its_worker_makes_anew_goes_on_exactly),
        HUB_TEST(when_everything_is_lost_the_followers_are_told),
        HUB_TEST(a_lost_tail_of_an_ended_job_is_told),
        HUB_TEST(an_end_in_the_place_of_a_lost_message_is_told),
        HUB_TEST(who_is_ahead_of_the_stream_is_told_when_the_job_ends),
        HUB_TEST(who_is_ahead_of_the_stream_goes_on_when_it_is_repaired),
        HUB_TEST(a_lost_claim_is_told_even_if_the_next_comes_first),
        HUB_TEST(a_lost_claim_is_told_before_the_next),
        HUB_TEST(followers_may_vanish_at_any_time),
        HUB_TEST(the_last_one_leaves_in_every_callback),
        HUB_TEST(draining_ends_all_without_an_end),
        HUB_TEST(it_can_be_freed_at_any_time),
        HUB_TEST(streams_beyond_the_lanes_are_followed_too),
        HUB_TEST(whatever_happens_each_client_has_one_whole_answer),
    };
    /* TEST_HUB_SEED=n: that one story alone, and of its rounds just this. */
    if (getenv("TEST_HUB_SEED"))
        cmocka_set_test_filter("whatever_happens*");
    return RIG_MAIN(tests);
}
