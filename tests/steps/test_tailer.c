/*
 * test_tailer.c: tailer.c against a real Redis.
 *
 * A `reader` follows one stream and notes the ids that it is given. Each test's entries have
 * the ids 1-1, 1-2, …, so that an order, a hole and a doubled one can be seen at once.
 *
 * Most tests are run three times: with lanes alone, with tracking alone, and with few lanes and
 * tracking beyond them.
 */
#include "rig.h"

#include "lanes.h"
#include "tailer.h"

#include "log.h"

#define BLOCK_MS 150
#define IDS_MOST 5000

struct reader {
    struct tail *tail;
    char key[24]; /* the tail borrows it */
    struct entry_id ids[IDS_MOST];
    size_t count;
    size_t wanted; /* for await */
    unsigned checks, wanted_checks;
    bool leaves_at_entries, leaves_at_check;
    bool moves; /* once, in the next on_entries, to move_to */
    struct entry_id move_to;
};

static struct rig *rig; /* the group's */
static enum kind { LANES, TRACKING, BOTH } kind;
static struct tailer *tailer;
static struct lanes *lanes; /* of LANES, which takes no tailer */
static size_t lanes_most;
static struct reader readers[64];

static struct entry_id id_of(uint64_t a, uint64_t n)
{
    return (struct entry_id){.a = a, .n = n};
}

static void on_entries(void *arg, const struct entry *entries, size_t count)
{
    struct reader *r = arg;
    assert_non_null(r->tail);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(r->count < IDS_MOST);
        r->ids[r->count++] = entries[i].id;
    }
    if (r->moves) {
        r->moves = false;
        tailer_move(r->tail, r->move_to);
    }
    if (r->leaves_at_entries) {
        struct tail *tail = r->tail;
        r->tail = NULL;
        tailer_leave(tail);
    }
}

static void on_check(void *arg)
{
    struct reader *r = arg;
    assert_non_null(r->tail);
    r->checks++;
    if (r->leaves_at_check) {
        struct tail *tail = r->tail;
        r->tail = NULL;
        tailer_leave(tail);
    }
}

static const struct tailer_events events = {.on_entries = on_entries, .on_check = on_check};

/* ---- the world ---- */

static void count(struct tailer_figures *figures)
{
    memset(figures, 0, sizeof *figures);
    if (tailer)
        tailer_count(tailer, figures);
}

static bool is_tracking(void *arg)
{
    struct tailer_figures figures;
    (void)arg;
    count(&figures);
    return figures.is_tracking;
}

static void make(int64_t block_ms)
{
    if (kind == LANES) {
        lanes = lanes_new(&rig->loop, &rig->settings, rig->redis, block_ms);
        assert_non_null(lanes);
        return;
    }
    tailer = tailer_new(&rig->loop, &rig->settings, rig->redis, block_ms);
    assert_non_null(tailer);
    assert_true(await(&rig->loop, is_tracking, NULL, AWAIT_MS));
}

/* A test's wish. */
static void set_lanes(size_t most)
{
    lanes_most = most;
    rig->settings.api_tail_lanes = kind == TRACKING ? 0 : (int64_t)most;
}

static int begin(void **state, enum kind which)
{
    rig_fresh(state);
    rig = *state;
    memset(readers, 0, sizeof readers);
    kind = which;
    set_lanes(which == BOTH ? 2 : SIZE_MAX / 2);
    make(BLOCK_MS);
    return 0;
}

static int begin_lanes(void **state)
{
    return begin(state, LANES);
}

static int begin_tracking(void **state)
{
    return begin(state, TRACKING);
}

static int begin_both(void **state)
{
    return begin(state, BOTH);
}

static void leave(struct reader *r)
{
    struct tail *tail = r->tail;
    r->tail = NULL;
    tailer_leave(tail);
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        leave(&readers[i]);
    tailer_free(tailer);
    lanes_free(lanes);
    tailer = NULL;
    lanes = NULL;
    return 0;
}

