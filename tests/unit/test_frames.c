/*
 * test_frames.c: frames.c, each promise of its header, and against a model that keeps everything.
 */
#include "frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLENTY (1 << 20)

/* What a frame costs beside its bytes. */
#define RECORD sizeof(struct frame)

/* Of a chunk of less than 16 bytes. */
#define FRAMING 5

static struct entry_id id_of(uint64_t a, uint64_t n)
{
    return (struct entry_id){.a = a, .n = n};
}

static void assert_id(struct entry_id id, uint64_t a, uint64_t n)
{
    assert_int_equal(id.a, a);
    assert_int_equal(id.n, n);
}

static void put(struct frames *f, struct entry_id id, const char *text, size_t limit_bytes)
{
    struct buf b = {0};
    buf_puts(&b, text);
    assert_true(frames_put(f, id, &b, false, limit_bytes));
    buf_clear(&b);
}

static void assert_frame(const struct frames *f, uint64_t number, const char *text)
{
    const struct frame *frame = frames_at(f, number);
    size_t length;
    assert_non_null(frame);
    const char *bytes = frames_text(f, frame, &length);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, text, length);
}

static void begin_at_7(struct frames *f)
{
    *f = (struct frames){0};
    frames_begin(f, id_of(7, 0));
}

/* ---- one after the other ---- */

static void an_empty_one_reaches_what_comes(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    assert_int_equal(frames_end(&f), 0);
    assert_null(frames_at(&f, 0));
    assert_null(frames_at(&f, UINT64_MAX));
    assert_true(frames_reach(&f, id_of(7, 0)));
    assert_true(frames_reach(&f, id_of(7, 3)));
    assert_false(frames_reach(&f, id_of(6, 99)));
    assert_int_equal(frames_after(&f, id_of(7, 0)), 0);
    assert_id(f.last, 7, 0);
    frames_clear(&f);
}

static void what_is_put_in_is_found_by_number_and_by_id(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    put(&f, id_of(7, 1), "one", PLENTY);
    put(&f, id_of(7, 2), "two", PLENTY);
    put(&f, id_of(9, 0), "reset", PLENTY);
    assert_int_equal(frames_end(&f), 3);
    assert_frame(&f, 0, "one");
    assert_frame(&f, 1, "two");
    assert_frame(&f, 2, "reset");
    assert_id(f.last, 9, 0);
    assert_int_equal(f.written, 11 + 3 * FRAMING);
    assert_int_equal(frames_after(&f, id_of(7, 0)), 0);
    assert_int_equal(frames_after(&f, id_of(7, 1)), 1);
    assert_int_equal(frames_after(&f, id_of(8, 500)), 2);
    assert_int_equal(frames_after(&f, id_of(9, 0)), 3);
    assert_int_equal(frames_after(&f, id_of(UINT64_MAX, UINT64_MAX)), 3);
    frames_clear(&f);
}

static void following_frames_stand_in_one_run_of_bytes(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    char text[] = "0";
    for (uint64_t i = 1; i <= 9; i++) {
        text[0] = (char)('0' + i);
        put(&f, id_of(7, i), text, i < 5 ? PLENTY : 5 * (1 + FRAMING + RECORD));
    }
    assert_null(frames_at(&f, 3));
    assert_memory_equal(frames_bytes(&f, frames_at(&f, 4)),
                        "1\r\n5\r\n1\r\n6\r\n1\r\n7\r\n1\r\n8\r\n1\r\n9\r\n", 5 * (1 + FRAMING));
    frames_clear(&f);
}

static void a_frame_remembers_that_it_ends(void **state)
{
    (void)state;
    struct frames f;
    struct buf text = {0};
    begin_at_7(&f);
    buf_puts(&text, "bye");
    assert_true(frames_put(&f, id_of(7, 1), &text, true, PLENTY));
    assert_true(frames_put(&f, id_of(8, 0), &text, false, PLENTY));
    assert_true(frames_at(&f, 0)->ends);
    assert_false(frames_at(&f, 1)->ends);
    buf_clear(&text);
    frames_clear(&f);
}

