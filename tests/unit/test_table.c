/* The merged membership: random answers of several sources beside a simple model, and no memory at every single allocation. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "one_handle.h"

#define NAMES 12
#define SOURCES 4
#define OWN "m@own" /* among the others' names by order */

static const char *const names[NAMES] = {"a@h",   "a@i",        "aa@h", "b@10.0.0.1", "c@h", "m@owm",
                                         "m@own", "m@own.host", "z@h",  "zz@h",       "~@h", "\xc3\xa9@h"};
/* By number, not as text; the empty one is none. */
static const char *const addresses[5] = {"", "10.0.0.9", "10.0.0.10", "192.168.0.1", "fd00::1"};

/* ---- the model -------------------------------------------------------- */

struct says {
    bool there, draining;
    int address;
    uint32_t port, weight, zone, role;
};

struct claim {
    struct says says;
    uint32_t misses;
    uint64_t seen, batch;
};

struct model_source {
    struct cluster_source *s;
    struct claim claims[NAMES];
    uint64_t rank, batch, frozen_at, max_age;
    uint32_t misses, min;
    bool prune, failed, paused, late, answered;
};

struct model {
    struct model_source sources[SOURCES];
    struct says shown[NAMES]; /* `there` for members */
    uint64_t ranks;
} model;

static uint64_t seed;

static uint32_t chance(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)((seed >> 33) % below);
}

static int lower(int a, int b)
{
    return !a || (b && b < a) ? b : a;
}

static size_t model_count(const struct model_source *s)
{
    size_t i, count = 0;
    for (i = 0; i < NAMES; i++)
        count += s->claims[i].says.there;
    return count;
}

/* End what may end, the longest unseen first, then by name. */
static void model_remove(struct model_source *s, bool (*ends)(const struct model_source *, const struct claim *))
{
    for (;;) {
        size_t i, best = NAMES;
        for (i = 0; i < NAMES; i++)
            if (s->claims[i].says.there && ends(s, &s->claims[i]) &&
                (best == NAMES || s->claims[i].seen < s->claims[best].seen ||
                 (s->claims[i].seen == s->claims[best].seen && strcmp(names[i], names[best]) < 0)))
                best = i;
        if (best == NAMES || model_count(s) <= s->min)
            return;
        memset(&s->claims[best], 0, sizeof s->claims[best]);
    }
}

static bool missed(const struct model_source *s, const struct claim *claim)
{
    return s->prune && claim->misses >= s->misses;
}

static bool aged(const struct model_source *s, const struct claim *claim)
{
    return s->prune && s->max_age && claim->seen + s->max_age <= now_ns;
}

/* What all sources together say of one name. */
static void model_merge(size_t name)
{
    struct says out, before = model.shown[name];
    uint64_t rank;
    bool kept = false;
    memset(&out, 0, sizeof out);
    for (rank = 0; rank < model.ranks; rank++) {
        size_t i;
        for (i = 0; i < SOURCES; i++) {
            const struct says *said = &model.sources[i].claims[name].says;
            if (!model.sources[i].s || model.sources[i].rank != rank || !said->there)
                continue;
            out.there = true;
            out.draining = out.draining || said->draining;
            out.port = out.port ? out.port : said->port;
            out.weight = out.weight ? out.weight : said->weight;
            out.zone = out.zone ? out.zone : said->zone;
            out.role = out.role ? out.role : said->role;
            kept = kept || (before.there && before.address && said->address == before.address);
            out.address = lower(out.address, said->address);
        }
    }
    if (kept)
        out.address = before.address;
    model.shown[name] = out;
}

static void freeze(struct model_source *s, bool was, bool is)
{
    if (is && !was && !s->late)
        s->frozen_at = now_ns;
    s->late = !is && (s->late || was);
}

