// Call a function on every node that a source finds, as rpc:multicall does, and print a node and its result a line. addon.c says how the
// addon is built; then
// node examples/bindings/node/call.js me@127.0.0.1 COOKIE epmd:127.0.0.1 erlang node
"use strict";

function fail(sentence, status) {
  process.stderr.write(`call: ${sentence}\n`);
  process.exit(status);
}

function main(me, cookie, url, module, func, list) {
  const { Cluster, h } = require("./cluster.js");
  const waiting = new Map();
  let answered = false;
  let lost = 0;
  try {
    const c = new Cluster({ node: me, cookie });
    c.on("event", (e) => {
      try {
        if (e.type === h.JOIN && e.member !== me) waiting.set(c.call(e.member, module, func, list), e.member);
      } catch (error) {
        fail(error.message, 2);
      }
      if (e.type === h.REPLY) {
        console.log(`${waiting.get(e.request)} ${e.term ?? e.text}`);
        waiting.delete(e.request);
        lost += e.error !== 0;
      }
      if (e.type === h.SOURCE && e.error) fail(e.text, 3);
      if (e.type === h.SOURCE) answered = true; // behind the joins of its round
      if (!answered || waiting.size) return;
      process.exitCode = lost ? 1 : 0;
      c.close();
    });
    c.discover(url);
  } catch (error) {
    fail(error.message, error.message.startsWith("the addon") ? 3 : 2);
  }
}

const words = process.argv.slice(2);
if (words.length < 5 || words.length > 6) fail("say who you are: call.js NAME@HOST COOKIE URL MODULE FUNCTION ['[ARGUMENTS]']", 2);
try {
  main(...words);
} catch (error) {
  fail(error.message, 3);
}
