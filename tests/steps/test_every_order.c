/*
 * Every order of the steps of two workers, a reaper, a canceller and askers, and of time, in one
 * chat: not examples, all of them, up to a depth.
 *
 * Depth is the number of moves. A move (tests/support/actors.c: 28 kinds, 54 moves) is one step of
 * one actor, its answer kept or lost, or time: a lease, a deadline or a wait is over. The search
 * goes level by level: from each state that some order reaches, each move that its actor can make
 * is made once, by the real scripts in a real Redis. A state is all of Redis and what the actors
 * know; states that differ in nothing a step looks at are one (scene_fingerprint), for what can
 * follow is the same. So each order of up to so many moves is covered, and a trail that is reported
 * is a shortest one.
 *
 * After each move (promises.c):
 * - the answer is the one that the states of a job (ARCHITECTURE.md) foretell, and so are each
 *   job's state, owner, failed attempts and deaths, and every entry of the stream;
 * - a worker whose claim is stale is answered FENCED and changes nothing, in no key;
 * - what ended, by an answered finish or cancel or else, never changes again (but that a dead job
 *   is marked as retried), nor does its one terminal entry;
 * - A strictly rises within the chat;
 * - an attempt's entries are a prefix, without a hole, of what its owner, and nobody else, wrote,
 *   and stay until the next attempt;
 * - a question that is repeated, or that joins, changes nothing.
 * In each state:
 * - all keys fit together (invariants.h);
 * - the job can still be brought to an end: what is held is given up by time and a reap, then a
 *   claim and a finish put a terminal entry into the stream.
 *
 * The same once more where Redis's clock has gone back by a day, so that no A comes from the clock.
 * And, lest it pass by accident, with one line of a step broken, for many lines: it must be found.
 *
 * Not covered: several chats, features, queues or priorities at once and claims of more than one
 * job (test_interleavings.c draws some of that), Idempotency-Keys, pauses, schedules, dead jobs
 * that are dropped, keys that expire, entries that Redis lost, foreign writers, a full Redis, wake
 * tokens, and that the owner is told of a cancel. Each worker remembers its two newest claims, an
 * attempt has at most two messages, two failures or two deaths make a job dead.
 *
 * LEAT_DEPTH=… searches deeper: 7 takes five times as long as 6. LEAT_TRAIL=3,17,… makes the moves
 * of a reported trail again and shows what Redis holds after each.
 */
#include "actors.h"
#include "digest.h"
#include "invariants.h"
#include "promises.h"
#include "script.h"
#include "snapshot.h"

/* A sanitizer looks at the C, and the scripts stay the same. */
#ifdef LEAT_SANITIZED
#define DEPTH 4
#else
#define DEPTH 5
#endif
#define BROKEN_DEPTH 5

struct node {
    size_t parent;
    int move;
    struct memory memory;
    struct scene scene;
    struct snapshot snapshot;
};

/* ---- the search ---- */

/* A set of fingerprints: open addressing; zeros: a free place. */
struct names {
    struct fingerprint *places;
    size_t room, count;
};

static bool is_free(const struct fingerprint *place)
{
    return place->high == 0 && place->low == 0;
}

static struct fingerprint *place_of(const struct names *names, struct fingerprint name)
{
    size_t at = name.low & (names->room - 1);
    while (!is_free(&names->places[at]) &&
           (names->places[at].high != name.high || names->places[at].low != name.low))
        at = (at + 1) & (names->room - 1);
    return &names->places[at];
}

static void names_grow(struct names *names)
{
    struct names former = *names;
    names->room = former.room ? 2 * former.room : 1024;
    names->places = calloc(names->room, sizeof *names->places);
    assert_non_null(names->places);
    for (size_t i = 0; i < former.room; i++) {
        if (!is_free(&former.places[i]))
            *place_of(names, former.places[i]) = former.places[i];
    }
    free(former.places);
}

/* False: it was there. */
static bool names_add(struct names *names, struct fingerprint name)
{
    if (2 * names->count >= names->room)
        names_grow(names);
    struct fingerprint *place = place_of(names, name);
    if (!is_free(place))
        return false;
    *place = name;
    names->count++;
    return true;
}

struct search {
    struct rig *rig;
    struct node *nodes;
    size_t count, room;
    struct scene_watch watch;
    struct names seen;    /* states */
    struct names checked; /* what Redis holds in them, whatever the actors know */
    size_t transitions;
    int depth;        /* the level that was reached */
    bool clock_back;  /* it starts where Redis's clock has gone back */
    bool follows;     /* a given trail, without a look at what else there is */
    bool dirty;       /* Redis is not as the node being expanded has it */
    struct buf wrong; /* what was found: the trail and what is not as it must be */
};