static enum status follow(struct reader *r, const char *key, struct entry_id after)
{
    r->count = 0;
    snprintf(r->key, sizeof r->key, "%s", key);
    if (kind != LANES)
        return tailer_follow(tailer, r->key, after, &events, r, &r->tail);
    if (!lanes_have_room(lanes, lanes_most))
        return STATUS_FULL;
    return lanes_follow(lanes, r->key, after, &events, r, &r->tail);
}

static void must_follow(struct reader *r, const char *key, struct entry_id after)
{
    assert_int_equal(follow(r, key, after), STATUS_OK);
    assert_non_null(r->tail);
}

static void add(const char *key, uint64_t a, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n <= to; n++)
        cli(rig, "XADD %s %" PRIu64 "-%" PRIu64 " data m%" PRIu64, key, a, n, n);
}

static bool has_wanted(void *arg)
{
    const struct reader *r = arg;
    return r->count >= r->wanted;
}

static bool has_checked(void *arg)
{
    const struct reader *r = arg;
    return r->checks >= r->wanted_checks;
}

static bool has_left(void *arg)
{
    const struct reader *r = arg;
    return !r->tail;
}

static void await_entries(struct reader *r, size_t count)
{
    r->wanted = count;
    if (!await(&rig->loop, has_wanted, r, AWAIT_MS))
        fail_msg("%zu of %zu entries came", r->count, count);
}

static void await_checks(struct reader *r, unsigned more)
{
    r->wanted_checks = r->checks + more;
    assert_true(await(&rig->loop, has_checked, r, AWAIT_MS));
}

static bool is_silent(void *arg)
{
    struct tailer_figures figures;
    (void)arg;
    count(&figures);
    return figures.is_tracking && !figures.is_reading;
}

/* What there is was read, and Redis will tell of the next change. */
static void await_waiting(struct reader *r)
{
    if (r->tail->lane)
        await_checks(r, 1);
    else
        assert_true(await(&rig->loop, is_silent, NULL, AWAIT_MS));
}

/* All that came is a-from … a-to, each once, in order. */
static void assert_run(const struct reader *r, uint64_t a, uint64_t from, uint64_t to)
{
    assert_int_equal(r->count, to - from + 1);
    for (size_t i = 0; i < r->count; i++) {
        assert_int_equal(r->ids[i].a, a);
        assert_int_equal(r->ids[i].n, from + i);
    }
}

static size_t connected_lanes(void)
{
    size_t count = 0;
    const char *at = cli(rig, "CLIENT LIST");
    while ((at = strstr(at, " name=leat-api:lane "))) {
        count++;
        at++;
    }
    return count;
}

/* ---- following ---- */

static void what_is_there_comes_first_and_then_what_is_written(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    add("s", 1, 1, 250);
    must_follow(r, "s", id_of(0, 0));
    await_entries(r, 250);
    add("s", 1, 251, 300);
    await_entries(r, 300);
    assert_run(r, 1, 1, 300);
}

static void it_begins_right_behind_the_id(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    add("s", 1, 1, 20);
    must_follow(r, "s", id_of(1, 12));
    await_entries(r, 8);
    assert_run(r, 1, 13, 20);
}

static void a_stream_that_is_not_there_yet_can_be_followed(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    must_follow(r, "s", id_of(0, 0));
    await_waiting(r);
    add("s", 1, 1, 3);
    await_entries(r, 3);
    assert_run(r, 1, 1, 3);
}

static void no_callback_comes_inside_follow(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    must_follow(r, "s", id_of(0, 0)); /* on_entries and on_check assert that the tail is known */
    add("s", 1, 1, 1);
    await_entries(r, 1);
    leave(r);
    for (int i = 0; i < 100; i++) {
        while (follow(r, "s", id_of(0, 0)) == STATUS_FULL)
            uv_run(&rig->loop, UV_RUN_ONCE);
        await_entries(r, 1);
        leave(r);
    }
}

