/* kubernetes: sources, against a scripted API server: every mode and lookup, pages, watches, and each fault that loses no member. */
#include "../../src/core/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "web_server.h"

#define SERVER "&master=http://10.0.0.1:8001&interval=1m&jitter=0%"

static const char endpoints[] =
    "{\"kind\":\"EndpointsList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"17042410\"},\"items\":[{"
    "\"metadata\":{\"name\":"
    "\"development-development\",\"namespace\":\"airatel-service-localization\",\"resourceVersion\":\"17037787\"},\"subsets\":["
    "{"
    "\"addresses\":[{\"hostname\":\"my-hostname-0\",\"ip\":\"10.48.33.136\",\"nodeName\":\"gke-1\",\"targetRef\":{\"kind\":"
    "\"Pod\","
    "\"namespace\":\"airatel-service-localization\",\"name\":\"development-4292695165-mgq9b\",\"uid\":\"eb0f3e80\"}},{\"ip\":"
    "\"10.48.33.137\"}],\"notReadyAddresses\":[{\"ip\":\"10.48.33.138\",\"hostname\":\"my-hostname-2\"}],\"ports\":[{\"name\":"
    "\"web\","
    "\"port\":8443,\"protocol\":\"TCP\"}]}]},{\"metadata\":{\"name\":\"none\"}}]}";

static const char slices[] = "{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/"
                             "v1\",\"metadata\":{\"resourceVersion\":\"900\"},\"items\":["
                             "{\"metadata\":{\"name\":\"web-abc\",\"namespace\":\"prod\",\"labels\":{\"kubernetes.io/"
                             "service-name\":\"web\"}},\"addressType\":"
                             "\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.1\",\"10.0.0.9\"],\"conditions\":{\"ready\":"
                             "true,\"serving\":true,\"terminating\":"
                             "false},\"hostname\":\"web-0\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"prod\",\"name\":"
                             "\"web-0\"},\"nodeName\":\"n1\",\"zone\":"
                             "\"eu-1a\"},{\"addresses\":[\"10.0.0.2\"],\"conditions\":{\"ready\":false,\"serving\":false,"
                             "\"terminating\":false}},{\"addresses\":"
                             "[\"10.0.0.3\"],\"conditions\":{\"ready\":false,\"serving\":true,\"terminating\":true}},{"
                             "\"addresses\":[\"10.0.0.4\"],\"conditions\":{"
                             "\"ready\":null}},{\"addresses\":[\"10.0.0.5\"]}],\"ports\":[]},{\"metadata\":{\"name\":\"web-"
                             "v6\"},\"addressType\":\"IPv6\","
                             "\"endpoints\":[{\"addresses\":[\"fd00::1\"]}]}]}";

