/*
 * The event queue: a ring of membership events, messages and replies, bounded. When it is full, one RESYNC takes the place of
 * all queued membership events; while that one waits no further ones are kept, for its reader reads the members anyway. Replies
 * have their places from the time of the request. Messages take no more than three quarters of the places, and wait outside
 * when those are taken. It holds a reference on what an event shows.
 */
#ifndef CLU_LOOP_QUEUE_H
#define CLU_LOOP_QUEUE_H

#include "../base/shared.h"

struct clu_event {
    uint32_t type;
    int32_t error;
    uint32_t changed;
    uint64_t time, revision, request;
    struct cluster_source *source;
    struct clu_shared *object; /* a member's record; of REPLY, MESSAGE and CALL a text, and the term at its end */
    struct clu_shared *member; /* of MESSAGE and CALL: the record of whom it is from */
    size_t term_size;
};

struct clu_queue {
    struct clu_event *ring;
    size_t capacity, first, count;
    size_t limit;
    size_t replies; /* requests under way: places kept free for them */
    size_t bytes;   /* in messages */
    uint64_t resyncs;
    bool resync; /* waits to be read */
};

CLU_FN struct clu_event *clu_queue_at(const struct clu_queue *q, size_t index)
{
    return &q->ring[(q->first + index) & (q->capacity - 1)];
}

/* Room for `need` events in all. The capacity is a power of two. */
CLU_FN bool clu_queue_reserve(const struct cluster_allocator *a, struct clu_queue *q, size_t need)
{
    size_t old = q->capacity;
    if (need > q->limit)
        return false;
    if (!clu_reserve(a, &q->ring, &q->capacity, need, sizeof *q->ring))
        return false;
    if (old != q->capacity && q->first + q->count > old)
        memcpy(q->ring + old, q->ring, (q->first + q->count - old) * sizeof *q->ring);
    return true;
}

/* The loss of all membership events, said as one RESYNC. */
CLU_FN void clu_queue_overflow(const struct cluster_allocator *a, struct clu_queue *q)
{
    size_t i, kept = 0;
    for (i = 0; i < q->count; i++) {
        struct clu_event *e = clu_queue_at(q, i);
        if (e->type >= CLUSTER_MESSAGE)
            *clu_queue_at(q, kept++) = *e;
        else
            clu_unshare(a, e->object);
    }
    q->count = kept;
    q->resync = true;
    q->resyncs++;
}

CLU_FN struct clu_event *clu_queue_append(struct clu_queue *q)
{
    struct clu_event *e = clu_queue_at(q, q->count++);
    return (struct clu_event *)memset(e, 0, sizeof *e);
}

/* The place of a new membership event, empty. NULL: membership events are lost, and RESYNC waits to say so. */
CLU_FN struct clu_event *clu_queue_put(const struct cluster_allocator *a, struct clu_queue *q)
{
    if (!q->resync && !clu_queue_reserve(a, q, q->count + q->replies + 1))
        clu_queue_overflow(a, q);
    return q->resync ? NULL : clu_queue_append(q);
}

/* Keep a place for the reply to a request; false: ask again later. */
CLU_FN bool clu_queue_expect(const struct cluster_allocator *a, struct clu_queue *q)
{
    if (!clu_queue_reserve(a, q, q->count + q->replies + 1))
        return false;
    q->replies++;
    return true;
}

/* The place that was kept. */
CLU_FN struct clu_event *clu_queue_reply(struct clu_queue *q)
{
    struct clu_event *e = clu_queue_append(q);
    q->replies--;
    e->type = CLUSTER_REPLY;
    return e;
}

#define CLU_TERM_FIRST 131 /* the version of the external format, before every term that a host sees */

/* A text, with a term behind it if there is one (its version is put before it), as an object; NULL: no memory. */
CLU_CALLED struct clu_shared *clu_text_object(const struct cluster_allocator *a, const char *text, const void *term,
                                              size_t size)
{
    size_t length = strlen(text) + 1;
    struct clu_shared *object = NULL;
    uint8_t *out;
    if (size < SIZE_MAX - length - sizeof *object)
        object = (struct clu_shared *)clu_share_new(a, sizeof *object + length + (size ? 1 + size : 0));
    if (!object)
        return NULL;
    out = (uint8_t *)(object + 1);
    memcpy(out, text, length);
    if (size) {
        out[length] = CLU_TERM_FIRST;
        memcpy(out + length + 1, term, size);
    }
    return object;
}

/* A reply's text; NULL: no memory, the error's name will do. */
CLU_FN struct clu_shared *clu_reply_text(const struct cluster_allocator *a, const char *text)
{
    return clu_text_object(a, text, NULL, 0);
}

/* May a message of this size be queued now? */
CLU_CALLED bool clu_queue_has_room(const struct clu_queue *q, size_t most_bytes, size_t size)
{
    return q->count + q->replies < q->limit - q->limit / 4 && (!q->bytes || q->bytes + size <= most_bytes);
}

/* A message to a process of the own node, from a member. CLUSTER_E_AGAIN: there is no room for it now; CLUSTER_E_MEMORY. */
CLU_FN int clu_queue_message(const struct cluster_allocator *a, struct clu_queue *q, size_t most_bytes, struct clu_shared *from,
                             const char *text, const void *term, size_t size, struct clu_event **out)
{
    struct clu_event *e;
    struct clu_shared *object;
    if (!clu_queue_has_room(q, most_bytes, size))
        return CLUSTER_E_AGAIN;
    object = clu_queue_reserve(a, q, q->count + q->replies + 1) ? clu_text_object(a, text, term, size) : NULL;
    if (!object)
        return CLUSTER_E_MEMORY;
    e = clu_queue_append(q);
    e->type = CLUSTER_MESSAGE;
    e->object = object;
    e->member = (struct clu_shared *)clu_share(from);
    e->term_size = size + 1;
    q->bytes += size + 1;
    *out = e;
    return 0;
}

/* The oldest event, whose place is free from the next call on; NULL: there is none. */
CLU_CALLED const struct clu_event *clu_queue_pop(struct clu_queue *q)
{
    const struct clu_event *e;
    if (!q->count) /* nor is there a ring, perhaps */
        return NULL;
    e = q->ring + q->first;
    q->first = (q->first + 1) & (q->capacity - 1);
    q->count--;
    if (e->member)
        q->bytes -= e->term_size;
    return e;
}

/* A source is about to end: its events go on without naming it. */
CLU_FN void clu_queue_forget_source(struct clu_queue *q, const struct cluster_source *source)
{
    size_t i;
    for (i = 0; i < q->count; i++)
        if (clu_queue_at(q, i)->source == source)
            clu_queue_at(q, i)->source = NULL;
}

CLU_FN void clu_queue_free(const struct cluster_allocator *a, struct clu_queue *q)
{
    const struct clu_event *event;
    while ((event = clu_queue_pop(q)) != NULL) {
        clu_unshare(a, event->object);
        clu_unshare(a, event->member);
    }
    clu_free(a, q->ring, q->capacity * sizeof *q->ring);
}

#endif
