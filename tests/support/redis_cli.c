/*
 * redis_cli.c: splits a line into words, sends them, renders the answer.
 */
#include "redis_cli.h"

#include "await.h"
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING 32
#define WORDS_MOST 64

static struct buf *next_text(void)
{
    static struct buf ring[RING];
    static size_t turn;
    struct buf *text = &ring[turn++ % RING];
    buf_reset(text);
    return text;
}

const char *text_of(const char *format, ...)
{
    struct buf *text = next_text();
    char *made = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&made, format, args) < 0)
        abort();
    va_end(args);
    buf_puts(text, made);
    free(made);
    return buf_text(text);
}

struct ask {
    struct buf *text;
    bool answered;
};

static void render(struct buf *out, const struct redisReply *reply, bool inner)
{
    size_t length;
    const char *text = redis_reply_text(reply, &length);
    switch (redis_reply_type(reply)) {
    case REDIS_IS_NIL:
        buf_puts(out, "(nil)");
        break;
    case REDIS_IS_NUMBER:
        buf_printf(out, "%lld", (long long)redis_reply_number(reply));
        break;
    case REDIS_IS_ERROR:
        buf_printf(out, "(error) %s", text);
        break;
    case REDIS_IS_TEXT:
        buf_puts(out, length ? text : "''");
        break;
    case REDIS_IS_LIST:
        buf_puts(out, inner ? "(" : "");
        for (size_t i = 0; i < redis_reply_count(reply); i++) {
            buf_puts(out, i ? " " : "");
            render(out, redis_reply_at(reply, i), true);
        }
        buf_puts(out, inner ? ")" : "");
        break;
    }
}

const char *redis_cli_render(const struct redisReply *reply)
{
    struct buf *text = next_text();
    render(text, reply, false);
    return buf_text(text);
}

static void on_answer(void *arg, enum status status, const struct redisReply *reply)
{
    struct ask *ask = arg;
    ask->answered = true;
    if (status == STATUS_LOST)
        buf_puts(ask->text, "(lost)");
    else
        render(ask->text, reply, false);
}

/* Cuts line up in place. */
static int split(char *line, const char *argv[WORDS_MOST], size_t lengths[WORDS_MOST])
{
    int count = 0;
    char *at = line;
    while (*(at += strspn(at, " ")) && count < WORDS_MOST) {
        bool quoted = *at == '\'';
        argv[count] = at += quoted;
        at += strcspn(at, quoted ? "'" : " ");
        lengths[count] = (size_t)(at - argv[count]);
        count++;
        if (*at)
            *at++ = '\0';
    }
    return count;
}

const char *redis_cli_textv(uv_loop_t *loop, struct redis *r, const char *format, va_list args)
{
    const char *argv[WORDS_MOST];
    size_t lengths[WORDS_MOST];
    struct ask ask = {.text = next_text()};
    char *line = NULL;
    if (vasprintf(&line, format, args) < 0)
        abort();
    int argc = split(line, argv, lengths);
    if (redis_send(r, argc, argv, lengths, on_answer, &ask) != STATUS_OK)
        buf_puts(ask.text, "(closed)");
    else if (!await(loop, await_flag, &ask.answered, AWAIT_MS))
        abort(); /* on_answer would write into a frame that is gone */
    free(line);
    return buf_text(ask.text);
}

const char *redis_cli_text(uv_loop_t *loop, struct redis *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = redis_cli_textv(loop, r, format, args);
    va_end(args);
    return text;
}
