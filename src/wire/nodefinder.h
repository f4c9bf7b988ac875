/*
 * The packets of two other libraries that announce nodes by multicast: nodefinder, versions 4 and 5, authenticated by the
 * cookie, and peerage, which proves nothing. Pure: bytes in, a name out; whether a packet is fresh is for the caller to judge.
 */
#ifndef CLU_WIRE_NODEFINDER_H
#define CLU_WIRE_NODEFINDER_H

#include "../base/bytes.h"
#include "../base/sha256.h"
#include "name.h"

#define CLU_NODEFINDER_PREFIX "ERLANG/NODEFINDER "
#define CLU_NODEFINDER_HIDDEN 2 /* how to connect: as hidden nodes do */
#define CLU_NODEFINDER_MAX (20 + CLU_SHA256_SIZE + 1 + 8 + 1 + 2 + CLU_NAME_MAX)
#define CLU_PEERAGE_PREFIX "Peer:"

/* Of the seconds, 8 bytes, and the name. */
CLU_FN void clu_nodefinder_mac(const uint8_t key[CLU_SHA256_SIZE], const uint8_t *seconds, const void *name, size_t length,
                               uint8_t out[CLU_SHA256_SIZE])
{
    uint8_t both[8 + CLU_NAME_MAX];
    memcpy(both, seconds, 8);
    memcpy(both + 8, name, length);
    clu_hmac_sha256(key, CLU_SHA256_SIZE, both, 8 + length, out);
}

/* A packet of version 5 in out, its size returned; 0: there is no room. `key`: SHA-256 of the cookie. */
CLU_FN size_t clu_nodefinder_encode(const uint8_t key[CLU_SHA256_SIZE], uint64_t seconds, const char *name, uint8_t *out,
                                    size_t room)
{
    struct clu_writer w = clu_writer_on(out, room);
    uint8_t time[8], mac[CLU_SHA256_SIZE];
    size_t length = strlen(name);
    w.bad = w.bad || length > CLU_NAME_MAX;
    if (w.bad)
        return 0;
    clu_put_be(time, seconds, sizeof time);
    clu_nodefinder_mac(key, time, name, length, mac);
    clu_write(&w, CLU_NODEFINDER_PREFIX "5 ", sizeof CLU_NODEFINDER_PREFIX + 1);
    clu_write(&w, mac, sizeof mac);
    clu_write(&w, " ", 1);
    clu_write(&w, time, sizeof time);
    clu_write_be(&w, (uint64_t)' ' << 16 | CLU_NODEFINDER_HIDDEN << 8 | ' ', 3);
    clu_write(&w, name, length);
    return clu_written(&w);
}

/* The name and the time of a packet that was made by one who knows the cookie. */
CLU_FN bool clu_nodefinder_decode(const uint8_t key[CLU_SHA256_SIZE], const uint8_t *data, size_t size, uint64_t *seconds,
                                  char name[CLU_NAME_MAX + 1])
{
    struct clu_reader r = clu_reader_of(data, size);
    const uint8_t *mac, *time, *rest;
    uint8_t expected[CLU_SHA256_SIZE], differs = 0;
    size_t length, i;
    bool five;
    if (!clu_read_match(&r, CLU_NODEFINDER_PREFIX, sizeof CLU_NODEFINDER_PREFIX - 1))
        return false;
    five = clu_read_match(&r, "5 ", 2);
    if (!five && !clu_read_match(&r, "4 ", 2))
        return false;
    mac = clu_take(&r, CLU_SHA256_SIZE);
    if (!clu_read_match(&r, " ", 1))
        return false;
    time = clu_take(&r, 8);
    if (!clu_read_match(&r, " ", 1))
        return false;
    if (five && ((uint8_t)(clu_read_u8(&r) - 1) > 1 || !clu_read_match(&r, " ", 1)))
        return false;
    length = clu_left(&r);
    rest = clu_take(&r, length);
    if (!rest || !mac || !time || !clu_name_valid((const char *)rest, length))
        return false;
    clu_nodefinder_mac(key, time, rest, length, expected);
    for (i = 0; i < sizeof expected; i++)
        differs |= (uint8_t)(expected[i] ^ mac[i]);
    r = clu_reader_of(time, 8);
    *seconds = clu_read_be(&r, 8);
    memcpy(name, rest, length);
    name[length] = '\0';
    return !differs;
}

CLU_FN size_t clu_peerage_encode(const char *name, uint8_t *out, size_t room)
{
    struct clu_writer w = clu_writer_on(out, room);
    clu_write(&w, CLU_PEERAGE_PREFIX, sizeof CLU_PEERAGE_PREFIX - 1);
    clu_write(&w, name, strlen(name));
    return clu_written(&w);
}

CLU_FN bool clu_peerage_decode(const uint8_t *data, size_t size, char name[CLU_NAME_MAX + 1])
{
    struct clu_reader r = clu_reader_of(data, size);
    size_t length;
    if (!clu_read_match(&r, CLU_PEERAGE_PREFIX, sizeof CLU_PEERAGE_PREFIX - 1))
        return false;
    length = clu_left(&r);
    if (!clu_name_valid((const char *)r.at, length))
        return false;
    memcpy(name, r.at, length);
    name[length] = '\0';
    return true;
}

#endif