/* ---- the limit ---- */

static void beyond_the_limit_the_oldest_go(void **state)
{
    (void)state;
    struct frames f;
    size_t room = 2 * (4 + FRAMING + RECORD);
    begin_at_7(&f);
    put(&f, id_of(7, 1), "aaaa", room);
    put(&f, id_of(7, 2), "bbbb", room);
    assert_frame(&f, 0, "aaaa");
    put(&f, id_of(7, 3), "cccc", room);
    assert_null(frames_at(&f, 0));
    assert_frame(&f, 1, "bbbb");
    assert_frame(&f, 2, "cccc");
    assert_id(f.complete_from, 7, 1);
    assert_false(frames_reach(&f, id_of(7, 0)));
    assert_true(frames_reach(&f, id_of(7, 1)));
    assert_int_equal(frames_after(&f, id_of(7, 0)), 1);
    frames_clear(&f);
}

static void one_frame_above_the_limit_is_kept_alone(void **state)
{
    (void)state;
    struct frames f;
    char *huge = malloc(PLENTY + 1);
    assert_non_null(huge);
    memset(huge, 'h', PLENTY);
    huge[PLENTY] = '\0';
    begin_at_7(&f);
    put(&f, id_of(7, 1), "small", 4096);
    put(&f, id_of(7, 2), huge, 4096);
    assert_null(frames_at(&f, 0));
    assert_frame(&f, 1, huge);
    put(&f, id_of(7, 3), "small again", 4096);
    assert_null(frames_at(&f, 1));
    assert_frame(&f, 2, "small again");
    assert_id(f.complete_from, 7, 2);
    free(huge);
    frames_clear(&f);
}

static void empty_frames_have_numbers_and_ids_too(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    put(&f, id_of(7, 0), "", PLENTY);
    put(&f, id_of(7, 1), "x", PLENTY);
    put(&f, id_of(8, 0), "", PLENTY);
    put(&f, id_of(8, 1), "y", PLENTY);
    assert_int_equal(frames_at(&f, 0)->length, 0);
    assert_frame(&f, 1, "x");
    assert_frame(&f, 2, "");
    assert_frame(&f, 3, "y");
    assert_memory_equal(frames_bytes(&f, frames_at(&f, 1)), "1\r\nx\r\n1\r\ny\r\n", 12);
    frames_clear(&f);
}

static void empty_frames_are_bounded_as_well(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    for (uint64_t i = 1; i <= 100000; i++)
        put(&f, id_of(7, i), "", 4096);
    assert_in_range(f.count, 1, 4096 / RECORD);
    assert_in_range(f.capacity, f.count, 4 * 4096 / RECORD);
    assert_int_equal(frames_end(&f), 100000);
    frames_clear(&f);
}

static void memory_stays_near_the_limit_however_much_passes(void **state)
{
    (void)state;
    struct frames f;
    char text[200];
    begin_at_7(&f);
    for (uint64_t i = 1; i <= 100000; i++) {
        snprintf(text, sizeof text, "%0*llu", (int)(1 + i % 150), (unsigned long long)i);
        put(&f, id_of(7, i), text, 8192);
    }
    assert_in_range(f.bytes.capacity, 1, 4 * 8192);
    frames_clear(&f);
}

/* ---- giving back ---- */

static void trimmed_ones_are_served_from_elsewhere(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    for (uint64_t i = 1; i <= 4; i++)
        put(&f, id_of(7, i), "text", PLENTY);
    frames_trim(&f, 2 * (4 + FRAMING + RECORD));
    assert_null(frames_at(&f, 1));
    assert_frame(&f, 2, "text");
    assert_false(frames_reach(&f, id_of(7, 1)));
    assert_true(frames_reach(&f, id_of(7, 2)));
    frames_trim(&f, 0);
    assert_null(frames_at(&f, 3));
    assert_int_equal(frames_end(&f), 4);
    assert_true(frames_reach(&f, id_of(7, 4)));
    assert_int_equal(frames_after(&f, id_of(7, 4)), 4);
    put(&f, id_of(7, 5), "five", PLENTY);
    assert_frame(&f, 4, "five");
    frames_clear(&f);
}

