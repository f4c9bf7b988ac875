/* Print who joins and who leaves; ends on a signal:
 *     make lib && c++ -std=c++11 -I. -o watch examples/bindings/cxx/watch.cpp build/libcluster.a && ./watch epmd:localhost
 */
#include "cluster.hpp"
#include <csignal>
#include <iostream>

static volatile std::sig_atomic_t ended;

static void on_signal(int)
{
    ended = 1;
}

static void say(const cluster_event &e)
{
    switch (e.type) {
    case CLUSTER_JOIN:
    case CLUSTER_LEAVE:
    case CLUSTER_CHANGE:
        std::cout << (e.type == CLUSTER_JOIN ? "+ " : e.type == CLUSTER_LEAVE ? "- " : "~ ") << e.member->name << '\n';
        break;
    case CLUSTER_SOURCE:
        std::cout << "source " << cluster_source_url(e.source) << ' ' << (e.error ? e.text : "answers") << '\n';
        break;
    default:
        std::cout << cluster_event_name(e.type) << ' ' << e.text << '\n';
    }
}

int main(int argc, char **argv)
{
    try {
        clusterxx::handle c;
        if (argc < 2) {
            std::cerr << "watch: name a source, as in: " << argv[0] << " epmd:localhost\n";
            return 2;
        }
        for (int i = 1; i < argc; i++)
            c.discover(argv[i]);
        std::signal(SIGINT, on_signal);
        std::signal(SIGTERM, on_signal);
        while (!ended) {
            while (const cluster_event *e = c.next_event())
                say(*e);
            if (!std::cout.flush()) {
                std::cerr << "watch: the output cannot be written: is the disk full?\n";
                return 3;
            }
            c.poll(200); /* a signal is seen between two polls */
        }
    } catch (const clusterxx::error &e) {
        std::cerr << "watch: " << e.what() << '\n';
        return e.code == CLUSTER_E_INVALID ? 2 : 3;
    }
    return 0;
}
