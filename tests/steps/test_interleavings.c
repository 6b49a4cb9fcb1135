/*
 * Two workers, stale ones among them, askers and stoppers, in whatever order: after each step
 * everything in Redis must fit together (ARCHITECTURE.md, "Invariants"), and a step that is made a
 * second time, as after an unknown outcome, must change nothing.
 *
 * The order is drawn from a seed that is printed when something does not fit; LEAT_SEED=… repeats
 * it.
 */
#include "invariants.h"
#include "rig.h"

#define ROUNDS 12
#define STEPS_A_ROUND 150
#define HELD_MOST 64

struct held {
    struct claim claim;
    const char *worker;
    uint64_t written;
};

struct play {
    struct rig *rig;
    uint64_t random;
    struct held held[HELD_MOST]; /* the newest claims, many of them not held any more */
    size_t held_count;
    char what[160]; /* the step that was made last */
};

static size_t draw(struct play *p, size_t below)
{
    p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(p->random >> 33) % below;
}

static const char *one_of(struct play *p, const char *const *words, size_t count)
{
    return words[draw(p, count)];
}

static const char *some_worker(struct play *p)
{
    return draw(p, 2) ? "w1" : "w2";
}

static const char *some_chat(struct play *p)
{
    static const char *const chats[] = {"a", "b", "c"};
    return one_of(p, chats, COUNT_OF(chats));
}

static struct held *some_claim(struct play *p)
{
    return p->held_count ? &p->held[draw(p, p->held_count)] : NULL;
}

/* A step was made before: made again it changes nothing. */
static void expect_same(struct play *p, char *before)
{
    char *after = rig_dump(p->rig);
    if (strcmp(before, after) != 0)
        fail_msg("%s, repeated, changed something:\n%s\nis now\n%s", p->what, before, after);
    free(before);
    free(after);
}

static void ask(struct play *p)
{
    static const char *const bodies[] = {"", "1", "22"}, *const keys[] = {"", "", "", "k1", "k2"};
    const char *body = one_of(p, bodies, COUNT_OF(bodies));
    struct enqueue in = *body ? question_with(some_chat(p), body) : question(some_chat(p));
    in.key = one_of(p, keys, COUNT_OF(keys));
    in.if_busy = draw(p, 3) ? IF_BUSY_REJECT : IF_BUSY_REPLACE;
    if (draw(p, 3) == 0)
        in.feature_id = "g";
    snprintf(p->what, sizeof p->what, "enqueue of %s in %s with body '%s' and key '%s'", in.id,
             in.chat_id, body, in.key);
    struct enqueued out = rig_enqueue(p->rig, &in);
    assert_int_equal(out.status, STATUS_OK);
    char *before = rig_dump(p->rig);
    struct enqueued again = rig_enqueue(p->rig, &in);
    assert_int_equal(again.outcome == ENQUEUE_JOINED ? ENQUEUE_STARTED : again.outcome,
                     out.outcome == ENQUEUE_JOINED ? ENQUEUE_STARTED : out.outcome);
    expect_same(p, before);
}

static void take(struct play *p)
{
    const char *worker = some_worker(p);
    struct claims claims = rig_claim(p->rig, worker, 1 + draw(p, 3));
    snprintf(p->what, sizeof p->what, "claim by %s", worker);
    assert_int_equal(claims.status, STATUS_OK);
    /* Now and then the answer is lost. */
    for (size_t i = 0; i < claims.count && draw(p, 5); i++) {
        size_t place = p->held_count < HELD_MOST ? p->held_count++ : draw(p, HELD_MOST);
        p->held[place] = (struct held){claims.jobs[i], worker, 0};
    }
}

static void write_on(struct play *p)
{
    struct held *held = some_claim(p);
    if (!held)
        return;
    uint64_t back = draw(p, 3), first = held->written + 1;
    first = first > back ? first - back : 1;
    size_t count = draw(p, 4);
    snprintf(p->what, sizeof p->what, "append of %zu from %" PRIu64 " by %s to %s", count, first,
             held->claim.owner, held->claim.id);
    struct appended out = rig_append(p->rig, &held->claim, first, count);
    assert_int_equal(out.status, STATUS_OK);
    assert_true(out.outcome == APPEND_OK || out.outcome == APPEND_FENCED);
    if (out.outcome == APPEND_OK)
        held->written = out.last;
    char *before = rig_dump(p->rig);
    assert_int_equal(rig_append(p->rig, &held->claim, first, count).outcome, out.outcome);
    expect_same(p, before);
}

