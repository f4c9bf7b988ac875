// Who owns a key, and what moves when a node goes:
//
//	make lib && cd examples/bindings/go && go run ./place
package main

import (
	"cluster"
	"fmt"
	"log"
)

func main() {
	nodes := []string{"app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"}
	before, err := cluster.NewMap(1024, nodes...)
	if err != nil {
		log.Fatal(err)
	}
	after, err := cluster.NewMap(1024, nodes[:2]...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("user:42 is in shard %d, on %s\n", before.Shard("user:42"), before.Owner("user:42"))
	for i := 0; i < before.Len(); i++ {
		fmt.Printf("%s has %d shards\n", before.Node(i), before.Load(i))
	}
	moves := before.Plan(after)
	fmt.Printf("without the third %d shards move, the first of them shard %d to %s\n", len(moves), moves[0].Shard, moves[0].To)
}
