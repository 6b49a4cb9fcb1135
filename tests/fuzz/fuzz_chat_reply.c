/*
 * fuzz_chat_reply.c: any bytes as a model server's answer: whole, and in pieces.
 *
 * Input: a byte that says which dialect and how long the pieces are, then the body.
 */
#include "chat_reply.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

struct answer {
    struct chat_reply *reply;
    struct buf lines;
    enum status status;
};

static void take(struct answer *a, enum feature_api api, const char *body, size_t length,
                 size_t piece)
{
    a->reply = chat_reply_new(api);
    REQUIRE(a->reply);
    for (size_t at = 0; at < length && a->status == STATUS_OK; at += piece)
        a->status = chat_reply_take(a->reply, body + at, min_size(piece, length - at), &a->lines);
    chat_reply_end(a->reply, &a->lines);
    REQUIRE(a->status == STATUS_OK || a->status == STATUS_REFUSED || a->status == STATUS_PROTOCOL);
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* Each line is a message for the worker, and each part that was begun is ended. */
static void check_lines(const struct buf *lines)
{
    int parts = 0, calls = 0;
    for (const char *at = buf_text(lines); *at;) {
        struct json_info info;
        size_t length = strcspn(at, "\n");
        REQUIRE(at[length] == '\n' && length < 256 * 1024);
        REQUIRE(json_check(at, length, &info) && info.is_object && !info.is_control);
        REQUIRE(begins(at, "{\"type\":\""));
        parts += begins(at, "{\"type\":\"text-start") || begins(at, "{\"type\":\"reasoning-start");
        parts -= begins(at, "{\"type\":\"text-end") || begins(at, "{\"type\":\"reasoning-end");
        calls += begins(at, "{\"type\":\"tool-input-start");
        calls -= begins(at, "{\"type\":\"tool-input-available") ||
                 begins(at, "{\"type\":\"tool-input-error");
        REQUIRE(parts == 0 || parts == 1);
        at += length + 1;
    }
    REQUIRE(parts == 0 && calls == 0);
}

static void check_answer(const struct answer *a)
{
    const struct buf *text = chat_reply_text(a->reply);
    struct chat_usage usage = chat_reply_usage(a->reply);
    REQUIRE(buf_ok(&a->lines) && strlen(buf_text(&a->lines)) == a->lines.length);
    REQUIRE(json_is_utf8(buf_text(text), text->length));
    REQUIRE(json_is_utf8(chat_reply_error(a->reply), strlen(chat_reply_error(a->reply))));
    REQUIRE(strlen(chat_reply_error(a->reply)) <= 300);
    REQUIRE(a->status == STATUS_OK || *chat_reply_error(a->reply));
    REQUIRE(usage.input >= -1 && usage.output >= -1);
    REQUIRE(chat_reply_spoke(a->reply) == (a->lines.length > 0));
    REQUIRE(chat_finish_name(chat_reply_finish(a->reply)));
    check_lines(&a->lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *body = (const char *)data + 1;
    enum feature_api api = data[0] & 1 ? FEATURE_OLLAMA : FEATURE_OPENAI;
    struct answer whole = {0}, pieces = {0};
    struct buf words = {0};
    take(&whole, api, body, size - 1, SIZE_MAX / 2);
    take(&pieces, api, body, size - 1, 1 + (size_t)(data[0] >> 1));
    check_answer(&whole);
    REQUIRE(whole.status == pieces.status && whole.lines.length == pieces.lines.length);
    REQUIRE(strcmp(buf_text(&whole.lines), buf_text(&pieces.lines)) == 0);
    chat_reply_words(body, size - 1, &words);
    REQUIRE(words.length <= 300 && json_is_utf8(buf_text(&words), words.length));
    REQUIRE(!strpbrk(buf_text(&words), "\r\n"));
    chat_reply_free(whole.reply);
    chat_reply_free(pieces.reply);
    buf_clear(&whole.lines);
    buf_clear(&pieces.lines);
    buf_clear(&words);
    return 0;
}
