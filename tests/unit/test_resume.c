/*
 * test_resume.c: the design's table row by row, its edges, and a sweep over all
 * small worlds against the table written down a second time, as data.
 */
#include "resume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINE "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER "11111111-89ab-4cde-8f01-23456789abcd"

/* A job that began at 10-0 and runs its attempt 20 with entries up to 20-5. */
static const struct chat_view running = {
    .job = MINE,
    .state = JOB_RUNNING,
    .stream = STREAM_OURS,
    .first = 10,
    .attempt = 20,
    .last = {20, 5},
    .number = 2,
};

static struct chat_view in_state(enum job_state state)
{
    struct chat_view view = running;
    view.state = state;
    view.ended = !job_is_alive(state);
    return view;
}

static struct cursor at(uint64_t a, uint64_t n)
{
    return (struct cursor){.kind = CURSOR_ENTRY, .id = {a, n}};
}

static const struct cursor none = {.kind = CURSOR_NONE}, end = {.kind = CURSOR_END};
static const struct chat_view nothing = {.state = JOB_NONE, .stream = STREAM_NONE};

static void assert_plain(struct cursor cursor, const char *pinned, struct chat_view view,
                         enum resume_action action)
{
    struct resume resume = resume_decide(&cursor, pinned, &view);
    assert_int_equal(resume.action, action);
    assert_null(resume.reason);
}

static void assert_from(struct cursor cursor, const char *pinned, struct chat_view view,
                        enum resume_action action, struct entry_id from)
{
    struct resume resume = resume_decide(&cursor, pinned, &view);
    assert_int_equal(resume.action, action);
    assert_int_equal(resume.from.a, from.a);
    assert_int_equal(resume.from.n, from.n);
    assert_null(resume.reason);
}

static void assert_reset(struct cursor cursor, const char *pinned, struct chat_view view,
                         const char *reason)
{
    struct resume resume = resume_decide(&cursor, pinned, &view);
    assert_int_equal(resume.action, RESUME_RESET);
    assert_int_equal(resume.from.a, view.attempt);
    assert_int_equal(resume.from.n, 0);
    assert_string_equal(resume.reason, reason);
}

static void without_a_cursor_and_without_a_stream_there_is_no_content(void **state)
{
    (void)state;
    assert_plain(none, "", nothing, RESUME_NO_CONTENT);
    assert_plain(none, MINE, nothing, RESUME_NO_CONTENT);
    struct chat_view view = in_state(JOB_DONE);
    view.stream = STREAM_NONE;
    assert_plain(none, MINE, view, RESUME_NO_CONTENT);
    view.stream = STREAM_BROKEN;
    assert_plain(none, "", view, RESUME_NO_CONTENT);
}

static void without_a_cursor_the_attempt_comes_from_its_start(void **state)
{
    (void)state;
    for (enum job_state s = JOB_WAITING; s <= JOB_EXPIRED; s++)
        assert_from(none, "", in_state(s), RESUME_FOLLOW, (struct entry_id){20, 0});
    assert_from(none, MINE, running, RESUME_FOLLOW, (struct entry_id){20, 0});
}

static void a_waiting_job_is_followed_from_where_it_began(void **state)
{
    (void)state;
    struct chat_view view = in_state(JOB_WAITING);
    view.attempt = 10;
    view.last = (struct entry_id){10, 0};
    view.number = 0;
    assert_from(none, "", view, RESUME_FOLLOW, (struct entry_id){10, 0});
    assert_from(at(10, 0), "", view, RESUME_FOLLOW, (struct entry_id){10, 0});
    assert_plain(at(9, 3), "", view, RESUME_SUPERSEDED);
    assert_reset(at(10, 1), "", view, "history_lost");
}

static void a_pin_to_another_job_without_a_cursor_is_superseded(void **state)
{
    (void)state;
    assert_plain(none, OTHER, running, RESUME_SUPERSEDED);
    assert_plain(none, OTHER, in_state(JOB_DONE), RESUME_SUPERSEDED);
}

static void the_end_and_the_terminal_entry_stop_a_browser(void **state)
{
    (void)state;
    assert_plain(end, "", running, RESUME_NO_CONTENT);
    assert_plain(end, "", nothing, RESUME_NO_CONTENT);
    assert_plain(end, OTHER, running, RESUME_NO_CONTENT);
    for (enum job_state s = JOB_DONE; s <= JOB_EXPIRED; s++) {
        assert_plain(at(20, 5), "", in_state(s), RESUME_NO_CONTENT);
        assert_plain(at(20, 5), OTHER, in_state(s), RESUME_NO_CONTENT);
    }
    struct chat_view foreign = {.stream = STREAM_FOREIGN, .ended = true, .last = {7, 7}};
    assert_plain(at(7, 7), "", foreign, RESUME_NO_CONTENT);
}

