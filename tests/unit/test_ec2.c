/* ec2: sources against a scripted service: instances, filters, pages, keys and regions from everywhere, and faults. */
#include "../../src/core/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "web_server.h"

#define AT "server=http://10.0.0.1:8000&insecure=on&interval=1m&jitter=0%"
#define KEYS "key=AKIDEXAMPLE&secret=wJalr&region=eu-west-1&" AT

static const char *body, *faulty;
static const char *metadata[4]; /* token, region, role, keys: whole responses; NULL: nothing is said */
static unsigned asked[4];
static char form[4096], asked_with[4096];
static const char *path; /* the first line of a request to the service */

static const char *serve(const char *request)
{
    if (strncmp(request, "PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\n", 54) == 0) {
        assert_non_null(strstr(request, "\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n"));
        asked[0]++;
        return metadata[0];
    }
    if (strncmp(request, "GET /latest/", 12) == 0) {
        int what = strstr(request, "/placement/region ") ? 1 : strstr(request, "/security-credentials/ ") ? 2 : 3;
        assert_non_null(strstr(request, "\r\nX-aws-ec2-metadata-token: TOKEN==\r\n"));
        assert_null(strstr(request, "Authorization"));
        assert_true(what < 3 || strstr(request, "/latest/meta-data/iam/security-credentials/my-role HTTP/1.1\r\n"));
        asked[what]++;
        return metadata[what];
    }
    assert_int_equal(strncmp(request, path, strlen(path)), 0);
    strcpy(asked_with, request);
    strcpy(form, strstr(request, "\r\n\r\n") + 4);
    return faulty ? faulty : web_ok(body);
}

static struct cluster_options begin(const char *answer)
{
    static const char *const good[4] = {"TOKEN==", "eu-central-1", "my-role\n",
                                        "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIAROLE\","
                                        "\"SecretAccessKey\":\"role/secret\",\"Token\":"
                                        "\"SESSION//x=\",\"Expiration\":\"2026-01-01T00:00:00Z\"}"};
    struct cluster_options o = web_begin(serve);
    static char kept[4][512];
    size_t i;
    for (i = 0; i < 4; i++) {
        strcpy(kept[i], web_ok(good[i]));
        metadata[i] = kept[i];
    }
    memset(asked, 0, sizeof asked);
    f.wall = UINT64_C(1440938160) * CLU_SECOND;
    body = answer;
    faulty = NULL;
    path = "POST / HTTP/1.1\r\n";
    form[0] = '\0';
    return o;
}

static void start(const char *answer, const char *url)
{
    struct cluster_options o = begin(answer);
    web_start(&o, url);
    web_run(10);
}

#define HEAD                                                                                                                   \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse "                                                  \
    "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n"                                                                    \
    "    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>\n    <reservationSet>\n"
#define TAIL "    </reservationSet>\n</DescribeInstancesResponse>"
#define ONE(id, state, ip, name, zone, more)                                                                                   \
    "<item><groupSet/><instancesSet><item><instanceId>" id "</instanceId><instanceState><code>16</code><name>" state           \
    "</name></instanceState><privateDnsName>" name "</privateDnsName><placement><availabilityZone>" zone                       \
    "</availabilityZone><groupName/></placement><privateIpAddress>" ip "</privateIpAddress>" more                              \
    "<networkInterfaceSet><item><privateIpAddress>10.9.9.9</privateIpAddress><groupSet><item><groupName>cluster</groupName>"   \
    "</item></groupSet></item></networkInterfaceSet></item></instancesSet></item>\n"
#define TAG(key, value)                                                                                                        \
    "<tagSet><item><key>Name</key><value>x</value></item><item><key>" key "</key><value>" value "</value></item></tagSet>"
#define GROUP(name) "<groupSet><item><groupId>sg-1</groupId><groupName>" name "</groupName></item></groupSet>"

static const char two[] = HEAD ONE("i-1", "running", "10.0.0.1", "ip-10-0-0-1.ec2.internal", "eu-west-1a", TAG("role", "web"))
    ONE("i-2", "running", "10.0.0.2", "ip-10-0-0-2.ec2.internal", "eu-west-1b", "") TAIL;