static void model_publish(struct model_source *s, const struct says *said, const size_t *which, size_t count)
{
    bool was = s->failed || s->paused;
    size_t i;
    int current[NAMES];
    s->batch++;
    for (i = 0; i < NAMES; i++)
        current[i] = s->claims[i].says.there ? s->claims[i].says.address : 0;
    for (i = 0; i < count; i++) {
        struct claim *claim = &s->claims[which[i]];
        if (strcmp(names[which[i]], OWN) == 0)
            continue;
        if (claim->batch == s->batch) {
            if (said[i].address && said[i].address == current[which[i]])
                claim->says.address = said[i].address;
            else if (!current[which[i]] || claim->says.address != current[which[i]])
                claim->says.address = lower(claim->says.address, said[i].address);
            continue;
        }
        claim->says = said[i];
        claim->batch = s->batch;
        claim->misses = 0;
        claim->seen = now_ns;
    }
    for (i = 0; i < NAMES; i++)
        if (s->claims[i].says.there && s->claims[i].batch != s->batch)
            s->claims[i].misses++;
    model_remove(s, missed);
    s->failed = false;
    s->answered = true;
    freeze(s, was, s->paused);
}

/* The first step after something that came when there was no clock, then what is too old goes. */
static void model_step(bool heard, struct model_source *by, uint64_t now)
{
    size_t i, k;
    now_ns = now;
    for (i = 0; i < SOURCES; i++) {
        struct model_source *s = &model.sources[i];
        if (!s->s)
            continue;
        for (k = 0; k < NAMES; k++) {
            struct claim *claim = &s->claims[k];
            if (s->late)
                claim->seen = claim->seen + (now - s->frozen_at) < now ? claim->seen + (now - s->frozen_at) : now;
            if (heard && by == s && claim->batch == s->batch)
                claim->seen = now;
        }
        s->late = false;
        if (!s->failed && !s->paused)
            model_remove(s, aged);
    }
    for (i = 0; i < NAMES; i++)
        model_merge(i);
}

/* ---- beside it -------------------------------------------------------- */

static void check(void)
{
    size_t i, k, members = 1;
    mirror_check(&mirror, c);
    for (i = 0; i < NAMES; i++) {
        const struct cluster_member *m = cluster_member_find(c, names[i]);
        const struct says *said = &model.shown[i];
        uint32_t sources = 0;
        char zone[8] = "", role[8] = "";
        if (strcmp(names[i], OWN) == 0) {
            assert_true(m && m->flags == CLUSTER_MEMBER_SELF && !*m->address && !m->port);
            continue;
        }
        assert_int_equal(m != NULL, said->there);
        if (!m)
            continue;
        members++;
        for (k = 0; k < SOURCES; k++)
            sources += model.sources[k].s && model.sources[k].claims[i].says.there;
        if (said->zone)
            zone[0] = (char)('0' + said->zone);
        if (said->role)
            role[0] = (char)('0' + said->role);
        assert_string_equal(m->address, addresses[said->address]);
        assert_string_equal(m->zone, zone);
        assert_string_equal(m->role, role);
        assert_int_equal(m->port, said->port);
        assert_int_equal(m->weight, said->weight ? said->weight : 1);
        assert_int_equal(m->flags, said->draining ? CLUSTER_MEMBER_DRAINING : 0);
        assert_int_equal(m->sources, sources);
        assert_int_equal(m->state, 0);
    }
    assert_int_equal(cluster_member_count(c), members);
    for (i = 1; i < members; i++)
        assert_true(strcmp(cluster_member_at(c, i - 1)->name, cluster_member_at(c, i)->name) < 0);
    for (i = 0; i < SOURCES; i++)
        if (model.sources[i].s)
            assert_int_equal(cluster_source_count(model.sources[i].s), model_count(&model.sources[i]));
}

static struct cluster_node node_of(size_t name, const struct says *said, char text[2][2])
{
    struct cluster_node n;
    memset(&n, 0, sizeof n);
    memset(text, 0, 4);
    n.size = (uint32_t)sizeof n;
    n.name = names[name];
    n.address = said->address ? addresses[said->address] : NULL;
    n.port = said->port;
    n.weight = said->weight;
    n.flags = said->draining ? CLUSTER_NODE_DRAINING : 0;
    text[0][0] = said->zone ? (char)('0' + said->zone) : '\0';
    text[1][0] = said->role ? (char)('0' + said->role) : '\0';
    n.zone = text[0];
    n.role = said->role ? text[1] : NULL;
    return n;
}

