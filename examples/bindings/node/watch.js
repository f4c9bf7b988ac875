// Print who joins and who leaves; SIGINT and SIGTERM end it. addon.c says how the addon is built; then
// node examples/bindings/node/watch.js epmd:localhost
"use strict";
const fs = require("node:fs");

function fail(sentence, status) {
  process.stderr.write(`watch: ${sentence}\n`);
  process.exit(status);
}

function say(line) {
  try {
    fs.writeSync(1, line + "\n");
  } catch (error) {
    fail(`the output cannot be written: ${error.message}`, 3);
  }
}

function main(urls) {
  const { Cluster, h } = require("./cluster.js");
  if (urls.length === 0) fail("name a source, as in: watch.js epmd:localhost", 2);
  const marks = { [h.JOIN]: "+", [h.LEAVE]: "-", [h.CHANGE]: "~" };
  const c = new Cluster();
  c.on("event", (e) => {
    if (marks[e.type]) say(`${marks[e.type]} ${e.member}`);
    else if (e.type === h.SOURCE) say(`source ${e.url} ${e.error ? e.text : "answers"}`);
    else say(`${e.name} ${e.text}`);
  });
  try {
    for (const url of urls) c.discover(url);
  } catch (error) {
    fail(error.message, 2);
  }
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => (c.close(), process.removeAllListeners()));
}

try {
  main(process.argv.slice(2));
} catch (error) {
  fail(error.message, 3);
}
