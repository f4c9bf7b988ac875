/* Gossip packets: those of live libcluster nodes, what such a node did with crafted ones, our own keys, and forgeries. */
#include "../../src/wire/gossip.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

/* Decode a copy in a block of exactly its size; `data` stays. */
static enum clu_parse decode(struct clu_gossip *out, const struct clu_gossip_keys *keys, const uint8_t *data, size_t size)
{
    uint8_t *exact = (uint8_t *)malloc(size ? size : 1);
    enum clu_parse result;
    assert_non_null(exact);
    if (size)
        memcpy(exact, data, size);
    result = clu_gossip_decode(out, keys, exact, size);
    free(exact);
    return result;
}

/* Encode what stands in the arrays. */
static size_t encode(struct clu_gossip *g, const struct clu_gossip_keys *keys, const uint8_t *iv, uint8_t *out, size_t room)
{
    g->node.name = g->name;
    g->node.zone = g->texts[0];
    g->node.role = g->texts[1];
    return clu_gossip_encode(g, keys, iv, out, room);
}

static struct clu_gossip_keys keys_of(const char *secret)
{
    struct clu_gossip_keys keys;
    clu_gossip_keys_init(&keys, secret, strlen(secret));
    return keys;
}

static struct clu_gossip full(void)
{
    struct clu_gossip g;
    memset(&g, 0, sizeof g);
    strcpy(g.name, "j\xc3\xbcrgen@10.0.0.7");
    strcpy(g.texts[0], "eu-1");
    strcpy(g.texts[1], "web");
    g.node.port = 9100;
    g.node.weight = 3;
    g.node.flags = CLUSTER_NODE_DRAINING;
    g.numbers[CLU_GOSSIP_TIME] = UINT64_C(1700000000123456789);
    g.numbers[CLU_GOSSIP_ID] = UINT64_C(0xfedcba9876543210);
    return g;
}

static void assert_same(const struct clu_gossip *a, const struct clu_gossip *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->texts[0], b->texts[0]);
    assert_string_equal(a->texts[1], b->texts[1]);
    assert_true(a->node.port == b->node.port && a->node.weight == b->node.weight && a->node.flags == b->node.flags);
    assert_true(a->numbers[CLU_GOSSIP_TIME] == b->numbers[CLU_GOSSIP_TIME] &&
                a->numbers[CLU_GOSSIP_ID] == b->numbers[CLU_GOSSIP_ID]);
}

/* Every captured packet gives its node. Names over 255 bytes are none here, whatever a BEAM node takes. What OTP 26 wrote is
 * what we write, enciphered with the same IV too. */
static void captured_packets(void **state)
{
    static char line[8192];
    FILE *f = fopen("tests/vectors/libcluster_gossip.txt", "r");
    char *field[4];
    int seen = 0, written = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        uint8_t name[1024], secret[1024], packet[1024], out[1024];
        size_t name_size, size;
        struct clu_gossip_keys keys;
        struct clu_gossip g, again;
        bool with;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 4), 4);
        name_size = unhex(field[1], name, sizeof name);
        with = strcmp(field[2], "-") != 0;
        if (with)
            clu_gossip_keys_init(&keys, secret, unhex(field[2], secret, sizeof secret));
        size = unhex(field[3], packet, sizeof packet);
        seen++;
        if (name_size > CLU_NAME_MAX) {
            assert_int_equal(decode(&g, NULL, packet, size), CLU_MALFORMED);
            continue;
        }
        assert_int_equal(decode(&g, with ? &keys : NULL, packet, size), CLU_COMPLETE);
        assert_int_equal(strlen(g.name), name_size);
        assert_memory_equal(g.name, name, name_size);
        assert_true(!g.authentic && !g.numbers[CLU_GOSSIP_ID] && !g.node.port && !g.node.weight && !g.node.flags &&
                    !g.numbers[CLU_GOSSIP_TIME] && !g.texts[0][0] && !g.texts[1][0]);
        /* A node without the secret, and one with another, ignore it. */
        if (with) {
            struct clu_gossip_keys other = keys_of("another");
            assert_int_equal(decode(&again, NULL, packet, size), CLU_MALFORMED);
            assert_int_equal(decode(&again, &other, packet, size), CLU_MALFORMED);
        }
        size = encode(&g, with ? &keys : NULL, packet, out, sizeof out);
        assert_true(size > 0);
        if (strstr(field[0], "otp26gen") || strstr(field[0], "otp27")) {
            assert_hex(out, size, field[3]);
            written++;
        }
        assert_int_equal(decode(&again, with ? &keys : NULL, out, size), CLU_COMPLETE);
        assert_same(&g, &again);
    }
    fclose(f);
    assert_int_equal(seen, 20);
    assert_int_equal(written, 5);
}

