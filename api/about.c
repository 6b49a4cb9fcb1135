/*
 * about.c: whether the gateway lives and can serve, and what can be asked of it.
 *
 * Which loop a connection comes to is the kernel's choice: so the gateway is ready when all of
 * them are.
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
    size_t with_redis = atomic_load(&g->shared->with_redis);
    if (g->draining)
        visit_refuse(visit, PROBLEM_OVERLOADED, "It is going down.", "");
    else if (with_redis == 0)
        visit_refuse(visit, PROBLEM_UNAVAILABLE, "There is no usable connection to Redis.", "");
    else if (with_redis < g->shared->loops)
        visit_refuse(visit, PROBLEM_UNAVAILABLE, "Not all loops have a usable connection to Redis.",
                     "");
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
