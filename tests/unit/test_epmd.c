/* epmd: requests and replies as a real one answered them, in pieces, cut, and forged; and requests as an epmd reads them. */
#include "../../src/wire/epmd.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static size_t request_of(uint8_t *out, size_t room, const char *name)
{
    struct clu_writer w = clu_writer_on(out, room);
    clu_epmd_request_write(&w, clu_slice_str(name));
    return clu_written(&w);
}

static enum clu_parse port_reply(const uint8_t *bytes, size_t size, struct clu_epmd_port *out)
{
    uint8_t *exact = (uint8_t *)malloc(size ? size : 1);
    enum clu_parse result;
    assert_non_null(exact);
    if (size)
        memcpy(exact, bytes, size);
    result = clu_epmd_port_reply(exact, size, out);
    if (out->found)
        out->name.at = (const char *)bytes + (out->name.at - (const char *)exact);
    free(exact);
    return result;
}

/* All names of a NAMES reply as `name:port,`; returns what was dropped. */
static uint32_t names_of(const char *bytes, size_t size, char *out, size_t room, bool *cut, uint32_t *epmd_port)
{
    uint8_t *exact = (uint8_t *)malloc(size ? size : 1);
    struct clu_reader r;
    struct clu_slice name;
    struct clu_text t = clu_text_on(out, room);
    uint16_t port;
    uint32_t dropped = 0;
    assert_non_null(exact);
    if (size)
        memcpy(exact, bytes, size);
    r = clu_reader_of(exact, size);
    if (clu_epmd_names_begin(&r, epmd_port)) {
        while (clu_epmd_names_next(&r, &name, &port, &dropped)) {
            clu_text_bytes(&t, name.at, name.length);
            clu_text_add(&t, ":");
            clu_text_u64(&t, port);
            clu_text_add(&t, ",");
        }
    }
    *cut = r.bad;
    assert_false(t.cut);
    free(exact);
    return dropped;
}

/* What a real epmd said to a registration. Ours is the one of a hidden node, byte for byte but for its port and name. */
static void alive_reply(const char *about, const uint8_t *request, size_t request_size, const uint8_t *reply, size_t size)
{
    bool taken = strcmp(about, "name taken") == 0;
    struct clu_slice name = clu_slice_of((const char *)request + 13, request[12]);
    bool refused;
    uint8_t made[64], same[64];
    struct clu_writer w;
    size_t cut;
    assert_int_equal(clu_epmd_alive_reply(reply, size, &refused), CLU_COMPLETE);
    assert_int_equal(refused, taken);
    for (cut = 0; cut < size; cut++)
        assert_int_equal(clu_epmd_alive_reply(reply, cut, &refused), CLU_NEED_MORE);
    memcpy(same, request, request_size);
    same[5] = 'H';
    same[8] = 6;
    w = clu_writer_on(made, sizeof made);
    clu_epmd_alive_write(&w, name, (uint16_t)(request[3] << 8 | request[4]));
    assert_int_equal(clu_written(&w), request_size);
    assert_memory_equal(made, same, request_size);
    for (cut = 0; cut < request_size; cut++) {
        w = clu_writer_on(made, cut);
        clu_epmd_alive_write(&w, name, 1);
        assert_true(w.bad);
    }
}

/* What was said to a real epmd is a request, cut or with a byte more it is none. */
static void reads_request(const uint8_t *request, size_t size)
{
    struct clu_epmd_asked_for a;
    uint8_t *exact = (uint8_t *)malloc(size + 1);
    size_t cut;
    assert_non_null(exact);
    memcpy(exact, request, size);
    exact[size] = 0;
    assert_int_equal(clu_epmd_request_read(exact, size, &a), CLU_COMPLETE);
    assert_int_equal(a.opcode, request[2]);
    if (a.opcode == 'x') {
        assert_int_equal(a.port, request[3] << 8 | request[4]);
        assert_int_equal(a.highest, request[8]);
        assert_int_equal(a.name.length, request[12]);
        assert_memory_equal(a.name.at, request + 13, a.name.length);
        assert_memory_equal(a.about.at, request + 3, a.about.length);
        assert_int_equal(a.about.length, size - 3);
    } else if (a.opcode == 'z') {
        assert_int_equal(a.name.length, size - 3);
        assert_memory_equal(a.name.at, request + 3, size - 3);
    }
    assert_int_equal(clu_epmd_request_read(exact, size + 1, &a), CLU_MALFORMED);
    free(exact);
    for (cut = 0; cut < size; cut++) {
        exact = (uint8_t *)malloc(cut + !cut);
        assert_non_null(exact);
        memcpy(exact, request, cut);
        assert_int_equal(clu_epmd_request_read(exact, cut, &a), CLU_NEED_MORE);
        free(exact);
    }
}