static const char pods[] =
    "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":["
    "{\"metadata\":{\"name\":\"a\",\"namespace\":\"prod\"},\"spec\":{\"hostname\":\"web-0\"},\"status\":{\"phase\":\"Running\","
    "\"conditions\":"
    "[{\"type\":\"Initialized\",\"status\":\"True\"},{\"type\":\"Ready\",\"status\":\"True\"}],\"podIP\":\"10.0.0.1\","
    "\"podIPs\":[{\"ip\":"
    "\"10.0.0.1\"}]}},"
    "{\"metadata\":{\"name\":\"b\",\"namespace\":\"prod\"},\"spec\":{},\"status\":{\"phase\":\"Running\",\"conditions\":[{"
    "\"type\":\"Ready\","
    "\"status\":\"False\"}],\"podIP\":\"10.0.0.2\"}},"
    "{\"metadata\":{\"name\":\"c\",\"namespace\":\"prod\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"status\":{"
    "\"phase\":\"Running\","
    "\"podIP\":\"10.0.0.3\"}},"
    "{\"metadata\":{\"name\":\"d\",\"namespace\":\"prod\"},\"status\":{\"phase\":\"Succeeded\",\"podIP\":\"10.0.0.4\"}},"
    "{\"metadata\":{\"name\":\"e\",\"namespace\":\"prod\"},\"status\":{\"phase\":\"Pending\"}},"
    "{\"metadata\":{\"name\":\"f\",\"namespace\":\"prod\"},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.6\"}}]}";

static const char empty[] = "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}";

static const char *body;   /* of each list */
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

/* ---- lookups and modes ------------------------------------------------ */

static void endpoints_in_every_mode(void **state)
{
    (void)state;
    start(endpoints, "kubernetes:app=development?node=app&namespace=default" SERVER);
    web_members("app@10.48.33.136 app@10.48.33.137");
    assert_string_equal(cluster_member_at(c, 0)->address, "10.48.33.136");
    assert_int_equal(
        strncmp(web.last,
                "GET /api/v1/namespaces/default/endpoints?labelSelector=app%3Ddevelopment&limit=500 HTTP/1.1\r\n"
                "Host: 10.0.0.1:8001\r\n",
                strlen("GET /api/v1/namespaces/default/endpoints?labelSelector=app%3Ddevelopment&limit=500 HTTP/1.1\r\n"
                       "Host: 10.0.0.1:8001\r\n")),
        0);
    assert_null(strstr(web.last, "Authorization"));
    end();
    start(endpoints, "kubernetes:app=development?node=app&namespace=default&mode=dns" SERVER);
    web_members("app@10-48-33-136.airatel-service-localization.pod.cluster.local "
                "app@10-48-33-137.airatel-service-localization.pod.cluster.local");
    assert_string_equal(cluster_member_at(c, 0)->address, "10.48.33.136");
    end();
    start(endpoints, "kubernetes:app=development?node=app&namespace=default&mode=hostname&service=svc&cluster=k" SERVER);
    web_members("app@my-hostname-0.svc.airatel-service-localization.svc.k.local");
    end();
    start(endpoints, "kubernetes:app=development?node=app&namespace=default&ready=off" SERVER);
    web_members("app@10.48.33.136 app@10.48.33.137 app@10.48.33.138");
    end();
}

static void endpoint_slices(void **state)
{
    (void)state;
    start(slices, "kubernetes:?service=web&lookup=endpointslices&node=app&namespace=prod" SERVER);
    web_members("app@10.0.0.1 app@10.0.0.3- app@10.0.0.4 app@10.0.0.5 app@fd00::1");
    assert_string_equal(cluster_member_at(c, 0)->zone, "eu-1a");
    assert_non_null(strstr(web.last, "GET /apis/discovery.k8s.io/v1/namespaces/prod/endpointslices?labelSelector="
                                     "kubernetes.io%2Fservice-name%3Dweb&limit=500 "));
    end();
    start(slices, "kubernetes:?service=web&lookup=endpointslices&node=app&namespace=prod&mode=hostname" SERVER);
    web_members("app@web-0.web.prod.svc.cluster.local");
    end();
    start(slices, "kubernetes:?service=web&lookup=endpointslices&node=app&namespace=prod&mode=dns" SERVER);
    web_members("app@10-0-0-1.prod.pod.cluster.local app@10-0-0-3.prod.pod.cluster.local- app@10-0-0-4.prod.pod.cluster.local "
                "app@10-0-0-5.prod.pod.cluster.local app@fd00--1.prod.pod.cluster.local");
    end();
}

static void pods_that_run_and_are_ready(void **state)
{
    (void)state;
    start(pods, "kubernetes:app=web,tier!=x?lookup=pods&node=app&namespace=prod&field=status.phase%3DRunning" SERVER);
    web_members("app@10.0.0.1 app@10.0.0.3- app@10.0.0.6");
    assert_non_null(
        strstr(web.last, "/pods?labelSelector=app%3Dweb%2Ctier%21%3Dx&fieldSelector=status.phase%3DRunning&limit=500 "));
    end();
    start(pods, "kubernetes:app=web?lookup=pods&node=app&namespace=prod&ready=off&cached=on&page=7" SERVER);
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.3- app@10.0.0.6");
    assert_non_null(strstr(web.last, "&limit=7&resourceVersion=0 "));
    end();
    start(pods, "kubernetes:app=web?lookup=pods&node=app&namespace=prod&mode=hostname&service=web" SERVER);
    web_members("app@web-0.web.prod.svc.cluster.local");
    end();
}

static void the_bytes_may_come_one_by_one(void **state)
{
    struct cluster_options o = web_begin(serve);
    (void)state;
    body = slices;
    faulty = NULL;
    web.chunk = 1;
    web_start(&o, "kubernetes:?service=web&lookup=endpointslices&node=app&namespace=prod" SERVER);
    web_run(1000);
    web_members("app@10.0.0.1 app@10.0.0.3- app@10.0.0.4 app@10.0.0.5 app@fd00::1");
    end();
}

static void the_order_of_keys_does_not_matter(void **state)
{
    (void)state;
    start("{\"items\":[{\"subsets\":[{\"addresses\":[{\"targetRef\":{\"namespace\":\"x\"},\"ip\":\"10.0.0.1\"}]}],\"metadata\":"
          "{\"name\":\"a\"}}],"
          "\"metadata\":{\"resourceVersion\":\"1\"}}",
          "kubernetes:a?node=app&namespace=prod&mode=dns" SERVER);
    web_members("app@10-0-0-1.x.pod.cluster.local");
    end();
}

/* ---- pages ------------------------------------------------------------ */

static unsigned page;

static const char *serve_pages(const char *request)
{
    char text[400];
    char wanted[64] = "limit=2 ";
    if (page)
        snprintf(wanted, sizeof wanted, "limit=2&continue=tok%%2F%u ", page);
    if (!strstr(request, wanted))
        fail_msg("page %u: %s", page, request);
    page++;
    if (page == 4)
        page = 0;
    snprintf(text, sizeof text,
             "{\"metadata\":{\"resourceVersion\":\"9\"%s%s\"},\"items\":[{\"metadata\":{\"name\":\"p%u\"},\"subsets\":[{"
             "\"addresses\":"
             "[{\"ip\":\"10.0.0.%u\"}]}]}]}",
             page ? ",\"continue\":\"tok/" : ",\"x\":\"", page ? (char[]){(char)('0' + page), 0} : "", page, page + 1);
    return web_ok(text);
}

static void lists_come_in_pages(void **state)
{
    struct cluster_options o = web_begin(serve_pages);
    (void)state;
    page = 0;
    web_start(&o, "kubernetes:a?node=app&namespace=prod&page=2" SERVER);
    web_run(10);
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.3 app@10.0.0.4");
    assert_int_equal(web.requests, 4);
    assert_int_equal(cluster_source_rounds(s), 1);
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    web_round();
    assert_int_equal(web.requests, 8);
    assert_int_equal(cluster_revision(c), 4);
    end();
}

/* ---- faults ----------------------------------------------------------- */

static void no_fault_loses_a_member(void **state)
{
    static const struct {
        const char *response;
        int error;
        const char *why;
    } faults[] = {
        {"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_PERMISSION, "HTTP 401"},
        {"HTTP/1.1 403 X\r\nContent-Length: 87\r\n\r\n{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"endpoints is "
         "forbidden: no\",\"code\":403}   ",
         CLUSTER_E_PERMISSION, "HTTP 403 from 10.0.0.1:8001: endpoints is forbidden: no"},
        {"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_NOT_FOUND, "HTTP 404"},
        {"HTTP/1.1 410 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_NOT_FOUND, "HTTP 410"},
        {"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_IO, "HTTP 429"},
        {"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_IO, "HTTP 500"},
        {"HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_UNSUPPORTED, "HTTP 302"},
        {"HTTP/1.1 204 X\r\n\r\n", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n[]", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\nnull", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 12\r\n\r\n{\"items\":{}}", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 14\r\n\r\n{\"items\":null}", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 11\r\n\r\n{\"items\":[]", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nContent-Length: 43\r\n\r\n{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":500}",
         CLUSTER_E_PROTOCOL, ""},
        {"HTTP/1.1 200 X\r\nContent-Length: 13\r\n\r\n<html></html>", CLUSTER_E_PROTOCOL, "is not the list"},
        {"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"items\":[]}\r\n\r\n", CLUSTER_E_PROTOCOL,
         "no proper HTTP"},
        {"hello\r\n\r\n", CLUSTER_E_PROTOCOL, "no proper HTTP"},
    };
    size_t i;
    (void)state;
    start(endpoints, "kubernetes:app=development?node=app&namespace=default&misses=1" SERVER);
    for (i = 0; i < CLU_COUNT(faults); i++) {
        faulty = faults[i].response;
        web_round();
        web_failed(faults[i].error, faults[i].why);
        web_members("app@10.48.33.136 app@10.48.33.137");
    }
    /* silence, and an end in the middle */
    faulty = "";
    web_round();
    web_run(6000);
    web_failed(CLUSTER_E_TIMEOUT, "no answer");
    faulty = "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"items\":[{\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"}]}";
    web.ends = true;
    web_round();
    web_failed(CLUSTER_E_CLOSED, "closed the connection");
    faulty = "HTTP/1.1 200 X\r\n\r\n{\"items\":[";
    web_round();
    web_failed(CLUSTER_E_PROTOCOL, "is not the list");
    web.ends = false;
    web_members("app@10.48.33.136 app@10.48.33.137");
    assert_int_equal(mirror.seen[CLUSTER_LEAVE], 0);
    faulty = NULL;
    body = empty;
    web_round();
    web_members("");
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

static void names_that_are_none_fail_or_are_dropped(void **state)
{
    (void)state;
    start("{\"metadata\":{},\"items\":[{\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"not an "
          "ip\"},{\"ip\":\"10.0.0.2\\u0000\"},{\"ip\":7}]}]"
          "}]}",
          "kubernetes:a?node=app&namespace=prod" SERVER);
    web_members("app@10.0.0.1");
    end();
    start("{\"metadata\":{},\"items\":[{\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\",\"hostname\":\"a b\"}]}]}]}",
          "kubernetes:a?node=app&namespace=prod&mode=hostname&service=x" SERVER);
    web_failed(CLUSTER_E_INVALID, "is no node name");
    end();
}

/* ---- the account ------------------------------------------------------ */

static void the_token_is_not_sent_without_tls(void **state)
{
    struct cluster_options o = web_begin(serve);
    (void)state;
    body = endpoints;
    faulty = NULL;
    f.files[0].path = CLU_KUBE_ACCOUNT "/token";
    f.files[0].stamp = 1;
    f.files[0].text = "secret-token\n";
    f.files[1].path = CLU_KUBE_ACCOUNT "/namespace";
    f.files[1].stamp = 1;
    f.files[1].text = "from-file\n";
    web_start(&o, "kubernetes:a?node=app" SERVER);
    web_run(10);
    assert_non_null(strstr(web.last, "/namespaces/from-file/"));
    assert_null(strstr(web.last, "secret"));
    f.files[1].text = "another";
    web_round();
    assert_non_null(strstr(web.last, "/namespaces/another/"));
    end();
    o = web_begin(serve);
    f.files[0].path = "/t/token";
    f.files[0].stamp = 1;
    f.files[0].text = "one";
    web_start(&o, "kubernetes:a?node=app&namespace=x&insecure=on&account=/t" SERVER);
    web_run(10);
    assert_non_null(strstr(web.last, "\r\nAuthorization: Bearer one\r\n"));
    f.files[0].text = "two";
    web_round();
    assert_non_null(strstr(web.last, "\r\nAuthorization: Bearer two\r\n"));
    f.files[0].text = "bad\ntoken";
    web_round();
    web_failed(CLUSTER_E_INVALID, "token");
    f.files[0].error = CLUSTER_E_PERMISSION;
    web_round();
    web_failed(CLUSTER_E_PERMISSION, "/t/token");
    web_members("app@10.48.33.136 app@10.48.33.137");
    end();
}

/* The authority is read in each round: where it is another one the connection is, too. The account may have none. */
static void the_authority_is_read_again(void **state)
{
    struct cluster_options o = web_begin(serve);
    (void)state;
    body = endpoints;
    faulty = NULL;
    web_start(&o, "kubernetes:a?node=app&namespace=x&account=/t" SERVER);
    web_run(10);
    web_round();
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    f.files[0].path = "/t/ca.crt";
    f.files[0].stamp = 1;
    f.files[0].text = "authority";
    web_round();
    assert_int_equal(f.calls[FAKE_OPEN], 2);
    web_round();
    assert_int_equal(f.calls[FAKE_OPEN], 2);
    f.files[0].stamp = 2;
    web_round();
    assert_int_equal(f.calls[FAKE_OPEN], 3);
    f.files[0].error = CLUSTER_E_PERMISSION;
    web_round();
    web_failed(CLUSTER_E_PERMISSION, "/t/ca.crt");
    web_members("app@10.48.33.136 app@10.48.33.137");
    end();
    o = web_begin(serve);
    web_start(&o, "kubernetes:a?node=app&namespace=x&ca=/none" SERVER);
    web_run(10);
    web_failed(CLUSTER_E_NOT_FOUND, "/none");
    end();
}

static void the_server_is_found_as_in_a_pod(void **state)
{
    static const struct {
        const char *master, *host, *port, *expected;
    } table[] = {
        {"", "10.96.0.1", "443", "https to 10.96.0.1:443 needs TLS"},
        {"", "fd00::1", "443", "https to [fd00::1]:443 needs TLS"},
        {"", NULL, NULL, "https to kubernetes.default.svc.cluster.local needs TLS"},
        {"&master=api", NULL, NULL, "https to api.cluster.local needs TLS"},
        {"&master=api.cluster.local", NULL, NULL, "https to api.cluster.local needs TLS"},
        {"&master=api.example.", NULL, NULL, "https to api.example. needs TLS"},
        {"&master=api:6443", NULL, NULL, "https to api:6443 needs TLS"},
        {"&master=10.0.0.1", "10.96.0.1", "443", "https to 10.0.0.1 needs TLS"},
        {"&master=https://api:6443/", NULL, NULL, "https to api:6443 needs TLS"},
        {"&master=a%20b", NULL, NULL, "is no address of a server"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct cluster_options o = web_begin(serve);
        char url[256];
        f.variables[0][0] = table[i].host ? "KUBERNETES_SERVICE_HOST" : NULL;
        f.variables[0][1] = table[i].host;
        f.variables[1][0] = table[i].port ? "KUBERNETES_SERVICE_PORT" : NULL;
        f.variables[1][1] = table[i].port;
        snprintf(url, sizeof url, "kubernetes:a?node=app&namespace=x%s", table[i].master);
        web_start(&o, url);
        web_run(10);
        if (!strstr(cluster_source_why(s), table[i].expected))
            fail_msg("%s: %s", url, cluster_source_why(s));
        end();
    }
}

static void the_domain_comes_from_the_environment(void **state)
{
    struct cluster_options o = web_begin(serve);
    (void)state;
    body = endpoints;
    faulty = NULL;
    f.variables[0][0] = "CLUSTER_DOMAIN";
    f.variables[0][1] = "k8s.example.";
    web_start(&o, "kubernetes:a?node=app&namespace=x&mode=hostname&service=svc" SERVER);
    web_run(10);
    web_members("app@my-hostname-0.svc.airatel-service-localization.svc.k8s.example");
    end();
}

static void urls_that_are_refused(void **state)
{
    static const char *const urls[][2] = {
        {"kubernetes:?node=app", "needs a selector"},
        {"kubernetes:a?mode=hostname", "needs service="},
        {"kubernetes:a?mode=name", "mode"},
        {"kubernetes:a?lookup=services", "endpointslices"},
        {"kubernetes:a?page=0", "page"},
        {"kubernetes:a?wacth=on", "watch"},
        {"dns:a?mode=ip", "it is for 'kubernetes'"},
    };
    struct cluster_options o = web_begin(serve);
    size_t i;
    (void)state;
    assert_int_equal(cluster_create(&c, &o), 0);
    for (i = 0; i < CLU_COUNT(urls); i++) {
        assert_int_equal(cluster_discover(c, urls[i][0], NULL), CLUSTER_E_INVALID);
        if (!strstr(cluster_last_error(c), urls[i][1]))
            fail_msg("%s: %s", urls[i][0], cluster_last_error(c));
    }
    end();
}

static void a_missing_namespace_is_said(void **state)
{
    (void)state;
    start(endpoints, "kubernetes:a?node=app" SERVER);
    web_failed(CLUSTER_E_INVALID, "namespace=");
    end();
}

/* ---- watches ---------------------------------------------------------- */

static const char *watch_answer; /* what a watch is answered with */
static unsigned lists, watches;

#define WATCH_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const char *serve_watch(const char *request)
{
    if (strstr(request, "watch=1")) {
        watches++;
        return watch_answer;
    }
    lists++;
    return faulty ? faulty : web_ok(body);
}

/* An event, in a chunk of its own. */
static void tell(const char *event)
{
    char text[2048];
    snprintf(text, sizeof text, "%x\r\n%s\n\r\n", (unsigned)strlen(event) + 1, event);
    web_push(text);
    web_run(0);
}

static void watch(void)
{
    struct cluster_options o = web_begin(serve_watch);
    body = "{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[{\"metadata\":{\"name\":\"web\",\"resourceVersion\":\"7\"},"
           "\"subsets\":[{"
           "\"addresses\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.2\"}]}]},{\"metadata\":{\"name\":\"api\"},\"subsets\":[{"
           "\"addresses\":[{"
           "\"ip\":\"10.0.0.9\"}]}]}]}";
    faulty = NULL;
    watch_answer = WATCH_HEAD;
    lists = watches = 0;
    web_start(&o, "kubernetes:a?node=app&namespace=prod&watch=on&master=http://10.0.0.1:8001&interval=5s&jitter=0%");
    web_run(1);
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.9");
    assert_int_equal(watches, 1);
    assert_non_null(strstr(web.last, "&watch=1&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=100 "));
}

#define WEB(version, addresses)                                                                                                \
    "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"web\",\"resourceVersion\":\"" version                         \
    "\"},\"subsets\":[{\"addresses\":[" addresses "]}]}}"
#define IP(x) "{\"ip\":\"10.0.0." #x "\"}"

static void changes_are_seen_at_once(void **state)
{
    uint64_t began;
    (void)state;
    watch();
    began = now_ns;
    tell(WEB("101", IP(1) "," IP(2) "," IP(3)));
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.3 app@10.0.0.9");
    tell(WEB("102", IP(3)));
    web_members("app@10.0.0.3 app@10.0.0.9");
    tell("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"new\",\"resourceVersion\":\"103\"},\"subsets\":[{"
         "\"addresses\":[" IP(4) "]}]}}");
    web_members("app@10.0.0.3 app@10.0.0.4 app@10.0.0.9");
    tell("{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"api\",\"resourceVersion\":\"104\"},\"subsets\":[{"
         "\"addresses\":[" IP(9) "]}]}}");
    web_members("app@10.0.0.3 app@10.0.0.4");
    assert_true(now_ns == began);
    /* rounds go by without another list */
    web_run(60000);
    assert_int_equal(lists, 1);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    web_members("app@10.0.0.3 app@10.0.0.4");
    end();
}

static void a_watch_that_ends_goes_on_where_it_was(void **state)
{
    (void)state;
    watch();
    tell("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Endpoints\",\"metadata\":{\"resourceVersion\":\"150\","
         "\"creationTimestamp\":null}}}");
    web_push("0\r\n\r\n");
    web_run(1500);
    assert_int_equal(watches, 2);
    assert_int_equal(lists, 1);
    assert_non_null(strstr(web.last, "resourceVersion=150 "));
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.9");
    /* and so does one whose connection breaks */
    f.s[web.fd].ended = true;
    web_run(1500);
    assert_int_equal(watches, 3);
    assert_non_null(strstr(web.last, "resourceVersion=150 "));
    tell(WEB("160", IP(7)));
    web_members("app@10.0.0.7 app@10.0.0.9");
    end();
}

static void a_version_that_is_gone_makes_a_new_list(void **state)
{
    (void)state;
    watch();
    body = "{\"metadata\":{\"resourceVersion\":\"200\"},\"items\":[{\"metadata\":{\"name\":\"web\"},\"subsets\":[{"
           "\"addresses\":[{\"ip\":"
           "\"10.0.0.5\"}]}]}]}";
    tell("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"too old\",\"code\":410}}");
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.9");
    web_run(1500);
    assert_int_equal(lists, 2);
    web_members("app@10.0.0.5");
    assert_non_null(strstr(web.last, "resourceVersion=200 "));
    /* also when the status says it */
    web_push("0\r\n\r\n");
    watch_answer = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
    web_run(1100);
    assert_true(lists >= 3);
    web_members("app@10.0.0.5");
    watch_answer = WATCH_HEAD;
    web_run(6000);
    tell(WEB("201", IP(6)));
    web_members("app@10.0.0.6");
    end();
}

static void a_broken_watch_loses_nobody(void **state)
{
    static const char *const events[] = {"garbage",
                                         "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"web\"},\"subsets\":[]",
                                         "{\"type\":\"ERROR\",\"object\":{\"code\":500}}", "[1,2,3]", "{}"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(events); i++) {
        watch();
        tell(events[i]);
        faulty = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n";
        watch_answer = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n";
        f.s[web.fd].ended = true;
        web_run(20000);
        web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.9");
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        faulty = NULL;
        watch_answer = WATCH_HEAD;
        web_run(10000);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
        tell(WEB("300", IP(1)));
        web_members("app@10.0.0.1 app@10.0.0.9");
        end();
    }
}

static void without_a_watch_there_are_lists(void **state)
{
    struct cluster_options o;
    (void)state;
    o = web_begin(serve_watch);
    body = empty;
    faulty = NULL;
    watch_answer = "HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\nno";
    lists = watches = 0;
    web_start(&o, "kubernetes:a?node=app&namespace=prod&watch=on&master=http://10.0.0.1:8001&interval=5s&jitter=0%");
    web_run(21000);
    assert_int_equal(lists, 5);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    assert_int_equal(f.logs, 1);
    assert_non_null(strstr(f.log, "HTTP 403"));
    end();
}

/* ---- memory ----------------------------------------------------------- */

static void every_allocation_and_hook_may_fail(void **state)
{
    unsigned long n;
    (void)state;
    for (n = 1; n < 40; n++) {
        start(endpoints, "kubernetes:app=development?node=app&namespace=default" SERVER);
        body = slices; /* another list, so that there is something to publish */
        f.memory.fail_at = f.memory.allocations + n;
        web_round();
        web_run(6000);
        assert_int_equal(mirror.seen[CLUSTER_LEAVE], 0);
        f.memory.fail_at = 0;
        body = endpoints;
        web_round();
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
        end();
    }
    {
        static const int hooks[] = {FAKE_OPEN, FAKE_CONNECT, FAKE_SEND, FAKE_RECV, FAKE_READ_FILE, FAKE_ENVIRONMENT};
        for (n = 0; n < CLU_COUNT(hooks); n++) {
            start(endpoints, "kubernetes:app=development?node=app&namespace=default" SERVER);
            f.errors[hooks[n]] = CLUSTER_E_IO;
            web_round();
            web_run(6000);
            web_members("app@10.48.33.136 app@10.48.33.137");
            f.errors[hooks[n]] = 0;
            web_round();
            assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
            end();
        }
    }
}

/* A list that is long becomes members over some steps, all at once at the end, or none when the round is over before. */
static void a_long_list_takes_its_steps(void **state)
{
    static char text[60000], changed[60000];
    size_t length = 0, i;
    (void)state;
    length += (size_t)snprintf(text, sizeof text, "{\"items\":[");
    for (i = 0; i < 1300; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s{\"status\":{\"podIP\":\"10.1.%u.%u\"}}",
                                   i ? "," : "", (unsigned)i / 250, (unsigned)i % 250);
    (void)snprintf(text + length, sizeof text - length, "]}");
    start(text, "kubernetes:app=web?node=n&namespace=x&lookup=pods&misses=1" SERVER);
    assert_int_equal(cluster_member_count(c), 1300);
    strcpy(changed, text);
    memcpy(strstr(changed, "10.1.3.7"), "10.9.9.9", 8);
    body = changed;
    assert_int_equal(cluster_source_refresh(s), 0);
    fake_run(&f, c, &now_ns, now_ns + 1); /* it is asked; what takes another nanosecond is still to come */
    assert_int_equal(cluster_member_count(c), 1300);
    assert_null(cluster_member_find(c, "n@10.9.9.9"));
    assert_int_equal(cluster_source_rounds(s), 1);
    now_ns += 10 * FAKE_SECOND; /* the machine slept */
    web_run(0);
    web_failed(CLUSTER_E_TIMEOUT, "");
    web_run(10);
    web_failed(CLUSTER_E_TIMEOUT, "");
    assert_null(cluster_member_find(c, "n@10.9.9.9"));
    assert_int_equal(mirror.seen[CLUSTER_LEAVE], 0);
    web_round();
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    assert_non_null(cluster_member_find(c, "n@10.9.9.9"));
    assert_int_equal(cluster_member_count(c), 1300);
    assert_int_equal(mirror.seen[CLUSTER_LEAVE], 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_in_every_mode),
        cmocka_unit_test(endpoint_slices),
        cmocka_unit_test(pods_that_run_and_are_ready),
        cmocka_unit_test(the_bytes_may_come_one_by_one),
        cmocka_unit_test(the_order_of_keys_does_not_matter),
        cmocka_unit_test(lists_come_in_pages),
        cmocka_unit_test(no_fault_loses_a_member),
        cmocka_unit_test(names_that_are_none_fail_or_are_dropped),
        cmocka_unit_test(the_token_is_not_sent_without_tls),
        cmocka_unit_test(the_authority_is_read_again),
        cmocka_unit_test(the_server_is_found_as_in_a_pod),
        cmocka_unit_test(the_domain_comes_from_the_environment),
        cmocka_unit_test(urls_that_are_refused),
        cmocka_unit_test(a_missing_namespace_is_said),
        cmocka_unit_test(changes_are_seen_at_once),
        cmocka_unit_test(a_watch_that_ends_goes_on_where_it_was),
        cmocka_unit_test(a_version_that_is_gone_makes_a_new_list),
        cmocka_unit_test(a_broken_watch_loses_nobody),
        cmocka_unit_test(without_a_watch_there_are_lists),
        cmocka_unit_test(a_long_list_takes_its_steps),
        cmocka_unit_test(every_allocation_and_hook_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