static void one_that_rests_holds_no_memory(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    put(&f, id_of(7, 1), "one", PLENTY);
    frames_trim(&f, 0);
    assert_true(f.bytes.capacity > 0); /* for the next one */
    frames_rest(&f);
    assert_null(f.bytes.data);
    assert_null(f.list);
    assert_id(f.last, 7, 1);
    assert_true(frames_reach(&f, id_of(7, 1)));
    put(&f, id_of(7, 2), "two", PLENTY);
    assert_frame(&f, 1, "two");
    for (uint64_t i = 3; i < 1000; i++)
        put(&f, id_of(7, i), "many", PLENTY);
    frames_trim(&f, 0);
    assert_null(f.bytes.data); /* that was more than the next one needs */
    frames_clear(&f);
}

/* ---- beginning anew ---- */

static void numbers_go_on_when_it_begins_anew(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    put(&f, id_of(7, 1), "one", PLENTY);
    put(&f, id_of(7, 2), "two", PLENTY);
    frames_begin(&f, id_of(3, 0));
    assert_int_equal(frames_end(&f), 2);
    for (uint64_t number = 0; number < 4; number++)
        assert_null(frames_at(&f, number));
    assert_true(frames_reach(&f, id_of(3, 0)));
    assert_false(frames_reach(&f, id_of(2, 9)));
    assert_id(f.last, 3, 0);
    put(&f, id_of(3, 1), "three", PLENTY);
    assert_null(frames_at(&f, 1));
    assert_frame(&f, 2, "three");
    assert_int_equal(f.written, 11 + 3 * FRAMING);
    assert_int_equal(frames_at(&f, 2)->start, 6 + 2 * FRAMING);
    frames_clear(&f);
}

static void a_cleared_one_can_be_used_again(void **state)
{
    (void)state;
    struct frames f;
    begin_at_7(&f);
    put(&f, id_of(7, 1), "one", PLENTY);
    frames_clear(&f);
    frames_clear(&f);
    put(&f, id_of(7, 1), "one", PLENTY);
    assert_frame(&f, 0, "one");
    frames_clear(&f);
}

/* ---- against a model that keeps everything ---- */

#define MODEL_MOST 4000

struct known {
    struct entry_id id;
    char text[64 + 8]; /* as a chunk */
    size_t length;
    bool ends;
};

struct model {
    struct known all[MODEL_MOST]; /* by number */
    size_t count, oldest;         /* in hand from `oldest` on */
    struct entry_id begun, last;
    size_t limit;
};

static uint64_t seed;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void model_put(struct model *m, const struct known *known)
{
    m->all[m->count++] = *known;
    m->last = known->id;
    for (;;) {
        size_t held = 0;
        for (size_t i = m->oldest; i < m->count; i++)
            held += m->all[i].length + RECORD;
        if (m->count - m->oldest <= 1 || held <= m->limit)
            return;
        m->begun = m->all[m->oldest++].id;
    }
}

static struct entry_id next_id(struct entry_id last)
{
    if (below(20) == 0)
        return id_of(last.a + 1 + below(3), 0);
    return id_of(last.a, last.n + 1 + below(2));
}

static void put_both(struct frames *f, struct model *m)
{
    struct known known = {.id = next_id(m->last), .ends = below(15) == 0};
    struct buf text = {0};
    for (size_t left = below(4) == 0 ? 0 : below(64); left > 0; left--)
        buf_putc(&text, (char)('a' + below(26)));
    if (text.length > 0)
        known.length = (size_t)snprintf(known.text, sizeof known.text, "%zx\r\n%s\r\n", text.length,
                                        buf_text(&text));
    assert_true(frames_put(f, known.id, &text, known.ends, m->limit));
    buf_clear(&text);
    model_put(m, &known);
}

