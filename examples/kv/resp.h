/* RESP2, the protocol of Redis: bytes in, words out, and back. A command is an array of words, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".
 * Lines without that frame ("inline commands") are refused, so that a browser that was lured here cannot say anything. Every length
 * from outside is compared with a limit before it is believed, and memory only grows for bytes that are there. */
#define WORDS_MAX 64                        /* words of a command */
#define VALUE_MAX (1 << 20)                 /* bytes */
#define COMMAND_MAX (VALUE_MAX + (1 << 18)) /* bytes of a whole command */

struct bytes {
    char *data;
    size_t size, capacity; /* 0: it is a part of something else, and cannot grow */
};

struct command {
    struct bytes words[WORDS_MAX];
    int count;
    size_t size; /* of all of it */
};

static void *grown(void *old, size_t size)
{
    void *block = realloc(old, size);
    if (!block)
        errx(3, "no memory: give it more, or less to keep with MEMORY");
    return block;
}

/* Room for so many bytes at the end; how many were put there is added to `size` by the caller. */
static char *room(struct bytes *b, size_t more)
{
    if (b->capacity - b->size < more)
        b->data = grown(b->data, b->capacity = (b->size + more) * 2);
    return b->data + b->size;
}

/* Bytes at the begin are done with. Much memory is given back once it is empty. */
static void cut(struct bytes *b, size_t size)
{
    b->size -= size;
    if (b->size) {
        memmove(b->data, b->data + size, b->size);
    } else if (b->capacity > 1 << 18) {
        free(b->data);
        *b = (struct bytes){0};
    }
}

static void put_bytes(struct bytes *b, const void *data, size_t size)
{
    memcpy(room(b, size), data, size);
    b->size += size;
}

/* At most 1023 bytes of text. */
static void put(struct bytes *b, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int size = vsnprintf(room(b, 1024), 1024, format, list);
    va_end(list);
    b->size += size < 1024 ? (size_t)size : 1023;
}

static void put_word(struct bytes *b, struct bytes word)
{
    put(b, "$%zu\r\n", word.size);
    put_bytes(b, word.data, word.size);
    put(b, "\r\n");
}

static int same(struct bytes b, const char *text) /* case does not count */
{
    return b.size == strlen(text) && !strncasecmp(b.data, text, b.size);
}

/* The number in the line at *at, which is a mark, digits and \r\n, and *at behind it. */
enum { MORE = -1, BROKEN = -2 }; /* or: it is not all there; it is something else, or over a limit */
static int read_number(struct bytes in, size_t *at, char mark, long most)
{
    char *line = in.data + *at, *end = memchr(line, '\n', in.size - *at), *stop;
    if (!end)
        return in.size - *at > 24 || (in.size > *at && *line != mark) ? BROKEN : MORE;
    if (*line != mark || line[1] < '0' || line[1] > '9')
        return BROKEN;
    *at = (size_t)(end + 1 - in.data);
    long n = strtol(line + 1, &stop, 10);
    return *stop == '\r' && stop + 1 == end && n <= most ? (int)n : BROKEN;
}

/* The words of a command. How many there are; or MORE, or BROKEN. */
static int read_command(struct bytes in, struct command *out)
{
    size_t at = 0;
    int count = read_number(in, &at, '*', WORDS_MAX);
    for (out->count = 0; out->count < count; out->count++) {
        int size = read_number(in, &at, '$', VALUE_MAX);
        if (size < 0)
            return size;
        out->words[out->count] = (struct bytes){in.data + at, (size_t)size, 0};
        at += (size_t)size + 2;
        if (at > COMMAND_MAX || (at <= in.size && memcmp(in.data + at - 2, "\r\n", 2) != 0))
            return BROKEN;
        if (at > in.size)
            return MORE;
    }
    out->size = at;
    return count ? count : BROKEN;
}
