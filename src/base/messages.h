/*
 * Everything that is ever logged, in one list: how grave it is, what it says, and the setting that it is about. What is said in
 * addition (a URL, a reason) is appended.
 */
#ifndef CLU_BASE_MESSAGES_H
#define CLU_BASE_MESSAGES_H

#include "platform.h"

#define CLU_MESSAGES(X)                                                                                                        \
    X(SOURCE_FAILED, WARN, "a source fails, its members stay: ", "url")                                                        \
    X(SOURCE_BACK, INFO, "a source answers again: ", "url")                                                                    \
    X(HEARD_LIMIT, WARN, "a source hears more new names than limit= or the rate of 256 a second admits: ", "limit=")           \
    X(EVENTS_LOST, WARN, "the event queue was full, CLUSTER_RESYNC says so: pull events more often", "limit_events")           \
    X(EPMD_SERVES, INFO, "epmd is served at ", "epmd")                                                                         \
    X(EPMD_TAKEN, INFO,                                                                                                        \
      "no epmd is served here as long as its port is not to be had, which is tried again every second: ", "epmd")              \
    X(LISTEN, ERROR, "no port of options.listen is free, it is tried again every second: ", "listen")                          \
    X(LEASE, WARN,                                                                                                             \
      "the own node is not registered with epmd, so that others cannot find it: start epmd, or set options.epmd; tried "       \
      "again: ",                                                                                                               \
      "listen")                                                                                                                \
    X(LEASE_TAKEN, WARN, "a node of the own name is registered with epmd already: choose another name: ", "node")              \
    X(ANYBODY, WARN,                                                                                                           \
      "anybody on the network can have this node dial an impostor, which can guess at the cookie: set secret= or allow=: ",    \
      "connect")                                                                                                               \
    X(OTHER_COOKIE, WARN, "a node that linked to this one was refused, its cookie is another one: ", "cookie")                 \
    X(OWN_LONG, WARN,                                                                                                          \
      "the own node has a long name but discovery yields short ones, and Erlang nodes of the two kinds refuse each other: "    \
      "name the own node NAME@SHORTHOST, or start the others with -name: ",                                                    \
      "node")                                                                                                                  \
    X(OWN_SHORT, WARN,                                                                                                         \
      "the own node has a short name but discovery yields addresses or full names, and Erlang nodes of the two kinds refuse "  \
      "each other: name the own node NAME@ADDRESS (name@auto finds it), or start the others with -sname: ",                    \
      "node")

#define CLU_MESSAGE_ID(id, level, text, setting) CLU_MESSAGE_##id,
enum clu_message_id { CLU_MESSAGES(CLU_MESSAGE_ID) CLU_MESSAGE_COUNT };
#undef CLU_MESSAGE_ID

struct clu_message_info {
    int level;
    const char *text, *setting;
};

CLU_FN const struct clu_message_info *clu_message(enum clu_message_id id)
{
#define CLU_MESSAGE_ROW(name, level, text, setting) {CLUSTER_LOG_##level, text, setting},
    static const struct clu_message_info rows[] = {CLU_MESSAGES(CLU_MESSAGE_ROW)};
#undef CLU_MESSAGE_ROW
    return &rows[id];
}

#endif