/* Whether the state is a new one; it is not from now on. In a given trail every one is. */
static bool is_new(struct search *search, const struct scene *scene, const struct memory *memory)
{
    struct buf knowledge = {0};
    memory_describe(memory, &knowledge);
    struct fingerprint name = scene_fingerprint(scene, buf_text(&knowledge));
    buf_clear(&knowledge);
    return names_add(&search->seen, name) || search->follows;
}

static void add_node(struct search *search, const struct node *node)
{
    if (search->count == search->room) {
        search->room = search->room ? 2 * search->room : 256;
        search->nodes = realloc(search->nodes, search->room * sizeof *search->nodes);
        assert_non_null(search->nodes);
    }
    search->nodes[search->count++] = *node;
}

static void forget(struct node *node)
{
    scene_free(&node->scene);
    free(node->snapshot.bytes);
    node->snapshot.bytes = NULL;
}

/* The moves that lead to a node, as numbers for LEAT_TRAIL or as words. */
static void put_trail(const struct search *search, struct buf *out, size_t index, bool in_words)
{
    const struct node *node = &search->nodes[index];
    if (index == 0) {
        if (search->clock_back)
            buf_puts(out, in_words ? "  ask, cancel; then Redis's clock goes back\n" : "back,");
        return;
    }
    put_trail(search, out, node->parent, in_words);
    if (in_words)
        buf_printf(out, "  %s\n", move_name(node->move));
    else
        buf_printf(out, "%d,", node->move);
}

static void put_scene(struct buf *out, const char *head, const char *text)
{
    buf_printf(out, "%s\n", head);
    for (; *text; text++)
        buf_putc(out, *text == '\t' || *text == SCENE_SEPARATOR ? ' ' : *text);
}

static void report(struct search *search, const struct step *step, const struct node *last)
{
    struct buf *out = &search->wrong;
    buf_puts(out, "LEAT_TRAIL=");
    put_trail(search, out, last->parent, false);
    buf_printf(out, "%d\n", last->move);
    put_trail(search, out, last->parent, true);
    buf_printf(out, "  %s\n%s", move_name(last->move), buf_text(&step->wrong));
    put_scene(out, "-- before it, Redis held", search->nodes[last->parent].scene.text);
    put_scene(out, "-- and then", last->scene.text);
}

/* Redis holds what it never held before, whatever the actors know. */
static void check(struct search *search, struct step *step)
{
    const char *broken = invariants_broken(search->rig);
    expect(step, !*broken, "%s", broken);
    if (!*broken)
        promises_end(step);
    search->dirty = true;
}

/* A new state: looked at, and kept where the search is to go on from it. */
static void welcome(struct search *search, struct step *step, struct node *node, bool leaf)
{
    if (!leaf)
        node->snapshot = snapshot_take(search->rig);
    if (names_add(&search->checked, scene_fingerprint(&node->scene, "")) || search->follows)
        check(search, step);
    if (step->wrong.length)
        return;
    if (leaf)
        forget(node);
    add_node(search, node);
}

/* What Redis holds after a move. */
static struct scene scene_after(struct search *search, const struct step *step)
{
    struct scene scene = scene_watch_take(&search->watch);
    if (!step->arranged)
        return scene;
    scene_free(&scene);
    return scene_read(search->rig);
}

/* One move from a node. False: its actor cannot make it there. */
static bool try_move(struct search *search, size_t from, int move, bool leaf)
{
    const struct node *node = &search->nodes[from];
    struct step step = {.rig = search->rig, .memory = node->memory};
    if (search->dirty)
        snapshot_restore(search->rig, &node->snapshot);
    search->dirty = false;
    scene_watch_arm(&search->watch);
    if (!move_make(&step, move)) {
        scene_watch_drop(&search->watch);
        return false;
    }
    struct node next = {from, move, step.memory, scene_after(search, &step), {0}};
    size_t count = search->count;
    search->transitions++;
    search->dirty = strcmp(node->scene.text, next.scene.text) != 0;
    promises_judge(&step, &(struct moment){&node->memory, &node->scene}, &next.scene);
    if (!step.wrong.length && is_new(search, &next.scene, &next.memory))
        welcome(search, &step, &next, leaf);
    if (step.wrong.length)
        report(search, &step, &next);
    if (search->count == count)
        forget(&next);
    buf_clear(&step.wrong);
    return true;
}

