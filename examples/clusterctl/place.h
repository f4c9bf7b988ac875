/*
 * owner, plan, hash: placement on the command line.
 */
#ifndef CLUSTERCTL_PLACE_H
#define CLUSTERCTL_PLACE_H

#include "sources.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The nodes of an option, in their order; empty text is the empty list. */
static int parse_nodes(struct names *nodes, const char *option, const char *text)
{
    char **sorted;
    const char *twice = NULL;
    size_t i;
    memset(nodes, 0, sizeof *nodes);
    names_split(nodes, text, ',');
    sorted = (char **)grow(NULL, (nodes->count + 1) * sizeof *sorted);
    for (i = 0; i < nodes->count; i++)
        sorted[i] = nodes->at[i];
    if (nodes->count)
        qsort(sorted, nodes->count, sizeof *sorted, compare_names);
    for (i = 0; i < nodes->count; i++)
        if (!*sorted[i] || (i && !strcmp(sorted[i], sorted[i - 1])))
            twice = sorted[i];
    free(sorted);
    if (twice && *twice)
        return fail(USAGE, "--%s names %s twice: name each node once", option, twice);
    return twice ? fail(USAGE, "--%s has an empty name: write the nodes as a,b,c", option) : DONE;
}

/* How keys may be placed, and with which options. */
struct kind {
    const char *name;
    const char *options; /* each between spaces */
};

static const struct kind kinds[] = {
    {"map", " shards weights zones replicas "},
    {"rendezvous", " weights replicas seed "},
    {"jump", " seed "},
    {"libring", " weights replicas node-type points name terms otp25 "},
    {"horde", " replicas name terms "},
    {"ex_hash_ring", " weights replicas points "},
    {"ketama", " weights replicas "},
    {"libmemcached", " weights replicas "},
    {"nginx", " weights replicas "},
    {"riak", " replicas points bucket "},
    {"modulo", " terms "},
    {"nebulex", " terms "},
    {"cachex", " terms "},
    {"cachex-jump", " terms "},
    {"phoenix-tracker", " terms "},
};

static int kind_of(const struct kind **out, const char *what, const char *text)
{
    struct nearest near = {text, NULL, 0};
    size_t i;
    for (i = 0; i < COUNT(kinds); i++) {
        *out = &kinds[i];
        if (!strcmp(text, kinds[i].name))
            return DONE;
        nearest_try(&near, kinds[i].name);
    }
    if (near.best)
        return fail(USAGE, "there is no %s %s: did you mean %s?", what, text, near.best);
    return fail(USAGE, "there is no %s %s: see `clusterctl help owner`", what, text);
}

/* Only options that are of some kinds are looked at. */
static int kind_check(const struct arguments *a, const struct kind *kind)
{
    static const enum option_id own[] = {OPT_SHARDS, OPT_WEIGHTS, OPT_ZONES, OPT_REPLICAS, OPT_NODE_TYPE, OPT_POINTS,
                                         OPT_NAME,   OPT_BUCKET,  OPT_TERMS, OPT_OTP25,    OPT_SEED};
    size_t i, j;
    for (i = 0; i < COUNT(own); i++) {
        char word[32];
        const char *name = NULL;
        for (j = 0; j < COUNT(option_table); j++)
            if (option_table[j].id == own[i])
                name = option_table[j].name;
        snprintf(word, sizeof word, " %s ", name);
        /* A plan has a number of shards, or else of keys. */
        if (given(a, own[i]) && !strstr(kind->options, word) && !(own[i] == OPT_SHARDS && a->command->bit == ON_PLAN))
            return fail(USAGE, "--%s does not go with %s: leave it out", name, kind->name);
    }
    if (!strcmp(kind->name, "horde") && !given(a, OPT_NAME) && a->command->bit != ON_HASH)
        return fail(USAGE, "horde needs --name: the supervisor's or registry's, such as Elixir.MyApp.DistSup");
    return DONE;
}

/* Where keys are placed: by a map, or by a ring when map is NULL. */
struct placement {
    const struct kind *kind;
    struct names nodes, zones;
    const struct names *first; /* of a plan: the nodes before */
    struct cluster_map *map;
    struct cluster_ring *ring;
    bool json, terms;
    size_t replicas;
};

/* The n-th of the texts between commas; its length too. NULL: there are fewer. */
static const char *nth_of(const char *list, size_t n, size_t *length)
{
    for (; n && list; n--) {
        list = strchr(list, ',');
        list += list != NULL;
    }
    *length = list ? strcspn(list, ",") : 0;
    return list;
}

/* Where a node stands among those that weights and zones are given for: the nodes of --nodes; for a plan those of --from, then
 * those that only --to has. */