static void make_source(struct model_source *s, bool ages)
{
    char url[128];
    memset(s, 0, sizeof *s);
    s->misses = 1 + chance(3);
    s->min = chance(3) ? 0 : chance(4);
    s->prune = chance(5) != 0;
    s->max_age = !ages || chance(2) ? 0 : 1 + chance(40);
    sprintf(url, "push:x?misses=%u&min=%u&prune=%s&max-age=%ums", s->misses, s->min, s->prune ? "on" : "off",
            (unsigned)s->max_age);
    s->max_age *= CLU_MS;
    s->rank = model.ranks++;
    assert_int_equal(cluster_discover(c, url, &s->s), 0);
    assert_non_null(s->s);
}

static size_t random_list(struct says *said, size_t *which, struct cluster_node *nodes, char (*text)[2][2], size_t room)
{
    size_t count = chance((uint32_t)room + 1), i;
    bool plain = chance(3) == 0;
    for (i = 0; i < count; i++) {
        which[i] = chance(NAMES);
        memset(&said[i], 0, sizeof said[i]);
        said[i].there = true;
        if (!plain) {
            said[i].address = (int)chance(5);
            said[i].port = chance(2) * (9000 + chance(2));
            said[i].weight = chance(3);
            said[i].zone = chance(3);
            said[i].role = chance(3);
            said[i].draining = chance(8) == 0;
        }
        nodes[i] = node_of(which[i], &said[i], text[i]);
    }
    return count;
}

static void begin(uint32_t limit_events)
{
    struct cluster_options o = fake_begin(&f);
    memset(&model, 0, sizeof model);
    memset(&mirror, 0, sizeof mirror);
    now_ns = 1000 * CLU_MS;
    o.node = OWN;
    o.limit_events = limit_events;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
}

static void one_operation(void)
{
    struct model_source *s = &model.sources[chance(SOURCES)];
    struct says said[16];
    struct cluster_node nodes[16];
    char text[16][2][2];
    size_t which[16], count;
    bool heard = false, was;
    if (!s->s) {
        make_source(s, true);
        return;
    }
    was = s->failed || s->paused;
    switch (chance(12)) {
    case 0:
        assert_int_equal(cluster_source_fail(s->s, CLUSTER_E_IO, "no"), 0);
        s->failed = true;
        freeze(s, was, true);
        break;
    case 1:
        s->paused = !s->paused;
        assert_int_equal(cluster_source_pause(s->s, s->paused), 0);
        freeze(s, was, s->failed || s->paused);
        break;
    case 2:
        cluster_source_remove(s->s);
        memset(s, 0, sizeof *s);
        break;
    case 3:
        /* the same list once more */
        if (cluster_source_same(s->s) == 0) {
            size_t i;
            assert_true(s->answered);
            for (i = 0; i < NAMES; i++) {
                struct claim *claim = &s->claims[i];
                if (!claim->says.there)
                    continue;
                claim->misses = claim->batch == s->batch ? 0 : claim->misses + 1;
                if (claim->batch == s->batch)
                    claim->seen = now_ns;
            }
            model_remove(s, missed);
            s->failed = false;
            freeze(s, was, s->paused);
            heard = true;
        } else {
            assert_false(s->answered);
        }
        break;
    default:
        count = random_list(said, which, nodes, text, 16);
        assert_int_equal(cluster_source_publish(s->s, nodes, count), 0);
        assert_int_equal(cluster_source_state(s->s), count ? CLUSTER_SOURCE_ANSWER : CLUSTER_SOURCE_EMPTY);
        model_publish(s, said, which, count);
        heard = true;
    }
    for (count = 0; count < NAMES; count++)
        model_merge(count);
    check();
    now_ns += chance(3) ? 0 : chance(20) * CLU_MS;
    model_step(heard, s, now_ns);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    check();
}

