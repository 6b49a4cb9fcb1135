/*
 * test_render_hub.c: followers that speak a dialect (rendered.c), over a real Redis and real
 * outlets.
 *
 * Whatever the way that the entries take to it, at once or by pages through a blocked socket, a
 * follower reads the same bytes as a renderer that is given the stream in one go.
 *
 * The exchange is ours; only follower.c speaks to exchanges, so it is compiled in here.
 */
#define exchange_end fake_exchange_end
#define exchange_abort fake_exchange_abort
#include "follower.c"

#include "rig.h"

#include <sys/socket.h>
#include <unistd.h>

struct exchange {
    bool ended, aborted;
};

struct client {
    struct exchange exchange;
    struct follower follower;
    struct outlet outlet;
    int ours, theirs;
    bool reads;
    struct buf got;
    bool told_whole; /* of hub_on_whole */
    int http_status; /* 0: without a renderer */
};

#define CLIENTS_MOST 3

static struct rig *rig;
static struct hub *hub;
static struct client clients[CLIENTS_MOST];
static unsigned lefts; /* of hub_on_left */

void exchange_end(struct exchange *e)
{
    e->ended = true;
}

void exchange_abort(struct exchange *e)
{
    e->aborted = true;
}

static void on_whole(struct follower *f, struct render *render)
{
    struct client *c = CONTAINER_OF(f, struct client, follower);
    c->told_whole = true;
    if (render)
        render_whole(render, &c->http_status, &c->got);
}

static void on_left(void *arg, const char *feature_id, const char *chat_id, const char *job)
{
    (void)arg;
    assert_string_equal(feature_id, "f");
    assert_string_equal(chat_id, "c");
    assert_true(*job);
    lefts++;
}

/* ---- clients ---- */

static struct client *connected(size_t number, const struct render_options *options)
{
    int fds[2], small = 1;
    struct client *c = &clients[number];
    struct chat_view view = rig_look(rig, "c");
    struct cursor cursor = {.kind = CURSOR_NONE};
    struct resume resume = resume_decide(&cursor, "", &view);
    assert_int_equal(resume.action, RESUME_FOLLOW);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    c->ours = fds[0];
    c->theirs = fds[1];
    c->reads = true;
    outlet_init(&c->outlet, c->ours, OUTLET_RAW);
    c->follower = (struct follower){.exchange = &c->exchange};
    snprintf(c->follower.job, sizeof c->follower.job, "%s", view.job);
    if (options) {
        c->follower.render = render_new(options, view.job, "f", "c");
        assert_non_null(c->follower.render);
        c->follower.whole = options->whole;
        c->follower.render_once = options->format == RENDER_RAW;
        render_begin(c->follower.render, &c->got);
    }
    assert_int_equal(hub_join(hub, &c->follower, "f", "c", &view, resume.from), STATUS_OK);
    hub_open(&c->follower, options && options->whole ? NULL : &c->outlet);
    return c;
}

static void turn_one(struct client *c)
{
    char bytes[65536];
    ssize_t length;
    while (c->reads && (length = read(c->theirs, bytes, sizeof bytes)) > 0)
        buf_add(&c->got, bytes, (size_t)length);
    if (c->follower.channel && outlet_is_blocked(&c->outlet) &&
        outlet_flush(&c->outlet) == STATUS_OK && !outlet_is_blocked(&c->outlet))
        hub_writable(&c->follower);
    else if (!c->follower.channel && outlet_is_blocked(&c->outlet))
        assert_int_equal(outlet_flush(&c->outlet), STATUS_OK);
}

static void turn(void)
{
    for (size_t i = 0; i < CLIENTS_MOST; i++) {
        if (clients[i].ours)
            turn_one(&clients[i]);
    }
}

/* News and heartbeats come when they will. */
static void drop_comments(struct buf *text)
{
    char *to = text->data;
    for (char *at = text->data, *end; at && *at; at = end) {
        end = strstr(at, "\n\n");
        end = end ? end + 2 : at + strlen(at);
        if (*at != ':') {
            memmove(to, at, (size_t)(end - at));
            to += end - at;
        }
    }
    if (text->data) {
        *to = '\0';
        text->length = (size_t)(to - text->data);
    }
}

static bool is_over(void *arg)
{
    const struct client *c = arg;
    turn();
    return (c->exchange.ended || c->told_whole || c->exchange.aborted) &&
           !outlet_is_blocked(&c->outlet);
}

static void await_over(struct client *c)
{
    assert_true(await(&rig->loop, is_over, c, AWAIT_MS));
    turn();
    drop_comments(&c->got);
}

struct wish {
    struct client *client;
    const char *text;
};

static bool has_got(void *arg)
{
    const struct wish *wish = arg;
    turn();
    return strstr(buf_text(&wish->client->got), wish->text) != NULL;
}

