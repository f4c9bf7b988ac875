/*
 * Why a member is not linked, or not any more: an error, and a sentence that says what to do.
 */
#ifndef CLU_LINK_WHY_H
#define CLU_LINK_WHY_H

#include "../base/errors.h"

/* clang-format off */
#define CLU_WHY_LIST(X)                                                                                                      \
    X(SYSTEM, IO, "")                                                                                                        \
    X(HOST, NOT_FOUND, "the address of its host is not known: put the host into DNS or /etc/hosts, or give the node an address") \
    X(NO_NAME, TIMEOUT, "no DNS server says the address of its host in time: is the server in /etc/resolv.conf right?")      \
    X(NO_EPMD, REFUSED, "no epmd runs on its host: is the node there? Without epmd its port is said by port=")               \
    X(EPMD, PROTOCOL, "what answers in place of its host's epmd is none")                                                    \
    X(UNKNOWN, NOT_FOUND, "the epmd of its host does not know it: it does not run, or has another name")                     \
    X(REFUSED, REFUSED, "nothing listens on its port: it has ended, or is starting")                                         \
    X(NO_WAY, UNREACHABLE, "there is no way to its host")                                                                    \
    X(NO_ANSWER, UNREACHABLE, "its host does not answer: it is down, or a firewall is between")                              \
    X(SILENT, TIMEOUT, "it takes the connection and says nothing: it hangs, or is no Erlang node")                           \
    X(HUNG_UP, CLOSED, "it hung up in the handshake")                                                                        \
    X(COOKIE, PERMISSION, "its cookie is another one")                                                                       \
    X(TAKEN, EXISTS, "a node of the own name is linked to it already: choose another name")                                  \
    X(REFUSES, REFUSED, "it does not allow this node")                                                                       \
    X(OLD, UNSUPPORTED, "it speaks the distribution of before OTP 23 only")                                                  \
    X(OTHER, NOT_FOUND, "a node of another name answers on its port")                                                        \
    X(CALLS, AGAIN, "it is about to link to us itself")                                                                      \
    X(CROWDED, LIMIT, "no descriptor was free for it: options.limit_watches allows more")                                    \
    X(GARBAGE, PROTOCOL, "it sent malformed bytes")                                                                          \
    X(PACKET, LIMIT, "it sent a packet over options.limit_packet")                                                           \
    X(CLOSED, CLOSED, "it closed the link")                                                                                  \
    X(ANEW, CLOSED, "it made a new link in place of this one")                                                                                  \
    X(NAMELESS, CLOSED, "the own name ended with the link that gave it")                                      \
    X(QUIET, TIMEOUT, "nothing came from it for the time of options.tick")                                                   \
    X(LEFT, CLOSED, "it left discovery, and options.on_leave says to disconnect")                                            \
    X(MEMBERS, LIMIT, "options.limit_members leaves no room for it")                                                         \
    X(NO_TIME, TIMEOUT, "no answer in time")                                                                                 \
    X(CERTIFICATE, PERMISSION, "its certificate is not to be trusted: options.ca names the file with its authority")         \
    X(AUTHORITIES, NOT_FOUND, "options.ca has no certificates that can be read")                                             \
    X(UNREPORTED, TIMEOUT, "the program did not say in time how connecting to it went: cluster_report")                      \
    X(THERE, CLOSED, "")                                                                                                     \
    X(MAY_HAVE_RUN, CLOSED, "the link ended before the answer: it may have run")
/* clang-format on */

#define CLU_WHY_ID(id, error, text) CLU_WHY_##id,
enum clu_why { CLU_WHY_LIST(CLU_WHY_ID) CLU_WHY_COUNT };
#undef CLU_WHY_ID

CLU_FN int clu_why_error(enum clu_why why)
{
#define CLU_WHY_ERROR(id, error, text) CLUSTER_E_##error,
    static const int8_t errors[] = {CLU_WHY_LIST(CLU_WHY_ERROR)};
#undef CLU_WHY_ERROR
    return errors[why];
}

/* The sentence of a reason, of SYSTEM the error's name. */
CLU_FN const char *clu_why_text(enum clu_why why, int error)
{
#define CLU_WHY_TEXT(id, error, text) text,
    static const char *const texts[] = {CLU_WHY_LIST(CLU_WHY_TEXT)};
#undef CLU_WHY_TEXT
    return why == CLU_WHY_SYSTEM ? cluster_strerror(error) : texts[why];
}

#endif
