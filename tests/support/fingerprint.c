/*
 * fingerprint.c: adds the lines of a scene up, each seen through a glass that blurs what no step
 * looks at; once more with the two workers exchanged; the lesser of both is the name.
 */
#include "snapshot.h"

#include <ctype.h>

#define MOMENT_DIGITS 13 /* a time in ms, and so an attempt, since 2001 */
#define MOMENTS_MOST 64

/* Two sums that are fed byte by byte. */
struct sum {
    uint64_t high, low;
};

static void sum_start(struct sum *sum)
{
    *sum = (struct sum){UINT64_C(0xcbf29ce484222325), UINT64_C(0x84222325cbf29ce4)};
}

static void sum_byte(struct sum *sum, unsigned char byte)
{
    sum->high = (sum->high ^ byte) * UINT64_C(0x100000001b3);
    sum->low = (sum->low + byte) * UINT64_C(0x9e3779b97f4a7c15);
    sum->low ^= sum->low >> 29;
}

static uint64_t stirred(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* How a scene is looked at: its attempts, sorted, and whether w1 is taken for w2. */
struct glass {
    int64_t now;
    uint64_t attempts[MOMENTS_MOST];
    size_t count;
    bool swapped;
    struct fingerprint total; /* lines are added, so that their order says nothing */
};

static bool is_one_of(struct words word, const char *const *names)
{
    for (; *names; names++) {
        size_t length = strlen(*names);
        if ((size_t)(word.end - word.at) >= length && memcmp(word.at, *names, length) == 0 &&
            (word.at + length == word.end || word.at[length] == SCENE_SEPARATOR ||
             (*names)[length - 1] == ':'))
            return true;
    }
    return false;
}

/* Whether the numbers of 13 digits in a word are attempts: otherwise they are times. */
static bool holds_attempts(const char *type, struct words word)
{
    static const char *const names[] = {"first", "attempt", "owner", "job:", NULL};
    return *type == 'a' || strncmp(type, "stre", 4) == 0 || is_one_of(word, names);
}

/* What no step looks at. */
static bool is_only_told(struct words key, struct words word)
{
    static const char *const names[] = {"history",  "words", "error", "error_detail", "taken",
                                        "sequence", "in",    "due",   "usage:",       NULL};
    static const char *const workers[] = {"worker:", NULL}, *const jobs[] = {"job:", NULL};
    return is_one_of(word, names) || (is_one_of(key, workers) && !is_one_of(word, jobs));
}

static size_t digits_at(struct words word)
{
    size_t count = 0;
    while (word.at + count < word.end && isdigit((unsigned char)word.at[count]))
        count++;
    return count;
}

static size_t rank_of(const struct glass *glass, uint64_t attempt)
{
    size_t rank = 0;
    while (rank < glass->count && glass->attempts[rank] < attempt)
        rank++;
    return rank;
}

static void note_attempt(struct glass *glass, uint64_t attempt)
{
    size_t rank = rank_of(glass, attempt);
    if (rank < glass->count && glass->attempts[rank] == attempt)
        return;
    assert_in_range(glass->count, 0, MOMENTS_MOST - 1);
    memmove(&glass->attempts[rank + 1], &glass->attempts[rank],
            (glass->count++ - rank) * sizeof glass->attempts[0]);
    glass->attempts[rank] = attempt;
}

static void note_attempts(struct glass *glass, const char *type, struct words word)
{
    if (!holds_attempts(type, word))
        return;
    while (word.at < word.end) {
        size_t digits = digits_at(word);
        if (digits >= MOMENT_DIGITS)
            note_attempt(glass, strtoull(word.at, NULL, 10));
        word.at += digits ? digits : 1;
    }
}

/* "w1" or "w2" as a word of its own. */
static bool is_worker(struct words word, const char *begin)
{
    return word.end - word.at >= 2 && *word.at == 'w' && (word.at[1] == '1' || word.at[1] == '2') &&
           (word.at == begin || !isalnum((unsigned char)word.at[-1])) &&
           (word.at + 2 == word.end || !isalnum((unsigned char)word.at[2]));
}

static void add_word(const struct glass *glass, struct sum *sum, struct words word, bool attempts)
{
    const char *begin = word.at;
    while (word.at < word.end) {
        size_t digits = digits_at(word);
        if (digits >= MOMENT_DIGITS) {
            size_t rank = attempts ? rank_of(glass, strtoull(word.at, NULL, 10)) : MOMENTS_MOST;
            sum_byte(sum, (unsigned char)(128 + rank));
        } else if (is_worker(word, begin)) {
            sum_byte(sum, 'w');
            sum_byte(sum, (unsigned char)(glass->swapped ? '1' + '2' - word.at[1] : word.at[1]));
            digits = 2;
        } else {
            for (size_t i = 0; i < digits; i++)
                sum_byte(sum, (unsigned char)word.at[i]);
            if (digits == 0)
                sum_byte(sum, (unsigned char)*word.at);
        }
        word.at += digits ? digits : 1;
    }
    sum_byte(sum, 0);
}

static void add_total(struct glass *glass, const struct sum *sum)
{
    glass->total.high += stirred(sum->high);
    glass->total.low += stirred(sum->low);
}

/* A member by itself: the order of times is not looked at. */
static void add_member(struct glass *glass, struct sum sum, struct words word)
{
    const char *score = memchr(word.at, SCENE_SEPARATOR, (size_t)(word.end - word.at));
    assert_non_null(score);
    add_word(glass, &sum, (struct words){word.at, score}, false);
    sum_byte(&sum, strtod(score + 1, NULL) <= (double)glass->now ? 'p' : 'f');
    add_total(glass, &sum);
}

/* What of `in` is not `out`. */
static void add_counters(struct glass *glass, struct sum *sum, struct words line)
{
    char in[24], out[24], difference[24];
    words_field(line, "in", in, sizeof in);
    words_field(line, "out", out, sizeof out);
    int length = snprintf(difference, sizeof difference, "%lld", atoll(in) - atoll(out));
    add_word(glass, sum, (struct words){difference, difference + length}, false);
}

static void add_line(struct glass *glass, struct words line)
{
    static const char *const untold[] = {"workers", "queue:default:wake", NULL};
    static const char *const counters[] = {"queue:default", NULL}, *const out[] = {"out", NULL};
    struct words key, type, expiry, word, whole = line;
    words_next(&line, &key);
    words_next(&line, &type);
    words_next(&line, &expiry);
    if (is_one_of(key, untold))
        return;
    bool worker = key.end - key.at > 7 && memcmp(key.at, "worker:", 7) == 0, some = false;
    struct sum sum;
    sum_start(&sum);
    add_word(glass, &sum, key, false);
    if (!worker)
        add_word(glass, &sum, expiry, false);
    while (words_next(&line, &word)) {
        if (*type.at == 'z') {
            add_member(glass, sum, word);
        } else if (is_one_of(key, counters) && is_one_of(word, out)) {
            add_counters(glass, &sum, whole);
        } else if (!is_only_told(key, word)) {
            add_word(glass, &sum, word, holds_attempts(type.at, word));
            some = true;
        }
    }
    if (*type.at != 'z' && (some || !worker))
        add_total(glass, &sum);
}

static void each_line(struct glass *glass, const char *text,
                      void (*fn)(struct glass *glass, struct words line))
{
    for (const char *at = text, *end; (end = strchr(at, '\n')); at = end + 1)
        fn(glass, (struct words){at, end});
}

static void note_line(struct glass *glass, struct words line)
{
    struct words key, type, word;
    words_next(&line, &key);
    words_next(&line, &type);
    while (words_next(&line, &word))
        note_attempts(glass, type.at, word);
}

static struct fingerprint look_through(struct glass *glass, const char *text, const char *knowledge,
                                       bool swapped)
{
    glass->swapped = swapped;
    glass->total = (struct fingerprint){0};
    each_line(glass, text, add_line);
    each_line(glass, knowledge, add_line);
    return glass->total;
}

struct fingerprint scene_fingerprint(const struct scene *scene, const char *knowledge)
{
    struct glass glass = {.now = scene->now};
    each_line(&glass, scene->text, note_line);
    each_line(&glass, knowledge, note_line);
    struct fingerprint x = look_through(&glass, scene->text, knowledge, false);
    struct fingerprint y = look_through(&glass, scene->text, knowledge, true);
    return x.high < y.high || (x.high == y.high && x.low <= y.low) ? x : y;
}
