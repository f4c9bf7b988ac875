//! Print who joins and who leaves; SIGINT and SIGTERM end it:
//!     make lib && rustc -O -L build -l static=cluster examples/bindings/rust/watch.rs && ./watch epmd:localhost
#![allow(dead_code)]
mod cluster;

use cluster::{ffi, Cluster, Error, Event};
use std::io::{self, Write};
use std::os::raw::c_int;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

static ENDED: AtomicBool = AtomicBool::new(false);

extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
}

extern "C" fn on_signal(_: c_int) {
    ENDED.store(true, Ordering::Relaxed);
}

fn say(out: &mut impl Write, e: &Event) -> io::Result<()> {
    match (e.kind(), e.member(), e.url()) {
        (ffi::CLUSTER_JOIN, Some(name), _) => writeln!(out, "+ {}", name),
        (ffi::CLUSTER_LEAVE, Some(name), _) => writeln!(out, "- {}", name),
        (ffi::CLUSTER_CHANGE, Some(name), _) => writeln!(out, "~ {}", name),
        (ffi::CLUSTER_SOURCE, _, Some(url)) => writeln!(out, "source {} {}", url, if e.error() < 0 { e.text() } else { "answers" }),
        _ => writeln!(out, "{} {}", e.kind_name(), e.text()),
    }
}

fn fail(sentence: &dyn std::fmt::Display, status: i32) -> ! {
    eprintln!("watch: {}", sentence);
    exit(status)
}

fn ask() -> Result<Cluster, Error> {
    let mut c = Cluster::new()?;
    for url in std::env::args().skip(1) {
        c.discover(&url)?;
    }
    Ok(c)
}

fn main() {
    if std::env::args().len() < 2 {
        fail(&"name a source, as in: watch epmd:localhost", 2);
    }
    let mut c = ask().unwrap_or_else(|error| fail(&error, 2));
    unsafe {
        signal(2, on_signal);
        signal(15, on_signal);
    }
    while !ENDED.load(Ordering::Relaxed) {
        let mut out = io::stdout().lock();
        let mut said = Ok(());
        while let Some(e) = c.next_event() {
            said = said.and_then(|_| say(&mut out, &e));
        }
        if said.and_then(|_| out.flush()).is_err() {
            fail(&"the output cannot be written: is the disk full?", 3);
        }
        drop(out);
        c.poll(200).unwrap_or_else(|error| fail(&error, 3)); // a signal is seen between two polls
    }
}