static void the_newest_entry_of_a_job_that_runs_is_no_end(void **state)
{
    (void)state;
    assert_from(at(20, 5), "", running, RESUME_FOLLOW, (struct entry_id){20, 5});
}

static void a_pin_to_another_job_is_superseded_wherever_the_cursor_is(void **state)
{
    (void)state;
    assert_plain(at(20, 3), OTHER, running, RESUME_SUPERSEDED);
    assert_plain(at(1, 1), OTHER, running, RESUME_SUPERSEDED);
    assert_plain(at(99, 1), OTHER, in_state(JOB_DONE), RESUME_SUPERSEDED);
    struct chat_view lost = in_state(JOB_DONE);
    lost.stream = STREAM_NONE;
    assert_plain(at(20, 3), OTHER, lost, RESUME_SUPERSEDED);
    struct chat_view foreign = {.stream = STREAM_FOREIGN, .last = {7, 7}};
    assert_plain(at(7, 3), OTHER, foreign, RESUME_SUPERSEDED);
}

static void a_cursor_into_nothing_is_gone(void **state)
{
    (void)state;
    assert_plain(at(20, 3), "", nothing, RESUME_GONE);
    assert_plain(at(20, 3), MINE, nothing, RESUME_GONE);
    assert_plain(at(0, 0), "", nothing, RESUME_GONE);
    struct chat_view view = in_state(JOB_DONE);
    view.stream = STREAM_NONE;
    assert_plain(at(20, 5), MINE, view, RESUME_GONE);
}

static void a_key_that_is_no_stream_is_nothing(void **state)
{
    (void)state;
    struct chat_view view = running;
    view.stream = STREAM_BROKEN;
    assert_plain(at(20, 3), "", view, RESUME_GONE);
    assert_plain(none, "", view, RESUME_NO_CONTENT);
    assert_plain(at(20, 3), OTHER, view, RESUME_SUPERSEDED);
    view = (struct chat_view){.stream = STREAM_BROKEN};
    assert_plain(at(20, 3), OTHER, view, RESUME_GONE);
}

static void a_foreign_stream_continues_behind_the_id(void **state)
{
    (void)state;
    struct chat_view view = {.stream = STREAM_FOREIGN, .last = {7, 7}};
    assert_from(none, "", view, RESUME_FOLLOW, (struct entry_id){0, 0});
    assert_from(at(7, 7), "", view, RESUME_FOLLOW, (struct entry_id){7, 7});
    assert_from(at(1, 1), "", view, RESUME_FOLLOW, (struct entry_id){1, 1});
    assert_from(at(9, 9), "", view, RESUME_FOLLOW, (struct entry_id){9, 9});
    view.ended = true;
    assert_from(at(7, 6), "", view, RESUME_FOLLOW, (struct entry_id){7, 6});
    assert_plain(at(9, 9), "", view, RESUME_GONE);
    view.job[0] = '\0';
    assert_from(none, "", view, RESUME_FOLLOW, (struct entry_id){0, 0});
}

static void a_cursor_in_the_attempt_goes_on_exactly(void **state)
{
    (void)state;
    for (enum job_state s = JOB_WAITING; s <= JOB_EXPIRED; s++) {
        for (uint64_t n = 0; n < 5; n++)
            assert_from(at(20, n), "", in_state(s), RESUME_FOLLOW, (struct entry_id){20, n});
    }
    assert_from(at(20, 3), MINE, running, RESUME_FOLLOW, (struct entry_id){20, 3});
}

static void a_cursor_beyond_a_running_attempt_waits_for_the_repair(void **state)
{
    (void)state;
    assert_from(at(20, 6), "", running, RESUME_WAIT, (struct entry_id){20, 6});
    assert_from(at(20, UINT64_MAX), MINE, running, RESUME_WAIT, (struct entry_id){20, UINT64_MAX});
}

static void a_cursor_beyond_an_ended_attempt_has_lost_its_history(void **state)
{
    (void)state;
    for (enum job_state s = JOB_DONE; s <= JOB_EXPIRED; s++)
        assert_reset(at(20, 6), "", in_state(s), "history_lost");
    struct chat_view hash_lost = in_state(JOB_NONE);
    assert_reset(at(20, 6), "", hash_lost, "history_lost");
}

