/* RESP2, the protocol of Redis: bytes in, words out, and back. A command is an array of words, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".
 * Lines without that frame ("inline commands") are refused, so that a browser that was lured here cannot say anything. Every length
 * from outside is compared with a limit before it is believed, and a buffer only grows for bytes that are there. */
#define WORDS_MAX 64                        /* words of a command */
#define VALUE_MAX (1 << 20)                 /* bytes */
#define COMMAND_MAX (VALUE_MAX + (1 << 18)) /* bytes of a whole command */

struct slice { /* bytes of somebody else's */
    const char *data;
    size_t size;
};

struct buffer { /* bytes of its own */
    char *data;
    size_t size, capacity;
};

struct command {
    struct slice words[WORDS_MAX];
    int count;
    size_t size; /* of all of it */
};

/* The end, with a sentence. */
static void fail(int status, const char *what, const char *why)
{
    fprintf(stderr, "kv: %s%s\n", what, why);
    exit(status);
}

static void *grown(void *old, size_t size)
{
    void *block = realloc(old, size);
    if (!block)
        fail(3, "no memory: give it more, or less to keep with --memory", "");
    return block;
}

/* Room for so many bytes at the end; how many were put there is added to `size` by the caller. */
static char *buffer_room(struct buffer *b, size_t more)
{
    if (b->capacity - b->size < more)
        b->data = grown(b->data, b->capacity = (b->size + more) * 2);
    return b->data + b->size;
}

/* Bytes at the begin are done with. Much memory is given back once it is empty. */
static void buffer_cut(struct buffer *b, size_t size)
{
    b->size -= size;
    if (b->size) {
        memmove(b->data, b->data + size, b->size);
    } else if (b->capacity > 1 << 18) {
        free(b->data);
        *b = (struct buffer){0};
    }
}

static void put_bytes(struct buffer *b, const void *data, size_t size)
{
    memcpy(buffer_room(b, size), data, size);
    b->size += size;
}

/* At most 1023 bytes of text. */
static void put(struct buffer *b, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int size = vsnprintf(buffer_room(b, 1024), 1024, format, list);
    va_end(list);
    b->size += size < 1024 ? (size_t)size : 1023;
}

static void put_word(struct buffer *b, struct slice s)
{
    put(b, "$%zu\r\n", s.size);
    put_bytes(b, s.data, s.size);
    put(b, "\r\n");
}

static int slice_is(struct slice s, const char *text) /* case does not count */
{
    return s.size == strlen(text) && !strncasecmp(s.data, text, s.size);
}

/* The line before an array or a word: a mark, a number, \r\n. How many bytes; 0: it is not all there; -1: it is none. */
static int read_header(struct slice s, char mark, long least, long most, long *out)
{
    const char *end = s.size ? memchr(s.data, '\n', s.size) : NULL;
    char *stop;
    if (!end)
        return s.size > 24 || (s.size && *s.data != mark) ? -1 : 0;
    if (*s.data != mark || s.data[1] < '0' || s.data[1] > '9')
        return -1;
    *out = strtol(s.data + 1, &stop, 10);
    return *stop == '\r' && stop + 1 == end && *out >= least && *out <= most ? (int)(end - s.data) + 1 : -1;
}

/* The words of a command. 1: it is read; 0: it is not all there; -1: it is none. */
static int read_command(struct slice s, struct command *out)
{
    long count = 0, size = 0;
    int header = read_header(s, '*', 1, WORDS_MAX, &count);
    size_t at = (size_t)header;
    for (out->count = 0; header > 0 && out->count < count; out->count++) {
        header = read_header((struct slice){s.data + at, s.size - at}, '$', 0, VALUE_MAX, &size);
        if (header <= 0)
            break;
        out->words[out->count] = (struct slice){s.data + at + header, (size_t)size};
        at += (size_t)(header + size + 2);
        if (at > COMMAND_MAX || (at <= s.size && memcmp(s.data + at - 2, "\r\n", 2) != 0))
            return -1;
        if (at > s.size)
            return 0;
    }
    out->size = at;
    return header > 0 ? 1 : header;
}
