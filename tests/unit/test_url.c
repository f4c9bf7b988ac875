/* The URL grammar: what each good URL means, the sentence for each bad one, and that no secret is ever shown. */
#include "../../src/wire/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* What a handle does: find who serves the scheme, then let the parser go on with the keys of that one. "mine" is registered by
 * a program, with keys that no table knows. */
static int parse_over(const char *url, struct clu_url *u, struct clu_common *common, char *buffer, struct clu_text *error)
{
    static const char *const own[][2] = {
        {"static", ""},
        {"push", ""},
        {"file", ""},
        {"epmd", "name"},
        {"gossip", "secret secret-file auth if ttl broadcast announce wire"},
        {"mine", "alpha token speed"},
    };
    struct clu_url_parser p;
    size_t i;
    int result;
    memset(&p, 0, sizeof p);
    memset(u, 0, sizeof *u);
    p.error = error;
    p.out = u;
    p.common = common;
    p.at = buffer;
    result = clu_url_scheme(&p, url);
    if (result)
        return result;
    for (i = 0; i < CLU_COUNT(own); i++) {
        p.own_keys = own[i][1];
        if (clu_slice_is(p.scheme, own[i][0]))
            return clu_url_parse(&p);
    }
    return clu_url_unknown(error, "scheme", p.scheme, CLU_URL_SCHEMES, "mine");
}

static int parse(const char *url, struct clu_url *u, char *buffer, struct clu_text *error)
{
    struct clu_common common;
    return parse_over(url, u, &common, buffer, error);
}

/* The index-th item; NULL past the end. */
static const char *item_at(const struct clu_url *u, size_t index)
{
    const char *item = u->target;
    if (index >= u->items)
        return NULL;
    while (index--)
        item = clu_url_next(item);
    return item;
}

/* Target items and options as one text: item|item?key=value&key=value */
static void show(const struct clu_url *u, struct clu_text *t)
{
    const char *at = u->target;
    size_t i;
    for (i = 0; i < u->items; i++) {
        clu_text_add(t, i ? "|" : "");
        assert_string_equal(at, item_at(u, i));
        clu_text_add(t, at);
        at = clu_url_next(at);
    }
    assert_string_equal(at, "");
    assert_null(item_at(u, u->items));
    at = u->options;
    for (i = 0; i < u->option_count; i++) {
        clu_text_add(t, i ? "&" : "?");
        clu_text_add(t, at);
        clu_text_add(t, "=");
        assert_string_equal(clu_url_option(u, at), clu_url_next(at));
        at = clu_url_next(at);
        clu_text_add(t, at);
        at = clu_url_next(at);
    }
    assert_null(clu_url_option(u, "absent"));
}