static void running_instances_are_nodes(void **state)
{
    (void)state;
    start(two, "ec2:role=web?node=app&" KEYS);
    web_members("app@10.0.0.1 app@10.0.0.2");
    assert_string_equal(cluster_member_at(c, 0)->address, "10.0.0.1");
    assert_string_equal(cluster_member_at(c, 0)->zone, "eu-west-1a");
    assert_int_equal(asked[0], 0);
    /* others are in no list that was asked for like this, but may be */
    body = HEAD ONE("i-1", "pending", "10.0.0.1", "a", "z", "") ONE("i-2", "shutting-down", "10.0.0.2", "b", "z", "")
        ONE("i-3", "stopped", "", "c", "z", "") ONE("i-4", "running", "10.0.0.4", "d", "z", "")
            ONE("i-5", "running", "", "", "", "") TAIL;
    web_round();
    web_round();
    web_round();
    web_members("app@10.0.0.4");
    end();
    start(two, "ec2:role=web?node=app&host=name&" KEYS);
    web_members("app@ip-10-0-0-1.ec2.internal app@ip-10-0-0-2.ec2.internal");
    assert_string_equal(cluster_member_at(c, 1)->address, "10.0.0.2");
    body = "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>";
    web_round();
    web_round();
    web_round();
    web_members("");
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

/* The last request has the signature of these keys, for a service there. */
static void signed_by(const char *id, const char *secret, const char *server)
{
    struct clu_sigv4 k = {"20150830", "20150830T123600Z", "eu-west-1", "", "", ""};
    char lines[1024], *at;
    struct clu_text t = clu_text_on(lines, sizeof lines);
    strcpy(k.id, id);
    strcpy(k.secret, secret);
    at = strstr(clu_sigv4_post(&t, &k, "ec2", server, form), "Credential=");
    lines[t.length - 1] = '\0';
    if (!strstr(asked_with, at))
        fail_msg("%s\nwithout %s", asked_with, at);
}

static void requests_are_signed(void **state)
{
    (void)state;
    start(two, "ec2:role=web?node=app&" KEYS);
    assert_non_null(strstr(asked_with, "\r\nHost: 10.0.0.1:8000\r\ncontent-type:application/x-www-form-urlencoded\r\n"
                                       "x-amz-date:20150830T123600Z\r\nAuthorization: AWS4-HMAC-SHA256 "
                                       "Credential=AKIDEXAMPLE/20150830/eu-west-1/ec2/aws4_request, "));
    signed_by("AKIDEXAMPLE", "wJalr", "10.0.0.1:8000");
    assert_null(strstr(cluster_source_url(s), "AKIDEXAMPLE"));
    assert_null(strstr(cluster_source_url(s), "wJalr"));
    end();
    start(two, "ec2:role=web?node=app&key=K&secret=S&region=eu-west-1&insecure=on&server=10.0.0.1:8000/");
    signed_by("K", "S", "10.0.0.1:8000");
    web_members("app@10.0.0.1 app@10.0.0.2");
    end();
    {
        struct cluster_options o = begin(two);
        path = "POST /services/compute HTTP/1.1\r\n";
        web_start(&o,
                  "ec2:role=web?node=app&key=K&secret=S&region=eu-west-1&insecure=on&server=10.0.0.1:8000/services/compute");
        web_run(10);
        signed_by("K", "S", "10.0.0.1:8000/services/compute");
        web_members("app@10.0.0.1 app@10.0.0.2");
        end();
    }
}

/* The file is read for each request, and whole in its first line. */
static void a_secret_that_changes(void **state)
{
    struct cluster_options o = begin(two);
    (void)state;
    f.files[0].path = "/secret";
    f.files[0].text = "first\nsecond";
    f.files[0].stamp = 1;
    web_start(&o, "ec2:role=web?node=app&key=K&secret-file=/secret&region=eu-west-1&" AT);
    web_run(10);
    signed_by("K", "first", "10.0.0.1:8000");
    f.files[0].text = "other\r\n";
    f.files[0].stamp = 2;
    web_round();
    signed_by("K", "other", "10.0.0.1:8000");
    assert_int_equal(asked[0], 0);
    end();
}

#define BEGIN                                                                                                                  \
    "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000&Filter.1.Name=instance-state-name&Filter.1.Value.1=running"

static void filters(void **state)
{
    static const char *const table[][2] = {
        {"ec2:role=web?", "&Filter.2.Name=tag%3Arole&Filter.2.Value.1=web"},
        {"ec2:role=web,env=a%20b,role=api,env=c%3Dd?",
         "&Filter.2.Name=tag%3Arole&Filter.2.Value.1=web&Filter.2.Value.2=api"
         "&Filter.3.Name=tag%3Aenv&Filter.3.Value.1=a%20b&Filter.3.Value.2=c%3Dd"},
        {"ec2:a=1,b=2,c=3?group=x,y&",
         "&Filter.2.Name=tag%3Aa&Filter.2.Value.1=1&Filter.3.Name=tag%3Ab&Filter.3.Value.1=2&Filter.4.Name=tag%3Ac"
         "&Filter.4.Value.1=3&Filter.5.Name=instance.group-name&Filter.5.Value.1=x&Filter.5.Value.2=y"},
        {"ec2:?group=x&", "&Filter.2.Name=instance.group-name&Filter.2.Value.1=x"},
        {"ec2:a=1,b=2?match=any&group=x&", ""},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        char url[512], wanted[1024];
        snprintf(url, sizeof url, "%snode=app&%s", table[i][0], KEYS);
        start(two, url);
        snprintf(wanted, sizeof wanted, "%s%s", BEGIN, table[i][1]);
        assert_string_equal(form, wanted);
        end();
    }
}

static void any_tag_or_group_can_be_enough(void **state)
{
    (void)state;
    start(HEAD ONE("i-1", "running", "10.0.0.1", "a", "", TAG("role", "web"))
              ONE("i-2", "running", "10.0.0.2", "b", "", TAG("role", "db"))
                  ONE("i-3", "running", "10.0.0.3", "c", "", GROUP("cluster"))
                      ONE("i-4", "running", "10.0.0.4", "d", "", GROUP("other"))
                          ONE("i-5", "running", "10.0.0.5", "e", "", TAG("team", "a1") GROUP("other"))
                              ONE("i-6", "stopped", "10.0.0.6", "f", "", TAG("role", "web")) TAIL,
          "ec2:role=web,team=a*?node=app&match=any&group=x,cluster&" KEYS);
    web_members("app@10.0.0.1 app@10.0.0.3 app@10.0.0.5");
    end();
    start(HEAD ONE("i-1", "running", "10.0.0.1", "a", "", TAG("role", "web") GROUP("x")) TAIL,
          "ec2:role=db?node=app&match=any&" KEYS);
    web_members("");
    end();
}

static const char *pages[3];

static const char *serve_pages(const char *request)
{
    const char *at = strstr(request, "&NextToken=");
    return web_ok(pages[!at ? 0 : strcmp(at, "&NextToken=to%2Bken%3D") == 0 ? 1 : 2]);
}

static void a_list_comes_in_pages(void **state)
{
    struct cluster_options o = begin(NULL);
    char *all = strdup(two), *tail = strstr(all, "</reservationSet>") + 17;
    char first[8192];
    (void)state;
    *tail = '\0';
    snprintf(first, sizeof first, "%s<nextToken>to+ken=</nextToken></DescribeInstancesResponse>", all);
    free(all);
    pages[0] = first;
    pages[1] = HEAD ONE("i-3", "running", "10.0.0.3", "x", "z", "") TAIL;
    pages[2] = "what was that?";
    web.answer = serve_pages;
    web_start(&o, "ec2:role=web?node=app&misses=1&" KEYS);
    web_run(10);
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.3");
    assert_int_equal(web.requests, 2);
    /* half a list is none */
    pages[1] = "<DescribeInstancesResponse><reservationSet>";
    web_round();
    web_failed(CLUSTER_E_PROTOCOL, "is not the list");
    web_members("app@10.0.0.1 app@10.0.0.2 app@10.0.0.3");
    pages[1] = HEAD TAIL;
    web_round();
    web_members("app@10.0.0.1 app@10.0.0.2");
    end();
}

static void keys_and_region_of_the_instance(void **state)
{
    struct cluster_options o = begin(two);
    (void)state;
    web_start(&o, "ec2:role=web?node=app&" AT);
    web_run(10);
    web_members("app@10.0.0.1 app@10.0.0.2");
    assert_int_equal(asked[0] + asked[1] + asked[2] + asked[3], 4);
    assert_non_null(strstr(asked_with, "x-amz-security-token:SESSION//x=\r\n"));
    assert_non_null(strstr(asked_with, "Credential=ASIAROLE/20150830/eu-central-1/ec2/aws4_request, "));
    web_round(); /* keys change, a region does not */
    assert_int_equal(asked[1], 1);
    assert_int_equal(asked[3], 2);
    end();
    /* a region is known: only the keys */
    o = begin(two);
    web_start(&o, "ec2:role=web?node=app&region=us-east-1&" AT);
    web_run(10);
    web_members("app@10.0.0.1 app@10.0.0.2");
    assert_int_equal(asked[1], 0);
    end();
    /* keys are known: only the region */
    o = begin(two);
    web_start(&o, "ec2:role=web?node=app&key=K&secret=S&" AT);
    web_run(10);
    assert_int_equal(asked[1], 1);
    assert_int_equal(asked[2], 0);
    web_members("app@10.0.0.1 app@10.0.0.2");
    end();
}

static void keys_and_region_of_the_environment(void **state)
{
    static const char *const variables[][2] = {{"AWS_ACCESS_KEY_ID", "AKIDENV"},
                                               {"AWS_SECRET_ACCESS_KEY", "envsecret"},
                                               {"AWS_SESSION_TOKEN", "envsession"},
                                               {"AWS_DEFAULT_REGION", "ap-south-1"}};
    struct cluster_options o = begin(two);
    size_t i;
    (void)state;
    memcpy(f.variables, variables, sizeof variables);
    web_start(&o, "ec2:role=web?node=app&" AT);
    web_run(10);
    web_members("app@10.0.0.1 app@10.0.0.2");
    assert_non_null(strstr(asked_with, "Credential=AKIDENV/20150830/ap-south-1/ec2/aws4_request, "));
    assert_non_null(strstr(asked_with, "x-amz-security-token:envsession\r\n"));
    assert_int_equal(asked[0], 0);
    end();
    /* what the URL says is stronger */
    o = begin(two);
    memcpy(f.variables, variables, sizeof variables);
    f.variables[3][0] = "AWS_REGION";
    f.files[0].path = "/secret";
    f.files[0].text = "from file\n";
    f.files[0].stamp = 1;
    web_start(&o, "ec2:role=web?node=app&key=K&secret-file=/secret&" AT);
    web_run(10);
    assert_non_null(strstr(asked_with, "Credential=K/20150830/ap-south-1/ec2/aws4_request, "));
    assert_null(strstr(asked_with, "x-amz-security-token"));
    f.files[0].error = CLUSTER_E_NOT_FOUND;
    web_round();
    web_failed(CLUSTER_E_NOT_FOUND, "/secret");
    web_members("app@10.0.0.1 app@10.0.0.2");
    end();
    /* half of a pair is none: the instance is asked */
    for (i = 0; i < 2; i++) {
        o = begin(two);
        memcpy(f.variables, variables, sizeof variables);
        f.variables[i][0] = "OTHER";
        web_start(&o, "ec2:role=web?node=app&" AT);
        web_run(10);
        assert_int_equal(asked[3], 1);
        assert_int_equal(asked[1], 0);
        assert_non_null(strstr(asked_with, "Credential=ASIAROLE/20150830/ap-south-1/ec2/aws4_request, "));
        assert_non_null(strstr(asked_with, "x-amz-security-token:SESSION//x=\r\n"));
        web_members("app@10.0.0.1 app@10.0.0.2");
        end();
    }
}

/* The first version of the service answers without a token: it is not asked. */
static void without_its_second_version_there_is_no_metadata(void **state)
{
    static const char *const bad[] = {
        "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n\r\n", NULL};
    size_t step, i;
    (void)state;
    for (step = 0; step < 4; step++)
        for (i = 0; i < CLU_COUNT(bad); i++) {
            struct cluster_options o = begin(two);
            const char *good = metadata[step];
            web_start(&o, "ec2:role=web?node=app&misses=1&" AT);
            web_run(10);
            web_members("app@10.0.0.1 app@10.0.0.2");
            metadata[step] = bad[i];
            if (step != 1) { /* a region is asked for once */
                web_round();
                web_run(6000);
                assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
                if (i < 2)
                    web_failed(i ? CLUSTER_E_NOT_FOUND : CLUSTER_E_PERMISSION,
                               "no key= and secret-file=: not in the URL, the environment");
                assert_int_equal(asked[step == 0 ? 2 : step == 2 ? 3 : 0], step == 3 ? 2 : 1);
            }
            metadata[step] = good;
            web_round();
            assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
            web_members("app@10.0.0.1 app@10.0.0.2");
            end();
        }
    {
        struct cluster_options o = begin(two);
        metadata[1] = bad[1];
        web_start(&o, "ec2:role=web?node=app&" AT);
        web_run(10);
        web_failed(CLUSTER_E_NOT_FOUND, "no region=: not in the URL, the environment");
        end();
    }
}

static void keys_that_are_none(void **state)
{
    static const char *const keys[] = {"",
                                       "{}",
                                       "[]",
                                       "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}",
                                       "{\"Code\":\"Success\",\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Token\":\"c\"",
                                       "<html>"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(keys); i++) {
        struct cluster_options o = begin(two);
        metadata[3] = web_ok(keys[i]);
        web_start(&o, "ec2:role=web?node=app&" AT);
        web_run(10);
        web_failed(CLUSTER_E_PROTOCOL, "");
        assert_string_equal(form, "");
        end();
    }
    {
        struct cluster_options o = begin(two);
        metadata[2] = web_ok("../../role");
        web_start(&o, "ec2:role=web?node=app&" AT);
        web_run(10);
        web_failed(CLUSTER_E_PROTOCOL, "");
        assert_int_equal(asked[3], 0);
        end();
    }
}

static void a_region_becomes_no_other_host(void **state)
{
    static const char *const regions[] = {"x.evil.example",
                                          "x/y",
                                          "x@y",
                                          "EU-WEST-1",
                                          "%20",
                                          "a:1",
                                          "eu-west-1%23",
                                          "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(regions); i++) {
        char url[256];
        snprintf(url, sizeof url, "ec2:role=web?node=app&key=K&secret=S&region=%s", regions[i]);
        start(two, url);
        web_failed(CLUSTER_E_INVALID, "is no region");
        assert_int_equal(web.requests, 0);
        end();
    }
    {
        struct cluster_options o = begin(two);
        metadata[1] = web_ok("evil.example/");
        web_start(&o, "ec2:role=web?node=app&" AT);
        web_run(10);
        web_failed(CLUSTER_E_INVALID, "is no region");
        assert_string_equal(form, "");
        /* and it is asked again */
        metadata[1] = web_ok("eu-west-1");
        web_round();
        web_members("app@10.0.0.1 app@10.0.0.2");
        end();
    }
}

static void the_service_is_the_one_of_the_region(void **state)
{
    static const char *const hosts[][2] = {{"eu-west-1", "ec2.eu-west-1.amazonaws.com"},
                                           {"cn-north-1", "ec2.cn-north-1.amazonaws.com.cn"}};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        char url[256];
        snprintf(url, sizeof url, "ec2:role=web?node=app&key=K&secret=S&region=%s", hosts[i][0]);
        start(two, url);
        web_failed(CLUSTER_E_UNSUPPORTED, hosts[i][1]); /* https, and there is no TLS here */
        end();
    }
    start(two, "ec2:role=web?node=app&key=K&secret=S&region=r&server=http://10.0.0.1");
    web_failed(CLUSTER_E_PERMISSION, "insecure=on");
    assert_int_equal(web.requests, 0);
    end();
}