static void search_open(struct search *search, struct rig *rig, bool clock_back)
{
    *search = (struct search){.rig = rig, .clock_back = clock_back};
    struct node root = {0};
    scene_watch_open(&search->watch, rig);
    actors_settings(rig);
    cli(rig, "FLUSHALL");
    if (clock_back)
        actors_before_the_clock_went_back(rig, &root.memory);
    root.scene = scene_read(rig);
    root.snapshot = snapshot_take(rig);
    is_new(search, &root.scene, &root.memory);
    add_node(search, &root);
}

static void search_close(struct search *search)
{
    for (size_t i = 0; i < search->count; i++)
        forget(&search->nodes[i]);
    free(search->nodes);
    free(search->seen.places);
    free(search->checked.places);
    scene_watch_close(&search->watch);
    buf_clear(&search->wrong);
}

/* All orders of up to `depth` moves; up to the first thing that is not as it must be. */
static void search_run(struct search *search, int depth)
{
    size_t begin = 0;
    for (search->depth = 1;; search->depth++) {
        size_t end = search->count;
        for (size_t from = begin; from < end; from++) {
            search->dirty = true;
            for (int move = 0; move < moves_count() && !search->wrong.length; move++)
                try_move(search, from, move, search->depth == depth);
            forget(&search->nodes[from]);
            if (search->wrong.length)
                return;
        }
        begin = end;
        if (search->depth >= depth)
            return;
    }
}

/* Ends the search, and the test where something was found; cmocka would cut what is long. */
static void search_conclude(struct search *search)
{
    bool kept = !search->wrong.length;
    fprintf(stderr, "%s", buf_text(&search->wrong));
    search_close(search);
    assert_true(kept);
}

static void keep_all_promises(struct rig *rig, bool clock_back, int depth)
{
    struct search search;
    uint64_t start_ns = uv_hrtime();
    search_open(&search, rig, clock_back);
    search_run(&search, depth);
    print_message("depth %d: %zu states (%zu of Redis), %zu transitions, %.1f s\n", search.depth,
                  search.count, search.checked.count, search.transitions,
                  (double)(uv_hrtime() - start_ns) / 1e9);
    search_conclude(&search);
}

static int wanted_depth(void)
{
    const char *wanted = getenv("LEAT_DEPTH");
    return wanted ? atoi(wanted) : DEPTH;
}

static void whatever_the_order_all_promises_are_kept(void **state)
{
    keep_all_promises(*state, false, wanted_depth());
}

static void whatever_the_order_they_are_kept_after_the_clock_went_back(void **state)
{
    keep_all_promises(*state, true, wanted_depth() - 2);
}

/* The moves of a trail as it was reported, with what Redis holds after each. */
static void a_given_trail_keeps_all_promises(void **state)
{
    struct search search;
    struct buf shown = {0};
    const char *trail = getenv("LEAT_TRAIL");
    bool back = strncmp(trail, "back,", 5) == 0;
    search_open(&search, *state, back);
    search.follows = true;
    trail += back ? 5 : 0;
    for (char *end; *trail && !search.wrong.length; trail = *end ? end + 1 : end) {
        int move = (int)strtol(trail, &end, 10);
        if (end == trail || move < 0 || move >= moves_count() ||
            !try_move(&search, search.count - 1, move, false))
            buf_printf(&search.wrong, "there is no such move, or not here: %s\n", trail);
        else
            put_scene(&shown, move_name(move), search.nodes[search.count - 1].scene.text);
    }
    fprintf(stderr, "%s", buf_text(&shown));
    buf_clear(&shown);
    search_conclude(&search);
}

/* ---- can it fail? ---- */

/* A line of a step, as it stands in the step's text, and what it is replaced with. */
struct broken_line {
    const char *what, *words, *instead;
};

