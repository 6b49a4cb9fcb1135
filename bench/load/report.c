/*
 * report.c: names carry their units.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

static void print_spread(const char *name, const struct histogram *h)
{
    printf(", \"%s\": {\"count\": %" PRIu64 ", \"p50\": %" PRIu64 ", \"p90\": %" PRIu64
           ", \"p99\": %" PRIu64 ", \"p99_9\": %" PRIu64 ", \"max\": %" PRIu64 "}",
           name, h->count, histogram_quantile(h, 0.5), histogram_quantile(h, 0.9),
           histogram_quantile(h, 0.99), histogram_quantile(h, 0.999), h->max);
}

static void print_window(const struct load_options *o, const struct load_result *r)
{
    double window_s = r->window_s > 0 ? r->window_s : 1;
    printf("{\"clients\": %zu, \"window_s\": %.3f, \"streams\": %" PRIu64
           ", \"streams_per_s\": %.1f, \"events\": %" PRIu64 ", \"events_per_s\": %.1f, "
           "\"receives\": %" PRIu64 ", \"frames\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"open_at_end\": %" PRIu64,
           o->clients, r->window_s, r->streams, (double)r->streams / window_s, r->messages,
           (double)r->messages / window_s, r->receives, r->frames, r->bytes, r->open_at_end);
    print_spread("latency_us", &r->latency_us);
    print_spread("first_us", &r->first_us);
    print_spread("done_us", &r->done_us);
    print_spread("last_us", &r->last_us);
    print_spread("back_us", &r->back_us);
}

static void print_run(const struct load_result *r)
{
    const struct tally *t = &r->tally;
    const struct load_errors *e = &r->errors;
    printf(", \"run\": {\"begun\": %" PRIu64 ", \"ended\": %" PRIu64 ", \"resumed\": %" PRIu64
           ", \"messages\": %" PRIu64 ", \"span_s\": %.3f, \"comments\": %" PRIu64
           ", \"resets\": %" PRIu64 "}",
           r->begun, r->ended, r->resumed, t->messages, r->span_s, r->comments, t->resets);
    printf(", \"wrong\": {\"lost\": %" PRIu64 ", \"doubled\": %" PRIu64 ", \"disordered\": %" PRIu64
           ", \"strange\": %" PRIu64 "}",
           t->lost, t->doubled, t->disordered, t->strange);
    printf(", \"errors\": {\"refused\": %" PRIu64 ", \"unavailable\": %" PRIu64
           ", \"status\": %" PRIu64 ", \"cut\": %" PRIu64 ", \"timeout\": %" PRIu64
           ", \"garbled\": %" PRIu64 ", \"ended_otherwise\": %" PRIu64 "}",
           e->refused, e->unavailable, e->status, e->cut, e->timeout, e->garbled, t->otherwise);
}

static void print_watched(const struct load_options *o, const struct load_result *r)
{
    printf(", \"own_cpu_us\": %.0f, \"watched\": {", r->own_cpu_us);
    for (size_t i = 0; i < o->watched_count; i++)
        printf("%s\"%s\": {\"cpu_us\": %.0f, \"rss_kib\": %" PRId64 "}", i > 0 ? ", " : "",
               o->watched[i].name, r->watched_cpu_us[i], r->watched_rss_kib[i]);
    puts("}}");
}

void report_print(const struct load_options *o, const struct load_result *result)
{
    print_window(o, result);
    print_run(result);
    print_watched(o, result);
}