/* What the live node ignored and what crashed it is malformed, and three things that it accepted: a compressed term, and
 * names that no node can have. */
static void crafted_packets(void **state)
{
    static char line[8192];
    FILE *f = fopen("tests/vectors/libcluster_gossip_crafted.txt", "r");
    struct clu_gossip_keys keys = keys_of("somepassword");
    char *field[5];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        uint8_t packet[1024];
        struct clu_gossip g;
        bool accept;
        size_t size;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 5), 5);
        size = unhex(field[2], packet, sizeof packet);
        accept = strcmp(field[3], "accept") == 0 && strcmp(field[1], "compressed") != 0 && strcmp(field[1], "noat") != 0 &&
                 strcmp(field[1], "emptyname") != 0;
        if (decode(&g, strcmp(field[0], "plain") == 0 ? NULL : &keys, packet, size) != (accept ? CLU_COMPLETE : CLU_MALFORMED))
            fail_msg("%s %s", field[0], field[1]);
        if (accept)
            assert_string_equal(g.name, "ghost@127.0.0.1");
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 27);
}

static void own_keys_known_answers(void **state)
{
    static char line[8192];
    FILE *f = fopen("tests/vectors/gossip_own.txt", "r");
    char *field[3];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        struct clu_gossip_keys keys = keys_of("somepassword");
        struct clu_gossip g = full(), back;
        uint8_t iv[16], out[CLU_GOSSIP_MAX];
        const struct clu_gossip_keys *with;
        size_t size, i;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 3), 3);
        for (i = 0; i < sizeof iv; i++)
            iv[i] = (uint8_t)i;
        with = field[1][0] == '-' ? NULL : &keys;
        if (strcmp(field[0], "enc-name-only") == 0) {
            memset(&g, 0, sizeof g);
            strcpy(g.name, "j\xc3\xbcrgen@10.0.0.7");
        }
        size = encode(&g, with, iv, out, sizeof out);
        assert_hex(out, size, field[2]);
        assert_int_equal(decode(&back, with, out, size), CLU_COMPLETE);
        assert_same(&g, &back);
        assert_int_equal(back.authentic, strcmp(field[0], "enc") == 0);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 3);
}

/* Each attribute alone, with and without keys, at its limits. */
static void there_and_back(void **state)
{
    struct clu_gossip_keys keys = keys_of("s");
    uint8_t iv[16] = {7};
    int with, which;
    (void)state;
    for (which = 0; which < 12; which++) {
        for (with = 0; with < 2; with++) {
            struct clu_gossip g, back;
            uint8_t out[CLU_GOSSIP_MAX];
            size_t size;
            memset(&g, 0, sizeof g);
            strcpy(g.name, "a@b");
            if (which == 1)
                g.node.port = 65535;
            if (which == 2)
                g.node.weight = UINT32_MAX;
            if (which == 3)
                g.node.flags = CLUSTER_NODE_DRAINING;
            if (which == 4)
                g.numbers[CLU_GOSSIP_TIME] = UINT64_MAX;
            if (which == 5)
                g.numbers[CLU_GOSSIP_ID] = 1;
            if (which == 6)
                memset(g.texts[0], 'z', sizeof g.texts[0] - 1);
            if (which == 7)
                strcpy(g.texts[1], "\xd0\xb6 x");
            if (which == 8) {
                memset(g.name, 'n', CLU_NAME_MAX);
                g.name[CLU_NAME_MAX - 2] = '@';
            }
            if (which == 9)
                g.node.weight = 1;
            if (which == 10)
                g.node.port = 1;
            if (which == 11) {
                g = full();
                memset(g.name, 'n', CLU_NAME_MAX);
                g.name[1] = '@';
                memset(g.texts[0], 'z', sizeof g.texts[0] - 1);
                memset(g.texts[1], 'r', sizeof g.texts[1] - 1);
                g.numbers[CLU_GOSSIP_TIME] = g.numbers[CLU_GOSSIP_ID] = UINT64_MAX;
                g.node.weight = UINT32_MAX;
            }
            size = encode(&g, with ? &keys : NULL, iv, out, sizeof out);
            assert_true(size > 0);
            assert_int_equal(decode(&back, with ? &keys : NULL, out, size), CLU_COMPLETE);
            assert_same(&g, &back);
            assert_int_equal(back.authentic, with && which != 0 && which != 8);
        }
    }
}

