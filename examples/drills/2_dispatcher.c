/* Teaches: a dispatcher by consistent hash. Each half second every key is sent to the worker that owns it. The same key goes to
 * the same worker, whoever dispatches it, until the members change; then only the keys of shards that moved go elsewhere.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 2_dispatcher examples/drills/2_dispatcher.c
 *     COOKIE=secret ./2_dispatcher dispatcher@127.0.0.1 'epmd:127.0.0.1?role=worker' 2 user:1 user:2 user:3
 *
 * It begins once two workers are linked. A worker is a node with a process of that name: an Erlang one that ran drill:worker(), or
 * `clusterctl node --register worker`.
 */
#include "drill.h"

#define KEYS 64
#define ROUND (500 * DRILL_MS)

static char *owners[KEYS]; /* where each key went last */

static char *copy_of(const char *text)
{
    char *copy = (char *)terms_memory(strlen(text) + 1);
    return strcpy(copy, text);
}

static void dispatch(struct cluster *c, const struct cluster_map *map, int index, const char *key)
{
    const char *owner = cluster_map_node(map, cluster_map_owner(map, key, strlen(key)));
    char *binary;
    if (!owner)
        return; /* nobody is there */
    if (!owners[index])
        printf("%s: shard %u on %s\n", key, (unsigned)cluster_map_shard(map, key, strlen(key)), owner);
    else if (strcmp(owners[index], owner) != 0)
        printf("%s: shard %u moved from %s to %s\n", key, (unsigned)cluster_map_shard(map, key, strlen(key)), owners[index],
               owner);
    free(owners[index]);
    owners[index] = copy_of(owner);
    binary = term_binary(key);
    if (term_send(c, owner, "worker", "{work, %s}", binary) < 0)
        fprintf(stderr, "%s: %s\n", owner, cluster_last_error(c));
    free(binary);
}

/* How many nodes own something. */
static unsigned workers_of(const struct cluster_map *map)
{
    uint32_t i, count = 0;
    for (i = 0; i < cluster_map_nodes(map); i++)
        count += cluster_map_node_load(map, i) > 0;
    return count;
}

/* The new map: how many workers, and what moved to it. */
static void on_map(struct cluster_map **map, struct cluster_map *now)
{
    if (*map)
        printf("%u workers now: %lu of %u shards moved\n", workers_of(now), (unsigned long)cluster_map_plan(*map, now, NULL, 0),
               (unsigned)cluster_map_shards(now));
    else
        printf("%u workers; map %016llx\n", workers_of(now), (unsigned long long)cluster_map_fingerprint(now));
    cluster_map_free(*map);
    *map = now;
}

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct cluster_map_options placement;
    struct cluster *c;
    struct cluster_map *map = NULL, *now; /* NULL: it has not begun */
    const struct cluster_event *e;
    char listen[64];
    uint64_t next = 0;
    unsigned long workers = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    int i, count = argc - 4;
    if (!workers || count < 1 || count > KEYS)
        return drill_usage("./2_dispatcher dispatcher@127.0.0.1 'epmd:127.0.0.1?role=worker' WORKERS KEY...");
    drill_options(&options, argv[1], listen);
    memset(&placement, 0, sizeof placement);
    placement.size = sizeof placement;
    placement.role = "worker"; /* the dispatcher itself owns nothing */
    placement.members = "up";
    placement.settle = "200ms"; /* what comes together is one change */
    options.map = &placement;
    options.listen = NULL; /* nor is it to be found */
    if ((c = drill_begin(&options, argv[2])) == NULL)
        return 2;
    while (!drill_over) {
        while ((e = drill_event(c, next)) != NULL) {
            drill_say(e);
            if (e->type != CLUSTER_MAP)
                continue;
            now = cluster_current_map(c);
            if (map || workers_of(now) >= workers)
                on_map(&map, now);
            else
                cluster_map_free(now);
        }
        for (i = 0; map && i < count; i++)
            dispatch(c, map, i, argv[4 + i]);
        next = cluster_now() + ROUND;
    }
    for (i = 0; i < KEYS; i++)
        free(owners[i]);
    cluster_map_free(map);
    cluster_destroy(c);
    return 0;
}

/* Exercise: start a second dispatcher with the same source. Are their maps the same? Then end a worker: how many of the keys that move
 * were its own? */