static size_t order_of(const struct placement *p, const char *name)
{
    const struct names *first = p->first ? p->first : &p->nodes;
    size_t i, at = 0;
    for (i = 0; i < first->count; i++)
        if (!strcmp(first->at[i], name))
            return i;
    for (i = 0; i < p->nodes.count && strcmp(p->nodes.at[i], name) != 0; i++) {
        size_t j = 0;
        while (j < first->count && strcmp(first->at[j], p->nodes.at[i]) != 0)
            j++;
        at += j == first->count;
    }
    return first->count + at;
}

static int parse_weights(const struct placement *p, struct cluster_node *nodes, const char *text)
{
    size_t i;
    for (i = 0; i < p->nodes.count; i++) {
        size_t length;
        const char *at = nth_of(text, order_of(p, nodes[i].name), &length), *end = at;
        uint64_t weight = 0;
        if (!at || !parse_number(at, UINT32_MAX, &weight, &end) || !weight || end != at + length)
            return fail(USAGE, "--weights takes a number from 1 to 4294967295 for each node, as in 1,1,2");
        nodes[i].weight = (uint32_t)weight;
    }
    return DONE;
}

static int parse_zones(struct placement *p, struct cluster_node *nodes, const char *text)
{
    size_t i;
    for (i = 0; i < p->nodes.count; i++) {
        size_t length;
        const char *at = nth_of(text, order_of(p, nodes[i].name), &length);
        if (!at)
            return fail(USAGE, "--zones takes a zone for each node, as in eu/a,eu/b,us");
        names_add(&p->zones, at, length);
        nodes[i].zone = p->zones.at[i];
    }
    return DONE;
}

/* As many as there are nodes, all told. */
static int check_lists(const struct arguments *a, size_t nodes)
{
    static const enum option_id lists[] = {OPT_WEIGHTS, OPT_ZONES};
    size_t i, length;
    for (i = 0; i < COUNT(lists); i++)
        if (given(a, lists[i]) && nth_of(text_of(a, lists[i], ""), nodes, &length))
            return fail(USAGE, "--%s has more than %lu entries, one for each node", i ? "zones" : "weights",
                        (unsigned long)nodes);
    return DONE;
}

static int build_map(struct placement *p, const struct arguments *a, const struct cluster_node *nodes)
{
    struct cluster_map_options options;
    uint64_t shards = number_of(a, OPT_SHARDS, 4096);
    int result;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = (uint32_t)shards;
    options.replicas = (uint32_t)number_of(a, OPT_REPLICAS, 1);
    if (given(a, OPT_REPLICAS) && (!options.replicas || number_of(a, OPT_REPLICAS, 1) > 16))
        return fail(USAGE, "--replicas takes a number from 1 to 16 for a map");
    result = cluster_map_build(&p->map, nodes, p->nodes.count, &options);
    if (result == CLUSTER_E_INVALID)
        return fail(USAGE, "no map of these nodes: each is named once, weights are at most 65535");
    return result < 0 ? fail(FAILED, "no map: %s", cluster_strerror(result)) : DONE;
}

static int build_ring(struct placement *p, const struct arguments *a, const struct cluster_node *nodes)
{
    struct cluster_ring_options options;
    const char *type = text_of(a, OPT_NODE_TYPE, "atom");
    int result;
    if (strcmp(type, "atom") && strcmp(type, "binary"))
        return fail(USAGE, "--node-type is atom or binary, not \"%s\"", type);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.flags = (!strcmp(type, "binary") ? CLUSTER_RING_BINARY_NODES : 0) |
                    (given(a, OPT_TERMS) ? CLUSTER_RING_TERM_KEYS : 0) | (given(a, OPT_OTP25) ? CLUSTER_RING_OTP25 : 0);
    options.points = (uint32_t)number_of(a, OPT_POINTS, 0);
    options.name = text_of(a, OPT_NAME, !strcmp(p->kind->name, "horde") ? "name" : NULL);
    options.bucket = text_of(a, OPT_BUCKET, NULL);
    options.seed = number_of(a, OPT_SEED, 0);
    result = cluster_ring_build(&p->ring, p->kind->name, nodes, p->nodes.count, &options);
    if (result == CLUSTER_E_LIMIT)
        return fail(USAGE, "too much for %s: at most 65534 nodes and 67108864 points of all together", p->kind->name);
    if (result == CLUSTER_E_INVALID && !strcmp(p->kind->name, "riak"))
        return fail(USAGE, "--points %s is no power of two: try 64", text_of(a, OPT_POINTS, ""));
    if (result == CLUSTER_E_INVALID)
        return fail(USAGE, "a node or --name is no atom: at most 255 characters, in UTF-8");
    return result < 0 ? fail(FAILED, "no %s: %s", p->kind->name, cluster_strerror(result)) : DONE;
}

