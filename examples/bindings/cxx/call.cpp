/* Call a function on every node that a source finds, as rpc:multicall does, and print a node and its result a line:
 *     make lib && c++ -std=c++11 -I. -o call examples/bindings/cxx/call.cpp build/libcluster.a
 *     ./call me@127.0.0.1 COOKIE epmd:127.0.0.1 erlang node
 */
#include "cluster.hpp"
#include <iostream>
#include <map>

/* How many nodes did not answer. */
static int call_all(clusterxx::handle &c, const char *url, const char *module, const char *function, const char *arguments)
{
    std::map<uint64_t, std::string> waiting;
    bool answered = false;
    int lost = 0;
    c.discover(url);
    for (;;) {
        while (const cluster_event *e = c.next_event()) {
            if (e->type == CLUSTER_JOIN && !(e->member->flags & CLUSTER_MEMBER_SELF)) {
                const std::string node = e->member->name;
                waiting[c.call(node, module, function, arguments)] = node;
            } else if (e->type == CLUSTER_REPLY) {
                std::cout << waiting[e->request] << ' '
                          << (e->term ? clusterxx::term_text(e->term, e->term_size) : std::string(e->text)) << std::endl;
                waiting.erase(e->request);
                lost += e->error != 0;
            } else if (e->type == CLUSTER_SOURCE) { /* behind the JOINs of its round */
                answered = true;
                if (e->error)
                    throw clusterxx::error(e->error, e->text);
            }
        }
        if (answered && waiting.empty())
            return lost;
        c.poll(-1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6 || argc > 7) {
        std::cerr << "call: say who you are: call NAME@HOST COOKIE URL MODULE FUNCTION ['[ARGUMENTS]']\n";
        return 2;
    }
    try {
        cluster_options options = clusterxx::sized<cluster_options>();
        options.node = argv[1];
        options.cookie = argv[2];
        clusterxx::handle c(options);
        return call_all(c, argv[3], argv[4], argv[5], argc > 6 ? argv[6] : "[]") ? 1 : 0;
    } catch (const clusterxx::error &e) {
        std::cerr << "call: " << e.what() << '\n';
        return e.code == CLUSTER_E_INVALID ? 2 : 3;
    }
}
