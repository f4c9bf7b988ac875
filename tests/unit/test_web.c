/* consul:, etcd: and rancher: sources against a scripted server: answers, questions that wait, announcing, and faults. */
#include "../../src/core/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "web_server.h"

#define AT "server=10.0.0.1:8500&interval=1m&jitter=0%"

static const char *body;
static const char *faulty; /* in place of it: a whole response */

static const char *serve(const char *request)
{
    (void)request;
    return faulty ? faulty : web_ok(body);
}

static void start(const char *answer, const char *url)
{
    struct cluster_options o = web_begin(serve);
    body = answer;
    faulty = NULL;
    web_start(&o, url);
    web_run(10);
}

static const char consul[] =
    "[{\"Node\":{\"ID\":\"40e4a748\",\"Node\":\"foobar\",\"Address\":\"10.1.10.12\",\"Datacenter\":\"dc1\",\"TaggedAddresses\":"
    "{\"lan\":"
    "\"10.1.10.12\"},\"Meta\":{}},\"Service\":{\"ID\":\"web1\",\"Service\":\"web\",\"Tags\":[\"primary\"],\"Address\":\"10.1."
    "10.99\",\"Port\":"
    "8000,\"Weights\":{\"Passing\":10,\"Warning\":1}},\"Checks\":[{\"Node\":\"foobar\",\"CheckID\":\"service:web1\",\"Status\":"
    "\"passing\"}]},"
    "{\"Node\":{\"Node\":\"b\",\"Address\":\"10.1.10.13\"},\"Service\":{\"ID\":\"web2\",\"Address\":\"\"},\"Checks\":[]},"
    "{\"Node\":{\"Node\":\"c\",\"Address\":\"\"},\"Service\":{\"Address\":\"web3.example\"}}]";

static const char rancher[] =
    "{\"name\":\"web\",\"stack_name\":\"s\",\"containers\":[{\"name\":\"s-web-1\",\"ips\":[\"10.42.0.1\",\"10.42.9.9\"],"
    "\"primary_ip\":"
    "\"10.42.0.1\"},{\"name\":\"s-web-2\",\"ips\":[\"10.42.0.2\"]},{\"name\":\"s-web-3\",\"ips\":[]}],\"scale\":3}";

/* /cluster/app@10.0.0.7, /cluster/app@10.0.0.8, /cluster/deeper/x */
static const char etcd[] =
    "{\"header\":{\"cluster_id\":\"14841639068965178418\",\"member_id\":\"10276657743932975437\",\"revision\":\"5\",\"raft_"
    "term\":\"2\"},\"kvs\":[{"
    "\"key\":\"L2NsdXN0ZXIvYXBwQDEwLjAuMC43\",\"create_revision\":\"2\"},{\"key\":\"L2NsdXN0ZXIvYXBwQDEwLjAuMC44\"},{\"key\":"
    "\"L2NsdXN0ZXIvZGVlcGVyL3g=\"}],\"count\":\"3\"}";