static void real_replies(void **state)
{
    static char line[4096];
    FILE *f = fopen("tests/vectors/epmd.txt", "r");
    char *field[4];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        uint8_t request[1024], reply[1024], made[1024];
        size_t request_size, size, cut;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 4), 4);
        request_size = unhex(field[2], request, sizeof request);
        size = unhex(field[3], reply, sizeof reply);
        seen++;
        if (strcmp(field[0], "names") == 0) {
            char text[512];
            bool was_cut;
            uint32_t epmd_port, dropped;
            assert_hex(made, request_of(made, sizeof made, ""), field[2]);
            dropped = names_of((const char *)reply, size, text, sizeof text, &was_cut, &epmd_port);
            assert_false(was_cut);
            assert_int_equal(epmd_port, 14369);
            if (strcmp(field[1], "no node") == 0) {
                assert_string_equal(text, "");
                assert_int_equal(dropped, 0);
            } else {
                /* Port 0 and the name with a space are dropped. Of the forged line both halves look true. */
                assert_int_equal(dropped, 2);
                assert_non_null(strstr(text, "live:"));
                assert_non_null(strstr(text, ",a:1,victim:6666,j\xc3\xbcrgen:9103,old:9102,ei:9101,c_node:9100,b25:46695,"));
            }
            for (cut = 4; cut < size; cut++) {
                (void)names_of((const char *)reply, cut, text, sizeof text, &was_cut, &epmd_port);
                assert_int_equal(was_cut, cut > 4 && reply[cut - 1] != '\n');
            }
        } else if (strcmp(field[0], "port") == 0) {
            const char *name = (const char *)request + 3;
            struct clu_epmd_port port;
            bool none = strcmp(field[1], "nobody") == 0 || strchr(field[1], '@') != NULL;
            enum clu_parse result = port_reply(reply, size, &port);
            struct clu_writer w = clu_writer_on(made, sizeof made);
            clu_epmd_request_write(&w, clu_slice_of(name, request_size - 3));
            if (!strchr(field[1], '@'))
                assert_hex(made, clu_written(&w), field[2]);
            if (strcmp(field[1], "zero") == 0) {
                assert_int_equal(result, CLU_MALFORMED);
                continue;
            }
            assert_int_equal(result, CLU_COMPLETE);
            assert_int_equal(port.found, !none);
            if (!none) {
                assert_int_equal(port.name.length, request_size - 3);
                assert_memory_equal(port.name.at, name, request_size - 3);
            }
            if (strcmp(field[1], "b25") == 0)
                assert_int_equal(port.port, 46695);
            if (strcmp(field[1], "c_node") == 0)
                assert_int_equal(port.port, 9100);
            for (cut = 0; cut < size; cut++) {
                assert_int_equal(port_reply(reply, cut, &port), CLU_NEED_MORE);
                assert_false(port.found);
            }
        } else if (strcmp(field[0], "alive") == 0) {
            alive_reply(field[1], request, request_size, reply, size);
        }
        reads_request(request, request_size);
    }
    fclose(f);
    assert_int_equal(seen, 20);
}