static void as_many_as_there_are_lanes_can_be_followed_at_once(void **state)
{
    (void)state;
    const size_t most = 40;
    char key[16];
    set_lanes(most);
    for (size_t i = 0; i < most; i++) {
        snprintf(key, sizeof key, "s%zu", i);
        must_follow(&readers[i], key, id_of(0, 0));
    }
    assert_int_equal(follow(&readers[most], "one too many", id_of(0, 0)), STATUS_FULL);
    assert_null(readers[most].tail);
    for (size_t i = 0; i < most; i++) {
        snprintf(key, sizeof key, "s%zu", i);
        add(key, 100 + i, 1, 3);
    }
    for (size_t i = 0; i < most; i++) {
        await_entries(&readers[i], 3);
        assert_run(&readers[i], 100 + i, 1, 3);
    }
    assert_int_equal(connected_lanes(), most);
}

static bool can_follow(void *arg)
{
    struct reader *r = arg;
    enum status status = follow(r, "another", id_of(0, 0));
    assert_true(status == STATUS_OK || status == STATUS_FULL);
    return status == STATUS_OK;
}

static void a_lane_that_was_left_serves_another_stream(void **state)
{
    (void)state;
    set_lanes(1);
    must_follow(&readers[0], "one", id_of(0, 0));
    await_waiting(&readers[0]);
    leave(&readers[0]);
    assert_true(await(&rig->loop, can_follow, &readers[1], AWAIT_MS));
    add("another", 1, 1, 2);
    await_entries(&readers[1], 2);
    assert_run(&readers[1], 1, 1, 2);
    assert_int_equal(connected_lanes(), 1);
}

/* Streams come and go on few lanes, and each is written while it is followed, after it was left,
   and in between: nobody gets another's. */
static void nothing_of_a_former_stream_reaches_the_next(void **state)
{
    (void)state;
    char key[24];
    uint64_t seed = 20240917;
    print_message("seed %" PRIu64 "\n", seed);
    set_lanes(3);
    for (uint64_t turn = 1; turn <= 400; turn++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned dice = (unsigned)(seed >> 40);
        struct reader *r = &readers[dice % 3];
        leave(r);
        snprintf(key, sizeof key, "s%" PRIu64, turn);
        while (follow(r, key, id_of(0, 0)) == STATUS_FULL)
            uv_run(&rig->loop, UV_RUN_ONCE);
        /* Every reader's stream has ids of its own. */
        r->move_to = id_of(turn, 0);
        if (dice & 64)
            add(key, turn, 1, 2);
        if (dice & 128) {
            await_entries(r, dice & 64 ? 2 : 0);
            for (size_t i = 0; i < r->count; i++)
                assert_int_equal(r->ids[i].a, turn);
        }
        if (turn > 5 && dice & 256) {
            snprintf(key, sizeof key, "s%" PRIu64, turn - 1 - dice % 5);
            cli(rig, "XADD %s 9999-* data late", key);
            cli(rig, "DEL %s", key);
        }
        for (size_t i = 0; i < 3; i++) {
            for (size_t j = 0; j < readers[i].count; j++)
                assert_true(readers[i].ids[j].a == readers[i].move_to.a ||
                            readers[i].ids[j].a == 9999);
        }
    }
    assert_true(connected_lanes() <= 3);
}

/* ---- leaving and moving ---- */

static void a_tail_may_leave_in_its_callbacks(void **state)
{
    (void)state;
    add("s", 1, 1, 5);
    set_lanes(2);
    for (int i = 0; i < 20; i++) {
        struct reader *r = &readers[0];
        r->leaves_at_entries = true;
        while (follow(r, "s", id_of(0, 0)) == STATUS_FULL)
            uv_run(&rig->loop, UV_RUN_ONCE);
        assert_true(await(&rig->loop, has_left, r, AWAIT_MS));
        assert_run(r, 1, 1, 5);
        r = &readers[1];
        r->leaves_at_check = true;
        while (follow(r, "silence", id_of(0, 0)) == STATUS_FULL)
            uv_run(&rig->loop, UV_RUN_ONCE);
        assert_true(await(&rig->loop, has_left, r, AWAIT_MS));
    }
    assert_true(connected_lanes() <= 2);
}