static void takes_good_urls(void **state)
{
    static const char *const table[][2] = {
        {"static:", ""},
        {"static:a@h1", "a@h1"},
        {"static:a@h1,b@h2", "a@h1|b@h2"},
        {"static:?interval=0", "?interval=0"},
        {"static:a%40h%2Cx,b@h", "a@h,x|b@h"},
        {"static:a@fe80::1%25eth0", "a@fe80::1%eth0"},
        {"static:a+b;c@h", "a+b;c@h"},
        {"static:a=b@h", "a=b@h"},
        {"push:web", "web"},
        {"push:", ""},
        {"file:/etc/nodes", "/etc/nodes"},
        {"file:///etc/nodes", "///etc/nodes"},
        {"file:a%2Cb%3Fc%26d", "a,b?c&d"},
        {"file:nodes.txt?misses=2&min=1", "nodes.txt?misses=2&min=1"},
        {"file:my nodes", "my nodes"},
        {"epmd:", ""},
        {"epmd:h1:4369,[::1]:4370", "h1:4369|[::1]:4370"},
        {"epmd:h?name=web&port=9100", "h?name=web&port=9100"},
        {"gossip:", ""},
        {"gossip:233.252.1.32:45892?secret=a%26b%3Dc=d&auth=required", "233.252.1.32:45892?secret=a&b=c=d&auth=required"},
        {"gossip:?ttl=0&broadcast=on&announce=off&wire=libcluster&if=eth0",
         "?ttl=0&broadcast=on&announce=off&wire=libcluster&if=eth0"},
        {"gossip:?secret=%C3%A4%0a", "?secret=\xC3\xA4\n"},
        {"gossip:?secret-file=/run/secret", "?secret-file=/run/secret"},
        {"gossip:?max-age=15s&timeout=500ms", "?max-age=15s&timeout=500ms"},
        {"static:?interval=10ms&jitter=10%&timeout=1m&max-age=2h", "?interval=10ms&jitter=10%&timeout=1m&max-age=2h"},
        {"static:?jitter=0%&weight=65535&limit=1000000&misses=1000", "?jitter=0%&weight=65535&limit=1000000&misses=1000"},
        {"static:?node=web&prune=off&role=&zone=eu%20west", "?node=web&prune=off&role=&zone=eu west"},
        {"static:?only=web*@*,d%3F@h&except=*-old@*", "?only=web*@*,d?@h&except=*-old@*"},
        {"static:?allow=10.0.0.0/8,fd00::/8,192.0.2.1", "?allow=10.0.0.0/8,fd00::/8,192.0.2.1"},
        {"static:?allow=10.0.0.0%2F8", "?allow=10.0.0.0/8"},
        {"static:?role=a+b;c", "?role=a+b;c"},
        {"static:?role=a?b", "?role=a?b"},
        {"mine:x?alpha=&token=t%41&speed=5%25&interval=1s", "x?alpha=&token=tA&speed=5%&interval=1s"},
        {"mine://x/y", "//x/y"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        /* the buffer is as small as is promised to be enough */
        size_t size = strlen(table[i][0]) + 1;
        char *buffer = (char *)malloc(size), text[512], sentence[512];
        struct clu_text t = clu_text_on(text, sizeof text), error = clu_text_on(sentence, sizeof sentence);
        struct clu_url u;
        assert_non_null(buffer);
        if (parse(table[i][0], &u, buffer, &error) != 0)
            fail_msg("%s: %s", table[i][0], sentence);
        show(&u, &t);
        assert_string_equal(text, table[i][1]);
        assert_int_equal(error.length, 0);
        free(buffer);
    }
}

/* A URL, and what its sentence must say: the offending part as written, and the mend. */
static const char *const bad_urls[][3] = {
    /* the scheme */
    {"web@h1", "no ':' after the scheme in 'web@h1'", "write it like static:a@h1,b@h2"},
    {"/etc/nodes", "no ':' after the scheme in '/etc/nodes'", "or file:PATH"},
    {"gossip", "no ':' after the scheme in 'gossip'", "write it like"},
    {"gossip?secret=hunter:2", "no ':' after the scheme in 'gossip'", "write it like"},
    {":a@h", "unknown scheme ''", "there are static push"},
    {"gosip:", "unknown scheme 'gosip'", "did you mean 'gossip'?"},
    {"Static:a@h", "unknown scheme 'Static'", "did you mean 'static'?"},
    {"statci:a@h", "unknown scheme 'statci'", "did you mean 'static'?"},
    {"emd:", "unknown scheme 'emd'", "did you mean 'epmd'?"},
    {"epdm:", "unknown scheme 'epdm'", "did you mean 'epmd'?"},
    {"fil:/x", "unknown scheme 'fil'", "did you mean 'file'?"},
    {"mien:x", "unknown scheme 'mien'", "did you mean 'mine'?"},
    {"http://h/", "unknown scheme 'http'",
     "there are static push file dns epmd gossip kubernetes consul etcd rancher hosts ec2 mine"},
    {"10.0.0.1:4369", "unknown scheme '10.0.0.1'", "there are static"},
    {" static:a@h", "unknown scheme ' static'", "did you mean 'static'?"},
    {"a\"b:", "unknown scheme 'a\\x22b'", "there are"},
    /* the target */
    {"static://a@h", "no '//' after 'static'", "write 'NODE,NODE,...' after its ':'"},
    {"static:a@h,,b@h", "an empty item in the target of 'static'", "%2C"},
    {"static:,a@h", "an empty item in the target of 'static'", "a ',' too many?"},
    {"static:a@h,", "an empty item in the target of 'static'", "a ',' too many?"},
    {"static:,", "an empty item in the target of 'static'", "a ',' too many?"},
    {"file:", "the target of 'file'", "one 'PATH'"},
    {"file:?interval=5s", "the target of 'file'", "one 'PATH'"},
    {"file:/a,/b", "the target of 'file'", "one 'PATH', with a ',' in it written %2C"},
    {"push:a,b", "the target of 'push'", "one 'NAME'"},
    {"gossip:a:1,b:1", "the target of 'gossip'", "one 'ADDRESS:PORT'"},
    {"static:a@h%", "bad escape in 'a@h%'", "two hexadecimal digits"},
    {"static:a%4", "bad escape in 'a%4'", "two hexadecimal digits"},
    {"static:a%zz@h,b@h", "bad escape in 'a%zz@h'", "'%' itself is %25"},
    {"static:x@h,a%4g@h", "bad escape in 'a%4g@h'", "two hexadecimal digits"},
    {"static:fe80::1%eth0", "bad escape in 'fe80::1%eth0'", "%25"},
    {"static:a%00@h", "bad escape in 'a%00@h'", "not 00"},
    {"static:a@h\n", "a control byte", "%XX"},
    {"static:a@h?role=\x7f", "a control byte", "%XX"},
    /* the shape of options */
    {"static:a@h?", "option 1 is not key=value", "%26"},
    {"static:?interval=5s&", "option 2 is not key=value", "%26"},
    {"static:?&interval=5s", "option 1 is not key=value", "%26"},
    {"static:?interval=5s&&min=1", "option 2 is not key=value", "%26"},
    {"static:?interval", "option 1 is not key=value", "%26"},
    {"static:?=5s", "option 1 is not key=value", "%26"},
    {"static:?interval=5s?min=1", "'interval=5s?min=1' is not right", "a duration like"},
    {"file:/a?b?c", "option 1 is not key=value", "%26"},
    {"static:?interval=5s&min=1&interval=6s", "option 'interval' is given twice", "keep one"},
    {"gossip:?secret=a&secret=a", "option 'secret' is given twice", "keep one"},
    {"mine:?alpha=1&alpha=2", "option 'alpha' is given twice", "keep one"},
    /* keys */
    {"static:?intervall=5s", "unknown option 'intervall'", "did you mean 'interval'?"},
    {"static:?intreval=5s", "unknown option 'intreval'", "did you mean 'interval'?"},
    {"static:?Interval=5s", "unknown option 'Interval'", "did you mean 'interval'?"},
    {"static:?max_age=5s", "unknown option 'max_age'", "did you mean 'max-age'?"},
    {"static:?maxage=5s", "unknown option 'maxage'", "did you mean 'max-age'?"},
    {"static:?prot=1", "unknown option 'prot'", "did you mean 'port'?"},
    {"static:?exept=a*", "unknown option 'exept'", "did you mean 'except'?"},
    {"static:?jiter=10%", "unknown option 'jiter'", "did you mean 'jitter'?"},
    {"static:?wieght=2", "unknown option 'wieght'", "did you mean 'weight'?"},
    {"static:?mises=2", "unknown option 'mises'", "did you mean 'misses'?"},
    {"static:?%6Ein=2", "unknown option '%6Ein'", "there are node interval"},
    {"static:?nonsense=1", "unknown option 'nonsense'", "there are node interval jitter"},
    {"gossip:?nonsense=1", "unknown option 'nonsense'", "zone secret secret-file auth"},
    {"gossip:?brodcast=on", "unknown option 'brodcast'", "did you mean 'broadcast'?"},
    {"gossip:?secert-file=x", "unknown option 'secert-file'", "did you mean 'secret-file'?"},
    {"mine:?alhpa=x", "unknown option 'alhpa'", "did you mean 'alpha'?"},
    {"static:?ttl=1", "option 'ttl' does not apply", "it is for 'gossip'"},
    {"epmd:?secret=abc", "option 'secret' does not apply", "it is for 'gossip'"},
    {"gossip:?name=web", "option 'name' does not apply", "it is for 'epmd hosts'"},
    {"mine:?wire=x", "option 'wire' does not apply", "it is for 'gossip'"},
    /* values */
    {"static:?interval=5", "'interval=5' is not right", "0 or a duration like 500ms, 5s, 1m, 2h, at least 10ms"},
    {"static:?interval=", "'interval=' is not right", "it takes 0 or a duration"},
    {"static:?interval=fast", "'interval=fast' is not right", "0 or a duration like 500ms, 5s, 1m, 2h"},
    {"static:?interval=9ms", "'interval=9ms' is not right", "at least 10ms"},
    {"static:?interval=1.5s", "'interval=1.5s' is not right", "a duration like"},
    {"static:?interval=5sec", "'interval=5sec' is not right", "a duration like 500ms, 5s, 1m, 2h"},
    {"static:?interval=2minutes", "'interval=2minutes' is not right", "0 or a duration"},
    {"static:?interval=500msec", "'interval=500msec' is not right", "0 or a duration like 500ms"},
    {"static:?interval=5%73", "'interval=5%73' is not right", "a duration like"},
    {"static:?interval=-5s", "'interval=-5s' is not right", "a duration like"},
    {"static:?interval=99999999999h", "'interval=99999999999h' is not right", "a duration like"},
    {"static:?timeout=0", "'timeout=0' is not right", "it takes a duration like"},
    {"static:?timeout=30", "'timeout=30' is not right", "a duration like 500ms, 5s"},
    {"static:?max-age=1d", "'max-age=1d' is not right", "500ms, 5s, 1m, 2h"},
    {"static:?jitter=10", "'jitter=10' is not right", "a percentage, 0% to 100%"},
    {"static:?jitter=10%25", "'jitter=10%25' is not right", "a percentage, 0% to 100%"},
    {"static:?jitter=101%", "'jitter=101%' is not right", "a percentage, 0% to 100%"},
    {"static:?jitter=0.1", "'jitter=0.1' is not right", "a percentage, 0% to 100%"},
    {"static:?port=0", "'port=0' is not right", "a number from 1 to 65535"},
    {"static:?port=65536", "'port=65536' is not right", "a number from 1 to 65535"},
    {"static:?port=91%300", "'port=91%300' is not right", "a number from 1 to 65535"},
    {"static:?misses=0", "'misses=0' is not right", "a number from 1 to 1000"},
    {"static:?misses=1001", "'misses=1001' is not right", "a number from 1 to 1000"},
    {"static:?misses=+2", "'misses=+2' is not right", "a number from 1 to 1000"},
    {"static:?min=-1", "'min=-1' is not right", "a number from 0 to 1000000"},
    {"static:?limit=0", "'limit=0' is not right", "a number from 1 to 1000000"},
    {"static:?weight=1.5", "'weight=1.5' is not right", "a number from 1 to 65535"},
    {"static:?prune=yes", "'prune=yes' is not right", "it takes one of off on"},
    {"static:?prune=false", "'prune=false' is not right", "it takes one of off on"},
    {"static:?prune=0", "'prune=0' is not right", "it takes one of off on"},
    {"static:?prune=of", "'prune=of' is not right", "it takes one of off on"},
    {"static:?prune=ON", "'prune=ON' is not right", "it takes one of off on"},
    {"static:?prune=%6fn", "'prune=%6fn' is not right", "it takes one of off on"},
    {"static:?prune=maybe", "'prune=maybe' is not right", "it takes one of off on"},
    {"static:?node=web@h1", "'node=web@h1' is not right", "the base name before '@'"},
    {"static:?node=web%40h1", "'node=web%40h1' is not right", "it takes the base name before '@' alone"},
    {"static:?node=", "'node=' is not right", "it takes"},
    {"static:?node=a%20b", "'node=a%20b' is not right", "the base name"},
    {"static:?only=", "'only=' is not right", "it takes"},
    {"static:?only=a*,,b*", "'only=a*,,b*' is not right", "separated by ','"},
    {"static:?except=,", "'except=,' is not right", "separated by ','"},
    {"static:?allow=10.0.0.0/33", "'allow=10.0.0.0/33' is not right", "10.0.0.0/8,fd00::/8"},
    {"static:?allow=internal", "'allow=internal' is not right", "10.0.0.0/8,fd00::/8"},
    {"static:?allow=10.0.0.0/8,", "'allow=10.0.0.0/8,' is not right", "10.0.0.0/8,fd00::/8"},
    {"static:?zone=%zz", "bad escape in 'zone=%zz'", "two hexadecimal digits"},
    {"static:?role=%00", "bad escape in 'role=%00'", "not 00"},
    {"gossip:?secret=", "'secret=' is not right", "it takes"},
    {"gossip:?secret-file=", "'secret-file=' is not right", "it takes"},
    {"gossip:?auth=require", "'auth=require' is not right", "it takes one of optional required"},
    {"gossip:?auth=no", "'auth=no' is not right", "it takes one of optional required"},
    {"gossip:?ttl=256", "'ttl=256' is not right", "a number from 0 to 255"},
    {"gossip:?announce=atuo", "'announce=atuo' is not right", "it takes one of auto on off"},
    {"gossip:?wire=erlang", "'wire=erlang' is not right", "it takes one of libcluster"},
    {"gossip:?broadcast=true", "'broadcast=true' is not right", "it takes one of off on"},
    {"epmd:?name=web@h", "'name=web@h' is not right", "it takes the base name before '@' alone"},
    {"mine:?alpha=%a", "bad escape in 'alpha=%a'", "two hexadecimal digits"},
};

static void says_what_is_wrong(void **state)
{
    size_t i, wrong = 0;
    (void)state;
    for (i = 0; i < CLU_COUNT(bad_urls); i++) {
        const char *const *row = bad_urls[i];
        char buffer[256], sentence[512];
        struct clu_text error = clu_text_on(sentence, sizeof sentence);
        struct clu_url u;
        int result = parse(row[0], &u, buffer, &error);
        if (result == CLUSTER_E_INVALID && !error.cut && strstr(sentence, row[1]) && strstr(sentence, row[2]))
            continue;
        print_error("%s\n  gave %d: %s\n  expected: %s ... %s\n", row[0], result, sentence, row[1], row[2]);
        wrong++;
    }
    assert_int_equal(wrong, 0);
    assert_true(CLU_COUNT(bad_urls) >= 70);
}

static void keeps_limits(void **state)
{
    static char url[70000], buffer[70000];
    char sentence[512];
    struct clu_text t, error;
    struct clu_url u;
    size_t i, length;
    (void)state;
    /* thousands of items */
    t = clu_text_on(url, sizeof url);
    clu_text_add(&t, "static:");
    for (i = 0; i < 8000; i++) {
        clu_text_add(&t, i ? ",n@h" : "n@h");
        clu_text_u64(&t, i);
    }
    error = clu_text_on(sentence, sizeof sentence);
    assert_int_equal(parse(url, &u, buffer, &error), 0);
    assert_int_equal(u.items, 8000);
    assert_string_equal(item_at(&u, 7999), "n@h7999");
    /* the longest URL, then one byte more */
    for (length = CLU_URL_MAX; length <= CLU_URL_MAX + 1; length++) {
        memset(url, 'x', length);
        memcpy(url, "file:", 5);
        url[length] = '\0';
        error = clu_text_on(sentence, sizeof sentence);
        assert_int_equal(parse(url, &u, buffer, &error), length == CLU_URL_MAX ? 0 : CLUSTER_E_INVALID);
    }
    assert_non_null(strstr(sentence, "longer than 65535 bytes"));
    /* what is quoted is shortened, and the sentence stays one */
    memset(url, 'x', 5000);
    memcpy(url, "static:?min=", 12);
    url[5000] = '\0';
    error = clu_text_on(sentence, sizeof sentence);
    assert_int_equal(parse(url, &u, buffer, &error), CLUSTER_E_INVALID);
    assert_false(error.cut);
    assert_non_null(strstr(sentence, "xxx...' is not right"));
    /* next to no room for the sentence */
    error = clu_text_on(sentence, 1);
    assert_int_equal(parse("static:?x=1", &u, buffer, &error), CLUSTER_E_INVALID);
}

static void fills_the_common_options(void **state)
{
    static const char url[] =
        "gossip:?node=web&interval=250ms&jitter=25%&timeout=3s&port=9100&prune=off&misses=7&min=2&max-age=1m"
        "&only=a*&except=b*&allow=10.0.0.0/8&limit=99&role=db&weight=3&zone=eu&ttl=4";
    char buffer[512], sentence[512];
    struct clu_text error = clu_text_on(sentence, sizeof sentence);
    struct clu_url u;
    struct clu_common c, untouched;
    (void)state;
    memset(&c, 0, sizeof c);
    c.prune = 1;
    assert_int_equal(parse_over(url, &u, &c, buffer, &error), 0);
    assert_string_equal(c.node, "web");
    assert_int_equal(c.interval_ns, 250 * CLU_MS);
    assert_int_equal(c.jitter_percent, 25);
    assert_int_equal(c.timeout_ns, 3 * CLU_SECOND);
    assert_int_equal(c.port, 9100);
    assert_int_equal(c.prune, 0);
    assert_int_equal(c.misses, 7);
    assert_int_equal(c.min, 2);
    assert_int_equal(c.max_age_ns, 60 * CLU_SECOND);
    assert_string_equal(c.only, "a*");
    assert_string_equal(c.except, "b*");
    assert_string_equal(c.allow, "10.0.0.0/8");
    assert_int_equal(c.limit, 99);
    assert_string_equal(c.role, "db");
    assert_int_equal(c.weight, 3);
    assert_string_equal(c.zone, "eu");
    /* defaults stay, a given 0 takes their place */
    memset(&c, 0x55, sizeof c);
    c.node = NULL;
    assert_int_equal(parse_over("static:a@h?interval=0&prune=on", &u, &c, buffer, &error), 0);
    assert_int_equal(c.interval_ns, 0);
    assert_int_equal(c.prune, 1);
    assert_int_equal(c.misses, 0x55555555);
    assert_null(c.node);
    /* the options of a scheme's own touch none of them */
    memset(&c, 0x55, sizeof c);
    assert_int_equal(parse_over("gossip:?ttl=4&secret=x&auth=required", &u, &c, buffer, &error), 0);
    assert_int_equal(parse_over("mine:?alpha=4", &u, &c, buffer, &error), 0);
    memset(&untouched, 0x55, sizeof untouched);
    untouched.own = c.own;
    assert_memory_equal(&c, &untouched, sizeof c);
}

static void hides_secrets(void **state)
{
    static const char *const table[][2] = {
        {"gossip:?secret=hunter2", "gossip:?secret=***"},
        {"gossip:1.2.3.4:5?secret=a=b&ttl=3", "gossip:1.2.3.4:5?secret=***&ttl=3"},
        {"gossip:?ttl=3&secret=", "gossip:?ttl=3&secret="},
        {"gossip:?secret-file=/run/x", "gossip:?secret-file=/run/x"},
        {"kubernetes:x?token-file=/t&token=abc&auth=required", "kubernetes:x?token-file=/t&token=***&auth=required"},
        {"x:?key=1&api-key=2&password=4&cookie=6", "x:?key=***&api-key=***&password=***&cookie=***"},
        {"x:?key-id=1&monkey=2", "x:?key-id=1&monkey=2"},
        {"x:?secret=hunt?er2", "x:?secret=***"},
        {"x:?secret=a,b", "x:?secret=***"},
        {"etcd:p?server=http://user:pass@h:1/x", "etcd:p?server=http://***@h:1/x"},
        {"etcd:p?server=https://user@h", "etcd:p?server=https://***@h"},
        {"etcd:http://u:p@h1,http://u:p@h2", "etcd:http://***@h1,http://***@h2"},
        {"etcd:http://u:p/w@h1?ttl=1", "etcd:http://***@h1?ttl=1"},
        {"etcd:http://h1/x,a@b", "etcd:http://h1/x,a@b"},
        {"static:a@h,b@h?zone=a%zz%4", "static:a@h,b@h?zone=a%zz%4"},

        {"x", "x"},
        {"x:?", "x:?"},
        {"x:?&&", "x:?&&"},
        {"x://", "x://"},
        {"x://@", "x://@"},
        {"x:?=hunter", "x:?=hunter"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        char text[256];
        struct clu_text t = clu_text_on(text, sizeof text);
        clu_url_redact(table[i][0], &t);
        assert_string_equal(text, table[i][1]);
    }
}

static void no_sentence_shows_a_secret(void **state)
{
    static const char *const urls[] = {
        "gossip:?secret=hunter2&ttl=999",
        "gossip:?secret=hunter2%zz",
        "gossip:?secret=hunter2%00",
        "gossip:?secret=x&hunter2",
        "gossip:?secret=x&hunter2=y",
        "gossip:?secret=x&secret=hunter2",
        "gossip:?secert=hunter2",
        "gossip:?Secret=hunter2",
        "gossip:?secret:hunter2",
        "gossip:?secrethunter2",
        "gossip:?secret hunter2",
        "gossip:?secret-hunter2",
        "gossip:?password=hunter2",
        "gossip?secret=hunter2",
        "epmd:?secret=hunter2",
        "gossip:?secret=hunter2\n",
        "mine:?token=hunter2&token=hunter2",
        "mine:?token=hunter2%",
        "mine:?alpha=http://u:hunter2@h/%zz",
        "mine:http://u:hunter2@h/%zz",
        "static:?role=http://hunter2@h%",
        "http://u:hunter2@h/",
        "gosip:?secret=hunter2",
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(urls); i++) {
        char buffer[256], sentence[1024];
        struct clu_text error = clu_text_on(sentence, sizeof sentence);
        struct clu_url u;
        assert_int_equal(parse(urls[i], &u, buffer, &error), CLUSTER_E_INVALID);
        assert_true(error.length > 0);
        if (strstr(sentence, "hunter2"))
            fail_msg("%s\n  gave: %s", urls[i], sentence);
    }
}

static void measures_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } table[] = {
        {"", "", 0},
        {"a", "", 1},
        {"", "abc", 3},
        {"gossip", "gosip", 1},
        {"abcd", "acbd", 2},
        {"ca", "abc", 3},
        {"Static", "static", 1},
        {"aa", "aaa", 1},
        {"file", "push", 4},
        {"ab", "ba", 2},
        {"interval", "intreval", 2},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        assert_int_equal(clu_distance(clu_slice_str(table[i].a), clu_slice_str(table[i].b)), table[i].distance);
        assert_int_equal(clu_distance(clu_slice_str(table[i].b), clu_slice_str(table[i].a)), table[i].distance);
    }
}