static void instances_of_consul(void **state)
{
    (void)state;
    start(consul, "consul:web?node=app&tag=primary&dc=dc1&" AT);
    web_members("app@10.1.10.13 app@10.1.10.99 app@web3.example");
    assert_string_equal(cluster_member_at(c, 1)->address, "10.1.10.99");
    assert_string_equal(cluster_member_at(c, 2)->address, "");
    assert_non_null(
        strstr(web.last, "GET /v1/health/service/web?passing=1&tag=primary&dc=dc1 HTTP/1.1\r\nHost: 10.0.0.1:8500\r\n"));
    body = "[]";
    web_round();
    web_round();
    web_round();
    web_members("");
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

static void containers_of_rancher(void **state)
{
    (void)state;
    start(rancher, "rancher:?node=app&" AT);
    web_members("app@10.42.0.1 app@10.42.0.2");
    assert_non_null(strstr(web.last, "GET /latest/self/service HTTP/1.1\r\n"));
    assert_non_null(strstr(web.last, "Accept: application/json\r\n"));
    end();
    start(rancher, "rancher:other?node=app&" AT);
    assert_non_null(strstr(web.last, "GET /latest/self/stack/services/other HTTP/1.1\r\n"));
    end();
}

static void keys_of_etcd(void **state)
{
    (void)state;
    start(etcd, "etcd:/cluster/?" AT);
    web_members("app@10.0.0.7 app@10.0.0.8");
    assert_string_equal(cluster_member_at(c, 0)->address, "10.0.0.7");
    assert_non_null(strstr(web.last, "POST /v3/kv/range HTTP/1.1\r\n"));
    assert_non_null(strstr(web.last, "{\"key\":\"L2NsdXN0ZXIv\",\"range_end\":\"L2NsdXN0ZXIw\",\"keys_only\":true}"));
    body = "{\"header\":{\"revision\":\"6\"}}"; /* no key at all */
    web_round();
    web_round();
    web_round();
    web_members("");
    end();
}

static void base64_becomes_bytes(void **state)
{
    static const char *const table[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff\xbf", "+/+/"}};
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zm9v!A==", "Z===", "====", "Zm9\n", "Zm 9"};
    char text[32];
    size_t i, size;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        strcpy(text, table[i][1]);
        size = strlen(text);
        assert_true(clu_base64_decode(text, &size));
        assert_int_equal(size, strlen(table[i][0]));
        assert_memory_equal(text, table[i][0], size);
    }
    for (i = 0; i < CLU_COUNT(bad); i++) {
        strcpy(text, bad[i]);
        size = strlen(text);
        if (clu_base64_decode(text, &size))
            assert_true(strchr(bad[i], '=') != NULL && size < 2);
    }
}

/* ---- faults ----------------------------------------------------------- */

static void no_fault_loses_a_member(void **state)
{
    static const struct {
        const char *response;
        int error;
    } faults[] = {
        {"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_IO},
        {"HTTP/1.1 403 X\r\nContent-Length: 19\r\n\r\nPermission denied\r\n", CLUSTER_E_PERMISSION},
        {"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_NOT_FOUND},
        {"HTTP/1.1 500 X\r\nContent-Length: 17\r\n\r\nNo cluster leader", CLUSTER_E_IO},
        {"HTTP/1.1 301 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_UNSUPPORTED},
        {"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\nnull", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 16\r\n\r\n{\"error\":\"wrong\"}", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n[{},x", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n[1,2]", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 15\r\n\r\n[{\"error\":\"x\"}]", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 18\r\n\r\n{\"containers\":[1]}", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 25\r\n\r\n{\"header\":{},\"kvs\":[[],1]}", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nContent-Length: 6\r\n\r\n<html>", CLUSTER_E_PROTOCOL},
        {"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CLUSTER_E_PROTOCOL},
    };
    static const char *const urls[][2] = {{consul, "consul:web?node=app&misses=1&" AT},
                                          {rancher, "rancher:?node=app&misses=1&" AT},
                                          {etcd, "etcd:/cluster/?misses=1&" AT}};
    size_t i, j, count;
    (void)state;
    for (j = 0; j < CLU_COUNT(urls); j++) {
        start(urls[j][0], urls[j][1]);
        count = cluster_member_count(c);
        assert_true(count >= 2);
        for (i = 0; i < CLU_COUNT(faults); i++) {
            faulty = faults[i].response;
            web_round();
            web_failed(faults[i].error, "");
            assert_int_equal(cluster_member_count(c), count);
        }
        faulty = "";
        web_round();
        web_run(6000);
        web_failed(CLUSTER_E_TIMEOUT, "no answer");
        web.ends = true;
        web_round();
        web_failed(CLUSTER_E_CLOSED, "closed");
        web.ends = false;
        assert_int_equal(mirror.seen[CLUSTER_LEAVE], 0);
        faulty = NULL;
        web_round();
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
        end();
    }
}

static void keys_that_are_not_under_the_prefix_fail(void **state)
{
    (void)state;
    start(etcd, "etcd:/cluster/?" AT);
    body = "{\"header\":{},\"kvs\":[{\"key\":\"L290aGVyL2E=\"}]}";
    web_round();
    web_failed(CLUSTER_E_PROTOCOL, "");
    body = "{\"header\":{},\"kvs\":[{\"key\":\"!!!\"}]}";
    web_round();
    web_failed(CLUSTER_E_PROTOCOL, "");
    body = "{\"header\":{},\"kvs\":[],\"more\":true}";
    web_round();
    web_failed(CLUSTER_E_LIMIT, "");
    web_members("app@10.0.0.7 app@10.0.0.8");
    end();
}

static void tokens_go_over_verified_tls_only(void **state)
{
    (void)state;
    start(consul, "consul:web?node=app&token=t&" AT);
    web_failed(CLUSTER_E_PERMISSION, "insecure=on");
    assert_int_equal(web.requests, 0);
    assert_null(strstr(cluster_source_url(s), "token=t"));
    end();
    start(consul, "consul:web?node=app&token=t&insecure=on&" AT);
    assert_non_null(strstr(web.last, "\r\nX-Consul-Token: t\r\n"));
    end();
    {
        struct cluster_options o = web_begin(serve);
        f.files[0].path = "/token";
        f.files[0].text = "from-file\n";
        f.files[0].stamp = 1;
        body = etcd;
        web_start(&o, "etcd:/cluster/?token-file=/token&insecure=on&" AT);
        web_run(10);
        assert_non_null(strstr(web.last, "\r\nAuthorization: from-file\r\n"));
        f.files[0].error = CLUSTER_E_NOT_FOUND;
        web_round();
        web_failed(CLUSTER_E_NOT_FOUND, "/token");
        end();
    }
}

/* Blocks that are given back, or that move, with the token still in them. */
static unsigned told;

static void *spying_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    const char *bytes = (const char *)ptr;
    size_t i;
    for (i = 0; i + 6 <= old_size; i++)
        told += memcmp(bytes + i, "hidden", 6) == 0;
    return fake_resize(ctx, ptr, old_size, new_size);
}

static void tokens_stay_in_no_block(void **state)
{
    static const char *const urls[] = {"etcd:/cluster/?token-file=/token&insecure=on&" AT,
                                       "consul:web?node=app&token-file=/token&insecure=on&" AT};
    char token[3000];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(urls); i++) {
        struct cluster_options o = web_begin(serve);
        f.memory.hook.resize = spying_resize;
        told = 0;
        strcpy(token, "hidden\n");
        f.files[0].path = "/token";
        f.files[0].text = token;
        f.files[0].stamp = 1;
        web_start(&o, urls[i]);
        web_run(10);
        assert_non_null(strstr(web.last, "hidden"));
        memset(token, 'x', sizeof token - 1); /* a longer one takes another block */
        memcpy(token, "hidden", 6);
        token[sizeof token - 1] = '\0';
        f.files[0].stamp = 2;
        web_round();
        web_run(10);
        assert_int_equal(strlen(token), strcspn(strstr(web.last, "hidden"), "\r"));
        end();
        assert_int_equal(told, 0);
    }
}

static void urls_that_are_refused(void **state)
{
    static const char *const urls[] = {"consul:?node=a",    "consul:a,b",           "etcd:",       "rancher:a,b",
                                       "rancher:?watch=on", "rancher:?announce=on", "etcd:a?tag=x"};
    struct cluster_options o = web_begin(serve);
    size_t i;
    (void)state;
    assert_int_equal(cluster_create(&c, &o), 0);
    for (i = 0; i < CLU_COUNT(urls); i++)
        assert_int_equal(cluster_discover(c, urls[i], NULL), CLUSTER_E_INVALID);
    end();
    start(consul, "consul:web?node=a&server=a%20b");
    web_failed(CLUSTER_E_INVALID, "is no address of a server");
    end();
}

/* ---- changes ---------------------------------------------------------- */

static const char *waiting; /* what a question that waits is answered with */

static const char *serve_index(const char *request)
{
    if (strstr(request, "index="))
        return waiting;
    return faulty ? faulty : web_reply(200, "X-Consul-Index: 7\r\n", body);
}

static void consul_is_asked_to_wait_for_changes(void **state)
{
    struct cluster_options o = web_begin(serve_index);
    unsigned before;
    (void)state;
    body = "[{\"Service\":{\"Address\":\"10.0.0.1\"}}]";
    faulty = waiting = NULL;
    web_start(&o, "consul:web?node=app&watch=on&server=10.0.0.1:8500&interval=5s&jitter=0%");
    web_run(100);
    web_members("app@10.0.0.1");
    assert_int_equal(web.requests, 2);
    assert_non_null(strstr(web.last, "&wait=55s&index=7 "));
    web_run(20000); /* rounds pass without a question */
    assert_int_equal(web.requests, 2);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    web_push(web_reply(200, "X-Consul-Index: 9\r\n", "[{\"Service\":{\"Address\":\"10.0.0.2\"}}]"));
    web_run(100);
    web_members("app@10.0.0.2");
    assert_int_equal(web.requests, 3);
    assert_non_null(strstr(web.last, "&index=9 "));
    /* an index that goes back: a question that does not wait */
    web_push(web_reply(200, "X-Consul-Index: 3\r\n", "[{\"Service\":{\"Address\":\"10.0.0.2\"}}]"));
    web_run(100);
    before = web.requests;
    web_run(6000);
    assert_true(web.requests > before);
    assert_non_null(strstr(web.last, "&index=7 "));
    /* one that fails */
    web_push("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    web_run(100);
    web_failed(CLUSTER_E_IO, "HTTP 500");
    web_members("app@10.0.0.1");
    web_run(6000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    end();
}

static unsigned registers, passes, deregisters;
static bool forgotten;
static char registered[4096];

static const char *serve_agent(const char *request)
{
    if (strncmp(request, "PUT /v1/agent/service/register HTTP", 35) == 0) {
        registers++;
        strcpy(registered, strstr(request, "\r\n\r\n") + 4);
        assert_non_null(strstr(request, "\r\nX-Consul-Token: t\r\n"));
        forgotten = false;
        return faulty ? faulty : web_ok("");
    }
    if (strncmp(request, "PUT /v1/agent/check/pass/service%3Ame%4010.0.0.9 HTTP", 53) == 0) {
        passes++;
        return forgotten ? web_reply(404, "", "Unknown check ID \"service:me@10.0.0.9\".") : web_ok("");
    }
    if (strncmp(request, "PUT /v1/agent/service/deregister/me%4010.0.0.9 HTTP", 51) == 0) {
        deregisters++;
        return web_ok("");
    }
    return web_ok(body);
}

static void consul_keeps_the_own_node_passing(void **state)
{
    struct cluster_options o = web_begin(serve_agent);
    uint64_t request;
    (void)state;
    registers = passes = deregisters = 0;
    forgotten = false;
    faulty = NULL;
    body = consul;
    o.node = "me@10.0.0.9";
    web_start(&o, "consul:w%22eb?node=app&announce=on&tag=v1&token=t&insecure=on&server=10.0.0.1:8500&interval=5s&jitter=0%");
    web_run(100);
    assert_int_equal(registers, 1);
    assert_string_equal(registered,
                        "{\"ID\":\"me@10.0.0.9\",\"Name\":\"w\\\"eb\",\"Address\":\"10.0.0.9\",\"Tags\":[\"v1\"],\"Check\":"
                        "{\"TTL\":\"15s\",\"Status\":\"passing\",\"DeregisterCriticalServiceAfter\":\"1m\"}}");
    web_run(11000);
    assert_int_equal(registers, 1);
    assert_int_equal(passes, 2);
    forgotten = true; /* the agent was started anew: another registration, at once */
    web_run(5000);
    assert_int_equal(registers, 2);
    assert_int_equal(passes, 3);
    forgotten = true;
    faulty = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"; /* and once more in the next round */
    web_run(5000);
    assert_int_equal(registers, 3);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER); /* the list does not hang on it */
    faulty = NULL;
    web_run(5000);
    assert_int_equal(registers, 4);
    assert_int_equal(passes, 4);
    assert_int_equal(cluster_leave(c, 2000, &request), 0);
    web_run(1000);
    assert_int_equal(deregisters, 1);
    assert_int_equal(mirror.seen[CLUSTER_LEFT], 1);
    end();
    /* a long one is written whole */
    {
        char url[2048];
        o = web_begin(serve_agent);
        o.node = "me@10.0.0.9";
        registers = 0;
        memset(url, '"', sizeof url);
        memcpy(url, "consul:", 7);
        strcpy(url + 1200, "?node=app&announce=on&token=t&insecure=on&server=10.0.0.1:8500");
        web_start(&o, url);
        web_run(100);
        assert_int_equal(registers, 1);
        assert_non_null(strstr(registered, "\"DeregisterCriticalServiceAfter\":\"1m\"}}"));
        assert_int_equal(strlen(registered), 121 + 2 * 1193 + strlen("me@10.0.0.9") + strlen("10.0.0.9"));
        end();
    }
}

static unsigned grants, puts_, keeps, revokes, watches;
static bool lost;
static char put_body[512];

static const char *serve_etcd(const char *request)
{
    if (strstr(request, "/v3/lease/grant")) {
        grants++;
        return web_ok("{\"header\":{\"revision\":\"1\"},\"ID\":\"7587848390687281670\",\"TTL\":\"15\"}");
    }
    if (strstr(request, "/v3/kv/put")) {
        puts_++;
        strcpy(put_body, strstr(request, "\r\n\r\n") + 4);
        return web_ok("{\"header\":{\"revision\":\"2\"}}");
    }
    if (strstr(request, "/v3/lease/keepalive")) {
        keeps++;
        return web_ok(lost ? "{\"result\":{\"header\":{},\"ID\":\"7587848390687281670\"}}"
                           : "{\"result\":{\"header\":{},\"ID\":\"7587848390687281670\",\"TTL\":\"15\"}}");
    }
    if (strstr(request, "/v3/lease/revoke")) {
        revokes++;
        return web_ok("{\"header\":{}}");
    }
    if (strstr(request, "/v3/watch")) {
        watches++;
        return waiting;
    }
    return faulty ? faulty : web_ok(body);
}

static void etcd_keeps_the_own_node_under_a_lease(void **state)
{
    struct cluster_options o = web_begin(serve_etcd);
    uint64_t request;
    (void)state;
    grants = puts_ = keeps = revokes = 0;
    lost = false;
    faulty = NULL;
    body = etcd;
    o.node = "me@10.0.0.9";
    web_start(&o, "etcd:/cluster/?announce=on&server=10.0.0.1:8500&interval=5s&jitter=0%");
    web_run(100);
    assert_int_equal(grants, 1);
    assert_int_equal(puts_, 1);
    assert_string_equal(put_body, "{\"lease\":7587848390687281670,\"key\":\"L2NsdXN0ZXIvbWVAMTAuMC4wLjk=\"}");
    web_run(11000);
    assert_int_equal(grants, 1);
    assert_int_equal(keeps, 2);
    lost = true; /* the lease has run out: another one */
    web_run(5000);
    lost = false;
    assert_int_equal(grants, 2);
    assert_int_equal(puts_, 2);
    assert_int_equal(cluster_leave(c, 2000, &request), 0);
    web_run(1000);
    assert_int_equal(revokes, 1);
    assert_int_equal(mirror.seen[CLUSTER_LEFT], 1);
    end();
}

static void etcd_tells_of_changes(void **state)
{
    struct cluster_options o = web_begin(serve_etcd);
    int watch_fd;
    (void)state;
    watches = 0;
    faulty = NULL;
    body = "{\"header\":{},\"kvs\":[{\"key\":\"L2NsdXN0ZXIvYXBwQDEwLjAuMC43\"}]}";
    waiting = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    web_start(&o, "etcd:/cluster/?watch=on&server=10.0.0.1:8500&interval=1m&jitter=0%");
    web_run(1);
    web_members("app@10.0.0.7");
    assert_int_equal(watches, 1);
    watch_fd = FAKE_FIRST;
    body = "{\"header\":{},\"kvs\":[{\"key\":\"L2NsdXN0ZXIvYXBwQDEwLjAuMC44\"}]}";
    fake_push(&f, watch_fd, "5\r\n{..}\n\r\n", 10, NULL);
    web_run(10);
    web_members("app@10.0.0.8");
    /* a watch that ends is followed by another one, with the next round */
    fake_push(&f, watch_fd, "0\r\n\r\n", 5, NULL);
    web_run(10);
    web_round();
    assert_int_equal(watches, 2);
    end();
}

/* A long list becomes members over some steps, and what is told meanwhile is asked for after it. */
static void changes_of_a_long_list(void **state)
{
    static char text[80000];
    static const char few[] = "{\"header\":{},\"kvs\":[{\"key\":\"L2NsdXN0ZXIvYXBwQDEwLjAuMC43\"}]}";
    struct cluster_options o = web_begin(serve_etcd);
    struct clu_text t = clu_text_on(text, sizeof text);
    unsigned i, before;
    (void)state;
    faulty = NULL;
    body = few;
    waiting = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    web_start(&o, "etcd:/cluster/?watch=on&server=10.0.0.1:8500&interval=1m&jitter=0%");
    web_run(1);
    web_members("app@10.0.0.7");
    clu_text_add(&t, "{\"header\":{},\"kvs\":[");
    for (i = 0; i < 1300; i++) {
        char key[64];
        snprintf(key, sizeof key, "/cluster/app@10.1.%u.%u", i / 250, i % 250);
        clu_compose(&t, i ? ",{\"key\":\"$b\"}" : "{\"key\":\"$b\"}", key);
    }
    clu_text_add(&t, "]}");
    assert_false(t.cut);
    body = text;
    fake_push(&f, FAKE_FIRST, "5\r\n{..}\n\r\n", 10, NULL);
    before = web.requests;
    while (web.requests == before)
        fake_run(&f, c, &now_ns, now_ns + 1);
    fake_run(&f, c, &now_ns, now_ns + 1); /* a part of it is there */
    body = few;
    fake_push(&f, FAKE_FIRST, "5\r\n{..}\n\r\n", 10, NULL);
    web_run(0);
    web_members("app@10.0.0.7");
    web_run(10);
    web_members("app@10.0.0.7");
    assert_int_equal(web.requests, before + 2);
    assert_int_equal(mirror.seen[CLUSTER_JOIN], 1302); /* one of them for the second time */
    end();
}

static void every_allocation_may_fail(void **state)
{
    static const char *const urls[][2] = {
        {consul, "consul:web?node=app&" AT}, {rancher, "rancher:?node=app&" AT}, {etcd, "etcd:/cluster/?" AT}};
    unsigned long n;
    size_t j;
    (void)state;
    for (j = 0; j < CLU_COUNT(urls); j++)
        for (n = 1; n < 25; n++) {
            struct cluster_options o = web_begin(serve);
            body = urls[j][0];
            faulty = NULL;
            web_start(&o, urls[j][1]);
            f.memory.fail_at = f.memory.allocations + n;
            web_run(6000);
            f.memory.fail_at = 0;
            web_round();
            assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
            end();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_of_consul),
        cmocka_unit_test(containers_of_rancher),
        cmocka_unit_test(keys_of_etcd),
        cmocka_unit_test(base64_becomes_bytes),
        cmocka_unit_test(no_fault_loses_a_member),
        cmocka_unit_test(keys_that_are_not_under_the_prefix_fail),
        cmocka_unit_test(tokens_go_over_verified_tls_only),
        cmocka_unit_test(tokens_stay_in_no_block),
        cmocka_unit_test(urls_that_are_refused),
        cmocka_unit_test(consul_is_asked_to_wait_for_changes),
        cmocka_unit_test(consul_keeps_the_own_node_passing),
        cmocka_unit_test(etcd_keeps_the_own_node_under_a_lease),
        cmocka_unit_test(etcd_tells_of_changes),
        cmocka_unit_test(changes_of_a_long_list),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