static void a_tail_that_is_moved_goes_on_from_there(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    add("s", 1, 1, 10);
    must_follow(r, "s", id_of(0, 0));
    await_entries(r, 10);
    await_waiting(r);
    r->count = 0;
    tailer_move(r->tail, id_of(1, 4));
    await_entries(r, 6);
    assert_run(r, 1, 5, 10);
    r->count = 0;
    tailer_move(r->tail, id_of(1, 2));
    tailer_move(r->tail, id_of(1, 8));
    await_entries(r, 2);
    assert_run(r, 1, 9, 10);
    r->count = 0;
    tailer_move(r->tail, id_of(1, 20));
    add("s", 1, 11, 25);
    await_entries(r, 5);
    assert_run(r, 1, 21, 25);
}

static void a_tail_may_be_moved_in_its_callback(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    add("s", 1, 1, 10);
    r->moves = true;
    r->move_to = id_of(1, 5);
    must_follow(r, "s", id_of(0, 0));
    await_entries(r, 15);
    assert_int_equal(r->count, 15);
    assert_int_equal(r->ids[9].n, 10);
    assert_int_equal(r->ids[10].n, 6);
    assert_int_equal(r->ids[14].n, 10);
}

static void a_tail_can_be_left_while_it_is_moved(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    set_lanes(1);
    add("s", 1, 1, 3);
    must_follow(r, "s", id_of(1, 3));
    await_waiting(r);
    tailer_move(r->tail, id_of(0, 0));
    leave(r);
    assert_true(await(&rig->loop, can_follow, &readers[1], AWAIT_MS));
    add("another", 7, 1, 1);
    await_entries(&readers[1], 1);
    assert_run(&readers[1], 7, 1, 1);
    assert_int_equal(r->count, 0);
}

/* ---- what a read does not tell ---- */

static void a_stream_that_vanished_is_noticed_within_the_block_time(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    add("s", 5, 1, 3);
    must_follow(r, "s", id_of(0, 0));
    await_entries(r, 3);
    uint64_t from_ns = uv_hrtime();
    unsigned checks = r->checks;
    cli(rig, "DEL s");
    r->wanted_checks = checks + (r->tail->lane ? 2 : 1); /* a lane's may have been on its way */
    assert_true(await(&rig->loop, has_checked, r, AWAIT_MS));
    assert_in_range((uv_hrtime() - from_ns) / 1000000, 0, 100 * BLOCK_MS);
    /* Made anew with lower ids: silence, until the owner goes back. */
    checks = r->checks;
    add("s", 4, 1, 2);
    r->wanted_checks = checks + 1;
    assert_true(await(&rig->loop, has_checked, r, AWAIT_MS));
    assert_int_equal(r->count, 3);
    r->count = 0;
    tailer_move(r->tail, id_of(0, 0));
    await_entries(r, 2);
    assert_run(r, 4, 1, 2);
}

static void a_key_of_another_type_is_asked_for_once_a_second(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    cli(rig, "SET s text");
    must_follow(r, "s", id_of(0, 0));
    await_checks(r, 1); /* may be the connection's */
    cli(rig, "CONFIG RESETSTAT");
    await_checks(r, 1);
    cli(rig, "DEL s");
    add("s", 1, 1, 2);
    await_entries(r, 2);
    assert_run(r, 1, 1, 2);
    const char *all = cli(rig, "INFO commandstats"), *calls = strstr(all, "cmdstat_xread:calls=");
    calls = calls ? calls : strstr(all, "cmdstat_xrange:calls="); /* tracked */
    assert_non_null(calls);
    assert_in_range(strtol(strchr(calls, '=') + 1, NULL, 10), 1, 5);
}

/* ---- connections that break ---- */

static bool is_down(void *arg)
{
    return !redis_is_up(arg);
}

static void go_down(void)
{
    redis_server_kill(rig->server);
    assert_true(await(&rig->loop, is_down, rig->redis, AWAIT_MS));
}

static void come_up(void)
{
    redis_server_up(rig->server);
    rig_await_up(rig, rig->redis);
}

static void a_restart_loses_and_doubles_nothing(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    must_follow(r, "s", id_of(0, 0));
    for (uint64_t round = 0; round < 3; round++) {
        uint64_t base = round * 20;
        add("s", 1, base + 1, base + 10);
        if (round != 1)
            await_entries(r, base + 10);
        r->wanted_checks = r->checks + 1;
        go_down();
        come_up();
        /* Where entries come first, they say more than a look would. */
        if (round != 1)
            assert_true(await(&rig->loop, has_checked, r, AWAIT_MS));
        add("s", 1, base + 11, base + 20);
        await_entries(r, base + 20);
    }
    assert_run(r, 1, 1, 60);
}

