/*
 * The outbox driven by hand: no loop, no Redis.
 */
#include "outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct message batch[OUTBOX_BATCH_COUNT];

static void put_text(struct outbox *o, const char *text)
{
    assert_int_equal(outbox_put(o, text, strlen(text)), STATUS_OK);
}

static void assert_message(const struct message *message, const char *text)
{
    assert_int_equal(message->length, strlen(text));
    assert_memory_equal(message->data, text, message->length);
}

/* A whole step's worth. */
static size_t next_batch(struct outbox *o, uint64_t *first)
{
    struct outbox_room room = OUTBOX_ROOM;
    return outbox_next(o, batch, &room, first);
}

static void messages_are_numbered_from_one_and_sent_once(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    outbox_init(&o, 1000);
    assert_int_equal(next_batch(&o, &first), 0);
    put_text(&o, "one");
    put_text(&o, "two");
    assert_int_equal(next_batch(&o, &first), 2);
    assert_int_equal(first, 1);
    assert_message(&batch[0], "one");
    assert_message(&batch[1], "two");

    put_text(&o, "three");
    assert_int_equal(next_batch(&o, &first), 0); /* one batch at a time */
    outbox_acknowledge(&o, 2);
    assert_false(outbox_settled(&o));
    assert_int_equal(outbox_waiting_bytes(&o), 5);
    assert_int_equal(next_batch(&o, &first), 1);
    assert_int_equal(first, 3);
    assert_message(&batch[0], "three");
    outbox_acknowledge(&o, 3);
    assert_true(outbox_settled(&o));
    assert_int_equal(outbox_waiting_bytes(&o), 0);
    assert_int_equal(outbox_last(&o), 3);
    outbox_clear(&o);
}

static void what_was_not_answered_is_sent_again(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    outbox_init(&o, 1000);
    put_text(&o, "one");
    assert_int_equal(next_batch(&o, &first), 1);
    outbox_unsend(&o);
    put_text(&o, "two");
    assert_int_equal(next_batch(&o, &first), 2);
    assert_int_equal(first, 1);
    outbox_acknowledge(&o, 1); /* only a part of it arrived */
    assert_int_equal(next_batch(&o, &first), 1);
    assert_int_equal(first, 2);
    assert_message(&batch[0], "two");
    outbox_clear(&o);
}

static void a_batch_has_at_most_so_many_messages(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    outbox_init(&o, 1000);
    for (int i = 0; i < OUTBOX_BATCH_COUNT + 10; i++)
        put_text(&o, "{}");
    assert_int_equal(next_batch(&o, &first), OUTBOX_BATCH_COUNT);
    outbox_acknowledge(&o, OUTBOX_BATCH_COUNT);
    assert_int_equal(next_batch(&o, &first), 10);
    assert_int_equal(first, OUTBOX_BATCH_COUNT + 1);
    outbox_clear(&o);
}

static void a_batch_has_at_most_so_many_bytes_but_one_message(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    size_t length = OUTBOX_BATCH_BYTES + 1;
    char *large = malloc(length);
    assert_non_null(large);
    memset(large, 'x', length);
    outbox_init(&o, 1000);
    put_text(&o, "small");
    assert_int_equal(outbox_put(&o, large, length), STATUS_OK);
    put_text(&o, "small");
    const size_t expected[] = {5, length, 5};
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(next_batch(&o, &first), 1);
        assert_int_equal(first, i + 1);
        assert_int_equal(batch[0].length, expected[i]);
        outbox_acknowledge(&o, i + 1);
    }
    outbox_clear(&o);
    free(large);
}

static void what_redis_lost_is_written_again(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    outbox_init(&o, 1000);
    put_text(&o, "one");
    put_text(&o, "two");
    put_text(&o, "three");
    assert_int_equal(next_batch(&o, &first), 3);
    outbox_acknowledge(&o, 3);
    put_text(&o, "four");
    assert_int_equal(next_batch(&o, &first), 1);
    assert_true(outbox_rewind(&o, 1));
    assert_int_equal(outbox_waiting_bytes(&o), strlen("twothreefour"));
    assert_int_equal(next_batch(&o, &first), 3);
    assert_int_equal(first, 2);
    assert_message(&batch[0], "two");
    assert_message(&batch[2], "four");
    assert_true(outbox_rewind(&o, 0)); /* all of it */
    assert_int_equal(next_batch(&o, &first), 4);
    assert_int_equal(first, 1);
    outbox_clear(&o);
}

static void only_so_much_is_kept(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    outbox_init(&o, 6);
    put_text(&o, "aaa");
    put_text(&o, "bbb");
    put_text(&o, "ccc");
    assert_int_equal(next_batch(&o, &first), 3);
    outbox_acknowledge(&o, 3);
    assert_false(outbox_rewind(&o, 0)); /* aaa was dropped */
    assert_true(outbox_settled(&o));    /* and nothing changed */
    assert_true(outbox_rewind(&o, 1));
    assert_int_equal(next_batch(&o, &first), 2);
    assert_int_equal(first, 2);
    assert_message(&batch[0], "bbb");
    outbox_clear(&o);
}

/* The same as an outbox, as simply as can be. */
struct model {
    char texts[4000][12];
    uint64_t last, acknowledged, sent;
    uint64_t top; /* the most that was ever acknowledged */
};

static void check_batch(struct outbox *o, struct model *m)
{
    uint64_t first;
    bool was_flying = m->sent != m->acknowledged;
    size_t count = next_batch(o, &first);
    if (was_flying)
        assert_int_equal(count, 0);
    else if (m->last > m->sent)
        assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        assert_message(&batch[i], m->texts[m->sent + i]);
    if (count > 0)
        assert_int_equal(first, m->sent + 1);
    m->sent += count;
}

static void any_order_of_events_keeps_every_message(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct outbox o;
        struct model *m = calloc(1, sizeof *m);
        assert_non_null(m);
        srandom(seed);
        outbox_init(&o, 200);
        while (m->last < 3999) {
            long dice = random() % 10;
            if (dice < 5) {
                snprintf(m->texts[m->last], sizeof m->texts[0], "m%lu", (unsigned long)m->last);
                put_text(&o, m->texts[m->last++]);
            } else if (dice < 7) {
                check_batch(&o, m);
            } else if (dice < 9) {
                m->acknowledged += (uint64_t)random() % (m->sent - m->acknowledged + 1);
                m->sent = m->acknowledged;
                outbox_acknowledge(&o, m->acknowledged);
                m->top = m->acknowledged > m->top ? m->acknowledged : m->top;
            } else {
                uint64_t back = (uint64_t)random() % 60;
                uint64_t to = m->acknowledged > back ? m->acknowledged - back : 0;
                if (outbox_rewind(&o, to))
                    m->acknowledged = m->sent = to;
                else
                    assert_true(m->top - to > 200 / strlen("m3999"));
            }
            assert_int_equal(outbox_acknowledged(&o), m->acknowledged);
        }
        outbox_clear(&o);
        free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_numbered_from_one_and_sent_once),
        cmocka_unit_test(what_was_not_answered_is_sent_again),
        cmocka_unit_test(a_batch_has_at_most_so_many_messages),
        cmocka_unit_test(a_batch_has_at_most_so_many_bytes_but_one_message),
        cmocka_unit_test(what_redis_lost_is_written_again),
        cmocka_unit_test(only_so_much_is_kept),
        cmocka_unit_test(any_order_of_events_keeps_every_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
