/*
 * map: shards on the members, as text and as a picture.
 */
#ifndef CLUSTERCTL_MAP_H
#define CLUSTERCTL_MAP_H

#include "place.h"

#define SVG_WIDTH 960u
#define SVG_MARGIN 24u
#define SVG_ROW 22u   /* of a node */
#define SVG_NAME 300u /* room of a name */
#define SVG_SHARDS 65536u
#define SVG_HEAD "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 " /* and the height */

/* A drawing of a map, and how its nodes are grouped: sorted by zone, then by name. */
struct drawing {
    FILE *out;
    const struct cluster_map *map;
    const struct cluster_node *nodes; /* by index of the map */
    uint32_t *order;                  /* indices by zone */
    uint32_t *zone;                   /* of each node by index: the number of its zone */
    uint32_t *first;                  /* of each zone: where it begins in `order`; one more at the end */
    uint32_t count, zones, most;      /* the fullest node's load */
};

static const struct cluster_node *drawing_sorts; /* qsort has no context */

static int compare_zones(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int order = strcmp(drawing_sorts[x].zone, drawing_sorts[y].zone);
    return order ? order : x < y ? -1 : 1;
}

static void drawing_begin(struct drawing *p, const struct cluster_map *map, const struct cluster_node *nodes)
{
    uint32_t i;
    memset(p, 0, sizeof *p);
    p->map = map;
    p->nodes = nodes;
    p->count = cluster_map_nodes(map);
    p->order = (uint32_t *)grow(NULL, (p->count + 1) * sizeof *p->order);
    p->zone = (uint32_t *)grow(NULL, (p->count + 1) * sizeof *p->zone);
    p->first = (uint32_t *)grow(NULL, (p->count + 1) * sizeof *p->first);
    for (i = 0; i < p->count; i++) {
        const uint32_t load = cluster_map_node_load(map, i);
        p->order[i] = i;
        p->most = load > p->most ? load : p->most;
    }
    drawing_sorts = nodes;
    qsort(p->order, p->count, sizeof *p->order, compare_zones);
    for (i = 0; i < p->count; i++) {
        if (!i || strcmp(nodes[p->order[i]].zone, nodes[p->order[i - 1]].zone) != 0)
            p->first[p->zones++] = i;
        p->zone[p->order[i]] = p->zones - 1;
    }
    p->first[p->zones] = p->count;
}

static void drawing_end(struct drawing *p)
{
    free(p->order);
    free(p->zone);
    free(p->first);
}

/* Text between tags: what XML would read is written otherwise, and what cannot be shown as a question mark. */
static void svg_text(FILE *out, const char *s, size_t most)
{
    size_t shown = 0;
    while (*s && shown++ < most) {
        const size_t length = utf8_length(s);
        if (!length || (unsigned char)*s < 32 || *s == 127)
            fputc('?', out);
        else if (*s == '<' || *s == '&')
            fputs(*s == '<' ? "&lt;" : "&amp;", out);
        else
            fwrite(s, 1, length, out);
        s += length ? length : 1;
    }
    if (*s)
        fputs("&#8230;", out);
}

/* Nodes of a zone have neighbouring hues, by turns lighter and darker; 0 is red, 1536 red again. */
static void svg_colour(const struct drawing *p, uint32_t place, char *out)
{
    const uint32_t zone = p->zone[p->order[place]], nodes = p->first[zone + 1] - p->first[zone], nth = place - p->first[zone];
    const uint32_t hue = (uint32_t)(1536 * ((uint64_t)zone * nodes * 4 + (uint64_t)nth * 3) / ((uint64_t)p->zones * nodes * 4));
    const uint32_t lightest = 222 - nth % 2 * 44, darkest = 98 - nth % 2 * 36, part = hue % 256;
    const uint32_t rise = darkest + (lightest - darkest) * part / 256, fall = lightest + darkest - rise;
    const uint32_t by[6][3] = {{lightest, rise, darkest}, {fall, lightest, darkest}, {darkest, lightest, rise},
                               {darkest, fall, lightest}, {rise, darkest, lightest}, {lightest, darkest, fall}};
    const uint32_t *rgb = by[hue / 256 % 6];
    snprintf(out, 8, "#%02x%02x%02x", (unsigned)rgb[0] & 255u, (unsigned)rgb[1] & 255u, (unsigned)rgb[2] & 255u);
}