static void a_killed_connection_loses_and_doubles_nothing(void **state)
{
    (void)state;
    char key[16];
    for (size_t i = 0; i < 10; i++) {
        snprintf(key, sizeof key, "s%zu", i);
        must_follow(&readers[i], key, id_of(0, 0));
    }
    for (uint64_t round = 1; round <= 10; round++) {
        for (size_t i = 0; i < 10; i++) {
            snprintf(key, sizeof key, "s%zu", i);
            add(key, 1, round, round);
        }
        cli(rig, "CLIENT KILL TYPE normal SKIPME yes");
    }
    for (size_t i = 0; i < 10; i++) {
        await_entries(&readers[i], 10);
        assert_run(&readers[i], 1, 1, 10);
    }
}

static void tails_may_come_and_go_while_redis_is_away(void **state)
{
    (void)state;
    set_lanes(3);
    must_follow(&readers[0], "a", id_of(0, 0));
    await_waiting(&readers[0]);
    go_down();
    must_follow(&readers[1], "b", id_of(0, 0));
    leave(&readers[0]);
    leave(&readers[1]);
    must_follow(&readers[0], "c", id_of(0, 0));
    tailer_move(readers[0].tail, id_of(0, 5));
    must_follow(&readers[1], "d", id_of(0, 0));
    come_up();
    add("c", 1, 1, 2);
    add("d", 2, 1, 2);
    await_entries(&readers[0], 2);
    await_entries(&readers[1], 2);
    assert_run(&readers[0], 1, 1, 2);
    assert_run(&readers[1], 2, 1, 2);
}

/* CLIENT UNBLOCK cannot be sent: the lane's connection is made anew instead. */
static void without_a_command_connection_lanes_are_still_given_up(void **state)
{
    (void)state;
    struct settings nowhere = rig->settings;
    nowhere.redis_socket = "/nonexistent/redis.sock";
    struct redis *down = redis_new(
        &(struct redis_options){.loop = &rig->loop, .settings = &nowhere, .name = "down"});
    assert_non_null(down);
    lanes_free(lanes);
    lanes = lanes_new(&rig->loop, &rig->settings, down, 60000);
    assert_non_null(lanes);
    set_lanes(1);
    must_follow(&readers[0], "one", id_of(0, 0));
    await_checks(&readers[0], 1); /* the connection's */
    leave(&readers[0]);
    assert_true(await(&rig->loop, can_follow, &readers[1], AWAIT_MS));
    add("another", 1, 1, 2);
    await_entries(&readers[1], 2);
    tailer_move(readers[1].tail, id_of(0, 0));
    await_entries(&readers[1], 4);
    assert_int_equal(readers[1].ids[2].n, 1);
    leave(&readers[1]);
    lanes_free(lanes);
    lanes = NULL;
    redis_free(down);
    /* `nowhere` is looked at until the connection is closed. */
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    uv_run(&rig->loop, UV_RUN_NOWAIT);
}

static void it_can_be_freed_in_every_phase(void **state)
{
    (void)state;
    for (int turns = 0; turns < 30; turns++) {
        struct tailer *other = tailer_new(&rig->loop, &rig->settings, rig->redis, BLOCK_MS);
        struct reader r = {0};
        assert_non_null(other);
        assert_int_equal(tailer_follow(other, "s", id_of(0, 0), &events, &r, &r.tail), STATUS_OK);
        for (int i = 0; i < turns; i++)
            uv_run(&rig->loop, UV_RUN_NOWAIT);
        if (turns % 3 == 0)
            tailer_move(r.tail, id_of(3, 3));
        leave(&r);
        tailer_free(other);
    }
}

/* ---- tracking ---- */

static void await_more_checks(struct reader *r, unsigned than)
{
    r->wanted_checks = than + 1;
    assert_true(await(&rig->loop, has_checked, r, AWAIT_MS));
}

