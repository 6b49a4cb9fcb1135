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

/* ---- deltas ---- */

#define DELTA(text) "{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"" text "\"}"
#define OTHER(text) "{\"type\":\"text-delta\",\"id\":\"1\",\"delta\":\"" text "\"}"

static void deltas_that_wait_become_one(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    outbox_init(&o, 1000);
    outbox_join(&o, 1000);
    put_text(&o, DELTA("a"));
    assert_int_equal(next_batch(&o, &first), 1); /* alone it waits for nothing */
    put_text(&o, DELTA("b"));
    put_text(&o, DELTA("c"));
    put_text(&o, OTHER("d"));
    put_text(&o, DELTA("e"));
    put_text(&o, "{}");
    put_text(&o, DELTA("f"));
    assert_int_equal(outbox_last(&o), 6);
    outbox_acknowledge(&o, 1);
    assert_int_equal(outbox_waiting_bytes(&o),
                     strlen(DELTA("bc") OTHER("d") DELTA("e") "{}" DELTA("f")));
    assert_int_equal(next_batch(&o, &first), 5);
    assert_int_equal(first, 2);
    assert_message(&batch[0], DELTA("bc"));
    assert_message(&batch[1], OTHER("d"));
    assert_message(&batch[2], DELTA("e"));
    assert_message(&batch[4], DELTA("f"));
    outbox_clear(&o);
}

static void what_may_have_arrived_is_not_joined_to(void **state)
{
    (void)state;
    struct outbox o;
    uint64_t first;
    outbox_init(&o, 1000);
    outbox_join(&o, 1000);
    put_text(&o, DELTA("a"));
    assert_int_equal(next_batch(&o, &first), 1);
    outbox_unsend(&o); /* the answer never came */
    put_text(&o, DELTA("b"));
    put_text(&o, DELTA("c"));
    assert_int_equal(next_batch(&o, &first), 2);
    assert_message(&batch[0], DELTA("a"));
    assert_message(&batch[1], DELTA("bc"));
    outbox_acknowledge(&o, 2);
    assert_true(outbox_rewind(&o, 0)); /* what was lost comes again as it was */
    put_text(&o, DELTA("d"));
    assert_int_equal(next_batch(&o, &first), 3);
    assert_message(&batch[1], DELTA("bc"));
    assert_message(&batch[2], DELTA("d"));
    outbox_clear(&o);
}

static void a_joined_delta_has_at_most_so_many_bytes(void **state)
{
    (void)state;
    struct outbox o;
    outbox_init(&o, 1000);
    put_text(&o, DELTA("a"));
    put_text(&o, DELTA("b"));
    assert_int_equal(outbox_last(&o), 2); /* nobody asked for it */
    outbox_join(&o, strlen(DELTA("")) + 4);
    for (int i = 0; i < 8; i++)
        put_text(&o, DELTA("x"));
    uint64_t first;
    size_t count = next_batch(&o, &first);
    for (size_t i = 0; i < count; i++)
        assert_true(batch[i].length <= strlen(DELTA("")) + 4);
    assert_int_equal(count, 2 + 2);
    outbox_clear(&o);
}

/* What was sent under a number, for good. */
static void check_sent(struct outbox *o, char (*sent)[2048], uint64_t *most)
{
    uint64_t first;
    size_t count = next_batch(o, &first);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = first + i;
        if (number <= *most) {
            assert_message(&batch[i], sent[number]);
            continue;
        }
        assert_true(batch[i].length < sizeof sent[0]);
        memcpy(sent[number], batch[i].data, batch[i].length);
        *most = number;
    }
}

/* The texts behind each other, whatever parts they are of. */
static void add_text(struct buf *all, const char *message)
{
    const char *text = strstr(message, "\"delta\":\"") + strlen("\"delta\":\"");
    buf_add(all, text, strlen(text) - 2);
}

static void a_number_that_was_sent_always_means_the_same(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct outbox o;
        struct buf put = {0}, told = {0};
        static char sent[2000][2048];
        uint64_t most = 0;
        memset(sent, 0, sizeof sent);
        srandom(seed);
        outbox_init(&o, 100000);
        outbox_join(&o, 2000);
        for (int i = 0; i < 1900 || most < outbox_last(&o); i++) {
            long dice = random() % 10;
            char text[96];
            if (dice < 6 && i < 1900) {
                snprintf(text, sizeof text, random() % 8 ? DELTA("%d.") : OTHER("%d."), i);
                put_text(&o, text);
                add_text(&put, text);
            } else if (dice < 8) {
                check_sent(&o, sent, &most);
            } else if (dice < 9) {
                outbox_acknowledge(&o, o.acknowledged +
                                           (uint64_t)random() % (o.sent - o.acknowledged + 1));
            } else {
                assert_true(outbox_rewind(&o, o.acknowledged -
                                                  min_size(o.acknowledged, (size_t)random() % 20)));
            }
        }
        assert_true(most < 1000); /* many were joined */
        for (uint64_t n = 1; n <= most; n++)
            add_text(&told, sent[n]);
        assert_string_equal(buf_text(&told), buf_text(&put));
        outbox_clear(&o);
        buf_clear(&put);
        buf_clear(&told);
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
        cmocka_unit_test(deltas_that_wait_become_one),
        cmocka_unit_test(what_may_have_arrived_is_not_joined_to),
        cmocka_unit_test(a_joined_delta_has_at_most_so_many_bytes),
        cmocka_unit_test(a_number_that_was_sent_always_means_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