/* The zones, each with its nodes: colour, name, a bar and a number of shards. Returns where it ends. */
static uint32_t svg_zones(const struct drawing *p, uint32_t y)
{
    const uint32_t bar = SVG_WIDTH - 2 * SVG_MARGIN - SVG_NAME - 150;
    uint32_t zone, i;
    for (zone = 0; zone < p->zones; zone++) {
        const char *name = p->nodes[p->order[p->first[zone]]].zone;
        fprintf(p->out, "<text class=\"zone\" x=\"%u\" y=\"%u\">", SVG_MARGIN, y + 15);
        svg_text(p->out, *name ? name : p->zones > 1 ? "no zone" : "nodes", 60);
        fputs("</text>\n", p->out);
        y += SVG_ROW;
        for (i = p->first[zone]; i < p->first[zone + 1]; i++, y += SVG_ROW) {
            const uint32_t index = p->order[i], load = cluster_map_node_load(p->map, index);
            const uint32_t width = p->most ? (uint32_t)((uint64_t)bar * load / p->most) : 0;
            char colour[8];
            svg_colour(p, i, colour);
            fprintf(p->out, "<rect x=\"%u\" y=\"%u\" width=\"14\" height=\"14\" rx=\"3\" fill=\"%s\"/>", SVG_MARGIN + 8, y + 4,
                    colour);
            fprintf(p->out, "<text x=\"%u\" y=\"%u\">", SVG_MARGIN + 30, y + 15);
            svg_text(p->out, p->nodes[index].name, 36);
            fprintf(p->out, "</text><rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"12\" rx=\"2\" fill=\"%s\"/>",
                    SVG_MARGIN + SVG_NAME, y + 5, width, colour);
            fprintf(p->out, "<text x=\"%u\" y=\"%u\">%u", SVG_MARGIN + SVG_NAME + width + 8, y + 15, (unsigned)load);
            if (p->nodes[index].weight > 1)
                fprintf(p->out, " <tspan class=\"note\">weight %u</tspan>", (unsigned)p->nodes[index].weight);
            if (p->nodes[index].flags)
                fputs(" <tspan class=\"note\">draining</tspan>", p->out);
            fputs("</text>\n", p->out);
        }
        y += 8;
    }
    return y;
}

/* The shards, a cell each, in the colour of the first owner; below it a stripe for each further one. */
static uint32_t svg_shards(const struct drawing *p, uint32_t y)
{
    const uint32_t shards = cluster_map_shards(p->map), copies = cluster_map_replicas(p->map),
                   room = SVG_WIDTH - 2 * SVG_MARGIN;
    uint32_t columns = 1, rows, i, place, replica, owners[16];
    double cell, gap;
    while (columns < 64 ? columns < shards : columns * columns < shards)
        columns *= 2;
    rows = (shards + columns - 1) / columns;
    cell = (double)room / (columns < 32 ? 32 : columns);
    gap = cell > 6 ? 1 : 0;
    fprintf(p->out,
            "<text class=\"note\" x=\"%u\" y=\"%u\">the shards from 0 on, %u a row, in the colour of the owner%s</text>\n",
            SVG_MARGIN, y + 20, (unsigned)columns, copies > 1 ? "; below in those of the further owners" : "");
    y += 32;
    for (place = 0; place < p->count; place++) {
        char colour[8];
        svg_colour(p, place, colour);
        fprintf(p->out, "<path fill=\"%s\" d=\"", colour);
        for (i = 0; i < shards; i++) {
            const double x = SVG_MARGIN + i % columns * cell, top = y + i / columns * cell, height = cell - gap;
            const double first = copies > 1 ? height * 0.6 : height, rest = copies > 1 ? height * 0.4 / (copies - 1) : 0;
            const size_t count = cluster_map_shard_owners(p->map, i, owners, 16);
            for (replica = 0; replica < count; replica++)
                if (owners[replica] == p->order[place])
                    fprintf(p->out, "M%.4g %.5gh%.4gv%.4gh-%.4gz", x, replica ? top + first + rest * (replica - 1) : top,
                            cell - gap, replica ? rest : first, cell - gap);
        }
        fputs("\"/>\n", p->out);
    }
    return y + (uint32_t)(rows * cell + 1);
}

