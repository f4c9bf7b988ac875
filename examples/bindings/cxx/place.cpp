/* Who owns a key, and what moves when a node goes:
 *     make lib && c++ -std=c++11 -I. -o place examples/bindings/cxx/place.cpp build/libcluster.a && ./place
 */
#include "cluster.hpp"
#include <iostream>

int main()
{
    cluster_map_options options = clusterxx::sized<cluster_map_options>();
    options.shards = 1024;
    clusterxx::map before({"app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"}, options);
    clusterxx::map after({"app@10.0.0.1", "app@10.0.0.2"}, options);
    std::cout << "user:42 is in shard " << before.shard("user:42") << ", on " << before.owner("user:42") << '\n';
    for (uint32_t i = 0; i < before.size(); i++)
        std::cout << before.node(i) << " has " << before.load(i) << " shards\n";
    std::vector<clusterxx::move> moves = before.plan(after);
    std::cout << "without the third " << moves.size() << " shards move, the first of them shard " << moves[0].shard << " to "
              << moves[0].to << '\n';
    return 0;
}