static void requests(void **state)
{
    uint8_t out[512];
    size_t room;
    (void)state;
    assert_hex(out, request_of(out, sizeof out, "b25"), "0004 7a 623235");
    assert_hex(out, request_of(out, sizeof out, ""), "0001 6e");
    for (room = 0; room < 6; room++)
        assert_int_equal(request_of(out, room, "b25"), 0);
    for (room = 0; room < 3; room++)
        assert_int_equal(request_of(out, room, ""), 0);
}

static void port_replies(void **state)
{
    static const struct {
        const char *hex;
        enum clu_parse result;
    } cases[] = {
        {"", CLU_NEED_MORE},
        {"77", CLU_NEED_MORE},
        {"78", CLU_MALFORMED},
        {"00", CLU_MALFORMED},
        {"78 00", CLU_MALFORMED},
        {"77 01", CLU_COMPLETE},
        {"77 ff", CLU_COMPLETE},
        {"77 01 ff", CLU_COMPLETE},
        {"77 00 0000", CLU_NEED_MORE},
        {"77 00 00", CLU_NEED_MORE},
        {"77 00 0001 4d 00 0006 0005 0001 61 0000", CLU_COMPLETE},
        {"77 00 0001 4d 00 0006 0005 0001 61 0000 ff", CLU_COMPLETE},
        {"77 00 0001 07 01 0006 0005 0001 61 0000", CLU_COMPLETE}, /* whatever the type and the protocol */
        {"77 00 0001 4d 00 0006 0005 0001 61 0002 aabb", CLU_COMPLETE},
        {"77 00 0001 4d 00 0006 0005 0001 61 0002 aa", CLU_NEED_MORE},
        {"77 00 0000 4d 00 0006 0005 0001 61 0000", CLU_MALFORMED}, /* no port */
        {"77 00 0001 4d 00 0006 0005 0000 0000", CLU_COMPLETE},
        {"77 00 0001 4d 00 0006 0005 0001 00 0000", CLU_COMPLETE}, /* a name that nobody asks for */
        {"77 00 0001 4d 00 0006 0005 0002 61 0000", CLU_NEED_MORE},
        {"77 00 0001 4d 00 0006 0005 ffff", CLU_NEED_MORE},
        {"77 00 0001 4d 00 0006 0005 0001 61 ffff", CLU_NEED_MORE},
    };
    struct clu_epmd_port port;
    uint8_t bytes[128];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        if (port_reply(bytes, unhex(cases[i].hex, bytes, sizeof bytes), &port) != cases[i].result)
            fail_msg("%s", cases[i].hex);
        assert_int_equal(port.found, cases[i].result == CLU_COMPLETE && strlen(cases[i].hex) > 8);
    }
}

static void names_lines(void **state)
{
    static const struct {
        const char *line;
        bool taken;
    } cases[] = {
        {"name a at port 1", true},
        {"name a at port 65535", true},
        {"name a-b_1.c at port 9100", true},
        {"name a at port 0", false},
        {"name a at port 65536", false},
        {"name a at port 99999999999999999999", false},
        {"name a at port 01", false},
        {"name a at port -1", false},
        {"name a at port +1", false},
        {"name a at port  1", false},
        {"name a at port 1 ", false},
        {"name a at port 1\r", false},
        {"name a at port ", false},
        {"name a at port", false},
        {"name a at", false},
        {"name a", false},
        {"name ", false},
        {"name", false},
        {"", false},
        {"name  at port 1", false},
        {"name a@h at port 1", false},
        {"name a\tb at port 1", false},
        {"name a b at port 1", false},
        {" name a at port 1", false},
        {"Name a at port 1", false},
        {"name a at port 1x", false},
        {"name a at  port 1", false},
        {"active name     <a> at port 1, fd = 5", false},
    };
    char reply[512], text[512];
    bool cut;
    uint32_t epmd_port, dropped;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        int size = snprintf(reply + 4, sizeof reply - 4, "name first at port 7\n%s\nname last at port 8\n", cases[i].line);
        memcpy(reply, "\0\0\x11\x11", 4);
        dropped = names_of(reply, (size_t)size + 4, text, sizeof text, &cut, &epmd_port);
        if (cut || dropped != !cases[i].taken)
            fail_msg("%s", cases[i].line);
        assert_int_equal(epmd_port, 4369);
        assert_int_equal(strncmp(text, "first:7,", 8), 0);
        assert_string_equal(text + strlen(text) - 7, "last:8,");
        assert_int_equal(strlen(text) > 15, cases[i].taken);
    }
    /* A NUL in the line, a name that is too long, a reply that is too short for its port. */
    dropped = names_of("\0\0\x11\x11name a\0b at port 1\n", 23, text, sizeof text, &cut, &epmd_port);
    assert_true(dropped == 1 && !cut);
    memset(reply, 'n', sizeof reply);
    memcpy(reply, "\0\0\x11\x11name ", 9);
    memcpy(reply + 9 + 254, " at port 1\n", 11);
    assert_int_equal(names_of(reply, 9 + 254 + 11, text, sizeof text, &cut, &epmd_port), 1);
    for (i = 0; i < 4; i++) {
        (void)names_of(reply, i, text, sizeof text, &cut, &epmd_port);
        assert_true(cut);
    }
}

