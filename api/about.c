/*
 * about.c: whether the gateway lives and can serve, and what can be asked of it.
 */
#include "about.h"

static void answer_health(struct visit *visit)
{
    struct buf body = {0};
    buf_puts(&body, "{\"status\": \"ok\"}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void about_live(struct visit *visit)
{
    answer_health(visit);
}

void about_ready(struct visit *visit)
{
    const struct gateway *g = visit->gateway;
    if (g->draining)
        visit_refuse(visit, PROBLEM_OVERLOADED, "It is going down.", "");
    else if (!redis_is_up(g->redis))
        visit_refuse(visit, PROBLEM_UNAVAILABLE, "There is no usable connection to Redis.", "");
    else
        answer_health(visit);
}

void about_openapi(struct visit *visit)
{
    struct buf body = {0};
    buf_puts(&body, about_openapi_text);
    buf_putc(&body, '\n');
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}