static void random_answers(void **state)
{
    int run, i;
    (void)state;
    for (run = 0; run < 30; run++) {
        seed = (uint64_t)run + 1;
        begin(run % 3 ? 0 : 4);
        for (i = 0; i < 250; i++)
            one_operation();
        assert_true(cluster_revision(c) > 200);
        assert_int_equal(mirror.seen[CLUSTER_RESYNC] > 0, run % 3 == 0);
        end();
    }
}

/* Without a clock between, what missed more goes before what missed less, though all were last seen at the same time. */
static void ties(void **state)
{
    static const char *const lists[3][5] = {{"d@h", "c@h", "b@h", "aa@h", "a@h"}, {"a@h", "aa@h"}, {NULL}};
    static const size_t counts[3] = {5, 2, 0};
    struct cluster_source *s;
    size_t i, k;
    (void)state;
    begin(0);
    assert_int_equal(cluster_discover(c, "push:x?misses=2&min=3", &s), 0);
    for (i = 0; i < 3; i++) {
        struct cluster_node nodes[5];
        memset(nodes, 0, sizeof nodes);
        for (k = 0; k < counts[i]; k++) {
            nodes[k].size = (uint32_t)sizeof nodes[k];
            nodes[k].name = lists[i][k];
        }
        assert_int_equal(cluster_source_publish(s, nodes, counts[i]), 0);
    }
    assert_int_equal(cluster_source_count(s), 3);
    assert_non_null(cluster_member_find(c, "a@h"));
    assert_non_null(cluster_member_find(c, "aa@h"));
    assert_non_null(cluster_member_find(c, "d@h"));
    mirror_check(&mirror, c);
    end();
}

/* ---- no memory -------------------------------------------------------- */

/* A publish whose n-th allocation fails, and all after it or none: either nothing has happened, or all of it. What could not
 * be merged is merged as soon as there is memory. */
static void out_of_memory(void **state)
{
    struct says said[3][16];
    struct cluster_node nodes[3][16];
    char text[3][16][2][2];
    size_t which[3][16], count[3], i;
    unsigned long n, refused = 0, carried_out = 0;
    int all, run;
    (void)state;
    for (run = 0; run < 6; run++)
        for (all = 0; all < 2; all++)
            for (n = 1; n < 60; n++) {
                uint64_t revision;
                size_t members;
                int result;
                seed = (uint64_t)run * 7 + 100;
                begin(run % 2 ? 0 : 8);
                for (i = 0; i < 2; i++) {
                    make_source(&model.sources[i], false);
                    do
                        count[i] = random_list(said[i], which[i], nodes[i], text[i], 16);
                    while (count[i] < 8);
                    assert_int_equal(cluster_source_publish(model.sources[i].s, nodes[i], count[i]), 0);
                    model_publish(&model.sources[i], said[i], which[i], count[i]);
                    model_step(true, &model.sources[i], now_ns);
                    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
                }
                check();
                do
                    count[2] = random_list(said[2], which[2], nodes[2], text[2], 16);
                while (count[2] < 8);
                revision = cluster_revision(c);
                members = cluster_member_count(c);
                fake_memory_fail(&f.memory, n, all);
                result = cluster_source_publish(model.sources[0].s, nodes[2], count[2]);
                assert_true(result == 0 || result == CLUSTER_E_MEMORY);
                if (result) {
                    refused++;
                    assert_int_equal(cluster_source_state(model.sources[0].s), CLUSTER_SOURCE_FAILED);
                    assert_int_equal(cluster_source_error(model.sources[0].s), CLUSTER_E_MEMORY);
                    assert_string_equal(cluster_source_why(model.sources[0].s), "out of memory");
                    assert_true(cluster_revision(c) == revision);
                    assert_int_equal(cluster_member_count(c), members);
                    check();
                    fake_memory_fail(&f.memory, 0, false);
                    assert_int_equal(cluster_source_publish(model.sources[0].s, nodes[2], count[2]), 0);
                } else {
                    carried_out += f.memory.failures != 0;
                    mirror_check(&mirror, c);
                    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
                    mirror_check(&mirror, c);
                    if (f.memory.failures == 0)
                        n = 1000;
                    fake_memory_fail(&f.memory, 0, false);
                }
                model_publish(&model.sources[0], said[2], which[2], count[2]);
                now_ns += CLU_SECOND; /* whatever waits for memory has waited by then */
                model_step(true, &model.sources[0], now_ns);
                assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
                check();
                assert_true(cluster_deadline(c) == CLUSTER_NEVER);
                end();
            }
    assert_true(refused > 100);
    assert_true(carried_out > 0);
}

