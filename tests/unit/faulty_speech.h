/*
 * For unit tests: what a pretended node says, which goes wrong at one stage of its handshake. Include after fake_loop.h.
 */
#ifndef TESTS_UNIT_FAULTY_SPEECH_H
#define TESTS_UNIT_FAULTY_SPEECH_H

enum { WELL, CUT, SILENT, GARBAGE, FLIPPED, DRIBBLED };

struct speech {
    int fd, stage, way; /* what is said at this stage goes wrong so */
    size_t at;          /* from this byte on, or after its end */
};

/* A packet of this stage, after its length of so many bytes. After a cut, silence and garbage no more is said. */
static inline void speech_say(struct fake *machine, struct speech s, int stage, const uint8_t *body, size_t size, size_t width)
{
    uint8_t packet[700];
    size_t i;
    assert_true(size + width <= sizeof packet);
    clu_put_be(packet, size, (unsigned)width);
    memcpy(packet + width, body, size);
    size += width;
    s.at = s.at < size ? s.at : size;
    if (s.way >= CUT && s.way <= GARBAGE && s.stage < stage)
        return;
    if (s.way == WELL || s.stage != stage) {
        fake_push(machine, s.fd, packet, size, NULL);
        return;
    }
    if (s.way == FLIPPED)
        packet[s.at] ^= 0xff;
    if (s.way == FLIPPED || s.way == DRIBBLED)
        for (i = 0; i < size; i++)
            fake_push(machine, s.fd, packet + i, 1, NULL);
    else if (s.at)
        fake_push(machine, s.fd, packet, s.at, NULL);
    if (s.way == CUT)
        machine->s[s.fd].ended = true;
    if (s.way == GARBAGE) {
        memset(packet, 0xa5, sizeof packet);
        fake_push(machine, s.fd, packet, sizeof packet, NULL);
    }
}

#endif