static void end_attempt(struct play *p)
{
    struct held *held = some_claim(p);
    if (!held)
        return;
    struct finish in = {.how = (enum finish_how)draw(p, 3),
                        .last = held->written,
                        .reason = "reason",
                        .detail = "detail",
                        .words = "words",
                        .retry = draw(p, 4)};
    snprintf(p->what, sizeof p->what, "finish %d by %s of %s", in.how, held->claim.owner,
             held->claim.id);
    struct finished out = rig_finish(p->rig, &held->claim, &in);
    assert_int_equal(out.status, STATUS_OK);
    char *before = rig_dump(p->rig);
    assert_int_equal(rig_finish(p->rig, &held->claim, &in).result.outcome, FINISH_FENCED);
    expect_same(p, before);
}

static void give_back(struct play *p)
{
    struct held *held = some_claim(p);
    if (!held)
        return;
    snprintf(p->what, sizeof p->what, "hand back by %s of %s", held->claim.owner, held->claim.id);
    assert_int_equal(rig_hand_back(p->rig, &held->claim).status, STATUS_OK);
    char *before = rig_dump(p->rig);
    assert_false(rig_hand_back(p->rig, &held->claim).was_ours);
    expect_same(p, before);
}

static void stop(struct play *p)
{
    const char *chat = some_chat(p);
    struct held *held = some_claim(p);
    const char *job = held && draw(p, 2) ? held->claim.id : "";
    snprintf(p->what, sizeof p->what, "cancel in %s of '%s'", chat, job);
    struct cancelled out = rig_cancel(p->rig, chat, job);
    assert_int_equal(out.status, STATUS_OK);
    char *before = rig_dump(p->rig);
    struct cancelled again = rig_cancel(p->rig, chat, job);
    assert_int_equal(again.result.found, out.result.found);
    assert_false(again.result.was_alive);
    expect_same(p, before);
}

static void beat(struct play *p)
{
    const char *worker = some_worker(p);
    struct claim named[CLAIMS_MOST];
    size_t count = 0;
    for (size_t i = 0; i < p->held_count && count < CLAIMS_MOST; i++) {
        if (p->held[i].worker == worker && draw(p, 8))
            named[count++] = p->held[i].claim;
    }
    bool complete = draw(p, 2);
    snprintf(p->what, sizeof p->what, "heartbeat of %s with %zu, complete: %d", worker, count,
             complete);
    assert_int_equal(rig_beat(p->rig, worker, named, count, complete).status, STATUS_OK);
}

/* Time goes by, and only so: a lease, a deadline or a wait is over for whoever is first in a list.
 */
static void let_time_pass(struct play *p)
{
    static const char *const lists[] = {"running", "deadlines", "delayed"};
    const char *list = one_of(p, lists, COUNT_OF(lists));
    char id[64];
    snprintf(id, sizeof id, "%s", cli(p->rig, "ZRANDMEMBER queue:default:%s", list));
    snprintf(p->what, sizeof p->what, "time is over in %s for %s", list, id);
    if (strcmp(id, "(nil)") == 0)
        return;
    cli(p->rig, "ZADD queue:default:%s 1 %s", list, id);
    if (strcmp(list, "deadlines") == 0)
        cli(p->rig, "HSET job:%s deadline 1", id);
}

static void reap(struct play *p)
{
    snprintf(p->what, sizeof p->what, "reap");
    assert_int_equal(rig_reap(p->rig).status, STATUS_OK);
    struct reap_result again = rig_reap(p->rig).result;
    assert_int_equal(again.died + again.expired + again.promoted, 0);
}

static void expect_all_fits(struct play *p, uint64_t seed)
{
    const char *wrong = invariants_broken(p->rig);
    if (*wrong)
        fail_msg("LEAT_SEED=%" PRIu64 ": after %s:\n%s", seed, p->what, wrong);
}

static void everything_fits_after_each_step(void **state)
{
    static void (*const moves[])(struct play *) = {
        ask,      ask,      ask,         ask,       take, take, take,          write_on, write_on,
        write_on, write_on, end_attempt, give_back, stop, beat, let_time_pass, reap,
    };
    const char *wanted = getenv("LEAT_SEED");
    uint64_t seed = wanted ? strtoull(wanted, NULL, 10) : 1;
    rig_stop_time(*state);
    for (int round = 0; round < ROUNDS; round++, seed++) {
        static struct play play;
        play = (struct play){.rig = *state, .random = seed};
        cli(play.rig, "FLUSHALL");
        for (int step = 0; step < STEPS_A_ROUND; step++) {
            moves[draw(&play, COUNT_OF(moves))](&play);
            expect_all_fits(&play, seed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(everything_fits_after_each_step),
    };
    return RIG_MAIN(tests);
}