static void a_silent_stream_that_vanished_is_checked_at_once(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    const char *const ways[] = {"DEL s",   "PEXPIRE s 20", "FLUSHALL",
                                "FLUSHDB", "RENAME s t",   "SET s text"};
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        cli(rig, "FLUSHALL");
        add("s", 5, 1, 3);
        must_follow(r, "s", id_of(0, 0));
        await_entries(r, 3);
        await_waiting(r);
        unsigned checks = r->checks;
        cli(rig, "%s", ways[i]);
        await_more_checks(r, checks);
        assert_int_equal(r->count, 3);
        leave(r);
    }
}

static void a_stream_that_changed_before_it_was_followed_is_checked(void **state)
{
    (void)state;
    struct reader *r = &readers[0];
    must_follow(r, "s", id_of(7, 2)); /* as it was looked at; it went meanwhile */
    await_more_checks(r, 0);
    add("s", 7, 2, 2);
    must_follow(&readers[1], "s", id_of(7, 2));
    await_waiting(&readers[1]);
    assert_int_equal(readers[1].checks, 0);
    assert_int_equal(readers[1].count, 0);
    add("s", 7, 3, 4);
    await_entries(&readers[1], 2);
    assert_run(&readers[1], 7, 3, 4);
}

static void two_tails_of_one_stream_both_get_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        must_follow(&readers[i], "s", id_of(0, 0));
    await_waiting(&readers[0]);
    add("s", 1, 1, 100);
    for (size_t i = 0; i < 3; i++) {
        await_entries(&readers[i], 100);
        assert_run(&readers[i], 1, 1, 100);
    }
}

static void a_key_of_another_type_disturbs_no_other(void **state)
{
    (void)state;
    char key[16];
    for (size_t i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "s%zu", i);
        if (i % 7 == 3)
            cli(rig, "SET %s text", key);
        must_follow(&readers[i], key, id_of(0, 0));
    }
    for (size_t i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "s%zu", i);
        if (i % 7 != 3)
            add(key, 1, 1, 3);
    }
    for (size_t i = 0; i < 60; i++) {
        await_entries(&readers[i], i % 7 == 3 ? 0 : 3);
        assert_run(&readers[i], 1, 1, i % 7 == 3 ? 0 : 3);
    }
    /* It becomes a stream: that is told like any change. */
    cli(rig, "DEL s3");
    add("s3", 1, 1, 2);
    await_entries(&readers[3], 2);
}

/* Many streams, entries for any of them in any order, and the two connections are cut all the time.
 */
#define STREAMS 2000

struct follower {
    struct tail *tail;
    char key[24];
    uint64_t got, written;
};

static struct follower followers[STREAMS];
static uint64_t got_all, written_all;

static void on_own_entries(void *arg, const struct entry *entries, size_t count_of)
{
    struct follower *f = arg;
    for (size_t i = 0; i < count_of; i++) {
        assert_int_equal(entries[i].id.a, f - followers + 1);
        assert_int_equal(entries[i].id.n, ++f->got);
        got_all++;
    }
}

static void on_own_check(void *arg)
{
    assert_non_null(((struct follower *)arg)->tail);
}

static const struct tailer_events own_events = {.on_entries = on_own_entries,
                                                .on_check = on_own_check};

static bool has_all(void *arg)
{
    (void)arg;
    return got_all == written_all;
}

static unsigned dice_of(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33);
}

/* In one write: 50 entries, each in one of the streams. */
static void write_somewhere(uint64_t *seed)
{
    for (int i = 0; i < 50; i++) {
        struct follower *f = &followers[dice_of(seed) % STREAMS];
        char id[ENTRY_ID_SIZE];
        size_t length = entry_id_format(id_of((uint64_t)(f - followers) + 1, ++f->written), id);
        const char *argv[] = {"XADD", f->key, id, "data", "m"};
        const size_t lengths[] = {4, strlen(f->key), length, 4, 1};
        assert_int_equal(redis_send(rig->redis, 5, argv, lengths, NULL, NULL), STATUS_OK);
        written_all++;
    }
    uv_run(&rig->loop, UV_RUN_NOWAIT);
}