static void nobody_repairs_for_a_job_that_waits_for_its_next_attempt(void **state)
{
    (void)state;
    assert_reset(at(20, 6), "", in_state(JOB_DELAYED), "history_lost");
    assert_reset(at(20, 6), "", in_state(JOB_WAITING), "history_lost");
}

static void a_stream_that_is_lost_under_a_running_job_is_waited_for(void **state)
{
    (void)state;
    struct chat_view view = running;
    view.stream = STREAM_NONE;
    view.last = (struct entry_id){20, 0};
    assert_from(none, "", view, RESUME_FOLLOW, (struct entry_id){20, 0});
    assert_from(at(20, 0), "", view, RESUME_FOLLOW, (struct entry_id){20, 0});
    assert_from(at(20, 3), MINE, view, RESUME_WAIT, (struct entry_id){20, 3});
    assert_reset(at(15, 3), "", view, "retry");
    assert_reset(at(30, 3), "", view, "history_lost");
    assert_plain(at(9, 3), "", view, RESUME_SUPERSEDED);
    assert_plain(at(20, 3), OTHER, view, RESUME_SUPERSEDED);
    view.state = JOB_DELAYED;
    assert_from(none, "", view, RESUME_FOLLOW, (struct entry_id){20, 0});
    assert_reset(at(20, 3), "", view, "history_lost");
}

static void an_earlier_attempt_is_reset_as_a_retry(void **state)
{
    (void)state;
    for (enum job_state s = JOB_WAITING; s <= JOB_EXPIRED; s++) {
        assert_reset(at(10, 0), "", in_state(s), "retry");
        assert_reset(at(19, UINT64_MAX), MINE, in_state(s), "retry");
    }
}

static void an_attempt_from_the_future_was_a_claim_that_redis_lost(void **state)
{
    (void)state;
    assert_reset(at(21, 0), "", running, "history_lost");
    assert_reset(at(UINT64_MAX, UINT64_MAX), MINE, running, "history_lost");
    assert_reset(at(21, 1), "", in_state(JOB_WAITING), "history_lost");
    assert_reset(at(21, 1), "", in_state(JOB_DELAYED), "history_lost");
    for (enum job_state s = JOB_DONE; s <= JOB_EXPIRED; s++)
        assert_plain(at(21, 1), "", in_state(s), RESUME_GONE);
}

static void a_cursor_before_the_job_is_superseded(void **state)
{
    (void)state;
    for (enum job_state s = JOB_WAITING; s <= JOB_EXPIRED; s++) {
        assert_plain(at(9, UINT64_MAX), "", in_state(s), RESUME_SUPERSEDED);
        assert_plain(at(0, 0), "", in_state(s), RESUME_SUPERSEDED);
    }
}

static void the_highest_ids_there_are_compare_like_all_others(void **state)
{
    (void)state;
    struct chat_view view = running;
    view.first = view.attempt = UINT64_MAX;
    view.last = (struct entry_id){UINT64_MAX, UINT64_MAX};
    assert_from(at(UINT64_MAX, UINT64_MAX), "", view, RESUME_FOLLOW, view.last);
    assert_from(at(UINT64_MAX, 0), "", view, RESUME_FOLLOW, (struct entry_id){UINT64_MAX, 0});
    assert_plain(at(UINT64_MAX - 1, 1), "", view, RESUME_SUPERSEDED);
    view.first = 0;
    assert_reset(at(0, 0), "", view, "retry");
    view.attempt = 0;
    view.last = (struct entry_id){0, 1};
    assert_from(at(0, 1), "", view, RESUME_FOLLOW, (struct entry_id){0, 1});
    assert_reset(at(UINT64_MAX, 0), "", view, "history_lost");
}

/*
 * The sweep. The oracle is the design's table as words: a cursor's place and a
 * chat's condition are each given a letter, and the table is looked up.
 *
 * Places: < before A0, e earlier attempt, i inside (n <= L), T the terminal
 * entry, b beyond (n > L), > a later attempt.
 * Conditions: r runs, w waits or is delayed, x ended.
 * Answers: s superseded, R reset retry, H reset history_lost, f follow, W wait,
 * g gone, 2 for 204.
 */
struct world {
    enum job_state state;
    bool lost; /* the stream, under a job that is alive */
    uint64_t first, attempt, last;
};

static char place_of(uint64_t a, uint64_t n, const struct world *w)
{
    bool ended = !job_is_alive(w->state);
    if (a != w->attempt)
        return a > w->attempt ? '>' : a < w->first ? '<' : 'e';
    if (ended && n == w->last)
        return 'T';
    return n <= (w->lost ? 0 : w->last) ? 'i' : 'b';
}

