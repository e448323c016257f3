// Prints "valid", or what the official parser finds wrong with the document in the file that it is given.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const wrong = diagnostics.filter(({ severity }) => severity <= 1); // errors and warnings
for (const { code, message, path } of wrong) console.log(`${path.join("/")}: ${code}: ${message}`);
if (!document) console.log("no document");
else if (!wrong.length) console.log("valid");
