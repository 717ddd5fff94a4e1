// Says what in a document is not OpenAPI 3.1: node lint.mjs FILE. Ends with 1 if anything is.

import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";

const validator = new Validator();
const outcome = await validator.validate(JSON.parse(readFileSync(process.argv[2], "utf8")));
if (!outcome.valid || validator.version !== "3.1") {
  console.error(JSON.stringify(outcome.errors ?? `version ${validator.version}`, null, 1));
  process.exit(1);
}