/* Every row is whole and is found by its key, no key stands twice, and only what is secret is hidden. */
static void has_whole_tables(void **state)
{
    struct clu_slice words;
    struct clu_option_help row, other;
    struct clu_scheme_help scheme;
    size_t i, j;
    bool own = false;
    (void)state;
    for (i = 0; clu_url_help(i, &row); i++) {
        char text[256];
        struct clu_text t = clu_text_on(text, sizeof text);
        assert_true(strlen(row.help) > 10);
        assert_true(strlen(row.fallback) > 0);
        clu_option_takes(row.info, &t);
        assert_true(t.length > 3 && !t.cut);
        own |= row.scheme[0] != '\0';
        assert_string_equal(row.scheme, row.info->scheme);
        assert_int_equal(own, row.scheme[0] != '\0'); /* the common ones come first */
        for (words = clu_slice_str(row.scheme); own && words.at;) {
            struct clu_slice word = clu_cut(&words, ' ');
            assert_true(clu_word_find(CLU_URL_SCHEMES, word) >= 0);
            assert_int_equal(clu_option_find(clu_slice_str(row.key), word), i);
        }
        assert_int_equal(clu_word_find(CLU_URL_KEYS, clu_slice_str(row.key)), own ? -1 : (int)i);
        assert_int_equal(clu_key_is_secret(clu_slice_str(row.key)),
                         strcmp(row.key, "secret") == 0 || strcmp(row.key, "token") == 0 || strcmp(row.key, "key") == 0);
        for (j = 0; j < i; j++) {
            assert_true(clu_url_help(j, &other));
            assert_true(strcmp(row.key, other.key) != 0 || (*row.scheme && strcmp(row.scheme, other.scheme) != 0));
        }
    }
    assert_int_equal(i, 62);
    for (i = 0; clu_url_scheme_help(i, &scheme); i++) {
        assert_true(strlen(scheme.help) > 10);
        assert_int_equal(clu_word_find(CLU_URL_SCHEMES, clu_slice_str(scheme.scheme)), i);
        assert_string_equal(clu_scheme_info_at((int)i)->target, scheme.target);
    }
    assert_int_equal(i, 12);
}