static int placement_build(struct placement *p, const struct arguments *a)
{
    const size_t count = p->nodes.count;
    struct cluster_node *nodes = (struct cluster_node *)grow(NULL, (count + 1) * sizeof *nodes);
    int status = DONE;
    size_t i;
    memset(nodes, 0, (count + 1) * sizeof *nodes);
    for (i = 0; i < count; i++) {
        nodes[i].size = sizeof *nodes;
        nodes[i].name = p->nodes.at[i];
    }
    if (given(a, OPT_WEIGHTS))
        status = parse_weights(p, nodes, text_of(a, OPT_WEIGHTS, ""));
    if (!status && given(a, OPT_ZONES))
        status = parse_zones(p, nodes, text_of(a, OPT_ZONES, ""));
    if (!status)
        status = !strcmp(p->kind->name, "map") ? build_map(p, a, nodes) : build_ring(p, a, nodes);
    free(nodes);
    return status;
}

static void placement_clear(struct placement *p)
{
    cluster_map_free(p->map);
    cluster_ring_free(p->ring);
    names_clear(&p->nodes);
    names_clear(&p->zones);
}

/* The first `capacity` owners of a key, in pointers to their names. */
static size_t placement_owners(const struct placement *p, const void *key, size_t size, const char **out, size_t capacity)
{
    uint32_t *owners = (uint32_t *)grow(NULL, (capacity + 1) * sizeof *owners);
    size_t i, count;
    if (p->map)
        count = cluster_map_owners(p->map, key, size, owners, capacity);
    else
        count = cluster_ring_owners(p->ring, key, size, owners, capacity);
    count = count < capacity ? count : capacity;
    for (i = 0; i < count; i++)
        out[i] = p->map ? cluster_map_node(p->map, owners[i]) : cluster_ring_node(p->ring, owners[i]);
    free(owners);
    return count;
}

/* A term's text in the external format, which the caller frees. */
static int parse_term(const char *text, void **out, size_t *size)
{
    const char *why;
    size_t at = 0;
    *out = NULL;
    (void)cluster_term_parse(text, NULL, 0, size);
    if (*size) {
        *out = grow(NULL, *size);
        if (cluster_term_parse(text, *out, *size, size) == 0)
            return DONE;
        free(*out);
        *out = NULL;
    }
    why = cluster_term_why(text, &at);
    return fail(USAGE, "\"%s\" is no term: %s, at byte %lu", text, why, (unsigned long)at);
}

static int owner_print(const struct placement *p, const char *key, size_t size)
{
    const char **owners;
    size_t i, count, term_size = size;
    void *term = NULL;
    if (p->terms) {
        int status = strlen(key) == size ? parse_term(key, &term, &term_size) : fail(USAGE, "a term has no NUL byte");
        if (status)
            return status;
    }
    owners = (const char **)grow(NULL, (p->replicas + 1) * sizeof *owners);
    count = placement_owners(p, term ? (const char *)term : key, term_size, owners, p->replicas);
    free(term);
    if (p->json) {
        json_begin("owner");
        json_key("key");
        json_string(key, size);
        json_open("owners", '[');
        for (i = 0; i < count; i++)
            json_text(NULL, owners[i]);
        json_close(']');
        json_end();
    } else {
        fwrite(key, 1, size, stdout);
        for (i = 0; i < count; i++)
            printf("%c%s", i ? ',' : ' ', owners[i]);
        puts(count ? "" : " -");
    }
    free(owners);
    return DONE;
}

static int owner_print_lines(const struct placement *p)
{
    struct text line = {NULL, 0, 0};
    int byte, status = DONE;
    do {
        text_clear(&line);
        while ((byte = getchar()) != EOF && byte != '\n') {
            char c = (char)byte;
            text_bytes(&line, &c, 1);
        }
        if (byte == '\n' || line.length)
            status = owner_print(p, line.at, line.length);
    } while (!status && byte != EOF && !ferror(stdout));
    text_free(&line);
    return status;
}

static int check_shards(const struct arguments *a)
{
    uint64_t shards = number_of(a, OPT_SHARDS, 4096);
    if (!shards || shards > (1u << 24) || (shards & (shards - 1)))
        return fail(USAGE, "--shards %s is no power of two from 1 to 16777216: try 4096", text_of(a, OPT_SHARDS, ""));
    return DONE;
}

