/* A program on OTP's own ei: it links to a node, has a message echoed, and calls a function there. */
#include <ei.h>
#include <stdio.h>
#include <string.h>

/* argv: own name before '@', cookie, node, process */
int main(int argc, char **argv)
{
    static char own[256];
    struct in_addr loopback;
    ei_cnode node;
    ei_x_buff out, in;
    erlang_msg message;
    int fd, version, arity, got, at = 0;
    char word[MAXATOMLEN];
    long count;
    loopback.s_addr = htonl(INADDR_LOOPBACK);
    if (argc != 5 || ei_init() != 0)
        return 2;
    snprintf(own, sizeof own, "%s@127.0.0.1", argv[1]);
    if (ei_connect_xinit(&node, "127.0.0.1", argv[1], own, &loopback, argv[2], 1) < 0 || (fd = ei_connect(&node, argv[3])) < 0)
        return 3;
    ei_x_new_with_version(&out);
    ei_x_encode_tuple_header(&out, 2);
    ei_x_encode_pid(&out, ei_self(&node));
    ei_x_encode_atom(&out, "hello");
    if (ei_reg_send(&node, fd, argv[4], out.buff, out.index) < 0)
        return 4;
    ei_x_new(&in);
    do
        got = ei_xreceive_msg(fd, &message, &in);
    while (got == ERL_TICK);
    if (got != ERL_MSG || ei_decode_version(in.buff, &at, &version) < 0 || ei_decode_atom(in.buff, &at, word) < 0)
        return 5;
    printf("echo %s\n", word);
    ei_x_free(&out);
    ei_x_new(&out);
    ei_x_encode_empty_list(&out);
    if (ei_rpc(&node, fd, "cluster", "status", out.buff, out.index, &in) < 0)
        return 6;
    at = 0;
    if (ei_decode_tuple_header(in.buff, &at, &arity) < 0 || ei_decode_atom(in.buff, &at, word) < 0 ||
        ei_decode_long(in.buff, &at, &count) < 0)
        return 7;
    printf("status %s %ld\n", word, count);
    ei_x_free(&in);
    ei_x_free(&out);
    return 0;
}