static int svg_write(const struct cluster_map *map, const struct cluster_node *nodes, const char *path)
{
    struct drawing p;
    uint32_t height;
    bool bad;
    drawing_begin(&p, map, nodes);
    p.out = fopen(path, "w");
    if (!p.out) {
        drawing_end(&p);
        return fail(FAILED, "cannot write %s: %s", path, strerror(errno));
    }
    fputs(SVG_HEAD
          "         \" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n"
          "<style>text{fill:#24292f}.title{font-size:20px;font-weight:600}.zone{font-weight:600}.note{fill:#6e7781}"
          ".ground{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.ground{fill:#0d1117}}"
          "</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
          p.out);
    fprintf(p.out, "<text class=\"title\" x=\"%u\" y=\"42\">%u shards on %u node%s", SVG_MARGIN,
            (unsigned)cluster_map_shards(map), (unsigned)p.count, p.count == 1 ? "" : "s");
    if (p.zones > 1)
        fprintf(p.out, " in %u zones", (unsigned)p.zones);
    fputs("</text>\n", p.out);
    fprintf(p.out, "<text class=\"note\" x=\"%u\" y=\"64\">%u owner%s each, fingerprint %016llx</text>\n", SVG_MARGIN,
            (unsigned)cluster_map_replicas(map), cluster_map_replicas(map) == 1 ? "" : "s",
            (unsigned long long)cluster_map_fingerprint(map));
    height = svg_shards(&p, svg_zones(&p, 80)) + SVG_MARGIN;
    fputs("</svg>\n", p.out);
    /* the height is known now */
    bad = ferror(p.out) != 0 || fseek(p.out, (long)strlen(SVG_HEAD), SEEK_SET) != 0;
    fprintf(p.out, "%u", (unsigned)height);
    bad = fclose(p.out) != 0 || bad;
    drawing_end(&p);
    return bad ? fail(FAILED, "cannot write %s: %s", path, strerror(errno)) : DONE;
}

static void map_print(const struct cluster_map *map, const struct cluster_node *nodes, bool json)
{
    uint32_t i;
    for (i = 0; i < cluster_map_nodes(map); i++) {
        if (json) {
            json_begin("node");
            json_text("name", nodes[i].name);
            json_text("zone", *nodes[i].zone ? nodes[i].zone : NULL);
            json_number("weight", nodes[i].weight);
            json_number("shards", cluster_map_node_load(map, i));
            json_end();
        } else {
            print_safe(stdout, nodes[i].name);
            printf(" %u\n", (unsigned)cluster_map_node_load(map, i));
        }
    }
}

/* The members' map. Members are sorted by name, so the map's indices are theirs. */
static int map_members(const struct cluster *c, const struct arguments *a)
{
    const size_t count = cluster_member_count(c);
    struct cluster_node *nodes = (struct cluster_node *)grow(NULL, (count + 1) * sizeof *nodes);
    struct cluster_map_options options;
    struct cluster_map *map = NULL;
    size_t i;
    int result, status = DONE;
    memset(nodes, 0, (count + 1) * sizeof *nodes);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = (uint32_t)number_of(a, OPT_SHARDS, 4096);
    options.replicas = (uint32_t)number_of(a, OPT_REPLICAS, 1);
    for (i = 0; i < count; i++) {
        const struct cluster_member *m = cluster_member_at(c, i);
        nodes[i].size = sizeof *nodes;
        nodes[i].name = m->name;
        nodes[i].zone = m->zone;
        nodes[i].weight = m->weight < 65535 ? m->weight : 65535;
        nodes[i].flags = m->flags & CLUSTER_MEMBER_DRAINING ? CLUSTER_NODE_DRAINING : 0;
    }
    result = cluster_map_build(&map, nodes, count, &options);
    if (result < 0)
        status = fail(FAILED, "no map: %s", cluster_strerror(result));
    if (!status && given(a, OPT_SVG))
        status = svg_write(map, nodes, text_of(a, OPT_SVG, ""));
    if (!status)
        map_print(map, nodes, given(a, OPT_JSON));
    cluster_map_free(map);
    free(nodes);
    return status;
}

static int run_map(const struct arguments *a)
{
    struct loop l;
    int ended, status = check_shards(a);
    if (!status && given(a, OPT_SVG) && number_of(a, OPT_SHARDS, 4096) > SVG_SHARDS)
        status = fail(USAGE, "--shards %s is too many for a picture: at most %u", text_of(a, OPT_SHARDS, ""), SVG_SHARDS);
    if (!status && (!number_of(a, OPT_REPLICAS, 1) || number_of(a, OPT_REPLICAS, 1) > 16))
        status = fail(USAGE, "--replicas takes a number from 1 to 16 for a map");
    if (!status)
        status = open_first_rounds(&l, a);
    if (status)
        return status;
    if (cluster_member_count(l.c))
        status = map_members(l.c, a);
    ended = end_first_rounds(&l);
    return status ? status : ended;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return c && digit ? (int)(digit - digits) : -1;
}

/* 32 hexadecimal digits are 16 bytes; SipHash reads them as two little-endian words. */
static bool parse_key(const char *text, uint64_t words[2])
{
    size_t i;
    words[0] = words[1] = 0;
    for (i = 0; i < 32; i++) {
        const int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        words[i / 16] |= (uint64_t)digit << (i % 16 / 2 * 8 + (i % 2 ? 0 : 4));
    }
    return text[32] == '\0';
}