static int run_owner(const struct arguments *a)
{
    struct placement p;
    size_t i;
    int status;
    memset(&p, 0, sizeof p);
    p.json = given(a, OPT_JSON);
    p.terms = given(a, OPT_TERMS);
    status = kind_of(&p.kind, "kind", text_of(a, OPT_KIND, "map"));
    if (!status)
        status = kind_check(a, p.kind);
    if (!status)
        status = check_shards(a);
    if (!status && !given(a, OPT_NODES))
        status = fail(USAGE, "`owner` needs --nodes A,B,C: the nodes to place on");
    if (!status)
        status = parse_nodes(&p.nodes, "nodes", text_of(a, OPT_NODES, ""));
    if (!status && !p.nodes.count)
        status = fail(USAGE, "--nodes is empty: name at least one node");
    p.replicas = (size_t)number_of(a, OPT_REPLICAS, 1);
    if (!status && (!p.replicas || p.replicas > p.nodes.count))
        status = fail(USAGE, "--replicas takes a number from 1 to %lu, the number of nodes", (unsigned long)p.nodes.count);
    if (!status)
        status = check_lists(a, p.nodes.count);
    if (!status)
        status = placement_build(&p, a);
    for (i = 0; !status && i < a->count; i++) {
        if (!strcmp(a->operands[i], "-"))
            status = owner_print_lines(&p);
        else
            status = owner_print(&p, a->operands[i], strlen(a->operands[i]));
    }
    placement_clear(&p);
    return status;
}

/* place: which of the shard's owners moves, where it has more than one; else 0. */
static void move_print(uint64_t shard, uint32_t place, const char *before, const char *after, bool json)
{
    if (json) {
        json_begin("move");
        json_number("shard", shard);
        if (place)
            json_number("owner", place);
        json_text("from", before);
        json_text("to", after);
        json_end();
    } else {
        printf("%lu %s -> %s", (unsigned long)shard, before ? before : "-", after ? after : "-");
        if (place)
            printf(" (owner %u)", (unsigned)place);
        putchar('\n');
    }
}

static void plan_print_map(const struct cluster_map *from, const struct cluster_map *to, bool json)
{
    size_t i, count = cluster_map_plan(from, to, NULL, 0);
    struct cluster_move *moves = (struct cluster_move *)grow(NULL, (count + 1) * sizeof *moves);
    cluster_map_plan(from, to, moves, count);
    for (i = 0; i < count; i++)
        move_print(moves[i].shard, cluster_map_replicas(from) > 1 || cluster_map_replicas(to) > 1 ? moves[i].replica + 1 : 0,
                   cluster_map_node(from, moves[i].from), cluster_map_node(to, moves[i].to), json);
    free(moves);
}

/* What has no shards places keys: the numbers from 0, in decimal. */
static void plan_print_keys(const struct placement *from, const struct placement *to, uint64_t count, bool json)
{
    uint64_t i;
    for (i = 0; i < count; i++) {
        const char *before = NULL, *after = NULL;
        char key[24];
        size_t size = (size_t)snprintf(key, sizeof key, "%lu", (unsigned long)i);
        placement_owners(from, key, size, &before, 1);
        placement_owners(to, key, size, &after, 1);
        if (before && after ? strcmp(before, after) : before != after)
            move_print(i, 0, before, after, json);
    }
}

static int run_plan(const struct arguments *a)
{
    struct placement from, to;
    const bool json = given(a, OPT_JSON);
    size_t i, new_ones;
    int status;
    memset(&from, 0, sizeof from);
    memset(&to, 0, sizeof to);
    status = kind_of(&from.kind, "kind", text_of(a, OPT_KIND, "map"));
    to.kind = from.kind;
    if (!status)
        status = kind_check(a, from.kind);
    if (!status)
        status = check_shards(a);
    if (!status && (!given(a, OPT_FROM) || !given(a, OPT_TO)))
        status = fail(USAGE, "`plan` needs --from A,B,C and --to A,B: the nodes before and after");
    if (!status)
        status = parse_nodes(&from.nodes, "from", text_of(a, OPT_FROM, ""));
    if (!status)
        status = parse_nodes(&to.nodes, "to", text_of(a, OPT_TO, ""));
    to.first = &from.nodes;
    for (i = new_ones = 0; !status && i < to.nodes.count; i++)
        new_ones += order_of(&to, to.nodes.at[i]) >= from.nodes.count;
    if (!status)
        status = check_lists(a, from.nodes.count + new_ones);
    if (!status)
        status = placement_build(&from, a);
    if (!status)
        status = placement_build(&to, a);
    if (!status && from.map)
        plan_print_map(from.map, to.map, json);
    else if (!status)
        plan_print_keys(&from, &to, number_of(a, OPT_SHARDS, 4096), json);
    placement_clear(&from);
    placement_clear(&to);
    return status;
}

#endif