/* Where no word is near, all that there are; and nothing is left hanging where the program has none of its own. */
static void all_that_there_are(void **state)
{
    static const char *const own[] = {NULL, "", "c d"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(own); i++) {
        char sentence[128];
        struct clu_text t = clu_text_on(sentence, sizeof sentence);
        assert_int_equal(clu_url_unknown(&t, "scheme", clu_slice_str("unlike"), "a b", own[i]), CLUSTER_E_INVALID);
        assert_string_equal(sentence,
                            i < 2 ? "unknown scheme 'unlike': there are a b" : "unknown scheme 'unlike': there are a b c d");
    }
}

/* What a scheme takes of its own is in the table, and fits where a source makes a list of it. */
static void keys_of_a_scheme(void **state)
{
    static const char *const table[][2] = {
        {"static", ""},
        {"hosts", "name"},
        {"rancher", "server"},
        {"nobody", ""},

        {"kubernetes consul", ""},
        {"etcd", "watch token-file ca insecure token server announce"},
    };
    struct clu_slice rest = clu_slice_str(CLU_URL_SCHEMES);
    char out[256];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct clu_text t = clu_text_on(out, sizeof out);
        clu_option_keys(clu_slice_str(table[i][0]), &t);
        assert_string_equal(out, table[i][1]);
    }
    while (rest.at) {
        struct clu_text t = clu_text_on(out, sizeof out);
        clu_option_keys(clu_cut(&rest, ' '), &t);
        assert_false(t.cut);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_there_are),         cmocka_unit_test(takes_good_urls),
        cmocka_unit_test(says_what_is_wrong),         cmocka_unit_test(keeps_limits),
        cmocka_unit_test(fills_the_common_options),   cmocka_unit_test(hides_secrets),
        cmocka_unit_test(no_sentence_shows_a_secret), cmocka_unit_test(measures_distance),
        cmocka_unit_test(has_whole_tables),           cmocka_unit_test(keys_of_a_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
