//! Who owns a key, and what moves when a node goes:
//!     make lib && rustc -O -L build -l static=cluster examples/bindings/rust/place.rs && ./place
#![allow(dead_code)]
mod cluster;

use cluster::{Error, Map};

const NODES: [&str; 3] = ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"];

fn main() -> Result<(), Error> {
    let before = Map::new(&NODES, 1024)?;
    let after = Map::new(&NODES[..2], 1024)?;
    let key = b"user:42";
    println!("user:42 is in shard {}, on {}", before.shard(key), before.owner(key).unwrap_or("nobody"));
    for i in 0..before.len() {
        println!("{} has {} shards", before.node(i).unwrap_or(""), before.load(i));
    }
    let moves = before.plan(&after);
    let first = &moves[0];
    println!("without the third {} shards move, the first of them shard {} to {}", moves.len(), first.shard,
             first.to.as_deref().unwrap_or("nobody"));
    Ok(())
}
