/*
 * Responses of DNS servers. The input is a message, which is judged as the answer to its own question. What is called an answer
 * is read back record by record as it was counted, and the work is bounded whatever the message holds.
 */
#include "../../src/wire/dns.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {1, 5, 12, 16, 28, 33};
    struct clu_dns_walk w;
    struct clu_dns_result result, again;
    struct clu_dns_record rec;
    enum clu_dns_verdict verdict;
    uint16_t id = size < 2 ? 0 : clu_dns_u16(data), type;
    uint32_t count = 0, additional = 0, ttl = INT32_MAX;
    char text[CLU_DNS_TEXT_MAX];
    size_t i, length;
    w.message = data;
    w.r = clu_reader_of(data, size);
    w.fuel = UINT32_MAX;
    if (size < 16 || size > 65535 || !clu_dns_name_at(&w, 12) || 12 + w.name_size + 4 > size)
        return 0;
    type = clu_dns_u16(data + 12 + w.name_size);
    verdict = clu_dns_check(data, size, id, w.name, w.name_size, type, &result);
    CHECK(result.work <= CLU_DNS_FUEL(size));
    CHECK(clu_dns_check(data, size, (uint16_t)(id + 1), w.name, w.name_size, type, &again) == CLU_DNS_NOT_OURS);
    for (i = 0; i < CLU_COUNT(types); i++)
        if (types[i] != type && (size != 12))
            CHECK(clu_dns_check(data, size, id, w.name, w.name_size, types[i], &again) == CLU_DNS_NOT_OURS);
    CHECK((verdict == CLU_DNS_ANSWER) == (verdict != CLU_DNS_BAD && result.count > 0 && result.rcode == 0));
    if (verdict != CLU_DNS_ANSWER)
        return 0;
    clu_dns_begin(&w, data, size, &result);
    while (clu_dns_next(&w, &rec)) {
        CHECK(rec.data >= data && rec.size <= (size_t)(data + size - rec.data));
        if (rec.additional) {
            additional++;
            CHECK(type == CLUSTER_DNS_SRV && (rec.type == CLUSTER_DNS_A || rec.type == CLUSTER_DNS_AAAA));
        } else {
            count++;
            CHECK(rec.type == type && !additional);
            ttl = rec.ttl < ttl ? rec.ttl : ttl;
        }
        CHECK(rec.type != CLUSTER_DNS_A || rec.size == 4);
        CHECK(rec.type != CLUSTER_DNS_AAAA || rec.size == 16);
        if (rec.text_at) {
            length = clu_dns_text(data, size, rec.text_at, text, sizeof text);
            CHECK(length > 0 && length == strlen(text));
        }
    }
    CHECK(count == result.count && additional == result.additional && result.ttl <= ttl);
    return 0;
}