static void refuses_to_encode(void **state)
{
    static const char *const names[] = {"", "a", "@b", "a@", "a@b@c", "a b@c", "a\n@c", "a@b\x7f", "\xe9@h"};
    struct clu_gossip_keys keys = keys_of("s");
    uint8_t iv[16] = {0}, out[CLU_GOSSIP_MAX];
    struct clu_gossip g = full();
    size_t i, size, room;
    (void)state;
    for (i = 0; i < CLU_COUNT(names); i++) {
        strcpy(g.name, names[i]);
        assert_int_equal(encode(&g, NULL, NULL, out, sizeof out), 0);
        assert_int_equal(encode(&g, &keys, iv, out, sizeof out), 0);
    }
    g = full();
    strcpy(g.texts[0], "a\x01");
    assert_int_equal(encode(&g, NULL, NULL, out, sizeof out), 0);
    g = full();
    strcpy(g.texts[1], "\xff");
    assert_int_equal(encode(&g, NULL, NULL, out, sizeof out), 0);
    g = full();
    for (i = 0; i < 2; i++) {
        const struct clu_gossip_keys *with = i ? &keys : NULL;
        size = encode(&g, with, iv, out, sizeof out);
        for (room = 0; room < size; room++) {
            uint8_t *exact = (uint8_t *)malloc(room ? room : 1);
            assert_int_equal(encode(&g, with, iv, exact, room), 0);
            free(exact);
        }
    }
}

/* A packet of pairs given in hex, after `heartbeat::` and the version. */
static enum clu_parse decode_map(struct clu_gossip *out, const char *hex)
{
    uint8_t packet[1024];
    memcpy(packet, CLU_GOSSIP_PREFIX, CLU_GOSSIP_PREFIX_SIZE);
    return decode(out, NULL, packet,
                  CLU_GOSSIP_PREFIX_SIZE + unhex(hex, packet + CLU_GOSSIP_PREFIX_SIZE, sizeof packet - CLU_GOSSIP_PREFIX_SIZE));
}

#define NODE "7704 6e6f6465 7703 614062 "
#define PORT "6d00000004 706f7274 "
#define WEIGHT "6d00000006 776569676874 "
#define FLAGS "6d00000005 666c616773 "
#define TIME "6d00000004 74696d65 "
#define ID "6d00000002 6964 "
#define ZONE "6d00000004 7a6f6e65 "
#define HMAC "6d00000004 686d6163 "