static void alive_replies_of_no_epmd(void **state)
{
    static const char *const wrong[] = {
        "00", "77 00", "ff 00 00000001", "76 00 00000001 00", "79 00 0001 00", "76 01 00000063 76"};
    uint8_t bytes[16];
    bool refused;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(wrong); i++)
        assert_int_equal(clu_epmd_alive_reply(bytes, unhex(wrong[i], bytes, sizeof bytes), &refused), CLU_MALFORMED);
}

static void requests_that_are_none(void **state)
{
    static const struct {
        const char *hex;
        enum clu_parse result;
    } cases[] = {
        {"", CLU_NEED_MORE},
        {"00", CLU_NEED_MORE},
        {"0000", CLU_MALFORMED},
        {"03ff", CLU_MALFORMED}, /* longer than any */
        {"03fe", CLU_NEED_MORE},
        {"0001 6e", CLU_COMPLETE},
        {"0001 64", CLU_COMPLETE},
        {"0001 6b", CLU_COMPLETE},
        {"0002 6e 00", CLU_MALFORMED},
        {"0001 6e 00016e", CLU_MALFORMED}, /* two */
        {"0001 7a", CLU_MALFORMED},
        {"0002 7a 00", CLU_MALFORMED},
        {"0003 7a 61 00", CLU_COMPLETE},
        {"0004 73 616263", CLU_MALFORMED},
        {"0001 00", CLU_MALFORMED},
        {"0001 78", CLU_MALFORMED},
        {"000e 78 238c 48 00 0006 0005 0001 63 0000", CLU_COMPLETE},
        {"000f 78 238c 48 00 0006 0005 0001 63 0001 ff", CLU_COMPLETE},
        {"000e 78 238c 48 00 0006 0005 0002 63 0000", CLU_MALFORMED},
        {"000e 78 238c 48 00 0006 0005 0000 63 0000", CLU_MALFORMED},
        {"000d 78 238c 48 00 0006 0005 0000 0000", CLU_MALFORMED}, /* no name */
        {"000e 78 238c 48 00 0006 0005 0001 63 0001", CLU_MALFORMED},
        {"000f 78 238c 48 00 0006 0005 0001 63 0000 00", CLU_MALFORMED},
        {"000e 78 238c 48 00 0006 0005 ffff 63 0000", CLU_MALFORMED},
    };
    struct clu_epmd_asked_for a;
    uint8_t bytes[64];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        if (clu_epmd_request_read(bytes, unhex(cases[i].hex, bytes, sizeof bytes), &a) != cases[i].result)
            fail_msg("%s", cases[i].hex);
    (void)clu_epmd_request_read(bytes, unhex("0003 7a 61 00", bytes, sizeof bytes), &a);
    assert_int_equal(a.name.length, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_replies),
        cmocka_unit_test(requests),
        cmocka_unit_test(port_replies),
        cmocka_unit_test(names_lines),
        cmocka_unit_test(alive_replies_of_no_epmd),
        cmocka_unit_test(requests_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