static char expected(char place, enum job_state state)
{
    static const char places[] = "<eiTb>";
    static const struct {
        char condition;
        const char *answers;
    } rows[] = {{'r', "sRf?WH"}, {'w', "sRf?HH"}, {'x', "sRf2Hg"}};
    char condition = state == JOB_RUNNING ? 'r' : job_is_alive(state) ? 'w' : 'x';
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].condition == condition)
            return rows[i].answers[strchr(places, place) - places];
    }
    return '?';
}

static char letter(const struct resume *resume, struct entry_id cursor, uint64_t attempt)
{
    bool from_cursor = entry_id_compare(resume->from, cursor) == 0;
    bool from_start = resume->from.a == attempt && resume->from.n == 0;
    switch (resume->action) {
    case RESUME_NO_CONTENT:
        return '2';
    case RESUME_FOLLOW:
        return from_cursor ? 'f' : '!';
    case RESUME_WAIT:
        return from_cursor ? 'W' : '!';
    case RESUME_RESET:
        return !from_start ? '!' : strcmp(resume->reason, "retry") == 0 ? 'R' : 'H';
    case RESUME_SUPERSEDED:
        return 's';
    default:
        return 'g';
    }
}

static void sweep_cursors(const struct world *w)
{
    struct chat_view view = {
        .job = MINE,
        .state = w->state,
        .stream = w->lost ? STREAM_NONE : STREAM_OURS,
        .ended = !job_is_alive(w->state),
        .first = w->first,
        .attempt = w->attempt,
        .last = {w->attempt, w->lost ? 0 : w->last},
    };
    for (uint64_t a = w->first - 1; a <= w->attempt + 1; a++) {
        for (uint64_t n = 0; n <= 3; n++) {
            struct cursor cursor = at(a, n);
            char place = place_of(a, n, w);
            struct resume plain = resume_decide(&cursor, "", &view);
            struct resume pinned = resume_decide(&cursor, MINE, &view);
            struct resume other = resume_decide(&cursor, OTHER, &view);
            if (letter(&plain, cursor.id, w->attempt) != expected(place, w->state))
                fail_msg("place %c, state %d: %c", place, (int)w->state,
                         letter(&plain, cursor.id, w->attempt));
            assert_int_equal(letter(&pinned, cursor.id, w->attempt), expected(place, w->state));
            assert_int_equal(letter(&other, cursor.id, w->attempt), place == 'T' ? '2' : 's');
        }
    }
}

static void all_small_worlds_are_answered_as_the_table_says(void **state)
{
    (void)state;
    for (enum job_state s = JOB_WAITING; s <= JOB_EXPIRED; s++) {
        for (uint64_t attempt = 5; attempt <= 7; attempt++) {
            for (uint64_t last = 0; last <= 2; last++) {
                struct world w = {.state = s, .first = 5, .attempt = attempt, .last = last};
                sweep_cursors(&w);
                w.lost = job_is_alive(s);
                sweep_cursors(&w);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_cursor_and_without_a_stream_there_is_no_content),
        cmocka_unit_test(without_a_cursor_the_attempt_comes_from_its_start),
        cmocka_unit_test(a_waiting_job_is_followed_from_where_it_began),
        cmocka_unit_test(a_pin_to_another_job_without_a_cursor_is_superseded),
        cmocka_unit_test(the_end_and_the_terminal_entry_stop_a_browser),
        cmocka_unit_test(the_newest_entry_of_a_job_that_runs_is_no_end),
        cmocka_unit_test(a_pin_to_another_job_is_superseded_wherever_the_cursor_is),
        cmocka_unit_test(a_cursor_into_nothing_is_gone),
        cmocka_unit_test(a_key_that_is_no_stream_is_nothing),
        cmocka_unit_test(a_foreign_stream_continues_behind_the_id),
        cmocka_unit_test(a_cursor_in_the_attempt_goes_on_exactly),
        cmocka_unit_test(a_cursor_beyond_a_running_attempt_waits_for_the_repair),
        cmocka_unit_test(a_cursor_beyond_an_ended_attempt_has_lost_its_history),
        cmocka_unit_test(nobody_repairs_for_a_job_that_waits_for_its_next_attempt),
        cmocka_unit_test(a_stream_that_is_lost_under_a_running_job_is_waited_for),
        cmocka_unit_test(an_earlier_attempt_is_reset_as_a_retry),
        cmocka_unit_test(an_attempt_from_the_future_was_a_claim_that_redis_lost),
        cmocka_unit_test(a_cursor_before_the_job_is_superseded),
        cmocka_unit_test(the_highest_ids_there_are_compare_like_all_others),
        cmocka_unit_test(all_small_worlds_are_answered_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