/* Bytes in hexadecimal, which the caller frees. */
static int parse_etf(const char *text, void **out, size_t *size)
{
    size_t i;
    uint8_t *bytes = (uint8_t *)grow(NULL, strlen(text) / 2 + 1);
    *out = bytes;
    *size = 0;
    for (i = 0; text[i]; i += 2) {
        int high = hex_digit(text[i]), low = high < 0 ? -1 : hex_digit(text[i + 1]);
        if (low < 0)
            return fail(USAGE, "--etf takes pairs of hexadecimal digits, not \"%s\"", text);
        bytes[(*size)++] = (uint8_t)(high << 4 | low);
    }
    return DONE;
}

static int hash_phash2(const struct arguments *a, uint64_t *value)
{
    const uint64_t range = number_of(a, OPT_RANGE, 1u << 27);
    void *term = NULL;
    size_t size = 0;
    uint32_t hash = 0;
    int status, result;
    if (!range || range > UINT64_C(1) << 32)
        return fail(USAGE, "--range takes a number from 1 to 4294967296");
    if (given(a, OPT_ETF))
        status = parse_etf(text_of(a, OPT_ETF, ""), &term, &size);
    else
        status = parse_term(a->operands[1], &term, &size);
    result = status ? 0 : cluster_phash2(term, size, range, &hash);
    free(term);
    if (result)
        return fail(USAGE, "the term has no hash: %s",
                    result == CLUSTER_E_UNSUPPORTED ? "pids, ports, references and funs are another node's business"
                    : result == CLUSTER_E_LIMIT     ? "it is nested too deep"
                                                    : "it is no term in the external format, 131 first");
    *value = hash;
    return status;
}

/* What a ring or router hashes a key to; nodes do not matter. */
static int hash_ring(const struct arguments *a, uint64_t *value)
{
    struct placement p;
    void *term = NULL;
    const char *key = a->operands[1];
    size_t size = strlen(key);
    int status;
    memset(&p, 0, sizeof p);
    status = kind_of(&p.kind, "hash", a->operands[0]);
    if (!status)
        status = kind_check(a, p.kind);
    if (!status)
        status = placement_build(&p, a);
    if (!status && given(a, OPT_TERMS))
        status = parse_term(key, &term, &size);
    if (!status && cluster_ring_hash(p.ring, term ? term : key, size, value) != 0)
        status = fail(USAGE, "the key has no hash: pids, ports, references and funs are another node's business");
    free(term);
    placement_clear(&p);
    return status;
}

static int run_hash(const struct arguments *a)
{
    const char *kind = a->operands[0], *data = a->count > 1 ? a->operands[1] : text_of(a, OPT_ETF, "");
    uint64_t key[2], value = 0;
    const bool is_sip = !strcmp(kind, "siphash"), is_64 = !strcmp(kind, "hash64"), is_phash2 = !strcmp(kind, "phash2");
    int status = DONE;
    if (!is_phash2 && (given(a, OPT_ETF) || given(a, OPT_RANGE)))
        return fail(USAGE, "--%s is of phash2", given(a, OPT_ETF) ? "etf" : "range");
    if (a->count > 1 ? given(a, OPT_ETF) : !given(a, OPT_ETF))
        return fail(USAGE, "`hash` needs a kind and one key: clusterctl hash %s", a->command->synopsis);
    if (!is_sip && given(a, OPT_KEY))
        return fail(USAGE, "%s takes %s, not --key", kind, is_64 ? "--seed" : "no key of its own");
    if ((is_sip || is_phash2) && given(a, OPT_SEED))
        return fail(USAGE, "%s takes %s, not --seed", kind, is_sip ? "--key" : "--range");
    if (!strcmp(kind, "map"))
        return fail(USAGE, "a map hashes with hash64, or, when it has a seed, with siphash");
    if (!parse_key(text_of(a, OPT_KEY, "00000000000000000000000000000000"), key))
        return fail(USAGE, "--key takes 32 hexadecimal digits, not \"%s\"", text_of(a, OPT_KEY, ""));
    if (is_sip)
        value = cluster_siphash(data, strlen(data), key[0], key[1]);
    else if (is_64)
        value = cluster_hash64(data, strlen(data), number_of(a, OPT_SEED, 0));
    else
        status = is_phash2 ? hash_phash2(a, &value) : hash_ring(a, &value);
    if (status)
        return status;
    if (given(a, OPT_JSON)) {
        json_begin("hash");
        json_text("kind", kind);
        json_text("key", data);
        json_number("hash", value);
        json_hex("hex", value);
        json_end();
    } else {
        printf("%llu\n", (unsigned long long)value);
    }
    return DONE;
}

#endif