static void await_got(struct client *c, const char *text)
{
    struct wish wish = {c, text};
    if (!await(&rig->loop, has_got, &wish, AWAIT_MS))
        fail_msg("not: %s\nin: %s", text, buf_text(&c->got));
}

static bool is_blocked(void *arg)
{
    struct client *c = arg;
    return outlet_is_blocked(&c->outlet);
}

static int begin(void **state)
{
    rig_fresh(state);
    rig = *state;
    rig->settings.retry_backoff_ms = 1;
    rig->settings.retry_backoff_max_ms = 1;
    memset(clients, 0, sizeof clients);
    lefts = 0;
    hub = hub_new(&rig->loop, &rig->settings, &rig->queue);
    assert_non_null(hub);
    hub_on_whole(hub, on_whole);
    hub_on_left(hub, on_left, NULL);
    return 0;
}

static int end_test(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS_MOST; i++) {
        struct client *c = &clients[i];
        if (!c->ours)
            continue;
        hub_leave(&c->follower);
        outlet_clear(&c->outlet);
        close(c->ours);
        close(c->theirs);
        buf_clear(&c->got);
    }
    assert_int_equal(hub_followers(hub), 0);
    hub_free(hub);
    return 0;
}

static void append(const struct claim *job, uint64_t first, size_t count)
{
    assert_int_equal(rig_append(rig, job, first, count).outcome, APPEND_OK);
}

static const struct render_options ai_sdk = {.format = RENDER_AI_SDK};

/* ---- */

static void a_follower_behind_pages_reads_what_one_at_the_head_does(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *quick = connected(0, &ai_sdk);
    append(&job, 1, 50);
    struct client *late = connected(1, &ai_sdk), *slow = connected(2, &ai_sdk);
    slow->reads = false;
    for (uint64_t n = 51; n <= 400; n += 50)
        append(&job, n, 50);
    assert_true(await(&rig->loop, is_blocked, slow, AWAIT_MS));
    slow->reads = true;
    assert_int_equal(rig_done(rig, &job, 400).status, STATUS_OK);
    await_over(quick);
    await_over(late);
    await_over(slow);
    assert_non_null(strstr(buf_text(&quick->got), "\"type\":\"finish\""));
    assert_non_null(strstr(buf_text(&quick->got), "data: [DONE]"));
    assert_true(quick->got.length > 400 * 20);
    assert_string_equal(buf_text(&late->got), buf_text(&quick->got));
    assert_string_equal(buf_text(&slow->got), buf_text(&quick->got));
}

static void raw_and_rendered_share_a_stream(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *raw = connected(0, NULL), *rendered = connected(1, &ai_sdk);
    append(&job, 1, 3);
    await_got(raw, "-3\n");
    assert_int_equal(rig_done(rig, &job, 3).status, STATUS_OK);
    await_over(raw);
    await_over(rendered);
    assert_null(strstr(buf_text(&rendered->got), "id: "));
    assert_non_null(strstr(buf_text(&raw->got), "data: [DONE]"));
}

static void after_its_snapshot_a_raw_follower_is_as_any_other(void **state)
{
    (void)state;
    const struct render_options options = {.snapshot = true};
    struct claim job = rig_run(rig, "c");
    append(&job, 1, 3);
    struct client *c = connected(0, &options);
    await_got(c, "event: snapshot");
    assert_null(c->follower.render);
    append(&job, 4, 1);
    await_got(c, "-4\ndata: ");
    assert_null(strstr(buf_text(&c->got), "-1\ndata: "));
    assert_int_equal(rig_done(rig, &job, 4).status, STATUS_OK);
    await_over(c);
}

static void a_whole_answer_is_told_at_its_end(void **state)
{
    (void)state;
    const struct render_options options = {.format = RENDER_OPENAI, .whole = true};
    struct claim job = rig_run(rig, "c");
    struct client *c = connected(0, &options);
    append(&job, 1, 3);
    assert_int_equal(rig_done(rig, &job, 3).status, STATUS_OK);
    await_over(c);
    assert_int_equal(c->http_status, 200);
    assert_non_null(strstr(buf_text(&c->got), "chat.completion"));
}

static void a_draining_gateway_has_no_whole_answer(void **state)
{
    (void)state;
    const struct render_options options = {.format = RENDER_OPENAI, .whole = true};
    rig_run(rig, "c");
    struct client *c = connected(0, &options);
    hub_end_some(hub, 1);
    assert_true(c->told_whole);
    assert_int_equal(c->http_status, 0);
}

static void append_long(const struct claim *job, uint64_t n)
{
    static char text[60000];
    int length = snprintf(text, sizeof text, "%0*d", (int)sizeof text - 1, 1);
    const struct message one = {text, (size_t)length};
    assert_int_equal(rig_append_these(rig, job, n, &one, 1).outcome, APPEND_OK);
}