/* What waits for memory brings about its own step. */
static void merged_later(void **state)
{
    struct cluster_source *s[2];
    struct cluster_node n;
    int i;
    (void)state;
    begin(0);
    for (i = 0; i < 2; i++)
        assert_int_equal(cluster_discover(c, "push:x", &s[i]), 0);
    memset(&n, 0, sizeof n);
    n.size = (uint32_t)sizeof n;
    n.name = "x@y";
    n.zone = "east";
    assert_int_equal(cluster_source_publish(s[0], &n, 1), 0);
    n.zone = NULL;
    n.role = "db";
    fake_memory_fail(&f.memory, 3, true); /* claim and record there are, but not what both say together */
    assert_int_equal(cluster_source_publish(s[1], &n, 1), 0);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    assert_string_equal(cluster_member_find(c, "x@y")->role, "");
    assert_true(cluster_deadline(c) > now_ns && cluster_deadline(c) <= now_ns + CLU_SECOND);
    mirror_check(&mirror, c);
    now_ns = cluster_deadline(c);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    assert_true(cluster_deadline(c) > now_ns && cluster_deadline(c) <= now_ns + CLU_SECOND);
    fake_memory_fail(&f.memory, 0, false);
    now_ns = cluster_deadline(c);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    assert_string_equal(cluster_member_find(c, "x@y")->role, "db");
    assert_string_equal(cluster_member_find(c, "x@y")->zone, "east");
    mirror_check(&mirror, c);
    assert_int_equal(mirror.seen[CLUSTER_CHANGE], 1);
    assert_int_equal(mirror.changed, CLUSTER_CHANGED_ROLE);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    end();
}

/* ---- limits, identities, whole lists ---------------------------------- */

static int publish(struct cluster_source *s, const char *list)
{
    char copy[512], *name;
    struct cluster_node nodes[32];
    size_t count = 0;
    memset(nodes, 0, sizeof nodes);
    strcpy(copy, list);
    for (name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
        nodes[count].size = (uint32_t)sizeof nodes[0];
        nodes[count++].name = name;
    }
    return cluster_source_publish(s, nodes, count);
}

static void all_or_nothing(void **state)
{
    static const struct {
        const char *list, *why;
    } table[] = {
        {"d@h e@h nohost", "'nohost'"}, {"x@@h", "'x@@h'"}, {"d@h @h", "'@h'"}, {"d@h d@", "'d@'"},
        {"d@h a\x7f@h", "'a\\x7f@h'"},
    };
    struct cluster_source *s;
    struct cluster_options o = fake_begin(&f);
    size_t i;
    (void)state;
    assert_int_equal(cluster_create(&c, &o), 0);
    memset(&mirror, 0, sizeof mirror);
    assert_int_equal(cluster_discover(c, "push:x", &s), 0);
    assert_int_equal(publish(s, "a@h b@h"), 0);
    for (i = 0; i < CLU_COUNT(table); i++) {
        assert_int_equal(publish(s, table[i].list), CLUSTER_E_INVALID);
        assert_true(cluster_revision(c) == 2);
        assert_non_null(strstr(cluster_last_error(c), table[i].why));
        assert_string_equal(cluster_source_why(s), cluster_last_error(c));
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        assert_int_equal(cluster_source_same(s), CLUSTER_E_INVALID);
        mirror_check(&mirror, c);
    }
    assert_int_equal(publish(s, "a@h b@h"), 0);
    assert_true(cluster_revision(c) == 2);
    assert_int_equal(cluster_source_same(s), 0);
    mirror_check(&mirror, c);
    end();
}

