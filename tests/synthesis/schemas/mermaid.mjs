// Parses Mermaid flowcharts as Mermaid does.
//
// Reads a JSON list of texts from standard input and writes a JSON list with one
// entry for each: what the flowchart has, or under "error" why it is none. There
// is no browser here, and so nothing that DOMPurify could purify with: texts stay
// as they are.

import { readFileSync } from "node:fs";
import DOMPurify from "dompurify";
import mermaid from "mermaid";

DOMPurify.sanitize = (text) => text;
DOMPurify.addHook = () => {};

// Mermaid's parser has entities in a notation of its own until it draws them.
function read(text) {
  return (text ?? "").replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(Number(code)));
}

async function parse(text) {
  try {
    await mermaid.parse(text); // also has it know its kinds of diagram
    const { db, type } = await mermaid.mermaidAPI.getDiagramFromText(text);
    return {
      type,
      boxes: Object.fromEntries([...db.getVertices().values()].map((box) => [box.id, read(box.text)])),
      classes: Object.fromEntries([...db.getVertices().values()].map((box) => [box.id, box.classes])),
      frames: db.getSubGraphs().map(({ id, title, nodes, classes }) => ({ id, title: read(title), nodes, classes })),
      arrows: db.getEdges().map(({ start, end, text, type, stroke }) => ({ start, end, text: read(text), type, stroke })),
    };
  } catch (error) {
    return { error: String(error.message ?? error) };
  }
}

const results = [];
for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  results.push(await parse(text));
}
process.stdout.write(JSON.stringify(results));