static void other_keys(void **state)
{
    static const char *const fine[] = {
        "83 74 00000001 " NODE,
        "83 74 00000001 " NODE "00 ff",                                  /* bytes after the term */
        "83 74 00000002 6101 6102 " NODE,                                /* a key that is no atom */
        "83 74 00000002 6d00000004 6e6f6465 6101 " NODE,                 /* the binary "node" is not the atom */
        "83 74 00000002 7704 6e6f6466 6a " NODE,                         /* another atom of four letters */
        "83 74 00000002 7705 6e6f646573 6a " NODE,                       /* a longer one */
        "83 74 00000002 7700 6a " NODE,                                  /* the empty one */
        "83 74 00000002 6c00000001 6101 6a 74 00000001 6101 6102 " NODE, /* lists and maps */
        "83 74 00000003 7701 78 6101 7701 78 6102 " NODE,                /* what is not ours may come twice */
        "83 74 00000002 " NODE HMAC "6d00000001 00",                     /* without a secret no authentication is looked at */
        "83 74 00000002 " NODE PORT "6f00000002 00 0101",                /* an integer in a longer form */
    };
    static const char *const malformed[] = {
        "",
        "83",
        "84 74 00000001 " NODE,
        "83 74 00000000",
        "83 74 00000002 " NODE,
        "83 74 ffffffff " NODE,
        "83 74 00000001 7704 6e6f6465 6d00000003 614062", /* a binary is no name */
        "83 74 00000001 7704 6e6f6465 6b0003 614062",
        "83 74 00000001 7704 6e6f6465 7703 6120 62",
        "83 74 00000001 7704 6e6f6465 7703 614000",
        "83 74 00000001 7704 6e6f6465 7703 614040",
        "83 74 00000001 7704 6e6f6465 7704 61e94062", /* no UTF-8 */
        "83 74 00000001 " PORT "6101",                /* no node */
        "83 74 00000002 " NODE NODE,
        "83 74 00000003 " NODE PORT "6101 " PORT "6101",
        "83 74 00000003 " NODE ID "6101 " ID "6101",
        "83 74 00000002 " NODE PORT "6100",
        "83 74 00000002 " NODE PORT "6200010000",
        "83 74 00000002 " NODE PORT "62ffffffff",
        "83 74 00000002 " NODE PORT "7701 78",
        "83 74 00000002 " NODE PORT "6e02 00 01",
        "83 74 00000002 " NODE WEIGHT "6100",
        "83 74 00000002 " NODE WEIGHT "6e05 00 0000000001",
        "83 74 00000002 " NODE FLAGS "6e01 01 01",
        "83 74 00000002 " NODE TIME "6100",
        "83 74 00000002 " NODE TIME "6e09 00 000000000000000001",
        "83 74 00000002 " NODE ID "6100",
        "83 74 00000002 " NODE ID "62ffffffff",
        "83 74 00000002 " NODE ZONE "7701 78",
        "83 74 00000002 " NODE ZONE "6d00000001 0a",
        "83 74 00000002 " NODE ZONE "6d00000001 e9",
        "83 74 00000002 " NODE ZONE "6d00000002 61",
        "83 74 00000002 " NODE HMAC "6d00000020 00",
        "83 74 00000002 6d00000004 706f72",
        "83 50 00000001 789c 4b050000",
    };
    struct clu_gossip g;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(fine); i++) {
        if (decode_map(&g, fine[i]) != CLU_COMPLETE)
            fail_msg("%s", fine[i]);
        assert_string_equal(g.name, "a@b");
        assert_false(g.authentic);
    }
    for (i = 0; i < CLU_COUNT(malformed); i++)
        if (decode_map(&g, malformed[i]) != CLU_MALFORMED)
            fail_msg("%s", malformed[i]);
    /* 63 bytes of a zone are taken, 64 are not. */
    for (i = 63; i < 65; i++) {
        char hex[512] = "83 74 00000002 " NODE ZONE "6d000000", *end = hex + strlen(hex);
        size_t left = i;
        end += sprintf(end, "%02x ", (unsigned)i);
        while (left--)
            end += sprintf(end, "7a");
        assert_int_equal(decode_map(&g, hex), i == 63 ? CLU_COMPLETE : CLU_MALFORMED);
    }
    /* Flags that this version does not know are not taken over. */
    assert_int_equal(decode_map(&g, "83 74 00000002 " NODE FLAGS "61ff"), CLU_COMPLETE);
    assert_int_equal(g.node.flags, CLUSTER_NODE_DRAINING | CLUSTER_NODE_LEAVING);
}

/* Make an enciphered packet of plain bytes, as one who knows the cipher's key alone could: the secret less our own derivation. */
static size_t encipher(const struct clu_gossip_keys *keys, const uint8_t *plain, size_t size, uint8_t *out)
{
    size_t pad = 16 - size % 16;
    memset(out, 0x55, 16);
    memcpy(out + 16, plain, size);
    memset(out + 16 + size, (int)pad, pad);
    clu_aes256_cbc_encrypt(&keys->cipher, out, out + 16, size + pad);
    return 16 + size + pad;
}