static void no_fault_loses_a_member(void **state)
{
    static const struct {
        int status;
        const char *body;
        int error;
        const char *why;
    } faults[] = {
        {401,
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not "
         "able to "
         "validate the provided access credentials</Message></Error></Errors></Response>",
         CLUSTER_E_PERMISSION, "HTTP 401 from 10.0.0.1:8000: AWS was not able to validate the provided access credentials"},
        {503, "<Response><Errors><Error><Message>Request limit exceeded.</Message>", CLUSTER_E_IO, "Request limit exceeded."},
        {200, "", CLUSTER_E_PROTOCOL, "is not the list"},
        {200, "{}", CLUSTER_E_PROTOCOL, "is not the list"},
        {200, "<r/>", CLUSTER_E_PROTOCOL, "is not the list"},
        {200, "<r><reservationSet/></s>", CLUSTER_E_PROTOCOL, "is not the list"},
        {200, "<r><reservationSet/>", CLUSTER_E_PROTOCOL, "is not the list"},
        {200, "<!DOCTYPE r [<!ENTITY a \"b\">]><r><reservationSet/></r>", CLUSTER_E_PROTOCOL, "is not the list"},
    };
    size_t i;
    (void)state;
    start(two, "ec2:role=web?node=app&misses=1&" KEYS);
    for (i = 0; i < CLU_COUNT(faults); i++) {
        faulty = web_reply(faults[i].status, "", faults[i].body);
        web_round();
        web_failed(faults[i].error, faults[i].why);
        web_members("app@10.0.0.1 app@10.0.0.2");
    }
    faulty = "";
    web_round();
    web_run(6000);
    web_failed(CLUSTER_E_TIMEOUT, "no answer");
    faulty = NULL;
    {
        char long_page[4096];
        memset(long_page, 'x', sizeof long_page);
        memcpy(long_page, "<r><reservationSet/><nextToken>", 31);
        strcpy(long_page + 3000, "</nextToken></r>");
        body = long_page;
        web_round();
        web_failed(CLUSTER_E_LIMIT, "");
    }
    web_members("app@10.0.0.1 app@10.0.0.2");
    assert_int_equal(mirror.seen[CLUSTER_LEAVE], 0);
    end();
}