/* What all of them keep has a bound; who keeps little goes on, and what is given back counts. */
static void beyond_what_may_be_kept_the_largest_are_cut_and_no_new_ones_join(void **state)
{
    (void)state;
    const struct render_options whole = {.format = RENDER_OPENAI, .whole = true};
    rig->settings.api_max_rendered_bytes = 300000;
    struct claim job = rig_run(rig, "c");
    struct client *small = connected(0, &ai_sdk), *large = connected(1, &whole);
    for (uint64_t n = 1; n <= 3; n++)
        append_long(&job, n);
    await_got(small, "1\\n\"}");
    assert_false(large->told_whole);
    assert_true(hub_may_render(hub, 0));
    /* One more joins, and begins at the beginning. */
    struct client *late = connected(2, &whole);
    await_over(late);
    assert_int_equal(late->http_status, 0);
    assert_false(large->told_whole);
    for (uint64_t n = 4; n <= 8; n++)
        append_long(&job, n);
    await_over(large);
    assert_int_equal(large->http_status, 0);
    assert_int_equal(hub_followers(hub), 1);
    assert_true(hub_may_render(hub, 0)); /* what they kept was given back */
    assert_int_equal(rig_done(rig, &job, 8).status, STATUS_OK);
    await_over(small);
    assert_non_null(strstr(buf_text(&small->got), "data: [DONE]"));
    assert_int_equal(hub->rendered, 0);
}

/* However little there is room for: who is here and keeps little stays, and nobody else comes. */
static void who_keeps_little_goes_on_beyond_what_may_be_kept(void **state)
{
    (void)state;
    const struct render_options whole = {.format = RENDER_OPENAI, .whole = true};
    struct claim job = rig_run(rig, "c");
    struct client *c = connected(0, &whole);
    rig->settings.api_max_rendered_bytes = 1;
    assert_false(hub_may_render(hub, 0));
    struct follower other = {.render = render_new(&ai_sdk, c->follower.job, "f", "c")};
    struct chat_view view = rig_look(rig, "c");
    assert_int_equal(hub_join(hub, &other, "f", "c", &view, c->follower.at), STATUS_FULL);
    render_free(other.render);
    size_t before = hub->rendered;
    append(&job, 1, 60);
    assert_int_equal(rig_done(rig, &job, 60).status, STATUS_OK);
    await_over(c);
    assert_int_equal(c->http_status, 200);
    assert_true(before > 0);
    assert_int_equal(hub->rendered, 0);
}

static void another_job_ends_it_in_its_dialect(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *c = connected(0, &ai_sdk);
    append(&job, 1, 1);
    await_got(c, "text-delta");
    struct enqueue next = question_with("c", "{}");
    next.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    await_over(c);
    assert_non_null(strstr(buf_text(&c->got), "data: [DONE]"));
}

static void when_everything_is_lost_it_is_told_in_its_dialect(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    struct client *c = connected(0, &ai_sdk);
    append(&job, 1, 2);
    await_got(c, "text-delta");
    cli(rig, "FLUSHALL");
    await_over(c);
    assert_non_null(strstr(buf_text(&c->got), "data: [DONE]"));
}

static void only_a_client_that_left_is_reported(void **state)
{
    (void)state;
    rig_run(rig, "c");
    struct client *c = connected(0, &ai_sdk);
    c->follower.cancels = true;
    assert_true(hub_follows(hub, "f", "c", c->follower.job));
    hub_abandon(&c->follower);
    assert_int_equal(lefts, 1);
    assert_false(hub_follows(hub, "f", "c", c->follower.job));
    struct client *drained = connected(1, &ai_sdk);
    drained->follower.cancels = true;
    hub_end_some(hub, 1);
    assert_int_equal(lefts, 1);
}

#define HUB_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(a_follower_behind_pages_reads_what_one_at_the_head_does),
        HUB_TEST(raw_and_rendered_share_a_stream),
        HUB_TEST(after_its_snapshot_a_raw_follower_is_as_any_other),
        HUB_TEST(a_whole_answer_is_told_at_its_end),
        HUB_TEST(a_draining_gateway_has_no_whole_answer),
        HUB_TEST(beyond_what_may_be_kept_the_largest_are_cut_and_no_new_ones_join),
        HUB_TEST(who_keeps_little_goes_on_beyond_what_may_be_kept),
        HUB_TEST(another_job_ends_it_in_its_dialect),
        HUB_TEST(when_everything_is_lost_it_is_told_in_its_dialect),
        HUB_TEST(only_a_client_that_left_is_reported),
    };
    return RIG_MAIN(tests);
}
