/*
 * Gossip packets. The first byte says how the rest is taken: 0 plain, 1 enciphered, 2 plain text that is enciphered first.
 * What decodes has a valid name, and encoded again decodes to the same.
 */
#include "../../src/wire/gossip.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clu_gossip_keys keys, *with;
    struct clu_gossip g, again;
    uint8_t *packet, iv[16] = {0}, out[CLU_GOSSIP_MAX];
    size_t length = size ? size - 1 : 0, head = 0;
    unsigned mode = size ? data[0] % 3 : 0;
    enum clu_parse result;
    if (!size)
        return 0;
    clu_gossip_keys_init(&keys, "somepassword", 12);
    with = mode ? &keys : NULL;
    if (mode == 2)
        head = 16;
    packet = (uint8_t *)malloc(head + length + 16);
    CHECK(packet);
    memset(packet, 0, head);
    memcpy(packet + head, data + 1, length);
    if (mode == 2) {
        size_t pad = 16 - length % 16;
        memset(packet + head + length, (int)pad, pad);
        length += pad;
        clu_aes256_cbc_encrypt(&keys.cipher, packet, packet + head, length);
        length += head;
    } else {
        uint8_t *exact = (uint8_t *)malloc(length ? length : 1);
        CHECK(exact);
        memcpy(exact, packet, length);
        free(packet);
        packet = exact;
    }
    result = clu_gossip_decode(&g, with, packet, length);
    free(packet);
    CHECK(result == CLU_COMPLETE || result == CLU_MALFORMED);
    if (result == CLU_COMPLETE) {
        CHECK(clu_name_valid(g.name, strlen(g.name)));
        length = clu_gossip_encode(&g, with, iv, out, sizeof out);
        CHECK(length);
        CHECK(clu_gossip_decode(&again, with, out, length) == CLU_COMPLETE);
        again.authentic = g.authentic;
        CHECK(memcmp(g.name, again.name, sizeof g.name) == 0 && strcmp(g.texts[0], again.texts[0]) == 0 &&
              strcmp(g.texts[1], again.texts[1]) == 0);
        CHECK(g.node.port == again.node.port && g.node.weight == again.node.weight && g.node.flags == again.node.flags &&
              g.numbers[CLU_GOSSIP_TIME] == again.numbers[CLU_GOSSIP_TIME]);
        CHECK(g.numbers[CLU_GOSSIP_ID] == again.numbers[CLU_GOSSIP_ID]);
    }
    return 0;
}