static void urls_that_are_refused(void **state)
{
    static const char *const urls[] = {"ec2:",
                                       "ec2:role?node=a",
                                       "ec2:=web?node=a",
                                       "ec2:a=b?key=K",
                                       "ec2:a=b?secret=S",
                                       "ec2:a=b?secret-file=S",
                                       "ec2:a=b?match=none",
                                       "ec2:a=b?token=x",
                                       "ec2:a=b?region="};
    struct cluster_options o = begin(two);
    size_t i;
    (void)state;
    assert_int_equal(cluster_create(&c, &o), 0);
    for (i = 0; i < CLU_COUNT(urls); i++)
        if (cluster_discover(c, urls[i], NULL) != CLUSTER_E_INVALID)
            fail_msg("taken: %s", urls[i]);
    end();
}

static void every_allocation_may_fail(void **state)
{
    unsigned long n;
    (void)state;
    for (n = 1; n < 30; n++) {
        struct cluster_options o = begin(two);
        web_start(&o, "ec2:role=web?node=app&" AT);
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
        cmocka_unit_test(running_instances_are_nodes),
        cmocka_unit_test(requests_are_signed),
        cmocka_unit_test(a_secret_that_changes),
        cmocka_unit_test(filters),
        cmocka_unit_test(any_tag_or_group_can_be_enough),
        cmocka_unit_test(a_list_comes_in_pages),
        cmocka_unit_test(keys_and_region_of_the_instance),
        cmocka_unit_test(keys_and_region_of_the_environment),
        cmocka_unit_test(without_its_second_version_there_is_no_metadata),
        cmocka_unit_test(keys_that_are_none),
        cmocka_unit_test(a_region_becomes_no_other_host),
        cmocka_unit_test(the_service_is_the_one_of_the_region),
        cmocka_unit_test(no_fault_loses_a_member),
        cmocka_unit_test(urls_that_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
