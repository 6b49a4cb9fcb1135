/*
 * load.c: the load generator. What it does stands in load/clients.h, what it can
 * be asked in load --help.
 */
#include "clients.h"
#include "report.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    static struct load_result result;
    struct load_options options;
    load_options_read(&options, argc, argv);
    clients_run(&options, &result);
    report_print(&options, &result);
    const struct tally *t = &result.tally;
    return t->lost + t->doubled + t->disordered + t->strange > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
