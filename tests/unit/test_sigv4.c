/* Signature Version 4: the published suite, times, and requests as they are sent. */
#include "../../src/wire/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define FIRST UINT64_C(1440938160) /* 2015-08-30 12:36:00 */

static struct clu_sigv4 keys(void)
{
    struct clu_sigv4 k;
    strcpy(k.id, "AKIDEXAMPLE");
    strcpy(k.secret, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    k.session[0] = '\0';
    strcpy(k.region, "us-east-1");
    clu_sigv4_time(&k, FIRST);
    return k;
}

static void unescape(char *text)
{
    char *out = text;
    for (; *text; text++) {
        if (*text == '\\') {
            text++;
            *out++ = *text == 'n' ? '\n' : ' ';
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

static void the_published_suite(void **state)
{
    FILE *file = fopen("tests/vectors/sigv4.txt", "r");
    struct clu_sigv4 k = keys();
    char line[4096], out[512], wanted[512];
    unsigned count = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, (int)sizeof line, file)) {
        char name[128], request[2048], fields[256], signature[80];
        uint8_t digest[CLU_SHA256_SIZE];
        struct clu_text t = clu_text_on(out, sizeof out);
        if (*line == '#')
            continue;
        assert_int_equal(sscanf(line, "%127s %2047s %255s %79s", name, request, fields, signature), 4);
        unescape(request);
        clu_sha256_of(request, strlen(request), digest);
        clu_sigv4_authorize(&t, &k, digest, "service", fields);
        snprintf(
            wanted, sizeof wanted,
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=%s, "
            "Signature=%s\n",
            fields, signature);
        if (strcmp(out, wanted) != 0)
            fail_msg("%s: %s", name, out);
        count++;
    }
    fclose(file);
    assert_int_equal(count, 34);
}

static void a_form_is_signed_whole(void **state)
{
    struct clu_sigv4 k = keys();
    char out[1024];
    const char *lines;
    struct clu_text t = clu_text_on(out, sizeof out);
    (void)state;
    /* post-x-www-form-urlencoded of the suite */
    lines = clu_sigv4_post(&t, &k, "service", "example.amazonaws.com", "Param1=value1");
    assert_string_equal(lines,
                        "x-amz-date:20150830T123600Z\n"
                        "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        "SignedHeaders=content-type;host;x-amz-date, "
                        "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a\n");
    assert_false(t.cut);
}

/* The same as Python's hmac and hashlib compute from the steps that the service's manual lists. */
static void a_session_is_signed_too(void **state)
{
    struct clu_sigv4 k = keys();
    char out[1024];
    const char *lines;
    struct clu_text t = clu_text_on(out, sizeof out);
    (void)state;
    strcpy(k.session, "SESSION/token==");
    lines = clu_sigv4_post(&t, &k, "ec2", "ec2.us-east-1.amazonaws.com", "Action=DescribeInstances");
    assert_ptr_equal(strstr(lines, "x-amz-date:20150830T123600Z\nx-amz-security-token:SESSION/token==\nAuthorization: "),
                     lines);
    assert_non_null(strstr(lines, "/20150830/us-east-1/ec2/aws4_request, "
                                  "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
                                  "Signature=8f2885132fefcf19926f2d0be97a9a41c55c9e99610d399e3825389d041b1604\n"));
}

/* Of a service below a path that is what is signed; the signature is computed as the one above. */
static void a_path_is_signed(void **state)
{
    struct clu_sigv4 k = keys();
    char out[1024];
    struct clu_text t = clu_text_on(out, sizeof out);
    (void)state;
    assert_non_null(strstr(clu_sigv4_post(&t, &k, "ec2", "cloud.example:8773/services/compute", "Action=DescribeInstances"),
                           "Signature=78a3451830f313942297b8b8da6797725b52ec10c3745551b44a4335ef3e1c9e\n"));
}

static void times(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } table[] = {
        {0, "19700101T000000Z"},          {FIRST, "20150830T123600Z"},       {951782399, "20000228T235959Z"},
        {951782400, "20000229T000000Z"},  {951868800, "20000301T000000Z"},   {1709164800, "20240229T000000Z"},
        {1735689599, "20241231T235959Z"}, {1735689600, "20250101T000000Z"},  {4107542399, "21000228T235959Z"},
        {4107542400, "21000301T000000Z"}, {18446744073, "25540721T233433Z"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct clu_sigv4 k;
        clu_sigv4_time(&k, table[i].seconds);
        assert_string_equal(k.time, table[i].text);
        assert_int_equal(strlen(k.day), 8);
        assert_memory_equal(k.day, k.time, 8);
    }
}

static void what_does_not_fit_is_cut(void **state)
{
    struct clu_sigv4 k = keys();
    char out[1024];
    size_t room;
    (void)state;
    for (room = 1; room < 200; room++) {
        struct clu_text t = clu_text_on(out, room);
        (void)clu_sigv4_post(&t, &k, "ec2", "h", "");
        assert_true(t.cut && strlen(out) == room - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_suite),
        cmocka_unit_test(a_form_is_signed_whole),
        cmocka_unit_test(a_session_is_signed_too),
        cmocka_unit_test(a_path_is_signed),
        cmocka_unit_test(times),
        cmocka_unit_test(what_does_not_fit_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