static const struct broken_line broken_lines[] = {
    {"append does not look at the owner", "if redis.call('HGET', job, 'owner') ~= owner then",
     "if false then"},
    {"append does not look at what is there", "from + last - first + 1, to)", "from, to)"},
    {"finish does not look at the owner", "if h.owner ~= ARGV[at + 1] then", "if false then"},
    {"hand back does not look at the owner", "if h.owner ~= ARGV[2] then return 0",
     "if false then return 0"},
    {"heartbeat does not look at the owner", "local held = h.owner == owner", "local held = true"},
    {"heartbeat takes nothing back", "if id and not named[fields[i]] then", "if false then"},
    {"who loses a job stays its owner", "if h.owner then\nredis.call('HDEL'",
     "if false then\nredis.call('HDEL'"},
    {"who has done a job stays its owner", "redis.call('HDEL', key_job(id), 'owner')\nadd(over",
     "add(over"},
    {"what is done stays leased", "add(over, key_running(h.queue), id)", ""},
    {"what ends stays in its line", "if h.state == 'waiting' then leave_line(c, id, h) end", ""},
    {"what ends has no expiry", "redis.call('PEXPIRE', job, keep_ms)", ""},
    {"who leaves the line is counted still", "c.waiting - 1, c.bytes - size, c.out + 1",
     "c.waiting, c.bytes, c.out"},
    {"cancel ends what has ended", "if not is_alive(h.state) then", "if false then"},
    {"replace leaves the former job alone", "if alive then\nend_cancelled(",
     "if false then\nend_cancelled("},
    {"enqueue replaces unasked", "if alive and ARGV[9] ~= 'replace'", "if false"},
    {"claim does not look at the deadline", "elseif tonumber(h.deadline) <= c.now then",
     "elseif false then"},
    {"claim leaves older attempts", "'MINID', '=', marker, marker, 'type', 'start'",
     "marker, 'type', 'start'"},
    {"what is due stays delayed", "redis.call('ZREM', delayed, id)", ""},
    {"a death is not counted", "redis.call('HINCRBY', key_job(id), 'deaths', 1)", "0"},
    {"deaths have no end", "if h.deaths >= deaths_most then", "if false then"},
    {"reap takes all after an absence", "if before and now - before > lease / 2", "if false"},
    {"what is retried stays dead", "redis.call('ZREM', key_dead(old.queue), id)", ""},
    {"what goes back loses its stream",
     "redis.call('PERSIST', key_stream(h.feature_id, h.chat_id))\nredis.call('PERSIST'",
     "redis.call('HSET'"},
};

/* This shows only where Redis's clock has gone back. */
static const struct broken_line broken_clock = {"enqueue takes A0 from the clock alone",
                                                "math.max(now, top + 1,", "math.max(now,"};

static void load(struct rig *rig, const char *text)
{
    const char *argv[] = {"SCRIPT", "LOAD", text};
    size_t lengths[] = {6, 4, strlen(text)};
    assert_int_equal(redis_send(rig->redis, 3, argv, lengths, NULL, NULL), STATUS_OK);
}

/* A connection's texts are its own, and no constants: they are changed where they stand, with
   blanks for what the replacement is shorter. Answers how many steps have the words. */
static int break_steps(struct rig *rig, const struct broken_line *line)
{
    const struct script_set *set = redis_scripts(rig->redis);
    int broken = 0;
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        char *text = (char *)script_text(set, (enum script)script);
        char *at = strstr(text, line->words);
        if (!at)
            continue;
        memset(at, ' ', strlen(line->words));
        memcpy(at, line->instead, strlen(line->instead));
        digest_sha1(text, strlen(text), (char *)script_digest(set, (enum script)script));
        load(rig, text);
        broken++;
    }
    return broken;
}

static void take_new_connection(struct rig *rig)
{
    redis_free(rig->redis);
    rig->redis = rig_connect(rig);
    rig->queue.redis = rig->redis;
}

/* Whether the search finds what is broken. */
static bool is_found(struct rig *rig, const struct broken_line *line, bool clock_back)
{
    struct search search;
    if (break_steps(rig, line) == 0)
        fail_msg("no step says any more: %s", line->words);
    search_open(&search, rig, clock_back);
    search_run(&search, BROKEN_DEPTH);
    bool found = search.wrong.length > 0;
    print_message("%s: %s depth %d, after %zu transitions\n", line->what,
                  found ? "found at" : "NOT found up to", search.depth, search.transitions);
    search_close(&search);
    take_new_connection(rig);
    return found;
}

static void a_line_that_is_broken_is_found(void **state)
{
    size_t missed = 0;
    for (size_t i = 0; i < COUNT_OF(broken_lines); i++)
        missed += !is_found(*state, &broken_lines[i], false);
    missed += !is_found(*state, &broken_clock, true);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(whatever_the_order_all_promises_are_kept),
        RIG_TEST(whatever_the_order_they_are_kept_after_the_clock_went_back),
        RIG_TEST(a_line_that_is_broken_is_found),
    };
    const struct CMUnitTest one_trail[] = {
        RIG_TEST(a_given_trail_keeps_all_promises),
    };
    if (getenv("LEAT_TRAIL"))
        return RIG_MAIN(one_trail);
    return RIG_MAIN(tests);
}
