//! Call a function on every node that a source finds, as rpc:multicall does, and print a node and its result a line:
//!     make lib && rustc -O -L build -l static=cluster examples/bindings/rust/call.rs
//!     ./call me@127.0.0.1 COOKIE epmd:127.0.0.1 erlang node
#![allow(dead_code)]
mod cluster;

use cluster::{ffi, Cluster, Error};
use std::collections::HashMap;
use std::process::exit;

/// How many nodes did not answer.
fn call_all(arguments: &[String]) -> Result<i32, Error> {
    let list = cluster::term(arguments.get(5).map_or("[]", |s| s))?;
    let mut c = Cluster::erlang(&arguments[0], &arguments[1])?;
    let (mut waiting, mut answered, mut lost) = (HashMap::new(), false, 0);
    c.discover(&arguments[2])?;
    loop {
        let mut joined = Vec::new();
        while let Some(e) = c.next_event() {
            match (e.kind(), e.member()) {
                (ffi::CLUSTER_JOIN, Some(name)) if name != arguments[0] => joined.push(name.to_string()),
                (ffi::CLUSTER_REPLY, _) => {
                    let node = waiting.remove(&e.request()).unwrap_or_default();
                    println!("{} {}", node, e.term().and_then(cluster::term_text).unwrap_or(e.text().to_string()));
                    lost += (e.error() < 0) as i32;
                }
                (ffi::CLUSTER_SOURCE, _) if e.error() < 0 => return Err(Error { code: e.error(), text: e.text().to_string() }),
                (ffi::CLUSTER_SOURCE, _) => answered = true, // behind the JOINs of its round
                _ => (),
            }
        }
        for node in joined {
            waiting.insert(c.call(&node, &arguments[3], &arguments[4], &list)?, node);
        }
        if answered && waiting.is_empty() {
            return Ok((lost > 0) as i32);
        }
        c.poll(-1)?;
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.len() < 5 || arguments.len() > 6 {
        eprintln!("call: say who you are: call NAME@HOST COOKIE URL MODULE FUNCTION ['[ARGUMENTS]']");
        exit(2);
    }
    match call_all(&arguments) {
        Ok(status) => exit(status),
        Err(error) => {
            eprintln!("call: {}", error);
            exit(if error.code == ffi::CLUSTER_E_INVALID { 2 } else { 3 });
        }
    }
}