static void kill_connection(const char *name)
{
    const char *list = cli(rig, "CLIENT LIST");
    for (const char *line = list; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *at = strstr(line, name), *line_end = strchr(line, '\n');
        if (at && (!line_end || at < line_end))
            cli(rig, "CLIENT KILL ID %ld", strtol(line + strlen("id="), NULL, 10));
    }
}

static void two_thousand_streams_lose_and_double_nothing(void **state)
{
    (void)state;
    uint64_t seed = 20240918;
    print_message("seed %" PRIu64 "\n", seed);
    got_all = written_all = 0;
    memset(followers, 0, sizeof followers);
    for (size_t i = 0; i < STREAMS; i++) {
        struct follower *f = &followers[i];
        snprintf(f->key, sizeof f->key, "s%zu", i);
        assert_int_equal(tailer_follow(tailer, f->key, id_of(0, 0), &own_events, f, &f->tail),
                         STATUS_OK);
    }
    for (int round = 0; round < 400; round++) {
        write_somewhere(&seed);
        unsigned dice = dice_of(&seed) % 20;
        if (dice == 0)
            kill_connection(" name=leat-api:reads ");
        if (dice == 1)
            kill_connection(" name=leat-api:changes ");
        if (dice == 2)
            kill_connection(" name=leat-api:");
        if (dice == 3)
            assert_true(await(&rig->loop, has_all, NULL, AWAIT_MS));
    }
    assert_true(await(&rig->loop, has_all, NULL, AWAIT_MS));
    for (size_t i = 0; i < STREAMS; i++) {
        assert_int_equal(followers[i].got, followers[i].written);
        tailer_leave(followers[i].tail);
    }
}

static bool is_refused(void *arg)
{
    (void)arg;
    struct tailer_figures figures;
    count(&figures);
    return figures.is_refused;
}

/* Whatever it is that Redis does not allow: what was followed goes on, and lanes do for the rest.
 */
static void refuse(const char *rule)
{
    cli(rig, "ACL SETUSER default %s", rule);
    kill_connection(" name=leat-api:reads ");
    assert_true(await(&rig->loop, is_refused, NULL, AWAIT_MS));
}

static void without_tracking_there_are_lanes(void **state)
{
    (void)state;
    const char *const rules[][2] = {{"-client|tracking", "+client|tracking"},
                                    {"resetchannels", "allchannels"}};
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        cli(rig, "FLUSHALL");
        must_follow(&readers[0], "before", id_of(0, 0));
        await_waiting(&readers[0]);
        refuse(rules[i][0]);
        must_follow(&readers[1], "after", id_of(0, 0));
        assert_null(readers[0].tail->lane);
        assert_non_null(readers[1].tail->lane);
        add("before", 1, 1, 100);
        add("after", 1, 1, 3);
        await_entries(&readers[0], 100);
        await_entries(&readers[1], 3);
        assert_run(&readers[0], 1, 1, 100);
        cli(rig, "ACL SETUSER default %s", rules[i][1]);
        kill_connection(" name=leat-api:reads ");
        kill_connection(" name=leat-api:changes ");
        assert_true(await(&rig->loop, is_tracking, NULL, AWAIT_MS));
        add("before", 1, 101, 103);
        await_entries(&readers[0], 103);
        leave(&readers[0]);
        leave(&readers[1]);
    }
}

static void without_tracking_the_lanes_have_an_end(void **state)
{
    (void)state;
    refuse("-client|tracking");
    for (size_t i = 0; i < STREAMS; i++)
        followers[i].tail = NULL;
    size_t room = 0;
    for (; tailer_has_room(tailer); room++) {
        struct follower *f = &followers[room];
        snprintf(f->key, sizeof f->key, "s%zu", room);
        assert_int_equal(tailer_follow(tailer, f->key, id_of(0, 0), &own_events, f, &f->tail),
                         STATUS_OK);
    }
    assert_int_equal(room, 1000);
    assert_int_equal(follow(&readers[0], "one too many", id_of(0, 0)), STATUS_FULL);
    assert_null(readers[0].tail);
    for (size_t i = 0; i < room; i++)
        tailer_leave(followers[i].tail);
    cli(rig, "ACL SETUSER default +client|tracking");
}