static void limits(void **state)
{
    struct cluster_source *one, *two;
    struct cluster_options o = fake_begin(&f);
    (void)state;
    memset(&mirror, 0, sizeof mirror);
    o.limit_members = 5;
    o.node = "self@h";
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "push:x", &one), 0);
    assert_int_equal(cluster_discover(c, "push:y?limit=3", &two), 0);
    assert_int_equal(publish(one, "a@h b@h c@h d@h e@h"), CLUSTER_E_LIMIT); /* six with the own node */
    assert_int_equal(publish(one, "a@h b@h c@h self@h"), 0);
    assert_int_equal(publish(two, "a@h b@h d@h"), 0); /* one new member among them: five */
    assert_int_equal(cluster_member_count(c), 5);
    assert_int_equal(publish(one, "a@h b@h c@h e@h"), CLUSTER_E_LIMIT);
    assert_non_null(strstr(cluster_last_error(c), "limit_members"));
    assert_int_equal(publish(two, "a@h b@h c@h d@h"), CLUSTER_E_LIMIT);
    assert_int_equal(cluster_source_count(two), 3);
    /* A list is as long as it is, whatever it replaces; a name that comes twice is one, the own one none. */
    assert_int_equal(publish(two, "a@h b@h c@h a@h c@h self@h"), 0);
    assert_int_equal(cluster_member_count(c), 4);
    assert_int_equal(publish(one, ""), 0);
    assert_int_equal(publish(two, "x@h"), 0);
    assert_int_equal(publish(two, "p@h q@h r@h"), 0);
    assert_int_equal(cluster_member_count(c), 4);
    mirror_check(&mirror, c);
    end();
}

/* A member's number is its own as long as it stays, and never another's. */
static void identities(void **state)
{
    struct cluster_source *s;
    uint64_t a, b;
    (void)state;
    begin(0);
    assert_int_equal(cluster_discover(c, "push:x", &s), 0);
    assert_int_equal(publish(s, "a@h b@h"), 0);
    a = cluster_member_find(c, "a@h")->id;
    b = cluster_member_find(c, "b@h")->id;
    assert_true(a != b && a && b);
    assert_int_equal(publish(s, "b@h"), 0);
    assert_int_equal(publish(s, "b@h a@h"), 0);
    assert_true(cluster_member_find(c, "b@h")->id == b);
    assert_true(cluster_member_find(c, "a@h")->id > b && cluster_member_find(c, "a@h")->id != a);
    mirror_check(&mirror, c);
    end();
}

/* An event shows what was then, also after all of it is gone. */
static void events_are_snapshots(void **state)
{
    struct cluster_source *s;
    const struct cluster_event *e;
    struct cluster_node n;
    (void)state;
    begin(0);
    while (cluster_next_event(c))
        continue;
    assert_int_equal(cluster_discover(c, "push:x", &s), 0);
    memset(&n, 0, sizeof n);
    n.size = (uint32_t)sizeof n;
    n.name = "a@h";
    n.port = 1;
    assert_int_equal(cluster_source_publish(s, &n, 1), 0);
    n.port = 2;
    assert_int_equal(cluster_source_publish(s, &n, 1), 0);
    assert_int_equal(publish(s, ""), 0);
    e = cluster_next_event(c);
    assert_true(e && e->type == CLUSTER_JOIN && e->member->port == 1 && e->source == s && e->revision == 2);
    e = cluster_next_event(c);
    assert_true(e && e->type == CLUSTER_CHANGE && e->member->port == 2 && e->changed == CLUSTER_CHANGED_PORT);
    cluster_source_remove(s);
    assert_string_equal(e->member->name, "a@h");
    e = cluster_next_event(c);
    assert_true(e && e->type == CLUSTER_LEAVE && e->member->port == 2 && e->member->sources == 0 && e->source == NULL);
    assert_string_equal(e->member->name, "a@h");
    assert_null(cluster_next_event(c)); /* a source that is gone has no news */
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_answers), cmocka_unit_test(ties),
        cmocka_unit_test(out_of_memory),  cmocka_unit_test(merged_later),
        cmocka_unit_test(all_or_nothing), cmocka_unit_test(limits),
        cmocka_unit_test(identities),     cmocka_unit_test(events_are_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