/* What a trim drops is as little as its limit allows. */
static void trim_both(struct frames *f, struct model *m)
{
    size_t keep = below(3) == 0 ? 0 : below((unsigned)m->limit), held = 0;
    frames_trim(f, keep);
    for (size_t i = m->oldest; i < m->count; i++)
        held += m->all[i].length + RECORD;
    for (; m->oldest < m->count && held > keep; m->oldest++) {
        held -= m->all[m->oldest].length + RECORD;
        m->begun = m->all[m->oldest].id;
    }
}

static void begin_both(struct frames *f, struct model *m)
{
    struct entry_id id = id_of(below(50), below(5));
    frames_begin(f, id);
    m->oldest = m->count;
    m->begun = m->last = id;
}

static void compare_numbers(const struct frames *f, const struct model *m)
{
    size_t run = 0;
    assert_int_equal(frames_end(f), m->count);
    assert_null(frames_at(f, m->count));
    if (m->oldest > 0)
        assert_null(frames_at(f, m->oldest - 1));
    for (size_t i = m->oldest; i < m->count; i++) {
        const struct frame *frame = frames_at(f, i);
        assert_non_null(frame);
        assert_int_equal(entry_id_compare(frame->id, m->all[i].id), 0);
        assert_int_equal(frame->length, m->all[i].length);
        assert_int_equal(frame->ends, m->all[i].ends);
        /* Read from the oldest one on, as one run. */
        assert_memory_equal(frames_bytes(f, frames_at(f, m->oldest)) + run, m->all[i].text,
                            frame->length);
        assert_ptr_equal(frames_bytes(f, frame), frames_bytes(f, frames_at(f, m->oldest)) + run);
        run += frame->length;
    }
}

static void compare_ids(const struct frames *f, const struct model *m)
{
    struct entry_id id = id_of(below(60), below(8));
    if (m->count > m->oldest && below(2))
        id = m->all[m->oldest + below((unsigned)(m->count - m->oldest))].id;
    size_t number = m->oldest;
    while (number < m->count && entry_id_compare(m->all[number].id, id) <= 0)
        number++;
    assert_int_equal(frames_after(f, id), number);
    assert_int_equal(frames_reach(f, id), entry_id_compare(id, m->begun) >= 0);
    assert_int_equal(entry_id_compare(f->complete_from, m->begun), 0);
    assert_int_equal(entry_id_compare(f->last, m->last), 0);
}

static void whatever_happens_it_equals_a_naive_model(void **state)
{
    (void)state;
    static struct model m;
    for (uint64_t round = 1; round <= 30; round++) {
        struct frames f = {0};
        seed = round;
        m = (struct model){.limit = 200 + below(3000)};
        print_message("seed %llu, limit %zu\n", (unsigned long long)round, m.limit);
        begin_both(&f, &m);
        while (m.count < 500) {
            if (below(100) == 0)
                begin_both(&f, &m);
            else if (below(50) == 0)
                trim_both(&f, &m);
            else
                put_both(&f, &m);
            compare_numbers(&f, &m);
            compare_ids(&f, &m);
        }
        frames_clear(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_reaches_what_comes),
        cmocka_unit_test(what_is_put_in_is_found_by_number_and_by_id),
        cmocka_unit_test(following_frames_stand_in_one_run_of_bytes),
        cmocka_unit_test(a_frame_remembers_that_it_ends),
        cmocka_unit_test(beyond_the_limit_the_oldest_go),
        cmocka_unit_test(one_frame_above_the_limit_is_kept_alone),
        cmocka_unit_test(empty_frames_have_numbers_and_ids_too),
        cmocka_unit_test(empty_frames_are_bounded_as_well),
        cmocka_unit_test(memory_stays_near_the_limit_however_much_passes),
        cmocka_unit_test(trimmed_ones_are_served_from_elsewhere),
        cmocka_unit_test(one_that_rests_holds_no_memory),
        cmocka_unit_test(numbers_go_on_when_it_begins_anew),
        cmocka_unit_test(a_cleared_one_can_be_used_again),
        cmocka_unit_test(whatever_happens_it_equals_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