/* Before Redis has answered, no more are taken than there could be lanes. */
static void while_nothing_is_known_there_is_room_for_what_lanes_could_follow(void **state)
{
    (void)state;
    struct settings nowhere = rig->settings;
    nowhere.redis_socket = "/nonexistent/redis.sock";
    struct tailer *other = tailer_new(&rig->loop, &nowhere, rig->redis, BLOCK_MS);
    assert_non_null(other);
    size_t room = 0;
    for (; tailer_has_room(other); room++) {
        struct follower *f = &followers[room];
        assert_int_equal(tailer_follow(other, "s", id_of(0, 0), &own_events, f, &f->tail),
                         STATUS_OK);
    }
    assert_int_equal(room, 1000);
    for (size_t i = 0; i < room; i++)
        tailer_leave(followers[i].tail);
    tailer_free(other);
    /* `nowhere` is looked at until the connections are closed. */
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    uv_run(&rig->loop, UV_RUN_NOWAIT);
}

/* What a Redis with an append-only file has written survives a kill. */
static int durable_up(void **state)
{
    rig_up(state);
    rig = *state;
    go_down();
    redis_server_free(rig->server);
    rig->server = redis_server_new(&(struct redis_server_options){.append_only = true});
    rig->settings.redis_socket = redis_server_socket(rig->server);
    come_up();
    return 0;
}

#define LANES_TEST(test)                               \
    {                                                  \
#test " (lanes)", test, begin_lanes, end, NULL \
    }
#define TRACKING_TEST(test)                                  \
    {                                                        \
#test " (tracking)", test, begin_tracking, end, NULL \
    }
#define BOTH_TEST(test)                              \
    {                                                \
#test " (both)", test, begin_both, end, NULL \
    }
#define EVERY_TEST(test) LANES_TEST(test), TRACKING_TEST(test), BOTH_TEST(test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EVERY_TEST(what_is_there_comes_first_and_then_what_is_written),
        EVERY_TEST(it_begins_right_behind_the_id),
        EVERY_TEST(a_stream_that_is_not_there_yet_can_be_followed),
        EVERY_TEST(no_callback_comes_inside_follow),
        LANES_TEST(as_many_as_there_are_lanes_can_be_followed_at_once),
        LANES_TEST(a_lane_that_was_left_serves_another_stream),
        EVERY_TEST(nothing_of_a_former_stream_reaches_the_next),
        EVERY_TEST(a_tail_may_leave_in_its_callbacks),
        EVERY_TEST(a_tail_that_is_moved_goes_on_from_there),
        EVERY_TEST(a_tail_may_be_moved_in_its_callback),
        EVERY_TEST(a_tail_can_be_left_while_it_is_moved),
        EVERY_TEST(a_stream_that_vanished_is_noticed_within_the_block_time),
        EVERY_TEST(a_key_of_another_type_is_asked_for_once_a_second),
        EVERY_TEST(a_restart_loses_and_doubles_nothing),
        EVERY_TEST(a_killed_connection_loses_and_doubles_nothing),
        EVERY_TEST(tails_may_come_and_go_while_redis_is_away),
        LANES_TEST(without_a_command_connection_lanes_are_still_given_up),
        EVERY_TEST(it_can_be_freed_in_every_phase),
        TRACKING_TEST(a_silent_stream_that_vanished_is_checked_at_once),
        TRACKING_TEST(a_stream_that_changed_before_it_was_followed_is_checked),
        EVERY_TEST(two_tails_of_one_stream_both_get_it),
        EVERY_TEST(a_key_of_another_type_disturbs_no_other),
        TRACKING_TEST(two_thousand_streams_lose_and_double_nothing),
        TRACKING_TEST(without_tracking_there_are_lanes),
        TRACKING_TEST(without_tracking_the_lanes_have_an_end),
        TRACKING_TEST(while_nothing_is_known_there_is_room_for_what_lanes_could_follow),
    };
    return cmocka_run_group_tests(tests, durable_up, rig_down);
}