static void forgeries(void **state)
{
    struct clu_gossip_keys keys = keys_of("somepassword");
    struct clu_gossip g = full(), back;
    uint8_t iv[16], packet[CLU_GOSSIP_MAX], changed[CLU_GOSSIP_MAX + 64], plain[CLU_GOSSIP_MAX + 64];
    size_t size, plain_size, i;
    unsigned bit;
    (void)state;
    memset(iv, 9, sizeof iv);
    size = encode(&g, &keys, iv, packet, sizeof packet);
    /* No single bit of a packet, IV included, can change and leave it authentic; nor can it be cut or extended. */
    for (i = 0; i < size; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(changed, packet, size);
            changed[i] ^= (uint8_t)(1u << bit);
            if (decode(&back, &keys, changed, size) == CLU_COMPLETE)
                assert_false(back.authentic);
        }
    }
    for (i = 0; i < size; i++)
        if (decode(&back, &keys, packet, i) == CLU_COMPLETE)
            assert_false(back.authentic);
    memcpy(changed, packet, size);
    for (i = 1; i < 32; i++) {
        memset(changed + size, 0, i);
        if (decode(&back, &keys, changed, size + i) == CLU_COMPLETE)
            assert_false(back.authentic);
    }
    /* The plain text, to forge with: each of its bits changed and enciphered anew is caught wherever it is told. */
    memcpy(changed, packet, size);
    plain_size = clu_gossip_decipher(&keys, changed, size);
    assert_true(plain_size > 0);
    memcpy(plain, changed + 16, plain_size);
    assert_int_equal(decode(&back, &keys, changed, encipher(&keys, plain, plain_size, changed)), CLU_COMPLETE);
    assert_true(back.authentic);
    for (i = 0; i < plain_size; i++) {
        for (bit = 0; bit < 8; bit++) {
            plain[i] ^= (uint8_t)(1u << bit);
            if (decode(&back, &keys, changed, encipher(&keys, plain, plain_size, changed)) == CLU_COMPLETE)
                assert_false(back.authentic);
            plain[i] ^= (uint8_t)(1u << bit);
        }
    }
    /* Bytes after the authentication; a wrong one; one under another secret. */
    plain[plain_size] = 0;
    assert_int_equal(decode(&back, &keys, changed, encipher(&keys, plain, plain_size + 1, changed)), CLU_MALFORMED);
    plain[plain_size - 1] ^= 1;
    assert_int_equal(decode(&back, &keys, changed, encipher(&keys, plain, plain_size, changed)), CLU_MALFORMED);
    plain[plain_size - 1] ^= 1;
    memcpy(keys.mac, iv, sizeof iv);
    assert_int_equal(decode(&back, &keys, changed, encipher(&keys, plain, plain_size, changed)), CLU_MALFORMED);
}

/* Authentic means the last pair: one before others is malformed, even if it is right for what stands before it. */
static void authentication_comes_last(void **state)
{
    struct clu_gossip_keys keys = keys_of("somepassword");
    struct clu_gossip back;
    uint8_t plain[512], changed[600];
    struct clu_writer w = clu_writer_on(plain, sizeof plain);
    uint8_t mac[32];
    int last;
    (void)state;
    for (last = 0; last < 2; last++) {
        w = clu_writer_on(plain, sizeof plain);
        clu_write(&w, "heartbeat::\x83", 12);
        clu_write(&w, last ? "t\0\0\0\3" : "t\0\0\0\4", 5);
        clu_term_write_atom(&w, "node", 4);
        clu_term_write_atom(&w, "a@b", 3);
        clu_term_write_binary(&w, "port", 4);
        clu_term_write_integer(&w, 4711, false);
        clu_term_write_binary(&w, "hmac", 4);
        clu_write(&w, "m\0\0\0\x20", 5);
        clu_hmac_sha256(keys.mac, sizeof keys.mac, plain, clu_written(&w), mac);
        clu_write(&w, mac, sizeof mac);
        if (!last) {
            clu_term_write_binary(&w, "weight", 6);
            clu_term_write_integer(&w, 9, false);
        }
        assert_int_equal(decode(&back, &keys, changed, encipher(&keys, plain, clu_written(&w), changed)),
                         last ? CLU_COMPLETE : CLU_MALFORMED);
        assert_int_equal(back.authentic, last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_packets),
        cmocka_unit_test(crafted_packets),
        cmocka_unit_test(own_keys_known_answers),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(refuses_to_encode),
        cmocka_unit_test(other_keys),
        cmocka_unit_test(forgeries),
        cmocka_unit_test(authentication_comes_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
